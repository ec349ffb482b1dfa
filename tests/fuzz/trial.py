"""One input tried: in a forked process with limits, watched, and held to the law."""

import contextlib
import ctypes
import fcntl
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import cv2

from ftjob.__main__ import main
from ftjob.errors import ExitCode
from tests.forked import preload
from tests.fuzz import objects, world
from tests.fuzz.case import Case
from tests.fuzz.kinds import KINDS
from tests.fuzz.places import BYSTANDER

CPU_SECONDS = 10
MOST_MEMORY = 600 * 10**6
"""Bytes of the process's own."""
PATIENCE_SECONDS = 25.0
"""What hangs is not told apart from a busy machine sooner."""
MOST_WRITTEN = 2**30
"""Bytes of one file: the disk may be memory."""
CODES = frozenset(ExitCode)
SHOWN = frozenset("\n\t")
BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    **dict.fromkeys(("os.remove", "os.rmdir"), ((0, 1),)),
    **dict.fromkeys(("os.mkdir", "os.chmod"), ((0, 2),)),
    "os.truncate": ((0, None),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
}
"""Audit events of changes: which of their arguments are paths, and which the folders that those are in."""
PR_SET_PDEATHSIG = 1
FREE = ("/dev/null", "/dev/tty")


@dataclass(frozen=True)
class Ending:
    """How an input ended."""

    case: Case
    code: int
    """Of the process; negative for a signal."""
    output: str
    """What reached the terminal."""
    problems: tuple[str, ...]
    """How it breaks the law; none where it does not."""
    cpu_seconds: float
    memory: int
    """The most bytes of its own."""


class Bench:
    """A folder in memory with the good files, of which each input is made anew."""

    def __init__(self, root: Path, engines: Path) -> None:
        """Make the good files, which takes some seconds, and load what each forked process would load."""
        preload.load(*preload.ENGINES, "ftjob.engine.torch")
        cv2.setNumThreads(1)  # a forked process waits without end for threads that it has not
        self.root = root
        self.good = root / "good"
        world.build(self.folder, engines)
        self.folder.rename(self.good)
        (root / BYSTANDER).write_text("nobody's business\n")

    @property
    def folder(self) -> Path:
        """Where inputs lie: the same place in which the good files were made."""
        return self.root / "input"

    def try_case(self, case: Case) -> Ending:
        """Make an input and try it; it stays there until the next."""
        self.clear()
        shutil.copytree(self.good, self.folder, symlinks=True)
        command = case.command(self.folder)
        case.apply(self.folder)
        return self.run(case, command)

    def run(self, case: Case, command: list[str]) -> Ending:
        """Call a verb on the input that is there."""
        output, audit, traces = (self.root / name for name in ("output", "audit", "traces"))
        for file in (output, audit, traces):
            file.write_bytes(b"")
        sys.stdout.flush()
        sys.stderr.flush()
        with self.held(KINDS[case.kind].held):
            watched = self.forked(case, command, output, audit)
        text = output.read_bytes().decode(errors="replace")
        problems = list(_judged(watched, text, self.folder))
        problems += sorted(set(audit.read_text(errors="replace").splitlines()))
        if (self.root / BYSTANDER).read_text(errors="replace") != "nobody's business\n":
            problems.append("wrote into a file beside the input")
            (self.root / BYSTANDER).write_text("nobody's business\n")
        return Ending(case, watched.code, text, tuple(problems), watched.cpu_seconds, watched.memory)

    def forked(self, case: Case, command: list[str], output: Path, audit: Path) -> "_Watched":
        """Call a verb in a process of its own and wait for its end."""
        child = os.fork()
        if not child:
            writable = [*world.WRITABLE, *KINDS[case.kind].writes]
            _become(command, self.folder, writable, output, audit)
        return _watch(child)

    @contextlib.contextmanager
    def held(self, pattern: str) -> Iterator[None]:
        """Hold the lock of a file of the input, where it is one, as a worker does."""
        files = [path for path in self.folder.glob(pattern) if path.is_file()] if pattern else []
        with contextlib.ExitStack() as stack:
            for path in files:
                fcntl.flock(stack.enter_context(path.open("rb")), fcntl.LOCK_EX)
            yield

    def keep(self, ending: Ending, folder: Path) -> None:
        """Keep an input in a folder: what it is made of, and its very files, pipes and links as they are."""
        ending = self.try_case(ending.case)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = ["cp", "--archive", "--sparse=always", str(self.folder), str(folder / "input")]
        subprocess.run(command, check=True)
        (folder / "case.json").write_text(ending.case.text())
        (folder / "output.txt").write_text("\n".join([*ending.problems, "", ending.output[:100_000]]))

    def again(self, folder: Path) -> Ending:
        """Try an input that was kept."""
        self.clear()
        case = Case.of((folder / "case.json").read_text())
        command = ["cp", "--archive", "--sparse=always", str(folder / "input"), str(self.folder)]
        subprocess.run(command, check=True)
        return self.run(case, case.command(self.good))

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def smallest(self, ending: Ending) -> Ending:
        """Leave out edits for as long as the law is broken in the same way."""
        for edit in ending.case.edits if len(ending.case.edits) > 1 else ():
            rest = tuple(each for each in ending.case.edits if each != edit)
            if rest:
                less = self.try_case(Case(ending.case.kind, ending.case.verb, rest))
                if [kind_of(each) for each in less.problems] == [kind_of(each) for each in ending.problems]:
                    ending = less
        return ending


@contextlib.contextmanager
def bench(engines: Path) -> Iterator[Bench]:
    """A bench in a folder of its own, in memory where there is such a disk."""
    disk = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=disk if disk.is_dir() else None, prefix="fuzz-") as root:
        yield Bench(Path(root), engines)


