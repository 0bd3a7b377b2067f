"""What is particular about SmolVLA: the language model that it names, and cameras that nobody shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from policies.load import load
from tests.checkpoints import CAMERAS, edit_json
from tests.flow_checkpoints import build_flow, observe
from tests.lerobot_loop import LeRobotLoop
from viewer_app.types import Want, WhiskersError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return build_flow(tmp_path, "smolvla")


@pytest.mark.parametrize("empty", [0, 1])
def test_cameras_are_lerobots(folder: Path, empty: int) -> None:
    """A checkpoint with room for another camera, which nobody shows, answers as in LeRobot, to the bit."""
    edit_json(folder / "config.json", lambda config: config.update(empty_cameras=empty))
    policy = load(str(folder))
    assert list(policy.info.cameras) == list(CAMERAS)
    chunk = policy.predict([observe(0)], 0, 3, Want())
    assert np.array_equal(chunk.actions, LeRobotLoop(folder).chunk(observe(0), 3))


def test_weights_of_the_language_model_are_not_asked_for(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A checkpoint that says it was trained from a language model's weights opens where only its own are, quietly."""
    expected = load(str(folder)).predict([observe(0)], 0, 3, Want())
    edit_json(folder / "config.json", lambda config: config.update(load_vlm_weights=True))
    capfd.readouterr()
    assert np.array_equal(load(str(folder)).predict([observe(0)], 0, 3, Want()).actions, expected.actions)
    assert capfd.readouterr().out == ""


def test_language_model_that_is_not_here_is_named(folder: Path) -> None:
    """Without network and cache, the complaint names the language model, how to get it, and both settings."""
    edit_json(folder / "config.json", lambda config: config.update(vlm_model_name="someone/absent"))
    complaint = r"tokenizer of 'someone/absent'.*hf download.*vlm_model_name, and tokenizer_name in policy_preprocessor"
    with pytest.raises(WhiskersError, match=complaint) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)


def test_tokenizer_that_is_not_here_is_named(folder: Path) -> None:
    """The processor names its tokenizer by itself, and is complained of by itself."""
    text = (folder / "policy_preprocessor.json").read_text()
    (folder / "policy_preprocessor.json").write_text(text.replace(str(folder / "language"), "someone/absent"))
    with pytest.raises(WhiskersError, match=r"policy_preprocessor.json needs the tokenizer 'someone/absent'"):
        load(str(folder))


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("adapt_to_pi_aloha", True, "adapt_to_pi_aloha"),
        ("use_delta_joint_actions_aloha", True, "use_delta_joint_actions_aloha"),
        ("num_steps", 0, "num_steps must be a whole number from 1"),
    ],
)
def test_configuration_that_cannot_run_is_refused(folder: Path, field: str, value: object, complaint: str) -> None:
    """What LeRobot would run on until it fails, or what cannot be drawn, is refused in one sentence."""
    edit_json(folder / "config.json", lambda config: config.update({field: value}))
    with pytest.raises(WhiskersError, match=complaint) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)
