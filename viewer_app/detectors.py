"""Detectors: what in an episode a person should look at first, found in the trace alone.

Pure functions of `(scene, trace)`. Every threshold is a number with a unit that a person can change; nothing here
decides that a policy is bad, only that a moment is worth a look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

import numpy as np
from numpy.typing import NDArray

from viewer_app.channels import Channels
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, FloatArray


@dataclass(frozen=True)
class Thresholds:
    """When a detector speaks. What slides is in [mm] where what turns is in [deg]."""

    flat_chunk: float = 1.0
    """A chunk is flat if no joint's rows span more than this. [deg]"""
    same_chunk: float = 0.5
    """Two chunks are the same if no row of any joint differs by more than this. [deg] Where actions are no positions,
    a policy may well ask for the same change twice: only chunks that are equal to the bit are the same there."""
    moved_state: float = 5.0
    """... although the joints moved by at least this between the two calls. [deg] Where the state is not of joints, the
    end effector. [mm]"""
    stall_distance: float = 2.0
    """The gripper stalls if it stays within this radius. [mm]"""
    stall_steps: int = 60
    """... for this many control steps. [steps]"""
    state_sigma: float = 4.0
    """A state is out of distribution past this many standard deviations of the checkpoint's own statistics. With 3, an
    ordinary episode of six joints and 300 steps crosses it five times by chance, with 4 once in nine episodes; a home
    pose is often past 3, because training data begin there and are elsewhere most of the time."""
    saturation: float = 0.5
    """A command is saturated if the actuator's limit cuts off more than this. [deg] Of what an environment takes,
    where that has no unit. [% of its range]"""
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
    """Chunks that ask for no motion: the policy has nothing to say, or its output is scaled away. Where actions are no
    positions, a chunk of equal rows asks for a steady motion, and nothing is found."""
    if not _are_positions(scene):
        return []
    found = []
    for chunk in _chunks(trace, length):
        span = float(scene.actions.amounts(np.ptp(scene.actions.to_shown(chunk.actions), axis=0)).max())
        if len(chunk) > 1 and span <= thresholds.flat_chunk:
            text = f"the chunk spans only {span:.2f} {_unit_words(scene.actions)}"
            found.append(Finding(chunk.arrived, "flat chunk", text))
    return found


