"""What a figure is about, and what a figure is: a picture and a table of the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from viewer_app.chunking import FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.insight import Comparison, EpisodeInsight, MomentInsight
from viewer_app.joint_units import JointUnit, channel_unit, convert
from viewer_app.scene import Scene
from viewer_app.trace import Settings, Trace
from viewer_app.types import Float32Array, FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Sequence[str | int | float]
"""One line of a table. Floats are written with seven digits, NaN as an empty cell."""


@dataclass(frozen=True)
class Subject:
    """One moment of a trace and the figures about it: plain data, so that it can be drawn on any thread."""

    scene: Scene
    trace: Trace
    length: int
    """Steps of the trace that may be read."""
    step: int
    """The step looked at, 0 .. length."""
    episode: EpisodeInsight | None = None
    """Of this trace, as far as it was computed."""
    moment: MomentInsight | None = None
    """Of this very step."""
    unit: JointUnit = JointUnit.SCENE
    """Of actions, and of what measures them."""
    comparison: Comparison | None = None
    """Of all lanes, where there are several."""
    lanes: tuple[str, ...] = ()
    """Name of the policy of each lane."""
    apart: float = 10.0
    """Lanes farther apart than this have diverged. [mm]"""

    def convert(self, values: Float32Array) -> FloatArray:
        """Actions, or what measures them, in the subject's unit. Scene units, shape (rows, n)."""
        return convert(values, self.unit, self.scene, self.trace.policy)

    def seconds(self, step: int | NDArray[np.number]) -> FloatArray:
        """Time of control steps from the start of the episode. [s]"""
        return np.asarray(step, np.float64) * self.scene.control_dt

    def boundaries(self) -> list[int]:
        """Steps at which a chunk took over from another."""
        return [chunk.arrived for chunk in self.trace.chunks[1:] if chunk.arrived < self.length]

    def about(self) -> str:
        """Checkpoint, scene, seed, steps and execution mode, in one line."""
        policy = self.trace.policy
        name = policy.name if policy is not None else "no policy"
        mode = mode_words(self.trace.settings_at(self.step))
        return f"{name} on {self.scene.name}, seed {self.trace.seed}, {self.length} steps, {mode}"


def mode_words(settings: Settings) -> str:
    """The execution mode in a few words."""
    match settings.chunking:
        case FirstN(count):
            words = f"first {count} of each chunk"
        case TemporalEnsemble(coefficient):
            words = f"temporal ensemble {coefficient:g}"
        case OverlapBlend(advance, overlap):
            words = f"advance {advance}, overlap {overlap}"
    return words + (f", latency {settings.delay} steps" if settings.delay else "")


def unit_of(subject: Subject, joint: int) -> str:
    """The unit of one number of an action, as a label; empty where it has none."""
    actions = subject.scene.actions
    match subject.unit:
        case JointUnit.DEGREES:
            return actions.shown_units[joint]
        case JointUnit.MODEL:
            scale = subject.trace.policy.action_scale if subject.trace.policy is not None else None
            return "std. dev." if scale is not None and scale.kind == "mean_std" else "normalised"
        case JointUnit.SCENE:
            unit = actions.units[joint]
            return {"-100..100": "range ±100", "0..100": "range 0–100"}.get(unit, unit)  # noqa: RUF001


def in_brackets(unit: str) -> str:
    """A unit as an axis has it, nothing where there is none."""
    return f"[{unit}]" if unit else ""


def column(subject: Subject, joint: int, what: str) -> str:
    """Name of a column of one number of an action, in the subject's unit."""
    name, unit = subject.scene.action_names[joint], channel_unit(subject.unit, subject.scene, joint)
    return f"{name}_{what} {in_brackets(unit)}".rstrip()


@dataclass(frozen=True)
class Plot:
    """One kind of figure."""

    title: str
    draw: Callable[[Figure, Subject], None]
    """
    Raises:
        WhiskersError: If there is nothing to draw yet; one sentence says what is missing.
    """
    table: Callable[[Subject], Iterable[Row]]
    """Header and lines. Raises as `draw`."""
