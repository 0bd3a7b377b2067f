"""Whether a checkpoint's settings make sense: execution, ensembling, devices and names."""

from __future__ import annotations

from collections.abc import Iterator

from viewer_app.chunking import FirstN, TemporalEnsemble
from viewer_app.doctor.facts import CheckpointFacts, mapping_of, number
from viewer_app.doctor.finding import Cure, Finding

_ENSEMBLING = "temporal_ensemble_coeff"
_KINDS_THAT_ENSEMBLE = ("act",)
_STRONG = 0.1
"""From here on an ensemble does harm: of 500 episodes 57 % succeeded with 0.1, 71 % with 0.01 (lerobot#319)."""
_LONG = 8
"""A policy with chunks of at least this many actions is not meant to be asked at every step."""


def check_settings(facts: CheckpointFacts) -> Iterator[Finding]:
    """All that can be told from the checkpoint alone, but for its normalisation."""
    if not facts.config:
        return
    yield from _check_execution(facts)
    yield from _check_ensemble(facts)
    yield from _check_devices(facts)
    yield from _check_names(facts)


def _check_execution(facts: CheckpointFacts) -> Iterator[Finding]:
    taken, chunk = number(facts.config, "n_action_steps"), facts.chunk_size
    if taken is None or chunk is None:
        return
    if taken < 1 or chunk < 1:
        evidence = f"n_action_steps is {taken:g} and the chunk has {chunk} actions; both must be at least 1."
        yield Finding("n-action-steps", "error", evidence, "Set n_action_steps between 1 and the chunk's length.")
    elif taken > chunk:
        evidence = f"n_action_steps is {taken:g}, and a chunk has only {chunk} actions."
        yield Finding("n-action-steps", "error", evidence, f"Set n_action_steps to {chunk} or less.")
    elif taken == 1 and chunk >= _LONG and number(facts.config, _ENSEMBLING) is None:
        evidence = f"n_action_steps is 1 of {chunk} and nothing ensembles: each chunk's first action alone is executed."
        more = max(chunk // 2, 2)
        mend = "Set n_action_steps in config.json, or ensemble with --temporal-ensemble 0.01."
        cure = Cure(f"Execute {more} steps of each chunk", chunking=FirstN(more), option=f"--n-action-steps {more}")
        yield Finding("n-action-steps-one", "warning", evidence, mend, cure)


def _check_ensemble(facts: CheckpointFacts) -> Iterator[Finding]:
    coefficient = number(facts.config, _ENSEMBLING)
    taken = number(facts.config, "n_action_steps")
    if coefficient is None:
        trained = number(mapping_of(facts.trained.get("policy")), _ENSEMBLING)
        if trained is not None:
            evidence = f"{_ENSEMBLING} was {trained:g} in train_config.json, and config.json has none: it is off."
            yield Finding(
                "ensemble-off", "warning", evidence, f"Set {_ENSEMBLING} in config.json.", _ensembling(trained)
            )
        return
    if facts.kind and facts.kind not in _KINDS_THAT_ENSEMBLE:
        evidence = f"{_ENSEMBLING} is {coefficient:g}, and LeRobot's {facts.kind} does not ensemble: it is off."
        mend = f"Take {_ENSEMBLING} out of config.json, or ensemble here."
        yield Finding("ensemble-off", "warning", evidence, mend, _ensembling(coefficient))
    elif taken is not None and taken > 1:
        evidence = f"{_ENSEMBLING} is {coefficient:g} while n_action_steps is {taken:g}; ensembles ask at every step."
        yield Finding("ensemble-steps", "error", evidence, f"Set n_action_steps to 1, or {_ENSEMBLING} to null.")
    if abs(coefficient) >= _STRONG:
        prefers = "oldest" if coefficient > 0 else "newest"
        evidence = f"{_ENSEMBLING} is {coefficient:g}: nearly all the weight is on the {prefers} chunks."
        mend = "Use about 0.01, the value of the ACT paper."
        yield Finding("ensemble-coefficient", "warning", evidence, mend, _ensembling(0.01))


def _ensembling(coefficient: float) -> Cure:
    option = f"--temporal-ensemble {coefficient:g}"
    return Cure(f"Ensemble with {coefficient:g}", chunking=TemporalEnsemble(coefficient, ()), option=option)


def _check_devices(facts: CheckpointFacts) -> Iterator[Finding]:
    saved = {str(facts.config.get("device") or "cpu")}
    saved |= {str(each.settings.get("device")) for each in facts.before or () if each.name == "device_processor"}
    elsewhere = sorted(each for each in saved if each not in ("cpu", "None"))
    if elsewhere:
        evidence = f"It was saved on {' and '.join(elsewhere)}; Whiskers puts model and processors where --device says."
        yield Finding("device", "info", evidence, f"Add --device {elsewhere[0]} to run it there.")


def _check_names(facts: CheckpointFacts) -> Iterator[Finding]:
    for step in facts.before or ():
        renamed = mapping_of(step.settings.get("rename_map"))
        lost = [each.key for each in facts.inputs if each.key in renamed and renamed[each.key] != each.key]
        if step.name == "rename_observations_processor" and lost:
            evidence = f"The preprocessor renames {lost[0]} to {renamed[lost[0]]}, and the policy reads {lost[0]}."
            mend = "Empty rename_map; Whiskers maps cameras with --camera."
            yield Finding("rename-map", "error", evidence, mend)
        named = step.settings.get("tokenizer_name")
        if isinstance(named, str) and not facts.here.get(named, True):
            evidence = f"{step.name} looks for its tokenizer in {named}, and there is no such folder."
            mend = "Copy the tokenizer there, or set tokenizer_name to where it is, or to its hub id."
            yield Finding("tokenizer-missing", "error", evidence, mend)
