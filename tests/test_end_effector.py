"""Scenes whose actions, and states, are poses of the end effector."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import mujoco
import numpy as np
import pytest
from numpy.random import Generator
from scipy.spatial.transform import Rotation

from policies.training.expert import Style as Demonstration
from policies.training.expert import block_pose, waypoints
from recordings.columns import columns_of
from recordings.folder import LaneSnippet, open_recording, save
from tests.bench.reach import end_effector_scene, home, reachable
from tests.scripted import Scripted, do
from viewer_app.actuation import EndEffectorActuation, Reached, state_of
from viewer_app.analysis import Analyst
from viewer_app.breakpoints import Breakpoints
from viewer_app.chunking import Chunking, FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.commands import Fork, Run, SetBreakpoints, SetChunking, SetDelay, Step
from viewer_app.detectors import OUT_OF_REACH, Thresholds
from viewer_app.headless import open_engine
from viewer_app.insight import Reach
from viewer_app.kinematics import Kinematics
from viewer_app.overlays import Legend, Marker, Polyline, Sight, build
from viewer_app.paths import Paths
from viewer_app.questions import Answers
from viewer_app.rollout import Rollout
from viewer_app.scene import BUILT_IN, Scene
from viewer_app.scene_spec import ActionSpec, SceneError, StateSpec
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, FloatArray, Observation, WhiskersError
from viewer_app.view import OverlayChoice, Snippet
from viewer_app.world import MujocoWorld, pose

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[1]
HOME = np.array([0.186, -0.001, 0.081])
"""About where the hand is at the start. [m]"""


def scene_of(**action: object) -> Scene:
    """The built-in scene with end-effector actions, the gripper commanded directly."""
    scene = Scene.load("so101")
    spec = ActionSpec(kind="end_effector", direct=("gripper",), **action)  # type: ignore[arg-type]
    return Scene(replace(scene.spec, action=spec, state=StateSpec("end_effector")), scene.path)


def tip_of(scene: Scene, data: mujoco.MjData, targets: FloatArray) -> FloatArray:
    """Where joint targets put the hand, by MuJoCo alone. Shape (3,). [m]"""
    probe = mujoco.MjData(scene.model)
    probe.qpos[:] = data.qpos
    probe.qpos[scene.qpos_index] = targets
    mujoco.mj_forward(scene.model, probe)
    return np.array(probe.site_xpos[scene.site_id])


def somewhere(scene: Scene, rng: Generator) -> mujoco.MjData:
    """The arm in some bend, told to be in a slightly different one."""
    data = home(scene)
    low, high = scene.joint_range.T
    data.qpos[scene.qpos_index] = rng.uniform(low, high)
    told = data.qpos[scene.qpos_index] + rng.normal(0, 0.02, len(low))
    data.ctrl[scene.ctrl_index] = np.clip(told, low, high)
    mujoco.mj_forward(scene.model, data)
    return data


# What the documentation shows.


def documented(folder: Path) -> list[Scene]:
    """The built-in scene with each of the tables that docs/scenes.md gives for end-effector actions."""
    text = (ROOT / "docs" / "scenes.md").read_text(encoding="utf-8")
    tables = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if '"end_effector"' in block]
    built_in = (BUILT_IN / "so101" / "scene.toml").read_text(encoding="utf-8")
    scenes = []
    for number, table in enumerate(tables):
        copy = folder / str(number)
        copy.mkdir()
        for file in (BUILT_IN / "so101").glob("*.xml"):
            (copy / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
        before, joints, after = built_in.partition("[[joints]]")
        (copy / "scene.toml").write_text(before + table + joints + after, encoding="utf-8")
        scenes.append(Scene.load(copy))
    return scenes


def test_the_documented_scenes(tmp_path: Path) -> None:
    """What docs/scenes.md says to add makes scenes whose absolute pose holds still when the state is sent back, and
    whose change of one unit goes 20 mm."""
    absolute, change = documented(tmp_path)
    assert absolute.action_names == absolute.state_names == ("x", "y", "z", "qw", "qx", "qy", "qz", "gripper")
    world = MujocoWorld(absolute)
    before = world.readings()
    world.step(before.state)
    assert np.linalg.norm(world.readings().tip_in_world - before.tip_in_world) < 0.003  # servos give way to gravity

    assert change.action_names == ("x", "y", "z", "gripper")
    assert change.state_names == Scene.load("so101").joint_names
    found = EndEffectorActuation(change).reach(np.array([1, 0, 0, 50], np.float32), data := home(change))
    moved = tip_of(change, data, found.targets) - tip_of(change, data, data.ctrl[change.ctrl_index])
    np.testing.assert_allclose(moved, [0.02, 0, 0], atol=1e-5)


# What is reached.


@pytest.mark.parametrize("rotation", ["none", "quaternion"])
def test_what_can_be_reached_is_reached(rotation: str) -> None:
    """From the home pose, the hand is put within 1 mm and 1 degree of 100 poses that the arm can take, and it is
    MuJoCo's own kinematics that says so."""
    scene = end_effector_scene("quaternion" if rotation == "quaternion" else "none")
    actuation, data = EndEffectorActuation(scene), home(scene)
    probe = mujoco.MjData(scene.model)
    for action in reachable(scene):
        found = actuation.reach(action, data)
        assert not found.failed
        probe.qpos[scene.qpos_index] = found.targets
        mujoco.mj_forward(scene.model, probe)
        there = state_of(scene, probe)
        assert np.linalg.norm(there[:3] - action[:3]) < 1e-3
        if rotation == "quaternion":
            between = Rotation.from_quat(np.roll(there[3:7], -1)).inv() * Rotation.from_quat(np.roll(action[3:7], -1))
            assert np.rad2deg(between.magnitude()) < 1.0


