"""Environments that render in every step, kept from it: nearly all of the time that their steps take.

Their renderers are replaced on the instance, so that their own code runs on, and gets pictures of nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np

from viewer_app.types import ImageArray

_NOTHING = np.zeros((1, 1, 3), np.uint8)


class MutedRenderer:
    """Takes the place of a `mujoco.Renderer`, and draws nothing."""

    def update_scene(self, *_: object, **__: object) -> None:
        """Nothing."""

    def render(self, *_: object, **__: object) -> ImageArray:
        """A picture of nothing. Shape (1, 1, 3)."""
        return _NOTHING.copy()

    def enable_depth_rendering(self) -> None:
        """Nothing."""

    def disable_depth_rendering(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def mute(inner: Any) -> None:
    """Keep an environment from rendering in its steps.

    Args:
        inner: Without wrappers.
    """
    for holder in _holders(inner):
        physics: Any = getattr(holder, "physics", None)
        if hasattr(physics, "render"):  # dm_control's, which gym-aloha and those made after it observe through.
            physics.render = _nothing
        for name, value in list(vars(holder).items()):
            if isinstance(value, mujoco.Renderer):
                value.close()  # On the thread that made it, as OpenGL wants it.
                setattr(holder, name, MutedRenderer())
        if vars(holder).get("_viewer", holder) is None and hasattr(holder, "_render_specs"):
            # lerobot-env-so101 makes it when it first observes.
            holder._viewer = MutedRenderer()
        if hasattr(holder, "mujoco_renderer") and holder is not inner:
            # Another environment inside, of Gymnasium's own kind, that the outer one observes by rendering.
            holder.render = _nothing


def stay(inner: Any) -> None:
    """Keep an environment from resetting itself inside a step that ends one, as LeRobot's do: the moment after
    success belongs to the same episode."""
    inner.reset = _nothing


def _holders(inner: Any) -> Iterator[Any]:
    yield inner
    inside = getattr(inner, "_env", None)
    if inside is not None:
        yield inside


def _nothing(*_: object, **__: object) -> ImageArray:
    return _NOTHING.copy()
