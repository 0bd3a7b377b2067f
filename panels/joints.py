"""The joints: actual, commanded and predicted, one plot each over a common window of time."""

from __future__ import annotations

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import ExportJoints, Send
from panels.joint_curves import Curves, JointUnit, curves, dashes, dots, round_values, thinned, units_for, with_margin
from panels.style import ACTUAL, COMMANDED, PREDICTED, TEXT, Metrics, Rgba, Tag, heading, hint, text_width
from viewer_app.scene import Scene
from viewer_app.types import FloatArray
from viewer_app.view import Frame

_PAST, _FUTURE = 4.0, 3.5
"""What the window shows around the step looked at, while it follows. [s]"""
_LEAST_SPAN = {JointUnit.SCENE: 4.0, JointUnit.DEGREES: 4.0, JointUnit.MODEL: 0.2}
"""What a plot's height spans at least, so that a resting joint is a flat line and not magnified rounding."""


class _Plot:
    """Widgets of one joint."""

    def __init__(self, parent: Tag, themes: dict[str, Tag]) -> None:
        self.rect = (0, 0, 1, 1)  # left, top, width, height in the window, without the time's labels [px]
        self.plot = dpg.add_plot(
            parent=parent,
            no_title=True,
            no_menus=True,
            no_box_select=True,
            no_mouse_pos=True,
            no_inputs=True,
        )
        self.x = dpg.add_plot_axis(dpg.mvXAxis, parent=self.plot, no_tick_labels=True, no_highlight=True)
        self.y = dpg.add_plot_axis(dpg.mvYAxis, parent=self.plot, tick_format="%.0f", no_highlight=True)
        self.actual = dpg.add_line_series([], [], parent=self.y)
        self.predicted = dpg.add_line_series([], [], parent=self.y, segments=True)
        self.commanded = dpg.add_scatter_series([], [], parent=self.y)
        self.cursor = dpg.add_inf_line_series([0.0], parent=self.y)
        self.pointer = dpg.add_inf_line_series([0.0], parent=self.y, show=False)
        self.name = dpg.add_text("", color=TEXT, parent=parent)
        with dpg.group(horizontal=True, parent=parent) as self.values:
            self.readings = [dpg.add_text("", color=colour) for colour in (ACTUAL, COMMANDED, PREDICTED)]
        self.wear(themes)

    def wear(self, themes: dict[str, Tag]) -> None:
        """Take the series' colours and line widths."""
        for item, theme in (
            (self.actual, "actual"),
            (self.predicted, "predicted"),
            (self.commanded, "commanded"),
            (self.cursor, "cursor"),
            (self.pointer, "pointer"),
        ):
            dpg.bind_item_theme(item, themes[theme])


def _series_themes(metrics: Metrics) -> dict[str, Tag]:
    def theme(colour: Rgba, width: float, marker: int | None = None) -> Tag:
        with dpg.theme() as made, dpg.theme_component(dpg.mvAll):
            dpg.add_theme_color(dpg.mvPlotCol_Line, colour, category=dpg.mvThemeCat_Plots)
            dpg.add_theme_style(dpg.mvPlotStyleVar_LineWeight, width * metrics.scale, category=dpg.mvThemeCat_Plots)
            if marker is not None:
                dpg.add_theme_color(dpg.mvPlotCol_MarkerFill, colour, category=dpg.mvThemeCat_Plots)
                dpg.add_theme_color(dpg.mvPlotCol_MarkerOutline, colour, category=dpg.mvThemeCat_Plots)
                dpg.add_theme_style(dpg.mvPlotStyleVar_Marker, marker, category=dpg.mvThemeCat_Plots)
                dpg.add_theme_style(dpg.mvPlotStyleVar_MarkerSize, 1.1 * metrics.scale, category=dpg.mvThemeCat_Plots)
                dpg.add_theme_style(dpg.mvPlotStyleVar_MarkerWeight, 1.0, category=dpg.mvThemeCat_Plots)
        tag: Tag = made
        return tag

    return {
        "actual": theme(ACTUAL, 1.6),
        "predicted": theme(PREDICTED, 1.4),
        "commanded": theme(COMMANDED, 1.0, dpg.mvPlotMarker_Square),
        "cursor": theme((170, 178, 190, 170), 1.0),
        "pointer": theme((170, 178, 190, 90), 1.0),
    }


