"""The doctor finds what is wrong, calls it by its name, and finds nothing wrong with what is healthy."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from lerobot.configs.types import NormalizationMode

from policies.source import DEMOS
from tests.checkpoints import build_act
from tests.damage import edit_json
from tests.faults import FAULTS, LOADED, NEAR_MISSES, Fault
from tests.planting import Pair, config, copied, give_sane_statistics, in_model, scene
from tests.scenes import write_scene
from tests.scripted import Scripted
from tests.swaying_policy import SwayingPolicy
from viewer_app.doctor.finding import Finding
from viewer_app.doctor.trial import check_trial, check_world
from viewer_app.doctor_command import diagnose, doctor
from viewer_app.doctor_trial import try_policy, try_world
from viewer_app.scene import BUILT_IN, Scene
from viewer_app.types import Float32Array, Observation, Policy
from viewer_app.world import MujocoWorld

ROOT = Path(__file__).parents[1]
PLOTTER_CAMERAS = {"above": (24, 32), "aside": (24, 32)}
PLOTTER = {"observation.state": ([12.0, -8.0], [14.0, 9.0]), "action": ([12.0, -8.0], [14.0, 9.0])}
"""Mean and standard deviation of a dataset of the plotter, in its units: yaw in hundredths of its range, pitch in
degrees."""
HEALTHY = ("act", "min-max", "stateless", "so101", "demo", "demo-pi0")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pair]:
    """Each healthy pair, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("healthy")
    made: dict[str, Pair] = {}

    def make(name: str) -> Pair:
        if name not in made:
            made[name] = build(name, folder / name)
        return made[name]

    return make


def build(name: str, folder: Path) -> Pair:
    checkpoint = folder / "checkpoint"
    if name in ("demo", "demo-pi0", "so101"):
        shutil.copytree(BUILT_IN / "so101", folder / "scene")
        if name.startswith("demo"):
            shutil.copytree(DEMOS / ("act" if name == "demo" else "pi0"), checkpoint, copy_function=os.link)
        else:
            build_act(checkpoint, cameras={"wrist_cam": (96, 128), "overhead_cam": (96, 128)})
            home = [0.0, -80.0, 60.0, 78.0, -2.0, 40.0]
            spread = [8.0, 8.0, 9.0, 8.0, 9.0, 7.0]
            give_sane_statistics(checkpoint, {"observation.state": (home, spread), "action": (home, spread)})
        return Pair(checkpoint, folder / "scene" / "scene.toml")
    if name == "stateless":
        build_act(checkpoint, cameras={"above": (24, 32)}, n_state=0, n_action=2, half=True, chunk_size=20)
    else:
        mode = NormalizationMode.MIN_MAX if name == "min-max" else NormalizationMode.MEAN_STD
        build_act(checkpoint, cameras=PLOTTER_CAMERAS, n_state=2, n_action=2, normalisation=mode)
    give_sane_statistics(checkpoint, PLOTTER)
    return Pair(checkpoint, write_scene(folder / "scene"))


def found_in(pair: Pair, load: bool) -> list[Finding]:
    return diagnose(str(pair.checkpoint), str(pair.scene), load=load)


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_wrong_with_a_healthy_pair(healthy: Callable[[str], Pair], name: str) -> None:
    """A healthy checkpoint in its scene gives no error and no warning, and is known to be verified."""
    findings = found_in(healthy(name), load=True)
    assert [each for each in findings if each.severity != "info"] == []
    assert "weights-verified" in {each.id for each in findings}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what.replace(" ", "-"))
def test_a_planted_fault_is_found_by_name(healthy: Callable[[str], Pair], tmp_path: Path, fault: Fault) -> None:
    """A single fault in a healthy pair is found and called what it is, with numbers or names and with a mend."""
    pair = copied(healthy(fault.pair), tmp_path / "pair")
    fault.plant(pair)
    findings = found_in(pair, load=fault in LOADED)
    shutil.rmtree(tmp_path / "pair")  # pytest would keep the weights of each.
    named = [each for each in findings if each.id == fault.finding]
    assert [each.severity for each in named[:1]] == [fault.severity], findings
    assert named[0].evidence.endswith((".", "?"))
    assert named[0].mend


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_near_miss_is_no_fault(healthy: Callable[[str], Pair], tmp_path: Path, name: str) -> None:
    """What looks a little like a fault gives no error and no warning."""
    pair = copied(healthy("act"), tmp_path / "pair")
    NEAR_MISSES[name](pair)
    findings = found_in(pair, load=False)
    shutil.rmtree(tmp_path / "pair")
    assert [each for each in findings if each.severity != "info"] == []


@pytest.mark.parametrize("seed", range(6))
def test_damage_anywhere_gives_findings_and_no_traceback(
    healthy: Callable[[str], Pair], tmp_path: Path, seed: int
) -> None:
    """However a person's edit leaves the files, the doctor says what it finds; a file that is not JSON is an error."""
    rng = np.random.default_rng(seed)
    pair = copied(healthy("act"), tmp_path / "pair")
    edited = pair.checkpoint / ("config.json", "policy_preprocessor.json", "policy_postprocessor.json")[seed % 3]
    for _ in range(3):
        edit_json(edited, rng)
    found_in(pair, load=False)
    edited.write_bytes(edited.read_bytes()[: rng.integers(1, 40)])
    findings = found_in(pair, load=False)
    shutil.rmtree(tmp_path / "pair")
    assert [each.severity for each in findings if each.id in ("config-unreadable", "processor-unreadable")] == ["error"]


