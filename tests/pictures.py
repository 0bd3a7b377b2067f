"""Writes what the documentation shows of the real program: docs/images/window.png and docs/keys.md.

`make pictures` runs it. The window is the real one, on an X server that nobody sees, driven by the demo's checkpoint.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dearpygui.dearpygui as dpg
from PIL import ImageGrab

from panels.actions import ACTIONS
from viewer_app import gui
from viewer_app.commands import SetStops
from viewer_app.engine import Engine
from viewer_app.scene import Scene
from viewer_app.view import Frame, View
from viewer_app.wiring import SessionFiles

ROOT = Path(__file__).parents[1]
PATIENCE = 180.0
"""[s]"""
SETTLE = 8.0
"""How long after the last step the picture is taken: messages are gone by then. [s]"""


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


class Photographer:
    """Waits until the episode has got to a step and the window has settled, takes its picture, and closes it."""

    def __init__(self, steps: int, out: Path) -> None:
        """
        Args:
            steps: Control steps to take first.
            out: The PNG file.
        """
        self._steps = steps
        self._out = out
        self._begin = time.monotonic()
        self._arrived: float | None = None
        self.taken = False

    def around(self, open_it: Callable[[Callable[[View], None]], Engine]) -> Callable[[Callable[[View], None]], Engine]:
        """An engine opener whose engine stops by itself at the step."""

        def open_and_limit(publish: Callable[[View], None]) -> Engine:
            engine = open_it(publish)
            engine.send(SetStops(max_steps=self._steps))
            return engine

        return open_and_limit

    def on_frame(self, seconds: float, frame: Frame | None) -> bool:
        """See `gui.run`."""
        now = time.monotonic()
        if frame is not None and self._arrived is None and frame.length >= self._steps:
            self._arrived = now
        if self._arrived is not None and now - self._arrived > SETTLE:
            left, top = (int(x) for x in dpg.get_viewport_pos())
            right, bottom = left + dpg.get_viewport_width(), top + dpg.get_viewport_height()
            picture = ImageGrab.grab((left, top, right, bottom)).convert("RGB")
            picture.quantize(256).save(self._out, optimize=True)
            self.taken = True
            return False
        return now - self._begin < PATIENCE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", default="demo:act")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "window.png")
    arguments = parser.parse_args()
    (ROOT / "docs" / "keys.md").write_text(keys_page(), encoding="utf-8")
    photographer = Photographer(arguments.steps, arguments.out)
    with tempfile.TemporaryDirectory() as folder:
        files = SessionFiles(Path(folder) / "session", "cpu")
        session = files.new_session(Scene.load("so101"), arguments.policy, arguments.seed, start_running=True)
        session = replace(session, open_engine=photographer.around(session.open_engine))
        # Out of the way: a pointer over a plot shows the values under it instead of those of the step.
        subprocess.run(["xdotool", "mousemove", "640", "710"], check=True)
        try:
            gui.run(session, files, on_frame=photographer.on_frame)
        finally:
            files.close()
    if not photographer.taken:
        raise SystemExit(f"No picture was taken within {PATIENCE:.0f} s.")


if __name__ == "__main__":
    main()
