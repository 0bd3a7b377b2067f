"""Whether a policy and a scene can work together is told before anything runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.camera_map import MappedPolicy, parse_mapping
from viewer_app.fit import CamerasDifferError, check_fit
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
        ({"cameras": {"above": (96, 128)}}, r"'above' \(128x96\);.*above \(32x24\).*scene\.toml"),
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


@pytest.mark.parametrize(
    "cameras",
    [
        {"top": (24, 32), "aside": (24, 32)},
        {"above": (96, 128)},
        {"one": (24, 32), "two": (24, 32), "three": (24, 32), "aside": (24, 32)},
    ],
    ids=["name", "size", "more than there are"],
)
def test_where_only_cameras_differ_the_advice_mends_it(scene: Scene, cameras: dict[str, tuple[int, int]]) -> None:
    """The sentence's own options make of the policy one that fits, more cameras than the scene has or not."""
    policy = Wave(scene, cameras=cameras)
    with pytest.raises(CamerasDifferError) as caught:
        check_fit(policy.info, scene)
    assert caught.value.info is policy.info
    assert caught.value.scene is scene
    advice = [text for text in str(caught.value).split() if "=" in text]
    assert len(advice) == len(cameras)
    check_fit(MappedPolicy(policy, parse_mapping(advice, policy.info, scene), scene).info, scene)


def test_a_mapping_is_not_offered_where_it_would_not_help(fits: PolicyInfo, scene: Scene) -> None:
    """Where the robot is another one too, that is what is said: no choice of cameras mends it."""
    with pytest.raises(WhiskersError, match="6 action dimensions") as caught:
        check_fit(replace(fits, cameras={"top": (24, 32)}, n_action=6), scene)
    assert not isinstance(caught.value, CamerasDifferError)
