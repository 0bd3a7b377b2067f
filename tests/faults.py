"""Faults as people make them, each planted in a copy of a healthy checkpoint and scene by editing one of its files.

`FAULTS` is the table: what it is, which pair it is planted in, what the doctor must call it, and how it is planted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from tests.planting import (
    ABOVE,
    ACTION,
    AFTER,
    ASIDE,
    BEFORE,
    CONFIG,
    NORMALISER,
    STATE,
    UNNORMALISER,
    WEIGHTS,
    Json,
    Pair,
    all_of,
    as_before_processors,
    broken_number,
    class_named,
    config,
    cut,
    drop_tensor,
    extremes,
    far_bias,
    identity_everywhere,
    in_model,
    old_buffers,
    on_statistics_file,
    other_width,
    pickled,
    removed,
    rolled,
    scaled,
    scene,
    settings,
    statistic,
    step,
    trained_on,
    underscore_lost,
    weights,
    wider_state,
    without_file,
    without_step,
    written,
    zero,
)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    what: str
    """A person's mistake, in a few words."""
    finding: str
    """What the doctor must call it."""
    plant: Callable[[Pair], None]
    pair: str = "act"
    """Which healthy pair it is planted in."""
    severity: str = "error"


ARM = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")
_FEATURES: Mapping[str, Json] = MappingProxyType(
    {
        STATE: {"type": "STATE", "shape": [2]},
        ABOVE: {"type": "VISUAL", "shape": [3, 24, 32]},
        ASIDE: {"type": "VISUAL", "shape": [3, 24, 32]},
    }
)
GRIPPER_FIRST = ["gripper.pos", *(f"{name}.pos" for name in ARM)]
SIX: Json = {"type": "STATE", "shape": [6]}
SEVEN: Json = {"type": "ACTION", "shape": [7]}
FPS_15: Json = {"dataset": {"repo_id": "someone/plotter"}, "env": {"type": "plotter", "fps": 15}}


FILES = (
    Fault("a folder without a configuration", "config-missing", removed(CONFIG)),
    Fault("a configuration cut short", "config-unreadable", cut(CONFIG, 200)),
    Fault("a configuration without its type", "policy-type", config(type=None)),
    Fault("a policy of a type nobody knows", "policy-type", config(type="my_transformer")),
    Fault("no input features", "features-missing", config(input_features=None)),
    Fault("no weights", "weights-missing", removed(WEIGHTS)),
    Fault("weights as a pickle", "weights-missing", pickled),
    Fault("weights cut short by a download", "weights-damaged", cut(WEIGHTS, 100_000)),
    Fault("normalisation among the weights", "old-format", weights(old_buffers)),
    Fault("a checkpoint of an old LeRobot", "old-format", as_before_processors, severity="info"),
    Fault("a LoRA adapter", "peft-adapter", written("adapter_config.json", {"base_model_name_or_path": "a/b"})),
    Fault("no preprocessor", "processor-missing", removed(BEFORE)),
    Fault("no postprocessor", "processor-missing", removed(AFTER)),
    Fault("a postprocessor that is no JSON", "processor-unreadable", cut(AFTER, 50)),
    Fault("a step that is somebody's code", "processor-step", class_named),
    Fault("no statistics file", "statistics-missing", on_statistics_file(BEFORE, removed)),
    Fault(
        "a statistics file cut short",
        "statistics-damaged",
        on_statistics_file(AFTER, lambda name: cut(name, 90)),
    ),
)

