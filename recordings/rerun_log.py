"""A trace as a Rerun recording (.rrd), for people who have Rerun and not Whiskers.

This is the door: Rerun's SDK is an optional extra, and what needs it is imported here only when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from recordings.trace_file import RecordingError
from recordings.whole_file import whole_file
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ImageArray

EXTRA = "rerun"
See = Callable[[Trace, int], Mapping[str, ImageArray]]
"""What the policy saw at a step: camera name to picture. `render.Viewport.seen` is one."""


def write_rrd(
    path: Path,
    scene: Scene,
    trace: Trace,
    length: int,
    see: See,
    force: bool = False,
    report: Callable[[float], None] = lambda share: None,
) -> None:
    """Write a trace as a Rerun recording. What is in it says `rerun_stream.py`.

    Args:
        path: What the file is to be called.
        scene: Of the trace.
        trace: May be growing.
        length: How many of its steps to write.
        see: Called for the steps whose pictures the policy was asked about, in their order.
        force: Whether a file of that name may be replaced.
        report: Told the share that is done, 0 to 1. What it raises ends the writing and leaves no file.

    Raises:
        RecordingError: If Rerun is not installed, or the file is there already or cannot be written.
    """
    try:
        from recordings.rerun_stream import check, stream
    except ImportError:
        raise RecordingError(
            f"{path} cannot be written without Rerun's SDK: pip install 'whiskers-viewer[{EXTRA}]' brings it."
        ) from None
    with whole_file(path, force) as partial:
        for share in stream(partial, scene, trace, length, see):
            report(share)
        # Rerun writes on a thread of its own and raises nothing when the system refuses.
        try:
            check(partial)
        except (ValueError, RuntimeError, OSError) as error:
            raise RecordingError(f"File {path} cannot be written whole ({error}); is the disk full?") from None
