"""Many episodes without a window, each recorded: what `whiskers run` does, and the demo where there is no display.

It wires engine, recordings and video together. Which policy drives is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from recordings.folder import LaneSnippet
from recordings.recorder import Recorder
from recordings.video import VideoWriter
from viewer_app.commands import Command, SetStops
from viewer_app.headless import Episode, open_engine, run_episode
from viewer_app.render import Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.summary import EpisodeResult
from viewer_app.trace import Trace
from viewer_app.types import ImageArray, Policy, WhiskersError
from viewer_app.view import OverlayChoice, Snippet, camera_presets

PICTURE = (960, 540)
"""Width and height of videos and pictures. [px]"""


class Batch:
    """Runs episodes one after another on the calling thread. Use as a context manager."""

    def __init__(
        self, scene: Scene, policy: Policy, out: Path, setup: tuple[Command, ...], complain: Callable[[str], None]
    ) -> None:
        """
        Args:
            scene: What to run in.
            policy: What drives.
            out: Folder of the recordings.
            setup: Sent before each episode, for example an execution mode.
            complain: Told one sentence when something went wrong that the batch survives.

        Raises:
            WhiskersError: If the policy does not fit the scene.
        """
        self._scene = scene
        self._policy = policy
        self._out = out
        self._setup = (SetStops(max_steps=scene.spec.task.max_steps), *setup)
        self._complain = complain
        self._engine = open_engine(scene, policy, seed=0)

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def run(self, seed: int, name: str = "") -> tuple[EpisodeResult, Trace]:
        """Run and record the episode of a seed.

        Args:
            seed: Of the episode.
            name: Name of the recording's folder; empty is `seed-<seed>`.

        Raises:
            WhiskersError: If the recording cannot be begun, or the episode cannot take even its first step.
        """
        folder = self._out / (name or f"seed-{seed}")
        lane = self._engine.lanes[0]
        with Recorder(folder, self._scene, (self._policy.info,), self._complain) as recorder:
            try:
                episode = run_episode(
                    self._engine,
                    seed,
                    self._setup,
                    watch=lambda trace: recorder.offer((LaneSnippet(Snippet(trace, len(trace))),)),
                )
            except WhiskersError as error:
                if not len(lane.trace):
                    raise
                self._complain(str(error))
                episode = Episode(lane.trace)
        # A batch looks at one episode at a time; the earlier ones are on the disk.
        lane.earlier = ()
        latencies = tuple(chunk.latency for chunk in episode.trace.chunks)
        result = EpisodeResult(seed, episode.outcome, episode.success, episode.steps, str(folder), latencies)
        return result, episode.trace


def film(
    scene: Scene,
    trace: Trace,
    video: Path,
    overlays: OverlayChoice = OverlayChoice(),  # noqa: B008 (frozen, so it can be shared)
    screenshot: Path | None = None,
) -> None:
    """A video of every moment of a trace, with overlays.

    Args:
        scene: Of the trace.
        trace: From its first moment to its last.
        video: The MP4 file.
        overlays: What is drawn. Nobody is asked anything: they show what the trace itself knows.
        screenshot: Where to put the picture from the middle as PNG, None for nowhere.

    Raises:
        WhiskersError: If a file cannot be written.
    """
    width, height = PICTURE
    camera = camera_presets(scene.spec.look_at)[0]
    with Viewport(scene) as viewport, VideoWriter(video, width, height, scene.spec.control_hz) as writer:
        for step in range(len(trace) + 1):
            shot = Shot(trace, len(trace), step, camera, overlays, width, height)
            image = viewport.draw(shot).image
            writer.write(image)
            if screenshot is not None and step == len(trace) // 2:
                _save_picture(screenshot, image)


def _save_picture(path: Path, image: ImageArray) -> None:
    try:
        Image.fromarray(image).save(path)
    except OSError as error:
        raise WhiskersError(f"Picture {path} cannot be written ({error.strerror or error}).") from None
