"""A checkpoint's facts as they are once a person has mended it for a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from viewer_app.conversion import Conversion, conversion
from viewer_app.doctor.facts import ACTION, STATE, CheckpointFacts, ProcessorStep, mapping_of
from viewer_app.mends import Mends
from viewer_app.scene import Scene
from viewer_app.types import FloatArray, frozen

_SPREADS = ("std",)
"""Statistics that an offset does not move."""
_ENDS = (("min", "max"), ("q01", "q99"), ("q10", "q90"))
"""Statistics of which the first is the lower one."""


def as_mended(facts: CheckpointFacts, mends: Mends, scene: Scene) -> CheckpointFacts:
    """The facts with state and action in the units and the order of a scene.

    Args:
        facts: As they were read. Statistics that a person gave are in them already.
        mends: What is mended.
        scene: Where it is to run.

    Raises:
        WhiskersError: If the mends do not suit the scene.
    """
    if not mends.driving:
        return facts
    conversions = {
        STATE: conversion(scene, mends.state_unit, mends.state_order, "state"),
        ACTION: conversion(scene, mends.action_unit, mends.action_order, "action"),
    }
    config, features = dict(facts.config), dict(mapping_of(facts.dataset.get("features")))
    for key, order in ((STATE, mends.state_order), (ACTION, mends.action_order)):
        if order and key in features:
            features[key] = {**mapping_of(features[key]), "names": list(scene.joint_names)}
    if mends.action_order and "action_feature_names" in config:
        config["action_feature_names"] = list(scene.joint_names)
    return replace(
        facts,
        config=MappingProxyType(config),
        dataset=MappingProxyType({**facts.dataset, "features": features} if features else dict(facts.dataset)),
        before=_converted(facts.before, conversions),
        after=_converted(facts.after, conversions),
    )


def _converted(
    steps: tuple[ProcessorStep, ...] | None, conversions: Mapping[str, Conversion]
) -> tuple[ProcessorStep, ...] | None:
    if steps is None:
        return None
    found = []
    for step in steps:
        statistics = dict(step.statistics or {})
        for key in statistics.keys() & conversions.keys():
            by = conversions[key]
            fit = {name: value for name, value in statistics[key].items() if value.shape == by.place.shape}
            moved = {name: _moved(name, value, by) for name, value in fit.items()}
            for low, high in _ENDS:
                if low in moved and high in moved:
                    # Where the scene turns a joint round, its ends are exchanged.
                    ends = np.stack([moved[low], moved[high]])
                    moved |= {low: frozen(ends.min(axis=0)), high: frozen(ends.max(axis=0))}
            statistics[key] = {**statistics[key], **moved}
        found.append(replace(step, statistics=None if step.statistics is None else MappingProxyType(statistics)))
    return tuple(found)


def _moved(name: str, value: FloatArray, by: Conversion) -> FloatArray:
    return frozen(by.spread_to_scene(value) if name in _SPREADS else by.to_scene(value))
