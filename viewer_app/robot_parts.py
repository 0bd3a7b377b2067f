"""What in a MuJoCo model is likely to be the robot's: its position servos and its end effector."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import mujoco

_SURE = re.compile(r"tcp|eef|end_?effector|pinch|ee_|attachment|grasp|gripper_?(frame|site)", re.IGNORECASE)
_LIKELY = re.compile(r"grip|tip|cali", re.IGNORECASE)
_UNLIKELY = re.compile(r"target|goal|cam|mocap|midair|object", re.IGNORECASE)
_DRIVABLE = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))
_FOLLOWING = (
    int(mujoco.mjtDyn.mjDYN_NONE),
    int(mujoco.mjtDyn.mjDYN_FILTER),
    int(mujoco.mjtDyn.mjDYN_FILTEREXACT),
)
"""Actuator dynamics that end where the control is. An integrator's control is a velocity."""


def is_servo(model: mujoco.MjModel, actuator: int) -> bool:
    """Whether an actuator's control is the position of a hinge or a slide that it holds."""
    return why_no_servo(model, actuator) == ""


def why_no_servo(model: mujoco.MjModel, actuator: int) -> str:
    """What an actuator's control is instead of the position of a hinge or a slide that it holds; empty where it is."""
    if model.actuator_trntype[actuator] != mujoco.mjtTrn.mjTRN_JOINT:
        kind = mujoco.mjtTrn(int(model.actuator_trntype[actuator])).name.removeprefix("mjTRN_").lower()
        return f"it acts on a {kind.replace('jointinparent', 'joint in its parent frame')}, not on a joint"
    joint = int(model.actuator_trnid[actuator, 0])
    if int(model.jnt_type[joint]) not in _DRIVABLE:
        return "it acts on a ball or a free joint"
    gain, held = float(model.actuator_gainprm[actuator, 0]), float(-model.actuator_biasprm[actuator, 1])
    if int(model.actuator_dyntype[actuator]) not in _FOLLOWING:
        return "its control is a velocity or an activation"
    if held == 0 or model.actuator_biastype[actuator] != mujoco.mjtBias.mjBIAS_AFFINE:
        damped = float(model.actuator_biasprm[actuator, 2]) != 0
        return f"its control is a {'velocity' if damped else 'force'}, not a position"
    if not gain > 0 or gain != held:
        return f"its control times {gain / held:.4g} is the position it holds, not the control itself"
    gear = float(model.actuator_gear[actuator, 0])
    if gear != 1.0:
        return f"its gear is {gear:g}, so its control is not the joint's position"
    return ""


def actuator_name(model: mujoco.MjModel, actuator: int) -> str:
    """What a scene's text file calls an actuator."""
    return model.actuator(actuator).name or f"#{actuator}"


def end_effector(model: mujoco.MjModel, joints: Sequence[int]) -> str:
    """A guess at the end effector's site, empty where the joints carry no site with a name. See `end_effectors`."""
    return next(iter(end_effectors(model, joints)), "")


def end_effectors(model: mujoco.MjModel, joints: Iterable[int]) -> list[str]:
    """The sites with a name that joints carry, the likeliest end effector first.

    Those that are called so come first, then the outermost; of equals the first, with two arms the one whose joints
    come first.

    Args:
        model: Of the robot.
        joints: Numbers of the joints that actions move.
    """
    moved = {int(model.jnt_bodyid[joint]) for joint in joints}
    ranked = []
    for site in range(model.nsite):
        name = str(model.site(site).name)
        carried = sum(body in moved for body in chain(model, int(model.site_bodyid[site])))
        if name and carried:
            called = 2 if _SURE.search(name) else int(bool(_LIKELY.search(name)))
            ranked.append((called, not _UNLIKELY.search(name), carried, -site, name))
    return [name for *_, name in sorted(ranked, reverse=True)]


def free_bodies(model: mujoco.MjModel, joints: Iterable[int]) -> list[int]:
    """Bodies with a name and a free joint: things, not the robot's own base.

    Args:
        model: Of the robot and what is around it.
        joints: Numbers of the joints that actions move.
    """
    robot = {body for joint in joints for body in chain(model, int(model.jnt_bodyid[joint]))}
    return [
        body
        for body in range(1, model.nbody)
        if model.body_jntnum[body] and model.jnt_type[model.body_jntadr[body]] == mujoco.mjtJoint.mjJNT_FREE
        if body not in robot and model.body(body).name
    ]


def chain(model: mujoco.MjModel, body: int) -> list[int]:
    """A body and all that carry it, the world left out."""
    found = []
    while body > 0:
        found.append(body)
        body = int(model.body_parentid[body])
    return found
