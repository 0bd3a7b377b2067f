"""Records demonstrations of the scripted expert as a LeRobotDataset, through LeRobot's own dataset API.

Observations come from the same world and the same camera renderer that run policies, in scene units. The action
recorded at a step is the expert's clean joint target, also where a noisy one was executed: so the data show how to come
back.
Only successful episodes are kept. Seeds from 900 are for validation and from 1000 for evaluation: never record those.

    python -m policies.training.record --out DIR --episodes 150 --seed 0
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from policies.training.expert import Planner, Style, Unsteady
from viewer_app.render import PolicyCameras
from viewer_app.scene import Scene
from viewer_app.world import MujocoWorld

if TYPE_CHECKING:
    from lerobot.datasets import LeRobotDataset

FIRST_HELD_OUT_SEED = 900


def features_of(scene: Scene) -> dict[str, dict[str, object]]:
    """LeRobot's description of what a frame holds. Images are stored losslessly."""
    joints: dict[str, object] = {
        "dtype": "float32",
        "shape": (scene.n_action,),
        "names": [f"{name}.pos" for name in scene.joint_names],
    }
    features: dict[str, dict[str, object]] = {"observation.state": joints, "action": dict(joints)}
    for name, camera in scene.spec.cameras.items():
        features[f"observation.images.{name}"] = {
            "dtype": "image",
            "shape": (camera.height, camera.width, 3),
            "names": ["height", "width", "channels"],
        }
    return features


def record_episode(dataset: LeRobotDataset, world: MujocoWorld, planner: Planner, seed: int) -> bool:
    """Play the expert's episode of a seed and append it to the dataset if it succeeds. Returns whether it did."""
    rng = np.random.default_rng([seed, 1])
    style = Style.drawn(rng)
    unsteady = Unsteady(world.scene, style.noise, rng)
    world.reset(seed)
    for target in planner.plan(world, style):
        seen = world.observe(tuple(world.scene.spec.cameras))
        frame: dict[str, object] = {f"observation.images.{name}": image for name, image in seen.images.items()}
        frame |= {"observation.state": seen.state, "action": target, "task": world.scene.spec.prompt}
        dataset.add_frame(frame)
        world.step(unsteady(target))
        if world.readings().outcome:
            break
    if not world.readings().success:
        dataset.clear_episode_buffer()
        return False
    dataset.save_episode()
    return True


def main() -> None:
    """Record demonstrations."""
    from lerobot.datasets import LeRobotDataset
    from tqdm import tqdm

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    parser.add_argument("--episodes", type=int, default=150, help="successful episodes to keep")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first episode")
    options = parser.parse_args()

    scene = Scene.load("so101")
    world, planner = MujocoWorld(scene, PolicyCameras(scene)), Planner(scene)
    dataset = LeRobotDataset.create(
        repo_id="local/so101_pick_and_place",
        fps=round(scene.spec.control_hz),
        features=features_of(scene),
        root=options.out,
        robot_type="so101",
        use_videos=False,
    )
    kept, seed = 0, options.seed
    with tqdm(total=options.episodes, unit="episode") as bar:
        while kept < options.episodes:
            if seed >= FIRST_HELD_OUT_SEED and options.seed < FIRST_HELD_OUT_SEED:
                raise SystemExit(f"Seeds from {FIRST_HELD_OUT_SEED} are held out; record fewer episodes.")
            saved = record_episode(dataset, world, planner, seed)
            kept, seed = kept + saved, seed + 1
            bar.update(int(saved))
    dataset.finalize()
    world.close()
    print(f"Kept {kept} of {seed - options.seed} episodes, {dataset.num_frames} frames, in {options.out}.")


if __name__ == "__main__":
    main()
