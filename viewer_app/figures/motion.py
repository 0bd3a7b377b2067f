"""Motion: how far the commands jump at each chunk boundary, and how rough they are there and elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from viewer_app.figures.look import BLUE, GREEN, GREY, VERMILLION, WIDTH, grid, head, legend
from viewer_app.figures.subject import Plot, Row, Subject, in_brackets
from viewer_app.insight import EpisodeInsight
from viewer_app.smoothness import SEAM_WINDOW, acceleration_of, at_seams
from viewer_app.types import FloatArray, WhiskersError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_JUMP = "Where one chunk takes over: what it says less what the one before said, before any blending"


def _episode(subject: Subject) -> EpisodeInsight:
    episode = subject.episode
    if episode is None:
        raise WhiskersError("The figures about the motion are not computed yet; try again in a moment.")
    if episode.length < 3:
        raise WhiskersError("An acceleration needs at least 3 executed steps; let the policy move first.")
    return episode


def _boundaries(subject: Subject, episode: EpisodeInsight) -> list[int]:
    return [step for step in subject.boundaries() if step < episode.length]


def _acceleration(subject: Subject, episode: EpisodeInsight) -> FloatArray:
    actions = np.asarray(subject.trace.column("action", episode.length), np.float32)
    return acceleration_of(subject.scene.actions.to_shown(actions))


def draw(figure: Figure, subject: Subject) -> None:
    """Three plots over a common time: jumps of the gripper, jumps of the worst joint, acceleration."""
    episode = _episode(subject)
    figure.set_size_inches(WIDTH, 5.4)
    gripper, joints, rough = figure.subplots(3, 1, sharex=True, height_ratios=(1, 1, 1.4))
    times = subject.seconds(np.array([seam.step for seam in episode.seams], np.float64))
    actions = subject.scene.actions
    worst = np.array([np.abs(seam.jump[actions.leading]).max() for seam in episode.seams])
    _bars(gripper, times, np.array([seam.distance for seam in episode.seams]), GREEN)
    gripper.set_ylabel("end effector [mm]")
    gripper.set_title(_JUMP, loc="left", pad=3)
    _bars(joints, times, worst, BLUE)
    joints.set_ylabel(f"worst {_noun(subject)} {in_brackets(actions.leading_unit)}".rstrip())
    legend(figure, _draw_acceleration(rough, subject, episode))
    rough.set_xlabel("time [s]")
    rough.set_xlim(0, float(subject.seconds(episode.length)))
    head(figure, "Motion: seams between chunks, and smoothness", subject, _note(subject, episode))


def _bars(plot: Axes, times: FloatArray, heights: FloatArray, colour: str) -> None:
    grid(plot)
    plot.vlines(times, 0, heights, color=colour, linewidth=1.2)
    plot.plot(times, heights, linestyle="none", marker="o", markersize=2.5, color=colour)
    known = heights[np.isfinite(heights)]
    plot.set_ylim(0, max(float(known.max()) * 1.15, 1e-6) if len(known) else 1.0)
    if not len(heights):
        words = "no chunk had a row left where the next one took over"
        plot.text(0.5, 0.5, words, transform=plot.transAxes, ha="center", va="center", color=GREY)


def _draw_acceleration(plot: Axes, subject: Subject, episode: EpisodeInsight) -> list[tuple[Artist, str]]:
    actions = subject.scene.actions
    size = np.abs(_acceleration(subject, episode)[:, actions.leading]).mean(axis=1)
    seam = at_seams(len(size), _boundaries(subject, episode))
    times = subject.seconds(np.arange(len(size)) + 2)
    grid(plot)
    # Runs of seam steps, drawn together however many there are.
    edges = np.flatnonzero(np.diff(np.concatenate([[False], seam, [False]]).astype(np.int8)))
    dt = subject.scene.control_dt
    spans = [(float(times[a]) - dt / 2, float(b - a) * dt) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    top = max(1.08 * float(size.max()), 1e-6)
    shade = plot.broken_barh(spans, (0, top), facecolor=VERMILLION, alpha=0.15, linewidth=0)
    (line,) = plot.plot(times, size, color="black", linewidth=0.8)
    entries: list[tuple[Artist, str]] = [(line, "acceleration"), (shade, f"within {SEAM_WINDOW} steps of a boundary")]
    for rows, colour, style, words in ((seam, VERMILLION, "-", "mean there"), (~seam, BLUE, "--", "mean elsewhere")):
        if rows.any():
            mean = plot.axhline(float(size[rows].mean()), color=colour, linestyle=style, linewidth=1.0)
            entries.append((mean, words))
    plot.set_ylim(0, top)
    plot.set_ylabel(f"acceleration [{actions.leading_unit or 1}/step²]")
    of = f"all {_noun(subject)}s" if len(actions.leading) == len(actions) else f"those in {actions.leading_unit}"
    plot.set_title(f"Second difference of the commands, mean of {of}", loc="left", pad=3)
    return entries


def _noun(subject: Subject) -> str:
    return "joint" if subject.scene.spec.action.kind == "joints" else "number"


def _note(subject: Subject, episode: EpisodeInsight) -> str:
    unit = subject.scene.actions.leading_unit
    smooth = episode.smoothness
    values = (
        ("uniformity of acceleration $U_a$", smooth.uniformity, f"{unit}²/step⁴" if unit else "1/step⁴"),
        ("spike ratio at boundaries", smooth.spike_ratio, ""),
        ("jerk", smooth.jerk, "mm/step³"),
    )
    return ", ".join(f"{name} {value:.3g} {unit}".rstrip() for name, value, unit in values if not np.isnan(value))


def table(subject: Subject) -> Iterator[Row]:
    """One line a step: acceleration and jerk known there, and the jump where a chunk took over."""
    episode = _episode(subject)
    actions = subject.scene.actions
    names = actions.names
    yield (
        "step",
        "time_s",
        *(f"{name}_acceleration [{unit or 1}/step^2]" for name, unit in zip(names, actions.shown_units, strict=True)),
        "jerk [mm/step^3]",
        "within_seam",
        "jump [mm]",
        *(f"{name}_jump{actions.bracketed(i)}" for i, name in enumerate(names)),
    )
    acceleration = _acceleration(subject, episode)
    seam = at_seams(len(acceleration), _boundaries(subject, episode))
    tips = 1000 * np.asarray(subject.trace.column("tip", episode.length), np.float64)
    jerk = np.linalg.norm(np.diff(tips, n=3, axis=0), axis=1)
    jumps = {each.step: each for each in episode.seams}
    none = [float("nan")] * len(names)
    for step in range(episode.length + 1):
        known = 2 <= step < episode.length
        jump = jumps.get(step)
        yield (
            step,
            float(subject.seconds(step)),
            *([float(x) for x in acceleration[step - 2]] if known else none),
            float(jerk[step - 3]) if step >= 3 else float("nan"),
            int(known and seam[step - 2]),
            jump.distance if jump is not None else float("nan"),
            *([float(x) for x in jump.jump] if jump is not None else none),
        )


MOTION = Plot("Motion", draw, table)
