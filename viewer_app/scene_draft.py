"""The text file of a scene, drafted from what is found in a robot's model, with every guess and its alternatives."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from viewer_app.robot_parts import actuator_name, chain, end_effectors, free_bodies, why_no_servo
from viewer_app.toml_text import quoted
from viewer_app.types import FloatArray, WhiskersError

PICTURE = (640, 480)
"""Width and height of a camera's picture, where nobody says another. [px]"""
_USUAL_RATE = 30.0
"""[Hz]"""
_RATES = (5, 100)
"""Control rates that are proposed lie between these. [Hz]"""
_MOST = 12
"""So many names are listed; of more it is said how many there are."""
_OUTSIDE = 1e-3
"""[rad or m]"""
_FINGER = re.compile(r"finger|pad|jaw|grip|claw|tip", re.IGNORECASE)
_AT_JOINTS = (int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT))
_SLIDE, _FREE = int(mujoco.mjtJoint.mjJNT_SLIDE), int(mujoco.mjtJoint.mjJNT_FREE)


@dataclass(frozen=True)
class Draft:
    """A scene's text file, and what is worth telling about it."""

    text: str
    joints: tuple[str, ...]
    site: str
    cameras: tuple[str, ...]
    left_out: tuple[str, ...]
    """What the model has and the scene does not drive or show, a sentence each."""


@dataclass(frozen=True)
class _Driven:
    """A joint and its position servo."""

    joint: int
    actuator: int


def draft(model: mujoco.MjModel, file: str, name: str, title: str) -> Draft:
    """
    Args:
        model: Of the robot and what is around it.
        file: The MJCF, as the text file is to name it.
        name: Of the scene.
        title: The MJCF, as a complaint is to name it.

    Raises:
        WhiskersError: If no joint is driven by a position servo, or the joints carry no site; one sentence says what to
            add.
    """
    driven, left_out = _driven_joints(model)
    if not driven:
        raise WhiskersError(
            f"{title} has no joint that a position actuator holds, which actions are the targets of "
            f"({_listed(left_out) or 'it has no actuators'}); give each joint a <position>, or open an environment "
            "that computes the controls itself as gym:ID."
        )
    sites = end_effectors(model, [each.joint for each in driven])
    if not sites:
        last = _last_body(model, driven)
        raise WhiskersError(
            f'{title} has no site on what its joints move, where whiskers start: add <site name="end_effector"/> '
            f"inside the body between its fingers, or let one be added with --site-on BODY (the outermost is {last})."
        )
    left_out += list(_undriven(model, driven))
    cameras = tuple(_names(model, mujoco.mjtObj.mjOBJ_CAMERA, model.ncam))
    home = _home(model, driven)
    sections = [
        _head(model, file, name, sites, left_out, home),
        _joints(model, driven),
        _cameras(model, cameras),
        _spawn(model, driven, home),
        _task(model, driven, sites[0]),
    ]
    joints = tuple(model.joint(each.joint).name for each in driven)
    return Draft("\n".join(sections), joints, sites[0], cameras, tuple(left_out))


def control_rates(timestep: float) -> list[float]:
    """Control rates that are a whole number of physics steps, the nearest to 30 Hz first. Whole numbers, which
    LeRobotDatasets need, where there are any.

    Args:
        timestep: Of the physics. [s]
    """
    exact = [1 / (count * timestep) for count in range(1, math.ceil(1 / (_RATES[0] * timestep)) + 1)]
    whole = [
        float(round(rate)) for rate in exact if _RATES[0] <= rate <= _RATES[1] and abs(rate - round(rate)) < 1e-9 * rate
    ]
    return sorted(whole or exact, key=lambda rate: abs(math.log(rate / _USUAL_RATE)))


def _driven_joints(model: mujoco.MjModel) -> tuple[list[_Driven], list[str]]:
    """The joints that actions can move, in the order of the actuators, and why the other actuators are left out."""
    driven: dict[int, _Driven] = {}
    left_out: dict[str, list[str]] = {}
    for actuator in range(model.nu):
        reason = why_no_servo(model, actuator)
        joint = int(model.actuator_trnid[actuator, 0])
        if not reason and not model.joint(joint).name:
            reason = f"its joint, number {joint}, has no name; give it one"
        if not reason and joint in driven:
            reason = f"joint {model.joint(joint).name} has another one already"
        if reason:
            left_out.setdefault(reason, []).append(actuator_name(model, actuator))
        else:
            driven[joint] = _Driven(joint, actuator)
    return list(driven.values()), [
        f"actuator{'s' * (len(names) > 1)} {_listed(names)}: {reason}" for reason, names in left_out.items()
    ]


