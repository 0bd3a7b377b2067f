"""Denoising: figures, overlays and the figure for print show the planted way from noise to the chunk."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.denoising_policy import FromNoise, planted, ramp, to_come
from tests.scenes import write_scene
from tests.scripted import do
from tests.synthetic import Wave
from viewer_app.alternatives import denoising_at
from viewer_app.analysis import Analyst
from viewer_app.chunking import FirstN
from viewer_app.commands import (
    Ask,
    Command,
    ResetEpisode,
    SetChunking,
    SetDelay,
    SetDenoisingSteps,
    SetGuidance,
    SetResetAtStart,
    SetWant,
    Step,
)
from viewer_app.denoising import settled_from, settled_of
from viewer_app.detectors import Thresholds
from viewer_app.engine import Engine
from viewer_app.figures import PLOTS, Subject, write_figure
from viewer_app.headless import open_engine
from viewer_app.insight import SETTLED, DenoisingInsight, EpisodeInsight, Settled
from viewer_app.overlays import (
    DENOISED,
    GHOST,
    SAMPLE,
    WHISKER,
    Colour,
    Legend,
    Marker,
    Polyline,
    Primitive,
    Sight,
    build,
)
from viewer_app.overlays.colours import NOISE
from viewer_app.paths import Paths
from viewer_app.questions import Denoising
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Float32Array, FloatArray, Guidance, Observation, Policy, Want, WhiskersError
from viewer_app.view import OverlayChoice

pytestmark = pytest.mark.core

Open = Callable[[Policy], Engine]

REACH = 0.32
"""Of the plotter's finger from its first joint. [m]"""
TURN = 1.5 / 100
"""What one scene unit of that joint is. [rad]"""
OFFSET = 40.0
"""Of the noise, in the first joint. [scene units]"""
EVERY_CALL = SetWant(Want(denoising=True))


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


def asked(step: int, samples: int = 0) -> Command:
    return Ask(Denoising(samples), "episode 1", step)


def insight_at(engine: Engine, step: int, choice: OverlayChoice | None = None) -> DenoisingInsight | None:
    lane = engine.lanes[0]
    analyst = Analyst(engine.scene)
    return analyst.moment(lane.trace, len(lane.trace), step, choice or OverlayChoice(), lane.answers).denoising


def episode_of(trace: Trace, scene: Scene, length: int) -> EpisodeInsight:
    return Analyst(scene).episode(trace, length, Thresholds())


def chord(units: float | FloatArray) -> FloatArray:
    """How far the finger's tip is from where it points straight ahead. [mm]"""
    return np.asarray(2000 * REACH * np.sin(TURN * np.abs(np.asarray(units, np.float64)) / 2))


# Figures about a chunk.


def test_the_distances_are_those_of_the_planted_way(scene: Scene, opened: Open) -> None:
    """A sample t times an offset away is a chord of that angle from the chunk, in the model's units t times the RMS of
    the offset; what the steps point to is t squared times it; the last row is the chunk itself, 0 away."""
    engine = opened(FromNoise(scene, OFFSET))
    do(engine, Step(3), asked(2))
    found = insight_at(engine, 2)
    assert found is not None
    times = to_come(10)
    np.testing.assert_allclose(found.times, times, atol=1e-7)
    np.testing.assert_allclose(found.away, chord(OFFSET * times), atol=1e-3)
    np.testing.assert_allclose(found.away_aim, chord(OFFSET * times[:-1] ** 2), atol=1e-3)
    of_two = OFFSET / 20 / np.sqrt(2)  # one joint of two, 20 scene units to one of the model's
    np.testing.assert_allclose(found.away_model, of_two * times, atol=1e-6)
    np.testing.assert_allclose(found.away_aim_model, of_two * times[:-1] ** 2, atol=1e-6)
    assert found.away[-1] == found.away_model[-1] == 0
    assert (found.step, len(found.spread)) == (2, 0)


def test_the_table_is_of_the_models_own_numbers(scene: Scene, opened: Open) -> None:
    """Mean, deviation, smallest and largest are those of the sample in normalised units: at time t one half of the
    numbers is -3 / 20, as scene units 0 are, and the other 40 t / 20 above."""
    engine = opened(FromNoise(scene, OFFSET))
    do(engine, Step(3), asked(2))
    found = insight_at(engine, 2)
    assert found is not None
    low, up = -3 / 20, OFFSET / 20 * to_come(10)
    np.testing.assert_allclose(found.smallest, np.full(11, low), atol=1e-6)
    np.testing.assert_allclose(found.largest, low + up, atol=1e-6)
    np.testing.assert_allclose(found.mean, low + up / 2, atol=1e-6)
    np.testing.assert_allclose(found.deviation, up / 2, atol=1e-6)


