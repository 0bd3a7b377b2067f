"""diffusers' noise schedules (DDPM, DDIM), as LeRobot's samplers drive them, watched from outside.

Source of the two: Ho et al. 2020, "Denoising Diffusion Probabilistic Models"; Song et al. 2020, "Denoising Diffusion
Implicit Models". DDPM draws noise at every step but the last, DDIM as LeRobot uses it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast
from unittest.mock import patch

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler, DDIMSchedulerOutput
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler, DDPMSchedulerOutput
from torch import Tensor

from policies.checkpoint import CONFIG, Checkpoint, CheckpointError
from policies.horizon import DenoisingStep, HorizonConfig

type Schedule = DDPMScheduler | DDIMScheduler
_Answer = DDPMSchedulerOutput | DDIMSchedulerOutput

END = -1.0
"""Time of the finished actions: one before time 0, which still has a little noise."""


@contextmanager
def watched(
    schedule: Schedule, generators: Sequence[torch.Generator], on_step: Callable[[DenoisingStep], None]
) -> Iterator[None]:
    """While in force, each step is told to `on_step`, and its noise for row k of the batch is drawn from
    `generators[k]`. What comes out stays as it is."""
    take_step: Callable[..., object] = schedule.step

    def step(model_output: Tensor, timestep: Tensor, sample: Tensor, generator: object = None) -> _Answer:
        answer = cast(_Answer, take_step(model_output, timestep, sample, generator=list(generators)))
        on_step(DenoisingStep(sample, cast(Tensor, answer.pred_original_sample), float(timestep)))
        return answer

    with patch.object(schedule, "step", step):
        yield


def noise_of(generators: Sequence[torch.Generator], shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Normal noise, row k from `generators[k]`. Shape (K, *shape), of the type and on the device of `like`."""
    rows = [torch.randn((1, *shape), generator=each, dtype=like.dtype) for each in generators]
    return torch.cat(rows).to(like.device)


def seeded(seeds: Sequence[int]) -> list[torch.Generator]:
    """A generator for each seed, on the CPU so that a seed means the same on every device."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def check_schedule(checkpoint: Checkpoint, config: HorizonConfig) -> None:
    """Refuse numbers of steps that a schedule cannot take.

    Raises:
        CheckpointError: If it has none, or more than it was trained with.
    """
    path, trained, steps = checkpoint.folder / CONFIG, config.num_train_timesteps, config.num_inference_steps
    if not isinstance(trained, int) or trained < 1:
        raise CheckpointError(
            f"Checkpoint file {path}: num_train_timesteps must be a whole number from 1, not {trained!r}; 100 is usual."
        )
    if steps is not None and (not isinstance(steps, int) or not 1 <= steps <= trained):
        raise CheckpointError(
            f"Checkpoint file {path}: num_inference_steps must be null or a whole number from 1 to num_train_timesteps "
            f"({trained}), not {steps!r}; correct that field."
        )
