"""The parent's side of an engine's process: starts it, sends requests, watches and ends it."""

import builtins
import contextlib
import io
import math
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ftjob import errors
from ftjob.engine import ShouldContinue, always
from ftjob.engine.process import wire
from ftjob.engine.threads import with_threads
from ftjob.errors import thread_limit

GRACE_SECONDS = 5.0
"""What an idle engine gets to close its files in; it needs a tenth of it."""
PATIENCE_SECONDS = 900.0
"""How long an engine may be silent: it reports every batch. Loading it and opening a net (a GPU's code may
have to be compiled first) always get at least that long."""
LOOK_SECONDS = 5.0
"""How often the log of a silent engine is looked at."""
GLOG = {"GLOG_logtostderr": "1", "GLOG_minloglevel": "0"}
"""Send Caffe's log to the attempt's, not to files in /tmp."""


@dataclass(frozen=True)
class Program:
    """What an engine's process runs, and what its failures mean."""

    name: str
    """As errors call it: Caffe, PyTorch."""
    command: tuple[str, ...]
    """Its command line, to which the pipes' ends and this process's id are added."""
    unloaded: str
    """The message of an ImportError, without its cause."""
    explain: Callable[[str, int], errors.FtjobError]
    """Turns its log and return code (negative: a signal) into an error."""


class Child:
    """One engine process, of one caller; it ends with the thread that opened it."""

    def __init__(
        self,
        program: Program,
        log: Path,
        cwd: Path | None = None,
        threads: int | None = None,
        inherit: Sequence[int] = (),
        patience_seconds: float | None = PATIENCE_SECONDS,
    ) -> None:
        """Without `patience_seconds` the parent waits for ever.

        Raises EngineError where it cannot be started or loaded.
        """
        self.log = log
        self._program = program
        self._end: errors.FtjobError | None = None
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log_start = log.stat().st_size if log.exists() else 0
        to_child, requests = os.pipe()
        replies, from_child = os.pipe()
        self._requests = os.fdopen(requests, "wb")
        self._replies = Replies(
            replies, patience_seconds and max(patience_seconds, PATIENCE_SECONDS), self._look
        )
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    [*program.command, str(to_child), str(from_child), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=cwd,
                    env=with_threads({**os.environ, **GLOG}, threads),
                    pass_fds=(to_child, from_child, *inherit),
                    start_new_session=True,  # the terminal's Ctrl-C is for the worker
                )
        except OSError as error:
            self._close_pipes()
            raise thread_limit.meant_by(error) or errors.EngineError(
                f"{program.command[0]} cannot be started: {error.strerror}"
            ) from error
        finally:
            os.close(to_child)
            os.close(from_child)
        try:
            with self._ending_on_error():
                self._reply()  # it is loaded
        except BaseException:
            self.close()
            raise

    def call(
        self,
        command: str,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        *,
        should_continue: ShouldContinue = always,
        **fields: object,
    ) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
        """Send a command and wait for its reply. The process's death ends the wait at once.

        `should_continue` is called at every sign of life; False ends the command early.
        """
        self.send(command, arrays, **fields)
        halted = False
        while True:
            header, found = self.receive()
            if header.get("done", True):
                return header, found
            if not halted and not should_continue(header["share"]):
                halted = True
                self.send("halt")

    def be_patient(self, seconds: float | None) -> None:
        """Wait that long for each sign of life from now on; None: for ever."""
        self._replies.patience_seconds = seconds

    def send(self, command: str, arrays: Mapping[str, NDArray[Any]] | None = None, **fields: object) -> None:
        """Send a command."""
        if self._end:
            raise errors.EngineError(f"the engine ended before: {self._end}")
        with self._ending_on_error():
            try:
                wire.send(self._requests, {"command": command, **fields}, arrays or {})
            except BrokenPipeError:
                raise self._death() from None

    def receive(self) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
        """Wait for a reply. Raises EngineSilentError, with the process killed, where none comes in time."""
        with self._ending_on_error():
            return self._reply()

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """End the process, and wait until it is gone."""
        self._close_pipes()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the process; one that a driver keeps from ending is abandoned."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        self._close_pipes()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _reply(self) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
        try:
            header, arrays = wire.receive(self._replies)
        except EOFError:
            raise self._death() from None
        except TimeoutError:
            minutes = (self._replies.patience_seconds or 0.0) / 60
            raise errors.EngineSilentError(
                f"{self._program.name} gave no sign of life for {minutes:g} minutes and was killed"
            ) from None
        if "error" in header:
            raise _RefusalError(error_of(self._program, header["error"], header["message"]))
        return header, arrays

    def _death(self) -> errors.FtjobError:
        self._process.wait()
        return self._program.explain(self._log_since_start(), self._process.returncode)

    def _look(self) -> None:
        """Raise EngineError where the log shows that a library got no threads: OpenBLAS waits for them
        for ever, since the SIGINT with which it would end the process is ignored there."""
        if refused := thread_limit.shown_in(self._log_since_start()):
            raise refused

    def _log_since_start(self) -> str:
        with self.log.open("rb") as stream:
            stream.seek(self._log_start)
            return stream.read().decode(errors="replace")

    @contextlib.contextmanager
    def _ending_on_error(self) -> Iterator[None]:
        """End the process unless the reply was read to its end: a half-read pipe is of no further use."""
        try:
            yield
        except _RefusalError as refused:
            raise refused.error from None
        except BaseException as error:
            self._end = error if isinstance(error, errors.FtjobError) else errors.EngineError(repr(error))
            self.kill()
            raise

    def _close_pipes(self) -> None:
        for stream in (self._requests, self._replies):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


class Replies(io.FileIO):
    """The pipe on which an engine replies, read with patience."""

    def __init__(self, fd: int, patience_seconds: float | None, look: Callable[[], None]) -> None:
        """`look` is called now and then while nothing comes; what it raises ends the wait."""
        super().__init__(fd)
        self.patience_seconds = patience_seconds
        self._look = look

    def readinto(self, buffer: Any, /) -> int:
        """Read what is available, at least a byte; 0 at the end of the pipe. Raises TimeoutError."""
        left = math.inf if self.patience_seconds is None else self.patience_seconds
        end = time.monotonic() + left
        while not select.select([self], [], [], min(left, LOOK_SECONDS))[0]:
            self._look()
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
        return super().readinto(buffer)


class _RefusalError(Exception):
    """The engine replied with an error, and is still usable."""

    def __init__(self, error: errors.FtjobError) -> None:
        super().__init__(str(error))
        self.error = error


def error_of(program: Program, name: str, message: str) -> errors.FtjobError:
    """Return the error that an exception of that name in a program's process means."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, errors.FtjobError):
        return kind(message)
    if name == "ImportError":
        return errors.EngineError(f"{program.unloaded}: {message}")
    if refused := thread_limit.named(name, message):
        return refused
    if issubclass(getattr(builtins, name, object), OSError):
        return errors.StorageError(message)
    return errors.EngineError(f"{program.name}'s process raised {name}: {message}")
