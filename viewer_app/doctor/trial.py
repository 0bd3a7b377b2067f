"""What a world and a loaded policy did when they were tried, as data, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from types import MappingProxyType

import numpy as np

from viewer_app.camera_map import options_of
from viewer_app.detectors import Thresholds, flat_chunk
from viewer_app.doctor.finding import Cure, Finding, text_file
from viewer_app.ranges import ranges_of
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import ActionChunk, Float32Array, FloatArray, PolicyInfo

HOLD_STEPS = 30
"""How long a world is told to stay where it is. [control steps]"""
_DRIFT = 0.05
"""An arm that is told its own joints stays within this. [share of the range]"""
_OWN, _OTHERS, _STILL = 0.2, 0.5, 0.02
"""A joint that goes less than the first of its way while another goes more than the second is told another's number;
where none goes more than the third, nothing moves it."""
_FIRST = 0.35
"""A first action farther than this from the measured joints is no continuation of where the robot is. [share]"""
_NO_EFFECT = 1e-7
"""What changes the chunk by less than this changes nothing. [share of the joint's range]"""
_UNRELATED, _RELATED = 0.5, 0.95
"""A number of the state whose correlation with its joint is below the first is not that joint; one whose correlation
with a joint is above the second is that one."""
_LIKE_ANOTHER, _CLEARLY = 0.08, 3.0
"""Cameras are exchanged if their pictures' mean colours fit each other's training at least so many times better, and
their own by more than this. [share of white]"""
_HARDLY = 1e-4
"""The same for all inputs together."""


@dataclass(frozen=True)
class WorldTrial:
    """A world by itself, with nobody driving."""

    home: Float32Array
    """The measured state after a reset. Scene units. Shape (n,)."""
    success_seeds: tuple[int, ...]
    """Seeds whose episode is a success although nothing was done but to stay for `HOLD_STEPS` steps."""
    seeds: int
    """How many were tried."""
    held: Float32Array | None
    """The measured state after `HOLD_STEPS` steps of commanding `home`. Shape (n,). None where they failed."""
    answers: FloatArray | None
    """[i, j] is how far joint j went when joint i alone was told to, in shares of their ranges: the identity if all
    is well. Shape (n, n). None where that failed."""
    repeats: bool
    """Whether a reset with the same seed gives the same world, to the bit, after steps were taken."""
    complaint: str = ""
    follows: FloatArray | None = None
    """[i, j] is how number i of the state and the position of joint j go together while the arm moves a little at
    random: their correlation, NaN where one of them hardly moved. Shape (m, n). None where that was not tried."""


@dataclass(frozen=True)
class Trial:
    """A policy, asked about the first moment of an episode, and then driving for a short while."""

    info: PolicyInfo
    state: Float32Array
    """Measured at that moment. Scene units. Shape (n,)."""
    first: ActionChunk
    again: ActionChunk
    """The same observation and seed once more."""
    other: ActionChunk
    """The same observation with another seed."""
    effects: Mapping[str, Float32Array]
    """Input to the chunk when that input alone is another. Shape (H, n)."""
    trace: Trace
    complaint: str = ""
    """What stopped the drive, empty where nothing did."""
    colours: Mapping[str, FloatArray] = field(default_factory=lambda: MappingProxyType({}))
    """The scene's camera to the mean colour of what it shows at that moment, RGB in [0, 1]. Shape (3,)."""


def check_world(trial: WorldTrial, scene: Scene) -> Iterator[Finding]:
    """A scene that no policy could work in."""
    if trial.success_seeds:
        evidence = (
            f"In {len(trial.success_seeds)} of {trial.seeds} resets (seed {trial.success_seeds[0]} first) the episode "
            f"counts as a success within {HOLD_STEPS} steps though the arm only stays where it is."
        )
        mend = (
            "See what the environment calls a success, and where it puts things."
            if scene.spec.environment
            else f"Put the object away from the target: check [task] and [[spawn]] of {text_file(scene)}."
        )
        yield Finding("success-at-start", "error", evidence, mend)
    if not trial.repeats:
        evidence = "After some steps, a reset with the same seed gives another world than before."
        yield Finding("reset", "warning", evidence, "Let the reset put back everything, its random numbers included.")
    if trial.follows is not None and scene.spec.state.kind == "joints":
        yield from _check_state(trial.follows, scene)
    if trial.complaint and scene.spec.environment and not scene.commands_joints:
        evidence = f"It fails: {trial.complaint}"
        yield Finding("environment-fails", "error", evidence, "Mend what it says; it is the environment's own code.")
        return
    if trial.held is None:
        evidence = f"Told to stay where it is, the simulation fails: {trial.complaint}"
        yield Finding("state-readback", "error", evidence, "Mend the model: smaller time step, or softer actuators.")
        return
    if not scene.commands_joints:
        return
    moved = np.abs(trial.held.astype(np.float64) - trial.home) / _span(scene)
    at = int(np.nan_to_num(moved).argmax())
    if moved[at] > _DRIFT:
        evidence = (
            f"Told its own joints, the arm does not stay: {scene.joint_names[at]} goes from {trial.home[at]:.4g} to "
            f"{trial.held[at]:.4g} in {HOLD_STEPS} steps ({100 * moved[at]:.0f} % of its range)."
        )
        mend = f"Check the actuators of [[joints]] in {text_file(scene)}; each must be a position servo of its joint."
        yield Finding("state-readback", "error", evidence, mend)
    if trial.answers is not None:
        yield from _check_answers(trial.answers, scene)


def _check_state(follows: FloatArray, scene: Scene) -> Iterator[Finding]:
    """Whether number i of the state is joint i: a state may have as many numbers as the robot has joints and yet hold
    something else, such as the pose of the first free body."""
    alike = np.abs(np.nan_to_num(follows))
    wrong = [i for i in range(len(alike)) if not np.isnan(follows[i, i]) and alike[i, i] < _UNRELATED]
    if not wrong:
        return
    told = []
    for i in wrong[:3]:
        best = int(alike[i].argmax())
        follows_whom = (
            f"follows {scene.joint_names[best]} ({follows[i, best]:+.2f})"
            if alike[i, best] > _RELATED
            else "follows no joint"
        )
        told.append(f"number {i} ({scene.state_names[i]}, {alike[i, i]:.2f}) {follows_whom}")
    evidence = (
        f"While the arm moves at random, {len(wrong)} of {len(alike)} numbers of the state do not go with the joint "
        f"that they are named after: {', '.join(told)}."
    )
    mend = "Read the robot's own joints there: it is often qpos from 0 on, which begins with what else is in the scene."
    yield Finding("state-layout", "error", evidence, mend)


def _check_answers(answers: FloatArray, scene: Scene) -> Iterator[Finding]:
    """Whether each joint does what its own number of the action says."""
    names, mend = scene.joint_names, f"Check name and actuator of each of [[joints]] in {text_file(scene)}."
    for told, row in enumerate(np.abs(answers)):
        most = int(row.argmax())
        if row[told] < _OWN and row[most] > _OTHERS:
            evidence = (
                f"Where {names[told]} alone is told to move, {names[most]} goes {100 * row[most]:.0f} % of the way and "
                f"{names[told]} {100 * row[told]:.0f} %."
            )
            yield Finding("joint-mapping", "error", evidence, mend)
            return
    still = [name for name, share in zip(names, np.abs(answers).max(axis=1), strict=True) if share < _STILL]
    if still:
        evidence = f"Told to move by a tenth of its range, {' and '.join(still)} does not in {HOLD_STEPS} steps."
        yield Finding("joint-dead", "warning", evidence, mend)


def check_loaded(info: PolicyInfo) -> Iterator[Finding]:
    """Whether the model is what the weight file says."""
    if info.tensors_verified != info.tensors_in_file or not info.tensors_in_file:
        evidence = (
            f"Only {info.tensors_verified} of the file's {info.tensors_in_file} tensors were found in the model under "
            "their names and are the file's."
        )
        mend = "Open it with the LeRobot version that saved it."
        yield Finding("weights-unverified", "error", evidence, mend)
    else:
        evidence = f"All {info.tensors_in_file} tensors of the file are in the model, to the bit."
        yield Finding("weights-verified", "info", evidence, "")


def check_trial(trial: Trial, scene: Scene) -> Iterator[Finding]:
    """A policy that loads and yet cannot work here, or hardly."""
    if trial.complaint:
        steps = len(trial.trace)
        evidence = f"After {steps} control steps: {trial.complaint}"
        yield Finding("run-failed", "error", evidence, "Mend what it says; whiskers view shows the steps before it.")
    yield from _check_repeats(trial)
    yield from _check_effects(trial, scene)
    yield from _check_actions(trial, scene)
    yield from _check_latency(trial, scene)


def check_pictures(
    colours: Mapping[str, FloatArray], trained: Mapping[str, FloatArray], shown: Mapping[str, str | None]
) -> Iterator[Finding]:
    """Whether two cameras are exchanged: each one's picture has the mean colour that the other's had in training.

    Args:
        colours: As in `Trial`.
        trained: The checkpoint's camera to its mean colour in training, RGB in [0, 1]. Shape (3,).
        shown: The checkpoint's camera to the scene's that it is shown.
    """
    known = [name for name in trained if shown.get(name) in colours]

    def apart(one: str, other: str) -> float:
        return float(np.linalg.norm(trained[one] - colours[str(shown[other])]) / np.sqrt(3))

    for number, one in enumerate(known):
        for other in known[number + 1 :]:
            own, crossed = (apart(one, one), apart(other, other)), (apart(one, other), apart(other, one))
            if min(own) > _LIKE_ANOTHER and sum(own) > _CLEARLY * sum(crossed):
                evidence = (
                    f"By their mean colours {one} and {other} are exchanged: what each is shown differs from its own "
                    f"training by {100 * min(own):.0f} % of white or more, and from the other's by at most "
                    f"{100 * max(crossed):.0f} %."
                )
                swapped = {**shown, one: shown[other], other: shown[one]}
                cure = Cure("Choose the cameras", cameras=True, option=options_of(swapped))
                yield Finding("cameras-swapped", "warning", evidence, "Check which camera is which.", cure)


def _check_repeats(trial: Trial) -> Iterator[Finding]:
    again = float(np.abs(trial.again.actions - trial.first.actions).max())
    other = float(np.abs(trial.other.actions - trial.first.actions).max())
    if again > 0:
        evidence = f"Asked twice with the same observation and seed, its chunks differ by up to {again:.3g}."
        mend = "Run it with --device cpu, where sums are always in the same order."
        yield Finding("not-reproducible", "warning", evidence, mend)
    elif other > 0:
        evidence = f"It draws random numbers: with another seed its chunk differs by up to {other:.3g}."
        yield Finding(
            "stochastic", "info", evidence, "Compare policies over several seeds (whiskers compare --episodes)."
        )
    else:
        yield Finding("deterministic", "info", "The same observation gives the same chunk with every seed.", "")


def _check_effects(trial: Trial, scene: Scene) -> Iterator[Finding]:
    effects = {name: _distance(chunk, trial.first.actions, scene) for name, chunk in trial.effects.items()}
    if effects and max(effects.values()) < _HARDLY:
        evidence = (
            f"Whatever it is shown, the chunk stays the same: other {', '.join(effects)} change it by at most "
            f"{100 * max(effects.values()):.2g} % of a joint's range."
        )
        mend = "Check the statistics of its inputs; if they are right, it has learnt to replay and needs training."
        yield Finding("ignores-observation", "warning", evidence, mend)
        return
    for name, effect in effects.items():
        if effect < _NO_EFFECT:
            evidence = f"Another {name} changes nothing in the chunk."
            mend = "Check its statistics; a deviation that is much too large makes an input vanish."
            yield Finding("ignores-input", "info" if name == "prompt" else "warning", evidence, mend)


def _check_actions(trial: Trial, scene: Scene) -> Iterator[Finding]:
    ranges = ranges_of(scene, trial.trace, len(trial.trace)) if len(trial.trace) else None
    if ranges is not None and ranges.alarm:
        mend = "Compare the statistics of the postprocessor with those of the training dataset, and the scene's units."
        yield Finding("action-scale", "error", ranges.alarm, mend)
        return
    away = np.zeros(scene.n_action)
    if scene.measures_commands:
        away = np.abs(trial.first.actions[0].astype(np.float64) - trial.state) / _span(scene)
    at = int(np.nan_to_num(away).argmax())
    if away[at] > _FIRST:
        evidence = (
            f"The first action puts {scene.action_names[at]} at {trial.first.actions[0, at]:.4g} where it is "
            f"measured at {trial.state[at]:.4g}: {100 * away[at]:.0f} % of its range away."
        )
        mend = "Check units, order and statistics of the action; a sound policy begins where the robot is."
        yield Finding("first-action", "warning", evidence, mend)
    chunks = trial.trace.chunks
    flat = flat_chunk(scene, trial.trace, len(trial.trace), Thresholds())
    if chunks and len(flat) == len(chunks) and len(trial.first) > 1:
        evidence = f"All of {len(chunks)} chunks ask for no motion: {flat[0].text}."
        mend = "Check the action's statistics; if they are right, it has not learnt to move and needs training."
        yield Finding("flat-chunk", "warning", evidence, mend)


def _check_latency(trial: Trial, scene: Scene) -> Iterator[Finding]:
    latencies = [trial.again.latency, trial.other.latency, *(chunk.latency for chunk in trial.trace.chunks)]
    steps = 1 if trial.info.ensemble_coefficient is not None else trial.info.n_action_steps
    budget = steps * scene.control_dt
    evidence = (
        f"A chunk takes {1000 * median(latencies):.0f} ms (fastest {1000 * min(latencies):.0f}, of {len(latencies)}), "
        f"and its {steps} steps at {scene.spec.control_hz:g} Hz last {1000 * budget:.0f} ms."
    )
    if min(latencies) > budget:
        mend = "Execute more steps of each chunk, take fewer denoising steps, or run it on a faster device."
        yield Finding("latency", "warning", evidence, mend)
    else:
        yield Finding("latency", "info", evidence, "")


def _distance(chunk: Float32Array, other: Float32Array, scene: Scene) -> float:
    """The largest difference of two chunks. [share of the joint's range]"""
    return float(np.nanmax(np.abs(chunk.astype(np.float64) - other) / _span(scene)))


def _span(scene: Scene) -> FloatArray:
    """Width of each joint's range, or of what an environment takes; one without limits. Scene units. Shape (n,)."""
    ends = scene.joint_ends if scene.commands_joints else scene.actions.reach
    low, high = np.asarray(ends, np.float64)
    span = np.abs(high - low)
    return np.where(np.isfinite(span) & (span > 0), span, 1.0)
