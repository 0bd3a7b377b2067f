"""Between which values a policy's actions lie, and whether they look like actions of this robot at all.

Every alarm needs two witnesses, because one alone has innocent explanations: a policy may hold still, and a gripper
may be told to squeeze. The best witness is where the first chunk begins: a policy that is in order begins near the
joints as they are measured there, whatever its units. Where actions are no joint targets there is no such witness, and
what is left is whether they lie far outside what is accepted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from viewer_app.insight import Ranges
from viewer_app.memory import Memory
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Float32Array, FloatArray, PolicyInfo, frozen

WIDE = 60.0
"""A joint whose range spans at least this is told in degrees or in hundredths of its range: normalised numbers would be
next to nothing for it. [scene units]"""
NORMALISED = 6.0
"""Normalised actions hardly ever get larger."""
APART = 0.1
"""A first action farther than this from the measured joint does not begin where the robot is. [share of the range]"""
BEYOND = 0.2
"""A row is out of reach if it is farther than this beyond what the actuator takes. [share of the range]"""
FAR_BEYOND = 1.0
"""So far beyond it nothing sane commands, not even a gripper that squeezes. [share of the range]"""
OFTEN = 0.3
"""Share of all rows from which on what they do is no accident."""
HUGE, HUGE_ALONE = 10.0, 20.0
"""Normalised numbers are no policy's past the first, in two joints or more, and past the second in one: a joint that
hardly ever moves in the training data may well be ten standard deviations from its mean when it does."""
_SAME = 0.5
"""Model and scene units that differ less than this are the same. [scene units]"""
_TRACES = 64


@dataclass(frozen=True)
class _Tally:
    """What was seen in the first `chunks` chunks of a trace."""

    chunks: int
    rows: int
    low: FloatArray  # (n,)
    high: FloatArray  # (n,)
    model_low: FloatArray | None  # (n,)
    model_high: FloatArray | None  # (n,)
    beyond: NDArray[np.int64]  # rows farther than `BEYOND` outside the actuator's range, (n,)
    far_beyond: NDArray[np.int64]  # the same of `FAR_BEYOND`, (n,)
    scaled: float  # largest difference of model and scene units; 0 where the chunks carry no model units
    broken: int | None  # step of the first chunk with a number that is not finite


class RangeReader:
    """Reads traces as they grow: each chunk is looked at once. One per thread."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._reach_low, self._reach_high = (frozen(end) for end in np.asarray(scene.actions.reach, np.float64))
        span = self._reach_high - self._reach_low
        self._span = frozen(np.where(np.isfinite(span) & (span > 0), span, np.nan))  # (n,), NaN without limits
        self._tallies: Memory[list[_Tally]] = Memory(_TRACES)

    def of(self, trace: Trace, length: int) -> Ranges | None:
        """The ranges of a trace's chunks.

        Args:
            trace: The episode.
            length: Steps of it that may be read, at most len(trace).

        Returns:
            None where no chunk was made yet.
        """
        chunks = trace.chunks[: bisect_left(trace.chunks, length, key=_arrived)]
        if not chunks:
            return None
        kept = self._tallies.get(trace, None, list)
        before = kept[0] if kept and kept[0].chunks <= len(chunks) else None
        tally = self._count(before, chunks)
        kept[:] = [tally]
        return Ranges(
            trace=trace,
            length=length,
            chunks=tally.chunks,
            model_low=tally.model_low,
            model_high=tally.model_high,
            low=tally.low,
            high=tally.high,
            joint_low=self._reach_low,
            joint_high=self._reach_high,
            alarm=self._alarm(tally, trace, chunks[0]),
        )

    # Counting.

    def _count(self, before: _Tally | None, chunks: Sequence[ActionChunk]) -> _Tally:
        new = chunks[before.chunks if before is not None else 0 :]
        if before is not None and not new:
            return before
        rows = _finite([chunk.actions for chunk in new])  # (rows, n)
        low, high = np.fmin.reduce(rows, axis=0), np.fmax.reduce(rows, axis=0)
        over = np.fmax(rows - self._reach_high, self._reach_low - rows) / self._span  # NaN never counts
        model_low = model_high = None
        scaled = 0.0
        own = [chunk.model_actions for chunk in new if chunk.model_actions is not None]
        if len(own) == len(new):
            model = _finite(own)
            model_low, model_high = np.fmin.reduce(model, axis=0), np.fmax.reduce(model, axis=0)
            if model.shape == rows.shape:
                scaled = float(np.fmax.reduce(np.abs(model - rows), axis=None, initial=0.0))
        broken = next((chunk.arrived for chunk in new if not _is_finite(chunk)), None)
        tally = _Tally(
            len(chunks),
            len(rows),
            frozen(low),
            frozen(high),
            frozen(model_low) if model_low is not None else None,
            frozen(model_high) if model_high is not None else None,
            (over > BEYOND).sum(axis=0),
            (over > FAR_BEYOND).sum(axis=0),
            scaled,
            broken,
        )
        return tally if before is None else _together(before, tally)

    # Judging.

    def _alarm(self, tally: _Tally, trace: Trace, first: ActionChunk) -> str:
        """One sentence about what is most certainly wrong, empty where nothing is."""
        if tally.broken is not None:
            return (
                f"The chunk of step {tally.broken} holds numbers that are not finite: the policy, or its statistics, "
                "are damaged."
            )
        policy, actions = trace.policy, np.asarray(first.actions, np.float32)
        if not self._scene.commands_joints:
            return self._outside(tally, None) or self._huge(tally, policy)
        state = np.asarray(trace.column("state"), np.float32)[max(first.start, 0)]
        if policy is None or len(state) != actions.shape[1]:
            return self._huge(tally, policy)
        begin = _Begin(self._scene, policy, actions[0], state, self._span)
        return self._tiny(tally, policy, begin) or self._outside(tally, begin) or self._huge(tally, policy)

    def _tiny(self, tally: _Tally, policy: PolicyInfo, begin: _Begin) -> str:
        """Numbers of one or two where the robot takes a hundred, so that it hardly moves."""
        wide = np.nan_to_num(self._span) >= WIDE
        largest = np.fmax(np.abs(tally.low), np.abs(tally.high))
        if not wide.any() or float(largest[wide].max()) > NORMALISED:
            return ""
        apart = begin.apart(begin.row, wide)
        stay = f"All actions stay within {largest[wide].max():.1f} of 0 although joints here span {self._says(wide)}"
        if apart > APART and begin.fits(begin.as_radians, wide):
            return f"{stay}: they look like radians; un-normalise them to the scene's units."
        unscaled = tally.scaled <= _SAME and (policy.action_scale is None or policy.action_scale.kind == "identity")
        # Where the robot rests about 0 it begins near the measured joints by accident, but real statistics of the
        # states beside none of the actions tell.
        state = policy.state_scale
        one_sided = (
            policy.action_scale is not None
            and state is not None
            and state.kind != "identity"
            and len(state.a) == len(wide)
            and float(np.median(np.abs(state.a[wide]))) > NORMALISED
            and tally.chunks > 1
        )
        if unscaled and (apart > APART or one_sided):
            why = "they equal the model's own numbers" if tally.model_low is not None else "nothing scales them"
            return f"{stay}, and {why}: they look un-normalised; the checkpoint's action statistics are missing."
        if apart > APART and begin.fits(begin.normalised_once_more, wide):
            return f"{stay}: they look normalised still; check the statistics that un-normalise the actions."
        return ""

    def _outside(self, tally: _Tally, begin: _Begin | None) -> str:
        """Far from what the actuators or the environment take, for a large share of what is intended."""
        limited = np.isfinite(self._span)
        often = (tally.beyond >= OFTEN * tally.rows) & limited
        far = (tally.far_beyond >= OFTEN * tally.rows) & limited
        if not far.any() and int(often.sum()) < 2:
            return ""
        names = [name for name, bad in zip(self._scene.action_names, often, strict=True) if bad]
        joints = f"{', '.join(names[:3])}{' and others' * (len(names) > 3)}"
        share = 100 * float(tally.beyond[often].max()) / tally.rows
        there = "the environment takes" if self._scene.spec.action.kind == "environment" else "the robot can do"
        text = f"{share:.0f} % of the actions are far outside what {there} ({joints})"
        if begin is None:
            return f"{text}: they look un-normalised with other statistics, or meant for another environment."
        if begin.fits(begin.un_normalised_once_less, limited):
            return f"{text}: they look un-normalised twice."
        if begin.fits(begin.as_degrees, limited):
            return f"{text}: they look like degrees, and the scene takes radians."
        return f"{text}: they look un-normalised with another robot's statistics, or in other units."

    def _huge(self, tally: _Tally, policy: PolicyInfo | None) -> str:
        """Normalised numbers that no policy means."""
        scale = policy.action_scale if policy is not None else None
        if scale is None or scale.kind == "identity" or tally.model_low is None or tally.model_high is None:
            return ""
        largest = np.fmax(np.abs(tally.model_low), np.abs(tally.model_high))
        if int((largest > HUGE).sum()) < min(2, len(largest)) and not (largest > HUGE_ALONE).any():
            return ""
        joint = self._scene.action_names[int(largest.argmax())]
        return (
            f"The model's own numbers reach {largest.max():.0f} ({joint}) where a few are usual: its inputs are not "
            "normalised as in training, or its statistics are another robot's."
        )

    def _says(self, wide: NDArray[np.bool_]) -> str:
        return f"{float(self._span[wide].max()):.0f}"


