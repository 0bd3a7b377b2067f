"""`whiskers doctor`: a pre-flight report of a checkpoint and a scene, before any weight is loaded, and then after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from viewer_app.command_line import Doctor
from viewer_app.diagnosis import Diagnosis, Wishes, diagnose, look_at_files, parse_mends
from viewer_app.doctor.finding import Finding, as_text, can_work, counted, in_order, to_plain
from viewer_app.scene import Scene
from viewer_app.scene_spec import SceneError
from viewer_app.terminal import load_policy, tell
from viewer_app.types import WhiskersError, XRayRow
from viewer_app.xray import PARTS, figures, is_told, mark, named

_OK, _FOUND_PROBLEMS = 0, 1
"""Exit codes."""


def doctor(choice: Doctor) -> int:
    """Examine, load, try, and tell. Returns the exit code: 1 when the pair cannot work.

    Raises:
        WhiskersError: If there is no such checkpoint, or the arguments cannot be meant.
    """
    if choice.xray and (choice.no_load or choice.scene is None):
        raise WhiskersError("--xray looks into a call of the policy in a scene; give --scene, and not --no-load.")
    diagnosis = examined(choice)
    findings = in_order(diagnosis.findings)
    ok = can_work(findings)
    if choice.json:
        plain = to_plain(findings)
        if choice.xray:
            plain["xray"] = [{**_plain(row), "mark": mark(row)} for row in diagnosis.xray]
        tell(json.dumps(plain))
        return _OK if ok else _FOUND_PROBLEMS
    if findings:
        tell(as_text(findings))
    if choice.xray:
        tell(_table(diagnosis.xray))
    verdict = "can work" if ok else "cannot work so"
    pair = f"{choice.checkpoint} and scene {choice.scene}" if choice.scene else choice.checkpoint
    tell(f"{pair}: {verdict} ({counted(findings)})")
    return _OK if ok else _FOUND_PROBLEMS


def examined(choice: Doctor) -> Diagnosis:
    """What is found of what was asked for.

    Raises:
        WhiskersError: If there is no such checkpoint, or the arguments cannot be meant.
    """
    scene, before = _read_scene(choice.scene)
    if scene is None and choice.cameras and choice.scene is None:
        raise WhiskersError("--camera maps to a camera of a scene; give --scene too.")
    mends = parse_mends(choice.units, choice.joint, choice.statistics, choice.checkpoint, scene)
    if scene is None and mends.driving:
        raise WhiskersError("--units are those of a scene's joints; give --scene too.")
    wishes = Wishes(choice.cameras, None, mends, choice.prompt)
    if choice.no_load:
        _, found = look_at_files(choice.checkpoint, scene, wishes)
        return Diagnosis((*before, *found))
    found_all = diagnose(choice.checkpoint, scene, load_policy, wishes, choice.device)
    return Diagnosis((*before, *found_all.findings), found_all.xray)


def _read_scene(name: str | None) -> tuple[Scene | None, list[Finding]]:
    if name is None:
        mend = "Add --scene NAME to check cameras, units and rates too, and to try it."
        return None, [Finding("no-scene", "info", "The checkpoint was looked at by itself.", mend)]
    try:
        return Scene.load(name), []
    except SceneError as error:
        return None, [Finding("scene-unreadable", "error", str(error), "Correct what it names and try again.")]


def _plain(row: XRayRow) -> dict[str, object]:
    """A row for JSON, which has no NaN."""
    return {name: None if value != value else value for name, value in asdict(row).items()}


def _table(rows: Sequence[XRayRow]) -> str:
    """An x-ray to be read in a terminal."""
    if not rows:
        return "x-ray: the policy was not tried, so there is nothing to look into"
    lines, part = [], ""
    for row in rows:
        if row.part != part:
            part = row.part
            lines.append(PARTS[part])
            lines.append(
                f"  {'step':31}{'feature':36}{'shape':>16} {'dtype':8}{'min':>11}{'max':>11}{'mean':>11}{'std':>11}"
            )
        if not is_told(row):
            continue
        values = "".join(f"{value:>11}" for value in figures(row)) if row.dtype != "text" else f"   {row.text!r}"
        shape = "x".join(map(str, row.shape))
        words = mark(row)
        lines.append(
            f"  {named(row):31}{row.feature:36}{shape:>16} {row.dtype:8}{values}" + (f"   ! {words}" * bool(words))
        )
    return "\n".join(lines)
