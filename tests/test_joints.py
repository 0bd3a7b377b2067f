"""The joints panel: what it computes, in closed form, and what it looks like, in a window of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panels.joint_curves import FAN_BANDS, FAN_MOST, Fan, fan, flow
from panels.joint_marks import Lamp, Told, ruler_for, saturation_of, spread_words, spreads_at, tracking_words
from tests.scenes import MODEL, write_scene
from tests.synthetic import Wave
from tests.told import told_by
from viewer_app.chunking import FirstN
from viewer_app.insight import EnsembleInsight, EpisodeInsight, MomentInsight
from viewer_app.joint_units import JointUnit
from viewer_app.scene import Scene
from viewer_app.smoothness import smoothness_of
from viewer_app.trace import Settings, Trace
from viewer_app.tracking import Tracking, tracking_of
from viewer_app.types import ActionChunk, Float32Array, PolicyInfo, Readings, Scale

core = pytest.mark.core

YAW_DEGREES = np.rad2deg(1.5) / 100
"""What one scene unit of the plotter's first joint is: 100 of them are the end of its range."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.load(write_scene(tmp_path_factory.mktemp("plotter")))


@pytest.fixture(scope="module")
def policy(scene: Scene) -> PolicyInfo:
    return Wave(scene, cameras={}).info


def trace_of(scene: Scene, policy: PolicyInfo, chunks: Sequence[ActionChunk], length: int) -> Trace:
    """A trace of a robot that rests at 0, into which the chunks came at their steps."""

    def readings(k: int) -> Readings:
        return Readings(k * scene.control_dt, np.zeros(scene.n_action, np.float32), np.zeros(3), "", "", False, False)

    trace = Trace("plain", scene.name, policy, 0, Settings(FirstN(6)), np.zeros(3), readings(0))
    arriving = {chunk.arrived: chunk for chunk in chunks}
    for k in range(length):
        trace.append(np.zeros(scene.n_action, np.float32), arriving.get(k), np.zeros(3), readings(k + 1))
    return trace


def numbered(number: int, start: int, rows: int, delay: int = 0) -> ActionChunk:
    """A chunk whose rows say its number, in the first joint, and the step that they are for, in the second."""
    steps = np.arange(start, start + rows)
    return ActionChunk(start, np.stack([np.full(rows, number), steps], axis=1).astype(np.float32), 0, delay=delay)


def drawn_of(found: Fan, dt: float) -> list[dict[int, list[tuple[int, int]]]]:
    """The segments of each numbered chunk in each band, from step to step, each of which lies at its own time."""
    bands: list[dict[int, list[tuple[int, int]]]] = []
    for times, values in zip(found.times, found.values, strict=True):
        np.testing.assert_allclose(values[:, 1], times / dt, atol=1e-6)
        band: dict[int, list[tuple[int, int]]] = {}
        for (number, step), (same, following) in zip(values[::2].tolist(), values[1::2].tolist(), strict=True):
            assert number == same
            band.setdefault(int(number), []).append((int(step), int(following)))
        bands.append(band)
    return bands


# The fan.


@core
def test_the_fan_draws_what_each_chunk_said_from_where_it_came_into_force(scene: Scene, policy: PolicyInfo) -> None:
    """Every chunk that came by the step is a line through its own rows, from its arrival to its end; no other is."""
    chunks = [numbered(1, 0, 12), numbered(2, 6, 12, delay=2), numbered(3, 14, 12, delay=2), numbered(4, 17, 12)]
    found = fan(trace_of(scene, policy, chunks, 30), 16, JointUnit.SCENE, scene, 0.0, 2.0)
    drawn: dict[int, list[tuple[int, int]]] = {}
    for band in drawn_of(found, scene.control_dt):
        drawn |= band
    assert drawn == {
        1: [(k, k + 1) for k in range(11)],
        2: [(k, k + 1) for k in range(8, 17)],
        3: [(k, k + 1) for k in range(16, 25)],
    }
    assert (found.drawn, found.known) == (3, 3)


