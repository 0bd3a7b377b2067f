"""Traces as LeRobotDatasets: what LeRobot's own loader and trainer make of them, and what a failure leaves."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recordings.dataset_format import DatasetError
from recordings.dataset_in import open_dataset, open_episode
from recordings.dataset_out import DatasetOptions, DatasetStoppedError, write_dataset
from recordings.folder import LaneSnippet, save
from recordings.takes import Take, chosen, recorded_takes, takes_of
from tests.scenes import SPEC, write_scene
from tests.scripted import do
from tests.synthetic import Wave
from viewer_app.blinding import Blind
from viewer_app.commands import ResetEpisode, SetBlinding, SetPrompt, Step
from viewer_app.headless import open_engine
from viewer_app.render import PolicyCameras
from viewer_app.replay import physics_replay
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ImageArray, Readings
from viewer_app.view import Snippet

LOSSLESS = DatasetOptions(lossless=True)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.load(write_scene(tmp_path_factory.mktemp("scene")))


@pytest.fixture(scope="module")
def takes(scene: Scene) -> list[Take]:
    """Two episodes: one of seed 4, and one of seed 7 that ended in success and in which a camera was blinded."""
    engine = open_engine(scene, Wave(scene), seed=4)
    first = do(engine, Step(10))
    do(engine, ResetEpisode(7), Step(3), SetBlinding("above", Blind.BLACK), SetPrompt("Now draw."))
    second = do(engine, Step(5))
    engine.close()
    won = replace(_readings(second), outcome="success", success=True, reward=1.0)
    second.append(np.zeros(2, np.float32), None, second.snapshot(len(second)), won)
    return [Take(scene, Snippet(trace, len(trace))) for trace in (first, second)]


def _readings(trace: Trace) -> Readings:
    head = len(trace)
    state, tip = (np.asarray(trace.column(name))[head] for name in ("state", "tip"))
    return Readings(float(np.asarray(trace.column("time"))[head]), state, tip, trace.phase(head), "", False, False)


def _rendered(take: Take) -> list[dict[str, ImageArray]]:
    cameras = PolicyCameras(take.scene)
    names = tuple(take.scene.spec.cameras)
    found = [dict(cameras.pictures(take.trace.snapshot(k), names)) for k in range(take.length)]
    cameras.close()
    return found


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_lerobot_reads_what_was_written(takes: list[Take], tmp_path: Path) -> None:
    """LeRobot's own loader gives back states, actions and pictures to the bit, prompts, names, rate and robot."""
    from lerobot.datasets import LeRobotDataset

    told: list[tuple[int, int]] = []
    written = write_dataset(tmp_path / "set", takes, LOSSLESS, report=lambda *each: told.append(each))
    assert (written.episodes, written.frames) == (2, 19)
    assert told == [(done, 19) for done in range(1, 20)]
    assert _left(tmp_path) == ["set"]
    found = LeRobotDataset("local/set", root=tmp_path / "set")
    assert (found.fps, found.meta.robot_type, len(found)) == (30, "plotter", 19)
    assert found.features["action"]["names"] == ["yaw.pos", "pitch.pos"]
    assert [found.meta.episodes[k]["length"] for k in range(2)] == [10, 9]
    at = 0
    for take in takes:
        pictures = _rendered(take)
        for k in range(take.length):
            item = found[at]
            at += 1
            assert np.array_equal(item["observation.state"].numpy(), np.asarray(take.trace.column("state"))[k])
            assert np.array_equal(item["action"].numpy(), np.asarray(take.trace.column("action"))[k])
            assert item["task"] == take.trace.settings_at(k).prompt
            assert item["timestamp"].item() == pytest.approx(k / 30)
            for name, picture in pictures[k].items():
                there = np.round(255 * item[f"observation.images.{name}"].numpy().transpose(1, 2, 0))
                assert np.array_equal(there, picture)


def test_videos_show_the_pictures_within_the_codecs_error(takes: list[Take], tmp_path: Path) -> None:
    """In LeRobot's default codec each picture is nearer to its own step's than to any that differs from it."""
    write_dataset(tmp_path / "set", takes)
    info = json.loads((tmp_path / "set/meta/info.json").read_text())
    assert info["features"]["observation.images.above"]["info"]["video.codec"] == "av1"
    for number, take in enumerate(takes):
        found, pictures = open_episode(str(tmp_path / "set"), number, take.scene), _rendered(take)
        for name in take.scene.spec.cameras:
            shown = np.array([found.recorded.at(k)[name] for k in range(len(found))], np.float64)
            true = np.array([each[name] for each in pictures], np.float64)
            assert np.abs(shown - true).mean() < 5
            apart = np.abs(shown[:, None] - true[None]).mean(axis=(2, 3, 4))
            assert (np.diag(apart) <= apart.min(axis=1) + 0.5).all()


