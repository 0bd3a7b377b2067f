"""Figures about moments and episodes, on policies whose seams, spreads and effects are known in closed form.

The plotter's tip is 0.32 m from its vertical axis while its finger is level: a turn of `a` moves it 0.64 sin(a / 2) m.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.scenes import MODEL, write_scene
from tests.scripted import Script, Scripted, do
from tests.synthetic import Wave
from viewer_app.analysis import Analyst
from viewer_app.blinding import STATE, Blind
from viewer_app.chunking import Chunking, FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.commands import Ask, MoveObject, ResetPolicy, SetChunking, SetDelay, Step
from viewer_app.detectors import Thresholds
from viewer_app.engine import Engine
from viewer_app.headless import open_engine
from viewer_app.insight import MomentInsight
from viewer_app.measures import write_measures
from viewer_app.questions import (
    ALL_CAMERAS,
    Ablation,
    Attention,
    Ensemble,
    Occlusion,
    Samples,
)
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, Observation, Policy, Want
from viewer_app.view import OverlayChoice

pytestmark = pytest.mark.core

REACH = 0.32
"""From the plotter's vertical axis to its tip. [m]"""
TURN = 1.5 / 100
"""Of the yaw joint, by one of its units. [rad]"""

Open = Callable[[Policy], Engine]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path))


@pytest.fixture
def opened(scene: Scene) -> Iterator[Open]:
    engines = []

    def open_it(policy: Policy) -> Engine:
        engines.append(open_engine(scene, policy, seed=3))
        return engines[-1]

    yield open_it
    for engine in engines:
        engine.close()


def moment(engine: Engine, step: int, choice: OverlayChoice | None = None) -> MomentInsight:
    lane = engine.lanes[0]
    analyst = Analyst(engine.view().scene)
    return analyst.moment(lane.trace, len(lane.trace), step, choice or OverlayChoice(), lane.answers)


def sway(chunk_size: int, jump: float = 0.0) -> Script:
    """Both joints swing, the same whenever one asks; the yaw is `jump` units farther in every later chunk."""

    def script(start: int, seen: Observation, seed: int) -> Float32Array:
        time = start + np.arange(chunk_size)
        rows = np.stack([20 * np.sin(time / 8) + jump * start / 6, 15 * np.sin(time / 5)], axis=1)
        return rows.astype(np.float32)

    return script


# Seams.


@pytest.mark.parametrize("delay", [0, 2])
def test_a_seam_is_as_large_as_the_planted_jump(scene: Scene, opened: Open, delay: int) -> None:
    """Chunks of one turn, each 3 units of yaw farther than the one before, jump by 3 units, 2.6 deg, at every boundary,
    and by the chord at the tip, whichever of their rows meet there."""

    def turn(start: int, seen: Observation, seed: int) -> Float32Array:
        return np.stack([2.0 * (start + np.arange(12)) + 3.0 * start / 6, np.zeros(12)], axis=1).astype(np.float32)

    trace = do(opened(Scripted(scene, turn)), SetDelay(delay), Step(30))
    found = Analyst(scene).episode(trace, len(trace), Thresholds()).seams
    arrivals = [chunk.arrived for chunk in trace.chunks[1:]]
    assert [seam.step for seam in found] == arrivals
    for seam, before, after in zip(found, trace.chunks, trace.chunks[1:], strict=False):
        turned = TURN * 3.0 * (after.start - before.start) / 6
        np.testing.assert_allclose(seam.jump, [np.rad2deg(turned), 0], atol=1e-4)
        assert seam.distance == pytest.approx(1000 * 2 * REACH * np.sin(turned / 2), rel=1e-5)


