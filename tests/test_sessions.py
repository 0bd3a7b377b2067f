"""Sessions that are handed on: one zip file, whatever happened to it on the way, and what is known of earlier ones."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recordings.archive import pack
from recordings.blocks import Block, read_blocks
from recordings.blocks import pack as pack_block
from recordings.folder import Recording, begin_recording, is_recording, open_recording, save, save_zip, snippets_of
from recordings.manifest import trace_path, trace_paths
from recordings.recent import MOST, RecentFiles
from recordings.recorder import Recorder
from recordings.trace_file import RecordingError, TraceWriter
from recordings.unfinished import MARKER, settle, unfinished
from tests.damage import damaged, edit_blocks, edit_json, within
from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.blinding import Blind
from viewer_app.commands import Bookmark, Fork, ResetEpisode, SetBlinding, SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.render import Viewport
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import WhiskersError
from viewer_app.view import View

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.load(write_scene(tmp_path_factory.mktemp("scene")))


@pytest.fixture(scope="module")
def view(scene: Scene) -> Iterator[View]:
    """Two episodes and a branch, with an input blinded and two bookmarks."""
    engine = open_engine(scene, Wave(scene, noise=0.5), seed=3)
    for command in (
        SetStops(on_outcome=False),
        Step(9),
        SetBlinding("aside", Blind.FROZEN),
        Step(6),
        Bookmark("episode 1", 4, "it hesitates"),
        ResetEpisode(5),
        Step(7),
        Fork("episode 2", 3),
        Step(2),
        Bookmark("episode 2", 7, "and here it does not"),
    ):
        engine.send(command)
        while engine.tick():
            pass
    yield engine.view()
    engine.close()


@pytest.fixture
def folder(view: View, tmp_path: Path) -> Path:
    """The session as a recorder leaves it: each trace in many pieces."""
    folder = tmp_path / "recording"
    begin_recording(folder, view.scene, ())
    for number, each in enumerate(snippets_of(view), start=1):
        writer = TraceWriter(trace_path(folder, number), each.snippet.trace)
        for length in (*range(0, each.snippet.length, 3), each.snippet.length):
            writer.catch_up(length)
        writer.close()
    return folder


def traces_of(recording: Recording) -> list[Trace]:
    return [trace for traces in recording.lanes for trace in traces]


def truth(view: View) -> dict[str, Trace]:
    return {each.snippet.trace.name: each.snippet.trace for each in snippets_of(view)}


def equal(recording: Recording, view: View) -> bool:
    known, opened = truth(view), traces_of(recording)
    return len(opened) == len(known) and all(
        each.same_as(known[each.name]) and each.events == known[each.name].events for each in opened
    )


# One file.


def test_a_zip_file_is_the_whole_session(scene: Scene, tmp_path: Path) -> None:
    """On a machine without the checkpoint and without the scene, one file replays everything: each step, what was set,
    bookmarks, and the policy's pictures to the bit; and it says by path and hash which checkpoint it was."""
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    policy = Wave(scene, noise=0.5)
    policy._info = replace(policy.info, source=str(checkpoint), digest="sha256:abc")
    own = Scene.load(write_scene(tmp_path / "own"))
    engine = open_engine(own, policy, seed=3)
    for command in (SetStops(on_outcome=False), Step(4), SetBlinding("aside", Blind.FROZEN), Step(4)):
        engine.send(command)
        while engine.tick():
            pass
    engine.send(Bookmark("episode 1", 2, "look at the wrist"))
    engine.tick()
    trace = engine.lanes[0].trace
    with Viewport(own) as viewport:
        saw = {step: viewport.seen(trace, step) for step in (0, 6)}
    save_zip(tmp_path / "shared.zip", own, snippets_of(engine.view()), [policy.info])
    engine.close()
    checkpoint.rmdir()
    shutil.rmtree(tmp_path / "own")

    assert is_recording(tmp_path / "shared.zip")
    opened = open_recording(tmp_path / "shared.zip")
    ((found,),) = opened.lanes
    assert found.same_as(trace)
    assert found.bookmarks == {2: "look at the wrist"}
    assert [(info.source, info.digest) for info in opened.policies] == [(str(checkpoint), "sha256:abc")]
    with Viewport(opened.scene) as viewport:
        for step, pictures in saw.items():
            shown = viewport.seen(found, step)
            assert all(np.array_equal(shown[name], pictures[name]) for name in ("above", "aside"))


