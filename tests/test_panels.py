"""The logic of the panels and of the window's clockwork, without a window: marks, curves, queue, playback, layout."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from panels.actions import ACTIONS, Action, matching
from panels.cameras import hatch
from panels.joint_curves import JointUnit, convert, curves, dashes, dots, round_values, thinned, write_csv
from panels.queue_strip import queue_at
from panels.style import Metrics
from panels.timeline_marks import domain_for, marks_of, paint_band
from tests.swaying_policy import SwayingPolicy
from viewer_app.chunking import FirstN, TemporalEnsemble
from viewer_app.commands import Command, Fork, Pause, Run, SetChunking, Step
from viewer_app.engine import Engine
from viewer_app.gui.layout import Layout, Rect, arrange
from viewer_app.gui.playback import Playback
from viewer_app.lane import Lane
from viewer_app.scene import Scene
from viewer_app.trace import Settings, Trace
from viewer_app.types import ActionChunk, Float32Array, Readings
from viewer_app.view import Focus, Frame, resolve
from viewer_app.world import MujocoWorld


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.load("so101")


class Blindfolded(SwayingPolicy):
    """Reads no camera, so that its lane needs no renderer."""

    def __init__(self, scene: Scene, chunk_size: int = 20, n_action_steps: int = 8) -> None:
        super().__init__(scene, chunk_size, n_action_steps)
        self._info = replace(self._info, cameras={})


@pytest.fixture
def engine(scene: Scene) -> Engine:
    return Engine(scene, (Lane(scene, MujocoWorld(scene), Blindfolded(scene), seed=3),))


def send(engine: Engine, *commands: Command) -> None:
    for command in commands:
        engine.send(command)
        while engine.tick():
            pass


def frame_at(engine: Engine, focus: Focus | None = None) -> Frame:
    return resolve(engine.view(), focus or Focus())


def long_trace(scene: Scene, length: int) -> Trace:
    """A plausible trace of any length, asked every 20 steps, with three phases and a contact in the middle."""
    policy = Blindfolded(scene)
    n = scene.n_action
    rng = np.random.default_rng(0)

    def readings(k: int) -> Readings:
        phase = ("move_to_source", "pick_up", "move_to_dest")[min(3 * k // length, 2)]
        state = (40 * np.sin(k / 30 + np.arange(n)) + rng.normal(0, 0.2, n)).astype(np.float32)
        touching = length // 3 < k < length // 2
        return Readings(k * scene.control_dt, state, np.array((0.2, 0.0, 0.1)), phase, "", False, touching)

    trace = Trace("long", scene.name, policy.info, 7, Settings(FirstN(20)), np.zeros(3), readings(0))
    for k in range(length):
        state = np.asarray(trace.column("state"), np.float32)[k]
        rows: Float32Array = np.tile(state, (20, 1))
        chunk = ActionChunk(k, rows, seed=0) if k % 20 == 0 else None
        trace.append(state, chunk, np.zeros(3), readings(k + 1))
    return trace


# Timeline.


def test_marks_tell_chunks_changes_and_branches(engine: Engine) -> None:
    """Every policy call, every intervention and every branch of a trace has its mark at its step."""
    send(engine, Step(20), SetChunking(FirstN(4)))
    send(engine, Step(10), Fork("episode 1", 12))
    view = engine.view().lanes[0]
    old = view.earlier[0]
    marks = marks_of(old.trace, old.length, (view.now,))
    assert [int(k) for k in marks.chunks] == [chunk.start for chunk in old.trace.chunks]
    assert {(mark.step, mark.kind) for mark in marks.others} == {(20, "settings"), (12, "branch")}
    assert marks_of(view.now.trace, view.now.length).others[0].text == "branched from episode 1"


def test_jumping_visits_every_event_once(engine: Engine) -> None:
    """From the first step, jumping forward visits all event steps in order, and jumping back the same in reverse."""
    send(engine, Step(30))
    marks = marks_of(engine.lanes[0].trace, 30)
    forth, step = [], -1
    while (found := marks.after(step)) is not None:
        forth.append(step := found)
    back, step = [], 31
    while (found := marks.before(step)) is not None:
        back.append(step := found)
    assert forth == marks.steps == back[::-1]


def test_the_domain_holds_the_episode_and_changes_rarely() -> None:
    """The timeline's span covers every length, is the task's own limit at first, and changes at few lengths."""
    spans = [domain_for(length, 300) for length in range(1, 20_000)]
    assert all(span >= length for length, span in enumerate(spans, start=1))
    assert spans[0] == spans[299] == 300
    assert len(set(spans)) < 20


def test_a_long_trace_is_painted_within_the_recorded_part(scene: Scene) -> None:
    """The band of a 5,000-step trace fills exactly its share of the strip; the rest stays blank."""
    trace = long_trace(scene, 5000)
    marks = marks_of(trace, 5000)
    pixels = np.zeros((28, 1200, 4), np.float32)
    blank = np.full(4, 0.5, np.float32)
    hues = [np.full(4, value, np.float32) for value in (0.1, 0.2, 0.3)]
    paint_band(marks, 10_000, pixels, hues, trace.phases, np.ones(4, np.float32), np.full(4, 0.9, np.float32), blank)
    assert (pixels[:, 600:] == 0.5).all()
    assert (pixels[15, :600] != 0.5).all()
    assert len(marks.phases) == 3
    assert len(marks.contacts) == 1


# Joints.


def test_curves_cost_what_the_window_is_long(scene: Scene) -> None:
    """A window of a long trace holds that window's samples only, and they are the trace's own."""
    trace = long_trace(scene, 3000)
    data = curves(trace, 3000, 1500, JointUnit.SCENE, scene, 48.0, 52.0)
    assert len(data.times) < 130
    first = round(data.times[0] / scene.control_dt)
    np.testing.assert_array_equal(
        data.actual, np.asarray(trace.column("state"), np.float64)[first : first + len(data.times)]
    )


def test_the_predicted_curve_begins_with_the_executed_action(engine: Engine, scene: Scene) -> None:
    """At every executed step the first predicted value is the commanded one, to the bit."""
    send(engine, Step(15))
    for step in range(15):
        data = curves(engine.lanes[0].trace, 15, step, JointUnit.SCENE, scene, 0.0, 1.0)
        np.testing.assert_array_equal(data.predicted[0], data.commanded[step])


def test_units_are_those_of_scene_and_policy(scene: Scene) -> None:
    """Degrees are the scene's, normalised values the inverse of the policy's action scale."""
    policy = Blindfolded(scene).info
    rows = np.linspace(-60, 60, 2 * scene.n_action).reshape(2, -1).astype(np.float32)
    np.testing.assert_array_equal(convert(rows, JointUnit.DEGREES, scene, policy), scene.to_degrees(rows))
    assert policy.action_scale is not None
    back = policy.action_scale.to_scene(convert(rows, JointUnit.MODEL, scene, policy).astype(np.float32))
    np.testing.assert_allclose(back, rows, rtol=1e-6)


def test_thinning_keeps_the_extremes() -> None:
    """However thin a curve is drawn, its lowest and highest values stay."""
    times = np.arange(10_000, dtype=np.float64)
    values = np.sin(times / 50)
    values[4321], values[8765] = 9.0, -9.0
    x, y = thinned(times, values, 300)
    assert len(x) <= 1200
    assert (y.max(), y.min()) == (9.0, -9.0)
    assert (x[0], x[-1]) == (times[0], times[-1])


def test_dashes_lie_on_the_line_and_stand_still() -> None:
    """Every dash lies on the curve, and the dashes of a later window of it are the same dashes."""
    times = np.arange(90, dtype=np.float64) / 30
    values = np.cos(3 * times)
    x, y = dashes(times, values, 0.1, 0.05)
    np.testing.assert_allclose(y, np.interp(x, times, values), atol=1e-12)
    drawn = (x[1::2] - x[::2]).sum()
    assert drawn == pytest.approx((times[-1] - times[0]) * 2 / 3, rel=0.05)
    later, _ = dashes(times[30:], values[30:], 0.1, 0.05)
    assert set(np.round(later[1:], 9)) <= set(np.round(x, 9)) | {round(float(times[30]), 9)}


def test_dots_keep_their_places() -> None:
    """The dots of a window that moved on by a step are the same samples."""
    first, moved = dots(100, 40, 4.0), dots(100, 41, 4.0)
    assert set(moved[:-1] + 41) <= set(first + 40)


@pytest.mark.parametrize(("low", "high"), [(-100.0, 100.0), (0.0, 1.0), (42.1, 42.9), (-3e-3, 5e-3), (58.0, 95.0)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    """An axis gets at least one tick and no more than asked for, all inside it."""
    for most in (1, 2, 3):
        ticks = round_values(low, high, most)
        assert 1 <= len(ticks) <= most
        assert all(low <= tick <= high for tick in ticks)


def test_csv_holds_every_moment(engine: Engine, scene: Scene) -> None:
    """The CSV file has a header and a row for every moment, with the trace's numbers; the head has no command."""
    send(engine, Step(9))
    trace, file = engine.lanes[0].trace, io.StringIO()
    write_csv(file, trace, 9, JointUnit.SCENE, scene)
    file.seek(0)
    rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(10))
    commands = [float(row["gripper_commanded [scene units]"]) for row in rows[:-1]]
    np.testing.assert_allclose(commands, np.asarray(trace.column("action"))[:, -1], rtol=1e-6)
    assert rows[-1]["gripper_commanded [scene units]"] == ""


