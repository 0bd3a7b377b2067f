"""What is suspicious in an x-ray of a policy's processors. Pure functions of its rows."""

from __future__ import annotations

from viewer_app.types import XRayRow

WIDE = 5.0
"""Normalised numbers lie within this of 0 if their statistics are those of the training data. [deviations]"""
_WHITE = 1.5
"""Pictures in [0, 1] stay below this."""
_FAINT = 0.02
"""A normalised picture whose numbers deviate less than this shows the policy next to nothing. [deviations]"""
_PICTURE = "observation.image"

PARTS = {
    "before": "Preprocessor: what the policy is shown",
    "model": "Model: its own answer",
    "after": "Postprocessor: back to scene units",
}
"""Part of an x-ray to its title."""


def mark(row: XRayRow) -> str:
    """What is suspicious about a row, in a few words; empty where nothing is.

    A normaliser is inert where it is to scale a feature and leaves every number, and not all of them 0, as it was.
    """
    if row.broken:
        return f"NaN or infinity in {row.broken} numbers"
    largest = max(abs(row.low), abs(row.high))
    picture = row.feature.startswith(_PICTURE)
    if row.part == "before" and picture and row.dtype == "uint8":
        return "uint8, where float in 0 .. 1 is wanted"
    if row.part == "before" and picture and not row.step:
        if largest > _WHITE:
            return "0 .. 255, where 0 .. 1 is wanted"
        return "every pixel is the same" if row.deviation < 1e-6 else ""
    if not row.mode:
        return ""
    if row.step and not row.changed and largest > 0:
        return f"left as it is: an inert normaliser ({row.mode} is asked for)"
    if row.part != "after" and largest > WIDE:
        return f"beyond {WIDE:g}: the statistics do not fit"
    if row.part == "before" and picture and row.deviation < _FAINT:
        return "next to nothing is left of the picture: the deviation is too large"
    return ""


def is_told(row: XRayRow) -> bool:
    """Whether a row says more than the one before: what a step left alone and was not to touch is not told."""
    return row.changed or bool(row.mode) or bool(mark(row))


def named(row: XRayRow) -> str:
    """What stands for the step of a row."""
    if row.step:
        return row.step
    return "the model's answer" if row.part == "model" else "the observation"


def figures(row: XRayRow) -> tuple[str, str, str, str]:
    """Lowest, highest, mean and standard deviation of a row, as text."""
    values = (row.low, row.high, row.mean, row.deviation)
    return tuple("" if value != value else f"{value:.4g}" for value in values)  # type: ignore[return-value]


_MEANINGS = {
    "": "What came in, before any step",
    "rename_observations_processor": "Gives features the names that the policy was trained with",
    "to_batch_processor": "Adds the dimension of the batch, which is 1 here",
    "device_processor": "Moves the numbers to where the model runs",
    "normalizer_processor": "Scales each feature by the statistics of the training data",
    "unnormalizer_processor": "Scales the action back by the statistics of the training data",
    "tokenizer_processor": "Turns the prompt into numbers of tokens",
    "relative_actions_processor": "Makes actions relative to the state",
    "mending": "Not LeRobot's: what you mended for this session, between the scene's numbers and the checkpoint's",
    "absolute_actions_processor": "Adds the state to relative actions",
}


def meaning(row: XRayRow) -> str:
    """What a row's step does, in a sentence."""
    if row.part == "model":
        return "What the model answered, before anything was done to it: the chunk's rows in its own units"
    known = _MEANINGS.get(row.step, "A step of the policy's own")
    return f"{known} ({row.mode})" if row.mode else known
