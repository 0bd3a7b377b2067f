"""Checkpoints of LeRobot before 0.4 answer as their present form does, cameras with an underscore included."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from policies.load import load
from tests.checkpoints import build_act, edit_json
from tests.diffusion_checkpoints import build_diffusion
from tests.more_checkpoints import build_tdmpc, build_vqbet
from viewer_app.types import ActionChunk, Observation, PolicyInfo, Want, WhiskersError

CAMERAS = {"top_cam": (32, 40), "wrist": (24, 32)}
WEIGHTS, TOP = "model.safetensors", "buffer_observation_images_top_cam"


def observation_for(info: PolicyInfo) -> Observation:
    """Random pictures and a random state for a policy."""
    rng = np.random.default_rng(3)
    images = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in info.cameras.items()}
    return Observation(time=0.0, state=rng.uniform(-50, 50, info.n_state).astype(np.float32), images=images)


def answer(folder: Path) -> ActionChunk:
    policy = load(str(folder))
    return policy.predict([observation_for(policy.info)] * policy.info.n_obs_steps, 0, 4, Want())


def old_form(folder: Path, into: Path, change: Callable[[dict[str, torch.Tensor]], object] = len) -> Path:
    """The same checkpoint as LeRobot 0.3 would have saved it, with its tensors changed."""
    into.mkdir()
    config = json.loads((folder / "config.json").read_text())
    (into / "config.json").write_text(json.dumps(config))
    tensors: dict[str, torch.Tensor] = load_file(folder / WEIGHTS)
    statistics = load_file(next(folder.glob("policy_preprocessor_step_*_normalizer_processor.safetensors")))
    modes = config["normalization_mapping"]
    names = {"MEAN_STD": ("mean", "std"), "MIN_MAX": ("min", "max"), "IDENTITY": ()}
    places = {
        "normalize_inputs": config["input_features"],
        "normalize_targets": config["output_features"],
        "unnormalize_outputs": config["output_features"],
    }
    for place, features in places.items():
        for key, feature in features.items():
            for name in names[modes.get(feature["type"], "IDENTITY")]:
                tensors[f"{place}.buffer_{key.replace('.', '_')}.{name}"] = statistics[f"{key}.{name}"].clone()
    change(tensors)
    save_file(tensors, into / WEIGHTS)
    return into


@pytest.fixture(scope="module")
def act(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_act(tmp_path_factory.mktemp("act"), cameras=CAMERAS)


@pytest.mark.parametrize("build", [build_diffusion, build_vqbet, build_tdmpc])
def test_old_form_answers_as_the_present_one(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    """A checkpoint with its statistics among the weights gives the chunk of the present form, to the bit."""
    folder = build(tmp_path / "new")
    assert answer(old_form(folder, tmp_path / "old")).same_as(answer(folder))


def test_camera_with_an_underscore_keeps_its_statistics(act: Path, tmp_path: Path) -> None:
    """The same for an ACT with a camera `top_cam`, whose statistics LeRobot's own conversion loses: they are in force,
    and are told as those of the present form are."""
    folder = old_form(act, tmp_path / "old")
    assert answer(folder).same_as(answer(act))
    old, new = load(str(folder)).info, load(str(act)).info
    assert dict(old.camera_mean) == dict(new.camera_mean)
    assert list(old.camera_mean) == list(CAMERAS)
    assert old.tensors_verified == new.tensors_verified > 100

    def shift(tensors: dict[str, torch.Tensor]) -> None:
        tensors[f"normalize_inputs.{TOP}.mean"] += 0.3

    other = answer(old_form(act, tmp_path / "shifted", shift))
    assert not np.array_equal(other.actions, answer(act).actions)


def lose_std(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["unnormalize_outputs.buffer_action.std"]


def never_set(tensors: dict[str, torch.Tensor]) -> None:
    tensors[f"normalize_inputs.{TOP}.mean"].fill_(np.inf)


def of_another(tensors: dict[str, torch.Tensor]) -> None:
    tensors["normalize_inputs.buffer_observation_touch.mean"] = torch.zeros(4)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lose_std, "no 'std' of action"),
        (never_set, r"'mean' of observation\.images\.top_cam must be finite"),
        (of_another, r"buffer_observation_touch\.mean holds statistics of none of its features"),
    ],
)
def test_statistics_that_cannot_be_taken_over_are_refused(
    act: Path, tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], object], complaint: str
) -> None:
    """Statistics that are missing, were never set, or are of something else are named in one sentence."""
    with pytest.raises(WhiskersError, match=complaint) as caught:
        load(str(old_form(act, tmp_path / "old", change)))
    assert "\n" not in str(caught.value)


def test_two_cameras_of_one_old_name_are_refused(act: Path, tmp_path: Path) -> None:
    """Where the configuration lists `top_cam` and `top.cam`, the file cannot say whose the statistics are."""
    folder = old_form(act, tmp_path / "old")

    def add(config: dict[str, object]) -> None:
        features = config["input_features"]
        assert isinstance(features, dict)
        features["observation.images.top.cam"] = features["observation.images.top_cam"]

    edit_json(folder / "config.json", add)
    with pytest.raises(WhiskersError, match=r"statistics of observation\.images\.top_cam and observation\.images\.top"):
        load(str(folder))
