"""The compare panel: its words and curves without a window, then all its states and controls in a real one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from panels.apart_table import apart_cells
from panels.compare import shadow_refusal, shadows_known
from panels.lane_strip import outline, tops_of
from panels.lane_table import lane_row
from panels.range_table import alarms_in, is_beyond, range_words
from tests.compare_panel_session import Leaning, Unscaled, engine_of, frame_of
from tests.scripted import do
from tests.told import told_by
from viewer_app.chunking import OverlapBlend, TemporalEnsemble
from viewer_app.commands import Ask, SetChunking
from viewer_app.insight import Divergence
from viewer_app.questions import Shadow
from viewer_app.ranges import ranges_of
from viewer_app.scene import Scene
from viewer_app.view import Focus, resolve

RISING = np.array(range(10), np.float64)
TEN = Divergence(2, RISING, None, np.asarray(RISING / 2, np.float64))


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.load("so101")


def test_a_curve_keeps_its_peaks_however_narrow_the_strip() -> None:
    """Every value is drawn where its step and its size say; of thousands of steps the peaks are kept."""
    box = (50.0, 10.0, 200.0, 80.0)
    points = outline(np.array([0.0, 5.0, 10.0]), 10.0, 4, box)
    assert points == [[50.0, 90.0], [100.0, 50.0], [150.0, 10.0]]
    values = np.zeros(5000)
    values[[1234, 4021]] = 8.0, 3.0
    thin = outline(values, 10.0, 5000, box)
    assert len(thin) < 4 * 200
    for step, height in ((1234, 0.2), (4021, 0.7)):
        assert np.isclose(thin, (50 + 200 * step / 5000, 10 + 80 * height)).all(axis=1).any()


def test_the_threshold_is_always_in_sight() -> None:
    """The axes end at a round number above every curve and above the threshold."""
    far = Divergence(1, np.array([0.0, 130.0]), np.array([0.0, 3.0]), np.zeros(2))
    assert tops_of((far, TEN), 10.0) == (200.0, 20.0)
    assert tops_of((far, TEN), 400.0) == (500.0, 500.0)


def test_a_step_that_a_lane_never_reached_is_a_dash() -> None:
    """Distances are told where both lanes were, and of an object only where there is one."""
    assert apart_cells(TEN, 12.34, 9) == ("9.0", "-", "4.5", "12.3")
    assert apart_cells(TEN, None, 10) == ("-", "-", "-", "-")


def test_a_lane_is_told_in_a_row(scene: Scene) -> None:
    """Policy, step, outcome and execution mode are those of the lane, not of the one looked at."""
    engine = engine_of(scene, 16, Leaning(scene, "one", 0), Leaning(scene, "two", 4))
    do(engine, SetChunking(TemporalEnsemble(0.01, ()), lane=1))
    first, second = (lane_row(each) for each in resolve(engine.view(), Focus(step=16)).lanes)
    assert (first.name, first.progress, first.success, first.mode) == ("one", "16/16", None, "first 8")
    assert (second.name, second.mode, second.call) == ("two", "TE 0.01", "31 ms")
    do(engine, SetChunking(OverlapBlend(8, 4), lane=0))
    frame = resolve(engine.view(), Focus(step=16))
    assert lane_row(frame.lanes[0]).mode == "8 + 4"
    # Its trace says how the episode ended, wherever is looked at.
    frame.trace.outcomes.append("missed_goal")
    frame.trace._columns["outcome"][16] = len(frame.trace.outcomes) - 1
    row = lane_row(replace(frame.lanes[0], step=3))
    assert (row.progress, row.success) == ("3/16 ✗", False)
    assert "missed goal" in row.about


def test_only_other_policies_that_are_there_can_be_asked(scene: Scene) -> None:
    """A lane whose policy still loads is named; an answer counts for its own moment and lane alone."""
    engine = engine_of(scene, 16, Leaning(scene, "one", 0), Leaning(scene, "two", 4))
    do(engine, Ask(Shadow(1), engine.lanes[0].trace.name, 9, lane=0))
    assert shadows_known(resolve(engine.view(), Focus(step=9))) == (1,)
    assert shadows_known(resolve(engine.view(), Focus(step=8))) == ()
    assert shadows_known(resolve(engine.view(), Focus(lane=1, step=9))) == ()
    frame = resolve(engine.view(), Focus(step=9))
    assert shadow_refusal(frame) == ""
    loading = replace(frame.lanes[1], lane=replace(frame.lanes[1].lane, policy=None))
    assert shadow_refusal(replace(frame, lanes=(frame.lanes[0], loading))).startswith("B not loaded yet")


def test_ranges_are_told_with_the_digits_that_matter() -> None:
    """Two decimals for normalised numbers, none for hundreds; no minus before a zero; and words for what is none."""
    assert range_words(-1.234, 0.5) == "-1.23 .. 0.50"
    assert range_words(-12.34, 99.2) == "-12.3 .. 99.2"
    assert range_words(-4e-15, 100.0) == "0 .. 100"
    assert range_words(float("nan"), 1.0) == "-"
    assert range_words(-np.inf, np.inf) == "no limit"


def test_the_banner_names_the_lane_that_is_scaled_wrongly(scene: Scene) -> None:
    """One sentence for the lane that has a fault, with its letter, and none for those in order."""
    engine = engine_of(scene, 16, Leaning(scene, "one", 0), Unscaled(scene, "two"))
    frame = frame_of(engine, Focus(step=9))
    (alarm,) = alarms_in(frame)
    assert alarm.startswith("B: All actions stay within")
    assert alarms_in(frame_of(engine_of(scene, 16, Leaning(scene, "one", 0)), Focus(step=9))) == ()
    assert alarms_in(resolve(engine.view(), Focus())) == ()


def test_an_action_past_the_actuator_is_marked(scene: Scene) -> None:
    """Beyond what the actuator takes by more than rounding."""
    engine = engine_of(scene, 16, Leaning(scene, "one", 0))
    found = ranges_of(scene, engine.lanes[0].trace, 16)
    assert found is not None
    edge = replace(found, low=np.full(6, 1.0), high=np.array([100.2, 102, 50, 50, 50, 50]))
    assert [is_beyond(edge, joint) for joint in range(6)] == [False, True, False, False, False, False]


# In a window.


@pytest.fixture(scope="module")
def session() -> dict[str, Any]:
    """What the panel shows, in all its states."""
    return told_by("tests.compare_panel_session")


def words(state: dict[str, Any]) -> list[str]:
    """All words in sight, in the order of their making."""
    return [item.split(" ", 2)[2] for item in state["places"]]


@pytest.mark.window
@pytest.mark.slow
def test_nothing_is_cut(session: dict[str, Any]) -> None:
    """With one lane or three, nothing done or thousands of steps, at both sizes, no widget leaves the panel's width."""
    assert len(session["states"]) == 14
    for name, state in session["states"].items():
        assert len(state["places"]) >= 3, name
        outside = [item for item, box in state["places"].items() if box[0] < 0 or box[2] > state["width"]]
        assert outside == [], name


