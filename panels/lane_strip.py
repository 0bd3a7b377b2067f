"""How far the lanes are from the first one, over time: curves, the threshold, and where each first crosses it."""

from __future__ import annotations

from collections.abc import Sequence

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import Send
from panels.joint_curves import thinned
from panels.seam_bars import round_top
from panels.style import DIM, LINE, PLOT_GROUND, TEXT, WARN, Metrics, Rgba, Tag, rgb
from panels.timeline_marks import domain_for
from viewer_app.insight import Divergence
from viewer_app.types import FloatArray
from viewer_app.view import Frame, Seek

_SHORTEST = 100
"""The curves span at least this many steps. [steps]"""


def tops_of(divergences: Sequence[Divergence], apart: float) -> tuple[float, float]:
    """Where the axes of grippers and objects end, so that all curves and the threshold are seen. [mm]"""
    tips = max((float(each.tip.max(initial=0.0)) for each in divergences), default=0.0)
    objects = max((float(each.object.max(initial=0.0)) for each in divergences if each.object is not None), default=0.0)
    least = 1.2 * apart
    return round_top(max(tips, least)), round_top(max(objects, least))


def outline(values: FloatArray, top: float, domain: int, box: tuple[float, float, float, float]) -> list[list[float]]:
    """A curve over steps as points of a drawing, no more than a few for each pixel of width.

    Args:
        values: One a moment, not negative. Shape (moments,).
        top: Value at the upper edge.
        domain: Steps at the right edge.
        box: Left, top, width and height of the drawing. [px]

    Returns:
        x and y of each point. [px]
    """
    left, upper, width, height = box
    finite = np.nan_to_num(values, nan=0.0)
    steps, heights = thinned(np.arange(len(finite), dtype=np.float64), finite, max(int(width), 1))
    x = left + width * steps / max(domain, 1)
    y = upper + height * (1 - np.clip(heights / top, 0, 1))
    return np.stack([x, y], axis=1).tolist()


class DivergenceStrip:
    """Two strips over a common time, grippers above objects. A click goes to its step."""

    def __init__(self, send: Send, colours: Sequence[Rgba], object_name: str, control_dt: float) -> None:
        """
        Args:
            send: Takes `Seek`.
            colours: Of the lanes, in turn.
            object_name: Of the task's object, empty where it has none.
            control_dt: Duration of a control step. [s]
        """
        self._send = send
        self._colours = colours
        self._object = object_name
        self._dt = control_dt
        self._domain = _SHORTEST
        self._drawn: tuple[object, ...] = ()
        self._boxes: list[tuple[int, int, int, int]] = [(0, 0, 1, 1)]
        self._metrics = Metrics(1.0)
        self._dragging = False

    def build(self) -> None:
        """Make the widgets in the item under construction."""
        with dpg.group():
            self._drawlist = dpg.add_drawlist(100, 80)
        self._layer = dpg.add_draw_layer(parent=self._drawlist)
        self._cursor = dpg.draw_line((0, 0), (0, 0), color=rgb("aab2be", 190), parent=self._drawlist)
        self._pointed = dpg.draw_line((0, 0), (0, 0), color=TEXT, show=False, parent=self._drawlist)

    def place(self, inner: int, tall: int, metrics: Metrics) -> None:
        """Take a size, the axis' labels included. [px]"""
        px = metrics.px
        self._metrics = metrics
        dpg.configure_item(self._drawlist, width=inner, height=tall)
        gutter, below, gap = px(52), px(15), px(5)
        strips = 2 if self._object else 1
        each = (tall - below - (strips - 1) * gap) // strips
        width = inner - gutter - px(2)
        self._boxes = [(gutter, row * (each + gap), width, each) for row in range(strips)]
        self._drawn = ()

    def update(self, frame: Frame, divergences: Sequence[Divergence]) -> int | None:
        """Show a frame. Returns the step under the mouse, None where it is elsewhere."""
        domain = domain_for(frame.reach, _SHORTEST)
        # Divergences are compared by identity: a curve that did not change is the same object.
        key = (tuple(divergences), domain, frame.focus.apart)
        if key != self._drawn:
            self._drawn, self._domain = key, domain
            self._draw(divergences, frame.focus.apart)
        self._stand(self._cursor, frame.clock)
        return self._point(frame)

    def _draw(self, divergences: Sequence[Divergence], apart: float) -> None:
        dpg.delete_item(self._layer, children_only=True)
        px, size, layer = self._metrics.px, self._metrics.px(12), self._layer
        tops = tops_of(divergences, apart)
        names = ("gripper", self._object)
        for number, (box, top, name) in enumerate(zip(self._boxes, tops, names, strict=False)):
            left, upper, width, height = box
            dpg.draw_rectangle(
                (left, upper), (left + width, upper + height), color=LINE, fill=PLOT_GROUND, parent=layer
            )
            level = upper + height * (1 - apart / top)
            dpg.draw_line((left, level), (left + width, level), color=(*WARN[:3], 150), parent=layer)
            for each in divergences:
                colour = self._colours[each.lane % len(self._colours)]
                values = each.tip if number == 0 else each.object
                if values is not None and len(values) > 1:
                    points = outline(values, top, self._domain, (left, upper + 1, width, height - 2))
                    # Thick lines grow thorns where they turn sharply, as thousands of steps do in a narrow strip.
                    thickness = px(1.6) if len(points) < width / 2 else 1.0
                    dpg.draw_polyline(points, color=colour, thickness=thickness, parent=layer)
                first = each.first(apart)
                if first is not None:
                    x = left + width * first / max(self._domain, 1)
                    dpg.draw_line((x, upper), (x, upper + height), color=(*colour[:3], 110), parent=layer)
            dpg.draw_text((left + px(5), upper + px(2)), name, size=size, color=DIM, parent=layer)
            dpg.draw_text((0, upper), f"{top:g} mm", size=size, color=DIM, parent=layer)
        left, upper, width, height = self._boxes[-1]
        bottom = upper + height + px(1)
        end = f"{self._domain * self._dt:.1f} s"
        dpg.draw_text((left, bottom), "0 s", size=size, color=DIM, parent=layer)
        dpg.draw_text((left + width - px(40), bottom), end, size=size, color=DIM, parent=layer)

    def _stand(self, line: Tag, step: int) -> None:
        left, top, width, _ = self._boxes[0]
        _, upper, _, height = self._boxes[-1]
        x = left + width * step / max(self._domain, 1)
        dpg.configure_item(line, p1=(x, top), p2=(x, upper + height))

    def _point(self, frame: Frame) -> int | None:
        """The step under the mouse; goes there while the button is held."""
        hovered = bool(dpg.is_item_hovered(self._drawlist))
        if hovered and dpg.is_mouse_button_clicked(dpg.mvMouseButton_Left):
            self._dragging = True
        held = self._dragging
        self._dragging = held and bool(dpg.is_mouse_button_down(dpg.mvMouseButton_Left))
        dpg.configure_item(self._pointed, show=hovered or held)
        if not hovered and not held:
            return None
        left, _, width, _ = self._boxes[0]
        corner, _ = dpg.get_item_rect_min(self._drawlist)
        share = (dpg.get_mouse_pos(local=False)[0] - corner - left) / max(width, 1)
        step = min(max(round(share * self._domain), 0), frame.reach)
        self._stand(self._pointed, step)
        if held and step != frame.clock:
            self._send(Seek(step))
        return step
