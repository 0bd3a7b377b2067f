"""The hand that takes hold of bodies in one lane's picture: Ctrl-drags become moves and pushes.

It draws nothing and polls no mouse: the pane tells it where the mouse is, and asks what to draw.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

import numpy as np

from panels.actions import Send
from panels.pane import Ghost
from viewer_app.commands import MoveObject, Push
from viewer_app.grab import NEWTONS_PER_METRE, Grab, pose_of
from viewer_app.types import FloatArray
from viewer_app.view import Frame, Show

PUSH_SECONDS = 0.3
"""How long a push lasts that was dragged. [s]"""
_TURN = np.deg2rad(5.0)
"""By how much a click of the wheel turns what is held. [rad]"""
_STILL = 4.0
"""A drag that ends nearer than this to where it began only marks the body. [px]"""


class Hand:
    """Implements `pane.Hand`."""

    def __init__(self, send: Send, lane: int, look: Callable[[float, float], Future[Grab | None] | None]) -> None:
        """
        Args:
            send: Takes `MoveObject`, `Push` and `Show`.
            lane: Of the picture.
            look: Finds out, beside the window, what lies under a pixel of the picture shown last.
        """
        self._send = send
        self._lane = lane
        self._look = look
        self._looking: Future[Grab | None] | None = None
        self._grab: Grab | None = None
        self._pushes = False
        self._held = False  # whether the button is still down
        self._upright = False
        self._from = self._at = self._anchor = (0.0, 0.0)  # the last is where `_upright` last changed [px]
        self._base: FloatArray = np.zeros(3)  # how far it had been moved there [m]
        self._way: FloatArray = np.zeros(3)  # [m]
        self._turned = 0.0  # [rad]

    def take(self, u: float, v: float, pushes: bool) -> None:
        """Take hold of what lies under a pixel, to move it or to push it."""
        self._looking, self._grab = self._look(u, v), None
        self._pushes, self._held, self._upright = pushes, True, False
        self._from = self._at = self._anchor = (u, v)
        self._base, self._way, self._turned = np.zeros(3), np.zeros(3), 0.0

    def mark(self, u: float, v: float) -> None:
        """Mark what lies under a pixel."""
        self.take(u, v, pushes=False)
        self._held = False

    def move(self, u: float, v: float, upright: bool, clicks: float) -> None:
        """Drag to a pixel.

        Args:
            u, v: [px]
            upright: Whether to go up and down instead of along the ground.
            clicks: Of the wheel since the last call: they turn it.
        """
        if upright != self._upright:
            # What was reached stays; from here on the mouse means something else.
            self._base, self._anchor, self._upright = self._way, self._at, upright
        self._at = (u, v)
        self._turned += _TURN * clicks
        self._reach()

    def _reach(self) -> None:
        if self._grab is not None:
            there = replace(self._grab, point=self._grab.point + self._base)
            self._way = self._base + there.dragged(*self._at, self._upright)
            self._way = self._way - there.dragged(*self._anchor, self._upright)

    def drop(self) -> None:
        """Let go and leave everything as it was."""
        self._looking = self._grab = None
        self._held = False

    def let_go(self) -> None:
        """Do what the drag says."""
        self._held = False

    def update(self, frame: Frame) -> None:
        """Hear what lies under the pixel, and send what is to be done."""
        if self._looking is not None and self._looking.done():
            self._grab, self._looking = self._looking.result(), None
            self._reach()
        if self._held or self._looking is not None or self._grab is None:
            return
        grab, self._grab = self._grab, None
        marked = grab.movable or grab.body
        if marked != frame.focus.overlays.body:
            self._send(Show(replace(frame.focus.overlays, body=marked)))
        far = max(abs(self._at[0] - self._from[0]), abs(self._at[1] - self._from[1])) > _STILL
        if self._pushes and far and grab.pushable:
            steps = max(round(PUSH_SECONDS / frame.view.scene.control_dt), 1)
            x, y, z = (float(each) for each in NEWTONS_PER_METRE * self._way)
            self._send(Push(grab.body, (x, y, z), steps, lane=self._lane))
        elif not self._pushes and grab.movable and (far or self._turned):
            placed = pose_of(grab.moved(self._way, self._turned))
            self._send(MoveObject(grab.movable, placed.position, lane=self._lane, quaternion=placed.quaternion))

    @property
    def ghost(self) -> Ghost | None:
        """Where what is held would land, in pixels of the picture; None while nothing is held."""
        grab = self._grab
        if not self._held or self._looking is not None:
            return None
        if grab is None:
            return Ghost((), "what lies here does not move", self._at)
        if self._pushes:
            if not grab.pushable:
                return Ghost((), f"{grab.body} cannot be pushed", self._at)
            arrow = grab.line(grab.point, grab.point + self._way)
            newtons = NEWTONS_PER_METRE * float(np.linalg.norm(self._way))
            words = f"push {grab.body} with {newtons:.1f} N for {PUSH_SECONDS:g} s"
            return Ghost((arrow,) if arrow is not None else (), words, self._at, pushes=True)
        if not grab.movable:
            return Ghost((), f"{grab.body} hangs on the world: Ctrl+right-drag pushes it", self._at)
        box = grab.moved(self._way, self._turned)
        x, y, z = 1000 * box.position
        turned = f", turned {np.rad2deg(self._turned):.0f} deg" if self._turned else ""
        return Ghost(tuple(grab.outline(box)), f"{grab.movable} to {x:.0f}, {y:.0f}, {z:.0f} mm{turned}", self._at)
