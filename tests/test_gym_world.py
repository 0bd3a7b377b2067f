"""Gymnasium environments as worlds: they do what they do by themselves, are rewound, and recorded like scenes."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from recordings.folder import LaneSnippet, open_recording, save
from tests.scenes import MODEL, SPEC, write_scene
from tests.scripted import Scripted, do
from viewer_app.commands import Fork, MoveObject, Place, Push, ResetEpisode, Run, SetStart, Step
from viewer_app.gym_environment import Environment
from viewer_app.gym_exactness import measure
from viewer_app.gym_packages import trust
from viewer_app.gym_world import GymWorld
from viewer_app.headless import Episode, open_engine, run_lanes
from viewer_app.placing import positions_of
from viewer_app.rollout import Rollout
from viewer_app.scene import Scene
from viewer_app.snapshots import physics_of
from viewer_app.types import Float32Array, FloatArray, Observation, Pose, Positions, WhiskersError
from viewer_app.view import Snippet

pytest.importorskip("gymnasium")

ALOHA = "gym_aloha/AlohaTransferCube-v0"
PLOTTER = "tests.gym_plotter:Plotter-v0"
needs_aloha = pytest.mark.skipif(importlib.util.find_spec("gym_aloha") is None, reason="extra aloha is not installed")
REPOSITORY = Path(__file__).parents[1]
trust(PLOTTER)


def plotter(kind: str) -> str:
    return f"tests.gym_plotter:{kind}-v0"


def swing(start: int, observation: Observation, seed: int) -> Float32Array:
    """A chunk that swings every joint about where it is."""
    rows = np.arange(start, start + 12)[:, None]
    return (observation.state + 0.15 * np.sin(0.3 * rows)).astype(np.float32)


def episode(name: str, steps: int = 1000, cameras: dict[str, tuple[int, int]] | None = None) -> tuple[Scene, Episode]:
    """An episode of seed 3 with a policy that swings the joints, and its scene."""
    scene = Scene.load(f"gym:{name}")
    engine = open_engine(scene, Scripted(scene, swing, cameras=cameras), 3)
    try:
        (done,) = run_lanes(engine, 3, watch=lambda: None if len(engine.lanes[0].trace) < steps else _stop())
    except _Enough:
        done = Episode(engine.lanes[0].trace)
    finally:
        engine.close()
    return scene, done


class _Enough(Exception):  # noqa: N818 (it is no error)
    """The episode is long enough."""


def _stop() -> None:
    raise _Enough


def reference(folder: Path, name: str, actions: Float32Array, options: dict[str, object]) -> dict[str, FloatArray]:
    """What the environment does by itself in the episode of seed 3."""
    np.save(folder / "actions.npy", actions)
    arguments = [name, "3", str(folder / "actions.npy"), str(folder / "out.npz"), json.dumps(options)]
    script = [sys.executable, "-m", "tests.gym_reference"]
    subprocess.run([*script, *arguments], check=True, capture_output=True, cwd=REPOSITORY)
    with np.load(folder / "out.npz") as found:
        return dict(found)


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[GymWorld]:
    found = GymWorld(Environment(request.param), "")
    yield found
    found.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps", "options", "camera"),
    [
        (PLOTTER, 24, {}, None),
        # By itself it renders three pictures in every step, so it is given few.
        pytest.param(ALOHA, 6, {"obs_type": "pixels_agent_pos"}, "top", marks=needs_aloha),
    ],
)
def test_a_world_is_the_environment(
    tmp_path: Path, name: str, steps: int, options: dict[str, object], camera: str | None
) -> None:
    """An episode equals the one that the environment has by itself under the same actions, to the bit: states, rewards,
    and the picture of its camera, though no step of ours renders. A recording of it opens as the same."""
    cameras = {camera: (480, 640)} if camera is not None else {}
    scene, done = episode(name, steps, cameras)
    trace = done.trace
    by_itself = reference(tmp_path, name, np.asarray(trace.column("action"), np.float32), options)
    assert len(trace) == steps
    assert np.ptp(by_itself["states"], axis=0).min() > 0.01
    assert np.array_equal(trace.column("state"), by_itself["states"].astype(np.float32))
    assert np.array_equal(trace.column("reward")[1:], by_itself["rewards"].astype(np.float32))

    save(tmp_path / "recording", scene, [LaneSnippet(Snippet(trace, len(trace)))])
    opened = open_recording(tmp_path / "recording")
    assert opened.lanes[0][0].same_as(trace)
    assert np.array_equal(opened.scene.model.geom_pos, scene.model.geom_pos)
    assert opened.scene.spec.environment == name
    if camera is not None:
        assert set(scene.spec.cameras) == {camera}
        from viewer_app.render import PolicyCameras

        pictures = PolicyCameras(opened.scene)
        try:
            seen = pictures.pictures(trace.snapshot(len(trace)), (camera,))[camera]
        finally:
            pictures.close()
        assert np.array_equal(seen, by_itself[f"picture:{camera}"])


@pytest.mark.parametrize(
    ("world", "recorded_is_exact"),
    [(PLOTTER, False), pytest.param(ALOHA, True, marks=needs_aloha)],
    indirect=["world"],
)
def test_rewind_is_as_exact_as_is_said(world: GymWorld, recorded_is_exact: bool) -> None:
    """A remembered moment leads to the same future to the bit, counts and random numbers in Python included, and so do
    the actions from the reset; where those decide the future and only a recording's numbers are left, the figure says
    how far off it was."""
    exactness = measure(world)
    assert (exactness.remembered, exactness.replayed) == (0.0, 0.0)
    assert (exactness.recorded == 0.0) == recorded_is_exact
    assert str(exactness) == "rewind: exact; from a recording: exact"
    assert str(replace(exactness, remembered=0.0123)).startswith(
        "rewind: approximate (off by up to 0.012 after 20 steps)"
    )


def test_the_seed_comes_back_with_a_recorded_moment() -> None:
    """What an environment draws at reset belongs to the moment, even to one that only its numbers are left of."""
    world = GymWorld(Environment(PLOTTER), "")
    world.reset(5)
    moment, drawn = world.snapshot(), _kick(world)
    world.reset(6)
    assert not np.array_equal(_kick(world), drawn)
    world.forget()
    world.restore(moment)
    assert np.array_equal(_kick(world), drawn)
    world.close()


def _kick(world: GymWorld) -> FloatArray:
    return next(np.array(value) for (_, name), value in world.environment.attributes().items() if name == "kick")


def test_the_whisker_is_the_way() -> None:
    """The scratch twin of an environment goes where its gripper went, in the environment's own units."""
    scene, done = episode(plotter("Scaled"), 20)
    actions = np.asarray(done.trace.column("action"), np.float32)
    path = Rollout(scene).path(actions, done.trace.snapshot(0))
    # The environment rounds 0.5 * x - 0.25 to float32.
    assert np.abs(path - np.asarray(done.trace.column("tip"), np.float64)).max() < 1e-6
    assert np.ptp(path, axis=0).max() > 0.01


