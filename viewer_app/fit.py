"""Whether a policy and a scene can work together, told before anything runs."""

from __future__ import annotations

from viewer_app.scene import Scene
from viewer_app.types import PolicyInfo, WhiskersError


def check_fit(info: PolicyInfo, scene: Scene) -> None:
    """Compare what a policy reads and commands with what a scene offers.

    Raises:
        WhiskersError: If a camera, a picture size, the state or the action does not match; says what the scene has.
    """
    has = ", ".join(f"{name} ({size.width}x{size.height})" for name, size in scene.spec.cameras.items()) or "none"
    for name, (height, width) in info.cameras.items():
        size = scene.spec.cameras.get(name)
        if size is None:
            raise WhiskersError(
                f"Policy {info.name} reads camera {name!r}; scene {scene.name} has {has}: add it to "
                f"{scene.path.name}, or open the scene that the policy was trained in."
            )
        if (size.height, size.width) != (height, width):
            raise WhiskersError(
                f"Policy {info.name} was trained on {width}x{height} pictures of camera {name!r}; scene {scene.name} "
                f"has {has}: set the size in {scene.path.name}."
            )
    for noun, count in (("state", info.n_state), ("action", info.n_action)):
        if count not in (0, scene.n_action) or (noun == "action" and count == 0):
            raise WhiskersError(
                f"Policy {info.name} has {count} {noun} dimensions; scene {scene.name} has {scene.n_action} joints "
                f"({', '.join(scene.joint_names)}): open the scene of the robot that it was trained on."
            )
