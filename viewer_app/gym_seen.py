"""What an environment returns, in the few words that a world has for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from viewer_app.gym_packages import GymError
from viewer_app.types import Float32Array

_STATE_KEYS = ("agent_pos", "state", "observation")
"""What environments call proprioception, the most specific name first."""
_ENVIRONMENT_STATE = "environment_state"
"""What LeRobot's environments call what is known of everything but the robot."""

_SUCCESS_KEYS = ("is_success", "success", "succeed")
"""What environments call success in their info. Source: facts measured of gym-aloha, Meta-World and gym-hil."""


@dataclass(frozen=True)
class Seen:
    """What an environment returned."""

    state: Float32Array
    """Proprioception, as the environment gives it. Shape (m,)."""
    reward: float = 0.0
    success: bool = False
    over: bool = False
    """Whether the environment ended the episode."""
    environment_state: Float32Array | None = None
    """Shape (n_env,)."""


def seen_from(name: str, observation: Any, info: Mapping[str, Any], reward: float = 0.0, over: bool = False) -> Seen:
    """
    Args:
        name: Of the environment.
        observation: As the environment gave it.
        info: As the environment gave it.
        reward: Of the step.
        over: Whether the environment ended the episode.

    Raises:
        GymError: If there is no proprioception in the observation.
    """
    success = any(bool(np.any(np.asarray(info[key], np.float64) > 0)) for key in _SUCCESS_KEYS if key in info)
    around = observation.get(_ENVIRONMENT_STATE) if isinstance(observation, Mapping) else None
    return Seen(
        _state_of(name, observation),
        reward,
        success,
        over,
        None if around is None else np.asarray(around, np.float32).ravel(),
    )


def pictures_in(space: Any) -> Mapping[str, tuple[int, int]]:
    """What an observation space calls each picture, to its (height, width). [px]

    A lone picture that is no more than the pixels is called `image`, as LeRobot's feature for it is.
    """
    return {
        "image" if name == "pixels" else name: (int(each.shape[0]), int(each.shape[1]))
        for name, each in _named_spaces("", space)
        if _is_picture(each)
    }


def _state_of(name: str, observation: Any) -> Float32Array:
    if isinstance(observation, Mapping):
        observation = next((observation[key] for key in _STATE_KEYS if key in observation), None)
    state = None if observation is None else np.asarray(observation)
    if state is None or state.ndim != 1:
        raise GymError(
            f"Environment {name} observes no vector of proprioception; one of its entries must be called "
            f"{' or '.join(_STATE_KEYS)}."
        )
    return state.astype(np.float32)


def _named_spaces(name: str, space: Any) -> Iterator[tuple[str, Any]]:
    """All spaces that are not made of others, with the innermost name of each."""
    parts = getattr(space, "spaces", None)
    if isinstance(parts, Mapping):
        for inner, part in parts.items():
            yield from _named_spaces(inner, part)
    else:
        yield name, space


def _is_picture(space: Any) -> bool:
    return space.dtype == np.uint8 and len(space.shape or ()) == 3
