"""The head of the joints panel: a legend whose rows are switches, the spread in words, and the tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dearpygui.dearpygui as dpg

from panels.actions import ExportPlot, Send
from panels.joint_curves import Fan, flow
from panels.joint_marks import spread_words
from panels.joint_plot import CURVES, lane_curve
from panels.style import DIM, FAINT, HOVER, PRESSED, Metrics, Rgba, Tag, hint, text_width
from viewer_app.insight import MomentInsight, lane_letter
from viewer_app.joint_units import JointUnit, unit_words
from viewer_app.scene import Scene

_EXPORTS = {
    "png": "Picture (PNG)",
    "pdf": "For print (PDF)",
    "svg": "For print (SVG)",
    "csv": "Numbers of the whole trace (CSV)",
}
_ENSEMBLE = ("raw", "ensembled")
_WIDEST = "100 chunks, spread 188.8 mm"
"""Room that is kept for the words of the spread."""


@dataclass(frozen=True)
class Wishes:
    """What the panel does when something in its head is used."""

    switch: Callable[[str, bool], None]
    """Show or hide a curve of the legend."""
    follow: Callable[[], None]
    """Show the seconds around the step looked at."""
    all: Callable[[], None]
    """Show the whole episode."""
    tabulate: Callable[[], None]
    """Show the table, or the plots again."""


class Head:
    """Legend, words and tools, laid out like words on as few lines as they need."""

    def __init__(self, parent: Tag, send: Send, wishes: Wishes, scene: Scene) -> None:
        """
        Args:
            scene: Says whether anything measures what is commanded, and what its units are called.
            parent: The panel's window.
            send: Takes what is to be exported.
            wishes: What else is asked for.
        """
        self._send = send
        self._wishes = wishes
        self._scene = scene
        self._curves = tuple(curve for curve in CURVES if curve.name != "actual" or scene.measures_commands)
        self.on = {curve.name for curve in self._curves if curve.on}
        """Names of the curves that are shown."""
        self.unit = JointUnit.SCENE
        """The unit chosen."""
        self._units: tuple[JointUnit, ...] = ()
        self._measured = 0  # width of a sample of text, which is known from the first frame on [px]
        self._parent = parent
        self._themes = {"": _switch_theme(FAINT), **{curve.name: _switch_theme(curve.colour) for curve in CURVES}}
        self._switches: dict[str, Tag] = {}
        self._lanes: dict[int, str] = {}  # the other lanes' labels
        for curve in self._curves:
            self._switches[curve.name] = dpg.add_button(
                label=curve.label, parent=parent, callback=self._switch, user_data=curve.name
            )
            hint(f"{curve.hint}.\nClick to show or hide it")
            self._dress(curve.name)
        self._words = dpg.add_text("", color=DIM, parent=parent)
        with dpg.tooltip(self._words, delay=0.4, hide_on_activity=True):
            dpg.add_text("Chunks that predicted this step, and the gripper's largest distance from their mean")
            self._fan_words = dpg.add_text("", color=DIM)
        self._build_tools(parent)

    def _build_tools(self, parent: Tag) -> None:
        self._combo = dpg.add_combo([], parent=parent, callback=self._choose_unit)
        hint("Unit. Normalised: the policy's own numbers, by the scale of its actions")
        self._buttons: dict[str, Tag] = {}
        for label, callback, text in (
            (
                "Follow",
                self._wishes.follow,
                "Show the seconds around the step looked at. Wheel: zoom, drag: pan, double-click: follow again",
            ),
            ("All", self._wishes.all, "Show the whole episode"),
            ("Table", self._wishes.tabulate, f"{_table_words(self._scene)} as a table, or the plots again"),
            ("Export", None, "Write what is plotted to a file, in the unit shown"),
        ):
            self._buttons[label] = dpg.add_button(label=label, parent=parent, callback=callback)
            hint(text)
        with dpg.popup(self._buttons["Export"], mousebutton=dpg.mvMouseButton_Left):
            for suffix, label in _EXPORTS.items():
                dpg.add_menu_item(label=label, callback=self._export, user_data=suffix)

    def offer(self, units: tuple[JointUnit, ...]) -> None:
        """Offer these units, the scene's own always among them."""
        if units == self._units:
            return
        self._units = units
        self.unit = self.unit if self.unit in units else JointUnit.SCENE
        words = unit_words(self.unit, self._scene)
        items = [unit_words(unit, self._scene) for unit in units]
        dpg.configure_item(self._combo, items=items, default_value=words)
        dpg.set_value(self._combo, words)

    def offer_lanes(self, others: Sequence[int], colours: Sequence[Rgba]) -> None:
        """Name the other lanes in the legend.

        Args:
            others: Their numbers.
            colours: Of all lanes, in turn.
        """
        self._lanes = {lane: f"━ {lane_letter(lane)}" for lane in others}
        for lane, label in self._lanes.items():
            name = lane_curve(lane)
            if name not in self._switches:
                self._themes[name] = _switch_theme(colours[lane % len(colours)])
                self._switches[name] = dpg.add_button(
                    label=label, parent=self._parent, callback=self._switch, user_data=name
                )
                letter = lane_letter(lane)
                what = "Measured joint position" if self._scene.measures_commands else "Executed action"
                hint(f"{what} in lane {letter} at the same moments.\nClick to show or hide it")
                self.on.add(name)
                self._dress(name)
        for name, switch in self._switches.items():
            if name.startswith("lane "):
                dpg.configure_item(switch, show=name in map(lane_curve, others))

    def say(self, moment: MomentInsight | None, step: int) -> None:
        """Write how far apart the predictions of a step are, fainter while those of another step are known only."""
        dpg.set_value(self._words, spread_words(moment) if moment is not None else "")
        dpg.configure_item(self._words, color=DIM if moment is not None and moment.step == step else FAINT)

    def say_fan(self, fan: Fan) -> None:
        """Write how many past chunks are drawn."""
        dpg.set_value(self._fan_words, f"{fan.drawn} of the {fan.known} past chunks in this window are drawn")

    def show_tabular(self, on: bool) -> None:
        """Name the button that changes between plots and table."""
        dpg.configure_item(self._buttons["Table"], label="Plots" if on else "Table")

    # Layout.

    def is_measured(self, metrics: Metrics) -> bool:
        """Whether it was laid out with the widths that texts have now: they are estimates before the first frame."""
        return self._measured == text_width(_WIDEST, metrics)

    def place(self, width: int, metrics: Metrics, ensembles: bool) -> int:
        """Lay everything out. Returns where the rest of the panel begins. [px]

        Args:
            width: Of the panel. [px]
            metrics: Scale of the text.
            ensembles: Whether the curves of the temporal ensemble are in the legend.
        """
        px = metrics.px
        self._measured = text_width(_WIDEST, metrics)
        legend: list[tuple[Tag, int]] = []
        for curve in self._curves:
            there = ensembles or curve.name not in _ENSEMBLE
            dpg.configure_item(self._switches[curve.name], show=there)
            if there:
                legend.append((self._switches[curve.name], text_width(curve.label, metrics) + px(4)))
        for lane, label in self._lanes.items():
            legend.append((self._switches[lane_curve(lane)], text_width(label, metrics) + px(4)))
        tools = [(self._combo, px(108))]
        tools += [(item, text_width(label, metrics) + px(14)) for label, item in self._buttons.items()]
        room, gap = width - px(14), px(5)
        needed = sum(wide + gap for _, wide in tools)
        words = "then" in self.on
        dpg.configure_item(self._words, show=words)
        placed = flow([*(wide for _, wide in legend), *([self._measured] if words else [])], room, gap)
        # Words that would stand alone on a line go beside the tools if they can.
        aside = words and placed[-1][0] == 0 and room - needed >= self._measured
        if words and not aside:
            legend.append((self._words, self._measured))
        placed = placed[: len(legend)]
        for (item, _), (at, line) in zip(legend, placed, strict=True):
            # Dear PyGui puts a text lower than a button.
            dpg.configure_item(item, pos=(px(7) + at, px(5 if item != self._words else 3) + line * px(22)))
        last, line = placed[-1]
        beside = line == 0 and not aside and last + legend[-1][1] + needed <= room
        at, top = (px(7) + room - needed, px(4)) if beside else (px(7), px(5) + (line + 1) * px(22))
        for tool, wide in tools:
            dpg.configure_item(tool, pos=(at, top), width=wide)
            at += wide + gap
        if aside:
            dpg.configure_item(self._words, pos=(at, top + px(1)))
        return top + px(29)

    # What the person chooses.

    def _switch(self, _sender: Tag, _value: object, name: str) -> None:
        self.on ^= {name}
        self._dress(name)
        self._wishes.switch(name, name in self.on)

    def _dress(self, name: str) -> None:
        dpg.bind_item_theme(self._switches[name], self._themes[name if name in self.on else ""])

    def _choose_unit(self, _sender: Tag, text: str) -> None:
        self.unit = next(unit for unit in self._units if unit_words(unit, self._scene) == text)

    def _export(self, _sender: Tag, _value: object, suffix: str) -> None:
        self._send(ExportPlot("joints", suffix, self.unit.value))


def _table_words(scene: Scene) -> str:
    if scene.measures_commands:
        return "Tracking error and lag of each joint"
    return "Each number of the actions and of what is measured"


def _switch_theme(colour: Rgba) -> Tag:
    """The look of a switch of the legend."""
    with dpg.theme() as made, dpg.theme_component(dpg.mvAll):
        dpg.add_theme_color(dpg.mvThemeCol_Text, colour)
        for part, ground in (
            (dpg.mvThemeCol_Button, (0, 0, 0, 0)),
            (dpg.mvThemeCol_ButtonHovered, HOVER),
            (dpg.mvThemeCol_ButtonActive, PRESSED),
        ):
            dpg.add_theme_color(part, ground)
        dpg.add_theme_style(dpg.mvStyleVar_FramePadding, 2, 1)
    tag: Tag = made
    return tag
