"""From a validated checkpoint to a LeRobot model whose every tensor is known to be the file's.

LeRobot's own `from_pretrained` only warns about missing and unexpected tensors, and returns a partly random model. Here
names and shapes are compared before anything is allocated, and values after loading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields

import draccus
import torch
from draccus.utils import DecodingError
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from safetensors.torch import load_file
from torch import Tensor

from policies.checkpoint import CONFIG, WEIGHTS, Checkpoint, CheckpointError
from policies.progress import Progress, Report

_SHOWN = 3
"""How many tensor names a complaint lists."""
_LONGEST = 300
"""How much of a library's own complaint is passed on. [character]"""


def decode_config[C: PreTrainedConfig](
    checkpoint: Checkpoint, config_class: type[C], overrides: Mapping[str, object]
) -> C:
    """The checkpoint's configuration as LeRobot's own class.

    Args:
        checkpoint: Where it is read from.
        config_class: LeRobot's configuration class of the policy type.
        overrides: Fields that are not the checkpoint's to decide, such as the device.

    Raises:
        CheckpointError: If a field is unknown, or has a value that LeRobot refuses.
    """
    path = checkpoint.folder / CONFIG
    raw = {key: value for key, value in checkpoint.config.items() if key != "type"}
    unknown = sorted(raw.keys() - {field.name for field in fields(config_class)})
    if unknown:
        raise CheckpointError(
            f"Checkpoint file {path} has fields that the installed LeRobot's {config_class.__name__} does not know "
            f"({', '.join(map(repr, unknown))}); it was written by another LeRobot version: save it again with that "
            "version, or remove what only training used."
        )
    try:
        config: C = draccus.decode(config_class, {**raw, **overrides})
    except DecodingError as error:
        text = " ".join(str(error).split())[:_LONGEST]
        raise CheckpointError(f"Checkpoint file {path} is not valid ({text}); correct that field.") from error
    except Exception as error:  # A configuration's own checks raise whatever they like.
        raise CheckpointError(f"Checkpoint file {path} is not valid ({reason(error)}); correct that field.") from error
    return config


def load_verified[P: PreTrainedPolicy](
    checkpoint: Checkpoint, build: Callable[[], P], device: str, report: Report
) -> tuple[P, int]:
    """A model with the checkpoint's weights, ready to predict, and how many tensors were compared and found equal.

    Args:
        checkpoint: Where the weights are.
        build: Makes the untrained model.
        device: torch's name of where the model is to run.
        report: Told the progress.

    Raises:
        CheckpointError: If the file's tensors are not exactly the model's, or hold NaN or infinity.
    """
    report(Progress("Comparing the tensors with the model", 0.0))
    with torch.device("meta"):
        _check_specs(checkpoint, _built(checkpoint, build).state_dict(keep_vars=True))
    report(Progress("Building the model", 0.05))
    model = _built(checkpoint, build)
    report(Progress("Reading the weights", 0.4))
    tensors = load_file(checkpoint.weights)
    _check_finite(checkpoint, tensors)
    # Not strict, because names and shapes were compared and tied weights are in the file only once.
    model.load_state_dict(tensors, strict=False)
    model.to(device)
    model.eval()
    return model, _verified(checkpoint, model.state_dict(), tensors, report)


def reason(error: BaseException) -> str:
    """What went wrong underneath, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:_LONGEST]}" if text else type(error).__name__


def _built[P: PreTrainedPolicy](checkpoint: Checkpoint, build: Callable[[], P]) -> P:
    try:
        return build()
    except Exception as error:  # A constructor that is fed a file from anywhere raises whatever it likes.
        raise CheckpointError(
            f"Checkpoint file {checkpoint.folder / CONFIG} describes a model that LeRobot cannot build "
            f"({reason(error)}); correct that field."
        ) from error


def _check_specs(checkpoint: Checkpoint, expected: Mapping[str, Tensor]) -> None:
    """Compare names, shapes and kinds of number with those of the model, before memory is spent on either."""
    found = checkpoint.tensors
    # A tensor that the model has under two names is one object, and safetensors keeps it under one of them.
    in_file = {id(tensor) for name, tensor in expected.items() if name in found}
    missing = [name for name, tensor in expected.items() if name not in found and id(tensor) not in in_file]
    unexpected = [name for name in found if name not in expected]
    if missing or unexpected:
        parts = [
            *([f"lacks {_some(missing)}"] if missing else []),
            *([f"has {_some(unexpected)} too many"] if unexpected else []),
        ]
        raise CheckpointError(
            f"Checkpoint file {checkpoint.weights} {' and '.join(parts)} against the model that {CONFIG} describes; "
            f"use the {CONFIG} and {WEIGHTS} of the same training run."
        )
    for name, spec in found.items():
        shape = tuple(expected[name].shape)
        if spec.shape != shape:
            raise CheckpointError(
                f"Checkpoint file {checkpoint.weights}: tensor {name} has shape {spec.shape} where {CONFIG} asks for "
                f"{shape}; use the {CONFIG} and {WEIGHTS} of the same training run."
            )
        if expected[name].is_floating_point() != (spec.dtype.startswith(("F", "BF"))):
            raise CheckpointError(
                f"Checkpoint file {checkpoint.weights}: tensor {name} is of type {spec.dtype} where the model has "
                f"{expected[name].dtype}; save the weights again as floating-point numbers."
            )


def _check_finite(checkpoint: Checkpoint, tensors: Mapping[str, Tensor]) -> None:
    broken = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.weights} holds NaN or infinity in {_some(broken)}; take an earlier "
            "checkpoint of that training run."
        )


def _verified(
    checkpoint: Checkpoint, state: Mapping[str, Tensor], tensors: Mapping[str, Tensor], report: Report
) -> int:
    """How many of the file's tensors are in the model to the bit, cast to the model's type. It must be all."""
    different = []
    for index, (name, tensor) in enumerate(tensors.items()):
        if index % 50 == 0:
            report(Progress(f"Verifying {len(tensors)} tensors", 0.7 + 0.3 * index / len(tensors)))
        value = state[name]
        if not torch.equal(value.cpu(), tensor.to(value.dtype)):
            different.append(name)
    if different:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.weights}: {_some(different)} did not reach the model; the installed LeRobot "
            "does not load this checkpoint, so open it with the version that saved it."
        )
    return len(tensors)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
