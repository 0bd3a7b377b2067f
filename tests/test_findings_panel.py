"""What the findings panel shows and sets, without a window: rows, thresholds, breakpoints."""

from __future__ import annotations

from dataclasses import fields

import pytest

from panels.finding_rows import DIALS, Dial, breaking, counts_of, entries_of
from viewer_app.breakpoints import Breakpoints
from viewer_app.detectors import DETECTORS, Finding, Thresholds

pytestmark = pytest.mark.core

FOUND = (
    Finding(3, "stall", "the gripper stays within 2 mm for 70 steps"),
    Finding(9, "flat chunk", "the chunk spans only 0.31 deg"),
    Finding(40, "stall", "the gripper stays within 2 mm for 90 steps"),
)


def test_every_threshold_can_be_set_once() -> None:
    """Each threshold of each detector has one dial, and no dial turns anything else."""
    turned = [dial.field for dials in DIALS.values() for dial in dials]
    assert sorted(turned) == sorted(each.name for each in fields(Thresholds))
    assert DIALS.keys() == DETECTORS.keys()


@pytest.mark.parametrize("dial", [dial for dials in DIALS.values() for dial in dials], ids=lambda dial: dial.field)
def test_a_dial_changes_its_threshold_only(dial: Dial) -> None:
    """Setting a threshold keeps its type and all others; a value that makes no sense becomes the lowest that does."""
    before = Thresholds()
    after = dial.set_in(before, dial.default + 7)
    changed = {each.name for each in fields(Thresholds) if getattr(after, each.name) != getattr(before, each.name)}
    assert changed == {dial.field}
    assert type(getattr(after, dial.field)) is type(getattr(before, dial.field))
    assert getattr(dial.set_in(before, -5.0), dial.field) == dial.least
    assert dial.set_in(after, dial.default) == before


def test_hidden_detectors_leave_the_list_and_keep_their_count() -> None:
    """The list holds the findings whose detector is shown, in their order; the counts are of all."""
    assert [entry.step for entry in entries_of(FOUND, ())] == [3, 9, 40]
    assert [entry.step for entry in entries_of(FOUND, {"stall"})] == [9]
    assert counts_of(FOUND) == {name: {"stall": 2, "flat chunk": 1}.get(name, 0) for name in DETECTORS}


def test_a_row_tells_the_number_that_crossed_the_threshold() -> None:
    """A finding's own words stand in its row, unabridged."""
    assert [entry.note for entry in entries_of(FOUND, ())] == [finding.text for finding in FOUND]
    assert entries_of(FOUND, ())[1].cells == ("9", "flat chunk")


def test_detectors_join_and_leave_the_breakpoints() -> None:
    """Switching a detector on and off again leaves all other breakpoints as they were."""
    before = Breakpoints(chunk=True, distance=25.0, detectors=frozenset({"stall"}))
    both = breaking(before, "flat chunk", True)
    assert both.detectors == {"stall", "flat chunk"}
    assert breaking(both, "flat chunk", False) == before
    assert breaking(before, "stall", True) == before
