"""Which camera is which is remembered for each pair of checkpoint and scene, whatever happens to the files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath

import pytest

from recordings.camera_memory import CameraMemory, configuration_folder
from viewer_app.types import WhiskersError

pytestmark = pytest.mark.core

MAPPING: Mapping[str, str | None] = {"top": "overhead_cam", "side": None}
PAIR = ("a" * 64, "gym:some/Scene-v1")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def memory(tmp_path: Path, said: list[str]) -> CameraMemory:
    return CameraMemory(said.append, tmp_path / "config")


def the_file(folder: Path) -> Path:
    (file,) = (folder / "config" / "cameras").glob("*.json")
    return file


def test_remembered_for_that_pair_and_no_other(memory: CameraMemory, tmp_path: Path, said: list[str]) -> None:
    """What was remembered is recalled by a later sitting, in its order, for the same checkpoint and scene alone, until
    it is replaced or forgotten."""
    assert memory.recall(*PAIR) is None
    memory.remember(*PAIR, MAPPING)
    later = CameraMemory(said.append, tmp_path / "config")
    assert list((later.recall(*PAIR) or {}).items()) == list(MAPPING.items())
    assert later.recall(PAIR[0], "gym:some-Scene-v1") is None
    assert later.recall("b" * 64, PAIR[1]) is None
    later.remember(*PAIR, {"top": None, "side": None})
    assert memory.recall(*PAIR) == {"top": None, "side": None}
    memory.forget(*PAIR)
    memory.forget(*PAIR)
    assert later.recall(*PAIR) is None
    assert said == []
    assert list((tmp_path / "config" / "cameras").iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace('"cameras"', '"camera"'),
        lambda text: text.replace("null", "7"),
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: text.replace("a" * 64, "b" * 64),
        lambda text: "[" * 100_000,
        lambda text: json.dumps([text]),
        lambda text: "\ud800",
    ],
    ids=["cut", "empty", "field", "value", "newer", "other pair", "deep", "list", "not UTF-8"],
)
def test_a_damaged_file_is_ignored_and_kept(
    memory: CameraMemory, tmp_path: Path, said: list[str], damage: Callable[[str], str]
) -> None:
    """A file that cannot be understood counts as nothing, is told in one sentence that names it, and is still there
    under another name once something new is remembered."""
    memory.remember(*PAIR, MAPPING)
    file = the_file(tmp_path)
    damaged = damage(file.read_text(encoding="utf-8")).encode("utf-8", "surrogatepass")
    for number in range(2):
        file.write_bytes(damaged)
        assert memory.recall(*PAIR) is None
        assert len(said) == number + 1
        assert f"in {file} are ignored" in said[-1]
        assert "\n" not in said[-1]
        memory.remember(*PAIR, MAPPING)
        assert memory.recall(*PAIR) == MAPPING
    kept = sorted(each for each in file.parent.iterdir() if each != file)
    assert [each.read_bytes() for each in kept] == [damaged, damaged]


def test_a_folder_that_cannot_be_written(tmp_path: Path, said: list[str]) -> None:
    """Where nothing can be written, what was decided is told not to last, and nothing is raised."""
    (tmp_path / "file").write_text("in the way")
    memory = CameraMemory(said.append, tmp_path / "file")
    memory.remember(*PAIR, MAPPING)
    assert memory.recall(*PAIR) is None
    memory.forget(*PAIR)
    assert "could not be remembered" in said[0]
    assert "until Whiskers is closed" in said[0]
    assert all("\n" not in sentence and str(tmp_path / "file") in sentence for sentence in said)


def test_what_cannot_be_replaced_is_left_whole(
    memory: CameraMemory, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk fills up while something new is written, the old mapping is still there and no scrap is left."""
    memory.remember(*PAIR, MAPPING)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recordings.camera_memory.os.fsync", full)
    memory.remember(*PAIR, {"top": None, "side": None})
    assert "No space left on device" in said[0]
    assert memory.recall(*PAIR) == MAPPING
    assert list(the_file(tmp_path).parent.iterdir()) == [the_file(tmp_path)]


def test_windows_that_remember_at_the_same_moment(tmp_path: Path, said: list[str]) -> None:
    """Of many that write and read at once, each finds a whole mapping of its pair, and no pair is lost."""
    mappings: list[Mapping[str, str | None]] = [{f"camera {i}": "x" * (1000 * i)} for i in range(5)]

    def sitting(number: int) -> list[object]:
        memory = CameraMemory(said.append, tmp_path)
        found: list[object] = []
        for mapping in mappings:
            memory.remember(*PAIR, mapping)
            memory.remember(f"checkpoint {number}", "scene", mapping)
            found.append(memory.recall(*PAIR))
        return found

    with ThreadPoolExecutor(8) as sittings:
        recalled = [mapping for found in sittings.map(sitting, range(8)) for mapping in found]
    assert all(mapping in mappings for mapping in recalled)
    assert said == []
    memory = CameraMemory(said.append, tmp_path)
    assert [memory.recall(f"checkpoint {number}", "scene") for number in range(8)] == [mappings[-1]] * 8


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"WHISKERS_CONFIG": "/somewhere"}, "/somewhere"),
        ("win32", {"WHISKERS_CONFIG": "/somewhere", "APPDATA": "/data"}, "/somewhere"),
        ("linux", {"XDG_CONFIG_HOME": "/xdg"}, "/xdg/whiskers"),
        ("linux", {"XDG_CONFIG_HOME": "xdg"}, "~/.config/whiskers"),
        ("linux", {"APPDATA": "/data"}, "~/.config/whiskers"),
        ("darwin", {"XDG_CONFIG_HOME": "/xdg"}, "~/Library/Application Support/whiskers"),
        ("win32", {"APPDATA": "/data"}, "/data/whiskers"),
        ("win32", {}, "~/AppData/Roaming/whiskers"),
    ],
)
def test_where_settings_are_kept(platform: str, environment: dict[str, str], folder: str) -> None:
    """Each system has its own place for a person's settings, and one variable names another."""
    expected = PurePath(folder.replace("~", str(Path.home()), 1))
    assert configuration_folder(environment, platform) == expected


def test_without_a_home_nothing_is_remembered(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A system user without a home folder can use Whiskers too."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    for name in ("WHISKERS_CONFIG", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(WhiskersError, match="name a folder in WHISKERS_CONFIG"):
        configuration_folder({})
    memory = CameraMemory(said.append)
    memory.remember(*PAIR, MAPPING)
    assert memory.recall(*PAIR) is None
    assert len(said) == 2