def test_packing_leaves_nothing_behind_and_takes_nothing_along(folder: Path, view: View, tmp_path: Path) -> None:
    """A zip file has its name only once it is whole, is not written over unless that is asked for, and holds nothing
    but the recording; progress is told until all is done."""
    (folder / "private.txt").write_text("not part of it")
    (folder / MARKER).write_text("1")
    path = tmp_path / "shared" / "session.zip"
    told: list[float] = []
    pack(folder, path, report=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    with zipfile.ZipFile(path) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {
            "recording.json",
            "scene",
            *(each.name for each in trace_paths(folder)),
        }
    assert equal(open_recording(path), view)

    before = path.read_bytes()
    with pytest.raises(RecordingError, match="is there already"):
        pack(folder, path)

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(folder, path, force=True, report=stop)
    assert path.read_bytes() == before
    pack(folder, path, force=True)
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(RecordingError, match="is not a recording"):
        pack(tmp_path, tmp_path / "nothing.zip")
    assert not (tmp_path / "nothing.zip").exists()


def test_a_folder_zipped_by_hand_opens_too(folder: Path, view: View, tmp_path: Path) -> None:
    """What a file manager makes of a recording's folder, with the folder itself in it and strange files beside it, is
    the same recording."""
    with zipfile.ZipFile(tmp_path / "by hand.ZIP", "w") as archive:
        archive.writestr("__MACOSX/._recording.json", "{}")
        archive.mkdir("my session")
        for each in sorted(folder.rglob("*")):
            archive.write(each, Path("my session") / each.relative_to(folder))
    assert equal(open_recording(tmp_path / "by hand.ZIP"), view)


def add(name: str, content: bytes | str = b"x", compress: int = zipfile.ZIP_STORED) -> Callable[[Path, Path], None]:
    def change(folder: Path, path: Path) -> None:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, content, compress)

    return change


def bomb(folder: Path, path: Path) -> None:
    """Shrinks about a thousandfold, as no trace does."""
    deflated = zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1)
    with deflated as archive, archive.open("trace-0009.wtr", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))


def understate(folder: Path, path: Path) -> None:
    """Say in the directory that a file of the scene is shorter than it is."""
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("scene/plotter.xml")
    at = content.rindex(b"PK\x01\x02", 0, content.rindex(b"scene/plotter.xml"))
    assert int.from_bytes(content[at + 24 : at + 28], "little") == member.file_size
    path.write_bytes(content[: at + 24] + (100).to_bytes(4, "little") + content[at + 28 :])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (add("../outside.txt"), "would be written outside its folder"),
        (add("scene/../../outside.txt"), "would be written outside its folder"),
        (add("/outside.txt"), "would be written outside its folder"),
        (add("scene\\..\\..\\outside.txt"), "would be written outside its folder"),
        (add("C:outside.txt"), "would be written outside its folder"),
        (add("recording.json", "{}"), "twice"),
        (add("scene/packed.bin", b"x" * 99, zipfile.ZIP_LZMA), "packed in a way not read here"),
        (bomb, "no recording of its size does"),
        (understate, "not a whole zip file"),
        (lambda folder, path: os.truncate(path, path.stat().st_size // 2), "not a whole zip file"),
        (lambda folder, path: path.write_bytes(b""), "not a whole zip file"),
        (lambda folder, path: zipfile.ZipFile(path, "w").close(), "holds no recording.json"),
    ],
)
def test_a_hostile_zip_file_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path, Path], None], sentence: str
) -> None:
    """A zip file that would write outside its folder or fill the disk, or that is damaged, is refused in one sentence,
    and nothing of it stays."""
    path = tmp_path / "session.zip"
    pack(folder, path)
    change(folder, path)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with within(5.0), pytest.raises(RecordingError, match=sentence) as refused:
        open_recording(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.rglob("outside.txt"))
    assert not [each for each in temporary.rglob("*") if each.is_file()]


