"""Gives the window what it asks for: policies in processes of their own, recordings, files in the session's folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from policies.process import Failed, Loaded, Loading, PolicyProcess
from policies.progress import LoadingCancelledError
from recordings.camera_memory import CameraMemory
from recordings.folder import Recording, is_recording, open_recording, save, snippets_of
from recordings.recent import RecentFiles
from recordings.recorder import Recorder
from recordings.saved_starts import SavedStarts
from recordings.unfinished import settle, unfinished
from viewer_app.camera_map import mapping_of, parse_mapping
from viewer_app.camera_names import CameraMapping
from viewer_app.commands import Say
from viewer_app.demonstration import Demonstration, is_played_back
from viewer_app.doctor.checkup import Order
from viewer_app.doctor.finding import Finding, in_order
from viewer_app.doctor_process import DoctorProcess
from viewer_app.engine import Engine
from viewer_app.gui.contracts import Complain, Examination, LaneStart, LoadProgress, PolicyLoading, Session
from viewer_app.lane_spec import LaneSpec
from viewer_app.mends import Mends
from viewer_app.scene import Scene
from viewer_app.start_positions import read_start
from viewer_app.trace import Trace
from viewer_app.types import CallProgress, Policy, PolicyInfo, Positions, WhiskersError
from viewer_app.view import View

if TYPE_CHECKING:
    from viewer_app.exporting import VideoExporter

_SCENE = "so101"
"""What a dataset is shown in where nothing else is."""


class ProcessLoading:
    """A checkpoint that loads in a process of its own. Implements `contracts.PolicyLoading`.

    The process is started by the first poll, which comes with the window's first frame: its imports must not compete
    with those that the window is waiting for.
    """

    def __init__(
        self,
        source: str,
        device: str,
        loaded: Callable[[str], None] = lambda source: None,
        statistics: str = "",
    ) -> None:
        """
        Args:
            source: A folder, `demo:NAME` or a hub id.
            device: torch's name of where the model is to run.
            loaded: Told the source once it has loaded, on the thread that polls.
            statistics: What to scale by instead of the checkpoint's own statistics.
        """
        self._source = source
        self._device = device
        self._statistics = statistics
        self._loaded: Callable[[str], None] | None = loaded
        self._process: PolicyProcess | None = None
        self._cancelled = False

    @property
    def source(self) -> str:
        return self._source

    def poll(self) -> LoadProgress | Policy | WhiskersError:
        if self._process is None:
            if self._cancelled:
                return LoadingCancelledError(f"Loading {self._source} was cancelled.")
            self._process = PolicyProcess.start(self._source, self._device, self._statistics)
        match self._process.poll():
            case Loading(progress):
                return LoadProgress(progress.text, progress.fraction)
            case Loaded():
                if self._loaded is not None:
                    self._loaded(self._source)
                    self._loaded = None
                return self._process
            case Failed(error):
                return error
            case other:
                assert_never(other)

    def cancel(self) -> None:
        self._cancelled = True
        if self._process is not None:
            self._process.cancel()

    @property
    def call(self) -> CallProgress | None:
        return self._process.call if self._process is not None else None

    def close(self) -> None:
        if self._process is not None:
            self._process.close()


class SessionFiles:
    """The files of one sitting, in a folder that is made when the first of them is written.

    Implements `contracts.Files`.
    """

    def __init__(
        self, folder: Path, device: str, picture_budget: int = 256 << 20, recent: RecentFiles | None = None
    ) -> None:
        """
        Args:
            folder: The session's own. Need not exist. Those of other sessions lie beside it.
            device: torch's name of where policies are to run.
            picture_budget: The most that remembered pictures of the policy's cameras may take. [bytes]
            recent: Remembers what is opened; None remembers nothing.
        """
        self._folder = folder
        self._device = device
        self._picture_budget = picture_budget
        self._recent = recent
        self._recorders: list[Recorder] = []
        self._scene: Scene | None = None

    def close(self) -> None:
        """Finish what is being written."""
        for recorder in self._recorders:
            recorder.close()

    def open(self, path: str) -> PolicyLoading | Session:
        place = Path(path).expanduser()
        # What a file dialog gives when a person picks the file inside.
        if place.is_file() and place.name in ("recording.json", "config.json"):
            place = place.parent
        elif place.is_file() and place.name == "info.json":
            place = place.parents[1]
        # Imported when somebody opens something: datasets bring libraries that the window would wait for.
        from recordings.dataset_in import is_dataset

        source = str(place) if place.exists() else path
        if is_recording(place):
            return self.recorded_session(place)
        if is_dataset(source):
            return self._first_episode(source)
        return ProcessLoading(source, self._device, self._remember)

    def _first_episode(self, source: str) -> Session:
        """A dataset's first episode, in the scene that is shown."""
        from recordings.dataset_in import open_dataset

        dataset = open_dataset(source)
        first = dataset.episodes[0].index
        demonstration = dataset.open(first, self._scene if self._scene is not None else Scene.load(_SCENE))
        note = (
            f"This is episode {first}, 1 of {len(dataset.episodes)}; whiskers view DATASET --episode N opens another."
        )
        return self.dataset_session(replace(demonstration, notes=(*demonstration.notes, note)))

    def load_checkpoint(self, source: str, mends: Mends) -> PolicyLoading:
        return ProcessLoading(source, self._device, self._remember, mends.statistics)

    def look_at_files(self, order: Order, scene: Scene) -> tuple[Finding, ...]:
        # Imported when a checkpoint has loaded: the window is on the screen by then.
        from viewer_app.diagnosis import Wishes, look_at_files

        wishes = Wishes(mapping=order.mapping, mends=order.mends, prompt=order.prompt)
        return tuple(in_order(look_at_files(order.source, scene, wishes)[1]))

    def try_checkpoint(self, order: Order) -> Examination:
        return DoctorProcess(order, self._device)

    def make_exporter(self) -> VideoExporter:
        # Imported now: it brings the encoder, and the window is to be on the screen first.
        from viewer_app.exporting import VideoExporter

        return VideoExporter()

    def recent(self) -> tuple[str, ...]:
        """What was opened before and is still there, newest first: `open` takes each."""
        return self._recent.sources() if self._recent is not None else ()

    def unfinished(self) -> tuple[Path, ...]:
        """Recordings of sessions that ended without being closed, newest first: `open` takes each."""
        return tuple(unfinished(self._folder.parent))

    def settle(self, recording: Path) -> None:
        """Never tell `unfinished` about a recording again."""
        settle(recording)

    def _remember(self, source: str) -> None:
        if self._recent is not None:
            self._recent.remember(source)

    def save(self, view: View) -> Path:
        folder = self.new_file("saved")
        policies = [lane.policy for lane in view.lanes if lane.policy is not None]
        save(folder, view.scene, snippets_of(view), policies)
        return folder

    def recall_cameras(self, info: PolicyInfo, scene: Scene, complain: Complain) -> CameraMapping | None:
        return CameraMemory(complain).recall(info.digest, scene.name)

    def remember_cameras(self, info: PolicyInfo, scene: Scene, mapping: CameraMapping, complain: Complain) -> None:
        CameraMemory(complain).remember(info.digest, scene.name, mapping)

    def starts(self, scene: Scene) -> Sequence[str]:
        return SavedStarts(scene).names()

    def save_start(self, scene: Scene, positions: Positions, name: str) -> Path:
        return SavedStarts(scene).save(positions, name)

    def load_start(self, scene: Scene, name: str) -> Positions:
        return SavedStarts(scene).load(name)

    def new_file(self, name: str) -> Path:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WhiskersError(f"Folder {self._folder} cannot be made ({error.strerror}).") from None
        stem, suffix = Path(name).stem, Path(name).suffix
        candidates = (self._folder / f"{stem}-{number}{suffix}" for number in count(1))
        return next(path for path in candidates if not path.exists())

    def new_recorder(self, view: View, complain: Callable[[str], None]) -> Recorder:
        """A recorder that writes into the session's folder until `close`.

        Raises:
            WhiskersError: If the folder cannot be written.
        """
        policies = [lane.policy for lane in view.lanes if lane.policy is not None]
        self._recorders.append(Recorder(self.new_file("recording"), view.scene, policies, complain))
        return self._recorders[-1]

    def new_session(
        self,
        scene: Scene,
        source: str,
        seed: int,
        start_running: bool,
        cameras: tuple[str, ...] = (),
        start: Path | None = None,
        mends: Mends = Mends(),  # noqa: B008 (frozen, so it can be shared)
    ) -> Session:
        """A session that begins with an episode of `seed`, driven by the checkpoint once it has loaded.

        Args:
            scene: What to drive in.
            source: The checkpoint.
            seed: Of the first episode.
            start_running: Whether to play as soon as it has loaded.
            cameras: `CHECKPOINT_CAMERA=SCENE_CAMERA`, where its cameras are not the scene's.
            start: File of the positions that episodes begin at; None leaves it to the seed.
            mends: What is mended of the checkpoint.

        Raises:
            WhiskersError: If the start positions cannot be read, or do not suit the scene.
        """
        self._scene = scene
        recorder = _SessionRecorder(self)
        begin = None if start is None else read_start(start, scene)
        loading = self.load_checkpoint(source, mends)
        return Session(
            scene=scene,
            open_engine=recorder.around(lambda publish: _open(scene, 1, seed, publish, begin)),
            lanes=(LaneStart(loading, cameras=_wished(cameras, scene), mends=lambda: mends),),
            watch=recorder.watch,
            start_running=start_running,
            picture_budget=self._picture_budget,
        )

    def compare_session(
        self,
        scene: Scene,
        lanes: Sequence[LaneSpec],
        seed: int,
        cameras: tuple[str, ...] = (),
        start: Path | None = None,
    ) -> Session:
        """A session with a lane for each checkpoint, all in the episode of `seed`.

        Args:
            scene: Of all lanes.
            lanes: What is to drive.
            seed: Of the first episode.
            cameras: `CHECKPOINT_CAMERA=SCENE_CAMERA`, for the lanes whose cameras are not the scene's.
            start: File of the positions that episodes begin at; None leaves it to the seed.

        Raises:
            WhiskersError: If the start positions cannot be read, or do not suit the scene.
        """
        self._scene = scene
        recorder = _SessionRecorder(self)
        begin = None if start is None else read_start(start, scene)
        return Session(
            scene=scene,
            open_engine=recorder.around(lambda publish: _open(scene, len(lanes), seed, publish, begin)),
            lanes=tuple(
                LaneStart(
                    ProcessLoading(lane.checkpoint, self._device, self._remember),
                    lane.commands,
                    _wished(cameras, scene),
                )
                for lane in lanes
            ),
            watch=recorder.watch,
            picture_budget=self._picture_budget,
        )

    def recorded_session(self, path: Path) -> Session:
        """A session that shows a recording. Its checkpoint loads too where there still is one, to go on from there.

        Args:
            path: The recording's folder or zip file.

        Raises:
            WhiskersError: If it cannot be read.
        """
        recording = open_recording(path)
        self._scene = recording.scene
        self._remember(str(path))
        settle(recording.folder)
        recorder = _SessionRecorder(self)
        return Session(
            scene=recording.scene,
            open_engine=recorder.around(lambda publish: _open_recorded(recording, publish)),
            lanes=tuple(self._start_of(traces[-1].policy) for traces in recording.lanes),
            watch=recorder.watch,
            picture_budget=self._picture_budget,
        )

    def _start_of(self, policy: PolicyInfo | None) -> LaneStart:
        if policy is None or is_played_back(policy):
            return LaneStart()
        mends = Mends.from_plain(policy.mended)
        loading = ProcessLoading(policy.source, self._device, statistics=mends.statistics)
        return LaneStart(loading, cameras=partial(mapping_of, policy), mends=lambda: mends)

    def dataset_session(self, demonstration: Demonstration, asked: Trace | None = None) -> Session:
        """A session that shows a dataset's episode: its actions executed, its joints as measured, and what a policy
        said about it. Nothing drives; a checkpoint that is opened later begins an episode of its own.

        Args:
            demonstration: The episode.
            asked: Of `teacher.evaluate`.
        """
        self._scene = demonstration.scene
        from recordings.dataset_in import is_dataset

        if is_dataset(demonstration.source):  # `open` takes no hub id of a dataset that is not on this disk.
            self._remember(demonstration.source)
        recorder = _SessionRecorder(self)
        return Session(
            scene=demonstration.scene,
            open_engine=recorder.around(lambda publish: _open_replays(demonstration, asked, publish)),
            watch=recorder.watch,
            picture_budget=self._picture_budget,
        )


