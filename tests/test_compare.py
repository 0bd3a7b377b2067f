"""Lanes side by side: that each runs as it would alone, how pairs are recorded, and what is said of them."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from recordings.camera_memory import OVERRIDE, CameraMemory
from recordings.folder import open_recording
from tests.scenes import SPEC, write_scene
from tests.synthetic import Wave
from viewer_app.__main__ import main
from viewer_app.batch import Batch
from viewer_app.blinding import STATE, Blind
from viewer_app.chunking import FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.commands import SetBlinding, SetChunking, SetDelay, SetDenoisingSteps, SetStops
from viewer_app.headless import open_engine, open_lanes, run_episode, run_lanes
from viewer_app.lane_settings import LaneCommand
from viewer_app.paired_summary import PairedLane, PairedSummary, write_pairs
from viewer_app.scene import Scene
from viewer_app.shown_cameras import fitted, fitted_lanes
from viewer_app.summary import EpisodeResult, Summary
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Observation, Policy, Want, WhiskersError

ROOT = Path(__file__).parents[1]
STEPS = 60
"""Length of an episode of the small scene, in which nothing is achieved."""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path / "scene"))


SETUPS: tuple[tuple[LaneCommand, ...], ...] = (
    (),
    (SetChunking(OverlapBlend(5, 3)), SetDelay(2), SetBlinding("above", Blind.NOISE)),
    (SetChunking(TemporalEnsemble(0.1, ())), SetBlinding(STATE, Blind.FROZEN)),
)


def alone(scene: Scene, policy: Policy, setup: Sequence[LaneCommand], seed: int) -> Trace:
    """The episode of one policy in an engine of its own."""
    engine = open_engine(scene, policy, seed=0)
    engine.send(SetStops(max_steps=scene.spec.task.max_steps))
    try:
        return run_episode(engine, seed, setup).trace
    finally:
        engine.close()


@pytest.mark.core
def test_lanes_side_by_side_are_single_runs(scene: Scene) -> None:
    """Each lane's episode is the one that its policy runs alone with the same seed and settings, to the bit, the second
    episode of a batch too, whichever policies and settings are beside it; other settings give another episode."""
    noisy = Wave(scene, noise=0.5)
    policies = (noisy, Wave(scene, chunk_size=20, n_action_steps=9), noisy)
    engine = open_lanes(scene, policies, seed=0)
    engine.send(SetStops(max_steps=STEPS))
    batches = [run_lanes(engine, seed, SETUPS) for seed in (7, 8)]
    engine.close()
    for seed, episodes in zip((7, 8), batches, strict=True):
        assert [(each.steps, each.complaint) for each in episodes] == [(STEPS, "")] * 3
        for episode, policy, setup in zip(episodes, policies, SETUPS, strict=True):
            assert episode.trace.same_as(alone(scene, policy, setup, seed))
            assert not episode.trace.same_as(alone(scene, policy, (SetChunking(FirstN(3)),), seed))


@pytest.mark.slow
def test_demo_checkpoints_side_by_side_are_single_runs() -> None:
    """Two real policies in lockstep, each to its own outcome, run the episodes that each runs alone, to the bit."""
    from policies.load import load

    scene = Scene.load("so101")
    policies = (load("demo:act"), load("demo:pi0"))
    engine = open_lanes(scene, policies, seed=0)
    engine.send(SetStops(max_steps=scene.spec.task.max_steps))
    setups: tuple[tuple[LaneCommand, ...], ...] = ((SetChunking(FirstN(30)),), (SetDenoisingSteps(3),))
    episodes = run_lanes(engine, 1000, setups)
    engine.close()
    for episode, policy, setup in zip(episodes, policies, setups, strict=True):
        assert episode.outcome
        assert episode.trace.same_as(alone(scene, policy, setup, 1000))
    assert episodes[0].steps != episodes[1].steps


class Failing(Wave):
    """Raises where it is asked from step `fails_from` on."""

    fails_from = 12

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        if start >= self.fails_from:
            raise ValueError("no more")
        return super().predict(observations, start, seed, want)


@pytest.mark.core
@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_lane_that_fails_stops_no_other(scene: Scene, failing: int) -> None:
    """Where a policy raises, its episode ends at the last good step with its complaint, and the others run as alone."""
    policies = [Failing(scene) if number == failing else Wave(scene, noise=number) for number in range(3)]
    engine = open_lanes(scene, policies, seed=0)
    engine.send(SetStops(max_steps=STEPS))
    episodes = run_lanes(engine, 3)
    again = run_lanes(engine, 4)
    engine.close()
    assert [each.steps for each in episodes] == [12 if number == failing else STEPS for number in range(3)]
    assert ["no more" in each.complaint for each in episodes] == [number == failing for number in range(3)]
    others = [number for number in range(3) if number != failing]
    assert all(episodes[number].trace.same_as(alone(scene, policies[number], (), 3)) for number in others)
    assert again[failing].steps == 12, "a failed lane takes part in the next episode"


@pytest.mark.core
def test_all_lanes_may_fail(scene: Scene) -> None:
    """Where all lanes fail, each at its own step, all of them say so."""
    late = Failing(scene)
    late.fails_from = 24
    engine = open_lanes(scene, (Failing(scene), late), seed=0)
    episodes = run_lanes(engine, 3)
    engine.close()
    assert [each.steps for each in episodes] == [12, 24]
    assert all("no more" in each.complaint for each in episodes)


@pytest.mark.core
def test_a_setting_that_is_refused_ends_the_run(scene: Scene) -> None:
    """A setting that a policy cannot be run with is no reason to run without it."""
    engine = open_lanes(scene, (Wave(scene), Wave(scene)), seed=0)
    with pytest.raises(WhiskersError, match="denoising steps"):
        run_lanes(engine, 3, ((), (SetDenoisingSteps(4),)))
    assert all(len(lane.trace) == 0 for lane in engine.lanes)
    engine.close()


@pytest.mark.core
def test_lanes_share_their_cameras(scene: Scene) -> None:
    """Every lane sees its own world through the one renderer, which is open until the first lane's world is closed."""
    engine = open_lanes(scene, (None, None), seed=3)
    first, second = (lane.world for lane in engine.lanes)
    second.reset(4)
    seen = [np.asarray(world.observe(("above",)).images["above"]) for world in (first, second)]
    assert not np.array_equal(seen[0], seen[1])
    second.close()
    assert np.array_equal(first.observe(("above",)).images["above"], seen[0])
    engine.close()


