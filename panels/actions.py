"""What a person can ask of the window itself: one table for keys, help and palette, beside the engine's commands.

Nothing here knows how an action is carried out, nor which toolkit reads the keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from viewer_app.camera_names import CameraMapping
from viewer_app.commands import Command
from viewer_app.doctor.finding import Finding
from viewer_app.video_order import VideoOrder
from viewer_app.view import Look


class Action(Enum):
    """One thing that the window does when told to."""

    PLAY = auto()
    STEP_BACK = auto()
    STEP_FORWARD = auto()
    TEN_BACK = auto()
    TEN_FORWARD = auto()
    EVENT_BACK = auto()
    EVENT_FORWARD = auto()
    FIRST = auto()
    LAST = auto()
    SLOWER = auto()
    FASTER = auto()
    RESET_EPISODE = auto()
    BRANCH = auto()
    BOOKMARK = auto()
    UNDO_MOVE = auto()
    RESET_LANE = auto()
    RESET_POLICY = auto()
    CANCEL = auto()
    ASK_INPUTS = auto()
    ASK_OCCLUSION = auto()
    ASK_ATTENTION = auto()
    ASK_SAMPLES = auto()
    ASK_ENSEMBLE = auto()
    ASK_DENOISING = auto()
    ASK_SHADOW = auto()
    ASK_XRAY = auto()
    TRY_CHECKPOINT = auto()
    STOP_TRIAL = auto()
    FREE_CAMERA = auto()
    PREVIOUS_CAMERA = auto()
    NEXT_CAMERA = auto()
    NEXT_LANE = auto()
    FIRST_DIVERGENCE = auto()
    PRESET_1 = auto()
    PRESET_2 = auto()
    PRESET_3 = auto()
    PRESET_4 = auto()
    PRESET_5 = auto()
    PRESET_6 = auto()
    TOGGLE_WHISKER = auto()
    TOGGLE_PHYSICS = auto()
    TOGGLE_MEMBERS = auto()
    TOGGLE_GHOSTS = auto()
    TOGGLE_PATH = auto()
    TOGGLE_ENSEMBLE = auto()
    TOGGLE_SAMPLES = auto()
    TOGGLE_INPUTS = auto()
    TOGGLE_DENOISING = auto()
    TOGGLE_GUIDANCE = auto()
    TOGGLE_SHADOW = auto()
    TOGGLE_TICKS = auto()
    TOGGLE_GRIPPER = auto()
    TOGGLE_TARGET = auto()
    TOGGLE_PUSHES = auto()
    TAB_JOINTS = auto()
    TAB_CHUNK = auto()
    TAB_INPUTS = auto()
    TAB_MOTION = auto()
    TAB_FINDINGS = auto()
    TAB_DENOISING = auto()
    TAB_COMPARE = auto()
    TAB_DOCTOR = auto()
    TAB_OBJECTS = auto()
    TOGGLE_PANELS = auto()
    FULLSCREEN = auto()
    LARGER_TEXT = auto()
    SMALLER_TEXT = auto()
    HELP = auto()
    PALETTE = auto()
    OPEN = auto()
    SAVE = auto()
    SCREENSHOT = auto()
    EXPORT_VIDEO = auto()
    CANCEL_EXPORT = auto()
    RECORD = auto()
    EXPORT_JOINTS = auto()
    EXPORT_FIGURE = auto()
    QUIT = auto()


class Tab(Enum):
    """What the panel at the lower right shows."""

    JOINTS = "Joints"
    CHUNK = "Chunk"
    INPUTS = "Inputs"
    MOTION = "Motion"
    FINDINGS = "Findings"
    DENOISING = "Denoise"
    COMPARE = "Compare"
    DOCTOR = "Doctor"
    OBJECTS = "Objects"


@dataclass(frozen=True)
class ActionEntry:
    """One row of the table."""

    action: Action
    group: str
    title: str
    keys: tuple[str, ...]
    """Chords such as `Ctrl+Left`. The first one is shown in buttons' tooltips. Empty for palette-only actions."""


_TIME, _EPISODE, _ASK, _LOOK, _WINDOW = "Time", "Episode", "Ask the policy", "Viewport", "Window"

