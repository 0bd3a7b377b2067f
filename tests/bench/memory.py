"""What a recorded step takes in memory."""

from __future__ import annotations

import gc
import tracemalloc

from tests.bench.rows import Row
from tests.bench.scrub import STEPS, long_trace
from viewer_app.scene import Scene


def measure_memory(scene: Scene) -> Row:
    """Bytes that Python and numpy hold for a trace of 5,000 steps, room for growth included, pictures not."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    trace = long_trace(scene)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return Row(
        "memory a step, without pictures",
        held / STEPS / 1000,
        "kB",
        f"a chunk of 40 every 20 steps; the numbers themselves are {trace.nbytes / STEPS / 1000:.2f} kB",
        2.0,
    )
