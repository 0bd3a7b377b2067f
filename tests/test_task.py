"""The pick-and-place rule, on positions that are written down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from viewer_app.scene_spec import TaskSpec
from viewer_app.task import OUTCOMES, PHASES, Measured, Progress, advance, begin

pytestmark = pytest.mark.core

TASK = TaskSpec(rule="pick_and_place", object="cube", target="cup", max_steps=40)
TARGET = (0.2, -0.1, 0.0)


def at(tip: Sequence[float], cube: Sequence[float], touching: bool = False) -> Measured:
    return Measured(np.array(tip), np.array(cube), np.array(TARGET), touching)


REST = at((0, 0, 0.2), (0.2, 0.1, 0.01))
REACHED = at((0.2, 0.1, 0.05), (0.2, 0.1, 0.01), True)
LIFTED = at((0.2, 0.1, 0.1), (0.2, 0.1, 0.09), True)
OVER = at((0.2, -0.1, 0.1), (0.2, -0.1, 0.09), True)
INSIDE = at((0.2, -0.1, 0.1), (0.2, -0.1, 0.01))
BESIDE = at((0.2, -0.1, 0.1), (0.2, -0.02, 0.01))
FAR = at((0.2, 0.0, 0.1), (0.2, 0.1, 0.01))


def play(moments: Sequence[Measured], task: TaskSpec = TASK) -> list[Progress]:
    progress = [begin(task, moments[0])]
    for moment in moments[1:]:
        progress.append(advance(task, progress[-1], moment))
    return progress


def test_a_good_episode_passes_the_four_phases() -> None:
    """Reach, lift, carry and let go give the four phases in order, and success after five settled steps."""
    progress = play([REST, REACHED, LIFTED, OVER, *[INSIDE] * 5])
    assert [p.phase for p in progress[:4]] == list(PHASES[1:])
    assert [p.outcome for p in progress[-2:]] == ["", "success"]


def test_success_needs_a_lift() -> None:
    """An object that begins inside the target is no success, however long it lies there."""
    assert {p.outcome for p in play([INSIDE] * 30)} == {""}


def test_a_held_object_is_not_placed() -> None:
    """An object inside the target but still in the gripper does not count as settled."""
    held = at((0.2, -0.1, 0.02), (0.2, -0.1, 0.01), True)
    assert play([REST, REACHED, LIFTED, OVER, *[held] * 10])[-1].settled == 0


@pytest.mark.parametrize(
    ("moments", "outcome"),
    [
        ([REST, REACHED], "never_picked_up"),
        ([REST, REACHED, LIFTED], "timeout"),
        ([REST, REACHED, LIFTED, FAR], "dropped_during_transport"),
        ([REST, REACHED, LIFTED, OVER, BESIDE], "missed_goal"),
    ],
)
def test_failures_are_told_apart(moments: list[Measured], outcome: str) -> None:
    """When time runs out the outcome says how it failed."""
    progress = play(moments + [moments[-1]] * (TASK.max_steps - len(moments) + 1))
    assert progress[-1].outcome == outcome
    assert progress[-2].outcome == ""


def test_an_outcome_stays() -> None:
    """What happens after the outcome does not change it."""
    progress = play([REST, REACHED, LIFTED, OVER, *[INSIDE] * 5, *[FAR] * 50])
    assert progress[-1].outcome == "success"


def test_progress_survives_a_snapshot() -> None:
    """Progress as numbers and back is the same progress."""
    for progress in play([REST, REACHED, LIFTED, OVER, BESIDE, *[INSIDE] * 5]):
        assert Progress.from_array(progress.to_array()) == progress
    assert all(outcome in OUTCOMES for outcome in ("success", "timeout"))
