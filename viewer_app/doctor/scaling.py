"""Whether a checkpoint's processors scale its numbers, and by statistics that a dataset can have.

LeRobot's normaliser passes a feature through without a word where it has no statistics for it, and divides by whatever
standard deviation it is given. Formulas: LeRobot 0.6.1, `processor/normalize_processor.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from viewer_app.doctor.facts import ACTION, IDENTITY, NEEDED, CheckpointFacts, Feature, ProcessorStep
from viewer_app.doctor.finding import Finding
from viewer_app.types import FloatArray

TINY = 1e-3
"""A spread below this, or below this share of the median of its vector, blows up what is divided by it."""
TINY_IMAGE = 0.02
"""No dataset's pictures have a smaller standard deviation. [share of white]"""
WHITE = 1.5
"""Statistics of pictures in [0, 1] stay below this."""
_SCALE_BY_THEMSELVES = ("xvla", "groot", "lingbot_va")
"""Policy types whose normalisation LeRobot leaves to steps of their own."""
NORMALISER, UNNORMALISER = "normalizer_processor", "unnormalizer_processor"
_RETRAIN = "Take the statistics of the training dataset: save the processors again with dataset_stats."


def check_scaling(facts: CheckpointFacts) -> Iterator[Finding]:
    """All that concerns normalisation."""
    broken = any(each.id.startswith("statistics-") for each in facts.unreadable)
    if facts.before is None or facts.after is None or not facts.inputs or not facts.outputs or broken:
        return  # What is missing is told already.
    before = [step for step in facts.before if step.name == NORMALISER]
    after = [step for step in facts.after if step.name == UNNORMALISER]
    for feature in facts.inputs:
        yield from _check_feature(facts, before, NORMALISER, feature)
    for feature in facts.outputs:
        if feature.key == ACTION:
            yield from _check_feature(facts, after, UNNORMALISER, feature)
            yield from _check_pair(before, after, _mode(facts, feature))
    scaled = any(_mode(facts, each) != IDENTITY for each in (*facts.inputs, *facts.outputs))
    if not scaled and facts.kind not in _SCALE_BY_THEMSELVES:
        evidence = (
            f"The configuration wants none of {len(facts.inputs) + len(facts.outputs)} features scaled (IDENTITY)."
        )
        mend = "If it was trained on scaled numbers, set normalization_mapping as in its train_config.json."
        yield Finding("identity-everywhere", "warning", evidence, mend)


def _check_feature(
    facts: CheckpointFacts, steps: list[ProcessorStep], registry_name: str, feature: Feature
) -> Iterator[Finding]:
    mode = _mode(facts, feature)
    modes = {str(step.modes.get(feature.kind, IDENTITY)) for step in steps}
    if mode == IDENTITY and modes <= {IDENTITY}:
        return
    if not steps:
        evidence = f"{feature.key} is to be scaled by {mode}, and there is no {registry_name} that does."
        yield Finding("normaliser-absent", "error", evidence, "Copy the processor files of the same training run.")
        return
    if mode not in modes:
        evidence = f"config.json wants {feature.key} scaled by {mode}; the {registry_name} has {' and '.join(modes)}."
        mend = "Make norm_map of the processor and normalization_mapping of config.json those of the training run."
        yield Finding("normalisation-mode", "error", evidence, mend)
        return
    if mode not in NEEDED:
        valid = ", ".join((*NEEDED, IDENTITY))
        evidence = f"{feature.key} is to be scaled by {mode!r}, which is no mode of LeRobot's."
        yield Finding("normalisation-mode", "error", evidence, f"Use one of {valid}.")
        return
    for step in steps:
        values = (step.statistics or {}).get(feature.key, {})
        lacking = [name for name in NEEDED[mode] if name not in values]
        chosen = step.settings.get("normalize_observation_keys")
        # LeRobot scales the action whether or not the step lists it.
        listed = feature.key in step.features and (not isinstance(chosen, list) or feature.key in chosen)
        if lacking or not (listed or feature.key == ACTION):
            what = f"no {' and no '.join(lacking)} of it" if lacking else "it is not among its features"
            evidence = f"The {registry_name} leaves {feature.key} as it is: {what}, where {mode} is asked for."
            yield Finding("inert-normaliser", "error", evidence, _RETRAIN)
        else:
            yield from _check_statistics(feature, mode, values)


