"""A mended policy is the policy, in other units and another order, and says so wherever it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recordings.folder import open_recording, save, snippets_of
from tests.scenes import SPEC, write_scene
from tests.scripted import do
from tests.synthetic import Wave
from viewer_app.chunking import TemporalEnsemble
from viewer_app.commands import SetChunking, Step
from viewer_app.headless import open_engine
from viewer_app.mending import mended
from viewer_app.mends import Mends, parse_joints, parse_units
from viewer_app.scene import Scene
from viewer_app.types import ActionChunk, Float32Array, Observation, Scale, Want, WhiskersError, XRayRow

pytestmark = pytest.mark.core

RADIANS = SPEC.replace('"range_100"', '"radians"').replace('"degrees"', '"radians"')
OTHER_ORDER = "\n[[joints]]".join(
    (
        lambda parts: (
            parts[0],
            parts[2].split("\n\n[cameras", 1)[0] + "\n",
            parts[1] + "\n[cameras" + parts[2].split("\n\n[cameras", 1)[1],
        )
    )(RADIANS.split("\n[[joints]]"))
)
"""The plotter's scene in radians, pitch before yaw."""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """The plotter: yaw in hundredths of its range, pitch in degrees."""
    return Scene.load(write_scene(tmp_path / "plotter"))


@pytest.fixture
def trained(tmp_path: Path) -> Scene:
    """The same robot, in radians and with its joints in the other order."""
    found = Scene.load(write_scene(tmp_path / "trained", OTHER_ORDER))
    assert found.joint_names == ("pitch", "yaw")
    return found


class Reaching(Wave):
    """Sways about the measured joints, in the units and the order of the scene that it was made for."""

    def __init__(self, scene: Scene, scaled: bool = True) -> None:
        super().__init__(scene, cameras={})
        scale = Scale("mean_std", np.array([0.3, 0.6], np.float32), np.array([0.1, -0.2], np.float32))
        self._info = replace(self._info, action_scale=scale if scaled else None, state_scale=scale)
        self.seen: list[Float32Array] = []

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        self.seen.append(observations[-1].state)
        rows = np.arange(self._info.chunk_size, dtype=np.float32)[:, None]
        actions = (observations[-1].state + np.array([0.1, 0.2], np.float32) * np.sin(0.3 * rows)).astype(np.float32)
        scale = self._info.action_scale
        if scale is None:
            return ActionChunk(start, actions, seed, extras={"samples": np.stack([actions, actions])})
        model = scale.to_model(actions)
        return ActionChunk(start, scale.to_scene(model), seed, model_actions=model)


MENDS = Mends("radians", "radians", ("pitch", "yaw"), ("pitch", "yaw"))


@pytest.mark.parametrize("scaled", [True, False])
def test_a_mended_policy_drives_as_in_the_scene_that_it_was_made_for(
    scene: Scene, trained: Scene, scaled: bool
) -> None:
    """The robot goes the same way, whether the scene is in the policy's units and order or the policy is mended."""
    policy = Reaching(trained, scaled)
    own = do(open_engine(trained, policy, 3), Step(40))
    there = do(open_engine(scene, mended(Reaching(trained, scaled), MENDS, scene), 3), Step(40))
    tips = np.asarray(there.column("tip"), np.float64)
    np.testing.assert_allclose(tips, np.asarray(own.column("tip"), np.float64), atol=1e-5)
    assert float(np.ptp(tips, axis=0).max()) > 0.02


def test_what_is_drawn_ensembled_and_executed_is_one(scene: Scene, trained: Scene) -> None:
    """The chunk's own rows are what its normalised rows become by the scale that the policy states, to the bit, and the
    executed actions are those rows."""
    policy = mended(Reaching(trained), MENDS, scene)
    trace = do(open_engine(scene, policy, 3), Step(13))
    assert policy.info.action_scale is not None
    for chunk in trace.chunks:
        assert chunk.model_actions is not None
        assert np.array_equal(chunk.actions, policy.info.action_scale.to_scene(chunk.model_actions))
    executed = np.asarray(trace.column("action"), np.float32)
    assert np.array_equal(executed[6:12], trace.chunks[1].actions[:6])


def test_an_ensemble_of_a_mended_policy_is_in_scene_units(scene: Scene, trained: Scene) -> None:
    """Ensembled, it stays near where it is measured, as it does without."""
    trace = do(
        open_engine(scene, mended(Reaching(trained), MENDS, scene), 3), SetChunking(TemporalEnsemble(0.1, ())), Step(20)
    )
    actions, states = (np.asarray(trace.column(name), np.float64) for name in ("action", "state"))
    # 0.2 rad are 13 hundredths of the yaw's range, 0.1 rad are 6 degrees of pitch.
    assert np.abs(actions - states[:-1]).max() < 20


def test_samples_are_converted_too(scene: Scene, trained: Scene) -> None:
    """What else a policy gives in scene units is given in those of this scene."""
    policy = mended(Reaching(trained, scaled=False), MENDS, scene)
    chunk = policy.predict([Observation(0.0, np.array([10.0, -20.0], np.float32), {})], 0, 0, Want())
    assert np.array_equal(chunk.extras["samples"][0], chunk.actions)
    np.testing.assert_allclose(chunk.actions[0], [10.0, -20.0], atol=1e-4)


