"""Overlay primitives onto a picture: projection in numpy, depth test, anti-aliased raster by OpenCV.

MuJoCo draws 10,000 capsules in seconds; this draws them in milliseconds, without shadows, reflections or a geom
budget, and in the same way for every output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from viewer_app.lettering import text_mask
from viewer_app.overlays import Legend, Marker, Polyline, Primitive
from viewer_app.types import Float32Array, FloatArray, ImageArray

_SHIFT = 4
"""Fractional bits of OpenCV's sub-pixel coordinates."""
_FINEST = 2.0
"""Points of a path nearer to each other than this are drawn as one; the path moves by less than half of it. [px]"""
_LEVELS = 24
"""Steps of opacity. Segments of one colour, width and step are drawn in one call."""
_BEHIND = 0.18
"""Share of its opacity that an occluded segment keeps, so that a path inside an object can still be followed."""
_BRIM = 8
"""Wider than any line or marker reaches beyond its points. [px]"""
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

    def turned(self) -> Lens:
        """The camera of the same picture turned by 180 degrees."""
        return replace(self, up=-self.up, top=-self.bottom, bottom=-self.top, center=-self.center)

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

    def ray(self, u: float, v: float) -> FloatArray:
        """Direction of what is seen at a pixel, one metre along the view axis, in the world frame. Shape (3,). [m]"""
        x = self.center + (2 * u / self.width - 1) * self._half_width
        y = self.top - v / self.height * (self.top - self.bottom)
        right = np.cross(self.forward, self.up)
        return np.asarray(self.forward + (x * right + y * self.up) / self.near)


@dataclass(frozen=True)
class Box:
    """Part of a picture, origin top left. [px]"""

    left: int
    top: int
    width: int
    height: int


ReadDepth = Callable[[Box], Float32Array]
"""A part of the picture's depth buffer (MuJoCo's reversed z), top row first. Shape (box.height, box.width)."""


@dataclass(frozen=True)
class _Canvas:
    """The part of a picture that is drawn over."""

    box: Box
    layer: NDArray[np.uint8]
    """Premultiplied RGBA. Shape (box.height, box.width, 4)."""
    depth: Float32Array | None
    """Depth buffer under it, None to draw without occlusion. Shape (box.height, box.width)."""

    def fixed(self, pixels: FloatArray) -> NDArray[np.int32]:
        """Pixel coordinates of the picture as OpenCV's fixed-point coordinates of the layer. Shape (..., 2)."""
        return np.round((pixels - (self.box.left, self.box.top)) * (1 << _SHIFT)).astype(np.int32)

    def sees(self, pixels: FloatArray, distance: FloatArray, lens: Lens) -> NDArray[np.bool_]:
        """Whether nothing in the picture is nearer than points at these pixels. Outside the box its edge counts.

        Args:
            pixels: Shape (P, 2).
            distance: Along the view axis. Shape (P,). [m]
            lens: The camera of the picture.
        """
        if self.depth is None:
            return np.ones(len(pixels), bool)
        column = np.clip(np.nan_to_num(pixels[:, 0]) - self.box.left, 0, self.box.width - 1).astype(int)
        row = np.clip(np.nan_to_num(pixels[:, 1]) - self.box.top, 0, self.box.height - 1).astype(int)
        return distance <= lens.distance(self.depth[row, column]) + _BIAS


def draw(picture: ImageArray, read_depth: ReadDepth | None, lens: Lens, primitives: Sequence[Primitive]) -> None:
    """Draw primitives onto a picture, in place, first to last.

    Args:
        picture: Shape (height, width, 3).
        read_depth: Reads the picture's depth buffer; None draws without occlusion. Only the part under the primitives
            is read, because reading takes longer than drawing.
        lens: The camera of the picture.
        primitives: What to draw.
    """
    box = _box_of(lens, primitives)
    if box is not None:
        layer = np.zeros((box.height, box.width, 4), np.uint8)
        canvas = _Canvas(box, layer, read_depth(box) if read_depth is not None else None)
        _draw_lines(canvas, lens, [each for each in primitives if isinstance(each, Polyline)])
        _draw_markers(canvas, lens, [each for each in primitives if isinstance(each, Marker)])
        _blend(picture, canvas)
    _draw_legend(picture, tuple(each for each in primitives if isinstance(each, Legend)))


