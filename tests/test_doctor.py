"""The doctor finds what is wrong, calls it by its name, and finds nothing wrong with what is healthy."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import pytest
from lerobot.configs.types import NormalizationMode

from policies.source import DEMOS
from tests.checkpoints import build_act
from tests.damage import edit_json
from tests.faults import FAULTS, LOADED, NEAR_MISSES, Fault
from tests.planting import Pair, config, copied, give_sane_statistics, in_model, scene, with_dataset
from tests.scenes import write_scene
from tests.scripted import Scripted
from tests.swaying_policy import SwayingPolicy
from viewer_app.command_line import Doctor, parse
from viewer_app.doctor.finding import Finding, text_file
from viewer_app.doctor.trial import check_pictures, check_trial, check_world
from viewer_app.doctor_command import doctor, examined
from viewer_app.doctor_trial import at_rest, try_policy, try_world
from viewer_app.headless import open_engine
from viewer_app.scene import BUILT_IN, Scene
from viewer_app.scene_spec import ActionSpec, StateKind, StateSpec
from viewer_app.task import PROGRESS_SIZE
from viewer_app.types import Float32Array, FloatArray, Observation, Policy, Positions, Readings, frozen
from viewer_app.world import MujocoWorld

ROOT = Path(__file__).parents[1]
PLOTTER_CAMERAS = {"above": (24, 32), "aside": (24, 32)}
PLOTTER = {"observation.state": ([12.0, -8.0], [14.0, 9.0]), "action": ([12.0, -8.0], [14.0, 9.0])}
"""Mean and standard deviation of a dataset of the plotter, in its units: yaw in hundredths of its range, pitch in
degrees."""
RADIANS = ([0.1, -0.1], [0.6, 0.35])
ARM = [0.0, -0.96, 1.16, 0.0, -0.3, 0.0, 0.25]
ALOHA = ([*ARM, *ARM], 2 * [0.2, 0.3, 0.3, 0.2, 0.2, 0.2, 0.08])
GYM = {
    "gym": ("tests.gym_plotter:Plotter-v0", "above", {"observation.state": RADIANS, "action": RADIANS}),
    "relative": ("tests.gym_plotter:Relative-v0", "above", {"observation.state": RADIANS, "action": RADIANS}),
    "aloha": ("gym_aloha/AlohaTransferCube-v0", "top", {"observation.state": ALOHA, "action": ALOHA}),
}
"""Environment, one of its cameras, and the mean and standard deviation of a dataset of it, in its units."""
HEALTHY = ("act", "min-max", "stateless", "so101", "demo", "demo-pi0", *GYM)


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
    if name in GYM:
        environment, camera, statistics = GYM[name]
        pytest.importorskip("gym_aloha" if name == "aloha" else "gymnasium")
        n = len(statistics["action"][0])
        build_act(checkpoint, cameras={camera: (24, 32)}, n_state=n, n_action=n)
        give_sane_statistics(checkpoint, statistics)
        return Pair(checkpoint, Path(f"gym:{environment}"))
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


def found_in(pair: Pair, load: bool, *options: str) -> list[Finding]:
    """What `whiskers doctor` finds, with some options of its command line."""
    choice = parse(["doctor", str(pair.checkpoint), "--scene", str(pair.scene), *["--no-load"] * (not load), *options])
    assert isinstance(choice, Doctor)
    return list(examined(choice).findings)


def troubles(findings: list[Finding]) -> list[Finding]:
    """Errors and warnings, but for how long a call took: that is this machine's, and tests share it with others."""
    return [each for each in findings if each.severity != "info" and each.id != "latency"]


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_wrong_with_a_healthy_pair(healthy: Callable[[str], Pair], name: str) -> None:
    """A healthy checkpoint in its scene gives no error and no warning, and is known to be verified."""
    # Environments show large pictures, which are shrunk here.
    options = ("--camera", f"{GYM[name][1]}={GYM[name][1]}") if name in GYM else ()
    findings = found_in(healthy(name), True, *options)
    assert troubles(findings) == []
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


MENDABLE = (
    *("a state in radians", "actions in radians", "a scene in radians for a policy in degrees"),
    *("other joints in the dataset's order", "joints in another order", "another name of a camera"),
    *("no statistics file", "no normaliser", "a normaliser saved without statistics", "no preprocessor"),
    *("pictures of deviation 0.002", "no prompt for one that reads"),
)
"""Faults that the options which the doctor names take back for a session."""


