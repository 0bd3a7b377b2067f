"""LeRobot policies that need no line of ours: those that LeRobot's own interface says all about.

The real class, its own processors, and its own `select_action` (see `policies.asker`). The adapters of VQ-BeT, TD-MPC
and X-VLA are this with a few checks; third-party plugins (`policies.plugin`) are this alone.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType

import numpy as np
import torch
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from numpy.typing import NDArray

from policies.answer import chunk_from, ensemble_weights
from policies.asker import Answer, Asker, Source
from policies.checkpoint import Checkpoint
from policies.flow import without_empty_cameras
from policies.horizon import sample_seeds
from policies.inputs import Inputs, inputs_of, require_prompt
from policies.model import decode_config, load_verified
from policies.processors import Processors, load_processors
from policies.progress import Progress, Report, within
from policies.trial import try_once
from policies.xray import xrayed
from viewer_app.types import ActionChunk, Float32Array, Observation, PolicyInfo, Want, WhiskersError, frozen

_NOT_THE_CHECKPOINTS: Mapping[str, object] = MappingProxyType(
    {"use_amp": False, "compile_model": False, "pretrained_backbone_weights": None, "load_vlm_weights": False}
)
"""Fields that are not the checkpoint's to decide, where a configuration has them. The file's weights replace all
others, so none need be downloaded first."""


@dataclass(frozen=True)
class Form:
    """What is particular about a policy type."""

    policy_class: type[PreTrainedPolicy]
    source: Source | None = field(default_factory=Source)
    """Where its chunk shows before it is cut, None where it is never longer than what is queued."""
    check: Callable[[PreTrainedPolicy], None] | None = None
    """Refuses a model by its weights, before it is tried."""
    quick: bool = True
    """See `load_verified`."""


class GenericPolicy:
    """A loaded checkpoint. Calls must not overlap."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._asker = loaded.asker
        self._info = loaded.info

    @property
    def info(self) -> PolicyInfo:
        return self._info

    @property
    def processors(self) -> Processors:
        return self._asker.processors

    @xrayed
    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        """Propose `chunk_size` actions. See `viewer_app.types.Policy`.

        Extras, where wanted, of a policy that draws random numbers: `samples` (K, H, n), the chunks of the seeds
        `sample_seeds(seed, K)`, one call each.

        Raises:
            WhiskersError: Also where the history is of another length, or a prompt is read and there is none.
        """
        check_call(self._info, observations)
        began = time.perf_counter()
        extras: dict[str, NDArray[np.float32]] = {}
        with torch.inference_mode():
            answer = self._asker.ask(observations, seed)
            if answer.rows.shape[1] != self._info.chunk_size:
                raise WhiskersError(
                    f"Policy {self._info.name} answered with {answer.rows.shape[1]} actions, and at first with "
                    f"{self._info.chunk_size}; Whiskers draws policies whose chunks are all of one length."
                )
            actions = self._asker.in_scene_units(answer.rows)
            latency = time.perf_counter() - began
            if want.samples > 0 and not self._info.deterministic:
                others = [self._asker.ask(observations, each).rows for each in sample_seeds(seed, want.samples)]
                extras["samples"] = frozen(np.stack([self._asker.in_scene_units(rows) for rows in others]))
        return chunk_from(self._info, observations[-1], start, seed, latency, answer.rows, actions, extras)

    def ensemble_weights(self, coefficient: float) -> Float32Array:
        """See `viewer_app.types.Policy`."""
        return ensemble_weights(self._info.chunk_size, coefficient)


def check_call(info: PolicyInfo, observations: Sequence[Observation]) -> None:
    """Refuse what a policy of that kind cannot be asked.

    Raises:
        WhiskersError: If the history is of another length, or a prompt is read and there is none.
    """
    if len(observations) != info.n_obs_steps:
        raise WhiskersError(
            f"Policy {info.name} reads the last {info.n_obs_steps} observations, and was shown {len(observations)}; at "
            "the start of an episode show it the first one repeatedly."
        )
    if info.uses_task:
        require_prompt(info.name, observations[-1])


