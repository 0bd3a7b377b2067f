"""The logic of the panels and of the window's clockwork, without a window: marks, curves, queue, playback, layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from panels.actions import ACTIONS, Action, matching
from panels.cameras import hatch
from panels.execution import Mode, mode_of, most_overlap, usual_blend
from panels.joint_curves import curves, dashes, dots, round_values, thinned
from panels.queue_strip import paint_queue, queue_at
from panels.style import Metrics
from panels.timeline_marks import domain_for, marks_of, paint_band
from tests.swaying_policy import SwayingPolicy
from viewer_app.chunking import Chunking, FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.commands import (
    Command,
    Fork,
    Pause,
    ResetEpisode,
    Run,
    SetChunking,
    SetDelay,
    SetResetAtStart,
    Step,
)
from viewer_app.detectors import Finding
from viewer_app.engine import Engine
from viewer_app.gui.layout import Layout, Rect, arrange
from viewer_app.gui.playback import Playback
from viewer_app.joint_units import JointUnit, convert
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


def test_findings_are_events_too(engine: Engine) -> None:
    """What a detector found can be jumped to and read at its step; a finding of a step not recorded yet cannot."""
    send(engine, Step(12))
    found = [Finding(5, "stall", "the gripper stays"), Finding(13, "stall", "later"), Finding(2, "flat chunk", "flat")]
    marks = marks_of(engine.lanes[0].trace, 12, findings=found)
    assert [(mark.step, mark.text) for mark in marks.findings] == [
        (2, "flat chunk: flat"),
        (5, "stall: the gripper stays"),
    ]
    assert (marks.after(2), marks.before(8)) == (5, 5)
    assert "stall: the gripper stays" in [mark.text for mark in marks.near(5, 0)]
    assert 5 not in marks_of(engine.lanes[0].trace, 12).steps


def test_a_late_chunk_has_its_mark_where_it_comes_into_force(engine: Engine) -> None:
    """With a simulated latency the boundary is where the new chunk takes over, and it says what it answers."""
    send(engine, SetDelay(3), Step(20))
    trace = engine.lanes[0].trace
    marks = marks_of(trace, 20)
    assert [int(k) for k in marks.chunks] == [0, 8, 16]
    assert [int(k) for k in marks.observed] == [0, 5, 13]
    assert [mark.text for mark in marks.near(8, 0)] == ["new chunk, 3 late: it answers step 5"]


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


@pytest.mark.parametrize("delay", [0, 2])
def test_a_blended_cell_tells_both_chunks_and_their_shares(engine: Engine, delay: int) -> None:
    """The two rows of a blended cell, weighted by the shares shown, give the action that was executed."""
    send(engine, SetChunking(OverlapBlend(6, 4)), SetDelay(delay), Step(16))
    trace = engine.lanes[0].trace
    queue = queue_at(trace, 16, 16, past=16, cells=40)
    actions = np.asarray(trace.column("action"), np.float64)
    blended = []
    for cell in range(16):
        newer = queue.pool[queue.chunks[cell]].rows(cell)[0].astype(np.float64)
        if queue.leaving[cell] < 0:
            np.testing.assert_array_equal(actions[cell], newer)
            continue
        blended.append(cell)
        older = queue.pool[queue.leaving[cell]].rows(cell)[0]
        share = float(queue.share[cell])
        np.testing.assert_allclose(actions[cell], share * newer + (1 - share) * older, rtol=1e-5, atol=1e-5)
    assert blended == [6, 7, 8, 9, 12, 13, 14, 15]
    np.testing.assert_allclose(queue.share[6:10], np.arange(1, 5) / 5)
    assert (queue.age, queue.next_call) == (4 + delay, 2)
    assert int(queue.runs[16:].sum()) == 2


def test_a_blend_ahead_is_told_before_it_happens(engine: Engine) -> None:
    """In the middle of a blend the coming cells already have the shares that they are then executed with."""
    send(engine, SetChunking(OverlapBlend(6, 4)), Step(8))
    ahead = queue_at(engine.lanes[0].trace, 8, 8, past=0, cells=4)
    assert list(ahead.leaving >= 0) == [True, True, False, False]
    assert ahead.words == "60% of row 2, 40% of row 8\nnext call in 4"
    send(engine, Step(4))
    np.testing.assert_array_equal(ahead.share, queue_at(engine.lanes[0].trace, 12, 12, past=4, cells=8).share[:4])


def test_a_late_chunk_runs_from_its_arrival(engine: Engine) -> None:
    """With a simulated latency a cell names the chunk that had arrived, its row counted from what it answers."""
    send(engine, SetDelay(3), Step(10))
    trace = engine.lanes[0].trace
    queue = queue_at(trace, 10, 10, past=4, cells=30)
    assert [queue.pool[n].start for n in queue.chunks[:4]] == [0, 0, 5, 5]
    assert (queue.age, queue.next_call) == (5, 6)
    assert int((queue.chunks[4:] >= 0).sum()) == 20 - 5
    assert int(queue.runs[4:].sum()) == 6
    assert queue.words_at(2.5 / 30, 0.5).startswith("step 8, executed\nrow 3 of the chunk asked at step 5")
    send(engine, Step(6))
    assert trace.is_due(16)
    assert queue_at(trace, 16, 16, past=4, cells=30).next_call == 0


@pytest.mark.parametrize("chunking", [FirstN(7), OverlapBlend(5, 3), TemporalEnsemble(0.01, ())])
@pytest.mark.parametrize("delay", [0, 1, 9])
def test_the_next_call_comes_when_it_is_announced(engine: Engine, chunking: Chunking, delay: int) -> None:
    """In every mode and with every latency, a chunk arrives at the step that was announced, and at none before."""
    send(engine, SetChunking(chunking), SetDelay(delay), Step(40))
    trace = engine.lanes[0].trace
    for step in range(28):
        announced = queue_at(trace, 40, step, past=0, cells=5).next_call
        assert announced is not None
        arrivals = [k - step for k in range(step + 1, 40) if trace.chunk_arrived_at(k) is not None]
        assert arrivals[0] == announced


def test_a_click_on_a_colour_finds_the_chunk_that_has_it(engine: Engine) -> None:
    """The strip's cells divide its width; in a blended cell the upper part is the newer chunk, by its share."""
    send(engine, SetChunking(OverlapBlend(6, 4)), Step(9))
    queue = queue_at(engine.lanes[0].trace, 9, 9, past=9, cells=36)

    def start_at(x: float, y: float) -> int | None:
        chunk = queue.chunk_at(x, y)
        return None if chunk is None else chunk.start

    assert queue.share[8] == pytest.approx(0.6)
    assert start_at(5.5 / 36, 0.9) == 0
    assert start_at(8.5 / 36, 0.59) == 6
    assert start_at(8.5 / 36, 0.61) == 0
    assert start_at(24.5 / 36, 0.5) == 6
    assert start_at(35.5 / 36, 0.5) is None
    assert start_at(1.0, 0.5) is None
    assert start_at(-0.01, 0.5) is None


