"""Faults as people make them, each planted in a copy of a healthy checkpoint and scene by editing one of its files.

`FAULTS` is the table: what it is, which pair it is planted in, what the doctor must call it, and how it is planted.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from tests.checkpoints import edit_json

CONFIG, WEIGHTS = "config.json", "model.safetensors"
BEFORE, AFTER = "policy_preprocessor.json", "policy_postprocessor.json"
NORMALISER, UNNORMALISER = "normalizer_processor", "unnormalizer_processor"
ABOVE, ASIDE = "observation.images.above", "observation.images.aside"
STATE, ACTION = "observation.state", "action"

Json = dict[str, object]
Statistics = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Pair:
    """A checkpoint folder and a scene's text file, both free to be edited."""

    checkpoint: Path
    scene: Path


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    what: str
    """A person's mistake, in a few words."""
    finding: str
    """What the doctor must call it."""
    plant: Callable[[Pair], None]
    pair: str = "act"
    """Which healthy pair it is planted in."""
    severity: str = "error"


# How the files of a checkpoint are edited.


def copied(healthy: Pair, folder: Path) -> Pair:
    """The pair again, its weights as links."""
    folder.mkdir(parents=True)
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    for path in healthy.checkpoint.iterdir():
        if path.name == WEIGHTS:
            os.link(path, checkpoint / path.name)
        elif path.is_file():
            shutil.copy(path, checkpoint / path.name)
    shutil.copytree(healthy.scene.parent, folder / "scene")
    return Pair(checkpoint, folder / "scene" / healthy.scene.name)


def state_files(folder: Path) -> dict[str, Path]:
    """Pipeline to the file of its statistics."""
    return {name: next(folder.glob(f"{name.removesuffix('.json')}_step_*.safetensors")) for name in (BEFORE, AFTER)}


def set_statistics(folder: Path, pipelines: tuple[str, ...], change: Callable[[Statistics], None]) -> None:
    """Change the statistics of a checkpoint's pipelines."""
    for pipeline in pipelines:
        path = state_files(folder)[pipeline]
        values = load_file(path)
        change(values)
        save_file({name: np.ascontiguousarray(value, np.float32) for name, value in values.items()}, path)


def give_sane_statistics(folder: Path, features: Mapping[str, tuple[list[float], list[float]]]) -> None:
    """Put statistics that fit the scene in place of made-up ones.

    Args:
        folder: Of the checkpoint.
        features: State and action to (mean, standard deviation), in scene units.
    """

    def change(values: Statistics) -> None:
        for feature, (mean, std) in features.items():
            centre, spread = np.array(mean, np.float32), np.array(std, np.float32)
            for name, value in (
                ("mean", centre),
                ("std", spread),
                ("min", centre - 2.5 * spread),
                ("max", centre + 2.5 * spread),
                ("q01", centre - 2.2 * spread),
                ("q99", centre + 2.2 * spread),
                ("q10", centre - 1.3 * spread),
                ("q90", centre + 1.3 * spread),
            ):
                values[f"{feature}.{name}"] = value.astype(np.float32)

    set_statistics(folder, (BEFORE, AFTER), change)


# What plants a fault.


def config(**fields: object) -> Callable[[Pair], None]:
    """Other fields of config.json. None removes one."""

    def change(values: Json) -> None:
        values.update(fields)
        for name, value in fields.items():
            if value is None:
                del values[name]

    return lambda pair: edit_json(pair.checkpoint / CONFIG, change)


def statistic(
    feature: str, name: str, value: object, at: int | None = None, pipelines: tuple[str, ...] = (BEFORE, AFTER)
) -> Callable[[Pair], None]:
    """Another number in the statistics, or another in all of them. None removes the statistic."""

    def change(values: Statistics) -> None:
        key = f"{feature}.{name}"
        if value is None:
            del values[key]
        elif at is None:
            values[key] = np.broadcast_to(np.array(value, np.float32), values[key].shape).copy()
        else:
            values[key] = values[key].copy()
            values[key][at] = cast(float, value)

    return lambda pair: set_statistics(pair.checkpoint, pipelines, change)


def extremes(feature: str, low: float, high: float, at: int) -> Callable[[Pair], None]:
    """Another minimum and maximum of one dimension."""
    return all_of(statistic(feature, "min", low, at), statistic(feature, "max", high, at))


def scaled(features: tuple[str, ...], factor: float) -> Callable[[Pair], None]:
    """Statistics in another unit."""

    def change(values: Statistics) -> None:
        for key in list(values):
            if key.rpartition(".")[0] in features:
                values[key] = values[key] * np.float32(factor)

    return lambda pair: set_statistics(pair.checkpoint, (BEFORE, AFTER), change)


