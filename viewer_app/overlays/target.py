"""Where the action of the step asks the end effector to be, and where its joints could bring it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from viewer_app.overlays.colours import AXES, TARGET
from viewer_app.overlays.primitives import Legend, Marker, Polyline, Primitive
from viewer_app.overlays.sight import Sight

_AXIS = 0.02
"""Length of an axis. [m]"""


def target(sight: Sight) -> Sequence[Primitive]:
    """The pose that this step's action asks for, joined to where the joint targets that it becomes put the hand.

    Nothing where actions are no poses of the end effector.
    """
    trace, step = sight.trace, sight.step
    plan = trace.plan(step)
    found = sight.paths.reach.at(plan[0], trace.snapshot(step)) if plan is not None else None
    if found is None:
        return ()
    axes = () if found.axes is None else found.axes.T
    off = f"{found.position_error:.1f} mm" + (f" and {found.orientation_error:.1f} deg" if len(axes) else "")
    words = f"target of this step: missed by {off}" if found.failed else f"target of this step: reached within {off}"
    return (
        *(
            Polyline(np.stack([found.wanted, found.wanted + _AXIS * axis]), colour, np.full(1, 0.9), 2.0)
            for axis, colour in zip(axes, AXES, strict=False)
        ),
        Polyline(np.stack([found.wanted, found.tip]), TARGET, np.full(1, 0.95), 2.0),
        Marker(found.tip, TARGET, 0.7, 3.0),
        Marker(found.wanted, TARGET, 1.0, 5.0),
        Legend(TARGET, words, note=True),
    )
