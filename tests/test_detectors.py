"""Detectors, on episodes with one planted fault and on near misses of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.scenes import SPEC, write_scene
from tests.synthetic import Wave
from viewer_app.chunking import FirstN
from viewer_app.detectors import Finding, Thresholds, detect
from viewer_app.scene import Scene
from viewer_app.trace import Settings, Trace
from viewer_app.types import ActionChunk, Float32Array, PolicyInfo, Readings, Scale

pytestmark = pytest.mark.core

STEPS = 200
CONSTANT = np.linspace([0, 0], [50, 80], 20, dtype=np.float32)
"""A chunk that depends on nothing."""
Motion = Callable[[int], tuple[float, float]]
"""Control step to (yaw [% of range], gripper [0, 100])."""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """The plotter, its second joint called a gripper by its unit."""
    return Scene.load(write_scene(tmp_path, SPEC.replace('unit = "degrees"', 'unit = "range_0_100"')))


def sweep(step: int) -> tuple[float, float]:
    """A motion in which nothing is wrong: yaw sweeps, the gripper closes once."""
    return 60 * np.sin(0.05 * step), 80.0 if step < 100 else 20.0


def episode(
    scene: Scene,
    motion: Motion = sweep,
    chunk: Callable[[int], Float32Array] | None = None,
    late: int = 0,
    success_at: int | None = None,
) -> Trace:
    """A trace in which the robot does exactly what it is told; chunks of 20 rows.

    Args:
        scene: The plotter.
        motion: What is done.
        chunk: Step to rows, instead of those of the motion.
        late: How late each chunk but the first comes. [control steps]
        success_at: From which step on the episode counts as a success.
    """
    info = Wave(scene).info
    info = PolicyInfo(
        **{**info.__dict__, "state_scale": Scale("mean_std", np.full(2, 25, np.float32), np.full(2, 40, np.float32))}
    )

    def readings(step: int) -> Readings:
        yaw, gripper = motion(step)
        angle = np.deg2rad(yaw)
        tip = np.array([0.3 * np.cos(angle), 0.3 * np.sin(angle), 0.1])
        success = success_at is not None and step >= success_at
        state = np.array([yaw, gripper], np.float32)
        return Readings(step / 30, state, tip, "", "success" if success else "", success, False)

    trace = Trace("t", scene.name, info, 0, Settings(FirstN(20)), np.zeros(4), readings(0))
    for step in range(STEPS):
        begin = max(step - late, 0)
        rows = np.array([motion(k) for k in range(begin, begin + 20)], np.float32)
        rows = rows if chunk is None else chunk(begin)
        asked = ActionChunk(begin, rows, 0, delay=step - begin) if step % 20 == 0 else None
        trace.append(np.array(motion(step), np.float32), asked, np.zeros(4), readings(step + 1))
    return trace


def found(scene: Scene, trace: Trace, name: str, thresholds: Thresholds | None = None) -> list[Finding]:
    every = detect(scene, trace, len(trace), thresholds or Thresholds())
    return [finding for finding in every if finding.detector == name]


def test_a_good_episode_has_no_findings(scene: Scene) -> None:
    """An ordinary motion of an ordinary policy is worth no alarm, whatever part of it is looked at."""
    for length in (0, 1, 57, STEPS):
        assert detect(scene, episode(scene), length, Thresholds()) == []


def flat(span_deg: float) -> Callable[[int], Float32Array]:
    """Chunks whose yaw spans a given angle; yaw's range is 3 rad over 200 units."""
    units = span_deg / np.rad2deg(3.0 / 200)
    return lambda step: np.stack([np.linspace(step, step + units, 20), np.full(20, 50)], axis=1).astype(np.float32)


@pytest.mark.parametrize(("span", "count"), [(0.0, 10), (0.9, 10), (1.1, 0)])
def test_flat_chunks(scene: Scene, span: float, count: int) -> None:
    """A chunk is flat up to the threshold and not past it."""
    assert len(found(scene, episode(scene, chunk=flat(span)), "flat chunk")) == count


