"""recording.json, and what the files beside it are called. What is in those files is not known here.

recording.json     format and version, the scene's text file, checksums of the scene's files, what drove it
scene/             the scene's files by value
trace-0001.wtr     one append-only file a trace, branches and earlier episodes too
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import cast

from recordings.blocks import Plain
from recordings.plain import policy_to_plain
from recordings.trace_file import RecordingError
from viewer_app.types import PolicyInfo

FORMAT = "whiskers-recording"
VERSION = 4
"""Format 2 added overlap blending, simulated latency and late chunks; format 3 the number of denoising steps, real-time
chunking and mapped cameras; format 4 pushes, start positions and what was moved where. Earlier formats are read as
having none of them."""
MANIFEST = "recording.json"
SCENE_FOLDER = "scene"
_LARGEST = 4 << 20
"""Of a manifest. [bytes]"""


def trace_path(folder: Path, number: int) -> Path:
    """Where trace `number`, counted from 1, is written."""
    return folder / f"trace-{number:04d}.wtr"


def trace_paths(folder: Path) -> list[Path]:
    """The trace files that are there, oldest first."""
    return sorted(each for each in folder.glob("trace-*.wtr") if belongs(each.name))


def belongs(name: str) -> bool:
    """Whether a file of this name, relative to the recording's folder and with slashes, is part of a recording."""
    return name == MANIFEST or name.startswith(f"{SCENE_FOLDER}/") or bool(re.fullmatch(r"trace-\d+\.wtr", name))


def is_within(name: str) -> bool:
    """Whether a name with slashes stays in the folder that it is relative to, on every system."""
    parts = PurePosixPath(name).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and not re.search(r"[\\:\0]", name)


def write_manifest(folder: Path, scene_name: str, scene_file: str, policies: Sequence[PolicyInfo]) -> None:
    """Make a folder with a scene in it a recording.

    Args:
        folder: The scene's files are in it already.
        scene_name: Of the scene.
        scene_file: Its text file, relative to the folder, with slashes.
        policies: What drives the lanes, in their order.

    Raises:
        OSError: If it cannot be written.
    """
    files = sorted(each for each in (folder / SCENE_FOLDER).rglob("*") if each.is_file())
    checksums: dict[str, Plain] = {each.relative_to(folder).as_posix(): _sha256(each) for each in files}
    manifest: dict[str, Plain] = {
        "format": FORMAT,
        "version": VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "scene": {"name": scene_name, "file": scene_file, "sha256": checksums},
        "policies": [policy_to_plain(policy) for policy in policies],
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def scene_file_of(folder: Path) -> Path:
    """The text file of a recording's scene, after checking that this Whiskers can read the recording.

    Raises:
        RecordingError: If it is not a recording, was written by a newer Whiskers, or its scene was changed.
    """
    manifest = _read(folder)
    scene = manifest.get("scene")
    name = scene.get("file") if isinstance(scene, dict) else None
    if not isinstance(scene, dict) or not isinstance(name, str):
        raise RecordingError(f"Recording {folder}: {MANIFEST} lacks the field scene.file.")
    path = _inside(folder, name)
    checksums = scene.get("sha256", {})  # recordings of the first releases have none
    if not isinstance(checksums, dict):
        raise RecordingError(f"Recording {folder}: scene.sha256 in {MANIFEST} must be a table.")
    for file, checksum in checksums.items():
        try:
            found = _sha256(_inside(folder, file))
        except OSError as error:
            raise RecordingError(f"Recording {folder}: {file} cannot be read ({error.strerror}).") from None
        if found != checksum:
            raise RecordingError(
                f"Recording {folder}: {file} was changed after the recording, so its pictures would show what never "
                f"was; take its line out of scene.sha256 in {MANIFEST} to open it all the same."
            )
    return path


def _read(folder: Path) -> dict[str, Plain]:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _LARGEST:
            raise RecordingError(f"{folder} is not a recording: {MANIFEST} is larger than {_LARGEST >> 20} MiB.")
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordingError(f"{folder} is not a recording: {MANIFEST} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"Recording {folder}: {MANIFEST} is not valid JSON ({error}).") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise RecordingError(f"{folder} is not a recording: {MANIFEST} does not say format {FORMAT!r}.")
    version = manifest.get("version")
    if not isinstance(version, int) or version < 1:
        raise RecordingError(f"Recording {folder}: {MANIFEST} has no version.")
    if version > VERSION:
        raise RecordingError(
            f"Recording {folder} was written by a newer Whiskers (format {version}, this one reads {VERSION}): "
            "update Whiskers to open it."
        )
    return cast(dict[str, Plain], manifest)


def _inside(folder: Path, name: str) -> Path:
    """A file of the recording. What it names outside its folder is not its own and is not read."""
    if not is_within(name) or not name.startswith(f"{SCENE_FOLDER}/"):
        raise RecordingError(f"Recording {folder}: {MANIFEST} names {name!r}, which is not in {SCENE_FOLDER}/.")
    return folder.joinpath(*PurePosixPath(name).parts)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
