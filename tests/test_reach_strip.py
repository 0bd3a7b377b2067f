"""What the policy panel and `whiskers run` say of end-effector targets that the joints could not meet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from panels.canvas import paint
from panels.reach import paint_reach, step_words
from panels.style import ACCENT, BAD
from recordings.folder import open_recording
from tests.scripted import Scripted
from tests.test_end_effector import documented
from viewer_app.analysis import Analyst
from viewer_app.command_line import Run
from viewer_app.detectors import Thresholds
from viewer_app.insight import Reach
from viewer_app.run_command import run
from viewer_app.scene import Scene


def reach_of(errors: list[float], turned: float = 0.0) -> Reach:
    """Position errors [mm] of steps that failed where they are above 1, all turned away by as much [deg]."""
    position = np.array(errors)
    missed = position > 1
    return Reach(position, np.full(len(errors), turned), missed, missed)


def test_every_failed_step_is_seen() -> None:
    """A single failed step stands in red even where a column of pixels stands for several steps; columns are as high as
    the largest error among them, and steps to come stay empty."""
    pixels = np.zeros((40, 50, 4), np.float32)
    errors = [0.5] * 80
    errors[31] = 5.0
    paint_reach(reach_of(errors), 10.0, 100, pixels)
    bottom = pixels[-1]
    red = np.flatnonzero((bottom == paint(BAD)).all(axis=1))
    assert red.tolist() == [15]  # two steps a column
    assert int((pixels[:, 15] == paint(BAD)).all(axis=1).sum()) == 20
    assert (bottom[:15] == paint(ACCENT)).all()
    assert (bottom[40:] == bottom[-1]).all()
    assert not (bottom[40:] == paint(ACCENT)).all(axis=1).any()


def test_a_step_in_words() -> None:
    """A step says by how much it was off, its orientation only where one was asked for, and whether that is a
    failure."""
    assert step_words(reach_of([0.2, 23.4]), 0) == "step 0: off by 0.2 mm"
    assert step_words(reach_of([0.2, 23.4], 12.0), 1) == "step 1: off by 23.4 mm, 12.0 deg (failed)"


def test_a_run_says_how_often_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`summary.json` of `whiskers run` has for each episode what the trace's recomputed inverse kinematics says."""
    (_, scene) = documented(tmp_path)
    text = scene.path.read_text(encoding="utf-8")
    scene.path.write_text(text.replace("max_steps = 300", "max_steps = 40"), encoding="utf-8")
    scene = Scene.load(scene.path)

    def load(*_: object) -> Scripted:
        rows = np.tile(np.array([1, 0, 0, 50], np.float32), (12, 1))  # 20 mm a step, out of reach before long
        return Scripted(scene, lambda *_: rows)

    monkeypatch.setattr("viewer_app.run_command.load_policy", load)
    out = tmp_path / "out"
    assert run(Run("none", scene=str(scene.path), episodes=1, out=out, json=True)) == 0
    episodes = json.loads((out / "summary.json").read_text(encoding="utf-8"))["episodes"]
    assert len(episodes) == 1
    for episode in episodes:
        ((trace,),) = open_recording(Path(episode["recording"])).lanes
        reach = Analyst(scene).episode(trace, len(trace), Thresholds()).reach
        assert reach is not None
        assert 0 < episode["reach"]["failed_steps"] == reach.failed.sum() < len(trace)
        assert episode["reach"]["largest_position_error_mm"] == reach.position.max() > 1.0
        assert episode["reach"]["largest_orientation_error_deg"] == 0.0
