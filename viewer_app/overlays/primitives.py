"""What can be drawn over the scene, as data. Nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from viewer_app.overlays.colours import Colour
from viewer_app.types import FloatArray


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


def drawable(primitive: Primitive) -> Primitive | None:
    """What of a primitive can be drawn: of a path its first stretch without NaN, None where nothing is left of it."""
    match primitive:
        case Marker(point):
            return primitive if np.isfinite(point).all() else None
        case Polyline(points, _, alpha):
            finite = np.asarray(np.isfinite(points).all(axis=1), np.bool_)
            if finite.all():
                return primitive if len(points) else None
            begin = int(finite.argmax())
            end = begin + int((~finite[begin:]).argmax() or len(finite) - begin) if finite.any() else begin
            if end - begin < 2:
                return None
            return replace(primitive, points=points[begin:end], alpha=alpha[begin : end - 1])
        case Legend():
            return primitive
