"""Where actions would take an environment: rolls of its own code in a scratch twin of its world.

Nothing else says honestly what an environment makes of an action. Rolls take long, so they are remembered, can be
left and gone on with, and are shared by all who look at a scene.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from viewer_app.gym_exactness import exactness_of
from viewer_app.gym_moments import Exactness, Finished, Rolled, key_of, moments_of
from viewer_app.gym_whole import Whole
from viewer_app.gym_world import GymWorld, open_world
from viewer_app.rollout import Pushes
from viewer_app.scene import Scene
from viewer_app.trace import Trace
from viewer_app.types import Float32Array, FloatArray, WhiskersError, frozen

_BEGUN = 64
"""How many unfinished rolls are remembered."""


class Patience:
    """How long whoever draws a picture waits for rolls."""

    def __init__(self, seconds: float | None = None) -> None:
        """
        Args:
            seconds: For each picture; None waits for everything. [s]
        """
        self._seconds = seconds
        self._until = float("inf")
        self._more = 0.0
        self._stop: Callable[[], bool] = _never
        self.begin()

    @property
    def endless(self) -> bool:
        return self._seconds is None

    def grant(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Let the next picture wait longer, while nobody wants anything else.

        Args:
            seconds: How long. [s]
            stop: Asked now and then whether somebody does.
        """
        self._more, self._stop = seconds, stop

    def begin(self) -> None:
        """Another picture."""
        if self._seconds is not None:
            self._until = time.monotonic() + max(self._seconds, self._more)
            self._more = 0.0

    def over(self) -> bool:
        return time.monotonic() > self._until or self._stop()


def _never() -> bool:
    return False


@dataclass
class _Rolling:
    """A roll in progress."""

    actions: Float32Array
    snapshot: FloatArray
    pushes: Pushes
    marks: list[bytes] = field(default_factory=list)
    points: list[FloatArray] = field(default_factory=list)
    turns: list[FloatArray] = field(default_factory=list)
    caveat: str = ""
    left: tuple[FloatArray, Whole] | None = None
    """Where the twin was when it turned to another roll."""
    done: bool = False

    def see(self, world: GymWorld) -> None:
        """Take down where the twin is."""
        points, turns = world.sites()
        self.marks.append(key_of(world.numbers()))
        self.points.append(points)
        self.turns.append(turns)

    def so_far(self) -> Rolled:
        points, turns = np.array(self.points, np.float64), np.array(self.turns, np.float32)
        sites = points.shape[1] if self.points else 0
        rows = len(self.marks)
        return Rolled(
            tuple(self.marks), frozen(points), frozen(turns.reshape(rows, sites, 3, 3)), self.caveat
        )  # (rows, sites, ...)


