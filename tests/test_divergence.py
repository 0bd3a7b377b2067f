"""Lanes beside each other: distances are what kinematics says of known motions, and equal lanes are not apart."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.scenes import MODEL, SPEC, write_scene
from tests.scripted import Script, Scripted, do
from tests.synthetic import Wave
from viewer_app.commands import Ask, MoveObject, Step
from viewer_app.divergence import LaneComparer
from viewer_app.engine import Engine
from viewer_app.figures import PLOTS, Subject, write_figure
from viewer_app.insight import Divergence
from viewer_app.lane import Lane
from viewer_app.overlays import LANES, Legend, Polyline, Sight, build
from viewer_app.paths import Paths
from viewer_app.questions import Shadow
from viewer_app.scene import Scene
from viewer_app.snapshots import STATE_SPEC
from viewer_app.task import PROGRESS_SIZE
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, FloatArray, Observation, Policy
from viewer_app.view import OverlayChoice
from viewer_app.world import MujocoWorld

pytestmark = pytest.mark.core


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path))


def swing(amplitude: float, offset: float = 0.0) -> Script:
    """Both joints swing about an offset. Scene units, 12 rows."""

    def script(start: int, observation: Observation, seed: int) -> Float32Array:
        rows = np.arange(start, start + 12)[:, None]
        return np.asarray(offset + amplitude * np.sin(0.3 * rows) * np.ones((1, 2)), np.float32)

    return script


def lanes_of(scene: Scene, policies: Sequence[Policy], steps: int = 20) -> Engine:
    """An engine whose lanes have taken some steps."""
    lanes = tuple(Lane(scene, MujocoWorld(scene), policy, seed=3) for policy in policies)
    engine = Engine(scene, lanes)
    do(engine, Step(steps))
    assert {len(lane.trace) for lane in lanes} == {steps}
    return engine


def pairs_of(engine: Engine) -> list[tuple[Trace, int]]:
    return [(lane.trace, len(lane.trace)) for lane in engine.lanes]


def positions(scene: Scene, trace: Trace) -> list[tuple[FloatArray, FloatArray]]:
    """Where MuJoCo itself puts the end effector and the cube in every moment. [m]"""
    data, found = mujoco.MjData(scene.model), []
    for step in range(len(trace) + 1):
        mujoco.mj_setState(scene.model, data, trace.snapshot(step)[PROGRESS_SIZE:], STATE_SPEC)
        mujoco.mj_kinematics(scene.model, data)
        found.append((data.site("tip").xpos.copy(), data.body("cube").xpos.copy()))
    return found


def test_the_distances_are_those_of_kinematics(scene: Scene) -> None:
    """Grippers, objects and joints are apart by what MuJoCo's kinematics gives for both, in mm and degrees."""
    engine = lanes_of(scene, [Scripted(scene, swing(9)), Scripted(scene, swing(20, 5)), Scripted(scene, swing(30))])
    do(engine, MoveObject("cube", (0.22, -0.05, 0.02), lane=1), Step(5))
    comparison = LaneComparer(Paths(scene)).compare(pairs_of(engine), 7)
    first = positions(scene, engine.lanes[0].trace)
    assert [each.lane for each in comparison.divergences] == [1, 2]
    for divergence in comparison.divergences:
        trace = engine.lanes[divergence.lane].trace
        other = positions(scene, trace)
        tips = [1000 * np.linalg.norm(b[0] - a[0]) for a, b in zip(first, other, strict=True)]
        cubes = [1000 * np.linalg.norm(b[1] - a[1]) for a, b in zip(first, other, strict=True)]
        states = [scene.to_degrees(np.asarray(each.column("state"))) for each in (engine.lanes[0].trace, trace)]
        assert divergence.object is not None
        assert divergence.tip == pytest.approx(tips, abs=1e-9)
        assert divergence.object == pytest.approx(cubes, abs=1e-9)
        assert divergence.joints == pytest.approx(np.abs(states[1] - states[0]).max(axis=1), abs=1e-12)
        assert divergence.tip.max() > 10
    assert comparison.divergences[0].object is not None
    assert comparison.divergences[0].object[20] > 50


