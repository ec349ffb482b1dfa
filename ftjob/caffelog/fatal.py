"""What Caffe's last words mean: one sentence from the log of a process that ended.

Caffe ends its process on every error of its own, after a line such as
`F1121 22:57:00.828 15820 net.cpp:759] Cannot copy param 0 weights from layer 'fc'; shape mismatch. ...`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ftjob.caffelog.exits import PYTHON_ERROR, ended_by
from ftjob.caffelog.lines import LogLine, read_lines
from ftjob.caffelog.log import read_log
from ftjob.caffelog.rule import SMALLER_BATCH, Diagnosis
from ftjob.caffelog.rules import RULES
from ftjob.caffelog.startup import failed_start
from ftjob.errors import BadDataError, BadNetError, EngineError, FtjobError, thread_limit
from ftjob.net.forks.dialects import TYPES

_CREATING = re.compile(r"Creating [Ll]ayer (.+)")
_COPYING = re.compile(r"Copying source layer (.+)")
_OPENED = re.compile(r"Opene?(?:d|ing) l(?:mdb|eveldb) (.+)")
_ITERATION = re.compile(r"Iteration (\d{1,12})\b", re.A)
_SOURCE = re.compile(r'\s+source: "(.*)"')
_TEXT_ERROR = re.compile(r"Error parsing text-format caffe\.\w+: (?P<at>\d+:\d+): (?P<error>.*)")
_TOO_BIG = re.compile(r"A protocol message was rejected because it was too big .*")
_PAIRING = ("GPUs pairs ", "GPU pairs ")
_LACKS = re.compile(r"Can't parse message of type .* because it is missing required fields: (.*)")
_LEFT_OUT = re.compile(r"Could not (?:open or find|load) file (.*)")
_FRAME = re.compile(r"\W*@ +(?:0x)?[0-9a-f]+ +(?P<function>\S.*)|\W*@ +\(nil\)|\W*\*\*\* ", re.A)
_STARTS = ("Solving", "Starting Opt")
_OF_TRAININGS = ("Initializing solver", "Creating training net", "Solver scaffolding", *_STARTS)
_MOST_FRAMES = 60
_LONGEST_FRAME = 200
_LONGEST_TEXT = 4096


@dataclass(frozen=True)
class LastWords:
    """How a log ends."""

    text: str
    """The fatal message without its stamp, or "" where there is none."""
    place: str
    """Caffe's source file and line, or "" where the log has none."""
    frames: str
    """The functions of its stack trace, a line each, the innermost first."""
    net: str
    """The net it was about: "the TRAIN net", "the TEST net" or "the net"."""
    layer: str
    """The layer that was being made, or "" where all were made."""
    copied: str
    """The layer whose params were being copied last."""
    source: str
    """The data source that was named last, by the net's description or as it was opened."""
    text_error: str
    """Where and why a prototxt did not parse: "7:169: ..."."""
    too_big: str
    """What protobuf wrote of a file that is larger than it reads, or ""."""
    iterations: int | None
    """Iterations the training had done; None while a net is set up, or in another program."""


def explain(log: str, returncode: int) -> FtjobError:
    """Return the error for a process that ended with this log and return code (negative: a signal)."""
    return (diagnose(read_log(log).lines) or ended(log, returncode, "Caffe")).error()


def diagnose(lines: Sequence[LogLine]) -> Diagnosis | None:
    """Return why Caffe ended, from its own messages; None where they do not show it."""
    words = last_words(lines)
    if words.text:
        return _diagnose_fatal(words)
    rest = [line.text for line in lines if not line.level]
    if any("boost::python::error_already_set" in text for text in rest):
        error = next((text for text in reversed(rest) if PYTHON_ERROR.match(text)), "")
        return _python_layer(words, error)
    if found := failed_start(lines):
        return found
    for text in rest:
        if thread_limit.SHOWN.search(text):
            return Diagnosis(EngineError, thread_limit.CAUSE, thread_limit.FIX, seen=text.strip())
        if "std::bad_alloc" in text:
            fix = "lower data.batch_size (iter_size can make up for it)"
            return Diagnosis(EngineError, "Caffe ran out of memory", fix, SMALLER_BATCH, text.strip())
    return _left_out(lines) or _no_images(lines)


