"""The viewport: the picture of the scene, what is known about the moment, and the mouse that aims the camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import PRESETS, Send, keys_of
from panels.style import ACCENT, BAD, GOOD, TEXT, WARN, Metrics, Rgba, Tag, hint
from panels.writing import to_rgba
from viewer_app.commands import MoveObject
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, FloatArray
from viewer_app.view import Aim, Camera, Frame, OverlayChoice, Seek, Show, camera_presets

Pick = Callable[[float, float], FloatArray | None]
"""World point seen at a pixel of the picture shown last, None where there is only background. Shape (3,). [m]"""

ChunkAt = Callable[[float, float], int | None]
"""Control step of the chunk whose whisker lies under a pixel of the picture shown last."""

_TOGGLES = (
    ("whisker", "whisker", "The chunk being executed, or the ensembled path: where its joints would put the gripper"),
    ("physics", "physics", "The same chunk rolled forward through the simulation from here: lag and contacts included"),
    ("ghosts", "past", "Chunks asked for earlier, fading with age. Click a whisker to go where it was predicted"),
    ("path", "path", "Where the end effector has been"),
    ("members", "members", "Every chunk that said something about this step, and how far apart they are"),
    ("ensemble", "ensemble", "The temporal ensemble and its members; a what-if where the policy does not ensemble"),
    ("samples", "samples", "What else the policy would have answered to the same observation, and how far apart"),
    ("inputs", "without an input", "What the policy would do without each camera, and without the joint readings"),
    ("denoising", "denoising", "How the chunk comes out of noise, step by step, of a policy that denoises"),
    ("ticks", "orientation", "How the gripper is turned along the whisker: red x, green y, blue z"),
    ("gripper", "gripper opening", "How far the gripper is open along the whisker"),
)
"""Field of `OverlayChoice`, its label and its tooltip."""
_IN_REACH = 4
"""How many of them stand in the toolbar of a narrow window; the others are behind its button."""
_LEAST_LUMINANCE = 0.7
"""Of words in an overlay's colour, 1 being white."""
_STILL = 4.0
"""A click that moves the mouse farther than this is a drag. [px]"""

_DEGREES_PER_HEIGHT = 180.0
"""A drag over the whole height turns the camera by this much, as in MuJoCo's viewer. [deg]"""


@dataclass(frozen=True)
class ShownPicture:
    """A picture ready for Dear PyGui."""

    pixels: Float32Array
    """RGBA in [0, 1], row by row. Shape (height * width * 4,)."""
    width: int
    """[px]"""
    height: int
    """[px]"""
    centre: tuple[float, float, float]
    """The point that the camera looked at, for picking a tracking camera up where it is. [m]"""
    notes: tuple[tuple[str, tuple[float, float, float]], ...] = ()
    """What the overlays have to say: a line, and the overlay's colour, RGB in [0, 1]."""


