"""Where an action chunk would take a site of the robot: the chunk rolled forward through a scratch twin of the world.

This is the *physics* path: servo lag, contacts and clipping included. If the chunk is then executed untouched, the
gripper takes this very path.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import mujoco
import numpy as np

from viewer_app.kinematics import along
from viewer_app.scene import Scene
from viewer_app.task import PROGRESS_SIZE
from viewer_app.types import Float32Array, FloatArray, frozen
from viewer_app.world import STATE_SPEC

_REMEMBERED = 8


@dataclass(frozen=True)
class _Roll:
    """Actions and the states that they led through."""

    actions: Float32Array
    """Shape (H, n)."""
    states: FloatArray
    """Row 0 where the roll began, row i after i steps; only as many as are finite. Shape (<= H + 1, z)."""


class Rollout:
    """A scratch twin of a MuJoCo world. One per thread."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._data = mujoco.MjData(scene.model)
        self._probe = mujoco.MjData(scene.model)
        self._rolls: deque[_Roll] = deque(maxlen=_REMEMBERED)

    def path(self, actions: Float32Array, snapshot: FloatArray, site: int | None = None) -> FloatArray:
        """A site's way from a snapshot under the actions, one control step each.

        A world that goes where an earlier roll said, to the bit, is on that roll; the rest of it is then not computed
        again.

        Args:
            actions: Scene units. Shape (H, n).
            snapshot: Where the roll begins. Shape (z,).
            site: Number of the site in the model; None is the end effector.

        Returns:
            Positions in the world frame, row 0 at the snapshot, row i after i steps. Shape (H + 1, 3). [m] If the
            simulation blows up on the way, the rows from there on are NaN.
        """
        start = snapshot[PROGRESS_SIZE:]
        states = self._known(actions, start)
        if states is None:
            roll = _Roll(frozen(actions), self._roll(actions, start))
            self._rolls.append(roll)
            states = roll.states
        points = np.full((len(actions) + 1, 3), np.nan)
        site = self._scene.site_id if site is None else site
        # mj_step leaves the data's own positions one substep behind, so they are computed from the states.
        points[: len(states)] = along(self._scene, self._probe, states, site)
        return points

    def _known(self, actions: Float32Array, start: FloatArray) -> FloatArray | None:
        """The states of an earlier roll that passed through `start` with these very actions before it."""
        for roll in self._rolls:
            behind = len(roll.actions) - len(actions)
            if (
                0 <= behind < len(roll.states)
                and np.array_equal(roll.states[behind], start)
                and np.array_equal(roll.actions[behind:], actions)
            ):
                return roll.states[behind:]
        return None

    def _roll(self, actions: Float32Array, start: FloatArray) -> FloatArray:
        model, data, scene = self._scene.model, self._data, self._scene
        mujoco.mj_resetData(model, data)
        mujoco.mj_setState(model, data, start, STATE_SPEC)
        states = np.empty((len(actions) + 1, len(start)))
        states[0] = start
        for row, control in enumerate(scene.to_control(actions), start=1):
            data.ctrl[scene.ctrl_index] = control
            mujoco.mj_step(model, data, scene.substeps)
            if not np.isfinite(data.qpos).all() or data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number:
                return states[:row]
            mujoco.mj_getState(model, data, states[row], STATE_SPEC)
        return states
