"""Which packages bring Gymnasium environments, and how one of their environments is opened.

Gymnasium and the packages are imported only here and in `gym_lerobot.py`, and only when an environment is opened.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import keyword
import logging
import shlex
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from viewer_app.gym_nexus import option_names, with_config
from viewer_app.types import WhiskersError

STEPS_WITHOUT_LIMIT = 400
"""How long an episode lasts where the environment sets no limit."""

_NEXUS = "so101_nexus.mujoco"

Option = bool | int | float | str

_ALONE = threading.RLock()


class GymError(WhiskersError):
    """A Gymnasium environment cannot be used, or raised. The message names it."""


@dataclass(frozen=True)
class Asked:
    """The name of an environment, taken apart: `[MODULE:]ID[?KEY=VALUE&KEY=VALUE]`."""

    name: str
    """The whole."""
    module: str
    """What is to be imported first; empty where the name does not say."""
    id: str
    options: Mapping[str, Option]
    """What the environment is made with."""


@dataclass(frozen=True)
class Opened:
    """An environment, and what is known of it besides."""

    env: Any
    max_steps: int
    """After how many steps an episode is to end."""
    resets_itself: bool = False
    """Whether it begins the next episode inside the step that ends one."""


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
    # Their own limit, at which they raise.
    _Package(("Meta-World/",), "metaworld", "metaworld", max_steps=500),
    _Package(("gym_hil/",), "gym_hil", "hil"),
    _Package(("lerobot_env_so101/",), "lerobot_env_so101", "so101"),
    _Package(("MuJoCo",), _NEXUS, "so101"),
)


_TRUSTED: set[str] = set()
"""Modules outside the table that a person named, in this process."""


def trust(name: str) -> None:
    """A person asked for an environment, so the module that registers it may be imported.

    Args:
        name: As for `parse`.
    """
    _TRUSTED.add(_module_of(parse(name)))


def trusted() -> frozenset[str]:
    """The modules that `trust` was told of, for a process that does a person's work for him."""
    return frozenset(_TRUSTED)


def trust_modules(modules: Iterable[str]) -> None:
    """Trust what `trusted` said in the process of the person."""
    _TRUSTED.update(modules)


def parse(name: str) -> Asked:
    """
    Args:
        name: Gymnasium's id, such as `gym_aloha/AlohaTransferCube-v0`, with the module before it that registers it and
            options after it where wanted.

    Raises:
        GymError: If an option is not of the form KEY=VALUE.
    """
    rest, _, query = name.partition("?")
    module, colon, known_as = rest.rpartition(":")
    options: dict[str, Option] = {}
    for text in query.split("&") if query else ():
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier() or keyword.iskeyword(key):
            raise GymError(f"Environment {name}: an option is written KEY=VALUE, with & between two; found {text!r}.")
        options[key] = _option(value)
    return Asked(name, module if colon else "", known_as, MappingProxyType(options))


def make_registered(asked: Asked) -> Opened:
    """An environment without Gymnasium's wrappers that check and limit.

    Raises:
        GymError: If there is no such environment, its package is missing or broken, or it does not open.
    """
    name = asked.name
    package = _package_of(asked)
    with quiet():
        try:
            import gymnasium
        except ImportError:
            extra = package.extra if package is not None else "aloha"
            raise GymError(f"Environment {name} needs Gymnasium: pip install 'whiskers-viewer[{extra}]'.") from None
        _import_package(asked, package)
        options = {**(package.options if package is not None else {}), **asked.options}
        try:
            spec = gymnasium.spec(asked.id)
            if str(spec.entry_point).startswith(_NEXUS):
                options = with_config(str(spec.entry_point), options)
            # Wrappers that check or limit would each keep a count of steps; the world keeps the only one.
            env = gymnasium.make(asked.id, max_episode_steps=-1, disable_env_checker=True, **options)
        except gymnasium.error.UnregisteredEnv as error:
            raise GymError(f"There is no environment {name}: {first_sentence(error)}") from None
        except TypeError as error:
            if unknown := [key for key in asked.options if f"argument '{key}'" in str(error)]:
                raise GymError(
                    f"Environment {name} has no option {unknown[0]!r}{_known_options(spec.entry_point)}."
                ) from None
            raise cannot_open(name, error) from error
        except Exception as error:
            raise cannot_open(name, error) from error
    limit = package.max_steps if package is not None else None
    return Opened(env, limit or spec.max_episode_steps or STEPS_WITHOUT_LIMIT)


