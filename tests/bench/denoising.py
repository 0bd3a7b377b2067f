"""What it costs to watch a flow-matching policy denoise, and to draw several samples of its noise."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout

import torch

from policies.load import load
from policies.progress import ignore
from policies.source import find_folder
from tests.bench.lanes import FLOW
from tests.bench.rows import Row, compare
from tests.lerobot_loop import LeRobotLoop
from viewer_app.render import PolicyCameras
from viewer_app.scene import Scene
from viewer_app.types import CallProgress, Float32Array, Observation, Policy, Want
from viewer_app.world import MujocoWorld

PAIRS = 31
SAMPLES = 8


class BareFlow(LeRobotLoop):
    """What a script without Whiskers does: LeRobot's own loaders, processors and `predict_action_chunk`."""

    def predict(self, observation: Observation) -> Float32Array:
        """A chunk in scene units, all its rows through the postprocessor at once. Shape (H, n)."""
        with torch.inference_mode():
            chunk: Float32Array = self._after(self.policy.predict_action_chunk(self.batch(observation)))[0].numpy()
        return chunk


def measure_denoising(scene: Scene) -> Row:
    """A call with every denoising step kept and un-normalised, against LeRobot's bare call."""
    policy = load(FLOW)
    with redirect_stdout(sys.stderr):  # LeRobot prints what it loads.
        bare = BareFlow(find_folder(FLOW, ignore).folder)
    seen = _observation(scene, policy)
    compared = compare(_asked(policy, seen, Want(denoising=True)), lambda _: _discard(bare.predict(seen)), PAIRS)
    return Row(
        f"predict of {policy.info.name} with all denoising steps captured",
        compared.ratio,
        "x",
        f"LeRobot's processors and predict_action_chunk: {1e3 * compared.bare:.1f} ms",
        1.05,
    )


def measure_noise_samples(scene: Scene) -> Row:
    """What further samples of the noise cost, in calls for a single chunk."""
    steps: list[CallProgress] = []
    policy = load(FLOW, on_call=steps.append)
    seen = _observation(scene, policy)
    steps.clear()
    policy.predict([seen], 0, 0, Want(samples=SAMPLES))
    calls = len(steps) / policy.info.denoising_steps - 1
    silent = load(FLOW)
    compared = compare(_asked(silent, seen, Want(samples=SAMPLES)), _asked(silent, seen, Want()), PAIRS)
    return Row(
        f"{SAMPLES} noise samples besides the chunk, in {calls:.0f} model call{'s' * (calls != 1)}",
        compared.ratio - 1,
        "calls",
        f"a call for one chunk: {1e3 * compared.bare:.1f} ms; one by one they would be {SAMPLES} of those",
        SAMPLES,
    )


def _asked(policy: Policy, seen: Observation, want: Want) -> Callable[[int], None]:
    return lambda pair: _discard(policy.predict([seen], 0, pair, want))


def _observation(scene: Scene, policy: Policy) -> Observation:
    """What the policy sees at the start of an episode."""
    world = MujocoWorld(scene, PolicyCameras(scene))
    world.reset(1000)
    seen = world.observe(tuple(policy.info.cameras))
    world.close()
    return Observation(seen.time, seen.state, seen.images, scene.spec.prompt)


def _discard(value: object) -> None:
    """What `compare` wants: a function that gives nothing."""
