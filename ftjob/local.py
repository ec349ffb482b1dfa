"""Workers on this machine: started apart from the terminal, found again by the lock they hold."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

from ftjob import files
from ftjob.documents import explained, read_bytes
from ftjob.errors import StorageError
from ftjob.layout import RunFolder
from ftjob.outcomes import Reason
from ftjob.status import State, Status
from ftjob.worker.lock import is_held as is_held
from ftjob.worker.lock import worker_pid as worker_pid


def start_worker(location: str, folder: RunFolder, attempt: int) -> "subprocess.Popen[bytes]":
    """Start a worker on the run at a path or URI, its log in `folder`; it outlives this process.

    Raises StorageError where the log cannot be written.
    """
    with files.explained(folder.log(attempt)):
        folder.logs.mkdir(parents=True, exist_ok=True)
        log = folder.log(attempt).open("ab")
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "ftjob", "worker", location, "--attempt", str(attempt)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def ask_to_stop(folder: RunFolder, *, now: bool = False) -> bool:
    """Ask a run's worker to snapshot and stop, or kill it with `now`; return whether there was one.

    Raises BadSpecError where it is on another machine, StorageError where it cannot be told from other
    processes or may not be signalled.
    """
    pid = worker_pid(folder)
    if pid is None:
        if is_held(folder):
            raise StorageError(f"{folder.lock}: its worker begins or ends right now: try again")
        return False
    try:
        os.kill(pid, signal.SIGKILL if now else signal.SIGINT)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise StorageError(
            f"{folder.root}: its worker, process {pid}, is another user's: ask its owner to cancel it"
        ) from error
    return True


def read_status(folder: RunFolder) -> Status:
    """Return a run's status; Interrupted where it says Running and nobody is at it. Raises StorageError."""
    alive = is_held(folder)
    with explained(folder.status):
        status = Status.parse(read_bytes(folder.status))
    if status.state is State.RUNNING and not alive:
        message = "its worker was killed: submit the same spec to go on from the last snapshot"
        return dataclasses.replace(
            status, state=State.INTERRUPTED, reason=Reason.WORKER_GONE, message=message
        )
    return status


def attempts(folder: RunFolder) -> list[int]:
    """Return the numbers of the attempts that left a log. Raises StorageError."""
    with explained(folder.logs):
        names = [path.name for path in folder.logs.iterdir()] if folder.logs.is_dir() else []
    return sorted(number for name in names if (number := folder.attempt_of(name)))


def next_attempt(folder: RunFolder) -> int:
    """Return the number of the attempt that comes next: one more than the last one that left a log."""
    return max(attempts(folder), default=0) + 1


def log_paths(folder: RunFolder) -> list[Path]:
    """Return the logs of all attempts, the first one first."""
    return [folder.log(number) for number in attempts(folder)]
