"""Reads a trace file back, as far as it was written whole.

Every block is looked at before it is believed: what the checksum of a block vouches for was written by somebody, but
perhaps not by Whiskers. What was read can be looked at everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from recordings.blocks import Block, Plain, Torn, read_blocks
from recordings.plain import (
    Table,
    event_from_plain,
    list_of,
    number,
    policy_from_plain,
    settings_from_plain,
    table_of,
    text,
    whole_number,
)
from recordings.trace_file import LEFT_OUT, PER_MOMENT, PER_STEP, RecordingError
from viewer_app.trace import Event, Parent, Settings, Trace
from viewer_app.types import ActionChunk, Float32Array, PolicyInfo, frozen


@dataclass(frozen=True)
class ReadTrace:
    """A trace as far as its file goes."""

    trace: Trace
    lane: int
    torn: str
    """Why reading stopped before the end of the file; empty where it did not."""


def read_trace(path: Path) -> ReadTrace:
    """Read a trace file.

    Raises:
        RecordingError: If not even its first moment can be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"Trace file {path} cannot be read ({error.strerror}).") from None
    reader = _Reader()
    torn = ""
    for item in read_blocks(data):
        if isinstance(item, Torn):
            torn = item.reason
            break
        try:
            reader.take(item)
        except (LookupError, ValueError, TypeError, ArithmeticError):
            torn = "a block does not continue the one before"
            break
    if reader.length is None:
        raise RecordingError(f"Trace file {path} holds no readable step{f': {torn}' if torn else ''}.")
    return ReadTrace(reader.trace(), reader.lane, torn)


@dataclass(frozen=True)
class _First:
    """What the first block says."""

    name: str
    scene: str
    policy: PolicyInfo | None
    seed: int
    parent: Parent | None
    carried: tuple[ActionChunk, ...]


class _Reader:
    """Puts a trace together from its blocks. A block that does not fit leaves it as it was."""

    def __init__(self) -> None:
        self.length: int | None = None
        self.lane = 0
        self._first: _First | None = None
        self._columns: dict[str, list[NDArray[np.generic]]] = {name: [] for name in (*PER_MOMENT, *PER_STEP)}
        self._chunks: list[ActionChunk] = []
        self._events: list[Event] = []
        self._resets: list[int] = []
        self._settings: dict[int, Settings] = {}
        self._phases: list[str] = []
        self._outcomes: list[str] = []

    def take(self, block: Block) -> None:
        """
        Raises:
            LookupError, ValueError, TypeError, ArithmeticError: If the block does not fit.
        """
        match block.header["kind"], self._first:
            case "trace", None:
                self._take_first(block)
            case "steps", _First() as first:
                self._take_steps(block, first)
            case other, _:
                raise ValueError(f"unexpected block {other!r}")

    def _take_first(self, block: Block) -> None:
        header = block.header
        policy = policy_from_plain(header["policy"])
        parent = None if header["parent"] is None else list_of(header["parent"])
        lane = whole_number(header["lane"])
        if lane < 0:
            raise ValueError(f"lane {lane}")
        if policy is not None and policy.action_scale is not None:
            for each in (policy.action_scale.a, policy.action_scale.b):
                np.broadcast_to(each, (policy.n_action,))
        self._first = _First(
            name=text(header["name"]),
            scene=text(header["scene"]),
            policy=policy,
            seed=whole_number(header["seed"]),
            parent=None if parent is None else Parent(text(parent[0]), whole_number(parent[1])),
            carried=_chunks_from_plain(header["chunks"], block.arrays),
        )
        self.lane = lane

    def _take_steps(self, block: Block, first: _First) -> None:
        header = block.header
        begin, end = whole_number(header["begin"]), whole_number(header["end"])
        if begin != (self.length or 0) or end < begin:
            raise ValueError(f"steps {begin} to {end} do not follow step {self.length}")
        phases, outcomes = ([text(name) for name in list_of(header[key])] for key in ("phases", "outcomes"))
        columns = self._checked_columns(block.arrays, end - begin, {"phase": len(phases), "outcome": len(outcomes)})
        settings = {
            whole_number(start): settings_from_plain(value)
            for start, value in (list_of(row) for row in list_of(header["settings"]))
        }
        chunks = _chunks_from_plain(header["chunks"], block.arrays)
        width = columns["action"].shape[1] if end > begin else None
        _check_chunks((*first.carried, *self._chunks[-1:], *chunks), end, width)
        events = [event_from_plain(row) for row in list_of(header["events"])]
        resets = [whole_number(step) for step in list_of(header["resets"])]
        steps = (*resets, *settings, *(event.step for event in events))
        if not all(0 <= step <= end for step in steps) or min(settings | self._settings) != 0:
            raise ValueError("something is said about a step that there is not")
        for name, column in columns.items():
            parts = self._columns[name]
            if parts and name in PER_MOMENT:
                parts[-1] = parts[-1][:-1]
            parts.append(column)
        self._chunks.extend(chunks)
        self._events.extend(events)
        self._resets.extend(resets)
        self._settings |= settings
        self._phases, self._outcomes = phases, outcomes
        self.length = end

    def _checked_columns(
        self, arrays: Mapping[str, NDArray[np.generic]], steps: int, names: Mapping[str, int]
    ) -> dict[str, NDArray[np.generic]]:
        """The columns of a block.

        Args:
            arrays: Of the block.
            steps: That it brings.
            names: Column of numbers that stand for names, to how many names there are.
        """
        columns = {}
        for name, (kind, axes) in {**PER_MOMENT, **PER_STEP}.items():
            rows = steps + (name in PER_MOMENT)
            column = np.empty((rows, 0), kind) if name == LEFT_OUT and name not in arrays else arrays[name]
            if (column.dtype, column.ndim, len(column)) != (np.dtype(kind), axes, rows):
                raise ValueError(f"column {name} is {column.dtype}{column.shape}")
            # Before its first step, a trace without a policy does not know yet how many actions there are.
            before = self._columns[name][-1:] if steps or name in PER_MOMENT else []
            if any(len(each) and each.shape[1:] != column.shape[1:] for each in before):
                raise ValueError(f"column {name} has another width than before")
            if name in names and int(column.max()) >= names[name]:
                raise ValueError(f"column {name} has a number that stands for no name")
            columns[name] = column
        return columns

    def trace(self) -> Trace:
        assert self._first is not None
        first = self._first
        return Trace.from_columns(
            name=first.name,
            scene=first.scene,
            policy=first.policy,
            seed=first.seed,
            parent=first.parent,
            carried=first.carried,
            columns={name: _joined(parts) for name, parts in self._columns.items()},
            chunks=self._chunks,
            events=self._events,
            settings=sorted(self._settings.items(), key=lambda change: change[0]),
            resets=self._resets,
            phases=self._phases,
            outcomes=self._outcomes,
        )


