"""The compare panel and the banner alone in a window: run as a program, it says as JSON what they show.

python -m tests.compare_panel_session [FOLDER for pictures]
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import dearpygui.dearpygui as dpg
import numpy as np
from PIL import ImageGrab

from panels.actions import ExportPlot, Request
from panels.compare import ComparePanel
from panels.range_table import RangeBanner
from panels.style import Metrics, Tag, apply_theme, load_font
from tests.joints_session import SIZES
from tests.scripted import do
from tests.test_panels import Blindfolded
from tests.widgets import use
from viewer_app.commands import Ask, Step
from viewer_app.divergence import LaneComparer
from viewer_app.engine import Engine
from viewer_app.lane import Lane
from viewer_app.overlays import LANES
from viewer_app.paths import Paths
from viewer_app.questions import Shadow
from viewer_app.scene import Scene
from viewer_app.types import ActionChunk, Observation, Scale, Want
from viewer_app.view import Focus, Frame, LookAtLane, Seek, Separate, Show, resolve
from viewer_app.world import MujocoWorld

WIDTH, HEIGHT = 700, 760
BANNER = (20, 660, 420)
"""Left, top and width that the banner is given. [px]"""


class Leaning(Blindfolded):
    """Sways as the other does, leaning to one side."""

    def __init__(self, scene: Scene, name: str, lean: float) -> None:
        super().__init__(scene)
        self._lean = np.float32(lean)
        self._info = replace(self._info, name=name, digest=name)

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        chunk = super().predict(observations, start, seed, want)
        lean = self._lean * np.linspace(0, 1, len(chunk), dtype=np.float32)[:, None]
        rows = np.asarray(chunk.actions + lean, np.float32)
        return replace(chunk, actions=rows, model_actions=rows / np.float32(30), latency=0.031)


class Unscaled(Leaning):
    """Sends the model's own numbers to the robot."""

    def __init__(self, scene: Scene, name: str) -> None:
        super().__init__(scene, name, 0.0)
        n = scene.n_action
        scale = Scale("identity", np.ones(n, np.float32), np.zeros(n, np.float32))
        self._info = replace(self._info, action_scale=scale)

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        chunk = super().predict(observations, start, seed, want)
        assert chunk.model_actions is not None
        return replace(chunk, actions=chunk.model_actions)


@dataclass(frozen=True)
class State:
    """One thing that the panel can show."""

    name: str
    frame: Frame


def frame_of(engine: Engine, focus: Focus) -> Frame:
    """The frame of a focus, with its comparison, as the window makes it."""
    frame = resolve(engine.view(), focus)
    lanes = [(each.trace, each.length) for each in frame.lanes]
    return replace(frame, comparison=LaneComparer(Paths(engine.scene)).compare(lanes, frame.clock))


def engine_of(scene: Scene, steps: int, *policies: Blindfolded) -> Engine:
    """An engine that has taken some steps, one lane a policy."""
    engine = Engine(scene, tuple(Lane(scene, MujocoWorld(scene), policy, seed=3) for policy in policies))
    if steps:
        do(engine, Step(steps))
    return engine


def states(scene: Scene) -> Iterator[State]:
    """From a lane that has done nothing to three lanes of thousands of steps."""
    first = Leaning(scene, "demo:act", 0)
    second = Leaning(scene, "so101_act_pick_place/checkpoints/040000", 4)
    yield State("one lane, no step", frame_of(engine_of(scene, 0, first), Focus()))
    yield State("one lane", frame_of(engine_of(scene, 60, first), Focus(step=20)))
    yield State("two lanes, no step", frame_of(engine_of(scene, 0, first, second), Focus()))
    two = engine_of(scene, 120, first, second)
    do(two, Ask(Shadow(0), two.lanes[1].trace.name, 40, lane=1))
    yield State("two lanes", frame_of(two, Focus(lane=1, step=40)))
    yield State("computing", resolve(two.view(), Focus(step=40)))
    three = engine_of(scene, 90, first, second, Unscaled(scene, "pi0/last"))
    yield State("three lanes, one unscaled", frame_of(three, Focus(step=70, apart=25)))
    long = engine_of(scene, 3000, first, second)
    yield State("thousands of steps", frame_of(long, Focus(step=2500)))


def told(panel: Tag) -> dict[str, list[int]]:
    """What can be seen inside a window: its words, with left and right of each. [px]"""
    found = {}
    for item in _inside(panel):
        kind = dpg.get_item_type(item).removeprefix("mvAppItemType::mv")
        state = dpg.get_item_state(item)
        if kind == "Tooltip" or not state.get("visible", False) or "rect_min" not in state:
            continue
        text = dpg.get_value(item) if kind == "Text" else dpg.get_item_label(item)
        if kind in ("Text", "Button", "Checkbox", "Selectable", "InputFloat", "Drawlist") and (text or kind != "Text"):
            left, top = dpg.get_item_rect_min(item)
            width, height = dpg.get_item_rect_size(item)
            found[f"{kind} {item} {text or ''}"] = [round(left), round(top), round(left + width), round(top + height)]
    return found


def _inside(item: Tag) -> Iterator[Tag]:
    for children in dpg.get_item_children(item).values():
        for child in children:
            if not dpg.get_item_type(child).endswith("Tooltip"):
                yield child
                yield from _inside(child)


