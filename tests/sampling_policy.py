"""A policy that is random by itself, in closed form: what it adds to the swaying policy's chunk fans out evenly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.swaying_policy import SwayingPolicy
from tests.window_session import Folder, Loading
from viewer_app.engine import Engine
from viewer_app.gui import Files, Session
from viewer_app.headless import open_engine
from viewer_app.scene import Scene
from viewer_app.types import ActionChunk, Float32Array, Observation, Want


class SamplingPolicy(SwayingPolicy):
    """Row i of H is the swaying policy's plus `fan(seed) * (i + 1) / H`."""

    def __init__(self, scene: Scene, sigma: float = 6.0) -> None:
        """
        Args:
            scene: Whose joints it moves.
            sigma: Standard deviation of each joint at the end of the chunk. Scene units.
        """
        super().__init__(scene)
        self._sigma = sigma
        self._info = replace(self._info, name="sampling (synthetic)", deterministic=False, digest=f"{sigma:064.3f}")

    def fan(self, seed: int) -> Float32Array:
        """What is added at the end of the chunk. Shape (n,)."""
        return (self._sigma * np.random.default_rng(seed).standard_normal(self._info.n_action)).astype(np.float32)

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        plain = super().predict(observations, start, seed, want)
        share = (np.arange(len(plain), dtype=np.float32)[:, None] + 1) / len(plain)
        actions = (plain.actions + share * self.fan(seed)).astype(np.float32)
        return replace(plain, actions=actions, model_actions=(actions / 30).astype(np.float32))


def sampling_session(folder: Path) -> tuple[Session, Files]:
    """A session that it drives."""
    scene = Scene.load("so101")

    def engine(publish: object) -> Engine:
        assert callable(publish)
        return open_engine(scene, None, 3, publish)

    folder.mkdir(parents=True, exist_ok=True)
    return Session(scene, engine, Loading(SamplingPolicy(scene), 0.2, "")), Folder(folder)
