"""Third-party policies: a package that LeRobot would find runs without a line of ours, and a bad one is a sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from lerobot.configs.policies import PreTrainedConfig
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.processor import ProcessorStepRegistry
from safetensors.torch import load_file, save_file

from policies.lazy_package import defer_init
from policies.load import load
from tests.checkpoints import _statistics, build_act, edit_json
from tests.lerobot_loop import LeRobotLoop
from tests.more_checkpoints import N_ACTION, N_STATE, ONE_CAMERA, observe
from viewer_app.chunking import FirstN, action_at, is_due
from viewer_app.types import ActionChunk, Policy, Want, WhiskersError

if TYPE_CHECKING:
    from lerobot.policies.pretrained import PreTrainedPolicy

STEPS, RESET, CHUNK, EXECUTED, HISTORY = 15, 6, 6, 4, 2
SEEN = [observe(0), observe(1)]

CONFIGURATION = """
from dataclasses import dataclass, field

from lerobot.configs.policies import PreTrainedConfig
from lerobot.configs.policies import PreTrainedConfig
from lerobot.configs.types import NormalizationMode


@PreTrainedConfig.register_subclass("sway")
@dataclass
class SwayConfig(PreTrainedConfig):
    n_obs_steps: int = 2
    chunk_size: int = 6
    n_action_steps: int = 4
    normalization_mapping: dict[str, NormalizationMode] = field(
        default_factory=lambda: {
            "VISUAL": NormalizationMode.IDENTITY,
            "STATE": NormalizationMode.MEAN_STD,
            "ACTION": NormalizationMode.MEAN_STD,
        }
    )

    observation_delta_indices = action_delta_indices = reward_delta_indices = None

    def get_optimizer_preset(self):
        return None

    def get_scheduler_preset(self):
        return None

    def validate_features(self):
        pass
"""

MODELING = '''
from collections import deque

import torch
from torch import nn

from lerobot.policies.pretrained import PreTrainedPolicy

from .configuration_sway import SwayConfig


class SwayPolicy(PreTrainedPolicy):
    """Two past states and the mean of a picture to a chunk, with noise, by a constructor that reads its own tensors."""

    config_class = SwayConfig
    name = "sway"

    def __init__(self, config, **kwargs):
        super().__init__(config)
        self.register_buffer("rates", torch.tensor([float(each) for each in torch.linspace(0, 1, config.chunk_size)]))
        n_state = config.robot_state_feature.shape[0]
        self.net = nn.Linear(config.n_obs_steps * n_state + 1, config.chunk_size * config.action_feature.shape[0])
        self.reset()

    def get_optim_params(self):
        return self.parameters()

    def reset(self):
        self._states = deque(maxlen=self.config.n_obs_steps)
        self._action_queue = deque(maxlen=self.config.n_action_steps)

    def forward(self, batch):
        raise NotImplementedError

    @torch.no_grad()
    def predict_action_chunk(self, batch, **kwargs):
        picture = batch["observation.image"].mean(dim=(1, 2, 3))[:, None]
        rows = self.net(torch.cat([*self._states, picture], dim=1)).unflatten(1, (self.config.chunk_size, -1))
        return rows + 0.1 * self.rates[:, None] * torch.randn_like(rows)

    @torch.no_grad()
    def select_action(self, batch, **kwargs):
        while len(self._states) < self.config.n_obs_steps:
            self._states.append(batch["observation.state"])
        self._states.append(batch["observation.state"])
        if not self._action_queue:
            chunk = self.predict_action_chunk(batch)
            self._action_queue.extend(chunk.transpose(0, 1)[: self.config.n_action_steps])
        return self._action_queue.popleft()
'''

PROCESSOR = """
from lerobot.processor import (
    PolicyActionProcessorStep,
    ProcessorStepRegistry,
    make_default_policy_processor_steps,
    make_policy_processor_pipelines,
)


@ProcessorStepRegistry.register("sway_reverse")
class Reverse(PolicyActionProcessorStep):
    # The robot has its joints in another order than the model.
    def action(self, action):
        return action.flip(-1)

    def transform_features(self, features):
        return features


def make_sway_pre_post_processors(config, dataset_stats=None):
    steps = make_default_policy_processor_steps(config, dataset_stats)
    return make_policy_processor_pipelines(
        input_steps=[steps.rename_observations, steps.add_batch_dim, steps.to_device, steps.normalize],
        output_steps=[steps.unnormalize, Reverse(), steps.to_cpu],
    )
