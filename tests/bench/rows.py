"""A row of the benchmark table, and how two ways of doing the same are timed fairly."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One figure."""

    name: str
    value: float
    unit: str
    against: str
    """What the value is measured against, with its figure."""
    goal: float | None
    """The value may not be above this; None where the figure is only told."""

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.value <= self.goal

    def to_plain(self) -> dict[str, object]:
        """The JSON object of `whiskers bench --json`."""
        return {**asdict(self), "met": self.met}


@dataclass(frozen=True)
class Compared:
    """Two ways of doing the same, timed in turns."""

    ours: float
    """Median. [s]"""
    bare: float
    """Median. [s]"""
    ratio: float
    """Median of the ratios of the pairs, so that a machine that slows down meanwhile slows both."""


def compare(ours: Callable[[int], None], bare: Callable[[int], None], pairs: int) -> Compared:
    """Time two functions in turns, after one untimed turn each.

    Args:
        ours, bare: Take the number of the pair.
        pairs: How many turns each gets. Who goes first alternates.
    """
    ours(0)
    bare(0)
    times: list[tuple[float, float]] = []
    for pair in range(pairs):
        if pair % 2:
            second = _timed(bare, pair)
            times.append((_timed(ours, pair), second))
        else:
            times.append((_timed(ours, pair), _timed(bare, pair)))
    return Compared(
        ours=statistics.median(a for a, _ in times),
        bare=statistics.median(b for _, b in times),
        ratio=statistics.median(a / b for a, b in times),
    )


def _timed(function: Callable[[int], None], pair: int) -> float:
    begin = time.perf_counter()
    function(pair)
    return time.perf_counter() - begin
