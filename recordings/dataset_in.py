"""Opens episodes of LeRobotDatasets (format 3) as demonstrations on a scene's robot.

Tables and videos are read as the format says, without LeRobot, whose dataset library takes longer to import than most
episodes to look at; it is asked only to download from the hub. What comes out is what its own loader gives, to the bit
(videos: its loader with PyAV).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

import numpy as np

from recordings.dataset_fit import camera_mapping, joint_columns
from recordings.dataset_format import ACTION, EPISODES, INFO, STATE, TASKS, DatasetError, reason
from recordings.dataset_pictures import Pictures, VideoPart
from recordings.dataset_tables import cameras_of, described, episode_rows, inside, seed_of
from viewer_app.demonstration import Demonstration
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, frozen

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")


@dataclass(frozen=True)
class EpisodeEntry:
    """One line of a dataset's list of episodes."""

    index: int
    length: int
    """Frames."""
    tasks: tuple[str, ...]


class Dataset:
    """A dataset on this disk, or of the hub. Its tables are read when an episode is opened."""

    def __init__(self, folder: Path, source: str, name: str) -> None:
        """
        Args:
            folder: Where its `meta` folder is.
            source: What opens it again from any working directory.
            name: How a person calls it.

        Raises:
            DatasetError: If it is not a LeRobotDataset of format 3, or its description is damaged.
        """
        self.folder = folder
        self.source = source
        self.name = name
        info = described(folder)
        try:
            self.fps = float(cast(float, info["fps"]))
            self._features = cast(Mapping[str, Mapping[str, object]], info["features"])
            self._data_path, self._video_path = str(info["data_path"]), str(info.get("video_path"))
            self._cameras = cameras_of(self._features)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(f"Dataset {folder}: {INFO} is damaged ({type(error).__name__}: {error}).") from None
        if not self.fps > 0:
            raise DatasetError(f"Dataset {folder}: {INFO} says {self.fps:g} frames a second, which must be above 0.")
        self._rows = episode_rows(folder)
        self.robot_type = str(info.get("robot_type") or "")

    @property
    def episodes(self) -> tuple[EpisodeEntry, ...]:
        return tuple(
            EpisodeEntry(index, int(cast(int, row["length"])), tuple(cast(Sequence[str], row.get("tasks") or ())))
            for index, row in sorted(self._rows.items())
        )

    @property
    def cameras(self) -> Mapping[str, tuple[int, int]]:
        """The dataset's name of each camera, to (height, width). [px] Depth maps are left out."""
        return MappingProxyType({name: (each.height, each.width) for name, each in self._cameras.items()})

    def open(self, index: int, scene: Scene, cameras: Iterable[str] = (), joints: Iterable[str] = ()) -> Demonstration:
        """One episode, on a scene's robot.

        Args:
            index: Of the episode.
            scene: Whose joints and cameras the dataset's are.
            cameras: `DATASET_CAMERA=SCENE_CAMERA`, or `DATASET_CAMERA=none`, for those of other names.
            joints: `DATASET_JOINT=SCENE_JOINT`, for those of other names.

        Raises:
            DatasetError: If there is no such episode, it is empty or damaged, or joints or cameras do not match.
        """
        row = self._rows.get(index)
        if row is None:
            known = sorted(self._rows)
            has = f"episodes {known[0]} to {known[-1]}" if known else "no episode"
            raise DatasetError(f"Dataset {self.name} has no episode {index}; it has {has}.")
        if not row["length"]:
            raise DatasetError(f"Episode {index} of dataset {self.name} has no frames; open another one.")
        joints = tuple(joints)
        columns, notes = {}, []
        for key in (STATE, ACTION):
            columns[key], note = joint_columns(self.name, key, self._features, scene, joints)
            notes += [note] if note else []
        shown_as = camera_mapping(self.name, self.cameras, scene, cameras)
        folder = self._with_files(index)
        table = self._table(folder, index, row)
        states, actions = (self._numbers(table, key, columns[key], index) for key in (STATE, ACTION))
        tasks = self._tasks(folder, table)
        if abs(self.fps - scene.spec.control_hz) > 1e-6:
            notes.append(
                f"The dataset has {self.fps:g} frames a second; scene {scene.name} is controlled at "
                f"{scene.spec.control_hz:g} Hz."
            )
        return Demonstration(
            scene=scene,
            dataset=self.name,
            source=self.source,
            episode=index,
            fps=self.fps,
            states=states,
            actions=actions,
            tasks=tasks,
            cameras=self.cameras,
            shown_as=shown_as,
            recorded=Pictures(f"episode {index} of {self.name}", self._cameras, table, self._videos(folder, row)),
            digest=hashlib.sha256(states.tobytes() + actions.tobytes() + "\n".join(tasks).encode()).hexdigest(),
            seed=seed_of(folder, index),
            notes=tuple(dict.fromkeys(notes)),
        )

    def _with_files(self, index: int) -> Path:
        """The folder that has the episode's files, downloaded if they are the hub's."""
        return self.folder

    def _table(self, folder: Path, index: int, row: Mapping[str, object]) -> Mapping[str, list[object]]:
        """The episode's rows, column by column."""
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        try:
            part = {noun: row[f"data/{noun}"] for noun in ("chunk_index", "file_index")}
        except KeyError as error:
            raise DatasetError(f"Dataset {folder}: {EPISODES} lacks the column {error}.") from None
        path = inside(folder, self._data_path, **part)
        if not path.is_file():
            raise DatasetError(
                f"Dataset {self.name} lacks {path.relative_to(folder)}, which holds episode {index}; copy it whole."
            )
        pictures = [each.key for each in self._cameras.values() if not each.video]
        wanted = [STATE, ACTION, "timestamp", "task_index", *pictures]
        try:
            table = pq.read_table(path, columns=wanted, filters=[("episode_index", "==", index)])
            found: dict[str, list[object]] = {name: table[name].to_pylist() for name in wanted}
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise DatasetError(f"Dataset file {path} cannot be read ({reason(error)}); copy it anew.") from None
        if len(table) != row["length"]:
            raise DatasetError(
                f"Dataset file {path} holds {len(table)} frames of episode {index}, and {EPISODES} says "
                f"{row['length']}; copy the dataset anew."
            )
        return found

    def _numbers(self, table: Mapping[str, list[object]], key: str, columns: Sequence[int], index: int) -> Float32Array:
        """A feature in the order of the scene's joints. Shape (T, n)."""
        try:
            rows = np.array(table[key], np.float32).reshape(len(table[key]), -1)[:, list(columns)]
        except (ValueError, TypeError, IndexError):
            raise DatasetError(
                f"Episode {index} of dataset {self.name}: {key} is not {len(columns)} numbers at every frame."
            ) from None
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(bad):
            raise DatasetError(
                f"Episode {index} of dataset {self.name}: {key} of frame {bad[0]} is not finite; open another episode."
            )
        return frozen(rows)

    def _tasks(self, folder: Path, table: Mapping[str, list[object]]) -> tuple[str, ...]:
        """The prompt at each frame; empty where the dataset does not know."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows = pq.read_table(folder / TASKS).to_pylist()
            # LeRobot writes the prompt as the index of a pandas table, which may or may not have a name.
            names = {row["task_index"]: str(row.get("task", row.get("__index_level_0__", ""))) for row in rows}
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise DatasetError(f"Dataset file {folder / TASKS} cannot be read ({reason(error)}).") from None
        return tuple(names.get(number, "") for number in table["task_index"])

    def _videos(self, folder: Path, row: Mapping[str, object]) -> Mapping[str, VideoPart]:
        found = {}
        for name, camera in self._cameras.items():
            if not camera.video:
                continue
            where = f"videos/{camera.key}"
            try:
                path = inside(
                    folder,
                    self._video_path,
                    video_key=camera.key,
                    chunk_index=row[f"{where}/chunk_index"],
                    file_index=row[f"{where}/file_index"],
                )
                found[name] = VideoPart(path, float(cast(float, row[f"{where}/from_timestamp"])))
            except KeyError as error:
                raise DatasetError(f"Dataset {folder}: {EPISODES} lacks the column {error}.") from None
            if not path.is_file():
                raise DatasetError(f"Dataset {self.name} lacks the video {path.relative_to(folder)}; copy it whole.")
        return found


class _HubDataset(Dataset):
    """A dataset of the hub, of which only the tables are on this disk until an episode is opened."""

    def __init__(self, repo_id: str, revision: str | None) -> None:
        from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata

        self._repo_id, self._revision = repo_id, revision
        try:
            folder = Path(LeRobotDatasetMetadata(repo_id, revision=revision).root)
        except Exception as error:  # The hub's client raises whatever it likes.
            raise DatasetError(_no_download(repo_id, error)) from None
        super().__init__(folder, repo_id if revision is None else f"{repo_id}@{revision}", repo_id)

    def _with_files(self, index: int) -> Path:
        from lerobot.datasets.lerobot_dataset import LeRobotDataset

        try:
            return Path(
                LeRobotDataset(self._repo_id, revision=self._revision, episodes=[index], video_backend="pyav").root
            )
        except Exception as error:  # As above.
            raise DatasetError(_no_download(self._repo_id, error)) from None


def is_dataset(source: str) -> bool:
    """Whether this names a dataset on this disk, whole or not. A hub id that is not on it may be anything."""
    folders = [Path(source).expanduser()]
    if _HUB_ID.fullmatch(source):
        folders.append(_recorded_here(source))
    return any((folder / INFO).is_file() for folder in folders)


def _recorded_here(repo_id: str) -> Path:
    """Where LeRobot itself puts datasets that were recorded here, and looks first."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    return Path(os.environ.get("HF_LEROBOT_HOME", home / "lerobot")).expanduser() / repo_id