@pytest.mark.parametrize("count", [1, 3])
def test_draws_of_the_noise_converge_as_planted(scene: Scene, opened: Open, count: int) -> None:
    """With as many draws at one side of the chunk as at the other, the chunk's own noise counted, the spread is half of
    the distance between the two sides, and none is left at the end."""
    engine = opened(FromNoise(scene, OFFSET))
    do(engine, Step(3), asked(2, count))
    found = insight_at(engine, 2)
    assert found is not None
    angles = TURN * OFFSET * to_come(10)
    np.testing.assert_allclose(found.spread, 1000 * REACH * np.sin(angles), atol=1e-3)
    assert found.spread[-1] == 0


def test_settled_is_where_it_stays_near(scene: Scene, opened: Open) -> None:
    """The first denoising step from which on the planted chord is below the bound, of sample and x0 estimate."""
    engine = opened(FromNoise(scene, OFFSET, steps=20))
    do(engine, Step(3), asked(2))
    found = insight_at(engine, 2)
    assert found is not None
    times = to_come(20)
    expected = [int(np.argmax(chord(OFFSET * share) < SETTLED)) for share in (times, times**2)]
    assert [found.settled, found.aim_settled] == expected
    assert expected[1] < expected[0] < 20


@pytest.mark.parametrize(
    ("distances", "first"),
    [
        ((40, 20, 5, 0), 2),
        ((5, 40, 5, 0), 2),
        ((40, 5, 10.0, 0), 3),
        ((9, 8, 7, 0), 0),
        ((40, 30, 20, 0), 3),
        ((40, np.nan, 5, 0), 2),
        ((40, 30, np.nan), 2),
    ],
)
def test_one_that_leaves_again_is_not_settled(distances: tuple[float, ...], first: int) -> None:
    """A step counts from which on all are nearer than the bound; what is at it, or is no number, is not near."""
    assert settled_from(np.array(distances)) == first


def test_what_is_not_told_is_not_shown_as_a_number(scene: Scene, opened: Open) -> None:
    """Of a chunk that tells nothing but its samples in scene units, distances are known and the rest is no number."""

    class Terse(FromNoise):
        def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
            chunk = super().predict(observations, start, seed, want)
            kept = {name: chunk.extras[name] for name in ("denoising",) if name in chunk.extras}
            return replace(chunk, extras=kept)

    engine = opened(Terse(scene, OFFSET))
    do(engine, Step(3), asked(2))
    found = insight_at(engine, 2)
    assert found is not None
    assert found.away[0] == pytest.approx(float(chord(OFFSET)), abs=1e-3)
    assert all(np.isnan(each).all() for each in (found.times, found.mean, found.smallest, found.away_model))
    assert [len(found.away_aim), len(found.away_aim_model), found.aim_settled] == [0, 0, 10]


# Which chunk.


def test_the_denoising_of_the_chunk_in_force_is_known_until_the_next(scene: Scene, opened: Open) -> None:
    """What was told about the step at which a chunk began holds for all steps that it decides, and no longer; a step's
    own answer goes before."""
    engine = opened(FromNoise(scene, OFFSET))
    trace = do(engine, SetChunking(FirstN(6)), Step(14), asked(6), asked(9))
    answers = engine.lanes[0].answers

    def start(step: int) -> int | None:
        chunk = denoising_at(trace, step, answers)
        return None if chunk is None else chunk.start

    assert [start(step) for step in range(13)] == [None] * 6 + [6, 6, 6, 9, 6, 6] + [None]


def test_another_chunk_is_not_taken_for_the_one_in_force(scene: Scene, opened: Open) -> None:
    """An answer about the step at which a chunk began that is another chunk says nothing about the one executed."""

    class Moody(FromNoise):
        def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
            chunk = super().predict(observations, start, seed, want)
            return replace(chunk, actions=chunk.actions + np.float32(1e-3)) if want.denoising else chunk

    engine = opened(Moody(scene, OFFSET))
    trace = do(engine, SetChunking(FirstN(6)), Step(9), asked(6))
    answers = engine.lanes[0].answers
    assert denoising_at(trace, 6, answers) is not None
    assert denoising_at(trace, 7, answers) is None


# Over time.


