"""Figures about an episode and about one moment of it, computed from `(trace, step)` and the policy's answers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np

from viewer_app.alternatives import (
    denoising_at,
    effects_at,
    ensemble_at,
    gap_between,
    predictions_of,
    samples_at,
)
from viewer_app.chunking import TemporalEnsemble
from viewer_app.denoising import insight_of, settled_of
from viewer_app.detectors import Finding, Thresholds, detect, out_of_reach
from viewer_app.divergence import LaneComparer
from viewer_app.insight import (
    Comparison,
    DenoisingInsight,
    EnsembleInsight,
    EpisodeInsight,
    Gap,
    MomentInsight,
    OcclusionInsight,
    Reach,
    Settled,
)
from viewer_app.memory import Memory
from viewer_app.paths import Paths
from viewer_app.placing import positions_of
from viewer_app.questions import Answers, Attention, Denoising, Occlusion, cell_label
from viewer_app.ranges import RangeReader
from viewer_app.scene import Scene
from viewer_app.smoothness import Seam, smoothness_of
from viewer_app.task import PROGRESS_SIZE
from viewer_app.trace import Trace
from viewer_app.tracking import Tracking, tracking_of
from viewer_app.types import ActionChunk, Float32Array, FloatArray, frozen
from viewer_app.view import OverlayChoice

_CHUNKS = 20_000
"""Of how many chunks the figures are remembered, so that those of a growing trace are computed once."""
_DENOISED = 256
"""Of how many chunks all about their denoising is remembered."""
_CUT = 0.01
"""A command that is this much past a limit is cut off; below it is rounding. [deg, mm, or the action's own unit]"""
_ATTENTION = "attention:"
"""What a chunk's extras call the attention to one camera begins so."""


class Analyst:
    """Computes figures. Holds scratch data, so one per thread."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._paths = Paths(scene)
        self._lanes = LaneComparer(self._paths)
        self._ranges = RangeReader(scene)
        self._seams: Memory[Seam] = Memory(_CHUNKS)
        self._settled: Memory[Settled] = Memory(_CHUNKS)
        self._denoised: Memory[DenoisingInsight] = Memory(_DENOISED)

    def episode(self, trace: Trace, length: int, thresholds: Thresholds) -> EpisodeInsight:
        """Figures about the first `length` steps of a trace.

        Args:
            trace: The episode.
            length: At most len(trace).
            thresholds: When the detectors speak.
        """
        self._paths.know(trace)
        # An episode without a policy has no actions, and no columns for them.
        actions = np.asarray(trace.column("action", length), np.float32).reshape(-1, self._scene.n_action)
        shown = self._scene.actions.to_shown(actions)
        tips = np.asarray(trace.column("tip", length), np.float64)
        boundaries = [chunk.arrived for chunk in trace.chunks[1:] if chunk.arrived < length]
        reach = self._paths.reach.of(trace, length)
        return EpisodeInsight(
            trace=trace,
            length=length,
            smoothness=smoothness_of(shown[:, self._scene.actions.leading], tips, boundaries),
            seams=self._seams_of(trace, length),
            tracking=self._tracking_of(trace, length, shown),
            findings=self._findings_of(trace, length, thresholds, reach),
            settled=self._settled_of(trace, length),
            ranges=self._ranges.of(trace, length),
            reach=reach,
        )

    def _findings_of(
        self, trace: Trace, length: int, thresholds: Thresholds, reach: Reach | None
    ) -> tuple[Finding, ...]:
        found = detect(self._scene, trace, length, thresholds)
        if reach is not None:
            found += out_of_reach(reach.position, reach.orientation, reach.missed, reach.failed)
        return tuple(sorted(found, key=lambda finding: finding.step))

    def _tracking_of(self, trace: Trace, length: int, commanded: FloatArray) -> tuple[Tracking, ...]:
        if not self._scene.measures_commands:
            return ()
        measured = self._scene.states.to_shown(np.asarray(trace.column("state", length), np.float32))
        return tuple(tracking_of(commanded[:, i], measured[:, i]) for i in range(commanded.shape[1]))

    def comparison(self, lanes: Sequence[tuple[Trace, int]], step: int) -> Comparison:
        """Figures about lanes beside each other. See `divergence.LaneComparer.compare`."""
        for trace, _ in lanes:
            self._paths.know(trace)
        return self._lanes.compare(lanes, step)

    def close(self) -> None:
        """Free what it simulates with."""
        self._paths.close()

    def _settled_of(self, trace: Trace, length: int) -> tuple[Settled, ...]:
        """Of the trace's own chunks, in order: which of them carry their denoising was the person's choice."""
        return tuple(
            self._settled.get(chunk, None, partial(settled_of, self._paths, trace, chunk))
            for chunk in trace.chunks
            if chunk.arrived < length and "denoising" in chunk.extras
        )

    def _seams_of(self, trace: Trace, length: int) -> tuple[Seam, ...]:
        """Every chunk boundary at which the chunk before had a row left for the step."""
        found = []
        before = trace.carried[-1] if trace.carried else None
        for chunk in trace.chunks:
            at = chunk.arrived
            if at >= length:
                break
            if before is not None and at - before.start < len(before):
                found.append(self._seams.get(chunk, None, partial(self._seam, trace, before, chunk)))
            before = chunk
        return tuple(found)

    def _seam(self, trace: Trace, old: ActionChunk, new: ActionChunk) -> Seam:
        at = new.arrived
        rows = np.stack([old.actions[at - old.start], new.actions[new.delay]])
        before, after = self._scene.actions.to_shown(rows)
        one, other = self._paths.kinematics.path_of_each(rows, trace.snapshot(at))
        return Seam(at, frozen(after - before), float(1000 * np.linalg.norm(other - one)))

    def moment(self, trace: Trace, length: int, step: int, choice: OverlayChoice, answers: Answers) -> MomentInsight:
        """Figures about one moment.

        Args:
            trace: The episode.
            length: Steps of the trace that may be read.
            step: 0 .. length.
            choice: Says the root and the coefficient of a what-if ensemble; the rest does not matter.
            answers: What the policy answered when it was asked.
        """
        self._paths.know(trace)
        paths, site = self._paths, self._paths.site_of(choice.root)
        plan = trace.plan(step)
        said = predictions_of(trace.chunks_in_force(step), paths, trace, step, site)
        executed, executed_physics = self._executed(trace, step, site)
        samples = samples_at(paths, trace, step, answers, site)
        return MomentInsight(
            trace=trace,
            step=step,
            key=_key(trace, length, step, choice, answers),
            physics=self._physics(trace, step, plan, site) if plan is not None else None,
            executed=executed,
            executed_physics=executed_physics,
            predictions=said.rows,
            prediction_steps=tuple(chunk.start for chunk in said.chunks),
            predictions_spread=said.spread,
            ensemble=self._ensemble(trace, step, answers, choice.coefficient, site),
            samples=samples.insight if samples is not None else None,
            effects=effects_at(paths, trace, step, answers, site),
            occlusion=self._occlusion(trace, step, answers, site),
            attention=_attention(trace, step, answers),
            saturated=self._saturated(plan[0]) if plan is not None else (),
            denoising=self._denoising(trace, step, answers, site),
            positions=positions_of(self._scene, trace.snapshot(step)[PROGRESS_SIZE:]),
            began=positions_of(self._scene, trace.snapshot(0)[PROGRESS_SIZE:]),
        )

    def _denoising(self, trace: Trace, step: int, answers: Answers, site: int) -> DenoisingInsight | None:
        chunk = denoising_at(trace, step, answers)
        if chunk is None:
            return None
        return self._denoised.get(chunk, site, partial(insight_of, self._paths, trace, chunk, site))

    def _physics(self, trace: Trace, step: int, plan: Float32Array, site: int) -> Gap | None:
        snapshot = trace.snapshot(step)
        rolled = self._paths.rollout.path(plan, snapshot, site, trace.forces_from(step, len(plan)))
        return gap_between(self._paths.kinematics.path(plan, snapshot, site), rolled[1:])

    def _executed(self, trace: Trace, step: int, site: int) -> tuple[Gap | None, Gap | None]:
        """Kinematic and physics whisker of the chunk in force against the path, over the steps since it came into
        force. An ensemble is formed anew at every step, so that there is nothing to compare."""
        chunks = trace.chunks_in_force(step)
        begin = max(chunks[-1].arrived, 0) if chunks else step
        plan = trace.plan(begin) if begin < step else None
        if plan is None or isinstance(trace.settings_at(begin).chunking, TemporalEnsemble):
            return None, None
        snapshot = trace.snapshot(begin)
        taken = self._paths.kinematics.executed(trace, begin + 1, step + 1, site)
        commanded = self._paths.kinematics.path(plan[: step - begin], snapshot, site)
        rolled = self._paths.rollout.path(plan, snapshot, site, trace.forces_from(begin, len(plan)))
        return gap_between(commanded, taken), gap_between(rolled[1:], taken)

    def _ensemble(
        self, trace: Trace, step: int, answers: Answers, coefficient: float, site: int
    ) -> EnsembleInsight | None:
        found = ensemble_at(trace, step, answers, coefficient)
        if found is None:
            return None
        return EnsembleInsight(
            what_if=found.what_if,
            coefficient=found.coefficient,
            ages=tuple(step - chunk.start for chunk in found.members),
            weights=tuple(float(weight) for weight in found.weights),
            raw=found.members[-1].rows(step),
            ensembled=found.plan,
            spread=predictions_of(found.members, self._paths, trace, step, site).spread,
            calls=found.calls,
            seconds=found.seconds,
        )

    def _occlusion(self, trace: Trace, step: int, answers: Answers, site: int) -> Mapping[str, OcclusionInsight]:
        path_of = self._paths.kinematics.path_of
        found = {}
        for camera in trace.policy.cameras if trace.policy is not None else ():
            answer = answers.to(Occlusion, trace, step, camera)
            if answer is None or not isinstance(answer.question, Occlusion):
                continue
            plain = path_of(answer.base, trace, site)
            effect = np.zeros((answer.question.rows, answer.question.columns))
            for row, column in np.ndindex(*effect.shape):
                patched = path_of(answer.chunks[cell_label(row, column)], trace, site)
                effect[row, column] = 1000 * np.linalg.norm(patched - plain, axis=1).mean()
            found[camera] = OcclusionInsight(camera, frozen(effect))
        return MappingProxyType(found)

    def _saturated(self, action: Float32Array) -> tuple[bool, ...]:
        return tuple(bool(each > _CUT) for each in np.abs(self._scene.actions.cut(action)))


def _key(trace: Trace, length: int, step: int, choice: OverlayChoice, answers: Answers) -> object:
    """What the figures about a moment are computed from: equal keys mean equal figures."""
    about = tuple(answer for answer in answers.about(trace) if answer.step == step)
    in_force = trace.chunks_in_force(step)
    begun = answers.to(Denoising, trace, in_force[-1].start) if in_force else None
    # The newest moment can still change: an object is moved, a setting changed, the policy reset.
    head = (trace.snapshot(step).tobytes(), trace.settings_at(step), trace.resets) if step == length else None
    return trace, step, choice.root, choice.coefficient, about, begun, head


def _attention(trace: Trace, step: int, answers: Answers) -> Mapping[str, FloatArray]:
    """Camera to the attention of this step's answer, else of the chunk that was asked for here."""
    answer = answers.to(Attention, trace, step)
    chunk = answer.base if answer is not None else trace.chunk_asked_at(step)
    extras = chunk.extras if chunk is not None else {}
    return MappingProxyType(
        {
            name.removeprefix(_ATTENTION): frozen(np.asarray(value, np.float64).mean(axis=0))
            for name, value in extras.items()
            if name.startswith(_ATTENTION)
        }
    )
