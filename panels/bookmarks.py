"""Ctrl+M: write a note to the step looked at, and find the notes of the trace again."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.list_rows import Entry
from panels.listing import Listing
from panels.style import ACCENT, DIM, Metrics, Tag, hint
from panels.writing import reveal, write_value
from viewer_app.commands import Bookmark
from viewer_app.view import Frame, Seek

UNTITLED = "bookmark"
"""What is written where a person bookmarks a step and says nothing."""


def entries_of(frame: Frame) -> tuple[Entry, ...]:
    """A row for each bookmark of the trace looked at, in the order of steps."""
    dt = frame.view.scene.control_dt
    return tuple(
        Entry(step, (f"step {step}", f"{step * dt:.2f} s"), text) for step, text in frame.trace.bookmarks.items()
    )


class BookmarksCard:
    """A card with a field for the step that it was opened at, and the list of what was written."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._trace = ""
        self._lane = 0
        self._step = 0
        self._dt = 0.0
        self._notes: dict[int, str] = {}
        self._listing = Listing((ACCENT, DIM), self._go)

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        return (self._field,)

    @property
    def shown(self) -> bool:
        return bool(dpg.is_item_shown(self.window))

    def build(self) -> None:
        """Make the widgets, hidden."""
        with dpg.window(show=False, no_title_bar=True, no_resize=True, no_move=True, no_scrollbar=True) as self.window:
            with dpg.group(horizontal=True):
                self._title = dpg.add_text("", color=ACCENT)
                self._where = dpg.add_text("", color=DIM)
            self._field = dpg.add_input_text(
                hint="What is to be seen here?", on_enter=True, callback=lambda: self._write()
            )
            hint("Enter writes the note to this step; it is kept in the recording")
            with dpg.group(horizontal=True):
                dpg.add_button(label="Write", callback=lambda: self._write())
                hint("Write the note to this step")
                self._remove = dpg.add_button(label="Take away", callback=lambda: self._take_away())
                hint("Take this step's bookmark away")
                dpg.add_button(label="Close", callback=lambda: self.close())
                hint("Close the card   Esc")
            self._empty = dpg.add_text("No step of this trace has a bookmark yet: write one above.", color=DIM, wrap=0)
            self._listing.build(self.window)

    def open(self, frame: Frame, width: int, height: int, metrics: Metrics) -> None:
        """Open over a window of this size, for the step looked at."""
        px = metrics.px
        card, tall = min(px(440), width - px(40)), min(px(340), height - px(40))
        # At the lower left, so that the picture and the timeline stay in sight while one jumps about.
        place = (px(16), max(height - tall - px(150), 0))
        dpg.configure_item(self.window, show=True, width=card, height=tall, pos=place)
        inner = card - 2 * px(8)
        dpg.configure_item(self._field, width=inner)
        self._listing.place(inner, tall - px(92), (px(6), px(90)), metrics)
        self._trace, self._lane, self._dt = frame.trace.name, frame.lane_number, frame.view.scene.control_dt
        self._read(frame)
        self._turn_to(frame.step)
        self._show(frame)
        dpg.focus_item(self._field)

    def close(self) -> None:
        dpg.configure_item(self.window, show=False)

    def update(self, frame: Frame) -> None:
        """Show what was written meanwhile. Without the trace that it was opened for, the card closes."""
        if not self.shown:
            return
        if (frame.trace.name, frame.lane_number) != (self._trace, self._lane):
            self.close()
            return
        self._read(frame)
        self._show(frame)

    def _read(self, frame: Frame) -> None:
        self._notes = dict(frame.trace.bookmarks)

    def _show(self, frame: Frame) -> None:
        entries = entries_of(frame)
        reveal(self._empty, not entries)
        reveal(self._listing.window, bool(entries))
        reveal(self._remove, self._step in self._notes)
        steps = [entry.step for entry in entries]
        self._listing.show(entries, steps.index(self._step) if self._step in steps else None)

    def _turn_to(self, step: int) -> None:
        self._step = step
        write_value(self._title, f"Bookmark step {step}")
        write_value(self._where, f"{step * self._dt:.2f} s of {self._trace}")
        dpg.set_value(self._field, self._notes.get(step, ""))

    def _go(self, step: int) -> None:
        self._turn_to(step)
        self._send(Seek(step))

    def _write(self) -> None:
        text = str(dpg.get_value(self._field)).strip()
        if not text and self._step not in self._notes:
            text = UNTITLED
        self._send(Bookmark(self._trace, self._step, text, self._lane))
        self.close()

    def _take_away(self) -> None:
        dpg.set_value(self._field, "")
        self._send(Bookmark(self._trace, self._step, "", self._lane))
