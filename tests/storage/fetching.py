"""Fetching in a process of its own, which may be slow, killed, or stay and hold what it has."""

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

from ftjob.storage.cache import fetch_entries
from ftjob.storage.directory import DirectoryStore
from ftjob.storage.store import Transfer

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Counted(DirectoryStore):
    """A directory that notes every download in a file."""

    log: Path

    def download(
        self,
        key: str,
        path: Path,
        *,
        sha256: str | None = None,
        progress: Callable[[Transfer], None] = lambda _: None,
    ) -> None:
        with self.log.open("a") as log:
            log.write(f"{key}\n")
        super().download(key, path, sha256=sha256, progress=progress)


def fetch(
    folder: Path, cache: Path, log: Path, seconds: float = 0.0, environment: Mapping[str, str] | None = None
) -> Path:
    """Fetch a directory, waiting at every piece of it."""
    os.environ.update({"FTJOB_CACHE": str(cache), **(environment or {})})
    store = Counted(folder, log)
    return fetch_entries(store, store.list(), lambda _: time.sleep(seconds))


def fetch_and_stay(folder: Path, cache: Path, log: Path, fetched: Event, leave: Event) -> None:
    """Fetch a directory and hold it until told to leave."""
    fetch(folder, cache, log)
    fetched.set()
    leave.wait()
