"""Actions: commanded and predicted over time, and actual where that is measured, one plot each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from viewer_app.figures.look import ACTUAL, COMMANDED, GREY, ORANGE, PREDICTED, WIDTH, grid, head, legend, shortened
from viewer_app.figures.subject import Plot, Row, Subject, column, in_brackets, unit_of
from viewer_app.joint_units import unmeasured
from viewer_app.types import Float32Array, FloatArray

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 2
_LEAST_SPAN = {"deg": 4.0, "rad": 0.07, "m": 0.004, "": 0.1, "std. dev.": 0.2, "normalised": 0.1}
"""What a plot's height spans at least, so that a joint at rest is a flat line and not magnified rounding. Else 4."""
_MOST_LINES = 60
"""More chunk boundaries than this are ticks rather than lines."""
_SHADE = 0.18
SIGMA = 3.0
"""How many standard deviations of the checkpoint's own actions are called usual."""


def _curves(subject: Subject) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Actual (length + 1, n), commanded (length, n) and, from the step looked at on, predicted (rows, n).

    There are no rows of the actual where nothing measures what is commanded."""
    trace, length = subject.trace, subject.length
    plan = trace.plan(subject.step)
    rows = plan if plan is not None else np.zeros((0, subject.scene.n_action), np.float32)
    actual, commanded = (np.asarray(trace.column(name, length), np.float32) for name in ("state", "action"))
    if not subject.scene.measures_commands:
        actual = np.zeros((0, subject.scene.n_action), np.float32)
    return subject.convert(actual), subject.convert(commanded), subject.convert(rows)


def _usual(subject: Subject) -> FloatArray | None:
    """Mean less and plus `SIGMA` standard deviations of the checkpoint's actions, in the subject's unit. Shape (2, n).

    None where it has no such statistics: its actions are scaled by their range, or not at all.
    """
    scale = subject.trace.policy.action_scale if subject.trace.policy is not None else None
    if scale is None or scale.kind != "mean_std":
        return None
    ends: Float32Array = np.array([[-SIGMA], [SIGMA]], np.float32).repeat(len(scale.a), axis=1)
    return subject.convert(scale.to_scene(ends))


def draw(figure: Figure, subject: Subject) -> None:
    """One plot a joint, or a number of whatever else actions are, over a common time."""
    names, measured = subject.scene.action_names, subject.scene.measures_commands
    columns = min(_COLUMNS, len(names))
    count = -(-len(names) // columns)
    figure.set_size_inches(WIDTH, 1.35 + 1.35 * count)
    axes = figure.subplots(count, columns, sharex=True, squeeze=False).ravel()
    curves, usual = _curves(subject), _usual(subject)
    for joint, plot in enumerate(axes[: len(names)]):
        _draw_joint(plot, subject, joint, curves, usual)
    for plot in axes[len(names) :]:
        plot.set_visible(False)
    for plot in axes[len(names) - columns : len(names)]:
        plot.set_xlabel("time [s]")
        plot.tick_params(labelbottom=True)
    note = f"predicted at step {subject.step}"
    if not measured:
        note += f"; {unmeasured(subject.scene).lower()}"
    elif subject.episode is not None:
        note += "; error: actual less commanded, one step later; lag in steps"
    noun = "Joints" if subject.scene.spec.action.kind == "joints" else "Actions"
    head(figure, f"{noun}: {'actual, ' * measured}commanded and predicted", subject, note.removesuffix("."))
    legend(figure, _entries(axes[0], usual is not None))


def _entries(plot: Axes, has_statistics: bool) -> list[tuple[Artist, str]]:
    from matplotlib.patches import Patch

    lines = [(line, str(line.get_label())) for line in plot.get_lines()]
    entries: list[tuple[Artist, str]] = [(line, words) for line, words in lines if not words.startswith("_")]
    if has_statistics:
        words = f"beyond {SIGMA:g} standard deviations of the checkpoint's actions"
        entries.append((Patch(color=ORANGE, alpha=_SHADE, linewidth=0), words))
    return entries


def _draw_joint(
    plot: Axes,
    subject: Subject,
    joint: int,
    curves: tuple[FloatArray, FloatArray, FloatArray],
    usual: FloatArray | None,
) -> None:
    actual, commanded, predicted = (each[:, joint] for each in curves)
    unit = unit_of(subject, joint)
    grid(plot)
    if len(actual):
        plot.plot(subject.seconds(np.arange(len(actual))), actual, color=ACTUAL, linewidth=1.1, label="actual")
    steps = subject.seconds(np.arange(len(commanded)))
    if len(commanded):
        plot.plot(steps, commanded, color=COMMANDED, linewidth=1.2, linestyle=":", label="commanded")
    if len(predicted):
        ahead = subject.seconds(subject.step + np.arange(len(predicted)))
        plot.plot(ahead, predicted, color=PREDICTED, linewidth=1.2, linestyle=(0, (4, 2)), label="predicted")
    values = np.concatenate([actual, commanded, predicted])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    half = max(1.16 * (high - low), _LEAST_SPAN.get(unit, 4.0)) / 2
    bottom, top = (low + high) / 2 - half, (low + high) / 2 + half
    plot.set_ylim(bottom, top)
    if usual is not None:
        for begin, end in ((bottom, min(float(usual[0, joint]), top)), (max(float(usual[1, joint]), bottom), top)):
            if begin < end:
                plot.axhspan(begin, end, color=ORANGE, alpha=_SHADE, linewidth=0, zorder=0)
    _draw_boundaries(plot, subject)
    plot.axvline(float(subject.seconds(subject.step)), color="black", linewidth=0.7, label="step looked at")
    plot.margins(x=0.01)
    plot.set_ylabel(in_brackets(unit))
    plot.set_title(shortened(subject.scene.action_names[joint]), loc="left", pad=3)
    plot.set_title(_tracking(subject, joint), loc="right", pad=3, fontsize=6.5)


def _draw_boundaries(plot: Axes, subject: Subject) -> None:
    times = subject.seconds(np.array(subject.boundaries(), np.float64))
    many = len(times) > _MOST_LINES
    for number, time in enumerate(times):
        label = "chunk boundary" if number == 0 else "_"
        plot.axvline(time, 0.0, 0.05 if many else 1.0, color=GREY, linewidth=0.4, alpha=0.7, zorder=0.5, label=label)


def _tracking(subject: Subject, joint: int) -> str:
    """How the joint followed its commands, empty where that is not known."""
    episode = subject.episode
    if episode is None or joint >= len(episode.tracking) or not np.isfinite(episode.tracking[joint].rms):
        return ""
    tracking = episode.tracking[joint]
    lag = f", lag {tracking.lag}" if tracking.lag >= 0 else ""
    unit = {"deg": "°", "": ""}.get(shown := subject.scene.actions.shown_units[joint], f" {shown}")
    return f"error RMS {tracking.rms:.2f}{unit}, max {tracking.largest:.2f}{unit}{lag}"


def table(subject: Subject) -> Iterator[Row]:
    """One line a moment, and after the last one those that are predicted.

    Actual and commanded are empty where there is none yet, predicted before the step looked at. Where nothing measures
    what is commanded there is no actual.
    """
    curves = dict(zip(("actual", "commanded", "predicted"), _curves(subject), strict=True))
    if not subject.scene.measures_commands:
        del curves["actual"]
    predicted = curves["predicted"]
    columns = [column(subject, joint, what) for joint in range(subject.scene.n_action) for what in curves]
    yield ("step", "time_s", *columns, "asked", "chunk_boundary")
    time = np.asarray(subject.trace.column("time", subject.length))
    boundaries = set(subject.boundaries())
    for step in range(max(subject.length + 1, subject.step + len(predicted))):
        rows = [_row(values, step - subject.step * (what == "predicted")) for what, values in curves.items()]
        # The joint's values side by side.
        values = [float(value) for joint in zip(*rows, strict=True) for value in joint]
        seconds = time[step] - time[0] if step <= subject.length else subject.seconds(step)
        asked = step < subject.length and subject.trace.chunk_asked_at(step) is not None
        yield (step, float(seconds), *values, int(asked), int(step in boundaries))


def _row(values: FloatArray, row: int) -> FloatArray:
    return values[row] if 0 <= row < len(values) else np.full(values.shape[1], np.nan)


JOINTS = Plot("Joints", draw, table)
