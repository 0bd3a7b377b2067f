"""What every adapter does with a model's output: check it, freeze it, and make an action chunk of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viewer_app.types import ActionChunk, Float32Array, Observation, PolicyInfo, WhiskersError, frozen


def chunk_from(
    info: PolicyInfo,
    observation: Observation,
    start: int,
    seed: int,
    latency: float,
    normalised: Tensor,
    actions: Float32Array,
    extras: Mapping[str, NDArray[np.float32]],
) -> ActionChunk:
    """The chunk that a model answered.

    Args:
        info: Of the policy.
        observation: What it answered.
        start, seed, latency, extras: As in `ActionChunk`.
        normalised: In the model's units. Shape (1, H, n).
        actions: The same in scene units. Shape (H, n).

    Raises:
        WhiskersError: If a number is not finite.
    """
    if not np.isfinite(actions).all():
        raise WhiskersError(
            f"Policy {info.name} answered the observation at {observation.time:.2f} s with NaN or "
            "infinity; look at what its cameras and its state showed there."
        )
    return ActionChunk(
        start=start,
        actions=frozen(actions),
        seed=seed,
        latency=latency,
        model_actions=frozen(normalised[0].float().cpu().numpy()),
        extras=MappingProxyType(dict(extras)),
    )


def ensemble_weights(chunk_size: int, coefficient: float) -> Float32Array:
    """The weights of LeRobot's `ACTTemporalEnsembler`, oldest first. Shape (chunk_size,)."""
    return frozen(torch.exp(-coefficient * torch.arange(chunk_size)).numpy())
