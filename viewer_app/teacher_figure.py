"""A teacher-forced evaluation as a picture: the error of each joint over the recording, and over a chunk's rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from viewer_app.figures.look import BLUE, GREEN, GREY, ORANGE, PURPLE, SETTINGS, VERMILLION, WIDTH, grid
from viewer_app.teacher_report import TeacherReport
from viewer_app.types import WhiskersError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, GREY)


def curves(report: TeacherReport) -> Figure:
    """The error curves of all joints: over the recorded frames, the worst marked, and over a chunk's rows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    over_time, over_rows = figure.subplots(2, 1)
    unit = f" [{report.unit}]" if report.unit else ""
    for joint, name in enumerate(report.joint_names):
        if report.units[joint] != report.unit:
            name += f" [{report.units[joint] or 'no unit'}]"
        colour = _COLOURS[joint % len(_COLOURS)]
        over_time.plot(report.frames, report.by_frame[:, joint], color=colour, linewidth=0.9, label=name)
        over_rows.plot(np.arange(len(report.by_row)), report.by_row[:, joint], color=colour, linewidth=0.9)
    for worst in report.worst:
        over_time.axvline(worst.frame, color=GREY, linewidth=0.5, linestyle=":")
    over_time.set(xlabel="recorded frame (dotted: the worst)", ylabel=f"mean error of its chunk{unit}")
    over_rows.set(xlabel="row of the chunk", ylabel=f"mean error of all frames{unit}")
    for axes in (over_time, over_rows):
        grid(axes)
        axes.set_ylim(bottom=0.0)
    figure.legend(loc="outside lower center", ncols=min(len(report.joint_names), 6))
    figure.suptitle(
        f"{report.trace.name}\nmean error {report.l1:.2f}{unit and f' {report.unit}'}, coverage {report.coverage:.1%}"
    )
    return figure


def write_curves(path: Path, report: TeacherReport) -> Path:
    """Write `curves` to a file.

    Args:
        path: Ends in `.png`, `.pdf` or `.svg`. Replaced if it exists.
        report: What to draw.

    Raises:
        WhiskersError: If it cannot be written.
    """
    import matplotlib as mpl

    with mpl.rc_context(SETTINGS):
        figure = curves(report)
        try:
            figure.savefig(path)
        except OSError as error:
            raise WhiskersError(f"{path} cannot be written ({error.strerror or error}).") from None
    return path
