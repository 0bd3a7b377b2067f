"""LeRobot's Pi0 as a Whiskers policy, of its full size (`pi0`) and of a small one (`tiny_pi0`).

Pi0 starts from noise and follows a learnt velocity to the action, in `num_inference_steps` Euler steps from t = 1 to
t = 0. The noise is drawn here from the seed and handed to LeRobot's sampler, so a call depends on its arguments alone.
The sampler is LeRobot's own: its steps are watched, not redone.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import numpy as np
import torch
from lerobot.policies.pi0.configuration_pi0 import PI0Config
from lerobot.policies.pi0.modeling_pi0 import PI0Policy
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoTokenizer

from policies.answer import chunk_from, ensemble_weights
from policies.checkpoint import CONFIG, PREPROCESSOR, Checkpoint, CheckpointError
from policies.inputs import Inputs, inputs_of
from policies.model import decode_config, load_verified
from policies.processors import Processors, load_processors
from policies.progress import OnCall, Progress, Report, within
from policies.tiny_pi0.modeling_tiny_pi0 import TinyPI0Policy
from policies.trial import try_once
from viewer_app.types import ActionChunk, Float32Array, Observation, PolicyInfo, Want, WhiskersError, frozen

_EMPTY_CAMERA = "observation.images.empty_camera_"
"""How LeRobot calls cameras that a checkpoint has room for and nobody shows; it masks them by itself."""
_OLD_NAMES = ("paligemma_with_expert.", "action_", "state_proj.", "time_mlp_")
"""How tensor names begin in files that LeRobot renames as it loads them."""


class Pi0Policy:
    """A loaded Pi0 checkpoint. Calls must not overlap."""

    def __init__(self, model: PI0Policy, processors: Processors, inputs: Inputs, info: PolicyInfo) -> None:
        self._model = model
        self._processors = processors
        self._inputs = inputs
        self._info = info

    @property
    def info(self) -> PolicyInfo:
        return self._info

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        """Propose `chunk_size` actions. See `viewer_app.types.Policy`.

        Extras, where wanted, all in scene units but for the times:
        `denoising` (S + 1, H, n), the sample x_t before each of S denoising steps and, last, the chunk itself;
        `denoising_x0` (S, H, n), the chunk that each step's velocity v points to, x_t - t * v;
        `denoising_times` (S + 1,), t of each row of `denoising`, from 1 (noise) to 0 (action);
        `samples` (K, H, n), chunks for further draws of the noise, all in one call.

        Raises:
            WhiskersError: Also where there is no prompt.
        """
        observation = observations[-1]
        if not observation.task.strip():
            raise WhiskersError(
                f"Policy {self._info.name} reads a prompt, and there is none; write in a few words what it is to do."
            )
        began = time.perf_counter()
        generator = torch.Generator().manual_seed(seed)
        with torch.inference_mode():
            batch = self._processors.before(self._inputs.batch(observation))
            noise = self._noise(1, generator)
            steps: list[_Step] = []
            with _steps_into(steps if want.denoising else None, self._model):
                normalised = self._model.predict_action_chunk(batch, noise=noise)  # (1, H, n)
            actions = self._in_scene_units(normalised)[0]
            latency = time.perf_counter() - began
            extras: dict[str, NDArray[np.float32]] = {}
            if want.denoising:
                extras |= self._denoising(steps, normalised)
            if want.samples > 0:
                extras["samples"] = frozen(self._samples(batch, self._noise(want.samples, generator)))
        return chunk_from(self._info, observation, start, seed, latency, normalised, actions, extras)

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

    def _in_scene_units(self, normalised: Tensor) -> Float32Array:
        """Shape (B, H, n) in and out."""
        scaled: Tensor = self._processors.after(normalised)
        return scaled.float().cpu().numpy()

    def _samples(self, batch: dict[str, Tensor], noise: Tensor) -> Float32Array:
        """Chunks for the same observation from each noise, in one call. Shape (count, H, n)."""
        many = {k: v.expand(len(noise), *v.shape[1:]) for k, v in batch.items() if isinstance(v, Tensor)}
        return self._in_scene_units(self._model.predict_action_chunk(many, noise=noise))

    def _denoising(self, steps: list[_Step], normalised: Tensor) -> dict[str, NDArray[np.float32]]:
        """The extras of that name. LeRobot's padding of the action is cut off, as it does at the end."""
        n = self._info.n_action
        states = [sample[..., :n] for sample, _, _ in steps]
        aims = [(sample - t * velocity)[..., :n] for sample, velocity, t in steps]
        return {
            "denoising": frozen(self._in_scene_units(torch.cat([*states, normalised]))),
            "denoising_x0": frozen(self._in_scene_units(torch.cat(aims))),
            "denoising_times": frozen(np.array([*(t for _, _, t in steps), 0.0], np.float32)),
        }


type _Step = tuple[Tensor, Tensor, float]
"""Sample x_t and velocity v, each of shape (1, H, max_action_dim) in the model's units, and t."""


