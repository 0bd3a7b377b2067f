"""A policy that says what a test tells it to, and a loop that drives one through the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tests.synthetic import Wave
from viewer_app.commands import Command, SetStops
from viewer_app.engine import Engine
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Float32Array, Observation, Want

Script = Callable[[int, Observation, int], Float32Array]
"""(start, newest observation, seed) to the chunk's rows, in scene units. Shape (chunk_size, n)."""
Extras = Callable[[int, Want], Mapping[str, NDArray[np.float32]]]


class Scripted(Wave):
    """Its chunk is what the script says."""

    def __init__(
        self,
        scene: Scene,
        script: Script,
        chunk_size: int = 12,
        n_action_steps: int = 6,
        cameras: Mapping[str, tuple[int, int]] | None = None,
        extras: Extras = lambda start, want: {},
        deterministic: bool = True,
    ) -> None:
        super().__init__(scene, chunk_size, n_action_steps, {} if cameras is None else cameras)
        self._info = replace(self._info, deterministic=deterministic)
        self._script = script
        self._extras = extras

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        rows = np.asarray(self._script(start, observations[-1], seed), np.float32)
        return ActionChunk(start, rows, seed, latency=0.001, extras=self._extras(start, want))


def do(engine: Engine, *commands: Command) -> Trace:
    """Obey commands one after another, each to its end. No outcome stops the engine."""
    for command in (SetStops(on_outcome=False), *commands):
        engine.send(command)
        while engine.tick() or engine.busy:
            pass
    return engine.lanes[0].trace
