"""The last few observations as one batch, as LeRobot's queues would stack them, without the queues.

LeRobot's policies with `n_obs_steps` keep what they saw between calls. Here a call is handed all that it is to see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from policies.inputs import ENVIRONMENT_STATE, STATE, Inputs
from policies.processors import Processors
from viewer_app.types import Observation

IMAGES = "observation.images"
"""LeRobot's name of the pictures of all cameras in one tensor."""


def stacked(processors: Processors, inputs: Inputs, observations: Sequence[Observation]) -> dict[str, Tensor]:
    """The batch that LeRobot's model is given, each observation having gone through the preprocessor by itself.

    The prompt is the newest one. Shapes: state (1, T, m), environment state (1, T, n_env), `IMAGES`
    (1, T, cameras, 3, H, W), and everything else as the preprocessor gives it for the newest observation.

    Args:
        processors: Of the checkpoint.
        inputs: What the policy reads.
        observations: T observations, oldest first.

    Raises:
        WhiskersError: If an observation does not fit the policy.
    """
    task = observations[-1].task
    # One at a time as in LeRobot's loop: a batch of several may be rounded otherwise.
    prepared = [processors.before(inputs.batch(replace(each, task=task))) for each in observations]
    cameras = [camera.key for camera in inputs.cameras.values()]
    batch = {key: value for key, value in prepared[-1].items() if isinstance(value, Tensor) and key not in cameras}
    for key in (STATE, ENVIRONMENT_STATE):
        if key in batch:
            batch[key] = torch.stack([each[key] for each in prepared], dim=1)
    if cameras:
        pictures = [torch.stack([each[key] for key in cameras], dim=-4) for each in prepared]
        batch[IMAGES] = torch.stack(pictures, dim=1)
    return batch
