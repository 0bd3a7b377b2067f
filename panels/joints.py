"""The joints: actual, commanded and predicted, one plot each over a common window of time, and how well they follow.

Where actions are something else than joint targets, a plot for each of their numbers: commanded and predicted alone, if
nothing measures what they command.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import Send
from panels.joint_curves import (
    Curves,
    Fan,
    bounds,
    curves,
    dashes,
    dots,
    fan,
    round_values,
    thinned,
    with_margin,
)
from panels.joint_head import Head, Wishes
from panels.joint_lanes import OtherLanes
from panels.joint_marks import Told, ruler_for, saturation_of, tracking_words
from panels.joint_plot import MARK, JointPlot, put, series_themes
from panels.joint_table import TrackingTable
from panels.joint_window import TimeWindow
from panels.style import DIM, Metrics, Tag, hint, text_width
from panels.writing import fitted, to_rgba, write_value
from viewer_app.channels import without_prefix
from viewer_app.chunking import TemporalEnsemble
from viewer_app.insight import EpisodeInsight, MomentInsight
from viewer_app.joint_units import JointUnit, units_for, unmeasured
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, FloatArray
from viewer_app.view import Frame

_UNMEASURED = "Its actions have no measured counterpart."
_LOWEST = 34
"""A plot lower than this cannot be read: then the plots scroll. [px]"""
_SCROLL = 60
"""By a click of the wheel beside the plots. [px]"""


class JointsPanel:
    """One plot for each joint, the gripper's included, or a table of how well they follow. Or for each number of
    whatever else actions are."""

    def __init__(self, send: Send, scene: Scene, lane_colours: Sequence[tuple[float, float, float]] = ()) -> None:
        """
        Args:
            send: Takes what the panel asks for.
            scene: Its actions are plotted, and what measures them.
            lane_colours: Of the lanes, in turn, RGB in [0, 1]; without any the other lanes are not drawn.
        """
        self._send = send
        self._colours = [to_rgba(colour) for colour in lane_colours]
        self._others = OtherLanes(self._colours)
        self._scene = scene
        self._ruler = ruler_for(JointUnit.SCENE, scene, None)
        self._time = TimeWindow(scene.control_dt)
        self._tabular = False
        self._ensembles = False  # whether the legend names the temporal ensemble's curves
        self._empty: str | None = None  # what is said instead of plots where there is nothing to plot
        self._shown: tuple[float, float] = (0.0, 1.0)
        self._curves: Curves | None = None
        self._fan: Fan | None = None
        self._moment: MomentInsight | None = None
        self._episode: EpisodeInsight | None = None
        self._said: dict[str, tuple[FloatArray, FloatArray]] = {}  # times and values of the moment's curves
        self._moment_drawn: MomentInsight | None = None
        self._redraw = True
        self._moment_marked: MomentInsight | None = None
        self._episode_marked: EpisodeInsight | None = None
        self._told: Told | None = None
        self._drawn: tuple[object, ...] = ()
        self._read: tuple[object, ...] = ()
        self._marked: tuple[object, ...] = ()
        self._place = (0, 0, 300, 300)
        self._plot_width = 300
        self._each = 60  # height of a plot [px]
        self._top = 0  # where the plots begin [px]
        self._scrolls = False  # whether there are more plots than room
        self._letters = 4  # of a label of a plot's height
        self._turned = 0.0  # of the wheel, since the last frame [clicks]
        self._metrics = Metrics(1.0)
        self._limits: dict[int, tuple[float, float]] = {}  # of the heights

    @property
    def unit(self) -> JointUnit:
        """What the plots are in."""
        return self._head.unit

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent, no_scrollbar=True, no_scroll_with_mouse=True)
        self._themes = series_themes(self._metrics, self._colours)
        wishes = Wishes(self._switch, self._time.follow, self._time.show_all, self._tabulate)
        self._head = Head(self.window, self._send, wishes, self._scene)
        self._area = dpg.add_child_window(parent=self.window, border=False, no_scroll_with_mouse=True)
        with dpg.theme() as bare, dpg.theme_component(dpg.mvAll):
            dpg.add_theme_style(dpg.mvStyleVar_WindowPadding, 0, 0)
        dpg.bind_item_theme(self._area, bare)
        names = without_prefix(self._scene.action_names)
        self._plots = [JointPlot(self._area, name, self._themes) for name in names]
        self._held_plot = self._plots[0]
        self._table = TrackingTable(self.window, self._scene)
        self._unmeasured = dpg.add_text(
            _UNMEASURED, color=DIM, parent=self.window, show=not self._scene.measures_commands
        )
        hint(f"{unmeasured(self._scene)} Table lists what is measured")
        self._note = dpg.add_text("", color=DIM, parent=self.window, show=False, wrap=0)

    def wheel(self, clicks: float) -> None:
        """Tell how far the mouse wheel was turned since the last frame."""
        self._time.wheel(clicks)
        self._turned += clicks

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        if metrics != self._metrics:
            old, self._themes = self._themes, series_themes(metrics, self._colours)
            for plot in self._plots:
                plot.wear(self._themes)
            for theme in old.values():
                dpg.delete_item(theme)
        self._metrics, self._place = metrics, (x, y, width, height)
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        self._arrange()

    def _arrange(self) -> None:
        """Put everything into the panel's rectangle."""
        px = self._metrics.px
        x, y, width, height = self._place
        top = self._head.place(width, self._metrics, self._ensembles)
        dpg.configure_item(self._note, pos=(px(12), top + px(12)), wrap=width - px(24))
        if not self._scene.measures_commands and not self._tabular and self._empty is None:
            dpg.configure_item(self._unmeasured, pos=(px(9), top - px(5)))
            top += px(17)
        self._table.place(px(4), top, width - px(8), height - top - px(4), self._metrics)
        axis, gap, title = px(17), px(4), px(18)
        room = height - top - axis - px(6)
        count = len(self._plots)
        # One column while its plots stay legible; two halve the width to double the height.
        columns = 1 if room // count - title - gap >= px(40) else 2
        rows = -(-count // columns)
        self._scrolls = room // rows - title - gap < px(_LOWEST)
        self._top = top
        dpg.configure_item(self._area, pos=(0, top), width=width, height=height - top - px(2))
        bar = px(12) if self._scrolls else 0
        cell_width = (width - 2 * px(8) - bar - (columns - 1) * px(6)) // columns
        self._each = px(_LOWEST) if self._scrolls else room // rows - title - gap
        reading = text_width("-188.8", self._metrics) + px(5)
        for number, plot in enumerate(self._plots):
            row, column = number % rows, number // rows
            left, at = px(8) + column * (cell_width + px(6)), row * (title + self._each + gap)
            last = row == rows - 1 or plot is self._plots[-1]
            dpg.configure_item(plot.title, pos=(left + px(1), at), horizontal_spacing=px(5))
            dpg.configure_item(plot.plot, pos=(left, at + title), width=cell_width, height=self._each + axis * last)
            dpg.configure_item(plot.x, no_tick_labels=not last)
            # Dear PyGui keeps no rectangle of a plot that leaves the mouse to others.
            plot.rect = (x + left, y + top + at + title, cell_width, self._each)
            plot.end = (left + cell_width, at)
            lamp = text_width("● ", self._metrics) + px(12)
            shown = fitted(plot.name, cell_width - lamp - reading, partial(text_width, metrics=self._metrics))
            write_value(plot.label, shown)
            free = cell_width - text_width(shown, self._metrics) - lamp
            plot.readable = min(max(free // reading, 1), 3)
            plot.room = free - 3 * reading - text_width(MARK, self._metrics) - px(16)
        self._limits.clear()
        self._plot_width = max(cell_width - px(46), 50)
        self._drawn = self._read = self._marked = ()
        self._redraw = True

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        self._adopt(frame)
        if not self._head.is_measured(self._metrics):
            self._arrange()
        span = self._time.span(frame.step, frame.length)
        hovered = self._hovered() is not None
        self._time.poll(span, hovered, self._fraction(), self._plot_width)
        self._scroll(hovered)
        if self._empty is None and not self._tabular:
            self._draw(frame, *self._time.span(frame.step, frame.length))
            self._show_values(frame)
        self._show_marks(frame)

    def _scroll(self, hovered: bool) -> None:
        """Let the wheel beside the plots scroll where over them it zooms."""
        turned, self._turned = self._turned, 0.0
        if turned and not hovered and self._scrolls and dpg.is_item_hovered(self._area):
            most = dpg.get_y_scroll_max(self._area)
            at = dpg.get_y_scroll(self._area) - turned * self._metrics.px(_SCROLL)
            dpg.set_y_scroll(self._area, min(max(at, 0.0), most))

    # What the frame is about.

    def _adopt(self, frame: Frame) -> None:
        policy = frame.trace.policy
        self._head.offer(units_for(self._scene, policy))
        unit = self._head.unit
        if self._ruler.policy is not policy or self._ruler.unit is not unit:
            self._ruler = ruler_for(unit, self._scene, policy)
            # Small numbers have more digits.
            least = [self._ruler.least_span(joint) for joint in range(len(self._plots))]
            self._letters = 4 if min(least) >= 1 else 5
            self._drawn = self._marked = ()
            self._redraw = True
            self._limits.clear()
            for joint, plot in enumerate(self._plots):
                _lines(plot.reach, self._ruler.reach[:, joint])
                _lines(plot.usual, self._ruler.usual[:, joint] if self._ruler.usual is not None else np.zeros(0))
        moment, episode = frame.moment, frame.episode
        self._moment = moment if moment is not None and moment.trace is frame.trace else None
        self._episode = episode if episode is not None and episode.trace is frame.trace else None
        ensembles = (
            isinstance(frame.trace.settings_at(frame.step).chunking, TemporalEnsemble)
            or frame.focus.overlays.ensemble
            or (self._moment is not None and self._moment.ensemble is not None)
        )
        empty = _nothing_to_plot(frame)
        others = self._others.adopt(frame, self._head, self._plots, self._themes)
        if others or ensembles != self._ensembles or empty != self._empty:
            self._ensembles, self._empty = ensembles, empty
            self._show_parts()

    def _show_parts(self) -> None:
        """Show the plots, the table, or the note."""
        plots = self._empty is None and not self._tabular
        for plot in self._plots:
            plot.show(plots)
        dpg.configure_item(self._area, show=plots)
        dpg.configure_item(self._unmeasured, show=plots and not self._scene.measures_commands)
        dpg.configure_item(self._table.window, show=self._empty is None and self._tabular)
        dpg.configure_item(self._note, show=self._empty is not None)
        dpg.set_value(self._note, self._empty or "")
        self._arrange()

    # Curves.

    def _draw(self, frame: Frame, begin: float, end: float) -> None:
        asked = len(frame.trace.chunks)
        others = self._others.key(frame)
        key = (id(frame.trace), frame.length, frame.step, asked, others, begin, end, frozenset(self._head.on))
        moved = key != self._drawn
        if moved:
            self._drawn, self._shown = key, (begin, end)
            self._draw_trace(frame, begin, end)
        if self._draw_moment() or moved:
            self._fit()

    def _draw_trace(self, frame: Frame, begin: float, end: float) -> None:
        """Draw what is read off the trace itself."""
        dt = self._scene.control_dt
        on, unit = self._head.on, self._ruler.unit
        data = curves(frame.trace, frame.length, frame.step, unit, self._scene, begin, end)
        self._curves = data
        second = self._plot_width / max(end - begin, 1e-6)  # [px]
        first = round(data.command_times[0] / dt) if len(data.command_times) else 0
        kept = dots(len(data.command_times), first, self._metrics.px(5) / (dt * second))
        apart = self._metrics.px(3) / (dt * second)
        then = fan(frame.trace, frame.step, unit, self._scene, begin, end, apart) if "then" in on else None
        self._fan = then
        self._others.draw(frame, self._plots, on, unit, (begin, end), self._plot_width)
        if then is not None:
            self._head.say_fan(then)
        for joint, plot in enumerate(self._plots):
            if "actual" in on:
                put(plot.series["actual"], *thinned(data.times, data.actual[:, joint], self._plot_width))
            if "commanded" in on:
                put(plot.series["commanded"], data.command_times[kept], data.commanded[kept, joint])
            if "predicted" in on:
                line = dashes(data.plan_times, data.predicted[:, joint], 5 / second, 4 / second)
                put(plot.series["predicted"], *line)
            if then is not None:
                for band, item in enumerate(plot.fan):
                    put(item, then.times[band], then.values[band][:, joint])
            dpg.set_value(plot.cursor, [[frame.step * dt]])
            dpg.set_axis_limits(plot.x, begin, end)

    def _draw_moment(self) -> bool:
        """Draw what was computed about a moment, at its own step: it can lag behind. Returns whether it is new."""
        if self._moment is self._moment_drawn and not self._redraw:
            return False
        self._moment_drawn, self._redraw = self._moment, False
        moment, dt = self._moment, self._scene.control_dt
        nothing = np.zeros((0, self._scene.n_action), np.float32)
        rows: dict[str, Float32Array] = {"then": nothing, "raw": nothing, "ensembled": nothing}
        if moment is not None and len(moment.predictions):
            rows["then"] = moment.predictions
        if moment is not None and moment.ensemble is not None:
            rows["raw"], rows["ensembled"] = moment.ensemble.raw, moment.ensemble.ensembled
        now = dt * moment.step if moment is not None else 0.0
        times: dict[str, FloatArray] = {
            name: now + dt * np.arange(len(each), dtype=np.float64) for name, each in rows.items()
        }
        times["then"] = np.full(len(rows["then"]), now)
        self._said = {name: (times[name], self._ruler.convert(each)) for name, each in rows.items()}
        for name, (x, values) in self._said.items():
            for joint, plot in enumerate(self._plots):
                put(plot.series[name], x, values[:, joint])
        return True

    def _fit(self) -> None:
        """Fit the heights, but leave each while it fits well: a scale that breathes at every step cannot be read."""
        data, (begin, end) = self._curves, self._shown
        assert data is not None
        named = {
            "actual": (data.times, data.actual),
            "commanded": (data.command_times, data.commanded),
            "predicted": (data.plan_times, data.predicted),
            **self._said,
        }
        shown = [named[name] for name in named if name in self._head.on]
        shown += self._others.drawn
        parts = [values[(times >= begin) & (times <= end)] for times, values in shown]
        parts += self._fan.values if self._fan is not None else ()
        for joint, plot in enumerate(self._plots):
            least = self._ruler.least_span(joint)
            low, high = bounds(parts, joint)
            old = self._limits.get(joint)
            fits = old is not None and old[0] <= low and high <= old[1]
            if fits and old is not None and old[1] - old[0] < 2 * max((high - low) * 1.16, least):
                continue
            self._limits[joint] = limits = with_margin(low, high, least)
            dpg.set_axis_limits(plot.y, *limits)
            # Not at the very edge, where half a label would lie outside.
            air = (limits[1] - limits[0]) * min(self._metrics.px(6) / self._each, 0.4)
            ticks = round_values(limits[0] + air, limits[1] - air, max(self._each // self._metrics.px(24), 1))
            dpg.set_axis_ticks(
                plot.y, tuple((_tick(value, decimals_of(ticks), self._letters), value) for value in ticks)
            )

    def _show_values(self, frame: Frame) -> None:
        """Write the values at the pointer, or at the step looked at where it is elsewhere."""
        pointed = self._pointed()
        step = frame.step if pointed is None else pointed
        key = (self._drawn, self._ruler.unit, step, pointed is None)
        if key == self._read:
            return
        self._read = key
        dt, ruler = self._scene.control_dt, self._ruler
        data = self._curves
        assert data is not None
        sources = ((data.times, data.actual), (data.command_times, data.commanded), (data.plan_times, data.predicted))
        for joint, plot in enumerate(self._plots):
            dpg.configure_item(plot.pointer, show=pointed is not None)
            dpg.set_value(plot.pointer, [[step * dt]])
            values: list[str] = []
            unusual: list[bool] = []
            for times, rows in sources:
                row = round((step * dt - times[0]) / dt) if len(times) else -1
                known = 0 <= row < len(times) and sum(text != "" for text in values) < plot.readable
                values.append(ruler.says(float(rows[row, joint]), joint) if known else "")
                unusual.append(known and ruler.is_unusual(float(rows[row, joint]), joint))
            plot.read(values, unusual)

    # Lamps, tracking and words.

    def _show_marks(self, frame: Frame) -> None:
        trace, moment, episode = frame.trace, self._moment, self._episode
        key = (id(trace), frame.length, frame.step, len(trace.chunks), len(trace.events), self._ruler.unit)
        if key == self._marked and moment is self._moment_marked and episode is self._episode_marked:
            self._tell()
            return
        self._marked, self._moment_marked, self._episode_marked = key, moment, episode
        plotted = self._curves if self._drawn else None  # drawn for this very frame
        plan = trace.plan(frame.step) if plotted is None else plotted.plan
        commanded = frame.step < frame.length or (plan is not None and not trace.is_due(frame.step))
        saturation = saturation_of(plan, commanded, self._ruler)
        states = np.asarray(trace.column("state", frame.length), np.float32)
        state = states[frame.step] if self._scene.measures_commands else None
        command = plan[0] if plan is not None else None
        self._told = Told(self._ruler, saturation, state, command, episode, moment)
        self._head.say(moment, frame.step)
        if self._tabular:
            self._table.update(self._ruler, saturation, command, episode, moment)
            self._table.update_states(states, frame.step)
        tracked = episode.tracking if episode is not None else ()
        for joint, plot in enumerate(self._plots):
            plot.light_up(saturation[joint].lamp)
            known = joint < len(tracked)
            self._show_tracking(plot, tracking_words(tracked[joint], joint, self._ruler) if known else "")
        self._tell()

    def _show_tracking(self, plot: JointPlot, words: str) -> None:
        """Write the tracking at the end of a title, where it has room."""
        wide = text_width(words, self._metrics)
        if wide > plot.room:
            words, wide = "", 0
        if dpg.get_value(plot.tracking) != words:
            dpg.set_value(plot.tracking, words)
        right, top = plot.end
        dpg.configure_item(plot.tracking, pos=(right - wide, top))

    def _tell(self) -> None:
        """Write the tooltip of the joint under the mouse."""
        if (told := self._told) is not None and dpg.is_item_hovered(self._area):
            for joint, plot in enumerate(self._plots):
                plot.tell(partial(told.about, joint))

    # The mouse.

    def _pointed(self) -> int | None:
        """The step under the mouse, None where the mouse is elsewhere."""
        if self._hovered() is None:
            return None
        begin, end = self._shown
        return max(round((begin + self._fraction() * (end - begin)) / self._scene.control_dt), 0)

    def _hovered(self) -> JointPlot | None:
        """The plot under the mouse."""
        if self._tabular or self._empty is not None or not dpg.is_item_hovered(self._area):
            return None
        x, y = dpg.get_mouse_pos(local=False)
        y += dpg.get_y_scroll(self._area)
        for plot in self._plots:
            left, top, width, height = plot.rect
            if left <= x < left + width and top <= y < top + height:
                return plot
        return None

    def _fraction(self) -> float:
        """How far across the plot last under the mouse it is, 0 at the left edge of the curves."""
        self._held_plot = self._hovered() or self._held_plot
        left, _, width, _ = self._held_plot.rect
        inner = max(self._plot_width, 1)
        return float((dpg.get_mouse_pos(local=False)[0] - (left + width - inner)) / inner)

    # What the person chooses.

    def _tabulate(self) -> None:
        self._tabular = not self._tabular
        self._head.show_tabular(self._tabular)
        self._show_parts()

    def _switch(self, name: str, on: bool) -> None:
        for plot in self._plots:
            plot.show_curve(name, on)
        self._arrange()


def _nothing_to_plot(frame: Frame) -> str | None:
    """What to do where there is nothing to plot yet."""
    if frame.length > 0 or frame.trace.chunks or frame.trace.carried:
        return None
    if frame.lane.policy is None:
        return "No policy moves the robot. Load a checkpoint: Ctrl+O."
    if frame.lane.thinking_since is not None:
        return "The policy is asked for its first chunk."
    return "No step was taken yet. Space plays, Right takes one step."


def decimals_of(ticks: Sequence[float]) -> int:
    """How many digits after the point tell evenly spaced round numbers apart."""
    spacing = ticks[1] - ticks[0] if len(ticks) > 1 else abs(ticks[0]) if ticks else 0.0
    return min(max(-int(np.floor(np.log10(spacing) + 1e-9)), 0), 4) if spacing > 0 else 0


def _tick(value: float, decimals: int, letters: int) -> str:
    """A label as wide as all others, so that the plots stand in line: two blanks are as wide as one digit."""
    text = f"{value + 0.0:.{decimals}f}"
    return "  " * max(letters - len(text), 0) + text


def _lines(series: Tag, at: FloatArray) -> None:
    """Give a series of level lines its heights."""
    dpg.set_value(series, [np.ascontiguousarray(at[np.isfinite(at)])])
