"""What the chunk panel says and draws, without a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from panels.asking import busy_words, cost_words, duration, figure, insight_here, refusal, seconds_left
from panels.chunk import gap_cells, moment_words, site_choices, spread_words, verdict
from panels.ensemble import Role, badge, calls_to_come, coefficient_of, price, role_of
from panels.step_links import lines_of
from panels.style import GOOD, WARN
from panels.weight_bars import (
    MOST,
    Convention,
    bars,
    member_at,
    paint_bars,
    to_coefficient,
    to_position,
    weighing_words,
)
from panels.writing import fitted
from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.chunking import FirstN, TemporalEnsemble
from viewer_app.commands import Command, ResetPolicy, SetChunking, SetDelay, SetStops, Step
from viewer_app.engine import Engine
from viewer_app.inquiry import Inquiry
from viewer_app.insight import EnsembleInsight, Gap, MomentInsight, SamplesInsight, Spread
from viewer_app.lane import Lane
from viewer_app.questions import Answers, Asking, Ensemble, Occlusion
from viewer_app.scene import Scene
from viewer_app.view import Focus, Frame, Latency, OverlayChoice, resolve
from viewer_app.world import MujocoWorld


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path))


@pytest.fixture
def engine(scene: Scene) -> Engine:
    """Driven by a policy that reads no camera, so that nothing is rendered. Its chunks have 12 rows; 6 are executed."""
    engine = Engine(scene, (Lane(scene, MujocoWorld(scene), Wave(scene, cameras={}), seed=3),))
    engine.send(SetStops(on_outcome=False))
    return engine


def look(engine: Engine, *commands: Command, step: int | None = None) -> Frame:
    """Carry commands out, then look at a step."""
    for command in commands:
        engine.send(command)
        engine.tick()
        while engine.busy:
            engine.tick()
    return resolve(engine.view(), Focus(step=step))


def ensemble_of(what_if: bool = True, coefficient: float = 0.01) -> EnsembleInsight:
    rows = np.zeros((3, 2), np.float32)
    return EnsembleInsight(what_if, coefficient, (1, 0), (0.5, 0.5), rows, rows, 2.0, calls=40, seconds=2.0)


def asking(trace: object, done: int, total: int, since: float, last: float) -> Asking:
    return Asking(Occlusion("above"), trace, 7, done, total, since, last)  # type: ignore[arg-type]


# Weights.


def test_bars_stand_at_their_ages() -> None:
    """The oldest member stands at the left edge, age 0 at the right one, each as high as its weight; gaps stay gaps."""
    assert bars((3, 1, 0), (0.5, 0.25, 0.25), 40) == [(0, 9, 1.0), (20, 29, 0.5), (30, 39, 0.5)]
    pixels = np.zeros((8, 40, 4), np.float32)
    bar, newest, ground = (np.full(4, value, np.float32) for value in (0.6, 0.9, 0.1))
    paint_bars((3, 1, 0), (0.5, 0.25, 0.25), pixels, bar, newest, ground)
    assert (pixels[:, :9] == bar).all()
    assert (pixels[:, 9:20] == ground).all()
    assert (pixels[4:, 20:29] == bar).all()
    assert (pixels[:4, 20:] == ground).all()
    assert (pixels[4:, 30:39] == newest).all()


@pytest.mark.parametrize("count", [1, 2, 50, 99, 100, 342, 700])
def test_every_bar_can_be_seen_and_pointed_at(count: int) -> None:
    """However many members there are, each bar is a pixel wide at least, inside the drawing, and found by the mouse."""
    ages = tuple(reversed(range(count)))
    weights = tuple(np.exp(-0.02 * np.arange(count)))
    found = bars(ages, weights, 342)
    assert all(0 <= left < right <= 342 for left, right, _ in found)
    assert [height for *_, height in found] == sorted((height for *_, height in found), reverse=True)
    if count <= 342:
        pointed = [member_at(ages, (left + right) / 2, 342) for left, right, _ in found]
        assert pointed == list(range(count))
    assert member_at(ages, -1, 342) is None
    assert member_at(ages, 342, 342) is None


def test_the_slider_is_finest_about_zero() -> None:
    """Position and coefficient are each other's inverse, odd, and a pixel of the slider about 0 is below 0.0001."""
    for coefficient in (-0.5, -0.1, -0.01, 0.0, 0.001, 0.01, 0.1, 0.5):
        assert to_coefficient(to_position(coefficient)) == pytest.approx(coefficient, abs=1e-9)
        assert to_position(-coefficient) == -to_position(coefficient)
    assert (to_coefficient(-1), to_coefficient(1)) == (-MOST, MOST)
    assert to_position(7.0) == 1.0
    assert 0 <= to_coefficient(1 / 130) < 1e-4
    assert str(to_coefficient(-1e-6)) == "0.0"


