"""Where bodies are in a state: what is drawn around them, and where a hand takes hold of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import mujoco
import numpy as np

from viewer_app.movable import body_number, box_of
from viewer_app.scene import Scene
from viewer_app.snapshots import dress
from viewer_app.types import FloatArray

_SIGNS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
EDGES = tuple((one, other) for one in range(8) for other in range(one + 1, 8) if (one ^ other).bit_count() == 1)
"""Which corners of a box its twelve edges join."""


@dataclass(frozen=True)
class BodyBox:
    """A box around a body, in the body's frame, and where that frame is."""

    centre: FloatArray
    """Shape (3,). [m]"""
    half: FloatArray
    """Half widths. Shape (3,). [m]"""
    position: FloatArray
    """In the world frame. Shape (3,). [m]"""
    quaternion: FloatArray
    """w, x, y, z. Shape (4,)."""

    @property
    def corners(self) -> FloatArray:
        """In the world frame, in the order of `EDGES`. Shape (8, 3). [m]"""
        matrix = np.empty(9)
        mujoco.mju_quat2Mat(matrix, self.quaternion)
        return np.asarray((self.centre + _SIGNS * self.half) @ matrix.reshape(3, 3).T + self.position)


def copy_of(scene: Scene) -> mujoco.MjModel:
    """A model that `dress` may write to: a copy where a snapshot says how the model looks, which nobody else reads."""
    return copy.copy(scene.model) if scene.spec.looks else scene.model


class Bodies:
    """Looks bodies up. Holds scratch data, so one per thread."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._model = copy_of(scene)
        self._data = mujoco.MjData(self._model)

    def box(self, snapshot: FloatArray, body: str) -> BodyBox | None:
        """A box around a body, None where the model has no such body.

        Args:
            snapshot: Says where everything is. Shape (z,).
            body: Its name.
        """
        number = body_number(self._model, body)
        if number < 0:
            return None
        dress(self._scene, self._model, self._data, snapshot)
        centre, half = box_of(self._model, number)
        return BodyBox(centre, half, self._data.xpos[number].copy(), self._data.xquat[number].copy())

    def centre_of_mass(self, snapshot: FloatArray, body: str) -> FloatArray | None:
        """A body's centre of mass in the world frame, None where the model has no such body. Shape (3,). [m]"""
        number = body_number(self._model, body)
        if number < 0:
            return None
        dress(self._scene, self._model, self._data, snapshot)
        return self._data.xipos[number].copy()
