"""Overlays: the whisker is what is executed in every mode, and each overlay shows the paths that it speaks of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.scenes import MODEL, SPEC, write_scene
from tests.scripted import Scripted, do
from tests.synthetic import Wave
from viewer_app.alternatives import effects_at
from viewer_app.blinding import Blind
from viewer_app.chunking import Chunking, FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.commands import Ask, MoveObject, ResetEpisode, SetChunking, SetDelay, SetResetAtStart, Step
from viewer_app.engine import Engine
from viewer_app.headless import open_engine
from viewer_app.overlays import (
    AXES,
    CLOSED,
    ENSEMBLE,
    GHOST,
    INPUTS,
    MEMBER,
    OPEN,
    PATH,
    PHYSICS,
    SAMPLE,
    WHISKER,
    Colour,
    Legend,
    Marker,
    Polyline,
    Primitive,
    Sight,
    build,
)
from viewer_app.overlays.colours import DENOISED, NOISE
from viewer_app.paths import Paths
from viewer_app.questions import Ablation, Denoising, Ensemble, Samples
from viewer_app.scene import Scene
from viewer_app.snapshots import STATE_SPEC
from viewer_app.task import PROGRESS_SIZE
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, FloatArray, Observation, Policy, Want
from viewer_app.view import OverlayChoice

pytestmark = pytest.mark.core

Open = Callable[[Policy], Engine]

SITES = MODEL.replace(
    '<site name="tip" pos=".12 0 0"/>',
    '<site name="tip" pos=".12 0 0"/><site name="side" pos=".05 .03 .01" euler=".3 -.2 .5"/>',
).replace("<freejoint/>", '<freejoint/><site name="on_cube" pos="0 0 .02"/>')
HAND = SPEC.replace('unit = "degrees"', 'unit = "range_0_100"')
"""The finger in the units of a gripper."""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path, model=SITES))


@pytest.fixture
def opened(scene: Scene) -> Iterator[Open]:
    engines = []

    def open_it(policy: Policy) -> Engine:
        engines.append(open_engine(scene, policy, seed=3))
        return engines[-1]

    yield open_it
    for engine in engines:
        engine.close()


def only(*overlays: str, root: str = "", coefficient: float = 0.01) -> OverlayChoice:
    choice = OverlayChoice(whisker=False, ghosts=False, path=False, root=root, coefficient=coefficient)
    for overlay in overlays:
        choice = choice.having(overlay, True)
    return choice


def drawn(engine: Engine, step: int, choice: OverlayChoice, paths: Paths | None = None) -> list[Primitive]:
    lane = engine.lanes[0]
    return build(Sight(paths or Paths(lane.scene), lane.trace, step, choice, lane.answers))


def lines(primitives: Sequence[Primitive], colour: Colour) -> list[Polyline]:
    return [each for each in primitives if isinstance(each, Polyline) and each.colour == colour]


def words(primitives: Sequence[Primitive]) -> str:
    return "\n".join(each.text for each in primitives if isinstance(each, Legend))


def brute_force(scene: Scene, trace: Trace, step: int, site: str, actions: Float32Array | None = None) -> FloatArray:
    """Where MuJoCo puts a site: at a step, or there with the joints of each row. Shape (3,) or (rows, 3). [m]"""
    data = mujoco.MjData(scene.model)
    mujoco.mj_setState(scene.model, data, trace.snapshot(step)[PROGRESS_SIZE:], STATE_SPEC)
    if actions is None:
        mujoco.mj_kinematics(scene.model, data)
        return np.array(data.site(site).xpos)
    found = []
    for control in scene.to_control(actions):
        for joint, value in zip(scene.spec.joints, control, strict=True):
            data.joint(joint.name).qpos[0] = value
        mujoco.mj_kinematics(scene.model, data)
        found.append(data.site(site).xpos.copy())
    return np.array(found)


# What is executed.

MODES: tuple[tuple[Chunking, int], ...] = (
    (FirstN(6), 0),
    (FirstN(5), 3),
    (FirstN(12), 4),
    (FirstN(2), 5),
    (OverlapBlend(5, 0), 0),
    (OverlapBlend(5, 5), 0),
    (OverlapBlend(6, 3), 2),
    (TemporalEnsemble(0.1, ()), 0),
    (TemporalEnsemble(-0.1, ()), 2),
)


@pytest.mark.parametrize(("mode", "delay"), MODES)
def test_drawn_is_executed_in_every_mode(scene: Scene, opened: Open, mode: Chunking, delay: int) -> None:
    """Law 1: at every step the bright marker is where the action executed there puts the tip, the whisker passes
    through it to the bit, and its bright rows are the actions that follow up to the next chunk."""
    engine = opened(Wave(scene, noise=1.0, cameras={}))
    trace = do(engine, SetChunking(mode), SetDelay(delay), Step(40))
    executed = np.asarray(trace.column("action"), np.float32)
    paths = Paths(scene)
    for step in range(len(trace)):
        primitives = drawn(engine, step, only("whisker"), paths)
        line = lines(primitives, WHISKER)[0]
        head = next(each for each in primitives if isinstance(each, Marker))
        until = next((k for k in range(step + 1, len(trace)) if trace.chunk_arrived_at(k)), len(trace))
        (begin,) = np.flatnonzero((line.points == head.point).all(axis=1))
        here = paths.kinematics.path(executed[step:until], trace.snapshot(step))
        assert np.array_equal(line.points[begin : begin + until - step], here)
        if not isinstance(mode, TemporalEnsemble):
            bright = np.flatnonzero(line.alpha == 0.95)
            expected = np.arange(begin, begin + until - step - 1)
            assert np.array_equal(bright, expected) or until == len(trace)


def test_what_came_too_late_is_not_drawn(scene: Scene, opened: Open) -> None:
    """With 3 steps of latency the first 3 rows of a chunk are dropped and invisible; without latency all are seen."""
    engine = opened(Wave(scene, cameras={}))
    trace = do(engine, SetDelay(3), SetChunking(FirstN(6)), Step(20))
    chunk = trace.chunks_in_force(10)[-1]
    assert chunk.delay == 3
    (line,) = lines(drawn(engine, 10, only("whisker")), WHISKER)
    assert list(np.flatnonzero(line.alpha == 0)) == [0, 1, 2]
    assert "3 steps late" in words(drawn(engine, 10, only("whisker")))
    (first,) = lines(drawn(engine, 2, only("whisker")), WHISKER)
    assert first.alpha.min() > 0


def test_a_click_goes_to_the_step_that_asked(scene: Scene, opened: Open) -> None:
    """Each chunk's line knows the step whose observation it answers; a chunk of an earlier episode has none to go to,
    and an ensembled path is no chunk's."""
    engine = opened(Wave(scene, cameras={}))
    trace = do(engine, SetChunking(FirstN(5)), SetDelay(2), Step(22))
    starts = [chunk.start for chunk in trace.chunks]
    primitives = drawn(engine, 21, only("whisker", "ghosts", "members", "physics"))
    assert [line.asked_at for line in lines(primitives, WHISKER)] == [starts[-1]]
    assert [line.asked_at for line in lines(primitives, PHYSICS)] == [starts[-1]]
    assert [line.asked_at for line in lines(primitives, GHOST)] == starts[:-1]
    assert [line.asked_at for line in lines(primitives, MEMBER)] == [k for k in starts if k > 21 - 12]
    do(engine, SetResetAtStart(False), ResetEpisode(), Step(1))
    assert lines(drawn(engine, 0, only("whisker")), WHISKER)[0].asked_at is None
    do(engine, SetChunking(TemporalEnsemble(0.1, ())), Step(3))
    assert lines(drawn(engine, 3, only("whisker")), WHISKER)[0].asked_at is None


