"""Pictures to an MP4 file that plays everywhere. Knows pixels only."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from types import TracebackType

import imageio_ffmpeg
import numpy as np

from recordings.trace_file import RecordingError
from viewer_app.types import ImageArray


class VideoWriter:
    """Writes one MP4 file (H.264, yuv420p). The file has its name only once it is complete."""

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        """
        Args:
            path: Ends in `.mp4`. Replaced if it exists.
            width: Even. [px]
            height: Even. [px]
            fps: Pictures per second. [Hz]

        Raises:
            RecordingError: If the size is odd, which the format cannot hold, or the folder cannot be made.
        """
        if width % 2 or height % 2:
            raise RecordingError(f"Video {path} cannot be {width}x{height} pixels; both numbers must be even.")
        self.path = path
        self._size = (width, height)
        self._partial = path.with_name(f".{path.stem}.partial.mp4")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingError(f"Video {path} cannot be written ({error.strerror}).") from None
        self._ffmpeg: Generator[None, object, None] = imageio_ffmpeg.write_frames(
            str(self._partial),
            self._size,
            fps=fps,
            codec="libx264",
            pix_fmt_out="yuv420p",
            macro_block_size=2,
            # The index goes to the front, so that a browser can begin before it has the whole file.
            output_params=["-movflags", "+faststart", "-crf", "18", "-preset", "veryfast"],
            ffmpeg_log_level="error",
        )
        self._ffmpeg.send(None)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._ffmpeg.close()
            if error is None:
                self._partial.replace(self.path)
        except OSError as failed:
            raise self._complaint(failed) from None
        finally:
            self._partial.unlink(missing_ok=True)

    def write(self, image: ImageArray) -> None:
        """Append one picture.

        Args:
            image: Shape (height, width, 3), dtype uint8.

        Raises:
            RecordingError: If the picture has another size, or ffmpeg stopped, for example because the disk is full.
        """
        height, width = image.shape[:2]
        if (width, height) != self._size:
            raise RecordingError(
                f"Video {self.path} is {self._size[0]}x{self._size[1]}; a picture is {width}x{height}."
            )
        try:
            self._ffmpeg.send(np.ascontiguousarray(image))
        except (OSError, StopIteration) as error:
            raise self._complaint(error) from None

    def _complaint(self, error: Exception) -> RecordingError:
        reason = (str(error).strip().splitlines() or ["ffmpeg stopped"])[0]
        return RecordingError(f"Video {self.path} cannot be written: {reason}")
