"""Asking the policy about a moment: why it cannot be asked, how long an answer takes, and the button that asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.style import FAINT, RAISED, Metrics, Tag, hint
from panels.writing import reveal
from viewer_app.commands import Ask, StopAsking
from viewer_app.insight import MomentInsight
from viewer_app.questions import (
    Ablation,
    Asking,
    Attention,
    Denoising,
    Ensemble,
    Occlusion,
    Question,
    Samples,
    Shadow,
    XRay,
)
from viewer_app.view import Frame, Show

_SHORT = 0.3
"""A question that is answered sooner shows no progress: it would only flicker. [s]"""


def refusal(frame: Frame) -> str:
    """Why the policy cannot be asked about the moment looked at, in one line; empty where it can."""
    loaded, made_by = frame.lane.policy, frame.trace.policy
    if loaded is None:
        return "No policy is loaded to ask: Ctrl+O opens a checkpoint."
    if made_by is None:
        return "No policy made this trace, so there is none to ask about it."
    if made_by.digest != loaded.digest:
        return f"Another policy made this trace: load {made_by.name} to ask it."
    return ""


def question_words(question: Question) -> str:
    """A question's name."""
    match question:
        case Samples(count):
            return f"{count} samples"
        case Ensemble():
            return "ensemble"
        case Ablation():
            return "effect of each input"
        case Occlusion(camera):
            return f"occlusion of {camera}"
        case Attention():
            return "attention"
        case Denoising():
            return "denoising steps"
        case Shadow():
            return "another lane's policy"
        case XRay():
            return "processor x-ray"
        case _:
            assert_never(question)


def busy_words(asking: Asking | None, now: float) -> str:
    """What is being answered, in one line; empty where nothing is, or not for long.

    Args:
        asking: The question in progress.
        now: `time.monotonic()`. [s]
    """
    if asking is None or now - asking.since < _SHORT:
        return ""
    return f"asking, step {asking.step}: {question_words(asking.question)} {asking.done}/{asking.total}"


def seconds_left(asking: Asking, now: float, usual: float) -> float | None:
    """How long the rest of an answer will take, at the pace of its calls so far; None where nothing is known yet.

    Args:
        asking: The question in progress.
        now: `time.monotonic()`. [s]
        usual: Usual duration of a call, 0 where none is known: the pace until the first call is done. [s]
    """
    pace = (asking.last - asking.since) / asking.done if asking.done else usual
    if pace <= 0:
        return None
    return max(pace * (asking.total - asking.done) - (now - asking.last), 0.0)


def duration(seconds: float) -> str:
    """A duration as a person says it."""
    if seconds < 0.0005:
        return "under 1 ms"
    if seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def cost_words(calls: int, usual: float) -> str:
    """What asking costs, before it is done.

    Args:
        calls: Policy calls.
        usual: Usual duration of one, 0 where none is known. [s]
    """
    words = f"{calls} call{'s' * (calls != 1)}"
    return f"{words}, about {duration(calls * usual)}" if usual > 0 else words


def figure(millimetres: float) -> str:
    """A distance with as many digits as can be told apart, without its unit."""
    if millimetres < 0.0995:
        return f"{millimetres:.2f}"
    return f"{millimetres:.1f}" if millimetres < 99.95 else f"{millimetres:.0f}"


def insight_here(frame: Frame) -> MomentInsight | None:
    """The figures of the very moment looked at, None while they are still those of another one."""
    moment = frame.moment
    return moment if moment is not None and moment.trace is frame.trace and moment.step == frame.step else None


class AskButton:
    """A button that asks about the step looked at; while its question is answered, a progress bar and Cancel."""

    def __init__(
        self, send: Send, label: str, text: str, kind: type[Question], make: Callable[[], Question], overlay: str = ""
    ) -> None:
        """
        Args:
            send: Takes `Ask`, `StopAsking` and `Show`.
            label: On the button.
            text: Its tooltip.
            kind: Class of the question.
            make: The question as the panel's other controls want it.
            overlay: Field of `OverlayChoice` that shows the answer: asking switches it on.
        """
        self._send = send
        self._kind = kind
        self._make = make
        self._overlay = overlay
        self._frame: Frame | None = None
        self.button: Tag = dpg.add_button(label=label, width=-1, callback=self._ask, enabled=False)
        hint(text)
        with dpg.theme() as grey, dpg.theme_component(dpg.mvButton, enabled_state=False):
            dpg.add_theme_color(dpg.mvThemeCol_Text, FAINT)
            dpg.add_theme_color(dpg.mvThemeCol_ButtonHovered, RAISED)
            dpg.add_theme_color(dpg.mvThemeCol_ButtonActive, RAISED)
        dpg.bind_item_theme(self.button, grey)
        with dpg.group(horizontal=True, show=False) as self._progress:
            self._bar = dpg.add_progress_bar()
            dpg.add_button(label="Cancel", callback=self._stop)
            hint("Give the question up after the call in progress")

    def place(self, width: int, metrics: Metrics) -> None:
        """Take a width. [px]"""
        dpg.configure_item(self.button, width=width)
        dpg.configure_item(self._bar, width=width - metrics.px(66), height=metrics.px(20))

    def update(self, frame: Frame, can: bool, label: str) -> None:
        """Show a frame.

        Args:
            frame: Its step is asked about.
            can: Whether the question can be asked, a question in progress aside.
            label: On the button.
        """
        self._frame = frame
        asking, now = frame.lane.asking, time.monotonic()
        mine = asking is not None and isinstance(asking.question, self._kind) and now - asking.since > _SHORT
        reveal(self.button, not mine)
        reveal(self._progress, mine)
        can = can and asking is None
        if dpg.is_item_enabled(self.button) != can:
            dpg.configure_item(self.button, enabled=can)
        if dpg.get_item_label(self.button) != label:
            dpg.set_item_label(self.button, label)
        if mine and asking is not None:
            left = seconds_left(asking, now, frame.lane.latency.median)
            words = f"{asking.done} of {asking.total}" + (f", {duration(left)} left" if left is not None else "")
            if dpg.get_item_configuration(self._bar)["overlay"] != words:
                dpg.configure_item(self._bar, overlay=words)
                dpg.set_value(self._bar, asking.done / max(asking.total, 1))

    def _ask(self) -> None:
        frame = self._frame
        if frame is None:
            return
        self._send(Ask(self._make(), frame.trace.name, frame.step, frame.focus.lane))
        choice = frame.focus.overlays
        if self._overlay and not getattr(choice, self._overlay):
            self._send(Show(replace(choice).having(self._overlay, True)))

    def _stop(self) -> None:
        if self._frame is not None:
            self._send(StopAsking(self._frame.focus.lane))
