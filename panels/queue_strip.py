"""Which chunk each action comes from, around one step: the policy panel's strip, as data and as paint."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer_app.chunking import OverlapBlend, TemporalEnsemble, is_due, members_of
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Float32Array


@dataclass(frozen=True)
class Queue:
    """The actions around one step and where they come from."""

    step: int
    """The step looked at, cell `past` of the arrays."""
    past: int
    """How many cells lie before the step."""
    pool: tuple[ActionChunk, ...]
    """All chunks that a cell can come from, in the order in which they arrived: those carried over from the episode
    before, then the trace's own."""
    chunks: NDArray[np.int64]
    """Number in the pool of the newest chunk behind each cell's action, -1 where there is none. Shape (cells,)."""
    leaving: NDArray[np.int64]
    """Number in the pool of the chunk that each cell is blended from, -1 where it is not. Shape (cells,)."""
    share: Float32Array
    """Weight of the newest chunk in each cell that is blended, 1 elsewhere. Shape (cells,)."""
    members: NDArray[np.int64]
    """How many chunks make up each cell. Shape (cells,)."""
    runs: NDArray[np.bool_]
    """Whether the cell's action was executed or will be before the policy is asked again. Shape (cells,)."""
    next_call: int | None
    """Steps until the policy is asked again, 0 for at this step, None without a policy."""

    @property
    def age(self) -> int | None:
        """How old the observation is that the chunk in force answers, None where none is in force. [steps]"""
        number = int(self.chunks[self.past])
        return self.step - self.pool[number].start if number >= 0 else None

    @property
    def words(self) -> str:
        """The strip in two lines."""
        if self.next_call is None:
            return "\n"
        if self.age is None:
            return "the policy is asked\nat this step"
        here, count = self.past, int(self.members[self.past])
        if self.leaving[here] >= 0:
            row, older = self.age, self.step - self.pool[int(self.leaving[here])].start
            share = round(100 * float(self.share[here]))
            return f"{share}% of row {row}, {100 - share}% of row {older}\nnext call in {self.next_call}"
        if count > 1:
            return f"mean of {count} chunks\nasked at every step"
        age = "asked for here" if self.age == 0 else f"{self.age} step{'s' * (self.age != 1)} old"
        late = self.pool[int(self.chunks[here])].delay
        came = f", came {late} late" if late else ""
        return f"row {self.age} of a chunk {age}\nnext call in {self.next_call}{came}"

    def cell_at(self, x: float) -> int | None:
        """The cell at a place across the strip, 0 its left edge and 1 its right one; None beside it."""
        count = len(self.chunks)
        return int(x * count) if 0 <= x < 1 else None

    def chunk_at(self, x: float, y: float) -> ActionChunk | None:
        """The chunk whose colour is at a place of the strip, None where there is none.

        Args:
            x: 0 the left edge, 1 the right one.
            y: 0 the upper edge, 1 the lower one.
        """
        cell = self.cell_at(x)
        if cell is None or self.chunks[cell] < 0:
            return None
        older = self.leaving[cell] >= 0 and y >= self.share[cell]
        return self.pool[int(self.leaving[cell] if older else self.chunks[cell])]

    def words_at(self, x: float, y: float) -> str:
        """What there is to tell about a place of the strip."""
        cell, chunk = self.cell_at(x), self.chunk_at(x, y)
        if cell is None:
            return ""
        step = self.step - self.past + cell
        when = "executed" if cell < self.past else "to come" if self.runs[cell] else "dropped before it gets there"
        if chunk is None:
            return f"step {step}: not known yet" if cell >= self.past else f"step {step}"
        asked = f"step {chunk.start}" if chunk.start >= 0 else "the episode before"
        lines = [f"step {step}, {when}", f"row {step - chunk.start} of the chunk asked at {asked}"]
        if self.leaving[cell] >= 0:
            share = float(self.share[cell])
            weight = share if chunk is self.pool[int(self.chunks[cell])] else 1 - share
            lines.append(f"blended: its share is {100 * weight:.0f}%")
        elif self.members[cell] > 1:
            lines.append(f"the newest of {int(self.members[cell])} chunks in the mean")
        if chunk.delay:
            rows = f"row{'s' * (chunk.delay != 1)}"
            lines.append(f"came {chunk.delay} step{'s' * (chunk.delay != 1)} late: its first {rows} dropped")
        if chunk.start >= 0:
            lines.append("click to look at that step")
        return "\n".join(lines)


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
    pool = (*trace.carried, *trace.chunks)
    numbers, leaving, members = np.full(cells, -1, np.int64), np.full(cells, -1, np.int64), np.zeros(cells, np.int64)
    share, runs = np.ones(cells, np.float32), steps < step

    def fill(cell: int, in_force: Sequence[ActionChunk], number: int) -> None:
        """Say where a cell's action comes from, `number` being that of the newest chunk in force."""
        at, chunking = int(steps[cell]), trace.settings_at(min(int(steps[cell]), step)).chunking
        if not in_force or at >= in_force[-1].start + len(in_force[-1]):
            return
        numbers[cell], members[cell] = number, 1
        match chunking:
            case TemporalEnsemble():
                members[cell] = len(members_of(in_force, at))
            case OverlapBlend(_, overlap):
                weight = _share(in_force, at, overlap)
                if weight < 1:
                    leaving[cell], share[cell], members[cell] = number - 1, weight, 2

    def newest_at(at: int) -> int:
        return bisect_right(pool, at, key=lambda chunk: chunk.arrived) - 1

    if trace.policy is None:
        return Queue(step, past, pool, numbers, leaving, share, members, runs, None)
    for cell in range(past):
        at = int(steps[cell])
        fill(cell, trace.chunks_in_force(at), newest_at(at))
    in_force = trace.chunks_in_force(step)
    if not in_force or (step >= length and trace.is_due(step)):
        return Queue(step, past, pool, numbers, leaving, share, members, runs, 0)
    for cell in range(past, cells):
        fill(cell, in_force, newest_at(step))
    settings, end = trace.settings_at(step), in_force[-1].start + len(in_force[-1])
    calls = (at - step for at in range(step + 1, end) if is_due(in_force, at, settings.chunking, settings.delay))
    left = next(calls, max(end - step, 1))
    runs = runs | ((steps >= step) & (steps < step + left))
    return Queue(step, past, pool, numbers, leaving, share, members, runs, left)