def test_pictures_as_seen_are_blinded(takes: list[Take], tmp_path: Path) -> None:
    """What the sensors showed is saved unless asked otherwise; as the policy saw it, a blinded camera is black."""
    for as_seen in (False, True):
        root = tmp_path / f"set-{as_seen}"
        write_dataset(root, takes[1:], replace(LOSSLESS, as_seen=as_seen))
        found, pictures = open_episode(str(root), 0, takes[1].scene), _rendered(takes[1])
        for k in range(len(found)):
            blinded = as_seen and k >= 3
            assert found.recorded.at(k)["above"].any() != blinded
            assert np.array_equal(found.recorded.at(k)["aside"], pictures[k]["aside"])
            assert found.tasks[k] == ("Push the cube." if k < 3 else "Now draw.")


def test_an_exported_episode_replays_to_the_bit(takes: list[Take], tmp_path: Path) -> None:
    """The dataset knows the seed, so a physics replay of it is the episode that it came from."""
    write_dataset(tmp_path / "set", takes, LOSSLESS)
    again = physics_replay(open_episode(str(tmp_path / "set"), 0, takes[0].scene))
    assert again.seed == 4
    assert np.array_equal(again.column("snapshot"), takes[0].trace.column("snapshot"))


def test_rewards_and_outcomes_go_along(takes: list[Take], tmp_path: Path) -> None:
    """`next.reward`, `next.success` and `next.done` of a frame are what followed it."""
    from lerobot.datasets import LeRobotDataset

    write_dataset(tmp_path / "set", takes[1:], replace(LOSSLESS, outcome=True))
    items = [LeRobotDataset("local/set", root=tmp_path / "set")[k] for k in range(9)]
    assert [item["next.success"].item() for item in items] == [False] * 8 + [True]
    assert [item["next.done"].item() for item in items] == [False] * 8 + [True]
    assert [item["next.reward"].item() for item in items] == [0.0] * 8 + [1.0]


def test_episodes_are_chosen(takes: list[Take], scene: Scene, tmp_path: Path) -> None:
    """All, the successful ones, or those that are named, of a session as of recordings."""
    first, second = takes
    assert chosen(takes) == takes
    assert chosen(takes, successes_only=True) == [second]
    assert chosen(takes, names=[first.trace.name]) == [first]
    assert chosen(takes, names=[f"A: {second.trace.name}"]) == [second]
    with pytest.raises(DatasetError, match=r"no episode 'episode 9' to save; there are A: episode 1, A: episode 2"):
        chosen(takes, names=["episode 9"])
    with pytest.raises(DatasetError, match="no successful episode"):
        chosen([first], successes_only=True)
    save(tmp_path / "saved", scene, [LaneSnippet(first.snippet, 0), LaneSnippet(second.snippet, 1)])
    again = recorded_takes([tmp_path / "saved"])
    assert [take.name for take in again] == ["A: episode 1", "B: episode 2"]
    assert again[1].trace.same_as(second.trace)
    empty = Trace(
        "empty", "plotter", None, 0, first.trace.settings_at(0), first.trace.snapshot(0), _readings(first.trace)
    )
    assert takes_of(scene, [LaneSnippet(Snippet(empty, 0))]) == []


def test_what_exists_is_not_overwritten(takes: list[Take], tmp_path: Path) -> None:
    """Without force nothing is replaced, with it a dataset is, and nothing but a dataset ever."""
    root = tmp_path / "set"
    write_dataset(root, takes, LOSSLESS)
    with pytest.raises(DatasetError, match=r"exists already; .*--force"):
        write_dataset(root, takes[:1], LOSSLESS)
    assert len(open_dataset(str(root)).episodes) == 2
    write_dataset(root, takes[:1], replace(LOSSLESS, force=True))
    assert len(open_dataset(str(root)).episodes) == 1
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years")
    with pytest.raises(DatasetError, match="is not a dataset, so it is not replaced"):
        write_dataset(tmp_path / "precious", takes, replace(LOSSLESS, force=True))
    assert _left(tmp_path) == ["precious", "set"]


