"""The lanes of a session as a table: who drives each, how far it is, and in which execution mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.asking import duration
from panels.style import BAD, DIM, GOOD, TEXT, Metrics, Rgba, hint, text_width
from panels.writing import fitted, write, write_value
from viewer_app.chunking import FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.insight import lane_letter
from viewer_app.trace import Settings
from viewer_app.view import Frame, LookAtLane


@dataclass(frozen=True)
class LaneRow:
    """One lane in words."""

    name: str
    """Of the policy."""
    progress: str
    """The step looked at of how many, with a sign for the outcome."""
    success: bool | None
    """None while the episode is undecided."""
    mode: str
    call: str
    """Usual duration of a policy call."""
    about: str
    """All that there is to say, for the tooltip."""


def lane_row(frame: Frame) -> LaneRow:
    """What the table says of one lane.

    Args:
        frame: Of that lane.
    """
    trace, latency = frame.trace, frame.lane.latency
    policy = trace.policy or frame.lane.policy
    outcome = trace.outcome(frame.length)
    success = bool(trace.column("success", frame.length)[-1]) if outcome else None
    sign = "" if success is None else " ✓" if success else " ✗"
    settings = trace.settings_at(frame.step)
    name = policy.name if policy is not None else "no policy"
    call = "…" if frame.lane.thinking_since is not None and not latency.count else "-"
    sentences = (
        f"{lane_letter(frame.lane_number)}: {name}" + (f", {policy.source}" if policy is not None else ""),
        f"step {frame.step} of {frame.length}, " + (outcome.replace("_", " ") if outcome else "undecided"),
        mode_words(settings),
        f"latency of {settings.delay} steps simulated" if settings.delay else "",
        f"prompt: {settings.prompt}" if settings.prompt and policy is not None and policy.uses_task else "",
        "blinded: " + ", ".join(settings.blinding) if settings.blinding else "",
        f"a policy call takes {duration(latency.median)}" if latency.count else "",
    )
    return LaneRow(
        name=name,
        progress=f"{frame.step}/{frame.length}{sign}",
        success=success,
        mode=mode_words(settings),
        call=duration(latency.median) if latency.count else call,
        about="\n".join(sentence for sentence in sentences if sentence),
    )


def mode_words(settings: Settings) -> str:
    """The execution mode in as few words as a narrow table has room for."""
    match settings.chunking:
        case FirstN(count):
            return f"first {count}"
        case TemporalEnsemble(coefficient):
            return f"TE {coefficient:g}"
        case OverlapBlend(advance, overlap):
            return f"{advance} + {overlap}"
        case _:
            assert_never(settings.chunking)


class _Row:
    """Widgets of one lane."""

    def __init__(self, send: Send, lane: int, colour: Rgba) -> None:
        with dpg.table_row():
            # The letter is a text of its own, so that it stands on one line with the others.
            with dpg.group(horizontal=True):
                dpg.add_text(lane_letter(lane), color=colour)
                self._mark = dpg.add_selectable(span_columns=True, callback=lambda: send(LookAtLane(lane)))
                with dpg.tooltip(self._mark, delay=0.4, hide_on_activity=True):
                    self._about = dpg.add_text("")
            self._name = dpg.add_text("")
            self._progress = dpg.add_text("")
            self._mode, self._call = (dpg.add_text("", color=DIM) for _ in range(2))

    def show(self, row: LaneRow, room: int, metrics: Metrics) -> None:
        """Show a lane, its name in so much room. [px]"""
        write_value(self._name, fitted(row.name, room, lambda text: text_width(text, metrics)))
        write(self._progress, row.progress, TEXT if row.success is None else GOOD if row.success else BAD)
        write_value(self._mode, row.mode)
        write_value(self._call, row.call)
        write_value(self._about, f"{row.about}\nClick: the panels show this lane")

    def mark(self, on: bool) -> None:
        """A click turns the mark over, so it is written whenever it is another one."""
        if bool(dpg.get_value(self._mark)) != on:
            dpg.set_value(self._mark, on)


class LaneTable:
    """One row a lane; a click looks at it."""

    def __init__(self, send: Send, colours: Sequence[Rgba]) -> None:
        """
        Args:
            send: Takes `LookAtLane`.
            colours: Of the lanes, in turn.
        """
        self._send = send
        self._colours = colours
        self._rows: list[_Row] = []
        self._shown: tuple[object, ...] = ()
        self._inner = 300
        self._metrics = Metrics(1.0)

    def build(self) -> None:
        """Make the widgets in the item under construction."""
        self._place = dpg.add_group()

    def place(self, inner: int, metrics: Metrics) -> None:
        """Take a width. [px]"""
        if metrics != self._metrics:
            self._rows = []
        self._inner, self._metrics, self._shown = inner, metrics, ()

    def update(self, frame: Frame) -> None:
        """Show all lanes of a frame."""
        if len(frame.lanes) != len(self._rows):
            self._build_rows(len(frame.lanes))
        rows = tuple(lane_row(each) for each in frame.lanes)
        key = (rows, dpg.get_text_size("0"))
        if key != self._shown:
            self._shown = key
            for widgets, row in zip(self._rows, rows, strict=True):
                widgets.show(row, self._room(rows), self._metrics)
        for lane, widgets in enumerate(self._rows):
            widgets.mark(lane == frame.lane_number)

    def _room(self, rows: Sequence[LaneRow]) -> int:
        """What the other columns leave for the name. [px]"""
        others = (
            ("A", *(lane_letter(lane) for lane in range(len(rows)))),
            ("step", *(row.progress for row in rows)),
            ("mode", *(row.mode for row in rows)),
            ("a call", *(row.call for row in rows)),
        )
        taken = sum(max(text_width(text, self._metrics) for text in column) for column in others)
        return max(self._inner - taken - 5 * 2 * self._metrics.px(6), self._metrics.px(40))

    def _build_rows(self, lanes: int) -> None:
        dpg.delete_item(self._place, children_only=True)
        with dpg.table(header_row=False, policy=dpg.mvTable_SizingFixedFit, parent=self._place, borders_innerH=True):
            # A selectable would take all the width that it can get.
            dpg.add_table_column(width_fixed=True, init_width_or_weight=self._metrics.px(12))
            for number in range(4):
                dpg.add_table_column(width_stretch=number == 0)
            with dpg.table_row():
                for title, text in (
                    ("", ""),
                    ("policy", "Click a row: the panels show that lane (Ctrl+L: the next)"),
                    ("step", "The step looked at, of how many; and how the episode ended"),
                    ("mode", "How chunks become actions: first n of each, TE temporal ensemble, advance + overlap"),
                    ("a call", "Usual duration of a policy call"),
                ):
                    dpg.add_text(title, color=DIM)
                    if text:
                        hint(text)
            self._rows = [_Row(self._send, lane, self._colours[lane % len(self._colours)]) for lane in range(lanes)]