def test_every_chunk_that_carries_its_denoising_is_told_over_time(scene: Scene, opened: Open) -> None:
    """Chunks asked for while denoising was wanted are there, in order, each with its own number of steps and its own
    settled step; others are not. What is said of them stays as the trace grows."""

    engine = opened(FromNoise(scene, OFFSET))
    do(engine, SetChunking(FirstN(6)), Step(6), EVERY_CALL, Step(12), SetDenoisingSteps(4), Step(6))
    trace = do(engine, SetWant(Want()), Step(6))
    settled = episode_of(trace, scene, 30).settled
    assert [(each.step, each.steps) for each in settled] == [(6, 10), (12, 10), (18, 4)]
    for each in settled:
        times = to_come(each.steps)
        assert each.sample == int(np.argmax(chord(OFFSET * times) < SETTLED))
        assert each.aim == int(np.argmax(chord(OFFSET * times**2) < SETTLED))
    assert episode_of(trace, scene, 13).settled == settled[:2]


def test_a_growing_trace_computes_new_chunks_only(scene: Scene, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures about chunks that were there before are remembered: forward kinematics sees each chunk once."""
    engine = opened(FromNoise(scene, OFFSET))
    trace = do(engine, SetChunking(FirstN(6)), EVERY_CALL, Step(60))
    computed: list[int] = []

    def counting(paths: Paths, trace: Trace, chunk: ActionChunk) -> Settled:
        computed.append(chunk.start)
        return settled_of(paths, trace, chunk)

    monkeypatch.setattr("viewer_app.analysis.settled_of", counting)
    analyst = Analyst(scene)
    for length, chunks in ((31, 6), (31, 6), (60, 10), (60, 10)):
        assert len(analyst.episode(trace, length, Thresholds()).settled) == chunks
        assert computed == [6 * number for number in range(chunks)]


# Overlays.


def only(overlay: str, step: int | None = None, aim: bool = False, bundle: bool = True) -> OverlayChoice:
    choice = OverlayChoice(whisker=False, ghosts=False, path=False, denoising_bundle=bundle, denoising_aim=aim)
    return replace(choice, denoising_step=step).having(overlay, True)


def drawn(engine: Engine, step: int, choice: OverlayChoice, paths: Paths) -> list[Primitive]:
    lane = engine.lanes[0]
    return build(Sight(paths, lane.trace, step, choice, lane.answers))


def lines(primitives: list[Primitive], colour: Colour | None = None) -> list[Polyline]:
    found = [each for each in primitives if isinstance(each, Polyline)]
    return [each for each in found if colour is None or each.colour == colour]


def words(primitives: list[Primitive]) -> str:
    return "\n".join(each.text for each in primitives if isinstance(each, Legend))


def test_one_denoising_step_stands_out(scene: Scene, opened: Open) -> None:
    """The chosen step is the one bright line, on top of the others, and to the bit the path of its rows; the legend
    says which it is, at which time, and how far away."""
    engine = opened(FromNoise(scene, OFFSET))
    trace = do(engine, Step(3), asked(2))
    paths = Paths(scene)
    answer = engine.lanes[0].answers.to(Denoising, trace, 2)
    assert answer is not None
    rows = answer.base.extras["denoising"]
    for number in (0, 4, 10):
        primitives = drawn(engine, 2, only("denoising", number), paths)
        *others, bright = lines(primitives)
        np.testing.assert_array_equal(bright.points, paths.kinematics.path_for(rows, rows, trace, 2)[number])
        assert len(others) == 10
        assert bright.alpha.min() > 0.9
        assert max(each.alpha.max() for each in others) < 0.1
        assert bright.colour[1] == pytest.approx(NOISE[1] + number / 10 * (DENOISED[1] - NOISE[1]))
    assert "denoising step 10 of 10 (t = 0): the chunk itself" in words(primitives)
    told = words(drawn(engine, 2, only("denoising", 4), paths))
    assert told == f"denoising step 4 of 10 (t = 0.6): x_t, at most {chord(0.6 * OFFSET):.1f} mm from the chunk"


def test_a_step_past_the_last_is_the_last(scene: Scene, opened: Open) -> None:
    """Where a chunk came about in fewer steps than the one looked at before, the last is shown."""
    engine = opened(FromNoise(scene, OFFSET, steps=4))
    do(engine, Step(3), asked(2))
    primitives = drawn(engine, 2, only("denoising", 9), Paths(scene))
    assert "denoising step 4 of 4" in words(primitives)


def test_x0_estimates_end_as_the_chunk(scene: Scene, opened: Open) -> None:
    """In place of the samples the chunks that the steps point to are drawn, to the bit, and last the chunk."""
    engine = opened(FromNoise(scene, OFFSET))
    trace = do(engine, Step(3), asked(2))
    paths = Paths(scene)
    chunk = denoising_at(trace, 2, engine.lanes[0].answers)
    assert chunk is not None
    estimates = chunk.extras["denoising_x0"]
    whiskers = lines(drawn(engine, 2, only("denoising", aim=True), paths))
    expected = [*paths.kinematics.path_for(estimates, estimates, trace, 2), paths.kinematics.path_of(chunk, trace)]
    for whisker, path in zip(whiskers, expected, strict=True):
        np.testing.assert_array_equal(whisker.points, path)
    told = words(drawn(engine, 2, only("denoising", 4, aim=True), paths))
    assert (
        told == f"denoising step 4 of 10 (t = 0.6): x0 estimate, at most {chord(0.36 * OFFSET):.1f} mm from the chunk"
    )


def test_the_bundle_converges(scene: Scene, opened: Open) -> None:
    """The further draws stand where their noise is at the denoising step looked at, ever nearer, and where they end
    when all steps are shown; without the bundle there are none."""
    engine = opened(FromNoise(scene, OFFSET))
    trace = do(engine, Step(3), asked(2, 3))
    paths = Paths(scene)
    chunk = denoising_at(trace, 2, engine.lanes[0].answers)
    assert chunk is not None
    draws = chunk.extras["samples_denoising"]
    known = paths.kinematics.path_for(draws, draws, trace, 2)
    said = []
    for number in (0, 5, 10, None):
        primitives = drawn(engine, 2, only("denoising", number), paths)
        at = 10 if number is None else number
        for each, path in zip(lines(primitives, SAMPLE), known[:, at], strict=True):
            np.testing.assert_array_equal(each.points, path)
        spread = 1000 * REACH * np.sin(TURN * OFFSET * (1 - at / 10))
        assert f"4 draws of the noise: at most {spread:.1f} mm from their mean" in words(primitives)
        said.append(spread)
    assert all(before >= after for before, after in pairwise(said))
    assert lines(drawn(engine, 2, only("denoising", 5, bundle=False), paths), SAMPLE) == []


def test_only_what_is_to_come_is_drawn(scene: Scene, opened: Open) -> None:
    """In the middle of a chunk its denoising steps are drawn from there on, and the legend says whose they are."""
    engine = opened(FromNoise(scene, OFFSET))
    do(engine, SetChunking(FirstN(6)), EVERY_CALL, Step(12))
    primitives = drawn(engine, 9, only("denoising"), Paths(scene))
    assert {len(each.points) for each in lines(primitives)} == {9}
    assert {each.asked_at for each in lines(primitives)} == {6}
    assert "(observation of step 6)" in words(primitives)


def swing(start: int, seen: Observation, seed: int) -> Float32Array:
    """Chunks that disagree, so that what is left of one is not what the next says."""
    yaw = 2.0 * np.arange(12) + start
    return np.stack([yaw, np.zeros(12)], axis=1).astype(np.float32)


@pytest.mark.parametrize("delay", [0, 2])
def test_guidance_shows_what_was_left_as_strongly_as_it_pulled(scene: Scene, opened: Open, delay: int) -> None:
    """A dot for each row of the chunk before that pulled, at its own row of the new chunk, as opaque as its weight."""
    engine = opened(FromNoise(scene, OFFSET, script=swing))
    trace = do(engine, SetChunking(FirstN(6)), SetDelay(delay), SetGuidance(Guidance(horizon=5)), Step(14))
    paths = Paths(scene)
    old, new = trace.chunks[:2]
    primitives = drawn(engine, new.arrived, only("guidance"), paths)
    dots = [each for each in primitives if isinstance(each, Marker)]
    begin = new.arrived - new.start
    weights = ramp(delay, 5, 12)[begin:]
    left = paths.kinematics.path_of(old, trace)[new.start - old.start :][begin:]
    assert len(dots) == 5 - begin
    for dot, point, weight in zip(dots, left, weights, strict=False):
        assert dot.colour == GHOST
        assert dot.alpha == pytest.approx(weight)
        np.testing.assert_array_equal(dot.point, point)
    assert f"towards the chunk of step 0 (horizon 5, delay {delay}, linear, weight 10)" in words(primitives)


def test_where_nothing_pulls_the_overlay_says_why(scene: Scene, opened: Open) -> None:
    """Off, nothing left to pull, an earlier episode's chunk, and a policy that cannot be guided are told apart."""
    engine = opened(FromNoise(scene, OFFSET))
    paths = Paths(scene)
    choice = only("guidance")
    do(engine, SetChunking(FirstN(6)), Step(8))
    assert words(drawn(engine, 7, choice, paths)) == "real-time chunking is off"
    do(engine, SetGuidance(Guidance()), SetResetAtStart(False), ResetEpisode(4), Step(8))
    trace = engine.lanes[0].trace
    assert trace.carried
    assert "drawn towards the earlier episode's last chunk (horizon 10" in words(drawn(engine, 5, choice, paths))
    do(engine, ResetEpisode(5))
    assert words(drawn(engine, 0, choice, paths)).endswith("this chunk was drawn towards one in an earlier episode")
    do(engine, SetResetAtStart(True), ResetEpisode(5), Step(3))
    assert words(drawn(engine, 2, choice, paths)) == "real-time chunking: nothing was left to draw this chunk towards"
    other = opened(Wave(scene, cameras={}))
    do(other, Step(3))
    assert words(drawn(other, 2, choice, paths)) == "real-time chunking: this policy cannot be guided"


def test_the_whisker_is_the_last_denoising_step(scene: Scene, opened: Open) -> None:
    """Drawn is executed: the last denoising step's whisker is that of the chunk in force, to the bit."""
    engine = opened(FromNoise(scene, OFFSET, script=swing))
    do(engine, SetChunking(FirstN(6)), EVERY_CALL, Step(12))
    paths = Paths(scene)
    (last,) = [each for each in lines(drawn(engine, 6, only("denoising", 10), paths)) if each.alpha.min() > 0.9]
    (whisker,) = lines(drawn(engine, 6, OverlayChoice(ghosts=False, path=False), paths), WHISKER)
    np.testing.assert_array_equal(last.points, whisker.points)


# On paper.


def test_the_table_on_paper_is_the_insight(scene: Scene, opened: Open, tmp_path: Path) -> None:
    """One line a denoising step with all that the insight knows; the picture is written beside it."""
    engine = opened(FromNoise(scene, OFFSET))
    do(engine, Step(3), asked(2, 3))
    lane = engine.lanes[0]
    moment = Analyst(scene).moment(lane.trace, 3, 2, OverlayChoice(), lane.answers)
    found = moment.denoising
    assert found is not None
    subject = Subject(scene, lane.trace, 3, 2, moment=moment)
    write_figure(tmp_path / "denoising.csv", "denoising", subject)
    with (tmp_path / "denoising.csv").open(newline="", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file))
    values = np.array(rows, np.float64)
    known = (
        *(np.arange(11), found.times, found.mean, found.deviation, found.smallest, found.largest, found.away),
        *(np.append(found.away_aim, 0), found.spread, found.away_model, np.append(found.away_aim_model, 0)),
    )
    assert len(head) == len(known)
    for column, expected in zip(values.T, known, strict=True):
        np.testing.assert_allclose(column, expected, rtol=1e-6, atol=1e-12)
    write_figure(tmp_path / "denoising.svg", "denoising", subject)
    assert (tmp_path / "denoising.svg").read_bytes().count(b"<path") > 10
    nobody = replace(subject, moment=replace(moment, denoising=None))
    with pytest.raises(WhiskersError, match="is not known yet: ask a policy that denoises"):
        write_figure(tmp_path / "none.csv", "denoising", nobody)


def test_a_long_way_on_paper_keeps_its_ends(scene: Scene, opened: Open, tmp_path: Path) -> None:
    """Of 100 denoising steps the table of numbers has all, and the picture's as many as fit, from the noise to the
    chunk."""
    engine = opened(FromNoise(scene, OFFSET))
    trace = do(engine, Step(3))
    moment = Analyst(scene).moment(trace, 3, 2, OverlayChoice(), engine.lanes[0].answers)
    subject = Subject(scene, trace, 3, 2, moment=replace(moment, denoising=planted(2, 100)))
    write_figure(tmp_path / "long.csv", "denoising", subject)
    assert len((tmp_path / "long.csv").read_text().splitlines()) == 102
    figure = Figure(layout="constrained")
    PLOTS["denoising"].draw(figure, subject)
    (cells,) = [table.get_celld() for plot in figure.axes for table in plot.tables]
    steps = [int(cells[row, 0].get_text().get_text()) for row in range(1, max(row for row, _ in cells) + 1)]
    assert (steps[0], steps[-1]) == (0, 100)
    assert 10 < len(steps) < 20
    assert cells[1, 6].get_text().get_text() == "400.0"
