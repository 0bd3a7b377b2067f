"""What LeRobot's `diffusion` and `multi_task_dit` share: a history of observations in, a denoised horizon out.

Such a policy encodes its last `n_obs_steps` observations into one vector and denoises `horizon` actions beside it. The
first `n_obs_steps` - 1 of these lie in the past; the chunk begins at "now". LeRobot cuts it after `n_action_steps`,
here it goes to the end of the horizon. The sampler is LeRobot's own: its steps are watched, not redone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
import torch
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.multi_task_dit.configuration_multi_task_dit import MultiTaskDiTConfig
from numpy.typing import NDArray
from torch import Tensor

from policies.answer import chunk_from, ensemble_weights
from policies.checkpoint import CONFIG, Checkpoint, CheckpointError
from policies.history import stacked
from policies.inputs import Inputs, require_prompt
from policies.processors import Processors
from policies.progress import OnCall
from policies.xray import xrayed
from viewer_app.types import (
    ActionChunk,
    CallProgress,
    Float32Array,
    Observation,
    PolicyInfo,
    Want,
    WhiskersError,
    frozen,
)

type HorizonConfig = DiffusionConfig | MultiTaskDiTConfig


@dataclass(frozen=True)
class DenoisingStep:
    """One step of LeRobot's sampler. Both tensors have shape (K, horizon, n), in the model's units."""

    sample: Tensor
    """What the step began with."""
    aim: Tensor
    """The finished actions that the model, asked about `sample`, points to."""
    time: float
    """The policy's own time of `sample`."""