@core
def test_a_thinned_line_keeps_its_ends(scene: Scene, policy: PolicyInfo) -> None:
    """Rows that stand too close on the screen are left out, the same ones of every chunk, but never first or last."""
    trace = trace_of(scene, policy, [numbered(1, 1, 12), numbered(2, 7, 12)], 30)
    youngest, *_ = drawn_of(fan(trace, 8, JointUnit.SCENE, scene, 0.0, 2.0, apart=4.0), scene.control_dt)
    oldest = drawn_of(fan(trace, 8, JointUnit.SCENE, scene, 0.0, 2.0, apart=4.0), scene.control_dt)[-1]
    assert youngest == {2: [(7, 8), (8, 12), (12, 16), (16, 18)]}
    assert oldest == {1: [(1, 4), (4, 8), (8, 12)]}


@core
def test_a_carried_chunk_is_in_the_fan(scene: Scene, policy: PolicyInfo) -> None:
    """What the last episode's chunk says about this one is drawn too."""
    trace = trace_of(scene, policy, [numbered(2, 4, 12)], 8)
    trace.carried = (numbered(1, -6, 12),)
    found = fan(trace, 6, JointUnit.SCENE, scene, 0.0, 1.0)
    drawn = {number: segments for band in drawn_of(found, scene.control_dt) for number, segments in band.items()}
    assert drawn.keys() == {1, 2}
    assert drawn[1][-1] == (4, 5)


@core
def test_the_fan_fades_with_age(scene: Scene, policy: PolicyInfo) -> None:
    """No chunk stands in a younger band than one that came after it; the newest stands in the youngest."""
    trace = trace_of(scene, policy, [numbered(n, 6 * n, 12) for n in range(20)], 120)
    bands = drawn_of(fan(trace, 115, JointUnit.SCENE, scene, 0.0, 4.0), scene.control_dt)
    assert len(bands) == FAN_BANDS
    assert all(bands)
    assert (max(bands[0]), min(bands[-1])) == (19, 0)
    for younger, older in pairwise(bands):
        assert min(younger) > max(older)


@core
def test_a_fan_of_thousands_stays_small_and_stands_still(scene: Scene, policy: PolicyInfo) -> None:
    """Of the chunks of every step few are drawn, the newest among them; a step later they are the same ones."""
    trace = trace_of(scene, policy, [numbered(n, n, 30) for n in range(3000)], 3000)
    dt = scene.control_dt

    def drawn(step: int, past: float) -> set[int]:
        found = fan(trace, step, JointUnit.SCENE, scene, step * dt - past, step * dt + 2)
        assert found.drawn <= FAN_MOST + 1
        return set().union(*(band.keys() for band in drawn_of(found, dt)))

    assert 2999 in drawn(2999, past=100.0)
    here, later = drawn(900, past=4.0), drawn(901, past=4.0)
    assert len(here) > FAN_MOST // 2
    # The newest is drawn whatever its number, and one may go on either side.
    assert len((here ^ later) - {900, 901}) <= 2


# What was said about one step.


def moment_of(trace: Trace, rows: Sequence[Sequence[float]], ensemble: EnsembleInsight | None = None) -> MomentInsight:
    said = np.array(rows, np.float32).reshape(len(rows), 2)
    return MomentInsight(trace, 4, None, predictions=said, predictions_spread=3.21, ensemble=ensemble)


@core
def test_the_spread_is_the_span_of_what_was_said_in_every_unit(scene: Scene, policy: PolicyInfo) -> None:
    """Chunks that say 10, 14 and 12 are 4 units apart, whatever the unit; a chunk alone has no spread."""
    trace = trace_of(scene, policy, [], 6)
    moment = moment_of(trace, [(10, -7), (14, -7), (12, -4)])
    for unit, expected in (
        (JointUnit.SCENE, (4, 3)),
        (JointUnit.DEGREES, (4 * YAW_DEGREES, 3)),
        (JointUnit.MODEL, (4 / 20, 3 / 20)),
    ):
        apart = spreads_at(moment, ruler_for(unit, scene, policy))
        assert apart is not None
        np.testing.assert_allclose(apart, expected, rtol=1e-5)
    assert spread_words(moment) == "3 chunks, spread 3.2 mm"
    alone = moment_of(trace, [(10, -7)])
    assert spreads_at(alone, ruler_for(JointUnit.SCENE, scene, policy)) is None
    assert (spread_words(alone), spread_words(moment_of(trace, []))) == ("1 chunk", "no chunk")


