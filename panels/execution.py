"""How chunks become actions: the mode, its numbers, and a simulated latency, as controls of the policy panel."""

from __future__ import annotations

import time
from enum import StrEnum

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.style import DIM, Metrics, Tag, hint
from panels.writing import reveal
from viewer_app.chunking import Chunking, FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.commands import SetChunking, SetDelay
from viewer_app.trace import Settings
from viewer_app.types import PolicyInfo

_DEFAULT_COEFFICIENT = 0.01
"""LeRobot's own example value, also the one of the ALOHA paper."""
_PATIENCE = 3.0
"""How long a setting that was asked for is shown as such, while the engine has not answered. [s]"""


class Mode(StrEnum):
    """The execution modes by the names that a person chooses from."""

    FIRST_N = "first n actions"
    ENSEMBLE = "temporal ensemble"
    BLEND = "overlap blending"


def mode_of(chunking: Chunking) -> Mode:
    """Which mode a chunking is of."""
    match chunking:
        case FirstN():
            return Mode.FIRST_N
        case TemporalEnsemble():
            return Mode.ENSEMBLE
        case OverlapBlend():
            return Mode.BLEND


def most_overlap(advance: int, chunk_size: int) -> int:
    """How many steps can be blended at most: those that the old chunk still has rows for, and no more than `advance`.

    Args:
        advance: Steps between two calls.
        chunk_size: Rows of a chunk.
    """
    return max(min(advance, chunk_size - advance), 0)


