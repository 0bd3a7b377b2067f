"""Law 7: the physics whisker is the path that the gripper takes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.chunking import Chunking, FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.commands import SetChunking, SetDelay, SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.rollout import Rollout
from viewer_app.scene import Scene
from viewer_app.trace import Trace

pytestmark = pytest.mark.core


MODES: tuple[tuple[Chunking, int], ...] = (
    (FirstN(12), 0),
    (FirstN(5), 0),
    (FirstN(5), 3),
    (OverlapBlend(6, 4), 0),
    (OverlapBlend(5, 5), 2),
    (TemporalEnsemble(0.05, ()), 0),
)


def run(scene: Scene, mode: Chunking, delay: int, steps: int) -> Trace:
    engine = open_engine(scene, Wave(scene, chunk_size=12, cameras={}, noise=0.5), seed=4)
    for command in (SetStops(on_outcome=False), SetChunking(mode), SetDelay(delay), Step(steps)):
        engine.send(command)
    while engine.tick():
        pass
    engine.close()
    return engine.lanes[0].trace


@pytest.mark.parametrize(("mode", "delay"), MODES)
@pytest.mark.parametrize("name", ["plotter", "so101"])
def test_the_physics_whisker_is_the_executed_path(tmp_path: Path, name: str, mode: Chunking, delay: int) -> None:
    """Law 7: in every execution mode, what is executed untouched takes the tip along its physics whisker, to the bit,
    contacts included, from one chunk's arrival to the next one's."""
    scene = Scene.load(write_scene(tmp_path) if name == "plotter" else name)
    trace = run(scene, mode, delay, 60)
    executed = np.asarray(trace.column("tip"))
    rollout = Rollout(scene)
    arrivals = [*(chunk.arrived for chunk in trace.chunks), len(trace)]
    for begin, end in pairwise(arrivals):
        plan = trace.plan(begin)
        assert plan is not None
        path = rollout.path(plan, trace.snapshot(begin))
        assert np.array_equal(path[: end - begin + 1], executed[begin : end + 1])


def test_a_remembered_roll_is_a_roll(tmp_path: Path) -> None:
    """What is read off earlier rolls is what a fresh twin computes, to the bit: while the chunk is followed, after the
    cube was moved in the middle of it, and under other actions from the same state."""
    scene = Scene.load(write_scene(tmp_path))
    trace = run(scene, FirstN(6), 0, 20)
    rollout = Rollout(scene)
    for step in [*range(20), *reversed(range(20))]:
        plan, snapshot = trace.plan(step), trace.snapshot(step)
        assert plan is not None
        assert np.array_equal(rollout.path(plan, snapshot), Rollout(scene).path(plan, snapshot))
        moved = snapshot.copy()
        moved[7 + 1 + 2 : 7 + 1 + 4] = 0.3, 0.02  # progress (7), time, two joints, then the cube's position
        for actions, start in ((plan, moved), (plan + 1, snapshot), (plan[:-1], snapshot)):
            assert np.array_equal(rollout.path(actions, start), Rollout(scene).path(actions, start))


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
