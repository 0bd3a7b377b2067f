"""Importing one module of a package without running the package's `__init__`.

`lerobot.policies.__init__` imports every policy type (pi0's, with transformers' Gemma, and the dataset library among
them) before `lerobot.policies.act` can be imported. Whiskers needs one type at a time and a short wait.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


class _LazyPackage(ModuleType):
    """A package whose `__init__` runs when something that it defines is first asked for."""

    def __getattr__(self, name: str) -> object:
        spec = self.__spec__
        if name.startswith("__") or spec is None or spec.loader is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        # From here on it is an ordinary package, so whoever imports it wholesale finds all that it should have.
        self.__class__ = ModuleType  # type: ignore[assignment]
        spec.loader.exec_module(self)
        return getattr(self, name)


def defer_init(package: str) -> None:
    """Make `import package.module` skip the package's `__init__`, until something else of the package is used.

    Does nothing where the package is already imported.

    Args:
        package: Full name, for example `lerobot.policies`.
    """
    if package in sys.modules:
        return
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r}")
    module = importlib.util.module_from_spec(spec)
    module.__class__ = _LazyPackage
    sys.modules[package] = module
    parent, _, child = package.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
