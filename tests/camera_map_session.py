"""The card that maps cameras, alone in a window: run as a program, it says as JSON where everything lies and what is
sent when it is used by mouse.

python -m tests.camera_map_session
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import MapCameras, Request
from panels.camera_map import CameraMapDialog
from panels.style import Tag
from tests.hand import Hand
from tests.scenes import write_scene
from tests.synthetic import Wave
from tests.widgets import METRICS, box, inside, name_of, open_window, render, wait_for
from viewer_app.camera_names import suggest
from viewer_app.scene import Scene
from viewer_app.types import ImageArray, PolicyInfo

SIZES = {"1280x720": (1280, 720), "1920x1080": (1920, 1080)}
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


def mean_of(row: int, dialog: CameraMapDialog) -> list[float]:
    """Mean brightness of the left, right, upper and lower half of a line's picture, 0 .. 1."""
    pixels = dialog.tiles[row].mean(axis=2)
    rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 2
    halves = (pixels[:, :columns], pixels[:, columns:], pixels[:rows], pixels[rows:])
    return [round(float(half.mean()), 2) for half in halves]


def show(dialog: CameraMapDialog, scene: Scene, reads: str, size: str) -> None:
    """Open the card for a checkpoint over a window of that size."""
    info = checkpoint(scene, READS[reads])
    suggestion = suggest(info.cameras, scene.spec.cameras)
    dialog.open(info, scene, suggestion, pictures(scene), *SIZES[size], METRICS)
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

    show(dialog, scene, "two", "1280x720")
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
        None if each.mapping is None else dict(each.mapping) for each in sent if isinstance(each, MapCameras)
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
