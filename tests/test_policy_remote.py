"""A policy behind LeRobot's own policy server, which runs here in a process of its own."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("grpc")

from lerobot.async_inference.helpers import TimedAction

from policies.load import load
from policies.remote_wire import AnswerError, chunk_in
from policies.source import DEMOS
from viewer_app.types import Observation, Want, WhiskersError


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "lerobot.async_inference.policy_server", "--host=127.0.0.1", f"--port={port}"]
    # One thread, as Whiskers sets it: more of them add up in another order.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with (folder / "printed").open("w") as printed:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=printed, stderr=printed)
    try:
        _wait_for(port, process, folder / "printed")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], printed: Path) -> None:
    for _ in range(1200):
        assert process.poll() is None, printed.read_text()
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(printed.read_text())


def _observation(n_state: int, cameras: dict[str, tuple[int, int]], seed: int) -> Observation:
    rng = np.random.default_rng(seed)
    images = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in cameras.items()}
    return Observation(0.0, rng.uniform(-50, 50, n_state).astype(np.float32), images, "put the block into the bowl")


def test_a_remote_policy_answers_as_it_does_here(address: str) -> None:
    """Through the server, a checkpoint gives the chunks that it gives in this process, to the bit, also for an
    observation that it has just seen."""
    here = load("demo:act")
    there = load(f"remote:{address}/{DEMOS / 'act'}")
    assert there.info.cameras == here.info.cameras
    assert (there.info.chunk_size, there.info.n_action) == (here.info.chunk_size, here.info.n_action)
    assert there.info.digest != here.info.digest
    for seed in (0, 1, 1):
        observation = _observation(here.info.n_state, dict(here.info.cameras), seed)
        expected = here.predict([observation], 7, 3, Want())
        found = there.predict([observation], 7, 3, Want())
        np.testing.assert_array_equal(found.actions, expected.actions)
        assert found.start == 7
        assert found.latency > 0


def test_what_a_server_cannot_do_is_said_in_one_sentence(address: str, tmp_path: Path) -> None:
    """No server, a checkpoint that is not there, a type that answers no lone observation, and an unreadable address."""
    cases = {
        "remote:127.0.0.1:9/user/name": "No policy server answers at 127.0.0.1:9 .*start it there",
        f"remote:{address}/{tmp_path}/gone={DEMOS / 'act'}": f"Policy server {address} cannot load .*gone",
        f"remote:{address}/{tmp_path}/gone": "Whiskers reads the config.json of .*gone=FOLDER",
        f"remote:{address}": "write remote:HOST:PORT/CHECKPOINT",
    }
    with pytest.raises(WhiskersError, match="by the checkpoint's own statistics; leave other ones out"):
        load(f"remote:{address}/{DEMOS / 'act'}", statistics="a-dataset")
    (tmp_path / "diffusion").mkdir()
    (tmp_path / "diffusion" / "config.json").write_text('{"type": "diffusion"}')
    cases[f"remote:{address}/{tmp_path}/diffusion"] = "is of type 'diffusion'; through a policy server"
    for source, sentence in cases.items():
        with pytest.raises(WhiskersError, match=sentence):
            load(source)


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


class _EvilStorage:
    """Where torch's own reader of a tensor's numbers would run code."""

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return torch.storage._load_from_bytes, (pickle.dumps(_Evil()),)


def test_a_server_can_answer_with_numbers_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code in an answer is not run, wherever it hides, and whatever is no list of actions is refused."""
    monkeypatch.chdir(tmp_path)
    honest = [TimedAction(0.0, i, torch.arange(3) + float(i)) for i in range(2)]
    np.testing.assert_array_equal(chunk_in(pickle.dumps(honest)), [[0, 1, 2], [1, 2, 3]])
    hidden = [TimedAction(0.0, 0, torch.zeros(3)), _Evil()]
    for answer in ([_Evil()], hidden, [_EvilStorage()], [], honest[0]):
        with pytest.raises(AnswerError):
            chunk_in(pickle.dumps(answer))
    uneven = [honest[0], TimedAction(0.0, 1, torch.zeros(4))]
    with pytest.raises(AnswerError, match="of one size"):
        chunk_in(pickle.dumps(uneven))
    whole = pickle.dumps(honest)
    for cut in range(0, len(whole), 7):
        with pytest.raises(AnswerError):
            chunk_in(whole[:cut])
    assert not (tmp_path / "ran").exists()
