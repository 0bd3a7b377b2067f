"""Ctrl+R: the video of what was looked at is what was looked at, when it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from recordings.trace_file import RecordingError
from tests.scenes import write_scene
from tests.scripted import do
from tests.synthetic import Wave
from viewer_app.chunking import FirstN
from viewer_app.commands import Fork, MoveObject, ResetEpisode, ResetPolicy, SetChunking, Step
from viewer_app.engine import Engine
from viewer_app.exporting.developing import develop
from viewer_app.gui.looked_at import FPS, Footage, LookedAt
from viewer_app.headless import open_lanes
from viewer_app.render import Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.types import ImageArray, WhiskersError
from viewer_app.view import Camera, OverlayChoice, camera_presets

WIDTH, HEIGHT = 96, 64
PLAIN = OverlayChoice(legend=False)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    scene = Scene.load(write_scene(tmp_path / "scene"))
    engine = open_lanes(scene, (Wave(scene), Wave(scene)), seed=3)
    yield engine
    engine.close()


def shot_of(
    engine: Engine, step: int, lane: int = 0, camera: Camera | None = None, overlays: OverlayChoice = PLAIN
) -> Shot:
    """What the window asks for when it looks at a step, as far as the trace goes now."""
    trace = engine.lanes[lane].trace
    return Shot(
        trace,
        len(trace),
        step,
        camera or camera_presets(engine.scene.spec.look_at)[0],
        overlays,
        WIDTH,
        HEIGHT,
        engine.lanes[lane].answers,
    )


def record(scene: Scene, script: Sequence[tuple[float, tuple[Shot, ...]]], end: float, columns: int = 1) -> Footage:
    """A recording of shots at their times. [s]"""
    (begin, first), *rest = script
    looked_at = LookedAt(scene, first, (WIDTH, HEIGHT), columns, begin)
    for time, shots in rest:
        looked_at.see(shots, time)
    return looked_at.end(end)


def read(file: Path) -> ImageArray:
    picture = cv2.imread(str(file))
    assert picture is not None
    return np.asarray(picture[..., ::-1], np.uint8)


def pictures_of(footage: Footage, folder: Path, stop: Callable[[], bool] = lambda: False) -> list[ImageArray]:
    """The pictures of the video, to the bit."""
    told: list[tuple[int, int]] = []
    done = develop(footage, folder, lambda *progress: told.append(progress), stop)
    assert done is not None
    assert told == [(number + 1, done.frames) for number in range(done.frames)]
    files = sorted(folder.iterdir())
    assert len(files) == done.frames == footage.frames
    return [read(file) for file in files]


def test_every_picture_is_what_was_looked_at_at_its_time(engine: Engine, tmp_path: Path) -> None:
    """Picture i equals, to the bit, the viewport's picture of the shot asked for last at i / 30 s, whatever moved:
    the step, the camera or the overlays."""
    do(engine, Step(20))
    look_at = engine.scene.spec.look_at
    side, tracking = camera_presets(look_at)[1], camera_presets(look_at)[5]
    begin = 1000.0
    script = [
        (begin, (shot_of(engine, 4),)),
        (begin + 0.05, (shot_of(engine, 9),)),
        (begin + 0.10, (shot_of(engine, 9, camera=side),)),
        (begin + 0.101, (shot_of(engine, 10, camera=side),)),  # in sight for no picture: 3 / 30 s is before it,
        (begin + 0.132, (shot_of(engine, 11, camera=tracking),)),  # and 4 / 30 s after this
        (begin + 0.20, (shot_of(engine, 11, camera=tracking, overlays=replace(PLAIN, path=False, whisker=False)),)),
        (begin + 0.25, (shot_of(engine, 3),)),
    ]
    footage = record(engine.scene, script, begin + 0.29)
    with Viewport(engine.scene) as viewport:
        drawn = [viewport.draw(shots[0]).image.copy() for _, shots in script]
    # 9 pictures begin in 0.29 s.
    shown = [max(n for n, (time, _) in enumerate(script) if time <= begin + i / FPS + 1e-9) for i in range(9)]
    assert shown == [0, 0, 1, 2, 4, 4, 5, 5, 6]
    pictures = pictures_of(footage, tmp_path / "video")
    assert [np.array_equal(picture, drawn[n]) for picture, n in zip(pictures, shown, strict=True)] == [True] * 9
    different = {drawn[n].tobytes() for n in shown}
    assert len(different) == 6, "the shots of the script can be told apart"


def test_the_video_shows_the_head_as_it_was(engine: Engine, tmp_path: Path) -> None:
    """What was done to the head after it was looked at, a moved object, a reset, another mode or the chunk that came
    with the next step, shows only from then on."""
    do(engine, Step(6))
    with Viewport(engine.scene) as viewport:
        looked_at: LookedAt | None = None
        drawn: list[ImageArray] = []

        def look(step: int) -> None:
            nonlocal looked_at
            shots = (shot_of(engine, step, overlays=replace(PLAIN, members=True, ensemble=True)),)
            drawn.append(viewport.draw(shots[0]).image.copy())
            if looked_at is None:
                looked_at = LookedAt(engine.scene, shots, (WIDTH, HEIGHT), 1, 0.0)
            else:
                looked_at.see(shots, (len(drawn) - 1) / FPS)

        look(6)
        do(engine, MoveObject("cube", (0.15, -0.1, 0.02)))
        look(6)
        do(engine, ResetPolicy())
        look(6)
        do(engine, SetChunking(FirstN(3)))
        look(6)
        do(engine, Step(1))
        look(6)
        do(engine, Step(8))
        assert looked_at is not None
        trace = engine.lanes[0].trace
        assert trace.chunk_arrived_at(6) is not None, "a chunk came with the step"
        before = trace.column("snapshot").tobytes()
        pictures = pictures_of(looked_at.end(len(drawn) / FPS), tmp_path / "video")
    assert [np.array_equal(a, b) for a, b in zip(pictures, drawn, strict=True)] == [True] * 5
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[1], drawn[2])
    assert not np.array_equal(drawn[3], drawn[4])
    assert trace.column("snapshot").tobytes() == before, "drawing changes nothing"


def test_lanes_lie_as_in_the_window(engine: Engine, tmp_path: Path) -> None:
    """With several lanes each picture holds all of them, row by row in the window's columns."""
    do(engine, Step(5), ResetEpisode(lane=1), Step(4))
    shots = (shot_of(engine, 5), shot_of(engine, 2, lane=1))
    with Viewport(engine.scene) as viewport:
        left, right = (viewport.draw(shot).image.copy() for shot in shots)
    for columns, whole in ((2, np.hstack([left, right])), (1, np.vstack([left, right]))):
        footage = record(engine.scene, [(0.0, shots)], 0.01, columns)
        (picture,) = pictures_of(footage, tmp_path / f"{columns}")
        assert np.array_equal(picture, whole)


