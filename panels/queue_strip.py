"""Which chunk each action comes from, around one step: the policy panel's strip, as data and as paint."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer_app.chunking import FirstN, TemporalEnsemble, members_of
from viewer_app.trace import Trace
from viewer_app.types import Float32Array


@dataclass(frozen=True)
class Queue:
    """The actions around one step and where they come from."""

    step: int
    """The step looked at, cell `past` of the arrays."""
    past: int
    """How many cells lie before the step."""
    chunks: NDArray[np.int64]
    """Number in the trace of the newest chunk behind each cell's action, -1 where there is none. Shape (cells,)."""
    members: NDArray[np.int64]
    """How many chunks are averaged in each cell. Shape (cells,)."""
    runs: NDArray[np.bool_]
    """Whether the cell's action was executed or will be before the policy is asked again. Shape (cells,)."""
    age: int | None
    """Steps since the chunk in force was asked for, None where none is in force."""
    next_call: int | None
    """Steps until the policy is asked again, 0 for at this step, None without a policy."""

    @property
    def words(self) -> str:
        """The strip in two lines."""
        if self.next_call is None:
            return "\n"
        if self.age is None or (self.next_call == 0 and self.chunks[self.past] < 0):
            return "the policy is asked\nat this step"
        count = int(self.members[self.past])
        if count > 1:
            return f"mean of {count} chunks\nasked at every step"
        age = "asked for here" if self.age == 0 else f"{self.age} step{'s' * (self.age != 1)} old"
        return f"row {self.age} of a chunk {age}\nnext call in {self.next_call}"


def queue_at(trace: Trace, length: int, step: int, past: int, cells: int) -> Queue:
    """Read the queue around a step.

    Args:
        trace: The trace looked at.
        length: How many of its steps may be read.
        step: 0 .. length.
        past: How many cells before the step to show; fewer at the start of the episode.
        cells: How many cells to show in all.
    """
    past = min(past, step)
    steps = np.arange(step - past, step - past + cells)
    numbers = np.full(cells, -1, np.int64)
    members = np.zeros(cells, np.int64)
    runs = steps < step
    if trace.policy is None:
        return Queue(step, past, numbers, members, runs, None, None)
    starts = [chunk.start for chunk in list(trace.chunks)]
    in_force = trace.chunks_in_force(step)
    chunking = trace.settings_at(step).chunking
    due = step >= length and trace.is_due(step)
    for cell in range(past):
        numbers[cell] = bisect_right(starts, int(steps[cell])) - 1
        before = trace.settings_at(int(steps[cell])).chunking
        ensembled = isinstance(before, TemporalEnsemble)
        members[cell] = len(members_of(trace.chunks_in_force(int(steps[cell])), int(steps[cell]))) if ensembled else 1
    newest = None if due or not in_force else in_force[-1]
    if newest is None:
        return Queue(step, past, numbers, members, runs, None, 0)
    age = step - newest.start
    number = bisect_right(starts, step) - 1
    match chunking:
        case FirstN(n_action_steps):
            left = max(min(n_action_steps, len(newest)) - age, 1)
            known = slice(past, past + max(len(newest) - age, 0))
            numbers[known], members[known] = number, 1
            runs = runs | ((steps >= step) & (steps < step + left))
        case TemporalEnsemble():
            left = 1
            for cell in range(past, cells):
                covering = members_of(in_force, int(steps[cell]))
                members[cell] = len(covering)
                numbers[cell] = number if covering else -1
            runs = runs | (steps == step)
    return Queue(step, past, numbers, members, runs, age, left)


def paint_queue(
    queue: Queue, pixels: Float32Array, hues: Sequence[Float32Array], empty: Float32Array, now: Float32Array
) -> None:
    """Paint the strip: a colour for each chunk, full where its action runs, faint where it is dropped, cells apart.

    Args:
        queue: What to paint.
        pixels: Painted over. Shape (height, width, 4).
        hues: Colours that chunks take in turn. Shape (4,) each.
        empty: Colour of a cell that no chunk covers. Shape (4,).
        now: Colour of the line at the step looked at. Shape (4,).
    """
    width = pixels.shape[1]
    count = len(queue.chunks)
    cell = np.minimum(np.arange(width) * count // max(width, 1), count - 1)
    palette = np.stack(list(hues))
    colour = palette[queue.chunks % len(hues)]  # (cells, 4)
    most = max(int(queue.members.max(initial=1)), 1)
    # Of averaged cells, brightness says how many chunks agree to speak; of others, whether the action runs at all.
    share = np.where(most > 1, 0.30 + 0.70 * queue.members / most, np.where(queue.runs, 1.0, 0.28)).astype(np.float32)
    share = np.where(np.arange(count) < queue.past, share * np.float32(0.55), share)
    colour = colour * share[:, None] + empty * (1 - share[:, None])
    colour[queue.chunks < 0] = empty
    pixels[:] = colour[cell][None]
    if width >= 4 * count:
        pixels[:, np.flatnonzero(np.diff(cell)) + 1] = empty * np.array([0.6, 0.6, 0.6, 1.0], np.float32)
    line = min(queue.past * width // max(count, 1), width - 2)
    pixels[:, line : line + 2] = now