class JointsPanel:
    """One plot for each joint, the gripper's included."""

    def __init__(self, send: Send, scene: Scene) -> None:
        self._send = send
        self._scene = scene
        self._unit = JointUnit.SCENE
        self._units: tuple[JointUnit, ...] = ()
        self._window: tuple[float, float] | None = None  # chosen by hand [s]; None follows the step looked at
        self._shown: tuple[float, float] = (0.0, 1.0)
        self._curves: Curves | None = None
        self._drawn: tuple[object, ...] = ()
        self._read: tuple[object, ...] = ()
        self._plot_width = 300
        self._narrow = False
        self._each = 60  # height of a plot [px]
        self._metrics = Metrics(1.0)
        self._pan_from: float | None = None
        self._wheel = 0.0
        self._limits: dict[int, tuple[float, float]] = {}  # of the heights

    @property
    def unit(self) -> JointUnit:
        """What the plots are in."""
        return self._unit

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent, no_scrollbar=True, no_scroll_with_mouse=True)
        with dpg.group(horizontal=True, parent=self.window):
            heading("Joints")
            dpg.add_text("━ actual", color=ACTUAL)
            hint("Measured joint position at each moment")
            dpg.add_text("··· commanded", color=COMMANDED)
            hint("The action executed from each moment on")
            dpg.add_text("╌ predicted", color=PREDICTED)
            hint("What the policy intends from the step looked at on; its first value is executed there, to the bit")
        with dpg.group(horizontal=True, parent=self.window) as self._tools:
            self._combo = dpg.add_combo([], callback=self._choose_unit)
            hint("Unit. Normalised: the policy's own numbers, by the scale of its actions")
            dpg.add_button(label="Follow", callback=lambda: self._choose_window(None))
            hint("Show the seconds around the step looked at. Wheel: zoom, drag: pan, double-click: follow again")
            dpg.add_button(label="All", callback=lambda: self._choose_window((-1.0, -1.0)))
            hint("Show the whole episode")
            dpg.add_button(label="CSV", callback=lambda: self._send(ExportJoints(self._unit.value)))
            hint("Write this trace's joints to a file")
        self._themes = _series_themes(Metrics(1.0))
        self._plots = [_Plot(self.window, self._themes) for _ in self._scene.spec.joints]
        self._held_plot = self._plots[0]

    def wheel(self, clicks: float) -> None:
        """Tell how far the mouse wheel was turned since the last frame."""
        self._wheel += clicks

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        if metrics != self._metrics:
            old, self._themes = self._themes, _series_themes(metrics)
            for plot in self._plots:
                plot.wear(self._themes)
            for theme in old.values():
                dpg.delete_item(theme)
        px, self._metrics = metrics.px, metrics
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        dpg.configure_item(self._combo, width=px(112))
        wide = width >= px(620)
        dpg.configure_item(self._tools, pos=(width - px(290), px(5)) if wide else (px(8), px(29)))
        top, axis, gap, title = px(34 if wide else 60), px(17), px(4), px(18)
        room = height - top - axis - px(6)
        count = len(self._plots)
        # One column while its plots stay legible; two halve the width to double the height.
        columns = 1 if room // count - title - gap >= px(40) else 2
        rows = -(-count // columns)
        cell_width = (width - 2 * px(8) - (columns - 1) * px(6)) // columns
        self._narrow = cell_width < px(230)  # room for two readings only
        self._each = max(room // rows - title - gap, px(16))
        for number, plot in enumerate(self._plots):
            row, column = number % rows, number // rows
            left, at = px(8) + column * (cell_width + px(6)), top + row * (title + self._each + gap)
            last = row == rows - 1 or plot is self._plots[-1]
            dpg.configure_item(plot.name, pos=(left + px(4), at))
            dpg.configure_item(plot.plot, pos=(left, at + title), width=cell_width, height=self._each + axis * last)
            dpg.configure_item(plot.x, no_tick_labels=not last)
            # Dear PyGui keeps no rectangle of a plot that leaves the mouse to others.
            plot.rect = (x + left, y + at + title, cell_width, self._each)
            name = self._scene.spec.joints[number].name
            dpg.set_value(plot.name, name)
            dpg.configure_item(
                plot.values, pos=(left + px(10) + text_width(name, metrics), at), horizontal_spacing=px(5)
            )
        self._limits.clear()
        self._plot_width = max(cell_width - px(46), 50)
        self._drawn = ()

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        units = units_for(frame.trace.policy)
        if units != self._units:
            self._units = units
            self._unit = self._unit if self._unit in units else JointUnit.SCENE
            dpg.configure_item(self._combo, items=[unit.value for unit in units], default_value=self._unit.value)
            dpg.set_value(self._combo, self._unit.value)
        self._mouse(frame)
        begin, end = self._span(frame)
        self._draw(frame, begin, end)
        self._show_values(frame)

    def _span(self, frame: Frame) -> tuple[float, float]:
        dt = self._scene.control_dt
        if self._window is None:
            now = frame.step * dt
            begin = max(now - _PAST, 0.0)
            return begin, begin + _PAST + _FUTURE
        begin, end = self._window
        return (0.0, max(frame.length * dt, 1.0)) if begin == end else (begin, end)

    def _draw(self, frame: Frame, begin: float, end: float) -> None:
        asked = len(frame.trace.chunks)
        key = (id(frame.trace), frame.length, frame.step, asked, self._unit, begin, end, self._plot_width)
        if key == self._drawn:
            return
        self._drawn, self._shown = key, (begin, end)
        dt = self._scene.control_dt
        data = curves(frame.trace, frame.length, frame.step, self._unit, self._scene, begin, end)
        self._curves = data
        second = self._plot_width / max(end - begin, 1e-6)  # [px]
        first = round(data.command_times[0] / dt) if len(data.command_times) else 0
        kept = dots(len(data.command_times), first, self._metrics.px(5) / (dt * second))
        for joint, plot in enumerate(self._plots):
            x, y = thinned(data.times, data.actual[:, joint], self._plot_width)
            _put(plot.actual, x, y)
            _put(plot.commanded, data.command_times[kept], data.commanded[kept, joint])
            x, y = dashes(data.plan_times, data.predicted[:, joint], 5 / second, 4 / second)
            _put(plot.predicted, x, y)
            dpg.set_value(plot.cursor, [[frame.step * dt]])
            dpg.set_axis_limits(plot.x, begin, end)
            self._fit(joint, plot, data)

    def _fit(self, joint: int, plot: _Plot, data: Curves) -> None:
        """Fit the height, but leave it while it fits well: a scale that breathes at every step cannot be read."""
        least = _LEAST_SPAN[self._unit]
        low, high = data.bounds(joint)
        old = self._limits.get(joint)
        if (
            old is not None
            and old[0] <= low
            and high <= old[1]
            and old[1] - old[0] < 2 * max((high - low) * 1.16, least)
        ):
            return
        self._limits[joint] = limits = with_margin(low, high, least)
        dpg.set_axis_limits(plot.y, *limits)
        ticks = round_values(*limits, max(self._each // self._metrics.px(24), 1))
        dpg.set_axis_ticks(plot.y, tuple((_tick(value, self._unit), value) for value in ticks))

    def _show_values(self, frame: Frame) -> None:
        """Write the values at the pointer, or at the step looked at where it is elsewhere."""
        pointed = self._pointed(frame)
        step = frame.step if pointed is None else pointed
        key = (self._drawn, step, pointed is None)
        if key == self._read:
            return
        self._read = key
        dt = self._scene.control_dt
        data = self._curves
        assert data is not None
        decimals = 2 if self._unit is JointUnit.MODEL else 1
        sources = ((data.times, data.actual), (data.command_times, data.commanded), (data.plan_times, data.predicted))
        for joint, plot in enumerate(self._plots):
            dpg.configure_item(plot.pointer, show=pointed is not None)
            dpg.set_value(plot.pointer, [[step * dt]])
            told = 0
            for reading, (times, values) in zip(plot.readings, sources, strict=True):
                row = round((step * dt - times[0]) / dt) if len(times) else -1
                known = 0 <= row < len(times) and (not self._narrow or told < 2)
                told += known
                dpg.set_value(reading, f"{values[row, joint]:.{decimals}f}" if known else "")
                dpg.configure_item(reading, show=known)

    def _pointed(self, frame: Frame) -> int | None:
        """The step under the mouse, None where the mouse is elsewhere."""
        if self._hovered() is None:
            return None
        begin, end = self._shown
        return max(round((begin + self._fraction() * (end - begin)) / self._scene.control_dt), 0)

    def _hovered(self) -> _Plot | None:
        """The plot under the mouse."""
        if not dpg.is_item_hovered(self.window):
            return None
        x, y = dpg.get_mouse_pos(local=False)
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

    def _mouse(self, frame: Frame) -> None:
        """Zoom and pan, polled."""
        hovered = self._hovered() is not None
        wheel, self._wheel = self._wheel, 0.0
        begin, end = self._span(frame)
        if hovered and wheel:
            at = begin + self._fraction() * (end - begin)
            factor = float(np.exp(-0.18 * wheel))
            span = min(max((end - begin) * factor, 10 * self._scene.control_dt), 36000.0)
            left = at - (at - begin) * span / (end - begin)
            self._choose_window((left, left + span))
        if hovered and dpg.is_mouse_button_double_clicked(dpg.mvMouseButton_Left):
            self._choose_window(None)
        elif hovered and dpg.is_mouse_button_clicked(dpg.mvMouseButton_Left):
            self._pan_from = self._fraction()
        if self._pan_from is not None:
            if not dpg.is_mouse_button_down(dpg.mvMouseButton_Left):
                self._pan_from = None
            elif abs(moved := self._fraction() - self._pan_from) * self._plot_width >= 2:
                shift = moved * (end - begin)
                self._choose_window((begin - shift, end - shift))
                self._pan_from = self._fraction()

    def _choose_window(self, window: tuple[float, float] | None) -> None:
        self._window = window

    def _choose_unit(self, _sender: Tag, text: str) -> None:
        self._unit = JointUnit(text)
        self._limits.clear()


def _tick(value: float, unit: JointUnit) -> str:
    """A label as wide as all others, so that the plots stand in line: two blanks are as wide as one digit."""
    text = f"{value:.1f}" if unit is JointUnit.MODEL else f"{value:.0f}"
    return "  " * max(4 - len(text), 0) + text


def _put(series: Tag, x: FloatArray, y: FloatArray) -> None:
    """Give a series its points. Dear PyGui reads contiguous buffers only."""
    dpg.set_value(series, [np.ascontiguousarray(x), np.ascontiguousarray(y)])
