"""LeRobot's sampler of the flow-matching policies, with each denoising step watched as it is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from lerobot.policies.pretrained import PreTrainedPolicy
from torch import Tensor

from policies.guidance import Guide, Pull
from policies.progress import OnCall
from viewer_app.types import CallProgress

type Step = tuple[Tensor, Tensor, Tensor | float]
"""Sample x_t and velocity v, each of shape (B, H, max_action_dim) in the model's units, and t."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """What one call of LeRobot's model answered, in its own units."""

    chunks: Tensor
    """Shape (B, H, n)."""
    steps: list[Step]
    """Empty where they were not wanted."""

    def states(self) -> Tensor:
        """Shape (B, S + 1, H, n)."""
        n = self.chunks.shape[-1]
        return torch.stack([*(sample[..., :n] for sample, _, _ in self.steps), self.chunks], dim=1)

    def aims(self) -> Tensor:
        """Shape (B, S, H, n)."""
        n = self.chunks.shape[-1]
        return torch.stack([(sample - float(t) * velocity)[..., :n] for sample, velocity, t in self.steps], dim=1)


class Sampler:
    """Calls LeRobot's model, with its denoising steps watched. What it answers stays as it is."""

    def __init__(
        self,
        model: PreTrainedPolicy,
        pull: Pull | None,
        guide: Guide | None,
        counted: Callable[[], None],
        keep: bool,
    ) -> None:
        self._model = model
        self._pull = pull
        # Where a guide corrects the model's velocity, it is the corrected one that LeRobot follows.
        self._watched, self._time = (model.model, "timestep") if guide is None else (guide.processor, "time")
        self._counted = counted
        self._keep = keep

    def __call__(self, batch: Mapping[str, Tensor], noise: Tensor) -> Drawn:
        """One chunk for each row of the noise, which has shape (B, H, max_action_dim)."""
        more = {} if self._pull is None else self._pull.arguments(len(noise))
        steps: list[Step] = []
        with self._steps_into(steps):
            chunks: Tensor = self._model.predict_action_chunk(dict(batch), noise=noise, **more)
        return Drawn(chunks, steps)

    @contextmanager
    def _steps_into(self, steps: list[Step]) -> Iterator[None]:
        denoise_step: Callable[..., Tensor] = self._watched.denoise_step

        def watched(*, x_t: Tensor, **others: Tensor) -> Tensor:
            velocity = denoise_step(x_t=x_t, **others)
            if self._keep:
                t = others[self._time]
                steps.append((x_t, velocity, t[0] if isinstance(t, Tensor) else t))
            self._counted()
            return velocity

        self._watched.denoise_step = watched
        try:
            yield
        finally:
            del self._watched.denoise_step  # What remains is the method of the class.


def counter(on_call: OnCall, total: int) -> Callable[[], None]:
    """What to call after each of `total` denoising steps."""
    done = 0

    def counted() -> None:
        nonlocal done
        done += 1
        on_call(CallProgress(done, total))

    return counted
