"""An append-only file of framed blocks: whatever was written whole can be read, wherever writing stopped.

A frame is the magic bytes, the lengths of header and payload, the CRC-32 of both, the header as JSON and the payload
as raw array bytes, all little-endian. Nothing here knows what the blocks are about.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

MAGIC = b"WSKR"
_FRAME = struct.Struct("<4sIQI")
"""Magic, header length [bytes], payload length [bytes], CRC-32 of header and payload."""

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""What JSON can say."""


@dataclass(frozen=True)
class Block:
    """One frame's content."""

    header: dict[str, Plain]
    arrays: Mapping[str, NDArray[np.generic]]
    """By name, in the order of writing. Read-only."""


def pack(header: Mapping[str, Plain], arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """One frame.

    Args:
        header: Anything but the key `arrays`, which describes the payload.
        arrays: Numbers or truth values of any shape.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    described: list[Plain] = [
        [name, array.dtype.newbyteorder("<").str, list(array.shape)] for name, array in contiguous.items()
    ]
    head = json.dumps({**header, "arrays": described}, separators=(",", ":")).encode()
    payload = b"".join(
        array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes() for array in contiguous.values()
    )
    checksum = zlib.crc32(payload, zlib.crc32(head))
    return _FRAME.pack(MAGIC, len(head), len(payload), checksum) + head + payload


class BlockWriter:
    """Appends frames to a file. A frame is either in the file whole or, after an error, not at all."""

    def __init__(self, path: Path) -> None:
        """
        Args:
            path: Must not exist yet.

        Raises:
            OSError: If the file cannot be made.
        """
        self.path = path
        # Unbuffered: what `write` returned from survives the end of this process.
        self._file: FileIO = open(path, "xb", buffering=0)  # noqa: SIM115 (closed by close)
        self._whole = 0

    def write(self, frame: bytes) -> None:
        """Append one frame.

        Raises:
            OSError: If the system refuses, for example because the disk is full; the file is then as it was before.
        """
        rest = memoryview(frame)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            # A reader would stop at the torn frame, and the space is wanted by others.
            self._file.truncate(self._whole)
            self._file.seek(self._whole)
            raise
        self._whole += len(frame)

    def sync(self) -> None:
        """Have the system put everything on the disk, so that it survives a power cut."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Torn:
    """Where reading stopped short of the file's end, and why."""

    offset: int
    """Bytes that were read whole."""
    reason: str


def read_blocks(data: bytes) -> Iterator[Block | Torn]:
    """The blocks of a file's bytes in order, and at most one `Torn`, last."""
    offset = 0
    while offset < len(data):
        if offset + _FRAME.size > len(data):
            yield Torn(offset, "the file ends inside a block")
            return
        magic, head_length, payload_length, checksum = _FRAME.unpack_from(data, offset)
        begin = offset + _FRAME.size
        end = begin + head_length + payload_length
        if magic != MAGIC:
            yield Torn(offset, "a block does not begin as one should")
            return
        if end > len(data):
            yield Torn(offset, "the file ends inside a block")
            return
        if zlib.crc32(data[begin:end]) != checksum:
            yield Torn(offset, "a block's checksum does not match")
            return
        try:
            yield _block(data[begin : begin + head_length], data[begin + head_length : end])
        except (ValueError, TypeError, LookupError, RecursionError):
            yield Torn(offset, "a block's description does not fit its content")
            return
        offset = end


def _block(head: bytes, payload: bytes) -> Block:
    header = json.loads(head)
    if not isinstance(header, dict):
        raise ValueError("the header is not a table")
    arrays: dict[str, NDArray[np.generic]] = {}
    at = 0
    for name, code, shape in header.pop("arrays"):
        if not isinstance(name, str) or not re.fullmatch(r"[<|][fiub][1248]", code):
            raise ValueError("an array is neither of numbers nor of truth values")
        kind = np.dtype(code)
        count = math.prod(shape)
        if not all(isinstance(length, int) and length >= 0 for length in shape):
            raise ValueError("an array has a length that there is not")
        arrays[name] = np.frombuffer(payload, kind, count, at).reshape(shape)
        at += count * kind.itemsize
    if at != len(payload):
        raise ValueError("the payload is longer than its arrays")
    return Block(header, MappingProxyType(arrays))
