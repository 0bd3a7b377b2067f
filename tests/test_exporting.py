"""Videos for the window: what is exported is what the window shows, beside a session that goes on."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.scenes import write_scene
from tests.scripted import do
from tests.synthetic import Wave
from tests.test_looked_at import read
from viewer_app.commands import Fork, ResetEpisode, Step
from viewer_app.engine import Engine
from viewer_app.exporting import VideoExporter
from viewer_app.exporting.order_plan import plan_of
from viewer_app.exporting.preview_thread import fit_into
from viewer_app.gui.export_contract import Export, ExportDone, ExportProgress, PreviewWish
from viewer_app.gui.looked_at import LookedAt
from viewer_app.headless import open_lanes
from viewer_app.render import Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.types import ImageArray, WhiskersError
from viewer_app.video_order import HERE, Preview, VideoOrder
from viewer_app.view import Camera, OverlayChoice, camera_presets

PATIENCE = 60.0
"""[s]"""
LONG = 400
"""Steps of a trace whose export takes a while."""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path / "scene"))


@pytest.fixture
def engine(scene: Scene) -> Iterator[Engine]:
    engine = open_lanes(scene, (Wave(scene), Wave(scene)), seed=3)
    yield engine
    engine.close()


@pytest.fixture
def exporter() -> Iterator[VideoExporter]:
    exporter = VideoExporter()
    yield exporter
    exporter.close()


def order_of(path: Path, views: Sequence[str] = ("overview",), **further: object) -> VideoOrder:
    return replace(VideoOrder(path, tuple(views), tile="96x64", columns=2), **further)  # type: ignore[arg-type]


def wait_for[T](what: Callable[[], T | None]) -> T:
    begin = time.monotonic()
    while (found := what()) is None:
        assert time.monotonic() - begin < PATIENCE, "it never came"
        time.sleep(0.005)
    return found


def ended(export: Export) -> ExportDone | WhiskersError:
    wait_for(lambda: None if isinstance(export.poll(), ExportProgress) else True)
    found = export.poll()
    assert not isinstance(found, ExportProgress)
    return found


def begun(export: Export) -> ExportProgress:
    """Its progress, as soon as pictures are drawn."""

    def progress() -> ExportProgress | None:
        found = export.poll()
        assert isinstance(found, ExportProgress)
        return found if found.done else None

    return wait_for(progress)


def pictures(folder: Path) -> list[ImageArray]:
    return [read(file) for file in sorted(folder.iterdir())]


def test_what_is_exported_is_what_the_window_shows(engine: Engine, exporter: VideoExporter, tmp_path: Path) -> None:
    """Each picture of "this view" equals, to the bit, the viewport's picture of that step from where the window looks,
    be it a camera that follows the gripper from an angle of its own."""
    do(engine, Step(9))
    overlays = OverlayChoice(legend=False, physics=True)
    looks = camera_presets(engine.scene.spec.look_at)
    for number, camera in enumerate((replace(looks[5], azimuth=17.3, label="free"), Camera((0.1, 0.02, 0.03), 30.1))):
        order = order_of(
            tmp_path / f"{number}", [HERE], here=camera, overlays=overlays, labels=False, begin=2, end=6, lanes=(0,)
        )
        done = ended(exporter.begin(order, engine.view()))
        assert isinstance(done, ExportDone), done
        assert done.path == order.path
        assert str(order.path) in done.sentence
        trace = engine.lanes[0].trace
        with Viewport(engine.scene) as viewport:
            shown = [viewport.draw(Shot(trace, 9, step, camera, overlays, 96, 64)).image.copy() for step in range(2, 7)]
        assert [np.array_equal(a, b) for a, b in zip(pictures(order.path), shown, strict=True)] == [True] * 5


def test_the_preview_is_the_exported_picture(engine: Engine, exporter: VideoExporter, tmp_path: Path) -> None:
    """The preview equals, to the bit, the picture that is exported for the step looked at, with lanes side by side,
    strips and what the policy saw; and it says how many pictures there will be and how large."""
    do(engine, Step(8))
    order = order_of(tmp_path / "video", ["side", "policy:above", HERE], strips=("caption", "timeline"), begin=1, end=7)
    room = (2000, 2000)
    exporter.look(PreviewWish(order, engine.view(), None, 5, room))
    preview = wait_for(lambda: each if (each := exporter.preview) is not None and not each.late else None)
    done = ended(exporter.begin(order, engine.view()))
    assert isinstance(done, ExportDone), done
    written = pictures(order.path)
    assert preview.image is not None
    assert np.array_equal(preview.image, written[4])
    assert not np.array_equal(preview.image, written[3])
    estimate = preview.estimate
    assert (estimate.complaint, estimate.order) == ("", order)
    assert (estimate.frames, estimate.height, estimate.width) == (len(written), *written[0].shape[:2])
    # Two lanes, each with two columns and two rows, and the strips below.
    assert (estimate.width, estimate.height) == (2 * 2 * 96, 2 * 64 + 30 + 40)
    assert estimate.seconds == pytest.approx(7 / 30)
    small = fit_into(written[4], 150, 40)
    assert small.shape[0] == 40
    assert small.shape[1] == round(written[4].shape[1] * 40 / written[4].shape[0])


def test_a_session_goes_on_while_it_is_exported(scene: Scene, exporter: VideoExporter, tmp_path: Path) -> None:
    """An export has the steps there were when it was ordered, and what is executed meanwhile is equal, to the bit, to
    what is executed without it."""
    traces = []
    for name in ("beside", "alone"):
        with_export = name == "beside"
        engine = open_lanes(scene, (Wave(scene),), seed=5)
        do(engine, Step(60))
        export = exporter.begin(order_of(tmp_path / name, ["overview", "top"]), engine.view()) if with_export else None
        if export is not None:
            begun(export)
        do(engine, Step(40), Fork("episode 1", 50), Step(5), ResetEpisode(), Step(3))
        lane = engine.view().lanes[0]
        traces.append([each.trace for each in (*lane.earlier, lane.now)])
        if export is not None:
            assert isinstance(ended(export), ExportDone)
            assert len(pictures(tmp_path / name)) == 61
        engine.close()
    assert len(traces[0]) == 3
    assert all(a.same_as(b) for a, b in zip(*traces, strict=True))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells threads apart")
def test_an_export_stands_behind_the_session(engine: Engine, exporter: VideoExporter, tmp_path: Path) -> None:
    """All threads that make a video, and what encodes it, have a low priority; the others keep theirs."""
    do(engine, Step(LONG))
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    begun(exporter.begin(order_of(tmp_path / "video.mp4"), engine.view()))
    threads = [each for each in threading.enumerate() if each.name.startswith("export")]
    assert len(threads) > 1
    assert {os.getpriority(os.PRIO_PROCESS, each.native_id or 0) for each in threads} == {15}
    tasks = Path("/proc/self/task").iterdir()
    children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in children} == {15}
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own


def test_exports_queue(engine: Engine, exporter: VideoExporter, tmp_path: Path) -> None:
    """Several exports are made one after another; one that is cancelled leaves nothing, whether it has begun or waits,
    and the others are made."""
    do(engine, Step(LONG))
    view = engine.view()
    jobs = [exporter.begin(order_of(tmp_path / f"{n}.mp4", end=None if n < 3 else 5), view) for n in range(5)]
    with pytest.raises(WhiskersError, match=r"2\.mp4 is being exported already"):
        exporter.begin(order_of(tmp_path / "2.mp4"), view)
    assert begun(jobs[0]).total == LONG + 1
    assert [job.poll() for job in jobs[1:]] == [ExportProgress(0, 0)] * 4
    jobs[1].cancel()
    assert "1.mp4 was cancelled" in str(jobs[1].poll())
    jobs[0].cancel()
    assert "0.mp4 was cancelled" in str(ended(jobs[0]))
    begun(jobs[2])
    jobs[2].cancel()
    assert "2.mp4 was cancelled" in str(ended(jobs[2]))
    assert [type(ended(job)) for job in jobs[3:]] == [ExportDone, ExportDone]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["3.mp4", "4.mp4", "scene"]
    again = exporter.begin(order_of(tmp_path / "2.mp4", end=3), view)
    assert isinstance(ended(again), ExportDone), "the name is free again"


def test_closing_leaves_nothing_half_done(engine: Engine, tmp_path: Path) -> None:
    """When the window is closed, the video in progress, those that wait and the preview end, and nothing is left."""
    do(engine, Step(LONG))
    view = engine.view()
    exporter = VideoExporter()
    first = exporter.begin(order_of(tmp_path / "out" / "a.mp4"), view)
    exporter.begin(order_of(tmp_path / "out" / "b"), view)
    shot = Shot(view.lanes[0].now.trace, LONG, 3, Camera(), OverlayChoice(), 64, 64)
    exporter.develop(LookedAt(engine.scene, (shot,), (64, 64), 1, 0.0).end(20.0), tmp_path / "out" / "c.mp4")
    exporter.look(PreviewWish(order_of(tmp_path / "d.mp4"), view, None, 5, (100, 100)))
    begun(first)
    exporter.close()
    assert isinstance(first.poll(), WhiskersError)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_was_looked_at_is_made_into_a_video_too(engine: Engine, exporter: VideoExporter, tmp_path: Path) -> None:
    """A recording goes through the same queue, tells its progress, and ends in a sentence with the path."""
    do(engine, Step(4))
    trace = engine.lanes[0].trace
    shot = Shot(trace, 4, 2, Camera(), OverlayChoice(), 64, 64)
    looked_at = LookedAt(engine.scene, (shot,), (64, 48), 1, 10.0)
    export = exporter.develop(looked_at.end(10.5), tmp_path / "looked-at.mp4")
    done = ended(export)
    assert done == ExportDone(f"Exported 0.5 s, 64x48, to {tmp_path / 'looked-at.mp4'}", tmp_path / "looked-at.mp4")
    assert done.path.stat().st_size > 500


def raise_error(found: object) -> None:
    if isinstance(found, WhiskersError):
        raise found


def previewed(exporter: VideoExporter, order: VideoOrder, engine: Engine) -> Preview:
    exporter.look(PreviewWish(order, engine.view(), None, 2, (100, 100)))
    return wait_for(lambda: each if (each := exporter.preview) is not None and each.estimate.order == order else None)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"views": ()}, "needs at least one view"),
        ({"views": ("nowhere",)}, "no camera 'nowhere'"),
        ({"views": ("policy:elsewhere",)}, "no camera 'policy:elsewhere'"),
        ({"tile": "97x64"}, "must be an even number"),
        ({"tile": "large"}, "'large' is no tile size"),
        ({"tile": "8000x4000"}, "8192 is the most"),
        ({"columns": 0}, "is no grid"),
        ({"begin": 3, "end": 3}, "has no length"),
        ({"begin": 5, "end": 2}, "does not lie in"),
        ({"end": 900}, "does not lie in"),
        ({"begin": -1}, "does not lie in"),
        ({"speed": 0.0}, "speed must be between"),
        ({"fps": -3.0}, "pictures a second must be between"),
        ({"path": Path("video.avi")}, ".avi is not written here"),
        ({"path": Path("video.gif"), "fps": 60.0}, "at most 50 pictures a second"),
        ({"path": Path("scene")}, "holds other things, such as"),
        ({"path": Path("a_new_folder")}, ""),
        ({"path": Path("scene.mp4")}, "is a folder"),
        ({"path": Path("taken.mp4")}, "exists already; overwrite it"),
        ({"path": Path("taken.mp4/video.mp4")}, "is a file, not a folder"),
    ],
)
def test_what_cannot_be_exported_is_said_beforehand(
    engine: Engine, exporter: VideoExporter, tmp_path: Path, wrong: dict[str, object], sentence: str
) -> None:
    """One sentence says what is wrong with an order before anything is written, and nothing is."""
    do(engine, Step(6))
    (tmp_path / "taken.mp4").write_bytes(b"kept")
    (tmp_path / "scene.mp4").mkdir()
    wrong = {name: tmp_path / value if isinstance(value, Path) else value for name, value in wrong.items()}
    before = sorted(tmp_path.rglob("*"))
    order = replace(order_of(tmp_path / "video.mp4", columns=1), **wrong)  # type: ignore[arg-type]
    estimate = previewed(exporter, order, engine).estimate
    assert sentence in estimate.complaint
    assert bool(sentence) == bool(estimate.complaint)
    assert len(estimate.complaint.splitlines()) <= 1
    if sentence:
        with pytest.raises(WhiskersError):
            raise_error(ended(exporter.begin(order, engine.view())))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_taken_name_can_be_overwritten(engine: Engine, exporter: VideoExporter, tmp_path: Path) -> None:
    """A name that is taken is told as such, and replaced only where that was said, once the new video is whole."""
    do(engine, Step(LONG))
    path = tmp_path / "video.mp4"
    path.write_bytes(b"old")
    order = order_of(path, force=True)
    estimate = previewed(exporter, order, engine).estimate
    assert (estimate.taken, estimate.complaint) == (True, "")
    assert previewed(exporter, replace(order, force=False), engine).estimate.taken
    export = exporter.begin(order, engine.view())
    begun(export)
    export.cancel()
    ended(export)
    assert path.read_bytes() == b"old"
    assert isinstance(ended(exporter.begin(replace(order, end=4), engine.view())), ExportDone)
    assert path.read_bytes() != b"old"
    assert isinstance(ended(exporter.begin(replace(order, force=False, end=4), engine.view())), WhiskersError)


def test_all_traces_of_a_session_make_one_video(engine: Engine, tmp_path: Path) -> None:
    """Traces are shown one after another, each saying which it is; one that ended earlier in a lane shows its end."""
    do(engine, Step(8), Fork("episode 1", 3), Step(2), ResetEpisode(lane=0), Step(4))
    view = engine.view()
    names = [each.trace.name for each in view.lanes[0].earlier]
    plan = plan_of(order_of(tmp_path / "video.mp4", traces=(*names, None)), view)
    assert [clip.note for clip in plan.clips] == [*names, view.lanes[0].now.trace.name]
    assert plan.frames == sum(max(len(take.trace) for take in clip.lanes) + 1 for clip in plan.clips)
    alone = plan_of(order_of(tmp_path / "video.mp4", traces=(names[0],), lanes=(0,)), view)
    assert [[take.trace for take in clip.lanes] for clip in alone.clips] == [[view.lanes[0].earlier[0].trace]]
    assert alone.clips[0].note == ""
    other = plan_of(order_of(tmp_path / "video.mp4", traces=(*names, None), lanes=(1,)), view)
    assert [clip.lanes[0].trace.name for clip in other.clips] == ["episode 1"], "the other lane has one trace only"
