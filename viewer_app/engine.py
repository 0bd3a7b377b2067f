"""The only writer: takes commands, asks the policy when a chunk is due, steps the world, appends to the trace.

One `tick` at a time, on whatever thread calls it. The engine has no thread, no window and no file format.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import assert_never

import numpy as np

from viewer_app.breakpoints import Breakpoints
from viewer_app.commands import (
    Ask,
    At,
    Bookmark,
    Command,
    Fork,
    MoveObject,
    Pause,
    Place,
    Push,
    ResetEpisode,
    ResetPolicy,
    Run,
    Say,
    SetBlinding,
    SetBreakpoints,
    SetChunking,
    SetDelay,
    SetDenoisingSteps,
    SetGuidance,
    SetPrompt,
    SetResetAtStart,
    SetStart,
    SetStops,
    SetWant,
    Step,
    StopAsking,
    StopPushing,
    UndoMove,
    UsePolicy,
)
from viewer_app.lane import Lane
from viewer_app.questions import Shadow
from viewer_app.scene import Scene
from viewer_app.types import Positions, Want, WhiskersError
from viewer_app.view import View
from viewer_app.watch import Watch


@dataclass
class _Wishes:
    """What the person wants of the coming ticks."""

    running: bool = False
    steps: int = 0
    speed: float = 1.0
    stop_on_outcome: bool = True
    max_steps: int | None = None


Intervention = MoveObject | Place | Push | UndoMove | SetStart | StopPushing | At
"""What changes a world, now or at its next reset."""


class Engine:
    """Lanes in lockstep, driven by commands."""

    def __init__(
        self,
        scene: Scene,
        lanes: Sequence[Lane],
        publish: Callable[[View], None] = lambda view: None,
        want: Want = Want(),  # noqa: B008 (frozen, so it can be shared)
    ) -> None:
        """
        Args:
            scene: Scene of all lanes.
            lanes: At least one.
            publish: Called with a new view whenever something changed, on the thread that ticks.
            want: What to ask policies for besides the chunk.
        """
        self.scene = scene
        self.lanes = tuple(lanes)
        self.want = want
        self._publish = publish
        self._queue: SimpleQueue[Command] = SimpleQueue()
        self._wishes = _Wishes()
        self._message = ""
        self._message_number = 0
        self._pace = 0.0
        self._pace_from: tuple[float, float] | None = None
        self._watch = Watch(scene, Breakpoints())
        self._paused_by = ""
        self.publish()

    def send(self, command: Command) -> None:
        """Ask for something. May be called from any thread; it takes effect at the next tick."""
        self._queue.put(command)

    @property
    def busy(self) -> bool:
        """Whether another tick would take a step, or ask the policy, without being told anything new."""
        return self._stepping or any(lane.inquiries for lane in self.lanes)

    @property
    def _stepping(self) -> bool:
        return self._wishes.running or self._wishes.steps > 0

    @property
    def speed(self) -> float:
        """Simulated seconds per second of wall clock that were asked for."""
        return self._wishes.speed

    def tick(self) -> bool:
        """Take all waiting commands, then at most one control step in every lane and one call of its question.

        Returns:
            Whether a step was taken.
        """
        changed = self._drain()
        stepped = self._stepping and self._step_lanes()
        asked = self._go_on_asking()
        for lane in self.lanes:
            while lane.sayings:
                self._say(lane.sayings.pop(0))
        if changed or stepped or asked:
            self.publish()
        return stepped

    def publish(self) -> None:
        """Show the present state."""
        self._publish(self.view())

    def view(self) -> View:
        return View(
            scene=self.scene,
            lanes=tuple(lane.view() for lane in self.lanes),
            running=self._wishes.running,
            speed=self._wishes.speed,
            pace=self._pace if self._wishes.running else 0.0,
            breakpoints=self._watch.breakpoints,
            paused_by=self._paused_by,
            want=self.want,
            message=self._message,
            message_number=self._message_number,
        )

    def close(self) -> None:
        """Free what the worlds hold, on the thread that ticked."""
        for lane in self.lanes:
            lane.world.close()

    def _drain(self) -> bool:
        changed = False
        while not self._queue.empty():
            command = self._queue.get()
            changed = True
            try:
                self._apply(command)
            except WhiskersError as error:
                self._say(str(error))
        return changed

    def _apply(self, command: Command) -> None:
        match command:
            case Run(speed):
                self._wishes.running, self._wishes.speed = True, speed
                self._pace_from, self._paused_by = None, ""
            case Pause():
                self._pause()
            case Step(count):
                self._wishes.running = False
                self._wishes.steps += count
                self._paused_by = ""
            case ResetEpisode(seed, lane):
                self._paused_by = ""
                for each in self._of(lane):
                    each.reset_episode(seed)
            case ResetPolicy(lane):
                for each in self._of(lane):
                    each.reset_policy()
            case SetResetAtStart(on, lane):
                for each in self._of(lane):
                    text = f"policy reset at episode start {'on' if on else 'off'}"
                    each.change(replace(each.settings, reset_at_start=on), text)
            case Fork(trace, step, lane):
                lanes = self._of(lane)
                for each in [each for each in lanes if each.has(trace, step)] or lanes:
                    each.fork(trace, step)
                self._paused_by = ""
            case SetChunking(chunking, lane):
                for each in self._of(lane):
                    each.set_chunking(chunking)
            case SetDelay(steps, lane):
                for each in self._of(lane):
                    each.set_delay(steps)
            case SetDenoisingSteps(steps, lane):
                for each in self._of(lane):
                    each.set_denoising_steps(steps)
            case SetGuidance(guidance, lane):
                for each in self._of(lane):
                    each.set_guidance(guidance)
            case SetBlinding(_, _, lane):
                for each in self._of(lane):
                    each.blind(command)
            case SetPrompt(text, lane):
                for each in self._of(lane):
                    each.change(replace(each.settings, prompt=text), f"prompt: {text}")
            case MoveObject() | Place() | Push() | UndoMove() | SetStart() | StopPushing() | At():
                self._intervene(command)
            case UsePolicy(policy, lane):
                self._of(lane)[0].use(policy, self._of(lane)[0].trace.seed)
            case SetStops(on_outcome, max_steps):
                self._wishes.stop_on_outcome, self._wishes.max_steps = on_outcome, max_steps
            case SetBreakpoints(breakpoints):
                self._watch = Watch(self.scene, breakpoints)
                for each in self.lanes:
                    self._watch.begin(each.trace)
            case SetWant(want):
                self.want = want
            case Ask(question, trace, step, lane):
                asked = self._of(lane)[0]
                if isinstance(question, Shadow):
                    asked.ask_another(question, trace, step, self._of(question.lane)[0])
                else:
                    asked.ask(trace, step, question)
            case StopAsking(lane):
                for each in self._of(lane):
                    each.inquiries = []
            case Bookmark(trace, step, text, lane):
                self._of(lane)[0].bookmark(trace, step, text)
            case Say(text):
                self._say(text)
            case _:
                assert_never(command)

    def _intervene(self, command: Intervention) -> None:
        """Do something to the worlds."""
        match command:
            case At(trace, step, what):
                for each in self._of(what.lane):
                    if (each.trace.name, len(each.trace)) != (trace, step):
                        each.fork(trace, step)
                self._intervene(what)
            case MoveObject(name, lane=lane):
                for each in self._of(lane):
                    each.place(Positions({name: command.pose}))
            case Place(positions, lane):
                for each in self._of(lane):
                    each.place(positions)
            case UndoMove(lane):
                for each in self._of(lane):
                    each.undo_move()
            case SetStart(positions, lane):
                for each in self._of(lane):
                    each.set_start(positions)
            case Push(body, force, steps, torque, lane):
                for each in self._of(lane):
                    each.push(body, force, torque, steps)
            case StopPushing(lane):
                for each in self._of(lane):
                    each.stop_pushing()
            case _:
                assert_never(command)

    def _of(self, lane: int | None) -> tuple[Lane, ...]:
        if lane is None:
            return self.lanes
        if not 0 <= lane < len(self.lanes):
            raise WhiskersError(f"There is no lane {lane}; there are lanes 0 to {len(self.lanes) - 1}.")
        return (self.lanes[lane],)

    def _step_lanes(self) -> bool:
        """One control step in every lane that still has one to take."""
        wishes = self._wishes
        due = self._due()
        if not due:
            self._pause()
            if all(lane.policy is None for lane in self.lanes):
                self._say("There is no policy to step: open a checkpoint first.")
            self.publish()
            return False
        for lane in due:
            try:
                lane.step(self.want, self.publish)
            except WhiskersError as error:
                self._pause()
                self._say(str(error))
                self.publish()
                return False
            except Exception as error:
                # A policy is other people's code. Whatever it raises, the session goes on at the last good step.
                self._pause()
                self._say(f"The step failed with {type(error).__name__}: {' '.join(str(error).split())[:300]}")
                self.publish()
                return False
        wishes.steps = max(wishes.steps - 1, 0)
        self._measure_pace()
        self._break(due)
        if wishes.running and all(self._stops(lane) for lane in self.lanes if lane.policy is not None):
            self._pause()
        return True

    def _due(self) -> list[Lane]:
        """The lanes that take the next step. A lane that is behind, because it was branched or a step of it failed,
        catches up first; one whose episode is over waits for the others."""
        due = [lane for lane in self.lanes if lane.policy is not None and not self._stops(lane)]
        due = [lane for lane in due if not lane.finished] or due
        least = min((len(lane.trace) for lane in due), default=0)
        return [lane for lane in due if len(lane.trace) == least]

    def _break(self, stepped: Sequence[Lane]) -> None:
        """Pause where a breakpoint's condition came true with the step just taken."""
        reasons = [reason for lane in stepped for reason in self._watch.reasons(lane.trace)]
        if reasons and self._stepping:
            self._pause()
        if reasons:
            self._paused_by = "; ".join(reasons)

    def _go_on_asking(self) -> bool:
        """One policy call for the question of each lane. Returns whether there was one."""
        asked = False
        for lane in self.lanes:
            if not lane.inquiries:
                continue
            asked = True
            try:
                lane.go_on_asking()
            except WhiskersError as error:
                self._say(str(error))
            except Exception as error:  # A policy is other people's code.
                self._say(f"The question failed with {type(error).__name__}: {' '.join(str(error).split())[:300]}")
        return asked

    def _stops(self, lane: Lane) -> bool:
        """Whether a running engine leaves this lane where it is. A single step asked for by hand is always taken."""
        wishes = self._wishes
        if wishes.max_steps is not None and len(lane.trace) >= wishes.max_steps:
            return True
        return wishes.stop_on_outcome and wishes.steps == 0 and lane.finished

    def _pause(self) -> None:
        self._wishes.running = False
        self._wishes.steps = 0
        self._pace_from = None

    def _measure_pace(self) -> None:
        """How fast simulated time passed over about the last second."""
        now = time.monotonic()
        simulated = float(np.asarray(self.lanes[0].trace.column("time"))[-1])
        if self._pace_from is None or simulated < self._pace_from[1]:
            self._pace_from = (now, simulated)
            return
        since, then = self._pace_from
        if now - since >= 1.0:
            self._pace = (simulated - then) / (now - since)
            self._pace_from = (now, simulated)

    def _say(self, text: str) -> None:
        self._message = text
        self._message_number += 1
