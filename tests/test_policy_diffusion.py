"""The adapters of LeRobot's `diffusion` and `multi_task_dit` against LeRobot's own loop, and what their steps are.

Their common laws are here, for each kind of sampler; what only the transformer has is in `test_policy_multi_task_dit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from safetensors.torch import load_file, save_file

from policies.horizon import sample_seeds
from policies.load import load
from tests.diffusion_checkpoints import (
    CAMERAS,
    CHUNK,
    HORIZON,
    N_ACTION,
    N_OBS_STEPS,
    build_diffusion,
    build_multi_task_dit,
    observe,
    variant,
)
from tests.lerobot_loop import LeRobotLoop
from viewer_app.chunking import FirstN, action_at, is_due
from viewer_app.types import ActionChunk, CallProgress, Policy, Sampling, Want, WhiskersError

STEPS, RESET = 25, 13
"""Control steps, and the one at which the policy is reset: more than a whole chunk before and after it."""
TRAINED, TAKEN = 20, 4
"""Length of the noise schedule, and denoising steps of the checkpoints."""
SEEN = [observe(1), observe(2)]
BUILDERS: dict[str, Callable[[Path], Path]] = {
    "unet_ddim": build_diffusion,
    "unet_ddpm": lambda folder: build_diffusion(folder, scheduler="DDPM"),
    "dit_euler": build_multi_task_dit,
    "dit_rk4": lambda folder: build_multi_task_dit(folder, method="rk4"),
    "dit_ddpm": lambda folder: build_multi_task_dit(folder, objective="diffusion"),
}


@pytest.fixture(scope="module", params=BUILDERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with each sampler."""
    return BUILDERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def heard() -> list[CallProgress]:
    """What the policy said about its calls, over the whole module."""
    return []


@pytest.fixture(scope="module")
def policy(folder: Path, heard: list[CallProgress]) -> Policy:
    return load(str(folder), on_call=heard.append)


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Diffusion Policy with DDIM that answers the noise."""
    return build_diffusion(tmp_path_factory.mktemp("unet"))


@pytest.mark.parametrize("n_action_steps", [5, 20])
def test_first_n_is_lerobots_loop(policy: Policy, folder: Path, n_action_steps: int) -> None:
    """The executed actions are to the bit those of LeRobot's queues after `torch.manual_seed` of the call's seed: after
    a reset, where the first observation is repeated, and where LeRobot's chunk ends before n_action_steps, too."""
    lerobot = LeRobotLoop(folder)
    mode = FirstN(n_action_steps)
    begin, in_force = 0, list[ActionChunk]()
    for step in range(STEPS):
        if step in (0, RESET):
            lerobot.first_n(n_action_steps)
            begin, in_force = step, []
        if is_due(in_force, step, mode):
            seen = [observe(max(step - back, begin)) for back in reversed(range(N_OBS_STEPS))]
            in_force.append(policy.predict(seen, step, 100 + step, Want(denoising=step % 2 == 1)))
        ours = action_at(in_force, step, mode, policy.info.action_scale)
        assert np.array_equal(ours, lerobot.act(observe(step), 100 + step))


def test_denoising_runs_from_the_noise_to_the_chunk(policy: Policy) -> None:
    """The first row is the noise of the seed and the last the chunk, from "now" on, in both units and to the bit."""
    chunk = policy.predict(SEEN, 0, 5, Want(denoising=True))
    rows, numbers = chunk.extras["denoising"], chunk.extras["denoising_model"]
    assert rows.shape == numbers.shape == (TAKEN + 1, CHUNK, N_ACTION)
    assert policy.info.action_scale is not None
    noise = torch.randn((HORIZON, N_ACTION), generator=torch.Generator().manual_seed(5)).numpy()
    assert np.array_equal(numbers[0], noise[N_OBS_STEPS - 1 :])
    assert np.array_equal(rows, policy.info.action_scale.to_scene(numbers))
    assert np.array_equal(rows[-1], chunk.actions)
    assert chunk.model_actions is not None
    assert np.array_equal(numbers[-1], chunk.model_actions)


def test_predict_is_pure(policy: Policy) -> None:
    """A chunk depends on the observations and the seed, whatever was asked before and besides; torch's own random
    numbers neither matter nor are used up."""
    first = policy.predict(SEEN, 0, 7, Want())
    state = torch.get_rng_state()
    other_seed = policy.predict(SEEN, 0, 8, Want(denoising=True, samples=2))
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(1)
    older = policy.predict([observe(9), SEEN[1]], 0, 7, Want())
    newer = policy.predict([SEEN[0], observe(9)], 0, 7, Want())
    richer = policy.predict(SEEN, 0, 7, Want(samples=3, denoising=True))
    assert first.same_as(policy.predict(SEEN, 0, 7, Want()))
    assert np.array_equal(first.actions, richer.actions)
    assert not any(np.array_equal(first.actions, each.actions) for each in (other_seed, older, newer))
    assert not policy.info.deterministic


