"""How a checkpoint and a scene are edited as people edit them, one thing at a time, for `tests.faults`."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
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


def with_dataset(pair: Pair, healthy: Pair, prompt: str = "") -> None:
    """The dataset of the training run is on this machine, with the statistics that a healthy checkpoint has."""
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    root = pair.checkpoint / "dataset"
    (root / "meta").mkdir(parents=True)
    nested: dict[str, dict[str, object]] = {}
    for key, value in load_file(state_files(healthy.checkpoint)[BEFORE]).items():
        feature, _, name = key.rpartition(".")
        nested.setdefault(feature, {})[name] = value.tolist()
    (root / "meta" / "stats.json").write_text(json.dumps(nested))
    (root / "meta" / "info.json").write_text(json.dumps({"fps": 30}))
    if prompt:
        pyarrow.parquet.write_table(pyarrow.table({"task": [prompt]}), root / "meta" / "tasks.parquet")
    written("train_config.json", {"dataset": {"repo_id": "someone/plotter", "root": str(root)}})(pair)


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


def as_before_processors(pair: Pair) -> None:
    """A checkpoint as LeRobot before 0.4 saved it."""
    statistics = load_file(state_files(pair.checkpoint)[BEFORE])

    def change(values: Statistics) -> None:
        for key, value in statistics.items():
            feature, _, name = key.rpartition(".")
            if name in ("mean", "std"):
                part = "unnormalize_outputs" if feature == ACTION else "normalize_inputs"
                values[f"{part}.buffer_{feature.replace('.', '_')}.{name}"] = value

    weights(change)(pair)
    for path in (*state_files(pair.checkpoint).values(), pair.checkpoint / BEFORE, pair.checkpoint / AFTER):
        path.unlink()


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