def test_both_conventions_name_the_same_weights() -> None:
    """A coefficient of the seed scripts, converted, gives LeRobot's weights for the same members; twice is once."""
    count, theirs = 7, 0.3
    newest_first = np.exp(-theirs * np.arange(count))
    ours = Convention.SEEDS.converted(theirs)
    oldest_first = np.exp(-ours * np.arange(count))
    np.testing.assert_allclose(oldest_first / oldest_first.sum(), (newest_first / newest_first.sum())[::-1])
    assert Convention.SEEDS.converted(ours) == theirs
    assert Convention.LEROBOT.converted(theirs) == theirs
    assert str(Convention.SEEDS.converted(0.0)) == "0.0"


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ((0.6, 0.3, 0.1), "the oldest weighs 6 times the newest"),
        ((0.1, 0.3, 0.6), "the newest weighs 6 times the oldest"),
        ((0.25, 0.5, 0.25), "all weigh alike"),
        ((1.0,), "one member: nothing to weigh"),
        ((1.0, 1e-9), "the oldest weighs over 1000 times the newest"),
    ],
)
def test_words_say_who_weighs_most(weights: tuple[float, ...], words: str) -> None:
    """The sentence names the heavier end and the ratio of the ends."""
    assert weighing_words(tuple(reversed(range(len(weights)))), weights) == words


# What the ensemble's controls do.


def test_the_slider_changes_what_can_be_changed(engine: Engine) -> None:
    """It moves a what-if where the step was not ensembled, the execution where it is, and nothing of the past."""
    first = look(engine, Step(4))
    choice = replace(first, focus=Focus(overlays=OverlayChoice(coefficient=0.2)))
    assert (role_of(choice), coefficient_of(choice)) == (Role.WHAT_IF, 0.2)
    ensembling = look(engine, SetChunking(TemporalEnsemble(0.03, ())), Step(4))
    assert (role_of(ensembling), coefficient_of(ensembling)) == (Role.EXECUTED, 0.03)
    assert role_of(look(engine, step=2)) is Role.WHAT_IF
    back = look(engine, SetChunking(FirstN(6)), Step(1), step=6)
    assert (role_of(back), coefficient_of(back)) == (Role.PAST, 0.03)


def test_the_price_of_a_what_if_is_what_it_takes(engine: Engine, scene: Scene) -> None:
    """The calls on the button are those that the question makes, chunks of the trace and policy resets counted."""
    frame = look(engine, Step(20), ResetPolicy(), Step(9))
    for step in (0, 5, 6, 15, 20, 22, 29):
        at = replace(frame, step=step)
        inquiry = Inquiry(
            Ensemble(), frame.trace, step, Wave(scene, cameras={}), lambda snapshot, cameras: {}, Answers()
        )
        assert calls_to_come(at) == inquiry.asking.total