def test_what_is_out_of_reach_is_said_with_its_distance() -> None:
    """A target out of reach counts as failed, by the distance that MuJoCo's kinematics gives, and of 5000 bends of the
    arm none comes nearer by more than 5 mm, which is what another bend has to be worth."""
    scene = scene_of()
    actuation, data, rng = EndEffectorActuation(scene), home(scene), np.random.default_rng(1)
    low, high = scene.joint_range.T
    bends = rng.uniform(low, high, (5000, len(low)))
    probe = mujoco.MjData(scene.model)
    tips = np.empty((len(bends), 3))
    for tip, bend in zip(tips, bends, strict=True):
        probe.qpos[scene.qpos_index] = bend
        mujoco.mj_kinematics(scene.model, probe)
        tip[:] = probe.site_xpos[scene.site_id]
    for direction in rng.normal(size=(20, 3)):
        target = 0.7 * direction / np.linalg.norm(direction)
        found = actuation.reach(np.array([*target, 50], np.float32), data)
        distance = 1000 * np.linalg.norm(tip_of(scene, data, found.targets) - target)
        assert found.failed
        assert found.missed
        assert found.position_error == pytest.approx(distance, abs=1e-3)
        assert found.position_error < 1000 * np.linalg.norm(tips - target, axis=1).min() + 5.0


def test_an_orientation_that_the_arm_cannot_take_costs_no_position() -> None:
    """Position first: turned away by 20 degrees about an axis that five joints cannot turn about, nine of ten positions
    are still met, most within a hundredth of a millimetre, and the orientation is said to be missed."""
    scene = scene_of(rotation="quaternion")
    actuation, data = EndEffectorActuation(scene), home(scene)
    errors, turned = [], 0
    for action in reachable(scene, 40, seed=2):
        sideways = np.cross([0, 0, 1], [*action[:2], 0.0])
        sideways = np.cross(sideways, [0, 0, 1]) / np.linalg.norm(sideways)  # away from the base, level
        turn = Rotation.from_rotvec(np.deg2rad(20) * sideways) * Rotation.from_quat(np.roll(action[3:7], -1))
        found = actuation.reach(np.array([*action[:3], *np.roll(turn.as_quat(), 1), 50], np.float32), data)
        errors.append(found.position_error)
        turned += found.orientation_error > 1.0
    assert np.median(errors) < 0.01
    assert np.mean(np.array(errors) < 1.0) >= 0.9
    assert turned > 20


