"""What can be read of a checkpoint folder before any weight is loaded: configuration, processors, statistics.

Unlike `checkpoint.read_checkpoint` it does not stop at the first thing that is wrong: it says all of it, and reads the
rest. It needs neither torch nor LeRobot.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from safetensors import SafetensorError, safe_open

from policies.adapter import ADAPTER_CONFIG, AdapterError, base_folder
from policies.checkpoint import CONFIG, PICKLES, POSTPROCESSOR, PREPROCESSOR, WEIGHTS, migration
from policies.checkpoint import Statistics as GivenStatistics
from policies.load import ADAPTERS
from policies.old_format import OLD_NORMALISATION, STILL_MADE, OldFormatError, read_statistics
from policies.packages import is_lerobots
from policies.source import Place
from policies.statistics import TRAINED, dataset_roots, has_statistics
from viewer_app.doctor.facts import CheckpointFacts, Feature, ProcessorStep, Statistics, mapping_of
from viewer_app.doctor.finding import Finding
from viewer_app.types import FloatArray, frozen

_COPY = "Copy it again from where the policy was trained."


def examine(place: Place, given: GivenStatistics | None = None) -> CheckpointFacts:
    """All that a checkpoint folder says of itself.

    Args:
        place: A folder that is there. See `source.find_folder`.
        given: Statistics of the training data, of which processors are made in place of the checkpoint's own.
    """
    folder = place.folder
    unreadable: list[Finding] = []
    config = _read_json(folder / CONFIG, unreadable, "config-missing", "config-unreadable") or {}
    kind = config.get("type")
    if config:
        unreadable += _about_kind(folder, config)
    adapted = _base_of(place, config, unreadable)
    unreadable += _about_weights(folder, adapted or folder, config)
    before, after = (_read_steps(folder, name, unreadable) for name in (PREPROCESSOR, POSTPROCESSOR))
    if any(each.id == "old-format" and each.severity == "info" for each in unreadable):
        # What the processors would hold is among the weights.
        unreadable = [each for each in unreadable if each.id != "processor-missing"]
        before, after = _steps_among_weights(adapted or folder, config, unreadable)
    if given is not None:
        unreadable = [each for each in unreadable if not each.id.startswith(("processor-", "statistics-"))]
        before, after = _steps_of(config, given)
    trained = _read_json(folder / TRAINED, unreadable, "", "train-config-unreadable") or {}
    dataset, root = _dataset_of(trained)
    return CheckpointFacts(
        name=place.name,
        folder=str(folder),
        unreadable=tuple(unreadable),
        kind=kind if isinstance(kind, str) else "",
        config=MappingProxyType(config),
        inputs=tuple(_features(config.get("input_features"))),
        outputs=tuple(_features(config.get("output_features"))),
        before=before,
        after=after,
        trained=MappingProxyType(trained),
        dataset=MappingProxyType(dataset),
        dataset_root=str(root) if root is not None and has_statistics(root) else "",
        prompts=_prompts(root) if root is not None else (),
        here=MappingProxyType({name: Path(name).is_dir() for name in _folders_named(before or ())}),
    )


def _read_json(path: Path, unreadable: list[Finding], missing: str, damaged: str) -> dict[str, object] | None:
    """A JSON object. Where there is none, `unreadable` grows, unless `missing` is empty and the file is not there."""
    if not path.is_file():
        if missing:
            inner = path.parent / "pretrained_model" / path.name
            hint = f"Name {inner.parent} instead." if inner.is_file() else "Name the folder that LeRobot saved."
            unreadable.append(Finding(missing, "error", f"There is no {path.name} in {path.parent}.", hint))
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        unreadable.append(Finding(damaged, "error", f"{path.name} is not readable JSON ({error}).", _COPY))
        return None
    if not isinstance(value, dict):
        unreadable.append(Finding(damaged, "error", f"{path.name} holds no JSON object.", _COPY))
        return None
    return value


def _is_adapter(folder: Path, config: Mapping[str, object]) -> bool:
    return (folder / ADAPTER_CONFIG).is_file() or config.get("use_peft") is True


def _about_kind(folder: Path, config: Mapping[str, object]) -> Iterator[Finding]:
    kind = config.get("type")
    if not isinstance(kind, str):
        mend = 'Add one, such as "type": "act", if it is LeRobot\'s.'
        yield Finding("policy-type", "error", f"{CONFIG} does not say its policy type.", mend)
    elif kind not in ADAPTERS and not is_lerobots(kind):
        evidence = (
            f"The policy type is {kind!r}; Whiskers runs {', '.join(ADAPTERS)}, and what LeRobot's plugins bring."
        )
        yield Finding(
            "policy-type",
            "error",
            evidence,
            "Install the plugin that it needs, or open a checkpoint of one of these types.",
        )
    for key in ("input_features", "output_features"):
        if not mapping_of(config.get(key)):
            evidence = f"{CONFIG} has no {key}, so nothing says what the policy reads and gives."
            yield Finding("features-missing", "error", evidence, _COPY)


def _base_of(place: Place, config: Mapping[str, object], findings: list[Finding]) -> Path | None:
    """Where the weights are that an adapter changes; None of a whole policy, or where they are not to be found."""
    if not _is_adapter(place.folder, config):
        return None
    try:
        base = base_folder(place.folder, place.base)
    except AdapterError as error:
        mend = "Open it as BASE+ADAPTER, with the folder or hub id of its base policy before the plus."
        findings.append(Finding("peft-adapter", "error", str(error), mend))
        return None
    evidence = f"The folder holds a PEFT adapter of {base.name}, which is put on without merging."
    findings.append(Finding("peft-adapter", "info", evidence, "Nothing to mend."))
    return base


def _about_weights(folder: Path, weights: Path, config: Mapping[str, object]) -> Iterator[Finding]:
    """`weights` is the folder that holds them, another than the checkpoint's own where that is an adapter."""
    path = weights / WEIGHTS
    if not path.is_file():
        if _is_adapter(folder, config):
            return
        pickles = sorted(each.name for pattern in PICKLES for each in folder.glob(pattern))
        evidence = f"There is no {WEIGHTS}" + (f", only {', '.join(pickles)}." if pickles else ".")
        mend = (
            "Load it where you trust it and save it again with save_pretrained; pickle files can run code."
            if pickles
            else "Copy it from where the policy was trained."
        )
        yield Finding("weights-missing", "error", evidence, mend)
        return
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
    except (SafetensorError, OSError, ValueError) as error:
        evidence = f"{WEIGHTS} ({path.stat().st_size} bytes) is truncated or damaged ({' '.join(str(error).split())})."
        yield Finding("weights-damaged", "error", evidence, _COPY)
        return
    old = [name for name in names if name.startswith(OLD_NORMALISATION)]
    if old:
        whole = _is_old(folder, config)
        evidence = (
            f"{len(old)} of {len(names)} tensors of {WEIGHTS} are normalisation statistics, such as {old[0]}, as "
            f"LeRobot kept them before 0.4{'; they are taken over' if whole else ', and there are processors too'}."
        )
        yield Finding("old-format", "info" if whole else "error", evidence, f"Convert it with `{migration(folder)}`.")


