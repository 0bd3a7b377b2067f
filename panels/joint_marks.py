"""What the joints panel says beside its curves, as data: limits, lamps and words. No toolkit here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

import numpy as np

from viewer_app.insight import EnsembleInsight, EpisodeInsight, MomentInsight
from viewer_app.joint_units import JointUnit, channel_unit, convert, unit_words
from viewer_app.scene import Scene
from viewer_app.tracking import Tracking
from viewer_app.types import Float32Array, FloatArray, PolicyInfo

SIGMA = 3.0
"""How many standard deviations from the mean of the checkpoint's statistics are worth a mark."""
_CUT = 0.01
"""A command that is this much past a limit is cut off; below it is rounding. [deg, mm, or the action's own unit]"""
_LEAST_SPAN = {
    **dict.fromkeys(("deg", "mm", "-100..100", "0..100"), 4.0),
    "rad": 0.07,
    "m": 0.004,
    "": 0.1,
    JointUnit.MODEL.value: 0.2,
}
"""By the unit. As much as a joint that rests may tremble."""
_DECIMALS = {"rad": 2, "m": 3, "": 2, JointUnit.MODEL.value: 2}
"""By the unit; one where another."""


@dataclass(frozen=True)
class Ruler:
    """One unit for the joints of a scene that a policy drives, or for whatever else actions are, and what is worth a
    line in it."""

    unit: JointUnit
    scene: Scene
    policy: PolicyInfo | None
    reach: FloatArray
    """Lowest and highest command that each actuator, or the environment, accepts, infinite where there is no limit.
    Shape (2, n)."""
    usual: FloatArray | None
    """Mean less and plus `SIGMA` standard deviations of the checkpoint's own action statistics, None where it has none:
    its actions are scaled by their range, or not at all. Shape (2, n)."""
    per_shown: FloatArray
    """What one degree or one millimetre, or one where neither is shown, is in the unit: all are linear. Shape (n,)."""

    def convert(self, values: Float32Array) -> FloatArray:
        """Scene units in this unit. Shape (rows, n)."""
        return convert(values, self.unit, self.scene, self.policy)

    @property
    def measures(self) -> bool:
        """Whether something measures what is commanded."""
        return self.scene.measures_commands

    @property
    def words(self) -> str:
        """The unit's name."""
        return unit_words(self.unit, self.scene)

    def label(self, joint: int) -> str:
        """Unit of one number, as figures have it; empty where it has none."""
        actions = self.scene.actions
        match self.unit:
            case JointUnit.SCENE:
                return actions.units[joint]
            case JointUnit.DEGREES:
                return actions.shown_units[joint]
            case JointUnit.MODEL:
                return self.unit.value

    def least_span(self, joint: int) -> float:
        """What a plot's height spans at least, so that what rests is a flat line and not magnified rounding."""
        return _LEAST_SPAN[self.label(joint)]

    def says(self, value: float, joint: int) -> str:
        """A value, short enough for a plot's title whatever it is."""
        decimals = _DECIMALS.get(self.label(joint), 1)
        # Adding 0 takes the sign of what rounds to it.
        return f"{value:.0e}" if abs(value) >= 1e4 else f"{round(value, decimals) + 0.0:.{decimals}f}"

    def is_unusual(self, value: float, joint: int) -> bool:
        """Whether a value is past `SIGMA` standard deviations."""
        return self.usual is not None and not self.usual[0, joint] <= value <= self.usual[1, joint]


