"""The statistics of paired runs, against published and hand-made figures."""

from __future__ import annotations

import itertools

import pytest

from viewer_app.pairs import Pair

pytestmark = pytest.mark.core

NEWCOMBE = [
    ((36, 12, 2, 0), (0.0569, 0.3404)),
    ((20, 12, 2, 16), (0.0562, 0.3292)),
    ((18, 12, 2, 18), (0.0562, 0.3290)),
    ((36, 14, 0, 0), (0.1528, 0.4167)),
    ((35, 14, 0, 1), (0.1461, 0.4175)),
    ((18, 14, 0, 18), (0.1441, 0.3963)),
    ((2, 97, 1, 0), (0.8721, 0.9854)),
    ((0, 29, 1, 0), (0.6666, 0.9882)),
    ((2, 98, 0, 0), (0.9178, 0.9945)),
    ((0, 30, 0, 0), (0.8395, 1.0000)),
    ((54, 0, 0, 0), (-0.0664, 0.0664)),
    ((53, 0, 0, 1), (-0.0729, 0.0729)),
    ((30, 0, 0, 24), (-0.0358, 0.0358)),
    # Fagerland et al. 2017, "Statistical Analysis of Contingency Tables", chapter 8, complete response (Cavo et al.).
    ((59, 6, 16, 80), (-0.1186, -0.0046)),
]
"""Newcombe 1998, Table III, method 10: cells e, f, g, h, with f of the first alone, and limits of first less second."""


@pytest.mark.parametrize(("cells", "limits"), NEWCOMBE)
def test_interval_is_the_published_one(cells: tuple[int, int, int, int], limits: tuple[float, float]) -> None:
    """The interval of the difference is Newcombe's method 10, to the four digits that were published."""
    e, f, g, h = cells
    found = Pair(both=e, only_a=g, only_b=f, neither=h).difference95
    assert found == pytest.approx(limits, abs=5.01e-5)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (1, 9, 22 / 1024),  # both tails of ten coins: 2 * (1 + 10) / 2^10
        (0, 0, 1.0),
        (4, 4, 1.0),
        (0, 6, 2 / 64),
        (12, 2, 0.0129),  # Armitage and Berry 1994, p. 127
    ],
)
def test_mcnemar_is_exact(only_a: int, only_b: int, p: float) -> None:
    """McNemar's p is that of a fair coin for each differing seed, whatever the others did, and 1 without any."""
    for both, neither in ((0, 0), (20, 16), (300, 0)):
        assert Pair(both, only_a, only_b, neither).mcnemar_p == pytest.approx(p, abs=5e-5)


def test_exchanging_the_two_mirrors_everything() -> None:
    """Exchanging a and b, or success and failure, keeps p and turns the difference and its interval round."""
    for cells in itertools.product((0, 1, 7), repeat=4):
        if not sum(cells):
            continue
        both, only_a, only_b, neither = cells
        pair = Pair(*cells)
        interval, difference = pair.difference95, pair.difference
        assert interval is not None
        assert difference is not None
        assert -1 <= interval[0] <= difference <= interval[1] <= 1
        for mirrored in (Pair(both, only_b, only_a, neither), Pair(neither, only_b, only_a, both)):
            turned = mirrored.difference95
            assert turned is not None
            assert (-turned[1], -turned[0]) == pytest.approx(interval, abs=1e-12)
            assert mirrored.difference == -difference
            assert mirrored.mcnemar_p == pair.mcnemar_p


def test_table_is_counted_seed_by_seed() -> None:
    """Each seed is in the cell that its two outcomes say, and lists of different length are no pairs."""
    a = (True, True, True, False, False, True)
    b = (True, False, False, True, False, True)
    assert Pair.of(a, b) == Pair(both=2, only_a=2, only_b=1, neither=1)
    assert Pair.of(a, b).difference == pytest.approx(-1 / 6)
    with pytest.raises(ValueError, match="zip"):
        Pair.of(a, b[:-1])


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ((0, 0, 0, 0), "nothing can be said"),
        ((7, 0, 0, 3), "ended alike on 10 seeds"),
        ((0, 0, 1, 0), "They differ on 1 of 1 seed: too few"),
        ((40, 5, 0, 55), "too few to tell which is better, whichever way these fell (6 are the least that can)"),
        ((40, 1, 5, 54), "100 seeds do not tell which is better (p = 0.22)"),
        ((40, 6, 0, 54), "A is better on seeds like these (p = 0.031)"),
        ((40, 0, 6, 54), "B is better on seeds like these (p = 0.031)"),
    ],
)
def test_verdict_claims_no_more_than_the_seeds_do(cells: tuple[int, int, int, int], said: str) -> None:
    """Five seeds that all fell one way are too few and six are enough; a better one is named only below p = 5 %."""
    assert said in Pair(*cells).verdict("A", "B")
    assert ("better on" in said) == (Pair(*cells).mcnemar_p < 0.05)
