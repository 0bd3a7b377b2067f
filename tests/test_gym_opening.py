"""Opening environments: what cannot be opened says why, and a recording opens nothing but what it may."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from recordings.folder import LaneSnippet, open_recording, save
from tests.scripted import Scripted
from viewer_app.gym_environment import Environment
from viewer_app.gym_packages import parse
from viewer_app.headless import open_engine
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, Observation, WhiskersError
from viewer_app.view import Snippet

pytest.importorskip("gymnasium")

SEED = 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("FetchReach-v4?bad", "an option is written KEY=VALUE, with & between two; found 'bad'"),
        ("tests.gym_plotter:Plotter-v0?speed=3", "has no option 'speed'"),
        ("tests.gym_plotter:Unwilling-v0", r"raised in its reset \(RuntimeError: it will not begin.\)"),
        ("tests.gym_plotter:Fresh-v0", "compiles its model anew in each reset"),
        ("MuJoCoPickLift-v1?nonsense=1", "has no option 'nonsense'; it has .*control_mode.*obs_mode"),
        ("MuJoCoPickLift-v1?control_mode=sideways", "cannot be opened .*control_mode must be one of"),
        ("lerobot/nosuch", "There is no environment lerobot/nosuch: LeRobot's types here are aloha, .*metaworld"),
        ("lerobot/metaworld/reach-v3?speed=3", "has no option 'speed'; LeRobot's metaworld has task, fps"),
        ("lerobot/metaworld/nosuch", "cannot be opened .*nosuch"),
        ("lerobot/metaworld/easy", "is 28 tasks .*name it as lerobot/metaworld/TASK"),
        ("lerobot/isaaclab_arena", "cannot be opened .*Refusing to execute remote code"),
    ],
)
def test_what_cannot_be_opened_says_why(name: str, words: str) -> None:
    """A wrong option, type or task, and an environment that raises, are told in one sentence with what there is."""
    if name.startswith("lerobot/metaworld"):
        pytest.importorskip("metaworld")
    if name.startswith("MuJoCo"):
        pytest.importorskip("so101_nexus")
    with pytest.raises(WhiskersError, match=words) as refused:
        Scene.load(f"gym:{name}")
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("gym_aloha/AlohaTransferCube-v0", "gym_aloha", "aloha"),
        ("FetchReach-v4", "gymnasium_robotics", "robotics"),
        ("Meta-World/MT1?env_name=reach-v3", "metaworld", "metaworld"),
        ("gym_hil/PandaPickCubeBase-v0", "gym_hil", "hil"),
        ("lerobot_env_so101/SO101PickCube-v0", "lerobot_env_so101", "so101"),
        ("MuJoCoPickLift-v1", "so101_nexus", "so101"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose package is not installed is told what to install."""
    for each in [each for each in sys.modules if each.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, each)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(WhiskersError, match=rf"needs the package .*pip install 'whiskers-viewer\[{extra}\]'"):
        Environment(name)


def test_options_are_what_they_look_like() -> None:
    """Numbers, truth and text are told apart, and the name stays whole, so that a recording opens the same."""
    asked = parse("some.module:Some/Thing-v0?a=3&b=-0.5&c=true&d=False&e=top&f=")
    assert (asked.module, asked.id, asked.name[:11]) == ("some.module", "Some/Thing-v0", "some.module")
    assert dict(asked.options) == {"a": 3, "b": -0.5, "c": True, "d": False, "e": "top", "f": ""}
    assert type(asked.options["a"]) is int


def test_a_recording_imports_nothing_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording that asks for a module is shown without it, and nothing imports it either for a policy that goes on;
    once a person names it himself, it is imported."""
    folder = _recording(tmp_path)
    _forget_checksums(folder)
    (tmp_path / "whiskers_evil.py").write_text("raise SystemExit('it ran')")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = folder / "scene" / "scene.toml"
    for environment in ("whiskers_evil:Plotter-v0", "whiskers_evil/Plotter-v0"):
        text.write_text(text.read_text().replace(_environment(text), environment))
        scene = open_recording(folder).scene
        assert scene.spec.environment == environment
        open_engine(scene, None, SEED).close()
        with pytest.raises(WhiskersError, match=r"would import the Python module whiskers_evil, .*name it"):
            open_engine(scene, Scripted(scene, _nothing), SEED)
    with pytest.raises(SystemExit, match="it ran"):
        Scene.load(f"gym:{environment}")


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    """The compiled model of a recording is compared with its checksum; where that was taken out, MuJoCo still refuses
    what is not whole."""
    folder = _recording(tmp_path)
    model = folder / "scene" / "model.mjb"
    whole = model.read_bytes()
    for damaged in (whole[:-3], whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]):
        model.write_bytes(damaged)
        with pytest.raises(WhiskersError, match=r"model\.mjb was changed after the recording"):
            open_recording(folder)
    _forget_checksums(folder)
    for damaged in (b"", whole[:-3], bytes(len(whole))):
        model.write_bytes(damaged)
        with pytest.raises(WhiskersError, match=r"Scene model .* does not compile"):
            open_recording(folder)


def _forget_checksums(folder: Path) -> None:
    """As whoever changes a recording can do."""
    manifest = folder / "recording.json"
    table = json.loads(manifest.read_text())
    table["scene"]["sha256"] = {}
    manifest.write_text(json.dumps(table))


def _recording(folder: Path) -> Path:
    scene = Scene.load("gym:tests.gym_plotter:Plotter-v0")
    engine = open_engine(scene, None, SEED)
    save(folder / "recording", scene, [LaneSnippet(Snippet(engine.lanes[0].trace, 0))])
    engine.close()
    return folder / "recording"


def _environment(text: Path) -> str:
    return next(line.split('"')[1] for line in text.read_text().splitlines() if line.startswith("environment = "))


def _nothing(start: int, observation: Observation, seed: int) -> Float32Array:
    return np.zeros((12, 2), np.float32)
