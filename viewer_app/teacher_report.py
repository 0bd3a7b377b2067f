"""How chunks that were predicted at the frames of a demonstration compare with what was done there. Pure figures.

"Error" is the absolute difference of a predicted from a recorded action. Rows of a chunk past the end of the
demonstration have nothing to be compared with and count nowhere, as LeRobot's ACT leaves them out of its training loss
(`l1_loss` in LeRobot 0.6.1, `policies/act/modeling_act.py`, the mean over all rows that are not padding).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer_app.coverage import coverage
from viewer_app.demonstration import Demonstration
from viewer_app.kinematics import Kinematics
from viewer_app.smoothness import Smoothness, smoothness_of
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Float32Array, FloatArray, PolicyInfo, frozen

NEAR = 10.0
"""A recorded point this near to the predicted path is covered by it. [mm]"""
WORST = 10
"""How many of the worst frames are listed."""
_APART = 0.5
"""Frames nearer to a worse one than this are the same mistake. [s]"""


@dataclass(frozen=True)
class WorstFrame:
    """A frame at which the policy is far from what was done."""

    frame: int
    error: float
    """Mean error of its chunk over rows and joints. [`TeacherReport.unit`]"""
    joint: str
    """The joint that is worst there."""
    joint_error: float
    """Mean error of that joint over the chunk's rows. [`TeacherReport.unit`]"""


@dataclass(frozen=True, eq=False)
class TeacherReport:
    """How a policy's chunks compare with a demonstration of T frames. F frames were evaluated.

    "Joints" are the numbers of an action, whatever they are. Figures over all of them are over those that share one
    unit (`Channels.leading`): an angle and a length have no mean.
    """

    trace: Trace
    """The recorded motion as a joint replay, with the predicted chunks, each from its frame on."""
    title: str
    """Of the demonstration."""
    joint_names: tuple[str, ...]
    units: tuple[str, ...]
    """In which each joint's errors are: deg, mm, or empty where it has none. Length n."""
    leading: NDArray[np.int64]
    """The joints of which figures over all are. Shape (at most n,)."""
    stride: int
    complete: bool
    """Whether no frame was left out because it was stopped."""
    frames: NDArray[np.int64]
    """Shape (F,)."""
    by_frame: FloatArray
    """Mean error over a chunk's rows, per joint. Shape (F, n). [units]"""
    first_row: FloatArray
    """Error of a chunk's first row, per joint. Shape (F, n). [units]"""
    by_row: FloatArray
    """Mean error of a row of the horizon over all frames, per joint, NaN where none reaches. Shape (H, n). [units]"""
    l1: float
    """Mean error over all frames, rows and joints. [unit]"""
    l1_joints: FloatArray
    """The same per joint. Shape (n,). [units]"""
    l1_model: float
    """Mean error in the policy's normalised units, comparable with LeRobot's training loss; NaN where it has none."""
    smoothness: Smoothness
    """Of the predicted actions, each chunk followed for `n_action_steps`: see `_followed`."""
    recorded_smoothness: Smoothness
    """Of the recorded actions over the same steps; it has no seams."""
    near: float
    """How near counts as covered. [mm]"""
    covered: FloatArray
    """Share of the recorded path over a chunk's rows that its whisker covers. Shape (F,)."""
    coverage: float
    """Free-space coverage: the mean of `covered`. See `coverage.coverage`."""
    worst: tuple[WorstFrame, ...]
    """Worst first, none within half a second of a worse one."""

    @property
    def unit(self) -> str:
        """Of figures over all joints; empty where they have none."""
        return self.units[int(self.leading[0])]


def with_unit(value: float, unit: str) -> str:
    """An error for a person."""
    return f"{value:.2f}" if not unit else f"{value:.1f}°" if unit == "deg" else f"{value:.1f} {unit}"


