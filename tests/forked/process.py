"""A process that a server forks (tests.forked.server); this needs the standard library only."""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

Stream = IO[Any] | int | None


class Forked:
    """A process that a server forked, with what callers use of a subprocess.Popen."""

    def __init__(
        self,
        server: Path,
        command: Sequence[str],
        words: int,
        forks: Iterable[str],
        *,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        start_new_session: bool = False,
    ) -> None:
        """The first `words` of the command are what the server stands for, which may ask the servers `forks`.

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
            "forks": sorted(forks),
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

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

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