def test_memory_grows_with_what_changes_and_never_faster_than_the_video(engine: Engine) -> None:
    """Nothing is kept while nothing changes; however often it changes, at most one entry for each picture."""
    do(engine, Step(200))
    still = [(number / 1000, (shot_of(engine, 7),)) for number in range(500)]
    assert len(record(engine.scene, still, 0.5).glimpses) == 1
    head = [(number / 1000, (shot_of(engine, 200),)) for number in range(500)]
    assert len(record(engine.scene, head, 0.5).glimpses) == 1
    hasty = [(number / 1000, (shot_of(engine, number % 200),)) for number in range(2000)]
    footage = record(engine.scene, hasty, 2.0)
    assert (len(footage.glimpses), footage.frames) == (60, 60)
    # A picture i shows what was looked at at i / 30 s: millisecond 33 i.
    assert [each.shots[0].step for each in footage.glimpses] == [int(1000 * i / 30) % 200 for i in range(60)]
    looked_at = LookedAt(engine.scene, (shot_of(engine, 200),), (WIDTH, HEIGHT), 1, 0.0)
    assert looked_at.nbytes == engine.lanes[0].trace.snapshot(200).nbytes


def test_a_recording_of_nothing_is_refused(engine: Engine) -> None:
    """Before there is a picture there is nothing to record, and one sentence says so."""
    with pytest.raises(WhiskersError, match="no picture yet"):
        LookedAt(engine.scene, (), (WIDTH, HEIGHT), 1, 0.0)


@pytest.mark.parametrize(("size", "even"), [((97, 65), (96, 64)), ((640, 361), (640, 360)), ((1, 3), (2, 2))])
def test_the_video_has_the_size_of_the_window_made_even(
    engine: Engine, size: tuple[int, int], even: tuple[int, int]
) -> None:
    """The size at the beginning counts, one pixel less where it is odd; later pictures keep it."""
    do(engine, Step(3))
    looked_at = LookedAt(engine.scene, (shot_of(engine, 0),), size, 1, 0.0)
    looked_at.see((replace(shot_of(engine, 1), width=500, height=400),), 0.1)
    footage = looked_at.end(0.2)
    assert footage.size == even
    assert {(shot.width, shot.height) for each in footage.glimpses for shot in each.shots} == {even}


def test_a_branch_leaves_the_recording_as_it_was(engine: Engine, tmp_path: Path) -> None:
    """Traces that go on, branch or begin anew while a recording is drawn change none of its pictures."""
    do(engine, Step(8))
    shots = (shot_of(engine, 8),)
    footage = record(engine.scene, [(0.0, shots)], 0.01)
    with Viewport(engine.scene) as viewport:
        drawn = viewport.draw(shots[0]).image.copy()
    do(engine, Step(5), Fork("episode 1", 8), Step(4), ResetEpisode(), Step(2))
    (picture,) = pictures_of(footage, tmp_path / "video")
    assert np.array_equal(picture, drawn)


def reached(numbers: Iterator[int], most: int) -> bool:
    return next(numbers) >= most


def test_what_is_stopped_or_has_a_name_taken_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    """Stopped at any picture nothing is left, and a name that is taken keeps what it has."""
    do(engine, Step(9))
    footage = record(engine.scene, [(n / FPS, (shot_of(engine, n),)) for n in range(9)], 0.3)
    for most in (0, 1, 5):
        asked = iter(range(100))
        path = tmp_path / "out" / "video.mp4"
        assert develop(footage, path, lambda done, total: None, partial(reached, asked, most)) is None
        assert list(path.parent.iterdir()) == []
    path.write_bytes(b"kept")
    with pytest.raises(RecordingError, match="exists already"):
        develop(footage, path, lambda done, total: None, lambda: False)
    assert [each.read_bytes() for each in path.parent.iterdir()] == [b"kept"]
