"""A lane as text: what is read from it, what it sets, and what it complains of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.blinding import STATE, Blind
from viewer_app.chunking import FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.commands import SetBlinding, SetChunking, SetDelay, SetDenoisingSteps, SetGuidance, SetPrompt
from viewer_app.lane_settings import LaneCommand
from viewer_app.lane_spec import parse_lane
from viewer_app.scene import Scene
from viewer_app.types import Guidance, PolicyInfo, WhiskersError

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def deaf(tmp_path_factory: pytest.TempPathFactory) -> PolicyInfo:
    """A policy of chunks of 12 that does not denoise and reads no prompt."""
    return Wave(Scene.load(write_scene(tmp_path_factory.mktemp("scene")))).info


@pytest.fixture(scope="module")
def flow(deaf: PolicyInfo) -> PolicyInfo:
    """A policy that can be set in every way."""
    return replace(deaf, name="flow", kind="pi0", denoising_steps=10, guidable=True, uses_task=True)


@pytest.mark.parametrize(
    ("text", "checkpoint", "commands", "title"),
    [
        ("demo:act", "demo:act", (), "demo:act"),
        ("user/name@v2", "user/name@v2", (), "user/name@v2"),
        ("user/name@v2@delay=3", "user/name@v2", (SetDelay(3),), "user/name@v2, delay 3"),
        ("demo:act@n_action_steps=4", "demo:act", (SetChunking(FirstN(4)),), "demo:act, n=4"),
        ("x@overlap_blend=6/3", "x", (SetChunking(OverlapBlend(6, 3)),), "x, blend 6/3"),
        ("x@temporal_ensemble=0", "x", (SetChunking(TemporalEnsemble(0.0, ())),), "x, ensemble 0"),
        ("x@temporal_ensemble=-0.1", "x", (SetChunking(TemporalEnsemble(-0.1, ())),), "x, ensemble -0.1"),
        ("x@denoising_steps=4", "x", (SetDenoisingSteps(4),), "x, 4 denoising steps"),
        ("x@rtc=8", "x", (SetGuidance(Guidance(8)),), "x, rtc 8"),
        (
            "x@blind.above=black, blind.state=mean",
            "x",
            (SetBlinding("above", Blind.BLACK), SetBlinding(STATE, Blind.MEAN)),
            "x, above black, state mean",
        ),
        ("x@prompt=push it", "x", (SetPrompt("push it"),), "x, “push it”"),
        ('x@prompt="now, push @a=b",delay=2', "x", (SetDelay(2), SetPrompt("now, push @a=b")), None),
        ("x@prompt=put the small red block into the bowl", "x", None, "x, “put the small red block…”"),
    ],
)
def test_what_is_written_is_what_is_set(
    flow: PolicyInfo, text: str, checkpoint: str, commands: tuple[LaneCommand, ...] | None, title: str | None
) -> None:
    """Checkpoint and settings are told apart, each setting gives its command, and the title names them all."""
    lane = parse_lane(text)
    assert lane.checkpoint == checkpoint
    assert commands is None or lane.commands(flow) == commands
    assert title is None or lane.title() == title


def test_what_exists_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is found whatever is in its name, and settings may follow it; in a title it goes by its last part."""
    monkeypatch.chdir(tmp_path)
    odd = tmp_path / "run@delay=3"
    odd.mkdir()
    assert parse_lane(str(odd)).checkpoint == str(odd)
    assert parse_lane("run@delay=3").settings.delay == 0
    lane = parse_lane(f"{odd}@delay=2")
    assert (lane.checkpoint, lane.settings.delay, lane.title()) == (str(odd), 2, "run@delay=3, delay 2")
    assert lane.title("its own name") == "its own name, delay 2"


def test_settings_survive_as_plain_values() -> None:
    """What was given, and only that, is in the JSON values, a coefficient of 0 too."""
    lane = parse_lane("x@temporal_ensemble=0,blind.above=noise,delay=1")
    assert lane.settings.to_plain() == {"temporal_ensemble": 0.0, "delay": 1, "blind.above": "noise"}
    assert parse_lane("x").settings.to_plain() == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@delay=2", "names no checkpoint"),
        ("demo:act@speed=2", "no setting 'speed'; there are n_action_steps, temporal_ensemble, overlap_blend, delay"),
        ("demo:act@fast", "'fast' is not of the form SETTING=VALUE"),
        ("demo:act@delay=2,fast", "'fast' is not of the form SETTING=VALUE"),
        ("demo:act@delay=two", "delay takes a whole number of control steps; found 'two'"),
        ("demo:act@overlap_blend=10", "overlap_blend takes ADVANCE/OVERLAP, such as 10/8; found '10'"),
        ("demo:act@temporal_ensemble=inf", "temporal_ensemble must be finite"),
        ("demo:act@delay=2,delay=3", "delay is given twice"),
        ("demo:act@blind.a=black,blind.a=mean", "blind.a is given twice"),
        ("demo:act@blind.=black", "no setting 'blind.'"),
        ("demo:act@n_action_steps=2,temporal_ensemble=0.1", "n_action_steps and demo:act"),
        ("demo:act@denoising_steps=101", "denoising_steps must be 1 to 100; found 101"),
        ("demo:act@prompt= ", "prompt needs words"),
        ('demo:act@prompt="put it', "a quote is not closed"),
    ],
)
def test_a_mistake_is_named(text: str, said: str) -> None:
    """What cannot be read, or meant together, is refused with the setting's name and what it may be."""
    with pytest.raises(WhiskersError) as refused:
        parse_lane(text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "deaf_says", "flow_says"),
    [
        ("n_action_steps=13", "n_action_steps must be 1 to 12", "n_action_steps must be 1 to 12"),
        ("delay=12", "delay must be 0 to 11", "delay must be 0 to 11"),
        ("overlap_blend=8/5", "within 12", "within 12"),
        ("blind.moon=black", "a name of above, aside, state", "a name of above, aside, state"),
        ("blind.above=grey", "a mode of black, mean, noise, frozen", "a mode of black, mean, noise, frozen"),
        ("denoising_steps=4", "denoising_steps needs a policy that denoises; wave (wave) does not", ""),
        ("rtc=8", "rtc needs a flow-matching policy", ""),
        ("prompt=push", "reads no prompt", ""),
        ("rtc=13", "rtc needs a flow-matching policy", "rtc must be 1 to 12"),
        ("rtc=8,n_action_steps=11", "rtc needs", ""),
        ("rtc=8,n_action_steps=12", "rtc needs", "rtc would guide nothing"),
        ("rtc=8,n_action_steps=12,delay=1", "rtc needs", ""),
    ],
)
def test_settings_must_suit_the_policy(
    deaf: PolicyInfo, flow: PolicyInfo, text: str, deaf_says: str, flow_says: str
) -> None:
    """A setting is refused just by the policies that cannot be run so, naming the lane, the setting and what may be."""
    lane = parse_lane(f"x@{text}")
    for info, said in ((deaf, deaf_says), (flow, flow_says)):
        if not said:
            assert lane.commands(info)
            continue
        with pytest.raises(WhiskersError) as refused:
            lane.commands(info)
        assert f"x@{text}: " in str(refused.value)
        assert said in str(refused.value)
