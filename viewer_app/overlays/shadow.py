"""The overlay of shadows: what the policies of other lanes would do in the moment looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from viewer_app.alternatives import gap_between
from viewer_app.insight import lane_letter
from viewer_app.overlays.colours import LANES
from viewer_app.overlays.primitives import Legend, Marker, Polyline, Primitive
from viewer_app.overlays.sight import Sight
from viewer_app.questions import Answer, Shadow
from viewer_app.types import FloatArray

_DASH, _GAP = 3, 2
"""Rows of the path that are drawn, and that are left out, in turn: it is not executed."""


def shadow(sight: Sight) -> Sequence[Primitive]:
    """What every other policy that was asked about this step would do from here, in the colour of its lane.

    The legend says how far each ends from what is planned here, at the last row that both have.
    """
    answers = shadows_at(sight)
    if not answers:
        text = "shadow: no other policy was asked about this step"
        return (Legend(LANES[1], text, note=True),) if sight.trace.policy is not None else ()
    plan = sight.trace.plan(sight.step)
    own = None
    if plan is not None:
        own = sight.paths.kinematics.path(plan, sight.trace.snapshot(sight.step), sight.site)
    primitives: list[Primitive] = []
    for lane, answer in answers:
        colour = LANES[lane % len(LANES)]
        tips = sight.path_of(answer.base)
        primitives += [Polyline(tips, colour, _dashed(len(tips)), 2.5), Marker(tips[-1], colour, 0.9, 3.0)]
        primitives.append(Legend(colour, f"{lane_letter(lane)} would go here: {_distance(own, tips)}", note=True))
    return tuple(primitives)


def shadows_at(sight: Sight) -> list[tuple[int, Answer]]:
    """Lane and answer of every shadow that is known of the moment, by lane."""
    about = [answer for answer in sight.answers.about(sight.trace) if answer.step == sight.step]
    found = [(answer.question.lane, answer) for answer in about if isinstance(answer.question, Shadow)]
    return sorted(found, key=lambda each: each[0])


def _distance(own: FloatArray | None, tips: FloatArray) -> str:
    gap = gap_between(tips, own) if own is not None else None
    if gap is None:
        return "nothing is planned here yet to compare it with"
    rows = f" after {gap.rows} rows" if gap.rows < len(tips) else " at the end"
    return f"{gap.end:.1f} mm apart{rows}, {gap.largest:.1f} mm at most"


def _dashed(rows: int) -> FloatArray:
    """Opacity of each segment. Shape (rows - 1,)."""
    segments = np.arange(max(rows - 1, 0))
    return np.where(segments % (_DASH + _GAP) < _DASH, 0.95, 0.0)
