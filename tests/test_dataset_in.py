"""Episodes of LeRobotDatasets as demonstrations and as traces, and what happens when a dataset is not in order."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recordings.dataset_format import DatasetError
from recordings.dataset_in import open_dataset, open_episode
from recordings.folder import LaneSnippet, open_recording, save
from tests.datasets import demonstration, write_waves
from tests.scenes import SPEC, write_scene
from viewer_app.analysis import Analyst
from viewer_app.demonstration import DATASET, Demonstration
from viewer_app.detectors import Thresholds
from viewer_app.overlays import Polyline, Sight, build
from viewer_app.paths import Paths
from viewer_app.questions import Answers
from viewer_app.replay import joint_replay, physics_replay
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import WhiskersError
from viewer_app.view import OverlayChoice, Snippet
from viewer_app.world import MujocoWorld

LENGTHS = (7, 9)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.load(write_scene(tmp_path_factory.mktemp("scene")))


@pytest.fixture(scope="module")
def lossless(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_waves(tmp_path_factory.mktemp("datasets") / "waves", scene, LENGTHS)


@pytest.fixture(scope="module")
def filmed(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_waves(tmp_path_factory.mktemp("datasets") / "filmed", scene, LENGTHS, lossless=False)


@pytest.mark.parametrize("kind", ["lossless", "filmed"])
@pytest.mark.parametrize("episode", [0, 1])
def test_an_episode_is_what_lerobot_reads(
    scene: Scene, kind: str, episode: int, request: pytest.FixtureRequest
) -> None:
    """States, actions, prompts and pictures equal those of LeRobot's own loader to the bit, frame by frame."""
    from lerobot.datasets import LeRobotDataset

    root: Path = request.getfixturevalue(kind)
    found = open_episode(str(root), episode, scene)
    theirs = LeRobotDataset("local/waves", root=root, episodes=[episode], return_uint8=True, video_backend="pyav")
    assert len(found) == len(theirs) == LENGTHS[episode]
    assert found.fps == 30
    for k in range(len(found)):
        item = theirs[k]
        assert np.array_equal(found.states[k], item["observation.state"].numpy())
        assert np.array_equal(found.actions[k], item["action"].numpy())
        assert found.tasks[k] == item["task"]
        for name, picture in found.recorded.at(k).items():
            picture_there = item[f"observation.images.{name}"].numpy()
            if picture_there.dtype != np.uint8:
                picture_there = np.round(255 * picture_there)
            assert np.array_equal(picture, picture_there.transpose(1, 2, 0))


def test_pictures_do_not_depend_on_the_order_of_asking(scene: Scene, filmed: Path) -> None:
    """Back and forth in a video, and the same frame twice, give what going through it gives."""
    pictures = open_episode(str(filmed), 1, scene).recorded
    straight = [pictures.at(frame)["above"] for frame in range(9)]
    for frame in (8, 0, 4, 4, 5, 2, 8, 1):
        assert np.array_equal(pictures.at(frame)["above"], straight[frame])
    assert len({picture.tobytes() for picture in straight}) == 9


def test_a_dataset_lists_its_episodes(lossless: Path) -> None:
    """Lengths, prompts, cameras and rate are told without opening an episode."""
    found = open_dataset(str(lossless))
    assert [(each.index, each.length) for each in found.episodes] == [(0, 7), (1, 9)]
    assert found.episodes[1].tasks == ("Draw a wave. Number 1.",)
    assert (dict(found.cameras), found.fps, found.robot_type) == (
        {"above": (24, 32), "aside": (24, 32)},
        30.0,
        "plotter",
    )


