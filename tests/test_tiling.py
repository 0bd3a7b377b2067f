"""Tiled pictures: every view is the window's own, and the bands below say what the trace says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.scenes import MODEL, write_scene
from tests.synthetic import Wave
from viewer_app.commands import SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.render import Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.strips import PHASES, STRIPS, named_strips
from viewer_app.tiles import Layout, Tile, lay_out, named_tile, six_angles
from viewer_app.tiling import GROUND, INK, Composer, Moment
from viewer_app.trace import Trace
from viewer_app.types import ImageArray, WhiskersError
from viewer_app.view import Camera, OverlayChoice, camera_presets

pytestmark = pytest.mark.core

WIDTH, HEIGHT = 320, 180
SECOND_LIGHT = '<light pos=".5 .5 1.5" dir="-.3 -.3 -1"/>'


def trace_of(scene: Scene, seed: int = 2, steps: int = 40) -> Trace:
    engine = open_engine(scene, Wave(scene), seed)
    engine.send(SetStops(on_outcome=False))
    engine.send(Step(steps))
    while engine.tick():
        pass
    engine.close()
    return engine.lanes[0].trace


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path))


@pytest.fixture
def trace(scene: Scene) -> Trace:
    return trace_of(scene)


def moment(trace: Trace, step: int) -> Moment:
    return Moment(trace, len(trace), step)


def place(picture: ImageArray, layout: Layout, number: int) -> ImageArray:
    row, column = divmod(number, layout.columns)
    return picture[row * layout.height :, column * layout.width :][: layout.height, : layout.width]


def drawn(scene: Scene, trace: Trace, step: int, camera: Camera, overlays: OverlayChoice) -> ImageArray:
    """What the window would draw."""
    with Viewport(scene) as viewport:
        return viewport.draw(Shot(trace, len(trace), step, camera, overlays, WIDTH, HEIGHT)).image


@pytest.mark.parametrize("lights", ["", SECOND_LIGHT])
def test_every_view_is_the_windows_own(tmp_path: Path, lights: str) -> None:
    """Each tile of each lane equals, to the bit, what the viewport draws of that moment alone, shadows of one or of
    several lights included; only the first of a lane has the legend."""
    scene = Scene.load(write_scene(tmp_path, model=MODEL.replace("<worldbody>", f"<worldbody>{lights}")))
    one, other = trace_of(scene, seed=2), trace_of(scene, seed=5)
    overlays = OverlayChoice(physics=True, gripper=True)
    layout = lay_out(scene, ("overview", "top", "tracking", "aside"), "2x2", f"{WIDTH}x{HEIGHT}", overlays, lanes=2)
    layout = Layout(layout.tiles, layout.columns, WIDTH, HEIGHT, overlays, labels=False)
    with Composer(scene, layout) as composer:
        composer.compose((moment(one, 3), moment(other, 4)))
        picture = composer.compose((moment(one, 20), moment(other, 31)))
    first_of_lane = {0: 0, 1: 2}
    for number, tile in enumerate(layout.tiles):
        assert tile.camera is not None
        choice = overlays.having("legend", first_of_lane[tile.lane] == number)
        shown, step = ((one, 20), (other, 31))[tile.lane]
        assert np.array_equal(place(picture, layout, number), drawn(scene, shown, step, tile.camera, choice)), tile


def test_shadows_are_part_of_the_picture(tmp_path: Path) -> None:
    """A near miss for the test above: a light without shadow gives another picture."""
    scene = Scene.load(write_scene(tmp_path / "a"))
    dark = Scene.load(write_scene(tmp_path / "b", model=MODEL.replace("<light ", '<light castshadow="false" ')))
    camera = camera_presets(scene.spec.look_at)[0]
    one, other = (drawn(each, trace_of(each), 20, camera, OverlayChoice()) for each in (scene, dark))
    assert not np.array_equal(one, other)


def test_what_the_policy_saw_is_shown_whole(scene: Scene, trace: Trace) -> None:
    """A tile of a policy camera is the picture the policy saw, each pixel a square, in the middle of its place."""
    layout = Layout((Tile(None, "above"), Tile(None, "aside")), 2, 160, 72, labels=False)
    with Composer(scene, layout) as composer, Viewport(scene) as viewport:
        picture = composer.compose((moment(trace, 12),))
        seen = viewport.seen(trace, 12)
    for number, name in enumerate(("above", "aside")):
        tile = place(picture, layout, number)
        assert seen[name].shape == (24, 32, 3)
        assert np.array_equal(tile[:, 32:128], seen[name].repeat(3, axis=0).repeat(3, axis=1))
        assert (tile[:, :32] == GROUND).all()
        assert (tile[:, 128:] == GROUND).all()


def test_a_label_says_what_a_view_is(scene: Scene, trace: Trace) -> None:
    """Labels change the upper left corner of a tile and nothing else."""
    tiles = six_angles(scene)[:1]
    pictures = []
    for labels in (True, False):
        with Composer(scene, Layout(tiles, 1, WIDTH, HEIGHT, labels=labels)) as composer:
            pictures.append(composer.compose((moment(trace, 12),)).copy())
    rows, columns = np.nonzero((pictures[0] != pictures[1]).any(axis=2))
    assert 8 < rows.max() < 24
    assert 40 < columns.max() < 100


def test_views_by_name(scene: Scene) -> None:
    """A preset, a camera of the model, the policy's eyes and a free view have names; else what there is, is listed."""
    assert named_tile(scene, "top").camera == camera_presets(scene.spec.look_at)[3]
    assert named_tile(scene, "aside", lane=1) == Tile(Camera(scene_camera="aside", label="aside"), lane=1)
    assert named_tile(scene, "policy:above") == Tile(None, "above")
    free = named_tile(scene, "free:90,-30,0.8").camera
    assert free is not None
    assert (free.azimuth, free.elevation, free.distance, free.look_at) == (90, -30, 0.8, (0.1, 0, 0))
    elsewhere = named_tile(scene, "free:90,-30,.8,1,2,3").camera
    assert elsewhere is not None
    assert elsewhere.look_at == (1, 2, 3)
    with pytest.raises(WhiskersError, match=r"no camera 'wrist' in this scene; there are overview, .*above, .*policy:"):
        named_tile(scene, "wrist")
    for wrong in ("free:", "free:1,2", "free:1,2,3,4", "free:1,2,x", "free:1,2,0", "free:1,2,nan"):
        with pytest.raises(WhiskersError, match="is no view; write free:AZIMUTH,ELEVATION,DISTANCE"):
            named_tile(scene, wrong)


