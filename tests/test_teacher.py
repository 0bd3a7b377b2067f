"""Teacher-forced evaluation: what a policy says at recorded frames against what was done there."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from tests.datasets import TASK, Remembered, demonstration
from tests.scenes import write_scene
from tests.scripted import Script, Scripted
from viewer_app.coverage import coverage, distances
from viewer_app.demonstration import Demonstration
from viewer_app.kinematics import Kinematics
from viewer_app.overlays import Polyline, Sight, whisker
from viewer_app.paths import Paths
from viewer_app.questions import Answers
from viewer_app.scene import Scene
from viewer_app.smoothness import acceleration_of, at_seams
from viewer_app.teacher import evaluate
from viewer_app.teacher_figure import curves, write_curves
from viewer_app.teacher_tables import figures, write_tables
from viewer_app.types import Float32Array, Observation, WhiskersError
from viewer_app.view import OverlayChoice

CHUNK, EXECUTED = 12, 6


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.load(write_scene(tmp_path_factory.mktemp("scene")))


def repeating(shown: Demonstration, change: Script | None = None) -> Script:
    """A script that says what was recorded, and holds the last action after the end, plus a change."""

    def script(start: int, observation: Observation, seed: int) -> Float32Array:
        rows = np.minimum(np.arange(start, start + CHUNK), len(shown) - 1)
        said = shown.actions[rows]
        return said if change is None else said + change(start, observation, seed)

    return script


def in_units(scene: Scene, joint: int, degrees: float) -> Float32Array:
    """An angle of one joint as scene units. Shape (n,)."""
    one = scene.to_degrees(np.eye(scene.n_action, dtype=np.float32)) - scene.to_degrees(
        np.zeros((1, scene.n_action), np.float32)
    )
    return (np.eye(scene.n_action)[joint] * degrees / one[joint, joint]).astype(np.float32)


@pytest.mark.core
def test_a_policy_that_repeats_the_recording_is_perfect(scene: Scene) -> None:
    """Its errors are zero, it covers everything, it is as smooth as the recording, and its whiskers lie on its path."""
    shown = demonstration(scene)
    found = evaluate(Scripted(scene, repeating(shown), CHUNK, EXECUTED), shown)
    assert (found.l1, found.coverage, found.complete) == (0.0, 1.0, True)
    assert not found.by_frame.any()
    assert not found.by_row.any()
    assert found.by_row.shape == (CHUNK, scene.n_action)
    assert found.smoothness.uniformity == found.recorded_smoothness.uniformity
    assert found.smoothness.jerk == found.recorded_smoothness.jerk
    kinematics, trace = Kinematics(scene), found.trace
    commanded = kinematics.path(shown.actions, trace.snapshot(0))
    assert len(trace) == len(shown) == len(trace.chunks)
    for chunk in trace.chunks:
        rows = min(CHUNK, len(shown) - chunk.start)
        assert np.array_equal(kinematics.path_of(chunk, trace)[:rows], commanded[chunk.start : chunk.start + rows])


@pytest.mark.core
@pytest.mark.parametrize(("joint", "degrees"), [(0, 7.0), (1, -3.5)])
def test_an_offset_is_found_to_the_degree(scene: Scene, joint: int, degrees: float) -> None:
    """An offset of d degrees in one joint is an L1 of d in it, 0 in the others, at every frame and every row."""
    shown = demonstration(scene)
    offset = in_units(scene, joint, degrees)
    found = evaluate(Scripted(scene, repeating(shown, lambda *_: offset), CHUNK, EXECUTED), shown)
    expected = np.zeros(scene.n_action)
    expected[joint] = abs(degrees)
    assert found.l1_joints == pytest.approx(expected, abs=1e-4)
    assert np.allclose(found.by_frame, expected, atol=1e-4)
    assert np.allclose(found.by_row, expected, atol=1e-4)
    assert found.l1 == pytest.approx(abs(degrees) / scene.n_action, abs=1e-4)


@pytest.mark.core
def test_an_error_that_grows_along_the_chunk_is_found_there(scene: Scene) -> None:
    """A row's error is that row's: one degree a row shows as row number, and the first row is free of it."""
    shown = demonstration(scene)
    drift = in_units(scene, 1, 1.0) * np.arange(CHUNK, dtype=np.float32)[:, None]
    found = evaluate(Scripted(scene, repeating(shown, lambda *_: drift), CHUNK, EXECUTED), shown)
    assert found.by_row[:, 1] == pytest.approx(np.arange(CHUNK), abs=1e-4)
    assert found.first_row == pytest.approx(np.zeros((len(shown), 2)), abs=1e-4)
    # The last frames have nothing to compare the far rows with.
    assert found.by_frame[-1, 1] == pytest.approx(0.0, abs=1e-4)
    assert found.by_frame[0, 1] == pytest.approx((CHUNK - 1) / 2, abs=1e-4)


@pytest.mark.core
def test_the_worst_frame_is_found_once(scene: Scene) -> None:
    """The frame with the largest planted error leads the list, its neighbours are the same mistake and not listed."""
    shown = demonstration(scene, steps=90)
    planted = {30: 9.0, 31: 8.0, 70: 5.0}

    def change(start: int, observation: Observation, seed: int) -> Float32Array:
        return in_units(scene, 0, planted.get(start, 0.1))

    found = evaluate(Scripted(scene, repeating(shown, change), CHUNK, EXECUTED), shown)
    assert [each.frame for each in found.worst[:2]] == [30, 70]
    assert found.worst[0].joint == "yaw"
    assert found.worst[0].joint_error == pytest.approx(9.0, abs=1e-4)
    assert found.worst[0].error == pytest.approx(4.5, abs=1e-4)
    assert sorted(found.trace.bookmarks) == sorted(each.frame for each in found.worst)
    assert found.trace.bookmarks[30] == "error 4.5°, most in yaw with 9.0°"


@pytest.mark.core
def test_spikes_at_the_seams_are_found(scene: Scene) -> None:
    """Chunks that disagree with each other spike at their seams alone, by the definition written out."""
    shown = demonstration(scene)
    shift = in_units(scene, 1, 2.0)

    def change(start: int, observation: Observation, seed: int) -> Float32Array:
        return shift * (start // EXECUTED % 2)

    found = evaluate(Scripted(scene, repeating(shown, change), CHUNK, EXECUTED), shown)
    followed = shown.actions + shift * (np.arange(len(shown)) // EXECUTED % 2)[:, None]
    size = np.abs(acceleration_of(scene.to_degrees(followed))).mean(axis=1)
    seams = at_seams(len(size), range(EXECUTED, len(shown), EXECUTED))
    assert found.smoothness.spike_ratio == pytest.approx(size[seams].mean() / size[~seams].mean(), rel=1e-4)
    smooth = evaluate(Scripted(scene, repeating(shown), CHUNK, EXECUTED), shown)
    assert found.smoothness.spike_ratio > 5 > 1.5 > smooth.smoothness.spike_ratio
    assert found.smoothness.uniformity > 5 * smooth.smoothness.uniformity
    assert found.recorded_smoothness.uniformity == smooth.recorded_smoothness.uniformity


@pytest.mark.core
def test_coverage_is_about_the_whole_path() -> None:
    """A point beside a segment is as far as its foot; a path of the right end alone covers the end alone."""
    line = np.array([[0.0, 0, 0], [1.0, 0, 0]])
    points = np.array([[0.5, 0.009, 0], [0.5, 0.011, 0], [1.2, 0, 0], [-0.009, 0, 0]])
    assert distances(points, line) == pytest.approx([0.009, 0.011, 0.2, 0.009])
    assert coverage(points, line, 0.01) == 0.5
    way = np.stack([np.linspace(0, 1, 11), np.zeros(11), np.zeros(11)], axis=1)
    assert coverage(way, way[-1:], 0.01) == pytest.approx(1 / 11)
    assert coverage(way, line, 0.01) == 1.0


@pytest.mark.core
def test_coverage_is_in_millimetres(scene: Scene) -> None:
    """A policy that keeps 20 degrees aside covers nothing within 10 mm, and everything within a metre."""
    shown = demonstration(scene)
    policy = Scripted(scene, repeating(shown, lambda *_: in_units(scene, 1, 20.0)), CHUNK, EXECUTED)
    assert evaluate(policy, shown).coverage < 0.05
    assert evaluate(policy, shown, near=1000.0).coverage == 1.0


@pytest.mark.core
def test_the_policy_is_shown_what_was_recorded(scene: Scene) -> None:
    """Pictures, state and prompt are the recording's to the bit, also under the name that a camera was mapped to."""
    shown = demonstration(scene, steps=8, pictures=True)
    assert isinstance(shown.recorded, Remembered)
    frames = shown.recorded.frames
    mapped = replace(
        shown,
        cameras=MappingProxyType({"top": (24, 32), "aside": (24, 32)}),
        shown_as=MappingProxyType({"top": "above", "aside": "aside"}),
        recorded=Remembered([{"top": each["above"], "aside": each["aside"]} for each in frames]),
    )
    for given in (shown, mapped):
        seen: list[Observation] = []

        def script(start: int, observation: Observation, seed: int, seen: list[Observation] = seen) -> Float32Array:
            seen.append(observation)
            return np.zeros((CHUNK, 2), np.float32)

        evaluate(Scripted(scene, script, CHUNK, EXECUTED, cameras={"above": (24, 32), "aside": (24, 32)}), given)
        assert len(seen) == len(shown)
        for k, observation in enumerate(seen):
            assert np.array_equal(observation.images["above"], frames[k]["above"])
            assert np.array_equal(observation.images["aside"], frames[k]["aside"])
            assert np.array_equal(observation.state, shown.states[k])
            assert (observation.task, observation.time) == (TASK, k / 30)


