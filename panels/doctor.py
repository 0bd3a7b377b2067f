"""The doctor: what is wrong with the checkpoint and the scene, how it is mended, and the x-ray of the processors."""

from __future__ import annotations

import dearpygui.dearpygui as dpg

from panels.actions import Action, Mend, Send
from panels.style import ACCENT, BAD, DIM, GOOD, WARN, Metrics, Rgba, Tag, hint
from panels.writing import reveal, write
from panels.xray import XRayView
from viewer_app.doctor.checkup import Checkup
from viewer_app.doctor.finding import Finding, as_text
from viewer_app.view import Frame

_SIGNS: dict[str, tuple[str, Rgba]] = {"error": ("x", BAD), "warning": ("!", WARN), "info": ("i", DIM)}
"""Severity to the sign that stands for it, and its colour."""


def badge_of(checkup: Checkup | None) -> tuple[str, Rgba]:
    """What stands behind the tab's name, and its colour: how many errors there are, or else how many warnings."""
    if checkup is None:
        return "", WARN
    errors, warnings = checkup.count("error"), checkup.count("warning")
    return (str(errors), BAD) if errors else (str(warnings) if warnings else "", WARN)


def summary_of(checkup: Checkup | None) -> tuple[str, Rgba]:
    """The report in one line, and its colour."""
    if checkup is None:
        return "Ctrl+O opens a checkpoint; the doctor then looks at it.", DIM
    if not checkup.read and not checkup.tried:
        return (checkup.complaint, WARN) if checkup.complaint else ("The doctor is reading the files…", DIM)
    counts = [
        f"{count} {noun}{'s' * (count != 1)}"
        for severity, noun in (("error", "error"), ("warning", "warning"), ("info", "note"))
        if (count := checkup.count(severity))
    ]
    extent = "tried in the scene" if checkup.tried else "the files alone, not tried yet"
    colour = BAD if checkup.count("error") else WARN if checkup.count("warning") else GOOD
    return f"{', '.join(counts) or 'nothing wrong'} ({extent})", colour


class _Row:
    """One finding: a line that opens and closes, and what it says."""

    def __init__(self, parent: Tag, send: Send) -> None:
        self._send = send
        self.finding: Finding | None = None
        self._lane = 0
        with dpg.group(parent=parent) as self.group:
            with dpg.group(horizontal=True):
                self._sign = dpg.add_text("")
                self._head: Tag = dpg.add_button(small=True, callback=lambda: self._turn())
                hint("Show or hide what was found")
            with dpg.group(indent=14) as self._body:
                self._evidence = dpg.add_text("", wrap=0)
                self._mend = dpg.add_text("", color=DIM, wrap=0)
                self._cure: Tag = dpg.add_button(label="", callback=lambda: self._do())
                with dpg.tooltip(self._cure, delay=0.4, hide_on_activity=True):
                    self._option = dpg.add_text("", wrap=420)
            dpg.add_spacer(height=2)
        with dpg.theme() as plain, dpg.theme_component(dpg.mvButton):
            dpg.add_theme_color(dpg.mvThemeCol_Button, (0, 0, 0, 0))
        dpg.bind_item_theme(self._head, plain)

    def show(self, finding: Finding, lane: int, wrap: int) -> None:
        """Show a finding, open unless it is only good to know."""
        if finding != self.finding:
            self.finding = finding
            sign, colour = _SIGNS[finding.severity]
            write(self._sign, sign, colour)
            dpg.set_item_label(self._head, finding.id)
            dpg.set_value(self._evidence, finding.evidence)
            dpg.set_value(self._mend, f"→ {finding.mend}" if finding.mend else "")
            reveal(self._mend, bool(finding.mend))
            reveal(self._cure, finding.cure is not None)
            if finding.cure is not None:
                dpg.set_item_label(self._cure, finding.cure.label)
                option = f"   On the command line: {finding.cure.option}" if finding.cure.option else ""
                dpg.set_value(self._option, f"For this session; no file is changed.{option}")
            reveal(self._body, finding.severity != "info")
        self._lane = lane
        for item in (self._evidence, self._mend):
            dpg.configure_item(item, wrap=wrap)
        reveal(self.group, True)

    def _turn(self) -> None:
        reveal(self._body, not bool(dpg.get_item_configuration(self._body)["show"]))

    def _do(self) -> None:
        if self.finding is not None:
            self._send(Mend(self.finding, self._lane))


