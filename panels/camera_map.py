"""The card that asks which camera of the scene a checkpoint is to be shown in place of each of its own."""

from __future__ import annotations

from collections.abc import Container, Mapping

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import MapCameras, Send
from panels.canvas import Canvas
from panels.style import ACCENT, DIM, LINE, RAISED, TEXT, WARN, Metrics, Rgba, Tag, hint, text_width
from panels.writing import fitted, write, write_value
from viewer_app.camera_map import as_read, note_on
from viewer_app.camera_names import CameraMapping, Suggestion
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, ImageArray, PolicyInfo

_NOTHING = "(nothing)"
_NO_PICTURES: Mapping[str, ImageArray] = {}


def row_notes(info: PolicyInfo, mapping: CameraMapping, name: str, scene: Scene) -> tuple[str, Rgba]:
    """What to know about one line, and its colour: what becomes of the picture, and where else it is shown.

    Args:
        info: Of the checkpoint.
        mapping: As chosen so far.
        name: The checkpoint's camera.
        scene: Whose cameras can be chosen.
    """
    camera = mapping[name]
    others = [other for other, shown in mapping.items() if camera is not None and shown == camera and other != name]
    shared = f"shown as {' and '.join(others)} too" if others else ""
    note = note_on(info, name, camera, scene.spec.cameras)
    odd = bool(shared) or note.startswith("stretched")
    return "\n".join(part for part in (note, shared) if part), WARN if odd else DIM


class _Row:
    """One camera of the checkpoint."""

    def __init__(self, parent: Tag) -> None:
        with dpg.child_window(parent=parent, border=False, no_scrollbar=True, no_scroll_with_mouse=True) as self.group:
            self.name = dpg.add_text("")
            with dpg.tooltip(self.name, delay=0.4, hide_on_activity=True):
                self.full_name = dpg.add_text("")
            self.size = dpg.add_text("", color=DIM)
            self.guess = dpg.add_text("", color=WARN)
            self.arrow = dpg.add_text("←", color=DIM)
            self.combo: Tag = dpg.add_combo([])
            hint("The scene's camera that the policy is shown in place of this one")
            self.note = dpg.add_text("", color=DIM)
            with dpg.group() as self.picture:  # a drawlist by itself cannot be placed
                self.drawlist = dpg.add_drawlist(64, 48)
        self.canvas = Canvas(self.drawlist)
        self.words = dpg.add_draw_layer(parent=self.drawlist)
        self.tile = (64, 48)

    def place(self, width: int, height: int, aspect: float, metrics: Metrics) -> None:
        """Take the whole width of the card.

        Args:
            width: [px]
            height: [px]
            aspect: Width over height of the pictures that the policy was trained on.
            metrics: Of the text.
        """
        px = metrics.px
        room = width - px(16)
        # Three columns: what is read, what is shown as it, and the picture.
        tall = min(height - px(8), round(0.24 * room / aspect))
        self.tile = (max(round(tall * aspect), 8), max(tall, 8))
        left, middle = round(0.27 * room), round(0.43 * room)
        dpg.configure_item(self.group, width=width, height=height)
        for item, line in ((self.name, 0), (self.size, 1), (self.guess, 2)):
            dpg.configure_item(item, pos=(px(4), px(4) + line * px(20)))
        dpg.configure_item(self.arrow, pos=(px(4) + left, px(4)))
        dpg.configure_item(self.combo, pos=(left + px(28), px(2)), width=middle - px(28))
        dpg.configure_item(self.note, pos=(left + px(28), px(30)), wrap=middle - px(28))
        dpg.configure_item(self.picture, pos=(room - self.tile[0], px(4)))
        dpg.configure_item(self.drawlist, width=self.tile[0], height=self.tile[1])
        self.name_room = left - px(8)

    def draw(self, picture: ImageArray | None, blank: tuple[float, float, float] | None, metrics: Metrics) -> None:
        """Draw what the policy would see.

        Args:
            picture: In the size that it reads; None where there is none.
            blank: The colour that it is shown instead of a picture, RGB in [0, 1].
            metrics: Of the text.
        """
        width, height = self.tile
        self.canvas.resize(width, height)
        words = ""
        if blank is not None:
            self.canvas.pixels[..., :3] = blank
        elif picture is not None:
            self.canvas.pixels[..., :3] = as_read(picture, height, width) * np.float32(1 / 255)
        else:
            self.canvas.pixels[..., :3] = np.array(RAISED[:3], np.float32) / 255
            words = "no picture yet"
        self.canvas.pixels[..., 3] = 1.0
        self.canvas.show()
        dpg.delete_item(self.words, children_only=True)
        dpg.draw_rectangle((0, 0), (width, height), color=LINE, parent=self.words)
        if words:
            text = fitted(words, width - metrics.px(8), lambda part: round(text_width(part, metrics) * 12 / 14))
            place = (metrics.px(5), height - metrics.px(18))
            dpg.draw_text(place, text, size=metrics.px(12), color=DIM, parent=self.words)


