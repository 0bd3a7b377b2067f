"""LeRobot's own way to run a checkpoint, with nothing of Whiskers in it: the reference for parity."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np
import torch

from policies.lazy_package import defer_init
from viewer_app.types import Float32Array, Observation


class LeRobotLoop:
    """preprocess, `select_action`, postprocess, with LeRobot's loaders and LeRobot's conversion of observations."""

    def __init__(self, folder: Path) -> None:
        defer_init("lerobot.policies")
        from lerobot.policies.act.configuration_act import ACTConfig
        from lerobot.policies.act.modeling_act import ACTPolicy
        from lerobot.policies.factory import make_pre_post_processors

        config = ACTConfig.from_pretrained(folder)
        self.policy = ACTPolicy.from_pretrained(folder, config=config)
        self._before, self._after = make_pre_post_processors(config, pretrained_path=str(folder))

    def act(self, observation: Observation) -> Float32Array:
        """The action for one control step. Shape (n,)."""
        with torch.inference_mode():
            action: Float32Array = self._after(self.policy.select_action(self._batch(observation)))[0].numpy()
        return action

    def chunk(self, observation: Observation) -> Float32Array:
        """A whole chunk, each row through the postprocessor by itself. Shape (H, n)."""
        with torch.inference_mode():
            rows = self.policy.predict_action_chunk(self._batch(observation))[0]
            return np.stack([self._after(row[None])[0].numpy() for row in rows])

    def _batch(self, observation: Observation) -> dict[str, torch.Tensor]:
        from lerobot.policies.utils import prepare_observation_for_inference

        arrays = {f"observation.images.{name}": np.array(image) for name, image in observation.images.items()}
        arrays["observation.state"] = np.array(observation.state)
        batch: dict[str, torch.Tensor] = self._before(prepare_observation_for_inference(arrays, torch.device("cpu")))
        return batch

    def ensemble(self, coefficient: float) -> None:
        """Begin an episode in temporal-ensemble mode."""
        from lerobot.policies.act.modeling_act import ACTTemporalEnsembler

        self.policy.config.temporal_ensemble_coeff = coefficient
        self.policy.temporal_ensembler = ACTTemporalEnsembler(coefficient, self.policy.config.chunk_size)
        self.policy.reset()

    def first_n(self, n_action_steps: int) -> None:
        """Begin an episode in first-n mode."""
        self.policy.config.temporal_ensemble_coeff = None
        self.policy.config.n_action_steps = n_action_steps
        self.policy.reset()

    def change_n(self, n_action_steps: int, executed: int) -> None:
        """Change n in the middle of an episode, `executed` actions into the present chunk."""
        kept = list(self.policy._action_queue)[: max(0, n_action_steps - executed)]
        self.policy.config.n_action_steps = n_action_steps
        self.policy._action_queue = deque(kept, maxlen=n_action_steps)
