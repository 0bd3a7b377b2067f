"""The hand that drags bodies in the picture, and the numbers of the Objects tab."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest

from panels.actions import Request
from panels.objects import angles_of, quaternion_of, typed_pose
from panels.style import Metrics
from tests.scripted import Scripted, do
from viewer_app.commands import MoveObject, Push, Step
from viewer_app.engine import Engine
from viewer_app.grab import NEWTONS_PER_METRE, Grab, grab
from viewer_app.gui.hand import Hand
from viewer_app.gui.layout import arrange
from viewer_app.lane import Lane
from viewer_app.placing import positions_of
from viewer_app.render import Picture, Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.task import PROGRESS_SIZE
from viewer_app.types import Float32Array, FloatArray, Observation, Pose
from viewer_app.view import Camera, Focus, Frame, OverlayChoice, Show, camera_presets, resolve
from viewer_app.world import MujocoWorld

WIDTH, HEIGHT = 320, 240


def still(start: int, observation: Observation, seed: int) -> Float32Array:
    """Stay there."""
    return np.repeat(observation.state[None], 12, axis=0)


@pytest.fixture(name="engine", scope="module")
def make_engine() -> Iterator[Engine]:
    scene = Scene.load("so101")
    engine = Engine(scene, (Lane(scene, MujocoWorld(scene), Scripted(scene, still), seed=3),))
    do(engine, Step(3))
    yield engine
    engine.close()


def seen_from(engine: Engine, *cameras: Camera, overlays: OverlayChoice = OverlayChoice()) -> list[Picture]:  # noqa: B008
    trace = engine.lanes[0].trace
    shots = [Shot(trace, len(trace), len(trace), camera, overlays, WIDTH, HEIGHT) for camera in cameras]
    with Viewport(engine.scene) as viewport:
        return [viewport.draw(shot) for shot in shots]


@pytest.fixture(name="pictures", scope="module")
def make_pictures(engine: Engine) -> list[Picture]:
    return seen_from(engine, *camera_presets(engine.scene.spec.look_at)[:4])


def pixel_of(picture: Picture, point: FloatArray) -> tuple[float, float]:
    u, v = picture.lens.to_pixels(picture.lens.camera_frame(np.asarray(point)[None]))[0]
    return float(u), float(v)


def block(engine: Engine) -> Pose:
    trace = engine.lanes[0].trace
    return positions_of(engine.scene, trace.snapshot(len(trace))[PROGRESS_SIZE:]).objects["block"]


def middle_of_block(engine: Engine) -> FloatArray:
    return np.add(block(engine).position, (0, 0, 0.01))


def test_the_hand_takes_hold_of_what_is_seen(engine: Engine, pictures: list[Picture]) -> None:
    """What a pixel shows is what is taken: the block as what can be moved, the arm as what can only be pushed, and the
    table, the bowl and the sky not at all."""
    for picture in pictures:
        found = grab(picture, *pixel_of(picture, middle_of_block(engine)))
        assert found is not None
        assert (found.body, found.movable, found.pushable) == ("block", "block", True)
    overview = pictures[0]
    tip = np.asarray(engine.lanes[0].trace.column("tip"))[-1]
    arm = grab(overview, *pixel_of(overview, np.add(tip, (0, 0, 0.06))))
    assert arm is not None
    assert (arm.movable, arm.pushable) == ("", True)
    bowl = engine.scene.model.body("bowl").pos
    assert grab(overview, *pixel_of(overview, np.add(bowl, (0, 0, 0.01)))) is None
    assert grab(overview, 2, 2) is None
    assert grab(overview, WIDTH / 2, HEIGHT - 3) is None


def test_a_drag_keeps_what_is_held_under_the_pointer(engine: Engine, pictures: list[Picture]) -> None:
    """The point that was taken is, after the drag, on the pointer's pixel and at its height; or, going up, above where
    it was and on the pointer's row."""
    for picture in pictures:
        begin = pixel_of(picture, middle_of_block(engine))
        found = grab(picture, *begin)
        assert found is not None
        for across, down in ((40, 10), (-25, 30), (3, -20)):
            to = (begin[0] + across, begin[1] + down)
            along = found.dragged(*to, upright=False)
            assert np.allclose(pixel_of(picture, found.point + along), to, atol=1e-6)
            assert abs(along[2]) < 1e-12
        up = found.dragged(begin[0], begin[1] - 25, upright=True)
        assert np.allclose(up[:2], 0)
        assert up[2] > 0.005
    side = pictures[1]
    found = grab(side, *pixel_of(side, middle_of_block(engine)))
    assert found is not None
    # Over the horizon there is no ground, and far along it there is an end.
    assert np.array_equal(found.dragged(WIDTH / 2, 0, upright=False), np.zeros(3))
    v = next(float(v) for v in np.arange(0, 240, 0.05) if np.any(found.dragged(160, float(v), upright=False)))
    assert np.isclose(np.linalg.norm(found.dragged(160, v, upright=False)), found.reach)


