"""A finished run's folder, what may be done to it, and how a verb ends on it."""

import os
import random
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

from typer.main import get_command
from typer.testing import CliRunner

from ftjob.cli.app import app
from ftjob.client import registry as runs
from ftjob.errors import FtjobError
from ftjob.fs import files
from ftjob.runfolder.layout import BundleFolder, RunFolder
from ftjob.runfolder.records.acceptance import Acceptance, Requirement, write_acceptance
from tests.report.folders import SEVEN, write_metrics, write_run

SECONDS = 10
ACCEPTANCE = Acceptance(
    on=None,
    images=284,
    accuracy=0.75,
    requirements=(Requirement(field="accept.accuracy", met=True, message="0.7 is required"),),
)
VERBS = (
    "ls",
    "ls -o json",
    "cost",
    "cost RUN --attempts -o csv",
    "cost RUN -o json",
    "status RUN",
    "status RUN -o json",
    "watch RUN",
    "wait RUN",
    "wait RUN -o json",
    "logs RUN",
    "logs RUN -f",
    "cancel RUN",
    "cancel RUN --now",
    "retry RUN",
    "get RUN bundle",
    "lineage RUN",
    "lineage RUN -o svg",
    "promote RUN faces",
    "report RUN --to page.html",
    "report RUN --format md",
    "report RUN -o json",
    "report OTHER --against RUN --to page.html",
    "compare OTHER RUN -o json",
    "compare RUN OTHER -o html --to page.html",
    "wait RUN --junit run.xml",
    "plan --explain RUN",
)
"""All that read a run; RUN is the damaged one, OTHER a sound one."""


PROGRAM = get_command(app)
"""Made once: that takes 8 ms, as long as many a verb."""


@dataclass(frozen=True)
class Ended:
    """How a verb ended: what main() would exit with and print."""

    code: int
    out: str
    err: str


def finished(root: Path, name: str = "emotions") -> RunFolder:
    """Write the folder of a run that ended well, and have it known on this machine."""
    made = write_run(root / name)
    folder = RunFolder(root / "runs" / name / made.run_id)
    shutil.copytree(made.folder.root, folder.root)
    status = folder.status.read_text().replace('"emotions"', f'"{name}"')
    folder.status.write_text(status)
    write_acceptance(folder.acceptance, ACCEPTANCE)
    write_metrics(folder, 40)
    files.write_text(folder.log(1), "ftjob: attempt 1 begins\n")
    files.write_text(folder.log(2), "ftjob: attempt 2 begins\n")
    files.write_text(folder.train_val, 'name: "net"\n')
    files.write_text(folder.solver, "base_lr: 0.001\n")
    bundle = BundleFolder(folder.bundle)
    files.write_json(bundle.manifest, {})
    files.write_text(bundle.labels, "\n".join(SEVEN))
    files.write_text(bundle.golden / "00.png", "")
    folder.lock.touch()
    runs.remember(str(folder.root))
    return folder


def documents(folder: RunFolder, cache: Path) -> dict[str, Path]:
    """What of a run is read back, by a short name."""
    return {
        "status": folder.status,
        "plan": folder.plan,
        "evaluation": folder.evaluation,
        "predictions": folder.predictions,
        "acceptance": folder.acceptance,
        "train": folder.train_metrics,
        "tests": folder.test_metrics,
        "spec": folder.spec,
        "log": folder.log(1),
        "last log": folder.log(2),
        "lock": folder.lock,
        "net": folder.train_val,
        "solver": folder.solver,
        "note": cache / "runs" / folder.root.parent.name / f"{folder.root.name}.json",
    }


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * 2**30)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(f"/proc/self/cwd/{os.path.relpath(path)}" if len(str(path)) > 100 else str(path))


KINDS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "empty": lambda path: path.touch(),
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "/dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "/dev/tty": lambda path: path.symlink_to("/dev/tty"),
    "a loop": lambda path: path.symlink_to(path),
    "10 GB of zeros": _huge,
    "brackets": lambda path: path.write_bytes(b"[" * 100_000),
    "objects": lambda path: path.write_bytes(b'{"a":' * 100_000),
    "random bytes": lambda path: path.write_bytes(random.Random(1).randbytes(10_000)),
    "a null": lambda path: path.write_bytes(b"null\n"),
    "a list": lambda path: path.write_bytes(b"[]\n"),
    "an object": lambda path: path.write_bytes(b"{}\n"),
    "a long line": lambda path: path.write_bytes(b'"' + b"a" * 3_000_000 + b'"\n'),
}
"""What may stand in a document's place, and how to put it there."""


def put(kind: str, path: Path) -> None:
    """Put something else in the place of a file."""
    path.unlink()
    KINDS[kind](path)


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document, itself the first."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*at, key))


def changed(value: Any, at: tuple[str | int, ...], change: Callable[[Any, Any], None]) -> None:
    """Have the container of a place changed."""
    *way, last = at
    for key in way:
        value = value[key]
    change(value, last)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def ended(verb: str, run: str, other: str) -> Ended:
    """Return how a verb ends; what is no error of ftjob's is raised."""
    words = [{"RUN": run, "OTHER": other}.get(word, word) for word in verb.split()]
    with limited(SECONDS), mock.patch("typer.testing._get_command", return_value=PROGRAM):
        result = CliRunner().invoke(app, words)
    if isinstance(result.exception, FtjobError):
        return Ended(int(result.exception.exit_code), result.stdout, str(result.exception))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


def tree(root: Path) -> dict[str, tuple[int, int]]:
    """What lies below a folder, with size and time of change."""
    found = {}
    for path in root.rglob("*"):
        stat = path.lstat()
        found[str(path)] = (stat.st_size, stat.st_mtime_ns) if not path.is_dir() else (0, 0)
    return found
