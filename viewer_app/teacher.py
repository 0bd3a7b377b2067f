"""Teacher-forced evaluation: a policy is asked at the frames of a demonstration, each time with what was recorded
there, and what it says is compared with what was done.

Its own mistakes never lead it astray, so a policy that does badly here has not learnt its data, or is fed wrongly. A
policy that does well here may still fail on its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from viewer_app.chunking import FirstN
from viewer_app.demonstration import TEACHER_FORCED, Demonstration
from viewer_app.inquiry import policy_seed
from viewer_app.replay import prompt_from, recorded_moments
from viewer_app.teacher_report import NEAR, TeacherReport, reported, with_unit
from viewer_app.trace import Event, Settings, Trace
from viewer_app.types import (
    ActionChunk,
    Observation,
    Policy,
    PolicyInfo,
    Want,
    WhiskersError,
)


def evaluate(
    policy: Policy,
    demonstration: Demonstration,
    stride: int = 1,
    report: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
    near: float = NEAR,
) -> TeacherReport:
    """Ask a policy at frames 0, stride, 2 * stride, ... with the recorded pictures, state and prompt of each.

    Pictures are neither rendered anew nor resized. The policy's actions are taken to be in the scene's joint order.

    Args:
        policy: Fits the scene's joints, and its cameras are among the demonstration's.
        demonstration: What was done.
        stride: Frames from one call to the next.
        report: Told after each call how many were made, and of how many.
        stop: Asked before each call but the first whether to leave it at those made.
        near: A recorded point this near to the predicted path is covered. [mm]

    Raises:
        WhiskersError: If the policy does not fit, a picture cannot be decoded, or the policy refuses.
    """
    if stride < 1:
        raise WhiskersError(f"A stride is at least 1 frame, found {stride}.")
    info = policy.info
    shown = _fitted(info, demonstration)
    frames = range(0, len(demonstration), stride)
    chunks: list[ActionChunk] = []
    for frame in frames:
        if chunks and stop():
            break
        observations = _observations(demonstration, frame, info, shown)
        seed = policy_seed(demonstration.seed, frame)
        chunks.append(_checked(policy.predict(observations, frame, seed, Want()), info, demonstration))
        report(len(chunks), len(frames))
    trace = _trace(demonstration, info, chunks)
    found = reported(demonstration, info, trace, chunks, stride, len(chunks) == len(frames), near)
    for worst in found.worst:
        error, most = (with_unit(value, found.unit) for value in (worst.error, worst.joint_error))
        words = f"error {error}, most in {worst.joint} with {most}"
        trace.note(Event(worst.frame, "bookmark", words))
    return found


# Asking.


def _fitted(info: PolicyInfo, demonstration: Demonstration) -> dict[str, str]:
    """The policy's name of each camera that it reads, to the recording's.

    Raises:
        WhiskersError: If a camera is missing or of another size, or the joints differ in number.
    """
    title, what = demonstration.title, "joints" if demonstration.scene.commands_joints else "numbers"
    for noun, count, recorded in (
        ("state", info.n_state, demonstration.states),
        ("action", info.n_action, demonstration.actions),
    ):
        n = recorded.shape[1]
        if count not in (0, n) or (noun == "action" and count == 0):
            raise WhiskersError(f"Policy {info.name} has {count} {noun} dimensions; {title} records {n} {what}.")
    found = {}
    for name, size in info.cameras.items():
        camera = demonstration.camera_for(name)
        if camera is None:
            raise WhiskersError(
                f"Policy {info.name} reads camera {name!r}; {title} has {', '.join(demonstration.cameras) or 'none'}: "
                "say which of them stands for it when the dataset is opened (DATASET_CAMERA=SCENE_CAMERA)."
            )
        there = demonstration.cameras[camera]
        if there != size:
            raise WhiskersError(
                f"Policy {info.name} reads camera {name!r} as {size[1]}x{size[0]} pixels, and camera {camera!r} of "
                f"{title} has {there[1]}x{there[0]}; recorded pictures are not resized, so evaluate a policy that was "
                "trained on that size."
            )
        found[name] = camera
    return found


def _observations(
    demonstration: Demonstration, frame: int, info: PolicyInfo, shown: dict[str, str]
) -> list[Observation]:
    """The last `n_obs_steps` frames up to this one, oldest first; the first is repeated at the start."""
    frames = [max(frame - back, 0) for back in reversed(range(info.n_obs_steps))]
    return [_observation(demonstration, each, shown) for each in frames]


def _observation(demonstration: Demonstration, frame: int, shown: dict[str, str]) -> Observation:
    pictures = demonstration.recorded.at(frame) if shown else {}
    return Observation(
        time=frame / demonstration.fps,
        state=demonstration.states[frame].copy(),
        images=MappingProxyType({name: pictures[camera] for name, camera in shown.items()}),
        task=demonstration.tasks[frame],
    )


def _checked(chunk: ActionChunk, info: PolicyInfo, demonstration: Demonstration) -> ActionChunk:
    if not np.isfinite(chunk.actions).all():
        raise WhiskersError(
            f"Policy {info.name} answers frame {chunk.start} of {demonstration.title} with numbers that are not finite."
        )
    return chunk


def _trace(demonstration: Demonstration, info: PolicyInfo, chunks: Sequence[ActionChunk]) -> Trace:
    """The recorded motion with the predicted chunks. It is nobody's to continue: no policy made this motion."""
    moments = recorded_moments(demonstration)
    snapshot, readings = next(moments)
    name = f"{info.name} on {demonstration.title}, teacher-forced"
    trace = Trace(
        name=name,
        scene=demonstration.scene.name,
        policy=replace(
            info,
            name=name,
            kind=f"{TEACHER_FORCED} {info.kind}",
            digest=hashlib.sha256(f"teacher-forced {info.digest} {demonstration.digest}".encode()).hexdigest(),
            cameras=MappingProxyType(
                {camera: info.cameras[camera] for camera in info.cameras if camera in demonstration.scene.spec.cameras}
            ),
        ),
        seed=demonstration.seed,
        settings=Settings(FirstN(info.n_action_steps), prompt=demonstration.tasks[0]),
        snapshot=snapshot,
        readings=readings,
    )
    trace.note(Event(0, "note", f"teacher-forced: {info.name} is shown the frames of {demonstration.title}"))
    trace.note(Event(0, "note", "motion and actions are the recorded ones, whiskers the policy's"))
    trace.note(Event(0, "note", "it was shown the recorded pictures, not those that are rendered of this motion"))
    asked = {chunk.start: chunk for chunk in chunks}
    for frame, (after, then) in enumerate(moments):
        trace.append(demonstration.actions[frame], asked.get(frame), after, then)
        prompt_from(demonstration, trace, frame + 1)
    return trace
