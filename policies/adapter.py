"""A PEFT (LoRA) adapter on disk: a few tensors that change those of a base policy, which lies somewhere else.

Knows the adapter's files and where its base may be looked for. Knows neither torch nor peft.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from policies.hub import ID, cached_folder
from viewer_app.types import WhiskersError

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_FILES = (ADAPTER_CONFIG, ADAPTER_WEIGHTS)


class AdapterError(WhiskersError):
    """An adapter, or its base, is not all there."""


def read_adapter(folder: Path) -> dict[str, object]:
    """The adapter's configuration.

    Raises:
        AdapterError: If it is missing or no JSON object, or asks for code that is not peft's own.
    """
    path = folder / ADAPTER_CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AdapterError(
            f"Checkpoint {folder} says that it is a PEFT adapter, and its {ADAPTER_CONFIG} cannot be read "
            f"({error.strerror}); copy it from where it was trained."
        ) from None
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"Checkpoint file {path} is not valid JSON ({error}); copy or save it again.") from None
    if not isinstance(config, dict):
        raise AdapterError(f"Checkpoint file {path} must hold one JSON object; copy or save it again.")
    if config.get("megatron_config"):
        raise AdapterError(
            f"Checkpoint file {path} names a module to be imported (megatron_core), which a checkpoint may not; save "
            "the adapter without megatron_config."
        )
    return config


def base_folder(folder: Path, named: Path | None) -> Path:
    """Where the weights are that an adapter changes.

    Args:
        folder: The adapter's.
        named: The base that a person named, who then is asked no more.

    Raises:
        AdapterError: If the base is not here; nothing is downloaded that nobody asked for.
    """
    config = read_adapter(folder)
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise AdapterError(
            f"Checkpoint {folder} is a PEFT adapter without {ADAPTER_WEIGHTS}; pickle files can run code and are not "
            "opened, so save it again as safetensors."
        )
    if named is not None:
        return named
    name, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not isinstance(name, str) or not name:
        raise AdapterError(
            f"Checkpoint {folder} is a PEFT adapter, and its {ADAPTER_CONFIG} names no base policy; open it as "
            "BASE+ADAPTER, with the folder or hub id of the base before the plus."
        )
    inside = Path(os.path.normpath(folder / name))
    if inside.is_relative_to(folder) and inside.is_dir():
        return inside
    cached = cached_folder(f"{name}@{revision}" if revision else name) if ID.fullmatch(name) else None
    if cached is None:
        raise AdapterError(
            f"Checkpoint {folder} is a PEFT adapter of {name}, which is "
            f"{'not in the local cache' if ID.fullmatch(name) else 'outside of its folder'}; name the base too, as "
            f"BASE+ADAPTER: {name}+{folder.name}."
        )
    return cached