def test_limits_and_other_joints_are_left_alone() -> None:
    """No target is past a limit of its joint or actuator, and the gripper's is the one that was asked for."""
    scene = scene_of(rotation="rotation_vector")
    actuation, rng = EndEffectorActuation(scene), np.random.default_rng(3)
    low, high = scene.joint_range.T
    ends = scene.to_control(np.array([[-np.inf], [np.inf]], np.float32).repeat(6, axis=1))
    for _ in range(40):
        action = np.array([*rng.uniform(-0.6, 0.6, 3), *rng.normal(0, 2, 3), rng.uniform(0, 100)], np.float32)
        targets = actuation.control(action, somewhere(scene, rng))
        assert (targets >= np.maximum(low, ends[0])).all()
        assert (targets <= np.minimum(high, ends[1])).all()
        every = np.zeros(6, np.float32)
        every[5] = action[6]
        assert targets[5] == scene.to_control(every)[5]


# What an action means.


def test_changes_are_of_what_they_are_relative_to() -> None:
    """A change is added to where the joints were told to put the hand, or to where it is, and turns about the world's
    axes; by scipy's account of rotations."""
    rng = np.random.default_rng(4)
    change = np.array([0.01, -0.02, 0.005], np.float32)
    vector = np.array([0.2, -0.1, 0.3], np.float32)
    turns = {
        "rotation_vector": (vector, Rotation.from_rotvec(0.5 * vector.astype(np.float64))),
        "quaternion": (
            np.array([0.9, 0.1, -0.2, 0.3], np.float32),
            Rotation.from_quat(np.array([0.1, -0.2, 0.3, 0.9], np.float32).astype(np.float64)),
        ),
    }
    for rotation, (numbers, turn) in turns.items():
        for reference in ("commanded", "measured"):
            scene = scene_of(
                rotation=rotation, relative=True, reference=reference, position_scale=2.0, rotation_scale=0.5
            )
            data = somewhere(scene, rng)
            found = EndEffectorActuation(scene).reach(np.array([*change, *numbers, 50], np.float32), data)
            probe = mujoco.MjData(scene.model)
            probe.qpos[:] = data.qpos
            if reference == "commanded":
                probe.qpos[scene.qpos_index] = data.ctrl[scene.ctrl_index]
            mujoco.mj_kinematics(scene.model, probe)
            np.testing.assert_allclose(found.wanted, probe.site_xpos[scene.site_id] + 2.0 * change, atol=1e-12)
            before = Rotation.from_matrix(probe.site_xmat[scene.site_id].reshape(3, 3))
            assert found.axes is not None
            np.testing.assert_allclose(found.axes, (turn * before).as_matrix(), atol=1e-7)


def test_absolute_orientations_are_scipys() -> None:
    """A quaternion is w, x, y, z, a rotation vector axis times angle, and the state tells them the same way."""
    data = somewhere(scene_of(), np.random.default_rng(5))
    for rotation in ("quaternion", "rotation_vector"):
        scene = scene_of(rotation=rotation)
        state = state_of(scene, data)
        turn = Rotation.from_matrix(data.site_xmat[scene.site_id].reshape(3, 3))
        quaternion = rotation == "quaternion"
        said = Rotation.from_quat(np.roll(state[3:7], -1)) if quaternion else Rotation.from_rotvec(state[3:6])
        assert (turn.inv() * said).magnitude() < 1e-6
        found = EndEffectorActuation(scene).reach(state, data)
        assert found.axes is not None
        np.testing.assert_allclose(found.axes, turn.as_matrix(), atol=1e-6)


def test_a_quaternion_is_a_direction() -> None:
    """q, -q and 2 q are one orientation and give the same targets, to the bit."""
    scene = scene_of(rotation="quaternion")
    actuation, data = EndEffectorActuation(scene), home(scene)
    for action in reachable(scene, 5, seed=6):
        targets = actuation.control(action, data)
        for factor in (-1, 2):
            other = action.copy()
            other[3:7] *= factor
            assert np.array_equal(actuation.control(other, data), targets)


