"""The denoising panel alone in a window: run as a program, it says as JSON where everything lies and what it asks for.

python -m tests.denoising_session [FOLDER]

With a folder it leaves a picture of every state there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import ExportPlot, Request
from panels.denoising import DenoisingPanel
from panels.policy import PolicyPanel
from panels.style import Metrics, Tag, apply_theme, load_font
from tests.denoising_policy import FromNoise
from tests.scripted import do
from tests.test_panels import Blindfolded
from tests.widgets import use
from viewer_app.analysis import Analyst
from viewer_app.commands import Ask, Command, SetDenoisingSteps, SetGuidance, SetWant, Step
from viewer_app.detectors import Thresholds
from viewer_app.engine import Engine
from viewer_app.insight import Settled
from viewer_app.lane import Lane
from viewer_app.questions import Denoising
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, Guidance, Observation, Policy, Want
from viewer_app.view import Focus, Frame, OverlayChoice, Seek, Show, resolve
from viewer_app.world import MujocoWorld

SIZES = {"1280x720": (356, 340), "1920x1080": (536, 590)}
"""What the window leaves for the panel at its usual sizes. [px]"""
SWATCHES = {"denoising": (0.2, 1.0, 0.2)}
STEPS = 10
MANY = 3000
"""Control steps of the long trace."""


@dataclass
class State:
    """One thing that the panel can show."""

    name: str
    frame: Frame


def sway(start: int, seen: Observation, seed: int) -> Float32Array:
    rows = np.arange(start, start + 12)[:, None]
    return (15 * np.sin(rows / 14 + np.arange(6))).astype(np.float32)


def engine_of(scene: Scene, policy: Policy | None) -> Engine:
    return Engine(scene, (Lane(scene, MujocoWorld(scene), policy, seed=3),))


def frame_of(engine: Engine, *commands: Command, step: int | None = None, choice: OverlayChoice | None = None) -> Frame:
    """A frame with its figures, as the window computes them."""
    do(engine, *commands)
    frame = resolve(engine.view(), Focus(step=step, overlays=choice or OverlayChoice()))
    analyst = Analyst(engine.scene)
    moment = analyst.moment(frame.trace, frame.length, frame.step, frame.focus.overlays, frame.lane.answers)
    return replace(frame, moment=moment, episode=analyst.episode(frame.trace, frame.length, Thresholds()))


def states(scene: Scene) -> list[State]:
    """From nothing at all to thousands of steps."""

    def noisy(steps: int = STEPS) -> Engine:
        return engine_of(scene, FromNoise(scene, (60, 40, -50, 30, 20, 10), steps, sway))

    ask, every = Ask(Denoising(8), "episode 1", 2), SetWant(Want(denoising=True))
    single, many = OverlayChoice(denoising=True, denoising_step=4), OverlayChoice(denoising=True)
    long = frame_of(noisy(), every, Step(60), step=50, choice=many)
    settled = tuple(
        Settled(6 * k, STEPS, int(5 + 4 * np.sin(k / 30)), int(2 + np.cos(k / 9))) for k in range(MANY // 6)
    )
    assert long.episode is not None
    # Episodes as long as this are made of chunks alike: what matters is how many there are to show.
    long = replace(long, length=MANY, episode=replace(long.episode, settled=settled))
    return [
        State("no policy", frame_of(engine_of(scene, None))),
        State("does not denoise", frame_of(engine_of(scene, Blindfolded(scene)), Step(1))),
        State("not asked", frame_of(noisy(), Step(3), step=2)),
        State("one step", frame_of(noisy(), Step(3), ask, step=2, choice=single)),
        State("all steps", frame_of(noisy(), Step(3), ask, step=2, choice=many)),
        State("a hundred denoising steps", frame_of(noisy(100), Step(3), ask, step=2, choice=single)),
        State("thousands of steps", long),
    ]


def shown(parent: Tag) -> list[Tag]:
    """All items below one that are to be seen or are scrolled away."""
    found = []
    for item in dpg.get_item_children(parent, 1):
        kind = dpg.get_item_type(item)
        if not dpg.is_item_shown(item) or "Tooltip" in kind or "Theme" in kind or "Popup" in kind or "Window" in kind:
            continue
        found.append(item)
        if kind.endswith("mvGroup"):
            found += shown(item)
    return found


def laid_out(window: Tag) -> dict[str, list[int]]:
    """What can be seen in the panel, groups aside, with left, top, right and bottom of each in its contents. [px]"""
    found = {}
    for item in shown(window):
        kind = dpg.get_item_type(item).removeprefix("mvAppItemType::mv")
        text = dpg.get_value(item) if kind == "Text" else dpg.get_item_label(item)
        if kind == "Group" or (kind == "Text" and not text) or "rect_min" not in dpg.get_item_state(item):
            continue
        (left, top), (wide, tall) = dpg.get_item_rect_min(item), dpg.get_item_rect_size(item)
        if kind in ("Drawlist", "Plot"):
            wide, tall = dpg.get_item_width(item), dpg.get_item_height(item)
        found[f"{kind} {item} {text or ''}"] = [round(left), round(top), round(left + wide), round(top + tall)]
    return found


def texts(panel: DenoisingPanel) -> list[str]:
    """All words that stand in the panel, the table's too."""
    said = [str(dpg.get_value(item)) for item in shown(panel.window) if dpg.get_item_type(item).endswith("mvText")]
    drawn = [item for item in dpg.get_all_items() if dpg.get_item_type(item).endswith("mvDrawText")]
    return [*said, *(str(dpg.get_item_configuration(item)["text"]) for item in drawn)]