def _share(chunks: Sequence[ActionChunk], step: int, overlap: int) -> float:
    """Weight of the newest chunk at a step under overlap blending, as `chunking.OverlapBlend` states it."""
    if len(chunks) < 2 or step >= chunks[-2].start + len(chunks[-2]):
        return 1.0
    return min((step - chunks[-1].arrived + 1) / (overlap + 1), 1.0)


def paint_queue(
    queue: Queue, pixels: Float32Array, hues: Sequence[Float32Array], empty: Float32Array, now: Float32Array
) -> None:
    """Paint the strip: a colour for each chunk, full where its action runs, faint where it is dropped, cells apart.

    A blended cell has the colours of both chunks, each as high as its share, the newer one above.

    Args:
        queue: What to paint.
        pixels: Painted over. Shape (height, width, 4).
        hues: Colours that chunks take in turn. Shape (4,) each.
        empty: Colour of a cell that no chunk covers. Shape (4,).
        now: Colour of the line at the step looked at. Shape (4,).
    """
    height, width, _ = pixels.shape
    count = len(queue.chunks)
    cell = np.minimum(np.arange(width) * count // max(width, 1), count - 1)
    palette = np.stack(list(hues))
    blended = queue.leaving >= 0
    most = max(int(queue.members[~blended].max(initial=1)), 1)
    # Of averaged cells, brightness says how many chunks agree to speak; of others, whether the action runs at all.
    light = np.where(most > 1, 0.30 + 0.70 * queue.members / most, np.where(queue.runs, 1.0, 0.28))
    light = np.where(blended, np.where(queue.runs, 1.0, 0.28), light)
    light = np.where(np.arange(count) < queue.past, light * 0.55, light).astype(np.float32)[:, None]
    newer = palette[queue.chunks % len(hues)] * light + empty * (1 - light)  # (cells, 4)
    older = palette[queue.leaving % len(hues)] * light + empty * (1 - light)
    newer[queue.chunks < 0] = empty
    upper = (np.arange(height)[:, None] < np.round(queue.share * height)[None]) | ~blended[None]  # (height, cells)
    pixels[:] = np.where(upper[..., None], newer[None], older[None])[:, cell]
    if width >= 4 * count:
        pixels[:, np.flatnonzero(np.diff(cell)) + 1] = empty * np.array([0.6, 0.6, 0.6, 1.0], np.float32)
    line = min(queue.past * width // max(count, 1), width - 2)
    pixels[:, line : line + 2] = now
