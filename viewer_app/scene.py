"""A scene: the spec of its text file with its compiled MuJoCo model, and the look-ups that the rest needs: joint units,
actuators, cameras, the end-effector site. A scene holds no simulation state and never changes.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import mujoco
import numpy as np

from viewer_app.channels import DEGREES, MILLIMETRES, Channel, Channels
from viewer_app.gym_packages import trust
from viewer_app.gym_scene import COMPILED, write_gym_scene
from viewer_app.movable import free_joint
from viewer_app.scene_spec import (
    ActionKind,
    ActionSpec,
    JointSpec,
    Rotation,
    SceneError,
    SceneSpec,
    StateKind,
    UnreadableSceneError,
)
from viewer_app.types import Float32Array, FloatArray, frozen

BUILT_IN = Path(__file__).parent / "scenes"
GYM = "gym:"
"""What the name of a Gymnasium environment's scene begins with."""

_PERSPECTIVE = int(mujoco.mjtProjection.mjPROJ_PERSPECTIVE)


class Scene:
    """A validated spec and its compiled model."""

    def __init__(self, spec: SceneSpec, path: Path) -> None:
        """
        Args:
            spec: The scene's text file as data.
            path: The text file; the MJCF is found relative to it.

        Raises:
            SceneError: If the MJCF does not compile or lacks something that the spec names; valid names are listed.
        """
        self.spec = spec
        self.path = path
        model_path = path.parent / spec.model
        if not model_path.is_file():
            raise UnreadableSceneError(f"Scene file {path}: model file {model_path} does not exist.")
        self.model = _compiled(model_path)
        problems = [f"Scene {spec.name}: {problem}" for problem in self._problems()]
        if problems:
            raise SceneError(*problems)
        model = self.model
        joint_ids = [model.joint(joint.name).id for joint in spec.joints]
        self.qpos_index = np.array([model.jnt_qposadr[i] for i in joint_ids], np.int64)
        """Where each joint's position is in qpos. Shape (n,)."""
        self.ctrl_index = np.array([self._actuator_id(joint.actuator) for joint in spec.joints], np.int64)
        """Which control each joint's actuator is. Shape (n,)."""
        self.joint_range = frozen(np.array([model.jnt_range[i] for i in joint_ids], np.float64).reshape(-1, 2))
        """Lower and upper limit. Shape (n, 2). [rad]"""
        self.site_id = int(model.site(spec.end_effector_site).id)
        self.substeps = round(self._exact_substeps())
        self._unit_scale, self._unit_offset = self._units()
        self._ctrl_range = frozen(self._control_range())
        self._sliding = {
            joint.name for joint in spec.joints if model.joint(joint.name).type[0] == int(mujoco.mjtJoint.mjJNT_SLIDE)
        }
        self.actions = Channels(self._channels(spec.action.kind))
        """Of an action: `n_action` of them."""
        self.states = Channels(self._channels(spec.state.kind, is_state=True))
        """Of proprioception: `n_state` of them."""

    @staticmethod
    def load(name: str | Path, by_person: bool = True) -> Scene:
        """A built-in scene by its name, a user's by the path of its text file or folder, or `gym:` and the id of a
        Gymnasium environment.

        Args:
            name: Of the scene.
            by_person: Whether a person asked for this very scene, and so for the Python module that registers its
                environment. What a recording asks for, nobody did.

        Raises:
            SceneError: If there is no such scene, or it is not valid.
            GymError: If there is no such environment, or no scene can be made of it.
        """
        path = scene_path(name)
        spec = SceneSpec.read(path)
        if by_person and spec.environment:
            trust(spec.environment)
        return Scene(spec, path)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def joint_names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.spec.joints)

    @property
    def commands_joints(self) -> bool:
        """Whether number i of an action is the target of joint i, and number i of the state its position."""
        return (self.spec.action.kind, self.spec.state.kind) == ("joints", "joints")

    @property
    def measures_commands(self) -> bool:
        """Whether number i of the state measures what number i of an action commands, so that one can be held against
        the other."""
        absolute = (self.spec.action.kind, self.spec.state.kind) == ("end_effector", "end_effector")
        return self.commands_joints or (absolute and not self.spec.action.relative)

    @property
    def action_names(self) -> tuple[str, ...]:
        """What each number of an action is called. As many as `n_action`."""
        action = self.spec.action
        match action.kind:
            case "joints":
                return self.joint_names
            case "end_effector":
                return _pose_names(action.rotation) + action.direct
            case "environment":
                return action.names

    @property
    def state_names(self) -> tuple[str, ...]:
        """What each number of proprioception is called. As many as `n_state`."""
        match self.spec.state.kind:
            case "joints":
                return self.joint_names
            case "end_effector":
                return _pose_names(self.spec.action.rotation) + self.spec.action.direct
            case "environment":
                return self.spec.state.names

    @property
    def n_action(self) -> int:
        return len(self.action_names)

    @property
    def n_state(self) -> int:
        return len(self.state_names)

    @property
    def control_dt(self) -> float:
        """Duration of one control step. [s]"""
        return self.substeps * float(self.model.opt.timestep)

    def to_control(self, action: Float32Array) -> FloatArray:
        """Joint targets of an action, clipped to what the actuators accept.

        Args:
            action: Scene units. Shape (..., n).

        Returns:
            Shape (..., n). [rad]
        """
        target = np.asarray(action, np.float64) * self._unit_scale + self._unit_offset
        return np.clip(target, self._ctrl_range[:, 0], self._ctrl_range[:, 1])

    def to_positions(self, values: FloatArray) -> FloatArray:
        """Values in scene units to joint positions, unclipped. Shape (..., n). [rad or m]"""
        return np.asarray(np.asarray(values, np.float64) * self._unit_scale + self._unit_offset)

    def to_values(self, positions: FloatArray) -> FloatArray:
        """Joint positions [rad or m] to scene units, in double precision. Shape (..., n)."""
        return np.asarray((np.asarray(positions, np.float64) - self._unit_offset) / self._unit_scale)

    def to_scene_units(self, angles: FloatArray) -> Float32Array:
        """Joint angles in the units that the scene declares.

        Args:
            angles: Shape (..., n). [rad]
        """
        return ((angles - self._unit_offset) / self._unit_scale).astype(np.float32)

    @property
    def joint_ends(self) -> Float32Array:
        """Lower and upper end of each joint's range, in the units that the scene declares. Shape (2, n)."""
        return self.to_scene_units(self.joint_range.T)

    def to_degrees(self, values: Float32Array) -> FloatArray:
        """Scene units to degrees, unclipped. Shape (..., n)."""
        return np.rad2deg(np.asarray(values, np.float64) * self._unit_scale + self._unit_offset)

    def model_camera(self, name: str) -> str:
        """The camera of the model behind a name that the viewport can look through."""
        camera = self.spec.cameras.get(name)
        return name if camera is None else camera.camera or name

    @property
    def viewing_cameras(self) -> tuple[str, ...]:
        """What the viewport can look through: the model's cameras, then what else the scene makes of them.

        A camera of the scene is shown as the policy sees it: in depth, turned.
        """
        own = tuple(_names(self.model, mujoco.mjtObj.mjOBJ_CAMERA))
        return (*own, *(name for name in self.spec.cameras if name not in own))

    def _channels(self, kind: ActionKind | StateKind, is_state: bool = False) -> Sequence[Channel]:
        action, state = self.spec.action, self.spec.state
        match kind:
            case "joints":
                return [self._joint_channel(joint) for joint in self.spec.joints]
            case "end_effector":
                joints = {joint.name: joint for joint in self.spec.joints}
                pose = [_pose_channel(name, action) for name in _pose_names(action.rotation)]
                return pose + [self._joint_channel(joints[name]) for name in action.direct]
            case "environment":
                if is_state:
                    return [Channel(name) for name in state.names]
                count = len(action.names)
                low, high = action.low or (-np.inf,) * count, action.high or (np.inf,) * count
                return [
                    Channel(
                        name, low=least, high=most, gripper="grip" in name.lower() and bool(np.isfinite(most - least))
                    )
                    for name, least, most in zip(action.names, low, high, strict=True)
                ]

    def _joint_channel(self, joint: JointSpec) -> Channel:
        i = self.joint_names.index(joint.name)
        slides = joint.name in self._sliding
        plain = {"range_100": "-100..100", "range_0_100": "0..100"}
        if joint.unit == "degrees":
            plain["degrees"] = "" if slides else "deg"
        elif (joint.scale, joint.offset) == (1.0, 0.0):
            plain["radians"] = "m" if slides else "rad"
        return Channel(
            joint.name,
            unit=plain.get(joint.unit, ""),
            shown_unit=MILLIMETRES if slides else DEGREES,
            scale=float(self._unit_scale[i]),
            offset=float(self._unit_offset[i]),
            low=float(self._ctrl_range[i, 0]),
            high=float(self._ctrl_range[i, 1]),
            gripper=joint.unit == "range_0_100",
        )

    def _problems(self) -> Iterator[str]:
        """A sentence for each thing in the text file that does not go with the model."""
        spec = self.spec
        kinds = mujoco.mjtObj
        for joint in spec.joints:
            yield from self._joint_problems(joint)
        yield from self._missing(kinds.mjOBJ_SITE, "site", spec.end_effector_site)
        for name in spec.cameras:
            yield from self._camera_problems(name)
        if spec.home_keyframe and self.home_keyframe < 0:
            yield from self._missing(kinds.mjOBJ_KEY, "keyframe", spec.home_keyframe)
        for spawn in spec.spawn:
            missing = list(self._missing(kinds.mjOBJ_BODY, "body", spawn.body))
            yield from missing
            if not missing and free_joint(self.model, spawn.body) is None:
                yield f"body {spawn.body!r} must have a free joint to be placed."
        if spec.task.rule != "none":
            yield from self._missing(kinds.mjOBJ_BODY, "body", spec.task.object)
            yield from self._missing(kinds.mjOBJ_BODY, "body", spec.task.target)
            for geom in spec.task.gripper_geoms:
                yield from self._missing(kinds.mjOBJ_GEOM, "geom", geom)
        exact = self._exact_substeps()
        if round(exact) < 1 or abs(exact - round(exact)) > 1e-6 * round(exact):
            yield (
                f"one control step at {spec.control_hz:g} Hz is {exact:.4f} physics steps of "
                f"{self.model.opt.timestep:g} s; change control_hz or the model's timestep so that it is a whole "
                "number."
            )

    def _joint_problems(self, joint: JointSpec) -> Iterator[str]:
        missing = list(self._missing(mujoco.mjtObj.mjOBJ_JOINT, "joint", joint.name))
        yield from missing
        if self._actuator_id(joint.actuator) < 0:
            yield from self._missing(mujoco.mjtObj.mjOBJ_ACTUATOR, "actuator", joint.actuator)
        if ((joint.scale, joint.offset) != (1.0, 0.0) and joint.unit != "radians") or joint.scale == 0:
            yield (
                f"joint {joint.name!r} has scale {joint.scale:g} and offset {joint.offset:g} with unit {joint.unit}; "
                "they go with radians, and the scale must not be 0."
            )
        if missing:
            return
        found = self.model.joint(joint.name)
        if found.type[0] not in (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)):
            yield f"joint {joint.name!r} must be a hinge or a slide."
        elif joint.unit.startswith("range") and not found.range[1] > found.range[0]:
            yield f"joint {joint.name!r} has no range in the model, which the unit {joint.unit} needs."

    def _camera_problems(self, name: str) -> Iterator[str]:
        camera = self.spec.cameras[name]
        nearest, farthest = camera.depth
        if camera.is_depth and not 0 <= nearest < farthest:
            yield (
                f"depth of camera {name!r} is its nearest and its farthest distance in metres, such as [0.1, 1.5]; "
                f"found [{nearest:g}, {farthest:g}]."
            )
        if camera.free:
            if len(camera.free) != 6 or not np.isfinite(camera.free).all() or camera.free[3] <= 0:
                yield f"free of camera {name!r} is a point, a distance, azimuth and elevation: six numbers."
            return
        missing = list(self._missing(mujoco.mjtObj.mjOBJ_CAMERA, "camera", self.model_camera(name)))
        yield from missing
        if missing or not camera.is_depth:
            return
        if self.model.cam_projection[self.model.camera(self.model_camera(name)).id] != _PERSPECTIVE:
            yield f"camera {name!r} is orthographic; depth needs a perspective camera."

    def _actuator_id(self, name: str) -> int:
        """Number of an actuator, negative where there is none of that name."""
        return self._number(mujoco.mjtObj.mjOBJ_ACTUATOR, name, self.model.nu)

    @property
    def home_keyframe(self) -> int:
        """Number of the keyframe that a reset starts from, negative where it starts from none."""
        return self._number(mujoco.mjtObj.mjOBJ_KEY, self.spec.home_keyframe, self.model.nkey)

    def _number(self, kind: mujoco.mjtObj, name: str, count: int) -> int:
        """Number of what is called so, or is `#N`, of `count`; negative where there is none."""
        number = name.removeprefix("#")
        if name != number and number.isdecimal() and int(number) < count:
            return int(number)
        return int(mujoco.mj_name2id(self.model, kind, name)) if name else -1

    def _missing(self, kind: mujoco.mjtObj, noun: str, name: str) -> Iterator[str]:
        if mujoco.mj_name2id(self.model, kind, name) < 0:
            valid = ", ".join(_names(self.model, kind)) or "none"
            yield f"the model has no {noun} {name!r}; it has {valid}."

    def _exact_substeps(self) -> float:
        return 1.0 / (self.spec.control_hz * float(self.model.opt.timestep))

    def _units(self) -> tuple[FloatArray, FloatArray]:
        """Scale and offset from scene units to radians. Shapes (n,)."""
        scale, offset = [], []
        for joint, (low, high) in zip(self.spec.joints, self.joint_range, strict=True):
            match joint.unit:
                case "range_100":
                    scale.append((high - low) / 200)
                    offset.append((high + low) / 2)
                case "range_0_100":
                    scale.append((high - low) / 100)
                    offset.append(low)
                case "degrees":
                    scale.append(np.pi / 180)
                    offset.append(0.0)
                case "radians":
                    scale.append(joint.scale)
                    offset.append(joint.offset)
        return frozen(np.array(scale)), frozen(np.array(offset))

    def _control_range(self) -> FloatArray:
        limited = self.model.actuator_ctrllimited[self.ctrl_index].astype(bool)
        bounds = self.model.actuator_ctrlrange[self.ctrl_index].copy()
        bounds[~limited] = (-np.inf, np.inf)
        return cast(FloatArray, bounds)


