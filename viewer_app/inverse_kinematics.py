"""Inverse kinematics of a scene's end effector: joint targets that put it at a pose, or as near as they can.

Levenberg-Marquardt over mink's steps, each a quadratic program that keeps every joint within its limits. The damping
follows the error that is left, so that a target out of reach is approached as calmly as one within it is met
(Sugihara, "Solvability-unconcerned inverse kinematics by the Levenberg-Marquardt method", IEEE T-RO 27, 2011).
A pure function of where it starts and of the target: no clock, no warm start, the same bits every time.

Nothing here knows what an action is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import mink
import mujoco
import numpy as np
from numpy.typing import NDArray

from viewer_app.robot_parts import chain
from viewer_app.scene import Scene
from viewer_app.types import FloatArray

NEAR, NEAR_TURN = 1e-3, float(np.deg2rad(1.0))
"""Another bend of the arm is taken at once if it comes this close. [m], [rad]"""
MOST_ITERATIONS = 30
"""Of one descent."""
MOST_STARTS = 4
"""Descents for one target, the first of them from where the arm is."""
ORIENTATION_COST = 0.01
"""What one radian off weighs against one metre off: position first. [m/rad]"""
_MET, _MET_TURN = 1e-6, 1e-5
"""The descent ends this close. Small, because errors of relative targets add up. [m], [rad]"""
_JUMP = 0.1
"""From farther than this, an orientation that is not met may be met by another bend of the arm. [m]"""
_KNOWN = 512
"""Bends of the arm among which a start near the target is looked for."""
_UNLIMITED = 1e6
"""Stands for no limit. [rad or m]"""
_WORTH_A_JUMP = 5e-3
"""A target must be missed by this much for another bend to be looked for, and one that does not meet it either must
bring the hand this much nearer. [m]"""


@dataclass(frozen=True)
class Pose:
    """Where the end effector is, or should be, in the world frame."""

    position: FloatArray
    """Shape (3,). [m]"""
    quaternion: FloatArray | None
    """w, x, y, z, of length 1. Shape (4,). None where any orientation will do."""


@dataclass(frozen=True)
class Solution:
    """How near the arm comes to a target."""

    joints: FloatArray
    """Of the joints that were solved for. Shape (k,). [rad]"""
    position: FloatArray
    """Where they put the end effector. Shape (3,). [m]"""
    position_error: float
    """[m]"""
    orientation_error: float
    """0 where any orientation will do. [rad]"""


class InverseKinematics:
    """Solves for some joints of one scene. Holds scratch data, so one per thread."""

    def __init__(self, scene: Scene, solved: NDArray[np.int64]) -> None:
        """
        Args:
            scene: Its end-effector site is what is put somewhere.
            solved: Which of the scene's joints may move, by number; each of them moves the site. Shape (k,).
        """
        self._site = scene.site_id
        self._qpos_index = scene.qpos_index[solved]
        self._low, self._high = (bound[solved] for bound in _limits(scene))
        # mink reads limits off the model. Only the joints that are solved for have any, so that an object's hinge, or
        # a joint that is commanded otherwise, cannot make the program infeasible.
        model = copy.deepcopy(scene.model)
        joints = [model.joint(scene.spec.joints[int(i)].name).id for i in solved]
        model.jnt_limited[:] = 0
        model.jnt_limited[joints] = 1
        model.jnt_range[joints] = np.clip(np.stack([self._low, self._high], axis=1), -_UNLIMITED, _UNLIMITED)
        self._configuration = mink.Configuration(model)
        self._data = self._configuration.data
        self._limits = [mink.ConfigurationLimit(model, gain=1.0)]
        name = scene.spec.end_effector_site
        self._tasks = {turned: mink.FrameTask(name, "site", 1.0, ORIENTATION_COST * turned) for turned in (False, True)}
        dofs = {int(model.jnt_dofadr[joint]) for joint in joints}
        frozen = [dof for dof in _dofs_that_move(model, self._site) if dof not in dofs]
        self._constraints = [mink.DofFreezingTask(model, frozen)] if frozen else None

    def place(self, data: mujoco.MjData) -> None:
        """Put what no joint moves where it is in `data`."""
        self._data.mocap_pos[:] = data.mocap_pos
        self._data.mocap_quat[:] = data.mocap_quat

    def pose(self, qpos: FloatArray) -> Pose:
        """Where the end effector is. Shape of `qpos` (nq,)."""
        self._configuration.update(qpos)
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, self._data.site_xmat[self._site])
        return Pose(self._data.site_xpos[self._site].copy(), quaternion)

    def solve(self, qpos: FloatArray, target: Pose, anywhere: bool) -> Solution:
        """Joint targets for a pose.

        Args:
            qpos: Where to start from. Shape (nq,).
            target: Where the end effector should be.
            anywhere: Whether to start again from elsewhere if that does not lead there. Without it, the arm stays
                bent as it is.
        """
        best = self._descend(qpos, target)
        if not anywhere or not self._worth_more(best, target, qpos):
            return best
        for start in self._starts_near(target):
            there = qpos.copy()
            there[self._qpos_index] = start
            other = self._descend(there, target)
            if _misses(other):
                if other.position_error < best.position_error - _WORTH_A_JUMP:
                    best = other
                continue
            return other
        return best

    def _worth_more(self, found: Solution, target: Pose, qpos: FloatArray) -> bool:
        """Whether to start from elsewhere too."""
        if found.position_error > _WORTH_A_JUMP:
            return True
        # Most arms of hobbyists cannot take every orientation. That is no reason to search at every step.
        return _misses(found) and float(np.linalg.norm(self.pose(qpos).position - target.position)) > _JUMP

    def _descend(self, qpos: FloatArray, target: Pose) -> Solution:
        """From one start to the nearest of what can be reached from there: the position first."""
        found = self._approach(qpos, target)
        if target.quaternion is None or found.position_error <= _MET:
            return found
        # An orientation that cannot be met has pulled the hand away from its position by a little.
        there = qpos.copy()
        there[self._qpos_index] = found.joints
        nearer = self._approach(there, Pose(target.position, None))
        return replace(nearer, orientation_error=self._errors(target)[1])

    def _approach(self, qpos: FloatArray, target: Pose) -> Solution:
        """From one start to the least of both errors, weighted."""
        configuration, index = self._configuration, self._qpos_index
        start = qpos.copy()
        start[index] = np.clip(start[index], self._low, self._high)
        configuration.update(start)
        turned = target.quaternion is not None
        task, weight = self._tasks[turned], ORIENTATION_COST**2
        rotation = mink.SO3.identity() if target.quaternion is None else mink.SO3(target.quaternion)
        task.set_target(mink.SE3.from_rotation_and_translation(rotation, target.position))

        best, (off, turn) = configuration.q, self._errors(target)
        energy, caution = off**2 + weight * turn**2, 1.0
        for _ in range(MOST_ITERATIONS):
            if off <= _MET and turn <= _MET_TURN:
                break
            damping = caution * min(max(0.1 * energy, 1e-8), 1e-2)
            try:
                # A time step of 1 makes the velocity the step itself.
                step = mink.solve_ik(
                    configuration,
                    [task],
                    1.0,
                    "daqp",
                    damping=damping,
                    limits=self._limits,
                    constraints=self._constraints,
                )
            except mink.NoSolutionFound:
                break
            if np.abs(step).max() < 1e-8:
                break
            configuration.integrate_inplace(step, 1.0)
            off_then, turn_then = self._errors(target)
            energy_then = off_then**2 + weight * turn_then**2
            if energy_then < energy:
                gained = energy - energy_then
                best, off, turn, energy = configuration.q, off_then, turn_then, energy_then
                caution = max(caution / 10, 1.0)
                if gained < 1e-6 * energy:
                    break
            else:
                configuration.update(best)
                caution *= 5
        configuration.update(best)
        # Rounding in the program may put a joint past its limit by a bit.
        joints = np.clip(best[index], self._low, self._high)
        return Solution(joints, self._data.site_xpos[self._site].copy(), off, turn)

    def _errors(self, target: Pose) -> tuple[float, float]:
        """How far the configuration is from a target. [m], [rad]"""
        away = self._data.site_xpos[self._site] - target.position
        off = float(np.sqrt(away @ away))
        if target.quaternion is None:
            return off, 0.0
        quaternion, between = np.empty(4), np.empty(4)
        mujoco.mju_mat2Quat(quaternion, self._data.site_xmat[self._site])
        mujoco.mju_negQuat(between, target.quaternion)
        mujoco.mju_mulQuat(between, between.copy(), quaternion)
        return off, 2 * float(np.arctan2(np.sqrt(between[1:] @ between[1:]), abs(between[0])))

    def _starts_near(self, target: Pose) -> Iterator[FloatArray]:
        """Bends of the arm whose end effector is near the target, the nearest first. Shapes (k,)."""
        bends, positions, quaternions = self._known
        away = np.linalg.norm(positions - target.position, axis=1)
        if target.quaternion is not None:
            away = away + _JUMP * np.arccos(np.minimum(np.abs(quaternions @ target.quaternion), 1.0))
        for number in np.argsort(away, kind="stable")[: MOST_STARTS - 1]:
            yield bends[number]

    @cached_property
    def _known(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Bends of the arm, and where they put the end effector. Shapes (K, k), (K, 3), (K, 4)."""
        low = np.where(np.isfinite(self._low), self._low, -np.pi)
        high = np.where(np.isfinite(self._high), self._high, np.pi)
        bends = np.random.default_rng(0).uniform(low, high, (_KNOWN, len(low)))
        qpos = self._configuration.model.qpos0.copy()
        positions, quaternions = np.empty((_KNOWN, 3)), np.empty((_KNOWN, 4))
        for number, bend in enumerate(bends):
            qpos[self._qpos_index] = bend
            found = self.pose(qpos)
            assert found.quaternion is not None
            positions[number], quaternions[number] = found.position, found.quaternion
        return bends, positions, quaternions


def _limits(scene: Scene) -> tuple[FloatArray, FloatArray]:
    """Between what each joint can be, and can be told to be. Shapes (n,). [rad or m]"""
    ends = scene.to_control(np.array([[-np.inf], [np.inf]], np.float32).repeat(len(scene.spec.joints), axis=1))
    limited = np.array([bool(scene.model.joint(name).limited[0]) for name in scene.joint_names])
    low, high = np.where(limited[:, None], scene.joint_range, (-np.inf, np.inf)).T
    return np.maximum(low, ends.min(axis=0)), np.minimum(high, ends.max(axis=0))


def _misses(found: Solution) -> bool:
    return found.position_error > NEAR or found.orientation_error > NEAR_TURN


def _dofs_that_move(model: mujoco.MjModel, site: int) -> list[int]:
    """The degrees of freedom between the world and a site."""
    dofs: list[int] = []
    for body in chain(model, int(model.site_bodyid[site])):
        first = int(model.body_dofadr[body])
        dofs += range(first, first + int(model.body_dofnum[body]))
    return dofs