def _is_old(folder: Path, config: Mapping[str, object]) -> bool:
    """Whether normalisation among the weights can be taken over: no processors contradict it."""
    processors = any((folder / name).exists() for name in (PREPROCESSOR, POSTPROCESSOR))
    return config.get("type") in STILL_MADE and not processors


def _steps_among_weights(
    folder: Path, config: Mapping[str, object], unreadable: list[Finding]
) -> tuple[tuple[ProcessorStep, ...] | None, tuple[ProcessorStep, ...] | None]:
    """What the processors of an old checkpoint become."""
    with safe_open(folder / WEIGHTS, framework="numpy") as file:
        names = [name for name in file.keys() if name.startswith(OLD_NORMALISATION)]  # noqa: SIM118 (not a mapping)
    try:
        read = read_statistics(folder / WEIGHTS, names, config)
    except OldFormatError as error:
        unreadable.append(Finding("statistics-damaged", "error", str(error), _COPY))
        return None, None
    return _steps_of(config, read)


def _steps_of(
    config: Mapping[str, object], read: GivenStatistics
) -> tuple[tuple[ProcessorStep, ...], tuple[ProcessorStep, ...]]:
    """What LeRobot makes of statistics that are no processor's."""
    statistics = {
        feature: {name: frozen(np.asarray(value, np.float64)) for name, value in values.items()}
        for feature, values in read.items()
    }
    features = {**mapping_of(config.get("input_features")), **mapping_of(config.get("output_features"))}
    settings = {"norm_map": config.get("normalization_mapping"), "features": features}
    return (
        (ProcessorStep("normalizer_processor", settings, statistics),),
        (ProcessorStep("unnormalizer_processor", settings, statistics),),
    )


