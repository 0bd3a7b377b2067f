"""The chunk: what the policy intends, how sure it is, whether it stays with it, and whether the robot can do it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.asking import AskButton, busy_words, cost_words, figure, refusal
from panels.ensemble import EnsembleBox
from panels.step_links import StepLinks
from panels.style import ACCENT, DIM, FAINT, GOOD, TEXT, WARN, Metrics, Rgba, Tag, heading, hint
from panels.writing import reveal, to_rgba, write, write_value
from viewer_app.chunking import TemporalEnsemble
from viewer_app.commands import SetWant
from viewer_app.insight import Gap, MomentInsight, SamplesInsight
from viewer_app.questions import Samples
from viewer_app.scene import Scene
from viewer_app.types import Want
from viewer_app.view import Frame, OverlayChoice, Show

UNTOUCHED = 0.01
"""The physics whisker and the path of a chunk that was executed untouched are nearer than this. [mm]"""
_LINKS = 24
"""How many steps that predicted this one are offered to jump to: the newest."""
_PATIENCE = 3.0
"""How long a setting that was asked for is shown as such, while the engine has not answered. [s]"""

_WHISKERS = (
    ("whisker", "kinematic", "Where the commanded joints would put the gripper"),
    ("physics", "physics", "The same chunk rolled forward through the simulation: lag, contacts, clipping included"),
    ("path", "path", "Where the gripper has been"),
)
_SIMULATED = ("whisker", "simulated", "Where the environment's own code would take the gripper: nothing else can tell")
"""In place of the first, where actions are the environment's own business."""
_MARKS = (
    ("ticks", "orientation", "How the gripper is turned along the whisker: red x, green y, blue z"),
    ("gripper", "gripper opening", "How far the gripper is open along the whisker"),
)
_GAPS = (
    ("physics to kinematic", "Of what is to come: how far lag, contacts and clipping will keep the arm from the chunk"),
    ("path to kinematic", "Of the chunk in force, over its steps executed so far: what servo lag and contacts did"),
    ("path to physics", "The same steps against the roll-out from where the chunk came into force"),
)


def gap_cells(gap: Gap | None) -> tuple[str, str, str]:
    """Distance at the end, the largest, and over how many rows. [mm]"""
    return ("-", "-", "-") if gap is None else (figure(gap.end), figure(gap.largest), str(gap.rows))


def verdict(gap: Gap | None, ensembling: bool) -> tuple[str, Rgba]:
    """What the distance of the executed path from the physics whisker says.

    Args:
        gap: None where they cannot be compared.
        ensembling: Whether the step is executed from an ensemble.
    """
    if gap is None:
        words = "no step of the chunk in force is executed yet"
        return "an ensemble is formed anew at every step" if ensembling else words, FAINT
    if gap.largest < UNTOUCHED:
        return f"{gap.largest:.2f} mm: executed untouched", GOOD
    return f"{figure(gap.largest)} mm: not executed untouched, something else acted", WARN


def moment_words(frame: Frame) -> str:
    """Which chunk the step looked at belongs to."""
    chunks = frame.trace.chunks_in_force(frame.step)
    policy = frame.trace.policy
    if policy is None:
        return f"step {frame.step}: no policy"
    if not chunks or (frame.step == frame.length and frame.trace.is_due(frame.step)):
        return f"step {frame.step}: the policy is asked here"
    chunk = chunks[-1]
    age = frame.step - chunk.start
    late = f", came {chunk.delay} later" if chunk.delay else ""
    return f"step {frame.step}: row {age} of {len(chunk)}, asked at step {chunk.start}{late}"


def spread_words(samples: SamplesInsight | None, step: int) -> tuple[str, Rgba]:
    """What the samples showed, or a badge where there is nothing random.

    Args:
        samples: None where nobody sampled.
        step: The step looked at.
    """
    if samples is None:
        return "no samples known at this step", FAINT
    where = "" if samples.step == step else f" (observation of step {samples.step})"
    return samples.text + where, WARN if samples.deterministic else TEXT


def site_choices(scene: Scene) -> dict[str, str]:
    """What a whisker can start from: label to the value of `OverlayChoice.root`, the end effector first."""
    end_effector = scene.spec.end_effector_site
    names = [str(scene.model.site(number).name) for number in range(scene.model.nsite)]
    others = {name: name for name in names if name and name != end_effector}
    return {f"{end_effector} (default)": "", **others}


