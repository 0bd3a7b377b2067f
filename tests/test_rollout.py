"""Law 7: the physics whisker is the path that the gripper takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.chunking import FirstN
from viewer_app.commands import SetChunking, SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.rollout import Rollout
from viewer_app.scene import Scene

pytestmark = pytest.mark.core


@pytest.mark.parametrize("name", ["plotter", "so101"])
def test_the_physics_whisker_is_the_executed_path(tmp_path: Path, name: str) -> None:
    """Law 7: a chunk executed untouched takes the tip along its physics whisker, to the bit, contacts included."""
    scene = Scene.load(write_scene(tmp_path) if name == "plotter" else name)
    engine = open_engine(scene, Wave(scene, chunk_size=12, cameras={}), seed=4)
    for command in (SetStops(on_outcome=False), SetChunking(FirstN(12)), Step(120)):
        engine.send(command)
    while engine.tick():
        pass
    engine.close()
    trace = engine.lanes[0].trace
    executed = np.asarray(trace.column("tip"))
    rollout = Rollout(scene)
    for chunk in trace.chunks:
        path = rollout.path(chunk.actions, trace.snapshot(chunk.start))
        assert np.array_equal(path, executed[chunk.start : chunk.start + 13])


def test_a_roll_changes_nothing(tmp_path: Path) -> None:
    """Rolling the same chunk twice, with another roll between, gives the same path."""
    scene = Scene.load(write_scene(tmp_path))
    engine = open_engine(scene, Wave(scene, cameras={}), seed=4)
    start = engine.lanes[0].trace.snapshot(0)
    engine.close()
    rollout = Rollout(scene)
    actions = np.linspace([0, 0], [90, 40], 30, dtype=np.float32)
    first = rollout.path(actions, start)
    rollout.path(-actions, start)
    assert np.array_equal(rollout.path(actions, start), first)
