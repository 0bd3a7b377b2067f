"""The world: seeded starts, exact snapshots, and a simulation that blows up without taking the session with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.scenes import MODEL, write_scene
from viewer_app.scene import Scene
from viewer_app.types import PhysicsError, WhiskersError
from viewer_app.world import MujocoWorld

pytestmark = pytest.mark.core


@pytest.fixture
def world(tmp_path: Path) -> MujocoWorld:
    return MujocoWorld(Scene.load(write_scene(tmp_path)))


def swing(world: MujocoWorld, steps: int, begin: int = 0) -> None:
    for k in range(begin, begin + steps):
        world.step(np.array([60 * np.sin(0.2 * k), 30 * np.cos(0.3 * k)], np.float32))


def test_a_seed_is_a_start(world: MujocoWorld) -> None:
    """The same seed gives the same start to the bit, another seed another."""
    world.reset(7)
    first = world.snapshot()
    swing(world, 10)
    world.reset(7)
    assert np.array_equal(world.snapshot(), first)
    world.reset(8)
    assert not np.array_equal(world.snapshot(), first)


def test_restore_is_exact(world: MujocoWorld) -> None:
    """From a restored snapshot the same actions lead to the same numbers, in this world and in another one."""
    swing(world, 15)
    middle = world.snapshot()
    swing(world, 25, 15)
    end = world.snapshot()
    world.restore(middle)
    assert np.array_equal(world.snapshot(), middle)
    swing(world, 25, 15)
    assert np.array_equal(world.snapshot(), end)
    twin = MujocoWorld(world.scene)
    twin.restore(middle)
    swing(twin, 25, 15)
    assert np.array_equal(twin.snapshot(), end)


def test_readings_change_nothing(world: MujocoWorld) -> None:
    """Looking at a world does not change its future."""
    twin = MujocoWorld(world.scene)
    for k in range(20):
        twin.readings()
        twin.snapshot()
        swing(world, 1, k)
        swing(twin, 1, k)
    assert np.array_equal(world.snapshot(), twin.snapshot())


def test_the_tip_is_where_the_joints_are(world: MujocoWorld) -> None:
    """The tip that is read belongs to the joint positions that are read, not to the substep before."""
    swing(world, 9)
    readings = world.readings()
    yaw, pitch = np.deg2rad(world.scene.to_degrees(readings.state))
    reach = 0.2 + 0.12 * np.cos(pitch)
    expected = [reach * np.cos(yaw), reach * np.sin(yaw), 0.1 - 0.12 * np.sin(pitch)]
    np.testing.assert_allclose(readings.tip_in_world, expected, atol=1e-6)


def test_a_blow_up_leaves_the_last_good_state(tmp_path: Path) -> None:
    """When numbers stop being finite the step is refused in one sentence and the world is where it was."""
    model = MODEL.replace('joint="pitch" kp="20"', 'joint="pitch" kp="1e14"').replace('integrator="implicitfast"', "")
    world = MujocoWorld(Scene.load(write_scene(tmp_path, model=model)))
    before = [world.snapshot()]

    def step_on() -> None:
        for _ in range(60):
            world.step(np.array([0, 40], np.float32))
            before.append(world.snapshot())

    with pytest.raises(PhysicsError, match="blew up"):
        step_on()
    assert np.isfinite(before[-1]).all()
    assert np.array_equal(world.snapshot(), before[-1])


@pytest.mark.parametrize("action", [[0.0], [0.0, np.nan], [np.inf, 0.0]])
def test_an_impossible_action_is_refused(world: MujocoWorld, action: list[float]) -> None:
    """An action of the wrong size, or one that is not finite, is refused before it reaches the simulation."""
    before = world.snapshot()
    with pytest.raises(WhiskersError):
        world.step(np.array(action, np.float32))
    assert np.array_equal(world.snapshot(), before)
