"""Overlays of a chunk that comes out of noise: its denoising steps, and what real-time chunking pulls it towards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from viewer_app.alternatives import denoising_at
from viewer_app.denoising import aims_of, away, draws_of, samples_of, settled_from, spread_of
from viewer_app.insight import SETTLED
from viewer_app.overlays.colours import DENOISED, GHOST, NOISE, SAMPLE, Colour
from viewer_app.overlays.others import line
from viewer_app.overlays.primitives import Legend, Marker, Polyline, Primitive
from viewer_app.overlays.sight import Sight, asked_at
from viewer_app.types import ActionChunk, FloatArray

_FAINT = 0.08
"""Opacity of the steps beside the one that is looked at."""


def denoising(sight: Sight) -> Sequence[Primitive]:
    """How the chunk comes out of noise: a whisker for each denoising step, grey at the noise, green at the action.

    The one step that was chosen is bright and the others faint. Drawn is the sample x_t, or the chunk that each step
    points to, the x0 estimate; beside it, where they were asked for, further draws of the noise.
    """
    chunk = denoising_at(sight.trace, sight.step, sight.answers)
    if chunk is None:
        text = "denoising: the policy was not asked about this step, or does not denoise"
        return (Legend(DENOISED, text, note=True),) if sight.trace.policy is not None else ()
    samples = samples_of(sight.paths, sight.trace, chunk, sight.site)  # (S + 1, H, 3)
    aims = aims_of(sight.paths, sight.trace, chunk, sight.site) if sight.choice.denoising_aim else None
    tips = samples if aims is None else aims
    chosen = sight.choice.denoising_step
    if chosen is not None:
        # Another chunk may have come about in fewer steps.
        chosen = min(max(chosen, 0), len(tips) - 1)
    untold = "; it does not tell its x0 estimates" if sight.choice.denoising_aim and aims is None else ""
    when = f" (observation of step {chunk.start})" if chunk.start != sight.step else ""
    words = _words(chunk, away(tips), chosen, "x0 estimate" if aims is not None else "x_t")
    return (
        *(_bundle(sight, chunk, samples, chosen) if sight.choice.denoising_bundle else ()),
        *_steps(sight, chunk, tips, chosen),
        Legend(DENOISED, words + untold + when, note=True),
    )


def _steps(sight: Sight, chunk: ActionChunk, tips: FloatArray, chosen: int | None) -> list[Polyline]:
    """A line for each denoising step, the chosen one on top."""
    begin = max(sight.step - chunk.start, 0)
    lines = []
    for number, path in enumerate(tips):
        share = number / max(len(tips) - 1, 1)
        alpha, width = 0.25 + 0.70 * share**2, 1.0 + 1.5 * share
        if chosen is not None:
            alpha, width = (0.95, 3.0) if number == chosen else (_FAINT, 1.0)
        lines.append(line(path[begin:], _colour(share), alpha, width, asked_at(chunk)))
    if chosen is not None:
        lines.append(lines.pop(chosen))
    return lines


def _colour(share: float) -> Colour:
    """From noise, 0, to the action, 1."""
    red, green, blue = (a + share * (b - a) for a, b in zip(NOISE, DENOISED, strict=True))
    return red, green, blue


def _words(chunk: ActionChunk, distances: FloatArray, chosen: int | None, what: str) -> str:
    """What the whiskers are, and how far from the chunk. `distances` has shape (S + 1,). [mm]"""
    last = len(distances) - 1
    if not np.isfinite(distances).all():
        return f"{what} of {last} denoising steps, not simulated to the end"
    if chosen is None:
        return (
            f"{what}, noise -> action in {last} denoising steps: at most {distances[0]:.0f} mm away at first, "
            f"within {SETTLED:g} mm from step {settled_from(distances)} on"
        )
    times = chunk.extras.get("denoising_times")
    at = f" (t = {times[chosen]:.3g})" if times is not None else ""
    if chosen == last:
        return f"denoising step {last} of {last}{at}: the chunk itself"
    return f"denoising step {chosen} of {last}{at}: {what}, at most {distances[chosen]:.1f} mm from the chunk"


def _bundle(sight: Sight, chunk: ActionChunk, samples: FloatArray, chosen: int | None) -> Sequence[Primitive]:
    """The further draws of the noise at the chosen step, or as they end."""
    draws = draws_of(sight.paths, sight.trace, chunk, sight.site)
    if draws is None:
        return ()
    number = samples.shape[0] - 1 if chosen is None else chosen
    begin = max(sight.step - chunk.start, 0)
    spread = float(spread_of(samples, draws)[number])
    what = " x_t" if sight.choice.denoising_aim else ""
    text = f"{len(draws) + 1} draws of the noise{what}: at most {spread:.1f} mm from their mean at the chunk's end"
    return (
        *(line(tips[number, begin:], SAMPLE, 0.7, 1.0, asked_at(chunk)) for tips in draws),
        Legend(SAMPLE, text, note=True),
    )


def guidance(sight: Sight) -> Sequence[Primitive]:
    """What real-time chunking drew the chunk in force towards: what was left of the one before, dotted.

    Each row is as opaque as it pulls.
    """
    if sight.trace.policy is None:
        return ()
    in_force = sight.in_force
    chunk = in_force[-1] if in_force else None
    weights = chunk.extras.get("guidance") if chunk is not None else None
    if chunk is None or weights is None:
        return (Legend(GHOST, _unguided(sight), note=True),)
    at = chunk.arrived
    before = sight.trace.chunks_in_force(at, asked_too=False) if at >= 0 else []
    setting = sight.trace.settings_at(at).guidance
    if not before or setting is None:
        text = "real-time chunking: this chunk was drawn towards one in an earlier episode"
        return (Legend(GHOST, text, note=True),)
    left = sight.path_of(before[-1])[chunk.start - before[-1].start :]
    begin = max(sight.step - chunk.start, 0)
    dots = [
        Marker(point, GHOST, float(weight), 2.0)
        for point, weight in zip(left[begin:], weights[begin:], strict=False)
        if weight > 0
    ]
    rows = min(int(np.count_nonzero(weights)), len(left))
    whose = f"the chunk of step {before[-1].start}" if before[-1].start >= 0 else "the earlier episode's last chunk"
    text = (
        f"real-time chunking: {rows} row{'s' * (rows != 1)} drawn towards {whose} "
        f"(horizon {setting.horizon}, delay {chunk.delay}, {setting.schedule}, weight {setting.weight:g})"
    )
    return (*dots, Legend(GHOST, text, note=True))


def _unguided(sight: Sight) -> str:
    """Why nothing pulls."""
    policy = sight.trace.policy
    assert policy is not None
    if not policy.guidable:
        return "real-time chunking: this policy cannot be guided"
    if sight.trace.settings_at(sight.step).guidance is None:
        return "real-time chunking is off"
    return "real-time chunking: nothing was left to draw this chunk towards"
