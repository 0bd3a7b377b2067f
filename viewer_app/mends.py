"""What a person mends of a checkpoint for a session, as data: read from the command line, and told in words.

A checkpoint in other units than the scene's, or with its joints in another order, is none the worse for it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from viewer_app.scene import Scene
from viewer_app.types import WhiskersError

TrainedUnit = Literal["", "radians", "degrees", "range_100"]
"""What a checkpoint's numbers are in; empty for the scene's own units. As in LeRobot, a joint that the scene has in
range_0_100, a gripper, is so in degrees and in range_100 too; in radians all hinges are, and slides are in metres."""
_UNITS = tuple(unit for unit in get_args(TrainedUnit) if unit)


@dataclass(frozen=True)
class Mends:
    """What is mended."""

    state_unit: TrainedUnit = ""
    action_unit: TrainedUnit = ""
    state_order: tuple[str, ...] = ()
    """The scene's joint that each number of the checkpoint's state is of; empty where they are in the scene's order."""
    action_order: tuple[str, ...] = ()
    statistics: str = ""
    """A dataset's folder, or a file of statistics, that the numbers are scaled by instead of the checkpoint's own."""

    def __bool__(self) -> bool:
        return self != Mends()

    @property
    def driving(self) -> bool:
        """Whether anything is done to what the policy reads and gives; statistics are a matter of loading it."""
        return replace(self, statistics="") != Mends()

    def and_then(self, other: Mends) -> Mends:
        """These, with what `other` says in place of what these say about the same."""
        return Mends(
            other.state_unit or self.state_unit,
            other.action_unit or self.action_unit,
            other.state_order or self.state_order,
            other.action_order or self.action_order,
            other.statistics or self.statistics,
        )

    def to_plain(self) -> dict[str, str]:
        """As text, for a recording."""
        values = {
            "state_unit": self.state_unit,
            "action_unit": self.action_unit,
            "state_order": ",".join(self.state_order),
            "action_order": ",".join(self.action_order),
            "statistics": self.statistics,
        }
        return {name: value for name, value in values.items() if value}

    @staticmethod
    def from_plain(values: Mapping[str, str]) -> Mends:
        """What `to_plain` made.

        Raises:
            WhiskersError: If a unit is none of those there are.
        """
        return Mends(
            _unit(values.get("state_unit", "")),
            _unit(values.get("action_unit", "")),
            tuple(filter(None, values.get("state_order", "").split(","))),
            tuple(filter(None, values.get("action_order", "").split(","))),
            values.get("statistics", ""),
        )

    def options(self) -> str:
        """As the command line takes it."""
        units = [f"{name}={unit}" for name, unit in (("state", self.state_unit), ("action", self.action_unit)) if unit]
        parts = [f"--units {','.join(units)}"] if units else []
        if self.state_order == self.action_order:
            parts += [f"--joint {number}={shlex.quote(name)}" for number, name in enumerate(self.action_order)]
        else:
            orders = (("state", self.state_order), ("action", self.action_order))
            parts += [f"--joint {of}.{i}={shlex.quote(name)}" for of, names in orders for i, name in enumerate(names)]
        if self.statistics:
            parts.append(f"--statistics {shlex.quote(self.statistics)}")
        return " ".join(parts)

    def words(self) -> str:
        """In a few words for a person."""
        same_units = self.state_unit == self.action_unit
        parts = []
        if same_units and self.state_unit:
            parts.append(f"state and action converted from {self.state_unit}")
        else:
            units = (("state", self.state_unit), ("action", self.action_unit))
            parts += [f"{noun} converted from {unit}" for noun, unit in units if unit]
        if self.state_order and self.state_order == self.action_order:
            parts.append(f"joints taken as {', '.join(self.state_order)}")
        else:
            orders = (("state", self.state_order), ("action", self.action_order))
            parts += [f"{noun} taken as {', '.join(names)}" for noun, names in orders if names]
        if self.statistics:
            parts.append(f"scaled by the statistics of {self.statistics}")
        return "; ".join(parts)


def parse_units(text: str) -> Mends:
    """What `--units` says.

    Args:
        text: `state=UNIT,action=UNIT`, or one of them. Empty says nothing.

    Raises:
        WhiskersError: If it is not understood.
    """
    found = Mends()
    for part in filter(None, (each.strip() for each in text.split(","))):
        noun, _, unit = part.partition("=")
        if noun not in ("state", "action") or unit not in _UNITS:
            raise WhiskersError(
                f"--units takes state=UNIT,action=UNIT, the units of the checkpoint's numbers, each of "
                f"{', '.join(_UNITS)}; found {text!r}."
            )
        found = replace(found, state_unit=_unit(unit)) if noun == "state" else replace(found, action_unit=_unit(unit))
    return found


def parse_joints(texts: Iterable[str], names: Sequence[str], scene: Scene) -> Mends:
    """What `--joint` says of a checkpoint's joints. One that none of them names is the scene's of the same name, or, in
    a checkpoint that does not name its joints, the scene's of the same number.

    Args:
        texts: Each `CHECKPOINT_JOINT=SCENE_JOINT`, for state and action, or `state.CHECKPOINT_JOINT=SCENE_JOINT` for
            one of them. The checkpoint's joint is its name, where it has one, or its number from 0.
        names: Of the checkpoint's joints; empty where it does not name them.
        scene: Whose joints they are.

    Raises:
        WhiskersError: If one is not understood, or two are the same joint.
    """
    given: dict[str, dict[int, str]] = {"state": {}, "action": {}}
    n = len(scene.joint_names)
    for text in texts:
        left, _, joint = text.partition("=")
        kind, dot, name = left.partition(".")
        wanted = (kind,) if dot and kind in given and name not in ("", "pos") else tuple(given)
        name = name if len(wanted) == 1 else left
        number = names.index(name) if name in names else int(name) if name.isdecimal() else -1
        if not 0 <= number < n or joint not in scene.joint_names:
            theirs = ", ".join(names) or f"0 to {n - 1}"
            raise WhiskersError(
                f"--joint takes CHECKPOINT_JOINT=SCENE_JOINT with one of {theirs} and one of "
                f"{', '.join(scene.joint_names)}; found {text!r}."
            )
        for each in wanted:
            given[each][number] = joint
    orders = {noun: _order(found, names, scene) for noun, found in given.items()}
    return Mends(state_order=orders["state"], action_order=orders["action"])


def _order(given: Mapping[int, str], names: Sequence[str], scene: Scene) -> tuple[str, ...]:
    if not given:
        return ()
    known = names if set(names) <= set(scene.joint_names) and len(names) == len(scene.joint_names) else ()
    order = [given.get(number, (known or scene.joint_names)[number]) for number in range(len(scene.joint_names))]
    if len(set(order)) != len(order):
        twice = next(name for name in order if order.count(name) > 1)
        raise WhiskersError(f"--joint gives scene joint {twice!r} two of the checkpoint's; give each one.")
    return tuple(order)


def _unit(text: str) -> TrainedUnit:
    """
    Raises:
        WhiskersError: If there is no such unit.
    """
    if text not in get_args(TrainedUnit):
        raise WhiskersError(f"There is no unit {text!r}; there are {', '.join(_UNITS)}.")
    return cast(TrainedUnit, text)
