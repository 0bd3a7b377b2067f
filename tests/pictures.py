"""Writes what the documentation shows of the real program: docs/images/*.png and docs/keys.md.

`make pictures` runs it. The window is the real one, on an X server that nobody sees, and driven as a person drives it:
by keys and by the command palette.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import dearpygui.dearpygui as dpg
import numpy as np
from PIL import Image, ImageGrab

from panels.actions import ACTIONS, Action
from viewer_app import gui
from viewer_app.__main__ import main as main_of_whiskers
from viewer_app.chunking import FirstN
from viewer_app.commands import Command, Run, SetChunking, SetStops, Step
from viewer_app.engine import Engine
from viewer_app.gui import Files, Session
from viewer_app.headless import ask, open_engine
from viewer_app.lane_spec import parse_lane
from viewer_app.questions import Ablation, Attention, Denoising, Ensemble, Occlusion, Samples, Shadow
from viewer_app.render import Shot as ViewportShot
from viewer_app.render import Viewport
from viewer_app.scene import Scene
from viewer_app.view import Frame, OverlayChoice, View, camera_presets
from viewer_app.wiring import SessionFiles

ROOT = Path(__file__).parents[1]
PATIENCE = 240.0
"""[s]"""
SETTLE = 3.0
"""How long after what was asked for has come a picture is taken: widgets and pictures have caught up by then. [s]"""
MESSAGES = 8.0
"""How long after the last step the first picture is taken: messages are gone by then. [s]"""

SIZE = (1440, 900)
"""Of the window. [px]"""
CORNER = (str(SIZE[0] // 2), str(SIZE[1] - 8))
"""Where the pointer is out of the way: over a plot it would show the values under it instead of those of the step."""

Condition = Callable[[Frame], bool]


@dataclass(frozen=True)
class Shot:
    """One picture of the window."""

    name: str
    """Of the file, without its suffix."""
    actions: tuple[Action, ...] = ()
    """What to do first, through the command palette."""
    until: Condition = lambda frame: True
    """What the window must show before the picture is taken."""
    undo: tuple[Action, ...] = ()
    """What to do after it."""
    click: str = ""
    """Label of a widget to click after the actions."""


@dataclass(frozen=True)
class Sitting:
    """One session of the window and the pictures taken of it."""

    open: Callable[[Path], tuple[Session, Files]]
    steps: int
    """Control steps to take first."""
    shots: tuple[Shot, ...]
    setup: tuple[Command, ...] = ()


def keys_page() -> str:
    """docs/keys.md, from the table that the window itself reads."""
    origin = "Written by `make pictures` from the window's own table. F1 shows the same in the window."
    lines = ["# Keys", "", origin, ""]
    group = ""
    for entry in ACTIONS:
        if entry.group != group:
            group = entry.group
            lines += ["", f"## {group}", "", "| key | what it does |", "|---|---|"]
        keys = " or ".join(f"`{key}`" for key in entry.keys) or "command palette (`Ctrl+K`)"
        lines.append(f"| {keys} | {entry.title} |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _title(action: Action) -> str:
    return next(entry.title for entry in ACTIONS if entry.action is action)


def _do(actions: Sequence[Action]) -> None:
    """Choose actions in the command palette, with real keys."""
    for action in actions:
        subprocess.run(["xdotool", "key", "ctrl+k"], check=True)
        time.sleep(0.5)
        subprocess.run(["xdotool", "type", "--delay", "15", _title(action)], check=True)
        time.sleep(0.5)
        subprocess.run(["xdotool", "key", "Return"], check=True)
        time.sleep(0.4)


class Photographer:
    """Waits until the episode has got to a step, then takes one picture after another, and closes the window."""

    def __init__(self, sitting: Sitting, out: Path) -> None:
        """
        Args:
            sitting: What to do and what to wait for.
            out: Folder of the PNG files.
        """
        self._sitting = sitting
        self._out = out
        self._begin = time.monotonic()
        self._plan = self._work()
        self.taken: list[str] = []
        self._frame: Frame | None = None
        self._engine: Engine | None = None

    def around(self, open_it: Callable[[Callable[[View], None]], Engine]) -> Callable[[Callable[[View], None]], Engine]:
        """An engine opener that lets the photographer speak to the engine."""

        def open_and_limit(publish: Callable[[View], None]) -> Engine:
            self._engine = open_it(publish)
            return self._engine

        return open_and_limit

    def on_frame(self, seconds: float, frame: Frame | None) -> bool:
        """See `gui.run`."""
        self._frame = frame
        return next(self._plan, "done") != "done" and time.monotonic() - self._begin < PATIENCE

    def _work(self) -> Iterator[None]:
        """What to do, a pause for each frame that passes meanwhile."""
        while self._frame is None or self._engine is None or not _driven(self._frame):
            yield
        for command in (*self._sitting.setup, SetStops(max_steps=self._sitting.steps), Run()):
            self._engine.send(command)
        while not (self._frame.length >= self._sitting.steps or self._frame.lane.finished):
            yield
        yield from self._pause(MESSAGES)
        for shot in self._sitting.shots:
            yield from self._act(shot.actions)
            yield from self._click(shot.click)
            while self._frame is None or not shot.until(self._frame):
                yield
            yield from self._pause(SETTLE)
            self._take(shot.name)
            yield from self._act(shot.undo)

    @staticmethod
    def _pause(seconds: float) -> Iterator[None]:
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            yield

    @staticmethod
    def _act(actions: Sequence[Action]) -> Iterator[None]:
        # Keys are pressed on a thread of their own: the window must go on meanwhile to see them.
        hands = threading.Thread(target=_do, args=(actions,))
        hands.start()
        while hands.is_alive():
            yield

    def _click(self, label: str) -> Iterator[None]:
        if not label:
            return
        named = [item for item in dpg.get_all_items() if str(dpg.get_item_label(item) or "").endswith(label)]
        item = next(each for each in named if dpg.is_item_visible(each))
        left, top = (int(x) for x in dpg.get_viewport_pos())
        x, y = dpg.get_item_rect_min(item)
        width, height = dpg.get_item_rect_size(item)
        place = [str(round(left + x + width / 2)), str(round(top + y + height / 2))]
        subprocess.run(["xdotool", "mousemove", *place], check=True)
        yield from self._pause(0.5)
        subprocess.run(["xdotool", "mousedown", "1"], check=True)
        yield from self._pause(0.3)
        subprocess.run(["xdotool", "mouseup", "1"], check=True)
        yield from self._pause(0.5)
        subprocess.run(["xdotool", "mousemove", *CORNER], check=True)

    def _take(self, name: str) -> None:
        left, top = (int(x) for x in dpg.get_viewport_pos())
        right, bottom = left + dpg.get_viewport_width(), top + dpg.get_viewport_height()
        picture = ImageGrab.grab((left, top, right, bottom)).convert("RGB")
        picture.save(self._out / f"{name}.png", optimize=True)
        self.taken.append(name)


def _driven(frame: Frame) -> bool:
    """Whether every lane has its policy."""
    return all(lane.policy is not None for lane in frame.view.lanes)


def _shadowed(frame: Frame) -> bool:
    """Whether all other policies said what they would do here, and the lanes are compared."""
    others = [lane.lane_number for lane in frame.lanes if lane.lane_number != frame.lane_number]
    asked = all(frame.lane.answers.to(Shadow, frame.trace, frame.step, lane) is not None for lane in others)
    return asked and frame.comparison is not None


def _answered(*kinds: type, cameras: bool = False) -> Condition:
    def has_come(frame: Frame) -> bool:
        lane = frame.lane
        names = list(lane.policy.cameras) if cameras and lane.policy is not None else [""]
        known = all(
            lane.answers.to(kind, frame.trace, frame.step, name) is not None for kind in kinds for name in names
        )
        return known and lane.asking is None and frame.moment is not None and frame.moment.step == frame.step

    return has_come


def _measured(frame: Frame) -> bool:
    return frame.episode is not None and frame.episode.length == frame.length


def sittings(policy: str) -> tuple[Sitting, ...]:
    """All pictures of the documentation."""

    def open_with(source: str, seed: int) -> Callable[[Path], tuple[Session, Files]]:
        def open_it(folder: Path) -> tuple[Session, Files]:
            files = SessionFiles(folder, "cpu")
            return files.new_session(Scene.load("so101"), source, seed, start_running=False), files

        return open_it

    def compare(folder: Path) -> tuple[Session, Files]:
        files = SessionFiles(folder, "cpu")
        lanes = [parse_lane("demo:act"), parse_lane("demo:pi0")]
        return files.compare_session(Scene.load("so101"), lanes, 1003), files

    chunk, inputs = Action.TAB_CHUNK, Action.TAB_INPUTS
    marks = (Action.TOGGLE_TICKS, Action.TOGGLE_GRIPPER)
    middle = (
        Shot("window"),
        Shot("physics", (Action.PRESET_5, chunk, Action.TOGGLE_PHYSICS), _answered(), (Action.TOGGLE_PHYSICS,)),
        Shot("ensemble", (Action.ASK_ENSEMBLE,), _answered(Ensemble), (Action.TOGGLE_ENSEMBLE,)),
        Shot("ticks", marks, _answered(), marks),
        Shot("inputs", (inputs, Action.ASK_INPUTS), _answered(Ablation), (Action.TOGGLE_INPUTS,)),
        Shot("occlusion", (Action.ASK_OCCLUSION,), _answered(Occlusion, cameras=True)),
        Shot("attention", (Action.ASK_ATTENTION,), _answered(Attention)),
    )
    return (
        Sitting(open_with(policy, 1000), 12, middle),
        Sitting(
            open_with(policy, 911),
            58,
            (Shot("history", (Action.PRESET_5, Action.TOGGLE_MEMBERS), click="then"),),
            setup=(SetChunking(FirstN(10)),),
        ),
        Sitting(
            open_with(policy, 911),
            260,
            (
                Shot("motion", (Action.TAB_MOTION,), _measured),
                Shot("findings", (Action.TAB_FINDINGS,), _measured, click="Detectors"),
            ),
            setup=(SetChunking(FirstN(10)),),
        ),
        Sitting(
            open_with("demo:pi0", 1000),
            8,
            (
                Shot(
                    "samples",
                    (Action.PRESET_5, chunk, Action.ASK_SAMPLES),
                    _answered(Samples),
                    undo=(Action.TOGGLE_SAMPLES,),
                ),
                Shot("denoising", (Action.TAB_DENOISING, Action.ASK_DENOISING), _answered(Denoising)),
            ),
        ),
        Sitting(
            open_with(policy, 1000),
            40,
            (Shot("export", (Action.EXPORT_VIDEO,), undo=()),),
        ),
        Sitting(compare, 24, (Shot("compare", (Action.PRESET_5, Action.TAB_COMPARE, Action.ASK_SHADOW), _shadowed),)),
    )


def draw_denoising_sequence(out: Path) -> None:
    """One chunk of the demo's tiny Pi0 at four of its denoising steps, without a window."""
    from policies.load import load

    scene = Scene.load("so101")
    engine = open_engine(scene, load("demo:pi0"), 1000)
    try:
        engine.send(Step(8))
        while engine.tick():
            pass
        ask(engine, Denoising(samples=8))
        lane = engine.lanes[0]
        camera = camera_presets(scene.spec.look_at)[4]
        pictures = []
        with Viewport(scene) as viewport:
            for step in (0, 4, 8, 10):
                choice = OverlayChoice(whisker=False, ghosts=False, path=False, denoising=True, denoising_step=step)
                shot = ViewportShot(lane.trace, 8, 8, camera, choice, 480, 420, lane.answers)
                pictures.append(viewport.draw(shot).image)
    finally:
        engine.close()
    Image.fromarray(np.hstack(pictures)).save(out / "denoising_sequence.png", optimize=True)


