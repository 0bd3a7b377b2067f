"""What stands behind the window: the engine thread, the render thread, and the policies that load and are in use."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from panels.pane import ShownPicture
from viewer_app.camera_map import MappedPolicy, check_mapping
from viewer_app.camera_names import CameraMapping
from viewer_app.commands import Ask, Command, Run, SetChunking, SetPrompt, StopAsking
from viewer_app.doctor.checkup import Order
from viewer_app.doctor.finding import Finding
from viewer_app.fit import CamerasDifferError, check_fit
from viewer_app.grab import Grab, grab
from viewer_app.gui.analysis_thread import AnalysisThread, Study
from viewer_app.gui.checkups import Checkups
from viewer_app.gui.contracts import Files, LoadProgress, PolicyLoading, Session
from viewer_app.gui.curiosity import Curiosity
from viewer_app.gui.engine_thread import EngineThread
from viewer_app.gui.errands import Errands
from viewer_app.gui.render_thread import Rendered, RenderThread, Scenery
from viewer_app.gui.seat import Seat
from viewer_app.gym_moments import moments_of
from viewer_app.insight import Comparison
from viewer_app.mending import mended
from viewer_app.mends import Mends
from viewer_app.questions import Shadow
from viewer_app.render import Picture, Shot
from viewer_app.trace import Trace
from viewer_app.types import FloatArray, ImageArray, Policy, PolicyInfo, WhiskersError
from viewer_app.view import Focus, Frame, resolve

_SLOW = 0.045
"""A picture that takes longer at full size is made coarser while something moves. [s]"""
_COARSE = 0.6
"""Width and height of a coarse picture, as a share of the full ones."""
_STILL = 0.3
"""How long nothing must move before the full picture is made. [s]"""
_AGAIN = 0.2
"""How long to wait before figures that lag are asked for again. [s]"""
_LONG = 1.0
"""A policy call of a question that takes longer than this is not waited for when the question is stopped. [s]"""


@dataclass(frozen=True)
class Unfit:
    """A loaded policy whose cameras are not the scene's."""

    seat: Seat
    policy: Policy


Say = Callable[[str, bool], None]
"""Shows a sentence; the second value says whether it is a complaint."""


