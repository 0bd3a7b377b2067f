"""The command line: what it prints, where, and how it ends."""

from __future__ import annotations

import csv
import json
import math
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from recordings.folder import open_recording
from tests.scenes import SPEC, write_scene
from viewer_app.__main__ import main
from viewer_app.blinding import STATE, Blind
from viewer_app.chunking import OverlapBlend
from viewer_app.summary import EpisodeResult, Summary, wilson95

ROOT = Path(__file__).parents[1]
STEPS = 60
"""Length of an episode of the small scene that nothing is achieved in."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ACT with random weights that fits the small scene."""
    from tests.checkpoints import build_act

    cameras = {"above": (24, 32), "aside": (24, 32)}
    return build_act(tmp_path_factory.mktemp("checkpoint") / "small", cameras=cameras, n_state=2, n_action=2)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "demo, view, run, compare, export, doctor, scene, bench"),
        (["fly"], "fly"),
        (["run"], "CHECKPOINT"),
        (["run", "x", "--episodes", "many"], "--episodes"),
        (["run", "x", "--episodes", "0"], "--episodes must be at least 1"),
        (["run", "x", "--overlap-blend", "4"], "--overlap-blend"),
        (["run", "x", "--n-action-steps", "2", "--temporal-ensemble", "0.1"], "exclude each other"),
        (["run", "x", "--n-action-steps", "2", "--overlap-blend", "4", "2"], "--n-action-steps and --overlap-blend"),
        (["run", "x", "--temporal-ensemble", "0.1", "--overlap-blend", "4", "2"], "exclude each other"),
        (["run", "x", "--denoising-steps", "0"], "--denoising-steps must be 1 to 100; found 0"),
        (["run", "x", "--temporal-ensemble", "nan"], "--temporal-ensemble must be finite"),
        (["run", "x", "--prompt", " "], "--prompt needs words"),
        (["run", "x", "--samples", "-1"], "--samples must be 0 or more"),
        (["run", "x", "--overlays", "whisker"], "give --film too"),
        (["run", "x", "--speed", "2"], "--speed"),
        (["run", "x", "--successes-only"], "give --save-dataset ROOT too"),
        (["run", "x", "--save-dataset", "tests"], "tests exists already"),
        (["run", "x", "--stride", "2", "--joint", "a=b"], "--stride is about an evaluation"),
        (["run", "x", "--on-dataset", "y", "--film", "--episodes", "3"], "--episodes, --film is about episodes"),
        (["run", "x", "--on-dataset", "y", "--stride", "0"], "--stride must be at least 1, found 0"),
        (["run", "x", "--on-dataset", "y", "--episode-indices", "1", "1"], "names an episode twice"),
        (["run", "x", "--on-dataset", "no/such"], "no/such"),
        (["run", "x", "--scene", "moon"], "so101"),
        (["run", "x", "--start", "no/such.toml"], "no/such.toml cannot be read"),
        (["run", "x", "--on-dataset", "y", "--start", "a.toml"], "--start is about episodes"),
        (["compare", "x", "y", "--episodes", "1", "--start", "README.md"], "README.md are not valid TOML"),
        (["run", "no/such/folder/at/all"], "no/such/folder/at/all"),
        (["demo", "--headless", "--policy", "demo:none"], "demo:none"),
        (["compare"], "compare takes 2 to 8 policies, found 0"),
        (["compare", "demo:act", "--episodes", "2"], "compare takes 2 to 8 policies, found 1"),
        (["compare", "demo:act", "demo:act", "--episodes", "0"], "--episodes must be at least 1, found 0"),
        (["compare", "demo:act", "demo:act", "--json"], "--json is about paired episodes"),
        (["compare", "demo:act", "demo:act", "--out", "x"], "--out is about paired episodes"),
        (["compare", "demo:act", "demo:act@speed=2"], "demo:act@speed=2: there is no setting 'speed'"),
        (["compare", "demo:act", "demo:act", "--episodes", "1", "--scene", "moon"], "so101"),
        (["compare", "demo:act", "demo:none", "--episodes", "1"], "demo:none"),
        (["bench", "--only", "luck"], "luck"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong usage and unreadable input end with exit code 2 and one line on stderr that names what is wrong."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"whiskers: [^\n]+\n", err)
    assert said in err


@pytest.mark.core
def test_help_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """--help prints the commands that work, to stdout, and nothing else happens."""
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    out, err = capsys.readouterr()
    assert "{demo,view,run,compare,export,doctor,scene,bench}" in out
    assert err == ""


@pytest.mark.core
def test_help_comes_at_once() -> None:
    """`--help` is answered without importing anything that takes long: less than a second even on a busy machine."""
    command = [sys.executable, "-X", "importtime", "-m", "viewer_app", "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    imported = {line.rsplit("|", 1)[1].strip() for line in ran.stderr.splitlines() if "|" in line}
    assert not imported & {"mujoco", "torch", "lerobot", "dearpygui", "cv2", "scipy", "matplotlib"}


@pytest.mark.slow
def test_run(checkpoint: Path, scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`run --json` prints one JSON object with the keys of the design; each recording holds the episode it names."""
    arguments = ["run", str(checkpoint), "--scene", str(scene), "--episodes", "2", "--seed", "5", "--json"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    said = json.loads(out)
    assert list(said) == [
        "policy",
        "scene",
        "seed",
        "episodes",
        "successes",
        "success_rate",
        "wilson95",
        "latency_ms",
    ]
    assert (said["policy"], said["scene"], said["seed"]) == ("small", "plotter", 5)
    assert list(said["latency_ms"]) == ["median", "p95"]
    assert said == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [episode["seed"] for episode in said["episodes"]] == [5, 6]
    with (tmp_path / "out" / "episodes.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(int(row["seed"]), row["outcome"], int(row["steps"])) for row in table] == [
        (episode["seed"], episode["outcome"], episode["steps"]) for episode in said["episodes"]
    ]
    for episode in said["episodes"]:
        ((trace,),) = open_recording(Path(episode["recording"])).lanes
        assert (trace.seed, len(trace)) == (episode["seed"], episode["steps"])
        assert trace.outcome(len(trace)) == episode["outcome"]

    assert main([*arguments, "--out", str(tmp_path / "again")]) == 0
    for seed in (5, 6):
        ((first,),) = open_recording(tmp_path / "out" / f"seed-{seed}").lanes
        ((second,),) = open_recording(tmp_path / "again" / f"seed-{seed}").lanes
        assert first.same_as(second), "the same seeds give the same episodes, to the bit"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "arrivals"),
    [
        (["--n-action-steps", "4"], range(0, STEPS, 4)),
        (["--temporal-ensemble", "0.01"], range(STEPS)),
        (["--overlap-blend", "5", "3"], range(0, STEPS, 5)),
        (["--n-action-steps", "6", "--delay", "3"], range(0, STEPS, 6)),
    ],
)
def test_run_in_another_mode(
    checkpoint: Path, scene: Path, tmp_path: Path, mode: list[str], arrivals: Sequence[int]
) -> None:
    """The execution mode of the command line is the one that is executed."""
    assert main(["run", str(checkpoint), "--scene", str(scene), "--episodes", "1", "--out", str(tmp_path), *mode]) == 0
    ((trace,),) = open_recording(tmp_path / "seed-1000").lanes
    assert len(trace) == STEPS
    assert [chunk.arrived for chunk in trace.chunks] == list(arrivals)
    assert {chunk.delay for chunk in trace.chunks[1:]} == {3 if "--delay" in mode else 0}
    if "--overlap-blend" in mode:
        assert trace.settings_at(0).chunking == OverlapBlend(5, 3)
        old, new = trace.chunks[1:3]
        share = np.arange(1, 4)[:, None] / 4
        expected = (1 - share) * old.actions[5:8] + share * new.actions[:3]
        np.testing.assert_allclose(np.asarray(trace.column("action"))[10:13], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_run_blinded_sampled_and_filmed(checkpoint: Path, tmp_path: Path) -> None:
    """What the command line blinds is blinded in every episode from its first step, the samples that it asks for are
    recorded with each call, and each episode's video has a picture for each of its moments, with the overlays asked for
    and no others."""
    scene = write_scene(tmp_path / "scene", SPEC.replace("max_steps = 60", "max_steps = 12"))
    arguments = ["run", str(checkpoint), "--scene", str(scene), "--episodes", "2", "--samples", "3", "--film"]
    arguments += ["--blind", "above=black", "state=mean"]
    assert main([*arguments, "--out", str(tmp_path / "all"), "--overlays", "whisker", "samples", "physics"]) == 0
    assert main([*arguments, "--out", str(tmp_path / "path"), "--overlays", "path"]) == 0
    for seed in (1000, 1001):
        ((trace,),) = open_recording(tmp_path / "all" / f"seed-{seed}").lanes
        blinding = trace.settings_at(0).blinding
        assert {name: each.mode for name, each in blinding.items()} == {"above": Blind.BLACK, STATE: Blind.MEAN}
        assert all(chunk.extras["samples"].shape == (3, 10, 2) for chunk in trace.chunks)
        shown, plain = (pictures_of(tmp_path / name / f"seed-{seed}.mp4") for name in ("all", "path"))
        assert len(shown) == len(plain) == len(trace) + 1 == 13
        # The physics whisker is the only thing in the scene that is cyan.
        cyan = [int(((p[..., 0] > 150) & (p[..., 1] > 150) & (p[..., 2] < 90)).sum()) for p in (shown[6], plain[6])]
        assert cyan[0] > 20 > cyan[1]


def pictures_of(path: Path) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """All pictures of a video, BGR."""
    video = cv2.VideoCapture(str(path))
    found = []
    while (read := video.read())[0]:
        found.append(np.asarray(read[1], np.uint8))
    video.release()
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (["--n-action-steps", "11"], "must be 1 to 10"),
        (["--overlap-blend", "0", "0"], "needs an ADVANCE of 1 or more"),
        (["--overlap-blend", "4", "5"], "an OVERLAP of 0 to ADVANCE"),
        (["--overlap-blend", "6", "5"], "within 10, the chunk size of small"),
        (["--overlap-blend", "6", "3", "--delay", "2"], "found 6 and 3 with delay 2"),
        (["--delay", "10"], "--delay must be 0 to 9"),
        (["--delay", "-1"], "--delay must be 0 to 9"),
        (["--blind", "moon=black"], "a name of above, aside, state"),
        (["--blind", "above=grey"], "a mode of black, mean, noise, frozen; found 'above=grey'"),
        (["--blind", "above"], "--blind takes NAME=MODE"),
        (["--film", "--overlays", "halo"], "--overlays takes whisker, ghosts, path, physics"),
        (["--film", "--overlays", "inputs"], "found 'inputs'"),
        (["--film", "--overlays", "samples"], "give --samples N too"),
        (["--film", "--overlays", "ensemble"], "give --temporal-ensemble C too"),
        (["--denoising-steps", "4"], "--denoising-steps needs a policy that denoises; small (act) does not"),
        (["--rtc", "5"], "--rtc needs a flow-matching policy"),
        (["--prompt", "push"], "--prompt would change nothing"),
        (["--film", "--overlays", "guidance"], "give --rtc HORIZON too"),
        (["--film", "--overlays", "denoising"], "found 'denoising'"),
        (["--scene", "so101"], "has 2 state dimensions; scene so101 has 6 joints"),
    ],
)
def test_run_refuses_what_cannot_work(
    checkpoint: Path, scene: Path, mode: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mode or a scene that the checkpoint cannot run with is refused before anything is written."""
    assert main(["run", str(checkpoint), "--scene", str(scene), *mode]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.slow
def test_interrupting_a_run_keeps_what_was_done(checkpoint: Path, scene: Path, tmp_path: Path) -> None:
    """Ctrl-C ends a batch with exit code 1, a summary of the complete episodes, and their recordings."""
    command = [sys.executable, "-m", "viewer_app", "run", str(checkpoint), "--scene", str(scene), "--json"]
    command += ["--episodes", "500", "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        while not (tmp_path / "out" / "seed-1002").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 1
    said = json.loads(out)
    assert 2 <= len(said["episodes"]) < 500
    assert all(open_recording(Path(episode["recording"])).lanes for episode in said["episodes"])
    assert f"Interrupted after {len(said['episodes'])} of 500 episodes" in err
    assert "Traceback" not in err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there always is a display")
@pytest.mark.parametrize("display", ["", ":4321"])
def test_a_display_that_does_not_answer(
    display: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a display, or with one that no server answers for, `view` and `compare` say so in one sentence that names
    what works without one, and end with 2."""
    monkeypatch.setenv("DISPLAY", display)
    for arguments, instead in ((["view", "demo:act"], "run"), (["compare", "demo:act", "demo:pi0"], "--episodes N")):
        assert main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "no display" in line
        assert instead in line


@pytest.mark.slow
def test_demo_without_a_window(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The demo without a display leaves a recording, a screenshot and a video of every moment of the episode."""
    scene = write_scene(tmp_path / "scene", SPEC.replace("max_steps = 60", "max_steps = 20"))
    arguments = ["demo", "--headless", "--policy", str(checkpoint), "--scene", str(scene), "--out", str(tmp_path / "d")]
    assert main(arguments) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:])
    ((trace,),) = open_recording(Path(said["recording"])).lanes
    video = cv2.VideoCapture(said["video"])
    assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (960, 540)
    assert video.get(cv2.CAP_PROP_FPS) == 30
    pictures = 0
    while video.read()[0]:
        pictures += 1
    video.release()
    assert pictures == len(trace) + 1 == 21
    assert Path(said["screenshot"]).read_bytes().startswith(b"\x89PNG")


@pytest.mark.core
@pytest.mark.parametrize(("successes", "count"), [(0, 1), (1, 1), (41, 50), (50, 50), (0, 50)])
def test_wilson(successes: int, count: int) -> None:
    """The interval is Wilson's: the p at which the observed rate is 1.96 standard errors of p away."""
    low, high = wilson95(successes, count)
    z, rate = 1.959963984540054, successes / count
    centre = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    assert np.allclose((low, high), (centre - half, centre + half), atol=1e-12)


@pytest.mark.core
def test_a_summary_of_nothing_claims_nothing() -> None:
    """Before the first episode is complete there is no rate, no interval and no latency."""
    said = Summary("p", "s", 0, ()).to_plain()
    assert (said["successes"], said["success_rate"], said["wilson95"], said["latency_ms"]) == (0, None, None, None)
    one = Summary("p", "s", 0, (EpisodeResult(0, "success", True, 3, "r", (0.01, 0.03)),)).to_plain()
    assert one["latency_ms"] == {"median": pytest.approx(20.0), "p95": pytest.approx(29.0)}
