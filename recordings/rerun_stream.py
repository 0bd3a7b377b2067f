"""What a trace becomes in a Rerun recording. Needs Rerun's SDK.

world/bodies/BODY       poses in the world frame; the body's shapes and cameras below, with the policy's pictures
world/whisker           what the window draws as the whisker, at every step
world/executed          the whole way of the end effector
joints/JOINT            actual and commanded, in the scene's units
actions/NAME            commanded, and actual where it is measured, if actions are something else than joint targets
states/NAME             actual, where it is not what actions command
policy                  how long its calls took
events                  what a person did and wrote, phases, and the outcome

Two things are approximate. Rerun's lines know no opacity, so that the faint part of a whisker is a darker one; and
shapes have the colours of their materials, without textures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

import cv2
import mujoco
import numpy as np
import rerun as rr
import rerun.blueprint as rrb
from numpy.typing import NDArray
from rerun.experimental import RrdReader

from recordings.rerun_shapes import body_path, camera_path, log_shapes
from recordings.trace_file import RecordingError
from viewer_app.channels import Channels
from viewer_app.overlays import PATH, Polyline
from viewer_app.overlays.primitives import drawable
from viewer_app.overlays.sight import Sight
from viewer_app.overlays.whiskers import whisker
from viewer_app.paths import Paths
from viewer_app.questions import Answers
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import FloatArray, ImageArray
from viewer_app.view import OverlayChoice
from viewer_app.world import pose

_PIECE = 500
"""Steps that are turned into columns at a time, so that memory does not grow with the episode."""
_GROUND = np.array([0.1, 0.1, 0.12])
"""Colour of Rerun's 3D view, towards which faint lines go. RGB in [0, 1]."""
_ACTUAL, _COMMANDED = (143, 193, 238), (242, 193, 78)
_STEP, _TIME = "step", "time"


def stream(
    path: Path, scene: Scene, trace: Trace, length: int, see: Callable[[Trace, int], Mapping[str, ImageArray]]
) -> Iterator[float]:
    """Write a file, and tell every now and then the share that is done. Arguments as for `rerun_log.write_rrd`."""
    # Otherwise mistakes become warnings.
    rr.set_strict_mode(True)
    recording = rr.RecordingStream("whiskers", recording_id=f"{trace.name}, seed {trace.seed}")
    try:
        # When it was written says nothing.
        for wall_clock in ("log_time", "log_tick"):
            recording.disable_timeline(wall_clock)
        recording.save(path, _blueprint(scene))
        log = _Log(recording, scene, trace, length)
        log.still()
        for begin in range(0, length + 1, _PIECE):
            end = min(begin + _PIECE, length + 1)
            log.columns(begin, end)
            log.whiskers(begin, end)
            log.pictures(begin, end, see)
            yield end / (length + 1)
    finally:
        recording.flush()
        recording.disconnect()


def check(path: Path) -> None:
    """Read the file's table of contents, which is written last.

    Raises:
        ValueError, RuntimeError, OSError: If there is none.
    """
    RrdReader(path).store()


