"""How exactly an environment can be rewound, measured by going the same way several times."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from viewer_app.gym_moments import Exactness, Moments
from viewer_app.gym_world import GymWorld
from viewer_app.types import Float32Array, FloatArray, WhiskersError


def exactness_of(world: GymWorld) -> Exactness | None:
    """What `measure` finds, beside whatever the world remembers, which stays; None where the environment raises on the
    way, of which whoever goes that way is told. Leaves the world somewhere.

    Args:
        world: In which it is done, if nobody did it in a world of the same scene.
    """
    moments = world.moments
    if moments.exactness is None:
        world.moments = Moments()
        with suppress(WhiskersError):
            moments.exactness = measure(world)
        world.moments = moments
    return moments.exactness


def measure(world: GymWorld, seed: int = 0, steps: int = 20) -> Exactness:
    """Go a way of random actions again from a moment in the middle of an episode, and from its reset. Leaves the world
    somewhere on it, and remembers nothing.

    Args:
        world: In which it is done; nobody else's, with a memory that is nobody else's.
        seed: Of the episode and of the actions.
        steps: How long the way is after the moment, and before it.

    Raises:
        WhiskersError: If the environment raises.
    """
    actions = world.environment.random_actions(np.random.default_rng(seed), 2 * steps)
    before = _from_reset(world, seed, actions[:steps])
    moment = world.snapshot()
    after = _way(world, actions[steps:])
    world.restore(moment)
    remembered = _apart(after, _way(world, actions[steps:]))
    world.forget()
    world.restore(moment)
    recorded = _apart(after, _way(world, actions[steps:]))
    replayed = _apart(np.concatenate([before, after]), _from_reset(world, seed, actions))
    world.forget()
    return Exactness(remembered, replayed, recorded, steps)


def _from_reset(world: GymWorld, seed: int, actions: Float32Array) -> FloatArray:
    world.reset(seed)
    return _way(world, actions)


def _way(world: GymWorld, actions: Float32Array) -> FloatArray:
    """All that the world says on the way. Shape (steps, numbers)."""
    rows = []
    for action in actions:
        world.advance(action)
        readings = world.readings()
        rows.append(np.concatenate([world.numbers(), readings.state, [readings.reward]]))
    return np.array(rows)


def _apart(one: FloatArray, other: FloatArray) -> float:
    return float(np.abs(other - one).max())
