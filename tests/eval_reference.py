"""What LeRobot's own `lerobot-eval` does with a checkpoint in an environment: the reference for parity, and for speed.

    python -m tests.eval_reference CASES.json

CASES.json is a list of objects, run one after another in this process:

    arguments   those of lerobot-eval
    out         .npz file for what its rollouts were; without it nothing is kept
    max_steps   length of an episode, for environments that lerobot-eval has no option for
    seeded      name of the policy's method that draws random numbers; torch is then seeded as Whiskers does it

`lerobot_eval.eval_main` is run as it is: LeRobot's environments, processors, policy factory and loop. Videos are left
out, which its command line has no option for. Kept of episode i are `action:i` (T, n), `reward:i` (T,), `success:i`
(T,), `state:i` (T, m), `prompt:i` (T,), and `picture:i` (H, W, 3) uint8, what its camera showed before the last step.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch

from viewer_app.inquiry import policy_seed


def main(cases: list[dict[str, Any]]) -> None:
    """Run the cases."""
    from lerobot.scripts import lerobot_eval

    evaluate, rollout = lerobot_eval.eval_policy_all, lerobot_eval.rollout
    for case in cases:
        kept: dict[str, np.ndarray[Any, Any]] = {}
        with (
            patch.object(lerobot_eval, "eval_policy_all", partial(_without_videos, evaluate)),
            patch.object(lerobot_eval, "rollout", partial(_kept, rollout, kept, case) if "out" in case else rollout),
            patch.object(sys, "argv", ["lerobot-eval", *case["arguments"]]),
        ):
            lerobot_eval.eval_main()
        if "out" in case:
            np.savez(case["out"], **kept)  # type: ignore[arg-type]  # No array is called `file` or `allow_pickle`.


def _without_videos(evaluate: Callable[..., Any], **arguments: Any) -> Any:
    return evaluate(**arguments | {"max_episodes_rendered": 0})


def _kept(
    rollout: Callable[..., Any], kept: dict[str, np.ndarray[Any, Any]], case: dict[str, Any], **arguments: Any
) -> Any:
    """A rollout of one episode, and what it was."""
    (seed,) = arguments["seeds"]
    env, policy = arguments["env"], arguments["policy"]
    # Sums may be rounded otherwise with another number of threads; this is Whiskers' own.
    torch.set_num_threads(1)
    if "max_steps" in case:
        env.set_attr("_max_episode_steps", [case["max_steps"]])
    if "seeded" in case:
        _seed(policy, case["seeded"], seed)
    prompts: list[str] = []
    before = arguments["preprocessor"]

    def listened(observation: dict[str, Any]) -> Any:
        prompts.extend(observation["task"])
        return before(observation)

    done = rollout(**arguments | {"return_observations": True, "preprocessor": listened})
    number = sum(name.startswith("action:") for name in kept)
    for name in ("action", "reward", "success"):
        kept[f"{name}:{number}"] = done[name][0].numpy()
    # After the last step there is another observation, which may be that of an episode begun anew.
    kept[f"state:{number}"] = done["observation"]["observation.state"][0, :-1].numpy()
    (camera,) = (key for key in done["observation"] if key.startswith("observation.image"))
    picture = done["observation"][camera][0, -2].permute(1, 2, 0)
    kept[f"picture:{number}"] = (picture * 255).round().to(torch.uint8).numpy()  # They are uint8 divided by 255.
    kept[f"prompt:{number}"] = np.array(prompts)
    return done


def _seed(policy: Any, method: str, seed: int) -> None:
    """From the next call of the policy on, every chunk of the episode is drawn from the seed that Whiskers gives it."""
    own = getattr(type(policy), method)
    chunks = 0

    def seeded(*arguments: Any, **options: Any) -> Any:
        nonlocal chunks
        torch.manual_seed(policy_seed(seed, chunks * policy.config.n_action_steps))
        chunks += 1
        return own(policy, *arguments, **options)

    setattr(policy, method, seeded)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
