"""Between a checkpoint's numbers and the scene's: other units, another order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from viewer_app.mends import TrainedUnit
from viewer_app.scene import Scene
from viewer_app.scene_spec import JointSpec
from viewer_app.types import Float32Array, FloatArray, WhiskersError, frozen


@dataclass(frozen=True)
class Conversion:
    """How one vector of a checkpoint becomes the scene's: number i, times `factor[i]`, plus `offset[i]`, is number
    `place[i]` of the scene's. All of shape (n,)."""

    factor: FloatArray
    offset: FloatArray
    place: NDArray[np.intp]

    def to_scene(self, values: FloatArray) -> FloatArray:
        """Shape (..., n)."""
        found = np.empty_like(values, dtype=np.float64)
        found[..., self.place] = values * self.factor + self.offset
        return found

    def to_checkpoint(self, values: Float32Array) -> Float32Array:
        """Shape (..., n)."""
        return ((values[..., self.place] - self.offset) / self.factor).astype(np.float32)

    @property
    def scales(self) -> bool:
        """Whether it does more than to change the order."""
        return not (np.all(self.factor == 1) and np.all(self.offset == 0))

    def spread_to_scene(self, values: FloatArray) -> FloatArray:
        """A standard deviation, which an offset does not move. Shape (..., n)."""
        found = np.empty_like(values, dtype=np.float64)
        found[..., self.place] = values * np.abs(self.factor)
        return found


def conversion(scene: Scene, unit: TrainedUnit, order: Sequence[str], noun: str) -> Conversion:
    """What turns a checkpoint's numbers into the scene's.

    Args:
        scene: Whose joints they are of.
        unit: Of the checkpoint's numbers.
        order: The scene's joint that each of them is of; empty for the scene's own order.
        noun: What they are, for complaints.

    Raises:
        WhiskersError: If the scene's numbers are not joints, the order is not one of all its joints, or a joint has no
            range.
    """
    if not scene.commands_joints:
        raise WhiskersError(
            f"The numbers of scene {scene.name} are not its joints, so neither units nor joints can be mended there."
        )
    names = scene.joint_names
    if order and sorted(order) != sorted(names):
        raise WhiskersError(
            f"The {noun}'s joints must be those of scene {scene.name} in some order, once each ({', '.join(names)}); "
            f"found {', '.join(order)}."
        )
    place = np.array([names.index(name) for name in order or names], np.intp)
    n = len(names)
    if not unit:
        return Conversion(frozen(np.ones(n)), frozen(np.zeros(n)), place)
    offset = np.array([channel.offset for channel in scene.actions.each])
    scale = np.array([channel.scale for channel in scene.actions.each])
    theirs = np.array([_radians_of(scene, number, unit) for number in range(n)])  # (n, 2), likewise
    # What the checkpoint calls x is the angle theirs[0] + x * theirs[1]; the scene calls that (angle - offset) / scale.
    factor, shift = theirs[:, 1] / scale, (theirs[:, 0] - offset) / scale
    kept = np.array([_is_kept(scene, number, unit) for number in range(n)])
    factor, shift = np.where(kept, 1.0, factor), np.where(kept, 0.0, shift)
    return Conversion(frozen(factor[place]), frozen(shift[place]), place)


def _is_kept(scene: Scene, number: int, unit: TrainedUnit) -> bool:
    """Whether a joint has the same numbers in the checkpoint's units as in the scene's."""
    joint = scene.spec.joints[number]
    if unit != "radians" and joint.unit == "range_0_100":
        return True
    slides = scene.model.joint(joint.name).type[0] == int(mujoco.mjtJoint.mjJNT_SLIDE)
    return bool((unit == "degrees" and slides) or (joint.unit == unit and (joint.scale, joint.offset) == (1.0, 0.0)))


def _radians_of(scene: Scene, number: int, unit: TrainedUnit) -> tuple[float, float]:
    """The angle that a unit calls 0, and how much one more is. [rad]"""
    low, high = scene.joint_range[number]
    joint: JointSpec = scene.spec.joints[number]
    if unit == "radians":
        return 0.0, 1.0
    if unit == "degrees":
        return 0.0, float(np.pi / 180)
    if not high > low and joint.unit != "range_0_100":
        raise WhiskersError(f"Joint {joint.name!r} of scene {scene.name} has no range, which range_100 needs.")
    return float((low + high) / 2), float((high - low) / 200) or 1.0
