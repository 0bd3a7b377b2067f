"""A list to jump from: as many rows as there are to tell, with widgets for those in sight only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import dearpygui.dearpygui as dpg

from panels.list_rows import Entry, rows_in_sight
from panels.style import DIM, Metrics, Rgba, Tag

_TRIES = 4
"""In how many frames a scroll is asked for: Dear PyGui learns how long a list is a frame after it has grown."""


class _Row:
    """Widgets that show one entry after another."""

    def __init__(self, parent: Tag, colours: Sequence[Rgba], choose: Callable[[int], None]) -> None:
        self.step = 0
        self._shown: tuple[object, ...] = ()
        # The text lies over it, as a label cannot have columns.
        self._ground = dpg.add_selectable(parent=parent, callback=lambda: choose(self.step))
        self._cells = [dpg.add_text("", parent=parent, color=colour) for colour in colours]
        self._note = dpg.add_text("", parent=parent, color=DIM)

    def show(self, entry: Entry, y: int, height: int, columns: Sequence[int], wrap: int, line: int) -> None:
        """Show an entry at a height of the list. [px]"""
        key = (entry, y, height, wrap, tuple(columns))
        if key == self._shown:
            return
        self._shown, self.step = key, entry.step
        # A selectable reaches half the space between items beyond itself.
        dpg.configure_item(self._ground, pos=(0, y + 3), width=wrap + columns[0], height=height - line // 3, show=True)
        for item, text, x in zip(self._cells, entry.cells, columns, strict=True):
            dpg.configure_item(item, pos=(x, y + 1), show=True)
            dpg.set_value(item, text)
        dpg.configure_item(self._note, pos=(columns[0], y + line), wrap=wrap, show=bool(entry.note))
        dpg.set_value(self._note, entry.note)

    def mark(self, current: bool) -> None:
        """A click turns the mark over, so it is written whenever it is another one."""
        if bool(dpg.get_value(self._ground)) != current:
            dpg.set_value(self._ground, current)

    def hide(self) -> None:
        if self._shown:
            self._shown = ()
            for item in (self._ground, *self._cells, self._note):
                dpg.configure_item(item, show=False)


class Listing:
    """Rows that scroll. The current one is marked and kept in sight, unless the mouse is over the list."""

    def __init__(self, colours: Sequence[Rgba], choose: Callable[[int], None]) -> None:
        """
        Args:
            colours: Of the columns' text.
            choose: Called with the step of a row that was clicked.
        """
        self._colours = tuple(colours)
        self._choose = choose
        self._rows: list[_Row] = []
        self._entries: tuple[Entry, ...] = ()
        self._edges = [0]  # [px]
        self._current: int | None = None
        self._goal: float | None = None  # where to scroll to [px]
        self._tries = 0
        self._columns = [0] * len(self._colours)
        self._wrap, self._height, self._line = 100, 100, 18  # [px]
        self._letter: object = None  # size of one in the font that the rows were measured in [px]
        self._stale = True  # whether they are to be measured again

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent, border=False)
        self._end = dpg.add_text("", parent=self.window)

    def place(self, width: int, height: int, columns: Sequence[int], metrics: Metrics) -> None:
        """Take a size.

        Args:
            width: [px]
            height: [px]
            columns: Left edge of each column's text. [px]
            metrics: Scale of the text.
        """
        px = metrics.px
        dpg.configure_item(self.window, width=width, height=height)
        self._wrap, self._height, self._line = width - columns[0] - px(14), height, px(18)
        self._columns, self._stale = list(columns), True

    def show(self, entries: Sequence[Entry], current: int | None) -> None:
        """Show rows, one of them as the current one."""
        if entries is not self._entries and tuple(entries) != self._entries:
            self._entries = tuple(entries)
            self._current, self._stale = None, True
        # Before the first frame Dear PyGui knows no sizes, and before the first with another font the old ones.
        if (letter := dpg.get_text_size("0")) != self._letter or self._stale:
            self._letter, self._stale = letter, False
            self._measure()
        if current != self._current:
            self._current = current
            if current is not None and not self._hovered():
                self._bring_into_sight(current)
        self._scroll()
        self._fill()

    def _measure(self) -> None:
        self._edges = [0, *accumulate(self._height_of(entry) for entry in self._entries)]
        # What lies lowest says how far the list can be scrolled.
        dpg.configure_item(self._end, pos=(0, max(self._edges[-1] - self._line, 0)))

    def _height_of(self, entry: Entry) -> int:
        if not entry.note:
            return self._line + 2
        size = dpg.get_text_size(entry.note, wrap_width=float(self._wrap))
        return self._line + (round(size[1]) if size is not None and size[1] > 0 else self._line) + 5

    def _hovered(self) -> bool:
        # The rows in it cover the window, so that it counts as hovered where one of them is.
        x, y = dpg.get_mouse_pos(local=False)
        state = dpg.get_item_state(self.window)
        left, top = self._corner()
        width, height = state["rect_size"]
        return bool(left <= x < left + width and top <= y < top + height)

    def _corner(self) -> tuple[float, float]:
        """Where the list is in the window: Dear PyGui tells that of its items only. [px]"""
        left, top = dpg.get_item_rect_min(self._end)
        at_x, at_y = dpg.get_item_pos(self._end)
        return left - at_x, top - at_y + dpg.get_y_scroll(self.window)

    def _bring_into_sight(self, number: int) -> None:
        top, bottom = self._edges[number], self._edges[number + 1]
        scroll = dpg.get_y_scroll(self.window) if self._goal is None else self._goal
        if top < scroll or bottom > scroll + self._height:
            self._goal = float(max(min(top, bottom - self._height if top > scroll else top), 0))
            self._tries = _TRIES

    def _scroll(self) -> None:
        if self._goal is None:
            return
        if self._tries == 0 or abs(dpg.get_y_scroll(self.window) - self._goal) < 1:
            self._goal = None
            return
        self._tries -= 1
        dpg.set_y_scroll(self.window, self._goal)

    def _fill(self) -> None:
        seen = rows_in_sight(self._edges, dpg.get_y_scroll(self.window), self._height)
        while len(self._rows) < len(seen):
            self._rows.append(_Row(self.window, self._colours, self._choose))
        # Each entry keeps its widgets while it is in sight.
        for number in seen:
            row = self._rows[number % len(self._rows)]
            top, bottom = self._edges[number], self._edges[number + 1]
            row.show(self._entries[number], top, bottom - top, self._columns, self._wrap, self._line)
            row.mark(number == self._current)
        used = {number % len(self._rows) for number in seen}
        for spare, row in enumerate(self._rows):
            if spare not in used:
                row.hide()
