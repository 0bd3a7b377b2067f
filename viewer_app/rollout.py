"""Where an action chunk would take a site of the robot: the chunk rolled forward through a scratch twin of the world.

This is the *physics* path: servo lag, contacts and clipping included. If the chunk is then executed untouched, the
gripper takes this very path.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import mujoco
import numpy as np

from viewer_app.actuation import actuation_of
from viewer_app.kinematics import along
from viewer_app.movable import pushed
from viewer_app.scene import Scene
from viewer_app.snapshots import STATE_SPEC, physics_of
from viewer_app.types import Float32Array, FloatArray, Force, frozen

_REMEMBERED = 8


Pushes = tuple[tuple[Force, ...], ...]
"""What pushes in each of some control steps."""


@dataclass(frozen=True)
class _Roll:
    """Actions and the states that they led through."""

    actions: Float32Array
    """Shape (H, n)."""
    pushes: Pushes
    """What pushed in each row, H of them."""
    states: FloatArray
    """Row 0 where the roll began, row i after i steps; only as many as are finite. Shape (<= H + 1, z)."""


class Rollout:
    """A scratch twin of a MuJoCo world. One per thread."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._data = mujoco.MjData(scene.model)
        self._probe = mujoco.MjData(scene.model)
        self._actuation = actuation_of(scene)
        self._rolls: deque[_Roll] = deque(maxlen=_REMEMBERED)

    def path(
        self, actions: Float32Array, snapshot: FloatArray, site: int | None = None, pushes: Pushes = ()
    ) -> FloatArray:
        """A site's way from a snapshot under the actions, one control step each.

        A world that goes where an earlier roll said, to the bit, is on that roll; the rest of it is then not computed
        again.

        Args:
            actions: Scene units. Shape (H, n).
            snapshot: Where the roll begins. Shape (z,).
            site: Number of the site in the model; None is the end effector.
            pushes: What pushes in each row; of the rows that it leaves out, nothing.

        Returns:
            Positions in the world frame, row 0 at the snapshot, row i after i steps. Shape (H + 1, 3). [m] If the
            simulation blows up on the way, or the world would refuse an action, the rows from there on are NaN.
        """
        start = physics_of(self._scene.model, snapshot)
        pushes = (*pushes, *((),) * (len(actions) - len(pushes)))
        states = self._known(actions, start, pushes)
        if states is None:
            roll = _Roll(frozen(actions), pushes, self._roll(actions, start, pushes))
            self._rolls.append(roll)
            states = roll.states
        points = np.full((len(actions) + 1, 3), np.nan)
        site = self._scene.site_id if site is None else site
        # mj_step leaves the data's own positions one substep behind, so they are computed from the states.
        points[: len(states)] = along(self._scene, self._probe, states, site)
        return points

    def _known(self, actions: Float32Array, start: FloatArray, pushes: Pushes) -> FloatArray | None:
        """The states of an earlier roll that passed through `start` with these very actions and pushes before it."""
        for roll in self._rolls:
            behind = len(roll.actions) - len(actions)
            if (
                0 <= behind < len(roll.states)
                and np.array_equal(roll.states[behind], start)
                and np.array_equal(roll.actions[behind:], actions)
                and roll.pushes[behind:] == pushes
            ):
                return roll.states[behind:]
        return None

    def _roll(self, actions: Float32Array, start: FloatArray, pushes: Pushes) -> FloatArray:
        model, data, scene = self._scene.model, self._data, self._scene
        mujoco.mj_resetData(model, data)
        mujoco.mj_setState(model, data, start, STATE_SPEC)
        states = np.empty((len(actions) + 1, len(start)))
        states[0] = start
        row = 0
        for row, control in enumerate(self._actuation.rolling(actions, data), start=1):
            data.ctrl[scene.ctrl_index] = control
            with pushed(model, data, pushes[row - 1]):
                mujoco.mj_step(model, data, scene.substeps)
            if not np.isfinite(data.qpos).all() or data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number:
                return states[:row]
            mujoco.mj_getState(model, data, states[row], STATE_SPEC)
        return states[: row + 1]
