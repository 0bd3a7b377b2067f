"""Convergence curves: by denoising step, how far sample, x0 estimate and the draws of the noise still are."""

from __future__ import annotations

from dataclasses import dataclass

import dearpygui.dearpygui as dpg
import numpy as np

from panels.joint_plot import put
from panels.seam_bars import round_top
from panels.style import ACCENT, DIM, PREDICTED, TEXT, WARN, Metrics, Rgba, Tag, hint
from panels.writing import reveal
from viewer_app.insight import SETTLED, DenoisingInsight
from viewer_app.types import FloatArray

SAMPLE, AIM, DRAWS = PREDICTED, ACCENT, WARN
_LEGEND = (
    ("━ x_t", SAMPLE, "Largest distance of the sample's whisker from the chunk's, or of its numbers (RMS)"),
    ("━ x0 estimate", AIM, "The same of the chunk that each step points to"),
    ("━ draws", DRAWS, "Largest distance of a draw of the noise from the mean of all, at the chunk's end"),
)
_MOST_TICKS = 6
_APART = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Between two of them."""


@dataclass(frozen=True)
class Curves:
    """The curves of one plot, by denoising step; empty where nothing is known."""

    sample: FloatArray
    """Shape (S + 1,)."""
    aim: FloatArray
    """With the chunk itself as the last. Shape (S + 1,) or (0,)."""
    draws: FloatArray
    """Shape (S + 1,) or (0,)."""

    @property
    def top(self) -> float:
        """The largest value of any curve, 1 where all are 0."""
        known = np.concatenate([self.sample, self.aim, self.draws])
        return float(known[np.isfinite(known)].max(initial=0.0)) or 1.0

    @property
    def ticks(self) -> list[float]:
        """Round values that are named beside the plot: few, from 0."""
        apart = round_top(self.top / 4)
        return [k * apart for k in range(int(self.top / apart + 1e-9) + 1)]


def in_mm(insight: DenoisingInsight) -> Curves:
    """Distances of the whiskers. [mm]"""
    return Curves(insight.away, _with_chunk(insight.away_aim), insight.spread)


def in_model_units(insight: DenoisingInsight) -> Curves:
    """Root mean square distances in the model's normalised units."""
    known = np.isfinite(insight.away_model).all()
    return Curves(insight.away_model if known else np.zeros(0), _with_chunk(insight.away_aim_model), np.zeros(0))


def _with_chunk(values: FloatArray) -> FloatArray:
    """What the steps point to ends as the chunk, which is 0 from itself."""
    return np.append(values, 0.0) if len(values) else values


def ticks_of(last: int) -> list[int]:
    """Denoising steps that are named under a plot: few, evenly spaced, from 0."""
    apart = next(each for each in _APART if last < _MOST_TICKS * each)
    return list(range(0, last + 1, apart))


class CurvePlot:
    """One plot."""

    def __init__(self, near: float | None) -> None:
        """
        Args:
            near: Where a line says what is near, None for no such line.
        """
        self._drawn: tuple[DenoisingInsight | None, Curves | None] = (None, None)
        self._step: int | None = -1
        self.group: Tag = dpg.add_group()
        self.caption = dpg.add_text("", color=DIM, parent=self.group)
        self.plot: Tag = dpg.add_plot(
            parent=self.group,
            no_title=True,
            no_menus=True,
            no_box_select=True,
            no_mouse_pos=True,
            no_inputs=True,
        )
        self._x = dpg.add_plot_axis(dpg.mvXAxis, parent=self.plot, no_highlight=True)
        self._y = dpg.add_plot_axis(dpg.mvYAxis, parent=self.plot, no_highlight=True)
        self._near = dpg.add_inf_line_series([near or 0.0], parent=self._y, horizontal=True, show=near is not None)
        self._series = {
            "draws": dpg.add_line_series([], [], parent=self._y),
            "aim": dpg.add_line_series([], [], parent=self._y),
            "sample": dpg.add_line_series([], [], parent=self._y),
        }
        self._cursor = dpg.add_inf_line_series([0.0], parent=self._y)

    def wear(self, themes: dict[str, Tag]) -> None:
        """Take the series' colours and line widths."""
        for name, item in (*self._series.items(), ("near", self._near), ("cursor", self._cursor)):
            dpg.bind_item_theme(item, themes[name])

    def place(self, width: int, height: int) -> None:
        """Take a size. [px]"""
        dpg.configure_item(self.plot, width=width, height=height)

    def update(self, insight: DenoisingInsight, curves: Curves, step: int | None, caption: str) -> None:
        """Show the curves of an insight, with a line at the step that is looked at."""
        if insight is not self._drawn[0]:
            self._drawn = (insight, curves)
            self._draw(curves, len(insight.away) - 1)
            dpg.set_value(self.caption, caption)
            self._step = -1
        if step != self._step:
            self._step = step
            reveal(self._cursor, step is not None)
            if step is not None:
                dpg.set_value(self._cursor, [[float(step)]])

    def _draw(self, curves: Curves, last: int) -> None:
        for name, values in (("sample", curves.sample), ("aim", curves.aim), ("draws", curves.draws)):
            put(self._series[name], np.arange(len(values), dtype=np.float64), values)
        top = curves.top
        dpg.set_axis_limits(self._x, -0.02 * last, 1.02 * last)
        dpg.set_axis_limits(self._y, -0.04 * top, 1.08 * top)
        dpg.set_axis_ticks(self._x, tuple((str(step), float(step)) for step in ticks_of(last)))
        dpg.set_axis_ticks(self._y, tuple((f"{value:g}", value) for value in curves.ticks))