class Table:
    """A hand over one picture, without a window."""

    def __init__(self, engine: Engine, picture: Picture) -> None:
        self.sent: list[Request] = []
        self.picture = picture
        self.hand = Hand(self.sent.append, 0, self._look)
        self._engine = engine

    def _look(self, u: float, v: float) -> Future[Grab | None]:
        found: Future[Grab | None] = Future()
        found.set_result(grab(self.picture, u, v))
        return found

    def frame(self, body: str = "block") -> Frame:
        return resolve(self._engine.view(), Focus(overlays=OverlayChoice(body=body)))

    def drag(self, begin: tuple[float, float], *way: tuple[float, float, bool, float], pushes: bool = False) -> None:
        self.hand.take(*begin, pushes=pushes)
        self.hand.update(self.frame())
        for u, v, upright, clicks in way:
            self.hand.move(begin[0] + u, begin[1] + v, upright, clicks)
            self.hand.update(self.frame())
        self.hand.let_go()
        self.hand.update(self.frame())
        self.hand.update(self.frame())


def test_a_drag_is_one_move(engine: Engine, pictures: list[Picture]) -> None:
    """However many places the pointer passed, one command puts the block where its ghost was; turned by the wheel, and
    up where Shift was held."""
    table = Table(engine, pictures[0])
    begin = pixel_of(table.picture, middle_of_block(engine))
    table.drag(begin, (5, 2, False, 0), (20, 8, False, 0), (30, 10, False, 0))
    (move,) = table.sent
    assert isinstance(move, MoveObject)
    now = block(engine)
    way = np.subtract(move.position, now.position)
    found = grab(table.picture, *begin)
    assert found is not None
    assert np.allclose(pixel_of(table.picture, found.point + way), (begin[0] + 30, begin[1] + 10), atol=1e-6)
    assert (move.name, move.lane, move.quaternion) == ("block", 0, now.quaternion)
    # First along the ground, then up: what was reached before Shift is kept.
    table.sent.clear()
    table.drag(begin, (30, 10, False, 0), (30, 10, True, 0), (30, -20, True, 2))
    (lifted,) = table.sent
    assert isinstance(lifted, MoveObject)
    assert np.allclose(lifted.position[:2], move.position[:2])
    assert lifted.position[2] > move.position[2] + 0.01
    assert lifted.quaternion is not None
    turned = (angles_of(lifted.quaternion)[2] - angles_of(now.quaternion)[2]) % 360
    assert np.isclose(turned, 10)


def test_a_click_only_marks(engine: Engine, pictures: list[Picture]) -> None:
    """A press that goes nowhere moves and pushes nothing; it marks the body, once. A drag that is dropped does nothing,
    and one from the ground neither."""
    table = Table(engine, pictures[0])
    begin = pixel_of(table.picture, middle_of_block(engine))
    table.drag(begin, (1, 1, False, 0))
    assert table.sent == []
    table.hand.mark(*begin)
    table.hand.update(table.frame(body=""))
    assert table.sent == [Show(OverlayChoice(body="block"))]
    table.sent.clear()
    table.hand.take(*begin, pushes=False)
    table.hand.update(table.frame())
    table.hand.move(begin[0] + 40, begin[1], upright=False, clicks=0)
    assert table.hand.ghost is not None
    table.hand.drop()
    table.hand.update(table.frame())
    assert table.hand.ghost is None
    assert table.sent == []
    table.drag((WIDTH / 2, HEIGHT - 3), (40, -40, False, 0))
    assert table.sent == []


