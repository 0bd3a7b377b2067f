"""The strip of tabs over the panel at the lower right."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from panels.actions import Send, ShowTab, Tab
from panels.style import Metrics
from panels.style import Tag as Item

_HINTS = {
    Tab.JOINTS: "Actual, commanded and predicted, per joint; how well the robot follows",
    Tab.CHUNK: "What the policy intends, how sure it is, and whether the robot can do it",
    Tab.INPUTS: "What each input does here",
    Tab.MOTION: "Seams between chunks, and how smooth the motion is",
    Tab.FINDINGS: "What is worth a look, and where to pause",
    Tab.DENOISING: "How the chunk comes out of noise, of a policy that denoises",
    Tab.COMPARE: "How the lanes differ, and from where on",
}


class TabStrip:
    """One tab for each panel."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._items: dict[Tab, Item] = {}

    def build(self, parent: Item) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(
            parent=parent, no_scrollbar=True, no_scroll_with_mouse=True, border=False, height=24
        )
        self._bar = dpg.add_tab_bar(parent=self.window, callback=self._chosen)
        # Seven of them are to fit into the narrowest column.
        with dpg.theme() as narrow, dpg.theme_component(dpg.mvAll):
            dpg.add_theme_style(dpg.mvStyleVar_FramePadding, 3, 3)
            dpg.add_theme_style(dpg.mvStyleVar_ItemInnerSpacing, 2, 2)
        dpg.bind_item_theme(self.window, narrow)
        for tab in Tab:
            self._items[tab] = dpg.add_tab(label=tab.value, parent=self._bar)
            with dpg.tooltip(self._items[tab], delay=0.4, hide_on_activity=True):
                dpg.add_text(_HINTS[tab])

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)

    def offer(self, tab: Tab, on: bool) -> None:
        """Offer a tab, or hide one that has nothing to show in this session."""
        dpg.configure_item(self._items[tab], show=on)

    def show(self, tab: Tab) -> None:
        """Mark a tab as the one that is shown."""
        dpg.set_value(self._bar, self._items[tab])

    def _chosen(self, _sender: Item, item: Item) -> None:
        tab = next((each for each, known in self._items.items() if known == item), None)
        if tab is not None:
            self._send(ShowTab(tab))
