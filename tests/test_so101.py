"""Laws of the built-in scene: it is an SO-101 by the numbers, and its names are LeRobot's."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from viewer_app.scene import Scene

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.load("so101")


def test_joint_names_are_lerobots(scene: Scene) -> None:
    """Action and state have LeRobot's SO-101 joints in LeRobot's order."""
    assert scene.joint_names == JOINTS


def test_masses_are_the_published_ones(scene: Scene) -> None:
    """The links' masses are the published ones, 0.632 kg in all; what is drawn weighs nothing."""
    masses = {"base": 0.147, "shoulder": 0.1, "upper_arm": 0.103, "lower_arm": 0.104, "wrist": 0.079, "gripper": 0.087}
    masses["moving_jaw"] = 0.012
    for body, mass in masses.items():
        assert scene.model.body(body).mass[0] == pytest.approx(mass)
    assert scene.model.body("base").subtreemass[0] == pytest.approx(0.632)


@pytest.mark.parametrize(
    ("joint", "anchor_in_base", "axis_in_base", "joint_range"),
    [
        ("shoulder_pan", (0.0388, 0, 0.0624), (0, 0, -1), (-1.91986, 1.91986)),
        ("shoulder_lift", (0.0692, -0.0183, 0.1166), (0, 1, 0), (-1.74533, 1.74533)),
        ("elbow_flex", (0.0972, -0.0183, 0.2292), (0, 1, 0), (-1.69, 1.69)),
        ("wrist_flex", (0.2321, -0.0183, 0.2344), (0, 1, 0), (-1.65806, 1.65806)),
        ("wrist_roll", (0.2932, -0.0002, 0.2344), (-1, 0, 0), (-2.74385, 2.84121)),
        ("gripper", (0.3166, 0.0176, 0.2555), (0, -0.9988, -0.0487), (-0.17453, 1.74533)),
    ],
)
def test_kinematics_are_the_published_ones(
    scene: Scene,
    joint: str,
    anchor_in_base: tuple[float, float, float],
    axis_in_base: tuple[float, float, float],
    joint_range: tuple[float, float],
) -> None:
    """With all joints at zero, each joint's anchor and axis are where the published SO-101 has them. [m], [rad]"""
    data = mujoco.MjData(scene.model)
    mujoco.mj_kinematics(scene.model, data)
    index = scene.model.joint(joint).id
    np.testing.assert_allclose(data.xanchor[index], anchor_in_base, atol=1e-4)
    np.testing.assert_allclose(data.xaxis[index], axis_in_base, atol=1e-3)
    np.testing.assert_allclose(scene.model.jnt_range[index], joint_range)


def test_only_what_must_collides(scene: Scene) -> None:
    """Pads, table, block and bowl collide; all that is drawn on the arm does not, so contacts stay few and cheap."""
    model = scene.model
    solid = {
        model.geom(i).name or model.body(model.geom_bodyid[i]).name for i in range(model.ngeom) if model.geom_contype[i]
    }
    assert solid == {"fixed_pad", "moving_pad", "table", "block_box", "bowl_floor", "bowl"}


def test_the_end_effector_is_between_the_pads(scene: Scene) -> None:
    """The site whose path is the whisker lies between the finger pads of the closed gripper."""
    data = mujoco.MjData(scene.model)
    mujoco.mj_forward(scene.model, data)
    middle = (data.geom("fixed_pad").xpos + data.geom("moving_pad").xpos) / 2
    assert np.linalg.norm(data.site(scene.spec.end_effector_site).xpos - middle) < 0.02
