"""What a LeRobot policy reads, and how an observation becomes its batch.

The form is LeRobot's: pictures as float32 (3, H, W) in [0, 1], the state as float32 (m,). LeRobot itself checks little
of it (pictures of another size, of 0 .. 255 or in uint8 run and give nonsense), so all of it is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from lerobot.configs.policies import PreTrainedConfig
from lerobot.configs.types import FeatureType
from torch import Tensor

from policies.checkpoint import CONFIG, Checkpoint, CheckpointError
from viewer_app.types import Float32Array, ImageArray, Observation, WhiskersError

STATE = "observation.state"
ENVIRONMENT_STATE = "observation.environment_state"
_IMAGES = "observation.images."


@dataclass(frozen=True)
class CameraInput:
    """One camera that a policy reads."""

    key: str
    """LeRobot's name, for example `observation.images.wrist_cam`."""
    height: int
    """[px]"""
    width: int
    """[px]"""


@dataclass(frozen=True)
class Inputs:
    """What a policy reads."""

    policy: str
    """Name of the policy, for complaints."""
    cameras: Mapping[str, CameraInput]
    """By the scene's name of the camera."""
    n_state: int
    """0 where it reads no proprioception."""
    n_environment_state: int

    def batch(self, observation: Observation) -> dict[str, Tensor | str]:
        """The observation as LeRobot's preprocessor takes it, without a batch dimension.

        Raises:
            WhiskersError: If something that the policy reads is missing or of another form.
        """
        self._check(observation)
        # The state goes along even where the policy has no use for it, because LeRobot's ACT asks it for its device.
        batch: dict[str, Tensor | str] = {"task": observation.task, STATE: _tensor(observation.state)}
        if observation.environment_state is not None and self.n_environment_state:
            batch[ENVIRONMENT_STATE] = _tensor(observation.environment_state)
        for name, camera in self.cameras.items():
            batch[camera.key] = _picture(observation.images[name])
        return batch

    def _check(self, observation: Observation) -> None:
        for name, camera in self.cameras.items():
            image = observation.images.get(name)
            if image is None:
                shown = ", ".join(observation.images) or "no camera at all"
                raise WhiskersError(f"Policy {self.policy} reads camera {name!r}, and the observation shows {shown}.")
            if image.dtype != np.uint8 or image.shape != (camera.height, camera.width, 3):
                raise WhiskersError(
                    f"Policy {self.policy} reads camera {name!r} as uint8 of shape "
                    f"({camera.height}, {camera.width}, 3), and the observation shows {image.dtype} of {image.shape}."
                )
        self._check_vector("state", observation.state, self.n_state)
        self._check_vector("environment state", observation.environment_state, self.n_environment_state)

    def _check_vector(self, noun: str, value: Float32Array | None, size: int) -> None:
        if size == 0:
            return
        if value is None or value.dtype != np.float32 or value.shape != (size,):
            found = "none" if value is None else f"{value.dtype} of {value.shape}"
            raise WhiskersError(
                f"Policy {self.policy} reads the {noun} as float32 of shape ({size},), and the observation has {found}."
            )
        if not np.isfinite(value).all():
            raise WhiskersError(f"The {noun} that policy {self.policy} was to read is not finite: {value.tolist()}.")


def inputs_of(config: PreTrainedConfig, checkpoint: Checkpoint) -> Inputs:
    """What a policy of that configuration reads.

    Raises:
        CheckpointError: If it reads or commands something that no scene has.
    """
    path = checkpoint.folder / CONFIG
    cameras: dict[str, CameraInput] = {}
    sizes = {STATE: 0, ENVIRONMENT_STATE: 0}
    for key, feature in (config.input_features or {}).items():
        shape = tuple(feature.shape)
        # Not a matter of course: LeRobot's decoder lets None pass for a number.
        countable = all(isinstance(size, int) and size > 0 for size in shape)
        if feature.type is FeatureType.VISUAL:
            if not countable or len(shape) != 3 or shape[0] != 3:
                raise CheckpointError(f"Checkpoint file {path}: {key} must have shape (3, height, width), not {shape}.")
            cameras[_camera_name(key)] = CameraInput(key, shape[1], shape[2])
        elif key in sizes and countable and len(shape) == 1:
            sizes[key] = shape[0]
        else:
            raise CheckpointError(
                f"Checkpoint file {path}: input {key} of shape {shape} is not one that Whiskers can give; it has "
                f"pictures, {STATE} and {ENVIRONMENT_STATE}."
            )
    action = config.action_feature
    if action is None or len(action.shape) != 1 or not isinstance(action.shape[0], int) or action.shape[0] < 1:
        raise CheckpointError(f"Checkpoint file {path}: output_features must hold the action, of shape (n,).")
    return Inputs(checkpoint.name, cameras, sizes[STATE], sizes[ENVIRONMENT_STATE])


def require_prompt(policy: str, observation: Observation) -> None:
    """For policies that read text.

    Raises:
        WhiskersError: If the observation has no prompt.
    """
    if not observation.task.strip():
        raise WhiskersError(
            f"Policy {policy} reads a prompt, and there is none; write in a few words what it is to do."
        )


def _camera_name(key: str) -> str:
    """The scene's name of LeRobot's `observation.images.NAME`, or of a lone `observation.image`."""
    return key.removeprefix(_IMAGES) if key.startswith(_IMAGES) else key.removeprefix("observation.")


def _tensor(vector: Float32Array) -> Tensor:
    return torch.from_numpy(vector.copy())


def _picture(image: ImageArray) -> Tensor:
    """Shape (3, H, W), float32 in [0, 1]."""
    channels_first = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
    return torch.from_numpy(channels_first) / 255
