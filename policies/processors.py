"""A checkpoint's own pre- and postprocessor, proven not to be inert, and what they do to the numbers as plain data.

LeRobot's normaliser passes a feature through without a word where it has no statistics for it. Here each feature that
the configuration wants normalised must have them, finite and of a fitting shape, or the checkpoint is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from lerobot.configs.policies import PreTrainedConfig
from lerobot.configs.types import FeatureType, NormalizationMode, PolicyFeature
from lerobot.processor import (
    AbsoluteActionsProcessorStep,
    NormalizerProcessorStep,
    PolicyProcessorPipeline,
    ProcessorStepRegistry,
    RelativeActionsProcessorStep,
    UnnormalizerProcessorStep,
)
from lerobot.processor.converters import (
    batch_to_transition,
    policy_action_to_transition,
    transition_to_batch,
    transition_to_policy_action,
)
from numpy.typing import NDArray
from torch import Tensor

from policies.checkpoint import CONFIG, POSTPROCESSOR, PREPROCESSOR, Checkpoint, CheckpointError, migration
from policies.inputs import STATE, Inputs
from policies.model import reason
from viewer_app.types import Scale, frozen

ACTION = "action"
_NEEDED = {
    NormalizationMode.MEAN_STD: ("mean", "std"),
    NormalizationMode.MIN_MAX: ("min", "max"),
    NormalizationMode.QUANTILES: ("q01", "q99"),
    NormalizationMode.QUANTILE10: ("q10", "q90"),
}
"""The statistics that each mode reads."""

type _Step = NormalizerProcessorStep | UnnormalizerProcessorStep


@dataclass(frozen=True)
class Processors:
    """Both pipelines of a checkpoint, and what is known of them."""

    before: PolicyProcessorPipeline
    """Observation batch to the model's batch: adds the batch dimension, moves to the device, normalises."""
    after: PolicyProcessorPipeline
    """The model's actions to scene units, on the CPU."""
    action_scale: Scale | None
    """None where `after` is anything but this scale, to the bit."""
    state_scale: Scale | None
    camera_mean: Mapping[str, tuple[float, float, float]]
    """Camera to mean colour in the training statistics, RGB in [0, 1]."""
    relative: bool = False
    """Whether `after` adds the state that `before` was given last: the model's actions are changes of it."""


def load_processors(checkpoint: Checkpoint, config: PreTrainedConfig, inputs: Inputs, device: str) -> Processors:
    """The checkpoint's processors, through LeRobot's own loader.

    Args:
        checkpoint: Where they are.
        config: Says which features are to be normalised.
        inputs: What the policy reads.
        device: Overrides the device that the processors were saved with, as LeRobot asks of those who move them.

    Raises:
        CheckpointError: If they cannot be loaded, or leave a feature as it is that the configuration wants normalised.
    """
    if checkpoint.old_statistics is None:
        before = _pipeline(checkpoint, PREPROCESSOR, device)
        after = _pipeline(checkpoint, POSTPROCESSOR, "cpu")
    else:
        before, after = _made(checkpoint, config, checkpoint.old_statistics)
    try:
        return _understood(checkpoint, config, inputs, before, after)
    except CheckpointError:
        raise
    except Exception as error:  # LeRobot's steps take settings of any form, and fail where they use them.
        raise CheckpointError(
            f"Checkpoint {checkpoint.folder}: {PREPROCESSOR} or {POSTPROCESSOR} has a setting that LeRobot cannot use "
            f"({reason(error)}); copy them from where the policy was trained."
        ) from error


def _understood(
    checkpoint: Checkpoint,
    config: PreTrainedConfig,
    inputs: Inputs,
    before: PolicyProcessorPipeline,
    after: PolicyProcessorPipeline,
) -> Processors:
    """Both pipelines, checked, with what they do."""
    normalisers = [step for step in before.steps if isinstance(step, NormalizerProcessorStep)]
    unnormalisers = [step for step in after.steps if isinstance(step, UnnormalizerProcessorStep)]
    for key, feature in (config.input_features or {}).items():
        _check_feature(checkpoint, PREPROCESSOR, config, normalisers, key, feature)
    action = (config.output_features or {})[ACTION]
    _check_feature(checkpoint, POSTPROCESSOR, config, unnormalisers, ACTION, action)
    size = action.shape[0]
    relative = _paired(checkpoint, config, before, after)
    return Processors(
        before=before,
        after=after,
        action_scale=_proven(_scale(unnormalisers, ACTION, FeatureType.ACTION, size), after, size),
        state_scale=_scale(normalisers, STATE, FeatureType.STATE, inputs.n_state) if inputs.n_state else None,
        camera_mean=_camera_mean(normalisers, inputs),
        relative=relative,
    )


