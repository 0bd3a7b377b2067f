"""The temporal ensemble's weights: as bars over the members' ages, and the slider that chooses their coefficient."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from viewer_app.types import Float32Array

MOST = 0.5
"""Largest coefficient that the slider reaches, either way."""


class Convention(StrEnum):
    """Which chunk the weights' exponent counts from."""

    LEROBOT = "LeRobot: w = exp(-c i), i = 0 the oldest"
    SEEDS = "seed scripts: i = 0 the newest (= LeRobot's with -c)"

    def converted(self, coefficient: float) -> float:
        """A coefficient from this convention to LeRobot's, and the same back."""
        # Adding 0 makes the negative zero a plain one.
        return coefficient if self is Convention.LEROBOT else -coefficient + 0.0


def to_coefficient(position: float) -> float:
    """The coefficient at a slider's position in [-1, 1]. It grows with the square, so that small ones can be set."""
    return round(MOST * position * abs(position), 4) + 0.0


def to_position(coefficient: float) -> float:
    """The slider's position of a coefficient; beyond `MOST` at its end."""
    share = min(abs(coefficient) / MOST, 1.0)
    return float(np.sign(coefficient) * np.sqrt(share))


def bars(ages: Sequence[int], weights: Sequence[float], width: int) -> list[tuple[int, int, float]]:
    """Left edge, right edge [px] and height (of the highest bar's) of each member's bar.

    The axis is age: the oldest member at the left edge, age 0 at the right one. An age without a member stays empty.

    Args:
        ages: Of the members. [control steps]
        weights: Their shares, in the same order.
        width: Of the drawing. [px]
    """
    if not ages:
        return []
    oldest, most = max(ages), max(weights)
    slots = oldest + 1
    gap = 1 if width >= 4 * slots else 0
    found = []
    for age, weight in zip(ages, weights, strict=True):
        left = (oldest - age) * width // slots
        right = max((oldest - age + 1) * width // slots - gap, left + 1)
        found.append((left, right, weight / most if most > 0 else 0.0))
    return found


def member_at(ages: Sequence[int], x: float, width: int) -> int | None:
    """Which member's bar, as an index, stands at a place of the drawing. None where there is none.

    Args:
        ages: Of the members. [control steps]
        x: From the left edge. [px]
        width: Of the drawing. [px]
    """
    if not ages or not 0 <= x < width:
        return None
    age = max(ages) - int(x * (max(ages) + 1) / width)
    return next((index for index, each in enumerate(ages) if each == age), None)


def paint_bars(
    ages: Sequence[int],
    weights: Sequence[float],
    pixels: Float32Array,
    bar: Float32Array,
    newest: Float32Array,
    ground: Float32Array,
) -> None:
    """Paint the bars, at least a pixel high each.

    Args:
        ages: Of the members. [control steps]
        weights: Their shares, in the same order.
        pixels: Painted over. Shape (height, width, 4).
        bar: Colour of the bars. Shape (4,).
        newest: Colour of the youngest member's bar. Shape (4,).
        ground: Colour of what is empty. Shape (4,).
    """
    pixels[:] = ground
    height, width, _ = pixels.shape
    for age, (left, right, share) in zip(ages, bars(ages, weights, width), strict=True):
        top = height - max(round(share * height), 1)
        pixels[top:, left:right] = newest if age == min(ages) else bar


def weighing_words(ages: Sequence[int], weights: Sequence[float]) -> str:
    """Which end of the ensemble weighs most, and how much more.

    Args:
        ages: Of the members, oldest first. [control steps]
        weights: Their shares, in the same order.
    """
    if len(ages) < 2:
        return "one member: nothing to weigh"
    old, new = weights[0], weights[-1]
    ratio = max(old, new) / max(min(old, new), 1e-30)
    if ratio < 1.0005:
        return "all weigh alike"
    more, less = ("oldest", "newest") if old > new else ("newest", "oldest")
    times = f"{ratio:.3g}" if ratio < 1000 else "over 1000"
    return f"the {more} weighs {times} times the {less}"
