"""The table of denoising steps: what the sample's numbers are at each, and how far it is from the chunk."""

from __future__ import annotations

import math

import dearpygui.dearpygui as dpg
import numpy as np

from panels.asking import figure
from panels.input_effects import right_edges
from panels.style import ACCENT, DIM, FAINT, RAISED, TEXT, Metrics, Rgba, Tag, text_width
from panels.writing import reveal
from viewer_app.insight import DenoisingInsight
from viewer_app.types import FloatArray

HEAD = ("step", "t", "mean", "std", "min", "max", "x_t", "x0", "draws")
"""Its columns. The last three are distances in mm; the last one is left out where only one noise was drawn."""

_NEVER = -1
"""In place of a step: nothing was marked yet."""


def time_words(time: float) -> str:
    """The policy's own time of a step, which is 1 .. 0 or 0 .. 1 in flow matching and hundreds .. 0 in diffusion."""
    return f"{time:.0f}" if abs(time) >= 10 else number_words(time)


def number_words(value: float) -> str:
    """A normalised number; a dash where it is not known."""
    if math.isnan(value):
        return "-"
    return f"{value + 0.0:.2f}" if abs(value) < 99.5 else f"{value:.2g}"


def rows_of(insight: DenoisingInsight) -> list[tuple[str, ...]]:
    """The table's cells, one row for each denoising step, the chunk itself last.

    What a chunk's extras do not tell is a dash; what the last step points to is the chunk, 0 mm away.
    """
    last = len(insight.away) - 1
    aims = np.append(insight.away_aim, 0.0) if len(insight.away_aim) else np.full(last + 1, np.nan)
    rows = []
    for step in range(last + 1):
        numbers = (insight.mean, insight.deviation, insight.smallest, insight.largest)
        cells = [
            str(step),
            time_words(float(insight.times[step])),
            *(number_words(float(each[step])) for each in numbers),
            _distance(insight.away, step),
            _distance(aims, step),
        ]
        rows.append((*cells, _distance(insight.spread, step)) if len(insight.spread) else tuple(cells))
    return rows


def _distance(values: FloatArray, step: int) -> str:
    value = float(values[step])
    return "-" if math.isnan(value) else figure(value)


class StepTable:
    """Painted, so that figures stand right-aligned in the little room there is. A click on a row goes to its step."""

    def __init__(self) -> None:
        self._insight: DenoisingInsight | None = None
        self._rows = 0
        self._marked: int | None = _NEVER
        self._letter: object = None  # size of one in the font that the table was measured in [px]
        self._inner = 300
        self._metrics = Metrics(1.0)

    def build(self) -> None:
        """Make the widgets in the container that is open."""
        with dpg.group():
            self.drawlist: Tag = dpg.add_drawlist(100, 20)
        self._ground = dpg.add_draw_layer(parent=self.drawlist)
        self._mark = dpg.draw_rectangle((0, 0), (1, 1), color=RAISED, fill=RAISED, show=False, parent=self._ground)
        self._text = dpg.add_draw_layer(parent=self.drawlist)

    def place(self, inner: int, metrics: Metrics) -> None:
        """Take a width. [px]"""
        self._inner, self._metrics = inner, metrics
        self._insight = None

    def update(self, insight: DenoisingInsight, chosen: int | None) -> int | None:
        """Show an insight, one step of it as the chosen one. Returns the step whose row was clicked."""
        # With another font sizes are known a frame late.
        letter = dpg.get_text_size("0")
        if insight is not self._insight or letter != self._letter:
            self._insight, self._letter, self._marked = insight, letter, _NEVER
            self._draw(insight)
        if chosen != self._marked:
            self._marked = chosen
            reveal(self._mark, chosen is not None)
            if chosen is not None:
                top = (chosen + 1) * self._line
                dpg.configure_item(self._mark, pmin=(0, top), pmax=(self._inner, top + self._line))
        return self._clicked()

    @property
    def _line(self) -> int:
        """Height of a line. [px]"""
        return self._metrics.px(18)

    def _draw(self, insight: DenoisingInsight) -> None:
        dpg.delete_item(self._text, children_only=True)
        rows = rows_of(insight)
        self._rows = len(rows)
        dpg.configure_item(self.drawlist, width=self._inner, height=self._line * (len(rows) + 1))
        lines = [HEAD[: len(rows[0])], *rows]
        widths = [[text_width(cell, self._metrics) for cell in line] for line in lines]
        px = self._metrics.px
        edges = right_edges(widths, self._inner, 0, (px(3), px(40)))
        for number, (line, wide) in enumerate(zip(lines, widths, strict=True)):
            for column, (cell, width) in enumerate(zip(line, wide, strict=True)):
                colour = _colour(number, column)
                dpg.draw_text(
                    (edges[column] - width - px(2), number * self._line + px(1)),
                    cell,
                    size=self._metrics.font,
                    color=colour,
                    parent=self._text,
                )

    def _clicked(self) -> int | None:
        if not (dpg.is_item_hovered(self.drawlist) and dpg.is_mouse_button_clicked(dpg.mvMouseButton_Left)):
            return None
        at = dpg.get_mouse_pos(local=False)[1] - dpg.get_item_rect_min(self.drawlist)[1]
        step = int(at // self._line) - 1
        return step if 0 <= step < self._rows else None


def _colour(line: int, column: int) -> Rgba:
    if line == 0:
        return FAINT
    if column == 0:
        return ACCENT
    return TEXT if column >= HEAD.index("x_t") else DIM
