"""Teaches ACT's image backbone where the block is, before ACT itself is trained. Two minutes; saves about an hour.

The backbone learns to tell, from the two images of any moment before the grasp, the joint targets at the grasp. That
is a function of the block's pose, and the dataset already holds it: the action at which the gripper begins to close.
ACT's own objective has the same answer in it but finds it slowly, because most of a chunk follows from the joint angles
alone. Only the backbone is kept; the rest of the network starts from random weights. No simulator is needed.

    python -m policies.training.warm_start --dataset DIR --out DIR
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from viewer_app.types import Float32Array

if TYPE_CHECKING:
    import torch
    from lerobot.datasets import LeRobotDataset
    from lerobot.policies.act.configuration_act import ACTConfig

LEARNING_RATE = 3e-4
BATCH = 16
CLOSING = 2.0
"""How far the gripper's target moves from where it began before we say that it closes. [scene units]"""


@dataclass(frozen=True)
class Glances:
    """Moments before a grasp, and the grasp that followed."""

    rows: Sequence[int]
    """Rows of the dataset. Length N."""
    grasps: Float32Array
    """Arm joint targets at the grasp, standardised. Shape (N, 5)."""


def glances_of(dataset: LeRobotDataset, stride: int = 4) -> Glances:
    """Every `stride`-th moment before the grasp, of all episodes."""
    table = dataset.hf_dataset.with_format("numpy", columns=["action", "episode_index"])[:]
    actions, episodes = table["action"], table["episode_index"]
    rows: list[int] = []
    grasps = []
    for episode in np.unique(episodes):
        of_episode = np.flatnonzero(episodes == episode)
        gripper = actions[of_episode, -1]
        grasp = int(np.flatnonzero(gripper < gripper[0] - CLOSING)[0])
        for row in of_episode[:grasp:stride]:
            rows.append(int(row))
            grasps.append(actions[of_episode[grasp], :-1])
    targets = np.array(grasps, np.float32)
    return Glances(rows, (targets - targets.mean(0)) / targets.std(0))


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


def images(dataset: LeRobotDataset, rows: Sequence[int]) -> torch.Tensor:
    """Images normalised as the trainer normalises them (ImageNet's statistics), by camera. (C * B, 3, H, W)"""
    import torch
    from lerobot.utils.constants import IMAGENET_STATS

    items = [dataset[row] for row in rows]
    stacked = torch.cat([torch.stack([item[camera] for item in items]) for camera in dataset.meta.camera_keys])
    return (stacked - torch.tensor(IMAGENET_STATS["mean"])) / torch.tensor(IMAGENET_STATS["std"])


def warm_start(dataset: LeRobotDataset, out: Path, config: ACTConfig, steps: int) -> None:
    """Train the backbone of a fresh ACT policy and save the policy, with its processors, as a checkpoint."""
    import torch
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    glances = glances_of(dataset)
    targets = torch.from_numpy(glances.grasps)
    policy = ACTPolicy(config)
    backbone = policy.model.backbone
    n_cameras = len(dataset.meta.camera_keys)
    with torch.no_grad():
        n_features = backbone(images(dataset, [0]))["feature_map"].numel()
    head = torch.nn.Sequential(
        torch.nn.Linear(n_features, 256), torch.nn.ReLU(), torch.nn.Linear(256, targets.shape[1])
    )
    parameters = [*backbone.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 20) * (0.51 + 0.49 * math.cos(math.pi * step / steps))
    )
    for step in range(steps):
        chosen = rng.integers(0, len(glances.rows), BATCH)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = backbone(images(dataset, [glances.rows[i] for i in chosen]))["feature_map"]
            per_moment = torch.cat(features.flatten(1).chunk(n_cameras), dim=1)  # (B, n_features)
            loss = (head(per_moment).float() - targets[chosen]).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 10.0)
        optimizer.step()
        schedule.step()
        if step % 25 == 24:
            print(f"step {step + 1}: grasp L1 {loss.item():.3f} standard deviations", flush=True)

    policy.save_pretrained(out)
    for processor in make_pre_post_processors(config, dataset_stats=dataset.meta.stats):
        processor.save_pretrained(out)


def main() -> None:
    """Train the backbone only; the result is what `policies.training.train --warm-start` begins from."""
    import torch
    from lerobot.datasets import LeRobotDataset

    from policies.training.train import SHAPE

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="folder that policies.training.record made")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1, help="cores to use")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dataset = LeRobotDataset("local/so101_pick_and_place", root=options.dataset)
    warm_start(dataset, options.out, act_config(dataset, SHAPE), options.steps)


if __name__ == "__main__":
    main()
