"""The widgets of one joint, or of one number of whatever else actions are: its title, its lamp and its plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dearpygui.dearpygui as dpg
import numpy as np

from panels.joint_curves import FAN_BANDS
from panels.joint_marks import Lamp
from panels.style import ACTUAL, BAD, COMMANDED, DIM, PREDICTED, PRESSED, TEXT, WARN, Metrics, Rgba, Tag, rgb
from viewer_app.types import FloatArray

THEN = rgb("c9ced6")
RAW = rgb("c08cf5")
ENSEMBLED = rgb("52cc66")
UNUSUAL = rgb("f57fbd")
MARK = "3\N{GREEK SMALL LETTER SIGMA}"
_CURSOR = rgb("aab2be", 170)
_LAMPS = {Lamp.OFF: PRESSED, Lamp.COMING: WARN, Lamp.NOW: BAD}
_FAN = (150, 96, 62, 40)
"""Opacity of each band of age, the youngest first."""


@dataclass(frozen=True)
class Curve:
    """One row of the legend, which is also the switch of what it names."""

    name: str
    label: str
    colour: Rgba
    hint: str
    on: bool = True


CURVES: tuple[Curve, ...] = (
    Curve("actual", "━ actual", ACTUAL, "Measured joint position at each moment"),
    Curve("commanded", "··· commanded", COMMANDED, "The action executed from each moment on"),
    Curve(
        "predicted",
        "╌ predicted",
        PREDICTED,
        "What the policy intends from the step looked at on; its first value is executed there, to the bit",
    ),
    Curve(
        "then",
        "• then",
        THEN,
        "What the policy intended before: each past chunk from where it came into force, fading with age,\n"
        "and at the step looked at a dot for each chunk that ever predicted it",
        on=False,
    ),
    Curve("raw", "━ raw", RAW, "The newest chunk alone, before it is averaged"),
    Curve(
        "ensembled",
        "━ ensembled",
        ENSEMBLED,
        "The mean of all chunks that say something about a step, by the weights of the temporal ensemble",
    ),
)
"""In the order of the legend. The last two are there while a temporal ensemble is known."""


def lane_curve(lane: int) -> str:
    """Name of the curve of what another lane's joint did."""
    return f"lane {lane}"


class JointPlot:
    """Widgets of one joint."""

    def __init__(self, parent: Tag, name: str, themes: dict[str, Tag]) -> None:
        """
        Args:
            parent: The window that it lies in.
            name: Of the joint.
            themes: Of `series_themes`.
        """
        self.name = name
        self.rect = (0, 0, 1, 1)  # left, top, width, height in the window, without the time's labels [px]
        self.end = (0, 0)  # of the title: right edge and top, in the panel [px]
        self.readable = 3  # how many readings the title has room for
        self.room = 0  # that the title leaves for the tracking's words [px]
        self._lamp = Lamp.OFF
        self._unusual = [False] * 3
        with dpg.group(horizontal=True, parent=parent) as self.title:
            self.light = dpg.add_text("●", color=_LAMPS[Lamp.OFF])
            self.label = dpg.add_text(name, color=TEXT)
            self.readings = [dpg.add_text("", color=colour, show=False) for colour in (ACTUAL, COMMANDED, PREDICTED)]
            self.mark = dpg.add_text(MARK, color=UNUSUAL, show=False)
        self.tracking = dpg.add_text("", color=DIM, parent=parent)
        self._tooltips: dict[Tag, Tag] = {}
        for item in (self.light, self.label, *self.readings, self.mark, self.tracking):
            with dpg.tooltip(item, delay=0.4, hide_on_activity=True):
                self._tooltips[item] = dpg.add_text("")
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
        self.usual = dpg.add_inf_line_series([], parent=self.y, horizontal=True)
        self.reach = dpg.add_inf_line_series([], parent=self.y, horizontal=True)
        # The oldest lies undermost.
        fan = [dpg.add_line_series([], [], parent=self.y, segments=True) for _ in range(FAN_BANDS)]
        self.fan: tuple[Tag, ...] = tuple(reversed(fan))
        self.series: dict[str, Tag] = {
            "actual": dpg.add_line_series([], [], parent=self.y),
            "predicted": dpg.add_line_series([], [], parent=self.y, segments=True),
            "commanded": dpg.add_scatter_series([], [], parent=self.y),
            "raw": dpg.add_line_series([], [], parent=self.y),
            "ensembled": dpg.add_line_series([], [], parent=self.y),
        }
        self.cursor = dpg.add_inf_line_series([0.0], parent=self.y)
        self.pointer = dpg.add_inf_line_series([0.0], parent=self.y, show=False)
        self.series["then"] = dpg.add_scatter_series([], [], parent=self.y)
        self._looks = {name: name for name in self.series}  # series to theme
        self.wear(themes)
        for curve in CURVES:
            self.show_curve(curve.name, curve.on)

    def wear(self, themes: dict[str, Tag]) -> None:
        """Take the series' colours and line widths."""
        for name, item in self.series.items():
            dpg.bind_item_theme(item, themes[self._looks[name]])
        for band, item in enumerate(self.fan):
            dpg.bind_item_theme(item, themes[f"fan {band}"])
        for item, name in (
            (self.cursor, "cursor"),
            (self.pointer, "pointer"),
            (self.usual, "usual"),
            (self.reach, "reach"),
        ):
            dpg.bind_item_theme(item, themes[name])

    def add_lane(self, lane: int, look: str, themes: dict[str, Tag]) -> None:
        """Make the curve of another lane, under those of the lane looked at.

        Args:
            lane: Its number.
            look: Name of its theme.
            themes: Of `series_themes`.
        """
        name = lane_curve(lane)
        self.series[name] = dpg.add_line_series([], [], parent=self.y, before=self.series["actual"])
        self._looks[name] = look
        dpg.bind_item_theme(self.series[name], themes[look])

    def show(self, on: bool) -> None:
        """Show or hide all of it."""
        for item in (self.title, self.tracking, self.plot):
            dpg.configure_item(item, show=on)

    def show_curve(self, name: str, on: bool) -> None:
        """Show or hide what one row of the legend names."""
        for item in (self.series[name], *(self.fan if name == "then" else ())):
            dpg.configure_item(item, show=on)

    def tell(self, words: Callable[[], str]) -> None:
        """Write the title's tooltip if it is under the mouse.

        Args:
            words: Makes what it says.
        """
        for item, text in self._tooltips.items():
            if dpg.is_item_hovered(item) and dpg.get_value(text) != (said := words()):
                dpg.set_value(text, said)

    def light_up(self, lamp: Lamp) -> None:
        """Show whether the actuator can do what it is told."""
        if lamp is not self._lamp:
            self._lamp = lamp
            dpg.configure_item(self.light, color=_LAMPS[lamp])

    def read(self, values: list[str], unusual: list[bool]) -> None:
        """Write the values of actual, commanded and predicted; an empty one is left out.

        Args:
            values: As text.
            unusual: Whether each is far outside the checkpoint's statistics.
        """
        for reading, value, old, new, curve in zip(
            self.readings, values, self._unusual, unusual, CURVES[:3], strict=True
        ):
            if dpg.get_value(reading) != value:
                dpg.set_value(reading, value)
                dpg.configure_item(reading, show=value != "")
            if old != new:
                dpg.configure_item(reading, color=UNUSUAL if new else curve.colour)
        if any(unusual) != any(self._unusual):
            dpg.configure_item(self.mark, show=any(unusual))
        self._unusual = unusual