SCALING = (
    Fault("no normaliser", "normaliser-absent", without_step(BEFORE, NORMALISER)),
    Fault("no un-normaliser", "normaliser-absent", without_step(AFTER, UNNORMALISER)),
    Fault("no statistics of the action", "inert-normaliser", statistic(ACTION, "std", None, pipelines=(AFTER,))),
    Fault("a camera's statistics under another name", "inert-normaliser", underscore_lost),
    Fault("a normaliser saved without statistics", "inert-normaliser", step(BEFORE, NORMALISER, without_file)),
    Fault(
        "a normaliser that leaves the state out",
        "inert-normaliser",
        settings(BEFORE, NORMALISER, normalize_observation_keys=[ABOVE, ASIDE]),
    ),
    Fault("a normaliser for no features", "inert-normaliser", settings(BEFORE, NORMALISER, features={})),
    Fault(
        "a normaliser that leaves the state alone",
        "normalisation-mode",
        settings(BEFORE, NORMALISER, norm_map={"VISUAL": "MEAN_STD", "STATE": "IDENTITY", "ACTION": "MEAN_STD"}),
    ),
    Fault(
        "an un-normaliser of another mode",
        "normalisation-mode",
        settings(AFTER, UNNORMALISER, norm_map={"VISUAL": "MEAN_STD", "STATE": "MEAN_STD", "ACTION": "MIN_MAX"}),
    ),
    Fault("no normalisation at all", "identity-everywhere", identity_everywhere, severity="warning"),
    Fault("a joint that never moved", "tiny-std", statistic(STATE, "std", 1e-6, at=1), severity="warning"),
    Fault("an action that never changed", "tiny-std", statistic(ACTION, "std", 0.0, at=0), severity="warning"),
    Fault("pictures of deviation 0.002", "image-std", statistic(ASIDE, "std", 0.002), severity="warning"),
    Fault(
        "statistics of pictures in 0 .. 255",
        "image-scale",
        all_of(statistic(ABOVE, "mean", 120.0), statistic(ABOVE, "std", 60.0)),
    ),
    Fault("a mean that is no number", "statistics-not-finite", statistic(STATE, "mean", float("nan"), at=0)),
    Fault(
        "statistics of a wider state",
        "statistics-shape",
        wider_state,
    ),
    Fault(
        "a postprocessor of another run",
        "statistics-mismatch",
        statistic(ACTION, "mean", [3.0, -9.0], pipelines=(AFTER,)),
    ),
    Fault(
        "a mean above the maximum", "statistics-inconsistent", statistic(STATE, "mean", 70.0, at=0), severity="warning"
    ),
    Fault(
        "statistics that say nothing",
        "placeholder-statistics",
        all_of(statistic(STATE, "mean", 0.0), statistic(STATE, "std", 1.0)),
        severity="warning",
    ),
    Fault(
        "a range of nothing",
        "zero-range",
        extremes(STATE, 5.0, 5.0, at=1),
        "min-max",
        "warning",
    ),
    Fault(
        "a range the wrong way round",
        "statistics-reversed",
        extremes(ACTION, 50.0, -50.0, at=0),
        "min-max",
    ),
)

SETTINGS = (
    Fault("more steps than the chunk has", "n-action-steps", config(n_action_steps=30)),
    Fault("no steps of a chunk", "n-action-steps", config(n_action_steps=0)),
    Fault("one step of a chunk, not ensembled", "n-action-steps-one", config(n_action_steps=1), severity="warning"),
    Fault("an ensemble that is asked too seldom", "ensemble-steps", config(temporal_ensemble_coeff=0.01)),
    Fault(
        "an ensemble in training, none now",
        "ensemble-off",
        written("train_config.json", {"policy": {"temporal_ensemble_coeff": 0.01}}),
        severity="warning",
    ),
    Fault(
        "an ensemble of another policy type",
        "ensemble-off",
        config(temporal_ensemble_coeff=0.01),
        "demo-pi0",
        "warning",
    ),
    Fault(
        "an ensemble of the newest alone",
        "ensemble-coefficient",
        config(temporal_ensemble_coeff=-0.5, n_action_steps=1),
        severity="warning",
    ),
    Fault(
        "a checkpoint saved on a GPU", "device", settings(BEFORE, "device_processor", device="cuda"), severity="info"
    ),
    Fault(
        "a camera that is renamed on the way",
        "rename-map",
        settings(BEFORE, "rename_observations_processor", rename_map={ABOVE: "observation.images.front"}),
    ),
    Fault(
        "a tokenizer in somebody's folder",
        "tokenizer-missing",
        settings(BEFORE, "tiny_pi0_tokenizer", tokenizer_name="/nowhere/tokenizer"),
        "demo-pi0",
    ),
)