def kind_of(problem: str) -> str:
    """A problem without names and numbers: what those of one cause have in common."""
    return re.sub(r"\d+", "N", re.sub(r"'[^']*'|\"[^\"]*\"|/\S+", "…", problem))[:160]


@dataclass(frozen=True)
class _Watched:
    code: int
    cpu_seconds: float
    memory: int
    hung: bool


def _watch(child: int) -> _Watched:
    """Wait for a process, and end it where it takes too much."""
    handle, begin, most = os.pidfd_open(child), time.monotonic(), 0
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    hung = False
    while not waiting.poll(20):
        most = max(most, _own_bytes(child))
        hung = time.monotonic() - begin > PATIENCE_SECONDS
        if hung or most > MOST_MEMORY:
            os.kill(child, signal.SIGKILL)
    os.close(handle)
    _, status, usage = os.wait4(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    seconds = usage.ru_utime + usage.ru_stime
    return _Watched(os.waitstatus_to_exitcode(status), seconds, most, hung)


def _own_bytes(process: int) -> int:
    """Return what a process has written that it does not share with the one that it was forked from."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"Private_Dirty:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


def _judged(watched: _Watched, text: str, folder: Path) -> Iterator[str]:
    """Yield what of the law is broken by how a process ended, and by what it printed."""
    if watched.hung:
        yield "hangs"
    elif watched.memory > MOST_MEMORY:
        yield f"takes more than {MOST_MEMORY / 1e6:.0f} MB"
    elif watched.code == -signal.SIGXCPU or watched.cpu_seconds > CPU_SECONDS + 2:
        yield f"takes more than {CPU_SECONDS} s of a processor"
    elif watched.code not in CODES:
        yield f"ends with {watched.code}: {_reason(text, folder)}"
    if "Traceback (most recent call last)" in text:
        yield "prints a traceback"
    odd = {char for char in text if char not in SHOWN and (unprintable(char))}
    if odd:
        yield f"prints {', '.join(f'U+{ord(char):04X}' for char in sorted(odd)[:5])}"


def unprintable(char: str) -> bool:
    """Return whether a terminal may act on a character, or show others in another order."""
    return char in BIDIRECTIONAL or unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs")


def _reason(text: str, folder: Path) -> str:
    """The last line of a traceback, which an unforeseen error leaves in a log, and where ftjob raised it."""
    logs = [path.read_text(errors="replace") for path in (folder / "cache" / "errors").glob("*.log")]
    lines = "\n".join([*logs, text]).strip().splitlines() or ["no word"]
    where = [re.sub(r'.*/(\w+\.py)", line (\d+).*', r"\1:\2", line) for line in lines if "/ftjob/" in line]
    last = next(
        (line for line in reversed(lines) if re.match(r"[\w.]+(Error|Exception|Exit)\b", line)), lines[-1]
    )
    return f"{last[:150]} ({where[-1] if where else '?'})"


def _become(command: list[str], folder: Path, writable: list[str], output: Path, audit: Path) -> NoReturn:
    """Be the program ftjob in a forked process, until it ends."""
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # who hangs does not outlive who watches
        for file, number in ((os.devnull, 0), (output, 1), (output, 2)):
            os.dup2(os.open(file, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND), number)
        notes = os.open(audit, os.O_WRONLY | os.O_APPEND)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 2))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_WRITTEN, MOST_WRITTEN))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(folder)
        environment = {**world.environment(folder), "COLUMNS": "100"}
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = None
        sys.dont_write_bytecode = True
        sys.stdin, sys.stdout = open(0), open(1, "w", encoding="utf-8")  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        sys.argv = ["ftjob", *command]
        sys.addaudithook(_auditor([str(folder / each) for each in writable], notes))
        code = _code_of(main if command[0] != objects.VERB else lambda: objects.decide_file(Path(command[1])))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - nothing of this process may go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)


def _code_of(program: Callable[[], object]) -> int:
    """Return the exit code that the interpreter would end with."""
    try:
        program()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - that is what is looked for
        traceback.print_exc()
        return 1
    return 0


def _auditor(writable: list[str], notes: int) -> Callable[[str, tuple[Any, ...]], None]:
    """Return a hook that notes and refuses what a verb must not do: write elsewhere, signal others."""
    allowed = (*writable, *FREE)

    def refuse(what: str) -> NoReturn:
        os.write(notes, f"{what}\n".encode(errors="backslashreplace"))
        raise PermissionError(1, what)

    def check(path: Any, follows: bool, event: str, folder: int | None = None) -> None:
        if isinstance(path, int) or path is None:
            return
        named = Path(os.fsdecode(path))
        if folder is not None and folder >= 0:
            named = Path(f"/proc/self/fd/{folder}").readlink() / named
        real = named.resolve() if follows else named.parent.resolve() / named.name
        if event == "os.mkdir" and real.exists():  # which fails, and is asked for nonetheless
            return
        if not any(real.is_relative_to(place) for place in allowed):
            refuse(f"changes {str(real)!r}, which is not its own ({event})")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _mode, flags = arguments
            if isinstance(flags, int) and flags & WRITES:
                check(path, not flags & os.O_NOFOLLOW, event)
        elif event in CHANGES:
            for path, folder in CHANGES[event]:
                check(arguments[path], False, event, None if folder is None else arguments[folder])
        elif event in ("os.kill", "os.killpg"):
            process, number = arguments
            if number and process != os.getpid() and not _is_own_child(process):
                refuse(f"signals process {process}, which is not its own")

    return hook


def _is_own_child(process: int) -> bool:
    try:
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, ValueError, OverflowError, OSError):
        return False
    return True
