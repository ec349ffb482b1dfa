"""Workers on this machine: started apart from the terminal, found again by the lock they hold."""

import os
import signal
import subprocess
import sys

from ftjob.errors import StorageError
from ftjob.fs import files
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.lock import is_held, worker_pid


def start_worker(
    location: str, folder: RunFolder, attempt: int, *, sweep: bool = False
) -> "subprocess.Popen[bytes]":
    """Start a worker on the run, or the `sweep`, at a path or URI, its log in `folder`; it outlives this
    process.

    Raises StorageError where the log cannot be written.
    """
    with files.explained(folder.log(attempt)):
        folder.logs.mkdir(parents=True, exist_ok=True)
        log = folder.log(attempt).open("ab")
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "ftjob", "worker", location, "--attempt", str(attempt)]
            + ["--sweep"] * sweep,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def ask_to_stop(folder: RunFolder, *, now: bool = False) -> bool:
    """Ask a run's worker to snapshot and stop, or kill it with `now`; return whether there was one.

    Raises BadSpecError where it is on another machine, StorageError where it cannot be identified
    among other processes or may not be signalled.
    """
    pid = worker_pid(folder)
    if pid is None:
        if is_held(folder):
            raise StorageError(f"{folder.lock}: its worker is just starting or ending: try again")
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
