"""Laws of what is done to a world: moves, start positions and pushes are recorded, and replay to the bit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recordings.folder import LaneSnippet, open_recording, save
from recordings.saved_starts import SavedStarts
from tests.scenes import write_scene
from tests.scripted import Scripted, do
from viewer_app.batch import Batch
from viewer_app.commands import (
    At,
    Fork,
    MoveObject,
    Place,
    Push,
    ResetEpisode,
    SetStart,
    Step,
    StopPushing,
    UndoMove,
)
from viewer_app.engine import Engine
from viewer_app.lane import Lane
from viewer_app.placing import positions_of
from viewer_app.rollout import Rollout
from viewer_app.scene import Scene
from viewer_app.start_positions import read_start, to_text
from viewer_app.summary import successes_by_start
from viewer_app.task import PROGRESS_SIZE
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, Observation, Pose, Positions, WhiskersError
from viewer_app.view import Snippet
from viewer_app.world import MujocoWorld

pytestmark = pytest.mark.core


def swing(start: int, observation: Observation, seed: int) -> Float32Array:
    """Rows that depend on what was observed, so that whatever is done to the arm shows in all that follows."""
    rows = np.arange(start, start + 12, dtype=np.float32)[:, None]
    return np.asarray(observation.state + 25 * np.sin(0.3 * rows), np.float32)


@pytest.fixture(name="scene", scope="module")
def make_scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.load(write_scene(tmp_path_factory.mktemp("plotter")))


def new_engine(scene: Scene) -> Engine:
    return Engine(scene, (Lane(scene, MujocoWorld(scene), Scripted(scene, swing), seed=3),))


@pytest.fixture(name="engine")
def make_engine(scene: Scene) -> Iterator[Engine]:
    engine = new_engine(scene)
    yield engine
    engine.close()


def cube_at(scene: Scene, trace: Trace, step: int) -> Pose:
    return positions_of(scene, trace.snapshot(step)[PROGRESS_SIZE:]).objects["cube"]


def same(one: Trace, other: Trace, begin: int, end: int) -> bool:
    """Whether two traces are equal to the bit from one moment to another."""
    names = ("snapshot", "state", "tip", "time")
    return all(np.array_equal(one.column(name)[begin : end + 1], other.column(name)[begin : end + 1]) for name in names)


LOOSE = Positions(
    {"cube": Pose((0.12, 0.22, 0.02), (0.9, 0.0, 0.1, 0.3))}, {"yaw": 30.0, "pitch": -10.0}, name="left of the arm"
)


def test_every_intervention_replays_from_every_step(scene: Scene, engine: Engine) -> None:
    """Whatever was done in an episode, a branch from any step, taken on by the engine, repeats what was recorded as far
    as nothing more was done to it."""
    trace = do(
        engine,
        SetStart(LOOSE),
        ResetEpisode(),
        Step(4),
        MoveObject("cube", (0.2, 0.1, 0.05), 0.4),
        Step(3),
        Push("finger", (0.0, 3.0, 0.0), 5, (0.0, 0.1, 0.0)),
        Step(2),
        Push("cube", (0.4, 0.0, 0.3), 15),
        Step(5),
        Place(Positions({"cube": Pose((0.1, 0.2, 0.02))}, {"pitch": 20.0})),
        Step(4),
        StopPushing(),
        Step(2),
    )
    assert [event.step for event in trace.events if event.kind in ("moved", "pushed")] == [0, 4, 7, 9, 14, 18]
    done_at = [4, 7, 9, 14, 18, 20]
    for k in range(len(trace) + 1):
        until = next((step for step in done_at if step > k), len(trace))
        branch = do(engine, Fork(trace.name, k), Step(until - k))
        # What was done at `until` itself shows in the moment of the recorded trace.
        assert same(branch, trace, 0, until - 1)
        assert np.array_equal(branch.column("action"), trace.column("action")[:until])


def test_an_episode_is_made_again_from_what_its_trace_says(scene: Scene, engine: Engine) -> None:
    """Seed, settings and events are all it takes: another engine that does the same makes an equal trace. A move of a
    falling cube that was undone counts for nothing."""
    trace = do(
        engine, SetStart(LOOSE), ResetEpisode(), Step(5), MoveObject("cube", (0.25, 0.05, 0.3), 1.0), Step(2),
        Push("cube", (0.0, -0.5, 0.0), 6), Step(2), MoveObject("cube", (0.1, 0.3, 0.1)), UndoMove(), Step(7),
    )  # fmt: skip
    assert [event.kind for event in trace.events if event.step == 9] == ["moved", "undone"]
    other = new_engine(scene)
    again = do(other, SetStart(trace.settings_at(0).start), ResetEpisode(trace.seed))
    for k in range(len(trace)):
        forces = [force for force in trace.settings_at(k).forces if force.begin == k]
        commands = [Place(each) for each in trace.placed_at(k)] + [
            Push(each.body, each.force, each.end - each.begin, each.torque) for each in forces
        ]
        again = do(other, *commands, Step(1))
    assert again.same_as(trace)
    other.close()


def test_a_recording_keeps_every_intervention(scene: Scene, engine: Engine, tmp_path: Path) -> None:
    """Saved, opened and gone on with, in the middle of a push, an episode is as if it had never been closed."""
    trace = do(
        engine, SetStart(LOOSE), ResetEpisode(), Step(3), MoveObject("cube", (0.2, 0.0, 0.1)), Step(2),
        Push("finger", (0.0, 2.0, 0.0), 8), Step(3),
    )  # fmt: skip
    save(tmp_path / "recording", scene, [LaneSnippet(Snippet(trace, len(trace)))])
    read = open_recording(tmp_path / "recording").lanes[0][-1]
    assert read.same_as(trace)
    assert [(event.step, event.kind, event.text, event.placed) for event in read.events] == [
        (event.step, event.kind, event.text, event.placed) for event in trace.events
    ]
    other = new_engine(scene)
    other.lanes[0].adopt([read])
    assert do(other, Step(9)).same_as(do(engine, Step(9)))
    assert do(other, ResetEpisode(8), Step(2)).same_as(do(engine, ResetEpisode(8), Step(2)))
    other.close()


def test_a_push_acts_in_its_steps_and_in_no_other(scene: Scene, engine: Engine) -> None:
    """A push changes what follows, a zero push changes nothing, and a state holds none: it acts as long as it said."""
    plain = do(engine, Step(12))
    nothing = do(engine, ResetEpisode(3), Step(4), Push("finger", (0.0, 0.0, 0.0), 5), Step(8))
    pushed = do(engine, ResetEpisode(3), Step(4), Push("finger", (0.0, 4.0, 0.0), 5), Step(8))
    assert same(nothing, plain, 0, 12)
    assert same(pushed, plain, 0, 4)
    assert not np.allclose(pushed.column("tip")[9], plain.column("tip")[9], atol=1e-3)
    assert [[force.body for force in pushed.forces_at(k)] for k in range(12)] == [[]] * 4 + [["finger"]] * 5 + [[]] * 3
    # After its last step the world goes on as one that was never pushed and merely is where this one is.
    world = MujocoWorld(scene)
    world.restore(pushed.snapshot(9))
    for k in range(9, 12):
        world.step(np.asarray(pushed.column("action")[k], np.float32))
        assert np.array_equal(world.snapshot(), pushed.snapshot(k + 1))


def test_a_push_acts_at_the_centre_of_mass_in_the_world_frame(scene: Scene) -> None:
    """A body in free fall gains force over mass along the world's axes, however it is turned, and does not turn."""
    engine = new_engine(scene)
    turned = (0.8, 0.3, -0.5, 0.1)
    length = float(np.linalg.norm(turned))
    upright = tuple(each / length for each in turned)
    place = MoveObject("cube", (0.0, 0.5, 0.8), quaternion=upright)  # type: ignore[arg-type]
    trace = do(engine, place, Push("cube", (0.05, -0.02, 0.02 * 9.81), 6), Step(6))
    before, after = cube_at(scene, trace, 0), cube_at(scene, trace, 6)
    dt, n = float(scene.model.opt.timestep), 6 * scene.substeps
    # Semi-implicit Euler: the n-th step adds n times the speed of one.
    way = np.array([0.05, -0.02, 0.0]) / 0.02 * dt * dt * n * (n + 1) / 2
    assert np.allclose(np.subtract(after.position, before.position), way, atol=1e-9)
    assert np.allclose(after.quaternion, before.quaternion, atol=1e-9)
    engine.close()


