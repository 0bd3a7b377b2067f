"""Several views of one moment in one picture: what a tiled video is made of.

The views are those of the window: the same renderer, the same overlays, whatever the size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import cv2
import numpy as np

from viewer_app.lettering import text_mask
from viewer_app.questions import Answers
from viewer_app.render import Picture, Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.tiles import Layout
from viewer_app.trace import Trace
from viewer_app.types import ImageArray
from viewer_app.view import Camera

GROUND = (15, 18, 22)
"""Colour of what no view covers, the window's own. RGB."""
INK = (223, 228, 234)
"""Colour of words, the window's own. RGB."""


@dataclass(frozen=True)
class Moment:
    """One lane's moment to show."""

    trace: Trace
    length: int
    """Steps of the trace that may be read."""
    step: int
    """0 .. length."""
    answers: Answers = Answers()  # noqa: RUF009 (frozen, so it can be shared)
    note: str = ""
    """What a caption is to say besides, for example the name of the recording."""


class Strip(Protocol):
    """A band under the tiles, as wide as all of them."""

    @property
    def height(self) -> int:
        """[px]"""
        ...

    def draw(self, band: ImageArray, moments: Sequence[Moment]) -> None:
        """Fill the band. Shape (height, width, 3), dtype uint8; it still holds what was drawn last."""
        ...


class Composer:
    """Draws layouts. It owns OpenGL objects: make, use and close it on one and the same thread."""

    def __init__(self, scene: Scene, layout: Layout, strips: Sequence[Strip] = ()) -> None:
        """
        Args:
            scene: What is shown.
            layout: Which views, and where.
            strips: Bands under them, from top to bottom.

        Raises:
            WhiskersError: If the layout cannot be drawn.
        """
        layout.check()
        self._layout = layout
        self._strips = tuple(strips)
        width, height = picture_size(layout, strips)
        self._canvas: ImageArray = np.full((height, width, 3), GROUND, np.uint8)
        # Nothing is shown twice, so no picture need be remembered.
        self._viewport = Viewport(scene, picture_budget=0)

    def __enter__(self) -> Composer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._viewport.close()

    def compose(self, moments: Sequence[Moment]) -> ImageArray:
        """The picture of a moment of every lane. Shape (height, width, 3). It is drawn over by the next call."""
        for lane, moment in enumerate(moments):
            # Lane by lane, because much is the same in all views of one moment.
            before: Picture | None = None
            seen: Mapping[str, ImageArray] | None = None
            for number, tile in enumerate(self._layout.tiles):
                if tile.lane != lane:
                    continue
                place = self._place(number)
                if tile.camera is not None:
                    before = self._draw_view(place, tile.camera, moment, before)
                elif tile.policy_camera:
                    seen = self._viewport.seen(moment.trace, moment.step) if seen is None else seen
                    _fit(place, seen.get(tile.policy_camera))
                if self._layout.labels and tile.label:
                    _write_label(place, tile.label)
        top = self._layout.size[1]
        for strip in self._strips:
            strip.draw(self._canvas[top : top + strip.height], moments)
            top += strip.height
        return self._canvas

    def _place(self, number: int) -> ImageArray:
        """A tile's part of the canvas."""
        row, column = divmod(number, self._layout.columns)
        top, left = row * self._layout.height, column * self._layout.width
        return self._canvas[top : top + self._layout.height, left : left + self._layout.width]

    def _draw_view(self, place: ImageArray, camera: Camera, moment: Moment, before: Picture | None) -> Picture:
        """Draw a view of the scene. `before` is the last one of the same moment."""
        overlays = self._layout.overlays if before is None else self._layout.overlays.having("legend", False)
        height, width = place.shape[:2]
        shot = Shot(moment.trace, moment.length, moment.step, camera, overlays, width, height, moment.answers)
        picture = self._viewport.draw(shot, before)
        place[:] = picture.image
        return picture


def picture_size(layout: Layout, strips: Sequence[Strip]) -> tuple[int, int]:
    """Width and height of a picture with strips. [px]"""
    width, height = layout.size
    return width, height + sum(strip.height for strip in strips)


def _fit(place: ImageArray, image: ImageArray | None) -> None:
    """Put a picture in the middle of a place, as large as fits."""
    place[:] = GROUND
    if image is None:
        return
    height, width = place.shape[:2]
    scale = min(width / image.shape[1], height / image.shape[0])
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    # Pixels of a small picture stay squares: that is what the policy had to go by.
    way = cv2.INTER_NEAREST if scale > 1 else cv2.INTER_AREA
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    place[top : top + size[1], left : left + size[0]] = cv2.resize(image, size, interpolation=way)


def _write_label(place: ImageArray, text: str) -> None:
    """Words in the upper left corner, on a darkened ground: the legend is in the lower left one."""
    mask = text_mask(text, max(round(place.shape[0] / 28), 11))
    corner = place[: mask.shape[0] + 4, : mask.shape[1] + 12]
    corner[:] = cv2.convertScaleAbs(np.ascontiguousarray(corner), alpha=0.4)
    write(corner, mask, 6, 2, INK)


def write(place: ImageArray, mask: ImageArray, left: int, top: int, colour: tuple[int, int, int]) -> None:
    """Put words on a picture, as far as they fit.

    Args:
        place: Written on. Shape (height, width, 3).
        mask: From `text_mask`. Shape (h, w).
        left, top: Of the words. [px]
        colour: RGB.
    """
    words = place[top : top + mask.shape[0], left : left + mask.shape[1]]
    height, width = words.shape[:2]
    cover = cv2.cvtColor(mask[:height, :width], cv2.COLOR_GRAY2RGB)
    ink = np.broadcast_to(np.array(colour, np.uint8), cover.shape)
    kept = cv2.multiply(np.ascontiguousarray(words), cv2.bitwise_not(cover), scale=1 / 255)
    words[:] = cv2.add(kept, cv2.multiply(np.ascontiguousarray(ink), cover, scale=1 / 255))
