"""Real environments, each as its own package makes it: what Whiskers steps, observes and shows equals it to the bit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from recordings.folder import LaneSnippet, open_recording, save
from tests.gym_cases import Bare, Case, integration_state, params
from tests.scripted import Scripted, do
from viewer_app.commands import ResetEpisode, Step
from viewer_app.gym_world import GymWorld, open_world
from viewer_app.headless import open_engine
from viewer_app.render import PolicyCameras
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, Observation
from viewer_app.view import Snippet

pytest.importorskip("gymnasium")

SEED = 3
_STILL = np.zeros(4, np.float32)


@dataclass(frozen=True)
class Both:
    """An environment as Whiskers opens it, and as its package does."""

    case: Case
    scene: Scene
    world: GymWorld
    bare: Bare

    def actions(self, steps: int) -> Float32Array:
        low, high = (np.clip(each, -1, 1) for each in self.world.environment.action_bounds)
        return np.random.default_rng(0).uniform(low, high, (steps, len(low))).astype(np.float32)


@pytest.fixture(scope="module")
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    """Opened once for all tests of an environment: some take seconds."""
    case: Case = request.param
    scene = Scene.load(f"gym:{case.name}")
    found = Both(case, scene, open_world(scene), Bare(case))
    yield found
    found.world.close()
    found.bare.close()


everywhere = pytest.mark.parametrize("both", params(), indirect=True)


@everywhere
def test_it_is_what_it_is_by_itself(both: Both) -> None:
    """States, rewards, success, what it observes and all of MuJoCo's integration state equal those of the package's own
    environment to the bit: under random actions, after a second reset to the same seed, and in another episode.
    So do the pictures of its cameras, rendered from a snapshot by whoever holds the scene."""
    both.world.reset(SEED)
    both.bare.reset(SEED)
    begun = both.bare.physics
    with pytest.MonkeyPatch.context() as patch:
        # By themselves some draw in every step, which costs them nearly all of their time.
        _replace(patch, mujoco.mjr_render, lambda *_: None)
        for action in both.actions(20):
            both.world.step(action)
            assert both.world.readings().reward == both.bare.step(action)
            _assert_equal(both)
    cameras = PolicyCameras(both.scene)
    for seed, steps in ((SEED, 1), (SEED + 1, 0)):
        both.world.reset(seed)
        both.bare.reset(seed)
        assert seed != SEED or np.array_equal(both.bare.physics, begun)
        _assert_equal(both, cameras)
        for action in both.actions(steps):
            both.world.step(action)
            both.bare.step(action)
            _assert_equal(both, cameras)
    cameras.close()


def _replace(patch: pytest.MonkeyPatch, function: Callable[..., Any], other: Callable[..., Any]) -> None:
    """Whatever module calls a function of MuJoCo calls another one."""
    name = str(function.__name__)
    for module in [each for each in sys.modules.values() if each is not None]:
        if vars(module).get(name) is function:
            patch.setattr(module, name, other)


def _assert_equal(both: Both, cameras: PolicyCameras | None = None) -> None:
    world, bare, environment = both.world, both.bare, both.world.environment
    now, around = world.readings(), bare.around
    assert np.array_equal(integration_state(environment.model, environment.data), bare.physics)
    assert np.array_equal(now.state, bare.state)
    assert now.success == bare.success
    assert (now.environment_state is None) == (around is None)
    assert around is None or np.array_equal(np.asarray(now.environment_state), around)
    if cameras is None:
        return
    theirs = bare.pictures
    assert theirs.keys() == both.case.cameras.keys()
    ours = cameras.pictures(world.snapshot(), tuple(theirs))
    for name, picture in theirs.items():
        assert np.ptp(picture) > 30
        assert np.array_equal(ours[name], picture), name


@everywhere
def test_a_scene_says_what_its_numbers_are(both: Both) -> None:
    """A scene has the environment's sizes, says what its actions and its state are, and calls them something."""
    case, scene = both.case, both.scene
    around = scene.spec.state.environment
    assert (scene.n_action, scene.n_state, len(around)) == case.sizes
    assert (scene.spec.action.kind, scene.spec.state.kind) == case.kinds
    assert (scene.action_names[0], scene.action_names[-1]) == case.actions
    for names in (scene.action_names, scene.state_names, around):
        assert len(set(names)) == len(names)
        assert not any(name in ("a0", "s0", "e0") for name in names)
    assert scene.control_dt == pytest.approx(both.world.environment.control_dt)
    sizes = {name: (camera.height, camera.width) for name, camera in scene.spec.cameras.items()}
    assert sizes == dict(case.cameras) if case.cameras else sizes


