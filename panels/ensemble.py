"""The temporal ensemble at the step looked at: executed or a what-if, its coefficient, weights, spread and cost."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from dataclasses import replace
from enum import Enum, auto

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.asking import AskButton, cost_words, duration, figure
from panels.canvas import Canvas, paint
from panels.style import ACCENT, DIM, FAINT, GOOD, PLOT_GROUND, WARN, Metrics, Rgba, Tag, heading, hint
from panels.weight_bars import (
    Convention,
    member_at,
    paint_bars,
    to_coefficient,
    to_position,
    weighing_words,
)
from panels.writing import write, write_value
from viewer_app.chunking import TemporalEnsemble
from viewer_app.commands import SetChunking
from viewer_app.insight import EnsembleInsight, MomentInsight
from viewer_app.questions import Ensemble
from viewer_app.types import ActionChunk
from viewer_app.view import Frame, OverlayChoice, Show

_PATIENCE = 3.0
"""How long a coefficient that was asked for is shown as such, while the engine has not answered. [s]"""


class Role(Enum):
    """What the coefficient's slider does."""

    WHAT_IF = auto()
    """It changes the picture of a what-if."""
    EXECUTED = auto()
    """It changes what is executed from the next step on."""
    PAST = auto()
    """Nothing: what was executed was executed."""


def role_of(frame: Frame) -> Role:
    """What the slider does at the moment looked at."""
    if not isinstance(frame.trace.settings_at(frame.step).chunking, TemporalEnsemble):
        return Role.WHAT_IF
    now = isinstance(frame.lane.settings.chunking, TemporalEnsemble)
    return Role.EXECUTED if now and frame.lane.policy is not None else Role.PAST


def coefficient_of(frame: Frame) -> float:
    """The coefficient that the slider stands for, in LeRobot's convention."""
    match role_of(frame):
        case Role.WHAT_IF:
            return frame.focus.overlays.coefficient
        case Role.EXECUTED:
            chunking = frame.lane.settings.chunking
        case Role.PAST:
            chunking = frame.trace.settings_at(frame.step).chunking
    assert isinstance(chunking, TemporalEnsemble)
    return chunking.coefficient


def calls_to_come(frame: Frame) -> int:
    """How many policy calls the what-if takes at most: one for each step whose chunk still covers this one, chunks
    that the trace has aside."""
    policy, trace, step = frame.trace.policy, frame.trace, frame.step
    if policy is None:
        return 0
    begin = max((at for at in trace.resets if at <= step), default=0)
    begin = max(step - policy.chunk_size + 1, begin)
    chunks = trace.chunks
    known = bisect_right(chunks, step, key=_start) - bisect_left(chunks, begin, key=_start)
    return step + 1 - begin - known


def _start(chunk: ActionChunk) -> int:
    return chunk.start


def badge(insight: EnsembleInsight | None) -> tuple[str, Rgba]:
    """Whether what is shown is executed."""
    if insight is None:
        return "not known here: it does not ensemble, and nobody asked what if", FAINT
    if insight.what_if:
        return f"what-if, not executed (c {insight.coefficient:g})", WARN
    return f"this is executed (c {insight.coefficient:g})", GOOD


def price(insight: EnsembleInsight | None, frame: Frame) -> tuple[str, Rgba]:
    """What ensembling costs: one policy call a step, against the time that a step has."""
    usual, dt = frame.lane.latency.median, frame.view.scene.control_dt
    words = "costs one policy call a step"
    if insight is not None and insight.what_if:
        words += f": {insight.calls} call{'s' * (insight.calls != 1)}, {duration(insight.seconds)} for this"
    if not usual:
        return words, DIM
    late = usual > dt
    pace = f"{duration(usual)} a call, {duration(dt)} a step"
    return f"{words}; {pace}{': too slow for real time' * late}", WARN if late else DIM


