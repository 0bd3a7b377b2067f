"""What each overlay is drawn in. Colours follow the seed systems, so that old screenshots can be compared."""

from __future__ import annotations

Colour = tuple[float, float, float]
"""RGB in [0, 1]."""

WHISKER: Colour = (0.20, 0.80, 0.20)
GHOST: Colour = (0.45, 0.55, 0.95)
PATH: Colour = (1.00, 0.45, 0.10)
PHYSICS: Colour = (0.10, 0.85, 0.85)
MEMBER: Colour = (0.46, 0.46, 0.48)
ENSEMBLE: Colour = (0.00, 0.90, 0.00)
SAMPLE: Colour = (0.50, 0.50, 0.50)
NOISE: Colour = (0.60, 0.60, 0.60)
DENOISED: Colour = (0.20, 1.00, 0.20)
"""A denoising step's whisker goes from the first to the second."""

PUSH: Colour = (0.95, 0.38, 0.61)
MARKED: Colour = (0.35, 0.66, 0.90)
"""The body that is marked, with a box around it."""

INPUTS: tuple[Colour, ...] = (
    (1.00, 0.85, 0.20),
    (0.95, 0.30, 0.75),
    (0.60, 0.40, 1.00),
    (0.95, 0.25, 0.25),
    (0.55, 0.75, 0.65),
    (0.75, 0.55, 0.35),
)
"""One for each input that is blinded, in turn."""

LANES: tuple[Colour, ...] = (
    (0.30, 0.75, 1.00),
    (0.95, 0.40, 0.85),
    (1.00, 0.80, 0.25),
    (0.70, 0.60, 1.00),
)
"""One for each lane, in turn, wherever several are in one picture. None is the green of a lane's own whisker."""

AXES: tuple[Colour, Colour, Colour] = ((1.00, 0.25, 0.25), (0.30, 0.85, 0.30), (0.35, 0.55, 1.00))
"""x, y and z, as in most programs that show frames."""

CLOSED: Colour = (0.40, 0.10, 0.55)
OPEN: Colour = (1.00, 0.92, 0.75)
"""A gripper that is told to be closed, and open."""

TARGET: Colour = (1.00, 0.80, 0.10)
"""Where an action asks the end effector to be."""
