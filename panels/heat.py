"""Maps over a camera's picture: which one belongs to the step looked at, how it is coloured, what its legend says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from panels.asking import figure, insight_here
from viewer_app.insight import SAME
from viewer_app.questions import Attention, Occlusion
from viewer_app.types import Float32Array, FloatArray
from viewer_app.view import Frame


class MapKind(StrEnum):
    """What is laid over a picture."""

    NONE = "picture"
    OCCLUSION = "occlusion effect"
    ATTENTION = "attention"


# Red, green, blue, opacity in [0, 1] at evenly spaced values from nothing to the most.
_RAMPS: dict[MapKind, Float32Array] = {
    MapKind.OCCLUSION: np.array(
        [(1.0, 0.75, 0.2, 0.0), (1.0, 0.6, 0.1, 0.45), (0.95, 0.1, 0.05, 0.8)], dtype=np.float32
    ),
    MapKind.ATTENTION: np.array(
        [(0.1, 0.25, 0.9, 0.0), (0.2, 0.45, 1.0, 0.5), (0.95, 0.98, 1.0, 0.85)], dtype=np.float32
    ),
}


@dataclass(frozen=True)
class HeatMap:
    """What to lay over one camera's picture."""

    kind: MapKind
    values: FloatArray
    """Shape (rows, columns)."""
    top: float
    """The value that gets the strongest colour, the same for all cameras, so that they can be compared."""

    @property
    def title(self) -> str:
        """Its name and what its numbers are."""
        return "occlusion effect on the chunk" if self.kind is MapKind.OCCLUSION else "attention, share a cell"

    @property
    def words(self) -> str:
        """The legend: what the ramp's ends stand for, and the largest value of this picture."""
        most = float(self.values.max(initial=0.0))
        if self.kind is MapKind.OCCLUSION:
            scale, here = f"0 … {figure(self.top)} mm", figure(most)
        else:
            scale, here = f"0 … {100 * self.top:.2g} %", f"{100 * most:.2g}"
        return scale if most == self.top else f"{scale}, here {here}"


def map_for(frame: Frame, camera: str, kind: MapKind) -> HeatMap | None:
    """The map of the very step looked at, None where there is none: never one of another step.

    The picture under it may lag while someone scrubs; it is then not the one that the map is about.

    Args:
        frame: What is looked at.
        camera: Of which camera.
        kind: Which map.
    """
    moment = insight_here(frame)
    if moment is None or frame.seen_step != frame.step:
        return None
    if kind is MapKind.ATTENTION and not _attended_here(frame):
        return None
    match kind:
        case MapKind.OCCLUSION:
            maps = {name: each.effect for name, each in moment.occlusion.items()}
            # Below what can be seen in any drawing, a difference is not blown up to the strongest colour.
            least = SAME
        case MapKind.ATTENTION:
            maps, least = dict(moment.attention), 1e-6
        case MapKind.NONE:
            return None
    if camera not in maps:
        return None
    return HeatMap(kind, maps[camera], max(least, *(float(each.max(initial=0.0)) for each in maps.values())))


def _attended_here(frame: Frame) -> bool:
    """Whether what is known of the attention is of this step's picture and not of an earlier one's."""
    if frame.lane.answers.to(Attention, frame.trace, frame.step) is not None:
        return True
    chunk = frame.trace.chunk_asked_at(frame.step)
    return chunk is not None and "attention" in chunk.extras


def absent_words(frame: Frame, camera: str, kind: MapKind) -> str:
    """Why there is no map over a picture, and how to get one; empty where none is wanted."""
    if kind is MapKind.NONE:
        return ""
    if frame.trace.policy is not None and camera not in frame.trace.policy.cameras:
        return "the policy does not read it"
    question = Occlusion if kind is MapKind.OCCLUSION else Attention
    asking = frame.lane.asking
    if (
        asking is not None
        and isinstance(asking.question, question)
        and (asking.trace is frame.trace and asking.step == frame.step)
        and (not isinstance(asking.question, Occlusion) or asking.question.camera == camera)
    ):
        return f"being asked: {asking.done} of {asking.total}"
    name = camera if kind is MapKind.OCCLUSION else ""
    known = frame.lane.answers.to(question, frame.trace, frame.step, name) is not None
    return "…" if known else "not asked here: see tab Inputs"


def enlarged(values: FloatArray, width: int, height: int) -> FloatArray:
    """A map at the size of a picture, straight between the centres of its cells and level outside them.

    Args:
        values: Shape (rows, columns).
        width: [px]
        height: [px]

    Returns:
        Shape (height, width).
    """

    def between(cells: int, size: int) -> tuple[FloatArray, FloatArray]:
        """Lower cell of each pixel and its share of the way to the next."""
        at = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0, cells - 1)
        lower = np.minimum(np.floor(at), max(cells - 2, 0))
        return lower, at - lower

    rows, columns = values.shape
    row, down = between(rows, height)
    column, right = between(columns, width)
    top, left = row.astype(np.intp), column.astype(np.intp)
    bottom, after = np.minimum(top + 1, rows - 1), np.minimum(left + 1, columns - 1)
    upper = values[top][:, left] * (1 - right) + values[top][:, after] * right
    lower = values[bottom][:, left] * (1 - right) + values[bottom][:, after] * right
    mixed: FloatArray = upper * (1 - down)[:, None] + lower * down[:, None]
    return mixed


def coloured(kind: MapKind, share: FloatArray) -> Float32Array:
    """Colours of a map's values.

    Args:
        kind: Says which ramp.
        share: Of the strongest value. Shape (...).

    Returns:
        RGBA in [0, 1]. Shape (..., 4).
    """
    ramp = _RAMPS[kind]
    knots = np.linspace(0, 1, len(ramp))
    return np.stack([np.interp(share, knots, channel) for channel in ramp.T], axis=-1).astype(np.float32)


def lay_over(pixels: Float32Array, heat: HeatMap) -> None:
    """Lay a map over a picture. Where nothing has an effect the picture stays as it is.

    Args:
        pixels: Painted on. Shape (height, width, 4).
        heat: The map.
    """
    height, width, _ = pixels.shape
    colours = coloured(heat.kind, enlarged(heat.values, width, height) / heat.top)
    alpha = colours[..., 3:]
    pixels[..., :3] = pixels[..., :3] * (1 - alpha) + colours[..., :3] * alpha
