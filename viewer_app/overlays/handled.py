"""Overlays of what a person does to the world: the body that is marked, and what pushes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from viewer_app.bodies import EDGES
from viewer_app.overlays.colours import MARKED, PUSH
from viewer_app.overlays.primitives import Legend, Marker, Polyline, Primitive
from viewer_app.overlays.sight import Sight
from viewer_app.types import FloatArray

METRES_PER_NEWTON = 0.05
"""Length of a push's arrow, within the two below."""
_SHORTEST, _LONGEST = 0.03, 0.25
"""[m]"""
_HEAD = 0.3
"""Length of an arrow's head, as a share of the arrow's."""


def marked(sight: Sight) -> Sequence[Primitive]:
    """A box around the body that the person chose."""
    box = sight.paths.bodies.box(sight.trace.snapshot(sight.step), sight.choice.body)
    if box is None:
        return ()
    corners = box.corners
    return [Polyline(corners[[one, other]], MARKED, np.full(1, 0.9), 1.5) for one, other in EDGES]


def pushes(sight: Sight) -> Sequence[Primitive]:
    """An arrow from the centre of mass of each body that is pushed in this step, along the force."""
    trace, step = sight.trace, sight.step
    primitives: list[Primitive] = []
    for force in trace.forces_at(step):
        centre = sight.paths.bodies.centre_of_mass(trace.snapshot(step), force.body)
        if centre is None:
            continue
        newtons = float(np.linalg.norm(force.force))
        if newtons:
            primitives += arrow(centre, np.array(force.force) / newtons, newtons)
        turning = ", and turned" if any(force.torque) else ""
        left = force.end - step
        text = f"{force.body} pushed with {newtons:.2g} N{turning}, {left} step{'s' * (left != 1)} to go"
        primitives.append(Legend(PUSH, text, note=True))
    return primitives


def arrow(begin: FloatArray, direction: FloatArray, newtons: float) -> list[Primitive]:
    """An arrow as long as a force is strong.

    Args:
        begin: In the world frame. Shape (3,). [m]
        direction: A unit vector in the world frame. Shape (3,).
        newtons: How strong it is. [N]
    """
    length = float(np.clip(METRES_PER_NEWTON * newtons, _SHORTEST, _LONGEST))
    end = begin + length * direction
    aside = np.cross(direction, (0.0, 0.0, 1.0) if abs(direction[2]) < 0.9 else (1.0, 0.0, 0.0))
    aside /= np.linalg.norm(aside)
    other = np.cross(direction, aside)
    back = end - _HEAD * length * direction
    barbs = [back + 0.5 * _HEAD * length * side for side in (aside, -aside, other, -other)]
    lines = [Polyline(np.stack([begin, end]), PUSH, np.ones(1), 3.0)]
    lines += [Polyline(np.stack([barb, end]), PUSH, np.ones(1), 3.0) for barb in barbs]
    return [*lines, Marker(begin, PUSH, 1.0, 4.0)]
