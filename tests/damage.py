"""Seeded damage: to the bytes of files, and to what blocks say where their checksums vouch for it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np

from recordings.blocks import Block, Plain, pack, read_blocks

VALUES: tuple[Plain, ...] = (
    None,
    True,
    -1,
    3,
    10**30,
    1e300,
    float("nan"),
    "",
    "x\0y",
    "../..",
    [],
    [[]],
    {},
    {"a": 1},
)
"""What a person's edit, or another program, may put in place of a value."""


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The same bytes cut off somewhere, or with some of them changed."""
    if rng.random() < 0.4:
        return content[: rng.integers(len(content))]
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        # Half of the time near the beginning, where there is more to be misunderstood.
        reach = len(changed) if rng.random() < 0.5 else min(len(changed), 400)
        changed[rng.integers(reach)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def edit_value(value: Plain, rng: np.random.Generator) -> Plain:
    """The same plain value with one value in it replaced or removed, however deep."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = sorted(value)[rng.integers(len(value))]
        rest = {name: each for name, each in value.items() if name != key}
        return rest if rng.random() < 0.1 else {**value, key: edit_value(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = int(rng.integers(len(value)))
        return [*value[:at], *([] if rng.random() < 0.1 else [edit_value(value[at], rng)]), *value[at + 1 :]]
    return VALUES[rng.integers(len(VALUES))]


def edit_blocks(path: Path, rng: np.random.Generator) -> None:
    """Edit one block of a trace file: something that it says, or one of its arrays. Its checksum is made to fit."""
    blocks = [each for each in read_blocks(path.read_bytes()) if isinstance(each, Block)]
    at = int(rng.integers(len(blocks)))
    header, arrays = dict(blocks[at].header), dict(blocks[at].arrays)
    if arrays and rng.random() < 0.3:
        name = sorted(arrays)[rng.integers(len(arrays))]
        array = arrays[name]
        kinds = (
            array[:-1],
            array[..., :-1],
            array[..., None],
            array.astype(np.float64) * 1e6,
            array.T,
            np.full_like(array, 77),
        )
        arrays[name] = kinds[rng.integers(len(kinds))]
        if rng.random() < 0.2:
            del arrays[name]
    else:
        edited = edit_value(dict(header), rng)
        header = edited if isinstance(edited, dict) else {}
    frames = [pack(block.header, block.arrays) for block in blocks]
    path.write_bytes(b"".join((*frames[:at], pack(header, arrays), *frames[at + 1 :])))


def edit_json(path: Path, rng: np.random.Generator) -> None:
    """Edit one value of a JSON file."""
    path.write_text(json.dumps(edit_value(json.loads(path.read_text()), rng)))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail if what is inside takes longer."""

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"it takes longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
