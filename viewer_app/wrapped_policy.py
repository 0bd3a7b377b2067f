"""What every policy around another one has in common: it says something else of itself, and works as that one does."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from viewer_app.types import CallProgress, Float32Array, Policy, PolicyInfo


@runtime_checkable
class _TellsProgress(Protocol):
    """A policy that says how far its call is, as `policies.process.PolicyProcess` does."""

    @property
    def call(self) -> CallProgress | None: ...


class WrappedPolicy:
    """All of `viewer_app.types.Policy` but `predict`, which is what those that inherit from this are about."""

    def __init__(self, policy: Policy, info: PolicyInfo) -> None:
        """
        Args:
            policy: What is wrapped, not owned.
            info: What the whole says of itself.
        """
        self._policy = policy
        self._progress = policy if isinstance(policy, _TellsProgress) else None
        self._info = info

    @property
    def info(self) -> PolicyInfo:
        return self._info

    @property
    def call(self) -> CallProgress | None:
        """How far the call in progress is, from any thread; None without one, or where the policy does not tell."""
        return self._progress.call if self._progress is not None else None

    def ensemble_weights(self, coefficient: float) -> Float32Array:
        """See `viewer_app.types.Policy`."""
        return self._policy.ensemble_weights(coefficient)
