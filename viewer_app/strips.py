"""Bands under the views of a video: who drives and where it stands, what happened when, and what every joint did.

With several lanes each gets an equal part of the width. What stays the same throughout a clip is drawn once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from viewer_app.channels import Channel, without_prefix
from viewer_app.joint_units import unmeasured
from viewer_app.lettering import text_mask
from viewer_app.scene import Scene
from viewer_app.tiling import GROUND, INK, Moment, Strip, write
from viewer_app.types import FloatArray, ImageArray, WhiskersError

Rgb = tuple[int, int, int]

# The window's own colours.
PHASES: tuple[Rgb, ...] = ((60, 90, 120), (106, 90, 47), (63, 106, 76), (106, 69, 96), (77, 85, 96), (49, 97, 106))
ACTUAL: Rgb = (143, 193, 238)
COMMANDED: Rgb = (242, 193, 78)
GOOD: Rgb = (76, 195, 106)
BAD: Rgb = (239, 107, 98)
CONTACT: Rgb = (240, 140, 74)
DIM: Rgb = (141, 152, 167)
CELL: Rgb = (23, 27, 33)

_EDGE = 8
"""Between a strip's content and its sides. [px]"""
_NARROW = 520
"""Lanes narrower than this get smaller letters in their caption. [px]"""
_REMEMBERED = 16
"""Still pictures that a strip keeps: more than there are lanes."""
_SHIFT = 4
"""Fractional bits of OpenCV's sub-pixel coordinates."""


class _Stills:
    """What of a strip stays the same throughout a clip."""

    def __init__(self, paint: Callable[[ImageArray, Moment], None]) -> None:
        self._paint = paint
        self._known: OrderedDict[tuple[object, ...], tuple[Moment, ImageArray]] = OrderedDict()

    def put(self, place: ImageArray, moment: Moment) -> None:
        """Fill a lane's part of the band with it."""
        key = (id(moment.trace), moment.length, moment.note, place.shape)
        if key not in self._known:
            still = np.full(place.shape, GROUND, np.uint8)
            self._paint(still, moment)
            # The moment is kept beside it, so that the trace's id cannot be given to another one.
            self._known[key] = (moment, still)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        place[:] = self._known[key][1]


class Caption:
    """Checkpoint, seed and note on the left; phase or outcome, step and time on the right."""

    height = 30

    def __init__(self, scene: Scene) -> None:
        self._stills = _Stills(self._paint)

    def draw(self, band: ImageArray, moments: Sequence[Moment]) -> None:
        for place, moment in _lanes(band, moments):
            self._stills.put(place, moment)
            trace, step, size = moment.trace, moment.step, _letters(place.shape[1])
            where = text_mask(_where(moment, step), size)
            right = place.shape[1] - _EDGE - where.shape[1]
            write(place, where, max(right, 0), 6, INK)
            outcome, success = trace.outcome(step), bool(np.asarray(trace.column("success"))[step])
            words = text_mask(_lower(outcome or trace.phase(step)), size)
            right -= 2 * _EDGE + words.shape[1]
            if right >= 0:
                write(place, words, right, 6, DIM if not outcome else GOOD if success else BAD)

    def _paint(self, still: ImageArray, moment: Moment) -> None:
        trace, size = moment.trace, _letters(still.shape[1])
        name = trace.policy.name if trace.policy is not None else "no policy"
        parts = (name, f"seed {trace.seed}", moment.note)
        longest = max(
            text_mask(_lower(words), size).shape[1] for words in (*trace.phases, *trace.outcomes, "-") if words
        )
        taken = text_mask(_where(moment, moment.length), size).shape[1] + longest + 6 * _EDGE
        mask = _shortened(" · ".join(part for part in parts if part), size, still.shape[1] - taken)
        if mask is not None:
            write(still, mask, _EDGE, 6, INK)


def _where(moment: Moment, step: int) -> str:
    """Figure spaces are as wide as digits: nothing jumps while the numbers grow."""
    length = moment.length
    time = np.asarray(moment.trace.column("time"), np.float64)
    seconds, last = f"{time[step] - time[0]:.2f}", f"{time[length] - time[0]:.2f}"
    return f"step {_padded(str(step), str(length))} / {length}   {_padded(seconds, last)} s"


