"""The command line, and the only place where window, engine, policies and recordings are wired together.

Nothing heavy is imported before it is known what is wanted: `whiskers --help` needs neither MuJoCo nor torch, and the
window is open before torch is imported.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, assert_never

import tyro

from viewer_app.types import Policy, WhiskersError

if TYPE_CHECKING:
    from viewer_app.chunking import Chunking
    from viewer_app.commands import Command
    from viewer_app.scene import Scene
    from viewer_app.summary import Summary
    from viewer_app.view import OverlayChoice

DONE, FOUND_PROBLEMS, WRONG_USAGE = 0, 1, 2
"""Exit codes."""

Checkpoint = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="CHECKPOINT")]


@dataclass(frozen=True)
class Demo:
    """Open the built-in scene, robot and trained checkpoint in the window. Without a display, record an episode."""

    policy: str = "demo:act"
    """Checkpoint that drives: a folder, a hub id, or a demo's name."""
    scene: str = "so101"
    """Built-in scene, or the path of a scene's text file."""
    seed: int = 1000
    """Of the first episode."""
    headless: bool = False
    """Record an episode, a picture and a video instead of opening the window."""
    out: Path = Path("out/demo")
    """Folder for what is recorded."""
    picture_megabytes: int = 256
    """The most that remembered camera pictures may take in memory; all others are rendered again when looked at."""


@dataclass(frozen=True)
class View:
    """Open a checkpoint, or a recording, in the window."""

    checkpoint: Checkpoint
    """A folder, a hub id or demo:act; or the folder of a recording, which needs no checkpoint."""
    scene: str = "so101"
    """Built-in scene, or the path of a scene's text file. A recording brings its own."""
    seed: int = 0
    """Of the first episode."""
    device: str = "cpu"
    """Where the policy runs, in torch's words."""
    picture_megabytes: int = 256
    """The most that remembered camera pictures may take in memory; all others are rendered again when looked at."""


@dataclass(frozen=True)
class Run:
    """Run episodes without a window: recordings and a summary."""

    checkpoint: Checkpoint
    """A folder, a hub id or demo:act."""
    scene: str = "so101"
    """Built-in scene, or the path of a scene's text file."""
    episodes: int = 10
    """How many."""
    seed: int = 1000
    """Of the first episode; the following ones count up."""
    out: Path | None = None
    """Folder for the recordings and summary.json. By default a new one under out/."""
    n_action_steps: int | None = None
    """Execute this many steps of each chunk instead of the checkpoint's own number."""
    temporal_ensemble: float | None = None
    """Ensemble the chunks with this coefficient, asking at every step."""
    overlap_blend: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="ADVANCE OVERLAP")] = None
    """Ask every ADVANCE steps, and cross-fade from chunk to chunk over the first OVERLAP of them."""
    delay: int = 0
    """Simulate a latency: every chunk but the first answers the observation of this many control steps ago."""
    samples: int = 0
    """Draw and record this many further chunks at every call, where the policy can (ACT: latents from its prior)."""
    blind: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=MODE ...")] = ()
    """Blind inputs, for example wrist_cam=black state=mean. Modes: black, mean, noise, frozen."""
    film: bool = False
    """Make a video of each episode, beside its recording."""
    overlays: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """What to draw in the videos, for example whisker physics path. By default whisker, ghosts and path."""
    device: str = "cpu"
    """Where the policy runs, in torch's words."""
    json: bool = False
    """Print exactly one JSON object on stdout."""


@dataclass(frozen=True)
class Bench:
    """Print the benchmark table: ratios to raw calls, measured in one run on this machine."""

    only: tuple[str, ...] = ()
    """Measure these rows only."""
    policy: str = "demo:act"
    """Checkpoint of the rows that need one."""
    json: bool = False
    """Print exactly one JSON object on stdout."""


