"""Start positions that a person saved, a file each, in the configuration folder: one folder for each scene."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from recordings.camera_memory import configuration_folder, write_text_whole
from viewer_app.scene import Scene
from viewer_app.start_positions import StartError, read_start, to_text
from viewer_app.types import Positions

_NAME = re.compile(r"[\w][\w .+-]{0,59}")


class SavedStarts:
    """The start positions of one scene."""

    def __init__(self, scene: Scene, folder: Path | None = None) -> None:
        """
        Args:
            scene: Of the positions.
            folder: In place of the person's configuration folder.
        """
        self._scene = scene
        self._folder = folder

    def names(self) -> Sequence[str]:
        """In alphabetical order."""
        try:
            return sorted(path.stem for path in self._place().glob("*.toml") if path.is_file())
        except OSError:  # A folder that may not be looked into holds nothing for this person.
            return ()

    def save(self, positions: Positions, name: str) -> Path:
        """Write positions under a name, in place of what had it.

        Raises:
            StartError: If that is no name, or they cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise StartError(f"{name!r} cannot be the name of a file; use letters, digits, spaces, - and _.")
        path = self._place() / f"{name}.toml"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text_whole(path, to_text(self._scene, positions))
        except OSError as error:
            raise StartError(f"Start positions {path} cannot be written ({error.strerror or error}).") from None
        return path

    def load(self, name: str) -> Positions:
        """
        Raises:
            WhiskersError: If there are none of that name, or they do not suit the scene.
        """
        return read_start(self._place() / f"{name}.toml", self._scene)

    def _place(self) -> Path:
        """The folder's name is for people; the hash keeps scenes apart."""
        folder = configuration_folder() if self._folder is None else self._folder
        digest = hashlib.sha256(self._scene.name.encode()).hexdigest()[:8]
        return folder / "starts" / f"{re.sub('[^A-Za-z0-9_-]+', '-', self._scene.name)[:40]}-{digest}"
