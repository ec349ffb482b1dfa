"""How a training went, read from the log of `caffe train`."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from google.protobuf import text_format

from ftjob.caffelog.lines import LogLine
from ftjob.caffelog.log import is_making_a_net
from ftjob.errors import BadNetError
from ftjob.net.legacy.upgrade import upgrade_net
from ftjob.net.proto.caffe_pb2 import NetParameter, SolverParameter

SATURATED_LOSS = 87.3365
"""-ln(FLT_MIN): what SoftmaxWithLoss shows, and cannot exceed, when the right class has probability zero for
every image of a batch (softmax_loss_layer.cpp)."""
LONGEST_PRINT = 60_000
"""Lines of a printed net that are read; the longest of published classifiers have a third of them."""

_M = TypeVar("_M", NetParameter, SolverParameter)
_ITERATION = re.compile(r"Iteration (\d{1,12})\b[^=]{0,200}\bloss = (\S+)", re.A)
_TESTING = re.compile(r"Iteration (\d{1,12}), Testing net", re.A)
_OUTPUT = re.compile(r"(Train|Test) net output #\d+: (\S+) = (\S+)", re.A)
_BATCH = re.compile(r"Batch (\d{1,12}), (\S+) = (\S+)", re.A)
_SCORE = re.compile(r"Test score #(\d{1,6}): (\S+)", re.A)
_PRODUCES = re.compile(r"This network produces output (\S+)")
_CLOSING = re.compile(
    r"Optimization Done|(?:\[[^]]{1,20}\] ?)?Optimization stopped early|"
    r"\*\*\* Benchmark ends|Loss: |Processed \d+ files|Successfully extracted",
    re.A,
)
_TRAINS = re.compile(
    r"Initializing solver|Creating training net|Solver scaffolding|Starting Optimization|Iteration \d", re.A
)
_PROTOTXT = re.compile(r"\s*(?:\w+ *\{|\w+ *: *\S.*|\})\s*$", re.A)
_NUMBER = re.compile(r"[+-]?(?:1\.#(?P<windows>\w+)|nan|inf|\d+(?:\.\d*)?(?:e[+-]?\d+)?)", re.A | re.I)


@dataclass(frozen=True)
class Point:
    """A net's outputs at one iteration."""

    iteration: int
    outputs: Mapping[str, float]
    """By the name of the blob, unweighted; what Caffe of 2014 does not name is "score #0" and so on."""
    loss: float | None = None
    """The sum of its losses, over the last average_loss iterations; None where that is not known."""


@dataclass(frozen=True)
class LoggedProgress:
    """What a log shows besides its last words; nothing is guessed that it does not show."""

    train: tuple[Point, ...] = ()
    test: tuple[Point, ...] = ()
    batches: tuple[Point, ...] = ()
    """Of a `caffe test`, by the batch's number."""
    solver: SolverParameter = field(default_factory=SolverParameter)
    """As Caffe printed it; empty where it did not."""
    net: NetParameter = field(default_factory=NetParameter)
    """The TRAIN net, as Caffe printed it, for any phase, in today's form; empty where it did not."""
    resumed_from: str = ""
    """What -snapshot named."""
    pretrained: bool = True
    """False where the log has the beginning of the training, and no weights were loaded."""
    trains: bool = False
    """Whether it is a training's log, or ends too early to rule that out."""
    stepped: bool = False
    """Whether a program stepped the solver: that leaves no closing line."""
    closing: str = ""
    """Caffe's closing line; "" where the training did not reach its end."""
    stopped: bool = False
    """Whether a signal that Caffe handles stopped it early."""


