"""Files that have their name only once they are whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recordings.trace_file import RecordingError


@contextmanager
def whole_file(path: Path, force: bool = False) -> Iterator[Path]:
    """Where to write a file; at the end it gets its name, after an error it is gone and what had the name stays.

    Args:
        path: What it is to be called. Its folder is made.
        force: Whether a file of that name may be replaced.

    Raises:
        RecordingError: If there is such a file already, or it cannot be written.
    """
    if path.exists() and not force:
        raise RecordingError(f"File {path} is there already; choose another name, or say --force to replace it.")
    # The ending stays last: some writers decide by it what to write.
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            with partial.open("rb+") as written:
                os.fsync(written.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise RecordingError(f"File {path} cannot be written ({error.strerror or error}).") from None
