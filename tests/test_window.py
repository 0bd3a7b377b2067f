"""The real window, driven by real keys and a real mouse.

A window runs in a process of its own and says what it shows; the tests wait for what they expect, never for a time.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.window,
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="drives the window by X11's own tools"),
    pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool"),
]

ROOT = Path(__file__).parents[1]
PATIENCE = 40.0
"""How long to wait for what must come. Generous: the machine may be doing other things. [s]"""


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A display of 1280x720: a virtual one, so that nobody's mouse gets in the way."""
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x720x24", "-nolisten", "tcp"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as numbers:
        number = numbers.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait(10)


class WindowUnderTest:
    """A running window, its reports, and hands to use it with."""

    def __init__(self, display: str, **options: float | str) -> None:
        self._env = {**os.environ, "DISPLAY": display, "WHISKERS_SCALE": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.window_session", json.dumps(options)],
            cwd=ROOT,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reports: queue.SimpleQueue[dict[str, object]] = queue.SimpleQueue()
        self.now: dict[str, object] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._reports.put(json.loads(line))

    def wait(self, **expected: object) -> dict[str, object]:
        """Wait until the window shows what is expected."""
        deadline = time.monotonic() + PATIENCE
        while not all(self.now.get(name) == value for name, value in expected.items()):
            try:
                self.now = self._reports.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                if self._process.poll() is not None:
                    pytest.fail(f"the window ended: {self.errors()}")
                pytest.fail(f"expected {expected}, the window shows {self.now}")
        return self.now

    def ready(self) -> None:
        """Wait for the policy, then give the window the keyboard."""
        self.wait(policy=True, pictured=True)
        self.take_keyboard()

    def take_keyboard(self) -> None:
        """Move the window to the display's corner and give it the keyboard: there is no window manager to do it."""
        found = self._hands("search", "--sync", "--onlyvisible", "--name", "Whiskers").split()[-1]
        self._hands("windowmove", found, "0", "0")
        self._hands("windowfocus", "--sync", found)
        self._hands("mousemove", "570", "300")

    def press(self, *keys: str) -> None:
        for key in keys:
            self._hands("key", key)

    def type(self, text: str) -> None:
        self._hands("type", "--delay", "40", text)

    def click(self, x: int, y: int) -> None:
        self._hands("mousemove", str(x), str(y), "sleep", "0.2", "mousedown", "1", "sleep", "0.1", "mouseup", "1")

    def hold(self, key: str) -> None:
        self._hands("keydown", key)

    def let_go(self, key: str) -> None:
        self._hands("keyup", key)

    def drag(self, x: int, y: int, to_x: int, to_y: int, button: int = 1) -> None:
        self._hands("mousemove", str(x), str(y), "sleep", "0.2", "mousedown", str(button), "sleep", "0.1")
        for part in range(1, 6):
            at = (round(x + (to_x - x) * part / 5), round(y + (to_y - y) * part / 5))
            self._hands("mousemove", str(at[0]), str(at[1]), "sleep", "0.06")
        self._hands("mouseup", str(button))

    def _hands(self, *words: str) -> str:
        return subprocess.run(
            ["xdotool", *words], env=self._env, capture_output=True, text=True, check=True, timeout=PATIENCE
        ).stdout

    def close(self) -> None:
        """Quit by key, and see that it ended cleanly."""
        self.press("ctrl+q")
        assert self._process.wait(PATIENCE) == 0, self.errors()
        self._reader.join(PATIENCE)
        assert self.errors() == ""

    def errors(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read() if self._process.poll() is not None else ""

    def end(self) -> None:
        """Make sure that it is gone, whatever a test did."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def window(display: str, request: pytest.FixtureRequest) -> Iterator[WindowUnderTest]:
    options: dict[str, float | str] = getattr(request, "param", {})
    opened = WindowUnderTest(display, **options)
    yield opened
    opened.end()


def test_an_episode_by_keys(window: WindowUnderTest) -> None:
    """Stepping, looking back, playing on, branching and resetting by keys do what the key table says."""
    window.ready()
    window.press("Right", "Right", "Right")
    window.wait(length=3, step=3, head=True)
    window.press("Left")
    window.wait(length=3, step=2, head=False)
    window.press("Right")
    window.wait(length=3, step=3, head=True)
    window.press("shift+Right")
    window.wait(length=13, head=True, running=False)
    window.press("Home")
    window.wait(step=0, length=13)
    window.press("space")
    window.wait(running=True, head=True)
    window.press("space")
    played = window.wait(running=False)["length"]
    assert isinstance(played, int)
    assert played > 13
    window.press("Home", "Right", "Right", "Right", "Right", "ctrl+b")
    window.wait(trace="episode 1 / branch 1", length=4, head=True, traces=2)
    window.press("BackSpace")
    window.wait(trace="episode 2", length=0, traces=3)
    window.close()


def test_scrubbing_and_orbiting_by_mouse(window: WindowUnderTest) -> None:
    """Dragging along the timeline looks at earlier steps, dragging in the viewport orbits; the trace stays."""
    window.ready()
    for length in range(10, 70, 10):
        window.press("shift+Right")
        window.wait(length=length, head=True)
    window.drag(220, 656, 60, 656)
    window.wait(head=False, length=60)
    window.press("1")
    window.wait(camera="overview", azimuth=135.0)
    window.drag(570, 400, 500, 400)
    window.wait(camera="free", length=60)
    assert window.now["azimuth"] != 135.0
    window.press("2")
    window.wait(camera="side", azimuth=90.0)
    window.close()


def test_keys_yield_to_text_fields(window: WindowUnderTest) -> None:
    """While a text field has the keyboard, typing types; afterwards keys are commands again."""
    window.ready()
    window.click(110, 470)
    window.type("a b=1 -")
    window.press("Home", "Right")
    window.press("Return")
    window.press("Escape")
    window.click(570, 300)
    window.press("Right")
    window.wait(length=1, running=False)
    window.close()


@pytest.mark.parametrize("window", [{"refuses": "yes"}], indirect=True)
def test_a_refusing_policy_is_heard_and_survived(window: WindowUnderTest) -> None:
    """What a policy raises is shown in one sentence; the episode stays at its last good step and can be looked at."""
    window.ready()
    window.press("space")
    window.wait(length=25, running=False, message="The policy has seen enough.")
    window.press("Left")
    window.wait(step=24, head=False)
    window.close()


@pytest.mark.parametrize("window", [{"fails": "Checkpoint tests has no weights."}], indirect=True)
def test_a_failed_load_leaves_a_working_window(window: WindowUnderTest) -> None:
    """Without a policy the scene is shown all the same, and stepping says what is missing."""
    window.wait(pictured=True, policy=False)
    window.take_keyboard()
    window.press("Right")
    window.wait(message="There is no policy to step: open a checkpoint first.")
    window.close()


@pytest.mark.parametrize("window", [{"takes": 3.0}], indirect=True)
def test_closing_during_a_policy_call_is_clean(window: WindowUnderTest) -> None:
    """Quitting while the policy thinks ends the process with no error and nothing on stderr."""
    window.ready()
    window.press("Right")
    time.sleep(0.5)
    window.close()


@pytest.mark.parametrize("window", [{"lanes": 2}], indirect=True)
def test_lanes_in_one_window(window: WindowUnderTest) -> None:
    """Two lanes step together and branch together; a setting is the looked-at lane's own; a jump goes to where they
    come apart."""
    window.ready()
    window.wait(chunkings=["FirstN(n_action_steps=25)", "FirstN(n_action_steps=5)"], lane=0)
    for length in (10, 20, 30, 40):
        window.press("shift+Right")
        window.wait(lengths=[length, length])
    window.wait(clock=40, apart=True)
    window.press("ctrl+d")
    window.wait(head=False)
    apart = window.now["clock"]
    assert isinstance(apart, int)
    assert 0 < apart < 40
    window.press("ctrl+l")
    window.wait(lane=1, clock=apart)
    window.press("ctrl+b")
    window.wait(trace="episode 1 / branch 1", lengths=[apart, apart], head=True)
    # The mouse in the other lane's picture looks at that lane.
    window.click(420, 220)
    window.wait(lane=0)
    window.press("BackSpace")
    window.wait(trace="episode 2", lengths=[0, 0])
    window.close()


def test_dragging_typing_and_pushing(window: WindowUnderTest) -> None:
    """Ctrl-drags move and push once each, numbers are taken on Enter, Ctrl+Z puts back, and what is typed in history
    branches there."""
    window.ready()
    window.press("ctrl+9")
    window.hold("ctrl")
    window.drag(537, 352, 600, 400)
    assert window.wait(events=["moved"])["marked"] == "block"
    window.let_go("ctrl")
    window.press("ctrl+z")
    window.wait(events=["moved", "undone"])
    window.press("Right")
    window.wait(length=1)
    window.press("Right")
    window.wait(length=2)
    window.hold("ctrl")
    window.drag(530, 240, 600, 260, button=3)
    window.let_go("ctrl")
    assert window.wait(events=["moved", "undone", "pushed"], pushes=1)["marked"] != "block"
    window.press("Left")
    window.wait(step=1, head=False)
    window.hold("ctrl")
    window.click(537, 352)
    window.let_go("ctrl")
    window.wait(marked="block")
    window.click(967, 323)
    window.press("ctrl+a")
    window.type("170")
    window.press("Return")
    branch = window.wait(trace="episode 1 / branch 1", length=1)
    assert branch["events"] == ["moved", "undone", "moved"]
    window.close()
