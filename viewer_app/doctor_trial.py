"""Trying a world by itself, and a policy in it, to give the doctor something to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from viewer_app.commands import Step
from viewer_app.doctor.trial import HOLD_STEPS, Trial, WorldTrial
from viewer_app.headless import open_engine
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, FloatArray, Observation, Policy, Want, WhiskersError, World, frozen

SEEDS = 3
"""How many resets are looked at."""
_LONGEST = 60
"""A drive is no longer than this. [control steps]"""
_SHIFT = 0.1
"""How far the state is moved to see whether it matters. [share of each joint's range]"""
_OTHER_PROMPT = "Do something else entirely."


def try_world(scene: Scene, world: World) -> WorldTrial:
    """Reset it, hold it still, move one joint after the other, and reset it again."""
    world.reset(0)
    fresh, home = world.snapshot(), world.readings().state
    held, answers, complaint, won = None, None, "", []
    try:
        held = _after_holding(world, 0, home)
        answers = _answers(scene, world, home)
        for seed in range(SEEDS):
            world.reset(seed)
            if world.readings().success:
                won.append(seed)
                continue
            _after_holding(world, seed, world.readings().state)
            if world.readings().success:
                won.append(seed)
    except WhiskersError as error:
        complaint = str(error)
    world.reset(0)
    return WorldTrial(
        home=frozen(home),
        success_seeds=tuple(won),
        seeds=SEEDS,
        held=held,
        answers=answers,
        repeats=np.array_equal(fresh, world.snapshot()),
        complaint=complaint,
    )


def _after_holding(world: World, seed: int, action: Float32Array) -> Float32Array:
    """The measured state after an episode's first `HOLD_STEPS` steps of one action. Scene units. Shape (n,)."""
    world.reset(seed)
    for _ in range(HOLD_STEPS):
        world.step(action)
    return frozen(world.readings().state)


def _answers(scene: Scene, world: World, home: Float32Array) -> FloatArray:
    """See `WorldTrial.answers`. Each joint is told to go `_SHIFT` of its range to the side where it has more room."""
    low, high = np.asarray(scene.to_scene_units(scene.joint_range.T), np.float64)
    span = np.where(high != low, high - low, 1.0)  # (n,), negative where an axis is turned round by its unit
    still = _after_holding(world, 0, home)
    found = np.zeros((len(home), len(home)))
    for joint in range(len(home)):
        direction = _SHIFT if home[joint] - low[joint] < (high - low)[joint] / 2 else -_SHIFT
        told = home.copy()
        told[joint] += np.float32(direction * span[joint])
        moved = (_after_holding(world, 0, told) - still) / span
        found[joint] = moved / direction
    return frozen(found)


def try_policy(scene: Scene, policy: Policy, seed: int = 0) -> Trial:
    """Ask it about the first moment of an episode in several ways, then let it drive for two chunks and a step.

    Raises:
        WhiskersError: If it does not fit the scene, or cannot answer.
    """
    engine = open_engine(scene, policy, seed)
    info, lane = policy.info, engine.lanes[0]
    try:
        seen = replace(lane.world.observe(list(info.cameras)), task=scene.spec.prompt)

        def ask(observation: Observation, with_seed: int = seed) -> Float32Array:
            return policy.predict([observation] * info.n_obs_steps, 0, with_seed, Want()).actions

        first, again, other = (
            policy.predict([seen] * info.n_obs_steps, 0, each, Want()) for each in (seed, seed, seed + 1)
        )
        effects = {name: ask(changed) for name, changed in _changed(scene, policy, seen).items()}
        engine.send(Step(min(2 * info.n_action_steps + 1, _LONGEST)))
        said = engine.view().message_number
        while engine.tick():
            pass
        view = engine.view()
        complaint = view.message if view.message_number > said else ""
        return Trial(info, seen.state, first, again, other, effects, lane.trace, complaint)
    finally:
        engine.close()


def _changed(scene: Scene, policy: Policy, seen: Observation) -> Mapping[str, Observation]:
    """The observation with one input replaced, by the name of the input."""
    rng = np.random.default_rng(0)
    found = {
        name: replace(seen, images={**seen.images, name: frozen(rng.integers(0, 256, image.shape, dtype=np.uint8))})
        for name, image in seen.images.items()
    }
    if policy.info.n_state:
        low, high = scene.to_scene_units(scene.joint_range.T)
        found["state"] = replace(seen, state=frozen(seen.state + np.float32(_SHIFT) * np.abs(high - low)))
    if policy.info.uses_task:
        found["prompt"] = replace(seen, task=_OTHER_PROMPT)
    return found
