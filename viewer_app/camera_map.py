"""A checkpoint whose cameras are not the scene's: which of the scene's it is shown in place of which of its own.

The mapping is data. `MappedPolicy` applies it, so that everything else knows the scene's cameras only.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from viewer_app.camera_names import CameraMapping
from viewer_app.scene import Scene
from viewer_app.scene_spec import CameraSpec
from viewer_app.types import (
    ActionChunk,
    ImageArray,
    Observation,
    Policy,
    PolicyInfo,
    Want,
    WhiskersError,
    frozen,
)
from viewer_app.wrapped_policy import WrappedPolicy

NOTHING = "none"
"""How `--camera` writes that a camera is shown nothing."""
_ATTENTION = "attention:"
_SAME_ASPECT = 0.01
"""Pictures whose width over height differs by less than this share are not called stretched."""


class MappedPolicy(WrappedPolicy):
    """A policy that is shown a scene's cameras as those that it was trained on.

    Pictures are renamed, and resized where the checkpoint reads another size. Blinding comes before and by the scene's
    names, so a blinded camera is blind here too. Its information has the scene's cameras and their sizes, and a digest
    that depends on the mapping.
    """

    def __init__(self, policy: Policy, mapping: CameraMapping, scene: Scene) -> None:
        """
        Args:
            policy: As the checkpoint is. Wrapped, not owned.
            mapping: One entry for each camera of the policy.
            scene: Whose cameras it is to be shown.

        Raises:
            WhiskersError: If a camera is missing in the mapping, or the mapping names one that there is not.
        """
        check_mapping(mapping, policy.info, scene)
        self._mapping = MappingProxyType({name: mapping[name] for name in policy.info.cameras})
        super().__init__(policy, _mapped(policy.info, self._mapping, scene))
        self._blank = {
            name: frozen(_blank(policy.info, name)) for name, camera in self._mapping.items() if camera is None
        }

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        """See `viewer_app.types.Policy`. Attention is told by the scene's names of the cameras.

        Raises:
            WhiskersError: If an observation lacks a camera, or what the policy says.
        """
        chunk = self._policy.predict([self._as_trained(each) for each in observations], start, seed, want)
        return replace(chunk, extras=self._by_scene_names(chunk.extras))

    def _as_trained(self, observation: Observation) -> Observation:
        """What the checkpoint takes for this observation: its own cameras and no others."""
        lacking = self._info.cameras.keys() - observation.images.keys()
        if lacking:
            shown = ", ".join(observation.images) or "no camera at all"
            raise WhiskersError(
                f"Policy {self._info.name} is shown camera {min(lacking)!r}, and the observation has {shown}."
            )
        images = {
            name: self._blank[name]
            if camera is None
            else as_read(observation.images[camera], *self._policy.info.cameras[name])
            for name, camera in self._mapping.items()
        }
        return replace(observation, images=MappingProxyType(images))

    def _by_scene_names(self, extras: Mapping[str, NDArray[np.float32]]) -> Mapping[str, NDArray[np.float32]]:
        """Attention to a camera that was shown nothing is left out; to one that was shown as two, it is added up."""
        found: dict[str, NDArray[np.float32]] = {}
        for key, value in extras.items():
            name = key.removeprefix(_ATTENTION)
            if not key.startswith(_ATTENTION) or name not in self._mapping:
                found[key] = value
                continue
            camera = self._mapping[name]
            if camera is not None:
                renamed = f"{_ATTENTION}{camera}"
                found[renamed] = _added(found[renamed], value) if renamed in found else value
        return MappingProxyType(found)


def check_mapping(mapping: CameraMapping, info: PolicyInfo, scene: Scene) -> None:
    """
    Raises:
        WhiskersError: If the mapping is not one of this policy's cameras to those of this scene.
    """
    for name in (*info.cameras, *mapping):
        if (name in info.cameras) != (name in mapping):
            raise WhiskersError(
                f"Policy {info.name} reads {_listed(info.cameras)}, and the mapping has {_listed(mapping)}: map each "
                f"camera of the policy, to {NOTHING} where it is to be shown nothing."
            )
    for name, camera in mapping.items():
        if camera is not None and camera not in scene.spec.cameras:
            raise WhiskersError(
                f"Camera {name!r} of policy {info.name} is mapped to {camera!r}, which scene {scene.name} has not; it "
                f"has {_listed(scene.spec.cameras)}."
            )


def mapping_of(recorded: PolicyInfo, info: PolicyInfo) -> CameraMapping | None:
    """How a checkpoint's cameras were mapped when a trace was made.

    Args:
        recorded: What the trace says of its policy.
        info: The checkpoint, as it is.

    Returns:
        None where they were not mapped, or another checkpoint made the trace.
    """
    shown = {name: camera for camera, names in recorded.mapped_cameras.items() for name in names.split(", ")}
    mapping = {name: shown.get(name) for name in info.cameras}
    return mapping if _digest(info, mapping) == recorded.digest else None


def as_read(picture: ImageArray, height: int, width: int) -> ImageArray:
    """A picture in the size that a policy reads, stretched where its shape is another: nothing is cut or padded.

    Args:
        picture: Shape (h, w, 3).
        height: [px]
        width: [px]

    Returns:
        Shape (height, width, 3). The picture itself where it has that size.
    """
    if picture.shape[:2] == (height, width):
        return picture
    grows = height > picture.shape[0] or width > picture.shape[1]
    # Imported where pictures are resized: the window, which waits for this module, starts without it.
    import cv2

    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR if grows else cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def note_on(info: PolicyInfo, name: str, camera: str | None, cameras: Mapping[str, CameraSpec]) -> str:
    """What becomes of a scene camera's picture before the policy sees it, in a few words; empty where nothing does.

    Args:
        info: Of the checkpoint.
        name: One of its cameras.
        camera: The scene's camera that is shown as it, or None.
        cameras: The scene's.
    """
    if camera is None:
        mean = info.camera_mean.get(name)
        return "a black picture" if mean is None else "a picture of the training's mean colour"
    height, width = info.cameras[name]
    size = cameras[camera]
    if (size.height, size.width) == (height, width):
        return ""
    sizes = f"from {size.width}x{size.height} to {width}x{height}"
    if abs(size.width * height / (size.height * width) - 1) > _SAME_ASPECT:
        return f"stretched {sizes}"
    return f"{'enlarged' if width > size.width else 'shrunk'} {sizes}"


def described(info: PolicyInfo, mapping: CameraMapping, scene: Scene) -> str:
    """What a checkpoint is shown, in one sentence."""
    parts = []
    for name, camera in mapping.items():
        note = note_on(info, name, camera, scene.spec.cameras)
        parts.append(f"{name} sees {camera or 'nothing'}{f' ({note})' if note else ''}")
    return f"Policy {info.name} on scene {scene.name}: {', '.join(parts)}."


def options_of(mapping: CameraMapping) -> str:
    """The mapping as the command line takes it."""
    return " ".join(f"--camera {shlex.quote(f'{name}={camera or NOTHING}')}" for name, camera in mapping.items())


def parse_mapping(texts: Iterable[str], info: PolicyInfo, scene: Scene) -> CameraMapping:
    """The mapping that `--camera` arguments say. A camera that none of them names is the scene's of the same name.

    Args:
        texts: Each `CHECKPOINT_CAMERA=SCENE_CAMERA`, or `CHECKPOINT_CAMERA=none` to show it nothing.
        info: Of the checkpoint.
        scene: Whose cameras they are.

    Raises:
        WhiskersError: If one is not understood, or a camera is left without one; says which cameras there are.
    """
    given: dict[str, str | None] = {}
    for text in texts:
        name, _, camera = text.partition("=")
        if name not in info.cameras or camera not in (*scene.spec.cameras, NOTHING):
            raise WhiskersError(
                f"--camera takes CHECKPOINT_CAMERA=SCENE_CAMERA with one of {_listed(info.cameras)} and one of "
                f"{_listed((*scene.spec.cameras, NOTHING))}; found {text!r}."
            )
        if name in given:
            raise WhiskersError(f"--camera names {name} twice; say once what it is to be shown.")
        given[name] = camera if camera in scene.spec.cameras else None
    for name in info.cameras:
        if name not in given and name not in scene.spec.cameras:
            raise WhiskersError(
                f"Policy {info.name} reads camera {name!r} too, which scene {scene.name} has not; add --camera "
                f"{name}=SCENE_CAMERA with one of {_listed((*scene.spec.cameras, NOTHING))}."
            )
    return MappingProxyType({name: given.get(name, name) for name in info.cameras})


def _mapped(info: PolicyInfo, mapping: CameraMapping, scene: Scene) -> PolicyInfo:
    """Where one scene camera is shown as two, its mean colour is that of the first, and both names are told."""
    cameras = list(dict.fromkeys(camera for camera in mapping.values() if camera is not None))
    names = {camera: [name for name, shown in mapping.items() if shown == camera] for camera in cameras}
    sizes = scene.spec.cameras
    means = {camera: info.camera_mean[names[camera][0]] for camera in cameras if names[camera][0] in info.camera_mean}
    return replace(
        info,
        digest=_digest(info, mapping),
        cameras=MappingProxyType({camera: (sizes[camera].height, sizes[camera].width) for camera in cameras}),
        camera_mean=MappingProxyType(means),
        mapped_cameras=MappingProxyType({camera: ", ".join(names[camera]) for camera in cameras}),
    )


def _digest(info: PolicyInfo, mapping: CameraMapping) -> str:
    """Of the checkpoint and the mapping together: another mapping is another function of what is seen."""
    return hashlib.sha256(json.dumps([info.digest, sorted(mapping.items())]).encode()).hexdigest()


def _blank(info: PolicyInfo, name: str) -> ImageArray:
    """What a camera is shown that is shown nothing: the training's mean colour, or black where that is not known."""
    colour = np.round(255 * np.array(info.camera_mean.get(name, (0.0, 0.0, 0.0)))).astype(np.uint8)
    return np.broadcast_to(colour, (*info.cameras[name], 3))


def _added(first: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """The attention to one picture that was looked at twice, on the grid of the first. Shape (H, rows, columns)."""
    rows, columns = first.shape[1:]
    if other.shape != first.shape:
        share = np.float32(other[0].size / first[0].size)  # what a cell is worth on the coarser or finer grid
        import cv2

        other = np.stack([share * cv2.resize(each, (columns, rows)) for each in other]).astype(np.float32)
    return frozen(first + other)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "no camera"
