"""Importing LeRobot without the large packages that its modules name at their top, and that running a policy may never
need: they are imported when something of theirs is used.

An ACT took 17 s of processor time from the command to the first chunk with them, and takes 7 s without.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

from policies.lazy_package import defer_init

_LATER = (
    # For torchvision's regions of interest, which no policy has; it brings torch's compiler and sympy.
    "torch._dynamo.utils",
    # For training with a schedule of the learning rate.
    "diffusers.optimization",
    # For training an adapter.
    "peft",
    # For the tokenizers of policies that read a prompt.
    "transformers",
    # For training; it brings the environments, and transforms of datasets' pictures with torch's compiler.
    "lerobot.configs.train",
)
_CONFIGS = {
    "PreTrainedConfig": "policies",
    "FeatureType": "types",
    "NormalizationMode": "types",
    "PipelineFeatureType": "types",
    "PolicyFeature": "types",
    "RTCAttentionSchedule": "types",
}
"""What policies take from `lerobot.configs`, to the module that has it."""


def import_lerobot() -> None:
    """Import what all policy types of LeRobot share. Does nothing where that is imported already."""
    defer_init("lerobot.policies")
    defer_init("lerobot.configs", _CONFIGS)
    try:
        with _stood_in(_LATER):
            importlib.import_module("lerobot.policies.pretrained")
            importlib.import_module("lerobot.processor")
    except ImportError:
        # Another version of LeRobot asks for more of them. The import to come does without stand-ins.
        return


class _Later:
    """Something of a package that is imported when this is used."""

    def __init__(self, package: str, name: str) -> None:
        self._package, self._name = package, name

    def _real(self) -> object:
        return getattr(importlib.import_module(self._package), self._name)

    def __call__(self, *arguments: object, **options: object) -> object:
        real = self._real()
        assert callable(real)
        return real(*arguments, **options)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real(), name)

    def __getitem__(self, key: object) -> object:
        return self._real()[key]  # type: ignore[index]  # As far as the real one can.


class _StandIn(ModuleType):
    """Takes the place of a module while others are imported."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return _Later(self.__name__, name)


@contextmanager
def _stood_in(names: tuple[str, ...]) -> Iterator[None]:
    """While in force, these modules are not imported, and what is taken from them comes later."""
    missing = [name for name in names if name not in sys.modules]
    for name in missing:
        module = _StandIn(name)
        module.__spec__ = ModuleSpec(name, None)
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in missing:
            if isinstance(sys.modules.get(name), _StandIn):
                del sys.modules[name]
