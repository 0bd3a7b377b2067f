"""The strip of tabs over the panel at the lower right."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from panels.actions import Send, ShowTab, Tab
from panels.style import ACCENT, BAD, DIM, GROUND, PANEL, RAISED, WARN, Metrics, Rgba, hint, text_width
from panels.style import Tag as Item
from viewer_app.scene import Scene

_HINTS = {
    Tab.JOINTS: "Commanded and predicted, per joint or number of the action, and actual: how well the robot follows",
    Tab.CHUNK: "What the policy intends, how sure it is, and whether the robot can do it",
    Tab.INPUTS: "What each input does here",
    Tab.MOTION: "Seams between chunks, and how smooth the motion is",
    Tab.FINDINGS: "What is worth a look, and where to pause",
    Tab.DENOISING: "How the chunk comes out of noise, of a policy that denoises",
    Tab.COMPARE: "How the lanes differ, and from where on; whether the actions' ranges are sane",
    Tab.OBJECTS: "Where objects and joints are, typed in numbers; start positions; pushes",
    Tab.DOCTOR: "What the doctor found wrong with the checkpoint and the scene; the x-ray of the processors",
}
_LEAST_PADDING = 3
_MOST_PADDING = 10
"""Left and right of a tab's words, where there is room. [px]"""


class TabStrip:
    """One tab for each panel. Not Dear PyGui's own tabs, which scroll out of sight where they do not fit."""

    def __init__(self, send: Send, scene: Scene) -> None:
        self._send = send
        joints = scene.spec.action.kind == "joints"
        self._titles = {tab: "Actions" if tab is Tab.JOINTS and not joints else tab.value for tab in Tab}
        self._items: dict[Tab, Item] = {}
        self._hidden: set[Tab] = set()
        self._badges: dict[Tab, tuple[str, Rgba]] = {}
        self._shown = Tab.JOINTS
        self._room = 0
        self._in_two_rows = False
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
        # The shown tab keeps its ground under the mouse: its dark words could not be read on another.
        self._themes = {True: _look(ACCENT, GROUND, touched=ACCENT), False: _look(RAISED, DIM)}
        self._badge_themes = {colour: _look(RAISED, colour) for colour in (BAD, WARN)}
        self._rows = [dpg.add_group(horizontal=True, parent=self.window) for _ in range(2)]
        for tab in Tab:
            self._items[tab] = dpg.add_button(
                label=self._titles[tab],
                parent=self._rows[0],
                callback=lambda _s, _d, to: self._send(ShowTab(to)),
            )
            dpg.set_item_user_data(self._items[tab], tab)
            hint(_HINTS[tab])
        self.show(self._shown)

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        self._room, self._metrics = width, metrics
        self._in_two_rows = height > metrics.px(40)
        self._spread()

    def offer(self, tab: Tab, on: bool) -> None:
        """Offer a tab, or hide one that has nothing to show in this session."""
        if on == (tab in self._hidden):
            self._hidden ^= {tab}
            dpg.configure_item(self._items[tab], show=on)
            self._spread()

    def badge(self, tab: Tab, words: str, colour: Rgba) -> None:
        """Put a few words behind a tab's own, in `BAD` or `WARN`; none take them away."""
        if self._badges.get(tab, ("", colour)) == (words, colour):
            return
        self._badges[tab] = (words, colour)
        dpg.set_item_label(self._items[tab], self._label(tab))
        self.show(self._shown)
        self._spread()

    def _label(self, tab: Tab) -> str:
        words, _ = self._badges.get(tab, ("", BAD))
        return f"{self._titles[tab]} {words}".rstrip()

    def show(self, tab: Tab) -> None:
        """Mark a tab as the one that is shown."""
        self._shown = tab
        for each, item in self._items.items():
            words, colour = self._badges.get(each, ("", BAD))
            plain = self._themes[each is tab]
            dpg.bind_item_theme(item, self._badge_themes[colour] if words and each is not tab else plain)

    def width(self, metrics: Metrics) -> int:
        """How wide all tabs are beside each other, with the least room around their words. [px]"""
        return sum(text_width(self._titles[tab], metrics) + 2 * _LEAST_PADDING + 2 for tab in Tab)

    def _spread(self) -> None:
        """Give each tab its words and an equal share of the room that is left."""
        offered = [tab for tab in Tab if tab not in self._hidden]
        half = -(-len(offered) // 2) if self._in_two_rows else len(offered)
        for row, tabs in zip(self._rows, (offered[:half], offered[half:]), strict=True):
            words = {tab: text_width(self._label(tab), self._metrics) for tab in tabs}
            left = self._room - sum(words.values()) - 2 * len(tabs)
            padding = min(max(left // max(2 * len(tabs), 1), 1), self._metrics.px(_MOST_PADDING))
            for tab in tabs:
                dpg.configure_item(self._items[tab], width=words[tab] + 2 * padding)
                # One after another, so that they stand in their order.
                dpg.move_item(self._items[tab], parent=row)


def _look(ground: Rgba, words: Rgba, touched: Rgba | None = None) -> Item:
    """A theme for tabs, with another ground under the mouse than buttons have if that is `touched`."""
    with dpg.theme() as theme, dpg.theme_component(dpg.mvButton):
        dpg.add_theme_color(dpg.mvThemeCol_Button, ground)
        if touched is not None:
            dpg.add_theme_color(dpg.mvThemeCol_ButtonHovered, touched)
            dpg.add_theme_color(dpg.mvThemeCol_ButtonActive, touched)
        dpg.add_theme_color(dpg.mvThemeCol_Text, words)
        dpg.add_theme_color(dpg.mvThemeCol_Border, PANEL)
    return theme
