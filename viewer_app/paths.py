"""Both ways from actions to the path of the end effector: kinematic and physical."""

from __future__ import annotations

from viewer_app.kinematics import Kinematics
from viewer_app.rollout import Rollout
from viewer_app.scene import Scene


class Paths:
    """Computes paths. Holds scratch data, so one per thread."""

    def __init__(self, scene: Scene) -> None:
        self.kinematics = Kinematics(scene)
        self.rollout = Rollout(scene)
