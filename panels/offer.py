"""A card that asks one thing and takes yes or no."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from panels.actions import Request, Send
from panels.style import ACCENT, DIM, Metrics, Tag


class OfferCard:
    """A sentence, and two buttons, each of which sends a request."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._answers: tuple[Request, Request] | None = None

    @property
    def shown(self) -> bool:
        return bool(dpg.is_item_shown(self.window))

    def build(self) -> None:
        """Make the widgets, hidden."""
        with dpg.window(show=False, no_title_bar=True, no_resize=True, no_move=True, no_scrollbar=True) as self.window:
            self._title = dpg.add_text("", color=ACCENT)
            self._text = dpg.add_text("", color=DIM, wrap=400)
            with dpg.group(horizontal=True):
                self._yes: Tag = dpg.add_button(label="Yes", callback=lambda: self._decide(0))
                self._no: Tag = dpg.add_button(label="No", callback=lambda: self._decide(1))

    def open(
        self,
        title: str,
        text: str,
        yes: tuple[str, Request],
        no: tuple[str, Request],
        width: int,
        height: int,
        metrics: Metrics,
    ) -> None:
        """Open over a window.

        Args:
            title: One line.
            text: What it is about.
            yes, no: What the buttons say, and what they send.
            width: Of the window. [px]
            height: Of the window. [px]
            metrics: Of the text.
        """
        px = metrics.px
        self._answers = (yes[1], no[1])
        card, tall = min(px(460), width - px(40)), px(108)
        # Above the card that tells of a load.
        place = ((width - card) // 2, min(px(72), max(height - tall, 0)))
        dpg.configure_item(self.window, show=True, width=card, height=tall, pos=place)
        dpg.set_value(self._title, title)
        dpg.set_value(self._text, text)
        dpg.configure_item(self._text, wrap=card - px(16))
        dpg.set_item_label(self._yes, yes[0])
        dpg.set_item_label(self._no, no[0])
        dpg.focus_item(self.window)

    def cancel(self) -> None:
        """Close, and answer no."""
        if self.shown:
            self._decide(1)

    def _decide(self, answer: int) -> None:
        dpg.configure_item(self.window, show=False)
        if self._answers is not None:
            self._send(self._answers[answer])
        self._answers = None
