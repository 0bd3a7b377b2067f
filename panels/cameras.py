"""The policy's inputs: what it saw at this step, after blinding, and what it is to see from the head on."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import batched

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import Send
from panels.canvas import Canvas
from panels.heat import HeatMap, MapKind, absent_words, coloured, lay_over, map_for
from panels.style import ACCENT, BAD, DIM, FAINT, LINE, RAISED, TEXT, Metrics, Rgba, Tag, heading, hint, text_width
from panels.writing import fitted, write, write_value
from viewer_app.blinding import STATE, Blind, BlindSetting
from viewer_app.channels import without_prefix
from viewer_app.commands import SetBlinding
from viewer_app.questions import Answers, Attention, Occlusion
from viewer_app.scene import Scene
from viewer_app.scene_spec import CameraSpec
from viewer_app.types import Float32Array, ImageArray
from viewer_app.view import Frame

_OFF = "shown"
_MODES = [_OFF, *(mode.value for mode in Blind)]


_BESIDE = 4
"""So many tiles stand beside one another at most: more are too narrow to be seen, and go below."""
_ROWS = 2
"""So many rows of tiles have room; more scroll."""
_SAMPLE = "proprioception"
_TITLE = 27
"""Height of a tile's title, and the gap below it. [px]"""


def tile_grid(count: int) -> tuple[int, int, int]:
    """Columns and rows of so many tiles, and how many of the rows have room."""
    columns = min(max(count, 1), _BESIDE)
    rows = -(-max(count, 1) // columns)
    return columns, rows, min(rows, _ROWS)


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

    def __init__(self, name: str, short: str, camera: CameraSpec, send: Send) -> None:
        self.name = name
        self._short = short  # without what all cameras' names begin with
        self.shown_name = name
        with dpg.group() as self.group:
            with dpg.group(horizontal=True):
                self.title = dpg.add_text(name)
                hint("\n".join(filter(None, (name, _kind_words(camera)))))
                self.combo = dpg.add_combo(
                    _MODES,
                    default_value=_OFF,
                    no_arrow_button=True,
                    callback=lambda _, text: send(SetBlinding(name, _mode(text))),
                )
                hint("Blind this camera from the newest step on")
            self.drawlist = dpg.add_drawlist(64, 48)
            self.canvas = Canvas(self.drawlist)
            self.border = dpg.add_draw_layer(parent=self.drawlist)
        self.words = dpg.add_draw_layer(parent=self.drawlist)
        self.size = (0, 0)
        self._metrics = Metrics(1.0)
        self._drawn: tuple[object, ...] = ()

    def place(self, width: int, height: int, metrics: Metrics) -> None:
        self.size, self._metrics = (width, height), metrics
        room = max(width - metrics.px(52), metrics.px(20))
        whole = text_width(self.name, metrics) <= room
        self.shown_name = fitted(self.name if whole else self._short, room, lambda text: text_width(text, metrics))
        title_width = text_width(self.shown_name, metrics) + metrics.px(6)
        dpg.configure_item(self.drawlist, width=width, height=height)
        dpg.configure_item(self.combo, width=max(width - title_width, 10))
        self._drawn = ()

    def show(self, image: ImageArray | None, blinded: bool, heat: HeatMap | None, note: str) -> None:
        """Draw the picture, hatched at the border where it was blinded, and what is laid over it.

        Args:
            image: None where there is none yet.
            blinded: Whether the policy was shown something else.
            heat: The map of this very picture.
            note: Why there is no map.
        """
        values = heat.values if heat is not None else None
        key = (image, values, blinded, heat.words if heat is not None else "", note)
        if self._drawn and self._drawn[2:] == key[2:] and self._drawn[0] is image and self._drawn[1] is values:
            return
        self._drawn = key
        width, height = self.size
        self.canvas.resize(width, height)
        if image is None:
            self.canvas.pixels[:] = np.array(RAISED, np.float32) / 255
        else:
            self.canvas.pixels[..., :3] = _enlarged(image, width, height) * np.float32(1 / 255)
            self.canvas.pixels[..., 3] = 1.0
        if heat is not None:
            lay_over(self.canvas.pixels, heat)
        if blinded:
            hatch(self.canvas.pixels, BAD, max(height // 14, 4))
        dpg.delete_item(self.words, children_only=True)
        if heat is not None:
            self._write_legend(heat)
        elif note:
            self._write_over(note, px_left=self._metrics.px(5), colour=DIM)
        self.canvas.show()
        dpg.delete_item(self.border, children_only=True)
        colour = BAD if blinded else LINE
        dpg.draw_rectangle((0, 0), (width, height), color=colour, parent=self.border)

    def _write_legend(self, heat: HeatMap) -> None:
        """The name of the map, its ramp and what the ramp's ends stand for, along the lower edge."""
        px = self._metrics.px
        left, ramp = px(5), px(26)
        if self._write_over(heat.words, left + ramp + px(5), TEXT):
            row = self.size[1] - px(16)
            shares = coloured(heat.kind, np.linspace(0, 1, ramp, dtype=np.float64))[None]
            strip = self.canvas.pixels[row + px(3) : row + px(12), left : left + ramp, :3]
            shares = shares[:, : strip.shape[1]]
            strip[:] = strip * (1 - shares[..., 3:]) + shares[..., :3] * shares[..., 3:]
            self._write_line(heat.title, left, 0, TEXT)

    def _write_over(self, text: str, px_left: int, colour: Rgba) -> bool:
        """Write along the lower edge, if the tile is high enough. Returns whether it is."""
        row = self.size[1] - self._metrics.px(16)
        if row < self._metrics.px(32):
            return False
        self._write_line(text, px_left, row, colour)
        return True

    def _write_line(self, text: str, left: int, top: int, colour: Rgba) -> None:
        px, metrics = self._metrics.px, self._metrics
        text = fitted(text, self.size[0] - left, lambda part: round(text_width(part, metrics) * 12 / 14))
        self.canvas.pixels[top : top + px(16), :, :3] *= np.float32(0.3)
        dpg.draw_text((left, top + px(1)), text, size=px(12), color=colour, parent=self.words)


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


def _kind_words(camera: CameraSpec) -> str:
    """What is to be known about a camera that does not show its colour picture as it is."""
    nearest, farthest = camera.depth
    depth = f"Depth: black at {nearest:g} m and nearer, white at {farthest:g} m and beyond" if camera.is_depth else ""
    turned = "The policy is shown it turned by 180 degrees" if camera.turned else ""
    return "\n".join(each for each in (depth, turned) if each)


def _mode(text: str) -> Blind | None:
    return None if text == _OFF else Blind(text)


class CamerasPanel:
    """A tile for each camera of the scene, and a line for the proprioception."""

    def __init__(self, send: Send, scene: Scene) -> None:
        self._send = send
        self._scene = scene
        self._tiles: list[_Tile] = []
        self._kind = MapKind.NONE
        self._answers: Answers | None = None
        self._roomy = False
        self._placed: tuple[int, int, int, int, Metrics] | None = None
        self._measured = 0  # width of a sample of text, which is known from the first frame on [px]

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent, no_scrollbar=True, no_scroll_with_mouse=True)
        with dpg.group(horizontal=True, parent=self.window):
            heading("What the policy sees")
            self._asked = dpg.add_text("", color=DIM)
            hint(
                "asked: the policy answered this very picture; came: an answer came into force here,\n"
                "late by the simulated latency"
            )
        names = list(self._scene.spec.cameras)
        cameras = list(zip(names, without_prefix(names), self._scene.spec.cameras.values(), strict=True))
        self._area = dpg.add_child_window(parent=self.window, border=False, show=bool(cameras))
        with dpg.theme() as bare:
            with dpg.theme_component(dpg.mvAll):
                dpg.add_theme_style(dpg.mvStyleVar_WindowPadding, 0, 0)
            with dpg.theme_component(dpg.mvCombo):
                dpg.add_theme_style(dpg.mvStyleVar_FramePadding, 3, 3)
        dpg.bind_item_theme(self._area, bare)
        columns, _, _ = tile_grid(len(cameras))
        for row in batched(cameras, columns):
            with dpg.group(horizontal=True, parent=self._area):
                self._tiles += [_Tile(*each, self._send) for each in row]
        with dpg.group(horizontal=True, parent=self.window):
            self._state_title = dpg.add_text("proprioception")
            self._state = dpg.add_combo(
                _MODES, default_value=_OFF, callback=lambda _, text: self._send(SetBlinding(STATE, _mode(text)))
            )
            hint("Blind what is measured of the robot from the newest step on")
            self._over = dpg.add_combo(
                [kind.value for kind in MapKind],
                default_value=self._kind.value,
                callback=lambda _, text: self._lay_over(MapKind(text)),
            )
            hint(
                "What is laid over the pictures; tab Inputs asks for it.\n"
                "Occlusion effect: what covering each part does to the chunk.\n"
                "Attention: where the policy looked, not what that did"
            )
            self._note = dpg.add_text("", color=FAINT)

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        self._placed, self._measured = (x, y, width, height, metrics), text_width(_SAMPLE, metrics)
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        dpg.configure_item(self._state, width=px(84))
        dpg.configure_item(self._over, width=px(132))
        self._roomy = width >= px(500)
        sizes = list(self._scene.spec.cameras.values())
        if not sizes:
            return
        aspect = max(size.width / size.height for size in sizes)
        columns, rows, roomy = tile_grid(len(sizes))
        bar = px(12) if rows > roomy else 0
        room = (height - px(12) - px(24) - px(30) - px(2)) // roomy - px(_TITLE)
        tile_width, tile_height = tile_size(width - 2 * px(8) - bar, room, columns, aspect, px(6))
        tall = roomy * (tile_height + px(_TITLE) + px(5)) - px(5)
        dpg.configure_item(self._area, width=width - 2 * px(8), height=tall, no_scrollbar=rows <= roomy)
        for tile, size in zip(self._tiles, sizes, strict=True):
            tile.place(
                min(tile_width, round(tile_height * size.width / size.height)),
                tile_height,
                metrics,
            )

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        if self._placed is not None and text_width(_SAMPLE, self._placed[-1]) != self._measured:
            self.place(*self._placed)
        blinding = frame.trace.settings_at(frame.step).blinding
        policy = frame.trace.policy
        self._follow(frame)
        for tile in self._tiles:
            used = policy is None or tile.name in policy.cameras
            heat = map_for(frame, tile.name, self._kind)
            note = "" if heat is not None else absent_words(frame, tile.name, self._kind)
            tile.show(frame.seen.get(tile.name), tile.name in blinding, heat, note)
            setting = blinding.get(tile.name)
            write(tile.title, tile.shown_name, BAD if setting is not None else (TEXT if used else FAINT))
            self._choose(tile.combo, frame.lane.settings.blinding, tile.name)
        self._choose(self._state, frame.lane.settings.blinding, STATE)
        write(self._state_title, "proprioception", BAD if STATE in blinding else TEXT)
        write(self._asked, *asked_words(frame))
        write_value(self._note, "" if frame.at_head or not self._roomy else "applies from the head on")

    def _follow(self, frame: Frame) -> None:
        """Whoever asks for a map wants to see it."""
        if frame.lane.answers is self._answers:
            return
        self._answers = frame.lane.answers
        newest = self._answers.about(frame.trace)[-1:]
        question = newest[0].question if newest else None
        if isinstance(question, Occlusion | Attention):
            self._lay_over(MapKind.OCCLUSION if isinstance(question, Occlusion) else MapKind.ATTENTION)

    def _lay_over(self, kind: MapKind) -> None:
        self._kind = kind
        write_value(self._over, kind.value)

    def _choose(self, combo: Tag, blinding: Mapping[str, BlindSetting], name: str) -> None:
        setting = blinding.get(name)
        write_value(combo, _OFF if setting is None else setting.mode.value)


def asked_words(frame: Frame) -> tuple[str, Rgba]:
    """Whether the policy answered the picture shown, and when its answer came."""
    trace = frame.trace
    if trace.policy is None:
        return "no policy", FAINT
    step = frame.step if frame.seen_step is None else frame.seen_step
    asked, arrived = trace.chunk_asked_at(step), trace.chunk_arrived_at(step)
    if asked is not None:
        late = f", came at {asked.arrived}" if asked.delay else " here"
        return f"step {step}: asked{late}", ACCENT
    if arrived is not None:
        return f"step {step}: came, asked at {arrived.start}", ACCENT
    if step == frame.length and trace.is_due(step):
        observed = trace.observed_at(step)
        where = "be asked here" if observed == step else f"ask about {observed}"
        return f"step {step}: will {where}", ACCENT
    return f"step {step}: would see", DIM