# Limits and lamps.


def degrees_over(scene: Scene, row: tuple[float, float]) -> Float32Array:
    """An action that is so far [deg] past the upper limits of the plotter, 1.5 rad and 1 rad."""
    return scene.to_scene_units(np.array([1.5, 1.0]) + np.deg2rad(row))


@core
def test_the_lamp_tells_a_command_past_the_limit_from_one_at_it(scene: Scene, policy: PolicyInfo) -> None:
    """At the limit the lamp is off, beyond it red, with how much is cut off; a plan that gets there is amber."""
    ruler = ruler_for(JointUnit.DEGREES, scene, policy)
    near, over, far = (degrees_over(scene, (away, -5.0)) for away in (0.005, 0.1, 7.0))
    assert [each.lamp for each in saturation_of(near[None], True, ruler)] == [Lamp.OFF, Lamp.OFF]
    now, other = saturation_of(np.stack([over, far]), True, ruler)
    assert (now.lamp, other.lamp) == (Lamp.NOW, Lamp.OFF)
    assert now.excess == pytest.approx(0.1, abs=1e-3)
    plan = np.stack([near, near, near, over, far])
    coming, _ = saturation_of(plan, True, ruler)
    assert (coming.lamp, coming.steps) == (Lamp.COMING, 3)
    assert coming.excess == pytest.approx(7.0, abs=1e-3)
    asked, _ = saturation_of(plan[3:], False, ruler)
    assert (asked.lamp, asked.steps) == (Lamp.COMING, 0)
    assert saturation_of(None, False, ruler)[0].lamp is Lamp.OFF


@core
def test_what_is_cut_off_has_its_side_and_its_unit(scene: Scene, policy: PolicyInfo) -> None:
    """Past the lower limit the excess is negative, and each unit states the same excess."""
    row = np.array([[-110.0, 0.0]], np.float32)
    for unit, expected in (
        (JointUnit.SCENE, -10.0),
        (JointUnit.DEGREES, -10 * YAW_DEGREES),
        (JointUnit.MODEL, -10 / 20),
    ):
        found, _ = saturation_of(row, True, ruler_for(unit, scene, policy))
        assert found.excess == pytest.approx(expected, rel=1e-4)


@core
def test_range_limits_are_those_of_the_actuators(scene: Scene, policy: PolicyInfo, tmp_path: Path) -> None:
    """The limits are drawn where commands are cut off; an actuator without limits has none and no lamp."""
    np.testing.assert_allclose(ruler_for(JointUnit.SCENE, scene, policy).reach[:, 0], (-100, 100), rtol=1e-6)
    reach = ruler_for(JointUnit.DEGREES, scene, policy).reach
    np.testing.assert_allclose(reach, np.rad2deg([[-1.5, -1.0], [1.5, 1.0]]), rtol=1e-6)
    free = Scene.load(write_scene(tmp_path, model=MODEL.replace(' ctrlrange="-1 1"', "")))
    ruler = ruler_for(JointUnit.DEGREES, free, policy)
    assert np.isinf(ruler.reach[:, 1]).all()
    assert np.isfinite(ruler.reach[:, 0]).all()
    assert saturation_of(np.array([[0.0, 1e6]], np.float32), True, ruler)[1].lamp is Lamp.OFF