def draw_tiled_video(out: Path) -> None:
    """One picture of the six-angle video of an episode, by the very commands."""
    with tempfile.TemporaryDirectory() as folder:
        run, frames = Path(folder) / "run", Path(folder) / "frames"
        assert main_of_whiskers(["run", "demo:act", "--episodes", "1", "--seed", "1000", "--out", str(run)]) == 0
        options = ["--range", "24", "25", "--strips", "caption", "timeline", "joints"]
        assert main_of_whiskers(["export", str(run / "seed-1000"), "--out", str(frames), *options]) == 0
        first = min(frames.glob("*.png"))
        Image.open(first).save(out / "six_angles.png", optimize=True)


def photograph(sitting: Sitting, out: Path) -> list[str]:
    """Take the pictures of one sitting. Returns the names of those that were taken."""
    photographer = Photographer(sitting, out)
    with tempfile.TemporaryDirectory() as folder:
        session, files = sitting.open(Path(folder) / "session")
        session = replace(session, open_engine=photographer.around(session.open_engine))
        subprocess.run(["xdotool", "mousemove", *CORNER], check=True)
        try:
            gui.run(session, files, width=SIZE[0], height=SIZE[1], on_frame=photographer.on_frame)
        finally:
            if isinstance(files, SessionFiles):
                files.close()
    return photographer.taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", default="demo:act")
    parser.add_argument("--only", nargs="*", default=[], help="take the sittings that hold these pictures alone")
    parser.add_argument("--sitting", type=int, help="take the pictures of this sitting in this process")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    (ROOT / "docs" / "keys.md").write_text(keys_page(), encoding="utf-8")
    drawn = {"denoising_sequence": draw_denoising_sequence, "six_angles": draw_tiled_video}
    for name, draw in drawn.items():
        if arguments.sitting is None and (not arguments.only or name in arguments.only):
            draw(arguments.out)
    for number, sitting in enumerate(sittings(arguments.policy)):
        names = [shot.name for shot in sitting.shots]
        if arguments.only and not set(arguments.only) & set(names):
            continue
        if arguments.sitting is None:
            # Dear PyGui opens one window a process.
            command = [sys.executable, "-m", "tests.pictures", "--sitting", str(number), "--policy", arguments.policy]
            subprocess.run([*command, "--out", str(arguments.out)], check=True)
            continue
        if number != arguments.sitting:
            continue
        taken = photograph(sitting, arguments.out)
        if taken != names:
            missing = ", ".join(name for name in names if name not in taken)
            raise SystemExit(f"Not taken within {PATIENCE:.0f} s: {missing}.")


if __name__ == "__main__":
    main()
