"""Divergence: how far the lanes are from the first one over time, and from where on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from viewer_app.figures.look import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION, WIDTH, grid, head, legend, shortened
from viewer_app.figures.subject import Plot, Row, Subject
from viewer_app.insight import Divergence, lane_letter
from viewer_app.types import FloatArray, WhiskersError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_LOOKS = ((VERMILLION, "-"), (BLUE, "--"), (GREEN, "-."), (PURPLE, ":"), (ORANGE, "-"))
"""Colour and style of each lane but the first, in turn."""


def _divergences(subject: Subject) -> tuple[Divergence, ...]:
    if subject.comparison is None or not subject.comparison.divergences:
        raise WhiskersError(
            "There is nothing to compare: open two policies or more with `whiskers compare A B`, and let them move."
        )
    return subject.comparison.divergences


def draw(figure: Figure, subject: Subject) -> None:
    """Grippers, objects and joints, a plot each over a common time."""
    divergences = _divergences(subject)
    rows: list[tuple[str, list[FloatArray | None], bool]] = [
        ("gripper [mm]", [each.tip for each in divergences], True),
        (f"{subject.scene.spec.task.object} [mm]", [each.object for each in divergences], True),
        ("worst joint [deg]", [each.joints for each in divergences], False),
    ]
    rows = [row for row in rows if any(values is not None for values in row[1])]
    figure.set_size_inches(WIDTH, 1.2 + 1.4 * len(rows))
    axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False).ravel()
    lines: list[Line2D] = []
    for plot, (label, values, has_threshold) in zip(axes, rows, strict=True):
        lines = _draw_row(plot, subject, divergences, values, has_threshold)
        plot.set_ylabel(label)
    axes[-1].set_xlabel("time [s]")
    axes[-1].set_xlim(0, max(float(subject.seconds(max(len(each.tip) for each in divergences) - 1)), 1e-6))
    names = [_named(subject, each.lane) for each in divergences]
    legend(figure, list(zip(lines, names, strict=True)), 2)
    head(figure, f"Divergence from lane {_named(subject, 0)}", subject, _note(subject, divergences))


def _draw_row(
    plot: Axes,
    subject: Subject,
    divergences: tuple[Divergence, ...],
    values: list[FloatArray | None],
    has_threshold: bool,
) -> list[Line2D]:
    grid(plot)
    lines = []
    for number, (divergence, curve) in enumerate(zip(divergences, values, strict=True)):
        colour, style = _LOOKS[number % len(_LOOKS)]
        shown = curve if curve is not None else np.zeros(0)
        (line,) = plot.plot(subject.seconds(np.arange(len(shown))), shown, color=colour, linestyle=style, linewidth=1.0)
        lines.append(line)
        first = divergence.first(subject.apart)
        if first is not None and has_threshold:
            plot.axvline(float(subject.seconds(first)), color=colour, linestyle=style, linewidth=0.6, alpha=0.6)
    if has_threshold:
        plot.axhline(subject.apart, color=GREY, linewidth=0.8)
    plot.set_ylim(bottom=0)
    return lines


def _named(subject: Subject, lane: int) -> str:
    name = subject.lanes[lane] if lane < len(subject.lanes) else ""
    return f"{lane_letter(lane)}: {shortened(name, 40)}" if name else lane_letter(lane)


def _note(subject: Subject, divergences: tuple[Divergence, ...]) -> str:
    found = []
    for each in divergences:
        first = each.first(subject.apart)
        where = "never" if first is None else f"from step {first} on, {float(subject.seconds(first)):.2f} s"
        found.append(f"{lane_letter(each.lane)} {where}")
    return f"Gripper or object more than {subject.apart:g} mm apart: " + "; ".join(found)


def table(subject: Subject) -> Iterator[Row]:
    """One line a step: gripper, object and worst joint of each lane, empty past where both have got."""
    divergences = _divergences(subject)
    letters = [lane_letter(each.lane) for each in divergences]
    yield (
        "step",
        "time_s",
        *(f"{letter}_{what}" for letter in letters for what, _ in _columns(divergences[0])),
    )
    columns = [curve for each in divergences for _, curve in _columns(each)]
    for step in range(max(len(each.tip) for each in divergences)):
        values = [float(curve[step]) if curve is not None and step < len(curve) else float("nan") for curve in columns]
        yield (step, float(subject.seconds(step)), *values)


def _columns(divergence: Divergence) -> list[tuple[str, FloatArray | None]]:
    """Where no joint is measured there is no column of joints."""
    found = [("gripper [mm]", divergence.tip), ("object [mm]", divergence.object), ("joint [deg]", divergence.joints)]
    return found if divergence.joints is not None else found[:-1]


DIVERGENCE = Plot("Divergence", draw, table)
