"""Checkpoints of the full size take the same path as the tests' tiny ones, and memory for one model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.full_size import KINDS


@pytest.mark.full_size
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_full_size_opens_and_answers(tmp_path: Path, kind: str) -> None:
    """It opens, verified in full, never holds the weights twice, and what is captured of a call does not change it."""
    command = [sys.executable, "-m", "tests.full_size", kind, "--folder", str(tmp_path), "--steps", "2"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        figures = json.loads(done.stdout[done.stdout.index("{") :])
    finally:
        (tmp_path / "model.safetensors").unlink(missing_ok=True)  # pytest keeps the folders of three runs.
    assert figures["tensors_verified"] == figures["tensors"] > 400
    # 1 GB for torch and the libraries; the rest is the file's largest tensor and what the first call takes.
    assert figures["peak_of_load_gb"] < 1.3 * figures["model_gb"] + 1.0
    assert figures["captured_is_bare"]
    assert figures["last_row_is_chunk"]
    assert figures["steps"] == 2
