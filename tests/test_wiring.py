"""What the window is handed: sessions that record themselves, recordings that open again, files that stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from policies.process import Failed, Loaded, Loading
from policies.progress import Progress
from recordings.archive import pack
from recordings.folder import LaneSnippet, is_recording, open_recording, save, snippets_of
from recordings.recent import RecentFiles
from recordings.unfinished import MARKER
from tests.datasets import demonstration
from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.commands import Fork, SetStops, Step, UsePolicy
from viewer_app.engine import Engine
from viewer_app.gui.contracts import Session
from viewer_app.replay import joint_replay, physics_replay
from viewer_app.scene import Scene
from viewer_app.teacher import evaluate
from viewer_app.trace import Trace
from viewer_app.types import WhiskersError
from viewer_app.view import Snippet
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


def saved(folder: Path, scene: Scene, trace: Trace) -> Path:
    assert trace.policy is not None
    save(folder, scene, [LaneSnippet(Snippet(trace, len(trace)))], [trace.policy])
    return folder


def test_a_zip_file_opens_like_its_folder(scene: Scene, tmp_path: Path) -> None:
    """A recording packed into one file shows the same traces in the window, and looking at it writes nothing."""
    trace = physics_replay(demonstration(scene, steps=9))
    pack(saved(tmp_path / "recording", scene, trace), tmp_path / "recording.zip")
    files = SessionFiles(tmp_path / "session", "cpu")
    opened = files.open(str(tmp_path / "recording.zip"))
    assert isinstance(opened, Session)
    engine = opened.open_engine(opened.watch)
    assert engine.lanes[0].trace.same_as(trace)
    engine.close()
    files.close()
    assert not (tmp_path / "session").exists()


def test_an_episode_of_a_dataset(scene: Scene, tmp_path: Path) -> None:
    """A dataset's episode is shown as its two replays and what a policy said about it, that on top; nothing drives,
    looking writes nothing, and an episode begun then is recorded with all that was shown."""
    shown = demonstration(scene, steps=12, pictures=True)
    asked = evaluate(Wave(scene), shown).trace
    files = SessionFiles(tmp_path / "session", "cpu")
    session = files.dataset_session(shown, asked)
    assert [lane.policy for lane in session.lanes] == [None]
    engine = session.open_engine(session.watch)
    engine.tick()
    expected = [physics_replay(shown), joint_replay(shown), asked]
    traces = [each.snippet.trace for each in snippets_of(engine.view())]
    assert [trace.name for trace in traces] == [trace.name for trace in expected]
    assert all(trace.same_as(other) for trace, other in zip(traces, expected, strict=True))
    assert not (tmp_path / "session").exists()
    engine.send(UsePolicy(Wave(scene)))
    steps(engine, 3)
    engine.close()
    files.close()
    (recorded,) = open_recording(tmp_path / "session" / "recording-1").lanes
    assert [len(trace) for trace in recorded] == [12, 12, 12, 3]


def test_an_episode_of_another_rate_has_no_physics_replay(scene: Scene, tmp_path: Path) -> None:
    """Where the dataset's rate is not the scene's, the joints are replayed, and the window says why the actions are
    not executed."""
    files = SessionFiles(tmp_path / "session", "cpu")
    session = files.dataset_session(replace(demonstration(scene, steps=6), fps=20.0))
    engine = session.open_engine(session.watch)
    engine.tick()
    assert [each.snippet.trace.name for each in snippets_of(engine.view())] == ["episode 0 of waves, joint replay"]
    assert "There is no physics replay" in engine.view().message
    assert "20 frames a second" in engine.view().message
    engine.close()
    files.close()


def test_a_recorded_replay_loads_no_checkpoint(scene: Scene, tmp_path: Path) -> None:
    """A recording of a replay, or of what a policy said about one, is looked at only; one of an episode that a policy
    drove loads its checkpoint."""
    shown = demonstration(scene, steps=6, pictures=True)
    files = SessionFiles(tmp_path / "session", "cpu")
    for number, trace in enumerate((joint_replay(shown), physics_replay(shown), evaluate(Wave(scene), shown).trace)):
        session = files.recorded_session(saved(tmp_path / str(number), scene, trace))
        assert [lane.policy for lane in session.lanes] == [None]
    engine = begin(files.new_session(scene, "demo:act", seed=4, start_running=False))
    steps(engine, 2)
    (start,) = files.recorded_session(saved(tmp_path / "driven", scene, engine.lanes[0].trace)).lanes
    assert start.policy is not None
    assert start.policy.source == "tests", "where the policy of this trace says that it is from"
    engine.close()
    files.close()


class Process:
    """Stands for a policy's process whose load goes as told."""

    def __init__(self, *steps: Loading | Loaded | Failed) -> None:
        self._steps = list(steps)

    def poll(self) -> Loading | Loaded | Failed:
        return self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]


def test_what_was_opened_is_remembered(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings, and checkpoints once they have loaded, are offered again, the newest first; what could not be opened
    is not."""
    folder = saved(tmp_path / "recording", scene, physics_replay(demonstration(scene, steps=6)))
    complaints: list[str] = []
    files = SessionFiles(tmp_path / "session", "cpu", recent=RecentFiles(complaints.append, tmp_path / "configuration"))
    assert files.recent() == ()
    ends: dict[str, Loaded | Failed] = {
        "demo:act": Loaded(Wave(scene).info),
        "demo:none": Failed(WhiskersError("There is none.")),
    }
    monkeypatch.setattr(
        "viewer_app.wiring.PolicyProcess.start",
        lambda source, device, *mends: Process(Loading(Progress("", 0.5)), ends[source]),
    )
    for source in ends:
        loading = files.open(source)
        assert not isinstance(loading, Session)
        loading.poll()
        assert source not in files.recent()
        for _ in range(3):
            loading.poll()
    assert files.recent() == ("demo:act",)
    files.open(str(folder))
    assert files.recent() == (str(folder), "demo:act")
    (tmp_path / "notes.zip").write_text("no zip file")
    with pytest.raises(WhiskersError):
        files.open(str(tmp_path / "notes.zip"))
    assert files.recent() == (str(folder), "demo:act")
    assert complaints == []


def test_an_unfinished_recording_is_offered_until_it_is_opened(scene: Scene, tmp_path: Path) -> None:
    """What a session left that was never closed is found by the next one, and no more once it was opened."""
    left = saved(tmp_path / "session-1" / "recording-1", scene, physics_replay(demonstration(scene, steps=6)))
    (left / MARKER).write_text("1\n")  # as a process leaves it that ends without closing
    files = SessionFiles(tmp_path / "session-2", "cpu")
    assert files.unfinished() == (left,)
    assert isinstance(files.open(str(left)), Session)
    assert files.unfinished() == ()
