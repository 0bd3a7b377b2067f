"""One lane's picture of the scene, what is known about its moment, and the mouse that aims the camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import dearpygui.dearpygui as dpg
import numpy as np

from panels.actions import Send
from panels.style import ACCENT, BAD, GOOD, PUSHED, TEXT, WARN, Metrics, Rgba, Tag
from panels.writing import to_rgba
from viewer_app.insight import lane_letter
from viewer_app.scene import Scene
from viewer_app.types import Float32Array, FloatArray
from viewer_app.view import Aim, Camera, Frame, LookAtLane, Seek

Pick = Callable[[float, float], FloatArray | None]
"""World point seen at a pixel of the picture shown last, None where there is only background. Shape (3,). [m]"""

ChunkAt = Callable[[float, float], int | None]
"""Control step of the chunk whose whisker lies under a pixel of the picture shown last."""

Pixel = tuple[float, float]
"""Of the picture shown last."""


@dataclass(frozen=True)
class Ghost:
    """Where what is held would land."""

    lines: tuple[tuple[Pixel, Pixel], ...]
    words: str
    at: Pixel
    """Where the words stand."""
    pushes: bool = False
    """Whether the line is the arrow of a push."""


class Hand(Protocol):
    """Takes hold of bodies in the picture. Pixels are those of the picture shown last."""

    def take(self, u: float, v: float, pushes: bool) -> None:
        """Take hold of what lies under a pixel, to move it or to push it."""
        ...

    def mark(self, u: float, v: float) -> None:
        """Mark what lies under a pixel."""
        ...

    def move(self, u: float, v: float, upright: bool, clicks: float) -> None:
        """Drag to a pixel, up and down if told to; clicks of the wheel turn what is held."""
        ...

    def let_go(self) -> None:
        """Do what the drag says."""
        ...

    def drop(self) -> None:
        """Let go and leave everything as it was."""
        ...

    def update(self, frame: Frame) -> None:
        """Send what is to be done. Called once a frame."""
        ...

    @property
    def ghost(self) -> Ghost | None: ...


_LEAST_LUMINANCE = 0.7
"""Of words in an overlay's colour, 1 being white."""
_STILL = 4.0
"""A click that moves the mouse farther than this is a drag. [px]"""

_UNSEEN = 3
"""For how many frames a new texture is not shown. With one it blinked in one picture of ten, with two never."""

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


@dataclass
class _Texture:
    """A raw texture of Dear PyGui's, which reads its pixels in every frame: they must stay as long as it does."""

    item: Tag
    pixels: Float32Array
    age: int = 0
    """In frames."""


