"""A Gymnasium environment with a MuJoCo model inside: stepped without rendering, read, and what it remembers kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from viewer_app.gym_packages import GymError, make, named
from viewer_app.types import Float32Array, FloatArray, ImageArray

_STATE_KEYS = ("agent_pos", "state", "observation")
"""What environments call proprioception, the most specific name first."""

_SUCCESS_KEYS = ("is_success", "success", "succeed")
"""What environments call success in their info. Source: facts measured of gym-aloha, Meta-World and gym-hil."""


@dataclass(frozen=True)
class Seen:
    """What an environment returned."""

    state: Float32Array
    """Proprioception, as the environment gives it. Shape (m,)."""
    reward: float = 0.0
    success: bool = False
    over: bool = False
    """Whether the environment ended the episode."""


class Environment:
    """An open environment. Its pictures are left out: whoever needs them renders the model."""

    def __init__(self, name: str) -> None:
        """
        Args:
            name: Gymnasium's id, such as `gym_aloha/AlohaTransferCube-v0`.

        Raises:
            GymError: If there is no such environment, its package is missing (says which extra installs it),
                it does not open, or there is no MuJoCo model in it.
        """
        self.name = name
        self._env, self.max_steps = make(name)
        """After how many control steps an episode ends."""
        self._inner: Any = self._env.unwrapped
        found = _physics_of(self._inner)
        if found is None:
            # Some compile their model at the first reset.
            with named(name, "reset"):
                self._env.reset(seed=0)
            found = _physics_of(self._inner)
        if found is None:
            raise GymError(
                f"Environment {name} has no MuJoCo model and data inside, so Whiskers can show nothing of it."
            )
        self.model, self.data = found
        _mute(self._inner)
        shape = getattr(self._env.action_space, "shape", None)
        if shape is None or len(shape) != 1:
            raise GymError(f"Environment {name} takes no vector of numbers as action, which policies give.")
        self.n_action = int(shape[0])
        self.n_state = len(self.reset(0).state)
        start = float(self.data.time)
        self.step(self.middle_action)
        self.control_dt = float(self.data.time) - start
        """Duration of one control step, measured. [s]"""
        self.reset(0)

    @property
    def middle_action(self) -> Float32Array:
        """The middle of the actions that it allows, 0 where those have no bounds. Shape (n,)."""
        low, high = (np.asarray(each, np.float64) for each in self.action_bounds)
        bounded = np.isfinite(low) & np.isfinite(high)
        return np.where(bounded, (np.where(bounded, low, 0) + np.where(bounded, high, 0)) / 2, 0).astype(np.float32)

    @property
    def action_bounds(self) -> tuple[Float32Array, Float32Array]:
        """Lowest and highest action that it declares. Shapes (n,)."""
        space = self._env.action_space
        return np.asarray(space.low, np.float32), np.asarray(space.high, np.float32)

    @property
    def pictures(self) -> Mapping[str, tuple[int, int]]:
        """What it calls each picture that it observes, to its (height, width). [px]"""
        spaces = _named_spaces("", self._env.observation_space)
        return {name: (int(space.shape[0]), int(space.shape[1])) for name, space in spaces if _is_picture(space)}

    def check_model(self, model: mujoco.MjModel) -> None:
        """Compare a scene's model with the environment's: a state of one must be a state of the other.

        Raises:
            GymError: If they are of different sizes.
        """
        for noun in ("nq", "nv", "nu", "na", "nmocap", "nbody", "ngeom", "nsite", "ncam"):
            here, there = getattr(self.model, noun), getattr(model, noun)
            if here != there:
                raise GymError(
                    f"The scene's model is not that of environment {self.name} ({noun} is {there}, not {here}): the "
                    f"package was changed, or the scene; open gym:{self.name} anew."
                )

    def reset(self, seed: int) -> Seen:
        """Begin the episode of this seed.

        Raises:
            GymError: If the environment raises.
        """
        with named(self.name, "reset"):
            observation, info = self._env.reset(seed=seed)
        return Seen(_state_of(self.name, observation), success=_success_of(info))

    def step(self, action: Float32Array) -> Seen:
        """Advance one control step.

        Args:
            action: As the environment wants it. Shape (n,).

        Raises:
            GymError: If the environment raises.
        """
        with named(self.name, "step"):
            observation, reward, terminated, truncated, info = self._env.step(action)
        return Seen(_state_of(self.name, observation), float(reward), _success_of(info), bool(terminated or truncated))

    def state(self) -> Float32Array:
        """Proprioception of the data as they are now, after something else than a step changed them. Shape (m,).

        Raises:
            GymError: If the environment can be observed only by a step.
        """
        inner = self._inner
        with named(self.name, "observation"):
            if hasattr(inner, "_format_raw_obs"):  # gym-aloha and those made after it.
                return _state_of(self.name, inner._format_raw_obs(inner._env.task.get_observation(inner._env.physics)))
            if hasattr(inner, "_get_obs"):  # Gymnasium's own MuJoCo environments and those made after them.
                return _state_of(self.name, inner._get_obs())
        raise GymError(f"Environment {self.name} can be observed only by a step, so it cannot be rewound.")

    def attributes(self) -> list[tuple[object, str, Any]]:
        """(owner, name, value) of all numbers, texts, arrays and random generators that the environment keeps in
        Python. The values are copies."""
        return [
            (owner, name, _copied(value))
            for owner in self._owners()
            for name, value in vars(owner).items()
            if _is_kept(value)
        ]

    def set_attributes(self, attributes: list[tuple[object, str, Any]]) -> None:
        """Give the environment back what `attributes` took."""
        for owner, name, value in attributes:
            now = vars(owner).get(name)
            match value:
                case _Drawn(state):
                    _set_drawn(now, state)
                case np.ndarray() if isinstance(now, np.ndarray) and now.shape == value.shape:
                    np.copyto(now, value)  # In place, because other objects may hold it too.
                case np.ndarray():
                    setattr(owner, name, value.copy())
                case _:
                    setattr(owner, name, value)

    def close(self) -> None:
        """Close it. What an environment complains of while it closes concerns nobody."""
        try:
            self._env.close()
        except Exception:
            return

    def _owners(self) -> Iterator[object]:
        """The wrappers, the environment, and what dm_control keeps an episode in."""
        layer = self._env
        while layer is not self._inner:
            yield layer
            layer = layer.env
        yield self._inner
        control = getattr(self._inner, "_env", None)
        if control is not None:
            yield control
            task = getattr(control, "_task", None)
            if task is not None:
                yield task


def _physics_of(inner: Any) -> tuple[mujoco.MjModel, mujoco.MjData] | None:
    """MuJoCo's own model and data, wherever the makers of environments are used to keep them."""
    for holder in (inner, getattr(inner, "_env", None)):
        for model, data in (
            (getattr(holder, "model", None), getattr(holder, "data", None)),
            (_at(holder, "physics", "model", "ptr"), _at(holder, "physics", "data", "ptr")),
        ):
            if isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData):
                return model, data
    return None


