"""Real-time chunking as controls of the policy panel: on or off, and its numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.held_slider import HeldSlider
from panels.style import DIM, Metrics, Tag, hint
from panels.writing import reveal, write_value
from viewer_app.commands import SetGuidance
from viewer_app.types import Guidance, PolicyInfo

_SCHEDULES: tuple[Literal["linear", "exp", "ones", "zeros"], ...] = ("linear", "exp", "ones", "zeros")
_MOST_WEIGHT = 50


class GuidanceControls:
    """There only for policies that can be guided; the numbers only while it is on."""

    def __init__(self, send: Send) -> None:
        """
        Args:
            send: Takes `SetGuidance`.
        """
        self._send = send
        self._guidance = Guidance()
        self._on = False
        self._changed = False

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        """While one of these is active, keys belong to it."""
        return (self._horizon.item, self._weight.item)

    def build(self) -> None:
        """Make the widgets in the container that is open."""
        with dpg.group(show=False) as self._all:
            self._switch = dpg.add_checkbox(label="real-time chunking", callback=lambda _, on: self._turn(bool(on)))
            hint(
                "Draw each new chunk, while it is denoised, towards what is left of the one before, so that they meet\n"
                "Its rows within the simulated latency are held, those up to the horizon drawn ever less.\n"
                "From the next chunk on; the viewport draws it as real-time chunking"
            )
            with dpg.group(show=False) as self._numbers:
                with dpg.group(horizontal=True):
                    self._horizon = HeldSlider("horizon %d", 1)
                    hint("Row of the new chunk from which on nothing pulls. Ctrl+click to type")
                    self._weight = HeldSlider("weight %d", 1)
                    hint("The most that the pull may weigh against the policy's own velocity. Ctrl+click to type")
                with dpg.group(horizontal=True):
                    dpg.add_text("fades", color=DIM)
                    self._schedule = dpg.add_combo(list(_SCHEDULES), callback=lambda _, name: self._fade(str(name)))
                    hint(
                        "How the pull fades from the latency's rows to the horizon, in LeRobot's words:\n"
                        "linear, exp (faster), ones (not at all), zeros (only the latency's rows are held)"
                    )

    def place(self, inner: int, metrics: Metrics) -> None:
        """Take a width. [px]"""
        half = (inner - metrics.px(6)) // 2
        for slider in (self._horizon, self._weight):
            dpg.configure_item(slider.item, width=half)
        dpg.configure_item(self._schedule, width=inner - metrics.px(48))

    def offer(self, policy: PolicyInfo) -> None:
        """Take the limits of a policy that was loaded."""
        reveal(self._all, policy.guidable)
        self._horizon.limit(1, policy.chunk_size)
        self._weight.limit(1, _MOST_WEIGHT)
        self._guidance = replace(self._guidance, horizon=min(Guidance().horizon, policy.chunk_size))

    def show(self, guidance: Guidance | None) -> None:
        """Show what is in force; the numbers of what was on last stay while it is off."""
        self._on = guidance is not None
        self._guidance = guidance if guidance is not None else self._guidance
        write_value(self._switch, self._on)
        reveal(self._numbers, self._on)
        self._horizon.show(self._guidance.horizon)
        self._weight.show(round(self._guidance.weight))
        write_value(self._schedule, self._guidance.schedule)

    def send_changes(self) -> bool:
        """Send what was changed, once it is let go. Returns whether anything was."""
        if self._horizon.let_go():
            self._change(replace(self._guidance, horizon=self._horizon.value))
        if self._weight.let_go():
            self._change(replace(self._guidance, weight=float(self._weight.value)))
        if not self._changed:
            return False
        self._changed = False
        self._send(SetGuidance(self._guidance if self._on else None))
        return True

    def _turn(self, on: bool) -> None:
        self._on, self._changed = on, True
        reveal(self._numbers, on)

    def _fade(self, name: str) -> None:
        schedule = next(each for each in _SCHEDULES if each == name)
        self._change(replace(self._guidance, schedule=schedule))

    def _change(self, guidance: Guidance) -> None:
        self._guidance, self._changed = guidance, True
