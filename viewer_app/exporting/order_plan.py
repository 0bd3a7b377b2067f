"""What a person ordered, as a plan that the export engine can carry out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from viewer_app.export import Clip, Plan, Take
from viewer_app.scene import Scene
from viewer_app.tiles import Layout, lay_out, named_tile
from viewer_app.types import WhiskersError
from viewer_app.video_order import FASTEST_GIF, FORMATS, HERE, VideoOrder
from viewer_app.view import LaneView, View

_STAND_IN = "free:0,0,1"
"""Has the place of `HERE` while the views are laid out: a name cannot hold a camera that follows the gripper."""


def plan_of(order: VideoOrder, view: View) -> Plan:
    """The plan of an order on the traces of a view, as long as they are now.

    Raises:
        WhiskersError: If a name in it is not known, or something does not fit; one sentence says what.
    """
    return Plan(
        scene=view.scene,
        # Where a lane has no trace of a name it shows its newest: what comes to the same is shown once.
        clips=tuple(dict.fromkeys(clip_of(order, view, name) for name in order.traces)),
        layout=_layout_of(order, view.scene, len(_lanes_of(order, view))),
        path=order.path,
        strips=order.strips,
        fps=order.fps,
        speed=order.speed,
        force=order.force,
    )


def clip_of(order: VideoOrder, view: View, name: str | None) -> Clip:
    """The part of a video that shows a trace.

    Args:
        order: Says which steps, in which lanes.
        view: Has the traces.
        name: Of the trace, None for the one being written.
    """
    shown = [(lane.snippet(name), lane.answers) for lane in _lanes_of(order, view)]
    takes = tuple(Take(snippet.trace, snippet.length, answers) for snippet, answers in shown)
    # Of several traces each says which it is.
    return Clip(takes, order.begin, order.end, takes[0].trace.name if len(order.traces) > 1 else "")


def _lanes_of(order: VideoOrder, view: View) -> tuple[LaneView, ...]:
    return tuple(view.lanes[number] for number in order.lanes) or view.lanes


def _layout_of(order: VideoOrder, scene: Scene, lanes: int) -> Layout:
    if not order.views:
        raise WhiskersError("A video needs at least one view; choose one.")
    names = [_STAND_IN if name == HERE else name for name in order.views]
    columns = min(order.columns, len(names))
    rows = -(-len(names) // max(columns, 1))
    layout = lay_out(scene, names, f"{columns}x{rows}", order.tile, order.overlays, lanes)
    stand_in = named_tile(scene, _STAND_IN).camera
    tiles = (replace(tile, camera=order.here) if tile.camera == stand_in else tile for tile in layout.tiles)
    return replace(layout, tiles=tuple(tiles), labels=order.labels)


def complaint_about(path: Path, fps: float) -> str:
    """Why no video can be written there, in one sentence; empty where one can.

    Args:
        path: Its name.
        fps: Pictures a second. [Hz]
    """
    if not path.name:
        return "The video needs a name; write one."
    kind = path.suffix.lower()
    if kind not in FORMATS.values():
        endings = ", ".join(ending for ending in FORMATS.values() if ending)
        return f"{path.suffix} is not written here; end the name in {endings}, or in nothing for PNG pictures."
    if kind == ".gif" and fps > FASTEST_GIF:
        return f"A GIF has at most {FASTEST_GIF:g} pictures a second, found {fps:g}; choose fewer."
    try:
        if path.is_dir() and kind:
            return f"{path} is a folder; choose another name."
        if path.is_file() and not kind:
            return f"{path} is a file; a folder of PNG pictures needs another name."
        others = next((each.name for each in path.iterdir() if each.suffix != ".png"), "") if path.is_dir() else ""
        if others:
            return f"{path} holds other things, such as {others}; choose another folder."
        folder = next(each for each in path.absolute().parents if each.exists())
        if not folder.is_dir():
            return f"{folder} is a file, not a folder; choose another place."
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"Folder {folder} cannot be written to; choose another place."
    except OSError as error:
        return f"{path} cannot be written ({error.strerror}); choose another name."
    return ""
