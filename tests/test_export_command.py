"""`whiskers export`: what it writes from recordings, what it refuses, and what it leaves when it is interrupted."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from recordings.folder import LaneSnippet, begin_recording, save
from recordings.manifest import MANIFEST, trace_path
from recordings.trace_file import TraceWriter
from tests.scenes import SPEC, write_scene
from tests.synthetic import Wave
from viewer_app.__main__ import main
from viewer_app.commands import ResetEpisode, SetStops, Step
from viewer_app.export import chosen_overlays
from viewer_app.headless import open_lanes
from viewer_app.scene import Scene
from viewer_app.tiles import lay_out
from viewer_app.tiling import Composer, Moment
from viewer_app.trace import Trace
from viewer_app.types import ImageArray, Policy
from viewer_app.view import Snippet

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[1]
STEPS = 14
SMALL = ("--tile", "64x48")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.load(write_scene(tmp_path_factory.mktemp("scene")))


def recorded(folder: Path, scene: Scene, *policies: Policy, episodes: int = 1, steps: int = STEPS) -> list[Trace]:
    """Record episodes of seeds 3, 4, ..., in a lane for each policy. Returns the last trace of each lane."""
    engine = open_lanes(scene, policies, seed=3)
    engine.send(SetStops(on_outcome=False))
    for number in range(episodes):
        if number:
            engine.send(ResetEpisode(3 + number))
        engine.send(Step(steps))
        while engine.tick():
            pass
    snippets = [
        LaneSnippet(snippet, number)
        for number, lane in enumerate(engine.lanes)
        for snippet in (*lane.earlier, Snippet(lane.trace, len(lane.trace)))
    ]
    engine.close()
    save(folder, scene, snippets, [policy.info for policy in policies])
    return [lane.trace for lane in engine.lanes]


@pytest.fixture(scope="module")
def one(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of one lane with two episodes."""
    folder = tmp_path_factory.mktemp("recordings") / "one"
    recorded(folder, scene, Wave(scene), episodes=2)
    return folder


