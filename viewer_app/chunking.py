"""How action chunks become actions: when a new chunk is due, and which action the chunks give at a step.

Pure functions of the chunks so far. Nothing here knows a policy, a world or a trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from viewer_app.types import ActionChunk, Float32Array, Scale


@dataclass(frozen=True)
class FirstN:
    """Execute the first `n_action_steps` rows of a chunk, then ask for the next chunk."""

    n_action_steps: int


@dataclass(frozen=True)
class TemporalEnsemble:
    """Ask at every step and execute the weighted mean of all chunks that say something about the step.

    Row i of the weights, counted from the oldest chunk still covering the step, is exp(-coefficient * i): a positive
    coefficient trusts old chunks most, 0 trusts all alike, a negative one trusts the newest most.
    """

    coefficient: float
    weights: tuple[float, ...]
    """The weights in float32, oldest first, as the policy computed them. Length chunk_size."""


@dataclass(frozen=True)
class OverlapBlend:
    """Ask every `advance` steps, and cross-fade from the old chunk to the new one over its first `overlap` steps.

    The new chunk's weight at its i-th executed step, i = 0 the first, is (i + 1) / (overlap + 1); where the old chunk
    has no row left, because it ends or came late, the new one's stands alone. With `overlap` 0 it is `FirstN(advance)`.
    Source of the idea: `eval_offline_replay.py` of lerobot-policy-act-smooth, whose weight is i / overlap.
    """

    advance: int
    overlap: int
    """At most `advance`, so that the chunk that is left is never itself still being blended in."""


Chunking = FirstN | TemporalEnsemble | OverlapBlend


def is_due(chunks: Sequence[ActionChunk], step: int, chunking: Chunking, delay: int = 0) -> bool:
    """Whether the policy must be asked before `step` is executed.

    With a delay, a chunk is never asked for before there is an observation that the last one did not answer already;
    until then, for example after the first chunk, the last one goes on.

    Args:
        chunks: The chunks in force, oldest first: those since the policy was last reset.
        step: The control step about to be executed.
        chunking: The execution mode.
        delay: Simulated latency. [control steps]
    """
    if not chunks or step >= chunks[-1].start + len(chunks[-1]):
        return True
    last = chunks[-1]
    if step - delay <= max(last.start, -1):
        return False
    match chunking:
        case FirstN(count) | OverlapBlend(count):
            return step - last.arrived >= count
        case TemporalEnsemble():
            return last.arrived < step
        case _:
            assert_never(chunking)


def observed_at(chunks: Sequence[ActionChunk], step: int, delay: int) -> int:
    """Of which step the policy is shown the observation when a chunk is due at `step`.

    It is that of `delay` steps ago. A chunk that nothing precedes is not delayed, and none answers an observation from
    before the episode.

    Args:
        chunks: The chunks in force, oldest first.
        step: The control step at which the chunk is due.
        delay: Simulated latency. [control steps]
    """
    return max(step - delay, 0) if chunks else step


def action_at(chunks: Sequence[ActionChunk], step: int, chunking: Chunking, scale: Scale | None) -> Float32Array:
    """The action that the chunks give at `step`, in scene units. Shape (n,).

    Raises:
        LookupError: If no chunk covers the step; `is_due` was True and the policy was not asked.
    """
    return plan_from(chunks, step, chunking, scale)[0]


def plan_from(chunks: Sequence[ActionChunk], step: int, chunking: Chunking, scale: Scale | None) -> Float32Array:
    """What would be executed from `step` on if the policy were not asked again. Row 0 is `action_at`.

    Args:
        chunks: The chunks in force, oldest first.
        step: The control step of row 0.
        chunking: The execution mode.
        scale: The policy's action scale. With it, and with chunks that carry `model_actions`, the ensemble is formed
            in the model's normalised units, as LeRobot does; otherwise in scene units.

    Returns:
        Scene units. Shape (rows, n) with rows >= 1.

    Raises:
        LookupError: If no chunk covers the step.
    """
    if not chunks or step >= chunks[-1].start + len(chunks[-1]):
        raise LookupError(f"no chunk covers step {step}")
    match chunking:
        case FirstN():
            return chunks[-1].rows(step)
        case TemporalEnsemble():
            return _ensemble(chunks, step, chunking, scale)
        case OverlapBlend(_, overlap):
            return _blend(chunks, step, overlap)
        case _:
            assert_never(chunking)


def _blend(chunks: Sequence[ActionChunk], step: int, overlap: int) -> Float32Array:
    new = chunks[-1]
    rows = new.rows(step).copy()
    if len(chunks) > 1:
        old = chunks[-2].rows(step)
        count = max(min(overlap - (step - new.arrived), len(rows), len(old)), 0)
        share = ((step - new.arrived + 1 + np.arange(count)) / np.float32(overlap + 1)).astype(np.float32)[:, None]
        rows[:count] = (1 - share) * old[:count] + share * rows[:count]
    return rows


def members_of(chunks: Sequence[ActionChunk], step: int) -> list[ActionChunk]:
    """The chunks that say something about `step`, oldest first."""
    return [chunk for chunk in chunks if chunk.start <= step < chunk.start + len(chunk)]


def _ensemble(
    chunks: Sequence[ActionChunk], step: int, chunking: TemporalEnsemble, scale: Scale | None
) -> Float32Array:
    """LeRobot's online weighted mean, replayed over the members so that every rounding is the same.

    Source: LeRobot 0.6.1, `policies/act/modeling_act.py`, `ACTTemporalEnsembler.update`. The running mean of a future
    step is touched only by the chunks that cover it, in order of age, so the last chunks are all the memory it has.
    """
    weights = np.array(chunking.weights, dtype=np.float32)
    # torch accumulates a float32 cumulative sum in float64.
    cumulative = np.cumsum(weights, dtype=np.float64).astype(np.float32)
    members = members_of(chunks, step)
    in_model_units = scale is not None and all(chunk.model_actions is not None for chunk in members)
    end = members[-1].start + len(members[-1])
    mean = np.zeros((end - step, members[-1].actions.shape[1]), dtype=np.float32)
    count = np.zeros(end - step, dtype=np.int64)
    for chunk in members:
        source = chunk.model_actions if in_model_units else chunk.actions
        assert source is not None
        rows = source[step - chunk.start :]
        covered = slice(0, len(rows))
        seen = count[covered]
        first = seen == 0
        # Where nothing was seen yet the row starts the mean; elsewhere the mean is unrolled, extended and renormed.
        older = np.minimum(np.maximum(seen, 1), len(weights) - 1) if len(weights) > 1 else np.zeros_like(seen)
        updated = mean[covered] * cumulative[np.maximum(seen, 1) - 1, None]
        updated = updated + rows * weights[older, None]
        updated = updated / cumulative[older, None]
        mean[covered] = np.where(first[:, None], rows, updated)
        count[covered] = np.minimum(seen + 1, len(weights))
    return scale.to_scene(mean) if in_model_units and scale is not None else mean
