"""The pictures of one episode of a LeRobotDataset, decoded when they are asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import numpy as np
from PIL import Image, UnidentifiedImageError

from recordings.dataset_format import DatasetError, reason
from viewer_app.types import ImageArray

if TYPE_CHECKING:
    from av import VideoFrame

_TOLERANCE = 1e-4
"""How far a video's picture may be from the time at which it was recorded, as in LeRobot. [s]"""
_AHEAD = 2.0
"""How far to decode on rather than to look for a key frame. [s]"""


@dataclass(frozen=True)
class CameraFeature:
    """One camera of a dataset."""

    key: str
    """LeRobot's name, for example `observation.images.wrist_cam`."""
    height: int
    """[px]"""
    width: int
    """[px]"""
    video: bool
    """Whether its pictures are in a video; else each is in the table, lossless."""


@dataclass(frozen=True)
class VideoPart:
    """Where in a video an episode is."""

    path: Path
    begin: float
    """[s]"""


class Pictures:
    """Implements `demonstration.RecordedPictures`. Keeps its videos open; one per thread."""

    def __init__(
        self,
        title: str,
        cameras: Mapping[str, CameraFeature],
        table: Mapping[str, list[object]],
        videos: Mapping[str, VideoPart],
    ) -> None:
        """
        Args:
            title: Of the episode, for complaints.
            cameras: By the dataset's name.
            table: The episode's columns: `timestamp`, and the pictures that are not in videos.
            videos: By the dataset's name of the camera.
        """
        self._title = title
        self._cameras = cameras
        self._table = table
        self._videos = videos
        self._videos_open: dict[Path, _Video] = {}

    def at(self, frame: int) -> Mapping[str, ImageArray]:
        """See `demonstration.RecordedPictures`."""
        found = {}
        for name, camera in self._cameras.items():
            picture = self._from_video(name, frame) if camera.video else self._from_table(camera, frame)
            if picture.shape != (camera.height, camera.width, 3):
                height, width = picture.shape[:2]
                raise DatasetError(
                    f"Camera {name} of {self._title} shows {width}x{height} pixels at frame {frame}, and the dataset "
                    f"says {camera.width}x{camera.height}; it is damaged."
                )
            picture.setflags(write=False)
            found[name] = picture
        return MappingProxyType(found)

    def _from_table(self, camera: CameraFeature, frame: int) -> ImageArray:
        try:
            data = cast(Mapping[str, bytes], self._table[camera.key][frame])["bytes"]
            with Image.open(io.BytesIO(data)) as picture:
                return np.array(picture.convert("RGB"))
        except (OSError, TypeError, KeyError, SyntaxError, UnidentifiedImageError):
            raise DatasetError(
                f"The picture {camera.key} at frame {frame} of {self._title} cannot be decoded; copy the dataset anew."
            ) from None

    def _from_video(self, name: str, frame: int) -> ImageArray:
        part = self._videos[name]
        try:
            if part.path not in self._videos_open:
                self._videos_open[part.path] = _Video(part.path)
            return self._videos_open[part.path].picture(
                part.begin + float(cast(float, self._table["timestamp"][frame]))
            )
        except Exception as error:  # A decoder that is fed a file from anywhere raises whatever it likes.
            raise DatasetError(
                f"Video {part.path} cannot be decoded at frame {frame} of {self._title} ({reason(error)}); copy it "
                "anew."
            ) from None


class _Video:
    """An open video. Pictures in order are decoded one after another; for any other it goes to the key frame before.

    The same pictures, to the bit, as `decode_video_frames_pyav` of LeRobot 0.6.1, `datasets/video_utils.py`, which
    opens the file anew for each.
    """

    def __init__(self, path: Path) -> None:
        # Imported here because only datasets with videos need it.
        import av

        # What is wrong with a file is told in one sentence; FFmpeg would write its own to the terminal.
        av.logging.set_level(av.logging.FATAL)
        self._container = av.open(str(path))
        self._stream = self._container.streams.video[0]
        self._frames: Iterator[VideoFrame] = iter(())
        self._last: tuple[float, VideoFrame] | None = None

    def picture(self, time: float) -> ImageArray:
        """The picture of a moment of the video. Shape (height, width, 3).

        Raises:
            Exception: Whatever the decoder raises, and `ValueError` if there is no picture of that moment.
        """
        found, self._last = self._last, None
        if found is None or not -_TOLERANCE < time - found[0] < _AHEAD:
            found = None
            base = self._stream.time_base or Fraction(1)
            self._container.seek(max(round(time / base) - 1, 0), backward=True, stream=self._stream)
            self._frames = self._container.decode(self._stream)
        while found is None or found[0] <= time - _TOLERANCE:
            frame = next(self._frames, None)
            if frame is None:
                break
            if frame.time is not None:
                found = (frame.time, frame)
        if found is None or abs(found[0] - time) >= _TOLERANCE:
            raise ValueError(f"there is no picture of {time:.3f} s in it")
        self._last = found
        return np.asarray(found[1].to_ndarray(format="rgb24"), np.uint8)
