"""The commands about LeRobotDatasets: evaluation, saving what was run or recorded, and looking at an episode."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recordings.dataset_in import open_dataset, open_episode
from recordings.folder import open_recording
from tests.datasets import write_waves
from tests.scenes import MODEL, SPEC, write_scene
from tests.synthetic import Wave
from viewer_app.__main__ import main
from viewer_app.command_line import View, parse
from viewer_app.dataset_command import shown_episode, shows_dataset
from viewer_app.gui.contracts import Session
from viewer_app.scene import Scene
from viewer_app.teacher import evaluate
from viewer_app.teacher_tables import figures
from viewer_app.types import Policy, WhiskersError
from viewer_app.wiring import SessionFiles

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.load(write_scene(tmp_path_factory.mktemp("scene")))


@pytest.fixture(scope="module")
def waves(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two episodes with lossless pictures."""
    return write_waves(tmp_path_factory.mktemp("sets") / "waves", scene, (20, 13))


@pytest.fixture(scope="module")
def filmed(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of one episode with videos."""
    return write_waves(tmp_path_factory.mktemp("sets") / "filmed", scene, (12,), lossless=False)


@pytest.fixture
def wave(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Wave:
    """What every command loads in place of a checkpoint: a policy whose answers are known in closed form."""
    policy = Wave(scene)

    def load(source: str, device: str, statistics: str = "") -> Policy:
        assert (source, device, statistics) == ("a-checkpoint", "cpu", "")
        return policy

    for module in ("run_command", "teacher_command", "dataset_command"):
        monkeypatch.setattr(f"viewer_app.{module}.load_policy", load)
    return policy


def run(*arguments: object) -> int:
    return main(["run", *map(str, arguments)])


def test_an_evaluation_says_what_evaluate_says(
    wave: Wave, scene: Scene, waves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json is one object with the figures of `teacher.evaluate` for each episode and their mean; the tables and a
    recording of each episode with its whiskers are where it says."""
    out = tmp_path / "out"
    arguments = ["a-checkpoint", "--scene", scene.path, "--on-dataset", waves, "--stride", "3", "--out", out, "--json"]
    assert run(*arguments) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((out / "summary.json").read_text())
    assert list(said) == ["policy", "dataset", "scene", "stride", "episodes", "mean"]
    assert (said["policy"], said["dataset"], said["scene"], said["stride"]) == ("wave", "waves", "plotter", 3)
    assert [each["episode"] for each in said["episodes"]] == [0, 1]
    for each in said["episodes"]:
        expected = evaluate(Wave(scene), open_episode(str(waves), each["episode"], scene), stride=3)
        for name, value in figures(expected).items():
            assert each[name] == value or (each[name] is None and not np.isfinite(value)), name
        assert [(one["frame"], one["l1_deg"]) for one in each["worst"]] == [
            (one.frame, one.error) for one in expected.worst
        ]
        ((trace,),) = open_recording(Path(each["recording"])).lanes
        assert trace.same_as(expected.trace)
        with (Path(each["recording"]) / "frames.csv").open(newline="") as file:
            assert [int(row["frame"]) for row in csv.DictReader(file)] == expected.frames.tolist()
    assert said["mean"]["l1_deg"] == pytest.approx(np.mean([each["l1_deg"] for each in said["episodes"]]))


def test_a_person_is_told_the_figures(
    wave: Wave, scene: Scene, waves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json the same figures stand in lines, for the episodes that were named."""
    arguments = ["a-checkpoint", "--scene", scene.path, "--on-dataset", waves, "--episode-indices", "1"]
    assert run(*arguments, "--out", tmp_path / "out") == 0
    told = capsys.readouterr().out
    report = evaluate(Wave(scene), open_episode(str(waves), 1, scene))
    assert "episode 1, 13 frames" in told
    assert f"L1             {report.l1:.2f}°" in told
    assert f"coverage       {report.coverage:.0%} of the path within 10 mm" in told
    assert f"worst frames   {report.worst[0].frame} (" in told
    assert "episode 0" not in told


def test_stopping_an_evaluation_keeps_what_was_asked(
    wave: Wave, scene: Scene, waves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C during an evaluation ends it with exit code 1; the frames that were asked about are evaluated, and the
    result says that it is not complete."""
    predict = wave.predict

    def press(*arguments: object, **named: object) -> object:
        if wave.asked == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return predict(*arguments, **named)  # type: ignore[arg-type]

    wave.predict = press  # type: ignore[method-assign, assignment]
    out = tmp_path / "out"
    assert run("a-checkpoint", "--scene", scene.path, "--on-dataset", waves, "--out", out, "--json") == 1
    told = capsys.readouterr()
    (episode,) = json.loads(told.out)["episodes"]
    assert (episode["episode"], episode["frames"], episode["complete"]) == (0, 5, False)
    assert "Interrupted after 5 of 33 frames" in told.err


def test_a_run_is_saved_as_a_dataset(
    wave: Wave, scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run --save-dataset` leaves the run's episodes as a dataset too, with the recorded actions to the bit; --json is
    what it is without."""
    out, root = tmp_path / "out", tmp_path / "set"
    arguments = ["a-checkpoint", "--scene", scene.path, "--episodes", "2", "--seed", "5", "--out", out]
    assert run(*arguments, "--save-dataset", root, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    found = open_dataset(str(root))
    assert len(found.episodes) == 2
    for number, each in enumerate(said["episodes"]):
        ((trace,),) = open_recording(Path(each["recording"])).lanes
        episode = found.open(number, scene)
        assert np.array_equal(episode.actions, np.asarray(trace.column("action")))
        assert episode.seed == 5 + number


def test_a_dataset_that_cannot_be_saved_costs_no_run(
    wave: Wave, scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no episode succeeded there is no dataset of successes: the exit code is 1, one line says so, nothing has
    the dataset's name, and summary and recordings are there."""
    out, root = tmp_path / "out", tmp_path / "set"
    arguments = ["a-checkpoint", "--scene", scene.path, "--episodes", "1", "--out", out]
    assert run(*arguments, "--save-dataset", root, "--successes-only") == 1
    assert "whiskers: There is no successful episode to save as a dataset." in capsys.readouterr().err
    assert not root.exists()
    assert json.loads((out / "summary.json").read_text())["episodes"][0]["steps"] == 60
    assert len(open_recording(out / "seed-1000").lanes[0][0]) == 60


def test_recordings_are_saved_as_a_dataset(
    wave: Wave, scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`export --dataset` saves the recordings' episodes, says how many, and replaces a dataset only if told to."""
    out, root = tmp_path / "out", tmp_path / "set"
    assert run("a-checkpoint", "--scene", scene.path, "--episodes", "2", "--out", out) == 0
    arguments = ["export", str(out / "seed-1000"), str(out / "seed-1001"), "--dataset", str(root), "--image", "--json"]
    capsys.readouterr()
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == {"dataset": str(root), "episodes": 2, "frames": 120}
    assert main(arguments) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([arguments[0], *arguments[2:], "--force"]) == 0
    assert [each.length for each in open_dataset(str(root)).episodes] == [60]


def older(root: Path) -> None:
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"codebase_version": "v2.1"}))


def cut_videos(root: Path) -> None:
    for video in root.rglob("*.mp4"):
        video.write_bytes(video.read_bytes()[:200])


def leave(root: Path) -> None:
    """As it is."""


@pytest.mark.parametrize(
    ("damage", "spec", "arguments", "words"),
    [
        (older, SPEC, [], "is of format v2.1"),
        (cut_videos, SPEC, [], "cannot be"),
        (leave, SPEC, ["--episode-indices", "7"], "has no episode 7; it has episodes 0 to 0"),
        (leave, SPEC.replace("cameras.above", "cameras.front"), [], "say which stands for which"),
        (leave, SPEC.replace('"pitch"', '"nod"'), [], "say with --joint DATASET_JOINT=SCENE_JOINT"),
        (leave, SPEC, ["--camera", "above=moon"], "found 'above=moon'"),
        (leave, SPEC, ["--out", "FILE/out"], "cannot be made"),
        (leave, SPEC, ["--out", "TAKEN"], "holds a recording already"),
    ],
)
def test_bad_datasets_are_told_in_one_line(
    damage: Callable[[Path], None],
    spec: str,
    arguments: list[str],
    words: str,
    wave: Wave,
    filmed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A dataset of an older format, a video that cannot be decoded, an episode that is not there, joints or cameras
    that do not match and a place that cannot be written end with exit code 2 and one line that says what to do."""
    root = tmp_path / "set"
    shutil.copytree(filmed, root)
    damage(root)
    (tmp_path / "FILE").write_text("")
    (tmp_path / "TAKEN" / "episode-0").mkdir(parents=True)
    (tmp_path / "TAKEN" / "episode-0" / "recording.json").write_text("{}")
    model = MODEL.replace('"above"', '"front"') if "front" in spec else MODEL.replace('"pitch"', '"nod"')
    path = write_scene(tmp_path / "scene", spec, model if spec != SPEC else MODEL)
    filled = [each if "=" in each or each.startswith("--") else str(tmp_path / each) for each in arguments]
    filled = arguments if "--episode-indices" in arguments else filled
    out = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
    assert run("a-checkpoint", "--scene", path, "--on-dataset", root, *filled, *out) == 2
    told, complaint = capsys.readouterr()
    assert told == ""
    assert re.fullmatch(r"whiskers: [^\n]+\n", complaint), complaint
    assert words in complaint


def viewed(*arguments: object) -> View:
    choice = parse(["view", *map(str, arguments)])
    assert isinstance(choice, View)
    return choice


def test_what_view_is_given_decides_what_it_shows(waves: Path, tmp_path: Path, wave: Wave, scene: Scene) -> None:
    """A dataset's folder is a dataset, a hub id with an episode too; a checkpoint is none, and options about datasets
    are refused with it, and with a recording."""
    assert shows_dataset(viewed(waves))
    assert shows_dataset(viewed("somebody/something", "--episode", "2"))
    assert shows_dataset(viewed("demo:act", "--dataset", waves))
    assert not shows_dataset(viewed("demo:act"))
    with pytest.raises(WhiskersError, match="--stride is about an episode of a dataset"):
        shows_dataset(viewed("demo:act", "--joint", "a=b", "--stride", "2"))
    assert run("a-checkpoint", "--scene", scene.path, "--episodes", "1", "--out", tmp_path / "out") == 0
    assert not shows_dataset(viewed(tmp_path / "out" / "seed-1000"))
    with pytest.raises(WhiskersError, match="--episode is about an episode of a dataset"):
        shows_dataset(viewed(tmp_path / "out" / "seed-1000", "--episode", "1"))


def test_view_asks_the_checkpoint_about_the_episode(waves: Path, scene: Scene, wave: Wave) -> None:
    """`view CHECKPOINT --dataset` shows the chunks that `evaluate` asks for, on the episode named, from the seed given;
    without a checkpoint nothing is asked."""
    arguments = ["--scene", scene.path, "--episode", "1", "--seed", "9"]
    demonstration, asked = shown_episode(viewed("a-checkpoint", "--dataset", waves, "--stride", "4", *arguments))
    assert (demonstration.episode, demonstration.seed) == (1, 9)
    assert asked is not None
    assert asked.same_as(evaluate(Wave(scene), demonstration, stride=4).trace)
    assert [chunk.start for chunk in asked.chunks] == [0, 4, 8, 12]
    assert wave.asked == 4
    alone, nothing = shown_episode(viewed(waves, *arguments))
    assert nothing is None
    assert alone.digest == demonstration.digest
    assert wave.asked == 4


def test_the_window_opens_a_dataset_in_the_scene_it_shows(waves: Path, scene: Scene, tmp_path: Path) -> None:
    """A dataset's folder, or the file in it that a person picks, opens its first episode in the session's scene."""
    files = SessionFiles(tmp_path / "session", "cpu")
    (start,) = files.new_session(scene, "demo:act", 0, start_running=False).lanes
    assert start.policy is not None
    start.policy.close()
    for path in (waves, waves / "meta" / "info.json"):
        opened = files.open(str(path))
        assert isinstance(opened, Session)
        assert opened.scene is scene
        engine = opened.open_engine(opened.watch)
        assert engine.lanes[0].trace.name == "episode 0 of waves, joint replay"
        engine.tick()
        assert "whiskers view DATASET --episode N" in engine.view().message
        engine.close()
    files.close()


def test_the_demo_on_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real checkpoint is evaluated on a dataset of the built-in robot, to the end."""
    root = write_waves(tmp_path / "set", Scene.load("so101"), (7,))
    assert run("demo:act", "--on-dataset", root, "--stride", "5", "--out", tmp_path / "out", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["episodes"][0]["frames"], said["episodes"][0]["complete"]) == (2, True)
    assert said["mean"]["l1_normalised"] > 0
    ((trace,),) = open_recording(tmp_path / "out" / "episode-0").lanes
    assert [len(chunk) for chunk in trace.chunks] == [40, 40]
