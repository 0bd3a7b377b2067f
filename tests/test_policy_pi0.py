"""The Pi0 adapter against LeRobot's own loop, to the bit, what its denoising steps are, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import mujoco
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from policies.load import load
from tests.checkpoints import CAMERAS, build_pi0, within_pi0_sizes
from viewer_app.chunking import FirstN, action_at, is_due
from viewer_app.kinematics import Kinematics
from viewer_app.render import PolicyCameras
from viewer_app.scene import Scene
from viewer_app.types import ActionChunk, Float32Array, Observation, Policy, Want, WhiskersError, frozen
from viewer_app.world import MujocoWorld, pose

STEPS = 23
"""More than three chunks of the test checkpoint."""
CHUNK, N_ACTION, DENOISING_STEPS = 10, 5, 4


def observe(seed: int, task: str = "Pick up the block.") -> Observation:
    """Random pictures and a random state, read-only as the engine's are."""
    rng = np.random.default_rng(seed)
    images = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in CAMERAS.items()}
    state = rng.uniform(-100, 100, 6).astype(np.float32)
    frozen_images = MappingProxyType({name: frozen(image) for name, image in images.items()})
    return Observation(time=seed / 30, state=frozen(state), images=frozen_images, task=task)


class LeRobotLoop:
    """preprocess, `select_action`, postprocess, with LeRobot's loaders. Its random numbers are torch's global ones."""

    def __init__(self, folder: Path) -> None:
        from lerobot.configs.policies import PreTrainedConfig
        from lerobot.policies.factory import get_policy_class, make_pre_post_processors

        config = PreTrainedConfig.from_pretrained(folder)
        self.policy = get_policy_class(config.type).from_pretrained(folder, config=config)
        self._before, self._after = make_pre_post_processors(config, pretrained_path=str(folder))

    def act(self, observation: Observation, seed: int) -> Float32Array:
        """The action for one control step. Shape (n,)."""
        torch.manual_seed(seed)
        with torch.inference_mode():
            action: Float32Array = self._after(self.policy.select_action(self.batch(observation)))[0].numpy()
        return action

    def batch(self, observation: Observation) -> dict[str, torch.Tensor]:
        """What LeRobot's model is given."""
        from lerobot.policies.utils import prepare_observation_for_inference

        arrays = {f"observation.images.{name}": np.array(image) for name, image in observation.images.items()}
        arrays["observation.state"] = np.array(observation.state)
        prepared = prepare_observation_for_inference(arrays, torch.device("cpu"), observation.task)
        batch: dict[str, torch.Tensor] = self._before(prepared)
        return batch