ACTIONS: tuple[ActionEntry, ...] = (
    ActionEntry(Action.PLAY, _TIME, "Play or pause", ("Space",)),
    ActionEntry(Action.STEP_FORWARD, _TIME, "One control step forward (at the head: take a step)", ("Right",)),
    ActionEntry(Action.STEP_BACK, _TIME, "One control step back", ("Left",)),
    ActionEntry(Action.TEN_FORWARD, _TIME, "Ten control steps forward", ("Shift+Right",)),
    ActionEntry(Action.TEN_BACK, _TIME, "Ten control steps back", ("Shift+Left",)),
    ActionEntry(Action.EVENT_FORWARD, _TIME, "Next event (chunk, reset, contact, finding, outcome)", ("Ctrl+Right",)),
    ActionEntry(Action.EVENT_BACK, _TIME, "Previous event", ("Ctrl+Left",)),
    ActionEntry(Action.FIRST, _TIME, "First step", ("Home",)),
    ActionEntry(Action.LAST, _TIME, "Newest step, and follow it", ("End",)),
    ActionEntry(Action.SLOWER, _TIME, "Slower", ("-",)),
    ActionEntry(Action.FASTER, _TIME, "Faster", ("=",)),
    ActionEntry(Action.RESET_EPISODE, _EPISODE, "Reset the episode (the old one is kept)", ("Backspace",)),
    ActionEntry(Action.RESET_LANE, _EPISODE, "Reset the episode of this lane alone; it then catches up", ()),
    ActionEntry(Action.BRANCH, _EPISODE, "Branch from the step looked at", ("Ctrl+B",)),
    ActionEntry(Action.BOOKMARK, _EPISODE, "Bookmark the step looked at, or find bookmarks", ("Ctrl+M",)),
    ActionEntry(Action.UNDO_MOVE, _EPISODE, "Put back what was moved last", ("Ctrl+Z",)),
    ActionEntry(Action.RESET_POLICY, _EPISODE, "Reset the policy now: ask for a new chunk", ()),
    ActionEntry(Action.CANCEL, _EPISODE, "Cancel the loading, the policy call in progress, or the question", ()),
    ActionEntry(Action.ASK_INPUTS, _ASK, "What does each input do here?", ()),
    ActionEntry(Action.ASK_OCCLUSION, _ASK, "Which part of each picture matters here? (occlusion maps)", ()),
    ActionEntry(Action.ASK_ATTENTION, _ASK, "Where does it attend here? (attention maps)", ()),
    ActionEntry(Action.ASK_SAMPLES, _ASK, "What else would it have answered here? (samples)", ()),
    ActionEntry(Action.ASK_ENSEMBLE, _ASK, "What if it ensembled over time here?", ()),
    ActionEntry(Action.ASK_DENOISING, _ASK, "How does its chunk come out of noise here? (denoising)", ()),
    ActionEntry(Action.ASK_SHADOW, _ASK, "What would the other policies do here? (shadow)", ()),
    ActionEntry(Action.ASK_XRAY, _ASK, "What does each step of its processors do here? (x-ray)", ()),
    ActionEntry(Action.TRY_CHECKPOINT, _ASK, "Have the doctor try the checkpoint, beside the session", ()),
    ActionEntry(Action.STOP_TRIAL, _ASK, "Stop the doctor's trial", ()),
    ActionEntry(Action.FREE_CAMERA, _LOOK, "Free camera", ("Escape",)),
    ActionEntry(Action.PREVIOUS_CAMERA, _LOOK, "Previous camera of the scene", ("[",)),
    ActionEntry(Action.NEXT_CAMERA, _LOOK, "Next camera of the scene", ("]",)),
    ActionEntry(Action.NEXT_LANE, _LOOK, "Next lane", ("Ctrl+L",)),
    ActionEntry(Action.FIRST_DIVERGENCE, _TIME, "Where the lanes first diverge", ("Ctrl+D",)),
    ActionEntry(Action.PRESET_1, _LOOK, "Overview", ("1",)),
    ActionEntry(Action.PRESET_2, _LOOK, "Side view", ("2",)),
    ActionEntry(Action.PRESET_3, _LOOK, "Front view", ("3",)),
    ActionEntry(Action.PRESET_4, _LOOK, "Top view", ("4",)),
    ActionEntry(Action.PRESET_5, _LOOK, "Close-up", ("5",)),
    ActionEntry(Action.PRESET_6, _LOOK, "Track the end effector", ("6",)),
    ActionEntry(Action.TOGGLE_WHISKER, _LOOK, "Show or hide the whisker", ()),
    ActionEntry(Action.TOGGLE_PHYSICS, _LOOK, "Show or hide the physics roll-out of the chunk", ()),
    ActionEntry(Action.TOGGLE_MEMBERS, _LOOK, "Show or hide the chunks that predicted this step", ()),
    ActionEntry(Action.TOGGLE_GHOSTS, _LOOK, "Show or hide past chunks", ()),
    ActionEntry(Action.TOGGLE_PATH, _LOOK, "Show or hide the executed path", ()),
    ActionEntry(Action.TOGGLE_ENSEMBLE, _LOOK, "Show or hide the temporal ensemble, or what it would be", ()),
    ActionEntry(Action.TOGGLE_SAMPLES, _LOOK, "Show or hide samples of the policy", ()),
    ActionEntry(Action.TOGGLE_INPUTS, _LOOK, "Show or hide what the policy would do without each input", ()),
    ActionEntry(Action.TOGGLE_DENOISING, _LOOK, "Show or hide how the chunk comes out of noise", ()),
    ActionEntry(Action.TOGGLE_GUIDANCE, _LOOK, "Show or hide what real-time chunking pulls the chunk towards", ()),
    ActionEntry(Action.TOGGLE_SHADOW, _LOOK, "Show or hide what the other policies would do here", ()),
    ActionEntry(Action.TOGGLE_TICKS, _LOOK, "Show or hide the orientation along the whisker", ()),
    ActionEntry(Action.TOGGLE_GRIPPER, _LOOK, "Show or hide the gripper's opening along the whisker", ()),
    ActionEntry(Action.TOGGLE_TARGET, _LOOK, "Show or hide where end-effector actions ask the hand to be", ()),
    ActionEntry(Action.TOGGLE_PUSHES, _LOOK, "Show or hide what pushes the robot or an object", ()),
    ActionEntry(Action.TAB_JOINTS, _WINDOW, "Tab: joints", ("Ctrl+1",)),
    ActionEntry(Action.TAB_CHUNK, _WINDOW, "Tab: chunk", ("Ctrl+2",)),
    ActionEntry(Action.TAB_INPUTS, _WINDOW, "Tab: inputs", ("Ctrl+3",)),
    ActionEntry(Action.TAB_MOTION, _WINDOW, "Tab: motion", ("Ctrl+4",)),
    ActionEntry(Action.TAB_FINDINGS, _WINDOW, "Tab: findings", ("Ctrl+5",)),
    ActionEntry(Action.TAB_DENOISING, _WINDOW, "Tab: denoising", ("Ctrl+6",)),
    ActionEntry(Action.TAB_COMPARE, _WINDOW, "Tab: compare", ("Ctrl+7",)),
    ActionEntry(Action.TAB_DOCTOR, _WINDOW, "Tab: doctor", ("Ctrl+8",)),
    ActionEntry(Action.TAB_OBJECTS, _WINDOW, "Tab: objects", ("Ctrl+9",)),
    ActionEntry(Action.TOGGLE_PANELS, _WINDOW, "Show or hide the side panels", ("Tab",)),
    ActionEntry(Action.FULLSCREEN, _WINDOW, "Full screen", ("F11",)),
    ActionEntry(Action.LARGER_TEXT, _WINDOW, "Larger text", ("Ctrl+=",)),
    ActionEntry(Action.SMALLER_TEXT, _WINDOW, "Smaller text", ("Ctrl+-",)),
    ActionEntry(Action.HELP, _WINDOW, "This help", ("F1",)),
    ActionEntry(Action.PALETTE, _WINDOW, "Command palette", ("Ctrl+K",)),
    ActionEntry(Action.OPEN, _WINDOW, "Open a checkpoint or a recording", ("Ctrl+O",)),
    ActionEntry(Action.SAVE, _WINDOW, "Save the traces of this session", ("Ctrl+S",)),
    ActionEntry(Action.SCREENSHOT, _WINDOW, "Screenshot of the viewport and of the window", ("Ctrl+P",)),
    ActionEntry(Action.EXPORT_VIDEO, _WINDOW, "Export a video", ("Ctrl+E",)),
    ActionEntry(Action.CANCEL_EXPORT, _WINDOW, "Cancel the export in progress", ()),
    ActionEntry(Action.RECORD, _WINDOW, "Record what is looked at; again to stop", ("Ctrl+R",)),
    ActionEntry(Action.EXPORT_JOINTS, _WINDOW, "Export the joints of this trace as CSV", ()),
    ActionEntry(Action.EXPORT_FIGURE, _WINDOW, "Export the joints of this trace as a figure (PDF)", ()),
    ActionEntry(Action.QUIT, _WINDOW, "Quit", ("Ctrl+Q",)),
)

