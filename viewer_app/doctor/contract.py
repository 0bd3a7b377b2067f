"""Whether a checkpoint and a scene speak of the same robot: cameras, sizes, names, rates, prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from viewer_app.camera_map import options_of
from viewer_app.camera_names import CameraMapping, suggest
from viewer_app.doctor.facts import ACTION, STATE, CheckpointFacts, mapping_of, number
from viewer_app.doctor.finding import Finding
from viewer_app.scene import Scene

_SAME_RATE = 0.02
"""Rates that differ by less are the same. [share]"""
_SAME_ASPECT = 0.02


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
    yield from _check_joint_names(facts, scene)
    yield from _check_rate(facts, scene)
    if facts.reads_text and not scene.spec.prompt.strip():
        evidence = f"The policy reads a prompt, and scene {scene.name} has none."
        mend = f'Write prompt = "..." in {scene.path.name} as it was worded in training, or give --prompt.'
        yield Finding("prompt-missing", "error", evidence, mend)


def _check_sizes(facts: CheckpointFacts, scene: Scene) -> Iterator[Finding]:
    joints = ", ".join(scene.joint_names)
    mend = "Open the scene of the robot that it was trained on."
    if facts.n_state not in (0, scene.n_action):
        evidence = f"It reads {facts.n_state} numbers of state; scene {scene.name} has {scene.n_action} ({joints})."
        yield Finding("state-size", "error", evidence, mend)
    if facts.n_action != scene.n_action:
        evidence = f"It commands {facts.n_action} joints; scene {scene.name} has {scene.n_action} ({joints})."
        yield Finding("action-size", "error", evidence, mend)
    if facts.n_environment_state:
        evidence = f"It reads {facts.n_environment_state} numbers of environment state, which no scene file describes."
        yield Finding("environment-state", "error", evidence, "Run it in the environment that it was trained in.")


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
        yield Finding("camera-names", "error", evidence, f"Say which is which, for example {options_of(guess)}.")
    for name in (name for name in read if name in there and there[name] != read[name]):
        (height, width), (real_height, real_width) = read[name], there[name]
        aspect = abs(width * real_height / (height * real_width) - 1)
        shape = f"; the shape differs by {100 * aspect:.0f} %, so pictures are stretched" * (aspect > _SAME_ASPECT)
        evidence = f"It reads {name} as {width}x{height}, and the scene shows {real_width}x{real_height}{shape}."
        mend = f"Set the camera's size in {scene.path.name}, or let it be resized with {options_of({name: name})}."
        yield Finding("camera-size", "error", evidence, mend)


def _check_joint_names(facts: CheckpointFacts, scene: Scene) -> Iterator[Finding]:
    """Names of dimensions, where the configuration or the training dataset has some."""
    features = mapping_of(facts.dataset.get("features"))
    told = (
        ("action_feature_names of config.json", facts.config.get("action_feature_names")),
        ("the dataset's action", mapping_of(features.get(ACTION)).get("names")),
        ("the dataset's observation.state", mapping_of(features.get(STATE)).get("names")),
    )
    for where, raw in told:
        names = _joints(raw)
        if len(names) != scene.n_action or tuple(names) == scene.joint_names:
            continue
        theirs, ours = ", ".join(names), ", ".join(scene.joint_names)
        if sorted(names) == sorted(scene.joint_names):
            evidence = f"By {where} the order is {theirs}; scene {scene.name} has {ours}."
            yield Finding("joint-order", "error", evidence, f"Order [[joints]] of {scene.path.name} as in training.")
        elif not set(names) & set(scene.joint_names):
            evidence = f"By {where} the joints are {theirs}; scene {scene.name} has {ours}."
            yield Finding(
                "joint-names", "info", evidence, "Make sure that they mean the same joints in the same order."
            )


def _joints(raw: object) -> Sequence[str]:
    """Names as a dataset has them (`gripper.pos`), without what they measure."""
    if isinstance(raw, list) and all(isinstance(name, str) for name in raw):
        return [name.removesuffix(".pos") for name in raw]
    return ()


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
            mend = f"Set control_hz = {rate:.1f} in {scene.path.name}."
            yield Finding("control-rate", "warning", evidence[0].upper() + evidence[1:], mend)
        return
