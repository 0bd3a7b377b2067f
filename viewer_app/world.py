"""The owner of a live MuJoCo simulation: reset, step, snapshot, restore, readings.

A world knows no policy, no trace and no OpenGL; who wants pictures passes in something that renders snapshots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import mujoco
import numpy as np

from viewer_app.scene import Scene
from viewer_app.task import PROGRESS_SIZE, Measured, Progress, advance, begin
from viewer_app.types import (
    Float32Array,
    FloatArray,
    ImageArray,
    Observation,
    PhysicsError,
    Readings,
    WhiskersError,
)

# Integration state: all that decides the next mj_step to the bit, warm start and applied forces included.
STATE_SPEC = int(mujoco.mjtState.mjSTATE_INTEGRATION)

_FATAL_WARNINGS = {
    mujoco.mjtWarning.mjWARN_BADQPOS: "positions",
    mujoco.mjtWarning.mjWARN_BADQVEL: "velocities",
    mujoco.mjtWarning.mjWARN_BADQACC: "accelerations",
    mujoco.mjtWarning.mjWARN_BADCTRL: "controls",
}


class Pictures(Protocol):
    """Something that renders what the scene's cameras showed."""

    def pictures(self, snapshot: FloatArray, cameras: Sequence[str]) -> Mapping[str, ImageArray]:
        """Camera name to picture, for the world of `snapshot`."""
        ...

    def close(self) -> None: ...


def pose(scene: Scene, data: mujoco.MjData, snapshot: FloatArray) -> None:
    """Put `data` where a snapshot was taken, with body, site, camera and contact positions up to date.

    Args:
        scene: The scene of the snapshot.
        data: Scratch data of the scene's model.
        snapshot: From `MujocoWorld.snapshot`. Shape (z,).
    """
    mujoco.mj_setState(scene.model, data, snapshot[PROGRESS_SIZE:], STATE_SPEC)
    mujoco.mj_fwdPosition(scene.model, data)


