"""Sentences to the person: a toast that goes by itself, and the last one kept in the bar at the bottom."""

from __future__ import annotations

import time

import dearpygui.dearpygui as dpg

from panels.style import BAD, DIM, TEXT, WARN, Metrics, Tag, bubble

_LASTS = 6.0
"""How long a toast stays. [s]"""


class MessagesPanel:
    """The bar and the toast."""

    def __init__(self) -> None:
        self._until = 0.0
        self._over = (0, 0, 100, 100)
        self._width, self._metrics = 100, Metrics(1.0)

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent, no_scrollbar=True, border=False)
        self._last = dpg.add_text("", color=DIM, parent=self.window)
        self._keys = dpg.add_text("F1 keys   Ctrl+K commands   Ctrl+O open", color=DIM, parent=self.window)
        with bubble() as self._toast:
            self._text = dpg.add_text("", wrap=400)

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take the rectangle of the bar."""
        px = metrics.px
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        dpg.configure_item(self._last, pos=(px(8), px(1)))
        dpg.configure_item(self._keys, pos=(width - px(290), px(1)))
        self._width, self._metrics = width, metrics

    def place_toast(self, x: int, y: int, width: int, height: int) -> None:
        """Take the rectangle at whose lower edge toasts appear."""
        self._over = (x, y, width, height)

    def say(self, text: str, bad: bool) -> None:
        """Show a sentence."""
        colour = WARN if bad else TEXT
        px = self._metrics.px
        dpg.configure_item(self._text, color=BAD if bad else TEXT, wrap=px(520))
        dpg.set_value(self._text, text)
        room = max(int((self._width - px(320)) / px(7.6)), 20)
        one_line = " ".join(text.split())
        dpg.set_value(self._last, one_line if len(one_line) <= room else one_line[: room - 1] + "…")
        dpg.configure_item(self._last, color=colour if bad else DIM)
        dpg.configure_item(self._toast, show=True)
        self._until = time.monotonic() + _LASTS + len(text) / 25

    def update(self) -> None:
        """Keep the toast in place, and take it away when its time is over."""
        if not dpg.is_item_shown(self._toast):
            return
        if time.monotonic() > self._until:
            dpg.configure_item(self._toast, show=False)
            return
        toast_width, toast_height = dpg.get_item_rect_size(self._toast)
        x, y, width, height = self._over
        place = (x + max((width - int(toast_width)) // 2, 0), y + height - int(toast_height) - self._metrics.px(16))
        dpg.configure_item(self._toast, pos=place)
