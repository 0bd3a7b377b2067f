"""A scripted expert for the built-in scene: picks the block up and drops it in the bowl.

It plans once, from the block's pose: inverse kinematics for a handful of grip poses, then a smooth ramp between them
in joint space. It knows the scene's body names and the true pose of the block, and nothing of images, policies or
datasets.

    python -m policies.training.expert --episodes 100 --seed 0
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import mink
import mujoco
import numpy as np
from numpy.random import Generator

from viewer_app.scene import Scene
from viewer_app.types import Float32Array, FloatArray
from viewer_app.world import MujocoWorld, pose

PAN_AXIS_X = 0.0388
"""Where the arm turns, in front of the base's origin. [m]"""
OPEN, CLOSED = 0.65, -0.10
"""Gripper targets around the block; closed is beyond what the block allows, so that the servo presses. [rad]"""
GRASP_HEIGHT, HOVER_HEIGHT = 0.009, 0.070
LIFT_HEIGHT, CARRY_HEIGHT, DROP_HEIGHT = 0.105, 0.105, 0.065
"""Heights of the end-effector site above the table. [m]"""
GRASP_SHIFT = 0.010
"""How far the site stays back from the block's centre, towards the fixed jaw: the moving jaw opens wide, the fixed one
does not, so the middle of the open hand is beyond the site. [m]"""
NOISE_DECAY = 0.9
"""Memory of the joint noise from one control step to the next."""


@dataclass(frozen=True)
class Style:
    """How one demonstration differs from the next. The default is the plain expert."""

    tempo: float = 1.0
    """Durations are multiplied by this."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Offset of the free waypoints (hover, carry), not of the grasp. [m]"""
    noise: float = 0.0
    """Standard deviation of the Ornstein-Uhlenbeck increments on the executed joint targets. [rad]"""

    @staticmethod
    def drawn(rng: Generator) -> Style:
        """A natural variation: tempo, waypoints, and in three of four episodes a hand that is not quite steady."""
        dx, dy = rng.uniform(-0.008, 0.008, 2)
        return Style(
            tempo=float(rng.uniform(0.9, 1.15)), shift=(float(dx), float(dy)), noise=0.008 * float(rng.random() < 0.75)
        )


@dataclass(frozen=True)
class Waypoint:
    """Where the hand should be, and how long it takes to get there."""

    position: FloatArray
    """Site in the world frame. Shape (3,). [m]"""
    yaw: float
    """Direction in which the gripper opens, about the vertical. [rad]"""
    gripper: float
    """[rad]"""
    seconds: float


def block_pose(world: MujocoWorld) -> tuple[FloatArray, float]:
    """Position of the block in the world frame, shape (3,), in [m], and its yaw in [rad]."""
    model = world.scene.model
    data = mujoco.MjData(model)
    pose(world.scene, data, world.snapshot())
    body = data.body(world.scene.spec.task.object)
    rotation = body.xmat.reshape(3, 3)
    return body.xpos.copy(), float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def grasp_yaw(block_xy: FloatArray, block_yaw: float) -> float:
    """The direction to open in, of the four that fit a square block: the one that needs the least wrist roll. [rad]

    With the wrist straight, the gripper opens away from the pan axis. So the roll is never more than 45 degrees, and
    any rotation of the block can be taken.
    """
    straight = np.arctan2(block_xy[1], block_xy[0] - PAN_AXIS_X)
    quarter = np.pi / 2
    return float(straight + (block_yaw - straight + quarter / 2) % quarter - quarter / 2)


def waypoints(block: FloatArray, block_yaw: float, bowl: FloatArray, style: Style) -> list[Waypoint]:
    """From the block to the bowl. Positions in the world frame, shapes (3,), in [m]."""
    yaw = grasp_yaw(block[:2], block_yaw)
    grasp_xy = block[:2] - GRASP_SHIFT * np.array([np.cos(yaw), np.sin(yaw)])
    bowl_yaw = float(np.arctan2(bowl[1], bowl[0] - PAN_AXIS_X))
    # A held block touches the fixed pad; at the drop its centre, not the site, belongs over the bowl.
    drop_xy = bowl[:2] + GRASP_SHIFT * np.array([np.cos(bowl_yaw), np.sin(bowl_yaw)])
    free = np.array(style.shift)

    def at(xy: FloatArray, height: float) -> FloatArray:
        return np.array([xy[0], xy[1], height])

    steps = [
        Waypoint(at(grasp_xy + free, HOVER_HEIGHT), yaw, OPEN, 0.8),
        Waypoint(at(grasp_xy, GRASP_HEIGHT), yaw, OPEN, 0.6),
        Waypoint(at(grasp_xy, GRASP_HEIGHT), yaw, CLOSED, 0.4),
        Waypoint(at(grasp_xy, GRASP_HEIGHT), yaw, CLOSED, 0.1),
        Waypoint(at(grasp_xy, LIFT_HEIGHT), yaw, CLOSED, 0.5),
        Waypoint(at(drop_xy + free, CARRY_HEIGHT), bowl_yaw, CLOSED, 0.8),
        Waypoint(at(drop_xy, DROP_HEIGHT), bowl_yaw, CLOSED, 0.35),
        Waypoint(at(drop_xy, DROP_HEIGHT), bowl_yaw, OPEN, 0.3),
        Waypoint(at(drop_xy, CARRY_HEIGHT), bowl_yaw, OPEN, 0.5),
    ]
    return [Waypoint(s.position, s.yaw, s.gripper, s.seconds * style.tempo) for s in steps]