@pytest.mark.parametrize("lossless", [True, False])
def test_who_stops_it_leaves_nothing(takes: list[Take], tmp_path: Path, lossless: bool) -> None:
    """Stopped in the second episode, neither the dataset nor anything beside it remains."""
    done = [0]

    def report(count: int, total: int) -> None:
        done[0] = count

    with pytest.raises(DatasetStoppedError):
        write_dataset(tmp_path / "set", takes, DatasetOptions(lossless), report, lambda: done[0] >= 12)
    assert done == [12]
    assert _left(tmp_path) == []


def test_a_dataset_that_is_to_be_replaced_stays_until_then(takes: list[Take], tmp_path: Path) -> None:
    """Who stops the writing of its replacement still has the old dataset."""
    write_dataset(tmp_path / "set", takes, LOSSLESS)
    with pytest.raises(DatasetStoppedError):
        write_dataset(tmp_path / "set", takes, replace(LOSSLESS, force=True), stop=lambda: True)
    assert _left(tmp_path) == ["set"]
    assert len(open_episode(str(tmp_path / "set"), 1, takes[1].scene)) == 9


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file can become larger than 10 kB, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_sentence(takes: list[Take], tmp_path: Path, small_disk: None) -> None:
    """When the system refuses to write any more, that is told, and nothing is left."""
    with pytest.raises(DatasetError, match=r"set cannot be written \(.*\); nothing of it is left") as told:
        write_dataset(tmp_path / "set", takes, LOSSLESS)
    assert "\n" not in str(told.value)
    assert _left(tmp_path) == []


def test_where_nothing_can_be_written(takes: list[Take], tmp_path: Path) -> None:
    """A place below a file is refused with the system's reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"cannot be written \((Not a directory|File exists)\)"):
        write_dataset(tmp_path / "file" / "set", takes, LOSSLESS)


def test_what_a_dataset_cannot_hold(takes: list[Take], tmp_path: Path) -> None:
    """Broken rates and episodes of different robots are refused before anything is written."""
    odd = Scene.load(write_scene(tmp_path / "odd", SPEC.replace("= 30.0", "= 7.5")))
    with pytest.raises(DatasetError, match=r"7\.5 Hz; LeRobotDatasets have a whole number"):
        write_dataset(tmp_path / "set", [replace(takes[0], scene=odd)], LOSSLESS)
    other = Scene.load(write_scene(tmp_path / "other", SPEC.replace("width = 32", "width = 48")))
    with pytest.raises(DatasetError, match="other joints, cameras or control rate"):
        write_dataset(tmp_path / "set", [takes[0], replace(takes[1], scene=other)], LOSSLESS)
    with pytest.raises(DatasetError, match="no episode to save"):
        write_dataset(tmp_path / "set", [], LOSSLESS)
    assert _left(tmp_path) == ["odd", "other"]


def _train(root: Path, out: Path, extra: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    values = {
        "dataset.repo_id": "local/set",
        "dataset.root": root,
        "policy.type": "act",
        "policy.device": "cpu",
        "policy.push_to_hub": "false",
        "policy.pretrained_backbone_weights": "null",
        "policy.dim_model": 32,
        "policy.n_heads": 2,
        "policy.dim_feedforward": 64,
        "policy.n_encoder_layers": 1,
        "policy.n_vae_encoder_layers": 1,
        "policy.chunk_size": 5,
        "policy.n_action_steps": 5,
        "batch_size": 2,
        "steps": 3,
        "num_workers": 0,
        "save_freq": 3,
        "log_freq": 1,
        "env_eval_freq": 0,
        "output_dir": out,
        "wandb.enable": "false",
    }
    flags = [f"--{name}={value}" for name, value in values.items()]
    command = [sys.executable, "-m", "lerobot.scripts.lerobot_train", *flags, *extra]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)


@pytest.mark.slow
def test_lerobot_trains_on_it(takes: list[Take], tmp_path: Path) -> None:
    """`lerobot-train` takes a dataset with all there may be in it, and leaves a policy of its joints and cameras."""
    write_dataset(tmp_path / "set", takes, DatasetOptions(outcome=True))
    ran = _train(tmp_path / "set", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr[-2000:]
    config = json.loads((tmp_path / "out/checkpoints/000003/pretrained_model/config.json").read_text())
    assert config["output_features"]["action"]["shape"] == [2]
    assert sorted(config["input_features"]) == [
        "observation.images.above",
        "observation.images.aside",
        "observation.state",
    ]
