"""A scene's text file is checked, and every complaint says what, where and how to mend it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.scenes import MODEL, SPEC, write_scene
from viewer_app.scene import Scene
from viewer_app.scene_spec import SceneError

pytestmark = pytest.mark.core


@pytest.fixture
def plotter(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path))


def test_units_round_trip(plotter: Scene) -> None:
    """Scene units to radians and back is the same action, to float32."""
    actions = np.array([[-100, -50], [0, 0], [100, 57.0]], np.float32)
    np.testing.assert_allclose(plotter.to_scene_units(plotter.to_control(actions)), actions, atol=1e-5)
    np.testing.assert_allclose(plotter.to_control(actions)[2], [1.5, np.deg2rad(57)], rtol=1e-7)


def test_commands_are_clipped_to_the_actuator(plotter: Scene) -> None:
    """A command beyond the control range gives the limit, as MuJoCo's own clamping does."""
    assert plotter.to_control(np.array([500, -500], np.float32)).tolist() == [1.5, -1.0]


def test_a_control_step_is_a_whole_number_of_physics_steps(plotter: Scene) -> None:
    """At 30 Hz and a timestep of 1/240 s a control step is eight physics steps."""
    assert plotter.substeps == 8
    assert plotter.control_dt == pytest.approx(1 / 30)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "yaw"', 'name = "yawn"', ["joint 'yawn'", "yaw, pitch"]),
        ('"pitch_servo"', '"servo"', ["actuator 'servo'", "yaw_servo, pitch_servo"]),
        ("[cameras.above]", "[cameras.top]", ["camera 'top'", "above, aside"]),
        ('end_effector_site = "tip"', 'end_effector_site = "end"', ["site 'end'", "tip"]),
        ('object = "cube"', 'object = "ball"', ["body 'ball'", "cube, cup"]),
        ('gripper_geoms = ["pad"]', 'gripper_geoms = ["jaw"]', ["geom 'jaw'", "pad"]),
        ('body = "cube"', 'body = "cup"', ["'cup'", "free joint"]),
        ("control_hz = 30.0", "control_hz = 37.0", ["37 Hz", "timestep"]),
        ("control_hz = 30.0", "control_hz = 0.0", ["control_hz", "above 0"]),
        ("control_hz = 30.0", 'control_hz = "fast"', ["control_hz", "float", "'fast'"]),
        ("width = 32", "width = -3", ["cameras.above.width", "-3"]),
        ('unit = "degrees"', 'unit = "turns"', ["joints[1].unit", "range_100", "'turns'"]),
        ('prompt = "Push the cube."', 'promt = "Push"', ["promt", "prompt"]),
        ('model = "plotter.xml"', 'model = "plot.xml"', ["plot.xml", "does not exist"]),
        ('name = "plotter"\n', "", ["lacks the field name"]),
        ("[task]", "[task", ["not valid TOML"]),
        ("half_range = [0.03, 0.03, 0.0]", "half_range = [0.03]", ["spawn[0].half_range"]),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    """Each mistake in the text file is told in one sentence that names it and lists what would be valid."""
    assert old in SPEC
    path = write_scene(tmp_path, SPEC.replace(old, new, 1))
    with pytest.raises(SceneError) as caught:
        Scene.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_model_that_does_not_compile_is_named(tmp_path: Path) -> None:
    """MuJoCo's own complaint is passed on with the file's name, in one line."""
    with pytest.raises(SceneError, match=r"plotter\.xml does not compile: .+"):
        Scene.load(write_scene(tmp_path, model=MODEL.replace("<freejoint/>", "<freejoin/>")))


def test_an_unknown_scene_lists_the_built_in_ones() -> None:
    """A scene that is neither a file nor built in is refused with the names of those that are."""
    with pytest.raises(SceneError, match=r"no-such.*so101"):
        Scene.load("no-such")
