"""A Gymnasium environment as a scene: the files that a scene is made of, written from what is found in it.

What an action does is not read from anywhere: it is tried. Where each number of an action is the target of one joint,
the scene says so; otherwise, that the environment makes of it what it will.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from viewer_app.gym_environment import Environment
from viewer_app.gym_looks import find_looks
from viewer_app.gym_names import (
    Source,
    action_names,
    end_effector_site,
    environment_state_names,
    picture_source,
    state_names,
)
from viewer_app.gym_packages import GymError
from viewer_app.robot_parts import actuator_name, end_effector, is_servo
from viewer_app.toml_text import quoted
from viewer_app.types import Float32Array, FloatArray

COMPILED = "compiled"
"""Element of the model's XML file that names the compiled model."""

_PICTURE = (480, 640)
"""Height and width of policy cameras where the environment observes no picture. [px]"""
_NUDGE = 0.05
"""By how much one number of an action is changed to see what it does, of its range where that is bounded."""
_OBSERVED = 1e-3
"""How far proprioception may be from the joints' positions that it is. [rad or m]"""
_TOLERANCE = 1e-5
"""How far a control may be from what the joint's target says, relative to the controls. Actions are float32."""


@dataclass(frozen=True)
class _Target:
    """What one number of the action commands: joint target = number * scale + offset."""

    actuator: int
    joint: int
    scale: float
    offset: float


def write_gym_scene(name: str) -> Path:
    """Write the scene of an environment into a temporary folder that lasts until this process ends.

    The model is the environment's own, compiled, so that twin and cameras equal it to the bit.

    Args:
        name: Gymnasium's id, such as `gym_aloha/AlohaTransferCube-v0`; see `gym_packages.parse`.

    Returns:
        The scene's text file.

    Raises:
        GymError: If it cannot be opened, or its model lacks what a scene needs.
    """
    environment = Environment(name)
    try:
        text = _text(environment, _targets(environment))
        # The model as it is in the first episode.
        environment.reset(0)
        folder = Path(tempfile.mkdtemp(prefix="whiskers-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        mujoco.mj_saveModel(environment.model, str(folder / "model.mjb"), None)
    finally:
        environment.close()
    (folder / "model.xml").write_text(
        f"<mujoco>\n  <!-- The model of {name} as MuJoCo {mujoco.__version__} compiled it. -->\n"
        f'  <{COMPILED} file="model.mjb" version="{mujoco.__version__}"/>\n</mujoco>\n',
        encoding="utf-8",
    )
    (folder / "scene.toml").write_text(text, encoding="utf-8")
    return folder / "scene.toml"


def _targets(environment: Environment) -> list[_Target] | None:
    """Which joint each number of an action moves, found by trying, and checked by a random action.

    Returns:
        None if some number of an action is not a joint's target.
    """
    n = environment.n_action
    low, high = environment.action_bounds
    span = np.where(np.isfinite(high - low), high - low, 2.0)
    base = environment.middle_action
    controls = _control_after(environment, base)
    targets: list[_Target] = []
    for i in range(n):
        nudged = base.copy()
        nudged[i] += np.float32(_NUDGE * span[i])
        by = float(nudged[i]) - float(base[i])
        moved = np.flatnonzero(after := _control_after(environment, nudged) - controls)
        servos = [int(each) for each in moved if is_servo(environment.model, int(each))]
        if not servos or servos[0] in {each.actuator for each in targets}:
            return None
        first = servos[0]
        scale = float(after[first]) / by
        joint = int(environment.model.actuator_trnid[first, 0])
        targets.append(_Target(first, joint, scale, float(controls[first]) - scale * float(base[i])))
    return targets if _are_obeyed(environment, targets, base, span) else None


def _are_obeyed(environment: Environment, targets: list[_Target], base: Float32Array, span: Float32Array) -> bool:
    """Whether a later step obeys the same rule as the first: a change of the joints' targets would be added up."""
    rng = np.random.default_rng(0)
    environment.reset(1)
    for _ in range(3):
        action = (base + 0.4 * span * rng.uniform(-1, 1, len(base))).astype(np.float32)
        environment.step(action)
    model, controls = environment.model, environment.data.ctrl
    for i, target in enumerate(targets):
        low, high = model.actuator_ctrlrange[target.actuator]
        meant, found = float(action[i]) * target.scale + target.offset, float(controls[target.actuator])
        if model.actuator_ctrllimited[target.actuator]:
            meant, found = (float(np.clip(each, low, high)) for each in (meant, found))
        if abs(meant - found) > _TOLERANCE * max(1.0, abs(meant)):
            return False
    return True


def _control_after(environment: Environment, action: Float32Array) -> FloatArray:
    environment.reset(0)
    environment.step(action)
    return np.array(environment.data.ctrl, np.float64)


def _are_observed(environment: Environment, targets: list[_Target]) -> bool:
    """Whether proprioception is the position of each joint, in the units of the targets."""
    if environment.n_state != len(targets):
        return False
    rng = np.random.default_rng(1)
    environment.reset(1)
    for action in environment.random_actions(rng, 3):
        seen = environment.step(action)
    model = environment.model
    positions = [float(environment.data.qpos[model.jnt_qposadr[each.joint]]) for each in targets]
    told = [float(each) * target.scale + target.offset for each, target in zip(seen.state, targets, strict=True)]
    return bool(np.allclose(told, positions, rtol=0, atol=_OBSERVED))


def _servos(model: mujoco.MjModel) -> list[_Target]:
    """The robot's joints, where actions are not their targets: those with a name that an actuator holds somewhere."""
    found: dict[int, _Target] = {}
    for actuator in range(model.nu):
        joint = int(model.actuator_trnid[actuator, 0])
        if is_servo(model, actuator) and model.joint(joint).name:
            found.setdefault(joint, _Target(actuator, joint, 1.0, 0.0))
    return list(found.values())


def _carrying(model: mujoco.MjModel) -> list[int]:
    """The joints that are likely to be the robot's, where no actuator says so: the hinges and slides of the tree of
    bodies with the most of them."""
    kinds = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))
    joints = [each for each in range(model.njnt) if int(model.jnt_type[each]) in kinds]
    roots = [int(model.body_rootid[model.jnt_bodyid[each]]) for each in joints]
    largest = max(set(roots), key=lambda root: (roots.count(root), -root), default=-1)
    return [joint for joint, root in zip(joints, roots, strict=True) if root == largest]


