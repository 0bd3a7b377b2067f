"""Which packages bring policy types: LeRobot itself, and installed plugins named `lerobot_policy_*`. Imports none of
them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import pkgutil
from collections.abc import Iterable
from pathlib import Path

from policies.checkpoint import CONFIG, Checkpoint

PREFIX = "lerobot_policy_"
"""How LeRobot's plugins with a policy are called."""


def plugins() -> list[str]:
    """The packages that can be imported, by name. LeRobot itself overlooks those whose distribution has hyphens."""
    distributed = (str(each.metadata["Name"]).replace("-", "_").lower() for each in importlib.metadata.distributions())
    lying_there = (module.name for module in pkgutil.iter_modules())
    return sorted({name for name in (*distributed, *lying_there) if name.startswith(PREFIX) and name.isidentifier()})


def is_lerobots(kind: str) -> bool:
    """Whether the installed LeRobot has a policy type of that name."""
    spec = importlib.util.find_spec("lerobot")
    places = (spec.submodule_search_locations or ()) if spec is not None else ()
    return kind.isidentifier() and any(
        (Path(place) / "policies" / kind / f"configuration_{kind}.py").is_file() for place in places
    )


def unknown_kind(checkpoint: Checkpoint, known: Iterable[str]) -> str:
    """The complaint about a checkpoint of a type that nothing here brings, where there are no plugins."""
    return (
        f"Checkpoint file {checkpoint.folder / CONFIG} is of policy type {checkpoint.kind!r}; Whiskers runs "
        f"{', '.join(known)}, and others with their plugin of LeRobot's ({PREFIX}*): install it."
    )
