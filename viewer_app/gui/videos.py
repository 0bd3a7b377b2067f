"""The videos of one window: those being made, the preview of the one being ordered, and what is being recorded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from viewer_app.gui.contracts import Files
from viewer_app.gui.export_contract import (
    Export,
    ExportCancelledError,
    ExportDone,
    Exporter,
    ExportProgress,
    PreviewWish,
)
from viewer_app.gui.looked_at import LookedAt
from viewer_app.render import Shot
from viewer_app.scene import Scene
from viewer_app.video_order import Preview, VideoOrder
from viewer_app.view import Frame, View

_CALM = 0.5
"""How long a preview stands at least while the step looked at moves on. [s]"""


@dataclass(frozen=True)
class Running:
    """The export in progress, for the person."""

    name: str
    done: int
    total: int
    """0 while it has not begun."""
    waiting: int
    """How many others wait for their turn."""


class Videos:
    """Used from the window's thread alone; nothing here waits, `close` aside."""

    def __init__(self, exporter: Exporter, files: Files) -> None:
        """
        Args:
            exporter: Makes the videos.
            files: Says where recordings go, and what is suggested to orders.
        """
        self._exporter = exporter
        self._files = files
        self._exports: list[Export] = []
        self._recording: LookedAt | None = None
        self._ordered: tuple[object, ...] = ()  # what a preview was asked for last
        self._looked_at: tuple[object, ...] = ()  # at which moment
        self._asked_at = 0.0  # [s]

    # Orders.

    def new_path(self, name: str = "video.mp4") -> Path:
        """Where the next video may go: nothing is there, and nothing will be.

        Raises:
            WhiskersError: If the folder cannot be made.
        """
        path = self._files.new_file(name)
        taken = {each.path for each in self._exports}
        if path not in taken:
            return path
        stem = re.sub(r"-\d+$", "", path.stem)
        others = (path.with_name(f"{stem}-{number}{path.suffix}") for number in count(1))
        return next(each for each in others if each not in taken and not each.exists())

    def export(self, order: VideoOrder, view: View) -> None:
        """Make a video beside the session.

        Raises:
            WhiskersError: If it cannot be made.
        """
        self._exports.append(self._exporter.begin(order, view))

    def preview(self, order: VideoOrder, frame: Frame, room: tuple[int, int], now: float) -> Preview | None:
        """What an order will look like at the step looked at, as far as that is known. Call it every frame.

        Args:
            order: As it stands in the dialog.
            frame: What is looked at.
            room: Width and height that the picture must fit into. [px]
            now: Wall clock. [s]
        """
        ordered = (order, room)
        moment = (tuple((lane.trace, lane.length, lane.lane.answers) for lane in frame.lanes), frame.clock)
        moved = moment != self._looked_at and now - self._asked_at > _CALM
        if ordered != self._ordered or moved:
            self._ordered, self._looked_at, self._asked_at = ordered, moment, now
            self._exporter.look(PreviewWish(order, frame.view, frame.focus.trace, frame.clock, room))
        return self._exporter.preview

    def rest(self) -> None:
        """The dialog is closed."""
        if self._ordered:
            self._ordered = self._looked_at = ()
            self._exporter.rest()

    # What is looked at.

    def record(self, scene: Scene, shots: tuple[Shot, ...], size: tuple[int, int], columns: int, now: float) -> None:
        """Begin to record, or end it and have the video made.

        Args:
            scene: What is shown.
            shots: What is looked at, one for each lane.
            size: Width and height of each lane's picture in the window. [px]
            columns: In how many columns the window shows the lanes.
            now: Wall clock. [s]

        Raises:
            WhiskersError: If there is nothing to record, or nowhere to put it.
        """
        if self._recording is None:
            self._recording = LookedAt(scene, shots, size, columns, now)
        else:
            self.end_recording(now)

    def watch(self, shots: tuple[Shot, ...], now: float) -> None:
        """Tell what is looked at. Call it every frame."""
        if self._recording is not None:
            self._recording.see(shots, now)

    def end_recording(self, now: float) -> None:
        """Have a video made of what was recorded, if anything is. Call it before another session is opened.

        Raises:
            WhiskersError: If there is nowhere to put it.
        """
        if self._recording is not None:
            path = self.new_path("looked-at.mp4")
            self._exports.append(self._exporter.develop(self._recording.end(now), path))
            self._recording = None

    @property
    def recording_since(self) -> float | None:
        """Wall clock at which the recording began, None while there is none. [s]"""
        return self._recording.begin if self._recording is not None else None

    # What is being made.

    @property
    def running(self) -> Running | None:
        """The export in progress, None without any. Call `poll` first."""
        if not self._exports:
            return None
        progress = self._exports[0].poll()
        done, total = (progress.done, progress.total) if isinstance(progress, ExportProgress) else (1, 1)
        return Running(self._exports[0].path.name, done, total, len(self._exports) - 1)

    def poll(self) -> list[tuple[str, bool]]:
        """Sentences of the exports that ended since the last call, and whether each is a complaint."""
        said: list[tuple[str, bool]] = []
        for export in list(self._exports):
            found = export.poll()
            if isinstance(found, ExportProgress):
                continue
            self._exports.remove(export)
            sentence = found.sentence if isinstance(found, ExportDone) else str(found)
            said.append((sentence, not isinstance(found, ExportDone | ExportCancelledError)))
        return said

    def cancel(self) -> None:
        """Stop the export in progress. Those that wait go on."""
        if self._exports:
            self._exports[0].cancel()

    def close(self) -> None:
        """Stop everything, and wait until nothing is left of it. What is being recorded is given up."""
        self._recording = None
        self._exporter.close()
