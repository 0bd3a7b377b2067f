"""The policy of one lane as the window knows it: loading, loaded but not yet taken by the engine, in use."""

from __future__ import annotations

from dataclasses import replace

from viewer_app.commands import Command, UsePolicy
from viewer_app.gui.contracts import LaneStart, LoadProgress, PolicyLoading
from viewer_app.types import CallProgress, Policy, WhiskersError
from viewer_app.view import View


class Seat:
    """The place of one lane's policy."""

    def __init__(self, lane: int, start: LaneStart) -> None:
        self._lane = lane
        self._loading = start.policy
        self._unused: tuple[PolicyLoading, Policy] | None = None
        self._used: PolicyLoading | None = None
        self._raw: Policy | None = None
        """What is in use, as it was loaded."""
        self._raw_unused: Policy | None = None
        """The same of what waits to be taken, which may yet be refused."""
        self.start = start
        """What was wished for the policy."""

    @property
    def source(self) -> str:
        """What is being loaded, empty where nothing is."""
        return self._loading.source if self._loading is not None else ""

    @property
    def settled(self) -> bool:
        """Whether nothing loads and nothing waits to be taken."""
        return self._loading is None and self._unused is None

    @property
    def loaded(self) -> Policy | None:
        """The policy that waits to be taken."""
        return self._unused[1] if self._unused is not None else None

    @property
    def call(self) -> CallProgress | None:
        """How far the policy call in progress is."""
        return self._used.call if self._used is not None else None

    def setup(self, policy: Policy) -> list[Command]:
        """What to send to the lane once the engine has taken the policy.

        Raises:
            WhiskersError: If the policy cannot be run so.
        """
        return [replace(command, lane=self._lane) for command in self.start.setup(policy.info)]  # type: ignore[arg-type]

    def load(self, loading: PolicyLoading) -> None:
        """Take over a checkpoint that loads. One that still loads is given up."""
        if self._loading is not None:
            self._loading.cancel()
            self._loading.close()
        self._loading = loading
        # What was wished for the first checkpoint need not suit another.
        self.start = LaneStart(loading)

    def poll(self) -> LoadProgress | Policy | WhiskersError | None:
        """How far the load is; the policy or the complaint, once; None where nothing loads."""
        if self._loading is None:
            return None
        found = self._loading.poll()
        if isinstance(found, LoadProgress):
            return found
        loading, self._loading = self._loading, None
        if isinstance(found, WhiskersError):
            loading.close()
        else:
            self.refuse()
            self._unused = (loading, found)
            self._raw_unused = found
        return found

    def take_again(self) -> Policy | None:
        """The policy in use, as it was loaded, to be offered in another form; None where there is none."""
        if self._used is None or self._loading is not None or self._unused is not None or self._raw is None:
            return None
        self._unused, self._raw_unused = (self._used, self._raw), self._raw
        return self._raw

    def offer(self, policy: Policy) -> UsePolicy:
        """The command that gives the engine the policy that was loaded, in the form in which it is to drive."""
        assert self._unused is not None
        self._unused = (self._unused[0], policy)
        return UsePolicy(policy, self._lane)

    def refuse(self) -> None:
        """Let go of the policy that was loaded: it is not going to drive."""
        if self._unused is not None and self._unused[0] is not self._used:
            self._unused[0].close()
        self._unused = None

    def taken(self, view: View) -> Policy | None:
        """The policy, once, as soon as a view shows that the engine has taken it."""
        if self._unused is None or view.lanes[self._lane].policy is not self._unused[1].info:
            return None
        (loading, policy), self._unused = self._unused, None
        if self._used is not None and self._used is not loading:
            self._used.close()
        self._used, self._raw = loading, self._raw_unused
        return policy

    def cancel_load(self) -> bool:
        """Stop the load. Returns whether there was one."""
        if self._loading is None:
            return False
        self._loading.cancel()
        return True

    def cancel_call(self) -> None:
        """Stop the policy call in progress."""
        if self._used is not None:
            self._used.cancel()

    def cancel(self) -> None:
        """Stop whatever is in progress."""
        for each in self._all():
            each.cancel()

    def close(self) -> None:
        """Let go of all policies."""
        for each in self._all():
            each.close()

    def _all(self) -> list[PolicyLoading]:
        known = (self._loading, self._used, self._unused[0] if self._unused is not None else None)
        return list({id(each): each for each in known if each is not None}.values())
