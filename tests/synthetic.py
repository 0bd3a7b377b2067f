"""Policies whose every chunk is known in closed form, for tests of the engine that need no torch.

They are real implementations of the `Policy` protocol, pure functions of what they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from viewer_app.scene import Scene
from viewer_app.types import ActionChunk, Float32Array, Observation, PolicyInfo, Scale, Want


class Wave:
    """Swings every joint about where it is, by an amplitude that depends on all it is shown.

    Row i is `state + gain * (brightness - 0.5) + amplitude * sin(rate * (start + i)) + noise(seed)`.
    """

    def __init__(
        self,
        scene: Scene,
        chunk_size: int = 12,
        n_action_steps: int = 6,
        cameras: Mapping[str, tuple[int, int]] | None = None,
        noise: float = 0.0,
        ensemble_coefficient: float | None = None,
        n_obs_steps: int = 1,
    ) -> None:
        n = scene.n_action
        if cameras is None:
            cameras = {name: (size.height, size.width) for name, size in scene.spec.cameras.items()}
        self.noise = noise
        self.asked = 0
        self._info = PolicyInfo(
            name="wave",
            kind="wave",
            source="tests",
            digest=f"wave-{chunk_size}-{noise}-{n_obs_steps}",
            chunk_size=chunk_size,
            n_action_steps=n_action_steps,
            n_action=n,
            n_state=scene.n_state,
            cameras=cameras,
            n_obs_steps=n_obs_steps,
            ensemble_coefficient=ensemble_coefficient,
            deterministic=noise == 0.0,
            action_scale=Scale("mean_std", np.full(n, 20, np.float32), np.full(n, 3, np.float32)),
        )

    @property
    def info(self) -> PolicyInfo:
        return self._info

    def with_name(self, name: str) -> Wave:
        """The same policy under another name, which makes another checkpoint of it."""
        other = object.__new__(Wave)
        other.noise, other.asked = self.noise, 0
        other._info = replace(self._info, name=name, digest=name)
        return other

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        self.asked += 1
        newest = observations[-1]
        bright = np.mean([image.mean() / 255 for image in newest.images.values()]) if newest.images else 0.5
        rows = np.arange(start, start + self._info.chunk_size, dtype=np.float32)[:, None]
        oldest = observations[0].state - newest.state
        actions = newest.state + 0.1 * oldest + 20 * np.float32(bright - 0.5) + 8 * np.sin(0.2 * rows)
        actions = actions + np.float32(self.noise) * np.random.default_rng(seed).standard_normal(actions.shape)
        scale = self._info.action_scale
        assert scale is not None
        model = scale.to_model(actions.astype(np.float32))
        return ActionChunk(start, scale.to_scene(model), seed, latency=0.001, model_actions=model)

    def ensemble_weights(self, coefficient: float) -> Float32Array:
        return np.exp(-coefficient * np.arange(self._info.chunk_size)).astype(np.float32)
