"""The ACT adapter against LeRobot's own loop, to the bit, and what a policy call may depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from lerobot.configs.types import NormalizationMode

from policies import act
from policies.load import load
from tests.checkpoints import CAMERAS, build_act
from tests.lerobot_loop import LeRobotLoop
from viewer_app.blinding import STATE, Blind, BlindSetting, blind
from viewer_app.chunking import Chunking, FirstN, TemporalEnsemble, action_at, is_due
from viewer_app.types import ActionChunk, Float32Array, Observation, Policy, Want, WhiskersError, frozen

STEPS = 33
"""More than three chunks of the test checkpoint."""


def observe(seed: int) -> Observation:
    """Random pictures and a random state, read-only as the engine's are."""
    rng = np.random.default_rng(seed)
    images = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in CAMERAS.items()}
    state = rng.uniform(-100, 100, 6).astype(np.float32)
    frozen_images = MappingProxyType({name: frozen(image) for name, image in images.items()})
    return Observation(time=seed / 30, state=frozen(state), images=frozen_images)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_act(tmp_path_factory.mktemp("act"))


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    return load(str(folder))


@pytest.fixture(scope="module")
def lerobot(folder: Path) -> LeRobotLoop:
    return LeRobotLoop(folder)


@pytest.fixture(scope="module")
def chunks(policy: Policy) -> list[ActionChunk]:
    """What the policy answers at each step. Asked once, since a call depends on its arguments alone."""
    return [policy.predict([observe(step)], step, 0, Want()) for step in range(STEPS)]


def executed(policy: Policy, chunks: list[ActionChunk], modes: Sequence[Chunking]) -> list[Float32Array]:
    """The actions of Whiskers' loop where `modes[step]` is in force at each step."""
    in_force: list[ActionChunk] = []
    actions = []
    for step, mode in enumerate(modes):
        if is_due(in_force, step, mode):
            in_force.append(chunks[step])
        actions.append(action_at(in_force, step, mode, policy.info.action_scale))
    return actions


@pytest.mark.parametrize("n_action_steps", [1, 3, 7, 10])
def test_first_n_is_lerobots_loop(
    policy: Policy, lerobot: LeRobotLoop, chunks: list[ActionChunk], n_action_steps: int
) -> None:
    """In first-n mode the executed actions are LeRobot's to the bit, for any n_action_steps."""
    lerobot.first_n(n_action_steps)
    expected = [lerobot.act(observe(step)) for step in range(STEPS)]
    assert np.array_equal(executed(policy, chunks, [FirstN(n_action_steps)] * STEPS), expected)


def test_live_change_of_n_is_lerobots_loop(policy: Policy, lerobot: LeRobotLoop, chunks: list[ActionChunk]) -> None:
    """Shrinking n_action_steps inside a chunk cuts LeRobot's queue; growing it goes on with LeRobot's same chunk."""
    modes = [FirstN(7)] * 9 + [FirstN(3)] * 8 + [FirstN(10)] * (STEPS - 17)
    lerobot.first_n(7)
    expected = [lerobot.act(observe(step)) for step in range(9)]
    lerobot.change_n(3, executed=2)
    expected += [lerobot.act(observe(step)) for step in range(9, 17)]
    # LeRobot's queue has lost the rest of the chunk of step 16, so its rows are taken from the chunk itself.
    expected += list(lerobot.chunk(observe(16))[1:])
    lerobot.first_n(10)
    expected += [lerobot.act(observe(step)) for step in range(26, STEPS)]
    assert np.array_equal(executed(policy, chunks, modes), expected)


@pytest.mark.parametrize("coefficient", [0.01, 0.0, -0.05, 0.5, float(np.random.default_rng(5).normal(0, 0.2))])
def test_temporal_ensemble_is_lerobots_loop(
    policy: Policy, lerobot: LeRobotLoop, chunks: list[ActionChunk], coefficient: float
) -> None:
    """In temporal-ensemble mode the executed actions are LeRobot's to the bit, for coefficients of either sign."""
    lerobot.ensemble(coefficient)
    expected = [lerobot.act(observe(step)) for step in range(STEPS)]
    mode = TemporalEnsemble(coefficient, tuple(policy.ensemble_weights(coefficient).tolist()))
    assert np.array_equal(executed(policy, chunks, [mode] * STEPS), expected)


@pytest.mark.parametrize("normalisation", [NormalizationMode.MIN_MAX, NormalizationMode.QUANTILES])
def test_other_normalisations_are_lerobots(tmp_path: Path, normalisation: NormalizationMode) -> None:
    """A half-precision checkpoint of another normalisation verifies in full and answers as LeRobot does, to the bit."""
    folder = build_act(tmp_path, normalisation=normalisation, half=True, n_action=5, chunk_size=4, n_action_steps=2)
    policy, lerobot = load(str(folder)), LeRobotLoop(folder)
    assert policy.info.tensors_verified == policy.info.tensors_in_file > 100
    chunk = policy.predict([observe(0)], 0, 0, Want())
    assert np.array_equal(chunk.actions, lerobot.chunk(observe(0)))
    assert policy.info.action_scale is not None
    assert chunk.model_actions is not None
    assert np.array_equal(policy.info.action_scale.to_scene(chunk.model_actions), chunk.actions)