def rolled(feature: str, by: int) -> Callable[[Pair], None]:
    """Statistics of a vector with its dimensions in another order."""

    def change(values: Statistics) -> None:
        for name in ("mean", "std", "min", "max"):
            values[f"{feature}.{name}"] = np.roll(values[f"{feature}.{name}"], by)

    return lambda pair: set_statistics(pair.checkpoint, (BEFORE, AFTER), change)


def step(pipeline: str, registry_name: str, change: Callable[[Json], None]) -> Callable[[Pair], None]:
    """Change one entry of a processor file."""

    def edit(values: Json) -> None:
        for entry in cast(list[Json], values["steps"]):
            if entry.get("registry_name") == registry_name:
                change(entry)
                return
        raise AssertionError(f"{pipeline} has no step {registry_name}")

    return lambda pair: edit_json(pair.checkpoint / pipeline, edit)


def settings(pipeline: str, registry_name: str, **fields: object) -> Callable[[Pair], None]:
    """Other settings of one step."""
    return step(pipeline, registry_name, lambda entry: cast(Json, entry["config"]).update(fields))


def without_step(pipeline: str, registry_name: str) -> Callable[[Pair], None]:
    """A processor file with a step left out."""

    def edit(values: Json) -> None:
        entries = cast(list[Json], values["steps"])
        values["steps"] = [each for each in entries if each.get("registry_name") != registry_name]

    return lambda pair: edit_json(pair.checkpoint / pipeline, edit)


def scene(*changes: tuple[str, str]) -> Callable[[Pair], None]:
    """Other text in the scene's text file, once each."""

    def plant(pair: Pair) -> None:
        text = pair.scene.read_text()
        for old, new in changes:
            assert old in text, f"the scene has no {old!r}"
            text = text.replace(old, new, 1)
        pair.scene.write_text(text)

    return plant


def removed(name: str) -> Callable[[Pair], None]:
    """A file is not there."""
    return lambda pair: (pair.checkpoint / name).unlink()


def cut(name: str, size: int) -> Callable[[Pair], None]:
    """Only the first `size` bytes of a file are there."""

    def plant(pair: Pair) -> None:
        content = (pair.checkpoint / name).read_bytes()[:size]
        (pair.checkpoint / name).unlink()
        (pair.checkpoint / name).write_bytes(content)

    return plant


def weights(change: Callable[[Statistics], None]) -> Callable[[Pair], None]:
    """Other tensors in the weight file."""

    def plant(pair: Pair) -> None:
        values = load_file(pair.checkpoint / WEIGHTS)
        change(values)
        (pair.checkpoint / WEIGHTS).unlink()
        save_file(values, pair.checkpoint / WEIGHTS)

    return plant


def written(name: str, values: Json) -> Callable[[Pair], None]:
    """A JSON file that was not there, or another one."""

    def plant(pair: Pair) -> None:
        (pair.checkpoint / name).write_text(json.dumps(values))

    return plant


def trained_on(info: Json) -> Callable[[Pair], None]:
    """The dataset of the training run is on this machine."""

    def plant(pair: Pair) -> None:
        root = pair.checkpoint / "dataset"
        (root / "meta").mkdir(parents=True)
        (root / "meta" / "info.json").write_text(json.dumps(info))
        written("train_config.json", {"dataset": {"repo_id": "someone/plotter", "root": str(root)}})(pair)

    return plant


def all_of(*plants: Callable[[Pair], None]) -> Callable[[Pair], None]:
    """A fault that takes more than one edit."""

    def plant(pair: Pair) -> None:
        for each in plants:
            each(pair)

    return plant


def on_statistics_file(pipeline: str, plant: Callable[[str], Callable[[Pair], None]]) -> Callable[[Pair], None]:
    """Do something to the file of a pipeline's statistics, whatever its name is."""
    return lambda pair: plant(state_files(pair.checkpoint)[pipeline].name)(pair)


def pickled(pair: Pair) -> None:
    """Weights in the form that can run code."""
    (pair.checkpoint / WEIGHTS).rename(pair.checkpoint / "pytorch_model.bin")


def underscore_lost(pair: Pair) -> None:
    """What LeRobot's migration script does to a camera with an underscore in its name."""

    def change(values: Statistics) -> None:
        for key in [each for each in values if each.startswith(ABOVE)]:
            values[key.replace("above", "ab.ove")] = values.pop(key)

    set_statistics(pair.checkpoint, (BEFORE,), change)


