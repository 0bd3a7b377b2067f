"""Denoising steps, one after another: a slider, a button that plays them, and one that shows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable

import dearpygui.dearpygui as dpg

from panels.style import Metrics, hint
from panels.writing import write_value

RATE = 6.0
"""How many denoising steps play in a second."""


class Playing:
    """Which step it is while they play. Pure; times are `time.monotonic()`. [s]"""

    def __init__(self) -> None:
        self._since: float | None = None
        self._first = 0

    @property
    def on(self) -> bool:
        return self._since is not None

    def begin(self, step: int | None, last: int, now: float) -> None:
        """Play on from a step; from the noise where all are shown, or the last one is."""
        self._first = 0 if step is None or step >= last else step
        self._since = now

    def stop(self) -> None:
        self._since = None

    def step(self, last: int, now: float) -> int:
        """The step to show. It stops at the last."""
        if self._since is None:
            return last
        step = self._first + int((now - self._since) * RATE)
        if step >= last:
            self.stop()
        return min(step, last)


class StepPlayer:
    """The widgets."""

    def __init__(self, choose: Callable[[int | None], None]) -> None:
        """
        Args:
            choose: Told the step to show, None for all of them.
        """
        self._choose = choose
        self._playing = Playing()
        self._last = 1
        self._step: int | None = None
        self._words = ""

    def build(self) -> None:
        """Make the widgets in the container that is open."""
        with dpg.group(horizontal=True):
            self._play = dpg.add_button(label="▶", callback=self._toggle)
            hint("Play the denoising steps from noise to action")
            self.slider = dpg.add_slider_int(
                min_value=0, max_value=1, clamped=True, no_input=True, callback=lambda _, step: self._pick(int(step))
            )
            hint("Which denoising step is drawn: 0 is the noise, the last is the chunk itself")
            self._all = dpg.add_button(label="All", callback=lambda: self._pick(None))
            hint("Draw all steps at once, grey at the noise, green at the action")

    def place(self, inner: int, metrics: Metrics) -> None:
        """Take a width. [px]"""
        px = metrics.px
        dpg.configure_item(self._play, width=px(34))
        dpg.configure_item(self._all, width=px(40))
        dpg.configure_item(self.slider, width=inner - px(34) - px(40) - 2 * px(6))

    def update(self, step: int | None, last: int, told: str) -> None:
        """Show a step, and move on while playing.

        Args:
            step: The step that is shown, None for all.
            last: Of how many.
            told: What the slider says of it.
        """
        self._step = step
        if last != self._last:
            self._last = last
            self._playing.stop()
            dpg.configure_item(self.slider, max_value=max(last, 1))
        if self._playing.on:
            wanted = self._playing.step(last, time.monotonic())
            if wanted != step:
                self._choose(wanted)
        write_value(self.slider, last if step is None else step)
        # A per cent sign would be the slider's own.
        told = told.replace("%", "%%")
        if told != self._words:
            self._words = told
            dpg.configure_item(self.slider, format=told)
        label = "❚❚" if self._playing.on else "▶"
        if dpg.get_item_label(self._play) != label:
            dpg.set_item_label(self._play, label)

    def stop(self) -> None:
        """There is nothing to play any more."""
        self._playing.stop()

    def _toggle(self) -> None:
        if self._playing.on:
            self._playing.stop()
        else:
            self._playing.begin(self._step, self._last, time.monotonic())

    def _pick(self, step: int | None) -> None:
        self._playing.stop()
        self._choose(step)

    def pick(self, step: int) -> None:
        """Go to a step that was clicked elsewhere."""
        self._pick(step)
