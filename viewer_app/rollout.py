"""Where an action chunk would take the end effector: the chunk rolled forward through a scratch twin of the world.

This is the *physics* path: servo lag, contacts and clipping included. If the chunk is then executed untouched, the
gripper takes this very path.
"""

from __future__ import annotations

import mujoco
import numpy as np

from viewer_app.scene import Scene
from viewer_app.task import PROGRESS_SIZE
from viewer_app.types import Float32Array, FloatArray
from viewer_app.world import STATE_SPEC


class Rollout:
    """A scratch twin of a MuJoCo world. One per thread."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._data = mujoco.MjData(scene.model)
        self._probe = mujoco.MjData(scene.model)

    def path(self, actions: Float32Array, snapshot: FloatArray) -> FloatArray:
        """The end effector's way from a snapshot under the actions, one control step each.

        Args:
            actions: Scene units. Shape (H, n).
            snapshot: Where the roll begins. Shape (z,).

        Returns:
            Positions in the world frame, row 0 at the snapshot, row i after i steps. Shape (H + 1, 3). [m] If the
            simulation blows up on the way, the rows from there on are NaN.
        """
        model, data, scene = self._scene.model, self._data, self._scene
        mujoco.mj_resetData(model, data)
        mujoco.mj_setState(model, data, snapshot[PROGRESS_SIZE:], STATE_SPEC)
        tips = np.full((len(actions) + 1, 3), np.nan)
        tips[0] = self._tip()
        for row, control in enumerate(scene.to_control(actions), start=1):
            data.ctrl[scene.ctrl_index] = control
            mujoco.mj_step(model, data, scene.substeps)
            if not np.isfinite(data.qpos).all() or data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number:
                break
            tips[row] = self._tip()
        return tips

    def _tip(self) -> FloatArray:
        """Where the end effector is now; mj_step leaves the data's own positions one substep behind."""
        probe = self._probe
        probe.qpos[:] = self._data.qpos
        probe.mocap_pos[:] = self._data.mocap_pos
        probe.mocap_quat[:] = self._data.mocap_quat
        mujoco.mj_kinematics(self._scene.model, probe)
        return np.asarray(probe.site_xpos[self._scene.site_id], np.float64).copy()
