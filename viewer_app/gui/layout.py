"""Where each panel goes: pure arithmetic on the window's size."""

from __future__ import annotations

from dataclasses import dataclass

from panels.cameras import tile_grid
from panels.style import Metrics


@dataclass(frozen=True)
class Rect:
    """A place in the window. [px]"""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Layout:
    """Places of all panels. The side panels have none while they are hidden."""

    viewport: Rect
    timeline: Rect
    bar: Rect
    policy: Rect | None
    cameras: Rect | None
    tabs: Rect | None
    tabbed: Rect | None
    """The panel of the tab that is chosen."""


def arrange(
    width: int,
    height: int,
    metrics: Metrics,
    sides: bool,
    camera_aspect: float,
    n_cameras: int,
    tabs_width: int = 0,
) -> Layout:
    """Tile the window: policy left, viewport in the middle, cameras over tabs right, timeline along the bottom.

    Args:
        width: Of the window's inside. [px]
        height: Of the window's inside. [px]
        metrics: Scale of the text.
        sides: Whether the side panels are shown.
        camera_aspect: Width over height of the policy's pictures.
        n_cameras: How many tiles the cameras panel holds.
        tabs_width: How wide all tabs beside each other are; where there is less room they stand in two rows. [px]
    """
    px = metrics.px
    gap = px(4)
    bar_height, timeline_height = px(22), px(108 if height >= px(900) else 98)
    bar = Rect(gap, height - bar_height, width - 2 * gap, bar_height)
    timeline = Rect(gap, bar.y - timeline_height - px(2), width - 2 * gap, timeline_height)
    top, tall = gap, timeline.y - 2 * gap
    if not sides:
        return Layout(Rect(gap, top, width - 2 * gap, tall), timeline, bar, None, None, None, None)
    # The middle keeps at least half of a narrow window.
    left_width = min(max(round(width * 0.17), px(236)), px(320))
    right_width = min(max(round(width * 0.28), px(320)), px(560))
    spare = width - 4 * gap - left_width - right_width
    if spare < width * 0.40:
        right_width = max(right_width - round(width * 0.40 - spare), px(260))
    middle = Rect(left_width + 2 * gap, top, width - left_width - right_width - 4 * gap, tall)
    columns, _, rows = tile_grid(n_cameras)
    tile_width = (right_width - px(16) - px(6) * (columns - 1)) / columns
    cameras_height = rows * round(min(tile_width / camera_aspect, tall * 0.30 / rows)) + (rows - 1) * px(32) + px(98)
    right_x = middle.x + middle.width + gap
    strip = px(25) * (1 if tabs_width <= right_width else 2)
    below = top + cameras_height + gap + strip
    return Layout(
        viewport=middle,
        timeline=timeline,
        bar=bar,
        policy=Rect(gap, top, left_width, tall),
        cameras=Rect(right_x, top, right_width, cameras_height),
        tabs=Rect(right_x, top + cameras_height + gap, right_width, strip),
        tabbed=Rect(right_x, below, right_width, top + tall - below),
    )
