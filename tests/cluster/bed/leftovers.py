"""What a session leaves when it dies: found by its record, ended and removed at the next start."""

import contextlib
import fcntl
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from tests.cluster.bed.cgroups import remove_cgroup
from tests.cluster.bed.places import Addresses, bed_dir


@dataclass(frozen=True)
class Record:
    """A session's processes and its slot, in the file `session.json` of its folder."""

    keeper: int
    inside: int | None
    slot: int

    def write(self, folder: Path) -> None:
        """Write it, with the time that each process started at, since numbers are used again."""
        started = {str(pid): psutil.Process(pid).create_time() for pid in (self.keeper, self.inside) if pid}
        partial = folder / "session.partial"
        partial.write_text(json.dumps({**asdict(self), "started": started}))
        partial.replace(folder / "session.json")


def sessions_dir() -> Path:
    """Return the folder of the clusters that are up."""
    return bed_dir() / "sessions"


def clean() -> list[str]:
    """Remove what dead sessions left; return their names."""
    removed = []
    for folder in sorted(sessions_dir().iterdir()) if sessions_dir().is_dir() else []:
        if folder.is_dir() and _is_dead(folder):
            remove_session(folder)
            removed.append(folder.name)
    return removed


def end_keeper(folder: Path) -> None:
    """End the keeper of a session that does not end it itself; `clean` finds the rest."""
    record = json.loads((folder / "session.json").read_text())
    _end(record["keeper"], record["started"][str(record["keeper"])])


def remove_session(folder: Path) -> None:
    """End the session's recorded processes and remove its control groups and its folder."""
    with contextlib.suppress(FileNotFoundError):
        record = json.loads((folder / "session.json").read_text())
        if record["inside"]:
            _end(record["inside"], record["started"][str(record["inside"])])
        remove_cgroup(Addresses(record["slot"]).cgroup)
    going = folder.with_name(f".{folder.name}.gone")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(going)
    shutil.rmtree(going, ignore_errors=True)  # another session's start may be removing it too


def _is_dead(folder: Path) -> bool:
    if folder.name.startswith("."):
        return True
    try:
        with (folder / "alive").open("r+") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:  # it was just removed, or was never begun
        return folder.exists()
    return True


def _end(pid: int, started: float) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if process.create_time() == started:
            process.kill()
            process.wait(10)