# Policy.


def test_the_queue_says_where_each_action_is_from(engine: Engine) -> None:
    """Cells before the step name the chunks that gave those actions; cells after it run until the next call."""
    send(engine, Step(11))
    trace = engine.lanes[0].trace
    queue = queue_at(trace, 11, 11, past=6, cells=30)
    assert [trace.chunks[n].start for n in queue.chunks[:6]] == [0, 0, 0, 8, 8, 8]
    assert (queue.age, queue.next_call) == (3, 5)
    assert int(queue.runs[6:].sum()) == 5
    assert int((queue.chunks[6:] >= 0).sum()) == 20 - 3


def test_a_due_step_has_no_coming_actions(engine: Engine) -> None:
    """Where the policy is about to be asked, no coming action is known, and the strip says so."""
    send(engine, Step(8))
    queue = queue_at(engine.lanes[0].trace, 8, 8, past=4, cells=20)
    assert (queue.chunks[4:] == -1).all()
    assert queue.words == "the policy is asked\nat this step"


def test_an_ensemble_counts_its_members(engine: Engine) -> None:
    """In ensemble mode each coming cell counts the chunks that cover it, fewer the farther ahead."""
    send(engine, SetChunking(TemporalEnsemble(0.01, ())), Step(6))
    queue = queue_at(engine.lanes[0].trace, 6, 5, past=0, cells=24)
    assert list(queue.members[:16]) == [6] * 15 + [5]
    assert queue.members[20] == 0