def test_zeros_hold_still() -> None:
    """Relative to where the hand was told to be, 100 actions of zeros leave every target as it was, to the bit;
    relative to where it is, each makes the targets the joints as they are, and the arm sinks."""
    scenes = [scene_of(relative=True, reference=reference) for reference in ("commanded", "measured")]
    nothing = np.array([0, 0, 0, 60], np.float32)
    commanded, measured = (MujocoWorld(scene) for scene in scenes)
    for world in (commanded, measured):
        world.step(np.array([0.02, 0.01, 0.03, 60], np.float32))
    held, height = ctrl_of(commanded)[:5], measured.readings().tip_in_world[2]
    for _ in range(100):
        commanded.step(nothing)
        assert np.array_equal(ctrl_of(commanded)[:5], held)
        before = measured.snapshot()
        measured.step(nothing)
        assert np.array_equal(ctrl_of(measured)[:5], joints_in(scenes[1], before)[:5])
    assert measured.readings().tip_in_world[2] < height - 0.002


def ctrl_of(world: MujocoWorld) -> FloatArray:
    """What the joints are told. Shape (n,). [rad]"""
    data = mujoco.MjData(world.scene.model)
    pose(world.scene, data, world.snapshot())
    return np.array(data.ctrl[world.scene.ctrl_index])


def joints_in(scene: Scene, snapshot: FloatArray) -> FloatArray:
    """Where the joints are, within their limits. Shape (n,). [rad]"""
    data = mujoco.MjData(scene.model)
    pose(scene, data, snapshot)
    low, high = scene.joint_range.T
    return np.clip(data.qpos[scene.qpos_index], low, high)


# The laws of the whiskers, forks and recordings.


def circling(scene: Scene, start: int, _seen: Observation, seed: int) -> Float32Array:
    """A chunk of 12 rows around a circle of 60 mm, the gripper going open and shut; every other chunk leaves it."""
    steps = np.arange(start, start + 12) + 0.3 * seed % 3
    angle = 0.15 * steps
    ring = 0.03 * np.stack([np.cos(angle) - 1, np.sin(angle), 0.3 * np.sin(3 * angle)], axis=1)
    if start % 8 == 0:
        ring[:, 2] -= 0.02
    gripper = 50 + 30 * np.sin(0.2 * steps)
    spec = scene.spec.action
    if spec.relative:
        ring = np.diff(ring, axis=0, append=ring[-1:]) / spec.position_scale
        turn = {"none": np.zeros((12, 0)), "quaternion": np.tile([1.0, 0.02, 0, 0.01], (12, 1))}[spec.rotation]
    else:
        ring = HOME + ring
        turn = {"none": np.zeros((12, 0)), "quaternion": np.tile([0.5, -0.5, 0.5, 0.5], (12, 1))}[spec.rotation]
    return np.column_stack([ring, turn, gripper]).astype(np.float32)


def run(scene: Scene, mode: Chunking, delay: int = 0, steps: int = 40) -> Trace:
    policy = Scripted(scene, lambda start, seen, seed: circling(scene, start, seen, seed), n_action_steps=8)
    engine = open_engine(scene, policy, seed=4)
    trace = do(engine, SetChunking(mode), SetDelay(delay), Step(steps))
    engine.close()
    return trace


KINDS: tuple[dict[str, object], ...] = (
    {"rotation": "quaternion"},
    {"relative": True, "position_scale": 0.5},
    {"relative": True, "reference": "measured", "rotation": "quaternion"},
)
MODES: tuple[tuple[Chunking, int], ...] = (
    (FirstN(8), 0),
    (FirstN(5), 3),
    (OverlapBlend(6, 4), 0),
    (TemporalEnsemble(0.05, ()), 0),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))