@pytest.mark.core
def test_a_stride_asks_fewer_frames_and_a_stop_keeps_what_is_done(scene: Scene) -> None:
    """Every fifth frame is every fifth frame; who is stopped after three says so and reports those three."""
    shown = demonstration(scene)
    policy = Scripted(scene, repeating(shown), CHUNK, EXECUTED)
    told: list[tuple[int, int]] = []
    found = evaluate(policy, shown, stride=5, report=lambda done, total: told.append((done, total)))
    assert found.frames.tolist() == list(range(0, 60, 5))
    assert told == [(done, 12) for done in range(1, 13)]
    # Each chunk is followed on to the next evaluated frame: 6 steps become 10, and all is stitched without a gap.
    assert found.smoothness == replace(found.recorded_smoothness, spike_ratio=found.smoothness.spike_ratio)
    stopped = evaluate(policy, shown, stride=5, report=lambda *each: told.append(each), stop=lambda: told[-1][0] == 3)
    assert (stopped.frames.tolist(), stopped.complete) == ([0, 5, 10], False)


@pytest.mark.core
def test_whiskers_are_drawn_over_the_recorded_motion(scene: Scene) -> None:
    """The ordinary whisker overlay of a frame is that frame's chunk from where the recorded arm is."""
    shown = demonstration(scene)
    offset = in_units(scene, 1, 15.0)
    trace = evaluate(Scripted(scene, repeating(shown, lambda *_: offset), CHUNK, EXECUTED), shown).trace
    plan = trace.plan(20)
    assert plan is not None
    assert np.array_equal(plan, shown.actions[20:32] + offset)
    assert np.array_equal(np.asarray(trace.column("state"))[20], shown.states[20])
    assert np.array_equal(trace.column("action"), shown.actions)
    assert "teacher-forced" in trace.name
    drawn = whisker(Sight(Paths(scene), trace, 20, OverlayChoice(), Answers()))
    line = next(each for each in drawn if isinstance(each, Polyline))
    assert np.array_equal(line.points, Kinematics(scene).path(plan, trace.snapshot(20)))


