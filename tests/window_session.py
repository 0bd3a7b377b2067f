"""A window for tests to drive: run as a program, it says on stdout, a JSON object a line, what it shows.

python -m tests.window_session '{"takes": 0.0, "loads": 0.5}'
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from recordings.saved_starts import SavedStarts
from tests.swaying_policy import SwayingPolicy
from viewer_app.camera_names import CameraMapping
from viewer_app.chunking import FirstN
from viewer_app.commands import Command, SetChunking
from viewer_app.doctor.checkup import Order
from viewer_app.doctor.finding import Finding
from viewer_app.engine import Engine
from viewer_app.exporting import VideoExporter
from viewer_app.gui import Complain, Files, LaneStart, LoadProgress, PolicyLoading, Session, run
from viewer_app.gui.contracts import Examination
from viewer_app.headless import open_lanes
from viewer_app.mends import Mends
from viewer_app.scene import Scene
from viewer_app.types import ActionChunk, CallProgress, Observation, Policy, PolicyInfo, Positions, Want, WhiskersError
from viewer_app.view import Frame, View


class Refusing(SwayingPolicy):
    """Answers its first call and refuses all later ones, once, in words and then as broken code does."""

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        if start >= 50:
            raise ZeroDivisionError("the policy divided by zero")
        if start >= 25:
            raise WhiskersError("The policy has seen enough.")
        return super().predict(observations, start, seed, want)


class Loading:
    """Loads for a while. Implements `contracts.PolicyLoading`."""

    def __init__(self, policy: Policy, seconds: float, fails: str) -> None:
        self._policy, self._seconds, self._fails = policy, seconds, fails
        self._begin = time.monotonic()
        self._cancelled = False

    @property
    def source(self) -> str:
        return "tests"

    def poll(self) -> LoadProgress | Policy | WhiskersError:
        if self._cancelled:
            return WhiskersError("Loading tests was cancelled.")
        passed = time.monotonic() - self._begin
        if passed < self._seconds:
            return LoadProgress("Waiting", passed / self._seconds)
        return WhiskersError(self._fails) if self._fails else self._policy

    def cancel(self) -> None:
        self._cancelled = True

    @property
    def call(self) -> CallProgress | None:
        return None

    def close(self) -> None:
        self._cancelled = True


class Folder:
    """Files in one folder. Implements `contracts.Files`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, path: str) -> PolicyLoading | Session:
        raise WhiskersError(f"There is no checkpoint {path!r}.")

    def load_checkpoint(self, source: str, mends: Mends) -> PolicyLoading:
        raise WhiskersError(f"There is no checkpoint {source!r}.")

    def look_at_files(self, order: Order, scene: Scene) -> tuple[Finding, ...]:
        raise WhiskersError(f"There is no checkpoint {order.source!r}.")

    def try_checkpoint(self, order: Order) -> Examination:
        raise WhiskersError(f"There is no checkpoint {order.source!r}.")

    def make_exporter(self) -> VideoExporter:
        return VideoExporter()

    def recent(self) -> Sequence[str]:
        return ()

    def unfinished(self) -> Sequence[Path]:
        return ()

    def settle(self, recording: Path) -> None:
        return

    def save(self, view: View) -> Path:
        raise WhiskersError("The disk is full.")

    def recall_cameras(self, info: PolicyInfo, scene: Scene, complain: Complain) -> CameraMapping | None:
        return None

    def remember_cameras(self, info: PolicyInfo, scene: Scene, mapping: CameraMapping, complain: Complain) -> None:
        return

    def starts(self, scene: Scene) -> Sequence[str]:
        return SavedStarts(scene, self._folder).names()

    def save_start(self, scene: Scene, positions: Positions, name: str) -> Path:
        return SavedStarts(scene, self._folder).save(positions, name)

    def load_start(self, scene: Scene, name: str) -> Positions:
        return SavedStarts(scene, self._folder).load(name)

    def new_file(self, name: str) -> Path:
        return self._folder / name


def session_of(options: dict[str, float | str]) -> tuple[Session, Files]:
    """The session and the files that the options describe."""
    scene = Scene.load("so101")
    kind = Refusing if options.get("refuses") else SwayingPolicy
    lanes = int(options.get("lanes", 1))
    loads, fails = float(options.get("loads", 0.2)), str(options.get("fails", ""))
    policies = [kind(scene, takes=float(options.get("takes", 0.0))) for _ in range(lanes)]
    at_once: Callable[[PolicyInfo], Sequence[Command]] = lambda info: ()  # noqa: E731
    apart: Callable[[PolicyInfo], Sequence[Command]] = lambda info: (SetChunking(FirstN(5)),)  # noqa: E731
    # All lanes but the first execute fewer steps of each chunk, so that they come apart.
    starts = [
        LaneStart(Loading(policy, loads, fails), apart if lane else at_once) for lane, policy in enumerate(policies)
    ]

    def engine(publish: object) -> Engine:
        assert callable(publish)
        return open_lanes(scene, [None] * lanes, 3, publish)

    return Session(scene, engine, tuple(starts)), Folder(Path(str(options.get("folder", "."))))


class Reporter:
    """Prints what a frame shows whenever that changes."""

    def __init__(self) -> None:
        self._last: dict[str, object] = {}

    def __call__(self, seconds: float, frame: Frame | None) -> bool:
        if frame is None:
            return True
        camera = frame.focus.camera
        now: dict[str, object] = {
            "step": frame.step,
            "length": frame.length,
            "head": frame.at_head,
            "running": frame.view.running,
            "trace": frame.trace.name,
            "traces": 1 + len(frame.lane.earlier),
            "policy": frame.lane.policy is not None,
            "message": frame.view.message,
            "azimuth": round(camera.azimuth, 1),
            "camera": camera.label,
            "pictured": bool(frame.seen),
            "chunking": str(frame.lane.settings.chunking),
            "lane": frame.lane_number,
            "lengths": [lane.length for lane in frame.lanes],
            "chunkings": [str(lane.settings.chunking) for lane in frame.view.lanes],
            "clock": frame.clock,
            "events": [event.kind for event in frame.trace.events],
            "marked": frame.focus.overlays.body,
            "pushes": len(frame.trace.forces_at(frame.step)),
            "apart": bool(frame.comparison is not None and max(d.tip.max() for d in frame.comparison.divergences) > 10),
        }
        if now != self._last:
            self._last = now
            sys.stdout.write(json.dumps(now) + "\n")
            sys.stdout.flush()
        return True


if __name__ == "__main__":
    run(*session_of(json.loads(sys.argv[1])), on_frame=Reporter())