class Planner:
    """Inverse kinematics for grip poses of one scene."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._configuration = mink.Configuration(scene.model)
        site = scene.spec.end_effector_site
        self._task = mink.FrameTask(site, "site", position_cost=1.0, orientation_cost=0.2, lm_damping=1e-4)
        self._limits = [mink.ConfigurationLimit(scene.model)]
        local = np.empty(9)
        mujoco.mju_quat2Mat(local, scene.model.site_quat[scene.site_id])
        self._site_in_gripper = local.reshape(3, 3)

    def solve(self, start: FloatArray, waypoint: Waypoint, iterations: int = 40) -> FloatArray:
        """Joint angles that put the open hand over a waypoint, pointing down.

        Args:
            start: Joint angles to start from. Shape (n,). [rad]
            waypoint: Where to.
            iterations: Steps of 50 ms each.

        Returns:
            Shape (n,). [rad]
        """
        scene, configuration = self.scene, self._configuration
        q = scene.model.qpos0.copy()
        q[scene.qpos_index] = start
        configuration.update(q)
        cos, sin = np.cos(waypoint.yaw), np.sin(waypoint.yaw)
        gripper_in_world = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        rotation = mink.SO3.from_matrix(gripper_in_world @ self._site_in_gripper)
        self._task.set_target(mink.SE3.from_rotation_and_translation(rotation, waypoint.position))
        for _ in range(iterations):
            velocity = mink.solve_ik(
                configuration, [self._task], 0.05, "daqp", damping=1e-4, limits=self._limits, safety_break=False
            )
            configuration.integrate_inplace(velocity, 0.05)
        angles = configuration.q[scene.qpos_index].copy()
        angles[-1] = waypoint.gripper
        return np.asarray(angles)

    def plan(self, world: MujocoWorld, style: Style) -> Float32Array:
        """The joint targets of a whole episode, one row per control step. Shape (T, n). [scene units]"""
        scene = self.scene
        block, yaw = block_pose(world)
        bowl = scene.model.body(scene.spec.task.target).pos
        here = scene.to_control(world.readings().state)
        rows: list[FloatArray] = []
        for waypoint in waypoints(block, yaw, bowl, style):
            there = self.solve(here, waypoint)
            count = max(round(waypoint.seconds * scene.spec.control_hz), 1)
            ramp = np.arange(1, count + 1)[:, None] / count
            rows.append(here + (there - here) * ramp**2 * (3 - 2 * ramp))
            here = there
        return scene.to_scene_units(np.concatenate(rows))


class Unsteady:
    """Ornstein-Uhlenbeck noise on joint targets: small, slow wandering, as of a hand."""

    def __init__(self, scene: Scene, deviation: float, rng: Generator) -> None:
        self._scene, self._deviation, self._rng = scene, deviation, rng
        self._offset: FloatArray = np.zeros(scene.n_action)

    def __call__(self, target: Float32Array) -> Float32Array:
        """What is executed instead of `target`. Shape (n,). [scene units]"""
        self._offset = NOISE_DECAY * self._offset + self._rng.normal(0.0, self._deviation, self._offset.shape)
        self._offset[-1] = 0.0  # the gripper's timing is what a grasp hangs on
        return self._scene.to_scene_units(self._scene.to_control(target) + self._offset)


def run(world: MujocoWorld, planner: Planner, seed: int, style: Style, rng: Generator) -> str:
    """Play one episode without looking at images. Returns its outcome."""
    world.reset(seed)
    unsteady = Unsteady(world.scene, style.noise, rng)
    for target in planner.plan(world, style):
        world.step(unsteady(target))
        if world.readings().outcome:
            break
    return world.readings().outcome


def main() -> None:
    """Play episodes and say how many succeeded."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steady", action="store_true", help="the plain expert: no noise, no variation")
    options = parser.parse_args()
    scene = Scene.load("so101")
    world, planner = MujocoWorld(scene), Planner(scene)
    outcomes = []
    for seed in range(options.seed, options.seed + options.episodes):
        rng = np.random.default_rng([seed, 1])
        style = Style() if options.steady else Style.drawn(rng)
        outcomes.append(run(world, planner, seed, style, rng))
    print({outcome or "undecided": outcomes.count(outcome) for outcome in sorted(set(outcomes))})


if __name__ == "__main__":
    main()
