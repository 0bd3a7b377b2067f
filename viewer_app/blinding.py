"""Blinding: what a policy is shown in place of an input, as a pure function of the observation.

Everything is done on the observation in scene units, before any processor of the policy sees it, so that a blinded
input's true value cannot reach the model by another way.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

import numpy as np

from viewer_app.types import Float32Array, ImageArray, Observation, PolicyInfo

STATE = "state"
"""Name of the proprioception among the inputs that can be blinded."""


class Blind(StrEnum):
    """How an input is replaced."""

    BLACK = "black"
    """Zeros: a black picture, or a state vector of zeros."""
    MEAN = "mean"
    """The training mean, which is zero after normalisation (a picture's to the nearest 1/255)."""
    NOISE = "noise"
    """Random numbers, fresh each step, from the episode's seed."""
    FROZEN = "frozen"
    """The input as it was at the step when the blinding began."""


@dataclass(frozen=True)
class BlindSetting:
    """One blinded input."""

    mode: Blind
    since: int
    """Control step at which the blinding began; `Blind.FROZEN` shows the input of that step."""


def blind(
    observation: Observation,
    blinding: Mapping[str, BlindSetting],
    info: PolicyInfo,
    frozen_at: Mapping[int, Observation],
    seed: int,
    step: int,
) -> Observation:
    """The observation with its blinded inputs replaced.

    Args:
        observation: What the sensors show.
        blinding: Camera name, or `STATE`, to how it is blinded. Names that the observation lacks are left alone.
        info: Says the training means.
        frozen_at: Step to what the sensors showed then, for each `Blind.FROZEN` input's `since`.
        seed: Seed of the episode, for `Blind.NOISE`.
        step: Control step, for `Blind.NOISE`.
    """
    if not blinding:
        return observation
    images = dict(observation.images)
    state = observation.state
    for name, setting in blinding.items():
        then = frozen_at.get(setting.since)
        if name == STATE:
            state = _blind_state(state, setting.mode, info, then, _noise(seed, step, name))
        elif name in images:
            images[name] = _blind_image(name, images[name], setting.mode, info, then, _noise(seed, step, name))
    return replace(observation, state=state, images=MappingProxyType(images))


def _noise(seed: int, step: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, step, zlib.crc32(name.encode())])


def _blind_image(
    name: str, image: ImageArray, mode: Blind, info: PolicyInfo, then: Observation | None, rng: np.random.Generator
) -> ImageArray:
    match mode:
        case Blind.BLACK:
            return np.zeros_like(image)
        case Blind.MEAN:
            colour = np.round(255 * np.array(info.camera_mean.get(name, (0.5, 0.5, 0.5)))).astype(np.uint8)
            return np.broadcast_to(colour, image.shape).copy()
        case Blind.NOISE:
            return rng.integers(0, 256, image.shape, dtype=np.uint8)
        case Blind.FROZEN:
            return image if then is None else then.images[name]
        case _:
            assert_never(mode)


def _blind_state(
    state: Float32Array, mode: Blind, info: PolicyInfo, then: Observation | None, rng: np.random.Generator
) -> Float32Array:
    scale = info.state_scale
    match mode:
        case Blind.BLACK:
            return np.zeros_like(state)
        case Blind.MEAN:
            return np.zeros_like(state) if scale is None else scale.to_scene(np.zeros_like(state))
        case Blind.NOISE:
            unit = rng.standard_normal(state.shape).astype(np.float32)
            return 50 * unit if scale is None else scale.to_scene(unit)
        case Blind.FROZEN:
            return state if then is None else then.state
        case _:
            assert_never(mode)
