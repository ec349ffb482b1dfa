"""Servers as child processes that cannot outlive their users, and locks on files."""

import ctypes
import fcntl
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Be killed when the parent ends (for Popen's preexec_fn)."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something; fail, saying what, where it takes too long.

    Looks are rarer the longer it takes, so as not to hinder what is waited for.
    """
    begin = time.monotonic()
    while not true():
        waited = time.monotonic() - begin
        assert waited < seconds, f"{what}: not after {seconds} s"
        time.sleep(min(max(0.05, waited / 20), 0.5))


def listens(port: int) -> bool:
    """Return whether somebody accepts connections on a port of the loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def locked(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[IO[bytes]]:
    """Hold a lock on a file; the kernel lets go of it when the process ends, however it does."""
    with path.open("ab") as file:
        fcntl.flock(file, kind)
        yield file


def wait_until_free(path: Path) -> IO[bytes]:
    """Wait until nobody holds a lock on a file, and hold it."""
    file = path.open("ab")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file
