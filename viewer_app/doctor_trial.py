"""Trying a world by itself, and a policy in it, to give the doctor something to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import mujoco
import numpy as np

from viewer_app.actuation import state_of
from viewer_app.commands import Step
from viewer_app.doctor.trial import HOLD_STEPS, Trial, WorldTrial
from viewer_app.headless import open_engine
from viewer_app.scene import Scene
from viewer_app.scene_spec import StateSpec
from viewer_app.task import PROGRESS_SIZE
from viewer_app.types import Float32Array, FloatArray, Observation, Policy, Want, WhiskersError, World, frozen
from viewer_app.world import pose

SEEDS = 3
"""How many resets are looked at."""
_LONGEST = 60
"""A drive is no longer than this. [control steps]"""
_SHIFT = 0.1
"""How far the state is moved to see whether it matters. [share of each joint's range]"""
_WANDER, _TURNS = 90, 5
"""How long the arm moves at random, and how many times each joint turns round on the way. [control steps]"""
_STILL = 1e-3
"""A joint that moves less has not moved. [share of its range]"""
_OTHER_PROMPT = "Do something else entirely."


def try_world(scene: Scene, world: World) -> WorldTrial:
    """Reset it, hold it still, move one joint after the other and all at random, and reset it again. Where actions are
    no joint targets, nothing is asked of it but to stay as it is."""
    world.reset(0)
    fresh, home = world.snapshot(), world.readings().state
    still = at_rest(scene, world)
    held, answers, follows, complaint, won = None, None, None, "", []
    try:
        held = _after_holding(world, 0, still)
        if scene.commands_joints:
            answers = _answers(scene, world, home)
            follows = _follows(scene, world, home)
        for seed in range(SEEDS):
            world.reset(seed)
            if world.readings().success:
                won.append(seed)
                continue
            _after_holding(world, seed, at_rest(scene, world))
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
        follows=follows,
    )


def at_rest(scene: Scene, world: World) -> Float32Array:
    """The action that keeps the robot where the world has it, as far as that is known. Shape (n_action,)."""
    spec = scene.spec
    if scene.measures_commands:
        return world.readings().state
    if spec.action.kind != "end_effector":
        return next_to_nothing(scene)
    posed = Scene(replace(spec, state=StateSpec(kind="end_effector")), scene.path)
    data = mujoco.MjData(posed.model)
    pose(posed, data, world.snapshot())
    action = state_of(posed, data)
    if spec.action.relative:
        action[: len(action) - len(spec.action.direct)] = 0.0
        if spec.action.rotation == "quaternion":
            action[3] = 1.0
    return action


def next_to_nothing(scene: Scene) -> Float32Array:
    """The action next to 0 that an environment takes: no change, where actions are changes. Shape (n,)."""
    low, high = scene.actions.reach
    return np.clip(np.zeros(scene.n_action, np.float32), low, high)


def _after_holding(world: World, seed: int, action: Float32Array) -> Float32Array:
    """The measured state after an episode's first `HOLD_STEPS` steps of one action. Scene units. Shape (n,)."""
    world.reset(seed)
    for _ in range(HOLD_STEPS):
        world.step(action)
    return frozen(world.readings().state)


def _answers(scene: Scene, world: World, home: Float32Array) -> FloatArray:
    """See `WorldTrial.answers`. Each joint is told to go `_SHIFT` of its range to the side where it has more room."""
    low, high = scene.joint_ends.astype(np.float64)
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


def _follows(scene: Scene, world: World, home: Float32Array) -> FloatArray:
    """See `WorldTrial.follows`. Each joint sways at a rate of its own about where it can, with a phase drawn."""
    low, high = scene.joint_ends.astype(np.float64)
    span = np.where(high != low, high - low, 1.0)
    n = len(home)
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 2 * np.pi, n)
    rate = 2 * np.pi * (1 + np.arange(n) * (_TURNS - 1) / max(n - 1, 1)) / _WANDER  # [rad per step]
    centre = np.clip(home, np.minimum(low, high) + 0.1 * np.abs(span), np.maximum(low, high) - 0.1 * np.abs(span))
    world.reset(0)
    states, positions = [], []
    for step in range(_WANDER):
        told = centre + _SHIFT * span * (np.sin(rate * step + phase) - np.sin(phase))
        world.step(told.astype(np.float32))
        states.append(world.readings().state)
        # Behind a snapshot's progress comes MuJoCo's state: the time, then qpos.
        positions.append(world.snapshot()[PROGRESS_SIZE + 1 + scene.qpos_index])
    of_state, of_joints = np.array(states, np.float64), np.array(positions, np.float64)
    still = np.ptp(of_joints, axis=0) < _STILL * np.maximum(np.ptp(scene.joint_range, axis=1), 1e-9)
    return frozen(_correlation(of_state, of_joints, still))


def _correlation(
    rows: FloatArray, others: FloatArray, still: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> FloatArray:
    """Of each column of one with each of the other, NaN where the other is still. Shapes (t, m), (t, n) to (m, n)."""
    one, other = rows - rows.mean(axis=0), others - others.mean(axis=0)
    sizes = np.linalg.norm(one, axis=0)[:, None] * np.linalg.norm(other, axis=0)[None, :]
    found = np.where(sizes > 0, one.T @ other / np.where(sizes > 0, sizes, 1.0), 0.0)
    found[:, still] = np.nan
    return found


def try_policy(
    scene: Scene, policy: Policy, seed: int = 0, look: Callable[[World], None] = lambda world: None
) -> Trial:
    """Ask it about the first moment of an episode in several ways, then let it drive for two chunks and a step.

    Args:
        scene: Where it is to run.
        policy: What is tried.
        seed: Of the episode.
        look: Shown the world before anything happens in it; whatever is done to it is undone by a reset.

    Raises:
        WhiskersError: If it does not fit the scene, or cannot answer.
    """
    engine = open_engine(scene, policy, seed)
    info, lane = policy.info, engine.lanes[0]
    try:
        look(lane.world)
        lane.world.reset(seed)
        seen = replace(lane.world.observe(list(info.cameras)), task=scene.spec.prompt)

        def ask(observation: Observation, with_seed: int = seed, want: Want | None = None) -> Float32Array:
            return policy.predict([observation] * info.n_obs_steps, 0, with_seed, want or Want()).actions

        first, again, other = (
            policy.predict([seen] * info.n_obs_steps, 0, each, want)
            for each, want in ((seed, Want(xray=True)), (seed, Want()), (seed + 1, Want()))
        )
        effects = {name: ask(changed) for name, changed in _changed(scene, policy, seen).items()}
        engine.send(Step(min(2 * info.n_action_steps + 1, _LONGEST)))
        said = engine.view().message_number
        while engine.tick():
            pass
        view = engine.view()
        complaint = view.message if view.message_number > said else ""
        colours = {name: frozen(image.mean(axis=(0, 1)) / 255) for name, image in seen.images.items()}
        return Trial(info, seen.state, first, again, other, effects, lane.trace, complaint, MappingProxyType(colours))
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
        if scene.spec.state.kind == "joints":
            low, high = scene.joint_ends
            shift = np.float32(_SHIFT) * np.abs(high - low)
        else:
            # Of what else a state may be nobody says how wide it is.
            shift = np.float32(_SHIFT) * np.maximum(np.abs(seen.state), np.float32(1))
        found["state"] = replace(seen, state=frozen(seen.state + shift))
    if policy.info.uses_task:
        found["prompt"] = replace(seen, task=_OTHER_PROMPT)
    return found
