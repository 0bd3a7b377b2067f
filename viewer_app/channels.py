"""The numbers of an action or of proprioception, one by one: what each is called, and in what unit a person sees it.

A joint that turns is shown in degrees, one that slides and a position in millimetres, and a number of which nobody says
what it measures as it is. Nothing here knows MuJoCo or a scene.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from viewer_app.types import Float32Array, FloatArray, frozen

DEGREES, MILLIMETRES = "deg", "mm"
_HUNDREDTH = 100.0
_SEPARATORS = "/_.- "
_LISTED = 16
"""More names than this are no help in a sentence."""


@dataclass(frozen=True)
class Channel:
    """One number of an action or of proprioception. What is shown is the number times `scale`, plus `offset`."""

    name: str
    unit: str = ""
    """Of the number itself, empty where it has none or nobody says."""
    shown_unit: str = ""
    """Of what is shown: deg, mm, or the number's own."""
    scale: float = 1.0
    """[radians, metres or nothing per unit]"""
    offset: float = 0.0
    """[radians, metres or nothing]"""
    low: float = -np.inf
    """Least that is accepted, infinite where there is no limit. [radians, metres or scene units]"""
    high: float = np.inf
    gripper: bool = False
    """Whether it says how far a gripper is open."""


class Channels:
    """All numbers of an action, or all of proprioception, in order."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self.each = tuple(channels)
        self.names = tuple(channel.name for channel in channels)
        self.units = tuple(channel.unit for channel in channels)
        """Of the scene's own numbers."""
        self.shown_units = tuple(channel.shown_unit for channel in channels)
        self._scale, self._offset, self._low, self._high = (
            frozen(np.array([getattr(channel, name) for channel in channels], np.float64))
            for name in ("scale", "offset", "low", "high")
        )
        factors = {DEGREES: float(np.rad2deg(1.0)), MILLIMETRES: 1000.0}
        self._factor = frozen(np.array([factors.get(unit, 1.0) for unit in self.shown_units]))
        self.grippers = tuple(i for i, channel in enumerate(channels) if channel.gripper)

    def __len__(self) -> int:
        return len(self.each)

    def to_shown(self, values: Float32Array) -> FloatArray:
        """Scene units as a person sees them, unclipped. Shape (..., n)."""
        return self._targets(values) * self._factor

    def per_shown(self, values: FloatArray) -> FloatArray:
        """Differences in shown units, in scene units. Shape (..., n)."""
        return np.asarray(values / (self._scale * self._factor), np.float64)

    def cut(self, values: Float32Array) -> FloatArray:
        """What limits cut off, below 0 at the lower one, in shown units. Shape (..., n)."""
        targets = self._targets(values)
        return targets * self._factor - np.clip(targets, self._low, self._high) * self._factor

    def opening(self, values: Float32Array) -> FloatArray:
        """What the grippers are told, in [%] of their range. Shape (rows, number of grippers)."""
        low, high = (
            np.array([end if self.units[i] != "0..100" else plain for i, end in zip(self.grippers, ends, strict=True)])
            for plain, ends in ((0.0, self.reach[0, list(self.grippers)]), (100.0, self.reach[1, list(self.grippers)]))
        )
        return np.asarray(100 * (values[:, list(self.grippers)] - low) / (high - low), np.float64)

    @cached_property
    def reach(self) -> Float32Array:
        """The least and the most that is accepted, in scene units, infinite where there is no limit. Shape (2, n)."""
        ends: FloatArray = np.sort((np.stack([self._low, self._high]) - self._offset) / self._scale, axis=0)
        return frozen(ends.astype(np.float32))

    @cached_property
    def leading(self) -> NDArray[np.int64]:
        """Those over which one figure about all can be: the most that are shown in the same unit, and in one at all.

        Of as many, those that come first.
        """
        known = Counter(unit for unit in self.shown_units if unit)
        unit = known.most_common(1)[0][0] if known else ""
        return frozen(np.flatnonzero(np.array(self.shown_units) == unit).astype(np.int64))

    @property
    def leading_unit(self) -> str:
        """The unit of `leading`, empty where they have none."""
        return self.shown_units[self.leading[0]] if len(self.leading) else ""

    def amounts(self, shown: FloatArray) -> FloatArray:
        """Sizes of what is shown that can be held against one another, and against a threshold in degrees or
        millimetres: of a number without a unit, such as a quaternion's, a hundredth counts as one. Shape (..., n)."""
        return np.asarray(np.abs(shown) * np.where(np.array(self.shown_units) == "", _HUNDREDTH, 1.0))

    def says(self, channel: int, shown: float, sign: bool = False) -> str:
        """What is shown of one, with its unit."""
        unit = self.shown_units[channel]
        plus = "+" if sign else ""
        return f"{shown + 0.0:{plus}.1f} {unit}" if unit else f"{shown + 0.0:{plus}.3g}"

    def bracketed(self, channel: int) -> str:
        """The unit in which one is shown, to be put after a name; empty where it has none."""
        return f" [{self.shown_units[channel]}]" if self.shown_units[channel] else ""

    def _targets(self, values: Float32Array) -> FloatArray:
        return np.asarray(values, np.float64) * self._scale + self._offset


def without_prefix(names: Sequence[str]) -> tuple[str, ...]:
    """Names without what all of them begin with, up to a separator: `arm/waist`, `arm/elbow` is `waist`, `elbow`."""
    if len(names) < 2:
        return tuple(names)
    first, last = min(names), max(names)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    cut = max((first.rfind(mark, 0, same) for mark in _SEPARATORS), default=-1) + 1
    return tuple(name[cut:] for name in names)


def named(figure: str, unit: str) -> str:
    """Name of a figure that says its unit, where it has one: `l1_deg`."""
    return f"{figure}_{unit}" if unit else figure


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, the last of very many left out."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
