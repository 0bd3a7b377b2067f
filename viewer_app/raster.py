"""Overlay primitives onto a picture: projection in numpy, depth test, anti-aliased raster by OpenCV.

MuJoCo draws 10,000 capsules in seconds; this draws them in milliseconds, without shadows, reflections or a geom
budget, and in the same way for every output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from viewer_app.lettering import text_mask
from viewer_app.overlays import Legend, Marker, Polyline, Primitive
from viewer_app.types import Float32Array, FloatArray, ImageArray

_SHIFT = 4
"""Fractional bits of OpenCV's sub-pixel coordinates."""
_LEVELS = 24
"""Steps of opacity. Segments of one colour, width and step are drawn in one call."""
_BEHIND = 0.18
"""Share of its opacity that an occluded segment keeps, so that a path inside an object can still be followed."""
_BIAS = 0.004
"""How far behind a surface a point may lie and still count as in front. [m]"""


@dataclass(frozen=True)
class Lens:
    """A pinhole camera as OpenGL has it, read off MuJoCo's scene after it was drawn."""

    position: FloatArray
    """In the world frame. Shape (3,). [m]"""
    forward: FloatArray
    """Unit vector in the world frame. Shape (3,)."""
    up: FloatArray
    """Unit vector in the world frame. Shape (3,)."""
    top: float
    """Upper edge of the frustum at the near plane. [m]"""
    bottom: float
    """[m]"""
    center: float
    """Horizontal middle of the frustum at the near plane. [m]"""
    near: float
    """[m]"""
    far: float
    """[m]"""
    width: int
    """[px]"""
    height: int
    """[px]"""

    @property
    def _half_width(self) -> float:
        return 0.5 * (self.top - self.bottom) * self.width / self.height

    def camera_frame(self, points: FloatArray) -> FloatArray:
        """Points in the world frame to right, up, depth in the camera frame. Shape (P, 3). [m]"""
        right = np.cross(self.forward, self.up)
        return (points - self.position) @ np.stack([right, self.up, self.forward], axis=1)

    def to_pixels(self, in_camera: FloatArray) -> FloatArray:
        """Points in the camera frame, with depth > 0, to pixel coordinates, origin top left. Shape (P, 2). [px]"""
        x = in_camera[:, 0] / in_camera[:, 2] * self.near
        y = in_camera[:, 1] / in_camera[:, 2] * self.near
        u = (x - self.center + self._half_width) / (2 * self._half_width) * self.width
        v = (self.top - y) / (self.top - self.bottom) * self.height
        return np.stack([u, v], axis=1)

    def distance(self, depth: NDArray[np.float32]) -> FloatArray:
        """Depth-buffer values (MuJoCo's reversed z: 1 near, 0 far) to distance along the view axis. [m]"""
        return self.near * self.far / (self.near + depth.astype(np.float64) * (self.far - self.near))

    def point_at(self, u: float, v: float, distance: float) -> FloatArray:
        """The world point under a pixel at a distance along the view axis. Shape (3,). [m]"""
        x = self.center + (2 * u / self.width - 1) * self._half_width
        y = self.top - v / self.height * (self.top - self.bottom)
        right = np.cross(self.forward, self.up)
        ray = self.forward + (x * right + y * self.up) / self.near
        return np.asarray(self.position + distance * ray)


def draw(picture: ImageArray, depth: Float32Array | None, lens: Lens, primitives: Sequence[Primitive]) -> None:
    """Draw primitives onto a picture, in place, first to last.

    Args:
        picture: Shape (height, width, 3).
        depth: Depth buffer of the picture, shape (height, width), or None to draw without occlusion.
        lens: The camera of the picture.
        primitives: What to draw.
    """
    layer = np.zeros((*picture.shape[:2], 4), np.uint8)
    _draw_lines(layer, depth, lens, [each for each in primitives if isinstance(each, Polyline)])
    _draw_markers(layer, depth, lens, [each for each in primitives if isinstance(each, Marker)])
    _blend(picture, layer)
    _draw_legend(picture, [each for each in primitives if isinstance(each, Legend)])


