"""A recording as one zip file, to be handed on. Knows the names of a recording's files, not what is in them.

A zip file from elsewhere is data that nobody vouches for: nothing of it is written outside the folder that it is
unpacked to, nor more of it than it states beforehand, nor more than a recording of its size can be.
"""

from __future__ import annotations

import atexit
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from recordings.manifest import MANIFEST, belongs, is_within, scene_file_of
from recordings.trace_file import RecordingError
from recordings.whole_file import whole_file

_SIGNATURE = b"PK\x03\x04"
_MOST_FILES = 10_000
_FREE = 256 << 20
"""What any zip file may unpack to. Beyond it counts how well it is compressed. [bytes]"""
_HIGHEST_RATIO = 200
"""Of unpacked to packed size. Each moment of a trace holds some bytes that no other one has, such as its time, in less
than 1 kB a joint or so; measured recordings shrink to about a third."""
_PIECE = 1 << 20
"""What is copied at a time. [bytes]"""


def is_archive(path: Path) -> bool:
    """Whether a path is a zip file, whole or not."""
    try:
        with path.open("rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE or path.suffix.lower() == ".zip"
    except OSError:
        return False


def pack(folder: Path, path: Path, force: bool = False, report: Callable[[float], None] = lambda share: None) -> None:
    """Make one file of a recording. It has its name only once it is whole.

    Args:
        folder: The recording. What else lies in it stays behind.
        path: What the file is to be called.
        force: Whether a file of that name may be replaced.
        report: Told the share that is done, 0 to 1. What it raises ends the packing and leaves no file.

    Raises:
        RecordingError: If the folder is no recording, there is such a file already, or it cannot be written.
    """
    scene_file_of(folder)
    names = sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())
    files = [folder / name for name in names if belongs(name)]
    with whole_file(path, force) as partial, zipfile.ZipFile(partial, "w") as archive:
        _add(archive, folder, files, report)


def _add(archive: zipfile.ZipFile, folder: Path, files: list[Path], report: Callable[[float], None]) -> None:
    total = max(sum(file.stat().st_size for file in files), 1)
    done = 0
    for file in files:
        member = zipfile.ZipInfo.from_file(file, file.relative_to(folder).as_posix(), strict_timestamps=False)
        member.compress_type = zipfile.ZIP_DEFLATED
        with file.open("rb") as source, archive.open(member, "w") as target:
            while piece := source.read(_PIECE):
                target.write(piece)
                done += len(piece)
                # A recording in the making may have grown meanwhile.
                report(min(done / total, 1.0))


def unpack(path: Path) -> Path:
    """Unpack a recording's zip file into a temporary folder that lasts until this process ends.

    Returns:
        The recording's folder.

    Raises:
        RecordingError: If it is no recording, is damaged, or would unpack to what no recording is.
    """
    try:
        temporary = Path(tempfile.mkdtemp(prefix="whiskers-"))
    except OSError as error:
        raise _refused(path, error) from None
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    folder = temporary / path.stem
    try:
        _unpack_to(folder, path)
    except RecordingError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def _unpack_to(folder: Path, path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            for name, member in _members(path, archive).items():
                _extract(archive, member, folder.joinpath(*PurePosixPath(name).parts))
    # What zipfile raises for a damaged file, in its own words and in those of what it calls.
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError) as error:
        raise RecordingError(f"Recording {path} is not a whole zip file ({error}); copy it anew.") from None
    except OSError as error:
        raise _refused(path, error) from None


def _refused(path: Path, error: OSError) -> RecordingError:
    return RecordingError(f"Recording {path} cannot be unpacked ({error.strerror or error}).")


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The recording's files among those of the zip file, by their names relative to the recording.

    Raises:
        RecordingError: If one of them is not acceptable, or there is no recording.
    """
    members = archive.infolist()
    strange = next((each.filename for each in members if not is_within(each.filename)), None)
    if strange is not None:
        raise RecordingError(f"Recording {path} is refused: its file {strange!r} would be written outside its folder.")
    # A folder that was zipped by hand is itself in the zip file.
    manifests = [each.filename for each in members if PurePosixPath(each.filename).name == MANIFEST]
    if not manifests:
        raise RecordingError(f"{path} is not a recording: the zip file holds no {MANIFEST}.")
    root = min(manifests, key=len).removesuffix(MANIFEST)
    of_name: dict[str, zipfile.ZipInfo] = {}
    for each in members:
        name = each.filename.removeprefix(root)
        if not each.filename.startswith(root) or each.is_dir() or not belongs(name):
            continue
        if name in of_name:
            raise RecordingError(f"Recording {path} is refused: it holds {name!r} twice.")
        if each.flag_bits & 1 or each.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RecordingError(f"Recording {path}: {name} is encrypted or packed in a way not read here.")
        of_name[name] = each
    size = sum(each.file_size for each in of_name.values())
    if len(of_name) > _MOST_FILES or size > max(_FREE, _HIGHEST_RATIO * path.stat().st_size):
        raise RecordingError(
            f"Recording {path} is refused: it would unpack to {len(of_name)} files of {size / 1e9:.1f} GB, "
            "which no recording of its size does."
        )
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if size > free:
        raise RecordingError(
            f"Recording {path} unpacks to {size / 1e9:.1f} GB; there are {free / 1e9:.1f} GB left in "
            f"{tempfile.gettempdir()}."
        )
    return of_name


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Write one file, as data, whatever else the zip file says that it is.

    zipfile reads no more than the size that the member states, and compares the checksum at its end.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, _PIECE)
