"""Bad checkpoints: each gives one sentence with the file and the mend, and none a policy that is not the file's."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from policies.checkpoint import CheckpointError, read_checkpoint
from policies.lazy_package import defer_init
from policies.load import load
from policies.progress import LoadingCancelledError, Progress, ignore
from policies.source import Place, find_folder
from tests.checkpoints import CAMERAS, build_act
from tests.lerobot_loop import LeRobotLoop
from viewer_app.types import Observation, Want, WhiskersError

CONFIG, WEIGHTS = "config.json", "model.safetensors"
BEFORE, AFTER = "policy_preprocessor.json", "policy_postprocessor.json"
BEFORE_STATE = "policy_preprocessor_step_3_normalizer_processor.safetensors"
AFTER_STATE = "policy_postprocessor_step_0_unnormalizer_processor.safetensors"

type Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_act(tmp_path_factory.mktemp("good") / "act")


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Iterator[Path]:
    """The good checkpoint again. Its files are links: unlink one before writing it."""
    yield Path(shutil.copytree(good, tmp_path / "act", copy_function=os.link))
    shutil.rmtree(tmp_path)  # pytest would keep 45 MB of each.


def rewrite(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def change_json(file: str, *keys: str | int, to: object = None, drop: bool = False) -> Damage:
    """Set, or drop, what lies under the keys."""

    def damage(folder: Path) -> None:
        whole = json.loads((folder / file).read_text())
        inner = whole
        for key in keys[:-1]:
            inner = inner[key]
        if drop:
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = to
        rewrite(folder / file, json.dumps(whole).encode())

    return damage


def change_tensors(file: str, change: Callable[[dict[str, torch.Tensor]], object]) -> Damage:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / file)
        change(tensors)
        (folder / file).unlink()
        save_file(tensors, folder / file)

    return damage


def write(file: str, content: bytes) -> Damage:
    def damage(folder: Path) -> None:
        (folder / file).unlink(missing_ok=True)
        (folder / file).write_bytes(content)

    return damage


def remove(file: str) -> Damage:
    return lambda folder: (folder / file).unlink()


def cut(file: str, share: float) -> Damage:
    def damage(folder: Path) -> None:
        content = (folder / file).read_bytes()
        rewrite(folder / file, content[: int(share * len(content))])

    return damage


def only_pickle(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")


def trainer_folder(folder: Path) -> None:
    (folder / "pretrained_model").mkdir()
    (folder / CONFIG).rename(folder / "pretrained_model" / CONFIG)


HEAD = "model.action_head.bias"
DAMAGE: dict[str, tuple[Damage, str, str]] = {
    # What is done to a good checkpoint; the file or field that the sentence names; the mend that it offers.
    "config missing": (remove(CONFIG), CONFIG, "name the folder"),
    "folder above": (trainer_folder, CONFIG, "did you mean .*pretrained_model"),
    "config not JSON": (cut(CONFIG, 0.7), CONFIG, "save it again"),
    "config not text": (write(CONFIG, b"\xff\xfe\x00"), CONFIG, "save it again"),
    "config not an object": (write(CONFIG, b"[1, 2]"), CONFIG, "one JSON object"),
    "another LeRobot version": (change_json(CONFIG, "n_frobs", to=3), "'n_frobs'", "another LeRobot version"),
    "no type": (change_json(CONFIG, "type", drop=True), CONFIG, "policy type"),
    "unknown type": (change_json(CONFIG, "type", to="frob"), "'frob'", "Whiskers runs act"),
    "field of another form": (change_json(CONFIG, "chunk_size", to="many"), "chunk_size", "correct that field"),
    "impossible fields": (change_json(CONFIG, "n_action_steps", to=99), "n_action_steps", "correct that field"),
    "model cannot be built": (change_json(CONFIG, "n_heads", to=5), CONFIG, "correct that field"),
    "backbone unknown": (change_json(CONFIG, "vision_backbone", to="resnet19"), "resnet19", "correct that field"),
    "input unknown": (
        change_json(CONFIG, "input_features", "observation.touch", to={"type": "STATE", "shape": [4]}),
        "observation.touch",
        "observation.state",
    ),
    "no action": (change_json(CONFIG, "output_features", to={}), CONFIG, "output_features"),
    "weights missing": (remove(WEIGHTS), WEIGHTS, "copy it"),
    "weights in pickle only": (only_pickle, "pytorch_model.bin", "save_pretrained"),
    "weights truncated": (cut(WEIGHTS, 0.9), WEIGHTS, "copy it again"),
    "weights empty": (write(WEIGHTS, b""), WEIGHTS, "copy it again"),
    "weights of a wrong shape": (
        change_tensors(WEIGHTS, lambda t: t.update({HEAD: torch.zeros(5)})),
        HEAD,
        "same training run",
    ),
    "weights of other width": (change_json(CONFIG, "dim_model", to=64), "shape", "same training run"),
    "tensor missing": (change_tensors(WEIGHTS, lambda t: t.pop(HEAD)), f"lacks {HEAD}", "same training run"),
    "tensor too many": (
        change_tensors(WEIGHTS, lambda t: t.update(frob=torch.zeros(1))),
        "has frob",
        "same training run",
    ),
    "all names wrong": (
        change_tensors(WEIGHTS, lambda t: [t.update({f"x.{name}": t.pop(name)}) for name in list(t)]),
        "and 159 more",
        "same training run",
    ),
    "weights of whole numbers": (
        change_tensors(WEIGHTS, lambda t: t.update({HEAD: t[HEAD].int()})),
        HEAD,
        "floating-point",
    ),
    "weights NaN": (change_tensors(WEIGHTS, lambda t: t[HEAD].fill_(np.nan)), HEAD, "earlier checkpoint"),
    "weights infinite": (
        change_tensors(WEIGHTS, lambda t: t.update({HEAD: (1e9 * t[HEAD]).half()})),
        HEAD,
        "earlier checkpoint",
    ),
    "weights overflow": (
        change_tensors(WEIGHTS, lambda t: t[HEAD].fill_(3e38)),
        "NaN or infinity",
        "earlier checkpoint",
    ),
    "old normalisation": (
        change_tensors(WEIGHTS, lambda t: t.update({"normalize_inputs.buffer_observation_state.mean": torch.zeros(6)})),
        "normalize_inputs.buffer_observation_state.mean",
        "migrate_policy_normalization",
    ),
    "adapter": (write("adapter_config.json", b"{}"), "adapter without adapter_model.safetensors", "save it again"),
    "preprocessor missing": (remove(BEFORE), BEFORE, "copy it|migrate"),
    "postprocessor missing": (remove(AFTER), AFTER, "copy it|migrate"),
    "preprocessor not JSON": (cut(BEFORE, 0.5), BEFORE, "save it again"),
    "statistics file missing": (remove(BEFORE_STATE), BEFORE_STATE, "copy it"),
    "statistics file truncated": (cut(AFTER_STATE, 0.8), AFTER_STATE, "copy it again"),
    "statistics not named": (
        change_json(AFTER, "steps", 0, "state_file", drop=True),
        f"{AFTER} has no 'mean' of action",
        "copy it",
    ),
    "state without statistics": (
        change_tensors(BEFORE_STATE, lambda t: t.pop("observation.state.std")),
        f"{BEFORE_STATE} has no 'std' of observation.state",
        "migrate_policy_normalization",
    ),
    "action without statistics": (
        change_tensors(AFTER_STATE, lambda t: [t.pop(name) for name in list(t) if name.startswith("action.")]),
        f"{AFTER_STATE} has no 'mean' of action",
        "copy it",
    ),
    "statistics NaN": (
        change_tensors(AFTER_STATE, lambda t: t["action.std"].fill_(np.nan)),
        f"{AFTER_STATE}: 'std' of action",
        "copy it",
    ),
    "statistics of another robot": (
        change_tensors(BEFORE_STATE, lambda t: t.update({"observation.state.mean": torch.zeros(7)})),
        r"'mean' of observation.state .*\(6,\).*\(7,\)",
        "copy it",
    ),
    "normaliser inert": (change_json(BEFORE, "steps", 3, "config", "norm_map", "STATE", to="IDENTITY"), BEFORE, "copy"),
    "normaliser forgets a camera": (
        change_json(BEFORE, "steps", 3, "config", "features", "observation.images.wrist_cam", drop=True),
        f"{BEFORE} leaves observation.images.wrist_cam",
        "must list it",
    ),
    "no normaliser": (change_json(AFTER, "steps", 0, drop=True), f"{AFTER} leaves action", "must list it"),
    "step unknown": (
        change_json(BEFORE, "steps", 0, "registry_name", to="frob"),
        "'frob'",
        "valid are .*normalizer_processor",
    ),
    "step by import": (change_json(BEFORE, "steps", 0, to={"class": "os.system"}), "'os.system'", "registered steps"),
    "picture size not a number": (
        change_json(CONFIG, "input_features", "observation.images.wrist_cam", "shape", to=[3, None, 40]),
        "observation.images.wrist_cam",
        r"must have shape \(3, height, width\)",
    ),
    "normalisation of no form": (
        change_json(BEFORE, "steps", 3, "config", "norm_map", to=""),
        BEFORE,
        "copy",
    ),
    "step with a wrong setting": (
        change_json(BEFORE, "steps", 3, "config", "eps", to={}),
        "blank observation",
        "check its config.json and processor files",
    ),
    "statistics from elsewhere": (
        change_json(BEFORE, "steps", 3, "state_file", to="../act/model.safetensors"),
        "'../act/model.safetensors'",
        "file beside it",
    ),
}


@pytest.mark.parametrize("name", list(DAMAGE))
def test_bad_checkpoint_gives_one_sentence(copy: Path, name: str) -> None:
    """A checkpoint that cannot be used is refused in one sentence that names the file or field and offers a mend."""
    damage, names, mend = DAMAGE[name]
    damage(copy)
    with pytest.raises(WhiskersError, match=names) as caught:
        load(str(copy))
    sentence = str(caught.value)
    assert str(copy) in sentence
    assert re.search(mend, sentence)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("no/such/folder", "No folder no/such/folder; a checkpoint is a folder, a hub id"),
        ("nowhere", "No folder nowhere; .*demo:act"),
        ("demo:nothing", "No checkpoint 'demo:nothing' .* demo:act"),
        ("whiskers/not-in-the-cache", "No folder whiskers/not-in-the-cache, and no hub checkpoint .* HF_HUB_OFFLINE"),
        (__file__, "is a file; name the folder"),
    ],
)
def test_no_checkpoint_there(monkeypatch: pytest.MonkeyPatch, source: str, complaint: str) -> None:
    """What is no checkpoint, or a hub id that is neither local nor to be had, says so at once in one sentence."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WhiskersError, match=complaint) as caught:
        load(source)
    assert "\n" not in str(caught.value)