@pytest.mark.parametrize(("mode", "delay"), MODES)
def test_what_is_drawn_is_executed(kind: dict[str, object], mode: Chunking, delay: int) -> None:
    """Law 7: the physics whisker is the path that the hand takes, to the bit; and the kinematic one is where the joint
    targets that are then executed put it, unless those hang on how the arm lags behind."""
    scene = scene_of(**kind)
    trace = run(scene, mode, delay, 12 if isinstance(mode, TemporalEnsemble) else 24)
    executed = np.asarray(trace.column("tip"))
    rollout, kinematics = Rollout(scene), Kinematics(scene)
    data = mujoco.MjData(scene.model)
    for begin, end in pairwise([*(chunk.arrived for chunk in trace.chunks), len(trace)]):
        plan, snapshot = trace.plan(begin), trace.snapshot(begin)
        assert plan is not None
        count = end - begin
        assert np.array_equal(rollout.path(plan, snapshot)[: count + 1], executed[begin : end + 1])
        drawn = kinematics.path(plan, snapshot)
        if isinstance(mode, FirstN):
            chunk = trace.chunks_in_force(begin)[-1]
            assert np.array_equal(kinematics.path_of(chunk, trace)[chunk.delay :][: len(plan)], drawn) or not (
                scene.spec.action.relative or delay == 0
            )
        if kind.get("reference") == "measured":
            continue
        for row in range(count):
            pose(scene, data, trace.snapshot(begin + row + 1))
            assert np.array_equal(tip_of(scene, data, data.ctrl[scene.ctrl_index]), drawn[row])


def test_samples_start_from_one_place() -> None:
    """Several chunks of changes, and several rows for one step, each begin where the arm is."""
    scene = scene_of(relative=True)
    trace = run(scene, FirstN(8), steps=9)
    kinematics, chunk = Kinematics(scene), trace.chunks[0].actions
    chunks = np.stack([chunk, 0.5 * chunk, chunk])
    paths = kinematics.path_for(chunks, chunks, trace, 3)
    each = kinematics.path_of_each(chunk, trace.snapshot(3))
    for one, path in zip(chunks, paths, strict=True):
        assert np.array_equal(path, kinematics.path(one, trace.snapshot(3)))
    for row, point in zip(chunk, each, strict=True):
        assert np.array_equal(point, kinematics.path(row[None], trace.snapshot(3))[0])
    some = np.array([0, 5, 11])
    assert np.array_equal(kinematics.poses(chunk, trace.snapshot(3), rows=some).points, paths[0][some])


@pytest.mark.parametrize("number", [0, 1])
def test_forks_and_recordings_replay(tmp_path: Path, number: int) -> None:
    """Laws 2, 4 and 5: a second run, a fork at any step and a recording that is opened and continued are the same
    episode, to the bit."""
    scene = documented(tmp_path)[number]
    policy = Scripted(scene, lambda start, seen, seed: circling(scene, start, seen, seed), n_action_steps=8)
    engine = open_engine(scene, policy, seed=4)
    trace = do(engine, Step(30))
    assert trace.same_as(run(scene, FirstN(8), steps=30))
    for step in (0, 7, 8, 21):
        assert do(engine, Fork(trace.name, step), Step(30 - step)).same_as(trace)
    engine.close()
    save(tmp_path / "recording", scene, [LaneSnippet(Snippet(trace, 12), 0)])
    recording = open_recording(tmp_path / "recording")
    assert recording.scene.spec.action == scene.spec.action
    ((opened,),) = recording.lanes
    again = open_engine(recording.scene, policy, seed=4)
    again.lanes[0].adopt([opened])
    assert do(again, Step(18)).same_as(trace)
    again.close()


# A policy that does something with it.