class Desk:
    """One session's threads and policies. Used from the window's thread alone."""

    def __init__(self, session: Session, files: Files, say: Say) -> None:
        self._session = session
        self._files = files
        self._say = say
        self._unfit: list[Unfit] = []
        self._sources: dict[int, str] = {}
        self._engine = EngineThread(session.open_engine, session.watch)
        self._renderer = RenderThread(session.scene, session.picture_budget)
        self._analysis = AnalysisThread(session.scene)
        self._study: tuple[object, ...] = ()
        self._studied_at = 0.0
        self._curiosity = Curiosity()
        self.errands = Errands()
        self.checkups = Checkups(files, session.scene)
        self._finder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="finder")
        self._seats = [Seat(lane, start) for lane, start in enumerate(session.lanes)]
        self._to_start = session.start_running
        self._heard = 0
        self._writing: tuple[Trace, ...] = ()
        self._sight: tuple[object, ...] = ()
        self._moved_at = 0.0
        self._coarse = False  # the picture asked for last
        self._slow = False
        self._rendered: tuple[Rendered, ...] = ()
        self.shots: tuple[Shot, ...] = ()
        """What is looked at: one for each lane, asked of the render thread last."""
        self._complained = ""
        self._told_exactness = False
        self._engine.start()
        self._renderer.start()
        self._analysis.start()

    # The engine.

    def send(self, command: Command) -> None:
        if isinstance(command, Ask):
            self._curiosity.heard(command)
        self._engine.send(command)
        if isinstance(command, StopAsking):
            self._leave_call()

    def _leave_call(self) -> None:
        """End the policy call of a question that was stopped, if it takes long: only its process can be stopped."""
        view = self._engine.view
        for number, lane in enumerate(view.lanes if view is not None else ()):
            asking = lane.asking
            if asking is not None and time.monotonic() - asking.last > _LONG:
                asked = asking.question.lane if isinstance(asking.question, Shadow) else number
                self._seats[asked].cancel_call()

    def frame(self, focus: Focus) -> Frame | None:
        """What a focus shows now, None while the engine is opening."""
        view = self._engine.view
        if view is None:
            return None
        frame = resolve(view, focus)
        lanes = tuple(replace(lane, call=seat.call) for lane, seat in zip(frame.lanes, self._seats, strict=True))
        frame = replace(frame, lanes=lanes, call=self._seats[frame.lane_number].call)
        seen = self._renderer.seen
        if seen is not None and seen.trace is frame.trace and seen.step <= frame.length:
            frame = replace(frame, seen=seen.images, seen_step=seen.step)
        moment, episode = self._analysis.moment, self._analysis.episode
        return replace(
            frame,
            moment=moment if moment is not None and moment.trace is frame.trace else None,
            episode=episode if episode is not None and episode.trace is frame.trace else None,
            comparison=self._comparison_of(frame),
        )

    def _comparison_of(self, frame: Frame) -> Comparison | None:
        compared = self._analysis.compared
        traces = [lane.trace for lane in frame.lanes]
        if compared is None or [trace for trace, _ in compared.lanes] != traces:
            return None
        return compared.comparison

    def took_new_trace(self) -> bool:
        """Whether the engine has begun to write another trace since the last call: a new episode or a branch."""
        view = self._engine.view
        if view is None:
            return False
        writing = tuple(lane.now.trace for lane in view.lanes)
        before, self._writing = self._writing, writing
        begun = [(old, now) for old, now in zip(before, writing, strict=False) if now is not old]
        if not begun:
            return False
        old, now = begun[0]
        if now.parent is not None:
            self._say(f"Branched at step {now.parent.step}; {now.parent.trace!r} keeps its old future.", False)
        elif len(old):
            self._say(
                f"New episode, seed {now.seed}; {old.name!r} is kept and can be looked at in the list of traces.", False
            )
        return True

    # Policies.

    @property
    def loading_sources(self) -> tuple[str, ...]:
        """What is being loaded."""
        return tuple(seat.source for seat in self._seats if seat.source)

    def load(self, loading: PolicyLoading, lane: int) -> None:
        """Take over a checkpoint that loads, for a lane."""
        self._seats[lane].load(loading)

    def poll(self) -> LoadProgress | None:
        """Hear what the threads and the loads have to say. Returns how far the loads are, None without any."""
        self._hear()
        waiting: list[LoadProgress] = []
        self.checkups.poll()
        for lane, seat in enumerate(self._seats):
            source = seat.source
            found = seat.poll()
            if isinstance(found, LoadProgress):
                waiting.append(found)
                continue
            if found is not None:
                self._sources[lane] = source
            if isinstance(found, WhiskersError):
                self._say(str(found), True)
                self._examine(lane, None)
            elif found is not None:
                self._fit(seat, found)
        if self._to_start and all(seat.settled for seat in self._seats) and self._view_has_policies():
            self._to_start = False
            self._engine.send(Run())
        if not waiting:
            return None
        done = len(self._seats) - len(waiting)
        fraction = (done + sum(each.fraction for each in waiting)) / len(self._seats)
        return LoadProgress(waiting[0].text, fraction if len(self._seats) > 1 else waiting[0].fraction)

    def _view_has_policies(self) -> bool:
        view = self._engine.view
        return view is not None and any(lane.policy is not None for lane in view.lanes)

    def _hear(self) -> None:
        for text, bad in self.errands.finished():
            self._say(text, bad)
        for failure in (self._engine.failure, self._renderer.failure, self._analysis.failure):
            if failure and failure != self._complained:
                self._complained = failure
                self._say(failure, True)
        view = self._engine.view
        if view is None:
            return
        if view.message_number != self._heard:
            self._heard = view.message_number
            self._say(view.message, True)
        scene = self._session.scene
        exactness = moments_of(scene).exactness if scene.spec.environment and not self._told_exactness else None
        if exactness is not None:
            self._told_exactness = True
            self._say(f"Environment {scene.spec.environment}: {exactness}.", exactness.remembered > 0)
        for seat in self._seats:
            policy = seat.taken(view)
            if policy is not None:
                self._set_up(seat, policy)

    def _fit(self, seat: Seat, policy: Policy) -> None:
        """Offer a policy to the engine if it fits the scene, or once it is known what its cameras are to be shown."""
        scene, lane = self._session.scene, self._seats.index(seat)
        try:
            policy = mended(policy, seat.start.mends(), scene)
            info = policy.info
            mapping = seat.start.cameras(info)
            if mapping is None:
                check_fit(info, scene)
        except CamerasDifferError as error:
            mapping = self._recalled(error.info)
            if mapping is None:
                self._examine(lane, None)
                self._unfit.append(Unfit(seat, policy))
                self._say(str(error), True)
                return
        except WhiskersError as error:
            self._say(str(error), True)
            seat.refuse()
            self._examine(lane, None)
            return
        self._offer(seat, policy, mapping)

    def _recalled(self, info: PolicyInfo) -> CameraMapping | None:
        """What was said about these cameras the last time, as far as it still holds."""
        mapping = self._files.recall_cameras(info, self._session.scene, lambda text: self._say(text, True))
        if mapping is None:
            return None
        try:
            check_mapping(mapping, info, self._session.scene)
        except WhiskersError:
            return None
        return mapping

    def _offer(self, seat: Seat, policy: Policy, mapping: CameraMapping | None) -> None:
        if mapping is not None:
            try:
                policy = MappedPolicy(policy, mapping, self._session.scene)
            except WhiskersError as error:
                self._say(str(error), True)
                seat.refuse()
                return
        self._examine(self._seats.index(seat), mapping)
        self._engine.send(seat.offer(policy))

    # The doctor.

    def _examine(self, lane: int, mapping: CameraMapping | None) -> None:
        """Have the doctor look at the files of a lane's checkpoint, as it is mended and mapped."""
        try:
            mends = self._seats[lane].start.mends()
        except WhiskersError:  # It was said where the checkpoint was to be fitted.
            mends = Mends()
        shown = None if mapping is None else dict(mapping)
        order = Order(self._sources[lane], str(self._session.scene.path), shown, mends)
        self.checkups.look(lane, order)

    def try_checkpoint(self, frame: Frame) -> None:
        """Have the doctor try the checkpoint of the lane looked at."""
        self.checkups.attempt(frame.lane_number, frame.lane.settings.prompt)

    def mend(self, finding: Finding, lane: int) -> bool:
        """Mend what the doctor found, for this session. Returns whether a checkpoint loads for that.

        Raises:
            WhiskersError: If it cannot be mended so.
        """
        cure, seat = finding.cure, self._seats[lane]
        if cure is None:
            return False
        if cure.chunking is not None:
            self.send(SetChunking(cure.chunking, lane))
            self.checkups.cured(lane, finding, cure.label)
        elif cure.prompt:
            self.send(SetPrompt(cure.prompt, lane))
            self.checkups.cured(lane, finding, cure.label)
        elif cure.cameras:
            self._ask_which_camera(seat)
        elif cure.mends is not None:
            return self._mend_with(seat, lane, cure.mends)
        return False

    def _ask_which_camera(self, seat: Seat) -> None:
        if any(each.seat is seat for each in self._unfit):
            return  # It is being asked.
        policy = seat.take_again()
        if policy is None:
            raise WhiskersError("There is no policy whose cameras could be chosen; wait until it is loaded.")
        self._unfit.append(Unfit(seat, mended(policy, seat.start.mends(), self._session.scene)))

    def _mend_with(self, seat: Seat, lane: int, mends: Mends) -> bool:
        before = seat.start.mends()
        after = before.and_then(mends)
        if after.statistics == before.statistics:
            policy = seat.take_again()
            if policy is None:
                raise WhiskersError("There is no policy to be mended; wait until it is loaded.")
            seat.start = replace(seat.start, mends=lambda: after)
            self._fit(seat, policy)
            return False
        loading, start = self._files.load_checkpoint(self._sources[lane], after), seat.start
        seat.load(loading)
        seat.start = replace(start, policy=loading, mends=lambda: after)
        return True

    @property
    def unfit(self) -> Unfit | None:
        """A policy whose cameras are not the scene's, and that waits for someone to say which is which."""
        return self._unfit[0] if self._unfit else None

    @property
    def views(self) -> Mapping[str, ImageArray]:
        """What the scene's cameras showed lately, while somebody has to say which is which."""
        return self._renderer.views

    def map_cameras(self, mapping: CameraMapping | None) -> None:
        """Say what the cameras of the policy that waits are to be shown; None gives it up."""
        if not self._unfit:
            return
        waiting = self._unfit.pop(0)
        if mapping is None:
            waiting.seat.refuse()
            self._say(f"{waiting.policy.info.name} was not taken.", False)
            return
        info, scene = waiting.policy.info, self._session.scene
        self._files.remember_cameras(info, scene, mapping, lambda text: self._say(text, True))
        self._offer(waiting.seat, waiting.policy, mapping)

    def _set_up(self, seat: Seat, policy: Policy) -> None:
        self._say(f"Loaded {policy.info.name}.", False)
        try:
            commands = seat.setup(policy)
        except WhiskersError as error:
            self._say(str(error), True)
            return
        for command in commands:
            self._engine.send(command)

    def cancel(self, frame: Frame | None) -> None:
        """Stop the loads, the policy call in progress, or the question."""
        stopped = [seat.cancel_load() for seat in self._seats]
        if any(stopped) or frame is None:
            return
        thinking = [seat for seat, lane in zip(self._seats, frame.view.lanes, strict=True) if lane.thinking_since]
        for seat in thinking:
            seat.cancel_call()
        if not thinking and any(lane.asking is not None for lane in frame.view.lanes):
            self.send(StopAsking())

    # Figures and questions.

    def look_into(self, frame: Frame, playing: bool, now: float) -> None:
        """Have the figures of a frame computed, and ask the policy what the overlays that are on need to know.

        Args:
            frame: What is looked at.
            playing: Whether time passes.
            now: Wall clock. [s]
        """
        events, choice, answers = len(frame.trace.events), frame.focus.overlays, frame.lane.answers
        lanes = tuple((lane.trace, lane.length) for lane in frame.lanes)
        key = (
            frame.trace,
            frame.length,
            frame.step,
            events,
            choice,
            answers,
            frame.focus.thresholds,
            playing,
            lanes,
            frame.clock,
        )
        if key != self._study or (self._stale(frame) and now - self._studied_at > _AGAIN):
            self._study, self._studied_at = key, now
            thresholds = frame.focus.thresholds
            self._analysis.want(
                Study(
                    frame.trace,
                    frame.length,
                    frame.step,
                    events,
                    choice,
                    answers,
                    thresholds,
                    playing,
                    lanes,
                    frame.clock,
                )
            )
        question = self._curiosity.wish(frame, 0.0 if playing else now - self._moved_at)
        if question is not None:
            self._engine.send(question)

    def _stale(self, frame: Frame) -> bool:
        moment, episode = frame.moment, frame.episode
        compared = self._analysis.compared
        lanes = tuple((lane.trace, lane.length) for lane in frame.lanes)
        behind = len(lanes) > 1 and (compared is None or (compared.lanes, compared.clock) != (lanes, frame.clock))
        stale = moment is None or moment.step != frame.step or episode is None or episode.length != frame.length
        return stale or behind

    # Pictures.

    def ask_for_picture(self, frame: Frame, width: int, height: int, now: float) -> bool:
        """Ask for the picture of a frame, if it is another one than asked for before. Returns whether it is.

        Where pictures take long, as in software OpenGL on a large window, they are coarser while something moves.

        Args:
            frame: What to show.
            width: Of each lane's finished picture. [px]
            height: Of each lane's finished picture. [px]
            now: Wall clock. [s]
        """
        moments = tuple(
            (lane.trace, lane.step, len(lane.trace.events) if lane.step == lane.length else 0, lane.lane.answers)
            for lane in frame.lanes
        )
        sight = (moments, frame.lane_number, frame.focus.camera, frame.focus.overlays, width, height, self.unfit)
        moved = sight != self._sight
        if moved:
            self._sight, self._moved_at = sight, now
        coarse = self._slow and now - self._moved_at < _STILL
        if not moved and (coarse or not self._coarse):
            return False
        self._coarse = coarse
        if coarse:
            width, height = round(width * _COARSE), round(height * _COARSE)
        focus = frame.focus
        shots = tuple(
            Shot(lane.trace, lane.length, lane.step, focus.camera, focus.overlays, width, height, lane.lane.answers)
            for lane in frame.lanes
        )
        self._renderer.want(Scenery(shots, frame.lane_number, views=self.unfit is not None))
        self.shots = shots
        return moved

    def new_pictures(self) -> tuple[ShownPicture, ...]:
        """The latest picture of each lane; none if they were handed out before."""
        rendered = self._renderer.rendered
        if rendered is self._rendered:
            return ()
        self._rendered = rendered
        if not self._coarse:
            self._slow = sum(each.seconds for each in rendered) > _SLOW
        return tuple(each.shown for each in rendered)

    def picture(self, lane: int) -> Picture | None:
        """The picture of a lane that was handed out last."""
        return self._rendered[lane].picture if self._rendered else None

    def centre(self, lane: int) -> tuple[float, float, float] | None:
        """What the camera of that picture looked at. [m]"""
        return self._rendered[lane].shown.centre if self._rendered else None

    def point_at(self, lane: int, u: float, v: float) -> FloatArray | None:
        """World point at a pixel of that picture. Shape (3,). [m]"""
        picture = self.picture(lane)
        return picture.point_at(u, v) if picture is not None else None

    def grab_at(self, lane: int, u: float, v: float) -> Future[Grab | None] | None:
        """Find out, on a thread of its own, which body lies at a pixel of that picture; None without a picture."""
        picture = self.picture(lane)
        return self._finder.submit(grab, picture, u, v) if picture is not None else None

    def chunk_at(self, lane: int, u: float, v: float) -> int | None:
        """Control step of the chunk whose whisker lies under a pixel of that picture."""
        picture = self.picture(lane)
        return picture.chunk_at(u, v) if picture is not None else None

    def close(self) -> None:
        """End the threads, which free their OpenGL objects, then the policies."""
        for seat in self._seats:
            seat.cancel()
        self._engine.stop()
        self._renderer.stop()
        self._analysis.stop()
        self.errands.close()
        self.checkups.close()
        self._finder.shutdown(wait=True, cancel_futures=True)
        for seat in self._seats:
            seat.close()
