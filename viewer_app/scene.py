"""A scene: an MJCF file and one small text file beside it, validated and compiled.

`SceneSpec` is the text file as data, `Scene` is the spec with its compiled MuJoCo model and the look-ups that the rest
needs: joint units, actuators, cameras, the end-effector site. A scene holds no simulation state and never changes.
"""

from __future__ import annotations

import math
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast, get_args

import mujoco
import numpy as np

from viewer_app.channels import DEGREES, MILLIMETRES, Channel, Channels
from viewer_app.gym_looks import LOOKS
from viewer_app.gym_packages import trust
from viewer_app.gym_scene import COMPILED, write_gym_scene
from viewer_app.types import Float32Array, FloatArray, WhiskersError, frozen

BUILT_IN = Path(__file__).parent / "scenes"
GYM = "gym:"
"""What the name of a Gymnasium environment's scene begins with."""

_PERSPECTIVE = int(mujoco.mjtProjection.mjPROJ_PERSPECTIVE)
_FREE = int(mujoco.mjtJoint.mjJNT_FREE)

Unit = Literal["range_100", "range_0_100", "degrees", "radians"]
ActionKind = Literal["joints", "end_effector", "environment"]
Rotation = Literal["none", "quaternion", "rotation_vector"]
Reference = Literal["commanded", "measured"]
StateKind = Literal["joints", "end_effector", "environment"]


class SceneError(WhiskersError):
    """A scene cannot be used. The message names the file and the field."""

    def __init__(self, *problems: str) -> None:
        """
        Args:
            problems: A sentence for each thing that is wrong. The message is the first one, and how many there are.
        """
        more = len(problems) - 1
        super().__init__(problems[0] + (f" (And {more} more: whiskers scene check tells all.)" if more else ""))
        self.problems = problems


class UnreadableSceneError(SceneError):
    """There is no such scene, or its text file or its model cannot be read at all."""


@dataclass(frozen=True)
class JointSpec:
    """One dimension of the action and of the proprioception."""

    name: str
    """Joint in the MJCF."""
    actuator: str
    """Position actuator in the MJCF, `#N` for number N, which may have no name; its control is the joint's target.
    [rad]"""
    unit: Unit = "degrees"
    """range_100: -100 .. 100 over the joint's range; range_0_100: 0 .. 100; degrees; radians."""
    scale: float = 1.0
    """With the unit radians: the joint's target is the value times this, plus `offset`. [rad or m per unit]"""
    offset: float = 0.0
    """[rad or m]"""


@dataclass(frozen=True)
class ActionSpec:
    """What the numbers of an action are, where they are not the targets of the scene's joints."""

    kind: ActionKind = "joints"
    """joints: the target of each joint. end_effector: a target pose of the end effector, in the world frame, that
    inverse kinematics turns into targets of the joints. environment: what the Gymnasium environment makes of them."""
    names: tuple[str, ...] = ()
    """With the kind environment: what each number is called."""
    low: tuple[float, ...] = ()
    """With the kind environment: the least that each number may be, where it declares that."""
    high: tuple[float, ...] = ()
    rotation: Rotation = "none"
    """With the kind end_effector: how the numbers after the position turn it. quaternion: w, x, y, z."""
    relative: bool = False
    """With the kind end_effector: whether the pose is a change: added to a position, turned about the world's axes."""
    reference: Reference = "commanded"
    """Of a relative pose: where the last action wanted the end effector, or where it is."""
    position_scale: float = 1.0
    """[m per unit]"""
    rotation_scale: float = 1.0
    """Of a rotation vector. [rad per unit]"""
    direct: tuple[str, ...] = ()
    """With the kind end_effector: the joints, in scene units, that the numbers after the pose command themselves: a
    gripper. Inverse kinematics leaves them alone."""


@dataclass(frozen=True)
class StateSpec:
    """What the numbers of proprioception are, where they are not the scene's joints."""

    kind: StateKind = "joints"
    """end_effector: laid out as an absolute end-effector action. environment: what the Gymnasium environment says."""
    names: tuple[str, ...] = ()
    """With the kind environment: what each number is called."""
    environment: tuple[str, ...] = ()
    """What each number of the environment's state is called, where the environment observes one besides the robot's:
    `observation.environment_state` to LeRobot's policies."""


@dataclass(frozen=True)
class CameraSpec:
    """One camera that a policy can look through."""

    width: int
    """[px]"""
    height: int
    """[px]"""
    depth: tuple[float, float] = (0.0, 0.0)
    """For a depth camera: the nearest and the farthest distance that it tells apart, along its optical axis. Its
    picture is grey, black at the nearest and white at the farthest. (0, 0) for a colour camera. [m]"""
    turned: bool = False
    """Whether the policy is shown the picture upside down and mirrored, as some environments do."""
    camera: str = ""
    """Camera of the model; empty is the one of the entry's own name. So one camera can be wanted in colour and depth.
    """
    free: tuple[float, ...] = ()
    """For a camera that is none of the model's: the point in the world that it looks at [m], how far from it it is [m],
    and azimuth and elevation as MuJoCo's free camera has them [deg]. Six numbers."""

    @property
    def is_depth(self) -> bool:
        """Whether its picture tells distances."""
        return self.depth != (0.0, 0.0)


