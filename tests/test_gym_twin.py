"""Scratch twins of Gymnasium environments: whiskers, rewinding and replays that are what the environment does."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recordings.folder import LaneSnippet, open_recording, save
from tests.scripted import Scripted, do
from viewer_app.batch import Batch
from viewer_app.commands import Fork, MoveObject, Push, Step, UndoMove
from viewer_app.engine import Engine
from viewer_app.gym_exactness import measure
from viewer_app.gym_moments import Moments, moments_of
from viewer_app.gym_world import open_world
from viewer_app.headless import open_engine
from viewer_app.overlays import Legend, Polyline, Sight, build
from viewer_app.paths import Paths
from viewer_app.questions import Answers
from viewer_app.rollout import Rollout
from viewer_app.scene import Scene
from viewer_app.summary import Summary
from viewer_app.trace import Event, Trace
from viewer_app.types import Float32Array, FloatArray, Observation, WhiskersError
from viewer_app.view import OverlayChoice, Snippet

pytest.importorskip("gymnasium")


def plotter(kind: str = "Plotter") -> str:
    return f"tests.gym_plotter:{kind}-v0"


def needs(package: str, name: str, *marks: pytest.MarkDecorator) -> object:
    missing = importlib.util.find_spec(package) is None
    return pytest.param(name, marks=(pytest.mark.skipif(missing, reason=f"{package} is not installed"), *marks))


ENVIRONMENTS = (
    plotter(),
    needs("gym_aloha", "gym_aloha/AlohaTransferCube-v0"),
    needs("gym_aloha", "gym_aloha/AlohaInsertion-v0"),
    needs("metaworld", "Meta-World/MT1?env_name=drawer-open-v3"),
    needs("so101_nexus", "MuJoCoPickLift-v1"),
    needs("gymnasium_robotics", "FetchPickAndPlace-v4"),
    # Slow to step, and to import.
    needs("lerobot", "lerobot/metaworld/reach-v3", pytest.mark.slow),
    needs("gym_hil", "gym_hil/PandaPickCubeBase-v0", pytest.mark.slow),
    needs("lerobot_env_so101", "lerobot_env_so101/SO101PickPlace-v0", pytest.mark.slow),
)
BEFORE, ROWS = 8, 20
EXACT = "rewind: exact; from a recording: exact"


def random_walk(scene: Scene) -> Scripted:
    """A policy whose chunks are drawn from their step alone, within what the environment allows."""

    def script(start: int, observation: Observation, seed: int) -> Float32Array:
        rng = np.random.default_rng(start)
        if scene.spec.action.kind == "environment":
            return rng.uniform(-0.8, 0.8, (ROWS, scene.n_action)).astype(np.float32)
        walk = np.cumsum(rng.uniform(-0.05, 0.05, (ROWS, scene.n_action)), axis=0)
        return (start_of(scene) + walk).astype(np.float32)

    return Scripted(scene, script, chunk_size=ROWS, n_action_steps=ROWS)


def start_of(scene: Scene) -> Float32Array:
    """The joints as the model is compiled, in scene units."""
    return scene.to_scene_units(scene.model.qpos0[scene.qpos_index])


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def session(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine at rest after 28 steps of an episode: a chunk of 20, and 8 rows of the next."""
    scene = Scene.load(f"gym:{request.param}")
    engine = open_engine(scene, random_walk(scene), 3)
    do(engine, Step(ROWS + BEFORE))
    yield engine
    engine.close()


def tips_of(trace: Trace) -> FloatArray:
    return np.asarray(trace.column("tip"), np.float64)


