"""The card that orders videos: what it offers and says, what it looks like, and what comes of it when it is used."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from panels.export_choices import TraceChoice, traces_of, views_of
from panels.export_dialog import facts
from panels.export_strip import times
from panels.recording_light import clock
from tests.scenes import write_scene
from tests.scripted import do
from tests.synthetic import Wave
from tests.test_window import ROOT, display  # noqa: F401 (a fixture)
from tests.told import told_by
from tests.window_session import Folder
from viewer_app.commands import Fork, ResetEpisode, Step
from viewer_app.engine import Engine
from viewer_app.gui.export_contract import (
    Export,
    ExportCancelledError,
    ExportDone,
    ExportProgress,
    PreviewWish,
)
from viewer_app.gui.looked_at import Footage
from viewer_app.gui.videos import Running, Videos
from viewer_app.headless import open_lanes
from viewer_app.render import Shot
from viewer_app.scene import Scene
from viewer_app.types import WhiskersError
from viewer_app.video_order import Estimate, Preview, VideoOrder
from viewer_app.view import Camera, Focus, Frame, OverlayChoice, View, resolve

SIX = ["overview", "side", "front", "top", "close-up", "tracking"]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    scene = Scene.load(write_scene(tmp_path / "scene"))
    engine = open_lanes(scene, (Wave(scene, cameras={"aside": (24, 32)}), Wave(scene, cameras={})), seed=3)
    yield engine
    engine.close()


def looking(engine: Engine, **focus: Any) -> Frame:
    return resolve(engine.view(), Focus(**focus))


def test_what_is_looked_at_can_be_exported_first(engine: Engine) -> None:
    """The trace looked at stands first, then all of the session, then the others; one in which nothing was executed is
    offered only while it is looked at, and the length is that of the lane that got farthest."""
    assert traces_of(looking(engine)) == (TraceChoice("episode 1   looked at", (None,), 0),)
    do(engine, Step(6), Fork("episode 1", 3), Step(5))
    both = traces_of(looking(engine))
    assert both == (
        TraceChoice("episode 1 / branch 1   looked at", (None,), 8),
        TraceChoice("all 2 of this session", ("episode 1", None), 8),
        TraceChoice("episode 1", ("episode 1",), 8),  # 6 in its own lane; the other one went on
    )
    earlier = traces_of(looking(engine, trace="episode 1"))
    assert [each.names for each in earlier] == [("episode 1",), ("episode 1", None), (None,)]
    do(engine, ResetEpisode())
    names = [each.names for each in traces_of(looking(engine, trace="episode 1"))]
    assert (None,) not in names
    assert (None,) in [each.names for each in traces_of(looking(engine))]


def test_only_what_the_policy_saw_is_offered(engine: Engine) -> None:
    """The window's own view, the presets, the scene's cameras, and what the policy of the lane looked at saw."""
    offered = views_of(engine.scene, looking(engine))
    assert offered == ("this view", *SIX, "above", "aside", "policy:aside")
    assert views_of(engine.scene, looking(engine, lane=1))[-1] == "aside"


def test_words() -> None:
    """Sizes, lengths and times are said in words that fit their numbers."""
    order = VideoOrder(Path("video.mp4"), ("top",))
    assert facts(Estimate(order)) == ""
    assert facts(Estimate(order, "", False, 1, 640, 360, 30.0)) == "640x360, 1 picture, 0.0 s at 30 a second"
    assert facts(Estimate(order, "", False, 75, 640, 360, 25.0)) == "640x360, 75 pictures, 3.0 s at 25 a second"
    assert times(0, 0, 0, 9.0) == "beginning"
    assert times(50, 200, 2, 10.0) == "25 %   about 30 s left   2 waiting"
    assert times(200, 200, 0, 40.0) == "100 %   finishing the file"
    assert [clock(seconds) for seconds in (0.0, 59.9, 60.0, 754.0)] == ["0:00", "0:59", "1:00", "12:34"]


class Made:
    """An export that a test moves on. Implements `export_contract.Export`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state: ExportProgress | ExportDone | WhiskersError = ExportProgress(0, 0)

    def poll(self) -> ExportProgress | ExportDone | WhiskersError:
        return self.state

    def cancel(self) -> None:
        self.state = ExportCancelledError("Cancelled.")


class Hand:
    """Takes orders and does nothing. Implements `export_contract.Exporter`."""

    def __init__(self) -> None:
        self.made: list[Made] = []
        self.looks: list[PreviewWish] = []
        self.footage: list[Footage] = []
        self.preview: Preview | None = None
        self.rests = 0

    def begin(self, order: VideoOrder, view: View) -> Export:
        self.made.append(Made(order.path))
        return self.made[-1]

    def develop(self, footage: Footage, path: Path) -> Export:
        self.footage.append(footage)
        self.made.append(Made(path))
        return self.made[-1]

    def look(self, wish: PreviewWish) -> None:
        self.looks.append(wish)

    def rest(self) -> None:
        self.rests += 1

    def close(self) -> None:
        self.made.clear()


