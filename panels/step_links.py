"""A row of small buttons, each of which goes to a step."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.style import Metrics, text_width
from viewer_app.view import Seek


def lines_of(widths: list[int], room: int, gap: int) -> list[int]:
    """Which line each item of a list stands in when they are set like words. One wider than the room stands alone.

    Args:
        widths: Of the items. [px]
        room: Width of a line. [px]
        gap: Between two items. [px]
    """
    lines, line, used = [], 0, 0
    for width in widths:
        if used and used + gap + width > room:
            line, used = line + 1, 0
        used += width + gap * (used > 0)
        lines.append(line)
    return lines


class StepLinks:
    """Buttons for steps, in as many lines as they need."""

    def __init__(self, send: Send) -> None:
        """
        Args:
            send: Takes `Seek`.
        """
        self._send = send
        self._shown: tuple[object, ...] = ()
        self._inner = 300
        self._metrics = Metrics(1.0)
        self._group = dpg.add_group()

    def place(self, inner: int, metrics: Metrics) -> None:
        """Take a width. [px]"""
        self._inner, self._metrics = inner, metrics
        self._shown = ()

    def update(self, steps: tuple[int, ...]) -> None:
        """Offer these steps. Those of an earlier episode, below 0, cannot be gone to."""
        # With another font sizes are known a frame late.
        key = (steps, dpg.get_text_size("0"))
        if key == self._shown:
            return
        self._shown = key
        dpg.delete_item(self._group, children_only=True)
        px = self._metrics.px
        widths = [text_width(str(step), self._metrics) + 2 * px(7) for step in steps]
        lines = lines_of(widths, self._inner, px(6))
        for line in range(lines[-1] + 1 if lines else 0):
            with dpg.group(horizontal=True, parent=self._group):
                for step, at in zip(steps, lines, strict=True):
                    if at == line:
                        dpg.add_button(
                            label=str(step),
                            small=True,
                            enabled=step >= 0,
                            user_data=step,
                            callback=lambda _sender, _value, step: self._send(Seek(step)),
                        )
