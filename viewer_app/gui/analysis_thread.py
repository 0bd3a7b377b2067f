"""The thread that computes figures about what is looked at: nothing of it may cost the window a frame."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from viewer_app.analysis import Analyst
from viewer_app.detectors import Thresholds
from viewer_app.gui.worker import Worker
from viewer_app.insight import Comparison, EpisodeInsight, MomentInsight
from viewer_app.questions import Answers
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.view import OverlayChoice


@dataclass(frozen=True)
class Study:
    """What to compute figures about."""

    trace: Trace
    length: int
    step: int
    events: int
    """Of the trace: the head changes without a step where something is done to it."""
    choice: OverlayChoice
    answers: Answers
    thresholds: Thresholds
    hurry: bool
    """Whether the trace grows or someone plays: figures may then lag, and the processor is left to others."""
    lanes: tuple[tuple[Trace, int], ...] = ()
    """Trace and length of every lane."""
    clock: int = 0
    """The control step looked at in all lanes."""


@dataclass(frozen=True)
class Compared:
    """Figures about lanes, and what they are about."""

    lanes: tuple[tuple[Trace, int], ...]
    clock: int
    comparison: Comparison


_EPISODE_PERIOD, _MOMENT_PERIOD, _COMPARISON_PERIOD = 0.6, 0.15, 0.3
"""How long the thread rests after each of them while it hurries. [s]"""


class AnalysisThread(Worker[Study, Analyst]):
    """Computes figures about the latest moment asked for."""

    def __init__(self, scene: Scene) -> None:
        super().__init__("analysis", 12, "No figures can be computed")
        self._scene = scene
        self._episode_at = self._moment_at = self._comparison_at = 0.0  # when they were last computed [s]
        self._episode_of: tuple[object, ...] = ()
        self._moment_of: tuple[object, ...] = ()
        self._comparison_of: tuple[object, ...] = ()
        self.moment: MomentInsight | None = None
        """The latest figures about a moment."""
        self.episode: EpisodeInsight | None = None
        """The latest figures about a trace."""
        self.compared: Compared | None = None
        """The latest figures about the lanes."""

    def _open(self) -> AbstractContextManager[Analyst]:
        return _analyst(self._scene)

    def _work(self, tool: Analyst, wish: Study) -> None:
        # The objects themselves, compared by identity: the id of one that is gone can be given to another.
        moment = (wish.trace, wish.step, wish.events, wish.answers, wish.choice.root, wish.choice.coefficient)
        if moment != self._moment_of and self._due(self._moment_at, _MOMENT_PERIOD, wish):
            self._moment_of = moment
            self.moment = tool.moment(wish.trace, wish.length, wish.step, wish.choice, wish.answers)
            self._moment_at = time.monotonic()
        # A newer wish first: the figures of the moment are what someone who scrubs looks at.
        episode = (wish.trace, wish.length, wish.events, wish.thresholds)
        if not self.hurried and episode != self._episode_of and self._due(self._episode_at, _EPISODE_PERIOD, wish):
            self._episode_of = episode
            self.episode = tool.episode(wish.trace, wish.length, wish.thresholds)
            self._episode_at = time.monotonic()
        lanes = (wish.lanes, wish.clock, wish.events)
        several = len(wish.lanes) > 1 and lanes != self._comparison_of
        if several and not self.hurried and self._due(self._comparison_at, _COMPARISON_PERIOD, wish):
            self._comparison_of = lanes
            self.compared = Compared(wish.lanes, wish.clock, tool.comparison(wish.lanes, wish.clock))
            self._comparison_at = time.monotonic()

    @staticmethod
    def _due(last: float, period: float, wish: Study) -> bool:
        return not wish.hurry or time.monotonic() - last >= period


@contextmanager
def _analyst(scene: Scene) -> Iterator[Analyst]:
    analyst = Analyst(scene)
    try:
        yield analyst
    finally:
        analyst.close()
