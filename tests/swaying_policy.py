"""A policy without weights for tests of the window: it reaches for the block's side of the table and sways."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from viewer_app.scene import Scene
from viewer_app.types import ActionChunk, Float32Array, Observation, PolicyInfo, Scale, Want


class SwayingPolicy:
    """Depends on the state it sees. Its chunk begins at the measured joints: the whisker starts at the gripper."""

    def __init__(self, scene: Scene, chunk_size: int = 50, n_action_steps: int = 25, takes: float = 0.0) -> None:
        """
        Args:
            scene: Whose joints it moves.
            chunk_size: Rows of a chunk.
            n_action_steps: Its own setting.
            takes: How long a call takes. [s]
        """
        n = scene.n_action
        ones = np.ones(n, np.float32)
        self._takes = takes
        self._info = PolicyInfo(
            name="swaying",
            kind="sway",
            source="tests",
            digest="0" * 64,
            chunk_size=chunk_size,
            n_action_steps=n_action_steps,
            n_action=n,
            n_state=n,
            cameras=MappingProxyType({name: (each.height, each.width) for name, each in scene.spec.cameras.items()}),
            uses_task=True,
            n_parameters=12_345_678,
            tensors_verified=137,
            tensors_in_file=137,
            action_scale=Scale("mean_std", 30 * ones, 0 * ones),
            state_scale=Scale("mean_std", 30 * ones, 0 * ones),
        )

    @property
    def info(self) -> PolicyInfo:
        return self._info

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        begin = time.perf_counter()
        time.sleep(self._takes)
        state = observations[-1].state
        rows = np.arange(self._info.chunk_size, dtype=np.float32)[:, None]
        joints = np.arange(len(state), dtype=np.float32)[None, :]
        sway = 18 * np.sin((start + rows) / 14 + joints) - 18 * np.sin(start / 14 + joints)
        bias = np.float32(0.02) * rows * (5 - joints)
        actions = np.clip(state[None] * np.float32(0.999) + sway + bias, -95, 95).astype(np.float32)
        return ActionChunk(start, actions, seed, time.perf_counter() - begin, model_actions=actions / 30)

    def ensemble_weights(self, coefficient: float) -> Float32Array:
        return np.exp(-coefficient * np.arange(self._info.chunk_size)).astype(np.float32)