@pytest.mark.core
def test_a_joint_replay_is_the_recorded_motion(scene: Scene) -> None:
    """Every moment has the recorded joints, in the trace and in the simulator's own state, and objects do not move."""
    shown = demonstration(scene, steps=20)
    trace = joint_replay(shown, seed=5)
    assert len(trace) == 20
    assert np.array_equal(np.asarray(trace.column("state"))[:20], shown.states)
    assert np.array_equal(trace.column("action"), shown.actions)
    world = MujocoWorld(scene)
    world.reset(5)
    reset = world.snapshot()
    for k in range(21):
        world.restore(trace.snapshot(k))
        readings = world.readings()
        assert readings.state == pytest.approx(shown.states[min(k, 19)], abs=1e-5)
        assert np.array_equal(readings.tip_in_world, np.asarray(trace.column("tip"))[k])
        assert readings.time == pytest.approx(k / 30)
        assert trace.phase(k) == "JOINT_REPLAY"
    # Nothing but the two joints differs from the reset: neither an object nor a velocity.
    again = joint_replay(demonstration(scene, actions=np.zeros((1, 2), np.float32)), seed=5).snapshot(0)
    assert np.flatnonzero(again != reset).size <= 2 + 2 + 2  # positions, controls, and the warm start at most
    assert "joint replay" in trace.name
    assert "without physics" in trace.events[0].text


@pytest.mark.core
def test_a_physics_replay_executes_the_recorded_actions(scene: Scene) -> None:
    """It is what the simulator does with these actions from the reset of the seed, to the bit."""
    shown = demonstration(scene, steps=20)
    trace = physics_replay(shown, seed=5)
    world = MujocoWorld(scene)
    world.reset(5)
    for k, action in enumerate(shown.actions):
        assert np.array_equal(trace.snapshot(k), world.snapshot())
        world.step(action)
    assert np.array_equal(trace.snapshot(20), world.snapshot())
    assert len(physics_replay(shown, stop=lambda: True)) == 0


@pytest.mark.core
@pytest.mark.parametrize("replay", [joint_replay, physics_replay])
def test_a_replay_is_an_ordinary_trace(scene: Scene, replay: Callable[..., Trace], tmp_path: Path) -> None:
    """Recorded actions are its plan, overlays and figures work on it, and it can be saved and opened again."""
    shown = demonstration(scene, steps=40)
    trace = replay(shown)
    assert trace.policy is not None
    assert trace.policy.kind == DATASET
    plan = trace.plan(10)
    assert plan is not None
    assert np.array_equal(plan, shown.actions[10:])
    choice = OverlayChoice().having("physics", True).having("ghosts", True)
    drawn = build(Sight(Paths(scene), trace, 10, choice, Answers()))
    assert sum(isinstance(each, Polyline) for each in drawn) >= 3  # whisker, physics, path
    figures = Analyst(scene).episode(trace, len(trace), Thresholds())
    assert (figures.tracking[0].lag > 0) == (replay is physics_replay)
    save(tmp_path / "saved", scene, [LaneSnippet(Snippet(trace, len(trace)))])
    assert open_recording(tmp_path / "saved").lanes[0][0].same_as(trace)


@pytest.mark.core
def test_actions_of_another_rate_are_not_executed(tmp_path: Path) -> None:
    """A dataset of another rate than the scene's can be looked at, but its actions would mean other motions."""
    slow = Scene.load(write_scene(tmp_path, SPEC.replace("control_hz = 30.0", "control_hz = 15.0")))
    shown = replace(demonstration(slow, steps=5), fps=30.0)
    assert len(joint_replay(shown)) == 5
    with pytest.raises(WhiskersError, match=r"30 frames a second, and scene plotter is controlled at 15 Hz"):
        physics_replay(shown)


def test_joints_are_found_by_their_names(scene: Scene, tmp_path: Path) -> None:
    """Joints in another order come in the scene's, joints of other names by what a person says."""
    turned = write_waves(tmp_path / "turned", scene, (5,), names=["pitch.pos", "yaw.pos"])
    plain = write_waves(tmp_path / "plain", scene, (5,))
    named = write_waves(tmp_path / "named", scene, (5,), names=["pan", "tilt"])
    straight = open_episode(str(plain), 0, scene)
    assert np.array_equal(open_episode(str(turned), 0, scene).actions, straight.actions[:, ::-1])
    said = open_episode(str(named), 0, scene, joints=["pan=yaw", "tilt=pitch"])
    assert np.array_equal(said.actions, straight.actions)
    with pytest.raises(DatasetError, match=r"names the joints of observation.state pan, tilt; .* yaw, pitch: say"):
        open_episode(str(named), 0, scene)
    with pytest.raises(DatasetError, match=r"--joint DATASET_JOINT=SCENE_JOINT takes one of pan, tilt"):
        open_episode(str(named), 0, scene, joints=["pan=elbow"])


