"""Which views a video shows: a toggle for each, numbered in the order in which they were chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dearpygui.dearpygui as dpg

from panels.style import Metrics, Tag, hint
from viewer_app.tiles import POLICY
from viewer_app.video_order import HERE

_COLUMNS = 2


def words_for(name: str) -> str:
    """What a person calls a view."""
    return f"policy sees {name.removeprefix(POLICY)}" if name.startswith(POLICY) else name


class ViewChoice:
    """Toggles in two columns, with a scroll bar where there are many."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """
        Args:
            changed: Called when a person chose otherwise.
        """
        self._changed = changed
        self._toggles: dict[str, Tag] = {}
        self._chosen: list[str] = []

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent, border=False)

    def place(self, width: int, height: int, metrics: Metrics) -> None:
        """Take a size."""
        px = metrics.px
        dpg.configure_item(self.window, width=width, height=height)
        rows = -(-len(self._toggles) // _COLUMNS)
        for number, toggle in enumerate(self._toggles.values()):
            column, row = divmod(number, rows)
            dpg.configure_item(toggle, pos=(column * (width // _COLUMNS), row * px(25)))

    def offer(self, names: Sequence[str]) -> bool:
        """Offer these views; what was chosen stays chosen as far as it is among them. Returns whether it changed."""
        if list(self._toggles) == list(names):
            return False
        for toggle in self._toggles.values():
            dpg.delete_item(toggle)
        dpg.delete_item(self.window, children_only=True)
        self._toggles = {}
        for name in names:
            self._toggles[name] = dpg.add_checkbox(parent=self.window, callback=self._turn, user_data=name)
            hint(_hint_for(name))
        self._chosen = [name for name in self._chosen if name in self._toggles]
        self._write()
        return True

    @property
    def offered(self) -> tuple[str, ...]:
        return tuple(self._toggles)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names, in the order in which they are shown."""
        return tuple(self._chosen)

    def choose(self, names: Sequence[str]) -> None:
        """Choose these, as far as they are offered."""
        self._chosen = [name for name in names if name in self._toggles]
        self._write()

    def _turn(self, _sender: Tag, on: bool, name: str) -> None:
        self._chosen = [each for each in self._chosen if each != name] + [name] * on
        self._write()
        self._changed()

    def _write(self) -> None:
        for name, toggle in self._toggles.items():
            on = name in self._chosen
            number = f"   {self._chosen.index(name) + 1}" if on else ""
            dpg.configure_item(toggle, label=f"{words_for(name)}{number}")
            dpg.set_value(toggle, on)


def _hint_for(name: str) -> str:
    if name == HERE:
        return "From where the window looks now"
    if name.startswith(POLICY):
        return "The picture that the policy was given, blinding included"
    return "Views are shown row by row in the order in which they are chosen"
