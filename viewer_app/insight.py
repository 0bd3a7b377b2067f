"""Figures about an episode and about one moment of it, as data. `analysis` computes them, panels and figures show them.

Distances are of the root: the scene's end-effector site, or the site that the person chose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from viewer_app.detectors import Finding
from viewer_app.smoothness import Seam, Smoothness
from viewer_app.trace import Trace
from viewer_app.tracking import Tracking
from viewer_app.types import Float32Array, FloatArray, Positions


@dataclass(frozen=True, eq=False)
class Reach:
    """How near the joints could bring the end effector to where each executed action asked it to be."""

    position: FloatArray
    """Distance by which the joint targets miss the position. Shape (steps,). [mm]"""
    orientation: FloatArray
    """Angle by which they miss the orientation, 0 where any will do. Shape (steps,). [deg]"""
    missed: NDArray[np.bool_]
    """Whether the position is missed by more than the tolerance of `actuation`. Shape (steps,)."""
    failed: NDArray[np.bool_]
    """Whether the position or the orientation is. Shape (steps,)."""

    def to_plain(self) -> dict[str, object]:
        """As it stands in `summary.json`."""
        return {
            "failed_steps": int(self.failed.sum()),
            "share_failed": float(self.failed.mean()) if len(self.failed) else None,
            "largest_position_error_mm": float(self.position.max(initial=0.0)),
            "largest_orientation_error_deg": float(self.orientation.max(initial=0.0)),
        }

    def words(self, end: int) -> str:
        """How often and how far the first `end` steps failed, in one line."""
        failed = int(self.failed[:end].sum())
        if not failed:
            return f"all of {end} targets were reached"
        share = f"{failed} of {end} targets were not reached ({100 * failed / end:.0f} %)"
        turned = self.orientation[:end].max()
        return f"{share}, by up to {self.position[:end].max():.1f} mm" + (f" and {turned:.1f} deg" if turned else "")


@dataclass(frozen=True)
class EpisodeInsight:
    """Figures about the first `length` steps of a trace."""

    trace: Trace
    length: int
    smoothness: Smoothness
    """Of the commanded motion."""
    seams: tuple[Seam, ...]
    """Where one chunk takes over from another, in order."""
    tracking: tuple[Tracking, ...]
    """One for each number of an action, in the units in which it is shown (`Channels.shown_units`). Empty where the
    state does not measure what actions command."""
    findings: tuple[Finding, ...]
    settled: tuple[Settled, ...] = ()
    """Of the chunks whose denoising was recorded, in order."""
    ranges: Ranges | None = None
    """None where no chunk was made yet."""
    reach: Reach | None = None
    """None where actions are no poses of the end effector."""


@dataclass(frozen=True)
class Gap:
    """How far two paths are apart, row by row."""

    end: float
    """At the last row that both have. [mm]"""
    largest: float
    """[mm]"""
    rows: int
    """How many rows were compared."""


@dataclass(frozen=True)
class Spread:
    """Largest distance of any path from the mean of all, at three rows of the chunk. [mm]"""

    quarter: float
    half: float
    full: float


@dataclass(frozen=True)
class SamplesInsight:
    """What sampling the policy at one observation showed."""

    step: int
    """The step whose observation it was."""
    count: int
    """How many samples, 0 where the policy has nothing random in it."""
    spread: Spread | None
    deterministic: bool
    """Whether there is nothing to see: no samples, or none farther than `SAME` from the others."""
    text: str
    """One line that says so in words."""


@dataclass(frozen=True)
class EnsembleInsight:
    """The temporal ensemble at one step."""

    what_if: bool
    """Whether it is not what is executed."""
    coefficient: float
    """LeRobot's convention: above 0 trusts the oldest chunk most."""
    ages: tuple[int, ...]
    """Age of each member, oldest first. [control steps]"""
    weights: tuple[float, ...]
    """Share of each member in the action, oldest first. They add up to 1."""
    raw: Float32Array
    """The newest member's rows from the step on. Scene units. Shape (rows, n)."""
    ensembled: Float32Array
    """The ensembled rows from the step on. Scene units. Shape (rows, n)."""
    spread: float
    """Largest distance of a member from the mean of all, at this step. [mm]"""
    calls: int
    """Policy calls a step that it costs beyond those made anyway; the what-if's own calls where it is one."""
    seconds: float
    """What they took. [s]"""


@dataclass(frozen=True, eq=False)
class DenoisingInsight:
    """How one chunk came out of noise in S denoising steps. Row S is the chunk itself."""

    step: int
    """The step whose observation it answers."""
    times: FloatArray
    """The policy's own time of each row. Shape (S + 1,)."""
    mean: FloatArray
    """Of the sample's numbers in the model's normalised units, as are the three below. Shape (S + 1,)."""
    deviation: FloatArray
    """Standard deviation. Shape (S + 1,)."""
    smallest: FloatArray
    """Shape (S + 1,)."""
    largest: FloatArray
    """Shape (S + 1,)."""
    away: FloatArray
    """Largest distance of the sample's whisker from the chunk's. Shape (S + 1,). [mm]"""
    away_aim: FloatArray
    """The same of the chunk that each step points to. Shape (S,). [mm]"""
    away_model: FloatArray
    """Root mean square distance of the sample from the chunk in normalised units. Shape (S + 1,)."""
    away_aim_model: FloatArray
    """The same of the chunk that each step points to. Shape (S,)."""
    spread: FloatArray
    """Largest distance of any draw of the noise from the mean of all at the chunk's end, by denoising step.
    Shape (S + 1,), empty where only one was drawn. [mm]"""
    settled: int
    """The denoising step from which on the whisker stays within `SETTLED` of the chunk's."""
    aim_settled: int
    """The same of the chunk that the steps point to; S where only the last does."""