@pytest.mark.parametrize("what", MENDABLE)
def test_a_mended_pair_is_sound_again(healthy: Callable[[str], Pair], tmp_path: Path, what: str) -> None:
    """With the options that the doctor names for what it finds, no error is left, before or after loading; an option
    that says nothing of the fault leaves it."""
    (fault,) = (each for each in FAULTS if each.what == what)
    pair = copied(healthy(fault.pair), tmp_path / "pair")
    of_dataset = ("statistic", "normaliser", "preprocessor", "deviation", "prompt")
    if any(word in what for word in of_dataset):
        with_dataset(pair, healthy(fault.pair), "Pick up the block.")
    fault.plant(pair)
    found = [each for each in found_in(pair, False) if each.severity != "info"]
    options: list[str] = []
    for each in found:
        if each.id in ("camera-names", "camera-size"):
            options += shlex.split(re.findall(r"--camera .*(?=\.)", each.mend)[0])
        elif each.cure is not None:
            options += shlex.split(each.cure.option)
    mended = found_in(pair, fault.pair == "act", *_joined(options))
    shutil.rmtree(tmp_path / "pair")
    assert fault.finding in {each.id for each in found}
    assert troubles(mended) == []


def _joined(options: list[str]) -> list[str]:
    """Options of several findings: what they say of units is one option, and none is said twice."""
    units = [value for name, value in pairwise(options) if name == "--units"]
    others = [(name, value) for name, value in zip(options[::2], options[1::2], strict=True) if name != "--units"]
    joined = [part for option in dict.fromkeys(others) for part in option]
    return [*joined, "--units", ",".join(units)] if units else joined