def test_chunks_that_agree_have_no_jump(scene: Scene, opened: Open) -> None:
    """Chunks of one and the same motion meet without a jump, however fast it is; chunks executed to their last row
    have no row left to compare, so that there is no seam to tell of."""
    trace = do(opened(Scripted(scene, sway(12))), SetChunking(FirstN(5)), Step(30))
    agreeing = Analyst(scene).episode(trace, len(trace), Thresholds()).seams
    assert len(agreeing) == 5
    assert max(seam.distance for seam in agreeing) == 0
    whole = do(opened(Scripted(scene, sway(12, jump=9.0))), SetChunking(FirstN(12)), Step(30))
    assert len(whole.chunks) == 3
    assert Analyst(scene).episode(whole, len(whole), Thresholds()).seams == ()
    # The second chunk answers step 9 and arrives at 11; its last row is for step 20, and the third arrives at 21.
    late = do(opened(Scripted(scene, sway(12, jump=9.0))), SetDelay(2), SetChunking(FirstN(11)), Step(30))
    assert [(chunk.start, chunk.arrived) for chunk in late.chunks] == [(0, 0), (9, 11), (19, 21)]
    assert [seam.step for seam in Analyst(scene).episode(late, len(late), Thresholds()).seams] == [11]


def test_what_is_said_of_the_first_steps_stays(scene: Scene, opened: Open) -> None:
    """The figures about the first 20 steps are the same before and after there are 45."""
    engine = opened(Wave(scene, noise=2.0, cameras={}))
    trace = do(engine, Step(20))
    early = Analyst(scene).episode(trace, 20, Thresholds())
    do(engine, Step(25))
    late = Analyst(scene).episode(trace, 20, Thresholds())
    assert late.smoothness == early.smoothness
    assert late.tracking == early.tracking
    assert late.findings == early.findings
    assert [(seam.step, seam.distance) for seam in late.seams] == [(seam.step, seam.distance) for seam in early.seams]
    assert len(early.seams) == 3
    assert len(Analyst(scene).episode(trace, 45, Thresholds()).seams) == 7


# Whisker against path.

UNTOUCHED: tuple[tuple[Chunking, int], ...] = (
    (FirstN(12), 0),
    (FirstN(5), 0),
    (FirstN(5), 3),
    (OverlapBlend(5, 4), 0),
    (OverlapBlend(6, 3), 2),
)


@pytest.mark.parametrize(("mode", "delay"), UNTOUCHED)
def test_an_untouched_chunk_goes_where_physics_said(scene: Scene, opened: Open, mode: Chunking, delay: int) -> None:
    """Law 7 as a figure: physics whisker and path are 0 mm apart at every step of every execution mode, while the
    kinematic whisker, which knows no lag, is off."""
    engine = opened(Scripted(scene, sway(12, jump=4.0)))
    trace = do(engine, SetChunking(mode), SetDelay(delay), Step(40))
    commanded = []
    for step in range(len(trace) + 1):
        found = moment(engine, step)
        boundary = trace.chunk_arrived_at(step) is not None or step == 0
        assert (found.executed is None) == (found.executed_physics is None) == boundary
        if found.executed is not None and found.executed_physics is not None:
            assert found.executed_physics.largest == 0
            commanded.append(found.executed.largest)
            assert found.executed.rows == step - trace.chunks_in_force(step)[-1].arrived
    assert len(commanded) > 20
    assert max(commanded) > 5


def test_the_kinematic_gap_is_that_of_commanded_and_reached(scene: Scene, opened: Open) -> None:
    """With the finger level, a commanded yaw of c and a reached one of m are 0.64 sin(|c - m| / 2) m apart."""

    def turn(start: int, seen: Observation, seed: int) -> Float32Array:
        return np.stack([3.0 * (start + np.arange(12)), np.zeros(12)], axis=1).astype(np.float32)

    engine = opened(Scripted(scene, turn))
    trace = do(engine, SetChunking(FirstN(12)), Step(9))
    commanded = np.asarray(trace.column("action"), np.float64)
    reached = np.asarray(trace.column("state"), np.float64)[1:]
    assert np.abs(reached[:, 1]).max() < 1.0  # gravity bends the finger a little
    chord = 1000 * 2 * REACH * np.sin(TURN * np.abs(commanded - reached)[:, 0] / 2)
    found = moment(engine, 9).executed
    assert found is not None
    assert found.end == pytest.approx(chord[-1], abs=1.5)
    assert found.largest == pytest.approx(chord.max(), abs=1.5)
    assert chord[-1] > 10


