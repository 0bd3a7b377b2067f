"""The environments that Whiskers is tested on, what is known of each, and each as its own package opens it."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
import pytest

from viewer_app.types import Float32Array, FloatArray, ImageArray

SUCCESS = ("is_success", "success", "succeed")


@dataclass(frozen=True)
class Case:
    """One environment."""

    name: str
    module: str
    """That registers it."""
    kinds: tuple[str, str]
    """What its actions and its proprioception are found to be."""
    actions: tuple[str, ...]
    """The first and the last of their names."""
    sizes: tuple[int, int, int]
    """Numbers of action, of proprioception, of the environment's state."""
    cameras: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """What a policy is shown: height and width. [px]"""
    id: str = ""
    """Gymnasium's, or LeRobot's type and task, where they differ from the name."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the package's own door is given."""

    def __str__(self) -> str:
        return self.name


_PANDA = ("dx", "gripper")
_ALOHA = {"obs_type": "pixels_agent_pos", "render_mode": "rgb_array"}
CASES = (
    Case(
        "gym_aloha/AlohaTransferCube-v0",
        "gym_aloha",
        ("joints", "joints"),
        ("vx300s_left/waist", "vx300s_right/left_finger"),
        (14, 14, 0),
        {"top": (480, 640)},
        options=_ALOHA,
    ),
    Case(
        "lerobot/aloha/AlohaInsertion-v0",
        "gym_aloha",
        ("joints", "joints"),
        ("vx300s_left/waist", "vx300s_right/left_finger"),
        (14, 14, 0),
        {"top": (480, 640)},
    ),
    Case(
        "lerobot/metaworld/reach-v3",
        "metaworld",
        ("environment", "environment"),
        _PANDA,
        (4, 4, 0),
        {"image": (480, 480)},
    ),
    Case(
        "Meta-World/MT1?env_name=drawer-open-v3",
        "metaworld",
        ("environment", "environment"),
        _PANDA,
        (4, 39, 0),
        id="Meta-World/MT1",
        options={"env_name": "drawer-open-v3"},
    ),
    Case("lerobot/so101", "lerobot_env_so101", ("environment", "environment"), _PANDA, (4, 14, 3)),
    Case(
        "lerobot_env_so101/SO101PickPlace-v0?image_obs=true",
        "lerobot_env_so101",
        ("environment", "environment"),
        _PANDA,
        (4, 14, 0),
        {"front": (128, 128)},
        id="lerobot_env_so101/SO101PickPlace-v0",
        options={"image_obs": True},
    ),
    Case(
        "MuJoCoPickLift-v1",
        "so101_nexus.mujoco",
        ("joints", "environment"),
        ("shoulder_pan", "gripper"),
        (6, 31, 0),
    ),
    Case(
        "MuJoCoPickLift-v1?control_mode=pd_ee_delta_pose&obs_mode=visual&robot_colors=orange",
        "so101_nexus.mujoco",
        ("environment", "joints"),
        ("dx", "dgripper"),
        (7, 6, 0),
        {"wrist_camera": (480, 640), "overhead_camera": (480, 640)},
        id="MuJoCoPickLift-v1",
        options={"control_mode": "pd_ee_delta_pose", "visual": True},
    ),
    Case(
        "gym_hil/PandaPickCubeBase-v0",
        "gym_hil",
        ("environment", "environment"),
        _PANDA,
        (7, 18, 3),
    ),
    Case(
        "gym_hil/PandaPickCubeBase-v0?image_obs=true",
        "gym_hil",
        ("environment", "environment"),
        _PANDA,
        (7, 18, 0),
        {"front": (128, 128), "wrist": (128, 128)},
        id="gym_hil/PandaPickCubeBase-v0",
        options={"image_obs": True},
    ),
    Case("FetchPickAndPlace-v4", "gymnasium_robotics", ("environment", "environment"), _PANDA, (4, 25, 0)),
)