def test_unavailable_device_is_a_sentence(good: Path) -> None:
    """A device that this machine lacks is refused in one sentence."""
    with pytest.raises(WhiskersError, match=r"Device 'frob' is not available .* use cpu"):
        load(str(good), device="frob")


def test_weights_that_did_not_arrive_are_noticed(good: Path) -> None:
    """A model that a single tensor did not reach, without any error from LeRobot, is refused."""
    defer_init("lerobot.policies")
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy

    from policies.model import decode_config, load_verified

    class Forgetful(ACTPolicy):  # type: ignore[misc]  # LeRobot has no type information.
        """Loads all of its weights but one, as LeRobot's pi0 does when one of them does not fit."""

        config_class = ACTConfig
        name = "forgetful"

        def load_state_dict(self, state_dict: dict[str, torch.Tensor], strict: bool = True) -> object:
            return super().load_state_dict({k: v for k, v in state_dict.items() if k != HEAD}, strict)

    checkpoint = read_checkpoint(Place("act", "act", good), ignore)
    config = decode_config(checkpoint, ACTConfig, {})
    assert load_verified(checkpoint, lambda: ACTPolicy(config), "cpu", ignore)[1] == len(checkpoint.tensors)
    with pytest.raises(CheckpointError, match=f"{HEAD} did not reach the model"):
        load_verified(checkpoint, lambda: Forgetful(config), "cpu", ignore)


