"""What the engine adds to a policy's calls and the physics: recording, snapshots, the whisker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mujoco

from recordings.folder import LaneSnippet
from recordings.recorder import Recorder
from tests.bench.rows import Row, compare
from tests.synthetic import Wave
from viewer_app.commands import ResetEpisode, SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.overlays import Sight, whisker
from viewer_app.paths import Paths
from viewer_app.questions import Answers
from viewer_app.scene import Scene
from viewer_app.types import ActionChunk, ImageArray, Observation, Policy, Want
from viewer_app.view import OverlayChoice, Snippet

STEPS = 200


class BareLoop:
    """What a script without Whiskers does: render the cameras that the policy reads, predict, mj_step."""

    def __init__(self, scene: Scene, policy: Policy) -> None:
        self._scene = scene
        self._policy = policy
        self._data = mujoco.MjData(scene.model)
        self._renderers = {
            name: mujoco.Renderer(scene.model, height, width) for name, (height, width) in policy.info.cameras.items()
        }

    def run(self, steps: int) -> None:
        scene, data, info = self._scene, self._data, self._policy.info
        mujoco.mj_resetDataKeyframe(scene.model, data, scene.model.key(scene.spec.home_keyframe).id)
        mujoco.mj_forward(scene.model, data)
        chunk: ActionChunk | None = None
        for step in range(steps):
            if chunk is None or step - chunk.start >= info.n_action_steps:
                state = scene.to_scene_units(data.qpos[scene.qpos_index])
                seen = Observation(data.time, state, self._pictures(), scene.spec.prompt)
                chunk = self._policy.predict([seen], step, step, Want())
            data.ctrl[scene.ctrl_index] = scene.to_control(chunk.actions[step - chunk.start])
            mujoco.mj_step(scene.model, data, scene.substeps)

    def _pictures(self) -> dict[str, ImageArray]:
        pictures = {}
        for name, renderer in self._renderers.items():
            renderer.update_scene(self._data, name)
            pictures[name] = renderer.render()
        return pictures

    def close(self) -> None:
        for renderer in self._renderers.values():
            renderer.close()


class RecordedLoop:
    """The engine, recording to the disk, with the whisker of every step computed."""

    def __init__(self, scene: Scene, policy: Policy, folder: Path) -> None:
        self._engine = open_engine(scene, policy, seed=0)
        self._engine.send(SetStops(on_outcome=False))
        self._recorder = Recorder(folder, scene, [policy.info], _refuse)
        self._paths = Paths(scene)

    def run(self, steps: int) -> None:
        engine, lane = self._engine, self._engine.lanes[0]
        engine.send(ResetEpisode())
        engine.send(Step(steps))
        while engine.tick():
            self._recorder.offer([LaneSnippet(Snippet(lane.trace, len(lane.trace)))])
            whisker(Sight(self._paths, lane.trace, len(lane.trace) - 1, OverlayChoice(), Answers()))

    def close(self) -> None:
        self._recorder.close()
        self._engine.close()


def _refuse(sentence: str) -> None:
    raise RuntimeError(sentence)


@contextmanager
def _loops(scene: Scene, policy: Policy) -> Iterator[tuple[RecordedLoop, BareLoop]]:
    with tempfile.TemporaryDirectory() as folder:
        bare = BareLoop(scene, policy)
        ours = RecordedLoop(scene, policy, Path(folder) / "recording")
        try:
            yield ours, bare
        finally:
            ours.close()
            bare.close()


def measure_with_policy(scene: Scene, policy: Policy) -> Row:
    """The engine against the bare loop, with a real checkpoint."""
    with _loops(scene, policy) as (ours, bare):
        compared = compare(lambda _: ours.run(STEPS), lambda _: bare.run(STEPS), pairs=7)
    return Row(
        "headless step, recorded, with whisker",
        compared.ratio,
        "x",
        f"cameras + predict of {policy.info.name} + mj_step alone: {1e3 * compared.bare / STEPS:.2f} ms a step",
        1.10,
    )


def measure_overhead(scene: Scene) -> Row:
    """The same with a policy that costs nothing: what the engine takes for itself, in time."""
    policy = Wave(scene, chunk_size=40, n_action_steps=20, cameras={})
    with _loops(scene, policy) as (ours, bare):
        compared = compare(lambda _: ours.run(STEPS), lambda _: bare.run(STEPS), pairs=9)
    return Row(
        "engine's own time a step",
        1e3 * (compared.ours - compared.bare) / STEPS,
        "ms",
        f"a formula for a policy, and mj_step: {1e3 * compared.bare / STEPS:.2f} ms a step",
        None,
    )
