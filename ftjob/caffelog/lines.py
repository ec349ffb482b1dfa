"""The lines of a log, whichever program wrote or carried it: bytes in, Caffe's messages out.

Caffe's own stamp is glog's, `I1121 22:57:00.828 15820 net.cpp:759] ...`, with a year from glog 0.5 on.
miniglog writes another, and DIGITS shows messages without any. Whatever carried the log may have put its own
prefix before the stamp: Docker, Kubernetes, Slurm, MPI, a terminal, a notebook.
"""

import codecs
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

LONGEST = 8192
"""Characters of a line that are read: a message has fewer, and a file without line breaks costs no more."""
LONGEST_PREFIX = 200

_STEMS = (
    "_caffe benchmark blob blocking_queue caffe common compute_image_mean convert_imageset cudnn "
    "data_reader data_transformer db db_leveldb db_lmdb device_alternate extract_features finetune_net "
    "gpu_memory hdf5 im2col insert_splits internal_thread io layer layer_factory math_functions net parallel "
    "signal_handler solver solver_factory syncedmem test_net train_net upgrade_proto"
)
CAFFE_FILE = re.compile(
    rf"(?:.*[/\\])?(?:{'|'.join(_STEMS.split())}|\w+_(?:layer|solver))\.(?:cpp|cu|hpp):\d+", re.A
)
"""A source file of Caffe's and a line of it."""

FATAL = (
    r"Check failed: ",
    r"Cannot (?:copy|share) param ",
    r"Cannot use GPU in CPU-only Caffe",
    r"Cuda kernel failed\. ",
    r"Duplicate blobs produced by multiple sources",
    r"Incompatible number of blobs for layer ",
    r"Top blob '[^']*' produced by multiple sources",
    r"Unknown (?:V1LayerParameter )?layer type: ",
    r"Unknown bottom blob ",
    r"Unknown database backend",
    r"Unknown learning rate policy: ",
    r"Unknown solver type: ",
)
_CERTAIN = (
    *FATAL,
    r"Initializing (?:solver|net) from parameters",
    r"Creating (?:[Ll]ayer \S|training net\b|test net\b)",
    r"Network initialization done",
    r"Solver scaffolding done",
    r"Learning Rate Policy: ",
    r"Memory required for [Dd]ata",
    r"This network produces output ",
    r"\S{1,80} (?:needs|does not need) backward computation",
    r"(?:Copying|Ignoring) source layer ",
    r"Opened l(?:mdb|eveldb) ",
    r"Restarting data prefetching from start",
    r"Restoring previous solver status from ",
    r"Snapshotting (?:solver state )?to ",
    r"Iteration \d+, (?:lr = |Testing net)",
    r"Iteration \d+ \([^)]{1,80}s(?:/\d+ iters?)?\), ",
    r"(?:Train|Test) net output #\d+: ",
    r"Test score #\d+: ",
    r"Optimization (?:Done|stopped early)",
)
_LIKELY = (
    r"Starting Optimization",
    r"Solving\b",
    r"Iteration \d+(?:,| \()",
    r"Test loss: ",
    r"Setting up \S",
    r"Top shape: ",
    r"Finetuning from ",
    r"Resuming from ",
    r"Opening (?:lmdb|leveldb|file) ",
    r"Running for \d+ iterations",
    r"Batch \d+, \S+ = ",
    r"Loss: \S+$",
    r"Use CPU\.",
    r"Us(?:e|ing) GPUs? ",
)
CERTAIN = re.compile("|".join(_CERTAIN), re.A)
"""How messages begin that no other program writes."""
_MESSAGE = re.compile(rf"(?<!\w)(?:{'|'.join((*_CERTAIN, *_LIKELY))})", re.A)
_FATAL = re.compile("|".join(FATAL), re.A)
_TRACE = re.compile(r"\W*Check failure stack trace:")

_PLACE = r"(?<![\w./\\+-])(?P<place>(?:[A-Za-z]:)?[\w./\\+-]{1,200}"
_GLOG = re.compile(
    r"(?:(?P<level>[IWEF])(?:\d{8}|\d{4}) +(?:\d\d:\d\d:\d\d(?:\.\d+)? +)?(?:(?P<thread>\d+) +)?)?"
    rf"{_PLACE}\.(?:cpp|cu|hpp|cuh|cc|c|h):\d+)\](?P<text>.*)",
    re.A,
)
_MINIGLOG = re.compile(
    r"(?:(?P<level>[IWEF])(?:/[\w.-]+| [\w.-]+) *(?:\( *(?P<thread>\d+)\))?: |(?P<time>\[\d\d:\d\d:\d\d\]) )?"
    rf"{_PLACE}\.(?:cpp|cu|hpp):\d+):? (?P<text>.*)",
    re.A,
)
_NAMED_LEVEL = re.compile(
    r"(?:\b\d{9,10} +)?\b(?P<level>INFO|WARNING|ERROR|FATAL): (?P<file>\S{1,200}) : line (?P<line>\d+) :"
    r"(?P<text>.*)",
    re.A,
)

_CONTROL = re.compile("[\x01-\x07\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_COLOUR = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*", re.A)
_SOURCE = re.compile(
    r"\[(\d{1,4})\] |(?:^|\s)(\d{1,4}): |\[\d{1,4},(\d{1,4})\](?:<\w+>)?:|[-_](\d{1,4}) *\| |"
    r"\brank=(\d{1,4})\b|\[pod/[^\]/]*-(\d{1,4})/",
    re.A,
)
_RECORD_KEYS = ("log", "message", "msg", "line", "text", "textPayload")
_OUTPUT_KEYS = ("text", "text/plain", "traceback")


