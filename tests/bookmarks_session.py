"""Bookmarks in a window: the timeline with their marks, the card, and the dialog of what was opened last. Run as a
program, it says as JSON what was sent when they are used by mouse and keys.

python -m tests.bookmarks_session [FOLDER for pictures]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import dearpygui.dearpygui as dpg
from PIL import ImageGrab

from panels.actions import OpenPath, Request, Transport
from panels.bookmarks import BookmarksCard
from panels.open_dialog import OpenDialog
from panels.style import Metrics, Tag, apply_theme, load_font
from panels.timeline import TimelinePanel
from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.commands import Bookmark, ResetPolicy, SetStops, Step
from viewer_app.engine import Engine
from viewer_app.headless import open_engine
from viewer_app.scene import Scene
from viewer_app.view import Focus, Frame, Seek, resolve

SIZES = {"1280x720": (1280, 720), "1920x1080": (1920, 1080)}
METRICS = Metrics(1.0)
LONG = (
    "The wrist turns away before the gripper has closed, as in every episode in which the cube lies to the left of the "
    "bowl; compare step 40 of the episode before."
)
NOTES = {3: "it hesitates", 40: LONG, 41: "back again", 58: "a_name_as_it_is"}
TIMELINE = 132
"""Height of the timeline. [px]"""


@dataclass
class Bench:
    """The window's panels and what they sent."""

    engine: Engine
    timeline: TimelinePanel
    card: BookmarksCard
    dialog: OpenDialog
    sent: list[Request]
    step: int = 41

    def frame(self) -> Frame:
        return resolve(self.engine.view(), Focus(step=self.step))

    def show(self, frames: int = 4) -> None:
        """Carry out what was sent, as the window does, and draw."""
        for _ in range(frames):
            for request in self.sent:
                match request:
                    case Bookmark():
                        self.engine.send(request)
                        self.engine.tick()
                    case Seek(step) if step is not None:
                        self.step = step
            frame = self.frame()
            self.timeline.update(frame, Transport(False, 1.0))
            self.card.update(frame)
            dpg.render_dearpygui_frame()
            time.sleep(0.02)


def steps(engine: Engine, count: int) -> None:
    engine.send(Step(count))
    while engine.tick():
        pass


def bench(folder: Path) -> Bench:
    scene = Scene.load(write_scene(folder / "scene"))
    engine = open_engine(scene, Wave(scene, cameras={}), seed=3)
    engine.send(SetStops(on_outcome=False))
    steps(engine, 20)
    engine.send(ResetPolicy())
    steps(engine, 40)
    sent: list[Request] = []
    return Bench(engine, TimelinePanel(sent.append), BookmarksCard(sent.append), OpenDialog(sent.append), sent)


def press(x: float, y: float) -> None:
    """Click with the pointer."""
    subprocess.run(["xdotool", "mousemove", str(round(x)), str(round(y)), "click", "1"], check=True)


def middle(item: Tag) -> tuple[float, float]:
    (x, y), (width, height) = dpg.get_item_rect_min(item), dpg.get_item_rect_size(item)
    return x + width / 2, y + height / 2


def labelled(label: str, within: Tag) -> Tag:
    """The item of this label below another one."""
    waiting = [within]
    while waiting:
        item = waiting.pop()
        if dpg.get_item_label(item) == label:
            return item
        waiting += [child for children in dpg.get_item_children(item).values() for child in children]
    raise LookupError(label)
