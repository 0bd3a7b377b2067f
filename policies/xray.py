"""What each step of a policy's processors did to the numbers of a call, told by LeRobot's own hooks during that call.

Nothing is computed again: the hooks of LeRobot's pipelines show what the very call passed from step to step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Literal, Protocol, cast

import torch
from lerobot.configs.types import FeatureType
from lerobot.processor import (
    EnvTransition,
    NormalizerProcessorStep,
    PolicyProcessorPipeline,
    ProcessorStep,
    TransitionKey,
    UnnormalizerProcessorStep,
)
from torch import Tensor

from policies.processors import ACTION, Processors
from viewer_app.types import ActionChunk, Observation, Want, XRayRow

_IDENTITY = "IDENTITY"

type _Values = dict[str, Tensor | str]
type _Part = Literal["before", "after"]
type Predict[P] = Callable[[P, Sequence[Observation], int, int, Want], ActionChunk]


class _HasProcessors(Protocol):
    @property
    def processors(self) -> Processors: ...


def xrayed[P: _HasProcessors](predict: Predict[P]) -> Predict[P]:
    """A policy's `predict` that tells what its processors do, where `Want.xray` asks for it, and is otherwise as it
    was."""

    @wraps(predict)
    def looked_through(self: P, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        if not want.xray:
            return predict(self, observations, start, seed, want)
        with _looking_into(self.processors) as plate:
            chunk = predict(self, observations, start, seed, want)
        return replace(chunk, xray=plate.rows(len(chunk)))

    return looked_through


class _Plate:
    """What was seen of one call."""

    def __init__(self, processors: Processors) -> None:
        self._processors = processors
        self._before: list[XRayRow] = []
        self._last: _Values = {}
        self._actions: dict[int, list[Tensor]] = {}
        """Number of a step of the postprocessor to the actions that it left, -1 to those that came in. A policy may
        have its chunk scaled back at once or row by row, and further samples after it."""

    def see_input(self, values: _Values) -> None:
        # Of several observations the newest comes last.
        self._before = [_row("before", "", name, value, None) for name, value in values.items()]
        self._last = values

    def see_observation(self, step: ProcessorStep, values: _Values) -> None:
        for name, value in values.items():
            row = _row("before", _name(step), name, value, self._last.get(name))
            self._before.append(replace(row, mode=_mode(step, name)))
        self._last = values

    def see_action(self, number: int, action: Tensor) -> None:
        self._actions.setdefault(number, []).append(action)

    def rows(self, length: int) -> tuple[XRayRow, ...]:
        """All that was seen, in order.

        Args:
            length: Rows of the chunk.
        """
        if -1 not in self._actions:
            return tuple(self._before)
        steps = self._processors.after.steps
        action = _first(self._actions[-1], length)
        modes = [mode for step in steps if (mode := _mode(step, ACTION))]
        found = [replace(_row("model", "", ACTION, action, None), mode=modes[0] if modes else "")]
        for number, step in enumerate(steps):
            made = _first(self._actions[number], length)
            found.append(replace(_row("after", _name(step), ACTION, made, action), mode=_mode(step, ACTION)))
            action = made
        return (*self._before, *found)


@contextmanager
def _looking_into(processors: Processors) -> Iterator[_Plate]:
    """While in force, the plate is shown what passes through both pipelines. That stays as it is."""
    plate = _Plate(processors)
    before, after = processors.before, processors.after

    def enter(index: int, transition: EnvTransition) -> None:
        if index == 0:
            plate.see_input(_observed(transition))

    def leave(index: int, transition: EnvTransition) -> None:
        plate.see_observation(before.steps[index], _observed(transition))

    def enter_action(index: int, transition: EnvTransition) -> None:
        if index == 0:
            plate.see_action(-1, _action(transition))

    def leave_action(index: int, transition: EnvTransition) -> None:
        plate.see_action(index, _action(transition))

    hooks = ((before, enter, leave), (after, enter_action, leave_action))
    for pipeline, on_enter, on_leave in hooks:
        pipeline.register_before_step_hook(on_enter)
        pipeline.register_after_step_hook(on_leave)
    try:
        yield plate
    finally:
        for pipeline, on_enter, on_leave in hooks:
            _unregister(pipeline, on_enter, on_leave)


def _unregister(pipeline: PolicyProcessorPipeline, *hooks: Callable[[int, EnvTransition], None]) -> None:
    pipeline.unregister_before_step_hook(hooks[0])
    pipeline.unregister_after_step_hook(hooks[1])


def _observed(transition: EnvTransition) -> _Values:
    """The features of an observation and its prompt. Copies, because a step may work in place."""
    observation = cast(dict[str, object], transition.get(TransitionKey.OBSERVATION) or {})
    found: _Values = {name: value.clone() for name, value in observation.items() if isinstance(value, Tensor)}
    task = cast(dict[str, object], transition.get(TransitionKey.COMPLEMENTARY_DATA) or {}).get("task")
    words = task[0] if isinstance(task, list) and task else task
    if isinstance(words, str) and words:
        found["task"] = words
    return found


def _action(transition: EnvTransition) -> Tensor:
    action = transition.get(TransitionKey.ACTION)
    assert isinstance(action, Tensor)
    return action.clone()


def _first(actions: list[Tensor], length: int) -> Tensor:
    """The rows of the chunk itself, in whatever portions they came. Shape (length, n)."""
    rows = torch.cat([each.reshape(-1, each.shape[-1]) for each in actions])
    return rows[:length]


def _name(step: ProcessorStep) -> str:
    return str(getattr(step, "_registry_name", type(step).__name__))


def _mode(step: ProcessorStep, feature: str) -> str:
    """How a step is to normalise a feature, empty where it is not to."""
    if not isinstance(step, NormalizerProcessorStep | UnnormalizerProcessorStep):
        return ""
    if feature == ACTION:
        kind: FeatureType | None = FeatureType.ACTION
    else:
        chosen = step.normalize_observation_keys
        known = feature in step.features and (chosen is None or feature in chosen)
        kind = step.features[feature].type if known else None
    mode = step.norm_map.get(kind) if kind is not None else None
    return "" if mode is None or mode.value == _IDENTITY else str(mode.value)


def _row(
    part: Literal["before", "model", "after"], step: str, feature: str, value: Tensor | str, last: Tensor | str | None
) -> XRayRow:
    """What there is to say of a value.

    Args:
        part, step, feature: As in `XRayRow`.
        value: As the step left it.
        last: As it came to the step, None where it was not there.
    """
    nothing = float("nan")
    if isinstance(value, str):
        changed = value != last
        return XRayRow(part, step, feature, (), "text", nothing, nothing, nothing, nothing, 0, changed, "", value)
    numbers = value.detach().to(torch.float64).flatten()
    finite = numbers[numbers.isfinite()]
    broken = numbers.numel() - finite.numel()
    low = high = mean = deviation = nothing
    if finite.numel():
        low, high, mean = float(finite.min()), float(finite.max()), float(finite.mean())
        deviation = float(finite.std(correction=0))
    changed = not (isinstance(last, Tensor) and _same(value, last))
    dtype = str(value.dtype).removeprefix("torch.")
    return XRayRow(part, step, feature, tuple(value.shape), dtype, low, high, mean, deviation, broken, changed)


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether both hold the same numbers. A new dimension of one, or another device, changes none of them."""
    return a.dtype == b.dtype and a.numel() == b.numel() and bool(torch.equal(a.flatten().cpu(), b.flatten().cpu()))