def test_the_whisker_is_the_way(session: Engine) -> None:
    """Law 7 of environments, to the bit: the physics whisker of a chunk is the way that the end effector then took;
    and the other whisker too, where only the environment knows what an action does."""
    scene, trace = session.scene, session.lanes[0].trace
    paths, way = Paths(scene), tips_of(trace)
    plan, start = trace.chunks[0].actions, trace.snapshot(0)
    assert np.ptp(way[: ROWS + 1], axis=0).max() > 1e-3
    assert np.array_equal(paths.rollout.path(plan, start), way[: ROWS + 1])
    # From the middle of the chunk too.
    assert np.array_equal(paths.rollout.path(plan[BEFORE:], trace.snapshot(BEFORE)), way[BEFORE : ROWS + 1])
    if scene.spec.action.kind == "environment":
        assert np.array_equal(paths.kinematics.path_of(trace.chunks[0], trace), way[1 : ROWS + 1])
        assert np.array_equal(paths.kinematics.poses(plan, start, rows=np.array([2, 5])).points, way[[3, 6]])
    assert paths.notes == (EXACT,)
    paths.close()


def test_a_twin_on_another_thread_goes_the_same_way(session: Engine) -> None:
    """What a world remembers is enough for a twin on any thread, which goes to the bit where the world will go."""
    scene, lane = session.scene, session.lanes[0]
    trace = do(session, Fork(lane.trace.name, ROWS + BEFORE))
    chunk, found = trace.chunks[-1], []

    def look() -> None:
        paths = Paths(scene)
        found.append(paths.rollout.path(chunk.rows(len(trace)), trace.snapshot(len(trace))))
        paths.close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    after = do(session, Step(ROWS - BEFORE))
    assert np.array_equal(found[0], tips_of(after)[ROWS + BEFORE :])


def test_rewinding_in_the_session_is_exact(session: Engine) -> None:
    """A branch from the middle of an episode, with nothing changed, replays 20 steps to the bit."""
    whole = session.lanes[0].trace
    branch = do(session, Fork(whole.name, BEFORE), Step(ROWS))
    assert np.array_equal(branch.column("snapshot"), whole.column("snapshot", BEFORE + ROWS))
    assert np.array_equal(branch.column("state"), whole.column("state", BEFORE + ROWS))
    assert session.lanes[0].world.caveat == ""


def test_a_recording_is_gone_on_with_exactly(session: Engine, tmp_path: Path) -> None:
    """From a recording, which holds numbers alone, the way is gone again: what then comes is what came, to the bit."""
    whole = session.lanes[0].trace
    save(tmp_path / "recording", session.scene, [LaneSnippet(Snippet(whole, len(whole)))])
    opened = open_recording(tmp_path / "recording")
    trace = opened.lanes[0][0]
    engine = open_engine(opened.scene, random_walk(opened.scene), 0)
    engine.lanes[0].adopt([trace])
    branch = do(engine, Fork(trace.name, BEFORE), Step(ROWS))
    assert np.array_equal(branch.column("snapshot"), whole.column("snapshot", BEFORE + ROWS))
    assert np.array_equal(branch.column("state"), whole.column("state", BEFORE + ROWS))
    assert engine.lanes[0].world.caveat == ""
    engine.close()


# What only one small environment is needed for.


@pytest.fixture
def mixing() -> Iterator[Engine]:
    """An engine after 26 steps in an environment whose actions nothing but its own code makes sense of."""
    scene = Scene.load(f"gym:{plotter('Mixing')}")
    engine = open_engine(scene, random_walk(scene), 3)
    do(engine, Step(ROWS + 6))
    yield engine
    engine.close()


def drawn(paths: Paths, trace: Trace, step: int, *names: str) -> tuple[list[Polyline], list[str]]:
    """The lines of some overlays, and what the legend says, but for that the rewind is exact."""
    choice = OverlayChoice(whisker=False, ghosts=False, path=False)
    for name in names:
        choice = choice.having(name, True)
    primitives = build(Sight(paths, trace, step, choice, Answers()))
    lines = [each for each in primitives if isinstance(each, Polyline)]
    return lines, [each.text for each in primitives if isinstance(each, Legend) and each.text != EXACT]


