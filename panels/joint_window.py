"""Which seconds the joint plots show: zoomed and panned with the mouse, or following the step looked at."""

from __future__ import annotations

import dearpygui.dearpygui as dpg
import numpy as np

_PAST, _FUTURE = 4.0, 3.5
"""What is shown around the step looked at, while it follows. [s]"""
_LONGEST = 36000.0
"""[s]"""


class TimeWindow:
    """A window of time, common to all plots."""

    def __init__(self, dt: float) -> None:
        """
        Args:
            dt: Duration of a control step. [s]
        """
        self._dt = dt
        self._chosen: tuple[float, float] | None = None  # by hand [s]; None follows the step looked at
        self._whole = False
        self._pan_from: float | None = None
        self._wheel = 0.0

    def follow(self) -> None:
        """Show the seconds around the step looked at."""
        self._chosen, self._whole = None, False

    def show_all(self) -> None:
        """Show the whole episode, also while it grows."""
        self._chosen, self._whole = None, True

    def wheel(self, clicks: float) -> None:
        """Tell how far the mouse wheel was turned since the last frame."""
        self._wheel += clicks

    def span(self, step: int, length: int) -> tuple[float, float]:
        """Begin and end. [s]

        Args:
            step: The step looked at.
            length: Of the trace. [steps]
        """
        if self._chosen is not None:
            return self._chosen
        if self._whole:
            return 0.0, max(length * self._dt, 1.0)
        begin = max(step * self._dt - _PAST, 0.0)
        return begin, begin + _PAST + _FUTURE

    def poll(self, span: tuple[float, float], hovered: bool, fraction: float, width: int) -> None:
        """Zoom and pan.

        Args:
            span: What is shown. [s]
            hovered: Whether the mouse is over a plot.
            fraction: How far across it the mouse is, 0 at the left edge of the curves.
            width: Of the curves. [px]
        """
        begin, end = span
        wheel, self._wheel = self._wheel, 0.0
        if hovered and wheel:
            at = begin + fraction * (end - begin)
            long = min(max((end - begin) * float(np.exp(-0.18 * wheel)), 10 * self._dt), _LONGEST)
            left = at - (at - begin) * long / (end - begin)
            self._chosen = (left, left + long)
        if hovered and dpg.is_mouse_button_double_clicked(dpg.mvMouseButton_Left):
            self.follow()
        elif hovered and dpg.is_mouse_button_clicked(dpg.mvMouseButton_Left):
            self._pan_from = fraction
        if self._pan_from is not None:
            if not dpg.is_mouse_button_down(dpg.mvMouseButton_Left):
                self._pan_from = None
            elif abs(moved := fraction - self._pan_from) * width >= 2:
                shift = moved * (end - begin)
                self._chosen = (begin - shift, end - shift)
                self._pan_from = fraction