class MujocoWorld:
    """A scene in motion. Implements `types.World`."""

    def __init__(self, scene: Scene, pictures: Pictures | None = None) -> None:
        """
        Args:
            scene: What to simulate.
            pictures: Renders the cameras; None for a world that nobody looks at, such as a scratch twin.
        """
        self.scene = scene
        self._pictures = pictures
        self._data = mujoco.MjData(scene.model)
        self._probe = mujoco.MjData(scene.model)
        self._progress = Progress()
        task = scene.spec.task
        self._object_id = scene.model.body(task.object).id if task.rule != "none" else -1
        self._target_id = scene.model.body(task.target).id if task.rule != "none" else -1
        self._is_gripper = np.zeros(scene.model.ngeom, bool)
        for geom in task.gripper_geoms:
            self._is_gripper[scene.model.geom(geom).id] = True
        self._is_object = np.asarray(scene.model.geom_bodyid) == self._object_id
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Begin the episode of this seed: the home keyframe, with the spawn entries drawn from `seed` in order."""
        model, data, spec = self.scene.model, self._data, self.scene.spec
        if spec.home_keyframe:
            mujoco.mj_resetDataKeyframe(model, data, model.key(spec.home_keyframe).id)
        else:
            mujoco.mj_resetData(model, data)
        rng = np.random.default_rng(seed)
        for spawn in spec.spawn:
            half = np.array(spawn.half_range)
            position = np.array(spawn.position) + rng.uniform(-half, half)
            yaw = np.deg2rad(rng.uniform(*spawn.yaw_degrees))
            self._place(spawn.body, position, float(yaw))
        data.ctrl[self.scene.ctrl_index] = data.qpos[self.scene.qpos_index]
        mujoco.mj_forward(model, data)
        self._progress = begin(spec.task, self._measure())

    def step(self, action: Float32Array) -> None:
        """Hold the action's joint targets for one control step.

        Args:
            action: Scene units. Shape (n,).

        Raises:
            PhysicsError: If a number stopped being finite; the world is then where it was before the step.
            WhiskersError: If the action has the wrong size or is not finite.
        """
        if action.shape != (self.scene.n_action,):
            raise WhiskersError(
                f"The action has {action.size} numbers; scene {self.scene.name} has {self.scene.n_action} joints."
            )
        if not np.isfinite(action).all():
            raise WhiskersError("The action holds NaN or infinity; the policy's output cannot be executed.")
        model, data = self.scene.model, self._data
        before = self.snapshot()
        counts = [int(data.warning[kind].number) for kind in _FATAL_WARNINGS]
        data.ctrl[self.scene.ctrl_index] = self.scene.to_control(action)
        mujoco.mj_step(model, data, self.scene.substeps)
        for kind, count in zip(_FATAL_WARNINGS, counts, strict=True):
            if int(data.warning[kind].number) > count or not np.isfinite(data.qpos).all():
                time = float(before[PROGRESS_SIZE])
                self.restore(before)
                raise PhysicsError(
                    f"The simulation blew up (MuJoCo found bad {_FATAL_WARNINGS[kind]}) in the step after {time:.2f} s."
                )
        self._progress = advance(self.scene.spec.task, self._progress, self._measure())

    def observe(self, cameras: Sequence[str]) -> Observation:
        """What the sensors show now, without a prompt."""
        readings = self.readings()
        return Observation(readings.time, readings.state, self.picture(self.snapshot(), cameras))

    def picture(self, snapshot: FloatArray, cameras: Sequence[str]) -> Mapping[str, ImageArray]:
        """What the cameras showed in the world of `snapshot`."""
        if not cameras:
            return MappingProxyType({})
        if self._pictures is None:
            raise WhiskersError("This world was made without a renderer, so its cameras show nothing.")
        return self._pictures.pictures(snapshot, cameras)

    def snapshot(self) -> FloatArray:
        """Task progress, then MuJoCo's integration state. Shape (z,)."""
        size = mujoco.mj_stateSize(self.scene.model, STATE_SPEC)
        numbers = np.empty(PROGRESS_SIZE + size)
        numbers[:PROGRESS_SIZE] = self._progress.to_array()
        mujoco.mj_getState(self.scene.model, self._data, numbers[PROGRESS_SIZE:], STATE_SPEC)
        return numbers

    def restore(self, snapshot: FloatArray) -> None:
        """Become the world of `snapshot`, to the bit."""
        self._progress = Progress.from_array(snapshot[:PROGRESS_SIZE])
        mujoco.mj_setState(self.scene.model, self._data, snapshot[PROGRESS_SIZE:], STATE_SPEC)

    def readings(self) -> Readings:
        """What can be read off the world now."""
        self._update_probe()
        progress = self._progress
        return Readings(
            time=float(self._data.time),
            state=self.scene.to_scene_units(self._data.qpos[self.scene.qpos_index]),
            tip_in_world=self._probe.site_xpos[self.scene.site_id].copy(),
            phase=progress.phase,
            outcome=progress.outcome,
            success=progress.outcome == "success",
            contact=self._touching(),
            reward=float(progress.outcome == "success"),
        )

    def move_object(self, name: str, position: FloatArray, yaw: float) -> None:
        """Put a free object somewhere, at rest.

        Args:
            name: Body with a free joint.
            position: In the world frame. Shape (3,). [m]
            yaw: Rotation about the vertical. [rad]
        """
        self._place(name, np.asarray(position, np.float64), yaw)

    def close(self) -> None:
        """Free the renderer's OpenGL objects."""
        if self._pictures is not None:
            self._pictures.close()

    def _place(self, body: str, position: FloatArray, yaw: float) -> None:
        at = self.scene.free_joint_of(body)
        self._data.qpos[at : at + 3] = position
        self._data.qpos[at + 3 : at + 7] = (np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2))
        dof = int(self.scene.model.body(body).dofadr[0])
        self._data.qvel[dof : dof + 6] = 0.0

    def _update_probe(self) -> None:
        """Positions of bodies and sites at the present qpos. mj_step leaves the live data's one substep behind, and
        recomputing them there would change what the next step warm-starts from."""
        self._probe.qpos[:] = self._data.qpos
        self._probe.mocap_pos[:] = self._data.mocap_pos
        self._probe.mocap_quat[:] = self._data.mocap_quat
        mujoco.mj_kinematics(self.scene.model, self._probe)

    def _measure(self) -> Measured | None:
        if self._object_id < 0:
            return None
        self._update_probe()
        return Measured(
            tip=self._probe.site_xpos[self.scene.site_id],
            object=self._probe.xpos[self._object_id],
            target=self._probe.xpos[self._target_id],
            touching=self._touching(),
        )

    def _touching(self) -> bool:
        """Whether a gripper geom touches the object, as of the last physics step."""
        if self._data.ncon == 0:
            return False
        pairs = self._data.contact.geom[: self._data.ncon]
        first, second = pairs[:, 0], pairs[:, 1]
        hit = (self._is_gripper[first] & self._is_object[second]) | (self._is_object[first] & self._is_gripper[second])
        return bool(hit.any())
