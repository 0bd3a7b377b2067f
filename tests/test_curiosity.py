"""Which questions the window asks by itself, and what it does beside itself."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.blinding import Blind
from viewer_app.chunking import TemporalEnsemble
from viewer_app.commands import Ask, SetBlinding, SetChunking, Step
from viewer_app.engine import Engine
from viewer_app.lane import Lane
from viewer_app.questions import Ablation, Ensemble, Samples
from viewer_app.scene import Scene
from viewer_app.types import WhiskersError
from viewer_app.view import Focus, Frame, Latency, OverlayChoice, resolve
from viewer_app.world import MujocoWorld

pytest.importorskip("dearpygui")

from viewer_app.gui.curiosity import Curiosity
from viewer_app.gui.errands import Errands


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Five steps of a policy that reads no camera."""
    plotter = Scene.load(write_scene(tmp_path))
    engine = Engine(plotter, (Lane(plotter, MujocoWorld(plotter), Wave(plotter, cameras={}), 1),))
    do(engine, Step(5))
    return engine


def do(engine: Engine, *commands: object) -> None:
    for command in commands:
        engine.send(command)  # type: ignore[arg-type]
    engine.tick()
    while engine.busy:
        engine.tick()


def frame_of(engine: Engine, step: int | None = None, **overlays: bool) -> Frame:
    return resolve(engine.view(), Focus(step=step, overlays=OverlayChoice(**overlays)))  # type: ignore[arg-type]


def test_only_overlays_that_are_on_make_curious(engine: Engine) -> None:
    """A question is asked for an overlay that is on and lacks its answer, once a moment, where nothing moves."""
    curiosity = Curiosity()
    assert curiosity.wish(frame_of(engine), 1.0) is None
    wanted = frame_of(engine, 3, samples=True)
    assert curiosity.wish(wanted, 0.1) is None
    assert curiosity.wish(wanted, 1.0) == Ask(Samples(), "episode 1", 3, 0)
    assert curiosity.wish(wanted, 2.0) is None
    assert curiosity.wish(frame_of(engine, 4, samples=True), 1.0) == Ask(Samples(), "episode 1", 4, 0)


def test_an_answer_that_is_there_is_not_asked_for(engine: Engine) -> None:
    """What the person asked by hand is not asked again, and later moments are asked about in the person's manner."""
    curiosity = Curiosity()
    ask = Ask(Ablation(Blind.NOISE), "episode 1", 2)
    curiosity.heard(ask)
    do(engine, ask)
    assert curiosity.wish(frame_of(engine, 2, inputs=True), 1.0) is None
    assert curiosity.wish(frame_of(engine, 3, inputs=True), 1.0) == replace(ask, step=3)


def test_a_changed_head_makes_curious_again(engine: Engine) -> None:
    """Blinding an input at the head changes what would be answered there, so the question is asked anew."""
    curiosity = Curiosity()
    assert curiosity.wish(frame_of(engine, samples=True), 1.0) == Ask(Samples(), "episode 1", 5, 0)
    do(engine, SetBlinding("state", Blind.MEAN))
    assert curiosity.wish(frame_of(engine, samples=True), 1.0) == Ask(Samples(), "episode 1", 5, 0)


def test_a_policy_that_ensembles_needs_no_what_if(engine: Engine) -> None:
    """The ensemble is asked about where the policy does not ensemble, and nowhere else."""
    curiosity = Curiosity()
    assert curiosity.wish(frame_of(engine, 4, ensemble=True), 1.0) == Ask(Ensemble(), "episode 1", 4, 0)
    do(engine, SetChunking(TemporalEnsemble(0.1, ())), Step(2))
    assert curiosity.wish(frame_of(engine, 6, ensemble=True), 1.0) is None


def test_a_slow_policy_is_not_asked_unbidden(engine: Engine) -> None:
    """A question that would take longer than a few seconds waits for its button."""
    frame = frame_of(engine, 4, ensemble=True)
    slow = replace(frame, lane=replace(frame.lane, latency=Latency(2.0, 2.0, 2.0, 5)))
    assert Curiosity().wish(slow, 1.0) is None


def test_an_errand_ends_in_a_sentence() -> None:
    """Errands run one after another, and each tells its sentence once, complaints as such."""
    errands = Errands()

    def refuse() -> str:
        raise WhiskersError("There is nothing to draw yet.")

    errands.run(lambda: "Written.")
    errands.run(refuse)
    told: list[tuple[str, bool]] = []
    until = time.monotonic() + 20
    while len(told) < 2 and time.monotonic() < until:
        told += errands.finished()
    assert told == [("Written.", False), ("There is nothing to draw yet.", True)]
    assert errands.finished() == []
    errands.close()
