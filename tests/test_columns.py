"""A trace as a table for other programs: every number as it was recorded, under a name that says what it is."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recordings.columns import write_columns
from recordings.trace_file import RecordingError
from tests.scenes import write_scene
from tests.synthetic import Wave
from viewer_app.commands import ResetPolicy, SetDelay, SetStops, Step
from viewer_app.headless import open_engine
from viewer_app.scene import Scene
from viewer_app.trace import Trace

pytestmark = pytest.mark.core

LENGTH = 21
Table = dict[str, list[object]]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.load(write_scene(tmp_path_factory.mktemp("scene")))


@pytest.fixture(scope="module")
def trace(scene: Scene) -> Iterator[Trace]:
    engine = open_engine(scene, Wave(scene, noise=0.5), seed=3)
    for command in (SetStops(on_outcome=False), Step(8), SetDelay(2), Step(7), ResetPolicy(), Step(9)):
        engine.send(command)
        while engine.tick():
            pass
    yield engine.lanes[0].trace
    engine.close()


def from_csv(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return {name: [row[i] or None for row in rows] for i, name in enumerate(header)}


def from_parquet(path: Path) -> Table:
    parquet = pytest.importorskip("pyarrow.parquet")
    table: Table = parquet.read_table(path).to_pydict()
    return table


@pytest.mark.parametrize(("suffix", "read"), [(".csv", from_csv), (".parquet", from_parquet)])
def test_a_table_holds_what_was_recorded(
    scene: Scene, trace: Trace, tmp_path: Path, suffix: str, read: Callable[[Path], Table]
) -> None:
    """Every column of a trace is read back from either kind of table to the bit, joints under their names and units,
    with a row for each moment and nothing where nothing happened yet."""
    pytest.importorskip("pyarrow.parquet" if suffix == ".parquet" else "csv")
    path = tmp_path / f"table{suffix}"
    write_columns(path, scene, trace, LENGTH)
    table = read(path)
    assert {len(values) for values in table.values()} == {LENGTH + 1}

    def numbers(name: str, dtype: type[np.generic]) -> NDArray[Any]:
        return np.array([value for value in table[name] if value is not None], dtype)

    units = {"yaw": "-100..100", "pitch": "deg"}
    for i, (joint, unit) in enumerate(units.items()):
        for name in ("state", "action"):
            expected = trace.column(name, LENGTH)[:, i]
            assert np.array_equal(numbers(f"{name}/{joint} [{unit}]", np.float32), expected)
        assert table[f"action/{joint} [{unit}]"][-1] is None
    for i, axis in enumerate("xyz"):
        assert np.array_equal(numbers(f"tip/{axis} [m]", np.float64), trace.column("tip", LENGTH)[:, i])
    assert np.array_equal(numbers("time [s]", np.float64), trace.column("time", LENGTH))
    assert [value or "" for value in table["phase"]] == [trace.phase(k) for k in range(LENGTH + 1)]
    assert [value or "" for value in table["outcome"]] == [trace.outcome(k) for k in range(LENGTH + 1)]
    for name in ("success", "contact"):
        assert [str(value) for value in table[name]] == [str(value) for value in trace.column(name, LENGTH)]
    assert np.array_equal(numbers("reward", np.float32), trace.column("reward", LENGTH))

    arrived = {step: chunk for step in range(LENGTH) if (chunk := trace.chunk_arrived_at(step)) is not None}
    assert len(arrived) > 2
    latencies = {step: float(str(v)) for step, v in enumerate(table["chunk/latency [s]"]) if v is not None}
    assert latencies == {step: chunk.latency for step, chunk in arrived.items()}
    starts, rows = numbers("chunk/start", np.int64), numbers("chunk/row", np.int64)
    assert np.array_equal(starts + rows, np.arange(LENGTH))
    assert [start for step, start in enumerate(starts) if step in arrived] == [each.start for each in arrived.values()]
    assert any(chunk.start < step for step, chunk in arrived.items()), "a late chunk is among them"


def test_columns_are_chosen_by_name_and_group(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """A table has the columns asked for, in that order, each once, by their names or by what they have in common; a
    name that is unknown is answered with those that are known, and then nothing is written."""
    write_columns(tmp_path / "some.csv", scene, trace, 4, ("action/pitch", "step", "state", "state/yaw", "time [s]"))
    assert list(from_csv(tmp_path / "some.csv")) == [
        "action/pitch [deg]",
        "step",
        "state/yaw [-100..100]",
        "state/pitch [deg]",
        "time [s]",
    ]
    with pytest.raises(RecordingError, match="no column 'elbow'; there are step, time, state, state/yaw"):
        write_columns(tmp_path / "none.csv", scene, trace, 4, ("time", "elbow"))
    with pytest.raises(RecordingError, match=r"valid are \.csv, \.parquet"):
        write_columns(tmp_path / "none.xlsx", scene, trace, 4)
    with pytest.raises(RecordingError, match="at least one column"):
        write_columns(tmp_path / "none.csv", scene, trace, 4, ())
    assert [each.name for each in tmp_path.iterdir()] == ["some.csv"]


def test_a_table_is_not_written_over(scene: Scene, trace: Trace, tmp_path: Path) -> None:
    """A file that is there stays, unless replacing it was asked for; where nothing can be written one sentence says
    so."""
    path = tmp_path / "table.csv"
    path.write_text("mine")
    with pytest.raises(RecordingError, match="is there already"):
        write_columns(path, scene, trace, 4)
    assert path.read_text() == "mine"
    write_columns(path, scene, trace, 4, force=True)
    assert len(from_csv(path)["step"]) == 5
    with pytest.raises(RecordingError, match="cannot be written"):
        write_columns(path / "table.csv", scene, trace, 4)


def test_a_missing_library_is_named(
    scene: Scene, trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pyarrow, a Parquet table is refused in one sentence that says what to do, and CSV is written all the
    same."""
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RecordingError, match=r"without pyarrow.*or write a \.csv file"):
        write_columns(tmp_path / "table.parquet", scene, trace, 4)
    write_columns(tmp_path / "table.csv", scene, trace, 0)
    assert len(from_csv(tmp_path / "table.csv")["step"]) == 1