def render(panel: ComparePanel, banner: RangeBanner, frame: Frame, frames: int = 5) -> None:
    """Show a frame for a while."""
    for _ in range(frames):
        panel.update(frame)
        banner.update(frame)
        dpg.render_dearpygui_frame()


def main() -> None:
    """Show all states at all sizes, and tell about them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    scene = Scene.load("so101")
    sent: list[Request] = []
    dpg.create_context()
    dpg.configure_app(manual_callback_management=True)
    dpg.create_viewport(title="Compare", width=WIDTH, height=HEIGHT, x_pos=0, y_pos=0)
    dpg.setup_dearpygui()
    dpg.show_viewport()
    metrics = Metrics(1.0)
    font = load_font(metrics)
    assert font is not None
    dpg.bind_font(font)
    apply_theme(metrics)
    panel, banner = ComparePanel(sent.append, scene, LANES), RangeBanner()
    panel.build(dpg.add_window(pos=(0, 0), width=WIDTH, height=HEIGHT, no_title_bar=True, no_move=True, no_resize=True))
    banner.build()
    known = list(states(scene))
    shown: dict[str, object] = {}
    for size, (width, height) in SIZES.items():
        panel.place(0, 0, width, height, metrics)
        banner.place(*BANNER, metrics)
        for state in known:
            dpg.set_y_scroll(panel.window, 0)
            render(panel, banner, state.frame)
            upper = told(panel.window)
            if folder is not None:
                ImageGrab.grab((0, 0, WIDTH, HEIGHT)).save(folder / f"{state.name} {size}.png")
            dpg.set_y_scroll(panel.window, dpg.get_y_scroll_max(panel.window))
            render(panel, banner, state.frame)
            if folder is not None and dpg.get_y_scroll_max(panel.window) > 0:
                ImageGrab.grab((0, 0, WIDTH, HEIGHT)).save(folder / f"{state.name} {size} below.png")
            shown[f"{state.name} at {size}"] = {
                "width": width,
                "places": upper | told(panel.window),
                "banner": dpg.get_value(banner._text) if dpg.is_item_shown(banner.window) else "",
            }
    asked = _use_all(panel, banner, known[3].frame, sent)
    json.dump({"states": shown, "asked": asked}, sys.stdout)
    dpg.destroy_context()


def _use_all(panel: ComparePanel, banner: RangeBanner, frame: Frame, sent: list[Request]) -> dict[str, object]:
    """Use the controls of two lanes, as their callbacks are run, and tell what they asked for."""
    render(panel, banner, frame)
    sent.clear()
    marks = [item for item in _inside(panel.window) if dpg.get_item_type(item).endswith("Selectable")]
    dpg.get_item_callback(marks[0])()
    links = [item for item in _inside(panel.window) if (dpg.get_item_label(item) or "").isdigit()]
    use(str(dpg.get_item_label(links[0])))
    use(kind="InputFloat", value=32.0)
    use("Numbers of all steps (CSV)")
    (button,) = (
        item for item in _inside(panel.window) if (dpg.get_item_label(item) or "").startswith("What would A do")
    )
    dpg.get_item_callback(button)()
    assert frame.comparison is not None
    asked: dict[str, object] = {
        "lane": [each.lane for each in sent if isinstance(each, LookAtLane)],
        "seek": [each.step for each in sent if isinstance(each, Seek)],
        "first": frame.comparison.divergences[0].first(frame.focus.apart),
        "apart": [each.apart for each in sent if isinstance(each, Separate)],
        "plot": [(each.plot, each.suffix) for each in sent if isinstance(each, ExportPlot)],
        "questions": [[str(each.question), each.step, each.lane] for each in sent if isinstance(each, Ask)],
        "shadow": [each.overlays.shadow for each in sent if isinstance(each, Show)],
    }
    clicked, expected = _click_curves(panel, banner, frame, sent)
    return asked | {"clicked": clicked, "expected": expected}


def _click_curves(panel: ComparePanel, banner: RangeBanner, frame: Frame, sent: list[Request]) -> tuple[object, int]:
    """Click half way along the curves, as a hand does it. Returns the steps asked for, and the one that lies there."""
    dpg.set_y_scroll(panel.window, 0)
    render(panel, banner, frame)
    (strip,) = (item for item in _inside(panel.window) if dpg.get_item_type(item).endswith("Drawlist"))
    sent.clear()
    left, width, domain = 52, dpg.get_item_width(strip) - 54, 150
    (corner, top), middle = dpg.get_item_rect_min(strip), left + width // 2
    hand = ("sleep", "0.2", "mousedown", "1", "sleep", "0.1", "mouseup", "1", "sleep", "0.1", "mousemove", "690", "750")
    moving = subprocess.Popen(["xdotool", "mousemove", str(round(corner) + middle), str(round(top) + 20), *hand])
    while moving.poll() is None:
        render(panel, banner, frame, 1)
    render(panel, banner, frame)
    steps = {each.step for each in sent if isinstance(each, Seek)}
    return sorted(steps, key=str), round((middle - left) / width * domain)


if __name__ == "__main__":
    main()
