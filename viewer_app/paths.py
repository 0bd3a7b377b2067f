"""Both ways from actions to the path of a site: kinematic and physical."""

from __future__ import annotations

import mujoco

from viewer_app.kinematics import Kinematics
from viewer_app.rollout import Rollout
from viewer_app.scene import Scene


class Paths:
    """Computes paths. Holds scratch data, so one per thread."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.kinematics = Kinematics(scene)
        self.rollout = Rollout(scene)

    def has_site(self, name: str) -> bool:
        """Whether the model has a site of this name; the empty name is the end effector's."""
        return not name or mujoco.mj_name2id(self.scene.model, mujoco.mjtObj.mjOBJ_SITE, name) >= 0

    def site_of(self, name: str) -> int:
        """Number of a site, of the end effector for an empty or an unknown name: the model may have changed."""
        return int(self.scene.model.site(name).id) if name and self.has_site(name) else self.scene.site_id
