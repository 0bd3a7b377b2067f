"""What it costs to look at another moment, and at many chunks at once."""

from __future__ import annotations

import statistics
import time

import mujoco
import numpy as np

from tests.bench.rows import Row, compare
from tests.synthetic import Wave
from viewer_app.commands import SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.overlays import WHISKER, Polyline
from viewer_app.raster import draw
from viewer_app.render import Offscreen, Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.view import OverlayChoice, camera_presets
from viewer_app.world import pose

STEPS = 5000
SIZE = (960, 540)
"""Width and height of the viewport at 1280x720. [px]"""


def long_trace(scene: Scene) -> Trace:
    """5,000 steps with a chunk of 40 every 20 of them."""
    engine = open_engine(scene, Wave(scene, chunk_size=40, n_action_steps=20, cameras={}), seed=0)
    engine.send(SetStops(on_outcome=False))
    engine.send(Step(STEPS))
    while engine.tick():
        pass
    engine.close()
    return engine.lanes[0].trace


def measure_scrub(scene: Scene, trace: Trace) -> Row:
    """A random step to pixels, overlays included, against one bare render."""
    width, height = SIZE
    steps = np.random.default_rng(0).integers(0, STEPS, 60)
    preset = camera_presets(scene.spec.look_at)[0]
    # The bare render is by MuJoCo's own Renderer, with the model's own look, of the same moment from the same place.
    offscreen = scene.model.vis.global_
    offscreen.offwidth, offscreen.offheight = max(width, offscreen.offwidth), max(height, offscreen.offheight)
    data = mujoco.MjData(scene.model)
    camera = mujoco.MjvCamera()
    camera.lookat[:], camera.distance = preset.look_at, preset.distance
    camera.azimuth, camera.elevation = preset.azimuth, preset.elevation
    with Viewport(scene) as viewport, mujoco.Renderer(scene.model, height, width) as renderer:

        def ours(pair: int) -> None:
            viewport.draw(Shot(trace, len(trace), int(steps[pair]), preset, OverlayChoice(), width, height))

        def bare(pair: int) -> None:
            renderer.update_scene(data, camera)
            renderer.render()

        pose(scene, data, trace.snapshot(int(steps[0])))
        compared = compare(ours, bare, pairs=len(steps))
    return Row(
        "scrub to a random step of 5,000, to pixels",
        compared.ratio,
        "x",
        f"one bare MuJoCo render at {width}x{height}: {1e3 * compared.bare:.1f} ms",
        1.3,
    )


def measure_overlay(scene: Scene, trace: Trace) -> Row:
    """A hundred chunks of a hundred steps over a picture."""
    width, height = SIZE
    preset = camera_presets(scene.spec.look_at)[0]
    rng = np.random.default_rng(0)
    tips = np.asarray(trace.column("tip"), np.float64)
    lines = [
        Polyline(tips[start : start + 100] + 0.05 * rng.standard_normal(3), WHISKER, np.full(99, 0.8), 2.0)
        for start in rng.integers(0, STEPS - 100, 100)
    ]
    capsules = _capsules_ms(scene, lines)
    offscreen = Offscreen(scene, width, height, full_look=True)
    pose(scene, offscreen.data, trace.snapshot(0))
    camera = mujoco.MjvCamera()
    camera.lookat[:], camera.distance = preset.look_at, preset.distance
    camera.azimuth, camera.elevation = preset.azimuth, preset.elevation
    clean = offscreen.draw(camera, width, height)
    lens = offscreen.lens(width, height)
    times = []
    for _ in range(30):
        image = clean.copy()
        begin = time.perf_counter()
        draw(image, offscreen.read_depth, lens, lines)
        times.append(time.perf_counter() - begin)
    offscreen.close()
    changed = float((image != clean).any(axis=2).mean())
    return Row(
        "overlay of 100 chunks x 100 steps",
        1e3 * statistics.median(times),
        "ms",
        f"a frame at {width}x{height}, {changed:.0%} of its pixels drawn over; as MuJoCo capsules {capsules:.0f} ms",
        15.0,
    )


def _capsules_ms(scene: Scene, lines: list[Polyline]) -> float:
    """One picture with the same segments as MuJoCo geoms, less one without. [ms]"""
    width, height = SIZE
    data = mujoco.MjData(scene.model)
    mujoco.mj_forward(scene.model, data)
    camera = mujoco.MjvCamera()
    preset = camera_presets(scene.spec.look_at)[0]
    camera.lookat[:], camera.distance = preset.look_at, preset.distance
    camera.azimuth, camera.elevation = preset.azimuth, preset.elevation
    colour = np.array([*WHISKER, 0.8], np.float32)
    with mujoco.Renderer(scene.model, height, width, max_geom=12_000) as renderer:
        renderer.update_scene(data, camera)
        renderer.render()
        begin = time.perf_counter()
        renderer.render()
        empty = time.perf_counter() - begin
        begin = time.perf_counter()
        drawn = renderer.scene
        for line in lines:
            for a, b in zip(line.points[:-1], line.points[1:], strict=True):
                geom = drawn.geoms[drawn.ngeom]
                mujoco.mjv_initGeom(
                    geom, mujoco.mjtGeom.mjGEOM_CAPSULE, np.zeros(3), np.zeros(3), np.eye(3).ravel(), colour
                )
                mujoco.mjv_connector(geom, mujoco.mjtGeom.mjGEOM_CAPSULE, 0.001, a, b)
                drawn.ngeom += 1
        renderer.render()
        return 1e3 * (time.perf_counter() - begin - empty)
