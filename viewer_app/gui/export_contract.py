"""What the window needs to make videos: someone who draws and encodes them beside the session.

The window imports no file format. Whoever starts it hands an exporter in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from viewer_app.gui.looked_at import Footage
from viewer_app.types import WhiskersError
from viewer_app.video_order import Preview, VideoOrder
from viewer_app.view import View


@dataclass(frozen=True)
class ExportProgress:
    """How far an export is."""

    done: int
    """Pictures that are drawn and encoded."""
    total: int
    """Pictures in all, 0 while it waits for its turn."""


@dataclass(frozen=True)
class ExportDone:
    """What was written."""

    sentence: str
    """For a person; names the path."""
    path: Path


class ExportCancelledError(WhiskersError):
    """A person did not want the video any more."""


class Export(Protocol):
    """One video that is being made, polled once a frame from the window's thread."""

    @property
    def path(self) -> Path:
        """Where it will be."""
        ...

    def poll(self) -> ExportProgress | ExportDone | WhiskersError:
        """How far it is; what was written; or why nothing was. Never waits."""
        ...

    def cancel(self) -> None:
        """Stop it. Nothing is left of it."""
        ...


@dataclass(frozen=True)
class PreviewWish:
    """What to show a preview of."""

    order: VideoOrder
    view: View
    trace: str | None
    """The trace looked at, if the order has it; None is the one being written."""
    clock: int
    """The step looked at, in all lanes."""
    room: tuple[int, int]
    """Width and height that the picture must fit into. [px]"""


class Exporter(Protocol):
    """Makes videos, one after another, and previews of them. Used from the window's thread alone; nothing waits."""

    def begin(self, order: VideoOrder, view: View) -> Export:
        """Take an order on traces of a view, as long as they are now.

        Raises:
            WhiskersError: If it cannot be carried out.
        """
        ...

    def develop(self, footage: Footage, path: Path) -> Export:
        """Make a video of what was looked at.

        Raises:
            WhiskersError: If another one is being written there.
        """
        ...

    def look(self, wish: PreviewWish) -> None:
        """Ask for a preview, in place of any asked for before."""
        ...

    @property
    def preview(self) -> Preview | None:
        """The latest one; its estimate comes before its picture."""
        ...

    def rest(self) -> None:
        """No preview is needed for now."""
        ...

    def close(self) -> None:
        """Cancel all that is being made, and wait until nothing is left of it."""
        ...