def _at(holder: Any, *path: str) -> Any:
    for name in path:
        holder = getattr(holder, name, None)
    return holder


def _mute(inner: Any) -> None:
    """Keep dm_control from rendering in every step: three pictures, nearly all of the time that the step takes."""
    physics = _at(inner, "_env", "physics")
    if physics is not None:
        physics.render = _blank


def _blank(height: int = 240, width: int = 320, *_: object, **__: object) -> ImageArray:
    return np.zeros((height, width, 3), np.uint8)


def _named_spaces(name: str, space: Any) -> Iterator[tuple[str, Any]]:
    """All spaces that are not made of others, with the innermost name of each."""
    parts = getattr(space, "spaces", None)
    if isinstance(parts, Mapping):
        for inner, part in parts.items():
            yield from _named_spaces(inner, part)
    else:
        yield name, space


def _is_picture(space: Any) -> bool:
    return space.dtype == np.uint8 and len(space.shape or ()) == 3


def _state_of(name: str, observation: Any) -> Float32Array:
    if isinstance(observation, Mapping):
        observation = next((observation[key] for key in _STATE_KEYS if key in observation), None)
    state = None if observation is None else np.asarray(observation)
    if state is None or state.ndim != 1:
        raise GymError(
            f"Environment {name} observes no vector of proprioception; one of its entries must be called "
            f"{' or '.join(_STATE_KEYS)}."
        )
    return state.astype(np.float32)


def _success_of(info: Mapping[str, Any]) -> bool:
    return any(bool(np.any(np.asarray(info[key], np.float64) > 0)) for key in _SUCCESS_KEYS if key in info)


@dataclass(frozen=True)
class _Drawn:
    """How far a random generator has drawn."""

    state: Any


def _is_kept(value: object) -> bool:
    if isinstance(value, np.ndarray):
        # A view of another array, MuJoCo's for example, is restored with that one.
        return value.base is None and value.dtype != object
    return value is None or isinstance(
        value, bool | int | float | str | np.generic | np.random.Generator | np.random.RandomState
    )


def _copied(value: Any) -> Any:
    match value:
        case np.random.Generator():
            return _Drawn(value.bit_generator.state)
        case np.random.RandomState():
            return _Drawn(value.get_state())
        case np.ndarray():
            return value.copy()
    return value


def _set_drawn(generator: object, state: Any) -> None:
    match generator:
        case np.random.Generator():
            generator.bit_generator.state = state
        case np.random.RandomState():
            generator.set_state(state)


def free_joint(model: mujoco.MjModel, body: str) -> int | None:
    """Number of the free joint of a body, None where it has none."""
    number = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, body)
    first = int(model.body_jntadr[number]) if number >= 0 else -1
    return first if first >= 0 and model.jnt_type[first] == mujoco.mjtJoint.mjJNT_FREE else None


def fixed_fields(data: mujoco.MjData) -> list[FloatArray]:
    """Views of all arrays of `data` whose size the model decides, what was derived from the state included."""
    begin, end = data.qpos.ctypes.data, data.qpos.ctypes.data + int(data.nbuffer)
    arrays = [getattr(data, name) for name in dir(data) if not name.startswith("_") and name != "contact"]
    return [
        each
        for each in arrays
        if isinstance(each, np.ndarray) and each.size and begin <= each.ctypes.data < end and each.base is not None
    ]
