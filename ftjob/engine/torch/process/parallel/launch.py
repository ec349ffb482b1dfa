"""The first rank's control of the others: it starts them, sends them commands and ends with them."""

import atexit
import contextlib
import json
import os
import select
import subprocess
import sys
import threading
from typing import BinaryIO

from ftjob.caffelog.exits import ended_by
from ftjob.engine.process import wire
from ftjob.engine.torch.process.parallel.ranks import NOTICE_SECONDS, RankContext
from ftjob.engine.torch.rank_end import end_line
from ftjob.errors import EngineError

GRACE_SECONDS = 2.0
"""How long to wait for a killed process to exit."""


class Launch:
    """The processes of the other ranks: they end with this one, and this one ends with any of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._store = os.memfd_create("ranks")
        self._closing = False
        self._commands: list[BinaryIO] = []
        self._reports: dict[int, int] = {}
        """Ranks by the descriptor of the pipe on which each reports its failure."""
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        atexit.register(self.close)
        for rank in range(1, size):
            self._start(rank)
        self._watcher = threading.Thread(target=self._watch, name="ranks", daemon=True)
        self._watcher.start()

    @property
    def rank_context(self) -> RankContext:
        """The context of the first rank."""
        return RankContext(0, self.size, self._store, self.send_command, self._await_watcher)

    def send_command(self, command: str, **fields: object) -> None:
        """Send all other ranks a command."""
        for stream in self._commands:
            try:
                wire.send(stream, {"command": command, **fields}, {})
            except BrokenPipeError:
                self._await_watcher()

    def close(self) -> None:
        """End the other processes and this one: PyTorch's own shutdown waits for ranks that are gone."""
        self._end()
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):  # a driver may keep it for a while
                process.wait(GRACE_SECONDS)
        sys.stderr.flush()
        os._exit(0)

    def _start(self, rank: int) -> None:
        commands, to_rank = os.pipe()
        from_rank, reports = os.pipe()
        inherited = (self._store, commands, reports)
        words = map(str, (rank, self.size, *inherited, os.getpid()))
        try:
            self._processes[rank] = subprocess.Popen(
                [sys.executable, "-P", "-m", "ftjob.engine.torch.process.parallel", *words],
                stdin=subprocess.DEVNULL,
                pass_fds=inherited,
            )
        except OSError as error:
            raise EngineError(f"{sys.executable} cannot be started: {error.strerror}") from error
        finally:
            os.close(commands)
            os.close(reports)
        self._commands.append(os.fdopen(to_rank, "wb"))
        self._reports[from_rank] = rank

    def _watch(self) -> None:
        """Wait for the first rank that ends, and end this process: it may be in the middle of an exchange,
        where only that ends it. The log's last line has the reason, which the parent reads."""
        ready = select.select([*self._reports], [], [])[0][0]
        rank = self._reports[ready]
        with os.fdopen(ready, "rb") as stream:
            report = stream.read()
        if self._closing:
            return
        name, message = json.loads(report) if report else (EngineError.__name__, self._death(rank))
        self._end()
        sys.stderr.write(end_line(rank, self.size, name, message))
        sys.stderr.flush()
        os._exit(1)

    def _death(self, rank: int) -> str:
        code = self._processes[rank].wait()
        return f"ended with exit code {code}" if code >= 0 else f"was ended by {ended_by(-code)}"

    def _await_watcher(self) -> None:
        """Wait for `_watch` to see which rank is lost."""
        self._watcher.join(NOTICE_SECONDS)

    def _end(self) -> None:
        self._closing = True
        for process in self._processes.values():
            process.kill()