class _Log:
    """One trace on its way into one recording."""

    def __init__(self, recording: rr.RecordingStream, scene: Scene, trace: Trace, length: int) -> None:
        self._recording, self._scene, self._trace, self._length = recording, scene, trace, length
        self._times = np.asarray(trace.column("time", length), np.float64)
        self._paths = Paths(scene)
        self._paths.know(trace)
        self._data = mujoco.MjData(scene.model)

    def still(self) -> None:
        """What does not change, and what happens rarely."""
        recording, scene, trace = self._recording, self._scene, self._trace
        recording.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
        log_shapes(recording, scene)
        executed = rr.LineStrips3D([trace.column("tip", self._length)], colors=[_bytes(PATH)])
        recording.log("world/executed", executed, static=True)
        for room, name, what, _, _ in _curves(scene):
            series = rr.SeriesLines(colors=[_ACTUAL if what == "actual" else _COMMANDED], names=[f"{name} {what}"])
            recording.log([room, name, what], series, static=True)
        about = rr.TextDocument(_about(scene, trace, self._length), media_type="text/markdown")
        recording.log("about", about, static=True)
        for step, text in self._happenings():
            self._at(step)
            recording.log("events", rr.TextLog(text))
        for chunk in trace.chunks:
            if 0 <= chunk.arrived < self._length:
                self._at(chunk.arrived)
                recording.log("policy/latency", rr.Scalars(1e3 * chunk.latency))
        recording.log("policy/latency", rr.SeriesLines(names=["latency [ms]"]), static=True)

    def columns(self, begin: int, end: int) -> None:
        """Poses, states and actions of the moments `begin` to `end`."""
        model, trace = self._scene.model, self._trace
        rows = end - begin
        position, turn = np.empty((rows, model.nbody, 3)), np.empty((rows, model.nbody, 4))
        for row in range(rows):
            pose(self._scene, self._data, trace.snapshot(begin + row))
            position[row], turn[row] = self._data.xpos, np.roll(self._data.xquat, -1, axis=1)  # w last
        index = self._index(begin, end)
        for body in range(1, model.nbody):
            poses = rr.Transform3D.columns(translation=position[:, body], quaternion=turn[:, body])
            self._recording.send_columns(body_path(model, body), index, poses, strict=True)
        columns = {each: trace.column(each, self._length)[begin:end] for each in ("state", "action")}
        for room, name, what, each, i in _curves(self._scene):
            if len(columns[each]):
                self._send_numbers([room, name, what], begin, columns[each][:, i])

    def whiskers(self, begin: int, end: int) -> None:
        for step in range(begin, end):
            drawn = whisker(Sight(self._paths, self._trace, step, OverlayChoice(), Answers()))
            lines = [line for line in map(drawable, drawn) if isinstance(line, Polyline)]
            strips, colours = strips_of(lines)
            self._at(step)
            self._recording.log("world/whisker", rr.LineStrips3D(strips, colors=colours, radii=[0.0012]), strict=True)

    def pictures(self, begin: int, end: int, see: Callable[[Trace, int], Mapping[str, ImageArray]]) -> None:
        """What the policy was shown when it was asked, as PNG: no pixel is changed."""
        asked = sorted({chunk.start for chunk in self._trace.chunks if begin <= chunk.start < end})
        for step in asked:
            self._at(step)
            for name, picture in see(self._trace, step).items():
                bgr = np.ascontiguousarray(picture[..., ::-1])
                done, content = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
                if not done:
                    raise RecordingError(f"The picture of camera {name} at step {step} cannot be written as PNG.")
                image = rr.EncodedImage(contents=content.tobytes(), media_type="image/png")
                self._recording.log(camera_path(self._scene, name), image, strict=True)

    def _happenings(self) -> list[tuple[int, str]]:
        trace, length = self._trace, self._length
        told = [(each.step, f"{each.kind}: {each.text}") for each in list(trace.events) if each.kind != "bookmark"]
        told += [(step, f"bookmark: {text}") for step, text in trace.bookmarks.items()]
        for what, name_at in (("phase", trace.phase), ("outcome", trace.outcome)):
            codes = np.asarray(trace.column(what, length))
            begins = [0, *(int(k) for k in np.flatnonzero(codes[1:] != codes[:-1]) + 1)]
            told += [(step, f"{what}: {name}") for step in begins if (name := name_at(step))]
        return sorted((step, text) for step, text in told if step <= length)

    def _at(self, step: int) -> None:
        self._recording.set_time(_STEP, sequence=step)
        self._recording.set_time(_TIME, duration=float(self._times[step]))

    def _index(self, begin: int, end: int) -> list[rr.TimeColumn]:
        times = [float(time) for time in self._times[begin:end]]
        return [rr.TimeColumn(_STEP, sequence=range(begin, end)), rr.TimeColumn(_TIME, duration=times)]

    def _send_numbers(self, path: list[str], begin: int, values: NDArray[np.generic]) -> None:
        columns = rr.Scalars.columns(scalars=np.asarray(values, np.float64))
        index = self._index(begin, begin + len(values))
        self._recording.send_columns(rr.new_entity_path(path), index, columns, strict=True)


