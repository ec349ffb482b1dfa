"""A solverstate's path to its caffemodel, and which fields a snapshot's files have, without protobuf.

A protobuf message is a row of fields (key, then value), and of a field that stands there twice the last
counts: so a path is changed by appending one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Iterator, List, Tuple

LEARNED_NET = 2
"""SolverState.learned_net in caffe.proto: the path that Solver::Restore loads the weights from."""
HISTORY = 3
"""SolverState.history: one for each param, two with AdaDelta and Adam."""
LAYER = 100
"""NetParameter.layer."""

PARTIAL = ".partial"
"""What a snapshot's files are called until they are whole: ".partial_iter_<N>.caffemodel"."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def partial_name(iteration: int, kind: str) -> str:
    """Return the temporary name of a snapshot's caffemodel or solverstate."""
    return "%s_iter_%d.%s" % (PARTIAL, iteration, kind)


def answer_name(iteration: int) -> str:
    """Return the name of the file in which a writer says how it ended."""
    return partial_name(iteration, "json")


def learned_net(solverstate: Path) -> str:
    """Return the caffemodel's path as the solverstate has it, or "" where it has none."""
    path = ""
    with solverstate.open("rb") as stream:
        for field, length in top_fields(stream):
            if field == LEARNED_NET:
                path = stream.read(length).decode()
    return path


def set_learned_net(solverstate: Path, caffemodel: Path) -> None:
    """Make the solverstate name this caffemodel."""
    text = str(caffemodel).encode()
    with solverstate.open("ab") as stream:
        stream.write(bytes([LEARNED_NET << 3 | BYTES]) + varint(len(text)) + text)


def field_numbers(path: Path) -> List[int]:
    """Return the numbers of the fields in a file, in order. Raises ValueError where it was cut off."""
    with path.open("rb") as stream:
        return [field for field, _ in top_fields(stream)]


def top_fields(stream: BinaryIO) -> Iterator[Tuple[int, int]]:
    """Yield (field number, length) with the stream at each field's value, reading keys and lengths only.

    Raises ValueError where the file ends inside a field or is no protobuf.
    """
    size = os.fstat(stream.fileno()).st_size
    at = 0
    while at < size:
        stream.seek(at)
        key = _read_varint(stream)
        length = _length(stream, key & 7)
        at = stream.tell() + length
        if at > size:
            raise ValueError("the file ends inside a field")
        yield key >> 3, length


def _length(stream: BinaryIO, kind: int) -> int:
    if kind == BYTES:
        return _read_varint(stream)
    if kind == VARINT:
        start = stream.tell()
        _read_varint(stream)
        end = stream.tell()
        stream.seek(start)
        return end - start
    if kind in (FIXED64, FIXED32):
        return 8 if kind == FIXED64 else 4
    raise ValueError("not a protobuf file")


def _read_varint(stream: BinaryIO) -> int:
    value = shift = 0
    while True:
        byte = stream.read(1)
        if not byte or shift > 63:
            raise ValueError("the file ends inside a number")
        value |= (byte[0] & 127) << shift
        shift += 7
        if byte[0] < 128:
            return value


def varint(value: int) -> bytes:
    """Return a number of 0 or more as protobuf writes it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
