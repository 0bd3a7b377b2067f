"""`whiskers scene`: a scene's text file drafted from a robot's model, and a check of any scene."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import mujoco

from viewer_app.command_line import SceneCheck, SceneNew
from viewer_app.doctor.finding import Finding, as_text, can_work, counted, in_order, to_plain
from viewer_app.scene import scene_path
from viewer_app.scene_check import check_scene
from viewer_app.scene_draft import Draft, draft
from viewer_app.site_wrapper import Wrapper, with_site
from viewer_app.terminal import tell
from viewer_app.types import WhiskersError

_OK, _FOUND_PROBLEMS = 0, 1
"""Exit codes."""
_FILE = "scene.toml"
_PLAIN_NAMES = frozenset({"scene", "robot", "model", "main", "world"})
"""Names of files that say nothing; the folder's does."""


def new_scene(choice: SceneNew) -> int:
    """Draft a scene's text file, write it, and check what was written. Returns the exit code.

    Raises:
        WhiskersError: If the model cannot be read, holds too little to make a scene of, or nothing can be written.
    """
    robot = choice.robot
    if not robot.is_file():
        raise WhiskersError(f"There is no model file {robot}; name an MJCF (.xml).")
    folder = robot.parent if choice.out is None else choice.out
    text_file = folder / _FILE
    if text_file.exists() and not choice.force:
        raise WhiskersError(f"{text_file} exists already; choose another folder with --out, or --force to replace it.")
    model_file, file_named, wrapper = robot, _relative(robot, folder), _wrapper(choice, folder)
    if wrapper is not None:
        model_file, file_named = wrapper.path, wrapper.path.name
    name = robot.stem if robot.stem.lower() not in _PLAIN_NAMES else robot.resolve().parent.name
    model = _read_model(robot) if wrapper is None else wrapper.model
    drafted = draft(model, file_named, name, str(robot))
    _make(folder)
    if wrapper is not None:
        _write(wrapper.path, wrapper.text)
    _write(text_file, drafted.text)
    findings = in_order(check_scene(text_file))
    if choice.json:
        found = {"scene": str(text_file), "model": str(model_file), **_plain(drafted)}
        tell(json.dumps({**found, **to_plain(findings)}))
    else:
        _tell_draft(drafted, text_file, wrapper)
        _tell_findings(findings, str(text_file))
        tell(f"open it with  whiskers view CHECKPOINT --scene {_shown(folder)}")
    return _OK if can_work(findings) else _FOUND_PROBLEMS


def _wrapper(choice: SceneNew, folder: Path) -> Wrapper | None:
    """The copy of the model that is to be written beside the scene, None where the robot's own file does.

    Raises:
        WhiskersError: If there can be no such copy.
    """
    if not choice.site_on:
        if choice.site_at != (0.0, 0.0, 0.0):
            raise WhiskersError("--site-at says where on a body; give --site-on BODY too.")
        return None
    _make(folder)
    wrapper = with_site(choice.robot, choice.site_on, choice.site_at, folder)
    if wrapper.path.exists() and not choice.force:
        raise WhiskersError(f"{wrapper.path} exists already; add --force to replace it.")
    return wrapper


def check(choice: SceneCheck) -> int:
    """Check a scene, and tell. Returns the exit code: 1 when no policy could work in it.

    Raises:
        WhiskersError: If there is no such scene, or its files cannot be read.
    """
    findings = in_order(check_scene(scene_path(choice.scene)))
    if choice.json:
        tell(json.dumps(to_plain(findings)))
    else:
        _tell_findings(findings, choice.scene)
    return _OK if can_work(findings) else _FOUND_PROBLEMS


def _tell_findings(findings: Sequence[Finding], title: str) -> None:
    if findings:
        tell(as_text(findings))
    verdict = "can be used" if can_work(findings) else "cannot be used so"
    tell(f"scene {title}: {verdict} ({counted(findings)})")


def _tell_draft(drafted: Draft, text_file: Path, wrapper: Wrapper | None) -> None:
    if wrapper is not None:
        tell(f"wrote         {wrapper.path}, the model with site {drafted.site}")
    tell(f"wrote         {text_file}")
    tell(f"joints        {', '.join(drafted.joints)}")
    tell(f"end effector  site {drafted.site}")
    tell(f"cameras       {', '.join(drafted.cameras) or 'none'}")
    for each in drafted.left_out:
        tell(f"left out      {each}")


def _plain(drafted: Draft) -> Mapping[str, object]:
    return {
        "joints": list(drafted.joints),
        "end_effector_site": drafted.site,
        "cameras": list(drafted.cameras),
        "left_out": list(drafted.left_out),
    }


def _read_model(path: Path) -> mujoco.MjModel:
    try:
        return mujoco.MjModel.from_xml_path(str(path))
    except ValueError as error:
        raise WhiskersError(f"{path} does not compile: {' '.join(str(error).split())}") from None


def _relative(path: Path, folder: Path) -> str:
    """The model's file as the text file names it, so that both can be moved together.

    Raises:
        WhiskersError: If no relative path leads from one to the other, as between drives of Windows.
    """
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:
        raise WhiskersError(
            f"{path} and {folder} are on different drives; name a folder beside it with --out."
        ) from None


def _shown(folder: Path) -> str:
    return f'"{folder}"' if " " in str(folder) else str(folder)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WhiskersError(f"Folder {folder} cannot be made ({error.strerror}); name another with --out.") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WhiskersError(f"{path} cannot be written ({error.strerror}); name a folder with --out.") from None
    except UnicodeEncodeError:
        raise WhiskersError(f"{path} cannot be written: the path of the model is not UTF-8.") from None