def test_samples_in_one_call_are_single_chunks(policy: Policy) -> None:
    """Sample k is the chunk of the k-th sample seed, all its steps included, up to the rounding of batched products."""
    batched = policy.predict(SEEN, 0, 11, Want(samples=3, denoising=True)).extras
    few = policy.predict(SEEN, 0, 11, Want(samples=2)).extras
    for number, seed in enumerate(sample_seeds(11, 3)):
        alone = policy.predict(SEEN, 0, seed, Want(denoising=True))
        # At most 4e-4 was seen, for actions hundreds wide.
        np.testing.assert_allclose(batched["samples"][number], alone.actions, rtol=1e-5, atol=2e-3)
        np.testing.assert_allclose(
            batched["samples_denoising"][number], alone.extras["denoising"], rtol=1e-5, atol=2e-3
        )
    assert np.array_equal(batched["samples"], batched["samples_denoising"][:, -1])
    np.testing.assert_allclose(few["samples"], batched["samples"][:2], rtol=1e-5, atol=2e-3)
    assert np.all(batched["samples"].std(axis=0) > 0)


def test_live_steps_are_those_of_a_checkpoint_that_says_so(policy: Policy, folder: Path, tmp_path: Path) -> None:
    """Asked for another number of steps, the policy answers as LeRobot with that configuration, and forgets it."""
    own, steps = policy.predict(SEEN, 0, 3, Want()), 7
    live = policy.predict(SEEN, 0, 3, Want(denoising=True, sampling=Sampling(steps=steps)))
    assert len(live.extras["denoising"]) == steps + 1
    lerobot = LeRobotLoop(variant(folder, tmp_path, num_inference_steps=steps, num_integration_steps=steps))
    lerobot.first_n(CHUNK)
    lerobot.act(SEEN[0])
    lerobot.policy._queues["action"].clear()
    executed = [lerobot.act(SEEN[1], 3) for _ in range(CHUNK)]
    assert np.array_equal(live.actions, executed)
    assert not np.array_equal(live.actions, own.actions)
    assert own.same_as(policy.predict(SEEN, 0, 3, Want()))
    assert policy.info.denoising_steps == TAKEN
    with pytest.raises(WhiskersError, match="cannot take -1 denoising steps"):
        policy.predict(SEEN, 0, 3, Want(sampling=Sampling(steps=-1)))


def test_each_step_is_told(policy: Policy, heard: list[CallProgress]) -> None:
    """A call tells each denoising step as it is taken, and those of its samples too."""
    heard.clear()
    policy.predict(SEEN, 0, 0, Want())
    policy.predict(SEEN, 0, 0, Want(samples=2, sampling=Sampling(steps=3)))
    plain = [CallProgress(done, TAKEN) for done in range(1, TAKEN + 1)]
    assert heard == plain + [CallProgress(done, 6) for done in range(1, 7)]


def test_history_of_another_length_is_refused(policy: Policy) -> None:
    """The policy does not guess what it should have seen before."""
    for seen in ([SEEN[1]], [*SEEN, SEEN[1]]):
        with pytest.raises(WhiskersError, match=rf"last 2 observations, and was shown {len(seen)}"):
            policy.predict(seen, 0, 0, Want())


def test_observation_that_does_not_fit_is_refused(policy: Policy) -> None:
    """Each observation of the history is checked, the older ones too."""
    blind = replace(SEEN[0], images={"wrist_cam": SEEN[0].images["wrist_cam"]})
    with pytest.raises(WhiskersError, match=r"'overhead_cam'.*shows wrist_cam"):
        policy.predict([blind, SEEN[1]], 0, 0, Want())


def test_ddim_steps_lie_between_aim_and_noise(unet: Path) -> None:
    """Each row is DDIM's mixture of the aim before it and of the noise that is left when that is taken away, at the
    cumulative alphas of diffusers' own schedule; the last aim is the chunk."""
    policy = load(str(unet))
    extras = policy.predict(SEEN, 0, 2, Want(denoising=True)).extras
    rows, aims, times = (extras[n] for n in ("denoising_model", "denoising_x0_model", "denoising_times"))
    np.testing.assert_array_equal(times, [15, 10, 5, 0, -1])
    schedule = DDIMScheduler(num_train_timesteps=TRAINED, beta_schedule="squaredcos_cap_v2")
    alphas = np.array([schedule.alphas_cumprod[int(t)] if t >= 0 else 1.0 for t in times])[:, None, None]
    noise = (rows[:-1] - np.sqrt(alphas[:-1]) * aims) / np.sqrt(1 - alphas[:-1])
    expected = np.sqrt(alphas[1:]) * aims + np.sqrt(1 - alphas[1:]) * noise
    # Where LeRobot clipped the aim (at 10 in this checkpoint), the noise is not what the aim was made of.
    free = np.abs(aims) < 9.99
    assert free.mean() > 0.5
    np.testing.assert_allclose(rows[1:][free], expected[free], rtol=1e-4, atol=1e-4)
    assert np.array_equal(aims[-1], rows[-1])