class Timeline:
    """Phases as bands with their names, a tick for every new chunk, a bar where the gripper touches, and the moment."""

    height = 40

    def __init__(self, scene: Scene) -> None:
        self._stills = _Stills(self._paint)

    def draw(self, band: ImageArray, moments: Sequence[Moment]) -> None:
        for place, moment in _lanes(band, moments):
            self._stills.put(place, moment)
            _draw_cursor(place, moment, 1, self.height - 2)

    def _paint(self, still: ImageArray, moment: Moment) -> None:
        trace, length, width = moment.trace, moment.length, still.shape[1]
        top, middle, bottom = 4, 28, 36
        phase = np.asarray(trace.column("phase", length))
        contact = np.asarray(trace.column("contact", length), bool)
        # Each column of pixels shows the step that it lies in. The head is a moment: nothing was executed there yet.
        inside = width - 2 * _EDGE
        steps = np.arange(inside) * max(length, 1) // inside
        band = still[:, _EDGE : width - _EDGE]
        band[top:middle] = np.array(PHASES, np.uint8)[phase[steps] % len(PHASES)]
        band[middle + 1 : bottom, contact[steps]] = CONTACT
        arrived = np.array([chunk.arrived for chunk in trace.chunks if 0 <= chunk.arrived <= length], int)
        ticks = np.unique(_x(arrived, length, width).astype(int))
        # Where boundaries stand closer than 3 px they become a lighter tone, or they would paint the phase over.
        share = 0.35 if len(ticks) > 1 and float(np.median(np.diff(ticks))) < 3 else 0.9
        tall = still[top : top + 8]
        tall[:, ticks] = ((1 - share) * tall[:, ticks] + share * np.array(INK)).astype(np.uint8)
        changes = np.flatnonzero(phase[1:] != phase[:-1]) + 1
        for begin, end in pairwise((0, *(int(at) for at in changes), length)):
            left, right = _x(np.array([begin, end]), length, width).astype(int)
            mask = text_mask(_lower(trace.phases[int(phase[begin])]), 11)
            if mask.shape[1] + 8 <= right - left:
                write(still, mask, int(left) + 4, top + 9, INK)


