"""The adapters of Pi0, Pi0.5 and SmolVLA against LeRobot's own loop, to the bit, and what their denoising steps are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from policies.load import load
from tests.checkpoints import CAMERAS
from tests.flow_checkpoints import build_flow, observe, within_sizes
from tests.lerobot_loop import LeRobotLoop
from viewer_app.blinding import STATE, Blind, BlindSetting, blind
from viewer_app.chunking import FirstN, action_at, is_due
from viewer_app.types import (
    ActionChunk,
    CallProgress,
    Float32Array,
    Guidance,
    Observation,
    Policy,
    Sampling,
    Want,
    WhiskersError,
)

STEPS = 23
"""Control steps: more than three chunks of the test checkpoint."""
CHUNK, N_ACTION, PADDED, DENOISING_STEPS = 10, 5, 8, 4


def noises(seed: int, count: int = 1) -> Float32Array:
    """What LeRobot draws after `torch.manual_seed`, in the model's units. Shape (count, H, padded n)."""
    generator = torch.Generator().manual_seed(seed)
    return np.concatenate([torch.randn((1, CHUNK, PADDED), generator=generator).numpy() for _ in range(count)])


@dataclass
class Opened:
    """One checkpoint, in Whiskers and in LeRobot."""

    folder: Path
    policy: Policy
    lerobot: LeRobotLoop
    heard: list[CallProgress]
    """All that the policy said of its calls."""

    def to_scene(self, normalised: Float32Array) -> Float32Array:
        assert self.policy.info.action_scale is not None
        return self.policy.info.action_scale.to_scene(normalised)


def opened(folder: Path) -> Opened:
    heard: list[CallProgress] = []
    return Opened(folder, load(str(folder), on_call=heard.append), LeRobotLoop(folder), heard)