TABS: dict[Action, Tab] = {
    Action.TAB_JOINTS: Tab.JOINTS,
    Action.TAB_CHUNK: Tab.CHUNK,
    Action.TAB_INPUTS: Tab.INPUTS,
    Action.TAB_MOTION: Tab.MOTION,
    Action.TAB_FINDINGS: Tab.FINDINGS,
    Action.TAB_DENOISING: Tab.DENOISING,
    Action.TAB_COMPARE: Tab.COMPARE,
    Action.TAB_DOCTOR: Tab.DOCTOR,
    Action.TAB_OBJECTS: Tab.OBJECTS,
}

PRESETS: tuple[Action, ...] = (
    Action.PRESET_1,
    Action.PRESET_2,
    Action.PRESET_3,
    Action.PRESET_4,
    Action.PRESET_5,
    Action.PRESET_6,
)
"""In the order of `view.camera_presets`."""


def keys_of(action: Action) -> str:
    """The chord that does it, empty where there is none."""
    return next((entry.keys[0] for entry in ACTIONS if entry.action is action and entry.keys), "")


def matching(text: str) -> tuple[ActionEntry, ...]:
    """The entries whose title, group or keys hold all words of `text`, in the table's order, best first.

    An entry whose title begins with the text is best.
    """
    words = text.lower().split()
    found = [
        entry
        for entry in ACTIONS
        if all(word in f"{entry.title} {entry.group} {' '.join(entry.keys)}".lower() for word in words)
    ]
    return tuple(sorted(found, key=lambda entry: not entry.title.lower().startswith(text.lower())))


