"""Tiny real checkpoints of the policies that see a history and denoise a horizon, saved by LeRobot's own code.

The weights are random, the statistics made up. `tests.checkpoints` has those of the other types.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import cast

import numpy as np
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from policies.lazy_package import defer_init
from tests.checkpoints import _statistics
from tests.lerobot_loop import lerobot_key
from viewer_app.types import Observation, frozen

CAMERAS: Mapping[str, tuple[int, int]] = MappingProxyType({"wrist_cam": (32, 40), "overhead_cam": (32, 40)})
"""Camera to (height, width). LeRobot wants the same size for all of them here. [px]"""
N_STATE, N_ACTION, HORIZON, N_OBS_STEPS = 6, 5, 12, 2
CHUNK = HORIZON - N_OBS_STEPS + 1


def observe(seed: int, task: str = "Pick up the block.") -> Observation:
    """Random pictures and a random state, read-only as the engine's are."""
    rng = np.random.default_rng(seed)
    images = {name: frozen(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for name, size in CAMERAS.items()}
    state = rng.uniform(-100, 100, N_STATE).astype(np.float32)
    return Observation(time=seed / 30, state=frozen(state), images=MappingProxyType(images), task=task)


def build_diffusion(
    folder: Path,
    *,
    cameras: Mapping[str, tuple[int, int]] = CAMERAS,
    n_state: int = N_STATE,
    n_action: int = N_ACTION,
    scheduler: str = "DDIM",
    prediction: str = "epsilon",
    n_action_steps: int = 5,
    train_steps: int = 20,
    inference_steps: int | None = 4,
    seed: int = 0,
) -> Path:
    """Save an untrained Diffusion Policy with its processors in `folder`, and return the folder.

    Args:
        folder: Made if need be.
        cameras: Camera to (height, width). [px]
        n_state: Dimensions of the state.
        n_action: Dimensions of the action.
        scheduler: `DDIM` or `DDPM`.
        prediction: What the network answers: `epsilon`, the noise, or `sample`, the finished actions.
        n_action_steps: The checkpoint's own setting.
        train_steps: Length of the noise schedule.
        inference_steps: Denoising steps, None for all of them.
        seed: Seed of weights and statistics.
    """
    defer_init("lerobot.policies")
    from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
    from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
    from lerobot.policies.diffusion.processor_diffusion import make_diffusion_pre_post_processors

    config = DiffusionConfig(
        **_features(cameras, n_state, n_action),
        n_action_steps=n_action_steps,
        pretrained_backbone_weights=None,
        use_group_norm=True,
        use_separate_rgb_encoder_per_camera=False,
        spatial_softmax_num_keypoints=4,
        down_dims=(16, 32),
        diffusion_step_embed_dim=16,
        noise_scheduler_type=scheduler,
        prediction_type=prediction,
        num_train_timesteps=train_steps,
        num_inference_steps=inference_steps,
        # Wider than random weights go, so that not every number ends up at the same bound.
        clip_sample_range=10.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = DiffusionPolicy(config)
        statistics = _all_statistics(cameras, n_state, n_action)
    for part in (policy, *make_diffusion_pre_post_processors(config, statistics)):
        part.save_pretrained(folder)
    return folder


def build_multi_task_dit(
    folder: Path,
    *,
    objective: str = "flow_matching",
    method: str = "euler",
    scheduler: str = "DDPM",
    n_action_steps: int = 5,
    steps: int = 4,
    seed: int = 0,
) -> Path:
    """Save an untrained multi-task DiT with its processors in `folder`, and its CLIP in `folder/clip`.

    Its weights are random beyond what LeRobot's own initialisation makes of them, with which it ignores what it sees.

    Args:
        folder: Made if need be.
        objective: `flow_matching` or `diffusion`.
        method: Of integration: `euler` or `rk4`.
        scheduler: `DDIM` or `DDPM`, for `diffusion`, with a schedule of 20 steps.
        n_action_steps: The checkpoint's own setting.
        steps: Denoising steps.
        seed: Seed of weights and statistics.
    """
    defer_init("lerobot.policies")
    from lerobot.policies.multi_task_dit.configuration_multi_task_dit import MultiTaskDiTConfig
    from lerobot.policies.multi_task_dit.modeling_multi_task_dit import MultiTaskDiTPolicy
    from lerobot.policies.multi_task_dit.processor_multi_task_dit import make_multi_task_dit_pre_post_processors

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        clip = _save_clip(folder / "clip")
        config = MultiTaskDiTConfig(
            **_features(),
            n_action_steps=n_action_steps,
            objective=objective,
            integration_method=method,
            num_integration_steps=steps,
            noise_scheduler_type=scheduler,
            num_train_timesteps=20,
            num_inference_steps=steps,
            clip_sample_range=10.0,
            hidden_dim=32,
            num_layers=2,
            num_heads=2,
            timestep_embed_dim=16,
            vision_encoder_name=str(clip),
            text_encoder_name=str(clip),
            image_resize_shape=(32, 32),
            image_crop_shape=None,
            tokenizer_max_length=16,
        )
        policy = MultiTaskDiTPolicy(config)
        for block in policy.noise_predictor.transformer_blocks:
            torch.nn.init.normal_(block.adaLN_modulation[-1].weight, std=0.2)
        statistics = _all_statistics()
    for part in (policy, *make_multi_task_dit_pre_post_processors(config, statistics)):
        part.save_pretrained(folder)
    return folder


def variant(folder: Path, into: Path, **fields: object) -> Path:
    """The same checkpoint with other values of such fields as its configuration has, in `into`, which is returned."""
    for path in folder.iterdir():
        if path.name != "config.json":
            (into / path.name).symlink_to(path)
    config = json.loads((folder / "config.json").read_text())
    config |= {name: value for name, value in fields.items() if name in config}
    (into / "config.json").write_text(json.dumps(config))
    return into


def _features(
    cameras: Mapping[str, tuple[int, int]] = CAMERAS, n_state: int = N_STATE, n_action: int = N_ACTION
) -> dict[str, object]:
    """Sizes that both types share, as fields of their configurations."""
    images = {lerobot_key(name): PolicyFeature(FeatureType.VISUAL, (3, *size)) for name, size in cameras.items()}
    return {
        "input_features": {**images, "observation.state": PolicyFeature(FeatureType.STATE, (n_state,))},
        "output_features": {"action": PolicyFeature(FeatureType.ACTION, (n_action,))},
        "device": "cpu",
        "horizon": HORIZON,
        "n_obs_steps": N_OBS_STEPS,
    }


def _all_statistics(
    cameras: Mapping[str, tuple[int, int]] = CAMERAS, n_state: int = N_STATE, n_action: int = N_ACTION
) -> dict[str, dict[str, torch.Tensor]]:
    images = {lerobot_key(name): _statistics((3, 1, 1), 0.5, 0.25) for name in cameras}
    vectors = {"observation.state": n_state, "action": n_action}
    return {**images, **{key: _statistics((size,), 10.0, 30.0) for key, size in vectors.items()}}


def _save_clip(folder: Path) -> Path:
    """A tiny CLIP with random weights, and a tokenizer with a token a byte."""
    names = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    names |= {letter: index for index, letter in enumerate(sorted(alphabet), start=len(names))}
    tokenizer = Tokenizer(models.BPE(vocab=names, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>", special_tokens=[("<|startoftext|>", 0), ("<|endoftext|>", 1)]
    )
    make = cast(Callable[..., PreTrainedTokenizerFast], PreTrainedTokenizerFast)  # transformers leaves it untyped
    make(
        tokenizer_object=tokenizer, bos_token="<|startoftext|>", eos_token="<|endoftext|>", pad_token="<|endoftext|>"
    ).save_pretrained(folder)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**sizes, "vocab_size": len(names), "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    vision = {**sizes, "image_size": 32, "patch_size": 16}
    settings = {"text_config": text, "vision_config": vision, "projection_dim": 8}
    CLIPModel(CLIPConfig.from_dict(settings)).save_pretrained(folder)
    return folder
