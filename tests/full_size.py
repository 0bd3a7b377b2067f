"""Build a flow-matching checkpoint of its full size with random weights, open it, and tell what that costs.

    python -m tests.full_size smolvla|pi0|pi05 --folder DIR [--steps S]

The folder is filled with a checkpoint as LeRobot saves it: 0.9 GB for SmolVLA, 7 to 8 GB for the others. Build and
measurement are processes of their own, so that the memory of one is not taken for the other's. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType

import numpy as np

from viewer_app.types import Observation, Sampling, Want

KINDS = ("smolvla", "pi0", "pi05")
CAMERAS = MappingProxyType({"wrist_cam": (240, 320), "overhead_cam": (240, 320)})
"""Camera to (height, width). [px]"""
N = 6
"""Dimensions of state and action."""
_TEXT = MappingProxyType(
    {
        "hidden_size": 960,
        "intermediate_size": 2560,
        "head_dim": 64,
        "num_hidden_layers": 32,
        "num_attention_heads": 15,
        "num_key_value_heads": 5,
        "vocab_size": 49280,
    }
)
"""The sizes of SmolVLM2-500M, which SmolVLA takes half the layers of."""
_VISION = MappingProxyType(
    {
        "image_size": 512,
        "patch_size": 16,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
    }
)


def build(kind: str, folder: Path) -> None:
    """Save an untrained policy of LeRobot's own sizes, in bfloat16, with its processors."""
    import torch
    from lerobot.configs.types import FeatureType, PolicyFeature

    from policies.model import Undrawn
    from tests.checkpoints import _statistics
    from tests.flow_checkpoints import save_language_model, tokenizer_of_google_in
    from tests.lerobot_loop import policy_class

    full_policy = policy_class(kind)
    from lerobot.policies.factory import make_pre_post_processors

    language = folder / "language"
    save_language_model(language, _TEXT, _VISION, scale_factor=4)
    images = {f"observation.images.{name}": (3, *size) for name, size in CAMERAS.items()}
    inputs = {key: PolicyFeature(FeatureType.VISUAL, shape) for key, shape in images.items()}
    inputs["observation.state"] = PolicyFeature(FeatureType.STATE, (N,))
    own = {"vlm_model_name": str(language)} if kind == "smolvla" else {"dtype": "bfloat16"}
    outputs = {"action": PolicyFeature(FeatureType.ACTION, (N,))}
    config = full_policy.config_class(input_features=inputs, output_features=outputs, device="cpu", **own)
    torch.manual_seed(0)
    statistics = {key: _statistics((N,), 10.0, 30.0) for key in ("observation.state", "action")}
    torch.set_default_dtype(torch.bfloat16)  # Built in float32, it would for a moment be twice as large.
    with Undrawn():  # type: ignore[no-untyped-call]  # torch leaves it untyped.
        policy = full_policy(config)
    torch.set_default_dtype(torch.float32)
    noise = 0.02 * torch.randn(1 << 20)  # Drawing billions of numbers takes ten minutes, so these are repeated.
    for parameter in policy.parameters():
        if parameter.dim() > 1:
            for part in parameter.data.reshape(-1).split(len(noise)):
                part.copy_(noise[: len(part)])
    with tokenizer_of_google_in(str(language)):
        before, after = make_pre_post_processors(config, dataset_stats=statistics)
    for part in (policy, before, after):
        part.save_pretrained(folder)


def measure(folder: Path, steps: int = 0) -> dict[str, object]:
    """Open the checkpoint and ask it twice, bare and with all intermediates.

    Args:
        folder: Of the checkpoint.
        steps: Denoising steps, 0 for the checkpoint's own number.
    """
    from policies.load import load

    before = _peak()
    began = time.perf_counter()
    at: dict[str, float] = {}

    def note(progress: object) -> None:
        at.setdefault(str(getattr(progress, "text", "")), round(time.perf_counter() - began, 1))

    policy = load(str(folder), note)
    loaded = time.perf_counter() - began
    peak_of_load = _peak()
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in CAMERAS.items()}
    seen = Observation(0.0, rng.uniform(-10, 30, N).astype(np.float32), images, "Pick up the block.")
    bare = policy.predict([seen], 0, 1, Want(sampling=Sampling(steps)))
    captured = policy.predict([seen], 0, 1, Want(denoising=True, sampling=Sampling(steps)))
    rows = captured.extras["denoising"]
    in_file = (folder / "model.safetensors").stat().st_size
    # SmolVLA runs in float32 whatever its file has; the others run in the types of their file.
    in_memory = 4 * policy.info.n_parameters if policy.info.kind == "smolvla" else in_file
    return {
        "kind": policy.info.kind,
        "parameters": policy.info.n_parameters,
        "tensors": policy.info.tensors_in_file,
        "tensors_verified": policy.info.tensors_verified,
        "file_gb": round(in_file / 1e9, 2),
        "model_gb": round(in_memory / 1e9, 2),
        "steps": len(rows) - 1,
        "load_s": round(loaded, 1),
        "reached_s": at,
        "peak_before_gb": before,
        "peak_of_load_gb": peak_of_load,
        "peak_gb": _peak(),
        "chunk_s": round(bare.latency, 2),
        "chunk_captured_s": round(captured.latency, 2),
        "captured_is_bare": bool(np.array_equal(bare.actions, captured.actions)),
        "last_row_is_chunk": bool(np.array_equal(rows[-1], bare.actions)),
    }


def _peak() -> float:
    """The most memory that this process has held. [GB]"""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--folder", type=Path, required=True, help="where the checkpoint is written")
    parser.add_argument("--steps", type=int, default=0, help="denoising steps, 0 for the checkpoint's own number")
    given = parser.parse_args()
    began = time.perf_counter()
    if not (given.folder / "model.safetensors").exists():
        builder = get_context("spawn").Process(target=build, args=(given.kind, given.folder))
        builder.start()
        builder.join()
        if builder.exitcode != 0:
            sys.exit(f"Building {given.kind} failed.")
    built = round(time.perf_counter() - began, 1)
    json.dump({"build_s": built, **measure(given.folder, given.steps)}, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
