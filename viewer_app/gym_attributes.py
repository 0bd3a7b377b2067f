"""What the objects of an environment keep in Python: numbers, texts, arrays, random generators, containers of these.

Values are found under the path of the object that holds them, such as `environment._env._task`, so that those taken
from one environment can be given to another of the same kind. Gymnasium is not imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

Attributes = Mapping[tuple[str, str], Any]
"""(path of the owner, name) to a copy of the value."""

_DEPTH = 4
"""How deep objects are followed from the outermost wrapper or the environment."""
_MOST = 4096
"""A container with more entries holds no state of an episode, but a table."""
_STRANGERS = frozenset(
    {
        *("mujoco", "numpy", "scipy", "torch", "gymnasium", "dm_control"),
        *("glfw", "OpenGL", "PIL", "cv2", "viewer_app"),
    }
)
"""Packages whose objects are not looked into: what they hold is restored otherwise, or is no state."""


@dataclass(frozen=True)
class _Drawn:
    """How far a random generator has drawn."""

    state: Any


def take(env: Any) -> dict[tuple[str, str], Any]:
    """Copies of all that is kept.

    Args:
        env: The outermost wrapper, or the environment itself.
    """
    return {
        (path, name): _copied(value)
        for path, owner in _owners(env)
        for name, value in vars(owner).items()
        if _is_kept(value)
    }


def give(env: Any, attributes: Attributes) -> None:
    """Give an environment what `take` found in this one, or in another of the same kind."""
    held = {path: vars(owner) for path, owner in _owners(env)}
    for (path, name), value in attributes.items():
        if path in held:
            _put(held[path], name, value)


def _put(held: dict[str, Any], name: str, value: Any) -> None:
    now = held.get(name)
    match value:
        case _Drawn(state):
            _set_drawn(now, state)
        # In place, because other objects may hold it too.
        case np.ndarray() if isinstance(now, np.ndarray) and (now.shape, now.dtype) == (value.shape, value.dtype):
            if now.flags.writeable:
                np.copyto(now, value)
            else:
                held[name] = value.copy()
        case list() if type(now) is list:
            now[:] = _copied(value)
        case dict() if type(now) is dict:
            now.clear()
            now.update(_copied(value))
        case _:
            held[name] = _copied(value)


def _owners(env: Any) -> Iterator[tuple[str, Any]]:
    """The wrappers, the environment, and the objects in them that are not other libraries'."""
    seen: set[int] = set()
    layer, path = env, "wrapper"
    inner = env.unwrapped
    while layer is not inner:
        yield path, layer
        seen.add(id(layer))
        layer, path = layer.env, f"{path}.env"
    yield from _inside("environment", inner, seen, _DEPTH)


def _inside(path: str, owner: Any, seen: set[int], depth: int) -> Iterator[tuple[str, Any]]:
    seen.add(id(owner))
    yield path, owner
    if not depth:
        return
    for name, value in list(vars(owner).items()):
        # dm_control keeps an episode in the object that its environments call so.
        if id(value) not in seen and (_is_owner(value) or (name in ("_env", "_task") and hasattr(value, "__dict__"))):
            yield from _inside(f"{path}.{name}", value, seen, depth - 1)


def _is_owner(value: object) -> bool:
    if isinstance(value, type | ModuleType | FunctionType | MethodType) or not hasattr(value, "__dict__"):
        return False
    parameters = getattr(type(value), "__dataclass_params__", None)
    if parameters is not None and parameters.frozen:
        return False
    package = type(value).__module__.split(".")[0]
    return package not in _STRANGERS and package not in sys.stdlib_module_names


def _is_kept(value: object) -> bool:
    match value:
        case np.ndarray():
            # A view of another array, MuJoCo's for example, is restored with that one.
            return value.base is None and value.dtype != object
        case np.random.Generator() | np.random.RandomState():
            return True
    return _is_plain(value)


def _is_plain(value: object) -> bool:
    """Whether a value is numbers and texts, or a container of nothing else."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype != object
    if type(value) in (list, tuple, set) and len(value) <= _MOST:  # type: ignore[arg-type]
        return all(_is_plain(each) for each in value)  # type: ignore[attr-defined]
    if type(value) is dict and len(value) <= _MOST:
        return all(_is_plain(key) and _is_plain(each) for key, each in value.items())
    return False


def _copied(value: Any) -> Any:
    match value:
        case np.random.Generator():
            return _Drawn(value.bit_generator.state)
        case np.random.RandomState():
            return _Drawn(value.get_state())
        case np.ndarray():
            return value.copy()
        case list():
            return [_copied(each) for each in value]
        case tuple() if type(value) is tuple:
            return tuple(_copied(each) for each in value)
        case set():
            return set(value)
        case dict():
            return {key: _copied(each) for key, each in value.items()}
    return value


def _set_drawn(generator: object, state: Any) -> None:
    match generator:
        case np.random.Generator():
            generator.bit_generator.state = state
        case np.random.RandomState():
            generator.set_state(state)