def test_a_scene_edited_afterwards_is_refused(folder: Path, view: View) -> None:
    """A recording whose scene was changed would show what never was, so it says so; who wants it all the same can."""
    model = folder / "scene" / "plotter.xml"
    model.write_text(model.read_text().replace(".8 .1 .1 1", ".1 .8 .1 1"))
    with pytest.raises(RecordingError, match=r"scene/plotter.xml was changed after the recording"):
        open_recording(folder)
    manifest = json.loads((folder / "recording.json").read_text())
    del manifest["scene"]["sha256"]["scene/plotter.xml"]
    (folder / "recording.json").write_text(json.dumps(manifest))
    assert equal(open_recording(folder), view)


@pytest.mark.parametrize("name", ["../secret.toml", "/etc/hostname", "recording.json", "scene/../../x", ""])
def test_a_manifest_names_nothing_outside_the_recording(folder: Path, name: str) -> None:
    """A recording from elsewhere cannot have a file read that is not its own."""
    manifest = json.loads((folder / "recording.json").read_text())
    manifest["scene"]["file"] = name
    (folder / "recording.json").write_text(json.dumps(manifest))
    with pytest.raises(RecordingError, match="which is not in scene/"):
        open_recording(folder)


# Damage.


def opened_or_told(path: Path) -> Recording | None:
    """Open a recording; None where one sentence says why not. Anything else fails the test, a wait included."""
    sentence = ""
    with within(5.0):
        try:
            return open_recording(path)
        except WhiskersError as error:
            sentence = str(error)
    assert sentence
    assert "\n" not in sentence
    return None


def looked_at_everywhere(trace: Trace) -> None:
    """Ask a trace all that a viewer asks it."""
    for step in range(len(trace) + 1):
        trace.phase(step)
        trace.outcome(step)
        trace.settings_at(step)
        trace.plan(step)
        trace.is_due(step)
        trace.observed_at(step)
        trace.chunks_before(step, 3)
    assert list(trace.bookmarks) == sorted(trace.bookmarks)
    assert all(0 <= event.step <= len(trace) for event in trace.events)


def test_damaged_files_give_a_prefix_or_a_sentence(folder: Path, view: View, tmp_path: Path) -> None:
    """However any file of a recording is cut off or changed, opening it gives each trace as far as it is whole, to the
    bit, and says what is missing, or ends in one sentence; never anything else, and at once."""
    pack(folder, tmp_path / "session.zip")
    known = truth(view)
    files = [each for each in sorted(folder.rglob("*")) if each.is_file()]
    contents = {path: path.read_bytes() for path in (*files, tmp_path / "session.zip")}
    opened = refused = 0
    for case in range(400):
        rng = np.random.default_rng(case)
        path = list(contents)[case % len(contents)]
        path.write_bytes(damaged(contents[path], rng))
        recording = opened_or_told(folder if path in files else path)
        if recording is None:
            refused += 1
        else:
            opened += 1
            traces = traces_of(recording)
            whole = [len(each) == len(known[each.name]) for each in traces]
            for each in traces:
                assert each.same_as(known[each.name].fork(len(each), each.name)), (case, path)
            assert recording.notes or (all(whole) and len(traces) == len(known)), (case, path)
        path.write_bytes(contents[path])
    assert opened > 40, "much of a damaged recording can still be read"
    assert refused > 40
    assert equal(open_recording(folder), view)


