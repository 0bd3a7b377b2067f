"""What else the policy would do, or would have done, at one moment: the one source of what is drawn and said of it.

Pure functions of a trace and of what the policy answered when asked; paths are computed with the caller's `Paths`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from viewer_app.chunking import TemporalEnsemble, members_of, plan_from
from viewer_app.insight import SAME, Effect, Gap, SamplesInsight, Spread
from viewer_app.paths import Paths
from viewer_app.questions import Ablation, Answers, Denoising, Ensemble, Samples
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Float32Array, FloatArray

_LARGEST_EXPONENT = 80.0
"""Beyond about exp(88) float32 has no numbers."""


def gap_between(one: FloatArray, other: FloatArray) -> Gap | None:
    """How far two paths are apart over the rows that both have; None where there are none.

    Args:
        one, other: Shapes (A, 3) and (B, 3). [m] What is not finite is not compared.
    """
    rows = min(len(one), len(other))
    apart = 1000 * np.linalg.norm(one[:rows] - other[:rows], axis=1)
    apart = apart[np.isfinite(apart)]
    return Gap(float(apart[-1]), float(apart.max()), len(apart)) if len(apart) else None


def farthest(points: FloatArray) -> float:
    """Largest distance of any known point from the mean of all, 0 where there are none. Shape (P, 3) [m] to [mm]."""
    points = points[np.isfinite(points).all(axis=-1)]
    if not len(points):
        return 0.0
    return float(1000 * np.linalg.norm(points - points.mean(axis=0), axis=1).max())


@dataclass(frozen=True)
class Predictions:
    """What each chunk that says something about a step says about it, oldest first."""

    chunks: tuple[ActionChunk, ...]
    rows: Float32Array
    """Scene units. Shape (members, n)."""
    spread: float
    """Largest distance of any of them from their mean, by kinematics. [mm]"""


def predictions_of(
    chunks: Sequence[ActionChunk], paths: Paths, trace: Trace, step: int, site: int | None = None
) -> Predictions:
    """What chunks say about a step; those that say nothing about it are left out.

    Args:
        chunks: Oldest first.
        paths: Computes where the rows would put the site.
        trace: Says where everything else is.
        step: The control step.
        site: Number of the site in the model; None is the end effector.
    """
    members = tuple(members_of(chunks, step))
    if not members:
        return Predictions((), np.zeros((0, paths.scene.n_action), np.float32), 0.0)
    rows = np.stack([chunk.actions[step - chunk.start] for chunk in members])
    return Predictions(members, rows, farthest(paths.kinematics.path_of_each(rows, trace.snapshot(step), site)))


@dataclass(frozen=True)
class EnsembleAt:
    """The temporal ensemble at a step, executed or not."""

    what_if: bool
    """Whether it is not what is executed."""
    coefficient: float
    members: tuple[ActionChunk, ...]
    """Oldest first."""
    weights: FloatArray
    """Share of each member in row 0 of the plan. Shape (members,). They add up to 1."""
    plan: Float32Array
    """Scene units. Row 0 is for the step. Shape (rows, n)."""
    calls: int
    """Policy calls: one a step where it is executed, those of the question where it is a what-if."""
    seconds: float
    """What they took. [s]"""


def ensemble_at(trace: Trace, step: int, answers: Answers, coefficient: float) -> EnsembleAt | None:
    """The ensemble that is executed at a step, or else the one that would be if the policy were asked at every step.

    Args:
        trace: The episode.
        step: Which moment.
        answers: A what-if needs the answer to `Ensemble`.
        coefficient: Of a what-if. Where exp(-coefficient * i) would leave the numbers that float32 has, the nearest
            coefficient that does not is taken.

    Returns:
        None where the policy does not ensemble and nobody asked what if.
    """
    chunking = trace.settings_at(step).chunking
    if isinstance(chunking, TemporalEnsemble):
        plan = trace.plan(step)
        if plan is None:
            return None
        members = members_of(trace.chunks_in_force(step), step)
        return _ensemble(False, chunking, members, plan, 1, members[-1].latency)
    answer = answers.to(Ensemble, trace, step)
    if answer is None:
        return None
    members = list(answer.chunks.values())
    rows = max(len(chunk) for chunk in members)
    most = _LARGEST_EXPONENT / rows
    coefficient = min(max(coefficient, -most), most)
    weights = np.exp(np.float32(-coefficient) * np.arange(rows, dtype=np.float32))
    what_if = TemporalEnsemble(coefficient, tuple(float(weight) for weight in weights))
    scale = trace.policy.action_scale if trace.policy is not None else None
    plan = plan_from(members, step, what_if, scale)
    return _ensemble(True, what_if, members_of(members, step), plan, answer.calls, answer.seconds)


def _ensemble(
    what_if: bool,
    chunking: TemporalEnsemble,
    members: Sequence[ActionChunk],
    plan: Float32Array,
    calls: int,
    seconds: float,
) -> EnsembleAt:
    weights = np.array(chunking.weights[: len(members)], np.float64)
    return EnsembleAt(what_if, chunking.coefficient, tuple(members), weights / weights.sum(), plan, calls, seconds)


@dataclass(frozen=True)
class SamplesAt:
    """Other chunks that the policy would have given for one observation."""

    insight: SamplesInsight
    tips: FloatArray
    """Where they would put the site. Shape (K, H, 3). [m] K is 0 where nothing in the policy is random."""


def samples_at(paths: Paths, trace: Trace, step: int, answers: Answers, site: int | None = None) -> SamplesAt | None:
    """What sampling showed: at this step where it was asked about it, else when the chunk in force was asked for.

    Returns:
        None where nobody sampled.
    """
    answer = answers.to(Samples, trace, step)
    if answer is not None:
        if "samples" in answer.base.extras:
            return _from_latents(answer.base, paths, trace, site)
        if answer.chunks:
            tips = np.stack([paths.kinematics.path_of(chunk, trace, site) for chunk in answer.chunks.values()])
            return _sampled(step, tips, "samples")
        nothing = SamplesInsight(step, 0, None, True, "deterministic: nothing in it is random")
        return SamplesAt(nothing, np.zeros((0, 0, 3)))
    in_force = trace.chunks_in_force(step)
    if in_force and "samples" in in_force[-1].extras:
        return _from_latents(in_force[-1], paths, trace, site)
    return None


def denoising_at(trace: Trace, step: int, answers: Answers) -> ActionChunk | None:
    """The chunk whose denoising is known: this step's answer, else the one in force. None where neither is.

    That of the chunk in force was recorded with it, or told when the policy was asked about the step that it began at.
    Its `extras["denoising"]`, shape (S + 1, H, n), goes from noise to the chunk itself.
    """
    answer = answers.to(Denoising, trace, step)
    if answer is not None:
        return answer.base
    in_force = trace.chunks_in_force(step)
    if not in_force:
        return None
    chunk = in_force[-1]
    if "denoising" in chunk.extras:
        return chunk
    answer = answers.to(Denoising, trace, chunk.start)
    # Asked with other settings the policy told how another chunk comes about.
    if answer is not None and np.array_equal(answer.base.actions, chunk.actions):
        return answer.base
    return None


def _from_latents(chunk: ActionChunk, paths: Paths, trace: Trace, site: int | None) -> SamplesAt:
    samples = chunk.extras["samples"]
    noun = "latents from the prior" if trace.policy is not None and trace.policy.deterministic else "samples"
    return _sampled(chunk.start, paths.kinematics.path_for(samples, samples, trace, chunk.start, site), noun)


def _sampled(step: int, tips: FloatArray, noun: str) -> SamplesAt:
    """
    Args:
        step: The step whose observation it was.
        tips: Shape (K, H, 3). [m]
        noun: What the samples are, in words.
    """
    count, rows = tips.shape[:2]
    if count < 2:
        return SamplesAt(SamplesInsight(step, count, None, False, "1 sample: too few to tell a spread"), tips)
    spread = Spread(*(farthest(tips[:, -(-share * rows // 4) - 1]) for share in (1, 2, 4)))
    largest = max(farthest(tips[:, row]) for row in range(rows))
    deterministic = largest < SAME
    if deterministic:
        text = f"deterministic: {count} {noun} stay within {largest:.2f} mm"
    else:
        text = f"{count} samples, {spread.quarter:.1f} / {spread.half:.1f} / {spread.full:.1f} mm at 1/4, 1/2, 1 chunk"
    return SamplesAt(SamplesInsight(step, count, spread, deterministic, text), tips)


def effects_at(paths: Paths, trace: Trace, step: int, answers: Answers, site: int | None = None) -> tuple[Effect, ...]:
    """What each input does at a step, in the order of the answer to `Ablation`; empty where nobody asked."""
    answer = answers.to(Ablation, trace, step)
    if answer is None:
        return ()
    scene, path_of = paths.scene, paths.kinematics.path_of
    plain, last = path_of(answer.base, trace, site), scene.actions.to_shown(answer.base.actions[-1])
    found = []
    for name, chunk in answer.chunks.items():
        # An environment may not have said anything yet.
        gap = gap_between(path_of(chunk, trace, site), plain) or Gap(np.nan, np.nan, 0)
        found.append(Effect(name, gap.end, gap.largest, scene.actions.to_shown(chunk.actions[-1]) - last))
    return tuple(found)
