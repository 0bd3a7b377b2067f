"""What a batch of episodes says about a policy: counts, the interval they allow, latencies. Numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EpisodeResult:
    """How one episode of a batch ended."""

    seed: int
    outcome: str
    """Empty where the scene has no success rule."""
    success: bool
    steps: int
    recording: str
    """Folder of its recording."""
    latencies: tuple[float, ...]
    """Duration of each policy call. [s]"""
    start: str = ""
    """Name of the start positions; empty where the seed drew the start."""
    reach: dict[str, object] | None = None
    """How often and how far end-effector actions were out of reach; None where actions are none."""


@dataclass(frozen=True)
class Summary:
    """A batch of episodes, complete or as far as it got."""

    policy: str
    scene: str
    seed: int
    """Of the first episode; the following ones count up."""
    episodes: tuple[EpisodeResult, ...]
    rewind: dict[str, object] | None = None
    """How exactly the environment can be rewound, see `gym_moments.Exactness`; None of scenes without one, which can
    to the bit."""

    @property
    def successes(self) -> int:
        return sum(episode.success for episode in self.episodes)

    @property
    def success_rate(self) -> float | None:
        return self.successes / len(self.episodes) if self.episodes else None

    @property
    def wilson95(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the success rate; None before the first episode ended."""
        return wilson95(self.successes, len(self.episodes)) if self.episodes else None

    @property
    def latency_ms(self) -> tuple[float, float] | None:
        """Median and 95th percentile over all policy calls. [ms]"""
        latencies = [1000 * latency for episode in self.episodes for latency in episode.latencies]
        if not latencies:
            return None
        median, p95 = np.percentile(latencies, [50, 95])
        return float(median), float(p95)

    def to_plain(self) -> dict[str, object]:
        """The JSON object of `whiskers run --json`."""
        latency = self.latency_ms
        interval = self.wilson95
        return {
            "policy": self.policy,
            "scene": self.scene,
            "seed": self.seed,
            "episodes": [
                {
                    "seed": episode.seed,
                    "outcome": episode.outcome,
                    "success": episode.success,
                    "steps": episode.steps,
                    "recording": episode.recording,
                    **({"start": episode.start} if episode.start else {}),
                    **({"reach": episode.reach} if episode.reach is not None else {}),
                }
                for episode in self.episodes
            ],
            "successes": self.successes,
            "success_rate": self.success_rate,
            "wilson95": None if interval is None else list(interval),
            "latency_ms": None if latency is None else {"median": latency[0], "p95": latency[1]},
            **({"rewind": self.rewind} if self.rewind is not None else {}),
        }

    def to_sentence(self) -> str:
        """The same for a person, in one line."""
        count = len(self.episodes)
        interval, latency = self.wilson95, self.latency_ms
        if interval is None:
            return f"{self.policy} on {self.scene}: no episode was completed."
        timing = (
            "" if latency is None else f", {latency[0]:.0f} ms a policy call (95 % of calls within {latency[1]:.0f} ms)"
        )
        return (
            f"{self.policy} on {self.scene}: {self.successes} of {count} episodes succeeded "
            f"({self.successes / count:.0%}, 95 % interval {interval[0]:.0%} to {interval[1]:.0%}){timing}."
        )


def wilson95(successes: int, count: int) -> tuple[float, float]:
    """Wilson's score interval at 95 % of a proportion.

    Args:
        successes: 0 .. count.
        count: At least 1.
    """
    # scipy.stats takes most of a second to import, so only who asks for an interval waits for it.
    from scipy.stats import binomtest

    interval = binomtest(successes, count).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def successes_by_start(episodes: Sequence[EpisodeResult]) -> dict[str, tuple[int, int]]:
    """Name of start positions to how many episodes succeeded and how many there were. Those of none are left out."""
    names = dict.fromkeys(episode.start for episode in episodes if episode.start)
    found = {name: [episode.success for episode in episodes if episode.start == name] for name in names}
    return {name: (sum(successes), len(successes)) for name, successes in found.items()}


def results_by_outcome(episodes: Sequence[EpisodeResult]) -> dict[str, int]:
    """How many episodes ended in which way, most frequent first."""
    names = [episode.outcome or "no outcome" for episode in episodes]
    return dict(sorted(((name, names.count(name)) for name in set(names)), key=lambda item: (-item[1], item[0])))