class DoctorPanel:
    """The report of the lane looked at, or the x-ray of its policy's processors."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._rows: list[_Row] = []
        self._checkup: Checkup | None = None
        self._shown: tuple[object, ...] = ()
        self._lane = 0
        self._inner = 300
        self.xray = XRayView(send)
        self._looking_through = False

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent)
        with dpg.group(parent=self.window):
            with dpg.group(horizontal=True):
                self._to_report: Tag = dpg.add_button(label="Report", callback=lambda: self._turn_to(False))
                hint("What is wrong with the checkpoint and the scene, and how it is mended")
                self._to_xray: Tag = dpg.add_button(label="X-ray", callback=lambda: self._turn_to(True))
                hint("Between which values the numbers lie after each step of the policy's processors")
            with dpg.group() as self._report:
                self._build_report()
            with dpg.group(show=False) as self._through:
                self.xray.build()
        with dpg.theme() as chosen, dpg.theme_component(dpg.mvButton):
            dpg.add_theme_color(dpg.mvThemeCol_Text, ACCENT)
        with dpg.theme() as other, dpg.theme_component(dpg.mvButton):
            dpg.add_theme_color(dpg.mvThemeCol_Text, DIM)
        self._themes = {True: chosen, False: other}
        self._turn_to(False)

    def _build_report(self) -> None:
        self._summary = dpg.add_text("", wrap=0)
        with dpg.group(horizontal=True) as self._buttons:
            self._try: Tag = dpg.add_button(
                label="Try it (some seconds)", callback=lambda: self._send(Action.TRY_CHECKPOINT)
            )
            hint(
                "Load the checkpoint once more in a process of its own, ask it a few questions, and let it drive for\n"
                "two chunks in a world of its own. The session goes on meanwhile and is not touched"
            )
            self._copy: Tag = dpg.add_button(label="Copy as text", callback=lambda: self._copy_text())
            hint("Put the report on the clipboard")
        with dpg.group(horizontal=True, show=False) as self._progress:
            self._bar = dpg.add_progress_bar()
            self._cancel: Tag = dpg.add_button(label="Cancel", callback=lambda: self._send(Action.STOP_TRIAL))
            hint("Give the trial up")
        self._complaint = dpg.add_text("", color=WARN, wrap=0)
        self._list = dpg.add_group()

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        self._inner = width - 2 * px(8) - px(10)  # the scroll bar's
        for item in (self._summary, self._complaint):
            dpg.configure_item(item, wrap=self._inner)
        dpg.configure_item(self._bar, width=self._inner - px(66), height=px(20))
        self._wrap = self._inner - px(16)
        self._shown = ()
        self.xray.place(self._inner, metrics)

    def show(self, checkup: Checkup | None) -> None:
        """Take what is known of the checkpoint of the lane looked at; the next update shows it."""
        self._checkup = checkup

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        self._lane = frame.lane_number
        if self._looking_through:
            self.xray.update(frame)
        else:
            self._show_report()

    def _turn_to(self, xray: bool) -> None:
        self._looking_through = xray
        reveal(self._report, not xray)
        reveal(self._through, xray)
        dpg.bind_item_theme(self._to_report, self._themes[not xray])
        dpg.bind_item_theme(self._to_xray, self._themes[xray])

    def _show_report(self) -> None:
        checkup = self._checkup
        key = (checkup, self._lane, self._inner)
        if key == self._shown:
            return
        self._shown = key
        write(self._summary, *summary_of(checkup))
        ready = checkup is not None and (checkup.read or checkup.tried)
        trying = checkup is not None and ready and bool(checkup.doing)
        reveal(self._buttons, ready and not trying)
        reveal(self._progress, trying)
        if checkup is not None and trying:
            dpg.set_value(self._bar, checkup.fraction)
            dpg.configure_item(self._bar, overlay=checkup.doing)
        dpg.set_item_label(
            self._try, "Try it again" if checkup is not None and checkup.tried else "Try it (some seconds)"
        )
        complaint = checkup.complaint if checkup is not None and ready else ""
        write(self._complaint, complaint, WARN)
        reveal(self._complaint, bool(complaint))
        self._show_findings(checkup.findings if checkup is not None else ())

    def _show_findings(self, findings: tuple[Finding, ...]) -> None:
        while len(self._rows) < len(findings):
            self._rows.append(_Row(self._list, self._send))
        for row, finding in zip(self._rows, findings, strict=False):
            row.show(finding, self._lane, self._wrap)
        for row in self._rows[len(findings) :]:
            reveal(row.group, False)

    def _copy_text(self) -> None:
        if self._checkup is not None:
            words, _ = summary_of(self._checkup)
            text = f"{self._checkup.order.source}: {words}\n{as_text(self._checkup.findings)}"
            dpg.set_clipboard_text(text)
