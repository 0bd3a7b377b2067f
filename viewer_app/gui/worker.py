"""A thread that does the latest thing asked for: of several wishes made while it works, only the last is granted."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import AbstractContextManager


class Worker[Wish, Tool]:
    """One thread, one tool that lives on it, one wish at a time."""

    def __init__(self, name: str, niceness: int, complaint: str) -> None:
        """
        Args:
            name: Of the thread.
            niceness: How far behind the window's frames it stands, where the system can tell threads apart.
            complaint: How `failure` begins, for example "Nothing can be drawn".
        """
        self._niceness = niceness
        self._complaint = complaint
        self._wanted: Wish | None = None
        self._wake = threading.Event()
        self._stopping = False
        self.failure = ""
        """Why it works no more; empty while all is well."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def want(self, wish: Wish) -> None:
        """Ask for something, in place of anything asked for before."""
        self._wanted = wish
        self._wake.set()

    @property
    def hurried(self) -> bool:
        """Whether something newer is waiting, or the end."""
        return self._wanted is not None or self._stopping

    def stop(self, patience: float = 5.0) -> bool:
        """End the thread after the work in progress. Returns whether it ended within `patience` [s]."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(patience)
        return not self._thread.is_alive()

    def _open(self) -> AbstractContextManager[Tool]:
        """The tool, made and freed on the thread."""
        raise NotImplementedError

    def _work(self, tool: Tool, wish: Wish) -> None:
        """Grant one wish, on the thread."""
        raise NotImplementedError

    def _run(self) -> None:
        if sys.platform == "linux":
            # What it starts inherits this: the window's frames come first.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._niceness)
        try:
            with self._open() as tool:
                while not self._stopping:
                    self._wake.wait()
                    self._wake.clear()
                    wish, self._wanted = self._wanted, None
                    if wish is not None and not self._stopping:
                        self._work(tool, wish)
        except Exception as error:
            words = " ".join(str(error).split())[:300]
            self.failure = f"{self._complaint} ({type(error).__name__}: {words})."
            raise
