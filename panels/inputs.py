"""The inputs: what each of them does here, which part of a picture matters, and where the policy looks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.asking import AskButton, busy_words, cost_words, figure, insight_here, refusal
from panels.input_effects import Row, input_words, millimetres, right_edges, sentence, short_names, shown_columns, table
from panels.step_links import StepLinks
from panels.style import ACCENT, DIM, FAINT, RAISED, TEXT, WARN, Metrics, Rgba, Tag, heading, hint, text_width
from panels.writing import fitted, reveal, to_rgba, write, write_value
from viewer_app.blinding import Blind
from viewer_app.channels import Channels
from viewer_app.insight import Effect
from viewer_app.questions import Ablation, Attention, Occlusion
from viewer_app.scene import Scene
from viewer_app.types import PolicyInfo
from viewer_app.view import Frame, OverlayChoice, Show

_MODES = {mode.value: mode for mode in (Blind.MEAN, Blind.BLACK, Blind.NOISE, Blind.FROZEN)}
GRIDS = {"coarse 6x4": (6, 4), "medium 8x6": (8, 6), "fine 16x12": (16, 12)}
"""Label to columns and rows of the occlusion map."""
_LINKS = 24
"""How many of the steps that were asked about are offered to jump to."""


def ablation_calls(policy: PolicyInfo) -> int:
    """How many policy calls it takes to blind each input in turn, and all cameras together."""
    cameras = len(policy.cameras)
    return cameras + (policy.n_state > 0) + (cameras > 1)


def asked_steps(frame: Frame) -> tuple[int, ...]:
    """The newest steps of the trace at which a question about the inputs was answered, in order."""
    kinds = (Ablation, Occlusion, Attention)
    answers = frame.lane.answers.about(frame.trace)
    return tuple(sorted({answer.step for answer in answers if isinstance(answer.question, kinds)})[-_LINKS:])


class _Table:
    """The effects, strongest first, painted: figures stand right-aligned in the little room there is."""

    def __init__(self, actions: Channels, colours: Sequence[Rgba]) -> None:
        self._actions = actions
        self._columns: list[int] = []  # which numbers of the action have one
        self._colours = colours
        self._effects: tuple[Effect, ...] | None = None
        self._rows: list[Row] = []
        self._edges: list[int] = []
        self._letter: object = None  # size of one in the font that the table was measured in [px]
        self._inner = 300
        self._metrics = Metrics(1.0)

    def build(self) -> None:
        self.drawlist = dpg.add_drawlist(100, 20)
        self._detail = dpg.add_text("", color=FAINT, wrap=0)

    def place(self, inner: int, metrics: Metrics) -> None:
        self._inner, self._metrics = inner, metrics
        dpg.configure_item(self._detail, wrap=inner)
        self._effects = None

    def update(self, effects: tuple[Effect, ...], mode: str) -> None:
        # With another font sizes are known a frame late.
        letter = dpg.get_text_size("0")
        if effects is not self._effects or letter != self._letter:
            self._effects, self._letter = effects, letter
            self._draw(effects)
        reveal(self.drawlist, bool(effects))
        reveal(self._detail, bool(effects))
        write_value(self._detail, self._detail_words(mode))

    @property
    def _line(self) -> int:
        """Height of a line. [px]"""
        return self._metrics.px(19)

    def _draw(self, effects: tuple[Effect, ...]) -> None:
        dpg.delete_item(self.drawlist, children_only=True)
        metrics, px = self._metrics, self._metrics.px
        wide = self._inner >= px(440)
        name_left = px(15)
        joints = short_names(self._actions.names)
        longest = max(text_width(name, metrics) for name in joints)
        if not wide or longest > px(90):
            joints = [str(number + 1) for number in range(len(self._actions))]
        rows = table(effects, self._actions, decimals=1 if wide else 0)
        # As many columns as leave the names of the inputs some room.
        columns = zip(joints, *(row.cells[2:] for row in rows), strict=True)
        cells = [max(text_width(text, metrics) for text in column) + px(6) for column in columns]
        free = self._inner - name_left - px(128)
        fits = len(cells) if sum(cells) <= free else free // max(cells)
        self._columns = shown_columns(effects, self._actions, fits)
        head = ("end", "max", *(joints[i] for i in self._columns))
        self._rows = [self._some_cells(row) for row in rows]
        widths = [[text_width(cell, metrics) for cell in line] for line in (head, *(row.cells for row in self._rows))]
        names = max((text_width(input_words(row.name), metrics) for row in self._rows), default=0)
        self._edges = right_edges(widths, self._inner, name_left + names, (px(6), px(14)))
        # In the order of the answer, as the viewport draws them.
        taken = zip(effects, cycle(self._colours), strict=False)
        colours = {each.name: colour for each, colour in taken}
        room = self._edges[0] - max(line[0] for line in widths) - name_left - px(6)
        dpg.configure_item(self.drawlist, width=self._inner, height=self._line * (len(self._rows) + 1))
        units = list(dict.fromkeys(unit for unit in ("mm", *self._actions.shown_units) if unit))
        short = ", ".join(f"[{unit}]" for unit in units)
        self._write("[mm], joints [deg]" if units == ["mm", "deg"] and room > px(116) else short, 0, 0, FAINT)
        for number, (title, width) in enumerate(zip(head, widths[0], strict=True)):
            self._write(title, self._edges[number] - width, 0, FAINT)
        for line, row in enumerate(self._rows, start=1):
            y = line * self._line
            colour = colours[row.name]
            dpg.draw_rectangle((0, y + px(4)), (px(10), y + px(14)), color=colour, fill=colour, parent=self.drawlist)
            name = fitted(input_words(row.name), room, lambda text: text_width(text, metrics))
            self._write(name, name_left, y, TEXT)
            for number, (cell, width) in enumerate(zip(row.cells, widths[line], strict=True)):
                left = self._edges[number] - width
                strongest = number == row.strongest
                if strongest:
                    corners = ((left - px(3), y), (self._edges[number] + px(2), y + self._line - px(1)))
                    dpg.draw_rectangle(*corners, color=RAISED, fill=RAISED, parent=self.drawlist)
                self._write(cell, left, y, ACCENT if strongest else TEXT if number < 2 else DIM)

    def _some_cells(self, row: Row) -> Row:
        """The row with the columns alone that there is room for."""
        strongest = row.strongest
        if strongest is not None and strongest >= 2:
            strongest = 2 + self._columns.index(strongest - 2) if strongest - 2 in self._columns else None
        return replace(row, cells=(*row.cells[:2], *(row.cells[2 + i] for i in self._columns)), strongest=strongest)

    def _write(self, text: str, x: int, y: int, colour: Rgba) -> None:
        dpg.draw_text((x, y), text, size=self._metrics.font, color=colour, parent=self.drawlist)

    def _detail_words(self, mode: str) -> str:
        """What the figure under the mouse is."""
        x, y = dpg.get_mouse_pos(local=False)
        left, top = dpg.get_item_rect_min(self.drawlist)
        line, inside = int((y - top) // self._line), 0 <= x - left < self._inner
        if not (inside and 1 <= line <= len(self._rows) and self._effects and dpg.is_item_visible(self.drawlist)):
            left_out = len(self._actions) - len(self._columns)
            more = f" {left_out} numbers that change less have no column." if left_out else ""
            return f"blinded by {mode}. Point at a figure to read it in full.{more}".removesuffix("." * (not more))
        row = self._rows[line - 1]
        effect = next(each for each in self._effects if each.name == row.name)
        number = next((index for index, edge in enumerate(self._edges) if x - left <= edge), len(self._edges) - 1)
        without = f"without {input_words(row.name)}"
        if number == 0 or x - left < self._metrics.px(15):
            return f"{millimetres(effect.end)} mm elsewhere at the end of the chunk {without}"
        if number == 1:
            return f"{millimetres(effect.largest)} mm away at most {without}"
        joint = self._columns[number - 2]
        unit = self._actions.shown_units[joint]
        words = f"{effect.joints[joint]:+.2f} {unit}" if unit else f"{effect.joints[joint]:+.3f}"
        return f"{self._actions.names[joint]} ends {words} elsewhere {without}"


class InputsPanel:
    """What the policy makes of what it sees."""

    def __init__(self, send: Send, scene: Scene, colours: Sequence[tuple[float, float, float]]) -> None:
        """
        Args:
            send: Takes `Ask`, `StopAsking` and `Show`.
            scene: Says what the numbers of an action are called, and their units.
            colours: Of the blinded inputs' whiskers, in the order of the answer and then again. RGB in [0, 1].
        """
        self._send = send
        self._actions = scene.actions
        self._table = _Table(self._actions, [to_rgba(colour) for colour in colours])
        self._cameras: list[str] = []
        self._choice = OverlayChoice()

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        """While one of these is active, keys belong to it: none, as there is nothing to type."""
        return ()

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent)
        with dpg.group(parent=self.window):
            self._status = dpg.add_text("", wrap=0)
            with dpg.group() as self._known:
                self._build_ablation()
                dpg.add_separator()
                self._build_occlusion()
                dpg.add_separator()
                self._build_attention()
                with dpg.group() as self._asked:
                    dpg.add_separator()
                    heading("Asked at")
                    hint("The steps of this trace at which one of these questions was answered")
                    self._links = StepLinks(self._send)

    def _build_ablation(self) -> None:
        self._sentence = dpg.add_text("", wrap=0)
        self._table.build()
        self._ablate = AskButton(
            self._send,
            "What does each input do here?",
            "Ask again with each camera and the proprioception blinded in turn, and draw the whiskers side by side",
            Ablation,
            lambda: Ablation(_MODES[dpg.get_value(self._mode)]),
            "inputs",
        )
        with dpg.group(horizontal=True):
            dpg.add_text("blinded by", color=DIM)
            self._mode = dpg.add_combo(list(_MODES), default_value=Blind.MEAN.value)
            hint(
                "What an input is replaced by: its mean in the training data, black (zeros), noise,\n"
                "or frozen, as it was when the episode began. Black and noise may upset a policy by themselves"
            )
            self._shown = dpg.add_checkbox(
                label="show whiskers", callback=lambda _, on: self._send(Show(replace(self._choice, inputs=on)))
            )
            hint("Draw what the policy would do without each input")

    def _build_occlusion(self) -> None:
        heading("Occlusion map")
        hint("A patch of the training's mean colour slides over the picture: the effect on the chunk where it covers")
        with dpg.group(horizontal=True):
            self._camera = dpg.add_combo([])
            hint("Over which camera's picture the patch slides")
            self._grid = dpg.add_combo(list(GRIDS), default_value=list(GRIDS)[1])
            hint("How many places the patch takes; each costs a policy call")
        self._occlude = AskButton(
            self._send,
            "Map it",
            "The map is laid over the camera's picture. Nothing is executed",
            Occlusion,
            lambda: Occlusion(str(dpg.get_value(self._camera)), *GRIDS[dpg.get_value(self._grid)]),
        )
        self._occlusion_words = dpg.add_text("", wrap=0)

    def _build_attention(self) -> None:
        heading("Attention")
        hint("ACT: cross-attention of the decoder's last layer, mean of its heads and of the chunk's steps")
        self._attend = AskButton(
            self._send,
            "Where does it attend?",
            "The attention is laid over all cameras' pictures, as a map of its own",
            Attention,
            Attention,
        )
        self._attention_words = dpg.add_text("", wrap=0)

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        inner = width - 2 * px(8) - px(10)  # the scroll bar's
        for item in (self._status, self._sentence, self._occlusion_words, self._attention_words):
            dpg.configure_item(item, wrap=inner)
        dpg.configure_item(self._mode, width=px(84))
        dpg.configure_item(self._camera, width=(inner - px(6)) // 2)
        dpg.configure_item(self._grid, width=(inner - px(6)) // 2)
        self._table.place(inner, metrics)
        self._links.place(inner, metrics)
        for button in (self._ablate, self._occlude, self._attend):
            button.place(inner, metrics)

    def update(self, frame: Frame) -> None:
        """Show a frame."""
        policy = frame.lane.policy
        if policy is None:
            reveal(self._known, False)
            recorded = " The trace was recorded without one to ask." if frame.trace.policy is not None else ""
            write(self._status, f"No policy loaded: Ctrl+O opens a checkpoint.{recorded}", DIM)
            return
        reveal(self._known, True)
        self._choice = frame.focus.overlays
        refused = refusal(frame)
        busy = busy_words(frame.lane.asking, time.monotonic())
        words = busy or refused or f"step {frame.step}: what the policy makes of what it sees here"
        write(self._status, words, ACCENT if busy else WARN if refused else DIM)
        self._show_ablation(frame, policy, not refused)
        self._show_occlusion(frame, policy, not refused)
        self._show_attention(frame, not refused)
        steps = asked_steps(frame)
        reveal(self._asked, bool(steps))
        self._links.update(steps)

    def _show_ablation(self, frame: Frame, policy: PolicyInfo, can: bool) -> None:
        moment = insight_here(frame)
        effects = moment.effects if moment is not None else ()
        text = sentence(effects, self._actions)
        write(self._sentence, text or "not asked at this step", TEXT if text else FAINT)
        answer = frame.lane.answers.to(Ablation, frame.trace, frame.step)
        asked = answer.question if answer is not None else None
        self._table.update(effects, asked.mode.value if isinstance(asked, Ablation) else "")
        write_value(self._shown, self._choice.inputs)
        plain = frame.trace.chunk_asked_at(frame.step) is None  # the chunk to compare with is asked for too
        cost = cost_words(plain + ablation_calls(policy), frame.lane.latency.median)
        self._ablate.update(frame, can, f"What does each input do here?   {cost}")

    def _show_occlusion(self, frame: Frame, policy: PolicyInfo, can: bool) -> None:
        cameras = list(policy.cameras)
        if cameras != self._cameras:
            self._cameras = cameras
            dpg.configure_item(self._camera, items=cameras)
            dpg.set_value(self._camera, cameras[0] if cameras else "")
        columns, rows = GRIDS[dpg.get_value(self._grid)]
        plain = frame.trace.chunk_asked_at(frame.step) is None
        cost = cost_words(plain + columns * rows, frame.lane.latency.median)
        self._occlude.update(frame, can and bool(cameras), f"Map it   {cost}" if cameras else "It reads no camera")
        moment = insight_here(frame)
        known = moment.occlusion if moment is not None else {}
        lines = [
            f"{name}: {figure(float(each.effect.max()))} mm where a patch does most, "
            f"{figure(float(each.effect.min()))} mm where least"
            for name, each in known.items()
        ]
        text = "\n".join(lines) or "What covering each part does to the chunk [mm, mean over it]. Shown over the tile."
        write(self._occlusion_words, text, TEXT if lines else FAINT)

    def _show_attention(self, frame: Frame, can: bool) -> None:
        self._attend.update(frame, can, f"Where does it attend?   {cost_words(1, frame.lane.latency.median)}")
        answered = frame.lane.answers.to(Attention, frame.trace, frame.step) is not None
        words = "Where it looked, not what that did: for the effect, take the occlusion map."
        write(self._attention_words, words, TEXT if answered else FAINT)
