"""`whiskers run` against LeRobot's own `lerobot-eval`: the same checkpoint, environment and seeds, the same episodes.

`tests/eval_reference.py` runs LeRobot's code in a process of its own. Episode i of `lerobot-eval --seed=S` with one
environment has the seed S + i, as has the i-th of `whiskers run --seed S`. Steps are the actions that were executed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from policies.load import load
from recordings.folder import open_recording
from tests.checkpoints import build_act
from tests.diffusion_checkpoints import build_diffusion
from tests.flow_checkpoints import build_flow
from viewer_app.commands import SetStops
from viewer_app.headless import Episode, open_engine, run_episode
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import FloatArray, ImageArray

pytest.importorskip("gym_aloha")
pytest.importorskip("metaworld")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
TOP = {"top": (480, 640)}
CORNER = {"image": (480, 480)}
"""LeRobot calls Meta-World's lone picture `observation.image`."""
TOWARDS_1001 = (-0.32, 1.0, 0.48, 0.0)
"""The action that leads the hand to the goal of seed 1001, and past that of seed 1002."""


@dataclass(frozen=True)
class Case:
    """A checkpoint in an environment, in the words of either side."""

    build: Callable[[Path], Path]
    action: tuple[float, ...]
    """Mean of the checkpoint's actions. Shape (n,)."""
    spread: float
    """Their standard deviation in the statistics; how far random weights go from there is their own affair."""
    scene: str
    arguments: tuple[str, ...]
    """Which environment, for lerobot-eval."""
    seed: int
    max_steps: int
    more: Mapping[str, object] = field(default_factory=dict)
    """See `tests/eval_reference.py`."""


METAWORLD = ("--env.type=metaworld", "--env.task=reach-v3")
CASES = {
    "act": Case(
        partial(build_act, cameras=TOP, n_state=14, n_action=14, n_action_steps=5),
        (0.0, -0.7, 0.9, 0.0, -0.3, 0.0, 0.5) * 2,
        0.3,
        "gym:gym_aloha/AlohaTransferCube-v0",
        ("--env.type=aloha", "--env.task=AlohaTransferCube-v0", "--env.episode_length=12"),
        1000,
        12,
    ),
    "diffusion": Case(
        partial(build_diffusion, cameras=CORNER, n_state=4, n_action=4),
        TOWARDS_1001,
        0.005,
        "gym:lerobot/metaworld/reach-v3",
        METAWORLD,
        1001,
        27,
        {"max_steps": 27, "seeded": "predict_action_chunk"},
    ),
    "smolvla": Case(
        partial(build_flow, kind="smolvla", cameras=CORNER, n_state=4, n_action=4, n_action_steps=4),
        TOWARDS_1001,
        0.1,
        "gym:lerobot/metaworld/reach-v3",
        METAWORLD,
        1001,
        9,
        {"max_steps": 9, "seeded": "_get_action_chunk"},
    ),
}
"""Where LeRobot draws random numbers it draws them globally, so each chunk is given the seed that Whiskers gives it."""