@pytest.fixture(scope="module", params=["tiny_pi0", "pi0"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkpoint of each type, and LeRobot's own type is small as long as a test runs."""
    with ExitStack() as stack:
        if request.param == "pi0":
            stack.enter_context(within_pi0_sizes())
        yield build_pi0(tmp_path_factory.mktemp(request.param), kind=request.param)


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    return load(str(folder))


@pytest.mark.parametrize("n_action_steps", [3, 7])
def test_first_n_is_lerobots_loop(policy: Policy, folder: Path, n_action_steps: int) -> None:
    """The executed actions are to the bit those of LeRobot's loop after `torch.manual_seed` of the call's seed."""
    lerobot = LeRobotLoop(folder)
    lerobot.policy.config.n_action_steps = n_action_steps
    lerobot.policy.reset()
    mode = FirstN(n_action_steps)
    in_force: list[ActionChunk] = []
    for step in range(STEPS):
        if is_due(in_force, step, mode):
            in_force.append(policy.predict([observe(step)], step, 100 + step, Want(denoising=step % 2 == 1)))
        ours = action_at(in_force, step, mode, policy.info.action_scale)
        assert np.array_equal(ours, lerobot.act(observe(step), 100 + step))


def test_denoising_runs_from_the_noise_to_the_chunk(policy: Policy, folder: Path) -> None:
    """The first row is the noise and the last the chunk, both to the bit; between them is a straight step along v."""
    chunk = policy.predict([observe(1)], 0, 5, Want(denoising=True))
    rows, aims, times = (chunk.extras[name] for name in ("denoising", "denoising_x0", "denoising_times"))
    assert rows.shape == (DENOISING_STEPS + 1, CHUNK, N_ACTION)
    np.testing.assert_allclose(times, [1, 0.75, 0.5, 0.25, 0])
    assert policy.info.action_scale is not None
    noise = torch.normal(0.0, 1.0, (CHUNK, 8), generator=torch.Generator().manual_seed(5)).numpy()
    assert np.array_equal(rows[0], policy.info.action_scale.to_scene(noise[:, :N_ACTION]))
    assert np.array_equal(rows[-1], chunk.actions)
    # x_t is a mixture of noise and aim, so from each row the way to the next is dt / t of the way to the aim.
    share = ((times[:-1] - times[1:]) / times[:-1])[:, None, None]
    np.testing.assert_allclose(rows[1:], rows[:-1] + share * (aims - rows[:-1]), rtol=1e-4, atol=1e-3)


def test_predict_is_pure(policy: Policy) -> None:
    """A chunk depends on observation, prompt and seed, whatever was asked before and besides."""
    first = policy.predict([observe(1)], 0, 7, Want())
    others = [
        policy.predict([observe(2)], 0, 7, Want(samples=2)),
        policy.predict([observe(1)], 0, 8, Want(denoising=True)),
        policy.predict([observe(1, "Put the block into the bowl.")], 0, 7, Want()),
    ]
    again = policy.predict([observe(1)], 0, 7, Want())
    richer = policy.predict([observe(1)], 0, 7, Want(samples=3, denoising=True))
    assert first.same_as(again)
    assert np.array_equal(first.actions, richer.actions)
    assert not any(np.array_equal(first.actions, other.actions) for other in others)
    assert not policy.info.deterministic
    assert policy.info.uses_task


def test_samples_in_one_call_are_single_samples(policy: Policy, folder: Path) -> None:
    """Samples of one batched call are what LeRobot answers to each noise by itself; they differ from the chunk."""
    chunk = policy.predict([observe(3)], 0, 11, Want(samples=3))
    samples = chunk.extras["samples"]
    generator = torch.Generator().manual_seed(11)
    noises = [torch.normal(0.0, 1.0, (1, CHUNK, 8), generator=generator)]
    noises += list(torch.normal(0.0, 1.0, (3, CHUNK, 8), generator=generator)[:, None])
    lerobot = LeRobotLoop(folder)
    with torch.inference_mode():
        rows = [lerobot.policy.predict_action_chunk(lerobot.batch(observe(3)), noise=noise)[0] for noise in noises]
    assert policy.info.action_scale is not None
    alone = [policy.info.action_scale.to_scene(each.numpy()) for each in rows]
    assert np.array_equal(chunk.actions, alone[0])
    np.testing.assert_allclose(samples, alone[1:], rtol=1e-4, atol=1e-3)
    assert np.all(samples.std(axis=0) > 0)


@pytest.mark.parametrize("task", ["", " \n"])
def test_no_prompt_is_refused(policy: Policy, task: str) -> None:
    """A policy that reads text does not run without any."""
    with pytest.raises(WhiskersError, match="reads a prompt, and there is none"):
        policy.predict([observe(0, task)], 0, 0, Want())


def drop(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["model.action_out_proj.weight"]


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
        (drop, "lacks model.action_out_proj.weight"),
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
    folder = build_pi0(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    spoil(tensors)
    save_file(tensors, folder / "model.safetensors")
    LeRobotLoop(folder)  # Raises nothing.
    with pytest.raises(WhiskersError, match=complaint) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)


def edit(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change a JSON file."""
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def test_tokenizer_that_is_not_here_is_named(tmp_path: Path) -> None:
    """Without network and cache, the complaint names the tokenizer, how to get it, and the setting."""
    folder = build_pi0(tmp_path, kind="pi0")
    text = (folder / "policy_preprocessor.json").read_text()
    (folder / "policy_preprocessor.json").write_text(text.replace(str(folder / "tokenizer"), "google/absent"))
    with within_pi0_sizes(), pytest.raises(WhiskersError, match=r"needs the tokenizer 'google/absent'.*tokenizer_name"):
        load(str(folder))


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("num_inference_steps", 0, "num_inference_steps must be a whole number from 1"),
        ("use_relative_actions", True, "use_relative_actions"),
        ("use_peft", True, r"PEFT \(LoRA\) adapter; merge"),
    ],
)
def test_configuration_that_cannot_run_is_refused(tmp_path: Path, field: str, value: object, complaint: str) -> None:
    """What LeRobot would run on until it fails, or run as a random policy, is refused in one sentence."""
    folder = build_pi0(tmp_path)
    edit(folder / "config.json", lambda config: config.update({field: value}))
    with pytest.raises(WhiskersError, match=complaint) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)


def test_camera_that_nobody_shows_is_masked(tmp_path: Path) -> None:
    """A checkpoint with room for another camera opens, and does not ask the scene for it."""
    folder = build_pi0(tmp_path)
    edit(folder / "config.json", lambda config: config.update(empty_cameras=1))
    policy = load(str(folder))
    assert list(policy.info.cameras) == list(CAMERAS)
    chunk = policy.predict([observe(0)], 0, 3, Want())
    assert np.array_equal(chunk.actions[0], LeRobotLoop(folder).act(observe(0), 3))


def test_observation_that_does_not_fit_is_refused(policy: Policy) -> None:
    """A missing camera, for which LeRobot would show a grey one, is refused."""
    with pytest.raises(WhiskersError, match=r"'overhead_cam'.*shows wrist_cam"):
        policy.predict([replace(observe(0), images={"wrist_cam": observe(0).images["wrist_cam"]})], 0, 0, Want())


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
