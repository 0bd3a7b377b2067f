"""What the window needs from outside: sessions to show, checkpoints that load, and somewhere to write.

The window imports no policy and no file format. Whoever starts it hands these in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from viewer_app.camera_names import CameraMapping
from viewer_app.commands import Command
from viewer_app.doctor.checkup import Order
from viewer_app.doctor.finding import Finding
from viewer_app.engine import Engine
from viewer_app.mends import Mends
from viewer_app.scene import Scene
from viewer_app.types import CallProgress, Policy, PolicyInfo, Positions, WhiskersError
from viewer_app.view import Frame, OverlayChoice, View

if TYPE_CHECKING:  # It brings OpenGL, and the window is to be on the screen first.
    from viewer_app.gui.export_contract import Exporter

OnFrame = Callable[[float, Frame | None], bool]
"""Told how long a frame took, waiting aside [s], and what it showed; False closes the window."""


Complain = Callable[[str], None]
"""Told in one sentence what could not be done."""


@dataclass(frozen=True)
class LoadProgress:
    """How far a load is."""

    text: str
    """What is being done, for a person."""
    fraction: float
    """0 .. 1."""


class PolicyLoading(Protocol):
    """A checkpoint that is loading somewhere else, polled once a frame from the window's thread."""

    @property
    def source(self) -> str:
        """What is being loaded, as a person calls it."""
        ...

    def poll(self) -> LoadProgress | Policy | WhiskersError:
        """How far it is; the policy, once it can be used; or why it cannot. Never waits."""
        ...

    def cancel(self) -> None:
        """Stop the load, or the policy call in progress. From any thread."""
        ...

    @property
    def call(self) -> CallProgress | None:
        """How far the policy call in progress is; None without one, or where the policy does not tell."""
        ...

    def close(self) -> None:
        """Let go of the policy. Called when no thread uses it any more."""
        ...


class Examination(Protocol):
    """A checkpoint that the doctor tries somewhere else, polled once a frame from the window's thread."""

    def poll(self) -> LoadProgress | tuple[Finding, ...] | WhiskersError:
        """How far it is; the findings, errors first, once; or why there are none. Never waits."""
        ...

    def close(self) -> None:
        """End it, finished or not."""
        ...


@dataclass(frozen=True)
class LaneStart:
    """What drives a lane of a new session."""

    policy: PolicyLoading | None = None
    """Drives it once it has loaded."""
    setup: Callable[[PolicyInfo], Sequence[Command]] = lambda info: ()
    """What is to be sent to the lane then, for example an execution mode.

    Raises `WhiskersError` where the policy cannot be run so."""
    cameras: Callable[[PolicyInfo], CameraMapping | None] = lambda info: None
    """Which cameras of the scene the policy is to be shown, None where nobody said.

    Raises `WhiskersError` where what was said does not suit it."""
    mends: Callable[[], Mends] = Mends
    """What is mended of the checkpoint; it was loaded with the statistics that are named there.

    Raises `WhiskersError` where what was said cannot be meant."""


@dataclass(frozen=True)
class Session:
    """What one window shows."""

    scene: Scene
    open_engine: Callable[[Callable[[View], None]], Engine]
    """Makes the engine, given who is told its views. Called on the engine thread, which also ticks and closes it."""
    lanes: tuple[LaneStart, ...] = (LaneStart(),)
    """One for each lane of the engine."""
    watch: Callable[[View], None] = field(default=lambda view: None)
    """Told every view, on the engine thread: a recorder. It must return at once."""
    start_running: bool = False
    """Whether to play as soon as the policies are there."""
    overlays: OverlayChoice = field(default_factory=lambda: OverlayChoice(legend=False))
    """What is drawn at first. The window has badges of its own, so pictures need no legend."""
    picture_budget: int = 256 << 20
    """The most that remembered pictures of the policy's cameras may take. [bytes]"""


class Files(Protocol):
    """Where the window reads from and writes to."""

    def open(self, path: str) -> PolicyLoading | Session:
        """A checkpoint that begins to load, or a recorded session.

        Raises:
            WhiskersError: If it is neither.
        """
        ...

    def load_checkpoint(self, source: str, mends: Mends) -> PolicyLoading:
        """A checkpoint that begins to load, scaled by the statistics that the mends name."""
        ...

    def look_at_files(self, order: Order, scene: Scene) -> tuple[Finding, ...]:
        """What the doctor finds before any weight is loaded, errors first. Called on a thread of its own.

        Raises:
            WhiskersError: If there is no such checkpoint.
        """
        ...

    def try_checkpoint(self, order: Order) -> Examination:
        """Have the doctor try a checkpoint, beside the session."""
        ...

    def make_exporter(self) -> Exporter:
        """Someone who makes videos beside a session. Called once a window."""
        ...

    def recent(self) -> Sequence[str]:
        """What was opened before and is still there, newest first: `open` takes each."""
        ...

    def unfinished(self) -> Sequence[Path]:
        """Recordings of sessions that ended without being closed, newest first: `open` takes each."""
        ...

    def settle(self, recording: Path) -> None:
        """Never tell of an unfinished recording again."""
        ...

    def save(self, view: View) -> Path:
        """Write all traces of a view. Returns the folder.

        Raises:
            WhiskersError: If it cannot be written.
        """
        ...

    def recall_cameras(self, info: PolicyInfo, scene: Scene, complain: Complain) -> CameraMapping | None:
        """Which cameras of a scene a checkpoint was shown the last time; None where nobody said."""
        ...

    def remember_cameras(self, info: PolicyInfo, scene: Scene, mapping: CameraMapping, complain: Complain) -> None:
        """Keep that for the next time."""
        ...

    def starts(self, scene: Scene) -> Sequence[str]:
        """Names of the start positions that are saved for a scene."""
        ...

    def save_start(self, scene: Scene, positions: Positions, name: str) -> Path:
        """Save positions under a name.

        Raises:
            WhiskersError: If that is no name, or they cannot be written.
        """
        ...

    def load_start(self, scene: Scene, name: str) -> Positions:
        """
        Raises:
            WhiskersError: If there are none of that name, or they do not suit the scene.
        """
        ...

    def new_file(self, name: str) -> Path:
        """A path in the session's folder that does not exist yet, such as `joints-1.csv` for `joints.csv`.

        Raises:
            WhiskersError: If the folder cannot be made.
        """
        ...
