"""The doctor's panel, alone in a window: run as a program, it says as JSON what leaves the panel and what is sent when
it is used by mouse.

python -m tests.doctor_session
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import Request
from panels.doctor import DoctorPanel
from panels.style import Tag
from tests.hand import Hand
from tests.scenes import write_scene
from tests.synthetic import Wave
from tests.widgets import METRICS, box, inside, name_of, open_window, render, wait_for
from viewer_app.chunking import FirstN
from viewer_app.doctor.checkup import Checkup, Order
from viewer_app.doctor.finding import Cure, Finding, mending
from viewer_app.headless import ask, open_engine
from viewer_app.mends import Mends
from viewer_app.questions import XRay
from viewer_app.scene import Scene
from viewer_app.types import ActionChunk, Observation, Want, XRayRow
from viewer_app.view import Focus, Frame, resolve

SIZES = {"1280x720": (358, 310), "1920x1080": (538, 560)}
"""Size of the window to that of the panel in it. [px]"""
CURE = mending(Mends("radians"), "Read the state as radians")
FINDINGS = (
    Finding(
        "state-units", "error", "In training the state stayed within 1.57 of 0 in all of 6 joints. " * 2, "Do.", CURE
    ),
    Finding("n-action-steps-one", "warning", "n_action_steps is 1.", "", Cure("Execute 10", chunking=FirstN(10))),
    Finding("statistics-inconsistent", "warning", "observation.images.a_long_name_of_a_camera is odd.", "Mend it."),
    Finding("deterministic", "info", "The same observation gives the same chunk with every seed.", ""),
)
CHECKUPS: Mapping[str, Checkup | None] = {
    "nothing": None,
    "reading": Checkup(Order("demo:act", ""), doing="Reading the files"),
    "refused": Checkup(Order("nowhere", ""), complaint="There is no checkpoint 'nowhere', neither here nor there."),
    "read": Checkup(Order("demo:act", ""), FINDINGS, read=True),
    "trying": Checkup(Order("demo:act", ""), FINDINGS, read=True, doing="Importing LeRobot's act", fraction=0.4),
    "tried": Checkup(Order("demo:act", ""), FINDINGS[3:], read=True, tried=True),
}
LONG = "observation.images.a_long_name_of_a_camera"
FAR = XRayRow(
    "before",
    "normalizer_processor",
    LONG,
    (1, 3, 480, 640),
    "float32",
    low=-192.1,
    high=264.3,
    mean=124.2,
    deviation=100.3,
    mode="MEAN_STD",
)


class Seen(Wave):
    """Tells of a call what no processor did: rows of all kinds."""

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        chunk = super().predict(observations, start, seed, want)
        first = replace(FAR, step="", low=0.0, high=1.0, mean=0.5, deviation=0.2, mode="")
        words = replace(first, feature="task", shape=(), dtype="text", low=np.nan, text="Pick up the block. " * 5)
        last = replace(FAR, part="after", step="unnormalizer_processor", feature="action", shape=(12, 2))
        return replace(chunk, xray=(first, words, FAR, replace(last, part="model", step=""), last) if want.xray else ())


def asked() -> Frame:
    """A frame whose step was looked into."""
    with TemporaryDirectory() as folder:
        scene = Scene.load(write_scene(Path(folder)))
        engine = open_engine(scene, Seen(scene), 3)
        ask(engine, XRay())
        frame = resolve(engine.view(), Focus())
        engine.close()
    return frame


def beyond(panel: DoctorPanel) -> list[str]:
    """What leaves the panel at the right."""
    right = dpg.get_item_pos(panel.window)[0] + dpg.get_item_width(panel.window)
    placed = [item for item in inside(panel.window) if "rect_min" in dpg.get_item_state(item)]
    return [name_of(item) for item in placed if box(item)[2] > right]


def texts(panel: DoctorPanel) -> list[str]:
    found = [name_of(item).split(" ", 2) for item in inside(panel.window)]
    return [words for kind, _, words in found if kind in ("Text", "Button")]


def drawn(panel: DoctorPanel) -> list[str]:
    """What is written into the table."""
    items = dpg.get_item_children(panel.xray.drawlist, 2)
    return [str(dpg.get_item_configuration(item)["text"]) for item in items if "DrawText" in dpg.get_item_type(item)]


def use_by_mouse(panel: DoctorPanel, frame: Frame, sent: list[Request]) -> dict[str, object]:
    """Press what can be pressed, and tell what is sent."""
    hand, found = Hand(), dict[str, object]()

    def button(label: str) -> Tag:
        return next(item for item in inside(panel.window) if name_of(item).endswith(f" {label}"))

    panel.show(CHECKUPS["read"])
    panel.update(frame)
    render()
    for label in ("Try it (some seconds)", "Read the state as radians"):
        before = len(sent)
        hand.press_item(button(label))
        wait_for(lambda before=before: len(sent) > before)  # type: ignore[misc]
    hand.press_item(button("Copy as text"))
    wait_for(lambda: bool(dpg.get_clipboard_text()))
    found["copied"] = dpg.get_clipboard_text()
    open_texts = texts(panel)
    hand.press_item(button("state-units"))
    wait_for(lambda: texts(panel) != open_texts)
    found["folded"] = [words for words in open_texts if words not in texts(panel)]
    found["sent"] = [str(each) for each in sent]
    return found


def main() -> None:
    """Show the panel in all states at all sizes, then use it."""
    # Before the window: they cannot share a thread's OpenGL.
    frame = asked()
    open_window()
    sent: list[Request] = []
    panel = DoctorPanel(sent.append)
    parent = dpg.add_window(pos=(0, 0), no_title_bar=True, no_move=True, no_scrollbar=True, width=1900, height=1000)
    panel.build(parent)
    told: dict[str, object] = {}
    for size, (width, height) in SIZES.items():
        panel.place(4, 4, width, height, METRICS)
        for name, checkup in CHECKUPS.items():
            panel.show(checkup)
            panel.update(frame)
            render()
            told[f"{name} at {size}"] = {"beyond": beyond(panel), "texts": texts(panel)}
        panel._turn_to(True)
        for _ in range(3):
            panel.update(frame)
            render()
        told[f"xray at {size}"] = {"beyond": beyond(panel), "texts": texts(panel), "drawn": drawn(panel)}
        panel._turn_to(False)
    json.dump({"shown": told, "by mouse": use_by_mouse(panel, frame, sent)}, sys.stdout)
    dpg.destroy_context()


if __name__ == "__main__":
    main()