def test_checkpoint_with_ensembling_says_so(tmp_path: Path) -> None:
    """A checkpoint trained to ensemble, without proprioception, opens and says what it is."""
    info = load(str(build_act(tmp_path, n_state=0, n_action_steps=1, ensemble_coefficient=0.02))).info
    assert (info.ensemble_coefficient, info.n_action_steps, info.n_state, info.state_scale) == (0.02, 1, 0, None)


def test_info_is_the_checkpoints(policy: Policy, folder: Path) -> None:
    """What is said of a policy is what its files say."""
    info = policy.info
    assert (info.kind, info.name, info.source) == ("act", folder.name, str(folder))
    assert (info.chunk_size, info.n_action_steps, info.n_action, info.n_state) == (10, 7, 6, 6)
    assert dict(info.cameras) == dict(CAMERAS)
    assert list(info.camera_mean) == list(CAMERAS)
    assert info.n_parameters > 11_000_000
    assert len(info.digest) == 64


def test_predict_is_pure(policy: Policy, chunks: list[ActionChunk]) -> None:
    """A call repeated after other calls gives the same chunk to the bit, whatever its seed and its extras."""
    again = policy.predict([observe(4)], 4, 0, Want())
    assert again.same_as(chunks[4])
    richer = policy.predict([observe(4)], 4, 99, Want(samples=3, attention=True))
    assert np.array_equal(richer.actions, again.actions)
    assert not richer.actions.flags.writeable


def test_samples_are_drawn_from_the_prior(policy: Policy) -> None:
    """Samples differ from each other and from the chunk, are the seed's, and scatter about it in scene units."""
    first, same, other = (
        policy.predict([observe(0)], 0, seed, Want(samples=4)).extras["samples"] for seed in (1, 1, 2)
    )
    assert first.shape == (4, 10, 6)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert np.all(first.std(axis=0) > 0)


def test_samples_share_one_look(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples for which the backbone looked once are those for which it looked every time; nothing of it stays."""
    once = policy.predict([observe(0)], 0, 5, Want(samples=3))
    monkeypatch.setattr(act, "_seen_once", lambda backbone, count: nullcontext())
    every_time = policy.predict([observe(0)], 0, 5, Want(samples=3))
    spread = every_time.extras["samples"].std(axis=0).mean()
    np.testing.assert_allclose(once.extras["samples"], every_time.extras["samples"], atol=1e-3 * spread)
    assert np.array_equal(policy.predict([observe(0)], 0, 5, Want()).actions, once.actions)


def test_attention_is_a_distribution_over_tokens(policy: Policy) -> None:
    """Each row of the attention sums to one, and its camera parts are its last tokens."""
    extras = policy.predict([observe(0)], 0, 0, Want(attention=True)).extras
    np.testing.assert_allclose(extras["attention"].sum(axis=1), 1, rtol=1e-5)
    parts = [extras[f"attention:{name}"].reshape(10, -1) for name in CAMERAS]
    assert np.array_equal(np.concatenate(parts, axis=1), extras["attention"][:, 2:])  # After latent and state.


@pytest.mark.parametrize("mode", list(Blind))
@pytest.mark.parametrize("name", [*CAMERAS, STATE])
def test_blind_means_blind(policy: Policy, mode: Blind, name: str) -> None:
    """What a blinded input shows cannot change the chunk, in any mode; unblinded it does."""

    def chunk(observation: Observation, blinding: Mapping[str, BlindSetting]) -> ActionChunk:
        shown = blind(observation, blinding, policy.info, {0: observe(7)}, seed=3, step=5)
        return policy.predict([shown], 5, 0, Want())

    one, other = observe(1), observe(2)
    changed = (
        replace(one, state=other.state)
        if name == STATE
        else replace(one, images=MappingProxyType({**one.images, name: other.images[name]}))
    )
    blinding = {name: BlindSetting(mode, since=0)}
    assert chunk(one, blinding).same_as(chunk(changed, blinding))
    assert not chunk(one, {}).same_as(chunk(changed, {}))


@pytest.mark.parametrize(
    ("observation", "complaint"),
    [
        (replace(observe(0), images={"wrist_cam": observe(0).images["wrist_cam"]}), "'overhead_cam'.*shows wrist_cam"),
        (
            replace(observe(0), images={n: np.zeros((48, 64, 3), np.uint8) for n in CAMERAS}),
            r"\(32, 40, 3\).*\(48, 64, 3\)",
        ),
        (replace(observe(0), images={n: np.zeros((*s, 3), np.float32) for n, s in CAMERAS.items()}), "uint8.*float32"),
        (replace(observe(0), state=np.zeros(7, np.float32)), r"\(6,\).*\(7,\)"),
        (replace(observe(0), state=np.zeros(6, np.float16)), "float32.*float16"),
        (replace(observe(0), state=np.full(6, np.nan, np.float32)), "not finite"),
    ],
    ids=["camera missing", "picture size", "picture type", "state size", "state type", "state NaN"],
)
def test_observation_that_does_not_fit_is_refused(policy: Policy, observation: Observation, complaint: str) -> None:
    """An observation that LeRobot would run on without a word, or fail on, is refused in one sentence."""
    with pytest.raises(WhiskersError, match=complaint) as caught:
        policy.predict([observation], 0, 0, Want())
    assert "\n" not in str(caught.value)
