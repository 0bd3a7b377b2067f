"""Exports: the right steps in the right order, equal to what the window shows, and never a broken file."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from recordings.folder import LaneSnippet, open_recording, save
from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app import strips
from viewer_app.commands import Fork, ResetEpisode, SetStops, Step
from viewer_app.engine import Engine
from viewer_app.export import Clip, Exported, Plan, Take, chosen_overlays, clips_of, export
from viewer_app.headless import open_engine
from viewer_app.render import Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.tiles import Layout, Tile, lay_out, six_angles
from viewer_app.tiling import Composer, Moment
from viewer_app.trace import Trace
from viewer_app.types import ImageArray, WhiskersError
from viewer_app.view import OverlayChoice, Snippet, camera_presets

pytestmark = pytest.mark.core

STEPS = 40
SMALL = "64x48"


def ran(engine: Engine, steps: int = STEPS) -> Trace:
    engine.send(SetStops(on_outcome=False))
    engine.send(Step(steps))
    while engine.tick():
        pass
    return engine.lanes[0].trace


def trace_of(scene: Scene, seed: int = 2, steps: int = STEPS) -> Trace:
    engine = open_engine(scene, Wave(scene), seed)
    trace = ran(engine, steps)
    engine.close()
    return trace


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path / "scene"))


@pytest.fixture
def trace(scene: Scene) -> Trace:
    return trace_of(scene)


def clip(*traces: Trace, begin: int = 0, end: int | None = None) -> Clip:
    return Clip(tuple(Take(trace, len(trace)) for trace in traces), begin, end)


def plan(scene: Scene, path: Path, *clips: Clip) -> Plan:
    """A small video: two views of one lane."""
    return Plan(scene, clips, lay_out(scene, ("overview", "above"), "2x1", SMALL), path)


def pictures(folder: Path) -> Sequence[ImageArray]:
    found = []
    for file in sorted(folder.iterdir()):
        image = cv2.imread(str(file))
        assert image is not None
        found.append(np.asarray(image[..., ::-1], np.uint8))
    return found


def composed(scene: Scene, layout: Layout, *moments: Moment) -> ImageArray:
    with Composer(scene, layout) as composer:
        return composer.compose(moments).copy()


def decoded(path: Path) -> list[ImageArray]:
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_an_export_shows_what_the_window_shows(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """Picture k of a lossless video, and of a folder of PNG files, is the viewport's picture of step k to the bit; of
    an MP4 within what the codec loses."""
    layout = Layout(six_angles(scene)[:1], 1, 320, 180, OverlayChoice(physics=True), labels=False)
    whole = Plan(scene, (clip(trace, end=11),), layout, tmp_path / "a.mkv", lossless=True)
    shown = []
    with Viewport(scene) as viewport:
        for step in range(12):
            camera = camera_presets(scene.spec.look_at)[0]
            shown.append(viewport.draw(Shot(trace, STEPS, step, camera, layout.overlays, 320, 180)).image)
    assert export(whole) == Exported(str(tmp_path / "a.mkv"), 12, 320, 180, 30.0, 0.4)
    assert export(replace(whole, path=tmp_path / "png")) is not None
    assert export(replace(whole, path=tmp_path / "a.mp4", lossless=False)) is not None
    files = pictures(tmp_path / "png")
    assert len(files) == 12
    for number, image in enumerate(files):
        assert np.array_equal(image, shown[number]), number
    assert np.array_equal(decoded(tmp_path / "a.mkv"), shown)
    for number, image in enumerate(decoded(tmp_path / "a.mp4")):
        apart = [float(np.abs(image.astype(int) - other).mean()) for other in shown]
        assert apart[number] < 3
        # Near pictures are not alike enough to be taken for this one.
        assert number == int(np.argmin(apart))


def test_the_built_in_scene_from_six_angles(tmp_path: Path) -> None:
    """With SO-101, overlays and all strips an MP4 has the right size, rate, codec and count, and the window's picture
    of its last step."""
    av = pytest.importorskip("av")
    so101 = Scene.load("so101")
    trace = trace_of(so101, steps=6)
    choice = OverlayChoice(gripper=True)
    six = lay_out(so101, tile="320x180", overlays=choice)
    whole = Plan(so101, (clip(trace),), six, tmp_path / "a.mp4", strips=("caption", "timeline", "joints"))
    assert whole.size == (960, 360 + 30 + 40 + 170)
    assert export(whole) == Exported(str(tmp_path / "a.mp4"), 7, 960, 600, 30.0, 7 / 30)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate, stream.frames) == (960, 600, 30, 7)
    last = composed(so101, six, Moment(trace, 6, 6))
    assert np.abs(decoded(tmp_path / "a.mp4")[-1][:360].astype(int) - last).mean() < 3


@pytest.mark.parametrize(
    ("begin", "end", "speed", "fps", "steps"),
    [
        (0, None, 1.0, None, list(range(41))),
        (10, 14, 1.0, None, [10, 11, 12, 13, 14]),
        (10, 16, 2.0, None, [10, 12, 14, 16]),
        (10, 15, 2.0, None, [10, 12, 14]),
        (10, 12, 0.5, None, [10, 10, 11, 11, 12, 12]),
        (0, 6, 1.0, 15.0, [0, 2, 4, 6]),
        (0, 2, 1.0, 60.0, [0, 0, 1, 1, 2, 2]),
        (0, 5, 1.0, 24.0, [0, 1, 2, 3, 5]),
        # A tenth is a tenth: in binary fractions step 3 would come one picture late.
        (0, 3, 0.1, None, [0] * 10 + [1] * 10 + [2] * 10 + [3] * 10),
    ],
)
def test_picture_i_shows_the_step_of_its_time(
    scene: Scene,
    trace: Trace,
    tmp_path: Path,
    begin: int,
    end: int | None,
    speed: float,
    fps: float | None,
    steps: list[int],
) -> None:
    """Picture i shows step begin + floor(i * speed * control rate / fps), up to the end and not beyond."""
    whole = replace(plan(scene, tmp_path / "a", clip(trace, begin=begin, end=end)), speed=speed, fps=fps)
    assert [moments[0].step for moments in whole.moments()] == steps
    assert whole.frames == len(steps)


def test_episodes_follow_one_another(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """The pictures of two clips are those of each, in order, however many threads draw them."""
    other = trace_of(scene, seed=7, steps=9)
    whole = plan(scene, tmp_path / "both", clip(trace, begin=5, end=11), clip(other))
    done: list[tuple[int, int]] = []
    assert export(whole, report=lambda *each: done.append(each)) is not None
    assert done == [(number + 1, 17) for number in range(17)]
    expected = [(trace, step) for step in range(5, 12)] + [(other, step) for step in range(10)]
    with Composer(scene, whole.layout) as composer:
        for image, (each, step) in zip(pictures(tmp_path / "both"), expected, strict=True):
            assert np.array_equal(image, composer.compose((Moment(each, len(each), step),))), step


def test_lanes_are_shown_at_the_same_moment(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """Side by side, each lane shows its own trace at the common step; one that ended earlier stays at its end."""
    short = trace_of(scene, seed=7, steps=6)
    layout = lay_out(scene, ("overview", "top"), "1x2", SMALL, lanes=2)
    whole = Plan(scene, (clip(short, trace, begin=4, end=9),), layout, tmp_path / "pair")
    assert export(whole) is not None
    alone = lay_out(scene, ("overview", "top"), "1x2", SMALL)
    found = pictures(tmp_path / "pair")
    assert len(found) == 6
    for number, image in enumerate(found):
        step = 4 + number
        assert np.array_equal(image[:, :64], composed(scene, alone, Moment(short, 6, min(step, 6))))
        assert np.array_equal(image[:, 64:], composed(scene, alone, Moment(trace, STEPS, step)))


def test_a_stopped_export_leaves_nothing_or_a_whole_video(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """Stopped after five pictures there is no file; with `keep_partial` a video of five that plays."""
    whole = plan(scene, tmp_path / "out" / "a.mp4", clip(trace))
    for keep in (False, True):
        count = iter(range(100))
        exported = export(replace(whole, keep_partial=keep), stop=lambda count=count: next(count) == 5)  # type: ignore[misc]
        assert os.listdir(tmp_path / "out") == (["a.mp4"] if keep else [])
        assert (None if exported is None else exported.frames) == (5 if keep else None)
    assert len(decoded(tmp_path / "out" / "a.mp4")) == 5
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("export")]


def test_what_fails_while_drawing_is_raised(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """A video is given up when its place vanishes, with a sentence; the threads end and nothing is left."""
    whole = plan(scene, tmp_path / "pictures", clip(trace))

    def vanish(done: int, total: int) -> None:
        if done == 3:
            (folder,) = (each for each in tmp_path.iterdir() if each.name.startswith(".pictures"))
            folder.rename(tmp_path / "gone")

    with pytest.raises(WhiskersError, match="cannot be written: No such file"):
        export(whole, report=vanish)
    assert not (tmp_path / "pictures").exists()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("export")]


def test_what_cannot_be_exported_is_said_in_a_sentence(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """Empty, reversed and foreign ranges, views of what is not there and wrong rates are refused before any work."""
    good = plan(scene, tmp_path / "out" / "a.mp4", clip(trace))
    empty = open_engine(scene, Wave(scene), seed=0)
    blind = Layout((Tile(None, "wrist"),))
    wrong = [
        (replace(good, clips=(clip(trace, begin=5, end=5),)), r"The range 5\.\.5 of episode 1 has no length"),
        (
            replace(good, clips=(clip(trace, begin=9, end=5),)),
            r"range 9\.\.5 .* episode 1, which has 0\.\.40",
        ),
        (replace(good, clips=(clip(trace, end=41),)), r"range 0\.\.41 does not lie in"),
        (replace(good, clips=(clip(trace, begin=-1),)), r"range -1\.\.40 does not lie in"),
        (replace(good, clips=(clip(empty.lanes[0].trace),)), "Nothing was executed in episode 1"),
        (replace(good, clips=()), "no episode"),
        (replace(good, speed=0.0), "speed must be between 0.001 and 1000, found 0"),
        (replace(good, fps=float("nan")), "pictures a second must be between"),
        (replace(good, layout=Layout(six_angles(scene, lane=1))), "A view is of lane 2; episode 1 has 1"),
        (replace(good, strips=("clock",)), "no strip 'clock'"),
        (
            replace(good, layout=blind),
            "not look through camera 'wrist'; it .* above",
        ),
        (replace(good, layout=Layout(six_angles(scene), width=63)), "width must be an even number"),
        (replace(good, path=tmp_path / "out" / "a.mov"), r"\.mov is not written here"),
        (replace(good, lossless=True), r"\.mp4 is not lossless"),
    ]
    for each, words in wrong:
        with pytest.raises(WhiskersError, match=words):
            export(each)
    empty.close()
    assert not (tmp_path / "out").exists()


def test_clips_of_a_recording(scene: Scene, tmp_path: Path) -> None:
    """Traces are found by name, branches too; without names it is the last one, and an unknown one lists the others."""
    engine = open_engine(scene, Wave(scene), seed=2)
    ran(engine, 20)
    engine.send(Fork("episode 1", 8))
    ran(engine, 4)
    engine.send(ResetEpisode(seed=5))
    ran(engine, 6)
    lane = engine.lanes[0]
    traces = (*lane.earlier, Snippet(lane.trace, len(lane.trace)))
    save(tmp_path / "recording", scene, [LaneSnippet(each) for each in traces])
    engine.close()
    recording = open_recording(tmp_path / "recording")
    (last,) = clips_of(recording)
    assert (last.lanes[0].trace.name, last.reach, last.note) == ("episode 2", 6, "episode 2")
    (branch,) = clips_of(recording, ["episode 1 / branch 1"], begin=3, end=9)
    assert (branch.lanes[0].trace.parent is not None, branch.reach, branch.begin, branch.end) == (True, 12, 3, 9)
    assert [each.note for each in clips_of(recording, ["all"])] == ["episode 1", "episode 1 / branch 1", "episode 2"]
    with pytest.raises(WhiskersError, match=r"no trace 'episode 9' in .*; there are episode 1, episode 1 / branch 1"):
        clips_of(recording, ["episode 9"])
    with pytest.raises(WhiskersError, match=r"no lane 2 in .*; it has 1"):
        clips_of(recording, lanes=[1])


def test_overlays_by_name() -> None:
    """Those named are drawn and no others; without names the window's own choice; `none` is none."""
    assert chosen_overlays(()) == OverlayChoice()
    named = chosen_overlays(("physics", "path"))
    assert (named.physics, named.path, named.whisker, named.ghosts, named.legend) == (True, True, False, False, True)
    nothing = chosen_overlays(("none",))
    assert not any((nothing.whisker, nothing.ghosts, nothing.path, nothing.physics))
    with pytest.raises(WhiskersError, match=r"no overlay 'tail'; there are ghosts, .*, and none"):
        chosen_overlays(("path", "tail"))


