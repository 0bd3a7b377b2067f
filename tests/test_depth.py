"""Depth cameras and turned cameras: what their pixels say, wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from recordings.folder import LaneSnippet, open_recording, save
from tests.scenes import MODEL, SPEC, write_scene
from tests.synthetic import Wave
from viewer_app.blinding import Blind, BlindSetting, blind
from viewer_app.commands import SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.render import PolicyCameras, Shot, Viewport, depth_picture
from viewer_app.scene import Scene
from viewer_app.scene_spec import SceneError
from viewer_app.tiles import lay_out, tile_names
from viewer_app.tiling import Composer, Moment
from viewer_app.trace import Trace
from viewer_app.types import ImageArray
from viewer_app.view import Camera, OverlayChoice, Snippet
from viewer_app.world import MujocoWorld

pytestmark = pytest.mark.core

NEAR, FAR = 0.8, 1.3
"""Of the depth camera, 1.2 m over the floor. [m]"""
CAMERAS = f"""
[cameras.above_depth]
camera = "above"
depth = [{NEAR}, {FAR}]
width = 32
height = 24
[cameras.aside_turned]
camera = "aside"
turned = true
width = 32
height = 24
[cameras.aside_both]
camera = "aside"
depth = [0.4, 1.8]
turned = true
width = 32
height = 24

[[spawn]]"""
NOTHING = OverlayChoice(whisker=False, ghosts=False, path=False, legend=False)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path, SPEC.replace("[[spawn]]", CAMERAS)))


@pytest.fixture
def trace(scene: Scene) -> Trace:
    engine = open_engine(scene, Wave(scene), seed=2)
    engine.send(SetStops(on_outcome=False))
    engine.send(Step(20))
    while engine.tick():
        pass
    engine.close()
    return engine.lanes[0].trace


@pytest.fixture
def viewport(scene: Scene) -> Iterator[Viewport]:
    with Viewport(scene) as viewport:
        yield viewport


def seen(scene: Scene, name: str) -> ImageArray:
    """What the policy sees at the start of the episode of seed 2."""
    cameras = PolicyCameras(scene)
    world = MujocoWorld(scene, cameras)
    world.reset(2)
    image = world.observe([name]).images[name]
    world.close()
    return image


@pytest.mark.parametrize("distance", [0.81, 1.0, 1.17, 1.199])
def test_grey_is_the_distance_along_the_optical_axis(tmp_path: Path, distance: float) -> None:
    """A wall that fills the picture, square to the camera, has one grey everywhere, that of its distance: to the
    nearest of 255 levels, in the corners as in the middle."""
    wall = f'<geom type="box" pos="0 0 {1.2 - distance}" size="3 3 .0001" contype="0" conaffinity="0"/>'
    model = MODEL.replace('<light pos="0 0 2"/>', f'<light pos="0 0 2"/>{wall}')
    hidden = model.replace('type="capsule" fromto', 'group="4" type="capsule" fromto').replace(
        ".02 .02 .02", "1e-3 1e-3 1e-3"
    )
    scene = Scene.load(write_scene(tmp_path, SPEC.replace("[[spawn]]", CAMERAS), hidden))
    image = seen(scene, "above_depth")
    assert image.shape == (24, 32, 3)
    assert image.dtype == np.uint8
    assert np.unique(image).tolist() == [round(255 * (distance - 1e-4 - NEAR) / (FAR - NEAR))]


def test_depth_is_what_mujocos_own_renderer_measures(scene: Scene) -> None:
    """The grey of every pixel is that of the distance which `mujoco.Renderer` gives in its depth mode."""
    data = mujoco.MjData(scene.model)
    world = MujocoWorld(scene)
    world.reset(2)
    data.qpos[:] = world.snapshot()[8 : 8 + scene.model.nq]  # progress (7) and time come before
    mujoco.mj_forward(scene.model, data)
    with mujoco.Renderer(scene.model, 24, 32) as renderer:
        renderer.enable_depth_rendering()
        renderer.update_scene(data, "above")
        metres = renderer.render().astype(np.float64)
    # Their last digits differ: float32 there.
    theirs = depth_picture(metres, NEAR, FAR).astype(int)
    ours = seen(scene, "above_depth").astype(int)
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 0.02
    assert len(np.unique(ours)) > 3


def test_levels_round_and_clip() -> None:
    """Nearer than the nearest is black, beyond the farthest white, and between them the level is the nearest one,
    halves to even."""
    metres = np.array([[0.0, 1.0, 1.0 + 0.4 / 255, 1.0 + 0.6 / 255, 1.5, 2.0, 9.0]])
    assert depth_picture(metres, 1.0, 2.0)[0, :, 0].tolist() == [0, 0, 0, 1, 128, 255, 255]
    assert depth_picture(np.array([[0.5, 1.5, 2.5]]), 0.0, 255.0)[0, :, 2].tolist() == [0, 2, 2]


def test_a_turned_camera_is_turned_by_180_degrees(scene: Scene) -> None:
    """Its picture is the camera's own with rows and columns reversed, in colour and in depth; turning is no mirror."""
    plain = seen(scene, "aside")
    turned = seen(scene, "aside_turned")
    assert np.array_equal(turned, plain[::-1, ::-1])
    assert turned.flags.c_contiguous
    assert not np.array_equal(turned, plain)
    assert not np.array_equal(turned, plain[::-1])
    unturned = replace(scene.spec.cameras["aside_both"], turned=False)
    spec = replace(scene.spec, cameras={**scene.spec.cameras, "aside_both": unturned})
    assert np.array_equal(seen(scene, "aside_both"), seen(Scene(spec, scene.path), "aside_both")[::-1, ::-1])


