"""Joint values in the units that a person may want to see them in. Pure functions of arrays."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

import numpy as np

from viewer_app.scene import Scene
from viewer_app.types import Float32Array, FloatArray, PolicyInfo


class JointUnit(StrEnum):
    """What joint plots and tables are in."""

    SCENE = "scene units"
    DEGREES = "degrees"
    MODEL = "normalised"


def units_for(policy: PolicyInfo | None) -> tuple[JointUnit, ...]:
    """The units that can be shown: normalised ones only where the policy states its scale."""
    has_scale = policy is not None and policy.action_scale is not None
    return tuple(JointUnit) if has_scale else (JointUnit.SCENE, JointUnit.DEGREES)


def convert(values: Float32Array, unit: JointUnit, scene: Scene, policy: PolicyInfo | None) -> FloatArray:
    """Joint values in another unit.

    Normalised states use the action's scale too, so that actual and commanded can be compared.

    Args:
        values: Scene units. Shape (rows, n).
        unit: Unit of the result.
        scene: Knows degrees.
        policy: Knows its normalised units.
    """
    match unit:
        case JointUnit.SCENE:
            return np.asarray(values, np.float64)
        case JointUnit.DEGREES:
            return scene.to_degrees(values)
        case JointUnit.MODEL:
            if policy is None or policy.action_scale is None:
                return np.asarray(values, np.float64)
            return np.asarray(policy.action_scale.to_model(values), np.float64)
        case _:
            assert_never(unit)