@core
def test_three_sigma_is_the_same_mark_in_every_unit(scene: Scene, policy: PolicyInfo) -> None:
    """Statistics of mean 3 and deviation 20 mark 63 and -57, in the unit shown; just inside is not marked."""
    expected = {
        JointUnit.SCENE: np.array([[-57, -57], [63, 63]], np.float64),
        JointUnit.DEGREES: np.array([[-57 * YAW_DEGREES, -57], [63 * YAW_DEGREES, 63]]),
        JointUnit.MODEL: np.array([[-3, -3], [3, 3]], np.float64),
    }
    for unit, limits in expected.items():
        ruler = ruler_for(unit, scene, policy)
        assert ruler.usual is not None
        np.testing.assert_allclose(ruler.usual, limits, rtol=1e-5)
        rows = ruler.convert(np.array([[62.9, -56.9], [63.1, -57.1]], np.float32))
        assert [ruler.is_unusual(float(rows[0, joint]), joint) for joint in range(2)] == [False, False]
        assert [ruler.is_unusual(float(rows[1, joint]), joint) for joint in range(2)] == [True, True]


@core
@pytest.mark.parametrize("kind", ["min_max", "identity", None])
def test_without_mean_and_deviation_nothing_is_unusual(scene: Scene, policy: PolicyInfo, kind: str | None) -> None:
    """A checkpoint that scales by its range, or not at all, has no statistics to be outside of."""
    scale = policy.action_scale
    assert scale is not None
    other = None if kind is None else Scale("min_max" if kind == "min_max" else "identity", scale.a, scale.b)
    ruler = ruler_for(JointUnit.SCENE, scene, replace(policy, action_scale=other))
    assert ruler.usual is None
    assert not ruler.is_unusual(1e6, 0)


# Tracking, in words.


@core
def test_tracking_is_converted_to_the_unit_shown(scene: Scene, policy: PolicyInfo) -> None:
    """A joint that stays 5 scene units behind says so in each unit; its lag, in steps and milliseconds, is the same."""
    steps = np.arange(90)
    commanded = 40 * np.sin(steps / 7)
    measured = np.concatenate([[0.0, 0.0, 0.0], commanded])[: len(steps) + 1] - 5.0  # two steps late
    tracking = tracking_of(YAW_DEGREES * commanded, YAW_DEGREES * measured)
    error = measured[1:] - commanded
    rms, largest = float(np.sqrt(np.mean(error**2))), float(np.abs(error).max())
    for unit, factor, decimals in (
        (JointUnit.SCENE, 1.0, 1),
        (JointUnit.DEGREES, YAW_DEGREES, 1),
        (JointUnit.MODEL, 1 / 20, 2),
    ):
        words = tracking_words(tracking, 0, ruler_for(unit, scene, policy))
        assert words == f"rms {factor * rms:.{decimals}f}  max {factor * largest:.{decimals}f}  lag 2 (67 ms)"


@core
def test_what_cannot_be_said_about_tracking_is_not_said(scene: Scene, policy: PolicyInfo) -> None:
    """Without steps there are no figures, and a joint that does not move has an error but no lag."""
    ruler = ruler_for(JointUnit.DEGREES, scene, policy)
    assert tracking_words(tracking_of(np.zeros(0), np.zeros(1)), 0, ruler) == ""
    assert tracking_words(tracking_of(np.zeros(50), np.full(51, 2.0)), 0, ruler) == "rms 2.0  max 2.0  lag -"


@core
def test_a_tooltip_says_by_how_much(scene: Scene, policy: PolicyInfo) -> None:
    """A joint's tooltip has the numbers behind its lamp, its mark, its tracking, its spread and its ensemble."""
    ruler = ruler_for(JointUnit.SCENE, scene, policy)
    trace = trace_of(scene, policy, [], 6)
    command = np.array([103.2, 0.0], np.float32)
    ensemble = EnsembleInsight(
        what_if=True,
        coefficient=0.01,
        ages=(1, 0),
        weights=(0.5, 0.5),
        raw=np.array([[9.0, 1.0]], np.float32),
        ensembled=np.array([[8.0, 1.0]], np.float32),
        spread=0.0,
        calls=2,
        seconds=0.1,
    )
    still = smoothness_of(np.zeros((6, 2)), np.zeros((7, 3)), [])
    episode = EpisodeInsight(trace, 6, still, (), (Tracking(YAW_DEGREES, 2 * YAW_DEGREES, -1),) * 2, ())
    told = Told(
        ruler,
        saturation_of(command[None], True, ruler),
        np.array([88.0, 0.0], np.float32),
        command,
        episode,
        moment_of(trace, [(10, 0), (14, 0)], ensemble),
    )
    yaw, pitch = told.about(0).split("\n"), told.about(1)
    assert yaw[1:] == [
        "Actual 88.0, command 103.2",
        "The command leaves the actuator's range -100.0 .. 100.0 (red lines) by 3.2, which is cut off",
        "3 standard deviations of the checkpoint's actions: -57.0 .. 63.0 (pink lines): now +5.0",
        "Actual less commanded, over 6 steps: rms 1.0  max 2.0  lag -",
        "What 2 chunks said about step 4 spans 4.0",
        "At step 4: newest chunk 9.0, what the ensemble would make of it 8.0",
    ]
    assert "stay in the actuator's range -57.3 .. 57.3" in pitch


