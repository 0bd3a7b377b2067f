"""The doctor's panel: what it says in which state, that nothing of it is cut, and what is sent when it is used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from panels.doctor import badge_of, summary_of
from panels.style import BAD, DIM, GOOD, WARN
from panels.xray import lines_of
from tests.doctor_session import CHECKUPS, FAR, FINDINGS, SIZES
from tests.test_camera_dialog import in_window
from tests.test_window import display  # noqa: F401 (a fixture)
from tests.told import told_by
from viewer_app.doctor.checkup import Checkup, Order


@pytest.mark.parametrize(
    ("name", "badge", "words", "colour"),
    [
        ("nothing", "", "Ctrl+O opens a checkpoint", DIM),
        ("reading", "", "The doctor is reading", DIM),
        ("refused", "", "There is no checkpoint 'nowhere'", WARN),
        ("read", "1", "1 error, 2 warnings, 1 note (the files alone, not tried yet)", BAD),
        ("tried", "", "1 note (tried in the scene)", GOOD),
    ],
)
def test_the_report_in_one_line(name: str, badge: str, words: str, colour: object) -> None:
    """Each state says what there is or what to do, and the tab's badge counts errors."""
    assert badge_of(CHECKUPS[name])[0] == badge
    assert summary_of(CHECKUPS[name])[0].startswith(words)
    assert summary_of(CHECKUPS[name])[1] == colour


def test_warnings_are_counted_where_there_is_no_error() -> None:
    """The badge is amber then, and shows how many there are."""
    assert badge_of(Checkup(Order("", ""), FINDINGS[1:], read=True)) == ("2", WARN)


def test_a_step_that_touches_nothing_is_left_out() -> None:
    """The table has a line for a step, its features, their numbers and their marks, and none for what did nothing."""
    words = [line.words.strip() for line in lines_of([FAR])]
    assert words[1:3] == ["normalizer_processor", "a_long_name_of_a_camera"]
    assert words[-1] == "! beyond 5: the statistics do not fit"
    idle = replace(FAR, step="device_processor", mode="", changed=False)
    assert [line.words.strip() for line in lines_of([idle, FAR])] == words


@pytest.fixture(scope="module")
def told(display: str) -> dict[str, Any]:  # noqa: F811 (the fixture)
    """What the panel says of itself in a window of its own."""
    return told_by("tests.doctor_session", DISPLAY=display)


@in_window
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [*CHECKUPS, "xray"])
def test_nothing_leaves_the_panel(told: dict[str, Any], name: str, size: str) -> None:
    """In every state all that is shown lies within the panel's width."""
    assert told["shown"][f"{name} at {size}"]["beyond"] == []


@in_window
def test_errors_are_open_and_notes_are_folded(told: dict[str, Any]) -> None:
    """What is only good to know shows its name alone; a click on a name folds and unfolds what was found."""
    texts = told["shown"]["read at 1280x720"]["texts"]
    assert FINDINGS[0].evidence in texts
    assert "deterministic" in texts
    assert FINDINGS[3].evidence not in texts
    assert told["by mouse"]["folded"] == [FINDINGS[0].evidence, "→ Do.", "Read the state as radians"]


@in_window
def test_a_trial_in_progress_can_be_cancelled(told: dict[str, Any]) -> None:
    """Its button gives way to a bar and Cancel, and the report stays."""
    texts = told["shown"]["trying at 1280x720"]["texts"]
    assert "Cancel" in texts
    assert "Try it (some seconds)" not in texts
    assert FINDINGS[0].evidence in texts


@in_window
def test_buttons_send_what_they_say(told: dict[str, Any]) -> None:
    """Trying and mending send a request each, and the report is put on the clipboard whole."""
    tried, mend = told["by mouse"]["sent"]
    assert tried == "Action.TRY_CHECKPOINT"
    assert mend.startswith("Mend(finding=Finding(id='state-units'")
    assert all(each.evidence in told["by mouse"]["copied"] for each in FINDINGS)
    assert "--units state=radians" in told["by mouse"]["copied"]


@in_window
def test_the_x_ray_shows_every_number(told: dict[str, Any]) -> None:
    """Each row's step, feature, shape, numbers and mark are drawn, at either size."""
    for size in SIZES:
        drawn = told["shown"][f"xray at {size}"]["drawn"]
        assert {"-192.1", "264.3", "124.2", "100.3", "1x3x480x640 float32", "normalizer_processor"} <= set(drawn)
        assert drawn.count("    ! beyond 5: the statistics do not fit") == 2
        assert "2 suspicious" in told["shown"][f"xray at {size}"]["texts"]
