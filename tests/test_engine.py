"""The laws of the engine, on a policy whose every chunk is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.blinding import STATE, Blind
from viewer_app.chunking import Chunking, FirstN, OverlapBlend, TemporalEnsemble, members_of
from viewer_app.commands import (
    Command,
    Fork,
    MoveObject,
    ResetEpisode,
    ResetPolicy,
    Run,
    SetBlinding,
    SetChunking,
    SetDelay,
    SetResetAtStart,
    SetStops,
    Step,
    UsePolicy,
)
from viewer_app.engine import Engine
from viewer_app.headless import open_engine, run_episode
from viewer_app.overlays import Polyline, Sight, whisker
from viewer_app.paths import Paths
from viewer_app.questions import Answers
from viewer_app.render import PolicyCameras
from viewer_app.scene import Scene
from viewer_app.seen import seen_at
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Observation, Want
from viewer_app.view import OverlayChoice

pytestmark = pytest.mark.core


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path))


@pytest.fixture
def engine(scene: Scene) -> Iterator[Engine]:
    engine = open_engine(scene, Wave(scene, noise=0.5), seed=3)
    engine.send(SetStops(on_outcome=False))
    yield engine
    engine.close()


def do(engine: Engine, *commands: Command) -> Trace:
    """Send commands and tick until the engine has nothing to do."""
    for command in commands:
        engine.send(command)
    while engine.tick():
        pass
    return engine.lanes[0].trace


MODES: tuple[tuple[Chunking, int], ...] = (
    (FirstN(4), 0),
    (FirstN(1), 0),
    (FirstN(12), 0),
    (TemporalEnsemble(0.1, ()), 0),
    (TemporalEnsemble(-0.2, ()), 0),
    (OverlapBlend(6, 3), 0),
    (OverlapBlend(6, 6), 0),
    (FirstN(4), 3),
    (FirstN(2), 5),
    (OverlapBlend(5, 4), 2),
    (TemporalEnsemble(0.1, ()), 3),
)
"""Execution modes, each with a simulated latency. The chunks have 12 rows."""


@pytest.mark.parametrize(("mode", "delay"), MODES)
def test_drawn_is_executed(engine: Engine, scene: Scene, mode: Chunking, delay: int) -> None:
    """Law 1: at every step the whisker begins with the action executed there, to the bit, and unless the chunks are
    ensembled its rows up to the next chunk are the following actions too."""
    trace = do(engine, SetChunking(mode), SetDelay(delay), Step(40))
    executed = np.asarray(trace.column("action"), np.float32)
    paths = Paths(scene)
    for step in range(len(trace)):
        plan = trace.plan(step)
        assert plan is not None
        assert np.array_equal(plan[0], executed[step])
        if not isinstance(mode, TemporalEnsemble):
            until = next((k for k in range(step + 1, len(trace)) if trace.chunk_arrived_at(k)), len(trace))
            assert np.array_equal(plan[: until - step], executed[step:until])
        sight = Sight(paths, trace, step, OverlayChoice(), Answers())
        line = next(each for each in whisker(sight) if isinstance(each, Polyline))
        begin = step - trace.chunks_in_force(step)[-1].start if isinstance(mode, FirstN) else 0
        assert np.array_equal(
            line.points[begin], paths.kinematics.path(executed[step : step + 1], trace.snapshot(step))[0]
        )


@pytest.mark.parametrize(("mode", "delay"), MODES)
@pytest.mark.parametrize("at", [0, 1, 17, 24, 40])
def test_a_fork_replays(engine: Engine, mode: Chunking, delay: int, at: int) -> None:
    """Law 4: a branch with nothing changed replays the old future to the bit, which is kept under its own name."""
    old = do(engine, SetChunking(mode), SetDelay(delay), Step(40))
    branch = do(engine, Fork(old.name, at), Step(40 - at)) if at < 40 else do(engine, Fork(old.name, at))
    assert branch is not old
    assert branch.parent is not None
    assert (branch.parent.trace, branch.parent.step) == (old.name, at)
    assert branch.same_as(old)
    assert [snippet.trace for snippet in engine.view().lanes[0].earlier] == [old]


@pytest.mark.parametrize("mode", [FirstN(4), OverlapBlend(4, 2), FirstN(2)])
@pytest.mark.parametrize("delay", [0, 1, 3])
def test_a_late_chunk_answers_an_old_observation(scene: Scene, mode: FirstN | OverlapBlend, delay: int) -> None:
    """With a delay d the policy is shown the moment of d steps before its chunk arrives, and the first d rows of the
    chunk are never executed; the first chunk alone is not late."""
    policy = Watched(scene)
    engine = open_engine(scene, policy, seed=5)
    trace = do(engine, SetStops(on_outcome=False), SetChunking(mode), SetDelay(delay), Step(30))
    engine.close()
    times = np.asarray(trace.column("time"))
    executed = np.asarray(trace.column("action"), np.float32)
    assert policy.asked == len(trace.chunks) > 6
    assert [chunk.arrived - chunk.start for chunk in trace.chunks] == [0] + [delay] * (len(trace.chunks) - 1)
    for chunk in trace.chunks:
        assert policy.shown[chunk.start][0].time == times[chunk.start]
        assert trace.chunk_arrived_at(chunk.arrived) is chunk
        assert trace.chunk_asked_at(chunk.start) is chunk
    if isinstance(mode, FirstN):
        arrivals = [chunk.arrived for chunk in trace.chunks] + [30]
        for chunk, end in zip(trace.chunks, arrivals[1:], strict=True):
            rows = chunk.actions[chunk.delay : end - chunk.start]
            assert np.array_equal(executed[chunk.arrived : end], rows)


def test_late_chunks_are_ensembled_by_age(engine: Engine) -> None:
    """With a delay d the ensemble at a step is the weighted mean of the chunks asked for d steps ago and before."""
    trace = do(engine, SetChunking(TemporalEnsemble(0.3, ())), SetDelay(4), Step(30))
    assert [chunk.start for chunk in trace.chunks] == list(range(26))
    executed = np.asarray(trace.column("action"), np.float32)
    for step in (0, 3, 5, 14, 29):
        members = members_of(trace.chunks_in_force(step), step)
        assert [chunk.start for chunk in members] == list(range(max(step - 11, 0), max(step - 4, 0) + 1))
        weights = np.exp(-0.3 * np.arange(len(members)))
        rows = np.stack([chunk.actions[step - chunk.start] for chunk in members])
        np.testing.assert_allclose(executed[step], weights @ rows / weights.sum(), rtol=1e-4, atol=1e-4)


def test_a_policy_reset_ends_the_waiting(engine: Engine) -> None:
    """After a policy reset the next chunk answers the moment itself, as the episode's first does; later ones are late
    again, and none answers an observation from before the reset."""
    do(engine, SetChunking(FirstN(4)), SetDelay(3), Step(10))
    trace = do(engine, ResetPolicy(), Step(10))
    assert [(chunk.start, chunk.arrived) for chunk in trace.chunks] == [
        (0, 0),
        (1, 4),
        (5, 8),
        (10, 10),
        (11, 14),
        (15, 18),
    ]


def test_late_chunks_are_carried(engine: Engine) -> None:
    """A chunk that came late goes on in a new episode with the row that was due; the next one answers that episode."""
    old = do(engine, SetChunking(FirstN(6)), SetDelay(4), SetResetAtStart(False), Step(14))
    assert (old.chunks[-1].start, old.chunks[-1].arrived) == (8, 12)
    trace = do(engine, ResetEpisode(9), Step(6))
    executed = np.asarray(trace.column("action"), np.float32)
    assert np.array_equal(executed[:4], old.chunks[-1].actions[6:10])
    assert [(chunk.start, chunk.arrived) for chunk in trace.chunks] == [(0, 4)]


@pytest.mark.parametrize("seed", range(6))
def test_time_goes_forward(scene: Scene, seed: int) -> None:
    """Whatever the modes and latencies are changed to in between, each chunk answers a newer observation than the one
    before, every action has a chunk, and a branch from anywhere replays."""
    engine = open_engine(scene, Wave(scene, noise=0.5, cameras={}), seed=3)
    rng = np.random.default_rng(seed)
    commands: list[Command] = [SetStops(on_outcome=False)]
    for _ in range(25):
        changes: tuple[Command, ...] = (
            SetDelay(int(rng.integers(0, 14))),
            SetChunking(FirstN(int(rng.integers(1, 13)))),
            SetChunking(OverlapBlend(int(rng.integers(1, 13)), int(rng.integers(0, 8)))),
            SetChunking(TemporalEnsemble(0.1, ())),
            ResetPolicy(),
        )
        commands += [changes[int(rng.choice(5, p=(0.4, 0.2, 0.2, 0.1, 0.1)))], Step(int(rng.integers(1, 9)))]
    for command in commands:
        trace = do(engine, command)
    assert engine.view().message == ""
    for order in ([chunk.start for chunk in trace.chunks], [chunk.arrived for chunk in trace.chunks]):
        assert order == sorted(set(order))
    for step in range(len(trace)):
        plan = trace.plan(step)
        assert plan is not None
        assert np.array_equal(plan[0], np.asarray(trace.column("action"))[step])
    last = trace.settings_changes[-1][0]
    at = int(rng.integers(last, len(trace) + 1))
    assert do(engine, Fork(trace.name, at), Step(len(trace) - at)).same_as(trace)
    engine.close()


def test_impossible_modes_are_brought_into_range(engine: Engine) -> None:
    """A chunk of 12 rows leaves room for an advance and an overlap of 12 together, and for a latency of 11."""
    do(engine, SetChunking(OverlapBlend(9, 9)), SetDelay(99))
    settings = engine.view().lanes[0].settings
    assert settings.chunking == OverlapBlend(9, 3)
    assert settings.delay == 11
    do(engine, SetChunking(OverlapBlend(5, 9)), SetDelay(-1))
    settings = engine.view().lanes[0].settings
    assert settings.chunking == OverlapBlend(5, 5)
    assert settings.delay == 0


def test_a_fork_keeps_what_was_done_at_its_step(engine: Engine) -> None:
    """Law 4 with interventions: what was changed just before step k is part of the moment that a branch leaves from."""
    do(engine, Step(10))
    old = do(
        engine,
        SetBlinding("above", Blind.FROZEN),
        MoveObject("cube", (0.2, 0.2, 0.02)),
        ResetPolicy(),
        SetChunking(FirstN(2)),
        Step(20),
    )
    assert do(engine, Fork(old.name, 10), Step(20)).same_as(old)


def test_looking_back_changes_nothing(engine: Engine, scene: Scene) -> None:
    """Law 4: a run that was looked at from everywhere equals one that was not."""
    trace = do(engine, Step(15))
    cameras = PolicyCameras(scene)
    for step in range(len(trace) + 1):
        seen_at(trace, step, trace.policy, cameras.pictures)  # type: ignore[arg-type]
        trace.plan(step)
    cameras.close()
    looked = do(engine, Step(15))
    other = open_engine(scene, Wave(scene, noise=0.5), seed=3)
    try:
        assert do(other, SetStops(on_outcome=False), Step(30)).same_as(looked)
    finally:
        other.close()


class Watched(Wave):
    """The wave, keeping every observation that it is shown."""

    def __init__(self, scene: Scene, n_obs_steps: int = 1) -> None:
        super().__init__(scene, n_obs_steps=n_obs_steps)
        self.shown: dict[int, list[Observation]] = {}

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        self.shown[start] = list(observations)
        return super().predict(observations, start, seed, want)


def test_a_picture_rendered_again_is_the_one_the_policy_saw(scene: Scene) -> None:
    """Law 5: for every call, under every kind of blinding, rendering again gives the very pixels and numbers."""
    policy = Watched(scene)
    engine = open_engine(scene, policy, seed=5)
    do(engine, SetStops(on_outcome=False), SetChunking(FirstN(2)), Step(4))
    for mode in Blind:
        do(engine, SetBlinding("above", mode), SetBlinding(STATE, mode), Step(6))
    trace = do(engine, SetBlinding("above", None), SetBlinding(STATE, None), Step(6))
    engine.close()
    cameras = PolicyCameras(scene)
    assert len(policy.shown) == 17
    for step, (shown,) in policy.shown.items():
        again = seen_at(trace, step, policy.info, cameras.pictures)
        assert np.array_equal(again.state, shown.state)
        for name, image in shown.images.items():
            assert np.array_equal(again.images[name], image), (step, name)
    cameras.close()


@pytest.mark.parametrize("mode", list(Blind))
def test_blind_means_blind(scene: Scene, mode: Blind) -> None:
    """Law 6: with an input blinded from the start, what it would have shown cannot change what the policy is shown."""
    shown = []
    for height in (0.02, 0.3):
        policy = Watched(scene)
        engine = open_engine(scene, policy, seed=5)
        do(engine, SetBlinding("above", mode), SetBlinding("aside", Blind.BLACK))
        # Far above the floor the cube looks different from above, and touches nothing.
        do(engine, Step(1))
        do(engine, MoveObject("cube", (0.25, 0.3, height)), ResetPolicy(), Step(1))
        engine.close()
        shown.append(policy.shown[1][0].images)
    assert np.array_equal(shown[0]["above"], shown[1]["above"])
    assert np.array_equal(shown[0]["aside"], shown[1]["aside"])


def test_unblinded_inputs_do_change(scene: Scene) -> None:
    """The test above can fail: without blinding the moved cube is seen."""
    shown = []
    for height in (0.02, 0.3):
        policy = Watched(scene)
        engine = open_engine(scene, policy, seed=5)
        do(engine, Step(1))
        do(engine, MoveObject("cube", (0.25, 0.1, height)), ResetPolicy(), Step(1))
        engine.close()
        shown.append(policy.shown[1][0].images)
    assert not np.array_equal(shown[0]["above"], shown[1]["above"])


def test_observation_history_reaches_back_to_the_reset(scene: Scene) -> None:
    """A policy with n_obs_steps 3 sees the last three moments, the first one repeated at the start."""
    policy = Watched(scene, n_obs_steps=3)
    engine = open_engine(scene, policy, seed=5)
    trace = do(engine, SetChunking(FirstN(1)), Step(4))
    engine.close()
    times = np.asarray(trace.column("time"))
    for step, shown in policy.shown.items():
        assert [each.time for each in shown] == [times[max(step - back, 0)] for back in (2, 1, 0)]


def test_the_policy_is_asked_only_when_due(engine: Engine) -> None:
    """In first-n mode with n = 6 the policy is asked at steps 0, 6, 12, ... and after a reset at once."""
    trace = do(engine, SetChunking(FirstN(6)), Step(20))
    assert [chunk.start for chunk in trace.chunks] == [0, 6, 12, 18]
    trace = do(engine, ResetPolicy(), Step(10))
    assert [chunk.start for chunk in trace.chunks] == [0, 6, 12, 18, 20, 26]


def test_a_stale_queue_is_carried_when_the_reset_is_off(engine: Engine) -> None:
    """With "reset at episode start" off, a new episode goes on with the old chunk's rows; with it on, it asks anew."""
    old = do(engine, SetChunking(FirstN(12)), SetResetAtStart(False), Step(15))
    left = old.chunks[-1].actions[3:]
    trace = do(engine, ResetEpisode(9), Step(12))
    executed = np.asarray(trace.column("action"), np.float32)
    assert np.array_equal(executed[:9], left)
    assert [chunk.start for chunk in trace.chunks] == [9]
    assert [chunk.start for chunk in do(engine, SetResetAtStart(True), ResetEpisode(9), Step(3)).chunks] == [0]