def test_lanes_stand_side_by_side(scene: Scene) -> None:
    """Each lane has all views in columns of its own, in the same order, and places that are left over stay empty."""
    layout = lay_out(scene, ("top", "side", "front"), "2x2", lanes=2)
    assert layout.columns == 4
    names = [(tile.label, tile.lane) for tile in layout.tiles]
    assert names[:4] == [("top", 0), ("side", 0), ("top", 1), ("side", 1)]
    assert [names[4], names[6]] == [("front", 0), ("front", 1)]
    assert [names[5], names[7]] == [("", 0), ("", 0)]
    assert layout.size == (4 * 640, 2 * 360)
    six = lay_out(scene)
    assert (six.size, [tile.label for tile in six.tiles]) == (
        (1920, 720),
        [camera.label for camera in camera_presets(scene.spec.look_at)],
    )


@pytest.mark.parametrize(
    ("grid", "tile", "words"),
    [
        ("", "641x360", "width must be an even number of at least 16 pixels, found 641"),
        ("", "640x361", "height must be an even number"),
        ("", "8x8", "found 8"),
        ("", "640", "'640' is no tile size; write it as 640x360"),
        ("2x2", "640x360", "A grid of 2x2 has 4 places; 6 views were named"),
        ("0x3", "640x360", "'0x3' is no grid; write it as 3x2"),
        ("6x1", "1920x1080", "11520x1080 pixels; 8192 is the most"),
    ],
)
def test_layouts_that_cannot_be(scene: Scene, grid: str, tile: str, words: str) -> None:
    """Odd, tiny and huge tiles, and grids with too few places, are refused in a sentence."""
    with pytest.raises(WhiskersError, match=words):
        lay_out(scene, grid=grid, tile=tile)