class LogLine(NamedTuple):
    """A line of a log without its stamp and prefix."""

    level: str
    """I, W, E or F, as glog has them; "" for a line that is not Caffe's, or continues a message."""
    text: str
    thread: str = ""
    place: str = ""
    """Caffe's source file and line; "" where the log has none."""
    source: str = ""
    """Which of several processes wrote it, where the log shows that: an MPI rank, a Slurm task."""


def decode(raw: bytes) -> str:
    """Return a log's text, which is in UTF-8, or in UTF-16 as PowerShell writes it.

    Bytes that are neither are replaced, and the zeros that a crash leaves in a file are left out.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace").replace("\0", "")
    head = raw[:4096]
    for codec, odd in (("utf-16-le", 1), ("utf-16-be", 0)):
        if head[odd::2].count(0) > len(head) // 4 and head[1 - odd :: 2].count(0) <= len(head) // 20:
            return raw.decode(codec, "replace").replace("\0", "")
    return raw.decode("utf-8-sig", "replace").replace("\0", "")


def is_text(text: str) -> bool:
    """Return whether decoded bytes are text, and not a caffemodel or a program."""
    sample = text[: 1 << 20]
    return 10 * len(_CONTROL.findall(sample)) <= len(sample)


def read_lines(text: str) -> list[LogLine]:
    """Return the lines of a log, in time linear in its length."""
    lines: list[LogLine] = []
    prefix = ""
    for raw in _unwrapped(text):
        if found := _message(raw):
            prefix = raw[: found.start]
            lines.append(found.line._replace(source=_source(prefix)))
            continue
        rest = _without(prefix, raw)
        if _TRACE.match(rest):
            _mark_fatal(lines)
        lines.append(LogLine("", rest.rstrip(), source=_source(raw[: len(raw) - len(rest)])))
    return lines


class _Found(NamedTuple):
    line: LogLine
    start: int
    """Where its stamp begins, or its text where it has none."""


def _message(raw: str) -> _Found | None:
    """Read a line that begins a message of Caffe's; None for any other."""
    if "]" in raw and (match := _GLOG.search(raw)):
        text = match["text"].strip()
        line = LogLine(match["level"] or _level(text), text, match["thread"] or "", match["place"])
        return _Found(line, match.start())
    if " : line " in raw and (match := _NAMED_LEVEL.search(raw)):
        place = f"{match['file'].rpartition('/')[2]}:{match['line']}"
        return _Found(LogLine(match["level"][0], match["text"].strip(), "", place), match.start())
    if (
        ("pp:" in raw or ".cu:" in raw)
        and (match := _MINIGLOG.search(raw))
        and CAFFE_FILE.fullmatch(match["place"])
    ):
        text = match["text"].strip()
        line = LogLine(match["level"] or _level(text), text, match["thread"] or "", match["place"])
        return _Found(line, match.start("time" if match["time"] else "place"))  # Android tags every line
    if match := _MESSAGE.search(raw):
        text = raw[match.start() :].strip()
        return _Found(LogLine(_level(text), text), match.start())
    return None


def _level(text: str) -> str:
    """The level of a message that has no stamp."""
    return "F" if _FATAL.match(text) else "I"


def _mark_fatal(lines: list[LogLine]) -> None:
    """The message before glog's stack trace is fatal, whether or not its wording is known."""
    if lines and not lines[-1].place and all(line.level != "F" for line in lines[-3:]):
        lines[-1] = lines[-1]._replace(level="F")


def _source(prefix: str) -> str:
    match = _SOURCE.search(prefix) if prefix else None
    return next(filter(None, match.groups()), "") if match else ""


def _without(prefix: str, raw: str) -> str:
    """A line that continues a message, without the prefix of the line before."""
    if not prefix or len(prefix) > LONGEST_PREFIX:
        return raw
    match = _shape(_NUMBER.sub("0", prefix.rstrip())).match(raw)
    return raw[match.end() :] if match else raw


@lru_cache(maxsize=64)
def _shape(prefix: str) -> re.Pattern[str]:
    """Prefixes of one kind: alike but for their numbers, such as the times of Docker."""
    return re.compile("[0-9]+(?:[.,][0-9]+)*".join(map(re.escape, prefix.split("0"))) + " ?")


def _unwrapped(text: str) -> Iterator[str]:
    """The lines of a text, out of a notebook or of records in JSON where it is these, without colours."""
    text = _notebook_output(text) if '"nbformat"' in text and text.lstrip().startswith("{") else text
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        short = line[:LONGEST]
        for part in _record(line).splitlines() if short.startswith('{"') else (short,):
            yield _COLOUR.sub("", part) if "\x1b" in part else part


def _record(line: str) -> str:
    """The message in a record of a log collector, such as Docker's `{"log": "..."}`."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return line[:LONGEST]
    found = [record[key] for key in _RECORD_KEYS if isinstance(record.get(key), str)]
    return found[0][:LONGEST] if found else line[:LONGEST]


def _notebook_output(text: str) -> str:
    """The printed output of a Jupyter notebook's cells."""
    try:
        return "\n".join(_printed(json.loads(text)))
    except (ValueError, RecursionError):
        return text


def _printed(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _printed(each)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in _OUTPUT_KEYS and isinstance(inner, str | list):
                parts = [inner] if isinstance(inner, str) else inner
                yield "".join(part for part in parts if isinstance(part, str))
            else:
                yield from _printed(inner)
