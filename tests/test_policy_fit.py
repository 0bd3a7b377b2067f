"""Whether a policy and a scene can work together is told before anything runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.fit import check_fit
from viewer_app.scene import Scene
from viewer_app.types import PolicyInfo, WhiskersError

pytestmark = pytest.mark.core


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path))


@pytest.fixture
def fits(scene: Scene) -> PolicyInfo:
    return Wave(scene).info


def test_policy_that_reads_less_than_there_is_fits(fits: PolicyInfo, scene: Scene) -> None:
    """A policy may read fewer cameras than the scene has, and no proprioception."""
    check_fit(fits, scene)
    check_fit(replace(fits, cameras={"above": (24, 32)}, n_state=0), scene)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"cameras": {"wrist_cam": (24, 32)}}, r"camera 'wrist_cam'.*above \(32x24\), aside \(32x24\)"),
        ({"cameras": {"above": (96, 128)}}, r"128x96 .*'above'.*above \(32x24\).*scene\.toml"),
        ({"n_state": 6}, r"6 state dimensions.*2 joints \(yaw, pitch\)"),
        ({"n_action": 6}, r"6 action dimensions.*2 joints \(yaw, pitch\)"),
    ],
    ids=["camera", "picture size", "state", "action"],
)
def test_misfit_is_one_sentence(fits: PolicyInfo, scene: Scene, change: dict[str, object], complaint: str) -> None:
    """A policy that asks for what the scene has not is refused in one sentence that lists what it has."""
    with pytest.raises(WhiskersError, match=complaint) as caught:
        check_fit(replace(fits, **change), scene)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
