"""What it costs to evaluate a policy in an environment, against LeRobot's own `lerobot-eval`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.rows import Row
from viewer_app.types import WhiskersError

EPISODES = 10
STEPS = 30
"""Length of an episode, not gym-aloha's 400, so that the row takes two minutes."""
EXECUTED = 20
"""Actions executed of each chunk; ACT's default for gym-aloha is 100."""
_ROOT = Path(__file__).parents[2]
_BUILD = """
import sys
from pathlib import Path
from tests.checkpoints import build_act
n = int(sys.argv[2])
build_act(Path(sys.argv[1]), cameras={"top": (480, 640)}, n_state=14, n_action=14, chunk_size=n, n_action_steps=n)
"""


def measure_evaluating() -> Row:
    """Ten recorded episodes of gym-aloha with a small ACT, whole processes, video off on both sides."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = str(folder / "act")
        _run(["-c", _BUILD, checkpoint, str(EXECUTED)])
        (folder / "cases.json").write_text(json.dumps([{"arguments": _arguments(checkpoint, folder)}]))
        theirs = _run(["-m", "tests.eval_reference", str(folder / "cases.json")])
        scene = f"gym:lerobot/aloha/AlohaTransferCube-v0?episode_length={STEPS}"
        ours = ["-m", "viewer_app", "run", checkpoint, "--scene", scene, "--episodes", str(EPISODES)]
        took = _run([*ours, "--out", str(folder / "out"), "--json"])
    return Row(
        f"{EPISODES} episodes of gym-aloha, {STEPS} steps each, recorded, against lerobot-eval",
        took / theirs,
        "x",
        f"lerobot-eval --eval.batch_size=1 without videos: {theirs:.0f} s; {EXECUTED} actions of each chunk, so that "
        f"Whiskers renders {-(-STEPS // EXECUTED)} times an episode; ours {took:.0f} s",
        1.0,
    )


def _arguments(checkpoint: str, folder: Path) -> list[str]:
    return [
        f"--policy.path={checkpoint}",
        "--policy.device=cpu",
        "--env.type=aloha",
        "--env.task=AlohaTransferCube-v0",
        f"--env.episode_length={STEPS}",
        f"--eval.n_episodes={EPISODES}",
        "--eval.batch_size=1",
        "--seed=1000",
        f"--output_dir={folder / 'eval'}",
    ]


def _run(arguments: list[str]) -> float:
    """Run Python to its end. Returns how long that took. [s]"""
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WhiskersError(f"The evaluation failed: {done.stderr.strip()[-300:]}")
    return time.perf_counter() - begin
