"""A checkpoint on disk, read and validated as far as that goes without torch and without running any of its code.

Knows LeRobot's file names and the form of its JSON. What the fields of a policy type mean is its adapter's to know.
Weights are read from safetensors alone: pickle files can run code, so they are named in the complaint and never opened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from policies.adapter import ADAPTER_CONFIG, ADAPTER_FILES, ADAPTER_WEIGHTS, AdapterError, base_folder
from policies.old_format import OLD_NORMALISATION, STILL_MADE, OldFormatError, read_statistics
from policies.progress import Progress, Report, within
from policies.source import Place
from viewer_app.types import WhiskersError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PREPROCESSOR = "policy_preprocessor.json"
POSTPROCESSOR = "policy_postprocessor.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
Statistics = Mapping[str, Mapping[str, NDArray[np.float32]]]
"""Feature to name of a statistic to its values."""
_BLOCK = 1 << 22
"""How much of a file is hashed at a time. [byte]"""


class CheckpointError(WhiskersError):
    """A checkpoint cannot be used. The message names the file and how to mend it."""


@dataclass(frozen=True)
class TensorSpec:
    """One tensor of a weight file, without its values."""

    dtype: str
    """In safetensors' words, for example `F16`."""
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder whose files are all there and can be read."""

    name: str
    source: str
    folder: Path
    kind: str
    """LeRobot's policy type."""
    config: Mapping[str, object]
    """`config.json` as it stands."""
    steps: Mapping[str, tuple[Mapping[str, object], ...]]
    """The entries of `PREPROCESSOR` and of `POSTPROCESSOR`, by file name."""
    tensors: Mapping[str, TensorSpec]
    """What the weight file holds of the model."""
    digest: str
    """SHA-256 of every file that decides what the policy does, hexadecimal."""
    n_adapter_tensors: int = 0
    """How many tensors an adapter's file holds."""
    base: Path | None = None
    """Folder of the policy whose weights an adapter changes, where `folder` holds an adapter; None otherwise."""
    old_statistics: Statistics | None = None
    """Feature to statistic to value where LeRobot before 0.4 kept them among the weights, and there are no processors,
    or where a person gave others than the checkpoint's: `steps` is then without entries. None otherwise."""

    @property
    def weights(self) -> Path:
        return (self.base or self.folder) / WEIGHTS

    @property
    def n_tensors(self) -> int:
        """How many tensors there are to verify."""
        return len(self.tensors) + self.n_adapter_tensors

    def statistics_file(self, pipeline: str, registry_name: str) -> Path:
        """The file with the statistics of a step, or the pipeline's own file where the step has none."""
        if self.old_statistics is not None:
            return self.weights
        for step in self.steps[pipeline]:
            if step.get("registry_name") == registry_name and isinstance(step.get("state_file"), str):
                return self.folder / str(step["state_file"])
        return self.folder / pipeline


def read_checkpoint(place: Place, report: Report, given: Statistics | None = None) -> Checkpoint:
    """Read all of a checkpoint but the values of its weights.

    Args:
        place: Where it is.
        report: Told the progress, which for large weights is that of the digest.
        given: Statistics of the training data. Processors are made of them, and those of the checkpoint not read.

    Raises:
        CheckpointError: If a file is missing or damaged, or of a form that Whiskers does not open.
    """
    folder = place.folder
    report(Progress(f"Reading {place.name}", 0.0))
    config = _read_config(folder)
    kind = config.get("type")
    if not isinstance(kind, str):
        raise CheckpointError(
            f"Checkpoint file {folder / CONFIG} does not say its policy type; if it is LeRobot's, add one such as "
            '"type": "act".'
        )
    base = None
    if (folder / ADAPTER_CONFIG).exists() or config.get("use_peft") is True:
        try:
            base = base_folder(folder, place.base)
        except AdapterError as error:
            raise CheckpointError(str(error)) from None
    tensors = _read_tensor_specs(base or folder)
    pipelines = (PREPROCESSOR, POSTPROCESSOR)
    old = [name for name in tensors if name.startswith(OLD_NORMALISATION)]
    statistics: Statistics | None = None
    steps: dict[str, tuple[Mapping[str, object], ...]]
    if given is not None:
        statistics, steps = given, dict.fromkeys(pipelines, ())
        tensors = {name: spec for name, spec in tensors.items() if name not in old}
    elif old and kind in STILL_MADE and not any((folder / name).exists() for name in pipelines):
        try:
            statistics = read_statistics((base or folder) / WEIGHTS, old, config)
        except OldFormatError as error:
            raise CheckpointError(f"Checkpoint file {(base or folder) / WEIGHTS}: {error}") from None
        tensors = {name: spec for name, spec in tensors.items() if name not in old}
        steps = dict.fromkeys(pipelines, ())
    else:
        _refuse_old(folder, old)
        steps = {name: _read_steps(folder, name) for name in pipelines}
    state_files = [str(step["state_file"]) for entries in steps.values() for step in entries if "state_file" in step]
    for name in state_files:
        _tensor_specs(folder / name)
    names = {CONFIG, *(steps if statistics is None else ()), *state_files, *(ADAPTER_FILES if base is not None else ())}
    files = sorted([(base or folder) / WEIGHTS, *(folder / name for name in names)], key=lambda path: path.name)
    return Checkpoint(
        name=place.name,
        source=place.source,
        folder=folder,
        kind=kind,
        config=MappingProxyType(config),
        steps=MappingProxyType(steps),
        tensors=MappingProxyType(tensors),
        digest=_digest(files, within(report, 0.1, 1.0), given),
        n_adapter_tensors=len(_tensor_specs(folder / ADAPTER_WEIGHTS)) if base is not None else 0,
        base=base,
        old_statistics=statistics,
    )


