"""Ctrl+R: what was looked at and when, as data. The pictures are drawn again, at full size, when it is over.

A recording holds what the render thread was asked for, at most one entry for each picture of the video, and none while
nothing changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from viewer_app.render import Shot
from viewer_app.scene import Scene
from viewer_app.trace import Settings, Trace
from viewer_app.types import FloatArray, WhiskersError

FPS = 30.0
"""Pictures a second of the video. [Hz]"""
_SLACK = 1e-6
"""Rounding of a clock must not bring a picture late, in pictures."""
_COLUMNS = ("snapshot", "time", "state", "tip", "phase", "outcome", "success", "contact", "reward", "action")


@dataclass(frozen=True)
class Head:
    """What of a trace could still change when its head was looked at: until the next step it can be edited, and the
    chunk that the policy is being asked for is not there yet."""

    snapshot: FloatArray
    settings: tuple[tuple[int, Settings], ...]
    resets: tuple[int, ...]
    chunks: int
    """How many there were."""

    @classmethod
    def of(cls, trace: Trace, step: int) -> Head:
        return cls(trace.snapshot(step), trace.settings_changes, trace.resets, len(trace.chunks))

    def still(self, trace: Trace, step: int) -> bool:
        """Whether a step of a trace, looked at now, is as it was."""
        return (
            np.array_equal(self.snapshot, trace.snapshot(step))
            and [each for each in trace.settings_changes if each[0] <= step] == list(self.settings)
            and [at for at in trace.resets if at <= step] == list(self.resets)
            and not any(chunk.arrived <= step for chunk in trace.chunks[self.chunks :])
        )


@dataclass(frozen=True)
class Glimpse:
    """What was looked at, until the next one."""

    frame: int
    """The video's first picture that shows it."""
    shots: tuple[Shot, ...]
    """One for each lane, in the video's size."""
    heads: tuple[Head | None, ...]
    """For each lane; None where a step was looked at that cannot change."""

    def shots_then(self) -> tuple[Shot, ...]:
        """The shots, of traces as they were then."""
        both = zip(self.shots, self.heads, strict=True)
        return tuple(shot if head is None else shot_then(shot, head) for shot, head in both)


@dataclass(frozen=True)
class Footage:
    """A recording of what was looked at."""

    scene: Scene
    glimpses: tuple[Glimpse, ...]
    frames: int
    """Pictures in all."""
    columns: int
    """Of the lanes' pictures."""

    @property
    def tile(self) -> tuple[int, int]:
        """Width and height of each lane's picture. [px]"""
        shot = self.glimpses[0].shots[0]
        return shot.width, shot.height

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the video. [px]"""
        width, height = self.tile
        return width * self.columns, height * -(-len(self.glimpses[0].shots) // self.columns)

    @property
    def spans(self) -> tuple[tuple[Glimpse, int], ...]:
        """Each glimpse, and how many pictures show it."""
        ends = [glimpse.frame for glimpse in self.glimpses[1:]] + [self.frames]
        return tuple((glimpse, end - glimpse.frame) for glimpse, end in zip(self.glimpses, ends, strict=True))


class LookedAt:
    """One recording while it is being made. Used from the window's thread alone."""

    def __init__(self, scene: Scene, shots: tuple[Shot, ...], size: tuple[int, int], columns: int, now: float) -> None:
        """
        Args:
            scene: What is shown.
            shots: What is looked at, one for each lane.
            size: Width and height of each lane's picture in the window. It is kept, made even. [px]
            columns: In how many columns the window shows the lanes.
            now: Wall clock. [s]

        Raises:
            WhiskersError: If nothing is looked at yet.
        """
        if not shots:
            raise WhiskersError("There is no picture yet to record; try again when the scene is shown.")
        self.begin = now
        """Wall clock at which it began. [s]"""
        self._scene = scene
        self._width, self._height = (max(length - length % 2, 2) for length in size)
        self._columns = columns
        self._glimpses: list[Glimpse] = []
        self._seen: tuple[Shot, ...] = ()
        self.see(shots, now)

    @property
    def nbytes(self) -> int:
        """Bytes held for heads that could change; the rest is small and shared."""
        return sum(head.snapshot.nbytes for each in self._glimpses for head in each.heads if head is not None)

    def see(self, shots: tuple[Shot, ...], now: float) -> None:
        """Tell what is looked at now, as often as one likes: only what changed is kept.

        Args:
            shots: One for each lane. Whenever something changed it is another tuple.
            now: Wall clock. [s]
        """
        if shots is self._seen:
            return
        self._seen = shots
        sized = tuple(replace(shot, width=self._width, height=self._height) for shot in shots)
        heads = tuple(Head.of(shot.trace, shot.step) if shot.step == shot.length else None for shot in sized)
        last = self._glimpses[-1] if self._glimpses else None
        if last is not None and last.shots == sized and all(map(_same, last.heads, heads)):
            return
        frame = max(math.ceil((now - self.begin) * FPS - _SLACK), 0)
        if last is not None and last.frame == frame:
            # No picture of the video shows what was looked at for less than its share of a second.
            self._glimpses.pop()
        self._glimpses.append(Glimpse(frame, sized, heads))

    def end(self, now: float) -> Footage:
        """What was recorded: picture i shows what was looked at i / 30 s after the beginning."""
        frames = max(math.ceil((now - self.begin) * FPS - _SLACK), 1)
        glimpses = tuple(each for each in self._glimpses if each.frame < frames)
        return Footage(self._scene, glimpses, frames, self._columns)


def _same(a: Head | None, b: Head | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a.snapshot, b.snapshot) and (a.settings, a.resets, a.chunks) == (
        b.settings,
        b.resets,
        b.chunks,
    )


def shot_then(shot: Shot, head: Head) -> Shot:
    """A shot of a head as it was: on the very trace where that is the same, else on a copy of what it was then."""
    trace, step = shot.trace, shot.step
    if head.still(trace, step):
        return shot
    columns = {name: np.array(trace.column(name, step)) for name in _COLUMNS}
    columns["snapshot"][step] = head.snapshot
    then = Trace.from_columns(
        trace.name,
        trace.scene,
        trace.policy,
        trace.seed,
        trace.parent,
        trace.carried,
        columns,
        trace.chunks[: head.chunks],
        [event for event in trace.events if event.step <= step],
        head.settings,
        head.resets,
        trace.phases,
        trace.outcomes,
    )
    answers = shot.answers
    for answer in shot.answers.about(trace):
        answers = answers.having(replace(answer, trace=then))
    return replace(shot, trace=then, answers=answers)
