"""The command line, and the only place where window, engine, policies and recordings are wired together.

Nothing heavy is imported before it is known what is wanted: `whiskers --help` needs neither MuJoCo nor torch, and the
window is open before torch is imported.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from viewer_app.command_line import Bench, Compare, Demo, Doctor, Export, Run, SceneCheck, SceneNew, View, parse
from viewer_app.terminal import has_display, load_policy, new_folder, say, tell
from viewer_app.types import WhiskersError

if TYPE_CHECKING:
    from viewer_app.gui.contracts import Session
    from viewer_app.mends import Mends
    from viewer_app.scene import Scene
    from viewer_app.wiring import SessionFiles

DONE, FOUND_PROBLEMS, WRONG_USAGE = 0, 1, 2
"""Exit codes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say. Returns the exit code."""
    try:
        choice = parse(sys.argv[1:] if arguments is None else arguments)
        match choice:
            case Demo():
                return _demo(choice)
            case View():
                return _view(choice)
            case Run():
                return _run(choice)
            case Compare():
                return _compare(choice)
            case Export():
                return _export(choice)
            case Doctor():
                return _doctor(choice)
            case SceneNew() | SceneCheck():
                return _scene(choice)
            case Bench():
                return _bench(choice)
            case _:
                assert_never(choice)
    except WhiskersError as error:
        say(str(error))
        return WRONG_USAGE
    except KeyboardInterrupt:
        say("Interrupted.")
        return FOUND_PROBLEMS


def _demo(choice: Demo) -> int:
    if choice.headless or not has_display():
        if not choice.headless:
            say("There is no display, so the demo runs without a window.")
        return _demo_headless(choice)
    return _view_session(choice, choice.policy, "cpu", (), start_running=True, start=None)


def _view(choice: View) -> int:
    _need_display("whiskers run and whiskers export work without one")
    from viewer_app.dataset_command import shown_episode, shows_dataset

    if not shows_dataset(choice):
        return _view_session(
            choice, choice.checkpoint, choice.device, choice.cameras, start_running=False, start=choice.start
        )
    demonstration, asked = shown_episode(choice)

    def session(files: SessionFiles) -> Session:
        return files.dataset_session(demonstration, asked)

    return _open_window(session, choice.device, choice.picture_megabytes)


def _demo_headless(choice: Demo) -> int:
    from viewer_app.batch import Batch, film
    from viewer_app.scene import Scene

    scene = Scene.load(choice.scene)
    policy = load_policy(choice.policy)
    out = new_folder(choice.out)
    with Batch(scene, (policy,), out, say) as batch:
        (ran,) = batch.run(choice.seed, "recording")
    film(scene, ran.trace, out / "episode.mp4", screenshot=out / "screenshot.png")
    result = ran.result
    tell(f"{policy.info.name} on {scene.name}, seed {choice.seed}: {result.outcome} after {result.steps} steps")
    tell(f"recording    {out / 'recording'}")
    tell(f"screenshot   {out / 'screenshot.png'}")
    tell(f"video        {out / 'episode.mp4'}")
    return DONE


def _run(choice: Run) -> int:
    from viewer_app.run_command import run

    return run(choice)


def _compare(choice: Compare) -> int:
    from viewer_app.compare_command import compare_episodes, lanes_of

    lanes = lanes_of(choice)
    if choice.episodes is not None:
        return compare_episodes(choice, lanes, choice.episodes)
    _need_display("with --episodes N whiskers compare works without one")

    def session(files: SessionFiles) -> Session:
        from viewer_app.scene import Scene

        return files.compare_session(Scene.load(choice.scene), lanes, choice.seed, choice.cameras, choice.start)

    return _open_window(session, choice.device, choice.picture_megabytes)


def _export(choice: Export) -> int:
    from viewer_app.export_command import export_recordings

    return export_recordings(choice)


def _need_display(instead: str) -> None:
    if not has_display():
        raise WhiskersError(f"There is no display to open a window on (DISPLAY names none that answers); {instead}.")


def _view_session(
    choice: Demo | View, source: str, device: str, cameras: tuple[str, ...], start_running: bool, start: Path | None
) -> int:
    def session(files: SessionFiles) -> Session:
        from recordings.folder import is_recording
        from viewer_app.scene import Scene

        if is_recording(Path(source)):
            if start is not None:
                raise WhiskersError("--start is for new episodes; a recording begins where it was recorded.")
            return files.recorded_session(Path(source))
        scene = Scene.load(choice.scene)
        return files.new_session(scene, source, choice.seed or 0, start_running, cameras, start, _mends(choice, scene))

    return _open_window(session, device, choice.picture_megabytes)


def _mends(choice: Demo | View, scene: Scene) -> Mends:
    """What the command line mends of the checkpoint."""
    from viewer_app.mends import Mends

    if isinstance(choice, Demo) or not (choice.units or choice.joint or choice.statistics):
        return Mends()
    from viewer_app.diagnosis import parse_mends

    return parse_mends(choice.units, choice.joint, choice.statistics, choice.checkpoint, scene)


def _open_window(open_session: Callable[[SessionFiles], Session], device: str, picture_megabytes: int) -> int:
    from recordings.recent import RecentFiles
    from viewer_app import gui
    from viewer_app.wiring import SessionFiles

    if picture_megabytes < 0:
        raise WhiskersError(f"--picture-megabytes must be 0 or more, found {picture_megabytes}.")
    files = SessionFiles(new_folder(Path("out/session")), device, picture_megabytes << 20, RecentFiles(say))
    try:
        gui.run(open_session(files), files)
    finally:
        files.close()
    _leave_the_busy()
    return DONE


def _leave_the_busy() -> None:
    """End the process here if a thread still computes that the window did not wait for any longer.

    An environment may take longer to open than anybody waits for a window to close. Python would end its thread in the
    middle of MuJoCo's C++, which crashes.
    """
    if any(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(DONE)


def _doctor(choice: Doctor) -> int:
    from viewer_app.doctor_command import doctor

    return doctor(choice)


def _scene(choice: SceneNew | SceneCheck) -> int:
    from viewer_app.scene_command import check, new_scene

    return new_scene(choice) if isinstance(choice, SceneNew) else check(choice)


def _bench(choice: Bench) -> int:
    root = Path(__file__).parents[1]
    if not (root / "tests" / "bench" / "__init__.py").is_file():
        raise WhiskersError("The benchmarks are part of the source tree, not of the installed package; run make bench.")
    sys.path.insert(0, str(root))
    from tests.bench.table import print_table

    return DONE if print_table(choice.only, choice.policy, choice.json) else FOUND_PROBLEMS


if __name__ == "__main__":
    sys.exit(main())