def test_the_physics_whisker_knows_the_push(scene: Scene, engine: Engine) -> None:
    """Law 7 with a push: rolled forward from any step since it was asked for, the plan is where the gripper then goes,
    to the bit; a roll that leaves the push out is not."""
    trace = do(engine, Step(6), Push("finger", (0.0, 2.5, 0.0), 4), Step(6))
    rollout = Rollout(scene)
    for begin in range(6, 12):
        plan = np.asarray(trace.column("action")[begin:], np.float32)
        known = rollout.path(plan, trace.snapshot(begin), pushes=trace.forces_from(begin, len(plan)))
        assert np.array_equal(known, trace.column("tip")[begin:])
        assert np.array_equal(
            known, Rollout(scene).path(plan, trace.snapshot(begin), None, trace.forces_from(begin, 6))
        )
        blind = rollout.path(plan, trace.snapshot(begin))
        assert np.array_equal(blind, known) == (begin >= 10)


def test_a_move_is_undone_as_one_step(scene: Scene, engine: Engine) -> None:
    """Undoing puts the world back to the bit, one move at a time; after further steps it is a branch from the move."""
    trace = do(engine, Step(5))
    before = trace.snapshot(5)
    do(engine, MoveObject("cube", (0.3, 0.2, 0.02)))
    moved = trace.snapshot(5)
    do(engine, Place(LOOSE))
    assert not np.array_equal(trace.snapshot(5), moved)
    do(engine, UndoMove())
    assert np.array_equal(trace.snapshot(5), moved)
    do(engine, Step(4))
    branch = do(engine, UndoMove())
    assert (branch.parent is not None, len(branch), trace.column("time").shape) == (True, 5, (10,))
    assert np.array_equal(branch.snapshot(5), before)
    assert np.array_equal(trace.snapshot(5), moved)
    do(engine, UndoMove())
    assert engine.view().message == "Nothing was moved that could be put back."