@pytest.mark.parametrize("name", ["snapshot", "state", "tip", "action", "0.actions"])
def test_a_block_of_another_width_ends_the_reading(folder: Path, view: View, name: str) -> None:
    """A block whose arrays are narrower than those before is not believed, whatever its checksum says; what stood
    before it is."""
    path = trace_path(folder, 1)
    blocks = [each for each in read_blocks(path.read_bytes()) if isinstance(each, Block)]
    at = next(number for number, block in enumerate(blocks) if number > 2 and name in block.arrays)
    narrow = dict(blocks[at].arrays)
    for each in (name, "0.model_actions") if name == "0.actions" else (name,):
        narrow[each] = narrow[each][:, :-1]
    frames = [pack_block(block.header, narrow if number == at else block.arrays) for number, block in enumerate(blocks)]
    path.write_bytes(b"".join(frames))
    recording = open_recording(folder)
    (first, *_) = traces_of(recording)
    assert 0 < len(first) == blocks[at - 1].header["end"]
    assert first.same_as(truth(view)[first.name].fork(len(first), first.name))
    assert "does not continue the one before" in recording.notes[0]


def test_edited_files_are_shown_or_refused(folder: Path, tmp_path: Path) -> None:
    """Whatever somebody writes into a recording, checksums and all, either is refused in one sentence or can be looked
    at at every step."""
    opened = 0
    for case in range(300):
        rng = np.random.default_rng(case)
        copy = tmp_path / f"copy-{case}"
        shutil.copytree(folder, copy)
        if case % 3:
            edit_blocks(trace_path(copy, 1 + case % 2), rng)
        else:
            edit_json(copy / "recording.json", rng)
        recording = opened_or_told(copy)
        if recording is not None:
            opened += 1
            for each in traces_of(recording):
                looked_at_everywhere(each)
        shutil.rmtree(copy)
    assert opened > 40


# Earlier sessions.

# Forks a process that records, as often as it is told a folder, and says which step it took when.
STEPPER = """
import os, sys, time
from pathlib import Path
from recordings.folder import Recording, begin_recording, is_recording, open_recording, save, save_zip, snippets_of
from recordings.recorder import Recorder
from tests.synthetic import Wave
from viewer_app.commands import SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.scene import Scene

scene = Scene.load(sys.argv[1])
for line in sys.stdin:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        print("gone", flush=True)
        continue
    policy = Wave(scene, noise=0.5)
    engine = open_engine(scene, policy, seed=3)
    engine.send(SetStops(on_outcome=False))
    recorder = Recorder(Path(line.strip()), scene, [policy.info], print)
    print(os.getpid(), flush=True)
    while True:
        engine.send(Step())
        engine.tick()
        recorder.offer(snippets_of(engine.view()))
        print(len(engine.lanes[0].trace), time.monotonic(), flush=True)
        time.sleep(0.016)
"""


