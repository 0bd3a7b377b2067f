"""Law 2: the window changes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recordings.folder import open_recording
from viewer_app.commands import Place, Push, SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.scene import Scene

ROOT = Path(__file__).parents[1]
STEPS = 45
CAMERAS = {"wrist_cam": (96, 128), "overhead_cam": (96, 128)}

# Plays an episode in the real window, with the policy in its process, and records it as every session is recorded.
WINDOW = """
import sys, time
from dataclasses import replace
from pathlib import Path
from viewer_app import gui
from viewer_app.commands import MoveObject, Push
from viewer_app.scene import Scene
from viewer_app.wiring import SessionFiles

if __name__ == "__main__":
    checkpoint, folder, steps = sys.argv[1:]
    files = SessionFiles(Path(folder), "cpu")
    session = files.new_session(Scene.load("so101"), checkpoint, seed=7, start_running=True)
    deadline = time.monotonic() + 120
    engines, todo = [], [MoveObject("block", (0.2, 0.1, 0.05), 0.3), Push("gripper", (0.0, 2.0, 1.0), 7)]
    def open_engine(publish):
        engines.append(opened(publish))
        return engines[0]
    opened = session.open_engine
    session = replace(session, open_engine=open_engine)
    def on_frame(seconds, frame):
        # Whenever the window gets to it: what counts is what the recording says.
        if todo and frame is not None and frame.length >= 20 - 10 * len(todo) + 5:
            engines[0].send(todo.pop(0))
        return (frame is None or frame.length < int(steps)) and time.monotonic() < deadline
    gui.run(session, files, on_frame=on_frame)
    files.close()
"""


@pytest.mark.window
@pytest.mark.slow
def test_window_and_headless_are_twins(tmp_path: Path) -> None:
    """Law 2: an episode played in the window, paced and recorded, with the policy in another process, an object
    moved and the arm pushed while it ran, equals the same seed run headless in this one, with what the recording says
    was done done again at the same steps: to the bit, latencies aside."""
    from policies.load import load
    from tests.checkpoints import build_act

    checkpoint = build_act(tmp_path / "small", cameras=CAMERAS)
    (tmp_path / "window.py").write_text(WINDOW)
    command = [sys.executable, str(tmp_path / "window.py"), str(checkpoint), str(tmp_path / "session"), str(STEPS)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ran.returncode == 0, ran.stderr
    ((windowed,),) = open_recording(tmp_path / "session" / "recording-1").lanes
    assert len(windowed) >= STEPS

    engine = open_engine(Scene.load("so101"), load(str(checkpoint)), seed=7)
    engine.send(SetStops(on_outcome=False))
    for step in range(len(windowed)):
        for positions in windowed.placed_at(step):
            engine.send(Place(positions))
        for force in (each for each in windowed.settings_at(step).forces if each.begin == step):
            engine.send(Push(force.body, force.force, force.end - force.begin, force.torque))
        engine.send(Step())
        while engine.tick():
            pass
    engine.close()
    assert [event.kind for event in windowed.events] == ["moved", "pushed"]
    assert engine.lanes[0].trace.same_as(windowed)
