"""What a checkpoint folder says of itself before any weight is loaded, as plain data.

Nothing here is trusted: fields may be missing, or of any type, because the files may come from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from viewer_app.doctor.finding import Finding
from viewer_app.types import FloatArray

STATE = "observation.state"
ENVIRONMENT_STATE = "observation.environment_state"
ACTION = "action"
IDENTITY = "IDENTITY"
NEEDED = {
    "MEAN_STD": ("mean", "std"),
    "MIN_MAX": ("min", "max"),
    "QUANTILES": ("q01", "q99"),
    "QUANTILE10": ("q10", "q90"),
}
"""The statistics that each of LeRobot's modes of normalisation reads."""
_IMAGES = "observation.images."

Statistics = Mapping[str, Mapping[str, FloatArray]]
"""Feature to name of a statistic to its values."""


@dataclass(frozen=True)
class Feature:
    """One input or output of the policy."""

    key: str
    """LeRobot's name, for example `observation.images.wrist_cam`."""
    kind: str
    """LeRobot's: STATE, VISUAL, ENV or ACTION."""
    shape: tuple[int, ...]

    @property
    def camera(self) -> str:
        """The scene's name of a camera's feature."""
        return self.key.removeprefix(_IMAGES if self.key.startswith(_IMAGES) else "observation.")


@dataclass(frozen=True)
class ProcessorStep:
    """One step of a processor."""

    name: str
    """In LeRobot's registry, for example `normalizer_processor`."""
    settings: Mapping[str, object]
    statistics: Statistics | None
    """None where the step names no file of them."""

    @property
    def modes(self) -> Mapping[str, object]:
        """Kind of feature to its mode of normalisation, as the step has it."""
        return mapping_of(self.settings.get("norm_map"))

    @property
    def features(self) -> Mapping[str, object]:
        return mapping_of(self.settings.get("features"))


@dataclass(frozen=True)
class CheckpointFacts:
    """A checkpoint folder, read as far as it can be."""

    name: str
    """How a person calls it."""
    folder: str
    unreadable: tuple[Finding, ...] = ()
    """What is missing or damaged. The fields below are then as full as they can be."""
    kind: str = ""
    """LeRobot's policy type, empty where it is not said."""
    config: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    inputs: tuple[Feature, ...] = ()
    outputs: tuple[Feature, ...] = ()
    before: tuple[ProcessorStep, ...] | None = None
    """The preprocessor, None where it cannot be read."""
    after: tuple[ProcessorStep, ...] | None = None
    """The postprocessor, None where it cannot be read."""
    trained: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """`train_config.json`, empty where there is none."""
    dataset: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """`meta/info.json` of the dataset that it was trained on, empty where that is not on this machine."""
    dataset_root: str = ""
    """Where the statistics of that dataset lie on this disk, empty where they do not."""
    prompts: tuple[str, ...] = ()
    """What the policy was told to do in that dataset, as far as that is known."""
    here: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    """Folders that the processors name, to whether they are on this machine."""

    @property
    def cameras(self) -> Mapping[str, tuple[int, int]]:
        """Camera to (height, width), in the order in which the policy reads them. [px]"""
        found = [each for each in self.inputs if each.kind == "VISUAL" and len(each.shape) == 3]
        return {each.camera: (each.shape[1], each.shape[2]) for each in found}

    @property
    def n_state(self) -> int:
        """0 where it reads none."""
        return self._size(self.inputs, STATE)

    @property
    def n_environment_state(self) -> int:
        """0 where it reads none."""
        return self._size(self.inputs, ENVIRONMENT_STATE)

    @property
    def n_action(self) -> int:
        """0 where that is not said."""
        return self._size(self.outputs, ACTION)

    @property
    def modes(self) -> Mapping[str, object]:
        """Kind of feature to its mode of normalisation, as the configuration has it."""
        return mapping_of(self.config.get("normalization_mapping"))

    @property
    def joint_names(self) -> tuple[str, ...]:
        """What the numbers of its action are called, empty where nobody says."""
        features = mapping_of(self.dataset.get("features"))
        told = (self.config.get("action_feature_names"), mapping_of(features.get(ACTION)).get("names"))
        return next((names for raw in told if len(names := without_what(raw)) == self.n_action), ())

    @property
    def reads_text(self) -> bool:
        """Whether the preprocessor turns a prompt into tokens."""
        return any("tokenizer" in each.name for each in self.before or ())

    @property
    def chunk_size(self) -> int | None:
        """Actions that a call can give, None where the configuration does not say."""
        size, horizon = number(self.config, "chunk_size"), number(self.config, "horizon")
        if size is None and horizon is not None:
            size = horizon - (number(self.config, "n_obs_steps") or 1) + 1
        return None if size is None else int(size)

    def statistics(self, key: str) -> Mapping[str, FloatArray]:
        """What the training data were like, from the first step that says it. Empty where none does."""
        for step in (*(self.before or ()), *(self.after or ())):
            if step.statistics is not None and key in step.statistics:
                return step.statistics[key]
        return {}

    def _size(self, features: tuple[Feature, ...], key: str) -> int:
        return next((each.shape[0] for each in features if each.key == key and each.shape), 0)


def without_what(raw: object) -> tuple[str, ...]:
    """Names as a dataset has them (`gripper.pos`), without what they measure; none where they are no names."""
    if isinstance(raw, list) and all(isinstance(name, str) for name in raw):
        return tuple(name.removesuffix(".pos") for name in raw)
    return ()


def mapping_of(value: object) -> Mapping[str, object]:
    """A JSON object, or an empty one in place of anything else."""
    return value if isinstance(value, Mapping) else {}


def number(values: Mapping[str, object], name: str) -> float | None:
    """A number of a JSON object, None where it has none of that name."""
    value = values.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
