"""Workers on this machine: started apart from the terminal, found again by the lock they hold."""

import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from ftjob import files
from ftjob.layout import RunFolder
from ftjob.status import State, Status


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


def worker_pid(folder: RunFolder) -> int | None:
    """Return the process id of the worker that holds the run's lock; None where there is none."""
    try:
        with folder.lock.open("r", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0) or None
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass
    return None


def ask_to_stop(folder: RunFolder, *, now: bool = False) -> bool:
    """Ask a run's worker to snapshot and stop, or kill it with `now`; return whether there was one."""
    pid = worker_pid(folder)
    if pid is None:
        return False
    os.kill(pid, signal.SIGKILL if now else signal.SIGINT)
    return True


def read_status(folder: RunFolder) -> Status:
    """Return a run's status; Interrupted where it says Running and nobody is at it."""
    alive = worker_pid(folder) is not None
    status = Status.from_json(json.loads(folder.status.read_text(encoding="utf-8")))
    if status.state is State.RUNNING and not alive:
        told = "its worker was killed: submit the same spec to go on from the last snapshot"
        return dataclasses.replace(status, state=State.INTERRUPTED, reason="WorkerGone", message=told)
    return status


def next_attempt(folder: RunFolder) -> int:
    """Return the number of the attempt that comes next: one more than the logs there are."""
    numbers = [int(path.stem.removeprefix("attempt-")) for path in folder.logs.glob("attempt-*.log")]
    return max(numbers, default=0) + 1


def log_paths(folder: RunFolder) -> list[Path]:
    """Return the logs of all attempts, the first one first."""
    return [path for number in range(1, next_attempt(folder)) if (path := folder.log(number)).exists()]