@everywhere
def test_no_step_renders(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of Whiskers draws nothing, also where the package's own does; nor does a look at the world."""
    drawn: list[int] = []
    real = mujoco.mjv_updateScene

    def counted(*arguments: Any) -> None:
        drawn.append(1)
        real(*arguments)

    # All that draw call this first.
    _replace(monkeypatch, real, counted)
    both.world.reset(SEED)
    for action in both.actions(2):
        both.world.step(action)
    both.world.readings()
    assert drawn == []
    both.bare.reset(SEED)
    assert bool(drawn) == bool(both.case.cameras)


@pytest.mark.filterwarnings("ignore:Constant")
def test_the_moment_after_success_is_of_the_same_episode() -> None:
    """LeRobot's Meta-World resets itself in the step that succeeds. Here it does not: where the package's own expert
    succeeds, the clock goes on, and so does the hand."""
    pytest.importorskip("metaworld")
    scene = Scene.load("gym:lerobot/metaworld/reach-v3")
    world = open_world(scene)
    inner = world.environment.inner
    world.reset(SEED)
    for step in range(120):
        before = world.readings()
        world.step(
            np.asarray(inner.expert_policy.get_action(inner._env._last_stable_obs), np.float32) if step else _STILL
        )
        now = world.readings()
        assert now.time == pytest.approx(before.time + scene.control_dt)
        assert np.abs(now.state - before.state)[:3].max() < 0.02
        if now.outcome:
            break
    assert (now.outcome, now.success, before.success) == ("success", True, False)
    world.step(_STILL)
    assert world.readings().time > now.time
    world.close()


def test_what_surrounds_the_robot_reaches_the_policy(tmp_path: Path) -> None:
    """What an environment observes besides the robot is in what the policy sees, in the trace, and in a recording."""
    scene = Scene.load("gym:tests.gym_plotter:Surrounded-v0")
    assert scene.spec.state.environment == ("e0", "e1", "e2")
    seen: list[Observation] = []

    def script(start: int, observation: Observation, seed: int) -> Float32Array:
        seen.append(observation)
        return np.full((12, 2), 0.02 * start, np.float32)

    engine = open_engine(scene, Scripted(scene, script), SEED)
    trace = do(engine, Step(13))
    column = np.asarray(trace.column("environment_state"))
    assert column.shape == (14, 3)
    assert np.ptp(column, axis=0).max() > 1e-3
    for start, observation in zip((0, 6, 12), seen, strict=True):
        assert observation.environment_state is not None
        assert np.array_equal(observation.environment_state, column[start])
    engine.close()
    save(tmp_path / "recording", scene, [LaneSnippet(Snippet(trace, 13))])
    assert open_recording(tmp_path / "recording").lanes[0][0].same_as(trace)


def test_what_a_reset_draws_into_the_model_is_in_the_recording(tmp_path: Path) -> None:
    """A recording shows each episode with the colours and places that its reset drew, though it holds one model."""
    scene = Scene.load("gym:tests.gym_plotter:Painted-v0")
    assert scene.spec.looks[:2] == ("model.body_pos", "model.geom_rgba")
    engine = open_engine(scene, None, SEED)
    snippets = []
    for seed in (SEED, SEED + 1):
        engine.send(ResetEpisode(seed))
        engine.tick()
        snippets.append(LaneSnippet(Snippet(engine.lanes[0].trace, 0)))
    live = [engine.lanes[0].world.picture(each.snippet.trace.snapshot(0), ("above",))["above"] for each in snippets]
    engine.close()
    assert not np.array_equal(live[0], live[1])
    save(tmp_path / "recording", scene, snippets)
    opened = open_recording(tmp_path / "recording")
    cameras = PolicyCameras(opened.scene)
    for trace, picture in zip(opened.lanes[0], live, strict=True):
        assert np.array_equal(cameras.pictures(trace.snapshot(0), ("above",))["above"], picture)
    cameras.close()
