"""The range check: between which values the actions of each lane lie, beside what the robot can do."""

from __future__ import annotations

from collections.abc import Sequence

import dearpygui.dearpygui as dpg
import numpy as np

from panels.style import BAD, DIM, TEXT, WARN, Metrics, Rgba, Tag, bubble, heading, hint, rgb, text_width
from panels.writing import fitted, reveal, write, write_value
from viewer_app.channels import without_prefix
from viewer_app.insight import Ranges, lane_letter
from viewer_app.scene import Scene
from viewer_app.view import Frame

_EDGE = 0.005
"""An action this much beyond the range is rounding. [share of the range]"""


def ranges_in(frame: Frame) -> tuple[Ranges | None, ...]:
    """The ranges of every lane, of the single one where there is but one; empty while they are being computed."""
    if frame.comparison is not None:
        return frame.comparison.ranges
    if len(frame.view.lanes) == 1 and frame.episode is not None and frame.episode.trace is frame.trace:
        return (frame.episode.ranges,)
    return ()


def alarms_in(frame: Frame) -> tuple[str, ...]:
    """What is wrong with the actions of any lane, a sentence each; empty where all is well."""
    found = ranges_in(frame)
    several = len(frame.view.lanes) > 1
    return tuple(
        f"{lane_letter(lane)}: {ranges.alarm}" if several else ranges.alarm
        for lane, ranges in enumerate(found)
        if ranges is not None and ranges.alarm
    )


def range_words(low: float, high: float) -> str:
    """Two ends with as many digits as can be told apart."""
    if np.isnan(low) or np.isnan(high):
        return "-"
    if np.isinf(low) or np.isinf(high):
        return "no limit"
    largest = max(abs(low), abs(high))
    decimals = 0 if largest >= 99.95 else 1 if largest >= 9.995 else 2
    # Adding 0 takes the sign of what rounds to it.
    one, other = (f"{round(end, decimals) + 0.0:.{decimals}f}" for end in (low, high))
    return f"{one} .. {other}"


def is_beyond(ranges: Ranges, joint: int) -> bool:
    """Whether a joint is told more than its actuator, or the environment, takes."""
    low, high = float(ranges.joint_low[joint]), float(ranges.joint_high[joint])
    if not np.isfinite(high - low):
        return False
    edge = _EDGE * (high - low)
    return bool(ranges.low[joint] < low - edge or ranges.high[joint] > high + edge)


