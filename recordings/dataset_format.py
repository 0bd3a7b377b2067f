"""Names in LeRobotDatasets of format 3 that reader and writer share."""

from __future__ import annotations

from recordings.trace_file import RecordingError

INFO = "meta/info.json"
EPISODES = "meta/episodes"
TASKS = "meta/tasks.parquet"
PROVENANCE = "meta/whiskers.json"
"""Where the writer says what LeRobot has no place for: each episode's seed, trace, policy and outcome."""
ENVIRONMENT_STATE = "observation.environment_state"
STATE, ACTION, IMAGES = "observation.state", "action", "observation.images."
POSITION = ".pos"
"""LeRobot's robots call the position of joint `x` `x.pos`."""


class DatasetError(RecordingError):
    """A dataset cannot be read or written. The message names it."""


def reason(error: Exception) -> str:
    """What went wrong underneath, on one line."""
    return " ".join((str(error).strip().splitlines() or [type(error).__name__])[0].split())[:200]
