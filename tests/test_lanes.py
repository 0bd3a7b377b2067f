"""Several lanes in lockstep: one start, one clock, each its own policy and settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.scenes import write_scene
from tests.scripted import do
from tests.synthetic import Wave
from viewer_app.chunking import FirstN
from viewer_app.commands import (
    Ask,
    Fork,
    ResetEpisode,
    Run,
    SetChunking,
    SetDenoisingSteps,
    SetGuidance,
    SetPrompt,
    SetStops,
    Step,
)
from viewer_app.engine import Engine
from viewer_app.lane import Lane
from viewer_app.questions import Samples, Shadow
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Guidance, Observation, Policy, Want, WhiskersError
from viewer_app.view import Focus, resolve
from viewer_app.world import MujocoWorld

pytestmark = pytest.mark.core


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path))


def engine_of(scene: Scene, *policies: Policy, seed: int = 3) -> Engine:
    return Engine(scene, tuple(Lane(scene, MujocoWorld(scene), policy, seed) for policy in policies))


def wave(scene: Scene, name: str = "wave", **options: int | float) -> Wave:
    return Wave(scene, cameras={}, **options).with_name(name)  # type: ignore[arg-type]


class Breaking(Wave):
    """Refuses, once, to answer about one step."""

    at = 6
    broke = False

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        if start == self.at and not self.broke:
            self.broke = True
            raise WhiskersError("Not now.")
        return super().predict(observations, start, seed, want)


def test_lanes_equal_single_runs(scene: Scene) -> None:
    """What a lane does does not depend on who runs beside it, to the bit."""
    policies = (wave(scene, noise=0.5), wave(scene, "other", chunk_size=9, n_action_steps=4))
    both = engine_of(scene, *policies)
    do(both, Step(30), ResetEpisode(8), Step(10))
    for lane, policy in zip(both.lanes, policies, strict=True):
        alone = engine_of(scene, policy)
        do(alone, Step(30), ResetEpisode(8), Step(10))
        assert lane.trace.same_as(alone.lanes[0].trace)
        assert lane.earlier[0].trace.same_as(alone.lanes[0].earlier[0].trace)


def test_a_lane_that_is_behind_catches_up(scene: Scene) -> None:
    """After a step that failed in one lane, and after a branch of one lane, the lanes meet at the same step again."""
    breaking = Breaking(scene, cameras={})
    engine = engine_of(scene, wave(scene), breaking)
    do(engine, Step(10))
    assert [len(lane.trace) for lane in engine.lanes] == [7, 6], engine.view().message
    do(engine, Step(4))
    assert [len(lane.trace) for lane in engine.lanes] == [10, 10]
    do(engine, Fork("episode 1", 4, lane=1))
    assert [len(lane.trace) for lane in engine.lanes] == [10, 4]
    do(engine, Step(8))
    assert [len(lane.trace) for lane in engine.lanes] == [12, 12]


def test_a_branch_of_all_lanes_replays(scene: Scene) -> None:
    """Branching every lane at a step with nothing changed gives what was there, to the bit."""
    engine = engine_of(scene, wave(scene), wave(scene, "other", noise=0.2))
    do(engine, Step(20))
    before = [lane.trace for lane in engine.lanes]
    do(engine, Fork("episode 1", 7, lane=None), Step(13))
    assert all(lane.trace.same_as(old) for lane, old in zip(engine.lanes, before, strict=True))


def test_settings_are_a_lanes_own(scene: Scene) -> None:
    """A command that names a lane changes that lane alone; one that names none changes all."""
    engine = engine_of(scene, wave(scene), wave(scene))
    do(engine, Step(5), SetChunking(FirstN(2), lane=1), SetPrompt("Wave."), Step(7))
    one, two = (lane.settings for lane in engine.lanes)
    assert (one.chunking, two.chunking) == (FirstN(6), FirstN(2))
    assert one.prompt == two.prompt == "Wave."
    assert not engine.lanes[0].trace.same_as(engine.lanes[1].trace)


def test_one_clock(scene: Scene) -> None:
    """The moment looked at is one for all lanes; a lane whose trace ends earlier shows its last moment."""
    engine = engine_of(scene, wave(scene), wave(scene))
    do(engine, Step(12), Fork("episode 1", 5, lane=0))
    view = engine.view()
    frame = resolve(view, Focus(lane=0))
    assert (frame.clock, frame.reach, frame.step, frame.length) == (12, 12, 5, 5)
    assert [lane.step for lane in frame.lanes] == [5, 12]
    frame = resolve(view, Focus(lane=1, step=8))
    assert [lane.step for lane in frame.lanes] == [5, 8]
    assert frame.lane_number == 1
    assert not frame.at_head
    assert not frame.lanes[0].at_head


def test_a_shadow_sees_what_the_trace_shows(scene: Scene) -> None:
    """Another lane's policy, asked here, answers what it would answer in this world, and nothing is executed."""
    other = wave(scene, "other", chunk_size=9)
    engine = engine_of(scene, wave(scene), other)
    do(engine, Step(10))
    before = [(len(lane.trace), lane.world.snapshot().tobytes()) for lane in engine.lanes]
    do(engine, Ask(Shadow(1), "episode 1", 7, lane=0))
    lane = engine.lanes[0]
    answer = lane.answers.to(Shadow, lane.trace, 7, 1)
    assert answer is not None
    state = lane.trace.column("state")[7]
    alone = other.predict([Observation(0.0, state, {})], 7, answer.base.seed, Want())
    assert answer.base.same_as(alone)
    assert before == [(len(lane.trace), lane.world.snapshot().tobytes()) for lane in engine.lanes]
    assert lane.answers.to(Samples, lane.trace, 7) is None


