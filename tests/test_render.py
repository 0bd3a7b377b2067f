"""Pictures: overlays lie where MuJoCo draws, the depth test hides them, and pixels lead back to points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.commands import SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.overlays import Polyline, Primitive
from viewer_app.raster import Box, Lens, ReadDepth, draw, lines_near
from viewer_app.render import PictureCache, Shot, Viewport, smoothed_tip
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, FloatArray, ImageArray
from viewer_app.view import Camera, OverlayChoice, camera_presets

pytestmark = pytest.mark.core

NOTHING = OverlayChoice(whisker=False, ghosts=False, path=False, legend=False)
EVERYTHING = OverlayChoice(physics=True, members=True)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path))


@pytest.fixture
def trace(scene: Scene) -> Trace:
    engine = open_engine(scene, Wave(scene), seed=2)
    engine.send(SetStops(on_outcome=False))
    engine.send(Step(40))
    while engine.tick():
        pass
    engine.close()
    return engine.lanes[0].trace


@pytest.fixture
def viewport(scene: Scene) -> Iterator[Viewport]:
    with Viewport(scene) as viewport:
        yield viewport


def shot(trace: Trace, camera: Camera, overlays: OverlayChoice = NOTHING, step: int = 20) -> Shot:
    return Shot(trace, len(trace), step, camera, overlays, 320, 240)


def cameras(scene: Scene) -> list[Camera]:
    fixed = [Camera(scene_camera=name) for name in scene.spec.cameras]
    return [*camera_presets(scene.spec.look_at), *fixed]


def test_overlays_lie_where_mujoco_draws(scene: Scene, trace: Trace, viewport: Viewport) -> None:
    """From every camera, the red cube's position projects onto red pixels, and its depth is that of the picture."""
    at = trace.snapshot(0)[8 + 2 : 8 + 5]  # progress (7), time, two joints, then the cube's position
    for camera in cameras(scene):
        picture = viewport.draw(shot(trace, camera, step=0))
        in_camera = picture.lens.camera_frame(at[None])
        ((u, v),) = picture.lens.to_pixels(in_camera)
        assert 0 <= u < 320, camera
        assert 0 <= v < 240, camera
        red, green, blue = (int(x) for x in picture.image[int(v), int(u)])
        assert red > 2 * max(green, blue), (camera, red, green, blue)
        found = picture.point_at(u, v)
        assert found is not None
        assert np.linalg.norm(found - at) < 0.04  # the surface of a cube of 2 cm half width


def test_a_pixel_and_its_point_agree(scene: Scene, trace: Trace, viewport: Viewport) -> None:
    """The point found under a pixel projects back to that pixel."""
    picture = viewport.draw(shot(trace, camera_presets(scene.spec.look_at)[0]))
    for u, v in ((160.0, 120.0), (40.0, 200.0), (300.0, 170.0)):
        point = picture.point_at(u, v)
        assert point is not None
        ((back_u, back_v),) = picture.lens.to_pixels(picture.lens.camera_frame(point[None]))
        assert (back_u, back_v) == pytest.approx((u, v), abs=1e-3)


def lens() -> Lens:
    """At the origin, looking along x, 90 degrees wide, 200 x 100 px."""
    return Lens(
        position=np.zeros(3),
        forward=np.array([1.0, 0, 0]),
        up=np.array([0, 0, 1.0]),
        top=0.05,
        bottom=-0.05,
        center=0.0,
        near=0.1,
        far=10.0,
        width=200,
        height=100,
    )


def depth_of(distance: float) -> ReadDepth:
    """A reversed depth buffer in which everything is at one distance. [m]"""
    value = 0.1 * (10.0 - distance) / (distance * (10.0 - 0.1))
    return lambda box: np.full((box.height, box.width), value, np.float32)


def line(*points: tuple[float, float, float]) -> Polyline:
    return Polyline(np.array(points), (0.0, 1.0, 0.0), np.ones(len(points) - 1), 3.0)


