"""Episodes that may be saved as a dataset, and a person's choice among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recordings.dataset_format import DatasetError
from recordings.folder import LaneSnippet, Recording, open_recording
from viewer_app.insight import lane_letter
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.view import Snippet


@dataclass(frozen=True)
class Take:
    """One episode that may be saved."""

    scene: Scene
    snippet: Snippet
    lane: int = 0

    @property
    def trace(self) -> Trace:
        return self.snippet.trace

    @property
    def length(self) -> int:
        """Steps to save."""
        return self.snippet.length

    @property
    def name(self) -> str:
        return f"{lane_letter(self.lane)}: {self.trace.name}"


def takes_of(scene: Scene, snippets: Iterable[LaneSnippet]) -> list[Take]:
    """All episodes of a session. What has no step yet is left out."""
    return [Take(scene, each.snippet, each.lane) for each in snippets if each.snippet.length]


def takes_in(recording: Recording) -> list[Take]:
    """All episodes of an opened recording, lane by lane."""
    snippets = [
        LaneSnippet(Snippet(trace, len(trace)), lane) for lane, traces in enumerate(recording.lanes) for trace in traces
    ]
    return takes_of(recording.scene, snippets)


def recorded_takes(folders: Iterable[Path]) -> list[Take]:
    """All episodes of some recordings, for example those of a batch.

    Raises:
        RecordingError: If one cannot be read.
    """
    return [take for folder in folders for take in takes_in(open_recording(folder))]


def chosen(takes: Sequence[Take], successes_only: bool = False, names: Sequence[str] = ()) -> list[Take]:
    """Some of the episodes, in their order.

    Args:
        takes: All.
        successes_only: Whether to leave out those that did not end in success.
        names: Of traces, as `episode 1` for every lane's, or as `B: episode 1` for one lane's; empty is all.

    Raises:
        DatasetError: If a name is unknown, or nothing is left.
    """
    known = {name for take in takes for name in (take.name, take.trace.name)}
    for name in names:
        if name not in known:
            there = ", ".join(dict.fromkeys(take.name for take in takes)) or "none"
            raise DatasetError(f"There is no episode {name!r} to save; there are {there}.")
    found = [take for take in takes if not names or take.name in names or take.trace.name in names]
    if successes_only:
        found = [take for take in found if take.trace.outcome(take.length) == "success"]
    if not found:
        what = "successful episode" if successes_only else "episode with a step in it"
        raise DatasetError(f"There is no {what} to save as a dataset.")
    return found
