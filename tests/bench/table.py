"""All benchmarks, run and printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from tests.bench.engine_step import measure_overhead, measure_with_policy
from tests.bench.evaluating import measure_evaluating
from tests.bench.export import measure_export_bare, measure_export_default_look, measure_export_same_look
from tests.bench.lanes import measure_lanes
from tests.bench.loading import measure_loading
from tests.bench.memory import measure_memory
from tests.bench.rows import Row
from tests.bench.scrub import long_trace, measure_overlay, measure_scrub
from tests.bench.whiskers import measure_ensemble, measure_kinematic, measure_physics, measure_samples
from tests.bench.window import measure_frames, measure_running_frames, measure_visible
from viewer_app.scene import Scene
from viewer_app.types import Policy, WhiskersError

_WINDOWS = ("frames", "running")
"""Rows that open a window in their own process."""


def rows(only: Sequence[str], policy: str) -> Iterator[Row]:
    """The rows whose names are asked for, measured one after another.

    Args:
        only: Names; empty is all.
        policy: Checkpoint of the rows that need one.
    """
    scene = Scene.load("so101")
    measures: dict[str, Callable[[], Row]] = {
        "engine": lambda: measure_with_policy(scene, _load(policy)),
        "overhead": lambda: measure_overhead(scene),
        "scrub": lambda: measure_scrub(scene, long_trace(scene)),
        "overlay": lambda: measure_overlay(scene, long_trace(scene)),
        "kinematic": lambda: measure_kinematic(scene),
        "physics": lambda: measure_physics(scene),
        "samples": lambda: measure_samples(scene),
        "ensemble": lambda: measure_ensemble(scene),
        "denoising": lambda: _denoising(scene),
        "noise": lambda: _noise(scene),
        "lanes": lambda: measure_lanes(scene, policy),
        "memory": lambda: measure_memory(scene),
        "export": lambda: measure_export_bare(scene),
        "export-same": lambda: measure_export_same_look(scene),
        "export-default": lambda: measure_export_default_look(scene),
        "evaluating": measure_evaluating,
        "loading": lambda: measure_loading(scene, policy),
        "visible": lambda: measure_visible(policy),
        "frames": measure_frames,
        "running": lambda: measure_running_frames(policy),
    }
    unknown = set(only) - measures.keys()
    if unknown:
        raise WhiskersError(f"No benchmark {', '.join(sorted(unknown))}; there are {', '.join(measures)}.")
    if not os.environ.get("DISPLAY") and sys.platform.startswith("linux"):
        print("no display: the rows about the window are left out (make bench brings one)", file=sys.stderr)
        measures = {
            name: measure for name, measure in measures.items() if name not in ("loading", "visible", *_WINDOWS)
        }
    for name, measure in measures.items():
        if not only or name in only:
            # Dear PyGui opens one window a process.
            yield measure() if name not in _WINDOWS or only == (name,) else _in_own_process(name, policy)


def _denoising(scene: Scene) -> Row:
    # Imported here because it imports torch, which the window must not have to wait for.
    from tests.bench.denoising import measure_denoising

    return measure_denoising(scene)


def _noise(scene: Scene) -> Row:
    from tests.bench.denoising import measure_noise_samples

    return measure_noise_samples(scene)


def _in_own_process(name: str, policy: str) -> Row:
    command = [sys.executable, "-m", "viewer_app", "bench", "--only", name, "--policy", policy, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise WhiskersError(f"Benchmark {name} failed: {done.stderr.strip()[-300:]}")
    row = json.loads(done.stdout)["rows"][0]
    del row["met"]
    return Row(**row)


def _load(source: str) -> Policy:
    from policies.load import load

    return load(source)


def print_table(only: Sequence[str], policy: str, as_json: bool) -> bool:
    """Measure and print. Returns whether every goal was met."""
    measured = []
    for row in rows(only, policy):
        measured.append(row)
        print(f"{row.name}: {row.value:.3g} {row.unit}", file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps({"rows": [row.to_plain() for row in measured]}, indent=1))
    else:
        _print_for_people(measured)
    return all(row.met is not False for row in measured)


def _print_for_people(measured: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Whiskers on this machine ({os.cpu_count()} cores)", show_lines=False)
    for heading, justify in (
        ("what", "left"),
        ("value", "right"),
        ("goal", "right"),
        ("met", "left"),
        ("against", "left"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    words = {True: "yes", False: "[red]no[/red]", None: ""}
    for row in measured:
        goal = "" if row.goal is None else f"≤ {row.goal:g} {row.unit}"
        table.add_row(row.name, f"{row.value:.3g} {row.unit}", goal, words[row.met], row.against)
    # A pipe has no width of its own; a table squeezed into 80 columns is hard to read.
    Console(width=None if sys.stdout.isatty() else 160).print(table)
