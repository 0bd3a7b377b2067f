"""LeRobot's X-VLA as a Whiskers policy: Florence-2 sees and reads, a transformer with soft prompts denoises the chunk.

At each step the network is shown the noise mixed with its last answer, and answers the finished actions. Source of the
method: Zheng et al. 2025, "X-VLA: Soft-Prompted Transformer as Scalable Cross-Embodiment Vision-Language-Action Model".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from lerobot.policies.xvla import modeling_xvla
from lerobot.policies.xvla.configuration_xvla import XVLAConfig
from lerobot.policies.xvla.modeling_xvla import XVLAPolicy
from numpy.typing import NDArray
from torch import Tensor, nn

from policies.answer import chunk_from, ensemble_weights
from policies.asker import Asker, Source
from policies.checkpoint import CONFIG, Checkpoint, CheckpointError
from policies.generic import Form, check_call, generic_config, load_form
from policies.horizon import sample_seeds
from policies.processors import Processors
from policies.progress import OnCall, Report
from policies.sampler import counter
from policies.xray import xrayed
from viewer_app.types import ActionChunk, Float32Array, Observation, PolicyInfo, Want, WhiskersError, frozen


@dataclass(frozen=True)
class _Steps:
    """What one call went through, each of shape (1, H, n), in the model's units and cut to the robot's numbers."""

    samples: list[Tensor] = field(default_factory=list)
    aims: list[Tensor] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


class XvlaPolicy:
    """A loaded checkpoint. Calls must not overlap."""

    def __init__(self, model: XVLAPolicy, asker: Asker, info: PolicyInfo, on_call: OnCall) -> None:
        self._model = model
        self._asker = asker
        self._info = info
        self._on_call = on_call

    @property
    def info(self) -> PolicyInfo:
        return self._info

    @property
    def processors(self) -> Processors:
        return self._asker.processors

    @xrayed
    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        """Propose `chunk_size` actions. See `viewer_app.types.Policy`.

        Extras, where wanted, are those named in `viewer_app.types.ActionChunk`, t from 1 (noise) to 0 (action); each is
        what LeRobot would execute if it stopped there, which for a gripper that X-VLA gives as a logit is its sigmoid.
        The samples are the chunks of the seeds `sample_seeds(seed, K)`, one call each.

        Raises:
            WhiskersError: Also where there is no prompt.
        """
        check_call(self._info, observations)
        began = time.perf_counter()
        extras: dict[str, NDArray[np.float32]] = {}
        with torch.inference_mode(), self._n_steps(want.sampling.steps) as n_steps:
            counted = counter(self._on_call, n_steps * (1 + want.samples))
            rows, steps = self._drawn(observations, seed, counted)
            actions = self._asker.in_scene_units(rows)
            latency = time.perf_counter() - began
            if want.denoising:
                extras |= self._denoising(rows, steps)
            if want.samples > 0:
                others = [self._drawn(observations, each, counted) for each in sample_seeds(seed, want.samples)]
                extras["samples"] = frozen(np.stack([self._asker.in_scene_units(each) for each, _ in others]))
                if want.denoising:
                    states = [self._in_scene_units([*taken.samples, each]) for each, taken in others]
                    extras["samples_denoising"] = frozen(np.stack(states))
        return chunk_from(self._info, observations[-1], start, seed, latency, rows, actions, extras)

    def ensemble_weights(self, coefficient: float) -> Float32Array:
        """See `viewer_app.types.Policy`."""
        return ensemble_weights(self._info.chunk_size, coefficient)

    def _drawn(
        self, observations: Sequence[Observation], seed: int, counted: Callable[[], None]
    ) -> tuple[Tensor, _Steps]:
        """The chunk of a seed, of shape (1, H, n), and the steps to it."""
        with self._watched(counted) as steps:
            return self._asker.ask(observations, seed).rows, steps

    @contextmanager
    def _watched(self, counted: Callable[[], None]) -> Iterator[_Steps]:
        """While in force, each denoising step is kept. What comes out stays as it is."""
        steps = _Steps()
        executable: Callable[[Tensor], Tensor] = self._model.model.action_space.postprocess

        def watch(module: nn.Module, args: tuple[object, ...], given: Mapping[str, Tensor], answer: Tensor) -> None:
            # Cloned, because some action spaces change in place what they are given.
            steps.samples.append(executable(given["action_with_noise"].clone()))
            steps.aims.append(executable(answer.clone()))
            steps.times.append(float(given["t"][0]))
            counted()

        handle = self._model.model.transformer.register_forward_hook(watch, with_kwargs=True)
        try:
            yield steps
        finally:
            handle.remove()

    @contextmanager
    def _n_steps(self, asked: int) -> Iterator[int]:
        """While in force, the model takes the wanted number of denoising steps, which is given."""
        if asked < 0:
            raise WhiskersError(f"Policy {self._info.name} cannot take {asked} denoising steps; take 1 or more.")
        self._model.config.num_denoising_steps = asked or self._info.denoising_steps
        try:
            yield asked or self._info.denoising_steps
        finally:
            self._model.config.num_denoising_steps = self._info.denoising_steps

    def _in_scene_units(self, chunks: Sequence[Tensor]) -> Float32Array:
        """Chunks of shape (1, H, n) to (S, H, n)."""
        return np.stack([self._asker.in_scene_units(each) for each in chunks])

    def _denoising(self, rows: Tensor, steps: _Steps) -> dict[str, NDArray[np.float32]]:
        """The extras about the chunk itself."""
        states = [*steps.samples, rows]
        return {
            "denoising": frozen(self._in_scene_units(states)),
            "denoising_x0": frozen(self._in_scene_units(steps.aims)),
            "denoising_model": frozen(torch.cat(states).float().cpu().numpy()),
            "denoising_x0_model": frozen(torch.cat(steps.aims).float().cpu().numpy()),
            "denoising_times": frozen(np.array([*steps.times, 0.0], np.float32)),
        }


def load_xvla(checkpoint: Checkpoint, device: str, report: Report, on_call: OnCall) -> XvlaPolicy:
    """The policy of a checkpoint, verified and tried once.

    Args:
        checkpoint: A checkpoint of type `xvla`.
        device: torch's name of where the model is to run.
        report: Told the progress.
        on_call: Told about each denoising step.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
    """
    config = generic_config(checkpoint, XVLAConfig, device)
    steps = config.num_denoising_steps
    if not isinstance(steps, int) or steps < 1:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.folder / CONFIG}: num_denoising_steps must be a whole number from 1, not "
            f"{steps!r}; 10 is usual."
        )
    if modeling_xvla._is_vendored_florence_state_dict(checkpoint.tensors):
        raise CheckpointError(
            f"Checkpoint file {checkpoint.weights} names the parts of Florence-2 as LeRobot did before it used "
            "transformers' own; load it once with LeRobot's XVLAPolicy.from_pretrained, save that with "
            "save_pretrained, and open what that gives."
        )
    loaded = load_form(checkpoint, Form(XVLAPolicy, Source("_get_action_chunk")), config, device, report)
    return XvlaPolicy(loaded.model, loaded.asker, replace(loaded.info, denoising_steps=steps), on_call)
