"""What the inputs panel and the cameras' tiles say and draw of what each input does, without a window."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pytest

from panels.cameras import asked_words
from panels.heat import HeatMap, MapKind, absent_words, coloured, enlarged, lay_over, map_for
from panels.input_effects import degrees, ranked, right_edges, sentence, short_names, table
from panels.inputs import GRIDS, ablation_calls, asked_steps
from tests.scenes import write_scene
from tests.synthetic import Wave
from tests.test_window import ROOT, display  # noqa: F401 (a fixture)
from tests.told import told_by
from viewer_app.blinding import STATE
from viewer_app.channels import Channel, Channels
from viewer_app.commands import Ask, Command, SetDelay, SetStops, Step
from viewer_app.engine import Engine
from viewer_app.headless import open_engine
from viewer_app.inquiry import Inquiry
from viewer_app.insight import SAME, Effect, MomentInsight, OcclusionInsight
from viewer_app.questions import ALL_CAMERAS, Ablation, Answer, Answers, Asking, Attention, Occlusion
from viewer_app.scene import Scene
from viewer_app.types import ActionChunk, Float32Array
from viewer_app.view import Focus, Frame, resolve

ACTIONS = Channels([Channel(name, shown_unit="deg") for name in ("pan", "lift", "gripper")])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.load(write_scene(tmp_path_factory.mktemp("plotter")))


@pytest.fixture
def engine(scene: Scene) -> Iterator[Engine]:
    engine = open_engine(scene, Wave(scene), seed=3)
    engine.send(SetStops(on_outcome=False))
    yield engine
    engine.close()


def look(engine: Engine, *commands: Command, step: int | None = None) -> Frame:
    """Carry commands out, then look at a step whose pictures are there."""
    for command in commands:
        engine.send(command)
        engine.tick()
        while engine.busy:
            engine.tick()
    frame = resolve(engine.view(), Focus(step=step))
    return replace(frame, seen_step=frame.step)


def effect(name: str, end: float, largest: float | None = None, joints: tuple[float, ...] = (0.0, 0.0, 0.0)) -> Effect:
    return Effect(name, end, end if largest is None else largest, np.array(joints))


# The sentence.


@pytest.mark.parametrize(
    ("effects", "words"),
    [
        ((), ""),
        (
            (effect(STATE, 0.4), effect("wrist", 34.2)),
            "Without wrist the chunk ends 34.2 mm elsewhere; proprioception hardly matters (0.4 mm).",
        ),
        (
            (effect("wrist", 12.0), effect("above", 34.0), effect(STATE, 0.2), effect(ALL_CAMERAS, 50.0)),
            "Without above the chunk ends 34.0 mm elsewhere, without wrist 12.0 mm; "
            "proprioception hardly matters (0.2 mm).",
        ),
        (
            (effect("wrist", 0.1), effect("above", 0.3), effect(STATE, 80.0), effect(ALL_CAMERAS, 0.5)),
            "Without proprioception the chunk ends 80.0 mm elsewhere; above and wrist hardly matter (0.3 mm).",
        ),
        (
            (effect("wrist", 0.0, 3.0), effect("above", 34.0)),
            "Without above the chunk ends 34.0 mm elsewhere, without wrist it strays by 3.0 mm on its way.",
        ),
        # A way that bends aside and comes back, and a gripper that closes: neither shows in the end of the whisker.
        ((effect("wrist", 0.9, 5.0),), "Without wrist the chunk strays by 5.0 mm on its way."),
        (
            (effect("wrist", 0.0, joints=(0.3, 0.0, -21.5)),),
            "Without wrist the chunk ends with gripper 21.5 deg elsewhere.",
        ),
        # Two cameras that stand in for each other.
        (
            (effect("wrist", 0.2), effect("above", 0.3), effect(ALL_CAMERAS, 20.0)),
            "No input alone matters here (0.3 mm at most), but without any camera it ends 20.0 mm elsewhere.",
        ),
        (
            (effect("wrist", 0.2), effect("above", 0.3), effect(STATE, 9.0), effect(ALL_CAMERAS, 20.0)),
            "Without proprioception the chunk ends 9.0 mm elsewhere; above and wrist hardly matter (0.3 mm), "
            "but without any camera it ends 20.0 mm elsewhere.",
        ),
        ((effect("wrist", 0.99), effect(STATE, 0.0)), "No input alone matters here (1.0 mm at most)."),
    ],
)
def test_one_sentence_says_what_matters(effects: tuple[Effect, ...], words: str) -> None:
    """The sentence names what matters and how much, and does not call unimportant what closes the gripper or bends
    the way."""
    assert sentence(effects, ACTIONS) == words


@pytest.mark.parametrize(("end", "angle", "matters"), [(0.99, 0.0, False), (1.0, 0.0, True), (0.0, 1.0, True)])
def test_hardly_is_below_a_millimetre_and_a_degree(end: float, angle: float, matters: bool) -> None:
    """The bounds of the sentence: 1 mm, or 1 deg of any joint."""
    words = sentence((effect("wrist", end, joints=(0.0, angle, 0.0)),), ACTIONS)
    assert words.startswith("Without wrist") == matters


# The table.


def test_the_strongest_input_comes_first() -> None:
    """Lines go by the distance at the end, then by the largest one, then by the joints."""
    effects = [effect("a", 1.0, 2.0), effect("b", 7.0), effect("c", 1.0, 9.0), effect("d", 1.0, 2.0, (0.0, 30.0, 0.0))]
    assert [each.name for each in ranked(effects)] == ["b", "c", "d", "a"]


def test_the_joint_that_changes_most_is_marked() -> None:
    """Cells are end, largest and joints; the mark is on the largest angle of either sign, and on none below 1 deg."""
    effects = [effect("b", 0.4, joints=(0.1, -0.9, 0.0)), effect("a", 3.0, 4.5, (1.2, -12.6, 3.0))]
    moved, still = table(effects, ACTIONS, 0)
    assert (moved.name, moved.cells, moved.strongest) == ("a", ("3.0", "4.5", "1", "-13", "3"), 3)
    assert (still.cells, still.strongest) == (("0.4", "0.4", "0", "-1", "0"), None)
    assert degrees(-0.04, 1) == "0.0"


def test_columns_do_not_touch() -> None:
    """The last column ends at the right edge, every cell has its gap to the one before, whatever the widths, and the
    names get their room where there is enough."""
    cells = [[27, 27, 20, 5], [34, 20, 9, 23], [8, 41, 14, 14]]
    for room in (150, 200, 250, 300):
        edges = right_edges(cells, room, 60, (6, 14))
        assert edges[-1] == room
        for line in cells:
            lefts = [edge - width for edge, width in zip(edges, line, strict=True)]
            assert all(left - edge >= 6 for edge, left in zip(edges, lefts[1:], strict=False))
    assert edges[0] - 34 - 14 >= 60
    assert right_edges(cells, 60 + 118 + 4 * 9, 60, (6, 14))[0] == 60 + 9 + 34


def test_short_names_tell_joints_apart() -> None:
    """A joint is called by its last word, and by the letter before it too where two share the word."""
    names = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
    assert short_names(names) == ["pan", "lift", "e.flex", "w.flex", "roll", "gripper"]


# Maps.


def test_a_map_keeps_its_values_at_the_centres_of_its_cells() -> None:
    """Enlarged by an odd factor, the middle pixel of each cell has the cell's value; a ramp stays straight between the
    centres; nothing leaves the range of the values."""
    values = np.random.default_rng(0).uniform(0, 9, (4, 6))
    large = enlarged(values, 6 * 7, 4 * 5)
    np.testing.assert_allclose(large[2::5, 3::7], values, rtol=1e-12)
    assert large.min() >= values.min()
    assert large.max() <= values.max()
    ramp = enlarged(np.arange(6, dtype=np.float64)[None].repeat(4, axis=0), 60, 40)
    np.testing.assert_allclose(np.diff(ramp[:, 5:55], axis=1), 0.1, rtol=1e-9)
    np.testing.assert_allclose(enlarged(np.array([[3.0]]), 5, 4), 3.0)


@pytest.mark.parametrize("kind", [MapKind.OCCLUSION, MapKind.ATTENTION])
def test_nothing_is_transparent_and_more_is_denser(kind: MapKind) -> None:
    """Both ramps begin with nothing and grow denser; they share no colour, so that one is never taken for the other."""
    shares = np.linspace(0, 1, 50, dtype=np.float64)
    colours = coloured(kind, shares)
    assert colours[0, 3] == 0
    assert (np.diff(colours[:, 3]) > 0).all()
    warm = (colours[:, 0] > colours[:, 2]).all()
    assert warm == (kind is MapKind.OCCLUSION)


def test_where_nothing_has_an_effect_the_picture_stays() -> None:
    """Laid over a picture, a map changes the pixels of its effective cells only."""
    picture: Float32Array = np.random.default_rng(1).random((40, 60, 4), dtype=np.float32)
    painted = picture.copy()
    values = np.zeros((4, 6))
    values[1, 2] = 8.0
    lay_over(painted, HeatMap(MapKind.OCCLUSION, values, 8.0))
    changed = (painted != picture).any(axis=-1)
    assert changed[10:20, 20:30].all()
    rows, columns = np.nonzero(changed)
    # A cell and half of each neighbour.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 24, 15, 34)


def known(frame: Frame, occlusion: float = 4.0) -> Frame:
    """The frame with an occlusion map of two cameras, the second with half the effect of the first."""
    effects = {"above": np.array([[occlusion / 2, occlusion]]), "aside": np.array([[0.0, occlusion / 2]])}
    maps = {name: OcclusionInsight(name, values) for name, values in effects.items()}
    return replace(frame, moment=MomentInsight(frame.trace, frame.step, None, occlusion=MappingProxyType(maps)))


def test_a_map_is_shown_over_its_own_picture_only(engine: Engine) -> None:
    """A map is drawn for the step, the trace and the picture that it is about, and for no other."""
    frame = known(look(engine, Step(8), step=5))
    found = map_for(frame, "above", MapKind.OCCLUSION)
    assert found is not None
    assert found.values.tolist() == [[2.0, 4.0]]
    assert map_for(frame, "above", MapKind.NONE) is None
    assert map_for(frame, "elsewhere", MapKind.OCCLUSION) is None
    assert map_for(replace(frame, step=6), "above", MapKind.OCCLUSION) is None
    assert map_for(replace(frame, seen_step=4), "above", MapKind.OCCLUSION) is None
    assert map_for(replace(frame, trace=frame.trace.fork(6, "branch")), "above", MapKind.OCCLUSION) is None


def test_maps_of_all_cameras_share_one_scale(engine: Engine) -> None:
    """Two cameras can be compared, and an effect that no eye could see in the scene is not blown up."""
    frame = look(engine, Step(2))
    strong, weak = (map_for(known(frame), name, MapKind.OCCLUSION) for name in ("above", "aside"))
    assert strong is not None
    assert weak is not None
    assert (strong.top, weak.top) == (4.0, 4.0)
    assert (strong.words, weak.words) == ("0 … 4.0 mm", "0 … 4.0 mm, here 2.0")
    faint = map_for(known(frame, occlusion=0.02), "aside", MapKind.OCCLUSION)
    assert faint is not None
    assert (faint.top, faint.words) == (SAME, "0 … 0.5 mm, here 0.01")


def test_attention_to_an_earlier_picture_is_not_shown(engine: Engine) -> None:
    """The attention of the chunk in force is about the picture that it was asked for, not about those after it."""
    frame = look(engine, Step(8), step=5)
    moment = MomentInsight(frame.trace, 5, None, attention=MappingProxyType({"above": np.array([[0.1, 0.3]])}))
    frame = replace(frame, moment=moment)
    assert map_for(frame, "above", MapKind.ATTENTION) is None
    chunk = frame.trace.chunks[0]
    answer = Answer(Attention(), frame.trace, 5, chunk, MappingProxyType({}), 1, 0.0)
    asked = replace(frame, lane=replace(frame.lane, answers=Answers().having(answer)))
    found = map_for(asked, "above", MapKind.ATTENTION)
    assert found is not None
    assert found.words == "0 … 30 %"


def test_a_missing_map_says_how_to_get_it(engine: Engine) -> None:
    """Over a picture without its map stands where to ask for it, or how far the answer is; never for another camera's
    question, nor for another step's."""
    frame = look(engine, Step(4))
    assert absent_words(frame, "above", MapKind.NONE) == ""
    missing = "not asked here: see tab Inputs"
    assert absent_words(frame, "above", MapKind.OCCLUSION) == missing
    under_way = Asking(Occlusion("above"), frame.trace, 4, 7, 49, 0.0, 0.0)
    busy = replace(frame, lane=replace(frame.lane, asking=under_way))
    assert absent_words(busy, "above", MapKind.OCCLUSION) == "being asked: 7 of 49"
    assert absent_words(busy, "aside", MapKind.OCCLUSION) == missing
    assert absent_words(busy, "above", MapKind.ATTENTION) == missing
    elsewhere = replace(busy, lane=replace(busy.lane, asking=replace(under_way, step=3)))
    assert absent_words(elsewhere, "above", MapKind.OCCLUSION) == missing
    assert absent_words(frame, "behind", MapKind.OCCLUSION) == "the policy does not read it"