def test_the_same_seed_gives_the_same_trace(scene: Scene) -> None:
    """Two sessions of one scene, policy and seed give equal traces; another seed gives another."""
    traces = []
    for seed in (11, 11, 12):
        engine = open_engine(scene, Wave(scene, noise=0.5), seed=0)
        traces.append(run_episode(engine, seed).trace)
        engine.close()
    assert traces[0].same_as(traces[1])
    assert not traces[0].same_as(traces[2])


def test_a_policy_that_raises_pauses_at_the_last_good_step(scene: Scene) -> None:
    """Whatever a policy raises, the engine says so in one line, records nothing of the step and can go on."""

    class Moody(Wave):
        bad = True

        def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
            if start == 6 and self.bad:
                raise AttributeError("mat1 and mat2 shapes\ncannot be multiplied")
            return super().predict(observations, start, seed, want)

    policy = Moody(scene)
    engine = open_engine(scene, policy, seed=1)
    trace = do(engine, Run())
    view = engine.view()
    assert len(trace) == 6
    assert not view.running
    assert view.message == "The step failed with AttributeError: mat1 and mat2 shapes cannot be multiplied"
    policy.bad = False
    assert len(do(engine, Step(3))) == 9
    engine.close()


def test_wishes_that_cannot_be_met_are_answered(engine: Engine) -> None:
    """A branch from nowhere, an unknown object and a lane that is not there each give one sentence; nothing changes."""
    trace = do(engine, Step(2))
    for command, words in (
        (Fork("nowhere", 1), "No trace 'nowhere'; there are episode 1."),
        (Fork(trace.name, 99), "has no step 99; it has steps 0 to 2."),
        (MoveObject("cup", (0.0, 0.0, 0.0)), "'cup' must have a free joint"),
        (ResetPolicy(lane=4), "There is no lane 4"),
    ):
        assert do(engine, command) is trace
        assert words in engine.view().message
        assert len(trace) == 2


def test_another_policy_begins_anew(engine: Engine, scene: Scene) -> None:
    """Loading another policy starts the episode of the same seed again and keeps the old trace."""
    old = do(engine, Step(5))
    new = do(engine, UsePolicy(Wave(scene).with_name("other")), Step(1))
    assert new.seed == old.seed
    assert new.policy is not None
    assert new.policy.name == "other"
    assert [snippet.trace for snippet in engine.view().lanes[0].earlier] == [old]


def test_memory_a_step(scene: Scene) -> None:
    """A step without pictures takes at most 2 kB."""
    engine = open_engine(scene, Wave(scene, chunk_size=50, n_action_steps=25), seed=1)
    trace = do(engine, SetStops(on_outcome=False), Step(500))
    engine.close()
    assert trace.nbytes / len(trace) <= 2048