def open_dataset(source: str) -> Dataset:
    """A dataset by its folder or hub id.

    Args:
        source: A folder, or a hub id `user/name`, optionally followed by `@revision`.

    Raises:
        DatasetError: If there is none, or it is not a LeRobotDataset of format 3.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return Dataset(folder.absolute(), str(folder.absolute()), folder.absolute().name)
    if folder.exists():
        raise DatasetError(f"Dataset {source} is a file; name the folder that holds {INFO}.")
    if not _HUB_ID.fullmatch(source):
        raise DatasetError(
            f"No folder {source}; a dataset is a folder that holds {INFO}, or a hub id such as user/name."
        )
    repo_id, _, revision = source.partition("@")
    local = _recorded_here(repo_id)
    if not revision and (local / INFO).is_file():
        return Dataset(local, repo_id, repo_id)
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise DatasetError(
            f"No folder {source}, and no dataset of that hub id in {local}; unset HF_HUB_OFFLINE to download it, or "
            "give the path of a dataset's folder."
        )
    return _HubDataset(repo_id, revision or None)


def open_episode(
    source: str, index: int, scene: Scene, cameras: Iterable[str] = (), joints: Iterable[str] = ()
) -> Demonstration:
    """`open_dataset`, then `Dataset.open`."""
    return open_dataset(source).open(index, scene, cameras, joints)


def _no_download(repo_id: str, error: Exception) -> str:
    return (
        f"Dataset {repo_id} cannot be downloaded ({reason(error)}); check its spelling and the connection, or give a "
        "folder."
    )
