"""How often the inverse kinematics of end-effector actions fails on the built-in arm, how far off it then is, and what
it costs.

python -m tests.bench.reach
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import mujoco
import numpy as np

from viewer_app.actuation import EndEffectorActuation, state_of
from viewer_app.scene import Scene
from viewer_app.scene_spec import ActionSpec, Rotation, StateSpec
from viewer_app.types import Float32Array

COUNT = 100
_BEYOND = 1.5
"""Poses out of reach are this many times as far from the base."""


def end_effector_scene(rotation: Rotation) -> Scene:
    """The built-in scene with absolute end-effector actions."""
    scene = Scene.load("so101")
    action = ActionSpec(kind="end_effector", rotation=rotation, direct=("gripper",))
    return Scene(replace(scene.spec, action=action, state=StateSpec("end_effector")), scene.path)


def reachable(scene: Scene, count: int = COUNT, seed: int = 0) -> Float32Array:
    """Actions that ask for where the arm is when its joints are drawn at random. Shape (count, n)."""
    data, rng = mujoco.MjData(scene.model), np.random.default_rng(seed)
    low, high = scene.joint_range.T
    rows = []
    for _ in range(count):
        data.qpos[scene.qpos_index] = rng.uniform(low, high)
        mujoco.mj_kinematics(scene.model, data)
        rows.append(state_of(scene, data))
    return np.array(rows)


def home(scene: Scene) -> mujoco.MjData:
    """The scene at its home pose, told to hold it."""
    data = mujoco.MjData(scene.model)
    mujoco.mj_resetDataKeyframe(scene.model, data, scene.model.key(scene.spec.home_keyframe).id)
    data.ctrl[scene.ctrl_index] = data.qpos[scene.qpos_index]
    return data


def main() -> None:
    """Print the table."""
    print(f"{COUNT} targets on so101, each from its home pose")
    for rotation in ("none", "quaternion"):
        scene = end_effector_scene(rotation)
        actuation, data = EndEffectorActuation(scene), home(scene)
        actions = reachable(scene)
        beyond = actions.copy()
        beyond[:, :3] *= _BEYOND
        actuation.reach(actions[0], data)  # mink is imported here
        for words, rows in (("within reach", actions), (f"{_BEYOND:g} times as far", beyond)):
            durations, found = [], []
            for action in rows:
                began = time.perf_counter()
                found.append(actuation.reach(action, data))
                durations.append(1000 * (time.perf_counter() - began))
            failed = [each for each in found if each.failed]
            worst = max((each.position_error for each in failed), default=0.0)
            turned = max((each.orientation_error for each in failed), default=0.0)
            print(
                f"  rotation {rotation}, {words}: {COUNT - len(failed)} met; failed ones off by at most {worst:.1f} mm "
                f"and {turned:.1f} deg; {statistics.median(durations):.2f} ms each (median)"
            )


if __name__ == "__main__":
    main()