def played(panel: DenoisingPanel, frame: Frame, sent: list[Request]) -> list[int | None]:
    """The denoising steps that are asked for, one after another, while they play from step 4 of 10."""
    panel.update(frame)
    sent.clear()
    use("▶")
    found: list[int | None] = []
    begun = time.monotonic()
    while time.monotonic() - begun < 2.0:
        panel.update(frame)
        dpg.render_dearpygui_frame()
        for request in sent:
            if isinstance(request, Show):
                found.append(request.overlays.denoising_step)
                frame = replace(frame, focus=replace(frame.focus, overlays=request.overlays))
        sent.clear()
    return found


def clicked(panel: DenoisingPanel, frame: Frame, sent: list[Request], number: int, x: float, y: float) -> list[Request]:
    """What is asked for when the mouse clicks into a drawing of the panel.

    Args:
        panel: Shows the frame.
        frame: What is looked at.
        sent: Takes what the panel asks for.
        number: Which of the panel's drawings: 0 the table, 1 what is over time.
        x: Where, as a share of its width.
        y: Where. [px]
    """
    for _ in range(4):
        panel.update(frame)
        dpg.set_y_scroll(panel.window, -1.0)  # to its end
        dpg.render_dearpygui_frame()
    item = [item for item in shown(panel.window) if dpg.get_item_type(item).endswith("mvDrawlist")][number]
    left, top = dpg.get_item_rect_min(item)
    at = (str(round(left + x * dpg.get_item_width(item))), str(round(top + y)))
    sent.clear()
    press_it = ("sleep", "0.2", "mousedown", "1", "sleep", "0.2", "mouseup", "1")
    hand = subprocess.Popen(["xdotool", "mousemove", *at, *press_it])
    after = 0
    while after < 5:
        panel.update(frame)
        dpg.render_dearpygui_frame()
        after += hand.poll() is not None
    return list(sent)


def clicks(panel: DenoisingPanel, one: Frame, long: Frame, sent: list[Request]) -> dict[str, list[object]]:
    """What clicks on the table and on what is over time ask for; nothing without a hand to click with."""
    if shutil.which("xdotool") is None:
        return {}
    table = clicked(panel, one, sent, 0, 0.5, 4.5 * 18)  # the fourth line below the head
    over_time = clicked(panel, long, sent, 1, 0.5, 20)
    return {
        "table": [each.overlays.denoising_step for each in table if isinstance(each, Show)],
        "over time": [each.step for each in over_time if isinstance(each, Seek)],
    }