def test_one_export_after_another_is_shown(engine: Engine, tmp_path: Path) -> None:
    """The one in progress is shown with how many wait; each ends in its sentence, a failure alone as a complaint; and
    no two are given the same name."""
    hand = Hand()
    videos = Videos(hand, Folder(tmp_path))
    view = engine.view()
    for _ in range(3):
        videos.export(VideoOrder(videos.new_path(), ("top",)), view)
    assert [each.path.name for each in hand.made] == ["video.mp4", "video-1.mp4", "video-2.mp4"]
    assert videos.running == Running("video.mp4", 0, 0, 2)
    hand.made[0].state = ExportProgress(3, 10)
    assert videos.poll() == []
    assert videos.running == Running("video.mp4", 3, 10, 2)
    videos.cancel()
    assert videos.poll() == [("Cancelled.", False)]
    assert videos.running == Running("video-1.mp4", 0, 0, 1)
    hand.made[1].state = WhiskersError("No space.")
    hand.made[2].state = ExportDone("Done.", hand.made[2].path)
    assert videos.poll() == [("No space.", True), ("Done.", False)]
    assert videos.running is None


def test_a_preview_is_asked_for_when_something_changed(engine: Engine, tmp_path: Path) -> None:
    """A changed order is drawn at once, a moment that moves on twice a second at most, and nothing twice."""
    do(engine, Step(30))
    hand = Hand()
    videos = Videos(hand, Folder(tmp_path))
    order = VideoOrder(tmp_path / "a.mp4", ("top",))
    for number in range(300):
        videos.preview(order, looking(engine, step=4), (100, 100), number / 100)
    assert len(hand.looks) == 1
    videos.preview(replace(order, tile="96x64"), looking(engine, step=4), (100, 100), 3.0)
    assert len(hand.looks) == 2
    for number in range(300):
        videos.preview(replace(order, tile="96x64"), looking(engine, step=number // 10), (100, 100), 3 + number / 100)
    assert 6 <= len(hand.looks) <= 8
    videos.rest()
    videos.rest()
    assert hand.rests == 1
    videos.preview(order, looking(engine, step=4), (100, 100), 7.0)
    assert hand.looks[-1].order == order


def test_record_twice_makes_a_video(engine: Engine, tmp_path: Path) -> None:
    """The first call begins, the second ends it and has it made; without an end nothing is made of it."""
    do(engine, Step(5))
    hand = Hand()
    videos = Videos(hand, Folder(tmp_path))
    trace = engine.lanes[0].trace
    shots = [(Shot(trace, 5, step, Camera(), OverlayChoice(), 64, 64),) for step in range(4)]
    with pytest.raises(WhiskersError, match="no picture yet"):
        videos.record(engine.scene, (), (64, 64), 1, 0.0)
    videos.watch(shots[0], 1.0)
    assert videos.recording_since is None
    videos.record(engine.scene, shots[0], (64, 64), 1, 2.0)
    assert videos.recording_since == 2.0
    videos.watch(shots[1], 2.5)
    videos.record(engine.scene, shots[1], (64, 64), 1, 3.0)
    assert videos.recording_since is None
    videos.watch(shots[2], 3.5)
    (footage,) = hand.footage
    assert [(glimpse.shots[0].step, count) for glimpse, count in footage.spans] == [(0, 15), (1, 15)]
    assert hand.made[0].path.name == "looked-at.mp4"
    videos.record(engine.scene, shots[3], (64, 64), 1, 4.0)
    videos.close()
    assert (len(hand.footage), videos.recording_since) == (1, None)


def in_window[T: Callable[..., None]](test: T) -> T:
    """The marks of a test that drives a real window."""
    for mark in (pytest.mark.window, pytest.mark.slow):
        test = mark(test)
    return pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool")(test)


@pytest.fixture(scope="module", params=[1, 2], ids=["one lane", "two lanes"])
def told(display: str, request: pytest.FixtureRequest) -> dict[str, Any]:  # noqa: F811 (the fixture)
    """What the cards say of themselves in a window of their own."""
    said = told_by("tests.export_session", DISPLAY=display, LANES=str(request.param))
    return {**said, "lanes": request.param}


@in_window
@pytest.mark.parametrize("size", ["1280x720", "1920x1080"])
def test_nothing_is_cut_and_nothing_overlaps(told: dict[str, Any], size: str) -> None:
    """All that the card holds lies inside it and beside the rest, in all its layouts."""
    assert told[f"items at {size}"] > 40
    assert told[f"misplaced at {size}"] == []
    layouts = [told["choices"][label] for label in ("Policy's eyes", "Side by side", "Six angles")]
    assert [layout[-1] for layout in layouts] == [[]] * 3
    assert (told["odd"][-1], told["taken"][-1], told["queue"]["strip"]) == ([], [], [True, []])


@in_window
def test_one_click_exports_six_angles(told: dict[str, Any]) -> None:
    """The card opens with the six presets of all that is looked at, says how large and long that is, and a click on
    Export makes it."""
    assert told["views at first"] == SIX
    width = 1920 * told["lanes"]
    assert f"{width}x720, 81 pictures, 2.7 s at 30 a second" in told["says at first"]
    assert told["queue"]["names"] == ["video.mp4", "video-1.mp4", "video-2.mp4"]


@in_window
def test_layouts_and_views_are_chosen_by_mouse(told: dict[str, Any]) -> None:
    """Each layout chooses its views; a view that is turned on comes last; what was chosen stays for the next time."""
    assert told["this view"] == [["this view"], "1280x720", True]
    assert told["and top"] == [["this view", "top"], ["caption"]]
    choices = told["choices"]
    assert choices["kept"] == [["this view", "top"], ["caption"]]
    eyes = ["policy:above", "policy:aside"]
    assert choices["Policy's eyes"][:3] == [eyes, 2, "480x360"]
    both = [["this view"], 1, "960x540"] if told["lanes"] == 2 else [["this view", *eyes], 3, "480x360"]
    assert choices["Side by side"][:3] == both
    assert choices["Six angles"][:3] == [SIX, 3, "640x360"]
    assert choices["lanes"] == ([[], [0], [1]] if told["lanes"] == 2 else [[], [0]])


@in_window
def test_range_trace_and_format(told: dict[str, Any]) -> None:
    """The range is the whole, from or up to the step looked at, or typed; several traces are shown whole; the file's
    name ends as its format does; and the card follows a trace that grows."""
    choices = told["choices"]
    assert choices["formats"] == ["video.mp4", "video.mkv", "video.gif", "video.webp", "video"]
    assert choices["ranges"] == {
        "whole": [0, None],
        "from here on": [40, 80],
        "up to here": [0, 40],
        "these steps": [0, 40],
    }
    assert choices["typed"] == ["these steps", 0, 45]
    assert [each[1] for each in choices["traces"]] == [[None], ["episode 1", None], ["episode 1"]]
    assert choices["traces"][1][2] is None
    # With two lanes the other one has gone on in the first trace.
    frames = (61 + 81) if told["lanes"] == 1 else (81 + 81)
    assert any(f" {frames} pictures" in text for text in choices["says of all"])
    assert choices["grown"][:3] == [True, "whole", 81]
    assert choices["closed"]


@in_window
def test_what_is_wrong_is_said_and_nothing_is_sent(told: dict[str, Any]) -> None:
    """An odd size and a name that is taken are said in the card, which stays open; overwriting has to be ticked."""
    assert "A tile's width must be an even number of at least 16 pixels, found 97." in told["odd"][0]
    assert told["odd is refused"] == [True, 0]
    assert not any("even number" in text for text in told["even"])
    sentence = "taken.mp4 exists already; overwrite it, or choose another name."
    assert sentence in told["taken"][0]
    assert told["taken is refused"] == [True, 0]
    assert sentence not in told["overwrite"]
    assert told["sent"] == [False, [True]]
    assert (told["done"], told["written"]) == (True, True)
    ((said, bad),) = told["said"]
    assert said.endswith("taken.mp4")
    assert not bad


@in_window
def test_exports_in_progress_can_be_cancelled(told: dict[str, Any]) -> None:
    """The strip shows the one in progress and how many wait; its button ends that one alone; it goes with the last."""
    queue = told["queue"]
    assert queue["waiting"] == 2
    assert queue["said"][0] == ["Exporting video.mp4 was cancelled; nothing of it was left behind.", False]
    assert (queue["there"], queue["end"], queue["strip after"]) == ([False], True, False)
    assert queue["left"] == ["video-2.mp4"], "the last one was made, nothing is left of the others"


@in_window
def test_the_light_is_on_while_it_records(told: dict[str, Any]) -> None:
    """The light shows from the first Ctrl+R to the second, which makes a video as long as that took."""
    record = told["record"]
    assert (record["light"], record["light after"], record["end"]) == (True, False, True)
    ((said, bad),) = record["said"]
    seconds = float(said.split()[1])
    assert 1.2 <= seconds < 6
    assert said.endswith("looked-at.mp4")
    assert not bad
