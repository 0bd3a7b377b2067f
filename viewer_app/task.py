"""What counts as progress and as an outcome: a small state machine over what can be measured in the scene.

Pure: progress is a value that goes in and comes out, so it can be part of a snapshot and is undone by a rewind.
Nothing here knows MuJoCo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from viewer_app.scene_spec import TaskSpec
from viewer_app.types import FloatArray

MOVE_TO_SOURCE, PICK_UP, MOVE_TO_DEST, DROP = "MOVE_TO_SOURCE", "PICK_UP", "MOVE_TO_DEST", "DROP"
PHASES = ("", MOVE_TO_SOURCE, PICK_UP, MOVE_TO_DEST, DROP)
OUTCOMES = ("", "success", "never_picked_up", "dropped_during_transport", "missed_goal", "timeout")


@dataclass(frozen=True)
class Progress:
    """How far an episode has come."""

    phase: str = ""
    outcome: str = ""
    """Empty while undecided."""
    steps: int = 0
    """Control steps taken."""
    lifted: bool = False
    """Whether the object was ever lifted."""
    settled: int = 0
    """Consecutive control steps that the object has lain in the target, let go."""
    rest_height: float = 0.0
    """Height of the object at the start. [m]"""
    dropped_xy: float = -1.0
    """Horizontal distance to the target at which the object was last dropped, negative if it never was. [m]"""

    def to_array(self) -> FloatArray:
        """As numbers, for a snapshot. Shape (7,)."""
        return np.array(
            [
                PHASES.index(self.phase),
                OUTCOMES.index(self.outcome),
                self.steps,
                self.lifted,
                self.settled,
                self.rest_height,
                self.dropped_xy,
            ],
            dtype=np.float64,
        )

    @staticmethod
    def from_array(numbers: FloatArray) -> Progress:
        """The inverse of `to_array`."""
        phase, outcome, steps, lifted, settled, rest_height, dropped_xy = (float(x) for x in numbers)
        return Progress(
            PHASES[int(phase)], OUTCOMES[int(outcome)], int(steps), bool(lifted), int(settled), rest_height, dropped_xy
        )


PROGRESS_SIZE = len(Progress().to_array())


@dataclass(frozen=True)
class Measured:
    """What the rules look at. Positions in the world frame. [m]"""

    tip: FloatArray
    """End-effector site. Shape (3,)."""
    object: FloatArray
    """Shape (3,)."""
    target: FloatArray
    """Shape (3,)."""
    touching: bool
    """Whether the gripper touches the object."""


def begin(task: TaskSpec, measured: Measured | None) -> Progress:
    """Progress at the start of an episode."""
    if task.rule == "none" or measured is None:
        return Progress()
    return Progress(phase=MOVE_TO_SOURCE, rest_height=float(measured.object[2]))


def advance(task: TaskSpec, progress: Progress, measured: Measured | None) -> Progress:
    """Progress after one more control step. An outcome, once reached, stays."""
    progress = replace(progress, steps=progress.steps + 1)
    if task.rule != "none" and measured is not None:
        progress = _pick_and_place(task, progress, measured)
    if not progress.outcome and progress.steps >= task.max_steps:
        progress = replace(progress, outcome=_failure(task, progress))
    return progress


def _pick_and_place(task: TaskSpec, progress: Progress, measured: Measured) -> Progress:
    height = float(measured.object[2]) - progress.rest_height
    to_object = _horizontal(measured.tip, measured.object)
    to_target = _horizontal(measured.tip, measured.target)
    object_to_target = _horizontal(measured.object, measured.target)
    inside = object_to_target < task.inside_xy and measured.object[2] - measured.target[2] < task.inside_height
    lifted = progress.lifted or height > task.lift_height

    phase = progress.phase
    if phase == MOVE_TO_SOURCE and to_object < task.reach_xy:
        phase = PICK_UP
    if phase == PICK_UP and height > task.lift_height:
        phase = MOVE_TO_DEST
    if phase == MOVE_TO_DEST and to_target < task.near_target_xy:
        phase = DROP

    dropped_xy = progress.dropped_xy
    if phase in (MOVE_TO_DEST, DROP) and height < task.dropped_height and not inside and not measured.touching:
        # It lies somewhere else: the policy may go back and try again.
        phase, dropped_xy = MOVE_TO_SOURCE, object_to_target

    # Having been lifted is part of success, so that a start inside the target does not count.
    settled = progress.settled + 1 if inside and lifted and not measured.touching else 0
    outcome = progress.outcome or ("success" if settled >= task.settle_steps else "")
    return replace(progress, phase=phase, outcome=outcome, lifted=lifted, settled=settled, dropped_xy=dropped_xy)


def _failure(task: TaskSpec, progress: Progress) -> str:
    """The class of an episode that ran out of time, by the seeds' scheme."""
    if task.rule == "none":
        return "timeout"
    if not progress.lifted:
        return "never_picked_up"
    if progress.dropped_xy < 0:
        return "timeout"
    return "missed_goal" if progress.dropped_xy < task.missed_xy else "dropped_during_transport"


def _horizontal(a: FloatArray, b: FloatArray) -> float:
    """Distance of two points in the xy plane. [m]"""
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))