class ViewportPanel:
    """The largest panel."""

    def __init__(
        self,
        send: Send,
        scene: Scene,
        swatches: Mapping[str, tuple[float, float, float]],
        pick: Pick,
        chunk_at: ChunkAt,
    ) -> None:
        """
        Args:
            send: Takes `Aim` and `Show`.
            scene: Its presets and cameras are offered.
            swatches: Field of `OverlayChoice` to its colour, RGB in [0, 1].
            pick: For double-click.
            chunk_at: For a click on a whisker.
        """
        self._send = send
        self._swatches = {name: to_rgba(colour) for name, colour in swatches.items()}
        self._pick = pick
        self._chunk_at = chunk_at
        self._pressed: tuple[float, float] | None = None  # where the left button went down in the picture [px]
        self._fovy = float(np.deg2rad(scene.model.vis.global_.fovy))
        presets = camera_presets(scene.spec.look_at)
        # Only what a reset places can be placed by hand: its height at rest is known.
        heights = {spawn.body: spawn.position[2] for spawn in scene.spec.spawn}
        name = scene.spec.task.object
        self._object = (name, heights[name]) if name in heights else None
        self._choices: dict[str, Camera] = {
            f"{keys_of(action)}  {camera.label}": camera for action, camera in zip(PRESETS, presets, strict=True)
        }
        for name in scene_cameras(scene):
            self._choices[f"[ ]  {name}"] = Camera(scene.spec.look_at, scene_camera=name, label=name)
        self._centre = self._scene_centre = scene.spec.look_at
        self._extent = float(scene.model.stat.extent)  # [m]
        self._texture: Tag | None = None
        self._size = (1, 1)
        self._texture_size = (0, 0)
        self._kept: Float32Array | None = None
        self._drag: int | None = None
        self._mouse_was = (0.0, 0.0)
        self._wheel = 0.0
        self._toggles: dict[str, Tag] = {}
        self._overlays = OverlayChoice()
        self._metrics = Metrics(1.0)
        self._notes: tuple[tuple[str, tuple[float, float, float]], ...] = ()
        self._said: tuple[object, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture. [px]"""
        return self._size

    def build(self, parent: Tag) -> None:
        """Make the widgets."""
        self.window = dpg.add_child_window(parent=parent, no_scrollbar=True, no_scroll_with_mouse=True)
        with dpg.group(horizontal=True, parent=self.window):
            self._camera = dpg.add_combo(
                list(self._choices), width=130, callback=lambda _, name: self._send(Aim(self._choices[name]))
            )
            hint(
                "Left-drag: orbit, right-drag: pan, wheel: zoom, double-click: centre, Esc: free camera\n"
                "Ctrl+click: put the task's object there before the next step"
            )
            for entry in _TOGGLES[:_IN_REACH]:
                self._add_toggle(*entry)
            self._more = dpg.add_button(label="more")
            hint("More overlays, and the legend in pictures")
            with dpg.popup(self._more, mousebutton=dpg.mvMouseButton_Left) as self._menu:
                for entry in _TOGGLES[_IN_REACH:]:
                    with dpg.group(horizontal=True):
                        self._add_toggle(*entry)
        self._drawlist = dpg.add_drawlist(100, 100, parent=self.window)
        self._registry = dpg.add_texture_registry()
        self._layer = dpg.add_draw_layer(parent=self._drawlist)
        self._badges = dpg.add_draw_layer(parent=self._drawlist)

    def _add_toggle(self, name: str, title: str, text: str) -> None:
        dpg.add_text("■", color=self._swatches[name])
        hint(text)
        self._toggles[name] = dpg.add_checkbox(
            label=title,
            default_value=bool(getattr(self._overlays, name)),
            callback=lambda _s, on, field: self._toggle(field, on),
            user_data=name,
        )
        hint(text)

    def _toggle(self, field: str, on: bool) -> None:
        self._send(Show(self._overlays.having(field, on)))

    def wheel(self, clicks: float) -> None:
        """Tell how far the mouse wheel was turned since the last frame."""
        self._wheel += clicks

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the window."""
        px = metrics.px
        self._metrics = metrics
        dpg.configure_item(self.window, pos=(x, y), width=width, height=height)
        dpg.configure_item(self._camera, width=px(140))
        self._size = (max(width - 2 * px(8), 16), max(height - px(34) - px(8), 16))
        dpg.configure_item(self._drawlist, width=self._size[0], height=self._size[1])
        self._place_picture()
        self._said = ()

    def show(self, picture: ShownPicture) -> None:
        """Put a picture on the screen. It is stretched while its size is still that of an older layout."""
        self._centre = picture.centre
        self._notes = picture.notes
        self._kept = picture.pixels
        if self._texture is None or self._texture_size != (picture.width, picture.height):
            old = self._texture
            self._texture_size = (picture.width, picture.height)
            self._texture = dpg.add_raw_texture(
                picture.width, picture.height, picture.pixels, format=dpg.mvFormat_Float_rgba, parent=self._registry
            )
            self._place_picture()
            if old is not None:
                dpg.delete_item(old)
        else:
            dpg.set_value(self._texture, picture.pixels)

    def _place_picture(self) -> None:
        dpg.delete_item(self._layer, children_only=True)
        if self._texture is not None:
            dpg.draw_image(self._texture, (0, 0), self._size, parent=self._layer)

    def update(self, frame: Frame) -> None:
        """Show what is known about the frame's moment, and follow the mouse."""
        self._overlays = frame.focus.overlays
        for name, toggle in self._toggles.items():
            on = bool(getattr(frame.focus.overlays, name))
            if dpg.get_value(toggle) != on:
                dpg.set_value(toggle, on)
        label = next((text for text, camera in self._choices.items() if camera == frame.focus.camera), "free")
        if dpg.get_value(self._camera) != label:
            dpg.set_value(self._camera, label)
        self._say(frame)
        self._mouse(frame)

    # Words over the picture.

    def _say(self, frame: Frame) -> None:
        lines = self._words(frame)
        key = (tuple(lines), self._size)
        if key == self._said:
            return
        self._said = key
        dpg.delete_item(self._badges, children_only=True)
        px, size = self._metrics.px, self._metrics.px(13)
        y = px(8)
        for text, colour, ground in lines:
            width = _text_width(text, size)
            if ground is not None:
                dpg.draw_rectangle(
                    (px(8), y),
                    (px(8) + width + px(14), y + size + px(8)),
                    fill=ground,
                    color=ground,
                    rounding=px(3),
                    parent=self._badges,
                )
            dpg.draw_text((px(15), y + px(3)), text, size=size, color=colour, parent=self._badges)
            y += size + px(12)

    def _words(self, frame: Frame) -> list[tuple[str, Rgba, Rgba | None]]:
        dark: Rgba = (15, 18, 22, 190)
        policy = frame.trace.policy
        who = policy.name if policy is not None else "no policy"
        lines: list[tuple[str, Rgba, Rgba | None]] = [
            (f"{who}   seed {frame.trace.seed}   step {frame.step}   {frame.trace.name}", TEXT, dark)
        ]
        if not frame.at_head:
            writing = frame.trace is frame.lane.now.trace
            back = frame.length - frame.step
            text = (
                f"HISTORY   {back} step{'s' * (back != 1)} before the head" if writing else "HISTORY   an earlier trace"
            )
            lines.append((text, (25, 20, 8, 255), WARN))
        elif frame.view.paused_by:
            lines.append((f"PAUSED: {frame.view.paused_by}", (8, 16, 24, 255), ACCENT))
        outcome = frame.trace.outcome(frame.step)
        if outcome:
            lines.append((outcome.replace("_", " "), (8, 16, 10, 255), GOOD if outcome == "success" else BAD))
        blinded = frame.trace.settings_at(frame.step).blinding
        if blinded:
            words = ", ".join(f"{name} {setting.mode.value}" for name, setting in blinded.items())
            lines.append((f"blinded: {words}", BAD, dark))
        if frame.lane.thinking_since is not None and frame.at_head:
            lines.append(("asking the policy…", ACCENT, dark))
        lines.extend((text, to_rgba(legible(colour)), dark) for text, colour in self._notes)
        return lines

    # The mouse.

    def _mouse(self, frame: Frame) -> None:
        mouse = tuple(float(v) for v in dpg.get_mouse_pos(local=False))
        at = dpg.get_item_rect_min(self._drawlist)
        x, y = mouse[0] - at[0], mouse[1] - at[1]
        inside = 0 <= x < self._size[0] and 0 <= y < self._size[1] and bool(dpg.is_item_hovered(self.window))
        wheel, self._wheel = self._wheel, 0.0
        left, right = dpg.mvMouseButton_Left, dpg.mvMouseButton_Right
        if inside and dpg.is_mouse_button_double_clicked(left):
            self._centre_on(frame, x, y)
        control = dpg.is_key_down(dpg.mvKey_LControl) or dpg.is_key_down(dpg.mvKey_RControl)
        if inside and control and dpg.is_mouse_button_clicked(left):
            self._put_object(frame, x, y)
            return
        self._follow_click(inside and not control, x, y)
        for button in (left, right):
            if inside and self._drag is None and dpg.is_mouse_button_clicked(button):
                self._drag = button
        dx, dy = mouse[0] - self._mouse_was[0], mouse[1] - self._mouse_was[1]
        self._mouse_was = (mouse[0], mouse[1])
        if self._drag is not None:
            if not dpg.is_mouse_button_down(self._drag):
                self._drag = None
            elif dx or dy:
                move = self._orbited if self._drag == left else self._panned
                self._send(Aim(move(self._free(frame.focus.camera), dx, dy)))
        if inside and wheel:
            camera = self._free(frame.focus.camera)
            distance = min(max(camera.distance * float(np.exp(-0.12 * wheel)), 0.03), 20.0)
            self._send(Aim(replace(camera, distance=distance, label="free")))

    def _follow_click(self, inside: bool, x: float, y: float) -> None:
        """A click on a whisker goes to the step that predicted it; with a drag the camera turns instead."""
        left = dpg.mvMouseButton_Left
        if inside and dpg.is_mouse_button_clicked(left):
            self._pressed = (x, y)
        if self._pressed is None or dpg.is_mouse_button_down(left):
            return
        (from_x, from_y), self._pressed = self._pressed, None
        if max(abs(x - from_x), abs(y - from_y)) <= _STILL and self._texture is not None:
            width, height = self._texture_size
            step = self._chunk_at(x * width / self._size[0], y * height / self._size[1])
            if step is not None and step >= 0:
                self._send(Seek(step))

    def _free(self, camera: Camera) -> Camera:
        """A camera that can be moved: a camera of the scene is left for the free one."""
        return camera if camera.scene_camera is None else replace(camera, scene_camera=None, label="free")

    def _orbited(self, camera: Camera, dx: float, dy: float) -> Camera:
        turn = _DEGREES_PER_HEIGHT / self._size[1]
        elevation = min(max(camera.elevation - dy * turn, -89.0), 89.0)
        return replace(camera, azimuth=(camera.azimuth - dx * turn) % 360.0, elevation=elevation, label="free")

    def _panned(self, camera: Camera, dx: float, dy: float) -> Camera:
        """Move so that the point under the mouse, at the depth of the centre, stays under it."""
        azimuth, elevation = np.deg2rad((camera.azimuth, camera.elevation))
        right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
        up = np.array([-np.sin(elevation) * np.cos(azimuth), -np.sin(elevation) * np.sin(azimuth), np.cos(elevation)])
        metres = 2 * camera.distance * np.tan(self._fovy / 2) / self._size[1]  # one pixel at the centre's depth
        centre = np.array(self._centre if camera.tracking else camera.look_at)
        x, y, z = (float(v) for v in centre - right * dx * metres + up * dy * metres)
        return replace(camera, look_at=(x, y, z), tracking=False, label="free")

    def _put_object(self, frame: Frame, x: float, y: float) -> None:
        """Put the task's object under the mouse. Only at the head: the past stays as it was."""
        if self._object is None or self._texture is None or not frame.at_head:
            return
        width, height = self._texture_size
        point = self._pick(x * width / self._size[0], y * height / self._size[1])
        if point is not None:
            name, rest = self._object
            self._send(MoveObject(name, (float(point[0]), float(point[1]), rest), lane=frame.focus.lane))

    def _centre_on(self, frame: Frame, x: float, y: float) -> None:
        if self._texture is None:
            return
        width, height = self._texture_size
        point = self._pick(x * width / self._size[0], y * height / self._size[1])
        # The sky is a box in the scene: a point on it is no place to look at.
        if point is not None and np.linalg.norm(point - np.array(self._scene_centre)) < 3 * self._extent:
            camera = self._free(frame.focus.camera)
            look_at = (float(point[0]), float(point[1]), float(point[2]))
            self._send(Aim(replace(camera, look_at=look_at, tracking=False, label="free")))


def scene_cameras(scene: Scene) -> tuple[str, ...]:
    """The cameras of the model that the viewport can look through, in the model's order."""
    names = (str(scene.model.camera(index).name) for index in range(scene.model.ncam))
    return tuple(name for name in names if name)


def legible(colour: tuple[float, float, float]) -> tuple[float, float, float]:
    """A colour as text on a dark ground: lightened towards white as far as it needs. RGB in [0, 1]."""
    red, green, blue = colour
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    share = max((_LEAST_LUMINANCE - luminance) / max(1.0 - luminance, 1e-6), 0.0)
    return red + share * (1 - red), green + share * (1 - green), blue + share * (1 - blue)


def _text_width(text: str, size: int) -> float:
    """Width of a text drawn at a size, from its width at the font's own. [px]"""
    measured = dpg.get_text_size(text)
    if measured is None or not measured[1]:
        return 0.56 * size * len(text)
    return float(measured[0] * size / measured[1])
