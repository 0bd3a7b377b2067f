"""A scene's text file as data: read, and validated as far as the file alone says.

All that is wrong is found at once, each with the field that it is about. Whether the file goes with its model, `Scene`
finds out.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast, get_args

from viewer_app.gym_looks import LOOKS
from viewer_app.types import WhiskersError

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
