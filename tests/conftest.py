"""What all tests share: no network, one thread for torch, and what is left out without torch or a display."""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import viewer_app  # noqa: F401 (picks MuJoCo's OpenGL platform, so it must come before a test that imports MuJoCo)

# Before anything imports them: a test that reaches for the hub fails at once, and two cores are shared by all.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What a window of a test is told to remember is nobody's business.
os.environ["WHISKERS_CONFIG"] = tempfile.mkdtemp(prefix="whiskers-config-")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The environment of the newest MuJoCo has no torch, so there only files with core tests are looked at."""
    if find_spec("torch") is not None or not collection_path.name.startswith("test_"):
        return None
    return True if "mark.core" not in collection_path.read_text(encoding="utf-8") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the real window need a display; `make test` always brings one."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY"):
        return
    for item in items:
        if item.get_closest_marker("window") is not None:
            item.add_marker(pytest.mark.skip(reason="no display: run make test, or pytest under xvfb-run"))
