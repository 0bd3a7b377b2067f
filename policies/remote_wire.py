"""What is said to LeRobot's policy server, and how its answer is read.

Its protocol is Python's pickle, which can run code. So the answer is read by a reader that knows the few names that an
action chunk is made of and refuses every other: a server can answer with numbers, and with nothing else.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict

import numpy as np
import torch
from lerobot.async_inference.helpers import RemotePolicyConfig, TimedAction, TimedObservation

from viewer_app.types import Float32Array, WhiskersError


class AnswerError(WhiskersError):
    """A server's answer is not an action chunk."""


def packed(message: RemotePolicyConfig | TimedObservation) -> bytes:
    """A message as the server takes it."""
    return pickle.dumps(message)


def chunk_in(answer: bytes) -> Float32Array:
    """The actions of a server's answer, already in the units of the robot. Shape (H, n).

    Raises:
        AnswerError: If it is anything but a list of timed actions.
    """
    try:
        actions = _Reader(io.BytesIO(answer)).load()
    except pickle.UnpicklingError as error:
        raise AnswerError(f"The policy server's answer cannot be read: {error}.") from None
    except Exception as error:  # Bytes from anywhere may be taken for any instruction of pickle's.
        raise AnswerError(f"The policy server's answer is damaged ({type(error).__name__}: {error}).") from None
    if not (
        isinstance(actions, list)
        and actions
        and all(isinstance(each, TimedAction) and isinstance(each.action, torch.Tensor) for each in actions)
        and len({each.action.shape for each in actions}) == 1
        and actions[0].action.dim() == 1
    ):
        raise AnswerError("The policy server answered with something else than a list of actions of one size.")
    return np.stack([each.action.float().numpy() for each in actions])


def _storage(data: bytes) -> object:
    """What torch has here, which lets any code run, but for numbers alone."""
    return torch.load(io.BytesIO(data), weights_only=True)


_KNOWN = {
    ("lerobot.async_inference.helpers", "TimedAction"): TimedAction,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("collections", "OrderedDict"): OrderedDict,
}
"""Every name that a pickled list of timed actions refers to."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which no action is made of")
        return _KNOWN[module, name]