@pytest.mark.core
def test_a_pair_is_one_recording(scene: Scene, tmp_path: Path) -> None:
    """An episode of several lanes is one folder, which holds every lane's trace in the lanes' order; a lane that failed
    is in it as far as it came, and is told of."""
    said: list[str] = []
    policies = (Wave(scene, noise=0.5), Wave(scene).with_name("other"), Failing(scene, noise=0.1))
    with Batch(scene, policies, tmp_path / "out", said.append, SETUPS) as batch:
        ran = batch.run(5)
    recording = open_recording(tmp_path / "out" / "seed-5")
    assert [info.digest for info in recording.policies] == [each.info.digest for each in policies]
    for (trace,), each in zip(recording.lanes, ran, strict=True):
        assert trace.same_as(each.trace)
        assert (each.result.recording, each.result.steps) == (str(tmp_path / "out" / "seed-5"), len(trace))
    assert [len(traces[0]) for traces in recording.lanes][:2] == [STEPS, STEPS]
    (sentence,) = said
    assert sentence.startswith(f"Episode of seed 5, wave, step {ran[2].result.steps}: ")


@pytest.mark.core
def test_a_lane_that_cannot_begin_ends_the_batch(scene: Scene, tmp_path: Path) -> None:
    """A policy that fails at its first step is told of as an error: nothing can be learnt from a batch of that."""
    failing = Failing(scene)
    failing.fails_from = 0
    with (
        Batch(scene, (Wave(scene), failing), tmp_path / "out", pytest.fail) as batch,
        pytest.raises(WhiskersError, match=r"seed 5, wave, step 0: .*no more"),
    ):
        batch.run(5)


def lane(title: str, *successes: bool) -> PairedLane:
    """A lane whose episodes of seeds from 40 on ended so."""
    results = tuple(
        EpisodeResult(40 + k, "success" if good else "timeout", good, 10 + k, f"out/seed-{40 + k}", (0.02,))
        for k, good in enumerate(successes)
    )
    return PairedLane(title, {"delay": 3}, Summary(title, "plotter", 40, results))


