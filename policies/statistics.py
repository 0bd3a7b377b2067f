"""Statistics of training data that a person gives in place of a checkpoint's own: a dataset's, or a file's.

Only files on this disk are read, as JSON or safetensors. Needs neither torch nor LeRobot.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from policies.checkpoint import Statistics
from viewer_app.types import WhiskersError, frozen

TRAINED = "train_config.json"
_STATS = Path("meta") / "stats.json"
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
"""What LeRobot puts in place of a dataset's statistics of pictures, unless it is told not to.

Source: LeRobot 0.6.1, `datasets/factory.py`, IMAGENET_STATS."""
_PICTURE = "observation.image"


def dataset_roots(repo_id: object, root: object) -> list[Path]:
    """Where a dataset may lie on this disk: where it was, or in LeRobot's folder. Nothing is downloaded."""
    roots = [Path(root)] if isinstance(root, str) else []
    if isinstance(repo_id, str) and ".." not in repo_id and not repo_id.startswith("/"):
        cache = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
        roots.append(Path(os.environ.get("HF_LEROBOT_HOME") or cache / "lerobot") / repo_id)
    return roots


def has_statistics(root: Path) -> bool:
    """Whether a folder is that of a dataset with statistics."""
    return (root / _STATS).is_file()


def read_given(source: str, folder: Path) -> Statistics:
    """The statistics that a person named.

    Args:
        source: A dataset's folder or hub id on this disk, its `stats.json`, or a `.safetensors` file of a processor.
        folder: Of the checkpoint; its train_config.json says whether pictures were scaled by ImageNet's statistics.

    Raises:
        WhiskersError: If there is no such file, or it holds no statistics.
    """
    place = Path(source).expanduser()
    candidates = [place, place / _STATS, *(root / _STATS for root in dataset_roots(source, None))]
    path = next((each for each in candidates if each.is_file()), None)
    if path is None:
        raise WhiskersError(
            f"--statistics {source!r} is neither a dataset's folder with {_STATS} nor a file of statistics here."
        )
    found = _from_safetensors(path) if path.suffix == ".safetensors" else _from_json(path)
    if path.suffix != ".safetensors" and _by_imagenet(folder):
        for feature in found:
            if feature.startswith(_PICTURE):
                ends = {name: np.array(value, np.float32).reshape(3, 1, 1) for name, value in IMAGENET.items()}
                found[feature] = {**found[feature], **{name: frozen(value) for name, value in ends.items()}}
    if not found:
        raise WhiskersError(f"File {path} holds no statistics; name a dataset's folder.")
    return MappingProxyType({feature: MappingProxyType(values) for feature, values in found.items()})


def _from_json(path: Path) -> dict[str, dict[str, NDArray[np.float32]]]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = {
            str(feature): {str(name): _array(value) for name, value in of.items() if name != "count"}
            for feature, of in values.items()
            if isinstance(of, Mapping)
        }
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise WhiskersError(f"File {path} is not one of statistics ({' '.join(str(error).split())}).") from None
    return {feature: of for feature, of in found.items() if of}


def _array(value: object) -> NDArray[np.float32]:
    return frozen(np.asarray(value, np.float32))


def _from_safetensors(path: Path) -> dict[str, dict[str, NDArray[np.float32]]]:
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for key in file.keys():  # noqa: SIM118 (not a mapping)
                feature, _, name = key.rpartition(".")
                if feature and name != "count":
                    found.setdefault(feature, {})[name] = _array(file.get_tensor(key))
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise WhiskersError(f"File {path} is damaged ({' '.join(str(error).split())}); copy it again.") from None
    return found


def _by_imagenet(folder: Path) -> bool:
    """Whether the checkpoint's training took ImageNet's statistics for pictures."""
    try:
        trained = json.loads((folder / TRAINED).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    dataset = trained.get("dataset") if isinstance(trained, dict) else None
    return isinstance(dataset, dict) and dataset.get("use_imagenet_stats") is True
