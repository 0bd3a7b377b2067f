"""A Gymnasium environment with a MuJoCo model inside: stepped without rendering, read, and what it remembers kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np

from viewer_app.gym_attributes import Attributes, give, take
from viewer_app.gym_lerobot import LEROBOT, make_lerobot
from viewer_app.gym_mute import mute, stay
from viewer_app.gym_packages import GymError, Opened, drawing, make_registered, named, parse, task_of
from viewer_app.gym_seen import Seen, pictures_in, seen_from
from viewer_app.types import Float32Array, FloatArray


def make(name: str) -> Opened:
    """Open an environment by its name.

    Raises:
        GymError: If it cannot be opened.
    """
    asked = parse(name)
    with drawing(0):
        return make_lerobot(asked) if asked.id.startswith(LEROBOT) else make_registered(asked)


class Environment:
    """An open environment. Its pictures are left out: whoever needs them renders the model."""

    def __init__(self, name: str) -> None:
        """
        Args:
            name: Gymnasium's id, such as `gym_aloha/AlohaTransferCube-v0`, or `lerobot/TYPE/TASK`; see
                `gym_packages.parse`.

        Raises:
            GymError: If there is no such environment, its package is missing (says which extra installs it),
                it does not open, or there is no MuJoCo model in it.
        """
        self.name = name
        opened = make(name)
        self._env = opened.env
        self.max_steps = opened.max_steps
        """After how many control steps an episode ends."""
        self.inner: Any = self._env.unwrapped
        """Without wrappers. Only for who knows what package it is of."""
        self.model, self.data = self._physics()
        mute(self.inner)
        self._reset = self._env.reset
        if opened.resets_itself:
            stay(self.inner)
        shape = getattr(self._env.action_space, "shape", None)
        if shape is None or len(shape) != 1:
            raise GymError(f"Environment {name} takes no vector of numbers as action, which policies give.")
        self.n_action = int(shape[0])
        seen = self.reset(0)
        self.n_state = len(seen.state)
        self.n_environment_state = 0 if seen.environment_state is None else len(seen.environment_state)
        self.prompt = task_of(self._env)
        """What a policy is told to do."""
        start = float(self.data.time)
        self.step(self.middle_action)
        self.control_dt = float(self.data.time) - start
        """Duration of one control step, measured. [s]"""
        if self.control_dt <= 0:
            raise GymError(f"Environment {name} does not advance its MuJoCo data in a step.")
        self.reset(0)

    @property
    def middle_action(self) -> Float32Array:
        """The middle of the actions that it allows, 0 where those have no bounds. Shape (n,)."""
        low, high = (np.asarray(each, np.float64) for each in self.action_bounds)
        bounded = np.isfinite(low) & np.isfinite(high)
        return np.where(bounded, (np.where(bounded, low, 0) + np.where(bounded, high, 0)) / 2, 0).astype(np.float32)

    def random_actions(self, rng: np.random.Generator, rows: int) -> Float32Array:
        """Actions that it allows, no farther from the middle than 1. Shape (rows, n)."""
        low, high = self.action_bounds
        middle = self.middle_action
        drawn = rng.uniform(np.maximum(low, middle - 1), np.minimum(high, middle + 1), (rows, len(low)))
        return drawn.astype(np.float32)

    @property
    def action_bounds(self) -> tuple[Float32Array, Float32Array]:
        """Lowest and highest action that it declares. Shapes (n,)."""
        space = self._env.action_space
        return np.asarray(space.low, np.float32), np.asarray(space.high, np.float32)

    @property
    def pictures(self) -> Mapping[str, tuple[int, int]]:
        """What it calls each picture that it observes, to its (height, width). [px]"""
        return pictures_in(self._env.observation_space)

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
        with named(self.name, "reset"), drawing(seed):
            # Some draw before they pass the seed on, as Meta-World's tasks are chosen.
            self.inner.np_random = np.random.default_rng(seed)
            # Gym's old way. Meta-World's reset ignores the seed, so LeRobot calls this too.
            if callable(sow := getattr(self.inner, "seed", None)):
                sow(seed)
            observation, info = self._reset(seed=seed)
        self._check_physics()
        return seen_from(self.name, observation, info)

    def step(self, action: Float32Array) -> Seen:
        """Advance one control step.

        Args:
            action: As the environment wants it. Shape (n,).

        Raises:
            GymError: If the environment raises.
        """
        with named(self.name, "step"):
            observation, reward, terminated, truncated, info = self._env.step(action)
        return seen_from(self.name, observation, info, float(reward), bool(terminated or truncated))

    def seen(self) -> Seen:
        """What it observes of the data as they are now, after something else than a step changed them, without reward.

        Raises:
            GymError: If the environment can be observed only by a step.
        """
        kept = self.attributes()
        with named(self.name, "observation"):
            observation = self._observation()
        # Some count how often they are asked, or remember what they said last.
        self.set_attributes(kept)
        if observation is None:
            raise GymError(f"Environment {self.name} can be observed only by a step, so it cannot be rewound.")
        return seen_from(self.name, observation, {})

    def _observation(self) -> Any:
        """As the environment observes, None where it is not known how."""
        inner = self.inner
        inside: Any = getattr(inner, "_env", None)
        if hasattr(inside, "task") and hasattr(inside, "physics"):  # gym-aloha and those made after it.
            return inner._format_raw_obs(inside.task.get_observation(inside.physics))
        if hasattr(inside, "_get_curr_obs_combined_no_goal"):  # LeRobot's Meta-World.
            space = inside.sawyer_observation_space
            return inner._format_raw_obs(np.clip(inside._get_obs(), space.low, space.high))
        for observe in ("_get_obs", "_compute_observation"):
            if hasattr(inner, observe):  # Gymnasium's own and those made after them; gym-hil and those after it.
                return getattr(inner, observe)()
        return None

    def attributes(self) -> Attributes:
        """Copies of all that the environment keeps in Python: numbers, texts, arrays, random generators."""
        return take(self._env)

    def set_attributes(self, attributes: Attributes) -> None:
        """Give the environment what `attributes` found in it, or in another one of the same name."""
        give(self._env, attributes)

    def close(self) -> None:
        """Close it. What an environment complains of while it closes concerns nobody."""
        try:
            self._env.close()
        except Exception:
            return

    def _physics(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
        """
        Raises:
            GymError: If there is no MuJoCo inside.
        """
        found = _physics_of(self.inner)
        if found is None:
            # Some compile their model at the first reset, LeRobot's before they first render.
            with named(self.name, "reset"), drawing(0):
                getattr(self.inner, "_ensure_env", self._env.reset)()
            found = _physics_of(self.inner)
        if found is None:
            self.close()
            raise GymError(
                f"Environment {self.name} has no MuJoCo model and data inside, so Whiskers can show nothing of it."
            )
        return found

    def _check_physics(self) -> None:
        """
        Raises:
            GymError: If a reset made the environment another model or other data.
        """
        found = _physics_of(self.inner)
        if found is None or found[0] is not self.model or found[1] is not self.data:
            raise GymError(
                f"Environment {self.name} compiles its model anew in each reset, so a moment of one episode cannot be "
                "shown in another; Whiskers needs an environment that keeps its model."
            )


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


def fixed_fields(data: mujoco.MjData) -> list[FloatArray]:
    """Views of all arrays of `data` whose size the model decides, what was derived from the state included."""
    begin, end = data.qpos.ctypes.data, data.qpos.ctypes.data + int(data.nbuffer)
    arrays = [getattr(data, name) for name in dir(data) if not name.startswith("_") and name != "contact"]
    return [
        each
        for each in arrays
        if isinstance(each, np.ndarray) and each.size and begin <= each.ctypes.data < end and each.base is not None
    ]
