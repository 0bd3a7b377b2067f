"""The append-only record of one episode: everything that a view, a plot, a video or a replay is a function of.

One writer, the engine, appends. Readers on other threads may read any row below a length that they were told; such
rows never change. A trace knows neither MuJoCo nor a window nor a file format.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from viewer_app.blinding import BlindSetting
from viewer_app.chunking import Chunking, FirstN, TemporalEnsemble, is_due, observed_at, plan_from
from viewer_app.types import (
    ActionChunk,
    Float32Array,
    FloatArray,
    Force,
    Guidance,
    PolicyInfo,
    Positions,
    Readings,
    Sampling,
)


@dataclass(frozen=True)
class Settings:
    """The interventions in force at a step."""

    chunking: Chunking
    blinding: Mapping[str, BlindSetting] = field(default_factory=lambda: MappingProxyType({}))
    """Camera name, or `blinding.STATE`, to how it is blinded."""
    prompt: str = ""
    reset_at_start: bool = True
    """Whether a new episode forgets the chunks of the last one."""
    delay: int = 0
    """Simulated latency: a chunk answers the observation of this many control steps ago, and its rows before now are
    dropped. A chunk that nothing precedes, after a reset, is not delayed: there is nothing to execute meanwhile."""
    denoising_steps: int = 0
    """Steps from noise to action, 0 for the checkpoint's own number."""
    guidance: Guidance | None = None
    """Real-time chunking, for policies that can be guided."""
    forces: tuple[Force, ...] = ()
    """Pushes that were asked for and may still act: each says itself in which steps."""
    start: Positions | None = None
    """Where episodes begin, from the next reset on, instead of what the seed draws; None leaves it to the seed."""


@dataclass(frozen=True)
class Event:
    """Something that a person did to the episode before `step` was executed."""

    step: int
    kind: str
    """`policy_reset`, `settings`, `moved`, `undone` (the last move of the step), `pushed`, `note`, or `bookmark`, which
    may be written after its step was executed."""
    text: str
    """One line for the timeline."""
    placed: Positions | None = None
    """What was put where, so that it can be done again; None where nothing was."""


@dataclass(frozen=True)
class Parent:
    """Where a branch left its trace."""

    trace: str
    step: int