def lines_near(lens: Lens, lines: Sequence[Polyline], u: float, v: float, within: float) -> list[int]:
    """Which lines pass near a pixel, whether or not something of the scene hides them.

    Args:
        lens: The camera of the picture.
        lines: What was drawn. Segments of opacity 0 do not count.
        u, v: The pixel, origin top left. [px]
        within: How near. [px]

    Returns:
        Indices of the nearest line, and of those that the eye cannot tell from it there.
    """
    found = {}
    for index, line in enumerate(lines):
        points = lens.camera_frame(line.points)
        begin, end, keep = _clip_near(points[:-1], points[1:], lens.near)
        shown = line.alpha[keep] > 0
        if not shown.any():
            continue
        a, b = lens.to_pixels(begin[shown]), lens.to_pixels(end[shown])
        way, to_pixel = b - a, np.array([u, v]) - a
        share = np.clip((way * to_pixel).sum(axis=1) / np.maximum((way**2).sum(axis=1), 1e-12), 0, 1)
        found[index] = float(np.linalg.norm(to_pixel - share[:, None] * way, axis=1).min())
    nearest = min(found.values(), default=np.inf)
    return [index for index, away in found.items() if away <= min(nearest + _FINEST, within)]


def _draw_lines(canvas: _Canvas, lens: Lens, lines: Sequence[Polyline]) -> None:
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
    seen = canvas.sees(0.5 * (a + b), 0.5 * (begin[:, 2] + end[:, 2]), lens)
    alpha = np.where(seen, alpha, _BEHIND * alpha)
    # Far outside the picture OpenCV's fixed-point coordinates overflow; nothing is to be seen there anyway.
    near_enough = (np.abs(np.concatenate([a, b], axis=1)) < 20_000).all(axis=1)
    level = np.ceil(alpha * _LEVELS).astype(int)
    wanted = near_enough & (level > 0)
    fixed = canvas.fixed(np.stack([a[wanted], b[wanted]], axis=1))  # (S, 2, 2)
    _stroke(canvas.layer, fixed, level[wanted], group[wanted], lines)


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
    segments, look = segments[order], (style * (_LEVELS + 1) + level)[order]
    new_look = np.concatenate([[True], look[1:] != look[:-1]])
    paths, first_of_path = _joined(segments, new_look)
    looks = look[first_of_path]
    for run in np.split(np.arange(len(paths)), np.flatnonzero(np.diff(looks)) + 1):
        which, opacity = divmod(int(looks[run[0]]), _LEVELS + 1)
        colour, width = styles[which]
        cv2.polylines(
            layer,
            paths[run[0] : run[-1] + 1],
            isClosed=False,
            color=_premultiplied(colour, opacity / _LEVELS),
            thickness=max(round(width), 1),
            lineType=cv2.LINE_AA,
            shift=_SHIFT,
        )


def _joined(
    segments: NDArray[np.int32], begins: NDArray[np.bool_]
) -> tuple[list[NDArray[np.int32]], NDArray[np.int64]]:
    """Segments that follow one another as paths, without the points that the eye cannot tell apart.

    Joining spares OpenCV every second round cap, thinning most of the segments of a path far away.

    Args:
        segments: Begin and end, in OpenCV's fixed point. Shape (S, 2, 2).
        begins: Where a path must begin, whatever came before. Shape (S,).

    Returns:
        The paths' points, each of shape (P, 2), and the first segment of each path.
    """
    begins = begins.copy()
    begins[1:] |= (segments[1:, 0] != segments[:-1, 1]).any(axis=1)
    ends = np.concatenate([begins[1:], [True]])
    steps = (segments[:, 1] - segments[:, 0]).astype(np.float64)
    way = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
    stretch = (way[:-1] / (_FINEST * (1 << _SHIFT))).astype(np.int64)
    # The begin of a segment is kept where a path begins and where the way has come a further stretch.
    kept = begins | np.concatenate([[True], np.diff(stretch) > 0])
    # Every segment offers its begin, then its end; the end counts at the end of a path only.
    chosen = np.stack([kept, ends], axis=1).reshape(-1)
    points = segments.reshape(-1, 2)[chosen]
    path_of_point = np.repeat(np.cumsum(begins), 2)[chosen]
    return np.split(points, np.flatnonzero(np.diff(path_of_point)) + 1), np.flatnonzero(begins)


def _draw_markers(canvas: _Canvas, lens: Lens, markers: Sequence[Marker]) -> None:
    if not markers:
        return
    in_camera = lens.camera_frame(np.stack([marker.point for marker in markers]))
    ahead = in_camera[:, 2] > lens.near
    in_camera[~ahead, 2] = lens.near
    pixels = lens.to_pixels(in_camera)
    seen = canvas.sees(pixels, in_camera[:, 2], lens)
    for marker, pixel, is_ahead, is_seen in zip(markers, pixels, ahead, seen, strict=True):
        if not is_ahead or np.abs(pixel).max() > 20_000:
            continue
        column, row = canvas.fixed(pixel)
        radius = round(marker.radius * (1 << _SHIFT))
        opacity = marker.alpha * (1.0 if is_seen else _BEHIND)
        colour = _premultiplied(marker.colour, opacity)
        cv2.circle(canvas.layer, (int(column), int(row)), radius, colour, -1, cv2.LINE_AA, _SHIFT)


