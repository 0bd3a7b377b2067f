"""A trace in Rerun's words: what its own reader finds in the file is what was recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from recordings.rerun_log import write_rrd
from recordings.trace_file import RecordingError
from tests.scenes import MODEL, SPEC, write_scene
from tests.synthetic import Wave
from viewer_app.blinding import Blind
from viewer_app.commands import Bookmark, Command, SetBlinding, SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.overlays import Polyline
from viewer_app.overlays.sight import Sight
from viewer_app.overlays.whiskers import whisker
from viewer_app.paths import Paths
from viewer_app.questions import Answers
from viewer_app.render import Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import FloatArray, ImageArray
from viewer_app.view import Camera, OverlayChoice
from viewer_app.world import pose

LENGTH = 14
SHAPES = """
<geom name="hidden" type="box" size=".1 .1 .1" group="3"/>
<geom name="glass" type="sphere" size=".01" rgba="1 1 1 0"/>
<geom name="egg" type="ellipsoid" size=".01 .02 .03" pos="0 0 .5" material="blue"/>
<geom name="wedge" type="mesh" mesh="wedge" pos="0 .1 .5" euler="0 0 1"/>
"""
ASSETS = """
<asset>
  <material name="blue" rgba="0 0 1 1"/>
  <mesh name="wedge" vertex="0 0 0  .1 0 0  0 .1 0  0 0 .1"/>
</asset>
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    model = MODEL.replace("<worldbody>", f"{ASSETS}<worldbody>{SHAPES}")
    return Scene.load(write_scene(tmp_path_factory.mktemp("scene"), model=model))


@pytest.fixture(scope="module")
def trace(scene: Scene) -> Iterator[Trace]:
    engine = open_engine(scene, Wave(scene, noise=0.5), seed=3)
    commands: tuple[Command, ...] = (
        SetStops(on_outcome=False),
        Step(7),
        SetBlinding("aside", Blind.BLACK),
        Step(9),
        Bookmark("episode 1", 5, "it hesitates"),
        Bookmark("episode 1", LENGTH + 1, "later"),
    )
    for command in commands:
        engine.send(command)
        while engine.tick():
            pass
    yield engine.lanes[0].trace
    engine.close()


class Found:
    """What Rerun's own reader finds in a file."""

    def __init__(self, path: Path) -> None:
        reader = pytest.importorskip("rerun.experimental").RrdReader(path)
        self._chunks = list(reader.stream())

    def paths(self) -> set[str]:
        return {str(chunk.entity_path) for chunk in self._chunks}

    def column(self, path: str, name: str) -> dict[int | None, Any]:
        """Step to value, of one component; None is the step of what does not change."""
        found: dict[int | None, Any] = {}
        for chunk in self._chunks:
            batch = chunk.to_record_batch()
            if chunk.entity_path != path or name not in batch.schema.names:
                continue
            steps = [None] if chunk.is_static else batch.column("step").to_pylist()
            values = batch.column(name).to_pylist()
            found |= {step: value for step, value in zip(steps, values, strict=True) if value is not None}
        return found


@pytest.fixture(scope="module")
def written(scene: Scene, trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Found, Viewport]]:
    pytest.importorskip("rerun")
    path = tmp_path_factory.mktemp("rerun") / "trace.rrd"
    told: list[float] = []
    with Viewport(scene) as viewport:
        write_rrd(path, scene, trace, LENGTH, viewport.seen, report=told.append)
        assert told[-1] == 1.0
        assert list(path.parent.iterdir()) == [path]
        yield Found(path), viewport


def numbers(values: Mapping[int | None, Any]) -> NDArray[np.float64]:
    return np.array([values[step] for step in sorted(step for step in values if step is not None)], np.float64)


def test_bodies_are_where_they_were(written: tuple[Found, Viewport], scene: Scene, trace: Trace) -> None:
    """At every step each body is placed and turned as in the recorded world, as exactly as Rerun's numbers are."""
    found, data = written[0], mujoco.MjData(scene.model)
    for name in ("arm", "finger", "cube", "cup"):
        path = f"/world/bodies/{name}"
        places = numbers(found.column(path, "Transform3D:translation"))[:, 0]
        turns = numbers(found.column(path, "Transform3D:quaternion"))[:, 0]
        assert len(places) == len(turns) == LENGTH + 1
        for step in range(LENGTH + 1):
            pose(scene, data, trace.snapshot(step))
            assert np.allclose(places[step], data.body(name).xpos, atol=1e-6)
            assert np.allclose(matrix(turns[step]), data.body(name).xmat.reshape(3, 3), atol=1e-6)
    assert np.ptp(numbers(found.column("/world/bodies/finger", "Transform3D:translation")), axis=0).max() > 1e-3