class _SessionRecorder:
    """Records a session from its first step on, so that a crash loses next to nothing of it.

    What a session begins with is on the disk already.
    """

    def __init__(self, files: SessionFiles) -> None:
        """
        Args:
            files: Says where.
        """
        self._files = files
        self._steps_before = 0
        self._recorder: Recorder | None = None
        self._failed = False
        self._engine: Engine | None = None

    def around(self, open_it: Callable[[Callable[[View], None]], Engine]) -> Callable[[Callable[[View], None]], Engine]:
        """An engine opener that lets the recorder know what is there, and its complaints appear in the window."""

        def open_and_know(publish: Callable[[View], None]) -> Engine:
            engine = open_it(publish)
            self._steps_before = _steps(engine.view())
            self._engine = engine
            return engine

        return open_and_know

    def watch(self, view: View) -> None:
        """Told every view, on the engine thread."""
        if self._engine is None:
            return
        if self._recorder is None and not self._failed:
            if _steps(view) <= self._steps_before:
                return
            try:
                self._recorder = self._files.new_recorder(view, self._complain)
            except WhiskersError as error:
                self._failed = True
                self._complain(str(error))
        if self._recorder is not None:
            self._recorder.offer(snippets_of(view))

    def _complain(self, sentence: str) -> None:
        if self._engine is not None:
            self._engine.send(Say(sentence))