# What is asked.


def test_the_price_of_a_question_is_what_it_takes(scene: Scene, engine: Engine) -> None:
    """The calls on the buttons are those that the questions make, at a step whose chunk is known and at another."""
    policy = Wave(scene)
    frame = look(engine, Step(8))
    for step, plain in ((6, 0), (7, 1)):

        def total(question: Ablation | Occlusion, at: int = step) -> int:
            return Inquiry(question, frame.trace, at, policy, lambda snapshot, cameras: {}, Answers()).asking.total

        assert total(Ablation()) == plain + ablation_calls(policy.info)
        for columns, rows in GRIDS.values():
            assert total(Occlusion("above", columns, rows)) == plain + columns * rows


def test_steps_that_were_asked_about_are_offered(engine: Engine) -> None:
    """The links are the steps of this trace that have an answer about the inputs, once each and in order."""
    frame = look(engine, Step(8), Ask(Ablation(), "episode 1", 7), Ask(Occlusion("above", 2, 1), "episode 1", 7))
    frame = look(engine, Ask(Ablation(), "episode 1", 2))
    assert asked_steps(frame) == (2, 7)
    assert asked_steps(replace(frame, trace=frame.trace.fork(8, "branch"))) == ()


def test_the_tiles_say_when_an_answer_came(engine: Engine) -> None:
    """With a simulated latency, the step whose picture was answered and the step at which the answer came are told
    apart."""
    frame = look(engine, SetDelay(2), Step(14))
    late = frame.trace.chunks[1]
    assert late.delay == 2
    said = {step: asked_words(replace(frame, step=step, seen_step=step))[0] for step in range(15)}
    assert said[0] == "step 0: asked here"
    assert said[late.start] == f"step {late.start}: asked, came at {late.arrived}"
    assert said[late.arrived] == f"step {late.arrived}: came, asked at {late.start}"
    assert said[late.start - 1] == f"step {late.start - 1}: would see"


