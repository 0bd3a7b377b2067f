"""A policy in a process of its own, behind the same protocol.

Importing torch holds Python's global lock for seconds, and a large policy thinks for seconds; neither may cost the
window a frame. And only a process can be stopped in the middle of a call. This module itself imports no torch.

    policy = PolicyProcess.start("demo:act")        # returns at once
    match policy.poll():                            # in each frame, until it is no longer Loading
        case Loading(progress): ...
        case Loaded(): ...                          # hand `policy` to the engine
        case Failed(sentence): ...

Threads: whoever polls owns the process until it is `Loaded`, then the one thread that predicts. `cancel` may be called
from any thread. The child is spawned, not forked, on every system: it imports `__main__`, which must be cheap for that.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from types import MappingProxyType
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from policies.progress import LoadingCancelledError, Progress
from viewer_app.types import (
    ActionChunk,
    CallProgress,
    Float32Array,
    Observation,
    Policy,
    PolicyInfo,
    Want,
    WhiskersError,
)


def _read_only[K, V](mapping: dict[K, V]) -> MappingProxyType[K, V]:
    return MappingProxyType(mapping)


# Read-only mappings cross the pipe as such. Python's pickle refuses them, so multiprocessing's is taught.
ForkingPickler.register(MappingProxyType, lambda proxy: (_read_only, (dict(proxy),)))

_PATIENCE = 1.0
"""How long a child may take to leave by itself before it is killed. [s]"""


class PolicyCancelledError(WhiskersError):
    """A person stopped the call."""


@dataclass(frozen=True)
class Loading:
    progress: Progress


@dataclass(frozen=True)
class Loaded:
    info: PolicyInfo


@dataclass(frozen=True)
class Failed:
    error: WhiskersError
    """Its message is one sentence; its notes hold the child's traceback where there is one."""


LoadState = Loading | Loaded | Failed


@dataclass(frozen=True)
class _Predict:
    observations: tuple[Observation, ...]
    start: int
    seed: int
    want: Want


@dataclass(frozen=True)
class _EnsembleWeights:
    coefficient: float


@dataclass(frozen=True)
class _Problem:
    """An error on its way from the child."""

    sentence: str
    traceback: str = ""


_Request = _Predict | _EnsembleWeights
_Reply = ActionChunk | NDArray[np.float32] | _Problem


class PolicyProcess:
    """A policy that loads and runs in a child process. Satisfies `viewer_app.types.Policy` once it is loaded."""

    def __init__(self, source: str, device: str, statistics: str) -> None:
        """Use `start`."""
        self._source = source
        self._device = device
        self._statistics = statistics
        self._info: PolicyInfo | None = None
        self._busy = False
        self._call: CallProgress | None = None
        self._cancelled = threading.Event()
        self._spawn()

    @staticmethod
    def start(source: str, device: str = "cpu", statistics: str = "") -> PolicyProcess:
        """Begin to load a checkpoint, and return at once.

        Args:
            source: A folder, `demo:NAME` or a hub id.
            device: torch's name of where the model is to run.
            statistics: What to scale by instead of the checkpoint's own statistics. See `load.load`.
        """
        return PolicyProcess(source, device, statistics)

    def _spawn(self) -> None:
        self._cancelled.clear()
        self._state: LoadState = Loading(Progress("Starting", 0.0))
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(
            target=_serve,
            args=(self._source, self._device, self._statistics, theirs),
            name=f"policy {self._source}",
            daemon=True,
        )
        self._child.start()
        # The child's end must be open in the child alone: that is how either side learns that the other is gone.
        theirs.close()

    def poll(self) -> LoadState:
        """How the load stands. Never waits."""
        while isinstance(self._state, Loading) and self._readable():
            self._take_load_message()
        return self._state

    def wait(self) -> PolicyInfo:
        """Wait until it is loaded.

        Raises:
            WhiskersError: If the checkpoint cannot be used, or the load was cancelled.
        """
        while isinstance(self._state, Loading):
            self._take_load_message()
        match self._state:
            case Loaded(info):
                return info
            case Failed(error):
                raise error
            case _:
                assert_never(self._state)

    @property
    def info(self) -> PolicyInfo:
        if self._info is None:
            raise WhiskersError(f"Policy {self._source} is still loading; wait until it is loaded.")
        return self._info

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        """See `viewer_app.types.Policy`. Loads the checkpoint again where the child was stopped or died.

        Raises:
            PolicyCancelledError: If `cancel` was called meanwhile.
            WhiskersError: What the policy said, or that its process died.
        """
        reply = self._ask(_Predict(tuple(observations), start, seed, want))
        assert isinstance(reply, ActionChunk), reply
        for array in (reply.actions, reply.model_actions, *reply.extras.values()):
            if array is not None:
                array.setflags(write=False)
        return reply

    @property
    def call(self) -> CallProgress | None:
        """How far the call in progress is, from any thread; None without one, or where the policy does not tell."""
        return self._call

    def ensemble_weights(self, coefficient: float) -> Float32Array:
        """See `viewer_app.types.Policy`. To be called on the thread that predicts."""
        reply = self._ask(_EnsembleWeights(coefficient))
        assert isinstance(reply, np.ndarray), reply
        reply.setflags(write=False)
        return reply

    def cancel(self) -> None:
        """Stop the call or the load in progress, from any thread. Without one, nothing happens.

        The child is killed, since nothing else stops torch. The next call loads the checkpoint anew.
        """
        child = self._child
        if self._busy or isinstance(self._state, Loading):
            self._cancelled.set()
            child.kill()

    def close(self) -> None:
        """End the child and wait for its end. `cancel` a call in progress first. May be repeated."""
        self._pipe.close()
        # An idle child leaves when its pipe closes; one that is importing torch would take seconds to notice.
        self._child.join(0 if isinstance(self._state, Loading) else _PATIENCE)
        if self._child.is_alive():
            self._child.kill()
            self._child.join()

    def _ask(self, request: _Request) -> ActionChunk | NDArray[np.float32]:
        if self._cancelled.is_set() or isinstance(self._state, Failed):
            self.close()
            self._spawn()
        self._busy = True
        try:
            self.wait()
            self._pipe.send(request)
            reply: _Reply | CallProgress = self._pipe.recv()
            while isinstance(reply, CallProgress):
                self._call = reply
                reply = self._pipe.recv()
        except (EOFError, OSError):
            error = self._end()
            self._state = Failed(error)
            raise error from None
        finally:
            self._busy, self._call = False, None
        if isinstance(reply, _Problem):
            raise _error(reply)
        return reply

    def _readable(self) -> bool:
        try:
            return self._pipe.poll()
        except OSError:
            return True  # Reading then says what is the matter.

    def _take_load_message(self) -> None:
        """Wait for the next message of a load and take it in."""
        try:
            message = self._pipe.recv()
        except (EOFError, OSError):
            self._state = Failed(self._end())
            return
        match message:
            case Progress():
                self._state = Loading(message)
            case CallProgress():
                pass  # The load tries the policy once.
            case PolicyInfo():
                self._state = self._loaded(message)
            case _Problem():
                self._state = Failed(_error(message))
            case _:
                raise TypeError(f"not a message of a load: {message!r}")

    def _loaded(self, info: PolicyInfo) -> LoadState:
        if self._info is not None and self._info.digest != info.digest:
            return Failed(WhiskersError(f"Checkpoint {self._source} changed on disk while in use; open it anew."))
        self._info = info
        return Loaded(info)

    def _end(self) -> WhiskersError:
        """What to say of a child that is gone."""
        self._child.join(_PATIENCE)
        if self._cancelled.is_set():
            if isinstance(self._state, Loading):
                return LoadingCancelledError(f"Loading {self._source} was cancelled.")
            return PolicyCancelledError(f"The call to policy {self._source} was cancelled.")
        code = self._child.exitcode
        how = f"with exit code {code}"
        if code is None:
            how = "without saying why"
        elif code < 0:
            killed = signal.Signals(-code).name
            how = f"by {killed}" + (", often because memory ran out" if killed == "SIGKILL" else "")
        return WhiskersError(f"The process of policy {self._source} ended {how}; the next step starts it again.")