@pytest.mark.core
@pytest.mark.parametrize(
    ("cameras", "sentence"),
    [
        ({"below": (24, 32)}, r"reads camera 'below'; episode 0 of waves has above, aside"),
        ({"above": (48, 64)}, r"64x48 pixels, and camera 'above' of episode 0 of waves has 32x24; .*not resized"),
    ],
)
def test_what_does_not_fit_is_refused(scene: Scene, cameras: dict[str, tuple[int, int]], sentence: str) -> None:
    """A camera that is missing, or of another size, is refused before the policy is asked anything."""
    shown = demonstration(scene, pictures=True)
    policy = Scripted(scene, repeating(shown), CHUNK, EXECUTED, cameras=cameras)
    with pytest.raises(WhiskersError, match=sentence):
        evaluate(policy, shown)


@pytest.mark.core
def test_what_cannot_be_judged_is_refused(scene: Scene) -> None:
    """NaN from a policy, and a stride of nothing, are one sentence each."""
    shown = demonstration(scene)
    broken = Scripted(scene, lambda *_: np.full((CHUNK, 2), np.nan, np.float32), CHUNK, EXECUTED)
    with pytest.raises(WhiskersError, match="frame 0 of episode 0 of waves with numbers that are not finite"):
        evaluate(broken, shown)
    with pytest.raises(WhiskersError, match="at least 1 frame"):
        evaluate(broken, shown, stride=0)


