"""What the window is handed: sessions that record themselves, recordings that open again, files that stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from recordings.folder import is_recording, open_recording
from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.commands import Fork, SetStops, Step, UsePolicy
from viewer_app.engine import Engine
from viewer_app.gui.contracts import Session
from viewer_app.scene import Scene
from viewer_app.types import WhiskersError
from viewer_app.wiring import SessionFiles


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path / "scene"))


def begin(session: Session) -> Engine:
    """Open the session's engine as the window does, and drive it with a known policy instead of a loading one."""
    (start,) = session.lanes
    assert start.policy is not None
    start.policy.close()
    engine = session.open_engine(session.watch)
    engine.send(SetStops(on_outcome=False))
    engine.send(UsePolicy(Wave(session.scene, noise=0.5)))
    return engine


def steps(engine: Engine, count: int) -> None:
    engine.send(Step(count))
    while engine.tick():
        pass


def test_a_session_records_itself(scene: Scene, tmp_path: Path) -> None:
    """What happened in a window is on the disk when it closes, without anybody having saved it."""
    files = SessionFiles(tmp_path / "session", "cpu")
    engine = begin(files.new_session(scene, "demo:act", seed=4, start_running=False))
    assert not (tmp_path / "session").exists(), "nothing happened yet, so nothing is left behind"
    steps(engine, 7)
    engine.close()
    files.close()
    ((trace,),) = open_recording(tmp_path / "session" / "recording-1").lanes
    assert trace.same_as(engine.lanes[0].trace)
    assert len(trace) == 7


def test_a_recorded_session_goes_on(scene: Scene, tmp_path: Path) -> None:
    """A recording opened in the window shows its traces at once, can be branched, and what is new is recorded anew."""
    first = SessionFiles(tmp_path / "first", "cpu")
    engine = begin(first.new_session(scene, "demo:act", seed=4, start_running=False))
    steps(engine, 7)
    saved = first.save(engine.view())
    engine.close()
    first.close()

    second = SessionFiles(tmp_path / "second", "cpu")
    opened = second.open(str(saved / "recording.json"))
    assert isinstance(opened, Session)
    again = begin(opened)
    assert again.lanes[0].trace.same_as(engine.lanes[0].trace)
    again.tick()
    assert not (tmp_path / "second").exists(), "looking at a recording writes nothing"
    again.send(Fork("episode 1", 3))
    steps(again, 2)
    again.close()
    second.close()
    ((original, branch),) = open_recording(tmp_path / "second" / "recording-1").lanes
    assert (len(original), len(branch), branch.parent) == (7, 5, again.lanes[0].trace.parent)


def test_saving_twice_keeps_both(scene: Scene, tmp_path: Path) -> None:
    """A file or a folder that is there already is never written over."""
    files = SessionFiles(tmp_path / "session", "cpu")
    engine = begin(files.new_session(scene, "demo:act", seed=4, start_running=False))
    saved = [files.save(engine.view()) for _ in range(2)]
    engine.close()
    files.close()
    assert saved[0] != saved[1]
    assert all(is_recording(folder) for folder in saved)


def test_no_room_is_said_in_the_window(scene: Scene, tmp_path: Path) -> None:
    """Where a session cannot be recorded, the session says so in one sentence and goes on."""
    (tmp_path / "file").write_text("")
    files = SessionFiles(tmp_path / "file" / "session", "cpu")
    engine = begin(files.new_session(scene, "demo:act", seed=4, start_running=False))
    steps(engine, 3)
    engine.tick()
    assert "cannot be made" in engine.view().message
    steps(engine, 3)
    assert len(engine.lanes[0].trace) == 6
    with pytest.raises(WhiskersError, match="cannot be made"):
        files.save(engine.view())
    engine.close()
    files.close()
