"""The first call to a freshly loaded policy, on a blank observation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from policies.checkpoint import CONFIG, Checkpoint, CheckpointError
from policies.inputs import Inputs
from policies.model import reason
from viewer_app.types import ActionChunk, Observation, Want, WhiskersError

_PROMPT = "pick up the block"
"""Any words do; they only must not be none."""


def try_once(
    predict: Callable[[Sequence[Observation], int, int, Want], ActionChunk],
    inputs: Inputs,
    checkpoint: Checkpoint,
    n_obs_steps: int = 1,
) -> None:
    """Call `predict` once, so that what cannot work is told now and the first step is not the slowest.

    Args:
        predict: The policy's.
        inputs: What it reads.
        checkpoint: For complaints.
        n_obs_steps: How many observations it reads.

    Raises:
        CheckpointError: If it fails, or answers with NaN or infinity.
    """
    blank = Observation(
        time=0.0,
        state=np.zeros(inputs.n_state, np.float32),
        images={name: np.zeros((each.height, each.width, 3), np.uint8) for name, each in inputs.cameras.items()},
        task=_PROMPT,
        environment_state=np.zeros(inputs.n_environment_state, np.float32) if inputs.n_environment_state else None,
    )
    try:
        predict([blank] * n_obs_steps, 0, 0, Want())
    except WhiskersError as error:  # The observation fits, so it is the answer that was refused.
        raise CheckpointError(
            f"Checkpoint {checkpoint.folder} answers a blank observation with NaN or infinity; its weights or "
            "statistics are damaged, so take an earlier checkpoint."
        ) from error
    except Exception as error:  # Whatever stops LeRobot's code here would stop every step of an episode.
        raise CheckpointError(
            f"Checkpoint {checkpoint.folder} loads but cannot answer a blank observation ({reason(error)}); check its "
            f"{CONFIG} and processor files against each other."
        ) from error
