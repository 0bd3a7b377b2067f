"""The timeline: transport buttons, the traces of the session, and a strip to scrub with all that happened on it."""

from __future__ import annotations

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import SPEEDS, Action, Send, SetSpeed, Transport, keys_of
from panels.canvas import Canvas, paint
from panels.style import (
    ACCENT,
    BAD,
    DIM,
    FAINT,
    GOOD,
    LINE,
    PHASES,
    PLOT_GROUND,
    PUSHED,
    RAISED,
    TEXT,
    WARN,
    Metrics,
    Rgba,
    Tag,
    bubble,
    hint,
    rgb,
)
from panels.timeline_marks import Marks, domain_for, marks_of, paint_band
from panels.writing import write_value
from viewer_app.view import Frame, LookAtTrace, Seek

_SIGNS: dict[str, Rgba] = {
    "policy_reset": BAD,
    "settings": WARN,
    "moved": WARN,
    "undone": WARN,
    "pushed": PUSHED,
    "note": DIM,
    "bookmark": rgb("4fd1c5"),
    "branch": rgb("b58cf0"),
    "outcome": TEXT,
}
_TICK = rgb("dfe4ea")
_CONTACT = rgb("f08c4a")
_FINDINGS = PLOT_GROUND
FINDING = rgb("f06fc0")
"""What a detector found, in the timeline and in lists."""


