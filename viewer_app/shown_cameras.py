"""Which of a scene's cameras a policy is shown where no window can ask: what was said, or else what was remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recordings.camera_memory import CameraMemory
from viewer_app.camera_map import MappedPolicy, described, parse_mapping
from viewer_app.camera_names import CameraMapping
from viewer_app.fit import CamerasDifferError, check_fit
from viewer_app.scene import Scene
from viewer_app.types import Policy, WhiskersError


def fitted(policy: Policy, scene: Scene, cameras: Sequence[str], tell: Callable[[str], None]) -> Policy:
    """The policy, with the scene's cameras for its own where they are not the same.

    Args:
        policy: As it was loaded.
        scene: What it is to run in.
        cameras: What the person said, each `CHECKPOINT_CAMERA=SCENE_CAMERA`. Nothing: what was remembered holds.
        tell: Told in one sentence what the policy is shown, where that is not simply its own cameras.

    Raises:
        WhiskersError: If it does not fit the scene, and nothing is known that mends it.
    """
    mapping: CameraMapping | None = None
    if cameras:
        mapping = parse_mapping(cameras, policy.info, scene)
    else:
        try:
            check_fit(policy.info, scene)
        except CamerasDifferError:
            mapping = CameraMemory(tell).recall(policy.info.digest, scene.name)
            if mapping is None:
                raise
    if mapping is None:
        return policy
    mapped = MappedPolicy(policy, mapping, scene)
    check_fit(mapped.info, scene)
    tell(described(policy.info, mapping, scene))
    return mapped


def fitted_lanes(
    policies: Sequence[Policy], scene: Scene, cameras: Sequence[str], tell: Callable[[str], None]
) -> list[Policy]:
    """The same for several policies: each is told what concerns the cameras that it reads.

    Raises:
        WhiskersError: If one does not fit the scene, or none reads a camera that was named.
    """
    read = dict.fromkeys(name for policy in policies for name in policy.info.cameras)
    for text in cameras:
        if text.partition("=")[0] not in read:
            raise WhiskersError(
                f"--camera takes CHECKPOINT_CAMERA=SCENE_CAMERA, and no lane reads a camera of that name; they read "
                f"{', '.join(read) or 'none'}; found {text!r}."
            )
    found: dict[int, Policy] = {}
    for policy in policies:
        if id(policy) not in found:
            own = [text for text in cameras if text.partition("=")[0] in policy.info.cameras]
            found[id(policy)] = fitted(policy, scene, own, tell)
    return [found[id(policy)] for policy in policies]
