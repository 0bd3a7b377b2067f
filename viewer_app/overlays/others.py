"""Overlays of what else the policy says or would have said: members, ensembles, samples, blinded inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from viewer_app.alternatives import effects_at, ensemble_at, predictions_of, samples_at
from viewer_app.chunking import TemporalEnsemble
from viewer_app.overlays.colours import ENSEMBLE, INPUTS, MEMBER, SAMPLE, WHISKER
from viewer_app.overlays.primitives import Legend, Marker, Polyline, Primitive
from viewer_app.overlays.sight import Sight, asked_at
from viewer_app.questions import Ablation
from viewer_app.types import ActionChunk, FloatArray

_DASH, _GAP = 3, 2
"""Rows of a path that is not executed that are drawn, and that are left out, in turn."""


def members(sight: Sight) -> Sequence[Primitive]:
    """Every past chunk that says something about this step, older ones fainter, from this step on."""
    trace, step = sight.trace, sight.step
    said = predictions_of(sight.in_force, sight.paths, trace, step, sight.site)
    if not said.chunks:
        return ()
    ensembling = isinstance(trace.settings_at(step).chunking, TemporalEnsemble)
    noun = "ensemble members" if ensembling else "chunks that predicted this step"
    text = f"{noun} ({len(said.chunks)}), {said.spread:.1f} mm apart now"
    return (*_by_age(sight, said.chunks, 0.25, 0.80), Legend(MEMBER, text, note=True))


def ensemble(sight: Sight) -> Sequence[Primitive]:
    """The temporal ensemble: its members in grey, older ones fainter, and their weighted mean in green.

    Where the policy does not ensemble it is a what-if, which is dashed.
    """
    paths, trace, step = sight.paths, sight.trace, sight.step
    found = ensemble_at(trace, step, sight.answers, sight.choice.coefficient)
    if found is None:
        text = "what-if ensemble: the policy was not asked about this step"
        return (Legend(ENSEMBLE, text, note=True),) if trace.policy is not None else ()
    tips = paths.kinematics.path(found.plan, trace.snapshot(step), sight.site)
    alpha = np.full(max(len(tips) - 1, 0), 0.95)
    if found.what_if:
        alpha[np.arange(len(alpha)) % (_DASH + _GAP) >= _DASH] = 0.0
    name = "what-if ensemble" if found.what_if else "temporal ensemble"
    trust = _trust(found.coefficient) + (", not executed" if found.what_if else "")
    spread = predictions_of(found.members, paths, trace, step, sight.site).spread
    count = len(found.members)
    return (
        *_by_age(sight, found.members, 0.15, 0.60),
        Polyline(tips, ENSEMBLE, alpha, 3.0),
        Marker(tips[0], ENSEMBLE, 1.0, 4.0),
        Legend(
            ENSEMBLE, f"{name} c={found.coefficient:.3g}, {trust}; {count} chunks {spread:.1f} mm apart now", note=True
        ),
    )


def _trust(coefficient: float) -> str:
    """Which members a coefficient trusts, in words."""
    if coefficient == 0:
        return "all weigh alike"
    return "oldest weighs most" if coefficient > 0 else "newest weighs most"


def _by_age(sight: Sight, chunks: Sequence[ActionChunk], faintest: float, brightest: float) -> list[Polyline]:
    """Chunks, oldest first, from the step on."""
    lines = []
    for rank, chunk in enumerate(chunks, start=1):
        tips = sight.path_of(chunk)[sight.step - chunk.start :]
        opacity = faintest + (brightest - faintest) * rank / len(chunks)
        lines.append(Polyline(tips, MEMBER, np.full(max(len(tips) - 1, 0), opacity), 1.0, asked_at(chunk)))
    return lines


def samples(sight: Sight) -> Sequence[Primitive]:
    """What else the policy would have answered to the same observation; a note where it is always the same."""
    found = samples_at(sight.paths, sight.trace, sight.step, sight.answers, sight.site)
    if found is None:
        text = "samples: the policy was not asked about this step"
        return (Legend(SAMPLE, text, note=True),) if sight.trace.policy is not None else ()
    said = found.insight
    when = f" (observation of step {said.step})" if said.step != sight.step else ""
    legend = Legend(SAMPLE, said.text + when, note=True)
    if said.deterministic:
        return (legend,)
    begin = sight.step - said.step
    asked = said.step if said.step >= 0 else None
    return (*(line(tips[begin:], SAMPLE, 0.7, 1.0, asked) for tips in found.tips), legend)


def inputs(sight: Sight) -> Sequence[Primitive]:
    """What the policy would do with one input blinded, each in its colour, beside what it does with all of them."""
    answer = sight.answers.to(Ablation, sight.trace, sight.step)
    if answer is None or not isinstance(answer.question, Ablation):
        text = "blinded inputs: the policy was not asked about this step"
        return (Legend(INPUTS[0], text, note=True),) if sight.trace.policy is not None else ()
    asked = asked_at(answer.base)
    lines: list[Primitive] = []
    legends = [Legend(WHISKER, "with its inputs as they are")]
    effects = effects_at(sight.paths, sight.trace, sight.step, sight.answers, sight.site)
    for number, (effect, chunk) in enumerate(zip(effects, answer.chunks.values(), strict=True)):
        colour = INPUTS[number % len(INPUTS)]
        tips = sight.path_of(chunk)
        lines.append(line(tips, colour, 0.9, 2.0, asked))
        if effect.largest:
            lines.append(Marker(tips[-1], colour, 0.9, 3.0))
        change = f"{effect.end:.1f} mm at the end" if effect.largest else "changes nothing"
        change = change if np.isfinite(effect.largest) else "not simulated yet"
        legends.append(Legend(colour, f"{effect.name} blinded ({answer.question.mode}): {change}", note=True))
    # On top: what is hidden under it is the same.
    return (*lines, line(sight.path_of(answer.base), WHISKER, 0.95, 3.0, asked), *legends)


def line(
    tips: FloatArray, colour: tuple[float, float, float], alpha: float, width: float, asked: int | None
) -> Polyline:
    """A path of one opacity. `tips` has shape (P, 3). [m]"""
    return Polyline(tips, colour, np.full(max(len(tips) - 1, 0), alpha), width, asked)
