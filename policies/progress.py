"""How a long load, or a long call, says how far it is, and how a load is stopped. Plain data, no torch, no LeRobot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from viewer_app.types import CallProgress, WhiskersError


@dataclass(frozen=True)
class Progress:
    """How far a load is."""

    text: str
    """What is being done now, in a few words for a person."""
    fraction: float
    """Share of the usual loading time that has passed, 0 .. 1. Never decreases during a load."""


Report = Callable[[Progress], None]
"""Told the progress from time to time. It may raise `LoadingCancelledError` to stop the load."""


OnCall = Callable[[CallProgress], None]
"""Told how far a policy call is, after each denoising step."""


class LoadingCancelledError(WhiskersError):
    """A person stopped the load."""


def ignore(progress: Progress) -> None:
    """A report for callers that do not care."""


def unheard(progress: CallProgress) -> None:
    """A listener for callers that do not care how far a call is."""


def within(report: Report, low: float, high: float) -> Report:
    """A report for a part of the load, whose 0 .. 1 is `low` .. `high` of the whole."""
    return lambda progress: report(Progress(progress.text, low + (high - low) * progress.fraction))
