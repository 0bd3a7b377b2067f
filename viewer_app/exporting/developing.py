"""What was looked at, drawn again and encoded: the same renderer, every picture at full size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from recordings.video import open_video
from viewer_app.export import Exported
from viewer_app.gui.looked_at import FPS, Footage, Glimpse
from viewer_app.render import Viewport
from viewer_app.tiling import GROUND
from viewer_app.types import ImageArray


def develop(
    footage: Footage, path: Path, report: Callable[[int, int], None], stop: Callable[[], bool]
) -> Exported | None:
    """Draw and encode a recording of what was looked at, on the calling thread.

    Args:
        footage: What was looked at, and when.
        path: Its ending says what is written.
        report: Told after each picture how many are done, and how many there are in all.
        stop: Asked before each picture; true ends it.

    Returns:
        What was written; None if it was stopped, and nothing was kept.

    Raises:
        WhiskersError: If it cannot be written. Nothing is left behind.
    """
    width, height = footage.size
    with open_video(path, width, height, FPS) as video, Viewport(footage.scene) as viewport:
        for glimpse, count in footage.spans:
            if stop():
                break
            # What stands still is drawn once.
            prepared = video.prepare(_picture(viewport, glimpse, footage))
            for _ in range(count):
                if stop():
                    break
                video.append(prepared)
                report(video.frames, footage.frames)
        if video.frames < footage.frames:
            video.discard()
            return None
    return Exported(str(path), footage.frames, width, height, FPS, footage.frames / FPS)


def _picture(viewport: Viewport, glimpse: Glimpse, footage: Footage) -> ImageArray:
    """The lanes' pictures as the window tiled them. Shape (height, width, 3)."""
    shots = glimpse.shots_then()
    if len(shots) == 1:
        return viewport.draw(shots[0]).image
    width, height = footage.tile
    canvas = np.full((footage.size[1], footage.size[0], 3), GROUND, np.uint8)
    for number, shot in enumerate(shots):
        row, column = divmod(number, footage.columns)
        place = canvas[row * height : (row + 1) * height, column * width : (column + 1) * width]
        place[:] = viewport.draw(shot).image
    return canvas
