"""Importing one module of a package without running the package's `__init__`.

`lerobot.policies.__init__` imports every policy type (pi0's, with transformers' Gemma, and the dataset library among
them) before `lerobot.policies.act` can be imported. Whiskers needs one type at a time and a short wait.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from types import MappingProxyType, ModuleType

_NO_NAMES: Mapping[str, str] = MappingProxyType({})


class _LazyPackage(ModuleType):
    """A package whose `__init__` runs when something that it defines is first asked for."""

    _whiskers_names: Mapping[str, str] = _NO_NAMES

    def __getattr__(self, name: str) -> object:
        if name in self._whiskers_names:
            return getattr(importlib.import_module(f"{self.__name__}.{self._whiskers_names[name]}"), name)
        spec = self.__spec__
        if name.startswith("__") or spec is None or spec.loader is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        # From here on it is an ordinary package, so whoever imports it wholesale finds all that it should have.
        self.__class__ = ModuleType  # type: ignore[assignment]
        spec.loader.exec_module(self)
        return getattr(self, name)


def defer_init(package: str, names: Mapping[str, str] = _NO_NAMES) -> None:
    """Make `import package.module` skip the package's `__init__`, until something else of the package is used.

    Does nothing where the package is already imported.

    Args:
        package: Full name, for example `lerobot.policies`.
        names: What it takes from its modules, to the module's name: asking for one of these imports that module only.
    """
    if package in sys.modules:
        return
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r}")
    module = importlib.util.module_from_spec(spec)
    module.__class__ = _LazyPackage
    module._whiskers_names = names  # type: ignore[attr-defined]
    sys.modules[package] = module
    parent, _, child = package.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
