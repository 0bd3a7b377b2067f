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
    MARKED,
    MEMBER,
    NOISE,
    OPEN,
    PATH,
    PHYSICS,
    PUSH,
    SAMPLE,
    TARGET,
    WHISKER,
    Colour,
)
from viewer_app.overlays.denoised import denoising, guidance
from viewer_app.overlays.handled import marked, pushes
from viewer_app.overlays.others import ensemble, inputs, members, samples
from viewer_app.overlays.primitives import Legend, Marker, Polyline, Primitive, drawable
from viewer_app.overlays.shadow import shadow
from viewer_app.overlays.sight import Sight
from viewer_app.overlays.target import target
from viewer_app.overlays.whiskers import ghosts, gripper, path, physics, ticks, whisker

__all__ = [
    "AXES",
    "CLOSED",
    "DENOISED",
    "ENSEMBLE",
    "GHOST",
    "INPUTS",
    "LANES",
    "MARKED",
    "MEMBER",
    "OPEN",
    "OVERLAYS",
    "PATH",
    "PHYSICS",
    "PUSH",
    "SAMPLE",
    "TARGET",
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
    ("target", target),
    ("body", marked),
    ("pushes", pushes),
)
"""Field of `OverlayChoice` to builder, in the order of drawing."""


_FIRST = ("whisker", "physics")
"""Overlays that are built before the others: they get what time there is to simulate."""


def build(sight: Sight) -> list[Primitive]:
    """All primitives that the sight's choice asks for, in the order of drawing."""
    sight.paths.know(sight.trace)
    builders = dict(OVERLAYS)
    wanted = [name for name in builders if getattr(sight.choice, name)]
    built = {name: builders[name](sight) for name in sorted(wanted, key=lambda name: name not in _FIRST)}
    found = (drawable(each) for name in wanted for each in built[name])
    primitives = [each for each in found if each is not None]
    primitives += [Legend(NOISE, text, note=True) for text in sight.paths.notes]
    root = sight.choice.root
    if primitives and root:
        known = sight.paths.has_site(root)
        text = f"all of site {root}" if known else f"no site {root!r} in this scene: the end effector is shown"
        primitives.append(Legend(WHISKER, text, note=True))
    return primitives