@pytest.mark.slow
def test_a_killed_session_loses_at_most_a_second(scene: Scene, tmp_path: Path) -> None:
    """Killed twenty times in the middle of a run, at moments drawn at random, a session leaves a recording with all
    steps but those of the last second, to the bit; it is known to be unfinished, and one that lives or was closed is
    not."""
    engine = open_engine(scene, Wave(scene, noise=0.5), seed=3)
    for command in (SetStops(on_outcome=False), Step(400)):
        engine.send(command)
        while engine.tick():
            pass
    full = engine.lanes[0].trace
    engine.close()
    rng = np.random.default_rng(0)
    command_line = [sys.executable, "-c", STEPPER, str(scene.path)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        command_line,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env=environment,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for case in range(20):
            recording = tmp_path / f"session-{case}" / "recording-1"
            process.stdin.write(f"{recording}\n")
            process.stdin.flush()
            child = int(process.stdout.readline())
            first = process.stdout.readline()
            assert recording not in unfinished(tmp_path), "its process is alive"
            said, end = [first], float(first.split()[1]) + float(rng.uniform(0.7, 1.9))
            while float(said[-1].split()[1]) < end:
                said.append(process.stdout.readline())
            os.kill(child, signal.SIGKILL)
            while (line := process.stdout.readline()) != "gone\n":
                said.append(line)
            taken = [(int(step), float(when)) for step, when in (line.split() for line in said if line.count(" ") == 1)]
            killed = taken[-1][1]
            old_enough = max((step for step, when in taken if when < killed - 1.0), default=0)

            if old_enough or trace_paths(recording):
                ((recovered,),) = open_recording(recording).lanes
                assert old_enough <= len(recovered) <= taken[-1][0] + 1
                assert recovered.same_as(full.fork(len(recovered), recovered.name))
                assert recording in unfinished(tmp_path)
        process.stdin.close()
    found = unfinished(tmp_path)
    assert len(found) >= 15
    settle(found[0])
    assert unfinished(tmp_path) == found[1:]


def test_a_closed_session_is_not_unfinished(view: View, tmp_path: Path) -> None:
    """A recording is known to be unfinished only if its process ended before it was closed, and until that is
    settled; newest first."""
    first, second, third = (tmp_path / f"session-{day}" / "recording-1" for day in (1, 2, 3))
    for folder in (first, second):
        save(folder, view.scene, snippets_of(view))
        (folder / MARKER).write_text("1\n")
    for each in trace_paths(second):
        os.utime(each, (1e9, 1e9))
    with Recorder(third, view.scene, (), pytest.fail) as recorder:
        recorder.offer(snippets_of(view))
        with within(20.0):
            while len(trace_paths(third)) < 3:
                time.sleep(0.02)
        assert (third / MARKER).is_file()
        assert unfinished(tmp_path) == [first, second], "the third is being written, by this process"
    assert not (third / MARKER).exists()
    assert unfinished(tmp_path) == [first, second]
    settle(first)
    assert unfinished(tmp_path) == [second]
    assert len(open_recording(first).lanes[0]) == 3, "what was settled is still there"


def test_recent_files(tmp_path: Path) -> None:
    """What was opened is remembered newest first, each once, by its full path where it has one; what is gone is left
    out while it is gone, and no more than a screenful is kept."""
    said: list[str] = []
    recent = RecentFiles(said.append, tmp_path / "settings")
    assert recent.sources() == ()
    here = tmp_path / "recording"
    here.mkdir()
    for source in ("demo:act", "someone/act_so101", str(here), "demo:act", f"{tmp_path}/settings/../recording"):
        recent.remember(source)
    assert recent.sources() == (str(here), "demo:act", "someone/act_so101")
    here.rename(tmp_path / "away")
    assert RecentFiles(said.append, tmp_path / "settings").sources() == ("demo:act", "someone/act_so101")
    (tmp_path / "away").rename(here)
    assert recent.sources()[0] == str(here)
    for number in range(MOST + 5):
        recent.remember(f"someone/number-{number}")
    assert recent.sources() == tuple(f"someone/number-{number}" for number in range(MOST + 4, 4, -1))
    assert [each.name for each in (tmp_path / "settings").iterdir()] == ["recent.json"]
    assert said == []


@pytest.mark.parametrize("content", ["", "[]", '{"format": 1}', '{"format": 2, "opened": []}', "[" * 100_000, "\xff"])
def test_a_damaged_list_of_recent_files_is_ignored(tmp_path: Path, content: str) -> None:
    """A list that cannot be read costs one sentence, and the next thing opened begins a new one."""
    said: list[str] = []
    (tmp_path / "recent.json").write_text(content, encoding="latin-1")
    recent = RecentFiles(said.append, tmp_path)
    assert recent.sources() == ()
    assert len(said) == 1
    assert str(tmp_path / "recent.json") in said[0]
    recent.remember("demo:act")
    said.clear()
    assert recent.sources() == ("demo:act",)
    assert said == []


def test_recent_files_that_cannot_be_kept(tmp_path: Path) -> None:
    """Where nothing can be written, one sentence says so and nothing else happens."""
    (tmp_path / "file").write_text("")
    said: list[str] = []
    recent = RecentFiles(said.append, tmp_path / "file")
    recent.remember("demo:act")
    assert any("could not be remembered" in each for each in said)
