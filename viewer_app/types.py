"""The data that flows through Whiskers, and the two protocols it asks of the outside: `Policy` and `World`.

Only numpy is imported here. Nothing in this module knows MuJoCo, torch, a window or a file format.

Shapes: `n` action dimensions, `m` state dimensions, `H` steps in an action chunk, `z` numbers in a snapshot.
"Scene units" are the units that the scene declares for its joints (see `scene.JointSpec.unit`), or those of whatever
else its actions and its proprioception are (`scene.ActionSpec`, `scene.StateSpec`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
ImageArray = NDArray[np.uint8]
"""An RGB picture. Shape (height, width, 3), dtype uint8."""


def frozen[A: np.generic](array: NDArray[A]) -> NDArray[A]:
    """A read-only copy of `array`, so that what crosses a module cannot change under its readers."""
    copy = np.array(array, copy=True, order="C")
    copy.setflags(write=False)
    return copy


class WhiskersError(Exception):
    """Something a person can mend. The message is one sentence: what, where, and how to mend it."""


class PhysicsError(WhiskersError):
    """The simulation left the realm of finite numbers during a step."""


@dataclass(frozen=True)
class Observation:
    """What a policy is shown at one control step, after blinding."""

    time: float
    """Simulated time. [s]"""
    state: Float32Array
    """Proprioception in scene units. Shape (m,)."""
    images: Mapping[str, ImageArray]
    """Camera name to picture."""
    task: str = ""
    """The prompt, for policies that read text."""
    environment_state: Float32Array | None = None
    """Shape (n_env,), or None where the world has none."""


@dataclass(frozen=True)
class XRayRow:
    """One feature as one step of a policy's processors left it: between which values its numbers lie."""

    part: Literal["before", "model", "after"]
    """before: what the preprocessor makes of an observation; model: what the model answered; after: the postprocessor.
    """
    step: str
    """LeRobot's name of the step, empty for what came in."""
    feature: str
    """LeRobot's name, for example `observation.images.wrist_cam`."""
    shape: tuple[int, ...]
    dtype: str
    """torch's name, `text` for words."""
    low: float
    """Of the finite numbers, as are the next three. NaN where it holds none."""
    high: float
    mean: float
    deviation: float
    broken: int = 0
    """How many numbers are NaN or infinite."""
    changed: bool = True
    """Whether the step changed anything of it."""
    mode: str = ""
    """LeRobot's mode of normalisation, where the step is to normalise it or back; of the model's answer, the mode that
    it will be scaled back by."""
    text: str = ""
    """The words, where it is text."""


@dataclass(frozen=True)
class ActionChunk:
    """The actions that one policy call proposed, row `i` for control step `start + i`."""

    start: int
    """Control step of row 0. Negative for a chunk carried over from an earlier episode."""
    actions: Float32Array
    """Scene units. Shape (H, n)."""
    seed: int
    """Seed of the policy's random numbers in this call."""
    latency: float = 0.0
    """Wall-clock duration of the call. [s]"""
    model_actions: Float32Array | None = None
    """The same rows in the model's normalised units, where the policy has such. Shape (H, n)."""
    extras: Mapping[str, NDArray[np.float32]] = field(default_factory=lambda: MappingProxyType({}))
    """What else was asked for. In scene units but where another unit is named:

    `samples` (K, H, n): chunks for further draws of what is random;
    `denoising` (S + 1, H, n): the sample before each of S denoising steps and, last, the chunk itself, whatever the
    policy's own direction of time: noise first, action last;
    `denoising_x0` (S, H, n): the chunk that each step's velocity, or noise estimate, points to;
    `denoising_times` (S + 1,): the policy's own time of each row of `denoising`;
    `denoising_model` (S + 1, H, n) and `denoising_x0_model` (S, H, n): the same two in the model's normalised units;
    `samples_denoising` (K, S + 1, H, n): as `denoising`, of each sample;
    `guidance` (H,): share of the leftover in each row, where real-time chunking guided the call;
    `attention`, `attention:CAMERA`: see the adapter of ACT."""
    delay: int = 0
    """Control steps between the observation that it answers, which is that of `start`, and its arrival."""
    xray: tuple[XRayRow, ...] = ()
    """What the policy's processors did in this very call, step by step, where that was asked for. Not recorded."""

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def arrived(self) -> int:
        """First control step at which it could be executed: its rows before that came too late and are dropped."""
        return self.start + self.delay

    def rows(self, step: int) -> Float32Array:
        """The rows still to come at control step `step`, in scene units. Shape (H - (step - start), n)."""
        return self.actions[max(step - self.start, 0) :]

    def same_as(self, other: ActionChunk) -> bool:
        """Whether both chunks are equal to the bit, latencies aside."""
        return (
            (self.start, self.seed, self.delay) == (other.start, other.seed, other.delay)
            and np.array_equal(self.actions, other.actions)
            and _same_or_none(self.model_actions, other.model_actions)
            and self.extras.keys() == other.extras.keys()
            and all(np.array_equal(value, other.extras[name]) for name, value in self.extras.items())
        )


