"""What stands in for a world that cannot be opened here, so that its recordings can be looked at."""

from __future__ import annotations

from collections.abc import Sequence

from viewer_app.scene import Scene
from viewer_app.types import Float32Array, Force, Positions, WhiskersError
from viewer_app.world import MujocoWorld, Pictures


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

    def step(self, action: Float32Array, forces: Sequence[Force] = ()) -> None:
        """
        Raises:
            WhiskersError: Always: why the environment is not open.
        """
        raise WhiskersError(str(self._reason))

    def place(self, positions: Positions) -> None:
        """
        Raises:
            WhiskersError: Always, likewise: only the environment knows what it observes of things elsewhere.
        """
        raise WhiskersError(str(self._reason))
