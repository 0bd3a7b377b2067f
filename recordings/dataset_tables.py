"""What a LeRobotDataset of format 3 says about itself: its description and its list of episodes.

All of it comes from outside, so all of it is checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from recordings.dataset_format import EPISODES, IMAGES, INFO, PROVENANCE, DatasetError, reason
from recordings.dataset_pictures import CameraFeature

_READS = 3
"""The major version of the format that is read."""


def described(folder: Path) -> Mapping[str, object]:
    """The dataset's `info.json`, of a version that is read.

    Raises:
        DatasetError: If it is missing, damaged or of another version.
    """
    path = folder / INFO
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{folder} is not a LeRobotDataset: {INFO} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"Dataset {folder}: {INFO} is not valid JSON ({error}).") from None
    said = info.get("codebase_version") if isinstance(info, dict) else None
    version = re.fullmatch(r"v?(\d+)(\.\d+)*", str(said))
    if version is None:
        raise DatasetError(f"{folder} is not a LeRobotDataset: {INFO} says no codebase_version.")
    if int(version[1]) < _READS:
        raise DatasetError(
            f"Dataset {folder} is of format {said}, and v{_READS}.0 is read: convert it with LeRobot's "
            f"`python -m lerobot.scripts.convert_dataset_v21_to_v30 --repo-id=USER/{folder.name} --root={folder} "
            "--push-to-hub=false`."
        )
    if int(version[1]) > _READS:
        raise DatasetError(f"Dataset {folder} is of the newer format {said}: update Whiskers and LeRobot to open it.")
    return cast(Mapping[str, object], info)


def cameras_of(features: Mapping[str, Mapping[str, object]]) -> dict[str, CameraFeature]:
    """By the dataset's name of the camera."""
    found = {}
    for key, feature in features.items():
        if feature["dtype"] not in ("image", "video") or _is_depth(feature):
            continue
        shape, names = cast(list[int], feature["shape"]), cast(list[str], feature.get("names") or ())
        first = 1 if names and names[0].startswith("channel") else 0
        name = key.removeprefix(IMAGES) if key.startswith(IMAGES) else key.removeprefix("observation.")
        found[name] = CameraFeature(key, int(shape[first]), int(shape[first + 1]), feature["dtype"] == "video")
    return found


def _is_depth(feature: Mapping[str, object]) -> bool:
    info = cast(Mapping[str, object], feature.get("info") or feature.get("video_info") or {})
    return bool(info.get("is_depth_map") or info.get("video.is_depth_map"))


def episode_rows(folder: Path) -> Mapping[int, Mapping[str, object]]:
    """What the dataset says about each of its episodes, without their statistics."""
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    rows: dict[int, Mapping[str, object]] = {}
    for path in sorted((folder / EPISODES).glob("*/*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                names = [name for name in file.schema_arrow.names if not name.startswith("stats/")]
                for row in file.read(columns=names).to_pylist():
                    rows[int(row["episode_index"])] = {"length": row["length"], **row}
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise DatasetError(f"Dataset file {path} cannot be read ({reason(error)}); copy it anew.") from None
    if not rows:
        raise DatasetError(f"Dataset {folder} holds no episode: there is no table in {EPISODES}.")
    return rows


def inside(folder: Path, template: str, **values: object) -> Path:
    """A file of the dataset by its template, which comes from outside and may not lead out of the folder."""
    try:
        relative = Path(template.format(**values))
    except (KeyError, IndexError, ValueError, AttributeError):
        raise DatasetError(f"Dataset {folder}: {INFO} names its files in an unknown way: {template!r}.") from None
    if relative.is_absolute() or ".." in relative.parts:
        raise DatasetError(f"Dataset {folder}: {INFO} names files outside of its folder: {template!r}.")
    return folder / relative


def seed_of(folder: Path, index: int) -> int:
    """The seed that `dataset_out` wrote down; 0 where another program made the dataset."""
    try:
        seed = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))["episodes"][index]["seed"]
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return 0
    return seed if isinstance(seed, int) and seed >= 0 else 0
