"""A log as a whole: the trainings that wrote into it, one after another or side by side, and the last one."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from ftjob.caffelog.lines import CAFFE_FILE, CERTAIN, LogLine, read_lines
from ftjob.caffelog.startup import is_of_start

_WORKER = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \S+: attempt \d+ begins$"
    r"|\S+/[0-9a-f]{10} (?:Pending|Running|Succeeded|Failed|Stopped)\b",
    re.A,
)
"""Lines that ftjob writes itself: a worker into its log, `ftjob submit` on a terminal."""
_ENDED = "(Succeeded|Failed|Stopped)"
_OUTCOME = re.compile(
    rf"(?:\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ {_ENDED}|\S+/[0-9a-f]{{10}} {_ENDED}[^:]*): (.*)", re.A
)
_AROUND = re.compile(
    r"ERROR: error code -\d+$|\d{4}-\d\d-\d\d .{1,60}Train Caffe Model task|\W*@ +(?:0x)?[0-9a-f]+ +caffe::",
    re.A,
)
"""Lines around Caffe's own: DIGITS' on how it ended, and stack frames."""
_STEPS = (
    rf"Log file created at|Use CPU\.|Us(?:e|ing) GPU|{_WORKER.pattern}",
    r"Initializing solver from",
    r"Creating training net",
    r"Solver scaffolding done",
    r"Solving\b",
    r"Iteration (?P<iteration>\d{1,12})\b[^=]{0,200}\bloss = ",
    r"Optimization (?:Done|stopped early)",
)
"""What a training logs, step by step."""
_STEP = re.compile("|".join(f"(?P<s{index}>{pattern})" for index, pattern in enumerate(_STEPS)), re.A)
_SOLVER, _NET, _SOLVING, _ITERATION, _FATAL = 1, 2, 4, 5, len(_STEPS)
_SEVERAL = 2
"""With fewer messages than this a number at the front counts lines, not processes."""


@dataclass(frozen=True)
class Log:
    """The lines of a log's last training."""

    lines: tuple[LogLine, ...]
    """Of the last training; where several processes train together, of one that failed, else of the first."""
    attempts: int = 1
    """Trainings logged into it one after another."""
    known: bool = False
    """Whether any line of it is Caffe's or ftjob's."""

    @cached_property
    def is_of_a_run(self) -> bool:
        """Whether ftjob wrote into it."""
        return any(not line.level and _WORKER.match(line.text) for line in self.lines)

    @cached_property
    def outcome(self) -> tuple[str, str]:
        """The state in which a run ended and its worker's message; both "" where the log has neither."""
        for line in reversed(self.lines):
            if not line.level and (match := _OUTCOME.match(line.text)):
                return match[1] or match[2], match[3]
        return "", ""


def read_log(text: str) -> Log:
    """Return a log's last training, whichever program wrote or carried the log (lines.py)."""
    lines = [line for line in read_lines(text) if line.text]
    tries = [_last_attempt(each) for each in _processes(lines)]
    failed = (each for each in tries if any(line.level == "F" for line in each[0]))
    last, attempts = next(failed, tries[0])
    return Log(tuple(last), attempts, any(map(_is_known, lines)))


def is_making_a_net(lines: Sequence[LogLine]) -> bool:
    """Return whether a log ends while a net is being made."""
    of_nets = ("Creating layer ", "Creating Layer ", "Setting up ", "Network initialization done")
    last = next((line.text for line in reversed(lines) if line.level and line.text.startswith(of_nets)), "")
    return bool(last) and not last.startswith("Network")


def _is_known(line: LogLine) -> bool:
    if is_of_start(line):
        return True
    if not line.level:
        return bool(_WORKER.match(line.text) or _AROUND.match(line.text))
    elsewhere = line.place and not line.place.rpartition(":")[0].endswith((".cpp", ".cu", ".hpp"))
    return bool(CAFFE_FILE.fullmatch(line.place) or (not elsewhere and CERTAIN.match(line.text)))


def _processes(lines: Sequence[LogLine]) -> list[Sequence[LogLine]]:
    """The lines of each process, in the order of their numbers; lines of no process belong to each."""
    counts = Counter(line.source for line in lines if line.level and line.source)
    sources = {source for source, count in counts.items() if count >= _SEVERAL}
    if len(sources) < _SEVERAL:
        return [lines]
    return [
        [line for line in lines if line.source in ("", source)]
        for source in sorted(sources, key=lambda source: (len(source), source))
    ]


@dataclass(frozen=True)
class _Landmark:
    index: int
    step: int
    iteration: int
    thread: str


def _landmarks(lines: Sequence[LogLine]) -> Iterator[_Landmark]:
    for index, line in enumerate(lines):
        if line.level == "F":
            yield _Landmark(index, _FATAL, 0, line.thread)
        elif match := _STEP.match(line.text):
            step = int((match.lastgroup or "")[1:])
            yield _Landmark(index, step, int(match["iteration"] or 0), line.thread)


def _last_attempt(lines: Sequence[LogLine]) -> tuple[Sequence[LogLine], int]:
    """The lines of a process's last training, and how many trainings there are."""
    marks = list(_landmarks(lines))
    start, attempts, before = 0, 1, _Before(marks)
    for mark in marks:
        if before.is_over(mark, start):
            start, attempts, before.furthest = mark.index, attempts + 1, -1
        before.add(mark)
    return lines[start:], attempts


class _Before:
    """The landmarks so far, which show whether the next one belongs to the same training.

    Where processes train side by side and their lines are not numbered, their threads distinguish them.
    """

    def __init__(self, marks: Sequence[_Landmark]) -> None:
        self.first = {mark.thread: mark.index for mark in reversed(marks) if mark.step == _ITERATION}
        self.last = {mark.thread: mark.index for mark in marks}
        self.furthest = -1
        self.display = self.end = _Landmark(-1, -1, 0, "")

    def add(self, mark: _Landmark) -> None:
        self.furthest = max(self.furthest, mark.step)
        if mark.step == _ITERATION:
            self.display = mark
        elif mark.step > _ITERATION:
            self.end = mark

    def is_over(self, mark: _Landmark, start: int) -> bool:
        """Whether the training that began at `start` was over when this was written."""
        if mark.step < _SOLVING:
            return mark.step <= _SOLVER and self.furthest >= _NET
        if mark.step == _SOLVING:
            return self.furthest >= _ITERATION
        if mark.step > _ITERATION or self.furthest < _ITERATION:
            return False
        if self.furthest > _ITERATION:
            continues = start <= self.first[mark.thread] < self.end.index and mark.thread != self.end.thread
            return not continues
        again = self.display.thread
        apart = again == mark.thread or self.last[again] < mark.index
        return mark.iteration < self.display.iteration and apart
