"""How far the joints fall short of the poses that actions ask for: the inverse kinematics of an episode, once more.

Computed from the trace alone, so that it says the same of an episode that runs and of a recording.
"""

from __future__ import annotations

import mujoco
import numpy as np

from viewer_app.actuation import EndEffectorActuation, Reached
from viewer_app.insight import Reach
from viewer_app.memory import Memory
from viewer_app.scene import Scene
from viewer_app.snapshots import STATE_SPEC, physics_of
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, FloatArray, frozen

_TRACES = 64
"""Of how many traces the figures are remembered."""


class ReachReader:
    """Holds scratch data, so one per thread."""

    def __init__(self, scene: Scene) -> None:
        self._model = scene.model
        self._data = mujoco.MjData(scene.model)
        self._actuation = EndEffectorActuation(scene) if scene.spec.action.kind == "end_effector" else None
        self._known: Memory[list[tuple[float, float, bool, bool]]] = Memory(_TRACES)

    def of(self, trace: Trace, length: int) -> Reach | None:
        """Of the first `length` steps of a trace; None where actions are no poses of the end effector."""
        if self._actuation is None:
            return None
        known = self._known.get(trace, None, list)
        # A step that was executed stays as it is, so each is computed once.
        actions = np.asarray(trace.column("action", length), np.float32)
        for step in range(len(known), length):
            found = self.at(actions[step], trace.snapshot(step))
            assert found is not None
            known.append((found.position_error, found.orientation_error, found.missed, found.failed))
        position, orientation, missed, failed = np.array(known[:length], np.float64).reshape(length, 4).T
        return Reach(
            frozen(position), frozen(orientation), frozen(missed.astype(np.bool_)), frozen(failed.astype(np.bool_))
        )

    def at(self, action: Float32Array, snapshot: FloatArray) -> Reached | None:
        """What becomes of one action; None where it is no pose of the end effector, or could not be executed.

        Args:
            action: Scene units. Shape (n,).
            snapshot: The world before it. Shape (z,).
        """
        if self._actuation is None or not self._actuation.means_something(action):
            return None
        mujoco.mj_setState(self._model, self._data, physics_of(self._model, snapshot), STATE_SPEC)
        return self._actuation.reach(action, self._data)