def params(cases: tuple[Case, ...] = CASES) -> list[Any]:
    """The cases for `pytest.mark.parametrize`, skipped where the package is not installed."""
    return [
        pytest.param(
            case,
            id=case.name,
            marks=pytest.mark.skipif(
                importlib.util.find_spec(case.module.split(".")[0]) is None, reason=f"{case.module} is not installed"
            ),
        )
        for case in cases
    ]


class Bare:
    """An environment as its own package opens it, rendering and all. Nothing of Whiskers is in it."""

    def __init__(self, case: Case) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Meta-World's tasks are drawn from it while they are made.
            np.random.seed(0)
            self.env: Any = _from_lerobot(case) if case.name.startswith("lerobot/") else _from_gymnasium(case)
        self._observation: Any = None
        self.info: dict[str, Any] = {}

    def reset(self, seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # What the seed of some does not decide: they draw from NumPy's, or are seeded in Gym's old way.
            np.random.seed(seed)
            if hasattr(self.env.unwrapped, "seed"):
                self.env.unwrapped.seed(seed)
            self._observation, self.info = self.env.reset(seed=seed)

    def step(self, action: Float32Array) -> float:
        self._observation, reward, _, _, self.info = self.env.step(action.copy())
        return float(reward)

    @property
    def state(self) -> Float32Array:
        found = self._observation
        if isinstance(found, Mapping):
            found = next(found[key] for key in ("agent_pos", "state", "observation") if key in found)
        return np.asarray(found, np.float32)

    @property
    def around(self) -> Float32Array | None:
        found = self._observation.get("environment_state") if isinstance(self._observation, Mapping) else None
        return None if found is None else np.asarray(found, np.float32)

    @property
    def pictures(self) -> dict[str, ImageArray]:
        return dict(_pictures("", self._observation))

    @property
    def success(self) -> bool:
        return any(bool(self.info[key]) for key in SUCCESS if key in self.info)

    @property
    def physics(self) -> FloatArray:
        """MuJoCo's integration state."""
        inner = self.env.unwrapped
        inside = getattr(inner, "_env", inner)
        model, data = (
            (inside.physics.model.ptr, inside.physics.data.ptr)
            if hasattr(inside, "physics")
            else (inside.model, inside.data)
        )
        return integration_state(model, data)

    def close(self) -> None:
        self.env.close()


def integration_state(model: mujoco.MjModel, data: mujoco.MjData) -> FloatArray:
    spec = int(mujoco.mjtState.mjSTATE_INTEGRATION)
    state = np.empty(mujoco.mj_stateSize(model, spec))
    mujoco.mj_getState(model, data, state, spec)
    return state


def _from_gymnasium(case: Case) -> Any:
    import gymnasium

    importlib.import_module(case.module)
    options = dict(case.options)
    if options.pop("visual", False):
        nexus = importlib.import_module("so101_nexus")
        seen = importlib.import_module("so101_nexus.observations")
        parts = [*(nexus.PickConfig().observations or ()), seen.WristCamera(), seen.OverheadCamera()]
        options["config"] = nexus.PickConfig(obs_mode="visual", robot_colors="orange", observations=parts)
    return gymnasium.make(case.id or case.name, disable_env_checker=True, **options)


def _from_lerobot(case: Case) -> Any:
    """The environment inside the vector environment that lerobot-eval steps."""
    importlib.import_module("lerobot.utils.import_utils").register_third_party_plugins()
    factory = importlib.import_module("lerobot.envs.factory")
    _, kind, *task = case.name.split("/")
    config = factory.make_env_config(kind, **({"task": task[0]} if task else {}))
    ((vector,),) = [list(group.values()) for group in factory.make_env(config, n_envs=1).values()]
    return vector.envs[0]


def _pictures(name: str, observation: Any) -> Iterator[tuple[str, ImageArray]]:
    if isinstance(observation, Mapping):
        for key, part in observation.items():
            yield from _pictures(key, part)
    elif isinstance(observation, np.ndarray) and observation.dtype == np.uint8 and observation.ndim == 3:
        # LeRobot's feature for a lone picture.
        yield "image" if name == "pixels" else name, observation
