"""What is drawn over the scene, as data, and the pure functions that make it from `(trace, step)`.

Nothing here draws: `render` projects and rasterises these primitives in the same way for window, pictures and videos.
Colours and ages follow the seed systems, so that old screenshots can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from viewer_app.chunking import FirstN, TemporalEnsemble, members_of
from viewer_app.paths import Paths
from viewer_app.questions import Answers
from viewer_app.trace import Trace
from viewer_app.types import FloatArray
from viewer_app.view import OverlayChoice

Colour = tuple[float, float, float]
"""RGB in [0, 1]."""

WHISKER: Colour = (0.20, 0.80, 0.20)
GHOST: Colour = (0.45, 0.55, 0.95)
PATH: Colour = (1.00, 0.45, 0.10)

PHYSICS: Colour = (0.10, 0.85, 0.85)
MEMBER: Colour = (0.75, 0.75, 0.75)

GHOST_TRAILS = 12
PATH_STEPS = 500


@dataclass(frozen=True)
class Sight:
    """What the builders look at: one moment of a trace, what is known about it, and how the person wants it drawn."""

    paths: Paths
    trace: Trace
    step: int
    choice: OverlayChoice
    answers: Answers


@dataclass(frozen=True)
class Polyline:
    """A path in the world frame."""

    points: FloatArray
    """Shape (P, 3). [m]"""
    colour: Colour
    alpha: FloatArray
    """Opacity of each segment. Shape (P - 1,)."""
    width: float
    """[px]"""
    asked_at: int | None = None
    """Control step whose observation the path answers, where it is a chunk's: a click on it goes there."""


@dataclass(frozen=True)
class Marker:
    """A disc that faces the camera."""

    point: FloatArray
    """Shape (3,). [m]"""
    colour: Colour
    alpha: float
    radius: float
    """[px]"""


@dataclass(frozen=True)
class Legend:
    """One line of the legend."""

    colour: Colour
    text: str
    note: bool = False
    """Whether it says more than the name of the overlay: a figure, or what is approximate."""


Primitive = Polyline | Marker | Legend


def whisker(sight: Sight) -> Sequence[Primitive]:
    """The chunk being executed: bright as far as it will be executed, faint beyond, thin where it already was.

    In temporal-ensemble mode it is the ensembled path. Row 0 of the plan is the action executed at `step`.
    """
    paths, trace, step = sight.paths, sight.trace, sight.step
    plan = trace.plan(step)
    if plan is None:
        return ()
    chunking = trace.settings_at(step).chunking
    if isinstance(chunking, FirstN):
        chunk = trace.chunks_in_force(step)[-1]
        tips = paths.kinematics.path_of(chunk, trace)
        begin = step - chunk.start
        executed_until = min(max(chunking.n_action_steps, begin + 1), len(chunk))
        alpha = np.where(np.arange(1, len(tips)) < executed_until, 0.95, 0.40)
        alpha[:begin] = 0.22
    else:
        tips = paths.kinematics.path(plan, trace.snapshot(step))
        begin = 0
        # Every row but the first will be averaged anew; opacity falls to half along the path.
        alpha = np.asarray(np.linspace(0.95, 0.45, max(len(tips) - 1, 0)), np.float64)
    note = "ensembled path" if not isinstance(chunking, FirstN) else "current chunk"
    return (
        Polyline(tips, WHISKER, alpha, 3.0),
        Marker(tips[min(begin, len(tips) - 1)], WHISKER, 1.0, 4.0),
        Marker(tips[-1], WHISKER, 0.55, 3.0),
        Legend(WHISKER, f"{note}, commanded joints through kinematics (approximate)", note=True),
    )


def ghosts(sight: Sight) -> Sequence[Primitive]:
    """Chunks asked for before the current one, fading with age."""
    paths, trace, step = sight.paths, sight.trace, sight.step
    past = trace.chunks_before(step, GHOST_TRAILS)
    lines = []
    for age, chunk in enumerate(past):
        rank = 1.0 - age / GHOST_TRAILS
        tips = paths.kinematics.path_of(chunk, trace)
        lines.append(Polyline(tips, GHOST, np.full(max(len(tips) - 1, 0), 0.75 * rank**2), 1.5))
    return (*reversed(lines), Legend(GHOST, f"past chunks ({len(past)})")) if lines else ()