def _pose_names(rotation: Rotation) -> tuple[str, ...]:
    match rotation:
        case "none":
            return ("x", "y", "z")
        case "quaternion":
            return ("x", "y", "z", "qw", "qx", "qy", "qz")
        case "rotation_vector":
            return ("x", "y", "z", "rx", "ry", "rz")


def _pose_channel(name: str, action: ActionSpec) -> Channel:
    """A number of an end effector's pose."""
    if name in ("x", "y", "z"):
        unit = {1.0: "m", 0.001: "mm"}.get(action.position_scale, "")
        return Channel(name, unit, MILLIMETRES, action.position_scale)
    if action.rotation == "rotation_vector":
        return Channel(name, "rad" if action.rotation_scale == 1.0 else "", DEGREES, action.rotation_scale)
    return Channel(name)


def _compiled(path: Path) -> mujoco.MjModel:
    """The model of an MJCF file, or the compiled one that such a file names.

    Raises:
        UnreadableSceneError: If it does not compile, or was compiled by another MuJoCo.
    """
    compiled = path.with_suffix(".mjb")
    try:
        if not compiled.is_file():
            return mujoco.MjModel.from_xml_path(str(path))
        element = ElementTree.parse(path).find(COMPILED)
        version = element.get("version", "") if element is not None else ""
        if version != mujoco.__version__:
            raise UnreadableSceneError(
                f"Scene model {path} was compiled by MuJoCo {version or 'of unknown version'}, and no other reads it; "
                f"this one is {mujoco.__version__}."
            )
        return mujoco.MjModel.from_binary_path(str(compiled))
    except (ValueError, ElementTree.ParseError) as error:
        raise UnreadableSceneError(f"Scene model {path} does not compile: {' '.join(str(error).split())}") from None


