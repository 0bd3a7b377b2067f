"""The doctor beside the window: reads the files of each lane's checkpoint on a thread, and tries it when asked to."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from viewer_app.doctor.checkup import Checkup, Order
from viewer_app.doctor.finding import Finding
from viewer_app.gui.contracts import Examination, Files, LoadProgress
from viewer_app.scene import Scene
from viewer_app.types import WhiskersError


class Checkups:
    """One report for each lane. Used from the window's thread alone."""

    def __init__(self, files: Files, scene: Scene) -> None:
        """
        Args:
            files: Who looks at checkpoints.
            scene: Of all lanes.
        """
        self._files = files
        self._scene = scene
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="doctor")
        self._reading: dict[int, Future[tuple[Finding, ...]]] = {}
        self._trying: dict[int, Examination] = {}
        self._known: dict[int, Checkup] = {}

    def of(self, lane: int) -> Checkup | None:
        """What is known of a lane's checkpoint, None where it has none."""
        return self._known.get(lane)

    def look(self, lane: int, order: Order) -> None:
        """Look at a checkpoint's files. What was known of another is forgotten."""
        self.stop(lane)
        reading = self._reading.pop(lane, None)
        if reading is not None:
            reading.cancel()
        self._known[lane] = Checkup(order, doing="Reading the files")
        self._reading[lane] = self._pool.submit(self._files.look_at_files, order, self._scene)

    def attempt(self, lane: int, prompt: str) -> None:
        """Load the checkpoint once more, beside the session, and try it.

        Args:
            lane: Whose.
            prompt: What the policy is told to do there.
        """
        known = self._known.get(lane)
        if known is None or known.doing:
            return
        order = replace(known.order, prompt=prompt)
        self._trying[lane] = self._files.try_checkpoint(order)
        self._known[lane] = replace(known, order=order, doing="Starting", fraction=0.0, complaint="")

    def stop(self, lane: int) -> None:
        """Give a trial up."""
        trial = self._trying.pop(lane, None)
        if trial is not None:
            trial.close()
            self._known[lane] = replace(self._known[lane], doing="")

    def cured(self, lane: int, finding: Finding, words: str) -> None:
        """Tell that a finding was mended by a setting of the session."""
        known = self._known.get(lane)
        if known is not None:
            done = Finding("mended", "info", f"Mended for this session: {words} ({finding.id}).", "")
            kept = tuple(each for each in known.findings if each != finding)
            self._known[lane] = replace(known, findings=(*kept, done))

    def poll(self) -> None:
        """Hear what the thread and the processes have to say. Never waits."""
        for lane in [lane for lane, reading in self._reading.items() if reading.done()]:
            reading = self._reading.pop(lane)
            self._known[lane] = _read(self._known[lane], reading)
        for lane, trial in list(self._trying.items()):
            said = trial.poll()
            known = self._known[lane]
            if isinstance(said, LoadProgress):
                if (said.text, said.fraction) != (known.doing, known.fraction):
                    self._known[lane] = replace(known, doing=said.text, fraction=said.fraction)
                continue
            self._trying.pop(lane).close()
            if isinstance(said, WhiskersError):
                self._known[lane] = replace(known, doing="", complaint=str(said))
            else:
                self._known[lane] = replace(known, findings=said, doing="", tried=True)

    def close(self) -> None:
        """End the trials, and the thread after the files that it reads."""
        for trial in self._trying.values():
            trial.close()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _read(known: Checkup, reading: Future[tuple[Finding, ...]]) -> Checkup:
    try:
        return replace(known, findings=reading.result(), read=True, doing="")
    except WhiskersError as error:
        return replace(known, doing="", complaint=str(error))
    except Exception as error:  # Files from anywhere; the session is worth more than a report.
        words = f"The files could not be looked at ({type(error).__name__}: {' '.join(str(error).split())[:300]})."
        return replace(known, doing="", complaint=words)
