"""What can be measured in finished episodes besides their outcomes, as a table with one line an episode.

`whiskers run` writes it beside the recordings.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from viewer_app.channels import named
from viewer_app.insight import EpisodeInsight
from viewer_app.scene import Scene
from viewer_app.types import WhiskersError


def write_measures(path: Path, scene: Scene, rows: Sequence[tuple[int, str, EpisodeInsight]]) -> None:
    """Write a table with one line an episode.

    Args:
        path: The CSV file.
        scene: Says what the numbers of an action are called, and their units.
        rows: Seed, outcome and figures of each episode.

    Raises:
        WhiskersError: If the file cannot be written.
    """
    actions = scene.actions
    tracked = zip(actions.names, actions.shown_units, strict=True) if scene.measures_commands else ()
    joints = [f"{noun}_{name}" for name, unit in tracked for noun in (named("rms", unit), "lag_steps")]
    unit = actions.leading_unit
    starts = [measured.trace.settings_at(0).start for _, _, measured in rows]
    head = [
        "seed",
        *(("start",) if any(starts) else ()),
        "outcome",
        "steps",
        f"u_a_{unit}2_per_step4" if unit else "u_a_per_step4",
        "seam_spike_ratio",
        "jerk_mm_per_step3",
        named("largest_seam_jump", unit),
        "largest_seam_jump_mm",
        *joints,
        "findings",
    ]
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(head)
            for (seed, outcome, measured), start in zip(rows, starts, strict=True):
                smooth = measured.smoothness
                jumps = (float(np.abs(seam.jump[actions.leading]).max()) for seam in measured.seams)
                angle = max(jumps, default=float("nan"))
                known = (seam.distance for seam in measured.seams if not math.isnan(seam.distance))
                distance = max(known, default=math.nan)
                figures = [f"{x:.4g}" for x in (smooth.uniformity, smooth.spike_ratio, smooth.jerk, angle, distance)]
                follow = [cell for each in measured.tracking for cell in (f"{each.rms:.4g}", each.lag)]
                found = "; ".join(f"step {each.step}: {each.detector} ({each.text})" for each in measured.findings)
                began = [start.name if start is not None else ""] if any(starts) else []
                table.writerow([seed, *began, outcome, measured.length, *figures, *follow, found])
    except OSError as error:
        raise WhiskersError(f"{path} cannot be written ({error.strerror}).") from None