@pytest.fixture
def other(tmp_path: Path) -> Scene:
    """The same robot, with cameras of other names."""
    spec = SPEC.replace("[cameras.above]", "[cameras.top]")
    model = (Path(__file__).parent / "scenes.py").read_text().split('"""')[3]
    return Scene.load(write_scene(tmp_path / "other", spec, model.replace('name="above"', 'name="top"')))


def test_cameras_are_mapped_as_those_of_checkpoints(other: Scene, lossless: Path) -> None:
    """A camera of another name needs a word from the person; the complaint says the likely one."""
    with pytest.raises(DatasetError, match=r"camera above, and scene plotter has top, aside: .* --camera above=top"):
        open_episode(str(lossless), 0, other)
    found = open_episode(str(lossless), 0, other, cameras=["above=top"])
    assert dict(found.shown_as) == {"above": "top", "aside": "aside"}
    assert (found.camera_for("top"), found.camera_for("above"), found.camera_for("below")) == ("above", "above", None)
    info = joint_replay(found).policy
    assert info is not None
    assert (dict(info.cameras), dict(info.mapped_cameras)) == (
        {"top": (24, 32), "aside": (24, 32)},
        {"top": "above"},
    )
    assert open_episode(str(lossless), 0, other, cameras=["above=none"]).shown_as["above"] is None
    with pytest.raises(DatasetError, match="cannot both stand for aside"):
        open_episode(str(lossless), 0, other, cameras=["above=aside"])


def test_a_robot_with_other_joints_is_refused(lossless: Path) -> None:
    """A dataset of two joints is not shown on six."""
    with pytest.raises(DatasetError, match=r"has 2 numbers in observation.state; scene so101 has 6 joints"):
        open_episode(str(lossless), 0, Scene.load("so101"))


def _edit(**values: object) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        path = root / "meta/info.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return spoil


def _cut(pattern: str, share: float) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        (path,) = root.glob(pattern)
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])

    return spoil