def drawn(primitives: Sequence[Primitive], depth: ReadDepth | None) -> ImageArray:
    picture = np.zeros((100, 200, 3), np.uint8)
    draw(picture, depth, lens(), primitives)
    return picture


def test_a_line_is_drawn_where_it_is() -> None:
    """A segment from the middle to the right edge, at eye level, colours the right half of the middle row only."""
    picture = drawn([line((1.0, 0, 0), (1.0, -1.0, 0))], None)
    row = picture[50, :, 1] > 128
    assert row[101:].all()
    assert not row[:98].any()
    assert not picture[:47].any()
    assert not picture[54:].any()


def test_what_is_behind_a_surface_is_faint() -> None:
    """A line in front of a surface is bright, one behind it keeps less than a quarter of its opacity."""
    one = [line((1.0, 0.5, 0), (1.0, -0.5, 0))]
    assert drawn(one, depth_of(2.0))[50, 100, 1] == 255
    assert 20 < drawn(one, depth_of(0.5))[50, 100, 1] < 64


def test_only_the_depth_under_the_overlays_counts() -> None:
    """The part of the depth buffer that is read is the part that is drawn over: a wall left of x = 100 px dims the
    left half of a line across the picture and not the right half."""
    wall = np.concatenate([depth_of(0.5)(Box(0, 0, 100, 100)), depth_of(2.0)(Box(0, 0, 100, 100))], axis=1)
    asked: list[Box] = []

    def read(box: Box) -> Float32Array:
        asked.append(box)
        return wall[box.top : box.top + box.height, box.left : box.left + box.width]

    points = np.stack([np.ones(41), np.linspace(0.9, -0.9, 41), np.full(41, 0.2)], axis=1)
    picture = drawn([Polyline(points, (0.0, 1.0, 0.0), np.ones(40), 3.0)], read)
    (box,) = asked
    assert box.height < 20
    row = picture[30, :, 1].astype(int)
    assert row[20:95].max() < 64
    assert row[105:180].min() == 255


def test_lines_behind_the_eye_are_cut() -> None:
    """A segment that passes the eye is drawn only in front of it, and one wholly behind not at all."""
    assert drawn([line((-1.0, 0, 0), (1.0, -0.5, 0))], None)[50, 101:].any()
    assert not drawn([line((-1.0, 0.2, 0), (-3.0, -0.5, 0))], None).any()


def test_opacity_is_kept() -> None:
    """A segment of opacity 0.5 over black gives half its colour, once however many pieces the path has."""
    points = np.stack([np.ones(50), np.linspace(0.9, -0.9, 50), np.zeros(50)], axis=1)
    picture = drawn([Polyline(points, (1.0, 1.0, 1.0), np.full(49, 0.5), 3.0)], None)
    assert np.abs(picture[50, 20:180].astype(int) - 127).max() <= 6


def test_the_tracking_camera_is_a_function_of_the_step(trace: Trace) -> None:
    """The smoothed point follows y_k = y_(k-1) + 0.15 (tip_k - y_(k-1)) from the start of the trace."""
    tips = np.asarray(trace.column("tip"))
    smooth = tips[0]
    for step in range(1, len(trace) + 1):
        smooth = smooth + 0.15 * (tips[step] - smooth)
        np.testing.assert_allclose(smoothed_tip(trace, step), smooth, atol=1e-9)


def test_the_cache_keeps_its_budget() -> None:
    """Pictures never take more than the budget, and the ones looked at longest ago go first."""
    cache = PictureCache(budget=3000)
    picture = {"cam": np.zeros((10, 100, 1), np.uint8)}
    for step in range(3):
        cache.put("t", step, picture)
    assert cache.get("t", 0) is not None
    cache.put("t", 3, picture)
    assert cache.get("t", 1) is None
    assert cache.get("t", 0) is not None
    assert cache.nbytes == 3000


