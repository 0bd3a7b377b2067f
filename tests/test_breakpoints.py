"""Breakpoints: each breaks at the very step at which its condition comes true, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recordings.folder import LaneSnippet, open_recording, save
from tests.scenes import SPEC, write_scene
from tests.synthetic import Wave
from viewer_app.breakpoints import Breakpoints
from viewer_app.chunking import FirstN, TemporalEnsemble
from viewer_app.commands import (
    Command,
    Fork,
    MoveObject,
    ResetEpisode,
    Run,
    SetBreakpoints,
    SetChunking,
    SetStops,
    Step,
)
from viewer_app.detectors import Thresholds
from viewer_app.distance import Distance
from viewer_app.engine import Engine
from viewer_app.headless import open_engine
from viewer_app.lane import Lane
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Observation, Scale, Want
from viewer_app.view import Snippet
from viewer_app.world import MujocoWorld

pytestmark = pytest.mark.core


class Way(Wave):
    """Goes to a joint position that depends on the control step alone, row by row."""

    def __init__(self, scene: Scene, yaw: Sequence[float], pitch: Sequence[float]) -> None:
        """
        Args:
            scene: The plotter.
            yaw: Of each control step; the last one holds. [% of its range]
            pitch: As `yaw`. [deg]
        """
        super().__init__(scene, cameras={})
        self._way = np.stack([np.asarray(yaw), np.asarray(pitch)], axis=1).astype(np.float32)

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        self.asked += 1
        rows = np.minimum(np.arange(start, start + self.info.chunk_size), len(self._way) - 1)
        return ActionChunk(start, self._way[rows], seed)


LONG = SPEC.replace("max_steps = 60", "max_steps = 300")
STILL = LONG.replace("half_range = [0.03, 0.03, 0.0]", "half_range = [0.0, 0.0, 0.0]")
"""The cube lies in the same place in every episode: where the arm sweeps over it."""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path, LONG))


@pytest.fixture
def still(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path / "still", STILL))


@pytest.fixture
def engine(scene: Scene) -> Iterator[Engine]:
    yield from engine_of(scene, Wave(scene, cameras={}))


def engine_of(scene: Scene, policy: Wave) -> Iterator[Engine]:
    engine = open_engine(scene, policy, seed=3)
    engine.send(SetStops(on_outcome=False, max_steps=200))
    yield engine
    engine.close()


def do(engine: Engine, *commands: Command) -> int:
    """Send commands one after another, each when the engine rests. Returns how long the trace is then."""
    for command in commands:
        engine.send(command)
        engine.tick()
        while engine.busy:
            engine.tick()
    return len(engine.lanes[0].trace)


def stops(engine: Engine, most: int = 30) -> list[tuple[int, str]]:
    """Where a running engine pauses, and why, until it runs into its last step."""
    found = []
    for _ in range(most):
        at = do(engine, Run())
        if not engine.view().paused_by:
            break
        found.append((at, engine.view().paused_by))
    assert not engine.view().running
    return found


def test_nothing_breaks_by_itself(engine: Engine) -> None:
    """Without breakpoints a running engine runs to its last step."""
    assert stops(engine) == []
    assert len(engine.lanes[0].trace) == 200


def test_a_chunk_boundary(engine: Engine) -> None:
    """It pauses before the first action of each new chunk, and goes on from there when run again."""
    do(
        engine,
        SetChunking(FirstN(5)),
        SetStops(on_outcome=False, max_steps=22),
        SetBreakpoints(Breakpoints(chunk=True)),
    )
    assert stops(engine) == [(at, "a new chunk is due") for at in (5, 10, 15, 20)]
    assert [chunk.start for chunk in engine.lanes[0].trace.chunks] == [0, 5, 10, 15, 20]
    do(engine, SetChunking(TemporalEnsemble(0.1, ())), ResetEpisode(3))
    assert [at for at, _ in stops(engine, 4)] == [1, 2, 3, 4], "an ensemble has a new chunk at every step"


def test_a_phase(still: Scene) -> None:
    """It pauses at each change of the task's phase, and not while the phase lasts."""
    for engine in engine_of(still, Way(still, np.linspace(-90, 90, 120).tolist(), [0.0] * 120)):
        do(engine, SetBreakpoints(Breakpoints(phase=True)))
        found = stops(engine)
        trace = engine.lanes[0].trace
        changes = [k for k in range(1, len(trace) + 1) if trace.phase(k) != trace.phase(k - 1)]
        assert changes
        assert [at for at, _ in found] == changes
        assert found[0][1] == "phase pick up"


