"""What paired episodes say about the policies that drove them: for programs, for people, and as a table of the seeds.

The first lane is what the others are compared with.
"""

from __future__ import annotations

import csv
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from viewer_app.insight import lane_letter
from viewer_app.pairs import Pair
from viewer_app.summary import EpisodeResult, Summary
from viewer_app.types import WhiskersError

_SHOWN = 20
"""How many differing seeds a person is told of."""


@dataclass(frozen=True)
class PairedLane:
    """One lane of the comparison."""

    title: str
    """Short name, for example `demo:act, n=10`."""
    settings: Mapping[str, object]
    """What was set, as JSON values."""
    summary: Summary


@dataclass(frozen=True)
class PairedSummary:
    """Episodes of the same seeds in several lanes, complete or as far as they got."""

    scene: str
    seed: int
    """Of the first episode; the following ones count up."""
    lanes: tuple[PairedLane, ...]
    """At least two, all with the same seeds."""

    @property
    def episodes(self) -> tuple[tuple[EpisodeResult, ...], ...]:
        """Seed by seed, the result of each lane."""
        return tuple(zip(*(lane.summary.episodes for lane in self.lanes), strict=True))

    def pair(self, lane: int) -> Pair:
        """The first lane against another one."""
        a, b = ([each.success for each in self.lanes[i].summary.episodes] for i in (0, lane))
        return Pair.of(a, b)

    def differing(self, lane: int) -> tuple[tuple[EpisodeResult, EpisodeResult], ...]:
        """The episodes that one of the first lane and another one brought to success and the other did not."""
        both = ((each[0], each[lane]) for each in self.episodes)
        return tuple((a, b) for a, b in both if a.success != b.success)

    def to_plain(self) -> dict[str, object]:
        """The JSON object of `whiskers compare --json`. Pairs name lanes by their number, counted from 0."""
        return {
            "scene": self.scene,
            "seed": self.seed,
            "lanes": [_lane_to_plain(lane) for lane in self.lanes],
            "pairs": [self._pair_to_plain(lane) for lane in range(1, len(self.lanes))],
            "episodes": [
                {
                    "seed": lanes[0].seed,
                    "recording": lanes[0].recording,
                    "outcomes": [each.outcome for each in lanes],
                    "steps": [each.steps for each in lanes],
                }
                for lanes in self.episodes
            ],
        }

    def _pair_to_plain(self, lane: int) -> dict[str, object]:
        pair = self.pair(lane)
        interval = pair.difference95
        return {
            "a": 0,
            "b": lane,
            "both": pair.both,
            "only_a": pair.only_a,
            "only_b": pair.only_b,
            "neither": pair.neither,
            "mcnemar_p": pair.mcnemar_p if pair.count else None,
            "difference": pair.difference,
            "difference95": None if interval is None else list(interval),
            "differing_seeds": [a.seed for a, _ in self.differing(lane)],
        }

    def to_text(self) -> str:
        """The same for a person, in several lines."""
        count = len(self.episodes)
        lines = [f"{count} paired episode{'s' * (count != 1)} on {self.scene}, seeds from {self.seed} on"]
        lines += [f"{lane_letter(number)}  {_sentence(lane)}" for number, lane in enumerate(self.lanes)]
        for lane in range(1, len(self.lanes)):
            lines += ["", *self._pair_lines(lane)]
        if len(self.lanes) > 2:
            lines += ["", f"Each p is that of its pair alone, not corrected for there being {len(self.lanes) - 1}."]
        return "\n".join(lines)

    def _pair_lines(self, lane: int) -> list[str]:
        pair, a, b = self.pair(lane), lane_letter(0), lane_letter(lane)
        table = (
            (f"{a} and {b}", f"{b} succeeds", f"{b} fails"),
            (f"{a} succeeds", pair.both, pair.only_a),
            (f"{a} fails", pair.only_b, pair.neither),
        )
        lines = [f"{head:<12}{first:>12}{second:>12}" for head, first, second in table]
        difference, interval = pair.difference, pair.difference95
        if difference is not None and interval is not None:
            low, high = (f"{100 * end:+.0f}" for end in interval)
            lines.append(
                f"Success rate of {b} less that of {a}: {100 * difference:+.0f} points (95 % interval {low} to {high}, "
                f"Newcombe's for pairs; McNemar's exact p = {pair.mcnemar_p:.2g})."
            )
        lines.append(pair.verdict(a, b))
        differing = self.differing(lane)
        if differing:
            lines.append("To see a seed on which they differ:")
        for of_a, of_b in differing[:_SHOWN]:
            lines.append(f"  whiskers view {shlex.quote(of_a.recording)}   ({a} {_words(of_a)}, {b} {_words(of_b)})")
        if len(differing) > _SHOWN:
            lines.append(f"  and {len(differing) - _SHOWN} more, in pairs.csv")
        return lines


def _lane_to_plain(lane: PairedLane) -> dict[str, object]:
    interval, latency = lane.summary.wilson95, lane.summary.latency_ms
    return {
        "policy": lane.summary.policy,
        "settings": dict(lane.settings),
        "successes": lane.summary.successes,
        "success_rate": lane.summary.success_rate,
        "wilson95": None if interval is None else list(interval),
        "latency_ms": None if latency is None else {"median": latency[0], "p95": latency[1]},
    }


def _sentence(lane: PairedLane) -> str:
    summary, interval, latency = lane.summary, lane.summary.wilson95, lane.summary.latency_ms
    if interval is None:
        return f"{lane.title}: no episode was completed"
    rate = f"{summary.successes / len(summary.episodes):.0%}, 95 % interval {interval[0]:.0%} to {interval[1]:.0%}"
    timing = "" if latency is None else f", {latency[0]:.0f} ms a policy call"
    return f"{lane.title}: {summary.successes} of {len(summary.episodes)} succeeded ({rate}){timing}"


def _words(result: EpisodeResult) -> str:
    return f"{result.outcome or 'no outcome'} after {result.steps} steps"


def write_pairs(path: Path, summary: PairedSummary) -> None:
    """Write a table with one line a seed.

    Args:
        path: The CSV file.
        summary: What was run.

    Raises:
        WhiskersError: If the file cannot be written.
    """
    letters = [lane_letter(number) for number in range(len(summary.lanes))]
    head = [f"{noun}_{letter}" for letter in letters for noun in ("success", "outcome", "steps")]
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["seed", "recording", *head])
            for lanes in summary.episodes:
                cells = [cell for each in lanes for cell in (int(each.success), each.outcome, each.steps)]
                table.writerow([lanes[0].seed, lanes[0].recording, *cells])
    except OSError as error:
        raise WhiskersError(f"{path} cannot be written ({error.strerror}).") from None