def _features(raw: object) -> Iterator[Feature]:
    for key, value in mapping_of(raw).items():
        kind, shape = mapping_of(value).get("type"), mapping_of(value).get("shape")
        if isinstance(kind, str) and isinstance(shape, list) and all(isinstance(size, int) for size in shape):
            yield Feature(key, kind, tuple(shape))


def _read_steps(folder: Path, name: str, unreadable: list[Finding]) -> tuple[ProcessorStep, ...] | None:
    raw = _read_json(folder / name, unreadable, "", "processor-unreadable")
    if not (folder / name).is_file():
        evidence = f"There is no {name}, so the policy's numbers have no scale."
        mend = f"Copy it from where the policy was trained, or convert an old checkpoint with `{migration(folder)}`."
        unreadable.append(Finding("processor-missing", "error", evidence, mend))
    if raw is None:
        return None
    entries = raw.get("steps")
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        unreadable.append(Finding("processor-unreadable", "error", f"{name} has no list of steps.", _COPY))
        return None
    return tuple(_read_step(folder, name, index, entry, unreadable) for index, entry in enumerate(entries))


def _read_step(
    folder: Path, pipeline: str, index: int, entry: Mapping[str, object], unreadable: list[Finding]
) -> ProcessorStep:
    name = entry.get("registry_name")
    if not isinstance(name, str):
        evidence = f"Step {index} of {pipeline} names code ({entry.get('class')!r}) in place of one of LeRobot's steps."
        mend = "Save it with registered steps; code that a checkpoint names is not imported."
        unreadable.append(Finding("processor-step", "error", evidence, mend))
    statistics = None
    if "state_file" in entry:
        statistics = _read_statistics(folder, str(entry["state_file"]), pipeline, unreadable)
    return ProcessorStep(str(name), MappingProxyType(dict(mapping_of(entry.get("config")))), statistics)


def _read_statistics(folder: Path, file_name: str, pipeline: str, unreadable: list[Finding]) -> Statistics | None:
    path = folder / file_name
    if Path(file_name).name != file_name or not path.is_file():
        evidence = f"{pipeline} names {file_name!r} as its statistics, and no such file is beside it."
        unreadable.append(
            Finding("statistics-missing", "error", evidence, "Copy it from where the policy was trained.")
        )
        return None
    found: dict[str, dict[str, FloatArray]] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for key in file.keys():  # noqa: SIM118 (not a mapping)
                feature, _, statistic = key.rpartition(".")
                found.setdefault(feature, {})[statistic] = frozen(np.asarray(file.get_tensor(key), np.float64))
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        evidence = f"{file_name} ({path.stat().st_size} bytes) is damaged ({' '.join(str(error).split())})."
        unreadable.append(Finding("statistics-damaged", "error", evidence, _COPY))
        return None
    return found


def _dataset_of(trained: Mapping[str, object]) -> tuple[dict[str, object], Path | None]:
    """`meta/info.json` of the training dataset, and where that lies, where it is on this machine."""
    dataset = mapping_of(trained.get("dataset"))
    for root in dataset_roots(dataset.get("repo_id"), dataset.get("root")):
        info = _read_json(root / "meta" / "info.json", [], "", "")
        if info is not None:
            return info, root
    return {}, None


def _prompts(root: Path) -> tuple[str, ...]:
    """What the policy was told to do in a dataset. Empty where that is not said, or cannot be read."""
    table = root / "meta" / "tasks.parquet"
    if not table.is_file():
        return ()
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        columns = pyarrow.parquet.read_table(table).to_pydict()
    except (OSError, pyarrow.ArrowException):
        return ()
    words = columns.get("task", columns.get("__index_level_0__", []))
    return tuple(text for text in words if isinstance(text, str) and text.strip())


def _folders_named(steps: tuple[ProcessorStep, ...]) -> Iterator[str]:
    """Tokenizers that a step looks for in a folder, not on the hub."""
    for step in steps:
        name = step.settings.get("tokenizer_name")
        if isinstance(name, str) and Path(name).is_absolute():
            yield name
