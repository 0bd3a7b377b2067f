"""Demonstrations and datasets for tests: in memory, and on the disk by LeRobot's own writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from viewer_app.demonstration import Demonstration
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, ImageArray

TASK = "Draw a wave."


@dataclass
class Remembered:
    """Pictures that are in memory. Implements `demonstration.RecordedPictures`."""

    frames: Sequence[Mapping[str, ImageArray]]
    asked: list[int] = field(default_factory=list)

    def at(self, frame: int) -> Mapping[str, ImageArray]:
        self.asked.append(frame)
        return self.frames[frame]


def wave_actions(scene: Scene, steps: int, phase: float = 0.0) -> Float32Array:
    """A smooth motion of all joints. Shape (steps, n). [scene units]"""
    at = np.arange(steps)[:, None] / 12 + phase
    return (20 * np.sin(at + np.arange(scene.n_action))).astype(np.float32)


def demonstration(
    scene: Scene, steps: int = 60, actions: Float32Array | None = None, pictures: bool = False
) -> Demonstration:
    """One in memory. The joints are measured one step behind the commands."""
    actions = wave_actions(scene, steps) if actions is None else actions
    rng = np.random.default_rng(3)
    cameras = {name: (size.height, size.width) for name, size in scene.spec.cameras.items()} if pictures else {}
    frames = [
        {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in cameras.items()} for _ in actions
    ]
    return Demonstration(
        scene=scene,
        dataset="waves",
        source="tests",
        episode=0,
        fps=scene.spec.control_hz,
        states=np.concatenate([actions[:1], actions[:-1]]),
        actions=actions,
        tasks=(TASK,) * len(actions),
        cameras=MappingProxyType(cameras),
        shown_as=MappingProxyType({name: name for name in cameras}),
        recorded=Remembered(frames),
        digest="waves",
    )


def write_waves(
    root: Path, scene: Scene, lengths: Sequence[int], lossless: bool = True, names: Sequence[str] | None = None
) -> Path:
    """A dataset of waves by LeRobot's own writer. Its pictures are smooth ones that differ from frame to frame.

    Args:
        root: Must not exist.
        scene: Says joints and cameras.
        lengths: Frames of each episode.
        lossless: Whether pictures are in the tables rather than in videos.
        names: Of the joints; None is LeRobot's way to name the scene's.
    """
    from lerobot.datasets import LeRobotDataset
    from lerobot.utils.utils import SuppressProgressBars

    names = [f"{name}.pos" for name in scene.joint_names] if names is None else list(names)
    joints = {"dtype": "float32", "shape": (len(names),), "names": names}
    features: dict[str, dict[str, object]] = {"observation.state": dict(joints), "action": dict(joints)}
    for name, size in scene.spec.cameras.items():
        features[f"observation.images.{name}"] = {
            "dtype": "image" if lossless else "video",
            "shape": (size.height, size.width, 3),
            "names": ["height", "width", "channels"],
        }
    dataset = LeRobotDataset.create(
        "local/waves", round(scene.spec.control_hz), features, root=root, robot_type="plotter", use_videos=not lossless
    )
    with SuppressProgressBars():
        for episode, length in enumerate(lengths):
            at = np.arange(length)[:, None] / 12 + episode
            actions = (20 * np.sin(at + np.arange(len(names)))).astype(np.float32)
            for k, action in enumerate(actions):
                frame: dict[str, object] = {
                    f"observation.images.{name}": shaded(size.height, size.width, 40 * episode + 3 * k + 20 * number)
                    for number, (name, size) in enumerate(scene.spec.cameras.items())
                }
                task = f"{TASK} Number {episode}."
                dataset.add_frame(frame | {"observation.state": action / 2, "action": action, "task": task})
            dataset.save_episode(parallel_encoding=False)
        dataset.finalize()
    return root


def shaded(height: int, width: int, level: int) -> ImageArray:
    """A picture that shades from left to right, of a brightness of its own."""
    shade = np.linspace(0, 60, width)[None, :, None] + np.array([level % 190, 90, 30])
    return np.broadcast_to(shade, (height, width, 3)).astype(np.uint8)
