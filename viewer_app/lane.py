"""One world, the policy that drives it, and the trace of what happened.

A lane takes one step when told to and changes its settings when told to; when that is, is the engine's business.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import assert_never

import numpy as np

from viewer_app.blinding import BlindSetting
from viewer_app.chunking import Chunking, FirstN, OverlapBlend, TemporalEnsemble, action_at
from viewer_app.commands import SetBlinding
from viewer_app.fit import check_fit
from viewer_app.gym_moments import moments_of
from viewer_app.inquiry import Inquiry, policy_seed
from viewer_app.movable import check_pushable
from viewer_app.placing import check_placing, placing_words, push_words
from viewer_app.questions import Answers, Question, Shadow
from viewer_app.scene import Scene
from viewer_app.seen import seen_until
from viewer_app.trace import Event, Settings, Trace, carried_from, default_settings
from viewer_app.types import ActionChunk, FloatArray, Force, Guidance, Policy, Positions, Want, WhiskersError, World
from viewer_app.view import LaneView, Latency, Snippet

MOST_DENOISING_STEPS = 100
"""More would be asked for by mistake only."""
_UNDOES = 100
"""How many moves can be undone."""
_LATENCIES = 500
"""How many policy calls the latency figures are taken over."""


@dataclass(frozen=True)
class _Undo:
    """How the world was before something was moved."""

    trace: Trace
    step: int
    snapshot: FloatArray
    """Shape (z,)."""
    words: str
    """What was moved where."""


class Lane:
    """One world, the policy that drives it, and the trace of what happened."""

    def __init__(self, scene: Scene, world: World, policy: Policy | None, seed: int) -> None:
        """
        Args:
            scene: Scene of the world.
            world: Owned by the lane from here on.
            policy: None for a lane that is only looked at.
            seed: Seed of the first episode.

        Raises:
            WhiskersError: If the policy does not fit the scene.
        """
        self.scene = scene
        self.world = world
        self.policy: Policy | None = None
        self.latencies: list[float] = []
        self.thinking_since: float | None = None
        self.earlier: tuple[Snippet, ...] = ()
        self._episodes = 0
        self._branches = 0
        self._latency = Latency()
        self.answers = Answers()
        self.inquiries: list[Inquiry] = []
        self.sayings: list[str] = []
        """What the person should be told, for the engine to say."""
        self._heeded = ""
        self._undoes: deque[_Undo] = deque(maxlen=_UNDOES)
        self.trace = self._first_trace(policy, seed, None)

    def _first_trace(self, policy: Policy | None, seed: int, start: Positions | None) -> Trace:
        if policy is not None:
            check_fit(policy.info, self.scene)
        self.policy = policy
        self.latencies, self._latency = [], Latency()
        # Another policy would have answered otherwise.
        self.answers, self.inquiries = Answers(), []
        return self._begin(seed, replace(self._default_settings(), start=start), ())

    def _default_settings(self) -> Settings:
        prompt = self.scene.spec.prompt
        if self.policy is None:
            return Settings(FirstN(1), prompt=prompt)
        coefficient = self.policy.info.ensemble_coefficient
        weights = None if coefficient is None else self.policy.ensemble_weights(coefficient)
        return default_settings(self.policy.info, prompt, weights)

    def _begin(self, seed: int, settings: Settings, carried: tuple[ActionChunk, ...]) -> Trace:
        self.world.reset(seed, settings.start)
        self._episodes += 1
        trace = Trace(
            name=f"episode {self._episodes}",
            scene=self.scene.name,
            policy=self.policy.info if self.policy is not None else None,
            seed=seed,
            settings=settings,
            snapshot=self.world.snapshot(),
            readings=self.world.readings(),
            carried=carried,
        )
        if settings.start is not None:
            trace.note(Event(0, "moved", f"the episode begins at start positions {settings.start.name}".rstrip()))
        self._know(trace)
        return trace

    def _know(self, *traces: Trace) -> None:
        """Let an environment find its way to moments of traces by the actions in them."""
        for trace in traces if self.scene.spec.environment else ():
            moments_of(self.scene).know(trace)

    def _heed(self) -> None:
        """Say, once, what is approximate about the moment that the world was brought to."""
        caveat, self._heeded = self.world.caveat, self._heeded if self.world.caveat else ""
        if caveat != self._heeded:
            self._heeded = caveat
            self.trace.note(Event(len(self.trace), "note", caveat))
            self.sayings.append(caveat)

    @property
    def settings(self) -> Settings:
        """In force for the next step."""
        return self.trace.settings_at(len(self.trace))

    @property
    def finished(self) -> bool:
        return bool(self.trace.outcome(len(self.trace)))

    def use(self, policy: Policy, seed: int) -> None:
        """Drive on with a policy: where it made the present trace, from there; otherwise from a new beginning.

        Raises:
            WhiskersError: If it does not fit the scene; the lane then stays as it was.
        """
        check_fit(policy.info, self.scene)
        made_by = self.trace.policy
        if made_by is not None and made_by.digest == policy.info.digest and len(self.trace):
            self.policy = policy
            return
        start = self.settings.start
        self._keep()
        self.trace = self._first_trace(policy, seed, start)

    def reset_episode(self, seed: int | None) -> None:
        """Begin a new episode with the settings in force. The old trace is kept."""
        settings = self.settings
        # A blinding that began in the last episode is in force from the start of this one.
        blinding = {name: replace(setting, since=0) for name, setting in settings.blinding.items()}
        settings = replace(settings, blinding=MappingProxyType(blinding), forces=())
        carried = () if settings.reset_at_start else carried_from(self.trace)
        seed = self.trace.seed if seed is None else seed
        self._keep()
        self.trace = self._begin(seed, settings, carried)

    def has(self, name: str, step: int) -> bool:
        """Whether there is a trace of that name with such a step."""
        traces = (self.trace, *(snippet.trace for snippet in self.earlier))
        return any(trace.name == name and 0 <= step <= len(trace) for trace in traces)

    def fork(self, name: str, step: int) -> None:
        """Continue from a step of a trace; the trace keeps its old future under its own name.

        Raises:
            WhiskersError: If there is no such trace or step.
        """
        parent = self._known(name)
        if not 0 <= step <= len(parent):
            raise WhiskersError(f"Trace {name!r} has no step {step}; it has steps 0 to {len(parent)}.")
        if self.policy is None or parent.policy is None or parent.policy.digest != self.policy.info.digest:
            raise WhiskersError(f"Trace {name!r} was made by another policy; load that policy to continue from it.")
        self._branches += 1
        branch = parent.fork(step, f"{name.split(' / ')[0]} / branch {self._branches}")
        self._know(branch)
        self.world.restore(branch.snapshot(step))
        self._keep()
        self.trace = branch
        self._heed()

    def change(self, settings: Settings, text: str) -> None:
        """Put other settings in force from the next step on."""
        now = self.settings
        shown = (settings.blinding, settings.prompt, settings.denoising_steps, settings.guidance)
        if shown != (now.blinding, now.prompt, now.denoising_steps, now.guidance):
            self._head_changes()
        self.trace.set_settings(settings, text)

    def _head_changes(self) -> None:
        """What the policy answered about the head no longer holds: it would be shown something else now."""
        head = len(self.trace)
        self.answers = self.answers.without(self.trace, head)
        self.inquiries = [each for each in self.inquiries if each.trace is not self.trace or each.step != head]

    def reset_policy(self, text: str = "policy reset") -> None:
        """Forget all chunks so far, from the next step on."""
        self._head_changes()
        self.trace.reset_policy(text)

    def set_chunking(self, chunking: Chunking) -> None:
        """Change the execution mode. Going to or from the ensemble resets the policy, as LeRobot requires."""
        before = self.settings.chunking
        size = self.policy.info.chunk_size if self.policy is not None else None
        match chunking:
            case FirstN(n):
                chunking = FirstN(min(max(n, 1), size if size is not None else n))
                text = f"n_action_steps {chunking.n_action_steps}"
            case TemporalEnsemble(coefficient):
                if self.policy is not None:
                    weights = self.policy.ensemble_weights(coefficient)
                    chunking = TemporalEnsemble(coefficient, tuple(float(w) for w in weights))
                text = f"temporal ensemble {coefficient:g}"
            case OverlapBlend(advance, overlap):
                advance = min(max(advance, 1), size if size is not None else advance)
                spare = advance if size is None else size - advance
                chunking = OverlapBlend(advance, min(max(overlap, 0), advance, spare))
                text = f"overlap blending, advance {advance}, overlap {chunking.overlap}"
            case _:
                assert_never(chunking)
        if chunking == before:
            return
        self.change(replace(self.settings, chunking=chunking), text)
        # Before the first step there is nothing to forget, and a batch that sets it there equals a window that does.
        fresh = not len(self.trace) and not self.trace.carried
        if not fresh and (isinstance(before, TemporalEnsemble) or isinstance(chunking, TemporalEnsemble)):
            self.reset_policy(f"policy reset for {text}")

    def set_delay(self, steps: int) -> None:
        """Simulate a latency, at most as long as leaves a chunk one row to execute."""
        most = self.policy.info.chunk_size - 1 if self.policy is not None else steps
        steps = min(max(steps, 0), most)
        if steps != self.settings.delay:
            self.change(replace(self.settings, delay=steps), f"simulated latency {steps} step{'s' * (steps != 1)}")

    def set_denoising_steps(self, steps: int) -> None:
        """Take another number of steps from noise to action.

        Raises:
            WhiskersError: If the policy does not denoise.
        """
        if self.policy is None or not self.policy.info.denoising_steps:
            raise WhiskersError("Only a policy that denoises has denoising steps; this one does not.")
        own = self.policy.info.denoising_steps
        steps = 0 if steps in (0, own) else min(max(steps, 1), MOST_DENOISING_STEPS)
        if steps != self.settings.denoising_steps:
            self.change(replace(self.settings, denoising_steps=steps), f"denoising steps {steps or own}")

    def set_guidance(self, guidance: Guidance | None) -> None:
        """Turn real-time chunking on, in some way, or off.

        Raises:
            WhiskersError: If the policy cannot be guided.
        """
        if guidance is not None and (self.policy is None or not self.policy.info.guidable):
            raise WhiskersError("Real-time chunking needs a flow-matching policy whose LeRobot code supports it.")
        if guidance == self.settings.guidance:
            return
        text = "off" if guidance is None else f"horizon {guidance.horizon}, weight {guidance.weight:g}"
        self.change(replace(self.settings, guidance=guidance), f"real-time chunking {text}")

    def blind(self, command: SetBlinding) -> None:
        """Blind or unblind one input."""
        blinding = dict(self.settings.blinding)
        if command.mode is None:
            blinding.pop(command.name, None)
            text = f"{command.name} shown"
        else:
            blinding[command.name] = BlindSetting(command.mode, len(self.trace))
            text = f"{command.name} blinded: {command.mode}"
        self.change(replace(self.settings, blinding=MappingProxyType(blinding)), text)

    # What is done to the world.

    def place(self, positions: Positions) -> None:
        """Put objects and joints somewhere before the next step.

        Raises:
            WhiskersError: If one of them cannot be put; nothing is then changed.
        """
        undo = _Undo(self.trace, len(self.trace), self.world.snapshot(), placing_words(positions))
        self.world.place(positions)
        self._undoes.append(undo)
        self._world_changed(Event(len(self.trace), "moved", undo.words, positions))

    def undo_move(self) -> None:
        """Put back what was placed last; if steps were taken since, in a branch from the step where that was done.

        Raises:
            WhiskersError: If nothing was moved, or its trace cannot be continued.
        """
        if not self._undoes:
            raise WhiskersError("Nothing was moved that could be put back.")
        undo = self._undoes[-1]
        if self.trace is not undo.trace or len(self.trace) != undo.step:
            self.fork(undo.trace.name, undo.step)
        self._undoes.pop()
        # What was placed before it at the same step is in the branch too, and is put back there.
        self._undoes = deque(
            (
                replace(each, trace=self.trace) if each.trace is undo.trace and each.step == undo.step else each
                for each in self._undoes
            ),
            maxlen=_UNDOES,
        )
        self.world.restore(undo.snapshot)
        self._world_changed(Event(len(self.trace), "undone", f"undone: {undo.words}"))

    def _world_changed(self, event: Event) -> None:
        self._head_changes()
        self.trace.set_head(self.world.snapshot(), self.world.readings())
        self.trace.note(event)

    def set_start(self, positions: Positions | None) -> None:
        """Begin episodes elsewhere from the next reset on; None leaves it to the seed again.

        Raises:
            WhiskersError: If the scene has not what is to be put, or it cannot be put there.
        """
        if positions == self.settings.start:
            return
        if positions is not None:
            check_placing(self.scene, positions)
        text = "start: as the seed draws" if positions is None else f"start: {positions.name or 'positions'}"
        self.change(replace(self.settings, start=positions), text)

    def push(
        self,
        body: str,
        force: tuple[float, float, float],
        torque: tuple[float, float, float],
        steps: int,
    ) -> None:
        """Push a body from the next step on.

        Args:
            body: Its name.
            force: World frame. [N]
            torque: World frame. [N m]
            steps: How long. [control steps]

        Raises:
            WhiskersError: If no force can move it, or it is not a force.
        """
        check_pushable(self.scene.model, body)
        if not np.isfinite((*force, *torque)).all() or steps < 1:
            raise WhiskersError(f"A push needs finite numbers and at least 1 step; found {force} N for {steps} steps.")
        head = len(self.trace)
        still = tuple(each for each in self.settings.forces if each.end > head)
        forces = (*still, Force(body, force, torque, head, head + steps))
        text = f"{body} pushed: {push_words(force, torque)}, {steps} step{'s' * (steps != 1)}"
        self.trace.set_settings(replace(self.settings, forces=forces), text, "pushed")

    def stop_pushing(self) -> None:
        """End all pushes now."""
        if any(force.end > len(self.trace) for force in self.settings.forces):
            self.trace.set_settings(replace(self.settings, forces=()), "pushing ends", "pushed")

    def step(self, want: Want, thinking: Callable[[], None]) -> None:
        """Take one control step and record it.

        Args:
            want: What to ask the policy for besides the chunk.
            thinking: Called just before the policy is asked, with `thinking_since` set.

        Raises:
            WhiskersError: If the policy or the world refuses; nothing is then recorded.
        """
        if self.policy is None:
            return
        step = len(self.trace)
        settings = self.settings
        asked = self._ask(step, want, thinking) if self.trace.is_due(step) else None
        in_force = [*self.trace.chunks_in_force(step, asked_too=False), *([asked] if asked is not None else [])]
        action = action_at(in_force, step, settings.chunking, self.policy.info.action_scale)
        self.world.step(action, self.trace.forces_at(step))
        self._heed()
        self.trace.append(action, asked, self.world.snapshot(), self.world.readings())

    def _ask(self, step: int, want: Want, thinking: Callable[[], None]) -> ActionChunk:
        assert self.policy is not None
        self.thinking_since = time.monotonic()
        thinking()
        try:
            begin = self.trace.observed_at(step)
            observations = seen_until(self.trace, begin, self.policy.info, self.world.picture)
            want = replace(want, sampling=self.trace.sampling_at(step))
            chunk = self.policy.predict(observations, begin, policy_seed(self.trace.seed, begin), want)
            chunk = replace(chunk, delay=step - begin)
        finally:
            self.thinking_since = None
        self.latencies.append(chunk.latency)
        del self.latencies[:-_LATENCIES]
        median, p95 = np.percentile(self.latencies, [50, 95])
        self._latency = Latency(chunk.latency, float(median), float(p95), self._latency.count + 1)
        return chunk

    def bookmark(self, trace: str, step: int, text: str) -> None:
        """Write a note to a step; an empty one takes the bookmark away.

        Raises:
            WhiskersError: If there is no such trace or step.
        """
        about = self._known(trace)
        if not 0 <= step <= len(about):
            raise WhiskersError(f"Trace {trace!r} has no step {step}; it has steps 0 to {len(about)}.")
        if about.bookmarks.get(step, "") != text:
            about.note(Event(step, "bookmark", text))

    # Questions: they execute nothing and record nothing.

    def ask(self, trace: str, step: int, question: Question) -> None:
        """Ask the policy about a moment, once it has answered the questions before.

        Raises:
            WhiskersError: If there is no such moment, or nobody who could answer.
        """
        about = self._known(trace)
        made_by = about.policy
        if self.policy is None or made_by is None or made_by.digest != self.policy.info.digest:
            raise WhiskersError(f"Trace {trace!r} was not made by the policy that is loaded; load that one to ask it.")
        self._inquire(question, about, step, self.policy, None)

    def ask_another(self, question: Shadow, trace: str, step: int, other: Lane) -> None:
        """Ask the policy of another lane about a moment of this one.

        Raises:
            WhiskersError: If there is no such moment, or nobody who could answer.
        """
        if other.policy is None:
            raise WhiskersError("That lane has no policy yet; wait until it is loaded.")
        self._inquire(question, self._known(trace), step, other.policy, other.settings)

    def _inquire(self, question: Question, trace: Trace, step: int, policy: Policy, settings: Settings | None) -> None:
        about = (question, trace, step)
        if all((each.question, each.trace, each.step) != about for each in self.inquiries):
            self.inquiries.append(Inquiry(*about, policy, self.world.picture, self.answers, settings))

    def _known(self, name: str) -> Trace:
        """The trace of that name.

        Raises:
            WhiskersError: If there is none.
        """
        known = {snippet.trace.name: snippet.trace for snippet in self.earlier} | {self.trace.name: self.trace}
        if name not in known:
            raise WhiskersError(f"No trace {name!r}; there are {', '.join(known)}.")
        return known[name]

    def go_on_asking(self) -> None:
        """Make the next policy call of the oldest question.

        Raises:
            WhiskersError: If the policy refuses; the question is then given up.
        """
        if not self.inquiries:
            return
        inquiry = self.inquiries[0]
        try:
            answer = inquiry.advance()
        except Exception:
            self.inquiries.remove(inquiry)
            raise
        if answer is not None:
            self.answers = self.answers.having(answer)
            self.inquiries.remove(inquiry)

    def _keep(self) -> None:
        """Keep the present trace among the earlier ones, unless nothing ever happened in it."""
        if len(self.trace):
            self.earlier = (*self.earlier, Snippet(self.trace, len(self.trace)))
        else:
            self._episodes -= 1

    def view(self) -> LaneView:
        return LaneView(
            now=Snippet(self.trace, len(self.trace)),
            earlier=self.earlier,
            policy=self.policy.info if self.policy is not None else None,
            settings=self.settings,
            latency=self._latency,
            thinking_since=self.thinking_since,
            finished=self.finished,
            answers=self.answers,
            asking=self.inquiries[0].asking if self.inquiries else None,
        )

    def adopt(self, traces: Sequence[Trace]) -> None:
        """Take over recorded traces: the last becomes the one looked at, and can be continued if the policy fits."""
        *earlier, last = traces
        self.earlier = tuple(Snippet(trace, len(trace)) for trace in earlier)
        self._episodes = self._branches = len(traces)
        self.trace = last
        self._know(*traces)
        self.world.restore(last.snapshot(len(last)))