def _no_images(lines: Sequence[LogLine]) -> Diagnosis | None:
    """A convert_imageset that had nothing to do, and ended well."""
    for line in lines:
        if line.level and line.text.startswith("A total of 0 images"):
            return Diagnosis(
                BadDataError,
                "convert_imageset found no image in its list, so the LMDB it made is empty",
                "give it a list with an image's path and label on each line, or build the LMDB from a "
                "folder with `ftjob data build`",
                seen=line.text,
            )
    return None


def _left_out(lines: Sequence[LogLine]) -> Diagnosis | None:
    """An image that convert_imageset passed over, and still ended well."""
    for line in lines:
        if line.level == "E" and (match := _LEFT_OUT.match(line.text)):
            return Diagnosis(
                BadDataError,
                f"the image {match[1]} is missing or unreadable, and was left out",
                "fix the list or the image: paths count from the folder given before the list; "
                "`ftjob data build` names such images",
                seen=line.text,
            )
    return None


def ended(log: str, returncode: int, program: str) -> Diagnosis:
    """Return how a program's process ended, where its log does not show why."""
    lines = [line.text.strip() for line in read_lines(log) if line.text and not _FRAME.match(line.text)][-3:]
    last = f"; the last lines of its log: {' | '.join(lines)}" if lines else ""
    how = f"ended with exit code {returncode}" if returncode >= 0 else f"was ended by {ended_by(-returncode)}"
    return Diagnosis(EngineError, f"{program}'s process {how}{last}")


def last_words(lines: Sequence[LogLine]) -> LastWords:
    """Return a log's first fatal message, and what Caffe was doing before it."""
    at = next((at for at, line in enumerate(lines) if line.level == "F"), len(lines))
    before = _Before()
    for line in lines[:at]:
        before.read(line)
    last = lines[at] if at < len(lines) else LogLine("", "")
    text = last.text[:_LONGEST_TEXT] if last.level else ""
    making = before.layer if not last.level or last.thread == before.maker else ""
    return LastWords(
        text,
        last.place,
        _frames(lines[at + 1 : at + 1 + _MOST_FRAMES]),
        before.net,
        making,
        before.copied,
        before.source,
        before.text_error,
        before.too_big,
        before.iterations(),
    )


@dataclass
class _Before:
    """What Caffe was doing, gathered line by line."""

    net: str = ""
    layer: str = ""
    maker: str = ""
    """The thread that makes the layer."""
    copied: str = ""
    source: str = ""
    text_error: str = ""
    too_big: str = ""
    pairs: bool = False
    """Whether GPUs are being paired: no label has been read yet."""
    nets: bool = False
    trains: bool = False
    resumed: bool = False
    first: int | None = None
    last: int = 0

    def read(self, line: LogLine) -> None:
        text = line.text
        if match := _TEXT_ERROR.search(text):
            self.text_error = f"{match['at']}: {match['error'].rstrip('.')}"
        elif match := _LACKS.search(text):
            self.text_error = f" it lacks {match[1]}"
        elif match := _TOO_BIG.search(text):
            self.too_big = match[0]
        if not line.level:
            if match := _SOURCE.match(text):
                self.source = match[1]
        elif match := _CREATING.match(text):
            self.layer, self.maker, self.nets = match[1], line.thread, True
        elif text.startswith(("Network initialization done", "Initializing net")):
            self.layer, self.maker, self.nets = "", line.thread, True
        elif match := _COPYING.match(text):
            self.copied = match[1]
        elif match := _OPENED.match(text):
            self.source = match[1]
        elif match := _ITERATION.match(text):
            self.last, self.trains = int(match[1]), True
            self.first = self.last if self.first is None else self.first
        else:
            self.net = _net_after(text, self.net)
            self.trains = self.trains or text.startswith(_OF_TRAININGS)
            self.resumed = self.resumed or text.startswith(("Resuming from", "Restoring previous"))
            self.pairs = text.startswith(_PAIRING) or (self.pairs and not text.startswith(_STARTS))

    def iterations(self) -> int | None:
        """Iterations done, not counting those before the snapshot that it resumed from."""
        if self.layer or self.pairs or (self.nets and not self.trains):
            return None
        return self.last - (self.first or 0 if self.resumed else 0)


