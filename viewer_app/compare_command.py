"""`whiskers compare --episodes N`: the same seeds in every lane without a window, and what they say of the policies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from viewer_app.batch import Batch
from viewer_app.command_line import Compare
from viewer_app.insight import lane_letter
from viewer_app.lane_spec import LaneSpec, parse_lane
from viewer_app.paired_summary import PairedLane, PairedSummary, write_pairs
from viewer_app.scene import Scene
from viewer_app.shown_cameras import fitted_lanes
from viewer_app.start_positions import read_start
from viewer_app.summary import EpisodeResult, Summary
from viewer_app.terminal import batch_bar, load_policy, new_folder, say, tell, write_summary
from viewer_app.types import Policy, PolicyInfo, WhiskersError

_DONE, _INTERRUPTED = 0, 1
"""Exit codes."""
_MOST_LANES = 8


def lanes_of(choice: Compare) -> tuple[LaneSpec, ...]:
    """The lanes that were asked for.

    Raises:
        WhiskersError: If the arguments cannot be meant, whatever the checkpoints are.
    """
    if not 2 <= len(choice.lanes) <= _MOST_LANES:
        raise WhiskersError(
            f"compare takes 2 to {_MOST_LANES} policies, found {len(choice.lanes)}; the same one may be given again "
            "with other settings, for example demo:act demo:act@n_action_steps=10."
        )
    if choice.episodes is None:
        for flag, given in (("--out", choice.out is not None), ("--json", choice.json)):
            if given:
                raise WhiskersError(f"{flag} is about paired episodes without a window; give --episodes N too.")
    elif choice.episodes < 1:
        raise WhiskersError(f"--episodes must be at least 1, found {choice.episodes}.")
    return tuple(parse_lane(text) for text in choice.lanes)


def compare_episodes(choice: Compare, lanes: Sequence[LaneSpec], count: int) -> int:
    """Run the paired episodes and say what they tell. Returns the exit code.

    Args:
        choice: What was asked for.
        lanes: From `lanes_of`.
        count: How many episodes.

    Raises:
        WhiskersError: If it cannot be meant so, cannot be run, or its results cannot be written.
    """
    scene = Scene.load(choice.scene)
    start = None if choice.start is None else read_start(choice.start, scene)
    policies = _load(lanes, choice.device)
    _check_sizes(lanes, [policy.info for policy in policies])
    policies = fitted_lanes(policies, scene, choice.cameras, say)
    setups = [lane.commands(policy.info) for lane, policy in zip(lanes, policies, strict=True)]
    out = new_folder(Path("out/compare")) if choice.out is None else choice.out
    results: list[tuple[EpisodeResult, ...]] = []
    with batch_bar(count, "seed") as bar:
        try:
            with Batch(scene, policies, out, bar.complain, setups) as batch:
                for seed in range(choice.seed, choice.seed + count):
                    results.append(tuple(ran.result for ran in batch.run(seed, start=start)))
                    bar.advance(successes=_tally(results))
        except KeyboardInterrupt:
            bar.complain(f"Interrupted after {len(results)} of {count} seeds.")
    summary = _summary(choice, scene, lanes, policies, results)
    text = write_summary(out, summary.to_plain())
    write_pairs(out / "pairs.csv", summary)
    if choice.json:
        tell(text)
    else:
        tell(summary.to_text())
        if not scene.spec.environment and scene.spec.task.rule == "none":
            tell(f"Scene {scene.name} has no success rule, so no episode can count as a success.")
        tell(f"\nrecordings, summary.json and pairs.csv (one line a seed) are in {out}")
    return _DONE if len(results) == count else _INTERRUPTED


def _load(lanes: Sequence[LaneSpec], device: str) -> list[Policy]:
    """The policy of each lane. Policies are pure, so lanes of one checkpoint share it."""
    loaded: dict[str, Policy] = {}
    for lane in lanes:
        if lane.checkpoint not in loaded:
            loaded[lane.checkpoint] = load_policy(lane.checkpoint, device)
    return [loaded[lane.checkpoint] for lane in lanes]


def _check_sizes(lanes: Sequence[LaneSpec], infos: Sequence[PolicyInfo]) -> None:
    """
    Raises:
        WhiskersError: If the policies are not of one robot.
    """
    for number, (lane, info) in enumerate(zip(lanes, infos, strict=True)):
        if info.n_action != infos[0].n_action:
            raise WhiskersError(
                f"Lane {lane_letter(number)} ({lane.text}) has {info.n_action} action dimensions and lane "
                f"{lane_letter(0)} ({lanes[0].text}) has {infos[0].n_action}; lanes share one scene, so compare "
                "policies of one robot."
            )


def _tally(results: Sequence[Sequence[EpisodeResult]]) -> str:
    """Successes of each lane so far, for example `A 4 B 3`."""
    counts = [sum(each.success for each in lane) for lane in zip(*results, strict=True)]
    return " ".join(f"{lane_letter(number)} {count}" for number, count in enumerate(counts))


def _summary(
    choice: Compare,
    scene: Scene,
    lanes: Sequence[LaneSpec],
    policies: Sequence[Policy],
    results: Sequence[Sequence[EpisodeResult]],
) -> PairedSummary:
    paired = []
    for number, (lane, policy) in enumerate(zip(lanes, policies, strict=True)):
        name = policy.info.name
        summary = Summary(name, scene.name, choice.seed, tuple(each[number] for each in results))
        paired.append(PairedLane(lane.title(name), lane.settings.to_plain(), summary))
    return PairedSummary(scene.name, choice.seed, tuple(paired))
