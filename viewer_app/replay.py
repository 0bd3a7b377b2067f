"""Demonstrations as traces, so that every panel and overlay can show them.

Two ways: the joints as they were measured (kinematic: nothing pushes anything), or the actions as they were commanded,
executed in the simulator. Recorded actions are the commanded ones in both, as one chunk as long as the episode, which
is what a recording is to a robot that repeats it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import MappingProxyType

import mujoco
import numpy as np

from viewer_app.channels import listed
from viewer_app.chunking import FirstN
from viewer_app.demonstration import DATASET, Demonstration
from viewer_app.snapshots import STATE_SPEC, take_looks
from viewer_app.task import PROGRESS_SIZE
from viewer_app.trace import Event, Settings, Trace
from viewer_app.types import ActionChunk, FloatArray, PhysicsError, PolicyInfo, Readings, WhiskersError
from viewer_app.world import MujocoWorld, pose

JOINT_REPLAY = "JOINT_REPLAY"
"""Phase of every moment of a joint replay, so that the timeline says what it is."""

Moment = tuple[FloatArray, Readings]
"""A snapshot and what was read off it."""


def joint_replay(demonstration: Demonstration, seed: int | None = None) -> Trace:
    """The joints as they were measured, frame by frame, at rest in each.

    Moment k is frame k; the last moment, after the last action, repeats the last frame, because nothing was recorded
    after it. Objects lie where the scene's reset puts them, and nothing is read off about the task: neither contact nor
    an outcome.

    Args:
        demonstration: What to replay.
        seed: Of the scene's reset. None is the demonstration's own.
    """
    moments = recorded_moments(demonstration, seed)
    text = f"joint replay of {demonstration.title}: joints as measured, without physics; objects as the reset puts them"
    trace = _begin(demonstration, "joint replay", text, seed, next(moments))
    plan = _whole(demonstration)
    for frame, (after, readings) in enumerate(moments):
        trace.append(demonstration.actions[frame], plan if frame == 0 else None, after, readings)
        prompt_from(demonstration, trace, frame + 1)
    return trace


def physics_replay(
    demonstration: Demonstration, seed: int | None = None, stop: Callable[[], bool] = lambda: False
) -> Trace:
    """The recorded actions executed in the simulator from the scene's reset, whatever was measured then.

    Args:
        demonstration: What to replay.
        seed: Of the scene's reset. None is the demonstration's own.
        stop: Asked before each step whether to leave it at what was done.

    Raises:
        WhiskersError: If the demonstration's rate is not the scene's control rate: a step would last another time. Or
            if only a Gymnasium environment knows what the actions do.
    """
    scene = demonstration.scene
    if abs(demonstration.fps - scene.spec.control_hz) > 1e-6:
        raise WhiskersError(
            f"{demonstration.title} has {demonstration.fps:g} frames a second, and scene {scene.name} is controlled at "
            f"{scene.spec.control_hz:g} Hz; set control_hz in a copy of {scene.path.name} to execute its actions."
        )
    if scene.spec.action.kind == "environment":
        raise WhiskersError(
            f"The actions of {demonstration.title} cannot be executed here: only environment {scene.spec.environment} "
            "itself knows what they do."
        )
    world = MujocoWorld(scene)
    world.reset(_seed(demonstration, seed))
    text = f"physics replay of {demonstration.title}: its actions executed from the reset"
    trace = _begin(demonstration, "physics replay", text, seed, (world.snapshot(), world.readings()))
    plan = _whole(demonstration)
    for frame, action in enumerate(demonstration.actions):
        if stop():
            break
        try:
            world.step(action)
        except PhysicsError as error:
            trace.note(Event(frame, "note", f"the replay ends here: {error}"))
            break
        trace.append(action, plan if frame == 0 else None, world.snapshot(), world.readings())
        prompt_from(demonstration, trace, frame + 1)
    return trace


def recorded_moments(demonstration: Demonstration, seed: int | None = None) -> Iterator[Moment]:
    """The T + 1 moments of a joint replay. The states are the recorded ones, to the bit.

    Raises:
        WhiskersError: If the recorded states are no joint positions.
    """
    scene = demonstration.scene
    if scene.spec.state.kind != "joints":
        raise WhiskersError(
            f"{demonstration.title} cannot be shown on the robot of scene {scene.name}: its states are no joint "
            f"positions ({listed(scene.state_names)})."
        )
    world = MujocoWorld(scene)
    world.reset(_seed(demonstration, seed))
    start = world.snapshot()
    data = mujoco.MjData(scene.model)
    pose(scene, data, start)
    angles = np.deg2rad(scene.to_degrees(demonstration.states))  # (T, n)
    last = len(demonstration) - 1
    for moment in range(len(demonstration) + 1):
        frame = min(moment, last)
        data.time = moment / demonstration.fps
        data.qpos[scene.qpos_index] = angles[frame]
        data.qvel[:] = 0.0
        if scene.spec.action.kind == "joints":
            data.ctrl[scene.ctrl_index] = scene.to_control(demonstration.actions[frame])
        (mujoco.mj_fwdPosition if scene.spec.looks else mujoco.mj_kinematics)(scene.model, data)
        state = np.empty(mujoco.mj_stateSize(scene.model, STATE_SPEC))
        mujoco.mj_getState(scene.model, data, state, STATE_SPEC)
        looks = take_looks(scene.spec.looks, scene.model, data)
        snapshot = np.concatenate([start[:PROGRESS_SIZE], state, looks])
        yield (
            snapshot,
            Readings(
                time=float(data.time),
                state=demonstration.states[frame],
                tip_in_world=data.site_xpos[scene.site_id].copy(),
                phase=JOINT_REPLAY,
                outcome="",
                success=False,
                contact=False,
            ),
        )


def prompt_from(demonstration: Demonstration, trace: Trace, frame: int) -> None:
    """Put the prompt of a frame in force from there on, where it is another than before."""
    if frame < len(demonstration) and demonstration.tasks[frame] != demonstration.tasks[frame - 1]:
        prompt = demonstration.tasks[frame]
        trace.set_settings(replace(trace.settings_at(frame), prompt=prompt), f"prompt: {prompt}")


def scene_cameras(demonstration: Demonstration) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
    """The scene's cameras that the recording's stand for, to their sizes in the scene, and to the recording's names."""
    sizes = demonstration.scene.spec.cameras
    names = {shown: name for name, shown in demonstration.shown_as.items() if shown is not None}
    return {camera: (sizes[camera].height, sizes[camera].width) for camera in names}, names


