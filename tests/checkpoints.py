"""Tiny real checkpoints, made and saved by LeRobot's own code, with random weights and made-up statistics."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from lerobot.configs.types import FeatureType, NormalizationMode, PolicyFeature
from safetensors.torch import load_file, save_file

from policies.lazy_package import defer_init

CAMERAS: Mapping[str, tuple[int, int]] = MappingProxyType({"wrist_cam": (32, 40), "overhead_cam": (24, 32)})
"""Camera to (height, width), each with its own size so that a mix-up shows. [px]"""


def build_act(
    folder: Path,
    *,
    cameras: Mapping[str, tuple[int, int]] = CAMERAS,
    n_state: int = 6,
    n_action: int = 6,
    chunk_size: int = 10,
    n_action_steps: int = 7,
    ensemble_coefficient: float | None = None,
    normalisation: NormalizationMode = NormalizationMode.MEAN_STD,
    half: bool = False,
    seed: int = 0,
) -> Path:
    """Save an untrained ACT with its processors in `folder`, and return the folder.

    Args:
        folder: Made if need be.
        cameras: Camera to (height, width). [px]
        n_state: 0 for a policy without proprioception.
        n_action: Dimensions of the action.
        chunk_size: Actions a call.
        n_action_steps: The checkpoint's own setting.
        ensemble_coefficient: The checkpoint's own setting; `n_action_steps` must then be 1.
        normalisation: How state and action are scaled; pictures always by mean and standard deviation.
        half: Whether to keep the weights in half precision.
        seed: Seed of weights and statistics.
    """
    defer_init("lerobot.policies")
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.act.processor_act import make_act_pre_post_processors

    images = {f"observation.images.{name}": (3, *size) for name, size in cameras.items()}
    inputs = {key: PolicyFeature(FeatureType.VISUAL, shape) for key, shape in images.items()}
    if n_state:
        inputs["observation.state"] = PolicyFeature(FeatureType.STATE, (n_state,))
    config = ACTConfig(
        input_features=inputs,
        output_features={"action": PolicyFeature(FeatureType.ACTION, (n_action,))},
        normalization_mapping={"VISUAL": NormalizationMode.MEAN_STD, "STATE": normalisation, "ACTION": normalisation},
        device="cpu",
        pretrained_backbone_weights=None,
        chunk_size=chunk_size,
        n_action_steps=n_action_steps,
        temporal_ensemble_coeff=ensemble_coefficient,
        dim_model=32,
        n_heads=4,
        dim_feedforward=64,
        n_encoder_layers=1,
        n_vae_encoder_layers=1,
        latent_dim=8,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = ACTPolicy(config)
        statistics = {key: _statistics((3, 1, 1), 0.5, 0.25) for key in images}
        if n_state:
            statistics["observation.state"] = _statistics((n_state,), 10.0, 30.0)
        statistics["action"] = _statistics((n_action,), 10.0, 30.0)
    before, after = make_act_pre_post_processors(config, statistics)
    for part in (policy, before, after):
        part.save_pretrained(folder)
    if half:
        weights = folder / "model.safetensors"
        save_file({name: tensor.half() for name, tensor in load_file(weights).items()}, weights)
    return folder


def edit_json(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change a JSON file."""
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def _statistics(shape: tuple[int, ...], centre: float, spread: float) -> dict[str, torch.Tensor]:
    """Statistics as a dataset of that centre and spread would have them, each number a little different."""
    mean = centre * (1 + 0.3 * torch.randn(shape))
    std = spread * (0.5 + torch.rand(shape))
    return {
        "mean": mean,
        "std": std,
        "min": mean - 2.1 * std,
        "max": mean + 1.9 * std,
        "q01": mean - 1.7 * std,
        "q99": mean + 1.8 * std,
        "q10": mean - 1.1 * std,
        "q90": mean + 1.3 * std,
    }
