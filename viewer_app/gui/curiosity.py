"""Which question to ask by itself: an overlay that needs an answer is on, and nothing happens meanwhile.

Pure logic on frames. A question is asked once about a moment: if the person stops it, it stays stopped.
"""

from __future__ import annotations

from viewer_app.chunking import TemporalEnsemble
from viewer_app.commands import Ask
from viewer_app.questions import Ablation, Denoising, Ensemble, Question, Samples, Shadow
from viewer_app.trace import Trace
from viewer_app.view import Frame

PATIENCE = 0.3
"""How long a moment must have been looked at before anything is asked about it. [s]"""

MOST_SECONDS = 4.0
"""A question that would take longer, by the policy's median latency, waits for its button. [s]"""


class Curiosity:
    """Remembers what was asked, and how the person last asked each kind of question."""

    def __init__(self) -> None:
        self._manner: dict[type[Question], Question] = {
            Samples: Samples(),
            Ensemble: Ensemble(),
            Ablation: Ablation(),
            Denoising: Denoising(),
        }
        self._asked: set[tuple[object, ...]] = set()

    def heard(self, ask: Ask) -> None:
        """The person asked by hand: the next questions of this kind are asked in the same manner."""
        if type(ask.question) in self._manner:
            self._manner[type(ask.question)] = ask.question

    def wish(self, frame: Frame, still: float) -> Ask | None:
        """What to ask now.

        Args:
            frame: What is looked at.
            still: How long nothing has moved. [s]
        """
        lane, trace, step = frame.lane, frame.trace, frame.step
        if lane.asking is not None:
            # Whoever asked: what is stopped half way is not begun again.
            self._asked.add(_key(lane.asking.trace, lane.asking.step, lane.asking.question))
        if still < PATIENCE or frame.view.running or lane.asking is not None or lane.thinking_since is not None:
            return None
        if lane.policy is None or trace.policy is None or lane.policy.digest != trace.policy.digest:
            return None
        for question in self._wanted(frame):
            key = _key(trace, step, question)
            which = question.lane if isinstance(question, Shadow) else ""
            if key in self._asked or lane.answers.to(type(question), trace, step, which) is not None:
                continue
            asked = frame.view.lanes[question.lane] if isinstance(question, Shadow) else lane
            if asked.latency.median * _calls(question, frame) > MOST_SECONDS:
                continue
            self._asked.add(key)
            return Ask(question, trace.name, step, frame.lane_number)
        return None

    def _wanted(self, frame: Frame) -> list[Question]:
        choice, manner = frame.focus.overlays, self._manner
        found: list[Question] = []
        if choice.samples:
            found.append(manner[Samples])
        if choice.denoising and frame.trace.policy is not None and frame.trace.policy.denoising_steps:
            found.append(manner[Denoising])
        if choice.inputs:
            found.append(manner[Ablation])
        if choice.ensemble and not isinstance(frame.trace.settings_at(frame.step).chunking, TemporalEnsemble):
            found.append(manner[Ensemble])
        if choice.shadow:
            others = enumerate(frame.view.lanes)
            found.extend(Shadow(n) for n, lane in others if n != frame.lane_number and lane.policy is not None)
        return found


def _calls(question: Question, frame: Frame) -> int:
    """About how many policy calls a question takes."""
    info = frame.lane.policy
    assert info is not None
    match question:
        case Samples(count):
            return 2 if info.deterministic else count + 1
        case Denoising() | Shadow():
            return 1
        case Ensemble():
            return min(info.chunk_size, frame.step + 1)
        case _:
            return len(info.cameras) + 3


def _key(trace: Trace, step: int, question: Question) -> tuple[object, ...]:
    """A question about a moment. Settings and events of the head can change without a step; it is then another one."""
    kind = question if isinstance(question, Shadow) else type(question)
    return trace, step, kind, id(trace.settings_at(step)), len(trace.events) if step == len(trace) else 0
