"""How a training went, as the log of `caffe train` tells it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from google.protobuf import text_format

from ftjob.caffelog.fatal import LINE
from ftjob.net.proto.caffe_pb2 import NetParameter, SolverParameter

SATURATED_LOSS = 87.3365
"""-ln(FLT_MIN): what SoftmaxWithLoss shows, and cannot exceed, when the right class has probability zero for
every image of a batch (softmax_loss_layer.cpp)."""

_M = TypeVar("_M", NetParameter, SolverParameter)
_ITERATION = re.compile(r"Iteration (\d+)(?: \([^)]*\))?, loss = ")
_TESTING = re.compile(r"Iteration (\d+), Testing net")
_OUTPUT = re.compile(r"    (Train|Test) net output #\d+: (\S+) = (\S+)")


@dataclass(frozen=True)
class Point:
    """What a net put out at one iteration."""

    iteration: int
    outputs: Mapping[str, float]
    """By the name of the blob, unweighted."""


@dataclass(frozen=True)
class Progress:
    """What a log tells besides its last words. Nothing that it does not say is made up."""

    train: tuple[Point, ...] = ()
    test: tuple[Point, ...] = ()
    solver: SolverParameter = field(default_factory=SolverParameter)
    """As Caffe printed it; empty where it did not."""
    net: NetParameter = field(default_factory=NetParameter)
    """The TRAIN net, as Caffe printed it, for any phase; empty where it did not."""
    resumed_from: str = ""
    """What -snapshot named."""
    done: bool = False
    """Whether it went to its end."""


def read_progress(log: str) -> Progress:
    """Read the log of a `caffe train`; of another program what is alike in it."""
    resumed = re.search(r"\] Resuming from (\S+)", log)
    solvers, nets = _printed(log, "Initializing solver from"), _printed(log, "Initializing net from")
    return Progress(
        train=tuple(_points(log, "Train")),
        test=tuple(_points(log, "Test")),
        solver=_parsed(solvers[0] if solvers else "", SolverParameter()),
        net=_without_rules(_parsed(nets[0] if nets else "", NetParameter())),
        resumed_from=resumed[1] if resumed else "",
        done="Optimization Done." in log,
    )


def _points(log: str, which: str) -> Iterator[Point]:
    begins = _ITERATION if which == "Train" else _TESTING
    iteration: int | None = None
    outputs: dict[str, float] = {}
    for line in log.splitlines():
        said = match["text"] if (match := LINE.match(line)) else ""
        if found := begins.match(said):
            if iteration is not None and outputs:
                yield Point(iteration, outputs)
            iteration, outputs = int(found[1]), {}
        elif (output := _OUTPUT.match(said)) and output[1] == which:
            outputs[output[2]] = float(output[3])
    if iteration is not None and outputs:
        yield Point(iteration, outputs)


def _printed(log: str, words: str) -> list[str]:
    """The messages that Caffe prints as text after some words."""
    found: list[list[str]] = []
    inside = False
    for line in log.splitlines():
        match = LINE.match(line)
        if match:
            inside = match["text"].startswith(words)
            if inside:
                found.append([])
        elif inside:
            found[-1].append(line)
    return ["\n".join(lines) for lines in found]


def _parsed(text: str, message: _M) -> _M:
    """Fill a message from what was printed; a text that was cut short leaves it empty."""
    try:
        text_format.Parse(text, message, allow_unknown_field=True)
    except text_format.ParseError:
        message.Clear()
    return message


def _without_rules(net: NetParameter) -> NetParameter:
    """What was printed is filtered already, and is read as a net of its own."""
    for layer in net.layer:
        layer.ClearField("include")
        layer.ClearField("exclude")
    return net