def test_a_blended_cell_is_painted_in_both_colours(engine: Engine) -> None:
    """In the strip, each chunk's colour is as high as its share, the newer one above."""
    send(engine, SetChunking(OverlapBlend(6, 4)), Step(8))
    queue = queue_at(engine.lanes[0].trace, 8, 8, past=0, cells=10)
    pixels = np.zeros((10, 40, 4), np.float32)
    hues = [np.array([1, 0, 0, 1], np.float32), np.array([0, 1, 0, 1], np.float32)]
    paint_queue(queue, pixels, hues, np.zeros(4, np.float32), np.ones(4, np.float32))
    column = pixels[:, 6]  # of the cell after the one with the line: step 9, the new chunk's share 4/5
    newer, older = hues[int(queue.chunks[1])], hues[int(queue.leaving[1])]
    np.testing.assert_array_equal(column[:8], np.tile(newer, (8, 1)))
    np.testing.assert_array_equal(column[8:], np.tile(older, (2, 1)))


def test_a_carried_chunk_has_a_colour_and_no_step_to_go_to(engine: Engine) -> None:
    """Actions of the episode before, where the policy was not reset, are shown as a chunk asked before step 0."""
    send(engine, SetResetAtStart(False), Step(10), ResetEpisode(), Step(2))
    queue = queue_at(engine.lanes[0].trace, 2, 2, past=2, cells=20)
    chunk = queue.chunk_at(0.5 / 20, 0.5)
    assert chunk is not None
    assert chunk.start == -2
    assert "the episode before" in queue.words_at(0.5 / 20, 0.5)
    assert (queue.age, queue.next_call) == (4, 4)


def test_the_overlap_can_be_chosen_as_far_as_the_engine_lets_it(engine: Engine) -> None:
    """For every advance, the largest overlap offered is the largest one that the engine takes, and no larger."""
    for advance in (1, 5, 10, 15, 20):
        most = most_overlap(advance, 20)
        for overlap in (most, most + 1, 99):
            send(engine, SetChunking(FirstN(1)), SetChunking(OverlapBlend(advance, overlap)))
            assert engine.lanes[0].settings.chunking == OverlapBlend(advance, most)


@pytest.mark.parametrize(("n_action_steps", "chunk_size"), [(1, 1), (1, 100), (20, 100), (100, 100), (8, 20), (2, 3)])
def test_blending_begins_with_something_to_blend(n_action_steps: int, chunk_size: int) -> None:
    """What the mode begins with is within its limits, and blends wherever the chunk is long enough to."""
    usual = usual_blend(n_action_steps, chunk_size)
    assert 1 <= usual.advance <= max(n_action_steps, 1)
    assert usual.overlap <= most_overlap(usual.advance, chunk_size)
    assert (usual.overlap > 0) == (chunk_size > 1)


def test_every_mode_has_its_name() -> None:
    """Each kind of chunking is of one mode, and each mode of one kind."""
    assert [mode_of(each) for each in (FirstN(1), TemporalEnsemble(0.0, ()), OverlapBlend(2, 1))] == list(Mode)


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
    sides = (layout.policy, layout.cameras, layout.tabs, layout.tabbed)
    return [rect for rect in (layout.viewport, layout.timeline, layout.bar, *sides) if rect is not None]


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
