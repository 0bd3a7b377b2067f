"""Figures: they show the numbers of the trace, hold together whatever they are about, and say what they cannot do."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from tests.denoising_policy import planted
from tests.scenes import MODEL, SPEC, write_scene
from tests.synthetic import Wave
from viewer_app.analysis import Analyst
from viewer_app.blinding import Blind
from viewer_app.chunking import Chunking, FirstN, OverlapBlend, TemporalEnsemble
from viewer_app.commands import Command, SetChunking, SetDelay, SetStops, Step
from viewer_app.detectors import Thresholds
from viewer_app.engine import Engine
from viewer_app.figures import PLOTS, SUFFIXES, Subject, write_figure
from viewer_app.figures.look import SETTINGS
from viewer_app.headless import ask, open_engine
from viewer_app.insight import Comparison, Divergence
from viewer_app.joint_units import JointUnit
from viewer_app.questions import Ablation, Ensemble
from viewer_app.scene import Scene
from viewer_app.types import FloatArray, WhiskersError
from viewer_app.view import Focus, OverlayChoice, resolve

pytestmark = pytest.mark.core

LOOKED_AT = 25
FIRST_6 = FirstN(6)
ROOT = Path(__file__).parents[1]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.load(write_scene(tmp_path))


@pytest.fixture
def engine(scene: Scene) -> Iterator[Engine]:
    engine = open_engine(scene, Wave(scene, noise=0.5), seed=3)
    engine.send(SetStops(on_outcome=False))
    yield engine
    engine.close()


def do(engine: Engine, *commands: Command) -> None:
    """Send commands one after another, each when the engine rests."""
    for command in commands:
        engine.send(command)
        engine.tick()
        while engine.busy:
            engine.tick()


def subject_of(engine: Engine, mode: Chunking = FIRST_6, delay: int = 0, asked: bool = True) -> Subject:
    """A trace of 40 steps looked at in the middle, with all figures about it."""
    do(engine, SetChunking(mode), SetDelay(delay), Step(40))
    lane = engine.lanes[0]
    if asked:
        for question in (Ensemble(), Ablation(Blind.BLACK)):
            ask(engine, question, LOOKED_AT)
    analyst = Analyst(engine.scene)
    episode = analyst.episode(lane.trace, 40, Thresholds())
    moment = analyst.moment(lane.trace, 40, LOOKED_AT, OverlayChoice(), lane.answers)
    if asked:
        moment = replace(moment, denoising=planted(LOOKED_AT))  # this policy does not denoise
    assert lane.policy is not None
    rising = np.array(range(41), np.float64)  # there is one lane; another would have gone its own way
    apart = Divergence(1, rising, np.asarray(rising / 2), np.asarray(rising / 3))
    comparison = Comparison((apart,), (None, None), (0.0, 1.0)) if asked else None
    names = (lane.policy.info.name,) * 2
    return Subject(engine.scene, lane.trace, 40, LOOKED_AT, episode, moment, comparison=comparison, lanes=names)


def drawn(plot: str, subject: Subject) -> Figure:
    """The figure as it is written, laid out."""
    with rc_context(SETTINGS):
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        PLOTS[plot].draw(figure, subject)
        figure.draw_without_rendering()
    return figure


def axes_titled(figure: Figure, title: str) -> Axes:
    return next(each for each in figure.axes if each.get_title("left") == title)


def points_of(line: Line2D) -> FloatArray:
    """Shape (points, 2)."""
    return np.stack([np.asarray(each, np.float64) for each in line.get_data()], axis=1)


def line_called(plot: Axes, label: str) -> FloatArray:
    """Points of a line. Shape (points, 2)."""
    return points_of(next(each for each in plot.get_lines() if each.get_label() == label))


def bars_of(plot: Axes) -> list[Rectangle]:
    return [each for each in plot.patches if isinstance(each, Rectangle)]


def words_of(figure: Figure) -> list[Text]:
    """Every text that is seen. Ticks outside an axis have labels too, which are not."""
    found: list[Text] = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for plot in figure.axes:
        found += [*plot.texts, plot.xaxis.label, plot.yaxis.label]
        found += [each for each in plot.get_children() if isinstance(each, Text)]
        for axis in (plot.xaxis, plot.yaxis):
            low, high = sorted(axis.get_view_interval())
            margin = 1e-9 * (high - low)
            ticks = [tick for tick in axis.get_major_ticks() if low - margin <= tick.get_loc() <= high + margin]
            found += [tick.label1 for tick in ticks if tick.label1.get_visible()]
    return [text for text in dict.fromkeys(found) if text.get_visible() and text.get_text()]


def table_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(rows: list[dict[str, str]], column: str) -> FloatArray:
    """A column of a table, NaN where a cell is empty."""
    return np.array([float(row[column]) if row[column] else np.nan for row in rows])


@pytest.mark.parametrize("unit", list(JointUnit))
@pytest.mark.parametrize(("mode", "delay"), [(FirstN(6), 0), (OverlapBlend(6, 3), 2), (TemporalEnsemble(0.1, ()), 0)])
def test_joints_are_the_trace(engine: Engine, scene: Scene, unit: JointUnit, mode: Chunking, delay: int) -> None:
    """Solid is what was measured, dotted what was executed, dashed the plan at the step looked at, whose first value is
    the one executed there; the grey lines are the chunk boundaries."""
    subject = replace(subject_of(engine, mode, delay, asked=False), unit=unit)
    trace, figure = subject.trace, drawn("joints", subject)
    for joint, name in enumerate(scene.joint_names):
        plot = axes_titled(figure, name)
        for label, column, count in (("actual", "state", 41), ("commanded", "action", 40)):
            line = line_called(plot, label)
            values = subject.convert(np.asarray(trace.column(column), np.float32))[:, joint]
            np.testing.assert_allclose(line, np.stack([np.arange(count) / 30, values], axis=1), atol=1e-9)
        plan = trace.plan(LOOKED_AT)
        assert plan is not None
        predicted = line_called(plot, "predicted")
        np.testing.assert_array_equal(predicted[:, 1], subject.convert(plan)[:, joint])
        assert predicted[0, 1] == line_called(plot, "commanded")[LOOKED_AT, 1]
        assert predicted[0, 0] == pytest.approx(LOOKED_AT / 30)
        styles = {str(line.get_label()): line.get_linestyle() for line in plot.get_lines()}
        assert (styles["actual"], styles["commanded"], styles["predicted"]) == ("-", ":", "--")
        boundaries = [
            float(np.asarray(line.get_xdata())[0]) * 30
            for line in plot.get_lines()
            if str(line.get_label()) in ("chunk boundary", "_")
        ]
        assert boundaries == pytest.approx([chunk.arrived for chunk in trace.chunks[1:]])


def test_what_is_unusual_is_shaded(engine: Engine, scene: Scene) -> None:
    """The part of a plot beyond three standard deviations of the checkpoint's actions is shaded, to the number; nothing
    is where the motion stays inside, and nothing is said of it where the checkpoint has no such statistics."""
    subject = replace(subject_of(engine, asked=False), unit=JointUnit.MODEL)
    policy = subject.trace.policy
    assert policy is not None
    assert policy.action_scale is not None
    tight = replace(policy.action_scale, a=policy.action_scale.a / np.float32(50))
    words = "beyond 3 standard deviations of the checkpoint's actions"
    for scale, shaded in ((policy.action_scale, False), (tight, True)):
        subject.trace.policy = replace(policy, action_scale=scale)
        plot = axes_titled(figure := drawn("joints", subject), scene.joint_names[0])
        edges = {round(edge, 6) for bar in bars_of(plot) for edge in (bar.get_y(), bar.get_y() + bar.get_height())}
        assert ({-3.0, 3.0} <= edges) is shaded
        assert bool(plot.patches) is shaded
        assert words in {text.get_text() for text in figure.legends[0].get_texts()}
    subject.trace.policy = replace(policy, action_scale=replace(tight, kind="min_max"))
    figure = drawn("joints", subject)
    assert not axes_titled(figure, scene.joint_names[0]).patches
    assert words not in {text.get_text() for text in figure.legends[0].get_texts()}


def test_the_table_of_joints_holds_every_moment(engine: Engine, scene: Scene, tmp_path: Path) -> None:
    """The CSV file has a line for every moment and every predicted one after it, with the trace's numbers; the head has
    no command, and nothing is predicted before the step looked at."""
    subject = replace(subject_of(engine, FirstN(6), 2, asked=False), step=38)
    write_figure(tmp_path / "joints.csv", "joints", subject)
    rows, trace = table_of(tmp_path / "joints.csv"), subject.trace
    plan = trace.plan(38)
    assert plan is not None
    assert [int(row["step"]) for row in rows] == list(range(38 + len(plan)))
    assert len(rows) > 41
    for joint, name in enumerate(scene.joint_names):
        for what, begin, values in (("actual", 0, "state"), ("commanded", 0, "action"), ("predicted", 38, None)):
            expected = np.full(len(rows), np.nan)
            column = plan[:, joint] if values is None else np.asarray(trace.column(values))[:, joint]
            expected[begin : begin + len(column)] = column
            np.testing.assert_allclose(numbers(rows, f"{name}_{what} [scene units]"), expected, rtol=1e-6)
    np.testing.assert_allclose(numbers(rows, "time_s"), np.arange(len(rows)) / 30, atol=1e-6)
    assert [k for k, row in enumerate(rows) if row["asked"] == "1"] == [chunk.start for chunk in trace.chunks]
    boundaries = [k for k, row in enumerate(rows) if row["chunk_boundary"] == "1"]
    assert boundaries == [chunk.arrived for chunk in trace.chunks[1:]]


def test_the_measures_of_motion_follow_from_its_table(engine: Engine, scene: Scene, tmp_path: Path) -> None:
    """U_a, spike ratio and jerk of the caption are the largest variance, the ratio of means and the mean of the
    table's columns, and its jumps are the seams."""
    subject = subject_of(engine, asked=False)
    assert subject.episode is not None
    write_figure(tmp_path / "motion.csv", "motion", subject)
    rows = table_of(tmp_path / "motion.csv")
    acceleration = np.stack([numbers(rows, f"{name}_acceleration [deg/step^2]") for name in scene.joint_names], axis=1)
    known = np.isfinite(acceleration[:, 0])
    assert known.sum() == 38
    seam = numbers(rows, "within_seam") == 1
    size = np.abs(acceleration).mean(axis=1)
    smooth = subject.episode.smoothness
    assert np.nanvar(acceleration, axis=0, ddof=1).max() == pytest.approx(smooth.uniformity, rel=1e-5)
    ratio = size[known & seam].mean() / size[known & ~seam].mean()
    assert ratio == pytest.approx(smooth.spike_ratio, rel=1e-5)
    assert np.nanmean(numbers(rows, "jerk [mm/step^3]")) == pytest.approx(smooth.jerk, rel=1e-5)
    jumps = numbers(rows, "jump [mm]")
    assert [k for k in range(len(rows)) if np.isfinite(jumps[k])] == [seam.step for seam in subject.episode.seams]
    for each in subject.episode.seams:
        assert jumps[each.step] == pytest.approx(each.distance, rel=1e-6)
        got = [float(rows[each.step][f"{name}_jump [deg]"]) for name in scene.joint_names]
        np.testing.assert_allclose(got, each.jump, rtol=1e-5)
    caption = next(text.get_text() for text in drawn("motion", subject).texts)
    for value in (smooth.uniformity, smooth.spike_ratio, smooth.jerk):
        assert f"{value:.3g}" in caption


