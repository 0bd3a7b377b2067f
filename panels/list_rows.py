"""Rows of a list to jump from, and which of them are in sight. Data, without a window."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One row."""

    step: int
    """Where a click goes."""
    cells: tuple[str, ...]
    """One a column."""
    note: str = ""
    """Below them, wrapped."""


def last_at(steps: Sequence[int], step: int) -> int | None:
    """Number of the last of ascending steps that is not after `step`, None where all are."""
    found = bisect_right(steps, step) - 1
    return found if found >= 0 else None


def rows_in_sight(edges: Sequence[int], scroll: float, height: float) -> range:
    """Numbers of the rows of which anything is in sight.

    Args:
        edges: Upper edge of each row, then the lower edge of the last one, ascending from 0. [px]
        scroll: How far the list is scrolled down. [px]
        height: Of what is in sight. [px]
    """
    first = max(bisect_right(edges, scroll) - 1, 0)
    return range(first, min(bisect_left(edges, scroll + height), len(edges) - 1))
