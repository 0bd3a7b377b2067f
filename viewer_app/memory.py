"""What was computed from an object, remembered as long as it is of use, so that it is computed once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable


class Memory[V]:
    """Values by the object that they were computed from, compared by identity. Those used longest ago go first."""

    def __init__(self, most: int) -> None:
        """
        Args:
            most: How many values are kept.
        """
        self._most = most
        self._known: OrderedDict[Hashable, tuple[object, V]] = OrderedDict()

    def get(self, owner: object, detail: Hashable, make: Callable[[], V]) -> V:
        """The value that `make` gave, or gives now.

        Args:
            owner: What the value was computed from. It must not change.
            detail: What else decides the value.
            make: Computes it.
        """
        key = (id(owner), detail)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key][1]
        value = make()
        # The owner is kept beside its value, so that its id cannot be given to another object.
        self._known[key] = (owner, value)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return value


class Shelf[V]:
    """Immutable values by key, within a budget of bytes; those used longest ago go first. Any thread may use it."""

    def __init__(self, budget: int) -> None:
        """
        Args:
            budget: The most that the values may take. [bytes]
        """
        self.budget = budget
        self.nbytes = 0
        self._known: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        # Held for some dictionary operations, never while a value is made.
        self._lock = threading.Lock()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._known

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: Hashable) -> V | None:
        with self._lock:
            if key not in self._known:
                return None
            self._known.move_to_end(key)
            return self._known[key][0]

    def put(self, key: Hashable, value: V, nbytes: int) -> None:
        """
        Args:
            key: What the value is found by.
            value: In place of one that is there.
            nbytes: How much it takes. [bytes]
        """
        with self._lock:
            _, before = self._known.pop(key, (None, 0))
            self._known[key] = (value, nbytes)
            self.nbytes += nbytes - before
            while self.nbytes > self.budget and len(self._known) > 1:
                _, (_, gone) = self._known.popitem(last=False)
                self.nbytes -= gone

    def clear(self) -> None:
        with self._lock:
            self._known.clear()
            self.nbytes = 0
