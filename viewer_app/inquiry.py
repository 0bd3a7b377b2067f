"""How a question about a moment becomes policy calls, one at a time, so that whoever asks can stop in between.

Nothing is executed and nothing recorded. Every call gets the seed that the policy gets at that step, so that what
differs between two chunks differs because of what was changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import assert_never

import numpy as np

from viewer_app.blinding import STATE, Blind, BlindSetting, blind
from viewer_app.questions import (
    ALL_CAMERAS,
    Ablation,
    Answer,
    Answers,
    Asking,
    Attention,
    Denoising,
    Ensemble,
    Occlusion,
    Question,
    Samples,
    Shadow,
    XRay,
    cell_label,
)
from viewer_app.seen import Picture, seen_until, unblinded
from viewer_app.trace import Settings, Trace
from viewer_app.types import ActionChunk, Observation, Policy, Sampling, Want, WhiskersError


def policy_seed(episode_seed: int, step: int) -> int:
    """Seed of the policy's random numbers for one observation: the same in every replay, different at every step."""
    return int(np.random.SeedSequence([episode_seed, step]).generate_state(1)[0])


Alter = Callable[[Observation], Observation]


class Inquiry:
    """One question on its way to an answer."""

    def __init__(
        self,
        question: Question,
        trace: Trace,
        step: int,
        policy: Policy,
        picture: Picture,
        known: Answers,
        settings: Settings | None = None,
    ) -> None:
        """
        Args:
            question: What is asked.
            trace: About which trace.
            step: About which moment, 0 .. len(trace).
            policy: Who is asked.
            picture: Renders a snapshot.
            known: Earlier answers, whose chunks are used again.
            settings: Under which a policy that did not make the trace is asked; None are those of the trace.

        Raises:
            WhiskersError: If it cannot be asked; one sentence says why.
        """
        if not 0 <= step <= len(trace):
            raise WhiskersError(f"Trace {trace.name!r} has no step {step}; it has steps 0 to {len(trace)}.")
        self.question = question
        self.trace = trace
        self.step = step
        self._policy = policy
        self._picture = picture
        self._settings = settings
        # What made the trace knows its own answers; another policy's would be other ones.
        self._known = _plain_chunks(trace, known) if settings is None else {}
        self._begun = False
        self._since = self._last = time.monotonic()
        self._calls = 0
        self._seconds = 0.0
        self._seen: dict[int, list[Observation]] = {}
        self._base: ActionChunk | None = None
        self._chunks: dict[str, ActionChunk] = {}
        self._total = self._count()
        self._work = self._steps()

    @property
    def asking(self) -> Asking:
        """How far it is."""
        return Asking(self.question, self.trace, self.step, self._calls, self._total, self._since, self._last)

    def advance(self) -> Answer | None:
        """Make the next policy call. Returns the answer once there is nothing more to ask.

        Raises:
            WhiskersError: If the policy refuses.
        """
        if not self._begun:
            # It may have waited for others.
            self._begun, self._since, self._last = True, time.monotonic(), time.monotonic()
        more = next(self._work, "done") != "done"
        self._last = time.monotonic()
        if more:
            return None
        assert self._base is not None
        return Answer(
            self.question,
            self.trace,
            self.step,
            self._base,
            MappingProxyType(dict(self._chunks)),
            self._calls,
            self._seconds,
        )

    def _count(self) -> int:
        """How many policy calls it will take."""
        info = self._policy.info
        match self.question:
            case Samples(count):
                if count < 1:
                    raise WhiskersError(f"At least 1 sample can be asked for, found {count}.")
                return 1 if info.deterministic else 1 + count
            case Ensemble():
                return sum(step not in self._known for step in self._covering())
            case Ablation():
                return (self.step not in self._known) + len(self._ablations())
            case Occlusion(camera, columns, rows):
                if camera not in info.cameras:
                    raise WhiskersError(
                        f"Policy {info.name} does not look through camera {camera!r}; it reads "
                        f"{', '.join(info.cameras) or 'none'}."
                    )
                if columns < 1 or rows < 1:
                    raise WhiskersError(f"An occlusion map has at least 1 x 1 cells, found {columns} x {rows}.")
                return (self.step not in self._known) + columns * rows
            case Attention() | Denoising() | Shadow() | XRay():
                return 1
            case _:
                assert_never(self.question)

    def _covering(self) -> range:
        """The steps whose chunks would still say something about this one; a policy reset forgets those before it."""
        begin = max((at for at in self.trace.resets if at <= self.step), default=0)
        return range(max(self.step - self._policy.info.chunk_size + 1, begin), self.step + 1)

    def _ablations(self) -> dict[str, tuple[str, ...]]:
        """Label to the inputs that are blinded together."""
        info = self._policy.info
        cameras = tuple(info.cameras)
        found: dict[str, tuple[str, ...]] = {name: (name,) for name in cameras}
        if info.n_state:
            found[STATE] = (STATE,)
        if len(cameras) > 1:
            found[ALL_CAMERAS] = cameras
        return found

    def _steps(self) -> Iterator[None]:
        """The calls, a pause after each."""
        match self.question:
            case Samples(count):
                yield from self._sample(count)
            case Ensemble():
                for step in self._covering():
                    yield from self._learn(step)
                    self._chunks[str(step)] = self._known[step]
                self._base = self._known[self.step]
            case Ablation(mode):
                yield from self._learn(self.step)
                self._base = self._known[self.step]
                for label, names in self._ablations().items():
                    self._chunks[label] = self._ask(self.step, self._blinded(names, mode))
                    yield
            case Occlusion(camera, columns, rows):
                yield from self._learn(self.step)
                self._base = self._known[self.step]
                for row in range(rows):
                    for column in range(columns):
                        patch = self._patched(camera, row, column, self.question)
                        self._chunks[cell_label(row, column)] = self._ask(self.step, patch)
                        yield
            case Attention():
                self._base = self._ask(self.step, want=Want(attention=True))
                if "attention" not in self._base.extras:
                    raise WhiskersError(f"Policy {self._policy.info.name} has no cross-attention to show.")
                yield
            case Denoising(samples):
                self._base = self._ask(self.step, want=Want(denoising=True, samples=samples))
                if "denoising" not in self._base.extras:
                    raise WhiskersError(
                        f"Policy {self._policy.info.name} does not denoise: there are no steps to show."
                    )
                yield
            case Shadow():
                self._base = self._ask(self.step)
                yield
            case XRay():
                self._base = self._ask(self.step, want=Want(xray=True))
                if not self._base.xray:
                    raise WhiskersError(f"Policy {self._policy.info.name} has no processors of LeRobot's to look into.")
                yield
            case _:
                assert_never(self.question)

    def _learn(self, step: int) -> Iterator[None]:
        """Make the plain chunk of a step known."""
        if step not in self._known:
            self._known[step] = self._ask(step)
            yield

    def _sample(self, count: int) -> Iterator[None]:
        self._base = self._ask(self.step, want=Want(samples=count))
        yield
        if self._policy.info.deterministic or "samples" in self._base.extras:
            self._total = self._calls
            return
        for number in range(count):
            self._chunks[str(number)] = self._ask(self.step, salt=number + 1)
            yield

    def _ask(
        self, step: int, alter: Alter = lambda observation: observation, want: Want | None = None, salt: int = 0
    ) -> ActionChunk:
        if step not in self._seen:
            seen = seen_until(self.trace, step, self._policy.info, self._picture, self._settings)
            self._seen = {step: seen}
        seed = policy_seed(self.trace.seed, step)
        if salt:
            seed = int(np.random.SeedSequence([seed, salt]).generate_state(1)[0])
        begin = time.monotonic()
        observations = [alter(each) for each in self._seen[step]]
        want = replace(want or Want(), sampling=self._sampling(step))
        chunk = self._policy.predict(observations, step, seed, want)
        self._seconds += time.monotonic() - begin
        self._calls += 1
        return chunk

    def _sampling(self, step: int) -> Sampling:
        if self._settings is not None:
            # What is left of the trace's chunk is in another policy's units.
            return Sampling(self._settings.denoising_steps)
        return self.trace.sampling_at(step)

    def _blinded(self, names: Sequence[str], mode: Blind) -> Alter:
        """Blind inputs together. Frozen ones show the beginning of the episode: this moment's would change nothing."""
        info, trace = self._policy.info, self.trace
        blinding: Mapping[str, BlindSetting] = dict.fromkeys(names, BlindSetting(mode, 0))
        frozen_at = {0: unblinded(trace, 0, tuple(info.cameras), self._picture)} if mode is Blind.FROZEN else {}

        def alter(observation: Observation) -> Observation:
            return blind(observation, blinding, info, frozen_at, trace.seed, self.step)

        return alter

    def _patched(self, camera: str, row: int, column: int, question: Occlusion) -> Alter:
        mean = self._policy.info.camera_mean.get(camera)

        def alter(observation: Observation) -> Observation:
            image = observation.images[camera].copy()
            colour = image.mean(axis=(0, 1)) if mean is None else 255 * np.array(mean)
            image[question.patch(row, column, *image.shape[:2])] = np.round(colour).astype(np.uint8)
            return replace(observation, images=MappingProxyType({**observation.images, camera: image}))

        return alter


def _plain_chunks(trace: Trace, known: Answers) -> dict[int, ActionChunk]:
    """Step to the chunk that the policy gave, or would have given, for what it was shown there.

    While the policy ensembles, every step of the trace has one; otherwise earlier answers fill some of the gaps.
    """
    found = {chunk.start: chunk for chunk in trace.chunks}
    for answer in known.about(trace):
        if isinstance(answer.question, Ensemble):
            found.update({int(step): chunk for step, chunk in answer.chunks.items()})
        elif not isinstance(answer.question, Shadow):
            found.setdefault(answer.step, answer.base)
    return found
