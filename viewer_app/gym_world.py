"""A Gymnasium environment as a World: stepped by its own code, rewound from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import mujoco
import numpy as np

from viewer_app.gym_environment import Environment
from viewer_app.gym_moments import Moments, key_of, moments_of
from viewer_app.gym_recall import go
from viewer_app.gym_seen import Seen
from viewer_app.gym_whole import Keeper, Whole
from viewer_app.movable import check_movable, pushed, put
from viewer_app.scene import Scene
from viewer_app.snapshots import STATE_SPEC, give_looks, looks_of, physics_of, take_looks
from viewer_app.task import PROGRESS_SIZE
from viewer_app.types import (
    Float32Array,
    FloatArray,
    Force,
    ImageArray,
    Observation,
    PhysicsError,
    Positions,
    Readings,
    WhiskersError,
)
from viewer_app.world import Pictures, pictures_by

_OUTCOMES = ("", "success", "timeout", "ended")
"""`ended`: the environment ended the episode, and not by success."""

_CHANGED = ("qpos", "qvel", "act", "mocap_pos", "mocap_quat", "qfrc_applied", "xfrc_applied", "eq_active")
"""What of MuJoCo's data a person may have changed between two steps."""


class GymWorld:
    """An environment in motion. Implements `types.World`.

    A snapshot is laid out as `MujocoWorld`'s. What an environment keeps elsewhere, in Python or in what MuJoCo derived,
    is remembered beside the newest snapshots, in `gym_moments.py`. To one that is not remembered, of a recording or of
    long ago, the way from the episode's reset is gone again, where a trace says it; otherwise only the physics state is
    restored. `gym_exactness.py` measures how exact each is.
    """

    def __init__(
        self,
        environment: Environment,
        site: str,
        pictures: Pictures | None = None,
        max_steps: int | None = None,
        moments: Moments | None = None,
        looks: Sequence[str] = (),
    ) -> None:
        """
        Args:
            environment: Owned by the world from here on.
            site: The end effector's, in the environment's model; empty where nobody asks for its position.
            pictures: Renders the cameras; None for a world that nobody looks at.
            max_steps: After how many control steps an episode ends; None is the environment's own limit.
            moments: Where moments are remembered, for whoever else holds them; None for a memory of its own.
            looks: As in `SceneSpec.looks`; snapshots end with them.

        Raises:
            WhiskersError: If the environment raises.
        """
        self.environment = environment
        self._max_steps = environment.max_steps if max_steps is None else max_steps
        self._pictures = pictures
        self._looks = tuple(looks)
        self._data = environment.data
        self._probe = mujoco.MjData(environment.model)
        self._site = mujoco.mj_name2id(environment.model, mujoco.mjtObj.mjOBJ_SITE, site) if site else -1
        self._keeper = Keeper(environment)
        self.moments = Moments() if moments is None else moments
        """Where moments are remembered. Another memory may be put in its place."""
        self._due: FloatArray | None = None
        """What `restore` was told, and what is still to be done."""
        self.caveat = ""
        self._seen = Seen(np.zeros(environment.n_state, np.float32))
        self._seed = self._steps = 0
        self._outcome = ""
        self.reset(0)

    def reset(self, seed: int, start: Positions | None = None) -> None:
        """Begin the episode that the environment has for this seed.

        Args:
            seed: Of the episode.
            start: Where objects are put after that.

        Raises:
            WhiskersError: If the environment raises, or `start` names what cannot be put there.
        """
        if start is not None:
            self._check(start)
        self._seen = self.environment.reset(seed)
        self._seed, self._due, self.caveat = seed, None, ""
        self._steps, self._outcome = 0, "success" if self._seen.success else ""
        if start is not None:
            self.place(start)

    def step(self, action: Float32Array, forces: Sequence[Force] = ()) -> None:
        """Let the environment take one step. It gets the action as it is, unclipped.

        Args:
            action: As the environment wants it. Shape (n,).
            forces: What pushes meanwhile.

        Raises:
            PhysicsError: If a number stopped being finite.
            WhiskersError: If the action has the wrong size or is not finite, or the environment raises. The world is
                then where it was before the step.
        """
        environment = self.environment
        if action.shape != (environment.n_action,):
            raise WhiskersError(
                f"The action has {action.size} numbers; environment {environment.name} takes {environment.n_action}."
            )
        if not np.isfinite(action).all():
            raise WhiskersError("The action holds NaN or infinity; the policy's output cannot be executed.")
        self.settle()
        before = self.snapshot()
        try:
            self.advance(action, forces)
        except WhiskersError:
            self.restore(before)
            raise

    def advance(self, action: Float32Array, forces: Sequence[Force] = ()) -> None:
        """As `step`, with nothing checked or remembered before: where it fails, the world is somewhere in the step.

        Raises:
            PhysicsError: If a number stopped being finite.
            WhiskersError: If the environment raises.
        """
        environment, data = self.environment, self._data
        begin = float(data.time)
        # A copy, because some environments change the action that they are given.
        with pushed(environment.model, data, forces):
            seen = environment.step(action.copy())
        if not (np.isfinite(data.qpos).all() and np.isfinite(seen.state).all()):
            raise PhysicsError(
                f"The simulation blew up in the step after {begin:.2f} s: environment {environment.name} holds "
                "numbers that are not finite."
            )
        self._seen = seen
        self._steps += 1
        if not self._outcome:
            self._outcome = self._outcome_of(seen)

    def _outcome_of(self, seen: Seen) -> str:
        if seen.success:
            return "success"
        if seen.over:
            return "ended"
        return "timeout" if self._steps >= self._max_steps else ""

    def observe(self, cameras: Sequence[str]) -> Observation:
        """What the sensors show now, without a prompt."""
        readings = self.readings()
        return Observation(
            time=readings.time,
            state=readings.state,
            environment_state=readings.environment_state,
            images=self.picture(self.snapshot(), cameras),
        )

    def picture(self, snapshot: FloatArray, cameras: Sequence[str]) -> Mapping[str, ImageArray]:
        """What the cameras showed in the world of `snapshot`."""
        return pictures_by(self._pictures, snapshot, cameras)

    def snapshot(self) -> FloatArray:
        """Progress, much as `task.Progress` has it, then MuJoCo's integration state. All else is remembered under these
        numbers. Shape (z,)."""
        if self._due is not None:
            return self._due.copy()
        numbers = self.numbers()
        key = key_of(numbers)
        if key not in self.moments.wholes:
            self.remember(key)
        return numbers

    def numbers(self) -> FloatArray:
        """The snapshot of now, with nothing remembered. Shape (z,)."""
        model = self.environment.model
        progress, state = np.zeros(PROGRESS_SIZE), np.empty(mujoco.mj_stateSize(model, STATE_SPEC))
        seen = self._seen
        # The seed decides what an environment draws at reset, such as a goal, which the physics state may not hold.
        progress[1:4] = (_OUTCOMES.index(self._outcome), self._steps, seen.success)
        progress[5:7] = (seen.reward, self._seed)
        mujoco.mj_getState(model, self._data, state, STATE_SPEC)
        return np.concatenate([progress, state, take_looks(self._looks, model, self._data)])

    def remember(self, key: bytes) -> None:
        """Keep the world of now whole."""
        whole = self.whole()
        self.moments.wholes.put(key, whole, whole.nbytes)

    def restore(self, snapshot: FloatArray) -> None:
        """Become the world of `snapshot`: whole, where it is remembered, or where a trace says the way to it, which is
        then gone when the world is next needed. Otherwise by its physics state; `caveat` then says so.

        Raises:
            WhiskersError: If the environment cannot be observed without a step.
        """
        known = key_of(snapshot) in self.moments.wholes
        self._due, self.caveat = snapshot.copy(), ""
        if known or self.moments.way_to(snapshot) is None:
            self.settle()

    def settle(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Become what `restore` was told, if that is still to be done. Returns whether it is done.

        Args:
            stop: Asked now and then whether to leave it for later.

        Raises:
            WhiskersError: If the environment raises, or cannot be observed without a step.
        """
        snapshot = self._due
        if snapshot is None:
            return True
        whole = self.moments.wholes.get(key_of(snapshot))
        if whole is None:
            way = self.moments.way_to(snapshot)
            caveat = "only its physics state is known"
            if way is not None:
                self._due = None
                lost = go(self, *way, stop)
                if lost is None:
                    self._due = snapshot
                    return False
                caveat = f"the recorded actions led elsewhere at step {lost}, so its physics state was taken"
            whole = self.moments.wholes.get(key_of(snapshot))
        self._due = None
        if whole is None:
            self.environment.reset(int(snapshot[6]))
            self.caveat = f"Step {int(snapshot[2])} of environment {self.environment.name} is approximate: {caveat}."
        self.become(snapshot, whole)
        return True

    def become(self, snapshot: FloatArray, whole: Whole | None) -> None:
        """Become a moment.

        Args:
            snapshot: Of the moment. Shape (z,).
            whole: Of the moment, from any world of the scene; None takes the physics state alone.
        """
        self._set_state(snapshot)
        # Contacts and constraints, which are not of a fixed size.
        mujoco.mj_forward(self.environment.model, self._data)
        if whole is not None:
            self._keeper.give(whole)
            self._seen, self.caveat = whole.seen, whole.caveat
        else:
            # mj_forward writes some of it too, the warm start for one.
            self._set_state(snapshot)
            model = self.environment.model
            give_looks(self._looks, model, self._data, looks_of(model, snapshot))
            self._seen = self.environment.seen()
        _, outcome, steps, success, _, reward, seed = (float(each) for each in snapshot[:PROGRESS_SIZE])
        self._outcome, self._steps, self._seed = _OUTCOMES[int(outcome)], int(steps), int(seed)
        self._seen = replace(self._seen, reward=float(reward), success=bool(success))

    def whole(self) -> Whole:
        """All of the world as it is now that its snapshot does not say."""
        return self._keeper.take(self._seen, self.caveat)

    def _set_state(self, snapshot: FloatArray) -> None:
        model = self.environment.model
        mujoco.mj_setState(model, self._data, physics_of(model, snapshot), STATE_SPEC)

    def overwrite(self, snapshot: FloatArray) -> None:
        """Give the data what a person may have changed of them between two steps. Nothing is derived anew."""
        model = self.environment.model
        mujoco.mj_setState(model, self._probe, physics_of(model, snapshot), STATE_SPEC)
        for name in _CHANGED:
            getattr(self._data, name)[:] = getattr(self._probe, name)

    def derive(self) -> None:
        """Derive anew what follows from the physics state."""
        mujoco.mj_forward(self.environment.model, self._data)

    def forget(self) -> None:
        """Remember no snapshot whole any more, as if all came from a recording."""
        self.moments.wholes.clear()

    def readings(self) -> Readings:
        """What can be read off the world now. An environment does not say what is touched."""
        self.settle()
        tip = self.sites()[0][self._site] if self._site >= 0 else np.zeros(3)
        return Readings(
            time=float(self._data.time),
            state=self._seen.state,
            tip_in_world=tip,
            phase="",
            outcome=self._outcome,
            success=self._outcome == "success",
            contact=False,
            reward=self._seen.reward,
            environment_state=self._seen.environment_state,
        )

    @property
    def time(self) -> float:
        """Simulated time. [s]"""
        return float(self._data.time)

    def sites(self) -> tuple[FloatArray, FloatArray]:
        """Where all sites are, and how they are turned, in the world frame. Shapes (sites, 3) [m] and (sites, 9)."""
        # The live data's positions may be one physics step behind, and must stay so.
        self._probe.qpos[:] = self._data.qpos
        self._probe.mocap_pos[:] = self._data.mocap_pos
        self._probe.mocap_quat[:] = self._data.mocap_quat
        mujoco.mj_kinematics(self.environment.model, self._probe)
        return self._probe.site_xpos.copy(), self._probe.site_xmat.copy()

    def place(self, positions: Positions) -> None:
        """Put objects somewhere, at rest. The robot's joints are the environment's own business.

        Raises:
            WhiskersError: If one of them cannot be put; nothing is then changed.
        """
        self._check(positions)
        self.settle()
        model, data = self.environment.model, self._data
        before = self.numbers(), self.whole()
        for body, pose in positions.objects.items():
            put(model, data, body, pose)
        # dm_control begins a step with what was derived after the last one.
        mujoco.mj_forward(model, data)
        try:
            seen = self.environment.seen()
        except WhiskersError:
            self.become(*before)
            raise
        self._seen = replace(seen, reward=self._seen.reward, success=self._seen.success)

    def _check(self, positions: Positions) -> None:
        """
        Raises:
            WhiskersError: If something cannot be put where it is to be.
        """
        if positions.joints or positions.others:
            raise WhiskersError(
                f"Environment {self.environment.name} puts its robot itself, so that only objects can be put somewhere."
            )
        # Environments steer their robots with mocap bodies.
        check_movable(self.environment.model, positions.objects, mocap=False)

    def close(self) -> None:
        """Close the environment, and free the renderer's OpenGL objects."""
        if self._pictures is not None:
            self._pictures.close()
        self.environment.close()


def open_world(scene: Scene, pictures: Pictures | None = None) -> GymWorld:
    """The world of a scene's environment. It shares its moments with all others of that scene.

    Args:
        scene: With an environment.
        pictures: Renders the cameras; None for a world that nobody looks at.

    Raises:
        WhiskersError: If the environment cannot be opened, or is not the scene's.
    """
    spec = scene.spec
    environment = Environment(spec.environment)
    try:
        environment.check_model(scene.model)
        return GymWorld(
            environment, spec.end_effector_site, pictures, spec.task.max_steps, moments_of(scene), spec.looks
        )
    except WhiskersError:
        environment.close()
        raise
