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