class Twin:
    """A scratch twin of an environment. One per thread. The environment is opened when it is first needed."""

    def __init__(self, scene: Scene, patience: Patience) -> None:
        """
        Args:
            scene: With an environment.
            patience: Where it is not endless, the environment is opened beside, and rolls are left when it is over.
        """
        self._scene = scene
        self._patience = patience
        self._moments = moments_of(scene)
        self._opening: Future[GymWorld] | None = None
        self._world: GymWorld | None = None
        self._at: _Rolling | None = None
        self._begun: OrderedDict[object, _Rolling] = OrderedDict()
        self.reason = ""
        """Why the environment cannot be opened, empty while it is not known that it cannot."""
        self.unfinished = 0
        """How many rolls that were asked for since `begin` have not come to their end."""
        self.caveat = ""
        """What is approximate about a roll that was asked for since `begin`."""
        self.seconds = 0.0
        """How long rolls took since `begin`. [s]"""

    def begin(self) -> None:
        """Another picture."""
        self._patience.begin()
        self.unfinished, self.caveat, self.seconds = 0, "", 0.0

    @property
    def opening(self) -> bool:
        """Whether the environment is being opened beside."""
        return self._world is None and self._opening is not None and not self._opening.done()

    def know(self, trace: Trace) -> None:
        """Remember that a trace says the way to its moments."""
        self._moments.know(trace)

    @property
    def exactness(self) -> Exactness | None:
        """How exactly the environment can be rewound, None while nobody measured it."""
        return self._moments.exactness

    def prepare(self) -> None:
        """Begin to open the environment beside."""
        if self._opening is None:
            self._opening = _beside(lambda: open_twin(self._scene))

    def roll(self, actions: Float32Array, snapshot: FloatArray, pushes: Pushes = ()) -> Rolled | None:
        """The way from a snapshot under the actions, one control step each, as far as it is known by now.

        It ends early where the environment raises, stops being finite, or begins anew by itself.

        Args:
            actions: As the environment wants them. Shape (H, n).
            snapshot: Where the way begins. Shape (z,).
            pushes: What pushes in each row; of the rows that it leaves out, nothing.

        Returns:
            None where nothing is known yet, or `reason` says why nothing will be.
        """
        pushes = (*pushes, *((),) * (len(actions) - len(pushes)))
        key = (key_of(snapshot), actions.shape, actions.tobytes(), pushes)
        rolled = self._moments.rolls.get(key)
        if rolled is None:
            rolled = self._on_recent(actions, key[0], pushes)
        if rolled is None:
            rolled = self._go_on(key, actions, snapshot, pushes)
        if rolled is None or not rolled.marks:
            # It ended where it was to begin.
            return None
        self.caveat = rolled.caveat or self.caveat
        return rolled

    def _on_recent(self, actions: Float32Array, mark: bytes, pushes: Pushes) -> Rolled | None:
        """The rest of an earlier roll that passed through the moment with these very actions before it."""
        for one in tuple(self._moments.recent):
            behind = len(one.actions) - len(actions)
            if (
                0 <= behind < len(one.rolled.marks)
                and one.rolled.marks[behind] == mark
                and one.pushes[behind:] == pushes
                and np.array_equal(one.actions[behind:], actions)
            ):
                return one.rolled.after(behind)
        return None

    def _go_on(self, key: object, actions: Float32Array, snapshot: FloatArray, pushes: Pushes) -> Rolled | None:
        rolling = self._begun.get(key)
        # In each picture something is gone on with, however little patience there is.
        world = None if self.seconds and self._patience.over() else self._open()
        if world is not None:
            if rolling is None:
                rolling = self._begun[key] = _Rolling(frozen(actions), snapshot, pushes)
            self._begun.move_to_end(key)
            if len(self._begun) > _BEGUN:
                self._begun.popitem(last=False)
            begin = time.monotonic()
            self._roll(world, rolling)
            self.seconds += time.monotonic() - begin
        if rolling is None or not rolling.done:
            self.unfinished += not self.reason
            return rolling.so_far() if rolling is not None and rolling.marks else None
        del self._begun[key]
        rolled = rolling.so_far()
        self._moments.rolls.put(key, rolled, rolled.nbytes)
        self._moments.recent.append(Finished(rolling.actions, pushes, rolled))
        return rolled

    def _roll(self, world: GymWorld, rolling: _Rolling) -> None:
        """Go on with a roll until it ends or the patience does, by one step at least."""
        try:
            if not self._turn_to(world, rolling):
                return
            while len(rolling.marks) <= len(rolling.actions):
                row = len(rolling.marks) - 1
                before = world.time
                world.advance(rolling.actions[row], rolling.pushes[row])
                if world.time <= before:  # it began anew by itself
                    break
                rolling.see(world)
                if self._patience.over():
                    break
            rolling.done = len(rolling.marks) > len(rolling.actions) or world.time <= before
        except WhiskersError:
            rolling.done = True
        if rolling.done:
            self._at = None

    def _turn_to(self, world: GymWorld, rolling: _Rolling) -> bool:
        """Bring the twin to where a roll was left, or begins. Returns whether it is there already."""
        if self._at is rolling:
            return True
        if self._at is not None:
            self._at.left = (world.numbers(), world.whole())
        self._at = None
        if rolling.left is not None:
            world.become(*rolling.left)
        else:
            world.restore(rolling.snapshot)
            if not world.settle(self._patience.over):
                return False
            rolling.caveat = world.caveat
            rolling.see(world)
        self._at = rolling
        return True

    def _open(self) -> GymWorld | None:
        if self._world is not None or self.reason:
            return self._world
        try:
            if self._opening is None and self._patience.endless:
                self._world = open_twin(self._scene)
                return self._world
            self.prepare()
            assert self._opening is not None
            if self._patience.endless or self._opening.done():
                self._world = self._opening.result()
        except WhiskersError as error:
            self.reason = str(error)
        return self._world

    def close(self) -> None:
        """Close the environment."""
        if self._world is not None:
            self._world.close()
        elif self._opening is not None:
            self._opening.add_done_callback(_close)
        self._world = self._opening = None


def open_twin(scene: Scene) -> GymWorld:
    """Open the environment of a scene once more, and measure how exactly it can be rewound, if nobody did.

    Raises:
        WhiskersError: If it cannot be opened.
    """
    world = open_world(scene)
    exactness_of(world)
    return world


def _beside(work: Callable[[], GymWorld]) -> Future[GymWorld]:
    """Do something on a thread that keeps nobody from leaving."""
    future: Future[GymWorld] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="twin", daemon=True).start()
    return future


def _close(opening: Future[GymWorld]) -> None:
    if opening.exception() is None:
        opening.result().close()
