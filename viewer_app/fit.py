"""Whether a policy and a scene can work together, told before anything runs."""

from __future__ import annotations

from viewer_app.camera_map import options_of
from viewer_app.camera_names import suggest
from viewer_app.channels import listed
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
    trained = "environment" if scene.spec.environment and not scene.commands_joints else "robot"
    for noun, count, names in (
        ("state", info.n_state, scene.state_names),
        ("action", info.n_action, scene.action_names),
    ):
        if count not in (0, len(names)) or (noun == "action" and count == 0):
            what = "joints" if scene.commands_joints else f"numbers of {noun}"
            raise WhiskersError(
                f"Policy {info.name} has {count} {noun} dimensions; scene {scene.name} has {len(names)} {what} "
                f"({listed(names)}): open the scene of the {trained} that it was trained on."
            )
    around = len(scene.spec.state.environment)
    if info.n_environment_state not in (0, around):
        raise WhiskersError(
            f"Policy {info.name} reads {info.n_environment_state} numbers of environment state, and scene {scene.name} "
            f"gives {around or 'none'}: open an environment that observes them, or a policy that was trained without."
        )
    there = {name: (size.height, size.width) for name, size in scene.spec.cameras.items()}
    differing = {name: size for name, size in info.cameras.items() if there.get(name) != size}
    if differing:
        has = ", ".join(f"{name} ({width}x{height})" for name, (height, width) in there.items()) or "no camera"
        reads = " and ".join(f"{name!r} ({width}x{height})" for name, (height, width) in differing.items())
        options = options_of(suggest(info.cameras, there).mapping)
        otherwise = "" if scene.name.startswith("gym:") else f", or change {scene.path.name}"
        raise CamerasDifferError(
            f"Policy {info.name} reads camera {reads}; scene {scene.name} has {has}: say which is shown as which, in "
            f"the window or with {options} (none shows it nothing){otherwise}.",
            info,
            scene,
        )
