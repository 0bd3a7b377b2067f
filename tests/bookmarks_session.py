"""The timeline with bookmarks, the card that writes them, and the dialog of what was opened last, in a window: run as a
program, it says as JSON what they show and send when they are used by mouse and keys.

python -m tests.bookmarks_session [FOLDER for pictures]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import dearpygui.dearpygui as dpg
from PIL import ImageGrab

from panels.actions import OpenPath, Request, Transport
from panels.bookmarks import BookmarksCard
from panels.open_dialog import OpenDialog
from panels.style import Tag
from panels.timeline import TimelinePanel
from panels.timeline_marks import Mark
from tests.hand import Hand
from tests.scenes import write_scene
from tests.synthetic import Wave
from tests.widgets import METRICS, box, button, inside, name_of, open_window
from viewer_app.commands import Bookmark, ResetPolicy, SetStops, Step
from viewer_app.engine import Engine
from viewer_app.lane import Lane
from viewer_app.scene import Scene
from viewer_app.view import Focus, Frame, Seek, resolve
from viewer_app.world import MujocoWorld

SIZES = {"1280x720": (1280, 720), "1920x1080": (1920, 1080)}
LONG = (
    "The wrist turns away before the gripper has closed, as in every episode in which the cube lies to the left of the "
    "bowl; compare step 40 of the episode before."
)
NOTES = {3: "it hesitates", 30: LONG, 31: "back again", 58: "a_name_as_it_is"}
RECENT = (
    "/data/somebody/experiments/pick-and-place/out/session-20260101-120000/recording-1",
    "demo:act",
    "somebody/act_so101",
    *(f"/somewhere/else/{number}" for number in range(9)),
)
_TIMELINE = 132
"""Height of the timeline. [px]"""


class Bench:
    """The panels, an engine behind them, and what they send."""

    def __init__(self, folder: Path) -> None:
        scene = Scene.load(write_scene(folder / "scene"))
        # Without cameras it needs no renderer, which could not live on this thread.
        self.engine = Engine(scene, (Lane(scene, MujocoWorld(scene), Wave(scene, cameras={}), seed=3),))
        self.sent: list[Request] = []
        self.timeline = TimelinePanel(self._send)
        self.card = BookmarksCard(self._send)
        self.dialog = OpenDialog(self._send)
        self.hand = Hand(self.draw)
        self._focus = Focus(step=30)
        for command in (SetStops(on_outcome=False), Step(20), ResetPolicy(), Step(40)):
            self.engine.send(command)
            while self.engine.tick():
                pass

    def build(self) -> None:
        self._window = dpg.add_window(no_title_bar=True, no_resize=True, no_move=True, no_scrollbar=True)
        self.timeline.build(self._window)
        self.card.build()
        self.dialog.build()

    def place(self, width: int, height: int) -> None:
        dpg.configure_item(self._window, width=width, height=height, pos=(0, 0))
        self.timeline.place(0, height - _TIMELINE, width, _TIMELINE, METRICS)

    def frame(self) -> Frame:
        return resolve(self.engine.view(), self._focus)

    def draw(self, frames: int = 4) -> None:
        """Draw, and tell the engine what was sent, as the window does."""
        for _ in range(frames):
            dpg.run_callbacks(dpg.get_callback_queue())
            self.timeline.update(self.frame(), Transport(False, 1.0))
            self.card.update(self.frame())
            dpg.render_dearpygui_frame()

    def _send(self, request: Request) -> None:
        self.sent.append(request)
        match request:
            case Bookmark():
                self.engine.send(request)
                self.engine.tick()
            case Seek(step):
                self._focus = Focus(step=step)


def outside(items: list[int], card: list[int]) -> bool:
    return items[0] < card[0] or items[1] < card[1] or items[2] > card[2] or items[3] > card[3]


def texts(window: Tag) -> list[str]:
    return [str(dpg.get_value(item)) for item in inside(window) if dpg.get_item_type(item).endswith("mvText")]


def cut(window: Tag) -> list[str]:
    """What of a card's items does not lie in it. What scrolls in a list is left out."""
    (left, top), (width, height) = dpg.get_item_pos(window), dpg.get_item_rect_size(window)
    card = [left, top, left + width, top + height]
    scrolling = {item for child in dpg.get_item_children(window, 1) if is_list(child) for item in inside(child)}
    return [name_of(item) for item in inside(window) if item not in scrolling and outside(box(item), card)]


