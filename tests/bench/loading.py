"""What a person waits for a checkpoint's first whisker, against a plain script with LeRobot. Needs a display."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from policies.progress import ignore
from policies.source import find_folder
from tests.bench.rows import Row, compare
from viewer_app.render import PolicyCameras
from viewer_app.scene import Scene
from viewer_app.types import WhiskersError
from viewer_app.world import MujocoWorld

PAIRS = 3
_ROOT = Path(__file__).parents[2]


def measure_loading(scene: Scene, policy: str) -> Row:
    """From the command to a whisker on the screen, whole processes, against LeRobot's factory up to its first chunk.

    The script is handed the observation; Whiskers opens the window and the scene, and renders it.
    """
    with tempfile.TemporaryDirectory() as folder:
        seen = Path(folder) / "seen.npz"
        _save_observation(scene, seen)
        place = find_folder(policy, ignore).folder.resolve()
        plain = [str(_ROOT / "tests" / "bench" / "plain_load.py"), str(place), str(seen)]
        ours = ["-m", "tests.bench.first_whisker", policy]
        compared = compare(lambda _: _until_said(ours), lambda _: _until_said(plain), PAIRS)
    return Row(
        "first whisker on the screen after the command",
        compared.ratio,
        "x",
        f"a script with LeRobot's factory, up to its first chunk: {compared.bare:.1f} s; ours {compared.ours:.1f} s",
        0.6,
    )


def _save_observation(scene: Scene, file: Path) -> None:
    """What the policy sees at the start of the episode, under LeRobot's names."""
    world = MujocoWorld(scene, PolicyCameras(scene))
    world.reset(1000)
    seen = world.observe(tuple(scene.spec.cameras))
    world.close()
    pictures = {f"observation.images.{name}": np.array(picture) for name, picture in seen.images.items()}
    np.savez(file, **{"observation.state": np.array(seen.state), **pictures})  # type: ignore[arg-type]


def _until_said(arguments: list[str]) -> None:
    """Start Python, and return when it has said that it is done. What LeRobot says before that is passed over."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, *arguments]
    with subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if not any(line.startswith("A ") for line in process.stdout):
            raise WhiskersError(f"{' '.join(arguments)} failed: {process.stderr.read().strip()[-300:]}")
        process.terminate()
