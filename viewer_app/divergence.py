"""How far lanes are from each other, moment by moment: grippers, objects, joints, and what they intend.

Every figure is of two recorded traces; nothing is simulated. What two lanes have not both reached is not compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import mujoco
import numpy as np

from viewer_app.channels import DEGREES
from viewer_app.insight import Comparison, Divergence, Ranges
from viewer_app.memory import Memory
from viewer_app.paths import Paths
from viewer_app.ranges import RangeReader
from viewer_app.scene import Scene
from viewer_app.snapshots import STATE_SPEC, physics_of
from viewer_app.task import PROGRESS_SIZE
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, FloatArray, frozen

_BLOCK = 64
"""Moments whose object positions are remembered together, where they take kinematics."""
_BLOCKS = 1024


class LaneComparer:
    """Compares lanes. Remembers what it computed, so that a growing trace costs its new moments. One per thread."""

    def __init__(self, paths: Paths) -> None:
        """
        Args:
            paths: Of the same thread.
        """
        self._paths = paths
        self._scene = paths.scene
        self._objects = _Objects(paths.scene)
        self._ranges = RangeReader(paths.scene)
        # What was computed last for each lane, and from what. Traces are compared by identity.
        self._divergences: dict[int, tuple[object, Divergence]] = {}
        self._known_ranges: dict[int, tuple[object, Ranges | None]] = {}

    def compare(self, lanes: Sequence[tuple[Trace, int]], step: int) -> Comparison:
        """Figures about lanes beside each other. Parts that did not change are the same objects as before.

        Args:
            lanes: Trace of each lane, and how many of its steps may be read. The first is what others are compared
                with.
            step: The moment at which plans are compared.
        """
        first, length = lanes[0]
        return Comparison(
            divergences=tuple(
                self._divergence(lane, first, trace, min(length, steps))
                for lane, (trace, steps) in enumerate(lanes)
                if lane
            ),
            ranges=tuple(self._ranges_of(lane, trace, steps) for lane, (trace, steps) in enumerate(lanes)),
            plans=self._plans(lanes, step),
        )

    def _divergence(self, lane: int, one: Trace, other: Trace, steps: int) -> Divergence:
        def compute() -> Divergence:
            return Divergence(
                lane=lane,
                tip=_apart(*(np.asarray(trace.column("tip", steps), np.float64) for trace in (one, other))),
                object=self._objects.apart(one, other, steps),
                joints=self._joints_apart(one, other, steps),
            )

        # The newest moment can still change without a step: an object is moved.
        key = (one, other, steps, len(one.events), len(other.events))
        known = self._divergences.get(lane)
        if known is None or known[0] != key:
            known = self._divergences[lane] = (key, compute())
        return known[1]

    def _joints_apart(self, one: Trace, other: Trace, steps: int) -> FloatArray | None:
        states = self._scene.states
        turning = np.flatnonzero(np.array(states.shown_units) == DEGREES)
        if self._scene.spec.state.kind != "joints" or not len(turning):
            return None
        degrees = [
            states.to_shown(np.asarray(trace.column("state", steps), np.float32))[:, turning] for trace in (one, other)
        ]
        return frozen(np.abs(degrees[1] - degrees[0]).max(axis=1))

    def _ranges_of(self, lane: int, trace: Trace, steps: int) -> Ranges | None:
        known = self._known_ranges.get(lane)
        if known is None or known[0] != (trace, steps):
            known = self._known_ranges[lane] = ((trace, steps), self._ranges.of(trace, steps))
        return known[1]

    def _plans(self, lanes: Sequence[tuple[Trace, int]], step: int) -> tuple[float | None, ...]:
        """Largest distance of each plan's path from the first one's. A lane that never got to the step has none."""
        plans = [trace.plan(step) if step <= steps else None for trace, steps in lanes]
        if plans[0] is None:
            return (None,) * len(plans)
        snapshot = lanes[0][0].snapshot(step)
        first = self._paths.kinematics.path(plans[0], snapshot)
        return tuple(self._plan_apart(first, plan, snapshot) for plan in plans)

    def _plan_apart(self, first: FloatArray, plan: Float32Array | None, snapshot: FloatArray) -> float | None:
        if plan is None:
            return None
        rows = min(len(first), len(plan))
        return float(_apart(first[:rows], self._paths.kinematics.path(plan[:rows], snapshot)).max())


class _Objects:
    """Where the task's object is in recorded moments."""

    def __init__(self, scene: Scene) -> None:
        model, name = scene.model, scene.spec.task.object
        self._scene = scene
        self._body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name) if name else -1
        self._data = mujoco.MjData(model) if self._body >= 0 else None
        self._blocks: Memory[FloatArray] = Memory(_BLOCKS)
        # A body that floats free has its position in the state itself, right after the time.
        joint = int(model.body_jntadr[self._body]) if self._body >= 0 else -1
        floats = joint >= 0 and model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE
        before = PROGRESS_SIZE + mujoco.mj_stateSize(model, int(mujoco.mjtState.mjSTATE_TIME))
        self._column = before + int(model.jnt_qposadr[joint]) if floats else None

    def apart(self, one: Trace, other: Trace, steps: int) -> FloatArray | None:
        """Distance of both objects at moments 0 .. steps, None where the task has none. Shape (steps + 1,). [mm]"""
        if self._data is None:
            return None
        return _apart(self._positions(one, steps), self._positions(other, steps))

    def _positions(self, trace: Trace, steps: int) -> FloatArray:
        """In the world frame. Shape (steps + 1, 3). [m]"""
        snapshots = np.asarray(trace.column("snapshot", steps), np.float64)
        if self._column is not None:
            return snapshots[:, self._column : self._column + 3]
        found = []
        for begin in range(0, len(snapshots), _BLOCK):
            compute = partial(self._posed, snapshots[begin : begin + _BLOCK])
            # Only the newest moment can still change.
            whole = begin + _BLOCK < len(snapshots)
            found.append(self._blocks.get(trace, begin, compute) if whole else compute())
        return np.concatenate(found)

    def _posed(self, snapshots: FloatArray) -> FloatArray:
        assert self._data is not None
        points = np.empty((len(snapshots), 3))
        for row, snapshot in enumerate(snapshots):
            state = physics_of(self._scene.model, snapshot)
            mujoco.mj_setState(self._scene.model, self._data, state, STATE_SPEC)
            mujoco.mj_kinematics(self._scene.model, self._data)
            points[row] = self._data.xpos[self._body]
        return frozen(points)


def _apart(one: FloatArray, other: FloatArray) -> FloatArray:
    """Distance row by row. Shapes (M, 3) [m] to (M,) [mm]."""
    return frozen(1000 * np.linalg.norm(other - one, axis=1))