CONTRACT = (
    Fault(
        "another name of a camera",
        "camera-names",
        all_of(scene(("cameras.above", "cameras.top")), in_model('camera name="above"', 'camera name="top"')),
    ),
    Fault("a camera that the scene has not", "camera-names", scene(("[cameras.aside]\nwidth = 32\nheight = 24\n", ""))),
    Fault("a camera of another size", "camera-size", scene(("width = 32", "width = 64"))),
    Fault("a camera of another shape", "camera-size", scene(("height = 24", "height = 32"))),
    Fault(
        "a robot with more joints",
        "state-size",
        config(input_features={**_FEATURES, STATE: SIX}),
    ),
    Fault("commands for more joints", "action-size", config(output_features={ACTION: SEVEN})),
    Fault(
        "a policy that is told where the cube is",
        "environment-state",
        config(input_features={**_FEATURES, "observation.environment_state": {"type": "ENV", "shape": [3]}}),
    ),
    Fault(
        "no prompt for one that reads",
        "prompt-missing",
        scene(('prompt = "Pick up', 'prompt = ""  # "Pick up')),
        "demo-pi0",
    ),
    Fault("another control rate", "control-rate", written("train_config.json", FPS_15), severity="warning"),
    Fault("another rate of the dataset", "control-rate", trained_on({"fps": 50}), severity="warning"),
    Fault(
        "other joints in the dataset's order",
        "joint-order",
        trained_on({"fps": 30, "features": {STATE: {"names": ["pitch.pos", "yaw.pos"]}}}),
    ),
    Fault(
        "joints in another order",
        "joint-order",
        all_of(config(action_feature_names=GRIPPER_FIRST), rolled(STATE, 1), rolled(ACTION, 1)),
        "demo-pi0",
    ),
)

UNITS = (
    Fault("a state in radians", "state-units", scaled((STATE,), float(np.pi / 200))),
    Fault("actions in radians", "action-units", scaled((ACTION,), float(np.pi / 200))),
    Fault(
        "a scene in radians for a policy in degrees",
        "state-units",
        scene(('unit = "range_100"', 'unit = "radians"'), ('unit = "degrees"', 'unit = "radians"')),
    ),
    Fault(
        "a state that is not of these joints",
        "state-range",
        extremes(STATE, -900.0, 900.0, at=0),
        severity="warning",
    ),
    Fault("actions of a larger robot", "action-range", scaled((ACTION,), 5.0)),
    Fault("the gripper first in the state", "state-layout", rolled(STATE, 1), "demo"),
    Fault("a state that is reversed", "state-layout", rolled(STATE, 3), "demo"),
    Fault(
        "a scene that begins elsewhere",
        "home-pose",
        all_of(statistic(STATE, "mean", 40.0, at=1), extremes(STATE, 22.0, 55.0, at=1)),
        severity="warning",
    ),
)

SCENE = (
    Fault("a scene file with a slip of the pen", "scene-unreadable", scene(("control_hz", "control_hertz"))),
    Fault(
        "two actuators swapped",
        "joint-mapping",
        scene(("yaw_servo", "x"), ("pitch_servo", "yaw_servo"), ('"x"', '"pitch_servo"')),
    ),
    Fault(
        "an actuator without strength",
        "joint-dead",
        in_model('joint="yaw" kp="20"', 'joint="yaw" kp="0.00001"'),
        severity="warning",
    ),
    Fault("an arm too heavy for its servos", "state-readback", in_model('mass=".1"', 'mass="6"')),
    Fault(
        "a success that needs no policy",
        "success-at-start",
        scene(("max_steps = 60", "lift_height = -1.0\nsettle_steps = 1\ninside_xy = 1.0\ninside_height = 1.0")),
    ),
)