"""


def write_package(place: Path, name: str, files: dict[str, str]) -> None:
    """A package in a folder of `sys.path`."""
    (place / name).mkdir()
    for file, text in files.items():
        (place / name / file).write_text(text)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of installed packages that holds the plugin, and is forgotten afterwards."""
    place = tmp_path_factory.mktemp("site")
    write_package(
        place,
        "lerobot_policy_sway",
        {
            "__init__.py": "from .configuration_sway import SwayConfig\nprint('Thank you for installing Sway!')\n",
            "configuration_sway.py": CONFIGURATION,
            "modeling_sway.py": MODELING,
            "processor_sway.py": PROCESSOR,
        },
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        yield place
    forget()


def forget() -> None:
    """Make as if the plugin had not been imported yet."""
    PreTrainedConfig._choice_registry.pop("sway", None)
    ProcessorStepRegistry.unregister("sway_reverse")
    for name in [name for name in sys.modules if name.startswith("lerobot_policy_sway")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def folder(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the plugin's, saved by LeRobot's own code, of whose plugin nothing is imported any more."""
    defer_init("lerobot.policies")
    package = {part: import_module(f"lerobot_policy_sway.{part}_sway") for part in ("modeling", "processor")}
    config = package["modeling"].SwayConfig(
        input_features={
            "observation.image": PolicyFeature(FeatureType.VISUAL, (3, *ONE_CAMERA["image"])),
            "observation.state": PolicyFeature(FeatureType.STATE, (N_STATE,)),
        },
        output_features={"action": PolicyFeature(FeatureType.ACTION, (N_ACTION,))},
        device="cpu",
    )
    folder = tmp_path_factory.mktemp("checkpoint")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        statistics = {
            "observation.state": _statistics((N_STATE,), 1.0, 30.0),
            "action": _statistics((N_ACTION,), 10.0, 30.0),
        }
        processors = package["processor"].make_sway_pre_post_processors(config, statistics)
        for part in (package["modeling"].SwayPolicy(config), *processors):
            part.save_pretrained(folder)
    forget()
    return folder


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    return load(str(folder))


def test_first_n_is_lerobots_loop(policy: Policy, folder: Path) -> None:
    """A plugin's executed actions are to the bit those of its own class in LeRobot's loop: over its history, a reset,
    and a processing step of its own, for which no scale is claimed."""
    assert policy.info.action_scale is None
    lerobot = LeRobotLoop(folder)
    mode, begin, in_force = FirstN(policy.info.n_action_steps), 0, list[ActionChunk]()
    for step in range(STEPS):
        if step in (0, RESET):
            lerobot.policy.reset()
            begin, in_force = step, []
        if is_due(in_force, step, mode):
            seen = [observe(max(step - back, begin)) for back in reversed(range(HISTORY))]
            in_force.append(policy.predict(seen, step, 100 + step, Want()))
        ours = action_at(in_force, step, mode, policy.info.action_scale)
        assert np.array_equal(ours, lerobot.act(observe(step), 100 + step))


def test_chunk_is_whole_and_pure(policy: Policy) -> None:
    """The chunk is the model's whole one and not what was queued of it; it depends on what it is shown and the seed."""
    info = policy.info
    assert (info.kind, info.chunk_size, info.n_action_steps, info.n_obs_steps) == ("sway", CHUNK, EXECUTED, HISTORY)
    assert (info.deterministic, info.tensors_verified, info.tensors_in_file) == (False, 3, 3)
    chunk = policy.predict(SEEN, 0, 5, Want())
    assert chunk.actions.shape == (CHUNK, N_ACTION)
    state = torch.get_rng_state()
    others = [policy.predict(SEEN, 0, 6, Want()), policy.predict([observe(7), SEEN[1]], 0, 5, Want())]
    assert torch.equal(torch.get_rng_state(), state)
    assert chunk.same_as(policy.predict(SEEN, 0, 5, Want()))
    assert not any(np.array_equal(chunk.actions, other.actions) for other in others)


def test_nothing_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a plugin prints while it is imported does not get between the lines of a JSON object."""
    forget()
    load(str(folder))
    assert capsys.readouterr().out == ""


def test_missing_tensor_is_named(folder: Path, tmp_path: Path) -> None:
    """A tensor that is not in the file would be random, in a plugin too."""
    copy = copied(folder, tmp_path)
    tensors = load_file(copy / "model.safetensors")
    del tensors["net.bias"]
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(WhiskersError, match=r"lacks net\.bias"):
        load(str(copy))


def test_loader_of_its_own_is_used_and_checked(
    policy: Policy, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a plugin renames tensors as it loads them, its own loader is used, and only those are called verified that
    kept their names; a loader that leaves other values in the model, as some of LeRobot's do, is caught."""
    from lerobot.policies.factory import get_policy_class

    copy = copied(folder, tmp_path)
    tensors = load_file(copy / "model.safetensors")
    save_file({name.replace("net.w", "old.net.w"): each for name, each in tensors.items()}, copy / "model.safetensors")
    sway = get_policy_class("sway")

    def renaming(cls: type[PreTrainedPolicy], path: str, *, config: PreTrainedConfig) -> PreTrainedPolicy:
        model = cls(config)
        state = load_file(Path(path) / "model.safetensors")
        model.load_state_dict({name.removeprefix("old."): each for name, each in state.items()})
        return model

    monkeypatch.setattr(sway, "from_pretrained", classmethod(renaming))
    loaded = load(str(copy))
    assert (loaded.info.tensors_verified, loaded.info.tensors_in_file) == (2, 3)
    assert np.array_equal(loaded.predict(SEEN, 0, 5, Want()).actions, policy.predict(SEEN, 0, 5, Want()).actions)
    monkeypatch.setattr(sway, "from_pretrained", classmethod(lambda cls, path, *, config: cls(config)))
    with pytest.raises(WhiskersError, match=r"did not reach the model: SwayPolicy's own loader left other values"):
        load(str(copy))


def test_field_of_another_version_is_named(folder: Path, tmp_path: Path) -> None:
    """A field that the installed package does not know is named, with that it is of another version."""
    copy = copied(folder, tmp_path)
    edit_json(copy / "config.json", lambda config: config.update(n_frobs=3))
    with pytest.raises(WhiskersError, match=r"SwayConfig does not know \('n_frobs'\).*another LeRobot version"):
        load(str(copy))


@pytest.mark.parametrize("fall", ["raise RuntimeError('no licence')", "import sys; sys.exit('no licence')"])
def test_plugin_that_raises_on_import_is_a_sentence(
    installed: Path, folder: Path, tmp_path: Path, fall: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin that cannot be imported is named with its reason where a checkpoint may be its, and is no matter for
    the checkpoints of others."""
    write_package(tmp_path, "lerobot_policy_fall", {"__init__.py": fall})
    monkeypatch.syspath_prepend(tmp_path)
    copy = copied(folder, tmp_path / "checkpoint")
    assert load(str(copy)).info.kind == "sway"
    edit_json(copy / "config.json", lambda config: config.update(type="fall"))
    with pytest.raises(WhiskersError, match=r"'fall'.*lerobot_policy_fall \(.*no licence\); mend or update") as caught:
        load(str(copy))
    assert "\n" not in str(caught.value)


def test_type_that_no_plugin_brings_is_a_sentence(installed: Path, folder: Path, tmp_path: Path) -> None:
    """Where there are plugins and none of them brings the type, they are named."""
    copy = copied(folder, tmp_path)
    edit_json(copy / "config.json", lambda config: config.update(type="frob"))
    with pytest.raises(WhiskersError, match=r"'frob', which none of the installed plugins brings .*policy_sway"):
        load(str(copy))


@pytest.mark.parametrize("kind", ["pi0_fast", "eo1", "wall_x", "groot"])
def test_what_a_type_of_lerobots_lacks_is_named(tmp_path: Path, kind: str) -> None:
    """A checkpoint of LeRobot's whose type is built from large files that are not here says which those are."""
    from policies.plugin import NEEDS

    folder = build_act(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    features = {name: config[name] for name in ("input_features", "output_features")}
    (folder / "config.json").write_text(json.dumps({"type": kind, **features}))
    with pytest.raises(WhiskersError, match=r"not in the local cache|not all installed \(ImportError") as caught:
        load(str(folder))
    assert NEEDS[kind] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_code_that_a_tokenizer_brings_is_not_run(tmp_path: Path) -> None:
    """LeRobot's pi0_fast trusts any code of the tokenizer that its config.json names; here it is named and not run."""
    place = tmp_path / "tokenizer"
    place.mkdir()
    (place / "processor_config.json").write_text(
        json.dumps({"processor_class": "Brought", "auto_map": {"AutoProcessor": "brought.Brought"}})
    )
    (place / "brought.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w').close()\n"
        "from transformers import ProcessorMixin\n\n\nclass Brought(ProcessorMixin):\n    attributes = []\n"
    )
    folder = build_act(tmp_path / "checkpoint")
    config = json.loads((folder / "config.json").read_text())
    features = {name: config[name] for name in ("input_features", "output_features")}
    (folder / "config.json").write_text(
        json.dumps({"type": "pi0_fast", **features, "action_tokenizer_name": str(place)})
    )
    with pytest.raises(WhiskersError, match=r"tokenizer asks for its brought\.py to be run; code .* is not run"):
        load(str(folder))
    assert not (tmp_path / "ran").exists()


def copied(folder: Path, into: Path) -> Path:
    """The same checkpoint, to be changed."""
    into.mkdir(exist_ok=True)
    for path in folder.iterdir():
        (into / path.name).write_bytes(path.read_bytes())
    return into
