"""What happened when along one trace, as data: for the timeline, its tooltips, and moving from event to event."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from viewer_app.detectors import Finding
from viewer_app.trace import Trace
from viewer_app.types import Float32Array
from viewer_app.view import Snippet

_RUNGS = (100, 150, 200, 300, 400, 600, 800)


@dataclass(frozen=True)
class Mark:
    """One thing to tell about one step."""

    step: int
    kind: str
    """`chunk`, `policy_reset`, `settings`, `moved`, `undone`, `pushed`, `note`, `bookmark`, `phase`, `contact`,
    `outcome`, `branch` or `finding`."""
    text: str


@dataclass(frozen=True)
class Marks:
    """All that the timeline shows of one trace, up to a length."""

    length: int
    chunks: NDArray[np.int64]
    """Chunk boundaries: steps at which a chunk came into force, ascending."""
    observed: NDArray[np.int64]
    """Of each of these chunks the step whose observation it answers: the same one, unless it came late."""
    phases: tuple[tuple[int, int, str], ...]
    """(first step, end, name) of each stretch of one phase."""
    contacts: tuple[tuple[int, int], ...]
    """(first step, end) of each stretch with the gripper touching the object."""
    others: tuple[Mark, ...]
    """Everything that happens rarely enough to get a sign of its own, by step."""
    findings: tuple[Mark, ...] = ()
    """What the detectors found, by step. They have a row to themselves."""

    @property
    def steps(self) -> list[int]:
        """Steps worth jumping to, ascending, each once."""
        found = {int(step) for step in self.chunks}
        found.update(mark.step for mark in (*self.others, *self.findings))
        found.update(begin for begin, _, _ in self.phases)
        found.update(step for stretch in self.contacts for step in stretch)
        return sorted(step for step in found if 0 <= step <= self.length)

    def after(self, step: int) -> int | None:
        """The first event after a step."""
        steps = self.steps
        at = bisect_right(steps, step)
        return steps[at] if at < len(steps) else None

    def before(self, step: int) -> int | None:
        """The last event before a step."""
        steps = self.steps
        at = bisect_left(steps, step)
        return steps[at - 1] if at > 0 else None

    def phase_at(self, step: int) -> str:
        return next((name for begin, end, name in self.phases if begin <= step < end), "")

    def near(self, step: int, reach: int) -> tuple[Mark, ...]:
        """What there is to tell within `reach` steps, in order, at most eight lines."""
        low, high = bisect_left(self.chunks, step - reach), bisect_right(self.chunks, step + reach)
        # Of a row of chunk boundaries under one pixel, the nearest speaks for all.
        close = sorted(range(low, high), key=lambda number: abs(int(self.chunks[number]) - step))[:1]
        found = [Mark(int(self.chunks[number]), "chunk", self._chunk_words(number)) for number in close]
        found += [mark for mark in (*self.others, *self.findings) if abs(mark.step - step) <= reach]
        for begin, end in self.contacts:
            if abs(begin - step) <= reach:
                found.append(Mark(begin, "contact", "gripper touches the object"))
            if abs(end - step) <= reach and end <= self.length:
                found.append(Mark(end, "contact", "gripper lets go"))
        found += [Mark(begin, "phase", name) for begin, _, name in self.phases if begin and abs(begin - step) <= reach]
        return tuple(sorted(found, key=lambda mark: mark.step)[:8])

    def _chunk_words(self, number: int) -> str:
        at, observed = int(self.chunks[number]), int(self.observed[number])
        late = at - observed
        return f"new chunk, {late} late: it answers step {observed}" if late else "policy asked: new chunk"


def marks_of(trace: Trace, length: int, others: Sequence[Snippet] = (), findings: Sequence[Finding] = ()) -> Marks:
    """Read a trace's marks.

    Args:
        trace: The trace looked at.
        length: How many of its steps may be read.
        others: The lane's other traces, for where they branched off.
        findings: What the detectors found in the trace.
    """
    phase = np.asarray(trace.column("phase", length))
    contact = np.asarray(trace.column("contact", length), bool)
    outcome = np.asarray(trace.column("outcome", length))
    happened = [event for event in list(trace.events) if event.step <= length and event.kind != "bookmark"]
    rare = [Mark(event.step, event.kind, event.text) for event in happened]
    rare += [Mark(step, "bookmark", text) for step, text in trace.bookmarks.items() if step <= length]
    ended = [code for code in np.unique(outcome) if trace.outcomes[int(code)]]
    for code in ended:
        rare.append(Mark(int(np.argmax(outcome == code)), "outcome", trace.outcomes[int(code)].replace("_", " ")))
    for snippet in others:
        parent = snippet.trace.parent
        if parent is not None and parent.trace == trace.name and parent.step <= length:
            rare.append(Mark(parent.step, "branch", f"{snippet.trace.name} leaves here"))
    if trace.parent is not None:
        rare.append(Mark(trace.parent.step, "branch", f"branched from {trace.parent.trace}"))
    boundaries = [(chunk.arrived, chunk.start) for chunk in list(trace.chunks) if 0 <= chunk.arrived <= length]
    arrived, observed = np.array(boundaries, np.int64).reshape(-1, 2).T
    told = [Mark(each.step, "finding", f"{each.detector}: {each.text}") for each in findings if each.step <= length]
    return Marks(
        length=length,
        chunks=arrived,
        observed=observed,
        phases=tuple((begin, end, trace.phases[int(phase[begin])]) for begin, end in _stretches(phase)),
        contacts=tuple((begin, end) for begin, end in _stretches(contact) if contact[begin]),
        others=tuple(sorted(rare, key=lambda mark: mark.step)),
        findings=tuple(sorted(told, key=lambda mark: mark.step)),
    )


def _stretches(values: NDArray[np.generic]) -> list[tuple[int, int]]:
    """(first index, end) of each run of equal values."""
    cuts = [0, *(int(k) for k in np.flatnonzero(values[1:] != values[:-1]) + 1), len(values)]
    return list(pairwise(cuts))


def domain_for(length: int, expected: int) -> int:
    """How many steps the timeline spans: `expected` while it suffices, then ever longer rungs, so that marks stay put.

    Args:
        length: Steps recorded.
        expected: The episode's longest length, where the task states one.
    """
    if length <= expected:
        return expected
    rung = 1
    while True:
        for factor in _RUNGS:
            if factor * rung >= length:
                return factor * rung
        rung *= 10


def paint_band(
    marks: Marks,
    domain: int,
    pixels: Float32Array,
    phase_colours: Sequence[Float32Array],
    phase_order: Sequence[str],
    tick: Float32Array,
    contact: Float32Array,
    blank: Float32Array,
) -> None:
    """Paint phases, chunk boundaries and contacts.

    Args:
        marks: What to paint.
        domain: Steps that the whole width spans.
        pixels: Painted over. Shape (height, width, 4).
        phase_colours: Colours that phases take in turn. Shape (4,) each.
        phase_order: Phase names in the order in which they take colours.
        tick: Colour of a chunk boundary. Shape (4,).
        contact: Colour of the contact bar. Shape (4,).
        blank: Colour of what was not recorded yet. Shape (4,).
    """
    height, width, _ = pixels.shape
    pixels[:] = blank
    scale = width / max(domain, 1)
    bar = max(height // 5, 2)
    band = height - bar - 1

    def x(step: float) -> int:
        return min(round(step * scale), width)

    for begin, end, name in marks.phases:
        colour = phase_colours[phase_order.index(name) % len(phase_colours)]
        # The head is a moment, not a step: nothing was executed there yet.
        pixels[:band, x(begin) : x(min(end, marks.length))] = colour
    if len(marks.chunks):
        columns = np.unique(np.minimum((marks.chunks * scale).round().astype(np.int64), width - 1))
        # Where boundaries stand closer than 3 px they become a lighter tone, or they would paint the phase over.
        crowded = len(columns) > 1 and float(np.median(np.diff(columns))) < 3
        share = np.float32(0.35 if crowded else 0.9)
        top = band // 2
        pixels[:top, columns] = pixels[:top, columns] * (1 - share) + tick * share
    for begin, end in marks.contacts:
        pixels[band + 1 :, x(begin) : max(x(end), x(begin) + 1)] = contact
