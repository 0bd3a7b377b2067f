"""The bundled ffmpeg as a process that is fed raw pictures, and how it is told to encode them. Knows no file's name.

It encodes in a process of its own, so whoever draws the pictures does not wait for it.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from viewer_app.types import ImageArray

PLAYABLE = ("-pix_fmt", "yuv420p", "-movflags", "+faststart")
"""What browsers ask of H.264. The index goes to the front, so that they can begin before they have the whole file."""
# Few of x264's refinements: on rendered pictures they take twice as long and save a third of the bytes.
_X264 = ("-preset", "veryfast", "-x264-params", "bframes=0:subme=1:rc-lookahead=0:mbtree=0")
# The matrix is what `planar` computes with. Untagged, players guess it from the size, and colours are slightly off.
_COLOURS = "setparams=range=tv:colorspace=smpte170m:color_primaries=bt709:color_trc=iec61966-2-1"
_TIDE = 1 << 20
"""Size asked for the pipe, where the system can be asked: fewer changes between the processes. [bytes]"""
_PATIENCE = 10.0
"""Longest that trying an encoder may take. [s]"""

_NO_WINDOW: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Windows would open a console for ffmpeg."""


class FfmpegError(OSError):
    """Ffmpeg could not do what it was told. The message is its own first complaint."""


class Ffmpeg:
    """One run of ffmpeg, fed through its standard input."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *arguments]
        # In a session of its own Ctrl+C does not reach it: whether what is there is kept is decided here.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
            start_new_session=True,
            creationflags=_NO_WINDOW,
        )
        assert self._process.stdin is not None
        self._input = self._process.stdin
        if sys.platform == "linux":
            import fcntl

            with contextlib.suppress(OSError):  # The system's limit for a user is reached; it only costs time.
                fcntl.fcntl(self._input, fcntl.F_SETPIPE_SZ, _TIDE)

    def feed(self, data: NDArray[np.uint8]) -> None:
        """Hand over the bytes of an array. Waits only while ffmpeg is behind.

        Raises:
            FfmpegError: If it has stopped, for example because the disk is full.
        """
        try:
            self._input.write(data.data)
        except OSError:
            # Its own words follow its end.
            self._process.wait()
            raise FfmpegError(self._complaint() or f"ffmpeg stopped ({self._process.returncode})") from None

    def close(self) -> None:
        """Let it finish.

        Raises:
            FfmpegError: If it failed.
        """
        with contextlib.suppress(BrokenPipeError):  # It tells itself why it stopped.
            self._input.close()
        code = self._process.wait()
        complaint = self._complaint()
        self.kill()
        if code:
            raise FfmpegError(complaint or f"ffmpeg stopped ({code})")

    def kill(self) -> None:
        """Stop it at once, if it still runs, and hold nothing open."""
        self._process.kill()
        with contextlib.suppress(OSError):
            self._input.close()
        self._process.wait()
        self._complaints.close()

    def _complaint(self) -> str:
        """The first line that ffmpeg wrote, without the address of who wrote it."""
        self._complaints.seek(0)
        text = self._complaints.read(4000).decode(errors="replace")
        if "No space left" in text:
            return "no space is left on the disk"
        return re.sub(r"^(\[[^]]*\] *)+", "", (text.strip().splitlines() or [""])[0])


def run(arguments: Sequence[str]) -> None:
    """Run ffmpeg to its end.

    Raises:
        FfmpegError: If it failed.
    """
    ffmpeg = Ffmpeg(arguments)
    try:
        ffmpeg.close()
    finally:
        ffmpeg.kill()


def raw_pictures(width: int, height: int, fps: str, format: str) -> tuple[str, ...]:
    """What to say about pictures that are fed.

    Args:
        width, height: [px]
        fps: Pictures per second, a fraction in ffmpeg's notation.
        format: Of their pixels, in ffmpeg's words.
    """
    return ("-f", "rawvideo", "-pix_fmt", format, "-s", f"{width}x{height}", "-framerate", fps, "-i", "-")


def h264(width: int, height: int, quality: int) -> tuple[str, ...]:
    """How to encode H.264 here: by the first hardware encoder that encodes a picture of this size, else by libx264.

    Args:
        width, height: Even. [px]
        quality: Constant rate factor, 0 .. 51, lower is better; hardware encoders have their own such scale.
    """
    colours = ("-vf", _COLOURS, "-chroma_sample_location", "center")
    for name, scale in _hardware():
        encoder = ("-c:v", name, *(word.format(quality=quality, percent=100 - 2 * quality) for word in scale))
        if _works(encoder, width, height):
            return (*colours, *encoder)
    return (*colours, "-c:v", "libx264", "-crf", str(quality), *_X264)


def _hardware() -> list[tuple[str, tuple[str, ...]]]:
    """Encoders that this machine may have, and how each is told a quality. Trying shows whether it does."""
    nvidia: tuple[str, tuple[str, ...]] = (
        "h264_nvenc",
        ("-preset", "p4", "-rc", "vbr", "-cq", "{quality}", "-b:v", "0"),
    )
    intel = ("h264_qsv", ("-global_quality", "{quality}"))
    apple = ("h264_videotoolbox", ("-q:v", "{percent}"))
    if sys.platform == "darwin":
        return [apple]
    if sys.platform == "win32":
        return [nvidia, intel]
    found = [nvidia] if Path("/proc/driver/nvidia").exists() else []
    return [*found, intel] if Path("/dev/dri").exists() else found


@lru_cache(maxsize=16)
def _works(encoder: tuple[str, ...], width: int, height: int) -> bool:
    """Whether an encoder that ffmpeg knows also has its hardware, driver and licence here."""
    grey = f"color=gray:size={width}x{height},format=yuv420p"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", grey, "-frames:v", "1", *encoder]
    try:
        done = subprocess.run(
            [*command, "-f", "null", "-"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
            creationflags=_NO_WINDOW,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def planar(image: ImageArray) -> NDArray[np.uint8]:
    """A picture as yuv420p: BT.601 matrix, limited range, colour averaged over 2 x 2 pixels.

    It takes a tenth of the time that ffmpeg needs for it, and halves what goes through the pipe.

    Args:
        image: Shape (height, width, 3), both even.

    Returns:
        Shape (3 / 2 height, width).
    """
    height, width, _ = image.shape
    # OpenCV takes the colour of one pixel of four, which makes thin lines flicker: only its luma is used.
    planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
    quarter = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    # From full range to limited range: 128 stays.
    colour = cv2.convertScaleAbs(cv2.cvtColor(quarter, cv2.COLOR_RGB2YCrCb), alpha=224 / 255, beta=128 * 31 / 255)
    behind = planes.reshape(-1)[height * width :].reshape(2, height // 2, width // 2)
    behind[0] = colour[..., 2]
    behind[1] = colour[..., 1]
    return np.asarray(planes, np.uint8)
