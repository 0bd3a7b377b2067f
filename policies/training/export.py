"""Turns a training checkpoint into a demo checkpoint: half the size, and with nothing of the machine it was trained on.

The result is an ordinary LeRobot checkpoint folder. Weights are rounded to float16 in the file; LeRobot loads them into
float32 parameters. It knows file formats only, no simulator and no trainer.

    python -m policies.training.export OUT/checkpoints/last/pretrained_model --out policies/demo/act --n-action-steps 20
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

NEUTRAL_POLICY = {
    "device": "cpu",
    "use_amp": False,
    "push_to_hub": False,
    "repo_id": None,
    "pretrained_path": None,
    "pretrained_backbone_weights": None,
}


def export(checkpoint: Path, out: Path, n_action_steps: int) -> None:
    """Write the demo checkpoint.

    Args:
        checkpoint: A `pretrained_model` folder.
        out: Where to; files of the same names are replaced.
        n_action_steps: How many actions of a chunk LeRobot's own loop executes before it asks again.
    """
    from safetensors.torch import load_file, save_file

    out.mkdir(parents=True, exist_ok=True)
    weights = load_file(checkpoint / "model.safetensors")
    half = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    too_large = [name for name, value in half.items() if not value.isfinite().all()]
    if too_large:
        raise SystemExit(f"These weights do not fit float16: {', '.join(too_large)}.")
    save_file(half, out / "model.safetensors", metadata={"format": "pt"})

    for source in checkpoint.glob("policy_*"):
        shutil.copyfile(source, out / source.name)
    config = json.loads((checkpoint / "config.json").read_text())
    neutral = {field: value for field, value in NEUTRAL_POLICY.items() if field in config}
    _write(out / "config.json", config | neutral | {"n_action_steps": n_action_steps})

    training = json.loads((checkpoint / "train_config.json").read_text())
    training["policy"] |= neutral | {"use_amp": config["use_amp"]}
    training["dataset"]["root"] = None
    training["output_dir"] = training["checkpoint_path"] = None
    _write(out / "train_config.json", training)


def _write(path: Path, values: dict[str, object]) -> None:
    path.write_text(json.dumps(values, indent=4) + "\n")


def main() -> None:
    """Export a training checkpoint as a demo checkpoint."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", type=Path, help="a pretrained_model folder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--n-action-steps", type=int, default=20)
    options = parser.parse_args()
    export(options.checkpoint, options.out, options.n_action_steps)


if __name__ == "__main__":
    main()
