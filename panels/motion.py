"""The motion: how smooth it is, and how much of its roughness sits at the seams between chunks."""

from __future__ import annotations

from dataclasses import dataclass

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import ExportPlot, Send
from panels.canvas import Canvas, paint
from panels.list_rows import Entry, last_at
from panels.listing import Listing
from panels.seam_bars import SeamRow, figure, nearest_seam, paint_bars, round_top, seam_rows
from panels.style import ACCENT, DIM, FAINT, LINE, PLOT_GROUND, TEXT, Metrics, Tag, hint, rgb, text_width
from panels.timeline_marks import domain_for
from panels.writing import fitted, reveal, write_value
from viewer_app.channels import DEGREES
from viewer_app.insight import EpisodeInsight
from viewer_app.scene import Scene
from viewer_app.view import Frame, Seek

_MM, _DEGREES = ACCENT, rgb("e8b04a")
_SHORTEST = 100
"""The bars span at least this many steps. [steps]"""
_EXPORTS = {
    "png": "Picture (PNG)",
    "pdf": "For print (PDF)",
    "svg": "For print (SVG)",
    "csv": "Numbers of the whole trace (CSV)",
}


@dataclass(frozen=True)
class _Measure:
    """One row of the table."""

    name: str
    field: str
    """Of `Smoothness`."""
    form: str
    """How the number is written, with its unit."""
    plain: str
    """What ACT-smooth reports for plain chunks."""
    blended: str
    """The same for overlap blending."""
    text: str


# The figures of giacomoran/lerobot-policy-act-smooth: ACT on a real robot, advance 20 and overlap 10.
_MEASURES = (
    _Measure(
        "U_a",
        "uniformity",
        "{:.3f} UNIT/step⁴",
        "0.263",
        "0.062",
        "Uniformity of acceleration: the variance over the episode of each joint's commanded acceleration,\n"
        "which is the second difference of its angle, or of whatever else is commanded, over control steps;\n"
        "of all joints the largest. Less is smoother",
    ),
    _Measure(
        "boundary spike",
        "spike_ratio",
        "{:.2f}x",
        "5.00x",
        "1.21x",
        "Boundary spike ratio: the mean size of the commanded acceleration within two steps of a chunk boundary,\n"
        "over its mean size elsewhere. 1 is seamless",
    ),
    _Measure(
        "jerk",
        "jerk",
        "{:.3f} mm/step³",
        "",
        "",
        "The mean length of the third difference of the end effector's position over control steps.\n"
        "Less is smoother. ACT-smooth does not report it",
    ),
)