def is_list(item: Tag) -> bool:
    return bool(dpg.get_item_type(item).endswith("mvChildWindow"))


def use(bench: Bench, keep: Callable[[str], None]) -> dict[str, object]:
    """Write, find and take away bookmarks by mouse and keys, and tell what is shown and sent."""
    told: dict[str, object] = {}
    card, hand, sent = bench.card, bench.hand, bench.sent
    width, height = SIZES["1280x720"]
    bench.place(width, height)
    bench.draw(8)

    bench.card.open(bench.frame(), width, height, METRICS)
    bench.draw(8)
    told["empty"] = texts(card.window)
    keep("empty")
    hand.type("it turns", "Return")
    told["written"] = [[each.trace, each.step, each.text] for each in sent if isinstance(each, Bookmark)]
    told["closed"] = not card.shown
    told["marks"] = [[mark.step, mark.text] for mark in marks(bench)]

    for step, text in NOTES.items():
        bench._send(Bookmark("episode 1", step, text))
    for size, (width, height) in SIZES.items():
        bench.place(width, height)
        bench.card.open(bench.frame(), width, height, METRICS)
        bench.draw(8)
        told[f"cut at {size}"] = cut(card.window)
        keep(f"card-{size}")
        bench.card.close()
    width, height = SIZES["1280x720"]
    bench.place(width, height)
    bench.card.open(bench.frame(), width, height, METRICS)
    bench.draw(8)
    told["list"] = texts(card.window)
    del sent[:]
    row = next(item for item in inside(card.window) if dpg.get_value(item) == "it hesitates")
    hand.press_item(row)
    told["jumped"] = [each.step for each in sent if isinstance(each, Seek)]
    told["field"] = dpg.get_value(card.text_fields[0])
    told["open after the jump"] = card.shown
    hand.press_item(button(card.window, "Take away"))
    told["marks after"] = [mark.step for mark in marks(bench)]
    hand.press_item(button(card.window, "Close"))

    (left, top), strip = dpg.get_item_rect_min(bench.timeline._drawlist), bench.timeline._strip
    hand.point(round(left + bench.timeline._x(30)), round(top + strip[1] + 10))
    keep("tip")

    bench.dialog.open(width, height, METRICS, RECENT)
    bench.draw(8)
    told["dialog cut"] = cut(bench.dialog.window)
    keep("dialog")
    x, y, *_ = box(bench.dialog._recent_list)
    hand.press(x + 40, y + 10)
    told["taken"] = dpg.get_value(bench.dialog.text_fields[0])
    hand.press_item(button(bench.dialog.window, "Open"))
    told["opened"] = [each.path for each in sent if isinstance(each, OpenPath)]
    bench.dialog.open(width, height, METRICS)
    bench.draw(8)
    told["without recent files"] = "Opened last" in texts(bench.dialog.window)
    return told


def marks(bench: Bench) -> list[Mark]:
    bench.draw(2)
    assert bench.timeline.marks is not None
    return [mark for mark in bench.timeline.marks.others if mark.kind == "bookmark"]


def main() -> None:
    pictures = Path(sys.argv[1]) if len(sys.argv) > 1 else None

    def keep(name: str) -> None:
        if pictures is not None:
            ImageGrab.grab(xdisplay="").save(pictures / f"bookmarks-{name}.png")

    open_window()
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.build()
        told = use(bench, keep)
    sys.stdout.write(json.dumps(told) + "\n")
    dpg.destroy_context()


if __name__ == "__main__":
    main()
