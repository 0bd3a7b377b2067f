"""How time passes in the window: playing through history, taking over from it at the head, and stepping.

Pure logic on frames: it says where to look and what to send, and draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from panels.actions import SPEEDS
from viewer_app.commands import Command, Pause, Run, Step
from viewer_app.view import Focus, Frame

_PATIENCE = 1.0
"""How long the engine may take to start or stop before what it says counts again. [s]"""

_THINKS_LONG = 0.25
"""A policy call that has lasted this long takes no further steps. [s]"""


@dataclass(frozen=True)
class Moved:
    """What a wish comes to."""

    focus: Focus
    commands: tuple[Command, ...] = ()


class Playback:
    """Plays the record, then the engine: one play button for both."""

    def __init__(self) -> None:
        self.speed = 1.0
        """Simulated seconds per second of wall clock."""
        self._in_history = False
        self._position = 0.0  # the step looked at, with its fraction, while history plays
        self._expected: bool | None = None  # whether the engine will run, once it has taken the last command
        self._expected_until = 0.0  # [s]

    def playing(self, frame: Frame) -> bool:
        """Whether time passes, in history or at the head."""
        return self._in_history or self._runs(frame)

    def _runs(self, frame: Frame) -> bool:
        return frame.view.running if self._expected is None else self._expected

    def _expect(self, running: bool, now: float) -> None:
        self._expected, self._expected_until = running, now + _PATIENCE

    def toggle(self, frame: Frame, now: float) -> Moved:
        """Play or pause.

        Args:
            frame: What is looked at.
            now: `time.monotonic()`. [s]
        """
        if self.playing(frame):
            return self.pause(frame, now)
        if _at_end(frame) and not frame.at_head:
            # The end of an earlier trace has no future to play: begin it again.
            self._in_history, self._position = True, 0.0
            return Moved(replace(frame.focus, step=0))
        if not _at_end(frame):
            self._in_history, self._position = True, float(frame.clock)
            return Moved(replace(frame.focus, step=frame.clock))
        return self._run(frame, now)

    def _run(self, frame: Frame, now: float) -> Moved:
        self._in_history = False
        self._expect(True, now)
        return Moved(replace(frame.focus, step=None), (Run(self.speed),))

    def pause(self, frame: Frame, now: float) -> Moved:
        """Stop time."""
        self._in_history = False
        if not self._runs(frame):
            return Moved(frame.focus)
        self._expect(False, now)
        return Moved(frame.focus, (Pause(),))

    def pass_time(self, frame: Frame, elapsed: float, now: float) -> Moved:
        """Go on while playing.

        Args:
            frame: What is looked at.
            elapsed: Wall clock since the last call. [s]
            now: Wall clock. [s]
        """
        if self._expected is not None and (frame.view.running == self._expected or now > self._expected_until):
            self._expected = None
        if not self._in_history:
            return Moved(frame.focus)
        # A stall of the window must not skip what someone watches.
        self._position += min(elapsed, 0.1) * self.speed / frame.view.scene.control_dt
        step = int(self._position)
        if step < frame.reach:
            return Moved(replace(frame.focus, step=step))
        self._in_history = False
        writing = frame.trace is frame.lane.now.trace
        if writing and any(lane.policy is not None and not lane.finished for lane in frame.view.lanes):
            return self._run(frame, now)
        return Moved(replace(frame.focus, step=None if writing else frame.reach))

    def seek(self, frame: Frame, step: int | None, now: float) -> Moved:
        """Look at a step; it stops time. At the head of the trace being written, follow it."""
        moved = self.pause(frame, now)
        writing = frame.trace is frame.lane.now.trace
        if step is not None:
            step = min(max(step, 0), frame.reach)
        if step is None or (step >= frame.reach and writing):
            return Moved(replace(moved.focus, step=None), moved.commands)
        return Moved(replace(moved.focus, step=step), moved.commands)

    def step_by(self, frame: Frame, count: int, now: float) -> Moved:
        """Go some steps forth or back; forth from the head takes real steps."""
        if count > 0 and frame.at_head:
            since = frame.lane.thinking_since
            if since is not None and now - since > _THINKS_LONG:
                # A held key must not pile up steps behind a slow policy.
                return Moved(frame.focus)
            self._in_history = False
            self._expect(False, now)
            return Moved(replace(frame.focus, step=None), (Step(count),))
        return self.seek(frame, frame.clock + count, now)

    def set_speed(self, frame: Frame, speed: float, now: float) -> Moved:
        """Play at another speed."""
        self.speed = speed
        if not self._in_history and self._runs(frame):
            return self._run(frame, now)
        return Moved(frame.focus)

    def faster(self, frame: Frame, rungs: int, now: float) -> Moved:
        """Go up, or with a negative number down, the ladder of speeds."""
        nearest = min(range(len(SPEEDS)), key=lambda rung: abs(SPEEDS[rung] - self.speed))
        return self.set_speed(frame, SPEEDS[min(max(nearest + rungs, 0), len(SPEEDS) - 1)], now)

    def forget(self) -> None:
        """Stop playing history: another trace is looked at."""
        self._in_history = False


def _at_end(frame: Frame) -> bool:
    return frame.clock >= frame.reach
