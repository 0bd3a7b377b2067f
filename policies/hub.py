"""Checkpoints on the Hugging Face hub: found in the local cache, or downloaded, at one revision.

Only the files that a policy is made of are downloaded, and only of an id that a person named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from policies.progress import Progress, Report
from viewer_app.types import WhiskersError

ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")
"""A hub id `user/name`, optionally followed by `@revision`."""

_WANTED = (
    *("config.json", "train_config.json", "model.safetensors", "policy_*.json", "policy_*.safetensors"),
    *("adapter_config.json", "adapter_model.safetensors"),
)
"""The files of a repository that a policy is made of. Nothing else is downloaded, pickle files least of all."""
_COMPLETE = (("config.json", "model.safetensors"), ("adapter_config.json", "adapter_model.safetensors"))
"""Either of these must be there for a copy to be whole."""
_PATIENCE = 5.0
"""How long the hub may take to say that it is there. [s]"""


class HubError(WhiskersError):
    """A hub checkpoint is not here and cannot be had. The message says why and what to do."""


def fetch(source: str, report: Report) -> tuple[str, Path]:
    """A hub checkpoint's folder in the local cache, downloaded where it is not there yet.

    Args:
        source: `user/name` or `user/name@revision`; without a revision a copy that is there already is used.
        report: Told how much is downloaded.

    Returns:
        The id with the commit that the folder holds, which opens the very same checkpoint again; and the folder.

    Raises:
        HubError: If it is not there and cannot be downloaded.
    """
    # Imported here because it takes half a second, which a local checkpoint need not wait for.
    from httpx import HTTPError
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    repo_id, _, revision = source.partition("@")
    wanted = list(_WANTED)
    cached = cached_folder(source)
    if cached is not None:
        return f"{repo_id}@{cached.name}", cached
    missing = f"No folder {source}, and no hub checkpoint of that id in the local cache"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise HubError(f"{missing}; unset HF_HUB_OFFLINE to download it, or give the path of a checkpoint folder.")
    report(Progress(f"Asking the hub for {source}", 0.0))
    try:
        # Asked first and with little patience: a machine without a network is to say so at once.
        info = HfApi().model_info(repo_id, revision=revision or None, timeout=_PATIENCE, files_metadata=True)
        sizes = {each.rfilename: each.size or 0 for each in info.siblings or ()}
        total = sum(size for name, size in sizes.items() if any(fnmatch(name, pattern) for pattern in wanted))
        bar = _bar(source, total, report)
        # By the name that was asked for, not the commit, or the cache would not know it by that name the next time.
        folder = Path(snapshot_download(repo_id, revision=revision or None, allow_patterns=wanted, tqdm_class=bar))
    except GatedRepoError:
        raise HubError(f"{missing}; on the hub it is gated: accept its terms there and run `hf auth login`.") from None
    except RevisionNotFoundError:
        raise HubError(f"{missing}; the hub knows {repo_id}, and no revision {revision!r} of it.") from None
    except RepositoryNotFoundError:
        raise HubError(f"{missing}, nor on the hub; check its spelling, or log in if it is private.") from None
    except (HTTPError, OSError, ValueError) as error:
        raise HubError(
            f"{missing}, and the hub cannot be reached or the download failed ({_first_line(error)}); connect and try "
            "again, which goes on where it stopped, or give a checkpoint folder."
        ) from None
    return f"{repo_id}@{folder.name}", folder


def cached_folder(source: str) -> Path | None:
    """Where a whole copy of a hub checkpoint lies in the local cache, None where there is none. Asks nobody.

    Args:
        source: `user/name` or `user/name@revision`.
    """
    from huggingface_hub import snapshot_download

    repo_id, _, revision = source.partition("@")
    try:
        folder = Path(
            snapshot_download(repo_id, revision=revision or None, local_files_only=True, allow_patterns=list(_WANTED))
        )
    except (OSError, ValueError):
        return None
    return folder if _is_complete(folder) else None


def _is_complete(folder: Path) -> bool:
    return any(all((folder / name).is_file() for name in names) for names in _COMPLETE)


def _bar(source: str, total: int, report: Report) -> type[Any]:
    """A progress bar of the hub's that tells `report` instead of the terminal.

    Args:
        source: What is downloaded.
        total: How much that is. The hub's own total grows as it looks at one file after the other. [byte]
        report: Told.
    """
    from tqdm.auto import tqdm

    class Told(tqdm):  # type: ignore[misc]
        most = 0.0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # The hub's own argument, of no meaning to tqdm.
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": False, "file": _Nowhere()})

        def update(self, n: float | None = 1) -> bool | None:
            updated: bool | None = super().update(n)
            if self.unit == "B" and self.n > Told.most:
                Told.most = self.n
                done = f"{self.n / 1e6:,.1f} of {total / 1e6:,.1f} MB"
                rate = self.format_dict["rate"]
                left = f", {max(total - self.n, 0) / rate:,.0f} s left" if rate else ""
                report(Progress(f"Downloading {source}: {done}{left}", min(self.n / max(total, 1), 1.0)))
            return updated

    return Told


class _Nowhere:
    """Where a bar writes that nobody is to see."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None: ...


def _first_line(error: Exception) -> str:
    lines: Sequence[str] = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]


def fetch_config(source: str, report: Report) -> Path | None:
    """The config.json of a hub checkpoint alone, without its weights; None where that cannot be had.

    Args:
        source: `user/name` or `user/name@revision`.
        report: Told that the hub is asked.
    """
    if not ID.fullmatch(source):
        return None
    from httpx import HTTPError
    from huggingface_hub import hf_hub_download

    repo_id, _, revision = source.partition("@")
    report(Progress(f"Asking the hub for {source}", 0.05))
    try:
        return Path(hf_hub_download(repo_id, "config.json", revision=revision or None, etag_timeout=_PATIENCE))
    except (HTTPError, OSError, ValueError):
        return None