def _joined(parts: list[NDArray[np.generic]]) -> NDArray[np.generic]:
    filled = [part for part in parts if len(part)]
    return np.concatenate(filled) if filled else parts[-1]


def _check_chunks(chunks: Iterable[ActionChunk], end: int, width: int | None) -> None:
    """
    Args:
        chunks: In the order of their arrival.
        end: Steps so far.
        width: Of an action, where one was executed.

    Raises:
        ValueError: If a plan could not be made of them.
    """
    chunks = list(chunks)
    if any(b.arrived < a.arrived or b.start < a.start for a, b in pairwise(chunks)):
        raise ValueError("chunks are out of order")
    widths = {chunk.actions.shape[1] for chunk in chunks} | ({width} if width is not None else set())
    if len(widths) > 1:
        raise ValueError("chunks and actions are of different widths")
    if any(chunk.arrived >= end or chunk.delay < 0 for chunk in chunks):
        raise ValueError("a chunk comes later than it can")


def _chunks_from_plain(described: Plain, arrays: Mapping[str, NDArray[np.generic]]) -> tuple[ActionChunk, ...]:
    def float32(name: str) -> Float32Array:
        return frozen(arrays[name].astype(np.float32))

    def chunk(i: int, row: Table) -> ActionChunk:
        actions = float32(f"{i}.actions")
        model_actions = float32(f"{i}.model_actions") if f"{i}.model_actions" in arrays else None
        if actions.ndim != 2 or (model_actions is not None and model_actions.shape != actions.shape):
            raise ValueError(f"chunk {i} has actions of shape {actions.shape}")
        return ActionChunk(
            start=whole_number(row["start"]),
            actions=actions,
            seed=whole_number(row["seed"]),
            latency=number(row["latency"]),
            delay=whole_number(row.get("delay", 0)),  # format 1 has none
            model_actions=model_actions,
            extras=MappingProxyType({text(name): float32(f"{i}.extras.{name}") for name in list_of(row["extras"])}),
        )

    return tuple(chunk(i, table_of(row)) for i, row in enumerate(list_of(described)))
