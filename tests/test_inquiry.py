"""Questions about a moment: what they may not change, what their answers must be, and when answers are dropped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.blinding import STATE, Blind
from viewer_app.chunking import FirstN, TemporalEnsemble
from viewer_app.commands import (
    Ask,
    Command,
    Fork,
    MoveObject,
    ResetEpisode,
    ResetPolicy,
    SetBlinding,
    SetChunking,
    SetDelay,
    SetPrompt,
    SetResetAtStart,
    SetStops,
    Step,
    StopAsking,
    UsePolicy,
)
from viewer_app.engine import Engine
from viewer_app.headless import ask, open_engine
from viewer_app.inquiry import Inquiry
from viewer_app.questions import (
    ALL_CAMERAS,
    Ablation,
    Answer,
    Answers,
    Attention,
    Ensemble,
    Occlusion,
    Question,
    Samples,
    cell_label,
)
from viewer_app.render import Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, FloatArray, ImageArray, Observation, Policy, Want, WhiskersError
from viewer_app.view import Camera, OverlayChoice

pytestmark = pytest.mark.core

HEIGHT, WIDTH = 24, 32
"""Of the plotter's cameras. [px]"""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path))


@pytest.fixture
def policy(scene: Scene) -> Wave:
    return Wave(scene, noise=0.5)


@pytest.fixture
def engine(scene: Scene, policy: Wave) -> Iterator[Engine]:
    engine = open_engine(scene, policy, seed=3)
    engine.send(SetStops(on_outcome=False))
    yield engine
    engine.close()


def do(engine: Engine, *commands: Command) -> Trace:
    """Send commands one after another, each when the engine has nothing left to do."""
    for command in commands:
        engine.send(command)
        engine.tick()
        while engine.busy:
            engine.tick()
    return engine.lanes[0].trace


def answer_to(question: Question, trace: Trace, step: int, policy: Policy, picture: object, known: Answers) -> Answer:
    """Ask without an engine."""
    inquiry = Inquiry(question, trace, step, policy, picture, known)  # type: ignore[arg-type]
    while (answer := inquiry.advance()) is None:
        pass
    return answer


QUESTIONS: tuple[Question, ...] = (
    Samples(3),
    Ensemble(),
    *(Ablation(mode) for mode in Blind),
    Occlusion("above", 2, 2),
    Attention(),
)


def test_questions_change_nothing(engine: Engine, scene: Scene) -> None:
    """A session in which everything was asked, at the head, in history and of an earlier trace, takes the same steps to
    the bit as one in which nothing was, and asking leaves trace and world as they are."""

    def session(engine: Engine, curious: bool) -> list[Trace]:
        def wonder(name: str, *steps: int) -> None:
            lane = engine.lanes[0]
            world, length = lane.world.snapshot(), len(lane.trace)
            if curious:
                do(engine, *(Ask(question, name, step) for step in steps for question in QUESTIONS))
            assert np.array_equal(lane.world.snapshot(), world)
            assert len(lane.trace) == length

        first = do(engine, SetChunking(FirstN(5)), Step(7))
        wonder(first.name, 7, 0, 4)
        do(engine, SetBlinding("aside", Blind.NOISE), SetDelay(2), Step(6))
        wonder(first.name, 13, 12)
        second = do(engine, ResetEpisode(8), Step(4))
        wonder(first.name, 6)
        wonder(second.name, 4)
        do(engine, SetChunking(TemporalEnsemble(0.1, ())), Step(3))
        wonder(second.name, 7, 5)
        branch = do(engine, Fork(first.name, 9), Step(5))
        wonder(branch.name, 14)
        return [first, second, do(engine, Step(3))]

    asked = session(engine, True)
    assert len(engine.lanes[0].answers) > 30
    other = open_engine(scene, Wave(scene, noise=0.5), seed=3)
    other.send(SetStops(on_outcome=False))
    plain = session(other, False)
    other.close()
    assert all(ours.same_as(theirs) for ours, theirs in zip(asked, plain, strict=True))