def class_named(pair: Pair) -> None:
    """A step that is code of somebody's own."""
    step(BEFORE, NORMALISER, lambda entry: entry.update({"class": "mine.Step", "registry_name": None}))(pair)


def without_file(entry: Json) -> None:
    """A step that names no statistics."""
    del entry["state_file"]


def wider_state(pair: Pair) -> None:
    """Statistics of another robot."""

    def change(values: Statistics) -> None:
        values[f"{STATE}.std"] = np.ones(7, np.float32)

    set_statistics(pair.checkpoint, (BEFORE,), change)


def identity_everywhere(pair: Pair) -> None:
    """No normalisation, in the configuration and in both processors."""
    modes = dict.fromkeys(("VISUAL", "STATE", "ACTION"), "IDENTITY")
    config(normalization_mapping=modes)(pair)
    settings(BEFORE, NORMALISER, norm_map=modes)(pair)
    settings(AFTER, UNNORMALISER, norm_map=modes)(pair)


def old_buffers(values: Statistics) -> None:
    """What LeRobot before 0.4 kept among the weights."""
    values["normalize_inputs.buffer_observation_state.mean"] = np.zeros(2, np.float32)
    values["unnormalize_outputs.buffer_action.std"] = np.ones(2, np.float32)


def zero(*parts: str) -> Callable[[Statistics], None]:
    """Tensors of zeros, of those names that hold one of the parts."""

    def change(values: Statistics) -> None:
        names = [name for name in values if any(part in name for part in parts)]
        assert names, f"no tensor of {parts}"
        for name in names:
            values[name] = np.zeros_like(values[name])

    return change


def broken_number(values: Statistics) -> None:
    name = "model.action_head.weight"
    values[name] = values[name].copy()
    values[name].flat[3] = np.nan


def far_bias(values: Statistics) -> None:
    values["model.action_head.bias"] = np.full_like(values["model.action_head.bias"], 40.0)


def drop_tensor(values: Statistics) -> None:
    del values["model.action_head.bias"]


def other_width(values: Statistics) -> None:
    values["model.action_head.bias"] = np.zeros(5, np.float32)


MODEL = "plotter.xml"


def in_model(old: str, new: str) -> Callable[[Pair], None]:
    """Other text in the scene's MJCF."""

    def plant(pair: Pair) -> None:
        path = pair.scene.parent / MODEL
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return plant


_FEATURES: Mapping[str, Json] = MappingProxyType(
    {
        STATE: {"type": "STATE", "shape": [2]},
        ABOVE: {"type": "VISUAL", "shape": [3, 24, 32]},
        ASIDE: {"type": "VISUAL", "shape": [3, 24, 32]},
    }
)
SIX: Json = {"type": "STATE", "shape": [6]}
SEVEN: Json = {"type": "ACTION", "shape": [7]}
FPS_15: Json = {"dataset": {"repo_id": "someone/plotter"}, "env": {"type": "plotter", "fps": 15}}


FILES = (
    Fault("a folder without a configuration", "config-missing", removed(CONFIG)),
    Fault("a configuration cut short", "config-unreadable", cut(CONFIG, 200)),
    Fault("a configuration without its type", "policy-type", config(type=None)),
    Fault("a policy of a type nobody knows", "policy-type", config(type="my_transformer")),
    Fault("no input features", "features-missing", config(input_features=None)),
    Fault("no weights", "weights-missing", removed(WEIGHTS)),
    Fault("weights as a pickle", "weights-missing", pickled),
    Fault("weights cut short by a download", "weights-damaged", cut(WEIGHTS, 100_000)),
    Fault("normalisation among the weights", "old-format", weights(old_buffers)),
    Fault("a LoRA adapter", "peft-adapter", written("adapter_config.json", {"base_model_name_or_path": "a/b"})),
    Fault("no preprocessor", "processor-missing", removed(BEFORE)),
    Fault("no postprocessor", "processor-missing", removed(AFTER)),
    Fault("a postprocessor that is no JSON", "processor-unreadable", cut(AFTER, 50)),
    Fault("a step that is somebody's code", "processor-step", class_named),
    Fault("no statistics file", "statistics-missing", on_statistics_file(BEFORE, removed)),
    Fault(
        "a statistics file cut short",
        "statistics-damaged",
        on_statistics_file(AFTER, lambda name: cut(name, 90)),
    ),
)