@pytest.mark.parametrize(("drift", "count"), [(0.0, 9), (0.2, 9), (2.0, 0)])
def test_chunks_that_ignore_the_observation(scene: Scene, drift: float, count: int) -> None:
    """The same rows at every call, although the arm sweeps, are found; rows that change are not."""
    units = drift / np.rad2deg(3.0 / 200)

    def chunk(step: int) -> Float32Array:
        rows = np.linspace([-50, 20], [50, 80], 20)
        return (rows + np.array([units * (step // 20), 0])).astype(np.float32)

    # The slow turning points of the sweep move the joints less than the threshold between two calls.
    trace = episode(scene, lambda k: (60 * np.sin(0.05 * k), 80.0 if k < 100 else 20.0), chunk)
    assert len(found(scene, trace, "ignores the observation", Thresholds(moved_state=0.5))) == count


@pytest.mark.parametrize("late", [0, 7])
def test_a_late_fault_is_found_where_it_takes_effect(scene: Scene, late: int) -> None:
    """Faulty chunks are found at the step at which they come into force, however old what they answer is."""
    trace = episode(scene, chunk=flat(0.5), late=late)
    assert [each.step for each in found(scene, trace, "flat chunk")] == list(range(0, STEPS, 20))
    trace = episode(scene, lambda k: (float(k), 50.0), lambda k: CONSTANT, late)
    assert [each.step for each in found(scene, trace, "ignores the observation")] == list(range(20, STEPS, 20))


@pytest.mark.parametrize(("late", "count"), [(0, 9), (7, 0)])
def test_what_a_late_chunk_did_not_see_it_does_not_ignore(scene: Scene, late: int, count: int) -> None:
    """An arm that is elsewhere only when the chunks arrive is ignored by chunks that answer that very moment, and not
    by those that answer an earlier one, at which it was where it always is."""
    trace = episode(scene, lambda k: (90.0 if k % 40 == 20 else 10.0, 50.0), lambda k: CONSTANT, late)
    assert len(found(scene, trace, "ignores the observation")) == count


def test_an_arm_at_rest_ignores_nothing(scene: Scene) -> None:
    """Equal chunks for equal observations are what a policy should give."""
    trace = episode(scene, lambda k: (10.0, 50.0), lambda k: CONSTANT)
    assert found(scene, trace, "ignores the observation") == []


@pytest.mark.parametrize(("pause", "count"), [(50, 0), (80, 1)])
def test_stalls(scene: Scene, pause: int, count: int) -> None:
    """An arm that rests longer than the threshold stalls once, where the rest begins; a shorter rest is none."""

    def motion(step: int) -> tuple[float, float]:
        going = step if step < 60 else max(60, step - pause)
        return going * 0.8, 50.0

    stalls = found(scene, episode(scene, motion), "stall")
    assert len(stalls) == count
    assert all(58 <= finding.step <= 60 for finding in stalls)


@pytest.mark.parametrize(("peak", "count"), [(3.9, 0), (4.2, 1)])
def test_unusual_states(scene: Scene, peak: float, count: int) -> None:
    """A joint past 4 standard deviations is found once for the whole spell, one just inside is not."""
    trace = episode(scene, lambda k: (40 + 25 * peak * np.exp(-(((k - 100) / 15) ** 2)), 40.0))
    assert len(found(scene, trace, "out-of-distribution state")) == count


@pytest.mark.parametrize(("yaw", "count"), [(100.3, 0), (103.0, 1)])
def test_saturation(scene: Scene, yaw: float, count: int) -> None:
    """A command past the actuator's limit is found; the width of the threshold past it is not."""
    trace = episode(scene, lambda k: (yaw if 50 <= k < 90 else 20.0, 40.0))
    assert [f.step for f in found(scene, trace, "action saturation")] == [50] * count


@pytest.mark.parametrize(("period", "swing", "count"), [(20, 60, True), (20, 10, False), (120, 60, False)])
def test_oscillating_grippers(scene: Scene, period: int, swing: float, count: bool) -> None:
    """A gripper that opens and closes fast and far oscillates; a small tremble or a slow cycle does not."""
    trace = episode(scene, lambda k: (60 * np.sin(0.05 * k), 50 + swing / 2 * np.sin(2 * np.pi * k / period)))
    assert bool(found(scene, trace, "oscillating gripper")) is count


@pytest.mark.parametrize(("success_at", "steps"), [(0, [0]), (1, []), (100, []), (None, [])])
def test_success_before_anything_happened(scene: Scene, success_at: int | None, steps: list[int]) -> None:
    """An episode that begins as a success is found; one that becomes it with the first step or later is not."""
    trace = episode(scene, success_at=success_at)
    assert [each.step for each in found(scene, trace, "success at step 0")] == steps


def test_findings_stay_where_they_are(scene: Scene) -> None:
    """A finding, once made, is made at the same step however much longer the episode gets: detectors never look back
    and change their mind."""

    def motion(step: int) -> tuple[float, float]:
        yaw = 160.0 if 30 <= step < 60 else 0.8 * min(step, 110)
        return yaw, 50 + 40 * np.sin(0.6 * step)

    trace = episode(scene, motion, chunk=flat(0.3), success_at=190)
    thresholds = Thresholds(stall_steps=40)
    before: set[tuple[str, int]] = set()
    for length in range(STEPS + 1):
        now = {(each.detector, each.step) for each in detect(scene, trace, length, thresholds)}
        assert before <= now
        before = now
    assert len({name for name, _ in before}) >= 5


def test_a_long_slow_episode_is_judged_at_once(scene: Scene) -> None:
    """20,000 steps of a gripper that creeps are judged within a second: a breakpoint may ask at every step."""
    trace = episode(scene, lambda k: (0.05 * k, 50.0))
    columns = {name: np.asarray(trace.column(name)) for name in ("snapshot", "time", "state", "phase", "success")}
    columns |= {name: np.asarray(trace.column(name)) for name in ("outcome", "contact", "reward")}
    grown = {name: np.resize(column, (20_001, *column.shape[1:])) for name, column in columns.items()}
    grown["tip"] = np.linspace([0, 0, 0], [4.0, 0, 0], 20_001)
    grown["action"] = np.zeros((20_000, 2), np.float32)
    long = Trace.from_columns(
        "long", scene.name, trace.policy, 0, None, (), grown, [], [], trace.settings_changes, [], [""], [""]
    )
    begin = time.perf_counter()
    assert found(scene, long, "stall") == []
    assert time.perf_counter() - begin < 1.0
