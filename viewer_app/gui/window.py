"""The window: one loop that reads the engine's latest view and the latest picture, and sends what the person asks for.

It owns every Dear PyGui call and makes no OpenGL context of its own: MuJoCo's contexts live on the other two threads.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path

import dearpygui.dearpygui as dpg

from panels.actions import (
    PRESETS,
    TABS,
    Action,
    AddressLanes,
    ExportPlot,
    ExportVideo,
    MapCameras,
    Mend,
    OpenPath,
    Request,
    SaveStart,
    SetSpeed,
    Settle,
    ShowTab,
    Transport,
    UseStart,
)
from panels.style import GROUND, Metrics, Tag, apply_theme, load_font
from viewer_app.commands import (
    Ask,
    At,
    Command,
    Fork,
    MoveObject,
    Place,
    Push,
    ResetEpisode,
    ResetPolicy,
    SetBreakpoints,
    SetStart,
    UndoMove,
)
from viewer_app.grab import Grab
from viewer_app.gui.contracts import Files, OnFrame, Session
from viewer_app.gui.deck import Deck
from viewer_app.gui.desk import Desk
from viewer_app.gui.hand import Hand
from viewer_app.gui.keys import Keyboard
from viewer_app.gui.playback import Moved, Playback
from viewer_app.gui.videos import Videos
from viewer_app.gui.written import figure_errand, write_picture
from viewer_app.questions import Ablation, Attention, Denoising, Ensemble, Occlusion, Question, Samples, Shadow, XRay
from viewer_app.types import FloatArray, WhiskersError
from viewer_app.view import (
    Aim,
    Camera,
    Focus,
    Frame,
    Judge,
    LookAtLane,
    LookAtTrace,
    Seek,
    Separate,
    Show,
    camera_presets,
)

_BUSY_PERIOD, _IDLE_PERIOD = 1 / 60, 1 / 20
"""Time between frames while something moves, and while nothing does. [s]"""
_SLOW_PERIOD, _SLOW_FRAME = 1 / 30, 0.008
"""Time between frames where one takes longer than the second value: software OpenGL shares the processor with physics,
the policy and the pictures. [s]"""
_AWAKE = 0.7
"""How long after the last change the window keeps its full rate. [s]"""
_FIRST_SIGHT = 0.7
"""How near the window first looks, as a share of the overview's distance: the whisker is what people came for."""
_OVERLAY_OF = {
    Action.TOGGLE_WHISKER: "whisker",
    Action.TOGGLE_PHYSICS: "physics",
    Action.TOGGLE_MEMBERS: "members",
    Action.TOGGLE_GHOSTS: "ghosts",
    Action.TOGGLE_PATH: "path",
    Action.TOGGLE_ENSEMBLE: "ensemble",
    Action.TOGGLE_SAMPLES: "samples",
    Action.TOGGLE_INPUTS: "inputs",
    Action.TOGGLE_DENOISING: "denoising",
    Action.TOGGLE_GUIDANCE: "guidance",
    Action.TOGGLE_SHADOW: "shadow",
    Action.TOGGLE_TICKS: "ticks",
    Action.TOGGLE_GRIPPER: "gripper",
    Action.TOGGLE_TARGET: "target",
    Action.TOGGLE_PUSHES: "pushes",
}
"""Action to the field of `OverlayChoice` that it toggles."""
_QUESTION_OF: dict[Action, tuple[Question | None, str]] = {
    Action.ASK_INPUTS: (Ablation(), "inputs"),
    Action.ASK_OCCLUSION: (None, ""),  # one question a camera
    Action.ASK_ATTENTION: (Attention(), ""),
    Action.ASK_SAMPLES: (Samples(), "samples"),
    Action.ASK_ENSEMBLE: (Ensemble(), "ensemble"),
    Action.ASK_DENOISING: (Denoising(), "denoising"),
    Action.ASK_SHADOW: (None, "shadow"),  # one question a lane
    Action.ASK_XRAY: (XRay(), ""),
}
"""Action to its question and to the overlay that draws the answer."""
_SCALES = (0.75, 0.85, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0)


