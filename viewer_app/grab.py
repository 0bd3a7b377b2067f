"""What a hand takes hold of at a pixel of a picture, and where a drag takes it. Knows no mouse and no window."""

from __future__ import annotations

from dataclasses import dataclass, replace

import mujoco
import numpy as np

from viewer_app.bodies import EDGES, Bodies, BodyBox, copy_of
from viewer_app.movable import body_name, movable_above, pushable_bodies
from viewer_app.placing import objects_of
from viewer_app.raster import Lens
from viewer_app.render import SHOWN_GROUPS, Picture
from viewer_app.snapshots import dress
from viewer_app.types import FloatArray, Pose

NEWTONS_PER_METRE = 20.0
"""How hard a push is that is dragged so far."""
_FARTHEST = 3.0
"""How far a drag may take something, in extents of the scene: a ray along the ground goes on for ever."""

Line = tuple[tuple[float, float], tuple[float, float]]
"""From one pixel of a picture to another."""


@dataclass(frozen=True)
class Grab:
    """A point of a body, seen in a picture."""

    body: str
    """What lies there: the body that is pushed and marked."""
    movable: str
    """The body that a move moves: this one, or the one that carries it. Empty where it cannot be put anywhere."""
    pushable: bool
    point: FloatArray
    """In the world frame. Shape (3,). [m]"""
    box: BodyBox
    """Around what moves, or around the body where nothing does."""
    lens: Lens
    """Of the picture."""
    reach: float
    """How far a drag may take it. [m]"""

    def dragged(self, u: float, v: float, upright: bool) -> FloatArray:
        """From the point to what a pixel points at, in the horizontal plane of the point, or up and down.

        Args:
            u, v: Of the same picture. [px]
            upright: Whether to move it up and down instead.

        Returns:
            In the world frame, no longer than `reach`; 0 where the pixel points away from the plane. Shape (3,). [m]
        """
        ray = self.lens.ray(u, v)
        normal = np.array([0.0, 0.0, 1.0])
        if upright:
            ahead = np.array([self.lens.forward[0], self.lens.forward[1], 0.0])
            # From right above, up is where the picture's upper edge is.
            level = float(np.linalg.norm(ahead))
            normal = ahead / level if level > 0.1 else np.asarray(self.lens.forward)
        slope = float(ray @ normal)
        if abs(slope) < 1e-9:
            return np.zeros(3)
        far = float((self.point - self.lens.position) @ normal) / slope
        way = self.lens.position + far * ray - self.point
        if upright:
            up = np.array([0.0, 0.0, 1.0])
            way = up * float(way @ (up if abs(normal[2]) < 0.5 else self.lens.up))
        length = float(np.linalg.norm(way))
        if far <= 0 or not np.isfinite(length):
            return np.zeros(3)
        return np.asarray(way * min(1.0, self.reach / max(length, 1e-12)))

    def moved(self, way: FloatArray, turned: float) -> BodyBox:
        """The box where a drag takes it.

        Args:
            way: Shape (3,). [m]
            turned: About the vertical. [rad]
        """
        turn, found = np.array([np.cos(turned / 2), 0.0, 0.0, np.sin(turned / 2)]), np.empty(4)
        if not turned:  # To the bit as it was.
            return replace(self.box, position=self.box.position + way)
        mujoco.mju_mulQuat(found, turn, self.box.quaternion)
        return replace(self.box, position=self.box.position + way, quaternion=found)

    def outline(self, box: BodyBox) -> list[Line]:
        """The edges of a box in the picture, as far as they are before the camera."""
        corners = box.corners
        return [line for one, other in EDGES if (line := self.line(corners[one], corners[other])) is not None]

    def line(self, begin: FloatArray, end: FloatArray) -> Line | None:
        """A line of the world frame in the picture; None where it is behind the camera."""
        ends = self.lens.camera_frame(np.stack([begin, end]))
        if (ends[:, 2] < self.lens.near).any():
            return None
        (u, v), (to_u, to_v) = self.lens.to_pixels(ends)
        return (float(u), float(v)), (float(to_u), float(to_v))


def grab(picture: Picture, u: float, v: float) -> Grab | None:
    """What lies under a pixel, None where that is the ground, the sky or what else does not move.

    A ray is cast into the geometry of the picture's moment. It may be called on any thread.
    """
    scene, lens = picture.scene, picture.lens
    model, snapshot = copy_of(scene), picture.shot.trace.snapshot(picture.shot.step)
    data = mujoco.MjData(model)
    dress(scene, model, data, snapshot)
    ray, geom = lens.ray(u, v), np.zeros(1, np.int32)
    distance = mujoco.mj_ray(model, data, lens.position, ray, SHOWN_GROUPS, True, -1, geom)
    body = int(model.geom_bodyid[geom[0]]) if geom[0] >= 0 else 0
    name = body_name(model, body)
    carrier = movable_above(model, body)
    movable = body_name(model, carrier) if carrier is not None else ""
    if movable not in objects_of(scene):
        movable = ""
    pushable = name in pushable_bodies(model)
    if not body or not (movable or pushable):
        return None
    box = Bodies(scene).box(snapshot, movable or name)
    assert box is not None
    reach = _FARTHEST * float(model.stat.extent)
    return Grab(name, movable, pushable, np.asarray(lens.position + distance * ray), box, lens, reach)


def pose_of(box: BodyBox) -> Pose:
    """Where the body of a box is."""
    x, y, z = (float(each) for each in box.position)
    w, i, j, k = (float(each) for each in box.quaternion)
    return Pose((x, y, z), (w, i, j, k))