class RangeTable:
    """One block for each number of an action: its name, what it can do, then a line for each lane."""

    def __init__(self, scene: Scene, colours: Sequence[Rgba]) -> None:
        """
        Args:
            scene: Its actions are told.
            colours: Of the lanes, in turn.
        """
        self._scene = scene
        self._colours = colours
        self._names: list[Tag] = []
        self._reach: list[Tag] = []
        self._cells: list[list[tuple[Tag, Tag]]] = []  # by joint, then by lane: model and robot units
        self._lanes = 0
        self._shown: tuple[object, ...] = ()
        self._metrics = Metrics(1.0)

    def build(self) -> None:
        """Make the widgets in the item under construction."""
        with dpg.group(horizontal=True):
            heading("Range check")
            hint(
                "Lowest and highest value of all rows of all chunks of the trace, executed or not: in the model's own\n"
                "normalised numbers, and in the scene's units beside what its actuators take (amber: beyond that)"
            )
            self._count = dpg.add_text("", color=DIM)
        self._verdict = dpg.add_text("", wrap=0)
        self._place = dpg.add_group()

    def place(self, inner: int, metrics: Metrics) -> None:
        """Take a width. [px]"""
        self._metrics = metrics
        dpg.configure_item(self._verdict, wrap=inner)
        self._shown = ()

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        found = ranges_in(frame)
        key = (tuple((each.trace, each.chunks) if each is not None else None for each in found), _letter())
        if key == self._shown:
            return
        self._shown = key
        known = [each for each in found if each is not None]
        reveal(self._place, bool(known))
        write_value(self._count, _counted(found))
        if not known:
            words = "Space plays: the range of the first chunk's actions is checked as it comes."
            write(self._verdict, words if found else "The figures are being computed…", DIM)
            return
        fine = not any(each.alarm for each in known)
        words = "No sign of actions that are scaled wrongly." if fine else "Something is wrong: see above."
        write(self._verdict, words, DIM if fine else BAD)
        if len(found) != self._lanes:
            self._build_rows(len(found))
        self._fill(found, known[0])

    def _build_rows(self, lanes: int) -> None:
        dpg.delete_item(self._place, children_only=True)
        self._lanes = lanes
        self._names, self._reach, self._cells = [], [], []
        with dpg.table(
            header_row=False, policy=dpg.mvTable_SizingStretchProp, parent=self._place, borders_innerH=False
        ):
            for share in (0.34, 0.33, 0.33):
                dpg.add_table_column(init_width_or_weight=share)
            with dpg.table_row():
                whose = "environment" if self._scene.spec.action.kind == "environment" else "robot"
                for title in ("", "model", whose):
                    dpg.add_text(title, color=DIM)
            for name in self._scene.action_names:
                with dpg.table_row():
                    self._names.append(dpg.add_text(name, color=TEXT))
                    hint(name)
                    dpg.add_text("takes" if whose == "environment" else "can do", color=DIM)
                    self._reach.append(dpg.add_text("", color=DIM))
                    hint(f"What the {'actuator' if whose == 'robot' else whose} takes, in the scene's units")
                self._cells.append([self._lane_row(lane) for lane in range(lanes)])

    def _lane_row(self, lane: int) -> tuple[Tag, Tag]:
        with dpg.table_row():
            letter = lane_letter(lane) if self._lanes > 1 else "said"
            colour = self._colours[lane % len(self._colours)] if self._lanes > 1 else DIM
            dpg.add_text(f"   {letter}", color=colour)
            return dpg.add_text(""), dpg.add_text("")

    def _fill(self, found: Sequence[Ranges | None], some: Ranges) -> None:
        room = round(0.30 * max(dpg.get_item_rect_size(self._place)[0], self._metrics.px(320)))
        for joint, name in enumerate(without_prefix(self._scene.action_names)):
            shown = fitted(name, room, lambda text: text_width(text, self._metrics))
            write_value(self._names[joint], shown)
            write_value(self._reach[joint], range_words(float(some.joint_low[joint]), float(some.joint_high[joint])))
            for (model, robot), ranges in zip(self._cells[joint], found, strict=True):
                if ranges is None:
                    write_value(model, "-")
                    write_value(robot, "no chunk yet")
                    continue
                low, high = ranges.model_low, ranges.model_high
                none = low is None or high is None
                write_value(model, "-" if none else range_words(float(low[joint]), float(high[joint])))  # type: ignore[index]
                words = range_words(float(ranges.low[joint]), float(ranges.high[joint]))
                write(robot, words, WARN if is_beyond(ranges, joint) else TEXT)


class RangeBanner:
    """A red strip with what is wrong with the actions of any lane; there is none where all is well."""

    def __init__(self) -> None:
        self._dismissed: tuple[str, ...] = ()
        self._shown: tuple[str, ...] = ()

    def build(self) -> None:
        """Make the widgets, hidden. They float over the others."""
        with bubble() as self.window, dpg.group(horizontal=True):
            self._text = dpg.add_text("", wrap=400)
            self._hide = dpg.add_button(label="x", small=True, callback=self._dismiss)
            hint("Hide this until something else is found")
        with dpg.theme() as red, dpg.theme_component(dpg.mvAll):
            dpg.add_theme_color(dpg.mvThemeCol_WindowBg, rgb("7a211c"))
            dpg.add_theme_color(dpg.mvThemeCol_Border, BAD)
            dpg.add_theme_color(dpg.mvThemeCol_Text, rgb("fff1ef"))
            dpg.add_theme_color(dpg.mvThemeCol_Button, rgb("9c3029"))
        dpg.bind_item_theme(self.window, red)

    def place(self, x: int, y: int, width: int, metrics: Metrics) -> None:
        """Take the upper edge of a rectangle, as wide as its words need, at most `width`. [px]"""
        px = metrics.px
        dpg.configure_item(self.window, pos=(x + px(8), y))
        dpg.configure_item(self._text, wrap=max(width - px(70), px(120)))

    def update(self, frame: Frame) -> None:
        """Show a frame's alarms, or nothing."""
        alarms = alarms_in(frame)
        if alarms != self._shown and alarms:
            write_value(self._text, "\n".join(alarms))
        self._shown = alarms
        if not alarms:
            self._dismissed = ()
        reveal(self.window, bool(alarms) and alarms != self._dismissed)

    def _dismiss(self) -> None:
        self._dismissed = self._shown


def _counted(found: Sequence[Ranges | None]) -> str:
    chunks = [each.chunks if each is not None else 0 for each in found]
    if not any(chunks):
        return ""
    if len(chunks) == 1:
        return f"{chunks[0]} chunk{'s' * (chunks[0] != 1)}"
    return ", ".join(f"{lane_letter(lane)} {count}" for lane, count in enumerate(chunks)) + " chunks"


def _letter() -> object:
    """Size of one in the font of now: before the first frame Dear PyGui knows none."""
    size: object = dpg.get_text_size("0")
    return size