def _remove(pattern: str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        for path in root.glob(pattern):
            path.unlink()

    return spoil


def _shorten(root: Path) -> None:
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    (path,) = root.glob("data/*/*.parquet")
    table = pq.read_table(path)
    pq.write_table(table.slice(0, len(table) - 2), path)


def _empty(root: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (path,) = root.glob("meta/episodes/*/*.parquet")
    table = pq.read_table(path)
    at = table.schema.get_field_index("length")
    pq.write_table(table.set_column(at, "length", pa.array([7, 0], table.schema.field("length").type)), path)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_edit(codebase_version="v2.1"), r"format v2.1, and v3.0 is read: convert it .*convert_dataset_v21_to_v30"),
        (_edit(codebase_version="v4.0"), r"newer format v4.0: update"),
        (_edit(codebase_version="latest"), r"says no codebase_version"),
        (_edit(fps=0), r"0 frames a second"),
        (_edit(features=[]), r"info.json is damaged"),
        (_edit(data_path="../{chunk_index}/{file_index}"), r"files outside of its folder"),
        (_cut("meta/info.json", 0.5), r"info.json is not valid JSON"),
        (_remove("meta/info.json"), r"is not a LeRobotDataset: meta/info.json cannot be read"),
        (_remove("meta/tasks.parquet"), r"tasks.parquet cannot be read"),
        (_remove("meta/episodes/*/*"), r"holds no episode"),
        (_cut("meta/episodes/*/*", 0.5), r"file-000.parquet cannot be read"),
        (_remove("data/*/*"), r"lacks data/chunk-000/file-000.parquet, which holds episode 1"),
        (_cut("data/*/*", 0.7), r"data/chunk-000/file-000.parquet cannot be read"),
        (_shorten, r"holds 7 frames of episode 1, and meta/episodes says 9"),
        (_empty, r"Episode 1 of dataset waves has no frames"),
        (_remove("videos/observation.images.above/*/*"), r"lacks the video videos/observation.images.above/"),
    ],
)
def test_a_damaged_dataset_is_one_sentence(
    scene: Scene, filmed: Path, tmp_path: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    """Whatever is missing, cut or of another version is told in one sentence that names it."""
    root = tmp_path / "waves"
    shutil.copytree(filmed, root)
    spoil(root)
    with pytest.raises(DatasetError, match=sentence) as told:
        open_episode(str(root), 1, scene)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_cut_video_names_its_file(scene: Scene, filmed: Path, tmp_path: Path, share: float) -> None:
    """A video that cannot be decoded is told where it is asked for; everything else of the episode stays of use."""
    root = tmp_path / "waves"
    shutil.copytree(filmed, root)
    _cut("videos/observation.images.above/*/*", share)(root)
    found = open_episode(str(root), 1, scene)
    assert len(joint_replay(found)) == 9
    told = [_complaint(found, frame) for frame in range(9)]
    assert any(told)
    assert all("images.above/chunk-000/file-000.mp4 cannot be decoded at frame" in each for each in told if each)


def _complaint(shown: Demonstration, frame: int) -> str:
    try:
        shown.recorded.at(frame)
    except DatasetError as error:
        return str(error)
    return ""


def test_an_episode_that_is_not_there(scene: Scene, lossless: Path, tmp_path: Path) -> None:
    """An index past the end, a folder that is none, a file, and a hub id without the hub are one sentence each."""
    for index in (-1, 2):
        with pytest.raises(DatasetError, match=rf"has no episode {index}; it has episodes 0 to 1"):
            open_episode(str(lossless), index, scene)
    with pytest.raises(DatasetError, match="is not a LeRobotDataset"):
        open_dataset(str(tmp_path))
    with pytest.raises(DatasetError, match="is a file; name the folder"):
        open_dataset(str(lossless / "meta" / "info.json"))
    with pytest.raises(DatasetError, match=r"No folder \./nowhere"):
        open_dataset("./nowhere")
    with pytest.raises(DatasetError, match="unset HF_HUB_OFFLINE"):
        open_dataset("nobody/nothing")


def test_numbers_that_are_not_finite_are_told(scene: Scene, lossless: Path, tmp_path: Path) -> None:
    """A NaN among the actions is told with its frame, before anything executes it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = tmp_path / "waves"
    shutil.copytree(lossless, root)
    (path,) = root.glob("data/*/*.parquet")
    table = pq.read_table(path)
    actions = table["action"].to_pylist()
    actions[3][1] = float("nan")
    field = table.schema.field("action")
    pq.write_table(table.set_column(table.schema.get_field_index("action"), field, pa.array(actions, field.type)), path)
    with pytest.raises(DatasetError, match="action of frame 3 is not finite"):
        open_episode(str(root), 0, scene)
    assert len(open_episode(str(root), 1, scene)) == 9


def test_a_spoilt_dataset_is_never_a_traceback(scene: Scene, lossless: Path, filmed: Path, tmp_path: Path) -> None:
    """Files cut and overwritten at random give an episode or one sentence."""
    rng = np.random.default_rng(11)
    told: list[str] = []
    for turn in range(80):
        root = tmp_path / "spoilt"
        shutil.copytree((lossless, filmed)[turn % 2], root)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        path = files[rng.integers(len(files))]
        data = bytearray(path.read_bytes())
        if rng.random() < 0.4:
            data = data[: rng.integers(len(data))]
        for at in rng.integers(len(data), size=5) if data else ():
            data[at] = rng.integers(256)
        path.write_bytes(data)
        try:
            shown = open_episode(str(root), int(rng.integers(2)), scene)
            for frame in range(len(shown)):
                shown.recorded.at(frame)
        except DatasetError as error:
            told.append(str(error))
        shutil.rmtree(root)
    assert 40 < len(told) < 80
    assert not any("\n" in sentence for sentence in told)
