"""The lock of a run's folder, and who holds it.

The lock itself is the kernel's (flock) and ends with the process that holds it. The file's content is a claim
that anybody may have written, on this machine or, on a shared file system, on another: it helps to find the
worker, and is never enough to signal a process.
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Interval

from ftjob.errors import BadSpecError, StorageError
from ftjob.fs import files, flock
from ftjob.fs.documents import check_regular, explained, opened, parse_as, read_bytes
from ftjob.runfolder.address import work_folder
from ftjob.runfolder.layout import RunFolder

LARGEST = 1024
"""Bytes of a lock file."""
PROC = Path("/proc")
BOOT_ID = PROC / "sys/kernel/random/boot_id"

Pid = Annotated[int, Interval(ge=2, le=2**31 - 1)]
"""0 and -1 mean many processes to kill(2), and 1 is everybody's parent."""


@dataclass(frozen=True)
class Holder:
    """The content of a lock: the worker that holds it."""

    pid: Pid
    host: str
    boot: str
    """Of the host: process ids count from its start."""
    started: Annotated[int, Interval(ge=0, le=2**63)]
    """When the process started, in clock ticks since the boot: process ids are reused, this is not."""


PATIENCE_SECONDS = 2.0
"""How long a lock may be held by a process that it does not name, as between two workers."""


def boot_id() -> str:
    """Return the id of this machine's boot; empty where it has none."""
    return BOOT_ID.read_text(encoding="ascii").strip() if BOOT_ID.exists() else ""


@contextmanager
def only_worker(folder: RunFolder) -> Iterator[None]:
    """Hold the folder's lock for this process. Raises StorageError where another process holds it."""
    with files.explained(folder.lock):
        folder.root.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        handle = os.open(folder.lock, flags, 0o644)
    with os.fdopen(handle, "r+b", buffering=0) as lock:
        with explained(folder.lock):
            check_regular(handle)
        if not flock.acquire(handle, wait=False):
            raise StorageError(f"{folder.root}: another worker is running this run: wait for it or cancel it")
        holder = Holder(os.getpid(), socket.gethostname(), boot_id(), _started(os.getpid()) or 0)
        lock.truncate(0)
        lock.write(json.dumps(asdict(holder)).encode() + b"\n")
        yield
        lock.truncate(0)


def is_held(folder: RunFolder) -> bool:
    """Return whether a worker holds the folder's lock, on this machine or, on a shared file system, on
    another. Raises StorageError where that is no lock file."""
    with explained(folder.lock):
        try:
            with opened(folder.lock) as lock:
                return not flock.acquire(lock.fileno(), shared=True, wait=False)
        except (FileNotFoundError, NotADirectoryError):
            return False


def worker_pid(folder: RunFolder) -> int | None:
    """Return the process id of the folder's worker; None without one, or while it begins or ends.

    The process is verified: it has run on this host since the moment in the lock, and is `ftjob worker` of
    this folder. Raises BadSpecError for a worker on another host, StorageError where the lock does not
    identify the process.
    """
    patience = time.monotonic() + PATIENCE_SECONDS
    while is_held(folder):
        holder = _holder(folder.lock)
        if holder is None:
            return None
        if isinstance(holder, Holder) and (holder.host, holder.boot) != (socket.gethostname(), boot_id()):
            raise BadSpecError(f"{folder.root}: its worker runs on host {holder.host}: cancel it there")
        pid = holder.pid if isinstance(holder, Holder) else holder
        is_same = not isinstance(holder, Holder) or _started(pid) == holder.started
        if is_same and _works_at(pid, folder):
            return pid
        if time.monotonic() > patience:
            raise StorageError(
                f"{folder.lock}: names process {pid}, which is not this run's worker, and another process "
                "holds it: nothing was signalled; stop the worker by hand"
            )
        time.sleep(0.05)  # it is ending, or the next one has not written its claim yet
    return None


def _holder(path: Path) -> Holder | int | None:
    """Return the content of a lock: None while it is empty, a process id where an older ftjob wrote it."""
    with explained(path):
        data = read_bytes(path, LARGEST)
        if not data.strip():
            return None
        if data.strip().isdigit():
            return parse_as(Pid, data)
        return parse_as(Holder, data)


def _started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the boot (proc(5), stat's field 22)."""
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    return int(stat.rpartition(b")")[2].split()[19])  # the name before it may have any character


def _works_at(pid: int, folder: RunFolder) -> bool:
    """Return whether a process is `ftjob worker` of that folder."""
    process = PROC / str(pid)
    try:
        words = [os.fsdecode(word) for word in (process / "cmdline").read_bytes().split(b"\0")]
        location = words[words.index("worker") + 1]
        at = work_folder(location).root if "://" in location else process / "cwd" / location
        return at.samefile(folder.root)
    except (OSError, ValueError, IndexError):
        return False
