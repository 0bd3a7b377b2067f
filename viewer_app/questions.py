"""What can be asked of a policy about one moment of a trace, without executing anything, and what it answered.

Questions and answers are data. An answer belongs to one `(trace, step)`; it never changes the trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from viewer_app.blinding import Blind
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk


@dataclass(frozen=True)
class Samples:
    """What else would it have answered? Chunks for the same observation and other random numbers.

    A policy's own way of sampling counts (`extras["samples"]`: ACT draws latents from the prior); a policy that is
    random by itself is asked with other seeds; of any other there is nothing to ask.
    """

    count: int = 16


@dataclass(frozen=True)
class Ensemble:
    """What if it were asked at every step? The chunks of every step that still say something about this one."""


@dataclass(frozen=True)
class Ablation:
    """What does each input do here? One chunk for each input blinded alone, and one with all cameras blinded."""

    mode: Blind = Blind.MEAN
    """`Blind.FROZEN` shows the input as it was when the episode began."""


@dataclass(frozen=True)
class Occlusion:
    """Which part of a picture matters? A patch of the training's mean colour slides over one camera's picture."""

    camera: str
    columns: int = 8
    rows: int = 6

    def patch(self, row: int, column: int, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of the picture that the patch of one cell covers: the cell and half of each neighbour.

        Args:
            row, column: Of the cell.
            height, width: Of the picture. [px]
        """

        def span(cell: int, cells: int, size: int) -> slice:
            return slice(max(round((cell - 0.5) * size / cells), 0), min(round((cell + 1.5) * size / cells), size))

        return span(row, self.rows, height), span(column, self.columns, width)


@dataclass(frozen=True)
class Attention:
    """Where does it attend? ACT's cross-attention. It says what was looked at, not what it did to the actions."""


@dataclass(frozen=True)
class Denoising:
    """How does its chunk come out of noise? All steps of a policy that denoises (flow matching, diffusion)."""

    samples: int = 0
    """How many further draws of the noise to follow as well."""


@dataclass(frozen=True)
class XRay:
    """What does each step of its processors do to the numbers here? See `ActionChunk.xray`."""


@dataclass(frozen=True)
class Shadow:
    """What would another lane's policy do here, with that lane's prompt, blinding and sampling?"""

    lane: int


Question = Samples | Ensemble | Ablation | Occlusion | Attention | Denoising | Shadow | XRay

ALL_CAMERAS = "all cameras"
"""Label of the ablation that blinds every camera at once."""


def cell_label(row: int, column: int) -> str:
    """Label of an `Occlusion` chunk."""
    return f"{row},{column}"


@dataclass(frozen=True, eq=False)
class Answer:
    """What a policy answered."""

    question: Question
    trace: Trace
    """Compared by identity: an episode that begins anew is another one."""
    step: int
    base: ActionChunk
    """The chunk for the observation as it was, with the extras that were asked for."""
    chunks: Mapping[str, ActionChunk]
    """`Ablation`: name of the blinded input to chunk. `Occlusion`: `cell_label` to chunk. `Ensemble`: the step, as
    text, to chunk, oldest first, the moment's own the last. `Samples` of a policy that is random by itself: number, as
    text, to chunk. Otherwise empty."""
    calls: int
    """Policy calls that it took; what was known already is not asked again."""
    seconds: float
    """What the calls took. [s]"""


@dataclass(frozen=True, eq=False)
class Answers:
    """All answers of a lane, as an immutable value. The oldest are forgotten first."""

    _known: Mapping[tuple[int, int, object], Answer] = field(default_factory=lambda: MappingProxyType({}))
    """By identity of the trace, step, and kind of question."""

    MOST = 200

    def __len__(self) -> int:
        return len(self._known)

    def to(self, kind: type[Question], trace: Trace, step: int, which: str | int = "") -> Answer | None:
        """The answer to a kind of question about a moment, None where it was not asked.

        Args:
            kind: Class of the question.
            trace: Which trace.
            step: Which moment.
            which: For `Occlusion` the camera, for `Shadow` the lane that was asked.
        """
        return self._known.get((id(trace), step, (kind, which)))

    def having(self, answer: Answer) -> Answers:
        """These and one more, in place of an older one to the same kind of question about the same moment."""
        key = (id(answer.trace), answer.step, _kind(answer.question))
        known = {other: value for other, value in self._known.items() if other != key}
        known[key] = answer
        while len(known) > self.MOST:
            del known[next(iter(known))]
        return replace(self, _known=MappingProxyType(known))

    def without(self, trace: Trace, step: int) -> Answers:
        """These without what is known of one moment: it was changed."""
        kept = {key: value for key, value in self._known.items() if key[:2] != (id(trace), step)}
        if len(kept) == len(self._known):
            return self
        return replace(self, _known=MappingProxyType(kept))

    def about(self, trace: Trace) -> list[Answer]:
        """The answers about one trace, in the order in which they were given."""
        return [answer for answer in self._known.values() if answer.trace is trace]


def _kind(question: Question) -> object:
    match question:
        case Occlusion(camera):
            return Occlusion, camera
        case Shadow(lane):
            return Shadow, lane
        case _:
            return type(question), ""


@dataclass(frozen=True)
class Asking:
    """A question that is being answered."""

    question: Question
    trace: Trace
    step: int
    done: int
    """Policy calls so far."""
    total: int
    since: float
    """`time.monotonic()` of its beginning. [s]"""
    last: float
    """`time.monotonic()` at which the policy call in progress began. [s]"""
