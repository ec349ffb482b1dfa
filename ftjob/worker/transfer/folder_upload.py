"""Uploads a run's small files to its store every few seconds, and the bundle at the end."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ftjob.concurrency.periodic import Periodic
from ftjob.concurrency.retry import patiently
from ftjob.errors import StorageError
from ftjob.runfolder.layout import BundleFolder
from ftjob.runfolder.lease import LeaseLostError
from ftjob.runfolder.store import RunStore
from ftjob.runfolder.tail import Tail
from ftjob.worker.transfer.snapshot_upload import PATIENCE_SECONDS

TICK_SECONDS = 2.0
EVENTS_SECONDS = 30.0
"""Between two uploads of TensorBoard's files."""


class Publisher:
    """Brings what a worker writes to where its run lives: nothing to do for a run in a directory."""

    def check(self) -> None:
        """Raise the error that ended the thread, if any."""

    def send(self) -> None:
        """Send what changed. Raises StorageError."""

    def bundle(self) -> None:
        """Upload what the end of a run made, the bundle's manifest last. Raises StorageError."""

    def close(self) -> None:
        """Bring everything up to date a last time. Raises StorageError."""


class StorePublisher(Publisher):
    """Keeps a store's copy of a run's small files like the work folder's, in a thread of its own."""

    def __init__(
        self,
        run: RunStore,
        attempt: int,
        check: Callable[[], None],
        echo: BinaryIO | None = None,
        *,
        tick_seconds: float = TICK_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`check` raises LeaseLostError where this worker may no longer write; `echo` receives what is added
        to the log, for readers of a container's output."""
        folder = run.folder
        self._run, self._folder, self._may_write = run, folder, check
        self._log_path, self._echo, self._echoed = folder.log(attempt), echo, 0
        self._patience = patience_seconds
        grow = (folder.train_metrics, folder.test_metrics, folder.log(attempt))
        self._tails = [Tail(run.store, path, folder.key(path)) for path in grow]
        self._sending = threading.Lock()
        self._sent: dict[Path, tuple[int, int]] = {}
        self._events: set[str] | None = None
        """Keys of the store's event files; None before the first time."""
        self._events_due = 0.0
        self._well = time.monotonic()
        self._updates = Periodic(self._update, tick_seconds, "publisher").start()

    def check(self) -> None:
        """Raise the error that ended the thread, if any."""
        self._updates.check()

    def bundle(self) -> None:
        """Upload what the end of a run made, the bundle's manifest last. Raises StorageError."""
        folder = self._folder
        manifest = BundleFolder(folder.bundle).manifest
        made = sorted(path for path in folder.bundle.rglob("*") if path.is_file() and path != manifest)
        on = (folder.on_evaluation, folder.on_predictions)
        pictures = (folder.mistakes, folder.curves)
        results = (folder.evaluation, folder.predictions, *on, folder.acceptance, *pictures)
        # Those of an attempt before belong to another evaluation, and none of them may outlast it.
        self._may_write()
        stale = (folder.acceptance, folder.mistakes, folder.predictions, *reversed(on))
        self._run.store.delete(map(folder.key, stale))
        for path in (*made, *results, manifest):
            if path.is_file():
                self._may_write()
                self._run.put(path)

    def close(self) -> None:
        """Bring everything up to date a last time. Raises StorageError."""
        self._updates.close()
        self._echo_log()
        self.check()
        self._events_due = 0.0
        patiently(self.send, self._patience, final=(LeaseLostError,))

    def _update(self) -> None:
        """Raises StorageError where the store refused for too long."""
        self._echo_log()
        try:
            self.send()
            self._well = time.monotonic()
        except StorageError as error:
            if isinstance(error, LeaseLostError) or time.monotonic() - self._well > self._patience:
                raise

    def _echo_log(self) -> None:
        """Copy what is new in the log to the echo, whether or not the store answers."""
        if self._echo and self._log_path.exists():
            with self._log_path.open("rb") as file:
                file.seek(self._echoed)
                added = file.read()
            self._echoed += len(added)
            self._echo.write(added)
            self._echo.flush()

    def send(self) -> None:
        """Send what changed, the status last, so that what it refers to is there. Raises StorageError."""
        folder = self._folder
        with self._sending:
            self._may_write()
            for tail in self._tails:
                tail.send()
            self._send_events()
            whole = (folder.plan, folder.train_val, folder.deploy, folder.solver, folder.report)
            for path in (*whole, folder.status):
                self._send_whole(path)

    def _send_events(self) -> None:
        """Have the store's event files be those that are here: an attempt writes them all anew. Now and then:
        the one that grows is sent again and again, and they hold nothing that metrics do not."""
        folder = self._folder
        here = {folder.key(path): path for path in sorted(folder.events.glob("[!.]*"))}
        if not here or time.monotonic() < self._events_due:
            return
        self._events_due = time.monotonic() + EVENTS_SECONDS
        if self._events is None:
            self._events = {entry.key for entry in self._run.store.list(folder.key(folder.events))}
        for path in here.values():
            with suppress(FileNotFoundError):  # they are being written anew
                self._send_whole(path)
        self._run.store.delete(sorted(self._events - here.keys()))
        self._events = set(here)

    def _send_whole(self, path: Path) -> None:
        if not path.exists():
            return
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if self._sent.get(path) != stamp:
            self._run.store.write(self._folder.key(path), path.read_bytes())
            self._sent[path] = stamp
