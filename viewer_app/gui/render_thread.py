"""The thread that owns the viewport renderer: the latest shot asked for goes in, the latest picture comes out."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from panels.viewport import ShownPicture
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


class RenderThread:
    """Draws shots. Of several shots asked for while one is being drawn, only the last is drawn: latest wins."""

    def __init__(self, scene: Scene, picture_budget: int) -> None:
        """
        Args:
            scene: What is drawn.
            picture_budget: The most that the remembered pictures of the policy's cameras may take. [bytes]
        """
        self._scene = scene
        self._picture_budget = picture_budget
        self._wanted: Shot | None = None
        self._wake = threading.Event()
        self._stopping = False
        self.rendered: Rendered | None = None
        """The latest picture."""
        self.seen: Seen | None = None
        """The latest of what the policy saw; it may be of an earlier step than the picture."""
        self.failure = ""
        """Why nothing can be drawn; empty while all is well."""
        self._thread = threading.Thread(target=self._run, name="render", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def want(self, shot: Shot) -> None:
        """Ask for a picture, in place of any asked for before."""
        self._wanted = shot
        self._wake.set()

    def stop(self, patience: float = 5.0) -> bool:
        """End the thread after the picture in progress. Returns whether it ended within `patience` [s]."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        if sys.platform == "linux":
            # Software OpenGL draws on threads of its own, which inherit this: the window's frames come first.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        try:
            with Viewport(self._scene, self._picture_budget) as viewport:
                self._loop(viewport)
        except Exception as error:
            self.failure = f"Nothing can be drawn ({type(error).__name__}: {' '.join(str(error).split())[:300]})."
            raise

    def _loop(self, viewport: Viewport) -> None:
        late = 0
        while not self._stopping:
            self._wake.wait()
            self._wake.clear()
            shot, self._wanted = self._wanted, None
            if shot is None or self._stopping:
                continue
            begin = time.monotonic()
            picture = viewport.draw(shot)
            self.rendered = Rendered(picture, _shown(picture), time.monotonic() - begin)
            # A newer shot goes first: tiles may lag while someone scrubs, the picture must not. But not for ever.
            late += 1
            if self._wanted is None or late > _LATEST:
                late = 0
                settings = shot.trace.settings_at(shot.step)
                self.seen = Seen(shot.trace, shot.step, settings, viewport.seen(shot.trace, shot.step))


def _shown(picture: Picture) -> ShownPicture:
    """As Dear PyGui's raw textures need it."""
    height, width, _ = picture.image.shape
    # Four contiguous channels first: scaling three of four floats in place takes four times as long.
    pixels = np.multiply(cv2.cvtColor(picture.image, cv2.COLOR_RGB2RGBA), np.float32(1 / 255), dtype=np.float32)
    centre = picture.lens.position + picture.lens.forward * picture.shot.camera.distance
    x, y, z = (float(v) for v in centre)
    notes = tuple((each.text, each.colour) for each in picture.legend if each.note)
    return ShownPicture(pixels.reshape(-1), width, height, (x, y, z), notes)
