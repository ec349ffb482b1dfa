"""Shares the features of frozen trunks through the store that a run's output lies in.

`<output>/features/<digest>` is a file of rows as an engine keeps it. Each row has a checksum, and so has the
object; what is missing or damaged is computed. Nothing here ends a run.
"""

import contextlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path
from types import TracebackType
from typing import Self

from ftjob.concurrency.periodic import Periodic
from ftjob.engine import FeatureRows
from ftjob.engine.process.feature_file import FeatureFile, copy_rows, row_bytes
from ftjob.errors import StorageError
from ftjob.fs import files
from ftjob.plan.cost import Workload
from ftjob.plan.savings import KeptTrunk
from ftjob.storage import DamagedError, Store, Transfer

FOLDER = "features"
PATIENCE = 20.0
"""Seconds that a store may be unreachable: a run does without it."""
LOOK_SECONDS = 10.0
"""Between two looks at whether features are complete."""
END_SECONDS = 10.0
"""How much longer an upload may take than training does; the node is paid for meanwhile."""
SCAN_SHARE = 0.05
"""Of the time, what reading files that prove incomplete may take."""
ENOUGH_MIRRORED = 0.95
"""The share of rows that is enough where images are mirrored: the last come up after many epochs."""


@dataclass(frozen=True)
class SharedFile:
    """A file of features, and when it is worth an upload."""

    rows: FeatureRows
    enough: int
    """Rows."""

    @classmethod
    def of(cls, rows: FeatureRows, trunk: KeptTrunk) -> Self:
        """Return the file of a trunk's features."""
        share = ENOUGH_MIRRORED if trunk.variants > 1 else 1.0
        return cls(rows, ceil(share * rows.rows))

    @property
    def key(self) -> str:
        """Its name here and in the store."""
        return self.rows.path.name

    @property
    def size(self) -> int:
        """In bytes, with all rows."""
        return self.rows.rows * row_bytes(self.rows.floats)


def worth_sharing(kept: list[FeatureRows], work: Workload) -> list[SharedFile]:
    """Return the files that a store brings sooner than the node computes them."""
    trunks = ((each, work.kept_test if each.is_test else work.kept_train) for each in kept)
    return [SharedFile.of(each, trunk) for each, trunk in trunks if trunk and trunk.is_worth_fetching]


class _AbandonedError(StorageError):
    """A transfer that the run does not wait for."""