def _undriven(model: mujoco.MjModel, driven: Sequence[_Driven]) -> Iterator[str]:
    """What moves in the model and no action reaches."""
    held = {each.joint for each in driven}
    # Those of other actuators are told with the actuator.
    held |= {int(model.actuator_trnid[i, 0]) for i in range(model.nu) if model.actuator_trntype[i] in _AT_JOINTS}
    loose = [
        model.joint(joint).name or f"#{joint}"
        for joint in range(model.njnt)
        if joint not in held and model.jnt_type[joint] != _FREE
    ]
    if loose:
        yield f"joint{'s' * (len(loose) > 1)} {_listed(loose)}: without an actuator"
    mocap = [model.body(i).name or f"#{i}" for i in range(model.nbody) if model.body_mocapid[i] >= 0]
    if mocap:
        yield f"mocap {_listed(mocap)}: it stays where it is, and so does what is welded to it"
    things = [model.body(model.jnt_bodyid[i]).name for i in range(model.njnt) if model.jnt_type[i] == _FREE]
    for noun, names in (("camera", [model.camera(i).name for i in range(model.ncam)]), ("free body", things)):
        if nameless := sum(not name for name in names):
            yield f"{nameless} {noun} without a name: only what has one can be used"


# The file, section by section.


def _head(model: mujoco.MjModel, file: str, name: str, sites: Sequence[str], left_out: Sequence[str], key: int) -> str:
    best, *others = control_rates(float(model.opt.timestep))
    keys = [model.key(i).name or f"#{i}" for i in range(model.nkey)]
    home = f"home_keyframe = {quoted(keys[max(key, 0)] if keys else 'NAME')}"
    lines = [
        "# Drafted by `whiskers scene new` from the model. What was guessed says so: correct it, then run",
        "# `whiskers scene check` on this file. docs/scenes.md describes every field. Lengths are in metres.",
        "",
        f"name = {quoted(name)}",
        f"model = {quoted(file)}",
        'prompt = ""  # what a policy that reads text is told',
        "",
        "# How often an action is applied; a whole number of physics steps each. It must be the fps of the dataset",
        f"# that the policy was trained on. The model's time step is {model.opt.timestep:g} s; {_rates(others)}",
        f"control_hz = {best!r}",
        "",
        "# Where whiskers start: the point between the finger pads. Guessed by name and place; other sites that the",
        f"# joints carry, the likeliest first: {_listed(sites[1:]) or 'none'}",
        f"end_effector_site = {quoted(sites[0])}",
        "",
        "# What a reset starts from; left out, it is the model's own initial state. Keyframes in the model: "
        f"{_listed(keys) or 'none'}",
        home if key >= 0 else f"# {home}",
        "",
        "# Centre of the camera presets: the model's own centre.",
        f"look_at = {[round(float(each), 3) + 0.0 for each in model.stat.center]}",
    ]
    if left_out:
        lines += ["", "# In the model, but not part of actions and state:", *(f"#   {each}" for each in left_out)]
    return "\n".join(lines)


def _rates(others: Sequence[float]) -> str:
    return f"also possible: {_listed([f'{rate:g}' for rate in others])} Hz" if others else "no other rate is near 30 Hz"


def _joints(model: mujoco.MjModel, driven: Sequence[_Driven]) -> str:
    trees = {int(model.body_treeid[model.jnt_bodyid[each.joint]]) for each in driven}
    lines = [
        "",
        "# One entry for each number of the action and of observation.state, in the order of the dataset: that of the",
        "# model's actuators is a guess. Units must be the dataset's: degrees, radians (metres for what slides),",
        "# range_100 (-100 .. 100 over the joint's range, LeRobot's own for the SO-101) or range_0_100 (its gripper).",
    ]
    if len(trees) > 1:
        lines.append(f"# They are of {len(trees)} arms; whiskers are drawn for the one that carries end_effector_site.")
    for each in driven:
        joint = model.joint(each.joint).name
        actuator = actuator_name(model, each.actuator)
        slides = model.jnt_type[each.joint] == _SLIDE
        lines += [
            "",
            "[[joints]]",
            f"name = {quoted(joint)}",
            f"actuator = {quoted(actuator)}",
            f"unit = {quoted('radians' if slides else 'degrees')}{_range_words(model, each.joint, slides)}",
        ]
    return "\n".join(lines)


def _range_words(model: mujoco.MjModel, joint: int, slides: bool) -> str:
    low, high = np.asarray(model.jnt_range[joint]) if slides else np.rad2deg(model.jnt_range[joint])
    unit = "m: it slides" if slides else "deg"
    if not model.jnt_limited[joint]:
        return f"  # [{unit}] no range in the model, so range_100 is not possible"
    return f"  # {low:.4g} .. {high:.4g} {unit}; or range_100, or range_0_100"


def _cameras(model: mujoco.MjModel, cameras: Sequence[str]) -> str:
    lines = [
        "",
        "# What a policy can see, as observation.images.NAME; sizes in pixels, those of the dataset. A camera that the",
        '# dataset has under another name is [cameras.NAME] with camera = "its name here"; with depth = [0.1, 1.5] the',
        "# picture is grey, black at 0.1 m and white at 1.5 m; with turned = true it is turned by 180 degrees.",
    ]
    if not cameras:
        lines += ["# The model has no camera with a name, so there is none.", "[cameras]"]
    for name in cameras:
        size = [int(each) for each in model.cam_resolution[model.camera(name).id]]
        said = f"# the model says {size[0]}x{size[1]}" if max(size) > 1 else ""
        lines += ["", f"[cameras.{_key(name)}]", f"width = {PICTURE[0]}  {said}".rstrip(), f"height = {PICTURE[1]}"]
    return "\n".join(lines)


