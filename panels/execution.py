"""How chunks become actions: the mode, its numbers, and a simulated latency, as controls of the policy panel."""

from __future__ import annotations

import time
from enum import StrEnum

import dearpygui.dearpygui as dpg

from panels.actions import Send
from panels.guidance import GuidanceControls
from panels.held_slider import HeldSlider
from panels.style import DIM, Metrics, Tag, hint
from panels.writing import reveal
from viewer_app.chunking import Chunking, FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.commands import SetChunking, SetDelay, SetDenoisingSteps
from viewer_app.trace import Settings
from viewer_app.types import PolicyInfo

_DEFAULT_COEFFICIENT = 0.01
"""LeRobot's own example value, also the one of the ALOHA paper."""
_MOST_DENOISING_STEPS = 50
"""As far as the slider goes for a policy that takes fewer itself."""
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


class ExecutionControls:
    """A mode, a row of controls for it, a slider for the latency, and those of a policy that denoises."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._guidance = GuidanceControls(send)
        self._own_steps = 0  # denoising steps of the checkpoint
        self._chunk_size = 1
        self._ms = 0.0  # duration of a control step [ms]
        self._coefficient_value = _DEFAULT_COEFFICIENT
        self._held_until = 0.0
        self._settings: Settings | None = None
        self._offered: PolicyInfo | None = None

    @property
    def text_fields(self) -> tuple[Tag, ...]:
        """While one of these is active, keys belong to it."""
        return (self._coefficient, *(slider.item for slider in self._sliders), *self._guidance.text_fields)

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
            self._steps = HeldSlider("n_action_steps %d", 1)
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
            self._advance = HeldSlider("advance %d", 1)
            hint("How many control steps lie between two calls of the policy. Ctrl+click to type")
            self._overlap = HeldSlider("overlap %d", 0)
            hint(
                "Over how many control steps the new chunk is blended in\n"
                "At most advance, so that no chunk is left while it is still being blended in, and\n"
                "at most chunk_size - advance, which is what the old chunk still has to say"
            )
        self._rows = {Mode.FIRST_N: first_n, Mode.ENSEMBLE: ensemble, Mode.BLEND: blend}
        self._delay = HeldSlider("simulated latency %d", 0)
        hint(
            "Simulated latency in control steps, from the next chunk on\n"
            "A chunk answers the observation of that many steps ago; its first rows came too late and are dropped.\n"
            "The chunk after a reset is not delayed: there is nothing to execute meanwhile"
        )
        with dpg.group() as self._denoises:
            self._denoising = HeldSlider("denoising steps %d", 1)
            hint(
                "How many steps the policy takes from noise to action, from the next chunk on: fewer are faster.\n"
                "Ctrl+click to type"
            )
        self._guidance.build()
        self._sliders = (self._steps, self._advance, self._overlap, self._delay, self._denoising)

    def place(self, inner: int, metrics: Metrics) -> None:
        """Take a width. [px]"""
        px = metrics.px
        for slider in (self._steps, self._delay, self._denoising):
            dpg.configure_item(slider.item, width=inner)
        self._guidance.place(inner, metrics)
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
        self._own_steps = policy.denoising_steps
        reveal(self._denoises, policy.denoising_steps > 0)
        self._denoising.limit(1, max(_MOST_DENOISING_STEPS, policy.denoising_steps))
        self._guidance.offer(policy)
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
        steps = self._denoising.value
        own = "" if steps == self._own_steps else f" (own: {self._own_steps})"
        self._denoising.say(f"denoising steps %d{own}")
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
        self._denoising.show(settings.denoising_steps or max(self._own_steps, 1))
        self._guidance.show(settings.guidance)
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
        if self._denoising.let_go():
            steps = self._denoising.value
            self._send(SetDenoisingSteps(0 if steps == self._own_steps else steps))
            self._hold()
        if self._guidance.send_changes():
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