def _same_or_none(a: Float32Array | None, b: Float32Array | None) -> bool:
    return (a is None) == (b is None) and (a is None or b is None or np.array_equal(a, b))


@dataclass(frozen=True)
class Scale:
    """How a model's normalised numbers become scene units, as data, in the order of operations that LeRobot uses.

    `mean_std`: x * a + b, with a the standard deviation and b the mean.
    `min_max`: (x + 1) / 2 * a + b, with a the range (max - min) and b the minimum.
    `identity`: x.
    Source of the formulas: LeRobot 0.6.1, `processor/normalize_processor.py`, `_apply_transform(inverse=True)`.
    """

    kind: Literal["mean_std", "min_max", "identity"]
    a: Float32Array
    """Shape (n,)."""
    b: Float32Array
    """Shape (n,)."""

    def to_scene(self, x: Float32Array) -> Float32Array:
        """Normalised rows to scene units, in float32 so that it is bit-equal to the policy's own postprocessor.

        Args:
            x: Normalised values. Shape (..., n).
        """
        match self.kind:
            case "mean_std":
                return x * self.a + self.b
            case "min_max":
                return (x + np.float32(1)) / np.float32(2) * self.a + self.b
            case "identity":
                return x

    def to_model(self, y: Float32Array) -> Float32Array:
        """Scene units to the model's normalised units, for display. Shape (..., n)."""
        safe = np.where(self.a == 0, np.float32(1e-8), self.a)
        match self.kind:
            case "mean_std":
                return ((y - self.b) / safe).astype(np.float32)
            case "min_max":
                return (2 * (y - self.b) / safe - 1).astype(np.float32)
            case "identity":
                return y


@dataclass(frozen=True)
class PolicyInfo:
    """What there is to know about a loaded policy. Plain data: it is shown, recorded and compared."""

    name: str
    """How a person calls it, for example `demo:act` or the folder's name."""
    kind: str
    """LeRobot's policy type, for example `act`."""
    source: str
    """The folder or hub id it was loaded from."""
    digest: str
    """SHA-256 of its weights and configuration, hexadecimal."""
    chunk_size: int
    n_action_steps: int
    """The checkpoint's own setting."""
    n_action: int
    n_state: int
    """0 where the policy reads no proprioception."""
    cameras: Mapping[str, tuple[int, int]]
    """Name of each camera that it reads, to (height, width) of the pictures it was trained on. [px]"""
    n_obs_steps: int = 1
    uses_task: bool = False
    """Whether the prompt can change its actions."""
    ensemble_coefficient: float | None = None
    """The checkpoint's own temporal-ensemble coefficient, None where it does not ensemble."""
    deterministic: bool = True
    """Whether two calls with different seeds give the same chunk."""
    n_parameters: int = 0
    tensors_verified: int = 0
    """Tensors of the weight file that were compared with the model after loading and found equal."""
    tensors_in_file: int = 0
    relative_actions: bool = False
    """Whether the model's actions are changes of the state. A chunk's are then relative to the state that it was asked
    with, all of them; LeRobot's evaluation adds each to the state of its own step instead, by which a chunk drifts."""
    action_scale: Scale | None = None
    """None where the policy's output is not an elementwise scaling of its normalised actions."""
    state_scale: Scale | None = None
    camera_mean: Mapping[str, tuple[float, float, float]] = field(default_factory=lambda: MappingProxyType({}))
    """Mean colour of each camera in the training statistics, RGB in [0, 1]."""
    device: str = "cpu"
    denoising_steps: int = 0
    """How many steps the checkpoint takes from noise to action, 0 for a policy that does not denoise."""
    guidable: bool = False
    """Whether real-time chunking can draw its chunks towards the one before."""
    n_environment_state: int = 0
    """How many numbers it reads of `Observation.environment_state`."""
    mapped_cameras: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The scene's camera to the checkpoint's names for it, joined by ", ", where a person mapped one to the other."""
    mended: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What a person mended for the session, as `mending.Mends.to_plain` says it; empty where nothing was."""


@dataclass(frozen=True)
class Guidance:
    """Real-time chunking: a new chunk is drawn, while it is denoised, towards what is left of the one before.

    Source: LeRobot 0.6.1, `policies/rtc`; Black et al. 2025, "Real-Time Execution of Action Chunking Flow Policies".
    """

    horizon: int = 10
    """Row of the new chunk from which on nothing pulls. The rows of the simulated latency are pulled fully."""
    weight: float = 10.0
    """The most that the pull may weigh against the policy's own velocity."""
    schedule: Literal["linear", "exp", "ones", "zeros"] = "linear"
    """How the pull fades from the rows of the latency to the horizon, in LeRobot's words."""


@dataclass(frozen=True, eq=False)
class Sampling:
    """How a policy that denoises is to come to its chunk. Any other ignores it."""

    steps: int = 0
    """Denoising steps, 0 for the checkpoint's own number."""
    guidance: Guidance | None = None
    leftover: Float32Array | None = None
    """What is left of the chunk before, row 0 for the step of the newest observation. In the model's normalised units.
    Shape (T, n). None where nothing guides."""
    delay: int = 0
    """Rows that will have been executed from the leftover before the new chunk arrives."""


