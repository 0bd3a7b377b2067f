"""Tiny real checkpoints of VQ-BeT, TD-MPC and X-VLA, saved by LeRobot's own code.

The weights are random, the statistics made up. `tests.checkpoints` has those of the other types.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from lerobot.configs.types import FeatureType, PolicyFeature

from policies.lazy_package import defer_init
from tests.checkpoints import CAMERAS, _statistics
from tests.lerobot_loop import lerobot_key
from viewer_app.types import Observation, frozen

ONE_CAMERA: Mapping[str, tuple[int, int]] = MappingProxyType({"image": (64, 64)})
"""LeRobot's lone `observation.image`, to (height, width). [px]"""
N_STATE, N_ACTION = 6, 5


def observe(
    seed: int, cameras: Mapping[str, tuple[int, int]] = ONE_CAMERA, task: str = "Pick up the block."
) -> Observation:
    """Random pictures and a random state, read-only as the engine's are."""
    rng = np.random.default_rng(seed)
    images = {name: frozen(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for name, size in cameras.items()}
    state = rng.uniform(-50, 50, N_STATE).astype(np.float32)
    return Observation(time=seed / 30, state=frozen(state), images=MappingProxyType(images), task=task)


def build_vqbet(folder: Path, *, trained_codes: bool = True, seed: int = 0) -> Path:
    """Save an untrained VQ-BeT of 3 observations and a chunk of 5 with its processors in `folder`, which is returned.

    Args:
        folder: Made if need be.
        trained_codes: Whether it says that its codes have been trained.
        seed: Seed of weights and statistics.
    """
    defer_init("lerobot.policies")
    from lerobot.policies.vqbet.configuration_vqbet import VQBeTConfig
    from lerobot.policies.vqbet.modeling_vqbet import VQBeTPolicy
    from lerobot.policies.vqbet.processor_vqbet import make_vqbet_pre_post_processors

    config = VQBeTConfig(
        **_features(),
        n_obs_steps=3,
        n_action_pred_token=2,
        action_chunk_size=5,
        crop_shape=(56, 56),
        pretrained_backbone_weights=None,
        use_group_norm=True,
        spatial_softmax_num_keypoints=4,
        vqvae_n_embed=8,
        vqvae_embedding_dim=32,
        vqvae_enc_hidden_dim=32,
        gpt_block_size=64,
        gpt_input_dim=32,
        gpt_output_dim=32,
        gpt_hidden_dim=32,
        gpt_n_layer=2,
        gpt_n_head=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = VQBeTPolicy(config)
        # As trained codes would be: each stands for something of its own.
        for module in policy.vqbet.action_head.vqvae_model.vq_layer.modules():
            if hasattr(module, "embed"):
                torch.nn.init.normal_(module.embed)
        policy.vqbet.action_head.vqvae_model.discretized.fill_(trained_codes)
        statistics = _all_statistics(ONE_CAMERA)
    for part in (policy, *make_vqbet_pre_post_processors(config, statistics)):
        part.save_pretrained(folder)
    return folder


def build_tdmpc(
    folder: Path, *, n_action_steps: int = 3, n_action_repeats: int = 1, use_mpc: bool = True, seed: int = 0
) -> Path:
    """Save an untrained TD-MPC of horizon 5 with its processors in `folder`, which is returned.

    Args:
        folder: Made if need be.
        n_action_steps, n_action_repeats, use_mpc: The checkpoint's own settings.
        seed: Seed of weights and statistics.
    """
    defer_init("lerobot.policies")
    from lerobot.policies.tdmpc.configuration_tdmpc import TDMPCConfig
    from lerobot.policies.tdmpc.modeling_tdmpc import TDMPCPolicy
    from lerobot.policies.tdmpc.processor_tdmpc import make_tdmpc_pre_post_processors

    config = TDMPCConfig(
        **_features(),
        n_action_steps=n_action_steps,
        n_action_repeats=n_action_repeats,
        use_mpc=use_mpc,
        horizon=5,
        image_encoder_hidden_dim=8,
        state_encoder_hidden_dim=16,
        latent_dim=8,
        mlp_dim=16,
        n_gaussian_samples=32,
        n_pi_samples=4,
        n_elites=4,
        cem_iterations=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = TDMPCPolicy(config)
        # LeRobot begins with values of zero, for which any plan is as good as another.
        for module in policy.modules():
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.xavier_uniform_(module.weight, gain=3)
        statistics = _all_statistics(ONE_CAMERA)
    for part in (policy, *make_tdmpc_pre_post_processors(config, statistics)):
        part.save_pretrained(folder)
    return folder


def build_xvla(
    folder: Path, *, action_mode: str = "auto", n_action_steps: int = 6, steps: int = 4, seed: int = 0
) -> Path:
    """Save an untrained X-VLA of a chunk of 8 with its processors in `folder`, and its tokenizer in `folder/language`.

    Args:
        folder: Made if need be.
        action_mode: LeRobot's name of an action space: `auto` commands `N_ACTION` numbers; `ee6d`, whose model gives
            20, is saved with LeRobot's step that makes 7 of them.
        n_action_steps: The checkpoint's own setting.
        steps: Denoising steps.
        seed: Seed of weights and statistics.
    """
    defer_init("lerobot.policies")
    from lerobot.policies.xvla.configuration_xvla import XVLAConfig
    from lerobot.policies.xvla.modeling_xvla import XVLAPolicy
    from lerobot.policies.xvla.processor_xvla import (
        XVLARotation6DToAxisAngleProcessorStep,
        make_xvla_pre_post_processors,
    )

    from tests.flow_checkpoints import save_language_model

    save_language_model(folder / "language")
    vision = {
        "model_type": "florence_vision",
        "depths": [1, 1, 1, 1],
        "embed_dim": [16, 32, 48, 64],
        "num_heads": [2, 2, 4, 4],
        "num_groups": [2, 2, 4, 4],
        "window_size": 4,
        "projection_dim": 64,
    }
    text = {
        "model_type": "bart",
        "vocab_size": 512,
        "d_model": 64,
        "encoder_layers": 2,
        "decoder_layers": 1,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 128,
        "decoder_ffn_dim": 128,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    config = XVLAConfig(
        **_features(CAMERAS, N_ACTION if action_mode == "auto" else 20),
        chunk_size=8,
        n_action_steps=n_action_steps,
        florence_config={"vision_config": vision, "text_config": text, "image_token_id": 511},
        tokenizer_name=str(folder / "language"),
        tokenizer_max_length=16,
        hidden_size=64,
        depth=2,
        num_heads=4,
        num_domains=4,
        len_soft_prompts=4,
        max_state_dim=8 if action_mode == "auto" else 20,
        max_action_dim=8,
        action_mode=action_mode,
        num_denoising_steps=steps,
        resize_imgs_with_padding=(64, 64),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = XVLAPolicy(config)
        statistics = _all_statistics(CAMERAS)
    before, after = make_xvla_pre_post_processors(config, statistics)
    if action_mode == "ee6d":
        after.steps.insert(1, XVLARotation6DToAxisAngleProcessorStep())
    for part in (policy, before, after):
        part.save_pretrained(folder)
    return folder


def _features(cameras: Mapping[str, tuple[int, int]] = ONE_CAMERA, n_action: int = N_ACTION) -> dict[str, object]:
    """What such a policy reads and commands, as fields of its configuration."""
    images = {lerobot_key(name): PolicyFeature(FeatureType.VISUAL, (3, *size)) for name, size in cameras.items()}
    return {
        "input_features": {**images, "observation.state": PolicyFeature(FeatureType.STATE, (N_STATE,))},
        "output_features": {"action": PolicyFeature(FeatureType.ACTION, (n_action,))},
        "device": "cpu",
    }


def _all_statistics(cameras: Mapping[str, tuple[int, int]]) -> dict[str, dict[str, torch.Tensor]]:
    images = {lerobot_key(name): _statistics((3, 1, 1), 0.5, 0.25) for name in cameras}
    vectors = {"observation.state": N_STATE, "action": N_ACTION}
    return {**images, **{key: _statistics((size,), 10.0, 30.0) for key, size in vectors.items()}}