def _frames(lines: Sequence[LogLine]) -> str:
    """The rest of a fatal message and the stack trace below it."""
    found = []
    for line in lines:
        if line.level:
            break
        match = _FRAME.match(line.text)
        found.append(((match["function"] or "") if match else line.text)[:_LONGEST_FRAME])
    return "\n".join(found)


def _net_after(text: str, net: str) -> str:
    if text.startswith("Creating training net"):
        return "the TRAIN net"
    return "the TEST net" if text.startswith("Creating test net") else net


def _python_layer(words: LastWords, error: str) -> Diagnosis:
    """A Python layer's code threw (python_layer.hpp); Caffe lets that end the process."""
    known = _known(words, {})
    how = f" with {error}" if error else ""
    return Diagnosis(
        BadNetError,
        f"{known['layer']} of {known['net']} is of type Python, and its code ended{how}",
        "put its module into PYTHONPATH and correct it, or take the layer out: ftjob runs no Python layers, "
        "whichever its engine",
        seen=error,
    )


def _diagnose_fatal(words: LastWords) -> Diagnosis:
    message = "\n".join((words.text, words.frames, words.place, words.too_big))
    for rule in RULES:
        match = re.search(rule.pattern, message, re.MULTILINE)
        if match and _is_within(words.iterations, rule.within):
            known = _known(words, match.groupdict())
            quoted = {**known, "at": _quoted(known["at"])}
            cause, fix = (text.format(**known) for text in (rule.cause, rule.fix))
            return Diagnosis(rule.kind, cause, fix, rule.patch.format(**quoted), words.text)
    rest = words.text.removeprefix("Check failed: ") + (f" ({words.place})" if words.place else "")
    if words.layer:
        cause = f"layer {words.layer} of {words.net or 'the net'} cannot be made: {rest}"
        return Diagnosis(BadNetError, cause, seen=words.text)
    return Diagnosis(EngineError, f"Caffe stopped with: {rest}", seen=words.text)


def _is_within(iterations: int | None, limit: int | None) -> bool:
    return limit is None or (iterations is not None and iterations < limit)


def _quoted(name: str) -> str:
    """A name as YAML has it within a list."""
    plain = re.fullmatch(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z_][\w./-]*", name, re.A | re.I)
    return name if plain else json.dumps(name)


def _known(words: LastWords, groups: Mapping[str, str | None]) -> dict[str, str]:
    """What the texts of a rule may name."""
    found = {name: text.strip() for name, text in groups.items() if text is not None}
    net = words.net or "the net"
    layer = f"layer {words.layer}" if words.layer else "a layer"
    lmdb = f"the LMDB {words.source} of {net}" if words.source else f"an LMDB of {net}"
    if words.layer and not words.source:
        lmdb = f"the LMDB that {layer} of {net} reads"
    code = f"error {found['code']}" if "code" in found else ""
    why = found.get("why", "")
    fork = TYPES.get(found.get("type", ""))
    return {
        "net": net,
        "layer": layer,
        "lmdb": lmdb,
        "images": f"the images in {words.source}" if words.source else f"the images that {net} reads",
        "parse": words.text_error or " it does not parse",
        "whose": f": it is of {fork.forks}" if fork else "",
        "at": words.copied or "of some name",
        "error": ", ".join(filter(None, (code, why))),
        **found,
        "why": why or code,
    }
