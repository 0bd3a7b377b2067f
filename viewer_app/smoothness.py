"""How smooth a motion is, and how much of its roughness sits at the seams between action chunks.

Pure functions of actions. The measures are those of the ACT-smooth experiments (`scripts/eval/eval_offline_replay.py`
of lerobot-policy-act-smooth), so that figures can be compared: acceleration is the second difference of the joint
angles over control steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer_app.types import FloatArray

SEAM_WINDOW = 2
"""Control steps on either side of a chunk boundary that count as the seam."""


@dataclass(frozen=True)
class Smoothness:
    """Measures of one episode. NaN where there are too few steps to say."""

    uniformity: float
    """U_a: largest over the joints of the variance of the acceleration. [deg^2/step^4, or likewise in the unit of the
    actions]"""
    spike_ratio: float
    """Mean absolute acceleration at the seams over that elsewhere. 1 is seamless."""
    jerk: float
    """Mean length of the end effector's third difference. [mm/step^3]"""


@dataclass(frozen=True)
class Seam:
    """The jump where one chunk takes over from another."""

    step: int
    """First control step of the new chunk."""
    jump: FloatArray
    """New action minus the action that the old chunk had for the same step, each number in the unit in which it is
    shown. Shape (n,)."""
    distance: float
    """The same jump at the end effector, by forward kinematics, or by simulation where nothing else can tell. [mm] NaN
    where that cannot be simulated."""


def smoothness_of(angles: FloatArray, tips: FloatArray, seams: Sequence[int]) -> Smoothness:
    """Measures of a commanded motion.

    Args:
        angles: Commanded joint angles of each control step, or what else is commanded in one unit. Shape (steps, n).
            [deg]
        tips: End effector's positions. Shape (moments, 3). [m]
        seams: Control steps at which a new chunk began, the first chunk's excepted.
    """
    acceleration = acceleration_of(angles)
    uniformity = float(acceleration.var(axis=0, ddof=1).max()) if len(acceleration) > 1 else float("nan")
    return Smoothness(uniformity, _spike_ratio(acceleration, seams), _jerk(tips))


def acceleration_of(angles: FloatArray) -> FloatArray:
    """Second difference of each joint. Row i is about step i + 2, where the difference becomes known.

    Args:
        angles: Of each control step. Shape (steps, n). [deg]

    Returns:
        Shape (max(steps - 2, 0), n). [deg/step^2]
    """
    return np.diff(angles, n=2, axis=0)


def at_seams(rows: int, seams: Sequence[int]) -> NDArray[np.bool_]:
    """Which rows of `acceleration_of` lie within `SEAM_WINDOW` steps of a seam. Shape (rows,)."""
    found = np.zeros(rows, np.bool_)
    for seam in seams:
        found[max(seam - SEAM_WINDOW - 2, 0) : max(seam + SEAM_WINDOW - 1, 0)] = True
    return found


def _spike_ratio(acceleration: FloatArray, seams: Sequence[int]) -> float:
    size = np.abs(acceleration).mean(axis=1)
    at_seam = at_seams(len(size), seams)
    if not at_seam.any() or at_seam.all():
        return float("nan")
    here, elsewhere = float(size[at_seam].mean()), float(size[~at_seam].mean())
    if elsewhere == 0:
        return float("inf") if here > 0 else float("nan")
    return here / elsewhere


def _jerk(tips: FloatArray) -> float:
    if len(tips) < 4:
        return float("nan")
    return float(np.linalg.norm(1000 * np.diff(tips, n=3, axis=0), axis=1).mean())
