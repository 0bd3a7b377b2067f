"""Random numbers of code that draws them globally, as LeRobot's policies do: seeded for one call, and given back after.

A call in here neither depends on what was drawn before nor changes what is drawn after it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded_globally(seed: int, device: str) -> Iterator[Callable[[], bool]]:
    """While in force, the global random numbers of torch, numpy and Python are those of the seed.

    Args:
        seed: For torch as `torch.manual_seed` takes it; numpy and Python get its last 32 bits.
        device: torch's name of the device whose numbers are looked after beside those of the CPU.

    Yields:
        What tells whether a number has been drawn since.
    """
    beside = [torch.device(device)] if device.startswith("cuda") else []
    of_numpy, of_python = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=beside):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed % 2**32)
        begun = _positions(beside)
        try:
            yield lambda: _positions(beside) != begun
        finally:
            np.random.set_state(of_numpy)
            random.setstate(of_python)


def _positions(devices: list[torch.device]) -> tuple[object, ...]:
    """Where each of the generators is."""
    states = [torch.get_rng_state(), *(torch.cuda.get_rng_state(each) for each in devices)]
    return (*(state.numpy().tobytes() for state in states), repr(np.random.get_state()), random.getstate())
