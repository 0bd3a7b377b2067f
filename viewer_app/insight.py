"""Figures about an episode and about one moment of it, as data. `analysis` computes them, panels and figures show them.

Distances are of the root: the scene's end-effector site, or the site that the person chose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from viewer_app.detectors import Finding
from viewer_app.smoothness import Seam, Smoothness
from viewer_app.trace import Trace
from viewer_app.tracking import Tracking
from viewer_app.types import Float32Array, FloatArray


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
    """One a joint. [deg]"""
    findings: tuple[Finding, ...]
    settled: tuple[Settled, ...] = ()
    """Of the chunks whose denoising was recorded, in order."""
    ranges: Ranges | None = None
    """None where no chunk was made yet."""


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
    """Between which values the actions of a trace's chunks lie, joint by joint."""

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
    """Between what the scene's actuators can be told, in scene units. Shape (n,)."""
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
    joints: FloatArray
    """Largest difference of any measured joint. Shape (moments,). [deg]"""

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
    """Altered minus plain at the end of the chunk, per joint. Shape (n,). [deg]"""


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
    """Per joint: whether the actuator's limit cuts off the action of this step."""
    denoising: DenoisingInsight | None = None


SETTLED = 10.0
"""A denoising step nearer than this to the chunk has found where to go. [mm]"""

SAME = 0.5
"""Samples nearer than this to their mean are one line on any screen. [mm]"""


def lane_letter(lane: int) -> str:
    """How a lane is called wherever several are shown: A, B, C, ..."""
    return chr(ord("A") + lane)
