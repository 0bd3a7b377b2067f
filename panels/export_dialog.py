"""Ctrl+E: the card that orders a video: settings on the left; what it will look like and where it goes on the right."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import ExportVideo, Send
from panels.canvas import Canvas
from panels.export_form import ExportForm
from panels.style import ACCENT, DIM, LINE, WARN, Metrics, Rgba, Tag, hint, text_width
from panels.writing import fitted, reveal, write
from viewer_app.scene import Scene
from viewer_app.types import ImageArray
from viewer_app.video_order import FORMATS, Estimate, Preview, VideoOrder
from viewer_app.view import Frame

_FORM = 400
"""Width of the settings. [px]"""


def facts(estimate: Estimate) -> str:
    """How large and how long a video will be, in words."""
    if not estimate.frames:
        return ""
    pictures = f"{estimate.frames} picture{'s' * (estimate.frames != 1)}"
    return f"{estimate.width}x{estimate.height}, {pictures}, {estimate.seconds:.1f} s at {estimate.fps:g} a second"


class ExportDialog:
    """A card over the window. It sends one `ExportVideo`."""

    def __init__(self, send: Send, scene: Scene, strips: Sequence[str]) -> None:
        """
        Args:
            send: Takes `ExportVideo`.
            scene: Its cameras are offered.
            strips: Names of the bands that can be shown below the views.
        """
        self._send = send
        self._form = ExportForm(scene, strips)
        self._frame: Frame | None = None
        self._room = (64, 48)  # of the preview [px]
        self._at = (0, 0)  # of its upper left corner, in the card [px]
        self._preview: Preview | None = None
        self._image: ImageArray | None = None
        self._over: Path | None = None  # what may be overwritten
        self._wanted = False  # whether to export as soon as it is known that it can be
        self._metrics = Metrics(1.0)

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        return (self._path, *self._form.text_fields)

    @property
    def shown(self) -> bool:
        return bool(dpg.is_item_shown(self.window))

    @property
    def room(self) -> tuple[int, int]:
        """Width and height that a preview must fit into. [px]"""
        return self._room

    @property
    def file_name(self) -> str:
        """What to call a video that has no name yet."""
        return f"video{self._form.ending}"

    @property
    def order(self) -> VideoOrder:
        """As the settings stand. Only while the card is open."""
        assert self._frame is not None
        # Unlike Path's own, this leaves the home of somebody unknown as it is.
        path = Path(os.path.expanduser(str(dpg.get_value(self._path)).strip()))
        return self._form.order(self._frame, path, force=path == self._over)

    def build(self) -> None:
        """Make the widgets, hidden."""
        with dpg.window(
            show=False, no_title_bar=True, no_resize=True, no_move=True, no_scrollbar=True, no_scroll_with_mouse=True
        ) as self.window:
            dpg.add_text("Export a video", color=ACCENT)
            with dpg.group() as self._picture:  # a drawlist by itself cannot be placed
                self._drawlist = dpg.add_drawlist(64, 48)
            self._facts = dpg.add_text("", color=DIM)
            self._path = dpg.add_input_text(callback=lambda: self._type_path())
            hint("Where the video goes; the ending says what is written")
            self._overwrite = dpg.add_checkbox(label="overwrite", callback=self._allow, show=False)
            hint("Replace what has this name already, once the video is whole")
            self._complaint = dpg.add_text("", color=WARN)
            self._export: Tag = dpg.add_button(label="Export", callback=lambda: self._want())
            hint("The session goes on meanwhile")
            self._cancel: Tag = dpg.add_button(label="Cancel", callback=lambda: self.close())
            hint("Close the card   Esc")
        self._form.build(self.window)
        self._form.on_format(lambda: self._rename())
        self._canvas = Canvas(self._drawlist)
        self._words = dpg.add_draw_layer(parent=self._drawlist)

    def open(self, frame: Frame, path: Path, width: int, height: int, metrics: Metrics) -> None:
        """Open over a window.

        Args:
            frame: What is looked at.
            path: Where the video is to go, if nobody says otherwise.
            width: Of the window. [px]
            height: Of the window. [px]
            metrics: Of the text.
        """
        self._frame, self._metrics = frame, metrics
        self._preview, self._image, self._over, self._wanted = None, None, None, False
        dpg.configure_item(self.window, show=True)
        dpg.set_value(self._path, str(path))
        self._form.begin(frame)
        self._place(width, height)
        self._paint()
        self._say("", DIM)
        reveal(self._overwrite, False)
        dpg.focus_item(self.window)

    def _place(self, width: int, height: int) -> None:
        px = self._metrics.px
        card, tall = min(px(1560), width - px(60)), min(px(840), height - px(60))
        dpg.configure_item(
            self.window, width=card, height=tall, pos=((width - card) // 2, max((height - tall) // 2, 0))
        )
        left, top, gap = px(12), px(34), px(14)
        form = min(px(_FORM), card // 2)
        self._form.place(left, top, form, tall - top - px(10), self._metrics)
        x = left + form + gap
        across = card - x - left
        line = tall - px(38)
        dpg.configure_item(self._export, pos=(x, line), width=px(96))
        dpg.configure_item(self._cancel, pos=(x + px(104), line), width=px(96))
        dpg.configure_item(self._complaint, pos=(x, line - px(26)))
        dpg.configure_item(self._path, pos=(x, line - px(58)), width=across - px(110))
        dpg.configure_item(self._overwrite, pos=(x + across - px(100), line - px(58)))
        dpg.configure_item(self._facts, pos=(x, line - px(84)))
        self._at = (x, top)
        self._room = (across - 2, max(line - px(94) - top, px(60)))
        dpg.configure_item(self._picture, pos=self._at)
        dpg.configure_item(self._drawlist, width=across, height=self._room[1] + 2)

    def close(self) -> None:
        dpg.configure_item(self.window, show=False)

    def update(self, frame: Frame) -> None:
        """Follow the session while the card is open."""
        self._frame = frame
        self._form.update(frame)

    def show(self, preview: Preview | None) -> None:
        """Show what is known of the order, and send it if that was wished. Call it once a frame while it is open.

        Args:
            preview: The latest. It may be of an order before; None where there is none yet.
        """
        order = self.order
        if preview is not None and preview is not self._preview:
            self._preview = preview
            if preview.image is not None and preview.image is not self._image:
                self._image = preview.image
                self._paint()
        estimate = preview.estimate if preview is not None and preview.estimate.order == order else None
        if estimate is None:
            return
        reveal(self._overwrite, estimate.taken)
        if estimate.taken:
            dpg.set_value(self._overwrite, order.force)
        write(self._facts, facts(estimate), DIM)
        self._say(estimate.complaint, WARN)
        wanted, self._wanted = self._wanted, False
        if wanted and not estimate.complaint:
            self.close()
            self._send(ExportVideo(order))

    def _say(self, text: str, colour: Rgba) -> None:
        write(self._complaint, fitted(text, self._room[0], lambda part: text_width(part, self._metrics)), colour)

    def _paint(self) -> None:
        """Draw the preview in the middle of its room."""
        width, height = self._room
        dpg.delete_item(self._words, children_only=True)
        image = self._image
        if image is None:
            dpg.draw_text((8, 8), "drawing…", size=self._metrics.px(13), color=DIM, parent=self._words)
            self._canvas.resize(1, 1)
            self._canvas.show()
        else:
            tall, wide = image.shape[:2]
            self._canvas.resize(wide, tall, 1 + (width - wide) // 2, 1 + (height - tall) // 2)
            self._canvas.pixels[..., :3] = image * np.float32(1 / 255)
            self._canvas.pixels[..., 3] = 1.0
            self._canvas.show()
        dpg.draw_rectangle((0, 0), (width + 1, height + 1), color=LINE, parent=self._words)

    def _want(self) -> None:
        self._wanted = True

    def _allow(self, _sender: Tag, on: bool) -> None:
        self._over = self.order.path if on else None

    def _type_path(self) -> None:
        self._form.ending = self.order.path.suffix

    def _rename(self) -> None:
        """Give the name the ending of the format."""
        path = self.order.path
        if path.name:
            known = path.suffix.lower() in FORMATS.values()
            dpg.set_value(self._path, str(path.parent / f"{path.stem if known else path.name}{self._form.ending}"))
