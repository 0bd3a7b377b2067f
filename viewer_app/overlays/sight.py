"""What the builders of overlays look at."""

from __future__ import annotations

from dataclasses import dataclass

from viewer_app.paths import Paths
from viewer_app.questions import Answers
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, FloatArray
from viewer_app.view import OverlayChoice


@dataclass(frozen=True)
class Sight:
    """One moment of a trace, what is known about it, and how the person wants it drawn."""

    paths: Paths
    trace: Trace
    step: int
    choice: OverlayChoice
    answers: Answers

    @property
    def site(self) -> int:
        """Number of the site whose way is drawn."""
        return self.paths.site_of(self.choice.root)

    @property
    def in_force(self) -> list[ActionChunk]:
        """The chunks that decide the action of the step, oldest first."""
        return self.trace.chunks_in_force(self.step)

    def path_of(self, chunk: ActionChunk) -> FloatArray:
        """Where a chunk would take the site, row by row. Shape (H, 3). [m]"""
        return self.paths.kinematics.path_of(chunk, self.trace, self.site)


def asked_at(chunk: ActionChunk) -> int | None:
    """The step of the trace that a click on the chunk's path goes to; None for a chunk of an earlier episode."""
    return chunk.start if chunk.start >= 0 else None