def _check_statistics(feature: Feature, mode: str, values: Mapping[str, FloatArray]) -> Iterator[Finding]:
    first, second = (values[name] for name in NEEDED[mode])
    key, names = feature.key, NEEDED[mode]
    size = feature.shape[0] if feature.shape else 0
    for name, array in zip(names, (first, second), strict=True):
        if array.size not in (1, size):
            evidence = f"The {name} of {key} has {array.size} numbers, where the feature has {size}."
            yield Finding("statistics-shape", "error", evidence, _RETRAIN)
            return
        if not np.isfinite(array).all():
            evidence = (
                f"The {name} of {key} is not finite in {int((~np.isfinite(array)).sum())} of {array.size} numbers."
            )
            yield Finding("statistics-not-finite", "error", evidence, _RETRAIN)
            return
    if feature.kind == "VISUAL" and mode == "MEAN_STD":
        yield from _check_picture(key, first, second)
        return
    spread = np.ravel(second if mode == "MEAN_STD" else second - first)
    noun = "standard deviation" if mode == "MEAN_STD" else f"range ({names[0]} to {names[1]})"
    if (spread < 0).any():
        at = int(spread.argmin())
        evidence = f"The {noun} of {key}[{at}] is {spread[at]:.4g}, below zero."
        yield Finding("statistics-reversed", "error", evidence, _RETRAIN)
        return
    tiny = (spread < TINY) | (spread < TINY * np.median(spread))
    if tiny.any():
        at = int(spread.argmin())
        evidence = (
            f"The {noun} of {key}[{at}] is {spread[at]:.3g} ({int(tiny.sum())} of {spread.size} numbers; the median is "
            f"{np.median(spread):.3g}): what differs a little there is blown up."
        )
        mend = "Leave out dimensions that never moved in training, or put a plain scale (1) in their place."
        yield Finding("tiny-std" if mode == "MEAN_STD" else "zero-range", "warning", evidence, mend)
        return
    if feature.kind != "VISUAL":
        yield from _check_against_each_other(key, values)
        if (first == (0 if mode == "MEAN_STD" else -1)).all() and (second == 1).all():
            evidence = (
                f"The {' and '.join(names)} of {key} are {first.flat[0]:g} and 1 in all of {first.size} numbers: "
                "scaling by them changes nothing, as if there were no statistics."
            )
            yield Finding("placeholder-statistics", "warning", evidence, _RETRAIN)


def _check_picture(key: str, mean: FloatArray, std: FloatArray) -> Iterator[Finding]:
    if float(std.min()) < TINY_IMAGE:
        evidence = (
            f"The standard deviation of {key} is {float(std.min()):.3g}: pictures in [0, 1] become numbers up to "
            f"{1 / max(float(std.min()), 1e-8):.0f}, where 5 is usual."
        )
        yield Finding("image-std", "error" if float(std.min()) <= 0 else "warning", evidence, _RETRAIN)
    if max(float(np.abs(mean).max()), float(std.max())) > WHITE:
        evidence = (
            f"The mean of {key} is up to {float(mean.max()):.3g} and its deviation up to {float(std.max()):.3g}: these "
            "are statistics of pictures in [0, 255], and LeRobot gives [0, 1]."
        )
        yield Finding("image-scale", "error", evidence, "Divide mean and std of the pictures by 255.")


def _check_against_each_other(key: str, values: Mapping[str, FloatArray]) -> Iterator[Finding]:
    """A mean lies between the extremes, and a deviation is at most half of what lies between them."""
    if not {"mean", "std", "min", "max"} <= values.keys():
        return
    mean, std, low, high = (np.ravel(values[name]) for name in ("mean", "std", "min", "max"))
    if len({each.shape for each in (mean, std, low, high)}) != 1:
        return
    slack = 0.01 * np.maximum(high - low, 0) + 1e-6
    wrong = (mean < low - slack) | (mean > high + slack) | (std > (high - low) / 2 + slack)
    if wrong.any():
        at = int(wrong.argmax())
        evidence = (
            f"{key}[{at}] has mean {mean[at]:.4g} and std {std[at]:.4g} between min {low[at]:.4g} and max "
            f"{high[at]:.4g}, which no data have ({int(wrong.sum())} of {wrong.size} dimensions)."
        )
        yield Finding("statistics-inconsistent", "warning", evidence, _RETRAIN)


def _check_pair(before: list[ProcessorStep], after: list[ProcessorStep], mode: str) -> Iterator[Finding]:
    """What the policy learnt to say was scaled by the one, and is scaled back by the other."""
    if mode not in NEEDED:
        return
    for one in before:
        for other in after:
            ours, theirs = ((step.statistics or {}).get(ACTION, {}) for step in (one, other))
            for name in NEEDED[mode]:
                if name not in ours or name not in theirs or ours[name].shape != theirs[name].shape:
                    continue
                differs = np.abs(np.ravel(ours[name] - theirs[name]))
                if np.isfinite(differs).all() and differs.max(initial=0.0) > 1e-6 * np.abs(ours[name]).max():
                    at = int(differs.argmax())
                    evidence = (
                        f"The {name} of action[{at}] is {np.ravel(ours[name])[at]:.4g} in the preprocessor and "
                        f"{np.ravel(theirs[name])[at]:.4g} in the postprocessor."
                    )
                    mend = "Use the processor files of one training run, and the same statistics in both."
                    yield Finding("statistics-mismatch", "error", evidence, mend)
                    return


def _mode(facts: CheckpointFacts, feature: Feature) -> str:
    return str(facts.modes.get(feature.kind, IDENTITY))
