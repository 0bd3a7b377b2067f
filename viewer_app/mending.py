"""What a person mends of a checkpoint for a session, as data, and a policy that is driven so.

A checkpoint in other units than the scene's, or with its joints in another order, is none the worse for it:
`MendedPolicy` shows it the state as it was trained, and gives its actions in the units and the order of the scene. What
was mended is part of the policy's information and of its digest, so that a trace says it and a replay repeats it.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, Protocol, cast, get_args, runtime_checkable

import mujoco
import numpy as np
from numpy.typing import NDArray

from viewer_app.scene import JointSpec, Scene
from viewer_app.types import (
    ActionChunk,
    CallProgress,
    Float32Array,
    FloatArray,
    Observation,
    Policy,
    PolicyInfo,
    Sampling,
    Scale,
    Want,
    WhiskersError,
    XRayRow,
    frozen,
)

TrainedUnit = Literal["", "radians", "degrees", "range_100"]
"""What a checkpoint's numbers are in; empty for the scene's own units. As in LeRobot, a joint that the scene has in
range_0_100, a gripper, is so in degrees and in range_100 too; in radians all hinges are, and slides are in metres."""
MENDING = "mending"
"""The step of an x-ray that is not LeRobot's, but what a person mended."""
_IN_SCENE_UNITS = ("samples", "denoising", "denoising_x0", "samples_denoising")
_IN_MODEL_UNITS = ("denoising_model", "denoising_x0_model")
"""The extras of a chunk whose last dimension is the action's."""


@runtime_checkable
class _TellsProgress(Protocol):
    """A policy that says how far its call is, as `policies.process.PolicyProcess` does."""

    @property
    def call(self) -> CallProgress | None: ...


@dataclass(frozen=True)
class Mends:
    """What is mended."""

    state_unit: TrainedUnit = ""
    action_unit: TrainedUnit = ""
    state_order: tuple[str, ...] = ()
    """The scene's joint that each number of the checkpoint's state is of; empty where they are in the scene's order."""
    action_order: tuple[str, ...] = ()
    statistics: str = ""
    """A dataset's folder, or a file of statistics, that the numbers are scaled by instead of the checkpoint's own."""

    def __bool__(self) -> bool:
        return self != Mends()

    @property
    def driving(self) -> bool:
        """Whether anything is done to what the policy reads and gives; statistics are a matter of loading it."""
        return replace(self, statistics="") != Mends()

    def and_then(self, other: Mends) -> Mends:
        """These, with what `other` says in place of what these say about the same."""
        return Mends(
            other.state_unit or self.state_unit,
            other.action_unit or self.action_unit,
            other.state_order or self.state_order,
            other.action_order or self.action_order,
            other.statistics or self.statistics,
        )

    def to_plain(self) -> dict[str, str]:
        """As text, for a recording."""
        values = {
            "state_unit": self.state_unit,
            "action_unit": self.action_unit,
            "state_order": ",".join(self.state_order),
            "action_order": ",".join(self.action_order),
            "statistics": self.statistics,
        }
        return {name: value for name, value in values.items() if value}

    @staticmethod
    def from_plain(values: Mapping[str, str]) -> Mends:
        """What `to_plain` made.

        Raises:
            WhiskersError: If a unit is none of those there are.
        """
        return Mends(
            _unit(values.get("state_unit", "")),
            _unit(values.get("action_unit", "")),
            tuple(filter(None, values.get("state_order", "").split(","))),
            tuple(filter(None, values.get("action_order", "").split(","))),
            values.get("statistics", ""),
        )

    def options(self) -> str:
        """As the command line takes it."""
        units = [f"{name}={unit}" for name, unit in (("state", self.state_unit), ("action", self.action_unit)) if unit]
        parts = [f"--units {','.join(units)}"] if units else []
        if self.state_order == self.action_order:
            parts += [f"--joint {number}={shlex.quote(name)}" for number, name in enumerate(self.action_order)]
        else:
            orders = (("state", self.state_order), ("action", self.action_order))
            parts += [f"--joint {of}.{i}={shlex.quote(name)}" for of, names in orders for i, name in enumerate(names)]
        if self.statistics:
            parts.append(f"--statistics {shlex.quote(self.statistics)}")
        return " ".join(parts)

    def words(self) -> str:
        """In a few words for a person."""
        same_units = self.state_unit == self.action_unit
        parts = []
        if same_units and self.state_unit:
            parts.append(f"state and action converted from {self.state_unit}")
        else:
            units = (("state", self.state_unit), ("action", self.action_unit))
            parts += [f"{noun} converted from {unit}" for noun, unit in units if unit]
        if self.state_order and self.state_order == self.action_order:
            parts.append(f"joints taken as {', '.join(self.state_order)}")
        else:
            orders = (("state", self.state_order), ("action", self.action_order))
            parts += [f"{noun} taken as {', '.join(names)}" for noun, names in orders if names]
        if self.statistics:
            parts.append(f"scaled by the statistics of {self.statistics}")
        return "; ".join(parts)


