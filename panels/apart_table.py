"""How far each lane is from the first one in a moment, and from where on, as a table."""

from __future__ import annotations

from collections.abc import Sequence

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.asking import figure
from panels.step_links import StepLinks
from panels.style import DIM, TEXT, WARN, Metrics, Rgba, Tag, hint
from panels.writing import reveal, write
from viewer_app.insight import Comparison, Divergence, lane_letter

_TITLES = (
    ("gripper\n[mm]", "Distance of the end effectors"),
    ("object\n[mm]", "Distance of the task's objects"),
    ("joint\n[deg]", "Largest difference of any measured joint that turns"),
    ("plan\n[mm]", "Largest distance of the whiskers, both from the pose of A's arm at the step looked at"),
    ("apart\nfrom step", "The first step at which grippers or objects are farther apart than the threshold"),
)


def apart_cells(divergence: Divergence, plan: float | None, step: int) -> tuple[str, str, str, str]:
    """What the table says of one lane at a step: a dash where it is not known, because a lane never got there.

    Args:
        divergence: Of the lane.
        plan: Distance of its whisker at the step looked at. [mm]
        step: Which moment.
    """
    known = step < len(divergence.tip)
    tip = figure(float(divergence.tip[step])) if known else "-"
    thing = figure(float(divergence.object[step])) if known and divergence.object is not None else "-"
    joint = figure(float(divergence.joints[step])) if known and divergence.joints is not None else "-"
    return tip, thing, joint, "-" if plan is None else figure(plan)


class _Row:
    """Widgets of one lane."""

    def __init__(self, send: Send, lane: int, colour: Rgba) -> None:
        with dpg.table_row():
            dpg.add_text(lane_letter(lane), color=colour)
            self._cells: list[Tag] = [dpg.add_text("") for _ in _TITLES[:-1]]
            with dpg.group():
                self._links = StepLinks(send)
                self._never = dpg.add_text("never", color=DIM)
        self._key: tuple[object, ...] = ()
        self.first: int | None = None

    def place(self, metrics: Metrics) -> None:
        self._links.place(metrics.px(70), metrics)

    def show(self, divergence: Divergence, plan: float | None, step: int, apart: float) -> None:
        if (divergence, apart) != self._key:
            self._key = (divergence, apart)
            self.first = divergence.first(apart)
        cells = apart_cells(divergence, plan, step)
        known = step < len(divergence.tip)
        far = (
            known and float(divergence.tip[step]) > apart,
            known and divergence.object is not None and float(divergence.object[step]) > apart,
            False,
            False,
        )
        for item, text, over in zip(self._cells, cells, far, strict=True):
            write(item, text, WARN if over else DIM if text == "-" else TEXT)
        self._links.update(() if self.first is None else (self.first,))
        reveal(self._never, self.first is None)


class ApartTable:
    """One row for each lane but the first."""

    def __init__(self, send: Send, colours: Sequence[Rgba]) -> None:
        """
        Args:
            send: Takes `Seek`.
            colours: Of the lanes, in turn.
        """
        self._send = send
        self._colours = colours
        self._rows: list[_Row] = []
        self._metrics = Metrics(1.0)

    def build(self) -> None:
        """Make the widgets in the item under construction."""
        self._place = dpg.add_group()

    def place(self, metrics: Metrics) -> None:
        """Take a scale of the text."""
        self._metrics = metrics
        for row in self._rows:
            row.place(metrics)

    def update(self, comparison: Comparison, step: int, apart: float) -> None:
        """Show the distances of a moment.

        Args:
            comparison: Of all lanes.
            step: Which moment.
            apart: The threshold. [mm]
        """
        if len(self._rows) != len(comparison.divergences):
            self._build_rows(len(comparison.divergences))
        for row, divergence in zip(self._rows, comparison.divergences, strict=True):
            row.show(divergence, comparison.plans[divergence.lane], step, apart)

    def _build_rows(self, lanes: int) -> None:
        dpg.delete_item(self._place, children_only=True)
        with dpg.table(header_row=False, policy=dpg.mvTable_SizingStretchProp, parent=self._place, borders_innerH=True):
            for share in (0.06, 0.18, 0.17, 0.15, 0.16, 0.28):
                dpg.add_table_column(init_width_or_weight=share)
            with dpg.table_row():
                dpg.add_text("")
                for title, text in _TITLES:
                    dpg.add_text(title, color=DIM)
                    hint(text)
            self._rows = [
                _Row(self._send, lane, self._colours[lane % len(self._colours)]) for lane in range(1, lanes + 1)
            ]
        self.place(self._metrics)
