"""Start positions as a small TOML file: where objects and joints are, so that episodes can begin there again.

    format = 1
    scene = "so101"

    [objects.block]
    position = [0.22, -0.04, 0.0]            # [m]
    quaternion = [1.0, 0.0, 0.0, 0.0]        # w, x, y, z

    [joints]                                 # of the robot, in the scene's units
    shoulder_pan = 0.0

    [other_joints]                           # such as a drawer's [rad or m]

What is left out begins where the seed puts it. Numbers are written so that they are read back to the bit.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from viewer_app.placing import check_placing
from viewer_app.scene import Scene
from viewer_app.toml_text import quoted
from viewer_app.types import Pose, Positions, WhiskersError

_FORMAT = 1
_LARGEST = 1 << 20
"""Of a file. [bytes]"""
_FARTHEST = 1e9
"""More is no place in a scene."""
_TABLES = ("objects", "joints", "other_joints")


class StartError(WhiskersError):
    """A file of start positions cannot be used. The message names the file."""


def to_text(scene: Scene, positions: Positions) -> str:
    """The file's text."""
    lines = [f"format = {_FORMAT}", f"scene = {quoted(scene.name)}"]
    for body, pose in positions.objects.items():
        lines += ["", f"[objects.{quoted(body)}]", f"position = {list(pose.position)!r}"]
        lines += [f"quaternion = {list(pose.quaternion)!r}"]
    for table, values in (("joints", positions.joints), ("other_joints", positions.others)):
        if values:
            lines += ["", f"[{table}]", *(f"{quoted(name)} = {value!r}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


def read_start(path: Path, scene: Scene) -> Positions:
    """Positions from a file, called by its name.

    Raises:
        StartError: If it cannot be read, is none, or is of another scene.
        WhiskersError: If the scene has not what is to be put, or it cannot be put there.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise StartError(f"Start positions {path}: the file is larger than {_LARGEST >> 20} MiB.")
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartError(f"Start positions {path} cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StartError(f"Start positions {path} are not valid TOML: {error}.") from None
    if table.get("format") != _FORMAT:
        raise StartError(f"Start positions {path} do not say format = {_FORMAT}, which is what this Whiskers reads.")
    if table.get("scene") != scene.name:
        raise StartError(
            f"Start positions {path} are of scene {table.get('scene')!r}, not of {scene.name!r}; save them there anew."
        )
    unknown = sorted(set(table) - {"format", "scene", *_TABLES})
    if unknown:
        raise StartError(f"Start positions {path}: unknown field {unknown[0]}; valid are {', '.join(_TABLES)}.")
    positions = _positions(table, path)
    try:
        check_placing(scene, positions)
    except WhiskersError as error:
        raise StartError(f"Start positions {path}: {error}") from None
    return replace(positions, name=path.stem)


def _positions(table: Mapping[str, object], path: Path) -> Positions:
    objects = {}
    for body, entry in _table(table, "objects", path).items():
        if not isinstance(entry, dict) or not {"position"} <= set(entry) <= {"position", "quaternion"}:
            raise StartError(
                f"Start positions {path}: objects.{body} must be a table of position and, if it is turned, quaternion."
            )
        x, y, z = _numbers(entry["position"], 3, f"objects.{body}.position", path)
        w, i, j, k = _numbers(entry.get("quaternion", [1, 0, 0, 0]), 4, f"objects.{body}.quaternion", path)
        objects[body] = Pose((x, y, z), (w, i, j, k))
    joints, others = (
        {name: _number(value, f"{key}.{name}", path) for name, value in _table(table, key, path).items()}
        for key in ("joints", "other_joints")
    )
    return Positions(MappingProxyType(objects), MappingProxyType(joints), MappingProxyType(others))


def _table(table: Mapping[str, object], key: str, path: Path) -> Mapping[str, object]:
    found = table.get(key, {})
    if not isinstance(found, dict):
        raise StartError(f"Start positions {path}: {key} must be a table.")
    return found


def _numbers(value: object, count: int, where: str, path: Path) -> list[float]:
    if not isinstance(value, list) or len(value) != count:
        raise StartError(f"Start positions {path}: {where} must be a list of {count} numbers, found {value!r}.")
    return [_number(x, where, path) for x in value]


def _number(value: object, where: str, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _FARTHEST:
        raise StartError(f"Start positions {path}: {where} must be a number, found {value!r}.")
    return float(value)
