"""F1: the table of keys, made from the table of actions."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from panels.actions import ACTIONS
from panels.style import ACCENT, DIM, Metrics

_MOUSE = (
    ("left-drag", "Orbit"),
    ("right-drag", "Pan"),
    ("wheel", "Zoom"),
    ("double-click", "Centre on what is under the mouse, and mark it"),
    ("Ctrl+drag", "Move an object; Shift: up and down, wheel: turn"),
    ("Ctrl+right-drag", "Push a body when you let go"),
    ("drag the timeline", "Scrub"),
    ("wheel, drag on a joint", "Zoom and pan; double-click follows again"),
)


class HelpPanel:
    """A card over the window."""

    def build(self) -> None:
        """Make the widgets, hidden."""
        with dpg.window(
            show=False, no_title_bar=True, no_resize=True, no_move=True, no_saved_settings=True
        ) as self.window:
            with dpg.group(horizontal=True):
                dpg.add_text("Keys", color=ACCENT)
                dpg.add_text("   F1 or Esc closes. Keys yield to text fields; bare letters stay free.", color=DIM)
            with dpg.table(header_row=False, policy=dpg.mvTable_SizingStretchProp):
                for _ in range(3):
                    dpg.add_table_column()
                *groups, last = dict.fromkeys(entry.group for entry in ACTIONS)
                with dpg.table_row():
                    with dpg.group():
                        for group in groups[:2]:
                            self._group(group)
                    with dpg.group():
                        for group in groups[2:]:
                            self._group(group)
                        dpg.add_text("Mouse", color=ACCENT)
                        self._rows(_MOUSE)
                    with dpg.group():
                        self._group(last)

    def _group(self, group: str) -> None:
        rows = tuple((entry.keys[0], entry.title) for entry in ACTIONS if entry.group == group and entry.keys)
        if rows:
            dpg.add_text(group, color=ACCENT)
            self._rows(rows)

    def _rows(self, rows: tuple[tuple[str, str], ...]) -> None:
        with dpg.table(header_row=False, policy=dpg.mvTable_SizingFixedFit):
            dpg.add_table_column(width_fixed=True)
            dpg.add_table_column(width_stretch=True)
            for keys, title in rows:
                with dpg.table_row():
                    dpg.add_text(keys, color=DIM)
                    dpg.add_text(title, wrap=0)

    @property
    def shown(self) -> bool:
        return bool(dpg.is_item_shown(self.window))

    def show(self, on: bool, width: int, height: int, metrics: Metrics) -> None:
        """Open over the middle of a window of this size, or close."""
        px = metrics.px
        card_width, card_height = min(px(1240), width - px(20)), min(px(540), height - px(20))
        place = ((width - card_width) // 2, (height - card_height) // 2)
        dpg.configure_item(self.window, show=on, width=card_width, height=card_height, pos=place)
        if on:
            dpg.focus_item(self.window)
