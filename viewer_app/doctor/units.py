"""Whether the numbers that a checkpoint was trained on can be this robot's joints, in the scene's units and order.

The training statistics say between which values each dimension lay. The scene says between which values its joints lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from viewer_app.conversion import conversion
from viewer_app.doctor.facts import ACTION, STATE, CheckpointFacts
from viewer_app.doctor.finding import Cure, Finding, mending, text_file
from viewer_app.mends import Mends, TrainedUnit
from viewer_app.ranges import BEYOND, FAR_BEYOND, NORMALISED, WIDE
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, FloatArray, WhiskersError

_RADIANS = 7.0
"""Numbers of joints in radians stay below this, and so do normalised ones."""
_OUTSIDE_STATE = 0.15
"""A measured joint is not farther outside its range. [share of the range]"""
_FAR_FROM_HOME = 0.15
"""The scene may begin this far outside what was seen in training. [share of the range]"""
_UNLIKE, _ALIKE = 1.5, 0.5
"""How different a state's and an action's statistics are that cannot be, and that can be, of one joint."""


@dataclass(frozen=True)
class _Spread:
    """What a vector's training data were like. Each of shape (n,), scene units if all is well."""

    mean: FloatArray
    std: FloatArray
    low: FloatArray
    high: FloatArray


def check_units(facts: CheckpointFacts, scene: Scene, home: Float32Array | None) -> Iterator[Finding]:
    """Units, ranges and order of the dimensions.

    Args:
        facts: Of the checkpoint.
        scene: Where it is to run.
        home: The measured state at a reset, in scene units. Shape (n,). None where that is not known.
    """
    state, action = _spread(facts, STATE, scene.n_state), _spread(facts, ACTION, scene.n_action)
    relative = facts.config.get("use_relative_actions") is True
    reach = np.asarray(scene.actions.reach, np.float64)  # (2, n)
    if not scene.commands_joints:
        if action is not None and not relative and scene.spec.action.kind == "environment":
            yield from _check_range("action", action, reach, scene.action_names, scene)
        return
    joints = scene.joint_ends.astype(np.float64)
    wrong_units: set[str] = set()
    for noun, seen, ends_of in (("state", state, joints), ("action", action, reach)):
        if seen is not None and not (noun == "action" and relative):
            for finding in _check_unit(noun, seen, ends_of, scene):
                wrong_units.add(noun)
                yield finding
    if state is not None and "state" not in wrong_units:
        comparable = action is not None and not relative and not wrong_units
        layout = list(_check_layout(state, action, scene)) if comparable and action is not None else []
        # Dimensions in a wrong order do not fit their ranges either; the order is what is to be mended.
        out_of_range = [] if layout else list(_check_range("state", state, joints, scene.joint_names, scene))
        yield from (*layout, *out_of_range)
        if home is not None and not layout and not out_of_range:
            yield from _check_home(state, home, joints, scene)
    if action is not None and not relative and "action" not in wrong_units:
        yield from _check_range("action", action, reach, scene.joint_names, scene)


def _check_unit(noun: str, seen: _Spread, ends: FloatArray, scene: Scene) -> Iterator[Finding]:
    """Radians in place of degrees, or the other way round.

    Args:
        noun: Of the vector.
        seen: In training.
        ends: Of the joints, shape (2, n). Scene units.
        scene: For complaints.
    """
    span = _span(ends)
    largest = np.maximum(np.abs(seen.low), np.abs(seen.high))
    wide, narrow = np.nan_to_num(span) >= WIDE, np.nan_to_num(span, nan=np.inf) <= 2 * _RADIANS
    if wide.any() and float(largest[wide].max()) <= _RADIANS:
        what = "radians" if float(largest[wide].max()) > NORMALISED / 2 else "radians, or normalised numbers"
        evidence = (
            f"In training the {noun} stayed within {largest[wide].max():.2f} of 0 in all of {int(wide.sum())} joints "
            f"that span {np.nanmax(span):.0f} here: it looks like {what}."
        )
        mend = f'Set unit = "radians" for the joints in {text_file(scene)} if so it was trained.'
        yield Finding(f"{noun}-units", "error", evidence, mend, _cure(noun, ("radians",), seen, ends, scene))
        return
    if narrow.any() and float(np.median(largest[narrow])) > 2 * _RADIANS:
        evidence = (
            f"In training the {noun} reached {float(largest[narrow].max()):.0f}, and the joints here span "
            f"{float(np.nanmax(span[narrow])):.1f} (radians): it looks like degrees."
        )
        mend = f'Set unit = "degrees" (or "range_100") for the joints in {text_file(scene)}.'
        cure = _cure(noun, ("degrees", "range_100"), seen, ends, scene)
        yield Finding(f"{noun}-units", "error", evidence, mend, cure)


def _cure(noun: str, units: tuple[TrainedUnit, ...], seen: _Spread, ends: FloatArray, scene: Scene) -> Cure | None:
    """The first of some units in which what was seen in training is within what the joints can do."""
    for unit in units:
        try:
            by = conversion(scene, unit, (), noun)
        except WhiskersError:
            continue
        # A joint that is turned round by its unit has its ends exchanged.
        moved = np.stack([by.to_scene(seen.low), by.to_scene(seen.high)])
        outside = np.maximum(moved.max(axis=0) - ends.max(axis=0), ends.min(axis=0) - moved.min(axis=0))
        wrong = np.nan_to_num(outside / _span(ends), nan=-np.inf) > (_OUTSIDE_STATE if noun == "state" else BEYOND)
        if int(wrong.sum()) <= (0 if noun == "state" else 1):
            mends = Mends(state_unit=unit) if noun == "state" else Mends(action_unit=unit)
            return mending(mends, f"Read the {noun} as {unit}")
    return None


