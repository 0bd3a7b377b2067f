"""Checkpoints that are PEFT (LoRA) adapters of another policy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("peft")

import torch
from peft import LoraConfig, PeftModel

from policies.examine import examine
from policies.load import load
from policies.progress import ignore
from policies.source import DEMOS, find_folder
from tests.checkpoints import build_act
from tests.flow_checkpoints import build_flow, observe
from tests.lerobot_loop import LeRobotLoop
from viewer_app.types import Want, WhiskersError

_TARGETS = {"act": ["linear1", "linear2", "action_head"], "tiny_pi0": ["q_proj", "v_proj", "action_out_proj"]}


@pytest.fixture(scope="module", params=sorted(_TARGETS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A base policy and an adapter that LeRobot and peft made of it."""
    home = tmp_path_factory.mktemp(str(request.param))
    base = build_act(home / "base") if request.param == "act" else build_flow(home / "base")
    policy = LeRobotLoop(base).policy
    policy.config.pretrained_path = str(base)
    wrapped = policy.wrap_with_peft(peft_config=LoraConfig(r=4, target_modules=_TARGETS[request.param]))
    torch.manual_seed(5)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    adapter = home / "adapter"
    wrapped.save_pretrained(adapter)
    policy.config.save_pretrained(adapter)
    for path in base.glob("policy_*"):
        shutil.copy(path, adapter)
    return base, adapter


def test_an_adapter_runs_as_in_lerobots_loop(pair: tuple[Path, Path]) -> None:
    """An adapter's chunks are those of LeRobot's base policy with peft's adapter on it, to the bit, and not the base's;
    all tensors of both files are verified."""
    base, adapter = pair
    policy = load(f"{base}+{adapter}")
    reference = LeRobotLoop(base)
    bare = reference.chunk(observe(0), 3)
    PeftModel.from_pretrained(reference.policy, str(adapter))
    reference.policy.eval()
    expected = reference.chunk(observe(0), 3)
    chunk = policy.predict([observe(0)], 0, 3, Want())
    np.testing.assert_array_equal(chunk.actions, expected)
    assert np.abs(expected - bare).max() > 0.01
    info = policy.info
    assert info.tensors_verified == info.tensors_in_file > load(str(base)).info.tensors_in_file
    assert info.digest not in (load(str(base)).info.digest, "")
    assert load(info.source).info.digest == info.digest
    assert find_folder(f"demo:act+{adapter}", ignore).base == DEMOS / "act"
    found = examine(find_folder(info.source, ignore)).unreadable
    assert [(each.id, each.severity) for each in found] == [("peft-adapter", "info")]


def test_a_base_inside_the_folder_is_found(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """An adapter that names a folder inside its own opens by itself."""
    base, adapter = pair
    folder = tmp_path / "whole"
    shutil.copytree(adapter, folder)
    shutil.copytree(base, folder / "base")
    _name_base(folder, "base")
    chunk = load(str(folder)).predict([observe(0)], 0, 3, Want())
    np.testing.assert_array_equal(chunk.actions, load(f"{base}+{adapter}").predict([observe(0)], 0, 3, Want()).actions)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("../base", r"outside of its folder; name the base too, as BASE\+ADAPTER"),
        ("lab/not-in-the-cache", r"not in the local cache; name the base too"),
        (None, "names no base policy"),
    ],
)
def test_a_base_that_is_not_here_is_named(
    pair: tuple[Path, Path], tmp_path: Path, name: str | None, complaint: str
) -> None:
    """Neither is a path followed out of the folder, nor is anything downloaded."""
    folder = tmp_path / "adapter"
    shutil.copytree(pair[1], folder)
    shutil.copytree(pair[0], tmp_path / "base")
    _name_base(folder, name)
    with pytest.raises(WhiskersError, match=complaint):
        load(str(folder))


def test_an_adapter_of_another_base_or_with_code_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """An adapter whose layers the base has not, one without safetensors, and one that names a module to import."""
    base, adapter = pair
    for name, change, complaint in (
        ("layers", {"target_modules": ["nowhere"]}, "does not fit its base"),
        ("rank", {"r": 3}, "does not fit its base"),
        ("code", {"megatron_config": {"a": 1}, "megatron_core": "os"}, "names a module to be imported"),
    ):
        folder = tmp_path / name
        shutil.copytree(adapter, folder)
        path = folder / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        with pytest.raises(WhiskersError, match=complaint):
            load(f"{base}+{folder}")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    path.write_text((adapter / "adapter_config.json").read_text())
    with pytest.raises(WhiskersError, match="pickle files can run code"):
        load(f"{base}+{folder}")


def _name_base(folder: Path, name: str | None) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": name}))
