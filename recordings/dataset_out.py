"""Writes traces as a LeRobotDataset (format 3), through LeRobot's own writer, so that policies can be trained on them.

The dataset gets its name once it is complete and was read back equal; until then it is written beside, and whatever
goes wrong leaves nothing there. Cameras are rendered again from the traces' snapshots, so this needs OpenGL on the
calling thread.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from recordings.dataset_format import (
    ACTION,
    ENVIRONMENT_STATE,
    IMAGES,
    INFO,
    POSITION,
    PROVENANCE,
    STATE,
    DatasetError,
    reason,
)
from recordings.dataset_in import Dataset
from recordings.takes import Take
from viewer_app.render import PolicyCameras
from viewer_app.scene import Scene
from viewer_app.seen import Picture, seen_at, unblinded
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, Observation, WhiskersError

Frame = dict[str, object]


class DatasetStoppedError(DatasetError):
    """A person stopped the writing."""


@dataclass(frozen=True)
class DatasetOptions:
    """How a dataset is to be written."""

    lossless: bool = False
    """Pictures as PNG in the tables; otherwise as video in LeRobot's default codec, which is lossy."""
    as_seen: bool = False
    """State and pictures as the policy was shown them, blinding included; otherwise what the sensors showed."""
    outcome: bool = False
    """Also `next.reward`, `next.success` and `next.done` of each step. LeRobot's trainer passes over them."""
    robot_type: str = ""
    """Empty is the scene's name."""
    force: bool = False
    """Whether a dataset of that name may be replaced. Anything else is never replaced."""


@dataclass(frozen=True)
class WrittenDataset:
    """What was written."""

    root: Path
    episodes: int
    frames: int


Report = Callable[[int, int], None]
"""Told after each frame how many are done, and of how many."""


def write_dataset(
    root: Path,
    takes: Sequence[Take],
    options: DatasetOptions = DatasetOptions(),
    report: Report = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> WrittenDataset:
    """Write episodes as a dataset: one frame a step, with what was seen before it and the action that was executed.

    Args:
        root: The dataset's folder. Must not exist, unless `options.force` and it is a dataset.
        takes: At least one. Their scenes must agree in joints, cameras and control rate.
        options: How.
        report: Told the progress.
        stop: Asked before each frame whether to give it up.

    Raises:
        DatasetStoppedError: If `stop` said so.
        DatasetError: If it cannot be written. In both cases nothing of it is left.
    """
    root = root.expanduser().absolute()
    check_dataset(root, takes, options)
    features = features_of(takes[0].scene, options)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".partial", dir=root.parent))
    except OSError as error:
        raise _unwritable(root, error) from None
    failure: WhiskersError | None = None
    try:
        _write(beside / root.name, features, takes, options, report, stop)
        _put_in_place(beside, root, options.force)
    except WhiskersError as error:
        failure = error.with_traceback(None)
        failure.__context__ = None
    except Exception as error:  # LeRobot, its codecs and its tables raise whatever they like.
        failure = _unwritable(root, error)
    finally:
        # LeRobot's writer finishes its files once more when it is collected, which would make the folder anew.
        gc.collect()
        shutil.rmtree(beside, ignore_errors=True)
    if failure is not None:
        raise failure
    return WrittenDataset(root, len(takes), sum(take.length for take in takes))


def features_of(scene: Scene, options: DatasetOptions) -> dict[str, dict[str, object]]:
    """LeRobot's description of what a frame holds."""
    features: dict[str, dict[str, object]] = {
        STATE: _numbers(scene.state_names, scene.spec.state.kind),
        ACTION: _numbers(scene.action_names, scene.spec.action.kind),
    }
    if scene.spec.state.environment:
        features[ENVIRONMENT_STATE] = _numbers(scene.spec.state.environment, "environment")
    for name, camera in scene.spec.cameras.items():
        features[f"{IMAGES}{name}"] = {
            "dtype": "image" if options.lossless else "video",
            "shape": (camera.height, camera.width, 3),
            "names": ["height", "width", "channels"],
        }
    if options.outcome:
        features["next.reward"] = {"dtype": "float32", "shape": (1,), "names": None}
        features["next.success"] = {"dtype": "bool", "shape": (1,), "names": None}
        features["next.done"] = {"dtype": "bool", "shape": (1,), "names": None}
    return features


def _numbers(names: Sequence[str], kind: str) -> dict[str, object]:
    """A feature of numbers. Those of joints are called as LeRobot's robots call them."""
    suffix = POSITION if kind == "joints" else ""
    return {"dtype": "float32", "shape": (len(names),), "names": [f"{name}{suffix}" for name in names]}


# Checking.


def check_dataset(root: Path, takes: Sequence[Take], options: DatasetOptions) -> None:
    """
    Raises:
        DatasetError: If these episodes cannot be one dataset, or not under that name.
    """
    if not takes:
        raise DatasetError("There is no episode to save as a dataset.")
    check_free(root, options.force)
    first = takes[0].scene
    rate = first.spec.control_hz
    if rate != round(rate):
        raise DatasetError(
            f"Scene {first.name} is controlled at {rate:g} Hz; LeRobotDatasets have a whole number of frames a second."
        )
    features = features_of(first, options)
    for take in takes:
        if features_of(take.scene, options) != features or take.scene.spec.control_hz != rate:
            raise DatasetError(
                f"Episode {take.name} is of a scene with other joints, cameras or control rate than "
                f"{takes[0].name}; save them as two datasets."
            )
        if not take.length or np.asarray(take.trace.column("action", take.length)).shape[1] != first.n_action:
            raise DatasetError(f"Episode {take.name} has no actions to save; leave it out.")


