"""Curves of the joints as data: units, visible window, dots, dashes and the CSV file. No toolkit here."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TextIO, assert_never

import numpy as np
from numpy.typing import NDArray

from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, FloatArray, PolicyInfo


class JointUnit(StrEnum):
    """What the joint plots are in."""

    SCENE = "scene units"
    DEGREES = "degrees"
    MODEL = "normalised"


def units_for(policy: PolicyInfo | None) -> tuple[JointUnit, ...]:
    """The units that can be shown: normalised ones only where the policy states its scale."""
    has_scale = policy is not None and policy.action_scale is not None
    return tuple(JointUnit) if has_scale else (JointUnit.SCENE, JointUnit.DEGREES)


def convert(values: Float32Array, unit: JointUnit, scene: Scene, policy: PolicyInfo | None) -> FloatArray:
    """Joint values in another unit.

    Normalised states use the action's scale too, so that actual and commanded can be compared.

    Args:
        values: Scene units. Shape (rows, n).
        unit: Unit of the result.
        scene: Knows degrees.
        policy: Knows its normalised units.
    """
    match unit:
        case JointUnit.SCENE:
            return np.asarray(values, np.float64)
        case JointUnit.DEGREES:
            return scene.to_degrees(values)
        case JointUnit.MODEL:
            if policy is None or policy.action_scale is None:
                return np.asarray(values, np.float64)
            return np.asarray(policy.action_scale.to_model(values), np.float64)
        case _:
            assert_never(unit)


@dataclass(frozen=True)
class Curves:
    """What the plots of all joints show of a window of time. Times in [s] from the start of the episode."""

    times: FloatArray
    """Of the moments. Shape (M,)."""
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

    def bounds(self, joint: int) -> tuple[float, float]:
        """Lowest and highest value of one joint in the window, (0, 1) where nothing is shown."""
        parts = [each[:, joint] for each in (self.actual, self.commanded, self.predicted) if len(each)]
        if not parts:
            return 0.0, 1.0
        return min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)


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
    dt, policy = scene.control_dt, trace.policy

    def seconds(begin_step: int, count: int) -> FloatArray:
        return np.arange(begin_step, begin_step + count, dtype=np.float64) * dt

    first = min(max(int(np.floor(begin / dt)) - 1, 0), length)
    last = min(max(int(np.ceil(end / dt)) + 2, first + 1), length + 1)
    state = np.asarray(trace.column("state", length), np.float32)[first:last]
    action = np.asarray(trace.column("action", length), np.float32)[first : min(last, length)]
    plan = trace.plan(step)
    n = len(scene.spec.joints)
    rows = np.zeros((0, n), np.float32) if plan is None else plan
    if action.shape[1] != n:
        action = np.zeros((0, n), np.float32)
    return Curves(
        times=seconds(first, len(state)),
        actual=convert(state, unit, scene, policy),
        command_times=seconds(first, len(action)),
        commanded=convert(action, unit, scene, policy),
        plan_times=seconds(step, len(rows)),
        predicted=convert(rows, unit, scene, policy),
    )


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
    edges = np.linspace(0, count, columns + 1).astype(np.int64)
    picked: set[int] = set()
    for low, high in pairwise(edges):
        if low < high:
            part = values[low:high]
            picked.update((int(low), int(high) - 1, int(low + part.argmin()), int(low + part.argmax())))
    chosen = np.array(sorted(picked))
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


def csv_rows(trace: Trace, length: int, unit: JointUnit, scene: Scene) -> Iterator[Sequence[str]]:
    """Header and one row a moment: step, seconds, per joint actual and commanded, and whether the policy was asked.

    The commanded columns of the head are empty: nothing was executed there.
    """
    names = scene.joint_names
    yield (
        "step",
        "time_s",
        *(f"{name}_{what} [{unit}]" for name in names for what in ("actual", "commanded")),
        "asked",
    )
    actual = convert(np.asarray(trace.column("state", length), np.float32), unit, scene, trace.policy)
    commanded = convert(np.asarray(trace.column("action", length), np.float32), unit, scene, trace.policy)
    time = np.asarray(trace.column("time", length))
    for k in range(length + 1):
        values: list[str] = []
        for joint in range(len(names)):
            values.append(f"{actual[k, joint]:.7g}")
            values.append(f"{commanded[k, joint]:.7g}" if k < length else "")
        asked = "1" if k < length and trace.chunk_asked_at(k) is not None else "0"
        yield (str(k), f"{float(time[k] - time[0]):.6f}", *values, asked)


def write_csv(file: TextIO, trace: Trace, length: int, unit: JointUnit, scene: Scene) -> None:
    """Write the joints of a trace as CSV."""
    csv.writer(file).writerows(csv_rows(trace, length, unit, scene))
