"""One moment of an environment as a whole: all that decides its future, taken from it and given back to it.

A snapshot says the physics state; a whole says the rest too: what MuJoCo derived from the state before, which
controllers read, what was drawn into the model at reset, and what the environment keeps in Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from viewer_app.gym_attributes import Attributes
from viewer_app.gym_environment import Environment, fixed_fields
from viewer_app.gym_seen import Seen
from viewer_app.types import frozen

_ATTRIBUTE = 64
"""About what an attribute takes besides an array's numbers. [bytes]"""
_DRAWN = ("body_", "jnt_", "dof_", "geom_", "site_", "cam_", "light_", "mat_", "eq_", "tendon_", "actuator_", "qpos")
"""How the model's arrays begin that environments write to at a reset. Meshes and textures are not among them."""
_FOR_SHOW = "bvh_active"
"""Of MuJoCo's data: large, and only looked at."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Whole:
    """One moment of an environment. Holds what differs from a base that all moments share."""

    changes: tuple[tuple[Bytes, NDArray[np.uint32], NDArray[np.uint64]], ...]
    """For each stretch of memory: the base, which of its words of eight bytes differ, and what they are."""
    attributes: Attributes
    """Of the environment's Python objects."""
    seen: Seen
    """What the environment said last."""
    caveat: str = ""
    """What is approximate about it, as it follows from a moment that was restored only approximately."""

    @property
    def nbytes(self) -> int:
        """What it takes without the base. [bytes]"""
        values = self.attributes.values()
        attributes = sum(_ATTRIBUTE + (each.nbytes if isinstance(each, np.ndarray) else 0) for each in values)
        return attributes + sum(which.nbytes + words.nbytes for _, which, words in self.changes)


class Keeper:
    """Takes wholes of one environment, and makes it become them. One per environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        model = environment.model
        drawn = [getattr(model, name) for name in dir(model) if name.startswith(_DRAWN)]
        wanted = [each for each in fixed_fields(environment.data) if not _overlap(each, environment.data)]
        self._stretches = [*_stretches(wanted), *_stretches(each for each in drawn if isinstance(each, np.ndarray))]
        # Copies that never change: wholes of other keepers refer to theirs.
        self._base = [frozen(each) for each in self._stretches]

    def take(self, seen: Seen, caveat: str) -> Whole:
        """The environment as it is now.

        Args:
            seen: What it said last.
            caveat: As in `Whole`.
        """
        changes = []
        for now, base in zip(self._stretches, self._base, strict=True):
            words, before = now.view(np.uint64), base.view(np.uint64)
            which = np.flatnonzero(words != before)
            changes.append((base, which.astype(np.uint32), words[which]))
        return Whole(tuple(changes), self._environment.attributes(), seen, caveat)

    def give(self, whole: Whole) -> None:
        """Make the environment become a moment: its own, or one of another environment of the same scene. What MuJoCo
        keeps outside of the arrays, contacts for one, must be right already."""
        for now, (base, which, words) in zip(self._stretches, whole.changes, strict=True):
            np.copyto(now, base)
            now.view(np.uint64)[which] = words
        self._environment.set_attributes(whole.attributes)


def _overlap(field: NDArray[Any], data: mujoco.MjData) -> bool:
    return bool(np.shares_memory(field, getattr(data, _FOR_SHOW)))


def _stretches(arrays: Iterable[NDArray[Any]]) -> list[Bytes]:
    """The memory that arrays lie in, as few views as possible, in whole words of eight bytes. Neighbours are joined."""
    spans: list[list[int]] = []
    kept: list[NDArray[Any]] = []
    for each in sorted((each for each in arrays if each.nbytes), key=lambda each: each.ctypes.data):
        begin, end = each.ctypes.data, each.ctypes.data + each.nbytes
        if spans and begin - spans[-1][1] < 64:
            spans[-1][1] = max(spans[-1][1], end)
        else:
            spans.append([begin, end])
            kept.append(each)
    return [_memory(begin, end, owner) for (begin, end), owner in zip(spans, kept, strict=True)]


class _Memory:
    """Memory of MuJoCo's, for numpy; it lives as long as the array that it belongs to."""

    def __init__(self, begin: int, size: int, owner: NDArray[Any]) -> None:
        self._owner = owner
        self.__array_interface__ = {"shape": (size,), "typestr": "|u1", "data": (begin, False), "version": 3}


def _memory(begin: int, end: int, owner: NDArray[Any]) -> Bytes:
    # MuJoCo aligns its arrays to 64 bytes, so that the last word may be padded but is there.
    return np.asarray(_Memory(begin, -(-(end - begin) // 8) * 8, owner))
