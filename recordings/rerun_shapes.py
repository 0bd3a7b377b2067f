"""A scene's bodies as Rerun shows them: shapes, colours and cameras. Needs Rerun's SDK."""

from __future__ import annotations

import mujoco
import numpy as np
import rerun as rr

from viewer_app.scene import Scene
from viewer_app.types import FloatArray

_SHOWN_GROUPS = 3
"""MuJoCo's viewers, and Whiskers, show geoms of the groups 0, 1 and 2."""
_DEFAULT = np.array([0.5, 0.5, 0.5, 1.0])
"""A geom of this colour has that of its material, where it has one. [MuJoCo's own rule]"""
_WIDE = 5.0
"""Half width of what MuJoCo draws without an end. [m]"""
_HALF_TURN = np.array([0.0, 0.0, 0.0, 1.0])
"""By 180 degrees about the optical axis, as a quaternion, w first."""
_THIN = 5e-4
"""Half thickness of a plane. [m]"""


def name_in(model: mujoco.MjModel, kind: mujoco.mjtObj, number: int) -> str:
    """The name of a model's object, or its kind and number where it has none."""
    noun = str(kind).rsplit("mjOBJ_", 1)[-1].lower()
    return mujoco.mj_id2name(model, kind, number) or f"{noun} {number}"


def body_path(model: mujoco.MjModel, body: int) -> str:
    """Where a body is in the recording."""
    return str(rr.new_entity_path(["world", "bodies", name_in(model, mujoco.mjtObj.mjOBJ_BODY, body)]))


def camera_path(scene: Scene, name: str) -> str:
    """Where a camera's pictures are: on its body, or, of a camera that the model has not, beside the world."""
    if name not in scene.spec.cameras or scene.spec.cameras[name].free:
        return str(rr.new_entity_path(["seen", name]))
    body = body_path(scene.model, int(scene.model.camera(scene.model_camera(name)).bodyid[0]))
    return f"{body}/{rr.new_entity_path(['camera', name])}"


def log_shapes(recording: rr.RecordingStream, scene: Scene) -> None:
    """Log what hangs on the bodies: it moves with them and does not change."""
    model = scene.model
    for geom in range(model.ngeom):
        rgba = colour_of(model, geom)
        shape = _shape_of(model, geom, rgba)
        if model.geom_group[geom] >= _SHOWN_GROUPS or rgba[3] == 0 or shape is None:
            continue
        body = body_path(model, int(model.geom_bodyid[geom]))
        path = f"{body}/{rr.new_entity_path([name_in(model, mujoco.mjtObj.mjOBJ_GEOM, geom)])}"
        recording.log(path, _placed(model.geom_pos[geom], model.geom_quat[geom]), shape, static=True, strict=True)
    for name, size in scene.spec.cameras.items():
        if size.free:
            continue
        camera = model.camera(scene.model_camera(name)).id
        lens = rr.Pinhole(
            focal_length=size.height / 2 / float(np.tan(np.deg2rad(model.cam_fovy[camera]) / 2)),  # [px]
            width=size.width,
            height=size.height,
            camera_xyz=rr.ViewCoordinates.RUB,
            image_plane_distance=0.05,
        )
        turn = np.array(model.cam_quat[camera])
        if size.turned:
            mujoco.mju_mulQuat(turn, model.cam_quat[camera], _HALF_TURN)
        placed = _placed(model.cam_pos[camera], turn)
        recording.log(camera_path(scene, name), placed, lens, static=True, strict=True)


def colour_of(model: mujoco.MjModel, geom: int) -> FloatArray:
    """Red, green, blue, opacity in [0, 1]. Shape (4,)."""
    own, material = np.asarray(model.geom_rgba[geom], np.float64), int(model.geom_matid[geom])
    if material >= 0 and np.array_equal(own, _DEFAULT):
        return np.asarray(model.mat_rgba[material], np.float64)
    return own


def _placed(position: FloatArray, quaternion: FloatArray) -> rr.Transform3D:
    """
    Args:
        position: In the body's frame. Shape (3,). [m]
        quaternion: As MuJoCo has it, w first. Shape (4,).
    """
    return rr.Transform3D(translation=position, quaternion=rr.Quaternion(xyzw=np.roll(quaternion, -1)))


def _shape_of(model: mujoco.MjModel, geom: int, rgba: FloatArray) -> rr.AsComponents | None:
    """A geom's shape in its own frame. None for what Rerun has nothing for: height fields and signed distances."""
    kinds = mujoco.mjtGeom
    size = np.asarray(model.geom_size[geom], np.float64)
    colours = [np.round(255 * rgba).astype(np.uint8)]
    solid = rr.components.FillMode.Solid
    match int(model.geom_type[geom]):
        case kinds.mjGEOM_PLANE:
            wide = np.where(size[:2] > 0, size[:2], _WIDE)
            half = [(wide[0], wide[1], _THIN)]
            return rr.Boxes3D(half_sizes=half, centers=[(0, 0, -_THIN)], colors=colours, fill_mode=solid)
        case kinds.mjGEOM_SPHERE:
            return rr.Ellipsoids3D(half_sizes=[np.repeat(size[0], 3)], colors=colours, fill_mode=solid)
        case kinds.mjGEOM_ELLIPSOID:
            return rr.Ellipsoids3D(half_sizes=[size], colors=colours, fill_mode=solid)
        case kinds.mjGEOM_CAPSULE:
            # Rerun's begins at the origin, MuJoCo's is centred there.
            begin = [(0, 0, -size[1])]
            return rr.Capsules3D(
                lengths=[2 * size[1]], radii=[size[0]], translations=begin, colors=colours, fill_mode=solid
            )
        case kinds.mjGEOM_CYLINDER:
            return rr.Cylinders3D(lengths=[2 * size[1]], radii=[size[0]], colors=colours, fill_mode=solid)
        case kinds.mjGEOM_BOX:
            return rr.Boxes3D(half_sizes=[size], colors=colours, fill_mode=solid)
        case kinds.mjGEOM_MESH:
            mesh = int(model.geom_dataid[geom])
            vertices = slice(model.mesh_vertadr[mesh], model.mesh_vertadr[mesh] + model.mesh_vertnum[mesh])
            faces = slice(model.mesh_faceadr[mesh], model.mesh_faceadr[mesh] + model.mesh_facenum[mesh])
            return rr.Mesh3D(
                vertex_positions=model.mesh_vert[vertices],
                triangle_indices=model.mesh_face[faces],
                albedo_factor=colours[0],
            )
        case _:
            return None