def same_chunk(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """Chunks equal, row for row, to the one before although the robot has moved: the observation is ignored."""
    found = []
    of_joints = scene.spec.state.kind == "joints"
    if of_joints:
        mover, unit, at = "joints", _unit_words(scene.states), scene.states.to_shown(_state(trace, length))
    else:
        mover, unit, at = "gripper", "mm", 1000 * np.asarray(trace.column("tip", length), np.float64)
    positions = _are_positions(scene)
    for before, chunk in pairwise(_chunks(trace, length)):
        away = at[chunk.start] - at[before.start]
        moved = float(np.abs(away).max() if of_joints else np.linalg.norm(away))
        if moved < thresholds.moved_state:
            continue
        if positions:
            apart = scene.actions.to_shown(chunk.actions) - scene.actions.to_shown(before.actions)
            differs = float(scene.actions.amounts(apart).max())
            same, text = differs <= thresholds.same_chunk, f"rows differ by {differs:.2f} {_unit_words(scene.actions)}"
        else:
            same, text = np.array_equal(chunk.actions, before.actions), "no number differs"
        if same:
            text += f" from the chunk before although the {mover} moved {moved:.1f} {unit}"
            found.append(Finding(chunk.arrived, "ignores the observation", text))
    return found


def _are_positions(scene: Scene) -> bool:
    """Whether actions say where to be: a chunk of equal rows asks for no motion."""
    action = scene.spec.action
    return action.kind == "joints" or (action.kind == "end_effector" and not action.relative)


def _unit_words(channels: Channels) -> str:
    """All units that are shown."""
    return " or ".join(dict.fromkeys(unit for unit in channels.shown_units if unit))


def stall(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """The gripper staying in one place while the episode is undecided. One finding a stall, where it begins."""
    tips = 1000 * np.asarray(trace.column("tip", length), np.float64)
    # The numbers first: the names that they stand for are only ever added to.
    outcomes = trace.column("outcome", length).copy()
    decided = np.isin(outcomes, [number for number, name in enumerate(trace.outcomes) if name])
    undecided = int(np.argmax(decided)) if decided.any() else length + 1
    radius = thresholds.stall_distance
    found: list[Finding] = []
    stalled_until = 0
    for begin in _resting(tips[:undecided], radius, thresholds.stall_steps):
        if begin < stalled_until:
            continue
        stays = _stay(tips[begin:undecided], radius, thresholds.stall_steps)
        found.append(Finding(begin, "stall", f"the gripper stays within {radius:g} mm for {stays} steps"))
        stalled_until = begin + stays
    return found


def _resting(points: FloatArray, radius: float, steps: int) -> list[int]:
    """The moments from which on the points stay within `radius` for at least `steps` more moments. Shape (M, 3)."""
    begins = np.arange(max(len(points) - steps, 0))
    # The farthest look ahead first: a gripper that goes anywhere is gone by then, and few moments are left to look at.
    for ahead in range(steps, 0, -1):
        away = np.linalg.norm(points[begins + ahead] - points[begins], axis=1)
        begins = begins[away <= radius]
    return [int(begin) for begin in begins]


def _stay(points: FloatArray, radius: float, steps: int) -> int:
    """How many of the points follow one another within `radius` of the first, looked at a few at a time."""
    for begin in range(0, len(points), steps):
        away = np.linalg.norm(points[begin : begin + steps] - points[0], axis=1) > radius
        if away.any():
            return begin + int(np.argmax(away))
    return len(points)


def unusual_state(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """States farther from the training mean than the checkpoint's statistics make likely. One finding a spell."""
    scale = trace.policy.state_scale if trace.policy is not None else None
    if scale is None or scale.kind != "mean_std":
        return []
    sigma = np.abs(scale.to_model(_state(trace, length)))
    found = []
    for step in _beginnings(np.asarray((sigma > thresholds.state_sigma).any(axis=1), np.bool_)):
        joint = int(sigma[step].argmax())
        text = f"{scene.state_names[joint]} is {sigma[step, joint]:.1f} standard deviations from the training mean"
        found.append(Finding(step, "out-of-distribution state", text))
    return found


def saturation(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """Commands that an actuator's limit cuts off, or outside what an environment takes. One finding a spell."""
    actions = np.asarray(trace.column("action", length), np.float32)
    if not len(actions):
        return []
    channels = scene.actions
    cut = np.abs(channels.cut(actions))
    has_unit = np.array(channels.shown_units) != ""
    # Infinite where there is no limit.
    least = np.where(has_unit, thresholds.saturation, thresholds.saturation / 100 * np.diff(channels.reach, axis=0)[0])
    found = []
    for step in _beginnings(np.asarray((cut > least).any(axis=1), np.bool_)):
        over = np.where(cut[step] > least, cut[step], 0.0)
        # What has no unit is compared as a share of its range.
        number = int((over / np.where(has_unit, 1.0, least)).argmax())
        size = f"{over[number]:.1f} {channels.shown_units[number]}" if has_unit[number] else f"{over[number]:.3g}"
        text = f"{channels.names[number]} is commanded {size} past its limit"
        found.append(Finding(step, "action saturation", text))
    return found


def oscillating_gripper(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """A gripper that is told to open and close again and again."""
    grippers = scene.actions.grippers
    actions = np.asarray(trace.column("action", length), np.float64)
    if not len(actions):
        return []
    found: list[Finding] = []
    opening = scene.actions.opening(np.asarray(actions, np.float32))
    for number, joint in enumerate(grippers):
        turns = _reversals(opening[:, number], thresholds.gripper_swing)
        many = thresholds.gripper_reversals
        last = -thresholds.gripper_steps
        for first, final in zip(turns, turns[many - 1 :], strict=False):
            if final - first <= thresholds.gripper_steps and first - last >= thresholds.gripper_steps:
                text = f"{scene.action_names[joint]} reverses {many} times in {final - first} steps"
                found.append(Finding(first, "oscillating gripper", text))
                last = first
    return found


def success_at_start(scene: Scene, trace: Trace, length: int, thresholds: Thresholds) -> list[Finding]:
    """A success that nobody worked for: the test of success is wrong."""
    if trace.outcome(0) == "success":
        return [Finding(0, "success at step 0", "the episode counts as a success before anything happened")]
    return []


OUT_OF_REACH = "out of reach"
"""Name of what `out_of_reach` finds. It needs inverse kinematics, and so is none of `DETECTORS`."""


def detector_names(scene: Scene) -> tuple[str, ...]:
    """Of all that is looked for in a scene."""
    reach = (OUT_OF_REACH,) if scene.spec.action.kind == "end_effector" else ()
    return (*DETECTORS, *reach)


def out_of_reach(
    position: FloatArray, orientation: FloatArray, missed: NDArray[np.bool_], failed: NDArray[np.bool_]
) -> list[Finding]:
    """End-effector targets that the joints could not meet: one finding for positions, one for orientations alone.

    Args:
        position, orientation: By how much each step's target was missed. Shapes (steps,). [mm], [deg]
        missed: Whether that is too much in position. Shape (steps,).
        failed: Whether it is in position or in orientation. Shape (steps,).
    """
    found = []
    turned = failed & ~missed
    for steps, by, words in (
        (missed, position, "the target was out of reach by up to {:.0f} mm"),
        (turned, orientation, "the end effector could not be turned as asked, by up to {:.0f} deg,"),
    ):
        if steps.any():
            text = f"{words.format(by[steps].max())} in {steps.sum()} of {len(steps)} steps"
            found.append(Finding(int(np.argmax(steps)), OUT_OF_REACH, text))
    return found


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


def _chunks(trace: Trace, length: int) -> list[ActionChunk]:
    """The chunks that came into force in the first `length` steps."""
    return list(takewhile(lambda chunk: chunk.arrived < length, trace.chunks))


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
