"""The range check: it says what it saw to the bit, names each planted fault, and is silent beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.scenes import MODEL, SPEC, write_scene
from tests.scripted import do
from tests.synthetic import Wave
from viewer_app.commands import Step
from viewer_app.engine import Engine
from viewer_app.insight import Ranges
from viewer_app.lane import Lane
from viewer_app.ranges import RangeReader, ranges_of
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Float32Array, Observation, Policy, Scale, Want
from viewer_app.world import MujocoWorld

pytestmark = pytest.mark.core

STATISTICS = Scale("mean_std", np.full(6, 25, np.float32), np.array([0, -60, 40, 60, 5, 30], np.float32))
"""Of a demonstration with the arm of `so101`."""
NONE = Scale("identity", np.ones(6, np.float32), np.zeros(6, np.float32))
RADIANS = SPEC.replace('"range_100"', '"radians"').replace('"degrees"', '"radians"')
HOME = MODEL.replace("</actuator>", '</actuator><keyframe><key name="home" qpos="1 .6 .25 .1 .02 1 0 0 0"/></keyframe>')
"""The plotter with a pose to begin in that is not 0."""
AT_HOME = ("control_hz", 'home_keyframe = "home"\ncontrol_hz')

Rows = Callable[[int, Float32Array], Float32Array]
"""(start, measured state) to a chunk in scene units. Shape (chunk_size, n)."""


class Scaled(Wave):
    """Intends some rows, says them in the model's units, and is un-normalised in one way or another."""

    def __init__(
        self,
        scene: Scene,
        intends: Rows,
        model: Callable[[Float32Array], Float32Array],
        to_scene: Callable[[Float32Array], Float32Array],
        scale: Scale | None,
        state_scale: Scale | None = None,
    ) -> None:
        super().__init__(scene, chunk_size=20, n_action_steps=5, cameras={})
        self._info = replace(self._info, action_scale=scale, state_scale=state_scale)
        self._intends, self._model, self._to_scene = intends, model, to_scene

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        model = self._model(self._intends(start, observations[-1].state)).astype(np.float32)
        return ActionChunk(start, self._to_scene(model).astype(np.float32), seed, model_actions=model)


def same(rows: Float32Array) -> Float32Array:
    return rows


def sway(start: int, state: Float32Array) -> Float32Array:
    """As a policy in order: it begins at the measured joints."""
    rows = np.arange(20, dtype=np.float32)[:, None]
    return np.asarray(state + 9 * np.sin(0.2 * rows) + 0 * start, np.float32)


def trace_of(scene: Scene, policy: Policy, steps: int = 12) -> Trace:
    engine = Engine(scene, (Lane(scene, MujocoWorld(scene), policy, seed=3),))
    trace = do(engine, Step(steps))
    assert len(trace) == steps
    return trace


def read(scene: Scene, policy: Policy, steps: int = 12) -> Ranges:
    trace = trace_of(scene, policy, steps)
    found = ranges_of(scene, trace, steps)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def arm() -> Scene:
    return Scene.load("so101")


@pytest.fixture
def plotter(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path))


def test_the_ranges_are_those_of_all_rows(plotter: Scene) -> None:
    """Lowest and highest of every row that was ever intended, executed or not, in both units, to the bit."""
    trace = trace_of(plotter, Wave(plotter, noise=1.0, cameras={}), 31)
    found = ranges_of(plotter, trace, 31)
    rows = np.concatenate([chunk.actions for chunk in trace.chunks])
    model = np.concatenate([chunk.model_actions for chunk in trace.chunks if chunk.model_actions is not None])
    assert found is not None
    assert found.model_low is not None
    assert found.model_high is not None
    assert found.chunks == 6
    assert (found.low == rows.min(axis=0)).all()
    assert (found.high == rows.max(axis=0)).all()
    assert (found.model_low == model.min(axis=0)).all()
    assert (found.model_high == model.max(axis=0)).all()
    # +-100 is the whole joint, and 1 rad of the other one is 57.3 deg.
    assert found.joint_low == pytest.approx([-100, -np.rad2deg(1)])
    assert found.joint_high == pytest.approx([100, np.rad2deg(1)])