class SharedFeatures:
    """Brings features from a store, and to it once they are complete, in a thread beside the training."""

    def __init__(
        self,
        store: Store,
        shared: list[SharedFile],
        *,
        aside: Path,
        limit: int,
        must_stop: Callable[[], bool],
        log: Callable[[str], None],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """`store` is the folder of all features, which may have `limit` bytes together; `aside` is a folder
        on this disk for those on their way. Where `must_stop`, transfers end early.
        """
        self._store, self._aside, self._limit = store, aside, limit
        self._must_stop, self._log = must_stop, log
        self._waiting = list(shared)
        """Those that the store lacks."""
        self._damaged: set[str] = set()
        """Keys of objects to be replaced."""
        self._next_scan: dict[str, float] = {}
        self._until = inf
        self._looks = Periodic(self._offer, look_seconds, "features")

    def __enter__(self) -> Self:
        """Fetch what the store has and this disk lacks, and begin to look for what is complete."""
        shutil.rmtree(self._aside, ignore_errors=True)  # what a killed worker left
        self._each(self._fetch)
        self._looks.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abandon what is under way."""
        self._until = min(self._until, time.monotonic())
        self._looks.close()
        shutil.rmtree(self._aside, ignore_errors=True)

    def finish(self) -> None:
        """Upload what became complete last, unless that takes long."""
        self._until = time.monotonic() + END_SECONDS
        self._looks.close()
        self._next_scan.clear()  # rows may have come since the last scan, and no look follows this one
        self._offer()

    def _offer(self) -> None:
        self._each(self._upload)

    def _each(self, move: Callable[[SharedFile], bool]) -> None:
        """Move each file that the store lacks; those for which `move` returns True are done."""
        for shared in list(self._waiting):
            try:
                if move(shared):
                    self._waiting.remove(shared)
            except _AbandonedError:
                return
            except DamagedError as error:
                self._damaged.add(shared.key)
                self._log(f"features: {error}; they are computed")
            except StorageError as error:
                self._waiting.clear()
                self._log(f"features: not shared with other nodes: {error}")
                return
            finally:
                (self._aside / shared.key).unlink(missing_ok=True)

    def _fetch(self, shared: SharedFile) -> bool:
        """Fetch one file, and return whether the store has enough of it."""
        entry = self._store.stat(shared.key)
        if entry is None:
            return False
        if entry.size != shared.size:
            raise DamagedError(f"{self._place(shared)}: has {entry.size} bytes and not {shared.size}")
        if self._opened_has_all(shared):
            return True
        begin, aside = time.monotonic(), self._room_for(shared)
        self._store.download(shared.key, aside, progress=self._report)
        copied = _copy(aside, shared.rows.path, shared)
        took = time.monotonic() - begin
        self._log(
            f"features: {copied} of {shared.rows.rows} came from {self._place(shared)} "
            f"({shared.size / 1e6:.1f} MB in {took:.1f} s)"
        )
        if copied < shared.enough:
            raise DamagedError(f"{self._place(shared)}: has only {copied} whole rows")
        return True

    def _upload(self, shared: SharedFile) -> bool:
        """Upload one file where it is complete, and return whether the store has it then."""
        if not self._may_be_complete(shared):
            return False
        begin, aside = time.monotonic(), self._room_for(shared)
        if _copy(shared.rows.path, aside, shared) < shared.enough:
            self._next_scan[shared.key] = time.monotonic() + (time.monotonic() - begin) / SCAN_SHARE
            return False
        there = {entry.key: entry.size for entry in self._store.list()}
        if there.pop(shared.key, None) == shared.size and shared.key not in self._damaged:
            return True  # another worker was faster
        if sum(there.values()) + shared.size > self._limit:
            self._log(
                f"features: not shared with other nodes: {self._store.location} would have more than "
                f"{self._limit / 1e9:.1f} GB: remove old files there, or have a lifecycle rule do it"
            )
            return True
        self._store.upload(aside, shared.key, progress=self._report)
        self._log(f"features: kept for other nodes in {self._place(shared)} ({shared.size / 1e6:.1f} MB)")
        return True

    def _may_be_complete(self, shared: SharedFile) -> bool:
        """Whether a file is worth a scan: its holes are few, and the last scan is long ago."""
        if time.monotonic() < self._next_scan.get(shared.key, 0.0):
            return False
        with _opened(shared.rows.path, shared) as file:
            return file.used * shared.rows.rows >= shared.size * shared.enough

    def _opened_has_all(self, shared: SharedFile) -> bool:
        """Whether this disk has all rows, as far as its blocks show."""
        with _opened(shared.rows.path, shared) as file:
            return file.used >= shared.size

    def _room_for(self, shared: SharedFile) -> Path:
        """Return where a file may lie on its way. Raises StorageError where the disk has no room for it."""
        with files.explained(self._aside):
            self._aside.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._aside).free
        if shared.size > free:
            raise StorageError(f"{self._aside}: {shared.size / 1e9:.1f} GB do not fit on the disk")
        return self._aside / shared.key

    def _place(self, shared: SharedFile) -> str:
        return f"{self._store.location}/{shared.key}"

    def _report(self, _: Transfer) -> None:
        if self._must_stop() or time.monotonic() > self._until:
            raise _AbandonedError("the run does not wait for features")


def _opened(path: Path, shared: SharedFile) -> contextlib.closing[FeatureFile]:
    with files.explained(path):
        return contextlib.closing(FeatureFile(path, shared.rows.floats))


def _copy(source: Path, target: Path, shared: SharedFile) -> int:
    """Copy the rows that are whole into a file of full size, and return their number. Raises StorageError."""
    with _opened(source, shared) as rows, _opened(target, shared) as copy, files.explained(target):
        copy.resize(shared.rows.rows)
        return copy_rows(rows, copy, shared.rows.rows)
