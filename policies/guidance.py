"""Real-time chunking of a flow-matching policy: LeRobot's own guidance, switched on for one call and off again.

While a chunk is denoised, the velocity of each step is corrected so that the first rows come out near what is left of
the chunk before. LeRobot keeps the means for it in the policy's configuration and in its model; nothing of it remains.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from lerobot.configs import RTCAttentionSchedule
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.policies.rtc.configuration_rtc import RTCConfig
from lerobot.policies.rtc.modeling_rtc import RTCProcessor
from torch import Tensor

from viewer_app.types import Guidance, PolicyInfo, Sampling, WhiskersError


@dataclass(frozen=True, eq=False)
class Pull:
    """What a call is drawn towards."""

    guidance: Guidance
    leftover: Tensor
    """In the model's units, row 0 for row 0 of the new chunk. Shape (T, n), 1 <= T <= H."""
    delay: int
    """Rows that are pulled fully."""

    def arguments(self, count: int) -> dict[str, object]:
        """What LeRobot's `predict_action_chunk` takes of it, for `count` chunks at once."""
        return {
            # LeRobot widens a leftover that it pads, and only that.
            "prev_chunk_left_over": self.leftover.expand(count, *self.leftover.shape),
            "inference_delay": self.delay,
        }


def pull_of(sampling: Sampling, info: PolicyInfo) -> Pull | None:
    """What a call is drawn towards, None where nothing guides it, as in the first chunk of an episode.

    Raises:
        WhiskersError: If the leftover is not one of this policy's chunks, or the guidance has no weight.
    """
    guidance, leftover = sampling.guidance, sampling.leftover
    if guidance is None or leftover is None or not len(leftover):
        return None
    if leftover.ndim != 2 or leftover.shape[1] != info.n_action:
        raise WhiskersError(
            f"Real-time chunking of policy {info.name} needs a leftover of shape (T, {info.n_action}), and was given "
            f"{leftover.shape}; it must be of the same policy's chunk."
        )
    if guidance.weight <= 0:
        raise WhiskersError(f"Real-time chunking needs a weight above 0, not {guidance.weight:g}.")
    rows = torch.from_numpy(leftover[: info.chunk_size].copy())
    return Pull(guidance, rows.to(info.device), sampling.delay)


@dataclass(frozen=True, eq=False)
class Guide:
    """What guides a policy's calls."""

    processor: RTCProcessor
    """LeRobot's. Its `denoise_step` takes the model's velocity and answers the one that is followed."""
    shares: list[Tensor]
    """How much it let the leftover count in each row, after each denoising step. Shape (H,)."""


@contextmanager
def guided(policy: PreTrainedPolicy, guidance: Guidance) -> Iterator[Guide]:
    """While in force, LeRobot guides the policy's calls."""
    policy.config.rtc_config = RTCConfig(
        enabled=True,
        prefix_attention_schedule=RTCAttentionSchedule(guidance.schedule.upper()),
        max_guidance_weight=float(guidance.weight),
        execution_horizon=guidance.horizon,
    )
    try:
        policy.init_rtc_processor()
        processor = policy.rtc_processor
        weigh, shares = processor.get_prefix_weights, []

        def watched(start: int, end: int, total: int) -> Tensor:
            shares.append(weigh(start, end, total))
            return shares[-1]

        processor.get_prefix_weights = watched
        yield Guide(processor, shares)
    finally:
        policy.config.rtc_config = None
        # LeRobot takes its processor away from the policy alone, never from the model inside.
        policy.rtc_processor = policy.model.rtc_processor = None
