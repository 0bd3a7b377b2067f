"""What the denoising panel and the controls of denoising show: words and numbers, and both in a window of their own."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from panels.denoising import chunk_words, step_words
from panels.denoising_curves import Curves, in_mm, in_model_units, ticks_of
from panels.denoising_player import RATE, Playing
from panels.denoising_table import HEAD, rows_of, time_words
from panels.settling import nearest, paint_settled, shares, summary, words_of
from tests.denoising_policy import planted
from tests.told import told_by
from viewer_app.insight import Settled

# The table.


def test_the_table_has_a_row_for_each_step_and_the_chunk() -> None:
    """Each row says its step's own numbers; in the last one, the chunk itself, every distance is 0."""
    rows = rows_of(planted(7, 4))
    assert rows[1] == ("1", "0.75", "0.38", "1.12", "-2.25", "3.00", "300", "169", "262")
    assert rows[4] == ("4", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00")
    assert len(rows) == 5
    assert {len(row) for row in rows} == {len(HEAD)}


def test_what_is_not_known_is_a_dash() -> None:
    """Without the model's numbers, the estimates and further draws a row keeps its places, and invents nothing."""
    none = np.full(5, np.nan)
    empty = np.zeros(0)
    found = replace(
        planted(7, 4), times=none, mean=none, deviation=none, smallest=none, largest=none, away_aim=empty, spread=empty
    )
    assert rows_of(found)[1] == ("1", "-", "-", "-", "-", "-", "300", "-")
    assert len(in_mm(found).aim) == 0
    assert "x0" not in chunk_words(found, 7)


@pytest.mark.parametrize(
    ("time", "words"), [(1.0, "1.00"), (0.05, "0.05"), (0.0, "0.00"), (-0.0, "0.00"), (99.0, "99"), (990.0, "990")]
)
def test_times_fit_flow_matching_and_diffusion(time: float, words: str) -> None:
    """Times of flow matching, in 0 .. 1, have two digits; those of diffusion, which are counted, have none."""
    assert time_words(time) == words


# Words.


def test_a_chunk_says_whose_it_is_and_how_early_it_settled() -> None:
    """The line names the step itself, or the one whose chunk it is, and both settled steps."""
    assert chunk_words(planted(7), 7) == "step 7: settled at 39 of 40 steps, x0 at 33"
    assert chunk_words(planted(7), 9).startswith("chunk of step 7: ")


def test_the_slider_says_what_is_drawn() -> None:
    """The distance is that of what is drawn, sample or estimate; the last step is the chunk in either case."""
    found = planted(7, 4)
    assert step_words(found, 2, aim=False) == "step 2 of 4, t 0.50: 200 mm"
    assert step_words(found, 2, aim=True) == "step 2 of 4, t 0.50: 75.0 mm"
    assert step_words(found, 4, aim=True) == step_words(found, 4, aim=False) == "step 4 of 4: the chunk"
    assert step_words(found, None, aim=False) == "all 4 steps"


# Curves.


def test_curves_end_at_the_chunk() -> None:
    """Every curve has a value at each denoising step, and is 0 at the last; draws are known in millimetres only."""
    found = planted(7, 10)
    for curves in (in_mm(found), in_model_units(found)):
        assert len(curves.sample) == len(curves.aim) == 11
        assert curves.sample[-1] == curves.aim[-1] == 0
        assert curves.top >= max(curves.sample.max(), curves.aim.max())
    assert in_mm(found).draws[0] == 350
    assert len(in_model_units(found).draws) == 0


@pytest.mark.parametrize("last", [1, 4, 10, 50, 100, 1000])
def test_ticks_are_few(last: int) -> None:
    """However many denoising steps there are, a few of them, evenly spaced from the noise on, are named."""
    ticks = ticks_of(last)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 6
    assert len(set(np.diff(ticks))) == 1
    assert last - ticks[-1] < ticks[1]


@pytest.mark.parametrize("top", [0.0, 0.03, 9.0, 210.0, 438.0, 1000.0])
def test_the_axis_is_as_high_as_its_curves(top: float) -> None:
    """The plot is filled by its highest curve; a few round values beside it, 0 among them, are within it."""
    curves = Curves(np.array([top, 0.0]), np.zeros(0), np.zeros(0))
    assert curves.top == (top or 1.0)
    assert curves.ticks[0] == 0
    assert 2 <= len(curves.ticks) <= 5
    assert curves.ticks[-1] <= curves.top < curves.ticks[-1] + 2 * curves.ticks[1]


# Play.


def test_steps_play_in_order_and_end_at_the_last() -> None:
    """They go on from the step looked at at their rate, and stop at the chunk; from there, or from all of them, they
    begin with the noise."""
    playing = Playing()
    assert not playing.on
    playing.begin(4, 10, 100.0)
    assert [playing.step(10, 100.0 + (k + 0.5) / RATE) for k in range(4)] == [4, 5, 6, 7]
    assert playing.on
    assert playing.step(10, 200.0) == 10
    assert not playing.on
    for step in (None, 10):
        playing.begin(step, 10, 300.0)
        assert playing.step(10, 300.0) == 0


# Over time.


def painted(settled: list[Settled], width: int = 100, height: int = 43) -> NDArray[np.float32]:
    pixels = np.zeros((height, width, 4), np.float32)
    colours = (np.full(4, 0.25, np.float32), np.full(4, 0.5, np.float32))
    paint_settled(settled, 100, pixels, colours, np.zeros(4, np.float32), np.full(4, 0.1, np.float32))
    return pixels[:, :, 0]


def test_each_chunk_stands_at_its_step_and_as_high_as_it_took_long() -> None:
    """A chunk that took all denoising steps stands at the top, one for which noise was enough at the bottom, in the
    column of its control step; the x0 estimate lies over the sample."""
    picture = painted([Settled(20, 10, 10, 0), Settled(60, 4, 2, 2)])
    assert (picture[:3, 20:23] == 0.25).all()
    assert (picture[-3:, 20:23] == 0.5).all()
    assert (picture[20:23, 60:63] == 0.5).all()
    assert set(np.flatnonzero((picture > 0.2).any(axis=0))) == {20, 21, 22, 60, 61, 62}


def test_thousands_of_chunks_stay_in_the_picture() -> None:
    """More chunks than columns mark every column, and those past the right edge stand at it."""
    many = [Settled(k, 10, k % 11, 10 - k % 11) for k in range(3000)]
    picture = painted(many)
    assert (picture > 0.2).any(axis=0).all()
    assert set(np.flatnonzero((painted([Settled(500, 10, 5, 2)]) > 0.2).any(axis=0))) == {97, 98, 99}
    assert painted([]).max() == np.float32(0.1)


def test_all_chunks_are_summed_up_in_shares_of_their_own_steps() -> None:
    """Chunks of other numbers of denoising steps are compared by their shares; without any the line says what to do."""
    settled = [Settled(0, 10, 5, 2), Settled(6, 4, 4, 1), Settled(12, 10, 6, 3)]
    sample, aim = shares(settled)
    np.testing.assert_allclose(sample, [0.5, 1.0, 0.6])
    np.testing.assert_allclose(aim, [0.2, 0.25, 0.3])
    assert summary(settled) == "3 chunks settle: x_t at 60 %, x0 at 25 % (median)"
    assert summary([]).startswith("None of this trace's chunks carries its denoising")
    assert words_of(settled[1]) == "chunk of step 6: within 10 mm at 4 of 4 steps, x0 at 1"


def test_the_chunk_under_the_mouse_is_the_nearest_within_reach() -> None:
    """Pointing finds the nearest chunk, and none where all are farther than the reach."""
    settled = [Settled(step, 10, 5, 2) for step in (0, 20, 60)]
    assert nearest(settled, 24.0, 5.0) is settled[1]
    assert nearest(settled, 40.0, 19.0) is None
    assert nearest([], 0.0, 100.0) is None


# In a window.

Box = list[int]
"""Left, top, right, bottom. [px]"""


@pytest.fixture(scope="module")
def session() -> dict[str, Any]:
    """What the panel shows, in all its states, and what using it asks for."""
    return told_by("tests.denoising_session")


@pytest.mark.window
@pytest.mark.slow
def test_nothing_is_cut_and_nothing_overlaps(session: dict[str, Any]) -> None:
    """Without a policy, with one that does not denoise, before and after asking, with a hundred denoising steps and
    with thousands of control steps, at both sizes: all has its own place, and only downwards is there more."""
    assert len(session["states"]) == 14
    for name, state in session["states"].items():
        width, _ = state["size"]
        places: dict[str, Box] = state["places"]
        assert len(places) >= 1, name
        outside = [item for item, box in places.items() if box[0] < 0 or box[2] > width - 8]
        assert outside == [], name
        over = [pair for pair in combinations(places, 2) if overlap(*(places[item] for item in pair))]
        assert over == [], name


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.mark.window
@pytest.mark.slow
def test_each_state_says_what_it_is(session: dict[str, Any]) -> None:
    """What there is to know or to do stands in one line; figures are there only where they are known."""
    for name, state in session["states"].items():
        said = state["texts"]
        begins = {
            "no policy": "No policy loaded: Ctrl+O opens a checkpoint",
            "does not denoise": "swaying is a policy of type sway, which does not denoise",
            "not asked": "step 2: its denoising was not asked for yet",
            "one step": "step 2: settled at 10 of 10 steps",
            "all steps": "step 2: settled at 10 of 10 steps",
            "a hundred denoising steps": "step 2: settled at ",
            "thousands of steps": "chunk of step 48: settled at ",
        }[name.split(" at ")[0]]
        assert said[0].startswith(begins), name
        assert ("500 chunks settle: x_t at 50 %, x0 at 10 % (median)" in said) == name.startswith("thousands"), name


@pytest.mark.window
@pytest.mark.slow
def test_using_it_asks_for_what_it_says(session: dict[str, Any]) -> None:
    """Nothing is asked for by itself; play goes through the steps to the last; slider, all, estimate and export ask
    for one thing each, and whatever chooses a step also draws it."""
    assert session["unasked"] == 0
    assert session["played"] == [5, 6, 7, 8, 9, 10]
    assert session["shown"] == [[True, None, False], [True, 3, False], [True, 10, True]]
    assert session["wants"] == [True]
    assert session["exports"] == [["denoising", "csv"]]


@pytest.mark.window
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool")
def test_clicks_go_where_they_point(session: dict[str, Any]) -> None:
    """A click on a row of the table draws its step, one on what is over time goes to the chunk there."""
    assert session["clicks"] == {"table": [3], "over time": [1500]}


@pytest.mark.window
@pytest.mark.slow
def test_controls_of_denoising_are_there_for_those_that_denoise(session: dict[str, Any]) -> None:
    """Denoising steps and real-time chunking are offered to policies that have them only; each says what is in force,
    and each change is sent once: the checkpoint's own number of steps as such, the guidance whole, and off as none."""
    plain, own, guided = (session["policy"][name] for name in ("plain", "own steps", "guided"))
    assert (len(plain["sliders"]), plain["switch"]) == (2, 0)
    assert own["sliders"][2:] == ["denoising steps %d"]
    assert (own["values"][2:], own["switch"]) == ([10], 1)
    assert guided["sliders"][2:] == ["denoising steps %d (own: 10)", "horizon %d", "weight %d"]
    assert guided["values"][2:] == [4, 7, 20]
    assert max(each["wide"] for each in (plain, own, guided)) <= 256 - 8
    assert session["policy"]["sent"] == [
        "SetDenoisingSteps(steps=0, lane=None)",
        "SetGuidance(guidance=Guidance(horizon=5, weight=30.0, schedule='exp'), lane=None)",
        "SetGuidance(guidance=None, lane=None)",
    ]