@dataclass(frozen=True)
class Settled:
    """How early one chunk of an episode was within `SETTLED` of what it became."""

    step: int
    """The step whose observation it answers."""
    steps: int
    """Denoising steps that were taken."""
    sample: int
    """The denoising step from which on the sample was."""
    aim: int
    """The denoising step from which on what the steps point to was."""


@dataclass(frozen=True, eq=False)
class Ranges:
    """Between which values the actions of a trace's chunks lie, number by number."""

    trace: Trace
    length: int
    chunks: int
    """How many chunks were counted."""
    model_low: FloatArray | None
    """In the model's normalised units. Shape (n,). None where the chunks carry none."""
    model_high: FloatArray | None
    low: FloatArray
    """In scene units. Shape (n,)."""
    high: FloatArray
    joint_low: FloatArray
    """Between what the scene's actuators, or its environment, can be told, in scene units. Shape (n,)."""
    joint_high: FloatArray
    alarm: str
    """One sentence where they look un-normalised, normalised twice, or out of reach; empty where all is well."""


@dataclass(frozen=True, eq=False)
class Divergence:
    """How far two lanes are from each other, moment by moment, as far as both have got."""

    lane: int
    """The lane that is compared with lane 0."""
    tip: FloatArray
    """Distance of the end effectors. Shape (moments,). [mm]"""
    object: FloatArray | None
    """Distance of the task's objects. Shape (moments,). [mm] None where the task has none."""
    joints: FloatArray | None
    """Largest difference of any measured joint that turns. Shape (moments,). [deg] None where none is measured."""

    def first(self, apart: float) -> int | None:
        """The first moment at which grippers or objects are farther apart than `apart` [mm]; None where none is."""
        far = self.tip > apart
        if self.object is not None:
            far |= self.object > apart
        return int(np.argmax(far)) if far.any() else None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Figures about lanes beside each other."""

    divergences: tuple[Divergence, ...]
    """Of every lane but the first, from the first."""
    ranges: tuple[Ranges | None, ...]
    """Of every lane; None where no chunk was made yet."""
    plans: tuple[float | None, ...]
    """Largest distance of each lane's whisker from the first lane's at the moment looked at, both from the same
    pose of lane 0's arm; None where one of them has no plan. [mm]"""


@dataclass(frozen=True)
class Effect:
    """What blinding one input changes."""

    name: str
    """Of the input, or `questions.ALL_CAMERAS`."""
    end: float
    """Distance of the two whiskers at the end of the chunk. [mm]"""
    largest: float
    """Largest distance over its rows. [mm]"""
    joints: FloatArray
    """Altered minus plain at the end of the chunk, per number of an action, in the units in which it is shown.
    Shape (n,)."""


@dataclass(frozen=True)
class OcclusionInsight:
    """What a patch over each part of a picture changes."""

    camera: str
    effect: FloatArray
    """Mean distance of the two whiskers over the rows of the chunk, per cell. Shape (rows, columns). [mm]"""


@dataclass(frozen=True)
class MomentInsight:
    """Figures about one moment of a trace."""

    trace: Trace
    step: int
    key: object
    """What they were computed from, to tell whether they still hold."""
    physics: Gap | None = None
    """Kinematic against physics whisker of what is to come. None without a plan."""
    executed: Gap | None = None
    """Kinematic whisker of the chunk in force against the path taken, over the rows executed so far."""
    executed_physics: Gap | None = None
    """Physics whisker, from where that chunk came into force, against the same path; 0 where nothing interfered."""
    predictions: Float32Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """What each chunk that ever predicted this step said about it, oldest first. Scene units. Shape (members, n)."""
    prediction_steps: tuple[int, ...] = ()
    """The step at which each of them was asked for."""
    predictions_spread: float = 0.0
    """Largest distance of any of them from their mean. [mm]"""
    ensemble: EnsembleInsight | None = None
    samples: SamplesInsight | None = None
    effects: tuple[Effect, ...] = ()
    occlusion: Mapping[str, OcclusionInsight] = field(default_factory=lambda: MappingProxyType({}))
    """By camera."""
    attention: Mapping[str, FloatArray] = field(default_factory=lambda: MappingProxyType({}))
    """By camera: mean over the chunk's rows of the decoder's cross-attention. Shape (rows, columns)."""
    saturated: tuple[bool, ...] = ()
    """Per number of an action: whether a limit cuts off that of this step."""
    denoising: DenoisingInsight | None = None
    positions: Positions | None = None
    """Where everything is that a person can put somewhere."""
    began: Positions | None = None
    """Where it was when the episode began."""


SETTLED = 10.0
"""A denoising step nearer than this to the chunk has found where to go. [mm]"""

SAME = 0.5
"""Samples nearer than this to their mean are one line on any screen. [mm]"""


def lane_letter(lane: int) -> str:
    """How a lane is called wherever several are shown: A, B, C, ..."""
    return chr(ord("A") + lane)
