"""The findings: moments worth a look, when a detector speaks, and where a running episode pauses by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.finding_rows import DIALS, Dial, breaking, counts_of, entries_of
from panels.list_rows import Entry, last_at
from panels.listing import Listing
from panels.style import ACCENT, DIM, Metrics, Tag, hint
from panels.timeline import FINDING
from panels.writing import reveal, write_value
from viewer_app.breakpoints import Breakpoints
from viewer_app.commands import SetBreakpoints
from viewer_app.detectors import Thresholds, detector_names
from viewer_app.insight import EpisodeInsight
from viewer_app.scene import Scene
from viewer_app.view import Frame, Judge, Seek

_PATIENCE = 3.0
"""How long breakpoints that were asked for are shown as such, while the engine has not answered. [s]"""
_NEAR = 30.0
"""Where the distance begins when it is switched on. [mm]"""


@dataclass(frozen=True)
class _Number:
    """Widgets of one threshold."""

    dial: Dial
    input: Tag
    reset: Tag


class FindingsPanel:
    """A list to jump from, and below it what is looked for and what pauses."""

    def __init__(self, send: Send, scene: Scene) -> None:
        self._send = send
        self._task = scene.spec.task
        self._names = detector_names(scene)
        self._frame: Frame | None = None
        self._hidden: frozenset[str] = frozenset()
        self._read: tuple[object, ...] = ()
        self._entries: tuple[Entry, ...] = ()
        self._listing = Listing((DIM, FINDING), lambda step: send(Seek(step)))
        self._wanted: Breakpoints | None = None
        self._wanted_until = 0.0
        self._pauses: dict[str, Tag] = {}
        self._counts: dict[str, Tag] = {}
        self._numbers: list[_Number] = []
        self._rows: list[Tag] = []
        self._lines: list[Tag] = []
        self._size = (100, 100)  # [px]
        self._metrics = Metrics(1.0)
        self._placed: tuple[object, ...] = ()

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        """While one of these is active, keys belong to it."""
        return (self._distance, *(number.input for number in self._numbers))

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent)
        self._summary = dpg.add_text("", parent=self.window, wrap=0)
        self._paused = dpg.add_text("", color=ACCENT, parent=self.window, wrap=0)
        self._listing.build(self.window)
        with dpg.collapsing_header(label="Detectors", parent=self.window) as self._detectors:
            for name in self._names:
                self._build_detector(name)
        with dpg.collapsing_header(label="Pause when", parent=self.window) as self._conditions:
            self._build_conditions()

    def _build_detector(self, name: str) -> None:
        with dpg.group(horizontal=True) as row:
            # What stands at an offset counts its neighbours, tooltips too, so each has a group to itself.
            with dpg.group():
                dpg.add_checkbox(label=name, default_value=True, callback=self._filter, user_data=name)
                hint("Whether the list shows what it finds; the timeline shows all")
            self._counts[name] = dpg.add_text("", color=DIM)
        self._rows.append(row)
        for dial in DIALS.get(name, ()):
            with dpg.group(horizontal=True) as line:
                with dpg.group():
                    dpg.add_text(f"     {dial.words}", color=DIM)
                    hint(dial.text)
                with dpg.group(horizontal=True):
                    add = dpg.add_input_int if dial.whole else dpg.add_input_float
                    number = add(
                        default_value=round(dial.default) if dial.whole else dial.default,
                        step=0,
                        width=60,
                        min_value=round(dial.least) if dial.whole else dial.least,
                        min_clamped=True,
                        on_enter=True,
                        callback=lambda _s, value, dial: self._judge(dial, value),
                        user_data=dial,
                        **({} if dial.whole else {"format": "%g"}),
                    )
                    hint(f"{dial.text}   Enter applies")
                    dpg.add_text(dial.unit, color=DIM)
                    reset = dpg.add_button(
                        label="reset",
                        small=True,
                        show=False,
                        callback=lambda _s, _v, dial: self._judge(dial, dial.default),
                        user_data=dial,
                    )
                    hint(f"Back to {dial.default:g} {dial.unit}")
            self._lines.append(line)
            self._numbers.append(_Number(dial, number, reset))

    def _build_conditions(self) -> None:
        def add(field: str, label: str, text: str) -> None:
            self._pauses[field] = dpg.add_checkbox(label=label, callback=self._condition, user_data=field)
            hint(text)

        add(
            "chunk",
            "a new chunk is due",
            "Before its first action is executed. A policy that ensembles has a new chunk at every step",
        )
        with dpg.group(show=self._task.rule != "none"):
            add("phase", "the phase changes", "When the task's phase is another one than a step before")
            add("contact", "contact begins or ends", "When the gripper touches the task's object, or lets go of it")
            add("success", "it succeeds", "When the episode becomes a success")
        with dpg.group(horizontal=True, show=bool(self._task.object)):
            self._near = dpg.add_checkbox(label="gripper nearer than", callback=self._distance_switched)
            hint("When the end effector comes nearer than this to the centre of the task's object")
            self._distance = dpg.add_input_float(
                default_value=_NEAR,
                step=0,
                width=60,
                format="%g",
                min_value=0.1,
                min_clamped=True,
                on_enter=True,
                callback=self._distance_set,
            )
            hint("From the end effector to the centre of the task's object. Enter applies")
            dpg.add_text("mm", color=DIM)
        dpg.add_text("a detector finds something new:", color=DIM)
        for name in self._names:
            self._pauses[name] = dpg.add_checkbox(label=name, callback=self._detector, user_data=name)
            hint("With the thresholds above")

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        self._size, self._metrics = (width, height), metrics
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        inner = width - 2 * px(8) - px(10)
        for item in (self._summary, self._paused):
            dpg.configure_item(item, wrap=inner)
        for items, room in ((self._rows, px(74)), (self._lines, px(172))):
            for item in items:
                dpg.configure_item(item, xoffset=inner - room)
        for number in self._numbers:
            dpg.configure_item(number.input, width=px(62))
        dpg.configure_item(self._distance, width=px(62))
        self._placed = ()

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        self._frame = frame
        insight = frame.episode if frame.episode is not None and frame.episode.trace is frame.trace else None
        self._show_findings(frame, insight)
        self._share_out()
        current = last_at([entry.step for entry in self._entries], frame.step)
        self._listing.show(self._entries, current)
        if dpg.get_value(self._detectors):
            self._show_thresholds(frame.focus.thresholds)
        if dpg.get_value(self._conditions):
            self._show_breakpoints(self._breakpoints(frame))

    def _share_out(self) -> None:
        """Give the list the room that the sections leave it: all of it while they are closed."""
        opened = bool(dpg.get_value(self._detectors)) or bool(dpg.get_value(self._conditions))
        paused = bool(dpg.get_value(self._paused))
        key = (self._size, self._metrics, opened, paused)
        if key == self._placed:
            return
        self._placed = key
        px = self._metrics.px
        width, height = self._size
        room = height - px(12) - px(25) * (1 + paused) - 2 * px(27) - px(8)
        self._listing.place(
            width - 2 * px(8) - px(10) * opened,
            # The line that says what paused takes its room from the list: what a person may be about to click stays.
            max(min(room, px(128) - px(25) * paused) if opened else room, px(60)),
            (px(4), px(48)),
            self._metrics,
        )

    def _show_findings(self, frame: Frame, insight: EpisodeInsight | None) -> None:
        key = (id(insight), self._hidden)
        if key != self._read:
            self._read = key
            findings = insight.findings if insight is not None else ()
            self._entries = entries_of(findings, self._hidden)
            for name, count in counts_of(findings, self._names).items():
                write_value(self._counts[name], f"{count} found" if count else "none")
        write_value(self._summary, self._summary_words(frame, insight))
        reason = frame.view.paused_by
        write_value(self._paused, f"paused: {reason}" if reason else "")
        reveal(self._paused, bool(reason))

    def _summary_words(self, frame: Frame, insight: EpisodeInsight | None) -> str:
        if frame.trace.policy is None:
            return "Ctrl+O opens a checkpoint; its episodes are searched as they go."
        if frame.length == 0:
            return "Space plays the episode; it is searched as it goes."
        if insight is None:
            return "The episode is being searched…"
        count, shown = len(insight.findings), len(self._entries)
        steps = f"the first {insight.length} step{'s' * (insight.length != 1)}"
        if not count:
            return f"nothing found in {steps}"
        hidden = f", {count - shown} of them hidden" if count != shown else ""
        return f"{count} finding{'s' * (count != 1)} in {steps}{hidden}"

    # Detectors.

    def _show_thresholds(self, thresholds: Thresholds) -> None:
        for number in self._numbers:
            value = float(getattr(thresholds, number.dial.field))
            _show_number(number.input, value)
            changed = abs(value - number.dial.default) > 1e-9
            reveal(number.reset, changed)

    def _filter(self, _sender: Tag, on: bool, name: str) -> None:
        self._hidden = self._hidden - {name} if on else self._hidden | {name}

    def _judge(self, dial: Dial, value: float) -> None:
        if self._frame is None:
            return
        thresholds = dial.set_in(self._frame.focus.thresholds, value)
        self._send(Judge(thresholds))
        breakpoints = self._breakpoints(self._frame)
        if breakpoints.detectors:
            # What pauses is judged as what is listed.
            self._ask_for(replace(breakpoints, thresholds=thresholds))

    # Breakpoints.

    def _breakpoints(self, frame: Frame) -> Breakpoints:
        """Those in force, or those that were asked for while the engine has not answered."""
        now = frame.view.breakpoints
        if self._wanted == now or time.monotonic() > self._wanted_until:
            self._wanted = None
        return self._wanted or now

    def _show_breakpoints(self, breakpoints: Breakpoints) -> None:
        for name, box in self._pauses.items():
            on = name in breakpoints.detectors if name in self._names else bool(getattr(breakpoints, name))
            if bool(dpg.get_value(box)) != on:
                dpg.set_value(box, on)
        near = breakpoints.distance is not None
        if bool(dpg.get_value(self._near)) != near:
            dpg.set_value(self._near, near)
        if breakpoints.distance is not None:
            _show_number(self._distance, breakpoints.distance)

    def _change(self, change: Callable[[Breakpoints], Breakpoints]) -> None:
        if self._frame is not None:
            self._ask_for(replace(change(self._breakpoints(self._frame)), thresholds=self._frame.focus.thresholds))

    def _ask_for(self, breakpoints: Breakpoints) -> None:
        self._wanted, self._wanted_until = breakpoints, time.monotonic() + _PATIENCE
        self._send(SetBreakpoints(breakpoints))

    def _condition(self, _sender: Tag, on: bool, field: str) -> None:
        self._change(lambda now: replace(now, **{field: bool(on)}))  # type: ignore[arg-type]

    def _detector(self, _sender: Tag, on: bool, name: str) -> None:
        self._change(lambda now: breaking(now, name, bool(on)))

    def _distance_switched(self, _sender: Tag, on: bool) -> None:
        limit = float(dpg.get_value(self._distance))
        self._change(lambda now: replace(now, distance=limit if on else None))

    def _distance_set(self, _sender: Tag, value: float) -> None:
        # Where it is off, the number waits for the switch.
        if dpg.get_value(self._near):
            self._change(lambda now: replace(now, distance=float(value)))


def _show_number(item: Tag, value: float) -> None:
    """Write a number, unless a person is typing or it is the same."""
    if not dpg.is_item_active(item) and abs(float(dpg.get_value(item)) - value) > 1e-6 * max(abs(value), 1e-3):
        dpg.set_value(item, round(value) if isinstance(dpg.get_value(item), int) else value)
