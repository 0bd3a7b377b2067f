"""The strip of tabs over the panel at the lower right."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from panels.actions import Send, ShowTab, Tab
from panels.style import ACCENT, DIM, GROUND, PANEL, RAISED, Metrics, hint, text_width
from panels.style import Tag as Item

_HINTS = {
    Tab.JOINTS: "Actual, commanded and predicted, per joint; how well the robot follows",
    Tab.CHUNK: "What the policy intends, how sure it is, and whether the robot can do it",
    Tab.INPUTS: "What each input does here",
    Tab.MOTION: "Seams between chunks, and how smooth the motion is",
    Tab.FINDINGS: "What is worth a look, and where to pause",
    Tab.DENOISING: "How the chunk comes out of noise, of a policy that denoises",
    Tab.COMPARE: "How the lanes differ, and from where on; whether the actions' ranges are sane",
}
_MOST_PADDING = 10
"""Left and right of a tab's words, where there is room. [px]"""


class TabStrip:
    """One tab for each panel. Not Dear PyGui's own tabs, which scroll out of sight where they do not fit."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._items: dict[Tab, Item] = {}
        self._hidden: set[Tab] = set()
        self._shown = Tab.JOINTS
        self._room = 0
        self._metrics = Metrics(1.0)

    def build(self, parent: Item) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(
            parent=parent, no_scrollbar=True, no_scroll_with_mouse=True, border=False, height=24
        )
        with dpg.theme() as close, dpg.theme_component(dpg.mvAll):
            dpg.add_theme_style(dpg.mvStyleVar_ItemSpacing, 2, 2)
            dpg.add_theme_style(dpg.mvStyleVar_WindowPadding, 0, 0)
            dpg.add_theme_style(dpg.mvStyleVar_FramePadding, 1, 3)
        dpg.bind_item_theme(self.window, close)
        self._themes = {True: _look(ACCENT, GROUND), False: _look(RAISED, DIM)}
        with dpg.group(horizontal=True, parent=self.window):
            for tab in Tab:
                self._items[tab] = dpg.add_button(label=tab.value, callback=lambda _s, _d, to: self._send(ShowTab(to)))
                dpg.set_item_user_data(self._items[tab], tab)
                hint(_HINTS[tab])
        self.show(self._shown)

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        self._room, self._metrics = width, metrics
        self._spread()

    def offer(self, tab: Tab, on: bool) -> None:
        """Offer a tab, or hide one that has nothing to show in this session."""
        if on == (tab in self._hidden):
            self._hidden ^= {tab}
            dpg.configure_item(self._items[tab], show=on)
            self._spread()

    def show(self, tab: Tab) -> None:
        """Mark a tab as the one that is shown."""
        self._shown = tab
        for each, item in self._items.items():
            dpg.bind_item_theme(item, self._themes[each is tab])

    def _spread(self) -> None:
        """Give each tab its words and an equal share of the room that is left."""
        offered = [tab for tab in Tab if tab not in self._hidden]
        words = {tab: text_width(tab.value, self._metrics) for tab in offered}
        left = self._room - sum(words.values()) - 2 * len(offered)
        padding = min(max(left // (2 * len(offered)), 1), self._metrics.px(_MOST_PADDING))
        for tab in offered:
            dpg.configure_item(self._items[tab], width=words[tab] + 2 * padding)


def _look(ground: tuple[int, int, int, int], words: tuple[int, int, int, int]) -> Item:
    """A theme for tabs."""
    with dpg.theme() as theme, dpg.theme_component(dpg.mvButton):
        dpg.add_theme_color(dpg.mvThemeCol_Button, ground)
        dpg.add_theme_color(dpg.mvThemeCol_Text, words)
        dpg.add_theme_color(dpg.mvThemeCol_Border, PANEL)
    return theme