def scene_path(name: str | Path) -> Path:
    """The text file of a scene. See `Scene.load`.

    Raises:
        UnreadableSceneError: If there is no such scene.
        GymError: If there is no such environment, or no scene can be made of it.
    """
    path = Path(name)
    if str(name).startswith(GYM):
        trust(str(name).removeprefix(GYM))
        path = write_gym_scene(str(name).removeprefix(GYM))
    if path.is_dir():
        path = path / "scene.toml"
    if not path.is_file():
        path = BUILT_IN / str(name) / "scene.toml"
    if not path.is_file():
        raise UnreadableSceneError(
            f"No scene {str(name)!r}: neither a scene file nor one of the built-in scenes "
            f"({', '.join(built_in_scenes())})."
        )
    return path


def built_in_scenes() -> Sequence[str]:
    """Names of the scenes that ship with Whiskers."""
    return sorted(path.parent.name for path in BUILT_IN.glob("*/scene.toml"))


def _names(model: mujoco.MjModel, kind: mujoco.mjtObj) -> Iterable[str]:
    """All names of one kind in a model."""
    count = {
        mujoco.mjtObj.mjOBJ_JOINT: model.njnt,
        mujoco.mjtObj.mjOBJ_ACTUATOR: model.nu,
        mujoco.mjtObj.mjOBJ_SITE: model.nsite,
        mujoco.mjtObj.mjOBJ_CAMERA: model.ncam,
        mujoco.mjtObj.mjOBJ_KEY: model.nkey,
        mujoco.mjtObj.mjOBJ_BODY: model.nbody,
        mujoco.mjtObj.mjOBJ_GEOM: model.ngeom,
    }[kind]
    found = (mujoco.mj_id2name(model, kind, i) for i in range(count))
    return [name for name in found if name]
