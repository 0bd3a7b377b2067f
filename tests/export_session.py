"""The card that orders videos and the one that shows how far they are, in a window: run as a program, it says as JSON
what they show and what comes of it when they are used by mouse and keys.

python -m tests.export_session [FOLDER for pictures] [SCENE]
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import dearpygui.dearpygui as dpg
from PIL import ImageGrab

from panels.actions import Action, ExportVideo, Request
from panels.export_dialog import ExportDialog
from panels.export_strip import ExportStrip
from panels.recording_light import RecordingLight
from panels.style import Tag
from tests.hand import Hand
from tests.scenes import write_scene
from tests.swaying_policy import SwayingPolicy
from tests.widgets import METRICS, box, button, name_of, open_window
from tests.window_session import Folder
from viewer_app.commands import Command, Fork, SetStops, Step
from viewer_app.exporting import VideoExporter
from viewer_app.gui.engine_thread import EngineThread
from viewer_app.gui.videos import Videos
from viewer_app.headless import open_lanes
from viewer_app.render import Shot
from viewer_app.scene import Scene
from viewer_app.strips import STRIPS
from viewer_app.types import WhiskersError
from viewer_app.video_order import VideoOrder
from viewer_app.view import Focus, Frame, camera_presets, resolve

PATIENCE = 120.0
"""Generous: the machine may be doing other things. [s]"""
SIZES = {"1280x720": (1280, 720), "1920x1080": (1920, 1080)}


class Bench:
    """The cards, an exporter and an engine behind them."""

    def __init__(self, scene: Scene, folder: Path, lanes: int) -> None:
        self.folder = folder
        self.scene = scene
        policies = [SwayingPolicy(scene)] * lanes
        # On a thread of its own, as in the program: this one holds the window's OpenGL context.
        self.engine = EngineThread(lambda publish: open_lanes(scene, policies, 3, publish), lambda view: None)
        self.engine.start()
        self.sent: list[Request] = []
        self.said: list[tuple[str, bool]] = []
        self.dialog = ExportDialog(self.sent.append, scene, tuple(STRIPS))
        self.strip = ExportStrip(self.sent.append)
        self.light = RecordingLight()
        self.videos = Videos(VideoExporter(), Folder(folder))
        self.hand = Hand(self.draw)
        near = replace(camera_presets(scene.spec.look_at)[0], distance=0.8, label="free")
        self.focus = Focus(step=40, camera=near)
        self.served = 0
        self.shots: tuple[Shot, ...] = ()
        self.do(60, SetStops(on_outcome=False), Step(60))
        self.do(80, Fork("episode 1", 50), Step(30))

    def do(self, length: int, *commands: Command) -> None:
        """Send commands, and wait until the trace being written is so long."""
        for command in commands:
            self.engine.send(command)
        begin = time.monotonic()
        while self.engine.view is None or self.engine.view.lanes[0].now.length != length:
            assert time.monotonic() - begin < PATIENCE, self.engine.failure
            time.sleep(0.01)

    def build(self) -> None:
        for card in (self.dialog, self.strip, self.light):
            card.build()

    def frame(self) -> Frame:
        assert self.engine.view is not None
        return resolve(self.engine.view, self.focus)

    def look_at(self, step: int) -> None:
        self.focus = replace(self.focus, step=step)
        self.shots = tuple(
            Shot(lane.trace, lane.length, lane.step, self.focus.camera, self.focus.overlays, 96, 64)
            for lane in self.frame().lanes
        )

    def draw(self, frames: int = 4) -> None:
        """Draw, and do what was sent, as the window does."""
        for _ in range(frames):
            dpg.run_callbacks(dpg.get_callback_queue())
            now, frame = time.monotonic(), self.frame()
            for request in self.sent[self.served :]:
                self._serve(request, frame)
            self.served = len(self.sent)
            if self.dialog.shown:
                self.dialog.update(frame)
                self.dialog.show(self.videos.preview(self.dialog.order, frame, self.dialog.room, now))
            else:
                self.videos.rest()
            self.said += self.videos.poll()
            running = self.videos.running
            if running is None:
                self.strip.hide()
            else:
                self.strip.update(running.name, running.done, running.total, running.waiting, now)
            self.videos.watch(self.shots, now)
            since = self.videos.recording_since
            self.light.update(None if since is None else now - since)
            dpg.render_dearpygui_frame()

    def _serve(self, request: Request, frame: Frame) -> None:
        try:
            match request:
                case ExportVideo(order):
                    self.videos.export(order, frame.view)
                case Action.CANCEL_EXPORT:
                    self.videos.cancel()
        except WhiskersError as error:
            self.said.append((str(error), True))

    def open(self, size: str, path: Path | None = None) -> None:
        """Open the card and wait until the preview is there."""
        at = path if path is not None else self.videos.new_path(self.dialog.file_name)
        self.dialog.open(self.frame(), at, *SIZES[size], METRICS)
        self.strip.place(0, 0, *SIZES[size], METRICS)
        self.light.place(0, 0, SIZES[size][0], METRICS)
        self.draw(6)
        assert self.wait_for_preview()

    def until(self, what: Callable[[], bool]) -> bool:
        """Draw until something is so. Returns whether it came to be."""
        begin = time.monotonic()
        while not what() and time.monotonic() - begin < PATIENCE:
            self.draw(1)
        return what()

    def drawing(self) -> bool:
        """Whether the export in progress is under way."""
        running = self.videos.running
        return running is not None and running.done > 2

    def wait_for_preview(self) -> bool:
        def there() -> bool:
            preview = self.dialog._preview
            if not self.dialog.shown or preview is None or preview.estimate.order != self.dialog.order:
                return False
            return bool(preview.estimate.complaint) or not preview.late

        return self.until(there)

    def item(self, kind: str, words: str) -> Tag:
        """The widget of that kind whose label or value begins so."""
        for item in leaves(self.dialog.window):
            said = dpg.get_item_label(item) if kind in ("Checkbox", "Button") else str(dpg.get_value(item))
            if name_of(item).startswith(kind) and str(said).startswith(words):
                return item
        raise LookupError(f"no {kind} {words}")

    def texts(self) -> list[str]:
        return [str(dpg.get_value(each)) for each in leaves(self.dialog.window) if name_of(each).startswith("Text")]

    def type_into(self, item: Tag, text: str) -> None:
        """Write into a field in place of what is there, as often as it takes: frames are slow on a busy machine."""
        for _ in range(4):
            self.hand.press_item(item)
            hold = ("keydown", "ctrl", "sleep", "0.2", "key", "a", "sleep", "0.2", "keyup", "ctrl", "sleep", "0.1")
            self.hand.do(*hold)
            self.hand.type(text, "Tab")
            if dpg.get_value(item) == text:
                break
        assert self.wait_for_preview()

    def wait_for_exports(self) -> bool:
        return self.until(lambda: self.videos.running is None)

    def keep(self, name: str) -> None:
        if len(sys.argv) > 1:
            self.draw(2)
            ImageGrab.grab(xdisplay="").save(Path(sys.argv[1]) / f"export-{name}.png")


def leaves(parent: Tag) -> Iterator[Tag]:
    """All items of a window that show something, at any depth, tables included."""
    for item in dpg.get_item_children(parent, 1):
        kind = dpg.get_item_type(item).removeprefix("mvAppItemType::mv")
        if kind == "Tooltip" or not dpg.is_item_shown(item) or (kind == "Text" and not dpg.get_value(item)):
            continue
        if kind in ("ChildWindow", "Group", "Table", "TableRow"):
            yield from leaves(item)
        else:
            yield item


def misplaced(window: Tag) -> list[str]:
    """What of a card is cut off or lies over something else."""
    (left, top), (width, height) = dpg.get_item_pos(window), dpg.get_item_rect_size(window)
    boxes = {name_of(item): box(item) for item in leaves(window) if "rect_min" in dpg.get_item_state(item)}
    right, bottom = left + width, top + height
    found = [
        f"{name} is cut"
        for name, each in boxes.items()
        if not (left <= each[0] < each[2] <= right and top <= each[1] < each[3] <= bottom)
    ]
    for (a, first), (b, second) in combinations(boxes.items(), 2):
        if first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]:
            found.append(f"{a} and {b}")
    return found


def use(bench: Bench) -> dict[str, object]:
    """Order videos by mouse and keys, and tell what is shown, sent and written."""
    told: dict[str, object] = {}
    for size in SIZES:
        bench.open(size)
        bench.draw(6)
        told[f"misplaced at {size}"] = misplaced(bench.dialog.window)
        told[f"items at {size}"] = len(list(leaves(bench.dialog.window)))
        bench.keep(f"card-{size}")
        bench.dialog.close()
        bench.draw(2)
    hand, dialog = bench.hand, bench.dialog
    bench.open("1280x720")
    told["views at first"] = dialog.order.views
    told["says at first"] = bench.texts()
    hand.press_item(bench.item("Button", "This view"))
    bench.wait_for_preview()
    told["this view"] = [dialog.order.views, dialog.order.tile, dialog.order.here == bench.focus.camera]
    bench.keep("this-view")
    hand.press_item(bench.item("Checkbox", "top"))
    hand.press_item(bench.item("Checkbox", "caption"))
    bench.wait_for_preview()
    told["and top"] = [dialog.order.views, dialog.order.strips]
    bench.type_into(bench.item("InputText", "1280x720"), "97x64")
    told["odd"] = [bench.texts(), misplaced(bench.dialog.window)]
    bench.keep("odd")
    hand.press_item(bench.item("Button", "Export"))
    told["odd is refused"] = [dialog.shown, len(bench.sent)]
    bench.type_into(bench.item("InputText", "97x64"), "96x64")
    told["even"] = bench.texts()
    taken = bench.folder / "taken.mp4"
    taken.write_bytes(b"old")
    bench.type_into(bench.item("InputText", str(bench.folder)), str(taken))
    told["taken"] = [bench.texts(), misplaced(bench.dialog.window)]
    bench.keep("taken")
    hand.press_item(bench.item("Button", "Export"))
    told["taken is refused"] = [dialog.shown, len(bench.sent)]
    hand.press_item(bench.item("Checkbox", "overwrite"))
    bench.wait_for_preview()
    told["overwrite"] = bench.texts()
    hand.press_item(bench.item("Button", "Export"))
    told["sent"] = [dialog.shown, [each.order.force for each in bench.sent if isinstance(each, ExportVideo)]]
    told["done"] = bench.wait_for_exports()
    told["said"] = list(bench.said)
    told["written"] = taken.stat().st_size > 1000
    told["trace"] = bench.frame().length
    told["choices"] = choose(bench)
    told["queue"] = queue(bench)
    told["record"] = record(bench)
    return told


def choose(bench: Bench) -> dict[str, object]:
    """Take every entry of the lists, and tell what it comes to."""
    told: dict[str, object] = {}
    dialog, form = bench.dialog, bench.dialog._form
    bench.open("1280x720")

    def take(combo: Tag, entry: str) -> VideoOrder:
        dpg.set_value(combo, entry)
        callback = dpg.get_item_callback(combo)
        if callback is not None:
            callback()
        bench.draw(2)
        return dialog.order

    told["kept"] = [dialog.order.views, dialog.order.strips]
    formats = dpg.get_item_configuration(form._format)["items"]
    told["formats"] = [take(form._format, entry).path.name for entry in formats]
    take(form._format, formats[0])
    told["ranges"] = {
        entry: [(order := take(form._range, entry)).begin, order.end]
        for entry in dpg.get_item_configuration(form._range)["items"]
    }
    bench.type_into(form._end, "45")
    told["typed"] = [dpg.get_value(form._range), dialog.order.begin, dialog.order.end]
    entries = dpg.get_item_configuration(form._trace)["items"]
    told["traces"] = [[entry, take(form._trace, entry).traces, dialog.order.end] for entry in entries]
    assert bench.wait_for_preview()
    told["says of the last"] = bench.texts()
    take(form._trace, entries[1])
    assert bench.wait_for_preview()
    bench.keep("all-traces")
    told["says of all"] = bench.texts()
    told["lanes"] = [take(form._lane, entry).lanes for entry in dpg.get_item_configuration(form._lane)["items"]]
    for label in ("Policy's eyes", "Side by side", "Six angles"):
        bench.hand.press_item(bench.item("Button", label))
        assert bench.wait_for_preview()
        bench.keep(f"layout-{label.split()[0].lower()}")
        told[label] = [dialog.order.views, dialog.order.columns, dialog.order.tile, misplaced(dialog.window)]
    before = dialog.order.traces
    take(form._trace, entries[0])
    bench.do(81, Step(1))
    bench.draw(2)
    told["grown"] = [dialog.order.traces == (None,), dpg.get_value(form._range), dpg.get_value(form._end), len(before)]
    bench.hand.press_item(bench.item("Button", "Cancel"))
    told["closed"] = not dialog.shown
    return told


def queue(bench: Bench) -> dict[str, object]:
    """Order two long videos and a short one, one after another with one click each, and cancel the long ones."""
    told: dict[str, object] = {}
    del bench.said[:]
    names = []
    form = bench.dialog._form
    for speed in (0.1, 0.1, 4.0):
        bench.open("1280x720")
        dpg.set_value(form._speed, speed)
        assert bench.wait_for_preview()
        names.append(bench.dialog.order.path.name)
        bench.hand.press_item(bench.item("Button", "Export"))
    told["names"] = names
    assert bench.until(bench.drawing)
    told["strip"] = [bench.strip.shown, misplaced(bench.strip.window)]
    bench.keep("strip")
    running = bench.videos.running
    told["waiting"] = running.waiting if running is not None else None
    bench.hand.press_item(button(bench.strip.window, "Cancel"))
    assert bench.until(lambda: bool(bench.said))
    told["said"] = list(bench.said)
    told["there"] = [(bench.folder / name).exists() for name in names[:1]]
    assert bench.until(bench.drawing)
    bench.videos.cancel()
    assert bench.until(lambda: len(bench.said) == 2)
    told["end"] = bench.wait_for_exports()
    told["strip after"] = bench.strip.shown
    told["left"] = sorted(each.name for each in bench.folder.iterdir() if each.name.startswith((".", "video")))
    return told


def record(bench: Bench) -> dict[str, object]:
    """Record what is looked at for a moment."""
    told: dict[str, object] = {}
    del bench.said[:]
    bench.look_at(3)
    bench.videos.record(bench.scene, bench.shots, (96, 64), 1, time.monotonic())
    begin = time.monotonic()
    step = 3
    while time.monotonic() - begin < 1.2:
        step = min(step + 1, 50)
        bench.look_at(step)
        bench.draw(1)
    told["light"] = bench.light.shown
    bench.keep("light")
    bench.videos.record(bench.scene, bench.shots, (96, 64), 1, time.monotonic())
    bench.draw(2)
    told["light after"] = bench.light.shown
    told["end"] = bench.wait_for_exports()
    told["said"] = list(bench.said)
    return told


def main() -> None:
    open_window()
    with TemporaryDirectory() as name:
        folder = Path(name) / "out"
        folder.mkdir()
        builtin = sys.argv[2] if len(sys.argv) > 2 else ""
        scene = Scene.load(builtin or write_scene(Path(name) / "scene"))
        bench = Bench(scene, folder, lanes=int(os.environ.get("LANES", "1")))
        bench.build()
        told = use(bench)
        bench.videos.close()
        bench.engine.stop()
    sys.stdout.write(json.dumps(told) + "\n")
    dpg.destroy_context()


if __name__ == "__main__":
    main()