class _Whiskers:
    """Both whisker modes, and how far they are from each other and from the path."""

    def __init__(self, send: Send, scene: Scene, swatches: Mapping[str, Rgba]) -> None:
        self._send = send
        self._roots = site_choices(scene)
        self._simulated = scene.spec.action.kind == "environment"
        self._swatches = swatches
        self._choice = OverlayChoice()
        self._toggles: dict[str, Tag] = {}

    def build(self) -> None:
        with dpg.group(horizontal=True):
            for entry in (_SIMULATED, *_WHISKERS[1:]) if self._simulated else _WHISKERS:
                self._toggle(*entry)
        with dpg.group(horizontal=True) as self._beside:
            for entry in _MARKS:
                self._toggle(*entry)
        self._below = dpg.add_group()
        with dpg.group(horizontal=True, parent=self._below) as self._site:
            dpg.add_text("of site", color=DIM)
            self._root = dpg.add_combo(list(self._roots), callback=lambda _, label: self._choose(label))
            hint("Whose way the whiskers show")
        with dpg.table(header_row=False, policy=dpg.mvTable_SizingFixedFit, pad_outerX=False) as self._table:
            for number in range(4):
                dpg.add_table_column(width_stretch=number == 0)
            self._of, *head = self._line("distance [mm]", "Between whiskers and path, of the site chosen above")
            noun = "simulated" if self._simulated else "kinematic"
            self._cells = [self._line(label.replace("kinematic", noun), text)[1:] for label, text in _GAPS]
        for cell, title in zip(head, ("at the end", "at most", "steps"), strict=True):
            write(cell, title, DIM)
        self._verdict = dpg.add_text("", wrap=0)

    def _toggle(self, name: str, label: str, text: str) -> None:
        dpg.add_text("■", color=self._swatches[name])
        self._toggles[name] = dpg.add_checkbox(
            label=label,
            user_data=name,
            callback=lambda _, on, field: self._send(Show(self._choice.having(field, on))),
        )
        hint(text)

    def _line(self, label: str, text: str) -> list[Tag]:
        with dpg.table_row():
            title = dpg.add_text(label, color=DIM)
            hint(text)
            return [title, *(dpg.add_text("") for _ in range(3))]

    def _choose(self, label: str) -> None:
        self._send(Show(replace(self._choice, root=self._roots[label])))

    def place(self, inner: int, metrics: Metrics) -> None:
        wide = inner >= metrics.px(480)
        dpg.move_item(self._site, parent=self._beside if wide else self._below)
        dpg.configure_item(self._root, width=inner - metrics.px(316 if wide else 52))
        dpg.configure_item(self._verdict, wrap=inner)
        dpg.configure_item(self._table, width=inner)

    def update(self, frame: Frame, moment: MomentInsight | None) -> None:
        self._choice = frame.focus.overlays
        for name, toggle in self._toggles.items():
            write_value(toggle, bool(getattr(self._choice, name)))
        write_value(self._root, next((label for label, root in self._roots.items() if root == self._choice.root), ""))
        gaps = (None, None, None) if moment is None else (moment.physics, moment.executed, moment.executed_physics)
        # It lags while figures are being computed, and says so.
        write_value(self._of, "distance [mm]" if moment is None else f"distance [mm], step {moment.step}")
        for cells, gap in zip(self._cells, gaps, strict=True):
            for cell, text in zip(cells, gap_cells(gap), strict=True):
                write_value(cell, text)
        ensembling = isinstance(frame.trace.settings_at(frame.step).chunking, TemporalEnsemble)
        write(self._verdict, *verdict(gaps[2], ensembling))


