"""The thread that owns the viewport renderer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from panels.viewport import ShownPicture
from viewer_app.gui.worker import Worker
from viewer_app.render import Picture, Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ImageArray

_LATEST = 4
"""How many pictures in a row may be drawn before what the policy saw is shown again."""


@dataclass(frozen=True)
class Rendered:
    """A picture of a shot, and what the policy saw at the shot's step."""

    picture: Picture
    shown: ShownPicture
    seconds: float
    """How long it took to make. [s]"""


@dataclass(frozen=True)
class Seen:
    """What the policy saw, or would see, at one step."""

    trace: Trace
    step: int
    settings: object
    """The settings that it was blinded by, compared by identity."""
    images: Mapping[str, ImageArray]


class RenderThread(Worker[Shot, Viewport]):
    """Owns the viewport renderer: the latest shot asked for goes in, the latest picture comes out."""

    def __init__(self, scene: Scene, picture_budget: int) -> None:
        """
        Args:
            scene: What is drawn.
            picture_budget: The most that the remembered pictures of the policy's cameras may take. [bytes]
        """
        super().__init__("render", 10, "Nothing can be drawn")
        self._scene = scene
        self._picture_budget = picture_budget
        self._late = 0  # pictures in a row without what the policy saw
        self.rendered: Rendered | None = None
        """The latest picture."""
        self.seen: Seen | None = None
        """The latest of what the policy saw; it may be of an earlier step than the picture."""

    def _open(self) -> Viewport:
        return Viewport(self._scene, self._picture_budget)

    def _work(self, tool: Viewport, wish: Shot) -> None:
        begin = time.monotonic()
        picture = tool.draw(wish)
        self.rendered = Rendered(picture, _shown(picture), time.monotonic() - begin)
        # A newer shot goes first: tiles may lag while someone scrubs, the picture must not. But not for ever.
        self._late += 1
        if not self.hurried or self._late > _LATEST:
            self._late = 0
            settings = wish.trace.settings_at(wish.step)
            self.seen = Seen(wish.trace, wish.step, settings, tool.seen(wish.trace, wish.step))


def _shown(picture: Picture) -> ShownPicture:
    """As Dear PyGui's raw textures need it."""
    height, width, _ = picture.image.shape
    # Four contiguous channels first: scaling three of four floats in place takes four times as long.
    pixels = np.multiply(cv2.cvtColor(picture.image, cv2.COLOR_RGB2RGBA), np.float32(1 / 255), dtype=np.float32)
    centre = picture.lens.position + picture.lens.forward * picture.shot.camera.distance
    x, y, z = (float(v) for v in centre)
    notes = tuple((each.text, each.colour) for each in picture.legend if each.note)
    return ShownPicture(pixels.reshape(-1), width, height, (x, y, z), notes)