class EnsembleBox:
    """A part of the chunk panel."""

    def __init__(self, send: Send, swatch: Rgba) -> None:
        """
        Args:
            send: Takes `Show`, `SetChunking` and `Ask`.
            swatch: Colour of the ensembled path in the viewport.
        """
        self._send = send
        self._swatch = swatch
        self._convention = Convention.LEROBOT
        self._choice = OverlayChoice()
        self._role = Role.WHAT_IF
        self._wanted: float | None = None  # of what is executed
        self._unsent = False  # until the slider is let go
        self._held_until = 0.0
        self._drawn: tuple[EnsembleInsight | None, int | None] | None = None
        self._metrics = Metrics(1.0)

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        """While one of these is active, keys belong to it."""
        return (self._field,)

    def build(self) -> None:
        """Make the widgets in the item under construction."""
        with dpg.group(horizontal=True):
            heading("Temporal ensemble")
            hint("Ask at every step and execute the weighted mean of all chunks that cover it")
            dpg.add_text("■", color=self._swatch)
            self._shown = dpg.add_checkbox(label="show", callback=lambda _, on: self._show(on))
            hint("Members grey by age, the ensembled path green")
        self._badge = dpg.add_text("", wrap=0)
        with dpg.group(horizontal=True):
            dpg.add_text("c", color=DIM)
            self._slider = dpg.add_slider_float(
                min_value=-1, max_value=1, format="", no_input=True, callback=lambda _, at: self._slid(at)
            )
            hint("Coefficient of the weights, finer about 0")
            self._field = dpg.add_input_float(step=0, format="%g", on_enter=True, callback=lambda _, c: self._typed(c))
            hint("Coefficient of the weights in the convention chosen below. Enter applies")
        self._conventions = dpg.add_radio_button(
            [each.value for each in Convention], callback=lambda _, text: self._agree(Convention(text))
        )
        hint(
            "Same ensemble, two ways to count. LeRobot: c above 0 trusts the oldest chunk most.\n"
            "The seed scripts: c above 0 trusts the newest most"
        )
        self._drawlist = dpg.add_drawlist(100, 50)
        self._canvas = Canvas(self._drawlist)
        self._axis = dpg.add_draw_layer(parent=self._drawlist)
        self._words = dpg.add_text("", color=DIM, wrap=0)
        self._price = dpg.add_text("", color=DIM, wrap=0)
        self._ask = AskButton(
            self._send,
            "What if it ensembled?",
            "Ask the policy at every step whose chunk still covers this one. Nothing is executed",
            Ensemble,
            Ensemble,
            "ensemble",
        )

    def place(self, inner: int, metrics: Metrics) -> None:
        """Take a width. [px]"""
        px, self._metrics = metrics.px, metrics
        for item in (self._badge, self._words, self._price):
            dpg.configure_item(item, wrap=inner)
        dpg.configure_item(self._slider, width=inner - px(84))
        dpg.configure_item(self._field, width=px(64))
        dpg.configure_item(self._drawlist, width=inner, height=px(47))
        self._canvas.resize(inner, px(33))
        self._ask.place(inner, metrics)
        self._drawn = None

    def update(self, frame: Frame, moment: MomentInsight | None, can: bool) -> None:
        """Show a frame.

        Args:
            frame: What is looked at.
            moment: Figures of the step, or of one just before.
            can: Whether the policy can be asked.
        """
        self._choice, self._role = frame.focus.overlays, role_of(frame)
        write_value(self._shown, frame.focus.overlays.ensemble)
        self._show_coefficient(frame)
        insight = moment.ensemble if moment is not None else None
        write(self._badge, *badge(insight))
        self._show_weights(insight)
        write(self._price, *price(insight, frame))
        what_if = self._role is Role.WHAT_IF
        asked = frame.lane.answers.to(Ensemble, frame.trace, frame.step) is not None
        calls = calls_to_come(frame) if can and what_if and not asked else 0
        label = "What if it ensembled?" + (f"   {cost_words(calls, frame.lane.latency.median)}" if calls else "")
        label = "It was asked what if" if asked else label
        self._ask.update(frame, can and what_if and not asked, label if what_if else "It ensembles already")

    def _show_coefficient(self, frame: Frame) -> None:
        now = time.monotonic()
        if self._unsent and self._wanted is not None and not dpg.is_item_active(self._slider):
            self._send(SetChunking(TemporalEnsemble(self._wanted, ()), frame.focus.lane))
            self._unsent, self._held_until = False, now + _PATIENCE
        if not self._unsent and (self._wanted == coefficient_of(frame) or now > self._held_until):
            self._wanted = None
        enabled = self._role is not Role.PAST
        for item in (self._slider, self._field):
            if dpg.is_item_enabled(item) != enabled:
                dpg.configure_item(item, enabled=enabled)
        value = self._convention.converted(coefficient_of(frame) if self._wanted is None else self._wanted)
        for item, number in ((self._slider, to_position(value)), (self._field, value)):
            if not dpg.is_item_active(item) and abs(float(dpg.get_value(item)) - number) > 1e-6:
                dpg.set_value(item, number)

    def _show_weights(self, insight: EnsembleInsight | None) -> None:
        pointed = None if insight is None else self._pointed(insight)
        if self._drawn is not None and self._drawn[0] is insight and self._drawn[1] == pointed:
            return
        self._drawn = (insight, pointed)
        ages, weights = (insight.ages, insight.weights) if insight is not None else ((), ())
        paint_bars(ages, weights, self._canvas.pixels, paint(DIM), paint(ACCENT), paint(PLOT_GROUND))
        self._canvas.show()
        dpg.delete_item(self._axis, children_only=True)
        px, size = self._metrics.px, self._metrics.px(12)
        height, width, _ = self._canvas.pixels.shape
        if insight is None:
            write(self._words, "", DIM)
            return
        oldest = max(ages)
        dpg.draw_text((0, height), f"{oldest} steps old", size=size, color=FAINT, parent=self._axis)
        new = "age 0" if min(ages) == 0 else f"age {min(ages)}"
        dpg.draw_text((width - px(34), height), new, size=size, color=FAINT, parent=self._axis)
        if pointed is not None:
            write(self._words, f"chunk {ages[pointed]} steps old: {100 * weights[pointed]:.2g} % of the action", DIM)
            return
        members = f"{len(ages)} member{'s' * (len(ages) != 1)}, {figure(insight.spread)} mm apart"
        write(self._words, f"{members}; {weighing_words(ages, weights)}", DIM)

    def _pointed(self, insight: EnsembleInsight) -> int | None:
        """The member whose bar is under the mouse."""
        x, y = dpg.get_mouse_pos(local=False)
        left, top = dpg.get_item_rect_min(self._drawlist)
        height, width, _ = self._canvas.pixels.shape
        if not (dpg.is_item_visible(self._drawlist) and 0 <= y - top < height):
            return None
        return member_at(insight.ages, x - left, width)

    # What the person changes.

    def _show(self, on: bool) -> None:
        self._send(Show(replace(self._choice, ensemble=on)))

    def _slid(self, position: float) -> None:
        self._choose(to_coefficient(float(position)))

    def _typed(self, value: float) -> None:
        self._choose(round(float(value), 6))  # the widget's own precision

    def _choose(self, value: float) -> None:
        """Take a coefficient, in the convention chosen."""
        coefficient = self._convention.converted(value)
        if self._role is Role.EXECUTED:
            # Each value on the way would be an intervention of its own.
            self._wanted, self._unsent = coefficient, True
        elif self._role is Role.WHAT_IF:
            self._send(Show(replace(self._choice, coefficient=coefficient)))

    def _agree(self, convention: Convention) -> None:
        self._convention = convention