def test_the_same_shot_is_the_same_picture(scene: Scene, trace: Trace, viewport: Viewport) -> None:
    """Drawing a shot again, after others, gives the same pixels."""
    first = viewport.draw(shot(trace, cameras(scene)[0], EVERYTHING))
    for camera in cameras(scene):
        viewport.draw(shot(trace, camera, step=3))
    assert np.array_equal(viewport.draw(first.shot).image, first.image)


@pytest.mark.parametrize("step", [8, 20, 27])
def test_a_click_on_a_whisker_finds_its_chunk(scene: Scene, trace: Trace, viewport: Viewport, step: int) -> None:
    """Under every point of every whisker is its own chunk, or a newer one that passes over it; farther than 8 px from
    all of them, and where whiskers are not drawn, is none."""
    choice = replace(NOTHING, whisker=True, ghosts=True)
    for camera in cameras(scene)[:3]:
        picture = viewport.draw(shot(trace, camera, choice, step))
        pixels = {}
        for line in picture.whiskers:
            assert line.asked_at is not None
            pixels[line.asked_at] = picture.lens.to_pixels(picture.lens.camera_frame(line.points))
        assert sorted(pixels) == [chunk.start for chunk in trace.chunks if chunk.start <= step]
        for asked_at, points in pixels.items():
            for u, v in points:
                found = picture.chunk_at(u, v)
                assert found is not None
                assert found >= asked_at
                assert found == asked_at or away(pixels[found], u, v) < 3
        every = np.concatenate(list(pixels.values()))
        left, top = every.min(axis=0)
        right, bottom = every.max(axis=0)
        for u, v in ((left - 8.5, top), (right + 8.5, bottom), (left, top - 8.5), (right, bottom + 8.5)):
            assert picture.chunk_at(u, v) is None
        assert viewport.draw(shot(trace, camera, NOTHING, step)).chunk_at(*every[0]) is None


def away(path: FloatArray, u: float, v: float) -> float:
    """Distance of a pixel from a path, looked for at many points of it. [px]"""
    share = np.linspace(0, 1, 60)[:, None, None]
    points = (path[:-1] + share * (path[1:] - path[:-1])).reshape(-1, 2)
    return float(np.linalg.norm(points - (u, v), axis=1).min())


def test_the_nearest_line_is_found() -> None:
    """Of two lines 10 px apart the nearer one is found, up to 8 px away and not farther; of two that lie on each other
    both are; what is invisible or behind the eye is not."""
    level, above = line((1.0, 0.5, 0), (1.0, -0.5, 0)), line((1.0, 0.5, 0.1), (1.0, -0.5, 0.1))
    behind = line((-1.0, 0.5, 0), (-1.0, -0.5, 0))
    hidden = replace(level, alpha=np.zeros(1))
    lines = [level, above, behind, hidden]
    assert lines_near(lens(), lines, 100, 52, 8) == [0]
    assert lines_near(lens(), lines, 100, 43, 8) == [1]
    assert lines_near(lens(), lines, 100, 57.9, 8) == [0]
    assert lines_near(lens(), lines, 100, 58.1, 8) == []
    assert lines_near(lens(), lines, 157.9, 50, 8) == [0]
    assert lines_near(lens(), lines, 158.1, 50, 8) == []
    assert lines_near(lens(), [level, above, level], 100, 52, 8) == [0, 2]
    assert lines_near(lens(), [behind, hidden], 100, 50, 8) == []


def test_a_window_that_grows_is_filled(scene: Scene, trace: Trace, viewport: Viewport) -> None:
    """A picture larger than any before is whole, also after the policy's cameras drew in their own context."""
    camera = camera_presets(scene.spec.look_at)[3]  # from above, so that the floor fills the picture
    viewport.draw(shot(trace, camera))
    viewport.seen(trace, 20)
    grown = viewport.draw(Shot(trace, len(trace), 20, camera, NOTHING, 1000, 900)).image
    with Viewport(scene) as fresh:
        assert np.array_equal(grown, fresh.draw(Shot(trace, len(trace), 20, camera, NOTHING, 1000, 900)).image)