class _Samples:
    """What else the policy would have answered."""

    def __init__(self, send: Send, swatch: Rgba) -> None:
        self._send = send
        self._swatch = swatch
        self._choice = OverlayChoice()
        self._want = Want()
        self._count_wanted = False
        self._held_until = 0.0

    def build(self) -> None:
        with dpg.group(horizontal=True):
            heading("Samples")
            hint("What else the policy would have answered to the same observation, with other random numbers")
            dpg.add_text("■", color=self._swatch)
            self._shown = dpg.add_checkbox(
                label="show", callback=lambda _, on: self._send(Show(replace(self._choice, samples=on)))
            )
            hint("Draw them grey about the whisker")
            self._always = dpg.add_checkbox(label="with every chunk", callback=lambda _, on: self._ask_always(on))
            hint("Draw samples with every chunk from now on, of policies that can in the same call: ACT's latents")
        with dpg.group(horizontal=True):
            self._count = dpg.add_slider_int(
                min_value=2, max_value=64, default_value=16, format="%d", clamped=True, callback=self._counted
            )
            hint("How many samples. Ctrl+click to type")
            self._ask = AskButton(
                self._send,
                "Draw samples",
                "Ask the policy about this very observation again. Nothing is executed",
                Samples,
                lambda: Samples(int(dpg.get_value(self._count))),
                "samples",
            )
        self._words = dpg.add_text("", wrap=0)

    def place(self, inner: int, metrics: Metrics) -> None:
        slider = max(inner - metrics.px(250), metrics.px(70))
        dpg.configure_item(self._count, width=slider)
        dpg.configure_item(self._words, wrap=inner)
        self._ask.place(inner - slider - metrics.px(6), metrics)

    def update(self, frame: Frame, moment: MomentInsight | None, can: bool) -> None:
        self._choice = frame.focus.overlays
        if frame.view.want is not self._want:
            self._want, self._held_until = frame.view.want, 0.0
        write_value(self._shown, self._choice.samples)
        if time.monotonic() > self._held_until:
            write_value(self._always, self._want.samples > 0)
        if self._count_wanted and not dpg.is_item_active(self._count):
            self._count_wanted = False
            if self._want.samples:
                self._ask_always(True)
        policy = frame.lane.policy
        calls = 1 if policy is None or policy.deterministic else 1 + int(dpg.get_value(self._count))
        usual = frame.lane.latency.median if calls > 1 else 0.0  # many samples in one call take longer than a chunk
        self._ask.update(frame, can, "Draw samples" + f"   {cost_words(calls, usual)}" * can)
        write(self._words, *spread_words(moment.samples if moment is not None else None, frame.step))

    def _counted(self) -> None:
        """Each value on the way of the slider would be a wish of its own: it is sent when the slider is let go."""
        self._count_wanted = True

    def _ask_always(self, on: bool) -> None:
        self._held_until = time.monotonic() + _PATIENCE
        self._send(SetWant(replace(self._want, samples=int(dpg.get_value(self._count)) if on else 0)))


class _Predictions:
    """Who ever said something about this step."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def build(self) -> None:
        with dpg.group(horizontal=True):
            heading("Predictions")
            hint("All chunks that said something about this step. The viewport draws them as members")
            self._words = dpg.add_text("")
        self._links = StepLinks(self._send)

    def place(self, inner: int, metrics: Metrics) -> None:
        self._links.place(inner, metrics)

    def update(self, moment: MomentInsight | None) -> None:
        steps = moment.prediction_steps if moment is not None else ()
        self._links.update(steps[-_LINKS:])
        if moment is None or not steps:
            write(self._words, "of this step: none yet", FAINT)
            return
        count = len(steps)
        apart = f", {figure(moment.predictions_spread)} mm apart" if count > 1 else ""
        asked = f"last {_LINKS}" if count > _LINKS else "asked at"
        write(self._words, f"{count} chunk{'s' * (count != 1)}{apart}, {asked}", TEXT)


class ChunkPanel:
    """All about the chunk in force at the step looked at."""

    def __init__(self, send: Send, scene: Scene, swatches: Mapping[str, tuple[float, float, float]]) -> None:
        """
        Args:
            send: Takes what the panel asks for.
            scene: Its sites are offered as roots of the whiskers.
            swatches: Field of `OverlayChoice` to its colour, RGB in [0, 1].
        """
        colours = {name: to_rgba(colour) for name, colour in swatches.items()}
        self._whiskers = _Whiskers(send, scene, colours)
        self._ensemble = EnsembleBox(send, colours["ensemble"])
        self._samples = _Samples(send, colours["samples"])
        self._predictions = _Predictions(send)

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        """While one of these is active, keys belong to it."""
        return self._ensemble.text_fields

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent)
        with dpg.group(parent=self.window):
            self._status = dpg.add_text("", wrap=0)
            with dpg.group() as self._known:
                self._whiskers.build()
                for part in (self._ensemble, self._samples, self._predictions):
                    dpg.add_separator()
                    part.build()

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        inner = width - 2 * px(8) - px(10)  # the scroll bar's
        dpg.configure_item(self._status, wrap=inner)
        for part in (self._whiskers, self._ensemble, self._samples, self._predictions):
            part.place(inner, metrics)

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        if frame.trace.policy is None and frame.lane.policy is None:
            reveal(self._known, False)
            write(self._status, "No policy loaded: Ctrl+O opens a checkpoint, whose chunks are shown here.", DIM)
            return
        reveal(self._known, True)
        moment = frame.moment if frame.moment is not None and frame.moment.trace is frame.trace else None
        refused = refusal(frame)
        busy = busy_words(frame.lane.asking, time.monotonic())
        write(self._status, busy or refused or moment_words(frame), ACCENT if busy else WARN if refused else DIM)
        self._whiskers.update(frame, moment)
        self._ensemble.update(frame, moment, not refused)
        self._samples.update(frame, moment, not refused)
        self._predictions.update(moment)
