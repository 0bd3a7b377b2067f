"""What the doctor says: one finding about one thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
_ORDER: tuple[Severity, ...] = ("error", "warning", "info")


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

    def to_plain(self) -> dict[str, str]:
        return {"id": self.id, "severity": self.severity, "evidence": self.evidence, "mend": self.mend}


def can_work(findings: Iterable[Finding]) -> bool:
    """Whether nothing found is an error."""
    return all(each.severity != "error" for each in findings)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, otherwise as they were found."""
    return sorted(findings, key=lambda each: _ORDER.index(each.severity))
