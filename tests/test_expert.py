"""Laws of the scripted expert that the demo checkpoints are trained on."""

from __future__ import annotations

import numpy as np
import pytest

from policies.training.expert import PAN_AXIS_X, Planner, Style, grasp_yaw, run
from viewer_app.scene import Scene
from viewer_app.world import MujocoWorld


@pytest.fixture(scope="module")
def world() -> MujocoWorld:
    return MujocoWorld(Scene.load("so101"))


@pytest.fixture(scope="module")
def planner(world: MujocoWorld) -> Planner:
    return Planner(world.scene)


def test_the_expert_succeeds(world: MujocoWorld, planner: Planner) -> None:
    """With its natural variation, the expert succeeds in at least 95 % of episodes over the whole spawn region."""
    outcomes = []
    for seed in range(40):
        rng = np.random.default_rng([seed, 1])
        outcomes.append(run(world, planner, seed, Style.drawn(rng), rng))
    assert outcomes.count("success") >= 38, outcomes


def test_the_plan_is_a_function_of_seed_and_style(world: MujocoWorld, planner: Planner) -> None:
    """The same start and style give the same joint targets, to the bit."""
    world.reset(7)
    first = planner.plan(world, Style())
    world.reset(8)
    planner.plan(world, Style())
    world.reset(7)
    np.testing.assert_array_equal(planner.plan(world, Style()), first)


@pytest.mark.parametrize("block_yaw", np.deg2rad([-180, -100, -46, 0, 44, 90, 135, 179]))
def test_any_rotation_can_be_taken(block_yaw: float) -> None:
    """The grasp is square to the block and never needs more than 45 degrees of wrist roll."""
    xy = np.array([0.22, -0.04])
    yaw = grasp_yaw(xy, float(block_yaw))
    straight = np.arctan2(xy[1], xy[0] - PAN_AXIS_X)
    assert abs(yaw - straight) <= np.pi / 4 + 1e-9
    assert np.sin(2 * (yaw - block_yaw)) == pytest.approx(0, abs=1e-9)
