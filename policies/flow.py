"""What LeRobot's flow-matching policies Pi0, Pi0.5 and SmolVLA share, as a Whiskers policy.

They start from noise and follow a learnt velocity to the action, in Euler steps from t = 1 to t = 0. The noise is drawn
here from the seed and handed to LeRobot's sampler, so a call depends on its arguments alone. The sampler is LeRobot's
own: its steps are watched, not redone.
"""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import torch
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from numpy.typing import NDArray
from torch import Tensor

from policies.answer import chunk_from, ensemble_weights
from policies.checkpoint import CONFIG, Checkpoint, CheckpointError
from policies.guidance import guided, pull_of
from policies.inputs import Inputs, inputs_of, require_prompt
from policies.model import decode_config, load_verified
from policies.processors import Processors, load_processors
from policies.progress import OnCall, Progress, Report, within
from policies.sampler import Drawn, Sampler, counter
from policies.trial import try_once
from policies.xray import xrayed
from viewer_app.types import (
    ActionChunk,
    Float32Array,
    Observation,
    PolicyInfo,
    Sampling,
    Want,
    WhiskersError,
    frozen,
)

_EMPTY_CAMERA = "observation.images.empty_camera_"
"""How LeRobot calls cameras that a checkpoint has room for and nobody shows; it masks them by itself."""


@dataclass(frozen=True)
class Form:
    """Where LeRobot's classes of these policies differ."""

    policy_class: type[PreTrainedPolicy]
    steps: str
    """The configuration's name for the number of denoising steps."""
    eyes: str
    """The model's name for the part whose `embed_image` looks at the pictures."""
    overrides: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """Fields of the configuration that are not the checkpoint's to decide."""


class FlowPolicy:
    """A loaded checkpoint. Calls must not overlap."""

    def __init__(
        self,
        model: PreTrainedPolicy,
        form: Form,
        processors: Processors,
        inputs: Inputs,
        info: PolicyInfo,
        on_call: OnCall,
    ) -> None:
        self._model = model
        self._form = form
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
        """Propose `chunk_size` actions. See `viewer_app.types.Policy`.

        Extras, where wanted, S the number of denoising steps, t from 1 (noise) to 0 (action), v the velocity that is
        followed, which under guidance is the guided one:
        `denoising` (S + 1, H, n), the sample x_t before each step and, last, the chunk itself;
        `denoising_x0` (S, H, n), the chunk that each step points to, x_t - t * v;
        `denoising_times` (S + 1,), t of each row of `denoising`;
        `denoising_model` and `denoising_x0_model`, the first two in the model's units;
        `samples` (K, H, n), chunks for further draws of the noise, all in one call;
        `samples_denoising` (K, S + 1, H, n), their samples x_t, where both are wanted;
        `guidance` (H,), how much the leftover counted in each row, where there was one.

        Raises:
            WhiskersError: Also where there is no prompt, or the leftover is not one of this policy's chunks.
        """
        observation = observations[-1]
        require_prompt(self._info.name, observation)
        pull = pull_of(want.sampling, self._info)
        began = time.perf_counter()
        generator = torch.Generator().manual_seed(seed)
        extras: dict[str, NDArray[np.float32]] = {}
        with ExitStack() as stack:
            # Guidance goes through autograd, which inference mode rules out.
            stack.enter_context(torch.inference_mode() if pull is None else torch.no_grad())
            n_steps = stack.enter_context(self._n_steps(want.sampling))
            guide = None if pull is None else stack.enter_context(guided(self._model, pull.guidance))
            counted = counter(self._on_call, n_steps * (1 if want.samples == 0 else 2))
            sample = Sampler(self._model, pull, guide, counted, want.denoising)
            batch = self._processors.before(self._inputs.batch(observation))
            drawn = sample(batch, self._noise(1, generator))
            actions = self._in_scene_units(drawn.chunks)[0]
            latency = time.perf_counter() - began
            if want.denoising:
                extras |= self._denoising(drawn)
            if guide is not None:
                extras["guidance"] = frozen(guide.shares[0].float().cpu().numpy())
            if want.samples > 0:
                stack.enter_context(self._seen_once(want.samples))
                extras |= self._samples(sample(_repeated(batch, want.samples), self._noise(want.samples, generator)))
        return chunk_from(self._info, observation, start, seed, latency, drawn.chunks, actions, extras)

    def ensemble_weights(self, coefficient: float) -> Float32Array:
        """See `viewer_app.types.Policy`."""
        return ensemble_weights(self._info.chunk_size, coefficient)

    def _noise(self, count: int, generator: torch.Generator) -> Tensor:
        """Shape (count, H, max_action_dim).

        Drawn as LeRobot does after `torch.manual_seed(seed)`, on the CPU so that a seed means the same on every device.
        """
        config = self._model.config
        shape = (count, config.chunk_size, config.max_action_dim)
        noise = torch.normal(0.0, 1.0, shape, generator=generator, dtype=torch.float32)
        return noise.to(self._info.device)

    @contextmanager
    def _n_steps(self, sampling: Sampling) -> Iterator[int]:
        """While in force, the model takes the wanted number of denoising steps, which is given."""
        config, own = self._model.config, self._info.denoising_steps
        if sampling.steps < 0:
            raise WhiskersError(
                f"Policy {self._info.name} cannot take {sampling.steps} denoising steps; take 1 or more."
            )
        setattr(config, self._form.steps, sampling.steps or own)
        try:
            yield sampling.steps or own
        finally:
            setattr(config, self._form.steps, own)

    @contextmanager
    def _seen_once(self, count: int) -> Iterator[None]:
        """While in force, the model looks at the first of `count` equal pictures only; the others get its features."""
        eyes = getattr(self._model.model, self._form.eyes)
        embed: Callable[[Tensor], Tensor] = eyes.embed_image

        def embed_first(image: Tensor) -> Tensor:
            features = embed(image[:1])
            return features.expand(count, *features.shape[1:])

        eyes.embed_image = embed_first
        try:
            yield
        finally:
            del eyes.embed_image  # What remains is the method of the class.

    def _in_scene_units(self, normalised: Tensor) -> Float32Array:
        """Shape (..., H, n) in and out."""
        scaled: Tensor = self._processors.after(normalised.flatten(0, -3))
        return scaled.reshape(normalised.shape).float().cpu().numpy()

    def _denoising(self, drawn: Drawn) -> dict[str, NDArray[np.float32]]:
        """The extras of that name. LeRobot's padding of the action is cut off, as it does at the end."""
        states, aims = drawn.states()[0], drawn.aims()[0]
        return {
            "denoising": frozen(self._in_scene_units(states)),
            "denoising_x0": frozen(self._in_scene_units(aims)),
            "denoising_times": frozen(np.array([*(float(t) for _, _, t in drawn.steps), 0.0], np.float32)),
            "denoising_model": frozen(states.cpu().numpy()),
            "denoising_x0_model": frozen(aims.cpu().numpy()),
        }

    def _samples(self, drawn: Drawn) -> dict[str, NDArray[np.float32]]:
        """The extras of that name."""
        extras = {"samples": frozen(self._in_scene_units(drawn.chunks))}
        if drawn.steps:
            extras["samples_denoising"] = frozen(self._in_scene_units(drawn.states()))
        return extras


