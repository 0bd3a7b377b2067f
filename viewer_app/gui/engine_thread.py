"""The thread that owns the engine: it opens it, ticks it at the chosen pace, and closes it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from viewer_app.commands import Command
from viewer_app.engine import Engine
from viewer_app.types import WhiskersError
from viewer_app.view import View

_FORGIVEN = 0.25
"""How far behind the engine may fall before its pace starts afresh: no rush follows a stall. [s]"""


_REST = 0.5
"""How long a paused engine rests before it looks for commands again. [s]"""


class EngineThread:
    """Runs an engine. Commands go in from any thread; the latest view comes out."""

    def __init__(self, open_engine: Callable[[Callable[[View], None]], Engine], watch: Callable[[View], None]) -> None:
        """
        Args:
            open_engine: Makes the engine, given who is told its views. Called on the thread.
            watch: Told every view as well, on the thread.
        """
        self._open_engine = open_engine
        self._watch = watch
        self._view: View | None = None
        self._waiting: list[Command] = []
        self._engine: Engine | None = None
        self._wake = threading.Event()
        self._stopping = False
        self.failure: str = ""
        """Why the engine could not be opened, or stopped; empty while all is well."""
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def view(self) -> View | None:
        """The latest view, None until the engine is open."""
        return self._view

    def send(self, command: Command) -> None:
        """Ask the engine for something."""
        engine = self._engine
        if engine is None:
            self._waiting.append(command)
        else:
            engine.send(command)
        self._wake.set()

    def stop(self, patience: float = 5.0) -> bool:
        """End the thread after the tick in progress. Returns whether it ended within `patience` [s]."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(patience)
        return not self._thread.is_alive()

    def _publish(self, view: View) -> None:
        self._view = view
        self._watch(view)

    def _run(self) -> None:
        if sys.platform == "linux":
            # Software OpenGL draws the policy's pictures on threads that inherit this: the window's frames come first.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)
        try:
            engine = self._open_engine(self._publish)
        except WhiskersError as error:
            self.failure = str(error)
            return
        try:
            self._engine = engine
            while self._waiting:
                engine.send(self._waiting.pop(0))
            self._loop(engine)
        except Exception as error:
            self.failure = f"The engine stopped with {type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise
        finally:
            engine.close()

    def _loop(self, engine: Engine) -> None:
        due = time.monotonic()
        while not self._stopping:
            self._wake.clear()
            engine.tick()
            if self._stopping:
                break
            view = self._view
            if not engine.busy:
                # Not for ever: a recorder sends its complaints to the engine itself.
                self._wake.wait(_REST)
                due = time.monotonic()
            elif view is not None and view.running:
                due += engine.scene.control_dt / max(engine.speed, 1e-3)
                now = time.monotonic()
                if now - due > _FORGIVEN:
                    due = now
                # A command ends the wait: whoever presses pause waits for no clock.
                self._wake.wait(max(due - now, 0.0))