SCALING = (
    Fault("no normaliser", "normaliser-absent", without_step(BEFORE, NORMALISER)),
    Fault("no un-normaliser", "normaliser-absent", without_step(AFTER, UNNORMALISER)),
    Fault("no statistics of the action", "inert-normaliser", statistic(ACTION, "std", None, pipelines=(AFTER,))),
    Fault("a camera's statistics under another name", "inert-normaliser", underscore_lost),
    Fault("a normaliser saved without statistics", "inert-normaliser", step(BEFORE, NORMALISER, without_file)),
    Fault("a normaliser for no features", "inert-normaliser", settings(BEFORE, NORMALISER, features={})),
    Fault(
        "a normaliser that leaves the state alone",
        "normalisation-mode",
        settings(BEFORE, NORMALISER, norm_map={"VISUAL": "MEAN_STD", "STATE": "IDENTITY", "ACTION": "MEAN_STD"}),
    ),
    Fault(
        "an un-normaliser of another mode",
        "normalisation-mode",
        settings(AFTER, UNNORMALISER, norm_map={"VISUAL": "MEAN_STD", "STATE": "MEAN_STD", "ACTION": "MIN_MAX"}),
    ),
    Fault("no normalisation at all", "identity-everywhere", identity_everywhere, severity="warning"),
    Fault("a joint that never moved", "tiny-std", statistic(STATE, "std", 1e-6, at=1), severity="warning"),
    Fault("an action that never changed", "tiny-std", statistic(ACTION, "std", 0.0, at=0), severity="warning"),
    Fault("pictures of deviation 0.002", "image-std", statistic(ASIDE, "std", 0.002), severity="warning"),
    Fault(
        "statistics of pictures in 0 .. 255",
        "image-scale",
        all_of(statistic(ABOVE, "mean", 120.0), statistic(ABOVE, "std", 60.0)),
    ),
    Fault("a mean that is no number", "statistics-not-finite", statistic(STATE, "mean", float("nan"), at=0)),
    Fault(
        "statistics of a wider state",
        "statistics-shape",
        lambda pair: set_statistics(pair.checkpoint, (BEFORE,), wider_state),
    ),
    Fault(
        "a postprocessor of another run",
        "statistics-mismatch",
        statistic(ACTION, "mean", [3.0, -9.0], pipelines=(AFTER,)),
    ),
    Fault(
        "a mean above the maximum", "statistics-inconsistent", statistic(STATE, "mean", 70.0, at=0), severity="warning"
    ),
    Fault(
        "a range of nothing",
        "zero-range",
        extremes(STATE, 5.0, 5.0, at=1),
        "min-max",
        "warning",
    ),
    Fault(
        "a range the wrong way round",
        "statistics-reversed",
        extremes(ACTION, 50.0, -50.0, at=0),
        "min-max",
    ),
)

SETTINGS = (
    Fault("more steps than the chunk has", "n-action-steps", config(n_action_steps=30)),
    Fault("no steps of a chunk", "n-action-steps", config(n_action_steps=0)),
    Fault("one step of a chunk, not ensembled", "n-action-steps-one", config(n_action_steps=1), severity="warning"),
    Fault("an ensemble that is asked too seldom", "ensemble-steps", config(temporal_ensemble_coeff=0.01)),
    Fault(
        "an ensemble in training, none now",
        "ensemble-off",
        written("train_config.json", {"policy": {"temporal_ensemble_coeff": 0.01}}),
        severity="warning",
    ),
    Fault(
        "an ensemble of a policy that cannot", "ensemble-off", config(temporal_ensemble_coeff=0.01), "flow", "warning"
    ),
    Fault(
        "an ensemble of the newest alone",
        "ensemble-coefficient",
        config(temporal_ensemble_coeff=-0.5, n_action_steps=1),
        severity="warning",
    ),
    Fault(
        "a checkpoint saved on a GPU", "device", settings(BEFORE, "device_processor", device="cuda"), severity="info"
    ),
    Fault(
        "a camera that is renamed on the way",
        "rename-map",
        settings(BEFORE, "rename_observations_processor", rename_map={ABOVE: "observation.images.front"}),
    ),
    Fault(
        "a tokenizer in somebody's folder",
        "tokenizer-missing",
        settings(BEFORE, "tiny_pi0_tokenizer", tokenizer_name="/nowhere/tokenizer"),
        "flow",
    ),
)

