"""LeRobot's PI0 with small Gemma and SigLIP inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from unittest.mock import patch

from lerobot.policies.pi0 import modeling_pi0
from lerobot.policies.pi0.modeling_pi0 import GemmaConfig, PI0Policy
from lerobot.policies.pi_gemma import PaliGemmaForConditionalGenerationWithPiGemma, PiGemmaForCausalLM
from torch import nn

from policies.tiny_pi0.configuration_tiny_pi0 import TinyPI0Config

_HEADS = 8
"""LeRobot's joint attention of both models counts on eight."""


class TinyPI0Policy(PI0Policy):  # type: ignore[misc]  # LeRobot is untyped.
    """PI0 of the sizes in its configuration. Everything but the construction is LeRobot's."""

    config_class = TinyPI0Config
    name = "tiny_pi0"

    def __init__(self, config: TinyPI0Config, **kwargs: object) -> None:
        with sizes_of(config):
            super().__init__(config, **kwargs)
        # Gemma's initial weights are made for a width of thousands: at this one, signals would die out.
        for module in self.model.paligemma_with_expert.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


@contextmanager
def sizes_of(config: TinyPI0Config, modelling: ModuleType = modeling_pi0) -> Iterator[None]:
    """While in force, LeRobot builds PI0 in these sizes. They are not arguments there, so names are replaced.

    Args:
        config: The sizes.
        modelling: LeRobot's module of PI0, or that of PI0.5, which is built of the same parts.
    """

    def gemma_config(variant: str) -> GemmaConfig:
        return GemmaConfig(
            width=config.width,
            depth=config.depth,
            mlp_dim=config.mlp_width,
            num_heads=_HEADS,
            num_kv_heads=1,
            head_dim=config.head_width,
        )

    def paligemma(config: object) -> nn.Module:
        return PaliGemmaForConditionalGenerationWithPiGemma(config=_with_small_vision(config, sizes))

    def gemma(config: object) -> nn.Module:
        config.vocab_size = sizes.vocabulary_size  # type: ignore[attr-defined]
        return PiGemmaForCausalLM(config=config)

    sizes = config
    with (
        patch.object(modelling, "get_gemma_config", gemma_config),
        patch.object(modelling, "PaliGemmaForConditionalGenerationWithPiGemma", paligemma),
        patch.object(modelling, "PiGemmaForCausalLM", gemma),
    ):
        yield


def _with_small_vision(paligemma: object, sizes: TinyPI0Config) -> object:
    """transformers' PaliGemmaConfig, which LeRobot has filled in as for the full size, with what remains made small."""
    text, vision = paligemma.text_config, paligemma.vision_config  # type: ignore[attr-defined]
    paligemma._vocab_size = text.vocab_size = sizes.vocabulary_size  # type: ignore[attr-defined]
    paligemma.image_token_index = sizes.vocabulary_size - 1  # type: ignore[attr-defined]
    paligemma.projection_dim = vision.projection_dim = sizes.width  # type: ignore[attr-defined]
    vision.hidden_size = sizes.vision_width
    vision.intermediate_size = sizes.vision_mlp_width
    vision.num_hidden_layers = sizes.vision_depth
    vision.num_attention_heads = sizes.vision_heads
    vision.patch_size = sizes.patch_size
    return paligemma
