"""What is drawn over the scene, as data, and the pure functions that make it from `(trace, step)`.

Nothing here draws: `render` projects and rasterises these primitives in the same way for window, pictures and videos.
Colours and ages follow the seed systems, so that old screenshots can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from viewer_app.chunking import FirstN
from viewer_app.kinematics import Kinematics
from viewer_app.trace import Trace
from viewer_app.types import FloatArray
from viewer_app.view import OverlayChoice

Colour = tuple[float, float, float]
"""RGB in [0, 1]."""

WHISKER: Colour = (0.20, 0.80, 0.20)
GHOST: Colour = (0.45, 0.55, 0.95)
PATH: Colour = (1.00, 0.45, 0.10)

GHOST_TRAILS = 12
PATH_STEPS = 500


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


Primitive = Polyline | Marker | Legend


def whisker(kinematics: Kinematics, trace: Trace, step: int) -> Sequence[Primitive]:
    """The chunk being executed: bright as far as it will be executed, faint beyond, thin where it already was.

    In temporal-ensemble mode it is the ensembled path. Row 0 of the plan is the action executed at `step`.
    """
    plan = trace.plan(step)
    if plan is None:
        return ()
    chunking = trace.settings_at(step).chunking
    rows = len(plan)
    if isinstance(chunking, FirstN):
        chunk = trace.chunks_in_force(step)[-1]
        tips = kinematics.path_of(chunk, trace)
        begin = step - chunk.start
        executed_until = min(max(chunking.n_action_steps, begin + 1), len(chunk))
    else:
        tips = kinematics.path(plan, trace.snapshot(step))
        begin, executed_until = 0, 1
    alpha = np.where(np.arange(1, len(tips)) < executed_until, 0.95, 0.40)
    if isinstance(chunking, FirstN):
        alpha[:begin] = 0.22
    else:
        # Every row will be averaged anew; opacity falls to half along the path.
        alpha = np.linspace(0.95, 0.45, max(rows - 1, 0))
    note = "ensembled path" if not isinstance(chunking, FirstN) else "current chunk"
    return (
        Polyline(tips, WHISKER, alpha, 3.0),
        Marker(tips[min(begin, len(tips) - 1)], WHISKER, 1.0, 4.0),
        Marker(tips[-1], WHISKER, 0.55, 3.0),
        Legend(WHISKER, f"{note} (commanded joints, kinematic)"),
    )


def ghosts(kinematics: Kinematics, trace: Trace, step: int) -> Sequence[Primitive]:
    """Chunks asked for before the current one, fading with age."""
    past = trace.chunks_before(step, GHOST_TRAILS)
    lines = []
    for age, chunk in enumerate(past):
        rank = 1.0 - age / GHOST_TRAILS
        tips = kinematics.path_of(chunk, trace)
        lines.append(Polyline(tips, GHOST, np.full(max(len(tips) - 1, 0), 0.75 * rank**2), 1.5))
    return (*reversed(lines), Legend(GHOST, f"past chunks ({len(past)})")) if lines else ()


def path(kinematics: Kinematics, trace: Trace, step: int) -> Sequence[Primitive]:
    """Where the end effector has been."""
    begin = max(step - PATH_STEPS, 0)
    tips = np.asarray(trace.column("tip"), np.float64)[begin : step + 1]
    if len(tips) < 2:
        return (Marker(tips[-1], PATH, 0.9, 3.0),)
    return (
        Polyline(tips, PATH, np.full(len(tips) - 1, 0.85), 2.0),
        Marker(tips[-1], PATH, 1.0, 4.0),
        Legend(PATH, "executed path"),
    )


OVERLAYS: tuple[tuple[str, Callable[[Kinematics, Trace, int], Sequence[Primitive]]], ...] = (
    ("ghosts", ghosts),
    ("path", path),
    ("whisker", whisker),
)
"""Field of `OverlayChoice` to builder, in the order of drawing."""


def build(kinematics: Kinematics, trace: Trace, step: int, choice: OverlayChoice) -> list[Primitive]:
    """All primitives that `choice` asks for, in the order of drawing."""
    primitives: list[Primitive] = []
    for name, builder in OVERLAYS:
        if getattr(choice, name):
            primitives.extend(builder(kinematics, trace, step))
    return [each for each in primitives if choice.legend or not isinstance(each, Legend)]