def _draw_legend(picture: ImageArray, legends: tuple[Legend, ...]) -> None:
    """Swatches and words in the lower left corner, on a darkened ground."""
    if not legends:
        return
    kept, added = _legend_patch(legends, max(round(picture.shape[0] / 40), 10))
    height, width = min(kept.shape[0], picture.shape[0]), min(kept.shape[1], picture.shape[1])
    place = picture[-height:, :width]
    darkened = cv2.multiply(np.ascontiguousarray(place), kept[:height, :width], scale=1 / 255)
    place[:] = cv2.add(darkened, added[:height, :width])


@lru_cache(maxsize=64)
def _legend_patch(legends: tuple[Legend, ...], size: int) -> tuple[ImageArray, ImageArray]:
    """What a legend keeps of the picture under it (of 255), and what it adds. Each of shape (height, width, 3).

    Args:
        legends: At least one.
        size: Of the font. [px]
    """
    masks = [text_mask(each.text, size) for each in legends]
    line, margin, swatch = masks[0].shape[0] + size // 3, size // 2, 2 * size
    width = max(mask.shape[1] for mask in masks) + swatch + 3 * margin
    kept = np.full((line * len(legends) + 2 * margin, width, 3), 102, np.uint8)
    added = np.zeros_like(kept)
    for row, (each, mask) in enumerate(zip(legends, masks, strict=True)):
        y = margin + row * line
        middle = y + mask.shape[0] // 2
        colour = tuple(round(255 * channel) for channel in each.colour)
        for patch, paint in ((kept, (0, 0, 0)), (added, colour)):
            cv2.line(patch, (margin, middle), (margin + swatch - 4, middle), paint, max(size // 5, 2), cv2.LINE_AA)
        left = swatch + 2 * margin
        cover = mask[..., None] / 255
        kept[y : y + mask.shape[0], left : left + mask.shape[1]] = (102 * (1 - cover)).astype(np.uint8)
        added[y : y + mask.shape[0], left : left + mask.shape[1]] = (235 * cover).astype(np.uint8)
    return kept, added


def _clip_near(begin: FloatArray, end: FloatArray, near: float) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Cut segments at the near plane and drop those behind it. Points are in the camera frame."""
    keep = (begin[:, 2] > near) | (end[:, 2] > near)
    begin, end = begin[keep].copy(), end[keep].copy()
    for one, other in ((begin, end), (end, begin)):
        behind = one[:, 2] < near
        share = (near - one[behind, 2]) / (other[behind, 2] - one[behind, 2])
        one[behind] += share[:, None] * (other[behind] - one[behind])
    return begin, end, keep


def _box_of(lens: Lens, primitives: Sequence[Primitive]) -> Box | None:
    """The part of the picture that the primitives can cover, None where they cover none of it."""
    points = [each.points for each in primitives if isinstance(each, Polyline)]
    points += [each.point[None] for each in primitives if isinstance(each, Marker)]
    if not points:
        return None
    in_camera = lens.camera_frame(np.concatenate(points))
    if (in_camera[:, 2] <= lens.near).any():
        # What passes the eye can end anywhere on the picture's edge.
        return Box(0, 0, lens.width, lens.height)
    pixels = lens.to_pixels(in_camera)
    limit = np.array([lens.width, lens.height])
    begin = np.clip(np.floor(pixels.min(axis=0)) - _BRIM, 0, limit).astype(int)
    end = np.clip(np.ceil(pixels.max(axis=0)) + _BRIM, 0, limit).astype(int)
    if (end <= begin).any():
        return None
    return Box(int(begin[0]), int(begin[1]), int(end[0] - begin[0]), int(end[1] - begin[1]))


def _premultiplied(colour: tuple[float, float, float], alpha: float) -> tuple[float, float, float, float]:
    red, green, blue = (255 * alpha * channel for channel in colour)
    return (red, green, blue, 255 * alpha)


def _blend(picture: ImageArray, canvas: _Canvas) -> None:
    """Lay the canvas over the picture."""
    box = canvas.box
    place = picture[box.top : box.top + box.height, box.left : box.left + box.width]
    clear = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(canvas.layer, 3)), cv2.COLOR_GRAY2RGB)
    kept = cv2.multiply(np.ascontiguousarray(place), clear, scale=1 / 255)
    place[:] = cv2.add(kept, cv2.cvtColor(canvas.layer, cv2.COLOR_RGBA2RGB))
