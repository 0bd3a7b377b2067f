"""A Gymnasium environment as a World: stepped by its own code, rewound from outside."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import mujoco
import numpy as np

from viewer_app.gym_environment import Environment, Seen, fixed_fields, free_joint
from viewer_app.scene import Scene
from viewer_app.task import PROGRESS_SIZE
from viewer_app.types import (
    Float32Array,
    FloatArray,
    ImageArray,
    Observation,
    PhysicsError,
    Readings,
    WhiskersError,
)
from viewer_app.world import STATE_SPEC, MujocoWorld, Pictures

_OUTCOMES = ("", "success", "timeout", "ended")
"""`ended`: the environment ended the episode, and not by success."""

_REMEMBERED = 64 << 20
"""How much the snapshots may take that are remembered whole. [bytes]"""


@dataclass(frozen=True)
class _Whole:
    """What a snapshot's numbers do not say."""

    fields: list[FloatArray]
    """All of MuJoCo's data, what was derived from the state before the last physics step included: controllers of
    environments read it."""
    attributes: list[tuple[object, str, Any]]
    """Of the environment's Python objects."""

    @property
    def nbytes(self) -> int:
        return sum(each.nbytes for each in self.fields)


class GymWorld:
    """An environment in motion. Implements `types.World`.

    A snapshot is laid out as `MujocoWorld`'s. What an environment keeps elsewhere, in Python or in what MuJoCo derived,
    is remembered beside the newest snapshots; from one that is not remembered, of a recording or of long ago, only the
    physics state is restored, after a reset to the episode's seed. `gym_exactness.py` measures what each costs.
    """

    def __init__(
        self, environment: Environment, site: str, pictures: Pictures | None = None, max_steps: int | None = None
    ) -> None:
        """
        Args:
            environment: Owned by the world from here on.
            site: The end effector's, in the environment's model; empty where nobody asks for its position.
            pictures: Renders the cameras; None for a world that nobody looks at.
            max_steps: After how many control steps an episode ends; None is the environment's own limit.

        Raises:
            WhiskersError: If the environment raises.
        """
        self.environment = environment
        self._max_steps = environment.max_steps if max_steps is None else max_steps
        self._pictures = pictures
        self._data = environment.data
        self._probe = mujoco.MjData(environment.model)
        self._site = mujoco.mj_name2id(environment.model, mujoco.mjtObj.mjOBJ_SITE, site) if site else -1
        self._fields = fixed_fields(self._data)
        self._whole: OrderedDict[bytes, _Whole] = OrderedDict()
        self._whole_size = 0
        self._seen = Seen(np.zeros(environment.n_state, np.float32))
        self._seed = self._steps = 0
        self._outcome = ""
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Begin the episode that the environment has for this seed.

        Raises:
            WhiskersError: If the environment raises.
        """
        self._seen = self.environment.reset(seed)
        self._seed = seed
        self._steps, self._outcome = 0, "success" if self._seen.success else ""

    def step(self, action: Float32Array) -> None:
        """Let the environment take one step. It gets the action as it is, unclipped.

        Args:
            action: As the environment wants it. Shape (n,).

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
        before = self.snapshot()
        try:
            # A copy, because some environments change the action that they are given.
            seen = environment.step(action.copy())
            if not (np.isfinite(self._data.qpos).all() and np.isfinite(seen.state).all()):
                raise PhysicsError(
                    f"The simulation blew up in the step after {before[PROGRESS_SIZE]:.2f} s: environment "
                    f"{environment.name} holds numbers that are not finite."
                )
        except WhiskersError:
            self.restore(before)
            raise
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
        return Observation(readings.time, readings.state, self.picture(self.snapshot(), cameras))

    def picture(self, snapshot: FloatArray, cameras: Sequence[str]) -> Mapping[str, ImageArray]:
        """What the cameras showed in the world of `snapshot`."""
        if not cameras:
            return MappingProxyType({})
        if self._pictures is None:
            raise WhiskersError("This world was made without a renderer, so its cameras show nothing.")
        return self._pictures.pictures(snapshot, cameras)

    def snapshot(self) -> FloatArray:
        """Progress, much as `task.Progress` has it, then MuJoCo's integration state. All else is remembered under these
        numbers. Shape (z,)."""
        model = self.environment.model
        numbers = np.zeros(PROGRESS_SIZE + mujoco.mj_stateSize(model, STATE_SPEC))
        seen = self._seen
        # The seed decides what an environment draws at reset, such as a goal, which the physics state may not hold.
        numbers[1:4] = (_OUTCOMES.index(self._outcome), self._steps, seen.success)
        numbers[5:7] = (seen.reward, self._seed)
        mujoco.mj_getState(model, self._data, numbers[PROGRESS_SIZE:], STATE_SPEC)
        self._remember(numbers.tobytes())
        return numbers

    def restore(self, snapshot: FloatArray) -> None:
        """Become the world of `snapshot`: whole, where it is remembered, otherwise by its physics state.

        Raises:
            WhiskersError: If the environment cannot be observed without a step.
        """
        environment, data = self.environment, self._data
        _, outcome, steps, success, _, reward, seed = (float(each) for each in snapshot[:PROGRESS_SIZE])
        whole = self._whole.get(snapshot.tobytes())
        if whole is None:
            environment.reset(int(seed))
        mujoco.mj_setState(environment.model, data, snapshot[PROGRESS_SIZE:], STATE_SPEC)
        # Contacts and constraints, which are not of a fixed size.
        mujoco.mj_forward(environment.model, data)
        if whole is not None:
            for field, kept in zip(self._fields, whole.fields, strict=True):
                np.copyto(field, kept)
            environment.set_attributes(whole.attributes)
        else:
            # mj_forward writes some of it too, the warm start for one.
            mujoco.mj_setState(environment.model, data, snapshot[PROGRESS_SIZE:], STATE_SPEC)
        self._outcome, self._steps, self._seed = _OUTCOMES[int(outcome)], int(steps), int(seed)
        self._seen = Seen(environment.state(), float(reward), bool(success))

    def forget(self) -> None:
        """Remember no snapshot whole any more, as if all came from a recording."""
        self._whole.clear()
        self._whole_size = 0

    def readings(self) -> Readings:
        """What can be read off the world now. An environment does not say what is touched."""
        tip = np.zeros(3)
        if self._site >= 0:
            # The live data's positions may be one physics step behind, and must stay so.
            self._probe.qpos[:] = self._data.qpos
            self._probe.mocap_pos[:] = self._data.mocap_pos
            self._probe.mocap_quat[:] = self._data.mocap_quat
            mujoco.mj_kinematics(self.environment.model, self._probe)
            tip = self._probe.site_xpos[self._site].copy()
        return Readings(
            time=float(self._data.time),
            state=self._seen.state,
            tip_in_world=tip,
            phase="",
            outcome=self._outcome,
            success=self._outcome == "success",
            contact=False,
            reward=self._seen.reward,
        )

    def move_object(self, name: str, position: FloatArray, yaw: float) -> None:
        """Put a free object somewhere, at rest.

        Args:
            name: Body with a free joint.
            position: In the world frame. Shape (3,). [m]
            yaw: Rotation about the vertical. [rad]

        Raises:
            WhiskersError: If it has no free joint.
        """
        model, data = self.environment.model, self._data
        joint = free_joint(model, name)
        if joint is None:
            raise WhiskersError(f"Environment {self.environment.name} has no free body {name!r} that could be moved.")
        at, dof = int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint])
        data.qpos[at : at + 3] = position
        data.qpos[at + 3 : at + 7] = (np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2))
        data.qvel[dof : dof + 6] = 0.0
        # dm_control begins a step with what was derived after the last one.
        mujoco.mj_forward(model, data)
        self._seen = Seen(self.environment.state(), self._seen.reward, self._seen.success)

    def close(self) -> None:
        """Close the environment, and free the renderer's OpenGL objects."""
        if self._pictures is not None:
            self._pictures.close()
        self.environment.close()

    def _remember(self, key: bytes) -> None:
        """Keep the world of now whole, and let those go that were kept longest ago."""
        if key in self._whole:
            self._whole.move_to_end(key)
            return
        whole = _Whole([each.copy() for each in self._fields], self.environment.attributes())
        self._whole[key] = whole
        self._whole_size += whole.nbytes
        while self._whole_size > _REMEMBERED:
            _, oldest = self._whole.popitem(last=False)
            self._whole_size -= oldest.nbytes


class ClosedWorld(MujocoWorld):
    """The world of an environment that cannot be opened here. It can be looked at, and takes no step."""

    def __init__(self, scene: Scene, pictures: Pictures | None, reason: WhiskersError) -> None:
        """
        Args:
            scene: Of the environment.
            pictures: Renders the cameras.
            reason: Why it cannot be opened.
        """
        super().__init__(scene, pictures)
        self._reason = reason

    def step(self, action: Float32Array) -> None:
        """
        Raises:
            WhiskersError: Always: why the environment is not open.
        """
        raise WhiskersError(str(self._reason))
