"""The card at the viewport's edge while a video is made: how far it is, and a way out."""

from __future__ import annotations

import time

import dearpygui.dearpygui as dpg

from panels.actions import Action, Send
from panels.loading import seconds_left
from panels.style import ACCENT, DIM, Metrics, Tag, hint, text_width
from panels.writing import fitted, write_value


class ExportStrip:
    """A name, a bar, the time left and a button."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._name = ""
        self._begin = 0.0  # when its first picture was done [s]
        self._shown: tuple[object, ...] = ()
        self._card = 100
        self._metrics = Metrics(1.0)

    def build(self) -> None:
        """Make the widgets, hidden."""
        with dpg.window(
            show=False,
            no_title_bar=True,
            no_resize=True,
            no_move=True,
            no_scrollbar=True,
            no_focus_on_appearing=True,
            min_size=(20, 10),
        ) as self.window:
            self._what = dpg.add_text("", color=ACCENT)
            self._bar = dpg.add_progress_bar()
            self._times = dpg.add_text("", color=DIM)
            self._cancel: Tag = dpg.add_button(label="Cancel", callback=lambda: self._send(Action.CANCEL_EXPORT))
            hint("Stop this export; nothing of it is left behind")

    @property
    def shown(self) -> bool:
        return bool(dpg.is_item_shown(self.window))

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a place at the right of the viewport's rectangle, above the toasts at its lower edge."""
        px = metrics.px
        self._metrics, self._card = metrics, min(px(330), width - px(20))
        tall, inner = px(86), self._card - 2 * px(10)
        place = (x + width - self._card - px(10), y + height - tall - px(76))
        dpg.configure_item(self.window, pos=place, width=self._card, height=tall)
        dpg.configure_item(self._what, pos=(px(10), px(6)))
        dpg.configure_item(self._bar, pos=(px(10), px(31)), width=inner, height=px(10))
        dpg.configure_item(self._times, pos=(px(10), px(54)))
        dpg.configure_item(self._cancel, pos=(self._card - px(74), px(52)), width=px(64))
        self._shown = ()

    def hide(self) -> None:
        if self.shown:
            self._name = ""
            dpg.configure_item(self.window, show=False)

    def update(self, name: str, done: int, total: int, waiting: int, now: float | None = None) -> None:
        """Show how far an export is.

        Args:
            name: Of the video.
            done: Pictures that are done.
            total: Pictures in all, 0 while it has not begun.
            waiting: How many others wait for their turn.
            now: Wall clock. [s]
        """
        now = time.monotonic() if now is None else now
        if name != self._name or not done:
            self._name, self._begin = name, now
        if not self.shown:
            dpg.configure_item(self.window, show=True)
        words = times(done, total, waiting, now - self._begin)
        key = (name, done, words)
        if key == self._shown:
            return
        self._shown = key
        room = self._card - self._metrics.px(24)
        write_value(self._what, fitted(f"Exporting {name}", room, lambda text: text_width(text, self._metrics)))
        dpg.set_value(self._bar, done / total if total else 0.0)
        write_value(self._times, words)


def times(done: int, total: int, waiting: int, elapsed: float) -> str:
    """Percent, time left and what waits, in words.

    Args:
        done: Pictures that are done.
        total: Pictures in all, 0 while it has not begun.
        waiting: How many others wait.
        elapsed: Since the first picture was done. [s]
    """
    left = seconds_left(elapsed, done / total) if total else None
    parts = [
        f"{100 * done // total} %" if done else "beginning",
        "finishing the file" if done == total and total else f"about {left:.0f} s left" if left is not None else "",
        f"{waiting} waiting" if waiting else "",
    ]
    return "   ".join(part for part in parts if part)
