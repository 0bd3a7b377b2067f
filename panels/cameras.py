"""The policy's inputs: what it saw at this step, after blinding, and what it is to see from the head on."""

from __future__ import annotations

from collections.abc import Mapping

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import Send
from panels.canvas import Canvas
from panels.style import ACCENT, BAD, DIM, FAINT, LINE, RAISED, TEXT, Metrics, Rgba, Tag, heading, hint, text_width
from viewer_app.blinding import STATE, Blind, BlindSetting
from viewer_app.commands import SetBlinding
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, ImageArray
from viewer_app.view import Frame

_OFF = "shown"
_MODES = [_OFF, *(mode.value for mode in Blind)]


def tile_size(room_width: int, room_height: int, count: int, aspect: float, gap: int) -> tuple[int, int]:
    """Width and height of each of `count` tiles side by side in a room, as large as fits. [px]

    Args:
        room_width: [px]
        room_height: [px]
        count: How many tiles.
        aspect: Width over height of a picture.
        gap: Between tiles. [px]
    """
    width = max((room_width - gap * (count - 1)) // max(count, 1), 8)
    height = min(round(width / aspect), max(room_height, 6))
    return min(width, round(height * aspect)), height


class _Tile:
    """One camera."""

    def __init__(self, name: str, send: Send) -> None:
        self.name = name
        with dpg.group() as self.group:
            with dpg.group(horizontal=True):
                self.title = dpg.add_text(name)
                self.combo = dpg.add_combo(
                    _MODES,
                    default_value=_OFF,
                    no_arrow_button=True,
                    callback=lambda _, text: send(SetBlinding(name, _mode(text))),
                )
                hint("Blind this camera from the next step on")
            self.drawlist = dpg.add_drawlist(64, 48)
            self.canvas = Canvas(self.drawlist)
            self.border = dpg.add_draw_layer(parent=self.drawlist)
        self.size = (0, 0)
        self.drawn: tuple[object, ...] = ()

    def place(self, width: int, height: int, title_width: int) -> None:
        self.size = (width, height)
        dpg.configure_item(self.drawlist, width=width, height=height)
        dpg.configure_item(self.combo, width=max(width - title_width, 10))
        self.drawn = ()

    def show(self, image: ImageArray | None, blinded: bool) -> None:
        """Draw the picture, hatched at the border where it was blinded."""
        key = (id(image), blinded)
        if key == self.drawn:
            return
        self.drawn = key
        width, height = self.size
        self.canvas.resize(width, height)
        if image is None:
            self.canvas.pixels[:] = np.array(RAISED, np.float32) / 255
        else:
            self.canvas.pixels[..., :3] = _enlarged(image, width, height) * np.float32(1 / 255)
            self.canvas.pixels[..., 3] = 1.0
        if blinded:
            hatch(self.canvas.pixels, BAD, max(height // 14, 4))
        self.canvas.show()
        dpg.delete_item(self.border, children_only=True)
        colour = BAD if blinded else LINE
        dpg.draw_rectangle((0, 0), (width, height), color=colour, parent=self.border)


def _enlarged(image: ImageArray, width: int, height: int) -> ImageArray:
    """Nearest neighbour, so that the policy's pixels can be counted."""
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    return image[rows[:, None], columns[None, :]]


def hatch(pixels: Float32Array, colour: Rgba, border: int) -> None:
    """Paint diagonal stripes on a picture's border.

    Args:
        pixels: Painted on. Shape (height, width, 4).
        colour: Of the stripes.
        border: How wide the border is. [px]
    """
    height, width, _ = pixels.shape
    row, column = np.arange(height)[:, None], np.arange(width)[None, :]
    edge = np.minimum(np.minimum(row, height - 1 - row), np.minimum(column, width - 1 - column)) < border
    stripe = (row + column) % 8 < 4
    pixels[edge & stripe] = np.array(colour, np.float32) / 255
    pixels[edge & ~stripe] *= np.array([0.35, 0.35, 0.35, 1.0], np.float32)


def _mode(text: str) -> Blind | None:
    return None if text == _OFF else Blind(text)


class CamerasPanel:
    """A tile for each camera of the scene, and a line for the proprioception."""

    def __init__(self, send: Send, scene: Scene) -> None:
        self._send = send
        self._scene = scene
        self._tiles: list[_Tile] = []
        self._said = ""

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent, no_scrollbar=True, no_scroll_with_mouse=True)
        with dpg.group(horizontal=True, parent=self.window):
            heading("What the policy sees")
            self._asked = dpg.add_text("", color=DIM)
        with dpg.group(horizontal=True, parent=self.window):
            self._tiles = [_Tile(name, self._send) for name in self._scene.spec.cameras]
        with dpg.group(horizontal=True, parent=self.window):
            self._state_title = dpg.add_text("proprioception")
            self._state = dpg.add_combo(
                _MODES, default_value=_OFF, callback=lambda _, text: self._send(SetBlinding(STATE, _mode(text)))
            )
            hint("Blind the measured joint positions from the next step on")
            self._note = dpg.add_text("", color=FAINT)

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        dpg.configure_item(self._state, width=px(90))
        sizes = list(self._scene.spec.cameras.values())
        if not sizes:
            return
        aspect = max(size.width / size.height for size in sizes)
        room = height - px(12) - px(24) - px(29) - px(30)
        tile_width, tile_height = tile_size(width - 2 * px(8), room, len(sizes), aspect, px(6))
        for tile, size in zip(self._tiles, sizes, strict=True):
            tile.place(
                min(tile_width, round(tile_height * size.width / size.height)),
                tile_height,
                text_width(tile.name, metrics) + px(6),
            )

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        blinding = frame.trace.settings_at(frame.step).blinding
        policy = frame.trace.policy
        for tile in self._tiles:
            used = policy is None or tile.name in policy.cameras
            tile.show(frame.seen.get(tile.name), tile.name in blinding)
            setting = blinding.get(tile.name)
            _write(tile.title, tile.name, BAD if setting is not None else (TEXT if used else FAINT))
            self._choose(tile.combo, frame.lane.settings.blinding, tile.name)
        self._choose(self._state, frame.lane.settings.blinding, STATE)
        _write(self._state_title, "proprioception", BAD if STATE in blinding else TEXT)
        _write(self._asked, *self._asked_words(frame))
        _write(self._note, "" if frame.at_head else "applies from the head on", FAINT)

    def _choose(self, combo: Tag, blinding: Mapping[str, BlindSetting], name: str) -> None:
        setting = blinding.get(name)
        text = _OFF if setting is None else setting.mode.value
        if dpg.get_value(combo) != text:
            dpg.set_value(combo, text)

    def _asked_words(self, frame: Frame) -> tuple[str, Rgba]:
        if frame.trace.policy is None:
            return "no policy", FAINT
        step = frame.step if frame.seen_step is None else frame.seen_step
        if frame.trace.chunk_asked_at(step) is not None:
            return f"step {step}: asked here", ACCENT
        if step == frame.length and frame.trace.is_due(step):
            return f"step {step}: will be asked here", ACCENT
        return f"step {step}: would see", DIM


def _write(item: Tag, text: str, colour: Rgba) -> None:
    """Write a text and its colour only where they changed."""
    if dpg.get_value(item) != text:
        dpg.set_value(item, text)
    if dpg.get_item_user_data(item) != colour:
        dpg.configure_item(item, color=colour, user_data=colour)
