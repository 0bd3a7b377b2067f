"""Snapshots to pixels: the policy's cameras, and the viewport with its overlays.

Each object here owns OpenGL objects of its own. It must be made, used and closed on one and the same thread.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType

import mujoco
import numpy as np
from OpenGL import GL

from viewer_app.overlays import Legend, Polyline, Primitive, Sight, build
from viewer_app.paths import Paths
from viewer_app.questions import Answers
from viewer_app.raster import Box, Lens, ReadDepth, draw, lines_near
from viewer_app.scene import Scene
from viewer_app.scene_spec import CameraSpec
from viewer_app.seen import seen_at
from viewer_app.snapshots import dress
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, FloatArray, ImageArray, WhiskersError
from viewer_app.view import TRACKING_SMOOTHING, Camera, OverlayChoice
from viewer_app.world import pose

_SOFTWARE = ("llvmpipe", "softpipe", "swiftshader", "software", "basic render")
SHOWN_GROUPS = np.array([1, 1, 1, 0, 0, 0], np.uint8)
"""The geom groups that MuJoCo draws by default."""
_TRACKING_STEPS = 100
"""How far back the tracking camera remembers: 0.85^100 is below 1e-7."""
_CLICK = 8.0
"""How near to a whisker a click must be. [px]"""


@dataclass(frozen=True)
class Shot:
    """One picture to make: a moment of a trace, from somewhere, with overlays."""

    trace: Trace
    length: int
    """Steps of the trace that may be read."""
    step: int
    """0 .. length."""
    camera: Camera
    overlays: OverlayChoice
    width: int
    """[px]"""
    height: int
    """[px]"""
    answers: Answers = Answers()  # noqa: RUF009 (frozen, so it can be shared)
    """What the policy answered about this and other moments."""


@dataclass(frozen=True)
class Picture:
    """A picture of a shot, and what is needed to find the world point under a pixel."""

    scene: Scene
    shot: Shot
    image: ImageArray
    lens: Lens
    legend: tuple[Legend, ...] = ()
    """What the overlays have to say, in the order of drawing."""
    whiskers: tuple[Polyline, ...] = ()
    """The chunks' paths that were drawn."""
    primitives: tuple[Primitive, ...] = ()
    """All that was drawn over the scene, and the legend."""

    def chunk_at(self, u: float, v: float) -> int | None:
        """The control step whose observation the whisker near a pixel answers, None where there is no whisker.

        Of whiskers that lie on one another it is the newest chunk's. It may be called on any thread.
        """
        near = lines_near(self.lens, self.whiskers, u, v, _CLICK)
        steps = [step for index in near if (step := self.whiskers[index].asked_at) is not None]
        return max(steps, default=None)

    def point_at(self, u: float, v: float) -> FloatArray | None:
        """The point of the scene seen at a pixel, None where there is only sky. Shape (3,). [m]

        A ray is cast into the geometry of the shot's moment, so it may be called on any thread.
        """
        data = mujoco.MjData(self.scene.model)
        pose(self.scene, data, self.shot.trace.snapshot(self.shot.step))
        ray = self.lens.ray(u, v)
        geom = np.zeros(1, np.int32)
        distance = mujoco.mj_ray(self.scene.model, data, self.lens.position, ray, SHOWN_GROUPS, True, -1, geom)
        return None if geom[0] < 0 else np.asarray(self.lens.position + distance * ray)