def test_a_push_is_as_strong_as_its_arrow_is_long(engine: Engine, pictures: list[Picture]) -> None:
    """Dragged with the other button, a body is pushed once, towards the pointer, with a force that grows with the
    way, and the arm can be pushed too."""
    table = Table(engine, pictures[0])
    tip = np.asarray(engine.lanes[0].trace.column("tip"))[-1]
    for point in (middle_of_block(engine), np.add(tip, (0, 0, 0.06))):
        begin = pixel_of(table.picture, point)
        found = grab(table.picture, *begin)
        assert found is not None
        table.sent.clear()
        table.drag(begin, (10, 5, False, 0), (35, 10, False, 0), pushes=True)
        push = next(each for each in table.sent if isinstance(each, Push))
        assert (push.body, push.steps, push.lane) == (found.body, 9, 0)
        assert np.allclose(push.force, NEWTONS_PER_METRE * found.dragged(begin[0] + 35, begin[1] + 10, upright=False))


def test_marks_and_pushes_are_drawn(engine: Engine) -> None:
    """The marked body has a box around it that its corners fill; an arrow is drawn in the steps of a push and in no
    other, along the force."""
    camera = camera_presets(engine.scene.spec.look_at)[0]
    bare = replace(OverlayChoice(), whisker=False, ghosts=False, path=False, legend=False)
    (plain, boxed) = (seen_from(engine, camera, overlays=choice)[0] for choice in (bare, replace(bare, body="block")))
    changed = np.argwhere((plain.image != boxed.image).any(axis=2))[:, ::-1]
    found = grab(plain, *pixel_of(plain, middle_of_block(engine)))
    assert found is not None
    corners = np.array([pixel_of(plain, corner) for corner in found.box.corners])
    assert np.allclose(changed.min(axis=0), corners.min(axis=0), atol=3)
    assert np.allclose(changed.max(axis=0), corners.max(axis=0), atol=3)
    trace = do(engine, Push("block", (0.0, 0.8, 0.0), 2), Step(3))
    with Viewport(engine.scene) as viewport:
        arrows = []
        for step in range(2, 7):  # The push came at step 3.
            picture = viewport.draw(Shot(trace, len(trace), step, camera, bare, WIDTH, HEIGHT))
            arrows.append([each for each in picture.primitives if hasattr(each, "points")])
    assert [bool(each) for each in arrows] == [False, True, True, False, False]
    shaft = arrows[1][0].points
    assert np.allclose((shaft[1] - shaft[0]) / np.linalg.norm(shaft[1] - shaft[0]), (0, 1, 0))


def test_angles_say_an_orientation() -> None:
    """Roll, pitch and yaw give back the orientation that they were read off, up to the sign of its quaternion."""
    rng = np.random.default_rng(1)
    for row in rng.normal(size=(200, 4)):
        quaternion = row / np.linalg.norm(row)
        back = quaternion_of(angles_of(tuple(float(each) for each in quaternion)))  # type: ignore[arg-type]
        assert np.isclose(abs(np.dot(back, quaternion)), 1)
    assert np.allclose(angles_of((np.cos(0.2), 0, 0, np.sin(0.2))), (0, 0, np.rad2deg(0.4)))
    assert np.allclose(quaternion_of((90, 0, 0)), (np.sqrt(0.5), np.sqrt(0.5), 0, 0))


def test_what_was_not_typed_stays_to_the_last_digit() -> None:
    """Fields show rounded numbers; those that a person leaves alone are not rounded in the scene."""
    before = Pose((0.1234567, -0.2, 0.0000123), (0.9, 0.1, 0.4, -0.1))
    shown = [123.46, -200.0, 0.01, *(round(each, 2) for each in angles_of(before.quaternion))]
    assert typed_pose(before, shown, shown) == before
    typed = typed_pose(before, shown, [50.0, *shown[1:]])
    assert typed == Pose((0.05, -0.2, 0.0000123), before.quaternion)
    turned = typed_pose(before, shown, [*shown[:5], 90.0])
    assert turned.position == before.position
    assert np.allclose(angles_of(turned.quaternion), (shown[3], shown[4], 90))


@pytest.mark.parametrize(("width", "height", "rows"), [(1280, 720, 2), (1920, 1080, 1)])
def test_tabs_take_a_second_row_where_they_need_one(width: int, height: int, rows: int) -> None:
    """What is under them begins below the last row."""
    layout = arrange(width, height, Metrics(1.0), True, 4 / 3, 2, tabs_width=480)
    assert layout.tabs is not None
    assert layout.tabbed is not None
    assert layout.tabs.height == 25 * rows
    assert layout.tabbed.y == layout.tabs.y + layout.tabs.height
