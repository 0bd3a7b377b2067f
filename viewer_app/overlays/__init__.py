"""What is drawn over the scene, as data, and the pure functions that make it from `(trace, step)`.

Nothing here draws: `render` projects and rasterises these primitives in the same way for window, pictures and videos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from viewer_app.overlays.colours import (
    AXES,
    CLOSED,
    DENOISED,
    ENSEMBLE,
    GHOST,
    INPUTS,
    LANES,
    MEMBER,
    OPEN,
    PATH,
    PHYSICS,
    SAMPLE,
    WHISKER,
    Colour,
)
from viewer_app.overlays.denoised import denoising, guidance
from viewer_app.overlays.others import ensemble, inputs, members, samples
from viewer_app.overlays.primitives import Legend, Marker, Polyline, Primitive
from viewer_app.overlays.shadow import shadow
from viewer_app.overlays.sight import Sight
from viewer_app.overlays.whiskers import ghosts, gripper, path, physics, ticks, whisker

__all__ = [
    "AXES",
    "CLOSED",
    "DENOISED",
    "ENSEMBLE",
    "GHOST",
    "INPUTS",
    "LANES",
    "MEMBER",
    "OPEN",
    "OVERLAYS",
    "PATH",
    "PHYSICS",
    "SAMPLE",
    "WHISKER",
    "Colour",
    "Legend",
    "Marker",
    "Polyline",
    "Primitive",
    "Sight",
    "build",
    "whisker",
]

OVERLAYS: tuple[tuple[str, Callable[[Sight], Sequence[Primitive]]], ...] = (
    ("ghosts", ghosts),
    ("members", members),
    ("samples", samples),
    ("path", path),
    ("guidance", guidance),
    ("denoising", denoising),
    ("ensemble", ensemble),
    ("inputs", inputs),
    ("physics", physics),
    ("whisker", whisker),
    ("shadow", shadow),
    ("ticks", ticks),
    ("gripper", gripper),
)
"""Field of `OverlayChoice` to builder, in the order of drawing."""


def build(sight: Sight) -> list[Primitive]:
    """All primitives that the sight's choice asks for, in the order of drawing."""
    primitives: list[Primitive] = []
    for name, builder in OVERLAYS:
        if getattr(sight.choice, name):
            primitives.extend(builder(sight))
    root = sight.choice.root
    if primitives and root:
        known = sight.paths.has_site(root)
        text = f"all of site {root}" if known else f"no site {root!r} in this scene: the end effector is shown"
        primitives.append(Legend(WHISKER, text, note=True))
    return primitives
