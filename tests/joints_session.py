"""The joints panel alone in a window: run as a program, it says as JSON where everything lies and what is drawn.

python -m tests.joints_session [FOLDER for pictures]
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import dearpygui.dearpygui as dpg
import numpy as np
from PIL import ImageGrab

from panels.actions import ExportPlot, Request
from panels.joints import JointsPanel
from panels.style import Metrics, apply_theme, load_font
from tests.test_panels import Blindfolded, long_trace
from tests.widgets import use
from viewer_app.commands import Step
from viewer_app.engine import Engine
from viewer_app.insight import EnsembleInsight, EpisodeInsight, MomentInsight
from viewer_app.lane import Lane
from viewer_app.overlays import LANES
from viewer_app.scene import Scene
from viewer_app.smoothness import smoothness_of
from viewer_app.tracking import tracking_of
from viewer_app.types import Float32Array
from viewer_app.view import Focus, Frame, Snippet, resolve
from viewer_app.world import MujocoWorld

SIZES = {"1280x720": (356, 340), "1920x1080": (536, 590)}
"""What the window leaves for the panel at its usual sizes. [px]"""
STEP = 4321
SAID = np.linspace(-60, 60, 42, dtype=np.float32).reshape(7, 6)
RAW, ENSEMBLED = SAID[1:6], SAID[2:7]


@dataclass
class State:
    """One thing that the panel can show."""

    name: str
    frame: Frame
    press: tuple[str, ...] = ()
    """Labels of the buttons to press first."""


def states(scene: Scene) -> list[State]:
    """From nothing at all to more than the panel has pixels for."""
    idle = Engine(scene, (Lane(scene, MujocoWorld(scene), None, seed=3),)).view()
    fresh = Engine(scene, (Lane(scene, MujocoWorld(scene), Blindfolded(scene), seed=3),)).view()
    engine = Engine(scene, (Lane(scene, MujocoWorld(scene), Blindfolded(scene), seed=3),))
    engine.send(Step(1))
    while engine.tick():
        pass
    one = engine.view()
    lane = replace(one.lanes[0], now=Snippet(long_trace(scene, 5000), 5000))
    long = resolve(replace(one, lanes=(lane,)), Focus(step=STEP))
    three = three_lanes(scene)
    return [
        State("no policy", resolve(idle, Focus())),
        State("no step", resolve(fresh, Focus())),
        State("one step", with_insights(resolve(one, Focus()), SAID[:1])),
        State("thousands of steps", with_insights(long, SAID), ("• then",)),
        State("all of them", with_insights(long, SAID), ("All",)),
        State("table", with_insights(long, SAID), ("Table",)),
        State("three lanes", with_insights(three, SAID), ("Plots",)),
        State("lanes of thousands of steps", with_insights(lanes_of(long), SAID), ("All",)),
    ]


def three_lanes(scene: Scene) -> Frame:
    """Three lanes of 40 steps, the second of them looked at."""
    policies = (Blindfolded(scene, n_action_steps=count) for count in (4, 8, 20))
    engine = Engine(scene, tuple(Lane(scene, MujocoWorld(scene), policy, seed=3) for policy in policies))
    engine.send(Step(40))
    while engine.tick():
        pass
    return resolve(engine.view(), Focus(lane=1, step=21))


def lanes_of(frame: Frame) -> Frame:
    """The same trace in three lanes, the first of them looked at."""
    return replace(frame, lanes=tuple(replace(frame, lane_number=number) for number in range(3)))


def with_insights(frame: Frame, said: Float32Array) -> Frame:
    """The frame with figures that are plain to recognise."""
    trace, scene = frame.trace, frame.view.scene
    ensemble = EnsembleInsight(False, 0.01, (1, 0), (0.5, 0.5), RAW, ENSEMBLED, 1.0, 0, 0.0)
    moment = MomentInsight(trace, frame.step, None, predictions=said, predictions_spread=188.8, ensemble=ensemble)
    angles = scene.to_degrees(np.asarray(trace.column("action", frame.length), np.float32))
    states = scene.to_degrees(np.asarray(trace.column("state", frame.length), np.float32))
    tips = np.asarray(trace.column("tip", frame.length), np.float64)
    tracking = tuple(tracking_of(angles[:, joint], states[:, joint]) for joint in range(scene.n_action))
    episode = EpisodeInsight(trace, frame.length, smoothness_of(angles, tips, []), (), tracking, ())
    return replace(frame, moment=moment, episode=episode)


def laid_out(panel: JointsPanel) -> dict[str, list[int]]:
    """What can be seen in the panel, with left, top, right and bottom of each, from the panel's own corner. [px]"""
    found = {}
    items = [(item, 0) for item in dpg.get_item_children(panel.window, 1)]
    for item, down in items:
        kind = dpg.get_item_type(item).removeprefix("mvAppItemType::mv")
        plots = [each for each in dpg.get_item_children(item, 1) if dpg.get_item_type(each).endswith("mvPlot")]
        if plots and dpg.is_item_shown(item):
            # The part of the panel that holds the plots, and scrolls where they are too many.
            items += [(each, dpg.get_item_pos(item)[1]) for each in dpg.get_item_children(item, 1)]
            continue
        text = dpg.get_value(item) if kind == "Text" else dpg.get_item_label(item)
        if not dpg.is_item_shown(item) or kind == "Tooltip" or (kind == "Text" and not text):
            continue
        left, top = dpg.get_item_pos(item)
        top += down
        wide, tall = dpg.get_item_rect_size(item)
        if not wide:
            wide, tall = dpg.get_item_width(item), dpg.get_item_height(item)
        # A group keeps room over and under its texts, which a text alone does not.
        air = 3 if kind == "Group" else 0
        found[f"{kind} {item} {text or ''}"] = [left, top + air, left + wide, top + tall - air]
    return found


