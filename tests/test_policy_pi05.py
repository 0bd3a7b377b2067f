"""What is particular about Pi0.5: its state is text, and what of its files cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from policies.load import load
from tests.checkpoints import edit_json
from tests.flow_checkpoints import build_flow, observe, within_sizes
from viewer_app.types import Want, WhiskersError, frozen


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A checkpoint that can be opened as long as a test runs."""
    with within_sizes("pi05"):
        yield build_flow(tmp_path, "pi05")


def test_state_is_read_in_256_bins(folder: Path) -> None:
    """A state that is another within its bin cannot change the chunk; one of the next bin does."""
    policy = load(str(folder))
    scale = policy.info.state_scale
    assert scale is not None
    middles = np.array([-0.5, -0.2, 0, 0.2, 0.5, 0.7], np.float32) // (2 / 256) * (2 / 256) + 1 / 256
    states = [scale.to_scene((middles + shift).astype(np.float32)) for shift in (0, 0.3 / 128, 1 / 128)]
    seen = [replace(observe(0), state=frozen(state)) for state in states]
    one, within, beyond = (policy.predict([each], 0, 0, Want()) for each in seen)
    assert not np.array_equal(states[0], states[1])
    assert within.same_as(one)
    assert not beyond.same_as(one)


def test_tokenizer_that_is_not_here_is_named(folder: Path) -> None:
    """Without network and cache, the complaint names the tokenizer, how to get it, and the setting."""
    text = (folder / "policy_preprocessor.json").read_text()
    (folder / "policy_preprocessor.json").write_text(text.replace(str(folder / "language"), "google/absent"))
    with pytest.raises(WhiskersError, match=r"needs the tokenizer 'google/absent'.*tokenizer_name"):
        load(str(folder))


def test_names_of_openpi_are_refused(folder: Path) -> None:
    """Weights that LeRobot renames, and in part drops, as it loads them are refused with a way to mend them."""
    tensors = load_file(folder / "model.safetensors")
    renamed = {name.removeprefix("model."): value for name, value in tensors.items()}
    save_file(renamed, folder / "model.safetensors")
    with pytest.raises(WhiskersError, match=r'as openpi does .* without the "model."'):
        load(str(folder))


def test_files_that_disagree_on_relative_actions_are_refused(folder: Path) -> None:
    """Where only the preprocessor makes actions relative to the state, it is noticed."""

    def enable(pipeline: dict[str, object]) -> None:
        steps = pipeline["steps"]
        assert isinstance(steps, list)
        (relative,) = (step for step in steps if step["registry_name"] == "relative_actions_processor")
        relative["config"]["enabled"] = True

    edit_json(folder / "policy_preprocessor.json", enable)
    with pytest.raises(WhiskersError, match="some say that actions are relative to the state, and the others do not"):
        load(str(folder))