def test_drawn_is_what_the_environment_does(mixing: Engine) -> None:
    """The drawn whisker of such actions goes through where the world was and, to the bit, where it will be; the screen
    says who simulated it. What was moved meanwhile moves it too."""
    trace, paths = mixing.lanes[0].trace, Paths(mixing.scene)
    (line,), words = drawn(paths, trace, ROWS + 6, "whisker")
    assert words == ["current chunk, simulated by the environment's own code"]
    assert np.array_equal(line.points[:6], tips_of(trace)[ROWS + 1 : ROWS + 7])
    (physics,), words = drawn(paths, trace, ROWS + 6, "physics")
    assert words == ["physics roll-out by the environment's own code: the same as the whisker"]
    assert np.array_equal(physics.points[1:], line.points[6:])
    after = do(mixing, Step(ROWS - 6))
    assert np.array_equal(line.points, tips_of(after)[ROWS + 1 : 2 * ROWS + 1])
    # Rows that are alternatives for one step each begin where the world is.
    rows = trace.chunks[0].actions[:2]
    first, second = paths.kinematics.path_of_each(rows, trace.snapshot(0))
    assert np.array_equal(first, tips_of(trace)[1])
    assert np.array_equal(second, paths.kinematics.path(rows[1:], trace.snapshot(0))[0])
    paths.close()


def test_a_picture_is_not_waited_for(mixing: Engine) -> None:
    """With little patience the environment is opened beside and whiskers grow from picture to picture, the current one
    first; what is missing is counted on the screen, and in the end all is as with endless patience."""
    trace, step = mixing.lanes[0].trace, ROWS + 6
    moments_of(mixing.scene).rolls.clear()
    paths = Paths(mixing.scene, patience=0.0)
    paths.begin()
    assert drawn(paths, trace, step, "whisker", "ghosts")[1][-1] == "2 whiskers not simulated yet"
    lengths, counts = [], []
    deadline = time.monotonic() + 20
    while paths.unfinished and time.monotonic() < deadline:
        paths.begin()
        lines, words = drawn(paths, trace, step, "whisker", "ghosts")
        whisker = [line for line in lines if line.width == 3.0]
        lengths.append(len(whisker[0].points) if whisker else 0)
        counts.append(paths.unfinished)
        assert (f"{paths.unfinished} whisker" in words[-1]) == (paths.unfinished > 0)
    assert lengths == sorted(lengths)
    assert {6, 12, ROWS} <= set(lengths)
    assert set(counts) == {0, 1, 2}
    assert counts[lengths.index(ROWS)] == 1  # the ghost was still to come
    patient = Paths(mixing.scene)
    for line, other in zip(lines, drawn(patient, trace, step, "whisker", "ghosts")[0], strict=True):
        assert np.array_equal(line.points, other.points)
    patient.close()
    paths.close()