class CameraMapDialog:
    """A line for each camera of the checkpoint, and the buttons."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._rows: list[_Row] = []
        self._mapping: dict[str, str | None] = {}
        self._guessed: set[str] = set()
        self._labels: dict[str, str | None] = {}
        self._info: PolicyInfo | None = None
        self._scene: Scene | None = None
        self._pictures = _NO_PICTURES
        self._metrics = Metrics(1.0)

    @property
    def shown(self) -> bool:
        return bool(dpg.is_item_shown(self.window))

    @property
    def mapping(self) -> CameraMapping:
        """As chosen so far."""
        return dict(self._mapping)

    @property
    def tiles(self) -> list[Float32Array]:
        """What is drawn for each camera of the checkpoint, RGB in [0, 1]. Shapes (height, width, 3)."""
        return [row.canvas.pixels[..., :3] for row, _ in zip(self._rows, self._mapping, strict=False)]

    def build(self) -> None:
        """Make the widgets, hidden."""
        with dpg.window(
            show=False, no_title_bar=True, no_resize=True, no_move=True, no_scrollbar=True, no_scroll_with_mouse=True
        ) as self.window:
            dpg.add_text("Which camera is which?", color=ACCENT)
            self._why = dpg.add_text("", color=DIM)
            self._list = dpg.add_child_window(border=False)
            self._warning = dpg.add_text("", color=WARN)
            self._use: Tag = dpg.add_button(label="Use", callback=lambda: self._decide(self.mapping))
            hint("Drive with these cameras")
            self._cancel: Tag = dpg.add_button(label="Cancel", callback=lambda: self.cancel())
            hint("Give the checkpoint up")
            self._remembered = dpg.add_text("Remembered for this checkpoint and this scene", color=DIM)

    def open(
        self,
        info: PolicyInfo,
        scene: Scene,
        suggestion: Suggestion,
        pictures: Mapping[str, ImageArray],
        width: int,
        height: int,
        metrics: Metrics,
    ) -> None:
        """Open over a window.

        Args:
            info: Of the checkpoint, as it is.
            scene: Whose cameras can be chosen.
            suggestion: What stands there at first.
            pictures: The scene's camera to what it shows now. See `show`.
            width: Of the window. [px]
            height: Of the window. [px]
            metrics: Of the text.
        """
        self._info, self._scene, self._metrics = info, scene, metrics
        self._mapping, self._guessed = dict(suggestion.mapping), set(suggestion.guessed)
        self._labels = {f"{name}   {size.width}x{size.height}": name for name, size in scene.spec.cameras.items()}
        self._labels[_NOTHING] = None
        self._pictures = pictures
        while len(self._rows) < len(info.cameras):
            row = _Row(self._list)
            dpg.configure_item(row.combo, callback=self._choose, user_data=len(self._rows))
            self._rows.append(row)
        self._place(info, width, height)
        why = f"{info.name} was trained with other cameras than {scene.name} has. The pictures are what it would see."
        room = dpg.get_item_width(self.window) - metrics.px(20)
        dpg.set_value(self._why, fitted(why, room, lambda text: text_width(text, metrics)))
        for row, (name, (tall, wide)) in zip(self._rows, info.cameras.items(), strict=False):
            dpg.configure_item(row.combo, items=list(self._labels))
            dpg.set_value(row.name, fitted(name, row.name_room, lambda text: text_width(text, metrics)))
            dpg.set_value(row.full_name, name)
            dpg.set_value(row.size, f"reads {wide}x{tall}")
        self._follow(info.cameras)
        dpg.focus_item(self.window)

    def _place(self, info: PolicyInfo, width: int, height: int) -> None:
        px, metrics = self._metrics.px, self._metrics
        count = len(info.cameras)
        above, below = px(60), px(70)
        # As tall as fits without scrolling, within what is still read well.
        each = max(min((height - px(24) - above - below) // max(count, 1), px(104)), px(84))
        card, tall = min(px(720), width - px(40)), min(above + count * each + below, height - px(16))
        place = ((width - card) // 2, max((height - tall) // 2, 0))
        dpg.configure_item(self.window, show=True, width=card, height=tall, pos=place)
        inside, list_height = card - 2 * px(8), tall - above - below
        dpg.configure_item(self._list, pos=(px(8), above), width=inside, height=list_height)
        gap = px(5)  # the style's own between items
        for number, row in enumerate(self._rows):
            dpg.configure_item(row.group, show=number < count)
        for row, (tall_px, wide_px) in zip(self._rows, info.cameras.values(), strict=False):
            bar = px(10) if count * each > list_height else 0
            row.place(inside - bar, each - gap, wide_px / tall_px, metrics)
        line = tall - px(34)
        dpg.configure_item(self._warning, pos=(px(10), line - px(26)))
        dpg.configure_item(self._use, pos=(px(8), line), width=px(80))
        dpg.configure_item(self._cancel, pos=(px(94), line), width=px(80))
        said = text_width(str(dpg.get_value(self._remembered)), metrics)
        dpg.configure_item(self._remembered, pos=(card - said - px(14), line + px(3)))

    def show(self, pictures: Mapping[str, ImageArray]) -> None:
        """Show newer pictures, while the card is open.

        Args:
            pictures: The scene's camera to what it shows.
        """
        changed = [
            name
            for name, camera in self._mapping.items()
            if camera is not None and pictures.get(camera) is not self._pictures.get(camera)
        ]
        self._pictures = pictures
        if self.shown:
            self._draw(changed)

    def cancel(self) -> None:
        """Close, and give the checkpoint up."""
        if self.shown:
            self._decide(None)

    def close(self) -> None:
        dpg.configure_item(self.window, show=False)

    def _decide(self, mapping: CameraMapping | None) -> None:
        self.close()
        self._send(MapCameras(mapping))

    def _choose(self, _sender: Tag, label: str, number: int) -> None:
        name = list(self._mapping)[number]
        self._mapping[name] = self._labels[label]
        self._guessed.discard(name)
        self._follow([name])

    def _follow(self, changed: Container[str]) -> None:
        """Write what is chosen, and draw the pictures of the lines that changed."""
        assert self._info is not None
        assert self._scene is not None
        labels = {camera: label for label, camera in self._labels.items()}
        for row, (name, camera) in zip(self._rows, self._mapping.items(), strict=False):
            write_value(row.combo, labels[camera])
            write(row.note, *row_notes(self._info, self._mapping, name, self._scene))
            write_value(row.guess, "guessed by its name" if name in self._guessed else "")
            write(row.arrow, "←", DIM if camera is None else TEXT)
        blind = not any(self._mapping.values())
        write_value(self._warning, "So it would see nothing of the scene." if blind else "")
        self._draw(changed)

    def _draw(self, changed: Container[str]) -> None:
        assert self._info is not None
        for row, (name, camera) in zip(self._rows, self._mapping.items(), strict=False):
            if name in changed:
                blank = self._info.camera_mean.get(name, (0.0, 0.0, 0.0)) if camera is None else None
                picture = self._pictures.get(camera) if camera is not None else None
                seen = None if picture is None else as_read(picture, *self._info.cameras[name])
                row.draw(seen, blank, self._metrics)