def _check_range(noun: str, seen: _Spread, ends: FloatArray, names: tuple[str, ...], scene: Scene) -> Iterator[Finding]:
    """Numbers that these joints cannot have, or that this environment does not take. `names` are those of the numbers,
    the other arguments are those of `_check_unit`."""
    low, high, span = ends.min(axis=0), ends.max(axis=0), _span(ends)
    outside = np.nan_to_num(np.maximum(seen.high - high, low - seen.low) / span, nan=-np.inf)
    worst = int(outside.argmax())
    if noun == "state":
        wrong = outside > _OUTSIDE_STATE
    else:
        # A gripper is told to squeeze, so one joint may be told more than it can do.
        wrong = (outside > FAR_BEYOND) | ((outside > BEYOND) & (int((outside > BEYOND).sum()) >= 2))
    if wrong.any():
        what = f"joint {names[worst]}" if scene.commands_joints else names[worst]
        evidence = (
            f"In training {noun}[{worst}] lay between {seen.low[worst]:.4g} and {seen.high[worst]:.4g}, and {what} "
            f"goes from {low[worst]:.4g} to {high[worst]:.4g} here ({int(wrong.sum())} of {len(wrong)} dimensions do "
            "not fit)."
        )
        mend = (
            f"Check order and unit of [[joints]] in {text_file(scene)} against the dataset's {noun}."
            if scene.commands_joints
            else "Open the environment that it was trained in."
        )
        yield Finding(f"{noun}-range", "error" if int(wrong.sum()) > 1 else "warning", evidence, mend)


def _check_layout(state: _Spread, action: _Spread, scene: Scene) -> Iterator[Finding]:
    """A joint is measured near where it is told to go, so both have much the same statistics."""
    # Imported where it is needed: whoever only reads what a person wants mended waits for it otherwise.
    from scipy.optimize import linear_sum_assignment

    scale = np.maximum(state.std[:, None], action.std[None, :]) + 1e-9  # (n, n), rows are the state's
    unlike = np.abs(state.mean[:, None] - action.mean[None, :]) / scale
    with np.errstate(divide="ignore"):
        unlike = unlike + np.abs(np.log(np.maximum(state.std[:, None], 1e-9) / np.maximum(action.std[None, :], 1e-9)))
    rows, best = linear_sum_assignment(unlike)
    own = np.diag(unlike)
    moved = (best != rows) & (own > _UNLIKE) & (unlike[rows, best] < _ALIKE)
    names = scene.joint_names
    if int(moved.sum()) >= 2:
        pairs = ", ".join(f"state[{i}] is like action[{best[i]}] ({names[best[i]]})" for i in np.flatnonzero(moved)[:3])
        evidence = (
            f"State and action have their dimensions in different order: {pairs}; as they stand they differ by "
            f"{own[moved].max():.1f} deviations."
        )
        mend = f"Give the policy the joints in the order of the action: check [[joints]] in {text_file(scene)}."
        order = tuple(names[best[i]] if moved[i] else names[i] for i in rows)
        cure = mending(Mends(state_order=order), "Put the state in order") if len(set(order)) == len(order) else None
        yield Finding("state-layout", "error", evidence, mend, cure)
    elif float(np.median(own)) > 2 * _UNLIKE:
        at = int(own.argmax())
        evidence = (
            f"State and action are not of the same joints: in the median their statistics differ by "
            f"{np.median(own):.1f} deviations (mean of [{at}]: {state.mean[at]:.4g} and {action.mean[at]:.4g})."
        )
        mend = "Find out what the dataset's observation.state held; the scene gives measured joint positions."
        yield Finding("state-layout", "warning", evidence, mend)


def _check_home(state: _Spread, home: Float32Array, joints: FloatArray, scene: Scene) -> Iterator[Finding]:
    away = np.nan_to_num(np.maximum(home - state.high, state.low - home) / _span(joints), nan=-np.inf)
    if float(away.max()) > _FAR_FROM_HOME:
        at = int(away.argmax())
        evidence = (
            f"Scene {scene.name} begins with {scene.joint_names[at]} at {home[at]:.4g}, and in training it lay between "
            f"{state.low[at]:.4g} and {state.high[at]:.4g} ({int((away > _FAR_FROM_HOME).sum())} joints)."
        )
        mend = f"Begin where the training episodes began: change home_keyframe of {text_file(scene)}."
        yield Finding("home-pose", "warning", evidence, mend)


def _span(ends: FloatArray) -> FloatArray:
    """Width of each joint's range, NaN where it has none. Shape (n,)."""
    width = np.abs(ends[1] - ends[0])
    return np.where(np.isfinite(width) & (width > 0), width, np.nan)


def _spread(facts: CheckpointFacts, key: str, size: int) -> _Spread | None:
    """None where the statistics do not say it, or are damaged."""
    values = {name: np.ravel(array) for name, array in facts.statistics(key).items()}
    fit = {name for name, array in values.items() if array.shape == (size,) and np.isfinite(array).all()}
    mean: FloatArray
    std: FloatArray
    if {"mean", "std"} <= fit:
        mean, std = values["mean"], np.abs(values["std"])
    elif {"min", "max"} <= fit:
        mean = (values["min"] + values["max"]) / 2
        std = np.abs(values["max"] - values["min"]) / 4
    else:
        return None
    if {"min", "max"} <= fit:
        return _Spread(mean, std, values["min"], values["max"])
    return _Spread(mean, std, mean - 2.5 * std, mean + 2.5 * std)
