"""From an action to targets of the joints, and from the joints to a state, as `[action]` and `[state]` of a scene say.

Where actions are joint targets there is nothing to it but their units. Where they are poses of the end effector,
inverse kinematics finds the joints, from the present configuration: a pure function of the action and of where the
world is, so that forks and recordings replay to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import mujoco
import numpy as np

from viewer_app.robot_parts import chain
from viewer_app.scene import Scene
from viewer_app.scene_spec import SceneError
from viewer_app.types import Float32Array, FloatArray, WhiskersError, frozen

if TYPE_CHECKING:
    from viewer_app.inverse_kinematics import InverseKinematics, Pose

MET, MET_TURN = 1.0, 1.0
"""A target is missed from farther than this on. [mm], [deg]"""
_SHORTEST_QUATERNION = 1e-6
"""One that is shorter says nothing of a direction."""


class Actuation(Protocol):
    """Turns actions into targets of the joints. Holds scratch data, so one per thread."""

    def check(self, action: Float32Array) -> None:
        """
        Raises:
            WhiskersError: If the numbers, as many as there should be and finite, still mean nothing.
        """
        ...

    def control(self, action: Float32Array, data: mujoco.MjData) -> FloatArray:
        """Targets of the scene's joints.

        Args:
            action: Scene units. Shape (n_action,).
            data: Where the world is: `qpos`, `ctrl` and the mocap bodies are read, nothing is changed.

        Returns:
            Shape (n,). [rad or m]
        """
        ...

    def rolling(self, actions: Float32Array, data: mujoco.MjData) -> Iterator[FloatArray]:
        """`control` of each row when its turn comes, from where `data` is by then.

        It ends before a row that means nothing.
        """
        ...

    def settled(self, actions: Float32Array, data: mujoco.MjData) -> FloatArray:
        """`control` of rows that follow one another, each from where the targets of the row before put the joints.

        Args:
            actions: Scene units. Shape (H, n_action).
            data: Where the world is before the first row.

        Returns:
            Shape (H, n). [rad or m] NaN from a row on that means nothing.
        """
        ...


def actuation_of(scene: Scene) -> Actuation:
    """How the actions of a scene move its joints.

    Raises:
        SceneError: If none of its joints could move the end effector.
    """
    return EndEffectorActuation(scene) if scene.spec.action.kind == "end_effector" else _JointActuation(scene)


class _JointActuation:
    """Number i of an action is the target of joint i."""

    def __init__(self, scene: Scene) -> None:
        self._to_control = scene.to_control

    def check(self, action: Float32Array) -> None:
        """Any finite number is a target."""

    def control(self, action: Float32Array, data: mujoco.MjData) -> FloatArray:
        return self._to_control(action)

    def rolling(self, actions: Float32Array, data: mujoco.MjData) -> Iterator[FloatArray]:
        return iter(self._to_control(actions))

    def settled(self, actions: Float32Array, data: mujoco.MjData) -> FloatArray:
        return self._to_control(actions)


@dataclass(frozen=True)
class Reached:
    """What became of a pose that an action asked for."""

    targets: FloatArray
    """Of the scene's joints. Shape (n,). [rad or m]"""
    wanted: FloatArray
    """Position that was asked for, in the world frame. Shape (3,). [m]"""
    axes: FloatArray | None
    """Orientation that was asked for: axes in the world frame, as columns. Shape (3, 3). None where any will do."""
    tip: FloatArray
    """Where the targets put the end effector. Shape (3,). [m]"""
    position_error: float
    """[mm]"""
    orientation_error: float
    """0 where any orientation will do. [deg]"""

    @property
    def missed(self) -> bool:
        """Whether the targets do not put the end effector at the position that was asked for."""
        return self.position_error > MET

    @property
    def failed(self) -> bool:
        """Whether they miss the position, or the orientation."""
        return self.missed or self.orientation_error > MET_TURN


