"""Tiny real checkpoints of the flow-matching policies, made and saved by LeRobot's own code.

The weights are random, the statistics made up. `tests.checkpoints` has those of other types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import cast
from unittest.mock import patch

import numpy as np
import torch
from lerobot.configs.types import FeatureType, PolicyFeature

from policies.lazy_package import defer_init
from tests.checkpoints import CAMERAS, _statistics
from tests.lerobot_loop import lerobot_key, policy_class
from viewer_app.types import Observation, frozen


def build_flow(
    folder: Path,
    kind: str = "tiny_pi0",
    *,
    cameras: Mapping[str, tuple[int, int]] = CAMERAS,
    n_state: int = 6,
    n_action: int = 5,
    chunk_size: int = 10,
    n_action_steps: int = 7,
    steps: int = 4,
    seed: int = 0,
    relative: bool = False,
) -> Path:
    """Save an untrained flow-matching policy with its processors in `folder`, and return the folder.

    Args:
        folder: Made if need be.
        kind: LeRobot's policy type: `tiny_pi0`, `pi0`, `pi05` or `smolvla`. All but the first keep their tokenizer in
            `folder/language`. The sizes of `pi0` and `pi05` are not in a checkpoint, so whoever opens such a one must
            be `within_sizes`.
        cameras: Camera to (height, width). [px]
        n_state: Dimensions of the state.
        n_action: Dimensions of the action, below those that the model pads it to.
        chunk_size: Actions a call.
        n_action_steps: The checkpoint's own setting.
        steps: Denoising steps.
        seed: Seed of weights and statistics.
        relative: Whether its actions are changes of the state, all but the last one.
    """
    flow_policy = policy_class(kind)
    from lerobot.policies.factory import make_pre_post_processors

    images = {lerobot_key(name): (3, *size) for name, size in cameras.items()}
    inputs = {key: PolicyFeature(FeatureType.VISUAL, shape) for key, shape in images.items()}
    inputs["observation.state"] = PolicyFeature(FeatureType.STATE, (n_state,))
    language = str(folder / "language")
    own: dict[str, object] = {"image_resolution": (32, 32), "num_inference_steps": steps, "tokenizer_max_length": 12}
    if kind == "tiny_pi0":
        own |= PI0_SIZES
    elif kind == "pi05":
        own["tokenizer_max_length"] = 96  # One token a character, and the state is among them.
    elif kind == "smolvla":
        own = {
            "num_steps": steps,
            "vlm_model_name": language,
            "num_vlm_layers": 2,
            "resize_imgs_with_padding": (32, 32),
        }
    if kind != "tiny_pi0":
        save_language_model(folder / "language")
    if relative:
        names = [f"joint_{number}" for number in range(n_action - 1)]
        own |= {
            "use_relative_actions": True,
            "relative_exclude_joints": ["gripper"],
            "action_feature_names": [*names, "gripper"],
        }
    config = flow_policy.config_class(
        input_features=inputs,
        output_features={"action": PolicyFeature(FeatureType.ACTION, (n_action,))},
        device="cpu",
        chunk_size=chunk_size,
        n_action_steps=n_action_steps,
        max_state_dim=8,
        max_action_dim=8,
        **own,
    )
    with torch.random.fork_rng(devices=[]), within_sizes(kind):
        torch.manual_seed(seed)
        policy = flow_policy(config)
        # Initial values are made for a width of thousands, and some are zero; here all is to have an influence.
        for module in policy.modules():
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.xavier_uniform_(module.weight)
        sizes = {"observation.state": n_state, "action": n_action}
        statistics = {key: _statistics((size,), 10.0, 30.0) for key, size in sizes.items()}
    with tokenizer_of_google_in(language):
        before, after = make_pre_post_processors(config, dataset_stats=statistics)
    for part in (policy, before, after):
        part.save_pretrained(folder)
    return folder


PI0_SIZES: Mapping[str, int] = MappingProxyType(
    {
        "width": 32,
        "depth": 2,
        "mlp_width": 32,
        "head_width": 4,
        "vision_width": 16,
        "vision_depth": 1,
        "vision_mlp_width": 32,
        "vision_heads": 2,
        "patch_size": 16,
        "vocabulary_size": 300,
    }
)
"""The sizes of the tests' Pi0 and Pi0.5, as fields of `TinyPI0Config`."""