def demonstrated(scene: Scene, seed: int) -> Float32Array:
    """The scripted expert's grips of an episode as end-effector actions, one row a control step. Shape (T, n)."""
    world = MujocoWorld(scene)
    world.reset(seed)
    block, yaw = block_pose(world)
    local = Rotation.from_quat(np.roll(scene.model.site_quat[scene.site_id], -1))
    data = home(scene)
    here, turned = world.readings().tip_in_world, Rotation.from_matrix(site_axes(scene, data))
    opening = float(data.qpos[scene.qpos_index[5]])
    rows, changes = [], []
    for waypoint in waypoints(block, yaw, scene.model.body(scene.spec.task.target).pos, Demonstration()):
        there = Rotation.from_euler("z", waypoint.yaw) * local
        way, count = (there * turned.inv()).as_rotvec(), round(waypoint.seconds * scene.spec.control_hz)
        for share in np.arange(1, count + 1) / count:
            share = share**2 * (3 - 2 * share)
            position = here + share * (waypoint.position - here)
            turn = Rotation.from_rotvec(share * way) * turned
            angle = opening + share * (waypoint.gripper - opening)
            gripper = scene.to_scene_units(np.array([0, 0, 0, 0, 0, angle]))[5]
            rows.append([*position, *np.roll(turn.as_quat(), 1), gripper])
            changes.append((position, turn, gripper))
        here, turned, opening = waypoint.position, there, waypoint.gripper
    if not scene.spec.action.relative:
        return np.array(rows, np.float32)
    steps = []
    before, axes = world.readings().tip_in_world, Rotation.from_matrix(site_axes(scene, data))
    for position, turn, gripper in changes:
        steps.append([*(position - before), *(turn * axes.inv()).as_rotvec(), gripper])
        before, axes = position, turn
    return np.array(steps, np.float32)


def site_axes(scene: Scene, data: mujoco.MjData) -> FloatArray:
    mujoco.mj_kinematics(scene.model, data)
    return np.array(data.site_xmat[scene.site_id]).reshape(3, 3)


@pytest.mark.parametrize("kind", [{"rotation": "quaternion"}, {"rotation": "rotation_vector", "relative": True}])
def test_a_policy_of_poses_puts_the_block_into_the_bowl(kind: dict[str, object]) -> None:
    """Told the scripted expert's grips as poses, or as changes of the pose, the arm does the task."""
    scene = scene_of(**kind)
    rows = demonstrated(scene, seed=3)
    still = rows[-1:].copy()
    if scene.spec.action.relative:
        still[:, :6] = 0
    rows = np.concatenate([rows, np.repeat(still, 40, axis=0)])
    policy = Scripted(scene, lambda start, seen, seed: rows[start : start + 20], chunk_size=20, n_action_steps=20)
    engine = open_engine(scene, policy, seed=3)
    trace = do(engine, Step(len(rows) - 20))
    engine.close()
    assert trace.outcome(len(trace)) == "success"


# What falls short is shown.


def test_failures_are_told_of_the_trace(tmp_path: Path) -> None:
    """A trace whose targets leave the reach says by how much at each step, as a finding and as columns, computed from
    the recorded snapshots and actions; one whose targets stay within says nothing."""
    scene = scene_of()

    def leaving(by: float) -> Callable[[int, Observation, int], Float32Array]:
        def chunk(start: int, seen: Observation, seed: int) -> Float32Array:
            steps = np.arange(start, start + 12)
            return np.column_stack([HOME[0] + by * steps, *np.tile([[0], [0.08], [50]], 12)]).astype(np.float32)

        return chunk

    for by, leaves in ((0.012, True), (0.002, False)):
        engine = open_engine(scene, Scripted(scene, leaving(by)), seed=1)
        trace = do(engine, Step(40))
        engine.close()
        insight = Analyst(scene).episode(trace, 40, Thresholds())
        reach = insight.reach
        assert reach is not None
        # The joints that were commanded are in the snapshot after the step.
        data = mujoco.MjData(scene.model)
        actions = np.asarray(trace.column("action"), np.float64)
        for step in range(40):
            pose(scene, data, trace.snapshot(step + 1))
            tip = tip_of(scene, data, data.ctrl[scene.ctrl_index])
            assert reach.position[step] == pytest.approx(1000 * np.linalg.norm(tip - actions[step, :3]), abs=1e-6)
        findings = [each for each in insight.findings if each.detector == OUT_OF_REACH]
        columns = {column.name: np.asarray(column.values) for column in columns_of(scene, trace, 40)}
        assert np.array_equal(columns["reach/position_error"], reach.position)
        assert np.array_equal(columns["reach/failed"], reach.failed)
        if not leaves:
            assert findings == []
            assert not reach.failed.any()
            continue
        (finding,) = findings
        failed = int(reach.failed.sum())
        assert 5 < failed < 35
        assert finding.step == int(np.argmax(reach.failed))
        assert finding.text == (
            f"the target was out of reach by up to {reach.position.max():.0f} mm in {failed} of 40 steps"
        )
        assert f"{failed} of 40 targets" in reach.words(40)
        assert reach.words(finding.step) == f"all of {finding.step} targets were reached"