def test_two_moves_at_a_step_are_undone_in_one_branch(scene: Scene, engine: Engine) -> None:
    """What was moved twice before a step is put back move by move, both in the branch that the first of them begins."""
    trace = do(engine, Step(5))
    before = trace.snapshot(5)
    do(engine, MoveObject("cube", (0.3, 0.2, 0.02)))
    once = trace.snapshot(5)
    do(engine, MoveObject("cube", (0.1, 0.3, 0.1)))
    do(engine, Step(2))
    branch = do(engine, UndoMove())
    assert np.array_equal(branch.snapshot(5), once)
    assert len(branch.placed_at(5)) == 1
    assert do(engine, UndoMove()) is branch
    assert np.array_equal(branch.snapshot(5), before)
    assert branch.placed_at(5) == ()


def test_what_is_done_to_an_earlier_moment_branches_there(scene: Scene, engine: Engine) -> None:
    """History stays as it was: a move in it begins a branch at that step, and one at the head none."""
    trace = do(engine, Step(8))
    recorded = [trace.snapshot(k) for k in range(9)]
    assert do(engine, At(trace.name, 8, Push("finger", (1.0, 0.0, 0.0), 2))) is trace
    branch = do(engine, At(trace.name, 3, MoveObject("cube", (0.1, 0.3, 0.02))), Step(2))
    assert branch.parent is not None
    assert (branch.parent.trace, branch.parent.step, len(branch)) == (trace.name, 3, 5)
    assert all(np.array_equal(trace.snapshot(k), recorded[k]) for k in range(9))
    assert cube_at(scene, branch, 3).position == (0.1, 0.3, 0.02)
    # Where it cannot branch, nothing is moved.
    do(engine, At("nowhere", 3, MoveObject("cube", (0.5, 0.5, 0.5))))
    assert "No trace 'nowhere'" in engine.view().message
    assert len(do(engine)) == 5


