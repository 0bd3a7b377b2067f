"""Trains the demo's tiny Pi0 on a recorded dataset with LeRobot's own trainer, on the CPU.

This is `lerobot-train` with our arguments and a fixed seed, begun from the policy that `warm_start_pi0` made; it adds
no training code. It knows nothing of the simulator.

    python -m policies.training.train_pi0 --dataset DIR --warm-start DIR --out DIR

Further arguments are handed to `lerobot-train` and win over ours. Learning rate and batch are larger than PI0's own,
which are for fine-tuning a pretrained model of a thousand times the size. bfloat16 autocast (`use_amp`) gives twice the
steps per second on processors that have it; weights stay float32.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from policies.training.train import read_chunks_without_images

STEPS = 5400
LEARNING_RATE = 8e-4


def arguments(dataset: Path, warm_start: Path, out: Path, steps: int, save_every: int) -> list[str]:
    """The command line of `lerobot-train`."""
    values: dict[str, object] = {
        "dataset.repo_id": "local/so101_pick_and_place",
        "dataset.root": dataset,
        "output_dir": out,
        "job_name": "so101_tiny_pi0",
        "policy.path": warm_start,
        "policy.device": "cpu",
        "policy.use_amp": "true",
        "policy.push_to_hub": "false",
        "use_policy_training_preset": "false",
        "optimizer.type": "adamw",
        "optimizer.lr": LEARNING_RATE,
        "optimizer.betas": "[0.9, 0.95]",
        "optimizer.weight_decay": 0.01,
        "optimizer.grad_clip_norm": 1,
        "scheduler.type": "cosine_decay_with_warmup",
        "scheduler.num_warmup_steps": 200,
        "scheduler.num_decay_steps": steps,
        "scheduler.peak_lr": LEARNING_RATE,
        "scheduler.decay_lr": 1e-6,
        "batch_size": 16,
        "steps": steps,
        "save_freq": save_every,
        "log_freq": 50,
        "env_eval_freq": 0,
        "num_workers": 0,
        "seed": 1,
        "wandb.enable": "false",
    }
    return [f"--{name}={value}" for name, value in values.items()]


def main() -> None:
    """Train; the last checkpoint is OUT/checkpoints/last/pretrained_model."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="folder that policies.training.record made")
    parser.add_argument("--warm-start", type=Path, required=True, help="folder that warm_start_pi0 made")
    parser.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--save-every", type=int, default=1000, help="steps between checkpoints")
    parser.add_argument("--threads", type=int, default=1, help="cores to use")
    options, extra = parser.parse_known_args()

    import torch
    from lerobot.scripts.lerobot_train import train

    import policies.tiny_pi0  # noqa: F401  (registers the type; LeRobot's own option for it fails beside policy.path)

    torch.set_num_threads(options.threads)
    read_chunks_without_images()
    ours = arguments(options.dataset, options.warm_start, options.out, options.steps, options.save_every)
    replaced = {argument.split("=")[0] for argument in extra}
    sys.argv = ["lerobot-train", *(a for a in ours if a.split("=")[0] not in replaced), *extra]
    train()


if __name__ == "__main__":
    main()
