"""LeRobot's own way to run a checkpoint, with nothing of Whiskers in it: the reference for parity."""

from __future__ import annotations

import json
from collections import deque
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from policies.lazy_package import defer_init
from viewer_app.types import Float32Array, Observation

if TYPE_CHECKING:
    from lerobot.policies.pretrained import PreTrainedPolicy


def policy_class(kind: str) -> type[PreTrainedPolicy]:
    """LeRobot's class of a policy type, registered with all that belongs to it and without LeRobot's other types."""
    defer_init("lerobot.policies")
    from lerobot.policies.factory import get_policy_class

    elsewhere = {"tiny_pi0": "policies.tiny_pi0", "sway": "lerobot_policy_sway"}
    package = elsewhere.get(kind, f"lerobot.policies.{kind}")
    import_module(f"{package}.modeling_{kind}")
    return get_policy_class(kind)


class LeRobotLoop:
    """preprocess, `select_action`, postprocess, with LeRobot's loaders and LeRobot's conversion of observations.

    Where the policy draws random numbers, they are torch's global ones.
    """

    def __init__(self, folder: Path) -> None:
        loaded = policy_class(json.loads((folder / "config.json").read_text())["type"])
        from lerobot.configs.policies import PreTrainedConfig
        from lerobot.policies.factory import make_pre_post_processors

        config = PreTrainedConfig.from_pretrained(folder)
        self.policy = loaded.from_pretrained(folder, config=config)
        self._before, self._after = make_pre_post_processors(config, pretrained_path=str(folder))

    def act(self, observation: Observation, seed: int = 0) -> Float32Array:
        """The action for one control step, after `torch.manual_seed` of the seed. Shape (n,)."""
        torch.manual_seed(seed)
        with torch.inference_mode():
            action: Float32Array = self._after(self.policy.select_action(self.batch(observation)))[0].numpy()
        return action

    def chunk(self, observation: Observation, seed: int = 0, **more: object) -> Float32Array:
        """A whole chunk, each row through the postprocessor by itself. Shape (H, n).

        Args:
            observation: What is shown.
            seed: For `torch.manual_seed`.
            more: For LeRobot's `predict_action_chunk`.
        """
        torch.manual_seed(seed)
        with torch.no_grad():
            rows = self.policy.predict_action_chunk(self.batch(observation), **more)[0]
            return np.stack([self._after(row[None])[0].numpy() for row in rows])

    def whole(self, observation: Observation, seed: int = 0) -> Float32Array:
        """A whole chunk through the postprocessor at once, as LeRobot's rollout on a robot does it. Shape (H, n)."""
        torch.manual_seed(seed)
        with torch.no_grad():
            chunk: Float32Array = self._after(self.policy.predict_action_chunk(self.batch(observation)))[0].numpy()
        return chunk

    def batch(self, observation: Observation) -> dict[str, torch.Tensor]:
        """What LeRobot's model is given."""
        from lerobot.policies.utils import prepare_observation_for_inference

        arrays = {lerobot_key(name): np.array(image) for name, image in observation.images.items()}
        arrays["observation.state"] = np.array(observation.state)
        prepared = prepare_observation_for_inference(arrays, torch.device("cpu"), observation.task)
        batch: dict[str, torch.Tensor] = self._before(prepared)
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


def lerobot_key(camera: str) -> str:
    """LeRobot's name of a camera, which may be its lone `observation.image`."""
    return "observation.image" if camera == "image" else f"observation.images.{camera}"