@pytest.mark.parametrize(("height", "touched"), [(0.10, True), (0.02, False)])
def test_interference_shows(scene: Scene, opened: Open, height: float, touched: bool) -> None:
    """A cube put in the gripper's way in the middle of a chunk shows in the gap; one put beneath its way does not."""

    def turn(start: int, seen: Observation, seed: int) -> Float32Array:
        return np.stack([4.0 * (start + np.arange(12)), np.zeros(12)], axis=1).astype(np.float32)

    engine = opened(Scripted(scene, turn))
    ahead = TURN * 20
    place = (0.28 * np.cos(ahead), 0.28 * np.sin(ahead), height)
    do(engine, SetChunking(FirstN(12)), Step(3), MoveObject("cube", place, 0.0), Step(8))
    found = moment(engine, 11).executed_physics
    assert found is not None
    assert (found.largest > 0.01) == touched
    assert touched or found.largest == 0


def test_nothing_is_compared_where_nothing_was_executed_of_one_plan(scene: Scene, opened: Open) -> None:
    """An ensemble is formed anew at every step, and a policy that was just reset has no chunk in force."""
    engine = opened(Scripted(scene, sway(12)))
    do(engine, SetChunking(TemporalEnsemble(0.1, ())), Step(8))
    assert moment(engine, 6).executed is None
    assert moment(engine, 8).executed is None
    do(engine, SetChunking(FirstN(6)), Step(2), ResetPolicy())
    head = moment(engine, 10)
    assert (head.executed, head.physics, head.saturated) == (None, None, ())
    assert head.predictions.shape == (0, 2)


# What chunks say about a step.


def test_every_chunk_that_predicted_a_step_is_listed(scene: Scene, opened: Open) -> None:
    """At step 14 of chunks of 12, asked for at 0, 5 and 10, those of 5 and 10 have a row, which are given."""
    engine = opened(Scripted(scene, sway(12, jump=6.0)))
    trace = do(engine, SetChunking(FirstN(5)), Step(20))
    found = moment(engine, 14)
    assert found.prediction_steps == (5, 10)
    np.testing.assert_array_equal(found.predictions, np.stack([trace.chunks[1].actions[9], trace.chunks[2].actions[4]]))
    yaws = TURN * (found.predictions[:, 0].astype(np.float64))
    finger = np.deg2rad(float(found.predictions[0, 1]))
    radius = 0.2 + 0.12 * np.cos(finger)
    # Two points are each half their distance from their mean.
    assert found.predictions_spread == pytest.approx(1000 * radius * np.sin(abs(yaws[1] - yaws[0]) / 2), rel=1e-5)


def fan(start: int, seen: Observation, seed: int) -> Float32Array:
    """A swing, and what grows to a random end: chunks that depend on the step and on nothing that was executed."""
    end = 10 * np.random.default_rng(start).standard_normal(2)
    return (sway(12)(start, seen, seed) + np.linspace(0, end, 12)).astype(np.float32)


@pytest.mark.parametrize("coefficient", [0.1, 0.0, -0.2])
def test_the_what_if_is_the_ensemble_that_would_be(scene: Scene, opened: Open, coefficient: float) -> None:
    """The what-if of a policy in first-n mode has the members, weights and plan that the policy has when it really
    ensembles, of which row 0 is what is then executed."""
    real, imagined = opened(Scripted(scene, fan)), opened(Scripted(scene, fan))
    executed = do(real, SetChunking(TemporalEnsemble(coefficient, ())), Step(25))
    trace = do(imagined, SetChunking(FirstN(5)), Step(25))
    choice = OverlayChoice(coefficient=coefficient)
    for step in (0, 4, 20):
        do(imagined, Ask(Ensemble(), trace.name, step))
        is_so, would_be = moment(real, step).ensemble, moment(imagined, step, choice).ensemble
        assert is_so is not None
        assert would_be is not None
        assert (is_so.what_if, would_be.what_if) == (False, True)
        assert is_so.coefficient == would_be.coefficient == coefficient
        assert is_so.ages == would_be.ages == tuple(range(min(step, 11), -1, -1))
        np.testing.assert_allclose(would_be.weights, is_so.weights, rtol=1e-6)
        np.testing.assert_allclose(would_be.ensembled, is_so.ensembled, atol=1e-4)
        np.testing.assert_array_equal(would_be.raw, real.lanes[0].trace.chunks[step].actions)
        np.testing.assert_array_equal(is_so.raw, would_be.raw)
        assert would_be.spread == pytest.approx(is_so.spread)
        np.testing.assert_array_equal(is_so.ensembled[0], np.asarray(executed.column("action"))[step])
        age = np.arange(len(is_so.ages))
        np.testing.assert_allclose(is_so.weights, np.exp(-coefficient * age) / np.exp(-coefficient * age).sum(), 1e-5)
    assert moment(imagined, 21).ensemble is None  # nobody asked


