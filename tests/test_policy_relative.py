"""Policies whose actions are changes of the state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from policies.load import load
from tests.checkpoints import build_act
from tests.flow_checkpoints import build_flow, observe, within_sizes
from tests.lerobot_loop import LeRobotLoop
from viewer_app.types import Want


@pytest.mark.parametrize("kind", ["pi0", "pi05"])
def test_a_chunk_is_relative_to_the_state_it_was_asked_with(tmp_path: Path, kind: str) -> None:
    """All rows of a chunk, and all that is drawn of how it came about, are what LeRobot's postprocessor makes of the
    whole chunk beside the observation that it answers, to the bit, whatever was asked before."""
    folder = build_flow(tmp_path, kind, relative=True)
    with within_sizes(kind):
        policy, lerobot = load(str(folder)), LeRobotLoop(folder)
    assert policy.info.relative_actions
    assert not policy.info.guidable
    for seed in (3, 4):
        chunk = policy.predict([observe(seed)], 0, seed, Want(denoising=True, samples=2))
        np.testing.assert_array_equal(chunk.actions, lerobot.whole(observe(seed), seed))
        np.testing.assert_array_equal(chunk.extras["denoising"][-1], chunk.actions)
    again = policy.predict([observe(3)], 0, 3, Want())
    np.testing.assert_array_equal(again.actions, lerobot.whole(observe(3), 3))
    if kind == "pi05":
        return  # It reads the state as words, so another state is another prompt, which changes all.
    elsewhere = replace(observe(3), state=observe(3).state + np.float32(20))
    # What the model makes of another state differs too, but by far less.
    difference = np.median(policy.predict([elsewhere], 0, 3, Want()).actions - again.actions, axis=0)
    np.testing.assert_allclose(difference[:-1], 20, atol=5)
    np.testing.assert_allclose(difference[-1], 0, atol=5)  # The gripper stays absolute.


def test_a_policy_of_absolute_actions_says_so(tmp_path: Path) -> None:
    """Without the steps that make actions relative, nothing is called relative."""
    assert not load(str(build_act(tmp_path))).info.relative_actions
