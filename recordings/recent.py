"""The checkpoints and recordings that were opened last, remembered in the person's configuration folder.

Nothing here raises: what cannot be read or written is told in one sentence, and work goes on without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from recordings.camera_memory import configuration_folder, write_text_whole
from viewer_app.types import WhiskersError

MOST = 20
"""Of what is remembered."""
_FORMAT = 1


class RecentFiles:
    """What was opened, newest first."""

    def __init__(self, complain: Callable[[str], None], folder: Path | None = None) -> None:
        """
        Args:
            complain: Told in one sentence what could not be read or written.
            folder: In place of the person's configuration folder.
        """
        self._complain = complain
        self._folder = folder

    def sources(self) -> tuple[str, ...]:
        """Folders, files, hub ids and `demo:` names, newest first. What is not there now is left out."""
        return tuple(each for each in self._remembered() if not Path(each).is_absolute() or _is_there(each))

    def remember(self, source: str) -> None:
        """Put something that was opened in front.

        Args:
            source: As a person gave it: a path, a hub id or a `demo:` name.
        """
        known = str(Path(source).expanduser().resolve()) if _is_there(source) else source
        sources = [known, *(each for each in self._remembered() if each != known)][:MOST]
        try:
            file = self._file()
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_text_whole(file, json.dumps({"format": _FORMAT, "opened": sources}, indent=1) + "\n")
            except OSError as error:
                raise WhiskersError(
                    f"What was opened could not be remembered in {file} ({error.strerror or error})."
                ) from None
        except WhiskersError as error:
            self._complain(str(error))

    def _file(self) -> Path:
        return (configuration_folder() if self._folder is None else self._folder) / "recent.json"

    def _remembered(self) -> list[str]:
        try:
            return _read(self._file())
        except WhiskersError as error:
            self._complain(str(error))
        return []


def _is_there(source: str) -> bool:
    try:
        return Path(source).expanduser().exists()
    except (OSError, RuntimeError):  # a name too long, a folder that may not be looked into, no home folder
        return False


def _read(file: Path) -> list[str]:
    """
    Raises:
        WhiskersError: If there is a file that is not such a list.
    """
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, RecursionError):
        reason = "it is not JSON"
    else:
        opened = table.get("opened") if isinstance(table, dict) and table.get("format") == _FORMAT else None
        if isinstance(opened, list) and all(isinstance(each, str) and "\0" not in each for each in opened):
            return opened[:MOST]
        reason = "it holds no list of what was opened"
    raise WhiskersError(f"The list of recent files in {file} is ignored ({reason}); it begins anew.")
