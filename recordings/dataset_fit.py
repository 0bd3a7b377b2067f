"""Whether a dataset's joints and cameras are a scene's, by their names or by what a person says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from recordings.dataset_format import POSITION, STATE, DatasetError
from viewer_app.camera_map import NOTHING, options_of
from viewer_app.camera_names import CameraMapping, suggest
from viewer_app.channels import listed
from viewer_app.scene import Scene


def joint_columns(
    dataset: str, key: str, features: Mapping[str, Mapping[str, object]], scene: Scene, given: Sequence[str] = ()
) -> tuple[tuple[int, ...], str]:
    """Which column of a feature is which of the scene's joints.

    Args:
        dataset: Its name, for complaints.
        key: `observation.state` or `action`.
        features: All of the dataset.
        scene: Says the joints.
        given: `DATASET_JOINT=SCENE_JOINT`, for those of other names.

    Returns:
        One column a joint, in the scene's order; and one sentence if something was assumed, else an empty one.

    Raises:
        DatasetError: If the feature is missing, or its joints are not the scene's.
    """
    if key not in features:
        raise DatasetError(f"Dataset {dataset} has no {key}, without which it cannot be shown on a robot.")
    names, size = _names(features[key]), _size(features[key])
    kind, there = (
        (scene.spec.state.kind, scene.state_names) if key == STATE else (scene.spec.action.kind, scene.action_names)
    )
    noun = "joints" if kind == "joints" else "numbers"
    if size != len(there):
        raise DatasetError(
            f"Dataset {dataset} has {size} numbers in {key}; scene {scene.name} has {len(there)} {noun} "
            f"({listed(there)}): open the scene of the robot that it was recorded with."
        )
    if len(names) != size:
        return tuple(range(size)), f"The dataset does not name its {noun} in {key}; the scene's order is assumed."
    if not scene.commands_joints:
        # State and action are called differently, and each name is of one of them.
        given = [each for each in given if each.partition("=")[0] in names]
    pairs = _pairs(given, "--joint DATASET_JOINT=SCENE_JOINT", names, there)
    called = {
        pairs.get(name, pairs.get(name.removesuffix(POSITION), name.removesuffix(POSITION))): i
        for i, name in enumerate(names)
    }
    if set(called) != set(there):
        raise DatasetError(
            f"Dataset {dataset} names the {noun} of {key} {listed(names)}; scene {scene.name} has "
            f"{listed(there)}: say with --joint DATASET_JOINT=SCENE_JOINT which is which."
        )
    return tuple(called[name] for name in there), ""


def camera_mapping(
    dataset: str, cameras: Mapping[str, tuple[int, int]], scene: Scene, given: Iterable[str] = ()
) -> CameraMapping:
    """Which of the scene's cameras each of a dataset's stands for. Equal names mean the same camera.

    Args:
        dataset: Its name, for complaints.
        cameras: The dataset's, to their sizes.
        scene: Says the others.
        given: `DATASET_CAMERA=SCENE_CAMERA`, or `DATASET_CAMERA=none`, for those of other names.

    Raises:
        DatasetError: If an argument is not understood, or a camera is left without one; says which there are.
    """
    there = tuple(scene.spec.cameras)
    pairs = _pairs(given, "--camera DATASET_CAMERA=SCENE_CAMERA", tuple(cameras), (*there, NOTHING))
    left = [name for name in cameras if name not in pairs and name not in there]
    if left:
        options = options_of(suggest(left, [name for name in there if name not in cameras]).mapping)
        raise DatasetError(
            f"Dataset {dataset} has {'cameras' if len(left) > 1 else 'camera'} {', '.join(left)}, and scene "
            f"{scene.name} has {', '.join(there) or 'none'}: say which stands for which with {options} ({NOTHING} for "
            "none of them)."
        )
    found = {name: pairs.get(name, name) for name in cameras}
    shown = [camera for camera in found.values() if camera != NOTHING]
    twice = sorted({camera for camera in shown if shown.count(camera) > 1})
    if twice:
        raise DatasetError(f"Two cameras of dataset {dataset} cannot both stand for {twice[0]}; map one to {NOTHING}.")
    return MappingProxyType({name: None if camera == NOTHING else camera for name, camera in found.items()})


def _pairs(given: Iterable[str], form: str, left: Sequence[str], right: Sequence[str]) -> dict[str, str]:
    """`LEFT=RIGHT` arguments as a mapping."""
    found: dict[str, str] = {}
    for text in given:
        name, _, other = text.partition("=")
        known = (*left, *(each.removesuffix(POSITION) for each in left))
        if name not in known or other not in right or name in found:
            raise DatasetError(
                f"{form} takes one of {', '.join(left) or 'none'}, each once, and one of {', '.join(right)}; found "
                f"{text!r}."
            )
        found[name] = other
    return found


def _names(feature: Mapping[str, object]) -> tuple[str, ...]:
    """Names of a feature's numbers, which some datasets put under a heading; empty where there are none."""
    names = feature.get("names")
    if isinstance(names, Mapping):
        names = [name for part in names.values() if isinstance(part, list) for name in part]
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _size(feature: Mapping[str, object]) -> int:
    shape = feature.get("shape")
    return shape[0] if isinstance(shape, list) and len(shape) == 1 and isinstance(shape[0], int) else 0