def test_contact(still: Scene) -> None:
    """It pauses where the gripper begins to touch the object and where it lets go, and at no step between."""
    down = [*np.linspace(0, 35, 60), *([35.0] * 20), *np.linspace(35, 0, 40)]
    for engine in engine_of(still, Way(still, np.linspace(-10, 60, 120).tolist(), down)):
        do(engine, SetBreakpoints(Breakpoints(contact=True)))
        found = stops(engine)
        trace = engine.lanes[0].trace
        touching = np.asarray(trace.column("contact"))
        expected = [
            (k, "contact begins" if touching[k] else "contact ends")
            for k in range(1, len(trace) + 1)
            if touching[k] != touching[k - 1]
        ]
        assert expected[0][1] == "contact begins"
        assert found == expected


def test_success(engine: Engine) -> None:
    """It pauses at the step at which the episode becomes a success, and not after it, where it still is one."""
    do(engine, SetBreakpoints(Breakpoints(success=True)), Step(3))
    # Lifted once, then put into the cup: the fastest success there is.
    do(engine, MoveObject("cube", (0.1, -0.2, 0.2)), Step(1), MoveObject("cube", (0.1, -0.2, 0.022)))
    found = stops(engine)
    trace = engine.lanes[0].trace
    assert found == [(next(k for k in range(len(trace)) if trace.outcome(k) == "success"), "success")]
    assert len(trace) == 200


def test_the_distance_to_the_object(still: Scene) -> None:
    """It pauses at the first step nearer than x, not while it stays near, again after it was farther, and not at all
    where it only comes as near as x."""
    yaw = 20 + 50 * np.cos(np.linspace(0, 4 * np.pi, 180))
    for engine in engine_of(still, Way(still, yaw.tolist(), [0.0] * 180)):
        do(engine, Step(200))
        trace, distance = engine.lanes[0].trace, Distance(still)
        way = 1000 * np.array([distance.at(trace.snapshot(k)) for k in range(201)])
        near = float(np.quantile(way, 0.3))
        do(engine, ResetEpisode(3), SetBreakpoints(Breakpoints(distance=near)))
        crossings = [k for k in range(1, 201) if way[k] < near <= way[k - 1]]
        assert len(crossings) >= 2
        found = stops(engine)
        assert [at for at, _ in found] == crossings
        assert found[0][1] == f"gripper {way[crossings[0]]:.1f} mm from the cube"
        do(engine, ResetEpisode(3), SetBreakpoints(Breakpoints(distance=float(way.min()))))
        assert stops(engine) == []


def test_a_scene_without_an_object_has_no_distance(tmp_path: Path) -> None:
    """Where the task names no object that is there, the wish is refused in one sentence and the old one stays."""
    for name in ("none", "missing"):
        task = '[task]\nrule = "none"\n' + ('object = "ball"\n' if name == "missing" else "")
        scene = Scene.load(write_scene(tmp_path / name, SPEC[: SPEC.index("[task]")] + task))
        for engine in engine_of(scene, Wave(scene, cameras={})):
            do(engine, SetBreakpoints(Breakpoints(chunk=True)), SetBreakpoints(Breakpoints(distance=50.0)))
            assert "has no task object to measure a distance to" in engine.view().message
            assert engine.view().breakpoints == Breakpoints(chunk=True)


STALL = Thresholds(stall_steps=20, stall_distance=2.0)


def stalling(scene: Scene) -> Way:
    """Moves for 30 steps, rests for 60, moves for 30, rests again."""
    yaw = [*np.linspace(0, 60, 30), *([60.0] * 60), *np.linspace(60, 0, 30), *([0.0] * 80)]
    return Way(scene, [float(each) for each in yaw], [0.0] * 200)


def test_a_detector(scene: Scene) -> None:
    """It pauses once for each finding, at the first step at which the finding can be told, and not while it lasts."""
    for engine in engine_of(scene, stalling(scene)):
        wish = Breakpoints(detectors=frozenset({"stall"}), thresholds=STALL)
        do(engine, SetBreakpoints(wish))
        found = stops(engine)
        assert [reason.split(" (")[0] for _, reason in found] == ["stall", "stall"]
        begins = [int(reason.split("step ")[1].rstrip(")")) for _, reason in found]
        assert [at - begin for (at, _), begin in zip(found, begins, strict=True)] == [STALL.stall_steps] * 2
        assert 30 <= begins[0] < 45
        assert 120 <= begins[1] < 135


