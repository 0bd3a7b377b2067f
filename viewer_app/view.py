"""What is looked at: `View` is what the engine publishes, `Focus` what the person looks at, `Frame` both resolved.

All are immutable values. A panel reads a `Frame` and nothing else; it changes the focus by sending one of the `Look`
values and the session by sending a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from viewer_app.breakpoints import Breakpoints
from viewer_app.detectors import Thresholds
from viewer_app.insight import Comparison, EpisodeInsight, MomentInsight
from viewer_app.questions import Answers, Asking
from viewer_app.scene import Scene
from viewer_app.trace import Settings, Trace
from viewer_app.types import CallProgress, ImageArray, PolicyInfo, Want


@dataclass(frozen=True)
class Latency:
    """Durations of the policy calls of a lane. [s]"""

    last: float = 0.0
    median: float = 0.0
    p95: float = 0.0
    count: int = 0


@dataclass(frozen=True)
class Snippet:
    """A trace and how many of its steps may be read."""

    trace: Trace
    length: int


@dataclass(frozen=True)
class LaneView:
    """One lane as the engine published it."""

    now: Snippet
    """The trace being written."""
    earlier: tuple[Snippet, ...]
    """The other traces of the session, oldest first: earlier episodes, and futures that were branched away from."""
    policy: PolicyInfo | None
    settings: Settings
    """In force for the next step."""
    latency: Latency
    thinking_since: float | None = None
    """`time.monotonic()` at which the policy call in progress began, None while there is none. [s]"""
    finished: bool = False
    """Whether the episode has an outcome."""
    answers: Answers = Answers()  # noqa: RUF009 (frozen, so it can be shared)
    """What the policy answered when it was asked about moments."""
    asking: Asking | None = None
    """The question that is being answered."""

    def snippet(self, name: str | None) -> Snippet:
        """The trace of that name, or the one being written where there is none."""
        return next((each for each in self.earlier if each.trace.name == name), self.now)


@dataclass(frozen=True)
class View:
    """What the engine publishes after every tick."""

    scene: Scene
    lanes: tuple[LaneView, ...]
    running: bool = False
    speed: float = 1.0
    """Simulated seconds per second of wall clock that were asked for."""
    pace: float = 0.0
    """Simulated seconds per second of wall clock that were reached lately, 0 while paused."""
    breakpoints: Breakpoints = Breakpoints()  # noqa: RUF009 (frozen, so it can be shared)
    paused_by: str = ""
    """The breakpoint at which it paused, in words; empty once it moves on."""
    want: Want = Want()  # noqa: RUF009 (frozen, so it can be shared)
    """What the policy is asked for at every call besides the chunk."""
    message: str = ""
    """The last sentence that the engine had to say, for example an error."""
    message_number: int = 0
    """Grows with each message, so that the same sentence twice is shown twice."""


@dataclass(frozen=True)
class Camera:
    """Where the viewport looks from. The world frame is MuJoCo's, z up."""

    look_at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """[m]"""
    azimuth: float = 135.0
    """[deg]"""
    elevation: float = -25.0
    """[deg]"""
    distance: float = 1.2
    """[m]"""
    scene_camera: str | None = None
    """Look through this camera of the model or of the scene instead."""
    tracking: bool = False
    """Keep the smoothed end effector in the centre instead of `look_at`."""
    label: str = "free"


TRACKING_SMOOTHING = 0.15
"""Share of the way to the end effector that the tracking camera goes each control step (the seeds' value)."""

# Azimuth, elevation [deg] and distance [m] of the seed systems.
_PRESETS = (
    ("overview", 135.0, -25.0, 1.2),
    ("side", 90.0, -15.0, 0.9),
    ("front", 180.0, -20.0, 0.8),
    ("top", 90.0, -89.0, 0.8),
    ("close-up", 120.0, -10.0, 0.5),
    ("tracking", 135.0, -20.0, 0.35),
)


def camera_presets(look_at: tuple[float, float, float]) -> tuple[Camera, ...]:
    """The six presets, in the order of keys 1 to 6.

    Args:
        look_at: Centre of the scene in the world frame. [m]
    """
    return tuple(
        Camera(look_at, azimuth, elevation, distance, tracking=label == "tracking", label=label)
        for label, azimuth, elevation, distance in _PRESETS
    )