# Any site.


def test_any_site_can_be_the_root(scene: Scene, opened: Open) -> None:
    """From another root, whisker, physics and path are those of that site, as mj_kinematics has them; a cube that was
    moved before the next step included."""
    engine = opened(Wave(scene, noise=1.0, cameras={}))
    trace = do(engine, SetChunking(FirstN(6)), Step(140))
    paths = Paths(scene)
    for site in ("side", "on_cube"):
        for step in (3, 64, 100, 140):
            primitives = drawn(engine, step, only("whisker", "path", "physics", root=site), paths)
            chunk = trace.chunks_in_force(step)[-1]
            want = brute_force(scene, trace, chunk.start, site, chunk.actions)
            np.testing.assert_allclose(lines(primitives, WHISKER)[0].points, want, atol=1e-12)
            way = np.array([brute_force(scene, trace, k, site) for k in range(step + 1)])
            np.testing.assert_allclose(lines(primitives, PATH)[0].points, way, atol=1e-12)
            rolled = lines(primitives, PHYSICS)[0].points
            until = next((k for k in range(step + 1, 140) if trace.chunk_arrived_at(k)), 140)
            ahead = np.array([brute_force(scene, trace, k, site) for k in range(step, until + 1)])
            np.testing.assert_allclose(rolled[: len(ahead)], ahead, atol=1e-12)
    do(engine, MoveObject("cube", (0.1, 0.4, 0.02), 0.0))
    ends = lines(drawn(engine, 140, only("path", root="on_cube"), paths), PATH)[0].points[-2:]
    np.testing.assert_allclose(ends[1], [0.1, 0.4, 0.04], atol=1e-12)
    assert np.linalg.norm(ends[1] - ends[0]) > 0.05