@pytest.mark.core
def test_what_is_said_of_pairs(tmp_path: Path) -> None:
    """The JSON object, the text and the table say the same: each lane's rate, each pair's table, where they differ."""
    summary = PairedSummary(
        "plotter",
        40,
        (lane("a", True, True, False, True), lane("b", False, True, False, False), lane("c", True, True, True, True)),
    )
    plain = summary.to_plain()
    assert list(plain) == ["scene", "seed", "lanes", "pairs", "episodes"]
    lanes, pairs, episodes = (plain[key] for key in ("lanes", "pairs", "episodes"))
    assert isinstance(lanes, list)
    assert [(each["policy"], each["successes"], each["settings"]) for each in lanes] == [
        ("a", 3, {"delay": 3}),
        ("b", 1, {"delay": 3}),
        ("c", 4, {"delay": 3}),
    ]
    assert list(lanes[0]) == ["policy", "settings", "successes", "success_rate", "wilson95", "latency_ms"]
    assert isinstance(pairs, list)
    cells = ("a", "b", "both", "only_a", "only_b", "neither", "mcnemar_p", "difference", "differing_seeds")
    assert [[each[key] for key in cells] for each in pairs] == [
        [0, 1, 1, 2, 0, 1, 0.5, -0.5, [40, 43]],
        [0, 2, 3, 0, 1, 0, 1.0, 0.25, [42]],
    ]
    assert isinstance(episodes, list)
    assert episodes[2] == {
        "seed": 42,
        "recording": "out/seed-42",
        "outcomes": ["timeout", "timeout", "success"],
        "steps": [12, 12, 12],
    }
    json.dumps(plain, allow_nan=False)

    text = summary.to_text()
    assert "A  a: 3 of 4 succeeded (75%" in text
    assert "whiskers view out/seed-40   (A success after 10 steps, B timeout after 10 steps)" in text
    assert "whiskers view out/seed-41 " not in text
    assert "Success rate of B less that of A: -50 points" in text
    assert "too few to tell" in text
    assert "not corrected for there being 2" in text

    write_pairs(tmp_path / "pairs.csv", summary)
    with (tmp_path / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [[row[f"success_{letter}"] for letter in "ABC"] for row in rows] == [
        ["1", "0", "1"],
        ["1", "1", "1"],
        ["0", "0", "1"],
        ["1", "0", "1"],
    ]


@pytest.mark.core
def test_no_pair_claims_nothing() -> None:
    """Before the first pair is complete there is no rate, no difference and no p."""
    pairs = PairedSummary("plotter", 40, (lane("a"), lane("b"))).to_plain()["pairs"]
    assert isinstance(pairs, list)
    (pair,) = pairs
    assert (pair["mcnemar_p"], pair["difference"], pair["difference95"]) == (None, None, None)
    assert "nothing can be said" in PairedSummary("plotter", 40, (lane("a"), lane("b"))).to_text()


@pytest.mark.core
def test_cameras_that_a_lane_reads_by_other_names(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy with cameras of its own is shown those of the scene that were said or, where nothing was said, that were
    remembered, and this is told; without either it is refused, and a name that no lane reads too."""
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "configuration"))
    told: list[str] = []
    plain, strange = Wave(scene), Wave(scene, cameras={"moon": (24, 32)})
    with pytest.raises(WhiskersError, match="reads camera 'moon'"):
        fitted_lanes((plain, strange), scene, (), told.append)
    with pytest.raises(WhiskersError, match=r"no lane reads .* they read above, aside, moon; found 'sun=above'"):
        fitted_lanes((plain, strange), scene, ("moon=above", "sun=above"), told.append)
    first, second, third = fitted_lanes((plain, strange, strange), scene, ("moon=above",), told.append)
    assert first is plain
    assert second is third
    assert dict(second.info.mapped_cameras) == {"above": "moon"}
    CameraMemory(pytest.fail).remember(strange.info.digest, scene.name, {"moon": "aside"})
    assert dict(fitted(strange, scene, (), told.append).info.mapped_cameras) == {"aside": "moon"}
    assert [("moon sees above" in each, "moon sees aside" in each) for each in told] == [(True, False), (False, True)]


# The command line.


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ACT with random weights that fits the small scene."""
    from tests.checkpoints import build_act

    cameras = {"above": (24, 32), "aside": (24, 32)}
    return build_act(tmp_path_factory.mktemp("checkpoint") / "small", cameras=cameras, n_state=2, n_action=2)


@pytest.mark.slow
def test_compare(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`compare --episodes` loads a checkpoint once however many lanes it drives, gives each lane its own settings, and
    prints just what is in summary.json; a lane's episodes are those of `run` with the same settings, to the bit."""
    import policies.load

    loaded: list[str] = []
    load = policies.load.load

    def counted(source: str, *others: object, **more: object) -> Policy:
        loaded.append(source)
        return load(source, *others, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(policies.load, "load", counted)
    scene = write_scene(tmp_path / "scene", SPEC.replace("max_steps = 60", "max_steps = 25"))
    common = ["--scene", str(scene), "--seed", "5", "--episodes", "2"]
    lanes = [str(checkpoint), f"{checkpoint}@n_action_steps=4,blind.above=black,delay=2"]
    assert main(["compare", *lanes, *common, "--json", "--out", str(tmp_path / "out")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert loaded == [str(checkpoint)]
    assert said == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (said["scene"], said["seed"]) == ("plotter", 5)
    assert [each["settings"] for each in said["lanes"]] == [
        {},
        {"n_action_steps": 4, "delay": 2, "blind.above": "black"},
    ]
    assert [each["seed"] for each in said["episodes"]] == [5, 6]
    assert [each["neither"] for each in said["pairs"]] == [2]

    flags = ["--n-action-steps", "4", "--blind", "above=black", "--delay", "2"]
    for number, more in enumerate(([], flags)):
        single = tmp_path / f"single-{number}"
        assert main(["run", str(checkpoint), *common, *more, "--out", str(single)]) == 0
        for episode in said["episodes"]:
            ((alone,),) = open_recording(single / f"seed-{episode['seed']}").lanes
            (trace,) = open_recording(Path(episode["recording"])).lanes[number]
            assert trace.same_as(alone)
            assert len(trace) == episode["steps"][number] == 25


@pytest.mark.slow
def test_what_cannot_be_compared_is_refused(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Policies of other robots, of other scenes and with settings that they cannot have are refused in one sentence
    that says which, before anything is written; a camera that is mapped is no obstacle."""
    from tests.checkpoints import build_act

    monkeypatch.setenv(OVERRIDE, str(tmp_path / "configuration"))
    arm = build_act(tmp_path / "arm", n_state=2, n_action=5)
    strange = build_act(tmp_path / "strange", cameras={"moon": (24, 32)}, n_state=2, n_action=2)
    scene = write_scene(tmp_path / "scene")
    for lanes, said in (
        ([checkpoint, arm], f"Lane B ({arm}) has 5 action dimensions and lane A ({checkpoint}) has 2"),
        ([checkpoint, strange], "Policy strange reads camera 'moon'"),
        ([checkpoint, f"{checkpoint}@rtc=4"], f"{checkpoint}@rtc=4: rtc needs a flow-matching policy"),
        ([checkpoint, tmp_path / "nowhere"], "nowhere"),
    ):
        arguments = [*map(str, lanes), "--scene", str(scene), "--episodes", "2", "--out", str(tmp_path / "out")]
        assert main(["compare", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert said in err.splitlines()[-1]
        assert not (tmp_path / "out").exists()
    arguments = [
        str(checkpoint),
        str(strange),
        "--scene",
        str(scene),
        "--episodes",
        "1",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(["compare", *arguments, "--camera", "moon=aside"]) == 0
    first, second = (lane[0].policy for lane in open_recording(tmp_path / "out" / "seed-1000").lanes)
    assert first is not None
    assert second is not None
    assert (dict(first.mapped_cameras), dict(second.mapped_cameras)) == ({}, {"aside": "moon"})


@pytest.mark.slow
def test_interrupting_a_comparison_keeps_what_was_done(checkpoint: Path, scene: Scene, tmp_path: Path) -> None:
    """Ctrl-C ends paired runs with exit code 1, a summary of the complete pairs, and their recordings."""
    command = [sys.executable, "-m", "viewer_app", "compare", str(checkpoint), f"{checkpoint}@delay=2", "--json"]
    command += ["--scene", str(scene.path), "--episodes", "500", "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        while not (tmp_path / "out" / "seed-1002").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 1
    said = json.loads(out)
    count = len(said["episodes"])
    assert 2 <= count < 500
    assert sum(said["pairs"][0][cell] for cell in ("both", "only_a", "only_b", "neither")) == count
    assert all(len(open_recording(Path(each["recording"])).lanes) == 2 for each in said["episodes"])
    assert f"Interrupted after {count} of 500 seeds" in err
    assert "Traceback" not in err