def test_a_recording_renders_the_same_pictures(scene: Scene, trace: Trace, viewport: Viewport, tmp_path: Path) -> None:
    """Saved and opened again, with the scene that is saved beside it, every camera's picture is the same to the bit."""
    save(tmp_path / "recording", scene, [LaneSnippet(Snippet(trace, len(trace)))])
    recording = open_recording(tmp_path / "recording")
    ((opened,),) = recording.lanes
    with Viewport(recording.scene) as other:
        again = other.seen(opened, 13)
    seen_then = viewport.seen(trace, 13)
    assert set(again) == set(scene.spec.cameras)
    for name, image in seen_then.items():
        assert np.array_equal(again[name], image), name


@pytest.mark.parametrize("mode", Blind)
def test_depth_is_blinded_like_any_camera(scene: Scene, trace: Trace, viewport: Viewport, mode: Blind) -> None:
    """A blinded depth camera shows nothing of the scene: in a world where the cube is elsewhere its picture is the
    same, but for a frozen one, which shows the step when the blinding began."""
    assert trace.policy is not None
    picture = PolicyCameras(scene)
    world = MujocoWorld(scene, picture)
    shown = []
    for seed in (2, 5):
        world.reset(seed)
        seen_now = world.observe(["above_depth"])
        then = replace(seen_now, images={"above_depth": np.full((24, 32, 3), 7, np.uint8)})
        setting = {"above_depth": BlindSetting(mode, 0)}
        shown.append(blind(seen_now, setting, trace.policy, {0: then}, 1, 3).images["above_depth"])
        assert not np.array_equal(shown[-1], seen_now.images["above_depth"])
    assert np.array_equal(shown[0], shown[1])
    world.close()


def test_pictures_rendered_again_are_those_the_policy_saw(scene: Scene, trace: Trace, viewport: Viewport) -> None:
    """Rendered again from the trace, in another context and order, every camera's picture is the same to the bit."""
    before = {step: viewport.seen(trace, step) for step in (0, 7, 20)}
    assert set(before[0]) == set(scene.spec.cameras) == {"above", "aside", "above_depth", "aside_turned", "aside_both"}
    with Viewport(scene) as other:
        for step in (20, 0, 7):
            again = other.seen(trace, step)
            for name, image in before[step].items():
                assert np.array_equal(again[name], image), name
    assert np.array_equal(before[0]["aside_both"], seen(scene, "aside_both"))


