"""What Caffe's last words mean: the log of a process that ended, turned into one sentence.

Caffe ends its process on every error of its own, after a line such as
`F1121 22:57:00.828 15820 net.cpp:759] Cannot copy param 0 weights from layer 'fc'; shape mismatch. ...`.
"""

import re
import signal
from dataclasses import dataclass

from ftjob.caffelog.rules import RULES, SMALLER_BATCH
from ftjob.errors import BadNetError, EngineError, FtjobError

LINE = re.compile(r"^(?P<level>[IWEF])\d{4} [\d:.]+ +(?P<thread>\d+) (?P<place>\S+:\d+)\] (?P<text>.*)$")
"""A line of glog's."""
_CREATING = re.compile(r"Creating Layer (\S+)")
_TEXT_ERROR = re.compile(r"Error parsing text-format caffe\.\w+: (?P<at>\d+:\d+): (?P<error>.*)")
_FRAME = re.compile(r"\s+@ |\*\*\* |$")


@dataclass(frozen=True)
class LastWords:
    """What the log says about the end."""

    text: str
    """The fatal line without its stamp, or "" where there is none."""
    place: str
    """Caffe's source file and line."""
    net: str
    """The net it was about: "the TRAIN net", "the TEST net" or "the net"."""
    layer: str | None
    """The layer that was being made, or None where all were made."""
    source: str
    """The last data source that the net's description names."""
    text_error: str
    """Where and why a prototxt did not parse: "7:169: ..."."""


@dataclass(frozen=True)
class Diagnosis:
    """Why a process ended, in the words of the table."""

    kind: type[FtjobError]
    cause: str
    fix: str = ""
    patch: str = ""
    """YAML to lay over the spec; empty where no change of it helps."""

    def error(self) -> FtjobError:
        """Return it as the one sentence of an error."""
        return self.kind(f"{self.cause}: {self.fix}" if self.fix else self.cause)


def explain(log: str, returncode: int) -> FtjobError:
    """Return the error that a process which ended with this log and return code (negative: a signal) is."""
    return (diagnose(log) or ended(log, returncode, "Caffe")).error()


def diagnose(log: str) -> Diagnosis | None:
    """Return what the log itself says of the end; None where it says nothing."""
    words = last_words(log)
    if words.text:
        return _diagnose_fatal(words)
    if match := re.search(r"^(?:ModuleNotFound|Import)Error: (.*)$", log, re.MULTILINE):
        return Diagnosis(EngineError, f"its Python cannot load pycaffe: {match[1]}")
    if "std::bad_alloc" in log:
        fix = "lower data.batch_size (iter_size can make up for it)"
        return Diagnosis(EngineError, "Caffe ran out of memory", fix, SMALLER_BATCH)
    return None


def ended(log: str, returncode: int, program: str) -> Diagnosis:
    """Return how the process of a program ended that left no words about it."""
    lines = [line.strip() for line in log.splitlines() if not _FRAME.match(line)][-3:]
    said = f"; the last lines of its log: {' | '.join(lines)}" if lines else ""
    if returncode >= 0:
        return Diagnosis(EngineError, f"{program}'s process ended with exit code {returncode}{said}")
    name = signal.Signals(-returncode).name
    return Diagnosis(EngineError, f"{program}'s process was ended by {name}{_HINTS.get(name, '')}{said}")


_HINTS = {
    "SIGKILL": " (by the kernel when memory is short, or by somebody)",
    "SIGSEGV": " (a label outside 0..num_output-1 is the usual cause: `ftjob data check` finds it)",
}


def last_words(log: str) -> LastWords:
    """Read the end of a log."""
    text = place = net = source = text_error = ""
    layer = maker = None
    for line in log.splitlines():
        if match := LINE.match(line):
            said = match["text"]
            if match["level"] == "F":
                text, place = said, match["place"]
                layer = layer if match["thread"] == maker else None
                break
            layer, maker = _layer_after(said, layer), match["thread"]
            net = _net_after(said, net)
        elif match := re.match(r'\s+source: "(.*)"', line):
            source = match[1]
        elif match := _TEXT_ERROR.search(line):
            text_error = f"{match['at']}: {match['error'].rstrip('.')}"
    return LastWords(text, place, net or "the net", layer, source, text_error)


def _layer_after(said: str, layer: str | None) -> str | None:
    if match := _CREATING.match(said):
        return match[1]
    return None if said.startswith(("Network initialization done", "Initializing net")) else layer


def _net_after(said: str, net: str) -> str:
    if said.startswith("Creating training net"):
        return "the TRAIN net"
    return "the TEST net" if said.startswith("Creating test net") else net


def _diagnose_fatal(words: LastWords) -> Diagnosis:
    for rule in RULES:
        if match := re.search(rule.pattern, words.text):
            known = {
                "net": words.net,
                "layer": words.layer or "of some kind",
                "source": words.source,
                "parse": words.text_error,
                **match.groupdict(),
            }
            return Diagnosis(
                rule.kind, *(text.format(**known) for text in (rule.cause, rule.fix, rule.patch))
            )
    said = words.text.removeprefix("Check failed: ")
    if words.layer:
        told = f"layer {words.layer} of {words.net} cannot be made: {said} ({words.place})"
        return Diagnosis(BadNetError, told)
    return Diagnosis(EngineError, f"Caffe stopped with: {said} ({words.place})")
