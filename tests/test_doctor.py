"""The doctor finds what is wrong, calls it by its name, and finds nothing wrong with what is healthy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from lerobot.configs.types import NormalizationMode

from policies.source import DEMOS
from tests.checkpoints import build_act
from tests.faults import FAULTS, LOADED, Fault, Pair, copied, give_sane_statistics
from tests.flow_checkpoints import build_flow
from tests.scenes import write_scene
from viewer_app.doctor.finding import Finding
from viewer_app.doctor_command import diagnose
from viewer_app.scene import BUILT_IN

PLOTTER_CAMERAS = {"above": (24, 32), "aside": (24, 32)}
PLOTTER = {"observation.state": ([12.0, -8.0], [14.0, 9.0]), "action": ([12.0, -8.0], [14.0, 9.0])}
"""Mean and standard deviation of a dataset of the plotter, in its units: yaw in hundredths of its range, pitch in
degrees."""
HEALTHY = ("act", "min-max", "quantiles", "blind", "flow", "so101", "demo")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pair]:
    """Each healthy pair, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("healthy")
    made: dict[str, Pair] = {}

    def make(name: str) -> Pair:
        if name not in made:
            made[name] = build(name, folder / name)
        return made[name]

    return make


def build(name: str, folder: Path) -> Pair:
    checkpoint = folder / "checkpoint"
    if name in ("demo", "so101"):
        shutil.copytree(BUILT_IN / "so101", folder / "scene")
        if name == "demo":
            shutil.copytree(DEMOS / "act", checkpoint, copy_function=os.link)
        else:
            build_act(checkpoint, cameras={"wrist_cam": (96, 128), "overhead_cam": (96, 128)})
            home = [0.0, -80.0, 60.0, 78.0, -2.0, 40.0]
            spread = [8.0, 8.0, 9.0, 8.0, 9.0, 7.0]
            give_sane_statistics(checkpoint, {"observation.state": (home, spread), "action": (home, spread)})
        return Pair(checkpoint, folder / "scene" / "scene.toml")
    if name == "flow":
        build_flow(checkpoint, cameras=PLOTTER_CAMERAS, n_state=2, n_action=2)
    elif name == "blind":
        build_act(checkpoint, cameras={}, n_state=2, n_action=2, half=True)
    else:
        modes = {"min-max": NormalizationMode.MIN_MAX, "quantiles": NormalizationMode.QUANTILES}
        mode = modes.get(name, NormalizationMode.MEAN_STD)
        build_act(checkpoint, cameras=PLOTTER_CAMERAS, n_state=2, n_action=2, normalisation=mode)
    give_sane_statistics(checkpoint, PLOTTER)
    return Pair(checkpoint, write_scene(folder / "scene"))


def found_in(pair: Pair, load: bool) -> list[Finding]:
    return diagnose(str(pair.checkpoint), str(pair.scene), load=load)


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_wrong_with_a_healthy_pair(healthy: Callable[[str], Pair], name: str) -> None:
    """A healthy checkpoint in its scene gives no error and no warning, and is known to be verified."""
    findings = found_in(healthy(name), load=True)
    assert [each for each in findings if each.severity != "info"] == []
    assert "weights-verified" in {each.id for each in findings}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what.replace(" ", "-"))
def test_a_planted_fault_is_found_by_name(healthy: Callable[[str], Pair], tmp_path: Path, fault: Fault) -> None:
    """A single fault in a healthy pair is found and called what it is, with numbers or names and with a mend."""
    pair = copied(healthy(fault.pair), tmp_path / "pair")
    fault.plant(pair)
    findings = found_in(pair, load=fault in LOADED)
    shutil.rmtree(tmp_path / "pair")  # pytest would keep the weights of each.
    named = [each for each in findings if each.id == fault.finding]
    assert [each.severity for each in named[:1]] == [fault.severity], findings
    assert named[0].evidence.endswith((".", "?"))
    assert named[0].mend
