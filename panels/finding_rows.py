"""What the findings panel shows and lets a person set: data, without a window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from panels.list_rows import Entry
from viewer_app.breakpoints import Breakpoints
from viewer_app.detectors import DETECTORS, Finding, Thresholds


@dataclass(frozen=True)
class Dial:
    """One threshold as a person sets it."""

    field: str
    """Of `Thresholds`."""
    words: str
    unit: str
    least: float
    """Lowest value that makes sense, in the same unit."""
    text: str

    @property
    def default(self) -> float:
        return float(getattr(Thresholds(), self.field))

    @property
    def whole(self) -> bool:
        """Whether it is a whole number."""
        return isinstance(getattr(Thresholds(), self.field), int)

    def set_in(self, thresholds: Thresholds, value: float) -> Thresholds:
        """The thresholds with this one changed, no lower than makes sense."""
        value = max(value, self.least)
        return replace(thresholds, **{self.field: round(value) if self.whole else float(value)})  # type: ignore[arg-type]


DIALS: Mapping[str, tuple[Dial, ...]] = {
    "flat chunk": (
        Dial(
            "flat_chunk",
            "no joint spans over",
            "deg",
            0,
            "A chunk is flat if no joint's rows span more than this, in mm what slides.\n"
            "Not looked for where actions are no positions",
        ),
    ),
    "ignores the observation": (
        Dial(
            "same_chunk",
            "rows differ at most",
            "deg",
            0,
            "Two chunks are the same if no row differs by more than this, in mm what slides.\n"
            "Where actions are no positions: only if no number differs at all",
        ),
        Dial(
            "moved_state",
            "joints moved at least",
            "deg",
            0,
            "... although a joint moved by at least this in between;\n"
            "where the state is not of joints: the gripper, in mm",
        ),
    ),
    "stall": (
        Dial("stall_distance", "stays within", "mm", 0, "The gripper stalls if it stays within this radius"),
        Dial("stall_steps", "for more than", "steps", 1, "... for more than this many control steps"),
    ),
    "out-of-distribution state": (
        Dial(
            "state_sigma",
            "away from the mean",
            "sigma",
            0,
            "A state is out of distribution past this many standard deviations of the checkpoint's own statistics",
        ),
    ),
    "action saturation": (
        Dial(
            "saturation",
            "limit cuts off over",
            "deg",
            0,
            "How much of a command the actuator's limit must cut off, in mm what slides;\n"
            "of an environment's action without a unit, in % of what it takes",
        ),
    ),
    "oscillating gripper": (
        Dial(
            "gripper_swing",
            "swings of at least",
            "%",
            0.1,
            "A reversal counts from this share of the gripper's range on",
        ),
        Dial("gripper_reversals", "reversals", "times", 2, "The gripper oscillates if it reverses this often ..."),
        Dial("gripper_steps", "within", "steps", 1, "... within this many control steps"),
    ),
    "success at step 0": (),
}
"""The thresholds of each detector, by its name."""


def entries_of(findings: Sequence[Finding], hidden: Collection[str]) -> tuple[Entry, ...]:
    """Rows for the findings whose detector is not hidden, in their order."""
    return tuple(
        Entry(finding.step, (str(finding.step), finding.detector), finding.text)
        for finding in findings
        if finding.detector not in hidden
    )


def counts_of(findings: Sequence[Finding], names: Collection[str] = tuple(DETECTORS)) -> dict[str, int]:
    """How many findings each detector has, those with none included."""
    counted = Counter(finding.detector for finding in findings)
    return {name: counted[name] for name in names}


def breaking(breakpoints: Breakpoints, detector: str, on: bool) -> Breakpoints:
    """The breakpoints with a detector among them, or not."""
    others = breakpoints.detectors - {detector}
    return replace(breakpoints, detectors=others | {detector} if on else others)
