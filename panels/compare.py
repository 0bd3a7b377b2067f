"""Several lanes beside each other: who they are, how far they are apart and from where on, and their ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import dearpygui.dearpygui as dpg

from panels.actions import ExportPlot, Request, Send
from panels.apart_table import ApartTable
from panels.asking import AskButton, cost_words
from panels.lane_strip import DivergenceStrip
from panels.lane_table import LaneTable
from panels.range_table import RangeTable, alarms_in
from panels.style import BAD, DIM, TEXT, Metrics, Tag, heading, hint, text_width
from panels.writing import reveal, to_rgba, write, write_value
from viewer_app.commands import Ask
from viewer_app.insight import lane_letter
from viewer_app.questions import Shadow
from viewer_app.scene import Scene
from viewer_app.view import Frame, Separate, Show

_ALONE = (
    "One lane. To see policies side by side, start with: whiskers compare A B, where A and B are checkpoints. "
    "What its own actions span is checked below."
)
_EXPORTS = {
    "png": "Picture (PNG)",
    "pdf": "For print (PDF)",
    "svg": "For print (SVG)",
    "csv": "Numbers of all steps (CSV)",
}


def shadow_refusal(frame: Frame) -> str:
    """Why the other policies cannot be asked, in one line; empty where they can."""
    missing = [each for each in frame.lanes if each.lane.policy is None]
    if missing:
        letters = ", ".join(lane_letter(each.lane_number) for each in missing)
        return f"{letters} not loaded yet"
    return ""


def shadows_known(frame: Frame) -> tuple[int, ...]:
    """The lanes whose policies were asked about the moment looked at."""
    return tuple(
        each.lane_number
        for each in frame.lanes
        if each.lane_number != frame.lane_number
        and frame.lane.answers.to(Shadow, frame.trace, frame.step, each.lane_number) is not None
    )


class ComparePanel:
    """Lanes, shadows, divergence, and the range check; of a single lane the range check alone."""

    def __init__(self, send: Send, scene: Scene, lane_colours: Sequence[tuple[float, float, float]]) -> None:
        """
        Args:
            send: Takes what the panel asks for.
            scene: What is compared.
            lane_colours: Of the lanes, in turn. RGB in [0, 1].
        """
        colours = [to_rgba(colour) for colour in lane_colours]
        self._send = send
        self._frame: Frame | None = None
        self._inner, self._metrics = 300, Metrics(1.0)  # [px]
        self._lanes = LaneTable(send, colours)
        self._strip = DivergenceStrip(send, colours, scene.spec.task.object, scene.control_dt)
        self._apart = ApartTable(send, colours)
        self._ranges = RangeTable(scene, colours)

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        """While one of these is active, keys belong to it."""
        return (self._threshold,)

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent)
        with dpg.group(parent=self.window):
            self._alarm = dpg.add_text("", color=BAD, wrap=0, show=False)
            self._alone = dpg.add_text(_ALONE, color=DIM, wrap=0)
            with dpg.group(show=False) as self._several:
                self._lanes.build()
                self._build_shadow()
                dpg.add_separator()
                self._build_divergence()
            dpg.add_separator()
            self._ranges.build()

    def _build_shadow(self) -> None:
        # The button asks one question; it is passed on to every other lane's policy.
        self._ask = AskButton(
            self._pass_on,
            "What would the others do here?",
            "Ask the other lanes' policies about this very moment, and draw their whiskers dashed beside this lane's.\n"
            "Nothing is executed",
            Shadow,
            lambda: Shadow(0),
            "shadow",
        )
        with dpg.group(horizontal=True):
            self._shown = dpg.add_checkbox(label="show", callback=lambda _, on: self._show_shadow(on))
            hint("Draw what the other policies would do here: dashed, each in the colour of its lane")
            self._known = dpg.add_text("", color=DIM)

    def _build_divergence(self) -> None:
        with dpg.group(horizontal=True):
            heading("Apart from A")
            hint("How far grippers and objects of the other lanes are from those of lane A, over time")
            self._threshold = dpg.add_input_float(
                step=0,
                format="%g",
                on_enter=True,
                callback=lambda _, apart: self._send(Separate(max(float(apart), 0.0))),
            )
            hint("Lanes farther apart than this have diverged (amber line). Enter applies")
            dpg.add_text("mm", color=DIM)
            export = dpg.add_button(label="Export")
            hint("Write the distances as a figure, or their numbers")
            with dpg.popup(export, mousebutton=dpg.mvMouseButton_Left):
                for suffix, label in _EXPORTS.items():
                    dpg.add_menu_item(label=label, callback=self._export, user_data=suffix)
            self._where = dpg.add_text("", color=DIM)
            hint("The step under the mouse, or else the one looked at. A click on the curves goes there")
        self._waiting = dpg.add_text("The figures are being computed…", color=DIM)
        with dpg.group(show=False) as self._figures:
            self._strip.build()
            self._apart.build()

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        inner = width - 2 * px(8) - px(10)  # the scroll bar's
        self._inner, self._metrics = inner, metrics
        for item in (self._alarm, self._alone):
            dpg.configure_item(item, wrap=inner)
        dpg.configure_item(self._threshold, width=px(60))
        self._lanes.place(inner, metrics)
        self._ask.place(inner, metrics)
        self._strip.place(inner, px(190 if height >= px(500) else 120), metrics)
        self._apart.place(metrics)
        self._ranges.place(inner, metrics)

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        self._frame = frame
        several = len(frame.lanes) > 1
        alarms = alarms_in(frame)
        write_value(self._alarm, "\n".join(alarms))
        reveal(self._alarm, bool(alarms))
        reveal(self._alone, not several)
        reveal(self._several, several)
        if several:
            self._lanes.update(frame)
            self._update_shadow(frame)
            self._update_divergence(frame)
        self._ranges.update(frame)

    def _update_shadow(self, frame: Frame) -> None:
        refused, known = shadow_refusal(frame), shadows_known(frame)
        beside = [each for each in frame.lanes if each.lane_number != frame.lane_number]
        who = "the others" if len(beside) > 1 else lane_letter(beside[0].lane_number)
        label = f"What would {who} do here?"
        priced = f"{label}   {cost_words(len(beside), max(each.lane.latency.median for each in beside))}"
        fits = not refused and text_width(priced, self._metrics) < self._inner - self._metrics.px(16)
        self._ask.update(frame, not refused, priced if fits else label)
        write_value(self._shown, frame.focus.overlays.shadow)
        letters = ", ".join(lane_letter(lane) for lane in known)
        write_value(self._known, refused or (f"asked here: {letters}" if known else f"step {frame.step}: nobody asked"))

    def _update_divergence(self, frame: Frame) -> None:
        if not dpg.is_item_active(self._threshold) and dpg.get_value(self._threshold) != frame.focus.apart:
            dpg.set_value(self._threshold, frame.focus.apart)
        comparison = frame.comparison
        there = comparison is not None and len(comparison.divergences) == len(frame.lanes) - 1
        reveal(self._waiting, not there)
        reveal(self._figures, there)
        if comparison is None or not there:
            return
        pointed = self._strip.update(frame, comparison.divergences)
        step = frame.clock if pointed is None else pointed
        plans = comparison.plans if pointed is None else (None,) * len(comparison.plans)
        self._apart.update(replace(comparison, plans=plans), step, frame.focus.apart)
        write(self._where, f"step {step}", DIM if pointed is None else TEXT)

    # What the person chooses.

    def _pass_on(self, request: Request) -> None:
        if not isinstance(request, Ask):
            self._send(request)
            return
        for each in self._frame.lanes if self._frame is not None else ():
            if each.lane_number != request.lane:
                self._send(replace(request, question=Shadow(each.lane_number)))

    def _show_shadow(self, on: bool) -> None:
        if self._frame is not None:
            self._send(Show(self._frame.focus.overlays.having("shadow", on)))

    def _export(self, _sender: Tag, _value: object, suffix: str) -> None:
        self._send(ExportPlot("divergence", suffix))