@pytest.fixture(scope="module", params=["tiny_pi0", "pi0", "pi05", "smolvla"])
def each(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """A checkpoint of each type, and LeRobot's own types are small as long as a test runs."""
    with ExitStack() as stack:
        stack.enter_context(within_sizes(request.param))
        yield opened(build_flow(tmp_path_factory.mktemp(request.param), request.param))


def executed(policy: Policy, n_action_steps: int, want: Want) -> list[Float32Array]:
    """The actions of Whiskers' loop. Every second call wants what is given, the others nothing."""
    in_force: list[ActionChunk] = []
    actions = []
    for step in range(STEPS):
        if is_due(in_force, step, FirstN(n_action_steps)):
            asked = want if len(in_force) % 2 else Want()
            in_force.append(policy.predict([observe(step)], step, 100 + step, asked))
        actions.append(action_at(in_force, step, FirstN(n_action_steps), policy.info.action_scale))
    return actions


@pytest.mark.parametrize("n_action_steps", [3, 7])
def test_first_n_is_lerobots_loop(each: Opened, n_action_steps: int) -> None:
    """The executed actions are to the bit those of LeRobot's loop with the same seeds, whatever is captured."""
    each.lerobot.first_n(n_action_steps)
    expected = [each.lerobot.act(observe(step), 100 + step) for step in range(STEPS)]
    assert np.array_equal(executed(each.policy, n_action_steps, Want(samples=2, denoising=True)), expected)


def test_denoising_runs_from_the_noise_to_the_chunk(each: Opened) -> None:
    """The first row is the noise, the last row and the last aim are the chunk, all to the bit; between them is a
    straight step along v."""
    chunk = each.policy.predict([observe(1)], 0, 5, Want(denoising=True))
    rows, aims, times = (chunk.extras[name] for name in ("denoising", "denoising_x0", "denoising_times"))
    assert rows.shape == (DENOISING_STEPS + 1, CHUNK, N_ACTION)
    assert aims.shape == (DENOISING_STEPS, CHUNK, N_ACTION)
    np.testing.assert_allclose(times, [1, 0.75, 0.5, 0.25, 0])
    assert np.array_equal(chunk.extras["denoising_model"][0], noises(5)[0, :, :N_ACTION])
    assert np.array_equal(rows[-1], chunk.actions)
    assert np.array_equal(aims[-1], chunk.actions)
    steps_are_straight(rows, aims, times)


def steps_are_straight(rows: Float32Array, aims: Float32Array, times: Float32Array) -> None:
    """x_t is a mixture of noise and aim, so from each row the way to the next is dt / t of the way to the aim."""
    share = ((times[:-1] - times[1:]) / times[:-1])[:, None, None]
    np.testing.assert_allclose(rows[1:], rows[:-1] + share * (aims - rows[:-1]), rtol=1e-4, atol=1e-3)


def test_model_units_and_scene_units_are_the_same_numbers(each: Opened) -> None:
    """What is given in the model's units is, scaled by the checkpoint's statistics, what is given in scene units."""
    chunk = each.policy.predict([observe(1)], 0, 5, Want(denoising=True))
    for name in ("denoising", "denoising_x0"):
        assert np.array_equal(each.to_scene(chunk.extras[f"{name}_model"]), chunk.extras[name])
    assert chunk.model_actions is not None
    assert np.array_equal(chunk.extras["denoising_model"][-1], chunk.model_actions)


@pytest.mark.parametrize("steps", [1, 3, 7])
def test_number_of_steps_is_live(each: Opened, steps: int) -> None:
    """With another number of steps the chunk is LeRobot's with that configuration, and the next is as before."""
    before = each.policy.predict([observe(2)], 0, 9, Want())
    chunk = each.policy.predict([observe(2)], 0, 9, Want(denoising=True, sampling=Sampling(steps=steps)))
    config = each.lerobot.policy.config
    field = "num_steps" if each.policy.info.kind == "smolvla" else "num_inference_steps"
    setattr(config, field, steps)
    expected = each.lerobot.chunk(observe(2), 9)
    setattr(config, field, DENOISING_STEPS)
    assert np.array_equal(chunk.actions, expected)
    np.testing.assert_allclose(chunk.extras["denoising_times"], np.linspace(1, 0, steps + 1), atol=1e-6)
    assert each.policy.predict([observe(2)], 0, 9, Want()).same_as(before)
    assert not np.array_equal(before.actions, chunk.actions)
    assert each.policy.info.denoising_steps == DENOISING_STEPS


def test_predict_is_pure(each: Opened) -> None:
    """A chunk depends on observation, prompt and seed, whatever was asked before and besides."""
    policy = each.policy
    first = policy.predict([observe(1)], 0, 7, Want())
    others = [
        policy.predict([observe(2)], 0, 7, Want(samples=2)),
        policy.predict([observe(1)], 0, 8, Want(denoising=True)),
        policy.predict([observe(1, "Put the block into the bowl.")], 0, 7, Want()),
    ]
    assert policy.predict([observe(1)], 0, 7, Want()).same_as(first)
    assert np.array_equal(policy.predict([observe(1)], 0, 7, Want(samples=3, denoising=True)).actions, first.actions)
    assert not any(np.array_equal(first.actions, other.actions) for other in others)
    assert not policy.info.deterministic
    assert policy.info.uses_task


def test_samples_in_one_call_are_single_samples(each: Opened) -> None:
    """Samples of one batched call are LeRobot's answers to the noises drawn next, each by itself, but for rounding."""
    chunk = each.policy.predict([observe(3)], 0, 11, Want(samples=3, denoising=True))
    samples, steps = chunk.extras["samples"], chunk.extras["samples_denoising"]
    drawn = noises(11)[0], *samples_noises(11, 3)
    alone = [each.lerobot.chunk(observe(3), noise=torch.from_numpy(noise)[None]) for noise in drawn]
    assert np.array_equal(chunk.actions, alone[0])
    # A batched matrix product adds in another order, so the last bits may differ.
    np.testing.assert_allclose(samples, alone[1:], rtol=1e-4, atol=1e-3)
    assert np.all(samples.std(axis=0) > 0)
    assert steps.shape == (3, DENOISING_STEPS + 1, CHUNK, N_ACTION)
    assert np.array_equal(steps[:, -1], samples)
    assert np.array_equal(steps[:, 0], each.to_scene(np.stack(drawn[1:])[..., :N_ACTION]))


def samples_noises(seed: int, count: int) -> Float32Array:
    """What is drawn for samples, after the chunk's noise. Shape (count, H, padded n)."""
    generator = torch.Generator().manual_seed(seed)
    torch.randn((1, CHUNK, PADDED), generator=generator)
    drawn: Float32Array = torch.randn((count, CHUNK, PADDED), generator=generator).numpy()
    return drawn


@pytest.mark.parametrize(
    ("want", "total"),
    [(Want(), 4), (Want(denoising=True), 4), (Want(sampling=Sampling(steps=2)), 2), (Want(samples=3), 8)],
)
def test_every_step_is_told(each: Opened, want: Want, total: int) -> None:
    """After each denoising step, those of the samples included, a call says how far it is, whatever it captures."""
    each.heard.clear()
    each.policy.predict([observe(0)], 0, 0, want)
    assert each.heard == [CallProgress(done, total) for done in range(1, total + 1)]


GUIDANCES = [Guidance(), Guidance(horizon=5, weight=3.0, schedule="exp"), Guidance(schedule="ones")]


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_guided_call_is_lerobots_guided_call(each: Opened, guidance: Guidance) -> None:
    """With real-time chunking a chunk is to the bit LeRobot's for the same leftover; the next one has forgotten it."""
    plain = each.policy.predict([observe(4)], 0, 2, Want())
    leftover = rows_left(each.policy, 3)
    sampling = Sampling(guidance=guidance, leftover=leftover, delay=2)
    chunk = each.policy.predict([observe(4)], 0, 2, Want(sampling=sampling))
    assert np.array_equal(chunk.actions, lerobots_guided(each.lerobot, sampling, 2))
    assert each.policy.predict([observe(4)], 0, 2, Want()).same_as(plain)


def rows_left(policy: Policy, executed: int) -> Float32Array:
    """What is left, after so many control steps, of a chunk for another observation. Shape (H - executed, n)."""
    rows = policy.predict([observe(5)], 0, 3, Want()).model_actions
    assert rows is not None
    return rows[executed:]


def lerobots_guided(lerobot: LeRobotLoop, sampling: Sampling, seed: int) -> Float32Array:
    """The chunk of LeRobot's own real-time chunking. Shape (H, n)."""
    from lerobot.configs import RTCAttentionSchedule
    from lerobot.policies.rtc.configuration_rtc import RTCConfig

    assert sampling.guidance is not None
    assert sampling.leftover is not None
    policy, guidance = lerobot.policy, sampling.guidance
    policy.config.rtc_config = RTCConfig(
        prefix_attention_schedule=RTCAttentionSchedule[guidance.schedule.upper()],
        max_guidance_weight=guidance.weight,
        execution_horizon=guidance.horizon,
    )
    policy.init_rtc_processor()
    leftover = torch.from_numpy(sampling.leftover.copy())
    chunk = lerobot.chunk(observe(4), seed, inference_delay=sampling.delay, prev_chunk_left_over=leftover)
    policy.config.rtc_config = None
    policy.rtc_processor = policy.model.rtc_processor = None
    return chunk


def test_guidance_pulls_the_first_rows(each: Opened) -> None:
    """The rows that count fully come out near the leftover, those beyond the horizon where they were, and the captured
    steps are those of the guided velocity."""
    leftover = rows_left(each.policy, 3)
    plain = each.policy.predict([observe(4)], 0, 2, Want())
    sampling = Sampling(guidance=Guidance(horizon=6), leftover=leftover, delay=2)
    chunk = each.policy.predict([observe(4)], 0, 2, Want(denoising=True, samples=2, sampling=sampling))
    assert plain.model_actions is not None
    assert chunk.model_actions is not None
    np.testing.assert_allclose(chunk.extras["guidance"], [1, 1, 0.8, 0.6, 0.4, 0.2, 0, 0, 0, 0], atol=1e-6)
    far = np.abs(plain.model_actions[:2] - leftover[:2]).mean()
    assert np.abs(chunk.model_actions[:2] - leftover[:2]).mean() < 0.2 * far
    rows, aims, times = (chunk.extras[name] for name in ("denoising", "denoising_x0", "denoising_times"))
    assert np.array_equal(rows[0], each.to_scene(noises(2)[0, :, :N_ACTION]))
    assert np.array_equal(rows[-1], chunk.actions)
    assert np.array_equal(aims[-1], chunk.actions)
    steps_are_straight(rows, aims, times)
    distance = np.abs(chunk.extras["samples"][:, :2] - each.to_scene(leftover[:2])).mean()
    assert distance < 0.2 * np.abs(plain.actions[:2] - each.to_scene(leftover[:2])).mean()


def test_first_guided_chunk_is_unguided(each: Opened) -> None:
    """With nothing left of an earlier chunk, real-time chunking changes nothing and says so by its absence."""
    plain = each.policy.predict([observe(4)], 0, 2, Want())
    empty = np.zeros((0, N_ACTION), np.float32)
    for leftover in (None, empty):
        sampling = Sampling(guidance=Guidance(), leftover=leftover)
        assert each.policy.predict([observe(4)], 0, 2, Want(sampling=sampling)).same_as(plain)
    assert each.policy.info.guidable


def test_leftover_as_long_as_a_chunk_of_unpadded_actions(tmp_path: Path) -> None:
    """Nothing of the leftover needs padding here, which LeRobot then does not widen for the samples either."""
    own = opened(build_flow(tmp_path, n_action=PADDED))
    leftover = rows_left(own.policy, 0)
    sampling = Sampling(guidance=Guidance(), leftover=leftover, delay=1)
    chunk = own.policy.predict([observe(4)], 0, 2, Want(samples=2, sampling=sampling))
    assert np.array_equal(chunk.actions, lerobots_guided(own.lerobot, sampling, 2))
    assert chunk.extras["samples"].shape == (2, CHUNK, PADDED)
    longer = Sampling(guidance=Guidance(), leftover=np.concatenate([leftover, leftover]), delay=1)
    assert own.policy.predict([observe(4)], 0, 2, Want(samples=2, sampling=longer)).same_as(chunk)


@pytest.mark.parametrize("name", [*CAMERAS, STATE])
def test_blind_means_blind(each: Opened, name: str) -> None:
    """What a blinded input shows cannot change the chunk; unblinded it does."""

    def chunk(observation: Observation, blinding: Mapping[str, BlindSetting]) -> ActionChunk:
        shown = blind(observation, blinding, each.policy.info, {0: observe(7)}, seed=3, step=5)
        return each.policy.predict([shown], 5, 0, Want())

    one, other = observe(1), observe(2)
    changed = (
        replace(one, state=other.state)
        if name == STATE
        else replace(one, images=MappingProxyType({**one.images, name: other.images[name]}))
    )
    blinding = {name: BlindSetting(Blind.MEAN, since=0)}
    assert chunk(one, blinding).same_as(chunk(changed, blinding))
    assert not chunk(one, {}).same_as(chunk(changed, {}))


@pytest.mark.parametrize(
    ("observation", "sampling", "complaint"),
    [
        (observe(0, ""), Sampling(), "reads a prompt, and there is none"),
        (observe(0, " \n"), Sampling(), "reads a prompt, and there is none"),
        (replace(observe(0), images={"wrist_cam": observe(0).images["wrist_cam"]}), Sampling(), r"'overhead_cam'"),
        (observe(0), Sampling(steps=-1), "cannot take -1 denoising steps"),
        (observe(0), Sampling(guidance=Guidance(), leftover=np.zeros((4, 6), np.float32)), r"\(T, 5\).*\(4, 6\)"),
        (
            observe(0),
            Sampling(guidance=Guidance(weight=0.0), leftover=np.zeros((4, N_ACTION), np.float32)),
            "weight above 0",
        ),
    ],
    ids=["no prompt", "blank prompt", "camera missing", "steps", "leftover of another policy", "no weight"],
)
def test_call_that_makes_no_sense_is_refused(
    each: Opened, observation: Observation, sampling: Sampling, complaint: str
) -> None:
    """What LeRobot would run on without a word, or fail on, is refused in one sentence; the next call is as ever."""
    before = each.policy.predict([observe(0)], 0, 0, Want())
    with pytest.raises(WhiskersError, match=complaint) as caught:
        each.policy.predict([observation], 0, 0, Want(sampling=sampling))
    assert "\n" not in str(caught.value)
    assert each.policy.predict([observe(0)], 0, 0, Want()).same_as(before)


def test_partial_weights_are_refused(each: Opened, tmp_path: Path) -> None:
    """A checkpoint that lacks a single tensor, which LeRobot makes up without an error, is refused by name."""
    for file in each.folder.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["model.action_out_proj.weight"]
    save_file(tensors, tmp_path / "model.safetensors")
    LeRobotLoop(tmp_path)  # Raises nothing.
    with pytest.raises(WhiskersError, match=r"lacks model.action_out_proj.weight") as caught:
        load(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_info_is_the_checkpoints(each: Opened) -> None:
    """What is said of a policy is what its files say, and every tensor of them is known to be in the model."""
    info = each.policy.info
    assert info.tensors_verified == info.tensors_in_file > 60
    assert (info.chunk_size, info.n_action_steps, info.n_action, info.n_state) == (CHUNK, 7, N_ACTION, 6)
    assert dict(info.cameras) == dict(CAMERAS)