class CurvesBox:
    """Both plots: side by side where there is room, else one of them by a switch."""

    def __init__(self) -> None:
        self._themes: dict[str, Tag] = {}
        self._wide = False

    def build(self, beside: Tag) -> None:
        """Make the widgets in the container that is open.

        Args:
            beside: A row that has room for the legend where the panel is wide.
        """
        self._beside = beside
        self._below = dpg.add_group()
        with dpg.group(horizontal=True, parent=self._below) as self._legend:
            for words, colour, text in _LEGEND:
                dpg.add_text(words, color=colour)
                hint(text)
        with dpg.group(horizontal=True):
            self._mm = CurvePlot(SETTLED)
            self._model = CurvePlot(None)

    def place(self, inner: int, tall: bool, metrics: Metrics) -> None:
        """Take a width [px], and more of the height where that is `tall`."""
        px = metrics.px
        old, self._themes = self._themes, _themes(metrics)
        self._wide = inner >= px(440)
        width = (inner - px(6)) // 2 if self._wide else inner
        dpg.move_item(self._legend, parent=self._beside if self._wide else self._below)
        for plot in (self._mm, self._model):
            plot.place(width, px(104 if tall else 84))
            reveal(plot.caption, self._wide)
            plot.wear(self._themes)
        for theme in old.values():
            dpg.delete_item(theme)

    def update(self, insight: DenoisingInsight, step: int | None, normalised: bool) -> None:
        """Show an insight, with a line at a step.

        Args:
            insight: What to show.
            step: The denoising step that is looked at, None for all.
            normalised: Which plot to show where there is room for one.
        """
        reveal(self._mm.group, self._wide or not normalised)
        reveal(self._model.group, self._wide or normalised)
        self._mm.update(insight, in_mm(insight), step, f"from the chunk [mm], line at {SETTLED:g}")
        self._model.update(insight, in_model_units(insight), step, "from the chunk, RMS [normalised]")

    @property
    def wide(self) -> bool:
        """Whether both plots are shown."""
        return self._wide


def _themes(metrics: Metrics) -> dict[str, Tag]:
    def theme(colour: Rgba, width: float) -> Tag:
        with dpg.theme() as made, dpg.theme_component(dpg.mvAll):
            dpg.add_theme_color(dpg.mvPlotCol_Line, colour, category=dpg.mvThemeCat_Plots)
            dpg.add_theme_style(dpg.mvPlotStyleVar_LineWeight, width * metrics.scale, category=dpg.mvThemeCat_Plots)
        tag: Tag = made
        return tag

    return {
        "sample": theme(SAMPLE, 1.8),
        "aim": theme(AIM, 1.8),
        "draws": theme(DRAWS, 1.4),
        "near": theme((*DIM[:3], 130), 1.0),
        "cursor": theme((*TEXT[:3], 150), 1.0),
    }