LOADED = (
    Fault(
        "cameras plugged in crosswise",
        "cameras-swapped",
        all_of(statistic(ABOVE, "mean", 0.46), statistic(ASIDE, "mean", 0.88)),
        severity="warning",
    ),
    Fault("a tensor that is missing", "does-not-load", weights(drop_tensor)),
    Fault("a tensor of another shape", "does-not-load", weights(other_width)),
    Fault("a weight that is no number", "does-not-load", weights(broken_number)),
    Fault("a field of another LeRobot", "does-not-load", config(use_flash_attention=True)),
    Fault("actions far out of reach", "action-scale", weights(far_bias)),
    Fault(
        "actions that begin elsewhere",
        "first-action",
        all_of(statistic(ACTION, "mean", 95.0, at=0), extremes(ACTION, 60.0, 110.0, at=0)),
        severity="warning",
    ),
    Fault(
        "a policy that says the same always",
        "ignores-observation",
        weights(zero("action_head.weight")),
        severity="warning",
    ),
    Fault(
        "a policy that does not look", "ignores-input", weights(zero("encoder_img_feat_input_proj")), severity="warning"
    ),
    Fault(
        "a policy that does not feel",
        "ignores-input",
        weights(zero("encoder_robot_state_input_proj")),
        severity="warning",
    ),
    Fault("a policy that does not move", "flat-chunk", scaled((ACTION,), 0.002), severity="warning"),
)

FAULTS = (*FILES, *SCALING, *SETTINGS, *CONTRACT, *UNITS, *SCENE, *LOADED)

IMAGENET = (np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32))
MODES: Json = {"VISUAL": "IDENTITY", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"}

NEAR_MISSES: Mapping[str, Callable[[Pair], None]] = MappingProxyType(
    {
        "statistics of ImageNet": all_of(
            statistic(ABOVE, "mean", IMAGENET[0].reshape(3, 1, 1)),
            statistic(ABOVE, "std", IMAGENET[1].reshape(3, 1, 1)),
        ),
        "dark pictures": all_of(statistic(ASIDE, "mean", 0.08), statistic(ASIDE, "std", 0.04)),
        "a joint that hardly moved": all_of(statistic(STATE, "std", 0.4, at=1), statistic(ACTION, "std", 0.4, at=1)),
        "pictures that are not scaled": all_of(
            config(normalization_mapping=MODES),
            settings(BEFORE, NORMALISER, norm_map=MODES),
            settings(AFTER, UNNORMALISER, norm_map=MODES),
        ),
        "an action that is not listed, and scaled all the same": settings(AFTER, UNNORMALISER, features={}),
        "all of the chunk": config(n_action_steps=10),
        "half of the chunk": config(n_action_steps=5),
        "an ensemble as in the paper": config(temporal_ensemble_coeff=0.01, n_action_steps=1),
        "no ensemble in training either": written("train_config.json", {"policy": {"temporal_ensemble_coeff": None}}),
        "the same rate, nearly": trained_on({"fps": 30.2}),
        "the same joints by name": trained_on({"fps": 30, "features": {STATE: {"names": ["yaw.pos", "pitch.pos"]}}}),
        "joints of another name": trained_on({"fps": 30, "features": {STATE: {"names": ["pan.pos", "tilt.pos"]}}}),
        "a camera that is renamed and not read": settings(
            BEFORE, "rename_observations_processor", rename_map={"observation.images.left": "observation.images.right"}
        ),
        "a state a little beyond its limit": extremes(STATE, -108.0, 104.0, at=0),
        "a gripper that squeezes": extremes(ACTION, -150.0, 60.0, at=0),
        "an action that leads the state": all_of(
            statistic(ACTION, "mean", 17.0, at=0), statistic(ACTION, "std", 20.0, at=0)
        ),
        "no prompt where none is read": scene(('prompt = "Push the cube."', 'prompt = ""')),
        "a camera that is not read": all_of(
            in_model('<body name="cup"', '<camera name="more" pos="0 0 2"/><body name="cup"'),
            scene(("[cameras.aside]", "[cameras.more]\nwidth = 16\nheight = 16\n[cameras.aside]")),
        ),
        "a scene in degrees throughout": all_of(
            scene(('unit = "range_100"', 'unit = "degrees"')), scaled((STATE, ACTION), 0.86)
        ),
        "a slow servo": in_model('joint="yaw" kp="20"', 'joint="yaw" kp="2"'),
        "a thing that begins near its target": scene(("position = [0.25, 0.1, 0.02]", "position = [0.16, -0.2, 0.02]")),
        "a note beside the checkpoint": written("README.json", {"n_action_steps": 1000}),
    }
)
"""What looks a little like a fault and is none: what it is, to how it is done to the first healthy pair."""
