"""Videos for the window: exports one after another on a thread of their own, beside the session, and previews."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from viewer_app.export import Exported, export
from viewer_app.exporting.developing import develop
from viewer_app.exporting.order_plan import plan_of
from viewer_app.exporting.preview_thread import PreviewThread
from viewer_app.gui.export_contract import Export, ExportCancelledError, ExportDone, ExportProgress, PreviewWish
from viewer_app.gui.looked_at import Footage
from viewer_app.types import WhiskersError
from viewer_app.video_order import Preview, VideoOrder
from viewer_app.view import View

__all__ = ["VideoExporter"]

_NICENESS = 15
"""How far exports stand behind the window, the session and the previews."""

Work = Callable[[Callable[[int, int], None], Callable[[], bool]], Exported | None]
"""Makes a video, given whom to tell how far it is and whom to ask whether to stop."""


class _Job:
    """One video. Implements `export_contract.Export`."""

    def __init__(self, path: Path, work: Work) -> None:
        self._path = path
        self._work = work
        self._progress = ExportProgress(0, 0)
        self._ended: ExportDone | WhiskersError | None = None
        self._begun = False
        self._stopping = False

    @property
    def path(self) -> Path:
        return self._path

    def poll(self) -> ExportProgress | ExportDone | WhiskersError:
        if self._stopping and not self._begun:
            return self._cancelled()
        return self._progress if self._ended is None else self._ended

    def cancel(self) -> None:
        self._stopping = True

    @property
    def unfinished(self) -> bool:
        return isinstance(self.poll(), ExportProgress)

    def run(self) -> None:
        """Make it, on the calling thread."""
        if self._stopping:
            return
        self._begun = True
        try:
            done = self._work(self._report, lambda: self._stopping)
            self._ended = self._cancelled() if done is None else ExportDone(_sentence(done), self._path)
        except WhiskersError as error:
            self._ended = error
        except Exception as error:  # The session is worth more than one video.
            words = " ".join(str(error).split())[:300]
            self._ended = WhiskersError(f"Exporting {self._path} failed with {type(error).__name__}: {words}")

    def _report(self, done: int, total: int) -> None:
        self._progress = ExportProgress(done, total)

    def _cancelled(self) -> ExportCancelledError:
        return ExportCancelledError(f"Exporting {self._path.name} was cancelled; nothing of it was left behind.")


def _sentence(done: Exported) -> str:
    return f"Exported {done.seconds:.1f} s, {done.width}x{done.height}, to {done.file}"


class VideoExporter:
    """Makes videos one after another. Implements `export_contract.Exporter`."""

    def __init__(self) -> None:
        self._jobs: list[_Job] = []
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._previews: PreviewThread | None = None
        self._retired: list[PreviewThread] = []  # those that may still be drawing

    def begin(self, order: VideoOrder, view: View) -> Export:
        return self._take(order.path, partial(export, plan_of(order, view)))

    def develop(self, footage: Footage, path: Path) -> Export:
        return self._take(path, partial(develop, footage, path))

    def _take(self, path: Path, work: Work) -> Export:
        self._jobs = [job for job in self._jobs if job.unfinished]
        if any(job.path == path for job in self._jobs):
            raise WhiskersError(f"{path} is being exported already; choose another name.")
        job = _Job(path, work)
        self._jobs.append(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="exports", daemon=True)
            self._thread.start()
        self._queue.put(job)
        return job

    def _run(self) -> None:
        if sys.platform == "linux":
            # What it starts inherits this: the threads that draw, and ffmpeg.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        while (job := self._queue.get()) is not None:
            job.run()

    def look(self, wish: PreviewWish) -> None:
        if self._previews is None:
            self._previews = PreviewThread()
            self._previews.start()
        self._previews.want(wish)

    @property
    def preview(self) -> Preview | None:
        return self._previews.preview if self._previews is not None else None

    def rest(self) -> None:
        if self._previews is not None:
            # It ends, and frees its OpenGL objects, as soon as it has drawn what it is drawing.
            self._retired = [each for each in (*self._retired, self._previews) if not each.stop(0.0)]
            self._previews = None

    def close(self) -> None:
        for job in self._jobs:
            job.cancel()
        self.rest()
        for each in self._retired:
            each.stop()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