def _tables(scene: Scene) -> list[tuple[str, Channels]]:
    """What numbers are plotted together: a state that measures what actions command, with them."""
    found = [("joints" if scene.spec.action.kind == "joints" else "actions", scene.actions)]
    return found if scene.measures_commands else [*found, ("states", scene.states)]


def _curves(scene: Scene) -> list[tuple[str, str, str, str, int]]:
    """Where each curve goes, the number's name, what it is, and of which column of the trace which number."""
    room, _ = _tables(scene)[0]
    actions = [(room, name, "commanded", "action", i) for i, name in enumerate(scene.action_names)]
    measured = room if scene.measures_commands else "states"
    return [(measured, name, "actual", "state", i) for i, name in enumerate(scene.state_names)] + actions


def strips_of(lines: list[Polyline]) -> tuple[list[FloatArray], list[tuple[int, int, int]]]:
    """Lines without opacity: each polyline in pieces of one opacity, and what colour each piece looks like.

    Returns:
        Points of each piece, shape (P, 3), in the world frame [m], and its colour.
    """
    strips, colours = [], []
    for line in lines:
        segments = np.round(np.asarray(line.alpha, np.float64), 2)
        at = 0
        for alpha, run in groupby(segments):
            count = len(list(run))
            if alpha > 0:
                strips.append(np.asarray(line.points[at : at + count + 1], np.float64))
                colours.append(_bytes(alpha * np.array(line.colour) + (1 - alpha) * _GROUND))
            at += count
    return strips, colours


def _bytes(colour: tuple[float, float, float] | FloatArray) -> tuple[int, int, int]:
    red, green, blue = (round(255 * float(value)) for value in colour)
    return red, green, blue


def _about(scene: Scene, trace: Trace, length: int) -> str:
    policy = trace.policy
    lines = [f"# {trace.name}", f"- scene: {scene.name}", f"- seed: {trace.seed}", f"- steps: {length}"]
    if policy is not None:
        lines += [f"- checkpoint: {policy.source}", f"- its hash: {policy.digest}", f"- policy: {policy.kind}"]
    for noun, channels in _tables(scene):
        units = ", ".join(f"{each.name} ({each.unit})" if each.unit else each.name for each in channels.each)
        lines += [f"- {noun}, in scene units: {units}"]
    lines += ["", "Whiskers: commanded joints through kinematics, approximate. Pictures: those of the policy's calls."]
    return "\n".join(lines)


def _blueprint(scene: Scene) -> rrb.Blueprint:
    """The robot on the left, pictures and plots on the right."""
    pictures = [rrb.Spatial2DView(origin=camera_path(scene, name), name=name) for name in scene.spec.cameras]
    plots = [
        rrb.TimeSeriesView(
            origin=str(rr.new_entity_path([room, each.name])),
            name=f"{each.name} [{each.unit}]" if each.unit else each.name,
        )
        for room, channels in _tables(scene)
        for each in channels.each
    ]
    right = [rrb.Horizontal(*pictures)] if pictures else []
    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Vertical(
                rrb.Spatial3DView(origin="world", name=scene.name),
                rrb.Tabs(
                    rrb.TextLogView(origin="events", name="events"),
                    rrb.TextDocumentView(origin="about", name="about"),
                ),
                row_shares=[4, 1],
            ),
            rrb.Vertical(*right, rrb.Grid(*plots)),
        ),
        rrb.TimePanel(timeline=_STEP),
        collapse_panels=True,
    )
