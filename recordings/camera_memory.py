"""Where it is remembered which of a scene's cameras a checkpoint is shown in place of its own.

One small JSON file for each pair of checkpoint and scene, in the person's configuration folder: two windows that
remember something at the same moment cannot lose each other's, and a damaged file costs no other pair. Nothing here
raises: what cannot be read or written is told in one sentence, and the mapping is asked for again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType

from viewer_app.camera_names import CameraMapping
from viewer_app.types import WhiskersError

OVERRIDE = "WHISKERS_CONFIG"
"""Environment variable that names another configuration folder."""
_FORMAT = 1


def configuration_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Where this person's settings are kept on this system. Need not exist.

    Raises:
        WhiskersError: If the system knows no home folder of theirs.
    """
    if environment.get(OVERRIDE):
        return Path(environment[OVERRIDE])
    if platform == "win32" and environment.get("APPDATA"):
        return Path(environment["APPDATA"]) / "whiskers"
    # The XDG specification has relative paths ignored.
    if platform not in ("win32", "darwin") and os.path.isabs(environment.get("XDG_CONFIG_HOME", "")):
        return Path(environment["XDG_CONFIG_HOME"]) / "whiskers"
    try:
        home = Path.home()
    except RuntimeError:
        raise WhiskersError(f"There is no home folder to keep settings in; name a folder in {OVERRIDE}.") from None
    within = {"win32": ("AppData", "Roaming"), "darwin": ("Library", "Application Support")}.get(platform, (".config",))
    return home.joinpath(*within, "whiskers")


class CameraMemory:
    """What was decided about the cameras of each pair."""

    def __init__(self, complain: Callable[[str], None], folder: Path | None = None) -> None:
        """
        Args:
            complain: Told in one sentence what could not be read or written.
            folder: In place of the person's configuration folder.
        """
        self._complain = complain
        self._folder = folder

    def recall(self, digest: str, scene: str) -> CameraMapping | None:
        """What was remembered, None where nothing was, or it cannot be read.

        Args:
            digest: Of the checkpoint, without a mapping.
            scene: The scene's name.
        """
        try:
            return _read(self._file(digest, scene), digest, scene)
        except WhiskersError as error:
            self._complain(str(error))
        return None

    def remember(self, digest: str, scene: str, mapping: CameraMapping) -> None:
        """Remember a mapping in place of the one before. A damaged file of this pair is kept beside it."""
        try:
            file = self._file(digest, scene)
            table = {"format": _FORMAT, "checkpoint": digest, "scene": scene, "cameras": dict(mapping)}
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                _keep_aside_if_damaged(file, digest, scene)
                write_text_whole(file, json.dumps(table, indent=1) + "\n")
            except OSError as error:
                raise WhiskersError(
                    f"The cameras of this checkpoint could not be remembered in {file} ({error.strerror or error}); "
                    "they hold until Whiskers is closed."
                ) from None
        except WhiskersError as error:
            self._complain(str(error))

    def forget(self, digest: str, scene: str) -> None:
        """Remember nothing about this pair."""
        try:
            file = self._file(digest, scene)
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise WhiskersError(f"File {file} could not be deleted ({error.strerror or error}).") from None
        except WhiskersError as error:
            self._complain(str(error))

    def _file(self, digest: str, scene: str) -> Path:
        """The file of a pair. Its name is for people; the hash keeps pairs apart."""
        folder = configuration_folder() if self._folder is None else self._folder
        pair = hashlib.sha256(json.dumps([digest, scene]).encode()).hexdigest()[:16]
        return folder / "cameras" / f"{re.sub('[^A-Za-z0-9_-]+', '-', scene)[:40]}-{pair}.json"


def _read(file: Path, digest: str, scene: str) -> CameraMapping | None:
    """
    Raises:
        WhiskersError: If there is a file that does not hold a mapping of this pair.
    """
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, RecursionError):
        reason = "it is not JSON"
    else:
        if isinstance(table, dict) and (table.get("format"), table.get("checkpoint"), table.get("scene")) == (
            _FORMAT,
            digest,
            scene,
        ):
            cameras = table.get("cameras")
            if isinstance(cameras, dict) and all(each is None or isinstance(each, str) for each in cameras.values()):
                return MappingProxyType(cameras)
        reason = "it holds no mapping of this checkpoint's cameras to this scene's"
    raise WhiskersError(f"Remembered cameras in {file} are ignored ({reason}); say anew which camera is which.")


def _keep_aside_if_damaged(file: Path, digest: str, scene: str) -> None:
    """Give a file that cannot be read another name, so that what a person wrote by hand is not lost."""
    try:
        _read(file, digest, scene)
    except WhiskersError:
        names = (file.with_name(f"{file.name}.damaged{number or ''}") for number in count())
        file.rename(next(name for name in names if not name.exists()))


def write_text_whole(file: Path, text: str) -> None:
    """Write a file so that a reader finds the old one or the new one, never half of it."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-")
    partial = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