class Reference:
    """What LeRobot did, once it has done it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.checkpoints = {name: _made(case, folder / name) for name, case in CASES.items()}
        cases = [
            {**case.more, "arguments": self._arguments(name), "out": self._out(name)} for name, case in CASES.items()
        ]
        (folder / "cases.json").write_text(json.dumps(cases))
        command = [sys.executable, "-m", "tests.eval_reference", str(folder / "cases.json")]
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def _arguments(self, name: str) -> list[str]:
        case = CASES[name]
        return [
            *case.arguments,
            f"--policy.path={self.checkpoints[name]}",
            "--policy.device=cpu",
            "--eval.n_episodes=2",
            "--eval.batch_size=1",
            f"--seed={case.seed}",
            f"--output_dir={self._folder / 'eval' / name}",
        ]

    def _out(self, name: str) -> str:
        return str(self._folder / f"{name}.npz")

    def rollouts(self, name: str) -> dict[str, FloatArray]:
        """The rollouts of a case."""
        assert self.process.wait(1200) == 0, (self._folder / "log").read_text()[-2000:]
        with np.load(self._out(name)) as found:
            return dict(found)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    started = Reference(tmp_path_factory.mktemp("parity"))
    yield started
    started.process.kill()
    started.process.wait()


def _made(case: Case, folder: Path) -> Path:
    """The case's checkpoint, with statistics in the environment's own units."""
    case.build(folder)
    sizes = {"action": torch.tensor(case.action), "observation.state": torch.zeros(len(case.action))}
    for path in folder.glob("*normalizer_processor.safetensors"):
        statistics = load_file(path)
        for feature, mean in sizes.items():
            spread = torch.full_like(mean, case.spread)
            new = {"mean": mean, "std": spread, "min": mean - 2 * spread, "max": mean + 2 * spread}
            statistics |= {f"{feature}.{name}": value for name, value in new.items()}
        save_file(statistics, path)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_episodes_are_those_of_lerobot_eval(reference: Reference, name: str) -> None:
    """Actions, what was observed, rewards, the number of steps and the success equal LeRobot's to the bit, in two
    episodes of one session; so do the prompt and the picture that the policy was shown."""
    case = CASES[name]
    scene = Scene.load(case.scene)
    engine = open_engine(scene, load(str(reference.checkpoints[name])), case.seed)
    engine.send(SetStops(max_steps=case.max_steps))
    (camera,) = scene.spec.cameras
    episodes: list[tuple[Episode, ImageArray]] = []
    for seed in (case.seed, case.seed + 1):
        episode = run_episode(engine, seed)
        shown = engine.lanes[0].world.picture(episode.trace.snapshot(episode.steps - 1), (camera,))[camera]
        episodes.append((episode, shown))
    engine.close()
    rollouts = reference.rollouts(name)
    for number, (episode, shown) in enumerate(episodes):
        _check_equal(episode.trace, rollouts, number)
        assert episode.success == rollouts[f"success:{number}"].any()
        assert set(rollouts[f"prompt:{number}"]) == {episode.trace.settings_at(0).prompt}
        assert np.array_equal(shown, rollouts[f"picture:{number}"])
    first, second = (rollouts[f"action:{number}"] for number in range(2))
    # Both episodes are long enough for several chunks, and the policy answers what it sees.
    assert min(len(first), len(second)) > 8
    assert not np.array_equal(first[:8], second[:8])
    if name == "diffusion":
        assert [episode.outcome for episode, _ in episodes] == ["success", ""]
        assert len(first) < case.max_steps == len(second)


def test_the_command_line_does_the_same(reference: Reference, tmp_path: Path) -> None:
    """`whiskers run` with LeRobot's name and options of an environment records what lerobot-eval does with them."""
    case = CASES["act"]
    arguments = ["run", str(reference.checkpoints["act"]), "--out", str(tmp_path / "out"), "--json"]
    scene = f"gym:lerobot/aloha/AlohaTransferCube-v0?episode_length={case.max_steps}"
    arguments += ["--scene", scene, "--episodes", "2", "--seed", str(case.seed)]
    done = subprocess.run([sys.executable, "-m", "viewer_app", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["episodes"]
    assert [(each["seed"], each["steps"], each["outcome"]) for each in told] == [
        (case.seed + number, case.max_steps, "timeout") for number in range(2)
    ]
    rollouts = reference.rollouts("act")
    for number, each in enumerate(told):
        _check_equal(open_recording(Path(each["recording"])).lanes[0][0], rollouts, number)


def _check_equal(trace: Trace, rollouts: dict[str, FloatArray], number: int) -> None:
    """A trace is the rollout of that number, to the bit."""
    assert np.array_equal(trace.column("action"), rollouts[f"action:{number}"])
    assert np.array_equal(trace.column("state")[:-1], rollouts[f"state:{number}"])
    assert np.array_equal(trace.column("reward")[1:], rollouts[f"reward:{number}"].astype(np.float32))
