"""Starts of ftjob and of PyTorch's process, by fork from a server where there is one (tests.forked.server).

A start of ftjob takes 0.3 to 0.8 s of a processor and PyTorch's 2 s, nearly all of it for imports; a fork
takes 10 ms.
"""

import atexit
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
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

FTJOB = (sys.executable, "-m", "ftjob")
COMMANDS = {"ftjob": FTJOB, "torch": PROGRAM.command}
LOAD_SECONDS = 120.0
LONGEST = 16384
"""Bytes of a forked process's command line."""
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP")}
"""The order of additions must not depend on the number; and threads are no help to a fork."""

Stream = IO[Any] | int | None


class Forked:
    """A process that a server forked, with what callers use of a subprocess.Popen."""

    def __init__(
        self,
        server: Path,
        command: Sequence[str],
        words: int,
        *,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        start_new_session: bool = False,
    ) -> None:
        """The first `words` of the command are what the server stands for.

        A stream is a file, its number, DEVNULL or None for this process's own.
        """
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.connect(str(server))
        start = {
            "command": list(command),
            "words": words,
            "folder": str(cwd or Path.cwd()),
            "environment": dict(os.environ if env is None else env),
            "session": start_new_session,
            "memory": resource.getrlimit(resource.RLIMIT_DATA),
            "files": [0, 1, 2, *pass_fds],
            "forks": sorted(Servers.names),
        }
        with contextlib.ExitStack() as stack:
            nothing = stack.enter_context(Path(os.devnull).open("r+b"))
            streams = [
                _number(each, own, nothing.fileno()) for own, each in enumerate((stdin, stdout, stderr))
            ]
            socket.send_fds(self._connection, [json.dumps(start).encode()], [*streams, *pass_fds])
        self.pid = int(self._connection.recv(32))

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = int(self._connection.recv(32))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("a forked process", timeout or 0) from None
            self._connection.close()
        return self.returncode

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __del__(self) -> None:
        self._connection.close()  # the process goes on, and nobody waits for it


def _number(stream: Stream, own: int, nothing: int) -> int:
    if stream is None:
        return own
    if stream == subprocess.DEVNULL:
        return nothing
    return stream if isinstance(stream, int) else stream.fileno()


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
        return Forked(server, command, begin, **settings)
    return subprocess.Popen(command, **settings)


def run(command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a program in a folder to its end, and return what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = popen(command, cwd=folder, stdout=out, stderr=err).wait()
        texts = [_text(each) for each in (out, err)]
    return subprocess.CompletedProcess(command, code, *texts)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


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
