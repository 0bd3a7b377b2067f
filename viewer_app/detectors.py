"""Detectors: what in an episode a person should look at first, found in the trace alone.

Pure functions of `(scene, trace)`. Every threshold is a number with a unit that a person can change; nothing here
decides that a policy is bad, only that a moment is worth a look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import FloatArray


@dataclass(frozen=True)
class Thresholds:
    """When a detector speaks."""

    flat_chunk: float = 1.0
    """A chunk is flat if no joint's rows span more than this. [deg]"""
    same_chunk: float = 0.5
    """Two chunks are the same if no row of any joint differs by more than this. [deg]"""
    moved_state: float = 5.0
    """... although the joints moved by at least this between the two calls. [deg]"""
    stall_distance: float = 2.0
    """The gripper stalls if it stays within this radius. [mm]"""
    stall_steps: int = 60
    """... for this many control steps. [steps]"""
    state_sigma: float = 3.0
    """A state is out of distribution past this many standard deviations of the checkpoint's own statistics."""
    saturation: float = 0.5
    """A command is saturated if the actuator's limit cuts off more than this. [deg]"""
    gripper_swing: float = 15.0
    """A gripper reversal counts if the command swings by at least this share of its range. [%]"""
    gripper_reversals: int = 4
    """The gripper oscillates if it reverses this often ..."""
    gripper_steps: int = 60
    """... within this many control steps. [steps]"""


@dataclass(frozen=True)
class Finding:
    """One moment worth a look."""

    step: int
    detector: str
    """Name of the detector, a key of `DETECTORS`."""
    text: str
    """One line with the number that crossed the threshold."""


def detect(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """All findings of the first `length` steps, in the order of time."""
    found = [finding for detector in DETECTORS.values() for finding in detector(scene, trace, length, thresholds)]
    return sorted(found, key=lambda finding: finding.step)


def flat_chunk(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """Chunks that ask for no motion: the policy has nothing to say, or its output is scaled away."""
    found = []
    for chunk in trace.chunks:
        if chunk.start >= length or len(chunk) < 2:
            continue
        span = float(np.ptp(scene.to_degrees(chunk.actions), axis=0).max())
        if span <= thresholds.flat_chunk:
            found.append(Finding(chunk.start, "flat chunk", f"the chunk spans only {span:.2f} deg"))
    return found


def same_chunk(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """Chunks equal, row for row, to the one before although the robot has moved: the observation is ignored."""
    found = []
    states = scene.to_degrees(_state(trace, length))
    for before, chunk in zip(trace.chunks, trace.chunks[1:], strict=False):
        if chunk.start >= length:
            break
        moved = float(np.abs(states[chunk.start] - states[before.start]).max())
        differs = float(np.abs(scene.to_degrees(chunk.actions) - scene.to_degrees(before.actions)).max())
        if differs <= thresholds.same_chunk and moved >= thresholds.moved_state:
            text = f"rows differ by {differs:.2f} deg from the chunk before although the joints moved {moved:.1f} deg"
            found.append(Finding(chunk.start, "ignores the observation", text))
    return found


def stall(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """The gripper staying in one place while the episode is undecided. One finding a stall, where it begins."""
    tips = 1000 * np.asarray(trace.column("tip", length), np.float64)
    window = thresholds.stall_steps
    undecided = next((k for k in range(length + 1) if trace.outcome(k)), length + 1)
    found: list[Finding] = []
    begin = 0
    while begin + window < undecided:
        away = np.linalg.norm(tips[begin:undecided] - tips[begin], axis=1) > thresholds.stall_distance
        stays = int(np.argmax(away)) if away.any() else len(away)
        if stays > window:
            found.append(
                Finding(begin, "stall", f"the gripper stays within {thresholds.stall_distance:g} mm for {stays} steps")
            )
        begin += max(stays if stays > window else 1, 1)
    return found


def unusual_state(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """Joints farther from the training mean than the checkpoint's statistics make likely. One finding a spell."""
    scale = trace.policy.state_scale if trace.policy is not None else None
    if scale is None or scale.kind != "mean_std":
        return []
    sigma = np.abs(scale.to_model(_state(trace, length)))
    found = []
    for step in _beginnings(np.asarray((sigma > thresholds.state_sigma).any(axis=1), np.bool_)):
        joint = int(sigma[step].argmax())
        text = f"{scene.joint_names[joint]} is {sigma[step, joint]:.1f} standard deviations from the training mean"
        found.append(Finding(step, "out-of-distribution state", text))
    return found


def saturation(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """Commands that an actuator's limit cuts off. One finding a spell."""
    actions = np.asarray(trace.column("action", length), np.float32)
    if not len(actions):
        return []
    cut = np.abs(scene.to_degrees(actions) - np.rad2deg(scene.to_control(actions)))
    found = []
    for step in _beginnings((cut > thresholds.saturation).any(axis=1)):
        joint = int(cut[step].argmax())
        text = f"{scene.joint_names[joint]} is commanded {cut[step, joint]:.1f} deg past its limit"
        found.append(Finding(step, "action saturation", text))
    return found


def oscillating_gripper(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """A gripper that is told to open and close again and again."""
    grippers = [i for i, joint in enumerate(scene.spec.joints) if joint.unit == "range_0_100"]
    actions = np.asarray(trace.column("action", length), np.float64)
    found: list[Finding] = []
    for joint in grippers:
        turns = _reversals(actions[:, joint], thresholds.gripper_swing)
        many = thresholds.gripper_reversals
        last = -thresholds.gripper_steps
        for first, final in zip(turns, turns[many - 1 :], strict=False):
            if final - first <= thresholds.gripper_steps and first - last >= thresholds.gripper_steps:
                text = f"{scene.joint_names[joint]} reverses {many} times in {final - first} steps"
                found.append(Finding(first, "oscillating gripper", text))
                last = first
    return found


def success_at_start(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """A success that nobody worked for: the test of success is wrong."""
    if trace.outcome(0) == "success":
        return [Finding(0, "success at step 0", "the episode counts as a success before anything happened")]
    return []


Detector = Callable[[Scene, Trace, int, Thresholds], Sequence[Finding]]

DETECTORS: dict[str, Detector] = {
    "flat chunk": flat_chunk,
    "ignores the observation": same_chunk,
    "stall": stall,
    "out-of-distribution state": unusual_state,
    "action saturation": saturation,
    "oscillating gripper": oscillating_gripper,
    "success at step 0": success_at_start,
}


def _state(trace: Trace, length: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(trace.column("state", length), np.float32)


def _beginnings(flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> list[int]:
    """Indices at which a run of True begins."""
    return [int(k) for k in np.flatnonzero(flags & ~np.concatenate([[False], flags[:-1]]))]


def _reversals(signal: FloatArray, swing: float) -> list[int]:
    """Where a signal turns round after a swing of at least `swing`, smaller wiggles ignored."""
    if not len(signal):
        return []
    turns: list[int] = []
    low = high = 0
    direction = 0
    for k, value in enumerate(signal):
        if value < signal[low]:
            low = k
        if value > signal[high]:
            high = k
        if direction >= 0 and signal[high] - value >= swing:
            if direction > 0:
                turns.append(high)
            direction, low = -1, k
            high = k
        elif direction <= 0 and value - signal[low] >= swing:
            if direction < 0:
                turns.append(low)
            direction, high = 1, k
            low = k
    return turns
