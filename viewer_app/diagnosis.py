"""All findings of a checkpoint, and of it in a scene: before any weight is loaded, and then after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from policies.examine import examine
from policies.progress import ignore
from policies.source import find_folder
from policies.statistics import IMAGENET, read_given
from viewer_app.camera_map import MappedPolicy, parse_mapping
from viewer_app.camera_names import CameraMapping, suggest
from viewer_app.doctor.contract import check_contract
from viewer_app.doctor.facts import CheckpointFacts
from viewer_app.doctor.finding import Finding, can_work, mending
from viewer_app.doctor.mended import as_mended
from viewer_app.doctor.scaling import check_scaling
from viewer_app.doctor.settings import check_settings
from viewer_app.doctor.trial import WorldTrial, check_loaded, check_pictures, check_trial, check_world
from viewer_app.doctor.units import check_units
from viewer_app.doctor_trial import try_policy, try_world
from viewer_app.fit import check_fit
from viewer_app.mending import mended
from viewer_app.mends import Mends, parse_joints, parse_units
from viewer_app.scene import Scene
from viewer_app.types import FloatArray, Policy, PolicyInfo, WhiskersError, World, XRayRow
from viewer_app.world import MujocoWorld

_HOPELESS = frozenset(
    {
        *("config-missing", "config-unreadable", "features-missing", "weights-missing", "weights-damaged"),
        *("processor-missing", "processor-unreadable", "processor-step", "statistics-missing", "statistics-damaged"),
    }
)
"""Where one of these was found there is nothing to load."""
_REFUSALS = frozenset({"policy-type", "peft-adapter", "old-format"})
"""What the files suggest will not load. Where it loads all the same, they are only good to know."""
_OF_STATISTICS = frozenset(
    {
        *("processor-missing", "processor-unreadable", "processor-step", "statistics-missing", "statistics-damaged"),
        *("normaliser-absent", "inert-normaliser", "normalisation-mode", "statistics-not-finite", "statistics-shape"),
        *("statistics-reversed", "statistics-inconsistent", "statistics-mismatch", "placeholder-statistics"),
        *("image-std", "image-scale"),
    }
)
"""What the statistics of the training dataset mend, where they are on this disk."""

Load = Callable[[str, str, str], Policy]
"""(checkpoint, device, statistics) to the policy."""


@dataclass(frozen=True)
class Wishes:
    """What a person says about a checkpoint in a scene."""

    cameras: Sequence[str] = ()
    """Each `CHECKPOINT_CAMERA=SCENE_CAMERA`."""
    mapping: CameraMapping | None = None
    """The same, where a person chose it in the window."""
    mends: Mends = Mends()  # noqa: RUF009 (frozen, so it can be shared)
    prompt: str | None = None
    """In place of the scene's."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found."""

    findings: tuple[Finding, ...]
    xray: tuple[XRayRow, ...] = ()
    """Of the processors at the first moment of an episode; empty where the policy was not tried."""


def read_facts(checkpoint: str, mends: Mends) -> CheckpointFacts:
    """What the files of a checkpoint say, with the statistics that a person gave.

    Raises:
        WhiskersError: If there is no such checkpoint, or no such statistics.
    """
    place = find_folder(checkpoint, ignore)
    return examine(place, read_given(mends.statistics, place.folder) if mends.statistics else None)


def parse_mends(
    units: str, joints: Sequence[str], statistics: str | None, checkpoint: str, scene: Scene | None
) -> Mends:
    """What `--units`, `--joint` and `--statistics` say.

    Raises:
        WhiskersError: If they cannot be meant.
    """
    found = replace(parse_units(units), statistics=statistics or "")
    if not joints:
        return found
    if scene is None:
        raise WhiskersError("--joint maps to a joint of a scene; give --scene too.")
    names = examine(find_folder(checkpoint, ignore)).joint_names
    return found.and_then(parse_joints(joints, names, scene))


def look_at_files(checkpoint: str, scene: Scene | None, wishes: Wishes) -> tuple[CheckpointFacts, list[Finding]]:
    """The findings before any weight is loaded. Of a scene that an environment steps, nothing is tried.

    Raises:
        WhiskersError: If there is no such checkpoint, or what a person said cannot be meant.
    """
    facts = read_facts(checkpoint, wishes.mends)
    return facts, [*findings_alone(facts), *(_findings_in(facts, scene, wishes) if scene is not None else ())]


