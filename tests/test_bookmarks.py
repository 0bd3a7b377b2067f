"""Bookmarks: notes that a person writes to steps, whenever, and finds again wherever the recording is opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recordings.blocks import Block, read_blocks
from recordings.folder import open_recording, snippets_of
from recordings.plain import list_of
from recordings.recorder import Recorder
from recordings.trace_file import TraceWriter
from recordings.trace_reader import read_trace
from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.commands import Bookmark, Command, Fork, MoveObject, ResetPolicy, SetDelay, SetStops, Step
from viewer_app.engine import Engine
from viewer_app.headless import open_engine
from viewer_app.scene import Scene
from viewer_app.trace import Event, Trace

pytestmark = pytest.mark.core


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    scene = Scene.load(write_scene(tmp_path / "scene"))
    engine = open_engine(scene, Wave(scene), seed=3)
    engine.send(SetStops(on_outcome=False))
    yield engine
    engine.close()


def do(engine: Engine, *commands: Command) -> Trace:
    for command in commands:
        engine.send(command)
        while engine.tick():
            pass
    return engine.lanes[0].trace


def test_a_bookmark_is_what_was_written_last(engine: Engine) -> None:
    """A note can be written to any step that there is, early or late, replaced, and taken away; writing changes nothing
    that was executed."""
    trace = do(engine, Step(6), Bookmark("episode 1", 5, "late"), Bookmark("episode 1", 0, "the start"))
    before = trace.column("snapshot").copy()
    do(engine, Bookmark("episode 1", 5, "late again"), Bookmark("episode 1", 6, "the head"))
    assert list(trace.bookmarks.items()) == [(0, "the start"), (5, "late again"), (6, "the head")]
    do(engine, Bookmark("episode 1", 0, ""), Bookmark("episode 1", 3, ""))
    assert list(trace.bookmarks) == [5, 6]
    assert np.array_equal(trace.column("snapshot"), before)
    said = len(trace.events)
    do(engine, Bookmark("episode 1", 5, "late again"))
    assert len(trace.events) == said, "nothing new was written"


@pytest.mark.parametrize(("trace", "step", "sentence"), [("episode 1", 7, "has no step 7"), ("episode 9", 0, "9")])
def test_a_bookmark_needs_a_step(engine: Engine, trace: str, step: int, sentence: str) -> None:
    """A note to a step or a trace that there is not is refused in one sentence."""
    do(engine, Step(6), Bookmark(trace, step, "nowhere"))
    assert sentence in engine.view().message
    assert engine.lanes[0].trace.bookmarks == {}


def test_a_branch_takes_the_bookmarks_of_its_past_along(engine: Engine) -> None:
    """A branch has the notes of the steps that it shares; what is written later to either is its own."""
    parent = do(engine, Step(6), Bookmark("episode 1", 2, "shared"), Bookmark("episode 1", 5, "left behind"))
    branch = do(engine, Fork("episode 1", 3), Step(1), Bookmark("episode 1", 1, "parent's"))
    do(engine, Bookmark(branch.name, 2, "the branch's"))
    assert parent.bookmarks == {1: "parent's", 2: "shared", 5: "left behind"}
    assert branch.bookmarks == {2: "the branch's"}


def test_each_event_is_written_once_and_in_order(engine: Engine, tmp_path: Path) -> None:
    """However bookmarks to earlier steps lie between what happened at the head, and however far the writer is told that
    it may read, a trace file has every event once, in the order in which they came about."""
    trace = engine.lanes[0].trace
    path = tmp_path / "trace"
    writer = TraceWriter(path, trace)
    rng = np.random.default_rng(1)
    told = 0
    for number in range(60):
        match number % 4:
            case 0:
                do(engine, Step(int(rng.integers(1, 3))))
            case 1:
                do(engine, MoveObject("cube", (0.1, 0.1, 0.1)) if rng.random() < 0.5 else SetDelay(number % 5))
            case 2:
                do(engine, Bookmark("episode 1", int(rng.integers(len(trace) + 1)), f"note {number}"))
            case _:
                # The trace is ahead of what the writer is told, as it is while the engine runs.
                told = int(rng.integers(told, len(trace) + 1))
                writer.catch_up(told)
                read = read_trace(path).trace
                assert read.events == trace.events[: len(read.events)]
                waiting = trace.events[len(read.events) :]
                assert not waiting or waiting[0].step > told, (
                    "only what belongs to a later step waits, and its followers"
                )
    do(engine, ResetPolicy())
    writer.catch_up(len(trace))
    writer.close()
    read = read_trace(path).trace
    assert read.events == trace.events
    assert read.bookmarks == trace.bookmarks
    assert len(read.bookmarks) > 5
    blocks = [each for each in read_blocks(path.read_bytes()) if isinstance(each, Block)]
    written = [row for block in blocks[1:] for row in block.header["events"]]  # type: ignore[union-attr]
    assert [list_of(row)[:3] for row in written] == [[event.step, event.kind, event.text] for event in trace.events]


def test_a_bookmark_written_while_paused_is_recorded(engine: Engine, tmp_path: Path) -> None:
    """A note is on the disk although no step was taken after it, and the last word about a step counts there too."""
    with Recorder(tmp_path / "recording", engine.scene, (), pytest.fail) as recorder:
        do(engine, Step(6))
        recorder.offer(snippets_of(engine.view()))
        do(
            engine,
            Bookmark("episode 1", 3, "first"),
            Bookmark("episode 1", 1, "other"),
            Bookmark("episode 1", 3, "last"),
        )
        recorder.offer(snippets_of(engine.view()))
    ((opened,),) = open_recording(tmp_path / "recording").lanes
    assert list(opened.bookmarks.items()) == [(1, "other"), (3, "last")]
    assert opened.events[0] == Event(3, "bookmark", "first")