def test_an_unknown_root_is_the_end_effector_and_says_so(scene: Scene, opened: Open) -> None:
    """The model may have changed since the root was chosen."""
    engine = opened(Wave(scene, cameras={}))
    do(engine, Step(8))
    lost, plain = (drawn(engine, 5, only("whisker", "path", root=root)) for root in ("lost", ""))
    for one, other in zip(
        lines(lost, WHISKER) + lines(lost, PATH), lines(plain, WHISKER) + lines(plain, PATH), strict=True
    ):
        assert np.array_equal(one.points, other.points)
    assert "no site 'lost' in this scene: the end effector is shown" in words(lost)
    assert "site" not in words(plain)


def test_ticks_are_the_axes_of_the_root_on_the_whisker(scene: Scene, opened: Open) -> None:
    """Each tick begins at a point of the whisker and goes 12 mm along the x, y or z axis that the site has there."""
    engine = opened(Wave(scene, cameras={}))
    trace = do(engine, SetChunking(FirstN(6)), Step(8))
    primitives = drawn(engine, 6, only("whisker", "ticks", root="side"))
    points = lines(primitives, WHISKER)[0].points
    plan = trace.plan(6)
    assert plan is not None
    data = mujoco.MjData(scene.model)
    for axis, colour in enumerate(AXES):
        found = lines(primitives, colour)
        assert np.array_equal(found[0].points[0], points[0])
        assert np.array_equal(found[-1].points[0], points[-1])
        for tick in found:
            (row,) = np.flatnonzero((points == tick.points[0]).all(axis=1))
            data.qpos[scene.qpos_index] = scene.to_control(plan[row])
            mujoco.mj_kinematics(scene.model, data)
            along = data.site("side").xmat.reshape(3, 3)[:, axis]
            np.testing.assert_allclose(tick.points[1] - tick.points[0], 0.012 * along, atol=1e-12)


def test_discs_show_the_commanded_opening(tmp_path: Path, scene: Scene, opened: Open) -> None:
    """Discs lie on the whisker, and grow and change colour from closed to open with the command; a scene without a
    gripper joint says that it has none."""

    def closing(start: int, seen: Observation, seed: int) -> Float32Array:
        return np.stack([np.arange(11.0), np.linspace(120, 0, 11)], axis=1).astype(np.float32)

    hand = Scene.load(write_scene(tmp_path / "hand", HAND))
    engine = open_engine(hand, Scripted(hand, closing, 11), seed=0)
    do(engine, Step(1))
    primitives = drawn(engine, 0, only("whisker", "gripper"))
    engine.close()
    points = lines(primitives, WHISKER)[0].points
    discs = [each for each in primitives if isinstance(each, Marker)][2:]
    assert np.array_equal([disc.point for disc in discs], points)
    opening = np.clip(np.linspace(120, 0, 11), 0, 100) / 100
    np.testing.assert_allclose([disc.radius for disc in discs], 2 + 5 * opening, atol=1e-5)
    assert discs[0].colour == pytest.approx(OPEN)
    assert discs[-1].colour == pytest.approx(CLOSED)
    assert "100 % open now, 0 % at the end" in words(primitives)
    none = opened(Wave(scene, cameras={}))
    do(none, Step(1))
    assert words(drawn(none, 0, only("gripper"))) == "gripper: no joint of this scene has the unit range_0_100"


