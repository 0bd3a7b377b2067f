"""`whiskers doctor`: a pre-flight report of a checkpoint and a scene, before any weight is loaded, and then after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from policies.examine import examine
from policies.progress import ignore
from policies.source import find_folder
from viewer_app.camera_map import MappedPolicy, parse_mapping
from viewer_app.camera_names import CameraMapping, suggest
from viewer_app.doctor.contract import check_contract
from viewer_app.doctor.facts import CheckpointFacts
from viewer_app.doctor.finding import Finding, can_work, in_order
from viewer_app.doctor.scaling import check_scaling
from viewer_app.doctor.settings import check_settings
from viewer_app.doctor.trial import check_loaded, check_trial, check_world
from viewer_app.doctor.units import check_units
from viewer_app.doctor_trial import try_policy, try_world
from viewer_app.fit import check_fit
from viewer_app.scene import Scene, SceneError
from viewer_app.terminal import load_policy, tell
from viewer_app.types import Policy, PolicyInfo, WhiskersError
from viewer_app.world import MujocoWorld

_OK, _FOUND_PROBLEMS = 0, 1
"""Exit codes."""
_HOPELESS = frozenset(
    {
        *("config-missing", "config-unreadable", "features-missing", "weights-missing", "weights-damaged"),
        *("processor-missing", "processor-unreadable", "processor-step", "statistics-missing", "statistics-damaged"),
    }
)
"""Where one of these was found there is nothing to load."""
_REFUSALS = frozenset({"policy-type", "peft-adapter", "old-format"})
"""What the files suggest will not load. Where it loads all the same, they are only good to know."""


def doctor(
    checkpoint: str,
    scene_name: str | None,
    cameras: Sequence[str] = (),
    device: str = "cpu",
    load: bool = True,
    as_json: bool = False,
) -> int:
    """Examine, load, try, and tell. Returns the exit code: 1 when the pair cannot work.

    Args:
        checkpoint: A folder, a hub id or `demo:NAME`.
        scene_name: A built-in scene or the path of one; None to look at the checkpoint alone.
        cameras: Each `CHECKPOINT_CAMERA=SCENE_CAMERA`.
        device: Where the policy is tried, in torch's words.
        load: Whether to load the weights and try the policy, once the files have been examined.
        as_json: Print exactly one JSON object.

    Raises:
        WhiskersError: If there is no such checkpoint, or the cameras cannot be meant.
    """
    findings = in_order(diagnose(checkpoint, scene_name, cameras, device, load))
    ok = can_work(findings)
    if as_json:
        tell(json.dumps({"ok": ok, "findings": [each.to_plain() for each in findings]}))
        return _OK if ok else _FOUND_PROBLEMS
    for each in findings:
        tell(f"{each.severity:8}{each.id}: {each.evidence}" + (f"\n        -> {each.mend}" if each.mend else ""))
    errors, warnings = (sum(each.severity == severity for each in findings) for severity in ("error", "warning"))
    verdict = "can work" if ok else "cannot work so"
    pair = f"{checkpoint} and scene {scene_name}" if scene_name else checkpoint
    tell(f"{pair}: {verdict} ({_count(errors, 'error')}, {_count(warnings, 'warning')})")
    return _OK if ok else _FOUND_PROBLEMS


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def diagnose(
    checkpoint: str,
    scene_name: str | None,
    cameras: Sequence[str] = (),
    device: str = "cpu",
    load: bool = True,
) -> list[Finding]:
    """All findings of a checkpoint, and of it in a scene. See `doctor`."""
    facts = examine(find_folder(checkpoint, ignore))
    scene, findings = _read_scene(scene_name)
    mapping = _mapping(cameras, facts, scene)
    alone = findings_alone(facts)
    findings += [*alone, *(findings_in(facts, scene, mapping) if scene is not None else [])]
    if not load or _HOPELESS & {each.id for each in alone}:
        return findings
    try:
        policy = load_policy(checkpoint, device)
    except WhiskersError as error:
        # Mostly it is what was found already, and better said there.
        mend = "Mend what it says and try again."
        return findings if not can_work(alone) else [*findings, Finding("does-not-load", "error", str(error), mend)]
    findings = [replace(each, severity="info") if each.id in _REFUSALS else each for each in findings]
    findings += check_loaded(policy.info)
    if scene is not None:
        findings += _findings_of_trial(policy, scene, mapping, findings)
    return findings


def findings_alone(facts: CheckpointFacts) -> list[Finding]:
    """What is found before any weight is loaded, without a scene."""
    return [*facts.unreadable, *check_settings(facts), *check_scaling(facts)]


def findings_in(facts: CheckpointFacts, scene: Scene, mapping: CameraMapping | None = None) -> list[Finding]:
    """What is found before any weight is loaded, of a checkpoint in a scene, and of the scene.

    Args:
        facts: Of the checkpoint.
        scene: Where it is to run.
        mapping: The scene's camera for each of the checkpoint's, where a person said so.
    """
    world = try_world(scene, MujocoWorld(scene))
    return [
        *check_contract(facts, scene, mapping),
        *check_world(world, scene),
        *check_units(facts, scene, world.home),
    ]


def _read_scene(name: str | None) -> tuple[Scene | None, list[Finding]]:
    if name is None:
        mend = "Add --scene NAME to check cameras, units and rates too, and to try it."
        return None, [Finding("no-scene", "info", "The checkpoint was looked at by itself.", mend)]
    try:
        return Scene.load(name), []
    except SceneError as error:
        return None, [Finding("scene-unreadable", "error", str(error), "Correct what it names and try again.")]


def _mapping(cameras: Sequence[str], facts: CheckpointFacts, scene: Scene | None) -> CameraMapping | None:
    """What `--camera` says, None where it says nothing."""
    if not cameras:
        return None
    if scene is None:
        raise WhiskersError("--camera maps to a camera of a scene; give --scene too.")
    info = PolicyInfo(facts.name, facts.kind, facts.folder, "", 1, 1, facts.n_action, facts.n_state, facts.cameras)
    return parse_mapping(cameras, info, scene)


def _findings_of_trial(
    policy: Policy, scene: Scene, mapping: CameraMapping | None, before: Sequence[Finding]
) -> list[Finding]:
    if mapping is None and any(each.id in ("camera-names", "camera-size") for each in before):
        mapping = suggest(policy.info.cameras, scene.spec.cameras).mapping
        if None in mapping.values():
            return [_untried("it is not known which camera of the scene is meant by each of the checkpoint's.")]
    try:
        driver: Policy = policy if mapping is None else MappedPolicy(policy, mapping, scene)
        check_fit(driver.info, scene)
        return list(check_trial(try_policy(scene, driver), scene))
    except WhiskersError as error:
        if not can_work(before):
            return [_untried(str(error))]
        return [Finding("does-not-run", "error", str(error), "Mend what it says and try again.")]


def _untried(why: str) -> Finding:
    return Finding("not-tried", "info", f"It was not tried in the scene: {why}", "Mend the errors first.")