def test_the_badge_tells_a_what_if_from_what_is_executed() -> None:
    """Executed and imagined ensembles are told apart in words and colour, with the coefficient in force."""
    assert badge(ensemble_of(what_if=False, coefficient=0.05)) == ("this is executed (c 0.05)", GOOD)
    assert badge(ensemble_of()) == ("what-if, not executed (c 0.01)", WARN)


@pytest.mark.parametrize(("median", "late"), [(0.033, False), (0.0334, True)])
def test_an_ensemble_slower_than_the_control_rate_is_told(engine: Engine, median: float, late: bool) -> None:
    """At 30 Hz a step has 33.3 ms: a call that takes longer cannot be made at every step in real time."""
    frame = look(engine, Step(1))
    frame = replace(frame, lane=replace(frame.lane, latency=Latency(median, median, median, 3)))
    words, colour = price(ensemble_of(), frame)
    assert words.startswith("costs one policy call a step: 40 calls, 2.0 s for this; 33 ms a call, 33 ms a step")
    assert ("too slow for real time" in words, colour == WARN) == (late, late)


# Words.


@pytest.mark.parametrize(
    ("gap", "words"),
    [(0.0, "0.00 mm: executed untouched"), (0.0099, "0.01 mm: executed untouched"), (0.0101, "something else acted")],
)
def test_untouched_is_told_from_nearly_untouched(gap: float, words: str) -> None:
    """Only a path within a hundredth of a millimetre of the roll-out counts as executed untouched."""
    assert words in verdict(Gap(gap, gap, 5), ensembling=False)[0]


def test_gaps_are_shown_in_full_or_not_at_all() -> None:
    """A gap that is not known shows dashes, never a zero."""
    assert gap_cells(None) == ("-", "-", "-")
    assert gap_cells(Gap(3.21, 45.67, 38)) == ("3.2", "45.7", "38")
    assert "anew" in verdict(None, ensembling=True)[0]


def test_a_deterministic_policy_gets_a_badge() -> None:
    """Equal samples are told in words, in a warning colour; different ones with their spread, and of which step."""
    alike = SamplesInsight(5, 16, Spread(0.1, 0.1, 0.2), True, "deterministic: 16 samples stay within 0.20 mm")
    assert spread_words(alike, 5) == (alike.text, WARN)
    apart = SamplesInsight(5, 16, Spread(1.0, 2.2, 9.0), False, "16 samples, 1.0 / 2.2 / 9.0 mm at 1/4, 1/2, 1 chunk")
    words, colour = spread_words(apart, 5)
    assert words == apart.text
    assert colour != WARN
    assert spread_words(apart, 7)[0].endswith("(observation of step 5)")


def test_the_moment_names_its_chunk(engine: Engine) -> None:
    """A step names the chunk in force, by the observation that it answers, also where that came late."""
    assert moment_words(look(engine, Step(8), step=7)) == "step 7: row 1 of 12, asked at step 6"
    assert moment_words(look(engine, Step(4))) == "step 12: the policy is asked here"
    late = look(engine, SetDelay(2), Step(8), step=14)
    words = moment_words(late)
    chunk = late.trace.chunks_in_force(14)[-1]
    assert chunk.delay == 2
    assert words == f"step 14: row {14 - chunk.start} of 12, asked at step {chunk.start}, came 2 later"


def test_every_site_can_be_the_root(scene: Scene) -> None:
    """The model's sites are offered by name, the end effector first, which needs no name of its own."""
    assert site_choices(scene) == {"tip (default)": ""}
    sites = site_choices(Scene.load("so101"))
    assert next(iter(sites.values())) == ""
    assert len(set(sites.values())) == len(sites)


# Asking.


