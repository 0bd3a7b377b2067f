"""LeRobot's Diffusion Policy as a Whiskers policy: a one-dimensional U-Net that denoises by DDPM or DDIM.

Source of the method: Chi et al. 2023, "Diffusion Policy: Visuomotor Policy Learning via Action Diffusion".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionModel, DiffusionPolicy
from torch import Tensor

from policies.checkpoint import Checkpoint, CheckpointError
from policies.horizon import DenoisingStep, HorizonPolicy, check_horizon, horizon_info
from policies.inputs import inputs_of
from policies.model import decode_config, load_verified
from policies.processors import load_processors
from policies.progress import OnCall, Progress, Report, within
from policies.schedule import END, check_schedule, noise_of, seeded, watched
from policies.trial import try_once

_COMPILED = "._orig_mod."
"""What torch.compile puts into the names of tensors."""


class _UNet:
    """LeRobot's model and sampler. See `policies.horizon.Denoiser`."""

    end = END

    def __init__(self, model: DiffusionModel) -> None:
        self._model = model

    def steps(self, asked: int) -> int:
        return min(asked, self._model.config.num_train_timesteps) or self._model.num_inference_steps

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        conditioning: Tensor = self._model._prepare_global_conditioning(batch)
        return conditioning

    def sample(
        self, conditioning: Tensor, seeds: Sequence[int], steps: int, on_step: Callable[[DenoisingStep], None]
    ) -> Tensor:
        model = self._model
        shape = (model.config.horizon, model.config.action_feature.shape[0])
        generators = seeded(seeds)
        noise = noise_of(generators, shape, conditioning)
        own = model.num_inference_steps
        model.num_inference_steps = steps
        try:
            with watched(model.noise_scheduler, generators, on_step):
                actions: Tensor = model.conditional_sample(len(seeds), global_cond=conditioning, noise=noise)
        finally:
            model.num_inference_steps = own
        return actions


def load_diffusion(checkpoint: Checkpoint, device: str, report: Report, on_call: OnCall) -> HorizonPolicy:
    """The policy of a checkpoint, verified and tried once.

    Args:
        checkpoint: A checkpoint of type `diffusion`.
        device: torch's name of where the model is to run.
        report: Told the progress.
        on_call: Told about each denoising step.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
    """
    # The file's weights replace those of the backbone, so torchvision's need not be downloaded first.
    overrides = {"device": device, "pretrained_backbone_weights": None, "use_amp": False, "compile_model": False}
    config = decode_config(checkpoint, DiffusionConfig, overrides)
    check_horizon(checkpoint, config)
    check_schedule(checkpoint, config)
    _check_names(checkpoint)
    inputs = inputs_of(config, checkpoint)
    model, verified = load_verified(checkpoint, lambda: DiffusionPolicy(config), device, within(report, 0.0, 0.8))
    report(Progress("Reading the processors", 0.8))
    processors = load_processors(checkpoint, config, inputs, device)
    info = horizon_info(
        checkpoint,
        config,
        inputs,
        processors,
        denoising_steps=model.diffusion.num_inference_steps,
        uses_task=False,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        verified=verified,
        device=device,
    )
    policy = HorizonPolicy(_UNet(model.diffusion), processors, inputs, info, on_call)
    report(Progress("Trying it once", 0.9))
    try_once(policy.predict, inputs, checkpoint, config.n_obs_steps)
    return policy


def _check_names(checkpoint: Checkpoint) -> None:
    """Refuse names that a compiled model gives its tensors."""
    compiled = [name for name in checkpoint.tensors if _COMPILED in name]
    if compiled:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.weights} was saved by a compiled model ({compiled[0]} and "
            f'{len(compiled) - 1} more); save it once more with "_orig_mod." taken out of the names.'
        )