def test_another_detector_does_not_break(scene: Scene) -> None:
    """Only the chosen detectors break."""
    for engine in engine_of(scene, stalling(scene)):
        chosen = frozenset({"action saturation", "success at step 0"})
        do(engine, SetBreakpoints(Breakpoints(detectors=chosen, thresholds=STALL)))
        assert stops(engine) == []


def test_old_findings_are_no_news(scene: Scene, tmp_path: Path) -> None:
    """What was found before the breakpoint was set, before a branch left, or in a recording that is continued, does not
    break again; what is found anew does."""
    wish = SetBreakpoints(Breakpoints(detectors=frozenset({"stall"}), thresholds=STALL))
    for engine in engine_of(scene, stalling(scene)):
        assert do(engine, Step(80), wish, Step(10)) == 90, "the stall since about step 35 is known"
        (second,) = stops(engine)
        trace = engine.lanes[0].trace
        do(engine, Fork(trace.name, 100), Step(5))
        assert engine.view().paused_by == ""
        assert stops(engine) == [second]
        do(engine, Fork(trace.name, 40))
        assert [reason for _, reason in stops(engine)] != [], "the branch left before the stall could be told"
        save(tmp_path / "recording", scene, [LaneSnippet(Snippet(trace, 100))])
    for engine in engine_of(scene, stalling(scene)):
        do(engine, wish)
        engine.lanes[0].adopt(open_recording(tmp_path / "recording").lanes[0])
        assert do(engine, Step(5)) == 105, engine.view().message
        assert stops(engine) == [second]


def test_an_episode_that_begins_wrong(scene: Scene) -> None:
    """A finding at the very first step breaks with the first step."""
    policy = Wave(scene, cameras={})
    ones = np.ones(2, np.float32)
    policy._info = replace(policy.info, state_scale=Scale("mean_std", ones, 900 * ones))
    for engine in engine_of(scene, policy):
        do(engine, SetBreakpoints(Breakpoints(detectors=frozenset({"out-of-distribution state"}))))
        assert stops(engine) == [(1, "out-of-distribution state (since step 0)")]
        do(engine, Run(), ResetEpisode(4))
        assert engine.view().paused_by == "", "a new episode has not paused yet"
        assert [at for at, _ in stops(engine)] == [1]


def test_lanes_are_watched_apart(scene: Scene) -> None:
    """With two lanes, what one of them found does not make the other's findings new."""
    lanes = [Lane(scene, MujocoWorld(scene), policy, 3) for policy in (stalling(scene), Wave(scene, cameras={}))]
    engine = Engine(scene, lanes)
    wish = Breakpoints(detectors=frozenset({"stall"}), thresholds=STALL)
    do(engine, SetStops(on_outcome=False, max_steps=200), SetBreakpoints(wish))
    at = [step for step, _ in stops(engine)]
    assert at == sorted(set(at))
    assert len(at) == 2
    engine.close()


@pytest.mark.parametrize("run", [Run(), Step(10)])
def test_whatever_steps_is_stopped(engine: Engine, run: Command) -> None:
    """A run and a wish for ten steps both end at a breakpoint; a single step takes just that step, and says so."""
    do(engine, SetChunking(FirstN(4)), SetBreakpoints(Breakpoints(chunk=True)))
    assert do(engine, run) == 4
    assert engine.view().paused_by == "a new chunk is due"
    assert do(engine, Step(1)) == 5
    assert engine.view().paused_by == ""
    assert do(engine, Step(1), Step(1), Step(1)) == 8
    assert engine.view().paused_by == "a new chunk is due"


def test_several_reasons_are_all_told(engine: Engine) -> None:
    """Where two conditions come true with one step, both are named."""
    do(engine, SetBreakpoints(Breakpoints(chunk=True, success=True)), SetChunking(FirstN(1)), Step(3))
    do(engine, MoveObject("cube", (0.1, -0.2, 0.2)), Step(1), MoveObject("cube", (0.1, -0.2, 0.022)))
    reasons = [reason for _, reason in stops(engine)]
    assert any("success" in reason for reason in reasons)


def test_breaking_changes_nothing(scene: Scene) -> None:
    """An episode that was paused at every breakpoint equals one that was not, to the bit."""
    everything = Breakpoints(True, True, True, True, 150.0, frozenset({"stall", "flat chunk"}), STALL)
    traces: list[Trace] = []
    for wish in (everything, Breakpoints()):
        for engine in engine_of(scene, stalling(scene)):
            do(engine, SetBreakpoints(wish))
            traces.append(engine.lanes[0].trace)
            found = stops(engine, 99)
            assert bool(found) is (wish is everything)
    assert traces[0].same_as(traces[1])
