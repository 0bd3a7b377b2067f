"""Which question to ask by itself: an overlay that needs an answer is on, and nothing happens meanwhile.

Pure logic on frames. A question is asked once about a moment: if the person stops it, it stays stopped.
"""

from __future__ import annotations

from viewer_app.chunking import TemporalEnsemble
from viewer_app.commands import Ask
from viewer_app.questions import Ablation, Denoising, Ensemble, Question, Samples
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
            self._asked.add(_key(lane.asking.trace, lane.asking.step, type(lane.asking.question)))
        if still < PATIENCE or frame.view.running or lane.asking is not None or lane.thinking_since is not None:
            return None
        if lane.policy is None or trace.policy is None or lane.policy.digest != trace.policy.digest:
            return None
        for kind in self._wanted(frame):
            key = _key(trace, step, kind)
            if key in self._asked or lane.answers.to(kind, trace, step) is not None:
                continue
            if lane.latency.median * self._calls(kind, frame) > MOST_SECONDS:
                continue
            self._asked.add(key)
            return Ask(self._manner[kind], trace.name, step, frame.focus.lane)
        return None

    def _wanted(self, frame: Frame) -> list[type[Question]]:
        choice = frame.focus.overlays
        found: list[type[Question]] = []
        if choice.samples:
            found.append(Samples)
        if choice.denoising and frame.trace.policy is not None and not frame.trace.policy.deterministic:
            found.append(Denoising)
        if choice.inputs:
            found.append(Ablation)
        if choice.ensemble and not isinstance(frame.trace.settings_at(frame.step).chunking, TemporalEnsemble):
            found.append(Ensemble)
        return found

    def _calls(self, kind: type[Question], frame: Frame) -> int:
        """About how many policy calls a question takes."""
        info = frame.lane.policy
        assert info is not None
        manner = self._manner[kind]
        match manner:
            case Samples(count):
                return 2 if info.deterministic else count + 1
            case Denoising():
                return 1
            case Ensemble():
                return min(info.chunk_size, frame.step + 1)
            case _:
                return len(info.cameras) + 3


def _key(trace: Trace, step: int, kind: type[Question]) -> tuple[object, ...]:
    """A question about a moment. Settings and events of the head can change without a step; it is then another one."""
    return trace, step, kind, id(trace.settings_at(step)), len(trace.events) if step == len(trace) else 0
