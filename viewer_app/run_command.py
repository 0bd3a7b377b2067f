"""`whiskers run`: episodes of one policy without a window, with what can be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from recordings.dataset_out import DatasetOptions, check_free
from recordings.takes import chosen, recorded_takes
from viewer_app.analysis import Analyst
from viewer_app.batch import Batch, film
from viewer_app.command_line import Run, given
from viewer_app.dataset_command import save_dataset
from viewer_app.detectors import Thresholds
from viewer_app.diagnosis import parse_mends
from viewer_app.insight import EpisodeInsight
from viewer_app.lane_settings import LaneCommand, LaneSettings
from viewer_app.measures import write_measures
from viewer_app.mending import mended
from viewer_app.scene import Scene
from viewer_app.shown_cameras import fitted
from viewer_app.start_positions import read_start
from viewer_app.summary import EpisodeResult, Summary, results_by_outcome, successes_by_start
from viewer_app.teacher_command import evaluate_on_dataset
from viewer_app.terminal import batch_bar, load_policy, new_folder, say, tell, write_summary
from viewer_app.types import Policy, Positions, Want, WhiskersError
from viewer_app.view import OverlayChoice

_DONE, _INTERRUPTED, _NOT_SAVED = 0, 1, 1
"""Exit codes."""
_NOT_IN_A_RUN = ("inputs", "denoising", "denoising_aim", "denoising_bundle", "shadow", "legend")
"""What only an answer could show, and a run asks no questions; and what pictures say in words, which they always do."""


def run(choice: Run) -> int:
    """Run the episodes and say how they went. Returns the exit code.

    Raises:
        WhiskersError: If it cannot be meant so, cannot be run, or its results cannot be written.
    """
    if choice.on_dataset is not None:
        return evaluate_on_dataset(choice, choice.on_dataset)
    settings = _checked(choice)
    scene = Scene.load(choice.scene)
    starts = _starts(choice, scene)
    mends = parse_mends(choice.units, choice.joint, choice.statistics, choice.checkpoint, scene)
    loaded = load_policy(choice.checkpoint, choice.device, mends.statistics)
    policy = fitted(mended(loaded, mends, scene), scene, choice.cameras, say)
    setup = settings.commands(policy.info, _flag)
    overlays = _overlays(choice, policy)
    out = new_folder(Path("out/run")) if choice.out is None else choice.out
    summary, complete = _run_episodes(choice, scene, policy, setup, starts, overlays, out)
    text = write_summary(out, summary.to_plain())
    if choice.json:
        tell(text)
    else:
        tell(summary.to_sentence())
        tell(", ".join(f"{name} {count}" for name, count in results_by_outcome(summary.episodes).items()))
        for name, (successes, count) in successes_by_start(summary.episodes).items():
            tell(f"from {name}: {successes} of {count} succeeded")
        if summary.rewind is not None:
            tell(f"environment {scene.spec.environment}: {summary.rewind['words']}")
        videos = "videos, " if choice.film else ""
        tell(f"recordings, {videos}summary.json and episodes.csv (smoothness, tracking, findings) are in {out}")
    if choice.save_dataset is None:
        return _DONE if complete else _INTERRUPTED
    return _save_dataset(choice, choice.save_dataset, summary.episodes, complete)


def _save_dataset(choice: Run, root: Path, episodes: Sequence[EpisodeResult], complete: bool) -> int:
    """Save the episodes as a dataset. What was run is told already, and stays whatever happens here."""
    recordings = [Path(each.recording) for each in episodes]
    if not complete:
        say(
            f"The run was interrupted, so no dataset was saved; whiskers export RECORDING ... --dataset {root} does it."
        )
        return _INTERRUPTED
    try:
        takes = chosen(recorded_takes(recordings), choice.successes_only)
        written = save_dataset(root, takes, DatasetOptions())
    except WhiskersError as error:
        say(str(error))
        return _NOT_SAVED
    if written is None:
        return _INTERRUPTED
    if not choice.json:
        tell(f"{written.episodes} episodes, {written.frames} frames, are dataset {written.root}")
    return _DONE


def _run_episodes(
    choice: Run,
    scene: Scene,
    policy: Policy,
    setup: Sequence[LaneCommand],
    starts: Sequence[Positions | None],
    overlays: OverlayChoice,
    out: Path,
) -> tuple[Summary, bool]:
    """The summary, and whether all episodes were run: Ctrl-C leaves what was done."""
    results: list[EpisodeResult] = []
    measured: list[tuple[int, str, EpisodeInsight]] = []
    analyst = Analyst(scene)
    complete, exactness = True, None
    planned = [(start, seed) for start in starts for seed in range(choice.seed, choice.seed + choice.episodes)]
    with batch_bar(len(planned), "episode") as bar:
        try:
            with Batch(scene, (policy,), out, bar.complain, (setup,), Want(samples=choice.samples)) as batch:
                for start, seed in planned:
                    name = f"seed-{seed}" if start is None or len(starts) == 1 else f"{start.name}-seed-{seed}"
                    (ran,) = batch.run(seed, name, start)
                    insight = analyst.episode(ran.trace, len(ran.trace), Thresholds())
                    reach = insight.reach.to_plain() if insight.reach is not None else None
                    results.append(replace(ran.result, reach=reach))
                    measured.append((seed, ran.result.outcome, insight))
                    bar.advance(successes=sum(result.success for result in results))
                    if choice.film:
                        try:
                            film(scene, ran.trace, out / f"{name}.mp4", overlays)
                        except WhiskersError as error:  # The episodes are worth more than a video of one.
                            bar.complain(str(error))
                exactness = batch.exactness()
        except KeyboardInterrupt:
            complete = False
            bar.complain(f"Interrupted after {len(results)} of {len(planned)} episodes.")
    analyst.close()
    if measured:
        write_measures(out / "episodes.csv", scene, measured)
    rewind = exactness.to_plain() if exactness is not None else None
    return Summary(policy.info.name, scene.name, choice.seed, tuple(results), rewind), complete


def _starts(choice: Run, scene: Scene) -> Sequence[Positions | None]:
    """Where the episodes begin, each in turn; None leaves it to the seed.

    Raises:
        WhiskersError: If a file cannot be used, or two have one name, which their recordings are told apart by.
    """
    starts = [read_start(path, scene) for path in choice.start]
    names = [start.name for start in starts]
    for name in names:
        if names.count(name) > 1:
            raise WhiskersError(f"--start names two files that are called {name}; give one of them another name.")
    return starts or [None]


def _flag(setting: str) -> str:
    """How a setting of `LaneSettings` is written on this command line."""
    return "--" + setting.replace("_", "-")


def _checked(choice: Run) -> LaneSettings:
    """
    Raises:
        WhiskersError: If the arguments cannot be meant, whatever the checkpoint is.
    """
    if choice.episodes < 1:
        raise WhiskersError(f"--episodes must be at least 1, found {choice.episodes}.")
    wrong = given(choice, ("episode_indices", "stride"))
    if wrong:
        raise WhiskersError(f"{', '.join(wrong)} is about an evaluation; give --on-dataset DATASET too.")
    if choice.successes_only and choice.save_dataset is None:
        raise WhiskersError("--successes-only says what to save; give --save-dataset ROOT too.")
    if choice.save_dataset is not None:
        check_free(choice.save_dataset)
    settings = LaneSettings(**{each.name: getattr(choice, each.name) for each in fields(LaneSettings)})
    settings.check(_flag)
    if choice.samples < 0:
        raise WhiskersError(f"--samples must be 0 or more, found {choice.samples}.")
    if choice.overlays and not choice.film:
        raise WhiskersError("--overlays says what to draw in videos; give --film too.")
    return settings


def _overlays(choice: Run, policy: Policy) -> OverlayChoice:
    """What the videos show.

    Raises:
        WhiskersError: If there is no such overlay, or nothing it could draw in a run.
    """
    if not choice.overlays:
        return OverlayChoice()
    names = [each.name for each in fields(OverlayChoice) if each.type == "bool" and each.name not in _NOT_IN_A_RUN]
    for name in choice.overlays:
        if name not in names:
            raise WhiskersError(f"--overlays takes {', '.join(names)}; found {name!r}.")
    if "samples" in choice.overlays and not choice.samples:
        raise WhiskersError("--overlays samples draws what --samples asked for; give --samples N too.")
    if "guidance" in choice.overlays and choice.rtc is None:
        raise WhiskersError("--overlays guidance draws what real-time chunking pulls towards; give --rtc HORIZON too.")
    own = policy.info.ensemble_coefficient is not None and choice.n_action_steps is None and not choice.overlap_blend
    if "ensemble" in choice.overlays and choice.temporal_ensemble is None and not own:
        raise WhiskersError("--overlays ensemble draws the ensemble that is executed; give --temporal-ensemble C too.")
    shown = OverlayChoice()
    for name in names:
        shown = shown.having(name, name in choice.overlays)
    return shown