def within_sizes(kind: str) -> AbstractContextManager[None]:
    """While in force, LeRobot's `pi0` or `pi05` is built in the sizes of the tests, not with billions of parameters."""
    if kind not in ("pi0", "pi05"):
        return nullcontext()
    defer_init("lerobot.policies")
    from lerobot.policies.pi0 import modeling_pi0
    from lerobot.policies.pi05 import modeling_pi05

    from policies.tiny_pi0.configuration_tiny_pi0 import TinyPI0Config
    from policies.tiny_pi0.modeling_tiny_pi0 import sizes_of

    sizes = TinyPI0Config(**PI0_SIZES)  # type: ignore[arg-type]  # No field of another type is given.
    return sizes_of(sizes, modeling_pi0 if kind == "pi0" else modeling_pi05)


@contextmanager
def tokenizer_of_google_in(folder: str) -> Iterator[None]:
    """While in force, LeRobot's processors name this folder for the tokenizer that it fixes in code, a download."""
    from lerobot.policies.pi0 import processor_pi0
    from lerobot.policies.pi05 import processor_pi05
    from lerobot.processor import TokenizerProcessorStep

    def local_step(tokenizer_name: str, **settings: object) -> TokenizerProcessorStep:
        return TokenizerProcessorStep(tokenizer_name=folder, **settings)

    with (
        patch.object(processor_pi0, "TokenizerProcessorStep", local_step),
        patch.object(processor_pi05, "TokenizerProcessorStep", local_step),
    ):
        yield


SMALL_TEXT: Mapping[str, object] = MappingProxyType(
    {
        "hidden_size": 48,
        "intermediate_size": 64,
        "head_dim": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
    }
)
SMALL_VISION: Mapping[str, object] = MappingProxyType(
    {
        "image_size": 32,
        "patch_size": 8,
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
)


def save_language_model(
    folder: Path,
    text: Mapping[str, object] = SMALL_TEXT,
    vision: Mapping[str, object] = SMALL_VISION,
    scale_factor: int = 2,
) -> None:
    """Save what SmolVLA asks of its language model, without weights: configuration, processor and a tokenizer with one
    token a byte, which serves other policies too.

    Args:
        folder: Made if need be.
        text: Sizes of the language model, in transformers' words.
        vision: Sizes of what looks at pictures.
        scale_factor: How many patches of a picture, in either direction, become one token.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, SmolVLMConfig, SmolVLMImageProcessor, SmolVLMProcessor
    from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor

    special = {
        "image_token": "<image>",
        "fake_image_token": "<fake_token_around_image>",
        "global_image_token": "<global-img>",
        "end_of_utterance_token": "<end_of_utterance>",
    }
    names = ["<pad>", "<s>", "</s>", *special.values(), "<unk>", "<video>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {name: index for index, name in enumerate([*names, *letters])}
    bytes_only = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    # transformers leaves both untyped, or takes their arguments as they come.
    make_tokenizer = cast(Callable[..., PreTrainedTokenizerFast], PreTrainedTokenizerFast)
    make_config = cast(Callable[..., SmolVLMConfig], SmolVLMConfig)
    tokenizer = make_tokenizer(
        tokenizer_object=bytes_only,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=special,
    )
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = make_config(
        text_config={"model_type": "llama", "vocab_size": len(vocabulary), **ids, **text},
        vision_config={"model_type": "smolvlm_vision", **vision},
        image_token_id=3,
        scale_factor=scale_factor,
        tie_word_embeddings=False,
        **ids,
    )
    size = {"longest_edge": vision["image_size"]}
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(size=size, max_image_size=size),
        tokenizer,
        SmolVLMVideoProcessor(size=size, max_image_size=size),
        image_seq_len=4,
    )
    config.save_pretrained(folder)
    processor.save_pretrained(folder)


def observe(seed: int, task: str = "Pick up the block.") -> Observation:
    """What the policies of `build_flow` read: random pictures and a random state, read-only as the engine's are."""
    rng = np.random.default_rng(seed)
    images = {name: frozen(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for name, size in CAMERAS.items()}
    state = rng.uniform(-50, 50, 6).astype(np.float32)
    return Observation(time=seed / 30, state=frozen(state), images=MappingProxyType(images), task=task)