def test_all_episodes_begin_at_the_start_positions(scene: Scene, engine: Engine) -> None:
    """Whatever the seed, objects and joints begin where they were told to, at rest and held; None leaves it to the seed
    again, to the bit."""
    drawn = do(engine, ResetEpisode(5)).snapshot(0)
    first = do(engine, SetStart(LOOSE), ResetEpisode(5), Step(3))
    second = do(engine, ResetEpisode(6))
    at = positions_of(scene, second.snapshot(0)[PROGRESS_SIZE:])
    assert np.allclose(at.objects["cube"].position, (0.12, 0.22, 0.02), atol=0)
    assert np.isclose(np.dot(at.objects["cube"].quaternion, (0.9, 0.0, 0.1, 0.3)) ** 2, 0.91)
    assert np.allclose([at.joints["yaw"], at.joints["pitch"]], [30, -10])
    assert np.array_equal(second.snapshot(0)[PROGRESS_SIZE:], first.snapshot(0)[PROGRESS_SIZE:])
    assert np.array_equal(do(engine, SetStart(None), ResetEpisode(5)).snapshot(0), drawn)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            Place(Positions({"cup": Pose((0, 0, 0))})),
            "'cup' must have a free joint to be moved; those that can be: cube",
        ),
        (Place(Positions({"cube": Pose((0, 0, float("nan")))})), "Body 'cube' cannot be put at"),
        (Place(Positions({"cube": Pose((0, 0, 0), (0, 0, 0, 0))})), "Body 'cube' cannot be put at"),
        (Place(Positions(joints={"elbow": 1.0})), "no joint 'elbow' of the robot; there are yaw, pitch."),
        (Place(Positions(joints={"yaw": 130.0})), "'yaw' cannot be put at 130, which is outside its range."),
        (Place(Positions(others={"drawer": 0.1})), "no joint 'drawer' besides the robot's"),
        (SetStart(Positions({"lid": Pose((0, 0, 0))})), "'lid' must have a free joint"),
        (Push("cup", (1.0, 0.0, 0.0)), "Body 'cup' cannot be pushed; those that can: arm, finger, cube."),
        (Push("cube", (float("inf"), 0.0, 0.0)), "A push needs finite numbers"),
        (Push("cube", (1.0, 0.0, 0.0), 0), "at least 1 step"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    engine: Engine, command: Place | SetStart | Push, words: str
) -> None:
    """And nothing is changed by it."""
    trace = do(engine, Step(2))
    before, settings = trace.snapshot(2), trace.settings_at(2)
    do(engine, command)
    assert words in engine.view().message
    assert np.array_equal(trace.snapshot(2), before)
    assert trace.settings_at(2) == settings
    assert replace(settings, start=None) == settings


def test_a_file_of_start_positions_is_read_back_to_the_bit(scene: Scene, engine: Engine, tmp_path: Path) -> None:
    """What was saved in the middle of an episode puts objects and joints exactly where they were."""
    trace = do(engine, Step(4), MoveObject("cube", (0.21, 0.07, 0.06), 0.3), Step(3))
    positions = positions_of(scene, trace.snapshot(7)[PROGRESS_SIZE:])
    (tmp_path / "by hand.toml").write_text(to_text(scene, positions))
    read = read_start(tmp_path / "by hand.toml", scene)
    assert read == replace(positions, name="by hand")
    assert cube_at(scene, do(engine, SetStart(read), ResetEpisode(77)), 0) == cube_at(scene, trace, 7)


