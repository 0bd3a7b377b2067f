"""What is known of an environment's moments, shared by its world and the world's scratch twins on whatever thread."""

from __future__ import annotations

import hashlib
import weakref
from collections import deque
from dataclasses import dataclass

import numpy as np

from viewer_app.gym_whole import Whole
from viewer_app.memory import Shelf
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, FloatArray, Force

_WHOLES = 64 << 20
"""How much the moments may take that are remembered whole: some 2,000 of them. [bytes]"""
_ROLLS = 32 << 20
"""How much finished rolls may take. [bytes]"""
_RECENT = 16
"""How many finished rolls a world may be on."""
_STEPS = 2
"""Where in a snapshot the number of steps since the reset is, as `GymWorld.numbers` lays it out."""


@dataclass(frozen=True)
class Rolled:
    """A way of an environment, as far as it was gone. Row 0 is where it began."""

    marks: tuple[bytes, ...]
    """What each moment's snapshot is found by. At most one more than actions."""
    points: FloatArray
    """Of all sites of the model, in the world frame. Shape (rows, sites, 3). [m]"""
    turns: Float32Array
    """Their x, y and z axes in the world frame, as columns. Shape (rows, sites, 3, 3)."""
    caveat: str = ""
    """What is approximate about where it began."""

    @property
    def nbytes(self) -> int:
        return self.points.nbytes + self.turns.nbytes + 64 * len(self.marks)

    def after(self, row: int) -> Rolled:
        """The way from a row on."""
        return Rolled(self.marks[row:], self.points[row:], self.turns[row:], self.caveat)


@dataclass(frozen=True)
class Finished:
    """A roll, and what was done in it."""

    actions: Float32Array
    """Shape (H, n)."""
    pushes: tuple[tuple[Force, ...], ...]
    """What pushed in each row, H of them."""
    rolled: Rolled


@dataclass(frozen=True)
class Exactness:
    """The largest difference that was found between two ways from one moment, in any number of the physics state, the
    proprioception and the reward, in those numbers' own units. 0.0 is exact."""

    remembered: float
    """From a snapshot that the world remembers whole: rewinding in the session that made it."""
    replayed: float
    """From the episode's reset, by the same actions: going on from a recording."""
    recorded: float
    """From the physics state alone: going on from a recording that such a replay does not come to."""
    steps: int
    """How long the ways were, in control steps."""

    def to_plain(self) -> dict[str, object]:
        """As `whiskers run --json` says it."""
        return {
            "remembered": self.remembered,
            "replayed": self.replayed,
            "recorded": self.recorded,
            "steps": self.steps,
            "words": str(self),
        }

    def __str__(self) -> str:
        return f"rewind: {self._in_words(self.remembered)}; from a recording: {self._in_words(self.replayed)}"

    def _in_words(self, difference: float) -> str:
        if difference == 0.0:
            return "exact"
        return f"approximate (off by up to {difference:.2g} after {self.steps} steps)"


class Moments:
    """Wholes by snapshot, and the traces that say how a moment that is not remembered came about.

    One for all worlds and twins of a scene, on whatever thread they are.
    """

    def __init__(self, budget: int = _WHOLES) -> None:
        """
        Args:
            budget: The most that the wholes may take. [bytes]
        """
        self.wholes: Shelf[Whole] = Shelf(budget)
        self.rolls: Shelf[Rolled] = Shelf(_ROLLS)
        """By where they began, and what was done."""
        self.recent: deque[Finished] = deque(maxlen=_RECENT)
        """Those that were finished last: a world may be on one of them."""
        self.exactness: Exactness | None = None
        """Of the environment, once somebody measured it."""
        self.lost: set[bytes] = set()
        """Recorded moments that going the way again did not lead to."""
        self._traces: dict[int, weakref.ref[Trace]] = {}

    def know(self, trace: Trace) -> None:
        """Remember that a trace says the way to its moments."""
        known = self._traces.get(id(trace))
        if known is None or known() is not trace:
            self._traces[id(trace)] = weakref.ref(trace)

    def way_to(self, snapshot: FloatArray) -> tuple[Trace, int] | None:
        """A trace that a moment is in, and the step at which it is, None where no trace is known that it is in."""
        step = int(snapshot[_STEPS])
        for key, reference in list(self._traces.items()):
            trace = reference()
            if trace is None:
                self._traces.pop(key, None)
            elif 0 <= step <= len(trace) and np.array_equal(trace.snapshot(step), snapshot, equal_nan=True):
                return trace, step
        return None


_KNOWN: weakref.WeakKeyDictionary[Scene, Moments] = weakref.WeakKeyDictionary()


def moments_of(scene: Scene) -> Moments:
    """The moments of a scene's environment: the same for all who hold that very scene."""
    return _KNOWN.setdefault(scene, Moments())


def key_of(snapshot: FloatArray) -> bytes:
    """What a snapshot is found by."""
    return hashlib.blake2b(snapshot.tobytes(), digest_size=16).digest()
