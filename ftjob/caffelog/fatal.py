"""What Caffe's last words mean: the log of a process that ended, turned into one sentence.

Caffe ends its process on every error of its own, after a line such as
`F1121 22:57:00.828 15820 net.cpp:759] Cannot copy param 0 weights from layer 'fc'; shape mismatch. ...`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ftjob.caffelog.ends import PYTHON_ERROR, ended_by
from ftjob.caffelog.lines import Line, read_lines
from ftjob.caffelog.log import read_log
from ftjob.caffelog.rule import SMALLER_BATCH, Diagnosis
from ftjob.caffelog.rules import RULES
from ftjob.errors import BadNetError, EngineError, FtjobError
from ftjob.net.dialects import TYPES

_CREATING = re.compile(r"Creating [Ll]ayer (.+)")
_COPYING = re.compile(r"Copying source layer (.+)")
_OPENED = re.compile(r"Opene?(?:d|ing) l(?:mdb|eveldb) (.+)")
_ITERATION = re.compile(r"Iteration (\d{1,12})\b", re.A)
_SOURCE = re.compile(r'\s+source: "(.*)"')
_TEXT_ERROR = re.compile(r"Error parsing text-format caffe\.\w+: (?P<at>\d+:\d+): (?P<error>.*)")
_FRAME = re.compile(r"\W*@ +(?:0x)?[0-9a-f]+ +(?P<function>\S.*)|\W*@ +\(nil\)|\W*\*\*\* ", re.A)
_MOST_FRAMES = 60
_LONGEST_FRAME = 200
_LONGEST_TEXT = 4096


@dataclass(frozen=True)
class LastWords:
    """What the log says about the end."""

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
    iteration: int
    """The last one that is told of; 0 where none is."""


def explain(log: str, returncode: int) -> FtjobError:
    """Return the error that a process which ended with this log and return code (negative: a signal) is."""
    return (diagnose(read_log(log).lines) or ended(log, returncode, "Caffe")).error()


def diagnose(lines: Sequence[Line]) -> Diagnosis | None:
    """Return what Caffe itself says of the end; None where it says nothing."""
    words = last_words(lines)
    if words.text:
        return _diagnose_fatal(words)
    rest = [line.text for line in lines if not line.level]
    if any("boost::python::error_already_set" in text for text in rest):
        error = next((text for text in reversed(rest) if PYTHON_ERROR.match(text)), "")
        return _python_layer(words, error)
    for text in rest:
        if match := re.match(r"(?:ModuleNotFound|Import)Error: (.*)$", text):
            return Diagnosis(EngineError, f"its Python cannot load pycaffe: {match[1]}", seen=text)
        if "std::bad_alloc" in text:
            fix = "lower data.batch_size (iter_size can make up for it)"
            return Diagnosis(EngineError, "Caffe ran out of memory", fix, SMALLER_BATCH, text.strip())
    return None


def ended(log: str, returncode: int, program: str) -> Diagnosis:
    """Return how the process of a program ended that left no words about it."""
    lines = [line.text.strip() for line in read_lines(log) if line.text and not _FRAME.match(line.text)][-3:]
    last = f"; the last lines of its log: {' | '.join(lines)}" if lines else ""
    how = f"ended with exit code {returncode}" if returncode >= 0 else f"was ended by {ended_by(-returncode)}"
    return Diagnosis(EngineError, f"{program}'s process {how}{last}")


def last_words(lines: Sequence[Line]) -> LastWords:
    """Read the end of a log: its first fatal message, and what was going on before."""
    net = layer = maker = copied = source = text_error = ""
    iteration = 0
    for at, line in enumerate(lines):
        if line.level == "F":
            layer = layer if line.thread == maker else ""
            frames = _frames(lines[at + 1 : at + 1 + _MOST_FRAMES])
            return LastWords(
                line.text[:_LONGEST_TEXT],
                line.place,
                frames,
                net,
                layer,
                copied,
                source,
                text_error,
                iteration,
            )
        if not line.level:
            if match := _SOURCE.match(line.text):
                source = match[1]
        elif match := _CREATING.match(line.text):
            layer, maker = match[1], line.thread
        elif line.text.startswith(("Network initialization done", "Initializing net")):
            layer, maker = "", line.thread
        elif match := _COPYING.match(line.text):
            copied = match[1]
        elif match := _OPENED.match(line.text):
            source = match[1]
        elif match := _ITERATION.match(line.text):
            iteration = int(match[1])
        else:
            net = _net_after(line.text, net)
        if match := _TEXT_ERROR.search(line.text):
            text_error = f"{match['at']}: {match['error'].rstrip('.')}"
    return LastWords("", "", "", net, layer, copied, source, text_error, iteration)


def _frames(lines: Sequence[Line]) -> str:
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
    message = f"{words.text}\n{words.frames}"
    for rule in RULES:
        match = re.search(rule.pattern, message, re.MULTILINE)
        if match and words.iteration < rule.before:
            known = _known(words, match.groupdict())
            cause, fix, patch = (text.format(**known) for text in (rule.cause, rule.fix, rule.patch))
            return Diagnosis(rule.kind, cause, fix, patch, words.text)
    rest = words.text.removeprefix("Check failed: ") + (f" ({words.place})" if words.place else "")
    if words.layer:
        cause = f"layer {words.layer} of {words.net or 'the net'} cannot be made: {rest}"
        return Diagnosis(BadNetError, cause, seen=words.text)
    return Diagnosis(EngineError, f"Caffe stopped with: {rest}", seen=words.text)


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
        "parse": words.text_error or "it does not parse",
        "whose": f": it is of {fork.forks}" if fork else "",
        "at": words.copied or "of some name",
        "error": ", ".join(filter(None, (code, why))),
        **found,
        "why": why or code,
    }
