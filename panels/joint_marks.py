"""What the joints panel says beside its curves, as data: limits, lamps and words. No toolkit here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from viewer_app.insight import EnsembleInsight, EpisodeInsight, MomentInsight
from viewer_app.joint_units import JointUnit, convert
from viewer_app.scene import Scene
from viewer_app.tracking import Tracking
from viewer_app.types import Float32Array, FloatArray, PolicyInfo

SIGMA = 3.0
"""How many standard deviations from the mean of the checkpoint's statistics are worth a mark."""
_CUT = 0.01
"""A command that is this much past an actuator's limit is cut off; below it is rounding. [deg]"""


@dataclass(frozen=True)
class Ruler:
    """One unit for the joints of a scene that a policy drives, and what is worth a line in it."""

    unit: JointUnit
    scene: Scene
    policy: PolicyInfo | None
    reach: FloatArray
    """Lowest and highest command that each actuator accepts, infinite where it has no limit. Shape (2, n)."""
    usual: FloatArray | None
    """Mean less and plus `SIGMA` standard deviations of the checkpoint's own action statistics, None where it has none:
    its actions are scaled by their range, or not at all. Shape (2, n)."""
    per_degree: FloatArray
    """What one degree is in the unit: all units are linear. Shape (n,)."""

    def convert(self, values: Float32Array) -> FloatArray:
        """Scene units in this unit. Shape (rows, n)."""
        return convert(values, self.unit, self.scene, self.policy)

    def says(self, value: float) -> str:
        """A value, short enough for a plot's title whatever it is."""
        decimals = 2 if self.unit is JointUnit.MODEL else 1
        # Adding 0 takes the sign of what rounds to it.
        return f"{value:.0e}" if abs(value) >= 1e4 else f"{round(value, decimals) + 0.0:.{decimals}f}"

    def is_unusual(self, value: float, joint: int) -> bool:
        """Whether a value is past `SIGMA` standard deviations."""
        return self.usual is not None and not self.usual[0, joint] <= value <= self.usual[1, joint]


def ruler_for(unit: JointUnit, scene: Scene, policy: PolicyInfo | None) -> Ruler:
    """The ruler of a unit."""
    ends = np.array([[-np.inf], [np.inf]], np.float32).repeat(scene.n_action, axis=1)
    apart = np.array([[0], [100]], np.float32).repeat(scene.n_action, axis=1)
    return Ruler(
        unit=unit,
        scene=scene,
        policy=policy,
        reach=convert(scene.to_scene_units(scene.to_control(ends)), unit, scene, policy),
        usual=_usual(unit, scene, policy),
        per_degree=np.diff(convert(apart, unit, scene, policy), axis=0)[0]
        / np.diff(scene.to_degrees(apart), axis=0)[0],
    )


def _usual(unit: JointUnit, scene: Scene, policy: PolicyInfo | None) -> FloatArray | None:
    scale = policy.action_scale if policy is not None else None
    if scale is None or scale.kind != "mean_std":
        return None
    ends = np.array([[-SIGMA], [SIGMA]], np.float32).repeat(len(scale.a), axis=1)
    # There and back again would round.
    return (
        np.asarray(ends, np.float64) if unit is JointUnit.MODEL else convert(scale.to_scene(ends), unit, scene, policy)
    )


class Lamp(Enum):
    """Whether an actuator can do what it is told."""

    OFF = auto()
    COMING = auto()
    """A planned action leaves its range."""
    NOW = auto()
    """The command of this step does."""


@dataclass(frozen=True)
class Saturation:
    """How far the commands for one joint leave its actuator's range, at a step or after it."""

    lamp: Lamp
    excess: float = 0.0
    """How much of the command, or else of the worst action planned, is cut off: below 0 at the lower limit. In the
    ruler's unit."""
    steps: int = 0
    """Control steps until the first action that leaves it."""


def saturation_of(plan: Float32Array | None, commanded: bool, ruler: Ruler) -> tuple[Saturation, ...]:
    """The saturation of each joint.

    Args:
        plan: What is executed at a step, and then planned. Scene units. Shape (rows, n), None without a plan.
        commanded: Whether row 0 is executed: not where the policy is about to be asked for another plan.
        ruler: Knows the scene and the unit.
    """
    scene = ruler.scene
    if plan is None:
        return (Saturation(Lamp.OFF),) * scene.n_action
    cut = scene.to_degrees(plan) - np.rad2deg(scene.to_control(plan))
    return tuple(_saturation(cut[:, joint], commanded, ruler.per_degree[joint]) for joint in range(scene.n_action))


def _saturation(cut: FloatArray, commanded: bool, per_degree: float) -> Saturation:
    """The saturation of one joint, given what is cut off each row of the plan. Shape (rows,). [deg]"""
    over = np.flatnonzero(np.abs(cut) > _CUT)
    if not len(over):
        return Saturation(Lamp.OFF)
    first = int(over[0])
    if commanded and first == 0:
        return Saturation(Lamp.NOW, float(cut[0] * per_degree))
    return Saturation(Lamp.COMING, float(cut[np.abs(cut).argmax()] * per_degree), first)