class TimelinePanel:
    """Full width, along the bottom."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._marks: Marks | None = None
        self._drawn: tuple[object, ...] = ()
        self._signs_drawn: tuple[object, ...] = ()
        self._domain = 1
        self._strip = (0, 0, 1, 1)  # left, top, width, height in the drawlist [px]
        self._row = 1  # height of the strip's lowest part, where the findings stand [px]
        self._scrubbing = False
        self._top = 0  # of the panel in the window [px]
        self._metrics = Metrics(1.0)
        self._names: list[str] = []

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent, no_scrollbar=True, no_scroll_with_mouse=True)
        with dpg.group(horizontal=True, parent=self.window):
            self._button("❚◀", Action.FIRST, "First step")
            self._button("◀", Action.STEP_BACK, "One step back")
            self._play = self._button("▶ Play", Action.PLAY, "Play or pause", width=1)
            self._button("▶", Action.STEP_FORWARD, "One step forward; at the head, take a step")
            self._button("▶❚", Action.LAST, "Newest step, and follow it")
            self._speed = dpg.add_combo(
                [_speed_text(speed) for speed in SPEEDS],
                default_value=_speed_text(1.0),
                callback=lambda _, text: self._send(SetSpeed(float(text.rstrip("x")))),
            )
            hint("Simulated seconds per second   -  and  =")
            self._bookmark = self._button(
                "⚑", Action.BOOKMARK, "Write a note to the step looked at, and find those written"
            )
            self._where = dpg.add_text("")
            self._offset = dpg.add_text("", color=WARN)
            self._phase = dpg.add_text("", color=DIM)
            self._pace = dpg.add_text("", color=WARN)
        with dpg.group(horizontal=True, parent=self.window) as self._right:
            self._traces = dpg.add_combo([], callback=lambda _, name: self._send(LookAtTrace(name)))
            hint("Episodes and branches of this session; the futures that branches left are kept")
            self._branch = self._button(
                "Branch here", Action.BRANCH, "Continue from the step looked at; its old future is kept"
            )
            self._reset = self._button(
                "Reset", Action.RESET_EPISODE, "Begin the episode anew; the old one stays in the list"
            )
        self._drawlist = dpg.add_drawlist(100, 40, parent=self.window)
        self._canvas = Canvas(self._drawlist)
        self._axis = dpg.add_draw_layer(parent=self._drawlist)
        self._signs = dpg.add_draw_layer(parent=self._drawlist)
        self._hover_line = dpg.draw_line((0, 0), (0, 0), color=FAINT, parent=self._drawlist)
        self._head = dpg.draw_line((0, 0), (0, 0), color=ACCENT, thickness=2, parent=self._drawlist)
        self._knob = dpg.draw_triangle((0, 0), (0, 0), (0, 0), color=ACCENT, fill=ACCENT, parent=self._drawlist)
        with bubble() as self._tip:
            self._tip_text = dpg.add_text("", wrap=self._metrics.px(480))

    def _button(self, label: str, action: Action, text: str, width: int = 0) -> Tag:
        button: Tag = dpg.add_button(label=label, width=width, callback=lambda: self._send(action))
        keys = keys_of(action)
        hint(f"{text}   {keys}" if keys else text)
        return button

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        self._metrics, self._top = metrics, y
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        dpg.configure_item(self._play, width=px(78))
        dpg.configure_item(self._speed, width=px(74))
        traces = px(220 if width >= px(1200) else 140)
        dpg.configure_item(self._traces, width=traces)
        dpg.configure_item(self._branch, width=px(100))
        dpg.configure_item(self._reset, width=px(58))
        dpg.configure_item(self._right, pos=(width - px(8) - traces - px(158) - px(12), px(6)))
        dpg.configure_item(self._drawlist, pos=(px(8), px(36)))
        inner, below = width - 2 * px(8), height - px(41)
        dpg.configure_item(self._drawlist, width=inner, height=below)
        self._strip = (px(6), px(11), inner - 2 * px(6), below - px(11) - px(17))
        self._row = px(8)
        self._canvas.resize(self._strip[2], self._strip[3] - self._row, self._strip[0], self._strip[1])
        self._drawn = self._signs_drawn = ()

    # Drawing.

    def update(self, frame: Frame, transport: Transport) -> None:
        """Show a frame."""
        self._read_marks(frame)
        self._show_words(frame, transport)
        self._show_head(frame)
        self._scrub(frame)

    @property
    def marks(self) -> Marks | None:
        """Of the trace shown last."""
        return self._marks

    def _read_marks(self, frame: Frame) -> None:
        trace, length = frame.trace, frame.length
        events = len(trace.events)
        others = [snippet for snippet in (*frame.lane.earlier, frame.lane.now) if snippet.trace is not trace]
        findings = frame.episode.findings if frame.episode is not None and frame.episode.trace is trace else ()
        key = (id(trace), length, frame.reach, events, len(others), findings, self._strip)
        if key == self._drawn:
            return
        self._drawn = key
        self._marks = marks = marks_of(trace, length, others, findings)
        self._domain = domain_for(frame.reach, frame.view.scene.spec.task.max_steps)
        colours = [paint(colour) for colour in PHASES]
        paint_band(
            marks,
            self._domain,
            self._canvas.pixels,
            colours,
            trace.phases,
            paint(_TICK),
            paint(_CONTACT),
            paint(RAISED),
        )
        self._canvas.show()
        signs = (self._strip, self._domain, id(trace), marks.others, marks.findings)
        if signs != self._signs_drawn:
            self._signs_drawn = signs
            self._draw_axis(frame)
            self._draw_signs(marks)

    def _x(self, step: float) -> float:
        left, _, width, _ = self._strip
        return left + width * step / max(self._domain, 1)

    def _draw_axis(self, frame: Frame) -> None:
        dpg.delete_item(self._axis, children_only=True)
        left, top, width, height = self._strip
        px, bottom = self._metrics.px, top + height
        seconds = self._domain * frame.view.scene.control_dt
        spacing = _nice(seconds * px(80) / max(width, 1))
        for count in range(1, int(seconds / spacing) + 1):
            x = left + width * count * spacing / seconds
            dpg.draw_line((x, bottom), (x, bottom + px(4)), color=FAINT, parent=self._axis)
            text = f"{count * spacing:g} s"
            if x + px(30) < left + width:
                dpg.draw_text((x + px(3), bottom + px(1)), text, size=px(12), color=DIM, parent=self._axis)
        ground = (left, bottom - self._row)
        dpg.draw_rectangle(ground, (left + width, bottom), color=_FINDINGS, fill=_FINDINGS, parent=self._axis)
        dpg.draw_rectangle((left, top), (left + width, bottom), color=LINE, parent=self._axis)

    def _draw_signs(self, marks: Marks) -> None:
        dpg.delete_item(self._signs, children_only=True)
        self._draw_findings(marks)
        _, top, _, height = self._strip
        r = self._metrics.px(4)
        last: dict[str, float] = {}
        for mark in marks.others:
            x = self._x(mark.step)
            # Signs of one kind that would lie on each other are drawn once; the tooltip still tells them all.
            if x - last.get(mark.kind, -100.0) < r:
                continue
            last[mark.kind] = x
            colour = _SIGNS.get(mark.kind, DIM)
            if mark.kind == "outcome":
                colour = GOOD if mark.text == "success" else BAD
                dpg.draw_line((x, top - r), (x, top + height), color=colour, thickness=2, parent=self._signs)
                dpg.draw_circle((x, top - r), r, color=colour, fill=colour, parent=self._signs)
            elif mark.kind == "policy_reset":
                dpg.draw_line((x, top), (x, top + height), color=colour, parent=self._signs)
                corners = ((x - r, top - 2 * r), (x + r, top - 2 * r), (x, top))
                dpg.draw_triangle(*corners, color=colour, fill=colour, parent=self._signs)
            elif mark.kind == "bookmark":
                dpg.draw_line((x, top - 2 * r), (x, top + height), color=colour, parent=self._signs)
                pennant = ((x, top - 2 * r), (x + 2 * r, top - r), (x, top))
                dpg.draw_triangle(*pennant, color=colour, fill=colour, parent=self._signs)
            else:
                points = ((x, top - 2 * r), (x + r, top - r), (x, top), (x - r, top - r))
                dpg.draw_quad(*points, color=colour, fill=colour, parent=self._signs)

    def _draw_findings(self, marks: Marks) -> None:
        """Triangles in the findings' row. Of those that would lie on each other one is drawn."""
        _, top, _, height = self._strip
        r, low, high = self._metrics.px(4), top + height - 1, top + height - self._row + 1
        last = -100.0
        for mark in marks.findings:
            x = self._x(mark.step)
            if x - last >= r / 2:
                last = x
                corners = ((x - r, low), (x + r, low), (x, high))
                dpg.draw_triangle(*corners, color=FINDING, fill=FINDING, parent=self._signs)

    def _show_words(self, frame: Frame, transport: Transport) -> None:
        dt = frame.view.scene.control_dt
        label = "❚❚ Pause" if transport.playing else "▶ Play"
        time = np.asarray(frame.trace.column("time", frame.length))
        begin, now, end = float(time[0]), float(time[frame.step]), float(time[-1])
        back = frame.clock - frame.reach
        _set_label(self._play, label)
        write_value(self._speed, _speed_text(transport.speed))
        write_value(self._where, f"step {frame.step} / {frame.length}   {now - begin:.2f} s / {end - begin:.2f} s")
        write_value(self._offset, f"{back} ({back * dt:.2f} s)" if back else "")
        write_value(self._phase, frame.trace.phase(frame.step).replace("_", " ").lower())
        slow = frame.view.running and 0 < frame.view.pace < 0.95 * frame.view.speed
        write_value(self._pace, f"reached {frame.view.pace:.2f}x" if slow else "")
        names = [snippet.trace.name for snippet in (*frame.lane.earlier, frame.lane.now)]
        if names != self._names:
            self._names = names
            dpg.configure_item(self._traces, items=names)
        write_value(self._traces, frame.trace.name)

    def _show_head(self, frame: Frame) -> None:
        _, top, _, height = self._strip
        x, r = self._x(frame.clock), self._metrics.px(5)
        dpg.configure_item(self._head, p1=(x, top - r), p2=(x, top + height + r))
        y = top + height
        dpg.configure_item(self._knob, p1=(x - r, y + 2 * r), p2=(x + r, y + 2 * r), p3=(x, y + r / 2))

    # The mouse, polled: Dear PyGui's drag callbacks crawl while a key is held.

    def _scrub(self, frame: Frame) -> None:
        mouse_x, mouse_y = dpg.get_mouse_pos(local=False)
        at_x, at_y = dpg.get_item_rect_min(self._drawlist)
        left, top, width, height = self._strip
        x, y = mouse_x - at_x - left, mouse_y - at_y
        inside = -6 <= x <= width + 6 and 0 <= y <= top + height + self._metrics.px(16)
        hovered = inside and bool(dpg.is_item_hovered(self.window))
        down = bool(dpg.is_mouse_button_down(dpg.mvMouseButton_Left))
        if hovered and dpg.is_mouse_button_clicked(dpg.mvMouseButton_Left):
            self._scrubbing = True
        step = min(max(round(x / max(width, 1) * self._domain), 0), frame.reach)
        if self._scrubbing:
            if step != frame.clock:
                self._send(Seek(step))
            self._scrubbing = down
        self._show_tip(frame, step, hovered or self._scrubbing, mouse_x)

    def _show_tip(self, frame: Frame, step: int, wanted: bool, mouse_x: float) -> None:
        _, top, width, height = self._strip
        dpg.configure_item(self._hover_line, show=wanted)
        if not wanted or self._marks is None:
            dpg.configure_item(self._tip, show=False)
            return
        x = self._x(step)
        dpg.configure_item(self._hover_line, p1=(x, top), p2=(x, top + height))
        reach = max(round(4 * self._domain / max(width, 1)), 0)
        phase = self._marks.phase_at(step).replace("_", " ").lower()
        lines = [f"step {step}   {step * frame.view.scene.control_dt:.2f} s   {phase}"]
        for mark in self._marks.near(step, reach):
            # Names of joints, and what a person wrote, stay as they are.
            text = mark.text if mark.kind in ("finding", "bookmark") else mark.text.replace("_", " ")
            lines.append(f"{mark.step}: {text}" if mark.step != step else text)
        write_value(self._tip_text, "\n".join(lines))
        tip_width, tip_height = dpg.get_item_rect_size(self._tip)
        px = self._metrics.px
        place_x = min(max(mouse_x + px(12), 0), dpg.get_viewport_client_width() - tip_width - px(4))
        dpg.configure_item(self._tip, show=True, pos=(place_x, max(self._top - tip_height - px(2), 0)))


def _speed_text(speed: float) -> str:
    return f"{speed:g}x"


def _set_label(item: Tag, text: str) -> None:
    if dpg.get_item_label(item) != text:
        dpg.set_item_label(item, text)


def _nice(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least `least`."""
    power = 10.0 ** np.floor(np.log10(max(least, 1e-6)))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least))
