"""Many episodes without a window, each recorded: what `whiskers run` and `compare` do, and the demo without a display.

It wires engine, recordings and video together. Which policies drive is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from recordings.folder import LaneSnippet
from recordings.recorder import Recorder
from recordings.video import open_video
from viewer_app.commands import SetStart, SetStops, SetWant
from viewer_app.gym_exactness import exactness_of
from viewer_app.gym_moments import Exactness
from viewer_app.gym_world import GymWorld
from viewer_app.headless import Episode, open_lanes, run_lanes
from viewer_app.lane_settings import LaneCommand
from viewer_app.render import Shot, Viewport
from viewer_app.scene import Scene
from viewer_app.summary import EpisodeResult
from viewer_app.trace import Trace
from viewer_app.types import ImageArray, Policy, Positions, Want, WhiskersError
from viewer_app.view import OverlayChoice, Snippet, camera_presets

PICTURE = (960, 540)
"""Width and height of videos and pictures. [px]"""


@dataclass(frozen=True)
class LaneRun:
    """One lane's part of an episode that was run and recorded."""

    result: EpisodeResult
    trace: Trace


class Batch:
    """Runs episodes one after another on the calling thread, each in all lanes. Use as a context manager."""

    def __init__(
        self,
        scene: Scene,
        policies: Sequence[Policy],
        out: Path,
        complain: Callable[[str], None],
        setups: Sequence[Sequence[LaneCommand]] = (),
        want: Want = Want(),  # noqa: B008 (frozen, so it can be shared)
    ) -> None:
        """
        Args:
            scene: What to run in.
            policies: What drives each lane.
            out: Folder of the recordings.
            complain: Told one sentence when something went wrong that the batch survives.
            setups: What is set in each lane, for example an execution mode.
            want: What to ask policies for besides the chunk.

        Raises:
            WhiskersError: If a policy does not fit the scene.
        """
        self._scene = scene
        self._infos = [policy.info for policy in policies]
        self._out = out
        self._complain = complain
        self._setups = setups
        self._engine = open_lanes(scene, policies, seed=0)
        self._engine.send(SetStops(max_steps=scene.spec.task.max_steps))
        self._engine.send(SetWant(want))

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def run(self, seed: int, name: str = "", start: Positions | None = None) -> tuple[LaneRun, ...]:
        """Run and record the episode of a seed, one recording for all lanes.

        Args:
            seed: Of the episode.
            name: Name of the recording's folder; empty is `seed-<seed>`.
            start: Where it begins in all lanes; None leaves it to the seed.

        Raises:
            WhiskersError: If the recording cannot be begun, or a lane cannot take even its first step.
        """
        folder = self._out / (name or f"seed-{seed}")
        lanes = self._engine.lanes
        with Recorder(folder, self._scene, self._infos, self._complain) as recorder:

            def watch() -> None:
                recorder.offer([LaneSnippet(Snippet(each.trace, len(each.trace)), i) for i, each in enumerate(lanes)])

            setups = [(*setup, SetStart(start)) for setup in self._setups or [()] * len(lanes)]
            episodes = run_lanes(self._engine, seed, setups, watch)
        # A batch looks at one episode at a time; the earlier ones are on the disk.
        for lane in lanes:
            lane.earlier = ()
        for info, episode in zip(self._infos, episodes, strict=True):
            if episode.complaint:
                sentence = f"Episode of seed {seed}, {info.name}, step {episode.steps}: {episode.complaint}"
                if not episode.steps:
                    raise WhiskersError(sentence)
                self._complain(sentence)
        return tuple(LaneRun(_result(episode, folder), episode.trace) for episode in episodes)

    def exactness(self) -> Exactness | None:
        """How exactly the scene's environment can be rewound, measured now; None of a scene without one."""
        world = self._engine.lanes[0].world
        return exactness_of(world) if isinstance(world, GymWorld) else None


def _result(episode: Episode, folder: Path) -> EpisodeResult:
    latencies = tuple(chunk.latency for chunk in episode.trace.chunks)
    start = episode.trace.settings_at(0).start
    return EpisodeResult(
        episode.seed,
        episode.outcome,
        episode.success,
        episode.steps,
        str(folder),
        latencies,
        "" if start is None else start.name,
    )


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
    with Viewport(scene) as viewport, open_video(video, width, height, scene.spec.control_hz) as writer:
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