@pytest.fixture(scope="module")
def plotter(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.load(write_scene(tmp_path_factory.mktemp("plotter")))


def named_of(scene: Scene, policy: Policy) -> dict[str, str]:
    """Id to severity of what a trial in the scene finds."""
    return {each.id: each.severity for each in check_trial(try_policy(scene, policy), scene)}


def test_a_policy_slower_than_its_chunk_is_told(plotter: Scene) -> None:
    """A chunk that takes longer to make than its steps last is a warning; one that is ready in time is not."""
    slow = SwayingPolicy(plotter, chunk_size=12, n_action_steps=2, takes=0.08)
    fast = SwayingPolicy(plotter, chunk_size=12, n_action_steps=6, takes=0.02)
    assert named_of(plotter, slow)["latency"] == "warning"
    assert named_of(plotter, fast)["latency"] == "info"


def rows_from(offset: Callable[[int], float]) -> Callable[[int, Observation, int], Float32Array]:
    """A script that sways about the measured joints, moved by what `offset` says of the seed. [scene units]"""

    def script(start: int, observation: Observation, seed: int) -> Float32Array:
        rows = np.arange(12, dtype=np.float32)[:, None]
        return (observation.state + 5 * np.sin(rows / 2) + np.float32(offset(seed))).astype(np.float32)

    return script


def test_chance_and_unrepeatable_answers_are_told_apart(plotter: Scene) -> None:
    """Another chunk for another seed is chance, for the same seed a fault, and neither is said of one that is always
    the same."""
    calls = count()
    same = named_of(plotter, Scripted(plotter, rows_from(lambda seed: 0.0)))
    chance = named_of(plotter, Scripted(plotter, rows_from(lambda seed: float(seed))))
    drifting = named_of(plotter, Scripted(plotter, rows_from(lambda seed: 0.01 * next(calls))))
    repeats = ("deterministic", "stochastic", "not-reproducible")
    assert [name for name in repeats if name in same] == ["deterministic"]
    assert [name for name in repeats if name in chance] == ["stochastic"]
    assert [name for name in repeats if name in drifting] == ["not-reproducible"]


def test_a_drive_that_breaks_off_is_told_with_its_step(plotter: Scene) -> None:
    """A policy that fails on the way is an error that says after how many steps, and why."""

    def script(start: int, observation: Observation, seed: int) -> Float32Array:
        rows = rows_from(lambda seed: 0.0)(start, observation, seed)
        return rows if start == 0 else np.full_like(rows, np.nan)

    findings = list(check_trial(try_policy(plotter, Scripted(plotter, script)), plotter))
    (failed,) = (each for each in findings if each.id == "run-failed")
    assert failed.severity == "error"
    assert failed.evidence.startswith("After 6 control steps: ")


class Forgetful(MujocoWorld):
    """A world whose resets depend on what was before, as some environments' do."""

    def __init__(self, scene: Scene) -> None:
        self.resets = 0
        super().__init__(scene)

    def reset(self, seed: int) -> None:
        self.resets += 1
        super().reset(seed + self.resets // 10)


def test_a_reset_that_does_not_repeat_is_told(plotter: Scene) -> None:
    """A world that a seed does not decide is a warning; MuJoCo's own is not."""
    ids = [
        {each.id for each in check_world(try_world(plotter, world), plotter)}
        for world in (Forgetful(plotter), MujocoWorld(plotter))
    ]
    assert ids == [{"reset"}, set()]


def test_mapped_cameras_are_no_fault_and_are_tried(healthy: Callable[[str], Pair], tmp_path: Path) -> None:
    """Cameras of another name are an error with the option that mends it, and with that option the pair is healthy."""
    pair = copied(healthy("act"), tmp_path / "pair")
    in_model('camera name="above"', 'camera name="overhead"')(pair)
    scene(("cameras.above", "cameras.overhead"))(pair)
    (wrong,) = (each for each in found_in(pair, load=False) if each.severity != "info")
    assert wrong.id == "camera-names"
    assert "--camera above=overhead --camera aside=aside" in wrong.mend
    cameras = ("above=overhead", "aside=aside")
    findings = diagnose(str(pair.checkpoint), str(pair.scene), cameras)
    shutil.rmtree(tmp_path / "pair")
    assert [each for each in findings if each.severity != "info"] == []
    assert {"cameras-mapped", "deterministic", "latency"} <= {each.id for each in findings}


def test_the_command_prints_one_object_and_its_code(
    healthy: Callable[[str], Pair], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json stdout is one object of the documented form, and the exit code says whether the pair can work."""
    pair = copied(healthy("act"), tmp_path / "pair")
    assert doctor(str(pair.checkpoint), str(pair.scene), load=False, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "findings": []}
    config(n_action_steps=30)(pair)
    assert doctor(str(pair.checkpoint), str(pair.scene), load=False, as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    shutil.rmtree(tmp_path / "pair")
    assert told["ok"] is False
    assert [sorted(each) for each in told["findings"]] == [["evidence", "id", "mend", "severity"]]
    assert "30" in told["findings"][0]["evidence"]
    assert "10" in told["findings"][0]["mend"]


OTHERS = {
    *("weights-verified", "deterministic", "stochastic", "latency", "cameras-mapped", "no-scene", "not-tried"),
    *("joint-names", "not-reproducible", "run-failed", "reset", "does-not-run", "weights-unverified"),
    "train-config-unreadable",
}
"""What else the doctor can say."""


def test_every_finding_is_in_the_documentation() -> None:
    """docs/doctor.md lists each id that the doctor can say, and no other."""
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)`", page, re.MULTILINE)) == {fault.finding for fault in FAULTS} | OTHERS
