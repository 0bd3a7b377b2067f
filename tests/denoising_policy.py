"""A policy without weights whose way from noise to its chunk is known in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tests.scripted import Script
from tests.synthetic import Wave
from viewer_app.insight import DenoisingInsight
from viewer_app.scene import Scene
from viewer_app.types import ActionChunk, Float32Array, FloatArray, Observation, Want


def at_rest(start: int, seen: Observation, seed: int) -> Float32Array:
    """All joints straight ahead."""
    return np.zeros((12, len(seen.state)), np.float32)


class FromNoise(Wave):
    """Its sample at time t, from 1 to 0, is the chunk plus t times an offset, and what a step points to is the chunk
    plus t squared times it. Further draws of the noise start from the offset's opposite and from itself, in turn."""

    def __init__(
        self,
        scene: Scene,
        offset: float | Sequence[float],
        steps: int = 10,
        script: Script = at_rest,
        chunk_size: int = 12,
        n_action_steps: int = 6,
    ) -> None:
        """
        Args:
            scene: Whose joints it moves.
            offset: Scene units, one for each joint, or of the first alone.
            steps: Denoising steps.
            script: Its chunks.
            chunk_size: Rows of the script's chunks.
            n_action_steps: Its own setting.
        """
        super().__init__(scene, chunk_size, n_action_steps, {})
        self._info = replace(
            self._info, kind="from_noise", deterministic=False, denoising_steps=steps, guidable=True, digest="noise"
        )
        self._script = script
        given = [offset] if isinstance(offset, int | float) else list(offset)
        self._offset = np.array([*given, *[0.0] * (scene.n_action - len(given))], np.float32)

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        rows = np.asarray(self._script(start, observations[-1], seed), np.float32)
        scale = self._info.action_scale
        assert scale is not None
        extras: dict[str, NDArray[np.float32]] = {}
        if want.denoising:
            extras |= self._denoising(rows, want)
        if want.sampling.guidance is not None:
            extras["guidance"] = ramp(want.sampling.delay, want.sampling.guidance.horizon, len(rows))
        model = scale.to_model(rows)
        return ActionChunk(start, rows, seed, latency=0.001, model_actions=model, extras=extras)

    def _denoising(self, rows: Float32Array, want: Want) -> Mapping[str, NDArray[np.float32]]:
        steps = want.sampling.steps or self._info.denoising_steps
        times = np.linspace(1, 0, steps + 1, dtype=np.float32)
        scale = self._info.action_scale
        assert scale is not None

        def way(shares: Float32Array, sign: float = 1.0) -> Float32Array:
            return rows + np.float32(sign) * shares[:, None, None] * self._offset

        samples, aims = way(times), way(times[:-1] ** 2)
        found = {
            "denoising": samples,
            "denoising_x0": aims,
            "denoising_times": times,
            "denoising_model": scale.to_model(samples),
            "denoising_x0_model": scale.to_model(aims),
        }
        if want.samples:
            draws = np.stack([way(times, -((-1.0) ** number)) for number in range(want.samples)])
            found |= {"samples": draws[:, -1], "samples_denoising": draws}
        return found


def ramp(delay: int, horizon: int, rows: int) -> Float32Array:
    """Weights of real-time chunking: 1 for the rows of the delay, then falling to 0 at the horizon. Shape (rows,)."""
    row = np.arange(rows, dtype=np.float32)
    return np.clip((horizon - row) / max(horizon - delay, 1), 0, 1).astype(np.float32)


def to_come(steps: int) -> FloatArray:
    """Share of the denoising steps that is to come at each of them, from 1 to 0. Shape (steps + 1,)."""
    return np.arange(steps, -1, -1) / steps


def planted(step: int, steps: int = 40) -> DenoisingInsight:
    """Figures about a chunk that are plain to recognise: each column is a number times the share of steps to come."""
    left = to_come(steps)
    return DenoisingInsight(
        step=step,
        times=left,
        mean=0.5 * left,
        deviation=1.5 * left,
        smallest=-3 * left,
        largest=4 * left,
        away=400 * left,
        away_aim=300 * left[:-1] ** 2,
        away_model=2 * left,
        away_aim_model=left[:-1] ** 2,
        spread=350 * left,
        settled=steps - 1,
        aim_settled=steps - 7,
    )
