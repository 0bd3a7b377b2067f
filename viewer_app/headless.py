"""The loop without a window: the same engine, as fast as it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from viewer_app.commands import Ask, Command, ResetEpisode, Run
from viewer_app.engine import Engine
from viewer_app.lane import Lane
from viewer_app.questions import Answer, Occlusion, Question
from viewer_app.render import PolicyCameras
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import Policy, WhiskersError
from viewer_app.view import View
from viewer_app.world import MujocoWorld


@dataclass(frozen=True)
class Episode:
    """How one episode ended."""

    trace: Trace

    @property
    def seed(self) -> int:
        return self.trace.seed

    @property
    def steps(self) -> int:
        return len(self.trace)

    @property
    def outcome(self) -> str:
        """Empty where the episode was cut short."""
        return self.trace.outcome(len(self.trace))

    @property
    def success(self) -> bool:
        return self.outcome == "success"


def open_engine(
    scene: Scene, policy: Policy | None, seed: int, publish: Callable[[View], None] = lambda view: None
) -> Engine:
    """An engine with one lane of a MuJoCo scene, on the calling thread, which must also tick and close it.

    Raises:
        WhiskersError: If the policy does not fit the scene.
    """
    cameras = PolicyCameras(scene)
    try:
        lane = Lane(scene, MujocoWorld(scene, cameras), policy, seed)
    except WhiskersError:
        cameras.close()
        raise
    return Engine(scene, (lane,), publish)


def run_episode(
    engine: Engine, seed: int, setup: tuple[Command, ...] = (), watch: Callable[[Trace], None] = lambda trace: None
) -> Episode:
    """Run one episode to its outcome.

    Args:
        engine: With one lane.
        seed: Of the episode.
        setup: Commands to send after the reset, for example an execution mode.
        watch: Called after every step.

    Raises:
        WhiskersError: If the engine paused with a complaint before the episode had an outcome.
    """
    lane = engine.lanes[0]
    engine.send(ResetEpisode(seed))
    for command in setup:
        engine.send(command)
    engine.send(Run())
    said = engine.view().message_number
    while engine.tick():
        watch(lane.trace)
    view = engine.view()
    if view.message_number > said and not lane.finished:
        raise WhiskersError(f"Episode of seed {seed}, step {len(lane.trace)}: {view.message}")
    return Episode(lane.trace)


def ask(engine: Engine, question: Question, step: int | None = None, trace: Trace | None = None) -> Answer:
    """Ask the policy about a moment, and wait for the answer. It is in `lane.answers` too, for whoever draws.

    Args:
        engine: With one lane, not running.
        question: What is asked.
        step: About which moment; None is the newest.
        trace: Of which trace of the session; None is the one being written.

    Raises:
        WhiskersError: If it cannot be asked, or the policy refuses.
    """
    lane = engine.lanes[0]
    trace = lane.trace if trace is None else trace
    step = len(trace) if step is None else step
    said = engine.view().message_number
    engine.send(Ask(question, trace.name, step))
    engine.tick()
    while lane.inquiries:
        engine.tick()
    view = engine.view()
    camera = question.camera if isinstance(question, Occlusion) else ""
    answer = lane.answers.to(type(question), trace, step, camera)
    if answer is None or view.message_number > said:
        raise WhiskersError(view.message)
    return answer
