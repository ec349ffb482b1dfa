"""PyTorch's process by fork, from a server that imported it once and never computed: 20 ms instead of 2 s."""

import contextlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from multiprocessing import reduction, spawn
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any
from unittest import mock

from ftjob.engine import child
from ftjob.engine.torch.client import PROGRAM

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["ftjob.engine.torch.process.server"])


class Forked:
    """What ftjob.engine.child asks of a subprocess.Popen."""

    def __init__(self, arguments: Sequence[str], log: int, cwd: Path | None, pipes: Sequence[int]) -> None:
        self._process = SERVER.Process(target=serve, args=(Handles(log, pipes), arguments, cwd))
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("torch", timeout or 0)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()


class Handles:
    """File descriptors on their way into the forked process."""

    def __init__(self, log: int, pipes: Sequence[int]) -> None:
        self.log, self.pipes = log, pipes

    def __reduce__(self) -> tuple[Any, ...]:
        return received, (reduction.DupFd(self.log), [reduction.DupFd(pipe) for pipe in self.pipes])


def received(log: Any, pipes: Sequence[Any]) -> Handles:
    return Handles(log.detach(), [pipe.detach() for pipe in pipes])


def serve(handles: Handles, arguments: Sequence[str], cwd: Path | None) -> None:
    """Be an engine's process, as ftjob.engine.torch.process is one."""
    from ftjob.engine.process import serving
    from ftjob.engine.torch.process.__main__ import load

    os.setsid()
    os.chdir(cwd or Path.cwd())
    for stream in (sys.stdout, sys.stderr):
        os.dup2(handles.log, stream.fileno())
    requests, replies = handles.pipes[:2]
    serving.serve(load, [str(requests), str(replies), str(os.getppid()), *arguments])


def start(command: Sequence[str], **settings: Any) -> "Forked | subprocess.Popen[bytes]":
    """Start an engine's process: PyTorch's by fork, any other as it is."""
    program = len(PROGRAM.command)
    if tuple(command[:program]) != PROGRAM.command:
        return subprocess.Popen(command, **settings)
    log: IO[bytes] = settings["stdout"]
    return Forked(command[program + 3 :], log.fileno(), settings["cwd"], settings["pass_fds"])


@contextlib.contextmanager
def quick_torch() -> Iterator[None]:
    """Have PyTorch's processes forked for as long as this lasts."""
    names = {name: getattr(subprocess, name) for name in ("DEVNULL", "TimeoutExpired")}
    with (
        mock.patch.object(child, "subprocess", SimpleNamespace(Popen=start, **names)),
        # A forked process needs nothing of __main__, which would be run in it.
        mock.patch.object(spawn, "get_preparation_data", return_value={"sys_path": sys.path}),
    ):
        yield
