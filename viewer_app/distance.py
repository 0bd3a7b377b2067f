"""How far the gripper is from the task's object, read off a snapshot."""

from __future__ import annotations

import mujoco
import numpy as np

from viewer_app.scene import Scene
from viewer_app.snapshots import STATE_SPEC, physics_of
from viewer_app.types import FloatArray, WhiskersError


class Distance:
    """Measures snapshots, with its own scratch data. One per thread."""

    def __init__(self, scene: Scene) -> None:
        """
        Raises:
            WhiskersError: If the scene's task has no object.
        """
        name = scene.spec.task.object
        self._body = mujoco.mj_name2id(scene.model, mujoco.mjtObj.mjOBJ_BODY, name) if name else -1
        if self._body < 0:
            raise WhiskersError(
                f"Scene {scene.name} has no task object to measure a distance to; name one in its [task] table."
            )
        self._scene = scene
        self._data = mujoco.MjData(scene.model)

    def at(self, snapshot: FloatArray) -> float:
        """Distance of the end-effector site from the centre of the task's object. [m]

        Args:
            snapshot: Shape (z,).
        """
        model, data = self._scene.model, self._data
        mujoco.mj_setState(model, data, physics_of(model, snapshot), STATE_SPEC)
        mujoco.mj_kinematics(model, data)
        return float(np.linalg.norm(data.site_xpos[self._scene.site_id] - data.xpos[self._body]))