def executing(scene: Scene, sent: list[Request], save: Callable[[str, int, int], None]) -> dict[str, object]:
    """What the policy panel offers of denoising: to a policy that does not, to one that does, and while it is guided.
    Then its controls are used."""
    panel = PolicyPanel(sent.append)
    panel.build(dpg.add_window(width=600, height=640, no_title_bar=True, no_move=True, no_resize=True, pos=(0, 0)))
    panel.place(0, 0, 256, 560, Metrics(1.0))
    noisy = engine_of(scene, FromNoise(scene, 40))
    frames = {
        "plain": frame_of(engine_of(scene, Blindfolded(scene)), Step(1)),
        "own steps": frame_of(noisy, Step(1)),
        "guided": frame_of(noisy, SetDenoisingSteps(4), SetGuidance(Guidance(7, 20.0, "exp")), Step(1)),
    }
    found: dict[str, object] = {}
    for name, frame in frames.items():
        for _ in range(4):
            panel.update(frame)
            dpg.render_dearpygui_frame()
        sliders = [item for item in shown(panel.window) if dpg.get_item_type(item).endswith("mvSliderInt")]
        found[name] = {
            "sliders": [str(dpg.get_item_configuration(item)["format"]) for item in sliders],
            "values": [int(dpg.get_value(item)) for item in sliders],
            "switch": [dpg.get_item_label(item) for item in shown(panel.window)].count("real-time chunking"),
            "wide": max(box[2] for box in laid_out(panel.window).values()),
        }
        save(f"policy {name}", 256, 560)
    sent.clear()
    for slider, value in zip(sliders[-3:], (10, 5, 30), strict=True):  # denoising steps, horizon, weight
        dpg.set_value(slider, value)
        dpg.get_item_callback(slider)(slider, value)
    panel.update(frames["guided"])
    use("real-time chunking", value=False)
    panel.update(frames["guided"])
    found["sent"] = [str(request) for request in sent]
    return found


def picture_to(folder: Path | None) -> Callable[[str, int, int], None]:
    """Saves what is on the screen."""

    def save(name: str, width: int, height: int) -> None:
        if folder is not None:
            from PIL import ImageGrab

            ImageGrab.grab(bbox=(0, 0, width, height)).save(folder / f"{name.replace(' ', '_')}.png")

    return save


def main() -> None:
    """Show all states at all sizes, use it, and tell about both."""
    save = picture_to(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    scene = Scene.load("so101")
    sent: list[Request] = []
    dpg.create_context()
    dpg.configure_app(manual_callback_management=True)
    dpg.create_viewport(title="Denoising", width=600, height=640, x_pos=0, y_pos=0)
    dpg.setup_dearpygui()
    dpg.show_viewport()
    metrics = Metrics(1.0)
    font = load_font(metrics)
    assert font is not None
    dpg.bind_font(font)
    apply_theme(metrics)
    panel = DenoisingPanel(sent.append, scene, SWATCHES)
    panel.build(dpg.add_window(width=600, height=640, no_title_bar=True, no_move=True, no_resize=True, pos=(0, 0)))
    every = states(scene)
    told: dict[str, dict[str, object]] = {}
    for size, (width, height) in SIZES.items():
        panel.place(0, 0, width, height, metrics)
        for state in every:
            for _ in range(4):
                panel.update(state.frame)
                dpg.render_dearpygui_frame()
            told[f"{state.name} at {size}"] = {
                "size": [width, height],
                "places": laid_out(panel.window),
                "texts": texts(panel),
                "scrolls": dpg.get_y_scroll_max(panel.window),
            }
            save(f"{state.name} at {size}", 600, 640)
    unasked = len(sent)
    one = next(state.frame for state in every if state.name == "one step")
    hand = clicks(panel, one, next(state.frame for state in every if state.name == "thousands of steps"), sent)
    steps = played(panel, one, sent)
    use("All")
    use(kind="SliderInt", value=3)
    use(kind="RadioButton", value="estimate x0")
    use("at every call", value=True)
    use("Numbers of every denoising step (CSV)")
    asked = [
        [each.overlays.denoising, each.overlays.denoising_step, each.overlays.denoising_aim]
        for each in sent
        if isinstance(each, Show)
    ]
    wants = [each.want.denoising for each in sent if isinstance(each, SetWant)]
    exports = [[each.plot, each.suffix] for each in sent if isinstance(each, ExportPlot)]
    policy = executing(scene, sent, save)
    json.dump(
        {
            "states": told,
            "policy": policy,
            "clicks": hand,
            "unasked": unasked,
            "played": steps,
            "shown": asked,
            "wants": wants,
            "exports": exports,
        },
        sys.stdout,
    )
    dpg.destroy_context()


if __name__ == "__main__":
    main()
