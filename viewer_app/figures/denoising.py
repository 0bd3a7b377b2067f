"""Denoising: how a chunk comes out of noise, as curves by denoising step and as the table of its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from viewer_app.figures.look import BLUE, GREEN, GREY, ORANGE, WIDTH, grid, head, legend
from viewer_app.figures.subject import Plot, Row, Subject
from viewer_app.insight import SETTLED, DenoisingInsight
from viewer_app.types import FloatArray, WhiskersError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_ROWS = 17
"""Denoising steps that the picture's table has room for; the table of numbers has all."""
_COLUMNS = ("step", "t", "mean", "std", "min", "max", "x_t [mm]", "x0 [mm]", "draws [mm]")


def _denoising(subject: Subject) -> DenoisingInsight:
    found = subject.moment.denoising if subject.moment is not None else None
    if found is None:
        raise WhiskersError(
            f"How the chunk of step {subject.step} comes out of noise is not known yet: ask a policy that denoises."
        )
    return found


def draw(figure: Figure, subject: Subject) -> None:
    """Distances at the left, in the model's units at the right, the table below."""
    found = _denoising(subject)
    rows = _shown(len(found.away))
    figure.set_size_inches(WIDTH, 3.1 + 0.17 * (len(rows) + 1))
    places = figure.add_gridspec(2, 2, height_ratios=(2.2, 0.17 * (len(rows) + 1)))
    millimetres, model = figure.add_subplot(places[0, 0]), figure.add_subplot(places[0, 1])
    entries = _draw_distances(millimetres, found)
    _draw_model(model, found)
    _draw_table(figure.add_subplot(places[1, :]), found, rows)
    last = len(found.away) - 1
    aim = f", what the steps point to at {found.aim_settled}" if len(found.away_aim) else ""
    note = f"settled, within {SETTLED:g} mm of the chunk for good, at step {found.settled} of {last}{aim}"
    head(figure, f"Denoising of the chunk of step {found.step}", subject, note)
    legend(figure, entries, columns=4)


def _draw_distances(plot: Axes, found: DenoisingInsight) -> list[tuple[Artist, str]]:
    grid(plot)
    entries: list[tuple[Artist, str]] = []
    for values, colour, style, words in (
        (found.away, GREEN, "-", "sample x_t"),
        (_with_chunk(found.away_aim), BLUE, "--", "x0 estimate"),
        (found.spread, ORANGE, ":", "draws, from their mean"),
    ):
        if len(values):
            (line,) = plot.plot(np.arange(len(values)), values, color=colour, linestyle=style, linewidth=1.3)
            entries.append((line, words))
    near = plot.axhline(SETTLED, color=GREY, linewidth=0.8)
    plot.set_ylim(bottom=0)
    plot.set_xlabel("denoising step")
    plot.set_ylabel("distance [mm]")
    plot.set_title("Largest distance of the whiskers", loc="left", pad=3)
    return [*entries, (near, f"{SETTLED:g} mm")]


def _draw_model(plot: Axes, found: DenoisingInsight) -> None:
    grid(plot)
    for values, colour, style in ((found.away_model, GREEN, "-"), (_with_chunk(found.away_aim_model), BLUE, "--")):
        plot.plot(np.arange(len(values)), values, color=colour, linestyle=style, linewidth=1.3)
    plot.set_xlabel("denoising step")
    plot.set_ylabel("distance [normalised]")
    plot.set_title("Root mean square, in the model's units", loc="left", pad=3)
    if np.isnan(found.away_model).all():
        words = "the policy did not tell"
        plot.text(0.5, 0.5, words, transform=plot.transAxes, ha="center", va="center", color=GREY)
    else:
        plot.set_ylim(bottom=0)


def _draw_table(plot: Axes, found: DenoisingInsight, rows: list[int]) -> None:
    plot.axis("off")
    cells = _cells(found)
    words = [[_words(cells[row][column], column) for column in range(len(_COLUMNS))] for row in rows]
    drawn = plot.table(
        cellText=words, colLabels=_COLUMNS, loc="upper center", cellLoc="right", colLoc="right", edges="horizontal"
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(7)
    for cell in drawn.get_celld().values():
        cell.set_height(1 / (len(rows) + 1))
        cell.set_linewidth(0.3)


def _words(value: int | float, column: int) -> str:
    if isinstance(value, int):
        return str(value)
    return "-" if np.isnan(value) else f"{value:.1f}" if column >= 6 or abs(value) >= 100 else f"{value:.2f}"


def _shown(count: int) -> list[int]:
    """The denoising steps in the picture's table: all, or as many as there is room for, the first and last included."""
    return sorted({int(row) for row in np.linspace(0, count - 1, min(count, _MOST_ROWS)).round()})


def _with_chunk(values: FloatArray) -> FloatArray:
    """What the steps point to ends as the chunk, which is 0 from itself."""
    return np.append(values, 0.0) if len(values) else values


def _cells(found: DenoisingInsight) -> list[list[int | float]]:
    """The numbers of every denoising step, in the order of `_COLUMNS`; NaN where one is not known."""
    unknown = np.full(len(found.away), np.nan)
    aim = _with_chunk(found.away_aim) if len(found.away_aim) else unknown
    spread = found.spread if len(found.spread) else unknown
    columns = (found.times, found.mean, found.deviation, found.smallest, found.largest, found.away, aim, spread)
    return [[step, *(float(column[step]) for column in columns)] for step in range(len(found.away))]


def table(subject: Subject) -> Iterator[Row]:
    """One line a denoising step."""
    found = _denoising(subject)
    yield (*_COLUMNS, "x_t [normalised RMS]", "x0 [normalised RMS]")
    unknown = np.full(len(found.away), np.nan)
    aim = _with_chunk(found.away_aim_model) if len(found.away_aim_model) else unknown
    for step, cells in enumerate(_cells(found)):
        yield (*cells, float(found.away_model[step]), float(aim[step]))


DENOISING = Plot("Denoising", draw, table)