def _draw_lines(layer: NDArray[np.uint8], depth: Float32Array | None, lens: Lens, lines: Sequence[Polyline]) -> None:
    lines = [line for line in lines if len(line.points) > 1]
    if not lines:
        return
    in_camera = lens.camera_frame(np.concatenate([line.points for line in lines]))
    last = np.cumsum([len(line.points) for line in lines]) - 1
    head = np.ones(len(in_camera) - 1, bool)
    head[last[:-1]] = False
    begin = in_camera[:-1][head]
    end = in_camera[1:][head]
    alpha = np.concatenate([line.alpha for line in lines])
    group = np.repeat(np.arange(len(lines)), [len(line.points) - 1 for line in lines])

    begin, end, keep = _clip_near(begin, end, lens.near)
    alpha, group = alpha[keep], group[keep]
    a, b = lens.to_pixels(begin), lens.to_pixels(end)
    seen = _visible(0.5 * (a + b), 0.5 * (begin[:, 2] + end[:, 2]), depth, lens)
    alpha = np.where(seen, alpha, _BEHIND * alpha)
    # Far outside the picture OpenCV's fixed-point coordinates overflow; nothing is to be seen there anyway.
    near_enough = (np.abs(np.concatenate([a, b], axis=1)) < 20_000).all(axis=1)
    level = np.ceil(alpha * _LEVELS).astype(int)
    wanted = near_enough & (level > 0)
    fixed = np.round(np.stack([a, b], axis=1) * (1 << _SHIFT)).astype(np.int32)  # (S, 2, 2)
    _stroke(layer, fixed[wanted], level[wanted], group[wanted], lines)


def _stroke(
    layer: NDArray[np.uint8],
    segments: NDArray[np.int32],
    level: NDArray[np.int64],
    group: NDArray[np.int64],
    lines: Sequence[Polyline],
) -> None:
    """Draw segments, runs of one style in one OpenCV call, keeping the order of the lines."""
    if not len(segments):
        return
    styles = list(dict.fromkeys((line.colour, line.width) for line in lines))
    style = np.array([styles.index((line.colour, line.width)) for line in lines])[group]
    # A faint run is drawn before a bright one of the same style, so that a bright path is never dimmed by a faint one.
    order = np.lexsort((level, style))
    cuts = np.flatnonzero(np.diff(style[order] * (_LEVELS + 1) + level[order])) + 1
    for run in np.split(order, cuts):
        colour, width = styles[int(style[run[0]])]
        # Neighbouring segments are joined, which spares OpenCV every second round cap.
        joints = np.flatnonzero((segments[run[:-1], 1] != segments[run[1:], 0]).any(axis=1)) + 1
        paths = [np.concatenate([segments[piece, 0], segments[piece[-1:], 1]]) for piece in np.split(run, joints)]
        cv2.polylines(
            layer,
            paths,
            isClosed=False,
            color=_premultiplied(colour, int(level[run[0]]) / _LEVELS),
            thickness=max(round(width), 1),
            lineType=cv2.LINE_AA,
            shift=_SHIFT,
        )


def _draw_markers(layer: NDArray[np.uint8], depth: Float32Array | None, lens: Lens, markers: Sequence[Marker]) -> None:
    if not markers:
        return
    in_camera = lens.camera_frame(np.stack([marker.point for marker in markers]))
    ahead = in_camera[:, 2] > lens.near
    in_camera[~ahead, 2] = lens.near
    pixels = lens.to_pixels(in_camera)
    seen = _visible(pixels, in_camera[:, 2], depth, lens)
    for marker, pixel, is_ahead, is_seen in zip(markers, pixels, ahead, seen, strict=True):
        if not is_ahead or np.abs(pixel).max() > 20_000:
            continue
        centre = tuple(int(x) for x in np.round(pixel * (1 << _SHIFT)))
        radius = round(marker.radius * (1 << _SHIFT))
        opacity = marker.alpha * (1.0 if is_seen else _BEHIND)
        cv2.circle(layer, centre, radius, _premultiplied(marker.colour, opacity), -1, cv2.LINE_AA, _SHIFT)