class Forgetful(MujocoWorld):
    """A world whose resets depend on what was before, as some environments' do."""

    def __init__(self, scene: Scene) -> None:
        self.resets = 0
        super().__init__(scene)

    def reset(self, seed: int, start: Positions | None = None) -> None:
        self.resets += 1
        super().reset(seed + self.resets // 10, start)


def test_a_reset_that_does_not_repeat_is_told(plotter: Scene) -> None:
    """A world that a seed does not decide is a warning; MuJoCo's own is not."""
    ids = [
        {each.id for each in check_world(try_world(plotter, world), plotter)}
        for world in (Forgetful(plotter), MujocoWorld(plotter))
    ]
    assert ids == [{"reset"}, set()]


class Misread(MujocoWorld):
    """A world that reads its state from the beginning of qpos, where in this model the cube could stand."""

    def __init__(self, scene: Scene, state: Callable[[MujocoWorld, Float32Array], Float32Array]) -> None:
        self.read = state
        super().__init__(scene)

    def readings(self) -> Readings:
        found = super().readings()
        return replace(found, state=frozen(self.read(self, found.state)))


def test_a_state_that_is_not_the_joints_is_told(plotter: Scene) -> None:
    """A state of the right size that holds something else, or the joints in another order, is an error; joints with an
    offset, or read a step late, are not."""
    late: list[Float32Array] = []

    def one_late(world: MujocoWorld, state: Float32Array) -> Float32Array:
        late.append(state)
        return late[-2] if len(late) > 1 else state

    def of_cube(world: MujocoWorld, state: Float32Array) -> Float32Array:
        return world.snapshot()[PROGRESS_SIZE + 3 : PROGRESS_SIZE + 5].astype(np.float32)

    def found(read: Callable[[MujocoWorld, Float32Array], Float32Array]) -> list[str]:
        world = Misread(plotter, read)
        return [each.evidence for each in check_world(try_world(plotter, world), plotter) if each.id == "state-layout"]

    assert "follows no joint" in found(of_cube)[0]
    assert "number 0 (yaw" in found(lambda world, state: state[::-1])[0]
    assert "follows pitch" in found(lambda world, state: state[::-1])[0]
    assert found(lambda world, state: state + np.float32(7)) == []
    assert found(one_late) == []


def world_ids(environment: str) -> dict[str, str]:
    """Id to evidence of what is found in an environment by itself."""
    scene = Scene.load(f"gym:{environment}")
    engine = open_engine(scene, None, 0)
    try:
        found = check_world(try_world(scene, engine.lanes[0].world), scene)
        return {each.id: each.evidence for each in found}
    finally:
        engine.close()


def test_what_is_wrong_with_an_environment_is_told() -> None:
    """One that raises in a step is an error with its words, one that succeeds while nothing is done another; one whose
    actions are no joint targets is none."""
    pytest.importorskip("gymnasium")
    assert "divided by nothing" in world_ids("tests.gym_plotter:Raising-v0")["state-readback"]
    assert "success-at-start" in world_ids("tests.gym_plotter:Succeeding-v0")
    assert world_ids("tests.gym_plotter:Relative-v0") == {}


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("state", ["joints", "end_effector"])
def test_an_end_effector_scene_is_held_still(relative: bool, state: StateKind) -> None:
    """Whatever its actions and state are, the doctor knows the action that keeps the hand within a millimetre of where
    it is, and has nothing against the built-in scene; against a world that fails when it is held it has."""
    built_in = Scene.load("so101")
    action = ActionSpec(kind="end_effector", rotation="quaternion", relative=relative, direct=("gripper",))
    scene = Scene(replace(built_in.spec, action=action, state=StateSpec(kind=state)), built_in.path)
    world = MujocoWorld(scene)
    world.reset(0)
    begun, still = world.readings().tip_in_world, at_rest(scene, world)
    for _ in range(30):
        world.step(still)
    assert np.linalg.norm(world.readings().tip_in_world - begun) < 1e-3
    assert list(check_world(try_world(scene, world), scene)) == []
    failed = replace(try_world(scene, world), held=None, complaint="It flew away.")
    assert [each.id for each in check_world(failed, scene)] == ["state-readback"]


def test_nobody_is_sent_to_a_file_that_an_environment_has_not(plotter: Scene) -> None:
    """Advice names the text file of a scene that has one. That of an environment is Whiskers' own and soon gone; one
    that a person wrote for an environment is there to be changed."""
    assert text_file(plotter) == "scene.toml"
    pytest.importorskip("gymnasium")
    made = Scene.load("gym:tests.gym_plotter:Plotter-v0")
    assert "of your own" in text_file(made)
    assert text_file(Scene(replace(made.spec, name="mine"), made.path.with_name("mine.toml"))) == "mine.toml"


def test_actions_that_an_environment_does_not_take_are_told(healthy: Callable[[str], Pair], tmp_path: Path) -> None:
    """Where actions are no joints, training actions far outside what the environment declares are an error, and joints
    are said not to be checked."""
    pair = Pair(tmp_path / "checkpoint", healthy("relative").scene)
    shutil.copytree(healthy("relative").checkpoint, pair.checkpoint)
    options = ("--camera", "above=above")
    assert {each.id for each in found_in(pair, False, *options)} == {"not-joints", "cameras-mapped"}
    give_sane_statistics(pair.checkpoint, {"action": ([0.0, 0.0], [20.0, 30.0])})
    assert {each.id for each in found_in(pair, False, *options) if each.severity != "info"} == {"action-range"}


def test_cameras_that_look_like_their_training_are_not_called_exchanged() -> None:
    """Only where each picture fits the other's training, and clearly, are cameras exchanged; with ImageNet's mean, or
    two alike, nobody can tell."""
    bright, dark, grey = (np.full(3, value) for value in (0.9, 0.4, 0.6))
    shown = {"a": "above", "b": "aside"}

    def found(trained_a: FloatArray, trained_b: FloatArray) -> list[str]:
        colours = {"above": bright, "aside": dark}
        return [each.mend for each in check_pictures(colours, {"a": trained_a, "b": trained_b}, shown)]

    assert len(found(dark, bright)) == 1
    assert found(bright, dark) == []
    assert found(grey, grey) == []
    assert found(bright, grey) == []
    assert found(np.full(3, 0.8), np.full(3, 0.85)) == []


def test_mapped_cameras_are_no_fault_and_are_tried(healthy: Callable[[str], Pair], tmp_path: Path) -> None:
    """Cameras of another name are an error with the option that mends it, and with that option the pair is healthy."""
    pair = copied(healthy("act"), tmp_path / "pair")
    in_model('camera name="above"', 'camera name="overhead"')(pair)
    scene(("cameras.above", "cameras.overhead"))(pair)
    (wrong,) = (each for each in found_in(pair, load=False) if each.severity != "info")
    assert wrong.id == "camera-names"
    assert "--camera above=overhead --camera aside=aside" in wrong.mend
    findings = found_in(pair, True, "--camera", "above=overhead", "--camera", "aside=aside")
    shutil.rmtree(tmp_path / "pair")
    assert troubles(findings) == []
    assert {"cameras-mapped", "deterministic", "latency"} <= {each.id for each in findings}


def test_the_command_prints_one_object_and_its_code(
    healthy: Callable[[str], Pair], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json stdout is one object of the documented form, and the exit code says whether the pair can work."""
    pair = copied(healthy("act"), tmp_path / "pair")
    choice = Doctor(str(pair.checkpoint), str(pair.scene), no_load=True, json=True)
    assert doctor(choice) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "findings": []}
    config(n_action_steps=30)(pair)
    assert doctor(choice) == 1
    told = json.loads(capsys.readouterr().out)
    shutil.rmtree(tmp_path / "pair")
    assert told["ok"] is False
    assert [sorted(each) for each in told["findings"]] == [["evidence", "id", "mend", "severity"]]
    assert "30" in told["findings"][0]["evidence"]
    assert "10" in told["findings"][0]["mend"]


OTHERS = {
    *("weights-verified", "deterministic", "stochastic", "latency", "cameras-mapped", "no-scene", "not-tried"),
    *("joint-names", "not-reproducible", "run-failed", "reset", "does-not-run", "weights-unverified"),
    *("not-joints", "mended", "environment-fails"),
    "train-config-unreadable",
}
"""What else the doctor can say."""


def test_every_finding_is_in_the_documentation() -> None:
    """docs/doctor.md lists each id that the doctor can say, and no other."""
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)`", page, re.MULTILINE)) == {fault.finding for fault in FAULTS} | OTHERS