@dataclass(frozen=True)
class SetSpeed:
    """Play at this many simulated seconds per second of wall clock."""

    speed: float


@dataclass(frozen=True)
class OpenPath:
    """Open a checkpoint or a recording."""

    path: str


@dataclass(frozen=True)
class ExportPlot:
    """Write a plot of what is looked at as a picture for print, or its numbers."""

    plot: str
    """A key of `figures.PLOTS`: `joints`, `motion`, `ensemble`, `inputs`, `denoising` or `divergence`."""
    suffix: str
    """`png`, `pdf`, `svg` or `csv`."""
    unit: str = ""
    """For `joints`: one of `joint_units.JointUnit`."""


@dataclass(frozen=True)
class ExportVideo:
    """Make a video beside the session."""

    order: VideoOrder


@dataclass(frozen=True)
class ShowTab:
    """Show another tab."""

    tab: Tab


@dataclass(frozen=True)
class AddressLanes:
    """Whether what is set in the panels counts for all lanes, or for the one looked at."""

    all: bool


@dataclass(frozen=True)
class MapCameras:
    """What a person decided about a checkpoint whose cameras are not the scene's."""

    mapping: CameraMapping | None
    """None gives the checkpoint up."""


@dataclass(frozen=True)
class Mend:
    """Mend what the doctor found, for this session."""

    finding: Finding
    lane: int = 0


@dataclass(frozen=True)
class Settle:
    """Do not offer a session that ended without being closed again."""

    path: str


@dataclass(frozen=True)
class SaveStart:
    """Save where everything is at the moment looked at."""

    name: str


@dataclass(frozen=True)
class UseStart:
    """Put everything where it was saved."""

    name: str
    """Empty is where the seed puts things."""
    begin: bool
    """Whether to begin episodes there, this one anew; otherwise it is put there before the next step."""


Request = (
    Command
    | Look
    | Action
    | SetSpeed
    | OpenPath
    | Settle
    | ExportPlot
    | ExportVideo
    | ShowTab
    | AddressLanes
    | MapCameras
    | SaveStart
    | UseStart
    | Mend
)
Send = Callable[[Request], None]
"""How a panel asks for something. It only enqueues, and may be called from any callback."""


@dataclass(frozen=True)
class Transport:
    """How time passes in the window: all that a panel must know beside the frame."""

    playing: bool
    """Through history, or the engine at the head."""
    speed: float
    """Simulated seconds per second of wall clock."""


SPEEDS: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
