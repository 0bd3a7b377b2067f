"""From what a person types to a checkpoint folder: a folder, `demo:NAME`, or an id on the Hugging Face hub.

Knows where checkpoints lie. Does not know what is in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from policies.hub import ID, fetch
from policies.progress import Report
from viewer_app.types import WhiskersError

DEMOS = Path(__file__).parent / "demo"


class SourceError(WhiskersError):
    """There is no checkpoint where the person pointed."""


@dataclass(frozen=True)
class Place:
    """Where a checkpoint is."""

    name: str
    """Short, for titles: `demo:act`, `run/004000`, the folder's name or the hub id."""
    source: str
    """What opens the same checkpoint again from any working directory; of a hub id, at the same commit."""
    folder: Path
    base: Path | None = None
    """Of an adapter: the folder of the policy that it belongs to, where a person named one."""


def find_folder(source: str, report: Report) -> Place:
    """Where the checkpoint of that name is, downloaded from the hub if need be and possible.

    Args:
        source: A folder, `demo:NAME`, or a hub id `user/name`, optionally followed by `@revision`. Of an adapter also
            `BASE+ADAPTER`, each of these.
        report: Told when a download begins.

    Raises:
        SourceError: If there is none.
        HubError: If it is a hub id that is neither here nor to be had.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _local(folder.absolute())
    if folder.exists():
        raise SourceError(f"Checkpoint {source} is a file; name the folder that holds it (config.json and weights).")
    base, plus, adapter = source.partition("+")
    if plus and base and adapter:
        under, over = find_folder(base, report), find_folder(adapter, report)
        return Place(over.name, f"{under.source}+{over.source}", over.folder, under.folder)
    if source.startswith("demo:"):
        return _demo(source)
    if ID.fullmatch(source):
        pinned, folder = fetch(source, report)
        return Place(source, pinned, folder)
    raise SourceError(
        f"No folder {source}; a checkpoint is a folder, a hub id such as user/name, or {' or '.join(demo_names())}."
    )


def demo_names() -> list[str]:
    """Names of the checkpoints that ship with Whiskers."""
    return sorted(f"demo:{path.parent.name}" for path in DEMOS.glob("*/config.json")) or ["demo:act"]


def _demo(source: str) -> Place:
    folder = DEMOS / source.removeprefix("demo:")
    if source not in demo_names() or not folder.is_dir():
        raise SourceError(f"No checkpoint {source!r} ships with Whiskers; there are {', '.join(demo_names())}.")
    return Place(source, source, folder)


def _local(folder: Path) -> Place:
    name = folder.name
    if name == "pretrained_model" and folder.parent.parent.name == "checkpoints":
        # LeRobot's trainer writes RUN/checkpoints/STEP/pretrained_model: run and step are what tells two apart.
        name = f"{folder.parents[2].name}/{folder.parent.name}"
    return Place(name, str(folder), folder)
