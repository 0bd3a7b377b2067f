"""What the window writes to files by itself: pictures, figures and tables. Returns the sentence to show."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from viewer_app.figures import Subject, write_figure
from viewer_app.gui.contracts import Files
from viewer_app.joint_units import JointUnit
from viewer_app.types import ImageArray, WhiskersError
from viewer_app.view import Frame


def figure_errand(files: Files, frame: Frame, plot: str, suffix: str, unit: str = "") -> Callable[[], str]:
    """What writes a figure of what the frame shows, or its numbers: for a thread on which a second does not matter.

    Args:
        files: Says where to.
        frame: Its insights count only where they are about what it shows.
        plot: A key of `figures.PLOTS`.
        suffix: One of `figures.SUFFIXES`.
        unit: A `JointUnit`; empty is scene units.

    Raises:
        WhiskersError: If there is no folder to write to.
    """
    path = files.new_file(f"{plot}.{suffix}")
    episode, moment = frame.episode, frame.moment
    subject = Subject(
        scene=frame.view.scene,
        trace=frame.trace,
        length=frame.length,
        step=frame.step,
        episode=episode if episode is not None and episode.trace is frame.trace else None,
        moment=moment if moment is not None and (moment.trace, moment.step) == (frame.trace, frame.step) else None,
        unit=JointUnit(unit) if unit else JointUnit.SCENE,
        comparison=frame.comparison,
        lanes=tuple(lane.policy.name if lane.policy is not None else "no policy" for lane in frame.view.lanes),
        apart=frame.focus.apart,
    )

    def errand() -> str:
        write_figure(path, plot, subject)
        return f"Exported {path.name} to {path.parent}"

    return errand


def write_picture(files: Files, image: ImageArray) -> str:
    """Write the viewport's picture as PNG.

    Raises:
        WhiskersError: If it cannot be written.
    """
    path = files.new_file("viewport.png")
    done, data = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    if not done:
        raise WhiskersError(f"The picture could not be encoded for {path}.")
    path.write_bytes(data.tobytes())
    return f"Screenshot in {path.parent}: {path.name}, and the whole window beside it"
