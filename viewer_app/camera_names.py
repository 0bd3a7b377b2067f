"""Which camera of a scene may be meant by a checkpoint's name for one: a guess from names alone, and said to be one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from types import MappingProxyType

CameraMapping = Mapping[str, str | None]
"""The checkpoint's name of each camera that it reads, to the scene's camera that it is shown; None shows it nothing."""

_NOUNS = frozenset(
    {"cam", "camera", "image", "images", "img", "rgb", "color", "colour", "view", "video", "observation", "pixels"}
)
"""Words that say no more than that it is a camera."""
_PLACES = (
    frozenset({"wrist", "gripper", "hand", "handeye", "effector"}),
    frozenset({"top", "overhead", "up", "above", "ceiling", "birdseye", "topdown", "high"}),
    frozenset({"front", "side", "base", "external", "exterior", "agentview"}),
)
"""Words for the same place, the most telling first: a `wrist_top` is at the wrist."""
_SIDES = frozenset({"left", "right"})
_SIMILAR = 0.8
"""Names that differ by a slip of the pen are more alike than this; `laptop` and `top` are 0.67."""


@dataclass(frozen=True)
class Suggestion:
    """How a checkpoint's cameras may be mapped."""

    mapping: CameraMapping
    guessed: frozenset[str]
    """The checkpoint's cameras whose place in the mapping is more than an equal name and less than knowledge."""


def suggest(read: Iterable[str], there: Iterable[str]) -> Suggestion:
    """Map equal names, then names for the same place or nearly the same name. The rest is shown nothing.

    No guess shows one scene camera as two. The same names always give the same suggestion.

    Args:
        read: The checkpoint's cameras.
        there: The scene's cameras.
    """
    read, there = list(read), list(there)
    found: dict[str, str | None] = {name: name if name in there else None for name in read}
    guessed: set[str] = set()
    open_ends = [name for name in read if name not in there]
    free = [name for name in there if name not in read]
    pairs = [(_likeness(a, b), i, j) for i, a in enumerate(open_ends) for j, b in enumerate(free)]
    for likeness, i, j in sorted(pairs, key=lambda pair: ([-part for part in pair[0]], pair[1:])):
        name, camera = open_ends[i], free[j]
        if likeness[0] and name not in guessed and camera not in found.values():
            found[name] = camera
            guessed.add(name)
    # The last two left are meant for each other where at least one has a name that says nothing.
    open_ends = [name for name in open_ends if name not in guessed]
    free = [name for name in free if name not in found.values()]
    if len(open_ends) == len(free) == 1 and not (_words(open_ends[0]) and _words(free[0])):
        found[open_ends[0]] = free[0]
        guessed.add(open_ends[0])
    return Suggestion(MappingProxyType(found), frozenset(guessed))


def _likeness(a: str, b: str) -> tuple[int, float]:
    """The more alike, the larger; the first number is 0 for names that do not mean the same camera."""
    ours, theirs = _words(a), _words(b)
    ratio = SequenceMatcher(None, " ".join(ours), " ".join(theirs), autojunk=False).ratio()
    sides = (_SIDES.intersection(ours), _SIDES.intersection(theirs))
    if not ours or not theirs or (all(sides) and sides[0] != sides[1]):
        return 0, ratio
    if sorted(ours) == sorted(theirs):
        return 3, ratio
    places = (_place(ours), _place(theirs))
    if None not in places:
        return (2 if places[0] == places[1] else 0), ratio
    return int(ratio > _SIMILAR), ratio


def _words(name: str) -> list[str]:
    """The words of a name that tell it from other cameras: `wristCam_0` has `wrist` alone."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    words = [word.removesuffix("camera").removesuffix("cam") for word in re.findall("[a-z]+", spaced)]
    return [word for word in words if word and word not in _NOUNS]


def _place(words: Iterable[str]) -> int | None:
    return next((number for number, place in enumerate(_PLACES) if not place.isdisjoint(words)), None)