def path(sight: Sight) -> Sequence[Primitive]:
    """Where the end effector has been."""
    trace, step = sight.trace, sight.step
    begin = max(step - PATH_STEPS, 0)
    tips = np.asarray(trace.column("tip"), np.float64)[begin : step + 1]
    if len(tips) < 2:
        return (Marker(tips[-1], PATH, 0.9, 3.0),)
    return (
        Polyline(tips, PATH, np.full(len(tips) - 1, 0.85), 2.0),
        Marker(tips[-1], PATH, 1.0, 4.0),
        Legend(PATH, "executed path"),
    )


def physics(sight: Sight) -> Sequence[Primitive]:
    """Where the chunk would really take the gripper from this very state: lag, contacts and clipping included.

    The legend says how far that is from the kinematic whisker, row by row: the largest distance, and that at the end.
    """
    paths, trace, step = sight.paths, sight.trace, sight.step
    plan = trace.plan(step)
    if plan is None:
        return ()
    snapshot = trace.snapshot(step)
    tips = paths.rollout.path(plan, snapshot)
    gap = 1000 * np.linalg.norm(tips[1:] - paths.kinematics.path(plan, snapshot), axis=1)
    if not np.isfinite(gap).all():
        finite = tips[np.isfinite(tips).all(axis=1)]
        return (
            Polyline(finite, PHYSICS, np.full(max(len(finite) - 1, 0), 0.95), 2.0),
            Legend(PHYSICS, f"physics: the simulation blows up {len(finite)} steps from here", note=True),
        )
    return (
        Polyline(tips, PHYSICS, np.asarray(np.linspace(0.95, 0.45, len(tips) - 1), np.float64), 2.0),
        Marker(tips[-1], PHYSICS, 0.8, 3.0),
        Legend(
            PHYSICS,
            f"physics roll-out: {gap[-1]:.1f} mm from kinematic at the end, {gap.max():.1f} mm at most",
            note=True,
        ),
    )


def members(sight: Sight) -> Sequence[Primitive]:
    """Every past chunk that says something about this step, older ones fainter, from this step on."""
    paths, trace, step = sight.paths, sight.trace, sight.step
    found = members_of(trace.chunks_in_force(step), step)
    lines = []
    for rank, chunk in enumerate(found, start=1):
        tips = paths.kinematics.path_of(chunk, trace)[step - chunk.start :]
        opacity = 0.25 + 0.55 * rank / len(found)
        lines.append(Polyline(tips, MEMBER, np.full(max(len(tips) - 1, 0), opacity), 1.0))
    if not lines:
        return ()
    spread = _spread([line.points[0] for line in lines])
    ensembling = isinstance(trace.settings_at(step).chunking, TemporalEnsemble)
    noun = "ensemble members" if ensembling else "chunks that predicted this step"
    return (*lines, Legend(MEMBER, f"{noun} ({len(lines)}), {spread:.1f} mm apart now", note=True))


def _spread(points: Sequence[FloatArray]) -> float:
    """Largest distance of any point from their mean. [mm]"""
    stacked = np.stack(points)
    return float(1000 * np.linalg.norm(stacked - stacked.mean(axis=0), axis=1).max())


OVERLAYS: tuple[tuple[str, Callable[[Sight], Sequence[Primitive]]], ...] = (
    ("ghosts", ghosts),
    ("members", members),
    ("path", path),
    ("physics", physics),
    ("whisker", whisker),
)
"""Field of `OverlayChoice` to builder, in the order of drawing."""


def build(sight: Sight) -> list[Primitive]:
    """All primitives that the sight's choice asks for, in the order of drawing."""
    primitives: list[Primitive] = []
    for name, builder in OVERLAYS:
        if getattr(sight.choice, name):
            primitives.extend(builder(sight))
    return primitives