def _draw_legend(picture: ImageArray, legends: Sequence[Legend]) -> None:
    """Swatches and words in the lower left corner, on a darkened ground."""
    if not legends:
        return
    size = max(round(picture.shape[0] / 40), 10)
    masks = [text_mask(each.text, size) for each in legends]
    line, margin, swatch = masks[0].shape[0] + size // 3, size // 2, 2 * size
    top = max(picture.shape[0] - line * len(legends) - 2 * margin, 0)
    box = picture[top:, : max(mask.shape[1] for mask in masks) + swatch + 3 * margin]
    box[:] = (box * 0.4).astype(np.uint8)
    for row, (each, mask) in enumerate(zip(legends, masks, strict=True)):
        y = top + margin + row * line
        middle = y + mask.shape[0] // 2
        colour = tuple(round(255 * channel) for channel in each.colour)
        cv2.line(picture, (margin, middle), (margin + swatch - 4, middle), colour, max(size // 5, 2), cv2.LINE_AA)
        place = picture[y : y + mask.shape[0], swatch + 2 * margin :][: mask.shape[0], : mask.shape[1]]
        cover = mask[: place.shape[0], : place.shape[1], None].astype(np.uint16)
        place[:] = ((place * (255 - cover) + 235 * cover) // 255).astype(np.uint8)


def _clip_near(begin: FloatArray, end: FloatArray, near: float) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Cut segments at the near plane and drop those behind it. Points are in the camera frame."""
    keep = (begin[:, 2] > near) | (end[:, 2] > near)
    begin, end = begin[keep].copy(), end[keep].copy()
    for one, other in ((begin, end), (end, begin)):
        behind = one[:, 2] < near
        share = (near - one[behind, 2]) / (other[behind, 2] - one[behind, 2])
        one[behind] += share[:, None] * (other[behind] - one[behind])
    return begin, end, keep


def _visible(pixels: FloatArray, distance: FloatArray, depth: Float32Array | None, lens: Lens) -> NDArray[np.bool_]:
    """Whether nothing in the picture is nearer than points at these pixels. Shape (P,)."""
    if depth is None:
        return np.ones(len(pixels), bool)
    column = np.clip(np.nan_to_num(pixels[:, 0]), 0, lens.width - 1).astype(int)
    row = np.clip(np.nan_to_num(pixels[:, 1]), 0, lens.height - 1).astype(int)
    return distance <= lens.distance(depth[row, column]) + _BIAS


def _premultiplied(colour: tuple[float, float, float], alpha: float) -> tuple[float, float, float, float]:
    red, green, blue = (255 * alpha * channel for channel in colour)
    return (red, green, blue, 255 * alpha)


def _blend(picture: ImageArray, layer: NDArray[np.uint8]) -> None:
    """Lay a premultiplied RGBA layer over a picture, only where there is something on it."""
    covered = cv2.boundingRect(layer[:, :, 3])
    x, y, width, height = covered
    if not width or not height:
        return
    part = layer[y : y + height, x : x + width]
    under = picture[y : y + height, x : x + width]
    clear = cv2.bitwise_not(cv2.cvtColor(np.ascontiguousarray(part[:, :, 3]), cv2.COLOR_GRAY2RGB))
    kept = cv2.multiply(np.ascontiguousarray(under), clear, scale=1 / 255)
    picture[y : y + height, x : x + width] = cv2.add(kept, np.ascontiguousarray(part[:, :, :3]))