@dataclass(frozen=True)
class _Begin:
    """The first action of a trace beside the joints as they were measured when it was asked for."""

    scene: Scene
    policy: PolicyInfo
    row: Float32Array
    """Scene units. Shape (n,)."""
    state: Float32Array
    """Scene units. Shape (n,)."""
    span: FloatArray
    """Of what the actuators take, NaN where they have no limits. Shape (n,)."""

    def apart(self, row: Float32Array | None, joints: NDArray[np.bool_]) -> float:
        """How far an action would begin from the robot, in the joint where it is farthest. [share of its range]

        Args:
            row: Scene units. Shape (n,). Infinitely far where there is none.
            joints: Which count. Shape (n,).
        """
        if row is None or not joints.any():
            return np.inf
        share = np.abs(np.asarray(row, np.float64) - self.state)[joints] / self.span[joints]
        return float(np.fmax.reduce(share))

    def fits(self, row: Float32Array | None, joints: NDArray[np.bool_]) -> bool:
        """Whether an explanation puts the first action near the robot, and much nearer than it is."""
        return self.apart(row, joints) <= min(APART, self.apart(self.row, joints) / 2)

    @property
    def as_radians(self) -> Float32Array:
        """If it is in radians."""
        return self.scene.to_scene_units(np.asarray(self.row, np.float64))

    @property
    def as_degrees(self) -> Float32Array:
        """If it is in degrees."""
        return self.scene.to_scene_units(np.deg2rad(np.asarray(self.row, np.float64)))

    @property
    def normalised_once_more(self) -> Float32Array | None:
        """If it still is in normalised units. What joints measure and what they are told is scaled much alike."""
        scale = self.policy.state_scale
        return scale.to_scene(self.row) if scale is not None and len(scale.a) == len(self.row) else None

    @property
    def un_normalised_once_less(self) -> Float32Array | None:
        """If it was scaled once too often."""
        scale = self.policy.action_scale
        return scale.to_model(self.row) if scale is not None and scale.kind != "identity" else None