def bands(scene: Scene, name: str, moments: list[tuple[Moment, ...]], width: int = 1280) -> Sequence[ImageArray]:
    (strip,) = named_strips(scene, (name,))
    band = np.zeros((strip.height, width, 3), np.uint8)
    found = []
    for each in moments:
        strip.draw(band, each)
        found.append(band.copy())
    return found


@pytest.mark.parametrize("name", STRIPS)
def test_a_strip_is_a_function_of_the_moment(scene: Scene, trace: Trace, name: str) -> None:
    """Whatever was drawn before, the same moment gives the same band, another one another; lanes get equal halves."""
    other = trace_of(scene, seed=5)
    now, later = (moment(trace, 10),), (moment(trace, 30),)
    first, second, again = bands(scene, name, [now, later, now])
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    pair, swapped = bands(scene, name, [(moment(trace, 10), moment(other, 10)), (moment(other, 10), moment(trace, 10))])
    assert np.array_equal(pair[:, :640], swapped[:, 640:])
    assert np.array_equal(pair[:, 640:], swapped[:, :640])


def test_the_timeline_shows_phases_and_chunks(scene: Scene, trace: Trace) -> None:
    """Above each step stands the colour of its phase, a tick stands where a chunk arrived, the line at the moment."""
    (band,) = bands(scene, "timeline", [(moment(trace, 23),)])
    (bare,) = bands(scene, "timeline", [(moment(trace, 0),)])

    def x(step: float) -> int:
        return int(8 + (1280 - 17) * step / len(trace))

    assert (band[20, x(23)] == INK).all()
    assert not (bare[20, x(23)] == INK).all()
    for step in range(len(trace) - 1):
        code = int(np.asarray(trace.column("phase"))[step])
        assert tuple(bare[26, x(step + 0.5)]) == PHASES[code % len(PHASES)], step
    arrived = [chunk.arrived for chunk in trace.chunks]
    assert len(arrived) > 3
    bright = [step for step in range(1, len(trace)) if bare[5, x(step)].min() > 180]
    assert bright == [step for step in arrived if step > 0]


def test_joint_curves_are_where_the_joints_were(scene: Scene, trace: Trace) -> None:
    """In each joint's cell the measured curve, where the commanded one does not cover it, runs through the measured
    position of each step, to 2 px."""
    (band,) = bands(scene, "joints", [(moment(trace, 0),)])
    state, action = np.asarray(trace.column("state")), np.asarray(trace.column("action"))
    for joint in range(2):
        cell = band[20:-2, joint * 640 : (joint + 1) * 640].astype(int)
        bluish = cell[..., 2] - cell[..., 0] > 40
        both = np.concatenate([state[:, joint], action[:, joint]])
        low, high = both.min(), both.max()
        shown = 0
        for step in range(1, len(trace)):
            x = int(8 + (640 - 17) * step / len(trace))
            y = cell.shape[0] - 7 - (state[step, joint] - low) / (high - low) * (cell.shape[0] - 30)
            rows = np.flatnonzero(bluish[:, x])
            assert not len(rows) or np.abs(rows - y).min() <= 2, (joint, step)
            shown += len(rows) > 0
        assert shown > 0.6 * len(trace)


def test_an_unknown_strip(scene: Scene) -> None:
    """The known strips are listed."""
    with pytest.raises(WhiskersError, match="no strip 'clock'; there are caption, timeline, joints"):
        named_strips(scene, ("caption", "clock"))