@pytest.mark.core
def test_the_tables_hold_the_figures(scene: Scene, tmp_path: Path) -> None:
    """The files' numbers are the report's, one line a frame and one a row."""
    shown = demonstration(scene)
    found = evaluate(Scripted(scene, repeating(shown, lambda *_: in_units(scene, 0, 4.0)), CHUNK, EXECUTED), shown)
    frames, rows, whole = (
        list(csv.reader(path.read_text().splitlines())) for path in write_tables(tmp_path / "made", found)
    )
    assert (len(frames), len(rows)) == (1 + 60, 1 + CHUNK)
    assert dict(zip(frames[0], frames[9], strict=True)).items() >= {"frame": "8", "l1_yaw_deg": "4"}.items()
    table = {name: float(value) for name, value in whole[1:]}
    assert table["l1_yaw_deg"] == pytest.approx(4.0)
    assert table == pytest.approx(figures(found), rel=1e-4, nan_ok=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(WhiskersError, match="cannot be written"):
        write_tables(tmp_path / "file" / "below", found)


@pytest.mark.core
def test_the_curves_are_the_reports(scene: Scene, tmp_path: Path) -> None:
    """Each joint's curves hold its errors, frame by frame and row by row, and the file is a picture."""
    shown = demonstration(scene)
    found = evaluate(Scripted(scene, repeating(shown, lambda *_: in_units(scene, 0, 4.0)), CHUNK, EXECUTED), shown)
    over_time, over_rows = curves(found).axes
    for joint in range(len(found.joint_names)):
        assert np.array_equal(over_time.lines[joint].get_ydata(), found.by_frame[:, joint])
        assert np.array_equal(over_rows.lines[joint].get_ydata(), found.by_row[:, joint])
    assert write_curves(tmp_path / "curves.png", found).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(WhiskersError, match="cannot be written"):
        write_curves(tmp_path / "nowhere" / "curves.png", found)


@pytest.mark.slow
def test_the_demo_policy_knows_what_it_was_trained_on(tmp_path: Path) -> None:
    """On an episode that the scripted expert recorded, demo:act is within two degrees and covers nearly all of it."""
    from lerobot.datasets import LeRobotDataset
    from lerobot.utils.utils import SuppressProgressBars

    from policies.load import load
    from policies.training.expert import Planner
    from policies.training.record import features_of, record_episode
    from recordings.dataset_in import open_episode
    from viewer_app.render import PolicyCameras
    from viewer_app.world import MujocoWorld

    built_in = Scene.load("so101")
    world = MujocoWorld(built_in, PolicyCameras(built_in))
    root = tmp_path / "expert"
    dataset = LeRobotDataset.create("local/expert", 30, features_of(built_in), root=root, use_videos=False)
    with SuppressProgressBars():
        assert record_episode(dataset, world, Planner(built_in), seed=900)
        dataset.finalize()
    world.close()
    shown = open_episode(str(root), 0, built_in)
    found = evaluate(load("demo:act"), shown, stride=4)
    assert found.l1 < 2.0
    assert found.coverage > 0.9
    # A policy that knows nothing of the episode but its mean does far worse.
    mean = np.broadcast_to(shown.actions.mean(axis=0), (40, 6)).astype(np.float32)
    ignorant = evaluate(Scripted(built_in, lambda *_: mean, 40, 20), shown, stride=4)
    assert ignorant.l1 > 5 * found.l1
