"""What the numbers and pictures of known environments are called.

The words are those of the packages' own code, found by the name of a class, so that no package is imported for them.
Numbers of unknown environments are called a0, a1, ... and s0, s1, ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

_XYZ = ("x", "y", "z")
_POSITION = ("dx", "dy", "dz", "gripper")
_PANDA = tuple(f"joint{number}" for number in range(1, 8))
_SO101 = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")


@dataclass(frozen=True)
class Source:
    """Where a picture that an environment observes comes from."""

    camera: str
    """Of the model."""
    turned: bool = False
    """Whether the environment turns it by 180 degrees."""
    free: tuple[float, ...] = ()
    """Where a camera is that is none of the model's, as in `scene_spec.CameraSpec`."""


@dataclass(frozen=True)
class _Words:
    """What the numbers of an environment are called, functions where that depends on how it was made."""

    action: Callable[[Any], tuple[str, ...]]
    state: Callable[[Any], tuple[str, ...]]
    pictures: Callable[[Any], Mapping[str, Source]] = lambda inner: MappingProxyType({})
    site: str = ""
    """The end effector's, where it is not the one that its name and place suggest."""


def action_names(inner: Any, n: int) -> tuple[str, ...]:
    """What each number of an action is called.

    Args:
        inner: The environment, without wrappers.
        n: How many there are.
    """
    words = _words_of(inner)
    names = words.action(inner) if words is not None else ()
    return names if len(names) == n else tuple(f"a{number}" for number in range(n))


def state_names(inner: Any, n: int) -> tuple[str, ...]:
    """What each number of proprioception is called; arguments as of `action_names`."""
    words = _words_of(inner)
    names = words.state(inner) if words is not None else ()
    return names if len(names) == n else tuple(f"s{number}" for number in range(n))


def environment_state_names(inner: Any, n: int) -> tuple[str, ...]:
    """What each number of the environment's own state is called; arguments as of `action_names`."""
    names = (*_each("block_", _XYZ), *_each("goal_", _XYZ))[:n]
    known = {kind.__name__ for kind in type(inner).__mro__} & {"FrankaGymEnv", "SO101GymEnv"}
    return names if known and len(names) == n else tuple(f"e{number}" for number in range(n))


def picture_source(inner: Any, name: str) -> Source:
    """Which camera of the model an observed picture is of: the one of its own name, where nothing else is known."""
    words = _words_of(inner)
    sources = words.pictures(inner) if words is not None else {}
    return sources.get(name, Source(name))


def end_effector_site(inner: Any) -> str:
    """The site that an environment takes for its end effector; empty where that is not known."""
    words = _words_of(inner)
    return words.site if words is not None else ""


def _words_of(inner: Any) -> _Words | None:
    return next((_WORDS[kind.__name__] for kind in type(inner).__mro__ if kind.__name__ in _WORDS), None)


def _each(prefix: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{prefix}{name}" for name in names)


def _meta_world_hand(inner: Any) -> tuple[str, ...]:
    """metaworld/sawyer_xyz_env.py, `_get_curr_obs_combined_no_goal`, the part of it that LeRobot gives a policy."""
    return (*_each("hand_", _XYZ), "gripper_opening")


def _meta_world(inner: Any) -> tuple[str, ...]:
    """metaworld/sawyer_xyz_env.py, `_get_obs`."""
    objects = [f"object{number}_{part}" for number in (1, 2) for part in (*_XYZ, "qx", "qy", "qz", "qw")]
    now = (*_meta_world_hand(inner), *objects)
    return (*now, *_each("previous_", now), *_each("goal_", _XYZ))


def _franka(inner: Any) -> tuple[str, ...]:
    """gym_hil/mujoco_gym_env.py, `get_robot_state`."""
    return (*_PANDA, *(f"{name}_velocity" for name in _PANDA), "gripper", *_each("tcp_", _XYZ))


def _so101(inner: Any) -> tuple[str, ...]:
    """lerobot_env_so101/mujoco_env.py, `get_robot_state`."""
    return (*_SO101, *(f"{name}_velocity" for name in _SO101), "gripper", *_each("tcp_", _XYZ))


def _fetch(inner: Any) -> tuple[str, ...]:
    """gymnasium_robotics/envs/fetch/fetch_env.py, `_get_obs`."""
    parts = ["grip_", "object_", "object_from_grip_"] if inner.has_object else ["grip_"]
    names = [name for part in parts for name in _each(part, _XYZ)] + ["finger_right", "finger_left"]
    if inner.has_object:
        names += [*_each("object_r", _XYZ), *_each("object_v", _XYZ), *_each("object_w", _XYZ)]
    return (*names, *_each("grip_v", _XYZ), "finger_right_v", "finger_left_v")


def _nexus_action(inner: Any) -> tuple[str, ...]:
    """so101_nexus/mujoco/base_env.py, `_action_to_ctrl`."""
    match str(inner.control_mode):
        case "pd_joint_pos":
            return (*_SO101, "gripper")
        case "pd_ee_pose":
            return (*_XYZ, "rx", "ry", "rz", "gripper")
        case "pd_ee_delta_pose":
            return (*_each("d", _XYZ), "drx", "dry", "drz", "dgripper")
        case _:
            return _each("d_", (*_SO101, "gripper"))


def _nexus_state(inner: Any) -> tuple[str, ...]:
    """so101_nexus/observations.py, `privileged_state_feature_names`."""
    if inner.config.obs_mode == "visual":
        return (*_SO101, "gripper")
    parts = [part for part in inner.config.observations or () if part.size > 0]
    return tuple(f"{part.name}_{number}" for part in parts for number in range(part.size))


def _lerobot_meta_world_pictures(inner: Any) -> Mapping[str, Source]:
    # Its picture has no name, and LeRobot's feature for it is `observation.image`.
    return {"image": Source(inner.camera_name, turned=inner.camera_name == "corner2")}


def _nexus_pictures(inner: Any) -> Mapping[str, Source]:
    sources = {"wrist_camera": Source("wrist_cam")}
    above = inner._overhead_obs_cam
    if above is not None:
        place = (*above.lookat, above.distance, above.azimuth, above.elevation)
        sources["overhead_camera"] = Source("", free=tuple(float(each) for each in place))
    return sources


_DELTA = (*_each("d", _XYZ), "drx", "dry", "drz", "gripper")
_WORDS: Mapping[str, _Words] = MappingProxyType(
    {
        "MetaworldEnv": _Words(lambda inner: _POSITION, _meta_world_hand, _lerobot_meta_world_pictures, "endEffector"),
        "SawyerXYZEnv": _Words(lambda inner: _POSITION, _meta_world, site="endEffector"),
        "FrankaGymEnv": _Words(lambda inner: _DELTA, _franka, lambda inner: {"wrist": Source("handcam_rgb")}, "pinch"),
        "SO101GymEnv": _Words(lambda inner: _POSITION, _so101),
        "BaseFetchEnv": _Words(lambda inner: _POSITION, _fetch),
        "MujocoFetchEnv": _Words(lambda inner: _POSITION, _fetch),
        "SO101NexusMuJoCoBaseEnv": _Words(_nexus_action, _nexus_state, _nexus_pictures),
    }
)
