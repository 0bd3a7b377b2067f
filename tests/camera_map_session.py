"""The card that maps cameras, alone in a window: run as a program, it says as JSON where everything lies and what is
sent when it is used by mouse.

python -m tests.camera_map_session
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import MapCameras, Request
from panels.camera_map import CameraMapDialog
from panels.style import Metrics, Tag, apply_theme, load_font
from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.camera_names import suggest
from viewer_app.scene import Scene
from viewer_app.types import ImageArray, PolicyInfo

SIZES = {"1280x720": (1280, 720), "1920x1080": (1920, 1080)}
METRICS = Metrics(1.0)
READS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "one": {"image": (96, 96)},
    "two": {"overhead": (480, 640), "side": (24, 32)},
    "six": {
        "overhead": (480, 640),
        "aside": (224, 224),
        "left_wrist_0_rgb": (224, 224),
        "right_wrist_0_rgb": (224, 224),
        "a_camera_whose_name_does_not_end": (720, 1280),
        "phone": (640, 360),
    },
}
"""What is shown, to the cameras of a checkpoint and their (height, width). [px]"""
PATIENCE = 20.0
"""[s]"""


def checkpoint(scene: Scene, cameras: Mapping[str, tuple[int, int]]) -> PolicyInfo:
    """What a policy says of itself that reads these cameras. Of one of them it knows the training's mean colour."""
    return replace(Wave(scene, cameras=cameras).info, camera_mean={"phone": (0.2, 0.4, 0.6)})


def pictures(scene: Scene, brightness: int = 255) -> dict[str, ImageArray]:
    """A picture of each camera of the scene: a ramp to the right, and one downwards."""
    found = {}
    for number, (name, size) in enumerate(scene.spec.cameras.items()):
        ramp = np.linspace(0, brightness, size.height if number else size.width).astype(np.uint8)
        grey = np.broadcast_to(ramp[:, None] if number else ramp[None, :], (size.height, size.width))
        found[name] = np.repeat(grey[..., None], 3, axis=2)
    return found


def render(frames: int = 4) -> None:
    for _ in range(frames):
        dpg.run_callbacks(dpg.get_callback_queue())
        dpg.render_dearpygui_frame()


def inside(parent: Tag) -> Iterator[Tag]:
    """All items of a window that show something, at any depth."""
    for item in dpg.get_item_children(parent, 1):
        kind = dpg.get_item_type(item).removeprefix("mvAppItemType::mv")
        if not dpg.is_item_shown(item) or kind == "Tooltip" or (kind == "Text" and not dpg.get_value(item)):
            continue
        if kind in ("ChildWindow", "Group"):
            yield from inside(item)
        else:
            yield item


def name_of(item: Tag) -> str:
    kind = dpg.get_item_type(item).removeprefix("mvAppItemType::mv")
    said = dpg.get_item_label(item) if kind == "Button" else "" if kind == "Drawlist" else dpg.get_value(item)
    return f"{kind} {item} {said}"


def box(item: Tag) -> list[int]:
    """Left, top, right, bottom in the window. [px]"""
    (left, top), (width, height) = dpg.get_item_rect_min(item), dpg.get_item_rect_size(item)
    return [round(left), round(top), round(left + width), round(top + height)]


def mean_of(row: int, dialog: CameraMapDialog) -> list[float]:
    """Mean brightness of the left, right, upper and lower half of a line's picture, 0 .. 1."""
    pixels = dialog.tiles[row].mean(axis=2)
    rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 2
    halves = (pixels[:, :columns], pixels[:, columns:], pixels[:rows], pixels[rows:])
    return [round(float(half.mean()), 2) for half in halves]


