"""How early in denoising each chunk of an episode found where to go, painted over time. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from viewer_app.insight import SETTLED, Settled
from viewer_app.types import Float32Array, FloatArray


def shares(settled: Sequence[Settled]) -> tuple[FloatArray, FloatArray]:
    """Of how many denoising steps each chunk needed, as shares of all: those of the sample, and of the x0 estimate."""
    steps = np.array([max(each.steps, 1) for each in settled], np.float64)
    return np.array([each.sample for each in settled]) / steps, np.array([each.aim for each in settled]) / steps


def summary(settled: Sequence[Settled]) -> str:
    """All chunks in one line."""
    if not settled:
        return "None of this trace's chunks carries its denoising: tick at every call, then play."
    sample, aim = (100 * float(np.median(each)) for each in shares(settled))
    count = f"{len(settled)} chunk{'s' * (len(settled) != 1)}"
    return f"{count} settle: x_t at {sample:.0f} %, x0 at {aim:.0f} % (median)"


def words_of(settled: Settled) -> str:
    """One chunk in one line."""
    return (
        f"chunk of step {settled.step}: within {SETTLED:g} mm at {settled.sample} of {settled.steps} steps, "
        f"x0 at {settled.aim}"
    )


def nearest(settled: Sequence[Settled], step: float, reach: float) -> Settled | None:
    """The chunk asked for nearest to a control step, None where none is within `reach` steps."""
    best = min(settled, key=lambda each: abs(each.step - step), default=None)
    return best if best is not None and abs(best.step - step) <= reach else None


def paint_settled(
    settled: Sequence[Settled],
    domain: int,
    pixels: Float32Array,
    colours: tuple[Float32Array, Float32Array],
    ground: Float32Array,
    line: Float32Array,
) -> None:
    """Paint two squares for each chunk: at the bottom noise was enough, at the top it took the last step.

    Args:
        settled: In order of their steps.
        domain: Control steps that the whole width spans.
        pixels: Painted over. Shape (height, width, 4).
        colours: Of the sample, and of the x0 estimate, which lies on top. Shape (4,) each.
        ground: Shape (4,).
        line: Colour of the line at half of the steps. Shape (4,).
    """
    height, width, _ = pixels.shape
    pixels[:] = ground
    pixels[height // 2] = line
    if not settled:
        return
    size = 3 if len(settled) * 5 <= width else 2
    steps = np.array([each.step for each in settled], np.float64)
    left = np.clip(np.round(steps * width / max(domain, 1)).astype(np.int64), 0, width - size)
    for share, colour in zip(shares(settled), colours, strict=True):
        top = np.round((1 - share) * (height - size)).astype(np.int64)
        for down in range(size):
            for right in range(size):
                pixels[top + down, left + right] = colour
