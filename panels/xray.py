"""The x-ray of a policy's processors: between which values the numbers lie after each step, at the step looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.asking import AskButton, cost_words, refusal
from panels.style import ACCENT, DIM, FAINT, RAISED, TEXT, WARN, Metrics, Rgba, hint, text_width
from panels.writing import fitted, reveal, write, write_value
from viewer_app.commands import SetWant
from viewer_app.questions import XRay
from viewer_app.types import ActionChunk, Want, XRayRow
from viewer_app.view import Frame
from viewer_app.xray import PARTS, figures, is_told, mark, meaning, named

_COLUMNS = ("min", "max", "mean", "std")
_SHORT = {"observation.images.": "", "observation.": ""}


def short_name(feature: str) -> str:
    """A feature without what all of them begin with."""
    for beginning, instead in _SHORT.items():
        if feature.startswith(beginning):
            return instead + feature.removeprefix(beginning)
    return feature


def shape_words(row: XRayRow) -> str:
    """Shape and kind of number, such as `1x3x96x128 float32`."""
    return f"{'x'.join(map(str, row.shape))} {row.dtype}".strip()


def rows_at(frame: Frame) -> tuple[tuple[XRayRow, ...], str]:
    """What is known of the processors at the step looked at, and where that is from.

    That is the call that made the chunk in force, where that was looked into when it was made; otherwise the answer to
    a question about this very step.
    """
    answer = frame.lane.answers.to(XRay, frame.trace, frame.step)
    if answer is not None:
        return answer.base.xray, f"step {frame.step}, asked once more: the same observation, seed and processors"
    chunk = _in_force(frame)
    if chunk is not None and chunk.xray:
        return chunk.xray, f"the call of step {chunk.start}, whose chunk is executed here"
    return (), ""


def _in_force(frame: Frame) -> ActionChunk | None:
    chunks = frame.trace.chunks_in_force(min(frame.step, frame.length))
    return chunks[-1] if chunks else None


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    words: str
    """At the left."""
    right: str = ""
    """At the right."""
    cells: tuple[str, ...] = ()
    """In columns, in place of the words at the right."""
    colour: Rgba = TEXT
    row: XRayRow | None = None
    """What a pointer at it asks about."""
    raised: bool = False
    wraps: bool = False
    """Whether words that do not fit go on in further lines."""


def lines_of(rows: Sequence[XRayRow]) -> list[Line]:
    """The table: a title for each part, a line for each step that did something, and two for each feature."""
    lines: list[Line] = []
    part = step = None
    for row in rows:
        if row.part != part:
            part, step = row.part, None
            lines.append(Line(PARTS[row.part], colour=ACCENT, raised=True))
        if not is_told(row):
            continue
        if row.step != step or step is None:
            step = row.step
            lines.append(Line(named(row), row.mode, colour=DIM, row=row))
        lines.append(Line(f"  {short_name(row.feature)}", shape_words(row), row=row))
        if row.text:
            lines.append(Line(f"    “{row.text}”", colour=DIM, row=row, wraps=True))
        elif row.low == row.low:
            lines.append(Line("", cells=figures(row), row=row))
        if words := mark(row):
            lines.append(Line(f"    ! {words}", colour=WARN, row=row, wraps=True))
    return lines


def wrapped(text: str, room: int, metrics: Metrics) -> list[str]:
    """A text in lines that fit, further ones indented like the first.

    Args:
        text: Of one line.
        room: How much space there is. [px]
        metrics: Of the font.
    """
    indent = text[: len(text) - len(text.lstrip())]
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}" if line.strip() else f"{indent}{word}"
        if line.strip() and text_width(longer, metrics) > room:
            lines.append(line)
            longer = f"{indent}  {word}"
        line = longer
    return [*lines, line]


class XRayView:
    """A button that asks, a switch that looks into every call, and the table."""

    def __init__(self, send: Send) -> None:
        """
        Args:
            send: Takes `Ask`, `StopAsking` and `SetWant`.
        """
        self._send = send
        self._want = Want()
        self._rows: tuple[XRayRow, ...] | None = None
        self._lines: list[Line] = []
        self._letter: object = None  # size of one in the font that the table was measured in [px]
        self._inner = 300
        self._metrics = Metrics(1.0)

    def build(self) -> None:
        """Make the widgets."""
        self._ask = AskButton(
            self._send,
            "Look into this step",
            "Ask the policy once more what it was asked here, with the same observation and seed, and watch its own\n"
            "processors. Nothing is executed",
            XRay,
            XRay,
        )
        self._live = dpg.add_checkbox(
            label="look into every call from now on",
            callback=lambda _, on: self._send(SetWant(replace(self._want, xray=bool(on)))),
        )
        hint("The very calls that are executed are watched: it costs no further call, and next to no time")
        self._words = dpg.add_text("", wrap=0)
        self._verdict = dpg.add_text("", wrap=0)
        self._detail = dpg.add_text("", color=FAINT, wrap=0)
        self.drawlist = dpg.add_drawlist(100, 20)

    def place(self, inner: int, metrics: Metrics) -> None:
        """Take a width. [px]"""
        self._inner, self._metrics = inner, metrics
        self._ask.place(inner, metrics)
        for item in (self._words, self._verdict, self._detail):
            dpg.configure_item(item, wrap=inner)
        self._rows = None

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        self._want = frame.view.want
        write_value(self._live, self._want.xray)
        refused = refusal(frame)
        reveal(self._live, frame.lane.policy is not None)
        self._ask.update(frame, not refused, f"Look into this step   {cost_words(1, frame.lane.latency.median)}")
        rows, where = rows_at(frame)
        write(self._words, refused or where or "not looked into here", WARN if refused else DIM)
        self._show_verdict(rows)
        letter = dpg.get_text_size("0")  # With another font sizes are known a frame late.
        if rows is not self._rows or letter != self._letter:
            self._rows, self._letter = rows, letter
            self._draw(rows)
        reveal(self.drawlist, bool(rows))
        reveal(self._detail, bool(rows))
        write_value(self._detail, self._detail_words())

    def _show_verdict(self, rows: tuple[XRayRow, ...]) -> None:
        marks = sum(bool(mark(row)) for row in rows)
        verdict = f"{marks} suspicious" if marks else "nothing suspicious"
        write(self._verdict, verdict if rows else "", WARN if marks else DIM)
        reveal(self._verdict, bool(rows))

    @property
    def _line(self) -> int:
        """Height of a line. [px]"""
        return self._metrics.px(18)

    def _draw(self, rows: Sequence[XRayRow]) -> None:
        dpg.delete_item(self.drawlist, children_only=True)
        metrics, px, inner = self._metrics, self._metrics.px, self._inner
        self._lines = []
        for line in lines_of(rows):
            if line.wraps:
                self._lines += [replace(line, words=words) for words in wrapped(line.words, inner, metrics)]
            else:
                self._lines.append(line)
        head = Line("", cells=_COLUMNS, colour=FAINT)
        if self._lines:
            self._lines.insert(0, head)
        dpg.configure_item(self.drawlist, width=inner, height=self._line * len(self._lines) + px(4))
        for number, line in enumerate(self._lines):
            y = number * self._line
            if line.raised:
                corners = ((0, y), (inner, y + self._line - px(1)))
                dpg.draw_rectangle(*corners, color=RAISED, fill=RAISED, parent=self.drawlist)
            right = text_width(line.right, metrics) if line.right else 0
            room = inner - (right + px(8) if right else 0)
            self._write(fitted(line.words, room, lambda text: text_width(text, metrics)), px(2), y, line.colour)
            if right:
                self._write(line.right, inner - right, y, FAINT)
            colour = line.colour if line is head else TEXT
            for column, cell in enumerate(line.cells):
                edge = px(16) + round((inner - px(16)) * (column + 1) / len(line.cells))
                self._write(cell, edge - text_width(cell, metrics), y, colour)

    def _write(self, text: str, x: int, y: int, colour: Rgba) -> None:
        dpg.draw_text((x, y), text, size=self._metrics.font, color=colour, parent=self.drawlist)

    def _detail_words(self) -> str:
        """What the line under the mouse is about."""
        if dpg.is_item_visible(self.drawlist):
            x, y = dpg.get_mouse_pos(local=False)
            left, top = dpg.get_item_rect_min(self.drawlist)
            number = int((y - top) // self._line)
            if 0 <= x - left < self._inner and 0 <= number < len(self._lines):
                row = self._lines[number].row
                if row is not None:
                    return meaning(row)
        return "Point at a step to read what it does"
