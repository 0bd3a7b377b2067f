"""Detectors, on episodes with one planted fault and on near misses of it."""

from __future__ import annotations

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
Motion = Callable[[int], tuple[float, float]]
"""Control step to (yaw [% of range], gripper [0, 100])."""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """The plotter, its second joint called a gripper by its unit."""
    return Scene.load(write_scene(tmp_path, SPEC.replace('unit = "degrees"', 'unit = "range_0_100"')))


def sweep(step: int) -> tuple[float, float]:
    """A motion in which nothing is wrong: yaw sweeps, the gripper closes once."""
    return 60 * np.sin(0.05 * step), 80.0 if step < 100 else 20.0


def episode(scene: Scene, motion: Motion = sweep, chunk: Callable[[int], Float32Array] | None = None) -> Trace:
    """A trace in which the robot does exactly what it is told; chunks of 20 rows."""
    info = Wave(scene).info
    info = PolicyInfo(
        **{**info.__dict__, "state_scale": Scale("mean_std", np.full(2, 25, np.float32), np.full(2, 40, np.float32))}
    )

    def readings(step: int) -> Readings:
        yaw, gripper = motion(step)
        angle = np.deg2rad(yaw)
        tip = np.array([0.3 * np.cos(angle), 0.3 * np.sin(angle), 0.1])
        return Readings(step / 30, np.array([yaw, gripper], np.float32), tip, "", "", False, False)

    trace = Trace("t", scene.name, info, 0, Settings(FirstN(20)), np.zeros(4), readings(0))
    for step in range(STEPS):
        rows = np.array([motion(k) for k in range(step, step + 20)], np.float32)
        asked = ActionChunk(step, rows if chunk is None else chunk(step), 0) if step % 20 == 0 else None
        trace.append(np.array(motion(step), np.float32), asked, np.zeros(4), readings(step + 1))
    return trace


def found(scene: Scene, trace: Trace, name: str, thresholds: Thresholds | None = None) -> list[Finding]:
    every = detect(scene, trace, len(trace), thresholds or Thresholds())
    return [finding for finding in every if finding.detector == name]


def test_a_good_episode_has_no_findings(scene: Scene) -> None:
    """An ordinary motion of an ordinary policy is worth no alarm."""
    assert detect(scene, episode(scene), STEPS, Thresholds(state_sigma=5)) == []


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


def test_an_arm_at_rest_ignores_nothing(scene: Scene) -> None:
    """Equal chunks for equal observations are what a policy should give."""
    trace = episode(scene, lambda k: (10.0, 50.0), lambda k: np.linspace([0, 0], [50, 80], 20, dtype=np.float32))
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


@pytest.mark.parametrize(("peak", "count"), [(2.9, 0), (3.2, 1)])
def test_unusual_states(scene: Scene, peak: float, count: int) -> None:
    """A joint past 3 standard deviations is found once for the whole spell, one just inside is not."""
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
