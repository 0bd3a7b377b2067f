"""Chunk semantics: when a chunk is due and which action the chunks give."""

from __future__ import annotations

import numpy as np
import pytest

from viewer_app.chunking import (
    FirstN,
    OverlapBlend,
    TemporalEnsemble,
    action_at,
    is_due,
    members_of,
    observed_at,
    plan_from,
)
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
    """What is drawn first is what is executed, in every mode and for any number of members."""
    rng = np.random.default_rng(0)
    chunks = [ActionChunk(k, rng.normal(size=(5, 2)).astype(np.float32), seed=0) for k in range(9)]
    for mode in (FirstN(2), ensemble(0.1), ensemble(-0.3), OverlapBlend(1, 1)):
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


@pytest.mark.parametrize("late", [0, 2])
def test_overlap_blending_is_the_stated_mean(late: int) -> None:
    """At its i-th executed step the new chunk weighs (i + 1) / (overlap + 1), the old one the rest; late or not, the
    rows mixed are those of one and the same control step."""
    rng = np.random.default_rng(2)
    old = ActionChunk(0, rng.normal(size=(12, 3)).astype(np.float32), seed=0)
    new = ActionChunk(6 - late, rng.normal(size=(12, 3)).astype(np.float32), seed=0, delay=late)
    for i in range(6):
        share = min((i + 1) / 4, 1)
        expected = (1 - share) * old.actions[6 + i] + share * new.actions[late + i]
        got = action_at([old, new], 6 + i, OverlapBlend(6, 3), None)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
    assert np.array_equal(action_at([old, new], 9, OverlapBlend(6, 3), None), new.actions[late + 3])


@pytest.mark.parametrize("overlap", [1, 4, 9])
def test_overlap_blending_spreads_a_jump(overlap: int) -> None:
    """Two chunks that are a jump J apart are left and joined in steps of J / (overlap + 1), never in one."""
    jump = 5.0
    chunks = [ActionChunk(k, np.full((20, 1), value, np.float32), seed=0) for k, value in ((0, 0.0), (10, jump))]
    mode = OverlapBlend(10, overlap)
    taken = [float(action_at(chunks[: 1 + (k >= 10)], k, mode, None)[0]) for k in range(20)]
    np.testing.assert_allclose(np.diff(taken)[9 : 9 + overlap + 1], jump / (overlap + 1), rtol=1e-5)
    assert taken[9] == 0.0
    assert taken[10 + overlap :] == [jump] * (10 - overlap)


def test_blending_needs_rows_of_the_old_chunk() -> None:
    """Where the old chunk ends before the overlap does, the new one stands alone, to the bit."""
    chunks = [chunk(0, size=6, offset=1.0), chunk(4, size=6, offset=9.0)]
    plan = plan_from(chunks, 4, OverlapBlend(4, 4), None)
    assert 1.0 < plan[0, 1] < plan[1, 1] < 9.0
    assert np.array_equal(plan[2:], chunks[1].actions[2:])


def test_no_overlap_is_first_n() -> None:
    """Overlap blending with overlap 0 asks when first-n asks and executes what it executes, to the bit."""
    blended: list[ActionChunk] = []
    plain: list[ActionChunk] = []
    for step in range(30):
        for chunks, mode in ((blended, OverlapBlend(4, 0)), (plain, FirstN(4))):
            if is_due(chunks, step, mode):
                rows = np.random.default_rng(step).normal(size=(7, 2)).astype(np.float32)
                chunks.append(ActionChunk(step, rows, seed=0))
        ours = plan_from(blended, step, OverlapBlend(4, 0), None)
        assert np.array_equal(ours, plan_from(plain, step, FirstN(4), None))
    assert [each.start for each in blended] == [each.start for each in plain]


def asked(
    mode: FirstN | OverlapBlend | TemporalEnsemble, delay: int, size: int = 12, steps: int = 30
) -> list[tuple[int, int]]:
    """(start, arrival) of each chunk of an episode."""
    chunks: list[ActionChunk] = []
    for step in range(steps):
        if is_due(chunks, step, mode, delay):
            start = observed_at(chunks, step, delay)
            chunks.append(ActionChunk(start, np.zeros((size, 1), np.float32), seed=0, delay=step - start))
    return [(each.start, each.arrived) for each in chunks]


def test_late_chunks_come_as_often() -> None:
    """With a delay d every chunk after the first answers the observation of d steps before it arrives, and they arrive
    n_action_steps apart as without one."""
    assert asked(FirstN(8), 0) == [(0, 0), (8, 8), (16, 16), (24, 24)]
    assert asked(FirstN(8), 3) == [(0, 0), (5, 8), (13, 16), (21, 24)]
    assert asked(OverlapBlend(8, 2), 4) == [(0, 0), (4, 8), (12, 16), (20, 24)]


def test_no_observation_is_asked_about_twice() -> None:
    """A delay longer than n_action_steps lets the first chunk go on until there is something newer to answer."""
    assert asked(FirstN(2), 5, steps=12) == [(0, 0), (1, 6), (3, 8), (5, 10)]
    assert asked(ensemble(0.1), 3, steps=8) == [(0, 0), (1, 4), (2, 5), (3, 6), (4, 7)]


def test_a_late_chunk_lasts_as_long_as_it_has_rows() -> None:
    """A chunk of H rows that comes d steps late has H - d rows to execute, and is then replaced, whatever n is."""
    assert asked(FirstN(12), 10, size=12, steps=19) == [(0, 0), (2, 12), (4, 14), (6, 16), (8, 18)]


def test_a_carried_chunk_goes_on_until_the_episode_has_been_seen() -> None:
    """With a delay d the first chunk of an episode that began with an old one answers step 0, d steps later; if the old
    one ends before that, it comes as early as it is needed."""
    old = ActionChunk(-4, np.zeros((12, 1), np.float32), seed=0)
    assert next(k for k in range(9) if is_due([old], k, FirstN(4), 5)) == 5
    assert observed_at([old], 5, 5) == 0
    assert next(k for k in range(9) if is_due([old], k, FirstN(4), 11)) == 8
    assert observed_at([old], 8, 11) == 0