class Joints:
    """Every joint over time, in scene units: where it was, solid, and where it was told to be, dotted. Or every number
    of whatever else actions are: what was told, and what was measured where that is the same."""

    height = 170

    def __init__(self, scene: Scene) -> None:
        self._channels = scene.actions.each
        self._names = without_prefix(scene.action_names)
        self._measures = scene.measures_commands
        self._note = unmeasured(scene)
        self._stills = _Stills(self._paint)

    def draw(self, band: ImageArray, moments: Sequence[Moment]) -> None:
        for place, moment in _lanes(band, moments):
            self._stills.put(place, moment)
            for cell in self._cells(place):
                _draw_cursor(cell, moment, 18, cell.shape[0] - 2)

    def _cells(self, place: ImageArray) -> list[ImageArray]:
        """Each number's part, side by side under the words about all."""
        edges = np.linspace(0, place.shape[1], len(self._channels) + 1).astype(int)
        return [place[20:-2, begin:end] for begin, end in pairwise(edges)]

    def _paint(self, still: ImageArray, moment: Moment) -> None:
        left = _EDGE
        for words, colour in (("measured", ACTUAL), ("commanded", COMMANDED))[not self._measures :]:
            _draw_curve(still, np.array([[left, 10], [left + 24, 10]], float), colour, dotted=colour is COMMANDED)
            mask = text_mask(words, 12)
            write(still, mask, left + 30, 3, INK)
            left += 30 + mask.shape[1] + 2 * _EDGE
        note = _shortened(self._note, 12, still.shape[1] - left - _EDGE)
        if note is not None and self._note:
            write(still, note, left, 3, DIM)
        state = np.asarray(moment.trace.column("state", moment.length), np.float64)
        action = np.asarray(moment.trace.column("action", moment.length), np.float64)
        for number, (cell, channel) in enumerate(zip(self._cells(still), self._channels, strict=True)):
            measured = state[:, number] if self._measures else np.zeros(0)
            self._paint_channel(cell, channel, self._names[number], measured, action[:, number])

    def _paint_channel(
        self, cell: ImageArray, channel: Channel, name: str, measured: FloatArray, commanded: FloatArray
    ) -> None:
        height, width, _ = cell.shape
        cell[18:, _EDGE // 2 : width - _EDGE // 2] = CELL
        both = np.concatenate([measured, commanded])
        if not len(both):
            return
        low, high = float(both.min()), float(both.max())
        unit = {"deg": "°", "-100..100": "", "0..100": "", "": ""}.get(channel.unit, f" {channel.unit}")
        decimals = {"rad": 2, "m": 3, "": 2}.get(channel.unit, 0)
        # Adding 0 makes -0 a 0.
        first, last = (f"{round(end, decimals) + 0.0:.{decimals}f}" for end in (low, high))
        span = text_mask(f"{first} … {last}{unit}", 11)
        title = _shortened(name.replace("_", " "), 12, width - 2 * _EDGE)
        beside = title is not None and title.shape[1] + span.shape[1] + 3 * _EDGE <= width
        if title is not None:
            write(cell, title, _EDGE, 1, INK)
        if span.shape[1] <= width:
            write(cell, span, max(width - span.shape[1] - _EDGE, 0), 2 if beside else 19, DIM)
        # A joint that stands still is a line in the middle.
        share = (both - low) / (high - low) if high > low else np.full(len(both), 0.5)
        y = height - 7 - share * (height - (30 if beside else 44))
        x = _x(np.arange(len(commanded) + 1), len(commanded), width)
        _draw_curve(cell, np.stack([x[: len(measured)], y[: len(measured)]], axis=1), ACTUAL)
        _draw_curve(cell, np.stack([x[:-1], y[len(measured) :]], axis=1), COMMANDED, dotted=True)


STRIPS: Mapping[str, Callable[[Scene], Strip]] = {"caption": Caption, "timeline": Timeline, "joints": Joints}
"""What a person calls each strip."""


def named_strips(scene: Scene, names: Sequence[str]) -> tuple[Strip, ...]:
    """Strips of one's own, from top to bottom: they remember pictures, so each thread needs its own.

    Raises:
        WhiskersError: If there is no such strip; the sentence lists those that there are.
    """
    for name in names:
        if name not in STRIPS:
            raise WhiskersError(f"There is no strip {name!r}; there are {', '.join(STRIPS)}.")
    return tuple(STRIPS[name](scene) for name in names)


def _lanes(band: ImageArray, moments: Sequence[Moment]) -> Iterator[tuple[ImageArray, Moment]]:
    """Each lane's part of a band."""
    edges = np.linspace(0, band.shape[1], len(moments) + 1).astype(int)
    for (begin, end), moment in zip(pairwise(edges), moments, strict=True):
        yield band[:, begin:end], moment


def _x(steps: NDArray[np.int_], length: int, width: int) -> FloatArray:
    """Where moments stand in a lane's part of a band of some width. [px]"""
    return np.asarray(_EDGE + (width - 2 * _EDGE - 1) * steps / max(length, 1), np.float64)


def _draw_cursor(place: ImageArray, moment: Moment, top: int, bottom: int) -> None:
    x = int(_x(np.array([moment.step]), moment.length, place.shape[1])[0])
    place[top:bottom, x] = INK


def _draw_curve(place: ImageArray, points: FloatArray, colour: Rgb, dotted: bool = False) -> None:
    """Draw a curve whose x ascend. Shape (P, 2). [px]"""
    if not len(points):
        return
    pieces = [points]
    if dotted:
        x = np.arange(points[0, 0], points[-1, 0] + 1)
        along = np.stack([x, np.interp(x, points[:, 0], points[:, 1])], axis=1)
        pieces = [along[begin : begin + 3] for begin in range(0, len(along), 5)]
    layer = np.ascontiguousarray(place)
    paths = [np.round(piece * (1 << _SHIFT)).astype(np.int32) for piece in pieces]
    cv2.polylines(layer, paths, isClosed=False, color=colour, thickness=1, lineType=cv2.LINE_AA, shift=_SHIFT)
    place[:] = layer


def _letters(width: int) -> int:
    """Size of a caption's letters in a lane's part of the width. [px]"""
    return 14 if width >= _NARROW else 11


def _lower(name: str) -> str:
    return name.replace("_", " ").lower()


def _padded(number: str, like: str) -> str:
    """A number with figure spaces in front, as long as another."""
    return number.rjust(len(like), "\u2007")


def _shortened(words: str, size: int, room: int) -> ImageArray | None:
    """Words as pixels, their end left out where they are wider than the room; None where nothing fits."""
    kept = words
    while len(kept) > 2:
        mask = text_mask(kept if kept == words else f"{kept}…", size)
        if mask.shape[1] <= room:
            return mask
        kept = kept[:-1].rstrip()
    return None
