"""The real window, asked by mouse what each input does: run as a program, it says as JSON what it then shows.

python -m tests.asking_session
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dearpygui.dearpygui as dpg

from panels.style import Tag
from tests.widgets import box, visible, within
from tests.window_session import session_of
from viewer_app import gui
from viewer_app.commands import SetStops
from viewer_app.engine import Engine
from viewer_app.view import Frame, View

STEPS = 3
PATIENCE = 120.0
"""[s]"""


def items(prefix: str) -> list[Tag]:
    """Visible items whose label begins so."""
    return [item for item in dpg.get_all_items() if _label(item).startswith(prefix) and visible(item)]


def _label(item: Tag) -> str:
    return str(dpg.get_item_label(item) or "")


def click(item: Tag) -> subprocess.Popen[bytes]:
    """As a hand does it, while the window goes on drawing."""
    left, top, right, bottom = box(item)
    at = (str((left + right) // 2), str((top + bottom) // 2))
    press = ("sleep", "0.2", "mousedown", "1", "sleep", "0.1", "mouseup", "1")
    return subprocess.Popen(["xdotool", "mousemove", *at, *press])


def panel_of(item: Tag) -> Tag:
    """The panel that an item stands in."""
    while dpg.get_item_type(item) != "mvAppItemType::mvChildWindow":
        item = dpg.get_item_parent(item)
    return item


def cut(item: Tag) -> list[str]:
    """Items of the panel around an item that leave it at the right."""
    panel = panel_of(item)
    right = dpg.get_item_pos(panel)[0] + dpg.get_item_width(panel)  # a panel has no rectangle of its own
    return [f"{dpg.get_item_type(each)} {_label(each)}" for each in within(panel) if box(each)[2] > right]


def texts() -> list[str]:
    """All that is written into drawings."""
    kind = "mvAppItemType::mvDrawText"
    return [
        str(dpg.get_item_configuration(item)["text"]) for item in dpg.get_all_items() if dpg.get_item_type(item) == kind
    ]


class Hand:
    """Carries the plan out, a stage at a time, and closes the window after the last."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._last = 0.0
        self._frames = 0
        self._clicking: subprocess.Popen[bytes] | None = None
        self._cut: dict[str, list[str]] = {}
        self.told: dict[str, object] = {}
        self._plan: list[Callable[[Frame], bool]] = [
            lambda frame: frame.length == STEPS and self._press("Chunk"),
            lambda frame: self._measure("Chunk", "kinematic") and self._press("Inputs"),
            lambda frame: self._press("What does each input do here?"),
            lambda frame: frame.moment is not None and bool(frame.moment.effects) and self._press("Map it"),
            lambda frame: frame.moment is not None and bool(frame.moment.occlusion) and any("mm" in t for t in texts()),
            self._tell,
        ]

    def _press(self, label: str) -> bool:
        found = items(label)
        if found:
            self._clicking = click(found[-1])
            return True
        for hidden in (item for item in dpg.get_all_items() if _label(item).startswith(label)):
            dpg.set_y_scroll(panel_of(hidden), -1.0)  # to its end
        return False

    def _measure(self, tab: str, label: str) -> bool:
        found = items(label)
        if found:
            self._cut[tab] = cut(found[-1])
        return bool(found)

    def _tell(self, frame: Frame) -> bool:
        assert frame.moment is not None
        self._measure("Inputs", "Map it")
        kind = "mvAppItemType::mvText"
        said = [str(dpg.get_value(item)) for item in dpg.get_all_items() if dpg.get_item_type(item) == kind]
        self.told = {
            "cut": self._cut,
            "effects": {each.name: each.end for each in frame.moment.effects},
            "sentence": next((text for text in said if text.startswith(("Without", "No input"))), ""),
            "inputs": frame.focus.overlays.inputs,
            "drawn": texts(),
            "length": frame.length,
        }
        return True

    def on_frame(self, seconds: float, frame: Frame | None) -> bool:
        """See `gui.run`."""
        now = time.monotonic()
        self._frames += 1
        clicking = self._clicking is not None and self._clicking.poll() is None
        # A panel that was just shown needs some frames to find its widths, however slow they are.
        if frame is not None and self._plan and not clicking and now - self._last > 0.7 and self._frames > 12:
            self._last, self._frames = now, 0
            if self._plan[0](frame):
                self._plan.pop(0)
        return bool(self._plan) and now - self._begin < PATIENCE


def main() -> None:
    session, files = session_of({"folder": str(Path.cwd())})
    opened = session.open_engine

    def open_and_limit(publish: Callable[[View], None]) -> Engine:
        engine = opened(publish)
        engine.send(SetStops(max_steps=STEPS))
        return engine

    hand = Hand()
    session = replace(session, open_engine=open_and_limit, start_running=True)
    gui.run(session, files, on_frame=hand.on_frame)
    sys.stdout.write(json.dumps(hand.told))


if __name__ == "__main__":
    main()