class Seen(Reaching):
    """Tells of its call what LeRobot's hooks would."""

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        chunk = super().predict(observations, start, seed, want)
        ends = [
            (part, feature, float(values.min()), float(values.max()))
            for part, feature, values in (
                ("before", "observation.state", observations[-1].state),
                ("after", "action", chunk.actions),
            )
        ]
        rows = [XRayRow(part, "", name, (), "float32", low, high, 0, 0) for part, name, low, high in ends]  # type: ignore[arg-type]
        return replace(chunk, xray=tuple(rows))


def test_an_x_ray_tells_the_mending_as_a_step(scene: Scene, trained: Scene) -> None:
    """It begins with the state as the scene has it, and ends with the actions that are executed."""
    state = np.array([10.0, -20.0], np.float32)
    chunk = mended(Seen(trained), MENDS, scene).predict([Observation(0.0, state, {})], 0, 0, Want(xray=True))
    first, shown, _, last = chunk.xray
    assert (first.step, first.low, first.high) == ("", -20.0, 10.0)
    assert shown.step == "mending"
    assert shown.high == pytest.approx(0.15)
    assert (last.step, last.low, last.high) == ("mending", chunk.actions.min(), chunk.actions.max())


def test_the_policy_is_shown_what_it_was_trained_on(scene: Scene, trained: Scene) -> None:
    """The state comes in radians and with pitch first."""
    policy = Reaching(trained)
    state = scene.to_scene_units(np.array([0.3, -0.7]))  # yaw, pitch
    mended(policy, MENDS, scene).predict([Observation(0.0, state, {})], 0, 0, Want())
    np.testing.assert_allclose(policy.seen[-1], [-0.7, 0.3], atol=1e-5)


def test_a_grippers_hundred_is_kept(tmp_path: Path) -> None:
    """As in LeRobot, a joint in 0 .. 100 stays so in degrees and in hundredths of the range, and not in radians."""
    scene = Scene.load(write_scene(tmp_path, SPEC.replace('unit = "degrees"', 'unit = "range_0_100"')))
    state = np.array([40.0, 25.0], np.float32)
    for unit, gripper in (("degrees", 25.0), ("range_100", 25.0), ("radians", -0.5)):
        policy = Reaching(scene)
        mended(policy, Mends(state_unit=unit), scene).predict([Observation(0.0, state, {})], 0, 0, Want())  # type: ignore[arg-type]
        assert policy.seen[-1][1] == pytest.approx(gripper, abs=1e-5)


def test_a_mended_policy_is_another_and_its_recording_says_how(scene: Scene, trained: Scene, tmp_path: Path) -> None:
    """Its digest differs with every mend, and what a recording says of them makes the same policy again."""
    policy = Reaching(trained)
    kinds = [Mends(), Mends("radians"), Mends(action_unit="radians"), Mends(state_order=("pitch", "yaw")), MENDS]
    assert len({mended(policy, each, scene).info.digest for each in kinds}) == len(kinds)
    engine = open_engine(scene, mended(policy, MENDS, scene), 3)
    trace = do(engine, Step(9))
    save(tmp_path / "recording", scene, snippets_of(engine.view()))
    ((opened,),) = open_recording(tmp_path / "recording").lanes
    assert opened.policy is not None
    again = mended(Reaching(trained), Mends.from_plain(opened.policy.mended), scene)
    assert again.info.digest == opened.policy.digest
    assert do(open_engine(scene, again, 3), Step(9)).same_as(trace)


def test_a_policy_that_is_not_mended_is_left_alone(scene: Scene) -> None:
    """No mends give the very policy back."""
    policy = Reaching(scene)
    assert mended(policy, Mends(), scene) is policy


def test_options_say_what_they_mean(scene: Scene) -> None:
    """What mends are written as is read as the same mends; a checkpoint's own names may be used for its joints."""
    by_number = parse_joints(["0=pitch", "1=yaw"], (), scene).and_then(parse_units("state=radians,action=degrees"))
    assert by_number == Mends("radians", "degrees", ("pitch", "yaw"), ("pitch", "yaw"))
    assert parse_joints(["nod=pitch", "turn=yaw"], ("nod", "turn"), scene).state_order == ("pitch", "yaw")
    assert parse_joints(["yaw=yaw"], ("pitch", "yaw"), scene).action_order == ("pitch", "yaw")
    assert parse_joints(["state.0=pitch", "state.1=yaw"], (), scene) == Mends(state_order=("pitch", "yaw"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda scene: parse_units("state=gradians"), "state=UNIT"),
        (lambda scene: parse_units("radians"), "state=UNIT"),
        (lambda scene: parse_joints(["0=elbow"], (), scene), "yaw, pitch"),
        (lambda scene: parse_joints(["7=yaw"], (), scene), "0 to 1"),
        (lambda scene: parse_joints(["0=pitch"], (), scene), "'pitch'"),
        (lambda scene: mended(Reaching(scene), Mends(state_order=("yaw", "nose")), scene), "yaw, nose"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(scene: Scene, wrong: object, words: str) -> None:
    """A mend that does not suit the scene is one sentence that says what would."""
    assert callable(wrong)
    with pytest.raises(WhiskersError, match=words):
        wrong(scene)
