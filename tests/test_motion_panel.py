"""What the motion panel shows, without a window: figures, seams as rows and as bars, and the list's arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from panels.list_rows import last_at, rows_in_sight
from panels.seam_bars import SeamRow, figure, nearest_seam, paint_bars, round_top, seam_rows
from viewer_app.scene import Scene
from viewer_app.smoothness import Seam

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.load("so101")


def test_a_seam_tells_the_joint_that_jumps_most_in_both_units(scene: Scene) -> None:
    """The row of a seam names the joint with the largest jump in degrees, and its units are the action's own."""
    n = scene.n_action
    before = np.zeros(n, np.float32)
    after = np.linspace(1, 2, n).astype(np.float32)
    after[2] = -30
    jump = scene.to_degrees(after) - scene.to_degrees(before)
    (row,) = seam_rows([Seam(40, jump, 12.5)], scene)
    assert (row.step, row.joint, row.distance) == (40, scene.joint_names[2], 12.5)
    assert row.units == pytest.approx(-30, rel=1e-6)
    assert row.shown == pytest.approx(float(jump[2]))


def test_the_largest_unit_is_not_the_largest_angle(scene: Scene) -> None:
    """A joint that moves farther in units but less in degrees is not the one that is named."""
    n = scene.n_action
    per_unit = np.abs(scene.to_degrees(np.ones(n, np.float32)) - scene.to_degrees(np.zeros(n, np.float32)))
    coarse, fine = int(per_unit.argmax()), int(per_unit.argmin())
    units = np.zeros(n, np.float32)
    units[fine], units[coarse] = 10.0, 10.0 * per_unit[fine] / per_unit[coarse] * 1.1
    jump = scene.to_degrees(units) - scene.to_degrees(np.zeros(n, np.float32))
    assert seam_rows([Seam(1, jump, 1.0)], scene)[0].joint == scene.joint_names[coarse]


def test_too_few_steps_give_no_number() -> None:
    """What is not known is a dash, and a ratio to nothing is said to be infinite; neither is a number."""
    form = "{:.2f}x"
    assert [figure(value, form) for value in (float("nan"), float("inf"), 1.206)] == ["-", "infinite", "1.21x"]


@pytest.mark.parametrize(
    ("largest", "top"), [(0.0, 1.0), (0.03, 0.05), (1.0, 1.0), (1.01, 2.0), (4.9, 5.0), (5.1, 10.0), (99.0, 100.0)]
)
def test_an_axis_ends_at_a_round_number(largest: float, top: float) -> None:
    """The axis is the shortest of 1, 2, 5 times a power of ten that holds the longest bar."""
    assert round_top(largest) == pytest.approx(top)


def row_at(step: int) -> SeamRow:
    return SeamRow(step, 1.0, "joint", 1.0, 1.0)


def test_the_seam_under_the_mouse_is_the_nearest_within_reach() -> None:
    """Pointing finds the nearest seam, and none where all are farther than the reach."""
    rows = [row_at(step) for step in (10, 20, 50)]
    assert nearest_seam(rows, 16.0, 5.0) is rows[1]
    assert nearest_seam(rows, 15.0, 5.0) is rows[0]
    assert nearest_seam(rows, 35.0, 14.9) is None
    assert nearest_seam([], 35.0, 100.0) is None


def painted(steps: list[int], upper: list[float], lower: list[float], width: int = 200) -> NDArray[np.int64]:
    """Lengths of the bars [px]: above the axis and below it, column by column. Shape (2, width)."""
    pixels = np.zeros((41, width, 4), np.float32)
    colours = (np.full(4, 0.25, np.float32), np.full(4, 0.5, np.float32))
    ground, axis = np.zeros(4, np.float32), np.ones(4, np.float32)
    paint_bars(steps, np.array(upper), np.array(lower), (10.0, 4.0), 100, pixels, colours, ground, axis)
    assert (pixels[20] == 1).all()
    return np.stack([(pixels[:, :, 0] == value).sum(axis=0) for value in (0.25, 0.5)])


def test_bars_are_as_long_as_their_values() -> None:
    """A bar reaches as far from the axis as its share of the axis, on its own side, at its own step."""
    above, below = painted([10, 60], [10.0, 5.0], [1.0, 4.0])
    assert (above[20], below[20], above[120], below[120]) == (20, 5, 10, 20)
    assert set(np.flatnonzero(above)) == {19, 20, 21, 119, 120, 121}


def test_crowded_bars_show_the_longest() -> None:
    """Where many bars share a column of pixels, the largest jump is seen, whatever its place among them."""
    steps = list(range(100))
    values = [1.0] * 100
    values[51] = 10.0
    above, _ = painted(steps, values, [0.0] * 100, width=50)
    assert above.max() == 20
    assert int(above.argmax()) == round(51 * 50 / 100)


def test_no_bar_for_no_seam() -> None:
    """Without seams only the axis is painted."""
    assert painted([], [], []).sum() == 0


def test_the_current_row_is_the_last_not_after_the_step() -> None:
    """The row that is marked begins at the step looked at or before it; before the first there is none."""
    steps = [3, 3, 10]
    assert [last_at(steps, step) for step in (2, 3, 9, 10, 99)] == [None, 1, 1, 2, 2]


def test_rows_in_sight_are_all_and_only_those_that_show() -> None:
    """However far a list is scrolled, a row has widgets if and only if a pixel of it is in sight."""
    edges = [0, 20, 60, 80, 140, 160]
    for scroll in range(160):
        seen = rows_in_sight(edges, scroll, 50.0)
        shows = [k for k in range(5) if edges[k] < scroll + 50 and edges[k + 1] > scroll]
        assert list(seen) == shows
    assert list(rows_in_sight([0], 0.0, 50.0)) == []
