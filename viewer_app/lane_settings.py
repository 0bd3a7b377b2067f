"""How a lane is to run, as far as the command line can say it: checked against its policy, and turned into commands.

Both ways to write settings share this: the flags of `whiskers run` and the lanes of `whiskers compare`. An error calls
a setting as the person wrote it, so each of them says how that is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

from viewer_app.blinding import STATE, Blind
from viewer_app.chunking import Chunking, FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.commands import (
    SetBlinding,
    SetChunking,
    SetDelay,
    SetDenoisingSteps,
    SetGuidance,
    SetPrompt,
    SetStart,
)
from viewer_app.lane import MOST_DENOISING_STEPS
from viewer_app.types import Guidance, PolicyInfo, WhiskersError

LaneCommand = SetChunking | SetDelay | SetDenoisingSteps | SetGuidance | SetBlinding | SetPrompt | SetStart
"""What can be set in one lane."""
Spelling = Callable[[str], str]
"""Name of a field of `LaneSettings` to how the person wrote it."""

_LONGEST_PROMPT = 24
"""How much of a prompt a lane's name shows. [character]"""


@dataclass(frozen=True)
class LaneSettings:
    """What is to be other than the checkpoint has it. None of it is checked before it is asked to be."""

    n_action_steps: int | None = None
    temporal_ensemble: float | None = None
    """The coefficient."""
    overlap_blend: tuple[int, int] | None = None
    """Advance and overlap. [control steps]"""
    delay: int = 0
    """Simulated latency. [control steps]"""
    denoising_steps: int | None = None
    rtc: int | None = None
    """Horizon of real-time chunking. [control steps]"""
    blind: tuple[str, ...] = ()
    """Each NAME=MODE."""
    prompt: str | None = None

    def check(self, spelling: Spelling) -> None:
        """
        Raises:
            WhiskersError: If they cannot be meant, whatever the checkpoint is.
        """
        modes = ("n_action_steps", "temporal_ensemble", "overlap_blend")
        given = [spelling(name) for name in modes if getattr(self, name) is not None]
        if len(given) > 1:
            raise WhiskersError(f"{' and '.join(given)} exclude each other; give one of them.")
        if self.temporal_ensemble is not None and not math.isfinite(self.temporal_ensemble):
            raise WhiskersError(f"{spelling('temporal_ensemble')} must be finite; found {self.temporal_ensemble}.")
        if self.denoising_steps is not None and not 1 <= self.denoising_steps <= MOST_DENOISING_STEPS:
            raise WhiskersError(
                f"{spelling('denoising_steps')} must be 1 to {MOST_DENOISING_STEPS}; found {self.denoising_steps}."
            )
        if self.prompt is not None and not self.prompt.strip():
            raise WhiskersError(f"{spelling('prompt')} needs words; say what the policy is to do.")

    def commands(self, info: PolicyInfo, spelling: Spelling) -> tuple[LaneCommand, ...]:
        """The commands that put them in force.

        Raises:
            WhiskersError: If the policy cannot be run so.
        """
        return tuple(self._commands(info, spelling))

    def _commands(self, info: PolicyInfo, spelling: Spelling) -> Iterator[LaneCommand]:
        chunking = self._chunking(info, spelling)
        if chunking is not None:
            yield SetChunking(chunking)
        if not 0 <= self.delay < info.chunk_size:
            raise WhiskersError(
                f"{spelling('delay')} must be 0 to {info.chunk_size - 1}, one less than the chunk size of {info.name}; "
                f"found {self.delay}."
            )
        if self.delay:
            yield SetDelay(self.delay)
        if self.denoising_steps is not None:
            if not info.denoising_steps:
                raise WhiskersError(
                    f"{spelling('denoising_steps')} needs a policy that denoises; {info.name} ({info.kind}) does not."
                )
            yield SetDenoisingSteps(self.denoising_steps)
        if self.rtc is not None:
            self._check_guidance(self.rtc, chunking, info, spelling)
            yield SetGuidance(Guidance(self.rtc))
        inputs = (*info.cameras, *((STATE,) if info.n_state else ()))
        for each in self.blind:
            name, _, mode = each.partition("=")
            if name not in inputs or mode not in list(Blind):
                raise WhiskersError(
                    f"{spelling('blind')} takes NAME=MODE with a name of {', '.join(inputs)} and a mode of "
                    f"{', '.join(Blind)}; found {each!r}."
                )
            yield SetBlinding(name, Blind(mode))
        if self.prompt is not None:
            if not info.uses_task:
                raise WhiskersError(
                    f"{spelling('prompt')} would change nothing, because {info.name} ({info.kind}) reads no prompt; "
                    "leave it out."
                )
            yield SetPrompt(self.prompt)

    def _chunking(self, info: PolicyInfo, spelling: Spelling) -> Chunking | None:
        """The execution mode that was asked for, None for the checkpoint's own."""
        size, name = info.chunk_size, info.name
        if (n := self.n_action_steps) is not None:
            if not 1 <= n <= size:
                raise WhiskersError(
                    f"{spelling('n_action_steps')} must be 1 to {size}, the chunk size of {name}; found {n}."
                )
            return FirstN(n)
        if self.overlap_blend is not None:
            advance, overlap = self.overlap_blend
            if not (advance >= 1 and 0 <= overlap <= advance and advance + overlap + self.delay <= size):
                raise WhiskersError(
                    f"{spelling('overlap_blend')} needs an ADVANCE of 1 or more, an OVERLAP of 0 to ADVANCE, and both "
                    f"with {spelling('delay')} within {size}, the chunk size of {name}; found {advance} and {overlap} "
                    f"with delay {self.delay}."
                )
            return OverlapBlend(advance, overlap)
        return None if self.temporal_ensemble is None else TemporalEnsemble(self.temporal_ensemble, ())

    def _check_guidance(self, horizon: int, chunking: Chunking | None, info: PolicyInfo, spelling: Spelling) -> None:
        if not info.guidable:
            raise WhiskersError(
                f"{spelling('rtc')} needs a flow-matching policy whose LeRobot code supports real-time chunking; "
                f"{info.name} ({info.kind}) is none."
            )
        if not 1 <= horizon <= info.chunk_size:
            raise WhiskersError(
                f"{spelling('rtc')} must be 1 to {info.chunk_size}, the chunk size of {info.name}; found {horizon}."
            )
        match chunking:
            case FirstN(advance) | OverlapBlend(advance):
                pass
            case TemporalEnsemble():
                advance = 1
            case None:
                advance = info.n_action_steps if info.ensemble_coefficient is None else 1
        if advance >= info.chunk_size and not self.delay:
            raise WhiskersError(
                f"{spelling('rtc')} would guide nothing: {info.name} executes all {advance} steps of a chunk before it "
                f"is asked again, and nothing is left of it; give a smaller {spelling('n_action_steps')} too."
            )

    def to_plain(self) -> dict[str, object]:
        """Those that were given, as JSON values by their names in a lane's text."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "blind"}
        plain = {name: value for name, value in values.items() if value != getattr(LaneSettings, name)}
        return plain | {f"blind.{name}": mode for name, _, mode in (each.partition("=") for each in self.blind)}

    def words(self) -> tuple[str, ...]:
        """Those that were given, short enough for a title."""
        prompt = self.prompt or ""
        shown = prompt if len(prompt) <= _LONGEST_PROMPT else f"{prompt[:_LONGEST_PROMPT].rstrip()}…"
        advance, overlap = self.overlap_blend or (0, 0)
        blinded = [each.partition("=") for each in self.blind]
        words = (
            (self.n_action_steps is not None, f"n={self.n_action_steps}"),
            (self.temporal_ensemble is not None, f"ensemble {self.temporal_ensemble or 0:g}"),
            (self.overlap_blend is not None, f"blend {advance}/{overlap}"),
            (self.delay != 0, f"delay {self.delay}"),
            (self.denoising_steps is not None, f"{self.denoising_steps} denoising steps"),
            (self.rtc is not None, f"rtc {self.rtc}"),
            *((True, f"{name} {mode}") for name, _, mode in blinded),
            (self.prompt is not None, f"“{shown}”"),
        )
        return tuple(text for given, text in words if given)


def in_lane(command: LaneCommand, lane: int) -> LaneCommand:
    """The command for one lane only."""
    return replace(command, lane=lane)
