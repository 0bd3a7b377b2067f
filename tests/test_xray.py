"""The x-ray of a policy's processors shows what a very call did, and marks what is suspicious in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lerobot.configs.types import NormalizationMode
from lerobot.processor import NormalizerProcessorStep

from policies import inputs
from policies.load import load
from policies.process import PolicyProcess
from tests.checkpoints import CAMERAS, build_act
from tests.diffusion_checkpoints import build_diffusion
from tests.diffusion_checkpoints import observe as observe_same_size
from tests.flow_checkpoints import build_flow, observe
from tests.planting import give_sane_statistics
from tests.scripted import do
from viewer_app.camera_map import MappedPolicy
from viewer_app.chunking import FirstN
from viewer_app.commands import SetChunking, SetWant, Step
from viewer_app.headless import ask, open_engine
from viewer_app.questions import XRay
from viewer_app.scene import Scene
from viewer_app.types import ActionChunk, Observation, Policy, Want, XRayRow
from viewer_app.xray import mark

XRAY = Want(xray=True)
SANE = {"observation.state": ([0.0] * 6, [40.0] * 6)}
"""Statistics of the random states of `observe`."""
KINDS: dict[str, tuple[Callable[[Path], Path], Callable[[int], Observation]]] = {
    "act": (build_act, observe),
    "min-max": (lambda folder: build_act(folder, normalisation=NormalizationMode.MIN_MAX), observe),
    "tiny_pi0": (build_flow, observe),
    "diffusion": (build_diffusion, observe_same_size),
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Policy, Callable[[int], Observation]]]:
    """A policy of each kind, and what it can be shown. Each is loaded once."""
    known: dict[str, tuple[Policy, Callable[[int], Observation]]] = {}

    def get(kind: str) -> tuple[Policy, Callable[[int], Observation]]:
        if kind not in known:
            build, show = KINDS[kind]
            folder = build(tmp_path_factory.mktemp(kind) / "checkpoint")
            give_sane_statistics(folder, SANE)
            known[kind] = load(str(folder)), show
        return known[kind]

    return get


def asked(policy: Policy, observation: Observation, want: Want = XRAY) -> ActionChunk:
    return policy.predict([observation] * policy.info.n_obs_steps, 0, 7, want)


def marks_in(rows: Sequence[XRayRow]) -> list[tuple[XRayRow, str]]:
    """The rows with something suspicious about them, and what that is."""
    return [(row, words) for row in rows if (words := mark(row))]


def figures_of(row: XRayRow) -> tuple[float, float]:
    return row.low, row.high


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_row_is_what_is_executed(
    loaded: Callable[[str], tuple[Policy, Callable[[int], Observation]]], kind: str
) -> None:
    """The model's row and the last one hold the ends of the chunk that the same call gave, to the bit, and looking
    changes nothing of that."""
    policy, show = loaded(kind)
    plain, seen = asked(policy, show(3), Want()), asked(policy, show(3), replace(XRAY, samples=2, denoising=True))
    assert plain.xray == ()
    assert np.array_equal(plain.actions, seen.actions)
    assert seen.model_actions is not None
    (model,) = (row for row in seen.xray if row.part == "model")
    assert figures_of(model) == (seen.model_actions.min(), seen.model_actions.max())
    last = seen.xray[-1]
    assert (last.part, last.shape) == ("after", seen.actions.shape)
    assert figures_of(last) == (seen.actions.min(), seen.actions.max())
    assert last.mean == pytest.approx(float(seen.actions.mean(dtype=np.float64)), rel=1e-12)
    again = asked(policy, show(3), Want())
    assert again.xray == ()


@pytest.mark.parametrize("kind", KINDS)
def test_each_feature_is_followed_from_step_to_step(
    loaded: Callable[[str], tuple[Policy, Callable[[int], Observation]]], kind: str
) -> None:
    """The first row of the state is what the policy was shown, and the normaliser's is that by LeRobot's formula."""
    policy, show = loaded(kind)
    observation = show(4)
    rows = [row for row in asked(policy, observation).xray if row.feature == "observation.state"]
    assert figures_of(rows[0]) == (observation.state.min(), observation.state.max())
    (normalised,) = (row for row in rows if row.step == "normalizer_processor")
    scale = policy.info.state_scale
    assert scale is not None
    meant = scale.to_model(observation.state)
    assert figures_of(normalised) == pytest.approx((meant.min(), meant.max()), rel=1e-5)
    assert normalised.changed


@pytest.mark.parametrize("kind", KINDS)
def test_a_healthy_policy_has_no_mark(
    loaded: Callable[[str], tuple[Policy, Callable[[int], Observation]]], kind: str
) -> None:
    """Nothing is suspicious where statistics fit."""
    policy, show = loaded(kind)
    # An untrained network that denoises without clipping answers with numbers of any size.
    rows = [row for row in asked(policy, show(5)).xray if kind != "diffusion" or row.part != "model"]
    assert marks_in(rows) == []


def planted(folder: Path, change: Callable[[dict[str, dict[str, torch.Tensor]]], object]) -> Policy:
    """A policy whose normaliser's statistics were changed after it was loaded."""
    give_sane_statistics(build_act(folder), SANE)
    policy = load(str(folder))
    (step,) = (each for each in policy.processors.before.steps if isinstance(each, NormalizerProcessorStep))  # type: ignore[attr-defined]
    change(step._tensor_stats)
    return policy