class LanePane:
    """The picture of one lane, within the viewport."""

    def __init__(
        self,
        send: Send,
        scene: Scene,
        pick: Pick,
        chunk_at: ChunkAt,
        hand: Hand,
        lane: int,
        colour: tuple[float, float, float],
    ) -> None:
        """
        Args:
            send: Takes `Aim`, `Seek` and `LookAtLane`.
            scene: What is shown.
            pick: For double-click.
            chunk_at: For a click on a whisker.
            hand: For Ctrl-drags.
            lane: Its number.
            colour: Of the lane, RGB in [0, 1].
        """
        self._send = send
        self._pick = pick
        self._chunk_at = chunk_at
        self._lane = lane
        self._colour = to_rgba(colour)
        self._pressed: tuple[float, float] | None = None  # where the left button went down in the picture [px]
        self._fovy = float(np.deg2rad(scene.model.vis.global_.fovy))
        self._hand = hand
        self._handling: int | None = None  # the button that holds something
        self._ghost: Ghost | None = None
        self._centre = self._scene_centre = scene.spec.look_at
        self._extent = float(scene.model.stat.extent)  # [m]
        self._texture: _Texture | None = None
        self._coming: _Texture | None = None  # of another size, not shown yet
        self._size = (1, 1)
        self._picture_size = (0, 0)  # of the picture handed in last [px]
        self._drag: int | None = None
        self._mouse_was = (0.0, 0.0)
        self._metrics = Metrics(1.0)
        self._notes: tuple[tuple[str, tuple[float, float, float]], ...] = ()
        self._said: tuple[object, ...] = ()

    def build(self, parent: Tag, registry: Tag) -> None:
        """Make the widgets.

        Args:
            parent: The window of the viewport.
            registry: Where its texture goes.
        """
        self._registry = registry
        # A window of its own, since Dear PyGui does not place drawlists.
        self._window = dpg.add_child_window(
            parent=parent, border=False, no_scrollbar=True, no_scroll_with_mouse=True, width=100, height=100
        )
        with dpg.theme() as bare, dpg.theme_component(dpg.mvChildWindow):
            dpg.add_theme_style(dpg.mvStyleVar_WindowPadding, 0, 0)
        dpg.bind_item_theme(self._window, bare)
        self._drawlist = dpg.add_drawlist(100, 100, parent=self._window)
        self._layer = dpg.add_draw_layer(parent=self._drawlist)
        self._badges = dpg.add_draw_layer(parent=self._drawlist)
        self._ghosts = dpg.add_draw_layer(parent=self._drawlist)

    def place(self, x: int, y: int, width: int, height: int, metrics: Metrics) -> None:
        """Take a rectangle of the viewport's window."""
        self._metrics = metrics
        self._size = (width, height)
        dpg.configure_item(self._window, pos=(x, y), width=width, height=height)
        dpg.configure_item(self._drawlist, width=width, height=height)
        self._place_picture()
        self._said = ()

    def show(self, picture: ShownPicture) -> None:
        """Put a picture on the screen. It is stretched while its size is still that of an older layout."""
        self._centre = picture.centre
        self._notes = picture.notes
        size = (picture.width, picture.height)
        if size == self._picture_size:
            texture = self._coming or self._texture
            assert texture is not None
            dpg.set_value(texture.item, picture.pixels)
            texture.pixels = picture.pixels
            return
        if self._coming is not None:
            dpg.delete_item(self._coming.item)
        self._picture_size = size
        item = dpg.add_raw_texture(*size, picture.pixels, format=dpg.mvFormat_Float_rgba, parent=self._registry)
        self._coming = _Texture(item, picture.pixels)

    def _take_texture(self) -> None:
        """Show a new texture some frames after it was made: before, OpenGL has nothing of it, and the pane blinks."""
        if self._coming is None:
            return
        self._coming.age += 1
        if self._coming.age > _UNSEEN:
            old, self._texture, self._coming = self._texture, self._coming, None
            self._place_picture()
            if old is not None:
                dpg.delete_item(old.item)

    def _place_picture(self) -> None:
        dpg.delete_item(self._layer, children_only=True)
        if self._texture is not None:
            dpg.draw_image(self._texture.item, (0, 0), self._size, parent=self._layer)

    def update(self, frame: Frame, wheel: float) -> None:
        """Show what is known about the lane's moment, and follow the mouse.

        Args:
            frame: Of the lane.
            wheel: How far the mouse wheel was turned since the last frame.
        """
        self._take_texture()
        self._say(frame)
        self._mouse(frame, wheel)

    # Words over the picture.

    def _say(self, frame: Frame) -> None:
        lines = self._words(frame)
        watched = len(frame.view.lanes) > 1
        key = (tuple(lines), self._size, watched and frame.focus.lane)
        if key == self._said:
            return
        self._said = key
        dpg.delete_item(self._badges, children_only=True)
        px, size = self._metrics.px, self._metrics.px(13)
        if watched:
            self._frame_lane(frame.focus.lane == self._lane)
        y = px(8)
        room = self._size[0] - px(30)
        lines = [(part, colour, ground) for text, colour, ground in lines for part in _wrapped(text, size, room)]
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

    def _frame_lane(self, looked_at: bool) -> None:
        """An edge in the lane's colour, wide around the lane that the panels show."""
        width, height = self._size
        thick = self._metrics.px(3 if looked_at else 1)
        inset = thick / 2
        colour = self._colour if looked_at else (*self._colour[:3], 120)
        dpg.draw_rectangle(
            (inset, inset), (width - inset, height - inset), color=colour, thickness=thick, parent=self._badges
        )

    def _words(self, frame: Frame) -> list[tuple[str, Rgba, Rgba | None]]:
        dark: Rgba = (15, 18, 22, 190)
        policy = frame.trace.policy
        who = policy.name if policy is not None else "no policy"
        several = len(frame.view.lanes) > 1
        title = f"{lane_letter(self._lane)}   {who}" if several else who
        where = f"seed {frame.trace.seed}   step {frame.step}   {frame.trace.name}"
        lines: list[tuple[str, Rgba, Rgba | None]] = [(f"{title}   {where}", self._colour if several else TEXT, dark)]
        if not frame.at_head:
            writing = frame.trace is frame.lane.now.trace
            back = frame.reach - frame.clock
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
        asked = frame.lane.asking is not None and frame.call is not None
        if asked or (frame.lane.thinking_since is not None and frame.at_head):
            lines.append((thinking_words(frame), ACCENT, dark))
        lines.extend((text, to_rgba(legible(colour)), dark) for text, colour in self._notes)
        return lines

    # The mouse.

    def _mouse(self, frame: Frame, wheel: float) -> None:
        mouse = tuple(float(v) for v in dpg.get_mouse_pos(local=False))
        at = dpg.get_item_rect_min(self._drawlist)
        x, y = mouse[0] - at[0], mouse[1] - at[1]
        inside = 0 <= x < self._size[0] and 0 <= y < self._size[1] and bool(dpg.is_item_hovered(self._window))
        left, right = dpg.mvMouseButton_Left, dpg.mvMouseButton_Right
        if (
            inside
            and frame.focus.lane != self._lane
            and (dpg.is_mouse_button_clicked(left) or dpg.is_mouse_button_clicked(right))
        ):
            self._send(LookAtLane(self._lane))
        if inside and dpg.is_mouse_button_double_clicked(left):
            self._hand.mark(*self._pixel(x, y))
            self._centre_on(frame, x, y)
        control = dpg.is_key_down(dpg.mvKey_LControl) or dpg.is_key_down(dpg.mvKey_RControl)
        self._hand.update(frame)
        if self._handle(frame, inside and control, x, y, wheel):
            self._mouse_was = (mouse[0], mouse[1])
            return
        self._follow_click(inside and not control, x, y)
        for button in (left, right):
            if inside and self._drag is None and dpg.is_mouse_button_clicked(button):
                # The way to where it was pressed is none of the drag's.
                self._drag, self._mouse_was = button, (mouse[0], mouse[1])
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

    def _pixel(self, x: float, y: float) -> Pixel:
        """A place of the pane as a pixel of the picture."""
        width, height = self._picture_size
        return x * width / self._size[0], y * height / self._size[1]

    def _handle(self, frame: Frame, inside: bool, x: float, y: float, wheel: float) -> bool:
        """Hold, drag and let go of bodies. Returns whether the mouse is busy with that."""
        pixel = self._pixel(x, y)
        for button in (dpg.mvMouseButton_Left, dpg.mvMouseButton_Right):
            # Before the first picture there is nothing to take hold of.
            ready = self._handling is None and self._drag is None and self._picture_size[0] > 0
            if inside and ready and dpg.is_mouse_button_clicked(button):
                self._handling = button
                self._hand.take(*pixel, pushes=button == dpg.mvMouseButton_Right)
        if self._handling is None:
            return False
        shift = dpg.is_key_down(dpg.mvKey_LShift) or dpg.is_key_down(dpg.mvKey_RShift)
        self._hand.move(*pixel, upright=shift, clicks=wheel)
        if dpg.is_key_pressed(dpg.mvKey_Escape):
            self._hand.drop()
        elif not dpg.is_mouse_button_down(self._handling):
            self._hand.let_go()
        if not dpg.is_mouse_button_down(self._handling):
            self._handling = None
        self._show_ghost(frame)
        return True

    def _show_ghost(self, frame: Frame) -> None:
        ghost = self._hand.ghost
        if ghost == self._ghost:
            return
        self._ghost = ghost
        dpg.delete_item(self._ghosts, children_only=True)
        if ghost is None:
            return
        colour = PUSHED if ghost.pushes else ACCENT
        across, down = self._size[0] / self._picture_size[0], self._size[1] / self._picture_size[1]
        places = [[(u * across, v * down) for u, v in line] for line in ghost.lines]
        for begin, end in places:
            if ghost.pushes:
                dpg.draw_arrow(end, begin, color=colour, thickness=3, size=10, parent=self._ghosts)
            else:
                dpg.draw_line(begin, end, color=colour, thickness=2, parent=self._ghosts)
        writing = frame.trace is frame.lane.now.trace and frame.step == frame.length
        # Without a line it says why nothing will happen.
        words = ghost.words if writing or not ghost.lines else f"{ghost.words} (a branch from step {frame.step})"
        px, size = self._metrics.px, self._metrics.px(13)
        width = _text_width(words, size)
        x = min(max(ghost.at[0] * across + px(14), px(4)), self._size[0] - width - px(12))
        y = min(max(ghost.at[1] * down - px(30), px(4)), self._size[1] - size - px(12))
        dpg.draw_rectangle(
            (x - px(5), y - px(3)),
            (x + width + px(5), y + size + px(5)),
            fill=(15, 18, 22, 220),
            color=colour,
            rounding=px(3),
            parent=self._ghosts,
        )
        dpg.draw_text((x, y), words, size=size, color=TEXT, parent=self._ghosts)

    def _follow_click(self, inside: bool, x: float, y: float) -> None:
        """A click on a whisker goes to the step that predicted it; with a drag the camera turns instead."""
        left = dpg.mvMouseButton_Left
        if inside and dpg.is_mouse_button_clicked(left):
            self._pressed = (x, y)
        if self._pressed is None or dpg.is_mouse_button_down(left):
            return
        (from_x, from_y), self._pressed = self._pressed, None
        if max(abs(x - from_x), abs(y - from_y)) <= _STILL and self._texture is not None:
            step = self._chunk_at(*self._pixel(x, y))
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

    def _centre_on(self, frame: Frame, x: float, y: float) -> None:
        if self._texture is None:
            return
        point = self._pick(*self._pixel(x, y))
        # The sky is a box in the scene: a point on it is no place to look at.
        if point is not None and np.linalg.norm(point - np.array(self._scene_centre)) < 3 * self._extent:
            camera = self._free(frame.focus.camera)
            look_at = (float(point[0]), float(point[1]), float(point[2]))
            self._send(Aim(replace(camera, look_at=look_at, tracking=False, label="free")))


def thinking_words(frame: Frame) -> str:
    """What is said while a policy is asked: how far it is, where it tells."""
    if frame.call is None:
        return "asking the policy…"
    return f"asking the policy: denoising step {frame.call.done} of {frame.call.total}"


def legible(colour: tuple[float, float, float]) -> tuple[float, float, float]:
    """A colour as text on a dark ground: lightened towards white as far as it needs. RGB in [0, 1]."""
    red, green, blue = colour
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    share = max((_LEAST_LUMINANCE - luminance) / max(1.0 - luminance, 1e-6), 0.0)
    return red + share * (1 - red), green + share * (1 - green), blue + share * (1 - blue)


def _wrapped(text: str, size: int, room: float) -> list[str]:
    """The text in lines that fit, broken between words.

    Args:
        text: To be broken.
        size: At which it is drawn. [px]
        room: Width of a line. [px]
    """
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _text_width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _text_width(text: str, size: int) -> float:
    """Width of a text drawn at a size, from its width at the font's own. [px]"""
    measured = dpg.get_text_size(text)
    if measured is None or not measured[1]:
        return 0.56 * size * len(text)
    return float(measured[0] * size / measured[1])
