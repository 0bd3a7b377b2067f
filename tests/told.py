"""What a window of its own process told a test: Dear PyGui opens one window a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PATIENCE = 300.0
"""How long such a process may take. [s]"""


def told_by(module: str, **environment: str) -> dict[str, Any]:
    """Run a module as a program, with warnings as errors, and read the JSON object that it prints.

    Args:
        module: For example `tests.joints_session`.
        environment: Added to this process's own, for example DISPLAY.

    Raises:
        AssertionError: If it fails, or says anything on stderr.
    """
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", module],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "WHISKERS_SCALE": "1", "OMP_NUM_THREADS": "1", "MUJOCO_GL": "egl", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    told: dict[str, Any] = json.loads(ran.stdout)
    return told
