"""Pictures to a video file, or to a folder of pictures. Knows pixels only.

NAME.mp4    H.264, yuv420p, the index in front: plays everywhere
NAME.mkv    H.264 in RGB, lossless
NAME.gif    animated, one palette for all pictures
NAME.webp   animated
NAME        a folder of PNG pictures

What is written has its name only once it is complete. Until then it lies beside it under a hidden one.
"""

from __future__ import annotations

import os
import shutil
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from recordings.sinks import Sink, make_sink
from recordings.trace_file import RecordingError
from viewer_app.types import ImageArray

QUALITY = 20
"""Constant rate factor of H.264 at which overlays stay crisp."""
_KINDS = (".mp4", ".mkv", ".gif", ".webp")
_GIF_FASTEST = 50.0
"""Browsers slow down what is faster. [Hz]"""


class Video:
    """A video being written. Use as a context manager: what raises an error leaves nothing behind."""

    def __init__(self, path: Path, width: int, height: int, partial: Path, sink: Sink, force: bool) -> None:
        """
        Args:
            path: The name that it gets once it is complete.
            width, height: Of every picture. [px]
            partial: Where the sink writes.
            sink: What writes.
            force: Whether to replace what has the name by then.
        """
        self.path = path
        self.frames = 0
        """Pictures written so far."""
        self._size = (width, height)
        self._partial = partial
        self._sink = sink
        self._force = force
        self._discarded = False

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None and not self._discarded:
                self._finish()
        except OSError as failed:
            raise _complaint(self.path, failed) from None
        finally:
            self.discard()

    def write(self, image: ImageArray) -> None:
        """Append one picture.

        Args:
            image: Shape (height, width, 3), dtype uint8.

        Raises:
            RecordingError: If the picture has another size, or cannot be written, for example because the disk is full.
        """
        self.append(self.prepare(image))

    def prepare(self, image: ImageArray) -> NDArray[np.uint8]:
        """The first half of `write`: the picture as it will be written. It may be called on any thread.

        Raises:
            RecordingError: If the picture has another size.
        """
        height, width = image.shape[:2]
        if (width, height) != self._size:
            raise RecordingError(
                f"Video {self.path} is {self._size[0]}x{self._size[1]}; a picture is {width}x{height}."
            )
        return self._sink.prepare(image)

    def append(self, prepared: NDArray[np.uint8]) -> None:
        """The second half of `write`, in the order of the pictures.

        Raises:
            RecordingError: If it cannot be written, for example because the disk is full.
        """
        try:
            self._sink.append(prepared)
        except OSError as error:
            raise _complaint(self.path, error) from None
        self.frames += 1

    def discard(self) -> None:
        """Leave nothing behind. What had the name before keeps it."""
        self._discarded = True
        self._sink.stop()
        _remove(self._partial)

    def _finish(self) -> None:
        if not self.frames:
            raise RecordingError(f"Video {self.path} would be empty: no picture was written.")
        self._sink.close()
        _check_name(self.path, self.path.suffix, self._force)
        if self._partial.is_file():
            with self._partial.open("rb+") as file:
                os.fsync(file.fileno())
        elif self.path.exists():
            # A folder cannot be replaced in one go; the old one goes as soon as the new one is there.
            old = _hidden(self.path, "old")
            _remove(old)
            self.path.rename(old)
            self._partial.rename(self.path)
            _remove(old)
            return
        self._partial.replace(self.path)


def open_video(
    path: Path,
    width: int,
    height: int,
    fps: float,
    quality: int = QUALITY,
    lossless: bool = False,
    force: bool = False,
) -> Video:
    """Begin a video.

    Args:
        path: Its ending says what is written; without one it is a folder of PNG pictures.
        width, height: Of every picture; even for MP4. [px]
        fps: Pictures per second. [Hz]
        quality: Of MP4: constant rate factor, 0 .. 51, lower is better.
        lossless: Refuse a kind whose pixels would not be equal to the bit.
        force: Whether to replace what has the name already.

    Raises:
        RecordingError: If it cannot be written; one sentence says why, and nothing is left behind.
    """
    kind = path.suffix.lower()
    _check(path, kind, width, height, fps, lossless)
    if not 0 <= quality <= 51:
        raise RecordingError(f"Video {path}: its quality is 0 to 51, lower is better, found {quality}.")
    _check_name(path, kind, force)
    partial = _hidden(path, "partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Also of an export that was killed; its ffmpeg may still hold the file, so a new one is made.
        _remove(partial)
        if kind:
            partial.touch(exist_ok=False)
        else:
            partial.mkdir()
        rate = str(Fraction(fps).limit_denominator(100_000))
        return Video(path, width, height, partial, make_sink(kind, partial, width, height, rate, quality), force)
    except OSError as error:
        raise _complaint(path, error) from None


def _check(path: Path, kind: str, width: int, height: int, fps: float, lossless: bool) -> None:
    if kind and kind not in _KINDS:
        raise RecordingError(
            f"Video {path}: {path.suffix} is not written here; end the name in {', '.join(_KINDS)}, or in nothing for "
            "a folder of PNG pictures."
        )
    if lossless and kind not in ("", ".mkv"):
        raise RecordingError(
            f"Video {path}: {kind} is not lossless; end the name in .mkv, or in nothing for a folder of PNG pictures."
        )
    if min(width, height) < 2 or (kind == ".mp4" and (width % 2 or height % 2)):
        raise RecordingError(f"Video {path} cannot be {width}x{height} pixels; both numbers must be even.")
    fastest = _GIF_FASTEST if kind == ".gif" else 1000.0
    if not 0 < fps <= fastest:
        raise RecordingError(f"Video {path} cannot have {fps:g} pictures a second; choose above 0 to {fastest:g}.")


def _check_name(path: Path, kind: str, force: bool) -> None:
    """What has the name already is replaced only if that was said, and a folder only if it holds nothing else."""
    if not path.exists():
        return
    if path.is_dir():
        others = [
            each.name for each in path.iterdir() if not (each.name.startswith("frame-") and each.suffix == ".png")
        ]
        if kind:
            raise RecordingError(f"{path} is a folder; choose another name for the video.")
        if others:
            raise RecordingError(f"{path} holds other things, such as {others[0]}; choose another folder.")
        if not any(path.iterdir()):
            return
    elif not kind:
        raise RecordingError(f"{path} is a file; a folder of PNG pictures needs another name.")
    if not force:
        raise RecordingError(f"{path} exists already; choose another name, or --force to replace it.")


def _hidden(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{what}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _complaint(path: Path, error: OSError) -> RecordingError:
    reason = (error.strerror or str(error)).strip().rstrip(".")
    return RecordingError(f"Video {path} cannot be written: {reason}; nothing was left behind.")