def _repeated(batch: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """The batch of one observation, `count` times. Shapes (1, ...) to (count, ...)."""
    return {key: value.expand(count, *value.shape[1:]) for key, value in batch.items() if isinstance(value, Tensor)}


def load_flow(checkpoint: Checkpoint, form: Form, device: str, report: Report, on_call: OnCall) -> FlowPolicy:
    """The policy of a checkpoint, verified and tried once.

    Args:
        checkpoint: Of a type that `form` describes.
        form: What is particular about the type.
        device: torch's name of where the model is to run.
        report: Told the progress.
        on_call: Told about each denoising step.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
    """
    # A compiled sampler could not be watched, and guidance is each call's own.
    overrides = {"device": device, "use_amp": False, "compile_model": False, "rtc_config": None, **form.overrides}
    config = decode_config(checkpoint, form.policy_class.config_class, overrides)
    _check(checkpoint, config, form)
    inputs = inputs_of(without_empty_cameras(config), checkpoint)

    def build() -> PreTrainedPolicy:
        with redirect_stdout(io.StringIO()):  # LeRobot prints what it builds.
            return form.policy_class(_on_default_device(config))

    model, verified = load_verified(checkpoint, build, device, within(report, 0.0, 0.8))
    report(Progress("Reading the processors", 0.8))
    processors = load_processors(checkpoint, without_empty_cameras(config), inputs, device)
    info = PolicyInfo(
        name=checkpoint.name,
        kind=checkpoint.kind,
        source=checkpoint.source,
        digest=checkpoint.digest,
        chunk_size=config.chunk_size,
        n_action_steps=config.n_action_steps,
        n_action=config.action_feature.shape[0],
        n_state=inputs.n_state,
        n_environment_state=inputs.n_environment_state,
        cameras=MappingProxyType({name: (camera.height, camera.width) for name, camera in inputs.cameras.items()}),
        uses_task=True,
        deterministic=False,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        tensors_verified=verified,
        tensors_in_file=checkpoint.n_tensors,
        action_scale=processors.action_scale,
        state_scale=processors.state_scale,
        camera_mean=MappingProxyType(dict(processors.camera_mean)),
        device=device,
        denoising_steps=getattr(config, form.steps),
        # What is left of a chunk before is relative to another state than the next chunk.
        guidable=not processors.relative,
        relative_actions=processors.relative,
    )
    policy = FlowPolicy(model, form, processors, inputs, info, on_call)
    report(Progress("Trying it once", 0.9))
    try_once(policy.predict, inputs, checkpoint)
    return policy


def _check(checkpoint: Checkpoint, config: PreTrainedConfig, form: Form) -> None:
    """Refuse what LeRobot would run on until it fails, or what is not supported."""
    path, steps = checkpoint.folder / CONFIG, getattr(config, form.steps)
    if not isinstance(steps, int) or steps < 1:
        raise CheckpointError(
            f"Checkpoint file {path}: {form.steps} must be a whole number from 1, not {steps!r}; 10 is usual."
        )


def without_empty_cameras(config: PreTrainedConfig) -> PreTrainedConfig:
    """The configuration as far as it concerns what is to be shown to the policy."""
    shown = copy.copy(config)
    shown.input_features = {k: v for k, v in config.input_features.items() if not k.startswith(_EMPTY_CAMERA)}
    return shown


def _on_default_device(config: PreTrainedConfig) -> PreTrainedConfig:
    """Some models move themselves to the configured device, which fails while shapes alone are asked for ("meta")."""
    moved = copy.copy(config)
    moved.input_features = dict(config.input_features)  # The constructor adds to it.
    moved.device = str(torch.get_default_device())
    return moved
