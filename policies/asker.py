"""A LeRobot policy asked for one action chunk through its own `select_action`, with nothing left over from one call to
the next.

Before each call the policy is reset and shown the observations of its history, as in the first steps of LeRobot's own
loop; what it then returns and queues is the chunk. Hence what it remembers beyond its `n_obs_steps` observations (a
warm start, a cache) is that of a freshly reset policy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from lerobot.policies.pretrained import PreTrainedPolicy
from torch import Tensor

from policies.inputs import Inputs
from policies.processors import ACTION, Processors
from policies.randomness import seeded_globally
from viewer_app.types import Float32Array, Observation


@dataclass(frozen=True, eq=False)
class Answer:
    """What one call answered."""

    rows: Tensor
    """The whole chunk, in the model's units. Shape (1, H, n)."""
    executed: int
    """How many of the rows LeRobot's own loop executes before it asks again."""
    drew: bool
    """Whether random numbers were drawn."""


@dataclass(frozen=True)
class Source:
    """Where the chunk shows before LeRobot cuts it to what it queues."""

    method: str = "predict_action_chunk"
    """The policy's method that answers it."""
    time_first: bool = False
    """Whether its shape is (H, 1, n) instead of (1, H, n)."""


class Asker:
    """A model with its processors. Calls must not overlap."""

    def __init__(
        self, model: PreTrainedPolicy, processors: Processors, inputs: Inputs, device: str, source: Source | None
    ) -> None:
        """`source` is None where the chunk is what is queued and no more."""
        self._model = model
        self._processors = processors
        self._inputs = inputs
        self._device = device
        self._source = source

    @property
    def processors(self) -> Processors:
        return self._processors

    def ask(self, observations: Sequence[Observation], seed: int) -> Answer:
        """The chunk for these observations, oldest first, all with the newest one's prompt.

        Raises:
            WhiskersError: If an observation does not fit the policy.
        """
        self._model.reset()
        self._processors.before.reset()
        self._processors.after.reset()
        for earlier in observations[:-1]:
            # With an action still in its queue the policy remembers what it is shown, and does not think.
            queue = self._queue()
            if queue is not None:
                queue.append(torch.zeros((1, self._model.config.action_feature.shape[0]), device=self._device))
            self._model.select_action(self._batch(earlier, observations[-1].task))
        batch = self._batch(observations[-1], observations[-1].task)
        with self._whole() as answered, seeded_globally(seed, self._device) as has_drawn:
            first: Tensor = self._model.select_action(batch)
            drew = has_drawn()
        queued = torch.stack([first, *(self._queue() or ())], dim=1)  # (1, T, n)
        self._model.reset()
        rows = self._all_of(queued, answered)
        return Answer(queued if rows is None else rows, queued.shape[1], drew)

    def in_scene_units(self, rows: Tensor) -> Float32Array:
        """Each action through the postprocessor by itself, as in LeRobot's loop. Shapes (1, H, n) to (H, n)."""
        return np.stack([self._processors.after(row)[0].float().cpu().numpy() for row in rows.transpose(0, 1)])

    def _batch(self, observation: Observation, task: str) -> dict[str, Tensor]:
        batch: dict[str, Tensor] = self._processors.before(self._inputs.batch(replace(observation, task=task)))
        return batch

    def _queue(self) -> deque[Tensor] | None:
        """The actions that LeRobot has still to execute, by either of the names it gives them."""
        queue = getattr(self._model, "_action_queue", None)
        if queue is None:
            queue = getattr(self._model, "_queues", {}).get(ACTION)
        return queue

    @contextmanager
    def _whole(self) -> Iterator[list[Tensor]]:
        """While in force, what the source answers is put into the list. It stays as it is."""
        answered: list[Tensor] = []
        if self._source is None or not hasattr(self._model, self._source.method):
            yield answered
            return
        method: Callable[..., Tensor] = getattr(self._model, self._source.method)

        def listened(*args: object, **kwargs: object) -> Tensor:
            answer = method(*args, **kwargs)
            answered.append(answer)
            return answer

        setattr(self._model, self._source.method, listened)
        try:
            yield answered
        finally:
            delattr(self._model, self._source.method)  # What remains is the method of the class.

    def _all_of(self, queued: Tensor, answered: list[Tensor]) -> Tensor | None:
        """The chunk that begins with what was queued, None where nothing shows one."""
        if self._source is None or len(answered) != 1 or answered[0].dim() != 3:
            return None
        whole = answered[0].transpose(0, 1) if self._source.time_first else answered[0]
        n = queued.shape[1]
        return whole if whole.shape[1] >= n and torch.equal(whole[:, :n], queued) else None