def test_motion_shows_its_seams(engine: Engine) -> None:
    """The stems stand at the seams and are as high as the gripper's and the worst joint's jumps."""
    subject = subject_of(engine, asked=False)
    assert subject.episode is not None
    seams = subject.episode.seams
    assert len(seams) == 6
    gripper, joints = drawn("motion", subject).axes[:2]
    times = np.array([seam.step / 30 for seam in seams])
    for plot, heights in ((gripper, [s.distance for s in seams]), (joints, [np.abs(s.jump).max() for s in seams])):
        np.testing.assert_allclose(points_of(plot.get_lines()[0]), np.stack([times, np.array(heights)], axis=1))


@pytest.mark.parametrize(
    ("mode", "words"), [(FirstN(6), "what-if: not what was executed"), (TemporalEnsemble(0.3, ()), "executed")]
)
def test_the_ensemble_is_the_insight(engine: Engine, scene: Scene, tmp_path: Path, mode: Chunking, words: str) -> None:
    """The bars are the weights by age, the two lines the newest chunk and the ensembled path, and picture, table and
    insight are one; a what-if says that it is one."""
    subject = subject_of(engine, mode)
    assert subject.moment is not None
    ensemble = subject.moment.ensemble
    assert ensemble is not None
    figure = drawn("ensemble", subject)
    assert words in figure.texts[0].get_text()
    bars = bars_of(figure.axes[0])
    assert [round(bar.get_x() + bar.get_width() / 2) for bar in bars] == list(ensemble.ages)
    np.testing.assert_allclose(np.array([bar.get_height() for bar in bars]), 100 * np.array(ensemble.weights))
    write_figure(tmp_path / "ensemble.csv", "ensemble", subject)
    rows = table_of(tmp_path / "ensemble.csv")
    members, actions = ([row for row in rows if row["row"] == kind] for kind in ("member", "action"))
    assert [LOOKED_AT - int(row["step"]) for row in members] == list(ensemble.ages)
    assert sum(float(row["weight"]) for row in members) == pytest.approx(1)
    for joint, name in enumerate(scene.joint_names):
        raw, mean = axes_titled(figure, name).get_lines()
        for line, what, values in ((raw, "raw", ensemble.raw), (mean, "ensembled", ensemble.ensembled)):
            np.testing.assert_array_equal(np.asarray(line.get_ydata()), values[:, joint])
            np.testing.assert_allclose(numbers(actions, f"{name}_{what} [scene units]"), values[:, joint], rtol=1e-6)


