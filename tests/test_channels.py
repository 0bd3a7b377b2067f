"""Scenes whose actions are no joint targets, or whose joints slide: each number under its own name, in its own unit."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from recordings.columns import write_columns
from recordings.dataset_format import DatasetError
from recordings.dataset_in import open_episode
from recordings.dataset_out import DatasetOptions, write_dataset
from recordings.folder import LaneSnippet, open_recording, save
from recordings.plain import policy_from_plain, policy_to_plain
from recordings.takes import Take
from tests.channels_session import swaying
from tests.scenes import MODEL, SPEC, write_scene
from tests.scripted import Scripted, do
from tests.synthetic import Wave
from tests.test_window import display  # noqa: F401 (a fixture)
from tests.told import told_by
from viewer_app.analysis import Analyst
from viewer_app.channels import Channel, Channels, without_prefix
from viewer_app.commands import Step
from viewer_app.detectors import DETECTORS, Finding, Thresholds
from viewer_app.engine import Engine
from viewer_app.figures import PLOTS, Subject, write_figure
from viewer_app.figures.look import SETTINGS
from viewer_app.fit import check_fit
from viewer_app.headless import ask, open_engine
from viewer_app.joint_units import JointUnit, units_for
from viewer_app.measures import write_measures
from viewer_app.questions import Ablation, Ensemble
from viewer_app.ranges import ranges_of
from viewer_app.replay import joint_replay, physics_replay
from viewer_app.scene import Scene
from viewer_app.scene_spec import ActionSpec, StateSpec
from viewer_app.strips import Joints
from viewer_app.tiling import GROUND, Moment
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, Observation, PolicyInfo, WhiskersError
from viewer_app.view import OverlayChoice, Snippet

pytest.importorskip("gymnasium")

LENGTH = 24
SLIDING = MODEL.replace('joint name="pitch" axis="0 1 0"', 'joint name="pitch" type="slide" axis="1 0 0"')
IN_METRES = SPEC.replace('unit = "degrees"', 'unit = "radians"')


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Four numbers of action with bounds, nine of proprioception, and none is a joint's."""
    return Scene.load("gym:tests.gym_plotter:Mixing-v0")


@pytest.fixture(scope="module")
def engine(scene: Scene) -> Iterator[Engine]:
    policy = swaying(scene)
    policy._info = replace(policy.info, cameras={})
    engine = open_engine(scene, policy, seed=3)
    do(engine, Step(LENGTH))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def trace(engine: Engine) -> Trace:
    return engine.lanes[0].trace


@pytest.fixture(scope="module")
def analyst(scene: Scene) -> Analyst:
    return Analyst(scene)


@pytest.fixture
def sliding(tmp_path: Path) -> Scene:
    """The second joint slides, and is told in metres."""
    return Scene.load(write_scene(tmp_path, spec=IN_METRES, model=SLIDING))


# Units.


def test_what_slides_is_shown_in_millimetres(sliding: Scene) -> None:
    """A metre of a sliding joint is 1000 mm, not 57 degrees, and its number is in metres; what turns is in degrees."""
    rows = np.array([[0.0, 0.0], [100.0, 1.0]], np.float32)
    assert sliding.actions.to_shown(rows)[1] == pytest.approx([np.rad2deg(1.5), 1000.0])
    assert sliding.actions.shown_units == ("deg", "mm")
    assert sliding.actions.units == ("-100..100", "m")


def test_hinges_are_shown_as_before(tmp_path: Path) -> None:
    """For joints that turn, what is shown, cut off and in reach is what the scene says, to the bit."""
    scene = Scene.load(write_scene(tmp_path))
    rows = np.random.default_rng(0).uniform(-150, 150, (40, 2)).astype(np.float32)
    ends = np.array([[-np.inf, -np.inf], [np.inf, np.inf]], np.float32)
    np.testing.assert_array_equal(scene.actions.to_shown(rows), scene.to_degrees(rows))
    np.testing.assert_array_equal(scene.actions.cut(rows), scene.to_degrees(rows) - np.rad2deg(scene.to_control(rows)))
    np.testing.assert_array_equal(scene.actions.reach, scene.to_scene_units(scene.to_control(ends)))


