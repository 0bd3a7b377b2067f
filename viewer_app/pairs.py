"""Two policies on the same seeds: which of them succeeded where, and what that says about both. Numbers only.

Since both met the same starts, only the seeds on which they differ tell them apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from viewer_app.summary import wilson95

LEVEL = 0.05
"""Below this p a difference is taken for one."""


@dataclass(frozen=True)
class Pair:
    """The 2x2 table of policies a and b: on how many seeds which of them succeeded."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @classmethod
    def of(cls, a: Sequence[bool], b: Sequence[bool]) -> Pair:
        """The table of two lists of successes, seed by seed.

        Raises:
            ValueError: If they are not equally long.
        """
        pairs = list(zip(a, b, strict=True))
        return cls(*(pairs.count(each) for each in ((True, True), (True, False), (False, True), (False, False))))

    @property
    def count(self) -> int:
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def differing(self) -> int:
        """Seeds on which one succeeded and the other did not."""
        return self.only_a + self.only_b

    @property
    def mcnemar_p(self) -> float:
        """Two-sided p of McNemar's exact test: were both equally good, each differing seed would be a fair coin.

        1 where they never differ. Source: McNemar 1947; the exact form is the binomial test on the differing pairs.
        """
        # scipy.stats takes most of a second to import, so only who asks for a p waits for it.
        from scipy.stats import binomtest

        return float(binomtest(self.only_a, self.differing, 0.5).pvalue) if self.differing else 1.0

    @property
    def difference(self) -> float | None:
        """Success rate of b minus that of a, in -1 .. 1; None without a pair."""
        return (self.only_b - self.only_a) / self.count if self.count else None

    @property
    def difference95(self) -> tuple[float, float] | None:
        """Newcombe's score interval at 95 % of `difference`; None without a pair.

        Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on
        paired data", Statistics in Medicine 17, 2635-2650, method 10: Wilson's intervals of both rates, squared and
        added, less what the pairing has in common.
        """
        n = self.count
        if not n:
            return None
        succeeded_a, succeeded_b = self.both + self.only_a, self.both + self.only_b
        a, b = succeeded_a / n, succeeded_b / n
        (low_a, high_a), (low_b, high_b) = wilson95(succeeded_a, n), wilson95(succeeded_b, n)
        below = _apart(b - low_b, high_a - a, self._correlation)
        above = _apart(high_b - b, a - low_a, self._correlation)
        return max(b - a - below, -1.0), min(b - a + above, 1.0)

    @property
    def _correlation(self) -> float:
        """Of the two policies' successes, corrected for continuity as Newcombe does (his phi-hat)."""
        a, b = self.both + self.only_a, self.both + self.only_b
        product = a * (self.count - a) * b * (self.count - b)
        if not product:
            return 0.0
        shared = float(self.both * self.neither - self.only_a * self.only_b)
        if shared > 0:
            shared = max(shared - self.count / 2, 0.0)
        return shared / math.sqrt(product)

    def verdict(self, a: str, b: str) -> str:
        """What a person may conclude, in one sentence.

        Args:
            a, b: How the person calls the two policies.
        """
        least = next(count for count in range(1, 20) if 2 * 0.5**count < LEVEL)
        if not self.count:
            return "No pair of episodes was completed, so nothing can be said."
        if not self.differing:
            return f"They ended alike on {_seeds(self.count)}, so nothing tells them apart."
        if self.differing < least:
            return (
                f"They differ on {self.differing} of {_seeds(self.count)}: too few to tell which is better, whichever "
                f"way these fell ({least} are the least that can)."
            )
        if self.mcnemar_p >= LEVEL:
            return f"{_seeds(self.count).capitalize()} do not tell which is better (p = {self.mcnemar_p:.2g})."
        better = a if self.only_a > self.only_b else b
        return f"{better} is better on seeds like these (p = {self.mcnemar_p:.2g})."


def _apart(below: float, above: float, correlation: float) -> float:
    """How far one end of the interval is from the difference, given how far the ends of the rates' intervals are."""
    return math.sqrt(max(below**2 - 2 * correlation * below * above + above**2, 0.0))


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count != 1)}"
