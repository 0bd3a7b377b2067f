"""The X-VLA adapter against LeRobot's own loop, to the bit, and what it tells about its denoising."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from policies.horizon import sample_seeds
from policies.load import load
from tests.checkpoints import CAMERAS
from tests.diffusion_checkpoints import variant
from tests.lerobot_loop import LeRobotLoop
from tests.more_checkpoints import N_ACTION, build_xvla, observe
from viewer_app.chunking import FirstN, action_at, is_due
from viewer_app.types import ActionChunk, CallProgress, Policy, Sampling, Want, WhiskersError

STEPS, RESET, CHUNK, TAKEN, WIDTH = 17, 7, 8, 4, 8
"""`WIDTH` is the model's own number of actions, of which it cuts off all but `N_ACTION`."""
SEEN = [observe(0, CAMERAS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_xvla(tmp_path_factory.mktemp("xvla"))


@pytest.fixture(scope="module")
def heard() -> list[CallProgress]:
    """What the policy said about its calls, over the whole module."""
    return []


@pytest.fixture(scope="module")
def policy(folder: Path, heard: list[CallProgress]) -> Policy:
    return load(str(folder), on_call=heard.append)


@pytest.mark.parametrize("n_action_steps", [3, 6, CHUNK])
def test_first_n_is_lerobots_loop(policy: Policy, folder: Path, n_action_steps: int) -> None:
    """The executed actions are LeRobot's to the bit after `torch.manual_seed` of the call's seed, over a reset."""
    lerobot, mode, in_force = LeRobotLoop(folder), FirstN(n_action_steps), list[ActionChunk]()
    for step in range(STEPS):
        if step in (0, RESET):
            lerobot.first_n(n_action_steps)
            in_force = []
        if is_due(in_force, step, mode):
            chunk = policy.predict([observe(step, CAMERAS)], step, 100 + step, Want(denoising=step % 2 == 1))
            in_force.append(chunk)
        ours = action_at(in_force, step, mode, policy.info.action_scale)
        assert np.array_equal(ours, lerobot.act(observe(step, CAMERAS), 100 + step))


def test_denoising_mixes_the_noise_with_the_last_answer(policy: Policy) -> None:
    """Row i is the noise of the seed at its time t and, for the rest, the aim of the step before; the last aim is the
    chunk."""
    chunk = policy.predict(SEEN, 0, 5, Want(denoising=True))
    rows, aims, times = (chunk.extras[n] for n in ("denoising_model", "denoising_x0_model", "denoising_times"))
    np.testing.assert_allclose(times, [1, 0.75, 0.5, 0.25, 0])
    noise = torch.randn((CHUNK, WIDTH), generator=torch.Generator().manual_seed(5)).numpy()[:, :N_ACTION]
    assert np.array_equal(rows[0], noise)
    t = times[1:, None, None]
    np.testing.assert_allclose(rows[1:], noise * t + aims * (1 - t), rtol=1e-5, atol=1e-6)
    assert np.array_equal(aims[-1], rows[-1])
    assert np.array_equal(chunk.extras["denoising"][-1], chunk.actions)


def test_live_steps_are_those_of_a_checkpoint_that_says_so(policy: Policy, folder: Path, tmp_path: Path) -> None:
    """Asked for another number of steps, the policy answers as LeRobot with that configuration, and forgets it."""
    own = policy.predict(SEEN, 0, 3, Want())
    live = policy.predict(SEEN, 0, 3, Want(sampling=Sampling(steps=7)))
    lerobot = LeRobotLoop(variant(folder, tmp_path, num_denoising_steps=7))
    assert np.array_equal(live.actions, lerobot.chunk(SEEN[0], 3))
    assert not np.array_equal(live.actions, own.actions)
    assert own.same_as(policy.predict(SEEN, 0, 3, Want()))
    assert policy.info.denoising_steps == TAKEN


def test_actions_that_only_the_postprocessor_makes_are_lerobots(tmp_path: Path) -> None:
    """Where the model's 20 numbers become 7 (axis-angle for a rotation in six numbers, a gripper that opens or shuts),
    the executed actions are LeRobot's to the bit, and no scale is claimed between the two."""
    folder = build_xvla(tmp_path, action_mode="ee6d")
    policy, lerobot = load(str(folder)), LeRobotLoop(folder)
    assert (policy.info.n_action, policy.info.action_scale) == (7, None)
    chunk = policy.predict(SEEN, 0, 100, Want(denoising=True))
    assert np.array_equal(chunk.actions[:6], [lerobot.act(SEEN[0], 100) for _ in range(6)])
    assert chunk.extras["denoising"].shape == (TAKEN + 1, CHUNK, 7)
    assert np.array_equal(chunk.extras["denoising"][-1], chunk.actions)
    assert np.array_equal(chunk.extras["denoising_x0_model"][-1], chunk.extras["denoising_model"][-1])


def test_samples_are_the_chunks_of_their_seeds(policy: Policy, heard: list[CallProgress]) -> None:
    """Sample k is, to the bit, the chunk of the k-th sample seed, denoising included; each step of all is told."""
    heard.clear()
    extras = policy.predict(SEEN, 0, 11, Want(samples=2, denoising=True)).extras
    assert heard == [CallProgress(done, 3 * TAKEN) for done in range(1, 3 * TAKEN + 1)]
    for number, seed in enumerate(sample_seeds(11, 2)):
        alone = policy.predict(SEEN, 0, seed, Want(denoising=True))
        assert np.array_equal(extras["samples"][number], alone.actions)
        assert np.array_equal(extras["samples_denoising"][number], alone.extras["denoising"])
    assert extras["samples"].std(axis=0).max() > 0


def test_predict_is_pure_and_reads_the_prompt(policy: Policy) -> None:
    """A chunk depends on pictures, state, prompt and seed, whatever was asked before; without a prompt it refuses."""
    first = policy.predict(SEEN, 0, 7, Want())
    state = torch.get_rng_state()
    others = [
        policy.predict(SEEN, 0, 8, Want(samples=1)),
        policy.predict([replace(SEEN[0], task="Stack them.")], 0, 7, Want()),
        policy.predict([replace(SEEN[0], images=observe(1, CAMERAS).images)], 0, 7, Want()),
        policy.predict([replace(SEEN[0], state=observe(1, CAMERAS).state)], 0, 7, Want()),
    ]
    assert torch.equal(torch.get_rng_state(), state)
    assert first.same_as(policy.predict(SEEN, 0, 7, Want()))
    assert not any(np.array_equal(first.actions, each.actions) for each in others)
    with pytest.raises(WhiskersError, match="reads a prompt, and there is none"):
        policy.predict([replace(SEEN[0], task=" ")], 0, 0, Want())


def test_info_is_the_checkpoints(policy: Policy) -> None:
    """What is said of a policy is what its files say."""
    info = policy.info
    assert (info.kind, info.chunk_size, info.n_action_steps, info.n_action) == ("xvla", CHUNK, 6, N_ACTION)
    assert (info.uses_task, info.deterministic) == (True, False)
    assert dict(info.cameras) == dict(CAMERAS)
    assert info.tensors_verified == info.tensors_in_file > 100


def test_florence_by_its_old_names_is_refused(folder: Path, tmp_path: Path) -> None:
    """Weights of the layout before LeRobot used transformers' Florence-2 are told apart from damaged ones."""
    spoilt = variant(folder, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    old = {name.replace("language_model.", "language_model.model."): value for name, value in tensors.items()}
    (spoilt / "model.safetensors").unlink()
    save_file(old, spoilt / "model.safetensors")
    with pytest.raises(WhiskersError, match=r"names the parts of Florence-2 .* save_pretrained") as caught:
        load(str(spoilt))
    assert "\n" not in str(caught.value)


def test_tokenizer_that_is_not_here_is_named(folder: Path, tmp_path: Path) -> None:
    """Without network and cache, the complaint names the tokenizer and how to get it."""
    spoilt = variant(folder, tmp_path)
    text = (folder / "policy_preprocessor.json").read_text().replace(str(folder / "language"), "absent/bart")
    (spoilt / "policy_preprocessor.json").unlink()
    (spoilt / "policy_preprocessor.json").write_text(text)
    with pytest.raises(WhiskersError, match=r"needs the tokenizer 'absent/bart'.*hf download absent/bart"):
        load(str(spoilt))
