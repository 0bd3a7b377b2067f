"""What an environment does by itself, in a process that knows nothing of Whiskers.

    python tests/gym_reference.py NAME SEED ACTIONS.npy OUT.npz OPTIONS

OPTIONS is JSON: what the environment is made with. Writes `states` (steps + 1, m), `rewards` (steps,), and
`picture:CAMERA` (H, W, 3) of the last observation.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from typing import Any

os.environ.setdefault("MUJOCO_GL", "egl")
import gymnasium
import numpy as np

warnings.simplefilter("ignore")
name, seed, actions, out, options = sys.argv[1:]
if "/" in name:
    importlib.import_module(name.split("/")[0])
environment: gymnasium.Env[Any, Any] = gymnasium.make(name, **json.loads(options))
observation, _ = environment.reset(seed=int(seed))
states, rewards = [observation["agent_pos"]], []
for action in np.load(actions):
    observation, reward, *_rest = environment.step(action)
    states.append(observation["agent_pos"])
    rewards.append(reward)
pictures = {f"picture:{key}": picture for key, picture in observation.get("pixels", {}).items()}
np.savez(out, states=np.array(states), rewards=np.array(rewards), **pictures)