def diagnose(
    checkpoint: str,
    scene: Scene | None,
    load: Load,
    wishes: Wishes = Wishes(),
    device: str = "cpu",
    tell: Callable[[str], None] = lambda text: None,
) -> Diagnosis:
    """All findings of a checkpoint, and of it in a scene.

    Args:
        checkpoint: A folder, a hub id or `demo:NAME`.
        scene: Where it is to run; None to look at the checkpoint alone.
        load: Loads it.
        wishes: What a person says about it.
        device: Where the policy is tried, in torch's words.
        tell: Told what is being done.

    Raises:
        WhiskersError: If there is no such checkpoint, or what a person said cannot be meant.
    """
    facts, findings = look_at_files(checkpoint, scene, wishes)
    if _HOPELESS & {each.id for each in findings}:
        return Diagnosis(tuple(findings))
    try:
        policy = load(checkpoint, device, wishes.mends.statistics)
    except WhiskersError as error:
        # Mostly it is what was found already, and better said there.
        mend = "Mend what it says and try again."
        alone = findings_alone(facts)
        refused = [] if not can_work(alone) else [Finding("does-not-load", "error", str(error), mend)]
        return Diagnosis((*findings, *refused))
    findings = [replace(each, severity="info") if each.id in _REFUSALS else each for each in findings]
    findings += check_loaded(policy.info)
    if scene is None:
        return Diagnosis(tuple(findings))
    tell("Trying it in the scene")
    tried = _findings_of_trial(policy, facts, scene, wishes, findings)
    return Diagnosis((*findings, *tried.findings), tried.xray)


def findings_alone(facts: CheckpointFacts) -> list[Finding]:
    """What is found before any weight is loaded, without a scene."""
    return [
        _with_statistics(each, facts) for each in (*facts.unreadable, *check_settings(facts), *check_scaling(facts))
    ]


def _with_statistics(finding: Finding, facts: CheckpointFacts) -> Finding:
    """The finding, with the training dataset's statistics as its cure where they are here."""
    if finding.id not in _OF_STATISTICS or not facts.dataset_root:
        return finding
    return replace(finding, cure=mending(Mends(statistics=facts.dataset_root), "Take the dataset's statistics"))


def _findings_in(facts: CheckpointFacts, scene: Scene, wishes: Wishes) -> list[Finding]:
    """What is found before any weight is loaded, of a checkpoint in a scene, and of the scene."""
    facts = as_mended(facts, wishes.mends, scene)
    scene = _told(scene, wishes.prompt)
    world = None if scene.spec.environment else try_world(scene, MujocoWorld(scene))
    found = [*check_contract(facts, scene, _mapping(wishes, facts, scene))]
    if world is not None:
        found += check_world(world, scene)
    if wishes.mends:
        found.append(Finding("mended", "info", f"Mended for this session: {wishes.mends.words()}.", ""))
    return [*found, *check_units(facts, scene, world.home if world is not None else None)]


def _told(scene: Scene, prompt: str | None) -> Scene:
    """The scene with another prompt."""
    return scene if prompt is None else Scene(replace(scene.spec, prompt=prompt), scene.path)


def _mapping(wishes: Wishes, facts: CheckpointFacts, scene: Scene) -> CameraMapping | None:
    """What a person says about cameras, None where that is nothing."""
    if not wishes.cameras:
        return wishes.mapping
    info = PolicyInfo(facts.name, facts.kind, facts.folder, "", 1, 1, facts.n_action, facts.n_state, facts.cameras)
    return parse_mapping(wishes.cameras, info, scene)


def _findings_of_trial(
    policy: Policy, facts: CheckpointFacts, scene: Scene, wishes: Wishes, before: Sequence[Finding]
) -> Diagnosis:
    scene = _told(scene, wishes.prompt)
    mapping = _mapping(wishes, facts, scene)
    if mapping is None and any(each.id in ("camera-names", "camera-size") for each in before):
        mapping = suggest(policy.info.cameras, scene.spec.cameras).mapping
        if None in mapping.values():
            return _untried("it is not known which camera of the scene is meant by each of the checkpoint's.")
    worlds: list[WorldTrial] = []

    def look(world: World) -> None:
        if scene.spec.environment:
            worlds.append(try_world(scene, world))

    try:
        driver = mended(policy, wishes.mends, scene)
        driver = driver if mapping is None else MappedPolicy(driver, mapping, scene)
        check_fit(driver.info, scene)
        trial = try_policy(scene, driver, look=look)
    except WhiskersError as error:
        if not can_work(before):
            return _untried(str(error))
        return Diagnosis((Finding("does-not-run", "error", str(error), "Mend what it says and try again."),))
    found = [finding for each in worlds for finding in check_world(each, scene)]
    found += check_trial(trial, scene)
    shown = mapping if mapping is not None else {name: name for name in policy.info.cameras}
    found += check_pictures(trial.colours, _training_colours(policy.info), shown)
    return Diagnosis(tuple(found), trial.first.xray)


def _training_colours(info: PolicyInfo) -> Mapping[str, FloatArray]:
    """The checkpoint's camera to its mean colour in training, where that is not ImageNet's."""
    means = {name: np.array(mean) for name, mean in info.camera_mean.items()}
    return MappingProxyType(
        {name: mean for name, mean in means.items() if not np.allclose(mean, IMAGENET["mean"], atol=1e-3)}
    )


def _untried(why: str) -> Diagnosis:
    return Diagnosis((Finding("not-tried", "info", f"It was not tried in the scene: {why}", "Mend the errors first."),))
