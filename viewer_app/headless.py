"""The loop without a window: the same engine, as fast as it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from viewer_app.closed_world import ClosedWorld
from viewer_app.commands import Ask, ResetEpisode, Run
from viewer_app.engine import Engine
from viewer_app.gym_world import open_world
from viewer_app.lane import Lane
from viewer_app.lane_settings import LaneCommand, in_lane
from viewer_app.questions import Answer, Occlusion, Question
from viewer_app.render import PolicyCameras
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import FloatArray, ImageArray, Policy, Positions, WhiskersError, World
from viewer_app.view import View
from viewer_app.world import MujocoWorld, Pictures


@dataclass(frozen=True)
class Episode:
    """How one episode ended."""

    trace: Trace
    complaint: str = ""
    """What stopped it before it had an outcome, empty where nothing did."""

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
    return open_lanes(scene, (policy,), seed, publish)


def open_lanes(
    scene: Scene,
    policies: Sequence[Policy | None],
    seed: int,
    publish: Callable[[View], None] = lambda view: None,
    start: Positions | None = None,
) -> Engine:
    """An engine with a lane of a MuJoCo scene for each policy. The calling thread must also tick and close it.

    The lanes' cameras are rendered in one OpenGL context, which the first lane's world owns.

    Args:
        scene: Of all lanes.
        policies: What drives each lane; None for a lane that gets its policy later. The same policy may drive several.
        seed: Of the first episode.
        publish: See `Engine`.
        start: Where all episodes begin; None leaves it to the seed.

    Raises:
        WhiskersError: If a policy does not fit the scene.
    """
    cameras = PolicyCameras(scene)
    lent = _Lent(cameras)
    try:
        lanes = [
            Lane(scene, _world(scene, lent if number else cameras, policy is not None), policy, seed)
            for number, policy in enumerate(policies)
        ]
        for lane in lanes if start is not None else ():
            lane.set_start(start)
            lane.reset_episode(seed)
    except WhiskersError:
        cameras.close()
        raise
    return Engine(scene, lanes, publish)


def _world(scene: Scene, pictures: Pictures, driven: bool) -> World:
    """What steps a scene.

    Raises:
        WhiskersError: If it is an environment that cannot be opened, and something is to drive it.
    """
    if not scene.spec.environment:
        return MujocoWorld(scene, pictures)
    try:
        return open_world(scene, pictures)
    except WhiskersError as error:
        if driven:
            raise
        # A recording can be looked at without the package that it was made with.
        return ClosedWorld(scene, pictures, error)


class _Lent:
    """Pictures for the world of a further lane, which does not close what is not its own."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def pictures(self, snapshot: FloatArray, cameras: Sequence[str]) -> Mapping[str, ImageArray]:
        return self._pictures.pictures(snapshot, cameras)

    def close(self) -> None:
        """Nothing: the owner closes them."""


def run_episode(
    engine: Engine, seed: int, setup: Sequence[LaneCommand] = (), watch: Callable[[Trace], None] = lambda trace: None
) -> Episode:
    """Run one episode to its outcome.

    Args:
        engine: With one lane.
        seed: Of the episode.
        setup: What to set before it, for example an execution mode.
        watch: Called after every step.

    Raises:
        WhiskersError: If the engine paused with a complaint before the episode had an outcome.
    """
    (episode,) = run_lanes(engine, seed, (setup,), watch=lambda: watch(engine.lanes[0].trace))
    if episode.complaint:
        raise WhiskersError(f"Episode of seed {seed}, step {episode.steps}: {episode.complaint}")
    return episode


def run_lanes(
    engine: Engine,
    seed: int,
    setups: Sequence[Sequence[LaneCommand]] = (),
    watch: Callable[[], None] = lambda: None,
) -> tuple[Episode, ...]:
    """Run one episode in every lane, in lockstep, each to its own outcome. A lane that fails stops none of the others.

    Args:
        engine: Not running.
        seed: Of the episode, the same in all lanes.
        setups: What to set in each lane before it. In force, and recorded, from its first step on.
        watch: Called after every step.

    Returns:
        One episode a lane. Where a lane failed, what it complained of.

    Raises:
        WhiskersError: If something cannot be set.
    """
    _begin(engine, seed, setups)
    complaints = ["" for _ in engine.lanes]
    policies = [lane.policy for lane in engine.lanes]
    try:
        while failed := _run_until_failure(engine, watch):
            number, complaint = failed
            complaints[number] = complaint
            # The engine leaves a lane alone that nothing drives.
            engine.lanes[number].policy = None
            if all(lane.policy is None for lane in engine.lanes):
                break
    finally:
        for lane, policy in zip(engine.lanes, policies, strict=True):
            lane.policy = policy
    return tuple(Episode(lane.trace, said) for lane, said in zip(engine.lanes, complaints, strict=True))


def _begin(engine: Engine, seed: int, setups: Sequence[Sequence[LaneCommand]]) -> None:
    """Begin the episode with everything set."""
    said = engine.view().message_number
    engine.send(ResetEpisode(seed))
    for number, setup in enumerate(setups):
        for command in setup:
            engine.send(in_lane(command, number))
    # Once more, so that the episode begins so, and has not been changed at its first step: an episode is then the same
    # whichever of a batch it is.
    engine.send(ResetEpisode(seed))
    engine.tick()
    view = engine.view()
    if view.message_number > said:
        raise WhiskersError(view.message)


def _run_until_failure(engine: Engine, watch: Callable[[], None]) -> tuple[int, str] | None:
    """The lane that could not take its next step, and what it complained of; None once all have come to their end."""
    said = engine.view().message_number
    engine.send(Run())
    while engine.tick():
        watch()
    view = engine.view()
    # The lanes are stepped in order and in lockstep, so the first of those that are behind is the one that failed.
    behind = [number for number, lane in enumerate(engine.lanes) if lane.policy is not None and not lane.finished]
    if view.message_number == said or not behind:
        return None
    return min(behind, key=lambda number: len(engine.lanes[number].trace)), view.message


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