def _error(problem: _Problem) -> WhiskersError:
    error = WhiskersError(problem.sentence)
    if problem.traceback:
        error.add_note(problem.traceback)
    return error


def _serve(source: str, device: str, statistics: str, pipe: Connection) -> None:
    """The child: load, say so, then answer one request after the other until the pipe closes."""
    # Ctrl+C reaches every process of the terminal; the parent decides what it means and closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        # The window's frames come before a chunk, which takes long anyway. Windows has no such call.
        os.nice(5)
    # What libraries print must not get between the lines that the parent prints for a program to read.
    sys.stdout = sys.stderr
    line = Line(pipe)
    try:
        policy = _load(source, device, statistics, line)
        while policy is not None:
            line.send(_answer(policy, line.receive()))
    except ParentGoneError:
        pass
    # Leave at once: torch's own farewell takes more than a second and nobody waits for it.
    os._exit(0)


class ParentGoneError(Exception):
    """The parent closed the pipe or is no more. Apart from OSError, so that no other trouble is taken for it."""


class Line:
    """The child's end of the pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def send(self, message: object) -> None:
        """
        Raises:
            ParentGoneError: If nobody reads it any more.
        """
        try:
            self._pipe.send(message)
        except OSError:
            raise ParentGoneError from None

    def receive(self) -> _Request:
        try:
            request: _Request = self._pipe.recv()
        except (EOFError, OSError):
            raise ParentGoneError from None
        return request


def _load(source: str, device: str, statistics: str, line: Line) -> Policy | None:
    """The policy, None where the parent was told why there is none."""
    try:
        from policies.load import load

        policy = load(source, line.send, device, line.send, statistics)
    except ParentGoneError:
        raise
    except WhiskersError as error:
        line.send(_Problem(str(error)))
    except Exception as error:
        line.send(_unforeseen(f"Loading {source}", error))
    else:
        line.send(policy.info)
        return policy
    return None


def _answer(policy: Policy, request: _Request) -> _Reply:
    try:
        match request:
            case _Predict(observations, start, seed, want):
                return policy.predict(observations, start, seed, want)
            case _EnsembleWeights(coefficient):
                return policy.ensemble_weights(coefficient)
            case _:
                assert_never(request)
    except WhiskersError as error:
        return _Problem(str(error))
    except Exception as error:
        return _unforeseen(f"Policy {policy.info.name}", error)


def _unforeseen(what: str, error: Exception) -> _Problem:
    text = " ".join(str(error).split())
    return _Problem(f"{what} failed ({type(error).__name__}: {text}); please report it.", traceback.format_exc())
