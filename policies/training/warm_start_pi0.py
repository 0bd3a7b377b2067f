"""Teaches the tiny Pi0 where the block is before it is trained to move. A few minutes.

The reasons and the question are those of `warm_start`: what are the arm's joint targets at the grasp? Two lessons.

1. The image tower alone, with a plain linear head on its tokens.
2. The whole policy, by its own flow-matching objective, on chunks that hold the grasp in every row.

    python -m policies.training.warm_start_pi0 --dataset DIR --out DIR
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from policies.training.warm_start import Glances, glances_of, lesson

if TYPE_CHECKING:
    import torch

    from policies.tiny_pi0 import TinyPI0Config
    from policies.tiny_pi0.modeling_tiny_pi0 import TinyPI0Policy

LEARNING_RATE = 1e-3
BATCH = 32
TOWER_STEPS, POLICY_STEPS = 500, 500


def teach(policy: TinyPI0Policy, glances: Glances, prompt: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Both lessons, in place.

    Args:
        policy: A fresh one.
        glances: What it is taught from.
        prompt: Token numbers and mask, each of shape (1, T).
    """
    import torch

    model = policy.model.paligemma_with_expert
    cameras = list(policy.config.image_features)

    def batch_of(rows: torch.Tensor) -> dict[str, torch.Tensor]:
        pictures = {key: camera[rows].float() / 255 for key, camera in zip(cameras, glances.cameras, strict=True)}
        tokens, mask = (each.expand(len(rows), -1) for each in prompt)
        return {
            **pictures,
            "observation.state": glances.states[rows],
            "observation.language.tokens": tokens,
            "observation.language.attention_mask": mask,
        }

    def seen(rows: torch.Tensor) -> torch.Tensor:
        """Tokens of all cameras, laid out flat. (B, f)"""
        pictures, _ = policy._preprocess_images(batch_of(rows))
        return torch.cat([model.embed_image(picture).flatten(1) for picture in pictures], dim=1)

    with torch.no_grad():
        n_features = seen(torch.tensor([0])).shape[1]
    head = torch.nn.Sequential(
        torch.nn.Linear(n_features, 256), torch.nn.ReLU(), torch.nn.Linear(256, glances.grasps.shape[1])
    )
    sighted = (model.paligemma.model.vision_tower, model.paligemma.model.multi_modal_projector, head)
    parameters = [parameter for part in sighted for parameter in part.parameters()]
    lesson("tower", lambda rows: head(seen(rows)), parameters, glances, TOWER_STEPS)

    policy.train()
    optimiser = torch.optim.AdamW(policy.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / 50, 0.55 + 0.5 * math.cos(math.pi * step / POLICY_STEPS))
    )
    for step in range(POLICY_STEPS):
        rows = torch.randint(len(glances), (BATCH,))
        grasps = torch.nn.functional.pad(glances.grasps[rows], (0, 1))  # The gripper stays at its mean.
        chunks = grasps[:, None].expand(-1, policy.config.chunk_size, -1)
        with torch.autocast("cpu", torch.bfloat16):
            loss, _ = policy({**batch_of(rows), "action": chunks})
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 49:
            print(f"policy {step + 1}: flow-matching loss {loss.item():.3f}", flush=True)


def tiny_config(features: dict[str, dict[str, object]]) -> TinyPI0Config:
    """The configuration for a dataset's features."""
    from lerobot.configs.types import FeatureType
    from lerobot.utils.feature_utils import dataset_to_policy_features

    from policies.tiny_pi0 import TinyPI0Config

    found = dataset_to_policy_features(features)
    outputs = {name: feature for name, feature in found.items() if feature.type is FeatureType.ACTION}
    inputs = {name: feature for name, feature in found.items() if name not in outputs}
    return TinyPI0Config(input_features=inputs, output_features=outputs, device="cpu", push_to_hub=False)


def main() -> None:
    """Teach a fresh tiny Pi0 where the block is; what `policies.training.train_pi0` begins from."""
    import torch
    from lerobot.datasets import LeRobotDataset

    from policies.tiny_pi0.modeling_tiny_pi0 import TinyPI0Policy
    from policies.tiny_pi0.processor_tiny_pi0 import make_tiny_pi0_pre_post_processors

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="folder that policies.training.record made")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1, help="cores to use")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    dataset = LeRobotDataset("local/so101_pick_and_place", root=options.dataset)
    policy = TinyPI0Policy(tiny_config(dataset.meta.features))
    before, after = make_tiny_pi0_pre_post_processors(policy.config, dataset.meta.stats)
    first = before(dataset[0])
    prompt = (first["observation.language.tokens"], first["observation.language.attention_mask"])
    teach(policy, glances_of(dataset), prompt)
    for part in (policy, before, after):
        part.save_pretrained(options.out)


if __name__ == "__main__":
    main()
