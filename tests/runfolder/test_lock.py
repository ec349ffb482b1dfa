"""A worker is signalled when it is proven to be that run's, on this host; nothing else ever is."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ftjob.client import processes as local
from ftjob.client.local_run import Run
from ftjob.errors import BadSpecError, FtjobError, StorageError
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.lock import boot_id, only_worker

WORKER = """\
import signal, sys, time
from ftjob.runfolder.address import work_folder
from ftjob.runfolder.lock import only_worker
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
with only_worker(work_folder(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "emotions" / "1f3b")
    run.root.mkdir(parents=True)
    return run


@pytest.fixture
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that nobody may signal; it is alive at the end."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    assert process.poll() is None, "somebody signalled it"
    process.kill()
    process.wait()


@contextmanager
def a_worker(location: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that looks like `ftjob worker LOCATION`, and holds the lock as one does."""
    command = [sys.executable, "-c", WORKER, "worker", location]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@contextmanager
def held_with(folder: RunFolder, text: str) -> Iterator[None]:
    """The lock held by this process, with a text of anybody's in it."""
    with folder.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(text)
        lock.flush()
        yield


def started(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def claim(pid: int, **changes: Any) -> str:
    """What a worker of that process id writes."""
    record = {"pid": pid, "host": socket.gethostname(), "boot": boot_id(), "started": 0, **changes}
    return json.dumps(record)


@pytest.mark.parametrize(("now", "code"), [(False, -signal.SIGINT), (True, -signal.SIGKILL)])
def test_a_runs_worker_is_signalled(folder: RunFolder, now: bool, code: int):
    """Gracefully, or with `now` for good."""
    with a_worker(str(folder.root)) as worker:
        assert local.worker_pid(folder) == worker.pid
        assert Run(str(folder.root)).cancel(now=now)
        assert worker.wait(120) in (code, 1)  # Python's own answer to SIGINT may be 1


def test_a_folder_by_another_path_is_the_same_folder(folder: RunFolder, tmp_path: Path):
    """A worker that was started through a link is found by the folder."""
    (tmp_path / "link").symlink_to(tmp_path / "emotions")
    with a_worker(str(tmp_path / "link" / "1f3b")) as worker:
        assert local.worker_pid(folder) == worker.pid


def test_a_lock_that_is_not_held_means_nobody(folder: RunFolder, bystander: "subprocess.Popen[bytes]"):
    """Whatever a killed worker left in it."""
    folder.lock.write_text(claim(bystander.pid, started=started(bystander.pid)))

    assert not Run(str(folder.root)).cancel(now=True)


@pytest.mark.parametrize("pid", [-1, 0, 1, 2**31, -(2**63), 10**30])
@pytest.mark.parametrize("old", [True, False])
def test_what_is_no_single_process_is_never_signalled(folder: RunFolder, pid: int, old: bool):
    """-1 is all of the caller's processes, 0 his group, 1 everybody's parent."""
    signals: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: signals.append(number))
    try:
        with held_with(folder, str(pid) if old else claim(pid)), pytest.raises(StorageError, match=r"lock: "):
            Run(str(folder.root)).cancel()
        time.sleep(0.1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert signals == []


@pytest.mark.slow  # a lock that names no worker is looked at again for two seconds
def test_another_process_is_never_signalled(folder: RunFolder, bystander: "subprocess.Popen[bytes]"):
    """Not even one whose start the lock has right: it is not a worker of this folder."""
    for text in (
        str(bystander.pid),
        claim(bystander.pid),
        claim(bystander.pid, started=started(bystander.pid)),
        claim(os.getppid(), started=started(os.getppid())),
    ):
        with held_with(folder, text), pytest.raises(StorageError, match="nothing was signalled"):
            Run(str(folder.root)).cancel(now=True)


@pytest.mark.slow  # a lock that names no worker is looked at again for two seconds
def test_the_worker_of_another_run_is_never_signalled(folder: RunFolder, tmp_path: Path):
    """A lock that names a real worker, of somebody else's run."""
    other = RunFolder(tmp_path / "faces" / "77aa")
    with a_worker(str(other.root)) as worker:
        text = other.lock.read_text()
        with held_with(folder, text), pytest.raises(StorageError, match="nothing was signalled"):
            Run(str(folder.root)).cancel(now=True)
        assert worker.poll() is None


@pytest.mark.slow  # a lock that names no worker is looked at again for two seconds
def test_a_process_id_that_came_again_is_never_signalled(folder: RunFolder):
    """The same number and the same command, begun at another time."""
    with a_worker(str(folder.root)) as worker:
        record = json.loads(folder.lock.read_text())
        folder.lock.write_text(json.dumps({**record, "started": record["started"] - 1}))
        with pytest.raises(StorageError, match="nothing was signalled"):
            Run(str(folder.root)).cancel(now=True)
        assert worker.poll() is None


@pytest.mark.parametrize("change", [{"host": "node-7"}, {"boot": "0" * 36}])
def test_a_worker_on_another_host_is_canceled_there(folder: RunFolder, change: dict[str, str]):
    """On a shared file system the number is another host's; after a restart, another process's."""
    with a_worker(str(folder.root)) as worker:
        record = json.loads(folder.lock.read_text())
        folder.lock.write_text(json.dumps({**record, **change}))
        with pytest.raises(BadSpecError, match=r"its worker runs on host \S+: cancel it there"):
            Run(str(folder.root)).cancel(now=True)
        assert worker.poll() is None


def test_an_older_ftjobs_lock_is_proven_by_its_command(folder: RunFolder):
    """It has a process id alone."""
    with a_worker(str(folder.root)) as worker:
        folder.lock.write_text(f"{worker.pid}\n")

        assert local.worker_pid(folder) == worker.pid


def test_a_lock_without_a_word_is_asked_again(folder: RunFolder):
    """For a moment a worker has the lock and has not written yet."""
    with held_with(folder, ""), pytest.raises(StorageError, match="is just starting or ending: try again"):
        Run(str(folder.root)).cancel()


@pytest.mark.parametrize("kind", ["pipe", "folder", "zero", "loop"])
def test_a_lock_that_is_no_file_is_named(folder: RunFolder, kind: str):
    """By who reads it, and by a worker that would hold it."""
    if kind == "pipe":
        os.mkfifo(folder.lock)
    elif kind == "folder":
        folder.lock.mkdir()
    else:
        folder.lock.symlink_to("/dev/zero" if kind == "zero" else folder.lock)
    with pytest.raises(FtjobError, match=r"worker\.lock: "), only_worker(folder):
        pytest.fail("held")
    with pytest.raises(FtjobError, match=r"worker\.lock: "):
        Run(str(folder.root)).cancel()
