"""A recording: a folder that holds everything needed to look at a session again, without its checkpoint.

recording.json     format and version, the scene's text file, what drove it
scene/             the scene's files by value
trace-0001.wtr     one append-only file a trace, branches and earlier episodes too
"""

from __future__ import annotations

import datetime
import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path
from typing import cast

from recordings.blocks import Plain
from recordings.plain import policy_to_plain
from recordings.trace_file import ReadTrace, RecordingError, TraceWriter, read_trace
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import PolicyInfo
from viewer_app.view import Snippet, View
from viewer_app.world import MujocoWorld

FORMAT = "whiskers-recording"
VERSION = 3
"""Format 2 added overlap blending, simulated latency and late chunks; format 3 the number of denoising steps, real-time
chunking and mapped cameras. Earlier formats are read as having none of them."""
MANIFEST = "recording.json"
_TRACE_SUFFIX = ".wtr"


@dataclass(frozen=True)
class LaneSnippet:
    """A trace, how much of it may be read, and the lane it belongs to."""

    snippet: Snippet
    lane: int = 0


def snippets_of(view: View) -> tuple[LaneSnippet, ...]:
    """All traces of a session, lane by lane, oldest first."""
    return tuple(
        LaneSnippet(snippet, number) for number, lane in enumerate(view.lanes) for snippet in (*lane.earlier, lane.now)
    )


@dataclass(frozen=True)
class Recording:
    """A recording that was opened."""

    folder: Path
    scene: Scene
    """Compiled from the recording's own copy."""
    lanes: tuple[tuple[Trace, ...], ...]
    """The traces of each lane, oldest first. At least one lane with at least one trace."""
    policies: tuple[PolicyInfo, ...]
    """What drove the lanes when the recording began. Their checkpoints are not needed to look at it."""
    notes: tuple[str, ...]
    """One sentence for each trace that was not read to the end of its file."""


def is_recording(path: Path) -> bool:
    """Whether a path looks like a recording rather than a checkpoint."""
    return (path / MANIFEST).is_file()


def begin_recording(folder: Path, scene: Scene, policies: Sequence[PolicyInfo]) -> None:
    """Make a recording's folder, without traces yet.

    Raises:
        RecordingError: If the folder holds a recording already, or cannot be written.
    """
    if is_recording(folder):
        raise RecordingError(f"Folder {folder} holds a recording already; choose another one.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scene_file = _copy_scene(scene, folder)
        manifest: dict[str, Plain] = {
            "format": FORMAT,
            "version": VERSION,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "scene": {"name": scene.name, "file": scene_file},
            "policies": [policy_to_plain(policy) for policy in policies],
        }
        # Last, because it is what makes the folder a recording.
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    except OSError as error:
        raise write_error(folder, error) from None


def write_error(folder: Path, error: OSError) -> RecordingError:
    """What a person is told when the system refuses to write."""
    return RecordingError(
        f"Recording {folder} cannot be written ({error.strerror or error}); what was written before stays readable."
    )


def trace_path(folder: Path, number: int) -> Path:
    """Where trace `number`, counted from 1, is written."""
    return folder / f"trace-{number:04d}{_TRACE_SUFFIX}"


def save(folder: Path, scene: Scene, traces: Sequence[LaneSnippet], policies: Sequence[PolicyInfo] = ()) -> None:
    """Write a whole session at once.

    Raises:
        RecordingError: If the folder holds a recording already, or cannot be written.
    """
    begin_recording(folder, scene, policies)
    try:
        for number, each in enumerate(traces, start=1):
            writer = TraceWriter(trace_path(folder, number), each.snippet.trace, each.lane)
            try:
                writer.catch_up(each.snippet.length)
                writer.sync()
            finally:
                writer.close()
    except OSError as error:
        raise write_error(folder, error) from None


def open_recording(folder: Path) -> Recording:
    """Open a recording, as far as it was written whole.

    Raises:
        RecordingError: If it is not a recording, was written by a newer Whiskers, or nothing of it can be read.
        SceneError: If its scene cannot be used.
    """
    manifest = _manifest(folder)
    try:
        scene_file = folder / str(cast(dict[str, Plain], manifest["scene"])["file"])
    except (KeyError, TypeError):
        raise RecordingError(f"Recording {folder}: {MANIFEST} lacks the field scene.file.") from None
    scene = Scene.load(scene_file)
    read: list[ReadTrace] = []
    notes: list[str] = []
    paths = sorted(folder.glob(f"trace-*{_TRACE_SUFFIX}"))
    if not paths:
        raise RecordingError(f"Recording {folder} holds no trace.")
    for path in paths:
        try:
            each = read_trace(path)
        except RecordingError as error:
            notes.append(str(error))
            continue
        _check_sizes(each.trace, scene, path)
        read.append(each)
        if each.torn:
            notes.append(f"{path.name}: {len(each.trace)} steps were recovered, then {each.torn}.")
    if not read:
        raise RecordingError(notes[0])
    lanes = sorted({each.lane for each in read})
    of_lane = tuple(tuple(each.trace for each in read if each.lane == lane) for lane in lanes)
    policies = tuple(traces[-1].policy for traces in of_lane)
    return Recording(folder, scene, of_lane, tuple(each for each in policies if each is not None), tuple(notes))


def _manifest(folder: Path) -> dict[str, Plain]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordingError(f"{folder} is not a recording: {MANIFEST} cannot be read ({error.strerror}).") from None
    except ValueError as error:
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
    return manifest


def _check_sizes(trace: Trace, scene: Scene, path: Path) -> None:
    """A scene that was edited after the recording would draw something that never was."""
    needed = len(MujocoWorld(scene).snapshot())
    found = len(trace.snapshot(0))
    if needed != found:
        raise RecordingError(
            f"Trace file {path} holds states of {found} numbers; the recording's scene has {needed}: "
            "the scene's files were changed after the recording."
        )


def _copy_scene(scene: Scene, folder: Path) -> str:
    """Copy the scene's files, keeping how they lie relative to one another.

    Returns:
        Where the scene's text file is, relative to the recording's folder.
    """
    text = scene.path.resolve()
    model = (text.parent / scene.spec.model).resolve()
    files = [text, *dict.fromkeys(_model_files(model, model.parent))]
    root = Path(commonpath([file.parent for file in files]))
    for file in files:
        target = folder / "scene" / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return str(Path("scene") / text.relative_to(root).as_posix())


def _model_files(model: Path, base: Path) -> Iterator[Path]:
    """An MJCF file and all files that it names: included models, meshes, textures, height fields.

    Args:
        model: The file.
        base: Folder of the main model, which MuJoCo resolves names against.
    """
    yield model
    try:
        tree = ElementTree.parse(model)
    except ElementTree.ParseError as error:
        raise RecordingError(f"Scene model {model} cannot be copied into a recording: {error}.") from None
    folders = {base, model.parent}
    for compiler in tree.iter("compiler"):
        folders |= {base / compiler.get(key, ".") for key in ("meshdir", "texturedir", "assetdir")}
    for element in tree.iter():
        for key, name in element.attrib.items():
            # A cube texture names six files: fileright, fileleft and so on.
            if not key.startswith("file"):
                continue
            for candidate in dict.fromkeys((folder / name).resolve() for folder in sorted(folders)):
                if candidate.is_file():
                    yield from _model_files(candidate, base) if element.tag == "include" else (candidate,)