def test_inputs_are_the_effects(engine: Engine, scene: Scene, tmp_path: Path) -> None:
    """The bars are the distances at the chunk's end, the coloured fields the joints', in picture and table alike."""
    subject = subject_of(engine)
    assert subject.moment is not None
    effects = subject.moment.effects
    assert max(effect.end for effect in effects) > 1
    bars, fields = drawn("inputs", subject).axes[:2]
    assert [label.get_text() for label in bars.get_yticklabels()] == [effect.name for effect in effects]
    assert [bar.get_width() for bar in bars_of(bars)] == pytest.approx([effect.end for effect in effects])
    shown = fields.images[0].get_array()
    assert shown is not None
    np.testing.assert_allclose(np.asarray(shown), np.stack([effect.joints for effect in effects]))
    write_figure(tmp_path / "inputs.csv", "inputs", subject)
    for row, effect in zip(table_of(tmp_path / "inputs.csv"), effects, strict=True):
        assert row["input"] == effect.name
        assert float(row["end [mm]"]) == pytest.approx(effect.end, rel=1e-6)
        got = [float(row[f"{name} [deg]"]) for name in scene.joint_names]
        np.testing.assert_allclose(got, effect.joints, rtol=1e-5, atol=1e-6)


LONG = "the_left_arm_of_the_second_robot_on_the_table"