def test_aims_of_a_network_that_answers_actions_are_its_answers(tmp_path: Path) -> None:
    """With prediction_type `sample`, the network's own output is what each step points to."""
    folder = build_diffusion(tmp_path, prediction="sample")
    chunk = load(str(folder)).predict(SEEN, 0, 2, Want(denoising=True))
    lerobot, answers = LeRobotLoop(folder), list[torch.Tensor]()
    lerobot.policy.diffusion.unet.register_forward_hook(lambda module, inputs, output: answers.append(output))
    lerobot.act(SEEN[0])
    lerobot.policy._queues["action"].clear()
    answers.clear()
    lerobot.act(SEEN[1], 2)
    assert np.array_equal(chunk.extras["denoising_x0_model"], torch.cat(answers)[:, N_OBS_STEPS - 1 :].numpy())


@pytest.mark.parametrize("scheduler", ["DDIM", "DDPM"])
def test_no_more_steps_than_the_schedule_has(unet: Path, tmp_path: Path, scheduler: str) -> None:
    """More steps than the schedule was trained with are cut to its length, and the rows say so; null means all."""
    policy = load(str(variant(unet, tmp_path, noise_scheduler_type=scheduler, num_inference_steps=None)))
    assert policy.info.denoising_steps == TRAINED
    chunk = policy.predict(SEEN, 0, 1, Want(denoising=True, sampling=Sampling(steps=1000)))
    np.testing.assert_array_equal(chunk.extras["denoising_times"], np.arange(TRAINED - 1, -2, -1))
    assert np.array_equal(chunk.actions, policy.predict(SEEN, 0, 1, Want()).actions)


def test_info_is_the_checkpoints(policy: Policy) -> None:
    """The chunk goes from "now" to the end of the horizon, though LeRobot cuts it after n_action_steps."""
    info = policy.info
    assert (info.chunk_size, info.n_action_steps, info.n_obs_steps) == (HORIZON - N_OBS_STEPS + 1, 5, N_OBS_STEPS)
    assert info.denoising_steps == TAKEN
    assert not info.guidable
    assert dict(info.cameras) == dict(CAMERAS)
    assert info.tensors_verified == info.tensors_in_file > 50


def drop(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["diffusion.unet.final_conv.1.weight"]


def compile_names(tensors: dict[str, torch.Tensor]) -> None:
    for name in [name for name in tensors if ".unet." in name]:
        tensors[name.replace(".unet.", ".unet._orig_mod.")] = tensors.pop(name)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [(drop, "lacks diffusion.unet.final_conv.1.weight"), (compile_names, 'compiled model .*"_orig_mod." taken out')],
)
def test_weights_that_do_not_fit_are_refused(
    unet: Path, tmp_path: Path, spoil: Callable[[dict[str, torch.Tensor]], None], complaint: str
) -> None:
    """LeRobot's loader returns a partly random policy for them."""
    folder = variant(unet, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    spoil(tensors)
    (folder / "model.safetensors").unlink()
    save_file(tensors, folder / "model.safetensors")
    LeRobotLoop(folder)  # Raises nothing.
    with pytest.raises(WhiskersError, match=complaint) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"num_inference_steps": 21}, r"num_inference_steps must be null or a whole number from 1 .* \(20\), not 21"),
        ({"num_inference_steps": 0}, "num_inference_steps must be null or a whole number from 1 .* not 0"),
        ({"n_obs_steps": 13}, r"n_obs_steps \(13\) must not be above horizon \(12\)"),
        ({"n_action_steps": 0}, "n_action_steps must be a whole number from 1, not 0"),
        ({"crop_shape": [33, 40]}, "crop_shape. should fit within the image shapes"),
        ({"horizon": 10}, "horizon should be an integer multiple"),
    ],
)
def test_configuration_that_cannot_run_is_refused(
    unet: Path, tmp_path: Path, fields: dict[str, object], complaint: str
) -> None:
    """What LeRobot would run on until it fails is refused in one sentence."""
    with pytest.raises(WhiskersError, match=complaint) as caught:
        load(str(variant(unet, tmp_path, **fields)))
    assert "\n" not in str(caught.value)


def test_backbone_is_not_downloaded(unet: Path, tmp_path: Path) -> None:
    """A checkpoint that began with torchvision's weights opens without them, since the file has better ones."""
    named = variant(unet, tmp_path, pretrained_backbone_weights="ResNet18_Weights.IMAGENET1K_V1")
    alone, other = (load(str(each)).predict(SEEN, 0, 0, Want()) for each in (unet, named))
    assert alone.same_as(other)
