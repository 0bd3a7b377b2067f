"""How well the joints can follow end-effector actions: how often they cannot so far, and by how much at each step."""

from __future__ import annotations

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import Send
from panels.canvas import Canvas, paint
from panels.seam_bars import round_top
from panels.style import ACCENT, BAD, DIM, PLOT_GROUND, TEXT, Metrics, rgb
from panels.timeline_marks import domain_for
from panels.writing import reveal, write, write_value
from viewer_app.insight import Reach
from viewer_app.types import Float32Array
from viewer_app.view import Frame, Seek

_SHORTEST = 100
"""The curve spans at least this many steps. [steps]"""
_LEAST = 2.0
"""The axis ends no lower than this. [mm]"""


class ReachStrip:
    """A line, a curve over the episode, and a line about the step under the mouse or looked at."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._drawn: tuple[object, ...] = ()
        self._domain = _SHORTEST

    def build(self) -> None:
        """Make the widgets in the container that is open."""
        with dpg.group(show=False) as self._group:
            dpg.add_text("reach", color=DIM)
            with dpg.tooltip(dpg.last_item(), delay=0.4, hide_on_activity=True):
                dpg.add_text(
                    "Inverse kinematics turns each action into joint targets. Where these miss the position by more\n"
                    "than 1 mm or the orientation by more than 1 degree, the step counts as failed, in red.\n"
                    "The overlay 'target' draws the pose that was asked for. Click the curve to go to a step"
                )
            self._share = dpg.add_text("", wrap=0)
            with dpg.group():
                self._drawlist = dpg.add_drawlist(100, 30)
            self._canvas = Canvas(self._drawlist)
            self._top = dpg.draw_text((2, 0), "", size=12, color=DIM, parent=self._drawlist)
            self._cursor = dpg.draw_line((0, 0), (0, 0), color=rgb("aab2be", 170), parent=self._drawlist)
            self._step = dpg.add_text("", color=DIM, wrap=0)

    def place(self, inner: int, metrics: Metrics) -> None:
        """Take a width. [px]"""
        for item in (self._share, self._step):
            dpg.configure_item(item, wrap=inner)
        tall = metrics.px(34)
        dpg.configure_item(self._drawlist, width=inner, height=tall)
        dpg.configure_item(self._top, size=metrics.px(12))
        self._canvas.resize(inner, tall)
        self._drawn = ()

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        shown = frame.view.scene.spec.action.kind == "end_effector"
        reveal(self._group, shown)
        if not shown:
            return
        insight = frame.episode if frame.episode is not None and frame.episode.trace is frame.trace else None
        reach = insight.reach if insight is not None else None
        count = len(reach.position) if reach is not None else 0
        reveal(self._drawlist, count > 0)
        if reach is None or not count:
            write(self._share, "Space plays the episode; what is out of reach is told as it goes.", DIM)
            write_value(self._step, "")
            return
        until = min(max(frame.step, 1), count)
        write(self._share, reach.words(until), BAD if reach.failed[:until].any() else TEXT)
        self._draw(frame, reach)
        step = self._pointed(count)
        write_value(self._step, step_words(reach, min(frame.step, count - 1) if step is None else step))

    def _draw(self, frame: Frame, reach: Reach) -> None:
        height, width, _ = self._canvas.pixels.shape
        domain = domain_for(frame.length, _SHORTEST)
        key = (id(reach), domain, width, height)
        if key != self._drawn:
            self._drawn, self._domain = key, domain
            top = max(round_top(float(reach.position.max())), _LEAST)
            paint_reach(reach, top, domain, self._canvas.pixels)
            self._canvas.show()
            dpg.configure_item(self._top, text=f"{top:g} mm")
        x = width * frame.step / max(domain, 1)
        dpg.configure_item(self._cursor, p1=(x, 0), p2=(x, height))

    def _pointed(self, count: int) -> int | None:
        """The step under the mouse; a click looks at it."""
        if not dpg.is_item_hovered(self._drawlist):
            return None
        left, _ = dpg.get_item_rect_min(self._drawlist)
        width = self._canvas.pixels.shape[1]
        step = int((dpg.get_mouse_pos(local=False)[0] - left) / width * self._domain)
        if not 0 <= step < count:
            return None
        if dpg.is_mouse_button_clicked(dpg.mvMouseButton_Left):
            self._send(Seek(step))
        return step


def step_words(reach: Reach, step: int) -> str:
    """How one step's target was met."""
    turned = reach.orientation.any()
    off = f"{reach.position[step]:.1f} mm" + (f", {reach.orientation[step]:.1f} deg" if turned else "")
    return f"step {step}: off by {off}" + (" (failed)" if reach.failed[step] else "")


def paint_reach(reach: Reach, top: float, domain: int, pixels: Float32Array) -> None:
    """Paint the position error of each step as a column, red from top to bottom faintly where the step failed.

    Args:
        reach: The errors.
        top: Error that reaches the upper edge. [mm]
        domain: Steps that the whole width spans.
        pixels: Painted over. Shape (height, width, 4).
    """
    height, width, _ = pixels.shape
    ground, good, bad = (paint(colour) for colour in (PLOT_GROUND, ACCENT, BAD))
    pixels[:] = ground
    columns = np.arange(width)
    first = np.minimum((columns * domain) // width, domain - 1)
    last = np.maximum(((columns + 1) * domain) // width, first + 1)
    for column, begin, end in zip(columns, first, last, strict=True):
        if begin >= len(reach.position):
            break
        tall = min(round(height * float(reach.position[begin:end].max()) / top), height)
        failed = bool(reach.failed[begin:end].any())
        if failed:
            pixels[:, column] = 0.75 * ground + 0.25 * bad
        pixels[height - max(tall, 1) :, column] = bad if failed else good
