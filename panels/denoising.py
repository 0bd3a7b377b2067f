"""Flow matching seen from inside: how a chunk comes out of noise, step by step, and how early it is settled."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import dearpygui.dearpygui as dpg

from panels.actions import ExportPlot, Send
from panels.asking import AskButton, busy_words, cost_words, figure, refusal
from panels.canvas import Canvas, paint
from panels.denoising_curves import AIM, SAMPLE, CurvesBox
from panels.denoising_player import StepPlayer
from panels.denoising_table import StepTable, time_words
from panels.settling import nearest, paint_settled, summary, words_of
from panels.style import ACCENT, DIM, FAINT, LINE, PLOT_GROUND, TEXT, WARN, Metrics, Tag, heading, hint, rgb
from panels.timeline_marks import domain_for
from panels.writing import reveal, to_rgba, write, write_value
from viewer_app.commands import SetWant
from viewer_app.insight import SETTLED, DenoisingInsight, Settled
from viewer_app.questions import Denoising
from viewer_app.scene import Scene
from viewer_app.types import Want
from viewer_app.view import Frame, OverlayChoice, Seek, Show

_MOST_DRAWS = 16
_PATIENCE = 3.0
"""How long a setting that was asked for is shown as such, while the engine has not answered. [s]"""
_SHORTEST = 100
"""What is over time spans at least this many steps. [steps]"""
_UNITS = ("mm", "normalised")
_KINDS = ("sample x_t", "estimate x0")
_EXPORTS = {
    "png": "Picture (PNG)",
    "pdf": "For print (PDF)",
    "svg": "For print (SVG)",
    "csv": "Numbers of every denoising step (CSV)",
}


def emptiness(frame: Frame) -> str:
    """Why there is nothing to ask nor to show, in one line; empty where there is."""
    policy = frame.trace.policy if frame.trace.policy is not None else frame.lane.policy
    if policy is None:
        return "No policy loaded: Ctrl+O opens a checkpoint; one that denoises is seen from inside here."
    moment = frame.moment
    known = moment is not None and moment.trace is frame.trace and moment.denoising is not None
    if policy.denoising_steps or known:
        return ""
    return f"{policy.name} is a policy of type {policy.kind}, which does not denoise: there are no steps to show."


def chunk_words(insight: DenoisingInsight, step: int) -> str:
    """Which chunk is shown, and how early it was settled.

    Args:
        insight: What is known of it.
        step: The control step looked at.
    """
    last = len(insight.away) - 1
    of = f"step {step}" if insight.step == step else f"chunk of step {insight.step}"
    aim = f", x0 at {insight.aim_settled}" if len(insight.away_aim) else ""
    return f"{of}: settled at {insight.settled} of {last} steps{aim}"


def step_words(insight: DenoisingInsight, step: int | None, aim: bool) -> str:
    """What the slider says of a denoising step; None is all of them."""
    last = len(insight.away) - 1
    if step is None:
        return f"all {last} steps"
    if step == last:
        return f"step {last} of {last}: the chunk"
    told = insight.away_aim if aim and len(insight.away_aim) else insight.away
    return f"step {step} of {last}, t {time_words(float(insight.times[step]))}: {figure(float(told[step]))} mm"


class _Asking:
    """What to ask, and whether to know it of every chunk."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._want = Want()
        self._held_until = 0.0

    def build(self) -> None:
        with dpg.group(horizontal=True):
            self._draws = dpg.add_slider_int(
                min_value=0, max_value=_MOST_DRAWS, default_value=8, format="+%d draws", clamped=True
            )
            hint("How many further draws of the noise to follow, in the same call. Ctrl+click to type")
            self._ask = AskButton(
                self._send,
                "How is it denoised here?",
                "Ask the policy about this very observation again, and keep every denoising step. Nothing is executed",
                Denoising,
                lambda: Denoising(int(dpg.get_value(self._draws))),
                "denoising",
            )

    def build_always(self) -> None:
        self._always = dpg.add_checkbox(label="at every call", callback=lambda _, on: self._ask_always(bool(on)))
        hint(
            "Keep the denoising steps of every chunk from the next one on, recorded with the trace.\n"
            "Further draws come with it where the Chunk tab draws samples with every chunk"
        )

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        return (self._draws,)

    def place(self, inner: int, metrics: Metrics) -> None:
        slider = metrics.px(94)
        dpg.configure_item(self._draws, width=slider)
        self._ask.place(inner - slider - metrics.px(6), metrics)

    def update(self, frame: Frame, can: bool, known: bool) -> None:
        if frame.view.want is not self._want:
            self._want, self._held_until = frame.view.want, 0.0
        if time.monotonic() > self._held_until:
            write_value(self._always, self._want.denoising)
        cost = f"   {cost_words(1, frame.lane.latency.median)}" if can else ""
        self._ask.update(frame, can, ("Ask again" if known else "Ask here") + cost)

    def _ask_always(self, on: bool) -> None:
        self._held_until = time.monotonic() + _PATIENCE
        self._send(SetWant(replace(self._want, denoising=on)))