def test_equal_lanes_are_exactly_nothing_apart(scene: Scene) -> None:
    """Two lanes of one policy and one seed differ nowhere, to the bit, and never diverge."""
    engine = lanes_of(scene, [Wave(scene, cameras={}), Wave(scene, cameras={})])
    comparison = LaneComparer(Paths(scene)).compare(pairs_of(engine), 20)
    (divergence,) = comparison.divergences
    assert divergence.object is not None
    assert not divergence.tip.any()
    assert not divergence.object.any()
    assert divergence.joints is not None
    assert not divergence.joints.any()
    assert divergence.first(0.0) is None
    assert comparison.plans == (0.0, 0.0)


def test_the_first_moment_apart_is_the_first_that_crosses() -> None:
    """It is the gripper's or the object's, whichever comes first; at the distance itself they are not apart yet."""
    tip = np.array([0.0, 3.0, 10.0, 10.5, 2.0])
    cube = np.array([0.0, 0.0, 0.0, 0.0, 11.0])
    still = np.zeros(5)
    assert Divergence(1, tip, None, still).first(10.0) == 3
    assert Divergence(1, tip, cube, still).first(10.6) == 4
    assert Divergence(1, tip, cube, still).first(0.5) == 1
    assert Divergence(1, tip, cube, still).first(11.0) is None


def test_lanes_are_compared_as_far_as_both_have_got(scene: Scene) -> None:
    """Where one trace is shorter, because its episode is over, the rest of the other is compared with nothing."""
    engine = lanes_of(scene, [Scripted(scene, swing(9)), Scripted(scene, swing(20))], 30)
    (one, _), (other, _) = pairs_of(engine)
    comparer, whole = LaneComparer(Paths(scene)), LaneComparer(Paths(scene)).compare(pairs_of(engine), 30)
    for lengths in ((30, 12), (12, 30)):
        comparison = comparer.compare(list(zip((one, other), lengths, strict=True)), 15)
        (divergence,) = comparison.divergences
        assert len(divergence.tip) == 13
        assert np.array_equal(divergence.tip, whole.divergences[0].tip[:13])
        # One of them never was at step 15.
        assert None in comparison.plans
        assert comparison.ranges[0] is not None


def test_plans_are_compared_from_one_pose(scene: Scene) -> None:
    """The largest distance of two plans, both run by kinematics from the first lane's moment, in mm."""
    engine = lanes_of(scene, [Scripted(scene, swing(9)), Scripted(scene, swing(20, 5))])
    comparison = LaneComparer(Paths(scene)).compare(pairs_of(engine), 8)
    one, other = (lane.trace for lane in engine.lanes)
    data, path = mujoco.MjData(scene.model), []
    for trace in (one, other):
        plan = trace.plan(8)
        assert plan is not None
        for row in scene.to_control(plan):
            mujoco.mj_setState(scene.model, data, one.snapshot(8)[PROGRESS_SIZE:], STATE_SPEC)
            data.qpos[scene.qpos_index] = row
            mujoco.mj_kinematics(scene.model, data)
            path.append(data.site("tip").xpos.copy())
    half = len(path) // 2
    apart = 1000 * np.linalg.norm(np.array(path[half:]) - path[:half], axis=1)
    assert comparison.plans[0] == 0.0
    assert comparison.plans[1] == pytest.approx(apart.max(), abs=1e-9)


def test_what_did_not_change_is_the_same_object(scene: Scene) -> None:
    """Looking at another step leaves the curves alone; a step more, or a moved object, makes new ones."""
    engine = lanes_of(scene, [Scripted(scene, swing(9)), Scripted(scene, swing(20))])
    comparer = LaneComparer(Paths(scene))
    first = comparer.compare(pairs_of(engine), 3)
    again = comparer.compare(pairs_of(engine), 9)
    assert again.divergences[0] is first.divergences[0]
    assert again.ranges[1] is first.ranges[1]
    do(engine, MoveObject("cube", (0.22, -0.05, 0.02), lane=0))
    moved = comparer.compare(pairs_of(engine), 9).divergences[0]
    assert moved.object is not None
    assert first.divergences[0].object is not None
    assert moved.object[-1] > first.divergences[0].object[-1] + 10
    do(engine, Step(1))
    assert len(comparer.compare(pairs_of(engine), 9).divergences[0].tip) == 22


