"""The card that maps cameras: what it says of each choice, what it looks like, and what is sent when it is used."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import pytest

from panels.camera_map import row_notes
from panels.style import DIM, WARN, Rgba
from tests.camera_map_session import READS, SIZES, checkpoint
from tests.scenes import SPEC, write_scene
from tests.test_window import ROOT, display  # noqa: F401 (a fixture)
from tests.told import told_by
from viewer_app.scene import Scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    wide = SPEC.replace("[cameras.aside]\nwidth = 32", "[cameras.aside]\nwidth = 48")
    return Scene.load(write_scene(tmp_path_factory.mktemp("plotter"), wide))


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        (
            {"small": "above", "large": "aside"},
            {"small": ("", DIM), "large": ("stretched from 48x24 to 640x480", WARN)},
        ),
        (
            {"small": "above", "large": "above"},
            {
                "small": ("shown as large too", WARN),
                "large": ("enlarged from 32x24 to 640x480\nshown as small too", WARN),
            },
        ),
        # Two that are shown nothing are not shown the same thing.
        (
            {"small": None, "phone": None},
            {"small": ("a black picture", DIM), "phone": ("a picture of the training's mean colour", DIM)},
        ),
        ({"tiny": "above"}, {"tiny": ("shrunk from 32x24 to 16x12", DIM)}),
    ],
)
def test_each_line_says_what_becomes_of_the_picture(
    scene: Scene, mapping: Mapping[str, str | None], said: Mapping[str, tuple[str, Rgba]]
) -> None:
    """A line tells a resized, a stretched and a doubled picture, and in colour those that may be a mistake."""
    sizes = {"small": (24, 32), "large": (480, 640), "phone": (640, 360), "tiny": (12, 16)}
    info = checkpoint(scene, {name: sizes[name] for name in mapping})
    assert {name: row_notes(info, mapping, name, scene) for name in mapping} == said


def in_window[T: Callable[..., None]](test: T) -> T:
    """The marks of a test that drives a real window."""
    for mark in (pytest.mark.window, pytest.mark.slow):
        test = mark(test)
    return pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool")(test)


@pytest.fixture(scope="module")
def told(display: str) -> dict[str, Any]:  # noqa: F811 (the fixture)
    """What the card says of itself in a window of its own."""
    return told_by("tests.camera_map_session", DISPLAY=display)


@in_window
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("reads", READS)
def test_nothing_is_cut_and_nothing_overlaps(told: dict[str, Any], reads: str, size: str) -> None:
    """With one to six cameras, all that is written and drawn lies inside the card and beside the rest."""
    card = told["cards"][f"{reads} at {size}"]
    left, top, right, bottom = card["card"]
    assert 0 <= left < right <= card["size"][0]
    assert 0 <= top < bottom <= card["size"][1]
    places: dict[str, list[int]] = card["places"]
    assert sum("Combo" in name for name in places) == len(READS[reads])
    outside = [
        name
        for name, box in places.items()
        if not (left <= box[0] < box[2] <= right and top <= box[1] < box[3] <= bottom)
    ]
    assert outside == []
    overlapping = [
        (a, b)
        for (a, first), (b, second) in combinations(places.items(), 2)
        if first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]
    ]
    assert overlapping == []


@in_window
def test_the_suggestion_stands_there_at_first(told: dict[str, Any]) -> None:
    """The card opens with the suggestion, calls a guess a guess, and shows the picture that belongs to it."""
    mapping, texts, halves = told["by mouse"]["suggested"]
    assert mapping == {"overhead": "above", "side": "aside"}
    assert texts.count("guessed by its name") == 2
    left, right, upper, lower = halves
    assert right - left > 0.4
    assert upper == lower


@in_window
def test_another_choice_shows_another_picture(told: dict[str, Any]) -> None:
    """A choice is no longer a guess, its picture is the other camera's, and one camera shown twice is told."""
    mapping, texts, halves = told["by mouse"]["same twice"]
    assert mapping == {"overhead": "aside", "side": "aside"}
    assert texts.count("guessed by its name") == 1
    assert {"enlarged from 32x24 to 640x480\nshown as side too", "shown as overhead too"} <= set(texts)
    left, right, upper, lower = halves
    assert left == right
    assert lower - upper > 0.4
    assert sum(told["by mouse"]["darker"]) == pytest.approx(sum(halves) * 100 / 255, abs=0.05)


@in_window
def test_a_blind_policy_is_told(told: dict[str, Any]) -> None:
    """Where every camera is shown nothing, the card says so, and what is drawn is what the policy would see."""
    mapping, texts, halves = told["by mouse"]["blind"]
    assert mapping == {"overhead": None, "side": None}
    assert "So it would see nothing of the scene." in texts
    assert halves == [0, 0, 0, 0]
    assert not any(text.startswith("So it") for text in told["by mouse"]["same twice"][1])


@in_window
def test_use_sends_what_is_chosen_and_cancel_nothing_else(told: dict[str, Any]) -> None:
    """Each button closes the card and sends one request; nothing of one card is left in the next."""
    by_mouse = told["by mouse"]
    assert by_mouse["used"] == [True, False]
    assert by_mouse["cancelled"] == [True, False]
    assert by_mouse["opened again"] == {"overhead": "above", "side": "aside"}
    assert by_mouse["sent"] == [{"overhead": None, "side": "above"}, None]
