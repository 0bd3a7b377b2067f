"""A strip painted with numpy and shown as one image, for drawings that would need a widget for every mark."""

from __future__ import annotations

import dearpygui.dearpygui as dpg
import numpy as np

from panels.style import Rgba, Tag
from viewer_app.types import Float32Array


class Canvas:
    """An RGBA picture in a drawlist. Painting is numpy's; showing it costs one upload."""

    def __init__(self, drawlist: Tag) -> None:
        """
        Args:
            drawlist: Where the picture is drawn.
        """
        self._drawlist = drawlist
        self._registry: Tag = dpg.add_texture_registry()
        self._layer: Tag = dpg.add_draw_layer(parent=drawlist)
        self._texture: Tag | None = None
        self.pixels: Float32Array = np.zeros((1, 1, 4), np.float32)
        """Shape (height, width, 4), values in [0, 1]. Paint here, then call `show`."""

    def resize(self, width: int, height: int, x: float = 0.0, y: float = 0.0) -> bool:
        """Take another size and place. Returns whether the size changed, which clears the picture.

        Args:
            width: [px]
            height: [px]
            x: Left edge in the drawlist. [px]
            y: Top edge in the drawlist. [px]
        """
        width, height = max(width, 1), max(height, 1)
        if self._texture is not None and self.pixels.shape[:2] == (height, width):
            return False
        old = self._texture
        self.pixels = np.zeros((height, width, 4), np.float32)
        self._texture = dpg.add_raw_texture(
            width, height, self.pixels, format=dpg.mvFormat_Float_rgba, parent=self._registry
        )
        dpg.delete_item(self._layer, children_only=True)
        dpg.draw_image(self._texture, (x, y), (x + width, y + height), parent=self._layer)
        if old is not None:
            dpg.delete_item(old)
        return True

    def show(self) -> None:
        """Put what was painted on the screen."""
        if self._texture is not None:
            dpg.set_value(self._texture, self.pixels)


def paint(colour: Rgba) -> Float32Array:
    """A colour as painted into `Canvas.pixels`. Shape (4,)."""
    return np.array(colour, np.float32) / np.float32(255)
