"""A teacher-forced evaluation as three tables: per frame, per row of the horizon, and the figures of the whole."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from viewer_app.teacher_report import TeacherReport
from viewer_app.types import WhiskersError

Row = Sequence[object]


def figures(report: TeacherReport) -> dict[str, float]:
    """The figures of the whole by names that say their units."""
    smooth, recorded = report.smoothness, report.recorded_smoothness
    return {
        "frames": len(report.frames),
        "stride": report.stride,
        "l1_deg": report.l1,
        **{f"l1_{name}_deg": float(each) for name, each in zip(report.joint_names, report.l1_joints, strict=True)},
        "l1_normalised": report.l1_model,
        "first_row_l1_deg": float(report.first_row.mean()),
        "u_a_deg2_per_step4": smooth.uniformity,
        "recorded_u_a_deg2_per_step4": recorded.uniformity,
        "seam_spike_ratio": smooth.spike_ratio,
        "jerk_mm_per_step3": smooth.jerk,
        "recorded_jerk_mm_per_step3": recorded.jerk,
        "coverage": report.coverage,
        "coverage_within_mm": report.near,
    }


def write_tables(folder: Path, report: TeacherReport) -> tuple[Path, ...]:
    """Write `frames.csv`, `rows.csv` and `figures.csv`; older ones are replaced. Errors in [deg].

    Args:
        folder: Made if it does not exist.
        report: What to write.

    Returns:
        The files.

    Raises:
        WhiskersError: If one cannot be written.
    """
    names = report.joint_names
    frames: list[Row] = [
        ["frame", "l1_deg", "first_row_l1_deg", "covered", *(f"l1_{name}_deg" for name in names)],
        *(
            [int(frame), _text(errors.mean()), _text(first.mean()), _text(covered), *map(_text, errors)]
            for frame, errors, first, covered in zip(
                report.frames, report.by_frame, report.first_row, report.covered, strict=True
            )
        ),
    ]
    rows: list[Row] = [
        ["row", "l1_deg", *(f"l1_{name}_deg" for name in names)],
        *([row, _text(errors.mean()), *map(_text, errors)] for row, errors in enumerate(report.by_row)),
    ]
    whole: list[Row] = [["figure", "value"], *([name, _text(value)] for name, value in figures(report).items())]
    tables = {"frames.csv": frames, "rows.csv": rows, "figures.csv": whole}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            with (folder / name).open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(table)
    except OSError as error:
        raise WhiskersError(f"{folder} cannot be written ({error.strerror or error}).") from None
    return tuple(folder / name for name in tables)


def _text(value: float) -> str:
    return f"{value:.6g}"