def test_load_reports_and_can_be_stopped(good: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Progress never goes back, ends at 1, prints nothing on stdout, and a report that raises stops the load there."""
    heard: list[Progress] = []
    load(str(good), heard.append)
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert capfd.readouterr().out == ""

    def stop(progress: Progress) -> None:
        if progress.text == "Reading the weights":
            raise LoadingCancelledError("Enough.")

    with pytest.raises(LoadingCancelledError):
        load(str(good), stop)


def test_trainers_checkpoint_is_named_by_run_and_step(good: Path, tmp_path: Path) -> None:
    """A checkpoint where LeRobot's trainer puts it is called by its run and step, not `pretrained_model`."""
    place = tmp_path / "run" / "checkpoints" / "004000" / "pretrained_model"
    shutil.copytree(good, place, copy_function=os.link)
    assert find_folder(str(place), ignore).name == "run/004000"


def observe(seed: int) -> Observation:
    rng = np.random.default_rng(seed)
    images = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in CAMERAS.items()}
    return Observation(0.0, rng.uniform(-100, 100, 6).astype(np.float32), images)


def corrupted(file: str, content: bytes, rng: np.random.Generator) -> bytes:
    """The content cut short, with a few bytes changed, or, if it is JSON, with one of its values replaced."""
    if file.endswith(".json") and rng.random() < 0.6:
        return json.dumps(with_one_replaced(json.loads(content), rng)).encode()
    if rng.random() < 0.25:
        return content[: int(rng.integers(len(content)))]
    raw = np.frombuffer(content, np.uint8).copy()
    # Half of the changes fall into the first part of the file, where safetensors keeps its names and shapes.
    reach = len(raw) if rng.random() < 0.5 else min(len(raw), 20_000)
    where = rng.integers(reach, size=int(rng.integers(1, 4)))
    raw[where] ^= rng.integers(1, 256, size=len(where), dtype=np.uint8)
    return raw.tobytes()