def check_free(root: Path, force: bool = False) -> None:
    """
    Args:
        root: A dataset is to have this name.
        force: Whether a dataset of that name may be replaced.

    Raises:
        DatasetError: If it is taken.
    """
    if not root.exists() and not root.is_symlink():
        return
    if not force:
        raise DatasetError(f"{root} exists already; choose another name, or have it replaced with --force.")
    if not (root / INFO).is_file():
        raise DatasetError(f"{root} is not a dataset, so it is not replaced; choose another name.")


# Writing.


def _write(
    root: Path,
    features: dict[str, dict[str, object]],
    takes: Sequence[Take],
    options: DatasetOptions,
    report: Report,
    stop: Callable[[], bool],
) -> None:
    import av
    from lerobot.datasets import LeRobotDataset
    from lerobot.utils.utils import SuppressProgressBars

    # What libav tells about each file that it writes went well is nobody's concern.
    av.logging.set_libav_level(av.logging.ERROR)
    # The AV1 encoder writes a page about itself to the terminal for each video, unless only errors are asked for.
    os.environ.setdefault("SVT_LOG", "1")
    scene = takes[0].scene
    dataset = LeRobotDataset.create(
        repo_id=f"local/{root.name}",
        fps=round(scene.spec.control_hz),
        features=features,
        root=root,
        robot_type=options.robot_type or scene.name,
        use_videos=not options.lossless,
        # Only to read it, which is not done here; looking for a better one can fill a page with what it lacks.
        video_backend="pyav",
    )
    total = sum(take.length for take in takes)
    done = 0
    cameras: PolicyCameras | None = None
    try:
        with SuppressProgressBars():
            for number, take in enumerate(takes):
                if cameras is None or take.scene is not takes[number - 1].scene:
                    if cameras is not None:
                        cameras.close()
                    cameras = PolicyCameras(take.scene)
                for step in range(take.length):
                    if stop():
                        raise DatasetStoppedError("The dataset was given up; nothing of it is left.")
                    dataset.add_frame(_frame(take, step, options, cameras.pictures))
                    done += 1
                    report(done, total)
                # Its other way forks processes, which a program with threads and OpenGL must not.
                dataset.save_episode(parallel_encoding=False)
            dataset.finalize()
    except BaseException:
        # What it has open is closed, so that it can be removed; it failed already, so how this ends does not matter.
        with suppress(Exception):
            dataset.finalize()
        raise
    finally:
        if cameras is not None:
            cameras.close()
    _write_provenance(root, takes)
    _check_written(root, takes, options)


def _frame(take: Take, step: int, options: DatasetOptions, picture: Picture) -> Frame:
    trace, scene = take.trace, take.scene
    seen = _observed(trace, scene, step, options.as_seen, picture)
    frame: Frame = {f"{IMAGES}{name}": image for name, image in seen.images.items()}
    frame |= {STATE: seen.state, ACTION: _actions(take)[step].copy(), "task": seen.task}
    if seen.environment_state is not None:
        frame[ENVIRONMENT_STATE] = seen.environment_state
    if options.outcome:
        after = step + 1
        frame["next.reward"] = np.asarray(trace.column("reward"), np.float32)[after : after + 1].copy()
        frame["next.success"] = np.asarray(trace.column("success"), np.bool_)[after : after + 1].copy()
        frame["next.done"] = np.array([after == take.length])
    return frame


def _observed(trace: Trace, scene: Scene, step: int, as_seen: bool, picture: Picture) -> Observation:
    """What the sensors showed, or what of it the policy was shown, by all cameras of the scene."""
    cameras = {name: (size.height, size.width) for name, size in scene.spec.cameras.items()}
    if as_seen and trace.policy is not None:
        info = replace(trace.policy, cameras=MappingProxyType(cameras))
        return seen_at(trace, step, info, picture)
    return unblinded(trace, step, tuple(cameras), picture)


def _actions(take: Take) -> Float32Array:
    """Shape (steps, n)."""
    return np.asarray(take.trace.column("action", take.length), np.float32)


def _write_provenance(root: Path, takes: Sequence[Take]) -> None:
    episodes = [
        {
            "trace": take.name,
            "scene": take.scene.name,
            "seed": take.trace.seed,
            "policy": take.trace.policy.source if take.trace.policy is not None else None,
            "outcome": take.trace.outcome(take.length),
        }
        for take in takes
    ]
    (root / PROVENANCE).write_text(json.dumps({"format": 1, "episodes": episodes}, indent=1) + "\n", encoding="utf-8")


def _check_written(root: Path, takes: Sequence[Take], options: DatasetOptions) -> None:
    """Read it back: LeRobot only logs that a picture could not be written.

    Raises:
        DatasetError: If states, actions or the number of pictures are not what was given.
    """
    dataset = Dataset(root, str(root), root.name)
    for number, take in enumerate(takes):
        found = dataset.open(number, take.scene)
        states = np.asarray(take.trace.column("state", take.length), np.float32)[:-1]
        same = np.array_equal(found.actions, _actions(take))
        if not options.as_seen:
            same = same and np.array_equal(found.states, states)
        if not same:
            raise DatasetError(f"Episode {take.name} does not read back as it was written; the disk may be full.")
        found.recorded.at(0)
        found.recorded.at(len(found) - 1)


def _put_in_place(beside: Path, root: Path, force: bool) -> None:
    check_free(root, force)
    old = beside / "replaced"
    if root.exists():
        root.rename(old)
    try:
        (beside / root.name).rename(root)
    except OSError:
        if old.exists():
            old.rename(root)
        raise


def _unwritable(root: Path, error: Exception) -> DatasetError:
    said = error.strerror if isinstance(error, OSError) and error.strerror else reason(error)
    return DatasetError(f"Dataset {root} cannot be written ({said}); nothing of it is left.")