def task_of(env: Any) -> str:
    """What an environment says its task is, as lerobot-eval tells it to a policy; empty where it says nothing."""
    for name in ("task_description", "task"):
        try:
            said = env.get_wrapper_attr(name)
        except AttributeError:
            continue
        return said if isinstance(said, str) else ""
    return ""


def cannot_open(name: str, error: Exception) -> GymError:
    """The complaint about an environment that raised while it was opened."""
    return GymError(f"Environment {name} cannot be opened ({type(error).__name__}: {first_sentence(error)})")


def _option(text: str) -> Option:
    """A whole number, a number, true or false, or else the text itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _known_options(entry_point: Any) -> str:
    """The options that an environment has, as the end of a sentence; empty where they cannot be told."""
    from gymnasium.envs.registration import load_env_creator

    if str(entry_point).startswith(_NEXUS):
        names = list(option_names(entry_point))
    else:
        maker = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
        names = [each for each in inspect.signature(maker).parameters if each not in ("self", "kwargs", "args")]
    return f"; it has {', '.join(names)}" if names else ""


def _import_package(asked: Asked, package: _Package | None) -> None:
    """Import what registers the environment.

    Raises:
        GymError: If that fails, or nobody but a recording wants it.
    """
    module, name = _module_of(asked), asked.name
    if not module:
        return
    if module not in (*(each.module for each in _PACKAGES), *_TRUSTED):
        raise GymError(
            f"Environment {name} would import the Python module {module}, which Whiskers does not do because a "
            f"recording says so: if you trust it, name it yourself, with --scene {shlex.quote(f'gym:{name}')}."
        )
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
            f"Environment {name} needs the package {module.split('.')[0].replace('_', '-')}: "
            f"pip install 'whiskers-viewer[{package.extra}]'."
        ) from None
    except Exception as error:
        raise GymError(
            f"Package {module} of environment {name} raised while it was imported ({type(error).__name__}: "
            f"{first_sentence(error)})"
        ) from error


def _package_of(asked: Asked) -> _Package | None:
    return next((each for each in _PACKAGES if asked.id.startswith(each.prefixes)), None)


def _module_of(asked: Asked) -> str:
    """What registers an environment: the module before the colon, or the package that is known to, or by Gymnasium's
    custom what stands before the slash. Empty where that is Gymnasium itself."""
    if asked.module:
        return asked.module
    package = _package_of(asked)
    if package is not None:
        return package.module
    return asked.id.split("/")[0] if "/" in asked.id else ""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Packages of environments print, log and warn of what a user cannot change, and one asks a question on the
    terminal, which then fails instead of waiting."""
    # One thread at a time: twins are opened on threads of their own, and these are the whole program's.
    with _ALONE:
        stdin, sys.stdin = sys.stdin, io.StringIO()
        disabled = logging.root.manager.disable
        logging.disable()
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                yield
        finally:
            sys.stdin = stdin
            logging.disable(disabled)


@contextlib.contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Make what is drawn from NumPy's global generator, as gym-hil does in a reset and Meta-World while it makes its
    tasks, a function of a seed: a twin must be its equal."""
    # One thread at a time, as above: the generator is the whole program's.
    with _ALONE:
        before = np.random.get_state()
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            np.random.set_state(before)


@contextlib.contextmanager
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
            f"Environment {name} raised in its {doing} ({type(error).__name__}: {first_sentence(error)})"
        ) from error


def first_sentence(error: BaseException) -> str:
    """What an exception says, on one line, at most one sentence of it."""
    text = " ".join(str(error).split()).split(". ")[0].rstrip(".")
    return f"{text or 'without a word'}."
