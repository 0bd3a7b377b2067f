"""One trace in one append-only file, written while it grows. `trace_reader.py` reads it back.

The first block says which trace it is. Each later block brings the steps since the last one, and the moment that they
began at once more, because the head of a trace can still change until it is left. The reader lets later blocks win.
"""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recordings.blocks import BlockWriter, Plain, pack
from recordings.plain import event_to_plain, policy_to_plain, settings_to_plain
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, WhiskersError

Arrays = dict[str, NDArray[np.generic]]

PER_MOMENT = {
    "snapshot": ("<f8", 2),
    "time": ("<f8", 1),
    "state": ("<f4", 2),
    "tip": ("<f8", 2),
    "phase": ("|u1", 1),
    "outcome": ("|u1", 1),
    "success": ("|b1", 1),
    "contact": ("|b1", 1),
    "reward": ("<f4", 1),
    "environment_state": ("<f4", 2),
}
"""Columns with a row for each moment: dtype and number of axes of what is written."""
LEFT_OUT = "environment_state"
"""Not written where it has no numbers, as in most scenes, so that older recordings are like newer ones."""
PER_STEP = {"action": ("<f4", 2)}
"""Columns with a row for each executed step."""


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
        if not moments[LEFT_OUT].size:
            del moments[LEFT_OUT]
        steps = {name: trace.column(name, length)[begin:] for name in PER_STEP}
        # The writer of the trace may be ahead of `length` already; what belongs to later steps waits for them.
        # A bookmark can be about any earlier step. What came before it in the list is written before it all the same,
        # so that it counts over what it replaces.
        events = list(takewhile(lambda event: event.step <= length, trace.events[self._events :]))
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
