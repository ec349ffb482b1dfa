"""A solverstate's path to its caffemodel, and which fields a snapshot's files have, without protobuf.

A protobuf message is a sequence of fields (key, then value), and of a field that occurs twice the last
counts: appending one replaces a path.
"""

from __future__ import annotations

import mmap
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List

from ftjob import protowire

LEARNED_NET = 2
"""SolverState.learned_net in caffe.proto: the path that Solver::Restore loads the weights from."""
HISTORY = 3
"""SolverState.history: states_of(type) for each param."""
LAYER = 100
"""NetParameter.layer."""

PARTIAL = ".partial"
"""What a snapshot's files are called until they are whole: ".partial_iter_<N>.caffemodel"."""


def states_of(solver_type: str) -> int:
    """Return how many blobs a solver of that type keeps for each param (solvers/*.cpp)."""
    return 2 if solver_type in ("AdaDelta", "Adam") else 1


def partial_name(iteration: int, kind: str) -> str:
    """Return the temporary name of a snapshot's caffemodel or solverstate."""
    return "%s_iter_%d.%s" % (PARTIAL, iteration, kind)


def answer_name(iteration: int) -> str:
    """Return the name of the file in which a writer reports how it ended."""
    return partial_name(iteration, "json")


def learned_net(solverstate: Path) -> str:
    """Return the caffemodel's path as the solverstate has it, or "" where it has none."""
    path = b""
    with _mapped(solverstate) as buffer:
        for field in protowire.fields(buffer, 0, len(buffer)):
            if field.number == LEARNED_NET:
                path = bytes(buffer[field.start : field.end])
    return path.decode()


def set_learned_net(solverstate: Path, caffemodel: Path) -> None:
    """Make the solverstate name this caffemodel."""
    with solverstate.open("ab") as stream:
        stream.writelines(protowire.bytes_field(LEARNED_NET, [str(caffemodel).encode()]))


def field_numbers(path: Path) -> List[int]:
    """Return the numbers of the fields in a file, in order, reading little else.

    Raises ValueError where the file ends inside a field or is no protobuf.
    """
    with _mapped(path) as buffer:
        return [field.number for field in protowire.fields(buffer, 0, len(buffer))]


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    """Yield a file's bytes, mapped, so that only those used are read; an empty file cannot be mapped."""
    with path.open("rb") as stream:
        if not os.fstat(stream.fileno()).st_size:
            yield memoryview(b"")
            return
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as buffer:
            yield buffer
