"""What can be measured in one finished episode besides its outcome: smoothness, tracking, and moments worth a look.

`whiskers run` writes these beside the recordings, one line an episode.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from viewer_app.detectors import Finding, Thresholds, detect
from viewer_app.scene import Scene
from viewer_app.smoothness import Smoothness, smoothness_of
from viewer_app.trace import Trace
from viewer_app.tracking import Tracking, tracking_of
from viewer_app.types import WhiskersError


@dataclass(frozen=True)
class Measures:
    """Of one episode."""

    smoothness: Smoothness
    tracking: tuple[Tracking, ...]
    """One a joint. [deg]"""
    findings: tuple[Finding, ...]


def measures_of(scene: Scene, trace: Trace) -> Measures:
    """Measure a whole trace, with the detectors' default thresholds."""
    angles = scene.to_degrees(np.asarray(trace.column("action"), np.float32))
    states = scene.to_degrees(np.asarray(trace.column("state"), np.float32))
    seams = [chunk.start for chunk in trace.chunks[1:]]
    return Measures(
        smoothness=smoothness_of(angles, np.asarray(trace.column("tip"), np.float64), seams),
        tracking=tuple(tracking_of(angles[:, joint], states[:, joint]) for joint in range(angles.shape[1])),
        findings=tuple(detect(scene, trace, len(trace), Thresholds())),
    )


def write_measures(path: Path, scene: Scene, rows: Sequence[tuple[int, str, int, Measures]]) -> None:
    """Write a table with one line an episode.

    Args:
        path: The CSV file.
        scene: Says the joints' names.
        rows: Seed, outcome, steps and measures of each episode.

    Raises:
        WhiskersError: If the file cannot be written.
    """
    joints = [f"{noun}_{name}" for name in scene.joint_names for noun in ("rms_deg", "lag_steps")]
    head = [
        "seed",
        "outcome",
        "steps",
        "u_a_deg2_per_step4",
        "seam_spike_ratio",
        "jerk_mm_per_step3",
        *joints,
        "findings",
    ]
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(head)
            for seed, outcome, steps, measured in rows:
                smooth = measured.smoothness
                figures = [f"{x:.4g}" for x in (smooth.uniformity, smooth.spike_ratio, smooth.jerk)]
                follow = [cell for each in measured.tracking for cell in (f"{each.rms:.4g}", each.lag)]
                found = "; ".join(f"step {each.step}: {each.detector} ({each.text})" for each in measured.findings)
                table.writerow([seed, outcome, steps, *figures, *follow, found])
    except OSError as error:
        raise WhiskersError(f"{path} cannot be written ({error.strerror}).") from None
