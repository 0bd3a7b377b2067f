"""`whiskers run CHECKPOINT --on-dataset DATASET`: a policy against what was recorded, teacher-forced."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recordings.dataset_in import Dataset, open_dataset
from recordings.folder import LaneSnippet, is_recording, save
from viewer_app.channels import named
from viewer_app.command_line import Run, given
from viewer_app.scene import Scene
from viewer_app.teacher import evaluate
from viewer_app.teacher_figure import write_curves
from viewer_app.teacher_report import TeacherReport, with_unit
from viewer_app.teacher_tables import figures, write_tables
from viewer_app.terminal import load_policy, new_folder, progress_bar, say, stop_on_interrupt, tell, write_summary
from viewer_app.types import Policy, WhiskersError
from viewer_app.view import Snippet

_DONE, _INTERRUPTED = 0, 1
"""Exit codes."""
_OURS = ("checkpoint", "scene", "on_dataset", "episode_indices", "stride", "joint", "cameras", "device", "out", "json")
"""Options that are about an evaluation. All others are about episodes that are run."""
_OF_THE_RUN = ("frames", "stride", "coverage_within_mm")
"""Figures that say how an episode was evaluated, so no mean of them is taken."""


@dataclass(frozen=True)
class _Evaluated:
    """One episode, evaluated and written."""

    episode: int
    report: TeacherReport
    folder: Path


def evaluate_on_dataset(choice: Run, source: str) -> int:
    """Evaluate, say how it went, and leave a recording and tables of each episode. Returns the exit code.

    Args:
        choice: What was asked for.
        source: The dataset.

    Raises:
        WhiskersError: If it cannot be meant so, the policy or the dataset does not fit, or results cannot be written.
    """
    _check(choice)
    scene = Scene.load(choice.scene)
    dataset = open_dataset(source)
    episodes = choice.episode_indices or tuple(each.index for each in dataset.episodes)
    # The first one says at once whether joints and cameras match, before the checkpoint is loaded.
    dataset.open(episodes[0], scene, choice.cameras, choice.joint)
    out = new_folder(Path("out/teacher")) if choice.out is None else choice.out
    _check_folder(out, episodes)
    policy = load_policy(choice.checkpoint, choice.device)
    done = _evaluate(choice, dataset, scene, policy, episodes, out)
    name = policy.info.name
    plain = _plain(name, dataset.name, scene.name, choice.stride, done)
    text = write_summary(out, plain)
    if choice.json:
        tell(text)
    else:
        tell(f"{name} on {dataset.name}, teacher-forced: what it says at a frame against what was done from there on")
        for each in done:
            tell(_words(each))
        tell(f"recordings (whiskers view {done[0].folder}), their tables and summary.json are in {out}")
    complete = len(done) == len(episodes) and all(each.report.complete for each in done)
    return _DONE if complete else _INTERRUPTED


def _check(choice: Run) -> None:
    wrong = given(choice, (name for name in vars(choice) if name not in _OURS))
    if wrong:
        raise WhiskersError(f"{', '.join(wrong)} is about episodes that are run; --on-dataset runs none.")
    if choice.stride < 1:
        raise WhiskersError(f"--stride must be at least 1, found {choice.stride}.")
    if len(set(choice.episode_indices)) < len(choice.episode_indices):
        raise WhiskersError("--episode-indices names an episode twice.")


def _check_folder(out: Path, episodes: Sequence[int]) -> None:
    """
    Raises:
        WhiskersError: If results could not be written there: better said before the hours than after.
    """
    for episode in episodes:
        if is_recording(_folder(out, episode)):
            raise WhiskersError(f"Folder {_folder(out, episode)} holds a recording already; choose another --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WhiskersError(f"Folder {out} cannot be made ({error.strerror or error}).") from None


def _folder(out: Path, episode: int) -> Path:
    return out / f"episode-{episode}"


def _evaluate(
    choice: Run, dataset: Dataset, scene: Scene, policy: Policy, episodes: Sequence[int], out: Path
) -> list[_Evaluated]:
    """Each is written as soon as it is done. Ctrl-C leaves what was done, up to the frame."""
    lengths = {each.index: each.length for each in dataset.episodes}
    calls = {episode: len(range(0, lengths.get(episode, 0), choice.stride)) for episode in episodes}
    total = sum(calls.values())
    done: list[_Evaluated] = []
    before = 0
    with progress_bar("frame") as report, stop_on_interrupt() as stop:

        def advance(frames: int, _of: int) -> None:
            report(before + frames, total)

        for episode in episodes:
            if done and stop():
                break
            demonstration = dataset.open(episode, scene, choice.cameras, choice.joint)
            for note in demonstration.notes if not done else ():
                say(note)
            found = evaluate(policy, demonstration, choice.stride, advance, stop)
            before += calls[episode]
            folder = _folder(out, episode)
            trace = found.trace
            save(folder, scene, [LaneSnippet(Snippet(trace, len(trace)))], [trace.policy] if trace.policy else [])
            write_tables(folder, found)
            write_curves(folder / "curves.png", found)
            done.append(_Evaluated(episode, found, folder))
    frames = sum(len(each.report.frames) for each in done)
    if frames < total:
        say(f"Interrupted after {frames} of {total} frames.")
    return done


def _plain(policy: str, dataset: str, scene: str, stride: int, done: Sequence[_Evaluated]) -> Mapping[str, object]:
    """The JSON object of `whiskers run --on-dataset --json`."""
    tables = [figures(each.report) for each in done]
    names = [name for name in tables[0] if name not in _OF_THE_RUN]
    return {
        "policy": policy,
        "dataset": dataset,
        "scene": scene,
        "stride": stride,
        "episodes": [
            {
                "episode": each.episode,
                "complete": each.report.complete,
                **{name: _number(value) for name, value in table.items()},
                "worst": [
                    {
                        "frame": worst.frame,
                        named("l1", each.report.unit): worst.error,
                        "joint": worst.joint,
                        named("joint_l1", each.report.unit): worst.joint_error,
                    }
                    for worst in each.report.worst
                ],
                "recording": str(each.folder),
            }
            for each, table in zip(done, tables, strict=True)
        ],
        "mean": {name: _number(float(np.mean([table[name] for table in tables]))) for name in names},
    }


def _number(value: float) -> float | None:
    """JSON knows neither infinity nor what is not a number."""
    return value if math.isfinite(value) else None


def _words(each: _Evaluated) -> str:
    """An episode's figures for a person."""
    report = each.report
    smooth, recorded = report.smoothness, report.recorded_smoothness
    unit = {"deg": "°", "": ""}.get(report.unit, f" {report.unit}")
    joints = ", ".join(
        f"{name} {value:.2f}" + (f" {own or 'of its own unit'}" if own != report.unit else "")
        for name, value, own in zip(report.joint_names, report.l1_joints, report.units, strict=True)
    )
    worst = ", ".join(
        f"{one.frame} ({with_unit(one.error, report.unit)}, {one.joint} {with_unit(one.joint_error, report.unit)})"
        for one in report.worst[:5]
    )
    acceleration = f"{report.unit}²/step⁴" if report.unit else "1/step⁴"
    first = float(report.first_row[:, report.leading].mean())
    model = "" if math.isnan(report.l1_model) else f", {report.l1_model:.4f} in the model's units"
    return "\n".join(
        (
            f"episode {each.episode}, {len(report.frames)} frames",
            f"  L1             {report.l1:.2f}{unit}{model}; first row of each chunk {first:.2f}{unit}",
            f"  by joint       {joints}",
            f"  coverage       {report.coverage:.0%} of the path within {report.near:g} mm",
            f"  U_a            {smooth.uniformity:.3g} {acceleration}, recorded {recorded.uniformity:.3g}",
            f"  seam spikes    {smooth.spike_ratio:.2f} times the other steps",
            f"  jerk           {smooth.jerk:.3g} mm/step³, recorded {recorded.jerk:.3g}",
            f"  worst frames   {worst}",
        )
    )
