"""A Gymnasium environment as a scene: the files that a scene is made of, written from what is found in it.

What an action does is not read from anywhere: it is tried, and a scene is written only where it is found that each
number of an action is the target of one joint.
"""

from __future__ import annotations

import atexit
import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from viewer_app.gym_environment import Environment
from viewer_app.gym_packages import GymError
from viewer_app.types import Float32Array, FloatArray

COMPILED = "compiled"
"""Element of the model's XML file that names the compiled model."""

_PICTURE = (480, 640)
"""Height and width of policy cameras where the environment observes no picture. [px]"""
_NUDGE = 0.05
"""By how much one number of an action is changed to see what it does, of its range where that is bounded."""
_TOLERANCE = 1e-5
"""How far a control may be from what the joint's target says, relative to the controls. Actions are float32."""
_LIKELY = re.compile(r"grip|tcp|eef|end_?effector|pinch|tip|ee_|attachment|cali", re.IGNORECASE)
_UNLIKELY = re.compile(r"target|goal|cam|mocap|midair|object", re.IGNORECASE)


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
        name: Gymnasium's id, such as `gym_aloha/AlohaTransferCube-v0`.

    Returns:
        The scene's text file.

    Raises:
        GymError: If it cannot be opened, or its actions are not joint positions.
    """
    environment = Environment(name)
    try:
        targets = _targets(environment)
        text = _text(environment, targets, end_effector(environment.model, [each.joint for each in targets]))
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


def end_effector(model: mujoco.MjModel, joints: list[int]) -> str:
    """A guess at the end effector's site: of those that the joints carry, one that is called so, else the outermost.

    Args:
        model: The environment's.
        joints: Numbers of the joints that actions move.

    Returns:
        Its name, empty where the joints carry no site with a name.
    """
    moved = {int(model.jnt_bodyid[joint]) for joint in joints}
    best: tuple[tuple[bool, bool, int, int], str] | None = None
    for site in range(model.nsite):
        name = model.site(site).name
        chain = _chain(model, int(model.site_bodyid[site]))
        carried = sum(body in moved for body in chain)
        if not name or not carried:
            continue
        # The first of equals: with two arms the one whose joints come first.
        rank = (bool(_LIKELY.search(name)), not _UNLIKELY.search(name), carried, -site)
        if best is None or rank > best[0]:
            best = (rank, name)
    return best[1] if best is not None else ""


def _chain(model: mujoco.MjModel, body: int) -> list[int]:
    """A body and all that carry it, the world left out."""
    found = []
    while body > 0:
        found.append(body)
        body = int(model.body_parentid[body])
    return found


def _targets(environment: Environment) -> list[_Target]:
    """Which joint each number of an action moves, found by trying, and checked by a random action.

    Raises:
        GymError: If some number of an action is not a joint's target.
    """
    name, n = environment.name, environment.n_action
    if environment.n_state != n:
        raise GymError(
            f"Environment {name} has {n} numbers of action and {environment.n_state} of proprioception; a scene needs "
            "one of each for every joint."
        )
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
        servos = [int(each) for each in moved if _is_servo(environment.model, int(each))]
        if not servos or servos[0] in {each.actuator for each in targets}:
            raise _not_joints(name, i)
        first = servos[0]
        scale = float(after[first]) / by
        joint = int(environment.model.actuator_trnid[first, 0])
        targets.append(_Target(first, joint, scale, float(controls[first]) - scale * float(base[i])))
    _check(environment, targets, base, span)
    return targets


def _check(environment: Environment, targets: list[_Target], base: Float32Array, span: Float32Array) -> None:
    """A second step must obey the same rule as the first: a change of the joints' targets would be added up."""
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
            raise _not_joints(environment.name, i)


def _control_after(environment: Environment, action: Float32Array) -> FloatArray:
    environment.reset(0)
    environment.step(action)
    return np.array(environment.data.ctrl, np.float64)


def _is_servo(model: mujoco.MjModel, actuator: int) -> bool:
    """Whether an actuator's control is the position of a hinge or a slide that it holds."""
    gain, bias = model.actuator_gainprm[actuator, 0], model.actuator_biasprm[actuator, 1]
    joint = int(model.actuator_trnid[actuator, 0])
    return bool(
        model.actuator_trntype[actuator] == mujoco.mjtTrn.mjTRN_JOINT
        and gain > 0
        and gain == -bias
        and model.jnt_type[joint] in (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))
    )


def _not_joints(name: str, number: int) -> GymError:
    return GymError(
        f"Environment {name}: number {number} of its action is not the target of a joint, as in end-effector control; "
        "Whiskers can draw only joint positions so far."
    )


def _text(environment: Environment, targets: list[_Target], site: str) -> str:
    """The scene's text file.

    Raises:
        GymError: If the model lacks a name that a scene needs.
    """
    model, name = environment.model, environment.name
    if not site:
        raise GymError(f"Environment {name}: its joints carry no site with a name, which whiskers start from.")
    lines = [
        "# Written by Whiskers from what it found in the environment. Joints are in MuJoCo's own units [rad or m], but",
        "# for those with a scale: there the joint's target is value * scale + offset.",
        f"name = {json.dumps('gym:' + name)}",
        f"environment = {json.dumps(name)}",
        'model = "model.xml"',
        f"control_hz = {_plain(1.0 / environment.control_dt)!r}",
        f"end_effector_site = {json.dumps(site)}",
        f"look_at = {[float(each) for each in model.stat.center]}",
        f"\n[task]\nmax_steps = {environment.max_steps}",
    ]
    for target in targets:
        joint = model.joint(target.joint).name
        if not joint:
            raise GymError(f"Environment {name}: joint {target.joint} of its model has no name.")
        lines.append(f'\n[[joints]]\nname = {json.dumps(joint)}\nunit = "radians"')
        lines.append(f"actuator = {json.dumps(model.actuator(target.actuator).name or f'#{target.actuator}')}")
        scale, offset = _plain(target.scale), _plain(target.offset)
        if (scale, offset) != (1.0, 0.0):
            lines.append(f"scale = {scale!r}\noffset = {offset!r}")
    for camera, (height, width) in _cameras(environment).items():
        lines.append(f"\n[cameras.{json.dumps(camera)}]\nwidth = {width}\nheight = {height}")
    return "\n".join(lines) + "\n"


def _cameras(environment: Environment) -> dict[str, tuple[int, int]]:
    """The cameras that the environment observes, to (height, width); all of the model where it observes none. [px]"""
    model, pictures = environment.model, environment.pictures
    names = [name for camera in range(model.ncam) if (name := model.camera(camera).name)]
    observed = {name: pictures[name] for name in names if name in pictures}
    return observed or dict.fromkeys(names, next(iter(pictures.values()), _PICTURE))


def _plain(measured: float) -> float:
    """The number of few digits that was meant, where rounding errors alone can have made it another."""
    likely = float(f"{measured:.5g}") if abs(measured) > _TOLERANCE else 0.0
    return likely if abs(measured - likely) <= _TOLERANCE * max(abs(measured), 1e-3) else measured