def _paired(
    checkpoint: Checkpoint, config: PreTrainedConfig, before: PolicyProcessorPipeline, after: PolicyProcessorPipeline
) -> bool:
    """Let the step that makes actions absolute know the one that remembers the state, which files cannot say. Returns
    whether actions are relative.

    Source: LeRobot 0.6.1, `policies/factory.py`, `_reconnect_relative_absolute_steps`.
    """
    remembering = [step for step in before.steps if isinstance(step, RelativeActionsProcessorStep)]
    adding = [step for step in after.steps if isinstance(step, AbsoluteActionsProcessorStep)]
    for step in adding:
        if remembering and step.relative_step is None:
            step.relative_step = remembering[0]
    said = [any(step.enabled for step in adding), any(step.enabled for step in remembering)]
    if hasattr(config, "use_relative_actions"):
        said.append(bool(config.use_relative_actions))
    if len(set(said)) > 1:
        raise CheckpointError(
            f"Checkpoint {checkpoint.folder}: of {CONFIG}, {PREPROCESSOR} and {POSTPROCESSOR} some say that actions "
            "are relative to the state, and the others do not; copy all from where the policy was trained."
        )
    return said[0]


def _camera_mean(steps: list[_Step], inputs: Inputs) -> dict[str, tuple[float, float, float]]:
    found = {}
    for name, camera in inputs.cameras.items():
        for step in steps:
            mean = _statistics(step, camera.key).get("mean")
            if mean is not None and mean.numel() == 3 and mean.isfinite().all():
                red, green, blue = mean.flatten().tolist()
                found[name] = (red, green, blue)
    return found


def _pipeline(checkpoint: Checkpoint, name: str, device: str) -> PolicyProcessorPipeline:
    registered = ProcessorStepRegistry.list()
    names = [str(step["registry_name"]) for step in checkpoint.steps[name]]
    for step in names:
        if step not in registered:
            raise CheckpointError(
                f"Checkpoint file {checkpoint.folder / name} has a step {step!r} that the installed LeRobot does not "
                f"know; valid are {', '.join(sorted(registered))}."
            )
    first = name == PREPROCESSOR
    try:
        return PolicyProcessorPipeline.from_pretrained(
            str(checkpoint.folder),
            config_filename=name,
            overrides={"device_processor": {"device": device}} if "device_processor" in names else {},
            to_transition=batch_to_transition if first else policy_action_to_transition,
            to_output=transition_to_batch if first else transition_to_policy_action,
        )
    except Exception as error:  # LeRobot's steps, fed a file from anywhere, raise whatever they like.
        _check_tokenizers(checkpoint, name)
        raise CheckpointError(
            f"Checkpoint file {checkpoint.folder / name} is not valid ({reason(error)}); copy or save it again."
        ) from error


def _made(
    checkpoint: Checkpoint, config: PreTrainedConfig, statistics: Mapping[str, Mapping[str, NDArray[np.float32]]]
) -> tuple[PolicyProcessorPipeline, PolicyProcessorPipeline]:
    """What LeRobot makes of statistics for a policy that it has just trained, for one that was saved without."""
    from lerobot.policies.factory import make_pre_post_processors

    tensors = {
        key: {name: torch.from_numpy(value.copy()) for name, value in of.items()} for key, of in statistics.items()
    }
    try:
        before, after = make_pre_post_processors(config, dataset_stats=tensors)
    except Exception as error:  # As for a file from anywhere.
        raise CheckpointError(
            f"Checkpoint {checkpoint.folder}: LeRobot can make no processors of the statistics that were kept among "
            f"its weights, or given ({reason(error)}); an old one converts with `{migration(checkpoint.folder)}`."
        ) from error
    return before, after


def _check_tokenizers(checkpoint: Checkpoint, pipeline: str) -> None:
    """Complain if the tokenizer that a step names cannot be had."""
    for step in checkpoint.steps[pipeline]:
        settings = step.get("config")
        if step.get("registry_name") != "tokenizer_processor" or not isinstance(settings, dict):
            continue
        # Imported here, because it takes seconds and most policies read no prompt.
        from transformers import AutoTokenizer

        name = str(settings.get("tokenizer_name"))
        try:
            AutoTokenizer.from_pretrained(name)
        except Exception as error:  # transformers raises whatever it likes, with pages of advice.
            raise CheckpointError(
                f"Checkpoint file {checkpoint.folder / pipeline} needs the tokenizer {name!r}, which is not here; "
                f"download it once with `hf download {name}` (after `hf auth login` where it is gated), or set its "
                "tokenizer_name to a folder that holds it."
            ) from error