# Time in the window.


def test_play_goes_through_history_and_on_into_the_future(engine: Engine, scene: Scene) -> None:
    """Playing from the past shows every step at the chosen pace, and at the head lets the engine run."""
    send(engine, Step(10))
    playback = Playback()
    frame = frame_at(engine, Focus(step=7))
    moved = playback.toggle(frame, now=0.0)
    assert moved.commands == ()
    seen, now = [], 0.0
    while not moved.commands:
        now += scene.control_dt
        moved = playback.pass_time(frame_at(engine, moved.focus), scene.control_dt * 1.001, now)
        seen.append(moved.focus.step)
    assert seen == [8, 9, None]
    assert moved.commands == (Run(1.0),)


def test_scrubbing_pauses(engine: Engine) -> None:
    """Looking at another step while the engine runs pauses it; the engine's trace is untouched."""
    send(engine, Step(5))
    frame = replace(frame_at(engine), view=replace(engine.view(), running=True))
    moved = Playback().seek(frame, 2, now=0.0)
    assert (moved.focus.step, moved.commands) == (2, (Pause(),))


def test_right_at_the_head_takes_a_step_and_left_looks_back(engine: Engine) -> None:
    """One key steps the world at the head only; in history it moves the focus."""
    send(engine, Step(5))
    playback = Playback()
    assert playback.step_by(frame_at(engine), 1, now=0.0).commands == (Step(1),)
    back = playback.step_by(frame_at(engine), -1, now=0.0)
    assert (back.focus.step, back.commands) == (4, ())
    forth = playback.step_by(frame_at(engine, back.focus), 1, now=0.0)
    assert (forth.focus.step, forth.commands) == (None, ())


# The window's shape.


def inside(rect: Rect, width: int, height: int) -> bool:
    return rect.x >= 0 and rect.y >= 0 and rect.x + rect.width <= width and rect.y + rect.height <= height


def rects(layout: Layout) -> list[Rect]:
    all_of_them = (layout.viewport, layout.timeline, layout.bar, layout.policy, layout.cameras, layout.joints)
    return [rect for rect in all_of_them if rect is not None]


@pytest.mark.parametrize("sides", [True, False])
@pytest.mark.parametrize(
    ("width", "height", "scale"),
    [(1100, 640, 1.0), (1280, 720, 1.0), (1920, 1080, 1.0), (1920, 1080, 1.5), (3840, 2160, 2.0), (2560, 1080, 1.0)],
)
def test_panels_tile_the_window(width: int, height: int, scale: float, sides: bool) -> None:
    """No two panels overlap, none leaves the window, and the viewport is the largest."""
    places = rects(arrange(width, height, Metrics(scale), sides, 4 / 3, 2))
    assert all(inside(rect, width, height) for rect in places)
    for i, a in enumerate(places):
        for b in places[i + 1 :]:
            apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
            assert apart, (a, b)
    areas = [rect.width * rect.height for rect in places]
    assert areas[0] == max(areas)


def test_no_two_actions_share_a_key() -> None:
    """A chord does one thing, and every action stands once in the table."""
    keys = [key for entry in ACTIONS for key in entry.keys]
    assert len(keys) == len(set(keys))
    assert {entry.action for entry in ACTIONS} == set(Action)
    assert len(ACTIONS) == len(Action)


def test_bare_letters_stay_free() -> None:
    """MuJoCo's letters toggle visual flags; no action of ours takes one."""
    assert not [key for entry in ACTIONS for key in entry.keys if len(key) == 1 and key.isalpha()]


def test_the_palette_finds_by_words_in_any_order() -> None:
    """Typing words of a title, in any order, finds it; typing nonsense finds nothing."""
    assert matching("head step")[0].action is Action.STEP_FORWARD
    assert matching("branch")[0].action is Action.BRANCH
    assert matching("xyzzy") == ()


def test_a_hatched_border_leaves_the_middle_alone() -> None:
    """The sign of blinding marks the border of the picture and not what the policy saw in its middle."""
    pixels = np.full((40, 60, 4), 0.5, np.float32)
    hatch(pixels, (255, 0, 0, 255), 5)
    assert (pixels[5:-5, 5:-5] == 0.5).all()
    assert (pixels[:5] != 0.5).any(axis=-1).all()
