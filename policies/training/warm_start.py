"""Teaches ACT where the block is before it is trained to move. A few minutes.

ACT's own objective holds the answer, but finds it slowly: most of a chunk follows from the joint angles alone, and its
attention begins by averaging over the picture, which hides the position. So two short lessons come first. Both ask, at
any moment before the grasp, for the arm's joint targets at the grasp. That is a function of the block's pose, and the
dataset already holds it: the action at which the gripper begins to close. No simulator is needed.

1. The image backbone alone, with a plain linear head that sees every cell of the picture by itself.
2. The whole policy, from that backbone, answering the grasp in every row of its chunk.

    python -m policies.training.warm_start --dataset DIR --out DIR
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from viewer_app.types import Float32Array

if TYPE_CHECKING:
    import torch
    from lerobot.datasets import LeRobotDataset
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy

LEARNING_RATE = 3e-4
BATCH = 16
BACKBONE_STEPS, POLICY_STEPS = 300, 600
CLOSING = 2.0
"""How far the gripper's target moves from where it began before we say that it closes. [scene units]"""


@dataclass(frozen=True)
class Glances:
    """Moments before a grasp, and the grasp that followed. All are normalised as the trainer does it."""

    cameras: tuple[torch.Tensor, ...]
    """Pictures, one tensor per camera. Each (N, 3, H, W), uint8."""
    states: torch.Tensor
    """(N, n)"""
    grasps: torch.Tensor
    """The arm's joint targets at the grasp. (N, n - 1)"""

    def __len__(self) -> int:
        return len(self.grasps)

    def batch(self, rows: torch.Tensor) -> dict[str, object]:
        """What ACT reads, for some of the moments."""
        return {
            "observation.images": [normalised(pictures[rows]) for pictures in self.cameras],
            "observation.state": self.states[rows],
        }


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures as the trainer feeds them: ImageNet's statistics. (B, 3, H, W), uint8 to float32"""
    import torch
    from lerobot.utils.constants import IMAGENET_STATS

    return (pictures.float() / 255 - torch.tensor(IMAGENET_STATS["mean"])) / torch.tensor(IMAGENET_STATS["std"])


def glances_of(dataset: LeRobotDataset, stride: int = 4) -> Glances:
    """Every `stride`-th moment before the grasp, of all episodes."""
    import torch

    names = ["action", "observation.state", "episode_index"]
    table = dataset.hf_dataset.with_format("numpy", columns=names)[:]
    actions, episodes = table["action"], table["episode_index"]
    rows: list[int] = []
    grasps = []
    for episode in np.unique(episodes):
        of_episode = np.flatnonzero(episodes == episode)
        gripper = actions[of_episode, -1]
        grasp = int(np.flatnonzero(gripper < gripper[0] - CLOSING)[0])
        for row in of_episode[:grasp:stride]:
            rows.append(int(row))
            grasps.append(actions[of_episode[grasp]])

    def standard(values: Float32Array, name: str) -> torch.Tensor:
        stats = dataset.meta.stats[name]
        return torch.from_numpy(((values - stats["mean"]) / stats["std"]).astype(np.float32))

    pictures: dict[str, list[torch.Tensor]] = {name: [] for name in dataset.meta.camera_keys}
    for row in rows:
        item = dataset[row]
        for name, kept in pictures.items():
            kept.append((item[name] * 255).round().to(torch.uint8))
    return Glances(
        tuple(torch.stack(kept) for kept in pictures.values()),
        standard(table["observation.state"][rows], "observation.state"),
        standard(np.array(grasps), "action")[:, :-1],
    )


def lesson(
    name: str,
    answer: Callable[[torch.Tensor], torch.Tensor],
    parameters: Iterable[torch.nn.Parameter],
    glances: Glances,
    steps: int,
) -> None:
    """Train `parameters` until `answer` gives the grasps.

    Args:
        name: For the progress lines.
        answer: From rows (B,) of the glances to grasps, (B, n - 1) or (B, H, n - 1).
        parameters: What learns.
        glances: The material.
        steps: Gradient steps.
    """
    import torch

    trained = list(parameters)
    spread = glances.grasps.std(0)
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.AdamW(trained, LEARNING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 20) * (0.51 + 0.49 * math.cos(math.pi * step / steps))
    )
    for step in range(steps):
        rows = torch.randint(len(glances), (BATCH,), generator=generator)
        truth = glances.grasps[rows]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            given = answer(rows).float()
        loss = ((given - (truth if given.ndim == 2 else truth[:, None])).abs() / spread).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        torch.nn.utils.clip_grad_norm_(trained, 10.0)
        optimizer.step()
        schedule.step()
        if step % 25 == 24:
            print(f"{name} {step + 1}: grasp L1 {loss.item():.3f} standard deviations", flush=True)


def teach(policy: ACTPolicy, glances: Glances, backbone_steps: int, policy_steps: int) -> None:
    """Both lessons, in place."""
    import torch

    backbone = policy.model.backbone

    def seen(rows: torch.Tensor) -> torch.Tensor:
        """Feature maps of all cameras, laid out flat. (B, f)"""
        pictures = torch.cat([normalised(camera[rows]) for camera in glances.cameras])
        return torch.cat(backbone(pictures)["feature_map"].flatten(1).chunk(len(glances.cameras)), dim=1)

    with torch.no_grad():
        n_features = seen(torch.tensor([0])).shape[1]
    head = torch.nn.Sequential(
        torch.nn.Linear(n_features, 256), torch.nn.ReLU(), torch.nn.Linear(256, glances.grasps.shape[1])
    )
    parameters = [*backbone.parameters(), *head.parameters()]
    lesson("backbone", lambda rows: head(seen(rows)), parameters, glances, backbone_steps)
    policy.eval()  # the latent is zero, as in use
    lesson(
        "policy",
        lambda rows: policy.model(glances.batch(rows))[0][..., :-1],
        policy.parameters(),
        glances,
        policy_steps,
    )


def act_config(dataset: LeRobotDataset, shape: dict[str, object]) -> ACTConfig:
    """The configuration of an ACT policy for a dataset."""
    from lerobot.configs.types import FeatureType
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.utils.feature_utils import dataset_to_policy_features

    features = dataset_to_policy_features(dataset.meta.features)
    outputs = {name: feature for name, feature in features.items() if feature.type is FeatureType.ACTION}
    inputs = {name: feature for name, feature in features.items() if name not in outputs}
    return ACTConfig(
        input_features=inputs,
        output_features=outputs,
        device="cpu",
        push_to_hub=False,
        pretrained_backbone_weights=None,
        **shape,
    )


def main() -> None:
    """Teach a fresh ACT policy where the block is; what `policies.training.train --warm-start` begins from."""
    import torch
    from lerobot.datasets import LeRobotDataset
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    from policies.training.train import SHAPE

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="folder that policies.training.record made")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--backbone-steps", type=int, default=BACKBONE_STEPS)
    parser.add_argument("--policy-steps", type=int, default=POLICY_STEPS)
    parser.add_argument("--threads", type=int, default=1, help="cores to use")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    dataset = LeRobotDataset("local/so101_pick_and_place", root=options.dataset)
    config = act_config(dataset, SHAPE)
    policy = ACTPolicy(config)
    teach(policy, glances_of(dataset), options.backbone_steps, options.policy_steps)
    policy.save_pretrained(options.out)
    for processor in make_pre_post_processors(config, dataset_stats=dataset.meta.stats):
        processor.save_pretrained(options.out)


if __name__ == "__main__":
    main()
