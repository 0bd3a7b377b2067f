"""LeRobot's SmolVLA as a Whiskers policy. See `policies.flow`.

The checkpoint holds all weights, but only the name of the language model they are for; that model's configuration and
tokenizer must be at hand. Numbers are of the type that LeRobot builds the model in without downloading its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import cast

from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy
from transformers import AutoConfig, AutoProcessor

from policies.checkpoint import CONFIG, PREPROCESSOR, Checkpoint, CheckpointError
from policies.flow import FlowPolicy, Form, load_flow
from policies.progress import OnCall, Report


def load_smolvla(checkpoint: Checkpoint, device: str, report: Report, on_call: OnCall) -> FlowPolicy:
    """The policy of a checkpoint of type `smolvla`. Arguments and errors as of `load_flow`."""
    if checkpoint.config.get("adapt_to_pi_aloha"):
        raise CheckpointError(
            f"Checkpoint file {checkpoint.folder / CONFIG}: it converts joints of an Aloha robot (adapt_to_pi_aloha), "
            "which Whiskers cannot draw; open one that was trained without it."
        )
    # The file's weights replace those of the language model, so they need not be downloaded first.
    overrides = MappingProxyType({"load_vlm_weights": False})
    form = Form(SmolVLAPolicy, steps="num_steps", eyes="vlm_with_expert", overrides=overrides)
    try:
        return load_flow(checkpoint, form, device, report, on_call)
    except CheckpointError:
        _check_language_model(checkpoint)
        raise


def _check_language_model(checkpoint: Checkpoint) -> None:
    """Complain if the language model's configuration or processor cannot be had."""
    name = str(checkpoint.config.get("vlm_model_name"))
    try:
        AutoConfig.from_pretrained(name)
        make_processor = cast(Callable[[str], object], AutoProcessor.from_pretrained)  # transformers leaves it untyped
        make_processor(name)
    except Exception as error:  # transformers raises whatever it likes, with pages of advice.
        raise CheckpointError(
            f"Checkpoint file {checkpoint.folder / CONFIG} needs configuration and tokenizer of {name!r}, which are "
            f'not here; download them once with `hf download {name} --exclude "*.safetensors"`, or set its '
            f"vlm_model_name, and tokenizer_name in {PREPROCESSOR}, to a folder that holds them."
        ) from error
