"""Positions of a scene's objects and joints: checked, put into MuJoCo's data, and read off a state."""

from __future__ import annotations

from types import MappingProxyType

import mujoco
import numpy as np

from viewer_app.movable import check_movable, movable_bodies, pose_in, put
from viewer_app.scene import Scene
from viewer_app.types import FloatArray, Positions, WhiskersError

_SLACK = 0.05
"""How far outside its range a joint may be put, as a share of it: limits are soft, and joints overstep them."""


def check_placing(scene: Scene, positions: Positions) -> None:
    """
    Raises:
        WhiskersError: If something is not there, or cannot be put where it is to be.
    """
    check_movable(scene.model, positions.objects, mocap=not scene.spec.environment)
    if scene.spec.environment and (positions.joints or positions.others):
        raise WhiskersError(
            f"{scene.name} puts its robot itself, so that its joints cannot be put; only objects can: "
            f"{', '.join(objects_of(scene)) or 'none'}."
        )
    for name in positions.joints:
        if name not in scene.joint_names:
            raise WhiskersError(f"There is no joint {name!r} of the robot; there are {', '.join(scene.joint_names)}.")
    others = other_joints(scene)
    for name in positions.others:
        if name not in others:
            valid = ", ".join(others) or "none"
            raise WhiskersError(f"There is no joint {name!r} besides the robot's that could be put; there are {valid}.")
    for name, at in (_angles(scene, positions) | dict(positions.others)).items():
        joint = scene.model.joint(name)
        low, high = (float(each) for each in joint.range)
        room = _SLACK * (high - low)
        limited = bool(scene.model.jnt_limited[joint.id])
        if not np.isfinite(at) or (limited and not low - room <= at <= high + room):
            said = positions.joints.get(name, positions.others.get(name, 0.0))
            raise WhiskersError(f"Joint {name!r} cannot be put at {said:g}, which is outside its range.")


def place_objects(model: mujoco.MjModel, data: mujoco.MjData, positions: Positions) -> None:
    """Put the objects, at rest."""
    for body, pose in positions.objects.items():
        put(model, data, body, pose)


def place_joints(scene: Scene, data: mujoco.MjData, positions: Positions) -> None:
    """Put the joints, at rest, and tell the robot's actuators to hold them there."""
    angles = _angles(scene, positions)
    for name, at in (angles | dict(positions.others)).items():
        joint = scene.model.joint(name)
        data.qpos[int(joint.qposadr[0])] = at
        data.qvel[int(joint.dofadr[0])] = 0.0
    for i, name in enumerate(scene.joint_names):
        if name in angles:
            data.ctrl[scene.ctrl_index[i]] = angles[name]


def positions_of(scene: Scene, state: FloatArray, name: str = "") -> Positions:
    """Where everything that a person can put somewhere is.

    Args:
        scene: Of the state.
        state: MuJoCo's integration state, without the task's progress. Shape (z,).
        name: What to call the positions.
    """
    model = scene.model
    qpos = _part(model, state, mujoco.mjtState.mjSTATE_QPOS)
    mocap = np.concatenate(
        [
            _part(model, state, mujoco.mjtState.mjSTATE_MOCAP_POS).reshape(-1, 3),
            _part(model, state, mujoco.mjtState.mjSTATE_MOCAP_QUAT).reshape(-1, 4),
        ],
        axis=1,
    )
    objects = {body: pose_in(model, qpos, mocap, body) for body in objects_of(scene)}
    if scene.spec.environment:
        return Positions(MappingProxyType(objects), name=name)
    values = scene.to_values(qpos[scene.qpos_index])
    joints = {joint: float(value) for joint, value in zip(scene.joint_names, values, strict=True)}
    others = {joint: float(qpos[int(model.joint(joint).qposadr[0])]) for joint in other_joints(scene)}
    return Positions(MappingProxyType(objects), MappingProxyType(joints), MappingProxyType(others), name)


def objects_of(scene: Scene) -> tuple[str, ...]:
    """The bodies of a scene that a person can put anywhere. An environment steers its robot with mocap bodies."""
    return movable_bodies(scene.model, mocap=not scene.spec.environment)


def other_joints(scene: Scene) -> tuple[str, ...]:
    """The named hinges and slides of a scene that are not the robot's, such as a drawer's."""
    model = scene.model
    kinds = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))
    names = (str(model.joint(number).name) for number in range(model.njnt) if int(model.jnt_type[number]) in kinds)
    return tuple(name for name in names if name and name not in scene.joint_names)


def _angles(scene: Scene, positions: Positions) -> dict[str, float]:
    """Joint to its position. [rad or m]"""
    values = np.array([positions.joints.get(name, 0.0) for name in scene.joint_names], np.float64)
    angles = zip(scene.joint_names, scene.to_positions(values), strict=True) if len(values) else ()
    return {name: float(angle) for name, angle in angles if name in positions.joints}


def _part(model: mujoco.MjModel, state: FloatArray, kind: mujoco.mjtState) -> FloatArray:
    """One component of an integration state, which holds the components in the order of their bits."""
    before = int(mujoco.mjtState.mjSTATE_INTEGRATION) & (int(kind) - 1)
    begin = mujoco.mj_stateSize(model, before)
    return state[begin : begin + mujoco.mj_stateSize(model, int(kind))]


def placing_words(positions: Positions) -> str:
    """What was put where, in one line."""
    words = [f"{body} at {_point(pose.position)} m" for body, pose in positions.objects.items()]
    words += [f"{joint} at {value:.4g}" for joint, value in (*positions.joints.items(), *positions.others.items())]
    if positions.name:
        return f"start positions {positions.name}: {len(words)} things put"
    return ", ".join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")


def push_words(force: tuple[float, float, float], torque: tuple[float, float, float]) -> str:
    """A push in numbers."""
    words = f"{_point(force, 2)} N"
    return words + (f" and {_point(torque, 3)} N m" if any(torque) else "")


def _point(numbers: tuple[float, float, float], digits: int = 3) -> str:
    return f"({', '.join(f'{number:.{digits}f}' for number in numbers)})"
