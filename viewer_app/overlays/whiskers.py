"""Overlays of what is intended, what was intended before, and what then happened."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from viewer_app.alternatives import gap_between
from viewer_app.chunking import FirstN, OverlapBlend, TemporalEnsemble, is_due
from viewer_app.overlays.colours import AXES, CLOSED, GHOST, OPEN, PATH, PHYSICS, WHISKER, Colour
from viewer_app.overlays.primitives import Legend, Marker, Polyline, Primitive
from viewer_app.overlays.sight import Sight, asked_at
from viewer_app.types import ActionChunk, Float32Array, FloatArray

GHOST_TRAILS = 12
PATH_STEPS = 500
_ALONG = 12
"""About how many ticks or discs are put along a whisker."""
_TICK = 0.012
"""Length of an axis. [m]"""


def whisker(sight: Sight) -> Sequence[Primitive]:
    """What is being executed: bright as far as it will be executed, faint beyond, thin where it already was.

    In first-n mode it is the newest chunk; what came too late of it is left out. While chunks are blended it is the
    blended rows, in temporal-ensemble mode the ensembled path. Row 0 of the plan is the action executed at `step`.
    """
    trace, step = sight.trace, sight.step
    plan = trace.plan(step)
    if plan is None:
        return ()
    chunk = sight.in_force[-1]
    lines: list[Polyline] = []
    match trace.settings_at(step).chunking:
        case FirstN():
            tips = _whole_chunk(sight, chunk, plan)
            begin = step - chunk.start
            alpha = _fading(len(tips), _due(sight) - chunk.start)
            alpha[:begin] = 0.22
            alpha[: chunk.delay] = 0.0
            late = f", {chunk.delay} steps late" if chunk.delay else ""
            lines.append(Polyline(tips, WHISKER, alpha, 3.0, asked_at(chunk)))
            noun = f"current chunk{late}"
        case OverlapBlend(_, overlap):
            tips = _from_here(sight, plan)
            begin = 0
            alpha = _fading(len(tips), _due(sight) - step)
            lines.append(Polyline(tips, WHISKER, alpha, 3.0, asked_at(chunk)))
            lines += _executed_rows(sight, chunk, tips[0])
            noun = f"current chunk, blended over its first {overlap} rows"
        case TemporalEnsemble():
            tips = _from_here(sight, plan)
            begin = 0
            # Every row but the first will be averaged anew; opacity falls to half along the path.
            alpha = np.asarray(np.linspace(0.95, 0.45, max(len(tips) - 1, 0)), np.float64)
            lines.append(Polyline(tips, WHISKER, alpha, 3.0))
            noun = "ensembled path"
        case other:
            assert_never(other)
    return (
        *lines,
        Marker(tips[begin], WHISKER, 1.0, 4.0),
        Marker(tips[-1], WHISKER, 0.55, 3.0),
        Legend(WHISKER, f"{noun}, {sight.paths.kinematics.words}", note=True),
    )


def _from_here(sight: Sight, plan: Float32Array) -> FloatArray:
    """Where a plan would take the root from the step on, row by row. Shape (rows, 3). [m]"""
    snapshot = sight.trace.snapshot(sight.step)
    if not sight.paths.kinematics.simulated:
        return sight.paths.kinematics.path(plan, snapshot, sight.site)
    return sight.paths.rollout.path(plan, snapshot, sight.site, sight.trace.forces_from(sight.step, len(plan)))[1:]


def _whole_chunk(sight: Sight, chunk: ActionChunk, plan: Float32Array) -> FloatArray:
    """Where the chunk in force takes the root, row by row. Shape (H, 3). [m]

    Where a simulation says it, its executed rows are the way that was taken, and the others begin where the world is
    now, whatever happened to it meanwhile. What came too late of it is NaN.
    """
    if not sight.paths.kinematics.simulated:
        return sight.path_of(chunk)
    begin, step = max(chunk.arrived, 0), sight.step
    gone: FloatArray = np.zeros((0, 3))
    if begin < step:
        gone = sight.paths.kinematics.executed(sight.trace, begin + 1, step + 1, sight.site)
    return np.concatenate([np.full((begin - chunk.start, 3), np.nan), gone, _from_here(sight, plan)])


def _due(sight: Sight) -> int:
    """The next step at which a chunk is due, if nothing is changed."""
    chunks, settings = sight.in_force, sight.trace.settings_at(sight.step)
    return next(k for k in count(sight.step + 1) if is_due(chunks, k, settings.chunking, settings.delay))


def _fading(rows: int, until: int) -> FloatArray:
    """Opacity of each segment of a path of which `until` rows will be executed. Shape (rows - 1,)."""
    return np.where(np.arange(1, rows) < until, 0.95, 0.40)


def _executed_rows(sight: Sight, chunk: ActionChunk, now: FloatArray) -> list[Polyline]:
    """What was commanded since a chunk came into force, up to where the whisker begins."""
    trace, step, begin = sight.trace, sight.step, max(chunk.arrived, 0)
    if begin >= step:
        return []
    commanded = np.asarray(trace.column("action", step), np.float32)[begin:]
    tips = sight.paths.kinematics.path(commanded, trace.snapshot(begin), sight.site)
    return [Polyline(np.concatenate([tips, now[None]]), WHISKER, np.full(len(tips), 0.22), 3.0, asked_at(chunk))]


def ghosts(sight: Sight) -> Sequence[Primitive]:
    """Chunks that were in force before the current one, fading with age."""
    past = sight.trace.chunks_before(sight.step, GHOST_TRAILS)
    lines = []
    for age, chunk in enumerate(past):
        rank = 1.0 - age / GHOST_TRAILS
        tips = sight.path_of(chunk)
        lines.append(Polyline(tips, GHOST, np.full(max(len(tips) - 1, 0), 0.75 * rank**2), 1.5, asked_at(chunk)))
    return (*reversed(lines), Legend(GHOST, f"past chunks ({len(past)})")) if lines else ()


def path(sight: Sight) -> Sequence[Primitive]:
    """Where the root has been."""
    begin = max(sight.step - PATH_STEPS, 0)
    tips = sight.paths.kinematics.executed(sight.trace, begin, sight.step + 1, sight.site)
    if len(tips) < 2:
        return (Marker(tips[-1], PATH, 0.9, 3.0),)
    return (
        Polyline(tips, PATH, np.full(len(tips) - 1, 0.85), 2.0),
        Marker(tips[-1], PATH, 1.0, 4.0),
        Legend(PATH, "executed path"),
    )


def physics(sight: Sight) -> Sequence[Primitive]:
    """Where the plan would really take the root from this very state: lag, contacts and clipping included.

    The legend says how far that is from the kinematic whisker, row by row: the largest distance, and that at the end.
    """
    paths, trace, step = sight.paths, sight.trace, sight.step
    plan = trace.plan(step)
    if plan is None:
        return ()
    ensembling = isinstance(trace.settings_at(step).chunking, TemporalEnsemble)
    asked = None if ensembling else asked_at(sight.in_force[-1])
    snapshot = trace.snapshot(step)
    waiting = paths.unfinished
    tips = paths.rollout.path(plan, snapshot, sight.site, trace.forces_from(step, len(plan)))
    finite = tips[np.isfinite(tips).all(axis=1)]
    gap = gap_between(_from_here(sight, plan), tips[1:])
    if len(finite) < len(tips) or gap is None:
        end = "the simulation blows up" if paths.twinless else "the environment raises, or begins anew,"
        words = f"physics: {end} {len(finite)} steps from here"
        if paths.unfinished > waiting:
            words = f"physics: {max(len(finite) - 1, 0)} of {len(plan)} steps simulated so far"
        elif not len(finite):
            words = "physics: nothing is simulated here"
        return (
            Polyline(finite, PHYSICS, np.full(max(len(finite) - 1, 0), 0.95), 2.0, asked),
            Legend(PHYSICS, words, note=True),
        )
    whose = "" if paths.twinless else " by the environment's own code"
    apart = f"{gap.end:.1f} mm from kinematic at the end, {gap.largest:.1f} mm at most"
    return (
        Polyline(tips, PHYSICS, np.asarray(np.linspace(0.95, 0.45, len(tips) - 1), np.float64), 2.0, asked),
        Marker(tips[-1], PHYSICS, 0.8, 3.0),
        Legend(
            PHYSICS,
            f"physics roll-out{whose}: {'the same as the whisker' if paths.kinematics.simulated else apart}",
            note=True,
        ),
    )


def ticks(sight: Sight) -> Sequence[Primitive]:
    """How the root would be turned along the whisker, from this step on: its axes, every few rows."""
    plan = sight.trace.plan(sight.step)
    if plan is None:
        return ()
    poses = sight.paths.kinematics.poses(plan, sight.trace.snapshot(sight.step), sight.site, _some_rows(plan))
    lines = [
        Polyline(np.stack([point, point + _TICK * axes[:, axis]]), colour, np.ones(1), 1.5)
        for point, axes in zip(poses.points, poses.axes, strict=True)
        for axis, colour in enumerate(AXES)
    ]
    return (*lines, Legend(AXES[0], "orientation: x red, y green, z blue"))


def gripper(sight: Sight) -> Sequence[Primitive]:
    """How far the gripper is told to open along the whisker, from this step on: small discs closed, large ones open."""
    scene = sight.paths.scene
    joints = list(scene.actions.grippers)
    if not joints:
        why = "no joint of this scene has the unit range_0_100" if scene.spec.joints else "no action of a known range"
        return (Legend(OPEN, f"gripper: {why}", note=True),)
    plan = sight.trace.plan(sight.step)
    if plan is None:
        return ()
    some = _some_rows(plan)
    tips = sight.paths.kinematics.poses(plan, sight.trace.snapshot(sight.step), sight.site, some).points
    opening = np.clip(scene.actions.opening(plan[some]).mean(axis=1) / 100, 0, 1)
    discs = [
        Marker(tip, _between(CLOSED, OPEN, float(share)), 0.85, 2.0 + 5.0 * float(share))
        for tip, share in zip(tips, opening, strict=True)
    ]
    several = f", mean of {len(joints)}" if len(joints) > 1 else ""
    text = f"gripper command: {100 * opening[0]:.0f} % open now, {100 * opening[-1]:.0f} % at the end{several}"
    return (*discs, Legend(OPEN, text, note=True))


def _some_rows(plan: Float32Array) -> NDArray[np.int64]:
    """Every few rows of a plan, the first and the last among them. Shape (rows,)."""
    return np.unique(np.linspace(0, len(plan) - 1, min(len(plan), _ALONG)).round().astype(np.int64))


def _between(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (a + share * (b - a) for a, b in zip(one, other, strict=True))
    return red, green, blue
