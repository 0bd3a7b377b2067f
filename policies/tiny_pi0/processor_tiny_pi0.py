"""PI0's processors with a tokenizer of a few words in place of PaliGemma's, which is a download behind a licence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from lerobot.policies.pi0.processor_pi0 import Pi0NewLineProcessor
from lerobot.processor import (
    PolicyProcessorPipeline,
    ProcessorStepRegistry,
    TokenizerProcessorStep,
    make_default_policy_processor_steps,
    make_policy_processor_pipelines,
)
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from policies.tiny_pi0.configuration_tiny_pi0 import TinyPI0Config

PADDING, UNKNOWN = "<pad>", "<unk>"
WORDS = (
    "a above after all and arm away back beside block blue bowl box bring by close cube down drop find first for "
    "forward from gently get give go grasp grip gripper hand high hold home in inside into it left lift low move near "
    "next not of off on onto open out over pick place please pour press pull push put reach red release right rotate "
    "slowly stack stay stop table take that the then there thing this to touch turn under until up wait with . , !"
)


@dataclass
@ProcessorStepRegistry.register(name="tiny_pi0_tokenizer")
class TinyTokenizerStep(TokenizerProcessorStep):  # type: ignore[misc]  # LeRobot is untyped.
    """LeRobot's tokenizer step with one token a word. The words are kept in the processor's file, so nothing is loaded.

    Case does not matter, and any word that is not listed is the same unknown word.
    """

    words: list[str] = field(default_factory=WORDS.split)

    def __post_init__(self) -> None:
        names = [PADDING, UNKNOWN, *self.words]
        tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(names)}, unk_token=UNKNOWN))
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        make = cast(Callable[..., PreTrainedTokenizerFast], PreTrainedTokenizerFast)  # transformers leaves it untyped
        self.tokenizer = make(tokenizer_object=tokenizer, pad_token=PADDING, unk_token=UNKNOWN)
        super().__post_init__()

    def get_config(self) -> dict[str, object]:
        """What the processor's file keeps."""
        return {**super().get_config(), "words": self.words}


def make_tiny_pi0_pre_post_processors(
    config: TinyPI0Config, dataset_stats: dict[str, dict[str, Tensor]] | None = None
) -> tuple[PolicyProcessorPipeline, PolicyProcessorPipeline]:
    """PI0's pipelines, in PI0's order, but for the tokenizer and relative actions.

    Args:
        config: Sizes and normalisation.
        dataset_stats: Feature to statistics.

    Raises:
        ValueError: If the vocabulary does not hold the tokenizer's words.
    """
    tokenizer = TinyTokenizerStep(max_length=config.tokenizer_max_length)
    if len(tokenizer.words) + 2 >= config.vocabulary_size:  # The last number stands for a picture.
        raise ValueError(f"vocabulary_size must be above {len(tokenizer.words) + 2}, not {config.vocabulary_size}")
    steps = make_default_policy_processor_steps(config, dataset_stats)
    return make_policy_processor_pipelines(
        input_steps=[
            steps.rename_observations,
            steps.add_batch_dim,
            Pi0NewLineProcessor(),
            tokenizer,
            steps.to_device,
            steps.normalize,
        ],
        output_steps=[steps.unnormalize, steps.to_cpu],
    )