def test_without_the_package_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an environment cannot be opened, joint targets are rolled by MuJoCo alone and other actions not at all, and
    the screen says why."""
    traces = {}
    for kind in ("Plotter", "Mixing"):
        scene = Scene.load(f"gym:{plotter(kind)}")
        engine = open_engine(scene, random_walk(scene), 3)
        do(engine, Step(4))
        traces[kind] = (scene, engine.lanes[0].trace)
        engine.close()
        moments_of(scene).rolls.clear()

    def missing(name: str) -> None:
        raise WhiskersError(f"Environment {name} needs what is not here.")

    monkeypatch.setattr("viewer_app.gym_environment.make", missing)
    scene, trace = traces["Plotter"]
    paths = Paths(scene)
    lines, words = drawn(paths, trace, 4, "physics")
    assert words[-1] == f"MuJoCo alone simulates: Environment {plotter()} needs what is not here."
    plan = trace.plan(4)
    assert plan is not None
    assert np.array_equal(lines[0].points, Rollout(scene).path(plan, trace.snapshot(4)))
    scene, trace = traces["Mixing"]
    lines, words = drawn(Paths(scene), trace, 4, "whisker", "physics", "ghosts", "ticks")
    # What was executed of the chunk is in the trace.
    assert [line.points.tolist() for line in lines] == [tips_of(trace)[1:5].tolist()]
    assert words[-1] == f"nothing simulates: Environment {plotter('Mixing')} needs what is not here."


def test_the_end_of_a_roll(mixing: Engine) -> None:
    """Where an environment raises, the whisker ends a step before, says so, and the world it belongs to stays."""
    scene = Scene.load(f"gym:{plotter('Raising')}")
    engine = open_engine(scene, random_walk(scene), 3)
    trace = do(engine, Step(2))
    paths = Paths(scene)
    way = paths.rollout.path(trace.chunks[0].actions, trace.snapshot(0))
    assert np.isfinite(way).all(axis=1).tolist() == [True] * 6 + [False] * (ROWS - 5)
    assert drawn(paths, trace, 2, "physics")[1][0] == (
        "physics: the environment raises, or begins anew, 4 steps from here"
    )
    # The twin is none the worse for it.
    assert np.array_equal(paths.rollout.path(trace.chunks[0].actions[:2], trace.snapshot(0)), tips_of(trace))
    # The engine keeps what was done before.
    do(engine, Step(9))
    assert len(engine.lanes[0].trace) == 5
    assert "raised in its step" in engine.view().message
    assert np.array_equal(tips_of(engine.lanes[0].trace), way[:6])
    paths.close()
    engine.close()


def recorded(trace: Trace, scene: Scene, folder: Path, events: Sequence[Event] | None = None) -> tuple[Scene, Trace]:
    """A trace as it is read back, in another scene that remembers nothing."""
    if events is not None:
        trace.events = list(events)
    save(folder, scene, [LaneSnippet(Snippet(trace, len(trace)))])
    opened = open_recording(folder)
    return opened.scene, opened.lanes[0][0]


@pytest.mark.parametrize("told", [True, False])
def test_what_was_moved_is_moved_again(tmp_path: Path, told: bool) -> None:
    """The way to a recorded moment goes through everything that was done to the episode: objects moved at its start
    and on the way, a move undone, a push. Where the recording does not tell of a move, the moment before it is still
    exact, and after it the approximation is told."""
    scene = Scene.load(f"gym:{plotter()}")
    engine = open_engine(scene, random_walk(scene), 3)
    do(engine, MoveObject("cube", (0.2, 0.05, 0.02)), Step(5), Push("cube", (0.4, 0.1, 0.0), 3), Step(4))
    do(engine, MoveObject("cube", (0.15, 0.1, 0.02), 0.3), Step(3), MoveObject("cube", (0.1, 0.0, 0.02)), UndoMove())
    whole = do(engine, Step(10))
    events = [event for event in whole.events if told or event.step != 9]
    seen, trace = recorded(whole, scene, tmp_path / "recording", events)
    other = open_engine(seen, random_walk(seen), 0)
    other.lanes[0].adopt([trace])
    branch = do(other, Fork(trace.name, 8), Step(1))
    assert np.array_equal(tips_of(branch), tips_of(whole)[:10])
    assert other.lanes[0].world.caveat == ""
    branch = do(other, Fork(trace.name, 14), Step(8))
    same = np.array_equal(branch.column("snapshot"), whole.column("snapshot", 22))
    assert same == told
    caveat = "" if told else "Step 14 of environment tests.gym_plotter:Plotter-v0 is approximate: the recorded actions "
    caveat += "" if told else "led elsewhere at step 9, so its physics state was taken."
    assert other.view().message == caveat
    assert [event.text for event in branch.events if event.kind == "note"] == ([] if told else [caveat])
    # The whisker there says it too.
    paths = Paths(seen)
    notes = drawn(paths, trace, 14, "physics")[1]
    assert (caveat in notes) == (not told)
    paths.close()
    other.close()
    engine.close()


def test_what_is_forgotten_is_found_again() -> None:
    """A moment that went out of memory is come to by the actions from the newest moment before it that did not."""
    scene = Scene.load(f"gym:{plotter()}")
    engine = open_engine(scene, random_walk(scene), 3)
    whole = do(engine, Step(24))
    wholes = moments_of(scene).wholes
    assert len(wholes) > 24
    wholes.clear()
    branch = do(engine, Fork(whole.name, 10), Step(14))
    assert np.array_equal(branch.column("snapshot"), whole.column("snapshot"))
    assert engine.lanes[0].world.caveat == ""
    engine.close()


def test_memory_stays_within_its_budget() -> None:
    """Moments share what never changes, and the oldest go when the budget is spent."""
    scene = Scene.load(f"gym:{plotter()}")
    world = open_world(scene)
    world.moments = Moments(budget=40_000)
    action = np.zeros(2, np.float32)
    first = world.snapshot()
    for _ in range(60):
        world.step(action)
    wholes = world.moments.wholes
    assert wholes.nbytes <= 40_000
    size = world.environment.data.nbuffer
    assert len(wholes) * size > 2 * wholes.nbytes
    world.restore(first)
    assert "is approximate: only its physics state is known" in world.caveat
    world.close()


def test_exactness_is_measured_and_told() -> None:
    """Whoever opens a twin finds out how exactly its environment can be rewound, and every picture says it."""
    scene = Scene.load(f"gym:{plotter()}")
    paths = Paths(scene)
    world = open_world(scene)
    start = world.snapshot()
    assert moments_of(scene).exactness is None
    paths.rollout.path(np.zeros((3, 2), np.float32), start)
    exactness = moments_of(scene).exactness
    assert exactness is not None
    assert (exactness.remembered, exactness.replayed, exactness.steps) == (0.0, 0.0, 20)
    assert exactness.recorded > 0.1
    assert paths.notes == (EXACT,)
    moments_of(scene).exactness = replace(exactness, remembered=0.25)
    assert "rewind: approximate (off by up to 0.25 after 20 steps); from a recording: exact" in paths.notes
    world.close()
    paths.close()


def test_a_run_says_how_exact_its_environment_is(tmp_path: Path) -> None:
    """What `whiskers run --json` says of an environment is measured in the very world that was run; a scene of MuJoCo
    alone, which is exact, says nothing."""
    scene = Scene.load(f"gym:{plotter()}")
    with Batch(scene, (random_walk(scene),), tmp_path, print) as batch:
        (ran,) = batch.run(3)
        exactness = batch.exactness()
    assert exactness is not None
    assert len(ran.trace) == 30
    said = Summary("p", scene.name, 3, (ran.result,), exactness.to_plain()).to_plain()["rewind"]
    assert said == {"remembered": 0.0, "replayed": 0.0, "recorded": exactness.recorded, "steps": 20, "words": EXACT}
    mine = Scene.load("so101")
    with Batch(mine, (random_walk(mine),), tmp_path / "mine", print) as batch:
        assert batch.exactness() is None
    assert "rewind" not in Summary("p", "so101", 0, ()).to_plain()


def test_a_hidden_memory_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Near miss: an environment that keeps something where nobody looks is not said to be exact."""
    from tests.gym_plotter import Plotter

    hidden: list[int] = [0]
    own = Plotter.control

    def control(self: Plotter, action: FloatArray) -> FloatArray:
        hidden[0] += 1
        return own(self, action) * (1 + 0.01 * hidden[0])

    monkeypatch.setattr(Plotter, "control", control)
    world = open_world(Scene.load(f"gym:{plotter()}"))
    exactness = measure(world)
    assert min(exactness.remembered, exactness.replayed) > 1e-3
    assert str(exactness).startswith("rewind: approximate (off by up to ")
    world.close()
