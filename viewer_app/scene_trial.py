"""Trying a scene with nobody driving, to give its check something to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import mujoco
import numpy as np

from viewer_app.doctor.trial import HOLD_STEPS, WorldTrial
from viewer_app.doctor_trial import SEEDS, next_to_nothing, try_world
from viewer_app.headless import open_engine
from viewer_app.robot_parts import free_bodies
from viewer_app.scene import Scene
from viewer_app.scene_spec import ActionSpec, StateSpec
from viewer_app.types import FloatArray, ImageArray, WhiskersError, World
from viewer_app.world import MujocoWorld, pose

_DEEP = 0.0015
"""Bodies at rest lie in one another by less than this. [m]"""

_FEW_STEPS = 5


@dataclass(frozen=True)
class Overlap:
    """Two bodies that are inside one another when an episode begins."""

    first: str
    second: str
    depth: float
    """[m]"""


@dataclass(frozen=True)
class Thing:
    """What became of a free body while the robot stayed where it was."""

    name: str
    begun: FloatArray
    """Its place when the episode began, in the world frame. Shape (3,). [m]"""
    ended: FloatArray
    """Its place `HOLD_STEPS` control steps later. Shape (3,). [m]"""
    velocity: FloatArray
    """At the end, in the world frame. Shape (3,). [m/s]"""


@dataclass(frozen=True)
class Beginning:
    """How the episode of one seed begins."""

    seed: int
    overlaps: tuple[Overlap, ...]
    things: tuple[Thing, ...] = ()
    """Empty where it is not known what action holds the robot still."""
    drift: float | None = None
    """How far the end effector went while told to stay. [m]"""


@dataclass(frozen=True)
class SceneTrial:
    """A scene by itself."""

    beginnings: tuple[Beginning, ...]
    world: WorldTrial | None
    """None where an environment makes something else of actions than the joints' targets."""
    home: FloatArray | None = None
    """Where the scene's joints are when the episode of seed 0 begins; None where it has none. Shape (n,). [rad or m]"""
    pictures: Mapping[str, ImageArray] = field(default_factory=dict)
    """What each camera of the scene shows when the episode of seed 0 begins."""
    complaint: str = ""
    """What stopped the trial, empty where nothing did."""
    complaint_of_pictures: str = ""
    repeats: bool = True
    """Whether a reset with the same seed gives the same world, to the bit, after steps were taken. `world` says it
    too."""


def try_scene(scene: Scene) -> SceneTrial:
    """Begin a few episodes, hold the robot still in them, move its joints, and look through all cameras.

    Raises:
        WhiskersError: If there is no world to try.
    """
    no_pictures = ""
    try:
        engine = open_engine(scene, None, 0)
    except WhiskersError as error:
        no_pictures = str(error)
        engine = open_engine(Scene(replace(scene.spec, cameras={}), scene.path), None, 0)
    world = engine.lanes[0].world
    # Servos and things do not depend on what the numbers of an action are.
    by_joints = _by_joints(scene)
    bare = world if by_joints is scene else MujocoWorld(by_joints)
    beginnings: list[Beginning] = []
    pictures: Mapping[str, ImageArray] = {}
    trial, home, complaint, repeats = None, None, "", True
    try:
        world.reset(0)
        home = _joints(scene, world) if scene.joint_names else None
        pictures = {} if no_pictures else world.observe(list(scene.spec.cameras)).images
        for seed in range(SEEDS):
            beginnings.append(_begin(by_joints, bare, seed))
        if by_joints.commands_joints:
            trial = try_world(by_joints, bare)
        else:
            repeats = _repeats(scene, world)
    except WhiskersError as error:
        complaint = str(error)
    finally:
        engine.close()
    return SceneTrial(tuple(beginnings), trial, home, pictures, complaint, no_pictures, repeats)


def _by_joints(scene: Scene) -> Scene:
    """The same scene with the joints' targets as actions, where MuJoCo alone steps it."""
    if scene.commands_joints or scene.spec.environment:
        return scene
    return Scene(replace(scene.spec, action=ActionSpec(), state=StateSpec()), scene.path)


def _repeats(scene: Scene, world: World) -> bool:
    """See `SceneTrial.repeats`."""
    world.reset(0)
    fresh = world.snapshot()
    for _ in range(_FEW_STEPS):
        world.step(next_to_nothing(scene))
    world.reset(0)
    return np.array_equal(fresh, world.snapshot())


def _joints(scene: Scene, world: World) -> FloatArray:
    """Shape (n,). [rad or m]"""
    data = mujoco.MjData(scene.model)
    pose(scene, data, world.snapshot())
    return np.asarray(data.qpos[scene.qpos_index], np.float64)


def _begin(scene: Scene, world: World, seed: int) -> Beginning:
    world.reset(seed)
    data = mujoco.MjData(scene.model)
    pose(scene, data, world.snapshot())
    overlaps = _overlaps(scene.model, data)
    if not scene.commands_joints:
        return Beginning(seed, overlaps)
    still = world.readings().state
    bodies = free_bodies(scene.model, [scene.model.joint(name).id for name in scene.joint_names])
    begun = data.xpos[bodies].copy()
    tip = world.readings().tip_in_world
    for _ in range(HOLD_STEPS):
        world.step(still)
    pose(scene, data, world.snapshot())
    things = tuple(
        Thing(scene.model.body(body).name, begun[i], data.xpos[body].copy(), _velocity(scene.model, data, body))
        for i, body in enumerate(bodies)
    )
    drift = float(np.linalg.norm(world.readings().tip_in_world - tip))
    return Beginning(seed, overlaps, things, drift)


def _overlaps(model: mujoco.MjModel, data: mujoco.MjData) -> tuple[Overlap, ...]:
    """The pairs of bodies that are inside one another, the deepest first."""
    deepest: dict[tuple[str, str], float] = {}
    for contact in data.contact[: data.ncon]:
        first, second = sorted(_body_name(model, int(geom)) for geom in contact.geom)
        deepest[first, second] = max(deepest.get((first, second), 0.0), -float(contact.dist))
    found = [Overlap(*pair, depth) for pair, depth in deepest.items() if depth > _DEEP]
    return tuple(sorted(found, key=lambda each: -each.depth))


def _body_name(model: mujoco.MjModel, geom: int) -> str:
    body = int(model.geom_bodyid[geom])
    return str(model.body(body).name) or f"body {body}"


def _velocity(model: mujoco.MjModel, data: mujoco.MjData, body: int) -> FloatArray:
    """Of a free body, in the world frame. Shape (3,). [m/s]"""
    at = int(model.body_dofadr[body])
    return data.qvel[at : at + 3].copy()
