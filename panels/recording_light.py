"""The red dot while what is looked at is recorded."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from panels.actions import Action, keys_of
from panels.style import BAD, DIM, Metrics, bubble
from panels.writing import write_value


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


class RecordingLight:
    """A dot, the time, and how to stop, at the upper right of the viewport."""

    def build(self) -> None:
        """Make the widgets, hidden."""
        with bubble() as self.window, dpg.group(horizontal=True):
            dpg.add_text("●", color=BAD)
            self._time = dpg.add_text("0:00")
            dpg.add_text(f"{keys_of(Action.RECORD)} stops", color=DIM)

    @property
    def shown(self) -> bool:
        return bool(dpg.is_item_shown(self.window))

    def place(self, x: int, y: int, width: int, metrics: Metrics) -> None:
        """Take the upper right corner of a rectangle that begins there and is so wide. [px]"""
        dpg.configure_item(self.window, pos=(x + width - metrics.px(166), y + metrics.px(8)))

    def update(self, elapsed: float | None) -> None:
        """Show for how long it has been recording; None while it is not. [s]"""
        if (elapsed is not None) != self.shown:
            dpg.configure_item(self.window, show=elapsed is not None)
        if elapsed is not None:
            write_value(self._time, clock(elapsed))
