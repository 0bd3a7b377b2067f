"""Writes a session's traces while it runs, on a thread of its own.

The thread exists because a disk can take its time: neither a frame nor a control step waits for it. It reads only
below the lengths that it was offered. What it could not write it keeps trying to write; the traces are in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from recordings.folder import LaneSnippet, begin_recording, write_error
from recordings.manifest import trace_path
from recordings.trace_file import TraceWriter
from recordings.unfinished import OpenMarker
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import PolicyInfo

_PERIOD = 0.5
"""Time between two looks for something new. Well below the second that a crash may cost. [s]"""


class Recorder:
    """One recording in the making. Use as a context manager, or call `close`."""

    def __init__(
        self, folder: Path, scene: Scene, policies: Sequence[PolicyInfo], complain: Callable[[str], None]
    ) -> None:
        """
        Args:
            folder: Made if it does not exist.
            scene: Copied into the recording.
            policies: What drives the lanes, in their order.
            complain: Told one sentence, on the recorder's thread, when the disk is full or writing works again.

        Raises:
            RecordingError: If the folder holds a recording already, or cannot be written.
        """
        begin_recording(folder, scene, policies)
        try:
            self._marker = OpenMarker(folder)
        except OSError as error:
            raise write_error(folder, error) from None
        self.folder = folder
        self._complain = complain
        self._offered: tuple[LaneSnippet, ...] = ()
        self._writers: dict[int, tuple[Trace, TraceWriter]] = {}
        self._failing = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="recorder", daemon=True)
        self._thread.start()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def offer(self, traces: Sequence[LaneSnippet]) -> None:
        """Say what may be read now: all traces of the session. Costs nothing; the latest offer counts."""
        self._offered = tuple(traces)

    def close(self) -> None:
        """Write the rest and close the files. Returns when everything is on the disk, or cannot be."""
        self._closing.set()
        self._thread.join()

    def _keep_up(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(_PERIOD)
            try:
                self._catch_up(self._offered, closing)
            except OSError as error:
                if not self._failing:
                    self._failing = True
                    self._complain(str(write_error(self.folder, error)))
            else:
                if self._failing:
                    self._failing = False
                    self._complain(f"Recording {self.folder} is being written again; nothing is missing from it.")
        for _, writer in self._writers.values():
            writer.close()
        self._marker.remove()

    def _catch_up(self, offered: Sequence[LaneSnippet], closing: bool) -> None:
        for each in offered:
            trace, length = each.snippet.trace, each.snippet.length
            # A trace in which nothing happened yet may still be dropped, and its name given to another.
            if length == 0 and not closing and id(trace) not in self._writers:
                continue
            if id(trace) not in self._writers:
                path = trace_path(self.folder, len(self._writers) + 1)
                # The trace is kept beside its writer, so that its id cannot be given to another one.
                self._writers[id(trace)] = (trace, TraceWriter(path, trace, each.lane))
            writer = self._writers[id(trace)][1]
            if writer.catch_up(length):
                writer.sync()
