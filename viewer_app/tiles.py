"""Which views a tiled video shows, and where: plain data, and how a person names it. Nothing here draws."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from viewer_app.scene import Scene
from viewer_app.types import WhiskersError
from viewer_app.view import Camera, OverlayChoice, camera_presets

POLICY = "policy:"
"""Begins the name of a tile that shows what the policy saw through a camera."""
FREE = "free:"
"""Begins the name of a view from anywhere: azimuth, elevation [deg], distance [m], and what it looks at [m]."""
_LARGEST = 8192
"""Widest and highest that H.264 encoders and OpenGL implementations commonly take. [px]"""
_SMALLEST = 16
"""[px]"""


@dataclass(frozen=True)
class Tile:
    """One view: of the scene, or what the policy saw."""

    camera: Camera | None
    """None for what the policy saw."""
    policy_camera: str = ""
    """The camera through which the policy saw it."""
    lane: int = 0

    @property
    def label(self) -> str:
        if self.camera is None:
            return f"policy sees {self.policy_camera}" if self.policy_camera else ""
        return self.camera.scene_camera or self.camera.label


EMPTY = Tile(None)
"""A place that shows nothing."""


@dataclass(frozen=True)
class Layout:
    """Which views, where, and with what drawn over them."""

    tiles: tuple[Tile, ...]
    """Row by row."""
    columns: int = 3
    width: int = 640
    """Of a tile. [px]"""
    height: int = 360
    """Of a tile. [px]"""
    overlays: OverlayChoice = field(default_factory=OverlayChoice)
    """Where its legend is on, the first tile of each lane shows it: one is enough for a picture."""
    labels: bool = True
    """Whether each tile says what it is."""

    @property
    def rows(self) -> int:
        return -(-len(self.tiles) // self.columns)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of all tiles together. [px]"""
        return self.columns * self.width, self.rows * self.height

    def check(self) -> None:
        """
        Raises:
            WhiskersError: If there is nothing to show, or it cannot be encoded; one sentence says why.
        """
        if not self.tiles:
            raise WhiskersError("A video needs at least one view; name a camera.")
        if self.columns < 1:
            raise WhiskersError(f"A video has at least one column of views, found {self.columns}.")
        for noun, size in (("width", self.width), ("height", self.height)):
            if size < _SMALLEST or size % 2:
                raise WhiskersError(
                    f"A tile's {noun} must be an even number of at least {_SMALLEST} pixels, found {size}."
                )
        width, height = self.size
        if max(width, height) > _LARGEST:
            raise WhiskersError(
                f"The views together are {width}x{height} pixels; {_LARGEST} is the most a video can have, so make the "
                "tiles smaller or fewer."
            )


def six_angles(scene: Scene, lane: int = 0) -> tuple[Tile, ...]:
    """The six presets of the window, in the order of keys 1 to 6."""
    return tuple(Tile(camera, lane=lane) for camera in camera_presets(scene.spec.look_at))


def tile_names(scene: Scene) -> tuple[str, ...]:
    """The names that `named_tile` knows in a scene; `free:` besides."""
    presets = (camera.label for camera in camera_presets(scene.spec.look_at))
    return (*presets, *scene.viewing_cameras, *(POLICY + name for name in scene.spec.cameras))


def named_tile(scene: Scene, name: str, lane: int = 0) -> Tile:
    """The view that a person names: a preset, a camera, `policy:CAMERA` or `free:AZ,EL,DIST[,X,Y,Z]`.

    Raises:
        WhiskersError: If there is no such view; the sentence lists those that there are.
    """
    if name.startswith(FREE):
        return Tile(_free_camera(scene, name), lane=lane)
    if name not in tile_names(scene):
        raise WhiskersError(
            f"There is no camera {name!r} in this scene; there are {', '.join(tile_names(scene))}, and "
            f"{FREE}AZIMUTH,ELEVATION,DISTANCE[,X,Y,Z]."
        )
    if name.startswith(POLICY):
        return Tile(None, name.removeprefix(POLICY), lane)
    preset = next((camera for camera in camera_presets(scene.spec.look_at) if camera.label == name), None)
    return Tile(preset or Camera(scene_camera=name, label=name), lane=lane)


def _free_camera(scene: Scene, name: str) -> Camera:
    try:
        numbers = [float(word) for word in name.removeprefix(FREE).split(",")]
        azimuth, elevation, distance = numbers[:3]
        x, y, z = numbers[3:] or scene.spec.look_at
        if not 0 < distance < 1e3:
            raise ValueError
    except ValueError:
        raise WhiskersError(
            f"{name!r} is no view; write {FREE}AZIMUTH,ELEVATION,DISTANCE, and behind it X,Y,Z of what it looks at "
            f"if that is not the middle, in degrees and metres, for example {FREE}135,-25,1.2."
        ) from None
    return Camera((x, y, z), azimuth, elevation, distance)


def lay_out(
    scene: Scene,
    cameras: Sequence[str] = (),
    grid: str = "",
    tile: str = "640x360",
    overlays: OverlayChoice = OverlayChoice(),  # noqa: B008 (frozen, so it can be shared)
    lanes: int = 1,
) -> Layout:
    """A layout in the words of a person.

    Args:
        scene: What is shown.
        cameras: Names of the views; none are the six presets.
        grid: Columns and rows of one lane's views, such as `3x2`; empty is as wide as it is high, at most 3 columns.
        tile: Width and height of a view, such as `640x360`. [px]
        overlays: What is drawn over the views.
        lanes: How many lanes are shown side by side, each with all views.

    Raises:
        WhiskersError: If something is not known or does not fit; one sentence says what.
    """
    names = list(cameras) or [camera.label for camera in camera_presets(scene.spec.look_at)]
    columns = min(len(names), 3) if len(names) != 4 else 2
    if grid:
        columns, rows = _two_numbers(grid, "grid", "3x2")
        if columns * rows < len(names):
            raise WhiskersError(f"A grid of {grid} has {columns * rows} places; {len(names)} views were named.")
    width, height = _two_numbers(tile, "tile size", "640x360")
    rows = -(-len(names) // max(columns, 1))
    # All lanes' first rows, then all lanes' second rows; a row that a lane leaves short is filled up with nothing.
    tiles: list[Tile] = []
    for row in range(rows):
        for lane in range(lanes):
            some = names[row * columns : (row + 1) * columns]
            tiles += [named_tile(scene, name, lane) for name in some]
            tiles += [EMPTY] * (columns - len(some)) if lanes > 1 else []
    layout = Layout(tuple(tiles), columns * lanes, width, height, overlays)
    layout.check()
    return layout


def _two_numbers(text: str, noun: str, example: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    if found is None or "0" in found.groups():
        raise WhiskersError(f"{text!r} is no {noun}; write it as {example}.")
    return int(found[1]), int(found[2])
