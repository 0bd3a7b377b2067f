"""What a plain script with LeRobot does to get a checkpoint's first action chunk. It says so on stdout when it has it.

    python tests/bench/plain_load.py CHECKPOINT OBSERVATION.npz

OBSERVATION.npz has LeRobot's names: pictures (H, W, 3) uint8, the state (m,) float32. Nothing here is of Whiskers.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.factory import get_policy_class, make_pre_post_processors

folder, seen = sys.argv[1:]
config = PreTrainedConfig.from_pretrained(folder)
policy = get_policy_class(config.type).from_pretrained(folder, config=config)
before, after = make_pre_post_processors(config, pretrained_path=folder)
batch: dict[str, object] = {"task": ""}
with np.load(seen) as arrays:
    for key, array in arrays.items():
        tensor = torch.from_numpy(array)
        batch[key] = tensor.permute(2, 0, 1).float() / 255 if array.dtype == np.uint8 else tensor
with torch.inference_mode():
    chunk = after(policy.predict_action_chunk(before(batch)))
print("A chunk of", tuple(chunk.shape), flush=True)
