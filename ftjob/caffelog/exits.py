"""How a process ended that printed no fatal message: by a signal, or as a shell, Slurm or Python logs."""

import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ftjob.caffelog.lines import LogLine
from ftjob.caffelog.log import is_making_a_net
from ftjob.caffelog.rule import NUM_OUTPUT_OF_DATA, SMALLER_BATCH, Diagnosis
from ftjob.errors import EngineError

OUTSIDE = (
    "look for the machine's memory (`dmesg`, OOMKilled), an eviction, a spot instance taken back or a time "
    "limit; a run that is submitted again resumes from its last complete snapshot"
)
"""What to do about a process that was killed."""
_RESUME = "resume from the last snapshot: a run that is submitted again does"


@dataclass(frozen=True)
class Death:
    """What it means that a signal ended a process."""

    words: str
    """What shells print for it."""
    cause: str
    fix: str
    hint: str
    """The cause in a few words, printed after the signal's name; "" where there is none."""
    patch: str = ""
    windows: str = ""
    """The exit status of such a process on Windows."""


DEATHS = {
    "SIGSEGV": Death(
        "segmentation fault",
        "Caffe read memory that is not its own (SIGSEGV)",
        "the usual cause is a label outside 0..num_output-1: `ftjob data check` finds it",
        "a label outside 0..num_output-1 is the usual cause: `ftjob data check` finds it",
        NUM_OUTPUT_OF_DATA,
        "C0000005",
    ),
    "SIGBUS": Death(
        "bus error",
        "Caffe read a part of a file that is not there (SIGBUS): an LMDB is shorter than it says, or its "
        "disk failed",
        "copy or build the LMDB again, on a disk of this machine with room for it: a copy that broke off, a "
        "full disk and a network disk that went away do this (`ftjob data check` reads every record)",
        "an LMDB that is shorter than it says, or whose disk failed, is the usual cause: copy it again",
        windows="C0000006",
    ),
    "SIGFPE": Death(
        "floating point exception",
        "Caffe divided by zero (SIGFPE)",
        "look for a 0 in the prototxts, such as batch_size, stride, group or num_output, and for an empty "
        "list of images",
        "a 0 in the prototxts, such as batch_size or stride, is the usual cause",
        windows="C0000094",
    ),
    "SIGILL": Death(
        "illegal instruction",
        "this Caffe, or a library of it, is built for another processor (SIGILL)",
        "build it on this machine, or for any (OpenBLAS: DYNAMIC_ARCH=1)",
        "it, or a library of it, is built for another processor",
        windows="C000001D",
    ),
    "SIGKILL": Death(
        "killed",
        "the process was killed from outside (SIGKILL), most often as memory was short",
        OUTSIDE,
        "by the kernel when memory is short, or by somebody",
    ),
    "SIGTERM": Death(
        "terminated",
        "the process was killed from outside (SIGTERM)",
        OUTSIDE,
        "by somebody, or by the machine as it went down",
    ),
    "SIGHUP": Death(
        "hangup",
        "the process was killed from outside (SIGHUP), as its terminal was closed",
        "start it with nohup or in tmux; a run of `ftjob submit` outlives its terminal",
        "its terminal was closed",
    ),
    "SIGABRT": Death(
        "aborted",
        "Caffe aborted (SIGABRT), and this log does not say why",
        "give the log from its beginning: the reason is printed before the stack trace",
        "",
    ),
}
CRASHES = frozenset({"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL"})
"""Signals that show what went wrong inside the process."""

_BEFORE_LABELS = Death(
    DEATHS["SIGSEGV"].words,
    "Caffe read memory that is not its own (SIGSEGV) as it made a net, before it read any label",
    "suspect a library that does not fit this Caffe, such as cuDNN, BLAS or protobuf, or a damaged LMDB "
    "(`ftjob data check`)",
    "",
)

CIRCUMSTANCES = (
    (
        re.compile(r"DUE TO TIME LIMIT"),
        "the cluster ended the job at its time limit",
        f"ask for more time (`sbatch --time`), and {_RESUME}",
        "",
    ),
    (
        re.compile(r"DUE TO PREEMPTION"),
        "the cluster took the node back before the training was over",
        _RESUME,
        "",
    ),
    (
        re.compile(
            r"\boom[-_]kill|OOMKilled|[Oo]ut [Oo]f [Mm]emory: Kill|: Out Of Memory$|exceeded memory limit"
        ),
        "the process was killed as the memory of its machine or container ran out",
        "give it more memory, or lower data.batch_size (iter_size can make up for it)",
        SMALLER_BATCH,
    ),
    (
        re.compile(r"The node was low on resource|\bEvicted\b"),
        "Kubernetes evicted it because its node ran short of memory or disk",
        f"request what it needs (resources, ephemeral-storage), and {_RESUME}",
        "",
    ),
    (
        re.compile(r"KeyboardInterrupt\b|\^C$"),
        "it was interrupted at the keyboard (Ctrl-C)",
        _RESUME,
        "",
    ),
)
"""Lines that name what ended a process from outside: (pattern, cause, fix, patch)."""

