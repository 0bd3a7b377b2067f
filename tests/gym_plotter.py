"""Gymnasium environments over the small scene of `scenes.py`, each with something that a world must cope with.

Opened as `tests.gym_plotter:Plotter-v0`: Gymnasium imports this module itself.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.spaces import Box, Dict

from tests.scenes import MODEL
from viewer_app.types import FloatArray

SUBSTEPS = 8


class Plotter(gymnasium.Env[Any, Any]):
    """Joint targets in, joint positions out. Every fourth step kicks the cube, by a count kept in Python."""

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's own way)

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_string(MODEL)
        self.data = mujoco.MjData(self.model)
        self.action_space = Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = Dict({"agent_pos": Box(-np.inf, np.inf, (2,), np.float64)})
        self.count = 0
        self.kick: FloatArray = np.zeros(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, FloatArray], dict[str, Any]]:
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self.kick = self.np_random.uniform(-0.2, 0.2, 2)
        self.count = 0
        mujoco.mj_forward(self.model, self.data)
        return self._get_obs(), {}

    def step(self, action: FloatArray) -> tuple[dict[str, FloatArray], float, bool, bool, dict[str, Any]]:
        self.data.ctrl[:] = self.control(action)
        self.count += 1
        if self.count % 4 == 0:
            self.data.qvel[2:4] += self.kick + self.np_random.normal(0, 0.01, 2)
        mujoco.mj_step(self.model, self.data, SUBSTEPS)
        return self._get_obs(), float(self.data.qpos[0]), *self.ends()

    def control(self, action: FloatArray) -> FloatArray:
        return action

    def ends(self) -> tuple[bool, bool, dict[str, Any]]:
        return False, False, {}

    def _get_obs(self) -> dict[str, FloatArray]:
        return {"agent_pos": self.data.qpos[:2].copy()}


class Scaled(Plotter):
    """Its second number goes from 0 to 1 over the joint's range."""

    def control(self, action: FloatArray) -> FloatArray:
        return np.array([action[0], 0.5 * action[1] - 0.25])

    def _get_obs(self) -> dict[str, FloatArray]:
        return {"agent_pos": np.array([self.data.qpos[0], (self.data.qpos[1] + 0.25) / 0.5])}


class Relative(Plotter):
    """Its actions are changes of the joints' targets."""

    def control(self, action: FloatArray) -> FloatArray:
        return np.asarray(self.data.ctrl + 0.1 * action)


class Watching(Plotter):
    """Its proprioception says where the cube is too."""

    def _get_obs(self) -> dict[str, FloatArray]:
        return {"agent_pos": self.data.qpos[:5].copy()}


class Mixing(Plotter):
    """Takes four numbers, none of which is the target of a joint, and observes nine."""

    def __init__(self) -> None:
        super().__init__()
        self.most = np.array([1.0, 1.0, 1.0, 2.0], np.float32)
        self.action_space = Box(-1.0, self.most, (4,), np.float32)
        self.observation_space = Dict({"agent_pos": Box(-np.inf, np.inf, (9,), np.float64)})

    def control(self, action: FloatArray) -> FloatArray:
        across, along, faster, _ = np.clip(action, -1.0, self.most)
        turned = np.array([across - along, across + along]) * (0.05 + 0.02 * faster)
        return np.asarray(self.data.ctrl + turned)

    def _get_obs(self) -> dict[str, FloatArray]:
        tip = self.data.site_xpos[0]
        return {"agent_pos": np.concatenate([tip, self.data.qvel[:2], self.data.qpos[2:5], [float(self.count)]])}


class Raising(Plotter):
    """Raises in its sixth step, having moved things already."""

    def ends(self) -> tuple[bool, bool, dict[str, Any]]:
        if self.count == 6:
            raise ZeroDivisionError("the reward was divided by nothing")
        return False, False, {}


class Succeeding(Plotter):
    """Says in its fifth step, in words of its own, that it succeeded; before that, that it did not."""

    def ends(self) -> tuple[bool, bool, dict[str, Any]]:
        return False, False, {"succeed": np.float64(self.count == 5)}


class Falling(Plotter):
    """Ends the episode in its third step, without success."""

    def ends(self) -> tuple[bool, bool, dict[str, Any]]:
        return self.count == 3, False, {"is_success": False}


class Surrounded(Plotter):
    """Observes where the cube is besides where its joints are."""

    def _get_obs(self) -> dict[str, FloatArray]:
        return {"agent_pos": self.data.qpos[:2].copy(), "environment_state": self.data.qpos[2:5].copy()}


class Painted(Plotter):
    """Draws the colours of everything, and where the cup stands, into its model at each reset."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, FloatArray], dict[str, Any]]:
        found = super().reset(seed=seed)
        self.model.geom_rgba[:, :3] = self.np_random.uniform(0, 1, (self.model.ngeom, 3))
        self.model.body("cup").pos[:2] += self.np_random.uniform(-0.05, 0.05, 2)
        mujoco.mj_forward(self.model, self.data)
        return found


class Unwilling(Plotter):
    """Never begins."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, FloatArray], dict[str, Any]]:
        raise RuntimeError("it will not begin")


class Fresh(Plotter):
    """Has another model in each episode."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, FloatArray], dict[str, Any]]:
        self.model = mujoco.MjModel.from_xml_string(MODEL)
        self.data = mujoco.MjData(self.model)
        return super().reset(seed=seed)


_KINDS: tuple[type[Plotter], ...] = (
    *(Plotter, Scaled, Relative, Watching, Mixing, Raising, Succeeding, Falling),
    *(Surrounded, Painted, Unwilling, Fresh),
)
for kind in _KINDS:
    gymnasium.register(f"{kind.__name__}-v0", entry_point=f"{__name__}:{kind.__name__}", max_episode_steps=30)
