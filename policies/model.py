"""From a validated checkpoint to a LeRobot model whose every tensor is known to be the file's.

LeRobot's own `from_pretrained` only warns about missing and unexpected tensors, and returns a partly random model. Here
names and shapes are compared before anything is allocated, and values after loading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from math import prod

import draccus
import torch
from draccus.utils import DecodingError
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from safetensors import safe_open
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from policies.checkpoint import CONFIG, WEIGHTS, Checkpoint, CheckpointError
from policies.progress import Progress, Report, within

_SHOWN = 3
"""How many tensor names a complaint lists."""
_AT_A_TIME = 1 << 26
"""How many numbers of the weights are read at a time, unless a single tensor has more."""
_PART = 1 << 24
"""How many numbers of a tensor are compared at a time."""
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
    checkpoint: Checkpoint, build: Callable[[], P], device: str, report: Report, *, quick: bool = True
) -> tuple[P, int]:
    """A model with the checkpoint's weights, ready to predict, and how many tensors were compared and found equal.

    Beside the model itself, memory holds a small part of the file at a time. No parameter asks for gradients.

    Args:
        checkpoint: Where the weights are.
        build: Makes the untrained model.
        device: torch's name of where the model is to run.
        report: Told the progress.
        quick: Whether to compare names and shapes before memory is taken, and not to draw initial values. It asks more
            of a constructor than LeRobot does.

    Raises:
        CheckpointError: If the file's tensors are not exactly the model's, or hold NaN or infinity.
    """
    report(Progress("Comparing the tensors with the model", 0.0))
    if quick:
        with torch.device("meta"), Undrawn():  # type: ignore[no-untyped-call]  # torch leaves it untyped.
            _check_specs(checkpoint, _built(checkpoint, build).state_dict(keep_vars=True))
    report(Progress("Building the model", 0.05))
    if quick:
        with Undrawn():  # type: ignore[no-untyped-call]  # torch leaves it untyped.
            model = _built(checkpoint, build)
    else:
        model = _built(checkpoint, build)
        _check_specs(checkpoint, model.state_dict(keep_vars=True))
    model.requires_grad_(False)
    _fill(checkpoint, model, within(report, 0.2, 0.7))
    model.to(device)
    model.eval()
    _verify(checkpoint, model.state_dict(), within(report, 0.7, 1.0))
    return model, len(checkpoint.tensors) + _adapted(checkpoint, model, device)


def _adapted(checkpoint: Checkpoint, model: PreTrainedPolicy, device: str) -> int:
    """Put the adapter on where the checkpoint is one. Returns how many of its tensors are in the model."""
    if checkpoint.base is None:
        return 0
    try:
        # Imported here, because it takes seconds and hardly a checkpoint needs it.
        from policies.peft_adapter import put_on
    except ModuleNotFoundError as error:
        raise CheckpointError(
            f"Checkpoint {checkpoint.folder} is a PEFT adapter and needs {error.name}, which is missing: pip install "
            "'whiskers-viewer[peft]'."
        ) from None
    return put_on(model, checkpoint, device)


class _DrawsNothing:
    """What `Undrawn` does. Apart from it, because torch imports its compiler, seconds of work, for the sake of a mode
    that defines this itself."""

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        if func in _DRAWS and isinstance(args[0], Tensor) and (args[0].is_meta or args[0].numel() > _LARGE):
            return args[0]
        return func(*args, **(kwargs or {}))


class Undrawn(_DrawsNothing, TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped.
    """While in force, no random numbers are drawn into large tensors: the file's values take their place, and drawing
    billions of them takes minutes. Memory that nobody writes to is not taken either. Tensors without memory get none
    at all: torch would import its compiler for them."""


_DRAWS = tuple(each.default for each in (torch.ops.aten.normal_, torch.ops.aten.uniform_, torch.ops.aten.erfinv_))
_LARGE = 1 << 14
"""How many numbers take a while to draw."""


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


def _fill(checkpoint: Checkpoint, model: PreTrainedPolicy, report: Report) -> None:
    """Put the file's values into the model, cast to the model's types."""
    broken: list[str] = []

    def take(tensors: dict[str, Tensor]) -> None:
        for name, value in tensors.items():
            if value.is_floating_point() and not all(part.isfinite().all() for part in _parts(value)):
                broken.append(name)
        # Not strict, because names and shapes were compared and this is only a part of them.
        model.load_state_dict(tensors, strict=False)

    _in_turn(checkpoint, take, "Reading the weights", report)
    if broken:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.weights} holds NaN or infinity in {_some(broken)}; take an earlier "
            "checkpoint of that training run."
        )


def _verify(checkpoint: Checkpoint, state: Mapping[str, Tensor], report: Report) -> None:
    """Each of the file's tensors must be in the model to the bit, cast to the model's type."""
    different: list[str] = []

    def take(tensors: dict[str, Tensor]) -> None:
        different.extend(name for name, value in tensors.items() if not _same(state[name], value))

    _in_turn(checkpoint, take, f"Verifying {len(checkpoint.tensors)} tensors", report)
    if different:
        raise CheckpointError(
            f"Checkpoint file {checkpoint.weights}: {_some(different)} did not reach the model; the installed LeRobot "
            "does not load this checkpoint, so open it with the version that saved it."
        )


def _in_turn(checkpoint: Checkpoint, take: Callable[[dict[str, Tensor]], None], text: str, report: Report) -> None:
    """Hand over the file's tensors by name, some at a time. None may be kept.

    The file is mapped anew each time, because what was read of it stays in memory until it is closed.
    """
    sizes = {name: prod(spec.shape) for name, spec in checkpoint.tensors.items()}
    total, done = sum(sizes.values()) or 1, 0
    names = list(sizes)
    while names:
        report(Progress(text, done / total))
        size, taken = 0, 0
        while taken < len(names) and (taken == 0 or size + sizes[names[taken]] <= _AT_A_TIME):
            size, taken = size + sizes[names[taken]], taken + 1
        with safe_open(checkpoint.weights, framework="pt") as file:
            take({name: file.get_tensor(name) for name in names[:taken]})
        names, done = names[taken:], done + size


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether `b`, cast to the type of `a`, is `a` to the bit."""
    pairs = zip(_parts(a), _parts(b), strict=True)
    return all(torch.equal(part.cpu(), other.to(part.dtype)) for part, other in pairs)


def _parts(tensor: Tensor) -> tuple[Tensor, ...]:
    """All its numbers, a few at a time, so that what is computed of them takes little memory."""
    return torch.split(tensor.reshape(-1), _PART)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