def matrix(quaternion: Sequence[float]) -> FloatArray:
    """Rotation matrix of a quaternion with w last, as Rerun has it."""
    x, y, z, w = quaternion
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, np.array([w, x, y, z]))
    return turn.reshape(3, 3)


def test_shapes_are_those_of_the_model(written: tuple[Found, Viewport], scene: Scene) -> None:
    """Each geom that the window shows is there in its size, place and colour, meshes with their triangles; what the
    window does not show is not."""
    found = written[0]
    world = "/world/bodies/world"
    assert f"{world}/floor" in found.paths()
    assert not {f"{world}/hidden", f"{world}/glass"} & found.paths()
    pad = scene.model.geom("pad")
    path = "/world/bodies/finger/pad"
    assert np.allclose(found.column(path, "Capsules3D:lengths")[None], 2 * pad.size[1])
    assert np.allclose(found.column(path, "Capsules3D:radii")[None], pad.size[0])
    # Rerun's capsule begins at its origin, so it is moved back by half its length.
    assert np.allclose(found.column(path, "Capsules3D:translations")[None], [[0, 0, -pad.size[1]]])
    assert np.allclose(found.column(path, "Transform3D:translation")[None], [pad.pos])
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, pad.quat)
    quaternion = found.column(path, "Transform3D:quaternion")[None][0]
    assert np.allclose(matrix(quaternion), turn.reshape(3, 3), atol=1e-6)
    assert np.allclose(found.column(f"{world}/egg", "Ellipsoids3D:half_sizes")[None], [[0.01, 0.02, 0.03]])
    assert found.column(f"{world}/egg", "Ellipsoids3D:colors")[None] == [0x0000FFFF], "its material's colour"
    # MuJoCo moves a mesh to its own axes; placed in the world its corners are where the model's text has them.
    vertices = np.array(found.column(f"{world}/wedge", "Mesh3D:vertex_positions")[None])
    turned = matrix(found.column(f"{world}/wedge", "Transform3D:quaternion")[None][0])
    placed = vertices @ turned.T + np.array(found.column(f"{world}/wedge", "Transform3D:translation")[None][0])
    about_z = np.array([[np.cos(1), -np.sin(1), 0], [np.sin(1), np.cos(1), 0], [0, 0, 1]])
    corners = np.array([(0, 0, 0), (0.1, 0, 0), (0, 0.1, 0), (0, 0, 0.1)]) @ about_z.T + (0, 0.1, 0.5)
    assert all(np.linalg.norm(placed - corner, axis=1).min() < 1e-5 for corner in corners)
    assert found.column(f"{world}/wedge", "Mesh3D:triangle_indices")[None] == scene.model.mesh_face.tolist()


def test_pictures_are_what_the_policy_saw(written: tuple[Found, Viewport], scene: Scene, trace: Trace) -> None:
    """Each picture that the policy was shown is there to the bit, blinded ones too, at the step of its call and on its
    camera."""
    found, viewport = written
    asked = [chunk.start for chunk in trace.chunks if chunk.start <= LENGTH]
    assert len(asked) > 2
    for name in ("above", "aside"):
        (path,) = [each for each in found.paths() if each.startswith("/world/bodies/world/") and each.endswith(name)]
        pictures = found.column(path, "EncodedImage:blob")
        assert sorted(step for step in pictures if step is not None) == asked
        for step, (content,) in pictures.items():
            assert step is not None
            assert np.array_equal(decoded(content), viewport.seen(trace, step)[name])
        assert found.column(path, "Pinhole:resolution")[None] == [[32.0, 24.0]]
        # 45 degrees from the upper to the lower edge, as MuJoCo's cameras have.
        (lens,) = found.column(path, "Pinhole:image_from_camera")[None]
        assert 2 * np.rad2deg(np.arctan(12 / lens[4])) == pytest.approx(45)
    assert np.ptp(viewport.seen(trace, asked[-1])["aside"]) == 0, "one of them was blinded"


def test_a_turned_camera_is_turned_in_the_world(tmp_path: Path) -> None:
    """Through the lens that is logged for a camera whose picture is turned, the cup lies on the pixel where the
    window's view through that camera has it."""
    pytest.importorskip("rerun")
    turned = '[cameras.behind]\ncamera = "aside"\nturned = true\nwidth = 32\nheight = 24\n\n[[spawn]]'
    scene = Scene.load(write_scene(tmp_path, SPEC.replace("[[spawn]]", turned)))
    engine = open_engine(scene, Wave(scene), seed=3)
    engine.send(Step(1))
    while engine.tick():
        pass
    trace = engine.lanes[0].trace
    engine.close()
    with Viewport(scene) as viewport:
        write_rrd(tmp_path / "trace.rrd", scene, trace, 1, viewport.seen)
        lens = viewport.draw(Shot(trace, 1, 0, Camera(scene_camera="behind"), OverlayChoice(), 32, 24)).lens
    found = Found(tmp_path / "trace.rrd")
    (path,) = [each for each in found.paths() if each.startswith("/world/bodies/world/") and each.endswith("behind")]
    cup = np.array([0.1, -0.2, 0.0])
    ((u, v),) = lens.to_pixels(lens.camera_frame(cup[None]))
    turn = matrix(found.column(path, "Transform3D:quaternion")[None][0])
    x, y, z = turn.T @ (cup - found.column(path, "Transform3D:translation")[None][0])  # right, up, back
    focal = found.column(path, "Pinhole:image_from_camera")[None][0][0]
    assert (16 + focal * x / -z, 12 - focal * y / -z) == pytest.approx((u, v), abs=1e-3)
    assert v < 11  # below the middle of the unturned picture, above that of this one


