"""A recording: a folder or one zip file, with all that is needed to look at a session again without its checkpoint.

What its files are called says `manifest.py`.
"""

from __future__ import annotations

import shutil
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path

from recordings.archive import is_archive, pack, unpack
from recordings.manifest import MANIFEST, SCENE_FOLDER, scene_file_of, trace_path, trace_paths, write_manifest
from recordings.trace_file import RecordingError, TraceWriter
from recordings.trace_reader import ReadTrace, read_trace
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import PolicyInfo
from viewer_app.view import Snippet, View
from viewer_app.world import MujocoWorld


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
    """Where its files lie; of a zip file a temporary folder that lasts until this process ends."""
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
    return (path / MANIFEST).is_file() or is_archive(path)


def begin_recording(folder: Path, scene: Scene, policies: Sequence[PolicyInfo]) -> None:
    """Make a recording's folder, without traces yet.

    Raises:
        RecordingError: If the folder holds a recording already, or cannot be written.
    """
    if (folder / MANIFEST).is_file():
        raise RecordingError(f"Folder {folder} holds a recording already; choose another one.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scene_file = _copy_scene(scene, folder)
        # Last, because it is what makes the folder a recording.
        write_manifest(folder, scene.name, scene_file, policies)
    except OSError as error:
        raise write_error(folder, error) from None


def write_error(folder: Path, error: OSError) -> RecordingError:
    """What a person is told when the system refuses to write."""
    return RecordingError(
        f"Recording {folder} cannot be written ({error.strerror or error}); what was written before stays readable."
    )


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


def save_zip(
    path: Path, scene: Scene, traces: Sequence[LaneSnippet], policies: Sequence[PolicyInfo] = (), force: bool = False
) -> None:
    """Write a whole session as one file, to be handed on.

    Args:
        path: What it is to be called.
        scene, traces, policies: As for `save`.
        force: Whether a file of that name may be replaced.

    Raises:
        RecordingError: If there is such a file already, or it cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="whiskers-") as folder:
            save(Path(folder) / path.stem, scene, traces, policies)
            pack(Path(folder) / path.stem, path, force)
    except OSError as error:
        raise write_error(path, error) from None


def open_recording(path: Path) -> Recording:
    """Open a recording, as far as it was written whole.

    Args:
        path: Its folder, or its zip file.

    Raises:
        RecordingError: If it is not a recording, was written by a newer Whiskers, or nothing of it can be read.
        SceneError: If its scene cannot be used.
    """
    folder = unpack(path) if is_archive(path) else path
    scene = Scene.load(scene_file_of(folder), by_person=False)
    read: list[ReadTrace] = []
    notes: list[str] = []
    paths = trace_paths(folder)
    if not paths:
        raise RecordingError(f"Recording {folder} holds no trace.")
    state_size = len(MujocoWorld(scene).snapshot())
    for each_path in paths:
        try:
            each = read_trace(each_path)
        except RecordingError as error:
            notes.append(str(error))
            continue
        _check_sizes(each.trace, scene, state_size, each_path)
        read.append(each)
        if each.torn:
            notes.append(f"{each_path.name}: {len(each.trace)} steps were recovered, then {each.torn}.")
    if not read:
        raise RecordingError(notes[0])
    lanes = sorted({each.lane for each in read})
    of_lane = tuple(tuple(each.trace for each in read if each.lane == lane) for lane in lanes)
    policies = tuple(traces[-1].policy for traces in of_lane)
    return Recording(folder, scene, of_lane, tuple(each for each in policies if each is not None), tuple(notes))


def _check_sizes(trace: Trace, scene: Scene, state_size: int, path: Path) -> None:
    """A scene that was edited after the recording would draw something that never was."""
    for what, found, needed in (
        ("states", len(trace.snapshot(0)), state_size),
        ("proprioception", trace.column("state").shape[1], scene.n_state),
        ("actions", trace.column("action").shape[1] if len(trace) else scene.n_action, scene.n_action),
    ):
        if needed != found:
            raise RecordingError(
                f"Trace file {path} holds {what} of {found} numbers; the recording's scene has {needed}: "
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
        target = folder / SCENE_FOLDER / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return f"{SCENE_FOLDER}/{text.relative_to(root).as_posix()}"


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
