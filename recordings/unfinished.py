"""Which recordings are being written, and which of them were never finished because their process ended first.

A recording in the making holds a file that its process keeps locked. The system takes the lock away when the process
ends, however it ends, so that nobody has to guess from a number whether a process is still the same one.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from recordings.manifest import MANIFEST, trace_paths

MARKER = ".open"
"""In the folder of a recording in the making. Its text is the process's number, for people."""
_LOCKED_BYTE = 1 << 20
"""Beyond the text, which stays readable where a lock keeps readers out. [bytes]"""


class OpenMarker:
    """Says that a recording is being written, until `remove` or until this process ends."""

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: The recording's.

        Raises:
            OSError: If it cannot be written.
        """
        self._path = folder / MARKER
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT)
        os.write(self._handle, f"{os.getpid()}\n".encode())
        _try_lock(self._handle)

    def remove(self) -> None:
        """Say that the recording is finished."""
        os.close(self._handle)
        # A marker that stays only means that the recording is offered once too often.
        with suppress(OSError):
            self._path.unlink()


def unfinished(folder: Path) -> list[Path]:
    """Recordings of sessions that ended without being closed, newest first.

    Args:
        folder: Where sessions keep their folders, `session-*`.
    """
    found = [each.parent for each in folder.glob(f"session-*/recording-*/{MARKER}")]
    # Where not even one moment was written there is nothing to open.
    worth = [each for each in found if (each / MANIFEST).is_file() and trace_paths(each) and not _is_open(each)]
    return sorted(worth, key=_last_written, reverse=True)


def settle(recording: Path) -> None:
    """Never tell `unfinished` about this recording again: it was opened, or a person did not want it."""
    with suppress(OSError):
        (recording / MARKER).unlink(missing_ok=True)


def _last_written(recording: Path) -> float:
    return max(path.stat().st_mtime for path in trace_paths(recording))


def _is_open(recording: Path) -> bool:
    """Whether a living process writes it. Where that cannot be told, one may."""
    try:
        handle = os.open(recording / MARKER, os.O_RDWR)
    except OSError:
        return True
    try:
        return not _try_lock(handle)
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        """Lock an open file until it is closed. Returns whether nobody else had."""
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        """Lock an open file until it is closed. Returns whether nobody else had."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