def test_a_shadow_is_no_chunk_of_the_trace(scene: Scene) -> None:
    """What another policy would do is never taken for what this one would: a later question asks anew."""
    engine = engine_of(scene, wave(scene, noise=0.3), wave(scene, "other", chunk_size=9))
    do(engine, Step(10), Ask(Shadow(1), "episode 1", 7, lane=0), Ask(Samples(2), "episode 1", 7, lane=0))
    answer = engine.lanes[0].answers.to(Samples, engine.lanes[0].trace, 7)
    assert answer is not None
    assert len(answer.base) == 12


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (SetDenoisingSteps(4), "Only a policy that denoises has denoising steps"),
        (SetGuidance(Guidance()), "Real-time chunking needs a flow-matching policy"),
        (Ask(Shadow(7), "episode 1", 0), "There is no lane 7; there are lanes 0 to 1."),
        (Ask(Shadow(1), "episode 9", 0), "No trace 'episode 9'; there are episode 1."),
    ],
)
def test_what_cannot_be_is_refused_in_words(scene: Scene, command: object, complaint: str) -> None:
    """A wish that a policy cannot grant changes nothing and says why."""
    engine = engine_of(scene, wave(scene), wave(scene))
    do(engine, command)  # type: ignore[arg-type]
    assert complaint in engine.view().message
    assert not any(lane.trace.events for lane in engine.lanes)


class Steered(Wave):
    """A policy that denoises, in name: it says what it was told about sampling."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene, cameras={})
        object.__setattr__(self._info, "denoising_steps", 10)
        object.__setattr__(self._info, "guidable", True)
        self.told: list[Want] = []

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        self.told.append(want)
        return super().predict(observations, start, seed, want)


def test_sampling_is_part_of_the_trace(scene: Scene) -> None:
    """The number of denoising steps and the leftover that guides reach the policy, and a branch replays them."""
    policy = Steered(scene)
    engine = engine_of(scene, policy)
    trace = do(engine, Step(1), SetDenoisingSteps(4), SetGuidance(Guidance(horizon=5)), Step(12))
    first, second, third = (want.sampling for want in policy.told)
    assert (first.steps, first.guidance, first.leftover) == (0, None, None)
    assert (second.steps, second.guidance, second.delay) == (4, Guidance(horizon=5), 0)
    for chunk, sampling in ((trace.chunks[0], second), (trace.chunks[1], third)):
        assert chunk.model_actions is not None
        assert sampling.leftover is not None
        assert (sampling.leftover == chunk.model_actions[6:]).all()
    assert replayed(engine, trace)


def replayed(engine: Engine, trace: Trace) -> bool:
    return do(engine, Fork(trace.name, 3), Step(len(trace) - 3)).same_as(trace)


def test_stops_wait_for_the_last_lane(scene: Scene) -> None:
    """A limit of steps pauses each lane where it is, and the engine once all are there."""
    engine = engine_of(scene, wave(scene), wave(scene))
    do(engine, Step(9), Fork("episode 1", 2, lane=0))
    engine.send(SetStops(on_outcome=False, max_steps=6))
    engine.send(Run())
    while engine.tick():
        pass
    assert [len(lane.trace) for lane in engine.lanes] == [6, 9]
    assert not engine.view().running