class Denoiser(Protocol):
    """LeRobot's model, as far as it concerns sampling."""

    end: float
    """The policy's own time of the finished actions."""

    def steps(self, asked: int) -> int:
        """How many steps are taken where so many are asked for, 0 for the checkpoint's own number."""
        ...

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What the model makes of the observations. Shape (1, c)."""
        ...

    def sample(
        self, conditioning: Tensor, seeds: Sequence[int], steps: int, on_step: Callable[[DenoisingStep], None]
    ) -> Tensor:
        """Denoise in one batch, every random number of row k drawn from `seeds[k]` on the CPU.

        Drawn as LeRobot draws them after `torch.manual_seed(seeds[k])`; torch's own state stays as it is.

        Args:
            conditioning: Shape (K, c).
            seeds: K seeds.
            steps: Denoising steps, as `steps` allows.
            on_step: Told about each step when it is taken.

        Returns:
            Shape (K, horizon, n), in the model's units.
        """
        ...


class HorizonPolicy:
    """A loaded checkpoint of such a policy. Calls must not overlap."""

    def __init__(
        self, denoiser: Denoiser, processors: Processors, inputs: Inputs, info: PolicyInfo, on_call: OnCall
    ) -> None:
        self._denoiser = denoiser
        self._processors = processors
        self._inputs = inputs
        self._info = info
        self._on_call = on_call

    @property
    def info(self) -> PolicyInfo:
        return self._info

    @property
    def processors(self) -> Processors:
        return self._processors

    @xrayed
    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        """Propose `chunk_size` actions, from "now" to the end of the horizon. See `viewer_app.types.Policy`.

        Extras, where wanted, are those named in `viewer_app.types.ActionChunk`. The samples are the chunks of the
        seeds `sample_seeds(seed, want.samples)`, denoised in one batch. A noise schedule has no more steps than it was
        trained with, so of `want.sampling.steps` no more are taken than that.

        Raises:
            WhiskersError: Also where the history is of another length, or a prompt is read and there is none.
        """
        self._check(observations, want)
        began = time.perf_counter()
        steps = self._denoiser.steps(want.sampling.steps)
        total = steps * (2 if want.samples > 0 else 1)
        done = 0

        def heard(kept: list[DenoisingStep]) -> Callable[[DenoisingStep], None]:
            def hear(step: DenoisingStep) -> None:
                nonlocal done
                done += 1
                if want.denoising:
                    kept.append(step)
                self._on_call(CallProgress(done, total))

            return hear

        extras: dict[str, NDArray[np.float32]] = {}
        with torch.inference_mode():
            conditioning = self._denoiser.encode(stacked(self._processors, self._inputs, observations))
            taken: list[DenoisingStep] = []
            normalised = self._from_now(self._denoiser.sample(conditioning, [seed], steps, heard(taken)))
            actions = self._in_scene_units(normalised)[0]
            latency = time.perf_counter() - began
            if want.denoising:
                extras |= self._denoising(taken, normalised)
            if want.samples > 0:
                seeds = sample_seeds(seed, want.samples)
                many = conditioning.expand(len(seeds), -1)
                taken = []
                samples = self._from_now(self._denoiser.sample(many, seeds, steps, heard(taken)))
                extras["samples"] = frozen(self._in_scene_units(samples))
                if want.denoising:
                    extras["samples_denoising"] = frozen(self._in_scene_units(self._rows(taken, samples)))
        return chunk_from(self._info, observations[-1], start, seed, latency, normalised, actions, extras)

    def ensemble_weights(self, coefficient: float) -> Float32Array:
        """See `viewer_app.types.Policy`."""
        return ensemble_weights(self._info.chunk_size, coefficient)

    def _check(self, observations: Sequence[Observation], want: Want) -> None:
        if want.sampling.steps < 0:
            raise WhiskersError(
                f"Policy {self._info.name} cannot take {want.sampling.steps} denoising steps; take 1 or more."
            )
        if len(observations) != self._info.n_obs_steps:
            raise WhiskersError(
                f"Policy {self._info.name} reads the last {self._info.n_obs_steps} observations, and was shown "
                f"{len(observations)}; at the start of an episode show it the first one repeatedly."
            )
        if self._info.uses_task:
            require_prompt(self._info.name, observations[-1])

    def _from_now(self, horizon: Tensor) -> Tensor:
        """Without the rows of the past. Shape (K, horizon, n) in, (K, H, n) out."""
        return horizon[:, self._info.n_obs_steps - 1 :]

    def _in_scene_units(self, normalised: Tensor) -> Float32Array:
        """Shape (..., H, n) in and out."""
        scaled: Tensor = self._processors.after(normalised.flatten(0, -3))
        return scaled.float().cpu().numpy().reshape(normalised.shape)

    def _rows(self, taken: Sequence[DenoisingStep], last: Tensor) -> Tensor:
        """What each step began with, and last what came out. Shape (K, S + 1, H, n)."""
        return torch.stack([*(self._from_now(step.sample) for step in taken), last], dim=1)

    def _denoising(self, taken: Sequence[DenoisingStep], last: Tensor) -> dict[str, NDArray[np.float32]]:
        """The extras about the chunk itself."""
        rows = self._rows(taken, last)[0]
        aims = torch.cat([self._from_now(step.aim) for step in taken])
        return {
            "denoising": frozen(self._in_scene_units(rows)),
            "denoising_x0": frozen(self._in_scene_units(aims)),
            "denoising_model": frozen(rows.float().cpu().numpy()),
            "denoising_x0_model": frozen(aims.float().cpu().numpy()),
            "denoising_times": frozen(np.array([*(step.time for step in taken), self._denoiser.end], np.float32)),
        }


def sample_seeds(seed: int, count: int) -> list[int]:
    """The seeds of further samples of one call: for a larger `count`, the same and more."""
    return [int(each) for each in np.random.SeedSequence([seed, 1]).generate_state(count, np.uint64) >> np.uint64(1)]


def horizon_info(
    checkpoint: Checkpoint,
    config: HorizonConfig,
    inputs: Inputs,
    processors: Processors,
    *,
    denoising_steps: int,
    uses_task: bool,
    n_parameters: int,
    verified: int,
    device: str,
) -> PolicyInfo:
    """What there is to know about such a policy.

    Args:
        checkpoint, config, inputs, processors, device: What it was loaded from and with.
        denoising_steps: The checkpoint's own number.
        uses_task: Whether it reads the prompt.
        n_parameters: Of the model.
        verified: How many tensors were compared.
    """
    chunk_size = config.horizon - config.n_obs_steps + 1
    return PolicyInfo(
        name=checkpoint.name,
        kind=checkpoint.kind,
        source=checkpoint.source,
        digest=checkpoint.digest,
        chunk_size=chunk_size,
        n_action_steps=min(config.n_action_steps, chunk_size),  # LeRobot asks again where its chunk ends.
        n_action=config.action_feature.shape[0],
        n_state=inputs.n_state,
        n_environment_state=inputs.n_environment_state,
        cameras=MappingProxyType({name: (camera.height, camera.width) for name, camera in inputs.cameras.items()}),
        n_obs_steps=config.n_obs_steps,
        uses_task=uses_task,
        deterministic=False,
        n_parameters=n_parameters,
        tensors_verified=verified,
        tensors_in_file=checkpoint.n_tensors,
        action_scale=processors.action_scale,
        relative_actions=processors.relative,
        state_scale=processors.state_scale,
        camera_mean=MappingProxyType(dict(processors.camera_mean)),
        device=device,
        denoising_steps=denoising_steps,
    )


def check_horizon(checkpoint: Checkpoint, config: HorizonConfig) -> None:
    """Refuse sizes that LeRobot would take and then run into.

    Raises:
        CheckpointError: If there is no observation, no action to execute, or no row from now on.
    """
    path = checkpoint.folder / CONFIG
    for name in ("n_obs_steps", "horizon", "n_action_steps"):
        value = getattr(config, name)
        if not isinstance(value, int) or value < 1:
            raise CheckpointError(
                f"Checkpoint file {path}: {name} must be a whole number from 1, not {value!r}; correct that field."
            )
    if config.n_obs_steps > config.horizon:
        raise CheckpointError(
            f"Checkpoint file {path}: n_obs_steps ({config.n_obs_steps}) must not be above horizon ({config.horizon}), "
            "which begins with the oldest observation; correct one of them."
        )
