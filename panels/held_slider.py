"""A slider of whole numbers for settings of the engine, which takes its value when it is let go."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from panels.style import Tag


class HeldSlider:
    """An integer whose value is taken when it is let go: each value on the way would be an intervention of its own."""

    def __init__(self, words: str, low: int) -> None:
        self._words = words
        self._wanted: int | None = None
        self.item: Tag = dpg.add_slider_int(
            format=words, min_value=low, max_value=low + 1, default_value=low, clamped=True, callback=self._moved
        )

    def _moved(self, _sender: Tag, value: int) -> None:
        self._wanted = int(value)

    @property
    def value(self) -> int:
        return int(dpg.get_value(self.item))

    def let_go(self) -> bool:
        """Whether it was moved and then let go, once."""
        if self._wanted is None or dpg.is_item_active(self.item):
            return False
        self._wanted = None
        return True

    def show(self, value: int) -> None:
        """Write its value, unless a person holds it or it is the same."""
        if self._wanted is None and not dpg.is_item_active(self.item) and self.value != value:
            dpg.set_value(self.item, value)

    def limit(self, low: int, high: int) -> None:
        """Let it go up to `high`; where that leaves nothing to choose, it cannot be moved."""
        state = (max(high, low + 1), high > low)
        if dpg.get_item_user_data(self.item) != state:
            dpg.configure_item(self.item, max_value=state[0], enabled=state[1], user_data=state)

    def say(self, words: str) -> None:
        """Write other words, `%d` being the value."""
        if words != self._words:
            self._words = words
            dpg.configure_item(self.item, format=words)
