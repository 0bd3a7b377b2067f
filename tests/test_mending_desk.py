"""Mending by the window's buttons: what stands behind the window does to the policy in use, without a window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scenes import write_scene
from tests.synthetic import Wave
from tests.window_session import Folder, Loading
from viewer_app.chunking import FirstN
from viewer_app.doctor.checkup import Order
from viewer_app.doctor.finding import Cure, Finding, mending
from viewer_app.gui.contracts import LaneStart, PolicyLoading, Session
from viewer_app.gui.desk import Desk
from viewer_app.headless import open_lanes
from viewer_app.mends import Mends
from viewer_app.scene import Scene
from viewer_app.types import PolicyInfo
from viewer_app.view import Focus

PATIENCE = 60.0
"""[s]"""


class Clinic(Folder):
    """Loads checkpoints, and finds one thing wrong with each."""

    def __init__(self, folder: Path, scene: Scene) -> None:
        super().__init__(folder)
        self.scene = scene
        self.loaded: list[tuple[str, str]] = []
        self.orders: list[Order] = []

    def load_checkpoint(self, source: str, mends: Mends) -> PolicyLoading:
        self.loaded.append((source, mends.statistics))
        return Loading(Wave(self.scene).with_name("scaled otherwise"), 0.0, "")

    def look_at_files(self, order: Order, scene: Scene) -> tuple[Finding, ...]:
        self.orders.append(order)
        return (SLOW,)


SLOW = Finding("n-action-steps-one", "warning", "1.", "", Cure("Execute 3", chunking=FirstN(3)))


class Office:
    """A desk, and what is said there."""

    def __init__(self, folder: Path) -> None:
        self.scene = Scene.load(write_scene(folder))
        self.files = Clinic(folder, self.scene)
        self.said: list[str] = []
        session = Session(
            self.scene,
            lambda publish: open_lanes(self.scene, [None], 3, publish),
            (LaneStart(Loading(Wave(self.scene), 0.0, "")),),
        )
        self.desk = Desk(session, self.files, lambda text, bad: self.said.append(text))

    def policy(self) -> PolicyInfo | None:
        frame = self.desk.frame(Focus())
        return frame.lane.policy if frame is not None else None

    def wait(self, until: Callable[[], bool]) -> None:
        begin = time.monotonic()
        while not until():
            assert time.monotonic() - begin < PATIENCE, self.said
            self.desk.poll()
            time.sleep(0.01)
        self.desk.poll()  # What a view shows is heard with the next poll.

    def mend(self, cure: Cure) -> bool:
        return self.desk.mend(Finding("some", "error", "It is wrong.", "", cure), 0)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A session whose policy has loaded and been looked at."""
    opened = Office(tmp_path)
    opened.wait(lambda: opened.policy() is not None)
    opened.wait(lambda: (checkup := opened.desk.checkups.of(0)) is not None and checkup.read)
    yield opened
    opened.desk.close()


def test_units_are_mended_without_loading_anew(office: Office) -> None:
    """The policy in use goes on in another form, mends add up, and the doctor looks at it as it is then."""
    assert not office.mend(mending(Mends(state_unit="radians"), ""))
    office.wait(lambda: (info := office.policy()) is not None and bool(info.mended))
    assert not office.mend(mending(Mends(action_unit="degrees"), ""))
    office.wait(lambda: (info := office.policy()) is not None and len(info.mended) == 2)
    office.wait(lambda: len(office.files.orders) == 3)
    assert office.files.orders[-1].mends == Mends("radians", "degrees")
    assert office.files.loaded == []


def test_statistics_are_mended_by_loading_and_other_mends_stay(office: Office) -> None:
    """The checkpoint is loaded once more with the statistics, and what was mended before is mended in it too."""
    office.mend(mending(Mends(state_unit="radians"), ""))
    office.wait(lambda: (info := office.policy()) is not None and bool(info.mended))
    assert office.mend(mending(Mends(statistics="a/dataset"), ""))
    office.wait(lambda: (info := office.policy()) is not None and info.name == "scaled otherwise")
    info = office.policy()
    assert info is not None
    assert dict(info.mended) == {"state_unit": "radians", "statistics": "a/dataset"}
    assert office.files.loaded == [("tests", "a/dataset")]


def test_cameras_are_asked_for_again(office: Office) -> None:
    """The card's question is put about the policy in use; what is answered holds, and giving it up changes nothing."""
    office.mend(Cure("", cameras=True))
    assert office.desk.unfit is not None
    office.desk.map_cameras(None)
    assert office.policy() is not None
    office.mend(Cure("", cameras=True))
    office.desk.map_cameras({"above": "aside", "aside": "above"})
    office.wait(lambda: (info := office.policy()) is not None and bool(info.mapped_cameras))
    info = office.policy()
    assert info is not None
    assert dict(info.mapped_cameras) == {"aside": "above", "above": "aside"}


def test_a_setting_mends_its_finding(office: Office) -> None:
    """It takes effect in the lane, and the report calls the finding mended."""
    assert not office.desk.mend(SLOW, 0)

    def chunking() -> object:
        frame = office.desk.frame(Focus())
        return frame.lane.settings.chunking if frame is not None else None

    office.wait(lambda: chunking() == FirstN(3))
    checkup = office.desk.checkups.of(0)
    assert checkup is not None
    assert [each.id for each in checkup.findings] == ["mended"]