# What else there is.


def fan(start: int, seen: Observation, seed: int) -> Float32Array:
    end = 10 * np.random.default_rng(start).standard_normal(2)
    return (10 * np.sin((start + np.arange(12)[:, None]) / 6) + np.linspace(0, end, 12)).astype(np.float32)


@pytest.mark.parametrize(
    ("coefficient", "trust"), [(0.1, "oldest weighs most"), (0.0, "all weigh alike"), (-0.1, "newest weighs most")]
)
def test_a_what_if_is_dashed_and_the_real_ensemble_is_not(
    scene: Scene, opened: Open, coefficient: float, trust: str
) -> None:
    """Both show the same members and the same path. Only the what-if is dashed and says that it is not executed; both
    say which members weigh most."""
    real, imagined = opened(Scripted(scene, fan)), opened(Scripted(scene, fan))
    do(real, SetChunking(TemporalEnsemble(coefficient, ())), Step(20))
    do(imagined, SetChunking(FirstN(5)), Step(20), Ask(Ensemble(), "episode 1", 15))
    choice = only("ensemble", coefficient=coefficient)
    so, would_be = drawn(real, 15, choice), drawn(imagined, 15, choice)
    (green,), (dashed,) = lines(so, ENSEMBLE), lines(would_be, ENSEMBLE)
    np.testing.assert_allclose(dashed.points, green.points, atol=1e-6)
    assert green.alpha.min() > 0.9
    assert set(dashed.alpha) == {0.0, 0.95}
    assert dashed.alpha[0] == 0.95
    for grey, other in zip(lines(so, MEMBER), lines(would_be, MEMBER), strict=True):
        assert np.array_equal(grey.points, other.points)
    greys = lines(so, MEMBER)
    assert [line.asked_at for line in greys] == list(range(4, 16))
    assert all(np.all(a.alpha[:1] < b.alpha[:1]) for a, b in pairwise(greys))
    assert f"temporal ensemble c={coefficient:g}, {trust}; 12 chunks" in words(so)
    assert f"what-if ensemble c={coefficient:g}, {trust}, not executed; 12 chunks" in words(would_be)
    assert "was not asked" in words(drawn(imagined, 14, choice))


def plus_minus(start: int, want: Want) -> Mapping[str, NDArray[np.float32]]:
    side = np.outer(np.arange(1, 13), [1.0, 0.0]).astype(np.float32)
    return {"samples": np.stack([side, -side])} if want.samples else {}


def test_samples_are_drawn_unless_they_are_all_the_same(scene: Scene, opened: Open) -> None:
    """Samples that part are grey lines with their spread in the legend; a policy with nothing random in it has no
    lines and says that it is deterministic."""
    random, fixed = opened(Scripted(scene, fan, extras=plus_minus)), opened(Scripted(scene, fan))
    trace = do(random, Step(3), Ask(Samples(2), "episode 1", 2))
    do(fixed, Step(3), Ask(Samples(2), "episode 1", 2))
    primitives = drawn(random, 2, only("samples"))
    one, other = lines(primitives, SAMPLE)
    side = np.outer(np.arange(1, 13), [1.0, 0.0]).astype(np.float32)
    np.testing.assert_allclose(one.points, brute_force(scene, trace, 2, "tip", side), atol=1e-12)
    np.testing.assert_allclose(other.points, brute_force(scene, trace, 2, "tip", -side), atol=1e-12)
    assert "2 samples, 14.4 / 28.8 / 57.3 mm" in words(primitives)
    nothing = drawn(fixed, 2, only("samples"))
    assert [type(each) for each in nothing] == [Legend]
    assert words(nothing) == "deterministic: nothing in it is random"


