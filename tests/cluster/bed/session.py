"""Who uses a cluster: the first brings it up, the last takes it down, and a death counts as leaving."""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tests.cluster.bed.build import ensure_tools
from tests.cluster.bed.cluster import Cluster, program_environment
from tests.cluster.bed.keeper import READY_WITHIN
from tests.cluster.bed.leftovers import clean, end_keeper, sessions_dir
from tests.cluster.bed.places import Addresses

GPUS = 2
DOWN_WITHIN = 60.0


@contextlib.contextmanager
def attach(name: str) -> Iterator[Cluster]:
    """Use the cluster of this name, which is brought up where it is not; leave it at the end.

    Raises RuntimeError where it does not come up, with the last words of each of its programs.
    """
    tools = ensure_tools()
    folder = sessions_dir() / name
    with _enter(folder, tools):
        record = json.loads((folder / "session.json").read_text())
        yield Cluster.of_session(folder, tools, Addresses(record["slot"]), GPUS)
    _wait_for_end(folder)


def up(name: str) -> Cluster:
    """Bring a cluster up that stays until `down`."""
    with attach(name) as cluster:
        (cluster.folder / "keep").touch()
        return cluster


def down(name: str) -> None:
    """Let a cluster go, and wait until nothing of it is left, unless others use it still.

    A keeper that does not react is ended by its recorded number.
    """
    folder = sessions_dir() / name
    (folder / "keep").unlink(missing_ok=True)
    _wait_for_end(folder)
    if folder.exists() and not _is_kept(folder):
        end_keeper(folder)
    clean()


@contextlib.contextmanager
def _enter(folder: Path, tools: Path) -> Iterator[None]:
    """Hold the session's file `users`, which its keeper waits to have for itself."""
    while True:
        with _everybody_else_waits():
            clean()
            users = _join(folder) or _begin(folder, tools)
        with users:
            if _is_up(folder, users):
                yield
                return


@contextlib.contextmanager
def _everybody_else_waits() -> Iterator[None]:
    sessions_dir().mkdir(parents=True, exist_ok=True)
    with (sessions_dir().parent / "sessions.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _join(folder: Path) -> IO[str] | None:
    """Become a user of a session that is there."""
    if not folder.is_dir():
        return None
    users = (folder / "users").open("a")
    fcntl.flock(users, fcntl.LOCK_SH)
    return users


def _begin(folder: Path, tools: Path) -> IO[str]:
    """Start a keeper; the lock on `alive` passes on to it, so that nobody takes the session for dead."""
    folder.mkdir(mode=0o700)
    users = (folder / "users").open("a")
    fcntl.flock(users, fcntl.LOCK_SH)
    with (folder / "alive").open("w") as alive, (folder / "keeper.log").open("w") as log:
        fcntl.flock(alive, fcntl.LOCK_EX)
        keeper = [sys.executable, "-m", "tests.cluster.bed.keeper", str(folder), str(GPUS)]
        subprocess.run(
            ["setsid", "--fork", *keeper],
            check=True,
            cwd=Path(__file__).parents[3],
            env=program_environment(tools),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[alive.fileno()],
        )
    return users


def _is_up(folder: Path, users: IO[str]) -> bool:
    """Wait until the session is ready; False where it ended before we came in."""
    deadline = time.monotonic() + 2 * READY_WITHIN
    while time.monotonic() < deadline:
        try:
            if os.fstat(users.fileno()).st_ino != (folder / "users").stat().st_ino:
                return False
            if (folder / "ready").exists():
                return True
            if (folder / "failed").exists():
                raise RuntimeError(f"the cluster did not come up: {(folder / 'failed').read_text()}")
        except FileNotFoundError:
            return False
        time.sleep(0.05)
    raise RuntimeError(f"the cluster did not come up; see {folder}/keeper.log")


def _wait_for_end(folder: Path) -> None:
    """Wait until the cluster is gone, or somebody else is seen to use it."""
    deadline = time.monotonic() + DOWN_WITHIN
    while folder.exists() and time.monotonic() < deadline:
        if _is_kept(folder):
            return
        time.sleep(0.05)


def _is_kept(folder: Path) -> bool:
    if (folder / "keep").exists():
        return True
    with contextlib.suppress(FileNotFoundError), (folder / "users").open("r+") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _is_shared(users)
    return False


def _is_shared(users: IO[str]) -> bool:
    """Return whether other users hold the file, rather than the keeper, which is taking things down."""
    try:
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
