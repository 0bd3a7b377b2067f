"""The card over the viewport while a checkpoint loads."""

from __future__ import annotations

import time

import dearpygui.dearpygui as dpg

from panels.actions import Action, Send
from panels.style import ACCENT, DIM, Metrics, Tag


def seconds_left(elapsed: float, fraction: float) -> float | None:
    """How long a load will still take if it goes on as so far, None while that cannot be said. [s]"""
    if fraction < 0.03 or elapsed < 0.5:
        return None
    return elapsed * (1.0 - fraction) / fraction


class LoadingPanel:
    """Text, bar, times and a way out."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begin = 0.0
        self._metrics = Metrics(1.0)

    def build(self) -> None:
        """Make the widgets, hidden."""
        with dpg.window(
            show=False, no_title_bar=True, no_resize=True, no_move=True, no_scrollbar=True, no_focus_on_appearing=True
        ) as self.window:
            self._what = dpg.add_text("", color=ACCENT)
            self._text = dpg.add_text("", color=DIM)
            self._bar = dpg.add_progress_bar(width=-1)
            with dpg.group(horizontal=True):
                self._times = dpg.add_text("", color=DIM)
                self._cancel: Tag = dpg.add_button(label="Cancel", callback=lambda: self._send(Action.CANCEL))

    def begin(self, what: str) -> None:
        """Open the card."""
        self._begin = time.monotonic()
        dpg.set_value(self._what, what)
        dpg.configure_item(self.window, show=True)

    def end(self) -> None:
        dpg.configure_item(self.window, show=False)

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take the middle of the viewport's rectangle."""
        px = metrics.px
        card, tall = min(px(420), width - px(20)), px(118)
        dpg.configure_item(
            self.window, pos=(x + (width - card) // 2, y + (height - tall) // 2), width=card, height=tall
        )
        dpg.configure_item(self._bar, height=px(12))
        dpg.configure_item(self._cancel, pos=(card - px(72), tall - px(34)))

    def update(self, text: str, fraction: float) -> None:
        """Show how far the load is."""
        elapsed = time.monotonic() - self._begin
        left = seconds_left(elapsed, fraction)
        dpg.set_value(self._text, text)
        dpg.set_value(self._bar, fraction)
        dpg.set_value(self._times, f"{elapsed:.0f} s" + (f", about {left:.0f} s left" if left is not None else ""))