def drawn() -> list[list[list[float]]]:
    """Times and values of every curve of the first joint that is shown."""
    plot = next(item for item in sorted(dpg.get_all_items()) if dpg.get_item_type(item) == "mvAppItemType::mvPlot")
    series = dpg.get_item_children(dpg.get_item_children(plot, 1)[1], 1)
    curves = [item for item in series if dpg.is_item_shown(item) and "Inf" not in dpg.get_item_type(item)]
    return [[list(axis) for axis in dpg.get_value(item)[:2]] for item in curves]


def measured_in(frame: Frame) -> list[list[list[float]]]:
    """Times and measured positions of the first joint in every lane but the one looked at."""
    times = [step * frame.view.scene.control_dt for step in range(frame.length + 1)]
    others = [each for each in frame.lanes if each.lane_number != frame.lane_number]
    return [[times, np.asarray(each.trace.column("state"), np.float64)[:, 0].tolist()] for each in others]


def render(panel: JointsPanel, frame: Frame) -> None:
    """Show a frame for a while."""
    for _ in range(4):
        panel.update(frame)
        dpg.render_dearpygui_frame()


def main() -> None:
    """Show all states at all sizes, and tell about them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    scene = Scene.load("so101")
    sent: list[Request] = []
    dpg.create_context()
    dpg.configure_app(manual_callback_management=True)
    dpg.create_viewport(title="Joints", width=600, height=640, x_pos=0, y_pos=0)
    dpg.setup_dearpygui()
    dpg.show_viewport()
    metrics = Metrics(1.0)
    font = load_font(metrics)
    assert font is not None
    dpg.bind_font(font)
    apply_theme(metrics)
    panel = JointsPanel(sent.append, scene, LANES)
    panel.build(dpg.add_window(pos=(0, 0), width=600, height=640, no_title_bar=True, no_move=True, no_resize=True))
    told: dict[str, dict[str, object]] = {}
    known = states(scene)
    for size, (width, height) in SIZES.items():
        panel.place(0, 0, width, height, metrics)
        for state in known:
            for label in state.press:
                use(label)
            render(panel, state.frame)
            told[f"{state.name} at {size}"] = {"size": [width, height], "places": laid_out(panel), "drawn": drawn()}
            if folder is not None:
                ImageGrab.grab((0, 0, 600, 640)).save(folder / f"{state.name} {size}.png")
        for label in ("• then", "Follow"):
            use(label)
    render(panel, known[-1].frame)
    before = len(drawn())
    use("━ B")
    render(panel, known[-1].frame)
    hidden = before - len(drawn())
    use(kind="Combo", value="normalised")
    use("Picture (PNG)")
    use("Numbers of the whole trace (CSV)")
    exports = [[each.plot, each.suffix, each.unit] for each in sent if isinstance(each, ExportPlot)]
    now = STEP * scene.control_dt
    ahead = [now + k * scene.control_dt for k in range(len(RAW))]
    expected = [
        [times, rows[:, 0].tolist()] for times, rows in (([now] * len(SAID), SAID), (ahead, RAW), (ahead, ENSEMBLED))
    ]
    beside = measured_in(known[-2].frame)
    answer = {"states": told, "expected": expected, "exports": exports, "requests": len(sent)}
    json.dump(answer | {"beside": beside, "hidden": hidden}, sys.stdout)
    dpg.destroy_context()


if __name__ == "__main__":
    main()
