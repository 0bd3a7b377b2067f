"""Recordings: what was written can be read again to the bit, however the writing ended."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recordings.blocks import Block, pack, read_blocks
from recordings.folder import LaneSnippet, open_recording, save, snippets_of
from recordings.manifest import VERSION, trace_path
from recordings.recorder import Recorder
from recordings.trace_file import RecordingError, TraceWriter
from recordings.trace_reader import read_trace
from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.blinding import STATE, Blind
from viewer_app.chunking import FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.commands import (
    Bookmark,
    Command,
    Fork,
    MoveObject,
    ResetEpisode,
    ResetPolicy,
    SetBlinding,
    SetChunking,
    SetDelay,
    SetResetAtStart,
    SetStops,
    Step,
)
from viewer_app.engine import Engine
from viewer_app.headless import open_engine
from viewer_app.render import Viewport
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.view import Snippet

pytestmark = pytest.mark.core


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path / "scene"))


@pytest.fixture
def engine(scene: Scene) -> Iterator[Engine]:
    engine = open_engine(scene, Wave(scene, noise=0.5), seed=3)
    engine.send(SetStops(on_outcome=False))
    yield engine
    engine.close()


def do(engine: Engine, *commands: Command) -> Trace:
    """Send commands and tick until the engine has nothing to do."""
    for command in commands:
        engine.send(command)
        while engine.tick():
            pass
    return engine.lanes[0].trace


def whole(trace: Trace) -> list[LaneSnippet]:
    return [LaneSnippet(Snippet(trace, len(trace)))]


def test_round_trip(engine: Engine, scene: Scene, tmp_path: Path) -> None:
    """Law 5: every trace of a session, with all that a person did to it, is opened as it was saved, to the bit."""
    do(engine, Step(9), SetChunking(TemporalEnsemble(0.1, ())), Step(7), SetResetAtStart(False), ResetEpisode(8))
    do(engine, Step(5), SetBlinding("above", Blind.NOISE), SetBlinding(STATE, Blind.FROZEN), Step(4), ResetPolicy())
    do(
        engine,
        Step(3),
        MoveObject("cube", (0.2, 0.0, 0.02), 0.3),
        Fork("episode 2", 6),
        Step(2),
        MoveObject("cube", (0, 0, 1)),
    )
    view = engine.view()
    save(tmp_path / "recording", scene, snippets_of(view))

    (opened,) = open_recording(tmp_path / "recording").lanes
    saved = [each.snippet.trace for each in snippets_of(view)]
    assert len(opened) == len(saved) == 3
    for ours, theirs in zip(opened, saved, strict=True):
        assert ours.same_as(theirs)
        assert (ours.name, ours.parent, ours.events) == (theirs.name, theirs.parent, theirs.events)
        assert [chunk.latency for chunk in ours.chunks] == [chunk.latency for chunk in theirs.chunks]
        assert ours.policy is not None
        assert theirs.policy is not None
        assert replace(ours.policy, action_scale=None) == replace(theirs.policy, action_scale=None)
        assert np.array_equal(np.array(ours.plan(3)), np.array(theirs.plan(3)))


def test_late_and_blended_chunks_make_the_round_trip(engine: Engine, scene: Scene, tmp_path: Path) -> None:
    """Law 5: overlap blending, simulated latency, late chunks and what a new episode takes over of them are opened as
    they were saved, to the bit, and what would be executed next is the same too."""
    do(engine, SetChunking(OverlapBlend(5, 4)), SetDelay(3), Step(13), SetResetAtStart(False), ResetEpisode(8), Step(6))
    do(engine, SetDelay(0), Step(3), SetChunking(TemporalEnsemble(0.1, ())), SetDelay(2), Step(6))
    view = engine.view()
    save(tmp_path / "recording", scene, snippets_of(view))
    (opened,) = open_recording(tmp_path / "recording").lanes
    saved = [each.snippet.trace for each in snippets_of(view)]
    assert {chunk.delay for trace in saved for chunk in (*trace.chunks, *trace.carried)} == {0, 2, 3}
    for ours, theirs in zip(opened, saved, strict=True):
        assert ours.same_as(theirs)
        for step in range(len(theirs) + 1):
            assert np.array_equal(np.array(ours.plan(step)), np.array(theirs.plan(step)))
            assert ours.is_due(step) == theirs.is_due(step)


SINCE_3 = {"denoising_steps", "guidance", "guidable", "mapped_cameras", "mended", "sha256"}
"""What no recording of format 2 has; those of format 1 have no `delay` either."""


SINCE_4 = {"forces", "start_positions"}


@pytest.mark.parametrize(
    ("version", "unknown"), [(1, {*SINCE_4, *SINCE_3, "delay"}), (2, {*SINCE_4, *SINCE_3}), (3, SINCE_4)]
)
def test_earlier_formats_are_read(
    engine: Engine, scene: Scene, tmp_path: Path, version: int, unknown: set[str]
) -> None:
    """A recording of an earlier format, which knows nothing of what came later, opens as one without any of it."""
    trace = do(engine, Step(9), SetChunking(TemporalEnsemble(0.1, ())), Step(4))
    folder = tmp_path / "recording"
    save(folder, scene, whole(trace))
    manifest = without(unknown, json.loads((folder / "recording.json").read_text())) | {"version": version}
    (folder / "recording.json").write_text(json.dumps(manifest))
    path = trace_path(folder, 1)
    blocks = [each for each in read_blocks(path.read_bytes()) if isinstance(each, Block)]
    path.write_bytes(b"".join(pack(without(unknown, block.header), block.arrays) for block in blocks))
    written = path.read_bytes() + (folder / "recording.json").read_bytes()
    assert not any(f'"{key}"'.encode() in written for key in unknown)
    ((opened,),) = open_recording(folder).lanes
    assert opened.same_as(trace)
    assert opened.settings_at(9).delay == 0
    assert opened.settings_at(9).guidance is None
    assert (opened.settings_at(9).forces, opened.settings_at(9).start) == ((), None)
    assert opened.policy is not None
    assert opened.policy.mapped_cameras == {}


def without(keys: set[str], value: Any) -> Any:
    """The same plain value without some keys, however deep."""
    if isinstance(value, dict):
        return {key: without(keys, each) for key, each in value.items() if key not in keys}
    return [without(keys, each) for each in value] if isinstance(value, list) else value


def test_the_documented_layout_is_enough_to_read_a_trace(engine: Engine, tmp_path: Path) -> None:
    """A reader that knows nothing but the tables of docs/recordings.md finds the steps and events of a trace that was
    written in pieces."""
    trace = engine.lanes[0].trace
    writer = TraceWriter(tmp_path / "trace", trace)
    for command in (Step(5), MoveObject("cube", (0.1, 0.1, 0.1)), Step(3), Bookmark("episode 1", 2, "look")):
        writer.catch_up(len(do(engine, command)))
    writer.close()

    data, at = (tmp_path / "trace").read_bytes(), 0
    columns: dict[str, list[Any]] = {name: [] for name in ("snapshot", "tip", "contact", "action")}
    events: list[Any] = []
    while at < len(data):
        magic, head, payload, checksum = struct.unpack_from("<4sIQI", data, at)
        begin, end = at + 20, at + 20 + head + payload
        assert (magic, checksum) == (b"WSKR", zlib.crc32(data[begin:end]))
        header, at = json.loads(data[begin : begin + head]), begin + head
        for name, kind, shape in header["arrays"]:
            array = np.frombuffer(data, kind, int(np.prod(shape)), at).reshape(shape)
            at += array.nbytes
            if header["kind"] == "steps" and name in columns:
                del columns[name][header["begin"] :]
                columns[name].extend(array)
        events += header.get("events", [])
        assert at == end
    for name, rows in columns.items():
        assert np.array_equal(np.array(rows), trace.column(name))
    assert [row[:3] for row in events] == [[event.step, event.kind, event.text] for event in trace.events]
    (moved, bookmark) = events
    assert (moved[1], bookmark[1:]) == ("moved", ["bookmark", "look"])
    cube = [0.1, 0.1, 0.1, 1.0, 0.0, 0.0, 0.0]
    assert moved[3] == {"name": "", "objects": {"cube": cube}, "joints": {}, "others": {}}


def test_pictures_of_a_recording(engine: Engine, scene: Scene, tmp_path: Path) -> None:
    """Law 5: a camera picture rendered from a recording equals the one that the policy saw, to the bit."""
    trace = do(engine, Step(8), SetBlinding("aside", Blind.FROZEN), Step(8))
    save(tmp_path / "recording", scene, whole(trace))
    opened = open_recording(tmp_path / "recording")
    with Viewport(scene) as ours, Viewport(opened.scene) as theirs:
        for step in (0, 6, 12):
            saw, shown = ours.seen(trace, step), theirs.seen(opened.lanes[0][0], step)
            assert saw.keys() == shown.keys() == {"above", "aside"}
            assert all(np.array_equal(saw[name], shown[name]) for name in saw)


@pytest.mark.parametrize("at", [0, 7, 10])
def test_a_continued_recording_goes_on_as_the_session_would(
    engine: Engine, scene: Scene, tmp_path: Path, at: int
) -> None:
    """A branch from a recorded trace, in a new session, is what the same branch in the old session would have been, and
    so is the trace itself when it is continued."""
    trace = do(engine, SetChunking(OverlapBlend(4, 2)), SetDelay(3), Step(10))
    save(tmp_path / "recording", scene, whole(trace))
    here = do(engine, Fork(trace.name, at), Step(9))

    again = open_engine(scene, Wave(scene, noise=0.5), seed=99)
    again.lanes[0].adopt(open_recording(tmp_path / "recording").lanes[0])
    there = do(again, SetStops(on_outcome=False), Fork(trace.name, at), Step(9))
    assert there.same_as(here)
    again.lanes[0].adopt(open_recording(tmp_path / "recording").lanes[0])
    longer = do(again, Step(9))
    again.close()
    assert longer.same_as(do(engine, Fork(trace.name, 10), Step(9)))


def test_written_while_it_grows(engine: Engine, tmp_path: Path) -> None:
    """A file written in any number of pieces reads as the trace, even where the head was changed between pieces."""
    trace = engine.lanes[0].trace
    writer = TraceWriter(tmp_path / "trace", trace)
    wrote = [writer.catch_up(len(trace))]
    for command in (
        Step(3),
        MoveObject("cube", (0.1, 0.1, 0.1)),
        SetChunking(FirstN(2)),
        SetChunking(FirstN(3)),
        Step(1),
        ResetPolicy(),
        Step(5),
    ):
        do(engine, command)
        wrote.append(writer.catch_up(len(trace)))
        assert read_trace(tmp_path / "trace").trace.same_as(trace)
    assert all(wrote)
    assert not writer.catch_up(len(trace)), "nothing happened, so nothing is to be written"
    writer.close()


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.999])
def test_a_torn_file_gives_what_was_whole(engine: Engine, scene: Scene, tmp_path: Path, kept: float) -> None:
    """Cut anywhere, a trace file gives exactly the steps of its whole blocks, and says how many they are."""
    trace = engine.lanes[0].trace
    path = tmp_path / "recording" / "trace-0001.wtr"
    save(path.parent, scene, [])
    writer = TraceWriter(path, trace)
    ends = []
    for _ in range(20):
        do(engine, Step(1))
        writer.catch_up(len(trace))
        ends.append(path.stat().st_size)
    writer.close()
    size = int(kept * ends[-1])
    os.truncate(path, size)
    recovered = sum(end <= size for end in ends)

    opened = open_recording(path.parent)
    assert len(opened.lanes[0][0]) == recovered < 20
    assert opened.lanes[0][0].same_as(trace.fork(recovered, trace.name))
    assert f"{recovered} steps were recovered" in opened.notes[0]


def test_a_changed_byte_is_noticed(engine: Engine, scene: Scene, tmp_path: Path) -> None:
    """A byte that was changed on the disk ends the reading there; no number that was never recorded is shown."""
    trace = do(engine, Step(4))
    path = tmp_path / "recording" / "trace-0001.wtr"
    save(path.parent, scene, whole(trace))
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="checksum does not match"):
        open_recording(path.parent)


def edit(key: str, value: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        manifest = json.loads((folder / "recording.json").read_text())
        (folder / "recording.json").write_text(json.dumps(manifest | {key: value}))

    return change


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (edit("version", VERSION + 1), "written by a newer Whiskers"),
        (edit("version", "new"), "has no version"),
        (edit("format", "other"), "does not say format"),
        (edit("scene", {}), "lacks the field scene.file"),
        (lambda folder: (folder / "recording.json").write_text("{"), "is not valid JSON"),
        (lambda folder: (folder / "recording.json").unlink(), "is not a recording"),
        (lambda folder: (folder / "trace-0001.wtr").unlink(), "holds no trace"),
        (lambda folder: (folder / "trace-0001.wtr").write_text("steps"), "holds no readable step"),
    ],
)
def test_damage_is_told_in_one_sentence(
    engine: Engine, scene: Scene, tmp_path: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    """A recording that was edited by hand is refused with one sentence that names the place."""
    save(tmp_path / "recording", scene, whole(do(engine, Step(2))))
    damage(tmp_path / "recording")
    with pytest.raises(RecordingError, match=sentence) as refused:
        open_recording(tmp_path / "recording")
    assert str(tmp_path / "recording") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_recording_is_not_overwritten(engine: Engine, scene: Scene, tmp_path: Path) -> None:
    """Saving into a folder that holds a recording is refused, and what it holds stays."""
    trace = do(engine, Step(2))
    save(tmp_path / "recording", scene, whole(trace))
    with pytest.raises(RecordingError, match="choose another one"):
        save(tmp_path / "recording", scene, [])
    assert open_recording(tmp_path / "recording").lanes[0][0].same_as(trace)


def test_all_files_of_a_scene_travel(tmp_path: Path) -> None:
    """A scene whose model includes other files opens from the recording after the original is gone."""
    parts = tmp_path / "original" / "parts"
    parts.mkdir(parents=True)
    (parts / "cube.obj").write_text(CUBE)
    path = write_scene(tmp_path / "original" / "scene")
    model = path.parent / "plotter.xml"
    model.write_text(
        model.read_text()
        .replace(
            "<worldbody>", '<compiler meshdir="../parts"/><asset><mesh name="m" file="cube.obj"/></asset><worldbody>'
        )
        .replace('<geom name="floor"', '<geom type="mesh" mesh="m" pos="0 0 3"/><geom name="floor"')
    )
    scene = Scene.load(path)
    engine = open_engine(scene, Wave(scene), seed=1)
    trace = do(engine, Step(3))
    engine.close()
    save(tmp_path / "recording", scene, whole(trace))
    (tmp_path / "original").rename(tmp_path / "moved")
    assert open_recording(tmp_path / "recording").scene.model.nmesh == 1


CUBE = "\n".join(
    [f"v {x} {y} {z}" for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    + ["f 1 3 2", "f 2 3 4", "f 5 6 7", "f 6 8 7", "f 1 2 5", "f 2 6 5", "f 3 7 4", "f 4 7 8", "f 1 5 3", "f 3 5 7"]
    + ["f 2 4 6", "f 4 8 6"]
)

# Runs into a limit on the size of its files, which behaves like a full disk, and lifts it if told to.
LIMITED = """
import resource, signal, sys, time
from pathlib import Path
from recordings.folder import snippets_of
from recordings.recorder import Recorder
from tests.synthetic import Wave
from viewer_app.commands import SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.scene import Scene

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
scene = Scene.load(sys.argv[1])
policy = Wave(scene, noise=0.5)
engine = open_engine(scene, policy, seed=3)
engine.send(SetStops(on_outcome=False))
said = []
with Recorder(Path(sys.argv[2]), scene, [policy.info], said.append) as recorder:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    deadline = time.time() + 20
    while not said and time.time() < deadline:
        engine.send(Step())
        engine.tick()
        recorder.offer(snippets_of(engine.view()))
        time.sleep(0.016)
    full = len(engine.lanes[0].trace)
    engine.send(Step(5))
    while engine.tick():
        pass
    recorder.offer(snippets_of(engine.view()))
    if sys.argv[3] == "freed":
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(full, len(engine.lanes[0].trace), *said, sep="|")
"""


@pytest.mark.slow
@pytest.mark.parametrize("space", ["freed", "full"])
def test_disk_full(scene: Scene, tmp_path: Path, space: str) -> None:
    """When the system refuses to write, one sentence says so, the session goes on, what was written stays readable;
    and once there is room again, nothing is missing."""
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(scene.path), str(tmp_path / "recording"), space],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    full, taken, *said = ran.stdout.strip().split("|")
    assert "cannot be written (File too large)" in said[0]
    assert int(taken) == int(full) + 5, "the session went on"
    assert len(said) == (2 if space == "freed" else 1), "it is said once, not at every try"
    recording = open_recording(tmp_path / "recording")
    ((recovered,),) = recording.lanes
    assert recording.notes == (), "no torn block is left behind"
    assert len(recovered) == int(taken) if space == "freed" else 0 < len(recovered) < int(taken)
    engine = open_engine(scene, Wave(scene, noise=0.5), seed=3)
    assert recovered.same_as(do(engine, SetStops(on_outcome=False), Step(len(recovered))))
    engine.close()


def test_no_room_for_a_recording_at_all(engine: Engine, scene: Scene, tmp_path: Path) -> None:
    """A recording that cannot even be begun is refused in one sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot be written"):
        save(tmp_path / "file" / "recording", scene, whole(engine.lanes[0].trace))


def test_earlier_traces_are_recorded_too(engine: Engine, scene: Scene, tmp_path: Path) -> None:
    """A recorder keeps every trace of the session in a file of its own: earlier episodes, and what was branched off."""
    with Recorder(tmp_path / "recording", scene, (), pytest.fail) as recorder:
        do(engine, Step(6), ResetEpisode(5), Step(4), Fork("episode 2", 2), Step(1))
        recorder.offer(snippets_of(engine.view()))
    assert trace_path(tmp_path / "recording", 3).is_file()
    (opened,) = open_recording(tmp_path / "recording").lanes
    assert [(trace.name, len(trace)) for trace in opened] == [
        ("episode 1", 6),
        ("episode 2", 4),
        ("episode 2 / branch 1", 3),
    ]
