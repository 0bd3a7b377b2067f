"""The doctor's trial in a process of its own: it loads the checkpoint once more and drives it in a world of its own, so
that nothing of it can disturb the session, or cost the window a frame. And a process can be stopped at any moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from policies.process import Line, ParentGoneError
from policies.progress import Progress, within
from viewer_app.doctor.checkup import Order
from viewer_app.doctor.finding import Finding, in_order
from viewer_app.gui.contracts import LoadProgress
from viewer_app.gym_packages import trust_modules, trusted
from viewer_app.types import Policy, WhiskersError

_PATIENCE = 1.0
"""How long the child may take to leave by itself before it is killed. [s]"""


@dataclass(frozen=True)
class _Problem:
    """An error on its way from the child."""

    sentence: str


_Message = Progress | tuple[Finding, ...] | _Problem


class DoctorProcess:
    """One trial. Implements `contracts.Examination`."""

    def __init__(self, order: Order, device: str) -> None:
        """Begin at once.

        Args:
            order: What is to be tried.
            device: torch's name of where the policy is to run.
        """
        self._progress = Progress("Starting", 0.0)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(
            target=_serve, args=(order, device, theirs, trusted()), name="doctor", daemon=True
        )
        self._child.start()
        # The child's end must be open in the child alone: that is how either side learns that the other is gone.
        theirs.close()

    def poll(self) -> LoadProgress | tuple[Finding, ...] | WhiskersError:
        """How far it is; the findings, errors first; or why there are none. Never waits."""
        try:
            while self._pipe.poll():
                message: _Message = self._pipe.recv()
                if isinstance(message, _Problem):
                    return WhiskersError(message.sentence)
                if not isinstance(message, Progress):
                    return message
                self._progress = message
        except (EOFError, OSError):
            return WhiskersError("The trial's process ended without saying why; try it again.")
        return LoadProgress(self._progress.text, self._progress.fraction)

    def close(self) -> None:
        """End it, finished or not."""
        self._pipe.close()
        self._child.kill()
        self._child.join(_PATIENCE)


def _serve(order: Order, device: str, pipe: Connection, modules: frozenset[str]) -> None:
    """The child: load, try, tell, leave."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        os.nice(5)  # As policies in use: behind the window's frames.
    # What libraries print must not get between the lines that the parent prints for a program to read.
    sys.stdout = sys.stderr
    line = Line(pipe)
    with suppress(ParentGoneError):
        trust_modules(modules)
        line.send(_examined(order, device, line))
    # Leave at once: torch's own farewell takes more than a second and nobody waits for it.
    os._exit(0)


def _examined(order: Order, device: str, line: Line) -> tuple[Finding, ...] | _Problem:
    try:
        from policies.load import load
        from viewer_app.diagnosis import Wishes, diagnose
        from viewer_app.scene import Scene

        def load_it(checkpoint: str, where: str, statistics: str) -> Policy:
            return load(checkpoint, within(line.send, 0.05, 0.8), where, statistics=statistics)

        line.send(Progress("Reading the files", 0.0))
        wishes = Wishes(mapping=order.mapping, mends=order.mends, prompt=order.prompt)
        found = diagnose(
            order.source,
            Scene.load(order.scene, by_person=False),
            load_it,
            wishes,
            device,
            lambda text: line.send(Progress(text, 0.8)),
        )
        return tuple(in_order(found.findings))
    except WhiskersError as error:
        return _Problem(str(error))
    except ParentGoneError:
        raise
    except Exception as error:  # A policy and an environment are other people's code.
        traceback.print_exc()
        return _Problem(f"The trial failed with {type(error).__name__}: {' '.join(str(error).split())[:300]}")