@dataclass(frozen=True)
class SpawnSpec:
    """What `reset(seed)` randomises about one free body."""

    body: str
    position: tuple[float, float, float]
    """Centre of the region. [m]"""
    half_range: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Half widths of the uniform region. [m]"""
    yaw_degrees: tuple[float, float] = (0.0, 0.0)
    """Uniform range of the rotation about the vertical. [deg]"""


@dataclass(frozen=True)
class TaskSpec:
    """What counts as progress and success. Distances in [m], thresholds of the seed experiments by default."""

    rule: Literal["pick_and_place", "none"] = "none"
    object: str = ""
    target: str = ""
    gripper_geoms: tuple[str, ...] = ()
    reach_xy: float = 0.06
    lift_height: float = 0.05
    near_target_xy: float = 0.06
    dropped_height: float = 0.03
    missed_xy: float = 0.12
    inside_xy: float = 0.04
    inside_height: float = 0.04
    settle_steps: int = 5
    max_steps: int = 400


@dataclass(frozen=True)
class SceneSpec:
    """The scene's text file as data."""

    name: str
    model: str
    """MJCF file, relative to the text file."""
    end_effector_site: str
    cameras: Mapping[str, CameraSpec]
    joints: tuple[JointSpec, ...] = ()
    """In the order of the action's and the state's dimensions. Only where neither is of the joints may there be none.
    """
    action: ActionSpec = field(default_factory=ActionSpec)
    state: StateSpec = field(default_factory=StateSpec)
    control_hz: float = 30.0
    """Control rate. [Hz]"""
    prompt: str = ""
    home_keyframe: str = ""
    """Keyframe that a reset starts from, `#N` for number N, which may have no name; empty is the model's own initial
    state."""
    look_at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Centre of the camera presets in the world frame. [m]"""
    spawn: tuple[SpawnSpec, ...] = ()
    task: TaskSpec = field(default_factory=TaskSpec)
    looks: tuple[str, ...] = ()
    """What an environment changes that pictures depend on, and that neither its model nor its physics state says:
    arrays of `LOOKS`. Snapshots hold them."""
    environment: str = ""
    """Gymnasium's id of the environment that steps the scene, which then says what success is; empty for MuJoCo alone.
    """

    @staticmethod
    def read(path: Path) -> SceneSpec:
        """Read and validate the text file.

        Raises:
            SceneError: If the file is missing, is not TOML, or has an unknown, missing or wrong field.
        """
        spec, problems = read_spec(path)
        if spec is None or problems:
            raise SceneError(*problems)
        return spec


def read_spec(path: Path) -> tuple[SceneSpec | None, list[str]]:
    """What a scene's text file says, and all that is wrong with it.

    Returns:
        The scene without what is wrong, None where too little is left; and a sentence for each thing that is wrong.

    Raises:
        UnreadableSceneError: If the file is missing or is not TOML.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableSceneError(f"Scene file {path} cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableSceneError(f"Scene file {path} is not valid TOML: {error}.") from None
    return _spec_from(table, path)


def _spec_from(table: dict[str, object], path: Path) -> tuple[SceneSpec | None, list[str]]:
    problems: list[str] = []

    def complain(sentence: str) -> None:
        problems.append(f"Scene file {path}: {sentence}")

    def build[T](kind: type[T], raw: object, where: str) -> T | None:
        """`kind` from a TOML table, with the field named in every complaint. None where it lacks what it needs."""
        if not isinstance(raw, dict):
            complain(f"{where} must be a table.")
            return None
        known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
        values: dict[str, object] = {}
        for key, value in raw.items():
            if key not in known:
                complain(f"unknown field {where}.{key}; valid are {', '.join(known)}.")
            elif (converted := convert(known[key].type, value, f"{where}.{key}")) is not None:
                values[key] = converted
        needed = [item.name for item in known.values() if item.default is item.default_factory is MISSING]
        for name in needed:
            if name not in raw:
                complain(f"{where} lacks the field {name}.")
        return kind(**values) if values.keys() >= set(needed) else None

    def convert(kind: object, value: object, where: str) -> object:
        """The value of a field, None where it is wrong."""
        text = str(kind)
        match text:
            case "str":
                ok, result = isinstance(value, str), value
            case "int":
                ok, result = isinstance(value, int) and not isinstance(value, bool) and value > 0, value
            case "float":
                ok = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
                result = float(cast(float, value)) if ok else value
            case "tuple[float, float, float]" | "tuple[float, float]":
                count = text.count("float")
                ok = isinstance(value, list) and len(value) == count
                ok = ok and all(isinstance(x, int | float) and math.isfinite(x) for x in cast(list[object], value))
                result = tuple(float(cast(float, x)) for x in cast(list[object], value)) if ok else value
            case "tuple[str, ...]":
                ok = isinstance(value, list) and all(isinstance(x, str) for x in value)
                result = tuple(cast(list[str], value)) if ok else value
            case "Unit":
                ok, result = value in get_args(Unit), value
                text = " or ".join(get_args(Unit))
            case "bool":
                ok, result = isinstance(value, bool), value
            case "tuple[float, ...]":
                ok = isinstance(value, list)
                ok = ok and all(isinstance(x, int | float) for x in cast(list[object], value))
                result = tuple(float(cast(float, x)) for x in cast(list[object], value)) if ok else value
            case "ActionKind" | "StateKind" | "Rotation" | "Reference":
                valid = get_args(
                    {"ActionKind": ActionKind, "StateKind": StateKind, "Rotation": Rotation}.get(text, Reference)
                )
                ok, result = value in valid, value
                text = " or ".join(valid)
            case "ActionSpec":
                return build(ActionSpec, value, where)
            case "StateSpec":
                return build(StateSpec, value, where)
            case "tuple[JointSpec, ...]" | "tuple[SpawnSpec, ...]":
                one = JointSpec if "Joint" in text else SpawnSpec
                if not isinstance(value, list):
                    complain(f"{where} must be written as [[{where.split('.')[-1]}]].")
                    return None
                entries = (build(one, entry, f"{where}[{i}]") for i, entry in enumerate(value))
                return tuple(entry for entry in entries if entry is not None)
            case "Mapping[str, CameraSpec]":
                if not isinstance(value, dict):
                    complain(f"{where} must be written as [cameras.NAME].")
                    return None
                cameras = {name: build(CameraSpec, raw, f"{where}.{name}") for name, raw in value.items()}
                return MappingProxyType({name: camera for name, camera in cameras.items() if camera is not None})
            case "TaskSpec":
                return build(TaskSpec, value, where)
            case _:
                ok, result = value in ("pick_and_place", "none"), value
                text = "pick_and_place or none"
        if not ok:
            complain(f"{where} must be {text}, found {value!r}.")
            return None
        return result

    spec = build(SceneSpec, table, "scene")
    if spec is None:
        return None, problems
    if not table.get("joints") and (spec.action.kind, spec.state.kind) != ("environment", "environment"):
        complain("at least one [[joints]] entry is needed.")
    for problem in _kind_problems(spec):
        complain(problem)
    if not spec.control_hz > 0:
        complain(f"scene.control_hz must be above 0, found {spec.control_hz}.")
        spec = replace(spec, control_hz=30.0)
    return spec, problems


def _kind_problems(spec: SceneSpec) -> Iterator[str]:
    """Whether what the action and the state are said to be goes together."""
    action = spec.action
    for field_, kind, names in (("action", action.kind, action.names), ("state", spec.state.kind, spec.state.names)):
        if kind == "environment" and not (spec.environment and names):
            yield f"{field_}.kind environment needs {field_}.names and an environment."
        if kind != "environment" and names:
            yield f"{field_}.names goes with {field_}.kind environment."
    if any(len(bounds) not in (0, len(action.names)) for bounds in (action.low, action.high)):
        yield "action.low and action.high need one number for each of action.names."
    if action.position_scale == 0 or action.rotation_scale == 0:
        yield "action.position_scale and action.rotation_scale must not be 0."
    if action.kind == "end_effector" and spec.environment:
        yield "action.kind end_effector goes with scenes that MuJoCo alone steps; an environment takes its own actions."
    known = [joint.name for joint in spec.joints]
    for name in spec.looks:
        if name not in LOOKS:
            yield f"looks names {name!r}; valid are {', '.join(LOOKS)}."
    for name in action.direct:
        if name not in known:
            yield f"action.direct names {name!r}; the joints are {', '.join(known)}."


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
            if not missing and self._free_joint_at(spawn.body) < 0:
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

    def free_joint_of(self, body: str) -> int:
        """Where the free joint of a body begins in qpos.

        Raises:
            SceneError: If the body has no free joint.
        """
        found = self._free_joint_at(body)
        if found < 0:
            raise SceneError(f"Scene {self.spec.name}: body {body!r} must have a free joint to be placed.")
        return found

    def _free_joint_at(self, body: str) -> int:
        """Where the free joint of a body begins in qpos, -1 where it has none."""
        model = self.model
        first = int(model.body(body).jntadr[0])
        return int(model.jnt_qposadr[first]) if first >= 0 and model.jnt_type[first] == _FREE else -1

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