def test_strips_have_the_windows_colours() -> None:
    """A phase, a curve and an outcome have the same colour in a video as in the window."""
    pytest.importorskip("dearpygui")
    from panels import style

    ours = (*strips.PHASES, strips.ACTUAL, strips.COMMANDED, strips.GOOD, strips.BAD, strips.DIM)
    windows = (*style.PHASES, style.ACTUAL, style.COMMANDED, style.GOOD, style.BAD, style.DIM)
    assert ours == tuple(each[:3] for each in windows)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_episode(scene: Scene, tmp_path: Path) -> None:
    """Ten times the pictures take no more memory at their peak, policy cameras, overlays and strips included."""
    long = trace_of(scene, steps=300)
    layout = lay_out(scene, ("overview", "policy:above"), "2x1", "320x240")
    peaks = []
    for end in (29, 299):
        whole = Plan(scene, (clip(long, end=end),), layout, tmp_path / f"{end}.mp4", strips=tuple(strips.STRIPS))
        gc.collect()
        tracemalloc.start()
        assert export(whole) is not None
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    one_picture = whole.size[0] * whole.size[1] * 3
    # Words and legends are remembered, up to a bound that a short clip does not reach.
    assert peaks[1] < peaks[0] + 5 * one_picture


EXPORT = """
import sys
from pathlib import Path
from recordings.folder import open_recording
from viewer_app.export import Plan, clips_of, export
from viewer_app.tiles import lay_out

recording = open_recording(Path(sys.argv[1]))
layout = lay_out(recording.scene, ("overview", "above"), "2x1", "64x48")
plan = Plan(recording.scene, clips_of(recording), layout, Path(sys.argv[2]), force=True)
while True:
    print("begin", flush=True)
    export(plan)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_killed_at_any_moment(scene: Scene, trace: Trace, tmp_path: Path, name: str) -> None:
    """Killed ten times at random moments of exports that replace one another, the name always holds a whole video."""
    save(tmp_path / "recording", scene, [LaneSnippet(Snippet(trace, STEPS))])
    path = tmp_path / name
    assert export(plan(scene, path, clip(trace, end=7))) is not None
    rng = np.random.default_rng(0)
    command = [sys.executable, "-c", EXPORT, str(tmp_path / "recording"), str(path)]
    counts = []
    for _ in range(10):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        time.sleep(rng.uniform(0, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        counts.append(len(decoded(path)))
        assert set(os.listdir(tmp_path)) <= {"scene", "recording", name, *hidden(name)}
    # The first one was of 8 pictures, those that replaced it are of 41.
    assert set(counts) == {8, 41} or set(counts) == {41}
    assert export(replace(plan(scene, path, clip(trace, end=7)), force=True)) is not None
    assert set(os.listdir(tmp_path)) == {"scene", "recording", name}


def hidden(name: str) -> list[str]:
    """What an export that was killed may leave, until the next one of that name."""
    return [f".{name}.partial{suffix}" for suffix in ("", ".mkv", ".png")]
