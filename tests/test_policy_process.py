"""A policy in its own process: the same answers, never a wait for the window, and an end to every call."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from policies.load import load
from policies.process import Failed, Loaded, Loading, PolicyCancelledError, PolicyProcess
from policies.progress import LoadingCancelledError
from tests.checkpoints import CAMERAS, build_act
from viewer_app.types import Observation, Policy, Sampling, Want, WhiskersError

pytestmark = pytest.mark.slow


def observe(seed: int) -> Observation:
    rng = np.random.default_rng(seed)
    images = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in CAMERAS.items()}
    return Observation(0.0, rng.uniform(-100, 100, 6).astype(np.float32), MappingProxyType(images))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_act(tmp_path_factory.mktemp("act"))


@pytest.fixture(scope="module")
def inside(folder: Path) -> Policy:
    """The same checkpoint in this process."""
    return load(str(folder))


@pytest.fixture(scope="module")
def process(folder: Path) -> Iterator[PolicyProcess]:
    policy = PolicyProcess.start(str(folder))
    yield policy
    policy.close()
    assert not children()


def children() -> set[int]:
    """Process ids of the living policy processes."""
    return {child.pid or 0 for child in multiprocessing.active_children() if child.name.startswith("policy")}


def test_answers_are_those_of_this_process(process: PolicyProcess, inside: Policy) -> None:
    """Chunks, extras, weights and what is said of the policy are equal to the bit in either process."""
    assert process.wait() == process.info
    assert repr(process.info) == repr(inside.info)
    for step in range(3):
        want = Want(samples=2, attention=True) if step == 2 else Want()
        chunk = process.predict([observe(step)], step, step, want)
        assert chunk.same_as(inside.predict([observe(step)], step, step, want))
        assert not chunk.actions.flags.writeable
    assert np.array_equal(process.ensemble_weights(0.03), inside.ensemble_weights(0.03))


def test_complaint_is_the_policys_own(process: PolicyProcess) -> None:
    """An observation that does not fit gives the adapter's sentence, and the process goes on."""
    process.wait()
    with pytest.raises(WhiskersError, match="reads camera 'wrist_cam'"):
        process.predict([Observation(0.0, np.zeros(6, np.float32), {})], 0, 0, Want())
    assert len(process.predict([observe(0)], 0, 0, Want())) == process.info.chunk_size


def test_call_is_cancelled_from_another_thread(process: PolicyProcess, inside: Policy) -> None:
    """A call that would take minutes ends at once when cancelled, and the next call answers as if nothing had been."""
    process.wait()
    timer = threading.Timer(0.5, process.cancel)
    timer.start()
    began = time.monotonic()
    with pytest.raises(PolicyCancelledError, match="was cancelled"):
        process.predict([observe(0)], 0, 0, Want(samples=100_000))
    assert time.monotonic() - began < 5
    timer.join()
    process.cancel()  # Without a call nothing happens.
    assert process.predict([observe(1)], 0, 0, Want()).same_as(inside.predict([observe(1)], 0, 0, Want()))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_death_of_the_child_is_one_sentence(folder: Path) -> None:
    """A child killed from outside, while it loads or later, gives one sentence that says how it ended."""
    others = children()
    policy = PolicyProcess.start(str(folder))
    (child,) = children() - others
    os.kill(child, signal.SIGKILL)
    with pytest.raises(WhiskersError, match=r"ended by SIGKILL.*starts it again") as caught:
        policy.wait()
    assert "\n" not in str(caught.value)
    policy.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_death_between_calls_is_told_at_the_next(process: PolicyProcess) -> None:
    """A loaded child killed from outside is told of by the next call, not passed over."""
    process.wait()
    (child,) = children()
    os.kill(child, signal.SIGKILL)
    with pytest.raises(WhiskersError, match=r"ended by SIGKILL.*starts it again"):
        process.predict([observe(0)], 0, 0, Want())


def test_start_and_poll_never_wait(folder: Path) -> None:
    """Starting and polling return at once while the child still imports; cancelling the load ends it."""
    began = time.monotonic()
    policy = PolicyProcess.start(str(folder))
    state = policy.poll()
    assert time.monotonic() - began < 1
    assert isinstance(state, Loading)
    with pytest.raises(WhiskersError, match="still loading"):
        _ = policy.info
    policy.cancel()
    with pytest.raises(LoadingCancelledError, match="was cancelled"):
        policy.wait()
    policy.close()
    policy.close()
    assert not isinstance(policy.poll(), Loaded)


def test_bad_checkpoint_fails_with_its_sentence(tmp_path: Path) -> None:
    """What is wrong with a checkpoint comes through the pipe as its one sentence."""
    policy = PolicyProcess.start(str(tmp_path))
    with pytest.raises(WhiskersError, match=r"has no config\.json"):
        policy.wait()
    state = policy.poll()
    assert isinstance(state, Failed)
    assert str(state.error).startswith(f"Checkpoint {tmp_path} ")
    policy.close()


def test_window_side_loads_no_torch() -> None:
    """Importing what the window needs to load policies imports neither torch nor LeRobot."""
    code = "import sys, policies.process; assert not {'torch', 'lerobot', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_a_long_call_tells_how_far_it_is_and_can_be_left() -> None:
    """A denoising call says from another thread how many steps are taken, never fewer than before, and can be
    cancelled in the middle."""
    policy = PolicyProcess.start("demo:pi0")
    info = policy.wait()
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in info.cameras.items()}
    observation = Observation(0.0, np.zeros(info.n_state, np.float32), images, "Pick up the block.")
    seen: list[int] = []

    def look() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and (not seen or seen[-1] < 50):
            call = policy.call
            if call is not None:
                assert call.total == 100_000
                seen.append(call.done)
            time.sleep(0.002)
        policy.cancel()

    watcher = threading.Thread(target=look)
    watcher.start()
    with pytest.raises(PolicyCancelledError, match="was cancelled"):
        policy.predict([observation], 0, 0, Want(sampling=Sampling(steps=100_000)))
    watcher.join()
    policy.close()
    assert seen == sorted(seen)
    assert 50 <= seen[-1] < 100_000
    assert policy.call is None