def _beginning(environment: Environment, site: str) -> list[float]:
    """Where a site is when the episode of seed 0 begins, in the world frame. [m]"""
    environment.reset(0)
    return [round(float(each), 3) for each in environment.data.site(site).xpos]


def _text(environment: Environment, targets: list[_Target] | None) -> str:
    """The scene's text file.

    Raises:
        GymError: If the model lacks a name that a scene needs.
    """
    model, name = environment.model, environment.name
    joints = targets if targets is not None else _servos(model)
    carrying = [each.joint for each in joints] if targets is not None else _carrying(model)
    site = end_effector_site(environment.inner) or end_effector(model, carrying)
    if not site:
        raise GymError(f"Environment {name}: its joints carry no site with a name, which whiskers start from.")
    lines = [
        "# Written by Whiskers from what it found in the environment. Joints are in MuJoCo's own units [rad or m], but",
        "# for those with a scale: there the joint's target is value * scale + offset.",
        f"name = {quoted('gym:' + name)}",
        f"environment = {quoted(name)}",
        'model = "model.xml"',
        f"prompt = {quoted(environment.prompt)}",
        f"control_hz = {_plain(1.0 / environment.control_dt)!r}",
        f"end_effector_site = {quoted(site)}",
        # The model's own centre may be far from what happens.
        f"look_at = {_beginning(environment, site)}",
        f"\n[task]\nmax_steps = {environment.max_steps}",
    ]
    if looks := find_looks(environment):
        lines.insert(lines.index('model = "model.xml"') + 1, f"looks = {quoted(looks)}")
    if targets is None:
        lines += _own_action(environment)
    lines += _state(environment, joints)
    for target in joints:
        joint = model.joint(target.joint).name
        if not joint:
            raise GymError(f"Environment {name}: joint {target.joint} of its model has no name.")
        lines.append(f'\n[[joints]]\nname = {quoted(joint)}\nunit = "radians"')
        lines.append(f"actuator = {quoted(actuator_name(model, target.actuator))}")
        scale, offset = _plain(target.scale), _plain(target.offset)
        if (scale, offset) != (1.0, 0.0):
            lines.append(f"scale = {scale!r}\noffset = {offset!r}")
    return "\n".join(lines + _cameras(environment)) + "\n"


def _own_action(environment: Environment) -> list[str]:
    """What the text file says of an action that the environment makes something of."""
    names = action_names(environment.inner, environment.n_action)
    lines = [f'\n[action]\nkind = "environment"\nnames = {quoted(names)}']
    low, high = environment.action_bounds
    if np.isfinite(low).all() and np.isfinite(high).all():
        lines.append(f"low = {[float(each) for each in low]}\nhigh = {[float(each) for each in high]}")
    return lines


def _state(environment: Environment, joints: list[_Target]) -> list[str]:
    """What the text file says of proprioception that is not the joints, and of what else the environment observes."""
    inner, lines = environment.inner, []
    if not joints or not _are_observed(environment, joints):
        names = state_names(inner, environment.n_state)
        lines.append(f'kind = "environment"\nnames = {quoted(names)}')
    if around := environment_state_names(inner, environment.n_environment_state):
        lines.append(f"environment = {quoted(around)}")
    return ["\n[state]", *lines] if lines else []


def _cameras(environment: Environment) -> list[str]:
    """What the text file says of the cameras: those that the environment observes, all of the model where it observes
    none."""
    model, pictures = environment.model, environment.pictures
    names = [name for camera in range(model.ncam) if (name := model.camera(camera).name)]
    sources = {name: picture_source(environment.inner, name) for name in pictures}
    observed = {name: source for name, source in sources.items() if source.camera in names or source.free}
    lines = []
    for name, source in (observed or {name: Source(name) for name in names}).items():
        height, width = pictures.get(name, next(iter(pictures.values()), _PICTURE))
        lines.append(f"\n[cameras.{quoted(name)}]\nwidth = {width}\nheight = {height}")
        if source.free:
            lines.append(f"free = {list(source.free)}")
        elif source.camera != name:
            lines.append(f"camera = {quoted(source.camera)}")
        if source.turned:
            lines.append("turned = true")
    return lines or ["\n[cameras]"]


def _plain(measured: float) -> float:
    """The number of few digits that was meant, where rounding errors alone can have made it another."""
    likely = float(f"{measured:.5g}") if abs(measured) > _TOLERANCE else 0.0
    return likely if abs(measured - likely) <= _TOLERANCE * max(abs(measured), 1e-3) else measured
