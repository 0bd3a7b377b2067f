"""What it costs to run two policies side by side."""

from __future__ import annotations

from collections.abc import Sequence

from policies.load import load
from tests.bench.rows import Row, compare
from viewer_app.commands import SetStops
from viewer_app.engine import Engine
from viewer_app.headless import open_lanes, run_lanes
from viewer_app.scene import Scene
from viewer_app.types import Policy

FLOW = "demo:pi0"
"""A checkpoint that denoises."""
STEPS = 100
PAIRS = 7


def measure_lanes(scene: Scene, source: str) -> Row:
    """An episode of two lanes in lockstep, against the same two episodes one after the other."""
    policies = (load(source), load(FLOW))
    together = _open(scene, *policies)
    single = [_open(scene, policy) for policy in policies]
    try:
        compared = compare(lambda pair: _run((together,), pair), lambda pair: _run(single, pair), PAIRS)
    finally:
        for engine in (together, *single):
            engine.close()
    names = " and ".join(policy.info.name for policy in policies)
    return Row(
        f"two lanes of {STEPS} steps compared, headless",
        compared.ratio,
        "x",
        f"{names} run singly, one after the other: {1e3 * compared.bare:.0f} ms",
        1.1,
    )


def _open(scene: Scene, *policies: Policy) -> Engine:
    engine = open_lanes(scene, policies, seed=0)
    engine.send(SetStops(on_outcome=False, max_steps=STEPS))
    return engine


def _run(engines: Sequence[Engine], pair: int) -> None:
    for engine in engines:
        run_lanes(engine, 1000 + pair)
        for lane in engine.lanes:
            lane.earlier = ()
