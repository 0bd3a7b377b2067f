"""What is particular about Pi0: weights that LeRobot takes without a word, and the demo's first whisker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from policies.load import load
from tests.checkpoints import CAMERAS, edit_json
from tests.flow_checkpoints import build_flow, observe, within_sizes
from tests.lerobot_loop import LeRobotLoop
from viewer_app.kinematics import Kinematics
from viewer_app.render import PolicyCameras
from viewer_app.scene import Scene
from viewer_app.types import Want, WhiskersError
from viewer_app.world import MujocoWorld, pose


def add(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.lora_A"] = torch.zeros(2)


def rename(tensors: dict[str, torch.Tensor]) -> None:
    for name in list(tensors):
        tensors[name.removeprefix("model.")] = tensors.pop(name)


def widen(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.state_proj.weight"] = torch.zeros(32, 9)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (add, "has model.lora_A too many"),
        (rename, r'as openpi does .* without the "model."'),
        (widen, r"model.state_proj.weight has shape \(32, 9\) .* \(32, 8\)"),
    ],
)
def test_weights_that_lerobot_takes_without_a_word_are_refused(
    tmp_path: Path,
    spoil: Callable[[dict[str, torch.Tensor]], None],
    complaint: str,
) -> None:
    """LeRobot's loader returns a Pi0, often a partly random one, for weights that do not fit; here they are refused."""
    folder = build_flow(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    spoil(tensors)
    save_file(tensors, folder / "model.safetensors")
    LeRobotLoop(folder)  # Raises nothing.
    with pytest.raises(WhiskersError, match=complaint) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)


def test_tokenizer_that_is_not_here_is_named(tmp_path: Path) -> None:
    """Without network and cache, the complaint names the tokenizer, how to get it, and the setting."""
    folder = build_flow(tmp_path, "pi0")
    text = (folder / "policy_preprocessor.json").read_text()
    (folder / "policy_preprocessor.json").write_text(text.replace(str(folder / "language"), "google/absent"))
    with (
        within_sizes("pi0"),
        pytest.raises(WhiskersError, match=r"needs the tokenizer 'google/absent'.*tokenizer_name"),
    ):
        load(str(folder))


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("num_inference_steps", 0, "num_inference_steps must be a whole number from 1"),
        ("use_relative_actions", True, r"some say that actions are relative to the state, and the others do not"),
        ("use_peft", True, r"says that it is a PEFT adapter, and its adapter_config.json cannot be read"),
    ],
)
def test_configuration_that_cannot_run_is_refused(tmp_path: Path, field: str, value: object, complaint: str) -> None:
    """What LeRobot would run on until it fails, or run as a random policy, is refused in one sentence."""
    folder = build_flow(tmp_path)
    edit_json(folder / "config.json", lambda config: config.update({field: value}))
    with pytest.raises(WhiskersError, match=complaint) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)


def test_camera_that_nobody_shows_is_masked(tmp_path: Path) -> None:
    """A checkpoint with room for another camera opens, and does not ask the scene for it."""
    folder = build_flow(tmp_path)
    edit_json(folder / "config.json", lambda config: config.update(empty_cameras=1))
    policy = load(str(folder))
    assert list(policy.info.cameras) == list(CAMERAS)
    chunk = policy.predict([observe(0)], 0, 3, Want())
    assert np.array_equal(chunk.actions, LeRobotLoop(folder).chunk(observe(0), 3))


def test_first_whisker_of_the_demo_heads_for_the_block() -> None:
    """The path of the demo's first chunk passes the block wherever it lies, and not where it lay in another episode."""
    scene = Scene.load("so101")
    policy, kinematics = load("demo:pi0"), Kinematics(scene)
    world = MujocoWorld(scene, PolicyCameras(scene))
    block = scene.model.body(scene.spec.task.object).id
    data = mujoco.MjData(scene.model)
    paths, blocks = [], []
    for seed in range(900, 910):
        world.reset(seed)
        pose(scene, data, world.snapshot())
        blocks.append(data.xpos[block, :2].copy())
        seen = replace(world.observe(tuple(policy.info.cameras)), task=scene.spec.prompt)
        chunk = policy.predict([seen], 0, seed, Want())
        paths.append(kinematics.path(chunk.actions, world.snapshot())[:, :2])
    world.close()
    closest = np.array([[np.linalg.norm(path - each, axis=1).min() for each in blocks] for path in paths])  # [m]
    own, others = np.diag(closest), closest[~np.eye(len(blocks), dtype=bool)]
    assert np.sum(own < 0.02) >= 9
    assert others.mean() > 2 * own.mean()
