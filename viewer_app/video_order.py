"""What a person orders when a video is exported from the window, and what can be said about it beforehand.

Plain data: whoever carries it out decides how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from viewer_app.types import ImageArray
from viewer_app.view import Camera, OverlayChoice

HERE = "this view"
"""Names the view that the window looked from when the video was ordered."""
FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "MP4, plays everywhere": ".mp4",
        "MKV, lossless": ".mkv",
        "GIF, for pages": ".gif",
        "WebP, for pages": ".webp",
        "PNG pictures, a folder": "",
    }
)
"""What a person calls each kind of video, to the ending of its name."""
FASTEST_GIF = 50.0
"""Browsers slow down what is faster. [Hz]"""


@dataclass(frozen=True)
class VideoOrder:
    """A video as it was ordered. Nothing of it need make sense: whoever takes it checks it."""

    path: Path
    """Its ending says what is written."""
    views: tuple[str, ...]
    """Names as on the command line, row by row; `HERE` besides."""
    here: Camera = field(default_factory=Camera)
    """What `HERE` stands for."""
    columns: int = 3
    """Of one lane's views."""
    tile: str = "640x360"
    """Width and height of a view, as on the command line. [px]"""
    labels: bool = True
    """Whether each view says what it is."""
    overlays: OverlayChoice = field(default_factory=OverlayChoice)
    strips: tuple[str, ...] = ()
    """Bands under the views, from top to bottom."""
    traces: tuple[str | None, ...] = (None,)
    """Names of the traces, one after another; None is the one being written, in each lane."""
    lanes: tuple[int, ...] = ()
    """Which lanes are shown side by side; none are all."""
    begin: int = 0
    """First step to show."""
    end: int | None = None
    """Last step to show; None is the last there is."""
    speed: float = 1.0
    """Simulated seconds per second of video."""
    fps: float | None = None
    """Pictures a second; None is one for each control step at speed 1. [Hz]"""
    force: bool = False
    """Whether to replace what has the name already."""


@dataclass(frozen=True)
class Estimate:
    """What is known of a video before it is made."""

    order: VideoOrder
    complaint: str = ""
    """Why it cannot be exported so, in one sentence; empty where it can."""
    taken: bool = False
    """Whether something has the name already, which `force` would replace."""
    frames: int = 0
    """Pictures in all."""
    width: int = 0
    """[px]"""
    height: int = 0
    """[px]"""
    fps: float = 0.0
    """[Hz]"""

    @property
    def seconds(self) -> float:
        """Length of the video. [s]"""
        return self.frames / self.fps if self.fps else 0.0


@dataclass(frozen=True)
class Preview:
    """What a video will look like."""

    estimate: Estimate
    image: ImageArray | None = None
    """Its picture of the step looked at, made smaller to fit. Shape (height, width, 3)."""
    late: bool = False
    """Whether the picture is still that of an order or a moment before."""