def with_one_replaced(value: object, rng: np.random.Generator) -> object:
    """A JSON value with something inside it, or itself, replaced."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = list(value)[rng.integers(len(value))]
        return {**value, key: with_one_replaced(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = int(rng.integers(len(value)))
        return [*value[:at], with_one_replaced(value[at], rng), *value[at + 1 :]]
    others: tuple[object, ...] = (None, -1, 0, 2, 0.5, "", "x", "MIN_MAX", "IDENTITY", [], {}, True, [1, 2])
    return others[rng.integers(len(others))]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("file", [CONFIG, WEIGHTS, BEFORE, AFTER, BEFORE_STATE, AFTER_STATE])
def test_damage_anywhere_is_told_or_is_another_policy(good: Path, copy: Path, file: str, seed: int) -> None:
    """A damaged file gives one sentence, or a policy of another digest that does what LeRobot does with those files."""
    rng = np.random.default_rng([seed, *file.encode()])
    rewrite(copy / file, corrupted(file, (good / file).read_bytes(), rng))
    try:
        policy = load(str(copy))
        chunk = policy.predict([observe(seed)], 0, 0, Want())
    except WhiskersError as error:
        sentence = str(error)
        policy = None
    if policy is None:
        assert "\n" not in sentence
        return
    assert policy.info.digest != load_digest(good)
    assert policy.info.tensors_verified == policy.info.tensors_in_file
    assert np.array_equal(chunk.actions, LeRobotLoop(copy).chunk(observe(seed)))


def load_digest(folder: Path) -> str:
    return read_checkpoint(Place("act", "act", folder), ignore).digest


def test_digest_is_of_the_contents(good: Path, copy: Path) -> None:
    """The same files elsewhere have the same digest; what does not decide the actions is not in it."""
    (copy / "README.md").write_text("A note.")
    assert load_digest(copy) == load_digest(good)
