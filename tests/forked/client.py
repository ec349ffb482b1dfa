"""Starts of ftjob and of PyTorch's process, by fork from a server where there is one (tests.forked.server).

A start of ftjob takes 0.3 to 0.8 s of a processor and PyTorch's 2 s, nearly all of it for imports; a fork
takes 10 ms.
"""

import atexit
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any
from unittest import mock

from ftjob.client import processes
from ftjob.engine import child
from ftjob.engine.torch.client import PROGRAM
from tests.forked.process import Forked

FTJOB = (sys.executable, "-m", "ftjob")
COMMANDS = {"ftjob": FTJOB, "cluster": FTJOB, "torch": PROGRAM.command}
"""By the name of their server. That of ftjob on a cluster has imported the Kubernetes client too."""
LOAD_SECONDS = 120.0
LONGEST = 16384
"""Bytes of a forked process's command line."""
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP")}
"""The order of additions must not depend on the number; and threads are no help to a fork."""


class Servers:
    """The servers that this process may ask: their names, and the folder of their sockets."""

    folder: Path | None = None
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, command: Sequence[str]) -> tuple[Path, int] | None:
        """Return the socket of a command's server and how many words it stands for, if there is one."""
        for name in cls.names:
            begin = COMMANDS[name]
            if tuple(command[: len(begin)]) == begin and cls.folder and (cls.folder / name).exists():
                return cls.folder / name, len(begin)
        return None


def popen(command: Sequence[str], **settings: Any) -> "Forked | subprocess.Popen[bytes]":
    """Start a program: by fork where it has a server, and else as it is."""
    if found := Servers.of(command):
        server, begin = found
        return Forked(server, command, begin, Servers.names, **settings)
    return subprocess.Popen(command, **settings)


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a program in a folder to its end, and return what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = popen(command, cwd=folder, stdout=out, stderr=err, env=environment).wait()
        texts = [_text(each) for each in (out, err)]
    return subprocess.CompletedProcess(command, code, *texts)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


def script(command: Sequence[str]) -> str:
    """Return the text of a program that is this command with the words it is given: for shells to start."""
    root = Path(__file__).parents[2]
    if found := Servers.of(command):
        server, begin = found
        words = [sys.executable, "-S", str(root / "tests/forked/start.py"), str(server), str(begin), *command]
    else:
        words = ["env", f"PYTHONPATH={root}", *command]
    return f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'


def fork_from(folder: Path) -> None:
    """Have the processes that this one forks start programs from the servers in a folder, as far as those who
    ask for them do."""
    Servers.folder = folder
    for module in USERS:
        module.subprocess = STAND_IN  # type: ignore[attr-defined]


STAND_IN = SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired)
"""What these modules use of subprocess."""
USERS = (processes, child)


def start_server(name: str) -> None:
    """Start a server that ends with this process, unless it runs already."""
    if Servers.folder is None:
        Servers.folder = Path(tempfile.mkdtemp(prefix="forked-"))
        atexit.register(shutil.rmtree, Servers.folder, ignore_errors=True)
    socket_file, log = Servers.folder / name, Servers.folder / f"{name}.log"
    if socket_file.exists():
        return
    root = Path(__file__).parents[2]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.forked.server", str(Servers.folder), name, "-" * LONGEST],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=root,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(root)},
            start_new_session=True,
        )
    atexit.register(server.communicate)  # which closes its standard input
    end = time.monotonic() + LOAD_SECONDS
    while not socket_file.exists():
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < end, f"{name} took too long to import"
        time.sleep(0.02)


@contextlib.contextmanager
def quick(*names: str) -> Iterator[None]:
    """Have these programs forked for as long as this lasts."""
    for name in names:
        start_server(name)
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(Servers, "names", frozenset(names)))
        for module in USERS:
            stack.enter_context(mock.patch.object(module, "subprocess", STAND_IN))
        yield
