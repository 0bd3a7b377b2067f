"""The temporal ensemble at one step: what each chunk weighs, and what the mean makes of the newest one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from viewer_app.figures.look import BLUE, GREEN, GREY, WIDTH, grid, head, legend, shortened
from viewer_app.figures.subject import Plot, Row, Subject, column, in_brackets, unit_of
from viewer_app.insight import EnsembleInsight
from viewer_app.types import FloatArray, WhiskersError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

_COLUMNS = 3


def _ensemble(subject: Subject) -> EnsembleInsight:
    found = subject.moment.ensemble if subject.moment is not None else None
    if found is None:
        raise WhiskersError(
            f"No temporal ensemble is known at step {subject.step}: ask what the ensemble would do, or execute it."
        )
    return found


def draw(figure: Figure, subject: Subject) -> None:
    """The weights above, below them one plot a number of the action."""
    ensemble = _ensemble(subject)
    names = subject.scene.action_names
    columns = min(_COLUMNS, len(names))
    count = -(-len(names) // columns)
    figure.set_size_inches(WIDTH, 2.9 + 1.4 * count)
    places = figure.add_gridspec(1 + count, columns, height_ratios=(1.2, *(1.0,) * count))
    weights = figure.add_subplot(places[0, :])
    grid(weights)
    bars = weights.bar(ensemble.ages, [100 * weight for weight in ensemble.weights], width=0.8, color=GREY)
    weights.set_xlim(max(ensemble.ages) + 0.6, min(ensemble.ages) - 0.6)
    weights.set_xlabel("age of the chunk [control steps], the newest at the right")
    weights.set_ylabel("weight [%]")
    weights.set_title(_convention(ensemble), loc="left", pad=3)
    entries: list[tuple[Artist, str]] = [(bars.patches[0], "weight of a chunk")]
    raw, mean = subject.convert(ensemble.raw), subject.convert(ensemble.ensembled)
    for joint, name in enumerate(names):
        plot = figure.add_subplot(places[1 + joint // columns, joint % columns])
        grid(plot)
        (one,) = plot.plot(_times(subject, len(raw)), raw[:, joint], color=BLUE, linewidth=1.1, linestyle="--")
        (other,) = plot.plot(_times(subject, len(mean)), mean[:, joint], color=GREEN, linewidth=1.3)
        plot.set_title(shortened(name), loc="left", pad=3)
        plot.set_ylabel(in_brackets(unit_of(subject, joint)))
        if joint + columns >= len(names):
            plot.set_xlabel("time [s]")
        if joint == 0:
            entries += [(one, "newest chunk alone"), (other, "ensembled")]
    head(figure, f"Temporal ensemble at step {subject.step}", subject, _note(ensemble))
    legend(figure, entries)


def _times(subject: Subject, rows: int) -> FloatArray:
    return subject.seconds(subject.step + np.arange(rows))


def _convention(ensemble: EnsembleInsight) -> str:
    """What the coefficient means, in LeRobot's convention and in the other one that is in use."""
    coefficient, weights = ensemble.coefficient, ensemble.weights
    words = "all weigh alike"
    if weights[0] != weights[-1]:
        words = f"the {'oldest' if weights[0] > weights[-1] else 'newest'} weighs most"
    other = -coefficient + 0.0  # without the sign of a zero
    return (
        f"w = exp(-c i), c = {coefficient:g} counting i from the oldest (LeRobot), {other:g} from the newest: {words}"
    )


def _note(ensemble: EnsembleInsight) -> str:
    kind = "what-if: not what was executed" if ensemble.what_if else "executed"
    count = len(ensemble.ages)
    return f"{kind}; {count} chunk{'s' * (count != 1)}, at most {ensemble.spread:.1f} mm from their mean at this step"


def table(subject: Subject) -> Iterator[Row]:
    """First one line a member with its weight, then one line a step to come with raw and ensembled actions."""
    ensemble = _ensemble(subject)
    count = subject.scene.n_action
    columns = [column(subject, joint, what) for joint in range(count) for what in ("raw", "ensembled")]
    yield ("row", "step", "time_s", "weight", *columns)
    none = [float("nan")] * len(columns)
    for age, weight in zip(ensemble.ages, ensemble.weights, strict=True):
        asked = subject.step - age
        yield ("member", asked, float(subject.seconds(asked)), weight, *none)
    raw, mean = subject.convert(ensemble.raw), subject.convert(ensemble.ensembled)
    for row in range(min(len(raw), len(mean))):
        step = subject.step + row
        values = [float(value) for joint in range(count) for value in (raw[row, joint], mean[row, joint])]
        yield ("action", step, float(subject.seconds(step)), float("nan"), *values)


ENSEMBLE = Plot("Temporal ensemble", draw, table)
