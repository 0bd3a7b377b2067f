"""What whiskers cost: kinematic and physics paths, samples, and the overlay of a temporal ensemble."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType

import mujoco
import numpy as np

from tests.bench.rows import Row, compare
from tests.bench.scrub import SIZE
from tests.synthetic import Wave
from viewer_app.alternatives import samples_at
from viewer_app.chunking import TemporalEnsemble
from viewer_app.commands import SetChunking, SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.overlays import Polyline, Sight, build
from viewer_app.paths import Paths
from viewer_app.questions import Answer, Answers, Samples
from viewer_app.raster import draw
from viewer_app.render import Offscreen
from viewer_app.scene import Scene
from viewer_app.snapshots import STATE_SPEC
from viewer_app.task import PROGRESS_SIZE
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Float32Array, Observation, Want
from viewer_app.view import OverlayChoice, camera_presets
from viewer_app.world import pose

ROWS = 100
"""Of a chunk."""
PAIRS = 15


class Fan(Wave):
    """Chunks that part: to a wave's it adds, joint by joint, what grows along the chunk to a random amount."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene, chunk_size=ROWS, n_action_steps=ROWS // 2, cameras={})

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        chunk = super().predict(observations, start, seed, want)
        end = 15 * np.random.default_rng(seed).standard_normal(chunk.actions.shape[1])
        actions = chunk.actions + np.linspace(0, end, len(chunk), dtype=np.float32)
        return replace(chunk, actions=actions, model_actions=None)


def measure_kinematic(scene: Scene) -> Row:
    """The kinematic whisker of one chunk, computed anew each time."""
    trace, paths = _trace(scene, 1), Paths(scene)
    chunks = _chunks(scene, 60)
    return Row(
        "kinematic whisker of 100 steps",
        _median_ms(lambda turn: paths.kinematics.path(chunks[turn], trace.snapshot(0)), len(chunks)),
        "ms",
        "its own mj_kinematics calls included",
        1.0,
    )


def measure_physics(scene: Scene) -> Row:
    """The physics whisker of one chunk, another one each time, against the simulation steps that it needs."""
    trace, paths = _trace(scene, 1), Paths(scene)
    chunks = _chunks(scene, PAIRS)
    start = trace.snapshot(0)
    data = mujoco.MjData(scene.model)

    def bare(pair: int) -> None:
        mujoco.mj_setState(scene.model, data, start[PROGRESS_SIZE:], STATE_SPEC)
        for control in controls[pair]:
            data.ctrl[scene.ctrl_index] = control
            mujoco.mj_step(scene.model, data, scene.substeps)

    controls = [scene.to_control(chunk) for chunk in chunks]
    # A chunk rolled already would be remembered, so the untimed turn rolls its own.
    spare = _chunks(scene, PAIRS, seed=1)
    rolled = iter([spare[0], *chunks])
    compared = compare(lambda pair: _discard(paths.rollout.path(next(rolled), start)), bare, pairs=PAIRS)
    return Row(
        f"physics whisker of 100 steps at {scene.spec.control_hz:g} Hz",
        compared.ratio,
        "x",
        f"its {ROWS * scene.substeps} bare mj_step: {1e3 * compared.bare:.1f} ms",
        1.2,
    )


def measure_samples(scene: Scene) -> Row:
    """32 samples through kinematics, and their spread, computed anew each time."""
    trace, paths = _trace(scene, 1), Paths(scene)
    asked = []
    for turn in range(15):
        drawn = np.stack(_chunks(scene, 32, seed=turn))
        base = ActionChunk(0, drawn[0], seed=0, extras=MappingProxyType({"samples": drawn}))
        asked.append(Answers().having(Answer(Samples(32), trace, 0, base, MappingProxyType({}), 1, 0.0)))
    return Row(
        "32 samples of 100 steps, kinematic",
        _median_ms(lambda turn: samples_at(paths, trace, 0, asked[turn]), len(asked)),
        "ms",
        "with their spread; a picture drawn again takes them from memory",
        15.0,
    )


def measure_ensemble(scene: Scene) -> Row:
    """The overlay of a temporal ensemble of 100 members, built and drawn, at one step after another."""
    steps = 2 * ROWS
    trace, paths = _trace(scene, steps, ensemble=True), Paths(scene)
    width, height = SIZE
    preset = camera_presets(scene.spec.look_at)[0]
    camera = mujoco.MjvCamera()
    camera.lookat[:], camera.distance = preset.look_at, preset.distance
    camera.azimuth, camera.elevation = preset.azimuth, preset.elevation
    choice = OverlayChoice(whisker=False, ghosts=False, path=False, ensemble=True)
    offscreen = Offscreen(scene, width, height, full_look=True)
    times, lines = [], 0
    for step in range(ROWS, steps):
        pose(scene, offscreen.data, trace.snapshot(step))
        image = offscreen.draw(camera, width, height)
        lens = offscreen.lens(width, height)
        begin = time.perf_counter()
        primitives = build(Sight(paths, trace, step, choice, Answers()))
        draw(image, offscreen.read_depth, lens, primitives)
        times.append(time.perf_counter() - begin)
        lines = sum(isinstance(each, Polyline) for each in primitives)
    offscreen.close()
    return Row(
        f"ensemble overlay of {lines - 1} members, built and drawn",
        1e3 * statistics.median(times),
        "ms",
        f"a frame at {width}x{height}, playing: one chunk a step is new, the others' paths are remembered; "
        f"the first frame, with none remembered, {1e3 * times[0]:.0f} ms",
        20.0,
    )


def _trace(scene: Scene, steps: int, ensemble: bool = False) -> Trace:
    engine = open_engine(scene, Fan(scene), seed=0)
    engine.send(SetStops(on_outcome=False))
    if ensemble:
        engine.send(SetChunking(TemporalEnsemble(0.01, ())))
    engine.send(Step(steps))
    while engine.tick():
        pass
    engine.close()
    return engine.lanes[0].trace


def _chunks(scene: Scene, count: int, seed: int = 0) -> list[Float32Array]:
    """Chunks that swing every joint, each in its own way. Scene units. Each of shape (ROWS, n)."""
    rng = np.random.default_rng(seed)
    rows = np.arange(ROWS)[:, None]
    return [(30 * np.sin(rows / 15 + rng.uniform(0, 6, scene.n_action)) + 20).astype(np.float32) for _ in range(count)]


def _median_ms(work: Callable[[int], object], turns: int) -> float:
    """Median time of a turn, the first one not counted. [ms]"""
    times = []
    for turn in range(turns):
        begin = time.perf_counter()
        work(turn)
        times.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(times[1:])


def _discard(value: object) -> None:
    """What `compare` wants: a function that gives nothing."""
