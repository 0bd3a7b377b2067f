"""Where commanded joints would put the end effector: forward kinematics of whole action chunks.

This is the *kinematic* path: no servo lag, no contacts, only the actuators' limits.
"""

from __future__ import annotations

from collections import OrderedDict

import mujoco
import numpy as np

from viewer_app.scene import Scene
from viewer_app.task import PROGRESS_SIZE
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Float32Array, FloatArray, frozen
from viewer_app.world import STATE_SPEC

_REMEMBERED = 4096


class Kinematics:
    """Forward kinematics with its own scratch data. One per thread."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._data = mujoco.MjData(scene.model)
        self._paths: OrderedDict[int, tuple[ActionChunk, FloatArray]] = OrderedDict()

    def path(self, actions: Float32Array, snapshot: FloatArray) -> FloatArray:
        """The end effector's position for each row of joint targets, clipped as the actuators clip them.

        Args:
            actions: Scene units. Shape (H, n).
            snapshot: Says where everything else is. Shape (z,).

        Returns:
            Positions in the world frame. Shape (H, 3). [m]
        """
        model, data = self._scene.model, self._data
        mujoco.mj_setState(model, data, snapshot[PROGRESS_SIZE:], STATE_SPEC)
        positions = np.repeat(data.qpos[None], len(actions), axis=0)  # (H, nq)
        positions[:, self._scene.qpos_index] = self._scene.to_control(actions)
        tips = np.empty((len(actions), 3))
        # Views of MuJoCo's memory, taken once: a look-up costs as much as the kinematics themselves.
        qpos, tip = data.qpos, data.site_xpos[self._scene.site_id]
        for row, position in enumerate(positions):
            qpos[:] = position
            mujoco.mj_kinematics(model, data)
            tips[row] = tip
        return tips

    def path_of(self, chunk: ActionChunk, trace: Trace) -> FloatArray:
        """`path` of a chunk from the step it was asked at, remembered. Shape (H, 3). [m]"""
        key = id(chunk)
        if key in self._paths:
            self._paths.move_to_end(key)
            return self._paths[key][1]
        tips = frozen(self.path(chunk.actions, trace.snapshot(max(chunk.start, 0))))
        # The chunk is kept beside its path, so that its id cannot be given to another one.
        self._paths[key] = (chunk, tips)
        if len(self._paths) > _REMEMBERED:
            self._paths.popitem(last=False)
        return tips
