"""What the doctor says: one finding about one thing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from viewer_app.chunking import Chunking
from viewer_app.mends import Mends
from viewer_app.scene import Scene

Severity = Literal["error", "warning", "info"]
_ORDER: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Cure:
    """What mends a finding for a session, without a change to any file. One of these is given."""

    label: str
    """On the button that does it."""
    mends: Mends | None = None
    cameras: bool = False
    """Whether a person has to say which camera is which."""
    chunking: Chunking | None = None
    prompt: str = ""
    option: str = ""
    """What does the same on the command line, where something does."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, looks wrong, or is worth knowing."""

    id: str
    """Its name, always the same for the same fault. The ids are listed in docs/doctor.md."""
    severity: Severity
    """error: the pair cannot work so. warning: it runs, and what it does is probably not meant. info: good to know."""
    evidence: str
    """What was found, with the numbers."""
    mend: str
    """What to do about it, in one sentence. Empty where there is nothing to do."""
    cure: Cure | None = None
    """What mends it for a session, None where only a change to a file does."""

    @property
    def advice(self) -> str:
        """How to mend it, for good and for a session."""
        option = self.cure.option if self.cure is not None else ""
        return f"{self.mend} For a session: {option}".strip() if option else self.mend

    def to_plain(self) -> dict[str, str]:
        return {"id": self.id, "severity": self.severity, "evidence": self.evidence, "mend": self.advice}


def can_work(findings: Iterable[Finding]) -> bool:
    """Whether nothing found is an error."""
    return all(each.severity != "error" for each in findings)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, otherwise as they were found."""
    return sorted(findings, key=lambda each: _ORDER.index(each.severity))


def mending(mends: Mends, label: str) -> Cure:
    """The cure that a mend is."""
    return Cure(label, mends=mends, option=mends.options())


def text_file(scene: Scene) -> str:
    """What to change where the scene is to be another, in words: that of an environment has no file of a person's."""
    if scene.name.startswith("gym:"):
        return "a scene file of your own for this environment (docs/environments.md)"
    return scene.path.name


def to_plain(findings: Sequence[Finding]) -> dict[str, object]:
    """A report for a program to read."""
    return {"ok": can_work(findings), "findings": [each.to_plain() for each in findings]}


def counted(findings: Sequence[Finding]) -> str:
    """How many there are of what has to be mended, in words."""
    numbers = ((sum(each.severity == noun for each in findings), noun) for noun in ("error", "warning"))
    return ", ".join(f"{number} {noun}{'s' * (number != 1)}" for number, noun in numbers)


def as_text(findings: Iterable[Finding]) -> str:
    """A report to be read, or to be sent to somebody."""
    lines = []
    for each in findings:
        lines.append(f"{each.severity:8}{each.id}: {each.evidence}")
        if each.advice:
            lines.append(f"        -> {each.advice}")
    return "\n".join(lines)