def test_an_inert_normaliser_is_marked(tmp_path: Path) -> None:
    """A feature without statistics, which LeRobot passes on as it is, is marked as such, and no other."""
    policy = planted(tmp_path, lambda statistics: statistics.pop("observation.state"))
    found = {row.feature: words for row, words in marks_in(asked(policy, observe(1)).xray)}
    assert list(found) == ["observation.state"]
    assert "inert" in found["observation.state"]


def test_pictures_in_bytes_are_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that comes as uint8 is marked where it comes in."""
    give_sane_statistics(build_act(tmp_path), SANE)
    policy = load(str(tmp_path))
    monkeypatch.setattr(inputs, "_picture", lambda image: torch.from_numpy(image.transpose(2, 0, 1).copy()))
    before = policy.processors.before  # type: ignore[attr-defined]
    observation = observe(1)
    rows: list[XRayRow] = []
    from policies.xray import _looking_into

    with _looking_into(policy.processors) as plate:  # type: ignore[attr-defined]
        before(policy._inputs.batch(observation))  # type: ignore[attr-defined]
        rows = list(plate.rows(1))
    marked = {row.feature: mark(row) for row in rows if not row.step and mark(row)}
    assert marked == dict.fromkeys(
        ("observation.images.wrist_cam", "observation.images.overhead_cam"), "uint8, where float in 0 .. 1 is wanted"
    )


def test_statistics_that_do_not_fit_are_marked(tmp_path: Path) -> None:
    """A deviation of 0.002 throws a picture's numbers beyond 5, one of 60 leaves next to nothing of it."""

    def change(statistics: dict[str, dict[str, torch.Tensor]]) -> None:
        for camera, deviation in (("wrist_cam", 0.002), ("overhead_cam", 60.0)):
            statistics[f"observation.images.{camera}"]["std"] = torch.full((3, 1, 1), deviation)

    found = [words for _, words in marks_in(asked(planted(tmp_path, change), observe(1)).xray)]
    assert [words.split(":")[0] for words in found[:2]] == ["beyond 5", "next to nothing is left of the picture"]


def test_an_x_ray_crosses_the_process_boundary(tmp_path: Path) -> None:
    """A policy in a process of its own tells the same rows."""
    folder = build_act(tmp_path / "checkpoint")
    here = asked(load(str(folder)), observe(2))
    there = PolicyProcess.start(str(folder))
    try:
        there.wait()
        assert repr(asked(there, observe(2)).xray) == repr(here.xray)  # NaN is not equal to itself.
    finally:
        there.close()


def test_live_every_call_that_is_executed_is_looked_into(
    loaded: Callable[[str], tuple[Policy, Callable[[int], Observation]]],
) -> None:
    """With the want in force, each chunk of a trace brings the x-ray of its own call, and the trace is the same."""
    scene = Scene.load("so101")
    policy = MappedPolicy(loaded("act")[0], {name: name for name in CAMERAS}, scene)
    plain, seen = (
        do(open_engine(scene, policy, 3), SetWant(Want(xray=on)), SetChunking(FirstN(4)), Step(9))
        for on in (False, True)
    )
    assert seen.same_as(plain)
    assert [bool(chunk.xray) for chunk in plain.chunks] == [False] * 3
    for chunk in seen.chunks:
        assert figures_of(chunk.xray[-1]) == (chunk.actions.min(), chunk.actions.max())


def test_a_question_executes_nothing_and_looks_into_the_very_call(
    loaded: Callable[[str], tuple[Policy, Callable[[int], Observation]]],
) -> None:
    """Asked about a step at which a chunk was made, the answer's chunk is that chunk, and the trace stays as it was."""
    scene = Scene.load("so101")
    engine = open_engine(scene, MappedPolicy(loaded("act")[0], {name: name for name in CAMERAS}, scene), 3)
    trace = do(engine, SetChunking(FirstN(4)), Step(9))
    answer = ask(engine, XRay(), 4)
    assert len(trace) == 9
    made = trace.chunk_asked_at(4)
    assert made is not None
    assert made.xray == ()
    assert answer.base.same_as(made)
    assert figures_of(answer.base.xray[-1]) == (made.actions.min(), made.actions.max())