@dataclass(frozen=True)
class Want:
    """What a policy call should return besides the chunk, which costs nothing while it is off, and how to sample."""

    samples: int = 0
    """How many further chunks to draw for the same observation."""
    denoising: bool = False
    """Every denoising step, of the samples too."""
    attention: bool = False
    sampling: Sampling = Sampling()
    xray: bool = False
    """What each step of the processors does to the numbers."""


@dataclass(frozen=True)
class CallProgress:
    """How far a policy call in progress is."""

    done: int
    """Denoising steps taken."""
    total: int


class Policy(Protocol):
    """A pure function from observations to an action chunk: no hidden queue, no clock, no memory between calls."""

    @property
    def info(self) -> PolicyInfo: ...

    def predict(self, observations: Sequence[Observation], start: int, seed: int, want: Want) -> ActionChunk:
        """Propose actions for control steps `start`, `start + 1`, ...

        Args:
            observations: The last `info.n_obs_steps` observations, oldest first.
            start: Control step of the newest observation.
            seed: Seed of every random number drawn in this call.
            want: What to return besides the chunk.

        Raises:
            WhiskersError: If the observations do not fit the policy.
        """
        ...

    def ensemble_weights(self, coefficient: float) -> Float32Array:
        """Temporal-ensemble weights exp(-coefficient * i), i = 0 the oldest. Shape (chunk_size,).

        The policy computes them because the last bit depends on its library's `exp`.
        """
        ...


@dataclass(frozen=True)
class Readings:
    """What can be read off a world at one moment, without changing it."""

    time: float
    """[s]"""
    state: Float32Array
    """Proprioception, such as measured joint positions, in scene units. Shape (m,)."""
    tip_in_world: FloatArray
    """Position of the end-effector site. Shape (3,). [m]"""
    phase: str
    outcome: str
    """Empty while the episode is undecided."""
    success: bool
    contact: bool
    """Whether the gripper touches the task's object."""
    reward: float = 0.0
    environment_state: Float32Array | None = None
    """What an environment observes besides the robot. Shape (n_env,)."""


@dataclass(frozen=True)
class Pose:
    """Where a body is in the world frame, and how it is turned."""

    position: tuple[float, float, float]
    """[m]"""
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    """w, x, y, z."""


@dataclass(frozen=True)
class Positions:
    """Where objects and joints are put, at rest. What is not named stays where it is."""

    objects: Mapping[str, Pose] = field(default_factory=lambda: MappingProxyType({}))
    """Bodies with a free joint, and mocap bodies."""
    joints: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """The robot's, in scene units. What drives them is told to hold them there."""
    others: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Other hinges and slides, such as a drawer's. [rad or m]"""
    name: str = ""
    """What a person calls them."""


@dataclass(frozen=True)
class Force:
    """A push: a force and a torque that act on a body for some control steps, in the world frame."""

    body: str
    force: tuple[float, float, float]
    """At the body's centre of mass. [N]"""
    torque: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """[N m]"""
    begin: int = 0
    """First control step that it acts in."""
    end: int = 1
    """First control step that it does not act in any more."""

    def acts_at(self, step: int) -> bool:
        return self.begin <= step < self.end


class World(Protocol):
    """A simulated world with one robot in it."""

    @property
    def caveat(self) -> str:
        """What is only approximately so about the moment that it was brought to last, and so since; empty where it is
        to the bit."""
        ...

    def reset(self, seed: int, start: Positions | None = None) -> None:
        """Begin the episode of this seed.

        Args:
            seed: Decides what is drawn.
            start: Where objects and joints begin instead.

        Raises:
            WhiskersError: If `start` names something that is not there.
        """
        ...

    def step(self, action: Float32Array, forces: Sequence[Force] = ()) -> None:
        """Advance one control step.

        Args:
            action: Scene units. Shape (n,).
            forces: What pushes meanwhile, and no longer.

        Raises:
            PhysicsError: If the simulation diverged; the world is then where it was before the step.
        """
        ...

    def observe(self, cameras: Sequence[str]) -> Observation:
        """What the sensors show now, unblinded, without a prompt."""
        ...

    def picture(self, snapshot: FloatArray, cameras: Sequence[str]) -> Mapping[str, ImageArray]:
        """What the cameras showed in the world of `snapshot`. Leaves the world as it is."""
        ...

    def snapshot(self) -> FloatArray:
        """Everything that decides the future, task progress included. Shape (z,)."""
        ...

    def restore(self, snapshot: FloatArray) -> None:
        """Become the world of `snapshot`, to the bit."""
        ...

    def readings(self) -> Readings: ...

    def place(self, positions: Positions) -> None:
        """Put objects and joints somewhere, at rest.

        Raises:
            WhiskersError: If one of them is not there, or cannot be put; nothing is then changed.
        """
        ...

    def close(self) -> None:
        """Free what the world holds (OpenGL objects), on the thread that used it."""
        ...
