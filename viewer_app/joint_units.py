"""Actions, and states that measure them, in the units that a person may want to see. Pure functions of arrays."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

import numpy as np

from viewer_app.channels import DEGREES, MILLIMETRES
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, FloatArray, PolicyInfo


class JointUnit(StrEnum):
    """What plots and tables of actions are in."""

    SCENE = "scene units"
    DEGREES = "degrees"
    """Millimetres for what slides, and for positions."""
    MODEL = "normalised"


def unmeasured(scene: Scene) -> str:
    """One sentence where nothing that is measured is what actions command, else an empty one."""
    if scene.measures_commands:
        return ""
    whose = "This environment" if scene.spec.action.kind == "environment" else "This scene"
    return f"{whose}'s actions have no measured counterpart."


def units_for(scene: Scene, policy: PolicyInfo | None) -> tuple[JointUnit, ...]:
    """The units that can be shown: degrees where there are angles or lengths, normalised ones only where the policy
    states its scale."""
    found = [JointUnit.SCENE]
    if any(scene.actions.shown_units):
        found.append(JointUnit.DEGREES)
    if policy is not None and policy.action_scale is not None:
        found.append(JointUnit.MODEL)
    return tuple(found)


def unit_words(unit: JointUnit, scene: Scene) -> str:
    """What a unit is called with a scene, all of whose angles are in degrees, and lengths in millimetres."""
    shown = set(scene.actions.shown_units)
    if unit is not JointUnit.DEGREES or MILLIMETRES not in shown:
        return unit.value
    return "degrees, mm" if DEGREES in shown else "mm"


def channel_unit(unit: JointUnit, scene: Scene, channel: int) -> str:
    """What one number of an action is in, in words; empty where that has no name."""
    if unit is not JointUnit.DEGREES:
        return unit.value
    shown = scene.actions.shown_units[channel]
    return unit.value if shown == DEGREES else shown


def convert(values: Float32Array, unit: JointUnit, scene: Scene, policy: PolicyInfo | None) -> FloatArray:
    """Actions in another unit, or states that measure what they command.

    Normalised states use the action's scale too, so that actual and commanded can be compared.

    Args:
        values: Scene units. Shape (rows, n).
        unit: Unit of the result.
        scene: Knows degrees and millimetres.
        policy: Knows its normalised units.
    """
    match unit:
        case JointUnit.SCENE:
            return np.asarray(values, np.float64)
        case JointUnit.DEGREES:
            return scene.actions.to_shown(values)
        case JointUnit.MODEL:
            if policy is None or policy.action_scale is None:
                return np.asarray(values, np.float64)
            return np.asarray(policy.action_scale.to_model(values), np.float64)
        case _:
            assert_never(unit)
