"""The small files of a run, seconds behind in a store; and the bundle, when there is one."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ftjob.errors import FtjobError, StorageError
from ftjob.layout import BundleFolder
from ftjob.runfolder.lease import LeaseLostError
from ftjob.runfolder.store import RunStore
from ftjob.runfolder.tail import Tail
from ftjob.worker.snapshot_upload import PATIENCE_SECONDS, RETRY_SECONDS

TICK_SECONDS = 2.0


class Publisher:
    """Brings what a worker writes to where its run lives. In the run's own directory it is there already."""

    def check(self) -> None:
        """Raise what goes wrong beside the training."""

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
        """`check` raises LeaseLostError where this worker may not write any more; `echo` is given what is
        added to the log, for whoever reads a container's output."""
        folder = run.folder
        self._run, self._folder, self._may_write = run, folder, check
        self._log_path, self._echo, self._echoed = folder.log(attempt), echo, 0
        self._tick, self._patience = tick_seconds, patience_seconds
        grow = (folder.train_metrics, folder.test_metrics, folder.log(attempt))
        self._tails = [Tail(run.store, path, folder.key(path)) for path in grow]
        self._sending = threading.Lock()
        self._sent: dict[Path, tuple[int, int]] = {}
        self._failure: FtjobError | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what the thread could not do."""
        if self._failure:
            raise self._failure

    def bundle(self) -> None:
        """Upload what the end of a run made, the bundle's manifest last. Raises StorageError."""
        folder = self._folder
        manifest = BundleFolder(folder.bundle).manifest
        made = sorted(path for path in folder.bundle.rglob("*") if path.is_file() and path != manifest)
        for path in (*made, folder.evaluation, folder.curves, manifest):
            if path.is_file():
                self._may_write()
                self._run.put(path)

    def close(self) -> None:
        """Bring everything up to date a last time. Raises StorageError."""
        self._end.set()
        self._thread.join()
        self._tell()
        self.check()
        self._patiently()

    def _work(self) -> None:
        well = time.monotonic()
        while not self._end.wait(self._tick):
            self._tell()
            try:
                self.send()
                well = time.monotonic()
            except StorageError as error:
                if isinstance(error, LeaseLostError) or time.monotonic() - well > self._patience:
                    self._failure = error
                    return

    def _patiently(self) -> None:
        begin = time.monotonic()
        while True:
            try:
                return self.send()
            except LeaseLostError:
                raise
            except StorageError:
                if time.monotonic() - begin > self._patience:
                    raise
                time.sleep(RETRY_SECONDS)

    def _tell(self) -> None:
        """Give what is new in the log to the echo, whether or not the store answers."""
        if self._echo and self._log_path.exists():
            with self._log_path.open("rb") as file:
                file.seek(self._echoed)
                added = file.read()
            self._echoed += len(added)
            self._echo.write(added)
            self._echo.flush()

    def send(self) -> None:
        """Send what changed, the status last: what it tells of is there then. Raises StorageError."""
        folder = self._folder
        with self._sending:
            self._may_write()
            for tail in self._tails:
                tail.send()
            whole = (folder.plan, folder.train_val, folder.deploy, folder.solver, folder.report)
            for path in (*whole, folder.status):
                self._send_whole(path)

    def _send_whole(self, path: Path) -> None:
        if not path.exists():
            return
        said = path.stat()
        stamp = (said.st_mtime_ns, said.st_ino)
        if self._sent.get(path) != stamp:
            self._run.store.write(self._folder.key(path), path.read_bytes())
            self._sent[path] = stamp
