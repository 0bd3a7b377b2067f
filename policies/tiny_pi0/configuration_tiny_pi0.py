"""The sizes of a tiny Pi0. What is not said here is as in LeRobot's PI0Config."""

from __future__ import annotations

from dataclasses import dataclass

from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.pi0.configuration_pi0 import PI0Config


@PreTrainedConfig.register_subclass("tiny_pi0")
@dataclass
class TinyPI0Config(PI0Config):  # type: ignore[misc]  # LeRobot is untyped.
    """PI0's configuration with the sizes that LeRobot keeps in code.

    `paligemma_variant` and `action_expert_variant` are without effect. Both language model and action expert have eight
    attention heads, as LeRobot's joint attention demands, that share one key and value head.
    """

    chunk_size: int = 32
    n_action_steps: int = 20
    max_state_dim: int = 6
    max_action_dim: int = 6
    image_resolution: tuple[int, int] = (128, 128)
    """Square, and a multiple of `patch_size`. [px]"""
    tokenizer_max_length: int = 16

    width: int = 128
    """Of language model and action expert."""
    depth: int = 3
    """Layers of language model and of action expert, which attend to each other layer by layer."""
    mlp_width: int = 384
    head_width: int = 16
    vision_width: int = 128
    vision_depth: int = 2
    vision_mlp_width: int = 384
    vision_heads: int = 4
    patch_size: int = 16
    """[px]"""
    vocabulary_size: int = 128