Choice = (
    Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[View, tyro.conf.subcommand("view")]
    | Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say. Returns the exit code."""
    try:
        choice = _parse(sys.argv[1:] if arguments is None else arguments)
        match choice:
            case Demo():
                return _demo(choice)
            case View():
                return _view(choice)
            case Run():
                return _run(choice)
            case Bench():
                return _bench(choice)
            case _:
                assert_never(choice)
    except WhiskersError as error:
        _say(str(error))
        return WRONG_USAGE
    except KeyboardInterrupt:
        _say("Interrupted.")
        return FOUND_PROBLEMS


def _say(sentence: str) -> None:
    print(f"whiskers: {sentence}", file=sys.stderr, flush=True)


def _parse(arguments: Sequence[str]) -> Demo | View | Run | Bench:
    """
    Raises:
        WhiskersError: If the arguments are not understood; one sentence instead of tyro's box.
    """
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                Choice,
                prog="whiskers",
                description="A desktop debugger for learned robot policies.",
                args=list(arguments),
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        if not complaint.getvalue():
            # --help was asked for; it went to stdout.
            raise SystemExit(DONE) from None
    raise WhiskersError(f"{_first_words(complaint.getvalue())} (see whiskers --help)")


def _first_words(box: str) -> str:
    """What tyro complains about, without the box around it and the advice below."""
    # Where the terminal's encoding has no box characters, the title stands inside, above a rule of its own.
    inside = [line for each in box.splitlines() if (line := each.strip("│ ")) and not each.startswith(("╭", "╰"))]
    rules = [i for i, line in enumerate(inside) if not line.strip("─-")]
    begin = 2 if rules[:1] == [1] and "╭" not in box else 0
    end = next((rule for rule in rules if rule > begin), len(inside))
    words = " ".join(" ".join(inside[begin:end]).split()).rstrip(".")
    return words or "The arguments were not understood"


def _load(source: str, device: str = "cpu") -> Policy:
    """Load a policy, with the progress on stderr."""
    from tqdm import tqdm

    from policies.load import load
    from policies.progress import Progress

    # disable=None: no bar where nobody watches.
    with tqdm(total=1.0, bar_format="{desc}: {percentage:.0f}% [{elapsed}]", leave=False, disable=None) as bar:

        def report(progress: Progress) -> None:
            bar.set_description(progress.text, refresh=False)
            bar.n = progress.fraction
            bar.refresh()

        return load(source, report, device)


def _has_display() -> bool:
    """Whether a window can be opened. macOS and Windows always have their display.

    On Linux the X server is tried: Dear PyGui's GLFW ends the process where DISPLAY names one that does not answer.
    """
    if not sys.platform.startswith("linux"):
        return True
    if not os.environ.get("DISPLAY"):
        return False
    import ctypes

    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return False
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    if not display:
        return False
    x11.XCloseDisplay(ctypes.c_void_p(display))
    return True


def _demo(choice: Demo) -> int:
    if choice.headless or not _has_display():
        if not choice.headless:
            _say("There is no display, so the demo runs without a window.")
        return _demo_headless(choice)
    return _open_window(choice, choice.policy, "cpu", start_running=True)


def _view(choice: View) -> int:
    if not _has_display():
        raise WhiskersError(
            "There is no display to open a window on (DISPLAY names none that answers); whiskers run works without one."
        )
    return _open_window(choice, choice.checkpoint, choice.device, start_running=False)


def _demo_headless(choice: Demo) -> int:
    from viewer_app.batch import Batch, film
    from viewer_app.scene import Scene

    scene = Scene.load(choice.scene)
    policy = _load(choice.policy)
    out = _new_folder(choice.out)
    with Batch(scene, policy, out, (), _say) as batch:
        result, trace = batch.run(choice.seed, "recording")
    film(scene, trace, out / "episode.mp4", screenshot=out / "screenshot.png")
    print(f"{policy.info.name} on {scene.name}, seed {choice.seed}: {result.outcome} after {result.steps} steps")
    print(f"recording    {out / 'recording'}")
    print(f"screenshot   {out / 'screenshot.png'}")
    print(f"video        {out / 'episode.mp4'}")
    return DONE


def _open_window(choice: Demo | View, source: str, device: str, start_running: bool) -> int:
    from viewer_app import gui
    from viewer_app.scene import Scene
    from viewer_app.wiring import SessionFiles

    if choice.picture_megabytes < 0:
        raise WhiskersError(f"--picture-megabytes must be 0 or more, found {choice.picture_megabytes}.")
    files = SessionFiles(_new_folder(Path("out/session")), device, choice.picture_megabytes << 20)
    try:
        recorded = Path(source) if _is_recording(source) else None
        if recorded is None:
            session = files.new_session(Scene.load(choice.scene), source, choice.seed, start_running)
        else:
            session = files.recorded_session(recorded)
        gui.run(session, files)
    finally:
        files.close()
    return DONE


def _is_recording(source: str) -> bool:
    from recordings.folder import is_recording

    return is_recording(Path(source))


def _run(choice: Run) -> int:
    from viewer_app.scene import Scene

    _check_run(choice)
    scene = Scene.load(choice.scene)
    policy = _load(choice.checkpoint, choice.device)
    setup = _setup(choice, policy)
    overlays = _overlays(choice, policy)
    out = _new_folder(Path("out/run")) if choice.out is None else choice.out
    summary, complete = _run_episodes(choice, scene, policy, setup, overlays, out)
    text = json.dumps(summary.to_plain(), indent=1)
    try:
        (out / "summary.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise WhiskersError(f"{out / 'summary.json'} cannot be written ({error.strerror}).") from None
    if choice.json:
        print(text)
    else:
        from viewer_app.summary import results_by_outcome

        print(summary.to_sentence())
        print(", ".join(f"{name} {count}" for name, count in results_by_outcome(summary.episodes).items()))
        videos = "videos, " if choice.film else ""
        print(f"recordings, {videos}summary.json and episodes.csv (smoothness, tracking, findings) are in {out}")
    return DONE if complete else FOUND_PROBLEMS


def _run_episodes(
    choice: Run, scene: Scene, policy: Policy, setup: tuple[Command, ...], overlays: OverlayChoice, out: Path
) -> tuple[Summary, bool]:
    """The summary, and whether all episodes were run: Ctrl-C leaves what was done."""
    from tqdm import tqdm

    from viewer_app.analysis import Analyst
    from viewer_app.batch import Batch, film
    from viewer_app.detectors import Thresholds
    from viewer_app.insight import EpisodeInsight
    from viewer_app.measures import write_measures
    from viewer_app.summary import EpisodeResult, Summary

    results: list[EpisodeResult] = []
    measured: list[tuple[int, str, EpisodeInsight]] = []
    analyst = Analyst(scene)
    complete = True

    def complain(text: str) -> None:
        bar.write(f"whiskers: {text}", file=sys.stderr)

    # A log file gets a line now and then, a terminal a bar that moves.
    with tqdm(total=choice.episodes, unit="episode", mininterval=0.2 if sys.stderr.isatty() else 30) as bar:
        try:
            with Batch(scene, policy, out, setup, complain) as batch:
                for seed in range(choice.seed, choice.seed + choice.episodes):
                    result, trace = batch.run(seed)
                    results.append(result)
                    measured.append((seed, result.outcome, analyst.episode(trace, len(trace), Thresholds())))
                    bar.set_postfix(successes=sum(result.success for result in results), refresh=False)
                    bar.update()
                    if choice.film:
                        try:
                            film(scene, trace, out / f"seed-{seed}.mp4", overlays)
                        except WhiskersError as error:  # The episodes are worth more than a video of one.
                            complain(str(error))
        except KeyboardInterrupt:
            complete = False
            complain(f"Interrupted after {len(results)} of {choice.episodes} episodes.")
    if measured:
        write_measures(out / "episodes.csv", scene, measured)
    return Summary(policy.info.name, scene.name, choice.seed, tuple(results)), complete


def _check_run(choice: Run) -> None:
    """
    Raises:
        WhiskersError: If the arguments cannot be meant, whatever the checkpoint is.
    """
    if choice.episodes < 1:
        raise WhiskersError(f"--episodes must be at least 1, found {choice.episodes}.")
    modes = {
        "--n-action-steps": choice.n_action_steps,
        "--temporal-ensemble": choice.temporal_ensemble,
        "--overlap-blend": choice.overlap_blend,
    }
    given = [name for name, value in modes.items() if value is not None]
    if len(given) > 1:
        raise WhiskersError(f"{' and '.join(given)} exclude each other; give one of them.")
    if choice.samples < 0:
        raise WhiskersError(f"--samples must be 0 or more, found {choice.samples}.")
    if choice.overlays and not choice.film:
        raise WhiskersError("--overlays says what to draw in videos; give --film too.")


def _setup(choice: Run, policy: Policy) -> tuple[Command, ...]:
    """The commands that put what was asked for in force.

    Raises:
        WhiskersError: If the policy cannot be run so.
    """
    from viewer_app.blinding import STATE, Blind
    from viewer_app.commands import SetBlinding, SetChunking, SetDelay, SetWant
    from viewer_app.types import Want

    chunking, info = _chunking(choice, policy), policy.info
    commands: list[Command] = [] if chunking is None else [SetChunking(chunking)]
    if not 0 <= choice.delay < info.chunk_size:
        raise WhiskersError(
            f"--delay must be 0 to {info.chunk_size - 1}, one less than the chunk size of {info.name}; "
            f"found {choice.delay}."
        )
    if choice.delay:
        commands.append(SetDelay(choice.delay))
    if choice.samples:
        commands.append(SetWant(Want(samples=choice.samples)))
    inputs = (*info.cameras, *((STATE,) if info.n_state else ()))
    for each in choice.blind:
        name, _, mode = each.partition("=")
        if name not in inputs or mode not in list(Blind):
            raise WhiskersError(
                f"--blind takes NAME=MODE with a name of {', '.join(inputs)} and a mode of {', '.join(Blind)}; "
                f"found {each!r}."
            )
        commands.append(SetBlinding(name, Blind(mode)))
    return tuple(commands)


def _chunking(choice: Run, policy: Policy) -> Chunking | None:
    """The execution mode that was asked for, None for the checkpoint's own.

    Raises:
        WhiskersError: If the policy's chunks are too short for it.
    """
    from viewer_app.chunking import FirstN, OverlapBlend, TemporalEnsemble

    size, name = policy.info.chunk_size, policy.info.name
    if (n := choice.n_action_steps) is not None:
        if not 1 <= n <= size:
            raise WhiskersError(f"--n-action-steps must be 1 to {size}, the chunk size of {name}; found {n}.")
        return FirstN(n)
    if choice.overlap_blend is not None:
        advance, overlap = choice.overlap_blend
        if not (advance >= 1 and 0 <= overlap <= advance and advance + overlap + choice.delay <= size):
            raise WhiskersError(
                f"--overlap-blend needs an ADVANCE of 1 or more, an OVERLAP of 0 to ADVANCE, and both with --delay "
                f"within {size}, the chunk size of {name}; found {advance} and {overlap} with delay {choice.delay}."
            )
        return OverlapBlend(advance, overlap)
    return None if choice.temporal_ensemble is None else TemporalEnsemble(choice.temporal_ensemble, ())


def _overlays(choice: Run, policy: Policy) -> OverlayChoice:
    """What the videos show.

    Raises:
        WhiskersError: If there is no such overlay, or nothing it could draw in a run.
    """
    from viewer_app.view import OverlayChoice

    if not choice.overlays:
        return OverlayChoice()
    # A run asks no questions, so what only an answer could show is not on offer.
    names = [
        each.name for each in fields(OverlayChoice) if each.type == "bool" and each.name not in ("inputs", "legend")
    ]
    for name in choice.overlays:
        if name not in names:
            raise WhiskersError(f"--overlays takes {', '.join(names)}; found {name!r}.")
    if "samples" in choice.overlays and not choice.samples:
        raise WhiskersError("--overlays samples draws what --samples asked for; give --samples N too.")
    own = policy.info.ensemble_coefficient is not None and choice.n_action_steps is None and not choice.overlap_blend
    if "ensemble" in choice.overlays and choice.temporal_ensemble is None and not own:
        raise WhiskersError("--overlays ensemble draws the ensemble that is executed; give --temporal-ensemble C too.")
    shown = OverlayChoice()
    for name in names:
        shown = shown.having(name, name in choice.overlays)
    return shown


def _bench(choice: Bench) -> int:
    root = Path(__file__).parents[1]
    if not (root / "tests" / "bench" / "__init__.py").is_file():
        raise WhiskersError("The benchmarks are part of the source tree, not of the installed package; run make bench.")
    sys.path.insert(0, str(root))
    from tests.bench.table import print_table

    return DONE if print_table(choice.only, choice.policy, choice.json) else FOUND_PROBLEMS


def _new_folder(base: Path) -> Path:
    """A folder beside `base` that is not there yet: `base`-<date>-<time>."""
    return base.with_name(f"{base.name}-{time.strftime('%Y%m%d-%H%M%S')}")


if __name__ == "__main__":
    sys.exit(main())
