"""The VQ-BeT adapter against LeRobot's own loop, to the bit, and what a policy call may depend on."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from policies.horizon import sample_seeds
from policies.load import load
from tests.lerobot_loop import LeRobotLoop
from tests.more_checkpoints import build_vqbet, observe
from viewer_app.chunking import FirstN, action_at, is_due
from viewer_app.types import ActionChunk, Policy, Want, WhiskersError

STEPS, RESET = 19, 8
"""Control steps, and the one at which the policy is reset: more than a whole chunk before and two after it."""
HISTORY, CHUNK = 3, 5
SEEN = [observe(seed) for seed in range(HISTORY)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_vqbet(tmp_path_factory.mktemp("vqbet"))


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    return load(str(folder))


def test_first_n_is_lerobots_loop(policy: Policy, folder: Path) -> None:
    """The executed actions are to the bit those of LeRobot's queues after `torch.manual_seed` of the call's seed, also
    after a reset, where the first observation is repeated."""
    lerobot, mode = LeRobotLoop(folder), FirstN(policy.info.n_action_steps)
    begin, in_force = 0, list[ActionChunk]()
    for step in range(STEPS):
        if step in (0, RESET):
            lerobot.policy.reset()
            begin, in_force = step, []
        if is_due(in_force, step, mode):
            seen = [observe(max(step - back, begin)) for back in reversed(range(HISTORY))]
            in_force.append(policy.predict(seen, step, 100 + step, Want(samples=step % 2)))
        ours = action_at(in_force, step, mode, policy.info.action_scale)
        assert np.array_equal(ours, lerobot.act(observe(step), 100 + step))


def test_predict_is_pure(policy: Policy) -> None:
    """A chunk depends on the observations and the seed, whatever was asked before and besides; the global random
    numbers of torch, numpy and Python neither matter nor are used up."""
    first = policy.predict(SEEN, 0, 7, Want())
    states = torch.get_rng_state(), pickle.dumps(np.random.get_state()), random.getstate()
    others = [policy.predict(SEEN, 0, seed, Want(samples=2)) for seed in range(8, 14)]
    assert torch.equal(torch.get_rng_state(), states[0])
    assert pickle.dumps(np.random.get_state()) == states[1]
    assert random.getstate() == states[2]
    torch.rand(1)
    older = policy.predict([observe(9), *SEEN[1:]], 0, 7, Want())
    assert first.same_as(policy.predict(SEEN, 0, 7, Want()))
    # A code that is drawn from a few is often drawn again, so not each seed has a chunk of its own.
    assert sum(not np.array_equal(first.actions, each.actions) for each in others) >= 3
    assert not np.array_equal(first.actions, older.actions)
    assert not policy.info.deterministic


def test_samples_are_the_chunks_of_their_seeds(policy: Policy) -> None:
    """Sample k is, to the bit, the chunk of the k-th sample seed."""
    samples = policy.predict(SEEN, 0, 11, Want(samples=4)).extras["samples"]
    alone = [policy.predict(SEEN, 0, seed, Want()).actions for seed in sample_seeds(11, 4)]
    assert np.array_equal(samples, alone)
    assert samples.std(axis=0).max() > 0


def test_info_is_the_checkpoints(policy: Policy, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """The whole chunk is executed; every tensor was verified; nothing is printed, as stdout may be one JSON object."""
    load(str(folder))
    info = policy.info
    assert (info.kind, info.chunk_size, info.n_action_steps, info.n_obs_steps) == ("vqbet", CHUNK, CHUNK, HISTORY)
    assert (dict(info.cameras), info.uses_task) == ({"image": (64, 64)}, False)
    assert info.tensors_verified == info.tensors_in_file > 100
    assert capsys.readouterr().out == ""


def test_history_of_another_length_is_refused(policy: Policy) -> None:
    """The policy does not guess what it should have seen before."""
    with pytest.raises(WhiskersError, match="last 3 observations, and was shown 1"):
        policy.predict(SEEN[:1], 0, 0, Want())


def test_codes_without_actions_are_refused(tmp_path: Path) -> None:
    """A checkpoint from before the codes were trained, which LeRobot runs on with a warning, is refused."""
    with pytest.raises(WhiskersError, match=r"first part of a VQ-BeT training.*after step 20000") as caught:
        load(str(build_vqbet(tmp_path, trained_codes=False)))
    assert "\n" not in str(caught.value)