def test_reading_a_growing_trace_equals_reading_it_once(plotter: Scene) -> None:
    """A reader that followed a trace step by step, or was set back, says what one says that sees it anew."""

    def calming(start: int, state: Float32Array) -> Float32Array:
        return np.asarray(sway(start, state) + (400 if start < 18 else 0), np.float32)

    own = Scale("mean_std", np.full(2, 30, np.float32), np.zeros(2, np.float32))
    trace = trace_of(plotter, Scaled(plotter, calming, own.to_model, own.to_scene, own), 31)
    reader = RangeReader(plotter)
    assert reader.of(trace, 0) is None
    for length in (*range(1, 32), 7, 20):
        grown, once = reader.of(trace, length), ranges_of(plotter, trace, length)
        assert grown is not None
        assert once is not None
        assert (grown.length, grown.chunks, grown.alarm) == (length, once.chunks, once.alarm)
        for name in ("low", "high", "model_low", "model_high"):
            assert np.array_equal(getattr(grown, name), getattr(once, name))
    whole = reader.of(trace, 31)
    assert whole is not None
    assert whole.alarm.startswith("57 % of the actions are far outside what the robot can do (yaw, pitch)")


# Faults.


def test_outputs_left_normalised_are_named(arm: Scene) -> None:
    """The model's own numbers sent to a robot that takes hundredths of its range: it would hardly move."""
    found = read(arm, Scaled(arm, sway, STATISTICS.to_model, same, NONE, STATISTICS))
    assert "they look un-normalised" in found.alarm
    assert read(arm, Scaled(arm, sway, STATISTICS.to_model, same, None)).alarm == found.alarm


def test_outputs_left_normalised_are_named_where_the_robot_rests_about_zero(plotter: Scene) -> None:
    """Where the first action is near the robot by accident, statistics of states without any of actions tell."""
    real = Scale("mean_std", np.array([40, 20], np.float32), np.zeros(2, np.float32))
    none = Scale("identity", np.ones(2, np.float32), np.zeros(2, np.float32))
    assert "un-normalised" in read(plotter, Scaled(plotter, sway, real.to_model, same, none, real)).alarm


def test_outputs_normalised_in_the_wrong_place_are_named(arm: Scene) -> None:
    """Statistics of an already normalised data set leave the actions normalised, whatever they are called."""
    unit = Scale("mean_std", np.full(6, 1.3, np.float32), np.full(6, 0.1, np.float32))
    found = read(arm, Scaled(arm, sway, STATISTICS.to_model, same, unit, STATISTICS))
    assert "they look normalised still" in found.alarm


def test_outputs_un_normalised_twice_are_named(arm: Scene) -> None:
    """The statistics applied to what they were applied to already: far from anything the robot can do."""

    def twice(rows: Float32Array) -> Float32Array:
        return STATISTICS.to_scene(STATISTICS.to_scene(rows))

    found = read(arm, Scaled(arm, sway, STATISTICS.to_model, twice, STATISTICS))
    assert "they look un-normalised twice" in found.alarm


def test_degrees_and_radians_are_told_apart(tmp_path: Path) -> None:
    """A factor of 57 is named in both directions."""
    degrees = SPEC.replace('"range_100"', '"degrees"').replace(*AT_HOME)
    one = Scene.load(write_scene(tmp_path / "degrees", degrees, HOME))
    other = Scene.load(write_scene(tmp_path / "radians", RADIANS.replace(*AT_HOME), HOME))
    own = Scale("mean_std", np.full(2, 0.4, np.float32), np.zeros(2, np.float32))

    def gently(start: int, state: Float32Array) -> Float32Array:
        return np.asarray(state + np.linspace(0, 0.1, 20)[:, None] * state, np.float32)

    said = read(one, Scaled(one, gently, lambda rows: own.to_model(np.deg2rad(rows)), own.to_scene, own)).alarm
    assert "they look like radians" in said
    wide = Scale("mean_std", np.full(2, 30, np.float32), np.zeros(2, np.float32))
    said = read(other, Scaled(other, gently, lambda rows: wide.to_model(np.rad2deg(rows)), wide.to_scene, wide)).alarm
    assert "they look like degrees" in said
    # The same intentions in the scene's own units.
    assert read(one, Scaled(one, gently, wide.to_model, wide.to_scene, wide)).alarm == ""
    assert read(other, Scaled(other, gently, own.to_model, own.to_scene, own)).alarm == ""


