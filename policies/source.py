"""From what a person types to a checkpoint folder: a folder, `demo:NAME`, or an id on the Hugging Face hub.

Knows where checkpoints lie. Does not know what is in them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from policies.progress import Progress, Report
from viewer_app.types import WhiskersError

DEMOS = Path(__file__).parent / "demo"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")
_WANTED = ("config.json", "adapter_config.json", "model.safetensors", "policy_*.json", "policy_*.safetensors")
"""The files of a hub repository that a policy is made of. Nothing else is downloaded, pickle files least of all."""


class SourceError(WhiskersError):
    """There is no checkpoint where the person pointed."""


@dataclass(frozen=True)
class Place:
    """Where a checkpoint is."""

    name: str
    """Short, for titles: `demo:act`, `run/004000`, the folder's name or the hub id."""
    source: str
    """What opens the same checkpoint again from any working directory."""
    folder: Path


def find_folder(source: str, report: Report) -> Place:
    """Where the checkpoint of that name is, downloaded from the hub if need be and possible.

    Args:
        source: A folder, `demo:NAME`, or a hub id `user/name`, optionally followed by `@revision`.
        report: Told when a download begins.

    Raises:
        SourceError: If there is none.
    """
    if source.startswith("demo:"):
        return _demo(source)
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _local(folder.absolute())
    if folder.exists():
        raise SourceError(f"Checkpoint {source} is a file; name the folder that holds it (config.json and weights).")
    if _HUB_ID.fullmatch(source):
        return _hub(source, report)
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


def _hub(source: str, report: Report) -> Place:
    # Imported here because it takes half a second, which a local checkpoint need not wait for.
    from httpx import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    repo_id, _, revision = source.partition("@")
    wanted, pinned = list(_WANTED), revision or None
    try:
        cached = snapshot_download(repo_id, revision=pinned, local_files_only=True, allow_patterns=wanted)
    except (OSError, ValueError):
        cached = ""
    if cached and (Path(cached) / "config.json").is_file():
        return Place(source, source, Path(cached))
    missing = f"No folder {source}, and no hub checkpoint of that id in the local cache"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise SourceError(f"{missing}; unset HF_HUB_OFFLINE to download it, or give the path of a checkpoint folder.")
    report(Progress(f"Downloading {source} from the hub", 0.0))
    try:
        folder = snapshot_download(repo_id, revision=pinned, allow_patterns=wanted)
    except GatedRepoError:
        raise SourceError(
            f"{missing}; on the hub it is gated: accept its terms there and run `hf auth login`."
        ) from None
    except RepositoryNotFoundError:
        raise SourceError(f"{missing}, nor on the hub; check its spelling, or log in if it is private.") from None
    except LocalEntryNotFoundError:
        raise SourceError(f"{missing}, and the hub cannot be reached; connect, or give a checkpoint folder.") from None
    except (HTTPError, OSError, ValueError) as error:
        raise SourceError(f"{missing}, and downloading it failed ({_first_line(error)}); try again later.") from None
    return Place(source, source, Path(folder))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
