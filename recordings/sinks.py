"""Where the pictures of a video go: into an ffmpeg, or each into a file. Knows no final name."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from recordings.ffmpeg import PLAYABLE, Ffmpeg, h264, planar, raw_pictures, run
from viewer_app.types import ImageArray

PNG_NAME = "frame-{:06d}.png"


class Sink(Protocol):
    """Takes pictures one after another and puts them at a place."""

    def prepare(self, image: ImageArray) -> NDArray[np.uint8]:
        """The picture as it is taken, in memory of its own. It may be called on any thread, for pictures in any
        order."""
        ...

    def append(self, prepared: NDArray[np.uint8]) -> None:
        """Take the next picture."""
        ...

    def close(self) -> None:
        """Make what is at the place whole."""
        ...

    def stop(self) -> None:
        """Take no more and hold nothing open."""
        ...


def make_sink(kind: str, partial: Path, width: int, height: int, fps: str, quality: int) -> Sink:
    """What writes a kind of video.

    Args:
        kind: The ending of its name; empty is a folder of PNG pictures.
        partial: Where it writes. A file, or a folder that exists.
        width, height: [px]
        fps: Pictures per second, a fraction in ffmpeg's notation.
        quality: Constant rate factor of MP4.
    """
    rgb = raw_pictures(width, height, fps, "rgb24")
    match kind:
        case "":
            return _Folder(partial)
        case ".mp4":
            keys = ("-g", str(max(round(2 * Fraction(fps)), 1)))  # A key picture every 2 s, so that seeking is quick.
            yuv = raw_pictures(width, height, fps, "yuv420p")
            return _Stream(planar, (*yuv, *h264(width, height, quality), *PLAYABLE, *keys, "-f", "mp4", str(partial)))
        case ".mkv":
            return _Stream(_own, (*rgb, *_LOSSLESS, str(partial)))
        case ".gif":
            return _Gif(rgb, partial)
        case _:
            animated = ("-c:v", "libwebp_anim", "-quality", "80", "-compression_level", "2", "-loop", "0")
            return _Stream(_own, (*rgb, *animated, "-f", "webp", str(partial)))


# Predicting a picture from the one before, in RGB: half the bytes of FFV1 in a third of the time on rendered pictures.
_LOSSLESS = ("-c:v", "libx264rgb", "-qp", "0", "-preset", "ultrafast", "-f", "matroska")


class _Stream:
    """Pictures through one ffmpeg."""

    def __init__(self, prepare: Callable[[ImageArray], NDArray[np.uint8]], arguments: tuple[str, ...]) -> None:
        self._prepare = prepare
        self._ffmpeg = Ffmpeg(arguments)

    def prepare(self, image: ImageArray) -> NDArray[np.uint8]:
        return self._prepare(image)

    def append(self, prepared: NDArray[np.uint8]) -> None:
        self._ffmpeg.feed(prepared)

    def close(self) -> None:
        self._ffmpeg.close()

    def stop(self) -> None:
        self._ffmpeg.kill()


class _Gif(_Stream):
    """Lossless first: which 256 colours to take is known only when all pictures are."""

    def __init__(self, rgb: tuple[str, ...], partial: Path) -> None:
        self._partial = partial
        self._all = partial.with_name(f"{partial.name}.mkv")
        self._palette = partial.with_name(f"{partial.name}.png")
        super().__init__(_own, (*rgb, *_LOSSLESS, str(self._all)))

    def close(self) -> None:
        super().close()
        run(("-i", str(self._all), "-vf", "palettegen=stats_mode=full", "-update", "1", str(self._palette)))
        dither = "paletteuse=dither=bayer:bayer_scale=4:diff_mode=rectangle"
        both = ("-i", str(self._all), "-i", str(self._palette), "-lavfi", dither)
        run((*both, "-loop", "0", "-f", "gif", str(self._partial)))

    def stop(self) -> None:
        super().stop()
        self._all.unlink(missing_ok=True)
        self._palette.unlink(missing_ok=True)


class _Folder:
    """One PNG file a picture."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def prepare(self, image: ImageArray) -> NDArray[np.uint8]:
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        return np.asarray(cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1], np.uint8)

    def append(self, prepared: NDArray[np.uint8]) -> None:
        (self._folder / PNG_NAME.format(self._count)).write_bytes(prepared.data)
        self._count += 1

    def close(self) -> None:
        pass

    def stop(self) -> None:
        pass


def _own(image: ImageArray) -> NDArray[np.uint8]:
    return np.array(image, order="C")