@pytest.mark.parametrize("plot", list(PLOTS))
@pytest.mark.parametrize("long_names", [False, True])
def test_nothing_is_cut_off(tmp_path: Path, plot: str, long_names: bool) -> None:
    """Every word of a figure lies inside it, and no two lie on one another, however long names are."""
    spec, model = SPEC, MODEL
    if long_names:
        spec = spec.replace('"yaw"', f'"{LONG}_yaw"').replace('name = "plotter"', f'name = "{LONG}"')
        spec = spec.replace("cameras.above", f"cameras.{LONG}")
        model = model.replace('"yaw"', f'"{LONG}_yaw"').replace('"above"', f'"{LONG}"')
    scene = Scene.load(write_scene(tmp_path, spec, model))
    policy = Wave(scene, noise=0.5).with_name("checkpoints/act_" + LONG if long_names else "wave")
    engine = open_engine(scene, policy, seed=2**31 - 1)
    do(engine, SetStops(on_outcome=False))
    figure = drawn(plot, subject_of(engine, OverlapBlend(6, 3), 2))
    engine.close()
    boxes = [(each.get_text(), each.get_window_extent()) for each in words_of(figure)]
    width, height = figure.get_size_inches() * figure.dpi
    assert len(boxes) > 15
    for words, box in boxes:
        assert -0.5 <= box.x0 <= box.x1 <= width + 0.5, words
        assert -0.5 <= box.y0 <= box.y1 <= height + 0.5, words
    for i, (words, box) in enumerate(boxes):
        for other_words, other in boxes[:i]:
            assert not box.shrunk(0.98, 0.9).overlaps(other.shrunk(0.98, 0.9)), (words, other_words)


