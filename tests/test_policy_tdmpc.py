"""The TD-MPC adapter against LeRobot's own loop, to the bit, and what a policy call may depend on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from policies.horizon import sample_seeds
from policies.load import load
from tests.checkpoints import edit_json
from tests.lerobot_loop import LeRobotLoop
from tests.more_checkpoints import build_tdmpc, observe
from viewer_app.chunking import FirstN, action_at, is_due
from viewer_app.types import ActionChunk, Policy, Want, WhiskersError

STEPS, RESET, HORIZON = 11, 5, 5
SETTINGS = {
    "plan": ({"n_action_steps": 3}, HORIZON, 3),
    "one of the plan": ({"n_action_steps": 1}, HORIZON, 1),
    "repeats": ({"n_action_steps": 1, "n_action_repeats": 2}, 2, 2),
    "no plan": ({"n_action_steps": 1, "use_mpc": False}, 1, 1),
}
"""Fields of the configuration, and what they make of chunk_size and n_action_steps."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tdmpc(tmp_path_factory.mktemp("tdmpc"))


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    return load(str(folder))


@pytest.mark.parametrize("setting", SETTINGS)
def test_first_n_is_lerobots_loop_without_its_warm_start(tmp_path: Path, setting: str) -> None:
    """With the mean of the last plan forgotten before each call, LeRobot's loop executes these actions to the bit:
    where it takes several of a plan, where it repeats one, and where it does not plan."""
    fields, chunk_size, n_action_steps = SETTINGS[setting]
    folder = build_tdmpc(tmp_path, **fields)  # type: ignore[arg-type]  # The fields have their own types.
    policy, lerobot = load(str(folder)), LeRobotLoop(folder)
    assert (policy.info.chunk_size, policy.info.n_action_steps) == (chunk_size, n_action_steps)
    mode, in_force = FirstN(n_action_steps), list[ActionChunk]()
    for step in range(STEPS):
        if step in (0, RESET):
            lerobot.policy.reset()
            in_force = []
        lerobot.policy._prev_mean = None
        if is_due(in_force, step, mode):
            in_force.append(policy.predict([observe(step)], step, 100 + step, Want()))
        ours = action_at(in_force, step, mode, policy.info.action_scale)
        assert np.array_equal(ours, lerobot.act(observe(step), 100 + step))


def test_warm_start_is_what_differs(policy: Policy, folder: Path) -> None:
    """LeRobot's first chunk after a reset is ours with nothing cleared; its second is not, for the warm start."""
    lerobot = LeRobotLoop(folder)
    executed = [lerobot.act(observe(step // 3), 9) for step in range(6)]
    first, second = (policy.predict([observe(number)], 0, 9, Want()).actions[:3] for number in range(2))
    assert np.array_equal(executed[:3], first)
    assert not np.array_equal(executed[3:], second)


def test_predict_is_pure(policy: Policy) -> None:
    """A chunk depends on the observation and the seed, whatever was asked before and besides."""
    first = policy.predict([observe(0)], 0, 7, Want())
    state = torch.get_rng_state()
    other = policy.predict([observe(0)], 0, 8, Want(samples=2))
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(1)
    seen = policy.predict([observe(1)], 0, 7, Want())
    assert first.same_as(policy.predict([observe(0)], 0, 7, Want()))
    assert not any(np.array_equal(first.actions, each.actions) for each in (other, seen))
    assert not policy.info.deterministic


def test_samples_are_the_chunks_of_their_seeds(policy: Policy) -> None:
    """Sample k is, to the bit, the plan of the k-th sample seed."""
    samples = policy.predict([observe(0)], 0, 11, Want(samples=3)).extras["samples"]
    alone = [policy.predict([observe(0)], 0, seed, Want()).actions for seed in sample_seeds(11, 3)]
    assert samples.shape == (3, HORIZON, 5)
    assert np.array_equal(samples, alone)


def test_camera_of_another_name_is_refused(tmp_path: Path) -> None:
    """LeRobot's TD-MPC fails at its first step on any camera but `observation.image`; here it is told at once."""
    folder = build_tdmpc(tmp_path)

    def rename(config: dict[str, object]) -> None:
        features = config["input_features"]
        assert isinstance(features, dict)
        features["observation.images.front"] = features.pop("observation.image")

    edit_json(folder / "config.json", rename)
    with pytest.raises(WhiskersError, match=r"name observation\.image alone.*observation\.images\.front") as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)
