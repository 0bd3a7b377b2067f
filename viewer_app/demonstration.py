"""A demonstration: one episode that was recorded somewhere else, as data, with its joints in the scene's order.

Plain numbers and a way to its pictures. It knows no file format, no simulation and no policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from viewer_app.camera_names import CameraMapping
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, ImageArray, PolicyInfo

DATASET = "dataset"
"""`PolicyInfo.kind` of a trace whose actions come from a recording: there is no checkpoint to load at its `source`."""

TEACHER_FORCED = "teacher-forced"
"""Begins `PolicyInfo.kind` of a trace whose chunks are a policy's, and whose motion is a recording's."""


def is_played_back(info: PolicyInfo) -> bool:
    """Whether the motion of a trace is a recording's: no policy can go on from it."""
    return info.kind == DATASET or info.kind.startswith(TEACHER_FORCED)


class RecordedPictures(Protocol):
    """What the recording's own cameras showed."""

    def at(self, frame: int) -> Mapping[str, ImageArray]:
        """Camera, by the recording's name, to picture. Shape (height, width, 3), dtype uint8.

        Raises:
            WhiskersError: If a picture cannot be decoded; the sentence names the file.
        """
        ...


@dataclass(frozen=True, eq=False)
class Demonstration:
    """`T` frames of one episode. At each, joints were measured, pictures were taken, and an action was commanded."""

    scene: Scene
    """The robot that it is shown on."""
    dataset: str
    """How a person calls where it is from."""
    source: str
    """What opens the same recording again from any working directory."""
    episode: int
    fps: float
    """Frames per second. [Hz]"""
    states: Float32Array
    """Proprioception, such as measured joint positions, in scene units and the scene's order. Shape (T, m)."""
    actions: Float32Array
    """What was commanded, likewise. Shape (T, n)."""
    tasks: tuple[str, ...]
    """The prompt at each frame. Length T."""
    cameras: Mapping[str, tuple[int, int]]
    """The recording's name of each of its cameras, to (height, width) of its pictures. [px]"""
    shown_as: CameraMapping
    """The recording's name of each of its cameras, to the scene's camera that it stands for, None for none of them."""
    recorded: RecordedPictures
    digest: str
    """SHA-256 of states, actions and prompts, hexadecimal."""
    seed: int = 0
    """Seed of the scene's episode that it is a recording of, where it says so; else 0."""
    notes: tuple[str, ...] = ()
    """One sentence for each thing about it that a person should know."""

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def title(self) -> str:
        return f"episode {self.episode} of {self.dataset}"

    def camera_for(self, name: str) -> str | None:
        """The recording's camera that is meant by a name: its own name, or that of the scene's camera that it stands
        for. None where there is none."""
        if name in self.cameras:
            return name
        return next((camera for camera, shown in self.shown_as.items() if shown == name), None)