@pytest.mark.slow
def test_every_figure_as_every_kind_of_file(engine: Engine, tmp_path: Path) -> None:
    """Each figure is written, on a thread that is not the main one, as what its suffix says, and the same figure is the
    same file."""
    subject = subject_of(engine)
    begins = {"png": b"\x89PNG\r\n", "pdf": b"%PDF-", "svg": b"<?xml", "csv": b""}

    def written(plot: str, suffix: str) -> bytes:
        path = tmp_path / f"{plot}.{suffix}"
        write_figure(path, plot, subject)
        return path.read_bytes()

    with ThreadPoolExecutor(1) as pool:
        for plot in PLOTS:
            for suffix in SUFFIXES:
                content = pool.submit(written, plot, suffix).result()
                assert content.startswith(begins[suffix])
                assert len(content) > 100
        for suffix in SUFFIXES:
            before = (tmp_path / f"inputs.{suffix}").read_bytes()
            assert pool.submit(written, "inputs", suffix).result() == before
    vector, dots = ((tmp_path / f"joints.{suffix}").read_bytes() for suffix in ("svg", "png"))
    assert vector.count(b"<path") > 10, "lines, not a photograph of them"
    assert int.from_bytes(dots[16:20]) == round(7.2 * 300)


def test_matplotlib_is_imported_when_something_is_drawn(tmp_path: Path) -> None:
    """Whoever can write figures pays for matplotlib only when one is written, and never for pyplot."""
    ask_for = "import sys, viewer_app.figures; print('matplotlib' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", ask_for], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.strip() == "False"
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "viewer_app" / "figures").glob("*.py"))
    assert "pyplot" not in source


def test_what_cannot_be_written_is_told_in_one_sentence(engine: Engine, tmp_path: Path) -> None:
    """An unknown figure or kind of file, figures that nobody asked for yet and a folder that is not there are refused
    in one sentence, and no file is left behind."""
    bare = Subject(engine.scene, engine.lanes[0].trace, 0, 0)
    subject = replace(subject_of(engine, asked=False), moment=None)
    for plot, name, about, words in (
        (
            "moods",
            "a.png",
            subject,
            "There is no figure 'moods'; there are joints, motion, ensemble, inputs, denoising, divergence.",
        ),
        ("joints", "a.bmp", subject, "A figure is written as png, pdf, svg, csv; a.bmp ends in none of them."),
        ("joints", "a", subject, "a ends in none of them"),
        ("motion", "a.png", replace(subject, episode=None), "not computed yet"),
        ("motion", "a.csv", replace(subject, episode=None), "not computed yet"),
        ("ensemble", "a.png", subject, f"No temporal ensemble is known at step {LOOKED_AT}"),
        ("inputs", "a.csv", subject, f"What each input does at step {LOOKED_AT} is not known yet"),
        ("divergence", "a.png", subject, "open two policies or more with `whiskers compare A B`"),
        ("joints", "no/such/folder/a.csv", subject, "cannot be written (No such file or directory)"),
    ):
        with pytest.raises(WhiskersError) as refused:
            write_figure(tmp_path / name, plot, about)
        assert words in str(refused.value)
        assert "\n" not in str(refused.value)
    short = Analyst(engine.scene).episode(subject.trace, 2, Thresholds())
    with pytest.raises(WhiskersError, match="at least 3 executed steps"):
        write_figure(tmp_path / "a.png", "motion", replace(subject, length=2, episode=short))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("a")]
    write_figure(tmp_path / "joints.png", "joints", bare)
    assert (tmp_path / "joints.png").is_file(), "an episode that has not begun has a pose to show"


def test_the_window_draws_what_it_shows(engine: Engine, tmp_path: Path) -> None:
    """A figure asked for in the window is about the moment in focus: insights that still lag behind it do not count."""
    pytest.importorskip("dearpygui")
    from tests.window_session import Folder
    from viewer_app.gui.written import figure_errand

    subject = subject_of(engine)
    frame = resolve(engine.view(), Focus(step=LOOKED_AT))
    frame = replace(frame, episode=subject.episode, moment=subject.moment)
    said = figure_errand(Folder(tmp_path), frame, "inputs", "csv")()
    (path,) = tmp_path.glob("inputs*.csv")
    assert path.name in said
    write_figure(tmp_path / "direct.csv", "inputs", subject)
    assert path.read_bytes() == (tmp_path / "direct.csv").read_bytes()
    with pytest.raises(WhiskersError, match=f"at step {LOOKED_AT + 1} is not known yet"):
        figure_errand(Folder(tmp_path), replace(frame, step=LOOKED_AT + 1), "inputs", "csv")()
