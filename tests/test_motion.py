"""Measures of motion, on motions whose lag, seams and accelerations are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from viewer_app.smoothness import smoothness_of
from viewer_app.tracking import tracking_of

pytestmark = pytest.mark.core


@pytest.mark.parametrize("lag", [0, 1, 4, 11])
def test_a_planted_lag_is_found(lag: int) -> None:
    """A joint that does what it is told `lag` steps later has that lag, and its error is that of the shift."""
    time = np.arange(200)
    commanded = 20 * np.sin(0.17 * time) + 5 * np.sin(0.41 * time)
    follow = np.concatenate([np.full(lag, commanded[0]), commanded])[:200]
    found = tracking_of(commanded, np.concatenate([[commanded[0]], follow]))
    assert found.lag == lag
    assert found.rms == pytest.approx(np.sqrt(np.mean((follow - commanded) ** 2)))


def test_a_joint_at_rest_has_no_lag() -> None:
    """Where nothing moves there is no lag to tell."""
    assert tracking_of(np.full(100, 3.0), np.full(101, 3.5)).lag == -1
    assert tracking_of(np.full(100, 3.0), np.full(101, 3.5)).largest == pytest.approx(0.5)


def test_a_parabola_is_uniform() -> None:
    """Constant acceleration has U_a 0, no jerk, and a spike ratio of 1."""
    time = np.arange(60.0)
    angles = np.stack([0.1 * time**2, -0.05 * time**2], axis=1)
    tips = np.stack([0.001 * time**2, time, time], axis=1) * 1e-3
    measured = smoothness_of(angles, tips, [20, 40])
    assert measured.uniformity == pytest.approx(0, abs=1e-18)
    assert measured.jerk == pytest.approx(0, abs=1e-9)
    assert measured.spike_ratio == pytest.approx(1)


def test_a_jump_at_a_seam_is_a_spike() -> None:
    """A jump where a chunk begins raises the ratio; the same jump in the middle of a chunk lowers it."""
    time = np.arange(100.0)
    smooth = 10 * np.sin(0.1 * time)[:, None]
    jumped = smooth + 3 * (time >= 50)[:, None]
    tips = np.zeros((101, 3))
    assert smoothness_of(jumped, tips, [50]).spike_ratio > 10
    assert smoothness_of(jumped, tips, [25]).spike_ratio < 1
    assert smoothness_of(smooth, tips, [50]).spike_ratio < 1.7


def test_u_a_is_the_worst_joint() -> None:
    """U_a is the variance of the acceleration of the joint that is worst."""
    rng = np.random.default_rng(0)
    angles = np.stack([rng.normal(size=300), 5 * rng.normal(size=300)], axis=1)
    worst = np.diff(angles[:, 1], n=2).var(ddof=1)
    assert smoothness_of(angles, np.zeros((301, 3)), []).uniformity == pytest.approx(worst)


@pytest.mark.parametrize(("offset", "counts"), [(-3, False), (-2, True), (0, True), (2, True), (3, False)])
def test_a_seam_is_five_steps_wide(offset: int, counts: bool) -> None:
    """An acceleration that becomes known within two steps of a chunk boundary belongs to the seam, farther ones do not:
    with all of it at one step the ratio is infinite or zero."""
    time = np.arange(100.0)
    kink = np.maximum(time - (49 + offset), 0)[:, None]
    ratio = smoothness_of(kink, np.zeros((101, 3)), [50]).spike_ratio
    assert ratio == (np.inf if counts else 0.0)


def test_a_robot_at_rest_has_no_spike_ratio() -> None:
    """Where nothing is accelerated there is nothing to compare."""
    assert np.isnan(smoothness_of(np.zeros((60, 2)), np.zeros((61, 3)), [30]).spike_ratio)


def test_jerk_is_the_third_difference() -> None:
    """An end effector on x = c k^3 has jerk 6 c everywhere, in millimetres a step cubed."""
    time = np.arange(40.0)
    tips = np.stack([2e-6 * time**3, 0 * time, 0.1 + 0 * time], axis=1)
    assert smoothness_of(np.zeros((39, 1)), tips, []).jerk == pytest.approx(6 * 2e-3)


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_too_short_to_tell(steps: int) -> None:
    """Before there are enough steps a measure is not a number, rather than a made-up one."""
    measured = smoothness_of(np.zeros((steps, 2)), np.zeros((steps + 1, 3)), [])
    assert np.isnan(measured.spike_ratio)
    assert np.isnan(measured.uniformity)
    assert np.isnan(measured.jerk) == (steps < 3)
    assert tracking_of(np.zeros(steps), np.zeros(steps + 1)).lag == -1


@pytest.mark.parametrize("seed", range(5))
def test_noise_does_not_hide_the_lag(seed: int) -> None:
    """Sensor noise a twentieth of the motion leaves the lag as it is."""
    rng = np.random.default_rng(seed)
    commanded = np.cumsum(rng.normal(size=300)) * 2
    measured = np.concatenate([np.full(7, commanded[0]), commanded])[:301] + rng.normal(0, 0.1, 301)
    assert tracking_of(commanded, measured).lag == 6