@dataclass(frozen=True)
class OverlayChoice:
    """Which overlays are drawn in the viewport."""

    whisker: bool = True
    """The chunk being executed."""
    ghosts: bool = True
    """Chunks of the past, fading with age."""
    path: bool = True
    """The path that the end effector took."""
    physics: bool = False
    """The chunk being executed, rolled forward through the simulation from this very state."""
    members: bool = False
    """Every chunk that says something about this step."""
    ensemble: bool = False
    """The temporal ensemble: its members and their mean; a what-if where the policy does not ensemble."""
    samples: bool = False
    """What else the policy would have answered to the same observation."""
    inputs: bool = False
    """What the policy would do without each of its inputs."""
    denoising: bool = False
    """How the chunk comes out of noise, step by step."""
    shadow: bool = False
    """What the policies of the other lanes would do here."""
    guidance: bool = False
    """Real-time chunking: what is left of the chunk before, and how strongly it pulls each row."""
    ticks: bool = False
    """Orientation of the root along the whisker."""
    gripper: bool = False
    """Opening of the gripper along the whisker."""
    target: bool = True
    """Where the action asks the end effector to be, in scenes whose actions are such poses."""
    pushes: bool = True
    """What pushes the robot or an object."""
    body: str = ""
    """Body with a box around it; empty is none."""
    legend: bool = True
    """Whether the picture itself says what is drawn."""
    root: str = ""
    """Site whose way the whiskers show; empty is the scene's end effector."""
    coefficient: float = 0.01
    """Of the what-if ensemble, in LeRobot's convention: above 0 trusts the oldest chunk most."""
    denoising_step: int | None = None
    """The denoising step that is drawn alone; None draws all."""
    denoising_aim: bool = False
    """Draw the chunk that each denoising step points to (x0), not the sample itself (x_t)."""
    denoising_bundle: bool = True
    """Draw the other draws of the noise that were asked for, too."""

    def having(self, overlay: str, on: bool) -> OverlayChoice:
        """The same choice with one overlay, given by its field's name, on or off."""
        return replace(self, **{overlay: on})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Focus:
    """What the person looks at. Changing it never touches the engine."""

    lane: int = 0
    trace: str | None = None
    """Name of the trace; None is the one being written."""
    step: int | None = None
    """Control step; None follows the head."""
    camera: Camera = field(default_factory=Camera)
    overlays: OverlayChoice = field(default_factory=OverlayChoice)
    thresholds: Thresholds = field(default_factory=Thresholds)
    """When the detectors speak."""
    apart: float = 10.0
    """Lanes whose grippers or objects are farther from each other than this have diverged. [mm]"""


@dataclass(frozen=True)
class Seek:
    """Look at a step of the trace in focus; None follows the head."""

    step: int | None


@dataclass(frozen=True)
class LookAtTrace:
    """Look at another trace of the lane; None is the one being written."""

    name: str | None


@dataclass(frozen=True)
class Aim:
    """Look from somewhere else."""

    camera: Camera


@dataclass(frozen=True)
class Show:
    """Choose the overlays."""

    overlays: OverlayChoice


@dataclass(frozen=True)
class Judge:
    """Choose the detectors' thresholds."""

    thresholds: Thresholds


@dataclass(frozen=True)
class LookAtLane:
    """Look at another lane, at the same step."""

    lane: int


@dataclass(frozen=True)
class Separate:
    """Choose from which distance on lanes have diverged."""

    apart: float
    """[mm]"""


Look = Seek | LookAtTrace | Aim | Show | Judge | LookAtLane | Separate


@dataclass(frozen=True)
class Frame:
    """View and focus, resolved: all that a panel reads."""

    view: View
    focus: Focus
    lane: LaneView
    trace: Trace
    length: int
    """Steps of the trace that may be read."""
    step: int
    """The control step looked at, 0 .. length."""
    at_head: bool
    """Whether the moment looked at is the newest of the session, and the trace is the one being written."""
    clock: int
    """The control step that is looked at in all lanes. A lane whose trace ends earlier shows its last moment."""
    reach: int
    """Largest `clock` there is: steps of the longest trace among the lanes."""
    seen: Mapping[str, ImageArray] = field(default_factory=lambda: MappingProxyType({}))
    """What the policy saw, or would see, at the step, after blinding: camera name to picture."""
    seen_step: int | None = None
    """The step that `seen` shows, which lags while pictures are being rendered."""
    moment: MomentInsight | None = None
    """Figures about the step. It lags while they are being computed: it says itself of which step it is."""
    episode: EpisodeInsight | None = None
    """Figures about the trace, which lag behind its length while it grows."""
    lanes: tuple[Frame, ...] = ()
    """All lanes at the same moment, each as a frame of its own without these; the lane looked at is among them."""
    lane_number: int = 0
    """Which lane it is."""
    comparison: Comparison | None = None
    """Figures about the lanes beside each other. None for a single lane, and while they are being computed."""
    call: CallProgress | None = None
    """How far the lane's policy call in progress is, where the policy tells."""

    def beside(self, number: int) -> Frame | None:
        """The frame of another lane."""
        return next((each for each in self.lanes if each.lane_number == number), None)


def resolve(view: View, focus: Focus) -> Frame:
    """The frame that a focus on a view gives. A focus past the end is brought back to it.

    With several lanes the moment is one for all: the step looked at, as far as each lane has got.
    """
    reach = max(lane.snippet(focus.trace).length for lane in view.lanes)
    lanes = tuple(_resolve_lane(view, focus, number, reach) for number in range(len(view.lanes)))
    return replace(lanes[min(focus.lane, len(lanes) - 1)], lanes=lanes)


def _resolve_lane(view: View, focus: Focus, number: int, reach: int) -> Frame:
    lane = view.lanes[number]
    snippet = lane.snippet(focus.trace)
    writing = snippet is lane.now
    clock = reach if focus.step is None else min(max(focus.step, 0), reach)
    return Frame(
        lane_number=number,
        view=view,
        focus=focus,
        lane=lane,
        trace=snippet.trace,
        length=snippet.length,
        step=min(clock, snippet.length),
        at_head=writing and clock == reach,
        clock=clock,
        reach=reach,
    )
