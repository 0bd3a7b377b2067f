"""What can be measured in finished episodes besides their outcomes, as a table with one line an episode.

`whiskers run` writes it beside the recordings.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from viewer_app.insight import EpisodeInsight
from viewer_app.scene import Scene
from viewer_app.types import WhiskersError


def write_measures(path: Path, scene: Scene, rows: Sequence[tuple[int, str, EpisodeInsight]]) -> None:
    """Write a table with one line an episode.

    Args:
        path: The CSV file.
        scene: Says the joints' names.
        rows: Seed, outcome and figures of each episode.

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
        "largest_seam_jump_deg",
        "largest_seam_jump_mm",
        *joints,
        "findings",
    ]
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(head)
            for seed, outcome, measured in rows:
                smooth = measured.smoothness
                angle = max((float(np.abs(seam.jump).max()) for seam in measured.seams), default=float("nan"))
                distance = max((seam.distance for seam in measured.seams), default=float("nan"))
                figures = [f"{x:.4g}" for x in (smooth.uniformity, smooth.spike_ratio, smooth.jerk, angle, distance)]
                follow = [cell for each in measured.tracking for cell in (f"{each.rms:.4g}", each.lag)]
                found = "; ".join(f"step {each.step}: {each.detector} ({each.text})" for each in measured.findings)
                table.writerow([seed, outcome, measured.length, *figures, *follow, found])
    except OSError as error:
        raise WhiskersError(f"{path} cannot be written ({error.strerror}).") from None
