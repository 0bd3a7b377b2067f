"""A policy on another machine, behind LeRobot's own policy server of its asynchronous inference.

    python -m lerobot.async_inference.policy_server --host=0.0.0.0 --port=8080       # there
    whiskers view remote:there:8080/user/name                                        # here

Whiskers only connects; it listens on nothing. The server draws its random numbers from a generator that nobody outside
can seed, so a chunk of a policy that draws any cannot be had again.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import grpc
import torch
from lerobot.async_inference.helpers import RemotePolicyConfig, TimedObservation
from lerobot.configs.policies import PreTrainedConfig
from lerobot.transport import services_pb2, services_pb2_grpc
from lerobot.transport.utils import grpc_channel_options, send_bytes_in_chunks

from policies.answer import chunk_from, ensemble_weights
from policies.checkpoint import CONFIG, Checkpoint, CheckpointError
from policies.hub import fetch_config
from policies.inputs import STATE, Inputs, inputs_of
from policies.model import decode_config
from policies.progress import Progress, Report
from policies.remote_wire import chunk_in, packed
from policies.trial import try_once
from viewer_app.types import ActionChunk, Float32Array, Observation, PolicyInfo, Want, WhiskersError

_SOURCE = re.compile(r"remote:(?P<address>[^/]+:\d+)/(?P<there>[^=]+)(=(?P<here>.+))?")
_KINDS = ("act", "smolvla", "pi0", "pi05")
"""The types that LeRobot's server can ask for a chunk by one observation, and whose configuration says its length."""
_DRAWING = ("smolvla", "pi0", "pi05")
_PATIENCE = 5.0
"""How long a server may take to say that it is there. [s]"""
_EVERY = 0.5
"""How often a wait is told about. [s]"""


class RemotePolicy:
    """A checkpoint that runs on a policy server. Calls must not overlap."""

    def __init__(self, stub: services_pb2_grpc.AsyncInferenceStub, address: str, inputs: Inputs, info: PolicyInfo):
        self._stub = stub
        self._address = address
        self._inputs = inputs
        self._info = info
        self._asked = 0

    @property
    def info(self) -> PolicyInfo:
        return self._info

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        """Propose `chunk_size` actions. See `viewer_app.types.Policy`. The seed does not reach the server.

        Raises:
            WhiskersError: If the server is gone, or answers nothing.
        """
        began = time.perf_counter()
        newest = observations[-1]
        self._inputs.batch(newest)  # For its checks.
        raw: dict[str, object] = {name: float(each) for name, each in zip(self._names(), newest.state, strict=False)}
        raw |= {_bare(camera.key): newest.images[name] for name, camera in self._inputs.cameras.items()}
        raw["task"] = newest.task
        # The server skips what is like the last one, and a number that it has seen, unless it must not.
        self._asked += 1
        observation = TimedObservation(time.time(), self._asked, raw, must_go=True)
        message = send_bytes_in_chunks(packed(observation), services_pb2.Observation)
        try:
            self._stub.SendObservations(message)
            answer = self._stub.GetActions(services_pb2.Empty()).data
        except grpc.RpcError as error:
            raise WhiskersError(f"Policy server {self._address} did not answer ({_words(error)}).") from None
        if not answer:
            raise WhiskersError(
                f"Policy server {self._address} could not answer; what went wrong is in what it printed there."
            )
        actions = chunk_in(answer)
        if actions.shape[1] != self._info.n_action:
            raise WhiskersError(
                f"Policy server {self._address} answered {actions.shape[1]} numbers an action, where {CONFIG} says "
                f"{self._info.n_action}; another checkpoint lies there."
            )
        latency = time.perf_counter() - began
        normalised = torch.from_numpy(actions[None].copy())
        return chunk_from(self._info, newest, start, seed, latency, normalised, actions, {})

    def ensemble_weights(self, coefficient: float) -> Float32Array:
        """See `viewer_app.types.Policy`."""
        return ensemble_weights(self._info.chunk_size, coefficient)

    def _names(self) -> list[str]:
        return _state_names(self._inputs.n_state)


