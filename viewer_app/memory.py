"""What was computed from an object, remembered as long as it is of use, so that it is computed once."""

from __future__ import annotations

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
