"""What is wrong with a scene: with its text file, with its model, and with what happens when it is tried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from viewer_app.doctor.finding import Finding, Severity
from viewer_app.doctor.trial import HOLD_STEPS, check_world
from viewer_app.robot_parts import actuator_name, chain, why_no_servo
from viewer_app.scene import Scene
from viewer_app.scene_spec import SceneError, UnreadableSceneError, read_spec
from viewer_app.scene_trial import SceneTrial, Thing, try_scene
from viewer_app.types import FloatArray, WhiskersError

_FATAL = frozenset({"trial-failed", "picture-size"})
"""What stops a policy in an environment too."""
_DEEP = 0.005
"""Bodies that begin farther inside one another than this are thrown apart. [m]"""
_FALLS = 0.01
"""[m]"""
_STILL_FALLING = 0.3
"""[m/s]"""
_SLOW, _OVERSHOT = 0.5, 1.3
"""A joint that is not between these has not arrived when it should. [share of the way]"""
_OUTSIDE = 1e-3
"""[rad or m]"""
_SLIDES = 0.03
"""[m]"""
_DRIFTS = 0.005
"""[m]"""


def check_scene(path: Path) -> list[Finding]:
    """All that is found, without any policy.

    Args:
        path: The scene's text file.

    Raises:
        UnreadableSceneError: If there is no text file, it is not TOML, or its model cannot be read.
    """
    spec, problems = read_spec(path)
    findings = [Finding("scene-file", "error", problem, f"Correct {path.name}.") for problem in problems]
    if spec is None:
        return findings
    try:
        scene = Scene(spec, path)
    except UnreadableSceneError:
        if not findings:
            raise
        return findings
    except SceneError as error:
        mend = f"Correct {path.name}, or the model."
        return findings + [Finding("scene-model", "error", problem, mend) for problem in error.problems]
    findings += check_parts(scene)
    if any(each.severity == "error" for each in findings):
        # Tried like this, it would only be said again in other words.
        return [*findings, Finding("not-tried", "info", "The scene was not tried.", "Mend the errors first.")]
    try:
        tried = list(check_scene_trial(try_scene(scene), scene))
        return findings + (tried if not spec.environment else [_of_environment(each) for each in tried])
    except WhiskersError as error:
        return [*findings, Finding("not-tried", "error", str(error), "Mend what it says and try again.")]


def _of_environment(finding: Finding) -> Finding:
    """What is found in an environment is as its makers wanted it, or nothing that the text file could mend."""
    if finding.severity == "info" or finding.id in _FATAL:
        return finding
    milder: Severity = "warning" if finding.severity == "error" else "info"
    return replace(finding, severity=milder, mend="The environment makes it so.")


def check_parts(scene: Scene) -> Iterator[Finding]:
    """Parts of the model that cannot be what the text file says they are."""
    yield from _check_actuators(scene)
    yield from _check_ranges(scene)
    model, task, file = scene.model, scene.spec.task, scene.path.name
    moved = {int(model.jnt_bodyid[model.joint(name).id]) for name in scene.joint_names}
    site = scene.spec.end_effector_site
    # What an environment moves by a mocap body moves without any joint of the action.
    if not scene.spec.environment and not moved & set(chain(model, int(model.site_bodyid[scene.site_id]))):
        evidence = f"None of the joints moves site {site}, so every whisker would be a point."
        yield Finding("end-effector-still", "error", evidence, f"Name another end_effector_site in {file}.")
    if task.rule != "none" and task.object == task.target:
        evidence = f"Object and target of the task are the same body, {task.object}."
        yield Finding("task-same-body", "error", evidence, f"Name another one in [task] of {file}.")
    if task.rule != "none" and not task.gripper_geoms:
        evidence = "The task names no gripper_geoms, so an object that is still held over the target counts as put."
        yield Finding("task-gripper", "warning", evidence, f"Name the finger pads' geoms in [task] of {file}.")
    if not scene.spec.cameras:
        mend = f"Add a [cameras.NAME] to {file} if the policy reads pictures."
        yield Finding("no-camera", "info", "The scene has no camera.", mend)


def _check_actuators(scene: Scene) -> Iterator[Finding]:
    model, names = scene.model, scene.joint_names
    mend = f"Check name and actuator of [[joints]] in {scene.path.name}."
    for noun, used in (("joint", list(names)), ("actuator", [each.actuator for each in scene.spec.joints])):
        twice = sorted({each for each in used if used.count(each) > 1})
        if twice:
            evidence = f"[[joints]] names {noun} {', '.join(twice)} more than once."
            yield Finding("joint-twice", "error", evidence, mend)
    if not scene.spec.environment:
        for name, actuator in zip(names, scene.ctrl_index, strict=True):
            reason = why_no_servo(model, int(actuator))
            held = model.joint(int(model.actuator_trnid[actuator, 0])).name if not reason else ""
            if reason or held != name:
                title = actuator_name(model, int(actuator))
                evidence = (
                    f"Actuator {title} of joint {name} is no position servo of it: {reason or f'it holds {held}'}."
                )
                yield Finding("joint-actuator", "error", evidence, mend)
    left = [actuator_name(model, i) for i in range(model.nu) if i not in scene.ctrl_index]
    if left and scene.commands_joints and not scene.spec.environment:
        evidence = f"{len(left)} of {model.nu} actuators are no part of the action: {', '.join(left)}."
        yield Finding("not-driven", "info", evidence, "Their control stays what it is after a reset.")


def _check_ranges(scene: Scene) -> Iterator[Finding]:
    free = [name for name in scene.joint_names if not scene.model.jnt_limited[scene.model.joint(name).id]]
    if free and not scene.spec.environment:
        evidence = f"{', '.join(free)} {'have' if len(free) > 1 else 'has'} no range in the model."
        mend = "Give each a range, or nothing can be said about where it may go; continuous joints can stay so."
        yield Finding("joint-unlimited", "warning", evidence, mend)


def check_scene_trial(trial: SceneTrial, scene: Scene) -> Iterator[Finding]:
    """What went wrong when it was tried."""
    file = scene.path.name
    if trial.complaint:
        yield Finding("trial-failed", "error", trial.complaint, "Mend what it says and try again.")
    if not trial.repeats:
        evidence = "After a few steps, a reset with the same seed gives another world than before."
        yield Finding("reset", "warning", evidence, "Let the reset put back everything, its random numbers included.")
    if trial.world is None and not trial.complaint:
        evidence = "What its actions do is the environment's to say, so nothing was told to stay or to move."
        yield Finding("not-tried", "info", evidence, "")
    if trial.home is not None:
        yield from _check_home(trial.home, scene)
    if trial.world is not None:
        yield from check_world(trial.world, scene)
    yield from _check_pictures(trial, scene)
    yield from _check_overlaps(trial, scene)
    falling = [(each.seed, thing) for each in trial.beginnings for thing in each.things]
    said: set[tuple[str, str]] = set()
    for seed, thing in falling:
        for finding in _check_thing(thing, seed, file):
            if (finding.id, thing.name) not in said:
                said.add((finding.id, thing.name))
                yield finding
    drifts = [each.drift for each in trial.beginnings if each.drift is not None]
    if drifts:
        evidence = (
            f"Told to stay, the end effector goes {1000 * max(drifts):.2g} mm in {HOLD_STEPS} control steps (at most, "
            f"of {len(drifts)} resets)."
        )
        mend = "Let it begin where it can rest: another home_keyframe, stiffer actuators, or gravity compensation."
        bad = max(drifts) > _DRIFTS
        yield Finding("drift", "warning" if bad else "info", evidence, mend if bad else "")
    if trial.world is not None and trial.world.answers is not None:
        yield _follow(np.diag(trial.world.answers), scene)


def _follow(shares: FloatArray, scene: Scene) -> Finding:
    """How far each joint went of the way that it alone was told to go. Shape (n,)."""
    evidence = (
        f"Told one after the other to move by a tenth of their range, the joints are {100 * shares.min():.0f} to "
        f"{100 * shares.max():.0f} % of the way after {HOLD_STEPS} control steps"
    )
    slow = [name for name, share in zip(scene.joint_names, shares, strict=True) if share < _SLOW]
    swinging = [name for name, share in zip(scene.joint_names, shares, strict=True) if share > _OVERSHOT]
    if swinging:
        mend = "Damp the joint or its actuator (kv, dampratio), or take a smaller time step."
        return Finding("joints-follow", "warning", f"{evidence}: {', '.join(swinging)} swings.", mend)
    if slow:
        mend = "Make the actuator stiffer, give it more force, or see what holds the joint."
        return Finding("joints-follow", "warning", f"{evidence}: {', '.join(slow)} hardly follows.", mend)
    return Finding("joints-follow", "info", f"{evidence}.", "")


def _check_pictures(trial: SceneTrial, scene: Scene) -> Iterator[Finding]:
    if trial.complaint_of_pictures:
        mend = f"Change width and height in {scene.path.name}."
        yield Finding("picture-size", "error", trial.complaint_of_pictures, mend)
    for name, image in trial.pictures.items():
        if (image == image[0, 0]).all():
            camera = scene.spec.cameras[name]
            colour = ", ".join(str(value) for value in image[0, 0])
            evidence = f"Camera {name} shows nothing but one colour ({colour}) when an episode begins."
            mend = "Turn it to the scene in the model."
            if camera.is_depth:
                evidence += f" It tells {camera.depth[0]:g} to {camera.depth[1]:g} m apart."
                mend = "Check its depth range, and where it looks."
            yield Finding("camera-blank", "warning", evidence, mend)


def _check_overlaps(trial: SceneTrial, scene: Scene) -> Iterator[Finding]:
    found = [(each, beginning.seed) for beginning in trial.beginnings for each in beginning.overlaps]
    if not found:
        return
    worst, seed = max(found, key=lambda each: each[0].depth)
    others = {(each.first, each.second) for each, _ in found} - {(worst.first, worst.second)}
    evidence = (
        f"When an episode begins (seed {seed}), {worst.first} and {worst.second} are {1000 * worst.depth:.1f} mm "
        f"inside one another{f', and {len(others)} more pairs of bodies too' if others else ''}."
    )
    mend = f"Move one of them: [[spawn]] or home_keyframe of {scene.path.name}, or the model."
    yield Finding("start-overlap", "error" if worst.depth > _DEEP else "warning", evidence, mend)


def _check_home(home: FloatArray, scene: Scene) -> Iterator[Finding]:
    """Whether an episode begins where the joints may be, and where actions can keep them."""
    limited = scene.model.jnt_limited[[scene.model.joint(name).id for name in scene.joint_names]].astype(bool)
    bounds = np.where(limited[:, None], scene.joint_range, (-np.inf, np.inf))
    controls = np.where(
        scene.model.actuator_ctrllimited[scene.ctrl_index].astype(bool)[:, None],
        scene.model.actuator_ctrlrange[scene.ctrl_index],
        (-np.inf, np.inf),
    )
    for noun, (low, high) in (("its range", bounds.T), ("what its actuator can be told", controls.T)):
        outside = np.maximum(low - home, home - high)
        at = int(outside.argmax())
        if outside[at] > _OUTSIDE:
            evidence = (
                f"An episode begins with {scene.joint_names[at]} at {home[at]:.4g}, outside {noun}, {low[at]:.4g} to "
                f"{high[at]:.4g} [rad or m] ({int((outside > _OUTSIDE).sum())} of {len(home)} joints)."
            )
            keys = [scene.model.key(i).name or f"#{i}" for i in range(scene.model.nkey)]
            mend = (
                f"Let it begin elsewhere: home_keyframe of {scene.path.name} (there are {', '.join(keys) or 'none'})."
            )
            yield Finding("home-outside", "error", evidence, mend)
            return


def _check_thing(thing: Thing, seed: int, file: str) -> Iterator[Finding]:
    moved = 1000 * (thing.ended - thing.begun)
    fell, slid = -float(moved[2]), float(np.linalg.norm(moved[:2]))
    words = f"{thing.name} (seed {seed})"
    if fell > 1000 * _FALLS and thing.velocity[2] < -_STILL_FALLING:
        evidence = (
            f"{words} falls: {fell:.0f} mm in {HOLD_STEPS} control steps, and then still at "
            f"{-float(thing.velocity[2]):.1f} m/s."
        )
        mend = f"Put something under it that it collides with, or place it elsewhere: [[spawn]] of {file}."
        yield Finding("thing-falls", "error", evidence, mend)
    elif fell > 1000 * _FALLS:
        evidence = f"{words} begins in the air and falls by {fell:.0f} mm."
        yield Finding("thing-in-air", "warning", evidence, f"Lower it, in [[spawn]] of {file} or in the model.")
    elif slid > 1000 * _SLIDES or -fell > 1000 * _FALLS:
        evidence = f"{words} does not stay where it is put: it goes {np.linalg.norm(moved):.0f} mm by itself."
        mend = f"See what it touches there: [[spawn]] of {file}, or the model."
        yield Finding("thing-moves", "warning", evidence, mend)
