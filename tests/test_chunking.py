"""Chunk semantics: when a chunk is due and which action the chunks give."""

from __future__ import annotations

import numpy as np
import pytest

from viewer_app.chunking import FirstN, TemporalEnsemble, action_at, is_due, members_of, plan_from
from viewer_app.types import ActionChunk, Scale

pytestmark = pytest.mark.core


def chunk(start: int, size: int = 5, offset: float = 0.0) -> ActionChunk:
    """Row i is (start + i, offset)."""
    rows = np.stack([np.arange(start, start + size), np.full(size, offset)], axis=1).astype(np.float32)
    return ActionChunk(start, rows, seed=0, model_actions=rows * 2)


def ensemble(coefficient: float, size: int = 5) -> TemporalEnsemble:
    return TemporalEnsemble(coefficient, tuple(float(np.float32(np.exp(-coefficient * i))) for i in range(size)))


def test_first_n_asks_after_n_rows() -> None:
    """A chunk of which n rows were executed is due for replacement, and not one step before."""
    assert is_due([], 0, FirstN(3))
    assert [is_due([chunk(0)], step, FirstN(3)) for step in range(1, 5)] == [False, False, True, True]


def test_growing_n_continues_the_same_chunk() -> None:
    """Growing n_action_steps in the middle of a chunk goes on with its next row, never jumps in time."""
    assert not is_due([chunk(0)], 3, FirstN(5))
    assert action_at([chunk(0)], 3, FirstN(5), None)[0] == 3.0


def test_n_beyond_the_chunk_gives_the_whole_chunk() -> None:
    """n_action_steps above chunk_size executes chunk_size rows."""
    assert not is_due([chunk(0)], 4, FirstN(99))
    assert is_due([chunk(0)], 5, FirstN(99))


def test_row_zero_of_the_plan_is_the_action() -> None:
    """What is drawn first is what is executed, in both modes and for any number of members."""
    rng = np.random.default_rng(0)
    chunks = [ActionChunk(k, rng.normal(size=(5, 2)).astype(np.float32), seed=0) for k in range(9)]
    for mode in (FirstN(2), ensemble(0.1), ensemble(-0.3)):
        for step in range(9):
            plan = plan_from(chunks[: step + 1], step, mode, None)
            assert np.array_equal(plan[0], action_at(chunks[: step + 1], step, mode, None))


@pytest.mark.parametrize("coefficient", [0.5, 0.01, 0.0, -0.2])
def test_ensemble_is_the_weighted_mean_oldest_first(coefficient: float) -> None:
    """The ensembled action is sum(w_i a_i) / sum(w_i) with w_i = exp(-coefficient i) and i = 0 the oldest member."""
    rng = np.random.default_rng(1)
    chunks = [ActionChunk(k, rng.normal(size=(5, 3)).astype(np.float32), seed=0) for k in range(8)]
    for step in range(8):
        members = members_of(chunks[: step + 1], step)
        weights = np.exp(-coefficient * np.arange(len(members)))
        expected = sum(w * m.actions[step - m.start] for w, m in zip(weights, members, strict=True)) / weights.sum()
        got = action_at(chunks[: step + 1], step, ensemble(coefficient), None)
        np.testing.assert_allclose(got, expected, rtol=2e-6, atol=2e-6)


def test_ensemble_is_formed_in_model_units() -> None:
    """With the policy's scale the mean is taken before un-normalising, as LeRobot does."""
    chunks = [chunk(0, offset=1.0), chunk(1, offset=2.0)]
    scale = Scale("mean_std", np.full(2, 10, np.float32), np.zeros(2, np.float32))
    plain = action_at(chunks, 1, ensemble(0.0), None)
    np.testing.assert_allclose(action_at(chunks, 1, ensemble(0.0), scale), 20 * plain, rtol=1e-6)


def test_no_chunk_is_an_error() -> None:
    """A step that no chunk covers gives no action at all, rather than an old one."""
    with pytest.raises(LookupError, match="step 5"):
        action_at([chunk(0)], 5, FirstN(5), None)
