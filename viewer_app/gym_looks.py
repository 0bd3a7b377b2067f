"""What an environment changes that pictures depend on, beyond its physics state: found by watching it.

Some draw the place of a goal or the colour of a robot into the model at a reset. In others, what MuJoCo derived for
drawing is one physics step older than the state, because their control step ends with `mj_step`.
"""

from __future__ import annotations

import mujoco
import numpy as np

from viewer_app.gym_environment import Environment

_MODEL = (
    *(f"body_{each}" for each in ("pos", "quat")),
    *(f"geom_{each}" for each in ("pos", "quat", "size", "rgba")),
    *(f"site_{each}" for each in ("pos", "quat", "size", "rgba")),
    *(f"cam_{each}" for each in ("pos", "quat", "fovy")),
    *(f"light_{each}" for each in ("pos", "dir", "ambient", "diffuse", "specular")),
    "mat_rgba",
)
_DERIVED = (
    ("geom_xpos", "geom_xmat"),
    ("site_xpos", "site_xmat"),
    ("cam_xpos", "cam_xmat"),
    ("light_xpos", "light_xdir"),
)
"""What pictures are drawn from, of MuJoCo's data."""

LOOKS = (*(f"model.{each}" for each in _MODEL), *(f"data.{each}" for pair in _DERIVED for each in pair))
"""Arrays of MuJoCo's model and data that a snapshot may hold besides the physics state."""

_SEEDS = 8
_STEPPED = 3
"""Of how many of the episodes a step is taken too."""


def find_looks(environment: Environment) -> tuple[str, ...]:
    """The arrays of `LOOKS` that change from episode to episode, or are not what the physics state says.

    Args:
        environment: Open. Left somewhere in an episode.
    """
    watch = _Watch(environment)
    rng = np.random.default_rng(0)
    for seed in range(_SEEDS):
        environment.reset(seed)
        watch.look()
        if seed < _STEPPED:
            environment.step(environment.random_actions(rng, 1)[0])
            watch.look()
    return tuple(each for each in LOOKS if each in watch.found)


class _Watch:
    """Compares an environment with how it was, and with what its state says."""

    def __init__(self, environment: Environment) -> None:
        self.found: set[str] = set()
        self._model, self._data = environment.model, environment.data
        self._before = {name: getattr(self._model, name).copy() for name in _MODEL}
        self._meant = mujoco.MjData(self._model)
        self._spec = int(mujoco.mjtState.mjSTATE_INTEGRATION)
        self._state = np.empty(mujoco.mj_stateSize(self._model, self._spec))

    def look(self) -> None:
        self.found |= {
            f"model.{name}"
            for name, before in self._before.items()
            if not np.array_equal(getattr(self._model, name), before)
        }
        mujoco.mj_getState(self._model, self._data, self._state, self._spec)
        mujoco.mj_setState(self._model, self._meant, self._state, self._spec)
        mujoco.mj_fwdPosition(self._model, self._meant)
        for pair in _DERIVED:
            if not all(np.array_equal(getattr(self._data, name), getattr(self._meant, name)) for name in pair):
                self.found |= {f"data.{name}" for name in pair}