@pytest.mark.window
@pytest.mark.slow
def test_each_state_says_what_it_is(session: dict[str, Any]) -> None:
    """One lane says how to compare; several are listed; figures that lag say so; a fault is in the banner in red."""
    for size in ("1280x720", "1920x1080"):
        alone = " ".join(words(session["states"][f"one lane, no step at {size}"]))
        assert "whiskers compare A B" in alone
        assert "Space plays" in alone
        assert "What would" not in alone
        two = words(session["states"][f"two lanes at {size}"])
        assert {"A", "B", "demo:act", "40/120", "asked here: A"} <= set(two)
        assert "whiskers compare" not in " ".join(two)
        assert "never" not in two
        assert "The figures are being computed…" in words(session["states"][f"computing at {size}"])
        faulty = session["states"][f"three lanes, one unscaled at {size}"]
        assert faulty["banner"].startswith("C: All actions stay within")
        assert faulty["banner"] in words(faulty)
        assert [state["banner"] for name, state in session["states"].items() if "unscaled" not in name] == [""] * 12


@pytest.mark.window
@pytest.mark.slow
def test_the_controls_ask_for_what_they_say(session: dict[str, Any]) -> None:
    """A row looks at its lane, a link goes where the lanes part, the button asks the other policy about this moment."""
    asked = session["asked"]
    assert asked["lane"] == [0]
    assert asked["seek"] == [asked["first"]]
    assert asked["apart"] == [32.0]
    assert asked["plot"] == [["divergence", "csv"]]
    assert asked["questions"] == [["Shadow(lane=0)", 40, 1]]
    assert asked["shadow"] == [True]
    assert asked["clicked"] == [asked["expected"]]
