"""One trace in one append-only file: written while it grows, read back as far as it was written whole.

The first block says which trace it is. Each later block brings the steps since the last one, and the moment that they
began at once more, because the head of a trace can still change until it is left. The reader lets later blocks win.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

import numpy as np
from numpy.typing import NDArray

from recordings.blocks import Block, BlockWriter, Plain, Torn, pack, read_blocks
from recordings.plain import (
    event_from_plain,
    event_to_plain,
    policy_from_plain,
    policy_to_plain,
    settings_from_plain,
    settings_to_plain,
)
from viewer_app.trace import Parent, Trace
from viewer_app.types import ActionChunk, WhiskersError, frozen

Arrays = dict[str, NDArray[np.generic]]

PER_MOMENT = ("snapshot", "time", "state", "tip", "phase", "outcome", "success", "contact", "reward")
PER_STEP = ("action",)


class RecordingError(WhiskersError):
    """A recording cannot be read or written. The message names the file."""


class TraceWriter:
    """Writes one trace, from wherever it got to."""

    def __init__(self, path: Path, trace: Trace, lane: int = 0) -> None:
        """
        Args:
            path: Must not exist yet.
            trace: Grows meanwhile, on whatever thread.
            lane: Which lane of the session it belongs to.

        Raises:
            OSError: If the file cannot be made or written.
        """
        self._trace = trace
        self._blocks = BlockWriter(path)
        self._steps = 0
        self._events = self._chunks = self._resets = 0
        self._settings = 0
        self._head = b""
        try:
            self._blocks.write(_first_block(trace, lane))
        except OSError:
            self._blocks.close()
            path.unlink()
            raise

    def catch_up(self, length: int) -> bool:
        """Write what is new below `length`, if anything.

        Returns:
            Whether there was anything new.

        Raises:
            OSError: If the system refuses. Nothing is lost: the next call tries the same again.
        """
        trace = self._trace
        begin = self._steps
        moments = {name: trace.column(name, length)[begin:] for name in PER_MOMENT}
        steps = {name: trace.column(name, length)[begin:] for name in PER_STEP}
        # The writer of the trace may be ahead of `length` already; what belongs to later steps waits for them.
        events = [event for event in trace.events[self._events :] if event.step <= length]
        resets = [step for step in trace.resets[self._resets :] if step <= length]
        # The last settings written are brought once more, because those of the head can still be replaced.
        known = max(self._settings - 1, 0)
        settings = [(start, value) for start, value in trace.settings_changes[known:] if start <= length]
        head = b"".join(column[-1].tobytes() for column in moments.values()) + repr(settings[-1]).encode()
        if length == begin and not events and not resets and head == self._head:
            return False
        chunks = [chunk for chunk in trace.chunks[self._chunks :] if chunk.arrived < length]
        described, chunk_arrays = _chunks_to_plain(chunks)
        header: dict[str, Plain] = {
            "kind": "steps",
            "begin": begin,
            "end": length,
            "chunks": described,
            "events": [event_to_plain(event) for event in events],
            "resets": list(resets),
            "settings": [[start, settings_to_plain(value)] for start, value in settings],
            "phases": list(trace.phases),
            "outcomes": list(trace.outcomes),
        }
        self._blocks.write(pack(header, {**moments, **steps, **chunk_arrays}))
        self._steps, self._head = length, head
        self._chunks += len(chunks)
        self._events += len(events)
        self._resets += len(resets)
        self._settings = known + len(settings)
        return True

    def sync(self) -> None:
        """Have the system put everything on the disk, so that it survives a power cut."""
        self._blocks.sync()

    def close(self) -> None:
        self._blocks.close()


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
        except (KeyError, ValueError, TypeError, IndexError):
            torn = "a block does not continue the one before"
            break
    if reader.length is None:
        raise RecordingError(f"Trace file {path} holds no readable step{f': {torn}' if torn else ''}.")
    return ReadTrace(reader.trace(), reader.lane, torn)


class _Reader:
    """Puts a trace together from its blocks. A block that does not fit leaves it as it was."""

    def __init__(self) -> None:
        self.length: int | None = None
        self.lane = 0
        self._first: dict[str, Plain] = {}
        self._carried: tuple[ActionChunk, ...] = ()
        self._columns: dict[str, list[NDArray[np.generic]]] = {}
        self._chunks: list[ActionChunk] = []
        self._last: dict[str, Plain] = {}
        self._events: list[Plain] = []
        self._resets: list[int] = []
        self._settings: dict[int, Plain] = {}

    def take(self, block: Block) -> None:
        match block.header["kind"]:
            case "trace" if not self._first:
                self._take_first(block)
            case "steps" if self._first:
                self._take_steps(block)
            case other:
                raise ValueError(f"unexpected block {other!r}")

    def _take_first(self, block: Block) -> None:
        policy_from_plain(block.header["policy"])
        self._carried = _chunks_from_plain(block.header["chunks"], block.arrays)
        self.lane = int(cast(int, block.header["lane"]))
        self._first = block.header

    def _take_steps(self, block: Block) -> None:
        header = block.header
        begin, end = cast(int, header["begin"]), cast(int, header["end"])
        if begin != (self.length or 0) or end < begin:
            raise ValueError(f"steps {begin} to {end} do not follow step {self.length}")
        for name in (*PER_MOMENT, *PER_STEP):
            rows = end - begin + (name in PER_MOMENT)
            if len(block.arrays[name]) != rows:
                raise ValueError(f"column {name} has {len(block.arrays[name])} rows, not {rows}")
        settings = {int(start): value for start, value in cast(list[tuple[int, Plain]], header["settings"])}
        for value in settings.values():
            settings_from_plain(value)
        chunks = _chunks_from_plain(header["chunks"], block.arrays)
        for name in (*PER_MOMENT, *PER_STEP):
            column = self._columns.setdefault(name, [])
            if column and name in PER_MOMENT:
                column[-1] = column[-1][:-1]
            column.append(block.arrays[name])
        self._chunks.extend(chunks)
        self._events.extend(cast(list[Plain], header["events"]))
        self._resets.extend(cast(list[int], header["resets"]))
        self._settings |= settings
        self._last = header
        self.length = end

    def trace(self) -> Trace:
        first = self._first
        parent = cast(tuple[str, int] | None, first["parent"])
        settings = tuple((start, settings_from_plain(value)) for start, value in sorted(self._settings.items()))
        return Trace.from_columns(
            name=cast(str, first["name"]),
            scene=cast(str, first["scene"]),
            policy=policy_from_plain(first["policy"]),
            seed=cast(int, first["seed"]),
            parent=None if parent is None else Parent(*parent),
            carried=self._carried,
            columns={name: np.concatenate(parts) for name, parts in self._columns.items()},
            chunks=self._chunks,
            events=[event_from_plain(row) for row in self._events],
            settings=settings,
            resets=self._resets,
            phases=cast(list[str], self._last["phases"]),
            outcomes=cast(list[str], self._last["outcomes"]),
        )


def _first_block(trace: Trace, lane: int) -> bytes:
    chunks, arrays = _chunks_to_plain(trace.carried)
    header: dict[str, Plain] = {
        "kind": "trace",
        "lane": lane,
        "name": trace.name,
        "scene": trace.scene,
        "policy": policy_to_plain(trace.policy),
        "seed": trace.seed,
        "parent": None if trace.parent is None else [trace.parent.trace, trace.parent.step],
        "chunks": chunks,
    }
    return pack(header, arrays)


def _chunks_to_plain(chunks: tuple[ActionChunk, ...] | list[ActionChunk]) -> tuple[list[Plain], Arrays]:
    """What the header says about chunks, and their arrays by `<chunk>.<name>`."""
    described: list[Plain] = []
    arrays: Arrays = {}
    for i, chunk in enumerate(chunks):
        extras: list[Plain] = list(chunk.extras)
        described.append(
            {
                "start": chunk.start,
                "delay": chunk.delay,
                "seed": chunk.seed,
                "latency": chunk.latency,
                "extras": extras,
            }
        )
        arrays[f"{i}.actions"] = chunk.actions
        if chunk.model_actions is not None:
            arrays[f"{i}.model_actions"] = chunk.model_actions
        arrays |= {f"{i}.extras.{name}": extra for name, extra in chunk.extras.items()}
    return described, arrays


def _chunks_from_plain(described: Plain, arrays: Mapping[str, NDArray[np.generic]]) -> tuple[ActionChunk, ...]:
    chunks = []
    for i, row in enumerate(cast(list[dict[str, Plain]], described)):
        model_actions = arrays.get(f"{i}.model_actions")
        chunks.append(
            ActionChunk(
                start=cast(int, row["start"]),
                actions=frozen(arrays[f"{i}.actions"].astype(np.float32)),
                seed=cast(int, row["seed"]),
                latency=cast(float, row["latency"]),
                delay=cast(int, row.get("delay", 0)),  # format 1 has none
                model_actions=None if model_actions is None else frozen(model_actions.astype(np.float32)),
                extras=MappingProxyType(
                    {
                        name: frozen(arrays[f"{i}.extras.{name}"].astype(np.float32))
                        for name in cast(list[str], row["extras"])
                    }
                ),
            )
        )
    return tuple(chunks)
