"""A hand on mouse and keyboard, for windows that are tested as a person uses them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from panels.style import Tag
from tests.widgets import METRICS, box, render


class Hand:
    """Moves and presses while the window goes on drawing."""

    def __init__(self, draw: Callable[[int], None] = render) -> None:
        """
        Args:
            draw: Draws some frames.
        """
        self._draw = draw

    def press_item(self, item: Tag) -> None:
        left, top, right, bottom = box(item)
        self.press((left + right) // 2, (top + bottom) // 2)

    def press(self, x: int, y: int) -> None:
        click = ("mousedown", "1", "sleep", "0.1", "mouseup", "1", "sleep", "0.1")
        self.do("mousemove", str(x), str(y), "sleep", "0.2", *click)

    def choose(self, combo: Tag, entry: int) -> None:
        """Open a combo and take one of its entries."""
        self.press_item(combo)
        left, _, _, bottom = box(combo)
        self.press(left + METRICS.px(30), bottom + METRICS.px(16) + entry * METRICS.px(19))

    def point(self, x: int, y: int) -> None:
        self.do("mousemove", str(x), str(y), "sleep", "0.3")

    def type(self, text: str, key: str) -> None:
        self.do("type", "--delay", "40", text)
        self.do("key", key)

    def do(self, *words: str) -> None:
        """What xdotool is told."""
        with subprocess.Popen(["xdotool", *words]) as hand:
            while hand.poll() is None:
                self._draw(1)
        self._draw(6)