def test_it_pauses_where_the_reach_ends() -> None:
    """Told to, the engine pauses after the first step whose target the joints could not meet, and then goes on."""
    scene = scene_of()

    def chunk(start: int, seen: Observation, seed: int) -> Float32Array:
        steps = np.arange(start, start + 12)
        return np.column_stack([0.2 + 0.015 * steps, *np.tile([[0], [0.08], [50]], 12)]).astype(np.float32)

    engine = open_engine(scene, Scripted(scene, chunk), seed=1)
    trace = do(engine, SetBreakpoints(Breakpoints(detectors=frozenset({OUT_OF_REACH}))), Run(math.inf))
    paused = len(trace)
    reach = Analyst(scene).episode(trace, paused, Thresholds()).reach
    assert reach is not None
    assert 1 < paused == int(np.argmax(reach.failed)) + 1
    assert engine.view().paused_by.startswith(OUT_OF_REACH)
    assert len(do(engine, Step(5))) == paused + 5
    engine.close()


def test_the_target_is_drawn_where_it_is() -> None:
    """The overlay marks the pose that the step's action asks for, with its axes, and joins it to where the commanded
    joints put the hand, and says how far that is; in a scene of joints it draws nothing."""
    scene = scene_of(rotation="quaternion")
    trace = run(scene, FirstN(8), steps=12)
    choice = OverlayChoice(whisker=False, ghosts=False, path=False, pushes=False)
    action = np.asarray(trace.column("action"), np.float64)[9]
    *axes, line, tip, mark, legend = build(Sight(Paths(scene), trace, 9, choice, Answers()))
    data = mujoco.MjData(scene.model)
    pose(scene, data, trace.snapshot(10))
    reached = tip_of(scene, data, data.ctrl[scene.ctrl_index])
    assert isinstance(mark, Marker)
    assert isinstance(tip, Marker)
    assert isinstance(line, Polyline)
    assert isinstance(legend, Legend)
    np.testing.assert_allclose(mark.point, action[:3], atol=1e-12)
    np.testing.assert_allclose(tip.point, reached, atol=1e-12)
    np.testing.assert_allclose(line.points, [action[:3], reached], atol=1e-12)
    turn = Rotation.from_quat(np.roll(action[3:7], -1)).as_matrix()
    for axis, column in zip(axes, turn.T, strict=True):
        assert isinstance(axis, Polyline)
        np.testing.assert_allclose((axis.points[1] - axis.points[0]) / 0.02, column, atol=1e-6)
    assert f"{1000 * np.linalg.norm(reached - action[:3]):.1f} mm" in legend.text
    joints = Scene.load("so101")
    engine = open_engine(joints, Scripted(joints, lambda *_: np.zeros((12, 6), np.float32)), seed=1)
    assert build(Sight(Paths(joints), do(engine, Step(2)), 1, choice, Answers())) == []
    engine.close()


def test_scenes_of_joints_have_no_reach() -> None:
    """Where actions are joint targets, nothing is said about reach."""
    scene = Scene.load("so101")
    engine = open_engine(scene, Scripted(scene, lambda *_: np.zeros((12, 6), np.float32)), seed=1)
    trace = do(engine, Step(5))
    engine.close()
    assert Analyst(scene).episode(trace, 5, Thresholds()).reach is None
    assert not any(column.group == "reach" for column in columns_of(scene, trace, 5))