def _spawn(model: mujoco.MjModel, driven: Sequence[_Driven], key: int) -> str:
    """What a reset could place, as comments: where it is to be is the user's to say."""
    free = free_bodies(model, [each.joint for each in driven])
    if not free:
        return "\n".join(["", "# There is no free body that a reset could place ([[spawn]])."])
    lines = [
        "",
        "# What reset(seed) draws, in this order; take away the # of what is to be placed. Now they start where",
    ]
    lines.append("# the model puts them.")
    at_home = model.qpos0 if key < 0 else model.key_qpos[key]
    for body in free:
        start = int(model.jnt_qposadr[model.body_jntadr[body]])
        position = [round(float(each), 4) + 0.0 for each in at_home[start : start + 3]]
        lines += [
            "# [[spawn]]",
            f"# body = {quoted(model.body(body).name)}",
            f"# position = {position}       # centre [m]",
            "# half_range = [0.05, 0.05, 0.0]     # uniform, plus and minus [m]",
            "# yaw_degrees = [-180.0, 180.0]      # uniform",
        ]
    return "\n".join(lines)


def _task(model: mujoco.MjModel, driven: Sequence[_Driven], site: str) -> str:
    free = [model.body(body).name for body in free_bodies(model, [each.joint for each in driven])]
    moved = {int(model.jnt_bodyid[joint]) for joint in range(model.njnt)}
    still = [
        model.body(body).name
        for body in range(1, model.nbody)
        if model.body(body).name and not moved & set(chain(model, body)) and not _carries(model, body, moved)
    ]
    tree = model.body_treeid[model.site_bodyid[model.site(site).id]]
    fingers = [
        str(model.geom(geom).name)
        for geom in range(model.ngeom)
        if model.geom(geom).name
        and model.body_treeid[model.geom_bodyid[geom]] == tree
        and _FINGER.search(f"{model.geom(geom).name} {model.body(model.geom_bodyid[geom]).name}")
    ]
    target = next(iter(still or free[1:]), "BODY")
    lines = [
        "",
        "# Without a rule nothing counts as success, and an episode ends after max_steps control steps.",
        "[task]",
        'rule = "none"',
        "max_steps = 400",
        "# To count picking an object up and putting it into or onto another, write instead of the rule:",
        '# rule = "pick_and_place"',
        f"# object = {quoted(next(iter(free), 'BODY'))}       # free bodies: {_listed(free) or 'none, so add one'}",
        f"# target = {quoted(target)}       # bodies that stay: {_listed(still) or 'none with a name'}",
        f"# gripper_geoms = {quoted(fingers[:4] or ['GEOM'])}  # must have let go of it",
        f"#   (geoms with a name that may be fingers: {_listed(fingers) or 'none, so give them names'})",
    ]
    return "\n".join(lines) + "\n"


# What is in the model.


def _names(model: mujoco.MjModel, kind: mujoco.mjtObj, count: int) -> list[str]:
    return [name for i in range(count) if (name := mujoco.mj_id2name(model, kind, i))]


def _last_body(model: mujoco.MjModel, driven: Sequence[_Driven]) -> str:
    """The outermost body with a name that a driven joint moves."""
    moved = {int(model.jnt_bodyid[each.joint]) for each in driven}
    outermost = sorted(moved, key=lambda body: len(chain(model, body)))
    return next((model.body(body).name for body in reversed(outermost) if model.body(body).name), "without a name")


def _carries(model: mujoco.MjModel, body: int, moved: Iterable[int]) -> bool:
    return any(body in chain(model, each) for each in moved)


def _home(model: mujoco.MjModel, driven: Sequence[_Driven]) -> int:
    """Number of the keyframe that a reset is to start from: the one called home, or one that puts the joints inside
    their ranges where the initial state does not. Negative for the initial state."""
    named = int(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_KEY, "home"))
    if named >= 0 or _inside(model, driven, model.qpos0):
        return named
    return next((key for key in range(model.nkey) if _inside(model, driven, model.key_qpos[key])), -1)


def _inside(model: mujoco.MjModel, driven: Sequence[_Driven], qpos: FloatArray) -> bool:
    joints = [each.joint for each in driven if model.jnt_limited[each.joint]]
    low, high = model.jnt_range[joints].T
    places = qpos[model.jnt_qposadr[joints]]
    return bool(((low - places < _OUTSIDE) & (places - high < _OUTSIDE)).all())


# Writing TOML.


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def _listed(names: Sequence[str]) -> str:
    """Names in a comment, which may hold no control characters."""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return "".join(each if each.isprintable() else "?" for each in ", ".join(names[:_MOST]) + more)
