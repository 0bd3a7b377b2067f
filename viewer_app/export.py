"""Recordings to tiled videos, without a window: which moments, in which views, into which file.

What is exported is what the window shows at that step: the same renderer draws it. Two threads draw every other
picture each, so that one computes overlays while the other waits for OpenGL; ffmpeg encodes in a process of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from queue import Empty, Queue

import numpy as np
from numpy.typing import NDArray

from recordings.folder import Recording
from recordings.video import QUALITY, Video, open_video
from viewer_app.overlays import OVERLAYS
from viewer_app.questions import Answers
from viewer_app.scene import Scene
from viewer_app.strips import named_strips
from viewer_app.tiles import Layout
from viewer_app.tiling import Composer, Moment, picture_size
from viewer_app.trace import Trace
from viewer_app.types import WhiskersError
from viewer_app.view import OverlayChoice

ALL = "all"
"""Names all traces of a recording."""
_PAINTERS = 2
"""Threads that draw."""
_AHEAD = 2
"""Pictures that each of them may be ahead of the encoder."""


@dataclass(frozen=True)
class Take:
    """What is shown in one lane."""

    trace: Trace
    length: int
    """Steps of the trace that may be read."""
    answers: Answers = Answers()  # noqa: RUF009 (frozen, so it can be shared)
    """What the policy answered when it was asked: overlays show it where it was."""


@dataclass(frozen=True)
class Clip:
    """One episode, or part of it, in one lane or in several at the same moments."""

    lanes: tuple[Take, ...]
    begin: int = 0
    """First moment to show."""
    end: int | None = None
    """Last moment to show; None is the last one of the longest lane. A lane that ends earlier shows its last moment."""
    note: str = ""
    """What the caption is to say besides."""

    @property
    def reach(self) -> int:
        """The last moment that there is."""
        return max(take.length for take in self.lanes)


@dataclass(frozen=True)
class Plan:
    """Everything that decides a video."""

    scene: Scene
    clips: tuple[Clip, ...]
    """Shown one after another."""
    layout: Layout
    path: Path
    """Its ending says what is written; see `recordings.video`."""
    strips: tuple[str, ...] = ()
    """Bands under the views, from top to bottom: names of `strips.STRIPS`."""
    fps: float | None = None
    """Pictures a second; None is one for each control step at speed 1. [Hz]"""
    speed: float = 1.0
    """Simulated seconds per second of video."""
    quality: int = QUALITY
    """Constant rate factor of MP4, 0 .. 51, lower is better."""
    lossless: bool = False
    """Whether to refuse a kind of file that is not equal to the bit."""
    force: bool = False
    """Whether to replace what has the name already."""
    keep_partial: bool = False
    """Whether a video that is stopped is kept up to there. Otherwise nothing is left of it."""

    @property
    def rate(self) -> float:
        """Pictures a second. [Hz]"""
        return self.scene.spec.control_hz if self.fps is None else self.fps

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture. [px]"""
        return picture_size(self.layout, named_strips(self.scene, self.strips))

    @property
    def frames(self) -> int:
        return sum(len(self.steps(clip)) for clip in self.clips)

    def steps(self, clip: Clip) -> range | list[int]:
        """The step that each picture of a clip shows: begin + floor(i * speed * control rate / rate), up to the end."""
        last = clip.reach if clip.end is None else clip.end
        stride = _exact(self.speed) * _exact(self.scene.spec.control_hz) / _exact(self.rate)
        count = (last - clip.begin + 1) / stride
        pictures = range(-(-count.numerator // count.denominator))
        return [clip.begin + (each * stride).__floor__() for each in pictures]

    def moments(self) -> Iterator[tuple[Moment, ...]]:
        """What each picture shows, lane by lane."""
        for clip in self.clips:
            for step in self.steps(clip):
                yield tuple(
                    Moment(take.trace, take.length, min(step, take.length), take.answers, clip.note)
                    for take in clip.lanes
                )

    def check(self) -> None:
        """
        Raises:
            WhiskersError: If this cannot be exported; one sentence says why.
        """
        self.layout.check()
        named_strips(self.scene, self.strips)
        if not self.clips:
            raise WhiskersError("There is no episode to export.")
        for noun, value in (("speed", self.speed), ("number of pictures a second", self.rate)):
            if not 0.001 <= value <= 1000:
                raise WhiskersError(f"The {noun} must be between 0.001 and 1000, found {value:g}.")
        for clip in self.clips:
            self._check_clip(clip)

    def _check_clip(self, clip: Clip) -> None:
        last = clip.reach if clip.end is None else clip.end
        names = " and ".join(dict.fromkeys(take.trace.name for take in clip.lanes))
        if not clip.reach:
            raise WhiskersError(f"Nothing was executed in {names}: there is nothing to export.")
        if clip.begin == last:
            raise WhiskersError(f"The range {clip.begin}..{last} of {names} has no length; end it after it begins.")
        if not 0 <= clip.begin < last <= clip.reach:
            raise WhiskersError(f"The range {clip.begin}..{last} does not lie in {names}, which has 0..{clip.reach}.")
        for tile in self.layout.tiles:
            if tile.lane >= len(clip.lanes):
                raise WhiskersError(f"A view is of lane {tile.lane + 1}; {names} has {len(clip.lanes)}.")
            policy = clip.lanes[tile.lane].trace.policy
            if tile.policy_camera and policy is not None and tile.policy_camera not in policy.cameras:
                raise WhiskersError(
                    f"Policy {policy.name} does not look through camera {tile.policy_camera!r}; it looks through "
                    f"{', '.join(policy.cameras) or 'none'}."
                )


def _exact(number: float) -> Fraction:
    """The fraction that a person means: 0.1 is a tenth, so that no picture comes a step late."""
    return Fraction(number).limit_denominator(100_000)


@dataclass(frozen=True)
class Exported:
    """What was written."""

    file: str
    frames: int
    width: int
    """[px]"""
    height: int
    """[px]"""
    fps: float
    """[Hz]"""
    seconds: float
    """Length of the video. [s]"""


def export(
    plan: Plan, report: Callable[[int, int], None] | None = None, stop: Callable[[], bool] | None = None
) -> Exported | None:
    """Draw and encode a video. It may run on any thread, beside a session that goes on.

    Args:
        plan: What to write.
        report: Told after each picture how many are done, and how many there are in all.
        stop: Asked before each picture; true ends the export.

    Returns:
        What was written; None if it was stopped and nothing was kept.

    Raises:
        WhiskersError: If it cannot be done. Nothing is left behind, and what had the name keeps it.
    """
    plan.check()
    width, height = plan.size
    total = plan.frames
    stopped = False
    with ExitStack() as stack:
        video = stack.enter_context(
            open_video(plan.path, width, height, plan.rate, plan.quality, plan.lossless, plan.force)
        )
        painters = [_Painter(plan, video, number) for number in range(_PAINTERS)]
        for painter in painters:
            painter.start()
            stack.callback(painter.stop)
        for number in range(total):
            if stop is not None and stop():
                stopped = True
                break
            video.append(painters[number % len(painters)].next())
            if report is not None:
                report(number + 1, total)
        if stopped and not (plan.keep_partial and video.frames):
            video.discard()
            return None
    return Exported(str(plan.path), video.frames, width, height, plan.rate, video.frames / plan.rate)


class _Painter(threading.Thread):
    """Draws one of every few pictures of a plan, a little ahead of whoever takes them."""

    def __init__(self, plan: Plan, video: Video, number: int) -> None:
        """
        Args:
            plan: What to draw.
            video: Says how a picture is to be handed over.
            number: Of the painter: it begins with this picture.
        """
        super().__init__(name=f"export {number}", daemon=True)
        self._plan = plan
        self._video = video
        self._number = number
        self._ready: Queue[NDArray[np.uint8] | Exception] = Queue(_AHEAD)
        self._stopping = False

    def run(self) -> None:
        plan = self._plan
        try:
            with Composer(plan.scene, plan.layout, named_strips(plan.scene, plan.strips)) as composer:
                for moments in islice(plan.moments(), self._number, None, _PAINTERS):
                    if self._stopping:
                        return
                    self._ready.put(self._video.prepare(composer.compose(moments)))
        except Exception as error:
            self._ready.put(error)

    def next(self) -> NDArray[np.uint8]:
        """Its next picture, as the video takes it. What went wrong on the thread is raised here."""
        ready = self._ready.get()
        if isinstance(ready, Exception):
            raise ready
        return ready

    def stop(self) -> None:
        """Draw no more, and free what the thread holds."""
        self._stopping = True
        while self.is_alive():
            with suppress(Empty):
                self._ready.get_nowait()
            self.join(0.02)


def clips_of(
    recording: Recording,
    traces: Sequence[str] = (),
    begin: int = 0,
    end: int | None = None,
    lanes: Sequence[int] = (),
) -> tuple[Clip, ...]:
    """Episodes and branches of a recording.

    Args:
        recording: Opened.
        traces: Their names, in the order in which to show them; `all` are all; none is the last in which something was
            executed. A lane without a trace of that name shows its last.
        begin, end: First and last moment to show of each; None is the last there is.
        lanes: Which lanes to show side by side, counted from 0; none are all.

    Raises:
        WhiskersError: If there is no such trace or lane; the sentence lists those that there are.
    """
    for lane in lanes:
        if not 0 <= lane < len(recording.lanes):
            raise WhiskersError(f"There is no lane {lane + 1} in {recording.folder}; it has {len(recording.lanes)}.")
    shown = [recording.lanes[lane] for lane in lanes] or list(recording.lanes)
    # Traces of several lanes with the same name are of the same moments.
    known = list(dict.fromkeys(trace.name for lane in shown for trace in lane if len(trace)))
    if not known:
        raise WhiskersError(f"Nothing was executed in {recording.folder}: there is nothing to export.")
    names = known if list(traces) == [ALL] else list(traces) or [shown[0][-1].name if len(shown[0][-1]) else known[-1]]
    for name in names:
        if name not in known:
            raise WhiskersError(f"There is no trace {name!r} in {recording.folder}; there are {', '.join(known)}.")

    def take(lane: Sequence[Trace], name: str) -> Take:
        trace = next((trace for trace in lane if trace.name == name), lane[-1])
        return Take(trace, len(trace))

    note = len(known) > 1
    return tuple(Clip(tuple(take(lane, name) for lane in shown), begin, end, name if note else "") for name in names)


def chosen_overlays(names: Sequence[str]) -> OverlayChoice:
    """Exactly the overlays named, with the legend; without names the window's own choice; `none` draws nothing.

    Raises:
        WhiskersError: If there is no such overlay; the sentence lists those that there are.
    """
    choice = OverlayChoice()
    if not names:
        return choice
    known = [name for name, _ in OVERLAYS]
    wanted = [] if list(names) == ["none"] else names
    for name in wanted:
        if name not in known:
            raise WhiskersError(f"There is no overlay {name!r}; there are {', '.join(known)}, and none.")
    for name in known:
        choice = choice.having(name, name in wanted)
    return choice