def load_remote(source: str, device: str, report: Report) -> RemotePolicy:
    """Have a policy server load a checkpoint, and try it once.

    Args:
        source: `remote:HOST:PORT/CHECKPOINT`, the checkpoint as the server finds it: a folder there, or a hub id. Its
            config.json is read here, from the same folder or the hub; `=FOLDER` behind it names another folder here.
        device: torch's name of where the server is to run it.
        report: Told the progress.

    Raises:
        WhiskersError: If there is no such server, it cannot load that, or the type needs what it cannot do.
    """
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise WhiskersError(
            f"{source} names no policy on a server: write remote:HOST:PORT/CHECKPOINT, the checkpoint being a folder "
            "there or a hub id."
        )
    address, there, here = match["address"], match["there"], match["here"]
    report(Progress(f"Asking {address}", 0.05))
    channel = grpc.insecure_channel(address, grpc_channel_options())
    stub = services_pb2_grpc.AsyncInferenceStub(channel)
    try:
        stub.Ready(services_pb2.Empty(), timeout=_PATIENCE)
    except grpc.RpcError as error:
        raise WhiskersError(
            f"No policy server answers at {address} ({_words(error)}); start it there with `python -m "
            "lerobot.async_inference.policy_server --host=0.0.0.0 --port=PORT`."
        ) from None
    checkpoint = _described(source, address, there, Path(here) if here else Path(there), report)
    importlib.import_module(f"lerobot.policies.{checkpoint.kind}.configuration_{checkpoint.kind}")
    config = decode_config(checkpoint, PreTrainedConfig.get_choice_class(checkpoint.kind), {"device": "cpu"})
    inputs = inputs_of(config, checkpoint)
    _send(stub, address, _order(config, checkpoint.kind, there, inputs, device), report)
    info = PolicyInfo(
        name=f"{Path(there).name} on {address}",
        kind=checkpoint.kind,
        source=source,
        digest=checkpoint.digest,
        chunk_size=config.chunk_size,
        n_action_steps=config.n_action_steps,
        n_action=config.action_feature.shape[0],
        n_state=inputs.n_state,
        cameras=MappingProxyType({name: (each.height, each.width) for name, each in inputs.cameras.items()}),
        uses_task=checkpoint.kind in _DRAWING,
        ensemble_coefficient=getattr(config, "temporal_ensemble_coeff", None),
        deterministic=checkpoint.kind not in _DRAWING,
        device=f"{device} of {address}",
    )
    policy = RemotePolicy(stub, address, inputs, info)
    report(Progress("Trying it once", 0.95))
    try_once(policy.predict, inputs, checkpoint)
    report(Progress("Ready", 1.0))
    return policy


def _described(source: str, address: str, there: str, here: Path, report: Report) -> Checkpoint:
    """What is known here of a checkpoint there: its configuration."""
    path = here / CONFIG if here.is_dir() else fetch_config(there, report)
    if path is None or not path.is_file():
        raise CheckpointError(
            f"Whiskers reads the {CONFIG} of {there} here, to know its cameras and its chunk; copy that file into a "
            f"folder and write remote:{address}/{there}=FOLDER."
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        kind = str(config["type"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"Checkpoint file {path} cannot be used ({type(error).__name__}: {error}).") from None
    if kind not in _KINDS:
        raise CheckpointError(
            f"Checkpoint {there} is of type {kind!r}; through a policy server Whiskers runs {', '.join(_KINDS)}, which "
            "answer one observation with a chunk."
        )
    digest = hashlib.sha256(f"{address}\0{there}\0".encode() + path.read_bytes()).hexdigest()
    return Checkpoint(there, source, path.parent, kind, MappingProxyType(config), {}, {}, digest)


def _order(config: PreTrainedConfig, kind: str, there: str, inputs: Inputs, device: str) -> RemotePolicyConfig:
    """What the server is to load, and how observations will be written."""
    features: dict[str, dict[str, object]] = {}
    if inputs.n_state:
        names = _state_names(inputs.n_state)
        features[STATE] = {"dtype": "float32", "shape": (len(names),), "names": names}
    for camera in inputs.cameras.values():
        shape = (camera.height, camera.width, 3)
        features[camera.key] = {"dtype": "image", "shape": shape, "names": ["height", "width", "channels"]}
    return RemotePolicyConfig(kind, there, features, config.chunk_size, device)


def _send(stub: services_pb2_grpc.AsyncInferenceStub, address: str, order: RemotePolicyConfig, report: Report) -> None:
    began = time.monotonic()
    loading = stub.SendPolicyInstructions.future(services_pb2.PolicySetup(data=packed(order)))
    while not loading.done():
        waited = time.monotonic() - began
        report(
            Progress(
                f"{address} loads {order.pretrained_name_or_path}: {waited:.0f} s", 0.1 + 0.8 * waited / (waited + 60)
            )
        )
        time.sleep(_EVERY)
    try:
        loading.result()
    except grpc.RpcError as error:
        raise WhiskersError(
            f"Policy server {address} cannot load {order.pretrained_name_or_path} ({_words(error)})."
        ) from None


def _state_names(count: int) -> list[str]:
    return [f"state_{number}" for number in range(count)]


def _bare(key: str) -> str:
    """LeRobot's name of a camera without what its datasets put before it."""
    return key.removeprefix("observation.images.")


def _words(error: grpc.RpcError) -> str:
    """What went wrong, on one line."""
    details = error.details() if isinstance(error, grpc.Call) else str(error)
    return " ".join((details or "without a word").split())[:300].rstrip(".")