def test_figures_over_several_numbers_are_of_one_unit() -> None:
    """The unit that most numbers are shown in leads, those without one only where none has any."""
    arms = [Channel(f"arm{i}", shown_unit="deg") for i in range(3)]
    pose = [Channel(axis, shown_unit="mm") for axis in "xyz"] + [Channel(f"q{i}") for i in range(4)]
    assert Channels([*arms, Channel("gripper", shown_unit="mm")]).leading.tolist() == [0, 1, 2]
    assert Channels([*pose, arms[0]]).leading.tolist() == [0, 1, 2]
    assert Channels([Channel("a"), Channel("b")]).leading.tolist() == [0, 1]


def test_only_a_common_beginning_is_left_out_of_names() -> None:
    """Shortened names stay apart, and end where a word ends."""
    assert without_prefix(["arm/left_a", "arm/left_bb"]) == ("a", "bb")
    assert without_prefix(["armour", "arms"]) == ("armour", "arms")
    assert without_prefix(["x"]) == ("x",)


def test_units_offered_are_those_that_there_are(scene: Scene, sliding: Scene) -> None:
    """Degrees are offered only where something turns or slides."""
    assert units_for(scene, None) == (JointUnit.SCENE,)
    assert units_for(sliding, None) == (JointUnit.SCENE, JointUnit.DEGREES)


# Figures about an environment's episode.


def test_nothing_is_held_against_what_does_not_measure_it(scene: Scene, trace: Trace, analyst: Analyst) -> None:
    """No tracking error, nine numbers of state, and the range of actions is the environment's own."""
    insight = analyst.episode(trace, LENGTH, Thresholds())
    assert not scene.measures_commands
    assert insight.tracking == ()
    assert trace.column("state").shape[1] == scene.n_state == 9
    assert insight.ranges is not None
    np.testing.assert_array_equal(insight.ranges.joint_low, [-1, -1, -1, -1])
    np.testing.assert_array_equal(insight.ranges.joint_high, [1, 1, 1, 2])
    assert insight.ranges.alarm == ""


def found(scene: Scene, trace: Trace, detector: str, **changed: float) -> list[Finding]:
    return list(DETECTORS[detector](scene, trace, len(trace), replace(Thresholds(), **changed)))  # type: ignore[arg-type]


def episode(scene: Scene, script: Callable[[int], Float32Array], steps: int = LENGTH) -> Trace:
    """What a policy that says these rows does."""

    def said(start: int, observation: Observation, seed: int) -> Float32Array:
        return np.broadcast_to(script(start), (12, scene.n_action)).astype(np.float32)

    engine = open_engine(scene, Scripted(scene, said), seed=3)
    made = do(engine, Step(steps))
    engine.close()
    return made


def test_an_action_outside_the_bounds_is_found(scene: Scene) -> None:
    """A number of 2.3 is past a bound of 2, one of 1.9 is not, though it would be past that of the others."""
    within = episode(scene, lambda start: np.array([[0.5, -1.0, 0.9, 1.9]], np.float32))
    beyond = episode(scene, lambda start: np.array([[0.5, -1.0, 0.9, 2.3]], np.float32))
    assert found(scene, within, "action saturation") == []
    (one,) = found(scene, beyond, "action saturation")
    assert one.text == "a3 is commanded 0.3 past its limit"


def test_a_steady_command_is_no_flat_chunk(scene: Scene, tmp_path: Path) -> None:
    """Equal rows ask for a steady motion where actions are no positions, and for none where they are joint targets."""
    rows = np.full((1, 4), 0.4, np.float32)
    plotter = Scene.load(write_scene(tmp_path))
    assert found(scene, episode(scene, lambda start: rows), "flat chunk") == []
    assert found(plotter, episode(plotter, lambda start: rows[:, :2]), "flat chunk") != []


def test_only_equal_chunks_ignore_the_observation(scene: Scene) -> None:
    """Chunks equal to the bit while the gripper moves are found; with the last digit changed they are not."""
    rows = np.full((1, 4), 0.9, np.float32)
    same, other = (episode(scene, lambda start, f=f: rows + f * start) for f in (0.0, 1e-6))  # type: ignore[misc]
    assert "no number differs" in found(scene, same, "ignores the observation", moved_state=1.0)[0].text
    assert found(scene, other, "ignores the observation", moved_state=1.0) == []


