"""Trains the demo ACT policy on a recorded dataset with LeRobot's own trainer, on the CPU.

This is `lerobot-train` with our arguments and a fixed seed, begun from the policy that `warm_start` made; it adds no
training code. It knows nothing of the simulator.

    python -m policies.training.train --dataset DIR --warm-start DIR --out DIR

Further arguments are handed to `lerobot-train` and win over ours. What differs from LeRobot's defaults, and why:

- One learning rate for the whole network. LeRobot gives the image backbone its own rate of 1e-5, made for pretrained
  weights; from random weights it would hardly learn. Leaving the policy's training preset puts all in one group.
- Hardly any gradient clipping. In the first hundred steps the variational loss has gradients a hundred times those of
  the actions; clipped together, they would leave Adam with a far too small idea of the others' size.
- No dropout: the actions are smooth and exact, and noise in the network shows up as error at the block.
- bfloat16 autocast (`use_amp`), on processors that have it: 1.7 times as many steps per second. Weights stay float32.
- A small transformer and small images: the two ResNet18 passes are most of the cost.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

STEPS = 6500
LEARNING_RATE = 3e-4


SHAPE: dict[str, object] = {
    "chunk_size": 40,
    "n_action_steps": 20,
    "dim_model": 256,
    "dim_feedforward": 1024,
    "n_encoder_layers": 3,
    "n_decoder_layers": 1,
    "n_vae_encoder_layers": 2,
    "dropout": 0.0,
}
"""What differs from LeRobot's ACT in the network."""


def arguments(dataset: Path, warm_start: Path, out: Path, steps: int, save_every: int) -> list[str]:
    """The command line of `lerobot-train`."""
    values: dict[str, object] = {
        "dataset.repo_id": "local/so101_pick_and_place",
        "dataset.root": dataset,
        "output_dir": out,
        "job_name": "so101_act",
        "policy.path": warm_start,
        "policy.device": "cpu",
        "policy.use_amp": "true",
        "policy.push_to_hub": "false",
        "use_policy_training_preset": "false",
        "optimizer.type": "adamw",
        "optimizer.lr": LEARNING_RATE,
        "optimizer.weight_decay": 1e-4,
        "optimizer.grad_clip_norm": 1000,
        "scheduler.type": "cosine_decay_with_warmup",
        "scheduler.num_warmup_steps": 200,
        "scheduler.num_decay_steps": steps,
        "scheduler.peak_lr": LEARNING_RATE,
        "scheduler.decay_lr": 1e-6,
        "batch_size": 8,
        "steps": steps,
        "save_freq": save_every,
        "log_freq": 50,
        "env_eval_freq": 0,
        "num_workers": 0,
        "seed": 1,
        "wandb.enable": "false",
    }
    return [f"--{name}={value}" for name, value in values.items()]


def read_chunks_without_images() -> None:
    """Let LeRobot read the actions of a chunk from memory.

    LeRobot 0.6 reads them row by row and decodes every row's images on the way, 80 pictures for a chunk of 40: 40 ms a
    sample, as long as the training itself. The values are the same.
    """
    import torch
    from lerobot.datasets.dataset_reader import DatasetReader

    columns: dict[tuple[int, str], torch.Tensor] = {}

    def query(reader: DatasetReader, indices: dict[str, list[int]]) -> dict[str, torch.Tensor]:
        found = {}
        for name, rows in indices.items():
            key = (id(reader), name)
            if key not in columns:
                columns[key] = torch.from_numpy(reader.hf_dataset.with_format("numpy", columns=[name])[:][name].copy())
            found[name] = columns[key][rows]
        return found

    DatasetReader._query_hf_dataset = query


def main() -> None:
    """Train; the last checkpoint is OUT/checkpoints/last/pretrained_model."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="folder that policies.training.record made")
    parser.add_argument("--warm-start", type=Path, required=True, help="folder that policies.training.warm_start made")
    parser.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--save-every", type=int, default=1000, help="steps between checkpoints")
    parser.add_argument("--threads", type=int, default=1, help="cores to use")
    options, extra = parser.parse_known_args()

    import torch
    from lerobot.scripts.lerobot_train import train

    torch.set_num_threads(options.threads)
    read_chunks_without_images()
    ours = arguments(options.dataset, options.warm_start, options.out, options.steps, options.save_every)
    replaced = {argument.split("=")[0] for argument in extra}
    sys.argv = ["lerobot-train", *(a for a in ours if a.split("=")[0] not in replaced), *extra]
    train()


if __name__ == "__main__":
    main()