def test_time_left_follows_the_pace() -> None:
    """Ten calls of 0.5 s leave 15 s for thirty more, less what the present call took already, and never below 0."""
    begun = asking(None, 10, 40, since=100.0, last=105.0)
    assert seconds_left(begun, 105.0, usual=9.0) == pytest.approx(15.0)
    assert seconds_left(begun, 105.3, usual=9.0) == pytest.approx(14.7)
    assert seconds_left(begun, 300.0, usual=9.0) == 0.0
    fresh = asking(None, 0, 40, since=100.0, last=100.0)
    assert seconds_left(fresh, 100.0, usual=0.05) == pytest.approx(2.0)
    assert seconds_left(fresh, 100.0, usual=0.0) is None


def test_only_the_policy_that_made_a_trace_is_asked(engine: Engine, scene: Scene) -> None:
    """Without a policy, and with another one, a line says why; the same policy under the same name is asked."""
    frame = look(engine, Step(3))
    assert refusal(frame) == ""
    assert "No policy is loaded" in refusal(replace(frame, lane=replace(frame.lane, policy=None)))
    other = Wave(scene, cameras={}).with_name("other").info
    assert "load wave" in refusal(replace(frame, lane=replace(frame.lane, policy=other)))
    assert frame.lane.policy is not None
    renamed = replace(frame.lane.policy, name="renamed")
    assert refusal(replace(frame, lane=replace(frame.lane, policy=renamed))) == ""


def test_a_question_in_progress_is_named(engine: Engine) -> None:
    """What is being answered is said once it takes long enough to be read."""
    begun = asking(None, 3, 49, since=100.0, last=100.2)
    assert busy_words(begun, 100.2) == ""
    assert busy_words(begun, 101.0) == "asking, step 7: occlusion of above 3/49"
    assert busy_words(None, 101.0) == ""


def test_figures_of_another_moment_are_not_of_this_one(engine: Engine) -> None:
    """Figures count as this step's only if both trace and step are the same."""
    frame = look(engine, Step(3))
    right = MomentInsight(frame.trace, 3, key=None)
    assert insight_here(replace(frame, moment=right)) is right
    assert insight_here(replace(frame, moment=replace(right, step=2))) is None
    branch = frame.trace.fork(3, "branch")
    assert insight_here(replace(frame, moment=replace(right, trace=branch))) is None


@pytest.mark.parametrize(
    ("value", "text", "words"),
    [
        (figure, 0.0, "0.00"),
        (figure, 0.0994, "0.10"),
        (figure, 0.0996, "0.1"),
        (figure, 99.94, "99.9"),
        (figure, 138.4, "138"),
        (duration, 0.0001, "under 1 ms"),
        (duration, 0.053, "53 ms"),
        (duration, 2.04, "2.0 s"),
        (duration, 75.0, "75 s"),
        (duration, 600.0, "10 min"),
    ],
)
def test_figures_have_the_digits_that_tell(value: Callable[[float], str], text: float, words: str) -> None:
    """Small figures keep their decimals, large ones lose them."""
    assert value(text) == words


def test_costs_are_told_before_they_are_paid() -> None:
    """The calls, and the seconds only where a call's duration is known."""
    assert cost_words(49, 0.05) == "49 calls, about 2.5 s"
    assert cost_words(1, 0.0) == "1 call"


# Setting text.


def test_links_are_set_like_words() -> None:
    """A line is filled while there is room, and an item wider than the room stands alone."""
    assert lines_of([10, 10, 10, 10], 32, 6) == [0, 0, 1, 1]
    assert lines_of([10, 10], 26, 6) == [0, 0]
    assert lines_of([10, 10], 25, 6) == [0, 1]
    assert lines_of([10, 90, 10], 32, 6) == [0, 1, 2]
    assert lines_of([], 32, 6) == []


@pytest.mark.parametrize(("room", "text"), [(140, "proprioception"), (139, "propriocepti…"), (20, "p…")])
def test_long_names_end_in_an_ellipsis(room: int, text: str) -> None:
    """A name is cut as little as its room asks for, here with letters 10 px wide."""
    assert fitted("proprioception", room, lambda words: 10 * len(words)) == text