def test_joints_are_found_by_trying() -> None:
    """A scene has the joints that actions are the targets of, in the units that they turn out to be in."""
    scene = Scene.load(f"gym:{plotter('Scaled')}")
    assert scene.joint_names == ("yaw", "pitch")
    assert [(joint.scale, joint.offset) for joint in scene.spec.joints] == [(1.0, 0.0), (0.5, -0.25)]
    assert scene.spec.end_effector_site == "tip"
    assert set(scene.spec.cameras) == {"above", "aside"}
    assert scene.control_dt == pytest.approx(1 / 30)
    assert scene.spec.task.max_steps == 30


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CartPole-v1", "no MuJoCo model"),
        ("NoSuchThing-v0", "There is no environment NoSuchThing-v0"),
        ("no_such_package/Thing-v0", "needs a Python package no_such_package"),
        ("no_such_module:Thing-v0", "no_such_module"),
    ],
)
def test_what_is_no_scene_says_why(name: str, words: str) -> None:
    """An environment that cannot be a scene is refused in one sentence that says what is missing."""
    with pytest.raises(WhiskersError, match=words) as refused:
        Scene.load(f"gym:{name}")
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, r"needs the package gym-aloha: pip install 'whiskers-viewer\[aloha\]'"),
        ("raise RuntimeError('wrong phase of the moon. Try later.')", "raised while it was imported .*wrong phase"),
        ("import no_such_dependency", "it needs no_such_dependency, which is missing"),
    ],
)
def test_a_package_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, words: str) -> None:
    """A package that is missing, incomplete or broken is named, with the extra that installs it."""
    for module in [each for each in sys.modules if each.split(".")[0] == "gym_aloha"]:
        monkeypatch.delitem(sys.modules, module)
    if source is None:
        monkeypatch.setattr(sys, "path", [])
        monkeypatch.setattr(sys, "meta_path", [])
    else:
        (tmp_path / "gym_aloha.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(WhiskersError, match=words):
        Environment(ALOHA)


@pytest.mark.parametrize(
    ("kind", "outcome", "steps"), [("Succeeding", "success", 5), ("Falling", "ended", 3), ("Plotter", "timeout", 30)]
)
def test_the_environment_says_how_it_ended(kind: str, outcome: str, steps: int) -> None:
    """Success counts whatever the environment calls it; an end without it, and a limit reached, are told apart."""
    _, done = episode(plotter(kind))
    assert (done.outcome, done.steps) == (outcome, steps)


def test_a_step_that_raises_costs_one_step() -> None:
    """What an environment raises is said with its words; the trace so far is kept, and the world is where it was."""
    scene = Scene.load(f"gym:{plotter('Raising')}")
    engine = open_engine(scene, Scripted(scene, swing), 3)
    (done,) = run_lanes(engine, 3)
    assert done.steps == 5
    assert "raised in its step (ZeroDivisionError: the reward was divided by nothing.)" in done.complaint
    lane = engine.lanes[0]
    assert np.array_equal(lane.world.snapshot(), done.trace.snapshot(5))
    # It is in its sixth step again, so it raises again, and nothing is added.
    engine.send(Run())
    while engine.tick():
        pass
    assert len(lane.trace) == 5
    engine.close()


def test_a_branch_with_nothing_changed_is_the_same() -> None:
    """Law 4 holds of environments: a branch replays what came after, kicks counted and drawn in Python included."""
    scene = Scene.load(f"gym:{PLOTTER}")
    engine = open_engine(scene, Scripted(scene, swing), 3)
    whole = do(engine, Step(14))
    for at in (9, 2):
        branch = do(engine, Fork(whole.name, at), Step(14 - at))
        assert np.array_equal(branch.column("snapshot"), whole.column("snapshot"))
        assert np.array_equal(branch.column("reward"), whole.column("reward"))
    engine.close()


def test_a_scene_file_of_ones_own(tmp_path: Path) -> None:
    """A scene's text file may name the environment that steps it, with actuators by number and a limit of its own; a
    model that is not the environment's is refused."""
    text = SPEC.replace('name = "plotter"', f'name = "mine"\nenvironment = "{PLOTTER}"')
    text = text.replace('actuator = "yaw_servo"\nunit = "range_100"', 'actuator = "#0"\nunit = "radians"')
    text = text.replace('unit = "degrees"', 'unit = "radians"')
    text = text.replace("max_steps = 60", "max_steps = 12")
    scene = Scene.load(write_scene(tmp_path, text))
    engine = open_engine(scene, Scripted(scene, swing), 3)
    assert isinstance(engine.lanes[0].world, GymWorld)
    (done,) = run_lanes(engine, 3)
    # The file's own limit, not the environment's.
    assert (done.outcome, done.steps) == ("timeout", 12)
    engine.close()
    other = Scene.load(
        write_scene(tmp_path / "other", text, MODEL.replace('<body name="cup"', '<body name="lid"/><body name="cup"'))
    )
    with pytest.raises(WhiskersError, match=r"not that of environment .* \(nbody is 6, not 5\)"):
        open_engine(other, Scripted(other, swing), 3)


@pytest.mark.parametrize(
    ("joint", "words"),
    [
        ('actuator = "#2"', "no actuator '#2'"),
        ('actuator = "#0"\nunit = "degrees"\nscale = 2.0', "they go with radians"),
        ('actuator = "#0"\nunit = "radians"\nscale = 0.0', "must not be 0"),
    ],
)
def test_a_wrong_joint_is_named(tmp_path: Path, joint: str, words: str) -> None:
    """A number without actuator, and a scale that cannot be meant, are told when the scene is opened."""
    text = SPEC.replace('actuator = "yaw_servo"\nunit = "range_100"', joint)
    with pytest.raises(WhiskersError, match=words):
        Scene.load(write_scene(tmp_path, text))


def test_a_compiled_model_is_of_one_mujoco() -> None:
    """The compiled model of a recording is read by the MuJoCo that wrote it, and another says which that was."""
    scene = Scene.load(f"gym:{PLOTTER}")
    model = scene.path.parent / "model.xml"
    model.write_text(model.read_text().replace(mujoco.__version__, "2.99.0"))
    with pytest.raises(WhiskersError, match=r"compiled by MuJoCo 2\.99\.0"):
        Scene.load(scene.path)


def test_a_recording_is_looked_at_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment is not installed its recordings still open; a policy that is to go on is told why not."""
    scene, done = episode(PLOTTER, 8)
    save(tmp_path / "recording", scene, [LaneSnippet(Snippet(done.trace, 8))])
    scene = open_recording(tmp_path / "recording").scene

    def missing(name: str) -> None:
        raise WhiskersError(f"Environment {name} needs what is not here.")

    monkeypatch.setattr("viewer_app.gym_environment.make", missing)
    with pytest.raises(WhiskersError, match="needs what is not here"):
        open_engine(scene, Scripted(scene, swing), 3)
    engine = open_engine(scene, None, 3)
    lane = engine.lanes[0]
    assert np.array_equal(lane.world.readings().state, scene.to_scene_units(scene.model.qpos0[:2]))
    with pytest.raises(WhiskersError, match="needs what is not here"):
        lane.world.place(Positions({}))
    lane.use(Scripted(scene, swing), 3)
    (stopped,) = run_lanes(engine, 3)
    assert (stopped.steps, stopped.complaint) == (0, f"Environment {PLOTTER} needs what is not here.")
    engine.close()


def test_a_moved_object_stays_moved() -> None:
    """A free body is put where it is told to be, and the environment goes on from there."""
    world = GymWorld(Environment(PLOTTER), "tip")
    before = world.snapshot()
    world.place(Positions({"cube": Pose((0.1, 0.2, 0.02), (np.cos(0.25), 0.0, 0.0, np.sin(0.25)))}))
    world.step(np.zeros(2, np.float32))
    assert np.allclose(world.environment.data.body("cube").xpos, (0.1, 0.2, 0.02), atol=1e-3)
    world.restore(before)
    assert np.allclose(world.environment.data.qpos[2:4], (0.25, 0.1))
    with pytest.raises(WhiskersError, match="'cup' must have a free joint to be moved; those that can be: cube"):
        world.place(Positions({"cup": Pose((0.0, 0.0, 0.0))}))
    world.close()


@pytest.mark.parametrize(
    ("name", "body"), [(PLOTTER, "cube"), pytest.param(ALOHA, "box", marks=[needs_aloha, pytest.mark.slow])]
)
def test_what_is_done_to_an_environment_replays(name: str, body: str) -> None:
    """A start, a move and a push, stepped by the environment's own code, are repeated to the bit by branches from
    before, in and after the push; a zero push changes nothing; the robot's joints are not ours to put."""
    scene = Scene.load(f"gym:{name}")
    engine = open_engine(scene, Scripted(scene, swing, cameras={}), 3)
    at = positions_of(scene, physics_of(scene.model, engine.lanes[0].trace.snapshot(0))).objects[body].position
    start = Positions({body: Pose((at[0] + 0.03, at[1] + 0.02, at[2] + 0.01))}, name="aside")
    higher = (at[0], at[1], at[2] + 0.05)
    # It weighs little: a newton lifts it.
    pushes = Push(body, (0.0, 0.0, 1.0), 4)
    prologue = (SetStart(start), ResetEpisode(), Step(3), MoveObject(body, higher), Step(2))
    trace = do(engine, *prologue, pushes, Step(7))
    idle = do(engine, *prologue, Step(7))
    nothing = do(engine, *prologue, Push(body, (0.0, 0.0, 0.0), 4), Step(7))
    assert engine.view().message == ""
    assert np.array_equal(nothing.column("snapshot"), idle.column("snapshot"))
    assert np.array_equal(trace.column("snapshot")[:6], idle.column("snapshot")[:6])
    found = [positions_of(scene, physics_of(scene.model, each.snapshot(9))).objects[body] for each in (trace, idle)]
    assert found[0].position[2] > found[1].position[2] + 1e-3
    for k in (3, 5, 7, 9, 11):
        branch = do(engine, Fork(trace.name, k), Step(12 - k if k >= 5 else 2))
        assert np.array_equal(branch.column("snapshot"), trace.column("snapshot")[: len(branch) + 1])
    do(engine, Place(Positions(joints={scene.joint_names[0]: 0.0})))
    assert "only objects can be put" in engine.view().message
    engine.close()
