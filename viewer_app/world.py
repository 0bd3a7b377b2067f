"""The owner of a live MuJoCo simulation: reset, step, snapshot, restore, readings.

A world knows no policy, no trace and no OpenGL; who wants pictures passes in something that renders snapshots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import mujoco
import numpy as np

from viewer_app.actuation import actuation_of, state_of
from viewer_app.channels import listed
from viewer_app.movable import pushed, put
from viewer_app.placing import check_placing, place_joints, place_objects
from viewer_app.scene import Scene
from viewer_app.snapshots import STATE_SPEC, physics_of, take_looks
from viewer_app.task import PROGRESS_SIZE, Measured, Progress, advance, begin
from viewer_app.types import (
    Float32Array,
    FloatArray,
    Force,
    ImageArray,
    Observation,
    PhysicsError,
    Pose,
    Positions,
    Readings,
    WhiskersError,
)

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


def pictures_by(pictures: Pictures | None, snapshot: FloatArray, cameras: Sequence[str]) -> Mapping[str, ImageArray]:
    """What the cameras showed in the world of `snapshot`.

    Raises:
        WhiskersError: If a camera is wanted of a world without a renderer.
    """
    if not cameras:
        return MappingProxyType({})
    if pictures is None:
        raise WhiskersError("This world was made without a renderer, so its cameras show nothing.")
    return pictures.pictures(snapshot, cameras)


def pose(scene: Scene, data: mujoco.MjData, snapshot: FloatArray) -> None:
    """Put `data` where a snapshot was taken, with body, site, camera and contact positions up to date.

    Args:
        scene: The scene of the snapshot.
        data: Scratch data of the scene's model.
        snapshot: From `MujocoWorld.snapshot`. Shape (z,).
    """
    mujoco.mj_setState(scene.model, data, physics_of(scene.model, snapshot), STATE_SPEC)
    mujoco.mj_fwdPosition(scene.model, data)


class MujocoWorld:
    """A scene in motion. Implements `types.World`."""

    caveat = ""

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
        self._actuation = actuation_of(scene)
        self._progress = Progress()
        task = scene.spec.task
        self._object_id = scene.model.body(task.object).id if task.rule != "none" else -1
        self._target_id = scene.model.body(task.target).id if task.rule != "none" else -1
        self._is_gripper = np.zeros(scene.model.ngeom, bool)
        for geom in task.gripper_geoms:
            self._is_gripper[scene.model.geom(geom).id] = True
        self._is_object = np.asarray(scene.model.geom_bodyid) == self._object_id
        self.reset(0)

    def reset(self, seed: int, start: Positions | None = None) -> None:
        """Begin the episode of this seed: the home keyframe, with the spawn entries drawn from `seed` in order.

        Args:
            seed: Of the episode.
            start: Where objects and joints are put after that.

        Raises:
            WhiskersError: If `start` names something that is not there.
        """
        if start is not None:
            check_placing(self.scene, start)
        model, data, spec = self.scene.model, self._data, self.scene.spec
        if self.scene.home_keyframe >= 0:
            mujoco.mj_resetDataKeyframe(model, data, self.scene.home_keyframe)
        else:
            mujoco.mj_resetData(model, data)
        rng = np.random.default_rng(seed)
        for spawn in spec.spawn:
            half = np.array(spawn.half_range)
            position = np.array(spawn.position) + rng.uniform(-half, half)
            yaw = np.deg2rad(rng.uniform(*spawn.yaw_degrees))
            self._place(spawn.body, position, float(yaw))
        data.ctrl[self.scene.ctrl_index] = data.qpos[self.scene.qpos_index]
        if start is not None:
            self._put(start)
        mujoco.mj_forward(model, data)
        self._progress = begin(spec.task, self._measure())

    def step(self, action: Float32Array, forces: Sequence[Force] = ()) -> None:
        """Hold the joint targets that the action is, or stands for, during one control step.

        Args:
            action: Scene units. Shape (n,).
            forces: What pushes meanwhile.

        Raises:
            PhysicsError: If a number stopped being finite; the world is then where it was before the step.
            WhiskersError: If the action has the wrong size, is not finite, or means nothing.
        """
        if action.shape != (self.scene.n_action,):
            raise WhiskersError(
                f"The action has {action.size} numbers; scene {self.scene.name} takes {self.scene.n_action} "
                f"({listed(self.scene.action_names)})."
            )
        if not np.isfinite(action).all():
            raise WhiskersError("The action holds NaN or infinity; the policy's output cannot be executed.")
        self._actuation.check(action)
        model, data = self.scene.model, self._data
        before = self.snapshot()
        counts = [int(data.warning[kind].number) for kind in _FATAL_WARNINGS]
        data.ctrl[self.scene.ctrl_index] = self._actuation.control(action, data)
        with pushed(model, data, forces):
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
        return pictures_by(self._pictures, snapshot, cameras)

    def snapshot(self) -> FloatArray:
        """Task progress, then MuJoCo's integration state, then the scene's looks. Shape (z,)."""
        model = self.scene.model
        state = np.empty(mujoco.mj_stateSize(model, STATE_SPEC))
        mujoco.mj_getState(model, self._data, state, STATE_SPEC)
        looks = take_looks(self.scene.spec.looks, model, self._data)
        return np.concatenate([self._progress.to_array(), state, looks])

    def restore(self, snapshot: FloatArray) -> None:
        """Become the world of `snapshot`, to the bit."""
        self._progress = Progress.from_array(snapshot[:PROGRESS_SIZE])
        mujoco.mj_setState(self.scene.model, self._data, physics_of(self.scene.model, snapshot), STATE_SPEC)

    def readings(self) -> Readings:
        """What can be read off the world now."""
        self._update_probe()
        progress = self._progress
        return Readings(
            time=float(self._data.time),
            state=state_of(self.scene, self._probe),
            tip_in_world=self._probe.site_xpos[self.scene.site_id].copy(),
            phase=progress.phase,
            outcome=progress.outcome,
            success=progress.outcome == "success",
            contact=self._touching(),
            reward=float(progress.outcome == "success"),
        )

    def place(self, positions: Positions) -> None:
        """Put objects and joints somewhere, at rest.

        Raises:
            WhiskersError: If one of them is not there, or cannot be put; nothing is then changed.
        """
        check_placing(self.scene, positions)
        self._put(positions)

    def _put(self, positions: Positions) -> None:
        place_objects(self.scene.model, self._data, positions)
        place_joints(self.scene, self._data, positions)

    def close(self) -> None:
        """Free the renderer's OpenGL objects."""
        if self._pictures is not None:
            self._pictures.close()

    def _place(self, body: str, position: FloatArray, yaw: float) -> None:
        x, y, z = (float(each) for each in position)
        turn = (float(np.cos(yaw / 2)), 0.0, 0.0, float(np.sin(yaw / 2)))
        put(self.scene.model, self._data, body, Pose((x, y, z), turn))

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