GOOD = 'format = 1\nscene = "plotter"\n[objects.cube]\nposition = [0.1, 0.2, 0.02]\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("format = ", "are not valid TOML"),
        (GOOD.replace("format = 1", "format = 2"), "do not say format = 1"),
        (GOOD.replace("plotter", "so101"), "are of scene 'so101', not of 'plotter'"),
        (GOOD.replace("cube", "cup"), "'cup' must have a free joint"),
        (GOOD.replace("0.02]", "]"), "objects.cube.position must be a list of 3 numbers"),
        (GOOD.replace("position", "place"), "objects.cube must be a table of position"),
        (GOOD.replace("0.02]", "nan]"), "objects.cube.position must be a number, found nan"),
        (GOOD + "[joints]\nyaw = '3'\n", "joints.yaw must be a number, found '3'"),
        (GOOD + "[joints]\nyaw = 300\n", "'yaw' cannot be put at 300, which is outside its range."),
        (GOOD + "[velocities]\ncube = 1\n", "unknown field velocities"),
        ("x = " + "[" * 5000, "are not valid TOML"),
    ],
)
def test_a_bad_file_of_start_positions_says_why(scene: Scene, tmp_path: Path, text: str, words: str) -> None:
    """One sentence that names the file and what is wrong with it."""
    path = tmp_path / "start.toml"
    assert read_start(written(path, GOOD), scene).objects["cube"].quaternion == (1, 0, 0, 0)
    with pytest.raises(WhiskersError, match=re.escape(words)) as refused:
        read_start(written(path, text), scene)
    assert str(refused.value).startswith(f"Start positions {path}")
    with pytest.raises(WhiskersError, match="cannot be read"):
        read_start(tmp_path / "nowhere.toml", scene)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_saved_starts_are_kept_per_scene(scene: Scene, tmp_path: Path) -> None:
    """A name finds what was saved under it last, in its own scene only; what is no file's name is refused."""
    saved = SavedStarts(scene, tmp_path)
    assert list(saved.names()) == []
    saved.save(LOOSE, "far left")
    saved.save(replace(LOOSE, objects={}), "arm only")
    assert list(saved.names()) == ["arm only", "far left"]
    assert saved.load("far left") == replace(LOOSE, name="far left")
    assert list(SavedStarts(Scene.load("so101"), tmp_path).names()) == []
    for name in ("", "../escape", "a/b", "x" * 80):
        with pytest.raises(WhiskersError, match="cannot be the name of a file"):
            saved.save(LOOSE, name)
    with pytest.raises(WhiskersError, match="cannot be read"):
        saved.load("never saved")


def test_a_batch_begins_every_episode_where_it_is_told(scene: Scene, tmp_path: Path) -> None:
    """All lanes and all seeds begin at the start positions, which the recordings and results name."""
    policy = Scripted(scene, swing)
    with Batch(scene, (policy, policy), tmp_path, pytest.fail) as batch:
        told = [batch.run(seed, start=LOOSE) for seed in (1, 2)]
        (drawn, _) = batch.run(3)
    begins = {lane.trace.snapshot(0)[PROGRESS_SIZE:].tobytes() for lanes in told for lane in lanes}
    assert len(begins) == 1
    assert all(lane.result.start == LOOSE.name for lanes in told for lane in lanes)
    ((read,), _) = open_recording(tmp_path / "seed-2").lanes
    assert read.same_as(told[1][0].trace)
    assert read.settings_at(0).start == LOOSE
    assert drawn.result.start == ""
    assert drawn.trace.same_as(do(new_engine(scene), ResetEpisode(3), Step(len(drawn.trace))))
    assert successes_by_start([lanes[0].result for lanes in told]) == {LOOSE.name: (0, 2)}
