"""Whether a checkpoint and a scene speak of the same robot: cameras, sizes, names, rates, prompt."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from viewer_app.camera_map import options_of
from viewer_app.camera_names import CameraMapping, suggest
from viewer_app.channels import listed
from viewer_app.doctor.facts import ACTION, STATE, CheckpointFacts, mapping_of, number, without_what
from viewer_app.doctor.finding import Cure, Finding, mending, text_file
from viewer_app.mends import Mends
from viewer_app.scene import Scene

_SAME_RATE = 0.02
"""Rates that differ by less are the same. [share]"""
_SAME_ASPECT = 0.02
_CAMERA_CARD = Cure("Choose the cameras", cameras=True)


def check_contract(facts: CheckpointFacts, scene: Scene, mapping: CameraMapping | None) -> Iterator[Finding]:
    """What the checkpoint reads and gives, against what the scene has.

    Args:
        facts: Of the checkpoint.
        scene: Where it is to run.
        mapping: The scene's camera for each of the checkpoint's, where a person said so. None where nobody did.
    """
    if not facts.inputs or not facts.outputs:
        return
    yield from _check_sizes(facts, scene)
    yield from _check_cameras(facts, scene, mapping)
    if scene.commands_joints:
        yield from _check_joint_names(facts, scene)
    else:
        yield _not_joints(scene)
    yield from _check_rate(facts, scene)
    if facts.reads_text and not scene.spec.prompt.strip():
        evidence = f"The policy reads a prompt, and scene {scene.name} has none."
        mend = f'Write prompt = "..." in {text_file(scene)} as it was worded in training.'
        prompt = facts.prompts[0] if facts.prompts else ""
        option = f"--prompt {shlex.quote(prompt or 'WORDS')}"
        cure = Cure(f'Tell it "{prompt}"', prompt=prompt, option=option) if prompt else None
        yield Finding("prompt-missing", "error", evidence, mend if cure else f"{mend} For a session: {option}", cure)


def _check_sizes(facts: CheckpointFacts, scene: Scene) -> Iterator[Finding]:
    states, actions = listed(scene.state_names), listed(scene.action_names)
    mend = "Open the scene of the robot that it was trained on."
    if facts.n_state not in (0, scene.n_state):
        evidence = f"It reads {facts.n_state} numbers of state; scene {scene.name} has {scene.n_state} ({states})."
        yield Finding("state-size", "error", evidence, mend)
    if facts.n_action != scene.n_action:
        evidence = (
            f"It gives {facts.n_action} numbers of action; scene {scene.name} takes {scene.n_action} ({actions})."
        )
        yield Finding("action-size", "error", evidence, mend)
    around = scene.spec.state.environment
    if facts.n_environment_state not in (0, len(around)):
        evidence = (
            f"It reads {facts.n_environment_state} numbers of environment state; scene {scene.name} gives "
            f"{len(around)} ({listed(around)})."
        )
        yield Finding("environment-state", "error", evidence, "Run it in the environment that it was trained in.")


def _not_joints(scene: Scene) -> Finding:
    kinds = {"joints": "joints", "end_effector": "a pose of the end effector", "environment": "the environment's own"}
    action, state = (kinds[kind] for kind in (scene.spec.action.kind, scene.spec.state.kind))
    evidence = (
        f"The actions of scene {scene.name} are {action}, its state {state}: what concerns joints (their order, units "
        "and limits) is not checked."
    )
    return Finding("not-joints", "info", evidence, "")


def _check_cameras(facts: CheckpointFacts, scene: Scene, mapping: CameraMapping | None) -> Iterator[Finding]:
    there = {name: (size.height, size.width) for name, size in scene.spec.cameras.items()}
    read = facts.cameras
    if mapping is not None:
        shown = ", ".join(f"{name} sees {camera or 'nothing'}" for name, camera in mapping.items())
        yield Finding("cameras-mapped", "info", f"Cameras are mapped: {shown}.", "")
        return
    guess = suggest(read, there).mapping
    missing = [name for name in read if name not in there]
    has = ", ".join(f"{name} ({width}x{height})" for name, (height, width) in there.items()) or "no camera"
    if missing:
        evidence = f"It reads camera {' and '.join(missing)}; scene {scene.name} has {has}."
        mend = f"Say which is which, for example {options_of(guess)}."
        yield Finding("camera-names", "error", evidence, mend, _CAMERA_CARD)
    for name in (name for name in read if name in there and there[name] != read[name]):
        (height, width), (real_height, real_width) = read[name], there[name]
        aspect = abs(width * real_height / (height * real_width) - 1)
        shape = f"; the shape differs by {100 * aspect:.0f} %, so pictures are stretched" * (aspect > _SAME_ASPECT)
        evidence = f"It reads {name} as {width}x{height}, and the scene shows {real_width}x{real_height}{shape}."
        mend = f"Set the camera's size in {text_file(scene)}, or let it be resized with {options_of({name: name})}."
        yield Finding("camera-size", "error", evidence, mend, _CAMERA_CARD)


def _check_joint_names(facts: CheckpointFacts, scene: Scene) -> Iterator[Finding]:
    """Names of dimensions, where the configuration or the training dataset has some."""
    features = mapping_of(facts.dataset.get("features"))
    told = (
        ("action_feature_names of config.json", facts.config.get("action_feature_names")),
        ("the dataset's action", mapping_of(features.get(ACTION)).get("names")),
        ("the dataset's observation.state", mapping_of(features.get(STATE)).get("names")),
    )
    ordered = {where: names for where, raw in told if _same_set(names := without_what(raw), scene)}
    of_state = ordered.get(told[2][0], next(iter(ordered.values()), ()))
    of_action = next((ordered[where] for where, _ in told[:2] if where in ordered), of_state)
    for where, raw in told:
        names = without_what(raw)
        if len(names) != scene.n_action or names == scene.joint_names:
            continue
        theirs, ours = ", ".join(names), ", ".join(scene.joint_names)
        if sorted(names) == sorted(scene.joint_names):
            evidence = f"By {where} the order is {theirs}; scene {scene.name} has {ours}."
            mend = f"Order [[joints]] of {text_file(scene)} as in training."
            cure = mending(Mends(state_order=of_state, action_order=of_action), "Put the joints in order")
            yield Finding("joint-order", "error", evidence, mend, cure)
        elif not set(names) & set(scene.joint_names):
            evidence = f"By {where} the joints are {theirs}; scene {scene.name} has {ours}."
            yield Finding(
                "joint-names", "info", evidence, "Make sure that they mean the same joints in the same order."
            )


def _same_set(names: tuple[str, ...], scene: Scene) -> bool:
    """Whether these are the scene's joints in some order."""
    return len(names) == len(scene.joint_names) and sorted(names) == sorted(scene.joint_names)


def _check_rate(facts: CheckpointFacts, scene: Scene) -> Iterator[Finding]:
    sources = (
        ("the dataset it was trained on", facts.dataset),
        ("train_config.json (dataset)", mapping_of(facts.trained.get("dataset"))),
        ("train_config.json (env)", mapping_of(facts.trained.get("env"))),
    )
    for where, values in sources:
        rate = number(values, "fps")
        if rate is None or rate <= 0:
            continue
        if abs(scene.spec.control_hz / rate - 1) > _SAME_RATE:
            evidence = (
                f"{where} has {rate:g} steps a second, and scene {scene.name} is controlled at "
                f"{scene.spec.control_hz:g} Hz: its motions take {rate / scene.spec.control_hz:.2g} times as long."
            )
            mend = f"Set control_hz = {rate:.1f} in {text_file(scene)}."
            yield Finding("control-rate", "warning", evidence[0].upper() + evidence[1:], mend)
        return
