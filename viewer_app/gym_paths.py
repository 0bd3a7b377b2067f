"""Paths that an environment's own code says, with the doors of the kinematic and of the physical ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viewer_app.gym_twin import Twin
from viewer_app.kinematics import Kinematics, Poses
from viewer_app.rollout import Pushes, Rollout
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Float32Array, FloatArray


class SimulatedRollout(Rollout):
    """Rolls of an environment's own code. One per thread."""

    def __init__(self, scene: Scene, twin: Twin) -> None:
        super().__init__(scene)
        self._twin = twin

    def path(
        self, actions: Float32Array, snapshot: FloatArray, site: int | None = None, pushes: Pushes = ()
    ) -> FloatArray:
        """As `Rollout.path`. The rows are NaN where the environment raises or begins anew, and from there on; and those
        that are not simulated yet, as `Paths.notes` says. Where the environment cannot be opened, MuJoCo alone rolls
        actions that are joint targets, and there is nothing of others."""
        rolled = self._twin.roll(actions, snapshot, pushes)
        if rolled is None and self._twin.reason and self._scene.spec.action.kind != "environment":
            return super().path(actions, snapshot, site, pushes)
        points = np.full((len(actions) + 1, 3), np.nan)
        if rolled is not None:
            points[: len(rolled.marks)] = rolled.points[:, self._scene.site_id if site is None else site]
        return points


class SimulatedKinematics(Kinematics):
    """Where an environment would take a site, for actions that nothing but its own code can make sense of: row i is
    after i + 1 steps. One per thread."""

    simulated = True
    words = "simulated by the environment's own code"

    def __init__(self, scene: Scene, twin: Twin) -> None:
        super().__init__(scene)
        self._twin = twin

    def poses(
        self,
        actions: Float32Array,
        snapshot: FloatArray,
        site: int | None = None,
        rows: NDArray[np.int64] | None = None,
    ) -> Poses:
        points, axes = np.full((len(actions), 3), np.nan), np.full((len(actions), 3, 3), np.nan)
        rolled = self._twin.roll(actions, snapshot) if len(actions) else None
        if rolled is not None:
            number, count = self._site(site), len(rolled.marks) - 1
            points[:count], axes[:count] = rolled.points[1:, number], rolled.turns[1:, number]
        return Poses(points, axes) if rows is None else Poses(points[rows], axes[rows])

    def path_of(self, chunk: ActionChunk, trace: Trace, site: int | None = None) -> FloatArray:
        """As `path` of a chunk from the step at which it came into force. Its rows before that are NaN."""
        begin = min(max(chunk.arrived, 0), len(trace))
        skipped = min(begin - chunk.start, len(chunk))
        points = np.full((len(chunk), 3), np.nan)
        points[skipped:] = self.path(chunk.actions[skipped:], trace.snapshot(begin), site)
        return points

    def path_for(
        self, owner: object, actions: Float32Array, trace: Trace, step: int, site: int | None = None
    ) -> FloatArray:
        """As `path` of each chunk from a step of a trace; rows before the trace began are NaN. The twin remembers."""
        rows = actions.shape[-2]
        skipped = min(max(-step, 0), rows)
        snapshot = trace.snapshot(max(step, 0))
        points = np.full((int(np.prod(actions.shape[:-2])), rows, 3), np.nan)
        for chunk, found in zip(actions.reshape(len(points), rows, actions.shape[-1]), points, strict=True):
            found[skipped:] = self.path(chunk[skipped:], snapshot, site)
        return points.reshape(*actions.shape[:-1], 3)