class Window:
    """One window with one session at a time."""

    def __init__(self, files: Files, scale: float) -> None:
        """
        Args:
            files: Where it reads from and writes to.
            scale: Size of the text, 1 for a monitor of 96 dots an inch.
        """
        self._files = files
        self._metrics = Metrics(scale)
        self._requests: deque[Request] = deque()
        self._keyboard = Keyboard()
        self._sides = True
        self._all_lanes = False  # whether the panels' settings are for every lane
        self._settled = False  # whether all that was to load is there
        self._quit = False
        self._mouse: object = None
        self._seen_at = 0.0
        self._usual = 0.0  # duration of a frame, averaged over the last ones [s]
        self._font: Tag | None = None
        self._theme: Tag | None = None
        self._videos = Videos(files.make_exporter(), files)

    def run(self, session: Session, on_frame: OnFrame) -> None:
        """Show a session until the person closes the window. Dear PyGui's viewport must be shown already."""
        dpg.set_viewport_clear_color(list(GROUND))
        self._apply_scale(self._metrics.scale)
        with dpg.handler_registry():
            dpg.add_mouse_wheel_handler(callback=lambda _, clicks: self._deck.wheel(float(clicks)))
        self._begin(session)
        if unfinished := self._files.unfinished():
            self._deck.offer_recovery(unfinished[0])
        last = time.monotonic()
        try:
            while dpg.is_dearpygui_running() and not self._quit:
                begin = time.monotonic()
                frame = self._frame(begin, begin - last)
                dpg.render_dearpygui_frame()
                last = begin
                spent = time.monotonic() - begin
                if not on_frame(spent, frame):
                    break
                self._usual += 0.05 * (spent - self._usual)
                busy = _SLOW_PERIOD if self._usual > _SLOW_FRAME else _BUSY_PERIOD
                period = busy if begin - self._seen_at < _AWAKE else _IDLE_PERIOD
                if spent < period:
                    time.sleep(period - spent)
        finally:
            self._videos.close()
            self._desk.close()

    def _begin(self, session: Session) -> None:
        overview = camera_presets(session.scene.spec.look_at)[0]
        near = replace(overview, distance=_FIRST_SIGHT * overview.distance, label="free")
        self._focus = Focus(camera=near, overlays=session.overlays)
        self._free_camera = self._focus.camera
        self._playback = Playback()
        self._all_lanes = False
        looks = [
            (
                partial(self._point_under, lane),
                partial(self._chunk_under, lane),
                Hand(self._requests.append, lane, partial(self._grab, lane)),
            )
            for lane in range(len(session.lanes))
        ]
        self._deck = Deck(self._requests.append, session.scene, looks)
        self._deck.place(*_inside(), self._metrics, self._sides)
        self._deck.objects.offer_starts(self._files.starts(session.scene))
        self._desk = Desk(session, self._files, self._say)
        if self._desk.loading_sources:
            self._deck.loading.begin(f"Loading {' and '.join(self._desk.loading_sources)}")
        if environment := session.scene.spec.environment:
            # Its package may take longer to import than a person waits for without a word.
            self._say(f"Opening environment {environment}.", False)

    # One frame.

    def _frame(self, now: float, elapsed: float) -> Frame | None:
        dpg.run_callbacks(dpg.get_callback_queue())
        self._deck.place(*_inside(), self._metrics, self._sides)
        loading = self._poll_load()
        actions = self._keys()
        frame = self._desk.frame(self._focus)
        self._settle(settled=frame is not None and not loading)
        if frame is None:
            self._requests.extend(action for action in actions if action is Action.QUIT)
            self._serve_without_view()
            self._deck.messages.update()
            return None
        self._requests.extend(actions)
        while self._requests:
            frame = self._serve(self._requests.popleft(), frame, now)
        frame = self._move(frame, self._playback.pass_time(frame, elapsed, now))
        if self._desk.took_new_trace():
            self._playback.forget()
            self._focus = replace(self._focus, trace=None, step=None)
            frame = self._desk.frame(self._focus) or frame
        playing = self._playback.playing(frame)
        moved = self._desk.ask_for_picture(frame, *self._deck.viewport.size, now)
        self._desk.look_into(frame, playing, now)
        mouse = dpg.get_mouse_pos(local=False)
        busy = any(lane.thinking_since is not None or lane.asking is not None for lane in frame.view.lanes)
        if moved or busy or mouse != self._mouse:
            self._mouse, self._seen_at = mouse, now
        for lane, shown in enumerate(self._desk.new_pictures()):
            self._deck.viewport.show(lane, shown)
            self._seen_at = now
        self._ask_for_cameras()
        self._film(frame, now)
        self._deck.show_checkup(self._desk.checkups.of(frame.lane_number))
        self._deck.update(frame, Transport(playing, self._playback.speed))
        return frame

    def _film(self, frame: Frame, now: float) -> None:
        """Follow what is recorded, ordered and exported."""
        videos, deck = self._videos, self._deck
        videos.watch(self._desk.shots, now)
        for text, bad in videos.poll():
            self._say(text, bad)
        if deck.export_dialog.shown:
            deck.export_dialog.update(frame)
            dialog = deck.export_dialog
            dialog.show(videos.preview(dialog.order, frame, dialog.room, now))
        else:
            videos.rest()
        running = videos.running
        if running is None:
            deck.export_strip.hide()
        else:
            deck.export_strip.update(running.name, running.done, running.total, running.waiting)
            self._seen_at = now
        since = videos.recording_since
        deck.recording_light.update(None if since is None else now - since)

    def _ask_for_cameras(self) -> None:
        """While a policy's cameras are not the scene's, ask which is which."""
        waiting, card = self._desk.unfit, self._deck.camera_map
        if waiting is None:
            return
        if card.shown:
            card.show(self._desk.views)
        else:
            self._deck.open_camera_map(waiting.policy.info, self._desk.views)

    def _poll_load(self) -> bool:
        """Follow what is loading. Returns whether there is something."""
        progress = self._desk.poll()
        if progress is not None:
            self._deck.loading.update(progress.text, progress.fraction)
        else:
            self._deck.loading.end()
        return progress is not None

    def _settle(self, settled: bool) -> None:
        """Once all is loaded, take what is there out of Python's garbage collector.

        It is there to stay: modules, widgets, scenes. To go through it again stops the window for 30 to 90 ms, once in
        about 200 frames.
        """
        if settled and not self._settled:
            gc.collect()
            gc.freeze()
        self._settled = settled

    def _keys(self) -> list[Action]:
        actions = self._keyboard.poll()
        if actions:
            self._seen_at = time.monotonic()
        if self._deck.covered:
            closing = (Action.FREE_CAMERA, Action.HELP, Action.PALETTE)
            if any(action in closing for action in actions):
                self._deck.uncover()
            return [action for action in actions if action is Action.QUIT]
        if self._deck.typing:
            return []
        return actions

    def _point_under(self, lane: int, u: float, v: float) -> FloatArray | None:
        return self._desk.point_at(lane, u, v)

    def _grab(self, lane: int, u: float, v: float) -> Future[Grab | None] | None:
        return self._desk.grab_at(lane, u, v)

    def _chunk_under(self, lane: int, u: float, v: float) -> int | None:
        return self._desk.chunk_at(lane, u, v)

    def _say(self, text: str, bad: bool) -> None:
        self._deck.messages.say(text, bad)
        self._seen_at = time.monotonic()

    # Requests.

    def _serve_without_view(self) -> None:
        """Only what needs no engine: it is still opening."""
        while self._requests:
            request = self._requests.popleft()
            if request is Action.QUIT:
                self._quit = True
            elif request is Action.CANCEL:
                self._desk.cancel(None)

    def _serve(self, request: Request, frame: Frame, now: float) -> Frame:
        try:
            return self._do(request, frame, now)
        except WhiskersError as error:
            self._say(str(error), True)
        except OSError as error:
            self._say(f"That could not be written or read: {error.strerror or error}.", True)
        return frame

    def _do(self, request: Request, frame: Frame, now: float) -> Frame:
        match request:
            case Action():
                return self._act(request, frame, now)
            case SetSpeed(speed):
                return self._move(frame, self._playback.set_speed(frame, speed, now))
            case OpenPath(path):
                self._open(path)
            case Settle(path):
                self._files.settle(Path(path))
            case Seek(step):
                return self._move(frame, self._playback.seek(frame, step, now))
            case LookAtTrace(name):
                return self._look_at_trace(frame, name, now)
            case Aim(camera):
                return self._look(frame, replace(self._focus, camera=camera))
            case Show(overlays):
                return self._look(frame, replace(self._focus, overlays=overlays))
            case Judge(thresholds):
                if frame.view.breakpoints.detectors:
                    self._desk.send(SetBreakpoints(replace(frame.view.breakpoints, thresholds=thresholds)))
                return self._look(frame, replace(self._focus, thresholds=thresholds))
            case LookAtLane(lane):
                return self._look(frame, replace(self._focus, lane=lane))
            case Separate(apart):
                return self._look(frame, replace(self._focus, apart=apart))
            case Mend(finding, lane):
                if self._desk.mend(finding, lane):
                    self._deck.loading.begin("Loading the checkpoint with other statistics")
            case MapCameras(mapping):
                self._desk.map_cameras(mapping)
            case SaveStart(name):
                self._save_start(frame, name)
            case UseStart(name, begin):
                self._use_start(frame, name, begin)
            case AddressLanes(all_lanes):
                self._all_lanes = all_lanes
            case ExportVideo(order):
                self._videos.export(order, frame.view)
            case ExportPlot(plot, suffix, unit):
                self._export(frame, plot, suffix, unit)
            case ShowTab(tab):
                self._deck.show_tab(tab)
            case _:
                self._command(frame, request)
        return self._desk.frame(self._focus) or frame

    def _command(self, frame: Frame, command: Command) -> None:
        if isinstance(command, ResetEpisode):
            self._playback.forget()
        elif len(frame.view.lanes) > 1 and not self._all_lanes and getattr(command, "lane", 0) is None:
            # What is set is set for the lane looked at. A new episode begins in all of them, with the same seed.
            command = replace(command, lane=frame.lane_number)  # type: ignore[arg-type]
        if isinstance(command, MoveObject | Place | Push):
            self._handle(frame, command)
            return
        self._desk.send(command)

    def _handle(self, frame: Frame, command: MoveObject | Place | Push) -> None:
        """Move or push something at the moment looked at: where that is history, in a branch from there."""
        for each in frame.lanes:
            if command.lane in (None, each.lane_number):
                what = replace(command, lane=each.lane_number)
                writing = each.trace is each.lane.now.trace and each.step == each.length
                # While it runs the head is farther than what is looked at, and it is the head that is meant.
                self._desk.send(what if writing else At(each.trace.name, each.step, what))

    def _move(self, frame: Frame, moved: Moved) -> Frame:
        for command in moved.commands:
            self._desk.send(command)
        return self._look(frame, moved.focus)

    def _look(self, frame: Frame, focus: Focus) -> Frame:
        if focus == self._focus:
            return frame
        self._focus = focus
        return self._desk.frame(focus) or frame

    def _look_at_trace(self, frame: Frame, name: str | None, now: float) -> Frame:
        moved = self._playback.pause(frame, now)
        writing = name is None or name == frame.lane.now.trace.name
        focus = replace(moved.focus, trace=None if writing else name, step=None if writing else 0)
        if not writing:
            focus = replace(focus, step=min(frame.clock, frame.lane.snippet(name).length))
        return self._move(frame, Moved(focus, moved.commands))

    def _save_start(self, frame: Frame, name: str) -> None:
        moment = frame.moment
        if moment is None or (moment.trace, moment.step) != (frame.trace, frame.step) or moment.positions is None:
            raise WhiskersError("Where everything is at this step is still being found out; pause and try again.")
        scene = frame.view.scene
        self._say(f"Start positions saved to {self._files.save_start(scene, moment.positions, name)}", False)
        self._deck.objects.offer_starts(self._files.starts(scene))

    def _use_start(self, frame: Frame, name: str, begin: bool) -> None:
        positions = self._files.load_start(frame.view.scene, name) if name else None
        if begin:
            # A new episode begins in all lanes, with the same seed.
            self._desk.send(SetStart(positions))
            self._command(frame, ResetEpisode())
        elif positions is not None:
            self._command(frame, Place(positions))

    def _act(self, action: Action, frame: Frame, now: float) -> Frame:
        play = self._playback
        match action:
            case Action.PLAY:
                return self._move(frame, play.toggle(frame, now))
            case Action.STEP_FORWARD | Action.STEP_BACK:
                return self._move(frame, play.step_by(frame, 1 if action is Action.STEP_FORWARD else -1, now))
            case Action.TEN_FORWARD | Action.TEN_BACK:
                return self._move(frame, play.step_by(frame, 10 if action is Action.TEN_FORWARD else -10, now))
            case Action.EVENT_FORWARD | Action.EVENT_BACK:
                return self._to_event(frame, action is Action.EVENT_FORWARD, now)
            case Action.FIRST | Action.LAST:
                return self._move(frame, play.seek(frame, 0 if action is Action.FIRST else None, now))
            case Action.SLOWER | Action.FASTER:
                return self._move(frame, play.faster(frame, 1 if action is Action.FASTER else -1, now))
            case Action.RESET_EPISODE:
                self._command(frame, ResetEpisode())
            case Action.BRANCH:
                self._branch(frame, now)
            case Action.RESET_LANE:
                self._desk.send(ResetEpisode(lane=frame.lane_number))
            case Action.RESET_POLICY:
                self._command(frame, ResetPolicy())
            case Action.CANCEL:
                self._desk.cancel(frame)
            case Action.NEXT_LANE:
                return self._look(frame, replace(self._focus, lane=(frame.lane_number + 1) % len(frame.lanes)))
            case Action.FIRST_DIVERGENCE:
                return self._to_divergence(frame, now)
            case Action.FREE_CAMERA | Action.PREVIOUS_CAMERA | Action.NEXT_CAMERA:
                return self._look(frame, replace(self._focus, camera=self._camera_for(action, frame)))
            case _ if action in _QUESTION_OF:
                return self._ask(action, frame)
            case _ if action in _OVERLAY_OF:
                return self._toggle(frame, _OVERLAY_OF[action])
            case Action.HELP:
                self._deck.show_help(True)
            case Action.PALETTE:
                self._deck.open_palette()
            case Action.OPEN:
                self._deck.open_open_dialog(self._files.recent())
            case Action.UNDO_MOVE:
                self._desk.send(UndoMove(frame.lane_number))
            case Action.BOOKMARK:
                self._deck.open_bookmarks(frame)
            case Action.EXPORT_JOINTS:
                self._export(frame, "joints", "csv", self._deck.joints.unit.value)
            case Action.EXPORT_FIGURE:
                self._export(frame, "joints", "pdf", self._deck.joints.unit.value)
            case Action.SAVE:
                self._say(f"Saved to {self._files.save(frame.view)}", False)
            case Action.EXPORT_VIDEO:
                self._deck.open_export_dialog(frame, self._videos.new_path(self._deck.export_dialog.file_name))
            case Action.TRY_CHECKPOINT:
                self._desk.try_checkpoint(frame)
            case Action.STOP_TRIAL:
                self._desk.checkups.stop(frame.lane_number)
            case Action.CANCEL_EXPORT:
                self._videos.cancel()
            case Action.RECORD:
                viewport = self._deck.viewport
                scene = frame.view.scene
                self._videos.record(scene, self._desk.shots, viewport.size, viewport.columns, now)
            case Action.SCREENSHOT:
                self._screenshot()
            case Action.QUIT:
                self._quit = True
            case _:
                return self._arrange(action, frame)
        return frame

    def _arrange(self, action: Action, frame: Frame) -> Frame:
        """Actions on the window's own arrangement, and the camera presets."""
        match action:
            case Action.TOGGLE_PANELS:
                self._sides = not self._sides
            case Action.FULLSCREEN:
                dpg.toggle_viewport_fullscreen()
            case Action.LARGER_TEXT | Action.SMALLER_TEXT:
                nearest = min(range(len(_SCALES)), key=lambda rung: abs(_SCALES[rung] - self._metrics.scale))
                rung = nearest + (1 if action is Action.LARGER_TEXT else -1)
                self._apply_scale(_SCALES[min(max(rung, 0), len(_SCALES) - 1)])
            case _ if action in TABS:
                self._deck.show_tab(TABS[action])
            case _ if action in PRESETS:
                presets = camera_presets(frame.view.scene.spec.look_at)
                return self._look(frame, replace(self._focus, camera=presets[PRESETS.index(action)]))
            case _:
                raise NotImplementedError(f"action {action}")
        return frame

    def _to_event(self, frame: Frame, forward: bool, now: float) -> Frame:
        marks = self._deck.timeline.marks
        if marks is None:
            return frame
        step = marks.after(frame.clock) if forward else marks.before(frame.clock)
        if step is None and forward:
            step = frame.reach
        return frame if step is None else self._move(frame, self._playback.seek(frame, step, now))

    def _to_divergence(self, frame: Frame, now: float) -> Frame:
        if len(frame.lanes) == 1:
            raise WhiskersError("There is one lane only; whiskers compare A B shows several.")
        found = [each.first(frame.focus.apart) for each in frame.comparison.divergences] if frame.comparison else []
        steps = [step for step in found if step is not None]
        if not steps:
            raise WhiskersError(f"The lanes have not been {frame.focus.apart:g} mm apart so far.")
        return self._move(frame, self._playback.seek(frame, min(steps), now))

    def _branch(self, frame: Frame, now: float) -> None:
        for command in self._playback.pause(frame, now).commands:
            self._desk.send(command)
        # All lanes leave together, so that they stay comparable.
        self._desk.send(Fork(frame.trace.name, frame.clock, None if len(frame.lanes) > 1 else 0))

    def _camera_for(self, action: Action, frame: Frame) -> Camera:
        camera = self._focus.camera
        if camera.scene_camera is None:
            self._free_camera = camera
        if action is Action.FREE_CAMERA:
            tip = self._desk.centre(frame.lane_number)
            free = self._free_camera
            return replace(free, tracking=False, label="free", look_at=tip if free.tracking and tip else free.look_at)
        names = frame.view.scene.viewing_cameras
        if not names:
            raise WhiskersError(f"Scene {frame.view.scene.name} has no camera to look through.")
        if camera.scene_camera is None:
            at = 0 if action is Action.NEXT_CAMERA else len(names) - 1
        else:
            at = (names.index(camera.scene_camera) + (1 if action is Action.NEXT_CAMERA else -1)) % len(names)
        return Camera(frame.view.scene.spec.look_at, scene_camera=names[at], label=names[at])

    def _ask(self, action: Action, frame: Frame) -> Frame:
        """Ask about the moment looked at, and show the overlay that draws the answer."""
        question, overlay = _QUESTION_OF[action]
        if action is Action.ASK_SHADOW:
            questions: list[Question] = [
                Shadow(lane.lane_number) for lane in frame.lanes if lane is not frame.lanes[frame.lane_number]
            ]
            if not questions:
                raise WhiskersError("There is no other policy; whiskers compare A B opens several.")
        elif question is None:
            cameras = frame.lane.policy.cameras if frame.lane.policy is not None else {}
            questions = [Occlusion(camera) for camera in cameras]
        else:
            questions = [question]
        for each in questions:
            self._desk.send(Ask(each, frame.trace.name, frame.step, frame.lane_number))
        if overlay and not getattr(self._focus.overlays, overlay):
            return self._toggle(frame, overlay)
        return frame

    def _toggle(self, frame: Frame, overlay: str) -> Frame:
        now = self._focus.overlays
        return self._look(frame, replace(self._focus, overlays=now.having(overlay, not getattr(now, overlay))))

    def _open(self, path: str) -> None:
        opened = self._files.open(path)
        if isinstance(opened, Session):
            self._videos.end_recording(time.monotonic())
            self._desk.close()
            self._deck.close()
            # The session that was closed is garbage now, and not to stay.
            gc.unfreeze()
            self._settled = False
            self._begin(opened)
        else:
            self._desk.load(opened, self._focus.lane)
            self._deck.loading.begin(f"Loading {opened.source}")

    def _export(self, frame: Frame, plot: str, suffix: str, unit: str) -> None:
        self._desk.errands.run(figure_errand(self._files, frame, plot, suffix, unit))

    def _screenshot(self) -> None:
        picture = self._desk.picture(self._focus.lane)
        if picture is None:
            raise WhiskersError("There is no picture yet; try again when the scene is shown.")
        self._say(write_picture(self._files, picture.image), False)
        # Dear PyGui writes the window itself with the next frame.
        dpg.output_frame_buffer(str(self._files.new_file("window.png")))

    def _apply_scale(self, scale: float) -> None:
        self._metrics = Metrics(scale)
        old = self._theme
        self._theme = apply_theme(self._metrics)
        if old is not None:
            dpg.delete_item(old)
        font = load_font(self._metrics)
        if font is not None:
            dpg.bind_font(font)
        self._font = font


def _inside() -> tuple[int, int]:
    """Width and height of the window's inside. [px]"""
    return max(int(dpg.get_viewport_client_width()), 200), max(int(dpg.get_viewport_client_height()), 150)