@dataclass(frozen=True)
class Conversion:
    """How one vector of a checkpoint becomes the scene's: number i, times `factor[i]`, plus `offset[i]`, is number
    `place[i]` of the scene's. All of shape (n,)."""

    factor: FloatArray
    offset: FloatArray
    place: NDArray[np.intp]

    def to_scene(self, values: FloatArray) -> FloatArray:
        """Shape (..., n)."""
        found = np.empty_like(values, dtype=np.float64)
        found[..., self.place] = values * self.factor + self.offset
        return found

    def to_checkpoint(self, values: Float32Array) -> Float32Array:
        """Shape (..., n)."""
        return ((values[..., self.place] - self.offset) / self.factor).astype(np.float32)

    @property
    def scales(self) -> bool:
        """Whether it does more than to change the order."""
        return not (np.all(self.factor == 1) and np.all(self.offset == 0))

    def spread_to_scene(self, values: FloatArray) -> FloatArray:
        """A standard deviation, which an offset does not move. Shape (..., n)."""
        found = np.empty_like(values, dtype=np.float64)
        found[..., self.place] = values * np.abs(self.factor)
        return found


def conversion(scene: Scene, unit: TrainedUnit, order: Sequence[str], noun: str) -> Conversion:
    """What turns a checkpoint's numbers into the scene's.

    Args:
        scene: Whose joints they are of.
        unit: Of the checkpoint's numbers.
        order: The scene's joint that each of them is of; empty for the scene's own order.
        noun: What they are, for complaints.

    Raises:
        WhiskersError: If the scene's numbers are not joints, the order is not one of all its joints, or a joint has no
            range.
    """
    if not scene.commands_joints:
        raise WhiskersError(
            f"The numbers of scene {scene.name} are not its joints, so neither units nor joints can be mended there."
        )
    names = scene.joint_names
    if order and sorted(order) != sorted(names):
        raise WhiskersError(
            f"The {noun}'s joints must be those of scene {scene.name} in some order, once each ({', '.join(names)}); "
            f"found {', '.join(order)}."
        )
    place = np.array([names.index(name) for name in order or names], np.intp)
    n = len(names)
    if not unit:
        return Conversion(frozen(np.ones(n)), frozen(np.zeros(n)), place)
    offset = np.array([channel.offset for channel in scene.actions.each])
    scale = np.array([channel.scale for channel in scene.actions.each])
    theirs = np.array([_radians_of(scene, number, unit) for number in range(n)])  # (n, 2), likewise
    # What the checkpoint calls x is the angle theirs[0] + x * theirs[1]; the scene calls that (angle - offset) / scale.
    factor, shift = theirs[:, 1] / scale, (theirs[:, 0] - offset) / scale
    kept = np.array([_is_kept(scene, number, unit) for number in range(n)])
    factor, shift = np.where(kept, 1.0, factor), np.where(kept, 0.0, shift)
    return Conversion(frozen(factor[place]), frozen(shift[place]), place)


def _is_kept(scene: Scene, number: int, unit: TrainedUnit) -> bool:
    """Whether a joint has the same numbers in the checkpoint's units as in the scene's."""
    joint = scene.spec.joints[number]
    if unit != "radians" and joint.unit == "range_0_100":
        return True
    slides = scene.model.joint(joint.name).type[0] == int(mujoco.mjtJoint.mjJNT_SLIDE)
    return bool((unit == "degrees" and slides) or (joint.unit == unit and (joint.scale, joint.offset) == (1.0, 0.0)))


def _radians_of(scene: Scene, number: int, unit: TrainedUnit) -> tuple[float, float]:
    """The angle that a unit calls 0, and how much one more is. [rad]"""
    low, high = scene.joint_range[number]
    joint: JointSpec = scene.spec.joints[number]
    if unit == "radians":
        return 0.0, 1.0
    if unit == "degrees":
        return 0.0, float(np.pi / 180)
    if not high > low and joint.unit != "range_0_100":
        raise WhiskersError(f"Joint {joint.name!r} of scene {scene.name} has no range, which range_100 needs.")
    return float((low + high) / 2), float((high - low) / 200) or 1.0


