"""LeRobot's ACT (Action Chunking Transformer) as a Whiskers policy.

LeRobot's `select_action` keeps a queue and an ensemble; neither is used. `predict` asks for a whole chunk, so a call
depends on its arguments alone, and which action is executed when is the business of `viewer_app.chunking`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import MappingProxyType

import numpy as np
import torch
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from numpy.typing import NDArray
from torch import Tensor, nn

from policies.answer import chunk_from, ensemble_weights
from policies.checkpoint import Checkpoint
from policies.inputs import Inputs, inputs_of
from policies.model import decode_config, load_verified
from policies.processors import Processors, load_processors
from policies.progress import OnCall, Progress, Report, within
from policies.trial import try_once
from policies.xray import xrayed
from viewer_app.types import ActionChunk, Float32Array, Observation, PolicyInfo, Want, frozen


class ActPolicy:
    """A loaded ACT checkpoint. Calls must not overlap."""

    def __init__(self, model: ACTPolicy, processors: Processors, inputs: Inputs, info: PolicyInfo) -> None:
        self._model = model
        self._processors = processors
        self._inputs = inputs
        self._info = info

    @property
    def info(self) -> PolicyInfo:
        return self._info

    @property
    def processors(self) -> Processors:
        return self._processors

    @xrayed
    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        """Propose `chunk_size` actions. See `viewer_app.types.Policy`.

        Extras, where wanted: `samples` (K, H, n) in scene units, drawn from the latent's prior instead of its mean;
        `attention` (H, S) of the decoder's last layer, mean of the heads, over the S tokens [latent, state, environment
        state, pixels of each camera's feature map]; and `attention:CAMERA` (H, rows, columns), the part of each camera.
        """
        began = time.perf_counter()
        with torch.inference_mode():
            batch = self._processors.before(self._inputs.batch(observations[-1]))
            extras: dict[str, NDArray[np.float32]] = {}
            with ExitStack() as taps:
                if want.attention:
                    taps.enter_context(_attention_into(extras, self._model, list(self._inputs.cameras)))
                normalised = self._model.predict_action_chunk(batch)  # (1, H, n)
            actions = self._in_scene_units(normalised)[0]
            latency = time.perf_counter() - began
            if want.samples > 0 and self._model.config.use_vae:
                extras["samples"] = frozen(self._samples(batch, want.samples, seed))
        return chunk_from(self._info, observations[-1], start, seed, latency, normalised, actions, extras)

    def ensemble_weights(self, coefficient: float) -> Float32Array:
        """See `viewer_app.types.Policy`."""
        return ensemble_weights(self._info.chunk_size, coefficient)

    def _in_scene_units(self, normalised: Tensor) -> Float32Array:
        """Shape (B, H, n) in and out."""
        scaled: Tensor = self._processors.after(normalised)
        return scaled.float().cpu().numpy()

    def _samples(self, batch: dict[str, Tensor], count: int, seed: int) -> Float32Array:
        """Chunks for latents drawn from the prior, all in one call. Shape (count, H, n)."""
        generator = torch.Generator().manual_seed(seed)
        latents = torch.randn((count, self._model.config.latent_dim), generator=generator)

        def replace_latent(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
            return latents.to(inputs[0])

        many = {key: value.expand(count, *value.shape[1:]) for key, value in batch.items() if isinstance(value, Tensor)}
        with ExitStack() as taps:
            model = self._model.model
            handle = model.encoder_latent_input_proj.register_forward_pre_hook(replace_latent)
            taps.callback(handle.remove)
            if self._inputs.cameras:
                taps.enter_context(_seen_once(model.backbone, count))
            return self._in_scene_units(self._model.predict_action_chunk(many))


@contextmanager
def _seen_once(backbone: nn.Module, count: int) -> Iterator[None]:
    """While in force, the backbone looks at the first of `count` equal pictures only, which is most of a call's time;
    the others get the same features."""

    def take_first(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        return inputs[0][:1]

    def give_all(module: nn.Module, inputs: tuple[Tensor, ...], output: dict[str, Tensor]) -> dict[str, Tensor]:
        return {key: value.expand(count, *value.shape[1:]) for key, value in output.items()}

    handles = [backbone.register_forward_pre_hook(take_first), backbone.register_forward_hook(give_all)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _attention_into(extras: dict[str, NDArray[np.float32]], model: ACTPolicy, cameras: list[str]) -> Iterator[None]:
    """While in force, the attention of the next chunk is put into `extras`. The chunk itself stays as it is."""
    grids: list[tuple[int, int]] = []

    def keep_grid(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        grids.append((output.shape[-2], output.shape[-1]))

    def keep_attention(module: nn.Module, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        weights = output[1][0].float().cpu().numpy()  # (H, S)
        extras["attention"] = frozen(weights)
        # The pixels of the cameras' feature maps are the last tokens, row by row, in the order of the cameras.
        begin = weights.shape[1] - sum(rows * columns for rows, columns in grids)
        for camera, (rows, columns) in zip(cameras, grids, strict=True):
            part = weights[:, begin : begin + rows * columns]
            extras[f"attention:{camera}"] = frozen(part.reshape(len(part), rows, columns))
            begin += rows * columns

    handles = [model.model.decoder.layers[-1].multihead_attn.register_forward_hook(keep_attention)]
    if cameras:
        handles.append(model.model.encoder_img_feat_input_proj.register_forward_hook(keep_grid))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def load_act(checkpoint: Checkpoint, device: str, report: Report, on_call: OnCall) -> ActPolicy:
    """The policy of a checkpoint, verified and tried once.

    Args:
        checkpoint: A checkpoint of type `act`.
        device: torch's name of where the model is to run.
        report: Told the progress.
        on_call: Not told anything: a call is one step.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
    """
    # The file's weights replace those of the backbone, so torchvision's need not be downloaded first.
    overrides = {"device": device, "pretrained_backbone_weights": None, "use_amp": False}
    config = decode_config(checkpoint, ACTConfig, overrides)
    inputs = inputs_of(config, checkpoint)
    model, verified = load_verified(checkpoint, lambda: ACTPolicy(config), device, within(report, 0.0, 0.8))
    report(Progress("Reading the processors", 0.8))
    processors = load_processors(checkpoint, config, inputs, device)
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
        ensemble_coefficient=config.temporal_ensemble_coeff,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        tensors_verified=verified,
        tensors_in_file=checkpoint.n_tensors,
        action_scale=processors.action_scale,
        relative_actions=processors.relative,
        state_scale=processors.state_scale,
        camera_mean=MappingProxyType(dict(processors.camera_mean)),
        device=device,
    )
    policy = ActPolicy(model, processors, inputs, info)
    report(Progress("Trying it once", 0.9))
    try_once(policy.predict, inputs, checkpoint)
    return policy
