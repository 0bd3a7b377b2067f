"""What stands behind the window: the engine thread, the render thread, and the policies that load and are in use."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from panels.viewport import ShownPicture
from viewer_app.commands import Ask, Command, Run, StopAsking, UsePolicy
from viewer_app.gui.analysis_thread import AnalysisThread, Study
from viewer_app.gui.contracts import LoadProgress, PolicyLoading, Session
from viewer_app.gui.curiosity import Curiosity
from viewer_app.gui.engine_thread import EngineThread
from viewer_app.gui.errands import Errands
from viewer_app.gui.render_thread import Rendered, RenderThread
from viewer_app.render import Picture, Shot
from viewer_app.trace import Trace
from viewer_app.types import FloatArray, Policy, WhiskersError
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

Say = Callable[[str, bool], None]
"""Shows a sentence; the second value says whether it is a complaint."""


class Desk:
    """One session's threads and policies. Used from the window's thread alone."""

    def __init__(self, session: Session, say: Say) -> None:
        self._session = session
        self._say = say
        self._engine = EngineThread(session.open_engine, session.watch)
        self._renderer = RenderThread(session.scene, session.picture_budget)
        self._analysis = AnalysisThread(session.scene)
        self._study: tuple[object, ...] = ()
        self._studied_at = 0.0
        self._curiosity = Curiosity()
        self.errands = Errands()
        self._loading: PolicyLoading | None = None
        self._unused: tuple[PolicyLoading, Policy] | None = None  # loaded, but not yet taken by the engine
        self._used: PolicyLoading | None = None
        self._heard = 0
        self._writing: Trace | None = None
        self._sight: tuple[object, ...] = ()
        self._moved_at = 0.0
        self._coarse = False  # the picture asked for last
        self._slow = False
        self._rendered: Rendered | None = None
        self._complained = ""
        self._engine.start()
        self._renderer.start()
        self._analysis.start()
        if session.policy is not None:
            self.load(session.policy)

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
        asking = view.lanes[0].asking if view is not None else None
        if self._used is not None and asking is not None and time.monotonic() - asking.last > _LONG:
            self._used.cancel()

    def frame(self, focus: Focus) -> Frame | None:
        """What a focus shows now, None while the engine is opening."""
        view = self._engine.view
        if view is None:
            return None
        frame = resolve(view, focus)
        seen = self._renderer.seen
        if seen is not None and seen.trace is frame.trace and seen.step <= frame.length:
            frame = replace(frame, seen=seen.images, seen_step=seen.step)
        moment, episode = self._analysis.moment, self._analysis.episode
        return replace(
            frame,
            moment=moment if moment is not None and moment.trace is frame.trace else None,
            episode=episode if episode is not None and episode.trace is frame.trace else None,
        )

    def took_new_trace(self) -> bool:
        """Whether the engine has begun to write another trace since the last call: a new episode or a branch."""
        view = self._engine.view
        if view is None:
            return False
        now = view.lanes[0].now.trace
        old, self._writing = self._writing, now
        if old is None or now is old:
            return False
        if now.parent is not None:
            self._say(f"Branched at step {now.parent.step}; {now.parent.trace!r} keeps its old future.", False)
        elif len(old):
            self._say(
                f"New episode, seed {now.seed}; {old.name!r} is kept and can be looked at in the list of traces.", False
            )
        return True

    # Policies.

    @property
    def loading_source(self) -> str:
        """What is being loaded, empty where nothing is."""
        return self._loading.source if self._loading is not None else ""

    def load(self, loading: PolicyLoading) -> None:
        """Take over a checkpoint that loads. One that still loads is given up."""
        if self._loading is not None:
            self._loading.cancel()
            self._loading.close()
        self._loading = loading

    def poll(self) -> LoadProgress | None:
        """Hear what the threads and the load have to say. Returns how far the load is, None without one."""
        self._hear()
        if self._loading is None:
            return None
        found = self._loading.poll()
        if isinstance(found, LoadProgress):
            return found
        loading, self._loading = self._loading, None
        if isinstance(found, WhiskersError):
            self._say(str(found), True)
            loading.close()
        else:
            self._unused = (loading, found)
            self._engine.send(UsePolicy(found, 0))
            if self._session.start_running:
                self._engine.send(Run())
        return None

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
        refused = view.message_number != self._heard
        if refused:
            self._heard = view.message_number
            self._say(view.message, True)
        if self._unused is not None:
            loading, policy = self._unused
            if view.lanes[0].policy is policy.info:
                self._unused = None
                if self._used is not None:
                    self._used.close()
                self._used = loading
                self._say(f"Loaded {policy.info.name}.", False)
            elif refused:
                self._unused = None
                loading.close()

    def cancel(self, frame: Frame | None) -> None:
        """Stop the load, the policy call in progress, or the question."""
        if self._loading is not None:
            self._loading.cancel()
        elif frame is not None and frame.lane.thinking_since is not None:
            if self._used is not None:
                self._used.cancel()
        elif frame is not None and frame.lane.asking is not None:
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
        key = (frame.trace, frame.length, frame.step, events, choice, answers, frame.focus.thresholds, playing)
        if key != self._study or (self._stale(frame) and now - self._studied_at > _AGAIN):
            self._study, self._studied_at = key, now
            thresholds = frame.focus.thresholds
            self._analysis.want(
                Study(frame.trace, frame.length, frame.step, events, choice, answers, thresholds, playing)
            )
        question = self._curiosity.wish(frame, 0.0 if playing else now - self._moved_at)
        if question is not None:
            self._engine.send(question)

    def _stale(self, frame: Frame) -> bool:
        moment, episode = frame.moment, frame.episode
        return moment is None or moment.step != frame.step or episode is None or episode.length != frame.length

    # Pictures.

    def ask_for_picture(self, frame: Frame, width: int, height: int, now: float) -> bool:
        """Ask for the picture of a frame, if it is another one than asked for before. Returns whether it is.

        Where pictures take long, as in software OpenGL on a large window, they are coarser while something moves.

        Args:
            frame: What to show.
            width: Of the finished picture. [px]
            height: Of the finished picture. [px]
            now: Wall clock. [s]
        """
        moment = (id(frame.trace), frame.step, len(frame.trace.events) if frame.step == frame.length else 0)
        sight = (moment, frame.lane.answers, frame.focus.camera, frame.focus.overlays, width, height)
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
        answers = frame.lane.answers
        self._renderer.want(
            Shot(frame.trace, frame.length, frame.step, focus.camera, focus.overlays, width, height, answers)
        )
        return moved

    def new_picture(self) -> ShownPicture | None:
        """The latest picture, if it was not handed out before."""
        rendered = self._renderer.rendered
        if rendered is None or rendered is self._rendered:
            return None
        self._rendered = rendered
        if not self._coarse:
            self._slow = rendered.seconds > _SLOW
        return rendered.shown

    @property
    def picture(self) -> Picture | None:
        """The picture handed out last."""
        return self._rendered.picture if self._rendered is not None else None

    @property
    def centre(self) -> tuple[float, float, float] | None:
        """What the camera of that picture looked at. [m]"""
        return self._rendered.shown.centre if self._rendered is not None else None

    def point_at(self, u: float, v: float) -> FloatArray | None:
        """World point at a pixel of that picture. Shape (3,). [m]"""
        return self._rendered.picture.point_at(u, v) if self._rendered is not None else None

    def chunk_at(self, u: float, v: float) -> int | None:
        """Control step of the chunk whose whisker lies under a pixel of that picture."""
        return self._rendered.picture.chunk_at(u, v) if self._rendered is not None else None

    def close(self) -> None:
        """End the threads, which free their OpenGL objects, then the policies."""
        policies = [self._loading, self._used, self._unused[0] if self._unused is not None else None]
        for each in policies:
            if each is not None:
                each.cancel()
        self._engine.stop()
        self._renderer.stop()
        self._analysis.stop()
        self.errands.close()
        for each in policies:
            if each is not None:
                each.close()