@dataclass
class Hand:
    """A mouse on the window."""

    def press(self, x: int, y: int) -> None:
        """Click there, while the window goes on drawing."""
        steps = ("sleep", "0.2", "mousedown", "1", "sleep", "0.1", "mouseup", "1", "sleep", "0.1")
        with subprocess.Popen(["xdotool", "mousemove", str(x), str(y), *steps]) as clicking:
            while clicking.poll() is None:
                render(1)
        render()

    def press_item(self, item: Tag) -> None:
        left, top, right, bottom = box(item)
        self.press((left + right) // 2, (top + bottom) // 2)

    def choose(self, combo: Tag, entry: int) -> None:
        """Open a combo and take one of its entries."""
        self.press_item(combo)
        left, _, _, bottom = box(combo)
        self.press(left + METRICS.px(30), bottom + METRICS.px(16) + entry * METRICS.px(19))


def wait_for(what: Callable[[], bool]) -> bool:
    """Draw until something is so. Returns whether it came to be."""
    begin = time.monotonic()
    while not what() and time.monotonic() - begin < PATIENCE:
        render(1)
    return what()


def open_window() -> None:
    dpg.create_context()
    dpg.configure_app(manual_callback_management=True)
    dpg.create_viewport(title="Cameras", width=1920, height=1080, x_pos=0, y_pos=0, decorated=False)
    dpg.setup_dearpygui()
    dpg.show_viewport()
    font = load_font(METRICS)
    assert font is not None
    dpg.bind_font(font)
    apply_theme(METRICS)


def show(dialog: CameraMapDialog, scene: Scene, reads: str, size: str, lane: int = 0) -> None:
    """Open the card for a checkpoint over a window of that size."""
    info = checkpoint(scene, READS[reads])
    suggestion = suggest(info.cameras, scene.spec.cameras)
    dialog.open(info, scene, suggestion, pictures(scene), lane, *SIZES[size], METRICS)
    render()


def use_by_mouse(dialog: CameraMapDialog, scene: Scene, sent: list[Request]) -> dict[str, object]:
    """Choose with the mouse, and tell what the card shows and sends."""
    hand = Hand()
    found: dict[str, object] = {}

    def items(kind: str, label: str = "") -> list[Tag]:
        shown = [item for item in inside(dialog.window) if name_of(item).startswith(kind)]
        return [item for item in shown if not label or dpg.get_item_label(item) == label]

    def texts() -> list[str]:
        return [str(dpg.get_value(item)) for item in items("Text")]

    show(dialog, scene, "two", "1280x720", lane=1)
    found["suggested"] = [dict(dialog.mapping), texts(), mean_of(0, dialog)]
    hand.choose(items("Combo")[0], 1)
    found["same twice"] = [dict(dialog.mapping), texts(), mean_of(0, dialog)]
    dialog.show(pictures(scene, brightness=100))
    found["darker"] = mean_of(0, dialog)
    for row in (0, 1):
        hand.choose(items("Combo")[row], 2)
    found["blind"] = [dict(dialog.mapping), texts(), mean_of(0, dialog)]
    hand.choose(items("Combo")[1], 0)
    hand.press_item(items("Button", "Use")[0])
    found["used"] = [wait_for(lambda: bool(sent)), dialog.shown]
    show(dialog, scene, "two", "1280x720")
    found["opened again"] = dict(dialog.mapping)
    hand.press_item(items("Button", "Cancel")[0])
    found["cancelled"] = [wait_for(lambda: len(sent) > 1), dialog.shown]
    dialog.cancel()  # Closed already: nothing more is sent.
    found["sent"] = [
        [None if each.mapping is None else dict(each.mapping), each.lane]
        for each in sent
        if isinstance(each, MapCameras)
    ]
    return found


def main() -> None:
    """Show all cards at all sizes, then use one."""
    open_window()
    sent: list[Request] = []
    dialog = CameraMapDialog(sent.append)
    dialog.build()
    with TemporaryDirectory() as folder:
        scene = Scene.load(write_scene(Path(folder)))
    told: dict[str, object] = {}
    for size in SIZES:
        for reads in READS:
            show(dialog, scene, reads, size)
            (left, top), card = dpg.get_item_pos(dialog.window), dialog.window
            within = [left, top, left + dpg.get_item_width(card), top + dpg.get_item_height(card)]
            places = {name_of(item): box(item) for item in inside(dialog.window)}
            told[f"{reads} at {size}"] = {"size": SIZES[size], "card": within, "places": places}
            dialog.close()
    json.dump({"cards": told, "by mouse": use_by_mouse(dialog, scene, sent)}, sys.stdout)
    dpg.destroy_context()


if __name__ == "__main__":
    main()