_WAITS = re.compile(r"(?:Waiting for data|Data layer prefetch queue empty)$")

_WORDS = "|".join(death.words for death in DEATHS.values())
_CAPITALS = "|".join(death.words.capitalize() for death in DEATHS.values())
_NAMED = re.compile(r"\*\*\* (SIG[A-Z]{2,5})\b|\binterrupted by signal \d{1,2}: (SIG[A-Z]{2,5})\b", re.A)
_IN_WORDS = re.compile(
    rf"(?:^|[\s:(])({_CAPITALS})(?:$|[\s:.()])"
    rf"|^(?:zsh: |\[\d{{1,4}}\] +[+-]? *\d{{1,9}} )\D{{0,40}}?({_WORDS})\b",
    re.A,
)
_NUMBERED = re.compile(r"\b(?:error code -|on signal |[Ss]ignal: \D{0,40}\()(\d{1,2})\b", re.A)
_SHELL_STATUS = re.compile(r"\bexit(?:ed)?(?: with)?(?: code| status)?[: ]+1([2-5]\d)\b", re.A)
_WINDOWS_STATUS = re.compile(r"\b0x(C00000[0-9A-F]{2})\b", re.A | re.I)
_SHELL_STATUSES = 128
_THROWN = re.compile(r"terminate called after throwing an instance of '([^']*)'")
_WHAT = re.compile(r"\s*what\(\): +(.*)")
PYTHON_ERROR = re.compile(r"([A-Za-z_][\w.]{0,80}(?:Error|Exception|Exit))\b(?:: .*)?$", re.A)


def ended_by(number: int) -> str:
    """Return a signal's name, with its usual cause in brackets where there is one."""
    name = signal.Signals(number).name
    hint = DEATHS[name].hint if name in DEATHS else ""
    return f"{name} ({hint})" if hint else name


def crash(lines: Sequence[LogLine]) -> Diagnosis | None:
    """Return why the process crashed, from its last lines or its shell's; None where these do not show it."""
    for line in _rest(lines):
        if match := _THROWN.match(line.text):
            what = next((found[1] for each in _rest(lines) if (found := _WHAT.match(each.text))), "")
            cause = f"Caffe ended with an exception, {match[1]}{': ' if what else ''}{what}"
            return Diagnosis(EngineError, cause, "correct what it names", seen=line.text.strip())
    for line in _rest(lines):
        name = _signal_in(line.text)
        if name in CRASHES:
            early = name == "SIGSEGV" and is_making_a_net(lines)
            return _died(_BEFORE_LABELS if early else DEATHS[name], line)
    return _python_error(lines)


def killed(lines: Sequence[LogLine]) -> Diagnosis | None:
    """Return what killed the process, where a line names it; causes from outside come first."""
    rest = list(_rest(lines))
    for pattern, cause, fix, patch in CIRCUMSTANCES:
        for line in rest:
            if pattern.search(line.text):
                return Diagnosis(EngineError, cause, fix, patch, line.text.strip())
    for line in rest:
        name = _signal_in(line.text)
        if name in DEATHS:
            return _died(DEATHS[name], line)
    return None


def waiting(lines: Sequence[LogLine]) -> Diagnosis | None:
    """Return what it means that a log ends while the training waits for its data layer."""
    if not lines or not _WAITS.match(lines[-1].text):
        return None
    return Diagnosis(
        EngineError,
        "the training was waiting for data when the log ended: the data layer hangs, or it reads more slowly "
        "than the net trains",
        "check with `top` and `iostat` whether anything is read; keep the LMDB on a local disk, with images "
        "of the size that training needs (`ftjob data build --size`)",
        seen=lines[-1].text.strip(),
    )


def _rest(lines: Sequence[LogLine]) -> Iterator[LogLine]:
    """The lines that are not Caffe's messages, the last first."""
    return (line for line in reversed(lines) if not line.level)


def _died(death: Death, line: LogLine) -> Diagnosis:
    return Diagnosis(EngineError, death.cause, death.fix, death.patch, line.text.strip("* "))


def _signal_in(text: str) -> str:
    """The name of the signal in a line, or ""."""
    if match := _NAMED.search(text):
        return match[1] or match[2]
    if match := _IN_WORDS.search(text):
        words = (match[1] or match[2]).lower()
        return next(name for name, death in DEATHS.items() if death.words == words)
    if match := _NUMBERED.search(text):
        return _name(int(match[1]))
    if match := _SHELL_STATUS.search(text):
        return _name(int(f"1{match[1]}") - _SHELL_STATUSES)
    if match := _WINDOWS_STATUS.search(text):
        status = match[1].upper()
        return next((name for name, death in DEATHS.items() if death.windows == status), "")
    return ""


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _python_error(lines: Sequence[LogLine]) -> Diagnosis | None:
    """The exception that ended Python, where no message of Caffe's follows it."""
    error = ""
    for line in reversed(lines):
        if line.level:
            return None
        if not error and PYTHON_ERROR.match(line.text):
            error = line.text
        if error and line.text.startswith("Traceback (most recent call last)"):
            return Diagnosis(EngineError, f"the program around Caffe ended with {error}", seen=error)
    return None