# Bad input.


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ([0.2, 0, 0.1, 0, 0, 0, 0, 50], "length 0"),
        ([0.2, 0, 0.1, np.nan, 0, 0, 0, 50], "NaN"),
        ([0.2, 0, 0.1, 50], "takes 8"),
    ],
)
def test_an_action_that_means_nothing_is_refused(action: list[float], words: str) -> None:
    """It is told in one sentence, the world stays where it was, and the whisker ends before it."""
    scene = scene_of(rotation="quaternion")
    world = MujocoWorld(scene)
    before = world.snapshot()
    with pytest.raises(WhiskersError, match=words) as told:
        world.step(np.array(action, np.float32))
    assert str(told.value).count(". ") == 0
    assert np.array_equal(world.snapshot(), before)
    if len(action) == 8:
        good = world.readings().state
        rows = np.stack([good, good, np.array(action, np.float32), good])
        for path, whole in ((Kinematics(scene).path(rows, before), 2), (Rollout(scene).path(rows, before), 3)):
            assert np.isfinite(path[:whole]).all()
            assert np.isnan(path[whole:]).all()


def test_scenes_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    """A joint, a site or a rotation that is not there, and a site that nothing moves, are named."""
    built_in = (BUILT_IN / "so101" / "scene.toml").read_text(encoding="utf-8")
    for file in (BUILT_IN / "so101").glob("*.xml"):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    before, joints, after = built_in.partition("[[joints]]")
    site = 'end_effector_site = "gripperframe"'
    every = ", ".join(f'"{name}"' for name in Scene.load("so101").joint_names)
    for table, found, words in (
        ('direct = ["claw"]', "", "'claw'.*shoulder_pan"),
        ('rotation = "euler"', "", "none or quaternion or rotation_vector"),
        ("", site.replace("gripperframe", "hand"), "no site 'hand'"),
        (f"direct = [{every}]", "", "no joint that action.direct leaves over moves the site 'gripperframe'"),
        ("position_scale = 0", "", "position_scale.*must not be 0"),
        ("", f'{site}\nenvironment = "Some-v0"', "MuJoCo alone"),
    ):
        head = before.replace(site, found) if found else before
        (tmp_path / "scene.toml").write_text(
            f'{head}[action]\nkind = "end_effector"\n{table}\n{joints}{after}', encoding="utf-8"
        )
        with pytest.raises(SceneError, match=words):
            MujocoWorld(Scene.load(tmp_path))


def test_scenes_of_joints_do_not_pay() -> None:
    """A world whose actions are joint targets never imports mink, and one whose actions are poses does so in its first
    step."""
    ask = """
import sys
from dataclasses import replace
from viewer_app.scene import Scene
from viewer_app.scene_spec import ActionSpec, StateSpec
from viewer_app.world import MujocoWorld
joints = Scene.load("so101")
spec = replace(joints.spec, action=ActionSpec("end_effector"), state=StateSpec("end_effector"))
for scene in (joints, Scene(spec, joints.path)):
    world = MujocoWorld(scene)
    print("mink" in sys.modules)
    world.step(world.readings().state)
    print("mink" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.split() == ["False", "False", "False", "True"]


def test_reached_speaks_of_both() -> None:
    """A target fails by its position or by its orientation; either is enough, at 1 mm and 1 degree."""
    here = np.zeros(3)
    for off, turn, missed, failed in ((0.9, 0.9, False, False), (1.1, 0, True, True), (0, 1.1, False, True)):
        found = Reached(here, here, None, here, off, turn)
        assert (found.missed, found.failed) == (missed, failed)
    reach = Reach(np.array([0.0, 3.0]), np.array([0.0, 2.0]), np.array([False, True]), np.array([False, True]))
    assert reach.words(2) == "1 of 2 targets were not reached (50 %), by up to 3.0 mm and 2.0 deg"
