"""Putting a PEFT adapter onto the loaded base policy, without merging: LeRobot runs it so, and merged weights would
round otherwise."""

from __future__ import annotations

import peft
import torch
from lerobot.policies.pretrained import PreTrainedPolicy
from safetensors.torch import load_file

from policies.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from policies.checkpoint import Checkpoint, CheckpointError
from policies.closed import closed_room
from policies.model import reason


def put_on(model: PreTrainedPolicy, checkpoint: Checkpoint, device: str) -> int:
    """Change the layers that an adapter changes, in place.

    Args:
        model: With the weights of the base policy.
        checkpoint: The adapter's.
        device: torch's name of where the model runs.

    Returns:
        How many tensors of the adapter's file were compared with those in the model, and found equal.

    Raises:
        CheckpointError: If the adapter does not fit the base, or a tensor of it did not arrive.
    """
    folder = checkpoint.folder
    try:
        with closed_room():
            config = peft.PeftConfig.from_pretrained(str(folder))
            config.inference_mode = True
            wrapper = peft.PeftModel.from_pretrained(model, str(folder), config=config, torch_device=device)
        tensors = load_file(folder / ADAPTER_WEIGHTS)
    except Exception as error:  # A library that is fed files from anywhere raises whatever it likes.
        raise CheckpointError(
            f"Checkpoint {folder} is a PEFT adapter that does not fit its base {checkpoint.base} ({reason(error)}); "
            f"name the right base as BASE+ADAPTER, or mend its {ADAPTER_CONFIG}."
        ) from error
    model.requires_grad_(False)
    model.eval()
    # Said explicitly, because peft would ask the hub whether the vocabulary was changed.
    there = peft.get_peft_model_state_dict(wrapper, save_embedding_layers=False)
    if not tensors.keys() <= there.keys():
        there = peft.get_peft_model_state_dict(wrapper, save_embedding_layers=True)
    lost = [name for name, value in tensors.items() if name not in there or not _same(there[name], value)]
    if lost or not tensors:
        raise CheckpointError(
            f"Checkpoint file {folder / ADAPTER_WEIGHTS}: {len(lost)} of its {len(tensors)} tensors did not reach the "
            f"base policy {checkpoint.base}; name the right base as BASE+ADAPTER."
        )
    if not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise CheckpointError(f"Checkpoint file {folder / ADAPTER_WEIGHTS} holds NaN or infinity.")
    return len(tensors)


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a.cpu(), b.to(a.dtype))