@contextmanager
def _steps_into(steps: list[_Step] | None, model: PI0Policy) -> Iterator[None]:
    """While in force, each denoising step is put into `steps`, if that is a list. The chunk stays as it is."""
    if steps is None:
        yield
        return
    denoise_step: Callable[..., Tensor] = model.model.denoise_step

    def watched(*, x_t: Tensor, timestep: Tensor, **others: object) -> Tensor:
        velocity = denoise_step(x_t=x_t, timestep=timestep, **others)
        steps.append((x_t, velocity, float(timestep[0])))
        return velocity

    model.model.denoise_step = watched
    try:
        yield
    finally:
        del model.model.denoise_step  # What remains is the method of the class.


def load_pi0(checkpoint: Checkpoint, device: str, report: Report, on_call: OnCall) -> Pi0Policy:
    """The policy of a checkpoint, verified and tried once.

    Args:
        checkpoint: A checkpoint of type `pi0` or `tiny_pi0`.
        device: torch's name of where the model is to run.
        report: Told the progress.
        on_call: Told about each denoising step.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
    """
    policy_class: type[PI0Policy] = {each.name: each for each in (PI0Policy, TinyPI0Policy)}[checkpoint.kind]
    # A compiled sampler could not be watched, and guidance by an earlier chunk would be hidden state.
    overrides = {"device": device, "use_amp": False, "compile_model": False, "rtc_config": None}
    config: PI0Config = decode_config(checkpoint, policy_class.config_class, overrides)
    _check(checkpoint, config)
    inputs = inputs_of(_without_empty_cameras(config), checkpoint)
    model, verified = load_verified(
        checkpoint, lambda: policy_class(_on_default_device(config)), device, within(report, 0.0, 0.8)
    )
    report(Progress("Reading the processors", 0.8))
    processors = _load_processors(checkpoint, _without_empty_cameras(config), inputs, device)
    info = PolicyInfo(
        name=checkpoint.name,
        kind=checkpoint.kind,
        source=checkpoint.source,
        digest=checkpoint.digest,
        chunk_size=config.chunk_size,
        n_action_steps=config.n_action_steps,
        n_action=config.action_feature.shape[0],
        n_state=inputs.n_state,
        cameras=MappingProxyType({name: (camera.height, camera.width) for name, camera in inputs.cameras.items()}),
        uses_task=True,
        deterministic=False,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        tensors_verified=verified,
        tensors_in_file=len(checkpoint.tensors),
        action_scale=processors.action_scale,
        state_scale=processors.state_scale,
        camera_mean=MappingProxyType(dict(processors.camera_mean)),
        device=device,
    )
    policy = Pi0Policy(model, processors, inputs, info)
    report(Progress("Trying it once", 0.9))
    try_once(policy.predict, inputs, checkpoint)
    return policy


def _check(checkpoint: Checkpoint, config: PI0Config) -> None:
    """Refuse what LeRobot would run on until it fails, or what is not supported."""
    path = checkpoint.folder / CONFIG
    if not isinstance(config.num_inference_steps, int) or config.num_inference_steps < 1:
        raise CheckpointError(
            f"Checkpoint file {path}: num_inference_steps must be a whole number from 1, not "
            f"{config.num_inference_steps!r}; 10 is usual."
        )
    if config.use_relative_actions:
        raise CheckpointError(
            f"Checkpoint file {path}: its actions are relative to the state (use_relative_actions), which Whiskers "
            "cannot draw; open one that was trained on absolute actions."
        )
    old = [name for name in checkpoint.tensors if name.startswith(_OLD_NAMES)]
    if old:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.weights} names its tensors as openpi does ({old[0]} and {len(old) - 1} more) "
            'without the "model." of LeRobot; save it once more with LeRobot\'s PI0Policy.from_pretrained and '
            "save_pretrained."
        )


def _without_empty_cameras(config: PI0Config) -> PI0Config:
    """The configuration as far as it concerns what is to be shown to the policy."""
    shown = copy.copy(config)
    shown.input_features = {k: v for k, v in config.input_features.items() if not k.startswith(_EMPTY_CAMERA)}
    return shown


def _on_default_device(config: PI0Config) -> PI0Config:
    """LeRobot's Pi0 moves itself to the configured device, which fails while shapes alone are asked for ("meta")."""
    moved = copy.copy(config)
    moved.input_features = dict(config.input_features)  # The constructor adds to it.
    moved.device = str(torch.get_default_device())
    return moved


def _load_processors(checkpoint: Checkpoint, config: PI0Config, inputs: Inputs, device: str) -> Processors:
    """As `load_processors`, with a complaint of its own where the tokenizer is what is missing."""
    try:
        return load_processors(checkpoint, config, inputs, device)
    except CheckpointError:
        for step in checkpoint.steps[PREPROCESSOR]:
            settings = step.get("config")
            if step.get("registry_name") == "tokenizer_processor" and isinstance(settings, dict):
                _check_tokenizer(checkpoint, str(settings.get("tokenizer_name")))
        raise


def _check_tokenizer(checkpoint: Checkpoint, name: str) -> None:
    """Complain if the tokenizer of that name cannot be had."""
    try:
        AutoTokenizer.from_pretrained(name)
    except Exception as error:  # transformers raises whatever it likes, with pages of advice.
        raise CheckpointError(
            f"Checkpoint file {checkpoint.folder / PREPROCESSOR} needs the tokenizer {name!r}, which is not here; "
            f"download it once with `hf download {name}` (after `hf auth login` where it is gated), or set its "
            "tokenizer_name to a folder that holds it."
        ) from error
