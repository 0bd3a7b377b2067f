"""The columns of a trace as a table for other programs: CSV, or Parquet with its types.

One row a moment, the last of them the one after the last step, in which nothing was executed yet. Every number is
written with all its digits, so that reading it back gives the number that was recorded.

step, time [s]
state/NAME [unit], action/NAME [unit]      in the scene's units, without one where it says none: joints, or whatever
                                           else state and action are; an action is what was executed at the step
environment_state/NAME                     what an environment observes besides proprioception, where it does
tip/x [m], tip/y [m], tip/z [m]            of the end effector, in the world frame
phase, outcome, success, contact, reward
chunk/start, chunk/row                     of the newest chunk in force: the step that it answers, and which of its
                                           rows is for this step
reach/position_error [mm], reach/orientation_error [deg], reach/failed
                                           where actions are poses of the end effector: by how much the joint targets
                                           miss them
chunk/latency [s]                          of the policy call whose chunk came into force at this step
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recordings.trace_file import RecordingError
from recordings.whole_file import whole_file
from viewer_app.reach import ReachReader
from viewer_app.scene import Scene
from viewer_app.trace import Trace

SUFFIXES = (".csv", ".parquet")
Cell = bool | int | float | str | None


@dataclass(frozen=True)
class Column:
    """One column of the table."""

    name: str
    """Without its unit: `state/elbow`."""
    unit: str
    """Empty where there is none."""
    values: NDArray[np.generic] | tuple[Cell, ...]
    """One a moment; fewer where the last moments have none yet. A None has none either."""

    @property
    def header(self) -> str:
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    @property
    def group(self) -> str:
        """What it is chosen by together with its like: `state`."""
        return self.name.split("/")[0]


def columns_of(scene: Scene, trace: Trace, length: int) -> tuple[Column, ...]:
    """All columns that there are.

    Args:
        scene: Of the trace.
        trace: May be growing.
        length: How many of its steps may be read.
    """
    states, commands = (
        [(channel.name, channel.unit) for channel in channels.each] for channels in (scene.states, scene.actions)
    )
    per_moment = {name: trace.column(name, length) for name in ("state", "tip", "phase", "outcome")}
    actions, around = trace.column("action", length), trace.column("environment_state", length)
    # A motion that was not made by the environment has none of it.
    known = scene.spec.state.environment[: around.shape[1]]
    starts, rows, latencies = _chunk_columns(trace, length)
    return (
        Column("step", "", np.arange(length + 1)),
        Column("time", "s", trace.column("time", length)),
        *(Column(f"state/{name}", unit, per_moment["state"][:, i]) for i, (name, unit) in enumerate(states)),
        *(Column(f"action/{name}", unit, actions[:, i]) for i, (name, unit) in enumerate(commands) if length),
        *(Column(f"environment_state/{name}", "", around[:, i]) for i, name in enumerate(known)),
        *(Column(f"tip/{axis}", "m", per_moment["tip"][:, i]) for i, axis in enumerate("xyz")),
        Column("phase", "", tuple(trace.phases[int(code)] for code in per_moment["phase"])),
        Column("outcome", "", tuple(trace.outcomes[int(code)] for code in per_moment["outcome"])),
        *(Column(name, "", trace.column(name, length)) for name in ("success", "contact", "reward")),
        *_reach_columns(scene, trace, length),
        Column("chunk/start", "", starts),
        Column("chunk/row", "", rows),
        Column("chunk/latency", "s", latencies),
    )


def _reach_columns(scene: Scene, trace: Trace, length: int) -> tuple[Column, ...]:
    reach = ReachReader(scene).of(trace, length) if scene.spec.action.kind == "end_effector" else None
    if reach is None:
        return ()
    return (
        Column("reach/position_error", "mm", reach.position),
        Column("reach/orientation_error", "deg", reach.orientation),
        Column("reach/failed", "", reach.failed),
    )


def write_columns(
    path: Path, scene: Scene, trace: Trace, length: int, columns: Sequence[str] | None = None, force: bool = False
) -> None:
    """Write a trace's columns as a table.

    Args:
        path: Ends in .csv or .parquet.
        scene: Of the trace.
        trace: May be growing.
        length: How many of its steps to write.
        columns: Names, such as `time` or `state/elbow`, or groups, such as `state`, in the order wanted; None is all.
        force: Whether a file of that name may be replaced.

    Raises:
        RecordingError: If a column is unknown, the ending is another one, a library is missing, or the file is there
            already or cannot be written.
    """
    table = columns_of(scene, trace, length)
    if columns is not None:
        table = _chosen(table, columns)
    match path.suffix.lower():
        case ".csv":
            with whole_file(path, force) as partial:
                _write_csv(partial, table, length + 1)
        case ".parquet":
            _need_pyarrow(path)
            with whole_file(path, force) as partial:
                _write_parquet(partial, table, length + 1)
        case other:
            raise RecordingError(
                f"A table cannot be written as {other or path.name!r}; valid are {', '.join(SUFFIXES)}."
            )


def _chosen(table: Sequence[Column], names: Sequence[str]) -> tuple[Column, ...]:
    found: dict[str, Column] = {}
    for name in names:
        matching = [column for column in table if name in (column.name, column.header, column.group)]
        if not matching:
            valid = ", ".join(dict.fromkeys(each for column in table for each in (column.group, column.name)))
            raise RecordingError(f"There is no column {name!r}; there are {valid}.")
        found |= {column.name: column for column in matching}
    if not found:
        raise RecordingError("A table needs at least one column.")
    return tuple(found.values())


def _chunk_columns(trace: Trace, length: int) -> tuple[tuple[Cell, ...], tuple[Cell, ...], tuple[Cell, ...]]:
    """Start of the newest chunk in force, which of its rows is for the step, and the latency of the one that came."""
    starts: list[Cell] = []
    rows: list[Cell] = []
    latencies: list[Cell] = []
    for step in range(length):
        in_force = trace.chunks_in_force(step)
        arrived = trace.chunk_arrived_at(step)
        starts.append(in_force[-1].start if in_force else None)
        rows.append(step - in_force[-1].start if in_force else None)
        latencies.append(arrived.latency if arrived is not None else None)
    return tuple(starts), tuple(rows), tuple(latencies)


def _write_csv(path: Path, table: Sequence[Column], rows: int) -> None:
    cells = []
    for column in table:
        # The shortest digits that give the same number again, in the number's own precision.
        said = ["" if value is None else str(value) for value in column.values]
        cells.append(said + [""] * (rows - len(said)))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.header for column in table])
        writer.writerows(zip(*cells, strict=True))


def _need_pyarrow(path: Path) -> None:
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        raise RecordingError(
            f"{path} cannot be written without pyarrow, which LeRobot brings; install it, or write a .csv file."
        ) from None


def _write_parquet(path: Path, table: Sequence[Column], rows: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for column in table:
        values = pa.array(column.values)
        missing = pa.nulls(rows - len(values), values.type)
        arrays[column.header] = pa.concat_arrays([values, missing])
    pq.write_table(pa.table(arrays), path)