def test_actions_far_outside_the_bounds_raise_the_alarm(scene: Scene) -> None:
    """Two numbers at three times their bounds are told by name; a tenth past them is not."""
    far = episode(scene, lambda start: np.array([[3.0, -3.0, 0.0, 0.0]], np.float32))
    near = episode(scene, lambda start: np.array([[1.1, -1.1, 0.0, 0.0]], np.float32))
    alarms = [ranges.alarm for each in (far, near) if (ranges := ranges_of(scene, each, LENGTH)) is not None]
    assert "what the environment takes (a0, a1)" in alarms[0]
    assert alarms[1] == ""


def test_a_gripper_without_joints_oscillates_too(scene: Scene) -> None:
    """A number that is called a gripper and has bounds is watched as a gripper's joint is."""
    named = Scene(replace(scene.spec, action=replace(scene.spec.action, names=("x", "y", "z", "gripper"))), scene.path)
    swing = episode(named, lambda start: np.array([[0, 0, 0, 2.0 if start // 6 % 2 else -1.0]], np.float32), 48)
    assert "gripper reverses 4 times" in found(named, swing, "oscillating gripper")[0].text
    assert found(scene, swing, "oscillating gripper") == []


# What is written.


def table(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


def subject(scene: Scene, engine: Engine, analyst: Analyst) -> Subject:
    lane = engine.lanes[0]
    for question in (Ablation(), Ensemble()):
        ask(engine, question, 20)
    moment = analyst.moment(lane.trace, LENGTH, 20, OverlayChoice(ensemble=True), lane.answers)
    found = analyst.episode(lane.trace, LENGTH, Thresholds())
    return Subject(scene, lane.trace, LENGTH, 20, found, moment)


def test_no_figure_speaks_of_degrees_or_joints(scene: Scene, engine: Engine, analyst: Analyst, tmp_path: Path) -> None:
    """Every figure and its table are made, under the names of the actions; no word says degree or joint."""
    about = subject(scene, engine, analyst)
    for name in ("joints", "motion", "ensemble", "inputs"):
        with rc_context(SETTINGS):
            figure = Figure(layout="constrained")
            PLOTS[name].draw(figure, about)
            FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
        words = " ".join(text.get_text() for text in figure.findobj(Text))
        write_figure(tmp_path / f"{name}.csv", name, about)
        header = table(tmp_path / f"{name}.csv")[0]
        for said in (words, " ".join(header)):
            assert not [word for word in ("deg", "°", "joint", "actual") if word in said.lower()], (name, said)
        assert "a3" in " ".join(header)


def test_the_table_of_actions_is_what_was_executed(
    scene: Scene, engine: Engine, analyst: Analyst, tmp_path: Path
) -> None:
    """Commanded numbers of the exported table are the trace's own."""
    write_figure(tmp_path / "joints.csv", "joints", subject(scene, engine, analyst))
    with (tmp_path / "joints.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    said = np.array([[float(row[f"a{i}_commanded [scene units]"]) for i in range(4)] for row in rows[:LENGTH]])
    done = np.asarray(engine.lanes[0].trace.column("action", LENGTH), np.float64)
    np.testing.assert_allclose(said, done, rtol=1e-6)


def test_columns_read_back_as_recorded(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """Nine columns of state and four of action, without units, hold the recorded numbers to the bit."""
    write_columns(tmp_path / "all.csv", scene, trace, LENGTH)
    with (tmp_path / "all.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for group, names, steps in (("state", scene.state_names, LENGTH + 1), ("action", scene.action_names, LENGTH)):
        read = np.array([[np.float32(row[f"{group}/{name}"]) for name in names] for row in rows[:steps]])
        np.testing.assert_array_equal(read, trace.column(group, LENGTH))


def test_measures_have_no_column_that_says_nothing(
    scene: Scene, trace: Trace, analyst: Analyst, tmp_path: Path
) -> None:
    """The table of `whiskers run` has neither tracking errors nor degrees for such a scene."""
    write_measures(tmp_path / "m.csv", scene, [(3, "", analyst.episode(trace, LENGTH, Thresholds()))])
    header, row = table(tmp_path / "m.csv")
    assert len(header) == len(row)
    assert {"u_a_per_step4", "largest_seam_jump"} <= set(header)
    assert not [name for name in header if "deg" in name or "rms" in name or "lag" in name]


def test_a_recording_reads_back(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """States of nine and actions of four numbers are written and read to the bit."""
    assert trace.policy is not None
    save(tmp_path / "recording", scene, [LaneSnippet(Snippet(trace, LENGTH))], [trace.policy])
    again = open_recording(tmp_path / "recording").lanes[0][0]
    for column in ("state", "action"):
        np.testing.assert_array_equal(again.column(column, LENGTH), trace.column(column, LENGTH))
    assert policy_to_plain(again.policy) == policy_to_plain(trace.policy)


def test_rerun_keeps_actions_and_states_apart(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """The file has a place for each action and each state by its name, and none for joints."""
    pytest.importorskip("rerun")
    from rerun.experimental import RrdReader

    from recordings.rerun_log import write_rrd

    write_rrd(tmp_path / "a.rrd", scene, trace, LENGTH, lambda trace, step: {})
    places = {str(chunk.entity_path) for chunk in RrdReader(tmp_path / "a.rrd").stream()}
    assert {"/actions/a3/commanded", "/states/s8/actual"} <= places
    assert not [place for place in places if "joint" in place or place.startswith("/actions/a0/actual")]


@pytest.mark.slow
def test_a_dataset_reads_back(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """LeRobot's format keeps state and action apart, by the scene's names; no robot shows them as joints."""
    pytest.importorskip("lerobot")
    small = Scene(replace(scene.spec, cameras={}), scene.path)
    write_dataset(tmp_path / "set", [Take(small, Snippet(trace, LENGTH))], DatasetOptions(lossless=True))
    read = open_episode(str(tmp_path / "set"), 0, small)
    np.testing.assert_array_equal(read.actions, trace.column("action", LENGTH))
    np.testing.assert_array_equal(read.states, trace.column("state", LENGTH)[:-1])
    assert read.notes == ()
    with pytest.raises(WhiskersError, match="no joint positions"):
        joint_replay(read)
    with pytest.raises(WhiskersError, match=r"only environment tests\.gym_plotter:Mixing-v0"):
        physics_replay(read)
    with pytest.raises(DatasetError, match=r"9 numbers in observation\.state; scene plotter has 2 joints"):
        open_episode(str(tmp_path / "set"), 0, Scene.load(write_scene(tmp_path / "plotter")))


def test_the_strip_of_a_video_has_no_measured_curve(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """Commanded numbers alone are drawn where nothing measures them, and both where joints are commanded."""
    plotter = Scene.load(write_scene(tmp_path))
    other = episode(plotter, lambda start: np.array([[10.0 * np.sin(start), 5.0]], np.float32))
    for of, shown, measured in ((scene, trace, False), (plotter, other, True)):
        band = np.full((Joints.height, 900, 3), GROUND, np.uint8)
        Joints(of).draw(band, [Moment(shown, LENGTH, 10)])
        red, _, blue = (band[..., channel].astype(int) for channel in range(3))
        # Blue is what was measured, yellow what was commanded; edges are smoothed into the ground.
        assert ((blue - red > 40).any(), (red - blue > 40).any()) == (measured, True)


# Whether a policy fits.


def test_state_and_action_are_counted_apart(scene: Scene) -> None:
    """A policy of nine and four numbers fits; one whose state is as long as the action does not, and is told why."""
    info = swaying(scene).info
    check_fit(info, scene)
    for change, complaint in (
        ({"n_state": 4}, r"4 state dimensions; scene .* has 9 numbers of state \(s0, .*s8\): .*environment"),
        ({"n_action": 9}, r"9 action dimensions; scene .* has 4 numbers of action \(a0, a1, a2, a3\)"),
        ({"n_environment_state": 3}, r"3 numbers of environment state, and scene .* gives none"),
    ):
        with pytest.raises(WhiskersError, match=complaint):
            check_fit(replace(info, **change), scene)  # type: ignore[arg-type]


def test_environment_state_survives_a_recording_and_old_ones_have_none(tmp_path: Path) -> None:
    """What a policy reads of the environment is written; recordings from before say that it reads nothing."""
    info: PolicyInfo = replace(Wave(Scene.load(write_scene(tmp_path))).info, n_environment_state=3)
    table = policy_to_plain(info)
    assert isinstance(table, dict)
    read = policy_from_plain(table)
    assert read is not None
    assert read.n_environment_state == 3
    del table["n_environment_state"]
    old = policy_from_plain(table)
    assert old is not None
    assert old.n_environment_state == 0


# Poses.


def posed(**action: object) -> Scene:
    """The built-in scene with end-effector actions and states, the gripper commanded directly."""
    scene = Scene.load("so101")
    spec = ActionSpec(kind="end_effector", direct=("gripper",), **action)  # type: ignore[arg-type]
    return Scene(replace(scene.spec, action=spec, state=StateSpec("end_effector")), scene.path)


def test_a_pose_is_held_against_the_measured_one_unless_it_is_a_change() -> None:
    """The tracking of an absolute pose is measured less commanded in mm, the gripper's in degrees; of a change there is
    none."""
    for relative in (False, True):
        scene = posed(relative=relative)
        assert scene.actions.shown_units == ("mm", "mm", "mm", "deg")

        def script(start: int, observation: Observation, seed: int, scene: Scene = scene) -> Float32Array:
            about = np.array([0, 0, 0, 20.0]) if scene.spec.action.relative else observation.state
            step = np.array([0.002, 0.001, 0.0, 0.5]) * np.arange(1, 13)[:, None]
            return np.asarray(about + step / (12 if scene.spec.action.relative else 1), np.float32)

        engine = open_engine(scene, Scripted(scene, script), seed=3)
        trace = do(engine, Step(LENGTH))
        engine.close()
        found = Analyst(scene).episode(trace, LENGTH, Thresholds())
        assert len(found.tracking) == (0 if relative else 4)
        if relative:
            continue
        state, action = (np.asarray(trace.column(name, LENGTH), np.float64) for name in ("state", "action"))
        off = state[1:, 0] - action[:, 0]
        assert found.tracking[0].largest == pytest.approx(1000 * np.abs(off).max(), rel=1e-4)


def test_what_is_observed_besides_has_columns_of_its_own(tmp_path: Path) -> None:
    """An environment's own state reads back from the table to the bit, and is in none where there is none."""
    scene = Scene.load("gym:tests.gym_plotter:Surrounded-v0")
    made = episode(scene, lambda start: np.array([[0.3, -0.2]], np.float32), 6)
    write_columns(tmp_path / "around.csv", scene, made, 6, ["environment_state"])
    header, *rows = table(tmp_path / "around.csv")
    assert header == [f"environment_state/{name}" for name in scene.spec.state.environment]
    np.testing.assert_array_equal(np.array(rows, np.float32), made.column("environment_state", 6))
    assert made.column("environment_state", 6).shape == (7, 3)


# In a window.


@pytest.fixture(scope="module")
def session(display: str) -> dict[str, Any]:  # noqa: F811
    """What the panels say about the environment, with seven cameras and names longer than any panel is wide."""
    scene = "gym:tests.gym_plotter:Mixing-v0"
    return told_by("tests.channels_session", DISPLAY=display, WHISKERS_TEST_SCENE=scene, WHISKERS_TEST_CROWDED="1")


@pytest.mark.window
@pytest.mark.slow
def test_no_panel_speaks_of_degrees_or_joints(session: dict[str, Any]) -> None:
    """No words in any panel say degree or joint, and the panel of the actions says what they have not."""
    assert len(session) == 7
    for tab, told in session.items():
        assert not [words for words in told["texts"] if re.search(r"\bdeg\b|°|joint", words.lower())], tab
    assert "Its actions have no measured counterpart." in session["Actions"]["texts"]
    assert any("have no measured counterpart" in words for words in session["Table"]["texts"])


@pytest.mark.window
@pytest.mark.slow
def test_many_cameras_and_long_names_stay_in_their_panels(session: dict[str, Any]) -> None:
    """Nothing leaves its panel at a side, at 1280x720."""
    assert {tab: told["cut"] for tab, told in session.items() if told["cut"]} == {}