class _OverTime:
    """How early each chunk of the trace was settled."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._drawn: tuple[object, ...] = ()
        self._domain = _SHORTEST
        self._metrics = Metrics(1.0)

    def build(self) -> None:
        with dpg.group(horizontal=True):
            heading("Over time")
            hint(
                f"For each chunk that carries its denoising: the share of the steps after which it was, for good,\n"
                f"within {SETTLED:g} mm of what it became. At the bottom noise was enough, at the top it took all.\n"
                "Click to look at a chunk's step"
            )
            dpg.add_text("■ x_t", color=SAMPLE)
            dpg.add_text("■ x0", color=AIM)
        with dpg.group():
            self._drawlist = dpg.add_drawlist(100, 50)
        self._canvas = Canvas(self._drawlist)
        self._cursor = dpg.draw_line((0, 0), (0, 0), color=rgb("aab2be", 170), parent=self._drawlist)
        self._told = dpg.add_text("", color=DIM, wrap=0)

    def place(self, inner: int, metrics: Metrics) -> None:
        self._metrics, self._drawn = metrics, ()
        tall = metrics.px(44)
        dpg.configure_item(self._drawlist, width=inner, height=tall)
        dpg.configure_item(self._told, wrap=inner)
        self._canvas.resize(inner, tall)

    def update(self, frame: Frame) -> None:
        episode = frame.episode
        settled = episode.settled if episode is not None and episode.trace is frame.trace else ()
        self._domain = domain_for(frame.length, _SHORTEST)
        # The figures are computed anew while the trace grows; what they say of most chunks stays.
        key = (len(settled), settled[-1:], id(frame.trace), self._domain)
        if key != self._drawn:
            self._drawn = key
            colours = (paint(SAMPLE), paint(AIM))
            paint_settled(settled, self._domain, self._canvas.pixels, colours, paint(PLOT_GROUND), paint(LINE))
            self._canvas.show()
        height, width, _ = self._canvas.pixels.shape
        x = width * frame.step / max(self._domain, 1)
        dpg.configure_item(self._cursor, p1=(x, 0), p2=(x, height))
        pointed = self._pointed(settled)
        write_value(self._told, summary(settled) if pointed is None else words_of(pointed))

    def _pointed(self, settled: tuple[Settled, ...]) -> Settled | None:
        """The chunk under the mouse; a click goes to its step."""
        if not settled or not dpg.is_item_hovered(self._drawlist):
            return None
        left, _ = dpg.get_item_rect_min(self._drawlist)
        _, width, _ = self._canvas.pixels.shape
        step = (dpg.get_mouse_pos(local=False)[0] - left) / width * self._domain
        found = nearest(settled, step, self._metrics.px(8) / width * self._domain)
        if found is not None and dpg.is_mouse_button_clicked(dpg.mvMouseButton_Left):
            self._send(Seek(found.step))
        return found


class DenoisingPanel:
    """All about the denoising of one chunk, and a little about that of all."""

    def __init__(self, send: Send, scene: Scene, swatches: Mapping[str, tuple[float, float, float]]) -> None:
        """
        Args:
            send: Takes `Ask`, `StopAsking`, `SetWant`, `Show`, `Seek` and `ExportPlot`.
            scene: What is shown.
            swatches: Field of `OverlayChoice` to its colour, RGB in [0, 1].
        """
        self._send = send
        self._scene = scene
        self._swatch = to_rgba(swatches["denoising"])
        self._choice = OverlayChoice()
        self._asking = _Asking(send)
        self._player = StepPlayer(self._choose)
        self._curves = CurvesBox()
        self._table = StepTable()
        self._time = _OverTime(send)

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        """While one of these is active, keys belong to it."""
        return self._asking.text_fields

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent)
        with dpg.group(parent=self.window):
            self._status = dpg.add_text("", wrap=0)
            hint(
                f"A chunk is settled at the denoising step from which on it stays within {SETTLED:g} mm\n"
                "of what it becomes"
            )
            with dpg.group() as self._known:
                self._asking.build()
                self._build_switches()
                with dpg.group() as self._steps:
                    self._player.build()
                    with dpg.group(horizontal=True) as row:
                        self._kind = dpg.add_radio_button(
                            list(_KINDS),
                            horizontal=True,
                            callback=lambda _, kind: self._show("denoising_aim", kind == _KINDS[1]),
                        )
                        hint(
                            "What is drawn of a step: the sample x_t as it is, or x0, the chunk that the step's\n"
                            "velocity (or noise estimate) points to"
                        )
                        self._unit = dpg.add_combo(list(_UNITS), default_value=_UNITS[0])
                        hint("Of the curves: distance of the whiskers, or of the model's own numbers")
                    self._curves.build(row)
                    self._caption = dpg.add_text("x_t in normalised units; distances in mm", color=FAINT, wrap=0)
                    hint(
                        "mean, std, min, max: of the sample's numbers, in the model's units\n"
                        "x_t, x0: largest distance of the whisker from the chunk's\n"
                        "draws: largest distance of any draw of the noise from the mean of all, at the chunk's end"
                    )
                    self._table.build()
                dpg.add_separator()
                self._time.build()

    def _build_switches(self) -> None:
        with dpg.group(horizontal=True):
            dpg.add_text("■", color=self._swatch)
            self._shown = dpg.add_checkbox(label="show", callback=lambda _, on: self._show("denoising", bool(on)))
            hint("Draw the denoising steps in the viewport, grey at the noise, green at the action")
            self._bundle = dpg.add_checkbox(
                label="draws", callback=lambda _, on: self._show("denoising_bundle", bool(on))
            )
            hint("Draw the further draws of the noise, at the step looked at, where they were asked for")
            self._asking.build_always()
            self._export = dpg.add_button(label="Export")
            hint("Write the curves and the table as a figure, or their numbers")
            with dpg.popup(self._export, mousebutton=dpg.mvMouseButton_Left):
                for suffix, label in _EXPORTS.items():
                    dpg.add_menu_item(label=label, callback=self._send_export, user_data=suffix)

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        inner = width - 2 * px(8) - px(10)  # the scroll bar's
        for item in (self._status, self._caption):
            dpg.configure_item(item, wrap=inner)
        dpg.configure_item(self._unit, width=px(104))
        self._curves.place(inner, height >= px(500), metrics)
        for part in (self._asking, self._player, self._table, self._time):
            part.place(inner, metrics)

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        empty = emptiness(frame)
        reveal(self._known, not empty)
        if empty:
            self._player.stop()
            write(self._status, empty, DIM)
            return
        self._choice = frame.focus.overlays
        moment = frame.moment
        insight = moment.denoising if moment is not None and moment.trace is frame.trace else None
        refused, busy = refusal(frame), busy_words(frame.lane.asking, time.monotonic())
        if frame.call is not None and busy:
            busy = f"{busy}, denoising step {frame.call.done} of {frame.call.total}"
        words = chunk_words(insight, frame.step) if insight is not None else _unasked(frame)
        colour = ACCENT if busy else WARN if refused and insight is None else TEXT if insight is not None else DIM
        write(self._status, busy or (words if insight is not None else refused or words), colour)
        known = frame.lane.answers.to(Denoising, frame.trace, frame.step) is not None
        self._asking.update(frame, not refused, known)
        write_value(self._shown, self._choice.denoising)
        write_value(self._bundle, self._choice.denoising_bundle)
        reveal(self._steps, insight is not None)
        if insight is None:
            self._player.stop()
        else:
            self._show_steps(insight)
        self._time.update(frame)

    def _show_steps(self, insight: DenoisingInsight) -> None:
        last = len(insight.away) - 1
        step = self._choice.denoising_step
        step = None if step is None else min(max(step, 0), last)
        self._player.update(step, last, step_words(insight, step, self._choice.denoising_aim))
        write_value(self._kind, _KINDS[self._choice.denoising_aim])
        reveal(self._unit, not self._curves.wide)
        self._curves.update(insight, step, dpg.get_value(self._unit) == _UNITS[1])
        clicked = self._table.update(insight, step)
        if clicked is not None:
            self._player.pick(clicked)

    # What the person changes.

    def _choose(self, step: int | None) -> None:
        """Draw one denoising step, or all of them."""
        self._send(Show(replace(self._choice, denoising=True, denoising_step=step)))

    def _show(self, field: str, on: bool) -> None:
        self._send(Show(self._choice.having(field, on)))

    def _send_export(self, _sender: Tag, _value: object, suffix: str) -> None:
        self._send(ExportPlot("denoising", suffix))


def _unasked(frame: Frame) -> str:
    return f"step {frame.step}: its denoising was not asked for yet"
