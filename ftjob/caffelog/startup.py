"""Why a program of Caffe's did not start: a library, a module or an option that is not there."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ftjob.caffelog.lines import LogLine
from ftjob.caffelog.rule import Diagnosis
from ftjob.errors import EngineError

_IMPORT = r"(?:^|\s)(?:ModuleNotFound|Import)Error: "
_LIBRARY = r"(?P<what>[\w+.-]+\.so[\w.]*): cannot open shared object file"


class _Start(NamedTuple):
    pattern: str
    cause: str
    fix: str
    is_alone: bool = True
    """Whether a log of nothing else is one of Caffe's; another program's Python lacks modules, too."""


_STARTS = (
    _Start(
        rf"(?:error while loading shared libraries|(?:Import|OS)Error): {_LIBRARY}",
        "it cannot start: the library {what}, which it was built with, is not found here",
        "install that version of it, or put its folder into LD_LIBRARY_PATH; libcudart, libcublas, libcurand "
        "and libcudnn come with the CUDA and cuDNN that a Caffe was built for",
    ),
    _Start(
        _IMPORT + r"No module named '?(?P<what>_?caffe\b[\w.]*)",
        "its Python cannot load pycaffe: there is no module {what}",
        "build it for this Python with `make pycaffe`, and put Caffe's folder python into PYTHONPATH",
    ),
    _Start(
        _IMPORT + r"No module named '?(?P<what>[\w.]+)",
        "its Python has no module {what}",
        "install it for the Python that runs Caffe",
        is_alone=False,
    ),
    _Start(
        _IMPORT + r"(?P<what>.*undefined symbol.*)",
        "its Python cannot load pycaffe: {what}",
        "rebuild pycaffe with this Python, its Boost and this Caffe",
        is_alone=False,
    ),
    _Start(
        _IMPORT + r"(?P<what>.*)",
        "its Python cannot load pycaffe: {what}",
        "correct what it names",
        is_alone=False,
    ),
    _Start(
        r"requires version (?P<what>\S+) of the Protocol Buffer runtime library, but the installed version "
        r"is (?P<have>\d[\d.]*\d)",
        "it cannot start: it was built with protobuf {what}, and {have} is installed",
        "install the version that it was built with, or rebuild Caffe with this one",
    ),
    _Start(
        r"unknown command line flag '(?P<what>[^']*)'",
        "`caffe` has no option -{what}",
        "correct the command: `caffe train` has -solver, -snapshot, -weights, -gpu and more (`caffe --help`)",
    ),
    _Start(
        r"\bcaffe(?:\.bin)?['\"]?: (?:command )?not found|"
        r"tools/caffe(?:\.bin)?['\"]?: No such file or directory",
        "the program caffe is not found here",
        "give its path, such as build/tools/caffe, or put its folder into PATH",
    ),
)
_WORDS = ("shared object", "ImportError: ", "FoundError: ", "Protocol Buffer", "line flag", "caffe")
"""Every line that matters here has one of them, which is quick to see."""
_OF_CAFFE = re.compile(
    "|".join(
        (
            r'^\s+(?:import caffe|from caffe\S* import)\b|^\s+File "[^"]*/caffe/[^"]*", line ',
            *(re.sub(r"\?P<\w+>", "?:", row.pattern) for row in _STARTS if row.is_alone),
        )
    ),
    re.A,
)


def is_of_start(line: LogLine) -> bool:
    """Return whether a line shows that a program of Caffe's was to start."""
    return _may_matter(line) and _OF_CAFFE.search(line.text) is not None


def _may_matter(line: LogLine) -> bool:
    return any(word in line.text for word in _WORDS)


def failed_start(lines: Sequence[LogLine]) -> Diagnosis | None:
    """Return why a program did not start; None where Caffe wrote something after the reason."""
    for line in reversed(lines):
        for row in _STARTS if _may_matter(line) else ():
            if match := re.search(row.pattern, line.text, re.A):
                cause = row.cause.format(**match.groupdict())
                return Diagnosis(EngineError, cause, row.fix, seen=line.text.strip())
        if line.level:
            return None
    return None