def decoded(content: Sequence[int]) -> ImageArray:
    picture = cv2.imdecode(np.array(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture[..., ::-1], np.uint8)


def test_whiskers_are_those_of_the_window(written: tuple[Found, Viewport], scene: Scene, trace: Trace) -> None:
    """At every step the whisker goes through the points of the one that the window draws, its faint part darker."""
    strips = written[0].column("/world/whisker", "LineStrips3D:strips")
    colours = written[0].column("/world/whisker", "LineStrips3D:colors")
    paths = Paths(scene)
    for step in range(LENGTH):
        drawn = whisker(Sight(paths, trace, step, OverlayChoice(), Answers()))
        (line,) = [each for each in drawn if isinstance(each, Polyline)]
        first, *others = strips[step]
        points = np.array(first + [point for strip in others for point in strip[1:]])
        assert np.allclose(points, line.points, atol=1e-6)
        assert len(colours[step]) == len(strips[step]) == len(np.unique(line.alpha))
        green = [colour >> 16 & 255 for colour in colours[step]]
        order = [float(line.alpha[sum(len(strip) - 1 for strip in strips[step][:i])]) for i in range(len(green))]
        assert sorted(range(len(green)), key=green.__getitem__) == sorted(range(len(order)), key=order.__getitem__)
    executed = np.array(written[0].column("/world/executed", "LineStrips3D:strips")[None][0])
    assert np.allclose(executed, trace.column("tip", LENGTH), atol=1e-6)


def test_plots_and_events_are_there(written: tuple[Found, Viewport], scene: Scene, trace: Trace) -> None:
    """Joints are plotted as they were, actual and commanded, in the scene's units; what happened is told at its step;
    nothing beyond the length asked for is in the file."""
    found = written[0]
    for i, joint in enumerate(scene.joint_names):
        actual = numbers(found.column(f"/joints/{joint}/actual", "Scalars:scalars"))[:, 0]
        commanded = numbers(found.column(f"/joints/{joint}/commanded", "Scalars:scalars"))[:, 0]
        assert np.array_equal(actual.astype(np.float32), trace.column("state", LENGTH)[:, i])
        assert np.array_equal(commanded.astype(np.float32), trace.column("action", LENGTH)[:, i])
    told = {(step, text) for step, (text,) in found.column("/events", "TextLog:text").items()}
    assert (5, "bookmark: it hesitates") in told
    assert any(step == 7 and "aside blinded" in text for step, text in told)
    assert (0, f"phase: {trace.phase(0)}") in told
    assert all(step is not None and step <= LENGTH for step, _ in told)
    latencies = found.column("/policy/latency", "Scalars:scalars")
    assert {step: value[0] / 1e3 for step, value in latencies.items()} == pytest.approx(
        {chunk.arrived: chunk.latency for chunk in trace.chunks if chunk.arrived < LENGTH}
    )


def test_without_rerun_one_sentence_names_the_extra(
    scene: Scene, trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Rerun's SDK is not installed, one sentence says what to install, and no file is left behind."""
    for name in [each for each in sys.modules if each.split(".")[0] == "rerun" or each.startswith("recordings.rerun_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(RecordingError, match=r"whiskers-viewer\[rerun\]"):
        write_rrd(tmp_path / "trace.rrd", scene, trace, LENGTH, lambda trace, step: {})
    assert not list(tmp_path.iterdir())


def test_what_ends_the_writing_leaves_no_file(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """A file that is there stays, and what raises an error on the way leaves no file."""
    pytest.importorskip("rerun")
    path = tmp_path / "trace.rrd"

    def broken(trace: Trace, step: int) -> Mapping[str, ImageArray]:
        raise RecordingError("no picture")

    with pytest.raises(RecordingError, match="no picture"):
        write_rrd(path, scene, trace, LENGTH, broken)
    assert not list(tmp_path.iterdir())
    path.write_text("mine")
    with pytest.raises(RecordingError, match="is there already"):
        write_rrd(path, scene, trace, LENGTH, broken)
    assert path.read_text() == "mine"
