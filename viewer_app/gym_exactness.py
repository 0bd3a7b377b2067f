"""How exactly an environment can be rewound, measured by going the same way twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from viewer_app.gym_world import GymWorld
from viewer_app.types import Float32Array, FloatArray


@dataclass(frozen=True)
class Exactness:
    """The largest difference that was found between two ways from one moment, in any number of the physics state, the
    proprioception and the reward, in those numbers' own units. 0.0 is exact."""

    remembered: float
    """From a snapshot that the world remembers whole: rewinding in the session that made it."""
    recorded: float
    """From the numbers alone: going on from a recording."""
    steps: int
    """How long the ways were, in control steps."""

    def __str__(self) -> str:
        return f"rewound {_in_words(self.remembered)}, from a recording {_in_words(self.recorded)}"


def measure(world: GymWorld, seed: int = 0, steps: int = 20) -> Exactness:
    """Go a way of random actions twice from a moment in the middle of an episode. Leaves the world somewhere on it.

    Args:
        world: In which it is done; nobody else's.
        seed: Of the episode and of the actions.
        steps: How long the way is after the moment, and before it.
    """
    low, high = (np.clip(each, -1, 1) for each in world.environment.action_bounds)
    actions = np.random.default_rng(seed).uniform(low, high, (2 * steps, len(low))).astype(np.float32)
    world.reset(seed)
    for action in actions[:steps]:
        world.step(action)
    moment = world.snapshot()
    first = _way(world, actions[steps:])
    world.restore(moment)
    again = _way(world, actions[steps:])
    world.forget()
    world.restore(moment)
    recorded = _way(world, actions[steps:])
    return Exactness(float(np.abs(again - first).max()), float(np.abs(recorded - first).max()), steps)


def _way(world: GymWorld, actions: Float32Array) -> FloatArray:
    """All that the world says on the way. Shape (steps, numbers)."""
    rows = []
    for action in actions:
        world.step(action)
        readings = world.readings()
        rows.append(np.concatenate([world.snapshot(), readings.state, [readings.reward]]))
    return np.array(rows)


def _in_words(difference: float) -> str:
    return "exactly" if difference == 0.0 else f"approximately (off by up to {difference:.2g} after some steps)"