@pytest.fixture(scope="module")
def two(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of two lanes."""
    folder = tmp_path_factory.mktemp("recordings") / "two"
    recorded(folder, scene, Wave(scene), Wave(scene, noise=6.0).with_name("noisy"))
    return folder


def export(*arguments: str | Path) -> int:
    return main(["export", *map(str, arguments)])


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """The one JSON object on stdout."""
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def pictures(folder: Path) -> list[ImageArray]:
    return [np.asarray(cv2.imread(str(file)), np.uint8)[..., ::-1] for file in sorted(folder.iterdir())]


def left(folder: Path) -> list[str]:
    """Everything there, hidden or not."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_video_has_what_was_said(one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json is one object with the keys of the design, and an independent decoder finds in the file what it says: six
    views in three columns, one picture for each moment, 30 a second."""
    av = pytest.importorskip("av")
    path = tmp_path / "deep" / "a.mp4"
    assert export(one, "--out", path, *SMALL, "--json") == 0
    assert said(capsys) == {
        "file": str(path),
        "frames": STEPS + 1,
        "width": 192,
        "height": 96,
        "fps": 30.0,
        "seconds": pytest.approx((STEPS + 1) / 30),
    }
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 30)
        sizes = {(frame.width, frame.height) for frame in container.decode(video=0)}
        assert sizes == {(192, 96)}
    assert left(tmp_path) == ["deep", "deep/a.mp4"]


def test_what_is_named_is_what_is_drawn(one: Path, scene: Scene, tmp_path: Path) -> None:
    """Cameras, layout, overlays, trace, range and speed of the command line are those of the pictures, to the bit."""
    arguments = ["--cameras", "above", "policy:aside", "--layout", "1x2", "--overlays", "physics", "path"]
    arguments += ["--trace", "episode 1", "--range", "4", "9", "--speed", "2"]
    assert export(one, "--out", tmp_path / "png", *SMALL, *arguments) == 0
    found = pictures(tmp_path / "png")
    (trace,) = recorded(tmp_path / "again", scene, Wave(scene))
    layout = lay_out(scene, ("above", "policy:aside"), "1x2", "64x48", chosen_overlays(("physics", "path")))
    with Composer(scene, layout) as composer:
        expected = [composer.compose([Moment(trace, STEPS, step)]).copy() for step in (4, 6, 8)]
    assert np.array_equal(found, expected)


def test_several_recordings_follow_one_another(one: Path, scene: Scene, tmp_path: Path) -> None:
    """Two recordings in one video are the pictures of the first, then those of the second; all traces, too."""
    recorded(tmp_path / "other", scene, Wave(scene, noise=3.0), steps=5)
    arguments = (*SMALL, "--cameras", "overview")
    assert export(one, tmp_path / "other", "--out", tmp_path / "both", *arguments) == 0
    assert export(one, "--out", tmp_path / "first", *arguments) == 0
    assert export(tmp_path / "other", "--out", tmp_path / "second", *arguments) == 0
    assert np.array_equal(pictures(tmp_path / "both"), [*pictures(tmp_path / "first"), *pictures(tmp_path / "second")])
    assert export(one, "--out", tmp_path / "all", *arguments, "--trace", "all") == 0
    assert len(pictures(tmp_path / "all")) == 2 * (STEPS + 1)


def test_lanes_are_side_by_side(two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recording of two lanes becomes a video twice as wide, whose halves are what each lane is alone."""
    arguments = (*SMALL, "--cameras", "overview", "top", "--overlays", "none")
    assert export(two, "--out", tmp_path / "both", *arguments, "--json") == 0
    assert said(capsys)["width"] == 4 * 64
    both = np.array(pictures(tmp_path / "both"))
    halves = {}
    for letter in "AB":
        assert export(two, "--out", tmp_path / letter, *arguments, "--lanes", letter) == 0
        halves[letter] = np.array(pictures(tmp_path / letter))
    assert np.array_equal(both[:, :, :128], halves["A"])
    assert np.array_equal(both[:, :, 128:], halves["B"])
    assert not np.array_equal(halves["A"], halves["B"])


def test_a_zip_file_is_the_recording(one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recording packed into one file shows the same, to the bit."""
    packed = tmp_path / "handed on.zip"
    assert export(one, "--out", packed, "--json") == 0
    assert said(capsys) == {"file": str(packed), "bytes": packed.stat().st_size}
    for name, source in (("folder", one), ("file", packed)):
        assert export(source, "--out", tmp_path / name, *SMALL, "--cameras", "overview") == 0
    assert np.array_equal(pictures(tmp_path / "folder"), pictures(tmp_path / "file"))


def test_a_table_holds_the_columns_named(two: Path, scene: Scene, tmp_path: Path) -> None:
    """A CSV file has a row for each moment of the lane named and the columns asked for, with the recorded numbers."""
    arguments = ("--lanes", "B", "--columns", "step", "action/pitch")
    assert export(two, "--out", tmp_path / "t.csv", *arguments) == 0
    _, trace = recorded(tmp_path / "again", scene, Wave(scene), Wave(scene, noise=6.0).with_name("noisy"))
    with (tmp_path / "t.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["step", "action/pitch [deg]"]
    assert [row[0] for row in rows] == [str(step) for step in range(STEPS + 1)]
    actions = np.array([np.float32(row[1]) for row in rows[:-1]])
    assert np.array_equal(actions, np.asarray(trace.column("action"))[:, 1])
    assert rows[-1][1] == "", "at the last moment nothing was executed yet"


def test_for_rerun(one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A Rerun recording of the trace is written where Rerun is installed."""
    pytest.importorskip("rerun")
    assert export(one, "--out", tmp_path / "a.rrd", "--trace", "episode 1", "--json") == 0
    assert said(capsys) == {"file": str(tmp_path / "a.rrd"), "trace": "episode 1", "steps": STEPS}
    assert (tmp_path / "a.rrd").read_bytes().startswith(b"RRF")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "a.mp4"], "export takes one or more recordings"),
        (["ONE"], "--out FILE, or a dataset, --dataset ROOT"),
        (["ONE", "--out", "OUT/a.mp4", "--dataset", "OUT/set"], "give one of them"),
        (["nowhere", "--out", "OUT/a.mp4"], "nowhere is not a recording"),
        (["ONE", "--out", "OUT/a.avi"], ".avi is not written here"),
        (["ONE", "--out", "OUT/a.mp4", "--columns", "time"], "--columns says nothing about a video"),
        (["ONE", "--out", "OUT/a.csv", "--range", "1", "2"], "--range says nothing about a table"),
        (["ONE", "--out", "OUT/a.zip", "--trace", "all"], "--trace says nothing about a recording"),
        (["ONE", "--dataset", "OUT/set", "--cameras", "top"], "--cameras says nothing about a dataset"),
        (["ONE", "--out", "OUT/a.mp4", "--range", "5", "5"], "has no length"),
        (["ONE", "--out", "OUT/a.mp4", "--range", "5", "99"], "does not lie in episode 2, which has 0..14"),
        (["ONE", "--out", "OUT/a.mp4", "--tile", "65x48"], "must be an even number"),
        (["ONE", "--out", "OUT/a.mp4", "--tile", "wide"], "'wide' is no tile size"),
        (["ONE", "--out", "OUT/a.mp4", "--layout", "1x2"], "has 2 places; 6 views were named"),
        (["ONE", "--out", "OUT/a.mp4", "--cameras", "moon"], "There is no camera 'moon'"),
        (["ONE", "--out", "OUT/a.mp4", "--overlays", "halo"], "There is no overlay 'halo'"),
        (["ONE", "--out", "OUT/a.mp4", "--strips", "news"], "There is no strip 'news'"),
        (["ONE", "--out", "OUT/a.mp4", "--trace", "episode 9"], "there are episode 1, episode 2"),
        (["ONE", "--out", "OUT/a.mp4", "--lanes", "B"], "There is no lane 2"),
        (["ONE", "--out", "OUT/a.mp4", "--lanes", "left"], "--lanes takes letters"),
        (["ONE", "--out", "OUT/a.mp4", "--speed", "0"], "speed must be between"),
        (["ONE", "--out", "OUT/a.gif", "--fps", "60"], "60 pictures a second"),
        (["ONE", "TWO", "--out", "OUT/a.mp4"], "different numbers of lanes"),
        (["ONE", "OTHER", "--out", "OUT/a.mp4"], "is of another scene"),
        (["ONE", "--out", "OUT/taken/a.mp4"], "taken/a.mp4 exists already"),
        (["ONE", "--out", "OUT/taken/a.csv"], "taken/a.csv is there already"),
        (["ONE", "--out", "OUT/taken/a.mp4/b.mp4"], "cannot be written"),
        (["ONE", "--out", "OUT/taken/a.mp4/b.zip"], "cannot be written"),
        (["TWO", "--out", "OUT/a.csv"], "holds one episode of one lane"),
        (["ONE", "--out", "OUT/a.csv", "--columns", "luck"], "There is no column 'luck'"),
        (["ONE", "TWO", "--out", "OUT/a.zip"], "holds one recording; 2 were named"),
        (["ONE", "--dataset", "OUT/set", "--successes-only"], "no successful episode"),
        (["ONE", "--dataset", "OUT/set", "--episodes-named", "episode 7"], "no episode 'episode 7'"),
        (["ONE", "OTHER", "--dataset", "OUT/set"], "other joints, cameras or control rate"),
        (["ONE", "--dataset", "OUT/taken", "--force"], "is not a dataset, so it is not replaced"),
        (["TORN", "--out", "OUT/a.mp4"], "trace-0001.wtr"),
        (["NEWER", "--out", "OUT/a.mp4"], "newer Whiskers"),
        (["CUT.zip", "--out", "OUT/a.mp4"], "not a whole zip file"),
    ],
)
def test_bad_input_is_told_in_one_line(
    arguments: list[str],
    words: str,
    one: Path,
    two: Path,
    scene: Scene,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be exported ends with exit code 2 and one line on stderr, and what is on the disk stays as it was."""
    out = tmp_path / "out"
    (out / "taken").mkdir(parents=True)
    for name in ("a.mp4", "a.csv"):
        (out / "taken" / name).write_text("kept")
    places = {"ONE": one, "TWO": two, "OUT": out} | bad_recordings(tmp_path, scene, one, arguments)
    capsys.readouterr()
    before = left(out)
    names = re.compile("|".join(rf"\b{name}\b" for name in sorted(places, key=len, reverse=True)))
    filled = [names.sub(lambda found: str(places[found.group()]), each) for each in arguments]
    assert export(*filled) == 2
    told, complaint = capsys.readouterr()
    assert told == ""
    assert re.fullmatch(r"whiskers: [^\n]+\n", complaint), complaint
    assert words in complaint
    assert left(out) == before
    assert {(out / "taken" / name).read_text() for name in ("a.mp4", "a.csv")} == {"kept"}


def bad_recordings(folder: Path, scene: Scene, good: Path, wanted: list[str]) -> dict[str, Path]:
    """Recordings that are not what they should be, as far as they are wanted."""
    found: dict[str, Path] = {name: folder / name for name in ("OTHER", "TORN", "NEWER", "CUT.zip") if name in wanted}
    if "OTHER" in found:
        other = Scene.load(write_scene(folder / "scene", SPEC.replace("width = 32", "width = 36")))
        recorded(found["OTHER"], other, Wave(other))
    if "TORN" in found:
        recorded(found["TORN"], scene, Wave(scene))
        trace = found["TORN"] / "trace-0001.wtr"
        trace.write_bytes(trace.read_bytes()[:40])
    if "NEWER" in found:
        recorded(found["NEWER"], scene, Wave(scene))
        manifest = json.loads((found["NEWER"] / MANIFEST).read_text())
        (found["NEWER"] / MANIFEST).write_text(json.dumps(manifest | {"version": 99}))
    if "CUT.zip" in found:
        assert export(good, "--out", found["CUT.zip"]) == 0
        found["CUT.zip"].write_bytes(found["CUT.zip"].read_bytes()[:-100])
    return found


def test_what_a_torn_recording_holds_is_exported(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a recording whose end is torn, what can be read is exported, and one line says how much that is."""
    (trace,) = recorded(tmp_path / "whole", scene, Wave(scene))
    begin_recording(tmp_path / "torn", scene, [])
    file = trace_path(tmp_path / "torn", 1)
    writer = TraceWriter(file, trace, 0)
    for steps in (9, STEPS):
        writer.catch_up(steps)
    writer.close()
    file.write_bytes(file.read_bytes()[:-10])
    assert export(tmp_path / "torn", "--out", tmp_path / "png", *SMALL, "--cameras", "top") == 0
    (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith("whiskers: ")]
    assert "9 steps were recovered" in line
    assert len(pictures(tmp_path / "png")) == 10


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True])
def test_interrupting_an_export(scene: Scene, tmp_path: Path, kept: bool) -> None:
    """Ctrl-C ends an export with exit code 1 and nothing left behind; with --keep-partial, with the pictures up to
    there under the name asked for."""
    recorded(tmp_path / "long", scene, Wave(scene), steps=400)
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-m", "viewer_app", "export", str(tmp_path / "long"), "--out", str(out / "png")]
    with subprocess.Popen(
        [*command, *(["--keep-partial"] if kept else [])], stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        while len(list(out.rglob("*.png"))) < 5:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in complaint
    if not kept:
        assert f"Interrupted; nothing was left at {out / 'png'}" in complaint
        assert left(out) == []
        return
    found = pictures(out / "png")
    assert f"Interrupted after {len(found)} of 401 pictures" in complaint
    assert 5 <= len(found) < 401
    assert {image.shape for image in found} == {(720, 1920, 3)}
    assert left(out)[0] == "png"
