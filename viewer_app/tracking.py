"""How well the robot does what it is told: measured against commanded joint positions, or poses.

Pure functions of two columns of a trace.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from viewer_app.types import FloatArray


@dataclass(frozen=True)
class Tracking:
    """How one joint followed its commands."""

    rms: float
    """Root mean square of measured minus commanded, one step after the command. [units of the columns]"""
    largest: float
    """Largest absolute difference. [units of the columns]"""
    lag: int
    """Control steps by which the measured motion comes after the commanded one, -1 where the joint does not move
    enough to say."""


MAX_LAG = 15
"""Longest lag looked for. [control steps]"""


def tracking_of(commanded: FloatArray, measured: FloatArray) -> Tracking:
    """How one joint followed its commands.

    Args:
        commanded: The action of each control step. Shape (steps,).
        measured: The joint position before each step and after the last. Shape (steps + 1,).
    """
    if len(commanded) == 0:
        return Tracking(float("nan"), float("nan"), -1)
    error = measured[1:] - commanded
    return Tracking(float(np.sqrt(np.mean(error**2))), float(np.abs(error).max()), lag_of(commanded, measured))


def lag_of(commanded: FloatArray, measured: FloatArray) -> int:
    """The lag at which the velocities correlate best, by normalised cross-correlation over 0 .. `MAX_LAG` steps.

    Velocities rather than positions are compared, because two slow positions correlate at any lag.

    Args:
        commanded: Shape (steps,).
        measured: Shape (steps + 1,). Row k + 1 is measured after command k; a robot without lag has
            measured[k + 1] == commanded[k], which is lag 0.
    """
    want, have = np.diff(commanded), np.diff(measured[1:])
    if len(want) < 2 * MAX_LAG or want.std() < 1e-9 or have.std() < 1e-9:
        return -1
    scores = []
    for lag in range(MAX_LAG + 1):
        a, b = want[: len(want) - lag], have[lag:]
        spread = a.std() * b.std()
        scores.append(float(np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread > 0 else -1.0)
    return int(np.argmax(scores))