class EndEffectorActuation:
    """An action is a pose of the end effector, and targets of the joints that it commands directly."""

    def __init__(self, scene: Scene) -> None:
        """
        Raises:
            SceneError: If none of the scene's joints could move the end effector.
        """
        self._scene = scene
        self._spec = scene.spec.action
        direct = [scene.joint_names.index(name) for name in self._spec.direct]
        self._direct = np.array(direct, np.int64)
        movers = _joints_that_move(scene.model, scene.site_id)
        solved = [
            i for i, name in enumerate(scene.joint_names) if i not in direct and scene.model.joint(name).id in movers
        ]
        if not solved:
            raise SceneError(
                f"Scene {scene.name}: no joint that action.direct leaves over moves the site "
                f"{scene.spec.end_effector_site!r}, so that end-effector actions could not be followed."
            )
        self._solved = np.array(solved, np.int64)
        self._pose_size = scene.n_action - len(direct)

    @cached_property
    def _solver(self) -> InverseKinematics:
        # mink takes half a second to import, so only who needs it waits for it.
        from viewer_app.inverse_kinematics import InverseKinematics

        return InverseKinematics(self._scene, self._solved)

    def check(self, action: Float32Array) -> None:
        if self._spec.rotation == "quaternion" and np.linalg.norm(action[3:7]) < _SHORTEST_QUATERNION:
            raise WhiskersError(
                "The action's quaternion (qw, qx, qy, qz) has length 0, which is no orientation; the policy's output "
                "cannot be executed."
            )

    def control(self, action: Float32Array, data: mujoco.MjData) -> FloatArray:
        return self.reach(action, data).targets

    def reach(self, action: Float32Array, data: mujoco.MjData) -> Reached:
        """Targets of the joints for one action, and how near they bring the end effector.

        Args:
            action: It is finite, and `check` has nothing against it. Shape (n_action,).
            data: As `Actuation.control`.
        """
        self._solver.place(data)
        return self._reach(action, data.qpos.copy(), data.ctrl[self._scene.ctrl_index])

    def rolling(self, actions: Float32Array, data: mujoco.MjData) -> Iterator[FloatArray]:
        for action in actions:
            if not self.means_something(action):
                return
            yield self.control(action, data)

    def settled(self, actions: Float32Array, data: mujoco.MjData) -> FloatArray:
        targets = np.full((len(actions), len(self._scene.spec.joints)), np.nan)
        self._solver.place(data)
        qpos, commanded = data.qpos.copy(), data.ctrl[self._scene.ctrl_index]
        for row, action in enumerate(actions):
            if not self.means_something(action):
                break
            targets[row] = commanded = self._reach(action, qpos, commanded).targets
            qpos[self._scene.qpos_index] = commanded
        return targets

    def means_something(self, action: Float32Array) -> bool:
        """Whether it could be executed."""
        try:
            self.check(action)
        except WhiskersError:
            return False
        return bool(np.isfinite(action).all())

    def _reach(self, action: Float32Array, qpos: FloatArray, commanded: FloatArray) -> Reached:
        """
        Args:
            action: Scene units. Shape (n_action,).
            qpos: Where the joints are. Shape (nq,).
            commanded: Where they were told to be. Shape (n,). [rad or m]
        """
        scene, spec = self._scene, self._spec
        numbers = np.asarray(action, np.float64)
        start = qpos.copy()
        # From where the joints were told to be, a chunk of poses leads to the same targets however they lag behind.
        if not (spec.relative and spec.reference == "measured"):
            start[scene.qpos_index] = commanded
        reference = self._solver.pose(start) if spec.relative else None
        targets = commanded.copy()
        targets[self._direct] = self._direct_targets(numbers[self._pose_size :])
        start[scene.qpos_index[self._direct]] = targets[self._direct]
        wanted = self._wanted(numbers, reference)
        found = self._solver.solve(start, wanted, anywhere=not spec.relative)
        targets[self._solved] = found.joints
        return Reached(
            targets=frozen(targets),
            wanted=frozen(wanted.position),
            axes=None if wanted.quaternion is None else frozen(_matrix(wanted.quaternion)),
            tip=frozen(found.position),
            position_error=1000 * found.position_error,
            orientation_error=float(np.rad2deg(found.orientation_error)),
        )

    def _wanted(self, numbers: FloatArray, reference: Pose | None) -> Pose:
        """The pose that an action asks for.

        Args:
            numbers: The action. Shape (n_action,).
            reference: What a relative one is relative to.
        """
        from viewer_app.inverse_kinematics import Pose

        spec = self._spec
        position, turn = numbers[:3] * spec.position_scale, self._turn(numbers)
        if reference is None:
            return Pose(position, turn)
        if turn is not None:
            assert reference.quaternion is not None
            turned = np.empty(4)
            mujoco.mju_mulQuat(turned, turn, reference.quaternion)  # about the world's axes
            turn = turned
        return Pose(reference.position + position, turn)

    def _turn(self, numbers: FloatArray) -> FloatArray | None:
        """The rotation that an action names, as a quaternion. Shape (4,)."""
        match self._spec.rotation:
            case "none":
                return None
            case "quaternion":
                turn = numbers[3:7] / np.linalg.norm(numbers[3:7])
                # Both signs are one orientation, which must have one answer to the bit.
                return np.asarray(-turn if turn[np.flatnonzero(turn)[0]] < 0 else turn)
            case "rotation_vector":
                quaternion, vector = np.empty(4), numbers[3:6] * self._spec.rotation_scale
                angle = float(np.linalg.norm(vector))
                mujoco.mju_axisAngle2Quat(quaternion, vector / angle if angle > 0 else vector, angle)
                return quaternion

    def _direct_targets(self, values: FloatArray) -> FloatArray:
        """Targets of the joints that are commanded directly. Scene units to [rad or m]. Shapes (d,)."""
        every = np.zeros(len(self._scene.spec.joints), np.float32)
        every[self._direct] = values
        return self._scene.to_control(every)[self._direct]


