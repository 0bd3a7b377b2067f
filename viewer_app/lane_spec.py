"""A lane as text: `CHECKPOINT[@SETTING=VALUE[,...]]`, for example `demo:act@n_action_steps=10,blind.wrist_cam=black`.

Knows how it is written. What the settings mean, and whether a policy can be run so, is `lane_settings`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from viewer_app.lane_settings import LaneCommand, LaneSettings
from viewer_app.types import PolicyInfo, WhiskersError

_BLIND = "blind."
_SETTINGS_BEGIN = re.compile(r"@(?=[\w.]*=)")
"""An @ that a setting follows. Any other belongs to the checkpoint: `user/name@revision`."""
_PIECE = re.compile(r'(?:[^,"]|"[^"]*")+')
"""What stands between two commas that are not in quotes."""


@dataclass(frozen=True)
class LaneSpec:
    """What one lane is to be."""

    text: str
    """As it was written."""
    checkpoint: str
    """A folder, a hub id or `demo:NAME`."""
    settings: LaneSettings

    def commands(self, info: PolicyInfo) -> tuple[LaneCommand, ...]:
        """The commands that put its settings in force.

        Raises:
            WhiskersError: If the policy cannot be run so.
        """
        return self.settings.commands(info, self._spelling)

    def title(self, policy: str = "") -> str:
        """Its short name for display, such as `demo:act, n=10`.

        Args:
            policy: The policy's own name, once it is loaded.
        """
        name = policy or (Path(self.checkpoint).name if Path(self.checkpoint).exists() else self.checkpoint)
        return ", ".join((name, *self.settings.words()))

    def _spelling(self, name: str) -> str:
        return f"{self.text}: {name}"


def parse_lane(text: str) -> LaneSpec:
    """
    Raises:
        WhiskersError: If a setting is unknown, given twice, or has no value that it could have.
    """
    checkpoint, written = _divided(text)
    if not checkpoint:
        raise WhiskersError(f"{text!r} names no checkpoint; a lane is CHECKPOINT[@SETTING=VALUE,...].")
    values: dict[str, object] = {}
    blind: dict[str, str] = {}
    for name, value in _pieces(text, written):
        if name in values or (name.startswith(_BLIND) and name.removeprefix(_BLIND) in blind):
            raise WhiskersError(f"{text}: {name} is given twice; give it once.")
        if name.startswith(_BLIND) and len(name) > len(_BLIND):
            blind[name.removeprefix(_BLIND)] = value
        elif name in _VALUES:
            read, form = _VALUES[name]
            try:
                values[name] = read(value)
            except ValueError:
                raise WhiskersError(f"{text}: {name} takes {form}; found {value!r}.") from None
        else:
            raise WhiskersError(
                f"{text}: there is no setting {name!r}; there are {', '.join(_VALUES)} and {_BLIND}NAME."
            )
    settings = LaneSettings(**values, blind=tuple(f"{n}={m}" for n, m in blind.items()))  # type: ignore[arg-type]
    spec = LaneSpec(text, checkpoint, settings)
    settings.check(spec._spelling)
    return spec


def _divided(text: str) -> tuple[str, str]:
    """Checkpoint and settings. What exists as a path is a path, whatever characters are in it."""
    if Path(text).expanduser().exists():
        return text, ""
    places = [match.start() for match in _SETTINGS_BEGIN.finditer(text)]
    existing = [at for at in places if at and Path(text[:at]).expanduser().exists()]
    if existing or places:
        at = existing[-1] if existing else places[0]
        return text[:at], text[at + 1 :]
    checkpoint, _, rest = text.partition("@")
    # A folder or a demo has no revision, so that what follows was meant for settings.
    if rest and (checkpoint.startswith("demo:") or Path(checkpoint).expanduser().exists()):
        return checkpoint, rest
    return text, ""


def _pieces(text: str, written: str) -> list[tuple[str, str]]:
    """Names and values, without the quotes around these."""
    if written.count('"') % 2:
        raise WhiskersError(f'{text}: a quote is not closed; write prompt="...".')
    pieces = []
    for piece in _PIECE.findall(written):
        name, equals, value = piece.strip().partition("=")
        if not equals:
            raise WhiskersError(
                f"{text}: {name!r} is not of the form SETTING=VALUE (a value with a comma stands in double quotes)."
            )
        value = value.strip()
        quoted = len(value) > 1 and value[0] == value[-1] == '"'
        pieces.append((name.strip(), value[1:-1] if quoted else value))
    return pieces


def _two_numbers(text: str) -> tuple[int, int]:
    advance, overlap = text.split("/")
    return int(advance), int(overlap)


_VALUES: Mapping[str, tuple[Callable[[str], object], str]] = {
    "n_action_steps": (int, "a whole number"),
    "temporal_ensemble": (float, "a number"),
    "overlap_blend": (_two_numbers, "ADVANCE/OVERLAP, such as 10/8"),
    "delay": (int, "a whole number of control steps"),
    "denoising_steps": (int, "a whole number"),
    "rtc": (int, "a whole number, the horizon in control steps"),
    "prompt": (str, "words"),
}
"""Each setting with how its value is read, and what that looks like."""