def read_progress(lines: Sequence[LogLine]) -> LoggedProgress:
    """Return a training's progress, or as much of it as another program's log has."""
    messages = [line.text for line in lines if line.level]
    begun = any(text.startswith("Solver scaffolding done") for text in messages)
    solved = any(text.startswith(("Solving", "Learning Rate Policy", "Starting Optim")) for text in messages)
    closings = [text for text in messages if _CLOSING.match(text)]
    resumed = next((text.split()[2] for text in messages if re.match(r"Resuming from \S", text)), "")
    loaded = ("Finetuning from", "Resuming from", "Restoring previous", "Copying source", "Ignoring source")
    return LoggedProgress(
        train=tuple(_train_points(messages)),
        test=tuple(_test_points(messages)),
        batches=tuple(_batch_points(messages)),
        solver=_parsed(_printed(lines, "Initializing solver from"), SolverParameter()),
        net=_as_one_net(_parsed(_printed(lines, "Initializing net from"), NetParameter())),
        resumed_from=resumed,
        pretrained=not begun or any(text.startswith(loaded) for text in messages),
        trains=any(map(_TRAINS.match, messages)) or is_making_a_net(lines),
        stepped=begun and not solved,
        closing=closings[-1] if closings else "",
        stopped=any("stopped early" in text for text in closings),
    )


def _train_points(messages: Sequence[str]) -> Iterator[Point]:
    iteration: int | None = None
    loss: float | None = None
    outputs: dict[str, float] = {}
    for text in messages:
        if found := _ITERATION.match(text):
            if iteration is not None:
                yield Point(iteration, outputs, loss)
            iteration, loss, outputs = int(found[1]), number(found[2]), {}
        elif (output := _OUTPUT.match(text)) and output[1] == "Train":
            _add(outputs, output[2], output[3])
    if iteration is not None:
        yield Point(iteration, outputs, loss)


def _test_points(messages: Sequence[str]) -> Iterator[Point]:
    """The outputs of every test; the names of those that are numbered only are the TEST net's, in order."""
    iteration: int | None = None
    outputs: dict[str, float] = {}
    names: list[str] = []
    for text in messages:
        if found := _TESTING.match(text):
            if outputs and iteration is not None:
                yield Point(iteration, outputs)
            iteration, outputs = int(found[1]), {}
        elif (output := _OUTPUT.match(text)) and output[1] == "Test":
            _add(outputs, output[2], output[3])
        elif score := _SCORE.match(text):
            at = int(score[1])
            _add(outputs, names[at] if at < len(names) else f"score #{at}", score[2])
        elif text.startswith("Initializing net from"):
            names = []
        elif made := _PRODUCES.match(text):
            names.append(made[1])
    if outputs and iteration is not None:
        yield Point(iteration, outputs)


def _batch_points(messages: Sequence[str]) -> Iterator[Point]:
    """The outputs of every batch of a `caffe test`, a point each."""
    for text in messages:
        if found := _BATCH.match(text):
            outputs: dict[str, float] = {}
            _add(outputs, found[2], found[3])
            yield Point(int(found[1]), outputs)


def _add(outputs: dict[str, float], blob: str, value: str) -> None:
    if (read := number(value)) is not None:
        outputs[blob] = read


def number(text: str) -> float | None:
    """Return a number as C++ prints it, with the spellings of NaN and infinity that Windows has had.

    Those are 1.#QNAN, 1.#SNAN, -1.#IND and 1.#INF, and nan(ind) and nan(snan) from 2015 on. None for what is
    no number.
    """
    match = _NUMBER.match(text)
    if not match:
        return None
    if match["windows"]:
        return math.copysign(math.inf if match["windows"] == "INF" else math.nan, -1 if text[0] == "-" else 1)
    return float(match[0])


def _printed(lines: Sequence[LogLine], words: str) -> str:
    """The protobuf text that Caffe prints after the first line with these words."""
    start = next((at for at, line in enumerate(lines, 1) if line.level and line.text.startswith(words)), None)
    if start is None:
        return ""
    found = []
    for line in lines[start : start + LONGEST_PRINT]:
        if line.level or not _PROTOTXT.match(line.text):
            break
        found.append(line.text)
    return "\n".join(found)


def _parsed(text: str, message: _M) -> _M:
    """Fill a message from what was printed; a text that was cut short leaves it empty."""
    try:
        text_format.Parse(text, message, allow_unknown_field=True)
    except (text_format.ParseError, ValueError):
        message.Clear()
    return message


def _as_one_net(net: NetParameter) -> NetParameter:
    """What was printed, as a net of its own: it is filtered already, and may be of an old form."""
    try:
        upgrade_net(net)
    except BadNetError:
        return NetParameter()
    for layer in net.layer:
        layer.ClearField("include")
        layer.ClearField("exclude")
    return net
