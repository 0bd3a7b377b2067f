"""LeRobot's Multi-Task Diffusion Transformer (DiT) as a Whiskers policy: CLIP sees and reads, a transformer denoises.

It has two objectives. With `diffusion` it denoises by DDPM or DDIM; with `flow_matching` it follows a learnt velocity
from t = 0 (noise) to t = 1 (action), the other way round than Pi0. CLIP's own weights are not needed to run a
checkpoint, since the file holds them as trained; CLIP's configuration and tokenizer are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
from lerobot.policies.multi_task_dit import modeling_multi_task_dit
from lerobot.policies.multi_task_dit.configuration_multi_task_dit import MultiTaskDiTConfig
from lerobot.policies.multi_task_dit.modeling_multi_task_dit import MultiTaskDiTPolicy
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModel, PreTrainedConfig

from policies.checkpoint import CONFIG, Checkpoint, CheckpointError
from policies.horizon import DenoisingStep, HorizonPolicy, check_horizon, horizon_info
from policies.inputs import inputs_of
from policies.model import decode_config, load_verified
from policies.processors import load_processors
from policies.progress import OnCall, Progress, Report, within
from policies.schedule import END, check_schedule, noise_of, seeded, watched
from policies.trial import try_once

_CALLS = {"euler": 1, "rk4": 4}
"""How often the model is asked in one step of each method of integration."""


class _Transformer:
    """LeRobot's model and sampler, for either objective. See `policies.horizon.Denoiser`."""

    def __init__(self, model: MultiTaskDiTPolicy) -> None:
        self._model = model
        self._config: MultiTaskDiTConfig = model.config
        self.end = END if self._config.is_diffusion else 1.0

    @property
    def own_steps(self) -> int:
        """The checkpoint's own number of denoising steps."""
        if self._config.is_diffusion:
            return int(self._model.objective.num_inference_steps)
        return int(self._config.num_integration_steps)

    def steps(self, asked: int) -> int:
        most = self._config.num_train_timesteps if self._config.is_diffusion else asked
        return min(asked, most) or self.own_steps

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        conditioning: Tensor = self._model.observation_encoder.encode(batch)
        return conditioning

    def sample(
        self, conditioning: Tensor, seeds: Sequence[int], steps: int, on_step: Callable[[DenoisingStep], None]
    ) -> Tensor:
        network, objective = self._model.noise_predictor, self._model.objective
        generators = seeded(seeds)
        noise = noise_of(generators, (self._config.horizon, self._config.action_feature.shape[0]), conditioning)
        with ExitStack() as taps:
            # LeRobot's sampler takes no noise, and first draws its own from torch's state, which this puts back.
            taps.enter_context(torch.random.fork_rng([noise.device] if noise.is_cuda else []))
            taps.enter_context(_beginning_with(noise, network))
            if self._config.is_diffusion:
                taps.enter_context(patch.object(objective, "num_inference_steps", steps))
                taps.enter_context(watched(objective.noise_scheduler, generators, on_step))
            else:
                taps.enter_context(patch.object(self._config, "num_integration_steps", steps))
                taps.enter_context(_flow_watched(network, _CALLS[self._config.integration_method], on_step))
            actions: Tensor = objective.conditional_sample(network, len(seeds), conditioning)
        return actions


@contextmanager
def _beginning_with(noise: Tensor, network: nn.Module) -> Iterator[None]:
    """While in force, the sample that the sampler begins with is overwritten when the network is first asked about it.

    It is overwritten in place, because the sampler goes on with the same tensor.
    """

    def overwrite(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        handle.remove()
        inputs[0].copy_(noise)

    handle = network.register_forward_pre_hook(overwrite)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _flow_watched(network: nn.Module, calls: int, on_step: Callable[[DenoisingStep], None]) -> Iterator[None]:
    """While in force, each step of the integration is told to `on_step`. What comes out stays as it is.

    Of the `calls` to the network in a step, the first asks about the sample that the step begins with.
    """
    asked: list[DenoisingStep] = []

    def watch(module: nn.Module, inputs: tuple[Tensor, Tensor], velocity: Tensor) -> None:
        sample, times = inputs
        t = float(times[0])
        asked.append(DenoisingStep(sample, sample + (1 - t) * velocity, t))
        if len(asked) == calls:
            on_step(asked[0])
            asked.clear()

    handle = network.register_forward_hook(watch)
    try:
        yield
    finally:
        handle.remove()


def load_multi_task_dit(checkpoint: Checkpoint, device: str, report: Report, on_call: OnCall) -> HorizonPolicy:
    """The policy of a checkpoint, verified and tried once.

    Args:
        checkpoint: A checkpoint of type `multi_task_dit`.
        device: torch's name of where the model is to run.
        report: Told the progress.
        on_call: Told about each denoising step.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
    """
    config = decode_config(checkpoint, MultiTaskDiTConfig, {"device": device, "use_amp": False})
    check_horizon(checkpoint, config)
    if config.is_diffusion:
        check_schedule(checkpoint, config)
    inputs = inputs_of(config, checkpoint)
    vision = _clip_part(checkpoint, CLIPVisionConfig, "vision_encoder_name", config.vision_encoder_name)
    text = _clip_part(checkpoint, CLIPTextConfig, "text_encoder_name", config.text_encoder_name)
    with _without_clips_weights(vision, text):
        model, verified = load_verified(
            checkpoint, lambda: MultiTaskDiTPolicy(config), device, within(report, 0.0, 0.8)
        )
    report(Progress("Reading the processors", 0.8))
    processors = load_processors(checkpoint, config, inputs, device)
    denoiser = _Transformer(model)
    info = horizon_info(
        checkpoint,
        config,
        inputs,
        processors,
        denoising_steps=denoiser.own_steps,
        uses_task=True,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        verified=verified,
        device=device,
    )
    policy = HorizonPolicy(denoiser, processors, inputs, info, on_call)
    report(Progress("Trying it once", 0.9))
    try_once(policy.predict, inputs, checkpoint, config.n_obs_steps)
    return policy


def _clip_part(checkpoint: Checkpoint, part: type[PreTrainedConfig], setting: str, name: str) -> PreTrainedConfig:
    """The configuration of CLIP's half that sees or of the one that reads, from wherever transformers finds it.

    Raises:
        CheckpointError: If it cannot be had.
    """
    try:
        return part.from_pretrained(name)
    except Exception as error:  # transformers raises whatever it likes, with pages of advice.
        raise CheckpointError(
            f"Checkpoint file {checkpoint.folder / CONFIG} needs the configuration of {name!r} ({setting}), which is "
            f"not here; download it once with `hf download {name} --include '*.json' '*.txt'`, or set {setting} to a "
            "folder that holds it and has clip in its name."
        ) from error


class _Unread:
    """Stands in for a model class of transformers: what it loads is made of its configuration alone."""

    def __init__(self, model_class: Callable[..., nn.Module], config: PreTrainedConfig) -> None:
        self._model_class = model_class
        self._config = config

    def from_pretrained(self, name: str) -> nn.Module:
        return self._model_class(self._config)


@contextmanager
def _without_clips_weights(vision: PreTrainedConfig, text: PreTrainedConfig) -> Iterator[None]:
    """While in force, LeRobot builds CLIP without reading CLIP's weights. The names it goes by are replaced."""
    with (
        patch.object(modeling_multi_task_dit, "CLIPVisionModel", _Unread(CLIPVisionModel, vision)),
        patch.object(modeling_multi_task_dit, "CLIPTextModel", _Unread(CLIPTextModel, text)),
    ):
        yield