def _check_feature(
    checkpoint: Checkpoint,
    pipeline: str,
    config: PreTrainedConfig,
    steps: list[_Step],
    key: str,
    feature: PolicyFeature,
) -> None:
    """Complain unless some step scales the feature, if the configuration wants that."""
    if config.normalization_mapping.get(feature.type.value, NormalizationMode.IDENTITY) is NormalizationMode.IDENTITY:
        return
    registry_name = "normalizer_processor" if pipeline == PREPROCESSOR else "unnormalizer_processor"
    acting = [step for step in steps if _acts_on(step, key, feature.type)]
    if not acting:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.folder / pipeline} leaves {key} as it is, while {CONFIG} wants it scaled; "
            f"its {registry_name} must list it, so copy the file from where the policy was trained."
        )
    file = checkpoint.statistics_file(pipeline, registry_name)
    for step in acting:
        statistics = _statistics(step, key)
        for name in _NEEDED[step.norm_map[feature.type]]:
            if name not in statistics:
                raise CheckpointError(
                    f"Checkpoint file {file} has no {name!r} of {key}, so LeRobot would not scale it; copy it from "
                    f"where the policy was trained, or convert an old checkpoint with `{migration(checkpoint.folder)}`."
                )
            value = statistics[name]
            if not value.isfinite().all() or not _fits(value, feature):
                raise CheckpointError(
                    f"Checkpoint file {file}: {name!r} of {key} must be finite and of shape {tuple(feature.shape)}, "
                    f"and has shape {tuple(value.shape)}; copy it from where the policy was trained."
                )


def _acts_on(step: _Step, key: str, kind: FeatureType) -> bool:
    """Whether a step would scale a feature, given statistics."""
    if step.norm_map.get(kind, NormalizationMode.IDENTITY) is NormalizationMode.IDENTITY:
        return False
    if kind is FeatureType.ACTION:
        return True  # LeRobot scales the action whether or not the step lists it.
    chosen = step.normalize_observation_keys
    return key in step.features and (chosen is None or key in chosen)


def _statistics(step: _Step, key: str) -> dict[str, Tensor]:
    """Name to value, empty where the step has none for the feature."""
    flat: dict[str, Tensor] = step.state_dict()
    return {name.rpartition(".")[2]: value for name, value in flat.items() if name.rpartition(".")[0] == key}


def _fits(value: Tensor, feature: PolicyFeature) -> bool:
    """Whether the statistics apply to each number of the feature without changing its shape."""
    shape = tuple(feature.shape)
    trailing = zip(reversed(value.shape), reversed(shape), strict=False)
    return value.dim() <= len(shape) and all(size in (1, wanted) for size, wanted in trailing)


def _scale(steps: list[_Step], key: str, kind: FeatureType, size: int) -> Scale | None:
    """The scaling of one vector as data, None where there is more than one step to it."""
    acting = [step for step in steps if _acts_on(step, key, kind) and _statistics(step, key)]
    if not acting:
        return Scale("identity", frozen(np.ones(size, np.float32)), frozen(np.zeros(size, np.float32)))
    if len(acting) > 1:
        return None
    step = acting[0]
    mode = step.norm_map[kind]
    statistics = _statistics(step, key)
    first, second = (statistics[name].expand(size).numpy() for name in _NEEDED[mode])
    if mode is NormalizationMode.MEAN_STD:
        return Scale("mean_std", frozen(second), frozen(first))
    # Where both ends are equal LeRobot divides by its epsilon instead of by zero.
    span = np.where(second == first, np.float32(step.eps), second - first)
    return Scale("min_max", frozen(span), frozen(first))


def _proven(scale: Scale | None, after: PolicyProcessorPipeline, size: int) -> Scale | None:
    """The scale if the postprocessor does that and nothing else, to the bit, on random chunks."""
    generator = torch.Generator().manual_seed(0)
    for spread in (1.0, 100.0):
        chunk = spread * torch.randn((1, 64, size), generator=generator)
        try:
            done = after(chunk)[0].numpy()
        except (
            Exception
        ):  # A step that takes single actions only, or fails for them too, which the first call will tell.
            return None
        if scale is None or not np.array_equal(scale.to_scene(chunk[0].numpy()), done):
            return None
    return scale