class MendedPolicy:
    """A policy that is shown the state as it was trained on, and whose actions are given as the scene takes them.

    Satisfies `viewer_app.types.Policy`.
    """

    def __init__(self, policy: Policy, mends: Mends, scene: Scene) -> None:
        """
        Args:
            policy: As it was loaded, with `mends.statistics` where there are any. Wrapped, not owned.
            mends: What is mended.
            scene: Where it is to run.

        Raises:
            WhiskersError: If the mends do not suit the policy and the scene.
        """
        info = policy.info
        self._policy = policy
        self._progress = policy if isinstance(policy, _TellsProgress) else None
        self._state = self._action = None
        if mends.driving:
            for noun, count in (("state", info.n_state), ("action", info.n_action)):
                if count not in (0, scene.n_action):
                    raise WhiskersError(
                        f"Policy {info.name} has {count} {noun} dimensions, and scene {scene.name} {scene.n_action} "
                        "joints; units and order cannot mend that."
                    )
            self._state = conversion(scene, mends.state_unit, mends.state_order, "state")
            self._action = conversion(scene, mends.action_unit, mends.action_order, "action")
        plain = mends.to_plain()
        self._info = replace(
            info,
            digest=_digest(info, mends) if mends.driving else info.digest,
            action_scale=_scaled(info.action_scale, self._action),
            state_scale=_scaled(info.state_scale, self._state),
            mended=MappingProxyType({**info.mended, **plain}),
        )

    @property
    def info(self) -> PolicyInfo:
        """The policy's own, with scales in the scene's units, and a digest that depends on the mends."""
        return self._info

    @property
    def call(self) -> CallProgress | None:
        """How far the call in progress is, from any thread; None without one, or where the policy does not tell."""
        return self._progress.call if self._progress is not None else None

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        """See `viewer_app.types.Policy`."""
        if self._action is None:
            return self._policy.predict(observations, start, seed, want)
        asked = replace(want, sampling=self._leftover(want.sampling))
        chunk = self._policy.predict([self._as_trained(each) for each in observations], start, seed, asked)
        model = None if chunk.model_actions is None else frozen(self._in_order(chunk.model_actions))
        scale = self._info.action_scale
        # One rule for all that is executed, drawn or ensembled, to the bit.
        actions = scale.to_scene(model) if scale is not None and model is not None else self._to_scene(chunk.actions)
        extras = dict(chunk.extras)
        for name in extras.keys() & set(_IN_SCENE_UNITS):
            extras[name] = frozen(self._to_scene(extras[name]))
        for name in extras.keys() & set(_IN_MODEL_UNITS):
            extras[name] = frozen(self._in_order(extras[name]))
        chunk = replace(chunk, actions=frozen(actions), model_actions=model, extras=MappingProxyType(extras))
        return replace(chunk, xray=_mended_too(chunk, observations[-1])) if chunk.xray else chunk

    def ensemble_weights(self, coefficient: float) -> Float32Array:
        """See `viewer_app.types.Policy`."""
        return self._policy.ensemble_weights(coefficient)

    def _as_trained(self, observation: Observation) -> Observation:
        if self._state is None or not self._policy.info.n_state:
            return observation
        return replace(observation, state=frozen(self._state.to_checkpoint(observation.state)))

    def _leftover(self, sampling: Sampling) -> Sampling:
        """What is left of the chunk before, in the model's own order again."""
        if sampling.leftover is None or self._action is None:
            return sampling
        return replace(sampling, leftover=frozen(sampling.leftover[:, self._action.place]))

    def _to_scene(self, values: Float32Array) -> Float32Array:
        assert self._action is not None
        if not self._action.scales:
            return self._in_order(values)
        return self._action.to_scene(values.astype(np.float64)).astype(np.float32)

    def _in_order(self, values: Float32Array) -> Float32Array:
        """The model's columns in the order of the scene. Shape (..., n)."""
        assert self._action is not None
        found = np.empty_like(values)
        found[..., self._action.place] = values
        return found


def mended(policy: Policy, mends: Mends, scene: Scene) -> Policy:
    """The policy as it is to drive: itself where nothing is mended.

    Raises:
        WhiskersError: If the mends do not suit it.
    """
    return MendedPolicy(policy, mends, scene) if mends else policy


def _mended_too(chunk: ActionChunk, observation: Observation) -> tuple[XRayRow, ...]:
    """The x-ray of a call with what was mended as its first step and as its last."""
    state = "observation.state"
    shown = [row for row in chunk.xray if row.part == "before" and not row.step]
    first = [_row("before", "", state, observation.state), *(row for row in shown if row.feature != state)]
    converted = [replace(row, step=MENDING) for row in shown if row.feature == state]
    last = _row("after", MENDING, chunk.xray[-1].feature, chunk.actions)
    return (*first, *converted, *chunk.xray[len(shown) :], last)