def _steps(view: View) -> int:
    return sum(each.snippet.length for each in snippets_of(view))


def _wished(cameras: tuple[str, ...], scene: Scene) -> Callable[[PolicyInfo], CameraMapping | None]:
    """What the command line says about the cameras of a checkpoint; None where it says nothing about any of them."""

    def wished(info: PolicyInfo) -> CameraMapping | None:
        own = [text for text in cameras if text.partition("=")[0] in info.cameras]
        return parse_mapping(own, info, scene) if own else None

    return wished


def _open(
    scene: Scene, lanes: int, seed: int, publish: Callable[[View], None], start: Positions | None = None
) -> Engine:
    """An engine with lanes that get their policies later."""
    # Imported on the engine's thread: it brings OpenGL, and the window is to be on the screen first.
    from viewer_app.headless import open_lanes

    return open_lanes(scene, [None] * lanes, seed, publish, start)


def _open_recorded(recording: Recording, publish: Callable[[View], None]) -> Engine:
    engine = _open(recording.scene, len(recording.lanes), recording.lanes[0][-1].seed, publish)
    for lane, traces in zip(engine.lanes, recording.lanes, strict=True):
        lane.adopt(traces)
    for note in recording.notes:
        engine.send(Say(note))
    engine.publish()
    return engine


def _open_replays(demonstration: Demonstration, asked: Trace | None, publish: Callable[[View], None]) -> Engine:
    """An engine with the traces of a demonstration. The replays are made here, because here nobody waits for them."""
    from viewer_app.replay import joint_replay, physics_replay

    notes = list(demonstration.notes)
    traces = [joint_replay(demonstration)]
    try:
        traces.insert(0, physics_replay(demonstration))
    except WhiskersError as error:
        notes.append(f"There is no physics replay: {error}")
    if asked is not None:
        traces.append(asked)
    engine = _open(demonstration.scene, 1, demonstration.seed, publish)
    engine.lanes[0].adopt(traces)
    for note in notes:
        engine.send(Say(note))
    engine.publish()
    return engine
