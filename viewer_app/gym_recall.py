"""The way to a moment that an environment does not remember, gone again: the actions of a trace, from the reset or from
the newest moment before it that is remembered. Everything that was done to the episode on the way is done again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from viewer_app.gym_moments import Moments, key_of
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, FloatArray, Force, Positions, WhiskersError

_REWARD, _SEED = 5, 6
"""Where in a snapshot the reward and the seed are. What comes before is about the outcome, after it the physics state.
"""


class Walker(Protocol):
    """A world that can go a way again. See `gym_world.GymWorld`, which is one."""

    moments: Moments

    def reset(self, seed: int) -> None: ...

    def restore(self, snapshot: FloatArray) -> None: ...

    def advance(self, action: Float32Array, forces: Sequence[Force]) -> None: ...

    def place(self, positions: Positions) -> None: ...

    def overwrite(self, snapshot: FloatArray) -> None: ...

    def derive(self) -> None: ...

    def numbers(self) -> FloatArray: ...

    def remember(self, key: bytes) -> None: ...


def go(world: Walker, trace: Trace, step: int, stop: Callable[[], bool]) -> int | None:
    """Go to a step of a trace, and remember each moment on the way.

    Args:
        world: Afterwards it is somewhere on the way.
        trace: Of the world's scene.
        step: Where to.
        stop: Asked after each step whether to leave it for later.

    Returns:
        The step at which the recording says something else, or `step` where the way was gone to the end; None where
        it was left for later.
    """
    wholes, lost = world.moments.wholes, world.moments.lost
    keys = [key_of(trace.snapshot(k)) for k in range(step + 1)]
    begin = next((k for k in range(step, -1, -1) if keys[k] in wholes), -1)
    known = next((k for k in range(begin + 1, step + 1) if keys[k] in lost), None)
    if known is not None:
        return known
    if begin >= 0:
        world.restore(trace.snapshot(begin))
    for k in range(begin + 1, step + 1):
        if not _reaches(world, trace, k):
            lost.add(keys[k])
            return k
        world.remember(keys[k])
        if k < step and stop():
            return None
    return step


def _reaches(world: Walker, trace: Trace, step: int) -> bool:
    """Take the step that leads to one of a trace; 0 is the reset. Returns whether the world is there then."""
    try:
        if step:
            action = np.asarray(trace.column("action"), np.float32)[step - 1]
            world.advance(action, trace.forces_at(step - 1))
        else:
            world.reset(int(trace.snapshot(0)[_SEED]))
        if _is_at(world, trace, step):
            return True
        for interfere in _interventions(world, trace, step):
            interfere()
            if _is_at(world, trace, step):
                return True
    except WhiskersError:
        return False
    return False


def _is_at(world: Walker, trace: Trace, step: int) -> bool:
    """Whether a world is at a trace's step, the outcome aside, which depends on the limit of steps."""
    return np.array_equal(world.numbers()[_REWARD:], trace.snapshot(step)[_REWARD:], equal_nan=True)


def _interventions(world: Walker, trace: Trace, step: int) -> Iterator[Callable[[], None]]:
    """What may have been done at a step, to be done one after the other."""
    start = trace.settings_at(0).start
    if step == 0 and start is not None:
        yield lambda: world.place(start)
    for positions in trace.placed_at(step):
        yield lambda positions=positions: world.place(positions)  # type: ignore[misc]
    if any(event.step == step and event.placed is not None for event in trace.events):
        # Something moved and put back: its numbers, without and with what is derived from them.
        yield lambda: world.overwrite(trace.snapshot(step))
        yield world.derive