def _begin(demonstration: Demonstration, how: str, text: str, seed: int | None, first: Moment) -> Trace:
    cameras, names = scene_cameras(demonstration)
    steps = len(demonstration)
    info = PolicyInfo(
        name=f"{demonstration.title}, {how}",
        kind=DATASET,
        source=demonstration.source,
        digest=hashlib.sha256(f"{how} {demonstration.digest}".encode()).hexdigest(),
        chunk_size=steps,
        n_action_steps=steps,
        n_action=demonstration.actions.shape[1],
        n_state=demonstration.states.shape[1],
        cameras=MappingProxyType(cameras),
        mapped_cameras=MappingProxyType({camera: name for camera, name in names.items() if camera != name}),
    )
    trace = Trace(
        name=f"{demonstration.title}, {how}",
        scene=demonstration.scene.name,
        policy=info,
        seed=_seed(demonstration, seed),
        settings=Settings(FirstN(steps), prompt=demonstration.tasks[0]),
        snapshot=first[0],
        readings=first[1],
    )
    for note in (text, *demonstration.notes):
        trace.note(Event(0, "note", note))
    return trace


def _whole(demonstration: Demonstration) -> ActionChunk:
    """All that was commanded, as a chunk."""
    return ActionChunk(0, demonstration.actions, seed=0)


def _seed(demonstration: Demonstration, seed: int | None) -> int:
    return demonstration.seed if seed is None else seed