def put(series: Tag, x: FloatArray, y: FloatArray) -> None:
    """Give a series its points. Dear PyGui reads contiguous buffers only."""
    dpg.set_value(series, [np.ascontiguousarray(x), np.ascontiguousarray(y)])


def series_themes(metrics: Metrics, lanes: Sequence[Rgba] = ()) -> dict[str, Tag]:
    """The look of each series at a size of the text.

    Args:
        metrics: The size.
        lanes: Colours of the lanes, in turn.
    """

    def theme(colour: Rgba, width: float, marker: int | None = None, size: float = 1.1) -> Tag:
        with dpg.theme() as made, dpg.theme_component(dpg.mvAll):
            dpg.add_theme_color(dpg.mvPlotCol_Line, colour, category=dpg.mvThemeCat_Plots)
            dpg.add_theme_style(dpg.mvPlotStyleVar_LineWeight, width * metrics.scale, category=dpg.mvThemeCat_Plots)
            if marker is not None:
                dpg.add_theme_color(dpg.mvPlotCol_MarkerFill, colour, category=dpg.mvThemeCat_Plots)
                dpg.add_theme_color(dpg.mvPlotCol_MarkerOutline, colour, category=dpg.mvThemeCat_Plots)
                dpg.add_theme_style(dpg.mvPlotStyleVar_Marker, marker, category=dpg.mvThemeCat_Plots)
                dpg.add_theme_style(dpg.mvPlotStyleVar_MarkerSize, size * metrics.scale, category=dpg.mvThemeCat_Plots)
                dpg.add_theme_style(dpg.mvPlotStyleVar_MarkerWeight, 1.0, category=dpg.mvThemeCat_Plots)
        tag: Tag = made
        return tag

    return {
        "actual": theme(ACTUAL, 1.6),
        "predicted": theme(PREDICTED, 1.4),
        "commanded": theme(COMMANDED, 1.0, dpg.mvPlotMarker_Square),
        "raw": theme(RAW, 1.2),
        "ensembled": theme(ENSEMBLED, 1.8),
        "then": theme(THEN, 1.0, dpg.mvPlotMarker_Circle, 2.0),
        **{f"fan {band}": theme((*THEN[:3], alpha), 1.0) for band, alpha in enumerate(_FAN)},
        **{lane_curve(lane): theme((*colour[:3], 220), 1.0) for lane, colour in enumerate(lanes)},
        "usual": theme((*UNUSUAL[:3], 130), 1.0),
        "reach": theme((*BAD[:3], 150), 1.0),
        "cursor": theme(_CURSOR, 1.0),
        "pointer": theme((*_CURSOR[:3], 90), 1.0),
    }