class MotionPanel:
    """Three figures, a bar for each seam, and the list of them."""

    def __init__(self, send: Send, scene: Scene) -> None:
        self._send = send
        self._scene = scene
        self._unit = scene.actions.leading_unit
        self._insight: EpisodeInsight | None = None
        self._rows: tuple[SeamRow, ...] = ()
        self._entries: tuple[Entry, ...] = ()
        self._listing = Listing((TEXT, _MM, DIM, _DEGREES, _DEGREES), lambda step: send(Seek(step)))
        self._summary = ""
        self._domain = _SHORTEST
        self._joint_room = 100  # for a joint's name in the list [px]
        self._drawn: tuple[object, ...] = ()
        self._plot = (0, 0, 1, 1)  # left, top, width, height in the drawlist [px]
        self._metrics = Metrics(1.0)

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent, no_scrollbar=True, no_scroll_with_mouse=True)
        self._empty = dpg.add_text("", color=DIM, wrap=0, parent=self.window)
        with dpg.group(parent=self.window) as self._full:
            with dpg.group(horizontal=True):
                export = dpg.add_button(label="Export")
                hint("Write this page as a figure, or its numbers")
                with dpg.popup(export, mousebutton=dpg.mvMouseButton_Left):
                    for suffix, label in _EXPORTS.items():
                        dpg.add_menu_item(label=label, callback=self._send_export, user_data=suffix)
                self._of = dpg.add_text("", color=DIM)
            self._build_table()
            with dpg.group():
                self._drawlist = dpg.add_drawlist(100, 80)
            self._canvas = Canvas(self._drawlist)
            self._axes = dpg.add_draw_layer(parent=self._drawlist)
            self._cursor = dpg.draw_line((0, 0), (0, 0), color=rgb("aab2be", 170), parent=self._drawlist)
            self._pointed = dpg.draw_line((0, 0), (0, 0), color=TEXT, show=False, parent=self._drawlist)
            self._told = dpg.add_text("", color=DIM)
            hint(
                "A seam is where one chunk takes over from another: the new action minus the action\n"
                "that the old chunk had for the same step, at the end effector by forward kinematics"
            )
            self._titles = [
                dpg.add_text(title, color=colour)
                for title, colour in (
                    ("step", DIM),
                    ("mm", _MM),
                    ("joint" if self._scene.spec.action.kind == "joints" else "action", DIM),
                    ("units", _DEGREES),
                    (self._unit, _DEGREES),
                )
            ]
            hint("Of what jumps most, in the scene's units and in degrees or mm. Click a row to look at its step")
        self._listing.build(self._full)

    def _build_table(self) -> None:
        self._values: list[Tag] = []
        with dpg.table(header_row=False, policy=dpg.mvTable_SizingStretchProp, borders_innerH=True):
            for share in (0.29, 0.40, 0.31):
                dpg.add_table_column(init_width_or_weight=share)
            with dpg.table_row():
                dpg.add_text("")
                dpg.add_text("this trace", color=DIM)
                dpg.add_text("ACT-smooth", color=DIM)
                hint(
                    "For context: what the ACT-smooth experiments report for another robot and task,\n"
                    "for plain chunks, and for overlap blending with advance 20 and overlap 10"
                )
            for measure in _MEASURES:
                with dpg.table_row():
                    dpg.add_text(measure.name)
                    hint(measure.text)
                    self._values.append(dpg.add_text("-"))
                    hint(measure.text)
                    # Angles are compared with angles alone.
                    known = measure.plain and (self._unit == DEGREES or "UNIT" not in measure.form)
                    dpg.add_text(f"{measure.plain} / {measure.blended}" if known else "-", color=DIM)
                    if known:
                        hint(f"ACT-smooth: {measure.plain} for plain chunks, {measure.blended} with overlap blending")

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        self._metrics = metrics
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        inner = width - 2 * px(8)
        dpg.configure_item(self._empty, wrap=inner)
        tall = px(150 if height >= px(500) else 76)
        gutter, below = px(52), px(15)
        dpg.configure_item(self._drawlist, width=inner, height=tall + below)
        self._plot = (gutter, 0, inner - gutter - px(2), tall)
        self._canvas.resize(inner - gutter - px(2), tall, gutter, 0)
        # Above the list: the export's line, the table, the bars, the seam pointed at, the titles.
        top = px(6) + px(27) + 4 * px(22) + px(4) + tall + below + px(22)
        columns = [px(4), px(50), px(112), inner - px(118), inner - px(62)]
        for title, left in zip(self._titles, columns, strict=True):
            dpg.configure_item(title, pos=(px(8) + left, top))
        dpg.configure_item(self._listing.window, pos=(px(8), top + px(22)))
        self._joint_room = columns[3] - columns[2] - px(6)
        self._insight = None
        self._listing.place(inner, max(height - top - px(22) - px(6), px(24)), columns, metrics)
        self._drawn = ()

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        insight = frame.episode if frame.episode is not None and frame.episode.trace is frame.trace else None
        empty = _emptiness(frame, insight)
        write_value(self._empty, empty)
        for item, show in ((self._empty, bool(empty)), (self._full, not empty)):
            reveal(item, show)
        if insight is None or empty:
            return
        if insight is not self._insight:
            self._insight = insight
            self._read(insight)
        lag = f" of {frame.length}" if insight.length != frame.length else ""
        write_value(self._of, f"{frame.trace.name}: the first {insight.length}{lag} steps")
        self._draw(frame)
        self._point()
        current = last_at([row.step for row in self._rows], frame.step)
        self._listing.show(self._entries, current)

    def _read(self, insight: EpisodeInsight) -> None:
        for item, measure in zip(self._values, _MEASURES, strict=True):
            form = measure.form.replace("UNIT", f"{self._unit}²" if self._unit else "1")
            write_value(item, figure(float(getattr(insight.smoothness, measure.field)), form))
        self._rows = rows = seam_rows(insight.seams, self._scene)
        self._entries = tuple(
            Entry(row.step, (str(row.step), row.millimetres, self._fitted(row.joint), *row.cells)) for row in rows
        )
        known = [row for row in rows if not np.isnan(row.distance)]
        worst = max(known, key=lambda row: row.distance, default=None)
        count = f"{len(rows)} seam{'s' * (len(rows) != 1)}"
        self._summary = (
            f"{count}, the largest {worst.distance:.1f} mm at step {worst.step}"
            if worst is not None
            else f"{count}, whose jumps nobody can tell"
            if rows
            else "no seam: no chunk has taken over from another"
        )

    def _fitted(self, joint: str) -> str:
        return fitted(joint, self._joint_room, lambda text: text_width(text, self._metrics))

    # The bars.

    def _draw(self, frame: Frame) -> None:
        assert self._insight is not None
        left, top, width, height = self._plot
        domain = domain_for(frame.length, _SHORTEST)
        key = (id(self._insight), domain, self._plot)
        if key != self._drawn:
            self._drawn, self._domain = key, domain
            distances = np.array([row.distance for row in self._rows])
            jumps = np.array([abs(row.shown) for row in self._rows])
            tops = (round_top(np.nan_to_num(distances).max(initial=0)), round_top(jumps.max(initial=0)))
            steps = [row.step for row in self._rows]
            colours = (paint(_MM), paint(_DEGREES))
            paint_bars(
                steps, distances, jumps, tops, domain, self._canvas.pixels, colours, paint(PLOT_GROUND), paint(FAINT)
            )
            self._canvas.show()
            self._draw_axes(tops)
        x = left + width * frame.step / max(domain, 1)
        dpg.configure_item(self._cursor, p1=(x, top), p2=(x, top + height))

    def _draw_axes(self, tops: tuple[float, float]) -> None:
        dpg.delete_item(self._axes, children_only=True)
        left, top, width, height = self._plot
        px, size = self._metrics.px, self._metrics.px(12)
        bottom = top + height
        seconds = self._domain * self._scene.control_dt
        for text, x, y, colour in (
            (f"{tops[0]:g} mm", 0, top, _MM),
            ("0", left - px(12), top + height // 2 - size // 2, DIM),
            (f"{tops[1]:g} {self._unit}", 0, bottom - size - px(2), _DEGREES),
            ("0 s", left, bottom + px(1), DIM),
            (f"{seconds:.1f} s", left + width - px(40), bottom + px(1), DIM),
        ):
            dpg.draw_text((x, y), text, size=size, color=colour, parent=self._axes)
        dpg.draw_rectangle((left, top), (left + width, bottom), color=LINE, parent=self._axes)

    def _point(self) -> None:
        """Tell the seam under the mouse, or else of all; go there on a click."""
        left, top, width, height = self._plot
        seam: SeamRow | None = None
        hovered = bool(dpg.is_item_hovered(self._drawlist))
        if hovered:
            at, _ = dpg.get_item_rect_min(self._drawlist)
            step = (dpg.get_mouse_pos(local=False)[0] - at - left) / width * self._domain
            seam = nearest_seam(self._rows, step, self._metrics.px(8) / width * self._domain)
            if seam is not None and dpg.is_mouse_button_clicked(dpg.mvMouseButton_Left):
                self._send(Seek(seam.step))
        dpg.configure_item(self._pointed, show=seam is not None)
        if seam is not None:
            x = left + width * seam.step / max(self._domain, 1)
            dpg.configure_item(self._pointed, p1=(x, top), p2=(x, top + height))
        write_value(self._told, seam.words if seam is not None else self._summary)

    def _send_export(self, _sender: Tag, _value: object, suffix: str) -> None:
        self._send(ExportPlot("motion", suffix))


def _emptiness(frame: Frame, insight: EpisodeInsight | None) -> str:
    """What to do where there is nothing to show, in one line."""
    if frame.trace.policy is None:
        return "Ctrl+O opens a checkpoint; the motion of its episodes is measured here."
    if frame.length == 0:
        return "Space plays the episode; its motion is measured as it goes."
    return "" if insight is not None else "The figures are being computed…"