# The head of the panel.


@core
def test_a_flow_keeps_order_and_stays_in_its_room() -> None:
    """Things follow one another, none over another, on as few lines as they need; too wide ones stand alone."""
    assert flow([50, 40, 30], 130, 5) == [(0, 0), (55, 0), (100, 0)]
    assert flow([50, 40, 31], 130, 5) == [(0, 0), (55, 0), (0, 1)]
    assert flow([50, 400, 30], 130, 5) == [(0, 0), (0, 1), (0, 2)]


# In a window.

Box = list[int]
"""Left, top, right, bottom. [px]"""


@pytest.fixture(scope="module")
def session() -> dict[str, Any]:
    """What the panel shows, in all its states."""
    return told_by("tests.joints_session")


@pytest.mark.window
@pytest.mark.slow
def test_nothing_is_cut_and_nothing_overlaps(session: dict[str, Any]) -> None:
    """Without a policy, with none, one or thousands of steps, and as a table, at both sizes, all has its own place."""
    assert len(session["states"]) == 16
    for name, state in session["states"].items():
        width, height = state["size"]
        places: dict[str, Box] = state["places"]
        assert len(places) > 5, name
        outside = [item for item, box in places.items() if min(box) < 0 or box[2] > width or box[3] > height]
        assert outside == [], name
        over = [pair for pair in combinations(places, 2) if overlap(*(places[item] for item in pair))]
        assert over == [], name


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.mark.window
@pytest.mark.slow
def test_what_was_said_then_is_drawn_when_asked_for(session: dict[str, Any]) -> None:
    """Switched on, each chunk's word about the step is a dot at its time; raw and ensembled are lines from there on."""
    first = session["expected"][0][1][0]
    for name, state in session["states"].items():
        if name.startswith("thousands"):
            for expected in session["expected"]:
                assert any(same(line, expected) for line in state["drawn"]), name
        elif name.startswith("one"):
            assert not any(len(line[1]) == 1 and np.allclose(line[1], first) for line in state["drawn"]), name


@pytest.mark.window
@pytest.mark.slow
def test_other_lanes_lie_beside_the_one_looked_at(session: dict[str, Any]) -> None:
    """Every other lane's measured curve is drawn at its own moments, under a switch with its letter that hides it."""
    assert len(session["beside"]) == 2
    for size in ("1280x720", "1920x1080"):
        state = session["states"][f"three lanes at {size}"]
        for expected in session["beside"]:
            assert any(same(line, expected) for line in state["drawn"])
        letters = {item.rsplit(" ", 1)[1] for item in state["places"] if "━ " in item}
        assert {"A", "C"} <= letters
        assert "B" not in letters
        long = session["states"][f"lanes of thousands of steps at {size}"]
        assert all(len(line[0]) < 8000 for line in long["drawn"])
    assert session["hidden"] == 1


def same(line: list[list[float]], expected: list[list[float]]) -> bool:
    return [len(axis) for axis in line] == [len(axis) for axis in expected] and np.allclose(line, expected)


@pytest.mark.window
@pytest.mark.slow
def test_exports_ask_for_the_unit_shown(session: dict[str, Any]) -> None:
    """The menu sends one request for each click, of the joints, in the format clicked and the unit on the screen."""
    assert session["exports"] == [["joints", "png", "normalised"], ["joints", "csv", "normalised"]]
    assert session["requests"] == 2