def test_asking_while_it_runs_changes_nothing(engine: Engine, scene: Scene) -> None:
    """A question that is answered while the episode goes on is about its moment, and the episode is the same."""
    trace = do(engine, Step(6))
    engine.send(Step(20))
    do(engine, Ask(Ablation(), trace.name, 6))
    live = engine.lanes[0].answers.to(Ablation, trace, 6)
    assert live is not None
    other = open_engine(scene, Wave(scene, noise=0.5), seed=3)
    assert do(other, SetStops(on_outcome=False), Step(26)).same_as(trace)
    later = ask(other, Ablation(), 6)
    other.close()
    assert live.base.same_as(later.base)
    assert all(live.chunks[name].same_as(later.chunks[name]) for name in later.chunks)


class Pictures:
    """Made-up pictures: every camera has its own for every moment. At one moment one camera's can be told apart."""

    def __init__(self, camera: str = "", at: FloatArray | None = None) -> None:
        self._camera, self._at = camera, at

    def __call__(self, snapshot: FloatArray, cameras: Sequence[str]) -> Mapping[str, ImageArray]:
        salt = int(abs(float(snapshot.sum())) * 1e9)
        found: dict[str, ImageArray] = {}
        for camera in cameras:
            other = camera == self._camera and self._at is not None and np.array_equal(snapshot, self._at)
            rng = np.random.default_rng([salt, len(camera), int(other)])
            top = int(rng.integers(50, 255))
            found[camera] = rng.integers(0, top, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        return MappingProxyType(found)


@pytest.mark.parametrize("mode", list(Blind))
def test_blind_means_blind(engine: Engine, policy: Wave, mode: Blind) -> None:
    """Law 6: the chunk of an ablation does not depend on the pixels of the camera that is blinded in it, and those of
    all other ablations do."""
    trace = do(engine, Step(5))
    plain = answer_to(Ablation(mode), trace, 5, policy, Pictures(), Answers())
    other = answer_to(Ablation(mode), trace, 5, policy, Pictures("above", trace.snapshot(5)), Answers())
    assert list(plain.chunks) == ["above", "aside", STATE, ALL_CAMERAS]
    same = {name for name in plain.chunks if plain.chunks[name].same_as(other.chunks[name])}
    assert same == {"above", ALL_CAMERAS}
    assert not plain.base.same_as(other.base)


def test_every_remembered_observation_is_blinded(scene: Scene) -> None:
    """A policy that reads three observations is blinded in all of them."""
    shown: list[list[Observation]] = []

    class Watched(Wave):
        def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
            shown.append(list(observations))
            return super().predict(observations, start, seed, want)

    engine = open_engine(scene, Watched(scene, n_obs_steps=3), seed=3)
    do(engine, SetStops(on_outcome=False), Step(8))
    shown.clear()
    ask(engine, Ablation(Blind.BLACK), 8)
    engine.close()
    base, above, aside, state, cameras = shown
    for observations in shown:
        assert [each.time for each in observations] == [each.time for each in base]
    for observations, blinded in ((above, {"above"}), (aside, {"aside"}), (cameras, {"above", "aside"})):
        for each, plain in zip(observations, base, strict=True):
            assert {name for name, image in each.images.items() if not image.any()} == blinded
            assert np.array_equal(each.state, plain.state)
    assert not any(each.state.any() for each in state)
    assert len({each.state.tobytes() for each in base}) == 3


def test_the_what_if_ensemble_is_what_would_have_been_asked(scene: Scene, policy: Wave) -> None:
    """The chunks of the ensemble question are those that the policy gave when it was really asked at each step."""
    engine = open_engine(scene, policy, seed=3)
    trace = do(engine, SetStops(on_outcome=False), SetChunking(FirstN(1)), Step(20))
    bare = Trace.from_columns(
        trace.name,
        trace.scene,
        trace.policy,
        trace.seed,
        None,
        (),
        {name: trace.column(name) for name in ("snapshot", "time", "state", "tip", "phase", "outcome", "success")}
        | {name: trace.column(name) for name in ("contact", "reward", "environment_state", "action")},
        [],
        [],
        trace.settings_changes,
        [],
        trace.phases,
        trace.outcomes,
    )
    picture = engine.lanes[0].world.picture
    asked = answer_to(Ensemble(), bare, 18, policy, picture, Answers())
    assert list(asked.chunks) == [str(step) for step in range(7, 19)]
    assert all(asked.chunks[str(step)].same_as(trace.chunks[step]) for step in range(7, 19))
    assert asked.base is asked.chunks["18"]
    assert asked.calls == 12
    known = answer_to(Ensemble(), trace, 18, policy, picture, Answers())
    assert known.calls == 0
    assert all(known.chunks[str(step)] is trace.chunks[step] for step in range(7, 19))
    engine.close()


def test_what_is_known_is_not_asked_again(engine: Engine, policy: Wave) -> None:
    """Chunks of the trace and of earlier answers are used; the policy is asked for the rest only."""
    trace = do(engine, SetChunking(FirstN(6)), Step(30))

    def calls(question: Question, step: int) -> int:
        before = policy.asked
        answer = ask(engine, question, step)
        assert answer.calls == policy.asked - before
        return answer.calls

    assert [chunk.start for chunk in trace.chunks] == [0, 6, 12, 18, 24]
    assert calls(Ensemble(), 20) == 12 - 2, "steps 9 to 20, of which 12 and 18 are in the trace"
    assert calls(Ensemble(), 21) == 1, "step 21 is new"
    assert calls(Ensemble(), 21) == 0
    assert calls(Ablation(), 24) == 4, "the plain chunk is in the trace"
    assert calls(Ablation(), 25) == 5
    assert calls(Occlusion("above", 2, 3), 25) == 6, "the plain chunk is in the answer before"
    assert calls(Ensemble(), 26) == 3, "of steps 15 to 26 the trace knows 18 and 24, answers all but 22, 23 and 26"


def test_an_ensemble_reaches_back_to_the_reset(engine: Engine) -> None:
    """Chunks from before a policy reset say nothing any more, so they are not asked for."""
    do(engine, Step(15), ResetPolicy(), Step(3))
    assert list(ask(engine, Ensemble()).chunks) == ["15", "16", "17", "18"]


def test_asking_stops(engine: Engine, policy: Wave) -> None:
    """A question that is given up leaves no answer and makes no further call."""
    trace = do(engine, Step(4))
    before = policy.asked
    engine.send(Ask(Occlusion("above"), trace.name, 4))
    for _ in range(5):
        engine.tick()
    asking = engine.view().lanes[0].asking
    assert asking is not None
    assert (asking.done, asking.total) == (5, 49)
    assert do(engine, StopAsking()) is trace
    assert policy.asked == before + 5
    view = engine.view().lanes[0]
    assert view.asking is None
    assert len(view.answers) == 0


CHANGES: tuple[tuple[Command, bool], ...] = (
    (SetBlinding("above", Blind.BLACK), True),
    (MoveObject("cube", (0.2, 0.2, 0.02)), True),
    (SetPrompt("Do something else."), True),
    (ResetPolicy(), True),
    (SetChunking(TemporalEnsemble(0.1, ())), True),
    (SetChunking(FirstN(2)), False),
    (SetDelay(3), False),
    (SetResetAtStart(False), False),
    (MoveObject("cup", (0.0, 0.0, 0.0)), False),
)


@pytest.mark.parametrize(("change", "dropped"), CHANGES)
def test_answers_about_a_changed_head_are_dropped(engine: Engine, change: Command, dropped: bool) -> None:
    """What changes the head's observation, or what the policy remembers, drops the answers about the head and the
    question in progress; what does not leaves them, and answers about history always stay."""
    trace = do(engine, Step(4))
    ask(engine, Ablation(), 2)
    ask(engine, Ablation(), 4)
    engine.send(Ask(Occlusion("above"), trace.name, 4))
    engine.tick()
    engine.send(change)
    engine.tick()
    lane = engine.lanes[0]
    assert lane.answers.to(Ablation, trace, 2) is not None
    assert (lane.answers.to(Ablation, trace, 4) is None) is dropped
    assert (not lane.inquiries) is dropped
    do(engine, StopAsking(), Ask(Occlusion("above", 1, 1), trace.name, 2))
    engine.send(Ask(Occlusion("above"), trace.name, 2))
    engine.tick()
    engine.send(change)
    engine.tick()
    assert lane.inquiries, "a question about history goes on"


def test_another_policy_forgets_all_answers(engine: Engine, policy: Wave) -> None:
    """Answers of one checkpoint are none of another's; loading the same one again keeps them."""
    trace = do(engine, Step(4))
    ask(engine, Samples(2))
    do(engine, UsePolicy(policy.with_name("wave")))
    assert engine.lanes[0].trace is not trace
    assert len(engine.lanes[0].answers) == 0


def test_a_random_policy_is_sampled_by_seeds(engine: Engine, scene: Scene) -> None:
    """Samples of a policy that is random by itself are its chunk with other random numbers, spread as its noise is, and
    the same each time they are asked for; the plain chunk among them is the one that is executed."""
    trace = do(engine, Step(6))
    answer = ask(engine, Samples(200))
    assert len({chunk.seed for chunk in (answer.base, *answer.chunks.values())}) == 201
    samples = np.stack([chunk.actions for chunk in answer.chunks.values()])
    assert samples.std(axis=0) == pytest.approx(0.5, rel=0.25)
    quiet = Wave(scene, noise=0.0)
    other = open_engine(scene, quiet, seed=3)
    other.lanes[0].world.restore(trace.snapshot(6))
    observation = other.lanes[0].world.observe(("above", "aside"))
    other.close()
    centre = quiet.predict([observation], 6, 0, Want()).actions
    np.testing.assert_allclose(samples.mean(axis=0), centre, atol=0.2)
    again = ask(engine, Samples(200))
    assert all(again.chunks[name].same_as(chunk) for name, chunk in answer.chunks.items())
    do(engine, Step(1))
    assert answer.base.same_as(trace.chunks[-1])


def test_a_deterministic_policy_is_asked_once(scene: Scene) -> None:
    """Of a policy in which nothing is random there are no samples, and it is not asked for equal ones."""
    policy = Wave(scene)
    engine = open_engine(scene, policy, seed=3)
    before = policy.asked
    answer = ask(engine, Samples(16))
    engine.close()
    assert (answer.calls, policy.asked - before, dict(answer.chunks)) == (1, 1, {})


class Corner(Wave):
    """Looks at the upper left quarter of camera `above` only: every action is its mean brightness."""

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        self.asked += 1
        quarter = observations[-1].images["above"][: HEIGHT // 2, : WIDTH // 2]
        return ActionChunk(start, np.full((12, 2), quarter.mean() / 10, np.float32), seed)


def test_a_patch_matters_where_the_policy_looks(scene: Scene) -> None:
    """With a policy that looks at a quarter of a picture, the patches that touch it change the chunk, no others do."""
    policy = Corner(scene)
    engine = open_engine(scene, policy, seed=3)
    trace = do(engine, Step(2))
    question = Occlusion("above", 8, 6)
    answer = answer_to(question, trace, 1, policy, Pictures(), Answers())
    elsewhere = answer_to(Occlusion("aside", 8, 6), trace, 1, policy, Pictures(), Answers())
    engine.close()
    changed = {name for name, chunk in answer.chunks.items() if not np.array_equal(chunk.actions, answer.base.actions)}
    # A patch covers its cell and half of each neighbour: that of row 3 begins in the middle of row 2.
    assert changed == {cell_label(row, column) for row in range(4) for column in range(5)}
    assert all(np.array_equal(chunk.actions, answer.base.actions) for chunk in elsewhere.chunks.values())


def test_what_cannot_be_asked_is_told_in_one_sentence(engine: Engine, scene: Scene) -> None:
    """A question that has no answer is refused in one sentence that says why, and nothing is left of it."""
    trace = do(engine, Step(3))
    for question, step, words in (
        (Samples(), 4, "has no step 4; it has steps 0 to 3"),
        (Samples(0), 1, "At least 1 sample"),
        (Occlusion("moon"), 1, "does not look through camera 'moon'; it reads above, aside"),
        (Occlusion("above", 0, 6), 1, "at least 1 x 1 cells"),
        (Attention(), 1, "Policy wave has no cross-attention to show"),
    ):
        with pytest.raises(WhiskersError, match=words):
            ask(engine, question, step)
        assert not engine.lanes[0].inquiries
    with pytest.raises(WhiskersError, match="No trace 'nowhere'; there are episode 1"):
        ask(engine, Samples(), 0, trace.fork(1, "nowhere"))
    do(engine, UsePolicy(Wave(scene).with_name("other")))
    with pytest.raises(WhiskersError, match="was not made by the policy that is loaded"):
        ask(engine, Samples(), 1, trace)
    assert len(engine.lanes[0].answers) == 0


def test_a_policy_that_raises_ends_the_question_only(scene: Scene) -> None:
    """Whatever a policy raises when it is asked, the question is given up with one sentence and the session goes on."""

    class Moody(Wave):
        def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
            if not observations[-1].images["above"].any():
                raise ZeroDivisionError("the picture\nis black")
            return super().predict(observations, start, seed, want)

    engine = open_engine(scene, Moody(scene), seed=3)
    trace = do(engine, Step(3))
    with pytest.raises(WhiskersError, match="The question failed with ZeroDivisionError: the picture is black"):
        ask(engine, Ablation(Blind.BLACK))
    assert not engine.lanes[0].inquiries
    assert len(do(engine, Step(2))) == 5
    assert engine.lanes[0].trace is trace
    engine.close()


@pytest.mark.parametrize(
    ("overlay", "question", "words"),
    [
        ("samples", Samples(6), "6 samples"),
        ("inputs", Ablation(Blind.BLACK), "above blinded (black): "),
        ("ensemble", Ensemble(), "what-if ensemble c=0.01"),
    ],
)
def test_answers_are_drawn_without_a_window(
    engine: Engine, scene: Scene, overlay: str, question: Question, words: str
) -> None:
    """What was asked headless is in the headless picture, and the legend says what it shows; without the answer the
    picture is that of a scene with nothing to add, and the legend says that nobody asked."""
    trace = do(engine, Step(8))
    ask(engine, question, 5)
    nothing = OverlayChoice(whisker=False, ghosts=False, path=False, legend=False)
    bare = Shot(trace, 8, 5, Camera((0.2, 0.0, 0.1), elevation=-60.0, distance=0.4), nothing, 640, 480)
    wanted = replace(bare, overlays=nothing.having(overlay, True))
    with Viewport(scene) as viewport:
        plain, unknown, shown = (
            viewport.draw(shot) for shot in (bare, wanted, replace(wanted, answers=engine.lanes[0].answers))
        )
    assert np.array_equal(plain.image, unknown.image)
    assert "was not asked" in unknown.legend[0].text
    assert any(words in each.text for each in shown.legend)
    assert (shown.image != plain.image).any(axis=2).sum() > 100


def test_the_window_draws_what_the_headless_viewport_draws(engine: Engine, scene: Scene) -> None:
    """The same shot, with everything asked, is the same picture to the bit from the window's render thread."""
    pytest.importorskip("dearpygui")
    from viewer_app.gui.render_thread import RenderThread, Scenery

    trace = do(engine, Step(8))
    for question in (Samples(6), Ablation(Blind.BLACK), Ensemble()):
        ask(engine, question, 5)
    everything = OverlayChoice(physics=True, members=True, ensemble=True, samples=True, inputs=True, ticks=True)
    shot = Shot(trace, 8, 5, Camera((0.1, 0.0, 0.0)), everything, 320, 240, engine.lanes[0].answers)
    with Viewport(scene) as viewport:
        headless = viewport.draw(shot)
    thread = RenderThread(scene, 0)
    thread.start()
    thread.want(Scenery((shot,), 0))
    until = time.monotonic() + 20
    while not thread.rendered and not thread.failure and time.monotonic() < until:
        time.sleep(0.01)
    assert thread.stop()
    assert thread.rendered, thread.failure
    (rendered,) = thread.rendered
    assert np.array_equal(rendered.picture.image, headless.image)
    assert rendered.picture.legend == headless.legend