def ranges_of(scene: Scene, trace: Trace, length: int) -> Ranges | None:
    """The ranges of a trace's chunks, read once. See `RangeReader.of`."""
    return RangeReader(scene).of(trace, length)


def _together(one: _Tally, other: _Tally) -> _Tally:
    """Both, the second counted after the first."""

    def least(a: FloatArray | None, b: FloatArray | None) -> FloatArray | None:
        return frozen(np.fmin(a, b)) if a is not None and b is not None else None

    def most(a: FloatArray | None, b: FloatArray | None) -> FloatArray | None:
        return frozen(np.fmax(a, b)) if a is not None and b is not None else None

    return replace(
        other,
        rows=one.rows + other.rows,
        low=frozen(np.fmin(one.low, other.low)),
        high=frozen(np.fmax(one.high, other.high)),
        model_low=least(one.model_low, other.model_low),
        model_high=most(one.model_high, other.model_high),
        beyond=one.beyond + other.beyond,
        far_beyond=one.far_beyond + other.far_beyond,
        scaled=max(one.scaled, other.scaled),
        broken=one.broken if one.broken is not None else other.broken,
    )


def _finite(parts: Sequence[Float32Array]) -> FloatArray:
    """All rows, NaN in place of what is not finite. Shape (rows, n)."""
    rows = np.concatenate(parts).astype(np.float64)
    return np.where(np.isfinite(rows), rows, np.nan)


def _is_finite(chunk: ActionChunk) -> bool:
    model = chunk.model_actions
    return bool(np.isfinite(chunk.actions).all() and (model is None or np.isfinite(model).all()))


def _arrived(chunk: ActionChunk) -> int:
    return chunk.arrived