@pytest.mark.parametrize(("offsets", "first"), [((40.0, 20.0, 0.5, 0.0), 189), ((0.5, 40.0, 0.5, 0.0), 2)])
def test_denoising_goes_from_noise_to_the_chunk(
    scene: Scene, opened: Open, offsets: tuple[float, ...], first: int
) -> None:
    """Each denoising step has its whisker, greener than the one before and ending as the chunk itself; the legend says
    from which step on they stay near it, so that a step that leaves again does not count."""
    rest = np.zeros((12, 2), np.float32)
    steps = np.stack([rest + np.array([offset, 0], np.float32) for offset in offsets])

    def out_of_noise(start: int, want: Want) -> Mapping[str, NDArray[np.float32]]:
        return {"denoising": steps} if want.denoising else {}

    engine = opened(Scripted(scene, lambda *_: rest, extras=out_of_noise, deterministic=False))
    trace = do(engine, Step(3), Ask(Denoising(), "episode 1", 2))
    primitives = drawn(engine, 2, only("denoising"))
    whiskers = [each for each in primitives if isinstance(each, Polyline)]
    for whisker, rows in zip(whiskers, steps, strict=True):
        np.testing.assert_allclose(whisker.points, brute_force(scene, trace, 2, "tip", rows), atol=1e-12)
    assert whiskers[0].colour == NOISE
    assert whiskers[-1].colour == pytest.approx(DENOISED)
    assert all(a.colour[1] < b.colour[1] and a.alpha.max() < b.alpha.max() for a, b in pairwise(whiskers))
    assert f"3 denoising steps: at most {first} mm away at first, within 10 mm from step 2 on" in words(primitives)
    assert "does not denoise" in words(drawn(engine, 1, only("denoising")))


def test_a_policy_that_does_not_denoise_says_so(scene: Scene, opened: Open) -> None:
    """Asked how its chunk comes out of noise, such a policy is answered for in one sentence, and nothing is kept."""
    engine = opened(Scripted(scene, fan))
    trace = do(engine, Step(3), Ask(Denoising(), "episode 1", 2))
    assert engine.view().message == "Policy wave does not denoise: there are no steps to show."
    assert engine.lanes[0].answers.to(Denoising, trace, 2) is None


def test_each_blinded_input_has_its_whisker(scene: Scene, opened: Open) -> None:
    """Each blinded input has a whisker in a colour of its own, which is that of the chunk that the policy answered, and
    a figure that is the distance between its end and that of the plain whisker; an ignored input changes nothing."""

    def looking(start: int, seen: Observation, seed: int) -> Float32Array:
        bright = np.array([seen.images["above"].mean() / 255, 0.0])
        return (20 * bright + np.arange(12)[:, None] * (seen.state + 1) / 12).astype(np.float32)

    cameras = {"above": (24, 32), "aside": (24, 32)}
    engine = opened(Scripted(scene, looking, cameras=cameras))
    trace = do(engine, Step(3), Ask(Ablation(Blind.BLACK), "episode 1", 2))
    primitives = drawn(engine, 2, only("inputs"))
    answer = engine.lanes[0].answers.to(Ablation, trace, 2)
    assert answer is not None
    (plain,) = lines(primitives, WHISKER)
    effects = effects_at(Paths(scene), trace, 2, engine.lanes[0].answers)
    assert len(effects) == 4
    for effect, chunk, colour in zip(effects, answer.chunks.values(), INPUTS, strict=False):
        (line,) = lines(primitives, colour)
        np.testing.assert_allclose(line.points, brute_force(scene, trace, 2, "tip", chunk.actions), atol=1e-12)
        apart = 1000 * np.linalg.norm(line.points[-1] - plain.points[-1])
        assert effect.end == pytest.approx(apart)
        change = "changes nothing" if effect.name == "aside" else f"{apart:.1f} mm at the end"
        assert f"{effect.name} blinded (black): {change}" in words(primitives)
        assert (apart == 0) == (effect.name == "aside")
    assert "was not asked" in words(drawn(engine, 1, only("inputs")))


def test_every_overlay_can_be_drawn_without_a_policy(scene: Scene) -> None:
    """Where nobody drives there is a path and nothing to say about intentions."""
    engine = open_engine(scene, None, seed=0)
    everything = OverlayChoice(
        physics=True, members=True, ensemble=True, samples=True, inputs=True, ticks=True, gripper=True
    )
    primitives = drawn(engine, 0, everything)
    engine.close()
    assert [type(each) for each in primitives] == [Marker, Legend]
    assert words(primitives).startswith("gripper: no joint")