def state_of(scene: Scene, data: mujoco.MjData) -> Float32Array:
    """Proprioception: the scene's joints, or the end effector's pose and the joints that are commanded directly.

    A pose is laid out as an absolute action, and where actions are absolute it is in their units, so that a state that
    is sent back as an action is where the robot is. Where they are relative it is in [m] and [rad]. Of the two
    quaternions of an orientation it is the one with w not below 0.

    Args:
        scene: Of the data.
        data: With the positions of the sites up to date.

    Returns:
        Shape (n_state,).
    """
    if scene.spec.state.kind != "end_effector":
        return scene.to_scene_units(data.qpos[scene.qpos_index])
    spec = scene.spec.action
    position_scale, rotation_scale = (1.0, 1.0) if spec.relative else (spec.position_scale, spec.rotation_scale)
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, data.site_xmat[scene.site_id])
    if quaternion[0] < 0:
        quaternion = -quaternion
    match spec.rotation:
        case "none":
            turn: FloatArray = np.empty(0)
        case "quaternion":
            turn = quaternion
        case "rotation_vector":
            turn = np.empty(3)
            mujoco.mju_quat2Vel(turn, quaternion, 1.0)
            turn = turn / rotation_scale
    joints = scene.to_scene_units(data.qpos[scene.qpos_index])
    direct = joints[[scene.joint_names.index(name) for name in spec.direct]]
    pose = np.concatenate([data.site_xpos[scene.site_id] / position_scale, turn])
    return np.concatenate([pose.astype(np.float32), direct])


def _matrix(quaternion: FloatArray) -> FloatArray:
    flat = np.empty(9)
    mujoco.mju_quat2Mat(flat, quaternion)
    return flat.reshape(3, 3)


def _joints_that_move(model: mujoco.MjModel, site: int) -> set[int]:
    """Numbers of the joints between the world and a site."""
    joints: set[int] = set()
    for body in chain(model, int(model.site_bodyid[site])):
        first = int(model.body_jntadr[body])
        joints |= set(range(first, first + int(model.body_jntnum[body])))
    return joints