def reported(
    demonstration: Demonstration,
    info: PolicyInfo,
    trace: Trace,
    chunks: Sequence[ActionChunk],
    stride: int,
    complete: bool,
    near: float,
) -> TeacherReport:
    actions, total = demonstration.scene.actions, len(demonstration)
    recorded = actions.to_shown(demonstration.actions)  # (T, n)
    horizon, n = max(len(chunk) for chunk in chunks), recorded.shape[1]
    errors = np.full((len(chunks), horizon, n), np.nan)  # (F, H, n)
    for number, chunk in enumerate(chunks):
        rows = min(len(chunk), total - chunk.start)
        predicted = actions.to_shown(chunk.actions[:rows])
        errors[number, :rows] = np.abs(predicted - recorded[chunk.start : chunk.start + rows])
    compared = np.isfinite(errors[:, :, 0]).sum(axis=0)  # frames that each row of the horizon reaches, (H,)
    by_row = np.nansum(errors, axis=0) / np.where(compared > 0, compared, np.nan)[:, None]
    by_frame = np.nanmean(errors, axis=1)
    covered = _covered(demonstration, trace, chunks, near)
    followed, seams = _followed(demonstration, chunks, info.n_action_steps)
    return TeacherReport(
        trace=trace,
        title=demonstration.title,
        joint_names=actions.names,
        units=actions.shown_units,
        leading=actions.leading,
        stride=stride,
        complete=complete,
        frames=frozen(np.array([chunk.start for chunk in chunks], np.int64)),
        by_frame=frozen(by_frame),
        first_row=frozen(errors[:, 0]),
        by_row=frozen(by_row),
        l1=float(np.nanmean(errors[:, :, actions.leading])),
        l1_joints=frozen(np.nanmean(errors, axis=(0, 1))),
        l1_model=_model_error(demonstration, info, chunks),
        smoothness=_smoothness(demonstration, trace, followed, seams),
        recorded_smoothness=_smoothness(demonstration, trace, demonstration.actions[: len(followed)], ()),
        near=near,
        covered=frozen(covered),
        coverage=float(covered.mean()),
        worst=_worst(demonstration, [chunk.start for chunk in chunks], by_frame),
    )


def _model_error(demonstration: Demonstration, info: PolicyInfo, chunks: Sequence[ActionChunk]) -> float:
    scale = info.action_scale
    if scale is None:
        return float("nan")
    recorded = scale.to_model(demonstration.actions)
    parts = []
    for chunk in chunks:
        own = chunk.model_actions if chunk.model_actions is not None else scale.to_model(chunk.actions)
        there = recorded[chunk.start : chunk.start + len(own)]
        parts.append(np.abs(np.asarray(own[: len(there)], np.float64) - there))
    return float(np.concatenate(parts).mean())


def _followed(
    demonstration: Demonstration, chunks: Sequence[ActionChunk], n_action_steps: int
) -> tuple[Float32Array, tuple[int, ...]]:
    """The predicted actions, stitched as the policy would execute them, and the steps at which a chunk took over.

    Each chunk is followed for `n_action_steps`, and on to the next frame that was evaluated. Where the chunk ends
    before that frame, so does the stitching. Source: `eval_offline_replay.py` of lerobot-policy-act-smooth, which
    advances by `n_action_steps` and asks at each seam with the recorded observation.

    Returns:
        Scene units, shape (steps, n), steps <= T; and the seams.
    """
    parts: list[Float32Array] = []
    seams: list[int] = []
    by_frame = {chunk.start: chunk for chunk in chunks}
    at = 0
    while at in by_frame:
        chunk = by_frame[at]
        following = min((frame for frame in by_frame if frame >= at + n_action_steps), default=len(demonstration))
        parts.append(chunk.actions[: following - at])
        if following - at > len(chunk) or following >= len(demonstration):
            break
        seams.append(following)
        at = following
    return np.concatenate(parts), tuple(seams)


def _smoothness(demonstration: Demonstration, trace: Trace, actions: Float32Array, seams: Sequence[int]) -> Smoothness:
    """U_a, boundary spike ratio and jerk of commanded actions; see `smoothness` for definitions and their source. The
    path whose jerk it is, is that of the commanded joints through kinematics."""
    tips = Kinematics(demonstration.scene).path(actions, trace.snapshot(0))
    channels = demonstration.scene.actions
    return smoothness_of(channels.to_shown(actions)[:, channels.leading], tips, seams)


def _covered(demonstration: Demonstration, trace: Trace, chunks: Sequence[ActionChunk], near: float) -> FloatArray:
    """Of each chunk. Both paths are commanded joints through kinematics, as whiskers are. Shape (F,)."""
    kinematics = Kinematics(demonstration.scene)
    recorded = kinematics.path(demonstration.actions, trace.snapshot(0))  # (T, 3)
    return np.array(
        [
            coverage(recorded[chunk.start : chunk.start + len(chunk)], kinematics.path_of(chunk, trace), near / 1000)
            for chunk in chunks
        ]
    )


def _worst(demonstration: Demonstration, frames: Sequence[int], by_frame: FloatArray) -> tuple[WorstFrame, ...]:
    apart = _APART * demonstration.fps
    channels = demonstration.scene.actions
    leading = by_frame[:, channels.leading]
    size = leading.mean(axis=1)
    found: list[WorstFrame] = []
    for number in np.argsort(-size, kind="stable"):
        frame = frames[number]
        if len(found) < WORST and all(abs(frame - other.frame) >= apart for other in found):
            joint = int(channels.leading[leading[number].argmax()])
            name = channels.names[joint]
            found.append(WorstFrame(frame, float(size[number]), name, float(by_frame[number, joint])))
    return tuple(found)
