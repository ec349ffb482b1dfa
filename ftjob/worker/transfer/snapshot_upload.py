"""Turns the two files that an engine wrote into a complete snapshot, while training continues.

A thread makes the record (which takes reading a gigabyte for its digests), deletes what is no longer needed
and, where the run lives in a store, uploads: files first, record last.
"""

import threading
import time
from collections.abc import Callable

from ftjob.concurrency.retry import patiently
from ftjob.engine import Writing
from ftjob.errors import FtjobError, StorageError
from ftjob.runfolder import snapshots
from ftjob.runfolder.lease import LeaseLostError
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.snapshots import Snapshot
from ftjob.runfolder.store import RunStore

PATIENCE_SECONDS = 600.0
"""How long the store may refuse everything before the run ends; training continues meanwhile."""
RETRY_SECONDS = 5.0


class SnapshotSaver:
    """Completes snapshots in the order they were taken, in a thread of its own."""

    def __init__(
        self,
        run: RunStore,
        found: list[Snapshot],
        *,
        check: Callable[[], None] = lambda: None,
        publish: Callable[[], None] = lambda: None,
        saved: Callable[[Snapshot, Snapshot | None], None] = lambda _snapshot, _best: None,
        patience_seconds: float = PATIENCE_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """`found` are the snapshots that are complete already.

        `check` raises LeaseLostError where this worker may no longer write. `publish` brings the small files
        up to date, so that a snapshot's metrics are there before it. `saved` is called with each snapshot
        that becomes complete, and the best one so far.
        """
        self._run, self._may_write, self._publish, self._saved = run, check, publish, saved
        self._patience, self._retry = patience_seconds, retry_seconds
        self._changed = threading.Condition()
        self._taken: list[tuple[Writing, int, Evaluation | None]] = []
        self._waiting: list[Snapshot] = []
        """Complete on disk, not yet in the store."""
        self.complete = list(found)
        """Where the run lives, oldest first; to be read when settled."""
        self._failure: FtjobError | None = None
        self._busy = False
        self._end = False
        self.seconds = 0.0
        """What the last snapshot took, from its record to the store."""
        self._thread = threading.Thread(target=self._work, name="saver", daemon=True)
        self._thread.start()

    def keep_only(self, found: list[Snapshot]) -> None:
        """Count these as the complete ones, before any snapshot is taken, and delete others from this disk.

        A stage that was copied halfway leaves one without a solverstate. Deleted later, it could take with it
        what the engine is writing under the same names.
        """
        self.complete = list(found)
        snapshots.prune(self._run.folder, {snapshot.iteration for snapshot in found})

    def take(self, writing: Writing, images_seen: int, test: Evaluation | None) -> None:
        """Complete a snapshot once its two files are written."""
        with self._changed:
            self._taken.append((writing, images_seen, test))
            self._changed.notify_all()

    def check(self) -> None:
        """Raise the error that ended the thread, if any."""
        if self._failure:
            raise self._failure

    def settle(self) -> None:
        """Wait until every snapshot taken is complete or superseded. Raises StorageError."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure or not (self._taken or self._waiting or self._busy))
        self.check()

    def close(self) -> None:
        """Complete what was taken, without waiting for a store that refuses, and end the thread."""
        with self._changed:
            self._end = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        try:
            while self._next():
                begin = time.monotonic()
                self._write_records()
                self._upload()
                self._prune()
                self.seconds = time.monotonic() - begin
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
        except FtjobError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the training thread must see it
            self._fail(StorageError(f"{self._run.folder.snapshots}: not kept ({error!r}): please report it"))

    def _fail(self, error: FtjobError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _next(self) -> bool:
        """Wait for work; return False when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._end or self._taken or self._waiting)
            self._busy = bool(self._taken or self._waiting)
            return self._busy

    def _write_records(self) -> None:
        """Write the records of what was taken."""
        while self._taken:
            writing, images_seen, test = self._taken[0]
            done = snapshots.complete(self._run.folder, writing.wait().iteration, images_seen, test)
            with self._changed:
                self._taken.pop(0)
                if self._run.is_copy:
                    self._waiting.append(done)
            if not self._run.is_copy:
                self._completed(done)

    def _upload(self) -> None:
        """Upload the newest of the waiting snapshots, and the best if it is among them.

        Those two supersede the others: a resumed run needs the newest and a bundle the best, and any other
        would be pruned as soon as it were uploaded. Without this a store that is slower than the snapshots
        would fall ever further behind, by a gigabyte each.
        """
        waiting = list(self._waiting)
        best = snapshots.best([*self.complete, *waiting])
        for snapshot in waiting:
            if snapshot in (waiting[-1], best):
                self._patiently(snapshot)
                self._completed(snapshot)
            with self._changed:
                self._waiting.remove(snapshot)

    def _completed(self, snapshot: Snapshot) -> None:
        """Count a snapshot, in place of an earlier one of its iteration, and report it."""
        self.complete = [each for each in self.complete if each.iteration != snapshot.iteration]
        self.complete.append(snapshot)
        self._saved(snapshot, snapshots.best(self.complete))

    def _patiently(self, snapshot: Snapshot) -> None:
        """Upload one snapshot, retrying while the store refuses. Raises StorageError when patience ends."""
        patiently(
            lambda: self._put(snapshot),
            self._patience,
            final=(LeaseLostError,),
            ended=lambda: self._end,
            longest_pause=self._retry,
        )

    def _prune(self) -> None:
        """Delete, here and in the store, all but the newest two, the best, and those still to be uploaded."""
        for snapshot in snapshots.stale(self.complete):
            self._may_write()
            self._run.forget(snapshot)
            self.complete.remove(snapshot)
        snapshots.prune(
            self._run.folder, {snapshot.iteration for snapshot in (*self.complete, *self._waiting)}
        )

    def _put(self, snapshot: Snapshot) -> None:
        """Upload a snapshot, its record last and only while the lease holds. Raises StorageError."""
        record, *others = snapshot.paths(self._run.folder)
        for path in others:
            self._may_write()
            self._run.put(path)
        self._publish()
        self._may_write()
        self._run.put(record)