def test_an_object_on_a_hinge_is_found_by_kinematics(tmp_path: Path) -> None:
    """A task's object that does not float, a door, is compared as well, over several blocks of moments."""
    door = '<body name="door" pos="0 .4 .1"><joint name="hinge" axis="0 0 1" damping=".05"/>'
    door += '<body name="knob" pos=".2 0 0"><geom type="box" size=".1 .01 .05" mass=".1"/></body></body></worldbody>'
    push = MODEL.replace("</worldbody>", door)
    scene = Scene.load(write_scene(tmp_path, SPEC.replace('object = "cube"', 'object = "knob"'), push))
    engine = lanes_of(scene, [Scripted(scene, swing(9)), Scripted(scene, swing(20))], 70)
    one, other = (lane.trace for lane in engine.lanes)
    # As if the second lane's door had swung open by step 66.
    other._columns["snapshot"][66:71, PROGRESS_SIZE + 1 + scene.model.joint("hinge").qposadr[0]] = np.pi / 2
    comparer = LaneComparer(Paths(scene))
    for length in (10, 70, 70):
        (divergence,) = comparer.compare([(one, length), (other, length)], 0).divergences
    assert divergence.object is not None
    assert divergence.object[:66] == pytest.approx(0.0, abs=1e-6)
    assert divergence.object[66:] == pytest.approx(1000 * 0.2 * np.sqrt(2), abs=1e-6)


def test_a_shadow_is_the_other_policys_chunk_from_here(scene: Scene) -> None:
    """Dashed, in its lane's colour, by kinematics from this trace's own moment; the legend says how far it ends."""
    engine = lanes_of(scene, [Scripted(scene, swing(9)), Scripted(scene, swing(20, 5))])
    one, other = (lane.trace for lane in engine.lanes)
    do(engine, Ask(Shadow(1), one.name, 6, lane=0))
    answers = engine.lanes[0].answers
    answer = answers.to(Shadow, one, 6, 1)
    assert answer is not None
    paths = Paths(scene)
    expected = paths.kinematics.path(answer.base.actions, one.snapshot(6))
    shown = build(Sight(paths, one, 6, OverlayChoice(False, False, False, shadow=True), answers))
    (line,) = (each for each in shown if isinstance(each, Polyline))
    (legend,) = (each for each in shown if isinstance(each, Legend))
    assert np.array_equal(line.points, expected)
    assert line.colour == legend.colour == LANES[1]
    assert set(line.alpha) == {0.0, 0.95}
    # The script of the other policy does not look: its shadow here is what it said there, in its own trace.
    assert np.array_equal(answer.base.actions, other.chunks[1].actions)
    plan = one.plan(6)
    assert plan is not None
    end = 1000 * np.linalg.norm(paths.kinematics.path(plan, one.snapshot(6))[-1] - expected[-1])
    assert legend.text.startswith(f"B would go here: {end:.1f} mm apart at the end")


def test_a_shadow_that_nobody_asked_for_says_so(scene: Scene) -> None:
    """Nothing is drawn but a note, at a moment that was not asked about."""
    engine = lanes_of(scene, [Scripted(scene, swing(9)), Scripted(scene, swing(20))])
    trace = engine.lanes[0].trace
    do(engine, Ask(Shadow(1), trace.name, 7, lane=0))
    choice = OverlayChoice(False, False, False, shadow=True)
    (note,) = build(Sight(Paths(scene), trace, 6, choice, engine.lanes[0].answers))
    assert isinstance(note, Legend)
    assert note.text == "shadow: no other policy was asked about this step"


def test_the_figure_tells_the_same_distances(scene: Scene, tmp_path: Path) -> None:
    """Its table has a line a step with every lane's distances, empty where a lane never got, and names the step."""
    engine = lanes_of(scene, [Scripted(scene, swing(9)), Scripted(scene, swing(20)), Scripted(scene, swing(30))])
    one, *others = pairs_of(engine)
    comparison = LaneComparer(Paths(scene)).compare([one, others[0], (others[1][0], 12)], 8)
    subject = Subject(scene, one[0], 20, 8, comparison=comparison, lanes=("a", "b", "c"))
    write_figure(tmp_path / "a.csv", "divergence", subject)
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 21
    for divergence, letter in zip(comparison.divergences, "BC", strict=True):
        for column, values in (("gripper [mm]", divergence.tip), ("joint [deg]", divergence.joints)):
            told = [float(row[f"{letter}_{column}"]) for row in rows if row[f"{letter}_{column}"]]
            assert told == pytest.approx(values, rel=1e-6)
    assert len(comparison.divergences[1].tip) == 13
    assert rows[13]["C_object [mm]"] == ""
    figure = Figure()
    PLOTS["divergence"].draw(figure, subject)
    first = comparison.divergences[0].first(10.0)
    assert first is not None
    assert f"B from step {first} on" in figure.get_suptitle()