def test_numbers_that_no_model_means_are_named(arm: Scene) -> None:
    """Normalised numbers of dozens in two joints; and rows that are not finite at all."""
    small = Scale("mean_std", np.array([25, 25, 25, 0.5, 0.5, 25], np.float32), STATISTICS.b)
    found = read(arm, Scaled(arm, sway, small.to_model, small.to_scene, small))
    assert "The model's own numbers reach" in found.alarm

    def broken(start: int, state: Float32Array) -> Float32Array:
        rows = sway(start, state)
        rows[-1, 2] = np.nan if start >= 5 else rows[-1, 2]
        return rows

    found = read(arm, Scaled(arm, broken, STATISTICS.to_model, STATISTICS.to_scene, STATISTICS))
    assert found.alarm.startswith("The chunk of step 5 holds numbers that are not finite")
    assert np.isfinite(found.high).all()


# Near misses.


@pytest.mark.parametrize("state_scale", [None, STATISTICS])
def test_policies_in_order_raise_no_alarm(arm: Scene, plotter: Scene, state_scale: Scale | None) -> None:
    """Whoever begins at the robot and stays in its reach is left alone, scaled or not."""
    assert read(arm, Scaled(arm, sway, STATISTICS.to_model, STATISTICS.to_scene, STATISTICS, state_scale)).alarm == ""
    assert read(arm, Scaled(arm, sway, same, same, NONE, state_scale)).alarm == ""
    assert read(plotter, Wave(plotter, cameras={}), 40).alarm == ""


def test_holding_still_is_no_fault(arm: Scene, plotter: Scene) -> None:
    """Actions that do not move, of a policy without statistics: at the home pose, and where all joints are at 0."""

    def still(start: int, state: Float32Array) -> Float32Array:
        return np.repeat(state[None], 20, axis=0)

    none = Scale("identity", np.ones(2, np.float32), np.zeros(2, np.float32))
    assert read(arm, Scaled(arm, still, same, same, NONE)).alarm == ""
    found = read(plotter, Scaled(plotter, still, same, same, none))
    assert np.abs(found.high).max() < 1
    assert found.alarm == ""


def test_small_numbers_are_right_where_the_scene_takes_small_ones(tmp_path: Path) -> None:
    """Actions of one or two are neither here nor there for joints in radians, scaled or not."""
    scene = Scene.load(write_scene(tmp_path, RADIANS))
    none = Scale("identity", np.ones(2, np.float32), np.zeros(2, np.float32))

    def reach(start: int, state: Float32Array) -> Float32Array:
        return np.asarray(state + np.linspace(0, 0.6, 20)[:, None], np.float32)

    assert read(scene, Scaled(scene, reach, same, same, none)).alarm == ""
    # Not even where the policy is blind and begins far from the robot.

    scene = Scene.load(write_scene(tmp_path / "raised", RADIANS.replace(*AT_HOME), HOME))
    assert read(scene, Scaled(scene, lambda start, state: reach(start, 0 * state), same, same, none)).alarm == ""


def test_a_blind_policy_may_begin_elsewhere(arm: Scene) -> None:
    """Far from the robot at first, but in the robot's units: no fault of scaling."""

    def elsewhere(start: int, state: Float32Array) -> Float32Array:
        return np.asarray(np.linspace(0, 40, 20)[:, None] + np.zeros_like(state), np.float32)

    assert read(arm, Scaled(arm, elsewhere, same, same, NONE)).alarm == ""
    assert read(arm, Scaled(arm, elsewhere, STATISTICS.to_model, STATISTICS.to_scene, STATISTICS)).alarm == ""


def test_a_gripper_that_squeezes_is_no_fault(arm: Scene) -> None:
    """One joint told to go 40 % beyond its end all the time; at twice its range it is one."""

    def squeezing(beyond: float) -> Rows:
        def rows(start: int, state: Float32Array) -> Float32Array:
            made = sway(start, state)
            made[:, 5] = -100 * beyond
            return made

        return rows

    assert read(arm, Scaled(arm, squeezing(0.4), same, same, NONE)).alarm == ""
    assert "far outside" in read(arm, Scaled(arm, squeezing(1.5), same, same, NONE)).alarm


def test_one_rare_joint_may_be_far_from_its_mean(arm: Scene) -> None:
    """A joint that hardly moves in the training data is a dozen deviations away when it does."""
    rare = Scale(
        "mean_std", np.array([25, 25, 25, 25, 25, 2.5], np.float32), np.array([0, -60, 40, 60, 5, 20], np.float32)
    )
    found = read(arm, Scaled(arm, sway, rare.to_model, rare.to_scene, rare))
    assert found.model_high is not None
    assert found.model_high.max() > 10
    assert found.alarm == ""
