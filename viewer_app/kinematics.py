"""Where commanded joints would put a site of the robot: forward kinematics of whole action chunks.

This is the *kinematic* path: no servo lag, no contacts, only the actuators' limits. Where actions are poses of the end
effector, inverse kinematics says which joints they command, so that the path shows where those would put it, not where
it was asked to be. The site is the scene's end effector unless another is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from viewer_app.actuation import actuation_of
from viewer_app.memory import Memory
from viewer_app.scene import Scene
from viewer_app.snapshots import STATE_SPEC, physics_of
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Float32Array, FloatArray, frozen

_REMEMBERED = 4096
_BLOCK = 64
"""Moments of an executed path that are remembered together."""


@dataclass(frozen=True)
class Poses:
    """Where a site would be, and how it would be turned."""

    points: FloatArray
    """In the world frame. Shape (H, 3). [m]"""
    axes: FloatArray
    """The site's x, y and z axes in the world frame, as columns. Shape (H, 3, 3)."""


class Kinematics:
    """Forward kinematics with its own scratch data. One per thread."""

    simulated = False
    """Whether it is a simulation's word, and not where commanded joints would be."""
    words = "commanded joints through kinematics (approximate)"
    """What its paths are, for the legend."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._data = mujoco.MjData(scene.model)
        self._actuation = actuation_of(scene)
        self._relative = scene.spec.action.kind == "end_effector" and scene.spec.action.relative
        self._paths: Memory[FloatArray] = Memory(_REMEMBERED)

    def path(self, actions: Float32Array, snapshot: FloatArray, site: int | None = None) -> FloatArray:
        """A site's position for each row of joint targets, clipped as the actuators clip them.

        Args:
            actions: Control step by control step. Scene units. Shape (H, n).
            snapshot: Says where everything else is, and where the first row starts from. Shape (z,).
            site: Number of the site in the model; None is the end effector.

        Returns:
            Positions in the world frame. Shape (H, 3). [m] NaN from a row on that the world would refuse.
        """
        return self.poses(actions, snapshot, site).points

    def path_of_each(self, actions: Float32Array, snapshot: FloatArray, site: int | None = None) -> FloatArray:
        """As `path`, of rows that are alternatives for one control step: each starts from the snapshot."""
        if self._scene.spec.action.kind == "joints":
            return self.path(actions, snapshot, site)
        return np.concatenate([self.path(action[None], snapshot, site) for action in actions])

    def poses(
        self,
        actions: Float32Array,
        snapshot: FloatArray,
        site: int | None = None,
        rows: NDArray[np.int64] | None = None,
    ) -> Poses:
        """As `path`, with the site's orientation.

        Args:
            actions, snapshot, site: As for `path`.
            rows: Of which rows; None is all.
        """
        model, data = self._scene.model, self._data
        mujoco.mj_setState(model, data, physics_of(model, snapshot), STATE_SPEC)
        targets = self._actuation.settled(actions, data)
        if rows is not None:
            targets = targets[rows]
        positions = np.repeat(data.qpos[None], len(targets), axis=0)  # (H, nq)
        positions[:, self._scene.qpos_index] = targets
        points, axes = np.empty((len(targets), 3)), np.empty((len(targets), 9))
        # Views of MuJoCo's memory, taken once: a look-up costs as much as the kinematics themselves.
        qpos, point, turn = data.qpos, data.site_xpos[self._site(site)], data.site_xmat[self._site(site)]
        for row, position in enumerate(positions):
            qpos[:] = position
            mujoco.mj_kinematics(model, data)
            points[row] = point
            axes[row] = turn
        return Poses(points, axes.reshape(-1, 3, 3))

    def path_of(self, chunk: ActionChunk, trace: Trace, site: int | None = None) -> FloatArray:
        """`path` of a chunk from the step it was asked at, remembered. Shape (H, 3). [m]

        Changes of a pose are relative to where the step before left it, so those of a chunk that came late begin where
        it came into force; its rows before that were never executed.
        """
        if not (self._relative and chunk.delay and chunk.arrived <= len(trace)):
            return self.path_for(chunk, chunk.actions, trace, chunk.start, site)

        def compute() -> FloatArray:
            begins = ((chunk.start, chunk.actions[: chunk.delay]), (chunk.arrived, chunk.actions[chunk.delay :]))
            parts = [self.path(actions, trace.snapshot(max(step, 0)), site) for step, actions in begins]
            return frozen(np.concatenate(parts))

        return self._paths.get(chunk, self._site(site), compute)

    def path_for(
        self, owner: object, actions: Float32Array, trace: Trace, step: int, site: int | None = None
    ) -> FloatArray:
        """`path` from a step of a trace, remembered under the object that the actions belong to.

        Args:
            owner: It must not change, nor have other actions.
            actions: Chunks. Scene units. Shape (..., H, n).
            trace: Says where everything else is.
            step: At which step; negative is before the trace began, for which its first moment must serve.
            site: Number of the site in the model; None is the end effector.

        Returns:
            Positions in the world frame. Shape (..., H, 3). [m]
        """

        def compute() -> FloatArray:
            # Joint targets need not be told which of them follow one another.
            in_turn = self._scene.spec.action.kind == "end_effector"
            chunks = actions.reshape(-1, actions.shape[-2] if in_turn else actions[..., 0].size, actions.shape[-1])
            snapshot = trace.snapshot(max(step, 0))
            paths = [self.path(chunk, snapshot, site) for chunk in chunks]
            return frozen(np.concatenate(paths)).reshape(*actions.shape[:-1], 3)

        return self._paths.get(owner, self._site(site), compute)

    def executed(self, trace: Trace, begin: int, end: int, site: int | None = None) -> FloatArray:
        """Where a site was before each of the steps `begin` .. `end` - 1. Shape (end - begin, 3). [m]

        Args:
            trace: The episode.
            begin, end: Moments, 0 <= begin < end <= len + 1.
            site: Number of the site in the model; None is the end effector, which the trace itself recorded.
        """
        if self._site(site) == self._scene.site_id:
            return np.asarray(trace.column("tip"), np.float64)[begin:end]
        blocks = [
            self._block(trace, number, end, self._site(site)) for number in range(begin // _BLOCK, -(-end // _BLOCK))
        ]
        return np.concatenate(blocks)[begin % _BLOCK :]

    def _block(self, trace: Trace, number: int, end: int, site: int) -> FloatArray:
        first, last = number * _BLOCK, min((number + 1) * _BLOCK, end)
        states = physics_of(self._scene.model, np.asarray(trace.column("snapshot"), np.float64)[first:last])

        def compute() -> FloatArray:
            return along(self._scene, self._data, states, site)

        # Only the newest moment can still change, by an object that is moved.
        whole = (number + 1) * _BLOCK < end
        return self._paths.get(trace, (site, number), compute) if whole else compute()

    def _site(self, site: int | None) -> int:
        return self._scene.site_id if site is None else site


def along(scene: Scene, data: mujoco.MjData, states: FloatArray, site: int) -> FloatArray:
    """Where a site is in each of some states.

    Args:
        scene: Of the states.
        data: Scratch data of the scene's model.
        states: Integration states, without the task's progress. Shape (P, z).
        site: Number of the site in the model.

    Returns:
        Positions in the world frame. Shape (P, 3). [m]
    """
    points = np.empty((len(states), 3))
    point = data.site_xpos[site]
    for row, state in enumerate(states):
        mujoco.mj_setState(scene.model, data, state, STATE_SPEC)
        mujoco.mj_kinematics(scene.model, data)
        points[row] = point
    return points
