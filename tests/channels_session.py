"""The real window on a scene whose actions may be no joint targets: run as a program, it says as JSON what it shows.

python -m tests.channels_session

The scene is named by the variable WHISKERS_TEST_SCENE; with WHISKERS_TEST_PICTURES a picture of each tab is kept there.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import dearpygui.dearpygui as dpg
import numpy as np
from PIL import ImageGrab

from panels.style import Tag
from tests.scripted import Scripted
from tests.widgets import kind_of, use, within
from tests.window_session import Folder, Loading
from viewer_app import gui
from viewer_app.commands import SetStops
from viewer_app.engine import Engine
from viewer_app.gui import LaneStart, Session
from viewer_app.headless import open_lanes
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, Observation
from viewer_app.view import Frame, View

STEPS = 24
PATIENCE = 150.0
"""[s]"""
SETTLED = 12
"""Frames after which a panel that was just shown has found its widths."""
TABS = ("Actions", "Table", "Chunk", "Inputs", "Motion", "Findings", "Compare")
"""Labels of buttons, pressed in turn. Table changes the panel of the tab before."""


def swaying(scene: Scene) -> Scripted:
    """A policy that sways about the middle of what is accepted, or about where the joints are, and sees all cameras."""
    low, high = scene.actions.reach.astype(np.float64)
    bounded = np.isfinite(high - low)
    middle = np.where(bounded, (high + low) / 2, 0.0)
    size = np.where(bounded, 0.2 * (high - low), 0.02)

    def script(start: int, observation: Observation, seed: int) -> Float32Array:
        rows = start + np.arange(12)[:, None]
        about = observation.state if scene.measures_commands else middle
        # Every chunk says something else than the one before.
        sway = size * np.sin(0.3 * rows + np.arange(len(middle))) + 0.1 * size * np.sin(start)
        return np.asarray(about + sway, np.float32)

    cameras = {name: (each.height, each.width) for name, each in scene.spec.cameras.items()}
    return Scripted(scene, script, cameras=cameras)


def words_of(item: Tag) -> str:
    kind = kind_of(item)
    if kind == "Text":
        return str(dpg.get_value(item))
    if kind == "DrawText":
        return str(dpg.get_item_configuration(item)["text"])
    return str(dpg.get_item_label(item) or "") if kind in ("Button", "TableColumn", "Checkbox") else ""


def panels() -> list[Tag]:
    """The panels of the window that are shown."""
    found = [dpg.get_item_children(window, 1) for window in dpg.get_windows() if dpg.is_item_shown(window)]
    return [
        item
        for items in found
        for item in items
        if dpg.get_item_type(item) == "mvAppItemType::mvChildWindow" and dpg.is_item_shown(item)
    ]


def cut() -> list[str]:
    """What leaves its panel at a side, and is not scrolled."""
    found = []
    for panel in panels():
        left = dpg.get_item_pos(panel)[0]
        right = left + dpg.get_item_width(panel)
        for item in within(panel):
            (x, _), (width, _) = dpg.get_item_rect_min(item), dpg.get_item_rect_size(item)
            if x < left - 1 or x + width > right + 1:
                found.append(f"{dpg.get_item_type(item)} {words_of(item)}")
    return found


def texts() -> list[str]:
    """All that is written in the panels that are shown."""
    return [words for panel in panels() for item in (panel, *within(panel)) if (words := words_of(item))]


class Hand:
    """Presses the tabs, one after another, and notes what each shows."""

    def __init__(self, scene: Scene, pictures: Path | None) -> None:
        self._of_joints = scene.spec.action.kind == "joints"
        self._begin = time.monotonic()
        self._last = 0.0
        self._frames = 0  # since the last press
        self._left = list(TABS)
        self._pressed = ""
        self._pictures = pictures
        self.told: dict[str, object] = {}
        self._wait: Callable[[Frame], bool] = lambda frame: (
            frame.moment is not None and frame.episode is not None and frame.length == frame.episode.length == STEPS
        )

    def on_frame(self, seconds: float, frame: Frame | None) -> bool:
        """See `gui.run`."""
        now = time.monotonic()
        if now - self._begin > PATIENCE:
            return False
        self._frames += 1
        if frame is None or self._frames < SETTLED or now - self._last < 0.5 or not self._wait(frame):
            return True
        self._last, self._frames = now, 0
        if self._pressed:
            self.told[self._pressed] = {"texts": texts(), "cut": cut()}
            if self._pictures is not None:
                width, height = dpg.get_viewport_client_width(), dpg.get_viewport_client_height()
                ImageGrab.grab((0, 0, width, height)).save(self._pictures / f"{self._pressed} {width}x{height}.png")
        if not self._left:
            return False
        self._pressed = self._left.pop(0)
        use("Joints" if self._pressed == "Actions" and self._of_joints else self._pressed)
        if self._pressed == "Inputs":
            self._wait = self._asked
        return True

    def _asked(self, frame: Frame) -> bool:
        """Ask what each input does, once the panel knows the frame, and wait for the answer."""
        if frame.moment is not None and frame.moment.effects:
            return True
        if frame.lane.asking is None and not frame.lane.answers.about(frame.trace):
            use(next(label for item in dpg.get_all_items() if (label := words_of(item)).startswith("What does each")))
        return False


def crowded(scene: Scene) -> Scene:
    """The same with seven cameras, and names of numbers that no panel has room for."""
    spec = scene.spec
    action, state = (
        tuple(f"a_robot_of_many_words/{name}_of_the_hand_in_the_frame_of_the_world" for name in names)
        for names in (scene.action_names, scene.state_names)
    )
    (first, size), *_ = spec.cameras.items()
    cameras = {f"camera_number_{n}_of_seven": replace(size, camera=size.camera or first) for n in range(7)}
    other = replace(spec, action=replace(spec.action, names=action), state=replace(spec.state, names=state))
    return Scene(replace(other, cameras=MappingProxyType(cameras)), scene.path)


def main() -> None:
    scene = Scene.load(os.environ["WHISKERS_TEST_SCENE"])
    if os.environ.get("WHISKERS_TEST_CROWDED"):
        scene = crowded(scene)
    pictures = os.environ.get("WHISKERS_TEST_PICTURES")
    policy = swaying(scene)

    def engine(publish: Callable[[View], None]) -> Engine:
        opened = open_lanes(scene, [None], 3, publish)
        opened.send(SetStops(max_steps=STEPS))
        return opened

    start = LaneStart(Loading(policy, 0.1, ""))
    session = Session(scene, engine, (start,), start_running=True)
    hand = Hand(scene, Path(pictures) if pictures else None)
    width, height = (int(side) for side in os.environ.get("WHISKERS_TEST_SIZE", "1280x720").split("x"))
    with tempfile.TemporaryDirectory() as folder:
        gui.run(session, Folder(Path(folder)), width=width, height=height, on_frame=hand.on_frame)
    json.dump(hand.told, sys.stdout)


if __name__ == "__main__":
    main()
