"""Ctrl+K: find any action by typing part of its name."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from panels.actions import ActionEntry, Send, matching
from panels.style import DIM, Metrics, Tag

_SHOWN = 10


class PalettePanel:
    """A field and the actions that match it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._found: tuple[ActionEntry, ...] = ()
        self._chosen = 0
        self._typed = ""
        self._rows: list[tuple[Tag, Tag]] = []

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        return (self._field,)

    @property
    def shown(self) -> bool:
        return bool(dpg.is_item_shown(self.window))

    def build(self) -> None:
        """Make the widgets, hidden."""
        with dpg.window(show=False, no_title_bar=True, no_resize=True, no_move=True, autosize=False) as self.window:
            self._field = dpg.add_input_text(hint="Type what to do", width=-1)
            for row in range(_SHOWN):
                with dpg.group(horizontal=True):
                    choice = dpg.add_selectable(label="", callback=self._clicked, user_data=row)
                    keys = dpg.add_text("", color=DIM)
                self._rows.append((choice, keys))

    def open(self, width: int, height: int, metrics: Metrics) -> None:
        """Open over a window of this size, with nothing typed."""
        px = metrics.px
        card = min(px(560), width - px(40))
        dpg.configure_item(
            self.window, show=True, width=card, height=px(46) + _SHOWN * px(23), pos=((width - card) // 2, height // 8)
        )
        for choice, _ in self._rows:
            dpg.configure_item(choice, width=card - px(130))
        dpg.set_value(self._field, "")
        self._typed, self._chosen = "", 0
        self._list()
        dpg.focus_item(self._field)

    def close(self) -> None:
        dpg.configure_item(self.window, show=False)

    def update(self) -> None:
        """Follow what is typed, and the arrow keys."""
        if not self.shown:
            return
        typed = str(dpg.get_value(self._field))
        if typed != self._typed:
            self._typed, self._chosen = typed, 0
            self._list()
        move = int(dpg.is_key_pressed(dpg.mvKey_Down)) - int(dpg.is_key_pressed(dpg.mvKey_Up))
        if move and self._found:
            self._chosen = (self._chosen + move) % min(len(self._found), _SHOWN)
            self._list()
        if dpg.is_key_pressed(dpg.mvKey_Return) or dpg.is_key_pressed(dpg.mvKey_NumPadEnter):
            self._do(self._chosen)

    def _list(self) -> None:
        self._found = matching(self._typed)
        for row, (choice, keys) in enumerate(self._rows):
            entry = self._found[row] if row < len(self._found) else None
            dpg.configure_item(choice, show=entry is not None, label="" if entry is None else entry.title)
            dpg.set_value(choice, entry is not None and row == self._chosen)
            dpg.configure_item(keys, show=entry is not None)
            dpg.set_value(keys, entry.keys[0] if entry is not None and entry.keys else "")

    def _clicked(self, _sender: Tag, _on: bool, row: int) -> None:
        self._do(row)

    def _do(self, row: int) -> None:
        if row < len(self._found):
            self.close()
            self._send(self._found[row].action)
