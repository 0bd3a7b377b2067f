"""Checkpoints on the hub, through the hub's own client and a hub on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from policies.source import DEMOS
from tests.fake_hub import COMMIT, serving

_SCRIPT = """
import json, sys
from policies.source import find_folder
from viewer_app.types import WhiskersError
for source in sys.argv[1:]:
    told = []
    try:
        place = find_folder(source, told.append)
        files = sorted(path.name for path in place.folder.iterdir())
        texts = [(each.fraction, each.text) for each in told]
        print(json.dumps({"source": place.source, "files": files, "told": texts}))
    except WhiskersError as error:
        print(json.dumps({"error": str(error)}))
"""


def _find(sources: list[str], home: Path, endpoint: str, **more: str) -> list[dict[str, Any]]:
    """What `find_folder` says of each in a process of its own: the hub's client reads its settings when imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = {**kept, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **more}
    command = [sys.executable, "-c", _SCRIPT, *sources]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_hub_id_is_downloaded_once_and_pinned(tmp_path: Path) -> None:
    """A hub id gives the files of a policy and no other, tells how much of them is there, names the commit, and is
    then opened from the cache without a request; a copy that is not whole is completed."""
    repository, home = tmp_path / "repository", tmp_path / "home"
    shutil.copytree(DEMOS / "pi0", repository)
    (repository / "pytorch_model.bin").write_bytes(b"a pickle")
    asked: list[str] = []
    with serving({"lab/arm": repository}, asked) as endpoint:
        first, again, pinned = _find(["lab/arm", "lab/arm", f"lab/arm@{COMMIT}"], home, endpoint)
        assert sum("?blobs=true" in path for path in asked) == 1
        assert first["source"] == again["source"] == pinned["source"] == f"lab/arm@{COMMIT}"
        assert {"config.json", "model.safetensors", "policy_preprocessor.json"} <= set(first["files"])
        assert not any("pytorch_model.bin" in path for path in asked)
        fractions = [fraction for fraction, _ in first["told"]]
        total = sum((repository / name).stat().st_size for name in first["files"])
        assert fractions == sorted(fractions)
        assert first["told"][-1][0] == 1.0
        assert f"of {total / 1e6:,.1f} MB" in first["told"][-1][1]
        assert again["told"] == pinned["told"] == []

        next(home.rglob("model.safetensors")).unlink()
        whole, leg, revision = _find(["lab/arm", "lab/leg", "lab/arm@v9"], home, endpoint)
    assert "model.safetensors" in whole["files"]
    assert "nor on the hub; check its spelling" in leg["error"]
    assert "no revision 'v9' of it" in revision["error"]


def test_without_the_hub_one_sentence_says_so(tmp_path: Path) -> None:
    """Offline on purpose, or with a hub that does not answer, what is not here is said to be not here."""
    nobody = "http://127.0.0.1:9"
    assert "unset HF_HUB_OFFLINE" in _find(["lab/arm"], tmp_path, nobody, HF_HUB_OFFLINE="1")[0]["error"]
    assert "the hub cannot be reached" in _find(["lab/arm"], tmp_path, nobody)[0]["error"]