class Offscreen:
    """An OpenGL context with MuJoCo's classic renderer in it."""

    def __init__(self, scene: Scene, width: int, height: int, full_look: bool) -> None:
        """
        Args:
            scene: What is drawn.
            width: Largest width. [px]
            height: Largest height. [px]
            full_look: Whether a GPU may draw finer shadows and anti-alias. Policy cameras must not: a policy is to see
                what it saw in training.
        """
        self.context = mujoco.GLContext(width, height)
        self.context.make_current()
        # Quality fields are read when the render context is made. A copy keeps the other threads' model as it is.
        self.model = copy.copy(scene.model)
        self.model.vis.global_.offwidth = width
        self.model.vis.global_.offheight = height
        if full_look and not self._is_software():
            self.model.vis.quality.shadowsize = 4096
            self.model.vis.quality.offsamples = 8
        self.data = mujoco.MjData(self.model)
        most = int(GL.glGetIntegerv(GL.GL_MAX_RENDERBUFFER_SIZE))
        if max(width, height) > most:
            self.context.free()
            raise WhiskersError(
                f"Scene {scene.name}: this machine cannot draw pictures of {width}x{height} pixels (its OpenGL takes "
                f"{most}x{most} at most); make the cameras smaller."
            )
        self.render = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self.render)
        # MuJoCo restores the buffer that was current when its own context was made; depth is then reversed z.
        self.render.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self.scene = mujoco.MjvScene(self.model, 2000)
        self.option = mujoco.MjvOption()
        self.perturb = mujoco.MjvPerturb()
        self.size = (width, height)
        self._drawn = mujoco.MjrRect(0, 0, 0, 0)
        self._shadow_map = int(self.render.shadowFBO)
        self._nowhere = self._pixel = 0

    @staticmethod
    def _is_software() -> bool:
        name = bytes(GL.glGetString(GL.GL_RENDERER) or b"").decode(errors="replace").lower()
        return any(word in name for word in _SOFTWARE)

    def resize(self, width: int, height: int) -> None:
        """Make room for pictures of this size."""
        if width > self.size[0] or height > self.size[1]:
            self.size = (max(width, self.size[0]), max(height, self.size[1]))
            # The policy's cameras may have drawn last, in a context of their own.
            self.context.make_current()
            mujoco.mjr_resizeOffscreen(*self.size, self.render)

    def draw(self, camera: mujoco.MjvCamera, width: int, height: int) -> ImageArray:
        """The picture of `self.data` from a camera, top row first. Shape (height, width, 3)."""
        self.begin(camera, width, height)
        return self.read_image()

    def begin(self, camera: mujoco.MjvCamera, width: int, height: int, same_moment: bool = False) -> None:
        """Set OpenGL to work on the picture of `self.data` from a camera, and return while it works.

        Args:
            camera: From where.
            width, height: [px]
            same_moment: Whether `data` is as it was for the last picture. Its shadows are then not cast again, which
                is a large part of the work; the picture is the same to the bit.
        """
        self.context.make_current()
        mujoco.mjv_updateScene(
            self.model,
            self.data,
            self.option,
            self.perturb,
            camera,
            mujoco.mjtCatBit.mjCAT_ALL.value,
            self.scene,
        )
        self._drawn = mujoco.MjrRect(0, 0, width, height)
        self.render.shadowFBO = self._shadow_target(same_moment)
        mujoco.mjr_render(self._drawn, self.scene, self.render)
        GL.glFlush()

    def _shadow_target(self, same_moment: bool) -> int:
        """The framebuffer that MuJoCo casts shadows into: its own, or one of a single pixel that nobody reads.

        Shadows depend on the lights, not on the camera, and stay in MuJoCo's texture. It has a single one: with
        several lights that cast shadows it holds only the last one's, so then all are cast again.
        """
        lights = self.scene.lights[: self.scene.nlight]
        if not same_moment or not self._shadow_map or sum(bool(light.castshadow) for light in lights) != 1:
            return self._shadow_map
        if not self._nowhere:
            self._nowhere = int(GL.glGenFramebuffers(1))
            self._pixel = int(GL.glGenRenderbuffers(1))
            GL.glBindRenderbuffer(GL.GL_RENDERBUFFER, self._pixel)
            GL.glRenderbufferStorage(GL.GL_RENDERBUFFER, GL.GL_DEPTH_COMPONENT24, 1, 1)
            GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._nowhere)
            GL.glFramebufferRenderbuffer(GL.GL_FRAMEBUFFER, GL.GL_DEPTH_ATTACHMENT, GL.GL_RENDERBUFFER, self._pixel)
            GL.glDrawBuffer(GL.GL_NONE)
            GL.glReadBuffer(GL.GL_NONE)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self.render)
        return self._nowhere

    def read_image(self) -> ImageArray:
        """The picture begun last, once it is done, top row first. Shape (height, width, 3)."""
        image = np.empty((self._drawn.height, self._drawn.width, 3), np.uint8)
        mujoco.mjr_readPixels(image, None, self._drawn, self.render)
        # OpenGL's first row is the bottom one.
        return np.ascontiguousarray(image[::-1])

    def read_depth(self, box: Box) -> Float32Array:
        """Part of the depth buffer of the picture drawn last, reversed z, top row first. Shape (height, width)."""
        depth = np.empty((box.height, box.width), np.float32)
        bottom = self._drawn.height - box.top - box.height
        mujoco.mjr_readPixels(None, depth, mujoco.MjrRect(box.left, bottom, box.width, box.height), self.render)
        return depth[::-1]

    def read_eye(self, eye: CameraSpec | None) -> ImageArray:
        """The picture begun last as it is seen through a camera of a scene, None for plain colour.

        Returns:
            Top row first. Shape (height, width, 3).
        """
        if eye is None or not eye.is_depth:
            image = self.read_image()
        else:
            width, height = self._drawn.width, self._drawn.height
            distance = self.lens(width, height).distance(self.read_depth(Box(0, 0, width, height)))
            image = depth_picture(distance, *eye.depth)
        return image if eye is None or not eye.turned else np.ascontiguousarray(image[::-1, ::-1])

    def lens(self, width: int, height: int) -> Lens:
        """The camera of the last picture: the middle between MuJoCo's two eyes."""
        eyes = self.scene.camera
        return Lens(
            position=0.5 * (np.asarray(eyes[0].pos, np.float64) + np.asarray(eyes[1].pos, np.float64)),
            forward=np.asarray(eyes[0].forward, np.float64),
            up=np.asarray(eyes[0].up, np.float64),
            top=float(eyes[0].frustum_top),
            bottom=float(eyes[0].frustum_bottom),
            center=0.5 * float(eyes[0].frustum_center + eyes[1].frustum_center),
            near=float(eyes[0].frustum_near),
            far=float(eyes[0].frustum_far),
            width=width,
            height=height,
        )

    def close(self) -> None:
        """Free the OpenGL objects."""
        self.context.make_current()
        if self._nowhere:
            GL.glDeleteFramebuffers(1, [self._nowhere])
            GL.glDeleteRenderbuffers(1, [self._pixel])
        self.render.shadowFBO = self._shadow_map
        self.render.free()
        self.context.free()


