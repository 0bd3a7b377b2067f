"""Figures for print, and their numbers: what is looked at in the window, on paper.

Matplotlib is imported when the first one is drawn. Nothing here knows a window; figures may be written on any thread,
one at a time, because matplotlib's settings are the process's.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from viewer_app.figures.denoising import DENOISING
from viewer_app.figures.divergence import DIVERGENCE
from viewer_app.figures.ensemble import ENSEMBLE
from viewer_app.figures.inputs import INPUTS
from viewer_app.figures.joints import JOINTS
from viewer_app.figures.look import SETTINGS
from viewer_app.figures.motion import MOTION
from viewer_app.figures.subject import Plot, Subject
from viewer_app.types import WhiskersError

__all__ = ["PLOTS", "SUFFIXES", "Subject", "write_figure"]

PLOTS: Mapping[str, Plot] = MappingProxyType(
    {
        "joints": JOINTS,
        "motion": MOTION,
        "ensemble": ENSEMBLE,
        "inputs": INPUTS,
        "denoising": DENOISING,
        "divergence": DIVERGENCE,
    }
)
"""By name."""

SUFFIXES = ("png", "pdf", "svg", "csv")
"""What a figure can be written as: a picture of 300 dots an inch, two kinds of vector picture, or its numbers."""


def write_figure(path: Path, plot: str, subject: Subject) -> None:
    """Write a figure, or the numbers that it shows, by the suffix of the file's name.

    Args:
        path: Ends in one of `SUFFIXES`. What is there is replaced.
        plot: A key of `PLOTS`.
        subject: What it is about.

    Raises:
        WhiskersError: If there is no such plot or suffix, nothing to show yet, or the file cannot be written.
    """
    if plot not in PLOTS:
        raise WhiskersError(f"There is no figure {plot!r}; there are {', '.join(PLOTS)}.")
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in SUFFIXES:
        raise WhiskersError(f"A figure is written as {', '.join(SUFFIXES)}; {path.name} ends in none of them.")
    content = _table(PLOTS[plot], subject) if suffix == "csv" else _picture(PLOTS[plot], subject, suffix)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise WhiskersError(f"Figure {path} cannot be written ({error.strerror or error}).") from None


def _picture(plot: Plot, subject: Subject, suffix: str) -> bytes:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # No date, so that the same figure is the same file.
    undated = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    file = io.BytesIO()
    with rc_context(SETTINGS):
        figure = Figure(layout="constrained")
        plot.draw(figure, subject)
        figure.savefig(file, format=suffix, metadata=undated[suffix])
    return file.getvalue()


def _table(plot: Plot, subject: Subject) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows([_cell(value) for value in row] for row in plot.table(subject))
    return file.getvalue().encode()


def _cell(value: str | int | float) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.7g}"
    return str(value)
