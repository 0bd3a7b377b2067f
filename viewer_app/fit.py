"""Whether a policy and a scene can work together, told before anything runs."""

from __future__ import annotations

from viewer_app.camera_map import options_of
from viewer_app.camera_names import suggest
from viewer_app.scene import Scene
from viewer_app.types import PolicyInfo, WhiskersError


class CamerasDifferError(WhiskersError):
    """All but the cameras fits: a `camera_map.MappedPolicy` would work."""

    def __init__(self, sentence: str, info: PolicyInfo, scene: Scene) -> None:
        super().__init__(sentence)
        self.info = info
        self.scene = scene


def check_fit(info: PolicyInfo, scene: Scene) -> None:
    """Compare what a policy reads and commands with what a scene offers.

    Raises:
        CamerasDifferError: If only names or sizes of cameras differ, which a mapping mends.
        WhiskersError: If the state or the action does not match; says what the scene has.
    """
    for noun, count in (("state", info.n_state), ("action", info.n_action)):
        if count not in (0, scene.n_action) or (noun == "action" and count == 0):
            raise WhiskersError(
                f"Policy {info.name} has {count} {noun} dimensions; scene {scene.name} has {scene.n_action} joints "
                f"({', '.join(scene.joint_names)}): open the scene of the robot that it was trained on."
            )
    there = {name: (size.height, size.width) for name, size in scene.spec.cameras.items()}
    differing = {name: size for name, size in info.cameras.items() if there.get(name) != size}
    if differing:
        has = ", ".join(f"{name} ({width}x{height})" for name, (height, width) in there.items()) or "no camera"
        reads = " and ".join(f"{name!r} ({width}x{height})" for name, (height, width) in differing.items())
        options = options_of(suggest(info.cameras, there).mapping)
        raise CamerasDifferError(
            f"Policy {info.name} reads camera {reads}; scene {scene.name} has {has}: say which is shown as which, in "
            f"the window or with {options} (none shows it nothing), or change {scene.path.name}.",
            info,
            scene,
        )