@pytest.mark.parametrize("name", ["above_depth", "aside_turned", "aside_both"])
def test_overlays_lie_on_the_picture_as_it_is_shown(scene: Scene, trace: Trace, viewport: Viewport, name: str) -> None:
    """In a view through a scene's camera, turned or not, the cube's place projects onto the cube, a pixel leads back to
    its point, and the whisker is drawn on the very pixels where its points project."""

    def shot(overlays: OverlayChoice) -> Shot:
        return Shot(trace, len(trace), 0, Camera(scene_camera=name), overlays, 320, 240)

    at = trace.snapshot(0)[8 + 2 : 8 + 5]  # progress (7), time, two joints, then the cube's position
    bare = viewport.draw(shot(NOTHING))
    ((u, v),) = bare.lens.to_pixels(bare.lens.camera_frame(at[None]))
    found = bare.point_at(u, v)
    assert found is not None
    assert np.linalg.norm(found - at) < 0.04  # the surface of a cube of 2 cm half width
    grey = bare.image[int(v), int(u)].astype(int)
    if scene.spec.cameras[name].is_depth:
        near, far = scene.spec.cameras[name].depth
        distance = float(bare.lens.camera_frame(found[None])[0, 2])
        assert grey.tolist() == pytest.approx([255 * (distance - near) / (far - near)] * 3, abs=2)
    else:
        assert grey[0] > 2 * max(grey[1], grey[2])
    drawn = viewport.draw(shot(replace(NOTHING, whisker=True)))
    (whisker,) = drawn.whiskers
    pixels = np.rint(drawn.lens.to_pixels(drawn.lens.camera_frame(whisker.points))).astype(int)
    differs = (drawn.image != bare.image).any(axis=2)
    inside = [(x, y) for x, y in pixels if 2 <= x < 318 and 2 <= y < 238]
    assert len(inside) > 3
    for x, y in inside:
        assert differs[y - 2 : y + 3, x - 2 : x + 3].any()


def test_a_turned_view_is_hidden_by_what_is_in_front(scene: Scene, trace: Trace, viewport: Viewport) -> None:
    """All overlays in a turned view are those of the plain view, turned: occlusion is read from the turned depth."""
    everything = OverlayChoice(physics=True, members=True, legend=False)

    def view(name: str, overlays: OverlayChoice) -> ImageArray:
        return viewport.draw(Shot(trace, len(trace), 12, Camera(scene_camera=name), overlays, 320, 240)).image

    def marks(name: str) -> ImageArray:
        return (view(name, everything) != view(name, NOTHING)).any(axis=2)

    plain, turned = marks("aside")[::-1, ::-1], marks("aside_turned")
    assert plain.sum() > 200
    # Lines have a width, and OpenCV rounds it to one side.
    assert (plain != turned).mean() < 0.01
    shown, there = view("aside_turned", everything).astype(int), view("aside", everything)[::-1, ::-1].astype(int)
    assert np.abs(shown - there).mean() < 0.5


def test_views_and_tiles_show_depth(scene: Scene, trace: Trace) -> None:
    """Every camera of the scene can be named as a view and as what the policy saw; a depth view is grey."""
    assert {"above", "above_depth", "policy:above_depth", "aside_turned"} <= set(tile_names(scene))
    layout = lay_out(scene, ["above_depth", "policy:above_depth"], tile="160x120", overlays=NOTHING)
    layout = replace(layout, labels=False)
    with Composer(scene, layout) as composer:
        canvas = composer.compose([Moment(trace, len(trace), 5)])
    view, policy = canvas[:120, :160].astype(int), canvas[:120, 160:320].astype(int)
    for tile in (view, policy):
        assert len(np.unique(tile)) > 5
        assert (tile == tile[..., :1]).all()
    # The same camera with the same proportions, larger: only edges differ.
    assert np.median(np.abs(view - policy)) <= 2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f"[{NEAR}, {FAR}]", "[1.0, 0.5]", "nearest and its farthest distance"),
        (f"[{NEAR}, {FAR}]", "[-1.0, 0.5]", "nearest and its farthest distance"),
        ('camera = "above"', 'camera = "roof"', "no camera 'roof'; it has above, aside"),
        ('camera = "above"', "", "no camera 'above_depth'"),
    ],
)
def test_cameras_that_cannot_be(tmp_path: Path, old: str, new: str, words: str) -> None:
    """A depth range that is none, and a camera that the model lacks, are told."""
    spec = SPEC.replace("[[spawn]]", CAMERAS)
    assert old in spec
    with pytest.raises(SceneError, match=words.replace("[", r"\[")):
        Scene.load(write_scene(tmp_path, spec.replace(old, new)))


def test_an_orthographic_camera_has_no_depth_here(tmp_path: Path) -> None:
    """The formula is that of a perspective camera, so another one is refused rather than shown wrong."""
    model = MODEL.replace('<camera name="above"', '<camera name="above" projection="orthographic"')
    with pytest.raises(SceneError, match="orthographic"):
        Scene.load(write_scene(tmp_path, SPEC.replace("[[spawn]]", CAMERAS), model))
