"""Which packages bring Gymnasium environments, and how one of their environments is opened.

Gymnasium and the packages are imported only here, and only when an environment is opened.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from viewer_app.types import WhiskersError

STEPS_WITHOUT_LIMIT = 400
"""How long an episode lasts where the environment sets no limit."""


class GymError(WhiskersError):
    """A Gymnasium environment cannot be used, or raised. The message names it."""


@dataclass(frozen=True)
class _Package:
    """A package that registers environments when it is imported."""

    prefixes: tuple[str, ...]
    """How the ids of its environments begin."""
    module: str
    extra: str
    """Of whiskers-viewer, that installs it with a MuJoCo that it works with."""
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """What its environments are made with, where their own defaults leave out what a policy reads."""
    max_steps: int | None = None
    """None for the environment's own limit."""


_PACKAGES = (
    # Options and length as in LeRobot 0.6.1, envs/configs.py, AlohaEnv.
    _Package(("gym_aloha/",), "gym_aloha", "aloha", MappingProxyType({"obs_type": "pixels_agent_pos"}), 400),
    _Package(("Fetch", "HandManipulate", "HandReach", "Adroit"), "gymnasium_robotics", "robotics"),
)


def make(name: str) -> tuple[Any, int]:
    """An environment without Gymnasium's wrappers that check and limit, and after how many steps an episode is to end.

    Args:
        name: Gymnasium's id, such as `gym_aloha/AlohaTransferCube-v0`.

    Raises:
        GymError: If there is no such environment, its package is missing or broken, or it does not open.
    """
    package = next((each for each in _PACKAGES if name.startswith(each.prefixes)), None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Packages of environments warn of many things that a user cannot change.
        try:
            import gymnasium
        except ImportError:
            extra = package.extra if package is not None else "aloha"
            raise GymError(f"Environment {name} needs Gymnasium: pip install 'whiskers-viewer[{extra}]'.") from None
        _import_package(name, package)
        known_as = name.split(":")[-1]
        options = dict(package.options) if package is not None else {}
        try:
            spec = gymnasium.spec(known_as)
            # Wrappers that check or limit would each keep a count of steps; the world keeps the only one.
            env = gymnasium.make(known_as, max_episode_steps=-1, disable_env_checker=True, **options)
        except gymnasium.error.UnregisteredEnv as error:
            raise GymError(f"There is no environment {name}: {_first_sentence(error)}") from None
        except Exception as error:
            raise GymError(
                f"Environment {name} cannot be opened ({type(error).__name__}: {_first_sentence(error)})"
            ) from error
    limit = package.max_steps if package is not None else None
    return env, limit or spec.max_episode_steps or STEPS_WITHOUT_LIMIT


def _import_package(name: str, package: _Package | None) -> None:
    """Import what registers the environment: the module before the colon, or the package that is known to, or by
    Gymnasium's custom the one before the slash."""
    if ":" in name:
        module = name.split(":")[0]
    elif package is not None:
        module = package.module
    elif "/" in name:
        module = name.split("/")[0]
    else:
        return
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise GymError(
                f"Package {module} of environment {name} cannot be imported: it needs {error.name}, which is missing."
            ) from None
        if package is None:
            raise GymError(f"Environment {name} needs a Python package {module}: install it.") from None
        raise GymError(
            f"Environment {name} needs the package {module.replace('_', '-')}: "
            f"pip install 'whiskers-viewer[{package.extra}]'."
        ) from None
    except Exception as error:
        raise GymError(
            f"Package {module} of environment {name} raised while it was imported ({type(error).__name__}: "
            f"{_first_sentence(error)})"
        ) from error


@contextmanager
def named(name: str, doing: str) -> Iterator[None]:
    """Turn whatever an environment raises into a sentence that names it.

    Args:
        name: Of the environment.
        doing: What was asked of it, as a noun.

    Raises:
        GymError: If what is done inside raises.
    """
    try:
        yield
    except WhiskersError:
        raise
    except Exception as error:
        raise GymError(
            f"Environment {name} raised in its {doing} ({type(error).__name__}: {_first_sentence(error)})"
        ) from error


def _first_sentence(error: BaseException) -> str:
    text = " ".join(str(error).split()).split(". ")[0].rstrip(".")
    return f"{text or 'without a word'}."
