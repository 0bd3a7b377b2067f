"""Open the window as `whiskers demo` does, say on stdout when a whisker is on the screen, and end.

    python -m tests.bench.first_whisker CHECKPOINT

Nothing is imported at the top, as in `viewer_app.__main__`: the policy's process imports this module too.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viewer_app.view import Frame

_FRAMES = 5
"""How many frames are waited for after a chunk is known, until the picture with its whisker is drawn and shown."""


class _Watch:
    def __init__(self) -> None:
        self._frames = 0

    def on_frame(self, seconds: float, frame: Frame | None) -> bool:
        """See `gui.run`."""
        self._frames += frame is not None and frame.length > 0 and bool(frame.trace.chunks)
        if self._frames < _FRAMES:
            return True
        print("A whisker is on the screen", flush=True)
        return False


def main(checkpoint: str) -> None:
    """Open the window and wait for the whisker."""
    from viewer_app import gui
    from viewer_app.scene import Scene
    from viewer_app.wiring import SessionFiles

    with tempfile.TemporaryDirectory() as folder:
        files = SessionFiles(Path(folder) / "session", "cpu")
        try:
            session = files.new_session(Scene.load("so101"), checkpoint, seed=1000, start_running=True)
            gui.run(session, files, on_frame=_Watch().on_frame)
        finally:
            files.close()


if __name__ == "__main__":
    main(sys.argv[1])
