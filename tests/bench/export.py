"""What a six-angle video costs: against bare renders of its tiles, and against pictures on the disk tiled by ffmpeg."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import mujoco
from PIL import Image

from tests.bench.rows import Row, compare
from tests.synthetic import Wave
from viewer_app.commands import SetStops, Step
from viewer_app.export import Clip, Plan, Take, export
from viewer_app.headless import open_engine
from viewer_app.render import smoothed_tip
from viewer_app.scene import Scene
from viewer_app.tiles import lay_out
from viewer_app.trace import Trace
from viewer_app.types import ImageArray
from viewer_app.view import Camera, camera_presets
from viewer_app.world import pose

FRAMES = 30
"""Pictures of the clip."""
TILE = (640, 360)
"""Width and height of a tile. [px]"""
SEEDS_FRAMES = 6
"""Pictures of the slow way: its time grows in proportion."""
SEEDS_SIZE = (1280, 720)
"""Width and height of the pictures that the seeds wrote, before ffmpeg scaled them to tiles. [px]"""
_FINE = (4096, 4)
"""Shadow map and samples that MuJoCo draws with where a model does not say otherwise."""


def wave_trace(scene: Scene) -> Trace:
    """A clip's episode, its beginning left out: chunks of 40 every 20 steps."""
    engine = open_engine(scene, Wave(scene, chunk_size=40, n_action_steps=20, cameras={}), seed=0)
    engine.send(SetStops(on_outcome=False))
    engine.send(Step(60 + FRAMES))
    while engine.tick():
        pass
    engine.close()
    return engine.lanes[0].trace


def measure_export_bare(scene: Scene) -> Row:
    """Render, overlays, tiling and encoding of an MP4, from nothing to the file, against the bare renders alone."""
    trace = wave_trace(scene)
    with tempfile.TemporaryDirectory() as folder:
        compared = compare(
            lambda pair: _export(scene, trace, Path(folder) / f"{pair}.mp4", FRAMES),
            lambda pair: _render(scene, trace, TILE, FRAMES, lambda number, camera, image: None),
            pairs=3,
        )
    return Row(
        "six-angle video, total time",
        compared.ratio,
        "x",
        f"bare MuJoCo renders of its tiles: {1e3 * compared.bare / FRAMES:.0f} ms a picture",
        1.15,
    )


def measure_export_same_look(scene: Scene) -> Row:
    """Against PNG files tiled by ffmpeg, both with MuJoCo's own shadows and anti-aliasing."""
    return _measure_seeds(scene, _FINE, "same look", 1 / 2.5)


def measure_export_default_look(scene: Scene) -> Row:
    """Against PNG files tiled by ffmpeg, each with the look that it has by default."""
    return _measure_seeds(scene, None, "default look", 1 / 5)


def _measure_seeds(scene: Scene, look: tuple[int, int] | None, words: str, goal: float) -> Row:
    trace = wave_trace(scene)
    fine = Scene(scene.spec, scene.path)
    _set_look(fine, _FINE)
    ours = Scene(scene.spec, scene.path)
    if look is not None:
        _set_look(ours, look)
    ratios, bares = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for pair in range(3):
            begin = time.perf_counter()
            _export(ours, trace, folder / f"{pair}.mp4", FRAMES)
            middle = time.perf_counter()
            _seeds_way(fine, trace, folder / f"seeds-{pair}")
            slow = (time.perf_counter() - middle) / SEEDS_FRAMES
            ratios.append((middle - begin) / FRAMES / slow)
            bares.append(slow)
    return Row(
        f"six-angle video against PNG files + ffmpeg, {words}",
        statistics.median(ratios),
        "x",
        f"{SEEDS_SIZE[0]}x{SEEDS_SIZE[1]} PNG files without overlays, tiled by xstack: "
        f"{1e3 * statistics.median(bares):.0f} ms a picture",
        goal,
    )


def _set_look(scene: Scene, look: tuple[int, int]) -> None:
    scene.model.vis.quality.shadowsize, scene.model.vis.quality.offsamples = look


def _export(scene: Scene, trace: Trace, path: Path, frames: int) -> None:
    clip = Clip((Take(trace, len(trace)),), len(trace) - frames + 1)
    exported = export(Plan(scene, (clip,), lay_out(scene), path, force=True))
    assert exported is not None
    assert exported.frames == frames


def _render(
    scene: Scene, trace: Trace, size: tuple[int, int], frames: int, use: Callable[[int, str, ImageArray], None]
) -> None:
    """Render the six angles of some moments with MuJoCo's own Renderer, and do nothing else.

    Args:
        scene: Of the trace.
        trace: Its last moments are shown.
        size: Width and height. [px]
        frames: How many moments.
        use: Given the number of the moment, the angle's name and the picture.
    """
    width, height = size
    data = mujoco.MjData(scene.model)
    first = len(trace) - frames + 1
    with mujoco.Renderer(scene.model, height, width) as renderer:
        for number in range(frames):
            pose(scene, data, trace.snapshot(first + number))
            for preset in camera_presets(scene.spec.look_at):
                renderer.update_scene(data, _camera(preset, trace, first + number))
                use(number, preset.label, renderer.render())


def _camera(preset: Camera, trace: Trace, step: int) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.lookat[:] = smoothed_tip(trace, step) if preset.tracking else preset.look_at
    camera.azimuth, camera.elevation, camera.distance = preset.azimuth, preset.elevation, preset.distance
    return camera


def _seeds_way(scene: Scene, trace: Trace, folder: Path) -> None:
    """One PNG file for each moment and angle, then one ffmpeg that scales and tiles them."""
    folder.mkdir()

    def save(number: int, angle: str, image: ImageArray) -> None:
        Image.fromarray(image).save(folder / f"{angle}-{number:04d}.png")

    _render(scene, trace, SEEDS_SIZE, SEEDS_FRAMES, save)
    width, height = TILE
    angles = [preset.label for preset in camera_presets(scene.spec.look_at)]
    inputs = [word for angle in angles for word in ("-framerate", "30", "-i", str(folder / f"{angle}-%04d.png"))]
    scaled = ";".join(f"[{i}]scale={width}:{height}[v{i}]" for i in range(6))
    places = "|".join(f"{column * width}_{row * height}" for row in range(2) for column in range(3))
    tiled = f"{scaled};{''.join(f'[v{i}]' for i in range(6))}xstack=inputs=6:layout={places}"
    out = ("-filter_complex", tiled, "-c:v", "libx264", "-pix_fmt", "yuv420p", str(folder / "tiled.mp4"))
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *inputs, *out], check=True)