def tracking_words(tracking: Tracking, joint: int, ruler: Ruler) -> str:
    """How a joint followed its commands, for a plot's title; empty where nothing was executed yet.

    Args:
        tracking: In degrees.
        joint: Which joint.
        ruler: Unit of the words.
    """
    if not np.isfinite(tracking.rms):
        return ""
    factor = float(ruler.per_degree[joint])
    rms, largest = ruler.says(tracking.rms * factor), ruler.says(tracking.largest * factor)
    return f"rms {rms}  max {largest}  lag {lag_words(tracking.lag, ruler.scene.control_dt)}"


def lag_words(lag: int, dt: float) -> str:
    """A lag in control steps and in milliseconds.

    Args:
        lag: -1 where nothing can be said. [control steps]
        dt: Duration of a control step. [s]
    """
    return "-" if lag < 0 else f"{lag} ({1000 * lag * dt:.0f} ms)"


def spread_words(moment: MomentInsight) -> str:
    """How far apart the chunks are that ever predicted a step."""
    match len(moment.predictions):
        case 0:
            return "no chunk"
        case 1:
            return "1 chunk"
        case count:
            return f"{count} chunks, spread {moment.predictions_spread:.1f} mm"


def spreads_at(moment: MomentInsight, ruler: Ruler) -> FloatArray | None:
    """How far the predictions of a moment are apart in each joint, None where there are not two. Shape (n,)."""
    return np.ptp(ruler.convert(moment.predictions), axis=0) if len(moment.predictions) > 1 else None


@dataclass(frozen=True)
class Told:
    """What a joint's tooltip is made of."""

    ruler: Ruler
    saturation: tuple[Saturation, ...]
    state: Float32Array
    """Measured at the step. Scene units. Shape (n,)."""
    command: Float32Array | None
    """The action of the step, or the next one planned. Scene units. Shape (n,)."""
    episode: EpisodeInsight | None
    moment: MomentInsight | None

    def about(self, joint: int) -> str:
        """All that there is to say about one joint, a sentence a line."""
        sentences = (
            f"{self.ruler.scene.joint_names[joint]}, in {self.ruler.unit}",
            self._values(joint),
            self._reach(joint),
            self._usual(joint),
            self._tracking(joint),
            *self._moment(joint),
        )
        return "\n".join(sentence for sentence in sentences if sentence)

    def _values(self, joint: int) -> str:
        actual = f"Actual {self._value(self.state, joint)}"
        return actual if self.command is None else f"{actual}, command {self._value(self.command, joint)}"

    def _value(self, row: Float32Array, joint: int) -> str:
        return self.ruler.says(float(self.ruler.convert(row[None])[0, joint]))

    def _reach(self, joint: int) -> str:
        says, found = self.ruler.says, self.saturation[joint]
        low, high = (float(end) for end in self.ruler.reach[:, joint])
        if not np.isfinite((low, high)).any():
            return ""
        reach = f"the actuator's range {says(low)} .. {says(high)} (red lines)"
        by = says(abs(found.excess))
        match found.lamp:
            case Lamp.OFF:
                return f"Command and plan stay in {reach}"
            case Lamp.NOW:
                return f"The command leaves {reach} by {by}, which is cut off"
            case Lamp.COMING:
                return f"In {_steps(found.steps)} the plan leaves {reach}, by up to {by}"

    def _usual(self, joint: int) -> str:
        usual, policy, says = self.ruler.usual, self.ruler.policy, self.ruler.says
        if usual is None or policy is None or policy.action_scale is None:
            return ""
        low, high = (says(float(end)) for end in usual[:, joint])
        at = "" if self.command is None else f": now {float(policy.action_scale.to_model(self.command)[joint]):+.1f}"
        return f"{SIGMA:g} standard deviations of the checkpoint's actions: {low} .. {high} (pink lines){at}"

    def _tracking(self, joint: int) -> str:
        if self.episode is None or joint >= len(self.episode.tracking):
            return ""
        words = tracking_words(self.episode.tracking[joint], joint, self.ruler)
        return f"Actual less commanded, over {_steps(self.episode.length)}: {words}" if words else ""

    def _moment(self, joint: int) -> tuple[str, ...]:
        moment, says = self.moment, self.ruler.says
        if moment is None:
            return ()
        apart = spreads_at(moment, self.ruler)
        count = len(moment.predictions)
        then = (
            f"What {count} chunks said about step {moment.step} spans {says(float(apart[joint]))}"
            if apart is not None
            else ""
        )
        return then, self._ensemble(moment.ensemble, moment.step, joint) if moment.ensemble is not None else ""

    def _ensemble(self, ensemble: EnsembleInsight, step: int, joint: int) -> str:
        rows = self.ruler.convert(np.stack([ensemble.raw[0], ensemble.ensembled[0]]))
        raw, mean = (self.ruler.says(float(value)) for value in rows[:, joint])
        kind = "what the ensemble would make of it" if ensemble.what_if else "ensembled"
        return f"At step {step}: newest chunk {raw}, {kind} {mean}"


def _steps(count: int) -> str:
    return f"{count} step{'s' * (count != 1)}"