CONTRACT = (
    Fault(
        "another name of a camera",
        "camera-names",
        all_of(scene(("cameras.above", "cameras.top")), in_model('camera name="above"', 'camera name="top"')),
    ),
    Fault("a camera that the scene has not", "camera-names", scene(("[cameras.aside]\nwidth = 32\nheight = 24\n", ""))),
    Fault("a camera of another size", "camera-size", scene(("width = 32", "width = 64"))),
    Fault("a camera of another shape", "camera-size", scene(("height = 24", "height = 32"))),
    Fault(
        "a robot with more joints",
        "state-size",
        config(input_features={**_FEATURES, STATE: SIX}),
    ),
    Fault("commands for more joints", "action-size", config(output_features={ACTION: SEVEN})),
    Fault(
        "a policy that is told where the cube is",
        "environment-state",
        config(input_features={**_FEATURES, "observation.environment_state": {"type": "ENV", "shape": [3]}}),
    ),
    Fault(
        "no prompt for one that reads",
        "prompt-missing",
        scene(('prompt = "Push the cube."', 'prompt = ""')),
        "flow",
    ),
    Fault("another control rate", "control-rate", written("train_config.json", FPS_15), severity="warning"),
    Fault("another rate of the dataset", "control-rate", trained_on({"fps": 50}), severity="warning"),
    Fault(
        "other joints in the dataset's order",
        "joint-order",
        trained_on({"fps": 30, "features": {STATE: {"names": ["pitch.pos", "yaw.pos"]}}}),
    ),
    Fault("joints in another order", "joint-order", config(action_feature_names=["pitch.pos", "yaw.pos"]), "flow"),
)

UNITS = (
    Fault("a state in radians", "state-units", scaled((STATE,), float(np.pi / 200))),
    Fault("actions in radians", "action-units", scaled((ACTION,), float(np.pi / 200))),
    Fault(
        "a scene in radians for a policy in degrees",
        "state-units",
        scene(('unit = "range_100"', 'unit = "radians"'), ('unit = "degrees"', 'unit = "radians"')),
    ),
    Fault(
        "a state that is not of these joints",
        "state-range",
        extremes(STATE, -900.0, 900.0, at=0),
        severity="warning",
    ),
    Fault("actions of a larger robot", "action-range", scaled((ACTION,), 5.0)),
    Fault("the gripper first in the state", "state-layout", rolled(STATE, 1), "demo"),
    Fault("a state that is reversed", "state-layout", rolled(STATE, 3), "demo"),
    Fault(
        "a scene that begins elsewhere",
        "home-pose",
        all_of(
            *(statistic(STATE, name, value, at=1) for name, value in (("mean", 40.0), ("min", 25.0), ("max", 55.0)))
        ),
        severity="warning",
    ),
)

SCENE = (
    Fault("a scene file with a slip of the pen", "scene-unreadable", scene(("control_hz", "control_hertz"))),
    Fault(
        "two actuators swapped",
        "joint-mapping",
        scene(("yaw_servo", "x"), ("pitch_servo", "yaw_servo"), ('"x"', '"pitch_servo"')),
    ),
    Fault(
        "an actuator without strength",
        "joint-dead",
        in_model('joint="yaw" kp="20"', 'joint="yaw" kp="0.00001"'),
        severity="warning",
    ),
    Fault("an arm too heavy for its servos", "state-readback", in_model('mass=".1"', 'mass="6"')),
    Fault(
        "a success that needs no policy",
        "success-at-start",
        scene(("max_steps = 60", "lift_height = -1.0\nsettle_steps = 1\ninside_xy = 1.0\ninside_height = 1.0")),
    ),
)

LOADED = (
    Fault("a tensor that is missing", "does-not-load", weights(drop_tensor)),
    Fault("a tensor of another shape", "does-not-load", weights(other_width)),
    Fault("a weight that is no number", "does-not-load", weights(broken_number)),
    Fault("a field of another LeRobot", "does-not-load", config(use_flash_attention=True)),
    Fault("actions far out of reach", "action-scale", weights(far_bias)),
    Fault(
        "actions that have nothing to do with where the arm is",
        "first-action",
        all_of(
            *(statistic(ACTION, name, value, at=0) for name, value in (("mean", 95.0), ("min", 80.0), ("max", 105.0)))
        ),
        severity="warning",
    ),
    Fault(
        "a policy that says the same always",
        "ignores-observation",
        weights(zero("action_head.weight")),
        severity="warning",
    ),
    Fault(
        "a policy that does not look", "ignores-input", weights(zero("encoder_img_feat_input_proj")), severity="warning"
    ),
    Fault(
        "a policy that does not feel",
        "ignores-input",
        weights(zero("encoder_robot_state_input_proj")),
        severity="warning",
    ),
    Fault("a policy that does not move", "flat-chunk", scaled((ACTION,), 0.002), severity="warning"),
)

FAULTS = (*FILES, *SCALING, *SETTINGS, *CONTRACT, *UNITS, *SCENE, *LOADED)
