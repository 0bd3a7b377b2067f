"""Breakpoints: conditions at which a running episode pauses by itself, as data; `watch` looks for them.

A condition breaks when it comes true with a step, not while it stays true, so that going on from a breakpoint goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from viewer_app.detectors import Thresholds


@dataclass(frozen=True)
class Breakpoints:
    """Where to pause. All off by default."""

    chunk: bool = False
    """Before the first action of a new chunk is executed. A policy that ensembles has a new chunk at every step."""
    phase: bool = False
    """When the task's phase changes."""
    contact: bool = False
    """When the gripper touches the task's object, or lets go of it."""
    success: bool = False
    """When the episode becomes a success."""
    distance: float | None = None
    """When the gripper comes nearer to the task's object than this. [mm]"""
    detectors: frozenset[str] = frozenset()
    """When one of these detectors, of `detectors.detector_names`, finds something new."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    """Of the detectors."""
