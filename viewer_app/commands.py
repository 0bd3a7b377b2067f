"""All that a person can ask of the engine, as frozen dataclasses.

Looking elsewhere is not here: moving through an episode changes the `view.Focus`, never the engine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from viewer_app.blinding import Blind
from viewer_app.breakpoints import Breakpoints
from viewer_app.chunking import Chunking
from viewer_app.questions import Question
from viewer_app.types import Guidance, Policy, Pose, Positions, Want


@dataclass(frozen=True)
class Run:
    """Step until told otherwise."""

    speed: float = 1.0
    """Simulated seconds per second of wall clock."""


@dataclass(frozen=True)
class Pause:
    """Stop stepping after the current step."""


@dataclass(frozen=True)
class Step:
    """Take control steps, then pause."""

    count: int = 1


@dataclass(frozen=True)
class ResetEpisode:
    """Begin a new trace. `seed` None repeats the current seed."""

    seed: int | None = None
    lane: int | None = None
    """Which lane; None is all of them."""


@dataclass(frozen=True)
class ResetPolicy:
    """Forget all earlier chunks now: the next step asks the policy anew."""

    lane: int | None = None


@dataclass(frozen=True)
class SetResetAtStart:
    """Whether a new episode forgets the chunks of the last one."""

    on: bool
    lane: int | None = None


@dataclass(frozen=True)
class Fork:
    """Branch: continue from step `step` of trace `trace`; what came after is kept under the old trace's name."""

    trace: str
    step: int
    lane: int | None = 0
    """None branches every lane that has such a trace and step."""


@dataclass(frozen=True)
class SetChunking:
    """Change how chunks become actions, from the next step on."""

    chunking: Chunking
    lane: int | None = None


@dataclass(frozen=True)
class SetDelay:
    """Simulate a latency of some control steps, from the next chunk on."""

    steps: int
    lane: int | None = None


@dataclass(frozen=True)
class SetDenoisingSteps:
    """Take so many steps from noise to action, from the next chunk on; 0 is the checkpoint's own number."""

    steps: int
    lane: int | None = None


@dataclass(frozen=True)
class SetGuidance:
    """Real-time chunking from the next chunk on; None turns it off."""

    guidance: Guidance | None
    lane: int | None = None


@dataclass(frozen=True)
class SetBlinding:
    """Replace one input (a camera's name, or `blinding.STATE`) by `mode`; None shows it again."""

    name: str
    mode: Blind | None
    lane: int | None = None


@dataclass(frozen=True)
class SetPrompt:
    text: str
    lane: int | None = None


@dataclass(frozen=True)
class MoveObject:
    """Put a free object somewhere before the next step."""

    name: str
    position: tuple[float, float, float]
    """[m]"""
    yaw: float = 0.0
    """About the vertical. [rad]"""
    lane: int | None = None
    quaternion: tuple[float, float, float, float] | None = None
    """How it is turned instead: w, x, y, z."""

    @property
    def pose(self) -> Pose:
        upright = (math.cos(self.yaw / 2), 0.0, 0.0, math.sin(self.yaw / 2))
        return Pose(self.position, upright if self.quaternion is None else self.quaternion)


@dataclass(frozen=True)
class Place:
    """Put objects and joints somewhere before the next step, all at once."""

    positions: Positions
    lane: int | None = None


@dataclass(frozen=True)
class UndoMove:
    """Put back what was moved or placed last. If steps were taken since, it branches from the step of the move."""

    lane: int | None = 0


@dataclass(frozen=True)
class SetStart:
    """Where episodes begin from the next reset on, whatever their seed; None leaves it to the seed again."""

    positions: Positions | None
    lane: int | None = None


@dataclass(frozen=True)
class Push:
    """Push a body from the next step on."""

    body: str
    force: tuple[float, float, float]
    """In the world frame, at the body's centre of mass. [N]"""
    steps: int = 10
    """How long. [control steps]"""
    torque: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """In the world frame. [N m]"""
    lane: int | None = None


@dataclass(frozen=True)
class StopPushing:
    """End all pushes now."""

    lane: int | None = None


@dataclass(frozen=True)
class At:
    """Do something at a moment. Where that is not the head of what is written, branch there first."""

    trace: str
    step: int
    what: MoveObject | Place | Push
    """`lane` says in which lane."""


@dataclass(frozen=True)
class UsePolicy:
    """Drive a lane with a policy that has finished loading. The episode begins anew."""

    policy: Policy = field(repr=False)
    lane: int = 0


@dataclass(frozen=True)
class SetStops:
    """When a running engine pauses by itself."""

    on_outcome: bool = True
    max_steps: int | None = None


@dataclass(frozen=True)
class SetBreakpoints:
    """Pause by itself when one of these conditions comes true."""

    breakpoints: Breakpoints


@dataclass(frozen=True)
class SetWant:
    """What to ask the policy for besides the chunk, at every call from the next one on."""

    want: Want


@dataclass(frozen=True)
class Ask:
    """Ask the policy about a moment of a trace. Nothing is executed; the answer appears in `LaneView.answers`."""

    question: Question
    trace: str
    step: int
    lane: int = 0


@dataclass(frozen=True)
class StopAsking:
    """Give up the question that is being answered, after the call in progress, and those that wait."""

    lane: int | None = None


@dataclass(frozen=True)
class Bookmark:
    """Write a note to a step of a trace, in place of one that is there; an empty one takes the bookmark away."""

    trace: str
    step: int
    text: str
    lane: int = 0


@dataclass(frozen=True)
class Say:
    """Show a sentence to the person, as the engine does with its own errors."""

    text: str


Command = (
    Run
    | Pause
    | Step
    | ResetEpisode
    | ResetPolicy
    | SetResetAtStart
    | Fork
    | SetChunking
    | SetDelay
    | SetDenoisingSteps
    | SetGuidance
    | SetBlinding
    | SetPrompt
    | MoveObject
    | Place
    | UndoMove
    | SetStart
    | Push
    | StopPushing
    | At
    | UsePolicy
    | SetStops
    | SetBreakpoints
    | SetWant
    | Ask
    | StopAsking
    | Bookmark
    | Say
)
