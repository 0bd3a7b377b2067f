"""How far the doctor is with a checkpoint, and what it has found: what the window shows."""

from __future__ import annotations

from dataclasses import dataclass, field

from viewer_app.camera_names import CameraMapping
from viewer_app.doctor.finding import Finding
from viewer_app.mends import Mends


@dataclass(frozen=True)
class Order:
    """What is to be looked at."""

    source: str
    """A folder, a hub id or `demo:NAME`."""
    scene: str
    """The scene's text file."""
    mapping: CameraMapping | None = None
    """The scene's camera for each of the checkpoint's, where a person said so."""
    mends: Mends = field(default_factory=Mends)
    prompt: str | None = None
    """In place of the scene's."""


@dataclass(frozen=True)
class Checkup:
    """A report, and what is still being done for it."""

    order: Order
    findings: tuple[Finding, ...] = ()
    """Errors first."""
    read: bool = False
    """Whether the files have been looked at."""
    tried: bool = False
    """Whether the checkpoint was loaded and tried."""
    doing: str = ""
    """What is being done now, empty while nothing is."""
    fraction: float = 0.0
    """Of the trial, 0 .. 1."""
    complaint: str = ""
    """Why there is no report, or no trial."""

    def count(self, severity: str) -> int:
        """How many findings are of a severity."""
        return sum(each.severity == severity for each in self.findings)