def usual_blend(n_action_steps: int, chunk_size: int) -> OverlapBlend:
    """The blending to begin with: the checkpoint's own advance where that leaves rows to blend, half of it blended."""
    advance = max(min(n_action_steps, chunk_size // 2), 1)
    return OverlapBlend(advance, min((advance + 1) // 2, most_overlap(advance, chunk_size)))


class _Slider:
    """An integer whose value is taken when it is let go: each value on the way would be an intervention of its own."""

    def __init__(self, words: str, low: int) -> None:
        self._words = words
        self._wanted: int | None = None
        self.item: Tag = dpg.add_slider_int(
            format=words, min_value=low, max_value=low + 1, default_value=low, clamped=True, callback=self._moved
        )

    def _moved(self, _sender: Tag, value: int) -> None:
        self._wanted = int(value)

    @property
    def value(self) -> int:
        return int(dpg.get_value(self.item))

    def let_go(self) -> bool:
        """Whether it was moved and then let go, once."""
        if self._wanted is None or dpg.is_item_active(self.item):
            return False
        self._wanted = None
        return True

    def show(self, value: int) -> None:
        """Write its value, unless a person holds it or it is the same."""
        if self._wanted is None and not dpg.is_item_active(self.item) and self.value != value:
            dpg.set_value(self.item, value)

    def limit(self, low: int, high: int) -> None:
        """Let it go up to `high`; where that leaves nothing to choose, it cannot be moved."""
        state = (max(high, low + 1), high > low)
        if dpg.get_item_user_data(self.item) != state:
            dpg.configure_item(self.item, max_value=state[0], enabled=state[1], user_data=state)

    def say(self, words: str) -> None:
        """Write other words, `%d` being the value."""
        if words != self._words:
            self._words = words
            dpg.configure_item(self.item, format=words)


class ExecutionControls:
    """A mode, a row of controls for it, and a slider for the latency."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._chunk_size = 1
        self._ms = 0.0  # duration of a control step [ms]
        self._coefficient_value = _DEFAULT_COEFFICIENT
        self._held_until = 0.0
        self._settings: Settings | None = None
        self._offered: PolicyInfo | None = None

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        """While one of these is active, keys belong to it."""
        return (self._coefficient, *(slider.item for slider in self._sliders))

    def build(self) -> None:
        """Make the widgets in the container that is open."""
        self._mode = dpg.add_combo([mode.value for mode in Mode], width=-1, callback=self._chosen)
        hint(
            "How chunks become actions, from the next step on\n"
            "first n actions: execute n of a chunk, then ask again\n"
            "temporal ensemble: ask at every step, execute the weighted mean of all chunks that cover it\n"
            "overlap blending: ask every few steps, and cross-fade from the old chunk to the new one"
        )
        with dpg.group() as first_n:
            self._steps = _Slider("n_action_steps %d", 1)
            hint("How many actions of a chunk are executed before the policy is asked again. Ctrl+click to type")
        with dpg.group(horizontal=True) as ensemble:
            dpg.add_text("coefficient", color=DIM)
            self._coefficient = dpg.add_input_float(
                default_value=_DEFAULT_COEFFICIENT,
                step=0,
                format="%g",
                width=-1,
                on_enter=True,
                callback=self._coefficient_set,
            )
            hint("c of exp(-c i), i = 0 the oldest chunk: above 0 trusts old chunks most. Enter applies")
        with dpg.group(horizontal=True) as blend:
            self._advance = _Slider("advance %d", 1)
            hint("How many control steps lie between two calls of the policy. Ctrl+click to type")
            self._overlap = _Slider("overlap %d", 0)
            hint(
                "Over how many control steps the new chunk is blended in\n"
                "At most advance, so that no chunk is left while it is still being blended in, and\n"
                "at most chunk_size - advance, which is what the old chunk still has to say"
            )
        self._rows = {Mode.FIRST_N: first_n, Mode.ENSEMBLE: ensemble, Mode.BLEND: blend}
        self._delay = _Slider("simulated latency %d", 0)
        hint(
            "Simulated latency in control steps, from the next chunk on\n"
            "A chunk answers the observation of that many steps ago; its first rows came too late and are dropped.\n"
            "The chunk after a reset is not delayed: there is nothing to execute meanwhile"
        )
        self._sliders = (self._steps, self._advance, self._overlap, self._delay)

    def place(self, inner: int, metrics: Metrics) -> None:
        """Take a width. [px]"""
        px = metrics.px
        for slider in (self._steps, self._delay):
            dpg.configure_item(slider.item, width=inner)
        half = (inner - px(6)) // 2
        for slider in (self._advance, self._overlap):
            dpg.configure_item(slider.item, width=half)

    def offer(self, policy: PolicyInfo, control_dt: float) -> None:
        """Take the limits and usual values of a policy that was loaded.

        Args:
            policy: What is known of it.
            control_dt: Duration of a control step. [s]
        """
        if policy is self._offered:
            return
        self._offered = policy
        size = self._chunk_size = policy.chunk_size
        self._ms = 1e3 * control_dt
        self._steps.limit(1, size)
        self._advance.limit(1, size)
        self._delay.limit(0, size - 1)
        usual = usual_blend(policy.n_action_steps, size)
        self._steps.show(min(policy.n_action_steps, size))
        self._advance.show(usual.advance)
        self._overlap.show(usual.overlap)
        if policy.ensemble_coefficient is not None:
            self._coefficient_value = policy.ensemble_coefficient
        self._settings = None

    def update(self, settings: Settings) -> None:
        """Show the settings in force for the next step, and send what was let go."""
        self._send_changes()
        self._overlap.limit(0, most_overlap(self._advance.value, self._chunk_size))
        delay = self._delay.value
        self._delay.say(f"simulated latency %d = {delay * self._ms:.0f} ms" if delay else "simulated latency %d")
        if settings is not self._settings:
            self._settings, self._held_until = settings, 0.0
        elif time.monotonic() < self._held_until:
            return
        match settings.chunking:
            case FirstN(count):
                self._steps.show(count)
            case TemporalEnsemble(coefficient):
                self._coefficient_value = coefficient
            case OverlapBlend(advance, overlap):
                self._advance.show(advance)
                self._overlap.show(overlap)
        self._delay.show(settings.delay)
        self._show_coefficient()
        self._show_mode(mode_of(settings.chunking))

    def _show_mode(self, mode: Mode) -> None:
        if dpg.get_value(self._mode) != mode.value:
            dpg.set_value(self._mode, mode.value)
        for each, row in self._rows.items():
            reveal(row, each is mode)

    def _show_coefficient(self) -> None:
        if dpg.is_item_active(self._coefficient):
            return
        value = self._coefficient_value
        if abs(float(dpg.get_value(self._coefficient)) - value) > 1e-6 * max(abs(value), 1e-3):
            dpg.set_value(self._coefficient, value)

    # What the person changes.

    def _send_changes(self) -> None:
        if self._steps.let_go():
            self._change(Mode.FIRST_N)
        if self._advance.let_go() or self._overlap.let_go():
            self._change(Mode.BLEND)
        if self._delay.let_go():
            self._send(SetDelay(self._delay.value))
            self._hold()

    def _chosen(self, _sender: Tag, text: str) -> None:
        mode = Mode(text)
        self._show_mode(mode)
        self._change(mode)

    def _coefficient_set(self, _sender: Tag, value: float) -> None:
        self._coefficient_value = float(value)
        self._change(Mode.ENSEMBLE)

    def _change(self, mode: Mode) -> None:
        """Ask for a mode with the numbers shown."""
        chunking: Chunking
        match mode:
            case Mode.FIRST_N:
                chunking = FirstN(self._steps.value)
            case Mode.ENSEMBLE:
                chunking = TemporalEnsemble(float(dpg.get_value(self._coefficient)), ())
            case Mode.BLEND:
                advance = self._advance.value
                chunking = OverlapBlend(advance, min(self._overlap.value, most_overlap(advance, self._chunk_size)))
        self._send(SetChunking(chunking))
        self._hold()

    def _hold(self) -> None:
        """Show what was asked for until the engine has answered, which a policy call in progress can delay."""
        self._held_until = time.monotonic() + _PATIENCE