def ruler_for(unit: JointUnit, scene: Scene, policy: PolicyInfo | None) -> Ruler:
    """The ruler of a unit."""
    apart = np.array([[0], [100]], np.float32).repeat(scene.n_action, axis=1)
    return Ruler(
        unit=unit,
        scene=scene,
        policy=policy,
        reach=convert(scene.actions.reach, unit, scene, policy),
        usual=_usual(unit, scene, policy),
        per_shown=np.diff(convert(apart, unit, scene, policy), axis=0)[0]
        / np.diff(scene.actions.to_shown(apart), axis=0)[0],
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
    """Whether what is told can be done."""

    OFF = auto()
    COMING = auto()
    """A planned action leaves the range of what is accepted."""
    NOW = auto()
    """The command of this step does."""


@dataclass(frozen=True)
class Saturation:
    """How far the commands for one joint leave the range of what is accepted, at a step or after it."""

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
    cut = scene.actions.cut(plan)
    return tuple(_saturation(cut[:, joint], commanded, ruler.per_shown[joint]) for joint in range(scene.n_action))


def _saturation(cut: FloatArray, commanded: bool, per_shown: float) -> Saturation:
    """The saturation of one joint, given what is cut off each row of the plan, as shown. Shape (rows,)."""
    over = np.flatnonzero(np.abs(cut) > _CUT)
    if not len(over):
        return Saturation(Lamp.OFF)
    first = int(over[0])
    if commanded and first == 0:
        return Saturation(Lamp.NOW, float(cut[0] * per_shown))
    return Saturation(Lamp.COMING, float(cut[np.abs(cut).argmax()] * per_shown), first)


def tracking_words(tracking: Tracking, joint: int, ruler: Ruler) -> str:
    """How a joint followed its commands, for a plot's title; empty where nothing was executed yet.

    Args:
        tracking: In the unit in which the joint is shown.
        joint: Which joint.
        ruler: Unit of the words.
    """
    if not np.isfinite(tracking.rms):
        return ""
    factor = float(ruler.per_shown[joint])
    rms, largest = (ruler.says(value * factor, joint) for value in (tracking.rms, tracking.largest))
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
    state: Float32Array | None
    """Measured at the step. Scene units. Shape (n,). None where nothing measures what is commanded."""
    command: Float32Array | None
    """The action of the step, or the next one planned. Scene units. Shape (n,)."""
    episode: EpisodeInsight | None
    moment: MomentInsight | None

    def about(self, joint: int) -> str:
        """All that there is to say about one joint, a sentence a line."""
        sentences = (
            self._name(joint),
            self._values(joint),
            self._reach(joint),
            self._usual(joint),
            self._tracking(joint),
            *self._moment(joint),
        )
        return "\n".join(sentence for sentence in sentences if sentence)

    def _name(self, joint: int) -> str:
        name, unit = self.ruler.scene.action_names[joint], channel_unit(self.ruler.unit, self.ruler.scene, joint)
        return f"{name}, in {unit}" if unit else name

    def _values(self, joint: int) -> str:
        known = (("Actual", self.state), ("command", self.command))
        words = ", ".join(f"{noun} {self._value(row, joint)}" for noun, row in known if row is not None)
        return words[:1].upper() + words[1:]

    def _value(self, row: Float32Array, joint: int) -> str:
        return self.ruler.says(float(self.ruler.convert(row[None])[0, joint]), joint)

    def _reach(self, joint: int) -> str:
        says, found = partial(self.ruler.says, joint=joint), self.saturation[joint]
        low, high = (float(end) for end in self.ruler.reach[:, joint])
        if not np.isfinite((low, high)).any():
            return ""
        whose = "environment" if self.ruler.scene.spec.action.kind == "environment" else "actuator"
        reach = f"the {whose}'s range {says(low)} .. {says(high)} (red lines)"
        by = says(abs(found.excess))
        match found.lamp:
            case Lamp.OFF:
                return f"Command and plan stay in {reach}"
            case Lamp.NOW:
                cut = ", which is cut off" if whose == "actuator" else ""
                return f"The command leaves {reach} by {by}{cut}"
            case Lamp.COMING:
                return f"In {_steps(found.steps)} the plan leaves {reach}, by up to {by}"

    def _usual(self, joint: int) -> str:
        usual, policy, says = self.ruler.usual, self.ruler.policy, partial(self.ruler.says, joint=joint)
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
        moment, says = self.moment, partial(self.ruler.says, joint=joint)
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
        raw, mean = (self.ruler.says(float(value), joint) for value in rows[:, joint])
        kind = "what the ensemble would make of it" if ensemble.what_if else "ensembled"
        return f"At step {step}: newest chunk {raw}, {kind} {mean}"


def _steps(count: int) -> str:
    return f"{count} step{'s' * (count != 1)}"
