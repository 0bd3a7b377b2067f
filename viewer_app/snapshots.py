"""How a snapshot is laid out, and how a model is made to look as it did when one was taken.

A snapshot is the episode's progress, MuJoCo's integration state, and then the scene's looks: what cameras see that
neither the state nor the compiled model says. Environments draw colours and places into their model at a reset, and
what they observe is often posed one physics step behind the state.
"""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from viewer_app.scene import Scene
from viewer_app.task import PROGRESS_SIZE
from viewer_app.types import FloatArray

STATE_SPEC = int(mujoco.mjtState.mjSTATE_INTEGRATION)
"""All that decides the next mj_step to the bit, warm start and applied forces included."""


def physics_of(model: mujoco.MjModel, snapshot: FloatArray) -> FloatArray:
    """MuJoCo's integration state in a snapshot.

    Args:
        model: Of the snapshot.
        snapshot: Shape (..., z).
    """
    return snapshot[..., PROGRESS_SIZE : PROGRESS_SIZE + mujoco.mj_stateSize(model, STATE_SPEC)]


def take_looks(looks: Sequence[str], model: mujoco.MjModel, data: mujoco.MjData) -> FloatArray:
    """The end of a snapshot of these data.

    Args:
        looks: As in `SceneSpec.looks`.
        model: Of the data.
        data: As they are shown.
    """
    parts = [np.asarray(_array(each, model, data), np.float64).ravel() for each in looks]
    return np.concatenate(parts) if parts else np.empty(0)


def looks_of(model: mujoco.MjModel, snapshot: FloatArray) -> FloatArray:
    """What `take_looks` put at the end of a snapshot."""
    return snapshot[PROGRESS_SIZE + mujoco.mj_stateSize(model, STATE_SPEC) :]


def give_looks(
    looks: Sequence[str], model: mujoco.MjModel, data: mujoco.MjData, values: FloatArray, holder: str = ""
) -> None:
    """Write what `take_looks` took back.

    Args:
        looks, model, data: As for `take_looks`. Written to.
        values: What it took.
        holder: `model` or `data` to write to nothing but that.
    """
    at = 0
    for name in looks:
        array = _array(name, model, data)
        if name.startswith(holder):
            array[:] = values[at : at + array.size].reshape(array.shape)
        at += array.size


def dress(scene: Scene, model: mujoco.MjModel, data: mujoco.MjData, snapshot: FloatArray) -> None:
    """Put `data` where a snapshot was taken, and make it and its model look as they did then.

    Args:
        scene: Of the snapshot.
        model: A copy of the scene's, which nobody else reads. Written to.
        data: Of that copy.
        snapshot: Shape (z,).
    """
    looks, values = scene.spec.looks, looks_of(model, snapshot)
    give_looks(looks, model, data, values, "model")
    mujoco.mj_setState(model, data, physics_of(model, snapshot), STATE_SPEC)
    mujoco.mj_fwdPosition(model, data)
    give_looks(looks, model, data, values, "data")


def _array(name: str, model: mujoco.MjModel, data: mujoco.MjData) -> NDArray[np.float64]:
    holder, _, field = name.partition(".")
    found: NDArray[np.float64] = getattr(model if holder == "model" else data, field)
    return found