class PolicyCameras:
    """Renders the scene's cameras as policies see them. Implements `world.Pictures`."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        sizes = scene.spec.cameras.values()
        width = max((size.width for size in sizes), default=64)
        height = max((size.height for size in sizes), default=64)
        self._offscreen = Offscreen(scene, width, height, full_look=False)

    def pictures(self, snapshot: FloatArray, cameras: Sequence[str]) -> Mapping[str, ImageArray]:
        """Camera name to picture, shape (height, width, 3), for the world of `snapshot`."""
        dress(self._scene, self._offscreen.model, self._offscreen.data, snapshot)
        found = {}
        for name in cameras:
            eye = self._scene.spec.cameras[name]
            self._offscreen.begin(_camera_of(self._scene, name), eye.width, eye.height)
            image = self._offscreen.read_eye(eye)
            image.setflags(write=False)
            found[name] = image
        return MappingProxyType(found)

    def close(self) -> None:
        """Free the OpenGL objects."""
        self._offscreen.close()


class PictureCache:
    """Pictures by (trace, step), within a budget of bytes; the ones looked at longest ago go first.

    One per thread. Losing an entry loses nothing: pictures can be rendered again, to the bit.
    """

    def __init__(self, budget: int = 256 << 20) -> None:
        """
        Args:
            budget: The most that pictures may take. [bytes]
        """
        self.budget = budget
        self.nbytes = 0
        self._entries: OrderedDict[tuple[Hashable, int], Mapping[str, ImageArray]] = OrderedDict()

    def get(self, trace: Hashable, step: int) -> Mapping[str, ImageArray] | None:
        found = self._entries.get((trace, step))
        if found is not None:
            self._entries.move_to_end((trace, step))
        return found

    def put(self, trace: Hashable, step: int, pictures: Mapping[str, ImageArray]) -> None:
        self.drop(trace, step)
        self._entries[trace, step] = pictures
        self.nbytes += sum(image.nbytes for image in pictures.values())
        while self.nbytes > self.budget and self._entries:
            _, oldest = self._entries.popitem(last=False)
            self.nbytes -= sum(image.nbytes for image in oldest.values())

    def drop(self, trace: Hashable, step: int) -> None:
        """Forget one entry, because its moment was changed."""
        old = self._entries.pop((trace, step), None)
        if old is not None:
            self.nbytes -= sum(image.nbytes for image in old.values())


class Viewport:
    """Renders shots: the scene as a person looks at it, with overlays."""

    def __init__(self, scene: Scene, picture_budget: int = 256 << 20, patience: float | None = None) -> None:
        """
        Args:
            scene: What is drawn.
            picture_budget: The most that the remembered pictures of the policy's cameras may take. [bytes]
            patience: How long environments may be simulated for one picture, see `Paths`. [s]
        """
        self._scene = scene
        self._offscreen = Offscreen(scene, 1280, 720, full_look=True)
        self.paths = Paths(scene, patience)
        """What the overlays of the last picture were computed with."""
        self._cameras: PolicyCameras | None = None
        self._cache = PictureCache(picture_budget)

    def __enter__(self) -> Viewport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def draw(self, shot: Shot, before: Picture | None = None) -> Picture:
        """The picture of a shot, overlays included.

        Args:
            shot: What to draw.
            before: The last picture that was drawn, where it was of the same moment with the same overlays: what is
                the same from everywhere is taken from it.
        """
        offscreen = self._offscreen
        offscreen.resize(shot.width, shot.height)
        if before is None:
            dress(self._scene, offscreen.model, offscreen.data, shot.trace.snapshot(shot.step))
        camera = self._camera(shot)
        offscreen.begin(camera, shot.width, shot.height, same_moment=before is not None)
        # The overlays' geometry is computed while OpenGL draws.
        self.paths.begin()
        sight = Sight(self.paths, shot.trace, shot.step, shot.overlays, shot.answers)
        primitives = tuple(build(sight)) if before is None else before.primitives
        eye = self._scene.spec.cameras.get(shot.camera.scene_camera or "")
        image = offscreen.read_eye(eye)
        lens = offscreen.lens(shot.width, shot.height)
        read_depth: ReadDepth = offscreen.read_depth
        if eye is not None and eye.turned:
            lens, read_depth = lens.turned(), _turned(read_depth, shot.width, shot.height)
        legend = tuple(each for each in primitives if isinstance(each, Legend))
        drawn = primitives if shot.overlays.legend else [each for each in primitives if not isinstance(each, Legend)]
        draw(image, read_depth, lens, drawn)
        whiskers = tuple(each for each in primitives if isinstance(each, Polyline) and each.asked_at is not None)
        return Picture(self._scene, shot, image, lens, legend, whiskers, primitives)

    def seen(self, trace: Trace, step: int) -> Mapping[str, ImageArray]:
        """What the policy saw, or would see, at a step, after blinding; without a policy, what the cameras show.

        The head can still be changed, by blinding or by moving an object, so only settled moments are remembered.
        """
        settled = step < len(trace)
        found = self._cache.get(trace, step) if settled else None
        if found is None:
            if trace.policy is None:
                found = self.views(trace, step)
            else:
                found = seen_at(trace, step, trace.policy, self._policy_cameras.pictures).images
            if settled:
                self._cache.put(trace, step, found)
        return found

    def views(self, trace: Trace, step: int) -> Mapping[str, ImageArray]:
        """What all cameras of the scene show at a step, whatever the policy is shown."""
        return self._policy_cameras.pictures(trace.snapshot(step), tuple(self._scene.spec.cameras))

    @property
    def _policy_cameras(self) -> PolicyCameras:
        if self._cameras is None:
            self._cameras = PolicyCameras(self._scene)
        return self._cameras

    def close(self) -> None:
        """Free the OpenGL objects."""
        if self._cameras is not None:
            self._cameras.close()
        self._offscreen.close()
        self.paths.close()

    def _camera(self, shot: Shot) -> mujoco.MjvCamera:
        if shot.camera.scene_camera is not None:
            return _camera_of(self._scene, shot.camera.scene_camera)
        camera = mujoco.MjvCamera()
        camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        camera.lookat[:] = smoothed_tip(shot.trace, shot.step) if shot.camera.tracking else shot.camera.look_at
        camera.azimuth = shot.camera.azimuth
        camera.elevation = shot.camera.elevation
        camera.distance = shot.camera.distance
        return camera


def smoothed_tip(trace: Trace, step: int) -> FloatArray:
    """The end effector's position, smoothed exponentially over the steps up to `step`. Shape (3,). [m]

    A function of the trace, so that a tracked view is the same however one came to the step.
    """
    tips = np.asarray(trace.column("tip"), np.float64)[max(step - _TRACKING_STEPS, 0) : step + 1]
    weights = (1 - TRACKING_SMOOTHING) ** np.arange(len(tips))[::-1]
    weights[1:] *= TRACKING_SMOOTHING
    return np.asarray(weights @ tips / weights.sum())


def depth_picture(distance: FloatArray, nearest: float, farthest: float) -> ImageArray:
    """Distances as grey: 0 at the nearest and nearer, 255 at the farthest and beyond, rounded, halves to even.

    Args:
        distance: Along the optical axis. Shape (height, width). [m]
        nearest, farthest: [m]

    Returns:
        Three equal channels. Shape (height, width, 3).
    """
    share = np.clip((distance - nearest) / (farthest - nearest), 0.0, 1.0)
    grey = np.rint(255 * share).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _turned(read: ReadDepth, width: int, height: int) -> ReadDepth:
    """Reads the depth of a picture of this size turned by 180 degrees. [px]"""

    def read_turned(box: Box) -> Float32Array:
        opposite = Box(width - box.left - box.width, height - box.top - box.height, box.width, box.height)
        return read(opposite)[::-1, ::-1]

    return read_turned


def _camera_of(scene: Scene, name: str) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    eye = scene.spec.cameras.get(name)
    if eye is not None and eye.free:
        camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        camera.lookat[:] = eye.free[:3]
        camera.distance, camera.azimuth, camera.elevation = eye.free[3:]
        return camera
    camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
    camera.fixedcamid = scene.model.camera(scene.model_camera(name)).id
    return camera
