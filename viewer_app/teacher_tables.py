"""A teacher-forced evaluation as three tables: per frame, per row of the horizon, and the figures of the whole."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from viewer_app.channels import named
from viewer_app.teacher_report import TeacherReport
from viewer_app.types import WhiskersError

Row = Sequence[object]


def figures(report: TeacherReport) -> dict[str, float]:
    """The figures of the whole by names that say their units."""
    smooth, recorded, unit = report.smoothness, report.recorded_smoothness, report.unit
    acceleration = f"u_a_{unit}2_per_step4" if unit else "u_a_per_step4"
    return {
        "frames": len(report.frames),
        "stride": report.stride,
        named("l1", unit): report.l1,
        **dict(zip(_names(report), map(float, report.l1_joints), strict=True)),
        "l1_normalised": report.l1_model,
        named("first_row_l1", unit): float(report.first_row[:, report.leading].mean()),
        acceleration: smooth.uniformity,
        f"recorded_{acceleration}": recorded.uniformity,
        "seam_spike_ratio": smooth.spike_ratio,
        "jerk_mm_per_step3": smooth.jerk,
        "recorded_jerk_mm_per_step3": recorded.jerk,
        "coverage": report.coverage,
        "coverage_within_mm": report.near,
    }


def write_tables(folder: Path, report: TeacherReport) -> tuple[Path, ...]:
    """Write `frames.csv`, `rows.csv` and `figures.csv`; older ones are replaced. Names say the errors' units.

    Args:
        folder: Made if it does not exist.
        report: What to write.

    Returns:
        The files.

    Raises:
        WhiskersError: If one cannot be written.
    """
    names, unit, leading = _names(report), report.unit, report.leading
    frames: list[Row] = [
        ["frame", named("l1", unit), named("first_row_l1", unit), "covered", *names],
        *(
            [
                int(frame),
                *(_text(each[leading].mean()) for each in (errors, first)),
                _text(covered),
                *map(_text, errors),
            ]
            for frame, errors, first, covered in zip(
                report.frames, report.by_frame, report.first_row, report.covered, strict=True
            )
        ),
    ]
    rows: list[Row] = [
        ["row", named("l1", unit), *names],
        *([row, _text(errors[leading].mean()), *map(_text, errors)] for row, errors in enumerate(report.by_row)),
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


def _names(report: TeacherReport) -> list[str]:
    """Of the error of each joint."""
    return [named(f"l1_{name}", unit) for name, unit in zip(report.joint_names, report.units, strict=True)]


def _text(value: float) -> str:
    return f"{value:.6g}"
