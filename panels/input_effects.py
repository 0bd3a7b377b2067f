"""What each input does, in one sentence and as a table: pure functions of the measured effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from panels.asking import figure
from viewer_app.blinding import STATE
from viewer_app.channels import Channels, without_prefix
from viewer_app.insight import Effect
from viewer_app.questions import ALL_CAMERAS

HARDLY_MM = 1.0
"""A whisker that stays nearer than this to the plain one all along hardly changes. [mm]"""
HARDLY_DEG = 1.0
"""So does a joint that ends nearer than this: closing the gripper moves no whisker. [deg, or mm, or hundredths of what
has no unit]"""


def input_words(name: str) -> str:
    """An input's name for a person."""
    return "proprioception" if name == STATE else name


def ranked(effects: Sequence[Effect]) -> list[Effect]:
    """Strongest first: by the distance at the end of the chunk, then by the largest one, then by the joints."""
    return sorted(
        effects,
        key=lambda each: (_known(each.end), _known(each.largest), float(np.abs(each.joints).max(initial=0.0))),
        reverse=True,
    )


def sentence(effects: Sequence[Effect], actions: Channels) -> str:
    """What the inputs do here, in one sentence; empty where nothing was asked.

    Args:
        effects: One of each input blinded alone, and maybe that of all cameras.
        actions: Names and units of the joints, or of whatever else is commanded.
    """
    alone = [each for each in ranked(effects) if each.name != ALL_CAMERAS]
    if not alone:
        return ""
    strong = [each for each in alone if not _hardly(each, actions)]
    weak = [each for each in alone if _hardly(each, actions)]
    if strong:
        first, *others = strong
        text = f"Without {input_words(first.name)} the chunk {_change(first, actions)}"
        text += "".join(f", without {input_words(each.name)} {_other_change(first, each, actions)}" for each in others)
        if weak:
            *names, last = (input_words(each.name) for each in weak)
            listed = f"{', '.join(names)} and {last}" if names else last
            text += f"; {listed} hardly matter{'s' * (not names)} ({_most(weak)} mm)"
    else:
        text = f"No input alone matters here ({_most(weak)} mm at most)"
    # Cameras that stand in for each other matter though none of them does alone.
    together = next((each for each in effects if each.name == ALL_CAMERAS), None)
    if together is not None and not _hardly(together, actions) and all(each.name == STATE for each in strong):
        text += f", but without any camera it {_change(together, actions)}"
    return f"{text}."


def _change(effect: Effect, actions: Channels) -> str:
    """What becomes of the chunk without one input."""
    if effect.end >= HARDLY_MM:
        return f"ends {figure(effect.end)} mm elsewhere"
    if effect.largest >= HARDLY_MM:
        return f"strays by {figure(effect.largest)} mm on its way"
    joint = _most_turned(effect, actions)
    return f"ends with {actions.names[joint]} {actions.says(joint, abs(float(effect.joints[joint])))} elsewhere"


def _other_change(first: Effect, other: Effect, actions: Channels) -> str:
    """The same of a further input, shorter where it is the same kind of change."""
    alike = first.end >= HARDLY_MM and other.end >= HARDLY_MM
    return f"{figure(other.end)} mm" if alike else f"it {_change(other, actions)}"


def _most(effects: Sequence[Effect]) -> str:
    return millimetres(max((each.largest for each in effects if not np.isnan(each.largest)), default=float("nan")))


def millimetres(distance: float) -> str:
    """A distance of whiskers, a dash where nobody can tell. [mm]"""
    return "-" if np.isnan(distance) else figure(distance)


def _known(distance: float) -> float:
    return -1.0 if np.isnan(distance) else distance


def _turn(effect: Effect, actions: Channels) -> float:
    """Largest change of a joint. [deg]"""
    return float(actions.amounts(effect.joints).max(initial=0.0))


def _most_turned(effect: Effect, actions: Channels) -> int:
    return int(actions.amounts(effect.joints).argmax())


def _hardly(effect: Effect, actions: Channels) -> bool:
    # Where nobody can tell the whiskers' way, what the actions say is all that there is.
    far = effect.largest >= HARDLY_MM or effect.end >= HARDLY_MM
    return not far and _turn(effect, actions) < HARDLY_DEG


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    """Of the input, as data."""
    cells: tuple[str, ...]
    """End [mm], largest [mm], then each joint, as it is shown."""
    strongest: int | None
    """The cell of the joint that changes most, None where none does."""


def table(effects: Sequence[Effect], actions: Channels, decimals: int) -> list[Row]:
    """The effects as lines of text, strongest first.

    Args:
        effects: In any order.
        actions: Names and units of the joints, or of whatever else is commanded.
        decimals: Of angles and lengths. What has no unit gets two.
    """
    digits = [decimals if unit else 2 for unit in actions.shown_units]
    rows = []
    for each in ranked(effects):
        joints = (degrees(angle, places) for angle, places in zip(each.joints, digits, strict=True))
        strongest = 2 + _most_turned(each, actions) if _turn(each, actions) >= HARDLY_DEG else None
        rows.append(Row(each.name, (millimetres(each.end), millimetres(each.largest), *joints), strongest))
    return rows


def shown_columns(effects: Sequence[Effect], actions: Channels, most: int) -> list[int]:
    """Which numbers of the action have a column where there is no room for all: those that change most, in order."""
    if len(actions) <= most or not effects:
        return list(range(len(actions)))
    sizes = np.stack([actions.amounts(each.joints) for each in effects]).max(axis=0)
    return sorted(int(i) for i in np.argsort(-sizes, kind="stable")[: max(most, 1)])


def degrees(angle: float, decimals: int) -> str:
    """An angle without a minus before zero."""
    rounded = round(float(angle), decimals) + 0.0
    return f"{rounded:.{decimals}f}"


def short_names(joints: Sequence[str]) -> list[str]:
    """The joints' last words, with the first letter before them where two joints share one, and whole names where even
    those are the same."""
    own = without_prefix(joints)
    last = [name.split("_")[-1] for name in own]
    words = [
        word if last.count(word) == 1 else f"{name[0]}.{word}" if "_" in name else name
        for word, name in zip(last, own, strict=True)
    ]
    return words if len(set(words)) == len(words) else list(own)


def right_edges(cells: Sequence[Sequence[int]], room: int, name: int, gaps: tuple[int, int]) -> list[int]:
    """Right edge of each column of figures, the last at the right end of the room. [px]

    Args:
        cells: Width of each cell, line by line, the header's too. [px]
        room: Width of the table. [px]
        name: What the names before the figures would like of it. [px]
        gaps: Least and most space before each column: as much as the names leave. [px]
    """
    widest = [max(column) for column in zip(*cells, strict=True)]
    gap = min(max((room - name - sum(widest)) // len(widest), gaps[0]), gaps[1])
    widths = [width + gap for width in widest]
    return [room - sum(widths[number + 1 :]) for number in range(len(widths))]
