"""Seams between chunks: as rows of a list, and as bars over time. Data and paint, without a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from viewer_app.channels import without_prefix
from viewer_app.scene import Scene
from viewer_app.smoothness import Seam
from viewer_app.types import Float32Array, FloatArray


@dataclass(frozen=True)
class SeamRow:
    """One seam in figures."""

    step: int
    """First control step of the new chunk."""
    distance: float
    """Jump at the end effector. [mm] NaN where nobody can tell."""
    joint: str
    """The one that jumps most, or the number of whatever else actions are."""
    units: float
    """Its jump, with its sign. Scene units."""
    shown: float
    """The same in the unit in which it is shown."""
    unit: str = "deg"
    """That unit, empty where there is none."""

    @property
    def millimetres(self) -> str:
        """The jump at the end effector, a dash where nobody can tell."""
        return figure(self.distance, "{:.1f}")

    @property
    def cells(self) -> tuple[str, str]:
        """The jump in scene units, and as it is shown where that is something else."""
        if not self.unit:
            return f"{self.units:+.2f}", ""
        return f"{self.units:+.1f}", f"{self.shown:+.1f}"

    @property
    def words(self) -> str:
        """In one line."""
        units, shown = self.cells
        return f"step {self.step}: {self.millimetres} mm, {self.joint} {units}" + (
            f" = {shown} {self.unit}" if shown else ""
        )


def seam_rows(seams: Sequence[Seam], scene: Scene) -> tuple[SeamRow, ...]:
    """The figures of each seam.

    Args:
        seams: By step.
        scene: Knows the actions and their units. Which of them jumps most is told of those of one unit.
    """
    actions = scene.actions
    names = without_prefix(actions.names)
    found = []
    for seam in seams:
        joint = int(actions.leading[np.abs(seam.jump[actions.leading]).argmax()])
        units = float(actions.per_shown(seam.jump)[joint])
        found.append(
            SeamRow(seam.step, seam.distance, names[joint], units, float(seam.jump[joint]), actions.leading_unit)
        )
    return tuple(found)


def figure(value: float, form: str) -> str:
    """A number as it is shown: a dash where there are too few steps to say."""
    if np.isnan(value):
        return "-"
    return "infinite" if np.isinf(value) else form.format(value)


def round_top(largest: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is no less than `largest`: where an axis ends."""
    if not largest > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(largest))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= largest * (1 - 1e-9)))


def nearest_seam(rows: Sequence[SeamRow], step: float, reach: float) -> SeamRow | None:
    """The seam nearest to a step, None where none is within `reach` steps. Of two as near, the earlier one."""
    best = min(rows, key=lambda row: abs(row.step - step), default=None)
    return best if best is not None and abs(best.step - step) <= reach else None


def paint_bars(
    steps: Sequence[int],
    upper: FloatArray,
    lower: FloatArray,
    tops: tuple[float, float],
    domain: int,
    pixels: Float32Array,
    colours: tuple[Float32Array, Float32Array],
    ground: Float32Array,
    axis: Float32Array,
) -> None:
    """Paint a bar up and a bar down at each step. Where bars share a column of pixels, the longest is seen.

    Args:
        steps: Where the bars stand.
        upper: How long each is above the axis, not negative; NaN is no bar. Shape (bars,).
        lower: How long each is below it. Shape (bars,).
        tops: Lengths that reach the upper and the lower edge.
        domain: Steps that the whole width spans.
        pixels: Painted over. Shape (height, width, 4).
        colours: Of the upper and the lower bars. Shape (4,) each.
        ground: Shape (4,).
        axis: Colour of the line between. Shape (4,).
    """
    height, width, _ = pixels.shape
    middle = height // 2
    pixels[:] = ground
    thick = 3 if len(steps) * 6 <= width else 1
    long = np.zeros((2, width))
    at = np.minimum(np.round(np.asarray(steps) * width / max(domain, 1)).astype(np.int64), width - 1)
    for side, (values, top) in enumerate(zip((upper, lower), tops, strict=True)):
        for beside in range(-(thick // 2), thick // 2 + 1):
            np.maximum.at(long[side], np.clip(at + beside, 0, width - 1), np.nan_to_num(values) / top)
    rows = np.arange(height)[:, None]
    room = (middle, height - middle - 1)
    above = (rows < middle) & (middle - rows <= np.ceil(long[0] * room[0])[None])
    below = (rows > middle) & (rows - middle <= np.ceil(long[1] * room[1])[None])
    pixels[above], pixels[below] = colours
    pixels[middle] = axis