@dataclass(frozen=True)
class LoadedModel:
    """A model with its weights, and what there is to know about it."""

    model: PreTrainedPolicy
    asker: Asker
    info: PolicyInfo


def generic_config(checkpoint: Checkpoint, config_class: type[PreTrainedConfig], device: str) -> PreTrainedConfig:
    """The checkpoint's configuration, with what is not its to decide.

    Raises:
        CheckpointError: If it is not valid.
    """
    own = {each.name for each in fields(config_class)}
    overrides = {name: value for name, value in _NOT_THE_CHECKPOINTS.items() if name in own}
    return decode_config(checkpoint, config_class, {"device": device, **overrides})


def load_form(checkpoint: Checkpoint, form: Form, config: PreTrainedConfig, device: str, report: Report) -> LoadedModel:
    """The model of a checkpoint, every tensor of which is the file's, tried once.

    Args:
        checkpoint: Of a type that `form` describes.
        form: What is particular about the type.
        config: The checkpoint's, from `generic_config`.
        device: torch's name of where the model is to run.
        report: Told the progress.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
    """

    def build() -> PreTrainedPolicy:
        with redirect_stdout(io.StringIO()):  # LeRobot prints what it builds.
            return form.policy_class(config)

    model, verified = load_verified(checkpoint, build, device, within(report, 0.0, 0.8), quick=form.quick)
    return with_model(checkpoint, form, config, model, verified, device, within(report, 0.8, 1.0))


def with_model(
    checkpoint: Checkpoint,
    form: Form,
    config: PreTrainedConfig,
    model: PreTrainedPolicy,
    verified: int,
    device: str,
    report: Report,
) -> LoadedModel:
    """The same for a model that has its weights. Arguments as of `load_form`; `verified` tensors were compared."""
    if form.check is not None:
        form.check(model)
    shown = without_empty_cameras(config)
    inputs = inputs_of(shown, checkpoint)
    report(Progress("Reading the processors", 0.0))
    processors = load_processors(checkpoint, shown, inputs, device)
    asker = Asker(model, processors, inputs, device, form.source)
    info = PolicyInfo(
        name=checkpoint.name,
        kind=checkpoint.kind,
        source=checkpoint.source,
        digest=checkpoint.digest,
        chunk_size=1,
        n_action_steps=1,
        n_action=config.action_feature.shape[0],
        n_state=inputs.n_state,
        n_environment_state=inputs.n_environment_state,
        cameras=MappingProxyType({name: (camera.height, camera.width) for name, camera in inputs.cameras.items()}),
        n_obs_steps=config.n_obs_steps,
        uses_task=any("token" in str(getattr(step, "_registry_name", "")) for step in processors.before.steps),
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        tensors_verified=verified,
        tensors_in_file=checkpoint.n_tensors,
        action_scale=processors.action_scale,
        relative_actions=processors.relative,
        state_scale=processors.state_scale,
        camera_mean=MappingProxyType(dict(processors.camera_mean)),
        device=device,
    )
    report(Progress("Trying it once", 0.5))
    return LoadedModel(model, asker, _measured(asker, info, inputs, checkpoint))


def _measured(asker: Asker, info: PolicyInfo, inputs: Inputs, checkpoint: Checkpoint) -> PolicyInfo:
    """The information with what only a call shows: sizes, and whether random numbers are drawn."""
    answers: list[Answer] = []
    sizes: list[int] = []

    def predict(observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        with torch.inference_mode():
            answer = asker.ask(observations, seed)
            actions = asker.in_scene_units(answer.rows)
        answers.append(answer)
        sizes.append(actions.shape[1])
        return chunk_from(info, observations[-1], start, seed, 0.0, answer.rows, actions, {})

    try_once(predict, inputs, checkpoint, info.n_obs_steps)
    return replace(
        info,
        chunk_size=answers[0].rows.shape[1],
        n_action_steps=answers[0].executed,
        n_action=sizes[0],
        deterministic=not answers[0].drew,
    )