def test_the_head_says_which_picture_will_be_asked_about(engine: Engine) -> None:
    """Where a chunk is due, the tiles name the step whose picture the policy will be shown."""
    assert asked_words(look(engine, Step(6)))[0] == "step 6: will be asked here"
    assert asked_words(look(engine, SetDelay(2)))[0] == "step 6: will ask about 4"


def test_the_lines_of_a_grid_are_those_of_its_label() -> None:
    """Each grid is what its label says, and finer than the one before."""
    assert [f"{columns}x{rows}" for columns, rows in GRIDS.values()] == [label.split()[-1] for label in GRIDS]
    assert all(a[0] * a[1] < b[0] * b[1] for a, b in pairwise(GRIDS.values()))


def test_a_chunk_of_attention_wanted_with_every_call_is_this_steps(engine: Engine) -> None:
    """Attention that came with the chunk of this very step is shown at it."""
    frame = look(engine, Step(1), step=0)
    chunk = frame.trace.chunks[0]
    frame.trace.chunks[0] = ActionChunk(
        chunk.start, chunk.actions, chunk.seed, extras=MappingProxyType({"attention": np.zeros((1, 1), np.float32)})
    )
    moment = MomentInsight(frame.trace, 0, None, attention=MappingProxyType({"above": np.array([[0.1]])}))
    assert map_for(replace(frame, moment=moment), "above", MapKind.ATTENTION) is not None


# The window.


@pytest.mark.window
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool")
def test_asking_by_mouse(display: str) -> None:  # noqa: F811 (the fixture)
    """A click asks what each input does: whiskers, sentence and table appear, then a map over the camera's tile; of a
    policy that does not look, no camera has an effect. Nothing is executed, and neither tab is cut at 1280x720."""
    told = told_by("tests.asking_session", DISPLAY=display)
    effects = told["effects"]
    assert effects.pop(STATE) > 100
    assert effects == {"wrist_cam": 0.0, "overhead_cam": 0.0, ALL_CAMERAS: 0.0}
    assert told["sentence"].startswith("Without proprioception the chunk ends")
    assert told["sentence"].endswith("wrist_cam and overhead_cam hardly matter (0.00 mm).")
    assert told["inputs"]
    assert {"proprioception", "occlusion effect on the chunk", "0 … 0.5 mm, here 0.00"} <= set(told["drawn"])
    assert (told["length"], told["cut"]) == (3, {"Chunk": [], "Inputs": []})