class Trace:
    """Steps 0 .. len - 1 of one episode, and the moment after the last of them, the head.

    Per-moment columns have `len(trace) + 1` valid rows (row k: before step k is executed), per-step columns
    `len(trace)`.
    """

    def __init__(
        self,
        name: str,
        scene: str,
        policy: PolicyInfo | None,
        seed: int,
        settings: Settings,
        snapshot: FloatArray,
        readings: Readings,
        parent: Parent | None = None,
        carried: tuple[ActionChunk, ...] = (),
    ) -> None:
        """
        Args:
            name: Unique in its session.
            scene: Name of the scene.
            policy: What is known of the policy, None for an episode without one.
            seed: Seed of the episode: of the world's start and of the policy's random numbers.
            settings: The interventions in force at step 0.
            snapshot: The world at step 0. Shape (z,).
            readings: What was read off the world at step 0.
            parent: Where this trace branched off, None for an episode from its start.
            carried: Chunks of the episode before, where the policy was not reset between them. Their starts are
                negative.
        """
        self.name = name
        self.scene = scene
        self.policy = policy
        self.seed = seed
        self.parent = parent
        self.carried = carried
        self.chunks: list[ActionChunk] = []
        self.events: list[Event] = []
        self.phases: list[str] = []
        """Names that the `phase` column's numbers stand for, in order of first appearance."""
        self.outcomes: list[str] = []
        self._settings: list[tuple[int, Settings]] = [(0, settings)]
        self._resets: list[int] = []
        self._arrivals: list[int] = []
        self._length = 0
        n = policy.n_action if policy is not None else 0
        self._n_action = n
        self._columns: dict[str, NDArray[np.generic]] = {}
        self._allocate(256, snapshot, readings)
        self._write_moment(0, snapshot, readings)

    def __len__(self) -> int:
        """How many steps were executed."""
        return self._length

    def __repr__(self) -> str:
        return f"Trace({self.name!r}, {self._length} steps, seed {self.seed})"

    # Writing: the engine only.

    def append(self, action: Float32Array, chunk: ActionChunk | None, after: FloatArray, readings: Readings) -> None:
        """Record one executed step.

        Args:
            action: What was executed. Scene units. Shape (n,).
            chunk: The chunk that arrived at this step, or None.
            after: The world after the step. Shape (z,).
            readings: What was read off the world after the step.
        """
        k = self._length
        self._grow(k + 2, len(action))
        self._columns["action"][k] = action
        if chunk is not None:
            self.chunks.append(chunk)
            self._arrivals.append(chunk.arrived)
        self._write_moment(k + 1, after, readings)
        self._length = k + 1

    def set_head(self, snapshot: FloatArray, readings: Readings) -> None:
        """Replace the moment after the last step: an object was moved before the next one."""
        self._write_moment(self._length, snapshot, readings)

    def set_settings(self, settings: Settings, text: str, kind: str = "settings") -> None:
        """Put other settings in force from the next step on, and say so on the timeline, as an event of a kind."""
        k = self._length
        if self._settings[-1][0] == k:
            self._settings[-1] = (k, settings)
        else:
            self._settings.append((k, settings))
        self.note(Event(k, kind, text))

    def reset_policy(self, text: str = "policy reset") -> None:
        """Forget all chunks so far, from the next step on."""
        self._resets.append(self._length)
        self.note(Event(self._length, "policy_reset", text))

    def note(self, event: Event) -> None:
        """Put an event on the timeline."""
        self.events.append(event)

    # Reading: any thread, below a length it was told.

    def column(self, name: str, length: int | None = None) -> NDArray[np.generic]:
        """A read-only view of one column.

        Args:
            name: Per moment: `snapshot` (z,), `time` [s], `state` (m,) scene units, `tip` (3,) [m] in the world
                frame, `phase`, `outcome`, `success`, `contact`, `reward`, `environment_state` (n_env,), of no numbers
                in most scenes. Per step: `action` (n,) scene units.
            length: Steps to count, at most len(self); None is all.

        Raises:
            KeyError: If there is no such column; the message lists the valid names.
        """
        if name not in self._columns:
            raise KeyError(f"no column {name!r}; there are {', '.join(sorted(self._columns))}")
        steps = self._length if length is None else length
        rows = steps if name == "action" else steps + 1
        view = self._columns[name][:rows]
        view.setflags(write=False)
        return view

    def snapshot(self, step: int) -> FloatArray:
        """The world before `step`; `len(trace)` is the head. Shape (z,)."""
        return self._columns["snapshot"][self._checked(step, self._length)].astype(np.float64, copy=True)

    def phase(self, step: int) -> str:
        return self.phases[int(self._columns["phase"][step])]

    def outcome(self, step: int) -> str:
        return self.outcomes[int(self._columns["outcome"][step])]

    def settings_at(self, step: int) -> Settings:
        """The settings in force when `step` was, or would be, executed."""
        at = bisect_right(self._settings, step, key=lambda change: change[0]) - 1
        return self._settings[max(at, 0)][1]

    def placed_at(self, step: int) -> tuple[Positions, ...]:
        """What was put where before `step` was executed, in order; what was undone is left out."""
        placed: list[Positions] = []
        for event in [event for event in list(self.events) if event.step == step]:
            if event.kind == "undone":
                del placed[-1:]
            elif event.placed is not None:
                placed.append(event.placed)
        return tuple(placed)

    def forces_at(self, step: int) -> tuple[Force, ...]:
        """What pushed, or would push, while `step` was executed, as far as it was asked for before."""
        return tuple(force for force in self.settings_at(step).forces if force.acts_at(step))

    def forces_from(self, step: int, rows: int) -> tuple[tuple[Force, ...], ...]:
        """What would push in each of the `rows` steps from `step` on, if nothing more was asked for."""
        forces = self.settings_at(step).forces
        return tuple(tuple(force for force in forces if force.acts_at(k)) for k in range(step, step + rows))

    @property
    def resets(self) -> tuple[int, ...]:
        """Steps before which the policy was reset."""
        return tuple(self._resets)

    @property
    def settings_changes(self) -> tuple[tuple[int, Settings], ...]:
        """(first step, settings), in order."""
        return tuple(self._settings)

    @property
    def bookmarks(self) -> Mapping[int, str]:
        """Step to what a person wrote about it, in the order of steps. What was written last to a step counts."""
        found = {event.step: event.text for event in self.events if event.kind == "bookmark"}
        return MappingProxyType({step: found[step] for step in sorted(found) if found[step]})

    def chunk_asked_at(self, step: int) -> ActionChunk | None:
        """The chunk that answers the observation of exactly `step`."""
        at = bisect_left(self.chunks, step, key=lambda chunk: chunk.start)
        return self.chunks[at] if at < len(self.chunks) and self.chunks[at].start == step else None

    def chunk_arrived_at(self, step: int) -> ActionChunk | None:
        """The chunk that came into force at exactly `step`, a chunk boundary. Without delay it was asked for there."""
        at = bisect_right(self._arrivals, step) - 1
        return self.chunks[at] if at >= 0 and self._arrivals[at] == step else None

    def chunks_in_force(self, step: int, asked_too: bool = True) -> list[ActionChunk]:
        """The chunks that decide the action of `step`, oldest first: those since the last policy reset.

        Args:
            step: A control step, 0 .. len.
            asked_too: Whether to count a chunk that arrived at `step` itself.
        """
        reset = max((at for at in self._resets if at <= step), default=None)
        end = bisect_right(self._arrivals, step if asked_too else step - 1)
        begin = 0 if reset is None else bisect_right(self._arrivals, reset - 1)
        if end > begin:
            # All chunks of a trace are of one policy, so none reaches farther back than the newest is long.
            reach = step - len(self.chunks[end - 1])
            begin = max(begin, bisect_right(self._arrivals, reach))
        carried = list(self.carried) if reset is None else []
        return carried + self.chunks[begin:end]

    def chunks_before(self, step: int, count: int) -> list[ActionChunk]:
        """The last `count` chunks that arrived before the one in force at `step`, newest first."""
        end = bisect_right(self._arrivals, step) - 1
        return self.chunks[max(end - count, 0) : max(end, 0)][::-1]

    def is_due(self, step: int) -> bool:
        """Whether the policy must be asked before `step` is executed."""
        settings = self.settings_at(step)
        return is_due(self.chunks_in_force(step, asked_too=False), step, settings.chunking, settings.delay)

    def observed_at(self, step: int) -> int:
        """Of which step the policy is shown the observation when a chunk is due at `step`."""
        return observed_at(self.chunks_in_force(step, asked_too=False), step, self.settings_at(step).delay)

    def sampling_at(self, step: int, settings: Settings | None = None) -> Sampling:
        """How a policy that is asked at `step` is to sample, the leftover that guides it included.

        Args:
            step: The control step at which the chunk is due.
            settings: In place of those in force at the step.
        """
        settings = self.settings_at(step) if settings is None else settings
        before = self.chunks_in_force(step, asked_too=False)
        begin = observed_at(before, step, settings.delay)
        last = before[-1].model_actions if before and settings.guidance is not None else None
        leftover = None if last is None else last[begin - before[-1].start :]
        if leftover is None or not len(leftover):
            return Sampling(settings.denoising_steps)
        return Sampling(settings.denoising_steps, settings.guidance, leftover, step - begin)

    def plan(self, step: int) -> Float32Array | None:
        """What the policy intends from `step` on, row 0 being what is executed at `step`, to the bit.

        Returns:
            Scene units, shape (rows, n), or None where no chunk covers the step.
        """
        chunks = self.chunks_in_force(step)
        scale = self.policy.action_scale if self.policy is not None else None
        try:
            return plan_from(chunks, step, self.settings_at(step).chunking, scale)
        except LookupError:
            return None

    def fork(self, step: int, name: str) -> Trace:
        """A new trace that shares the first `step` steps and goes its own way from there.

        Raises:
            IndexError: If the trace is shorter.
        """
        k = self._checked(step, self._length)
        other = object.__new__(Trace)
        other.__dict__.update(self.__dict__)
        other.name = name
        other.parent = Parent(self.name, k)
        keep = bisect_right(self._arrivals, k - 1)
        other.chunks = self.chunks[:keep]
        other._arrivals = self._arrivals[:keep]
        # What was done just before step k belongs to the moment that the branch leaves from, so it is kept.
        other.events = [event for event in self.events if event.step <= k]
        other._resets = [at for at in self._resets if at <= k]
        other._settings = [(at, value) for at, value in self._settings if at <= k]
        other.phases = list(self.phases)
        other.outcomes = list(self.outcomes)
        other._columns = {key: value[: k + 1].copy() for key, value in self._columns.items()}
        other._length = k
        return other

    def same_as(self, other: Trace) -> bool:
        """Whether both traces are equal to the bit, names and latencies aside."""
        return (
            len(self) == len(other)
            and (self.scene, self.seed) == (other.scene, other.seed)
            and (self.policy.digest if self.policy else None) == (other.policy.digest if other.policy else None)
            and self._settings == other._settings
            and self._resets == other._resets
            and len(self.chunks) == len(other.chunks)
            and all(a.same_as(b) for a, b in zip(self.chunks, other.chunks, strict=True))
            and len(self.carried) == len(other.carried)
            and all(a.same_as(b) for a, b in zip(self.carried, other.carried, strict=True))
            and [self.phase(k) for k in range(len(self) + 1)] == [other.phase(k) for k in range(len(other) + 1)]
            and [self.outcome(k) for k in range(len(self) + 1)] == [other.outcome(k) for k in range(len(other) + 1)]
            and all(
                np.array_equal(self.column(key), other.column(key))
                for key in self._columns
                if key not in ("phase", "outcome")
            )
        )

    @classmethod
    def from_columns(
        cls,
        name: str,
        scene: str,
        policy: PolicyInfo | None,
        seed: int,
        parent: Parent | None,
        carried: tuple[ActionChunk, ...],
        columns: Mapping[str, NDArray[np.generic]],
        chunks: Sequence[ActionChunk],
        events: Sequence[Event],
        settings: Sequence[tuple[int, Settings]],
        resets: Sequence[int],
        phases: Sequence[str],
        outcomes: Sequence[str],
    ) -> Trace:
        """A trace that was written down, whole again.

        Args:
            name, scene, policy, seed, parent, carried: As in the constructor.
            columns: All columns of `column`: per-moment ones with one row more than `action`.
            chunks, events, resets, phases, outcomes: As the attributes of these names.
            settings: As `settings_changes`.
        """
        trace = object.__new__(cls)
        trace.name, trace.scene, trace.policy, trace.seed = name, scene, policy, seed
        trace.parent, trace.carried = parent, carried
        trace.chunks, trace.events = list(chunks), list(events)
        trace.phases, trace.outcomes = list(phases), list(outcomes)
        trace._settings, trace._resets = list(settings), list(resets)
        trace._arrivals = [chunk.arrived for chunk in chunks]
        trace._columns = {key: np.array(column) for key, column in columns.items()}
        trace._length = len(columns["action"])
        # All columns have as many rows as there are moments, so that they grow together when the trace goes on.
        trace._columns["action"] = np.pad(trace._columns["action"], ((0, 1), (0, 0)))
        trace._n_action = int(columns["action"].shape[1])
        return trace

    @property
    def nbytes(self) -> int:
        """Bytes held for its steps and chunks, without pictures."""
        columns = sum(array[: self._length + 1].nbytes for array in self._columns.values())
        chunks = sum(
            chunk.actions.nbytes
            + (chunk.model_actions.nbytes if chunk.model_actions is not None else 0)
            + sum(extra.nbytes for extra in chunk.extras.values())
            for chunk in self.chunks
        )
        return columns + chunks

    # Columns.

    def _allocate(self, rows: int, snapshot: FloatArray, readings: Readings) -> None:
        self._columns = {
            "snapshot": np.zeros((rows, len(snapshot)), np.float64),
            "time": np.zeros(rows, np.float64),
            "state": np.zeros((rows, len(readings.state)), np.float32),
            "tip": np.zeros((rows, 3), np.float64),
            "phase": np.zeros(rows, np.uint8),
            "outcome": np.zeros(rows, np.uint8),
            "success": np.zeros(rows, np.bool_),
            "contact": np.zeros(rows, np.bool_),
            "reward": np.zeros(rows, np.float32),
            "environment_state": np.zeros((rows, len(_around(readings))), np.float32),
            "action": np.zeros((rows, self._n_action), np.float32),
        }

    def _grow(self, rows: int, n_action: int) -> None:
        """Make room. Grown columns are new arrays, so that readers keep whole ones."""
        if self._columns["action"].shape[1] != n_action:
            self._columns["action"] = np.zeros((len(self._columns["time"]), n_action), np.float32)
        have = len(self._columns["time"])
        if rows <= have:
            return
        grown = {}
        for key, old in self._columns.items():
            new = np.zeros((max(rows, 2 * have), *old.shape[1:]), old.dtype)
            new[:have] = old
            grown[key] = new
        self._columns = grown

    def _write_moment(self, k: int, snapshot: FloatArray, readings: Readings) -> None:
        if readings.phase not in self.phases:
            self.phases.append(readings.phase)
        if readings.outcome not in self.outcomes:
            self.outcomes.append(readings.outcome)
        columns = self._columns
        columns["snapshot"][k] = snapshot
        columns["time"][k] = readings.time
        columns["state"][k] = readings.state
        columns["tip"][k] = readings.tip_in_world
        columns["phase"][k] = self.phases.index(readings.phase)
        columns["outcome"][k] = self.outcomes.index(readings.outcome)
        columns["success"][k] = readings.success
        columns["contact"][k] = readings.contact
        columns["reward"][k] = readings.reward
        columns["environment_state"][k] = _around(readings)

    def _checked(self, step: int, last: int) -> int:
        if not 0 <= step <= last:
            raise IndexError(f"step {step} is outside 0 .. {last} of trace {self.name}")
        return step


def _around(readings: Readings) -> Float32Array:
    return np.empty(0, np.float32) if readings.environment_state is None else readings.environment_state


def carried_from(trace: Trace) -> tuple[ActionChunk, ...]:
    """The chunks still in force at the head of `trace`, as a following episode sees them: starts moved below 0."""
    shift = len(trace)
    return tuple(replace(chunk, start=chunk.start - shift) for chunk in trace.chunks_in_force(len(trace)))


def default_settings(policy: PolicyInfo, prompt: str, weights: Float32Array | None) -> Settings:
    """The checkpoint's own execution mode.

    Args:
        policy: Says which mode that is.
        prompt: The scene's.
        weights: Temporal-ensemble weights for the checkpoint's coefficient. Needed only if it has one.
    """
    if policy.ensemble_coefficient is not None and weights is not None:
        chunking: Chunking = TemporalEnsemble(policy.ensemble_coefficient, tuple(float(w) for w in weights))
    else:
        chunking = FirstN(policy.n_action_steps)
    return Settings(chunking=chunking, prompt=prompt)
