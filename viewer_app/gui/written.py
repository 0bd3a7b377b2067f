"""What the window writes to files by itself: pictures and joint tables. Returns the sentence to show."""

from __future__ import annotations

import cv2
import numpy as np

from panels.joint_curves import JointUnit, write_csv
from viewer_app.gui.contracts import Files
from viewer_app.types import ImageArray, WhiskersError
from viewer_app.view import Frame


def write_joints(files: Files, frame: Frame, unit: str) -> str:
    """Write the joints of the frame's trace as CSV.

    Raises:
        WhiskersError: If there is no folder to write to.
        OSError: If the file cannot be written.
    """
    path = files.new_file("joints.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        write_csv(file, frame.trace, frame.length, JointUnit(unit), frame.view.scene)
    return f"Exported {frame.length + 1} moments to {path}"


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
