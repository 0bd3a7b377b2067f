"""What a person feels: how soon the window is there, and whether a slow policy costs it frames. Needs a display."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from tests.bench.rows import Row
from viewer_app.commands import SetStops, SetWant
from viewer_app.engine import Engine
from viewer_app.scene import BUILT_IN, Scene
from viewer_app.types import Want, WhiskersError
from viewer_app.view import Frame, OverlayChoice, View
from viewer_app.wiring import SessionFiles

TITLE = "Whiskers"
THINKING = 8.0
"""How long frames are watched while the policy thinks. [s]"""
PATIENCE = 120.0
"""[s]"""

# Pictures so large that a small ACT's image backbone takes about two seconds a call on one core. [px]
HEIGHT, WIDTH = 960, 1280

BUILD = """
import sys
from pathlib import Path
from tests.checkpoints import build_act
size = (int(sys.argv[2]), int(sys.argv[3]))
build_act(Path(sys.argv[1]), cameras={"wrist_cam": size, "overhead_cam": size}, n_action_steps=1)
"""


def measure_visible(policy: str) -> Row:
    """From the command to a window on the screen, in new processes."""
    times = [_time_to_window(policy) for _ in range(5)]
    return Row(
        "window visible after the command",
        statistics.median(times),
        "s",
        f"whiskers demo, 5 times, slowest {max(times):.2f} s; the policy loads meanwhile",
        1.5,
    )


def _time_to_window(policy: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        command = [sys.executable, "-m", "viewer_app", "demo", "--policy", policy]
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
            while not _window_is_there():
                if process.poll() is not None or time.perf_counter() - begin > PATIENCE:
                    process.kill()
                    raise WhiskersError(f"The demo's window did not appear: {process.communicate()[1].strip()[-300:]}")
                # Looking takes processor time from what is looked for, so not too often.
                time.sleep(0.05)
            took = time.perf_counter() - begin
            process.terminate()
    return took


def _window_is_there() -> bool:
    """Whether a window of ours is on the screen."""
    search = ["xdotool", "search", "--onlyvisible", "--name", f"^{TITLE}"]
    return subprocess.run(search, capture_output=True, check=False).returncode == 0


def measure_frames() -> Row:
    """Time from one frame to the next while the mouse moves over the window and a policy call takes about 2 s."""
    from viewer_app import gui

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = _scene_with_large_pictures(folder / "scene")
        subprocess.run(
            [sys.executable, "-c", BUILD, str(folder / "slow"), str(HEIGHT), str(WIDTH)],
            check=True,
            cwd=Path(__file__).parents[2],
            capture_output=True,
        )
        watch = _FrameWatch()
        mouse = threading.Thread(target=_move_mouse, args=(watch.done,), daemon=True)
        mouse.start()
        files = SessionFiles(folder / "session", "cpu")
        try:
            session = files.new_session(scene, str(folder / "slow"), seed=0, start_running=True)
            gui.run(session, files, title=TITLE, on_frame=watch.on_frame)
        finally:
            watch.done.set()
            files.close()
            mouse.join()
    if len(watch.intervals) < 20:
        raise WhiskersError("The window was watched for too few frames: the slow policy did not get to think.")
    intervals = 1e3 * np.array(watch.intervals)
    return Row(
        "window frame time while the policy thinks, p99",
        float(np.percentile(intervals, 99)),
        "ms",
        f"{len(intervals)} frames at 1280x720 during policy calls of {watch.latency:.1f} s of torch; "
        f"median {np.median(intervals):.0f} ms, longest {intervals.max():.0f} ms",
        50.0,
    )


def measure_running_frames(policy: str) -> Row:
    """Time from one frame to the next while an episode runs with all overlays on, each chunk with 16 samples."""
    from viewer_app import gui

    watch = _RunWatch()
    choice = OverlayChoice(**{each.name: True for each in fields(OverlayChoice) if each.type == "bool"})  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        files = SessionFiles(Path(folder) / "session", "cpu")
        session = files.new_session(Scene.load("so101"), policy, seed=1000, start_running=True)
        session = replace(session, overlays=choice, open_engine=watch.around(session.open_engine))
        mouse = threading.Thread(target=_move_mouse, args=(watch.done,), daemon=True)
        mouse.start()
        try:
            gui.run(session, files, title=TITLE, on_frame=watch.on_frame)
        finally:
            watch.done.set()
            files.close()
            mouse.join()
    if len(watch.intervals) < 20:
        raise WhiskersError("The window was watched for too few frames: the episode did not run.")
    intervals = 1e3 * np.array(watch.intervals)
    return Row(
        "window frame time while running with all overlays on, p99",
        float(np.percentile(intervals, 99)),
        "ms",
        f"{len(intervals)} frames at 1280x720 over {watch.steps} steps; "
        f"median {np.median(intervals):.0f} ms, longest {intervals.max():.0f} ms",
        50.0,
    )


class _RunWatch:
    """Notes the time between frames while an episode runs on and on."""

    def __init__(self) -> None:
        self.intervals: list[float] = []
        self.steps = 0
        self.done = threading.Event()
        self._last: float | None = None
        self._begin = time.monotonic()

    def around(self, open_it: Callable[[Callable[[View], None]], Engine]) -> Callable[[Callable[[View], None]], Engine]:
        """An engine opener whose engine samples at every chunk and does not stop at an outcome."""

        def open_and_ask(publish: Callable[[View], None]) -> Engine:
            engine = open_it(publish)
            engine.send(SetStops(on_outcome=False))
            engine.send(SetWant(Want(samples=16)))
            return engine

        return open_and_ask

    def on_frame(self, seconds: float, frame: Frame | None) -> bool:
        """See `gui.run`."""
        now = time.monotonic()
        # Enough of the trace for ghosts, path and members to be there.
        if frame is not None and frame.view.running and frame.length > 60:
            if self._last is not None:
                self.intervals.append(now - self._last)
            self._last, self.steps = now, frame.length - 60
        return sum(self.intervals) < THINKING and now - self._begin < PATIENCE


class _FrameWatch:
    """Notes the time between frames during which the policy was thinking all along."""

    def __init__(self) -> None:
        self.intervals: list[float] = []
        self.latency = 0.0
        self.done = threading.Event()
        self._last: tuple[float, float] | None = None
        self._begin = time.monotonic()

    def on_frame(self, seconds: float, frame: Frame | None) -> bool:
        """See `gui.run`. The time that the window sleeps counts too, so that a stolen sleep shows."""
        now = time.monotonic()
        lane = frame.lane if frame is not None else None
        since = lane.thinking_since if lane is not None else None
        if lane is not None and lane.latency.count:
            self.latency = lane.latency.median
        # The first call warms torch up; calls after it are those that a person lives with.
        if since is not None and lane is not None and lane.latency.count > 0:
            if self._last is not None and self._last[1] == since:
                self.intervals.append(now - self._last[0])
            self._last = (now, since)
        return sum(self.intervals) < THINKING and now - self._begin < PATIENCE


def _scene_with_large_pictures(folder: Path) -> Scene:
    shutil.copytree(BUILT_IN / "so101", folder)
    text = (folder / "scene.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^width = \d+", f"width = {WIDTH}", text)
    text = re.sub(r"(?m)^height = \d+", f"height = {HEIGHT}", text)
    (folder / "scene.toml").write_text(text, encoding="utf-8")
    return Scene.load(folder)


def _move_mouse(done: threading.Event) -> None:
    """Keep the pointer moving over the viewport, as a person who looks around does."""
    at = 0
    while not done.wait(0.05):
        at += 1
        position = [str(300 + 10 * (at % 20)), str(300)]
        subprocess.run(["xdotool", "mousemove", *position], capture_output=True, check=False)
