"""What the adapter of LeRobot's multi-task DiT has beyond `test_policy_diffusion`: prompt, CLIP, and its flow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from policies.load import load
from tests.diffusion_checkpoints import build_multi_task_dit, observe, variant
from viewer_app.types import Sampling, Want, WhiskersError

SEEN = [observe(1), observe(2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_multi_task_dit(tmp_path_factory.mktemp("dit"))


@pytest.mark.parametrize("method", ["euler", "rk4"])
def test_flow_runs_from_zero_to_one(tmp_path: Path, method: str) -> None:
    """Times rise from 0 (noise) to 1 (action), one row a step. With Euler each step goes dt / (1 - t) of the way to
    its aim; with Runge-Kutta it does not, and comes closer to what many steps would give."""
    policy = load(str(build_multi_task_dit(tmp_path, method=method)))
    extras = policy.predict(SEEN, 0, 5, Want(denoising=True)).extras
    rows, aims, times = (extras[name] for name in ("denoising", "denoising_x0", "denoising_times"))
    np.testing.assert_allclose(times, [0, 0.25, 0.5, 0.75, 1])
    share = ((times[1:] - times[:-1]) / (1 - times[:-1]))[:, None, None]
    straight = rows[:-1] + share * (aims - rows[:-1])
    assert np.allclose(rows[1:], straight, rtol=1e-4, atol=1e-2) == (method == "euler")
    exact = policy.predict(SEEN, 0, 5, Want(sampling=Sampling(steps=60))).actions
    assert (np.abs(rows[-1] - exact).max() < 0.01 * np.ptp(exact)) == (method == "rk4")


def test_first_aim_is_where_the_first_velocity_points(folder: Path) -> None:
    """The first aim is noise + velocity, the velocity being what LeRobot's network answers about the noise at t = 0."""
    policy = load(str(folder))
    extras = policy.predict(SEEN, 0, 5, Want(denoising=True)).extras
    one = policy.predict(SEEN, 0, 5, Want(sampling=Sampling(steps=1)))
    assert one.model_actions is not None
    np.testing.assert_allclose(extras["denoising_x0_model"][0], one.model_actions, rtol=1e-5, atol=1e-5)


def test_prompt_of_the_newest_observation_counts(folder: Path) -> None:
    """Another prompt gives another chunk, an older observation's prompt does not matter, and none is refused."""
    policy = load(str(folder))
    assert policy.info.uses_task
    chunk = policy.predict(SEEN, 0, 0, Want())
    other = policy.predict([SEEN[0], replace(SEEN[1], task="Stack them.")], 0, 0, Want())
    assert not np.array_equal(chunk.actions, other.actions)
    assert chunk.same_as(policy.predict([replace(SEEN[0], task=""), SEEN[1]], 0, 0, Want()))
    with pytest.raises(WhiskersError, match="reads a prompt, and there is none"):
        policy.predict([SEEN[0], replace(SEEN[1], task=" \n")], 0, 0, Want())


def test_clips_own_weights_are_not_needed(tmp_path: Path) -> None:
    """Without CLIP's weight file, which LeRobot insists on and overwrites, the chunk is the same to the bit."""
    folder = build_multi_task_dit(tmp_path)
    chunk = load(str(folder)).predict(SEEN, 0, 0, Want())
    (folder / "clip" / "model.safetensors").unlink()
    assert chunk.same_as(load(str(folder)).predict(SEEN, 0, 0, Want()))


@pytest.mark.parametrize("setting", ["vision_encoder_name", "text_encoder_name"])
def test_clip_that_is_not_here_is_named(folder: Path, tmp_path: Path, setting: str) -> None:
    """Without network and cache, the complaint names CLIP, how to get it, and the setting."""
    spoilt = variant(folder, tmp_path, **{setting: "absent/clip"})
    with pytest.raises(WhiskersError, match=rf"'absent/clip' \({setting}\).*hf download absent/clip") as caught:
        load(str(spoilt))
    assert "\n" not in str(caught.value)


def test_tokenizer_that_is_not_here_is_named(tmp_path: Path) -> None:
    """The tokenizer is a setting of its own, in the preprocessor's file."""
    folder = build_multi_task_dit(tmp_path)
    path = folder / "policy_preprocessor.json"
    path.write_text(path.read_text().replace(str(folder / "clip"), "absent/clip"))
    with pytest.raises(WhiskersError, match=r"needs the tokenizer 'absent/clip'.*tokenizer_name"):
        load(str(folder))


@pytest.mark.parametrize("part", ["noise_predictor.", "vision_encoder.model.", "text_encoder.text_encoder."])
def test_missing_tensor_is_named(folder: Path, tmp_path: Path, part: str) -> None:
    """A tensor of any part that is not in the file would be random; this goes for CLIP's too."""
    spoilt = variant(folder, tmp_path)
    tensors: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    gone = next(name for name in tensors if part in name)
    del tensors[gone]
    (spoilt / "model.safetensors").unlink()
    save_file(tensors, spoilt / "model.safetensors")
    with pytest.raises(WhiskersError, match=f"lacks {gone}"):
        load(str(spoilt))


def test_picture_of_another_size_than_clips_is_refused(folder: Path, tmp_path: Path) -> None:
    """What only running it shows, a picture that CLIP cannot take, is told when the checkpoint is opened."""
    spoilt = variant(folder, tmp_path, image_resize_shape=[48, 48])
    with pytest.raises(WhiskersError, match="cannot answer a blank observation"):
        load(str(spoilt))
