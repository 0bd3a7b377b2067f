"""The bodies of a MuJoCo model that a person can put somewhere, or push. Knows no scene, no trace and no window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import mujoco
import numpy as np

from viewer_app.types import FloatArray, Force, Pose, WhiskersError


def body_name(model: mujoco.MjModel, number: int) -> str:
    """What a body is called here: its name, or `#N` for body number N, which has none."""
    return str(model.body(number).name) or f"#{number}"


def body_number(model: mujoco.MjModel, name: str) -> int:
    """Number of a body, negative where there is none of that name."""
    number = name.removeprefix("#")
    if name != number and number.isdecimal() and int(number) < model.nbody:
        return int(number)
    return int(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name))


def free_joint(model: mujoco.MjModel, body: str) -> int | None:
    """Number of the free joint of a body, None where it has none."""
    number = body_number(model, body)
    first = int(model.body_jntadr[number]) if number >= 0 else -1
    return first if first >= 0 and model.jnt_type[first] == mujoco.mjtJoint.mjJNT_FREE else None


def movable_bodies(model: mujoco.MjModel, mocap: bool = True) -> tuple[str, ...]:
    """The bodies that can be put anywhere: those with a free joint, and mocap bodies.

    Args:
        model: Whose.
        mocap: Whether to count mocap bodies. Environments steer their robots with these.
    """
    names = (body_name(model, number) for number in range(1, model.nbody))
    return tuple(name for name in names if free_joint(model, name) is not None or (mocap and _mocap(model, name) >= 0))


def pushable_bodies(model: mujoco.MjModel) -> tuple[str, ...]:
    """The bodies that a force can move: those that a joint lets move, and that weigh something."""
    movable = (number for number in range(1, model.nbody) if int(model.body_weldid[number]) and model.body_mass[number])
    return tuple(body_name(model, number) for number in movable if _mocap(model, body_name(model, number)) < 0)


def movable_above(model: mujoco.MjModel, number: int) -> int | None:
    """The body that moves along when body `number` is moved as a whole: itself, or the one with the free joint that
    carries it; None where it hangs on the world."""
    while number:
        name = body_name(model, number)
        if free_joint(model, name) is not None or _mocap(model, name) >= 0:
            return number
        number = int(model.body_parentid[number])
    return None


def pose_in(model: mujoco.MjModel, qpos: FloatArray, mocap: FloatArray, body: str) -> Pose:
    """Where a movable body is.

    Args:
        model: Of the numbers.
        qpos: Shape (nq,).
        mocap: Position and quaternion of each mocap body. Shape (nmocap, 7).
        body: One of `movable_bodies`.
    """
    joint = free_joint(model, body)
    if joint is None:
        numbers = mocap[_mocap(model, body)]
    else:
        at = int(model.jnt_qposadr[joint])
        numbers = qpos[at : at + 7]
    x, y, z, qw, qx, qy, qz = (float(each) for each in numbers)
    return Pose((x, y, z), (qw, qx, qy, qz))


def check_movable(model: mujoco.MjModel, objects: Mapping[str, Pose], mocap: bool = True) -> None:
    """
    Args:
        model: Whose bodies they are.
        objects: Where they are to be put.
        mocap: As in `movable_bodies`.

    Raises:
        WhiskersError: If one of them cannot be put anywhere, or is to be put where nothing can be.
    """
    valid = movable_bodies(model, mocap)
    for name, pose in objects.items():
        if name not in valid:
            raise WhiskersError(
                f"Body {name!r} must have a free joint to be moved; those that can be: {', '.join(valid) or 'none'}."
            )
        numbers = np.array((*pose.position, *pose.quaternion))
        if not np.isfinite(numbers).all() or not np.linalg.norm(pose.quaternion) > 1e-6:
            raise WhiskersError(f"Body {name!r} cannot be put at {pose.position} m, turned by {pose.quaternion}.")


def put(model: mujoco.MjModel, data: mujoco.MjData, body: str, pose: Pose) -> None:
    """Put a movable body somewhere, at rest."""
    turn = np.array(pose.quaternion)
    length = float(np.linalg.norm(turn))
    if abs(length - 1.0) > 1e-9:  # What is a unit already stays as it is, to the bit.
        turn = turn / length
    joint = free_joint(model, body)
    if joint is None:
        data.mocap_pos[_mocap(model, body)] = pose.position
        data.mocap_quat[_mocap(model, body)] = turn
        return
    at, dof = int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint])
    data.qpos[at : at + 3] = pose.position
    data.qpos[at + 3 : at + 7] = turn
    data.qvel[dof : dof + 6] = 0.0


def check_pushable(model: mujoco.MjModel, body: str) -> None:
    """
    Raises:
        WhiskersError: If no force can move the body.
    """
    valid = pushable_bodies(model)
    if body not in valid:
        raise WhiskersError(f"Body {body!r} cannot be pushed; those that can: {', '.join(valid) or 'none'}.")


@contextmanager
def pushed(model: mujoco.MjModel, data: mujoco.MjData, forces: Sequence[Force]) -> Iterator[None]:
    """Have forces act on the bodies of `data` while the block steps it, and leave no trace of them afterwards.

    A state never holds a push, so that whoever restores one decides how long it acts.
    """
    numbers = [body_number(model, force.body) for force in forces]
    before = data.xfrc_applied[numbers].copy()
    for number, force in zip(numbers, forces, strict=True):
        data.xfrc_applied[number] += (*force.force, *force.torque)
    try:
        yield
    finally:
        data.xfrc_applied[numbers] = before


def box_of(model: mujoco.MjModel, body: int) -> tuple[FloatArray, FloatArray]:
    """A box around a body and all that hangs on it by no joint, in the body's frame.

    Returns:
        Its centre and its half widths. Shapes (3,). [m]
    """
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for geom in range(model.ngeom):
        if int(model.body_weldid[model.geom_bodyid[geom]]) != int(model.body_weldid[body]):
            continue
        corners = _geom_corners(model, geom)
        at = int(model.geom_bodyid[geom])
        while at != body and at:
            corners = corners @ _matrix(model.body_quat[at]).T + model.body_pos[at]
            at = int(model.body_parentid[at])
        if at == body:
            low, high = np.minimum(low, corners.min(axis=0)), np.maximum(high, corners.max(axis=0))
    if not np.isfinite(low).all():
        return np.zeros(3), np.full(3, 0.01)
    return (low + high) / 2, (high - low) / 2


def _geom_corners(model: mujoco.MjModel, geom: int) -> FloatArray:
    """The corners of a geom's own box in its body's frame. Shape (8, 3). [m]"""
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
    corners = model.geom_aabb[geom, :3] + signs * model.geom_aabb[geom, 3:]
    return np.asarray(corners @ _matrix(model.geom_quat[geom]).T + model.geom_pos[geom])


def _matrix(quaternion: FloatArray) -> FloatArray:
    found = np.empty(9)
    mujoco.mju_quat2Mat(found, np.asarray(quaternion, np.float64))
    return found.reshape(3, 3)


def _mocap(model: mujoco.MjModel, body: str) -> int:
    """Number of a mocap body among those, negative where it is none."""
    number = body_number(model, body)
    return int(model.body_mocapid[number]) if number >= 0 else -1