def test_the_sign_of_the_coefficient_turns_the_weights_round(scene: Scene, opened: Open) -> None:
    """The seed scripts' convention is LeRobot's with the other sign: the weights come in the opposite order. However
    large the coefficient, they add up to 1."""
    engine = opened(Scripted(scene, fan))
    trace = do(engine, SetChunking(FirstN(5)), Step(25))
    do(engine, Ask(Ensemble(), trace.name, 20))

    def weights(coefficient: float) -> tuple[float, ...]:
        found = moment(engine, 20, OverlayChoice(coefficient=coefficient)).ensemble
        assert found is not None
        assert np.isfinite(found.ensembled).all()
        return found.weights

    np.testing.assert_allclose(weights(0.1), weights(-0.1)[::-1], rtol=1e-6)
    assert weights(0.1)[0] == max(weights(0.1))
    for coefficient in (50.0, -50.0):
        assert sum(weights(coefficient)) == pytest.approx(1)


# Samples.


def plus_minus(yaw: float) -> Callable[[int, Want], Mapping[str, NDArray[np.float32]]]:
    """Samples whose yaw grows along the chunk to `yaw` units on either side of straight ahead."""

    def extras(start: int, want: Want) -> Mapping[str, NDArray[np.float32]]:
        side = np.zeros((10, 2), np.float32)
        side[:, 0] = yaw * (np.arange(10) + 1) / 10
        return {"samples": np.stack([side, -side] * (want.samples // 2))} if want.samples else {}

    return extras


def still(start: int, seen: Observation, seed: int) -> Float32Array:
    return np.zeros((10, 2), np.float32)


@pytest.mark.parametrize("when_running", [False, True])
def test_the_spread_is_the_planted_one(scene: Scene, opened: Open, when_running: bool) -> None:
    """Samples that part by an angle a to either side are 320 sin(a) mm from their mean, at rows 3, 5 and 10 of 10."""
    engine = opened(Scripted(scene, still, 10, extras=plus_minus(8.0)))
    if when_running:
        engine.want = Want(samples=6)
        do(engine, Step(3))
        found = moment(engine, 2).samples
    else:
        trace = do(engine, Step(3))
        assert moment(engine, 2).samples is None
        do(engine, Ask(Samples(6), trace.name, 2))
        found = moment(engine, 2).samples
    assert found is not None
    assert (found.count, found.deterministic) == (6, False)
    assert found.step == (0 if when_running else 2)
    assert found.spread is not None
    ends = [1000 * REACH * np.sin(TURN * 8.0 * row / 10) for row in (3, 5, 10)]
    assert (found.spread.quarter, found.spread.half, found.spread.full) == pytest.approx(ends, rel=1e-5)
    assert found.text == f"6 samples, {ends[0]:.1f} / {ends[1]:.1f} / {ends[2]:.1f} mm at 1/4, 1/2, 1 chunk"


@pytest.mark.parametrize(("millimetres", "deterministic"), [(0.48, True), (0.52, False)])
def test_what_nobody_can_see_is_deterministic(
    scene: Scene, opened: Open, millimetres: float, deterministic: bool
) -> None:
    """Samples that stay within half a millimetre are called deterministic, with their spread; a bit more are not."""
    yaw = float(np.arcsin(millimetres / 1000 / REACH) / TURN)
    engine = opened(Scripted(scene, still, 10, extras=plus_minus(yaw)))
    trace = do(engine, Step(1))
    do(engine, Ask(Samples(4), trace.name, 0))
    found = moment(engine, 0).samples
    assert found is not None
    assert found.deterministic == deterministic
    assert found.text.startswith("deterministic") == deterministic
    assert not deterministic or found.text == "deterministic: 4 latents from the prior stay within 0.48 mm"


def test_a_policy_without_randomness_says_so(scene: Scene, opened: Open) -> None:
    """Of a policy with nothing random in it there is no sample; of one that is random by itself there are chunks."""
    fixed = opened(Scripted(scene, still, 10))
    do(fixed, Step(1), Ask(Samples(4), "episode 1", 0))
    found = moment(fixed, 0).samples
    assert found is not None
    assert (found.count, found.spread, found.deterministic) == (0, None, True)
    assert found.text == "deterministic: nothing in it is random"

    def throw(start: int, seen: Observation, seed: int) -> Float32Array:
        return np.full((10, 2), np.random.default_rng(seed).normal(0, 5, 2), np.float32)

    random = opened(Scripted(scene, throw, 10, deterministic=False))
    do(random, Step(1), Ask(Samples(4), "episode 1", 0))
    found = moment(random, 0).samples
    assert found is not None
    assert (found.count, found.deterministic) == (4, False)
    assert found.spread is not None
    assert found.spread.full == found.spread.quarter > 1


# Inputs.

CAMERAS = {"above": (24, 32), "aside": (24, 32)}


def one_eyed(start: int, seen: Observation, seed: int) -> Float32Array:
    """Turns by how bright the camera above is and lifts by the state; the other camera changes nothing."""
    rows = np.arange(1, 13)[:, None] / 12
    end = np.array([40 * seen.images["above"].mean() / 255, 10 + seen.state[1]])
    return (rows * end).astype(np.float32)


def test_an_ignored_camera_has_no_effect(scene: Scene, opened: Open) -> None:
    """Blinding the camera that the policy ignores changes nothing at all; blinding the one that it looks through moves
    the end of the chunk by the change of brightness, per joint and in mm."""
    engine = opened(Scripted(scene, one_eyed, cameras=CAMERAS))
    trace = do(engine, Step(3))
    assert moment(engine, 2).effects == ()
    do(engine, Ask(Ablation(Blind.BLACK), trace.name, 2))
    effects = {effect.name: effect for effect in moment(engine, 2).effects}
    assert list(effects) == ["above", "aside", STATE, ALL_CAMERAS]
    ignored, seen = effects["aside"], effects["above"]
    assert (ignored.end, ignored.largest, list(ignored.joints)) == (0, 0, [0, 0])
    answer = engine.lanes[0].answers.to(Ablation, trace, 2)
    assert answer is not None
    bright, finger = (float(value) for value in answer.base.actions[-1])
    np.testing.assert_allclose(seen.joints, [-np.rad2deg(TURN * bright), 0], atol=1e-4)
    radius = 0.2 + 0.12 * np.cos(np.deg2rad(finger))
    assert seen.end == pytest.approx(1000 * 2 * radius * np.sin(TURN * bright / 2), rel=1e-5)
    assert seen.end == seen.largest > 50
    assert effects[ALL_CAMERAS].end == seen.end
    assert effects[STATE].joints[0] == 0


def test_the_occlusion_map_shows_where_it_looks(scene: Scene, opened: Open) -> None:
    """A policy that looks at the upper left corner is moved by patches over that corner and by no other."""

    def corner(start: int, seen: Observation, seed: int) -> Float32Array:
        return np.outer(np.arange(1, 13) / 12, [seen.images["above"][:4, :5].mean() / 4, 0]).astype(np.float32)

    engine = opened(Scripted(scene, corner, cameras=CAMERAS))
    question = Occlusion("above", columns=4, rows=3)
    trace = do(engine, Step(1), Ask(question, "episode 1", 0))
    answer = engine.lanes[0].answers.to(Occlusion, trace, 0, "above")
    assert answer is not None
    (found,) = moment(engine, 0).occlusion.values()
    assert found.effect.shape == (3, 4)
    for row, column in np.ndindex(3, 4):
        down, across = question.patch(row, column, 24, 32)
        assert (found.effect[row, column] > 0) == (down.start < 4 and across.start < 5)
        turned = TURN * np.abs(answer.chunks[f"{row},{column}"].actions - answer.base.actions)[:, 0].astype(np.float64)
        assert found.effect[row, column] == pytest.approx((1000 * 2 * REACH * np.sin(turned / 2)).mean(), abs=1e-9)
    assert found.effect.max() > 1
    assert moment(engine, 1).occlusion == {}


def test_attention_is_the_mean_over_the_rows(scene: Scene, opened: Open) -> None:
    """Attention is shown where the policy was asked for it, averaged over the rows of the chunk."""

    def extras(start: int, want: Want) -> Mapping[str, NDArray[np.float32]]:
        grid = np.arange(12 * 2 * 3, dtype=np.float32).reshape(12, 2, 3)
        return {"attention:above": grid, "attention": grid[:, 0]} if want.attention else {}

    engine = opened(Scripted(scene, one_eyed, cameras=CAMERAS, extras=extras))
    do(engine, Step(2), Ask(Attention(), "episode 1", 1))
    assert moment(engine, 0).attention == {}
    ((camera, grid),) = moment(engine, 1).attention.items()
    assert camera == "above"
    np.testing.assert_array_equal(grid, 33.0 + np.arange(6).reshape(2, 3))


# The rest.


@pytest.mark.parametrize(("degrees", "cut"), [(57.2, False), (57.4, True)])
def test_a_command_past_the_limit_lights_the_lamp(scene: Scene, opened: Open, degrees: float, cut: bool) -> None:
    """The finger's actuator goes to 1 rad, 57.3 deg."""

    def lift(start: int, seen: Observation, seed: int) -> Float32Array:
        return np.tile(np.array([0, degrees], np.float32), (12, 1))

    engine = opened(Scripted(scene, lift))
    do(engine, Step(2))
    assert moment(engine, 1).saturated == (False, cut)


def test_equal_keys_mean_equal_figures(scene: Scene, opened: Open) -> None:
    """The key stays while nothing changes, however far the trace grows, and changes with the moment, the root, the
    coefficient, a new answer, and what is done to the head."""
    engine = opened(Scripted(scene, fan))
    trace = do(engine, Step(10))

    def key(step: int, choice: OverlayChoice | None = None) -> object:
        return moment(engine, step, choice).key

    before, head = key(5), key(10)
    assert key(5, OverlayChoice(ghosts=False)) == before
    assert key(10) == head
    assert before not in (key(6), key(5, OverlayChoice(root="tip")), key(5, OverlayChoice(coefficient=0.2)))
    do(engine, MoveObject("cube", (0.1, 0.3, 0.02), 0.0))
    assert key(10) != head
    do(engine, Step(5))
    assert key(5) == before
    do(engine, Ask(Ensemble(), trace.name, 5))
    assert key(5) != before


def test_figures_are_of_the_root(tmp_path: Path) -> None:
    """Seen from a site at half the reach, all that turning does is half as large."""
    inner = '<site name="middle" pos=".16 0 0"/>\n      <body name="finger"'
    scene = Scene.load(write_scene(tmp_path / "two", model=MODEL.replace('<body name="finger"', inner)))
    engine = open_engine(scene, Scripted(scene, still, 10, extras=plus_minus(8.0)), seed=0)
    do(engine, Step(4), Ask(Samples(2), "episode 1", 0))
    spreads = []
    for root in ("", "middle"):
        found = moment(engine, 0, OverlayChoice(root=root)).samples
        assert found is not None
        assert found.spread is not None
        spreads.append(found.spread.full)
    engine.close()
    assert spreads[1] == pytest.approx(spreads[0] / 2)


def test_the_table_of_a_run_holds_these_figures(scene: Scene, opened: Open, tmp_path: Path) -> None:
    """The line of an episode has its length, its largest jump, in degrees and mm, and its findings."""
    trace = do(opened(Scripted(scene, sway(12, jump=4.0))), Step(30))
    found = Analyst(scene).episode(trace, len(trace), Thresholds())
    write_measures(tmp_path / "episodes.csv", scene, [(3, "timeout", found)])
    with (tmp_path / "episodes.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["seed"], row["outcome"], row["steps"]) == ("3", "timeout", "30")
    assert float(row["largest_seam_jump_deg"]) == pytest.approx(np.rad2deg(4 * TURN), rel=1e-3)
    assert float(row["largest_seam_jump_mm"]) == pytest.approx(max(seam.distance for seam in found.seams), rel=1e-3)
    assert row["findings"].count("step ") == len(found.findings)