def _row(part: Literal["before", "after"], step: str, feature: str, values: Float32Array) -> XRayRow:
    numbers = values.astype(np.float64)
    ends = (float(numbers.min()), float(numbers.max()), float(numbers.mean()), float(numbers.std()))
    return XRayRow(part, step, feature, values.shape, str(values.dtype), *ends)


def _scaled(scale: Scale | None, by: Conversion | None) -> Scale | None:
    """A scale to the checkpoint's units, as one to the scene's."""
    if scale is None or by is None:
        return scale
    a = np.empty_like(scale.a, np.float64)
    a[by.place] = scale.a * by.factor
    b = by.to_scene(scale.b.astype(np.float64))
    if scale.kind == "identity" and by.scales:
        return Scale("mean_std", frozen(a.astype(np.float32)), frozen(b.astype(np.float32)))
    return Scale(scale.kind, frozen(a.astype(np.float32)), frozen(b.astype(np.float32)))


def _digest(info: PolicyInfo, mends: Mends) -> str:
    """Of the checkpoint and the mends together: mended otherwise, it is another function of what is seen."""
    plain = replace(mends, statistics="").to_plain()  # What they hold is in the policy's own digest.
    return hashlib.sha256(json.dumps([info.digest, sorted(plain.items())]).encode()).hexdigest()


def parse_units(text: str) -> Mends:
    """What `--units` says.

    Args:
        text: `state=UNIT,action=UNIT`, or one of them. Empty says nothing.

    Raises:
        WhiskersError: If it is not understood.
    """
    found = Mends()
    for part in filter(None, (each.strip() for each in text.split(","))):
        noun, _, unit = part.partition("=")
        if noun not in ("state", "action") or unit not in _UNITS:
            raise WhiskersError(
                f"--units takes state=UNIT,action=UNIT, the units of the checkpoint's numbers, each of "
                f"{', '.join(_UNITS)}; found {text!r}."
            )
        found = replace(found, state_unit=_unit(unit)) if noun == "state" else replace(found, action_unit=_unit(unit))
    return found


def parse_joints(texts: Iterable[str], names: Sequence[str], scene: Scene) -> Mends:
    """What `--joint` says of a checkpoint's joints. One that none of them names is the scene's of the same name, or, in
    a checkpoint that does not name its joints, the scene's of the same number.

    Args:
        texts: Each `CHECKPOINT_JOINT=SCENE_JOINT`, for state and action, or `state.CHECKPOINT_JOINT=SCENE_JOINT` for
            one of them. The checkpoint's joint is its name, where it has one, or its number from 0.
        names: Of the checkpoint's joints; empty where it does not name them.
        scene: Whose joints they are.

    Raises:
        WhiskersError: If one is not understood, or two are the same joint.
    """
    given: dict[str, dict[int, str]] = {"state": {}, "action": {}}
    n = len(scene.joint_names)
    for text in texts:
        left, _, joint = text.partition("=")
        kind, dot, name = left.partition(".")
        wanted = (kind,) if dot and kind in given and name not in ("", "pos") else tuple(given)
        name = name if len(wanted) == 1 else left
        number = names.index(name) if name in names else int(name) if name.isdecimal() else -1
        if not 0 <= number < n or joint not in scene.joint_names:
            theirs = ", ".join(names) or f"0 to {n - 1}"
            raise WhiskersError(
                f"--joint takes CHECKPOINT_JOINT=SCENE_JOINT with one of {theirs} and one of "
                f"{', '.join(scene.joint_names)}; found {text!r}."
            )
        for each in wanted:
            given[each][number] = joint
    orders = {noun: _order(found, names, scene) for noun, found in given.items()}
    return Mends(state_order=orders["state"], action_order=orders["action"])


def _order(given: Mapping[int, str], names: Sequence[str], scene: Scene) -> tuple[str, ...]:
    if not given:
        return ()
    known = names if set(names) <= set(scene.joint_names) and len(names) == len(scene.joint_names) else ()
    order = [given.get(number, (known or scene.joint_names)[number]) for number in range(len(scene.joint_names))]
    if len(set(order)) != len(order):
        twice = next(name for name in order if order.count(name) > 1)
        raise WhiskersError(f"--joint gives scene joint {twice!r} two of the checkpoint's; give each one.")
    return tuple(order)


_UNITS = tuple(unit for unit in get_args(TrainedUnit) if unit)


def _unit(text: str) -> TrainedUnit:
    """
    Raises:
        WhiskersError: If there is no such unit.
    """
    if text not in get_args(TrainedUnit):
        raise WhiskersError(f"There is no unit {text!r}; there are {', '.join(_UNITS)}.")
    return cast(TrainedUnit, text)
