"""Bookmarks in the window: their marks on the timeline, the card that writes them, and what was opened last."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from panels.open_dialog import folders_in, shortened, what_is
from panels.timeline_marks import marks_of
from tests.bookmarks_session import LONG, NOTES, RECENT, SIZES
from tests.scenes import write_scene
from tests.synthetic import Wave
from tests.test_window import ROOT, display  # noqa: F401 (a fixture)
from tests.told import told_by
from viewer_app.commands import Bookmark, Command, SetStops, Step
from viewer_app.engine import Engine
from viewer_app.lane import Lane
from viewer_app.scene import Scene
from viewer_app.world import MujocoWorld


def test_bookmarks_are_events_to_jump_to(tmp_path: Path) -> None:
    """A bookmark has one mark at its step, with its last note as it was written, and is jumped to like any event; one
    that was taken away has none."""
    scene = Scene.load(write_scene(tmp_path))
    engine = Engine(scene, (Lane(scene, MujocoWorld(scene), Wave(scene, cameras={}), seed=3),))
    notes = ((5, "first"), (2, "a_name"), (5, "last"), (9, "gone"), (9, ""))
    bookmarks = [Bookmark("episode 1", step, text) for step, text in notes]
    commands: list[Command] = [SetStops(on_outcome=False), Step(11), *bookmarks]
    for command in commands:
        engine.send(command)
        while engine.tick():
            pass
    marks = marks_of(engine.lanes[0].trace, 11)
    assert [(mark.step, mark.text) for mark in marks.others if mark.kind == "bookmark"] == [(2, "a_name"), (5, "last")]
    assert (marks.after(2), marks.before(5)) == (5, 2)
    assert 9 not in marks.steps


def test_what_can_be_opened_is_listed(tmp_path: Path) -> None:
    """Folders and zip files can be chosen, each with what it looks like from outside; other files cannot."""
    (tmp_path / "recording").mkdir()
    (tmp_path / "recording" / "recording.json").write_text("{}")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "shared.zip").write_text("")
    (tmp_path / "notes.txt").write_text("")
    assert folders_in(tmp_path) == ["recording", "shared.zip"]
    assert [what_is(tmp_path / name) for name in ("recording", "shared.zip")] == ["recording", "zip file"]


def test_a_long_path_keeps_its_end() -> None:
    """Of a path that does not fit, the last folders stay, which tell one recording from another; what fits stays
    whole."""
    path = "/data/somebody/out/session-1/recording-1"
    assert shortened(path, 100, len) == path
    assert shortened(path, 30, len) == str(Path("…", "out", "session-1", "recording-1"))
    assert shortened(path, 3, len) == str(Path("…", "recording-1"))


@pytest.fixture(scope="module")
def told(display: str) -> dict[str, Any]:  # noqa: F811 (the fixture)
    if shutil.which("xdotool") is None:
        pytest.skip("no xdotool to play the person's hand")
    return told_by("tests.bookmarks_session", DISPLAY=display)


@pytest.mark.window
@pytest.mark.slow
def test_a_note_is_written_with_the_keyboard(told: dict[str, Any]) -> None:
    """The card opens with the keys in its field, says where it is and that there is nothing yet; Enter writes the note,
    closes the card and marks the step on the timeline."""
    assert told["empty"][:2] == ["Bookmark step 30", "1.00 s of episode 1"]
    assert "has a bookmark yet" in told["empty"][2]
    assert told["written"] == [["episode 1", 30, "it turns"]]
    assert told["closed"]
    assert told["marks"] == [[30, "it turns"]]


@pytest.mark.window
@pytest.mark.slow
def test_the_list_leads_to_each_bookmark(told: dict[str, Any]) -> None:
    """The card lists all bookmarks with their steps, whole; a click goes to the step, where the note can be changed or
    taken away; nothing is cut at either size of the window."""
    assert all(text in told["list"] for text in NOTES.values())
    assert LONG in told["list"]
    assert told["jumped"] == [3]
    assert told["field"] == NOTES[3]
    assert told["open after the jump"]
    assert told["marks after"] == sorted(set(NOTES) - {3})
    assert [told[f"cut at {size}"] for size in SIZES] == [[], []]


@pytest.mark.window
@pytest.mark.slow
def test_what_was_opened_last_is_offered(told: dict[str, Any]) -> None:
    """A click on what was opened before puts it into the field, from where it is opened; without such there is no
    list."""
    assert told["taken"] == RECENT[0]
    assert told["opened"] == [RECENT[0]]
    assert told["dialog cut"] == []
    assert not told["without recent files"]
