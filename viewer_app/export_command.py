"""`whiskers export`: recordings as a tiled video, a table, one zip file, a LeRobotDataset, or for Rerun."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from recordings.archive import pack
from recordings.columns import SUFFIXES, write_columns
from recordings.dataset_out import DatasetOptions
from recordings.folder import Recording, open_recording
from recordings.manifest import SCENE_FOLDER
from recordings.rerun_log import write_rrd
from recordings.takes import chosen, takes_in
from viewer_app.command_line import Export, given
from viewer_app.dataset_command import save_dataset
from viewer_app.export import Clip, Plan, Take, chosen_overlays, clips_of, export
from viewer_app.insight import lane_letter
from viewer_app.render import Viewport
from viewer_app.terminal import progress_bar, say, stop_on_interrupt, tell
from viewer_app.tiles import lay_out
from viewer_app.types import WhiskersError

_DONE, _INTERRUPTED = 0, 1
"""Exit codes."""
_VIDEO: tuple[str, ...] = (
    "range",
    "layout",
    "tile",
    "cameras",
    "overlays",
    "strips",
    "speed",
    "fps",
    "keep_partial",
    "trace",
    "lanes",
)
_DATASET = ("successes_only", "episodes_named", "image", "as_seen", "outcome")
_TABLE = ("columns", "trace", "lanes")
"""Options that are about one kind of output."""
_Recordings = Sequence[Recording]


def export_recordings(choice: Export) -> int:
    """Write what was asked for and say what it is. Returns the exit code.

    Raises:
        WhiskersError: If it cannot be meant so, a recording cannot be read, or the result cannot be written. Nothing is
            left behind then.
    """
    write = _way(choice)
    opened = [_opened(path) for path in choice.recordings]
    return write(choice, opened)


def _way(choice: Export) -> Callable[[Export, _Recordings], int]:
    """What writes it.

    Raises:
        WhiskersError: If the options do not go together.
    """
    if not choice.recordings:
        raise WhiskersError("export takes one or more recordings, folders or zip files; found none.")
    if (choice.out is None) == (choice.dataset is None):
        raise WhiskersError("export writes a file, --out FILE, or a dataset, --dataset ROOT; give one of them.")
    suffix = choice.out.suffix.lower() if choice.out is not None else ""
    way, noun = _video, "a video"
    allowed: tuple[str, ...] = _VIDEO
    if choice.dataset is not None:
        way, noun, allowed = _dataset, "a dataset", _DATASET
    elif suffix in SUFFIXES:
        way, noun, allowed = _table, "a table", _TABLE
    elif suffix == ".zip":
        way, noun, allowed = _zip, "a recording", ()
    elif suffix == ".rrd":
        way, noun, allowed = _rerun, "a Rerun recording", ("trace", "lanes")
    wrong = given(choice, (name for name in dict.fromkeys((*_VIDEO, *_DATASET, *_TABLE)) if name not in allowed))
    if wrong:
        raise WhiskersError(f"{', '.join(wrong)} says nothing about {noun}, which {choice.out or choice.dataset} is.")
    return way


def _opened(path: Path) -> Recording:
    recording = open_recording(path)
    for note in recording.notes:
        say(note)
    return recording


# Video.


def _tell(choice: Export, result: Mapping[str, object], sentence: str) -> None:
    tell(json.dumps(result) if choice.json else sentence)


# Video.


def _video(choice: Export, opened: _Recordings) -> int:
    plan = _plan(choice, opened)
    with progress_bar("picture") as report, stop_on_interrupt() as stop:
        video = export(plan, report, stop)
    if video is None:
        say(f"Interrupted; nothing was left at {plan.path}.")
        return _INTERRUPTED
    complete = video.frames == plan.frames
    if not complete:
        say(f"Interrupted after {video.frames} of {plan.frames} pictures; {plan.path} holds those.")
    words = f"{video.width}x{video.height}, {video.fps:g} pictures a second, {video.seconds:.1f} s"
    _tell(choice, asdict(video), f"{video.file}: {video.frames} pictures, {words}")
    return _DONE if complete else _INTERRUPTED


def _plan(choice: Export, opened: _Recordings) -> Plan:
    """
    Raises:
        WhiskersError: If there is no such video.
    """
    assert choice.out is not None
    scene = opened[0].scene
    clips: list[Clip] = []
    for path, recording in zip(choice.recordings, opened, strict=True):
        if _scene_files(recording) != _scene_files(opened[0]):
            raise WhiskersError(
                f"Recording {path} is of another scene than {choice.recordings[0]}; export them one by one."
            )
        begin, end = (0, None) if choice.range is None else choice.range
        for clip in clips_of(recording, choice.trace, begin, end, _lanes(choice)):
            note = " ".join(part for part in (path.stem if len(opened) > 1 else "", clip.note) if part)
            clips.append(replace(clip, note=note))
    counts = {len(clip.lanes) for clip in clips}
    if len(counts) > 1:
        raise WhiskersError("Recordings with different numbers of lanes do not make one video; choose --lanes.")
    layout = lay_out(scene, choice.cameras, choice.layout, choice.tile, chosen_overlays(choice.overlays), counts.pop())
    return Plan(
        scene=scene,
        clips=tuple(clips),
        layout=layout,
        path=choice.out,
        strips=choice.strips,
        fps=choice.fps,
        speed=choice.speed,
        force=choice.force,
        keep_partial=choice.keep_partial,
    )


def _lanes(choice: Export) -> tuple[int, ...]:
    """Numbers of the lanes that were named, counted from 0.

    Raises:
        WhiskersError: If a name is not a lane's.
    """
    letters = [lane_letter(number) for number in range(26)]
    for name in choice.lanes:
        if name not in letters:
            raise WhiskersError(f"--lanes takes letters, A for the first; found {name!r}.")
    return tuple(letters.index(name) for name in choice.lanes)


def _scene_files(recording: Recording) -> Mapping[str, bytes]:
    """The recording's own copy of its scene: each file's name and content."""
    root = recording.folder / SCENE_FOLDER
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


# The others.


def _table(choice: Export, opened: _Recordings) -> int:
    assert choice.out is not None
    recording, take = _one_trace(choice, opened)
    write_columns(choice.out, recording.scene, take.trace, take.length, choice.columns or None, choice.force)
    rows = take.length + 1
    result = {"file": str(choice.out), "trace": take.trace.name, "rows": rows}
    _tell(choice, result, f"{choice.out}: {take.trace.name}, {rows} rows")
    return _DONE


def _rerun(choice: Export, opened: _Recordings) -> int:
    assert choice.out is not None
    recording, take = _one_trace(choice, opened)
    with Viewport(recording.scene) as viewport, progress_bar("%") as report:
        write_rrd(
            choice.out,
            recording.scene,
            take.trace,
            take.length,
            viewport.seen,
            choice.force,
            lambda share: report(round(100 * share), 100),
        )
    result = {"file": str(choice.out), "trace": take.trace.name, "steps": take.length}
    _tell(choice, result, f"{choice.out}: {take.trace.name}, {take.length} steps; rerun {choice.out} opens it")
    return _DONE


def _one_trace(choice: Export, opened: _Recordings) -> tuple[Recording, Take]:
    """
    Raises:
        WhiskersError: If more than one was named, or none.
    """
    if len(opened) == 1:
        clips = clips_of(opened[0], choice.trace, lanes=_lanes(choice))
        takes = [take for clip in clips for take in clip.lanes]
        if len(takes) == 1:
            return opened[0], takes[0]
    raise WhiskersError(
        f"{choice.out} holds one episode of one lane; name one recording, and one of each with --trace and --lanes."
    )


def _zip(choice: Export, opened: _Recordings) -> int:
    assert choice.out is not None
    if len(opened) != 1:
        raise WhiskersError(f"{choice.out} holds one recording; {len(opened)} were named.")
    with progress_bar("%") as report:
        pack(opened[0].folder, choice.out, choice.force, lambda share: report(round(100 * share), 100))
    size = choice.out.stat().st_size
    sentence = f"{choice.out}: {size / 1000:.0f} kB; whiskers view {choice.out} opens it"
    _tell(choice, {"file": str(choice.out), "bytes": size}, sentence)
    return _DONE


def _dataset(choice: Export, opened: _Recordings) -> int:
    assert choice.dataset is not None
    takes = [take for recording in opened for take in takes_in(recording)]
    takes = chosen(takes, choice.successes_only, choice.episodes_named)
    options = DatasetOptions(choice.image, choice.as_seen, choice.outcome, force=choice.force)
    written = save_dataset(choice.dataset, takes, options)
    if written is None:
        return _INTERRUPTED
    result = {"dataset": str(written.root), "episodes": written.episodes, "frames": written.frames}
    _tell(choice, result, f"{written.root}: {written.episodes} episodes, {written.frames} frames")
    return _DONE
