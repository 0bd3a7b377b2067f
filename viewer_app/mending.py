"""A policy that is driven as a person mended it.

It is shown the state as it was trained, and gives its actions in the units and the order of the scene. What was mended
is part of the policy's information and of its digest, so that a trace says it and a replay repeats it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from viewer_app.conversion import Conversion, conversion
from viewer_app.mends import Mends
from viewer_app.scene import Scene
from viewer_app.types import (
    ActionChunk,
    Float32Array,
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
from viewer_app.wrapped_policy import WrappedPolicy

MENDING = "mending"
"""The step of an x-ray that is not LeRobot's, but what a person mended."""
_IN_SCENE_UNITS = ("samples", "denoising", "denoising_x0", "samples_denoising")
_IN_MODEL_UNITS = ("denoising_model", "denoising_x0_model")
"""The extras of a chunk whose last dimension is the action's."""


class MendedPolicy(WrappedPolicy):
    """A policy that is shown the state as it was trained on, and whose actions are given as the scene takes them.

    Its information has scales in the scene's units, and a digest that depends on the mends.
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
        told = replace(
            info,
            digest=_digest(info, mends) if mends.driving else info.digest,
            action_scale=_scaled(info.action_scale, self._action),
            state_scale=_scaled(info.state_scale, self._state),
            mended=MappingProxyType({**info.mended, **plain}),
        )
        super().__init__(policy, told)

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
