"""The thread that owns the viewport renderer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from panels.pane import ShownPicture
from viewer_app.gui.worker import Worker
from viewer_app.render import Picture, Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ImageArray

_PATIENCE = 0.05
"""How long environments are simulated for one picture; what is missing then is drawn in the next. [s]"""
_LONGEST = 1.0
"""The same while nothing newer is wanted. [s]"""
_GLANCE = 0.05
"""How often it is looked whether an environment is open. [s]"""
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


@dataclass(frozen=True)
class Scenery:
    """What to draw: a shot of every lane, and whose cameras' pictures to show beside."""

    shots: tuple[Shot, ...]
    lane: int
    """The lane looked at."""
    views: bool = False
    """Whether to render what all cameras of the scene show there, too."""


class RenderThread(Worker[Scenery, Viewport]):
    """Owns the viewport renderer: the latest shots asked for go in, the latest pictures come out."""

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
        self.rendered: tuple[Rendered, ...] = ()
        """The latest picture of each lane."""
        self.views: Mapping[str, ImageArray] = MappingProxyType({})
        """What the scene's cameras showed when that was last asked for."""
        self.seen: Seen | None = None
        """The latest of what the policy saw; it may be of an earlier step than the picture."""

    def _open(self) -> Viewport:
        return Viewport(self._scene, self._picture_budget, _PATIENCE)

    def _work(self, tool: Viewport, wish: Scenery) -> None:
        waiting = self._draw(tool, wish)
        tool.paths.prepare()
        shot = wish.shots[wish.lane]
        if wish.views:
            self.views = tool.views(shot.trace, shot.step)
        # A newer shot goes first: tiles may lag while someone scrubs, the picture must not. But not for ever.
        self._late += 1
        if not self.hurried or self._late > _LATEST:
            self._late = 0
            settings = shot.trace.settings_at(shot.step)
            self.seen = Seen(shot.trace, shot.step, settings, tool.seen(shot.trace, shot.step))
        # What an environment is still to say is drawn as soon as it has said it, while nobody wants anything newer.
        while waiting and not self.hurried:
            if tool.paths.opening:
                self._wake.wait(_GLANCE)
            else:
                # As long as it takes to draw the picture: where that is slow, it is not to be drawn for every step.
                tool.paths.grant(min(self.rendered[0].seconds, _LONGEST), lambda: self.hurried)
                waiting = self._draw(tool, wish)

    def _draw(self, tool: Viewport, wish: Scenery) -> bool:
        """Draw all shots. Returns whether something in them is not simulated to its end."""
        waiting, rendered = False, []
        for shot in wish.shots:
            rendered.append(_rendered(tool, shot))
            waiting |= tool.paths.unfinished > 0
        self.rendered = tuple(rendered)
        return waiting


def _rendered(tool: Viewport, shot: Shot) -> Rendered:
    begin = time.monotonic()
    picture = tool.draw(shot)
    shown = _shown(picture)
    # A coarser picture would not be simulated any faster.
    return Rendered(picture, shown, time.monotonic() - begin - tool.paths.seconds)


def _shown(picture: Picture) -> ShownPicture:
    """As Dear PyGui's raw textures need it."""
    height, width, _ = picture.image.shape
    # Four contiguous channels first: scaling three of four floats in place takes four times as long.
    pixels = np.multiply(cv2.cvtColor(picture.image, cv2.COLOR_RGB2RGBA), np.float32(1 / 255), dtype=np.float32)
    centre = picture.lens.position + picture.lens.forward * picture.shot.camera.distance
    x, y, z = (float(v) for v in centre)
    notes = tuple((each.text, each.colour) for each in picture.legend if each.note)
    return ShownPicture(pixels.reshape(-1), width, height, (x, y, z), notes)
