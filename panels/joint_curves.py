"""Curves of the actions, and of what measures them, as data: visible window, fan of past chunks, dots and dashes.

No toolkit here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer_app.joint_units import JointUnit, convert
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, FloatArray, PolicyInfo


@dataclass(frozen=True)
class Curves:
    """What the plots of all joints show of a window of time. Times in [s] from the start of the episode."""

    times: FloatArray
    """Of the moments. Shape (M,), M = 0 where nothing measures what is commanded."""
    actual: FloatArray
    """Shape (M, n)."""
    command_times: FloatArray
    """Of the steps. Shape (C,)."""
    commanded: FloatArray
    """Shape (C, n)."""
    plan_times: FloatArray
    """Shape (P,)."""
    predicted: FloatArray
    """The plan at the step looked at, row 0 being executed there. Shape (P, n)."""
    plan: Float32Array | None
    """The same as the trace says it, in scene units; None where no chunk covers the step."""


@dataclass(frozen=True)
class Fan:
    """Past chunks in a window of time: each as the pairs of points of its segments, gathered in bands of age."""

    times: tuple[FloatArray, ...]
    """Of each band, the youngest first. Shape (2 * segments,). [s]"""
    values: tuple[FloatArray, ...]
    """Of each band. Shape (2 * segments, n)."""
    drawn: int
    """How many chunks these are."""
    known: int
    """How many past chunks reach into the window; more than `drawn` where they were thinned."""


def curves(trace: Trace, length: int, step: int, unit: JointUnit, scene: Scene, begin: float, end: float) -> Curves:
    """Cut the curves of a window of time out of a trace. Costs as much as the window is long, however long the trace.

    Args:
        trace: The trace looked at.
        length: How many of its steps may be read.
        step: The step looked at, whose plan is the prediction.
        unit: Unit of all values.
        scene: Of the trace.
        begin: Start of the window. [s]
        end: End of the window. [s]
    """
    policy = trace.policy

    def seconds(begin_step: int, count: int) -> FloatArray:
        return np.arange(begin_step, begin_step + count, dtype=np.float64) * scene.control_dt

    nothing = np.zeros((0, scene.n_action), np.float32)
    times: FloatArray = np.zeros(0)
    actual = np.asarray(nothing, np.float64)
    if scene.measures_commands:
        times, actual = measured(trace, length, unit, scene, policy, begin, end)
    command_times, commanded = executed(trace, length, unit, scene, policy, begin, end)
    plan = trace.plan(step)
    rows = nothing if plan is None else plan
    return Curves(
        times=times,
        actual=actual,
        command_times=command_times,
        commanded=commanded,
        plan_times=seconds(step, len(rows)),
        predicted=convert(rows, unit, scene, policy),
        plan=plan,
    )


def measured(
    trace: Trace, length: int, unit: JointUnit, scene: Scene, policy: PolicyInfo | None, begin: float, end: float
) -> tuple[FloatArray, FloatArray]:
    """What measures the actions in a window of time: joint positions. Costs as much as the window is long.

    Args:
        trace: Whose joints.
        length: How many of its steps may be read.
        unit: Unit of the values.
        scene: Of the trace.
        policy: Whose normalised units these are, where the unit is normalised.
        begin: Start of the window. [s]
        end: End of the window. [s]

    Returns:
        Times [s], shape (M,), and values, shape (M, n). The last moment where the trace ends before the window.
    """
    first, last = _moments(length, scene, begin, end)
    state = np.asarray(trace.column("state", length), np.float32)[first:last]
    return np.arange(first, first + len(state), dtype=np.float64) * scene.control_dt, convert(
        state, unit, scene, policy
    )


def executed(
    trace: Trace, length: int, unit: JointUnit, scene: Scene, policy: PolicyInfo | None, begin: float, end: float
) -> tuple[FloatArray, FloatArray]:
    """Actions executed in a window of time. Arguments as for `measured`.

    Returns:
        Times [s], shape (C,), and values, shape (C, n).
    """
    first, last = _moments(length, scene, begin, end)
    action = np.asarray(trace.column("action", length), np.float32)[first : min(last, length)]
    if action.shape[1] != scene.n_action:  # an episode without a policy
        action = np.zeros((0, scene.n_action), np.float32)
    times = np.arange(first, first + len(action), dtype=np.float64) * scene.control_dt
    return times, convert(action, unit, scene, policy)


def _moments(length: int, scene: Scene, begin: float, end: float) -> tuple[int, int]:
    """First moment of a window of time, and the one after its last, as far as there are any."""
    dt = scene.control_dt
    first = min(max(int(np.floor(begin / dt)) - 1, 0), length)
    return first, min(max(int(np.ceil(end / dt)) + 2, first + 1), length + 1)


FAN_MOST = 24
"""More chunks than this, and at most every second is drawn, then every fourth, and so on."""
FAN_BANDS = 4
"""In how many steps a chunk fades with its age."""


def fan(trace: Trace, step: int, unit: JointUnit, scene: Scene, begin: float, end: float, apart: float = 1.0) -> Fan:
    """What every chunk that came into force up to a step said about a window of time, from there on.

    Where there are many, the same chunks and the same rows of them are left out whatever the window.

    Args:
        trace: The trace looked at.
        step: The step looked at.
        unit: Unit of all values.
        scene: Of the trace.
        begin: Start of the window. [s]
        end: End of the window. [s]
        apart: How far two points of a chunk are apart at least. [control steps]
    """
    dt, chunks = scene.control_dt, trace.chunks
    first, last = int(np.floor(begin / dt)) - 1, int(np.ceil(end / dt)) + 1
    stop = bisect_right(chunks, min(step, last), key=lambda chunk: chunk.arrived)
    # No chunk reaches farther than the newest is long, so the search need not go back to the first.
    far = first - len(chunks[stop - 1]) if stop else 0
    begin_at = bisect_right(chunks, far, hi=stop, key=lambda chunk: chunk.arrived)
    carried = trace.carried if begin_at == 0 else ()
    numbered = [*enumerate(carried, start=-len(carried)), *enumerate(chunks[begin_at:stop], start=begin_at)]
    known = [(n, chunk) for n, chunk in numbered if chunk.start + len(chunk) > first + 1]
    every = 1
    while len(known) > FAN_MOST * every:
        every *= 2
    kept = [chunk for n, chunk in known if n % every == 0 or n == stop - 1]
    stride = max(int(np.ceil(apart)), 1)
    times: list[list[FloatArray]] = [[] for _ in range(FAN_BANDS)]
    values: list[list[Float32Array]] = [[] for _ in range(FAN_BANDS)]
    for chunk in kept:
        steps = np.arange(max(chunk.arrived, first), min(chunk.start + len(chunk), last + 1))
        steps = steps[(steps % stride == 0) | (steps == steps[:1]) | (steps == steps[-1:])]
        ends = np.repeat(steps, 2)[1:-1]
        age = (step - chunk.arrived) / max(step - first, 1)
        band = min(int(FAN_BANDS * age), FAN_BANDS - 1)
        times[band].append(ends * dt)
        values[band].append(chunk.actions[ends - chunk.start])
    nothing = np.zeros((0, scene.n_action), np.float32)
    return Fan(
        times=tuple(np.concatenate(band) if band else np.zeros(0) for band in times),
        values=tuple(convert(np.concatenate(band) if band else nothing, unit, scene, trace.policy) for band in values),
        drawn=len(kept),
        known=len(known),
    )


def bounds(parts: Iterable[FloatArray], joint: int) -> tuple[float, float]:
    """Lowest and highest value of one joint, (0, 1) where nothing is shown.

    Args:
        parts: Curves. Shape (rows, n) each.
        joint: Which of their columns.
    """
    columns = [part[:, joint] for part in parts if len(part)]
    if not columns:
        return 0.0, 1.0
    return min(float(column.min()) for column in columns), max(float(column.max()) for column in columns)


def thinned(times: FloatArray, values: FloatArray, columns: int) -> tuple[FloatArray, FloatArray]:
    """At most four points per pixel column, keeping each column's first, last, lowest and highest: what is drawn
    covers the same pixels as all points would.

    Args:
        times: Ascending. Shape (M,).
        values: Shape (M,).
        columns: Width of the plot. [px]
    """
    count = len(times)
    if count <= 4 * columns or columns < 1:
        return times, values
    size = -(-count // columns)
    starts = np.arange(0, count, size)
    blocks = np.pad(values, (0, size * len(starts) - count), mode="edge").reshape(-1, size)
    picked = (starts, starts + size - 1, starts + blocks.argmin(axis=1), starts + blocks.argmax(axis=1))
    chosen = np.unique(np.minimum(np.concatenate(picked), count - 1))
    return times[chosen], values[chosen]


def dots(count: int, first_step: int, apart: float) -> NDArray[np.int64]:
    """Which samples to draw as dots, so that they stay apart; they keep their places when the window moves.

    Args:
        count: How many samples there are.
        first_step: Step of the first one.
        apart: How many samples lie between two dots at least.
    """
    every = max(int(np.ceil(apart)), 1)
    index = np.arange(count, dtype=np.int64)
    kept: NDArray[np.int64] = index[(index + first_step) % every == 0]
    return kept


def dashes(times: FloatArray, values: FloatArray, dash: float, gap: float) -> tuple[FloatArray, FloatArray]:
    """The line through the points, cut into dashes, as pairs of points (begin, end, begin, end, ...).

    Dashes are anchored to time 0, so that they stand still while the window moves, and follow every bend in between.

    Args:
        times: Ascending. Shape (P,). [s]
        values: Shape (P,).
        dash: Duration of a dash. [s]
        gap: Duration of a gap. [s]
    """
    if len(times) < 2:
        return times[:0], values[:0]
    period = dash + gap
    starts = np.arange(np.floor(times[0] / period), np.ceil(times[-1] / period) + 1) * period
    cuts = np.concatenate([starts, starts + dash, times])
    knots = np.unique(np.clip(cuts, times[0], times[-1]))
    middle = (knots[:-1] + knots[1:]) / 2
    on = np.mod(middle, period) < dash
    heights = np.interp(knots, times, values)
    x = np.stack([knots[:-1][on], knots[1:][on]], axis=1).ravel()
    y = np.stack([heights[:-1][on], heights[1:][on]], axis=1).ravel()
    return x, y


def flow(widths: Sequence[int], room: int, gap: int) -> list[tuple[int, int]]:
    """Where things go that follow one another like words: left edge and line of each. [px]

    Args:
        widths: Of the things. [px]
        room: Width of a line; a thing that is wider gets one for itself. [px]
        gap: Between two of them. [px]
    """
    placed: list[tuple[int, int]] = []
    at = line = 0
    for width in widths:
        if at and at + width > room:
            at, line = 0, line + 1
        placed.append((at, line))
        at += width + gap
    return placed


def with_margin(low: float, high: float, least: float) -> tuple[float, float]:
    """Limits of an axis that shows `low` to `high` with some air, and spans at least `least`."""
    middle, span = (low + high) / 2, max((high - low) * 1.16, least)
    return middle - span / 2, middle + span / 2


def round_values(low: float, high: float, most: int) -> list[float]:
    """Round numbers inside an axis, evenly spaced: as many as there are up to `most`, and one at least."""
    power = 10.0 ** np.floor(np.log10((high - low) / (most + 1)))
    found: list[float] = []
    for factor in (100, 50, 20, 10, 5, 2, 1):
        spacing = float(factor * power)
        first, last = int(np.ceil(low / spacing)), int(np.floor(high / spacing))
        values = [spacing * k for k in range(first, last + 1)]
        if len(values) > most:
            return found or values[len(values) // 2 :][:most]
        found = values or found
    return found
