"""What can be exported of a session: its traces, and the views of them."""

from __future__ import annotations

from dataclasses import dataclass

from viewer_app.scene import Scene
from viewer_app.tiles import POLICY, tile_names
from viewer_app.video_order import HERE
from viewer_app.view import Frame


@dataclass(frozen=True)
class TraceChoice:
    """One entry of the list of traces."""

    label: str
    names: tuple[str | None, ...]
    """As in `VideoOrder.traces`."""
    length: int
    """Steps of the longest of them, in the lane that got farthest."""


def traces_of(frame: Frame) -> tuple[TraceChoice, ...]:
    """What can be exported: the trace looked at first, then all of the session if there are several, then the others.

    Traces in which nothing was executed are left out, the one looked at aside.
    """
    lanes = frame.view.lanes
    names = [*dict.fromkeys(each.trace.name for lane in lanes for each in lane.earlier), None]
    # A lane without a trace of that name shows the one that it is writing.
    lengths = {name: max(lane.snippet(name).length for lane in lanes) for name in names}
    now = frame.lane.now.trace.name
    looked_at = frame.focus.trace if frame.focus.trace in lengths else None
    known = [name for name, length in lengths.items() if length or name == looked_at]

    def words(name: str | None) -> str:
        return f"{now if name is None else name}{'   looked at' if name == looked_at else ''}"

    choices = [TraceChoice(words(name), (name,), lengths[name]) for name in known]
    choices.sort(key=lambda choice: choice.names != (looked_at,))
    if len(known) > 1:
        every = TraceChoice(f"all {len(known)} of this session", tuple(known), max(lengths[name] for name in known))
        choices.insert(1, every)
    return tuple(choices)


def views_of(scene: Scene, frame: Frame) -> tuple[str, ...]:
    """The views that can be chosen: the window's own, and all that have a name."""
    policy = frame.trace.policy
    seen = policy.cameras if policy is not None else scene.spec.cameras
    named = [name for name in tile_names(scene) if not name.startswith(POLICY) or name.removeprefix(POLICY) in seen]
    return (HERE, *named)