def _read_config(folder: Path) -> dict[str, object]:
    if not (folder / CONFIG).is_file():
        inner = folder / "pretrained_model"
        hint = f"did you mean {inner}?" if (inner / CONFIG).is_file() else "name the folder that LeRobot saved."
        raise CheckpointError(f"Checkpoint {folder} has no {CONFIG}; {hint}")
    return _read_json(folder / CONFIG)


def _read_json(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"Checkpoint file {path} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"Checkpoint file {path} is not valid JSON ({error}); copy or save it again.") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"Checkpoint file {path} must hold one JSON object; copy or save it again.")
    return value


def _read_tensor_specs(folder: Path) -> dict[str, TensorSpec]:
    """What the weight file holds, if it is one that Whiskers opens."""
    if not (folder / WEIGHTS).is_file():
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        if pickles:
            raise CheckpointError(
                f"Checkpoint {folder} has {', '.join(pickles)} but no {WEIGHTS}; pickle files can run code and are not "
                "opened: load it where you trust it and save it again with LeRobot's save_pretrained."
            )
        raise CheckpointError(f"Checkpoint {folder} has no {WEIGHTS}; copy it from where the policy was trained.")
    return _tensor_specs(folder / WEIGHTS)


def _refuse_old(folder: Path, old: list[str]) -> None:
    """Refuse normalisation among the weights that cannot be taken over."""
    if old:
        raise CheckpointError(
            f"Checkpoint {folder} keeps its normalisation in {WEIGHTS} ({old[0]} and {len(old) - 1} more), as LeRobot "
            f"did before 0.4; convert it with `{migration(folder)}`."
        )


def migration(folder: Path) -> str:
    """The command that turns a checkpoint of LeRobot before 0.4 into a present one."""
    return f"python -m lerobot.processor.migrate_policy_normalization --pretrained-path {folder}"


def _tensor_specs(path: Path) -> dict[str, TensorSpec]:
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            return {name: TensorSpec(each.get_dtype(), tuple(each.get_shape())) for name, each in slices.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"Checkpoint file {path} is truncated or damaged ({' '.join(str(error).split())}); copy it again."
        ) from None


def _read_steps(folder: Path, name: str) -> tuple[Mapping[str, object], ...]:
    """The entries of a processor file, each naming a step by LeRobot's registry and its statistics by a plain file."""
    path = folder / name
    if not path.is_file():
        raise CheckpointError(
            f"Checkpoint {folder} has no {name}, without which its numbers have no scale; copy it from where the "
            f"policy was trained, or convert an old checkpoint with `{migration(folder)}`."
        )
    entries = _read_json(path).get("steps")
    if not isinstance(entries, list):
        raise CheckpointError(f"Checkpoint file {path} has no list of steps; copy or save it again.")
    return tuple(_checked_step(path, index, entry) for index, entry in enumerate(entries))


def _checked_step(path: Path, index: int, entry: object) -> Mapping[str, object]:
    if not isinstance(entry, dict) or not isinstance(entry.get("registry_name"), str):
        given = entry.get("class") if isinstance(entry, dict) else entry
        raise CheckpointError(
            f"Checkpoint file {path}: step {index} ({given!r}) is not one of LeRobot's registered steps, and code that "
            "a checkpoint names is not imported; save it with registered steps."
        )
    if "state_file" in entry:
        state_file = entry["state_file"]
        if not isinstance(state_file, str) or not state_file.isprintable() or Path(state_file).name != state_file:
            raise CheckpointError(
                f"Checkpoint file {path}: step {index} must name a file beside it as state_file, not {state_file!r}."
            )
        if not (path.parent / state_file).is_file():
            raise CheckpointError(
                f"Checkpoint {path.parent} has no {state_file}, which holds the statistics that {path.name} names; "
                "copy it from where the policy was trained."
            )
    return MappingProxyType(entry)


def _digest(files: Sequence[Path], report: Report, given: Statistics | None) -> str:
    """SHA-256 over name, size and content of each file, and over statistics that are not the checkpoint's."""
    total = sum(path.stat().st_size for path in files) or 1
    hasher, done = hashlib.sha256(), 0
    for feature, values in sorted((given or {}).items()):
        for name, value in sorted(values.items()):
            hasher.update(f"{feature}.{name}\0{value.shape}\0".encode() + value.tobytes())
    for path in files:
        hasher.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        for block in _blocks(path):
            hasher.update(block)
            done += len(block)
            report(Progress("Hashing the weights", min(done / total, 1.0)))
    return hasher.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
    except OSError as error:
        raise CheckpointError(f"Checkpoint file {path} cannot be read ({error.strerror}).") from None
